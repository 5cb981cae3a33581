"""Gaussian components: where they lie for each other, and whose a point is.

Letters in the shapes: B components, d features, N points.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lwdstats.arrays import FloatArray


def whitening(covariance: FloatArray) -> FloatArray:
    """Return W, (d, d), so that ``x @ W`` has covariance I where x has the given one."""
    return np.linalg.inv(np.linalg.cholesky(covariance)).astype(np.float64).T


def squared_distances(points: FloatArray, means: FloatArray, covariance: FloatArray) -> FloatArray:
    """Return squared distances (N, B) of points (N, d) from means, in the covariance's metric."""
    apart = (points[:, None] - means) @ whitening(covariance)
    return (apart**2).sum(-1)


def counts_of(points: FloatArray, means: FloatArray, covariance: FloatArray) -> NDArray[np.int64]:
    """Return how many points (N, d) are of each component, (B,): that of the nearest mean.

    Far from each other, components own what is nearest, whatever their weights.
    """
    nearest = squared_distances(points, means, covariance).argmin(-1)
    return np.bincount(nearest, minlength=len(means)).astype(np.int64)


def log_densities(points: FloatArray, means: FloatArray, factors: FloatArray) -> FloatArray:
    """Return the log density (N, B) of points (N, d), up to a constant shared by all.

    `factors` (B, d, d) are lower Cholesky factors of the covariances.
    """
    white = np.linalg.solve(factors, (points - means[:, None]).swapaxes(1, 2))
    return -0.5 * (white**2).sum(1).T - np.log(np.einsum("bii->bi", factors)).sum(1)
