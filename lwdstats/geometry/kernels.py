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


def distances(x: FloatArray, method: str, p: float) -> FloatArray:
    """Return the (n, n) distances between the rows of `x`, (n, m), as R's ``dist``."""
    if method == "minkowski":
        return squareform(pdist(x, "minkowski", p=p))
    if method == "binary":
        return squareform(pdist(x != 0, METHODS[method]))
    d = pdist(x, METHODS[method])
    if method == "canberra":
        # R leaves out the terms that are 0/0 and scales the sum up for them; scipy counts
        # them as 0. Where no term is left, the distance is NaN (R's NA).
        zero = (x == 0).astype(np.float64)
        used = x.shape[1] - (zero @ zero.T)[np.triu_indices(len(x), 1)]
        d = d * np.divide(x.shape[1], used, out=np.full_like(used, np.nan), where=used > 0)
    return squareform(d)


def stacked_distances(x: FloatArray, method: str, p: float) -> FloatArray:
    """Return the (..., n, n) distances of each (n, m) matrix in `x`, (..., n, m)."""
    n = x.shape[-2]
    out = np.empty((*x.shape[:-2], n, n))
    for index in np.ndindex(x.shape[:-2]):
        out[index] = distances(x[index], method, p)
    return out


def gower(d: FloatArray) -> FloatArray:
    """Return the doubly centred matrix of -d^2 / 2, (n, n), of distances d."""
    return doubly_centred(-0.5 * d * d)


def doubly_centred(G: FloatArray) -> FloatArray:
    """Return a symmetric matrix (n, n) less the means of its rows and columns."""
    G = G - G.mean(axis=0)
    G -= G.mean(axis=1, keepdims=True)
    return (G + G.T) / 2.0


def centred_sum_of_squares(x: np.ndarray, axis: int) -> FloatArray:
    """Return sums of squared deviations from the mean over `axis`.

    `x` is (time, replicate, ...), `axis` any axis past these two; the sum is
    over all of them, so the result is (time, replicate). A block of times is
    worked on at once, which keeps the memory taken independent of their number.
    """
    out = np.empty(x.shape[:2])
    step = max(1, _BLOCK // max(1, x[:1].size))
    for start in range(0, len(x), step):
        block = x[start : start + step].astype(np.float64, order="C")
        # The mean of equal numbers can be off by a rounding error. Measured from the first
        # one it is not, so that identical models are at a distance of exactly 0.
        block -= block.take([0], axis)
        block -= block.mean(axis, keepdims=True)
        flat = block.reshape(*block.shape[:2], -1)
        out[start : start + step] = np.einsum("tri,tri->tr", flat, flat)
    return out


def squared_norm(x: np.ndarray, *, n_queries: int) -> FloatArray:
    """Return ||D||_F^2, (time, replicate), of positions (time, replicate, n, [query,] m).

    sum_ij ||x_i - x_j||^2 = 2 n sum_i ||x_i - xbar||^2, so D itself, which has
    n^2 entries, is not needed.
    """
    return 2.0 * x.shape[2] / n_queries * centred_sum_of_squares(x, axis=2)


def sampling_inflation(s: np.ndarray, *, n_queries: int) -> FloatArray:
    """Return what finite L adds to E ||D||_F^2, (time, replicate), estimated without bias.

    `s` is (time, replicate, n, [query,] L, m), L at least 2. Each of the n - 1
    ordered pairs in which a model comes first, and each in which it comes
    second, holds tr(S_i)/L once: 2 (n - 1) sum_i tr(S_i)/L, averaged over queries.
    """
    n, n_responses = s.shape[2], s.shape[-2]
    # The sum of the traces over models (and queries), times L - 1.
    traces = centred_sum_of_squares(s, axis=s.ndim - 2)
    return 2.0 * (n - 1) / (n_responses * (n_responses - 1) * n_queries) * traces
