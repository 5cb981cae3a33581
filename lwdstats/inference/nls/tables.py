"""Tables and printed blocks of `nls` fits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lwdstats.errors import InputError
from lwdstats.inference.nls.solver import Convergence
from lwdstats.results import drawing
from lwdstats.results.printing import coefficient_lines, format_numbers, named_lines
from lwdstats.results.result import Result, one_row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from lwdstats.inference.nls.result import NLSFit

_DIGITS = 4


@dataclass(frozen=True, eq=False)
class NLSSummary(Result):
    """Coefficients of a fit with t tests; ``str()`` gives R's block.

    Attributes
    ----------
    formula : str
    coefficients : pandas.DataFrame
        A row for each parameter; columns ``Estimate``, ``Std. Error``,
        ``t value`` and ``Pr(>|t|)``.
    sigma : float
        Residual standard error.
    df : tuple of int
        Number of parameters, and residual degrees of freedom.
    convergence : Convergence
    n_iter : int
    offset : float
    n_omitted : int
    """

    formula: str
    coefficients: pd.DataFrame
    sigma: float
    df: tuple[int, int]
    convergence: Convergence
    n_iter: int
    offset: float
    n_omitted: int

    def tidy(self) -> pd.DataFrame:
        """Return a row for each parameter, with broom's columns."""
        columns = ["estimate", "std_error", "statistic", "p_value"]
        frame = self.coefficients.set_axis(columns, axis="columns")
        return frame.rename_axis("term").reset_index()

    def lines(self) -> list[str]:
        """Return R's block."""
        table = coefficient_lines(
            self.coefficients,
            _DIGITS,
            estimates=["Estimate", "Std. Error"],
            tests=["t value"],
            p_value="Pr(>|t|)",
            missing="NaN",
        )
        sigma = format_numbers(float(f"{self.sigma:.{_DIGITS - 1}e}"))[0]
        lines = [f"Formula: {self.formula}", "", "Parameters:", *table, ""]
        lines.append(f"Residual standard error: {sigma} on {self.df[1]} degrees of freedom")
        lines += ["", *_convergence_lines(self.convergence, self.n_iter, self.offset)]
        return lines + _omitted(self.n_omitted)

    def to_frame(self) -> pd.DataFrame:
        """Return the table of coefficients, with R's heads."""
        return self.coefficients

    def _caption(self) -> str:
        return self.formula


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


def print_fit(fit: NLSFit) -> list[str]:
    """Return R's print of a fit."""
    weighted = "weighted " if fit.weights is not None and np.ptp(fit.weights) > 0 else ""
    rss = format_numbers(fit.rss, _DIGITS)[0]
    return [
        "Nonlinear regression model",
        f"  model: {fit.formula}",
        "   data: data",
        *named_lines(fit.parameters, fit.estimate, _DIGITS),
        f" {weighted}residual sum-of-squares: {rss}",
        "",
        *_convergence_lines(fit.convergence, fit.n_iter, fit.offset),
        *_omitted(fit.n_omitted),
    ]


def _convergence_lines(convergence: Convergence, n_iter: int, offset: float) -> list[str]:
    done = convergence is Convergence.CONVERGED
    reached = format_numbers(offset, _DIGITS)[0]
    return [
        f"Number of iterations {'to convergence' if done else 'till stop'}: {n_iter}",
        f"Achieved convergence tolerance: {reached}",
        *([] if done else [f"Reason stopped: {convergence.value}"]),
    ]


def _omitted(n: int) -> list[str]:
    if n == 0:
        return []
    return [f"  ({n} observation{'s' * (n > 1)} deleted due to missingness)"]


def summary(fit: NLSFit) -> NLSSummary:
    """Return the table of coefficients with t tests."""
    from scipy.special import stdtr

    se, df = fit.standard_errors, fit.df_residual()
    with np.errstate(divide="ignore", invalid="ignore"):
        t = fit.estimate / se
    frame = pd.DataFrame(
        {
            "Estimate": fit.estimate,
            "Std. Error": se,
            "t value": t,
            "Pr(>|t|)": 2.0 * stdtr(df, -np.abs(t)),
        },
        index=list(fit.parameters),
    )
    return NLSSummary(
        str(fit.formula),
        frame,
        fit.sigma,
        (len(fit.parameters), df),
        fit.convergence,
        fit.n_iter,
        fit.offset,
        fit.n_omitted,
    )


def anova(*fits: NLSFit) -> Anova:
    """Compare nested fits by F tests, each against the one before it.

    Parameters
    ----------
    *fits : NLSFit
        Two or more fits of the same response, each nested in the next, or the
        next in it.

    Returns
    -------
    Anova

    Raises
    ------
    InputError
        If the responses or weights differ, a fit did not converge, or the one
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
    from scipy.special import fdtrc

    if len(fits) < 2:
        raise InputError("fits", f"{len(fits)} fit", "two or more fits")
    first = fits[0]
    for fit in fits:
        if not fit.converged:
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
                f = max(0.0, less / gained / larger.sigma**2) if larger.sigma > 0 else math.nan
                row[4:] = [f, float(fdtrc(abs(gained), larger.df_residual(), f))]
        rows.append(row)
    heads = ["Res.Df", "Res.Sum Sq", "Df", "Sum Sq", "F value", "Pr(>F)"]
    table = pd.DataFrame(rows, index=range(1, len(fits) + 1), columns=heads)
    return Anova(table, tuple(str(fit.formula) for fit in fits))


def _weights(fit: NLSFit) -> np.ndarray:
    return np.ones(len(fit.response)) if fit.weights is None else fit.weights


def tidy(fit: NLSFit, conf_int: bool, conf_level: float) -> pd.DataFrame:
    """Return a row for each parameter, with broom's columns."""
    frame = summary(fit).tidy()
    if conf_int:
        frame[["conf_low", "conf_high"]] = np.asarray(fit.confint(level=conf_level))
    return frame


def glance(fit: NLSFit) -> pd.DataFrame:
    """Return one row about the fit, with broom's columns."""
    row = {"sigma": fit.sigma, "is_conv": fit.converged, "fin_tol": fit.offset}
    row |= {"log_lik": fit.logLik(), "aic": fit.AIC(), "bic": fit.BIC()}
    row |= {"deviance": fit.deviance(), "df_residual": fit.df_residual(), "nobs": fit.nobs()}
    return one_row(row)


def augment(fit: NLSFit) -> pd.DataFrame:
    """Return the data of the fit with columns ``.fitted`` and ``.resid``."""
    n = len(fit.response)
    frame = pd.DataFrame({name: np.broadcast_to(v, (n,)) for name, v in fit.variables.items()})
    frame[".fitted"], frame[".resid"] = fit.fitted(), fit.residuals()
    return frame
