"""Algorithm 2 with components that move, one point after the other.

``mu += g d`` and ``C += g (s d d' - C)`` with the residual ``d = u - mu`` of before, the gain
``g = alpha o / pi`` clipped at 1, o and pi of before the point, and s = 1; or s = 1 - g where
damped, which is the product of the residuals before and after the mean has moved.

Letters in the shapes: n models, m models of a block, B components, d features, N posts; see
`state` for rows and lanes. The inner functions take the address of one flat array and places in
it: where arrays are handed on in a loop, counting their references costs more than the arithmetic.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from lwdstats.simulate.gmm.exact.moving.state import (
    BOUND,
    DIAG,
    FIXED,
    FULL,
    HEIGHT,
    HIGH,
    LANES,
    LOG_HEIGHT,
    LOW,
    MEAN,
    SPHERICAL,
    WEIGHT,
    WIDTH,
    covariance_of,
    n_pivots,
    n_rows,
    n_vectors,
    set_height,
    truncate_lane,
    write_covariance,
)
from lwdstats.simulate.gmm.exact.simd import (
    add,
    address_of,
    any_less,
    any_nonpositive,
    divide,
    exponential,
    load,
    maximum,
    minimum,
    multiply,
    multiply_add,
    peek,
    poke,
    root,
    splat,
    store,
    subtract,
    unlikely,
    where_less,
)

U64 = np.uint64
W = U64(WIDTH)
# Points that are laid out at a time, so that they stay in the cache.
CHUNK = 64
NOWHERE = -1e300
# Exponents of densities that are in no danger.
FAR, NEAR = -50.0, 300.0
# Networks for which the compiler knows the numbers of components and features, or of the latter.
PAIR, LINE, PLANE = 1, 2, 3


@numba.njit(nogil=True)
def lay_counts(k: Any, counts: Any, n_features: int, state: Any, place: int) -> None:
    """Write ``counts[m, 0]`` behind the coordinates of all points that `lay_out` may write."""
    row = n_vectors(k.size) * (n_features + 1) * WIDTH
    for lane in range(k.size):
        at = place + (lane // WIDTH * (n_features + 1) + n_features) * WIDTH + lane % WIDTH
        for _ in range(CHUNK):
            state[at] = counts[lane, 0]
            at += row


@numba.njit(nogil=True)
def lay_out(
    web: Any, drawn: Any, k: Any, start: int, stop: int, counts: Any, real: Any, state: Any,
    place: int,
) -> None:  # fmt: skip
    """Write the points that models read as draws `start` to `stop`, one model a lane.

    For each draw and vector d rows of coordinates and one of what the point counts: ``counts[m,
    real]``, or where `real` is empty what `lay_counts` wrote; and 0 in a lane that has read all
    its points, which then changes nothing.
    """
    n_features, row = U64(web.shape[1]), U64(n_vectors(k.size) * (web.shape[1] + 1)) * W
    points, rows = address_of(web), address_of(state)
    apart = real.size > 0
    for lane in range(n_vectors(k.size) * WIDTH):
        at = U64(place) + U64(lane) // W * (n_features + U64(1)) * W + U64(lane) % W
        end = min(stop, k[lane]) if lane < k.size else start
        for j in range(U64(start), U64(max(start, end))):
            point = U64(drawn[U64(lane), j])
            here = at
            for f in range(n_features):
                poke(rows, here, peek(points, point * n_features + f))
                here += W
            if apart:
                poke(rows, here, counts[lane, real[point]])
            at += row
        for _ in range(max(start, end), stop):
            for f in range(n_features + U64(1)):
                poke(rows, at + f * W, 0.0)
            at += row


@numba.njit(nogil=True)
def work_rows(kind: int, n_features: Any) -> Any:
    """Return how many rows a component takes to work in."""
    d = U64(n_features)
    return U64(2) + d * (d + U64(3)) // U64(2) if kind == FULL else U64(2) + d


@numba.njit(nogil=True, error_model="numpy", forceinline=True)
def squared_distance(
    state: Any, own: Any, kind: int, n_features: Any, point: Any, apart: Any
) -> Any:
    """Return the squared distance of a point from a component, in the metric of its covariance.

    Writes the residual to `apart`; where U is full, behind it what it is without U, and what is
    left of it after each column.
    """
    mean = own + U64(MEAN) * W
    inverse = own + (U64(MEAN) + n_features + U64(n_pivots(kind, n_features))) * W
    square = splat(0.0, LANES)
    if kind == FULL:
        place = inverse + n_features * W
        solved = apart + n_features * W
        rest = solved + n_features * W
        for f in range(n_features):
            here = f * W
            left = subtract(load(state, point + here, LANES), load(state, mean + here, LANES))
            store(state, apart + here, left)
            store(state, solved + here, left)
        for c in range(n_features):
            here = solved + c * W
            known = load(state, here, LANES)
            scaled = multiply(known, load(state, inverse + c * W, LANES))
            square = multiply_add(scaled, known, square)
            for _ in range(c + U64(1), n_features):
                here += W
                part = multiply(load(state, place, LANES), known)
                left = subtract(load(state, here, LANES), part)
                store(state, here, left)
                store(state, rest, left)
                place += W
                rest += W
        return square
    for f in range(n_features):
        here = f * W
        left = subtract(load(state, point + here, LANES), load(state, mean + here, LANES))
        store(state, apart + here, left)
        scaled = left
        if kind == DIAG:
            scaled = multiply(left, load(state, inverse + here, LANES))
        square = multiply_add(scaled, left, square)
    if kind == SPHERICAL:
        square = multiply(square, load(state, inverse, LANES))
    return square


@numba.njit(nogil=True, error_model="numpy")
def raise_pivots(state: Any, at: Any, many: Any, n_features: Any, floor: float) -> int:
    """Raise pivots of a lane that are below the floor; return whether there were any."""
    pivot = at + (U64(MEAN) + n_features) * W
    raised = 0
    for f in range(many):
        if not peek(state, pivot + f * W) >= floor:
            poke(state, pivot + f * W, floor)
            raised = 1
    if raised:
        # Inverses and height were computed of what was there.
        for f in range(many):
            poke(state, pivot + (many + f) * W, 1.0 / peek(state, pivot + f * W))
        set_height(state, at, many, n_features)
    return raised


@numba.njit(nogil=True, error_model="numpy", forceinline=True)
def shift(
    state: Any, own: Any, kind: int, damped: bool, floor: float, n_features: Any, gain: Any,
    square: Any, apart: Any,
) -> Any:  # fmt: skip
    """Move a component by `gain` in each lane; return how often a covariance was raised.

    `square` and `apart` are what `squared_distance` gave.
    """
    one, zero = splat(1.0, LANES), splat(0.0, LANES)
    mean = own + U64(MEAN) * W
    if kind != DIAG:
        for f in range(n_features):
            here = f * W
            old = load(state, mean + here, LANES)
            store(state, mean + here, multiply_add(gain, load(state, apart + here, LANES), old))
    if kind == FIXED:
        return zero
    many = U64(n_pivots(kind, n_features))
    pivot = mean + n_features * W
    inverse = pivot + many * W
    left = subtract(one, gain)
    amount = multiply(gain, left) if damped else gain
    ratio, lowest = one, splat(np.inf, LANES)
    if kind == SPHERICAL:
        old = load(state, pivot, LANES)
        each = multiply(multiply(amount, old), splat(1.0 / n_features, LANES))
        lowest = multiply_add(each, square, multiply(left, old))
        store(state, pivot, lowest)
        new = divide(one, lowest)
        store(state, inverse, new)
        part = multiply(old, new)
        for _ in range(n_features):
            ratio = multiply(ratio, part)
    elif kind == DIAG:
        last = zero
        for f in range(n_features):
            here = f * W
            old, off = load(state, mean + here, LANES), load(state, apart + here, LANES)
            store(state, mean + here, multiply_add(gain, off, old))
            old = load(state, pivot + here, LANES)
            new = multiply_add(multiply(off, off), amount, multiply(left, old))
            lowest = minimum(lowest, new)
            store(state, pivot + here, new)
            ratio = multiply(ratio, old)
            # One division gives the inverses of two pivots.
            if f & U64(1) == U64(1):
                both = divide(one, multiply(last, new))
                store(state, inverse + here, multiply(both, last))
                store(state, inverse + here - W, multiply(both, new))
                ratio = multiply(ratio, both)
            elif f + U64(1) == n_features:
                new = divide(one, new)
                store(state, inverse + here, new)
                ratio = multiply(ratio, new)
            last = new
    else:
        # The factors of a sum with a matrix of rank one: Gill, Golub, Murray and Saunders (1974).
        unit, solved = inverse + many * W, apart + n_features * W
        rest = solved + n_features * W
        for c in range(n_features):
            here = c * W
            known, before = load(state, solved + here, LANES), load(state, pivot + here, LANES)
            old, push = multiply(left, before), multiply(known, amount)
            new = multiply_add(push, known, old)
            store(state, pivot + here, new)
            new = divide(one, new)
            store(state, inverse + here, new)
            ratio = multiply(ratio, multiply(before, new))
            push, amount = multiply(push, new), multiply(multiply(amount, old), new)
            for _ in range(c + U64(1), n_features):
                moved = multiply_add(push, load(state, rest, LANES), load(state, unit, LANES))
                store(state, unit, moved)
                unit += W
                rest += W
    height = multiply(load(state, own + U64(HEIGHT) * W, LANES), root(ratio))
    store(state, own + U64(HEIGHT) * W, height)
    if unlikely(any_less(height, splat(LOW, LANES)) or any_less(splat(HIGH, LANES), height)):
        for lane in range(W):
            set_height(state, own + lane, many, n_features)
    if unlikely(any_less(lowest, splat(floor, LANES))):
        for lane in range(W):
            low = raise_pivots(state, own + lane, many, n_features, floor)
            poke(state, apart + lane, float(low))
        return load(state, apart, LANES)
    return zero


@numba.njit(nogil=True, error_model="numpy")
def shift_near_floor(
    state: Any, own: Any, damped: bool, floor: float, n_features: Any, gains: Any, apart: Any
) -> None:
    """Move full covariances of which an eigenvalue could fall below the floor, lane by lane.

    Replaces the gains at place `gains` by those that `shift` is yet to make, and behind these
    says in which lanes a covariance was raised.
    """
    for lane in range(W):
        here = gains + lane
        gain, bound = peek(state, here), own + U64(BOUND) * W + lane
        left = (1.0 - gain) * peek(state, bound)
        poke(state, here + W, 0.0)
        if left >= floor:
            poke(state, bound, left)
            continue
        if gain == 0.0:
            continue
        covariance = covariance_of(state, own + lane, n_features) * (1.0 - gain)
        amount = gain * (1.0 - gain) if damped else gain
        off = np.empty(n_features)
        for f in range(n_features):
            off[f] = peek(state, apart + f * W + lane)
            place = own + (U64(MEAN) + f) * W + lane
            poke(state, place, peek(state, place) + gain * off[f])
        for r in range(n_features):
            for c in range(n_features):
                covariance[r, c] += amount * off[r] * off[c]
        raised = write_covariance(state, own + lane, covariance, floor)
        poke(state, here + W, float(raised))
        poke(state, here, 0.0)


@numba.njit(nogil=True, error_model="numpy", forceinline=True)
def densities(
    state: Any, first: Any, kind: int, n_components: Any, n_features: Any, step: Any, point: Any,
    work: Any,
) -> Any:  # fmt: skip
    """Write the density of a point under each component over the highest; return the mixture's.

    The rows of the first component begin at `first`, and the others `step` apart. Each component
    has `work_rows` from `work` on: density, squared distance, and those of `squared_distance`.
    """
    highest, zero = splat(NOWHERE, LANES), splat(0.0, LANES)
    room = work_rows(kind, n_features) * W
    for b in range(n_components):
        own, here = first + b * step, work + b * room
        square = squared_distance(state, own, kind, n_features, point, here + U64(2) * W)
        store(state, here + W, square)
        log_height = load(state, own + U64(LOG_HEIGHT) * W, LANES)
        exponent = multiply_add(square, splat(-0.5, LANES), log_height)
        # What has no weight owns nothing.
        weight = load(state, own + U64(WEIGHT) * W, LANES)
        exponent = where_less(zero, weight, exponent, splat(NOWHERE, LANES))
        store(state, here, exponent)
        highest = maximum(highest, exponent)
    # Where a point is near some component no exponential need wait for the highest of all.
    far = any_less(highest, splat(FAR, LANES)) or any_less(splat(NEAR, LANES), highest)
    if unlikely(far):
        for b in range(n_components):
            here = work + b * room
            store(state, here, subtract(load(state, here, LANES), highest))
    density = zero
    for b in range(n_components):
        own, here = first + b * step, work + b * room
        part = exponential(load(state, here, LANES))
        part = multiply(part, load(state, own + U64(HEIGHT) * W, LANES))
        store(state, here, part)
        density = multiply_add(part, load(state, own + U64(WEIGHT) * W, LANES), density)
    return density


@numba.njit(nogil=True, error_model="numpy", forceinline=True)
def learn_point(
    state: Any, first: Any, kind: int, damped: bool, floor: float, n_components: Any,
    n_features: Any, step: Any, point: Any, work: Any, told: Any,
) -> bool:  # fmt: skip
    """Let a vector of models learn from a point each; return whether a weight fell to 0.

    At `told` stand ``1 / (1 - B c)`` and that times c, and how often a gain was clipped and
    a covariance raised, which grow; the other places are those of `densities`.
    """
    one, zero = splat(1.0, LANES), splat(0.0, LANES)
    alpha = load(state, point + n_features * W, LANES)
    room = work_rows(kind, n_features) * W
    share, lowest, over, low = alpha, one, zero, zero
    if n_components > U64(1):
        density = densities(state, first, kind, n_components, n_features, step, point, work)
        share = divide(alpha, density)
    else:
        square = squared_distance(state, first, kind, n_features, point, work + U64(2) * W)
        store(state, work + W, square)
    kept = subtract(one, alpha)
    scale, loss = load(state, told, LANES), multiply(alpha, load(state, told + W, LANES))
    for b in range(n_components):
        own, here = first + b * step, work + b * room
        gain = share
        if n_components > U64(1):
            # alpha o / pi, and pi (1 - alpha + it / (1 - B c)) - alpha c / (1 - B c).
            gain = multiply(share, load(state, here, LANES))
            weight = load(state, own + U64(WEIGHT) * W, LANES)
            weight = subtract(multiply(weight, multiply_add(gain, scale, kept)), loss)
            store(state, own + U64(WEIGHT) * W, weight)
            lowest = minimum(lowest, weight)
            if unlikely(any_less(one, gain)):
                over = add(over, where_less(one, gain, one, zero))
                gain = minimum(gain, one)
        apart = here + U64(2) * W
        square = load(state, here + W, LANES)
        if kind == FULL:
            bound = own + U64(BOUND) * W
            left = multiply(subtract(one, gain), load(state, bound, LANES))
            if unlikely(any_less(left, splat(floor, LANES))):
                store(state, here, gain)
                shift_near_floor(state, own, damped, floor, n_features, here, apart)
                gain = load(state, here, LANES)
                low = add(low, load(state, here + W, LANES))
            else:
                store(state, bound, left)
        found = shift(state, own, kind, damped, floor, n_features, gain, square, apart)
        low = add(low, found)
    here = told + U64(2) * W
    store(state, here, add(load(state, here, LANES), over))
    here += W
    store(state, here, add(load(state, here, LANES), low))
    return any_nonpositive(lowest)


@numba.njit(nogil=True)
def room_of(moving: Any, n_models: int) -> int:
    """Return how many numbers a block's state is, with what stands behind it (see `places`)."""
    return places(moving, n_models)[3]


@numba.njit(nogil=True)
def places(moving: Any, n_models: int) -> Any:
    """Return where in a block's state sums, room to work in and points stand, and its end.

    The sums are four rows a vector in Algorithm 2, and in refits those of `gather`.
    """
    n_components, n_features = moving.means.shape[1:]
    many = n_vectors(n_models) * WIDTH
    tall = 2 + n_features + n_features * (n_features + 1) // 2
    sums = many * n_components * n_rows(moving.kind, n_features)
    work = sums + many * max(4, n_components * tall)
    points = work + WIDTH * n_components * np.int64(work_rows(moving.kind, n_features))
    return sums, work, points, points + many * CHUNK * (n_features + 1)


@numba.njit(nogil=True, error_model="numpy")
def absorb_moving(
    state: Any, first: int, drawn: Any, k: Any, steps: Any, complexity: Any, real: Any,
    threshold: float, web: Any, moving: Any, fired: Any, clipped: Any, floored: Any,
) -> None:  # fmt: skip
    """Let a block of models learn from what they drew, one point of each in turn.

    Parameters
    ----------
    state : (...,) float64
        The models of the block, from `pack`, and room (`room_of`); updated.
    first : int
        First model of the block.
    drawn, k : (m, > k), (m,) int
        Rows of the log that each reads, in order, and how many.
    steps, complexity : (m, 2), (m,) float64
        Step sizes of points that are not real and of those that are, and c.
    real : (N,) int8, or (0,)
        1 where a point is real; empty where both step sizes are the same.
    threshold : float
        epsilon.
    web : (N, d) float64
        The points.
    moving : Moving
    fired, clipped, floored : (n,) float64
        Raised by how often the truncation fired, a gain was clipped and a covariance raised.
    """
    kind, damped, floor = moving.kind, moving.damped, moving.floor
    n_components, n_features = U64(moving.means.shape[1]), U64(moving.means.shape[2])
    many = U64(n_vectors(k.size))
    step = U64(n_rows(kind, moving.means.shape[2])) * W
    sums, work, points, _ = places(moving, k.size)
    rows, form = address_of(state), -1
    if kind == SPHERICAL and moving.means.shape[2] == 1:
        form = PAIR if moving.means.shape[1] == 2 else LINE
    elif kind == FULL and moving.means.shape[2] == 2:
        form = PLANE
    longest = k.max()
    for lane in range(n_vectors(k.size) * WIDTH):
        place = sums + lane // WIDTH * 4 * WIDTH + lane % WIDTH
        c = complexity[lane] if lane < k.size else 0.0
        state[place] = 1.0 / (1.0 - moving.means.shape[1] * c)
        state[place + WIDTH] = c * state[place]
        state[place + 2 * WIDTH] = state[place + 3 * WIDTH] = 0.0
    lay_counts(k, steps, web.shape[1], state, points)
    for start in range(0, longest, CHUNK):
        stop = min(longest, start + CHUNK)
        lay_out(web, drawn, k, start, stop, steps, real, state, points)
        at = U64(points)
        for _ in range(stop - start):
            for v in range(many):
                base = v * n_components * step
                told = U64(sums) + v * U64(4) * W
                # What the compiler knows of kind and features it makes good use of.
                if form == PAIR:
                    fell = learn_point(
                        rows, base, SPHERICAL, damped, floor, U64(2), U64(1), step, at, U64(work),
                        told,
                    )  # fmt: skip
                elif form == LINE:
                    fell = learn_point(
                        rows, base, SPHERICAL, damped, floor, n_components, U64(1), step, at,
                        U64(work), told,
                    )  # fmt: skip
                elif form == PLANE:
                    fell = learn_point(
                        rows, base, FULL, damped, floor, n_components, U64(2), step, at,
                        U64(work), told,
                    )  # fmt: skip
                elif kind == DIAG:
                    fell = learn_point(
                        rows, base, DIAG, damped, floor, n_components, n_features, step, at,
                        U64(work), told,
                    )  # fmt: skip
                else:
                    fell = learn_point(
                        rows, base, kind, damped, floor, n_components, n_features, step, at,
                        U64(work), told,
                    )  # fmt: skip
                if unlikely(fell):
                    for lane in range(min(W, U64(k.size) - v * W)):
                        fired[U64(first) + v * W + lane] += truncate_lane(
                            rows, base + lane, step, n_components, threshold
                        )
                at += (n_features + U64(1)) * W
    for m in range(k.size):
        place = sums + m // WIDTH * 4 * WIDTH + m % WIDTH
        clipped[first + m] += state[place + 2 * WIDTH]
        floored[first + m] += state[place + 3 * WIDTH]
