"""The web as lists in memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lwdstats.simulate.web.protocol import BLOCK, Post, draw_rows, nearest_rows


class MemoryWeb:
    """A^(t), in the order of posting.

    Examples
    --------
    >>> web = MemoryWeb()
    >>> web.append([Post("one"), Post("two")], np.array([[0.0], [1.0]], dtype=np.float32))
    >>> web.texts(web.nearest(np.array([0.8], dtype=np.float32), 2))
    ['two', 'one']
    """

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self._vectors: list[NDArray[np.float32]] = []

    def __len__(self) -> int:
        return len(self.posts)

    def append(self, posts: Sequence[Post], vectors: NDArray[np.float32]) -> None:
        """Add posts, and their vectors of shape (len(posts), n_features), at the end."""
        self.posts.extend(posts)
        self._vectors.extend(vectors)

    def sample(self, k: int, rng: np.random.Generator) -> NDArray[np.int32]:
        """Return rows of `k` different posts, uniformly drawn, in random order."""
        return draw_rows(len(self), k, rng)

    def nearest(self, vector: NDArray[np.float32], k: int) -> NDArray[np.int32]:
        """Return rows of the `k` posts next to `vector`, the nearest first."""
        rows = np.arange(len(self))
        parts = [slice(start, start + BLOCK) for start in range(0, len(self), BLOCK)]
        blocks = ((rows[part], np.stack(self._vectors[part])) for part in parts)
        return nearest_rows(blocks, vector, k)

    def texts(self, rows: Sequence[int] | NDArray[np.int32]) -> list[str]:
        """Return the posts' texts in the order of `rows`."""
        return [self.posts[row].text for row in rows]
