"""What a sweep varies: factors, their levels, and what each sets in a specification."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from lwdstats.errors import InputError
from lwdstats.scenario.scenario import Scenario
from lwdstats.simulate.specs import SIMULATORS
from lwdstats.specification import Specification, plain

# What the columns of a sweep's frame are called besides its factors.
OWN = ("cell", "replicate", "time")
_TAKES = "a list of values, or a mapping from labels to values, for each argument that varies"
Label = str | int | float | bool


@dataclass(frozen=True)
class Point:
    """One combination of levels.

    Attributes
    ----------
    levels : dict of str to label
        As the frame has them, by factor.
    changes : dict of str to value
        What is set, by dotted name of the argument.
    """

    levels: dict[str, Label]
    changes: dict[str, Any]


@dataclass(frozen=True)
class Grid:
    """All combinations, in order.

    Attributes
    ----------
    levels : dict of str to list of labels
        Of each factor, in order; of a design those that occur.
    points : list of Point
    full : bool
        Whether each combination of levels is there, in the order of their product.
    """

    levels: dict[str, list[Label]]
    points: list[Point]
    full: bool


def read_grid(grid: object, simulator: str) -> Grid:
    """Return the combinations that a grid or a design asks for.

    Raises
    ------
    InputError
        If it is neither, or a name in it is no argument of the simulator.
    """
    if isinstance(grid, pd.DataFrame):
        return _design(grid, simulator)
    if not isinstance(grid, Mapping):
        raise InputError("grid", f"an object of type {type(grid).__name__}", _TAKES)
    if not grid:
        return Grid({}, [Point({}, {})], full=True)
    given = [str(name) for name in grid]
    short = _short(given)
    factors = [_levels(str(name), values, simulator) for name, values in grid.items()]
    labels = [[label for label, _ in pairs] for pairs in factors]
    levels = dict(zip(short, labels, strict=True))
    points = []
    for chosen in product(*factors):
        changes: dict[str, Any] = {}
        for _, sets in chosen:
            changes |= sets
        own = {name: label for name, (label, _) in zip(short, chosen, strict=True)}
        points.append(Point(own, changes))
    return Grid(levels, points, full=True)


def _design(frame: pd.DataFrame, simulator: str) -> Grid:
    if not len(frame) or not len(frame.columns):
        raise InputError("grid", "a design without rows or columns", "a row for each cell")
    names = [str(name) for name in frame.columns]
    for name in names:
        check_name(name, simulator)
    short = _short(names)
    labelled, values = {}, {}
    for name, own in zip(short, names, strict=True):
        values[own] = [_plain(value) for value in frame[own].tolist()]
        labelled[name] = _alike([label_of(value) for value in values[own]])
    points = [
        Point({n: labelled[n][i] for n in short}, {own: values[own][i] for own in names})
        for i in range(len(frame))
    ]
    levels = {name: list(dict.fromkeys(labels)) for name, labels in labelled.items()}
    return Grid(levels, points, full=False)


def _short(names: Sequence[str]) -> list[str]:
    """Return names of columns: the last part of dotted names, where that is unambiguous."""
    last = [name.rpartition(".")[2] for name in names]
    short = [
        end if last.count(end) == 1 and end not in OWN else name.replace(".", "_")
        for name, end in zip(names, last, strict=True)
    ]
    for name in short:
        if name in OWN or short.count(name) > 1:
            raise InputError("grid", f"a factor {name!r}", f"names other than {', '.join(OWN)}")
    return short


def _levels(name: str, values: Any, simulator: str) -> list[tuple[Label, dict[str, Any]]]:
    """Return the levels of a factor: labels, and what each sets."""
    takes = "a list of values, or a mapping from labels to values"
    named = isinstance(values, Mapping)
    if isinstance(values, str | bytes) or not np.iterable(values) or not len(list(values)):
        raise InputError(f"grid: {name}", repr(values), takes)
    if named and not _is_argument(name, simulator):
        # A factor of its own, whose levels set several arguments.
        sets = list(values.values())
        if not all(isinstance(one, Mapping) for one in sets):
            check_name(name, simulator)
        for argument in (str(argument) for one in sets for argument in one):
            check_name(argument, simulator)
        sets = [{str(k): v for k, v in one.items()} for one in sets]
        return list(zip(_alike([str(label) for label in values]), sets, strict=True))
    check_name(name, simulator)
    items = list(values.values()) if named else [_plain(value) for value in values]
    labels = _alike([str(v) for v in values] if named else [label_of(v) for v in items])
    if len(set(labels)) < len(labels):
        got = f"values that are written alike: {', '.join(map(str, labels))}"
        raise InputError(f"grid: {name}", got, "distinct values, or a mapping from labels to them")
    return [(label, {name: value}) for label, value in zip(labels, items, strict=True)]


def _is_argument(name: str, simulator: str) -> bool:
    head, _, rest = name.partition(".")
    if head not in inspect.signature(SIMULATORS[simulator]).parameters:
        return False
    return head != "scenario" or not rest or rest in Scenario.arguments()


def check_name(name: str, simulator: str) -> None:
    """Raise `InputError` unless a dotted name is an argument that a sweep may vary."""
    if name in ("seed", "replicates", *TAKEN):
        raise InputError("grid", f"the argument {name!r}", "arguments other than the sweep's own")
    if not _is_argument(name, simulator):
        takes = f"arguments of simulate_{simulator}; fields of a scenario as 'scenario.keep'"
        raise InputError("grid", f"an unknown argument, {name!r}", takes)


# Arguments of simulators that a sweep sees to.
TAKEN = ("n_jobs", "progress", "store", "resume")


def _plain(value: Any) -> Any:
    """Return Python's own value of NumPy's."""
    return value.item() if isinstance(value, np.generic) else value


def label_of(value: Any) -> Label:
    """Return what stands for a value in the frame."""
    if isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Specification):
        value = value.to_json()
    value = plain(value)
    if isinstance(value, list) and all(isinstance(v, str | int | float) for v in value):
        return ",".join(map(str, value))
    return json.dumps(value, default=str) if isinstance(value, list | Mapping) else str(value)


def _alike(labels: list[Any]) -> list[Any]:
    """Return labels as numbers where all are, else as texts."""
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in labels):
        return labels
    return [str(v) for v in labels]


def with_changes(arguments: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments with values set by dotted name; the mappings given stay as they are."""
    out = dict(arguments)
    for name, value in changes.items():
        head, _, rest = name.partition(".")
        if rest:
            inner = out.get(head)
            if isinstance(inner, Specification):
                inner = inner.to_json()
            if inner is not None and not isinstance(inner, Mapping):
                raise InputError(
                    "grid", f"{name!r}, while {head} is {inner!r}", "a part of a table"
                )
            value = with_changes(inner or {}, {rest: value})
        out[head] = value
    return out
