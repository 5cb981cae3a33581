"""Where a sweep keeps what it has measured: a run counts when its record is on the disk.

A store is a folder. `sweep.sqlite` holds a record for each run, by the digest of its cell and its
replicate; all of a cell that come together are one transaction, which SQLite makes durable or
undoes whenever the process or the machine stops. Any sweep may use the folder: it finds the runs
that are its own. `lock` is held by the process that runs; the system frees it when that ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from lwdstats.errors import InputError
from lwdstats.simulate.llm.storing.journal import lock_folder

FILE, FORMAT = "sweep.sqlite", 1
# Digest of the cell, replicate.
Key = tuple[str, int]
Record = dict[str, Any]
_TABLES = """
CREATE TABLE note (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE run (
    cell TEXT, replicate INTEGER, record TEXT NOT NULL, PRIMARY KEY (cell, replicate)
) WITHOUT ROWID;
"""


class SweepStore:
    """An open store, locked until it is closed; without a folder it is held in memory.

    Parameters
    ----------
    folder : path or None
        Made if it is not there.

    Raises
    ------
    InputError
        If another process has it, it holds other files, or it can't be read or written.
    """

    def __init__(self, folder: str | os.PathLike[str] | None) -> None:
        if folder is not None and not isinstance(folder, str | os.PathLike):
            raise InputError("store", f"an object of type {type(folder).__name__}", "a folder")
        self.folder = None if folder is None else Path(folder).resolve()
        self._lock: int | None = None
        if self.folder is not None:
            known = self.folder.exists() and (
                not self.folder.is_dir() or set(os.listdir(self.folder)) - {"lock"}
            )
            if known and not (self.folder / FILE).is_file():
                got = f"{self.folder} (holds other files)"
                raise InputError("store", got, "a new folder, or the store of a sweep")
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._lock = lock_folder(self.folder)
            except OSError as error:
                got = f"{self.folder} ({error.strerror or error})"
                raise InputError("store", got, "a folder that can be written") from error
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            self.close()
            got = f"{self.folder} ({error})"
            raise InputError("store", got, "an undamaged store of a sweep") from error
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        path = ":memory:" if self.folder is None else self.folder / FILE
        self._db = sqlite3.connect(path, isolation_level=None)
        # A commit outlives a power cut, and takes one flush instead of four.
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA journal_mode = WAL")
        with self._transaction():
            if not self._db.execute("SELECT 1 FROM sqlite_master").fetchone():
                for statement in _TABLES.split(";"):
                    self._db.execute(statement)
                self._db.execute("INSERT INTO note VALUES ('format', ?)", (str(FORMAT),))
        row = self._db.execute("SELECT value FROM note WHERE name = 'format'").fetchone()
        if row != (str(FORMAT),):
            got = f"{self.folder} of format {row and row[0]}"
            raise InputError("store", got, f"a store of format {FORMAT}")

    @contextlib.contextmanager
    def _transaction(self) -> Any:
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            yield

    def remembered(self, name: str, default: Callable[[], str]) -> str:
        """Return a fact of the first sweep in the store, noted now if there is none."""
        row = self._db.execute("SELECT value FROM note WHERE name = ?", (name,)).fetchone()
        if row is None:
            row = (default(),)
            self._db.execute("INSERT INTO note VALUES (?, ?)", (name, *row))
        return row[0]

    def add(self, cell: str, records: Mapping[int, Record]) -> None:
        """Keep records of a cell by replicate; they are on the disk when this returns."""
        rows = [(cell, r, json.dumps(record)) for r, record in records.items()]
        with self._transaction():
            self._db.executemany("INSERT OR REPLACE INTO run VALUES (?, ?, ?)", rows)

    def records(self, cells: Collection[str]) -> dict[Key, Record]:
        """Return the records of some cells."""
        wanted = set(cells)
        return {
            (cell, replicate): json.loads(text)
            for cell, replicate, text in self._db.execute("SELECT * FROM run")
            if cell in wanted
        }

    def done(self, cells: Collection[str], *, retry: bool, files: bool) -> set[Key]:
        """Return the runs that are kept: without failures to `retry`, and with `files` if asked."""
        return {
            key
            for key, record in self.records(cells).items()
            if not (retry and "error" in record)
            and not (files and "error" not in record and not self._has_file(record))
        }

    def _has_file(self, record: Record) -> bool:
        return self.folder is not None and (self.folder / record.get("file", "")).is_file()

    def close(self) -> None:
        """Free the store for another process."""
        if hasattr(self, "_db"):
            self._db.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def today() -> str:
    """Return the day, which chat templates may write."""
    return datetime.now(UTC).date().isoformat()
