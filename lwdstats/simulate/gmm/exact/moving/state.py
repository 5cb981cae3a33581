"""What models know whose components move, as arrays and as rows that vectors of models share.

Coordinates are whitened by the covariance that the network starts from. A covariance is
``U diag(p) U'``, with U lower triangular and ones on its diagonal, and pivots p.

Letters in the shapes: n models, m models of a block, B components, d features, V vectors, W
lanes of a vector, R rows of a component, P pivots. A `state` that only takes rows by `peek` and
`poke` is an address (see `address_of`).

The models of a block lie beside each other, one a lane, so that one instruction moves
several: number ``((v B + b) R + r) W + lane`` of a flat array is row r of component b.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numba
import numpy as np

from lwdstats.simulate.gmm.exact.simd import address_of, peek, poke

# What a covariance may be; FIXED: it stays where it was.
FIXED, SPHERICAL, DIAG, FULL = 0, 1, 2, 3
LANES = (0, 0, 0, 0)
WIDTH = len(LANES)
# Rows of a component. Its density at squared distance s is its HEIGHT times the exponential of
# LOG_HEIGHT - s / 2, up to a constant; no eigenvalue of its covariance is below its BOUND. DENSITY
# and SQUARE, s, are of the point that is being read.
WEIGHT, HEIGHT, LOG_HEIGHT, BOUND, DENSITY, SQUARE = 0, 1, 2, 3, 4, 5
# From FEATURES on each feature has EACH rows: its mean, its pivot and the inverse of that, and how
# far the point is APART from the mean, as it is and SOLVED for the columns of U. Behind them are,
# by columns, pairs of what U has below its diagonal and the REST that it leaves of a point. All
# that a step of a loop takes lies together, so that it needs few addresses.
FEATURES, EACH = 6, 5
MEAN, PIVOT, INVERSE, APART, SOLVED = 0, 1, 2, 3, 4
UNIT, REST, PAIR_ROWS = 0, 1, 2
# Within these a height is no danger to products with weights and exponentials.
LOW, HIGH = 1e-20, 1e20


class Moving(NamedTuple):
    """How components move, and where they are.

    Attributes
    ----------
    kind : int
        FIXED, SPHERICAL, DIAG or FULL.
    damped : bool
        Whether the residuals of a covariance are those before and after the mean has moved.
    floor, ceiling : float
        Least eigenvalue of a covariance, and a pivot or square of a mean that ends the run.
    means : (n, B, d) float64
    pivots : (n, B, d) float64
    units : (n, B, d, d) float64
        U.
    factors : (n, B, d, d) float64
        Lower Cholesky factors.
    """

    kind: int
    damped: bool
    floor: float
    ceiling: float
    means: Any
    pivots: Any
    units: Any
    factors: Any


@numba.njit(nogil=True)
def n_pivots(kind: int, n_features: int) -> int:
    """Return P."""
    if kind == FIXED:
        return 0
    return 1 if kind == SPHERICAL else n_features


@numba.njit(nogil=True)
def n_rows(kind: int, n_features: int) -> int:
    """Return R."""
    below = PAIR_ROWS * (n_features * (n_features - 1) // 2) if kind == FULL else 0
    return FEATURES + EACH * n_features + below


@numba.njit(nogil=True)
def row_of(what: Any, feature: Any) -> Any:
    """Return the row of a feature that says what, MEAN or another."""
    return FEATURES + EACH * feature + what


@numba.njit(nogil=True)
def n_vectors(n_models: int) -> int:
    """Return V."""
    return (n_models + WIDTH - 1) // WIDTH


@numba.njit(nogil=True)
def pack(weights: Any, moving: Any, first: int, size: int, state: Any) -> None:
    """Write the models `first` to ``first + size`` into rows; idle lanes hold the first one."""
    n_components, n_features = moving.means.shape[1:]
    many, rows = n_pivots(moving.kind, n_features), n_rows(moving.kind, n_features)
    for lane in range(n_vectors(size) * WIDTH):
        i = first + lane if lane < size else first
        for b in range(n_components):
            at = (lane // WIDTH * n_components + b) * rows * WIDTH + lane % WIDTH
            state[at + WEIGHT * WIDTH] = weights[i, b]
            for f in range(n_features):
                state[at + row_of(MEAN, f) * WIDTH] = moving.means[i, b, f]
            if many == 0:
                state[at + HEIGHT * WIDTH] = 1.0
                state[at + LOG_HEIGHT * WIDTH] = 0.0
                continue
            state[at + BOUND * WIDTH] = least_eigenvalue(moving, i, b)
            for f in range(many):
                pivot = moving.pivots[i, b, f]
                state[at + row_of(PIVOT, f) * WIDTH] = pivot
                state[at + row_of(INVERSE, f) * WIDTH] = 1.0 / pivot
            place = at + row_of(UNIT, n_features) * WIDTH
            if moving.kind == FULL:
                for c in range(n_features):
                    for r in range(c + 1, n_features):
                        state[place] = moving.units[i, b, r, c]
                        place += PAIR_ROWS * WIDTH
            set_height(address_of(state), at, many, n_features)


@numba.njit(nogil=True)
def least_eigenvalue(moving: Any, i: int, b: int) -> float:
    """Return a number that no eigenvalue of a full covariance is below."""
    # The inverse of a triangular matrix has a squared norm of at least each inverse eigenvalue.
    if moving.kind != FULL:
        return moving.floor
    n_features = moving.means.shape[2]
    square = 0.0
    column = np.empty(n_features)
    for c in range(n_features):
        for r in range(c, n_features):
            value = 1.0 if r == c else 0.0
            for j in range(c, r):
                value -= moving.units[i, b, r, j] * column[j]
            column[r] = value
            square += value * value / moving.pivots[i, b, r]
    return 1.0 / square


@numba.njit(nogil=True)
def set_height(state: Any, at: Any, many: Any, n_features: Any) -> None:
    """Write how high a density is at its mean, from the pivots; `at` is lane and component."""
    at = np.int64(at)
    total = 0.0
    for f in range(many):
        total += math.log(peek(state, at + row_of(PIVOT, f) * WIDTH))
    if many == 1:
        total *= n_features
    poke(state, at + HEIGHT * WIDTH, 1.0)
    poke(state, at + LOG_HEIGHT * WIDTH, -0.5 * total)


@numba.njit(nogil=True)
def unpack(state: Any, first: int, size: int, weights: Any, moving: Any) -> None:
    """Undo `pack`, and write the Cholesky factors."""
    n_components, n_features = moving.means.shape[1:]
    many, rows = n_pivots(moving.kind, n_features), n_rows(moving.kind, n_features)
    for lane in range(size):
        i = first + lane
        for b in range(n_components):
            at = (lane // WIDTH * n_components + b) * rows * WIDTH + lane % WIDTH
            weights[i, b] = state[at + WEIGHT * WIDTH]
            for f in range(n_features):
                moving.means[i, b, f] = state[at + row_of(MEAN, f) * WIDTH]
                if many > 0:
                    pivot = row_of(PIVOT, f if many > 1 else 0)
                    moving.pivots[i, b, f] = state[at + pivot * WIDTH]
            place = at + row_of(UNIT, n_features) * WIDTH
            if moving.kind == FULL:
                for c in range(n_features):
                    for r in range(c + 1, n_features):
                        moving.units[i, b, r, c] = state[place]
                        place += PAIR_ROWS * WIDTH
            for c in range(n_features):
                scale = math.sqrt(moving.pivots[i, b, c])
                for r in range(n_features):
                    moving.factors[i, b, r, c] = moving.units[i, b, r, c] * scale


@numba.njit(nogil=True)
def exceeds(moving: Any) -> bool:
    """Return whether a component is wider, or farther from 0, than the ceiling says."""
    n_models, n_components, n_features = moving.means.shape
    for i in range(n_models):
        for b in range(n_components):
            for f in range(n_features):
                far = max(moving.pivots[i, b, f], moving.means[i, b, f] ** 2)
                if not far <= moving.ceiling:
                    return True
    return False


@numba.njit(nogil=True)
def covariance_of(state: Any, at: Any, n_features: int) -> Any:
    """Return the covariance (d, d) that is full, of a lane and component."""
    at = np.int64(at)
    unit, pivots = np.eye(n_features), np.empty((n_features, 1))
    place = at + row_of(UNIT, n_features) * WIDTH
    for c in range(n_features):
        pivots[c, 0] = peek(state, at + row_of(PIVOT, c) * WIDTH)
        for r in range(c + 1, n_features):
            unit[r, c] = peek(state, place)
            place += PAIR_ROWS * WIDTH
    return np.dot(unit, pivots * unit.T)


@numba.njit(nogil=True)
def write_covariance(state: Any, at: Any, covariance: Any, floor: float) -> int:
    """Write a full covariance with no eigenvalue below `floor`; return whether one was raised.

    The array is lost.
    """
    at = np.int64(at)
    n_features = covariance.shape[0]
    values, vectors = np.linalg.eigh(covariance)
    raised = values[0] < floor
    if raised:
        covariance = np.dot(vectors * np.maximum(values, floor), vectors.T)
    poke(state, at + BOUND * WIDTH, max(values[0], floor))
    place = at + row_of(UNIT, n_features) * WIDTH
    for c in range(n_features):
        # Where rounding leaves no pivot, the floor.
        pivot = max(covariance[c, c], floor)
        poke(state, at + row_of(PIVOT, c) * WIDTH, pivot)
        poke(state, at + row_of(INVERSE, c) * WIDTH, 1.0 / pivot)
        for r in range(c + 1, n_features):
            unit = covariance[r, c] / pivot
            for j in range(c + 1, r + 1):
                covariance[r, j] -= unit * covariance[j, c]
            poke(state, place, unit)
            place += PAIR_ROWS * WIDTH
    set_height(state, at, n_features, n_features)
    return int(raised)


@numba.njit(nogil=True)
def truncate_lane(state: Any, at: Any, step: Any, n_components: Any, threshold: float) -> int:
    """Run lines 7 to 14 of Algorithm 2 on the weights of a lane; count the firings.

    The first weight is number `at` of `state`, and the others follow `step` numbers apart.
    """
    at = np.int64(at)
    fired = 0
    for b in range(n_components):
        here = at + b * step
        if peek(state, here) <= 0.0:
            fired += 1
            divisor = 1.0 + threshold - peek(state, here)
            for other in range(n_components):
                there = at + other * step
                if other != b:
                    poke(state, there, peek(state, there) / divisor)
            poke(state, here, threshold)
    return fired
