"""A user's own answers as a dataset that every analysis takes."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from lwdstats.arrays import as_numpy
from lwdstats.dataset.answer_grid import (
    Answers,
    as_vectors,
    check_once,
    checked_labels,
    frame_vectors,
    from_arrays,
    from_frame,
    is_missing,
    strings,
    why_missing,
)
from lwdstats.dataset.covariates import (
    Values,
    check_covariates,
    columns_by_model,
    with_covariates,
)
from lwdstats.dataset.embeddings import embedders
from lwdstats.dataset.embeddings.add_embedding import embedded_again
from lwdstats.dataset.embeddings.embedded_texts import note_embedded
from lwdstats.dataset.embeddings.long_texts import LONG, embed_texts, embed_with
from lwdstats.dataset.logs.read_log import is_log, read_log
from lwdstats.dataset.schema import ANSWER, CELL, VARIABLES, attributes, describe, validate
from lwdstats.dataset.text import storable
from lwdstats.errors import InputError, check_choice

_DATA = "a table, records, embedded answers, or texts in nested lists"
_POSTS = "texts, records or a table with text or embedding, or an array (posts, feature)"


def as_results(
    data: pd.DataFrame | ArrayLike | xr.DataArray | str | os.PathLike[str],
    *,
    embedding: str | Sequence[str] | None = "embedding",
    text: Any = "text",
    time: Any = "time",
    model: Any = "model",
    replicate: Any = "replicate",
    query: Any = "query",
    response: Any = "response",
    covariates: Any = None,
    embedder: Any = None,
    long: str = "cut",
    posts: Any = None,
    n_responses: int | None = None,
    title: str = "Logged answers",
) -> xr.Dataset:
    """Make a dataset of answers that were logged elsewhere, so that every analysis takes them.

    Parameters
    ----------
    data : pandas.DataFrame, path, array_like or xarray.DataArray
        A long table (of any library, or records), one row an answer, as `to_frame` gives; logs
        that `read_log` takes; embedded answers, (time, model[, replicate[, query]], response,
        feature); or texts, without feature. A DataArray goes by the names of its dimensions.
    embedding : str, sequence of str, or None
        For a table: the column of vectors, or the columns of numbers; a name such as
        "embedding" also stands for embedding_0, embedding_1, .... None for none.
    text : str, array_like or None
        For a table: the column of texts, kept as `text` though they be embedded already;
        None leaves them out. For embedded answers in an array: texts.
    time, model, replicate, query, response : str, sequence or None
        For a table: the columns. Only `time` and `model` must be there; without the
        others, or with None, there is one replicate, one query without a name, and
        answers are numbered in order of rows within a cell, that is a (time, model,
        replicate, query). For arrays: the labels, by default 0, 1, .... Times are
        whole numbers; other labels are whole numbers or strings.
    covariates : sequence of str, mapping, DataFrame or path, optional
        What is known of the models: columns of `data`; ``{"family": {"a": "x", "b": "y"}}``;
        or a table or csv file with a column `model`. Text, truth values, or numbers.
    embedder : str, callable, or object with a method ``embed`` or ``encode``, optional
        From a list of m strings to an array (m, feature), such as a
        SentenceTransformer or its ``encode``; or a name that `simulate_llm` takes. For
        texts alone, of answers or of posts; each is embedded once. A list of several adds
        `embedding_2` and so on, as `add_embedding` does.
    long : {"cut", "mean", "error"}
        What becomes of texts that are longer than an embedder reads, as in `add_embedding`.
    posts : sequence of str, sequence of mappings, DataFrame or array_like, optional
        The initial web A^(0), the same for every replicate and query, from which
        `drift` is measured. Texts, with ``text`` and perhaps ``sentiment`` in a table or
        records, and the embedder; or embeddings, in columns or an array (posts, feature).
    n_responses : int, optional
        For a table: keep the first so many answers of every cell, numbered anew.
    title : str
        Title of the dataset.

    Returns
    -------
    xarray.Dataset
        `embedding`, `text` where there are texts, the columns text_raw, n_web,
        n_retrieved, n_truncated and synthetic_share of a table, the posts, and covariates
        along `model`. The attribute `seed` is "unknown", and `spec` names no simulator.

    Raises
    ------
    InputError
        If a column is missing or there twice, a vector is not finite or of another length,
        a cell has more answers than most, two rows are the same answer, a model has several
        values of a covariate, or an embedder is lacking, or has nothing to embed.

    Warns
    -----
    UserWarning
        If answers are missing, or texts longer than the embedder reads, with how many.

    Notes
    -----
    An answer is missing where its vector is NaN, its text is None or NaN, or a cell has
    fewer rows than most; its text is then empty and its vector NaN. An empty text is an
    answer. Means take the answers that are there; what needs as many of every model
    says so: cut to the shortest cell by `n_responses`, unless those that lack were left out
    for what they said (refusals, say). Times are sorted; other labels stay as they first
    occur. NUL becomes U+2400, half of a surrogate pair U+FFFD: no file holds them.

    Examples
    --------
    >>> import lwdstats as lwd, pandas as pd
    >>> log = pd.DataFrame({
    ...     "time": [0, 0, 0, 0, 1, 1, 1, 1],
    ...     "model": ["a", "a", "b", "b"] * 2,
    ...     "text": ["up", "down", "up", "steady", "up", "up", "up", "up"],
    ... })
    >>> ds = lwd.as_results(log, embedder=lambda texts: [[len(t)] for t in texts])
    >>> dict(ds["embedding"].sizes)
    {'time': 2, 'model': 2, 'replicate': 1, 'query': 1, 'response': 2, 'feature': 1}
    >>> lwd.fnorm(ds).values.ravel().round(3)
    array([1.414, 0.   ])
    """
    if not isinstance(title, str) or not title:
        raise InputError("title", title, "a string that is not empty")
    places = {"time": time, "model": model, "replicate": replicate}
    places |= {"query": query, "response": response}
    if is_log(data):
        data, own = _from_log(data, places | {"text": text})
        text = own.pop("text")
        places = own
    data = _as_table_or_array(data, "data", _DATA)
    if hasattr(data, "columns"):
        # Texts in a column of the name that numbers of answers have by default.
        if places["response"] == "response" == text:
            places["response"] = None
        names = places | {"embedding": embedding, "text": text}
        answers = from_frame(data, names, n_responses)  # pyright: ignore[reportArgumentType]
    else:
        if n_responses is not None:
            raise InputError("n_responses", n_responses, "None, unless data is a table")
        answers = _arrays(data, text, places)
    _tell_missing(answers)
    known = _covariates(covariates, data, places["model"], answers.labels["model"].tolist())
    check_choice("long", long, LONG)
    several = isinstance(embedder, list | tuple)
    embedder, *others = map(embedders.loaded, (embedder or [None]) if several else [embedder])
    embed = None if embedder is None else _reader(embedder, long)
    for other in others:
        embed_with(other)
    vectors = answers.vectors
    table = None if posts is None else _posts_table(posts)
    embedded = table is None or frame_vectors(table, "embedding", "posts") is not None
    if embed is not None and vectors is not None and embedded:
        takes = "None, as there are embeddings (embedding=None has a table's texts embedded)"
        raise InputError("embedder", embedders.name_of(embedder), takes)
    if vectors is None:
        if "text" not in answers.texts:
            raise InputError("data", "neither embedding nor text", "embedded answers, or texts")
        if embed is None:
            raise InputError("embedder", None, "an embedder, as data has texts without embeddings")
        vectors = _embed_those_there(answers, embed)
    web = {} if table is None else _initial_web(table, embed, vectors.shape)
    keeps_query = "query" in answers.labels or bool(answers.texts) or "post_text" in web
    variables: dict[str, Any] = {"embedding": ((*ANSWER, "feature"), vectors)}
    variables |= {name: (ANSWER, values) for name, values in answers.texts.items()}
    ds = xr.Dataset(variables | web)
    for name, values in answers.cells.items():
        ds[name] = _narrowed(name, values)
    if not keeps_query:
        ds = ds.squeeze("query")
    ds = ds.assign_coords(
        {dim: (dim, labels) for dim, labels in answers.labels.items()}
        | {dim: np.arange(ds.sizes[dim]) for dim in ("feature", "post") if dim in ds.dims}
    )
    ds.attrs = attributes(storable(title), "unknown", {"simulator": None})
    ds = describe(with_covariates(ds, known))
    if "text" in ds and n_responses is None:
        ds["text"].attrs.update(why_missing(data))
    if embedder is not None:
        if answers.vectors is None:
            ds.attrs["embedder"] = embedders.name_of(embedder)
        mine = {"text": "embedding"} if answers.vectors is None else {}
        mine |= {} if embedded else {"post_text": "post_embedding"}
        for vectors in mine.values():
            ds[vectors].attrs["long_texts"] = long
        note_embedded(ds, embedder, mine, long=long)
    for other in others:
        ds = embedded_again(ds, other, normalize=False, long=long, name=None)
    return validate(ds)


def _reader(embedder: Any, long: str) -> Callable[[list[str]], NDArray[Any]]:
    """Return what embeds texts; that the embedder is none is told before any work."""
    embed_with(embedder)
    return lambda texts: embed_texts(embedder, texts, long)


def _from_log(data: Any, names: Mapping[str, Any]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the table of a log, and the names of columns in it."""
    said = {p: name for p, name in names.items() if isinstance(name, str) and name != p}
    try:
        frame = read_log(data, columns=said)
    except InputError as error:
        if error.argument != "source":
            raise
        raise InputError("data", error.got, error.takes) from error
    return frame, {part: part if part in said else names[part] for part in names}


def _covariates(given: Any, data: Any, column: Any, models: Sequence[Any]) -> dict[str, Values]:
    """Return covariates, where `given` names columns those of a table by its column of models."""
    if isinstance(given, list | tuple):
        if not hasattr(data, "columns"):
            raise InputError("covariates", f"{list(given)}, for arrays", "values by name")
        labels = checked_labels(data[column].tolist(), "model").tolist()
        given = columns_by_model(data, given, labels)
    return check_covariates(given, models)


def _arrays(data: Any, text: Any, places: Mapping[str, Any]) -> Answers:
    """Return the answers of arrays, whose labels are what is not the name of a column."""
    labels = {
        dim: None if isinstance(given, str) and given == dim else given
        for dim, given in places.items()
    }
    texts = None if isinstance(text, str) and text == "text" else text
    if isinstance(data, xr.DataArray):
        # One label that was selected has lost its dimension.
        lost = [d for d in ("time", "model", "response") if d in data.coords and not data[d].ndim]
        data = data.expand_dims(lost)
        takes = "dimensions time, model, response and perhaps replicate, query, feature"
        if not {"time", "model", "response"} <= set(data.dims) <= {*ANSWER, "feature"}:
            raise InputError("data", f"dimensions {data.dims}", takes)
        extra = [dim for dim in ("replicate", "query") if dim not in data.dims]
        # One replicate or query that was selected keeps its label.
        data = data.expand_dims(extra)
        for dim in labels:
            if labels[dim] is None and dim in data.coords:
                labels[dim] = data[dim].values
        order = (*ANSWER, "feature") if "feature" in data.dims else ANSWER
        data = data.transpose(*order).values
    of_texts = False
    if not isinstance(data, np.ndarray) or data.dtype.kind in "OUT":
        first = next((leaf for leaf in _leaves(data) if not is_missing(leaf)), None)
        if first is None:
            raise InputError("data", "no answer at all", _DATA)
        of_texts = isinstance(first, str)
    try:
        # Not by way of an array of objects, which takes several times the room of numbers.
        try:
            array = np.asarray(data, dtype=object if of_texts else None)
        except ValueError:
            array = np.asarray(_filled(data, _shape(data)))
        if array.dtype.kind == "O" and isinstance(array.flat[0], list | tuple | np.ndarray):
            raise ValueError
    except ValueError:
        takes = "as many answers in every cell, and vectors of one length"
        raise InputError("data", "lists of different lengths", takes) from None
    if of_texts:
        if texts is not None:
            raise InputError("text", "texts besides the texts in data", "None")
        return from_arrays(None, array, labels)
    return from_arrays(array, texts, labels)


def _shape(data: Any) -> tuple[int, ...]:
    """Return the shape of nested lists, as the first that is there of each has it."""
    if not isinstance(data, list | tuple):
        return np.shape(data)
    return (len(data), *_shape(next((item for item in data if item is not None), 0.0)))


def _filled(data: Any, shape: tuple[int, ...]) -> Any:
    """Return nested lists with NaN where a vector, or all of a cell, is None."""
    if data is None:
        return np.full(shape, np.nan)
    if isinstance(data, list | tuple) and shape:
        return [_filled(item, shape[1:]) for item in data]
    return data


def _as_table_or_array(data: Any, argument: str, takes: str) -> Any:
    """Return tables of other libraries and records as tables of pandas, and say what can't be."""
    if isinstance(data, str | os.PathLike):
        raise InputError(argument, f"the path {os.fspath(data)!r}", f"{takes}, not a file")
    if isinstance(data, xr.Dataset) or type(data).__name__ == "DataTree":
        reads = "its embedding, ds['embedding'], or its table, to_frame(ds)"
        raise InputError(argument, f"an xarray {type(data).__name__}", reads)
    if hasattr(data, "read"):
        raise InputError(argument, "an open file", f"{takes}; pandas.read_csv reads a log")
    if not isinstance(data, xr.DataArray):
        if hasattr(data, "collect"):
            data = data.collect()  # of Polars, where it is lazy
        if hasattr(data, "compute"):
            data = data.compute()  # of Dask
        if hasattr(data, "to_pandas"):
            data = data.to_pandas()  # of Polars or Arrow
    if isinstance(data, Iterator):
        data = list(data)
    if isinstance(data, np.ndarray) and data.dtype.kind == "O" and data.ndim == 1:
        data = data.tolist()
    if isinstance(data, np.ndarray) and data.dtype.names:
        data = {name: data[name] for name in data.dtype.names}
    if isinstance(data, Mapping):
        # A column of vectors may be an array of two dimensions.
        data = {k: list(as_numpy(v)) if getattr(v, "ndim", 1) > 1 else v for k, v in data.items()}
    if isinstance(data, Mapping) or (isinstance(data, list | tuple) and data and _is_row(data[0])):
        try:
            # Of objects, as pandas' own type of text can't hold half of a surrogate pair.
            return pd.DataFrame(data, dtype=object)
        except (TypeError, ValueError) as error:
            raise InputError(argument, f"records that make no table ({error})", takes) from error
    return as_numpy(data)


def _is_row(item: Any) -> bool:
    """Return whether an item is a record, whose values have names."""
    named = isinstance(item, Mapping | pd.Series) or hasattr(item, "_fields")
    return named or (dataclasses.is_dataclass(item) and not isinstance(item, type))


def _leaves(data: Any) -> Iterator[Any]:
    """Yield what nested lists or an array of objects hold."""
    if isinstance(data, list | tuple | np.ndarray):
        for item in data:
            yield from _leaves(item)
    else:
        yield data


def _embed_those_there(
    answers: Answers, embed: Callable[[list[str]], NDArray[Any]]
) -> NDArray[Any]:
    """Return the vectors of texts, (T, n, R, m, L, d), NaN where an answer is missing."""
    texts, there = answers.texts["text"], ~answers.missing
    vectors = embed(texts[there].tolist())
    if there.all():
        return vectors.reshape(*texts.shape, -1)
    out = np.full((*texts.shape, vectors.shape[1]), np.nan, dtype=vectors.dtype)
    out[there] = vectors
    return out


def _tell_missing(answers: Answers) -> None:
    """Warn of the answers that are missing, with their number and the first of them."""
    n = int(answers.missing.sum())
    if n == answers.missing.size:
        raise InputError("data", "no answer at all", _DATA)
    if not n:
        return
    place = np.argwhere(answers.missing)[0].tolist()
    first = ", ".join(
        f"{dim}={answers.labels[dim].tolist()[i]!r}"
        for dim, i in zip(ANSWER, place, strict=True)
        if dim in answers.labels
    )
    warnings.warn(
        f"{n} of {answers.missing.size} answers are missing (first at {first}): they come in as "
        "such, and distances and means are of those that are there",
        stacklevel=3,
    )


def _posts_table(posts: Any) -> pd.DataFrame:
    """Return the initial posts as a table with texts, embeddings or both."""
    posts = _as_table_or_array(posts, "posts", _POSTS)
    if isinstance(posts, pd.DataFrame):
        check_once(posts, ["text", "sentiment"], "posts")
        return posts
    if np.ndim(posts) == 0:
        raise InputError("posts", posts, _POSTS)
    listed = list(posts)
    if any(isinstance(post, str) for post in listed):
        return pd.DataFrame({"text": listed}, dtype=object)
    return pd.DataFrame({"embedding": list(as_vectors(listed, "posts", (2,)))})


def _initial_web(
    posts: pd.DataFrame, embed: Callable[[list[str]], NDArray[Any]] | None, shape: tuple[int, ...]
) -> dict[str, Any]:
    """Return the variables of A^(0), for answers of `shape` (T, n, R, m, L, d)."""
    vectors = frame_vectors(posts, "embedding", "posts")
    if posts.empty or (vectors is None and "text" not in posts):
        raise InputError("posts", f"a table with columns {list(posts.columns)}", _POSTS)
    texts: list[str] = strings(posts["text"].tolist(), "posts").tolist() if "text" in posts else []
    if texts:
        for row, value in enumerate(texts):
            if value is None or not value.strip():
                raise InputError("posts", f"{value!r} in row {row}", "posts that are not empty")
        if vectors is None:
            if embed is None:
                raise InputError("posts", "texts without embeddings", "an embedder, too")
            vectors = embed(texts)
    if vectors is None or vectors.shape[1] != shape[-1]:
        got = "no vectors" if vectors is None else f"vectors of {vectors.shape[1]} numbers"
        raise InputError("posts", got, f"vectors of {shape[-1]}, as those of the answers")
    if not texts:
        points = np.tile(vectors, (shape[2], 1, 1))
        return {"initial_point": (("replicate", "post", "feature"), points)}
    columns = {"post_text": np.array(texts, dtype=object)}
    if "sentiment" in posts:
        sentiment = ["" if is_missing(v) else storable(str(v)) for v in posts["sentiment"]]
        columns["post_sentiment"] = np.array(sentiment, dtype=object)
    for name in ("post_time", "post_model", "post_response"):
        columns[name] = np.full(len(vectors), -1, dtype=np.int32)
    on_web = ("replicate", "query", "post")
    out: dict[str, Any] = {
        name: (on_web, np.tile(column, (*shape[2:4], 1))) for name, column in columns.items()
    }
    out["post_embedding"] = ((*on_web, "feature"), np.tile(vectors, (*shape[2:4], 1, 1)))
    return out


def _narrowed(name: str, values: NDArray[Any]) -> xr.DataArray:
    """Return a variable of the cells without the optional dimensions along which it is constant."""
    variable = VARIABLES[name]
    dims = list(CELL)
    for dim in ("query", "replicate", "model"):
        if dim in variable.dims and dim not in variable.optional:
            continue
        axis = dims.index(dim)
        first = values.take([0], axis)
        constant = np.array_equal(values, np.broadcast_to(first, values.shape), equal_nan=True)
        if not constant and dim not in variable.dims:
            raise InputError(name, f"values that differ by {dim}", f"one for all along {dim}")
        # One query is constant whether or not there is a dimension; keep what a variable may have.
        if constant and (dim not in variable.dims or name in ("n_web", "n_retrieved")):
            values, dims = first.squeeze(axis), [d for d in dims if d != dim]
    if "i" in variable.kinds:
        if not np.all(np.isfinite(values) & (values == np.round(values))):
            raise InputError(name, "numbers that are missing or not whole", "whole numbers")
        values = values.astype(np.int64)
    return xr.DataArray(values, dims=dims)
