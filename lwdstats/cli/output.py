"""Files that commands write: a place that can't be written is found before the work."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import typer

from lwdstats.errors import InputError

# Less than any result takes, and enough to find a disk that is full.
_PROBE = bytes(64 * 1024)


def check_writable(path: Path, *, folder: bool = False) -> None:
    """Raise `InputError` unless a file can be written at a path, or in it if it is a folder.

    A folder is made, as files are to be written there.
    """
    takes = "a folder that can be written" if folder else "a file in a folder that can be written"
    place = path if folder else path.parent
    try:
        if folder:
            path.mkdir(parents=True, exist_ok=True)
        elif path.is_dir():
            raise InputError("output", f"{path} (a folder)", takes)
        elif path.exists() and not path.is_file():
            raise InputError("output", f"{path} (not a regular file)", takes)
        elif not place.is_dir():
            raise InputError("output", f"{path} (no such folder)", takes)
        # A long name may be refused where a short one is not.
        name = "" if folder else path.name
        handle, probe = tempfile.mkstemp(dir=place, prefix=f".{name}.", suffix=".part")
        try:
            with open(handle, "wb") as file:
                file.write(_PROBE)
                file.flush()
                os.fsync(file.fileno())
        finally:
            os.unlink(probe)
    except OSError as error:
        raise InputError("output", f"{path} ({error.strerror or error})", takes) from error


def write_somewhere(write: Callable[[Path], object], path: Path) -> Path:
    """Write a result, in a new folder elsewhere if its own place can't be written by now.

    Parameters
    ----------
    write : callable
        Takes the path; raises where it can't be written.
    path : pathlib.Path
        Where it should be.

    Returns
    -------
    pathlib.Path
        Where it is. Another place than `path` was said on standard error.
    """
    try:
        write(path)
    except (OSError, RuntimeError, InputError) as error:
        reason = error
    else:
        return path
    for folder in (Path.cwd(), Path(tempfile.gettempdir())):
        with contextlib.suppress(OSError, RuntimeError, InputError), contextlib.ExitStack() as undo:
            # A folder of its own, so that nothing that is there is written over.
            own = Path(tempfile.mkdtemp(dir=folder, prefix="lwdstats-"))
            undo.callback(shutil.rmtree, own, ignore_errors=True)
            write(own / path.name)
            undo.pop_all()
            said = f"Error: {path} could not be written ({reason}). It is in {own / path.name}"
            typer.echo(said, err=True)
            return own / path.name
    raise reason
