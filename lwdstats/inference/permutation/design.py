"""From a formula and data to the directions that its terms span."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd
from formulaic import Formula, model_matrix
from formulaic.errors import FormulaicError

from lwdstats.arrays import FloatArray, refuse_dates
from lwdstats.errors import InputError

# A direction counts as new if this share of a column is left outside of those before it,
# as in R's qr.
_RANK = 1e-7
_NAME = re.compile(r"[^\W\d]\w*")
# R's factor() and as.factor(), but not other names that end so.
_FACTOR = re.compile(r"(?<![\w.])(?:as\.)?factor\s*\(")
# Quoted parts of a formula: names in backticks, and text.
_QUOTED = re.compile(r"(`[^`]*`|'[^']*'|\"[^\"]*\")")
_FORMULA = "'d ~ terms', the terms being columns of data, such as 'd ~ group * dose'"


def as_frame(data: object, n: int) -> pd.DataFrame:
    """Return `data` as a frame of `n` rows numbered from 0."""
    if isinstance(data, Mapping):
        try:
            data = pd.DataFrame(dict(data))
        except ValueError as error:
            raise InputError("data", str(error), "columns of one length") from None
    if not isinstance(data, pd.DataFrame):
        raise InputError("data", type(data).__name__, "a DataFrame, or a mapping to columns")
    if len(data) != n:
        raise InputError("data", f"{len(data)} rows", f"{n} rows, as many as observations in d")
    return data.reset_index(drop=True)


def design_of(
    formula: str, data: pd.DataFrame
) -> tuple[list[str], list[FloatArray], list[frozenset[str]]]:
    """Return names, columns (n, .) and factors of the terms."""
    parts = formula.split("~") if isinstance(formula, str) else []
    if len(parts) != 2 or parts[0].strip() != "d" or not parts[1].strip():
        raise InputError("formula", formula, _FORMULA)
    right = as_python(parts[1])
    _check_columns(right, data)
    try:
        # No context: only the columns of data, and formulaic's own functions, have names.
        matrix = model_matrix(right, data, context={}, na_action="raise")
        slices = None if matrix.model_spec is None else matrix.model_spec.term_slices
    except (FormulaicError, ValueError, AttributeError, TypeError, SyntaxError) as error:
        takes = f"{_FORMULA}; C(w) makes a factor, and I(z**2) a power"
        raise InputError("formula", f"{formula!r} ({error})", takes) from error
    values = np.asarray(matrix, dtype=np.float64)
    if not np.isfinite(values).all():
        raise InputError("data", "values that are NaN or infinite", "finite values")
    terms = [term for term in slices or () if term.degree > 0]
    if slices is None or not terms:
        raise InputError("formula", formula, _FORMULA)
    columns = [values[:, slices[term]] for term in terms]
    return [str(t) for t in terms], columns, [frozenset(map(str, t.factors)) for t in terms]


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


def _check_columns(right: str, data: pd.DataFrame) -> None:
    """Refuse a formula of columns that are not in `data` or lack values."""
    try:
        named = {str(name) for name in Formula.from_spec(right).required_variables}
    except (FormulaicError, SyntaxError, ValueError, AttributeError):
        return  # the formula is at fault, and said to be elsewhere
    functions = set(re.findall(r"(\w+)\s*\(", right))
    missing = sorted(named - functions - set(map(str, data.columns)))
    if missing:
        known = ", ".join(map(str, data.columns))
        raise InputError("data", f"no column {', '.join(missing)}, but {known}", _FORMULA)
    # Of some functions formulaic does not know the variables.
    named |= set(_NAME.findall(right))
    for name in data.columns:
        n = int(np.count_nonzero(pd.isna(data[name].to_numpy())))
        if n and str(name) in named:
            raise InputError("data", f"{n} missing in column {name}", "no missing values")
        if str(name) in named:
            takes = "elapsed time in numbers, or text as a factor"
            refuse_dates(data[name], f"data: {name}", takes=takes)


def terms_to_test(
    names: list[str], designs: list[FloatArray], factors: list[frozenset[str]], by: str | None
) -> tuple[list[str], FloatArray, list[FloatArray]]:
    """Return names of what is tested, a basis (n, rank) of the model, and one of each test.

    What a test is about is a term beside those before it, or beside all others,
    or the model. Terms that add nothing to those before them are left out, as in
    vegan.
    """
    n = len(designs[0])
    Q = np.empty((n, 0))
    new = []
    for design in designs:
        added = new_directions(design, Q)
        new.append(added.shape[1])
        Q = np.hstack([Q, added])
    used = [i for i, k in enumerate(new) if k]
    if by is None:
        return ["Model"], Q, [Q]
    if by == "terms" or len(used) == 1:
        ends = np.cumsum([new[i] for i in used])[:-1]
        return [names[i] for i in used], Q, np.split(Q, ends, axis=1)
    # A main effect means nothing without its interaction in the model: R's drop.scope.
    scope = [i for i in used if not any(factors[i] < factors[j] for j in used)]
    tested = []
    for i in scope:
        rest = new_directions(np.hstack([designs[j] for j in used if j != i]), Q[:, :0])
        tested.append(new_directions(Q, rest))
    return [names[i] for i in scope], Q, tested


def new_directions(design: FloatArray, Q: FloatArray) -> FloatArray:
    """Return an orthonormal basis of what `design` spans beside 1 and `Q`."""
    x = design - design.mean(axis=0)
    size = np.linalg.norm(x, axis=0)
    # A column that is constant but for rounding spans nothing.
    keep = size > 1e-12 * np.linalg.norm(design, axis=0)
    x = x[:, keep] / size[keep]
    for _ in range(2):  # twice, so that the result is orthogonal to working precision
        x = x - Q @ (Q.T @ x)
        x -= x.mean(axis=0)
    left = np.linalg.norm(x, axis=0)
    x = x[:, left > _RANK]
    if x.shape[1] == 0:
        return x
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    return u[:, s > _RANK * s[0]]
