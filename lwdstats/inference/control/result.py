"""What `control_chart` returns: alarms by replicate and statistic, and their print."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from lwdstats.results.pictures import drawing
from lwdstats.results.printing import format_numbers, format_p
from lwdstats.results.result import Result, aligned, one_row

NAMES = {"shewhart": "Shewhart", "ewma": "EWMA", "cusum": "CUSUM"}


@dataclass(frozen=True, eq=False)
class ControlChart(Result):
    """The result of `control_chart`.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a replicate and statistic: `alarm`, the time of the first one, NaN where there
        is none; `n_alarms`; `largest` of what is charted, and its `limit`; `p_value` of the
        largest (over all statistics; NaN where the mean run is what was asked for); `ar1`, the
        autocorrelation taken out; `sigma`, the standard deviation of what is left.
    values : pandas.DataFrame
        One row a time of each: `value`, `fitted` by the baseline, `score`, what is charted `up`
        and `down`, and whether it is an `alarm`.
    chart : str
        "shewhart", "ewma" or "cusum".
    detrend : str
        "none", "linear" or "power".
    autocorrelation : str
        "ar1" or "none".
    scores : str
        "normal" or "rank".
    false_alarm : float or None
        Probability of an alarm in a replicate if nothing changes.
    arl : float or None
        Mean number of steps to an alarm if nothing changes.
    n_baseline : int
        Number of times of the baseline.
    since, until : float
        Its first and last time.
    weight, reference : float
        Of the newest score in "ewma"; what "cusum" takes off.
    n_simulations : int
        Charts simulated for each limit.
    seed : int
        What repeats them.
    logs : tuple of str
        The statistics that are charted on the log scale.
    notes : tuple of str
        What of the baseline's noise is not as limits take it to be.
    """

    table: pd.DataFrame
    values: pd.DataFrame = field(repr=False)
    chart: str
    detrend: str
    autocorrelation: str
    scores: str
    false_alarm: float | None
    arl: float | None
    n_baseline: int
    since: float
    until: float
    weight: float
    reference: float
    n_simulations: int
    seed: int
    logs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Return the baseline, what a false alarm costs, and a row for each chart."""
        own = {"ewma": f" of weight {self.weight:g}", "cusum": f" of reference {self.reference:g}"}
        lines = ["", f"\t{NAMES[self.chart]} control chart{own.get(self.chart, '')}", ""]
        lines += [f"Baseline: {self.n_baseline} times, {self.since:g} to {self.until:g}"]
        taken = {"none": "its level", "linear": "its line", "power": "its power law of time"}
        left = ", less their AR(1)" if self.autocorrelation == "ar1" else ""
        kind = "ranks" if self.scores == "rank" else "scores"
        lines += [f"Charted: {kind} of what is off {taken[self.detrend]}{left}"]
        if self.logs and self.detrend != "power":
            lines += [f"On the log scale: {', '.join(self.logs)}"]
        if self.arl is not None:
            lines += [f"Mean run to a false alarm: {self.arl:g} steps"]
        else:
            lines += [f"Probability of a false alarm: {self.false_alarm:g} a replicate"]
        lines += [f"Limits: {self.n_simulations} simulated charts, baselines estimated anew", ""]
        t = self.table
        shown = {"replicate": [str(v) for v in t["replicate"]], "statistic": list(t["statistic"])}
        shown["first alarm"] = ["none" if np.isnan(v) else f"{v:g}" for v in t["alarm"]]
        shown["alarms"] = [str(v) for v in t["n_alarms"]]
        shown |= {name: format_numbers(t[name], 4) for name in ("largest", "limit")}
        if self.arl is None:
            shown["p-value"] = format_p(t["p_value"], 3)
        if self.autocorrelation == "ar1":
            shown["AR(1)"] = format_numbers(t["ar1"], 2)
        lines += [*aligned(list(shown), list(zip(*shown.values(), strict=True))), ""]
        for note in self.notes:
            lines += [*textwrap.wrap(f"Note: {note}.", 88, subsequent_indent="      "), ""]
        return lines

    def tidy(self) -> pd.DataFrame:
        """Return a row for each replicate and statistic: see `table`."""
        return self.table.copy()

    def glance(self) -> pd.DataFrame:
        """Return one row: how many charts there are, and how many gave an alarm."""
        row = {"chart": self.chart, "n_charts": len(self.table)}
        row |= {"n_alarmed": int(np.isfinite(self.table["alarm"].to_numpy()).sum())}
        row |= {"first_alarm": self.table["alarm"].min(), "n_baseline": self.n_baseline}
        return one_row(row | {"false_alarm": self.false_alarm, "arl": self.arl})

    def augment(self) -> pd.DataFrame:
        """Return a row for each time of each chart: see `values`."""
        return self.values.copy()

    def to_frame(self) -> pd.DataFrame:
        """Return the table by statistic and replicate."""
        keys = zip(self.table["statistic"], self.table["replicate"], strict=True)
        frame = self.table.drop(columns=["statistic", "replicate"])
        return frame.set_axis([f"{name}, replicate {r}" for name, r in keys])

    def _caption(self) -> str:
        return f"{NAMES[self.chart]} control chart, baseline {self.since:g} to {self.until:g}"

    def _draw(self, ax: drawing.Axes | None) -> drawing.Axes:
        """Draw what is charted over its limit, so that all limits are at -1 and 1."""
        ax = drawing.new_axes(ax)
        looks = drawing.series(len(self.table))
        for look, row in zip(looks, self.table.to_dict("records"), strict=True):
            own = self.values["replicate"] == row["replicate"]
            part = self.values[own & (self.values["statistic"] == row["statistic"])]
            name = f"{row['statistic']}, replicate {row['replicate']}"
            above = part["up"] / row["limit"]
            ax.plot(part["time"], above, label=name, **look)
            if self.chart == "cusum":
                ax.plot(part["time"], -part["down"] / row["limit"], **look)
            alarms = part[part["alarm"]]
            high = np.where(alarms["up"] >= alarms["down"], alarms["up"], -alarms["down"])
            ax.plot(alarms["time"], high / row["limit"], "o", color=look["color"], markersize=4)
        for side in (-1.0, 1.0):
            ax.axhline(side, color=drawing.GREY, linestyle="--")
        ax.axvspan(self.since, self.until, color=drawing.GREY, alpha=0.15, linewidth=0)
        drawing.name_time(ax)
        ax.set_ylabel(f"{NAMES[self.chart]} / limit")
        if len(looks) <= drawing.MOST_LOOKS:
            drawing.legend(ax)
        return ax
