"""The cells of a sweep: a whole specification each, and the key by which its runs are kept."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr

from lwdstats.dataset.schema import spec_of
from lwdstats.errors import InputError
from lwdstats.mixtures.spec import GmmSpec
from lwdstats.simulate.llm.sources import with_retrieval
from lwdstats.simulate.llm.spec import LlmSpec
from lwdstats.simulate.specs import SIMULATORS, asked, read_spec
from lwdstats.studies.sweep.grid import TAKEN, Grid, Label, with_changes

SPECS: dict[str, type[GmmSpec] | type[LlmSpec]] = {"gmm": GmmSpec, "llm": LlmSpec}


@dataclass(frozen=True)
class Cell:
    """One cell of a sweep.

    Attributes
    ----------
    index : int
        Its place.
    levels : dict of str to label
        Of each factor.
    simulator : str
    arguments : dict
        Of the simulator, without replicates.
    network : str
        Digest of the whole specification.
    key : str
        Digest of the specification and of what is measured.
    refused : str
        Why its arguments can't be used; empty where they can.
    """

    index: int
    levels: dict[str, Label]
    simulator: str
    arguments: dict[str, Any]
    network: str
    key: str
    refused: str = ""


def read_base(base: object) -> dict[str, Any]:
    """Return a specification as arguments by name, its simulator among them.

    Raises
    ------
    InputError
        If it is none, or names no simulator.
    """
    if isinstance(base, str | os.PathLike):
        base = read_spec(Path(base))
    if isinstance(base, xr.Dataset):
        base = spec_of(base)
    if not isinstance(base, Mapping):
        got = f"an object of type {type(base).__name__}"
        raise InputError("base", got, "arguments by name, the path of a file of them, or a Dataset")
    held = dict(base)
    name = held.get("simulator")
    if not isinstance(name, str) or name not in SIMULATORS:
        raise InputError("base: simulator", name, "'gmm' or 'llm'")
    if taken := [name for name in TAKEN if name in held]:
        raise InputError("base", f"the argument {taken[0]!r}", "none that the sweep has of its own")
    return held


def cells_of(
    base: Mapping[str, Any],
    grid: Grid,
    replicates: Sequence[int],
    seed: int,
    measured: str,
    *,
    common_streams: bool,
) -> list[Cell]:
    """Return the cells of a grid; what is refused says why.

    `measured` is what the measures are, as text.

    Raises
    ------
    InputError
        If all are refused: the first one's reason.
    """
    cells, first = [], None
    for i, point in enumerate(grid.points):
        arguments = with_changes(base, point.changes)
        arguments |= {"seed": seed, "replicates": list(replicates)}
        try:
            name, arguments = asked(arguments, {})
            told = _told(name, arguments)
        except InputError as error:
            first = first or error
            reason = f"{type(error).__name__}: {error}"
            cells.append(Cell(i, point.levels, "", {}, "", f"refused {i}", reason))
            continue
        if not common_streams:
            arguments["seed"] = told["seed"] = str(int(_digest(told), 16) % 2**128)
        del arguments["replicates"]
        keys = _digest(told), _digest([told, measured])
        cells.append(Cell(i, point.levels, name, arguments, *keys))
    if first is not None and all(cell.refused for cell in cells):
        raise first
    return cells


def _told(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the whole specification of a call as JSON has it, without its replicates."""
    known = SPECS[name].arguments()
    held = {n: value for n, value in arguments.items() if n in known}
    if name == "llm":
        held["scenario"] = with_retrieval(held.get("scenario"), held.pop("retrieval", None))
    spec = SPECS[name](**held)
    for start in ("initial_weights", "initial_points"):
        # A part of the replicates would take the wrong ones.
        if getattr(getattr(spec, start, None), "ndim", 0) == 3:
            raise InputError(start, "values for each replicate", "the same for all of them")
    told = spec.to_json()
    del told["replicates"]
    return told


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, default=str).encode()).hexdigest()
