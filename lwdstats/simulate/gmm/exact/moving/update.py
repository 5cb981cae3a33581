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
    APART,
    BOUND,
    DENSITY,
    DIAG,
    EACH,
    FEATURES,
    FIXED,
    FULL,
    HEIGHT,
    HIGH,
    INVERSE,
    LANES,
    LOG_HEIGHT,
    LOW,
    MEAN,
    PAIR_ROWS,
    PIVOT,
    REST,
    SOLVED,
    SPHERICAL,
    SQUARE,
    UNIT,
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
EACH_FEATURE = U64(EACH) * W
# Points that are laid out at a time, so that they stay in the cache.
CHUNK = 64
NOWHERE = -1e300
# Exponents of densities that are in no danger.
FAR, NEAR = -50.0, 300.0


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
        first, last = U64(start), U64(max(start, end))
        # A coordinate of all points after the other: the inner loop has one length, and is short.
        for f in range(n_features):
            here = at + f * W
            for j in range(first, last):
                poke(rows, here, peek(points, U64(drawn[U64(lane), j]) * n_features + f))
                here += row
        if apart:
            here = at + n_features * W
            for j in range(first, last):
                poke(rows, here, counts[lane, real[U64(drawn[U64(lane), j])]])
                here += row
        at += (last - first) * row
        for _ in range(max(start, end), stop):
            for f in range(n_features + U64(1)):
                poke(rows, at + f * W, 0.0)
            at += row


@numba.njit(nogil=True, error_model="numpy", forceinline=True)
def squared_distance(state: Any, own: Any, kind: int, n_features: Any, point: Any) -> Any:
    """Return the squared distance of a point from a component, in the metric of its covariance.

    Writes the residual, and where U is full what is left of it after each column.
    """
    square, here = splat(0.0, LANES), own + U64(FEATURES) * W
    for _ in range(n_features):
        left = subtract(load(state, point, LANES), load(state, here + U64(MEAN) * W, LANES))
        store(state, here + U64(APART) * W, left)
        if kind == FULL:
            store(state, here + U64(SOLVED) * W, left)
        else:
            scaled = left
            if kind == DIAG:
                scaled = multiply(left, load(state, here + U64(INVERSE) * W, LANES))
            square = multiply_add(scaled, left, square)
        here += EACH_FEATURE
        point += W
    if kind == SPHERICAL:
        inverse = own + U64(FEATURES + INVERSE) * W
        square = multiply(square, load(state, inverse, LANES))
    elif kind == FULL:
        below, here = here, own + U64(FEATURES) * W
        for c in range(n_features):
            known = load(state, here + U64(SOLVED) * W, LANES)
            scaled = multiply(known, load(state, here + U64(INVERSE) * W, LANES))
            square = multiply_add(scaled, known, square)
            here += EACH_FEATURE
            other = here + U64(SOLVED) * W
            for _ in range(c + U64(1), n_features):
                part = multiply(load(state, below + U64(UNIT) * W, LANES), known)
                left = subtract(load(state, other, LANES), part)
                store(state, other, left)
                store(state, below + U64(REST) * W, left)
                below += U64(PAIR_ROWS) * W
                other += EACH_FEATURE
    return square


@numba.njit(nogil=True)
def raise_pivots(state: Any, at: Any, many: Any, n_features: Any, floor: float) -> int:
    """Raise pivots of a lane that are below the floor; return whether there were any."""
    raised = 0
    for f in range(many):
        pivot = at + U64(row_of(PIVOT, f)) * W
        if not peek(state, pivot) >= floor:
            poke(state, pivot, floor)
            raised = 1
    if raised:
        # Inverses and height were computed of what was there.
        for f in range(many):
            pivot = peek(state, at + U64(row_of(PIVOT, f)) * W)
            poke(state, at + U64(row_of(INVERSE, f)) * W, 1.0 / pivot)
        set_height(state, at, many, n_features)
    return raised


@numba.njit(nogil=True, error_model="numpy", forceinline=True)
def shift(
    state: Any, own: Any, kind: int, damped: bool, floor: float, n_features: Any, gain: Any,
) -> Any:  # fmt: skip
    """Move a component by `gain` in each lane; return how often a covariance was raised.

    What the point is apart is that which `squared_distance` wrote.
    """
    one, zero = splat(1.0, LANES), splat(0.0, LANES)
    first = own + U64(FEATURES) * W
    here = first
    if kind != DIAG:
        for _ in range(n_features):
            old, off = (
                load(state, here + U64(MEAN) * W, LANES),
                load(state, here + U64(APART) * W, LANES),
            )
            store(state, here + U64(MEAN) * W, multiply_add(gain, off, old))
            here += EACH_FEATURE
    if kind == FIXED:
        return zero
    many = U64(n_pivots(kind, n_features))
    left = subtract(one, gain)
    amount = multiply(gain, left) if damped else gain
    ratio, lowest = one, splat(np.inf, LANES)
    if kind == SPHERICAL:
        square = load(state, own + U64(SQUARE) * W, LANES)
        old = load(state, first + U64(PIVOT) * W, LANES)
        each = multiply(multiply(amount, old), splat(1.0 / n_features, LANES))
        lowest = multiply_add(each, square, multiply(left, old))
        store(state, first + U64(PIVOT) * W, lowest)
        new = divide(one, lowest)
        store(state, first + U64(INVERSE) * W, new)
        part = multiply(old, new)
        for _ in range(n_features):
            ratio = multiply(ratio, part)
    elif kind == DIAG:
        # One division gives the inverses of two pivots.
        for _ in range(n_features >> U64(1)):
            last = new_pivot(state, here, gain, left, amount)
            lowest = minimum(lowest, last)
            ratio = multiply(ratio, load(state, here + U64(PIVOT) * W, LANES))
            store(state, here + U64(PIVOT) * W, last)
            there = here + EACH_FEATURE
            new = new_pivot(state, there, gain, left, amount)
            lowest = minimum(lowest, new)
            ratio = multiply(ratio, load(state, there + U64(PIVOT) * W, LANES))
            store(state, there + U64(PIVOT) * W, new)
            both = divide(one, multiply(last, new))
            store(state, here + U64(INVERSE) * W, multiply(both, new))
            store(state, there + U64(INVERSE) * W, multiply(both, last))
            ratio = multiply(ratio, both)
            here = there + EACH_FEATURE
        if n_features & U64(1) == U64(1):
            new = new_pivot(state, here, gain, left, amount)
            lowest = minimum(lowest, new)
            ratio = multiply(ratio, load(state, here + U64(PIVOT) * W, LANES))
            store(state, here + U64(PIVOT) * W, new)
            new = divide(one, new)
            store(state, here + U64(INVERSE) * W, new)
            ratio = multiply(ratio, new)
    else:
        # The factors of a sum with a matrix of rank one: Gill, Golub, Murray and Saunders (1974).
        below, here = here, first
        for c in range(n_features):
            known = load(state, here + U64(SOLVED) * W, LANES)
            before = load(state, here + U64(PIVOT) * W, LANES)
            old, push = multiply(left, before), multiply(known, amount)
            new = multiply_add(push, known, old)
            store(state, here + U64(PIVOT) * W, new)
            new = divide(one, new)
            store(state, here + U64(INVERSE) * W, new)
            ratio = multiply(ratio, multiply(before, new))
            push, amount = multiply(push, new), multiply(multiply(amount, old), new)
            for _ in range(c + U64(1), n_features):
                rest, unit = (
                    load(state, below + U64(REST) * W, LANES),
                    load(state, below + U64(UNIT) * W, LANES),
                )
                store(state, below + U64(UNIT) * W, multiply_add(push, rest, unit))
                below += U64(PAIR_ROWS) * W
            here += EACH_FEATURE
    height = multiply(load(state, own + U64(HEIGHT) * W, LANES), root(ratio))
    store(state, own + U64(HEIGHT) * W, height)
    if unlikely(any_less(height, splat(LOW, LANES)) or any_less(splat(HIGH, LANES), height)):
        for lane in range(W):
            set_height(state, own + lane, many, n_features)
    if unlikely(any_less(lowest, splat(floor, LANES))):
        told = own + U64(SQUARE) * W
        for lane in range(W):
            low = raise_pivots(state, own + lane, many, n_features, floor)
            poke(state, told + lane, float(low))
        return load(state, told, LANES)
    return zero


@numba.njit(nogil=True, error_model="numpy", forceinline=True)
def new_pivot(state: Any, here: Any, gain: Any, left: Any, amount: Any) -> Any:
    """Move the mean of a feature, and return the pivot that it is to have."""
    old, off = load(state, here + U64(MEAN) * W, LANES), load(state, here + U64(APART) * W, LANES)
    store(state, here + U64(MEAN) * W, multiply_add(gain, off, old))
    old = load(state, here + U64(PIVOT) * W, LANES)
    return multiply_add(multiply(off, off), amount, multiply(left, old))


@numba.njit(nogil=True, error_model="numpy")
def shift_near_floor(state: Any, own: Any, damped: bool, floor: float, n_features: Any) -> None:
    """Move full covariances of which an eigenvalue could fall below the floor, lane by lane.

    The gains are where densities were. They become those that `shift` is yet to make, and the
    row behind them says in which lanes a covariance was raised.
    """
    for lane in range(W):
        here = own + U64(DENSITY) * W + lane
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
            off[f] = peek(state, own + U64(row_of(APART, f)) * W + lane)
            place = own + U64(row_of(MEAN, f)) * W + lane
            poke(state, place, peek(state, place) + gain * off[f])
        for r in range(n_features):
            for c in range(n_features):
                covariance[r, c] += amount * off[r] * off[c]
        raised = write_covariance(state, own + lane, covariance, floor)
        poke(state, here + W, float(raised))
        poke(state, here, 0.0)


@numba.njit(nogil=True, error_model="numpy", forceinline=True)
def densities(
    state: Any, first: Any, kind: int, n_components: Any, n_features: Any, step: Any, point: Any
) -> Any:
    """Write the density of a point under each component over the highest; return the mixture's.

    The rows of the first component begin at `first`, and the others `step` apart.
    """
    highest, zero = splat(NOWHERE, LANES), splat(0.0, LANES)
    own = first
    for _ in range(n_components):
        square = squared_distance(state, own, kind, n_features, point)
        store(state, own + U64(SQUARE) * W, square)
        log_height = load(state, own + U64(LOG_HEIGHT) * W, LANES)
        exponent = multiply_add(square, splat(-0.5, LANES), log_height)
        # What has no weight owns nothing.
        weight = load(state, own + U64(WEIGHT) * W, LANES)
        exponent = where_less(zero, weight, exponent, splat(NOWHERE, LANES))
        store(state, own + U64(DENSITY) * W, exponent)
        highest = maximum(highest, exponent)
        own += step
    # Where a point is near some component no exponential need wait for the highest of all.
    far = any_less(highest, splat(FAR, LANES)) or any_less(splat(NEAR, LANES), highest)
    if unlikely(far):
        here = first + U64(DENSITY) * W
        for _ in range(n_components):
            store(state, here, subtract(load(state, here, LANES), highest))
            here += step
    density, own = zero, first
    for _ in range(n_components):
        part = exponential(load(state, own + U64(DENSITY) * W, LANES))
        part = multiply(part, load(state, own + U64(HEIGHT) * W, LANES))
        store(state, own + U64(DENSITY) * W, part)
        density = multiply_add(part, load(state, own + U64(WEIGHT) * W, LANES), density)
        own += step
    return density


@numba.njit(nogil=True, error_model="numpy", forceinline=True)
def learn_point(
    state: Any, first: Any, kind: int, damped: bool, floor: float, n_components: Any,
    n_features: Any, step: Any, point: Any, told: Any,
) -> bool:  # fmt: skip
    """Let a vector of models learn from a point each; return whether a weight fell to 0.

    At `told` stand ``1 / (1 - B c)`` and that times c, and how often a gain was clipped and
    a covariance raised, which grow; the other places are those of `densities`.
    """
    one, zero = splat(1.0, LANES), splat(0.0, LANES)
    alpha = load(state, point + n_features * W, LANES)
    share, lowest, over, low = alpha, one, zero, zero
    if n_components > U64(1):
        density = densities(state, first, kind, n_components, n_features, step, point)
        share = divide(alpha, density)
    else:
        square = squared_distance(state, first, kind, n_features, point)
        store(state, first + U64(SQUARE) * W, square)
    kept = subtract(one, alpha)
    scale, loss = load(state, told, LANES), multiply(alpha, load(state, told + W, LANES))
    own = first
    for _ in range(n_components):
        gain = share
        if n_components > U64(1):
            # alpha o / pi, and pi (1 - alpha + it / (1 - B c)) - alpha c / (1 - B c).
            gain = multiply(share, load(state, own + U64(DENSITY) * W, LANES))
            weight = load(state, own + U64(WEIGHT) * W, LANES)
            weight = subtract(multiply(weight, multiply_add(gain, scale, kept)), loss)
            store(state, own + U64(WEIGHT) * W, weight)
            lowest = minimum(lowest, weight)
            if unlikely(any_less(one, gain)):
                over = add(over, where_less(one, gain, one, zero))
                gain = minimum(gain, one)
        if kind == FULL:
            bound = own + U64(BOUND) * W
            left = multiply(subtract(one, gain), load(state, bound, LANES))
            if unlikely(any_less(left, splat(floor, LANES))):
                store(state, own + U64(DENSITY) * W, gain)
                shift_near_floor(state, own, damped, floor, n_features)
                gain = load(state, own + U64(DENSITY) * W, LANES)
                low = add(low, load(state, own + U64(SQUARE) * W, LANES))
            else:
                store(state, bound, left)
        low = add(low, shift(state, own, kind, damped, floor, n_features, gain))
        own += step
    here = told + U64(2) * W
    store(state, here, add(load(state, here, LANES), over))
    here += W
    store(state, here, add(load(state, here, LANES), low))
    return any_nonpositive(lowest)


@numba.njit(nogil=True, error_model="numpy", forceinline=True)
def learn_points(
    rows: Any, kind: int, damped: bool, floor: float, n_components: Any, n_features: Any,
    many: Any, step: Any, points: Any, sums: Any, count: Any, threshold: float,
    first: int, size: int, fired: Any,
) -> None:  # fmt: skip
    """Let a block of models learn from the `count` points that were laid out at `points`."""
    at = points
    for _ in range(count):
        for v in range(many):
            base = v * n_components * step
            fell = learn_point(
                rows, base, kind, damped, floor, n_components, n_features, step, at,
                sums + v * U64(4) * W,
            )  # fmt: skip
            if unlikely(fell):
                for lane in range(min(W, U64(size) - v * W)):
                    fired[U64(first) + v * W + lane] += truncate_lane(
                        rows, base + lane, step, n_components, threshold
                    )
            at += (n_features + U64(1)) * W


def _of_kind(kind: int, on_a_line: bool = False) -> Any:
    # A function for each kind, so that the compiler need not hold what the others take in loops of
    # which it can't tell that they are of one.
    @numba.njit(nogil=True, error_model="numpy")
    def learn(
        rows: Any, damped: bool, floor: float, n_components: Any, n_features: Any, many: Any,
        step: Any, points: Any, sums: Any, count: Any, threshold: float, first: int, size: int,
        fired: Any,
    ) -> None:  # fmt: skip
        learn_points(
            rows, kind, damped, floor, n_components, U64(1) if on_a_line else n_features, many,
            step, points, sums, count, threshold, first, size, fired,
        )  # fmt: skip

    return learn


learn_line, learn_spherical = _of_kind(SPHERICAL, on_a_line=True), _of_kind(SPHERICAL)
learn_diag, learn_full, learn_means = _of_kind(DIAG), _of_kind(FULL), _of_kind(FIXED)


@numba.njit(nogil=True)
def room_of(moving: Any, n_models: int) -> int:
    """Return how many numbers a block's state is, with what stands behind it (see `places`)."""
    return places(moving, n_models)[2]


@numba.njit(nogil=True)
def places(moving: Any, n_models: int) -> Any:
    """Return where in a block's state sums and points stand, and its end.

    The sums are four rows a vector in Algorithm 2, and in refits those of `gather`.
    """
    n_components, n_features = moving.means.shape[1:]
    many = n_vectors(n_models) * WIDTH
    tall = 2 + n_features + n_features * (n_features + 1) // 2
    sums = many * n_components * n_rows(moving.kind, n_features)
    points = sums + many * max(4, n_components * tall)
    return sums, points, points + many * CHUNK * (n_features + 1)


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
    sums, points, _ = places(moving, k.size)
    rows = address_of(state)
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
        count = U64(stop - start)
        # What the compiler knows of kind and features it makes good use of.
        if kind == SPHERICAL and n_features == U64(1):
            learn_line(
                rows, damped, floor, n_components, n_features, many, step, U64(points), U64(sums),
                count, threshold, first, k.size, fired,
            )  # fmt: skip
        elif kind == DIAG:
            learn_diag(
                rows, damped, floor, n_components, n_features, many, step, U64(points),
                U64(sums), count, threshold, first, k.size, fired,
            )  # fmt: skip
        elif kind == FULL:
            learn_full(
                rows, damped, floor, n_components, n_features, many, step, U64(points),
                U64(sums), count, threshold, first, k.size, fired,
            )  # fmt: skip
        elif kind == SPHERICAL:
            learn_spherical(
                rows, damped, floor, n_components, n_features, many, step, U64(points), U64(sums),
                count, threshold, first, k.size, fired,
            )  # fmt: skip
        else:
            learn_means(
                rows, damped, floor, n_components, n_features, many, step, U64(points), U64(sums),
                count, threshold, first, k.size, fired,
            )  # fmt: skip
    for m in range(k.size):
        place = sums + m // WIDTH * 4 * WIDTH + m % WIDTH
        clipped[first + m] += state[place + 2 * WIDTH]
        floored[first + m] += state[place + 3 * WIDTH]
