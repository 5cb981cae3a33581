"""A network of Gaussian mixtures as counts: Algorithm 3 where components do not overlap.

Letters in the shapes: n models, B components, d features, T steps, R kept
times, Q nodes. The web is how many points each component has on it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from lwdstats.simulate.gmm.gaussian.binomial import add_multinomial
from lwdstats.simulate.gmm.gaussian.step import update
from lwdstats.simulate.gmm.xoshiro import cached, start_stream


class State(NamedTuple):
    """What a run carries from step to step; changed in place.

    Attributes
    ----------
    weights : (n, B) float64
        At the start Pi^(0).
    counts : (B,) float64
        The web; at the start A^(0).
    batches : (max(window, 1), B) float64
        What each step of the window posted.
    emitting, retrieving, freshening : (4, n), (4, n), (4, 1) uint64
        Streams.
    """

    weights: Any
    counts: Any
    batches: Any
    emitting: Any
    retrieving: Any
    freshening: Any


def start(weights: Any, counts: Any, window: int) -> State:
    """Return the state before the first step, at Pi^(0), (n, B), and A^(0), (B,)."""
    n_models, n_b = weights.shape
    return State(
        weights=weights,
        counts=counts,
        batches=np.zeros((max(window, 1), n_b)),
        emitting=np.empty((4, n_models), np.uint64),
        retrieving=np.empty((4, n_models), np.uint64),
        freshening=np.empty((4, 1), np.uint64),
    )


def _simulate(
    state: Any,
    first: int,
    stop: int,
    centres: Any,
    nodes: Any,
    n_responses: int,
    n_retrieved: Any,
    alpha: Any,
    complexity: Any,
    threshold: float,
    min_count: float,
    slot: Any,
    emission: Any,
    retrieval: Any,
    replicate: int,
    window: int,
    n_fresh: Any,
    fresh_law: Any,
    fresh: Any,
    posting: Any,
    learning: Any,
    after: bool,
) -> Any:
    """Run some steps of Algorithm 3.

    Parameters
    ----------
    state : State
        After the step before `first`.
    first, stop : int
        Which steps, ``first <= t < stop <= T + 1``; at T there is no update.
    centres, nodes, min_count
        See `update`.
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
    emission, retrieval : (4,) uint64
        Root words of the two kinds of stream.
    replicate : int
        Which replicate's streams.
    window : int
        Steps whose posts are on the web, 0 for all.
    n_fresh, fresh_law : (T,) int64, (B,) float64
        Real posts of each step, and the law of their components.
    fresh : (4,) uint64
        Root words of their stream.
    posting, learning : (n,) bool
        Which models post and which learn.
    after : bool
        Whether posts come from the weights of after the update.

    Returns
    -------
    weight : (R, n, B) float64
        Before the update, for the R times that are kept.
    n_truncated : (R, n) float64
        NaN at T.
    n_singly : (at most stop - first,) int64
        Models that read some component one by one, by step before T.
    """
    weights, counts, batches = state.weights, state.counts, state.batches
    emitting, retrieving, freshening = state.emitting, state.retrieving, state.freshening
    n_models, n_b = weights.shape
    n_steps = n_retrieved.size
    n_kept = slot.max() + 1
    kept_weight = np.empty((n_kept, n_models, n_b))
    kept_truncated = np.full((n_kept, n_models), np.nan)
    n_singly = np.zeros(min(stop, n_steps) - first, np.int64)
    if first == 0:
        for i in range(n_models):
            start_stream(emission, replicate, i, emitting)
            start_stream(retrieval, replicate, i, retrieving)
        start_stream(fresh, replicate, 0, freshening)
        # The initial web counts as what step -1 posted.
        batches[-1] = counts
    posted = np.empty(n_b)
    kind, left, spare = np.empty(n_b, np.int64), np.empty(n_b), np.empty(n_b)
    for t in range(first, stop):
        row = slot[t - first]
        if row >= 0:
            kept_weight[row] = weights
        if t == n_steps:
            break
        n_web = counts.sum()
        posted[:] = 0.0
        for i in range(n_models):
            if posting[i] and not after:
                add_multinomial(n_responses, weights[i], emitting, i, posted)
            fired = 0.0
            if n_retrieved[t] > 0 and learning[i]:
                fired, singly = update(
                    weights[i], counts, n_web, float(n_retrieved[t]), alpha[t], complexity[t],
                    threshold, min_count, centres, nodes, retrieving, i, kind, left, spare,
                )  # fmt: skip
                n_singly[t - first] += singly
            if row >= 0:
                kept_truncated[row, i] = fired
            if posting[i] and after:
                add_multinomial(n_responses, weights[i], emitting, i, posted)
        if n_fresh[t] > 0:
            add_multinomial(n_fresh[t], fresh_law, freshening, 0, posted)
        counts += posted
        if window > 0:
            counts -= batches[t % window]
            batches[t % window] = posted
    return kept_weight, kept_truncated, n_singly


run_replicate = cached(_simulate)
