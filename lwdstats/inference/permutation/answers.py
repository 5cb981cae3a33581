"""The answers of a dataset as observations: their distances, and where each comes from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from lwdstats.arrays import FloatArray
from lwdstats.dataset.schema import VARIABLES, validate
from lwdstats.errors import InputError
from lwdstats.geometry.kernels import distances
from lwdstats.inference.permutation.scheme import as_codes

_BLOCKS = ("replicate", "query")
_UNITS = ("replicate", "query", "model", "response")


def answers_of(ds: xr.Dataset, argument: str) -> tuple[FloatArray, pd.DataFrame]:
    """Return answers (n, F) at one time, and factors replicate, query, model, response (n rows).

    `argument` is how an error names the dataset.

    Raises
    ------
    InputError
        If the dataset has no answers, or more than one time.
    """
    if "embedding" not in ds:
        raise InputError(argument, "a dataset without answers (embedding)", "one with answers")
    embedding = ds["embedding"]
    # What was selected by a single label has lost its dimension.
    lost = [d for d in VARIABLES["embedding"].dims if d in embedding.coords and d not in ds.dims]
    embedding = embedding.expand_dims(lost)
    dims = [dim for dim in VARIABLES["embedding"].dims if dim in embedding.dims]
    embedding = embedding.transpose(*dims)
    held = {"embedding": embedding}
    if "text" in ds:
        held["text"] = ds["text"].expand_dims(lost).transpose(*dims[:-1])
    validate(xr.Dataset(held, attrs=ds.attrs), source=argument)
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
    points = embedding.values.reshape(-1, embedding.shape[-1]).astype(np.float64)
    # A missing answer is no observation.
    there = ~np.isnan(points).any(axis=1)
    return points[there], pd.DataFrame(columns).loc[there].reset_index(drop=True)


def distances_of(ds: xr.Dataset, argument: str) -> tuple[FloatArray, pd.DataFrame]:
    """Return Euclidean distances (n, n) between the answers of `answers_of`, and their factors."""
    points, frame = answers_of(ds, argument)
    return distances(points, "euclidean", 2.0), frame


def check_blocks(
    frame: pd.DataFrame, labels: npt.ArrayLike | None, argument: str, advice: str
) -> None:
    """Refuse answers of several replicates or queries unless `labels` keep them apart.

    The answers of a model in a replicate share the posts that it has read, and those
    to a query share the query: between replicates or queries they differ, whether
    models do or not, and are not exchangeable.
    """
    keys = None if labels is None else as_codes(labels, len(frame), "strata")[0]
    for dim in _BLOCKS:
        block = frame[dim].cat.codes.to_numpy()
        several = len(np.unique(block))
        if several == 1:
            continue
        both = 0 if keys is None else np.unique(np.stack([keys, block]), axis=1).shape[1]
        # Each stratum lies in one block if to know the block adds nothing.
        if keys is None or both > len(np.unique(keys)):
            plural = {"replicate": "replicates", "query": "queries"}[dim]
            raise InputError(
                argument,
                f"answers of {several} {plural}, pooled",
                f"answers that are exchangeable, and across {plural} they are not (those of a "
                "model in one share what it has read): "
                f"select one, {argument}.sel({dim}=...){advice}",
            )
