"""What the Internet A^(t) is to the simulation: an append-only log of posts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Posts whose distances are taken at a time.
BLOCK = 4096


@dataclass(frozen=True)
class Post:
    """A post: its text, and the step, model and response that made it (-1: none)."""

    text: str
    time: int = -1
    model: int = -1
    response: int = -1


class Web(ABC):
    """All posts up to a step in the order of posting; a row is a post's place among them.

    Nothing is ever taken out: which rows are A^(t) is the scenario's to say. Two webs with
    the same posts give the same rows for the same vector.
    """

    @abstractmethod
    def __len__(self) -> int:
        """Return how many posts there are."""

    @abstractmethod
    def append(self, posts: Sequence[Post], vectors: NDArray[np.float32]) -> None:
        """Add posts, and their vectors of shape (len(posts), n_features), at the end."""

    @abstractmethod
    def texts(self, rows: Sequence[int] | NDArray[np.int32]) -> list[str]:
        """Return the posts' texts in the order of `rows`."""

    @abstractmethod
    def blocks(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Yield rows and their vectors, shapes (m,) and (m, n_features), a block at a time."""

    def nearest(
        self, vector: NDArray[np.float32], k: int, among: NDArray[np.integer] | None = None
    ) -> NDArray[np.int32]:
        """Return rows of the `k` posts next to `vector`, the nearest first.

        Rows are those of `among`, by default all. Distances are Euclidean; of equally near
        posts the earlier comes first. A post without a vector (NaN) comes last.
        """
        rows, squares = np.empty(0, dtype=np.int64), np.empty(0)
        for block_rows, vectors in self.blocks():
            if among is not None:
                some = np.isin(block_rows, among)
                block_rows, vectors = block_rows[some], vectors[some]
            rows = np.concatenate([rows, block_rows])
            squares = np.concatenate([squares, squared_distances(vectors, vector)])
            order = np.lexsort((rows, squares))[:k]
            rows, squares = rows[order], squares[order]
        return rows.astype(np.int32)


def squared_distances(
    vectors: NDArray[np.float32], vector: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return squared distances in float64, row by row: infinite where a vector is NaN.

    A row's number does not depend on which rows come with it, so that webs that
    read in different blocks agree to the last bit.
    """
    away = vectors.astype(np.float64) - vector.astype(np.float64)
    np.multiply(away, away, out=away)
    # A plain running sum: NumPy's order of summation depends on the layout in memory.
    square = np.zeros(len(away))
    for column in range(away.shape[1]):
        square += away[:, column]
    return np.where(np.isnan(square), np.inf, square)
