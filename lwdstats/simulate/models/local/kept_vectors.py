"""Vectors kept on disk, so that a text is embedded once by all processes and runs."""

from __future__ import annotations

import hashlib
import sqlite3
import warnings
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lwdstats.errors import InputError

_FILE = "vectors.sqlite"
_TABLE = "CREATE TABLE IF NOT EXISTS vector (key BLOB PRIMARY KEY, numbers BLOB) WITHOUT ROWID"
# Texts that are embedded before they are kept: what a kill loses.
_AT_ONCE = 256


class KeptVectors:
    """A folder with the vectors of texts.

    Processes may share it. What was embedded is kept after every few hundred texts.

    Parameters
    ----------
    folder : path
        Made if it is not there.

    Raises
    ------
    InputError
        If the folder can't be written or holds another file of that name.
    """

    def __init__(self, folder: str | Path) -> None:
        self._path = Path(folder) / _FILE
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._open()) as db:
                db.execute(_TABLE)
        except (OSError, sqlite3.Error) as error:
            got = f"{str(folder)!r} ({getattr(error, 'strerror', None) or error})"
            raise InputError("cache", got, "a folder that can be written, or None") from error

    def _open(self) -> sqlite3.Connection:
        # Anew for each use, as a connection belongs to a thread and to a process.
        return sqlite3.connect(self._path, isolation_level=None, timeout=600)

    def embed(
        self,
        embed: Callable[[list[str]], NDArray[np.float32]],
        texts: Sequence[str],
        settings: str,
    ) -> NDArray[np.float32]:
        """Return the vectors of texts, (len(texts), n_features); those that are kept are not asked.

        Parameters
        ----------
        embed : callable
            From texts to their vectors, float32.
        texts : sequence of str
        settings : str
            All that a vector depends on besides its text.
        """
        if not texts:
            return embed([])
        keys = {text: _key(settings, text) for text in texts}
        with closing(self._open()) as db:
            found: dict[str, bytes] = {}
            for text, key in keys.items():
                row = db.execute("SELECT numbers FROM vector WHERE key = ?", [key]).fetchone()
                if row:
                    found[text] = row[0]
            lacking = [text for text in keys if text not in found]
            for start in range(0, len(lacking), _AT_ONCE):
                some = lacking[start : start + _AT_ONCE]
                new = [v.tobytes() for v in np.asarray(embed(some), dtype="<f4")]
                rows = [(keys[text], numbers) for text, numbers in zip(some, new, strict=True)]
                try:
                    with db:
                        db.execute("BEGIN IMMEDIATE")
                        db.executemany("INSERT OR IGNORE INTO vector VALUES (?, ?)", rows)
                except sqlite3.Error as error:
                    # A full disk is no reason to lose what was embedded.
                    warnings.warn(f"vectors are not kept in {self._path}: {error}", stacklevel=2)
                found.update(zip(some, new, strict=True))
        return np.array([np.frombuffer(found[t], "<f4") for t in texts], dtype=np.float32)


def _key(settings: str, text: str) -> bytes:
    return hashlib.sha256(f"{settings}\0{text}".encode("utf-8", "surrogatepass")).digest()
