"""What a dataset holds: dimensions, variables, attributes, and their check.

Both simulations emit this shape, and so do a user's own data, so that every
analysis takes any of them. Every name of a dimension or a variable in the
package is written here first.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import xarray as xr

from lwdstats.arrays import as_times
from lwdstats.errors import InputError
from lwdstats.version import __version__

CONVENTIONS = "CF-1.10"
REQUIRED_ATTRIBUTES = ("title", "Conventions", "lwdstats_version", "created", "seed", "spec")
COORDINATES = {
    "time": "simulation step",
    "model": "member of the network",
    "model_": "member of the network (second index of a distance matrix)",
    "replicate": "independent run of the network",
    "query": "question put to every model",
    "response": "answer or point drawn by a model at a step",
    "feature": "coordinate of the embedding space",
    "feature_": "coordinate of the embedding space (second index of a covariance)",
    "component": "component of the Gaussian mixture",
    "post": "row of the web, an append-only log",
    "draw": "position of a retrieved post in the prompt",
}


@dataclass(frozen=True)
class Variable:
    """One variable of the schema.

    `dims` is the order of its dimensions; a dimension in `optional` may be
    absent. `kinds` are the NumPy dtype kinds that it may have.
    """

    dims: tuple[str, ...]
    kinds: str
    long_name: str
    optional: tuple[str, ...] = ()
    finite: bool = False


_MODEL = ("time", "model", "replicate")
CELL = (*_MODEL, "query")
ANSWER = (*CELL, "response")
_POST = ("replicate", "query", "post")

VARIABLES: dict[str, Variable] = {
    "embedding": Variable(
        (*ANSWER, "feature"), "f", "point or embedded answer", ("query",), finite=True
    ),
    "text": Variable(ANSWER, "OTU", "answer of a language model, empty where it is missing"),
    "text_raw": Variable(ANSWER, "OTU", "answer before it was cut, where that differs, else empty"),
    "weight": Variable((*_MODEL, "component"), "f", "mixture weight", finite=True),
    "component_mean": Variable(
        (*_MODEL, "component", "feature"), "f", "mean of a mixture component", _MODEL, finite=True
    ),
    "component_covariance": Variable(
        (*_MODEL, "component", "feature", "feature_"),
        "f",
        "covariance of a mixture component",
        _MODEL,
        finite=True,
    ),
    "n_web": Variable(CELL, "iu", "number of posts on the web before the step", CELL[1:]),
    "n_retrieved": Variable(CELL, "iu", "number of posts that a model reads in the step", CELL[1:]),
    "n_truncated": Variable(
        _MODEL, "f", "how often the truncation fired in the update that leaves this time"
    ),
    "n_clipped": Variable(
        _MODEL, "f", "how often a gain or the step size of a point was clipped at 1 in that update"
    ),
    "n_floored": Variable(
        _MODEL, "f", "how often a covariance was raised to the floor in that update"
    ),
    "synthetic_share": Variable(
        CELL, "f", "share of the retrieved posts that is synthetic", ("query",)
    ),
    "post_text": Variable(_POST, "OTU", "post on the web"),
    "post_time": Variable(_POST, "i", "step at which a post was made, -1 for an initial post"),
    "post_model": Variable(
        _POST, "i", "index of the model that made a post, -1 for an initial post"
    ),
    "post_response": Variable(
        _POST, "i", "index of the response that became the post, -1 for an initial post"
    ),
    "post_left": Variable(
        _POST, "i", "first time at which a post is no longer on the web, -1 if it is to the end"
    ),
    "post_kind": Variable(_POST, "i", "where a post comes from"),
    "post_real": Variable(_POST, "i", "whether a post is initial or fresh"),
    "post_sentiment": Variable(
        _POST, "OTU", "sentiment of an initial post as its file labels it, empty for answers"
    ),
    "post_embedding": Variable((*_POST, "feature"), "f", "embedded post", finite=True),
    "retrieved": Variable(
        (*CELL, "draw"), "i", "row of the web at each place of the prompt, -1 past its end"
    ),
    "initial_point": Variable(
        ("replicate", "post", "feature"), "f", "point of the initial web", finite=True
    ),
}

# The same answers by further embedders: embedding_2, embedding_3, ..., with feature_2, feature_3,
# ...; and the same posts, post_embedding_2, ....
_FURTHER = re.compile(r"((?:post_)?embedding)_([2-9]|[1-9]\d+)")

# Besides long_name and units, vectors have these attributes where they are known: `embedder`, by
# whom (of `embedding` the attribute of the dataset says it), with its `embedder_prefix`;
# `normalized`, whether they were scaled to length 1, "True" or "False"; `long_texts`, what became
# of texts that are longer than the embedder reads, "cut" or "mean"; `embedder_reads`, how much it
# reads, such as "256 word pieces"; `n_cut` and `n_averaged`, how many were cut, or are means of
# their parts; and `n_reasoning`, how many hold a model's reasoning that was embedded.
# `text` has `n_unanswered`: how many of its missing answers are reasoning that no answer followed;
# of a log also `n_refused`, refused by the model's own mark or a filter, and `n_failed`.

# A vector may be missing, all NaN, where its text is empty: a model gave no answer. Answers
# without texts may be missing, too.
TEXT_OF = {"embedding": "text", "post_embedding": "post_text"}


def further(name: str) -> tuple[str, str] | None:
    """Return what a variable of a further embedder is, and its dimension of coordinates.

    Examples
    --------
    >>> further("embedding_2"), further("post_embedding_12"), further("embedding")
    (('embedding', 'feature_2'), ('post_embedding', 'feature_12'), None)
    """
    match = _FURTHER.fullmatch(name)
    return None if match is None else (match[1], f"feature_{match[2]}")


def embeddings_of(ds: xr.Dataset) -> list[str]:
    """Return the names of a dataset's embeddings of its answers, that of the run first."""
    names = [name for name in map(str, ds.data_vars) if (further(name) or ("",))[0] == "embedding"]
    names.sort(key=lambda name: int(name.rpartition("_")[2]))
    return ["embedding"] * ("embedding" in ds) + names


def _variables(ds: xr.Dataset) -> dict[str, tuple[str, Variable]]:
    """Return the variables of the schema that a dataset has, each with what it is one of."""
    out = {name: (name, variable) for name, variable in VARIABLES.items() if name in ds}
    for name in map(str, ds.data_vars):
        if found := further(name):
            base, feature = found
            of = VARIABLES[base]
            said = f"{of.long_name}, by embedder {feature.rpartition('_')[2]}"
            dims = (*of.dims[:-1], feature)
            out[name] = (base, replace(of, dims=dims, long_name=said))
    return out


def attributes(title: str, seed: int | str, spec: dict[str, Any]) -> dict[str, str]:
    """Return the attributes that every dataset has, `spec` as what gives it again.

    Where no run of a simulator gives it again, as with a user's own answers, the
    spec has ``"simulator": None``, and a seed that nobody knows is "unknown".
    """
    return {
        "title": title,
        "Conventions": CONVENTIONS,
        "lwdstats_version": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": str(seed),
        "spec": json.dumps(spec, ensure_ascii=False),
    }


def describe(ds: xr.Dataset) -> xr.Dataset:
    """Return `ds` with the schema's long names and units on every variable."""
    ds = ds.copy()
    held = _variables(ds)
    long_names = COORDINATES | {name: variable.long_name for name, (_, variable) in held.items()}
    features = {variable.dims[-1] for name, (_, variable) in held.items() if further(name)}
    long_names |= {
        name: f"{COORDINATES['feature']} of embedder {name.rpartition('_')[2]}" for name in features
    }
    for name in map(str, ds.variables):
        if name in long_names:
            attrs = ds[name].attrs
            attrs.setdefault("long_name", long_names[name])
            if ds[name].dtype.kind in "fiu":
                attrs.setdefault("units", "1")
    return ds


def named(array: xr.DataArray, name: str, long_name: str) -> xr.DataArray:
    """Return a pure number over some dimensions under its name, with the attributes of all."""
    array = array.rename(name).copy(deep=False)
    array.attrs = {"long_name": long_name, "units": "1"}
    return array


def validate(ds: xr.Dataset, *, source: str = "ds") -> xr.Dataset:
    """Check that a dataset follows the schema.

    Arrays that are not in memory yet, as those of Dask, are loaded in place, as
    ``ds.load()`` does, so that an analysis, which checks its dataset first, works on
    plain arrays and nothing is computed twice. Give ``ds.copy()`` to keep yours lazy.
    Those that work in blocks (see `read_results`) leave it so.

    Parameters
    ----------
    ds : xarray.Dataset
        The dataset.
    source : str
        How an error names it, for example the path of the file.

    Returns
    -------
    xarray.Dataset
        `ds` itself.

    Raises
    ------
    InputError
        If it is not an lwdstats dataset, lacks what every analysis needs, has
        dimensions in another order, or holds NaN where a number must stand.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> ds = lwd.simulate_gmm(n_steps=5, seed=1)
    >>> lwd.validate(ds) is ds
    True
    """
    check_form(ds, source=source)
    ds.load()
    for name, (base, variable) in _variables(ds).items():
        text = ds.get(TEXT_OF.get(base, ""))
        # Answers without texts may be missing, but points that a mixture draws are there.
        may_lack = base == "embedding" and "weight" not in ds
        _check_values(ds[name], variable, f"{source}: {name}", text, may_lack)
    return ds


def check_form(ds: xr.Dataset, *, source: str = "ds") -> xr.Dataset:
    """Check a dataset as `validate` does, but for the numbers themselves; nothing is loaded."""
    if not isinstance(ds, xr.Dataset):
        raise InputError(source, *_not_a_dataset(ds))
    missing = [name for name in REQUIRED_ATTRIBUTES if name not in ds.attrs]
    if missing:
        got = f"no attribute {', '.join(missing)}"
        raise InputError(source, got, "a dataset that lwdstats wrote")
    spec_of(ds, source=source)
    if "time" not in ds.coords:
        raise InputError(source, "no coordinate time", "a dataset with time 0..T")
    if ds["time"].ndim == 0:
        raise InputError(f"{source}: time", *_lost("time", ds["time"].item()))
    as_times(ds["time"].to_index(), f"{source}: time")
    if " since " in str(ds["time"].attrs.get("units", "")):
        got = f"units {ds['time'].attrs['units']!r}, which a file gives back as dates"
        takes = "units of elapsed time, such as '1' or 'days' (ds['time'].attrs['units'] = 'days')"
        raise InputError(f"{source}: time", got, takes)
    if "weight" not in ds and "embedding" not in ds:
        got = f"variables {', '.join(map(str, ds.data_vars)) or 'none'}"
        raise InputError(source, got, "weight or embedding")
    for name, (_, variable) in _variables(ds).items():
        _check_dims(ds[name], variable, f"{source}: {name}")
    empty = [str(dim) for dim, size in ds.sizes.items() if size == 0 and dim != "draw"]
    if empty:
        raise InputError(source, f"nothing along {', '.join(empty)}", "at least one of each")
    if "text" in ds and "query" not in ds["text"].dims:
        raise InputError(f"{source}: text", ds["text"].dims, "a query dimension")
    return ds


def as_written_now(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run of language models recorded, as one records it now.

    Runs of before have the first rule for first sentences, and say of a scenario only which
    posts are read.
    """
    now = {**spec, "sentence_rule": spec.get("sentence_rule", 1)}
    retrieval = now.pop("retrieval", "uniform")
    now.setdefault("scenario", {} if retrieval == "uniform" else {"retrieval": retrieval})
    return now


def initial_posts(ds: xr.Dataset) -> xr.DataArray:
    """Return which posts of a log are A^(0): other than models' own sources, they are real."""
    initial = ds["post_time"] == -1
    return initial & (ds["post_real"] == 1) if "post_real" in ds else initial


def spec_of(ds: xr.Dataset, *, source: str = "ds") -> dict[str, Any]:
    """Return the specification that a dataset's `spec` attribute holds."""
    text = ds.attrs.get("spec", "")
    try:
        spec = json.loads(text)
    except (TypeError, ValueError):
        spec = None
    if not isinstance(spec, dict):
        raise InputError(f"{source}: spec", text, "a specification as a JSON object")
    return as_written_now(spec) if spec.get("simulator") == "llm" else spec


def _not_a_dataset(ds: object) -> tuple[str, str]:
    """Return what an error says of something else where a dataset is wanted."""
    takes = "an xarray.Dataset"
    if isinstance(ds, str | os.PathLike):
        return f"the path {os.fspath(ds)!r}", f"{takes}: read_results(path) reads a file"
    if type(ds).__name__ == "DataTree":
        names = ", ".join(getattr(ds, "children", ())) or "none"
        return f"a DataTree with groups {names}", f"{takes}, as tree[group].to_dataset() gives"
    if isinstance(ds, xr.DataArray):
        return "a DataArray", f"{takes}: as_results makes one of answers"
    if hasattr(ds, "columns"):
        return "a table", f"{takes}: as_results makes one of a table"
    return type(ds).__name__, takes


def _lost(dim: str, value: object) -> tuple[str, str]:
    """Return what an error says of a dimension that a selection by one label has dropped."""
    got = f"one {dim}, {value!r}, without its dimension"
    return got, f"a dataset that keeps it: select by a list, ds.sel({dim}=[{value!r}])"


def _check_dims(array: xr.DataArray, variable: Variable, label: str) -> None:
    required = [dim for dim in variable.dims if dim not in variable.optional]
    order = [dim for dim in variable.dims if dim in array.dims]
    gone = [dim for dim in required if dim not in array.dims]
    if list(array.dims) != order or gone:
        lost = [dim for dim in gone if dim in array.coords and array[dim].ndim == 0]
        if lost:
            raise InputError(label, *_lost(lost[0], array[lost[0]].item()))
        wanted = ", ".join(f"[{d}]" if d in variable.optional else d for d in variable.dims)
        advice = f"; a selection keeps {gone[0]} by a list, ds.isel({gone[0]}=[0])" if gone else ""
        raise InputError(label, f"dimensions {array.dims}", f"dimensions ({wanted}){advice}")


def _check_values(
    array: xr.DataArray, variable: Variable, label: str, text: xr.DataArray | None, may_lack: bool
) -> None:
    if array.dtype.kind not in variable.kinds and not _are_whole(array.values, variable.kinds):
        raise InputError(label, f"dtype {array.dtype}", f"dtype of kind {variable.kinds!r}")
    if variable.finite and not bool(np.isfinite(array.values).all()):
        bad = ~np.isfinite(array.values)
        if may_lack and text is None:
            bad &= ~np.isnan(array.values).all(axis=-1, keepdims=True)
        elif text is not None and text.dims == array.dims[:-1]:
            bad &= ~(np.isnan(array.values).all(axis=-1) & (text.values == ""))[..., None]
        where = np.argwhere(bad)
        if not len(where):
            return
        first = ", ".join(f"{d}={i}" for d, i in zip(array.dims, where[0], strict=True))
        got = f"{len(where)} values not finite (first at {first})"
        raise InputError(label, got, "finite numbers")


def _are_whole(values: np.ndarray, kinds: str) -> bool:
    """Return whether floating-point numbers stand for integers, as files with a fill value do."""
    if "i" not in kinds or values.dtype.kind != "f":
        return False
    return bool(np.all(np.isfinite(values) & (values == np.round(values))))
