"""A run, several, or a sweep as one HTML page that opens anywhere."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from lwdstats.dataset.schema import validate
from lwdstats.dataset.whole_file import check_place, whole_file
from lwdstats.errors import InputError
from lwdstats.reports.network import network_section
from lwdstats.reports.page import OWN_SIZE, page
from lwdstats.reports.section import Section
from lwdstats.reports.sweeps import sweep_section
from lwdstats.studies.sweep.result import Sweep

# Bytes of a page, which mail servers take.
_LARGEST = 8_000_000
_TAKES = "a dataset, a sweep, a list of these, or a mapping from names to them"

Reported = xr.Dataset | Sweep


def report(
    x: Reported | Sequence[Reported] | Mapping[str, Reported], path: str | os.PathLike[str]
) -> Path:
    """Write a run or a sweep as one HTML page that shows what happened in it.

    Parameters
    ----------
    x : xarray.Dataset, Sweep, or a sequence or mapping of them
        A dataset of either simulation, or one's own; or what `sweep` returned. Of several each
        has a section, by its name in a mapping.
    path : path
        The file to write. Its folder must exist.

    Returns
    -------
    pathlib.Path
        The path.

    Raises
    ------
    InputError
        If `x` is nothing of that kind, or the file can't be written.

    Notes
    -----
    The page needs no network and no other file, and no text of a model can run in it: scripts
    and styles are allowed by their hashes alone (Content-Security-Policy). It holds what ran and
    the command that makes it again; ||D||_F with its noise floor and the diversity H; for language
    models every answer in a plane over time, with its prompt and the posts that it read, who read
    whom, phrases that spread, and the make-up of the web; for mixtures weights; for a sweep means
    and effects; and tests of each, as R prints them. What a run lacks is said where it would be.

    Tests are those of `collapse_test`, `mann_kendall`, `convergence_test`, `convergence_fit` and
    `changepoints`, seed 1. They are of one run and several, so that a p-value by itself
    proves little.

    A page has at most 8 MB. Of a larger run it holds a part, and says which.

    Examples
    --------
    >>> import lwdstats as lwd, tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = lwd.report(lwd.simulate_gmm(n_steps=20, seed=1), pathlib.Path(folder) / "a.html")
    ...     path.read_text(encoding="utf-8")[:15]
    '<!DOCTYPE html>'
    """
    given = _named(x)
    path = check_place(path)
    budget = (_LARGEST - OWN_SIZE) // len(given)
    text = page([_section(one, name, budget) for name, one in given.items()])
    with whole_file(path) as scratch:
        scratch.write_text(text, encoding="utf-8", newline="\n")
    return path


def _section(x: Reported, name: str, budget: int) -> Section:
    return sweep_section(x, name) if isinstance(x, Sweep) else network_section(x, name, budget)


def _named(x: Any) -> dict[str, Reported]:
    """Return what is to be reported by its name, each checked."""
    if isinstance(x, xr.Dataset | Sweep):
        given = {"sweep" if isinstance(x, Sweep) else "run": x}
    elif isinstance(x, Mapping):
        given = {str(name): one for name, one in x.items()}
        if len(given) < len(x):
            names = ", ".join(map(repr, x))
            raise InputError("x", f"names {names}, of which some read the same", _TAKES)
    elif isinstance(x, Sequence) and not isinstance(x, str | bytes):
        given = {f"run {i + 1}": one for i, one in enumerate(x)}
    else:
        raise InputError("x", f"an object of type {type(x).__name__}", _TAKES)
    if not given:
        raise InputError("x", "nothing", _TAKES)
    for name, one in given.items():
        if isinstance(one, xr.Dataset):
            validate(one, source=name if len(given) > 1 else "x")
        elif not isinstance(one, Sweep):
            raise InputError("x", f"an object of type {type(one).__name__}", _TAKES)
    return given
