"""Read the initial web A^(0) from a file, or from what the caller has at hand."""

from __future__ import annotations

import importlib.resources
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from lwdstats.errors import InputError

_READERS = {
    ".csv": lambda path: pd.read_csv(path, dtype=str, keep_default_na=False),
    ".jsonl": lambda path: pd.DataFrame(
        # Not splitlines, which splits at U+2028 inside a text, too.
        [json.loads(line) for line in path.read_text("utf-8-sig").split("\n") if line.strip()],
        dtype=object,
    ),
    ".parquet": pd.read_parquet,
}


def load_posts(path: str | Path | None = None) -> pd.DataFrame:
    """Read posts from a csv, jsonl or parquet file.

    Parameters
    ----------
    path : str or pathlib.Path, optional
        A file with a column `text`, one post a row, and any other columns.
        By default the 20 posts about cryptocurrency that come with the package.

    Returns
    -------
    pandas.DataFrame
        The rows in file order. Columns `id` (row number where the file has
        none), `text`, and whatever else the file holds, such as `sentiment`.

    Raises
    ------
    InputError
        If the file cannot be read, has no column `text`, no row, or an empty
        post.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> posts = lwd.load_posts()
    >>> len(posts), posts["sentiment"].value_counts().to_dict()
    (20, {'positive': 7, 'neutral': 7, 'negative': 6})
    """
    return _read(path, "posts")


def _read(path: str | Path | None, argument: str) -> pd.DataFrame:
    if path is None:
        with importlib.resources.as_file(
            importlib.resources.files("lwdstats.data").joinpath("bitcoin_posts.csv")
        ) as packaged:
            return _check(_READERS[".csv"](packaged), argument)
    if not isinstance(path, str | os.PathLike):
        got = f"an object of type {type(path).__name__}"
        raise InputError(argument, got, "the path of a .csv, .jsonl or .parquet file")
    path = Path(path)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(argument, str(path), "a file that ends in .csv, .jsonl or .parquet")
    if not os.path.isfile(path):
        raise InputError(argument, f"{path} (no such file)", "a readable file of posts")
    try:
        frame = reader(path)
    except Exception as error:
        raise InputError(
            argument, f"{path} ({type(error).__name__}: {error})", "a readable file of posts"
        ) from error
    if frame.empty:
        raise InputError(f"{argument} ({path})", "no row", "a post a row, with a column text")
    return _check(frame, f"{argument} ({path})")


Posts = str | Path | pd.DataFrame | Sequence[str] | Sequence[Mapping[str, str]]


def as_posts(posts: Posts | None, argument: str = "posts") -> pd.DataFrame:
    """Return posts as a checked frame: from a file, a frame, texts, or records."""
    if posts is None or isinstance(posts, (str, Path)):
        return _read(posts, argument)
    if isinstance(posts, pd.DataFrame):
        return _check(posts, argument)
    if not isinstance(posts, Sequence):
        raise InputError(argument, posts, "a file, a DataFrame, texts, or records with a text")
    rows = [dict(post) if isinstance(post, Mapping) else {"text": post} for post in posts]
    return _check(pd.DataFrame(rows, columns=None if rows else ["text"], dtype=object), argument)


def _check(frame: pd.DataFrame, label: str) -> pd.DataFrame:
    if "text" not in frame.columns:
        got = f"columns {', '.join(map(str, frame.columns)) or 'none'}"
        raise InputError(label, got, "a column text")
    frame = frame.reset_index(drop=True)
    for row, text in enumerate(frame["text"]):
        if not isinstance(text, str) or not text.strip():
            raise InputError(label, f"{text!r} in row {row}", "posts that are not empty")
    if "id" not in frame.columns:
        frame.insert(0, "id", [str(row) for row in range(len(frame))])
    return frame
