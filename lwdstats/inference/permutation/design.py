"""From a formula and data to the directions that its terms span."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
from formulaic import Formula, ModelSpec, SimpleFormula, model_matrix
from formulaic.errors import FormulaicError
from formulaic.parser.types import Factor, Term
from formulaic.transforms.contrasts import C, PolyContrasts

from lwdstats.arrays import FloatArray, refuse_dates
from lwdstats.errors import InputError
from lwdstats.inference.permutation.formula import TAKES, namer, parse_formula, unusable

# A direction counts as new if this share of a column is left outside of those before it,
# as in R's qr.
_RANK = 1e-7
_NAME = re.compile(r"`([^`]*)`|([^\W\d][\w.]*)")
# R's functions of a number beside those that formulaic has.
_FUNCTIONS = {
    name: getattr(np, name)
    for name in ("sqrt", "sin", "cos", "tan", "log1p", "expm1", "floor", "ceil")
}


def design_of(
    formula: str, data: pd.DataFrame
) -> tuple[list[str], list[FloatArray], list[frozenset[str]]]:
    """Return names, columns (n, .) and factors of the terms, coded as by R."""
    parsed = parse_formula(formula, [str(name) for name in data.columns])
    data = _columns(formula, parsed, data)
    try:
        values, spec = _matrix(parsed, data)
    except (FormulaicError, ValueError, AttributeError, TypeError, SyntaxError) as error:
        raise unusable(formula, error) from error
    if not np.isfinite(values).all():
        raise InputError("data", "values that are NaN or infinite", "finite values")
    terms = [term for term in spec.term_slices if term.degree > 0]
    columns = _coded(terms, [values[:, spec.term_slices[term]] for term in terms], spec, data)
    if len(terms) == len(spec.term_slices) and not np.isin(columns[0], (0.0, 1.0)).all():
        takes = "a formula without -1 or +0, as distances are centred in any case"
        raise InputError("formula", f"{formula!r} without an intercept", takes)
    name = namer(parsed)
    return [name(t) for t in terms], columns, [frozenset(map(str, t.factors)) for t in terms]


def _matrix(parsed: Formula, data: pd.DataFrame) -> tuple[FloatArray, ModelSpec]:
    """Return the columns (n, .) of a formula, one for every level of a factor, and whose they are.

    No context: only the columns of data, and formulaic's own functions, have names.
    """
    context = {"I": _as_it_is, **_FUNCTIONS}
    with np.errstate(divide="ignore", invalid="ignore"):  # what is not finite is refused
        matrix: Any = model_matrix(
            parsed, data, context=context, na_action="raise", ensure_full_rank=False
        )
    return np.asarray(matrix, dtype=np.float64), matrix.model_spec


def _coded(
    terms: list[Term], columns: list[FloatArray], spec: ModelSpec, data: pd.DataFrame
) -> list[FloatArray]:
    """Return the columns (n, .) of terms with contrasts where R has them.

    `columns` have one for every level. R's rule, where a factor has contrasts in a term:
    what is left of the term without it is part of a term before. It decides what of two
    interactions is whose, where their main effects are not in the model.
    """
    out, before = [], []
    for term, x in zip(terms, columns, strict=True):
        own = frozenset(f.expr for f in term.factors)
        coding = np.eye(1)
        for factor in term.factors:  # the first of them changes fastest
            kind, state = spec.encoder_state[factor.expr]
            rest = own - {factor.expr}
            contrasted = bool(rest) and any(rest <= other for other in before)
            if kind is not Factor.Kind.CATEGORICAL:
                alone = SimpleFormula([Term([factor])])
                own_coding = np.eye(_matrix(alone, data)[0].shape[1])
            elif not contrasted:
                own_coding = np.eye(len(state["categories"]))
            else:
                ordered = factor.expr in data and bool(data[factor.expr].cat.ordered)
                contrasts = PolyContrasts() if ordered else state["contrasts"].contrasts
                levels = state["contrasts"].levels
                own_coding = np.asarray(contrasts.get_coding_matrix(levels, reduced_rank=True))
            coding = np.kron(own_coding, coding)
        out.append(x if len(own) == 1 else x @ coding)
        before.append(own)
    return out


def _as_it_is(x: object) -> object:
    """Return what stands in R's ``I()``, truth values as a factor."""
    return C(x) if getattr(x, "dtype", None) == np.bool_ else x


def _columns(formula: str, parsed: SimpleFormula, data: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of a formula as factors or float64, none of them lacking values."""
    data = data.set_axis([str(name) for name in data.columns], axis="columns")
    words = {a or b for a, b in _NAME.findall(formula.partition("~")[2])}
    named = {f.expr for t in parsed for f in t.factors if f.eval_method is Factor.EvalMethod.LOOKUP}
    # Of a name with a dot formulaic takes the first part for the variable.
    first = {name.partition(".")[0] for name in named | words if "." in name}
    named |= {str(name) for name in parsed.required_variables if name not in first - words}
    functions = set(re.findall(r"(\w+)\s*\(", formula))
    missing = sorted(named - functions - set(data.columns))
    if missing:
        known = ", ".join(data.columns)
        raise InputError("data", f"no column {', '.join(missing)}, but {known}", TAKES)
    # Of some functions formulaic does not know the variables.
    named |= words
    used = [name for name in data.columns if name in named]
    twice = sorted({name for name in used if used.count(name) > 1})
    if twice:
        raise InputError("data", f"more than one column {', '.join(twice)}", "names that differ")
    columns = {str(name): _column(str(name), column) for name, column in data[used].items()}
    return pd.DataFrame(columns, index=data.index)


def _column(name: str, column: pd.Series) -> pd.Series:
    """Return a column as a factor or float64."""
    n = int(np.count_nonzero(pd.isna(column.to_numpy())))
    if n:
        raise InputError("data", f"{n} missing in column {name}", "no missing values")
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column
    # Numbers and truth values may come as objects, as from rows of several kinds.
    column = column.infer_objects()
    kind = pd.api.types.infer_dtype(column)
    if kind in ("string", "boolean", "mixed-integer", "interval"):
        return column.astype("category")
    if kind in ("floating", "integer", "mixed-integer-float", "decimal"):
        return column.astype(np.float64)
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
