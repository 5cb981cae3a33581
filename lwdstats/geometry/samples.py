"""Distances between samples: energy and maximum mean discrepancy. NumPy in, NumPy out."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from lwdstats.arrays import FloatArray
from lwdstats.geometry.kernels import centred

Kernel = Callable[[FloatArray], FloatArray]
# Numbers in a block of distances: 16 MB of float64.
_BLOCK = 1 << 21


def kernel(bandwidth: float | None) -> Kernel:
    """Return the kernel h, of squared distances, Gaussian of that bandwidth; None: -|x - y|.

    The squared distance between two samples is mean h(x, x') + mean h(y, y') -
    2 mean h(x, y): that of maximum mean discrepancy, or the energy distance.
    """
    if bandwidth is None:
        return lambda sq: np.negative(np.sqrt(sq, out=sq), out=sq)
    factor = -0.5 / bandwidth**2
    return lambda sq: np.exp(np.multiply(sq, factor, out=sq), out=sq)


def pooled_spread(x: np.ndarray) -> float:
    """Return the root mean square distance from the query's mean; `x` is (q, P, L, F)."""
    total = 0.0
    for answers in x:
        rows = answers.reshape(-1, answers.shape[-1])
        flat = centred(rows[~np.isnan(rows[:, 0])].astype(np.float64))
        total += float(np.vdot(flat, flat)) / len(flat)
    return math.sqrt(total / len(x))


def between(x: np.ndarray, y: np.ndarray | None, h: Kernel) -> FloatArray:
    """Return squared distances, averaged over queries, between samples.

    `x` is (q, P, L, F), `y` (q, Q, M, F); the result (P, Q). Without `y`, of
    `x` with itself, (P, P), symmetric with a zero diagonal. Answers that are NaN are
    missing: a sample is of those that are there.
    """
    out = np.zeros((x.shape[1], (x if y is None else y).shape[1]))
    for query in range(len(x)):
        a = x[query].astype(np.float64)
        centre = np.nanmean(a, axis=(0, 1))  # distances keep more digits near the origin
        a -= centre
        if y is None:
            cross = _mean_kernel(a, a, h, symmetric=True)
            own_a = own_b = np.diagonal(cross)
        else:
            b = y[query].astype(np.float64) - centre
            cross = _mean_kernel(a, b, h, symmetric=False)
            own_a, own_b = _own_kernel(a, h), _own_kernel(b, h)
        out += own_a[:, None] + own_b[None, :] - 2.0 * cross
    # A squared distance between distributions; below 0 by rounding alone.
    return np.maximum(out / len(x), 0.0)


def _mean_kernel(a: FloatArray, b: FloatArray, h: Kernel, *, symmetric: bool) -> FloatArray:
    """Return mean h between the rows of each sample of `a` (P, L, F) and `b` (Q, M, F), (P, Q)."""
    n, n_rows, n_features = a.shape
    n_other, n_cols = b.shape[:2]
    (a, weight_a), (b, weight_b) = _weighted(a), _weighted(b)
    norm_a, norm_b = np.einsum("ijk,ijk->ij", a, a), np.einsum("ijk,ijk->ij", b, b)
    floor = _rounding(n_features, max(norm_a.max(), norm_b.max()))
    out = np.empty((n, n_other))
    step = max(1, _BLOCK // (n_rows * n_other * n_cols))
    for start in range(0, n, step):
        stop = min(n, start + step)
        first = start if symmetric else 0
        rows, cols = a[start:stop].reshape(-1, n_features), b[first:].reshape(-1, n_features)
        sq = rows @ cols.T
        sq *= -2.0
        sq += norm_a[start:stop].reshape(-1, 1)
        sq += norm_b[first:].reshape(1, -1)
        # The square root would make 1e-8 of a rounding error of 1e-16 in the distance 0.
        sq[sq <= floor] = 0.0
        block = h(sq).reshape(stop - start, n_rows, n_other - first, n_cols)
        if weight_a is None and weight_b is None:
            block = block.mean(axis=(1, 3))
        else:
            rest = np.full((n_other, n_cols), 1.0 / n_cols) if weight_b is None else weight_b
            block = np.einsum("iajb,jb->iaj", block, rest[first:])
            own = np.full((n, n_rows), 1.0 / n_rows) if weight_a is None else weight_a
            block = np.einsum("iaj,ia->ij", block, own[start:stop])
        out[start:stop, first:] = block
        if symmetric:
            out[first:, start:stop] = block.T
    return out


def _weighted(a: FloatArray) -> tuple[FloatArray, FloatArray | None]:
    """Return samples (P, L, F) with 0 for answers that are missing, and weights (P, L), if any."""
    there = ~np.isnan(a[..., 0])
    if there.all():
        return a, None
    return np.where(there[..., None], a, 0.0), there / there.sum(axis=1, keepdims=True)


def _own_kernel(a: FloatArray, h: Kernel) -> FloatArray:
    """Return mean h within each sample of `a`, (P,)."""
    return np.array([_mean_kernel(one[None], one[None], h, symmetric=True)[0, 0] for one in a])


def _rounding(n_features: int, largest: float) -> float:
    """Return what rounding can make of a squared distance 0 between points of that norm."""
    return 4.0 * (n_features + 4) * float(np.finfo(np.float64).eps) * float(largest)
