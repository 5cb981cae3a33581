"""The answers of a dataset as observations: their distances, and where each comes from."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from lwdstats.arrays import FloatArray
from lwdstats.dataset.schema import VARIABLES, validate
from lwdstats.errors import InputError
from lwdstats.geometry.kernels import distances
from lwdstats.geometry.labels import arranged, labels_of
from lwdstats.inference.permutation.scheme import as_codes

_UNITS = ("replicate", "query", "model", "response")


def answers_of(ds: xr.Dataset, argument: str) -> tuple[np.ndarray, pd.DataFrame]:
    """Return answers (n, F) at one time, and factors replicate, query, model, response (n rows).

    The answers are as precise as they are stored, which takes no second copy. Other
    coordinates along these dimensions, such as a family of models, are columns too.
    `argument` is how an error names the dataset.

    Raises
    ------
    InputError
        If the dataset has no answers, or more than one time.
    """
    if "embedding" not in ds:
        raise InputError(argument, "a dataset without answers (embedding)", "one with answers")
    held = ds[[name for name in ("embedding", "text") if name in ds]]
    dims = VARIABLES["embedding"].dims
    # What was selected by a single label has lost its dimension.
    held = held.expand_dims([d for d in dims if d in held.coords and d not in held.dims])
    held = held.transpose(*dims, ..., missing_dims="ignore")
    validate(held, source=argument)
    embedding = held["embedding"]
    if embedding.sizes["time"] > 1:
        times = embedding["time"].values
        raise InputError(
            argument,
            f"times {times[0]} to {times[-1]}",
            "answers of one time, as those of several are not exchangeable: "
            f"{argument}.sel(time=t)",
        )
    if "query" not in embedding.dims:
        embedding = embedding.expand_dims("query")
    embedding = embedding.isel(time=0).transpose(*_UNITS, "feature")
    shape = embedding.shape[:4]
    codes = np.indices(shape).reshape(4, -1)
    columns = {}
    for dim, code in zip(_UNITS, codes, strict=True):
        names = embedding.get_index(dim)  # counts from 0 where there is no coordinate
        columns[dim] = pd.Categorical.from_codes(code, names.tolist())
    # What else is known of models, replicates, queries or responses.
    one = embedding.isel(feature=0, drop=True)
    for name, known in one.coords.items():
        if str(name) not in columns and known.ndim:
            columns[str(name)] = known.broadcast_like(one).transpose(*_UNITS).values.ravel()
    points = embedding.values.reshape(-1, embedding.shape[-1])
    # A missing answer is no observation.
    there = ~np.isnan(points[:, 0])
    if there.all():
        return points, pd.DataFrame(columns)
    return points[there], pd.DataFrame(columns).loc[there].reset_index(drop=True)


def as_frame(data: object) -> pd.DataFrame:
    """Return `data` as a frame, columns that have labels going together by these."""
    if isinstance(data, Mapping):
        columns = {str(name): column for name, column in data.items()}
        labels = {name: labels_of(column) for name, column in columns.items()}
        first = next((name for name in labels if labels[name] is not None), None)
        own = None if first is None else labels[first]
        for name, column in columns.items():
            if first is not None:
                column = arranged(column, own, f"data[{name!r}]", f"data[{first!r}]")
            if isinstance(column, pd.Series):
                column = column.array
            columns[name] = np.asarray(column) if isinstance(column, xr.DataArray) else column
        try:
            data = pd.DataFrame(columns, index=own)
        except ValueError as error:
            raise InputError("data", str(error), "columns of one length") from None
    if not isinstance(data, pd.DataFrame):
        raise InputError("data", type(data).__name__, "a DataFrame, or a mapping to columns")
    return data


def distances_of(ds: xr.Dataset, argument: str) -> tuple[FloatArray, pd.DataFrame]:
    """Return Euclidean distances (n, n) between the answers of `answers_of`, and their factors."""
    points, frame = answers_of(ds, argument)
    return distances(points.astype(np.float64), "euclidean", 2.0), frame


def models_of(ds: xr.Dataset) -> pd.DataFrame:
    """Return a row for each model: its name, and the other coordinates along `model`."""
    frame = pd.DataFrame(index=ds.get_index("model"))
    frame["model"] = pd.Categorical(frame.index)
    for name, known in ds.coords.items():
        if str(name) != "model" and known.dims == ("model",):
            frame[str(name)] = known.values
    return frame


def warn_of_models(frame: pd.DataFrame, factors: Iterable[str], *, stacklevel: int) -> None:
    """Warn where factors of a formula say something of models, each of which answers often.

    Answers of one model are no independent observations of its family: where models differ
    at all, so do families that are made of them at random.
    """
    model = frame["model"].to_numpy()
    often = len(frame) > len(set(model))
    for name in [str(name) for name in frame if name not in _UNITS]:
        named = re.compile(rf"(?<![\w.]){re.escape(name)}(?![\w.])")
        pairs = set(zip(model, frame[name].to_numpy(), strict=True))
        if often and len(pairs) == len(set(model)) and any(map(named.search, factors)):
            warnings.warn(
                f"{name} is of models, and of each there are several answers, which are "
                "permuted one by one: p is small where models differ, whatever their "
                f"{name}; for models as observations take d=dist(ds) of one time",
                stacklevel=stacklevel,
            )


def check_blocks(
    frame: pd.DataFrame, labels: npt.ArrayLike | None, argument: str, advice: str
) -> None:
    """Refuse answers of several replicates or queries unless `labels` keep them apart.

    The answers of a model in a replicate share the posts that it has read, and those
    to a query share the query: between replicates or queries they differ, whether
    models do or not, and are not exchangeable.
    """
    strata = np.zeros(len(frame)) if labels is None else as_codes(labels, len(frame), "strata")[0]
    for dim, plural in (("replicate", "replicates"), ("query", "queries")):
        if frame[dim].groupby(strata).nunique().gt(1).to_numpy().any():
            raise InputError(
                argument,
                f"answers of {frame[dim].nunique()} {plural}, pooled",
                f"answers that are exchangeable, and across {plural} they are not (those of a "
                "model in one share what it has read): "
                f"select one, {argument}.sel({dim}=...){advice}",
            )
