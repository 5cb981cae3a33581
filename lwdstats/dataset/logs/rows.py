"""Records from files of JSON, and the rows of a table that are made of them."""

from __future__ import annotations

import contextlib
import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from lwdstats.dataset.answer_grid import REASONS
from lwdstats.dataset.answer_text import after_reasoning
from lwdstats.errors import InputError

# The model or a filter refused; the request failed; or reasoning was all that came.
REFUSED, FAILED, UNANSWERED = REASONS

# A log has some tens of keys. As each is a column of every row, as many as rows would take rows^2.
_MOST_KEYS = 1000


@contextlib.contextmanager
def read_by(package: str, path: object) -> Iterator[None]:
    """Say which package reads a log, the one that writes it, where its import fails."""
    try:
        yield
    except ImportError as error:
        takes = f"a log that can be read: pip install {package} ({error})"
        raise InputError("source", f"{path}, which the package {package} reads", takes) from error


def read_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number and the record of each line of JSON, one at a time; blank ones are none."""
    takes = "a JSON object a line"
    number = 0
    try:
        with _opened(path) as file:
            # Bytes, so that a line ends at a line feed and nowhere else.
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                record = json.loads(line)
                if not isinstance(record, dict):
                    got = f"line {number}, a {type(record).__name__}"
                    raise InputError(str(path), got, takes)
                yield number, record
    except InputError:
        raise
    except (OSError, EOFError, ValueError, RecursionError) as error:
        what = f"line {number or 1} ({error})"
        raise InputError(str(path), what, takes) from error


def read_json(path: Path) -> Any:
    """Return what a file of JSON holds."""
    try:
        with _opened(path) as file:
            return json.loads(file.read())
    except (OSError, EOFError, ValueError, RecursionError) as error:
        raise InputError(str(path), f"no JSON ({error})", "a file of JSON") from error


def start_of(path: Path, size: int = 4096) -> bytes:
    """Return the first bytes of a file, uncompressed."""
    try:
        with _opened(path) as file:
            return file.read(size)
    except (OSError, EOFError) as error:
        raise InputError("source", f"{path} ({error})", "a log that can be read") from error


def _opened(path: Path) -> Any:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")


def as_frame(records: Iterable[Mapping[str, Any]], owner: str) -> pd.DataFrame:
    """Return records, whose keys may differ, as a table; `owner` is whose they are, for errors."""
    columns: dict[str, list[Any]] = {}
    for n, record in enumerate(records):
        for key, value in record.items():
            if key not in columns:
                if len(columns) == _MOST_KEYS:
                    got = f"record {n + 1}, with key number {_MOST_KEYS + 1}"
                    raise InputError(owner, got, "records with the same keys")
                columns[key] = [None] * n
            columns[key].append(value)
        for column in columns.values():
            if len(column) == n:
                column.append(None)
    return pd.DataFrame({name: _series(values) for name, values in columns.items()})


def _series(values: list[Any]) -> pd.Series:
    # Texts as objects: pandas' own type of text can't hold half of a surrogate pair.
    plain = all(value is None or isinstance(value, bool | int | float) for value in values)
    known = plain and any(value is not None for value in values)
    return pd.Series(values) if known else objects(values)


def objects(values: Iterable[Any]) -> pd.Series:
    """Return a column of what is given, None included, of which pandas would make NaN."""
    return pd.Series(list(values), dtype=object)


def answered(text: Any, reasoning: str = "", why: str = "") -> dict[str, Any]:
    """Return the parts of a row about its answer, of which reasoning is none.

    Parameters
    ----------
    text : str or None
        As it was logged; None where there is none.
    reasoning : str
        What was logged apart from it.
    why : str
        Why there is no answer: one of the three reasons, or "".
    """
    if why or text is None:
        return {"text": None, "reasoning": reasoning, "why_missing": why or FAILED}
    answer = after_reasoning(text) if isinstance(text, str) else text
    if answer == text:
        return {"text": text, "reasoning": reasoning, "why_missing": ""}
    if not answer:
        return {"text": None, "reasoning": text, "why_missing": UNANSWERED}
    before = text[: text.rfind(answer)].strip() or text
    both = "\n".join(part for part in (reasoning, before) if part)
    return {"text": answer, "reasoning": both, "why_missing": ""}


def text_of(content: Any) -> str | None:
    """Return the text of a message's content, in parts or not; None where there is none."""
    if content is None or isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else [content]
    texts = [part if isinstance(part, str) else _part(part) for part in parts]
    known = [text for text in texts if text is not None]
    return "".join(known) if known else None


def _part(part: Any) -> str | None:
    text = part.get("text") if isinstance(part, Mapping) else None
    return text if isinstance(text, str) else None


def asked(messages: Any) -> tuple[str | None, str | None]:
    """Return the system prompt and what is asked, of a text or of messages in order."""
    if not isinstance(messages, list):
        return None, text_of(messages)
    said = [m for m in messages if isinstance(m, Mapping)]
    roles = [(str(m.get("role", "user")), text_of(m.get("content")) or "") for m in said]
    system = [text for role, text in roles if role in ("system", "developer")]
    others = [(role, text) for role, text in roles if role not in ("system", "developer")]
    if len(others) == 1:
        prompt = others[0][1]
    else:
        prompt = "\n".join(f"{role}: {text}" for role, text in others)
    return "\n".join(system) or None, prompt or None


def named_by_task(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose queries are named by their task, too, where there are several."""
    if frame.empty or len(set(frame["task"])) == 1:
        return frame
    pairs = zip(frame["task"], frame["query"], strict=True)
    return frame.assign(query=objects(f"{task} {q}" for task, q in pairs))


def told_apart(frame: pd.DataFrame, settings: Iterable[str]) -> pd.DataFrame:
    """Return a table in which one model under several settings is several models.

    Labels name the settings that differ, as "gpt (temperature=0.7)".
    """
    columns = {name: frame[name].tolist() for name in settings if name in frame.columns}
    models = frame["model"].tolist()
    # The values of each setting by model, in order.
    found: dict[Any, dict[str, dict[str, None]]] = {}
    for row, model in enumerate(models):
        own = found.setdefault(model, {name: {} for name in columns})
        for name, values in columns.items():
            own[name][_short(values[row])] = None
    labels = []
    for row, model in enumerate(models):
        differ = [name for name, values in found[model].items() if len(values) > 1]
        shown = ", ".join(f"{name}={_short(columns[name][row])}" for name in differ)
        labels.append(f"{model} ({shown})" if differ else model)
    return frame.assign(model=objects(labels))


def _short(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    # Of long ones that begin alike a checksum tells them apart.
    return text if len(text) <= 40 else f"{text[:30]}... {zlib.crc32(text.encode()):08x}"


def need(record: Mapping[str, Any], key: str, owner: str) -> Any:
    """Return a part of a record that must be there."""
    if record.get(key) is None:
        got = f"no {key!r}, but {', '.join(map(repr, record)) or 'nothing'}"
        raise InputError(owner, got, f"a record with {key!r}")
    return record[key]
