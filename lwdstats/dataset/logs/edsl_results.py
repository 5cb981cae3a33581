"""Results of EDSL, read by it."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from lwdstats.dataset.logs.rows import (
    answered,
    as_frame,
    objects,
    read_by,
    text_of,
    told_apart,
)
from lwdstats.errors import InputError


def read_edsl(given: Iterable[Any]) -> pd.DataFrame:
    """Return the rows of results, files or as EDSL holds them, an answer a question."""
    results = list(given)
    settings: dict[str, None] = {}
    frame = as_frame(
        (row for one in results for row in _rows(one, settings)),
        ", ".join(str(one) for one in results if isinstance(one, Path)) or "source",
    )
    if frame.empty:
        raise InputError("source", "results without answers", "results of EDSL with answers")
    # A question is one for each scenario that it was asked in.
    if len(set(frame["scenario"])) > 1:
        pairs = zip(frame["query"], frame["scenario"], strict=True)
        frame["query"] = objects(f"{query} {scenario}".strip() for query, scenario in pairs)
    return told_apart(frame, settings)


def _loaded(given: Any) -> Any:
    if not isinstance(given, Path):
        return given
    with read_by("edsl", given):
        edsl = importlib.import_module("edsl")
    try:
        return edsl.Results.load(str(given))
    except Exception as error:  # EDSL has no one class of errors.
        raise InputError("source", f"{given} ({error})", "a file of EDSL's results") from error


def _rows(given: Any, settings: dict[str, None]) -> Iterator[dict[str, Any]]:
    """Yield rows, and note the names of what differs between models in `settings`."""
    file = given.name if isinstance(given, Path) else None
    for record in _loaded(given).to_dict()["data"]:
        model, agent = record["model"], record["agent"]
        own = {f"agent.{name}": value for name, value in (agent.get("traits") or {}).items()}
        own |= {name: _plain(value) for name, value in (model.get("parameters") or {}).items()}
        settings |= dict.fromkeys(own)
        scenario = {k: v for k, v in record["scenario"].items() if not _is_own(k)}
        for question, answer in record["answer"].items():
            prompts = record.get("prompt") or {}
            text = answer if answer is None or isinstance(answer, str) else _plain(answer)
            yield {
                **own,
                "model": model["model"],
                "query": question,
                "scenario": _plain(scenario) if scenario else "",
                "response": record.get("iteration", 0),
                "prompt": text_of(prompts.get(f"{question}_user_prompt")),
                "system_prompt": text_of(prompts.get(f"{question}_system_prompt")),
                "file": file,
                **answered(text if text is None else str(text)),
            }


def _is_own(key: str) -> bool:
    """Return whether EDSL adds a key of itself to a scenario."""
    return key in ("scenario_index", "edsl_version", "edsl_class_name")


def _plain(value: Any) -> Any:
    """Return numbers and texts as they are, other values as JSON."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
