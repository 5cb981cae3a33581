"""Covariates of models, such as family and size: coordinates along `model`."""

from __future__ import annotations

import datetime
import math
import os
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lwdstats.dataset.text import storable
from lwdstats.errors import InputError, is_number

if TYPE_CHECKING:
    # Specifications take this module, and the help of the command loads no xarray.
    import xarray as xr

Values = list[str] | list[bool] | list[int] | list[float]

_TAKES = (
    "covariates by name, each a mapping from labels of models or a list in their order, as in "
    "{'family': {'a': 'x', 'b': 'y'}}; or a table, or a csv file, with a column model"
)


def check_covariates(
    given: Any, models: Sequence[Any], argument: str = "covariates"
) -> dict[str, Values]:
    """Return what is known of each model, a list in the order of `models` for each covariate.

    Parameters
    ----------
    given : mapping, DataFrame, path or None
        As the message of the error says. A table may have rows of other models, too.
    models : sequence
        Labels; keys of a mapping may be these or, as TOML has them, their text.
    argument : str
        How an error names it.

    Raises
    ------
    InputError
        If a model has no value of a covariate, or values are not of one kind: text,
        numbers, or truth values.

    Examples
    --------
    >>> check_covariates({"family": {"a": "x", "b": "y"}, "size": [7, None]}, ["a", "b"])
    {'family': ['x', 'y'], 'size': [7.0, nan]}
    """
    if given is None:
        return {}
    if isinstance(given, str | os.PathLike):
        given = _read_table(given, argument)
    by_rows = hasattr(given, "columns")
    if by_rows:
        given = _columns(given, argument)
    elif not isinstance(given, Mapping):
        raise InputError(argument, given, _TAKES)
    labels = [str(model) for model in models]
    out = {}
    for name, values in given.items():
        check_name(name, argument)
        owner = f"{argument}: {name}"
        if isinstance(values, Mapping) or by_rows:
            known = {str(model): value for model, value in values.items()}
            lacking = [label for label in labels if label not in known]
            unknown = [label for label in known if label not in labels]
            if lacking or (unknown and not by_rows):
                got = f"no value of {lacking[0]!r}" if lacking else f"a value of {unknown[0]!r}"
                got += f", and others of {', '.join(map(repr, known)) or 'none'}"
                raise InputError(owner, got, f"a value of each model: {', '.join(labels)}")
            listed = [known[label] for label in labels]
        elif isinstance(values, Sequence | np.ndarray) and not isinstance(values, str):
            listed = list(values)
            if len(listed) != len(labels):
                got = f"{len(listed)} values for {len(labels)} models"
                raise InputError(owner, got, "a value of each model, in their order")
        else:
            raise InputError(owner, values, _TAKES)
        out[name] = checked_values(listed, labels, owner)
    return out


def columns_by_model(
    table: Any, names: Sequence[Any], labels: Sequence[Any]
) -> dict[str, dict[Any, Any]]:
    """Return columns of a table of answers, whose models are `labels`, as values by model.

    Raises
    ------
    InputError
        If there is no such column, or it has several values for a model.
    """
    out: dict[str, dict[Any, Any]] = {}
    for name in names:
        if name not in table.columns:
            got = f"no column {name!r}, but {', '.join(map(str, table.columns))}"
            raise InputError("covariates", got, "columns of the table, or values by name")
        values: dict[Any, Any] = {}
        for label, value in zip(labels, table[name].tolist(), strict=True):
            first = values.setdefault(label, value)
            both_missing = _is_missing(first) and _is_missing(value)
            if not both_missing and not _equal(first, value):
                got = f"{first!r} and {value!r} for model {label!r}"
                raise InputError(f"covariates: {name}", got, "one value for each model")
        out[name] = values
    return out


def _equal(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


def check_name(name: Any, argument: str = "covariates") -> None:
    """Raise unless a covariate's name is one that a file and a table can have beside others."""
    from lwdstats.dataset.schema import COORDINATES, VARIABLES

    usable = isinstance(name, str) and storable(name) == name and name == name.strip()
    if not usable or not re.fullmatch(r"\w[^/\x00-\x1f\x7f]*", name):
        raise InputError(argument, f"the name {name!r}", "names that are text, without a slash")
    further = re.fullmatch(r"(post_)?embedding_\w+|feature_\d+", name)
    if further or name in {*COORDINATES, *VARIABLES}:
        got = f"the name {name!r}, which a dataset has for something else"
        raise InputError(argument, got, "another name")


def checked_values(values: Sequence[Any], labels: Sequence[str], owner: str) -> Values:
    """Return values of one kind; a number that is missing is NaN."""
    plain = [value.item() if isinstance(value, np.generic) else value for value in values]
    dates = (datetime.date, datetime.time, datetime.timedelta)
    if any(isinstance(v, np.datetime64 | np.timedelta64) for v in values) or any(
        isinstance(v, dates) and v == v for v in plain
    ):
        takes = "numbers, such as years, or text (str(date)), which a formula takes as a factor"
        raise InputError(owner, "dates or durations", takes)
    known = [value for value in plain if not _is_missing(value)]
    takes = "text, numbers or truth values, one kind of all models; None only for a number"
    if known and all(isinstance(value, str) for value in known):
        kept: Values = [storable(value) for value in known]
    elif all(isinstance(value, bool) for value in known):
        kept = known
    elif all(is_number(value) and math.isfinite(value) for value in known):
        if len(known) < len(plain):
            return [math.nan if _is_missing(value) else float(value) for value in plain]
        if all(isinstance(v, int) and -(2**63) <= v < 2**63 for v in known):
            return known
        return [float(value) for value in known]
    else:
        kinds = sorted({type(value).__name__ for value in known})
        raise InputError(owner, f"values of type {', '.join(kinds)}, or not finite", takes)
    if len(known) < len(plain):
        label = next(lab for lab, v in zip(labels, plain, strict=True) if _is_missing(v))
        raise InputError(owner, f"none of {label!r}", f"{takes} (text such as 'unknown' is one)")
    return kept


def with_covariates(ds: xr.Dataset, covariates: Mapping[str, Values]) -> xr.Dataset:
    """Return a dataset with covariates as coordinates along `model`."""
    coordinates = {}
    for name, values in covariates.items():
        kind = object if isinstance(values[0], str) else None
        attrs = {"long_name": f"{name} of the model"}
        coordinates[name] = ("model", np.array(values, dtype=kind), attrs)
    return ds.assign_coords(coordinates)


def covariates_to_json(covariates: Mapping[str, Values]) -> dict[str, list[Any]] | None:
    """Return covariates as JSON holds them: None for none, and for NaN."""
    out = {
        name: [None if _is_missing(value) else value for value in values]
        for name, values in covariates.items()
    }
    return out or None


def _is_missing(value: Any) -> bool:
    from lwdstats.dataset.answer_grid import is_missing

    return is_missing(value)


def _read_table(path: str | os.PathLike[str], argument: str) -> Any:
    import pandas as pd

    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        got = f"{os.fspath(path)} ({error})"
        raise InputError(argument, got, "a csv file, a row a model, with a column model") from error


def _columns(table: Any, argument: str) -> dict[Any, dict[Any, Any]]:
    """Return the columns of a table of models, each a mapping from their labels."""
    if "model" in table.columns:
        table = table.set_index("model")
    twice = [*table.index[table.index.duplicated()]]
    if twice:
        got = f"a table with {twice[0]!r} more than once"
        raise InputError(argument, got, "a row a model, in a column model or as the index")
    return {name: column.to_dict() for name, column in table.items()}
