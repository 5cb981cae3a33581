"""The web as lists in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from lwdstats.simulate.web.protocol import BLOCK, Post, Web


class MemoryWeb(Web):
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

    def blocks(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Yield rows and their vectors, a block at a time."""
        for start in range(0, len(self), BLOCK):
            block = np.stack(self._vectors[start : start + BLOCK])
            yield np.arange(start, start + len(block)), block

    def texts(self, rows: Sequence[int] | NDArray[np.int32]) -> list[str]:
        """Return the posts' texts in the order of `rows`."""
        return [self.posts[row].text for row in rows]
