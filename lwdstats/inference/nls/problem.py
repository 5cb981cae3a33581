"""What `nls` is given, checked and turned into arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError
from lwdstats.inference.nls.formula import Formula, SelfStartCall
from lwdstats.inference.nls.selfstart import initial_values


def parameter_names(
    formula: Formula, columns: Sequence[str], start: Mapping[str, float] | None
) -> tuple[str, ...]:
    """Return the names in the model that are not data, in R's order, or raise `InputError`."""
    free = [name for name in formula.model.names if name not in columns]
    if start is None:
        if formula.call is None:
            takes = "a starting value for each of " + ", ".join(free) if free else "parameters"
            raise InputError("start", None, takes)
        given = [argument.tree for argument in formula.call.arguments]
        names = [tree[1] for tree in given if tree[0] == "name"]
        if (
            any(tree[0] != "name" and value_of(tree) is None for tree in given)
            or len(set(names)) < len(names)
            or set(names) != set(free)
        ):
            takes = (
                "starting values, unless each argument of the self-start but the first is a "
                "number or a name of its own that is not in data"
            )
            raise InputError("start", None, takes)
        return tuple(names)
    if not isinstance(start, Mapping):
        raise InputError("start", start, "a mapping of parameter names to numbers")
    for name, value in start.items():
        takes = "a finite number for each parameter"
        if name in columns:
            raise InputError("start", repr(name), "names that are not in data")
        if name not in free:
            raise InputError("start", repr(name), f"parameters of the model: {', '.join(free)}")
        if isinstance(value, bool | str) or not np.isscalar(value):
            raise InputError("start", f"{name} = {value!r}", takes)
        try:
            number = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            raise InputError("start", f"{name} = {value!r}", takes) from None
        if not math.isfinite(number):
            raise InputError("start", f"{name} = {value!r}", takes)
    missing = [name for name in free if name not in start]
    if missing:
        takes = "a starting value for each name in the model that is not in data"
        raise InputError("start", f"no value for {', '.join(missing)}", takes)
    if not start:
        raise InputError("formula", repr(formula.text), "at least one parameter")
    return tuple(str(name) for name in start)


def value_of(tree: tuple[Any, ...]) -> float | None:
    """Return the number a tree is, or None."""
    if tree[0] == "number":
        return float(tree[1])
    if tree[0] == "negative" and tree[1][0] == "number":
        return -float(tree[1][1])
    return None


def as_variable(data: Any, name: str, argument: str = "data") -> FloatArray:
    """Return a variable of `data` as a vector or scalar of floats."""
    takes = "real numbers: a vector, or a scalar"
    try:
        raw = data[name]
    except (KeyError, IndexError, TypeError):
        raise InputError(argument, repr(name), "names in data") from None
    array = np.asarray(raw)
    if array.dtype.kind not in "biufO" or array.ndim > 1:
        raise InputError(argument, f"{name} of type {array.dtype}, shape {array.shape}", takes)
    try:
        array = np.array(array, dtype=float)
    except (TypeError, ValueError):
        raise InputError(argument, f"{name} of type {array.dtype}", takes) from None
    if np.isinf(array).any():
        raise InputError(argument, f"{name} with infinite values", "finite numbers, or NaN")
    return array


def as_weights(data: Any, weights: Any) -> FloatArray | None:
    """Return weights as given: an array, or the name of a variable in `data`."""
    if weights is None:
        return None
    takes = "a vector of numbers that are not negative, or a name in data"
    if isinstance(weights, str):
        w = as_variable(data, weights, "weights")
    else:
        w = as_variable({"weights": weights}, "weights", "weights")
    if w.ndim != 1 or np.isnan(w).any() or (w < 0).any():
        raise InputError("weights", f"shape {w.shape}, least {np.min(w, initial=math.inf)}", takes)
    return w


def complete_rows(
    formula: Formula, variables: dict[str, FloatArray], w: FloatArray | None
) -> tuple[int, dict[str, FloatArray], FloatArray | None]:
    """Return the number of rows, and the variables and weights without rows that miss a value."""
    lengths = {name: len(v) for name, v in variables.items() if v.ndim == 1}
    if not any(name in lengths for name in formula.response.names):
        raise InputError("formula", repr(formula.text), "a response that is a vector in data")
    n = next(lengths[name] for name in formula.response.names if name in lengths)
    if w is not None:
        lengths["weights"] = len(w)
    for name, length in lengths.items():
        if length != n:
            argument = "weights" if name == "weights" else "data"
            raise InputError(argument, f"{name} of length {length}", f"vectors of one length, {n}")
    kept = np.ones(n, dtype=bool)
    for values in variables.values():
        kept &= ~np.isnan(values)
    rows = {name: v[kept] if v.ndim == 1 else v for name, v in variables.items()}
    return n, rows, None if w is None else w[kept]


def starting_values(
    formula: Formula,
    names: tuple[str, ...],
    start: Mapping[str, float] | None,
    variables: Mapping[str, FloatArray],
    y: FloatArray,
    w: FloatArray | None,
) -> FloatArray:
    """Return the starting values (p,): those given, or those the self-start finds."""
    if start is not None:
        return np.array([float(start[name]) for name in names])
    assert formula.call is not None  # noqa: S101 - parameter_names has seen to it
    return self_started(formula.call, variables, y, w, {})


def self_started(
    call: SelfStartCall,
    variables: Mapping[str, FloatArray],
    y: FloatArray,
    w: FloatArray | None,
    held: Mapping[str, float],
) -> FloatArray:
    """Return starting values of a self-start's parameters, those `held` left out."""
    fixed = {}
    for parameter, argument in zip(call.model.parameters, call.arguments, strict=True):
        number = value_of(argument.tree)
        if number is None and argument.tree[1] in held:
            number = held[argument.tree[1]]
        if number is not None:
            fixed[parameter] = number
    x = np.broadcast_to(np.asarray(call.input(variables), dtype=float), y.shape)
    used = np.ones(len(y), dtype=bool) if w is None else w > 0
    found = initial_values(call.model, x[used], y[used], None if w is None else w[used], fixed)
    return np.array(list(found.values()))
