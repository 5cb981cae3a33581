"""What each model may read, kept as lists of posts in a numba kernel, and draws from them.

Letters in the shapes: n models, C classes of readers, S strata, N posts of the log.

Models that may read the same posts are a class. A class has a list of rows of
the log for each stratum: one for all, or real posts and the others. A list is in
the order of the log, from its head to its tail; what leaves a window moves the
head, and what is posted the tail. A web of fixed capacity is written anew.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from lwdstats.simulate.gmm.exact.simd import unlikely
from lwdstats.simulate.gmm.xoshiro import LOW_HALF, U64, restore_order, settle, step


@numba.njit(nogil=True)
def append(
    rows: Any,
    author: Any,
    kind: Any,
    n_strata: int,
    starts: Any,
    classes: Any,
    lists: Any,
    offset: Any,
    tail: Any,
) -> None:
    """Put posts, rows of the log in order, at the end of the lists of who may read them.

    Parameters
    ----------
    rows : (m,) int
        Rows of the log.
    author, kind : (N,) int
        Author of each row, n for none, and 1 for what is real.
    n_strata : int
        S: 2 where real posts (the second) are apart from the others, otherwise 1.
    starts, classes : (n + 2,), (...) int
        Classes that read an author are ``classes[starts[a] : starts[a + 1]]``.
    lists, offset, tail : (...), (C S,), (C S,) int
        The lists, one after the other, where each begins, and how far each is filled.
    """
    for row in rows:
        real = 1 if n_strata == 2 and kind[row] == 1 else 0
        for at in range(starts[author[row]], starts[author[row] + 1]):
            pool = classes[at] * n_strata + real
            lists[offset[pool] + tail[pool]] = row
            tail[pool] += 1


@numba.njit(nogil=True)
def draw(pool: Any, n: int, k: int, order: Any, states: Any, model: int, out: Any) -> None:
    """Draw `k` of the first `n` rows of a pool without replacement, in random order.

    `order` counts up from 0, is longer than `n`, and is left as it was. The draws are those
    of `absorb`, so that one web that all read gives the same run.
    """
    s0, s1, s2, s3 = states[0, model], states[1, model], states[2, model], states[3, model]
    left = U64(0)
    for j in range(np.uint64(k)):
        # 32 bits each: the low half of a word at even j, and then the high one.
        if j & U64(1) == U64(0):
            word, s0, s1, s2, s3 = step(s0, s1, s2, s3)
            left = word >> U64(32)
            half = word & LOW_HALF
        else:
            half = left
        span = np.uint64(n) - j
        product = half * span
        if unlikely(product & LOW_HALF < span):
            states[0, model], states[1, model], states[2, model], states[3, model] = s0, s1, s2, s3
            product = settle(span, product, states, model)
            s0, s1, s2, s3 = states[0, model], states[1, model], states[2, model], states[3, model]
        place = j + (product >> U64(32))
        item = order[place]
        order[place] = order[j]
        order[j] = item
        out[j] = pool[np.uint64(np.uint32(item))]
    states[0, model], states[1, model], states[2, model], states[3, model] = s0, s1, s2, s3
    restore_order(order, n, k)


@numba.njit(nogil=True)
def thin(items: Any, n: int, n_kept: int, order: Any, states: Any) -> None:
    """Keep `n_kept` of the first `n` items, each set as likely, in their order, at the front.

    `order` and `states`, of one column, are as `draw` takes them.
    """
    gone = np.empty(n - n_kept, np.int32)
    draw(order, n, n - n_kept, order.copy(), states, 0, gone)
    gone.sort()
    kept, at = 0, 0
    for i in range(n):
        if at < gone.size and gone[at] == i:
            at += 1
        else:
            items[kept] = items[i]
            kept += 1


@numba.njit(nogil=True)
def mix(items: Any, n_first: Any, k: Any, states: Any, model: int) -> None:
    """Mix the first of `k` items with the rest, at random places, each part in its order.

    From the end: a place goes to one of the rest with their share of what is left.
    """
    s0, s1, s2, s3 = states[0, model], states[1, model], states[2, model], states[3, model]
    rest = items[n_first:k].copy()
    right = np.uint64(k - n_first)
    for left in range(np.uint64(k), np.uint64(0), -1):
        if right == U64(0):
            break
        word, s0, s1, s2, s3 = step(s0, s1, s2, s3)
        product = (word >> U64(32)) * left
        if unlikely(product & LOW_HALF < left):
            states[0, model], states[1, model], states[2, model], states[3, model] = s0, s1, s2, s3
            product = settle(left, product, states, model)
            s0, s1, s2, s3 = states[0, model], states[1, model], states[2, model], states[3, model]
        if product >> U64(32) < right:
            right -= U64(1)
            items[left - U64(1)] = rest[right]
        else:
            items[left - U64(1)] = items[left - U64(1) - right]
    states[0, model], states[1, model], states[2, model], states[3, model] = s0, s1, s2, s3


@numba.njit(nogil=True)
def alias_table(chance: Any, bound: Any, alias: Any) -> None:
    """Write Walker's table of a law: cell a stays below ``bound[a]``, and is ``alias[a]`` above.

    All (m,); `chance` sums to about 1, and is lost.
    """
    m = chance.size
    small, large = np.empty(m, np.int64), np.empty(m, np.int64)
    n_small, n_large = 0, 0
    for a in range(m):
        chance[a] *= m
        bound[a], alias[a] = 1.0, a
        if chance[a] < 1.0:
            small[n_small] = a
            n_small += 1
        else:
            large[n_large] = a
            n_large += 1
    while n_small > 0 and n_large > 0:
        n_small -= 1
        low, high = small[n_small], large[n_large - 1]
        bound[low], alias[low] = chance[low], high
        chance[high] -= 1.0 - chance[low]
        if chance[high] < 1.0:
            n_large -= 1
            small[n_small] = high
            n_small += 1
    # By rounding a cell of no chance may be left over; the last to give is as good as full.
    for j in range(n_small):
        if chance[small[j]] <= 0.0:
            bound[small[j]], alias[small[j]] = 0.0, large[0]


@numba.njit(nogil=True)
def draw_by_author(
    row: Any, lists: Any, offset: Any, head: Any, tail: Any, k: Any, states: Any, model: int,
    chance: Any, bound: Any, alias: Any, out: Any,
) -> None:  # fmt: skip
    """Draw `k` posts with replacement, authors by weight, and those without author by number.

    `row` (n,) are weights of authors, whose lists come first; the last list is that of posts
    without author. `chance`, `bound` and `alias` (n + 1,) are room to work in.
    """
    n = row.size
    common = tail[n] - head[n]
    total, mass = common, 0.0
    for a in range(n):
        if row[a] > 0.0 and tail[a] > head[a]:
            total += tail[a] - head[a]
            mass += row[a]
    for a in range(n):
        there = row[a] > 0.0 and tail[a] > head[a]
        chance[a] = row[a] / mass * (total - common) / total if there else 0.0
    chance[n] = common / total
    alias_table(chance, bound, alias)
    s0, s1, s2, s3 = states[0, model], states[1, model], states[2, model], states[3, model]
    for j in range(k):
        word, s0, s1, s2, s3 = step(s0, s1, s2, s3)
        target = (word >> U64(11)) * 2.0**-53 * (n + 1)
        cell = min(np.int64(target), n)
        a = cell if target - cell < bound[cell] else alias[cell]
        word, s0, s1, s2, s3 = step(s0, s1, s2, s3)
        size = tail[a] - head[a]
        place = min(np.int64((word >> U64(11)) * 2.0**-53 * size), size - 1)
        out[j] = lists[offset[a] + head[a] + place]
    states[0, model], states[1, model], states[2, model], states[3, model] = s0, s1, s2, s3
