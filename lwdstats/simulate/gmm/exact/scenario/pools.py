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

from lwdstats.simulate.gmm.xoshiro import (
    LOW_HALF,
    U64,
    next_word,
    restore_order,
    settle,
    uniform,
)


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
def thin(items: Any, n: int, n_kept: int, states: Any) -> None:
    """Keep `n_kept` of the first `n` items, each set as likely, in their order, at the front."""
    kept = 0
    for i in range(n):
        if uniform(states, 0) * (n - i) < n_kept - kept:
            items[kept] = items[i]
            kept += 1


@numba.njit(nogil=True)
def shuffled(span: Any, odd: bool, halves: Any, states: Any, model: Any) -> Any:
    """Return a number uniform below `span`, 32 random bits each: a word serves two of them."""
    if odd:
        half = halves[model]
    else:
        word = next_word(states, model)
        halves[model] = word >> U64(32)
        half = word & LOW_HALF
    product = half * span
    if product & LOW_HALF < span:
        product = settle(span, product, states, model)
    return product >> U64(32)


@numba.njit(nogil=True)
def draw(
    pool: Any, n: int, k: int, order: Any, halves: Any, states: Any, model: int, out: Any
) -> None:
    """Draw `k` of the first `n` rows of a pool without replacement, in random order.

    `order` counts up from 0, is longer than `n`, and is left as it was. The draws are those
    of `absorb`, so that one web that all read gives the same run.
    """
    for j in range(k):
        place = j + np.int64(shuffled(np.uint64(n - j), j & 1 == 1, halves, states, model))
        item = order[place]
        order[place] = order[j]
        order[j] = item
        out[j] = pool[item]
    restore_order(order, n, k)


@numba.njit(nogil=True)
def shuffle(items: Any, k: int, halves: Any, states: Any, model: int) -> None:
    """Bring the first `k` items into a random order."""
    for j in range(k - 1):
        place = j + np.int64(shuffled(np.uint64(k - j), j & 1 == 1, halves, states, model))
        item = items[place]
        items[place] = items[j]
        items[j] = item


@numba.njit(nogil=True)
def mix(items: Any, n_first: int, k: int, states: Any, model: int) -> None:
    """Mix the first of `k` items with the rest, at random places, each part in its order.

    From the end: a place goes to one of the rest with their share of what is left.
    """
    rest = items[n_first:k].copy()
    left, right = n_first, k - n_first
    for place in range(k - 1, -1, -1):
        if uniform(states, model) * (left + right) < right:
            right -= 1
            items[place] = rest[right]
        else:
            left -= 1
            items[place] = items[left]


@numba.njit(nogil=True)
def binomial(k: int, share: float, states: Any, model: int) -> int:
    """Return how many of `k` are, each with chance `share`."""
    count = 0
    for _ in range(k):
        count += uniform(states, model) < share
    return count


@numba.njit(nogil=True)
def draw_by_author(
    row: Any, lists: Any, offset: Any, head: Any, tail: Any, k: int, states: Any, model: int,
    below: Any, out: Any,
) -> None:  # fmt: skip
    """Draw `k` posts with replacement, authors by weight, and those without author by number.

    `row` (n,) are weights of authors, whose lists come first; the last list is that of posts
    without author. `below` (n,) is room to work in.
    """
    n = row.size
    common = tail[n] - head[n]
    total, mass = common, 0.0
    for a in range(n):
        size = tail[a] - head[a]
        if row[a] > 0.0 and size > 0:
            total += size
            mass += row[a]
        below[a] = mass
    for j in range(k):
        target = uniform(states, model) * total
        a = n
        if target >= common:
            wanted = uniform(states, model) * mass
            a = min(np.searchsorted(below, wanted, side="right"), n - 1)
            while below[a] == (below[a - 1] if a > 0 else 0.0):
                a -= 1  # rounding may leave it past the last that has weight
        size = tail[a] - head[a]
        place = min(np.int64(uniform(states, model) * size), size - 1)
        out[j] = lists[offset[a] + head[a] + place]
