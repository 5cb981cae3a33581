"""How many posts each model is expected to read at each time, and whose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from lwdstats.arrays import FloatArray
from lwdstats.scenario.growth import read_sizes
from lwdstats.scenario.readers import has_weights
from lwdstats.scenario.reading import NOISE, REAL, SYNTHETIC, real_reads
from lwdstats.simulate.llm.retrieve import author_weights, network_at, pool_of
from lwdstats.simulate.llm.spec import LlmSpec
from lwdstats.simulate.llm.weblog import WebLog, web_log

# What posts are, behind those of each model: initial, fresh, noise, and a model's own anchors.
INITIAL, FRESH, NOISE_POST, ANCHOR_POST = range(4)


@dataclass(frozen=True)
class Reads:
    """What is expected to be read.

    Attributes
    ----------
    k : (T+1, n) float64
        Posts.
    shares : (T+1, n, n + 4) float64
        Share of them that each model wrote, that is initial, fresh, noise, and an anchor.
    """

    k: FloatArray
    shares: FloatArray


def expected_reads(spec: LlmSpec) -> Reads:
    """Return what models are expected to read; exact where chance has no say in who may."""
    n, times = len(spec.models), spec.n_steps + 1
    k, posts = np.zeros((times, n)), np.zeros((times, n, n + 4))
    places = spec.places if spec.n_pool is None else spec.places[:1]
    for place in places:
        log = web_log(spec, place)
        whose = np.where(log.kind == SYNTHETIC, log.author, n + INITIAL)
        whose[(log.kind == REAL) & (log.time >= 0)] = n + FRESH
        whose[log.kind == NOISE] = n + NOISE_POST
        for t in range(times):
            known: dict[bytes, tuple[int, FloatArray]] = {}
            network = network_at(spec, t)
            for i in np.flatnonzero(spec.reading).tolist():
                row = b"" if network is None else network[i].tobytes()
                if row not in known:
                    known[row] = _of_web(spec, log, whose, t, i)
                many, shares = known[row]
                own = 0.0
                if spec.scenario.anchors is not None:
                    share, there = spec.scenario.anchors[0], log.anchors(i).size
                    own = _binomial_mean(many, share, 0, there)
                k[t, i] += many
                posts[t, i] += (many - own) * shares
                posts[t, i, n + ANCHOR_POST] += own
    each = np.where(k > 0, k, 1)[..., None]
    return Reads(k / len(places), posts / each)


def _of_web(
    spec: LlmSpec, log: WebLog, whose: NDArray[np.int64], t: int, model: int
) -> tuple[int, FloatArray]:
    """Return how many posts a model reads, and the shares of those of the web by who wrote them."""
    scenario, network = spec.scenario, network_at(spec, t)
    pool = pool_of(spec, log, t, model)
    k = int(read_sizes(scenario.n_read, spec.beta, np.array([pool.size]))[0])
    weights = np.full(pool.size, 1 / max(pool.size, 1))
    if network is not None and has_weights(network):
        weights = author_weights(network[model], log.author[pool])
    elif scenario.real_share is not None:
        real = log.kind[pool] == REAL
        n_real, n_other = int(real.sum()), int((~real).sum())
        if isinstance(scenario.read_real, tuple):
            many = _binomial_mean(k, scenario.real_share, k - n_other, n_real)
        else:
            many = float(real_reads(scenario.real_share, k, n_real, n_other))
        parts = (real, many), (~real, k - many)
        for part, number in parts:
            weights[part] = number / max(k, 1) / max(int(part.sum()), 1)
    elif scenario.retrieval.startswith("recent"):
        weights = np.where(np.arange(pool.size) >= pool.size - k, 1 / max(k, 1), 0.0)
    shares = np.bincount(whose[pool], weights, len(spec.models) + 4)
    return k, shares.astype(np.float64)


def _binomial_mean(k: int, share: float, least: int, most: int) -> float:
    """Return the mean of a binomial number that is kept between two others."""
    numbers = np.arange(k + 1)
    return float(binom.pmf(numbers, k, share) @ np.clip(numbers, least, most))
