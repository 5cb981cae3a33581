"""Logs of answers, of whichever tool, as one table."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from lwdstats.dataset.logs.edsl_results import read_edsl
from lwdstats.dataset.logs.inspect_log import read_logs
from lwdstats.dataset.logs.lm_eval import read_samples
from lwdstats.dataset.logs.openai_batch import read_batches
from lwdstats.dataset.logs.records import named, read_datasets, read_records, settled
from lwdstats.dataset.logs.rows import read_lines, start_of
from lwdstats.errors import InputError, check_choice

KINDS = ("inspect", "lm_eval", "edsl", "openai_batch", "datasets", "records")
_TAKES = (
    "a log, or several: of Inspect AI (.eval, .json), lm-evaluation-harness (samples_*.jsonl), "
    "EDSL, OpenAI's batches, datasets, AlpacaEval (model_outputs.json), or JSON lines"
)
_ENDING = re.compile(r"\.(eval|ep|jsonl|ndjson|json)(\.gz)?$")
# Logs that have other files beside them, such as judgements of the answers.
_BESIDE_OTHERS = ("model_outputs.json", "samples_*.jsonl")
# What reads files that are no logs.
_OTHERS = {
    ".nc": "read_results reads a dataset's file",
    ".csv": "pandas.read_csv reads a table",
    ".parquet": "pandas.read_parquet reads a table",
}
# Classes whose objects are logs, by the package that has them.
_OBJECTS = {"inspect_ai": "inspect", "edsl": "edsl", "datasets": "datasets"}

Source = str | os.PathLike[str] | Sequence[Any] | Mapping[str, Any]


def read_log(
    source: Source | Any,
    kind: str | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    requests: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
) -> pd.DataFrame:
    """Read what another tool logged as a table that `as_results` takes.

    Parameters
    ----------
    source : path, sequence or mapping of these, or object
        A log, several, or several by the label of their model, which then is the
        model of all their answers. A folder stands for the logs in it, and in its folders.
        Or an object: Results of EDSL, a Dataset of datasets, an EvalLog of Inspect AI.
    kind : {"inspect", "lm_eval", "edsl", "openai_batch", "datasets", "records"}, optional
        What wrote it; by default what its name and beginning say. "records" are objects
        in JSON, a line each or in a list, as AlpacaEval's outputs are.
    columns : mapping, optional
        Columns of the log by what `as_results` calls them, where that is not told:
        ``{"text": "reply"}``. It says, too, what to take for the query, as ``{"query":
        "prompt"}``, or for the time, as ``{"time": "step"}``.
    requests : path or sequence of paths, optional
        Of OpenAI's batches: their input, which has the prompts and settings.

    Returns
    -------
    pandas.DataFrame
        A row an answer: `model`, `query`, `time` (0 where the log has none), `text`
        without reasoning, and where there are such: `response` (epoch, repeat or
        iteration), `reasoning`, `why_missing`, `prompt`, `system_prompt`, `temperature`,
        `date`, `file`, scores, and the log's own columns. See ``docs/logs.md``.

    Raises
    ------
    InputError
        If a file is no log of its kind, a line is not JSON, or a part is missing: the
        file and the line are named; or if a package is needed that is not installed.

    Notes
    -----
    Where no answer is, `text` is None, and `why_missing` says why: "refused" (by the
    model's own mark, or a filter), "failed", or "unanswered" (reasoning alone). Refusals in
    words are answers. One model under several settings is several, such as
    "gpt (temperature=0.7)". Logs are read by the packages that write them, where their
    format is their own (Inspect AI, EDSL, datasets); nothing is unpickled or evaluated.

    Examples
    --------
    >>> import json, pathlib, tempfile
    >>> from lwdstats.dataset.logs.read_log import read_log
    >>> log = [{"instruction": "Who?", "output": "<think>Hm</think> Ada", "generator": "m"}]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "model_outputs.json"
    ...     _ = path.write_text(json.dumps(log))
    ...     frame = read_log(path)
    >>> frame[["model", "query", "time", "text"]].values.tolist()
    [['m', 'Who?', 0, 'Ada']]
    """
    if kind is not None:
        check_choice("kind", kind, KINDS)
    named_columns = _check_columns(columns)
    asked = [requests] if isinstance(requests, str | os.PathLike) else list(requests)
    inputs = [_existing(path, "requests") for path in asked]
    if isinstance(source, Mapping) and not _is_object(source):
        frames = [
            _read(one, kind, named_columns, inputs).assign(model=str(label))
            for label, one in source.items()
        ]
        if not frames:
            raise InputError("source", "no log", _TAKES)
        return _checked(pd.concat(frames, ignore_index=True), named_columns)
    return _checked(_read(source, kind, named_columns, inputs), named_columns)


def is_log(data: object) -> bool:
    """Return whether data is a path, paths, or an object of a tool that logs."""
    if isinstance(data, Mapping) and not _is_object(data):
        data = list(data.values())
    # As texts of answers are nested deeper, texts in one list are paths.
    listed = data if isinstance(data, list | tuple) else [data]
    return bool(listed) and all(
        isinstance(one, str | os.PathLike) or _is_object(one) for one in listed
    )


def _is_object(data: object) -> bool:
    module = type(data).__module__.partition(".")[0]
    return module in _OBJECTS and not isinstance(data, os.PathLike)


def _check_columns(columns: Mapping[str, str] | None) -> dict[str, str]:
    takes = "names of columns by what as_results calls them, such as {'text': 'reply'}"
    if columns is None:
        return {}
    if not isinstance(columns, Mapping) or not all(isinstance(c, str) for c in columns.values()):
        raise InputError("columns", columns, takes)
    return dict(columns)


def _read(
    source: Any, kind: str | None, columns: Mapping[str, str], requests: list[Path]
) -> pd.DataFrame:
    """Return the rows of one source, under the names of `as_results`."""
    several = isinstance(source, list | tuple)
    items = [item for one in (source if several else [source]) for item in _items(one)]
    if not items:
        raise InputError("source", f"{source}, without a log", _TAKES)
    found = [kind or kind_of(item) for item in items]
    kinds = sorted(set(found))
    if len(kinds) > 1:
        first = [items[found.index(one)] for one in kinds]
        got = " and ".join(f"{item} ({one})" for item, one in zip(first, kinds, strict=True))
        raise InputError("source", got, "logs of one kind; read the others apart, or give kind=")
    kind = kinds[0]
    if requests and kind != "openai_batch":
        raise InputError("requests", f"paths, for {kind}", "none, but for OpenAI's batches")
    if kind == "openai_batch":
        frame = read_batches(items, requests)
    else:
        read = {
            "inspect": read_logs,
            "lm_eval": read_samples,
            "edsl": read_edsl,
            "datasets": read_datasets,
            "records": read_records,
        }[kind]
        frame = read(items)
    if frame.empty:
        raise InputError("source", f"{source}, without an answer", _TAKES)
    if kind in ("datasets", "records"):
        frame = named(frame, columns, files=kind == "records")
    for part, name in columns.items():
        if name not in frame:
            got = f"no column {name!r}, but {', '.join(map(str, frame.columns))}"
            raise InputError(f"columns: {part}", got, "a column of the log")
        frame[part] = frame[name]
    return settled(frame) if kind in ("datasets", "records") else frame


def _checked(frame: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    """Return rows with all that `as_results` needs, those columns first."""
    for part in ("model", "text"):
        if part not in frame:
            got = f"no column {part!r}, but {', '.join(map(str, frame.columns))}"
            takes = f"columns={{{part!r}: ...}}, the column that has it"
            if part == "model":
                takes += ", or logs by the label of their model, {'label': path}"
            raise InputError("source", got, takes)
    if "time" not in frame:
        frame["time"] = 0
    lead = ["time", "model", "replicate", "query", "response", "text", "reasoning", "why_missing"]
    order = [name for name in lead if name in frame]
    return frame.reindex(columns=[*order, *(name for name in frame if name not in order)])


def _existing(path: Any, argument: str) -> Path:
    if not isinstance(path, str | os.PathLike):
        raise InputError(argument, f"an object of type {type(path).__name__}", "a path")
    try:
        if os.fspath(path) and Path(path).exists():
            return Path(path)
        why = "no such file"
    except OSError as error:
        why = str(error)
    takes = "; ".join(filter(None, [_OTHERS.get(os.path.splitext(path)[1]), _TAKES]))
    raise InputError(argument, f"the path {str(path)!r} ({why})", takes)


def _items(source: Any) -> Iterable[Any]:
    """Return the logs that a source stands for: files, folders of datasets, or objects."""
    if _is_object(source):
        return [source]
    path = _existing(source, "source")
    if not path.is_dir() or _is_dataset(path):
        return [path]
    inside = [
        one
        for one in sorted(path.rglob("*"))
        if not any(part.startswith(".") for part in one.relative_to(path).parts)
    ]
    saved = [one for one in inside if one.is_dir() and _is_dataset(one)]
    # The splits of a saved dataset are folders of their own.
    saved = [one for one in saved if not any(other in one.parents for other in saved)]
    files = [
        one
        for one in inside
        if one.is_file()
        and _ENDING.search(one.name)
        and not any(folder in one.parents for folder in saved)
    ]
    for names in _BESIDE_OTHERS:
        files = [one for one in files if one.match(names)] or files
    return [*saved, *(one for one in files if _kind(one))]


def _is_dataset(folder: Path) -> bool:
    """Return whether a folder is what ``save_to_disk`` of datasets leaves."""
    return (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file()


def kind_of(item: Any) -> str:
    """Return what wrote a log: by its name, or how it begins."""
    kind = _kind(item)
    if kind is None:
        got = f"{item}, of a kind that is not told"
        raise InputError("source", got, f"{_TAKES}; {_OTHERS.get(item.suffix, 'or kind=')}")
    return kind


def _kind(item: Any) -> str | None:
    if not isinstance(item, Path):
        return _OBJECTS[type(item).__module__.partition(".")[0]]
    if item.is_dir():
        return "datasets"
    name = item.name.removesuffix(".gz")
    if name.endswith(".eval"):
        return "inspect"
    if name.endswith(".ep"):
        return "edsl"
    if name.endswith((".jsonl", ".ndjson")):
        _, record = next(read_lines(item), (0, {}))
        if "custom_id" in record and {"response", "body"} & set(record):
            return "openai_batch"
        return "lm_eval" if {"doc_id", "resps"} <= set(record) else "records"
    if name.endswith(".json"):
        start = start_of(item).lstrip(b"\xef\xbb\xbf \t\r\n")
        if start.startswith(b"["):
            return "records"
        if b'"eval"' in start:
            return "inspect"
        if b'"agent"' in start or b"edsl" in start:
            return "edsl"
    return None
