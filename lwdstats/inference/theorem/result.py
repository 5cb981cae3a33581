"""The result of `check_decay`."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lwdstats.errors import InputError
from lwdstats.inference.theorem.bands import verdict
from lwdstats.results.pictures import drawing
from lwdstats.results.printing import format_numbers, format_p
from lwdstats.results.result import Result, Summary, aligned, one_row

THEORIES = {"paper": "(1 - alpha)^k", "overlap": "overlap counted"}
_WIDTH = 88


@dataclass(frozen=True, eq=False)
class DecayCheck(Result):
    """A Monte Carlo check of how differences between models decay, from `check_decay`.

    ``str()`` gives the verdicts; `summary` adds the conditions and what was seen.

    Attributes
    ----------
    table : pandas.DataFrame
        A row for each time, pair and component: `time`, `model_i`, `model_j`,
        `component`, `estimate` (the mean difference over replicates),
        `std_error`, the simultaneous band `conf_low` to `conf_high`, `paper` and
        `overlap` (what the two theories say), and `exact_error`: the standard error
        by the exact second moment, without overlap and truncation.
    steps : pandas.DataFrame
        A row for each step: `time`, `n_retrieved`, `step_size`, `estimate` (the
        difference after over that before, as a slope across runs), `std_error`,
        `conf_low`, `conf_high` (simultaneous), `paper`, `overlap`.
    norms : pandas.DataFrame
        A row for each time: `time`, `sq_norm` (mean of ||D||_F^2), `std_error`,
        `exact` (without overlap and truncation).
    tests : pandas.DataFrame
        A row for each `quantity` ("mean difference", "step factor") and `theory`
        ("paper", "overlap"): `deviation` (where it is largest in standard errors,
        as a share) and its `time` (NaN: the mean over steps), `p_difference`,
        `p_equivalence`, `beyond` (a band lies outside the margin), `verdict`,
        `n_needed` (about how many replicates would decide).
    assumptions : pandas.DataFrame
        The conditions of the proof; columns `holds` and `seen`.
    truncations : pandas.DataFrame
        By time: `n_truncated`, `replicates`, `replicates_so_far`.
    start : (n, B) float64
        The initial weights of all replicates.
    drawn : bool
        Whether the start was drawn, as the specification has a random one.
    n_replicates : int
        R.
    margin : float
        What counts as agreement: a share of `scale`.
    scale : float
        The largest initial difference.
    level : float
        Of bands and verdicts.
    critical : float
        Standard errors on either side that the band of the mean difference has.
    engine : str
        What simulated.
    seed : int
        Of the bootstrap.
    """

    table: pd.DataFrame = field(repr=False)
    steps: pd.DataFrame = field(repr=False)
    norms: pd.DataFrame = field(repr=False)
    tests: pd.DataFrame
    assumptions: pd.DataFrame = field(repr=False)
    truncations: pd.DataFrame = field(repr=False)
    start: NDArray[np.float64] = field(repr=False)
    drawn: bool
    n_replicates: int
    margin: float
    scale: float
    level: float
    critical: float
    engine: str
    seed: int

    def verdict_on(self, theory: str = "paper") -> str:
        """Return what both quantities together say of a theory.

        Parameters
        ----------
        theory : {"paper", "overlap"}

        Returns
        -------
        str
            "agrees within the margin" where both quantities are shown to;
            otherwise "differs" where one is shown to differ, for which p is
            doubled, as there are two; otherwise "not decided".

        Raises
        ------
        InputError
            If there is no such theory.
        """
        if theory not in THEORIES:
            raise InputError("theory", theory, "'paper' or 'overlap'")
        return verdict(*self._p(theory), self.level)

    def _column(self, name: str, theory: str = "paper") -> NDArray[np.float64]:
        rows = (self.tests["theory"] == theory).to_numpy()
        return self.tests[name].to_numpy(dtype=float)[rows]

    def _p(self, theory: str) -> tuple[float, float]:
        """Return the p-values of both quantities together, of difference and of equivalence."""
        p = self._column("p_difference", theory)
        return min(1.0, len(p) * float(p.min())), float(self._column("p_equivalence", theory).max())

    @property
    def verdict(self) -> str:
        """What is found of the paper's factor: see `verdict_on`."""
        return self.verdict_on("paper")

    @property
    def overlap_verdict(self) -> str:
        """What is found of the factor with overlap counted: see `verdict_on`."""
        return self.verdict_on("overlap")

    @property
    def n_needed(self) -> int:
        """About how many replicates would decide on the paper's factor."""
        return int(self._column("n_needed").max())

    def tidy(self) -> pd.DataFrame:
        """Return the mean differences: see `table`."""
        return self.table.copy()

    def glance(self) -> pd.DataFrame:
        """Return one row: the verdicts, and what they rest on."""
        p_difference, p_equivalence = self._p("paper")
        row = {
            "verdict": self.verdict,
            "overlap_verdict": self.overlap_verdict,
            "p_difference": p_difference,
            "p_equivalence": p_equivalence,
            "margin": self.margin,
            "level": self.level,
            "n_replicates": self.n_replicates,
            "n_needed": self.n_needed,
            "n_truncated": int(self.truncations["n_truncated"].to_numpy().sum()),
            "conditions_hold": bool(self.assumptions["holds"].all()),
        }
        return one_row(row)

    def summary(self) -> Summary:
        """Return claim, conditions, what was seen and the verdict; ``str()`` lays them out."""
        conditions = self.assumptions.rename_axis("term").reset_index()
        caption = f"Conditions of the proof; verdict: {self.verdict}"
        return Summary(self, conditions, tuple(_summary_lines(self)), caption)

    def _draw(
        self,
        ax: drawing.Axes | None,
        pair: tuple[int, int] | None = None,
        component: int | None = None,
    ) -> drawing.Axes:
        """Draw the mean difference with its band beside what the theories say."""
        part = self._series(pair, component)
        ax = drawing.new_axes(ax)
        i, j, b = (int(part[c].iloc[0]) for c in ("model_i", "model_j", "component"))
        time = part["time"].to_numpy()
        low, high = part["conf_low"].to_numpy(), part["conf_high"].to_numpy()
        ax.fill_between(
            time, low, high, alpha=0.2, color=drawing.colour(0), label=f"{self.level:.0%} band"
        )
        ax.plot(
            time,
            part["estimate"],
            "o-",
            markersize=3,
            color=drawing.colour(0),
            label="simulated mean",
        )
        ax.plot(
            time, part["paper"], "--", color=drawing.colour(1), label=r"paper: $\prod(1-\alpha)^k$"
        )
        ax.plot(
            time,
            part["overlap"],
            ":",
            color=drawing.colour(2),
            linewidth=2,
            label="overlap counted",
        )
        exact = self.critical * part["exact_error"].to_numpy()
        for sign in (-1, 1):
            label = "band by the exact second moment" if sign > 0 else None
            ax.plot(time, part["paper"] + sign * exact, color="0.6", linewidth=0.8, label=label)
        ax.axhline(0.0, color="0.8", linewidth=0.8, zorder=0)
        ax.set(xlabel="time t", ylabel=rf"$E[\pi_{{{i},{b}}} - \pi_{{{j},{b}}}]$")
        drawing.title(ax, f"{self.n_replicates} runs from one start: {self.verdict}")
        drawing.legend(ax)
        return ax

    def _series(self, pair: Any, component: Any) -> pd.DataFrame:
        """Return the rows of one pair and component, by default of those farthest apart at 0."""
        columns = ("time", "model_i", "model_j", "component", "estimate")
        time, i, j, b, estimate = (self.table[name].to_numpy() for name in columns)
        kept = time == 0
        if pair is not None:
            wanted = np.ravel(pair)
            kept &= (i == wanted[0]) & (j == wanted[1]) if wanted.size == 2 else False
            if not kept.any():
                raise InputError("pair", pair, "two models i < j of the check")
        if component is not None:
            kept &= b == component
            if not kept.any():
                raise InputError("component", component, "a component of the check")
        first = int(np.where(kept, np.abs(estimate), -1.0).argmax())
        return self.table.loc[(i == i[first]) & (j == j[first]) & (b == b[first])]

    def _test_lines(self) -> list[str]:
        """Return the table of tests as it is printed."""
        shown = []
        for row in self.tests.to_dict("records"):
            at = "steps" if math.isnan(row["time"]) else f"t = {row['time']:.0f}"
            off = f"{100 * row['deviation']:+.1f}%"
            p = [format_p([row[name]], 3)[0] for name in ("p_difference", "p_equivalence")]
            shown += [(f"{row['quantity']}, {row['theory']}", off, at, *p, f" {row['verdict']}")]
        return aligned(("", "off by", "at", "p(differs)", "p(agrees)", ""), shown, left=(0, 5))

    def _verdict_lines(self) -> list[str]:
        return [
            f"{theory} ({name}): {self.verdict_on(theory)}{self._more(theory)}"
            for theory, name in THEORIES.items()
        ]

    def _more(self, theory: str) -> str:
        found = self.verdict_on(theory)
        count = int(self._column("n_needed", theory).max())
        if found == "not decided":
            return f"; about {count:,} replicates would do"
        if found == "differs":
            if self._column("beyond", theory).any():
                return ", by more than the margin"
            return "; by more than the margin or less is not decided"
        if self._p(theory)[0] <= 1 - self.level:
            return ", though a difference smaller than that is seen"
        return ""

    def _caption(self) -> str:
        return f"{self.n_replicates} replicates of one start; margin {self.margin:g}"

    def to_frame(self) -> pd.DataFrame:
        """Return the tests by quantity and theory."""
        frame = self.tests.drop(columns=["beyond"])
        frame.index = pd.Index(frame["quantity"] + ", " + frame["theory"])
        return frame.drop(columns=["quantity", "theory"])

    def lines(self) -> list[str]:
        """Return what was simulated, the tests and the verdicts."""
        n, n_b = self.start.shape
        return [
            "Check of the decay of E[pi_i - pi_j]",
            "",
            f"{n} models, {n_b} components, {self.n_replicates:,} replicates, "
            f"times 0 to {self.table['time'].iloc[-1]}; margin {100 * self.margin:g}%",
            "",
            *self._test_lines(),
            "",
            *self._verdict_lines(),
        ]


def _summary_lines(check: DecayCheck) -> list[str]:
    n, n_b = check.start.shape
    last = check.table["time"].iloc[-1]
    engine = "" if check.engine == "exact" else f" by the {check.engine} engine"
    held = "that was drawn once and is held: over random starts E[pi_i - pi_j] is 0 always."
    width = max(len(str(name)) for name in check.assumptions.index)
    conditions = [
        f"  {str(name).ljust(width)}  {'yes' if holds else 'NO '}  {seen}"
        for name, holds, seen in check.assumptions.itertuples()
    ]
    about = (
        f"Agreement is shown where every difference is within {100 * check.margin:g}% of the "
        f"largest initial one ({check.scale:.3g}), and so are the steps' factors on average. "
        "Where neither agreement nor a difference is shown, nothing is."
    )
    return [
        "Claim (Appendix A): E[pi_i - pi_j](t) = prod_{s<t} (1 - alpha_s)^k_s * that at 0",
        "",
        f"{check.n_replicates:,} independent runs{engine} of {n} models with {n_b} components, "
        f"{last} steps, from one start",
        *([held] if check.drawn else []),
        "",
        "Conditions of the proof",
        *conditions,
        "",
        f"Seen ({100 * check.level:g}%; simultaneous band of {check.critical:.2f} standard errors)",
        *check._test_lines(),
        "",
        *_norm_lines(check),
        "",
        *textwrap.wrap(about, _WIDTH),
        "",
        "Verdict",
        *check._verdict_lines(),
    ]


def _norm_lines(check: DecayCheck) -> list[str]:
    row = check.norms.iloc[-1]
    seen, error, exact = format_numbers([row["sq_norm"], row["std_error"], row["exact"]], 3)
    shown = (
        f"E||D||_F^2 at t = {row['time']:.0f}: {seen.strip()} (standard error {error.strip()})"
        f"; {exact.strip()} by the exact second moment (no overlap, no truncation)."
    )
    lines = textwrap.wrap(shown, _WIDTH)
    if not bool(check.assumptions.loc["alpha falls to 0", "holds"]):
        half = check.norms.iloc[len(check.norms) // 2]
        kept = np.float64(row["exact"] / half["exact"])
        lines += textwrap.wrap(
            f"alpha does not fall: from t = {half['time']:.0f} on the exact E||D||_F^2 keeps "
            f"{kept:.0%}. That the mean difference goes to 0 does not make ||D||_F do so.",
            _WIDTH,
        )
    return lines
