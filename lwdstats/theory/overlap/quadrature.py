"""Integrals of products of Gaussian components over their mixture.

Letters in the shapes: B components, d features, W weight vectors, m nodes.
Every function here takes checked arrays; `overlap` has the public face.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import qmc
from scipy.stats import t as student

from lwdstats.arrays import FloatArray

# Beyond this many standard deviations a component has 2e-19 of its mass.
_REACH = 9.0
# The trapezoidal rule is made as fine as this relative error asks.
_RELATIVE = 1e-14
# Components more than this many standard deviations apart share less than 1e-22.
_APART = 20.0
_MAX_NODES = 1 << 22
# Relative error that the exponentials and sums of a rule add.
_ROUNDING = 64 * np.finfo(np.float64).eps
# Numbers in the largest temporary array.
_CHUNK = 1 << 21


class TooManyNodesError(ArithmeticError):
    """The components lie too far apart, for their width, to be integrated on a line."""


def reduce_shared(means: FloatArray, covariance: FloatArray) -> FloatArray:
    """Return a map (d, r) under which components have unit covariance and the same overlap.

    With one covariance (d, d) for all, ratios of densities depend on a point
    only through its projection on the affine span of the whitened means (B, d).
    The rest of it integrates to 1, so r is the dimension of that span, at least
    1 and at most B - 1.
    """
    whiten = np.linalg.inv(np.linalg.cholesky(covariance)).astype(np.float64).T
    _, size, axes = np.linalg.svd((means - means.mean(0)) @ whiten, full_matrices=False)
    rank = max(1, int((size > 1e-10 * size[0]).sum())) if size[0] > 0 else 1
    return whiten @ axes[:rank].T


def log_densities(points: FloatArray, means: FloatArray, factors: FloatArray) -> FloatArray:
    """Return the log density (m, B) of points (m, d), up to a constant shared by all.

    `factors` (B, d, d) are lower Cholesky factors of the covariances.
    """
    white = np.linalg.solve(factors, (points - means[:, None]).swapaxes(1, 2))
    return -0.5 * (white**2).sum(1).T - np.log(np.einsum("bii->bi", factors)).sum(1)


def line_integrals(
    weights: FloatArray, means: FloatArray, deviations: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Integrate N_b N_c / g_pi over the line by the trapezoidal rule.

    Parameters
    ----------
    weights : (W, B)
        Not negative, each row summing to 1.
    means, deviations : (B,)
        Of the components.

    Returns
    -------
    integrals : (W, B, B)
        Symmetric, with an empty diagonal; 0 where neither component has weight.
    error : (W,)
        Relative error: a bound for each integral where the deviations are equal,
        otherwise how far the last halving of the step moved the largest one.

    Notes
    -----
    With deviations 1 and means that span R, ``|g(x + iy)| >= cos(R y / 2)
    exp(y^2 / 2) g(x)`` for ``|y| < pi / R``: turned back by the phase of the
    middle, no term's phase exceeds R y / 2. So the integrand is analytic in that
    strip, where its modulus is at most ``exp(y^2 / 2) / cos(R y / 2)`` times that
    on the line, and with a step h the rule errs by at most a share
    ``2 exp(y^2 / 2) / cos(R y / 2) / (exp(2 pi y / h) - 1)`` of the integral.
    """
    out = np.zeros((len(weights), len(means), len(means)))
    error = np.zeros(len(weights))
    shared = bool(np.ptp(deviations) == 0)
    for rows, active in _by_support(weights):
        mine = weights[rows]
        if shared:
            centres = means / deviations[0]
            if active.all() and mine.min() > 1e-12:
                centres = _closer(centres)
            step, relative = _certified_step(np.ptp(centres))
            value = _trapezoid(mine, active, centres, np.ones_like(centres), step)
            change = np.full(len(rows), relative)
        else:
            value, change = _halving(mine, active, means, deviations)
        out[rows], error[rows] = value, change + _ROUNDING
    return out, error


def _by_support(weights: FloatArray) -> Iterator[tuple[NDArray[np.intp], NDArray[np.bool_]]]:
    """Yield the rows that give weight to the same components, with those components."""
    masks, which = np.unique(weights > 0, axis=0, return_inverse=True)
    for index, mask in enumerate(masks):
        yield np.flatnonzero(which.ravel() == index), mask


def _closer(centres: FloatArray) -> FloatArray:
    """Narrow gaps across which nothing is shared, so that the strip is not needlessly thin."""
    order = np.argsort(centres)
    gaps = np.minimum(np.diff(centres[order]), _APART)
    out = np.empty_like(centres)
    out[order] = np.concatenate([[0.0], np.cumsum(gaps)])
    return out


def _certified_step(spread: float) -> tuple[float, float]:
    """Return a step and the relative error that it is proved to have."""
    height = min(4.0, 0.8 * math.pi / spread) if spread > 0 else 4.0
    growth = 2 * math.exp(height**2 / 2) / math.cos(spread * height / 2)
    step = 2 * math.pi * height / math.log1p(growth / _RELATIVE)
    return step, growth / math.expm1(2 * math.pi * height / step)


def _halving(
    weights: FloatArray, active: NDArray[np.bool_], means: FloatArray, deviations: FloatArray
) -> tuple[FloatArray, FloatArray]:
    spread = np.ptp(means) / deviations.min() + 1.0
    step = deviations.min() * min(0.5, 1.0 / spread)
    last = _trapezoid(weights, active, means, deviations, step)
    while True:
        step /= 2
        value = _trapezoid(weights, active, means, deviations, step)
        size = np.maximum(value.max((1, 2)), np.finfo(float).tiny)
        change = np.abs(value - last).max((1, 2)) / size
        if change.max() < 1e-13:
            return value, change
        last = value


def _trapezoid(
    weights: FloatArray,
    active: NDArray[np.bool_],
    means: FloatArray,
    deviations: FloatArray,
    step: float,
) -> FloatArray:
    low = (means - _REACH * deviations).min()
    n_nodes = math.ceil(((means + _REACH * deviations).max() - low) / step) + 1
    if n_nodes > _MAX_NODES:
        raise TooManyNodesError
    b, c = np.triu_indices(len(means), 1)
    total = np.zeros((len(weights), len(b)))
    width = max(256, _CHUNK // (len(weights) + len(b)))
    for first in range(0, n_nodes, width):
        x = low + step * np.arange(first, min(first + width, n_nodes))
        z = (x[:, None] - means) / deviations
        logs = -0.5 * z**2 - np.log(deviations * math.sqrt(2 * math.pi))
        # Relative to the largest component with weight, so that g neither over- nor underflows.
        shift = logs[:, active].max(1, keepdims=True)
        g = np.exp(logs[:, active] - shift) @ weights[:, active].T
        # Pairs without any weight may overflow here, and are set to 0 below.
        products = np.exp(np.minimum(logs[:, b] + logs[:, c] - shift, 700.0))
        total += (products.T @ (1.0 / g)).T
    out = np.zeros((len(weights), len(means), len(means)))
    out[:, b, c] = out[:, c, b] = total * step * (active[b] | active[c])
    return out


def sampled_integrals(
    weights: FloatArray,
    means: FloatArray,
    factors: FloatArray,
    n_points: int,
    n_randomizations: int,
    seed: int,
) -> Iterator[FloatArray]:
    """Yield independent estimates (W, B, B) of the integrals of N_b N_c / g_pi.

    Each is from `n_points` scrambled Sobol points, sent into every component.
    With Q_bc the mean share that component c has in a point of b, Q_bc = pi_c M_bc,
    so M_bc = (Q_bc + Q_cb) / (pi_b + pi_c), in which every mean is of numbers in
    [0, 1] however small a weight is.
    """
    n_b, d = means.shape
    groups = list(_by_support(weights))
    for rng in np.random.default_rng(seed).spawn(n_randomizations):
        sobol = qmc.Sobol(d, scramble=True, rng=rng)
        # A scrambled coordinate can be 0 in floating point, which the normal law lacks.
        normal = ndtri(np.clip(sobol.random(n_points), 1e-17, 1 - 1e-16))
        confusion = np.empty((len(weights), n_b, n_b))
        for b in range(n_b):
            logs = log_densities(means[b] + normal @ factors[b].T, means, factors)
            for rows, active in groups:
                confusion[rows, b] = _mean_ownership(logs, weights[rows], active)
        pairs = weights[:, :, None] + weights[:, None, :]
        both = confusion + confusion.swapaxes(1, 2)
        value = np.divide(both, pairs, out=np.zeros_like(both), where=pairs > 0)
        value[:, np.arange(n_b), np.arange(n_b)] = 0.0
        yield value


def _mean_ownership(logs: FloatArray, weights: FloatArray, active: NDArray[np.bool_]) -> FloatArray:
    """Return the mean over points, of log densities (m, B), of the ownerships: (W, B)."""
    ratios = np.zeros_like(logs)
    ratios[:, active] = np.exp(logs[:, active] - logs[:, active].max(1, keepdims=True))
    out = np.empty_like(weights)
    width = max(1, _CHUNK // len(logs))
    for first in range(0, len(weights), width):
        mine = weights[first : first + width]
        out[first : first + width] = mine * ((1.0 / (ratios @ mine.T)).T @ ratios) / len(logs)
    return out


def mean_and_spread(
    estimates: Iterator[FloatArray], largest: Callable[[FloatArray], FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """Return the mean of independent estimates and the 99% half-width of a number made of it."""
    total, numbers = np.zeros(()), []
    for estimate in estimates:
        total = total + estimate
        numbers.append(largest(estimate))
    count = len(numbers)
    half = student.ppf(0.995, count - 1) / math.sqrt(count)
    return total / count, half * np.std(numbers, axis=0, ddof=1)
