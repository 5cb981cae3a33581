"""One curve of distances between times: classical scaling, then ISOMAP to one dimension.

Arrays only. T times.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse.csgraph import connected_components, csgraph_from_dense, shortest_path
from scipy.spatial.distance import cdist

from lwdstats.arrays import FloatArray
from lwdstats.geometry.cmdscale import fix_signs
from lwdstats.geometry.kernels import doubly_centred


def scale(squared: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return coordinates (T, T) and eigenvalues (T,) of squared distances, which may be below 0.

    Columns whose eigenvalue is not above 0, or above rounding, are 0.
    """
    eig, vectors = np.linalg.eigh(doubly_centred(-0.5 * squared))
    eig, vectors = eig[::-1].copy(), vectors[:, ::-1]
    least = 4.0 * len(eig) * np.finfo(np.float64).eps * np.abs(squared).max()
    points = vectors * np.sqrt(np.where(eig > least, eig, 0.0))
    return fix_signs(points), eig


def isomap(points: FloatArray, neighbors: int | None) -> tuple[FloatArray, int]:
    """Return the ISOMAP of points (T, k) in one dimension, (T,), and the neighbours it took.

    None: as few as connect all points. Points on a line stay as they are.
    """
    n = len(points)
    d = cdist(points, points)
    # Of points that coincide each is its own nearest first.
    np.fill_diagonal(d, -1.0)
    order = np.argsort(d, axis=1, kind="stable")
    np.fill_diagonal(d, 0.0)
    for count in range(neighbors or 1, n):
        near = np.zeros((n, n), dtype=bool)
        np.put_along_axis(near, order[:, 1 : count + 1], values=True, axis=1)
        edges = np.where(near | near.T, d, np.inf)
        if connected_components(near | near.T, directed=False)[0] == 1:
            break
    else:
        edges, count = d, n - 1
    if points.shape[1] == 1:
        return points[:, 0].copy(), count
    along = shortest_path(csgraph_from_dense(edges, null_value=np.inf), directed=False)
    eig, vectors = np.linalg.eigh(doubly_centred(-0.5 * along**2))
    return vectors[:, -1] * np.sqrt(max(eig[-1], 0.0)), count
