"""A file that is written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lwdstats.errors import InputError


def check_place(path: Any) -> Path:
    """Return the path of a file that is to be written, or raise `InputError`."""
    if not isinstance(path, str | os.PathLike):
        raise InputError("path", f"an object of type {type(path).__name__}", "the path of a file")
    path = Path(path)
    if os.path.isdir(path):
        raise InputError("path", f"{path} (a folder)", "the path of a file")
    if not path.parent.is_dir():
        raise InputError("path", f"{path} (no such folder)", "a file in a folder that exists")
    return path


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a file beside `path` to write, which takes its place at the end.

    It is flushed to the disk and renamed, so that a file that exists is never half overwritten;
    where an exception is raised it is removed, and what was there stays.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except (OSError, ValueError) as error:
        takes = "a file in a folder that can be written"
        raise InputError("path", f"{path} ({error})", takes) from error
    os.close(handle)
    scratch = Path(name)
    try:
        yield scratch
        with open(scratch, "rb+") as file:
            os.fsync(file.fileno())
        # mkstemp makes files that only their owner reads.
        umask = os.umask(0)
        os.umask(umask)
        scratch.chmod(0o666 & ~umask)
        scratch.replace(path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make the rename durable, where the system can."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
