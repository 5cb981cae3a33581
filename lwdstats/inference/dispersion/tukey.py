"""Which groups differ in dispersion: R's ``TukeyHSD`` of distances to centres."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import studentized_range

from lwdstats.arrays import FloatArray
from lwdstats.inference.dispersion.permuted import without_rounding
from lwdstats.inference.dispersion.table import anova_table
from lwdstats.results.pictures import drawing
from lwdstats.results.printing import matrix_lines
from lwdstats.results.result import Result


@dataclass(frozen=True, eq=False)
class Tukey(Result):
    """Differences of the mean distances of groups from their centres, by `TukeyHSD`.

    Attributes
    ----------
    table : pandas.DataFrame
        A row for each pair of groups, such as "b-a", the first less the second; columns
        `diff`, `lwr` and `upr`, in the units of the distances, and `p adj`.
    level : float
        Confidence level of all intervals together.
    ordered : bool
        Whether the groups are in the order of their means.
    """

    table: pd.DataFrame
    level: float
    ordered: bool

    def lines(self) -> list[str]:
        """Return R's block."""
        lines = ["  Tukey multiple comparisons of means"]
        lines += [f"    {100 * self.level:.10g}% family-wise confidence level"]
        lines += ["    factor levels have been ordered"] * self.ordered
        lines += ["", "Fit: aov(formula = distances ~ group, data = df)", "", "$group"]
        return lines + matrix_lines(self.table.assign(**{"p adj": self.table["p adj"].round(7)}))

    def tidy(self) -> pd.DataFrame:
        """Return a row for each pair of groups, with broom's columns."""
        names = ["estimate", "conf_low", "conf_high", "adj_p_value"]
        frame = self.table.set_axis(names, axis="columns").rename_axis("contrast").reset_index()
        frame.insert(0, "term", "group")
        return frame

    def glance(self) -> pd.DataFrame:
        """Return one row about the comparison."""
        return pd.DataFrame(
            {"level": [self.level], "ordered": [self.ordered], "n_pairs": [len(self.table)]}
        )

    def _caption(self) -> str:
        return f"Differences of dispersion, {100 * self.level:.10g}% family-wise intervals"

    def _draw(self, ax: drawing.Axes | None) -> drawing.Axes:
        ax = drawing.estimates(self.tidy(), "contrast", ax)
        ax.axvline(0.0, color="0.6", linewidth=0.8, linestyle="--")
        ax.set_xlabel("difference of mean distances to the centre")
        return ax


def honest_differences(
    z: FloatArray,
    codes: npt.NDArray[np.intp],
    levels: tuple[str, ...],
    *,
    ordered: bool,
    level: float,
) -> Tukey:
    """Return all differences of the means of `z`, (n,), in groups `codes`, (n,)."""
    table = anova_table(z, codes, len(levels)).table
    df, variance = int(table["df"].iloc[1]), float(table["mean_square"].iloc[1])
    counts = np.bincount(codes)
    means = np.bincount(codes, z) / counts
    order = np.argsort(means, kind="stable") if ordered else np.arange(len(levels))
    later, first = np.array(
        [(order[j], order[i]) for i, j in combinations(range(len(levels)), 2)]
    ).T
    diff = without_rounding(means[later] - means[first], z)
    error = np.sqrt(variance / 2.0 * (1.0 / counts[later] + 1.0 / counts[first]))
    width = _quantile(level, len(levels), df) * error
    # Without any variance within groups there is nothing to measure a difference by.
    q = np.divide(np.abs(diff), error, out=np.full_like(diff, np.nan), where=error > 0)
    p = studentized_range.sf(q, len(levels), df)
    names = [f"{levels[i]}-{levels[j]}" for i, j in zip(later, first, strict=True)]
    columns = {"diff": diff, "lwr": diff - width, "upr": diff + width, "p adj": p}
    return Tukey(pd.DataFrame(columns, index=names), level, ordered)


@cache
def _quantile(level: float, groups: int, df: int) -> float:
    """Return a quantile of the studentized range, which takes a tenth of a second to find."""
    return float(studentized_range.ppf(level, groups, df))
