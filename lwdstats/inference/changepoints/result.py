"""What `changepoints` returns: changes by replicate, and their print."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from lwdstats.arrays import FloatArray
from lwdstats.inference.laws import EXPONENTIAL, POWER_FLOOR
from lwdstats.results.pictures import drawing
from lwdstats.results.printing import format_numbers, format_p
from lwdstats.results.result import Result, aligned

# Both with a limit, as a path of a finite number of answers has one.
LAWS = {"power": POWER_FLOOR, "exponential": EXPONENTIAL}
# Smallest and largest phi of the noise for which the share of false alarms is as stated: what
# benchmarks/validity/size_curves.md has measured.
AR1 = (-0.5, 0.9)


@dataclass(frozen=True, eq=False)
class ChangePoints(Result):
    """The result of `changepoints`.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a change; columns `replicate`, `time` (the first time after it),
        `before` and `after` (the curve's level at that time without and with the
        change) and `ratio`, after over before.
    paths : pandas.DataFrame
        One row a replicate; columns `n_changes`, `statistic` (of the largest
        change), `penalty`, `p_value` (NaN where the path could not be tested),
        `ar1` (phi of the noise beside changes), `ar1_null` (phi of the noise if there are none,
        with which the penalty is simulated), `n_replaced` (values not above 0) and `note`.
    law : str
        "power" or "exponential".
    since : float
        First time used.
    false_alarm : float
        The probability that a path under the null hypothesis gets one or more.
    min_size : int
        The shortest stretch between changes, in recorded times.
    n_bootstrap : int
        Number of simulated paths behind each penalty.
    seed : int
        What repeats them.
    what : str
        What the curves are.
    time : numpy.ndarray, shape (T,)
        Times.
    values : numpy.ndarray, shape (T, R)
        The curves.
    fitted : numpy.ndarray, shape (T, R)
        The law with the changes found; NaN before `since` and where a path could not be tested.
    """

    table: pd.DataFrame
    paths: pd.DataFrame
    law: str
    since: float
    false_alarm: float
    min_size: int
    n_bootstrap: int
    seed: int
    what: str
    time: FloatArray = field(repr=False)
    values: FloatArray = field(repr=False)
    fitted: FloatArray = field(repr=False)

    def lines(self) -> list[str]:
        """Return the null hypothesis, a row for each replicate, and the changes."""
        n, r = self.values.shape
        lines = ["", "\tSudden changes beside a smooth decay", ""]
        lines += [f"data:  {self.what}, {n} times, {r} replicate{'s' * (r > 1)}"]
        lines += [f"Null hypothesis, by replicate: from time {self.since:g} on a smooth decay"]
        law, (low, high) = LAWS[self.law].text, AR1
        if self.law == "power" and np.median(np.diff(self.time)) != 1.0:
            law += ", t in recorded steps"
        lines += [f"{law}, with noise in proportion to the curve that is AR(1) from"]
        lines += [f"one recorded time to the next, phi of {low:g} to {high:g}"]
        lines += [f"Probability of a false alarm: {self.false_alarm:g} a replicate"]
        lines += [f"Bootstrap paths: {self.n_bootstrap}, stretches of {self.min_size} or more", ""]
        tested = self.paths.dropna(subset=["p_value"])
        if len(tested):
            lines += _path_lines(tested)
        for replicate, note in self.paths["note"].items():
            lines += [f"replicate {replicate}: not tested, {note}"] * bool(note)
        if self.table.empty:
            lines += ["", "No change found"] if len(tested) else []
        else:
            columns = {"replicate": [str(v) for v in self.table["replicate"]]}
            columns |= {"time": [f"{v:g}" for v in self.table["time"]]}
            columns |= {c: format_numbers(self.table[c], 4) for c in ("before", "after", "ratio")}
            lines += ["", "Changes (levels at that time, without and with the change):"]
            lines += _columns(columns)
            lines += ["A curve of another shape than the law can look like a change."]
        return [*lines, ""]

    def tidy(self) -> pd.DataFrame:
        """Return the changes, one row each: see `table`."""
        return self.table.copy()

    def glance(self) -> pd.DataFrame:
        """Return one row about each replicate: see `paths`."""
        return self.paths.copy()

    def to_frame(self) -> pd.DataFrame:
        """Return the changes by replicate, or where there are none the replicates."""
        frame = self.table.set_index("replicate") if len(self.table) else self.paths
        names = pd.Index([f"replicate {v}" for v in frame.index])
        return frame.set_axis(names, axis=0)

    def _caption(self) -> str:
        decay = f"smooth decay {LAWS[self.law].text} from time {self.since:g} on"
        return f"Null hypothesis: {decay}, AR(1) relative noise"

    def _draw(self, ax: drawing.Axes | None) -> drawing.Axes:
        """Draw the curves, the fitted levels, and a line at each change."""
        ax = drawing.new_axes(ax)
        looks = drawing.series(self.values.shape[1])
        for j, replicate in enumerate(self.paths.index):
            faint: dict[str, Any] = {**looks[j], "linewidth": 0.8, "alpha": 0.6}
            ax.plot(self.time, self.values[:, j], **faint)
            ax.plot(self.time, self.fitted[:, j], label=f"{replicate}", **looks[j])
            for at in self.table.loc[self.table["replicate"] == replicate, "time"]:
                ax.axvline(at, color=looks[j]["color"], linestyle=":")
        ax.set(xlabel="time", ylabel=self.what)
        if 1 < len(looks) <= drawing.MOST_LOOKS:
            drawing.legend(ax, "replicate")
        return ax


def _path_lines(paths: pd.DataFrame) -> list[str]:
    columns = {"replicate": [str(v) for v in paths.index]}
    columns["changes"] = [str(v) for v in paths["n_changes"]]
    columns["statistic"] = format_numbers(paths["statistic"], 4)
    columns["penalty"] = format_numbers(paths["penalty"], 4)
    columns["p-value"] = format_p(paths["p_value"], 3)
    columns["AR(1)"] = format_numbers(paths["ar1"], 2)
    return _columns(columns)


def _columns(columns: dict[str, list[str]]) -> list[str]:
    return aligned(list(columns), list(zip(*columns.values(), strict=True)))
