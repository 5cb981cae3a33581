"""Kalman's filter of paths that share one covariance over time, compiled."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def whitened(
    p: Any, x: Any, s2: Any, scale: Any, seen: Any, rho: float, q: float, anchored: bool
) -> Any:
    """Return columns over the innovations' standard deviations, and these.

    Parameters
    ----------
    p, x : (m, B)
    s2, scale, seen : (m,)
    rho, q : float
    anchored : bool
        Whether there is a column of the prior.

    Returns
    -------
    (m', 2B + f), (m',)
        At the times that are seen: p, what x is worth, the first weights and the prior.
    """
    m, B = p.shape
    f = 2 if anchored else 1
    n = 2 * B + f
    out = np.empty((m, n))
    deviation = np.empty(m)
    # What x, the first weights and the prior are worth at t, and what is foreseen of each.
    worth, ahead = np.zeros(n), np.zeros(n)
    worth[2 * B] = 1.0
    variance, row = 0.0, 0
    for t in range(m):
        if t > 0:
            for j in range(B):
                worth[B + j] = rho * worth[B + j] + x[t, j]
            worth[2 * B] *= rho
            if anchored:
                worth[2 * B + 1] = rho * worth[2 * B + 1] + 1.0
            for j in range(n):
                ahead[j] *= rho
            variance = rho * rho * variance + q * scale[t]
        if not seen[t]:
            continue
        total = variance + s2[t]
        root = np.sqrt(total)
        gain = variance / total
        for j in range(n):
            value = (p[t, j] if j < B else worth[j]) - ahead[j]
            out[row, j] = value / root
            ahead[j] += gain * value
        deviation[row] = root
        variance *= 1.0 - gain
        row += 1
    return out[:row], deviation[:row]


@numba.njit(cache=True, nogil=True)
def lengths(m: int, seen: Any, rho: float, anchored: bool) -> Any:
    """Return products (f, f) of the columns of the first weights and of the prior, as they are."""
    f = 2 if anchored else 1
    out = np.zeros((f, f))
    first, prior = 1.0, 0.0
    for t in range(m):
        if t > 0:
            first *= rho
            prior = rho * prior + 1.0
        if not seen[t]:
            continue
        out[0, 0] += first * first
        if anchored:
            out[0, 1] += first * prior
            out[1, 0] += first * prior
            out[1, 1] += prior * prior
    return out


@numba.njit(cache=True, nogil=True)
def profiled(
    p: Any, x: Any, s2: Any, scale: Any, seen: Any, rho: float, q: float, anchored: bool
) -> Any:
    """Return a series' log determinant, and products without the first weights and the prior.

    Parameters are those of `whitened`.

    Returns
    -------
    tuple of float
        Log determinant of the restricted likelihood, of a dimension, the columns of the first
        weights and of the prior in units of their lengths, as these change with rho; and sums
        of p p, x p and x x, each less its projection on these columns.
    """
    B = p.shape[1]
    columns, deviation = whitened(p, x, s2, scale, seen, rho, q, anchored)
    rows, n = columns.shape
    # Products of all columns with the last ones.
    cross = np.zeros((2, n))
    pp = xp = xx = log_det = 0.0
    for t in range(rows):
        log_det += 2.0 * np.log(deviation[t])
        for j in range(B):
            pp += columns[t, j] ** 2
            xp += columns[t, j] * columns[t, B + j]
            xx += columns[t, B + j] ** 2
        for a in range(2 * B, n):
            for j in range(n):
                cross[a - 2 * B, j] += columns[t, a] * columns[t, j]
    # Without a prior its row is 0, so that it takes nothing away.
    first, prior, both = cross[0, 2 * B], 1.0, 0.0
    if anchored:
        prior, both = cross[1, 2 * B + 1], cross[0, 2 * B + 1]
    det = max(first * prior - both**2, 1e-12 * first * prior, 1e-300)
    for j in range(B):
        a, b = cross[0, j], cross[1, j]
        c, d = cross[0, B + j], cross[1, B + j]
        pp -= (prior * a * a - 2.0 * both * a * b + first * b * b) / det
        xp -= (prior * a * c - both * (a * d + b * c) + first * b * d) / det
        xx -= (prior * c * c - 2.0 * both * c * d + first * d * d) / det
    own = lengths(p.shape[0], seen, rho, anchored)
    size = own[0, 0]
    if anchored:
        size = max(size * own[1, 1] - own[0, 1] ** 2, 1e-12 * size * own[1, 1], 1e-300)
    return log_det + np.log(det) - np.log(size), pp, xp, xx
