"""Whether components lie so far apart that a network may be simulated by counts alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError
from lwdstats.mixtures.components import squared_distances
from lwdstats.mixtures.spec import MAX_OVERLAP, GmmSpec

# Largest share of its points that a component at weight epsilon may not own.
MISOWNED = 0.25


def overlap_of(start: FloatArray, means: FloatArray, covariance: FloatArray) -> float:
    """Return J, the largest fraction of missing information, where a network may begin.

    It is the larger one of that at equal weights and that at the mean of
    `start`, weights (..., B) or a number: see `missing_information`. 0 for a
    single component.
    """
    n_b = len(means)
    if n_b == 1:
        return 0.0
    # Here, as theory is not needed for the exact engine.
    from lwdstats.theory.overlap.information import missing_information

    equal = np.full(n_b, 1 / n_b)
    mean = np.broadcast_to(start, (*start.shape[:-1], n_b)).reshape(-1, n_b).mean(0)
    mean = np.maximum(mean / mean.sum(), 1e-6)
    states = np.unique([equal, mean / mean.sum()], axis=0)
    return float(missing_information(states, means, covariance).largest.max())


def misowned_share(threshold: float, means: FloatArray, covariance: FloatArray) -> float:
    """Return the share of its own points that a component at weight epsilon does not own.

    For the two components nearest to each other, the other at weight 1 -
    epsilon. 0 at an epsilon of 0, where nothing is owned that was lost.
    """
    if threshold == 0.0 or len(means) == 1:
        return 0.0
    apart = squared_distances(means, means, covariance)
    nearest = np.sqrt(apart[~np.eye(len(means), dtype=bool)].min())
    if nearest == 0.0:
        return 1.0
    return float(ndtr((np.log((1 - threshold + 1e-300) / threshold) - nearest**2 / 2) / nearest))


def ambiguity(points: NDArray[Any], means: FloatArray, covariance: FloatArray) -> float:
    """Return how far given points (..., d) leave open whose they are: the mean eigenvalue of J.

    At equal weights: ``B / (B - 1) E[1 - sum_b o_b^2]`` over the points, where
    o_b is the share that component b has in a point.
    """
    n_b = len(means)
    if n_b == 1:
        return 0.0
    logs = -0.5 * squared_distances(points.reshape(-1, means.shape[1]), means, covariance)
    shares = np.exp(logs - logs.max(-1, keepdims=True))
    shares /= shares.sum(-1, keepdims=True)
    return float(n_b / (n_b - 1) * (1 - (shares**2).sum(-1)).mean())


def check_overlap(spec: GmmSpec) -> float:
    """Return J, or raise `InputError` where the Gaussian engine would be wrong."""
    means, covariance, threshold = spec.means, spec.covariance, spec.threshold
    limit, points = spec.max_overlap, spec.initial_points
    start = spec.concentration if spec.initial_weights is None else spec.initial_weights
    overlap = overlap_of(np.asarray(start), means, covariance)
    if limit == 1.0:
        return overlap
    takes = f"'gaussian' where that is at most max_overlap = {limit:g}, or 'exact'"
    if overlap > limit:
        got = f"'gaussian' with components that overlap: J is {overlap:.3g}"
        raise InputError("engine", got, takes)
    share = misowned_share(threshold, means, covariance)
    # A limit above the default is a caller's own: components at epsilon then overlap more, too.
    if share > MISOWNED and limit <= MAX_OVERLAP:
        got = (
            f"'gaussian' with a threshold of {threshold:g}, a weight at which a component does "
            f"not own {share:.2g} of its points"
        )
        takes = f"'gaussian' where that is at most {MISOWNED:g}, or threshold=0, or 'exact'"
        raise InputError("engine", got, takes)
    open_share = 0.0 if points is None else ambiguity(points, means, covariance)
    if open_share > limit:
        got = f"'gaussian' with initial_points between the components: J is {open_share:.3g}"
        raise InputError("engine", got, takes)
    return overlap
