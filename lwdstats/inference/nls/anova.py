"""Comparison of nested fits by F tests."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.special import fdtrc

from lwdstats.errors import InputError
from lwdstats.inference.nls.problem import Fit
from lwdstats.results.pictures import drawing
from lwdstats.results.printing import coefficient_lines
from lwdstats.results.result import Result, one_row


@dataclass(frozen=True, eq=False)
class Anova(Result):
    """Comparison of nested fits; ``str()`` gives R's block.

    Attributes
    ----------
    table : pandas.DataFrame
        A row for each fit: ``Res.Df``, ``Res.Sum Sq``, and against the one
        before ``Df``, ``Sum Sq``, ``F value``, ``Pr(>F)``.
    formulas : tuple of str
        The models.
    """

    table: pd.DataFrame
    formulas: tuple[str, ...]

    def lines(self) -> list[str]:
        """Return R's block."""
        models = [f"Model {i}: {text}" for i, text in enumerate(self.formulas, start=1)]
        table = coefficient_lines(
            self.table,
            5,
            tests=["F value"],
            zap=["Res.Sum Sq", "Sum Sq"],
            p_value="Pr(>F)",
            missing="",
        )
        return ["Analysis of Variance Table", "", *models, *table]

    def tidy(self) -> pd.DataFrame:
        """Return a row for each fit, with broom's columns."""
        columns = ["df_residual", "rss", "df", "sumsq", "statistic", "p_value"]
        frame = self.table.set_axis(columns, axis="columns").reset_index(drop=True)
        frame.insert(0, "term", list(self.formulas))
        return frame

    def glance(self) -> pd.DataFrame:
        """Return one row about the comparison."""
        return one_row({"n_models": len(self.formulas)})

    def _caption(self) -> str:
        return "Analysis of Variance Table"

    def _draw(self, ax: drawing.Axes | None) -> drawing.Axes:
        """Draw what each model leaves unexplained."""
        ax = drawing.new_axes(ax)
        rows = np.arange(len(self.formulas))[::-1]
        ax.barh(rows, self.table["Res.Sum Sq"], height=0.5, color="0.7")
        ax.set_yticks(rows, self.formulas)
        ax.set_xlabel("residual sum of squares")
        return ax


def anova(*fits: Fit) -> Anova:
    """Compare nested fits by F tests, each against the one before it.

    Parameters
    ----------
    *fits : NLSFit
        Two or more fits of the same response, each nested in the next, or the next
        in it.

    Returns
    -------
    Anova

    Raises
    ------
    InputError
        If one is no fit by least squares, the responses or weights differ, a fit
        did not converge, or the one
        with more parameters fits worse (so the two are not nested).

    Notes
    -----
    Follows R's ``anova.nls``, which drops models of another response with a
    warning, and gives a negative F where the larger model fits worse. The F test
    asks for independent errors, and for the smaller model to lie inside the
    larger: for a parameter on the boundary of what it may be, it does not hold.

    Examples
    --------
    >>> from lwdstats.inference.nls.nls import nls
    >>> data = {"x": [1, 2, 3, 4, 5, 6], "y": [2.1, 3.8, 6.3, 7.7, 10.2, 11.7]}
    >>> line = nls("y ~ b x", data, {"b": 1})
    >>> print(anova(line, nls("y ~ a + b x", data, {"a": 0, "b": 1})))
    Analysis of Variance Table
    <BLANKLINE>
    Model 1: y ~ b x
    Model 2: y ~ a + b x
      Res.Df Res.Sum Sq Df   Sum Sq F value Pr(>F)
    1      5    0.33846
    2      4    0.32533  1 0.013128  0.1614 0.7084
    """
    if len(fits) < 2:
        raise InputError("fits", f"{len(fits)} fit", "two or more fits")
    first = fits[0]
    for fit in fits:
        if not isinstance(fit, Fit):
            raise InputError("fits", f"a {type(fit).__name__}", "fits by least squares")
        if not fit.converged:
            raise InputError("fits", f"one that ended: {fit.convergence.value}", "minima")
        if not np.array_equal(fit.response, first.response):
            raise InputError("fits", f"fits of {first.formula} and {fit.formula}", "one response")
        if not np.array_equal(fit.all_weights, first.all_weights):
            raise InputError("fits", "fits of different weights", "the same weights")
    df = np.array([fit.df_residual() for fit in fits])
    rss = np.array([fit.deviance() for fit in fits])
    gained, less = -np.diff(df), -np.diff(rss)
    # Of each two neighbours, the model of more parameters tells the variance.
    larger = np.where(gained > 0, np.arange(1, len(fits)), np.arange(len(fits) - 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(gained == 0, np.nan, less / gained)
        ratio = np.maximum(0.0, mean / (rss[larger] / df[larger]))
    worse = mean < -1e-8 * rss[larger]
    for (before, fit), bad in zip(pairwise(fits), worse, strict=True):
        if bad:
            takes = "nested fits: the one with more parameters cannot fit worse"
            raise InputError("fits", f"{before.formula} and {fit.formula}", takes)
    f = np.where(rss[larger] > 0, ratio, np.nan)
    table = pd.DataFrame({"Res.Df": df.astype(float), "Res.Sum Sq": rss})
    columns = {"Df": gained.astype(float), "Sum Sq": np.where(gained == 0, 0.0, less)}
    columns |= {"F value": f, "Pr(>F)": fdtrc(np.abs(gained), df[larger], f)}
    for name, column in columns.items():
        table[name] = np.append(np.nan, column)
    return Anova(table.set_axis(range(1, len(fits) + 1)), tuple(str(fit.formula) for fit in fits))
