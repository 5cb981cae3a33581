"""Autoregressive noise of order 1, e_t = phi e_{t-1} + innovation: arrays only.

P paths, n times.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from lwdstats.arrays import FloatArray


def lag_one(noise: FloatArray) -> FloatArray:
    """Return the autocorrelation at lag 1 of paths (P, n) around 0, (P,); 0 of a path of 0."""
    power = np.einsum("pn,pn->p", noise, noise)
    product = np.einsum("pn,pn->p", noise[:, 1:], noise[:, :-1])
    return product / np.where(power > 0, power, 1.0)


def ar1_phi(
    noise: FloatArray, lost: float, limits: tuple[float, float] = (-0.9, 0.95)
) -> FloatArray:
    """Return phi, (P,), of residuals (P, n) of a fit.

    Least squares on lag 1, with a bias of order 1/n taken out, that of a fit of
    about `lost` parameters: ``-(lost / 2 + lost phi) / n``.
    """
    n = noise.shape[1]
    return np.clip((n * lag_one(noise) + lost / 2.0) / (n - lost), *limits)


def whiten(x: FloatArray, phi: FloatArray) -> FloatArray:
    """Return ``x_t - phi x_{t-1}``, (P, n); the first is scaled to the others' variance."""
    out = x.copy()
    out[:, 1:] -= phi[:, None] * x[:, :-1]
    out[:, 0] *= np.sqrt(1.0 - phi**2)
    return out


def ar1_paths(
    rng: np.random.Generator,
    phi: npt.ArrayLike,
    sigma: npt.ArrayLike,
    count: int,
    n: int,
    after: FloatArray | None = None,
) -> FloatArray:
    """Return Gaussian paths, (count, n), stationary or following on given values `after` (count,).

    `phi` and `sigma`, the standard deviation of innovations, are numbers or (count,).
    """
    phi, out = np.asarray(phi), np.asarray(sigma) * rng.standard_normal((n, count))
    if after is None:
        out[0] /= np.sqrt(1.0 - phi**2)
    else:
        out[0] += phi * after
    for t in range(1, n):
        out[t] += phi * out[t - 1]
    return np.ascontiguousarray(out.T)


def ar1_product(z: FloatArray, phi: float) -> FloatArray:
    """Return z' G z, (p, p), of z (n, p), G being the autocorrelation matrix."""
    # Row t: the sum of phi^(t - j) z_j over j < t.
    before = np.zeros_like(z)
    before[1:] = np.asarray(lfilter([1.0], [1.0, -phi], z, axis=0))[:-1] * phi
    once = z.T @ before
    return z.T @ z + once + once.T
