"""From the records of a sweep to frames, in the order of its grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lwdstats.studies.sweep.cells import Cell
from lwdstats.studies.sweep.grid import Grid
from lwdstats.studies.sweep.store import Key, Record


def alike(records: Mapping[Key, Record]) -> dict[Key, Record]:
    """Return records of which each column is over time in all runs, or in none.

    Runs that are in this unlike most have failed.
    """
    kinds: dict[str, list[bool]] = {}
    for record in records.values():
        for name, value in record.get("values", {}).items():
            kinds.setdefault(name, []).append(isinstance(value, dict))
    timed = {name: 2 * sum(kind) > len(kind) for name, kind in kinds.items()}
    out = {}
    for key, record in records.items():
        other = [n for n, v in record.get("values", {}).items() if isinstance(v, dict) != timed[n]]
        if other:
            here, there = "over time", "one value"
            if timed[other[0]]:
                here, there = there, here
            reason = f"the measure {other[0]!r} is {here} in this run and {there} in most"
            out[key] = {"error": reason}
        else:
            out[key] = record
    return out


def frame_of(
    grid: Grid, cells: Sequence[Cell], replicates: Sequence[int], records: Mapping[Key, Record]
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return a row a cell and replicate, and time where a measure has it; and measured columns.

    Runs that failed have no row. What has no time is the same in all rows of a run.
    """
    rows: list[dict[str, Any]] = []
    columns: dict[str, None] = {}
    timed = False
    for cell in cells:
        for replicate in replicates:
            values = records.get((cell.key, replicate), {}).get("values")
            if values is None:
                continue
            columns |= dict.fromkeys(values)
            head = {**cell.levels, "cell": cell.index, "replicate": replicate}
            series = {
                name: dict(zip(value["time"], value["value"], strict=True))
                for name, value in values.items()
                if isinstance(value, dict)
            }
            plain = {name: value for name, value in values.items() if name not in series}
            if not series:
                rows.append(head | plain)
                continue
            timed = True
            for time in sorted({time for one in series.values() for time in one}):
                now = {name: one[time] for name, one in series.items() if time in one}
                rows.append(head | {"time": time} | plain | now)
    order = [*grid.levels, "cell", "replicate", *["time"] * timed, *columns]
    frame = pd.DataFrame(rows, columns=order)
    return with_factors(frame, grid.levels), tuple(columns)


def with_factors(frame: pd.DataFrame, levels: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    """Return a frame whose factors of text have their levels in the order of the grid."""
    for name, labels in levels.items():
        if all(isinstance(label, str) for label in labels):
            frame[name] = pd.Categorical(frame[name], categories=list(labels))
    return frame


def failures_of(
    grid: Grid, cells: Sequence[Cell], replicates: Sequence[int], records: Mapping[Key, Record]
) -> pd.DataFrame:
    """Return a row for each run that failed, with its reason."""
    rows = []
    for cell in cells:
        for replicate in replicates:
            reason = cell.refused or records.get((cell.key, replicate), {}).get("error")
            if reason:
                head = {**cell.levels, "cell": cell.index, "replicate": replicate}
                rows.append(head | {"reason": reason})
    frame = pd.DataFrame(rows, columns=[*grid.levels, "cell", "replicate", "reason"])
    return with_factors(frame, grid.levels)
