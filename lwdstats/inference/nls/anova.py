"""Comparison of nested fits by F tests."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from scipy.special import fdtrc

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError
from lwdstats.inference.nls.solver import FitStatus
from lwdstats.results import drawing
from lwdstats.results.printing import coefficient_lines
from lwdstats.results.result import Result, one_row

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@runtime_checkable
class LeastSquaresFit(Protocol):
    """What `anova` asks of a fit.

    A sum of squares alone can be compared with any other; that the fits are of one
    response with one set of weights is what makes an F test of their difference.
    """

    @property
    def formula(self) -> Any:
        """The model, for print."""
        ...

    @property
    def response(self) -> FloatArray:
        """What was fitted, (n,)."""
        ...

    @property
    def weights(self) -> FloatArray | None:
        """Weights of the squares, (n,), if there are any."""
        ...

    @property
    def convergence(self) -> FitStatus:
        """How the fit ended."""
        ...

    def deviance(self) -> float:
        """Return the (weighted) residual sum of squares."""
        ...

    def df_residual(self) -> int:
        """Return the residual degrees of freedom."""
        ...


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

    def to_frame(self) -> pd.DataFrame:
        """Return the table, with R's heads."""
        return self.table

    def _caption(self) -> str:
        return "Analysis of Variance Table"

    def _draw(self, ax: Axes | None) -> Axes:
        """Draw what each model leaves unexplained."""
        ax = drawing.new_axes(ax)
        rows = np.arange(len(self.formulas))[::-1]
        ax.barh(rows, self.table["Res.Sum Sq"], height=0.5, color="0.7")
        ax.set_yticks(rows, self.formulas)
        ax.set_xlabel("residual sum of squares")
        return ax


def anova(*fits: LeastSquaresFit) -> Anova:
    """Compare nested fits by F tests, each against the one before it.

    Parameters
    ----------
    *fits : LeastSquaresFit
        Two or more fits of the same response, such as those of `nls`, each nested
        in the next, or the next in it.

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
        if not isinstance(fit, LeastSquaresFit):
            raise InputError("fits", f"a {type(fit).__name__}", "fits by least squares")
        if fit.convergence is not FitStatus.CONVERGED:
            raise InputError("fits", f"one that ended: {fit.convergence.value}", "minima")
        if not np.array_equal(fit.response, first.response):
            raise InputError("fits", f"fits of {first.formula} and {fit.formula}", "one response")
        if not np.array_equal(_weights(fit), _weights(first)):
            raise InputError("fits", "fits of different weights", "the same weights")
    rows = []
    for i, fit in enumerate(fits):
        df, rss = fit.df_residual(), fit.deviance()
        row = [float(df), rss, math.nan, math.nan, math.nan, math.nan]
        if i > 0:
            before = fits[i - 1]
            gained, less = before.df_residual() - df, before.deviance() - rss
            row[2:4] = [float(gained), less if gained else 0.0]
            if gained:
                larger = fit if gained > 0 else before
                if less / gained < -1e-8 * larger.deviance():
                    takes = "nested fits: the one with more parameters cannot fit worse"
                    raise InputError("fits", f"{before.formula} and {fit.formula}", takes)
                variance = larger.deviance() / larger.df_residual()
                f = max(0.0, less / gained / variance) if variance > 0 else math.nan
                row[4:] = [f, float(fdtrc(abs(gained), larger.df_residual(), f))]
        rows.append(row)
    heads = ["Res.Df", "Res.Sum Sq", "Df", "Sum Sq", "F value", "Pr(>F)"]
    table = pd.DataFrame(rows, index=range(1, len(fits) + 1), columns=heads)
    return Anova(table, tuple(str(fit.formula) for fit in fits))


def _weights(fit: LeastSquaresFit) -> FloatArray:
    return np.ones(len(fit.response)) if fit.weights is None else fit.weights
