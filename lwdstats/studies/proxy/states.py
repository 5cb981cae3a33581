"""What weights are at each time, given all that was measured until then: arrays only."""

from __future__ import annotations

import numpy as np

from lwdstats.arrays import FloatArray
from lwdstats.studies.proxy.likelihood import Series


def filtered(
    one: Series, rho: float, theta: float, b: FloatArray, q: float
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return predictions (m, B) one step ahead and weights (m, B), with variances (m,) of each.

    Kalman's filter, one gain for all components; the first weights are known by their
    measurement alone, and have no prediction.
    """
    m, B = one.p.shape
    ahead, ahead_var = np.full((m, B), np.nan), np.full(m, np.nan)
    now, now_var = np.empty((m, B)), np.empty(m)
    now[0], now_var[0] = one.p[0], one.s2[0]
    for t in range(1, m):
        ahead[t] = rho * now[t - 1] + theta * one.x[t] + b
        ahead_var[t] = rho**2 * now_var[t - 1] + q * one.scale[t]
        gain = ahead_var[t] / (ahead_var[t] + one.s2[t]) if one.seen[t] else 0.0
        now[t] = ahead[t] + gain * (one.p[t] - ahead[t])
        now_var[t] = (1.0 - gain) * ahead_var[t]
    return ahead, ahead_var, now, now_var


def smoothed(
    one: Series, rho: float, theta: float, b: FloatArray, q: float
) -> tuple[FloatArray, float]:
    """Return the first weights (B,) of a series given all that was measured, and their variance.

    References
    ----------
    Harvey (1989), Forecasting, Structural Time Series Models and the Kalman Filter, 3.6.2.
    """
    ahead, ahead_var, now, now_var = filtered(one, rho, theta, b, q)
    later, later_var = now[-1], float(now_var[-1])
    for t in range(len(now) - 2, -1, -1):
        gain = rho * now_var[t] / ahead_var[t + 1]
        later = now[t] + gain * (later - ahead[t + 1])
        later_var = float(now_var[t] + gain**2 * (later_var - ahead_var[t + 1]))
    return later, later_var


def shrunk(weights: FloatArray, variance: FloatArray) -> FloatArray:
    """Return weights (R, B) of a model, each drawn to their mean over replicates.

    By as much of their spread as errors of a `variance` (R,), of each of B - 1 dimensions,
    explain; the mean itself where a replicate's are NaN.
    """
    known = np.isfinite(weights[:, 0])
    mean = weights[known].mean(axis=0)
    R = int(known.sum())
    if R < 2:
        return np.broadcast_to(mean, weights.shape).copy()
    apart = weights - mean
    spread = (apart[known] ** 2).sum() / ((R - 1) * (weights.shape[1] - 1))
    kept = max(0.0, 1.0 - variance[known].mean() / spread) if spread > 0 else 0.0
    return np.where(known[:, None], mean + kept * apart, mean)


def on_simplex(weights: FloatArray, least: float = 0.0) -> FloatArray:
    """Return the nearest weights (..., B) that are at least `least` and sum to 1.

    References
    ----------
    Duchi, J. et al. (2008), Efficient projections onto the l1-ball, ICML, Figure 1.
    """
    B = weights.shape[-1]
    room = 1.0 - B * least
    moved = weights - least
    order = -np.sort(-moved, axis=-1)
    excess = (np.cumsum(order, axis=-1) - room) / np.arange(1, B + 1)
    last = (order > excess).sum(axis=-1, keepdims=True) - 1
    return np.maximum(moved - np.take_along_axis(excess, last, -1), 0.0) + least
