"""The posts of a run in order, which of them are on the web, and how likely each is read.

Pure functions, of which a simulator's kernel is the fast form. Letters in the
shapes: n models, N posts of the log, T steps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lwdstats.arrays import FloatArray
from lwdstats.scenario.growth import retrieval_sizes

# Kinds of posts: what a model wrote, what comes from outside, what is off topic, and what only
# the model reads whose own source it is.
SYNTHETIC, REAL, NOISE, ANCHOR = 0, 1, 2, 3


class Log(NamedTuple):
    """All posts that a run makes, in the order in which they come; (N,) each.

    Attributes
    ----------
    time : int64
        Step that added the post, -1 for the initial web.
    author : int64
        Index of the model that wrote it, -1 where none of the network did.
    kind : int8
        SYNTHETIC, REAL or NOISE.
    """

    time: NDArray[np.int64]
    author: NDArray[np.int64]
    kind: NDArray[np.int8]


def added_posts(
    fresh: int | float, noise: float, n_synthetic: int, n_steps: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many fresh and how many noise posts each of T steps adds, (T,) each.

    A share is of all that a step adds. Where it is no whole number of posts, steps
    take turns, so that after t steps floor(t times it) have come.

    Examples
    --------
    >>> added_posts(0.25, 0.0, 6, 4)[0]
    array([2, 2, 2, 2])
    >>> added_posts(1, 0.2, 9, 4)[1]
    array([2, 3, 2, 3])
    """
    if isinstance(fresh, int):
        rates = fresh, noise * (n_synthetic + fresh) / (1 - noise)
    else:
        total = n_synthetic / (1 - fresh - noise)
        rates = fresh * total, noise * total
    steps = np.arange(n_steps + 1, dtype=np.int64)
    real, off_topic = (np.diff(retrieval_sizes(steps, rate)) for rate in rates)
    return real, off_topic


def log_of(
    posting: NDArray[np.bool_],
    n_responses: int,
    n_initial: int,
    fresh: NDArray[np.int64],
    noise: NDArray[np.int64],
) -> Log:
    """Return the posts of a run: the initial web, then step by step models, fresh posts, noise.

    `posting` (n,) says which models post their `n_responses`; `fresh` and `noise` are (T,).
    """
    authors = np.repeat(np.flatnonzero(posting), n_responses)
    parts = np.stack([np.full(fresh.size, authors.size), fresh, noise], 1)
    own = np.repeat([SYNTHETIC, REAL, NOISE] * fresh.size, parts.reshape(-1))
    author = np.full(own.size, -1)
    author[own == SYNTHETIC] = np.tile(authors, fresh.size)
    start = np.full(n_initial, -1)
    return Log(
        np.concatenate([start, np.repeat(np.arange(fresh.size), parts.sum(1))]).astype(np.int64),
        np.concatenate([start, author]).astype(np.int64),
        np.concatenate([np.full(n_initial, REAL), own]).astype(np.int8),
    )


def on_web(keep: str | tuple[str, int], time: NDArray[np.int64], t: int) -> NDArray[np.bool_]:
    """Return which posts are A^(t), where `keep` is "all" or ("last", m); by their times (N,)."""
    oldest = -1 if keep == "all" else t - int(keep[1])
    return (time < t) & (time >= oldest)


def survivors(
    keep: tuple[str, int], n_old: int, n_new: int, n_ever: int, stream: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which of the posts on a web of capacity M stay, and which of the new ones come.

    Random: the new ones all come, and chance says which old ones make room. Reservoir:
    the web is a uniform sample of all that was ever posted.

    Parameters
    ----------
    keep : tuple
        ("random", M) or ("reservoir", M).
    n_old, n_new, n_ever : int
        Posts on the web, posts of the step, and posts that came before it, the initial
        web included.
    stream : numpy.random.Generator
        Of this step.

    Returns
    -------
    old, new : int64
        Places among the old ones and among the new ones, increasing.
    """
    rule, capacity = keep
    if n_old + n_new <= capacity:
        return np.arange(n_old), np.arange(n_new)
    come = n_new if rule == "random" else stream.hypergeometric(n_new, n_ever, capacity)
    old = stream.choice(n_old, capacity - come, replace=False)
    new = stream.choice(n_new, come, replace=False)
    return np.sort(old), np.sort(new)


def departures(
    keep: str | tuple[str, int],
    time: NDArray[np.int64],
    n_steps: int,
    stream: Callable[[int], np.random.Generator],
) -> NDArray[np.int64]:
    """Return when each post (N,) is no longer on the web, -1 if that is not by T.

    A post of step s is on A^(t) where s < t and it has not left by then; one that never comes
    on the web leaves at s + 1.

    Parameters
    ----------
    keep : str or tuple
        As a scenario has it.
    time : (N,) int64
        Step that added each post, increasing.
    n_steps : int
        T.
    stream : callable
        From a step to the generator that draws who survives it.

    Examples
    --------
    >>> departures(("last", 2), np.array([-1, 0, 0, 1]), 3, np.random.default_rng)
    array([ 2,  3,  3, -1])
    """
    if keep == "all":
        return np.full(time.size, -1)
    rule, size = keep[0], int(keep[1])
    if rule == "last":
        left = time + 1 + size
        return np.where(left > n_steps, -1, left)
    left = np.full(time.size, -1)
    first = np.searchsorted(time, np.arange(n_steps + 1))
    alive = np.arange(first[0])
    for t in range(n_steps):
        new = np.arange(first[t], first[t + 1])
        old, come = survivors((rule, size), alive.size, new.size, int(first[t]), stream(t))
        stays = np.concatenate([alive[old], new[come]])
        left[np.setdiff1d(np.concatenate([alive, new]), stays)] = t + 1
        alive = stays
    return left


def readable(row: FloatArray | None, author: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which posts (N,) a model may read whose row (n,) of the matrix of readers is given.

    What no model of the network wrote is open to all. None: all read all.
    """
    if row is None:
        return np.ones(author.size, bool)
    return (author < 0) | (row[author] > 0)


def reading_weights(row: FloatArray | None, author: NDArray[np.int64]) -> FloatArray:
    """Return the chance (N,) with which each post is the first that a model reads.

    Where the row is of zeros and ones, or all read all, each that may be read is as
    likely. Otherwise what no model wrote is read in proportion to its number among what
    may be read; the rest of the chance goes to authors by their weights, among those who
    have posts there, and each shares its own evenly among its posts.

    Examples
    --------
    >>> reading_weights(np.array([1.0, 0.0]), np.array([-1, 0, 0, 1]))
    array([0.33333333, 0.33333333, 0.33333333, 0.        ])
    >>> reading_weights(np.array([0.2, 0.6]), np.array([-1, 0, 0, 1]))
    array([0.25   , 0.09375, 0.09375, 0.5625 ])
    """
    may = readable(row, author)
    if not may.any():
        return np.zeros(author.size)
    if row is None or np.isin(row, (0.0, 1.0)).all():
        return may / may.sum()
    written = author >= 0
    common = (~written).sum() / may.sum()
    each = np.bincount(author[written], minlength=row.size)
    shares = np.where(each > 0, row, 0.0)
    shares = shares / max(shares.sum(), np.finfo(float).tiny)
    weights = np.full(author.size, 1.0 / may.sum())
    weights[written] = (1 - common) * (shares / np.maximum(each, 1))[author[written]]
    return weights


def real_reads(
    read_real: float | tuple[str, float],
    k: int,
    n_real: int,
    n_other: int,
    stream: np.random.Generator | None = None,
) -> int:
    """Return how many of `k` posts that a model reads are real.

    The nearest integer to the share of k, halves upwards, or a binomial number drawn from
    `stream`; never more than there are, nor so few that the others do not suffice.
    """
    if isinstance(read_real, tuple):
        if stream is None:
            raise TypeError("a share at random takes a stream")
        many = int(stream.binomial(k, read_real[1]))
    else:
        many = int(np.floor(read_real * k + 0.5))
    return min(max(many, k - n_other), n_real)
