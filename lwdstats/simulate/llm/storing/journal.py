"""The journal of a run: what was answered is on the disk before it counts.

A store is a folder. `journal.sqlite` holds the specification and every batch of
answers; a batch is one transaction, which SQLite makes durable or undoes,
whenever the process or the machine stops. `lock` is held by the process that
runs; the system frees it when that process ends, however it ends. `log.txt` is for people.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwdstats.dataset.answer_text import is_blank
from lwdstats.dataset.schema import as_written_now
from lwdstats.errors import InputError

# The layout of the tables; another one is refused.
FORMAT = 1
FILE = "journal.sqlite"
_TABLES = """
CREATE TABLE note (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE batch (
    replicate INTEGER, query INTEGER, time INTEGER, model INTEGER,
    answers TEXT NOT NULL, retrieved BLOB NOT NULL, vectors BLOB NOT NULL,
    PRIMARY KEY (replicate, query, time, model)
) WITHOUT ROWID;
"""

# Replicate id, index of the query, time, index of the model.
Key = tuple[int, int, int, int]


class RunStoppedError(RuntimeError):
    """A run that ended before its last step; the message says how to go on."""


@dataclass(frozen=True)
class Batch:
    """The answers of one model at one step.

    Attributes
    ----------
    texts, raw : tuple of str
        L answers, as they count and as they came. An empty text is a missing answer; so is
        one without a vector, which the embedder has refused.
    n_tokens : tuple of int
        Tokens written for each, those of empty answers that were asked again included.
    retrieved : numpy.ndarray, int32, shape (k,)
        Rows of the web in prompt order.
    vectors : numpy.ndarray, float32, shape (L, n_features)
        Embedded answers, NaN for missing ones.
    """

    texts: tuple[str, ...]
    raw: tuple[str, ...]
    n_tokens: tuple[int, ...]
    retrieved: NDArray[np.int32]
    vectors: NDArray[np.float32]

    @property
    def answers(self) -> list[str]:
        """The L answers, "" for each that is missing."""
        there = np.isfinite(self.vectors[:, 0])
        return [text if ok else "" for text, ok in zip(self.texts, there, strict=True)]

    @property
    def n_unanswered(self) -> int:
        """How many missing answers are reasoning that no answer followed."""
        pairs = zip(self.texts, self.raw, strict=True)
        return sum(not text and not is_blank(raw) for text, raw in pairs)


class Record:
    """What the tables of a journal hold."""

    _db: sqlite3.Connection

    def read(self, name: str) -> Any:
        """Return a fact about the run, None where it is not known."""
        row = self._db.execute("SELECT value FROM note WHERE name = ?", (name,)).fetchone()
        return None if row is None else row[0]

    def batches(self) -> dict[Key, Batch]:
        """Return all batches that are kept."""
        kept = {}
        for row in self._db.execute("SELECT * FROM batch"):
            texts, raw, n_tokens = json.loads(row[4])
            vectors = np.frombuffer(row[6], "<f4").astype(np.float32).reshape(len(texts), -1)
            retrieved = np.frombuffer(row[5], "<i4").astype(np.int32)
            kept[row[:4]] = Batch(tuple(texts), tuple(raw), tuple(n_tokens), retrieved, vectors)
        return kept


class Journal(Record):
    """An open store, locked until it is closed.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    spec : mapping
        What decides the answers, as JSON has it.
    resume : bool
        Whether a store that exists is gone on with.

    Raises
    ------
    InputError
        If another process has it, it was made by another specification, it is
        not a store, or it exists and `resume` is false.
    """

    def __init__(self, folder: str | Path, spec: Mapping[str, Any], *, resume: bool) -> None:
        self.folder = Path(folder)
        # Lanes note what they are about to spend, from threads of their own.
        self._writing = threading.RLock()
        exists = has_journal(self.folder)
        if exists and not resume:
            raise InputError(
                "store",
                f"{self.folder} (holds a run, and resume=False)",
                "a new folder, or resume=True to go on with that run",
            )
        if not exists and self.folder.exists() and not _is_fresh(self.folder):
            raise InputError(
                "store", f"{self.folder} (holds other files)", "a new folder, or a store"
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = lock_folder(self.folder)
        except OSError as error:
            got = f"{self.folder} ({error.strerror or error})"
            raise InputError("store", got, "a folder that can be written") from error
        try:
            self._open(json.loads(json.dumps(spec)))
        except BaseException:
            self.close()
            raise

    def _open(self, spec: dict[str, Any]) -> None:
        path = self.folder / FILE
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            # EXTRA: the folder too is flushed, so that a commit outlives a power cut.
            self._db.execute("PRAGMA synchronous = EXTRA")
            if self._db.execute("PRAGMA quick_check").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("quick_check failed")
            if not self._db.execute("SELECT 1 FROM sqlite_master").fetchone():
                with _transaction(self._db):
                    for statement in _TABLES.split(";"):
                        self._db.execute(statement)
                    self.note("format", FORMAT)
                    self.note("created", datetime.now(UTC).isoformat(timespec="seconds"))
            layout = self.read("format")
            if layout == FORMAT and not self._db.execute("SELECT 1 FROM batch").fetchone():
                # It is new, or nothing was answered, as when a name of a model was wrong.
                with _transaction(self._db):
                    # What was spent is spent.
                    self._db.execute(
                        "DELETE FROM note WHERE name NOT IN ('format', 'created', 'spending')"
                    )
                    self.note("spec", json.dumps(spec))
            held = json.loads(self.read("spec"))
        except sqlite3.DatabaseError as error:
            raise InputError("store", f"{path} ({error})", "an undamaged store") from error
        if layout != FORMAT:
            raise InputError("store", f"{path} of format {layout}", f"a store of format {FORMAT}")
        _check_same(self.folder, held, spec)

    def note(self, name: str, value: str | float | bytes) -> None:
        """Keep a fact about the run."""
        with self._writing:
            self._db.execute("INSERT OR REPLACE INTO note VALUES (?, ?)", (name, value))

    def add(self, batches: Mapping[Key, Batch], notes: Mapping[str, str]) -> None:
        """Keep batches and facts, all or none; they are on the disk when this returns."""
        rows = []
        for key, batch in batches.items():
            answers = [batch.texts, batch.raw, batch.n_tokens]
            rows.append(
                (
                    *key,
                    # ASCII, so that any string of Python comes back, half a character included.
                    json.dumps(answers, ensure_ascii=True),
                    batch.retrieved.astype("<i4").tobytes(),
                    batch.vectors.astype("<f4").tobytes(),
                )
            )
        with self._writing, _transaction(self._db):
            self._db.executemany("INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            for name, value in notes.items():
                self.note(name, value)

    def close(self) -> None:
        """Free the store for another process."""
        if hasattr(self, "_db"):
            self._db.close()
        os.close(self._lock)


@contextlib.contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All or nothing: commits at the end, and undoes everything after an error."""
    with db:
        db.execute("BEGIN IMMEDIATE")
        yield


def has_journal(folder: str | Path) -> bool:
    """Return whether a folder is a store."""
    return (Path(folder) / FILE).is_file()


def stored(folder: str | Path, argument: str) -> Any:
    """Return an argument of the run in a store, None where there is none yet."""
    if not has_journal(folder):
        return None
    try:
        db = sqlite3.connect(Path(folder) / FILE)
        try:
            row = db.execute("SELECT value FROM note WHERE name = 'spec'").fetchone()
        finally:
            db.close()
    except sqlite3.DatabaseError:
        # Empty or damaged: opening the store says so.
        return None
    return None if row is None else as_written_now(json.loads(row[0])).get(argument)


def _is_fresh(folder: Path) -> bool:
    """Whether a folder is empty, but for what a run that was killed at once leaves."""
    return folder.is_dir() and not set(os.listdir(folder)) - {"lock", "log.txt"}


def lock_folder(folder: Path) -> int:
    """Return the open file that locks a store until it is closed or the process ends."""
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o666)
    until = time.monotonic() + 0.2
    while not (taken := take_lock(handle)) and time.monotonic() < until:
        # Somebody may be looking whether it is free.
        time.sleep(0.01)
    if not taken:
        os.lseek(handle, 0, os.SEEK_SET)
        pid = os.read(handle, 32).decode("ascii", "replace").strip()
        os.close(handle)
        who = f"process {pid}" if pid.isdigit() else "another process"
        raise InputError(
            "store", f"{folder} (in use by {who})", "a store that no other process has open"
        )
    os.lseek(handle, 0, os.SEEK_SET)
    os.ftruncate(handle, 0)
    os.write(handle, f"{os.getpid()}\n".encode())
    return handle


def take_lock(handle: int, *, shared: bool = False) -> bool:
    """Lock an open file, and return whether it is now locked; its closing frees it."""
    try:
        if os.name == "nt":
            import msvcrt

            # Beyond the number, which others may read.
            os.lseek(handle, 64, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def differing(held: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return the names under which two mappings differ."""
    return [name for name in {**held, **now} if held.get(name) != now.get(name)]


def _check_same(folder: Path, held: dict[str, Any], asked: dict[str, Any]) -> None:
    # Stores of before have no date; their chat templates wrote the day of each step.
    held = {"date": asked.get("date")} | as_written_now(held)
    names = differing(held, asked)
    # A mapping is the same in another order, and a network is not.
    if "models" not in names and list(held["models"]) != list(asked["models"]):
        names.append("models")
    if not names:
        return
    said = "; ".join(
        f"{name}={_brief(held.get(name))}, now {_brief(asked.get(name))}" for name in names
    )
    raise InputError(
        "store",
        f"{folder}, made with another {', '.join(names)}",
        f"a new folder, or the arguments that made the store ({said})",
    )


def _brief(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:40]}... ({len(text)} characters)"
