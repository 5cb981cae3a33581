"""A store as it is at a moment, also while a run writes to it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import Any

import xarray as xr

from lwdstats.dataset.embeddings.embedded_texts import Cut
from lwdstats.dataset.schema import as_written_now
from lwdstats.errors import InputError
from lwdstats.simulate.llm.dataset import build_dataset, last_time, note_unanswered, origin_of
from lwdstats.simulate.llm.spec import LlmSpec
from lwdstats.simulate.llm.storing.journal import FILE, FORMAT, Record, take_lock
from lwdstats.simulate.llm.storing.spending import spent_of

# Seconds for which a reader begins anew where somebody writes.
_PATIENCE = 5.0


def read_store(folder: str | Path) -> xr.Dataset:
    """Return the dataset of a run up to the last time that all its models have answered.

    Nothing is loaded, asked or embedded, and nothing in the store changes. Of a run that is
    complete it is what the run gave. Otherwise `time` ends early, the web is the one that was
    read at that time, and the attribute `unfinished` says how far the run is.

    Parameters
    ----------
    folder : path
        A store of `simulate_llm`.

    Raises
    ------
    InputError
        If it is damaged, or the models have not answered at the first time.
    """
    # Whether it runs is asked first: a run that ends meanwhile is shown as of a moment ago.
    running = is_running(folder)
    record = Snapshot(folder)
    held, batches = json.loads(record.read("spec")), record.batches()
    whole = LlmSpec.from_json(as_written_now(held))
    last = last_time(whole, batches)
    if last < 0:
        each = len(whole.places) * len(whole.models)
        got = f"{folder} (a run with {len(batches)} of {each} batches of its first step)"
        raise InputError("path", got, "one whose models have all answered once")
    # What is kept of the next step is not shown.
    shown = {key: batch for key, batch in batches.items() if key[2] <= last}
    spec = LlmSpec.from_json(as_written_now(held) | {"n_steps": last})
    origin, served = origin_of(record), json.loads(record.read("served") or "{}")
    ds = build_dataset(spec, shown, origin, served)
    cut = record.read("cut" if len(shown) == len(batches) else "cut_before") or record.read("cut")
    for texts, values in json.loads(cut or "{}").items():
        Cut(**values).note(ds, texts, warn=False)
    note_unanswered(ds, shown)
    if spent := spent_of(record.read("spending")):
        ds.attrs["spent"] = spent
    # As it is in the store: one of before has no date, and does not have that of today.
    ds.attrs["spec"] = json.dumps(held, ensure_ascii=False)
    if last < whole.n_steps:
        state = "still running" if running else "stopped"
        ds.attrs["unfinished"] = f"t = 0..{last} of {whole.n_steps}; {state}"
    return ds


class Snapshot(Record):
    """What the tables of a store hold at a moment.

    Raises
    ------
    InputError
        If the store is damaged, of another layout, or nothing was asked yet.
    """

    def __init__(self, folder: str | Path) -> None:
        path = Path(folder) / FILE
        try:
            self._db = _copied(path)
            if self._db.execute("PRAGMA quick_check").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("quick_check failed")
            begun = bool(self._db.execute("SELECT 1 FROM sqlite_master").fetchone())
            layout = self.read("format") if begun else FORMAT
            begun = begun and self.read("backends") is not None
        except sqlite3.DatabaseError as error:
            raise InputError("path", f"{path} ({error})", "an undamaged store") from error
        if layout != FORMAT:
            raise InputError("path", f"{path} of format {layout}", f"a store of format {FORMAT}")
        if not begun:
            raise InputError("path", f"{folder} (a run that has not begun)", "one with answers")


def _copied(path: Path) -> sqlite3.Connection:
    """Return a copy of a database in memory.

    It is read a few pages at a time, so that who writes to it never waits for more than
    that, and anew where it was written to meanwhile; at once where that goes on for long.
    """
    memory, until = sqlite3.connect(":memory:"), time.monotonic() + _PATIENCE

    def check(*_: Any) -> None:
        if time.monotonic() > until:
            raise TimeoutError

    with contextlib.closing(_opened(path)) as source:
        try:
            source.backup(memory, pages=64, progress=check, sleep=0.01)
        except TimeoutError:
            source.backup(memory)
    return memory


def _opened(path: Path) -> sqlite3.Connection:
    """Return an open database in which nothing is written."""
    db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    try:
        db.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError as error:
        db.close()
        begun = path.with_name(f"{path.name}-journal")
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY or not begun.exists():
            raise
        # A process was killed while it wrote. The next one that may write undoes that, and
        # here it is undone in a copy.
        with tempfile.TemporaryDirectory() as folder:
            for file in (path, begun):
                shutil.copy(file, folder)
            with contextlib.closing(sqlite3.connect(Path(folder) / path.name)) as copy:
                db = sqlite3.connect(":memory:")
                copy.backup(db)
    return db


def is_running(folder: str | Path) -> bool:
    """Return whether a process has a store open."""
    try:
        handle = os.open(Path(folder) / "lock", os.O_RDONLY)
    except OSError:
        return False
    try:
        # Held for no time; who wants the store asks more than once.
        return not take_lock(handle, shared=True)
    finally:
        os.close(handle)
