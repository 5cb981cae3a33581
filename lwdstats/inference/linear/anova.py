"""Analyses of variance of linear models, each term beside those before it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from lwdstats.arrays import FloatArray
from lwdstats.inference.linear.squares import clustered, hotelling, least_squares
from lwdstats.results.pictures import drawing
from lwdstats.results.printing import coefficient_lines
from lwdstats.results.result import Result, one_row


@dataclass(frozen=True, eq=False)
class AnovaTable(Result):
    """Terms of a linear model one after the other; ``str()`` gives R's table.

    Attributes
    ----------
    response : str
        What was explained.
    table : pandas.DataFrame
        A row for each term, R's columns: ``Df``, ``Sum Sq``, ``Mean Sq``, ``F value`` and
        ``Pr(>F)``, and one of the residuals; with clusters ``Df``, ``Den Df``, ``F value``
        and ``Pr(>F)``.
    n_clusters : int
        0 without.
    by : str
        What they are, in words.
    """

    response: str
    table: pd.DataFrame
    n_clusters: int = 0
    by: str = ""

    def tidy(self) -> pd.DataFrame:
        """Return a row for each term, with broom's columns."""
        names = {"Df": "df", "Sum Sq": "sumsq", "Mean Sq": "meansq", "F value": "statistic",
                 "Pr(>F)": "p_value", "Den Df": "df_den"}  # fmt: skip
        return self.table.rename(columns=names).rename_axis("term").reset_index()

    def glance(self) -> pd.DataFrame:
        """Return one row: the number of terms and of clusters."""
        n = len(self.table) - (self.n_clusters == 0)
        return one_row({"n_terms": n, "n_clusters": self.n_clusters})

    def lines(self) -> list[str]:
        """Return R's block."""
        squares = [name for name in ("Sum Sq", "Mean Sq") if name in self.table]
        table = coefficient_lines(
            self.table, 5, tests=["F value"], zap=squares, p_value="Pr(>F)", missing=""
        )
        how = f" (Wald tests by {self.by})" if self.n_clusters else ""
        return [f"Analysis of Variance Table{how}", "", f"Response: {self.response}", *table]

    def _caption(self) -> str:
        return f"Analysis of variance of {self.response}"

    def _draw(self, ax: drawing.Axes | None) -> drawing.Axes:
        """Draw F of each term."""
        ax = drawing.new_axes(ax)
        table = self.table[self.table["F value"].notna()]
        rows = np.arange(len(table))[::-1]
        ax.barh(rows, table["F value"], height=0.5, color="0.7")
        ax.set_yticks(rows, [str(name) for name in table.index])
        ax.set_xlabel("F")
        return ax


def sequential(
    response: str, names: list[str], ends: list[int], x: FloatArray, y: FloatArray
) -> AnovaTable:
    """Return sums of squares of terms, whose columns (n, p) go from one of `ends` to the next."""
    left = [float(y @ y) if end == 0 else _rss(x[:, :end], y) for end in ends]
    rest = len(y) - x.shape[1]
    df = [*np.diff(ends).tolist(), rest]
    squares = np.maximum([*(-np.diff(left)).tolist(), left[-1]], 0.0)
    mean = squares / df
    f = np.append(mean[:-1] / mean[-1], np.nan)
    p = np.append(stats.f.sf(f[:-1], df[:-1], rest), np.nan)
    columns = {"Df": df, "Sum Sq": squares, "Mean Sq": mean, "F value": f, "Pr(>F)": p}
    return AnovaTable(response, pd.DataFrame(columns, index=[*names, "Residuals"]))


def _rss(x: FloatArray, y: FloatArray) -> float:
    q, _ = np.linalg.qr(x)
    residual = y - q @ (q.T @ y)
    return float(residual @ residual)


def wald(
    response: str,
    names: list[str],
    ends: list[int],
    x: FloatArray,
    y: FloatArray,
    clusters: NDArray[np.int64],
    by: str,
) -> AnovaTable:
    """Return Wald's test of each term in the model of the terms up to it, by clusters (n,)."""
    n, rows = int(clusters.max()) + 1, []
    for first, end in pairwise(ends):
        b, _, residual = least_squares(x[:, :end], y)
        var, design = clustered(x[:, :end], residual, clusters)
        f, q, df = hotelling(b, var, design, np.arange(end) >= first)
        rows.append((q, df, f, float(stats.f.sf(f, q, df)) if df > 0 else np.nan))
    columns = ["Df", "Den Df", "F value", "Pr(>F)"]
    return AnovaTable(response, pd.DataFrame(rows, index=names, columns=columns), n, by)
