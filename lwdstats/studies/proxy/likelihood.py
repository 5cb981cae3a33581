"""Restricted likelihood of paths of weights that are measured with error: arrays only.

A series is a model in a replicate: p (T+1, B) are its measured weights, x (T+1, B) what it read
before each. Its weights follow ``pi_t = rho pi_(t-1) + theta x_t + b + xi_t``, and p is pi with
the error of finitely many answers, whose variance s^2 the answers themselves tell. What is read
depends on posts, so on errors of before, but given the past on nothing that is unknown: the
likelihood by innovations takes it as given. b and the first weights are profiled out, and the
likelihood is that of what is left (REML), so that their number does not bias variances. As means
are taken over times, what is read later hangs on errors of before, by the model's own posts: the
expectation of the scores that this leaves, of order 1/T, is subtracted (`feedback`).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwdstats.arrays import FloatArray
from lwdstats.studies.proxy.paths import Paths

# Times to each side over which the variance of the error is averaged: an own estimate of few
# answers is 0 where they agree by chance, and so correlated with what they say.
_WINDOW = 4


@dataclass(frozen=True, eq=False)
class Series:
    """Paths of one model between gaps.

    Attributes
    ----------
    p, x : (m, B)
        Measured weights at m times, and what was read before; x of the first is not used.
    s2 : (m,)
        Variance of the error, smoothed over time; of each of B - 1 dimensions.
    scale : (m,)
        Variance of steps in units of the parameter: 1, or less where more is read.
    own : (m, m)
        Entry (t, s): share of what was read before t that are the model's own posts of s.
    cohorts : (m, S)
        Shares of what was read before t by the time of posting, over the roots of the numbers
        of these posts: what error a cohort has stays on the web, and all models read it.
    post_cov : (B, B)
        Covariance of that error, of one post.
    seen : (m,)
        Whether p is known there.
    query, replicate, model, start : int
        Whose it is, and its first time among those of the run.
    """

    p: FloatArray
    x: FloatArray
    s2: FloatArray
    scale: FloatArray
    own: FloatArray
    cohorts: FloatArray
    post_cov: FloatArray
    seen: NDArray[np.bool_]
    query: int
    replicate: int
    model: int
    start: int


def series_of(path: Paths, less: bool = False, query: int = 0) -> list[Series]:
    """Return the series of a query's paths, cut where it is not known what was read.

    The variance of steps is the smaller, the more is read, or constant.
    """
    out = []
    R, T, n, B = path.weight.shape
    cohorts = path.cohort / np.sqrt(np.maximum(path.n_cohort, 1.0))[:, None, None]
    for r in range(R):
        for i in range(n):
            p, x, s2 = path.weight[r, :, i], path.read[r, :, i], path.noise[r, :, i]
            seen: Any = np.isfinite(p).all(axis=1)
            if not np.isfinite(s2).any():
                continue
            s2 = _smooth(s2, path.n_answers[r, :, i]) / (B - 1)
            scale = np.ones(T)
            if less:
                k = np.maximum(path.n_read[r, :, i], 1.0)
                scale = np.median(k[k > 1]) / k if (k > 1).any() else scale
            told: Any = np.isfinite(x).all(axis=1)
            # A step needs what was read; where that is not known, a new series begins.
            cuts = [0, *np.flatnonzero(~told[1:]) + 1, T]
            for begin, end in itertools.pairwise(cuts):
                if seen[begin:end].sum() < 3:
                    continue
                start = begin + int(np.argmax(seen[begin:end]))
                part = slice(start, end)
                out.append(
                    Series(
                        np.where(seen[part, None], p[part], 0.0), np.nan_to_num(x[part]),
                        s2[part], scale[part], path.own[r, i, part, part],
                        cohorts[r, i, part], path.post_cov, seen[part],
                        query, r, i, start,
                    )
                )  # fmt: skip
    return out


def cut(one: Series, stop: int) -> Series | None:
    """Return a series before a time of the run, None where too little is left."""
    part = slice(0, stop - one.start)
    if stop <= one.start or one.seen[part].sum() < 3:
        return None
    return replace(
        one, p=one.p[part], x=one.x[part], s2=one.s2[part], scale=one.scale[part],
        own=one.own[part, part], cohorts=one.cohorts[part], seen=one.seen[part],
    )  # fmt: skip


def _smooth(s2: FloatArray, n_answers: NDArray[np.int64]) -> FloatArray:
    """Return means of what is known in a window, at least as if one answer in it were another.

    Answers that all agree do not tell that others can't be.
    """
    known = np.isfinite(s2)
    kernel = np.ones(2 * _WINDOW + 1)
    top = np.convolve(np.where(known, s2, 0.0), kernel, "same")
    number = np.convolve(known.astype(float), kernel, "same")
    mean = np.where(number > 0, top / np.maximum(number, 1.0), float(s2[known].mean()))
    L = float(n_answers[known].mean())
    return np.maximum(mean, 2.0 / (L**2 * len(kernel)))


@dataclass(frozen=True, eq=False)
class White:
    """A series at parameters, its errors of unit variance and free of time.

    Attributes
    ----------
    p, x : (m', B)
        Measured weights and what was read, whitened, at the times that are seen.
    z : (m', f)
        Columns of the first weights and, where there is one, of the prior.
    log_scale : (m',)
        Logarithms of the innovations' standard deviations.
    """

    p: FloatArray
    x: FloatArray
    z: FloatArray
    log_scale: FloatArray


def whiten(one: Series, rho: float, q: float, anchored: bool) -> White:
    """Return a series whitened by its covariance over time at rho and q."""
    from lwdstats.studies.proxy.filter_kernel import whitened

    columns, deviation = whitened(one.p, one.x, one.s2, one.scale, one.seen, rho, q, anchored)
    B = one.p.shape[1]
    return White(columns[:, :B], columns[:, B : 2 * B], columns[:, 2 * B :], np.log(deviation))


def whitened_cohorts(one: Series, rho: float, q: float) -> FloatArray:
    """Return what cohorts of posts are worth, (m', S), as `whiten` does what was read."""
    from lwdstats.studies.proxy.filter_kernel import whitened

    S = one.cohorts.shape[1]
    shares = np.ascontiguousarray(one.cohorts)
    columns, _ = whitened(shares, shares, one.s2, one.scale, one.seen, rho, q, True)
    return columns[:, S : 2 * S]


def lasting(m: int, rho: float) -> FloatArray:
    """Return what a step at s is worth at t, (m, m)."""
    at = np.arange(m)
    return np.tril(rho ** np.clip(at[:, None] - at, 0, None).astype(float))


def root_of(one: Series, rho: float, q: float) -> FloatArray:
    """Return the Cholesky factor (m', m') of a series' covariance: by it `whiten` divides."""
    steps = lasting(len(one.p), rho)[:, 1:]
    cov = (steps * (q * one.scale[1:])) @ steps.T + np.diag(one.s2)
    root: Any = np.linalg.cholesky(cov[np.ix_(one.seen, one.seen)])
    return root


def _without(z: FloatArray, y: FloatArray) -> FloatArray:
    """Return y without its projection on the columns of z."""
    basis = np.linalg.qr(z)[0]
    return y - basis @ (basis.T @ y)


def objective(
    series: Sequence[Series],
    rho: float,
    theta: float | None,
    q: float,
    anchored: bool,
    lean: tuple[float, float] = (0.0, 0.0),
) -> tuple[float, float]:
    """Return -2 log restricted likelihood, and theta: the best one where it is None.

    `lean` are the expected scores of rho and theta, whose lines are subtracted.
    """
    from lwdstats.studies.proxy.filter_kernel import profiled

    total = top = bottom = 0.0
    for one in series:
        log_det, pp, xp, xx = profiled(one.p, one.x, one.s2, one.scale, one.seen, rho, q, anchored)
        total += (one.p.shape[1] - 1) * log_det + pp
        top, bottom = top + xp, bottom + xx
    best = (top - lean[1]) / bottom if theta is None else theta
    total += best**2 * bottom - 2.0 * best * top
    return total + 2.0 * (lean[0] * rho + lean[1] * best), best


def feedback(
    series: Sequence[Series], rho: float, theta: float, q: float, anchored: bool
) -> tuple[float, float]:
    """Return the expectations of the scores of rho and theta that own posts leave."""
    of_rho = of_theta = 0.0
    for one in series:
        if not one.own.any():
            continue
        m, B = one.p.shape
        worth = lasting(m, rho)
        # A step at s gives pi_s; what was read before the first time is not used.
        steps = np.where(np.arange(m) > 0, worth, 0.0)
        slope = worth @ np.eye(m, k=-1) @ steps
        answer = one.own @ np.linalg.inv(np.eye(m) - theta * steps @ one.own)
        root = root_of(one, rho, q)
        cov = root @ root.T
        basis: Any = np.linalg.qr(whiten(one, rho, q, anchored).z)[0]
        known: Any = np.linalg.solve(root.T, basis)
        seen = np.ix_(one.seen, one.seen)
        of_rho -= (B - 1) * _trace(known, theta * (slope @ answer)[seen] @ cov)
        of_theta -= (B - 1) * _trace(known, (steps @ answer)[seen] @ cov)
    return of_rho, of_theta


def _trace(known: FloatArray, moved: FloatArray) -> float:
    return float(((known.T @ moved) * known.T).sum())


def scores(
    series: Sequence[Series], rho: float, theta: float, q: float, anchored: bool, ways: FloatArray
) -> list[FloatArray]:
    """Return scores of log likelihood by time, (m', free), of each series.

    `ways` (3, free) are the directions of (rho, theta, log q) in which they are taken, with
    the first weights and the prior at their estimates, and free of theirs.
    """
    out = []
    for one in series:
        eta, slopes, scales = _slopes(one, rho, theta, q, anchored, ways)
        B = one.p.shape[1]
        out.append(-np.einsum("tb,tbf->tf", eta, slopes) - (B - 1) * scales)
    return out


def post_errors(
    series: Sequence[Series], rho: float, theta: float, q: float, anchored: bool, ways: FloatArray
) -> FloatArray:
    """Return the variance, (free, free), that errors of posts give to the sums of scores.

    A post of which it is not known which component it is of is read by all models as long as it
    is on the web: neither times nor models are independent in that.
    """
    free = ways.shape[1]
    worth: dict[tuple[int, int], Any] = {}
    out = np.zeros((free, free))
    cov = {one.query: one.post_cov for one in series}
    for one in series:
        _, slopes, _ = _slopes(one, rho, theta, q, anchored, ways)
        z = whiten(one, rho, q, anchored).z
        error = theta * _without(z, whitened_cohorts(one, rho, q))
        own = np.einsum("ts,tbf->sbf", error, slopes)
        key = (one.query, one.replicate)
        worth[key] = worth.get(key, 0.0) + own
    for (query, _), g in worth.items():
        out += np.einsum("sbf,bc,scg->fg", g, cov[query], g)
    return out


def _slopes(
    one: Series, rho: float, theta: float, q: float, anchored: bool, ways: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return what is left (m', B), its slopes (m', B, free) and those of log scales (m', free)."""
    h = 1e-4
    here = whiten(one, rho, q, anchored)
    left = here.p - theta * here.x
    fit = np.linalg.lstsq(here.z, left, rcond=None)[0]
    slopes, scales = [], []
    for way in ways.T:
        ends = []
        for sign in (1.0, -1.0):
            d = sign * h * way
            w = whiten(one, rho + d[0], q * np.exp(d[2]), anchored)
            ends.append((w.p - (theta + d[1]) * w.x - w.z @ fit, w.log_scale))
        slopes.append(_without(here.z, (ends[0][0] - ends[1][0]) / (2 * h)))
        scales.append((ends[0][1] - ends[1][1]) / (2 * h))
    return left - here.z @ fit, np.stack(slopes, axis=-1), np.stack(scales, axis=-1)
