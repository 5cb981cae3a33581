"""From a formula and data to the columns that its terms have in a model, coded as by R."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from lwdstats.arrays import FloatArray, refuse_dates
from lwdstats.errors import InputError, is_number
from lwdstats.inference.formula.evaluate import evaluate
from lwdstats.inference.formula.factors import as_factor
from lwdstats.inference.formula.functions import CONSTANTS
from lwdstats.inference.formula.syntax import Name, Tree, names_in, number_text, written
from lwdstats.inference.formula.terms import Terms, name_of
from lwdstats.inference.formula.values import Factor, Value


@dataclass(frozen=True)
class Term:
    """A term of a model: its columns, coded as by R.

    Attributes
    ----------
    name : str
        As R has it, such as ``a:b``.
    variables : frozenset of str
        The variables that it is of.
    columns : (n, p) float64
    names : list of str
        What R calls the columns.
    """

    name: str
    variables: frozenset[str]
    columns: FloatArray
    names: list[str]


def design_of(terms: Terms, data: pd.DataFrame) -> list[Term]:
    """Return the terms of a parsed formula with their columns in a model of some data."""
    variables = list(dict.fromkeys(variable for term in terms.terms for variable in term))
    values = values_of(variables, data)
    out, before = [], [set()] if terms.intercept else []
    for term in terms.terms:
        x, labels = np.ones((len(data), 1)), [""]
        for variable in term:  # the first of them changes fastest
            value, rest = values[variable], set(term) - {variable}
            # R's rule: a factor has contrasts where what is left of the term without it is part
            # of a term before. It decides what of two interactions is whose, where their main
            # effects are not in the model.
            contrasts = any(rest <= other for other in before)
            own, suffixes = _coded(value, contrasts)
            x = (own[:, :, None] * x[:, None, :]).reshape(len(x), -1)
            name = written(variable)
            labels = [
                f"{old}:{name}{suffix}" if old else f"{name}{suffix}"
                for suffix in suffixes for old in labels
            ]  # fmt: skip
        out.append(Term(name_of(term), frozenset(map(written, term)), x, labels))
        before.append(set(term))
    return out


def matrix_of(terms: list[Term]) -> tuple[FloatArray, tuple[str, ...]]:
    """Return all columns (n, p) of a model and their names.

    Raises
    ------
    InputError
        If a term has none, as a factor of one level.
    """
    for term in terms:
        if not term.names:
            got = f"{term.name}, of one level"
            raise InputError("formula", got, "factors of two levels or more")
    names = tuple(name for term in terms for name in term.names)
    return np.hstack([term.columns for term in terms]), names


def _coded(value: FloatArray | Factor, contrasts: bool) -> tuple[FloatArray, list[str]]:
    """Return the columns of a variable, and what R adds to its name for each."""
    if isinstance(value, Factor):
        levels = list(value.levels)
        if contrasts and value.ordered:
            powers = [".L", ".Q", ".C", *(f"^{power}" for power in range(4, len(levels)))]
            levels = ["", *powers][: len(levels)]
        return value.columns(contrasts=contrasts), levels[1:] if contrasts else levels
    many = value.shape[1]
    return value, [""] if many == 1 else [str(power) for power in range(1, many + 1)]


def values_of(variables: list[Tree], data: pd.DataFrame) -> dict[Tree, FloatArray | Factor]:
    """Return the values of variables of a formula: numbers (n, .), or factors."""
    columns = _columns(variables, data)
    return {variable: _variable(variable, columns, len(data)) for variable in variables}


def _variable(variable: Tree, columns: dict[str, Value], n: int) -> FloatArray | Factor:
    """Return a variable of a formula: numbers (n, .), or else a factor."""
    value = evaluate(variable, columns)
    if value is None or len(value) != n:
        got = "nothing" if value is None else f"{len(value)} values"
        raise InputError("formula", f"{written(variable)}, {got}", f"a value for each of {n} rows")
    if isinstance(value, np.ndarray) and value.dtype not in (bool, object):
        numbers = value.astype(np.float64).reshape(n, -1)
        bad = int((~np.isfinite(numbers)).any(axis=1).sum())
        value = numbers
    else:
        value = as_factor(value)
        bad = int((value.codes < 0).sum())
    if bad:
        argument = "data" if isinstance(variable, Name) else "formula"
        got = f"{written(variable)}, missing or infinite in {bad} of {n} rows"
        raise InputError(argument, got, "what is finite in all rows")
    return value


def _columns(variables: list[Tree], data: pd.DataFrame) -> dict[str, Value]:
    """Return the columns that a formula names, none of them lacking values."""
    known = [str(name) for name in data.columns]
    named = dict.fromkeys(name for variable in variables for name in names_in(variable))
    for name in named:
        constant = name in CONSTANTS and Name(name) not in variables
        if name not in known and not constant:
            got = f"no column {name}, but {', '.join(known)}"
            takes = "a formula of columns of data"
            raise InputError("data", got, takes)
        if known.count(name) > 1:
            raise InputError("data", f"more than one column {name}", "names that differ")
    places = {name: known.index(name) for name in named if name in known}
    return {name: _column(name, data.iloc[:, place]) for name, place in places.items()}


def _column(name: str, column: pd.Series) -> Value:
    """Return a column as R has it: numbers, truth values, text or a factor."""
    n = int(np.count_nonzero(pd.isna(column.to_numpy())))
    if n:
        raise InputError("data", f"{n} missing in column {name}", "no missing values")
    # Numbers and truth values may come as objects, as from rows of several kinds.
    column = column.infer_objects()
    kind = pd.api.types.infer_dtype(column)
    if kind in ("mixed-integer", "interval"):
        column = column.astype("category")
    if isinstance(column.dtype, pd.CategoricalDtype):
        levels = tuple(number_text(x) if is_number(x) else str(x) for x in column.cat.categories)
        return Factor(column.cat.codes.to_numpy(np.int64), levels, bool(column.cat.ordered))
    if kind == "string":
        return column.to_numpy(object)
    if kind == "boolean":
        return column.to_numpy(bool)
    if kind in ("floating", "integer", "mixed-integer-float", "decimal"):
        return column.to_numpy(np.float64)
    refuse_dates(column, f"data: {name}", takes="elapsed time in numbers, or text as a factor")
    takes = "numbers, text, truth values or a factor"
    raise InputError("data", f"column {name} of {kind} ({column.dtype})", takes)
