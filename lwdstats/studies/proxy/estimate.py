"""Contraction, and the share of a prior of its own, with intervals: arrays only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize, stats

from lwdstats.arrays import FloatArray
from lwdstats.studies.proxy.likelihood import (
    Series,
    feedback,
    objective,
    post_errors,
    scores,
    whiten,
    whitened_cohorts,
)

FORMS = ("network", "anchored", "memoryless")
# Forms with theta = 1 - rho: "centred" has means of its own by model, by which priors are tested.
_ALL_FROM_THE_WEB = ("network", "centred")
# Lags of the long-run variance (Newey and West): what a model leaves, it leaves nearby.
_LAGS = 2
# Replicates from which their spread gives standard errors.
ENOUGH_REPLICATES = 5
_RHO = (-0.95, 1.0)
# 1 - rho below which w is not defined: then nothing is left to share.
_NOTHING = 1e-6
# Degrees of freedom above which t is normal, and the fewest; and a step in log q.
_MANY, _FEWEST, _NEAR = 200.0, 3.0, 0.2
# In log units: how far the variance of steps may be from that of the measurement.
_Q = (-7.0, 4.0)


@dataclass(frozen=True, eq=False)
class Estimate:
    """The fit of a form.

    Attributes
    ----------
    form : {"network", "anchored", "memoryless", "centred"}
        theta = 1 - rho and no prior, as in the paper; all free; rho = 0; or theta = 1 - rho
        with means by model.
    rho, theta : float
    process : float
        Variance of a step beyond measurement, of each of B - 1 dimensions.
    vcov : (2, 2)
        Of rho and theta, robust; 0 of what the form sets.
    plain : (2, 2)
        The same by the likelihood's curvature.
    df : pair of float
        Of Student's t, of rho and of w: replicates less 1, or Satterthwaite's, where few steps
        tell the variance of steps on which errors hang.
    by_replicates : bool
        Whether standard errors are from the spread over replicates.
    lean : pair of float
        The expected scores that were subtracted.
    series : tuple of Series
    """

    form: str
    rho: float
    theta: float
    process: float
    vcov: FloatArray
    plain: FloatArray
    df: tuple[float, float]
    by_replicates: bool
    lean: tuple[float, float]
    series: tuple[Series, ...]

    @property
    def share(self) -> float:
        """w: the share of a model's own prior; NaN at rho = 1, where there is nothing to share."""
        if 1.0 - self.rho < _NOTHING:
            return float("nan")
        return 1.0 - self.theta / (1.0 - self.rho)

    @property
    def share_error(self) -> float:
        """Standard error of w: no smaller than the likelihood's, but where it is by replicates."""
        if np.isnan(self.share):
            return float("nan")
        slope = np.array([-self.theta / (1.0 - self.rho) ** 2, -1.0 / (1.0 - self.rho)])
        plain = 0.0 if self.by_replicates else slope @ self.plain @ slope
        return float(np.sqrt(max(slope @ self.vcov @ slope, plain, 0.0)))

    @property
    def rho_error(self) -> float:
        """Standard error of rho."""
        return float(np.sqrt(max(self.vcov[0, 0], 0.0)))

    def share_interval(self, level: float) -> tuple[float, float]:
        """Return the interval of w."""
        reach = float(stats.t.ppf(0.5 + level / 2, self.df[1])) * self.share_error
        return self.share - reach, self.share + reach

    def share_p_value(self) -> float:
        """Return p of a test that w is 0."""
        return float(2 * stats.t.sf(abs(self.share) / max(self.share_error, 1e-300), self.df[1]))

    def rho_interval(self, level: float) -> tuple[float, float]:
        """Return the interval of rho: by profile likelihood, or by replicates."""
        nu = self.df[0]
        reach = float(stats.t.ppf(0.5 + level / 2, nu))
        if self.by_replicates or self.form == "memoryless":
            return self.rho - reach * self.rho_error, self.rho + reach * self.rho_error
        # With a variance that nu degrees of freedom tell, t^2 is a deviance of less.
        limit = reach**2 if np.isinf(nu) else (nu + 1.0) * np.log1p(reach**2 / nu)
        limit *= self._inflation
        return self._end(-1.0, limit), self._end(1.0, limit)

    def rho_p_value(self, rho: float = 0.0) -> float:
        """Return p of a test that rho is a number."""
        nu = self.df[0]
        if self.by_replicates:
            distance = abs(self.rho - rho) / max(self.rho_error, 1e-300)
            return float(2 * stats.t.sf(distance, nu))
        deviance = self._deviance(rho) / self._inflation
        square = deviance if np.isinf(nu) else nu * np.expm1(deviance / (nu + 1.0))
        return float(2 * stats.t.sf(np.sqrt(square), nu))

    @property
    def _inflation(self) -> float:
        """How much larger the robust variance of rho is than the likelihood's, at least 1."""
        return float(max(self.vcov[0, 0] / max(self.plain[0, 0], 1e-300), 1.0))

    @cached_property
    def _best(self) -> float:
        return self._profile(self.rho)

    def _profile(self, rho: float) -> float:
        return _given_rho(self.series, self.form, rho, self.process, self.lean)[0]

    def _deviance(self, rho: float) -> float:
        return max(self._profile(rho) - self._best, 0.0)

    def _end(self, side: float, limit: float) -> float:
        """Return where the profile likelihood falls by half of `limit`; infinite if nowhere."""
        bound = _RHO[int(side > 0)]
        step = max(0.7 * np.sqrt(limit) * np.sqrt(max(self.plain[0, 0], 1e-8)), 1e-3)
        inner, outer = self.rho, self.rho
        while True:
            outer = float(np.clip(outer + side * step, *_RHO))
            if self._deviance(outer) > limit:
                break
            if outer == bound:
                return side * np.inf
            inner, step = outer, 1.5 * step
        return float(
            optimize.brentq(lambda rho: self._deviance(rho) - limit, inner, outer, xtol=1e-3)
        )


def _noise_scale(series: Sequence[Series]) -> float:
    return float(np.log(np.mean([one.s2.mean() for one in series])))


def _given_rho(
    series: Sequence[Series], form: str, rho: float, q: float, lean: tuple[float, float]
) -> tuple[float, float]:
    """Return -2 log likelihood at rho, at its best variance of steps, and that variance."""
    theta = 1.0 - rho if form in _ALL_FROM_THE_WEB else None
    center = _noise_scale(series)

    def at(log_q: float) -> float:
        return objective(series, rho, theta, float(np.exp(log_q)), form != "network", lean)[0]

    found = optimize.minimize_scalar(
        at, bounds=(center + _Q[0], center + _Q[1]), method="bounded", options={"xatol": 0.05}
    )
    here = at(float(np.log(q)))
    return (here, q) if here <= found.fun else (float(found.fun), float(np.exp(found.x)))


def estimate(series: Sequence[Series], form: str) -> Estimate:
    """Return the estimate of a form."""
    # Replicates that have no series tell nothing of the spread.
    replicates = len({one.replicate for one in series})
    anchored = form != "network"
    center = _noise_scale(series)
    lean = (0.0, 0.0)

    def parts(v: FloatArray) -> tuple[float, float | None, float]:
        rho = 0.0 if form == "memoryless" else float(v[0])
        theta = 1.0 - rho if form in _ALL_FROM_THE_WEB else None
        return rho, theta, float(np.exp(v[-1]))

    def f(v: FloatArray) -> float:
        rho, theta, q = parts(v)
        return objective(series, rho, theta, q, anchored, lean)[0]

    bounds = [_RHO] * (form != "memoryless") + [(center + _Q[0], center + _Q[1])]
    starts = [[0.3, center - 2.0], [0.0, center]] if form != "memoryless" else [[center - 2.0]]
    found = min(
        (optimize.minimize(f, s, bounds=bounds, method="L-BFGS-B") for s in starts),
        key=lambda one: one.fun,
    )
    rho, theta, q = 0.0, 1.0, 1.0
    for _ in range(4):
        rho, given, q = parts(found.x)
        theta = objective(series, rho, given, q, anchored, lean)[1]
        # Where what is read hardly moves theta is not known, and no such number is a share.
        before, lean = (
            lean,
            feedback(series, min(rho, 0.95), float(np.clip(theta, 0, 1)), q, anchored),
        )
        if form in _ALL_FROM_THE_WEB:
            # theta moves with rho, so that both scores are one.
            lean = (lean[0] - lean[1], 0.0)
        if np.allclose(before, lean, rtol=0.02, atol=1e-3):
            break
        found = optimize.minimize(f, found.x, bounds=bounds, method="L-BFGS-B")
    rho, given, q = parts(found.x)
    theta = objective(series, rho, given, q, anchored, lean)[1]
    at_edge = found.x[-1] < bounds[-1][0] + 0.2
    vcov, plain, df = _variances(series, form, rho, theta, q, at_edge, lean, replicates)
    several = replicates >= ENOUGH_REPLICATES
    return Estimate(form, rho, theta, q, vcov, plain, df, several, lean, tuple(series))


def _variances(
    series: Sequence[Series],
    form: str,
    rho: float,
    theta: float,
    q: float,
    at_edge: bool,
    lean: tuple[float, float],
    replicates: int,
) -> tuple[FloatArray, FloatArray, tuple[float, float]]:
    """Return the robust covariance of (rho, theta), the likelihood's, and degrees of freedom."""
    anchored = form != "network"
    free = {
        "network": [[1.0, -1.0, 0.0]],
        "centred": [[1.0, -1.0, 0.0]],
        "anchored": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
        "memoryless": [[0.0, 1.0, 0.0]],
    }[form]
    if not at_edge:
        free.append([0.0, 0.0, 1.0])
    ways = np.array(free).T

    def covariance(ways: FloatArray, q: float) -> Any:
        """Return the inverse curvature of the likelihood along ways, at a variance of steps."""
        m, h = ways.shape[1], 2e-3

        def half(d: FloatArray) -> float:
            r, t, log = ways @ d
            return 0.5 * objective(series, rho + r, theta + t, q * np.exp(log), anchored, lean)[0]

        unit = h * np.eye(m)
        curve: Any = np.empty((m, m))
        for a in range(m):
            for b in range(a, m):
                ends = half(unit[a] + unit[b]) + half(-unit[a] - unit[b])
                ends -= half(unit[a] - unit[b]) + half(unit[b] - unit[a])
                curve[a, b] = curve[b, a] = ends / (4 * h * h)
        return np.linalg.pinv(curve)

    bread = covariance(ways, q)
    by_time = scores(series, rho, theta, q, anchored, ways)
    if replicates >= ENOUGH_REPLICATES:
        middle = _by_replicate(by_time, [one.replicate for one in series])
        df = replicates - 1.0, replicates - 1.0
    else:
        middle = np.sum([_long_run(s) for s in by_time], axis=0)
        middle = middle + post_errors(series, rho, theta, q, anchored, ways)
        df = np.inf, np.inf
        if not at_edge:
            given = ways[:, :-1]
            ends = [
                given @ covariance(given, q * np.exp(d)) @ given.T for d in (-_NEAR, 0.0, _NEAR)
            ]
            # Of w: its slope by rho and theta, but for a scale.
            of_share = np.array([-theta, rho - 1.0, 0.0])
            df = (
                satterthwaite(ends, np.array([1.0, 0.0, 0.0]), bread[-1, -1]),
                satterthwaite(ends, of_share, bread[-1, -1]),
            )
    robust = ways @ bread @ middle @ bread @ ways.T
    return robust[:2, :2], (ways @ bread @ ways.T)[:2, :2], df


def satterthwaite(covs: Sequence[FloatArray], way: FloatArray, var_log: float) -> float:
    """Return degrees of freedom of a variance along a way, which hangs on that of steps.

    `covs` are covariances at a variance of steps `_NEAR` less, as it is, and more, on the scale
    of logarithms, on which its own estimate has the variance `var_log`.
    """
    low, here, high = (float(way @ cov @ way) for cov in covs)
    slope = (high - low) / (2 * _NEAR * here) if here > 0 else 0.0
    of_log = slope**2 * max(var_log, 0.0)
    return float(np.inf if of_log < 2 / _MANY else max(2.0 / of_log, _FEWEST))


def _long_run(one: FloatArray) -> FloatArray:
    """Return the variance of a sum of scores (T, m), by Bartlett's weights."""
    out = one.T @ one
    for lag in range(1, min(_LAGS, len(one) - 1) + 1):
        cross = one[lag:].T @ one[:-lag]
        out = out + (1.0 - lag / (_LAGS + 1.0)) * (cross + cross.T)
    return out


def _by_replicate(by_time: Sequence[FloatArray], replicate: Sequence[int]) -> FloatArray:
    """Return the variance of a sum of scores by its spread over replicates."""
    names = np.array(replicate)
    each = np.array([s.sum(axis=0) for s in by_time])
    sums = np.array([each[names == name].sum(axis=0) for name in np.unique(names)])
    apart = sums - sums.mean(axis=0)
    return len(sums) / (len(sums) - 1.0) * apart.T @ apart


def naive_rho(series: Sequence[Series]) -> float:
    """Return 1 less the slope of the change on the gap, by least squares: biased, on purpose."""
    top = bottom = 0.0
    for one in series:
        both = one.seen[1:] & one.seen[:-1]
        gap = (one.x[1:] - one.p[:-1])[both]
        top += ((one.p[1:] - one.p[:-1])[both] * gap).sum()
        bottom += (gap**2).sum()
    return float(1.0 - top / bottom)


@dataclass(frozen=True, eq=False)
class Anchors:
    """What each model adds of its own at each step, b, in a query.

    Attributes
    ----------
    models : (m,) of int
    b : (m, B)
    variance : (m,)
        Of each dimension of b.
    chi_squared, df : float
        Of the hypothesis that all b are 0.
    """

    models: NDArray[np.int64]
    b: FloatArray
    variance: FloatArray
    chi_squared: float
    df: float


def anchors(fit: Estimate, query: int = 0) -> Anchors:
    """Return b of each model at the fit's rho and theta, by generalised least squares.

    Under the hypothesis that b is 0, b'C^-1 b over its variance is Hotelling's T^2 of a model,
    C being the covariance of its innovations; each is taken to the chi-square of the same p.
    Where components overlap, posts are not known to be of one of them. That error stays on the
    web and is read by all models: the likeliest part of all b's that it can be is taken off,
    and its own square counted.
    """
    series = [one for one in fit.series if one.query == query]
    models = np.unique([one.model for one in series])
    place = {int(name): j for j, name in enumerate(np.unique([one.replicate for one in series]))}
    B, S = series[0].p.shape[1], series[0].cohorts.shape[1]
    p = B - 1
    # In coordinates that leave out the sum, which is 0.
    basis = np.linalg.svd(np.ones((1, B)))[2][1:]
    rows, variances, shared, covs, freedoms = [], [], [], [], []
    for model in models:
        top, weight, square, freedom = np.zeros(B), 0.0, np.zeros((B, B)), 0
        worth = np.zeros((len(place), S))
        for one in series:
            if one.model != model:
                continue
            w = whiten(one, fit.rho, fit.process, True)
            left = w.p - fit.theta * w.x
            inner = np.linalg.inv(w.z.T @ w.z)
            coef = inner @ (w.z.T @ left)
            eta = left - w.z @ coef
            top, weight = top + coef[1] / inner[1, 1], weight + 1.0 / inner[1, 1]
            square, freedom = square + eta.T @ eta, freedom + len(eta) - 2
            error = fit.theta * whitened_cohorts(one, fit.rho, fit.process)
            worth[place[one.replicate]] += inner[1] @ w.z.T @ error / inner[1, 1]
        rows.append(top / weight)
        variances.append(1.0 / weight)
        shared.append(worth.ravel() / weight)
        covs.append(basis @ square @ basis.T / max(freedom, 1) / weight)
        freedoms.append(freedom)
    told = np.flatnonzero(np.array(freedoms) > p + 1)
    b = np.array(rows)
    chi = no_priors(
        (b @ basis.T)[told], np.array(covs)[told], np.array(freedoms)[told],
        np.array(shared)[told], basis @ series[0].post_cov @ basis.T,
    )  # fmt: skip
    return Anchors(models, b, np.array(variances), chi, float(p * len(told)))


def no_priors(
    b: FloatArray, covs: FloatArray, freedom: FloatArray, shared: FloatArray, post: FloatArray
) -> float:
    """Return the chi-square of all b (m, p) being 0.

    `covs` (m, p, p) are those of each on `freedom` (m,), `shared` (m, S) what errors of
    covariance `post` (p, p), that models share, are worth.
    """
    m, p = b.shape
    if not m:
        return 0.0
    common = np.kron(shared @ shared.T, post)
    whole = common + linalg.block_diag(*covs)
    solved = np.linalg.lstsq(whole, b.ravel(), rcond=None)[0]
    apart = b - (common @ solved).reshape(m, p)
    total = float(solved @ common @ solved)
    for one, cov, nu in zip(apart, covs, freedom, strict=True):
        F = (nu - p + 1.0) / (nu * p) * float(one @ np.linalg.pinv(cov) @ one)
        tail = max(float(stats.f.sf(F, p, nu - p + 1.0)), 1e-300)
        total += float(stats.chi2.isf(tail, p))
    return total
