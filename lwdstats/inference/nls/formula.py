"""Model formulas ``y ~ f(x, parameters)`` with exact gradients.

Each side is in the grammar of `lwdstats.expression`. A call of a self-start
(`lwdstats.inference.nls.selfstart`) is replaced by the arithmetic it stands for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError
from lwdstats.expression import FUNCTIONS, Expression, parse
from lwdstats.inference.nls.selfstart import SELF_STARTS, SelfStart

Tree = tuple[Any, ...]

_CALL = re.compile(r"(?<![A-Za-z0-9_.])(SS[A-Za-z0-9_.]*)\s*\(")
_TAKES = "a formula 'response ~ model', for example 'y ~ a * exp(-b * t)'"


@dataclass(frozen=True)
class SelfStartCall:
    """A self-start as it stands in a formula: its input, and what stands for each parameter."""

    model: SelfStart
    input: Expression
    arguments: tuple[Expression, ...]


@dataclass(frozen=True)
class Formula:
    """A parsed model formula.

    Attributes
    ----------
    text : str
        The formula as given.
    response : Expression
        Its left side.
    model : Expression
        Its right side, self-starts written out.
    call : SelfStartCall or None
        The self-start, where the right side is that and nothing else.
    """

    text: str
    response: Expression
    model: Expression
    call: SelfStartCall | None

    def __str__(self) -> str:
        return self.text


def parse_formula(text: object) -> Formula:
    """Parse ``"response ~ model"``.

    Parameters
    ----------
    text : str
        The formula.

    Returns
    -------
    Formula
        Its two sides as expressions.

    Raises
    ------
    InputError
        If the text is not in the grammar.

    Examples
    --------
    >>> sorted(parse_formula("y ~ SSexpfloor(t, c, a, rate)").model.names)
    ['a', 'c', 'rate', 't']
    """
    if not isinstance(text, str) or text.count("~") != 1:
        raise InputError("formula", text, _TAKES)
    left, right = text.split("~")
    if not left.strip() or not right.strip():
        raise InputError("formula", repr(text), _TAKES)
    calls: dict[str, SelfStartCall] = {}
    written = right
    while (found := _CALL.search(written)) is not None:
        name = f"selfstart.{len(calls)}"
        end, pieces = _split_arguments(written, found.end(), text)
        calls[name] = _as_call(found.group(1), pieces, text)
        written = f"{written[: found.start()]} {name} {written[end:]}"
    response, model = _parse_side(left, text), _parse_side(written, text)
    call = calls.get(model.tree[1]) if model.tree[0] == "name" else None
    if calls:
        tree = _substitute(model.tree, {name: _arithmetic(c) for name, c in calls.items()})
        model = Expression(right.strip(), tree, tuple(dict.fromkeys(_names(tree))))
    return Formula(" ".join(text.split()), response, model, call)


def value_and_gradient(
    expression: Expression, variables: Mapping[str, Any], parameters: Mapping[str, Any]
) -> tuple[FloatArray, dict[str, FloatArray]]:
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
        value, slopes = _differentiate(expression.tree, variables, parameters)
        value = np.asarray(value, dtype=float)
        zero = np.zeros_like(value)
        return value, {name: slopes[name] + zero if name in slopes else zero for name in parameters}


def _differentiate(
    tree: Tree, variables: Mapping[str, Any], parameters: Mapping[str, Any]
) -> tuple[Any, dict[str, Any]]:
    match tree:
        case ("number", number):
            return number, {}
        case ("name", name):
            if name in parameters:
                return np.asarray(parameters[name], dtype=float), {name: 1.0}
            return np.asarray(variables[name], dtype=float), {}
        case ("negative", operand):
            u, du = _differentiate(operand, variables, parameters)
            return -u, {k: -d for k, d in du.items()}
        case ("call", name, operand):
            u, du = _differentiate(operand, variables, parameters)
            value = FUNCTIONS[name](u)
            if not du:
                return value, {}
            outer = _outer_derivative(name, u, value)
            return value, {k: outer * d for k, d in du.items()}
    _, operator, left, right = tree
    u, du = _differentiate(left, variables, parameters)
    v, dv = _differentiate(right, variables, parameters)
    if operator == "+":
        return u + v, _combine(du, 1.0, dv, 1.0)
    if operator == "-":
        return u - v, _combine(du, 1.0, dv, -1.0)
    if operator == "*":
        return u * v, _combine(du, v, dv, u)
    if operator == "/":
        value = np.true_divide(u, v)
        return value, _combine(du, np.true_divide(1.0, v), dv, -np.true_divide(value, v))
    value = np.power(u, v)
    by_base = v * np.power(u, v - 1.0) if du else 0.0
    # 0^v is 0 for every v > 0, so its derivative by v is 0 although log(0) is not finite.
    by_exponent = np.where((np.asarray(u) == 0) & (v > 0), 0.0, value * np.log(u)) if dv else 0.0
    return value, _combine(du, by_base, dv, by_exponent)


def _outer_derivative(name: str, u: Any, value: Any) -> Any:
    match name:
        case "exp":
            return value
        case "log":
            return np.true_divide(1.0, u)
        case "sqrt":
            return np.true_divide(0.5, value)
        case "sin":
            return np.cos(u)
        case "cos":
            return -np.sin(u)
        case "atan":
            return 1.0 / (1.0 + u * u)
    raise NotImplementedError(f"the derivative of {name}")  # pragma: no cover


def _combine(du: dict[str, Any], a: Any, dv: dict[str, Any], b: Any) -> dict[str, Any]:
    total = {k: a * d for k, d in du.items()}
    for k, d in dv.items():
        total[k] = total[k] + b * d if k in total else b * d
    return total


def _parse_side(side: str, text: str) -> Expression:
    try:
        return parse(side.strip())
    except InputError as error:
        # The side may hold a stand-in for a self-start: show what the user wrote.
        raise InputError("formula", repr(text), error.takes) from None


def _split_arguments(side: str, start: int, text: str) -> tuple[int, list[str]]:
    """Return where the call whose '(' ends at `start` ends, and its arguments."""
    depth, pieces = 1, [""]
    for position in range(start, len(side)):
        character = side[position]
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return position + 1, pieces
        if character == "," and depth == 1:
            pieces.append("")
        else:
            pieces[-1] += character
    raise InputError("formula", repr(text), "a formula with each '(' closed")


def _as_call(name: str, pieces: list[str], text: str) -> SelfStartCall:
    if name not in SELF_STARTS:
        raise InputError("formula", repr(text), f"self-starts {', '.join(SELF_STARTS)}")
    model = SELF_STARTS[name]
    if len(pieces) != 1 + len(model.parameters):
        raise InputError("formula", repr(text), f"{len(model.parameters) + 1} arguments: {model}")
    first, *others = (_parse_side(piece, text) for piece in pieces)
    return SelfStartCall(model, first, tuple(others))


def _arithmetic(call: SelfStartCall) -> Tree:
    values = {"t": call.input.tree}
    values |= {
        name: argument.tree
        for name, argument in zip(call.model.parameters, call.arguments, strict=True)
    }
    return _substitute(call.model.expression.tree, values)


def _substitute(tree: Tree, values: Mapping[str, Tree]) -> Tree:
    if tree[0] == "name":
        return values.get(tree[1], tree)
    return tuple(_substitute(part, values) if isinstance(part, tuple) else part for part in tree)


def _names(tree: Tree) -> Iterator[str]:
    if tree[0] == "name":
        yield tree[1]
    for part in tree:
        if isinstance(part, tuple):
            yield from _names(part)
