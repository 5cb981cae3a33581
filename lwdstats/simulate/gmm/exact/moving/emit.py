"""Points of mixtures whose components differ in more than their weights."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from lwdstats.simulate.gmm.xoshiro import choose, normal_pair, uniform


@numba.njit(nogil=True)
def emit_moving(weights: Any, means: Any, factors: Any, states: Any, model: int, out: Any) -> None:
    """Draw points: `weights` (B,), `means` (B, d), Cholesky `factors` (B, d, d), `out` (L, d).

    The draws are those of `emit`, so that where nothing has moved the points are its.
    """
    n_features = means.shape[1]
    normal = np.empty(n_features + 1)
    mass = weights.sum()
    for point in range(out.shape[0]):
        chosen = choose(weights, uniform(states, model) * mass)
        for feature in range(0, n_features, 2):
            normal[feature], normal[feature + 1] = normal_pair(states, model)
        for row in range(n_features):
            value = means[chosen, row]
            for column in range(row + 1):
                value += factors[chosen, row, column] * normal[column]
            out[point, row] = value
