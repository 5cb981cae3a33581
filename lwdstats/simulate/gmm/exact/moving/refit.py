"""One refit of weights, means and covariances to all points that a model reads: a step of EM.

With ownerships o_j by what the model knew before, and what a point counts q_j, component b has
``S = sum_j q_j o_j`` points, with mean m and covariance V. Its gain is ``g = S / (nu pi + S)``,
``D = m - mu``, and

    mu' = mu + g D,    C' = (1 - g) C + g (V + s D D'),

s = 1 where the residuals are those from the old mean, and 1 - g where they are the product of
those from the old and the new mean: then mean and covariance are those of the points together
with nu pi of before, and where nu = 0 the estimates of maximum likelihood.

Letters in the shapes: as in `update`.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from lwdstats.simulate.gmm.exact.moving.state import (
    APART,
    DENSITY,
    FEATURES,
    FIXED,
    FULL,
    INVERSE,
    LANES,
    MEAN,
    PIVOT,
    SPHERICAL,
    WEIGHT,
    WIDTH,
    covariance_of,
    n_pivots,
    n_rows,
    n_vectors,
    row_of,
    set_height,
    truncate_lane,
    write_covariance,
)
from lwdstats.simulate.gmm.exact.moving.update import (
    CHUNK,
    EACH_FEATURE,
    U64,
    W,
    densities,
    lay_out,
    places,
)
from lwdstats.simulate.gmm.exact.simd import (
    add,
    address_of,
    divide,
    load,
    multiply,
    multiply_add,
    peek,
    poke,
    splat,
    store,
    subtract,
    where_less,
)


@numba.njit(nogil=True, error_model="numpy")
def gather(
    state: Any, at: Any, kind: int, n_features: Any, point: Any, count: Any, own: Any
) -> None:
    """Add a point that counts `count` to the sums of a component, which stand at `at`.

    They are S, the mean, and the sum of squares and products about it: none, their trace, those
    of each feature, or all by rows up to the diagonal. The component's rows begin at `own`.
    """
    total = add(load(state, at, LANES), count)
    store(state, at, total)
    # Where nothing has come yet, nothing moves.
    zero = splat(0.0, LANES)
    share = where_less(zero, total, divide(count, total), zero)
    mean, apart = at + W, own + U64(FEATURES + APART) * W
    for f in range(n_features):
        here = f * W
        old = load(state, mean + here, LANES)
        off = subtract(load(state, point + here, LANES), old)
        store(state, apart + f * EACH_FEATURE, off)
        store(state, mean + here, multiply_add(share, off, old))
    count = multiply(count, subtract(splat(1.0, LANES), share))
    square = mean + n_features * W
    if kind == SPHERICAL:
        trace = load(state, square, LANES)
        for f in range(n_features):
            off = load(state, apart + f * EACH_FEATURE, LANES)
            trace = multiply_add(multiply(count, off), off, trace)
        store(state, square, trace)
    elif kind != FIXED:
        for r in range(n_features):
            off = multiply(count, load(state, apart + r * EACH_FEATURE, LANES))
            first = U64(0) if kind == FULL else r
            for c in range(first, r + U64(1)):
                other = load(state, apart + c * EACH_FEATURE, LANES)
                store(state, square, multiply_add(off, other, load(state, square, LANES)))
                square += W


@numba.njit(nogil=True, error_model="numpy")
def move(state: Any, own: Any, moving: Any, at: Any, prior: float) -> int:
    """Move a component of one lane by its sums; return whether its covariance was raised."""
    kind, n_features = moving.kind, moving.means.shape[2]
    own, at = np.int64(own), np.int64(at)
    count = peek(state, at)
    # Where nothing is owned there is nothing to learn from.
    if not count > 1e-300:
        return 0
    gain = count / (prior * peek(state, own + WEIGHT * WIDTH) + count)
    much = 1.0 - gain if moving.damped else 1.0
    off = np.empty(n_features)
    for f in range(n_features):
        place = own + row_of(MEAN, f) * WIDTH
        off[f] = peek(state, at + (1 + f) * WIDTH) - peek(state, place)
        poke(state, place, peek(state, place) + gain * off[f])
    square = at + (1 + n_features) * WIDTH
    if kind == FIXED:
        return 0
    if kind == FULL:
        covariance = covariance_of(state, own, n_features) * (1.0 - gain)
        for r in range(n_features):
            for c in range(r + 1):
                each = peek(state, square) / count + much * off[r] * off[c]
                square += WIDTH
                covariance[r, c] += gain * each
                covariance[c, r] = covariance[r, c]
        return write_covariance(state, own, covariance, moving.floor)
    many = n_pivots(kind, n_features)
    raised = 0
    for f in range(many):
        place = own + row_of(PIVOT, f) * WIDTH
        if kind == SPHERICAL:
            each = (peek(state, square) / count + much * (off**2).sum()) / n_features
        else:
            each = peek(state, square) / count + much * off[f] ** 2
        square += WIDTH
        new = (1.0 - gain) * peek(state, place) + gain * each
        if new < moving.floor:
            new, raised = moving.floor, 1
        poke(state, place, new)
        poke(state, own + row_of(INVERSE, f) * WIDTH, 1.0 / new)
    set_height(state, own, many, n_features)
    return raised


@numba.njit(nogil=True, error_model="numpy")
def refit_moving(
    state: Any, first: int, drawn: Any, k: Any, counts: Any, prior: float, complexity: Any,
    real: Any, threshold: float, web: Any, moving: Any, fired: Any, floored: Any,
) -> None:  # fmt: skip
    """Refit a block of models, each to all points that it drew; ``nu = prior`` points stay.

    Parameters
    ----------
    state, first, drawn, k, complexity, real, threshold, web, moving, fired, floored
        As `absorb_moving` takes them.
    counts : (m, 2) float64
        q of points that are not real, and of those that are, k in all.
    prior : float
        nu.
    """
    kind = moving.kind
    n_components, n_features = U64(moving.means.shape[1]), U64(moving.means.shape[2])
    many = U64(n_vectors(k.size))
    step = U64(n_rows(kind, moving.means.shape[2])) * W
    tall = U64(2) + n_features + n_features * (n_features + U64(1)) // U64(2)
    wide = tall * W
    sums, points, _ = places(moving, k.size)
    state[sums:points] = 0.0
    rows = address_of(state)
    longest = k.max()
    for start in range(0, longest, CHUNK):
        stop = min(longest, start + CHUNK)
        lay_out(web, drawn, k, start, stop, counts, real, state, points)
        at = U64(points)
        for _ in range(stop - start):
            for v in range(many):
                count = load(rows, at + n_features * W, LANES)
                base, to = v * n_components * step, U64(sums) + v * n_components * wide
                share = count
                if n_components > U64(1):
                    density = densities(rows, base, kind, n_components, n_features, step, at)
                    share = divide(count, density)
                for b in range(n_components):
                    owned, own = share, base + b * step
                    if n_components > U64(1):
                        owned = multiply(share, load(rows, own + U64(DENSITY) * W, LANES))
                        owned = multiply(owned, load(rows, own + U64(WEIGHT) * W, LANES))
                    gather(rows, to + b * wide, kind, n_features, at, owned, own)
                at += (n_features + U64(1)) * W
    for m in range(U64(k.size)):
        if k[m] == 0:
            continue
        lane = m // W * n_components * step + m % W
        place = U64(sums) + m // W * n_components * wide + m % W
        h = 1.0 - n_components * complexity[m]
        i = U64(first) + m
        for b in range(n_components):
            now, at = lane + b * step, place + b * wide
            # First what was: the gain is by the weight of before.
            floored[i] += move(rows, now, moving, at, prior)
            if n_components > U64(1):
                gained = (state[at] - k[m] * complexity[m]) / h
                state[now] = (prior * state[now] + gained) / (prior + k[m])
        fired[i] += truncate_lane(rows, lane, step, n_components, threshold)
