"""Which posts a model reads at a step, in the order of its prompt."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lwdstats.scenario.growth import read_sizes
from lwdstats.scenario.readers import has_weights
from lwdstats.scenario.reading import REAL, readable, reading_weights, real_reads
from lwdstats.simulate.llm.spec import LlmSpec
from lwdstats.simulate.llm.storing.journal import Key
from lwdstats.simulate.llm.weblog import WebLog
from lwdstats.streams import generator

Rows = NDArray[np.integer]
# From rows and a number to that many of them, those next to the query, the nearest first.
Nearest = Callable[[Rows, int], Rows]


def pool_of(spec: LlmSpec, log: WebLog, t: int, model: int) -> Rows:
    """Return the rows of A^(t) that a model may read, increasing."""
    rows = log.on_web(t)
    network = network_at(spec, t)
    return rows if network is None else rows[readable(network[model], log.author[rows])]


def rows_read(spec: LlmSpec, log: WebLog, key: Key, nearest: Nearest) -> NDArray[np.int32]:
    """Return the rows that a model reads, in the order of its prompt.

    Of k posts a binomial number are its own anchors, as far as it has them, and the rest
    are of the web; anchors stand at random places.
    """
    replicate, q, t, i = key
    if not spec.reading[i]:
        return np.empty(0, np.int32)
    pool = pool_of(spec, log, t, i)
    k = int(read_sizes(spec.scenario.n_read, spec.beta, np.array([pool.size]))[0])
    # The stream is named (replicate, model, time, query).
    rng = generator(spec.seed, "retrieval", replicate, i, t, q)
    own, places = np.empty(0, np.int64), np.empty(0, np.int64)
    if spec.scenario.anchors is not None:
        draws = generator(spec.seed, "anchors", replicate, i, t, q)
        there = log.anchors(i)
        n_own = min(int(draws.binomial(k, spec.scenario.anchors[0])), there.size)
        own = draws.choice(there, n_own, replace=False)
        places = draws.choice(k, n_own, replace=False)
    rows = np.empty(k, np.int32)
    rows[places] = own
    rest = np.ones(k, bool)
    rest[places] = False
    rows[rest] = _of_web(spec, log, t, i, pool, int(rest.sum()), rng, nearest)
    return rows


def network_at(spec: LlmSpec, t: int) -> NDArray[np.float64] | None:
    """Return who reads whom at a step, (n, n); None where all read all."""
    return spec.networks[max(start for start in spec.networks if start <= t)]


def author_weights(row: NDArray[np.float64], author: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the chance of each post (N,) where a network is of weights: by author, then post."""
    # Shares, so that a row of zeros and ones is one of weights as well.
    return reading_weights(row / row.sum(), author)


def _of_web(
    spec: LlmSpec, log: WebLog, t: int, model: int, pool: Rows, k: int,
    rng: np.random.Generator, nearest: Nearest,
) -> Rows:  # fmt: skip
    """Return `k` rows of a pool, as the scenario draws them."""
    scenario, network = spec.scenario, network_at(spec, t)
    if network is not None and has_weights(network):
        if not k:
            return pool[:0]
        return pool[rng.choice(pool.size, k, p=author_weights(network[model], log.author[pool]))]

    def take(some: Rows, n: int) -> Rows:
        if scenario.retrieval == "nearest":
            return nearest(some, n)
        if scenario.retrieval == "uniform":
            return some[rng.choice(some.size, n, replace=False)]
        newest = some[some.size - n :]
        return rng.permutation(newest) if scenario.retrieval == "recent" else newest

    if scenario.read_real is None:
        return take(pool, k)
    real = log.kind[pool] == REAL
    n_real = real_reads(scenario.read_real, k, int(real.sum()), int((~real).sum()), rng)
    both = np.concatenate([take(pool[real], n_real), take(pool[~real], k - n_real)])
    if scenario.retrieval == "nearest":
        return nearest(np.sort(both), k)
    return np.sort(both) if scenario.retrieval == "recent as posted" else rng.permutation(both)
