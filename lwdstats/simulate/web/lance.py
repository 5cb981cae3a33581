"""The web as a LanceDB table on disk, one version a step."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwdstats.errors import InputError
from lwdstats.simulate.web.protocol import BLOCK, Post, Web

_TABLE = "web"
_CACHE = 16 << 20


class LanceWeb(Web):
    """A^(t) as a table with columns row, text, time, model, response and vector.

    Parameters
    ----------
    folder : path
        Where the table is, or will be. Every `append` makes a version of it.

    Raises
    ------
    InputError
        If lancedb is not installed.
    """

    def __init__(self, folder: str | Path) -> None:
        # Its notices ("no existing dataset, it will be created") mean nothing to our users.
        os.environ.setdefault("LANCE_LOG", "error")
        try:
            import lancedb
        except ImportError as error:
            raise InputError(
                "web", "'lance' without lancedb", "'memory', or: pip install lancedb"
            ) from error
        # By default it keeps gigabytes of what it has read.
        session = lancedb.Session(index_cache_size_bytes=_CACHE, metadata_cache_size_bytes=_CACHE)
        self._db: Any = lancedb.connect(str(folder), session=session)
        self._table: Any = None
        self._size = 0
        if (Path(folder) / f"{_TABLE}.lance").is_dir():
            self._table = self._db.open_table(_TABLE)
            self._size = int(self._table.count_rows())

    def __len__(self) -> int:
        return self._size

    def clear(self) -> None:
        """Begin again with no posts."""
        if self._table is not None:
            self._db.drop_table(_TABLE)
        self._table, self._size = None, 0

    def append(self, posts: Sequence[Post], vectors: NDArray[np.float32]) -> None:
        """Add posts, and their vectors of shape (len(posts), n_features), at the end."""
        import pyarrow as pa

        n, width = vectors.shape
        flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).ravel())
        rows = pa.table(
            {
                "row": np.arange(self._size, self._size + n),
                "text": pa.array([post.text for post in posts], pa.string()),
                "time": pa.array([post.time for post in posts], pa.int32()),
                "model": pa.array([post.model for post in posts], pa.int32()),
                "response": pa.array([post.response for post in posts], pa.int32()),
                "vector": pa.FixedSizeListArray.from_arrays(flat, width),
            }
        )
        # A vector of NaN is none.
        if self._table is None:
            self._table = self._db.create_table(_TABLE, rows, on_bad_vectors="null")
        else:
            self._table.add(rows, on_bad_vectors="null")
        self._size += n

    def blocks(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Yield rows and their vectors, a block at a time.

        The whole table is read: an index, or distances in float32, would break ties
        otherwise than memory does, and once models repeat themselves there are many.
        """
        if self._table is None:
            return
        for batch in self._table.search().select(["row", "vector"]).to_batches(batch_size=BLOCK):
            column = batch.column("vector")
            block = np.full((len(batch), column.type.list_size), np.nan, dtype=np.float32)
            there = column.is_valid().to_numpy(zero_copy_only=False)
            block[there] = (
                column.flatten().to_numpy(zero_copy_only=False).reshape(there.sum(), block.shape[1])
            )
            yield batch.column("row").to_numpy(), block

    def texts(self, rows: Sequence[int] | NDArray[np.int32]) -> list[str]:
        """Return the posts' texts in the order of `rows`."""
        if not len(rows):
            return []
        wanted = [int(row) for row in rows]
        found = self._table.take_offsets(sorted(set(wanted))).select(["row", "text"]).to_arrow()
        text = dict(zip(found["row"].to_pylist(), found["text"].to_pylist(), strict=True))
        return [text[row] for row in wanted]
