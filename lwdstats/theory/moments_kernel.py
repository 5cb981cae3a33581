"""The recursions of the moments, compiled: one pass over the steps."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def consensus(
    steps: Any,
    n: float,
    n_posted: float,
    n_components: float,
    pp: float,
    xp: float,
    xx: float,
    dd: float,
    deviation: Any,
    concentration: Any,
) -> None:
    """Run the four second moments that close, each summed over components.

    Parameters
    ----------
    steps : five arrays (T,) float64
        rho, v, h, c and kept of `Network`.
    n, n_posted, n_components : float
        n, n L and B.
    pp, xp, xx, dd : float
        At 0: E|P|^2, E x'P, E|x|^2 and E mean_i |pi_i - x|^2, where P is the
        composition of the web and x the mean weight of the models.
    deviation, concentration : (T+1,) float64
        Receive E mean_i |pi_i - x|^2 and E|P|^2.
    """
    rho, v, h, c, kept = steps
    apart = 1.0 - 1.0 / n
    deviation[0], concentration[0] = dd, pp
    for t in range(rho.size):
        r, w = rho[t], kept[t]
        g = (1.0 - r) / h[t]  # (1 - rho) Y = g P - o, the same o in every component
        o = g * c[t]
        noise = v[t] * max(1.0 - pp, 0.0)
        new = 1.0 - w
        xz, pz = g * xp - o, g * pp - o
        zz = g * g * pp - 2.0 * g * o + n_components * o * o
        pp_next = w * w * pp + 2.0 * w * new * xp
        pp_next += new * new * (xx + (1.0 - xx - dd) / n_posted)
        xp = w * (r * xp + pz) + new * (r * xx + xz)
        xx = r * r * xx + 2.0 * r * xz + zz + noise / n
        dd = r * r * dd + apart * noise
        pp = pp_next
        deviation[t + 1], concentration[t + 1] = dd, pp


@numba.njit(cache=True, nogil=True)
def covariances(
    steps: Any,
    n: float,
    n_posted: float,
    spread: Any,
    x: Any,
    p: Any,
    k_x: Any,
    k_d: Any,
    slot: Any,
    out_decay: Any,
    out_mean: Any,
    out_cov: Any,
) -> None:
    """Run the means and the covariances over components.

    Parameters
    ----------
    steps, n, n_posted
        As of `consensus`.
    spread : (B, B) float64
        See `Network`.
    x, p : (B,) float64
        Means at 0 of the models' mean weight and of the web's composition;
        overwritten.
    k_x, k_d : (B, B) float64
        Covariances at 0 of the mean weight, and of what one model differs by
        from it; overwritten.
    slot : (T+1,) int64
        Where time t goes in the outputs, -1 for nowhere.
    out_decay, out_mean, out_cov
        Receive the product of rho (m,), the two means (2, m, B), and the
        covariances (4, m, B, B) of x, of P, between x and P, and of a model's
        difference from x, at the m times kept.
    """
    rho, v, h, c, kept = steps
    n_b = x.size
    k_p, k_xp = np.zeros((n_b, n_b)), np.zeros((n_b, n_b))
    x_next, p_next = np.empty(n_b), np.empty(n_b)
    decay = 1.0
    for t in range(rho.size + 1):
        if slot[t] >= 0:
            m = slot[t]
            out_decay[m] = decay
            out_mean[0, m], out_mean[1, m] = x, p
            out_cov[0, m], out_cov[1, m], out_cov[2, m], out_cov[3, m] = k_x, k_p, k_xp, k_d
        if t == rho.size:
            break
        r, w = rho[t], kept[t]
        g = (1.0 - r) / h[t]
        new = 1.0 - w
        squared = decay * decay
        for a in range(n_b):
            for b in range(n_b):
                same = 1.0 if a == b else 0.0
                noise = v[t] * (same * p[a] - p[a] * p[b] - k_p[a, b])
                posts = same * x[a] - x[a] * x[b] - k_x[a, b] - k_d[a, b] - squared * spread[a, b]
                kp, kx, kxp = k_p[a, b], k_x[a, b], k_xp[a, b]
                k_p[a, b] = w * w * kp + 2.0 * w * new * kxp + new * new * (kx + posts / n_posted)
                # These matrices are symmetric: what drives them is, and the factors are numbers.
                k_xp[a, b] = w * (r * kxp + g * kp) + new * (r * kx + g * kxp)
                k_x[a, b] = r * r * kx + 2.0 * r * g * kxp + g * g * kp + noise / n
                k_d[a, b] = r * r * k_d[a, b] + (1.0 - 1.0 / n) * noise
        for b in range(n_b):
            p_next[b] = w * p[b] + new * x[b]
            x_next[b] = r * x[b] + g * (p[b] - c[t])
        x[:], p[:] = x_next, p_next
        decay *= r
