"""A formula of R as terms: its operators as R reads them, or refused by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lwdstats.errors import InputError
from lwdstats.inference.formula.syntax import Call, Constant, Name, Tree, names_in, parse, written

# Anything else is a variable, whose value is that of R's expression.
_OPERATORS = ("(", "+", "-", ":", "*", "/", "%in%", "^")


@dataclass(frozen=True)
class Terms:
    """A formula: its left side, its terms in R's order, each of its variables in the formula's."""

    left: Tree
    terms: list[tuple[Tree, ...]]
    intercept: bool

    def without(self, function: str) -> tuple[Terms, list[Tree]]:
        """Return the terms that are no call of a function, and the calls, such as ``strata(x)``."""

        def is_call(tree: Tree) -> bool:
            return isinstance(tree, Call) and tree.function == function

        calls = [term[0] for term in self.terms if len(term) == 1 and is_call(term[0])]
        rest = [term for term in self.terms if not (len(term) == 1 and is_call(term[0]))]
        inside = [variable for term in rest for variable in term if is_call(variable)]
        if inside:
            got = f"{written(inside[0])} in an interaction"
            raise InputError("formula", got, f"{function}() as a term of its own")
        return Terms(self.left, rest, self.intercept), calls


def parse_formula(formula: str, columns: Sequence[str], *, takes: str, least: int = 1) -> Terms:
    """Return the sides of ``left ~ terms``; ``.`` is every column that the left does not name.

    An error says what the caller `takes`, who needs `least` terms.

    Examples
    --------
    >>> parsed = parse_formula("d ~ (a + b):(a + log(c))", ["a", "b", "c"], takes="'d ~ terms'")
    >>> [name_of(term) for term in parsed.terms]
    ['a', 'a:log(c)', 'a:b', 'b:log(c)']
    """
    tree = parse(formula) if isinstance(formula, str) else None
    sides = tree.arguments if isinstance(tree, Call) and tree.function == "~" else ()
    if len(sides) != 2:
        raise InputError("formula", repr(formula), takes)
    left = set(names_in(sides[0]))
    reader = _Reader(formula, [Name(name) for name in columns if name not in left])
    found = reader.terms(sides[1], plus=True)
    if len(found) < least:
        raise InputError("formula", repr(formula), takes)
    order = {variable: place for place, variable in enumerate(reader.variables)}
    terms = [tuple(sorted(term, key=order.__getitem__)) for term in found]
    return Terms(sides[0], sorted(terms, key=len), reader.intercept)


def name_of(term: tuple[Tree, ...]) -> str:
    """Return what R calls a term."""
    return ":".join(map(written, term))


_Found = list[frozenset[Tree]]


class _Reader:
    """From a tree to its terms, as sets of variables."""

    def __init__(self, formula: str, others: Sequence[Tree]) -> None:
        self.formula, self.others = formula, others
        self.variables: dict[Tree, None] = {}
        self.intercept = True

    def refused(self, what: str, takes: str) -> InputError:
        return InputError("formula", f"{self.formula!r} with {what}", takes)

    def terms(self, tree: Tree, *, plus: bool) -> _Found:
        """Return the terms of a tree, which are added, or, without `plus`, taken away."""
        if isinstance(tree, Constant):
            if tree.value not in (0, 1) or isinstance(tree.value, bool):
                takes = f"terms without a constant; I({tree.text} * x) is arithmetic"
                what = f"{'the number ' if isinstance(tree.value, float) else ''}{tree.text}"
                raise self.refused(what, takes)
            self.intercept = plus == bool(tree.value)
            return []
        if not isinstance(tree, Call) or tree.function not in _OPERATORS:
            variables = self.others if tree == Name(".") else [tree]
            self.variables |= dict.fromkeys(variables)
            return [frozenset([variable]) for variable in variables]
        function, (left, *more) = tree.function, tree.arguments
        if function == "(":
            return self.terms(left, plus=plus)
        if not more:  # a sign before the first term
            self.refuse_sign(left)
            found = self.terms(left, plus=plus == (function == "+"))
            return found if function == "+" else []
        if function in "+-":
            return self.sum(tree, plus=plus)
        right = more[0]
        if function == "^":
            return self.power(self.operand(left), right)
        first, second = self.operand(left), self.operand(right)
        if function == "/":
            every = frozenset[Tree]().union(*first)
            return _once([*first, *(every | term for term in second)])
        if function == "%in%":
            every = frozenset[Tree]().union(*second)
            return _once(term | every for term in first)
        crossed = [a | b for a in first for b in second]
        return _once([*first, *second, *crossed] if function == "*" else crossed)

    def sum(self, tree: Tree, *, plus: bool) -> _Found:
        """Return the terms of a sum, which may be longer than a recursion can go."""
        parts: list[tuple[bool, Tree]] = []
        while isinstance(tree, Call) and tree.function in "+-" and len(tree.arguments) == 2:
            added = tree.function == "+"
            tree, right = tree.arguments
            parts.append((added, right))
        found = dict.fromkeys(self.terms(tree, plus=plus))
        for added, right in reversed(parts):
            self.refuse_sign(right)
            terms = self.terms(right, plus=plus == added)
            if added:
                found |= dict.fromkeys(terms)
            for term in () if added else terms:
                found.pop(term, None)
        return list(found)

    def operand(self, tree: Tree) -> _Found:
        """Return the terms of what stands beside another operator than + and -."""
        if isinstance(tree, Constant) and isinstance(tree.value, float):
            takes = f"terms without a number; I({tree.text} * x) is arithmetic"
            raise self.refused(f"the number {tree.text}", takes)
        return self.terms(tree, plus=True)

    def refuse_sign(self, tree: Tree) -> None:
        if isinstance(tree, Call) and tree.function in "+-" and len(tree.arguments) == 1:
            raise self.refused("two signs in a row", "one sign between two terms")

    def power(self, terms: _Found, exponent: Tree) -> _Found:
        value = exponent.value if isinstance(exponent, Constant) else None
        if not isinstance(value, float) or value < 1 or not value.is_integer():
            takes = "a positive integer as the power of terms; I(x^y) is arithmetic"
            raise self.refused(f"^{written(exponent)}", takes)
        powers = terms
        # No term has more variables than there are, whatever the power.
        for _ in range(min(int(value), len(self.variables)) - 1):
            powers = _once(a | b for a in terms for b in powers)
        return powers


def _once(terms: Iterable[frozenset[Tree]]) -> _Found:
    return list(dict.fromkeys(terms))
