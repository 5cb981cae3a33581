"""When does a network collapse: the first time from which ||D||_F stays below a threshold."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError, check_level, is_number
from lwdstats.inference.curves import curves
from lwdstats.inference.survival.kaplan_meier import (
    ESTIMATE,
    kaplan_meier,
    quantile_of,
    read_probabilities,
)
from lwdstats.results.confint import ConfInt, confidence_intervals
from lwdstats.results.pictures import drawing
from lwdstats.results.printing import format_numbers
from lwdstats.results.result import Result, aligned, one_row


@dataclass(frozen=True, eq=False)
class CollapseTime(Result):
    """The result of `collapse_time`.

    Attributes
    ----------
    times : pandas.DataFrame
        One row a replicate; columns `time` and `collapsed`: False where the curve
        was not below the threshold at the last time, which `time` then is.
    survival : pandas.DataFrame
        The Kaplan-Meier curve, one row a time; columns as broom's for ``survfit``:
        `time`, `n_risk`, `n_event`, `n_censor`, `estimate` (the share that has not
        collapsed by then), `std_error` (of its logarithm, as R's), `conf_high`,
        `conf_low`.
    median : float
        Median time; NaN where fewer than half have collapsed.
    conf_int : tuple of float
        Its interval; NaN on a side that the data leave open.
    threshold : float
        What the norm has to stay below.
    level : float
        Level of the intervals.
    last : float
        The last time that was recorded.
    what : str
        What the curves are.
    """

    times: pd.DataFrame
    survival: pd.DataFrame
    median: float
    conf_int: tuple[float, float]
    threshold: float
    level: float
    last: float
    what: str = field(repr=False)

    @property
    def n(self) -> int:
        """Number of replicates."""
        return len(self.times)

    @property
    def events(self) -> int:
        """Number of replicates that collapsed."""
        return int(np.count_nonzero(self.times["collapsed"]))

    def quantile(self, probs: float | npt.ArrayLike = (0.25, 0.5, 0.75)) -> pd.DataFrame:
        """Return quantiles of the collapse time with their intervals.

        Parameters
        ----------
        probs : float or array_like
            Shares of replicates that have collapsed, between 0 and 1.

        Returns
        -------
        pandas.DataFrame
            One row a probability; columns `prob`, `estimate`, `conf_low`,
            `conf_high`, NaN where the data do not reach.

        Raises
        ------
        InputError
            If a probability is not between 0 and 1.
        """
        rows = [(p, *quantile_of(self.survival, p)) for p in read_probabilities(probs)]
        return pd.DataFrame(rows, columns=["prob", *ESTIMATE])

    def confint(self, level: float | None = None) -> ConfInt:
        """Return the confidence interval of the median time.

        Parameters
        ----------
        level : float, optional
            Confidence level; that of the result by default.

        Returns
        -------
        ConfInt
            Of one row, "median"; NaN on a side that the data leave open.

        Raises
        ------
        InputError
            If `level` is not between 0 and 1.
        """
        level = self.level if level is None else level
        check_level(level)
        time, collapsed = (self.times[c].to_numpy() for c in ("time", "collapsed"))
        row = quantile_of(kaplan_meier(time, collapsed, float(level)), 0.5)[1:]
        return confidence_intervals(["median"], [row], level, "Kaplan-Meier")

    def tidy(self) -> pd.DataFrame:
        """Return the Kaplan-Meier curve: see `survival`."""
        return self.survival.copy()

    def glance(self) -> pd.DataFrame:
        """Return one row: replicates, events, the median with its interval, the last time."""
        row = {"n": self.n, "events": self.events, "median": self.median}
        row["conf_low"], row["conf_high"] = self.conf_int
        return one_row(row | {"last": self.last})

    def lines(self) -> list[str]:
        """Return the row that R prints of a ``survfit``, and what to know of it."""
        title = f"Collapse time: {self.what} below {self.threshold:g} for good"
        names = ["n", "events", "median", f"{self.level:g}LCL", f"{self.level:g}UCL"]
        cells = [str(self.n), str(self.events)]
        for value in (self.median, *self.conf_int):
            cells += ["NA"] if math.isnan(value) else format_numbers(value)
        lines = [title, "", *aligned(names, [cells])]
        notes = [f"'For good' means to the last recorded time, {self.last:g}."]
        if self.events < self.n:
            notes += [f"{self.n - self.events} not below it then: censored at {self.last:g}."]
        if not self.events:
            notes += [f"No replicate has collapsed by {self.last:g}: there is no estimate."]
        elif self.n == 1:
            notes += ["One replicate does not tell how times vary: there is no interval."]
        elif math.isnan(self.median):
            notes += ["Fewer than half have collapsed: the median is not reached."]
        return [*lines, "", *notes]

    def to_frame(self) -> pd.DataFrame:
        """Return the Kaplan-Meier curve by time."""
        names = pd.Index([f"time {v:g}" for v in self.survival["time"]])
        return self.survival.drop(columns="time").set_axis(names, axis=0)

    def _caption(self) -> str:
        return f"Share of replicates whose {self.what} has not stayed below {self.threshold:g}"

    def _draw(self, ax: drawing.Axes | None) -> drawing.Axes:
        """Draw the share of replicates that have not collapsed, with its pointwise interval."""
        ax = drawing.new_axes(ax)
        curve = self.survival[["time", *ESTIMATE]].to_numpy(dtype=float)
        time, share, low, high = np.insert(curve, 0, (0.0, 1.0, 1.0, 1.0), axis=0).T
        (line,) = ax.step(time, share, where="post")
        ax.fill_between(time, low, high, step="post", alpha=0.2, color=line.get_color())
        if self.events < self.n:
            ax.plot(self.last, share[-1], "+", color=line.get_color(), label="not collapsed")
        ax.set(xlabel="time", ylabel="share not collapsed", ylim=(0.0, 1.02))
        return ax


def collapse_time(
    x: xr.Dataset | xr.DataArray | npt.ArrayLike,
    threshold: float,
    *,
    debias: bool | None = None,
    embedding: str = "embedding",
    level: float = 0.95,
) -> CollapseTime:
    """Estimate when ||D||_F falls below a threshold for good.

    Parameters
    ----------
    x : xarray.Dataset, xarray.DataArray or array_like, shape (T,) or (T, R)
        Curves over time, one a replicate; a dataset stands for its ||D||_F.
    threshold : float
        In the units of the norm.
    debias, embedding : bool, optional, and str
        As of a dataset's `fnorm`; `debias` by default where it is made of two answers or more.
    level : float
        Level of the intervals.

    Returns
    -------
    CollapseTime
        Times, the Kaplan-Meier curve, the median and other quantiles.

    Raises
    ------
    InputError
        If an argument is not as above, or `x` holds NaN.

    Notes
    -----
    A replicate's time is the first recorded one from which its norm is below
    `threshold` up to the last recorded time T, however soon that comes: a curve
    that would rise again after T counts as collapsed, and a fall just before T
    weighs as much as an early one. A replicate that is not below at T is
    censored there. Replicates have to be independent; times within one need not
    be, as they give a single number.

    As every replicate is recorded to the same T, the Kaplan-Meier curve is one
    minus the empirical distribution of the times up to T. Its pointwise interval
    is on the log(-log) scale with Greenwood's variance, and the interval of a
    quantile (Brookmeyer and Crowley) holds the times whose interval contains it.
    With few replicates it is open on the right (NaN). It is conservative: times
    are whole steps, and on networks of Gaussian mixtures 95% intervals of the median
    covered it in 95 to 99% of sets of 10, 20 or 50 replicates
    (``benchmarks/validity/size_curves.md``).

    Follows R's ``survival::survfit(Surv(time, collapsed) ~ 1, conf.type =
    "log-log")`` and its ``print``. Where the curve is flat at exactly the
    probability asked for, a quantile is the middle of the flat part if the curve
    falls afterwards, and its beginning if not, as R prints the median (R's
    ``quantile`` takes the middle there too). A pointwise limit may rise a little at
    early times; a quantile's limit is the first time that reaches the probability
    (R's ``quantile`` may take a later one). Where the curve is 0 or 1 its interval
    is NaN, as in R.

    References
    ----------
    Kaplan, E. L. and Meier, P. (1958), Journal of the American Statistical
    Association 53, 457-481.
    Brookmeyer, R. and Crowley, J. (1982), Biometrics 38, 29-41.
    Therneau, T., R package survival, ``survfit``.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> ds = lwd.simulate_gmm(n_steps=100, replicates=20, seed=1)
    >>> when = collapse_time(ds, 0.2)
    >>> when.n, when.events
    (20, 20)
    >>> list(when.quantile(0.9).columns)
    ['prob', 'estimate', 'conf_low', 'conf_high']
    """
    if not is_number(threshold) or not math.isfinite(threshold):
        raise InputError("threshold", threshold, "a finite number, in the units of the norm")
    check_level(level)
    curve = curves(x, debias=debias, embedding=embedding)
    time, collapsed = first_for_good(curve.time, curve.values, float(threshold))
    survival = kaplan_meier(time, collapsed, float(level))
    index = pd.Index(curve.replicates, name="replicate")
    median, low, high = quantile_of(survival, 0.5)
    return CollapseTime(
        times=pd.DataFrame({"time": time, "collapsed": collapsed}, index=index),
        survival=survival,
        median=median,
        conf_int=(low, high),
        threshold=float(threshold),
        level=float(level),
        last=float(curve.time[-1]),
        what=curve.what,
    )


def first_for_good(
    time: FloatArray, values: FloatArray, threshold: float
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Return when each column of values (T, R) stays below from, (R,), and whether it does."""
    above = values >= threshold
    end = len(time) - 1
    # The last value that is not below; where there is none, argmax is 0, too.
    last = np.where(above.any(axis=0), end - np.argmax(above[::-1], axis=0), -1)
    return time[np.minimum(last + 1, end)], ~above[end]
