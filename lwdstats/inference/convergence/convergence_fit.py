"""Does ||D||_F settle: to what, at what rate, and by which law?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from lwdstats.dataset.embeddings.choose_embedding import by_embedding
from lwdstats.errors import InputError, check_choice, check_level
from lwdstats.inference.convergence import choice as law_choice
from lwdstats.inference.convergence.minimise import Family, Minimum
from lwdstats.inference.convergence.result import ConvergenceFit
from lwdstats.inference.convergence.scores import Sample
from lwdstats.inference.curves import Curves, curves, since_time, warn_far, warn_unit
from lwdstats.inference.laws import LAWS

MINIMUM_TIMES = 6


def convergence_fit(
    x: xr.Dataset | xr.DataArray | npt.ArrayLike,
    law: str = "auto",
    *,
    since: float = 0,
    square: bool | None = None,
    errors: str | None = None,
    debias: bool | None = None,
    embedding: str = "embedding",
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
        Whether the law is of the square of the norm, by default where that is debiased:
        only its square is without bias.
    errors : {"relative", "constant"}, optional
        Fit by the gamma deviance, which weights errors in proportion to the law, or by
        least squares. By default "relative" where values are positive and not debiased.
    debias, embedding : bool, optional, and str
        As of a dataset's `fnorm`; `debias` by default where it is made of two answers or more.
    level : float
        Level of the intervals shown.

    Returns
    -------
    ConvergenceFit
        Print it, or its `summary`; the other generics work on it.

    Raises
    ------
    InputError
        If an argument is not as above, there are fewer than 6 times, or no change.

    Notes
    -----
    **What is estimated** is the law's best fit to the mean curve over replicates. c is
    not held above 0: an estimate below says that it is near 0, or that the law does
    not hold beyond the times fitted.

    **Intervals over replicates** (2 or more) take replicates as independent and
    nothing about time. An interval holds the values that the t statistic of the
    replicates' scores does not reject, on R - 1 degrees of freedom, so it does not
    depend on how the law is written, and an end may be open. Coverage is as stated
    from 5 replicates on (``benchmarks/validity/coverage_convergence.md``).

    **One path** tells nothing of how networks differ: its interval is for the law of
    this very path, given where its web settles, with AR(1) noise in proportion to the
    law. Where it is not given: ``docs/methods.md``.

    **Laws are compared** by AIC, over replicates in the form of Pan's QIC, and by
    the error with which each law, fitted to the first two thirds of the times,
    predicts the mean curve over the last third. Intervals take the law as given.

    **Time** counts steps of the process: in another unit a power of t + 1 is another law.

    For Gaussian mixtures that are well separated a power law with b = 1/2 in the long
    run is to be expected; an exponential finds a limit above 0 where there is none. R
    has no such function.

    References
    ----------
    Liang, K.-Y. and Zeger, S. L. (1986), Biometrika 73, 13-22.
    Boos, D. D. (1992), The American Statistician 46, 327-333.
    Pan, W. (2001), Biometrics 57, 120-125.
    Burnham, K. P. and Anderson, D. R. (2002), Model Selection and Multimodel Inference.

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
    x = by_embedding(x, embedding, "x")
    curve, family = prepare(x, since=since, square=square, errors=errors, debias=debias)
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
    if LAWS[name].clock is np.log1p:
        warn_unit(curve.time)
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
    debias: bool | None,
) -> tuple[Curves, Family]:
    """Return the curves to fit and what to minimise, or raise InputError."""
    if square is not None and not isinstance(square, bool):
        raise InputError("square", square, "True, False or None")
    if errors is not None:
        check_choice("errors", errors, ("relative", "constant"))
    whole = curves(x, square=square, debias=debias)
    curve = since_time(whole, since, MINIMUM_TIMES)
    if curve.time[0] < 0:
        raise InputError("x: time", curve.time[0], "times from 0 on")
    warn_far(whole.time)
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
        errors = "relative" if positive and not curve.debiased else "constant"
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
