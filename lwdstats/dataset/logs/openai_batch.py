"""Output of OpenAI's batches, from chat completions, responses or completions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from lwdstats.dataset.logs.rows import (
    FAILED,
    REFUSED,
    UNANSWERED,
    answered,
    as_frame,
    asked,
    need,
    read_lines,
    text_of,
    told_apart,
)
from lwdstats.errors import InputError

_SETTINGS = ("temperature", "top_p", "reasoning_effort")


def read_batches(paths: Iterable[Path], requests: Iterable[Path]) -> pd.DataFrame:
    """Return the rows of output files, with prompts and settings from input files among them."""
    given = list(paths)
    inputs = [path for path in given if _is_input(path)]
    files = [path for path in given if path not in inputs]
    if not files:
        got = f"{', '.join(map(str, given))}, the input of a batch alone"
        raise InputError("source", got, "its output, besides")
    bodies: dict[str, Any] = {}
    for path in [*inputs, *requests]:
        for number, record in read_lines(path):
            owner = f"{path}: line {number}"
            bodies[str(need(record, "custom_id", owner))] = need(record, "body", owner)
    rows = _with_models(row for path in files for row in _rows(path, bodies))
    return told_apart(as_frame(rows, ", ".join(map(str, files))), _SETTINGS)


def _is_input(path: Path) -> bool:
    _, record = next(read_lines(path), (0, {}))
    return "body" in record and "response" not in record


def _rows(path: Path, bodies: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for number, record in read_lines(path):
        owner = f"{path}: line {number}"
        custom = str(need(record, "custom_id", owner))
        request = bodies.get(custom, {})
        if bodies and not request:
            got = f"custom_id {custom!r}, which no request has"
            raise InputError(owner, got, "requests= of this batch")
        response = record.get("response") or {}
        body = response.get("body") or {}
        system, prompt = asked(request.get("messages", request.get("input")))
        prompt = prompt if prompt is not None else text_of(request.get("prompt"))
        system = request.get("instructions") or system or text_of(body.get("instructions"))
        effort = request.get("reasoning_effort") or (request.get("reasoning") or {}).get("effort")
        created = body.get("created", body.get("created_at"))
        row = {
            "model": body.get("model"),
            "asked_model": request.get("model"),
            "query": custom if prompt is None else prompt,
            "custom_id": custom,
            "prompt": prompt,
            "system_prompt": system,
            "temperature": request.get("temperature", body.get("temperature")),
            "top_p": request.get("top_p", body.get("top_p")),
            "reasoning_effort": effort,
            "date": _day(created),
            "line": number,
            "file": path.name,
        }
        status = response.get("status_code") or 200
        if record.get("error") or body.get("error") or status >= 400 or not body:
            for _ in range(request.get("n") or 1):
                yield row | answered(None, why=FAILED)
        elif "choices" in body:
            for choice in body["choices"]:
                yield row | _of_choice(choice, owner)
        elif isinstance(body.get("output"), list):
            yield row | _of_output(body)
        else:
            got = f"a body with {', '.join(map(repr, body))}"
            raise InputError(owner, got, "answers of chat completions, responses or completions")


def _of_choice(choice: Mapping[str, Any], owner: str) -> dict[str, Any]:
    """Return the answer of one choice of a completion."""
    finish = choice.get("finish_reason")
    if "text" in choice:
        return answered(choice["text"], why=REFUSED if finish == "content_filter" else "")
    message = need(choice, "message", owner)
    # Servers other than OpenAI's have either name.
    reasoning = message.get("reasoning_content") or message.get("reasoning") or ""
    text = text_of(message.get("content"))
    if message.get("refusal") or finish == "content_filter":
        return answered(None, reasoning, REFUSED)
    if not text and (reasoning or finish == "length"):
        return answered(None, reasoning, UNANSWERED)
    return answered(text, reasoning)


def _of_output(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer of a response, whose output is a list of items."""
    texts, reasoning, refused = [], [], False
    for item in body["output"]:
        if item.get("type") == "reasoning":
            reasoning += [text_of(item.get("summary")) or "", text_of(item.get("content")) or ""]
        for part in (item.get("content") or []) if item.get("type") == "message" else []:
            refused |= part.get("type") == "refusal"
            if part.get("type") == "output_text":
                texts.append(part.get("text") or "")
    thought = "\n".join(filter(None, reasoning))
    stopped = (body.get("incomplete_details") or {}).get("reason")
    if refused or stopped == "content_filter":
        return answered(None, thought, REFUSED)
    if not texts:
        return answered(None, thought, UNANSWERED if thought or stopped else FAILED)
    return answered("".join(texts), thought)


def _with_models(rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield rows with the model of each: what failed does not say which one it was."""
    kept = list(rows)
    # A name that was asked for is served under that of a version.
    served: dict[Any, set[str]] = {}
    for row in kept:
        if row["model"] is not None:
            for name in (row["asked_model"], None):
                served.setdefault(name, set()).add(row["model"])
    for row in kept:
        line = row.pop("line")
        if row["model"] is None:
            names = served.get(row["asked_model"], set())
            row["model"] = next(iter(names)) if len(names) == 1 else row["asked_model"]
        if row["model"] is None:
            got = "a request that failed, without its model"
            raise InputError(f"{row['file']}: line {line}", got, "requests=, the batch's input")
        yield row


def _day(created: Any) -> str | None:
    if not isinstance(created, int | float):
        return None
    try:
        return datetime.fromtimestamp(created, UTC).date().isoformat()
    except (OverflowError, OSError, ValueError):
        return None
