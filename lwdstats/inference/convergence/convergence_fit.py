"""Does ||D||_F settle: to what, at what rate, and by which law?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from lwdstats.errors import InputError, check_choice, check_level
from lwdstats.inference.convergence import choice as law_choice
from lwdstats.inference.convergence.minimise import Family, Minimum
from lwdstats.inference.convergence.result import ConvergenceFit
from lwdstats.inference.convergence.scores import Sample
from lwdstats.inference.curves import Curves, curves, since_time
from lwdstats.inference.laws import LAWS

_MINIMUM_TIMES = 6


def convergence_fit(
    x: xr.Dataset | xr.DataArray | npt.ArrayLike,
    law: str = "auto",
    *,
    since: float = 0,
    square: bool | None = None,
    errors: str | None = None,
    level: float = 0.95,
) -> ConvergenceFit:
    """Fit a law of decay to ||D^(t)||_F over replicates: its limit, rate and half-life.

    Parameters
    ----------
    x : xarray.Dataset, xarray.DataArray or array_like, shape (T,) or (T, R)
        A dataset of either simulation, what `fnorm` gives of it, or curves, one
        column a replicate.
    law : {"auto", "exponential", "power", "power_floor"}
        ``c + a exp(-rate t)``, ``a (t + 1)^-b`` or ``c + a (t + 1)^-b``. "auto"
        takes that of the smallest AIC.
    since : float
        The first time fitted. Early steps, when little has been read, follow no
        law of the later ones.
    square : bool, optional
        Whether the law is of the square of the norm. By default it is where
        `x` is a dataset whose positions are mean answers: those are debiased
        (see `fnorm`), and only their square is without bias. With one answer a
        model and time that can't be done: give ``fnorm(ds)``.
    errors : {"relative", "constant"}, optional
        Whether the law is fitted by the gamma deviance, which weights errors in
        proportion to the law, or by least squares. By default "relative" where
        values are positive and not debiased squares.
    level : float
        Level of the intervals shown.

    Returns
    -------
    ConvergenceFit
        Print it, or its `summary`; `confint`, `predict`, `tidy` and the other
        generics work on it.

    Raises
    ------
    InputError
        If an argument is not as above, there are fewer than 6 times, or the
        curves do not change.

    Notes
    -----
    **What is estimated.** The law is fitted to the mean curve over replicates.
    Where no parameter makes the mean of such networks follow the law, the
    estimand is the law's best fit to that mean curve, over the times and with
    the errors chosen, and the intervals are for that. c is not held above 0: an
    estimate below says that it is near 0, or that the law does not hold beyond
    the times fitted.

    **Intervals over replicates** (2 or more) take replicates as independent and
    nothing about time: noise may be autocorrelated in any way, shrink or grow.
    An interval holds the values that the t statistic of the replicates' scores
    does not reject, on R - 1 degrees of freedom. So it does not depend on how
    the law is written (that of the half-life is that of the rate), and an end
    may be open.

    Where the law is true they cover what they say, measured from 5 replicates on.
    Two kinds cover more, so are wider than they need be: those of an
    exponential's limit and amplitude where the mean follows a power law (.97 to
    .98 for 95%), and those of amplitude and rate of debiased squares whose noise
    drowns what is left of the curve (.984 to .999, at L = 20).

    **One path** tells nothing of how networks differ. Its interval is for the
    law of this very path: given where its web settles. It takes noise in
    proportion to the law, autoregressive of order 1 over equal time steps. It
    is not given where there are fewer than 50 times, the autocorrelation is
    above .8, steps are unequal, or errors are "constant" (values that reach 0
    do not have noise in proportion). A block bootstrap of the path, which takes
    no model of the noise, was measured too, and covers too seldom to be
    offered.

    **Laws are compared** by AIC, over replicates in the form of Pan's QIC, as
    values of one replicate are not independent, and by the error with which
    each law, fitted to the first two thirds of the times, predicts the
    mean curve over the last third. Intervals are for the law as chosen; they do
    not know that it was chosen.

    For Gaussian mixtures that are well separated E ||D||_F^2 falls like 1/t, so
    that a power law of ||D||_F, with b = 1/2 in the long run, is to be expected,
    and an exponential finds a limit above 0 where there is none.

    R has no such function: ``nls`` with ``SSasymp`` fits the curve, with
    intervals for independent errors.

    References
    ----------
    Liang, K.-Y. and Zeger, S. L. (1986), Biometrika 73, 13-22.
    Boos, D. D. (1992), The American Statistician 46, 327-333 (score tests from
    sandwich variances).
    Pan, W. (2001), Biometrics 57, 120-125.
    Burnham, K. P. and Anderson, D. R. (2002), Model Selection and Multimodel
    Inference, sections 2.3 and 2.9.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> ds = lwd.simulate_gmm(n_steps=100, replicates=20, seed=1)
    >>> fit = convergence_fit(ds, since=10)
    >>> fit.law.name
    'power'
    >>> low, high = fit.confint("b")["b"]
    >>> bool(low < 0.5 < high)
    True
    >>> print(fit.summary().lines()[1])
    Law: a (t + 1)^-b (power, by QIC)
    """
    law = check_choice("law", law, ("auto", *LAWS))
    check_level(level)
    curve, family = prepare(x, since=since, square=square, errors=errors)
    mean = curve.values.mean(axis=1)
    fits = {}
    for name, candidate in LAWS.items():
        clock = np.asarray(candidate.clock(curve.time), dtype=float)
        sample = Sample(candidate, clock, curve.values, mean, family)
        fits[name] = sample, sample.fit()
    table = _compare(fits)
    name = law
    if law == "auto":
        known = table["aic"].to_numpy()
        name = str(table.index[np.nanargmin(known)]) if np.isfinite(known).any() else "power"
    sample, minimum = fits[name]
    return ConvergenceFit(
        sample=sample,
        time=curve.time,
        theta=minimum.theta,
        problem=minimum.problem,
        chosen=law == "auto",
        laws=table,
        level=float(level),
        what=curve.what,
        replicates=curve.replicates,
    )


def prepare(
    x: xr.Dataset | xr.DataArray | npt.ArrayLike,
    *,
    since: float,
    square: bool | None,
    errors: str | None,
) -> tuple[Curves, Family]:
    """Return the curves to fit and what to minimise, or raise InputError."""
    if square is not None and not isinstance(square, bool):
        raise InputError("square", square, "True, False or None")
    if errors is not None:
        check_choice("errors", errors, ("relative", "constant"))
    curve = since_time(curves(x, square=square), since, _MINIMUM_TIMES)
    if curve.time[0] < 0:
        raise InputError("x: time", curve.time[0], "times from 0 on")
    _, first = np.unique(curve.values, axis=1, return_index=True)
    copies = sorted(set(range(curve.values.shape[1])) - set(first.tolist()))
    if copies:
        got = f"replicate {curve.replicates[copies[0]]!r}, which is the same as another"
        raise InputError("x", got, "independent replicates: a copy tells nothing more")
    mean = curve.values.mean(axis=1)
    if np.ptp(mean) <= 1e-12 * np.abs(mean).max():
        raise InputError(
            "x", f"a mean curve that is {mean[0]:.4g} at all times", "one that changes"
        )
    positive = bool((curve.values > 0).all())
    if errors == "relative" and not positive:
        raise InputError("errors", errors, "'constant', as some values are not above 0")
    if errors is None:
        errors = "relative" if positive and "debiased" not in curve.what else "constant"
    return curve, Family.RELATIVE if errors == "relative" else Family.SQUARES


def _compare(fits: dict[str, tuple[Sample, Minimum]]) -> pd.DataFrame:
    """Return a row for each law: see `ConvergenceFit`."""
    good = {name: fit for name, fit in fits.items() if fit[1].problem is None}
    # Laws are compared at one dispersion, that of the best.
    scale = min((law_choice.dispersion(s, m.theta) for s, m in good.values()), default=1.0)
    rows = []
    for name, (sample, minimum) in fits.items():
        row = dict.fromkeys(("df", "aic", "limit", "rate", "later_error"), np.nan)
        if name in good:
            row["aic"], row["df"] = law_choice.criterion(sample, minimum.theta, scale)
            row["limit"] = float(minimum.theta[0])
            row["rate"] = float(np.exp(minimum.theta[2]))
            row["later_error"] = law_choice.later_error(sample)
        rows.append(row)
    table = pd.DataFrame(rows, index=list(fits))
    table.insert(2, "delta", table["aic"] - table["aic"].min())
    table.insert(3, "weight", law_choice.weights(table["aic"].to_numpy()))
    table["problem"] = [minimum.problem or "" for _, minimum in fits.values()]
    return table
