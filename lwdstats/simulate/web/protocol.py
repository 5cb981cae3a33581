"""What the Internet A^(t) is to the simulation: an append-only log of posts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

# Posts whose distances are taken at a time.
BLOCK = 4096


@dataclass(frozen=True)
class Post:
    """A post: its text, and the step, model and response that made it (-1: initial)."""

    text: str
    time: int = -1
    model: int = -1
    response: int = -1


class Web(Protocol):
    """A^(t) in the order of posting; a row is a post's place in it.

    Two webs with the same posts give the same rows for the same generator or vector.
    """

    def __len__(self) -> int:
        """Return |A^(t)|."""
        ...

    def append(self, posts: Sequence[Post], vectors: NDArray[np.float32]) -> None:
        """Add posts, and their vectors of shape (len(posts), n_features), at the end."""
        ...

    def sample(self, k: int, rng: np.random.Generator) -> NDArray[np.int32]:
        """Return rows of `k` different posts, uniformly drawn, in random order."""
        ...

    def nearest(self, vector: NDArray[np.float32], k: int) -> NDArray[np.int32]:
        """Return rows of the `k` posts next to `vector`, the nearest first.

        Distances are Euclidean; of equally near posts the earlier comes first. A
        post without a vector (NaN) comes last.
        """
        ...

    def texts(self, rows: Sequence[int] | NDArray[np.int32]) -> list[str]:
        """Return the posts' texts in the order of `rows`."""
        ...


def draw_rows(n: int, k: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """Return `k` of `n` rows, uniformly drawn without replacement, in random order."""
    return rng.choice(n, size=k, replace=False, shuffle=True).astype(np.int32)


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


def nearest_rows(
    blocks: Iterable[tuple[NDArray[np.int64], NDArray[np.float32]]],
    vector: NDArray[np.float32],
    k: int,
) -> NDArray[np.int32]:
    """Return the `k` rows next to `vector`, in order of distance and then of row.

    Parameters
    ----------
    blocks : iterable of pairs of numpy.ndarray, shapes (m,) and (m, n_features)
        Rows and their vectors, a block at a time.
    vector : numpy.ndarray, shape (n_features,)
    k : int
    """
    rows, squares = np.empty(0, dtype=np.int64), np.empty(0)
    for block_rows, vectors in blocks:
        rows = np.concatenate([rows, block_rows])
        squares = np.concatenate([squares, squared_distances(vectors, vector)])
        order = np.lexsort((rows, squares))[:k]
        rows, squares = rows[order], squares[order]
    return rows.astype(np.int32)
