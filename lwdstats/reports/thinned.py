"""What of a large run fits on a page."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from lwdstats.reports.embedded import as_json

# Most labels of a dimension that anybody chooses from.
_MOST = {"query": 20, "replicate": 50, "model": 100}
# Bytes of JSON: of an answer (its text's number and its place), of a number, of a post read.
_ANSWER, _NUMBER, _READ = 24, 11, 4
# Of posts and distinct answers, besides their texts.
_POST = 30
_CUT = 2000
_TEXTS = ("text", "text_raw", "post_text")


def thinned(ds: xr.Dataset, budget: int) -> tuple[xr.Dataset, list[str]]:
    """Return as much of a run as takes about `budget` bytes on the page, and what is left out.

    Answers of a model at one step are exchangeable, so that the first ones are as good a sample
    as any. Left out are, in this order: what each prompt held, answers, times, and the ends of
    long texts.
    """
    notes = []
    for dim, most in _MOST.items():
        if dim in ds.dims and ds.sizes[dim] > most:
            notes.append(f"the first {most} of {ds.sizes[dim]} {_plural(dim)}")
            ds = ds.isel({dim: slice(most)})
    if "retrieved" in ds and _READ * int((ds["retrieved"] >= 0).sum()) > budget // 2:
        notes.append("not which posts each prompt held, as they are too many")
        ds = ds.drop_vars("retrieved")
    n_times, n_answers = ds.sizes["time"], ds.sizes.get("response", 0)
    size = _size(ds)
    while "text" in ds and size > budget and ds.sizes["response"] > 1:
        keep = max(1, min(ds.sizes["response"] - 1, int(ds.sizes["response"] * budget / size)))
        ds = ds.isel(response=slice(keep))
        size = _size(ds)
    if ds.sizes.get("response", 0) < n_answers:
        notes.append(f"the first {ds.sizes['response']} of {n_answers} answers of each model")
    while size > budget and ds.sizes["time"] > 2:
        keep = max(2, min(ds.sizes["time"] - 1, int(ds.sizes["time"] * budget / size)))
        places = np.unique(np.linspace(0, ds.sizes["time"] - 1, keep).round().astype(int))
        ds = ds.isel(time=places)
        size = _size(ds)
    if ds.sizes["time"] < n_times:
        notes.append(f"{ds.sizes['time']} of {n_times} times in pictures with a slider")
    if size > budget:
        cut = np.frompyfunc(lambda text: str(text)[:_CUT], 1, 1)
        for name in _TEXTS:
            if name in ds:
                part = ds[name].astype(object)
                # In place: xarray makes no array of texts with half of a surrogate pair.
                part.values[...] = cut(part.values)
                ds = ds.assign({name: part})
        notes.append(f"the first {_CUT} characters of each text")
    return ds, notes


def _size(ds: xr.Dataset) -> int:
    """Return about how many bytes a run takes on the page."""
    texts: list[str] = []
    size = 0
    for name in _TEXTS:
        if name in ds:
            texts += [str(text) for text in pd.unique(ds[name].values.ravel().astype(object))]
    if "text" in ds:
        size += _ANSWER * ds["text"].size
    if "post_text" in ds:
        size += _POST * ds["post_text"].size
    if "retrieved" in ds:
        size += _READ * int((ds["retrieved"] >= 0).sum())
    if "weight" in ds:
        size += _NUMBER * ds["weight"].size
    cells = ds.sizes["time"] * ds.sizes["model"] * ds.sizes["replicate"]
    size += 6 * _NUMBER * cells
    return size + sum(len(as_json(text).encode()) for text in set(texts))


def _plural(dim: str) -> str:
    return "queries" if dim == "query" else f"{dim}s"
