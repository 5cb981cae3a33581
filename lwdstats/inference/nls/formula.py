"""Model formulas ``y ~ f(x, parameters)`` with exact gradients.

Each side is in the grammar of `lwdstats.expression`. A call of a self-start
(`lwdstats.inference.nls.selfstart`) is replaced by the arithmetic it stands for.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from lwdstats.errors import InputError
from lwdstats.expression import CONSTANTS, FUNCTIONS, Expression, Tree, parse
from lwdstats.inference.nls.selfstart import SELF_STARTS, SelfStart

_SELF_START = re.compile(r"(?<![A-Za-z0-9_.])(SS[A-Za-z0-9_.]*)\s*\(")
_SIDE = r"((?:[^~`]|`[^`]*`)*)"  # a name in backticks may hold anything
_SIDES = re.compile(f"{_SIDE}~{_SIDE}")
_TAKES = "a formula 'response ~ model', for example 'y ~ a * exp(-b * t)'"


@dataclass(frozen=True)
class SelfStartCall:
    """A self-start as it stands in a formula: its input, and what stands for each parameter."""

    model: SelfStart
    input: Expression
    arguments: tuple[Tree, ...]


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


def parse_formula(text: object, names: Collection[str] = (), *, starts: bool = True) -> Formula:
    """Parse ``"response ~ model"``.

    Parameters
    ----------
    text : str
        The formula.
    names : collection of str
        What is data or has a starting value: such a name is no constant or function.
    starts : bool
        Whether there are starting values. Without them a self-start's argument that is
        a name is a parameter, as in R, also where it is the name of a constant.

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
    sides = _SIDES.fullmatch(text) if isinstance(text, str) else None
    if not isinstance(text, str) or sides is None:
        raise InputError("formula", text, _TAKES)
    left, right = map(str.strip, sides.groups())
    if not left or not right:
        raise InputError("formula", repr(text), _TAKES)
    try:
        if unknown := set(_SELF_START.findall(re.sub("`[^`]*`", "", right))) - set(SELF_STARTS):
            raise InputError("formula", unknown, f"self-starts {', '.join(SELF_STARTS)}")
        response = parse(left, names=names)
        # Without starting values a name of a function without its brackets can be a parameter.
        known = names if starts else {*names, *FUNCTIONS}
        given = parse(right, calls=SELF_STARTS, names=known)
        if not starts and given.tree[:1] == ("call",) and given.tree[1] in SELF_STARTS:
            bare = parse(right, calls=SELF_STARTS, names={*known, *CONSTANTS})
            pairs = zip(given.tree[3:], bare.tree[3:], strict=True)
            own = (b if b[0] == "name" else g for g, b in pairs)
            given = Expression(right, (*given.tree[:3], *own))
        model = Expression(right, _written_out(given.tree))
    except InputError as error:
        raise InputError("formula", repr(text), error.takes) from None
    call = None
    kind, name, *arguments = given.tree
    if kind == "call" and name in SELF_STARTS:
        first, *others = arguments
        call = SelfStartCall(
            SELF_STARTS[name], Expression(right, _written_out(first)), tuple(others)
        )
    return Formula(" ".join(text.split()), response, model, call)


def _written_out(tree: Tree) -> Tree:
    """Return a tree in which each self-start is the arithmetic that it stands for."""
    tree = tuple(_written_out(part) if isinstance(part, tuple) else part for part in tree)
    if tree[0] != "call" or tree[1] not in SELF_STARTS:
        return tree
    _, name, *arguments = tree
    model = SELF_STARTS[name]
    names = ("t", *model.parameters)
    if len(arguments) != len(names):
        raise InputError("formula", name, f"{len(names)} arguments: {model}")
    return _substitute(model.expression.tree, dict(zip(names, arguments, strict=True)))


def _substitute(tree: Tree, values: Mapping[str, Tree]) -> Tree:
    if tree[0] == "name":
        return values.get(tree[1], tree)
    return tuple(_substitute(part, values) if isinstance(part, tuple) else part for part in tree)
