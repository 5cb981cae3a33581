"""Records as they come: lines or lists of JSON, AlpacaEval's outputs, tables of Hugging Face."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lwdstats.dataset.logs.rows import (
    UNANSWERED,
    answered,
    as_frame,
    asked,
    objects,
    read_by,
    read_json,
    read_lines,
    text_of,
)
from lwdstats.errors import InputError

# What logs call the columns of `as_results`.
ALIASES = {
    "text": ("output", "completion", "response", "generation", "prediction", "answer"),
    "query": ("instruction", "prompt", "question"),
    "model": ("generator", "model_name", "model_id"),
    "time": ("step", "round"),
}


def read_records(paths: Iterable[Path]) -> pd.DataFrame:
    """Return the rows of files of JSON, a record a line or all in one list."""
    files = list(paths)
    return as_frame((row for path in files for row in _rows(path)), ", ".join(map(str, files)))


def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
    if path.name.removesuffix(".gz").endswith(".json"):
        for number, record in enumerate(_listed(path), 1):
            if not isinstance(record, dict):
                got = f"record {number}, a {type(record).__name__}"
                raise InputError(str(path), got, "a list of JSON objects")
            yield {"file": path.name, **record}
    else:
        for _, record in read_lines(path):
            yield {"file": path.name, **record}


def _listed(path: Path) -> list[Any]:
    held = read_json(path)
    if not isinstance(held, list):
        raise InputError(str(path), f"a {type(held).__name__} in JSON", "a list of JSON objects")
    return held


def read_datasets(given: Iterable[Any]) -> pd.DataFrame:
    """Return the rows of tables of Hugging Face's datasets, or of folders that they saved."""
    frames = []
    for one in given:
        if isinstance(one, Path):
            with read_by("datasets", one):
                library = importlib.import_module("datasets")
            try:
                one = library.load_from_disk(str(one))
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise InputError("source", f"{one} ({error})", "a folder of datasets") from error
        splits = one if isinstance(one, Mapping) else {None: one}
        for name, table in splits.items():
            if hasattr(table, "with_format"):
                # Of NumPy, say, vectors would be lists once more.
                table = table.with_format(None)
            frame = table.to_pandas()
            # Texts as objects, as everywhere: pandas' own type has no half of a surrogate pair.
            texts = frame.select_dtypes("string").columns
            frame = frame.astype(dict.fromkeys(texts, object))
            frames.append(frame if name is None else frame.assign(split=str(name)))
    return pd.concat(frames, ignore_index=True)


def named(frame: pd.DataFrame, columns: Mapping[str, str], *, files: bool) -> pd.DataFrame:
    """Return records under the names of `as_results`, besides their own.

    Parameters
    ----------
    frame : pandas.DataFrame
        Records.
    columns : mapping
        Names that were given, which are not looked for.
    files : bool
        Whether a file whose records name no model is one of its own.
    """
    # A column of texts under the name that `as_results` has for their numbers.
    texts = "response" in frame and any(isinstance(v, str | list) for v in frame["response"])
    for part, names in ALIASES.items():
        if part in columns or part in frame:
            continue
        found = [name for name in names if name in frame and (name != "response" or texts)]
        if len(found) > 1:
            got = f"no column {part!r}, but {' and '.join(map(repr, found))}"
            raise InputError("source", got, f"columns={{{part!r}: ...}}, which says which it is")
        if found:
            frame[part] = frame[found[0]]
    if "text" not in frame and "text" not in columns and "messages" in frame:
        frame = frame.assign(**_of_messages(frame["messages"].tolist()))
    if texts:
        frame = frame.rename(columns={"response": "response_text"})
    if "model" not in frame and "model" not in columns and files and "file" in frame:
        frame["model"] = objects(
            name.removesuffix(".gz").rsplit(".", 1)[0] for name in frame["file"]
        )
    return frame


def _of_messages(chats: list[Any]) -> dict[str, Any]:
    """Return what the last message says, and what was asked before it."""
    texts, prompts, systems = [], [], []
    for chat in chats:
        chat = chat.tolist() if isinstance(chat, np.ndarray) else chat
        said = chat[-1] if isinstance(chat, list) and chat else {}
        is_answer = isinstance(said, Mapping) and said.get("role") == "assistant"
        texts.append(text_of(said.get("content")) if is_answer else None)
        system, prompt = asked(chat[:-1] if is_answer else chat)
        prompts.append(prompt)
        systems.append(system)
    out = {"text": texts, "prompt": prompts, "system_prompt": systems, "query": prompts}
    return {name: objects(values) for name, values in out.items()}


def settled(frame: pd.DataFrame) -> pd.DataFrame:
    """Return records with a row an answer, its reasoning apart, as the logs of tools have it."""
    if "text" not in frame:
        return frame
    texts = frame["text"].tolist()
    if any(isinstance(text, list | np.ndarray) for text in texts):
        lists = [list(t) if isinstance(t, list | np.ndarray) else [t] for t in texts]
        rows = np.repeat(np.arange(len(lists)), [len(answers) for answers in lists])
        frame = frame.iloc[rows].reset_index(drop=True)
        texts = [text for answers in lists for text in answers]
        frame["text"] = objects(texts)
        if "response" not in frame:
            frame["response"] = [i for answers in lists for i in range(len(answers))]
    if "why_missing" in frame:
        return frame
    parts = [answered(text) for text in texts]
    if any(part["why_missing"] == UNANSWERED or part["reasoning"] for part in parts):
        for name in ("text", "reasoning", "why_missing"):
            frame[name] = objects(part[name] for part in parts)
    return frame
