"""Tables and printed blocks of `nls` fits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from lwdstats.inference.nls.problem import Fit
from lwdstats.inference.nls.solver import FitStatus
from lwdstats.results.printing import coefficient_lines, format_numbers, named_lines
from lwdstats.results.result import Result

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
    convergence : FitStatus
    n_iter : int
    offset : float
    n_omitted : int
    """

    formula: str
    coefficients: pd.DataFrame
    sigma: float
    df: tuple[int, int]
    convergence: FitStatus
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
        return [*lines, "", *_convergence_lines(self)]

    def to_frame(self) -> pd.DataFrame:
        """Return the table of coefficients, with R's heads."""
        return self.coefficients

    def _caption(self) -> str:
        return self.formula


def print_fit(fit: Fit) -> list[str]:
    """Return R's print of a fit."""
    weighted = "weighted " if fit.weights is not None and np.ptp(fit.weights) > 0 else ""
    return [
        "Nonlinear regression model",
        f"  model: {fit.formula}",
        "   data: data",
        *named_lines(fit.parameters, fit.estimate, _DIGITS),
        f" {weighted}residual sum-of-squares: {format_numbers(fit.rss, _DIGITS)[0]}",
        "",
        *_convergence_lines(fit),
    ]


def _convergence_lines(fit: Fit | NLSSummary) -> list[str]:
    done = fit.convergence is FitStatus.CONVERGED
    lines = [
        f"Number of iterations {'to convergence' if done else 'till stop'}: {fit.n_iter}",
        f"Achieved convergence tolerance: {format_numbers(fit.offset, _DIGITS)[0]}",
    ]
    if not done:
        lines += [f"Reason stopped: {fit.convergence.value}"]
    if n := fit.n_omitted:
        lines += [f"  ({n} observation{'s' * (n > 1)} deleted due to missingness)"]
    return lines
