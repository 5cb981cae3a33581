"""The log of a web: which posts there are, where each comes from, and when it is on the web."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lwdstats.scenario.reading import ANCHOR, NOISE, REAL, Log, departures
from lwdstats.simulate.llm.spec import LlmSpec
from lwdstats.simulate.llm.storing.journal import Batch, Key
from lwdstats.simulate.web.protocol import Post
from lwdstats.streams import generator

# Replicate id, and index of the query.
Place = tuple[int, int]


@dataclass(frozen=True, eq=False)
class WebLog:
    """All N posts of a replicate and query in order, but for what models wrote.

    Attributes
    ----------
    time, author : (N,) int64
        Step that added a post, -1 for initial posts and anchors; the model that wrote it, or
        whose anchor it is, -1 for none.
    kind : (N,) int8
        SYNTHETIC, REAL, NOISE or ANCHOR.
    left : (N,) int64
        First time at which a post is no longer on the web, -1 if it is to the end: post j is on
        A^(t) where ``time[j] < t`` and ``left[j] == -1 or t < left[j]``. An anchor never is.
    given : (N,) int64
        Which of the given texts a post is, -1 for what a model wrote.
    """

    time: NDArray[np.int64]
    author: NDArray[np.int64]
    kind: NDArray[np.int8]
    left: NDArray[np.int64]
    given: NDArray[np.int64]

    def size(self, t: int) -> int:
        """Return how many posts there are before step t."""
        return int(np.searchsorted(self.time, t))

    def on_web(self, t: int) -> NDArray[np.int64]:
        """Return the rows of A^(t), increasing."""
        n = self.size(t)
        return np.flatnonzero((self.left[:n] == -1) | (t < self.left[:n]))

    def anchors(self, model: int) -> NDArray[np.int64]:
        """Return the rows that only one model reads."""
        return np.flatnonzero((self.kind == ANCHOR) & (self.author == model))


def web_log(spec: LlmSpec, place: Place) -> WebLog:
    """Return the log of a replicate and query."""
    scenario, n_initial = spec.scenario, len(spec.posts)
    log = scenario.log(list(spec.models), 1, n_initial, spec.n_steps)
    given = np.full(log.time.size, -1)
    given[:n_initial] = np.arange(n_initial)
    start = n_initial + len(spec.anchored)
    for name, kind in (("fresh", REAL), ("noise", NOISE)):
        n_pool = len(getattr(scenario, f"{name}_from") or ())
        rows = np.flatnonzero((log.kind == kind) & (log.time >= 0))
        if rows.size:
            order = generator(spec.seed, name, *place).permutation(n_pool)
            given[rows] = start + order[: rows.size]
        start += n_pool
    left = departures(
        scenario.keep, log.time, spec.n_steps, lambda t: generator(spec.seed, "keep", *place, t)
    )
    return _with_anchors(spec, log, left, given)


def _with_anchors(
    spec: LlmSpec, log: Log, left: NDArray[np.int64], given: NDArray[np.int64]
) -> WebLog:
    """Return a log with the models' anchors right after the initial posts."""
    n_initial, owner = len(spec.posts), [model for model, _ in spec.anchored]
    n = len(owner)
    own = {
        "time": np.full(n, -1),
        "author": np.array(owner, np.int64),
        "kind": np.full(n, ANCHOR, np.int8),
        "left": np.zeros(n, np.int64),
        "given": n_initial + np.arange(n),
    }
    whole = {**log._asdict(), "left": left, "given": given}
    parts = {
        name: np.concatenate([array[:n_initial], own[name], array[n_initial:]])
        for name, array in whole.items()
    }
    return WebLog(**parts)


def posted(batch: Batch) -> int:
    """Return which answer is posted: the first that is not missing (the first if all are)."""
    return next((row for row, text in enumerate(batch.answers) if text), 0)


def posts_of(
    spec: LlmSpec, log: WebLog, place: Place, batches: Mapping[Key, Batch], rows: NDArray[np.int64]
) -> list[Post]:
    """Return posts of the log; `batches` holds what models wrote of them."""
    posts = []
    for row in rows.tolist():
        t, i, which = int(log.time[row]), int(log.author[row]), int(log.given[row])
        if which >= 0:
            posts.append(Post(spec.given[which], t, i))
        else:
            batch = batches[*place, t, i]
            posts.append(Post(batch.answers[posted(batch)], t, i, posted(batch)))
    return posts


def vectors_of(
    log: WebLog,
    place: Place,
    batches: Mapping[Key, Batch],
    rows: NDArray[np.int64],
    given: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Return the vectors of posts, (rows, n_features), of those of the given texts and answers."""
    vectors = given[log.given[rows]] if len(given) else np.empty((rows.size, given.shape[1]), "f4")
    for at in np.flatnonzero(log.given[rows] < 0).tolist():
        batch = batches[*place, int(log.time[rows[at]]), int(log.author[rows[at]])]
        vectors[at] = batch.vectors[posted(batch)]
    return vectors
