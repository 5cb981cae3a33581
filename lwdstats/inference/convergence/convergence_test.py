"""Does ||D||_F go to 0, or to a limit above it?"""

from __future__ import annotations

import math
from typing import Any

import numpy.typing as npt
import xarray as xr
from scipy.stats import t as student

from lwdstats.errors import InputError, check_choice, check_level
from lwdstats.inference.convergence.convergence_fit import convergence_fit
from lwdstats.inference.convergence.result import ConvergenceFit
from lwdstats.inference.convergence.scores import interval, noise, path_problem, score_test
from lwdstats.results.htest import HTest

# A power law that may fall by less than this share over a run is not told from a limit.
_LEAST_FALL = 0.2


def convergence_test(
    x: xr.Dataset | xr.DataArray | npt.ArrayLike,
    law: str = "power_floor",
    *,
    since: float = 0,
    square: bool | None = None,
    errors: str | None = None,
    debias: bool | None = None,
    embedding: str = "embedding",
    level: float = 0.95,
) -> HTest:
    """Test that ||D^(t)||_F goes to 0, against a limit c > 0.

    Parameters
    ----------
    x : xarray.Dataset, xarray.DataArray or array_like, shape (T,) or (T, R)
        As for `convergence_fit`.
    law : {"power_floor", "exponential"}
        ``c + a (t + 1)^-b`` or ``c + a exp(-rate t)``. The null hypothesis c =
        0 holds for the law: the curve of an exponential law with c = 0 is not
        that of a power law with c = 0, and the test of the one rejects the
        other.
    since : float
        The first time used.
    square : bool, optional
        As for `convergence_fit`: by default the law is of the squared norm
        where that had to be debiased, so that a finite number of answers does
        not look like a limit.
    errors : {"relative", "constant"}, optional
        As for `convergence_fit`.
    debias, embedding : bool, optional, and str
        As for `convergence_fit`.
    level : float
        Level of the one-sided interval of c, above .5.

    Returns
    -------
    HTest
        Score statistic, its p-value, the estimate of c and a lower bound for it.

    Raises
    ------
    InputError
        If an argument is not as above, the law with c = 0 cannot be fitted, or
        there is one path which allows no test (as it allows no interval, see
        `convergence_fit`).

    Notes
    -----
    The law is fitted with c = 0, and the test is whether the mean curve then
    calls for a larger c: t of the replicates' scores on R - 1 degrees of
    freedom. Replicates are independent; values over time inside one may depend
    on each other in any way. Of one path, noise is in proportion to the law and
    autoregressive of order 1.

    c = 0 is on the boundary of what a limit of norms can be. That spoils
    likelihood ratio and Wald tests, whose estimate of c piles up there, but not
    a score test, which needs the fit at c = 0 alone: nothing else is on a
    boundary, and t has its usual law.

    Measured at 5% on curves with the noise of Gaussian mixtures, it rejects .043
    to .055 where errors are "relative", over 5 replicates or more and on one path;
    "constant" errors make it conservative (.031 to .045 over 5 to 30 replicates).

    A p-value that is not small does not show that c is 0: read the interval of
    ``convergence_fit(x, law).confint("c")`` for how large it may be. Where the power b may be so
    small that (t + 1)^-b falls by less than a fifth over the times used, a limit and a slow power
    can't be told apart: a p above 1 - level is then no verdict, and the result's `note` says so,
    without an interval of c. Which scenario has which b is in ``docs/convergence.md``.

    R has no such test.

    References
    ----------
    Boos, D. D. (1992), The American Statistician 46, 327-333.
    Silvapulle, M. J. and Silvapulle, P. (1995), JASA 90, 342-349 (one-sided
    score tests).

    Examples
    --------
    >>> import lwdstats as lwd
    >>> ds = lwd.simulate_gmm(n_steps=100, replicates=20, seed=1)
    >>> test = convergence_test(ds, since=10)
    >>> test.p_value > 0.05
    True
    """
    check_choice("law", law, ("power_floor", "exponential"))
    check_level(level)
    if level <= 0.5:
        raise InputError("level", level, "a number in (0.5, 1)")
    how: dict[str, Any] = {"since": since, "square": square, "errors": errors, "debias": debias}
    fit = convergence_fit(x, law, **how, embedding=embedding, level=level)
    sample = fit.sample
    null = sample.fit({0: 0.0})
    if null.problem is not None:
        got = f"curves that do not fall as the law with c = 0 does ({null.problem})"
        raise InputError("x", got, "curves that fall: a limit is that of a decay")
    reason = path_problem(sample, null.theta, fit.time)
    if reason is not None:
        raise InputError("x", reason, "replicates, or a path that allows a test")
    t = score_test(sample, 0, 0.0, null.theta).t
    R = fit.nobs()
    basis = (
        f"score over {R} replicates, any autocorrelation within one"
        if R > 1
        else f"one path, AR(1) noise in proportion to the law ({noise(sample, null.theta)[0]:.2f})"
    )
    p_value = float(student.sf(t, sample.df))
    conf_int, estimate, note = None, None, None
    if law == "power_floor" and p_value > 1.0 - level:
        note = _no_verdict(fit, level)
    if fit.problem is None:
        estimate = {"c": fit.limit}
    if note is None and fit.no_interval is None:
        conf_int = interval(sample, fit.theta, 0, 2.0 * level - 1.0)[0], math.inf
    return HTest(
        statistic=t,
        parameter={"df": float(sample.df)},
        p_value=p_value,
        conf_int=conf_int,
        estimate=estimate,
        null_value={"limit c": 0.0},
        alternative="greater",
        method=f"Test of the limit of {sample.law.text} ({basis})",
        data_name=f"{fit.what}, {fit.extent()}",
        statistic_name="t",
        conf_level=float(level),
        note=note,
    )


def _no_verdict(fit: ConvergenceFit, level: float) -> str | None:
    """Return why a limit can't be told from a slow power law, where it can't."""
    low = 0.0 if fit.no_interval is not None else fit.confint("b", level).table.iloc[0, 0]
    span = float(fit.sample.s[-1] - fit.sample.s[0])
    if low * span >= -math.log1p(-_LEAST_FALL):
        return None
    return (
        f"No verdict on c: the power b may be as small as {low:.2g}, with which (t + 1)^-b would "
        "fall by less than a fifth over these times, so that a limit above 0 and a slow decay to "
        "0 can't be told apart. Longer runs, or more replicates, may tell."
    )
