"""R's functions and operators of columns; what is not in the table is refused by name."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import partial, reduce

import numpy as np
import numpy.typing as npt

from lwdstats.arrays import FloatArray
from lwdstats.inference.formula import factors
from lwdstats.inference.formula.factors import LONGEST, as_factor, steps
from lwdstats.inference.formula.values import (
    Argument,
    Factor,
    Switch,
    UnusableError,
    Value,
    as_finite,
    as_numbers,
    as_switch,
    as_texts,
    as_truths,
    is_text,
    one_number,
    one_text,
    orthogonal_polynomials,
    text_array,
)

_NUMBER = re.compile(r"\s*[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?\s*")
_HIGHEST = 1000


def as_numeric(x: Argument) -> FloatArray:
    """Return R's ``as.numeric``: of a factor its codes, of text the numbers in it."""
    if isinstance(x, Factor):
        return np.where(x.codes < 0, np.nan, x.codes + 1.0)
    if not is_text(x):
        return as_numbers(x)
    texts = [text or "" for text in as_texts(x)]
    return np.array([float(t) if _NUMBER.fullmatch(t) else np.nan for t in texts])


def _log(x: Argument, base: Argument = None) -> FloatArray:
    if base is None:
        return np.log(as_numbers(x))
    by = one_number(base)
    exact = {2.0: np.log2, 10.0: np.log10}.get(by)
    return exact(as_numbers(x)) if exact else np.log(as_numbers(x)) / np.log(by)


def _poly(
    x: Argument,
    degree: Argument = None,
    *,
    raw: Switch = False,
    simple: Switch = False,
) -> FloatArray:
    as_switch(simple)  # which attributes there are, in R
    values = as_finite(x)
    highest = 1.0 if degree is None else one_number(degree)
    if not (1 <= highest <= _HIGHEST and highest.is_integer()):
        raise UnusableError(f"a whole degree from 1 to {_HIGHEST}")
    if as_switch(raw):
        return values[:, None] ** np.arange(1.0, highest + 1)
    if highest >= len(np.unique(values)):
        raise UnusableError("a degree below the number of different values")
    return orthogonal_polynomials(values, int(highest))


def _scale(x: Argument, center: Switch = True, scale: Switch = True) -> FloatArray:
    values = as_finite(x)
    values = values - _amount(center, float(values.mean()), 0.0)
    deviation = math.sqrt((values @ values) / max(1, len(values) - 1))
    return values / _amount(scale, deviation, 1.0)


def _amount(x: Switch, found: float, none: float) -> float:
    """Return a number that is given, or what TRUE and FALSE stand for."""
    if isinstance(x, bool) or (isinstance(x, np.ndarray) and x.dtype == bool):
        return found if as_switch(x) else none
    return one_number(x)


def _ifelse(test: Argument, yes: Argument, no: Argument) -> Value:
    # Of a factor R takes the codes.
    yes, no = (as_numeric(x) if isinstance(x, Factor) else x for x in (yes, no))
    if is_text(yes) and is_text(no):
        return np.where(as_truths(test), text_array(as_texts(yes)), text_array(as_texts(no)))
    if is_text(yes) or is_text(no):
        raise UnusableError("numbers for both answers, or text for both")
    return _as_given(np.where(as_truths(test), as_numbers(yes), as_numbers(no)), yes, no)


def _combine(*parts: Argument) -> Value:
    if not parts or any(isinstance(part, Factor) for part in parts):
        raise UnusableError("numbers, text or truth values")
    if any(map(is_text, parts)):
        return text_array([text for part in parts for text in as_texts(part)])
    return _as_given(np.concatenate([as_numbers(part) for part in parts]), *parts)


def _as_given(values: FloatArray, *parts: Argument) -> Value:
    """Return numbers made of `parts`, as truth values if all of these are."""
    truths = all(isinstance(part, np.ndarray) and part.dtype == bool for part in parts)
    return values != 0.0 if truths else values


def _seq(
    from_: Argument, to: Argument, by: Argument = None, length_out: Argument = None
) -> FloatArray:
    first, last = one_number(from_), one_number(to)
    if length_out is not None and by is None:
        n = one_number(length_out)
        if not 1 <= n <= LONGEST:
            raise UnusableError(f"a length of 1 to {LONGEST}")
        return steps(first, last, math.ceil(n))
    step = (1.0 if last >= first else -1.0) if by is None else one_number(by)
    n = (last - first) / step if step else -1.0
    if length_out is not None or not 0 <= n <= LONGEST:
        raise UnusableError(f"steps from the first to the last number, {LONGEST} at most")
    return first + np.arange(math.floor(n + 1e-10) + 1, dtype=np.float64) * step


def _quantile(x: Argument, probs: Argument = None) -> FloatArray:
    shares = np.linspace(0.0, 1.0, 5) if probs is None else as_numbers(probs)
    if not ((shares >= 0) & (shares <= 1)).all():
        raise UnusableError("probabilities from 0 to 1")
    return np.asarray(np.quantile(as_finite(x), shares), dtype=np.float64)


def _paste(*parts: Argument, sep: Argument = None) -> Value:
    between = " " if sep is None else one_text(sep)
    columns = np.broadcast_arrays(*[text_array(as_texts(part)) for part in parts])
    return text_array([between.join(map(str, row)) for row in zip(*columns, strict=True)])


# Tables of what is alike.


def _of_numbers(function: Callable[..., npt.NDArray[np.generic]]) -> Callable[..., Value]:
    def of(x: Argument) -> Value:
        return function(as_numbers(x))

    return of


def _summary(function: Callable[[FloatArray], float]) -> Callable[..., Value]:
    def of(x: Argument) -> Value:
        return np.array([function(as_numbers(x))])

    return of


def _extreme(function: Callable[..., FloatArray]) -> Callable[..., Value]:
    def of(*columns: Argument) -> Value:
        if not columns:
            raise UnusableError("one column or more")
        return reduce(function, map(as_numbers, columns))

    return of


def _arithmetic(function: Callable[..., FloatArray]) -> Callable[..., Value]:
    def of(x: Argument, y: Argument) -> Value:
        return function(as_numbers(x), as_numbers(y))

    return of


def _signed(function: Callable[..., FloatArray], alone: float) -> Callable[..., Value]:
    def of(x: Argument, y: Argument = None) -> Value:
        return alone * as_numbers(x) if y is None else function(as_numbers(x), as_numbers(y))

    return of


def _comparison(
    function: Callable[..., npt.NDArray[np.bool_]], *, of_text: bool = False
) -> Callable[..., Value]:
    def of(x: Argument, y: Argument) -> Value:
        if of_text and (is_text(x) or is_text(y)):
            one, other = text_array(as_texts(x)), text_array(as_texts(y))
            missing = None in one or None in other
        else:
            one, other = as_numbers(x), as_numbers(y)
            missing = np.isnan(one).any() or np.isnan(other).any()
        if missing:
            raise UnusableError("values to compare that are not missing")
        return function(one, other).astype(bool)

    return of


def _within(x: Argument, table: Argument) -> Value:
    known = set(as_texts(table))
    return np.array([text in known for text in as_texts(x)], dtype=bool)


def _logic(function: Callable[..., npt.NDArray[np.bool_]]) -> Callable[..., Value]:
    def of(*columns: Argument) -> Value:
        return function(*map(as_truths, columns))

    return of


def _itself(x: Argument) -> Argument:
    return x


_SAME = "log2 log10 log1p exp expm1 sqrt abs sign floor trunc sin cos tan sinh cosh tanh"
_ELEMENTWISE = {name: getattr(np, name) for name in _SAME.split()} | {
    "ceiling": np.ceil,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
}
CONSTANTS: dict[str, Value] = {
    "T": np.array([True]),
    "F": np.array([False]),
    "pi": np.array([math.pi]),
}
FUNCTIONS: dict[str, Callable[..., Argument]] = {
    "(": _itself,
    "+": _signed(np.add, 1.0),
    "-": _signed(np.subtract, -1.0),
    "*": _arithmetic(np.multiply),
    "/": _arithmetic(np.true_divide),
    "^": _arithmetic(np.power),
    "%%": _arithmetic(np.mod),
    "%/%": _arithmetic(np.floor_divide),
    ":": lambda x, y: _seq(x, y),
    "%in%": _within,
    "==": _comparison(np.equal, of_text=True),
    "!=": _comparison(np.not_equal, of_text=True),
    "<": _comparison(np.less),
    "<=": _comparison(np.less_equal),
    ">": _comparison(np.greater),
    ">=": _comparison(np.greater_equal),
    "!": _logic(np.logical_not),
    "&": _logic(np.logical_and),
    "|": _logic(np.logical_or),
    "I": _itself,
    "C": as_factor,
    "factor": factors.factor,
    "ordered": partial(factors.factor, ordered=True),
    "as.factor": as_factor,
    "as.ordered": factors.as_ordered,
    "relevel": factors.relevel,
    "droplevels": factors.droplevels,
    "interaction": factors.interaction,
    "cut": factors.cut,
    "as.numeric": as_numeric,
    "as.integer": lambda x: np.trunc(as_numeric(x)),
    "as.character": lambda x: text_array(as_texts(x)),
    "log": _log,
    **{name: _of_numbers(function) for name, function in _ELEMENTWISE.items()},
    "poly": _poly,
    "scale": _scale,
    "ifelse": _ifelse,
    "pmin": _extreme(np.minimum),
    "pmax": _extreme(np.maximum),
    **{name: _summary(getattr(np, name)) for name in ("mean", "median", "min", "max")},
    "sd": _summary(partial(np.std, ddof=1)),
    "c": _combine,
    "seq": _seq,
    "quantile": _quantile,
    "paste": _paste,
}
