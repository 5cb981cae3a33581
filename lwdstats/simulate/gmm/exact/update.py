"""Algorithm 2 in a numba kernel: the likelihoods of posts, and what a reader makes of them.

Letters in the shapes: n models, B components, d features, N points on the
web, S = `row_stride` numbers in a row of B padded ones.

Nearly all of a simulation's time goes into `absorb`: each draw must wait for
the weights that the last one left. So the models of a block take turns, and
one model's division runs behind another's sums.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from lwdstats.simulate.gmm.exact.simd import (
    any_nonpositive,
    load,
    minimum,
    multiply,
    multiply_add,
    splat,
    store,
    total,
    unlikely,
)
from lwdstats.simulate.gmm.xoshiro import LOW_HALF, U64, settle, step

# Rows of likelihoods are relative to their largest number. Below LOST a number is stored as 0,
# since subnormal numbers cost a hundred times as much; a density below FAINT is computed anew from
# logarithms. What the zeros leave out of a density above FAINT is less than B 1e-50 of it.
LOST = 1e-250
FAINT = 1e-200


def row_stride(n_components: int) -> int:
    """Return S: 2 for up to two components, else the next multiple of four."""
    return 2 if n_components <= 2 else -(-n_components // 4) * 4


def row_shape(n_components: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return how `absorb` cuts a row, as tuples of zeros whose lengths the compiler sees.

    The first is as long as a vector, the second as the number of vectors in a
    row, or empty where that is more than is worth a compilation of its own.
    """
    width = 2 if n_components <= 2 else 4
    chunks = row_stride(n_components) // width
    return (0,) * width, (0,) * (chunks if chunks <= 4 else 0)


@numba.njit(nogil=True)
def log_likelihood(point: Any, whiten: Any, centres: Any, scratch: Any, out: Any) -> float:
    """Write the log density of a point under each component, up to a constant.

    `point` is (d,); `whiten` (d, d) is the inverse of the covariance's lower
    Cholesky factor and `centres` (B, d) the means under it; `scratch` is (d,).
    Returns the largest of the numbers written into ``out[:B]``.
    """
    n_features = whiten.shape[0]
    for row in range(n_features):
        scratch[row] = 0.0
        for column in range(row + 1):
            scratch[row] += whiten[row, column] * point[column]
    largest = -np.inf
    for b in range(centres.shape[0]):
        square = 0.0
        for row in range(n_features):
            square += (scratch[row] - centres[b, row]) ** 2
        out[b] = -0.5 * square
        largest = max(largest, out[b])
    return largest


@numba.njit(nogil=True)
def post(web: Any, start: int, stop: int, whiten: Any, centres: Any, rows: Any) -> None:
    """Fill the likelihoods of the posts `start` to `stop`, once and for all readers.

    `web` is (N, d) float32, `rows` is (N * S,): the density of a point under
    each component over the largest of them, padded with zeros.
    """
    n_components = centres.shape[0]
    stride = rows.size // web.shape[0]
    scratch = np.empty(whiten.shape[0])
    logs = np.empty(n_components)
    for point in range(start, stop):
        largest = log_likelihood(web[point], whiten, centres, scratch, logs)
        for b in range(n_components):
            ratio = math.exp(logs[b] - largest)
            rows[point * stride + b] = ratio if ratio >= LOST else 0.0


@numba.njit(nogil=True)
def truncate(weights: Any, start: Any, n_components: int, threshold: float) -> int:
    """Run lines 7 to 14 of Algorithm 2 on ``weights[start : start + B]``; count the firings."""
    fired = 0
    mine = weights[np.int64(start) : np.int64(start) + n_components]
    for b in range(n_components):
        if mine[b] <= 0.0:
            fired += 1
            divisor = 1.0 + threshold - mine[b]
            for other in range(n_components):
                if other != b:
                    mine[other] /= divisor
            mine[b] = threshold
    return fired


@numba.njit(nogil=True)
def absorb_faint(
    weights: Any, start: Any, logs: Any, alpha: float, share: float, loss: float
) -> None:
    """Update weights (lines 3 to 6) where the density is 0 in floating point.

    The point is far from every component that has weight, so its owners are
    the nearest of those, found from the log densities `logs` (B,). A component
    at weight 0 owns nothing.
    """
    n_components = logs.size
    mine = weights[np.int64(start) : np.int64(start) + n_components]
    largest = -np.inf
    for b in range(n_components):
        logs[b] = logs[b] + math.log(mine[b]) if mine[b] > 0.0 else -np.inf
        largest = max(largest, logs[b])
    density = 0.0
    for b in range(n_components):
        logs[b] = math.exp(logs[b] - largest)
        density += logs[b]
    for b in range(n_components):
        mine[b] = (1.0 - alpha) * mine[b] + share * (logs[b] / density) - loss


@numba.njit(nogil=True, error_model="numpy")
def product(weights: Any, own: Any, rows: Any, row: Any, n_chunks: Any, lanes: Any) -> float:
    """Return the sum of weights times likelihoods, of the rows that begin at `own` and `row`."""
    width = np.uint64(len(lanes))
    sums = multiply(load(weights, own, lanes), load(rows, row, lanes))
    for c in range(np.uint64(1), n_chunks):
        here = c * width
        sums = multiply_add(load(weights, own + here, lanes), load(rows, row + here, lanes), sums)
    return total(sums)


@numba.njit(nogil=True, error_model="numpy")
def absorb(
    weights: Any,
    first: int,
    lists: Any,
    n_web: int,
    k: int,
    states: Any,
    halves: Any,
    rows: Any,
    alpha: float,
    complexity: float,
    threshold: float,
    web: Any,
    whiten: Any,
    centres: Any,
    lanes: Any,
    chunks: Any,
    fired: Any,
) -> None:
    """Let a block of models read the web and run Algorithm 2, one point of each in turn.

    Parameters
    ----------
    weights : (n * S,) float64
        Updated in place for the block; rows padded with ones, which stay ones.
    first : int
        First model of the block.
    lists : (m, > n_web) int32
        A list of the web's points for each model of the block. What it reads,
        in order, is left in the first `k` places.
    n_web, k : int
        N_t and k_t.
    states, halves : (4, n), (n,) uint64
        Streams of all models, and what is left of their last words.
    rows : (N * S,) float64
        Likelihoods, from `post`.
    alpha, complexity, threshold : float
        alpha_t, c_{t,B} and epsilon.
    web : (N, d) float32
        The points, for the few whose density underflows.
    whiten, centres : (d, d), (B, d) float64
        See `log_likelihood`.
    lanes, chunks : tuple of int
        From `row_shape`.
    fired : (n,) float64
        Raised by the number of truncations of each model of the block.
    """
    n_components = centres.shape[0]
    width = np.uint64(len(lanes))
    stride = np.uint64(rows.size // web.shape[0])
    if len(chunks) > 0:
        stride = np.uint64(len(lanes) * len(chunks))  # the same, known to the compiler
    n_chunks = stride // width
    scale = 1.0 / (1.0 - n_components * complexity)
    share, loss, kept = alpha * scale, alpha * complexity * scale, 1.0 - alpha
    # A pad has likelihood 0 and gains what it loses: (1 - alpha) 1 + alpha.
    gains = np.full(np.int64(stride), alpha)
    gains[:n_components] = -loss
    shares = splat(share, lanes)
    logs = np.empty(n_components)
    scratch = np.empty(whiten.shape[0])
    for j in range(np.uint64(k)):
        span = np.uint64(n_web) - j
        for m in range(np.uint64(lists.shape[0])):
            model = np.uint64(first) + m
            # A step of the Fisher-Yates shuffle, 32 bits each: the low half of a word at even j.
            if j & U64(1) == U64(0):
                word, s0, s1, s2, s3 = step(
                    states[0, model], states[1, model], states[2, model], states[3, model]
                )
                states[0, model], states[1, model] = s0, s1
                states[2, model], states[3, model] = s2, s3
                halves[model] = word >> U64(32)
                half = word & LOW_HALF
            else:
                half = halves[model]
            scaled = half * span
            if unlikely(scaled & LOW_HALF < span):
                scaled = settle(span, scaled, states, model)
            place = j + (scaled >> U64(32))
            point = lists[m, place]
            lists[m, place] = lists[m, j]
            lists[m, j] = point

            own = model * stride
            row = np.uint64(np.uint32(point)) * stride
            density = product(weights, own, rows, row, n_chunks, lanes)
            if unlikely(density < FAINT):
                log_likelihood(web[point], whiten, centres, scratch, logs)
                absorb_faint(weights, own, logs, alpha, share, loss)
                fired[model] += truncate(weights, own, n_components, threshold)
                continue
            # pi (1 - alpha + share f / g) - loss, with the division beside the sums:
            # (pi ((1 - alpha) g + share f)) / g - loss.
            inverse = splat(1.0 / density, lanes)
            keeps = splat(kept * density, lanes)
            lowest = inverse
            for c in range(n_chunks):
                here = c * width
                grown = multiply_add(load(rows, row + here, lanes), shares, keeps)
                grown = multiply(load(weights, own + here, lanes), grown)
                grown = multiply_add(grown, inverse, load(gains, here, lanes))
                store(weights, own + here, grown)
                lowest = minimum(lowest, grown)
            if unlikely(any_nonpositive(lowest)):
                fired[model] += truncate(weights, own, n_components, threshold)
