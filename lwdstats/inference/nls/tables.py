"""Tables and printed blocks of `nls` fits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from lwdstats.inference.nls.problem import Problem
from lwdstats.inference.nls.solver import FitStatus, Solution
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
        lines += ["", *_convergence_lines(self.convergence, self.n_iter, self.offset)]
        return lines + _omitted(self.n_omitted)

    def to_frame(self) -> pd.DataFrame:
        """Return the table of coefficients, with R's heads."""
        return self.coefficients

    def _caption(self) -> str:
        return self.formula


def print_fit(problem: Problem, solution: Solution, n_omitted: int) -> list[str]:
    """Return R's print of a fit."""
    w = problem.weights
    weighted = "weighted " if w is not None and np.ptp(w) > 0 else ""
    rss = format_numbers(solution.rss, _DIGITS)[0]
    return [
        "Nonlinear regression model",
        f"  model: {problem.formula}",
        "   data: data",
        *named_lines(problem.parameters, solution.estimate, _DIGITS),
        f" {weighted}residual sum-of-squares: {rss}",
        "",
        *_convergence_lines(solution.status, solution.n_iter, solution.offset),
        *_omitted(n_omitted),
    ]


def _convergence_lines(status: FitStatus, n_iter: int, offset: float) -> list[str]:
    done = status is FitStatus.CONVERGED
    reached = format_numbers(offset, _DIGITS)[0]
    return [
        f"Number of iterations {'to convergence' if done else 'till stop'}: {n_iter}",
        f"Achieved convergence tolerance: {reached}",
        *([] if done else [f"Reason stopped: {status.value}"]),
    ]


def _omitted(n: int) -> list[str]:
    if n == 0:
        return []
    return [f"  ({n} observation{'s' * (n > 1)} deleted due to missingness)"]
