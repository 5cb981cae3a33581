"""Which survivors own the points of a component that a model has lost.

Letters in the shapes: B components, d features, Q nodes. `centres` are the
means in units in which the covariance is the identity, and `nodes` stand for
standard normal points, all of the same weight.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import qmc

N_NODES = 1024
# Survivors that own a point less often than a normal number is below this are left out.
_UNLIKELY = -6.0


def normal_nodes(d: int, n: int = N_NODES) -> NDArray[np.float64]:
    """Return `n` points, a power of 2, that stand for the standard normal law: (n, d).

    Sobol's sequence, not scrambled, through the normal quantiles.
    """
    return ndtri(qmc.Sobol(d, scramble=False).random(n) + 0.5 / n)


@numba.njit(nogil=True, error_model="numpy")
def _square(centres: Any, a: int, b: int) -> float:
    square = 0.0
    for feature in range(centres.shape[1]):
        square += (centres[a, feature] - centres[b, feature]) ** 2
    return square


@numba.njit(nogil=True, error_model="numpy")
def ownership(lost: int, weights: Any, centres: Any, nodes: Any, out: Any) -> None:
    """Write the mean share that each component has in a point of a lost one.

    ``E[pi_s N_s(u) / g(u)]`` over u from component `lost`, where the log of the
    numerator is linear in u. `weights` and `out` are (B,); the lost have 0.
    With a single survivor in reach it is that one's. Between two the log odds
    are normal and their mean share is nearly a normal probability; more are
    averaged over the nodes.
    """
    n_b = weights.size
    first, best = -1, -np.inf
    for s in range(n_b):
        out[s] = -np.inf
        if weights[s] > 0.0:
            out[s] = math.log(weights[s]) - 0.5 * _square(centres, s, lost)
            if out[s] > best:
                first, best = s, out[s]
    if first < 0:  # nothing but sums is known of the survivors yet
        out[:] = 0.0
        out[weights.argmax()] = 1.0
        return
    rivals, second, odds = 0, -1, 0.0
    for s in range(n_b):
        if s != first and out[s] > -np.inf:
            square = _square(centres, s, first)
            # A logistic curve is close to a normal one of standard deviation sqrt(8 / pi).
            z = (out[s] - best) / math.sqrt(square + 8.0 / math.pi)
            if z > _UNLIKELY:
                rivals += 1
                second, odds = s, z
            else:
                out[s] = -np.inf
    if rivals < 2:
        share = 0.5 * math.erfc(-odds / math.sqrt(2.0)) if rivals else 0.0
        out[:] = 0.0
        out[first] = 1.0 - share
        if rivals:
            out[second] = share
        return
    scores = out.copy()
    out[:] = 0.0
    terms = np.zeros(n_b)
    for q in range(nodes.shape[0]):
        highest = -np.inf
        for s in range(n_b):
            if scores[s] > -np.inf:
                terms[s] = scores[s]
                for feature in range(centres.shape[1]):
                    terms[s] += (centres[s, feature] - centres[lost, feature]) * nodes[q, feature]
                highest = max(highest, terms[s])
        total = 0.0
        for s in range(n_b):
            if scores[s] > -np.inf:
                terms[s] = math.exp(terms[s] - highest)
                total += terms[s]
        for s in range(n_b):
            if scores[s] > -np.inf:
                out[s] += terms[s] / (total * nodes.shape[0])


@numba.njit(nogil=True, error_model="numpy")
def owned(
    weights: Any, counts: Any, centres: Any, nodes: Any, offset: float, out: Any, spare: Any
) -> None:
    """Write how many points of the web each survivor owns: (B,) whole numbers.

    `counts` (B,) are the points by component, whose sum is kept; a uniform
    `offset` rounds without bias. `spare` (B,) is overwritten.
    """
    n_b = weights.size
    for b in range(n_b):
        out[b] = counts[b] if weights[b] > 0.0 else 0.0
    last = -1
    for b in range(n_b):
        if weights[b] > 0.0:
            last = b
        elif counts[b] > 0.0:
            ownership(b, weights, centres, nodes, spare)
            for s in range(n_b):
                out[s] += counts[b] * spare[s]
    total = counts.sum()
    exact, given = 0.0, 0.0
    for b in range(n_b):
        if b == last:
            out[b] = total - given
        elif weights[b] > 0.0:
            exact += out[b]
            upto = math.floor(exact + offset)
            out[b] = upto - given
            given = upto
