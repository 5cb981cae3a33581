"""The summary of a check of decay, in print."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from lwdstats.inference.theorem.result import DecayCheck
from lwdstats.results.printing import PrintsTable, format_numbers

_WIDTH = 88


@dataclass(frozen=True, eq=False)
class DecaySummary(PrintsTable):
    """The summary of a `DecayCheck`: claim, conditions, what was seen, verdict.

    Attributes
    ----------
    check : DecayCheck
    """

    check: DecayCheck = field(repr=False)

    def _heading(self) -> str:
        return f"Conditions of the proof; verdict: {self.check.verdict}"

    def _frame(self) -> pd.DataFrame:
        return self.check.assumptions

    def __str__(self) -> str:
        check = self.check
        n, n_b = check.start.shape
        last = check.table["time"].iloc[-1]
        engine = "" if check.engine == "exact" else f" by the {check.engine} engine"
        lines = ["Claim (Appendix A): E[pi_i - pi_j](t) = prod_{s<t} (1 - alpha_s)^k_s * that at 0"]
        lines += [
            "",
            f"{check.n_replicates:,} independent runs{engine} of {n} models with {n_b} components, "
            f"{last} steps, from one start",
        ]
        if check.drawn:
            lines += [
                "that was drawn once and is held: over random starts E[pi_i - pi_j] is 0 always."
            ]
        lines += ["", "Conditions of the proof", *self._conditions(), ""]
        level = f"{100 * check.level:g}%"
        lines += [
            f"Seen ({level}; simultaneous band of {check.critical:.2f} standard errors)",
            *check.lines()[: len(check.tests) + 1],
            "",
            *self._norm(),
            "",
        ]
        about = (
            f"Agreement is shown where every difference is within {100 * check.margin:g}% of the "
            f"largest initial one ({check.scale:.3g}), and so are the steps' factors on average. "
            "Where neither agreement nor a difference is shown, nothing is."
        )
        lines += [*textwrap.wrap(about, _WIDTH), "", "Verdict"]
        lines += check.lines()[len(check.tests) + 2 :]
        return "\n".join(lines)

    def _conditions(self) -> list[str]:
        table = self.check.assumptions
        width = max(len(str(name)) for name in table.index)
        lines = []
        for name, holds, seen in table.itertuples():
            lines += [f"  {str(name).ljust(width)}  {'yes' if holds else 'NO '}  {seen}"]
        return lines

    def _norm(self) -> list[str]:
        row = self.check.norms.iloc[-1]
        seen, error, exact = format_numbers([row["sq_norm"], row["std_error"], row["exact"]], 3)
        shown = (
            f"E||D||_F^2 at t = {row['time']:.0f}: {seen.strip()} (standard error {error.strip()})"
            f"; {exact.strip()} by the exact second moment (no overlap, no truncation)."
        )
        lines = textwrap.wrap(shown, _WIDTH)
        if not bool(self.check.assumptions.loc["alpha falls to 0", "holds"]):
            half = self.check.norms.iloc[len(self.check.norms) // 2]
            kept = np.float64(row["exact"] / half["exact"])
            lines += textwrap.wrap(
                f"alpha does not fall: from t = {half['time']:.0f} on the exact E||D||_F^2 keeps "
                f"{kept:.0%}. That the mean difference goes to 0 does not make ||D||_F do so.",
                _WIDTH,
            )
        return lines
