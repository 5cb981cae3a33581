"""From a formula and data to the directions that its terms span."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lwdstats.arrays import FloatArray, refuse_dates
from lwdstats.errors import InputError, is_number
from lwdstats.inference.permutation.formula.evaluate import evaluate
from lwdstats.inference.permutation.formula.factors import as_factor
from lwdstats.inference.permutation.formula.functions import CONSTANTS
from lwdstats.inference.permutation.formula.syntax import Name, Tree, names_in, number_text, written
from lwdstats.inference.permutation.formula.terms import TAKES, name_of, parse_formula
from lwdstats.inference.permutation.formula.values import Factor, Value

# A direction counts as new if this share of a column is left outside of those before it,
# as in R's qr.
_RANK = 1e-7


def design_of(
    formula: str, data: pd.DataFrame
) -> tuple[list[str], list[FloatArray], list[frozenset[str]]]:
    """Return names, columns (n, .) and factors of the terms, coded as by R."""
    parsed = parse_formula(formula, [str(name) for name in data.columns])
    variables = list(dict.fromkeys(variable for term in parsed.terms for variable in term))
    columns = _columns(variables, data)
    values = {variable: _variable(variable, columns, len(data)) for variable in variables}
    if not parsed.intercept and not all(isinstance(values[v], Factor) for v in parsed.terms[0]):
        takes = "a formula without -1 or +0, as distances are centred in any case"
        raise InputError("formula", f"{formula!r} without an intercept", takes)
    names = [name_of(term) for term in parsed.terms]
    factors = [frozenset(map(written, term)) for term in parsed.terms]
    return names, _coded(parsed.terms, values), factors


def _coded(
    terms: list[tuple[Tree, ...]], values: dict[Tree, FloatArray | Factor]
) -> list[FloatArray]:
    """Return the columns (n, .) of terms with contrasts where R has them.

    R's rule, where a factor has contrasts in a term: what is left of the term without it is
    part of a term before. It decides what of two interactions is whose, where their main
    effects are not in the model. A factor alone spans the same in any coding.
    """
    out, before = [], []
    for term in terms:
        x = None
        for variable in term:  # the first of them changes fastest
            value = values[variable]
            if isinstance(value, Factor):
                rest = set(term) - {variable}
                contrasts = bool(rest) and any(rest <= other for other in before)
                value = value.columns(contrasts=contrasts)
            x = value if x is None else (value[:, :, None] * x[:, None, :]).reshape(len(x), -1)
        out.append(x)
        before.append(set(term))
    return out


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
            raise InputError("data", got, TAKES)
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


def terms_to_test(
    names: list[str], designs: list[FloatArray], factors: list[frozenset[str]], by: str | None
) -> tuple[list[str], FloatArray, list[FloatArray]]:
    """Return names of what is tested, a basis (n, rank) of the model, and one of each test.

    What a test is about is a term beside those before it, or beside all others,
    or the model. One after the other, terms that add nothing to those before them are
    left out, as in vegan; beside all others, what adds nothing has no directions.
    """
    Q = np.empty((len(designs[0]), 0))
    ends = [0]
    for design in designs:
        Q = np.hstack([Q, new_directions(design, Q)])
        ends.append(Q.shape[1])
    every = range(len(designs))
    if by is None:
        return ["Model"], Q, [Q]
    if by == "terms":
        used = [i for i in every if ends[i + 1] > ends[i]]
        return [names[i] for i in used], Q, [Q[:, ends[i] : ends[i + 1]] for i in used]
    # A main effect means nothing without its interaction in the model: R's drop.scope.
    scope = [i for i in every if not any(factors[i] < other for other in factors)]
    tested = []
    for i in scope:
        others = Q[:, :0]
        for j in every:
            if j != i:
                others = np.hstack([others, new_directions(designs[j], others)])
        tested.append(directions_beside(Q, others))
    return [names[i] for i in scope], Q, tested


def new_directions(design: FloatArray, Q: FloatArray) -> FloatArray:
    """Return an orthonormal basis of what `design` spans beside 1 and `Q`.

    Column after column, as R's ``qr`` does: one of which a share of less than 1e-7 is left
    outside of those before it adds nothing.
    """
    x = design - design.mean(axis=0)
    size = np.linalg.norm(x, axis=0)
    # A column that is constant but for rounding spans nothing.
    keep = size > 1e-12 * np.linalg.norm(design, axis=0)
    x = x[:, keep] / size[keep]
    for _ in range(2):  # twice, so that the result is orthogonal to working precision
        x = x - Q @ (Q.T @ x)
        x -= x.mean(axis=0)
    x = np.asfortranarray(x[:, np.linalg.norm(x, axis=0) > _RANK])
    found = np.empty_like(x)
    k = 0
    for column in x.T:
        own = found[:, :k]
        left = column - own @ (own.T @ column)
        left -= own @ (own.T @ left)
        size = float(np.linalg.norm(left))
        if size > _RANK:
            found[:, k] = left / size
            k += 1
    return np.ascontiguousarray(found[:, :k])


def directions_beside(Q: FloatArray, others: FloatArray) -> FloatArray:
    """Return an orthonormal basis, (n, p - q), of what `Q`, (n, p), spans beside `others`, (n, q).

    Both are orthonormal, and `Q` spans what `others` does.
    """
    left = Q - others @ (others.T @ Q)
    u, _, _ = np.linalg.svd(left, full_matrices=False)
    return u[:, : max(0, Q.shape[1] - others.shape[1])]
