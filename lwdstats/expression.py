"""Arithmetic formulas from text, parsed by a small grammar and never `eval`ed.

The grammar is the arithmetic part of R's: ``+ - * / ^``, parentheses, the
functions below, ``pi``, numbers and names. ``**`` is read as ``^``, and two
factors beside each other are multiplied, so that ``1/(k B^2)`` reads as in a
paper.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lwdstats.errors import InputError

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "sin": np.sin,
    "cos": np.cos,
    "atan": np.arctan,
}
CONSTANTS = {"pi": math.pi}

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.true_divide,
    "^": np.power,
}
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_.]*)|(?P<symbol>\*\*|[-+*/^()]))"
)
_MAX_DEPTH = 100


@dataclass(frozen=True)
class Expression:
    """A parsed formula: call it with a mapping of names to numbers or arrays."""

    text: str
    tree: tuple[Any, ...]
    names: tuple[str, ...]

    def __call__(self, values: Mapping[str, Any]) -> Any:
        """Return the formula's value, broadcast over the arrays in `values`."""
        return _evaluate(self.tree, values)


def parse(text: str, *, argument: str = "formula") -> Expression:
    """Parse an arithmetic formula.

    Parameters
    ----------
    text : str
        The formula, for example ``"1/(k B^2)"``.
    argument : str
        How an error names it.

    Returns
    -------
    Expression
        Its `names` are the free names, in order of appearance.

    Raises
    ------
    InputError
        If the text is not in the grammar.

    Examples
    --------
    >>> float(parse("1/(k B^2)")({"k": 5.0, "B": 2.0}))
    0.05
    """
    parser = _Parser(text, argument)
    tree = parser.sum(0)
    if parser.kind != "end":
        raise parser.error(f"nothing after position {parser.start}")
    return Expression(text, tree, tuple(parser.names))


class _Parser:
    def __init__(self, text: str, argument: str) -> None:
        self.text, self.argument = text, argument
        self.position = 0
        self.names: dict[str, None] = {}
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
        self.value = match.group(self.kind).replace("**", "^")
        self.position = match.end()

    def sum(self, depth: int) -> tuple[Any, ...]:
        if depth > _MAX_DEPTH:
            raise self.error(f"at most {_MAX_DEPTH} levels of parentheses")
        left = self.product(depth)
        while self.value in ("+", "-") and self.kind == "symbol":
            operator = self.value
            self.advance()
            left = ("binary", operator, left, self.product(depth))
        return left

    def product(self, depth: int) -> tuple[Any, ...]:
        left = self.unary(depth)
        while True:
            if self.kind == "symbol" and self.value in ("*", "/"):
                operator = self.value
                self.advance()
                left = ("binary", operator, left, self.unary(depth))
            elif self.kind in ("number", "name") or self.value == "(":
                left = ("binary", "*", left, self.power(depth))
            else:
                return left

    def unary(self, depth: int) -> tuple[Any, ...]:
        # As in R, -x^2 is -(x^2).
        negative = False
        while self.kind == "symbol" and self.value in ("+", "-"):
            negative ^= self.value == "-"
            self.advance()
        operand = self.power(depth)
        return ("negative", operand) if negative else operand

    def power(self, depth: int) -> tuple[Any, ...]:
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

    def atom(self, depth: int) -> tuple[Any, ...]:
        kind, value = self.kind, self.value
        if kind == "number":
            self.advance()
            return ("number", float(value))
        if kind == "name":
            self.advance()
            if value in FUNCTIONS:
                if self.value != "(":
                    raise self.error(f"'(' after {value}")
                return ("call", value, self.parenthesis(depth))
            if value in CONSTANTS:
                return ("number", CONSTANTS[value])
            if self.value == "(" and self.text[self.start] == "(":  # f(x), not f (x)
                raise self.error(f"a known function, not {value!r}")
            self.names[value] = None
            return ("name", value)
        if value == "(":
            return self.parenthesis(depth)
        raise self.error(f"a number, a name or '(' at position {self.start}")

    def parenthesis(self, depth: int) -> tuple[Any, ...]:
        self.advance()
        inner = self.sum(depth + 1)
        if self.value != ")":
            raise self.error("a closing ')'")
        self.advance()
        return inner


def _evaluate(tree: tuple[Any, ...], values: Mapping[str, Any]) -> Any:
    match tree:
        case ("number", number):
            return number
        case ("name", name):
            return np.asarray(values[name], dtype=float)
        case ("negative", operand):
            return -_evaluate(operand, values)
        case ("call", name, operand):
            return FUNCTIONS[name](_evaluate(operand, values))
        case (_, operator, left, right):
            return _OPERATORS[operator](_evaluate(left, values), _evaluate(right, values))
    raise AssertionError(tree)  # pragma: no cover - the parser makes no other node
