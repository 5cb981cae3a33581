"""Analysis of variance of distances to centres, with p from F or from permutations."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from lwdstats.arrays import FloatArray
from lwdstats.inference.dispersion.permuted import t_statistics, without_rounding
from lwdstats.inference.permutation.scheme import Scheme, p_values
from lwdstats.results.printing import coefficient_lines
from lwdstats.results.result import PermutationResult, one_row


@dataclass(frozen=True, eq=False)
class DispersionTable(PermutationResult):
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
    permute : str or None
        What was permuted, "points" or "distances".
    """

    table: pd.DataFrame
    pairwise: pd.DataFrame | None = None
    permutations: Scheme | None = None
    f_permuted: FloatArray | None = field(default=None, repr=False)
    permute: str | None = None

    def lines(self) -> list[str]:
        """Return R's table, or vegan's block of the permutations."""
        f = "F value" if self.permutations is None else "F"
        names = {"df": "Df", "sum_of_squares": "Sum Sq", "mean_square": "Mean Sq", "f": f}
        table = self.table.rename(columns={**names, "p_value": "Pr(>F)"})
        lines = ["Analysis of Variance Table", ""]
        if self.permutations is not None:
            table.insert(4, "N.Perm", [self.permutations.count, np.nan])
            lines = ["", "Permutation test for homogeneity of multivariate dispersions"]
            kind = self.permutations.kind
            # vegan permutes distances and does not say so.
            what = ", of points about their centres" * (self.permute == "points")
            lines += [f"Permutation: {kind}{what}"]
            lines += [f"Number of permutations: {self.permutations.count}", ""]
        zap = ["Sum Sq", "Mean Sq"]
        lines += ["Response: Distances"]
        lines += coefficient_lines(table, 5, tests=[f], zap=zap, p_value="Pr(>F)", missing="")
        if self.pairwise is not None:
            lines += ["", "Pairwise comparisons:"]
            lines += ["(Observed p-value below diagonal, permuted p-value above diagonal)"]
            lines += _pairwise_lines(self.pairwise)
        return lines

    def tidy(self) -> pd.DataFrame:
        """Return a row for the groups and one for the residuals, with broom's columns."""
        names = {"sum_of_squares": "sumsq", "mean_square": "meansq", "f": "statistic"}
        return self.table.rename(columns=names).rename_axis("term").reset_index()

    def glance(self) -> pd.DataFrame:
        """Return one row about the test, with broom's columns."""
        df, residual = (int(k) for k in self.table["df"])
        first = self.table.iloc[0]
        row = {"statistic": float(first["f"]), "p_value": float(first["p_value"])}
        row |= {"df": df, "df_residual": residual, "nobs": df + residual + 1}
        count = 0 if self.permutations is None else self.permutations.count
        return one_row(row | {"n_permutations": count})

    def _permuted(self) -> tuple[FloatArray | None, float, str]:
        return self.f_permuted, float(self.table["f"].iloc[0]), "F of dispersions"


def anova_table(z: FloatArray, codes: npt.NDArray[np.intp], g: int) -> DispersionTable:
    """Return the table of distances `z`, (n,), in `g` groups, with the F distribution's p."""
    table = _anova(z, codes, g)
    f = table["f"].iloc[0]
    # Without any variance within groups F has no F distribution.
    p = stats.f.sf(f, *table["df"].to_numpy()) if np.isfinite(f) else np.nan
    return DispersionTable(table.assign(p_value=[float(p), np.nan]))


def permutation_table(
    z: FloatArray,
    codes: npt.NDArray[np.intp],
    levels: tuple[str, ...],
    plan: Scheme,
    permuted: list[tuple[FloatArray, FloatArray]],
    pairs: list[tuple[int, int]],
    permute: str,
) -> DispersionTable:
    """Return the table of distances `z`, (n,), in groups `codes`, (n,), with p by permutation.

    `permuted` is F, (B,), and the absolute t of the pairs, (B, pairs), under the
    permutations of `plan`; of several ways to permute, the largest p counts.
    """
    table = _anova(z, codes, len(levels))
    # Where distances are all equal all arrangements tie, and p is 1.
    observed = np.nan_to_num(table["f"].iloc[0], posinf=np.inf)
    p, f = max(((float(p_values(observed, f)), f) for f, _ in permuted), key=lambda both: both[0])
    table = table.assign(p_value=[p, np.nan])
    frame = None
    if pairs:
        members = np.eye(len(levels))[codes]
        counts = members.sum(axis=0)
        means = z @ members / counts
        t0 = t_statistics(without_rounding(z - z.mean(), z)[None], members, pairs)[0]
        df = np.array([counts[i] + counts[j] - 2 for i, j in pairs])
        # A pair of groups of one has no t at all; equal distances have none but tie.
        alike = np.isnan(t0) & (df > 0)
        size = np.where(alike, 0.0, np.abs(t0))
        frame = pd.DataFrame(
            {
                "group1": [levels[i] for i, _ in pairs],
                "group2": [levels[j] for _, j in pairs],
                "estimate": [means[i] - means[j] for i, j in pairs],
                "statistic": t0,
                "df": df.astype(np.int64),
                "p_value": np.where(np.isinf(t0), np.nan, 2.0 * stats.t.sf(np.abs(t0), df)),
                "p_permuted": np.max([p_values(size, t) for _, t in permuted], axis=0),
            }
        )
    return DispersionTable(table, frame, plan, f, permute)


def _anova(z: FloatArray, codes: npt.NDArray[np.intp], g: int) -> pd.DataFrame:
    """Return the one-way table of `z`, without p."""
    counts = np.bincount(codes)
    means = np.bincount(codes, z) / counts
    between = float(counts @ without_rounding(means - z.mean(), z) ** 2)
    within = float(np.sum(without_rounding(z - means[codes], z) ** 2))
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


def _pairwise_lines(pairwise: pd.DataFrame) -> list[str]:
    """Return the matrix of p-values: the t distribution's below the diagonal."""
    levels = list(dict.fromkeys([*pairwise["group1"], *pairwise["group2"]]))
    p = pd.DataFrame(np.nan, index=levels, columns=levels)
    columns = (pairwise[c] for c in ("group1", "group2", "p_value", "p_permuted"))
    for one, two, observed, permuted in zip(*columns, strict=True):
        p.loc[two, one], p.loc[one, two] = observed, permuted
    # R lays the matrix out as a table of coefficients, its last column as a statistic.
    return coefficient_lines(p, 5, estimates=levels[:-1], tests=levels[-1:], missing="")
