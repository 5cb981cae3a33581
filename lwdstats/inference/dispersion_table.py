"""Analysis of variance of distances to centres, with p from F or from permutations."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from lwdstats.geometry.arrays import FloatArray
from lwdstats.inference.permutation import Scheme, p_values, scheme
from lwdstats.inference.printing import PrintsTable, coefficient_lines


@dataclass(frozen=True, eq=False)
class DispersionTable(PrintsTable):
    """Analysis of variance of distances to centres.

    Attributes
    ----------
    table : pandas.DataFrame
        Rows "Groups" and "Residuals"; columns `df`, `sum_of_squares`,
        `mean_square`, `f` and `p_value`.
    pairwise : pandas.DataFrame or None
        Two groups a row: `group1`, `group2`, `estimate` (difference of the
        mean distances), `statistic` (t), `df`, `p_value` (t distribution) and
        `p_permuted`. Not corrected for their number.
    permutations : Scheme or None
        The permutations used; None where p is the F distribution's.
    f_permuted : numpy.ndarray or None, shape (B,)
        The statistic under the permutations.
    """

    table: pd.DataFrame
    pairwise: pd.DataFrame | None = None
    permutations: Scheme | None = None
    f_permuted: FloatArray | None = field(default=None, repr=False)

    def __str__(self) -> str:
        f = "F value" if self.permutations is None else "F"
        names = {"df": "Df", "sum_of_squares": "Sum Sq", "mean_square": "Mean Sq", "f": f}
        table = self.table.rename(columns={**names, "p_value": "Pr(>F)"})
        lines = ["Analysis of Variance Table", ""]
        if self.permutations is not None:
            table.insert(4, "N.Perm", [self.permutations.count, np.nan])
            lines = ["", "Permutation test for homogeneity of multivariate dispersions"]
            lines += [f"Permutation: {self.permutations.kind}"]
            lines += [f"Number of permutations: {self.permutations.count}", ""]
        zap = ["Sum Sq", "Mean Sq"]
        lines += ["Response: Distances"]
        lines += coefficient_lines(table, 5, tests=[f], zap=zap, p_value="Pr(>F)", missing="")
        if self.pairwise is not None:
            lines += ["", "Pairwise comparisons:"]
            lines += ["(Observed p-value below diagonal, permuted p-value above diagonal)"]
            lines += _pairwise_lines(self.pairwise)
        return "\n".join(lines)

    def _frame(self) -> pd.DataFrame:
        return self.table


def anova_table(z: FloatArray, codes: npt.NDArray[np.intp], g: int) -> DispersionTable:
    """Return the table of distances `z`, (n,), in `g` groups, with the F distribution's p."""
    table = _anova(z, codes, g)
    p = stats.f.sf(table["f"].iloc[0], *table["df"].to_numpy())
    return DispersionTable(table.assign(p_value=[float(p), np.nan]))


def permutation_table(
    z: FloatArray,
    codes: npt.NDArray[np.intp],
    levels: tuple[str, ...],
    permutations: int | npt.ArrayLike,
    seed: int | str | None,
    *,
    pairwise: bool,
) -> DispersionTable:
    """Return the table of distances `z`, (n,), in groups `codes`, (n,), with p by permutation."""
    n, g = len(z), len(levels)
    counts = np.bincount(codes).astype(np.float64)
    plan = scheme(n, permutations, None, seed)
    table = _anova(z, codes, g)
    members = np.eye(g)[codes]
    means = np.bincount(codes, z) / counts
    residuals = z - means[codes]
    residuals -= residuals.mean()
    centred = z - z.mean()  # t does not change, and squares lose no digits
    pairs = list(combinations(range(g), 2)) if pairwise else []
    f = np.empty(plan.count)
    t = np.empty((plan.count, len(pairs)))
    start = 0
    for index in plan.blocks(3):
        rows = slice(start, start + len(index))
        f[rows] = _f(residuals[index] @ members, float(residuals @ residuals), counts)
        if pairs:
            moved = centred[index]
            t[rows] = np.abs(_t(moved @ members, (moved * moved) @ members, counts, pairs))
        start += len(index)
    observed = table["f"].to_numpy()[:1]
    p = p_values(observed, f[:, None])[0]
    table = table.assign(p_value=[float(p), np.nan])
    if not pairwise:
        return DispersionTable(table, None, plan, f)
    sums, squares = (centred @ members)[None], ((centred * centred) @ members)[None]
    t0 = _t(sums, squares, counts, pairs)[0]
    df = np.array([counts[i] + counts[j] - 2 for i, j in pairs])
    frame = pd.DataFrame(
        {
            "group1": [levels[i] for i, _ in pairs],
            "group2": [levels[j] for _, j in pairs],
            "estimate": [means[i] - means[j] for i, j in pairs],
            "statistic": t0,
            "df": df.astype(np.int64),
            "p_value": 2.0 * stats.t.sf(np.abs(t0), df),
            "p_permuted": p_values(np.abs(t0), t),
        }
    )
    return DispersionTable(table, frame, plan, f)


def _anova(z: FloatArray, codes: npt.NDArray[np.intp], g: int) -> pd.DataFrame:
    """Return the one-way table of `z`, without p."""
    counts = np.bincount(codes)
    means = np.bincount(codes, z) / counts
    between = float(counts @ (means - z.mean()) ** 2)
    within = float(np.sum((z - means[codes]) ** 2))
    df = np.array([g - 1, len(z) - g])
    squares = np.array([between, within])
    with np.errstate(divide="ignore", invalid="ignore"):
        f = np.float64(between / df[0]) / np.float64(within / df[1])
    return pd.DataFrame(
        {
            "df": df,
            "sum_of_squares": squares,
            "mean_square": squares / df,
            "f": [float(f), np.nan],
        },
        index=pd.Index(["Groups", "Residuals"], name="term"),
    )


def _f(sums: FloatArray, total: float, counts: FloatArray) -> FloatArray:
    """Return F, (B,), from sums by group, (B, g), of numbers whose mean is 0."""
    between = (sums * sums / counts).sum(axis=1)
    within = np.maximum(total - between, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (between / (len(counts) - 1)) / (within / (counts.sum() - len(counts)))


def _t(
    sums: FloatArray, squares: FloatArray, counts: FloatArray, pairs: list[tuple[int, int]]
) -> FloatArray:
    """Return t, (B, pairs), from sums and sums of squares by group, (B, g)."""
    means = sums / counts
    within = np.maximum(squares - sums * means, 0.0)
    first, second = (np.array(side) for side in zip(*pairs, strict=True))
    m, n = counts[first], counts[second]
    with np.errstate(divide="ignore", invalid="ignore"):
        pooled = np.sqrt((within[:, first] + within[:, second]) / (m + n - 2.0))
        return (means[:, first] - means[:, second]) / (pooled * np.sqrt(1.0 / m + 1.0 / n))


def _pairwise_lines(pairwise: pd.DataFrame) -> list[str]:
    """Return the matrix of p-values: the t distribution's below the diagonal."""
    levels = list(dict.fromkeys([*pairwise["group1"], *pairwise["group2"]]))
    p = pd.DataFrame(np.nan, index=levels, columns=levels)
    columns = (pairwise[c] for c in ("group1", "group2", "p_value", "p_permuted"))
    for one, two, observed, permuted in zip(*columns, strict=True):
        p.loc[two, one], p.loc[one, two] = observed, permuted
    # R lays the matrix out as a table of coefficients, its last column as a statistic.
    return coefficient_lines(p, 5, estimates=levels[:-1], tests=levels[-1:], missing="")
