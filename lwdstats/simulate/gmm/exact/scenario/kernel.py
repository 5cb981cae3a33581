"""Algorithm 3 in any scenario, in a numba kernel: arrays in, arrays out, one replicate a call.

Letters in the shapes: n models, B components, d features, L responses, T
steps, R kept times, N posts of the log, P periods of the network of readers, C
classes of readers, S strata, K the most that is read.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from lwdstats.simulate.gmm.exact import update as paper_update
from lwdstats.simulate.gmm.exact.kernel import BLOCK, emit
from lwdstats.simulate.gmm.exact.moving import update as moving_update
from lwdstats.simulate.gmm.exact.moving.emit import emit_moving
from lwdstats.simulate.gmm.exact.moving.refit import refit_moving
from lwdstats.simulate.gmm.exact.moving.state import WIDTH, exceeds, pack, unpack
from lwdstats.simulate.gmm.exact.moving.update import absorb_moving, room_of
from lwdstats.simulate.gmm.exact.scenario.pools import (
    append,
    draw,
    draw_by_author,
    mix,
    thin,
)
from lwdstats.simulate.gmm.exact.scenario.update import absorb_drawn, refit
from lwdstats.simulate.gmm.exact.update import post
from lwdstats.simulate.gmm.gaussian import binomial as binomials
from lwdstats.simulate.gmm.gaussian.binomial import binomial
from lwdstats.simulate.gmm.xoshiro import cached, start_stream, uniform

# What `keep`, `retrieval`, `read_real` and `update` are in a kernel.
ALL, LAST, RANDOM, RESERVOIR = 0, 1, 2, 3
UNIFORM, RECENT, AS_POSTED = 0, 1, 2
AS_THEY_COME, STRATIFIED, AT_RANDOM = 0, 1, 2
SEQUENTIAL, REFIT = 0, 1
# Where c is 0, a weight that nothing feeds falls for ever and never to 0. It stops here, before its
# products with likelihoods (see LOST) are subnormal, which cost a hundred times as much.
LEAST = 1e-50


class Rules(NamedTuple):
    """Numbers of a scenario."""

    n_responses: int
    keep: int
    keep_size: int
    retrieval: int
    read_real: int
    real_share: float
    real_weight: float  # NaN for none
    anchor_share: float
    after: bool
    update: int
    prior: float
    threshold: float


class Posts(NamedTuple):
    """The log of the run, as `Log` has it, and who posts and learns.

    Attributes
    ----------
    first : (T + 1,) int64
        First row of each step.
    time, author, kind : (N,) int32, int32, int8
        Author n stands for none.
    n_fresh, n_noise : (T,) int64
    posting, learning : (n,) bool
    """

    first: Any
    time: Any
    author: Any
    kind: Any
    n_fresh: Any
    n_noise: Any
    posting: Any
    learning: Any


class Readers(NamedTuple):
    """Who may read what, by period.

    Attributes
    ----------
    since : (P,) int64
        First step of each period.
    weighted : (P,) bool
    weights : (P, n, n) float64, or (P, 0, 0) where no period is weighted
    own_class : (P, n) int64
        Class of each model.
    n_classes : (P,) int64
    starts, classes : (P, n + 2), (P, most) int64
        See `append`.
    offset : (P, most C S) int64
        Where the list of each pool begins.
    room : int
        Of all lists.
    """

    since: Any
    weighted: Any
    weights: Any
    own_class: Any
    n_classes: Any
    starts: Any
    classes: Any
    offset: Any
    room: int


class Gains(NamedTuple):
    """How much is read, and the rules of the update.

    Attributes
    ----------
    sizes : (1 + most,) int64
        k by the number of posts that a model may read.
    alpha, complexity : (T, W) float64
        In column ``model * by_model + k * by_size``.
    """

    sizes: Any
    alpha: Any
    complexity: Any
    by_model: int
    by_size: int


class State(NamedTuple):
    """What a run carries from step to step, besides components that move; changed in place.

    Attributes
    ----------
    weights : (n, S) float64
        At the start Pi^(0), padded with ones.
    web : (N + M, d) float32, or float64 where components move
        The log, and behind it room for M points that a block of models reads of their anchors.
    kind : (N + M,) int8
        1 for what is real.
    rows : (M S,) float64
        What `post` makes of points; of size 0 where components move.
    points : (n, L, d)
        Drawn and not yet posted, as `web`.
    lists, head, tail : (room,) int32, (most C S,), (most C S,) int64
        Posts that each pool of readers has, and where those begin and end.
    alive : (capacity + 1,) int64
        The posts that are there, where the web has a capacity.
    order : (most + 1,) int32
        Numbers in order.
    emitting, retrieving, anchoring : (4, n) uint64
        Streams of the models.
    others : (3, 4, 1) uint64
        Those of fresh posts, noise and what is kept.
    numbers : (3,) int64
        How many posts are in `alive`; the period; the oldest row that is kept.
    """

    weights: Any
    web: Any
    kind: Any
    rows: Any
    points: Any
    lists: Any
    head: Any
    tail: Any
    alive: Any
    order: Any
    emitting: Any
    retrieving: Any
    anchoring: Any
    others: Any
    numbers: Any


def start(
    rules: Rules, posts: Posts, readers: Readers, gains: Gains, weights: Any, points: Any,
    stride: int, moves: bool,
) -> State:  # fmt: skip
    """Return the state before the first step, at Pi^(0), (n, B), and A^(0), (N0, d)."""
    n_models, n_components = weights.shape
    n_initial, n_features = points.shape
    padded = np.ones((n_models, stride))
    padded[:, :n_components] = weights
    spare = block_size(moves) * gains.sizes.max() if rules.anchor_share > 0.0 else 0
    n_rows = posts.time.size + spare
    web = np.zeros((n_rows, n_features), points.dtype)
    web[:n_initial] = points
    kind = np.ones(n_rows, np.int8)
    kind[: posts.time.size] = posts.kind
    capped = rules.keep in (RANDOM, RESERVOIR)
    alive = np.empty(rules.keep_size + 1 if capped else 0, np.int64)
    if capped:
        alive[:n_initial] = np.arange(n_initial)
    n_pools = readers.offset.shape[1]
    longest = max(gains.sizes.size, int(np.diff(posts.first).max(initial=0)))
    emitting, retrieving, anchoring = np.empty((3, 4, n_models), np.uint64)
    return State(
        weights=padded,
        web=web,
        kind=kind,
        rows=np.zeros(0 if moves else n_rows * stride),
        points=np.empty((n_models, rules.n_responses, n_features), points.dtype),
        lists=np.empty(readers.room, np.int32),
        head=np.zeros(n_pools, np.int64),
        tail=np.zeros(n_pools, np.int64),
        alive=alive,
        order=np.arange(longest + 1, dtype=np.int32),
        emitting=emitting,
        retrieving=retrieving,
        anchoring=anchoring,
        others=np.empty((3, 4, 1), np.uint64),
        numbers=np.array([n_initial, -1, 0]),
    )


def block_size(moves: bool) -> int:
    """Return how many models read at once."""
    return 2 * WIDTH if moves else BLOCK


@numba.njit(nogil=True)
def size_of(weighted: bool, row: Any, own: int, n_strata: int, head: Any, tail: Any) -> int:
    """Return how many posts a model may read."""
    if not weighted:
        size = 0
        for s in range(n_strata):
            size += tail[own * n_strata + s] - head[own * n_strata + s]
        return size
    size = tail[row.size] - head[row.size]
    for a in range(row.size):
        if row[a] > 0.0:
            size += tail[a] - head[a]
    return size


@numba.njit(nogil=True)
def read_pool(
    retrieval: int, lists: Any, start: int, stop: int, k: Any, order: Any,
    states: Any, model: int, out: Any,
) -> None:  # fmt: skip
    """Draw `k` posts of a list from `start` to `stop`, any or the newest."""
    if retrieval == UNIFORM:
        draw(lists[start:stop], stop - start, k, order, states, model, out)
    elif retrieval == RECENT:
        draw(lists[stop - k : stop], k, k, order, states, model, out)
    else:
        out[:k] = lists[stop - k : stop]


@numba.njit(nogil=True)
def choose_posts(
    rules: Any, weighted: bool, row: Any, own: int, lists: Any, offset: Any, head: Any, tail: Any,
    k: Any, order: Any, chance: Any,
    bound: Any, alias: Any, states: Any, model: int, out: Any,
) -> Any:  # fmt: skip
    """Fill the first places of `out` with what a model reads of the web; return how many.

    `chance`, `bound` and `alias` are room for `draw_by_author`. The rest of `k` is for its
    anchor, and mixed with it by the caller.
    """
    n_web = k
    if rules.anchor_share > 0.0:
        n_web -= np.int64(binomial(float(k), rules.anchor_share, states, model))
    if weighted:
        draw_by_author(
            row, lists, offset, head, tail, n_web, states, model, chance, bound, alias, out
        )
        return n_web
    if rules.read_real == AS_THEY_COME:
        start, stop = offset[own] + head[own], offset[own] + tail[own]
        read_pool(rules.retrieval, lists, start, stop, n_web, order, states, model, out)
        return n_web
    if rules.read_real == STRATIFIED:
        n_real = np.int64(np.floor(rules.real_share * n_web + 0.5))
    else:
        n_real = np.int64(binomial(float(n_web), rules.real_share, states, model))
    other, real = own * 2, own * 2 + 1
    n_real = max(n_real, n_web - (tail[other] - head[other]))
    n_real = min(n_real, tail[real] - head[real])
    start, stop = offset[real] + head[real], offset[real] + tail[real]
    read_pool(rules.retrieval, lists, start, stop, n_real, order, states, model, out)
    start, stop = offset[other] + head[other], offset[other] + tail[other]
    read_pool(
        rules.retrieval, lists, start, stop, n_web - n_real, order, states, model, out[n_real:]
    )
    if rules.retrieval == AS_POSTED:
        out[:n_web] = np.sort(out[:n_web])
    elif rules.update == SEQUENTIAL:
        mix(out, n_real, n_web, states, model)
    return n_web


@numba.njit(nogil=True)
def keep_some(
    rules: Any, alive: Any, n_alive: int, n_ever: int, n_new: int, order: Any, states: Any
) -> int:
    """Put the posts of a step on a web of fixed capacity; return how many are there then.

    `alive` holds their rows of the log, where the new ones come after `n_ever`; see `survivors`.
    """
    capacity = rules.keep_size
    new = np.arange(n_ever, n_ever + n_new)
    come = n_new
    if n_alive + n_new > capacity:
        if rules.keep == RESERVOIR:
            # A uniform sample of all posts has as many new ones as these draws say.
            come, left = 0, n_ever + n_new
            for _ in range(n_new):
                come += uniform(states, 0) * left < capacity - come
                left -= 1
            thin(new, n_new, come, order, states)
        thin(alive, n_alive, capacity - come, order, states)
        n_alive = capacity - come
    for j in range(come):
        alive[n_alive + j] = new[j]
    return n_alive + come


def _simulate(
    state: Any,
    first: int,
    stop: int,
    rules: Any,
    posts: Any,
    readers: Any,
    gains: Any,
    n_initial: int,
    means: Any,
    factor: Any,
    whiten: Any,
    fresh: Any,
    noise: Any,
    anchors: Any,
    moving: Any,
    slot: Any,
    stride: int,
    lanes: Any,
    chunks: Any,
    roots: Any,
    replicate: int,
) -> Any:
    """Run some steps of Algorithm 3 in a scenario.

    Parameters
    ----------
    state : State
        After the step before `first`.
    first, stop : int
        Which steps, ``first <= t < stop <= T + 1``; at T there is no update.
    rules, posts, readers, gains
        The scenario.
    n_initial : int
        N0.
    means, factor, whiten : (B, d), (d, d), (d, d) float64
        The components; the covariance's lower Cholesky factor and its inverse.
    fresh, noise : Source
        Where those posts come from.
    anchors : (n, B) float64
        Laws of the models' own sources.
    moving : Moving or None
        How components move, if they do, and where they are, which is changed in place: then all
        coordinates are whitened, and `means` and `factor` are where they start.
    slot, stride, lanes, chunks, replicate
        As the paper's kernel takes them.
    roots : (6, 4) uint64
        Root words of the streams of emission, retrieval, fresh, noise, anchors and keep.

    Returns
    -------
    weight : (R, n, B) float64
        Before the update, for the R times that are kept.
    drawn : (R, n, L, d) float32
        Points drawn by these weights.
    n_truncated, synthetic_share : (R, n) float64
        NaN at T; the share also where nothing was read.
    n_read : (R, n) int64
        k, at T what it would be.
    n_empty : int
        How often a model that learns had nothing that it may read.
    means, factors : (R, n, B, d), (R, n, B, d, d) float64
        Where components are; of size 0 where they do not move.
    n_clipped, n_floored : (R, n) float64
        How often a gain, or a step size by the weight of real points, was clipped at 1, and a
        covariance raised to the floor; NaN at T.
    ended : int
        First step after which a component is beyond the ceiling, -1 for none; the run ends there.
    """
    weights, points = state.weights, state.points
    web, kind, rows = state.web, state.kind, state.rows
    lists, head, tail, alive = state.lists, state.head, state.tail, state.alive
    emitting, retrieving, anchoring = state.emitting, state.retrieving, state.anchoring
    order, others = state.order, state.others
    n_alive, period, oldest = state.numbers[0], state.numbers[1], state.numbers[2]
    n_models, n_components, n_features = weights.shape[0], means.shape[0], means.shape[1]
    n_steps = posts.n_fresh.size
    n_log = posts.time.size
    n_kept = slot.max() + 1
    n_responses = rules.n_responses
    kept_weight = np.empty((n_kept, n_models, n_components))
    kept_points = np.empty((n_kept, n_models, n_responses, n_features), points.dtype)
    kept_truncated = np.full((n_kept, n_models), np.nan)
    kept_share = np.full((n_kept, n_models), np.nan)
    kept_read = np.zeros((n_kept, n_models), np.int64)
    n_empty, ended = 0, -1
    some = 0 if moving is None else n_kept
    kept_means = np.empty((some, n_models, n_components, n_features))
    kept_factors = np.empty((some, n_models, n_components, n_features, n_features))
    kept_clipped, kept_floored = np.full((2, n_kept, n_models), np.nan)
    clipped, floored = np.zeros(n_models), np.zeros(n_models)

    most = gains.sizes.max()
    n_block = BLOCK if moving is None else 2 * WIDTH
    centres = np.ascontiguousarray(means @ whiten.T)
    mixed = (kind != 0).any()
    apart = not np.isnan(rules.real_weight)
    real = np.zeros(0, np.int8)
    if apart or rules.update == REFIT:
        real = (kind == 1).astype(np.int8)
    n_strata = 1 if rules.read_real == AS_THEY_COME else 2
    capped = rules.keep == RANDOM or rules.keep == RESERVOIR
    flat = weights.reshape(-1)

    chosen = np.empty((n_block, most + 1), np.int32)
    k = np.zeros(n_block, np.int64)
    alpha, complexity = np.empty((n_block, 2)), np.empty(n_block)
    counts = np.ones(2)
    chance, bound = np.empty(n_models + 1), np.empty(n_models + 1)
    alias = np.empty(n_models + 1, np.int64)
    fired, share = np.empty(n_models), np.empty(n_models)
    read = np.zeros(n_models, np.int64)
    n_blocks = (n_models + n_block - 1) // n_block
    packed = np.empty(0 if moving is None else room_of(moving, n_block))

    if first == 0:
        if moving is None:
            post(web, 0, n_initial, whiten, centres, rows)
        for i in range(n_models):
            start_stream(roots[0], replicate, i, emitting)
            start_stream(roots[1], replicate, i, retrieving)
            start_stream(roots[4], replicate, i, anchoring)
        start_stream(roots[2], replicate, 0, others[0])
        start_stream(roots[3], replicate, 0, others[1])
        start_stream(roots[5], replicate, 0, others[2])
        for i in range(n_models):
            if moving is None:
                emit(weights[i, :n_components], means, factor, emitting, i, points[i])
            else:
                own = weights[i, :n_components]
                emit_moving(own, moving.means[i], moving.factors[i], emitting, i, points[i])
    for t in range(first, stop):
        kept = slot[t - first]
        now = posts.first[t]
        # The lists of who may read what.
        changed = False
        while period + 1 < readers.since.size and readers.since[period + 1] <= t:
            period += 1
            changed = True
        offset = readers.offset[period]
        starts, classes = readers.starts[period], readers.classes[period]
        weighted = readers.weighted[period]
        if rules.keep == LAST:
            while oldest < now and posts.time[oldest] < t - rules.keep_size:
                oldest += 1
        if capped or changed:
            head[:] = 0
            tail[:] = 0
            there = alive[:n_alive] if capped else np.arange(oldest, now)
            append(there, posts.author, kind, n_strata, starts, classes, lists, offset, tail)
        else:
            there = np.arange(posts.first[t - 1], now)
            append(there, posts.author, kind, n_strata, starts, classes, lists, offset, tail)
            if rules.keep == LAST:
                for pool in range(readers.n_classes[period] * n_strata):
                    while head[pool] < tail[pool] and lists[offset[pool] + head[pool]] < oldest:
                        head[pool] += 1

        for i in range(n_models):
            read[i] = 0
            if posts.learning[i]:
                row = readers.weights[period, i] if weighted else chance[:0]
                own = readers.own_class[period, i]
                size = size_of(weighted, row, own, n_strata, head, tail)
                read[i] = gains.sizes[size]
                n_empty += size == 0 and t < n_steps
        if kept >= 0:
            kept_weight[kept] = weights[:, :n_components]
            kept_points[kept] = points
            kept_read[kept] = read
            if moving is not None:
                kept_means[kept], kept_factors[kept] = moving.means, moving.factors
        if t == n_steps:
            break

        fired[:] = 0.0
        clipped[:] = 0.0
        floored[:] = 0.0
        share[:] = np.nan
        for block in range(n_blocks):
            # Blocks of nearly equal size, for a model that reads alone is slow.
            lowest = block * n_models // n_blocks
            size = (block + 1) * n_models // n_blocks - lowest
            for m in range(size):
                i = lowest + m
                k[m] = read[i]
                alpha[m], complexity[m] = 0.0, 0.0
                if k[m] == 0:
                    continue
                row = readers.weights[period, i] if weighted else chance[:0]
                n_web = choose_posts(
                    rules, weighted, row, readers.own_class[period, i], lists, offset, head, tail,
                    k[m], order, chance, bound, alias, retrieving, i, chosen[m],
                )  # fmt: skip
                begin = n_log + m * most
                n_own = k[m] - n_web
                if n_own > 0:
                    end = begin + n_own
                    emit(anchors[i], means, factor, anchoring, i, web[begin:end])
                    if moving is None:
                        post(web, begin, end, whiten, centres, rows)
                    for j in range(n_own):
                        chosen[m, n_web + j] = begin + j
                if n_own > 0 and rules.update == SEQUENTIAL:
                    mix(chosen[m], n_web, k[m], retrieving, i)
                synthetic, n_real = k[m], 0
                if mixed and (apart or kept >= 0):
                    synthetic = 0
                    for j in range(k[m]):
                        synthetic += kind[chosen[m, j]] == 0
                        n_real += kind[chosen[m, j]] == 1
                share[i] = synthetic / k[m]
                counts[0] = counts[1] = 1.0
                if apart and 0 < n_real < k[m]:
                    counts[0] = (1.0 - rules.real_weight) * k[m] / (k[m] - n_real)
                    counts[1] = rules.real_weight * k[m] / n_real
                column = i * gains.by_model + k[m] * gains.by_size
                complexity[m] = gains.complexity[t, column]
                if rules.update == REFIT:
                    if moving is None:
                        fired[i] = refit(
                            flat, i, chosen[m], k[m], rows, rules.prior, complexity[m], real,
                            counts, rules.threshold, web, whiten, centres, lanes, chunks,
                        )  # fmt: skip
                    alpha[m] = counts
                else:
                    for r in range(2):
                        alpha[m, r] = gains.alpha[t, column] * counts[r]
                        if alpha[m, r] > 1.0:
                            alpha[m, r] = 1.0
                            clipped[i] += n_real if r == 1 else k[m] - n_real
            if moving is None:
                if rules.update == SEQUENTIAL:
                    absorb_drawn(
                        flat, lowest, chosen, k[:size], rows, alpha, complexity, real,
                        rules.threshold, web, whiten, centres, lanes, chunks, fired,
                    )  # fmt: skip
            elif k[:size].any():
                pack(weights, moving, lowest, size, packed)
                if rules.update == SEQUENTIAL:
                    absorb_moving(
                        packed, lowest, chosen, k[:size], alpha, complexity, real, rules.threshold,
                        web, moving, fired, clipped, floored,
                    )  # fmt: skip
                else:
                    refit_moving(
                        packed, lowest, chosen, k[:size], alpha, rules.prior, complexity, real,
                        rules.threshold, web, moving, fired, floored,
                    )  # fmt: skip
                unpack(packed, lowest, size, weights, moving)
        for i in range(n_models):
            for b in range(n_components):
                if 0.0 < weights[i, b] < LEAST:
                    weights[i, b] = LEAST
        if kept >= 0:
            kept_truncated[kept] = fired
            kept_share[kept] = share
            kept_clipped[kept], kept_floored[kept] = clipped, floored
        if moving is not None and exceeds(moving):
            ended = t
            break

        if rules.after:
            for i in range(n_models):
                if moving is None:
                    emit(weights[i, :n_components], means, factor, emitting, i, points[i])
                else:
                    own = weights[i, :n_components]
                    emit_moving(own, moving.means[i], moving.factors[i], emitting, i, points[i])
        end = now
        for i in range(n_models):
            if posts.posting[i]:
                web[end : end + n_responses] = points[i]
                end += n_responses
        begin, end = end, end + posts.n_fresh[t]
        emit(fresh.weights, fresh.means, fresh.factor, others[0], 0, web[begin:end])
        begin, end = end, end + posts.n_noise[t]
        emit(noise.weights, noise.means, noise.factor, others[1], 0, web[begin:end])
        if moving is None:
            post(web, now, end, whiten, centres, rows)
        if capped:
            n_alive = keep_some(rules, alive, n_alive, now, end - now, order, others[2])
        if not rules.after:
            for i in range(n_models):
                if moving is None:
                    emit(weights[i, :n_components], means, factor, emitting, i, points[i])
                else:
                    own = weights[i, :n_components]
                    emit_moving(own, moving.means[i], moving.factors[i], emitting, i, points[i])
    state.numbers[0], state.numbers[1], state.numbers[2] = n_alive, period, oldest
    return (
        kept_weight, kept_points, kept_truncated, kept_share, kept_read, n_empty,
        kept_means, kept_factors, kept_clipped, kept_floored, ended,
    )  # fmt: skip


run_replicate = cached(_simulate, paper_update.__file__, moving_update.__file__, binomials.__file__)
