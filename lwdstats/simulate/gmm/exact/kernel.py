"""Algorithm 3 in a numba kernel: arrays in, arrays out, one replicate a call.

Letters in the shapes: n models, B components, d features, L responses, T
steps, R kept times, N points on the web, S = `row_stride` numbers in a row of
B padded ones.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from lwdstats.simulate.gmm.exact.update import absorb, post
from lwdstats.simulate.gmm.xoshiro import (
    cached,
    choose,
    normal_pair,
    restore_order,
    start_stream,
    uniform,
)

# Models that read in turns; each needs its own list of the web's points while it reads.
BLOCK = 6


@numba.njit(nogil=True)
def emit(weights: Any, means: Any, factor: Any, states: Any, model: int, out: Any) -> None:
    """Draw points from a mixture: `weights` (B,), `means` (B, d), `out` (L, d) float32.

    `factor` (d, d) is the covariance's lower Cholesky factor. Weights need not
    sum to exactly 1: truncation leaves a little more (and the law is theirs,
    divided by their sum).
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
                value += factor[row, column] * normal[column]
            out[point, row] = np.float32(value)


@numba.njit(nogil=True)
def synthetic(drawn: Any, k: int, n_initial: int) -> float:
    """Return the share of the first `k` points that is not of the initial web."""
    if n_initial == 0:
        return 1.0
    count = 0
    for j in range(k):
        count += drawn[j] >= n_initial
    return count / k


class State(NamedTuple):
    """What a run carries from step to step; changed in place.

    Attributes
    ----------
    weights : (n, S) float64
        At the start Pi^(0), padded with ones.
    web : (N0 + (T + 1) n L, d) float32
        A^(0), and what is drawn, in order of time, model, response.
    rows : (N S,) float64
        What `post` makes of points.
    lists : (min(n, BLOCK), N + 1) int32
        Numbers of points in order, one list for each model that reads at once.
    emitting, retrieving : (4, n) uint64
        Streams.
    halves : (n,) uint64
    """

    weights: Any
    web: Any
    rows: Any
    lists: Any
    emitting: Any
    retrieving: Any
    halves: Any


def start(weights: Any, points: Any, n_drawn: int, stride: int) -> State:
    """Return the state before the first step, at Pi^(0), (n, B), and A^(0), (N0, d).

    `n_drawn` points are drawn in all steps; `stride` is S.
    """
    n_models, n_components = weights.shape
    padded = np.ones((n_models, stride))
    padded[:, :n_components] = weights
    n_points = len(points) + n_drawn
    web = np.empty((n_points, points.shape[1]), np.float32)
    web[: len(points)] = points
    numbers = np.arange(n_points + 1, dtype=np.int32)
    return State(
        weights=padded,
        web=web,
        rows=np.zeros(n_points * stride),
        lists=np.tile(numbers, (min(n_models, BLOCK), 1)),
        emitting=np.empty((4, n_models), np.uint64),
        retrieving=np.empty((4, n_models), np.uint64),
        halves=np.empty(n_models, np.uint64),
    )


def _simulate(
    state: Any,
    first: int,
    stop: int,
    n_initial: int,
    means: Any,
    factor: Any,
    whiten: Any,
    n_responses: int,
    n_retrieved: Any,
    alpha: Any,
    complexity: Any,
    threshold: float,
    slot: Any,
    stride: int,
    lanes: Any,
    chunks: Any,
    emission: Any,
    retrieval: Any,
    replicate: int,
) -> Any:
    """Run some steps of Algorithm 3.

    Parameters
    ----------
    state : State
        After the step before `first`.
    first, stop : int
        Which steps, ``first <= t < stop <= T + 1``; at T there is no update.
    n_initial : int
        N0.
    means, factor, whiten : (B, d), (d, d), (d, d) float64
        The components; the covariance's lower Cholesky factor and its inverse.
    n_responses : int
        L.
    n_retrieved : (T,) int64
        k_t.
    alpha, complexity : (T,) float64
        alpha_t and c_{t,B}; not read where k_t is 0.
    threshold : float
        epsilon.
    slot : (stop - first,) int64
        Row of the output that keeps each time, or -1.
    stride : int
        S, from `row_stride`.
    lanes, chunks : tuple of int
        From `row_shape`.
    emission, retrieval : (4,) uint64
        Root words of the two kinds of stream.
    replicate : int
        Which replicate's streams.

    Returns
    -------
    weight : (R, n, B) float64
        Before the update, for the R times that are kept.
    n_truncated, synthetic_share : (R, n) float64
        NaN at T; the share also where nothing was retrieved.
    """
    weights, web, rows, lists = state.weights, state.web, state.rows, state.lists
    emitting, retrieving, halves = state.emitting, state.retrieving, state.halves
    n_models, n_components = weights.shape[0], means.shape[0]
    n_steps = n_retrieved.size
    n_kept = slot.max() + 1
    kept_weight = np.empty((n_kept, n_models, n_components))
    kept_truncated = np.full((n_kept, n_models), np.nan)
    kept_share = np.full((n_kept, n_models), np.nan)

    a_step = n_models * n_responses
    centres = np.ascontiguousarray(means @ whiten.T)
    n_blocks = (n_models + BLOCK - 1) // BLOCK
    if first == 0:
        post(web, 0, n_initial, whiten, centres, rows)
        for i in range(n_models):
            start_stream(emission, replicate, i, emitting)
            start_stream(retrieval, replicate, i, retrieving)
    flat = weights.reshape(-1)
    fired = np.empty(n_models)
    share = np.empty(n_models)

    for t in range(first, stop):
        row = slot[t - first]
        now = n_initial + t * a_step
        for i in range(n_models):
            mine = web[now + i * n_responses : now + (i + 1) * n_responses]
            emit(weights[i, :n_components], means, factor, emitting, i, mine)
        if row >= 0:
            kept_weight[row] = weights[:, :n_components]
        if t == n_steps:
            break
        k = n_retrieved[t]
        fired[:] = 0.0
        share[:] = np.nan
        if k > 0:
            for block in range(n_blocks):
                # Blocks of nearly equal size, for a model that reads alone is slow.
                lowest = block * n_models // n_blocks
                block_lists = lists[: (block + 1) * n_models // n_blocks - lowest]
                a, c = alpha[t], complexity[t]
                absorb(
                    flat, lowest, block_lists, now, k, retrieving, halves, rows, a, c, threshold,
                    web, whiten, centres, lanes, chunks, fired,
                )  # fmt: skip
                for m in range(block_lists.shape[0]):
                    share[lowest + m] = synthetic(block_lists[m], k, n_initial)
                    restore_order(block_lists[m], now, k)
        if row >= 0:
            kept_truncated[row] = fired
            kept_share[row] = share
        post(web, now, now + a_step, whiten, centres, rows)
    return kept_weight, kept_truncated, kept_share


run_replicate = cached(_simulate)
