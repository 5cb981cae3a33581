"""From a contraction of weights to kappa, the step size times k, with and without overlap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import optimize

from lwdstats.arrays import FloatArray


def directions(mixing: FloatArray, second: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return eigenvalues of A, (B,), and shares of a second moment (B, B) of gaps along them.

    Where components overlap, a step of size a contracts gaps by I - a A (B, B), A being the
    mean responsibilities by component: slower than by 1 - a where eigenvalues are below 1.
    """
    values, vectors = np.linalg.eig(mixing)
    shares = np.real(np.diag(np.linalg.inv(vectors) @ second @ vectors))
    shares = np.maximum(shares, 0.0)
    return np.real(values), shares / max(shares.sum(), 1e-300)


def contraction(
    kappa: float, n_read: FloatArray, parts: Sequence[tuple[FloatArray, FloatArray]]
) -> float:
    """Return the mean of ``(1 - kappa lambda / k)^k`` over reads k, (m,), and directions."""
    total = 0.0
    for values, shares in parts:
        base = 1.0 - kappa * values / n_read[:, None]
        total += float((np.maximum(base, 0.0) ** n_read[:, None]).mean(axis=0) @ shares)
    return total / len(parts)


def kappa_of(
    rho: float, n_read: FloatArray, parts: Sequence[tuple[FloatArray, FloatArray]]
) -> float:
    """Return the kappa whose contraction is rho: infinite where none is as small."""
    most = float(n_read.min())
    if rho >= 1.0:
        return 0.0
    if rho <= contraction(most, n_read, parts):
        return np.inf
    return float(optimize.brentq(lambda x: contraction(x, n_read, parts) - rho, 0.0, most))
