"""Pure array kernels of distances between Gaussian mixtures, of which components may differ.

Letters in the shapes: n models, B components, d features.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError
from lwdstats.geometry.transport import cheapest_plan

# Of weights (n, B) that sum to 1, means (n, B, d), covariances (n, B, d, d), and a kernel's width.
Kernel = Callable[[FloatArray, FloatArray, FloatArray, float], FloatArray]


def mmd(
    weights: FloatArray, means: FloatArray, covariances: FloatArray, width: float
) -> FloatArray:
    """Return the maximum mean discrepancies (n, n) under ``exp(-|x - y|^2 / (2 width^2))``."""
    # E k(x, y) over x ~ N(m, C), y ~ N(m', C'): a normal density, of covariance C + C' + h^2 I.
    scale = means.shape[-1] / 2 * (np.log(2 * np.pi) + 2 * np.log(width))
    advice = "give width = a number of the order of the distances between points"
    return _signed_roots(weights, scale + _log_overlaps(means, covariances, width), "mmd", advice)


def l2(weights: FloatArray, means: FloatArray, covariances: FloatArray, width: float) -> FloatArray:
    """Return the distances (n, n) of the densities in L2; `width` is of no account."""
    del width
    advice = "take method = 'mmd', or other units of the data"
    return _signed_roots(weights, _log_overlaps(means, covariances, 0.0), "l2", advice)


def mean(
    weights: FloatArray, means: FloatArray, covariances: FloatArray, width: float
) -> FloatArray:
    """Return the distances (n, n) of the means of the mixtures."""
    del covariances, width
    centres = np.einsum("nb,nbd->nd", weights, means)
    return np.linalg.norm(centres[:, None] - centres, axis=-1)


def mw2(
    weights: FloatArray, means: FloatArray, covariances: FloatArray, width: float
) -> FloatArray:
    """Return the distances (n, n) MW2: the cheapest plan that moves component to component."""
    del width
    n, n_b = weights.shape
    roots = _roots(covariances)
    out = np.zeros((n, n))
    for i in range(n):
        for j in range(i):
            cost = _squared_w2(means[i], covariances[i], roots[i], means[j], covariances[j])
            plan = cheapest_plan(cost, weights[i], weights[j]) if n_b > 1 else np.ones((1, 1))
            out[i, j] = out[j, i] = np.sqrt((plan * cost).sum())
    return out


METHODS: dict[str, Kernel] = {"mmd": mmd, "l2": l2, "mw2": mw2, "mean": mean}


def _log_overlaps(means: FloatArray, covariances: FloatArray, width: float) -> FloatArray:
    """Return logs (nB, nB) of integrals of products of densities, one of them wider by `width`."""
    # In logs, as what many features multiply leaves the floats long before distances do.
    d = means.shape[-1]
    means, covariances = means.reshape(-1, d), covariances.reshape(-1, d, d)
    wider = covariances + width**2 * np.eye(d)
    _check_resolved(covariances + wider, refuse=width == 0)
    out = np.empty((len(means), len(means)))
    for a in range(len(means)):
        together, away = covariances[a] + wider[: a + 1], means[a] - means[: a + 1]
        if d == 1:
            variance = together[:, 0, 0]
            square, size = away[:, 0] ** 2 / variance, np.log(variance)
        else:
            factors = np.linalg.cholesky(together)
            white = np.linalg.solve(factors, away[..., None])[..., 0]
            square = (white**2).sum(-1)
            size = 2 * np.log(np.diagonal(factors, axis1=-2, axis2=-1)).sum(-1)
        out[a, : a + 1] = out[: a + 1, a] = -0.5 * (square + size + d * np.log(2 * np.pi))
    return out


def _check_resolved(covariances: FloatArray, refuse: bool) -> None:
    """Warn or raise if rounding decides how narrow a component is in some direction."""
    variances = np.diagonal(covariances, axis1=-2, axis2=-1)
    none = (variances <= 0).any(-1)
    # In units in which all features vary alike, as those differ without any rounding.
    units = np.sqrt(np.where(variances > 0, variances, 1.0))
    least = np.linalg.eigvalsh(covariances / (units[..., None] * units[..., None, :]))[:, 0]
    lost = none | (least < 16 * covariances.shape[-1] * np.finfo(float).eps)
    if not lost.any():
        return
    values = np.linalg.eigvalsh(covariances[lost][0])
    got = f"a component with eigenvalues from {values[0]:.3g} to {values[-1]:.3g}"
    instead = "method = 'mw2', or 'mmd' with a larger width"
    if refuse or none.any() or least.min() <= 0:
        takes = f"covariances whose narrowest direction is not lost in rounding: {instead}"
        raise InputError("component_covariance", got, takes)
    warnings.warn(
        f"distances look at {got}, of which the first is rounding: take {instead}", stacklevel=2
    )


def _signed_roots(
    weights: FloatArray, overlaps: FloatArray, method: str, advice: str
) -> FloatArray:
    """Return distances (n, n) in the space of a kernel, of logs (nB, nB) of overlaps."""
    n, n_b = weights.shape
    with np.errstate(divide="ignore"):
        log_weights = np.log(weights).ravel()
    weighed = overlaps + log_weights[:, None] + log_weights
    blocks = weighed.reshape(n, n_b, n, n_b).swapaxes(1, 2)
    # No term of two models is above the largest of their own.
    own = np.diagonal(blocks.max((2, 3)))
    unit = np.maximum(own[:, None], own)
    inner = np.exp(blocks - unit[..., None, None]).sum((2, 3))
    norm = own + np.log(np.exp(blocks[range(n), range(n)] - own[:, None, None]).sum((1, 2)))
    square = np.exp(norm[:, None] - unit) + np.exp(norm - unit) - 2 * inner
    square = np.maximum(square, 0.0)
    np.fill_diagonal(square, 0.0)
    with np.errstate(over="ignore", under="ignore"):
        out = np.exp(unit / 2) * np.sqrt(square)
    if np.isinf(out).any() or (out[square > 0] < np.finfo(float).tiny).any():
        warnings.warn(
            f"distances by {method!r} are beyond the range of floats, and given as 0 or infinite: "
            + advice,
            stacklevel=2,
        )
    return out


def _roots(covariances: FloatArray) -> FloatArray:
    """Return the symmetric roots of covariances (..., d, d)."""
    values, vectors = np.linalg.eigh(covariances)
    return (vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :]) @ vectors.swapaxes(-1, -2)


def _squared_w2(
    means: FloatArray, covariances: FloatArray, roots: FloatArray, others: FloatArray,
    theirs: FloatArray,
) -> FloatArray:  # fmt: skip
    """Return squared Wasserstein distances (B, B) of normal laws from those of another model."""
    inner = roots[:, None] @ theirs @ roots[:, None]
    values = np.linalg.eigvalsh((inner + inner.swapaxes(-1, -2)) / 2)
    cross = np.sqrt(np.maximum(values, 0.0)).sum(-1)
    traces = np.trace(covariances, axis1=-2, axis2=-1)[:, None]
    traces = traces + np.trace(theirs, axis1=-2, axis2=-1)
    away = ((means[:, None] - others) ** 2).sum(-1)
    return away + np.maximum(traces - 2 * cross, 0.0)
