"""Arithmetic formulas from text, parsed by a small grammar and never `eval`ed.

The grammar is the arithmetic part of R's: ``+ - * / ^``, parentheses, the
functions below, ``log(x, base)``, ``pi``, numbers and names, in backticks those
that are not letters, digits and dots. ``**`` is read as ``^``, and two factors
beside each other are multiplied, so that ``1/(k B^2)`` reads as in a paper. A
formula is evaluated alone or with its exact derivatives.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from lwdstats.errors import InputError

Tree = tuple[Any, ...]

# Each function of u with its derivative, given u and the value f.
FUNCTIONS: dict[str, tuple[Callable[..., Any], ...]] = {
    "exp": (np.exp, lambda u, f: f),
    "log": (np.log, lambda u, f: np.true_divide(1.0, u)),
    "sqrt": (np.sqrt, lambda u, f: np.true_divide(0.5, f)),
    "sin": (np.sin, lambda u, f: np.cos(u)),
    "cos": (np.cos, lambda u, f: -np.sin(u)),
    "tan": (np.tan, lambda u, f: 1.0 + f * f),
    "atan": (np.arctan, lambda u, f: 1.0 / (1.0 + u * u)),
    "sinh": (np.sinh, lambda u, f: np.cosh(u)),
    "cosh": (np.cosh, lambda u, f: np.sinh(u)),
    "tanh": (np.tanh, lambda u, f: 1.0 - f * f),
    "log2": (np.log2, lambda u, f: np.true_divide(1.0 / math.log(2.0), u)),
    "log10": (np.log10, lambda u, f: np.true_divide(1.0 / math.log(10.0), u)),
    "log1p": (np.log1p, lambda u, f: np.true_divide(1.0, 1.0 + u)),
    "expm1": (np.expm1, lambda u, f: f + 1.0),
    "abs": (np.abs, lambda u, f: np.sign(u)),
}
CONSTANTS = {"pi": math.pi}


def _power_by_exponent(u: Any, v: Any, f: Any) -> Any:
    # 0^v is 0 for every v > 0, so its derivative by v is 0 although log(0) is not finite.
    return np.where((np.asarray(u) == 0) & (v > 0), 0.0, f * np.log(u))


# Each operator between u and v with its derivatives by both.
_OPERATORS: dict[str, tuple[Callable[..., Any], ...]] = {
    "+": (operator.add, lambda u, v, f: 1.0, lambda u, v, f: 1.0),
    "-": (operator.sub, lambda u, v, f: 1.0, lambda u, v, f: -1.0),
    "*": (operator.mul, lambda u, v, f: v, lambda u, v, f: u),
    "/": (
        np.true_divide,
        lambda u, v, f: np.true_divide(1.0, v),
        lambda u, v, f: -np.true_divide(f, v),
    ),
    "^": (np.power, lambda u, v, f: v * np.power(u, v - 1.0), _power_by_exponent),
}
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>(?:[^\W\d]|\.(?=[^\W\d]))[\w.]*)|(?P<quoted>`[^`]+`)"
    r"|(?P<symbol>\*\*|[-+*/^(),]))"
)
_MAX_DEPTH = 100


@dataclass(frozen=True)
class Expression:
    """A parsed formula: call it with a mapping of names to numbers or arrays."""

    text: str
    tree: Tree

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The free names, in order of appearance."""
        return tuple(dict.fromkeys(_names(self.tree)))

    def __call__(self, values: Mapping[str, Any]) -> Any:
        """Return the formula's value, broadcast over the arrays in `values`."""
        return _evaluate(self.tree, values, ())[0]


def parse(
    text: str,
    *,
    argument: str = "formula",
    calls: Collection[str] = (),
    names: Collection[str] = (),
) -> Expression:
    """Parse an arithmetic formula.

    Parameters
    ----------
    text : str
        The formula, for example ``"1/(k B^2)"``.
    argument : str
        How an error names it.
    calls : collection of str
        Further functions, of one or more arguments. They have no value: their calls
        stand in the tree for the caller to replace.
    names : collection of str
        What is a variable whatever else the name means: ``pi`` among them is no
        constant, and ``exp`` stands for itself where no bracket follows, as in R.

    Returns
    -------
    Expression

    Raises
    ------
    InputError
        If the text is not in the grammar.

    Examples
    --------
    >>> float(parse("1/(k B^2)")({"k": 5.0, "B": 2.0}))
    0.05
    """
    parser = _Parser(text, argument, calls, names)
    tree = parser.sum(0)
    if parser.kind != "end":
        raise parser.error(f"nothing after position {parser.start}")
    return Expression(text, tree)


def value_and_gradient(
    expression: Expression, variables: Mapping[str, Any], parameters: Mapping[str, Any]
) -> tuple[npt.NDArray[np.float64], dict[str, npt.NDArray[np.float64]]]:
    """Evaluate an expression and its derivatives with respect to some of its names.

    The rules of differentiation are applied node by node as the tree is
    evaluated, so the derivatives are exact, and cost about as much as the value.

    Parameters
    ----------
    expression : Expression
        What to evaluate.
    variables : mapping of str to array_like
        Values of the names that are data.
    parameters : mapping of str to array_like
        Values of the names to differentiate by.

    Returns
    -------
    value : numpy.ndarray
    gradient : dict of str to numpy.ndarray
        A derivative for each of `parameters`, of the shape of `value`. Where a
        function overflows, both hold what floating point makes of it.
    """
    with np.errstate(all="ignore"):
        value, slopes = _evaluate(expression.tree, {**variables, **parameters}, parameters)
        value = np.asarray(value, dtype=float)
        zero = np.zeros_like(value)
        return value, {name: slopes[name] + zero if name in slopes else zero for name in parameters}


class _Parser:
    def __init__(
        self, text: str, argument: str, calls: Collection[str], names: Collection[str]
    ) -> None:
        self.text, self.argument, self.calls, self.names = text, argument, calls, names
        self.position = 0
        self.advance()

    def error(self, wanted: str) -> InputError:
        grammar = "a formula of + - * / ^, parentheses, numbers, names, "
        return InputError(
            self.argument,
            repr(self.text),
            f"{grammar}{', '.join(FUNCTIONS)} and pi; expected {wanted}",
        )

    def advance(self) -> None:
        self.start = self.position
        match = _TOKEN.match(self.text, self.position)
        if match is None:
            if self.text[self.position :].strip():
                raise self.error(f"a formula at position {self.position}")
            self.kind, self.value = "end", ""
            return
        self.kind = str(match.lastgroup)
        self.value = match.group(self.kind)
        if self.value == "**":
            self.value = "^"
        self.position = match.end()

    def sum(self, depth: int) -> Tree:
        if depth > _MAX_DEPTH:
            raise self.error(f"at most {_MAX_DEPTH} levels of parentheses")
        left = self.product(depth)
        while self.value in ("+", "-"):
            symbol = self.value
            self.advance()
            left = ("binary", symbol, left, self.product(depth))
        return left

    def product(self, depth: int) -> Tree:
        left = self.unary(depth)
        while True:
            if self.value in ("*", "/"):
                symbol = self.value
                self.advance()
                left = ("binary", symbol, left, self.unary(depth))
            elif self.kind in ("number", "name", "quoted") or self.value == "(":
                left = ("binary", "*", left, self.power(depth))
            else:
                return left

    def unary(self, depth: int) -> Tree:
        # As in R, -x^2 is -(x^2).
        negative = False
        while self.value in ("+", "-"):
            negative ^= self.value == "-"
            self.advance()
        operand = self.power(depth)
        return ("negative", operand) if negative else operand

    def power(self, depth: int) -> Tree:
        base = self.atom(depth)
        if self.value == "^":
            if depth > _MAX_DEPTH:
                raise self.error(f"at most {_MAX_DEPTH} levels of powers")
            self.advance()
            # Right-associative, and a sign may stand in the exponent: 2^-1.
            negative = self.value == "-"
            if negative:
                self.advance()
            exponent = self.power(depth + 1)
            return ("binary", "^", base, ("negative", exponent) if negative else exponent)
        return base

    def atom(self, depth: int) -> Tree:
        kind, value = self.kind, self.value
        if kind == "number":
            self.advance()
            return ("number", float(value))
        if kind == "quoted":
            self.advance()
            return ("name", value[1:-1])
        if kind == "name":
            self.advance()
            if value in self.names and self.value != "(":
                return ("name", value)
            if value in FUNCTIONS:
                if self.value != "(":
                    raise self.error(f"'(' after {value}")
                first, *more = self.parenthesis(depth, several=value == "log")
                if len(more) > 1:
                    raise self.error("one or two arguments of log")
                bases = [("call", "log", base) for base in more]
                call = ("call", value, first)
                return ("binary", "/", call, bases[0]) if bases else call
            if value in self.calls and self.value == "(":
                return ("call", value, *self.parenthesis(depth, several=True))
            if value in CONSTANTS and value not in self.names:
                return ("number", CONSTANTS[value])
            if self.value == "(" and self.text[self.start] == "(":  # f(x), not f (x)
                raise self.error(f"a known function, not {value!r}")
            return ("name", value)
        if value == "(":
            return self.parenthesis(depth)[0]
        raise self.error(f"a number, a name or '(' at position {self.start}")

    def parenthesis(self, depth: int, *, several: bool = False) -> list[Tree]:
        inner: list[Tree] = []
        while not inner or (several and self.value == ","):
            self.advance()
            inner.append(self.sum(depth + 1))
        if self.value != ")":
            raise self.error("a closing ')'")
        self.advance()
        return inner


def _names(tree: Tree) -> Iterator[str]:
    if tree[0] == "name":
        yield tree[1]
    for part in tree:
        if isinstance(part, tuple):
            yield from _names(part)


def _evaluate(
    tree: Tree, values: Mapping[str, Any], by: Collection[str]
) -> tuple[Any, dict[str, Any]]:
    """Return the value of a tree, and its derivatives by those names of `by` that are in it."""
    kind, name = tree[:2]
    if kind == "number":
        return name, {}
    if kind == "name":
        return np.asarray(values[name], dtype=float), {name: 1.0} if name in by else {}
    if kind == "negative":
        u, du = _evaluate(tree[1], values, by)
        return -u, {name: -slope for name, slope in du.items()}
    u, du = _evaluate(tree[2], values, by)
    if kind == "call":
        function, by_u = FUNCTIONS[name]
        f = function(u)
        return f, _scaled(du, by_u(u, f)) if du else {}
    v, dv = _evaluate(tree[3], values, by)
    function, by_u, by_v = _OPERATORS[name]
    f = function(u, v)
    slopes = _scaled(du, by_u(u, v, f)) if du else {}
    if dv:
        for name, slope in _scaled(dv, by_v(u, v, f)).items():
            slopes[name] = slopes[name] + slope if name in slopes else slope
    return f, slopes


def _scaled(slopes: dict[str, Any], by: Any) -> dict[str, Any]:
    return {name: by * slope for name, slope in slopes.items()}
