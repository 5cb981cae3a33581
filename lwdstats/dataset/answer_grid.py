"""Answers on a grid of time, model, replicate, query and response, from a table or from arrays.

The steps of `as_results`: each reader checks what a user has and returns `Answers`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lwdstats.arrays import as_numpy, refuse_dates
from lwdstats.dataset.schema import ANSWER, CELL
from lwdstats.dataset.text import storable
from lwdstats.errors import InputError, check_integer

# Why an answer of a log is missing, as its column `why_missing` says.
REASONS = ("refused", "failed", "unanswered")
# What a table may say of a whole cell, besides its answers.
CELL_VARIABLES = ("n_web", "n_retrieved", "n_truncated", "synthetic_share")


@dataclass(frozen=True, eq=False)
class Answers:
    """What was read, in the order of `ANSWER`.

    Attributes
    ----------
    labels : dict of str to ndarray
        Labels of each dimension; `query` only where queries are told apart.
    vectors : ndarray of float, shape (T, n, R, m, L, d), or None
        Embedded answers, NaN where one is missing.
    texts : dict of str to ndarray of str, each (T, n, R, m, L)
        `text` and `text_raw`, where they are known; empty where an answer is missing.
    missing : ndarray of bool, shape (T, n, R, m, L)
        Which answers are not there.
    cells : dict of str to ndarray of float, each (T, n, R, m)
        Variables of `CELL_VARIABLES`.
    """

    labels: dict[str, NDArray[Any]]
    vectors: NDArray[Any] | None
    texts: dict[str, NDArray[Any]]
    missing: NDArray[np.bool_]
    cells: dict[str, NDArray[Any]] = field(default_factory=dict)


def from_frame(frame: pd.DataFrame, names: Mapping[str, Any], n_responses: int | None) -> Answers:
    """Return the answers of a long table; `names` maps each part to its column, None or default."""
    columns = {part: _column(frame, part, name) for part, name in names.items()}
    if len(frame) == 0:
        raise InputError("data", "a table without rows", "one row an answer")
    check_once(frame, [*columns.values(), "text_raw", *CELL_VARIABLES], "data")
    vectors = frame_vectors(frame, names["embedding"], "embedding", may_lack=True)
    sources = {"text": columns["text"], "text_raw": "text_raw"}
    texts = {
        name: strings(frame[column].tolist(), str(column))
        for name, column in sources.items()
        if columns["text"] is not None and column in frame.columns
    }
    missing = _missing(vectors, texts.get("text"), len(frame))
    if n_responses is not None and missing.any():
        # The first so many of those that are there.
        there = ~missing
        frame, missing = frame.iloc[np.flatnonzero(there)], missing[there]
        vectors = None if vectors is None else vectors[there]
        texts = {name: values[there] for name, values in texts.items()}
    factors = {dim: _factor(frame, columns[dim], dim) for dim in CELL}
    labels = {dim: values for dim, (_, values) in factors.items()}
    shape = tuple(map(len, labels.values()))
    cell = np.ravel_multi_index([code for code, _ in factors.values()], shape)
    rows, responses = _arrange(frame, columns["response"], labels, cell, n_responses)
    if columns["query"] is None:
        labels.pop("query")
    labels["response"] = responses
    full = (*shape, len(responses))
    absent = rows < 0
    if vectors is not None:
        vectors = vectors[rows]
        if absent.any():
            vectors[absent] = np.nan
    return Answers(
        labels,
        None if vectors is None else vectors.reshape(*full, -1),
        {
            name: np.where(absent, "", _blank(values)[rows]).reshape(full)
            for name, values in texts.items()
        },
        (absent | missing[rows]).reshape(full),
        {
            name: _of_cells(frame, name, rows.reshape(-1, len(responses)), shape)
            for name in CELL_VARIABLES
            if name in frame.columns
        },
    )


def from_arrays(vectors: Any, texts: Any, labels: Mapping[str, Any]) -> Answers:
    """Return the answers of arrays; `labels` has those of each dimension, or None for 0, 1, ..."""
    known: dict[str, NDArray[Any]] = {}
    x = None if vectors is None else as_vectors(vectors, "data", (4, 5, 6), may_lack=True)
    t = None if texts is None else _text_array(texts)
    shapes = [a.shape[: a.ndim - k] for a, k in ((x, 1), (t, 0)) if a is not None]
    lead = shapes[0]
    if lead != shapes[-1]:
        raise InputError("text", f"shape {shapes[-1]}", f"texts of shape {lead}, one a vector")
    flat = None if x is None else x.reshape(-1, x.shape[-1])
    missing = _missing(flat, None if t is None else t.ravel(), math.prod(lead))
    # What is missing is one replicate, one query: inserted where the schema has them.
    between = (*lead[2:-1], 1, 1)[:2]
    shape = (*lead[:2], *between, lead[-1])
    for dim, size in zip(ANSWER, shape, strict=True):
        if labels[dim] is None:
            if dim != "query" or size > 1:
                known[dim] = np.arange(size)
            continue
        takes = f"{size} labels, one along its dimension"
        if np.ndim(labels[dim]) != 1:
            raise InputError(dim, labels[dim], takes)
        given = checked_labels(labels[dim], dim)
        if len(given) != size:
            raise InputError(dim, f"{len(given)} labels", takes)
        if len(set(given.tolist())) != size:
            raise InputError(dim, given, "labels that differ")
        known[dim] = given
    time = known["time"]
    if not np.all(np.diff(time) > 0):
        raise InputError("time", time, "increasing steps")
    return Answers(
        known,
        None if x is None else x.reshape(*shape, -1),
        {} if t is None else {"text": _blank(t).reshape(shape)},
        missing.reshape(shape),
    )


def frame_vectors(
    frame: pd.DataFrame, name: Any, argument: str, *, may_lack: bool = False
) -> NDArray[Any] | None:
    """Return a table's vectors (rows, d): from one column, several, or name_0, name_1, ....

    With `may_lack` a row may have none.
    """
    if name is None:
        return None
    if isinstance(name, Iterable) and not isinstance(name, str):
        chosen = list(name)
    elif name in frame.columns:
        check_once(frame, [name], argument)
        return _stack(frame[name].tolist(), str(name), may_lack)
    else:
        chosen = _numbered(frame, str(name), argument)
        if not chosen and name == "embedding":
            return None
    missing = [column for column in chosen if column not in frame.columns]
    if missing or not chosen:
        got = f"no column {', '.join(map(str, missing or [name, f'{name}_0']))}"
        raise InputError(argument, got, "a column of vectors, or columns of numbers")
    twice = [column for i, column in enumerate(chosen) if column in chosen[:i]]
    if twice:
        raise InputError(argument, f"{twice[0]!r} twice", "each column once")
    check_once(frame, chosen, argument)
    block = frame[chosen]
    numbers = block.to_numpy()
    if numbers.dtype.kind == "O":
        # Numbers of pandas' own types, whose missing values are no numbers.
        numbers = numbers.copy()
        numbers[block.isna().to_numpy()] = np.nan
    return as_vectors(numbers, argument, (2,), may_lack=may_lack)


def _numbered(frame: pd.DataFrame, name: str, argument: str) -> list[str]:
    """Return the columns name_0, name_1, ... in the order of their numbers."""
    pattern = re.compile(re.escape(name) + r"_(\d+)")
    matches = [pattern.fullmatch(column) for column in frame.columns if isinstance(column, str)]
    found = sorted((int(match[1]), match[0]) for match in matches if match)
    if [number for number, _ in found] != list(range(len(found))):
        shown = ", ".join(column for _, column in found)
        takes = f"{name}_0, {name}_1, ..., each once and none left out (a list names others)"
        raise InputError(argument, f"columns {shown}", takes)
    return [column for _, column in found]


def check_once(frame: pd.DataFrame, names: Sequence[Any], argument: str) -> None:
    """Raise if a column that is read occurs twice in a table."""
    again = frame.columns[frame.columns.duplicated()]
    twice = [str(name) for name in names if name is not None and name in again]
    if twice:
        raise InputError(argument, f"columns {', '.join(twice)} more than once", "each column once")


def as_vectors(
    values: Any, argument: str, ndim: tuple[int, ...], *, may_lack: bool = False
) -> NDArray[Any]:
    """Return finite vectors along the last axis; float32 stays, other numbers become float64.

    Half precision becomes float32. With `may_lack` a vector may be NaN as a whole.
    """
    dims = " or ".join(map(str, ndim))
    takes = f"finite numbers, an array of {dims} dimensions, the last one the vectors'"
    try:
        x = np.asarray(as_numpy(values))
        if x.dtype.kind == "O":
            x = x.astype(np.float64)
    except (TypeError, ValueError):
        raise InputError(argument, "values that are not numbers, or ragged", takes) from None
    if x.dtype.kind not in "fiu" or x.ndim not in ndim or 0 in x.shape:
        raise InputError(argument, f"dtype {x.dtype}, shape {x.shape}", takes)
    if x.dtype != np.float32:
        x = x.astype(np.float32 if x.dtype.kind == "f" and x.dtype.itemsize < 8 else np.float64)
    flat = x.reshape(-1, x.shape[-1])
    # A sum is finite only if all of it is; without an array of the size of x.
    with np.errstate(over="ignore", invalid="ignore"):
        doubtful = np.flatnonzero(~np.isfinite(flat.sum(axis=-1)))
    bad = doubtful[~np.isfinite(flat[doubtful]).all(axis=-1)]
    if may_lack:
        bad = bad[~np.isnan(flat[bad]).all(axis=-1)]
    if len(bad):
        where = ", ".join(map(str, np.unravel_index(bad[0], x.shape[:-1])))
        raise InputError(argument, f"{len(bad)} vectors not finite (first at {where})", takes)
    return x


def _column(frame: pd.DataFrame, part: str, name: Any) -> Any:
    """Return the column that holds a part, None where there is none and none is needed."""
    if part == "embedding" or name is None:
        if part in ("time", "model"):
            raise InputError(part, name, "the name of a column")
        return None
    if not isinstance(name, Hashable):
        raise InputError(part, f"a {type(name).__name__}", "the name of a column of the table")
    if name in frame.columns:
        return name
    if name == part and part not in ("time", "model"):
        return None
    raise InputError(part, f"no column {name!r}", f"one of {', '.join(map(str, frame.columns))}")


def _factor(frame: pd.DataFrame, column: Any, dim: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the code of each row and the labels, times in order, others as they first occur."""
    if column is None:
        return np.zeros(len(frame), dtype=np.intp), np.zeros(1, dtype=np.int64)
    values = checked_labels(frame[column].tolist(), dim)
    codes, labels = pd.factorize(values, sort=dim == "time")
    return codes, np.asarray(labels)


def checked_labels(values: Any, dim: str) -> NDArray[Any]:
    """Return labels as int64, or as Python strings."""
    # As objects, since an array of text cuts a NUL at the end and makes text of numbers.
    given = (
        np.array(values, dtype=object)
        if isinstance(values, list | tuple)
        else np.asarray(as_numpy(values))
    )
    takes = (
        ""
        if dim == "time"
        else "whole numbers, or strings: dates as pd.to_datetime(...).astype(str)"
    )
    refuse_dates(given, dim, as_time=dim == "time", takes=takes)
    listed = given.tolist()
    whole = [not isinstance(v, bool | str) and _is_whole(v) for v in listed]
    if listed and all(whole):
        return np.array([int(v) for v in listed], dtype=np.int64)
    strings = [isinstance(v, str) and (v != "" or dim == "query") for v in listed]
    if dim != "time" and listed and all(strings):
        stored = [storable(v) for v in listed]
        if len(set(stored)) < len(set(listed)):
            got = "labels that are one after NUL became U+2400 and half of a surrogate pair U+FFFD"
            raise InputError(dim, got, "labels that differ in what a file can hold")
        return np.array(stored, dtype=object)
    takes = "whole numbers"
    if dim != "time":
        takes = "whole numbers, or strings that are not empty"
    good = whole if dim == "time" or sum(whole) >= sum(strings) else strings
    row = next((i for i, ok in enumerate(good) if not ok), 0)
    raise InputError(dim, f"{listed[row]!r} in row {row}" if listed else "nothing", takes)


def _is_whole(value: Any) -> bool:
    try:
        return bool(int(value) == value) and -(2**63) <= value < 2**63
    except (TypeError, ValueError, OverflowError):
        return False


def _arrange(
    frame: pd.DataFrame,
    column: Any,
    labels: Mapping[str, NDArray[Any]],
    cell: NDArray[Any],
    n_responses: int | None,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the row of each answer, -1 for none, as (cells, L), and the labels of responses."""
    shape = [len(labels[dim]) for dim in CELL]
    n_cells = math.prod(shape)

    def name(index: int) -> str:
        at = np.unravel_index(index, shape)
        pairs = [(dim, labels[dim].tolist()[i]) for dim, i in zip(CELL, at, strict=True)]
        return ", ".join(
            f"{dim}={label!r}" for dim, label in pairs if dim != "query" or len(labels[dim]) > 1
        )

    counts = np.bincount(cell, minlength=n_cells)
    rank = pd.Series(cell).groupby(cell).cumcount().to_numpy()
    code, responses = rank, np.arange(counts.max())
    if column is not None:
        code, responses = _factor(frame, column, "response")
        key = cell * len(responses) + code
        again = pd.Series(key).duplicated().to_numpy()
        if again.any():
            row = int(again.argmax())
            first = int((key == key[row]).argmax())
            label = responses[code[row]]
            got = f"rows {first} and {row} both for {name(cell[row])}, response={label}"
            raise InputError("data", got, "one row an answer (response=None numbers them)")
    if n_responses is not None:
        n = check_integer("n_responses", n_responses, minimum=1)
        short = np.flatnonzero(counts < n)
        if short.size:
            got = f"{counts[short[0]]} answers at {name(short[0])}"
            raise InputError("data", got, f"at least n_responses={n} answers in every cell")
        kept = np.flatnonzero(rank < n)
        rows = np.empty(n_cells * n, dtype=np.intp)
        rows[cell[kept] * n + rank[kept]] = kept
        return rows, np.arange(n)
    usual = int(np.bincount(counts).argmax())
    if usual == 0:
        got = f"no answer at {name(int(counts.argmin()))}, nor in most other cells"
        takes = "labels that cross: a replicate counts anew in each query, a response in each cell"
        raise InputError("data", got, takes)
    more = np.flatnonzero(counts > usual)
    if more.size:
        got = f"{counts[more[0]]} answers at {name(more[0])}, where most cells have {usual}"
        takes = "as many in every cell, or fewer (n_responses=L keeps the first L of each)"
        raise InputError("data", got, takes)
    if usual != len(responses):
        index = int((counts == usual).argmax())
        lost = np.delete(responses, code[cell == index]).tolist()[0]
        got = f"no response {lost!r} at {name(index)}"
        raise InputError("data", got, "the same responses everywhere (response=None numbers them)")
    rows = np.full(n_cells * usual, -1, dtype=np.intp)
    rows[cell * usual + code] = np.arange(len(cell))
    return rows, responses


def _of_cells(
    frame: pd.DataFrame, name: str, rows: NDArray[Any], shape: tuple[int, ...]
) -> NDArray[Any]:
    """Return a column that is one number a cell, (T, n, R, m); `rows` is (cells, L)."""
    # An answer without a row says nothing of its cell, and a cell without rows is NaN.
    first = rows[np.arange(len(rows)), (rows >= 0).argmax(axis=1)]
    rows = np.where(rows < 0, first[:, None], rows)
    refuse_dates(frame[name], name, takes="a column of numbers")
    try:
        column = frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        raise InputError(name, f"dtype {frame[name].dtype}", "a column of numbers") from None
    values = np.where(rows < 0, np.nan, column[rows])
    same = (values == values[:, :1]) | (np.isnan(values) & np.isnan(values[:, :1]))
    if not same.all():
        row = rows[np.argwhere(~same)[0][0], 0]
        raise InputError(name, f"several values in the cell of row {row}", "one number a cell")
    return values[:, 0].reshape(shape)


def _missing(vectors: NDArray[Any] | None, texts: NDArray[Any] | None, n: int) -> NDArray[np.bool_]:
    """Return which of n answers are missing: those without a vector or, as yet, without a text."""
    if vectors is None:
        return np.zeros(n, dtype=bool) if texts is None else is_none(texts)
    lacking = np.isnan(vectors[:, 0])
    if texts is not None:
        at_odds = np.flatnonzero(lacking & _blank(texts).astype(bool))
        if at_odds.size:
            got = f"a text without a vector in row {at_odds[0]}, and {at_odds.size} in all"
            raise InputError("embedding", got, "a vector of every answer whose text is there")
    return lacking


def _stack(values: Sequence[Any], column: str, may_lack: bool) -> NDArray[Any]:
    """Return the vectors of a column as (rows, d)."""
    takes = "vectors of one length in every row"
    none = [may_lack and is_missing(value) for value in values]
    vectors = [
        np.zeros(0) if lacks else np.atleast_1d(np.asarray(as_numpy(value)))
        for value, lacks in zip(values, none, strict=True)
    ]
    length = next((v.shape for v, lacks in zip(vectors, none, strict=True) if not lacks), None)
    if length is None:
        raise InputError(column, "no vector in any row", takes)
    for row, vector in enumerate(vectors):
        if none[row]:
            vectors[row] = np.full(length, np.nan, dtype=np.float32)
        elif vector.shape != length or vector.ndim != 1:
            raise InputError(column, f"shape {vector.shape} in row {row}, {length} before", takes)
    return as_vectors(np.stack(vectors), column, (2,), may_lack=may_lack)


def why_missing(table: Any) -> dict[str, int]:
    """Return how many answers of a table are missing for which reason, as attributes of `text`."""
    if not hasattr(table, "columns") or "why_missing" not in table.columns:
        return {}
    said = table["why_missing"].tolist()
    return {f"n_{why}": n for why in REASONS if (n := said.count(why))}


def is_missing(value: Any) -> bool:
    """Return whether a value says that there is none: None, NaN, or pandas' NA or NaT."""
    return value is None or (pd.api.types.is_scalar(value) and bool(pd.isna(value)))


def strings(values: Sequence[Any], argument: str) -> NDArray[Any]:
    """Return Python strings that a file can hold, (rows,), and None where one is missing."""
    out = np.empty(len(values), dtype=object)
    for row, value in enumerate(values):
        if isinstance(value, str):
            out[row] = storable(value)
        elif not is_missing(value):
            raise InputError(argument, f"{value!r} in row {row}", "a string in every row")
    return out


def _blank(texts: NDArray[Any]) -> NDArray[Any]:
    """Return texts with an empty one for each that is missing."""
    return np.where(is_none(texts), "", texts)


def is_none(texts: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which texts are missing."""
    flags = [text is None for text in texts.ravel().tolist()]
    return np.array(flags, dtype=bool).reshape(texts.shape)


def _text_array(texts: Any) -> NDArray[Any]:
    takes = "strings of shape (time, model, [replicate, [query,]] response)"
    try:
        array = np.asarray(texts, dtype=object)
    except ValueError:
        raise InputError("text", "lists of different lengths", takes) from None
    if array.ndim not in (3, 4, 5) or array.size == 0:
        raise InputError("text", f"shape {array.shape}", takes)
    return strings(array.ravel().tolist(), "text").reshape(array.shape)
