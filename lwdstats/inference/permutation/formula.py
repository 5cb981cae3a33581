"""A formula of R as terms: its operators as R reads them, or refused by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import reduce
from operator import mul

from formulaic import Formula, SimpleFormula
from formulaic.errors import FormulaicError
from formulaic.parser import DefaultFormulaParser, DefaultOperatorResolver
from formulaic.parser.types import Factor, Operator, OrderedSet, Term

from lwdstats.errors import InputError

TAKES = "'d ~ terms', the terms being columns of data, such as 'd ~ group * dose'"
# R's factor() and as.factor(), but not other names that end so.
_FACTOR = re.compile(r"(?<![\w.])(?:as\.)?factor\s*\(")
# Quoted parts of a formula: names in backticks, and text.
_QUOTED = re.compile(r"(`[^`]*`|'[^']*'|\"[^\"]*\")")
_DOTTED = re.compile(r"`([A-Za-z.][\w.]*)`")
# What formulaic reads otherwise than R, or R not at all, and what to write.
_REFUSED = {
    r"[-+]\s*[-+]": ("two signs in a row", "one sign between two terms"),
    r"(?<![\w.])offset\s*\(": ("offset()", "terms to test; distances have no offset"),
    r"(?<![\w.])lag\s*\(": ("lag()", "a column that holds the values of before"),
    r"\{": ("{ }", "I(...) around arithmetic"),
}


class _Operators(DefaultOperatorResolver):
    """The operators of formulaic, with ``%in%`` as in R."""

    @property
    def operators(self) -> list[Operator]:
        def within(nested: OrderedSet[Term], parents: OrderedSet[Term]) -> OrderedSet[Term]:
            common = reduce(mul, parents)
            return OrderedSet(term * common for term in nested)

        # R: a %in% b is the term a:b, and binds more than * does.
        nested = Operator("in", arity=2, precedence=250, associativity="left", to_terms=within)
        return [op for op in super().operators if op.symbol != "in"] + [nested]


def parse_formula(formula: str, columns: Sequence[str]) -> SimpleFormula:
    """Return the terms of ``d ~ terms``, those of `columns` but d where it says ``.``."""
    parts = formula.split("~") if isinstance(formula, str) else []
    if len(parts) != 2 or parts[0].strip() != "d" or not parts[1].strip():
        raise InputError("formula", formula, TAKES)
    right = _quote_dotted(as_python(parts[1]), columns)
    plain = _QUOTED.sub("quoted", right)
    for pattern, (what, takes) in _REFUSED.items():
        if re.search(pattern, plain):
            raise InputError("formula", f"{formula!r} with {what}", takes)
    parser = DefaultFormulaParser(operator_resolver=_Operators())
    known = [name for name in columns if name != "d"]
    context = {"__formulaic_variables_available__": known, "__formulaic_variables_used_lhs__": []}
    try:
        parsed = Formula.from_spec(right, parser=parser, context=context)
    except (FormulaicError, ValueError, AttributeError, TypeError, SyntaxError) as error:
        raise unusable(formula, error) from error
    if not isinstance(parsed, SimpleFormula) or not any(term.degree for term in parsed):
        raise InputError("formula", formula, TAKES)
    for term in parsed:
        numbers = [f.expr for f in term.factors if f.eval_method is Factor.EvalMethod.LITERAL]
        if term.degree and numbers:
            takes = f"terms without a number; I({numbers[0]} * x) is arithmetic"
            raise InputError("formula", f"{formula!r} with the number {numbers[0]}", takes)
    return parsed


def _quote_dotted(right: str, columns: Sequence[str]) -> str:
    """Return a formula with names such as ``mean.length`` in backticks: Python's have no dot.

    Examples
    --------
    >>> _quote_dotted("log(u.v) + u:`a b`", ["u.v", "u", "a b"])
    'log(`u.v`) + u:`a b`'
    """
    out = _QUOTED.split(right)
    for column in columns:
        if "." in column:
            name = rf"(?<![\w.]){re.escape(column)}(?![\w.(])"
            out[::2] = [re.sub(name, f"`{column}`", part) for part in out[::2]]
            out = _QUOTED.split("".join(out))
    return "".join(out)


def unusable(formula: str, error: Exception) -> InputError:
    """Return the error of a formula that formulaic does not take."""
    takes = f"{TAKES}; C(w) makes a factor, I(z**2) a power, and a new column of data the rest"
    # formulaic shows the place on a second line.
    reason = str(error).partition("\n")[0].strip()
    return InputError("formula", f"{formula!r} ({reason})", takes)


def namer(parsed: SimpleFormula) -> Callable[[Term], str]:
    """Return what names a term as R does, its factors in the order in which the formula has them.

    Examples
    --------
    >>> parsed = parse_formula("d ~ (a + b):(a + c)", ["a", "b", "c"])
    >>> [namer(parsed)(term) for term in parsed if term.degree]
    ['a', 'a:c', 'a:b', 'b:c']
    """
    place: dict[str, int] = {}
    for term in parsed:
        for factor in term.factors:
            # What stands for "." has no place of its own, and comes in the order of columns.
            start = getattr(factor.token, "source_start", None)
            here = len(place) if start is None else int(start)
            place[factor.expr] = min(here, place.get(factor.expr, here))

    def name(term: Term) -> str:
        exprs = sorted((f.expr for f in term.factors), key=lambda expr: place[expr])
        return ":".join(_DOTTED.sub(r"\1", expr) for expr in exprs)

    return name


def as_python(right: str) -> str:
    """Return the right side of a formula of R with what formulaic writes otherwise.

    ``factor(x)`` and ``as.factor(x)`` become ``C(x)``; within the brackets of a
    function, ``^`` becomes ``**``. Outside of them it means the same in both.

    Examples
    --------
    >>> as_python("factor(w) + I(z^2) + (a + b)^2")
    'C(w) + I(z**2) + (a + b)^2'
    """
    out, depth = "", 0
    for i, part in enumerate(_QUOTED.split(right)):
        if i % 2:  # quoted
            out += part
            continue
        for c in _FACTOR.sub("C(", part):
            if c == "(" and (depth or (out and re.match(r"\w", out[-1]))):
                depth += 1
            elif c == ")":
                depth = max(0, depth - 1)
            out += "**" if c == "^" and depth else c
    return out
