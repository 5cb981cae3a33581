"""Mann and Kendall's test of trend for one path, with what it takes about autocorrelation."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from scipy.stats import t as student

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError, check_choice, check_integer, check_level
from lwdstats.inference.curves import curves
from lwdstats.inference.trend.kendall import (
    ar1_p,
    flipped_p,
    independent_p,
    kendall_many,
    sen_slope,
    tau_b,
)
from lwdstats.results.htest import HTest
from lwdstats.results.pictures import drawing
from lwdstats.results.printing import coefficient_lines, format_p
from lwdstats.results.result import Result, one_row
from lwdstats.streams import resolve_seed

NULLS = {
    "ar1": "no trend; AR(1) in time, on the normal scale",
    "none": "no trend; values independent",
}


@dataclass(frozen=True, eq=False)
class TrendTests(Result):
    """The tests of several replicates, each by itself.

    Attributes
    ----------
    tests : dict
        `HTest` by replicate.
    table : pandas.DataFrame
        One row a replicate; columns `statistic`, `tau`, `slope`, `p_value`.
    autocorrelation : str
        What the null hypothesis takes.
    alternative : str
        "two-sided", "less" or "greater".
    level : float
        Level of the interval of `together`.
    what : str
        What the curves are.
    time : numpy.ndarray, shape (T,)
        Times.
    values : numpy.ndarray, shape (T, R)
        The curves.
    """

    tests: dict[object, HTest]
    table: pd.DataFrame
    autocorrelation: str
    alternative: str
    level: float
    what: str
    time: FloatArray = field(repr=False)
    values: FloatArray = field(repr=False)

    @cached_property
    def together(self) -> HTest:
        """The test of all replicates: is their trend one way?

        The sum of S, each of which has either sign alike where there is no trend, whatever
        the autocorrelation within a replicate; exact. With 5 replicates or fewer p is above
        .05. The interval of the mean slope is that of t over replicates.
        """
        s, tau, slope = self.table[["statistic", "tau", "slope"]].to_numpy(dtype=float).T
        mean, tail = float(slope.mean()), 1.0 - self.level
        tail /= 2.0 if self.alternative == "two-sided" else 1.0
        half = float(student.isf(tail, len(s) - 1) * slope.std(ddof=1) / np.sqrt(len(s)))
        low = -np.inf if self.alternative == "less" else mean - half
        high = np.inf if self.alternative == "greater" else mean + half
        return HTest(
            statistic=float(s.sum()),
            parameter=None,
            p_value=flipped_p(s, self.alternative),
            conf_int=(low, high),
            estimate={"mean Theil-Sen slope": mean, "mean tau": float(np.mean(tau))},
            null_value={"sum of S": 0.0},
            alternative=self.alternative,
            method="Mann-Kendall test of one trend in independent replicates",
            data_name=f"{self.what}, {len(s)} replicates, {len(self.time)} times",
            statistic_name="sum of S",
            conf_level=self.level,
        )

    def tidy(self) -> pd.DataFrame:
        """Return one row a replicate: see `table`."""
        return self.table.copy()

    def glance(self) -> pd.DataFrame:
        """Return one row: replicates, times, how many fall and rise (by S), p of all together."""
        s = self.table["statistic"].to_numpy(dtype=float)
        row = {"n": len(s), "times": len(self.time)}
        row |= {"falling": int(np.sum(s < 0)), "rising": int(np.sum(s > 0))}
        row |= {"autocorrelation": self.autocorrelation, "alternative": self.alternative}
        row |= {"statistic": self.together.statistic, "p_value": self.together.p_value}
        return one_row(row)

    def lines(self) -> list[str]:
        """Return the null hypothesis, and a row for each replicate."""
        names = {"statistic": "S", "slope": "Theil-Sen slope", "p_value": "p-value"}
        shown = self.table.rename(columns=names)
        lines = ["", "\tMann-Kendall test of trend, by replicate", ""]
        lines += [f"data:  {self.what}, {len(self.time)} times"]
        lines += [f"Null hypothesis: {NULLS[self.autocorrelation]}", ""]
        lines += coefficient_lines(shown, p_value="p-value")
        (p,) = format_p([self.together.p_value], 4)
        told = f"sum of S = {self.together.statistic:g}, p-value {'' if '<' in p else '= '}{p}"
        return [*lines, "", f"All replicates together: {told}", ""]

    def _caption(self) -> str:
        return f"Null hypothesis: {NULLS[self.autocorrelation]}"

    def _draw(self, ax: drawing.Axes | None) -> drawing.Axes:
        """Draw the curves, each with its Theil-Sen line through the medians."""
        ax = drawing.new_axes(ax)
        looks = drawing.series(self.values.shape[1])
        middle = np.median(self.time)
        for j, (replicate, slope) in enumerate(self.table["slope"].items()):
            faint: dict[str, Any] = {**looks[j], "linewidth": 0.8, "alpha": 0.6}
            ax.plot(self.time, self.values[:, j], **faint)
            fitted = np.median(self.values[:, j]) + slope * (self.time - middle)
            ax.plot(self.time, fitted, label=f"{replicate}", **looks[j])
        ax.set(xlabel="time", ylabel=self.what)
        if 1 < len(looks) <= drawing.MOST_LOOKS:
            drawing.legend(ax, "replicate")
        return ax


def mann_kendall(
    x: xr.Dataset | xr.DataArray | npt.ArrayLike,
    *,
    autocorrelation: str = "ar1",
    alternative: str = "two-sided",
    level: float = 0.95,
    n_bootstrap: int = 999,
    debias: bool | None = None,
    embedding: str = "embedding",
    seed: int | str | None = None,
) -> HTest | TrendTests:
    """Test whether a path has a monotone trend.

    Parameters
    ----------
    x : xarray.Dataset, xarray.DataArray or array_like, shape (T,) or (T, R)
        Curves over time, tested one by one; a dataset stands for its ||D||_F.
    autocorrelation : {"ar1", "none"}
        What the null hypothesis takes the path to be, see below.
    alternative : {"two-sided", "less", "greater"}
        Any trend, a fall, or a rise.
    level : float
        Level of the slope's interval ("none", and replicates together), which is
        one-sided where `alternative` is.
    n_bootstrap : int
        Number of simulated paths ("ar1" only).
    debias, embedding : bool, optional, and str
        As of a dataset's `fnorm`; `debias` by default where it is made of two answers or more.
    seed : int or str, optional
        Seed of the simulated paths; drawn when None.

    Returns
    -------
    HTest or TrendTests
        Of one path: S, and as estimates the Theil-Sen slope, per unit of time, and
        tau-b. Of several replicates: a table of their tests, and `together`, the
        test of one trend in all, which takes nothing of autocorrelation.

    Raises
    ------
    InputError
        If an argument is not as above, or there are fewer than 4 times (8: "ar1").

    Notes
    -----
    ``S = sum over i < j of sign(x_j - x_i)``; tau-b is S over the untied pairs.

    "none"
        The values are independent. p is exact below 50 values without ties;
        otherwise normal, with the variance under ties and 1 taken from abs(S).
        **On an autocorrelated path this rejects far too often**: at AR(1) 0.6,
        three paths without a trend in ten.
    "ar1"
        Some increasing function of the path is a stationary Gaussian AR(1), phi >= 0.
        The statistic ``S / sqrt((1 + phi) / (1 - phi))``, phi being that of the
        normal scores about those of a perfect order (``docs/methods.md``), is compared
        with that of simulated AR(1) paths whose phi are drawn around that estimate:
        ``p = (number as extreme, + 1) / (n_bootstrap + 1)``.

    The slope's interval is Sen's, which holds under independence only, so "ar1"
    gives none. A constant path has S = 0, p = 1 on either side, and no tau-b and phi.

    At 5% "ar1" rejects .04 to .06 of paths without a trend from 40 times on. Of fewer,
    .01 to .07 up to AR(1) 0.5, but **up to .09 at AR(1) 0.7**, of which 8 to 20 times
    tell little. Power stands beside it, as do corrections that are not offered:
    ``benchmarks/validity/size_curves.md``.

    "none" is R's ``cor.test(time, x, method = "kendall", continuity = TRUE)``.

    References
    ----------
    Mann, H. B. (1945), Econometrica 13, 245-259.
    Kendall, M. G. (1975), Rank Correlation Methods, Griffin.
    Sen, P. K. (1968), Journal of the American Statistical Association 63, 1379-1389.

    Examples
    --------
    >>> test = mann_kendall([5.0, 3.0, 4.0, 1.0, 2.0, 0.5], autocorrelation="none")
    >>> test.statistic, round(test.p_value, 4)
    (-11.0, 0.0556)
    >>> paths = [[5.0, 1.0], [3.0, 1.5], [4.0, 0.5], [1.0, 2.0], [2.0, 1.7], [0.5, 2.5]]
    >>> mann_kendall(paths, autocorrelation="none").table["statistic"].tolist()
    [-11.0, 9.0]
    >>> print(str(test).splitlines()[5])
    S = -11, p-value = 0.05556
    """
    check_choice("autocorrelation", autocorrelation, tuple(NULLS))
    check_choice("alternative", alternative, ("two-sided", "less", "greater"))
    check_level(level)
    B = check_integer("n_bootstrap", n_bootstrap, minimum=1)
    root = resolve_seed(seed)
    curve = curves(x, debias=debias, embedding=embedding)
    n = len(curve.time)
    least = 8 if autocorrelation == "ar1" else 4
    if n < least:
        raise InputError("x", f"{n} times", f"{least} times or more")
    tests: dict[object, HTest] = {}
    rows = []
    paths = curve.values.T
    for j, (y, s) in enumerate(zip(paths, kendall_many(paths).tolist(), strict=True)):
        tau = tau_b(y)
        slope, interval = sen_slope(curve.time, y, level, alternative)
        if autocorrelation == "none":
            p, parameter = independent_p(y, s, alternative), None
        else:
            stream = np.random.SeedSequence(root, spawn_key=(j,))
            p, phi = ar1_p(y, alternative, B, np.random.Generator(np.random.SFC64(stream)))
            # The interval holds under independence only.
            parameter, interval = {"AR(1)": phi}, None
        rows.append((s, tau, slope, p))
        tests[curve.replicates[j]] = HTest(
            statistic=s,
            parameter=parameter,
            p_value=p,
            conf_int=interval,
            estimate={"Theil-Sen slope": slope, "tau": tau},
            null_value={"S": 0.0},
            alternative=alternative,
            method=f"Mann-Kendall test of trend (null hypothesis: {NULLS[autocorrelation]})",
            data_name=f"{curve.what}, {n} times",
            statistic_name="S",
            conf_level=float(level),
        )
    if len(tests) == 1:
        return next(iter(tests.values()))
    table = pd.DataFrame(
        rows,
        index=pd.Index(curve.replicates, name="replicate"),
        columns=["statistic", "tau", "slope", "p_value"],
    )
    return TrendTests(
        tests,
        table,
        autocorrelation,
        alternative,
        float(level),
        curve.what,
        curve.time,
        curve.values,
    )
