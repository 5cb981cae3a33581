"""Permutational analysis of variance of distances, as vegan's ``adonis2``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from lwdstats.arrays import FloatArray
from lwdstats.dataset.embeddings.choose_embedding import by_embedding
from lwdstats.errors import InputError, check_choice
from lwdstats.geometry.given_distances import as_distances, made_euclidean
from lwdstats.geometry.kernels import distances, gower
from lwdstats.geometry.labels import Labels, arranged, labels_of, labels_of_square
from lwdstats.inference.permutation.adonis_squares import (
    equal_rows,
    squares_of_distances,
    squares_of_points,
)
from lwdstats.inference.permutation.adonis_table import Adonis
from lwdstats.inference.permutation.answers import (
    answers_of,
    as_frame,
    check_blocks,
    models_of,
    warn_of_models,
)
from lwdstats.inference.permutation.design import design_of, terms_to_test
from lwdstats.inference.permutation.scheme import p_values, scheme

# A pass over points takes about so many times as long a number as a product with distances.
_POINTS = 8
# A sum of squares below this share of all squares is what rounding makes of 0.
_ROUNDING = 1e-12


def adonis2(
    formula: str,
    data: pd.DataFrame | Mapping[str, Any] | xr.Dataset,
    *,
    d: npt.ArrayLike | xr.DataArray | None = None,
    permutations: int | npt.ArrayLike = 999,
    strata: str | npt.ArrayLike | None = None,
    by: str | None = "terms",
    model: str = "reduced",
    sqrt_dist: bool = False,
    add: bool | str = False,
    embedding: str = "embedding",
    seed: int | str | None = None,
) -> Adonis:
    """Test which terms explain the distances between observations (PERMANOVA).

    Parameters
    ----------
    formula : str
        ``"d ~ terms"`` as typed in R: columns of `data` with ``+ : * / %in% ^ .``, names such
        as ```dose (mg)```, ``I(x^2)``, ``cut(x, 3)``, ``poly(x, 2)``, ``factor(x)`` and others
        (``docs/methods.md`` lists them). Text, categories and truth values are factors.
    data : pandas.DataFrame, mapping or xarray.Dataset
        One row an observation, in the order of the distances, or, where both have
        labels, in any. Of a dataset at one time, ``ds.sel(time=t)``, the answers, with the
        factors `model`, `replicate`, `query`, `response` and coordinates along these.
    d : array_like, shape (n, n) or (n (n - 1) / 2,), or xarray.DataArray
        Distances; of a dataset by default the Euclidean ones between answers; or those between
        its models, as ``dist(ds)`` of one time and replicate.
    permutations : int or array_like, shape (B, n)
        Their number, or rows of indices from 0. If no more exist, all are taken, and p is exact.
    strata : str, list of str or array_like, shape (n,), optional
        Labels, or columns of `data`, within which to permute.
    by : {"terms", "margin", None}
        Test each term after earlier ones, after all (but its interactions), or the whole model.
    model : {"reduced", "direct"}
        Permute residuals of the model without the tested term, or observations, as vegan.
    sqrt_dist, add : bool, and bool or {"lingoes", "cailliez"}
        Take square roots of the distances first; make them Euclidean, as `betadisper`.
    embedding : str
        Which embedding of a dataset's answers, as `choose_embedding` takes it.
    seed : int or str, optional
        Seed of the permutations; drawn and kept in the result if None.

    Returns
    -------
    Adonis
        The table, with R's block as ``str()``.

    Raises
    ------
    InputError
        If an argument is not as above, labels differ, or terms or distances do not vary.

    Notes
    -----
    With G the doubly centred matrix of ``-d^2 / 2`` and H the projection on what is new in a
    term, ``SS = tr(H G)``, R2 is its share of ``tr(G)``, and F the ratio of mean squares. With
    several terms the test of one is approximate (``docs/methods.md``). Dispersion alone can
    make F large: see `betadisper`.

    Answers of a dataset are exchangeable among models, if these answer alike at what each has
    read, but not across replicates, queries or times: `strata` has to keep them apart, as
    ``["replicate", "query"]``; or see `collapse_test`. A coordinate of models that answer more
    than once is warned of.

    Follows R's ``vegan::adonis2``, coding too, all numbers but p being the same;
    ``model="direct"`` gives vegan's p. Beside others, a nested factor or collinear column has
    what it adds; of two interactions without main effects the earlier has what both share.

    References
    ----------
    Anderson, M. J. (2001), Austral Ecology 26, 32-46.
    Freedman, D. and Lane, D. (1983), J. Business and Economic Statistics 1, 292-298.
    McArdle, B. H. and Anderson, M. J. (2001), Ecology 82, 290-297.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> x = [0.0, 1.0, 5.0, 6.0, 7.0, 8.0]
    >>> fit = lwd.adonis2("d ~ group", {"group": list("aabbbb")}, d=lwd.dist(x))
    >>> print(fit)
    Permutation test for adonis under reduced model
    Terms added sequentially (first to last)
    Permutation: free
    Number of permutations: 719
    <BLANKLINE>
    adonis2(formula = d ~ group, data = data)
             Df SumOfSqs     R2      F  Pr(>F)
    group     1     48.0 0.8972 34.909 0.06667 .
    Residual  4      5.5 0.1028
    Total     5     53.5 1.0000
    ---
    Signif. codes:  0 '***' 0.001 '**' 0.01 '*' 0.05 '.' 0.1 ' ' 1
    """
    if by is not None:
        by = check_choice("by", by, ("terms", "margin"))
    model = check_choice("model", model, ("reduced", "direct"))
    data = by_embedding(data, embedding, "data")
    answers = isinstance(data, xr.Dataset)
    matrix, points, rows = None, None, data
    if isinstance(data, xr.Dataset):
        # Distances as `dist` gives them are between models, any others between answers.
        answers = not (isinstance(d, xr.DataArray) and "model" in d.dims)
        points, rows = answers_of(data, "data") if answers else (None, models_of(data))
    own = None
    if d is not None:
        matrix, own, points = as_distances(d), labels_of_square(d), None
    given = matrix if points is None else points
    if given is None:
        raise InputError("d", None, "distances between the rows of data")
    n = len(given)
    frame = as_frame(rows)
    if own is not None and labels_of(frame) is None:
        _refuse_names_in_another_order(frame, own)
    frame = arranged(frame, own, "data", "d")
    if len(frame) != n:
        raise InputError("data", f"{len(frame)} rows", f"{n} rows, as many as observations in d")
    labels = _strata(strata, frame, own)
    names, designs, orders = design_of(formula, frame.reset_index(drop=True))
    plan = scheme(n, permutations, labels, seed)
    if answers:
        check_blocks(frame, labels, "data", ", or give strata=['replicate', 'query']")
        warn_of_models(frame, set().union(*orders), stacklevel=3)

    names, Q, bases = terms_to_test(names, designs, orders, by)
    rank = Q.shape[1]
    if rank == 0:
        raise InputError("formula", formula, "terms that vary")
    rdf = n - 1 - rank
    if rdf == 0:
        raise InputError("formula", f"{formula!r}, {rank} columns for {n} rows", "fewer columns")

    reduced = model == "reduced" and len(bases) > 1
    ac, made = 0.0, {}
    # Distances take n numbers a direction and observation, points what each of them holds.
    if points is not None and (sqrt_dist or add or n * rank <= _POINTS * points.shape[1]):
        matrix = distances(points.astype(np.float64), "euclidean", 2.0)
    if matrix is not None:
        matrix, ac, made = made_euclidean(matrix, sqrt_dist=sqrt_dist, add=add)
        found = squares_of_distances(gower(matrix), Q, bases, plan, reduced=reduced)
    else:
        found = squares_of_points(given, equal_rows(designs), Q, bases, plan, reduced=reduced)
    total, size = found.total, found.size
    if not (size if matrix is None else matrix.any()):
        raise InputError("d", "distances that are all 0", "distances that differ")
    df = np.array([M.shape[1] for M in bases], dtype=np.int64)
    f = _f(found.tests[None], np.array([[found.residual]]), df, rdf, size)[0]
    f_permuted = _f(found.permuted, found.permuted_residual, df, rdf, size)
    p = p_values(f, f_permuted)

    squares = np.array([*found.tests, found.residual, total])
    squares[np.abs(squares) <= _ROUNDING * size] = 0.0
    blank = [np.nan, np.nan]
    table = pd.DataFrame(
        {
            "df": np.array([*df, rdf, n - 1], dtype=np.int64),
            "sum_of_squares": squares,
            "r2": squares / total,
            "f": [*f, *blank],
            "p_value": [*p, *blank],
        },
        index=pd.Index([*names, "Residual", "Total"], name="term"),
    )
    call = _call(formula, permutations, made, strata, by)
    return Adonis(table, by, plan, f_permuted, model, call, ac)


def _refuse_names_in_another_order(frame: pd.DataFrame, own: Labels) -> None:
    """Raise where rows without labels have the names of the observations in a column, mixed up."""
    for name, column in frame.items():
        names = column.tolist()
        if names != list(own) and set(names) == set(own) and isinstance(own[0], str):
            raise InputError(
                f"data: {name}",
                "the labels of d in another order",
                f"rows in the order of d, or labelled, data.set_index({name!r}, drop=False)",
            )


def _strata(
    strata: str | npt.ArrayLike | None, frame: pd.DataFrame, own: Labels | None
) -> npt.ArrayLike | None:
    """Return the labels of the strata, (n,), of observations that distances call `own`."""
    if strata is None:
        return None
    if isinstance(strata, str):
        if strata not in frame:
            raise InputError("strata", strata, "labels, or the name of a column of data")
        return frame[strata]
    # A list as long as the data is of labels, whatever they say.
    if isinstance(strata, list) and 0 < len(strata) < len(frame):
        columns = [name for name in strata if isinstance(name, str) and name in frame]
        if len(columns) == len(strata):
            if frame[columns].isna().to_numpy().any():
                raise InputError("strata", "missing labels", "columns without missing values")
            return frame.groupby(columns, observed=True).ngroup().to_numpy()
    return arranged(strata, own or labels_of(frame), "strata", "d" if own else "data")


def _f(
    ss: FloatArray, rss: FloatArray, df: npt.NDArray[np.int64], rdf: int, size: float
) -> FloatArray:
    """Return F, (B, tests), from sums of squares and residual ones, (B, tests) or (B, 1)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        f = (ss / df) / (rss / rdf)
    exact = np.where(ss > _ROUNDING * size, np.inf, 0.0)
    f = np.where(np.abs(rss) <= _ROUNDING * size, exact, f)
    return np.where(df > 0, f, np.nan)


def _call(
    formula: str, permutations: object, made: dict[str, str], strata: object, by: str | None
) -> str:
    left, right = (part.strip() for part in formula.split("~", 1))
    parts = [f"formula = {left} ~ {right}", "data = data"]
    if not isinstance(permutations, int):
        parts += ["permutations = permutations"]
    elif permutations != 999:
        parts += [f"permutations = {permutations}"]
    parts += [f"{name} = {value}" for name, value in made.items()]
    parts += [] if by == "terms" else [f"by = {'NULL' if by is None else chr(34) + by + chr(34)}"]
    parts += [] if strata is None else ["strata = strata"]
    return f"adonis2({', '.join(parts)})"
