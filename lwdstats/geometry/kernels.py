"""Pure array kernels under the distances: NumPy in, NumPy out."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial.distance import pdist, squareform

from lwdstats.arrays import FloatArray

# R's name of a method, and scipy's. (Any: scipy's stubs want each name as a literal.)
METHODS: dict[str, Any] = {
    "euclidean": "euclidean",
    "maximum": "chebyshev",
    "manhattan": "cityblock",
    "canberra": "canberra",
    "binary": "jaccard",
    "minkowski": "minkowski",
}
# Numbers held at a time by a pass over a dataset: 8 MB of float64.
_BLOCK = 1 << 20
# Squared distances below this share of the squares that they are a difference of lose digits.
_NEAR = 1e-4


def distances(x: FloatArray, method: str, p: float) -> FloatArray:
    """Return the (n, n) distances between the rows of `x`, (n, m), as R's ``dist``."""
    options: dict[str, Any] = {"p": p} if method == "minkowski" else {}
    d = pdist(x != 0 if method == "binary" else x, METHODS[method], **options)
    if method == "canberra":
        # R leaves out the terms that are 0/0 and scales the sum up for them; scipy counts
        # them as 0. Where no term is left, the distance is NaN (R's NA).
        zero = (x == 0).astype(np.float64)
        used = x.shape[1] - (zero @ zero.T)[np.triu_indices(len(x), 1)]
        d = d * np.divide(x.shape[1], used, out=np.full_like(used, np.nan), where=used > 0)
    return squareform(d)


def euclidean(x: np.ndarray) -> FloatArray:
    """Return the Euclidean distances (n, n) between the rows of `x`, (n, m), by products."""
    square = squared_distances(x[None])
    return np.sqrt(square, out=square)


def squared_distances(x: np.ndarray, y: np.ndarray | None = None) -> FloatArray:
    """Return squared distances, (P, Q), added up over the first axis of `x`, (q, P, F), to `y`.

    Without `y`, (q, Q, F), of `x` with itself. By products, some queries at once. Where little
    is left of these, and digits are lost, distances are computed from differences: equal points
    are at 0, and others right to 1e-9.
    """
    square = np.zeros((x.shape[1], (x if y is None else y).shape[1]))
    size, other = np.zeros(x.shape[1]), np.zeros(square.shape[1])
    for block in query_blocks(x):
        a, b = _about_centre(x[block], None if y is None else y[block])
        size += np.einsum("ij,ij->i", a, a)
        other += np.einsum("ij,ij->i", b, b)
        square += a @ b.T
    square *= -2.0
    square += size[:, None]
    square += other
    near = square <= _NEAR * (size[:, None] + other)
    first, second = np.nonzero(np.triu(near, 1) if y is None else near)
    z = x if y is None else y
    step = max(1, _BLOCK // max(1, x.shape[2]))
    for start in range(0, len(first), step):
        i, j = first[start : start + step], second[start : start + step]
        square[i, j] = 0.0
        for u, v in zip(x, z, strict=True):
            away = u[i].astype(np.float64) - v[j]
            square[i, j] += np.einsum("im,im->i", away, away)
        if y is None:
            square[j, i] = square[i, j]
    if y is None:
        np.fill_diagonal(square, 0.0)
    return square


def query_blocks(x: np.ndarray) -> list[slice]:
    """Return some of the queries of `x`, (q, P, F), after the other: what to work on at once."""
    step = max(1, 8 * _BLOCK // max(1, x[:1].size))
    return [slice(start, start + step) for start in range(0, len(x), step)]


def laid_out(x: np.ndarray) -> FloatArray:
    """Return (q, P, F) as (P, q F)."""
    return np.moveaxis(x, 0, 1).reshape(x.shape[1], -1)


def _about_centre(x: np.ndarray, y: np.ndarray | None) -> tuple[FloatArray, FloatArray]:
    """Return points of some queries, (P, q F) and (Q, q F), less the mean of the first."""
    x = x.astype(np.float64)
    centre = x.mean(axis=1, keepdims=True)
    a = laid_out(x - centre)
    return a, a if y is None else laid_out(y - centre)


def gower(d: FloatArray) -> FloatArray:
    """Return the doubly centred matrix of -d^2 / 2, (n, n), of distances d."""
    return doubly_centred(-0.5 * d * d)


def doubly_centred(G: FloatArray) -> FloatArray:
    """Return a symmetric matrix (n, n) less the means of its rows and columns."""
    G = G - G.mean(axis=0)
    G -= G.mean(axis=1, keepdims=True)
    return (G + G.T) / 2.0


def centred(x: FloatArray, axis: int = 0) -> FloatArray:
    """Return `x` less its mean over `axis`; where all are equal, exactly 0."""
    # The mean of equal numbers can be off by a rounding error. Measured from the first one
    # it is not, so that identical models are at a distance of exactly 0.
    x = np.subtract(x, x.take([0], axis), order="C")
    x -= x.mean(axis, keepdims=True)
    return x


def squared_norm(x: np.ndarray, *, n_queries: int) -> FloatArray:
    """Return ||D||_F^2, (time, replicate), of positions (time, replicate, n, [query,] m).

    sum_ij ||x_i - x_j||^2 = 2 n sum_i ||x_i - xbar||^2, so D itself, which has
    n^2 entries, is not needed. A block of times is worked on at once, and of one time
    some queries, which keeps the memory taken independent of their numbers.
    """
    out = np.zeros(x.shape[:2])
    step = max(1, _BLOCK // max(1, x[:1].size))
    # Where one time is more than a block: some of its queries (or coordinates) at once.
    width = max(1, _BLOCK // max(1, x[:step, :, :, :1].size))
    for start in range(0, len(x), step):
        for first in range(0, x.shape[3], width):
            part = x[start : start + step, :, :, first : first + width]
            block = centred(part.astype(np.float64, copy=False), axis=2)
            flat = block.reshape(*block.shape[:2], -1)
            out[start : start + step] += np.einsum("tri,tri->tr", flat, flat)
    return 2.0 * x.shape[2] / n_queries * out
