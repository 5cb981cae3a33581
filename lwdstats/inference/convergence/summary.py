"""The summary of a law of decay, in print."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from lwdstats.inference.convergence.result import ConvergenceFit
from lwdstats.inference.convergence.scores import noise
from lwdstats.results.printing import PrintsTable, coefficient_lines


@dataclass(frozen=True, eq=False)
class ConvergenceSummary(PrintsTable):
    """The summary of a `ConvergenceFit`.

    Attributes
    ----------
    fit : ConvergenceFit
    coefficients : pandas.DataFrame
        What `tidy` of the fit gives.
    """

    fit: ConvergenceFit = field(repr=False)
    coefficients: pd.DataFrame

    def _heading(self) -> str:
        return f"{self.fit.what}, {self.fit.extent()}; law {self.fit.law.text}"

    def _frame(self) -> pd.DataFrame:
        return self.coefficients.set_index("term")

    def __str__(self) -> str:
        fit = self.fit
        tails = [f"{100 * v:.3g} %" for v in ((1 - fit.level) / 2, (1 + fit.level) / 2)]
        table = pd.DataFrame(
            self.coefficients.iloc[:, 1:].to_numpy(),
            index=[*fit.law.parameters, "half-life"],
            columns=["Estimate", "Std. Error", *tails],
        )
        lines = [*fit.head(), "", "Parameters:"]
        lines += coefficient_lines(table, 4, missing="")
        lines += ["", *self._basis()]
        name = "QIC" if fit.nobs() > 1 else "AIC"
        heads = {"aic": name, "later_error": "later error"}
        columns = ["df", "aic", "delta", "weight", "limit", "later_error"]
        compared = pd.DataFrame({heads.get(c, c): fit.laws[c] for c in columns})
        lines += ["", "Laws compared:", *coefficient_lines(compared, 4, missing="")]
        problems = zip(fit.laws.index, fit.laws["problem"].tolist(), strict=True)
        lines += [f"{law}: {why}" for law, why in problems if why]
        errors = fit.laws["later_error"].to_numpy()
        if np.isfinite(errors).any():
            best = str(fit.laws.index[np.nanargmin(errors)])
            if best != fit.law.name:
                lines += [f"Later times are best predicted by the law '{best}'."]
        return "\n".join(lines)

    def _basis(self) -> list[str]:
        fit = self.fit
        if fit.no_interval is not None:
            return [f"No intervals: {fit.no_interval}."]
        if fit.nobs() > 1:
            degrees = "degree" if fit.sample.df == 1 else "degrees"
            return [
                f"Intervals: t of the replicates' scores on {fit.sample.df} {degrees} of freedom;",
                "replicates independent, any autocorrelation over time within one.",
            ]
        phi = noise(fit.sample, fit.theta)[0]
        return [
            "Intervals are for the law of this path alone, not of such networks; they take",
            f"noise in proportion to the law, autoregressive of order 1 (estimate {phi:.2f}).",
        ]
