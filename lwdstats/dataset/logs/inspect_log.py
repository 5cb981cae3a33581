"""Logs of Inspect AI, read by it."""

from __future__ import annotations

import importlib
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from lwdstats.dataset.logs.rows import (
    FAILED,
    REFUSED,
    answered,
    as_frame,
    asked,
    named_by_task,
    read_by,
    told_apart,
)
from lwdstats.errors import InputError

# Of a run's settings those that change what a model answers.
_SETTINGS = ("temperature", "top_p", "top_k", "max_tokens", "reasoning_effort", "reasoning_tokens")
# Large parts of a sample that say nothing of its answer.
_UNREAD = {"events", "store"}


def read_logs(logs: Iterable[Any]) -> pd.DataFrame:
    """Return the rows of logs, files or as Inspect AI holds them, an answer a sample and epoch."""
    given = list(logs)
    rows, systems = [], {}
    for i, log in enumerate(given):
        for row in _rows(log):
            rows.append(row)
            systems.setdefault(i, set()).add(row["system_prompt"])
    if not rows:
        raise InputError("source", ", ".join(map(_name, given)), "logs with samples")
    # A run that was taken up again has the samples of the first once more.
    unique = {row["uuid"] or i: row for i, row in enumerate(rows)}
    frame = named_by_task(as_frame(unique.values(), "source").drop(columns="uuid"))
    # What differs within a run is the sample's, not the model's.
    constant = all(len(prompts) == 1 for prompts in systems.values())
    return told_apart(frame, [*_SETTINGS, *(["system_prompt"] if constant else [])])


def _name(log: Any) -> str:
    return str(log) if isinstance(log, Path) else str(getattr(log, "location", "log"))


def _rows(log: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(log, Path):
        yield from _of_log(log, log.samples or [], Path(_name(log)).name)
        return
    with read_by("inspect-ai", log):
        reader = importlib.import_module("inspect_ai.log")
    header_only = log.suffix == ".eval"
    try:
        header = reader.read_eval_log(str(log), header_only=header_only, resolve_attachments="core")
        samples = header.samples or []
        if header_only:
            # One sample at a time.
            samples = reader.read_eval_log_samples(
                str(log),
                all_samples_required=False,
                resolve_attachments="core",
                exclude_fields=_UNREAD,
            )
        yield from _of_log(header, samples, log.name)
    except (OSError, ValueError, LookupError, RuntimeError, zipfile.BadZipFile) as error:
        raise InputError("source", f"{log} ({error})", "a log of Inspect AI") from error


def _of_log(header: Any, samples: Iterable[Any], file: str) -> Iterator[dict[str, Any]]:
    run = header.eval
    # What a task sets is in the plan, what the run sets is in both.
    settings = {
        name: value
        for config in (run.model_generate_config, header.plan.config)
        for name in (*_SETTINGS, "system_message")
        if (value := getattr(config, name, None)) is not None
    }
    system = settings.pop("system_message", None)
    base = {"model": run.model, "task": run.task, "date": str(run.created)[:10], "file": file}
    base |= settings
    for sample in samples:
        messages = [{"role": m.role, "content": m.text} for m in sample.messages]
        said, _ = asked([m for m in messages if m["role"] == "system"])
        given = sample.input
        if not isinstance(given, str):
            given = [{"role": m.role, "content": m.text} for m in given]
        scores = {f"score_{name}": score.value for name, score in (sample.scores or {}).items()}
        yield {
            **base,
            "query": sample.id,
            "response": sample.epoch,
            "uuid": sample.uuid,
            "prompt": asked(given)[1],
            "system_prompt": said or system,
            **scores,
            **_answer(sample),
        }


def _answer(sample: Any) -> dict[str, Any]:
    """Return the answer of a sample, which may be none."""
    choices = sample.output.choices if sample.output else []
    if sample.error or not choices or sample.output.error:
        return answered(None, why=FAILED)
    message = choices[0].message
    thoughts = [] if isinstance(message.content, str) else message.content
    reasoning = "\n".join(
        part.summary or part.reasoning for part in thoughts if part.type == "reasoning"
    )
    if choices[0].stop_reason == "content_filter":
        return answered(None, reasoning, REFUSED)
    return answered(message.text, reasoning)
