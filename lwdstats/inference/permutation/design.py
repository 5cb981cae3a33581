"""The directions that the terms of a formula span, one beside the other."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError
from lwdstats.inference.formula.design import design_of, values_of
from lwdstats.inference.formula.syntax import Name
from lwdstats.inference.formula.terms import parse_formula
from lwdstats.inference.formula.values import Factor

TAKES = "'d ~ terms', the terms being columns of data, such as 'd ~ group * dose'"
# A direction counts as new if this share of a column is left outside of those before it,
# as in R's qr.
_RANK = 1e-7


def designs_of(
    formula: str, data: pd.DataFrame
) -> tuple[list[str], list[FloatArray], list[frozenset[str]]]:
    """Return names, columns (n, .) and variables of the terms of ``d ~ terms``."""
    parsed = parse_formula(formula, [str(name) for name in data.columns], takes=TAKES)
    if parsed.left != Name("d"):
        raise InputError("formula", repr(formula), TAKES)
    first = parsed.terms[0]
    if not parsed.intercept:
        values = values_of(list(first), data).values()
        if not all(isinstance(value, Factor) for value in values):
            takes = "a formula without -1 or +0, as distances are centred in any case"
            raise InputError("formula", f"{formula!r} without an intercept", takes)
    found = design_of(parsed, data)
    return [t.name for t in found], [t.columns for t in found], [t.variables for t in found]


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
