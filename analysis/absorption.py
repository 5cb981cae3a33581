"""What a network with epsilon = 0 tends to, once some models have lost components."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lwdstats.arrays import FloatArray


@dataclass(frozen=True)
class Prediction:
    """What the argument in docs/theorem.md says of ||D||_F.

    Attributes
    ----------
    stalls : bool
        Whether it tends to a number above 0.
    exponent : float
        It falls like ``t^-exponent`` otherwise.
    limit : float
        What it tends to, from the web's composition given.
    """

    stalls: bool
    exponent: float
    limit: float


def owners(weight: FloatArray, means: FloatArray) -> FloatArray:
    """Return R_i (n, B, B): the share in which each of a model's survivors owns a component.

    Parameters
    ----------
    weight : (n, B) float64
        0 where a model has lost a component.
    means : (B,) float64
        On a line. A component half-way between two survivors is owned by both.
    """
    n, n_b = weight.shape
    out = np.zeros((n, n_b, n_b))
    for i in range(n):
        alive = np.flatnonzero(weight[i] > 0)
        apart = np.abs(means[alive] - means[:, None])
        near = apart <= apart.min(1, keepdims=True) + 1e-9
        out[i][:, alive] = near / near.sum(1, keepdims=True)
    return out


def prediction(maps: FloatArray, web: FloatArray) -> Prediction:
    """Predict from maps (n, B, B), as `owners` gives, and the web's composition (B,)."""
    from scipy.sparse.csgraph import connected_components

    mean = maps.mean(0)
    count, label = connected_components(mean > 0, connection="strong")
    members = label == np.arange(count)[:, None]
    closed = np.array([mean[np.ix_(m, ~m)].sum() == 0 for m in members])
    stalls = bool((members[closed].sum(1) > 1).any())
    # Mass on what is not closed drains at the slowest rate of its own block.
    open_ones = ~members[closed].any(0)
    rate = 1.0
    if open_ones.any():
        rate = 1.0 - float(np.linalg.eigvals(mean[np.ix_(open_ones, open_ones)]).real.max())
    # Noise of order t^(-1/2) is added as long as more than one closed class has mass; what drains
    # to a single one takes its noise along.
    kept = int(closed.sum())
    exponent = rate if kept == 1 else min(rate, 0.5)
    limit = np.linalg.matrix_power(mean, 2**20).T @ web
    models = np.einsum("b,ibc->ic", limit, maps)
    apart = models[:, None] - models[None]
    return Prediction(stalls, exponent, float(np.sqrt((apart**2).sum())))
