"""Intervals and tests for the parameters of a law, by inverting a score test.

For a parameter psi held at a value, the others are fitted; what is left is the
slope of the loss along psi. It is a sum over replicates of

    u_r = v'(y_r - f),    v = w (F_psi - F_lambda H_ll^-1 H_lpsi),

F being the gradient of the law f, H the Hessian of the loss and w its weights; v
takes out, to first order, that the others were fitted. Replicates are
independent, whatever the noise does over time inside each, so the t statistic of
u_1, ..., u_R tests the value, and the interval is the values that it does not
reject. That does not depend on how the law is parametrised, and an end may be
open. With H and not its expectation it holds for the best fit of a law that is
not the true one, too.

One path gives one u. Its variance then takes a model of the noise: in proportion
to the law and autoregressive of order 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.optimize import brentq
from scipy.stats import t as student

from lwdstats.arrays import FloatArray
from lwdstats.inference.ar1 import ar1_product, lag_one
from lwdstats.inference.convergence.minimise import (
    Family,
    Minimum,
    bounds,
    hessian,
    minimise,
)
from lwdstats.inference.laws import Law, values

# A path must leave its noise enough degrees of freedom.
SHORTEST_PATH = 50
LARGEST_PHI = 0.8
_EXPANSIONS = 40


@dataclass(frozen=True, eq=False)
class Sample:
    """What a law is fitted to.

    Attributes
    ----------
    law : Law
    s : numpy.ndarray, shape (m,)
        Times on the law's clock.
    curves : numpy.ndarray, shape (m, R)
    mean : numpy.ndarray, shape (m,)
        Their mean.
    family : Family
    """

    law: Law
    s: FloatArray
    curves: FloatArray
    mean: FloatArray
    family: Family

    @property
    def df(self) -> int:
        """Degrees of freedom of t."""
        R = self.curves.shape[1]
        return R - 1 if R > 1 else len(self.s) - len(self.law.free)

    def fixed(self) -> dict[int, float]:
        """Return what the law itself holds."""
        return {} if self.law.has_limit else {0: 0.0}

    def errors(self, theta: FloatArray) -> FloatArray:
        """Return the curves less the law, (m, R), relative to the law in that family."""
        f = values(self.s, theta)[0][:, None]
        return self.curves / f - 1.0 if self.family is Family.RELATIVE else self.curves - f

    def fit(
        self, fixed: dict[int, float] | None = None, start: FloatArray | None = None
    ) -> Minimum:
        """Fit the law to the mean curve."""
        return minimise(self.s, self.mean, self.family, self.fixed() | (fixed or {}), start)


def covariance(sample: Sample, theta: FloatArray) -> FloatArray:
    """Return the covariance of the free parameters of theta, (p, p): a sandwich over replicates.

    Of one path, the middle is that of its `noise`. NaN where the curve does not
    tell the parameters apart.
    """
    free = list(sample.law.free)
    f, slope, _ = values(sample.s, theta)
    w = sample.family.slopes(sample.mean, f)[0]
    _, full, expected = hessian(sample.s, sample.mean, theta, sample.family)
    R = sample.curves.shape[1]
    weighted = w[:, None] * slope[:, free]
    information = (expected if R == 1 else full)[np.ix_(free, free)]
    # Parameters are on different scales, which is not what singular means.
    size = np.sqrt(np.abs(np.diag(information)))
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = information / size[:, None] / size
    if not np.isfinite(scaled).all() or np.linalg.cond(scaled) > 1e14:
        return np.full((len(free), len(free)), np.nan)
    bread = np.linalg.inv(scaled) / size[:, None] / size
    if R == 1:
        phi, variance = noise(sample, theta)
        z = weighted * f[:, None]
        meat = variance * ar1_product(z, phi)
    else:
        scores = weighted.T @ (sample.curves - f[:, None])
        meat = np.atleast_2d(np.cov(scores)) / R
    return bread @ meat @ bread


def noise(sample: Sample, theta: FloatArray) -> tuple[float, float]:
    """Return phi and the variance of a path's noise (relative to the law in that family)."""
    e = sample.errors(theta)[:, 0]
    total = float(e @ e)
    phi = min(max(float(lag_one(e[None])[0]), 0.0), 0.99)
    # p smooth columns take out of autocorrelated noise more than p degrees of freedom.
    lost = len(sample.law.free) * (1.0 + phi) / (1.0 - phi)
    return phi, total / max(len(e) - lost, 1.0)


def path_problem(sample: Sample, theta: FloatArray, time: FloatArray) -> str | None:
    """Return why one path allows no interval, or None where it does or there are replicates."""
    if sample.curves.shape[1] > 1:
        return None
    if sample.family is Family.SQUARES:
        return "one path, and errors not in proportion to the law"
    if len(time) < SHORTEST_PATH:
        return f"one path of {len(time)} times, fewer than {SHORTEST_PATH}"
    steps = np.diff(time)
    if np.ptp(steps) > 1e-6 * steps.mean():  # not only by rounding
        return "one path, at unequal time steps"
    phi = noise(sample, theta)[0]
    if phi > LARGEST_PHI:
        return f"one path, whose errors have autocorrelation {phi:.2f}, above {LARGEST_PHI}"
    return None


@dataclass(frozen=True, eq=False)
class ScoreTest:
    """The test of one value of a parameter.

    Attributes
    ----------
    t : float
        Positive where larger values fit better; infinite where the law leaves
        its domain.
    theta : numpy.ndarray, shape (3,)
        The value, and the others as fitted.
    degenerate : bool
        Whether the rate has run to the end of its range: the best fit is then a
        limit of the law, and not the law.
    """

    t: float
    theta: FloatArray
    degenerate: bool


def score_test(sample: Sample, index: int, value: float, start: FloatArray) -> ScoreTest:
    """Test theta[index] = value, the others fitted from `start`."""
    found = sample.fit({index: value}, start)
    if not math.isfinite(found.loss):
        found = sample.fit({index: value})
    if not math.isfinite(found.loss):
        return ScoreTest(math.copysign(math.inf, start[index] - value), start, False)
    theta = found.theta
    held = {index, *sample.fixed()}
    low, high = bounds(sample.s)
    # A rate at the end of its range is not fitted but given.
    degenerate = found.problem is not None and not low < theta[2] < high
    others = [j for j in range(3) if j not in held and not (degenerate and j == 2)]
    f, slope, _ = values(sample.s, theta)
    w = sample.family.slopes(sample.mean, f)[0]
    _, full, expected = hessian(sample.s, sample.mean, theta, sample.family)
    R = sample.curves.shape[1]
    H = full if R > 1 else expected
    v = slope[:, index].copy()
    if others:
        inner = H[np.ix_(others, others)]
        v -= slope[:, others] @ np.linalg.lstsq(inner, H[others, index], rcond=None)[0]
    v *= w
    if R == 1:
        phi, variance = noise(sample, theta)
        u = float(v @ (sample.mean - f))
        spread = variance * float(ar1_product((v * f)[:, None], phi)[0, 0])
    else:
        each = v @ (sample.curves - f[:, None])
        u, spread = float(each.mean()), float(each.var(ddof=1)) / R
    if spread <= 0.0:
        return ScoreTest(0.0 if u == 0.0 else math.copysign(math.inf, u), theta, degenerate)
    return ScoreTest(u / math.sqrt(spread), theta, degenerate)


def interval(sample: Sample, theta: FloatArray, index: int, level: float) -> tuple[float, float]:
    """Return the confidence interval of theta[index] at a fit; an end may be infinite."""
    critical = float(student.ppf((1.0 + level) / 2.0, sample.df))
    at = sample.law.free.index(index)
    se = math.sqrt(np.maximum(covariance(sample, theta)[at, at], 0.0))
    if se == 0.0:
        return float(theta[index]), float(theta[index])
    if math.isnan(se):
        # Only the first step of the search.
        se = 0.1 * max(abs(float(theta[index])), float(np.abs(sample.mean).max()))
    return (
        _end(sample, theta, index, -critical * se, critical),
        _end(sample, theta, index, critical * se, critical),
    )


def _end(sample: Sample, theta: FloatArray, index: int, step: float, critical: float) -> float:
    """Return where |t| first reaches the critical value, on the side to which `step` goes.

    Infinite where it does not, or where the law degenerates before: values as
    far as any then fit as well.
    """
    side = math.copysign(1.0, step)
    low, high = bounds(sample.s) if index == 2 else (-math.inf, math.inf)

    def beyond(value: float, start: FloatArray) -> tuple[float, ScoreTest]:
        test = score_test(sample, index, value, start)
        # Large finite numbers, for the root finder.
        return min(max(-side * test.t - critical, -1e6), 1e6), test

    def excess_of(value: float, start: FloatArray) -> float:
        return beyond(value, start)[0]

    inner, start = float(theta[index]), theta
    outer = inner + step
    for _ in range(_EXPANSIONS):
        outer = min(max(outer, low), high)
        excess, test = beyond(outer, start)
        if excess > 0 and not test.degenerate:
            if excess_of(inner, start) >= 0:
                return inner
            by_value = partial(excess_of, start=start)
            return float(brentq(by_value, inner, outer, xtol=1e-9 * abs(step)))
        if outer in (low, high) or test.degenerate:
            break
        inner, outer, start = outer, outer + 1.6 * (outer - inner), test.theta
    return side * math.inf
