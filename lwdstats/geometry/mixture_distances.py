"""Pure array kernels of distances between Gaussian mixtures, of which components may differ.

Letters in the shapes: n models, B components, d features.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import linprog

from lwdstats.arrays import FloatArray

# Of weights (n, B) that sum to 1, means (n, B, d), covariances (n, B, d, d), and a kernel's width.
Kernel = Callable[[FloatArray, FloatArray, FloatArray, float], FloatArray]


def mmd(
    weights: FloatArray, means: FloatArray, covariances: FloatArray, width: float
) -> FloatArray:
    """Return the maximum mean discrepancies (n, n) under ``exp(-|x - y|^2 / (2 width^2))``."""
    # E k(x, y) over x ~ N(m, C), y ~ N(m', C'): a normal density, of covariance C + C' + h^2 I.
    scale = (2 * np.pi * width**2) ** (means.shape[-1] / 2)
    return _signed_roots(weights, scale * _overlaps(means, covariances, width))


def l2(weights: FloatArray, means: FloatArray, covariances: FloatArray, width: float) -> FloatArray:
    """Return the distances (n, n) of the densities in L2; `width` is of no account."""
    del width
    return _signed_roots(weights, _overlaps(means, covariances, 0.0))


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
            plan = _cheapest(cost, weights[i], weights[j]) if n_b > 1 else np.ones((1, 1))
            out[i, j] = out[j, i] = np.sqrt(max(float((plan * cost).sum()), 0.0))
    return out


METHODS: dict[str, Kernel] = {"mmd": mmd, "l2": l2, "mw2": mw2, "mean": mean}


def _overlaps(means: FloatArray, covariances: FloatArray, width: float) -> FloatArray:
    """Return integrals (nB, nB) of products of densities, one of them wider by `width`."""
    d = means.shape[-1]
    means, covariances = means.reshape(-1, d), covariances.reshape(-1, d, d)
    wider = covariances + width**2 * np.eye(d)
    out = np.empty((len(means), len(means)))
    for a in range(len(means)):
        together, away = covariances[a] + wider[: a + 1], means[a] - means[: a + 1]
        if d == 1:
            variance = together[:, 0, 0]
            square, size = away[:, 0] ** 2 / variance, 2 * np.pi * variance
        else:
            # A scale of its own keeps determinants of many features within bounds.
            square = (away * np.linalg.solve(together, away[..., None])[..., 0]).sum(-1)
            size = np.exp(np.linalg.slogdet(2 * np.pi * together)[1])
        out[a, : a + 1] = out[: a + 1, a] = np.exp(-0.5 * square) / np.sqrt(size)
    return out


def _signed_roots(weights: FloatArray, overlaps: FloatArray) -> FloatArray:
    """Return distances (n, n) in the space of a kernel, of overlaps (nB, nB) of components."""
    n, n_b = weights.shape
    blocks = overlaps.reshape(n, n_b, n, n_b)
    inner = np.einsum("ib,ibjc,jc->ij", weights, blocks, weights)
    own = np.diag(inner)
    square = np.maximum(own[:, None] + own - 2 * inner, 0.0)
    np.fill_diagonal(square, 0.0)
    return np.sqrt(square)


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


def _cheapest(cost: FloatArray, given: FloatArray, taken: FloatArray) -> FloatArray:
    """Return the plan (B, B) of least cost with the given sums of rows and columns."""
    n_b = len(given)
    rows = np.repeat(np.eye(n_b), n_b, axis=1)
    columns = np.tile(np.eye(n_b), n_b)
    # The last column's sum follows from the others.
    found = linprog(
        cost.ravel() / max(cost.max(), np.finfo(float).tiny),
        A_eq=np.vstack([rows, columns[:-1]]),
        b_eq=np.concatenate([given, taken[:-1]]),
        method="highs",
    )
    if found.x is None:
        raise ArithmeticError(f"the transport of weights {given} to {taken}: {found.message}")
    return found.x.reshape(n_b, n_b)
