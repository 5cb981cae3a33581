"""Kaplan-Meier curves of groups."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from lwdstats.errors import check_choice, check_level
from lwdstats.inference.rows import Runs, rows_of
from lwdstats.inference.survival.data import read_survival
from lwdstats.inference.survival.kaplan_meier import (
    ESTIMATE,
    SCALES,
    kaplan_meier,
    quantile_of,
    read_probabilities,
)
from lwdstats.results.pictures import drawing
from lwdstats.results.printing import format_numbers
from lwdstats.results.result import Result, aligned, one_row


@dataclass(frozen=True, eq=False)
class SurvFit(Result):
    """Kaplan-Meier curves, by `survfit`.

    Attributes
    ----------
    formula : str
        What was asked for.
    curves : pandas.DataFrame
        A row for each time of each group; columns as broom's: `strata` (the group), `time`,
        `n_risk`, `n_event`, `n_censor`, `estimate`, `std_error` (of its logarithm),
        `conf_high`, `conf_low`.
    table : pandas.DataFrame
        A row for each group: `n`, `events`, `median` with `conf_low` and `conf_high`, NaN
        where data leave it open.
    level : float
        Of the intervals.
    conf_type : str
        On which scale they are symmetric.
    """

    formula: str
    curves: pd.DataFrame
    table: pd.DataFrame
    level: float
    conf_type: str

    def quantile(self, probs: float | npt.ArrayLike = (0.25, 0.5, 0.75)) -> pd.DataFrame:
        """Return quantiles of the times, a row for each group and probability.

        Parameters
        ----------
        probs : float or array_like
            Shares that have had the event, between 0 and 1.

        Returns
        -------
        pandas.DataFrame
            Columns `strata`, `prob`, `estimate`, `conf_low`, `conf_high`.

        Raises
        ------
        InputError
            If a probability is not between 0 and 1.
        """
        rows = [
            (name, p, *quantile_of(curve, p))
            for name, curve in self.curves.groupby("strata", sort=False)
            for p in read_probabilities(probs)
        ]
        return pd.DataFrame(rows, columns=["strata", "prob", *ESTIMATE])

    def tidy(self) -> pd.DataFrame:
        """Return the curves: see `curves`."""
        return self.curves.copy()

    def glance(self) -> pd.DataFrame:
        """Return one row: groups, rows and events."""
        n, events = self.table[["n", "events"]].to_numpy().sum(0).tolist()
        return one_row({"n_groups": len(self.table), "n": n, "events": events})

    def lines(self) -> list[str]:
        """Return what R prints of a ``survfit``."""
        head = ["n", "events", "median", f"{self.level:g}LCL", f"{self.level:g}UCL"]
        columns = [self.table[name].tolist() for name in ("median", "conf_low", "conf_high")]
        texts = [
            ["NA" if math.isnan(v) else cell.strip() for v, cell in zip(c, cells, strict=True)]
            for c, cells in zip(columns, map(format_numbers, columns), strict=True)
        ]
        counts = [self.table[name].astype(str).tolist() for name in ("n", "events")]
        names = [str(name) for name in self.table.index]
        rows = list(zip(names, *counts, *texts, strict=True))
        return [f"Survival curves: {self.formula}", "", *aligned(["", *head], rows, left=[0])]

    def _caption(self) -> str:
        return f"Survival curves: {self.formula}"

    def _draw(self, ax: drawing.Axes | None) -> drawing.Axes:
        """Draw the curves with their pointwise intervals; a cross where times are censored."""
        ax = drawing.new_axes(ax)
        # Dashes too: curves of groups without an event lie on each other.
        looks = drawing.series(len(self.table))
        groups = self.curves.groupby("strata", sort=False)
        for (name, curve), look in zip(groups, looks, strict=True):
            values = curve[["time", *ESTIMATE]].to_numpy(dtype=float)
            time, share, low, high = np.insert(values, 0, (0.0, 1.0, 1.0, 1.0), axis=0).T
            (line,) = ax.step(time, share, where="post", label=str(name) or None, **look)
            ax.fill_between(time, low, high, step="post", alpha=0.15, color=line.get_color())
            lost = curve["n_censor"].to_numpy() > 0
            ax.plot(time[1:][lost], share[1:][lost], "+", color=line.get_color())
        ax.set(xlabel="time", ylabel="share without the event", ylim=(0.0, 1.02))
        if len(self.table) > 1:
            ax.legend()
        return ax


def survfit(
    formula: str, data: pd.DataFrame | Runs, *, level: float = 0.95, conf_type: str = "log"
) -> SurvFit:
    """Estimate the share that is still without an event over time, for each group.

    Parameters
    ----------
    formula : str
        ``Surv(time, event) ~ groups``, or ``~ 1`` for one curve. Times are right-censored
        where `event` is False, 0, or 1 beside 2.
    data : pandas.DataFrame or Sweep
        A row for each time.
    level : float
        Level of the intervals.
    conf_type : {"log", "log-log", "plain"}
        The scale on which pointwise intervals are symmetric. The first is R's default; the
        second keeps its level best in small groups.

    Returns
    -------
    SurvFit
        Curves, medians and other quantiles.

    Raises
    ------
    InputError
        If an argument is not as above, or data have missing values.

    Notes
    -----
    As R's ``survival::survfit``; its standard errors are of the cumulative hazard, which for
    a Kaplan-Meier curve are those of the logarithm.

    References
    ----------
    Kaplan, E. L. and Meier, P. (1958), Journal of the American Statistical Association 53.
    Therneau, T., R package survival, ``survfit``.

    Examples
    --------
    >>> data = pd.DataFrame({"time": [9, 13, 18, 23, 28], "event": [1, 1, 0, 1, 0],
    ...                      "keep": ["all", "last", "all", "last", "last"]})
    >>> print(survfit("Surv(time, event) ~ keep", data))
    Survival curves: Surv(time, event) ~ keep
    <BLANKLINE>
              n events median 0.95LCL 0.95UCL
    keep=all  2      1      9       9      NA
    keep=last 3      2     23      13      NA
    """
    check_level(level)
    check_choice("conf_type", conf_type, SCALES)
    given = read_survival(formula, rows_of(data)[0], least=0)
    names, codes = given.groups()
    parts, rows = [], []
    for place, name in enumerate(names):
        own = codes == place
        curve = kaplan_meier(given.time[own], given.event[own], float(level), conf_type)
        parts.append(curve.assign(strata=name))
        rows.append((int(own.sum()), int(given.event[own].sum()), *quantile_of(curve, 0.5)))
    curves = pd.concat(parts, ignore_index=True)
    curves.insert(0, "strata", curves.pop("strata"))
    columns = ["n", "events", "median", "conf_low", "conf_high"]
    table = pd.DataFrame(rows, index=pd.Index(names, name="strata"), columns=columns)
    return SurvFit(formula, curves, table, float(level), conf_type)
