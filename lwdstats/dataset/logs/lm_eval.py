"""Samples that lm-evaluation-harness logs (``--log_samples``)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from lwdstats.dataset.logs.rows import (
    answered,
    as_frame,
    named_by_task,
    need,
    read_json,
    read_lines,
)
from lwdstats.errors import InputError

# The harness puts the time at the end of the names of both of its files.
_SAMPLES = re.compile(
    r"samples_(?P<task>.+?)(?:_(?P<date>\d{4}-\d\d-\d\dT[\d.-]+))?\.jsonl(?:\.gz)?"
)


def read_samples(paths: Iterable[Path]) -> pd.DataFrame:
    """Return the rows of files of samples; of several tasks queries are named by the task, too."""
    files = list(paths)
    rows = (row for path in files for row in _rows(path))
    return named_by_task(as_frame(rows, ", ".join(map(str, files))))


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    name = _SAMPLES.fullmatch(path.name)
    task, date = (name["task"], name["date"]) if name else (path.stem, None)
    run = {"model": _model(path, date), "task": task, "date": date[:10] if date else None}
    rows: dict[Any, dict[str, Any]] = {}
    answers: dict[Any, list[Any]] = {}
    for number, record in read_lines(path):
        owner = f"{path}: line {number}"
        doc = need(record, "doc_id", owner)
        # Each filter of the answers has lines of its own, which differ in the metrics alone.
        metrics = {
            f"{metric},{record.get('filter', 'none')}": record.get(metric)
            for metric in record.get("metrics") or []
        }
        if doc not in rows:
            prompt, settings = _arguments(record)
            kept = {"query": doc, "prompt": prompt, "temperature": settings.get("temperature")}
            rows[doc] = run | kept | {"file": path.name}
            answers[doc] = _answers(need(record, "resps", owner), owner)
        rows[doc] |= metrics
    for doc, row in rows.items():
        for response, text in enumerate(answers[doc]):
            yield row | {"response": response} | answered(text)


def _arguments(record: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any]]:
    """Return the prompt of a record and how its answers were generated."""
    arguments = record.get("arguments") or {}
    # As files have it, or as the harness returns it.
    first = arguments.get("gen_args_0") if isinstance(arguments, Mapping) else arguments[0]
    listed = list(first.values()) if isinstance(first, Mapping) else list(first or [])
    settings = listed[1] if len(listed) > 1 and isinstance(listed[1], Mapping) else {}
    return (listed[0] if listed else None), settings


def _answers(responses: Any, owner: str) -> list[str]:
    """Return the answers of a record, one a repeat."""
    takes = "texts that were generated (generate_until): choices that were scored have none"
    if not isinstance(responses, list) or len(responses) != 1:
        got = f"{len(responses) if isinstance(responses, list) else 'no'} requests in 'resps'"
        raise InputError(owner, got, takes)
    texts = responses[0] if isinstance(responses[0], list) else [responses[0]]
    if not texts or not all(isinstance(text, str) for text in texts):
        raise InputError(owner, f"'resps' of {texts}", takes)
    return texts


def _model(path: Path, date: str | None) -> str:
    """Return the name of the model, from the results beside the samples, or the folder."""
    beside = path.parent / f"results_{date}.json"
    found = [beside] if beside.is_file() else sorted(path.parent.glob("results_*.json"))
    for one in found:
        results = read_json(one)
        name = results.get("model_name") if isinstance(results, dict) else None
        if name:
            return str(name)
    return path.resolve().parent.name
