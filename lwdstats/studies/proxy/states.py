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
