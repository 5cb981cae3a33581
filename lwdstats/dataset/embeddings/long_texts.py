"""From texts to vectors; those longer than an embedder reads are cut, averaged, or refused."""

from __future__ import annotations

import functools
import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwdstats.arrays import embed_each_once
from lwdstats.dataset.answer_grid import as_vectors
from lwdstats.dataset.embeddings.embedded_texts import beyond, owner_of, word_pieces
from lwdstats.dataset.embeddings.embedders import name_of
from lwdstats.errors import InputError

LONG = ("cut", "mean", "error")
# A text in parts, each with its number of tokens.
Chunks = list[tuple[str, int]]
# How far a vector's length may be from 1, in single precision, to have been scaled to it.
_UNIT = 1e-4


def embed_with(embedder: Any) -> Callable[[list[str]], NDArray[Any]]:
    """Return a function from texts to checked vectors that asks for each text once."""
    call = getattr(embedder, "embed", getattr(embedder, "encode", embedder))
    if isinstance(embedder, str | type) or not callable(call):
        takes = "a callable from a list of strings to an array, or an object with embed or encode"
        got = embedder if isinstance(embedder, type) else type(embedder).__name__
        raise InputError("embedder", got, takes)

    def embed(texts: list[str]) -> NDArray[Any]:
        vectors = as_vectors(call(texts), "embedder", (2,))
        if len(vectors) != len(texts):
            got = f"{len(vectors)} vectors for {len(texts)} texts"
            raise InputError("embedder", got, "a vector for each text")
        return vectors

    return functools.partial(embed_each_once, embed)


def embed_texts(embedder: Any, texts: Sequence[str], long: str = "cut") -> NDArray[Any]:
    """Return the vectors of texts, shape (len(texts), n_features).

    Parameters
    ----------
    embedder : object
        As `as_results` takes it, but for names.
    texts : sequence of str
    long : {"cut", "mean", "error"}
        What becomes of texts that are longer than the embedder reads: it reads their
        beginning; they have the mean of their parts' vectors, weighted by tokens; they are
        refused. Where all parts have length 1, as some embedders give it to any text, so has
        their mean.

    Raises
    ------
    InputError
        If there are such texts and `long` is "error", or the embedder can't split them; or
        if it does not tell how much it reads, and `long` is not "cut".
    """
    embed = embed_with(embedder)
    if long == "cut":
        return embed(list(texts))
    return embed_each_once(lambda some: _embed_whole(embedder, embed, some, long), texts)


def _embed_whole(
    embedder: Any, embed: Callable[[list[str]], NDArray[Any]], texts: list[str], long: str
) -> NDArray[Any]:
    """Return the vectors of different texts, none of which is cut."""
    name = name_of(embedder)
    told = beyond(embedder, texts)
    if told is None:
        takes = "'cut', or an embedder with too_long and reads, which tell how much it reads"
        raise InputError("long", f"{long!r} of {name}, which tells neither", takes)
    too_long, reads = told
    n = int(too_long.sum())
    if not n:
        return embed(texts)
    if long == "error":
        got = f"'error', and {n} of {len(texts)} different texts longer than the {reads} of {name}"
        raise InputError("long", got, "'mean' or 'cut', or an embedder that reads more")
    split = _splitter(embedder)
    if split is None:
        got = f"'mean' of {name}, which does not split texts"
        raise InputError("long", got, "'cut', or an embedder with a method chunks")
    chunks = {text: split(text) for text, is_long in zip(texts, too_long, strict=True) if is_long}
    pieces = [part for text in texts for part, _ in chunks.get(text, [(text, 1)])]
    vectors = embed(pieces)
    counts = np.array([len(chunks.get(text, [0])) for text in texts])
    starts = np.cumsum(counts) - counts
    out = vectors[starts]
    for row in np.flatnonzero(too_long):
        parts = vectors[starts[row] : starts[row] + counts[row]].astype(np.float64)
        mean = np.average(parts, axis=0, weights=[n for _, n in chunks[texts[row]]])
        length = float(np.linalg.norm(mean))
        if length and np.allclose(np.linalg.norm(parts, axis=1), 1.0, rtol=0.0, atol=_UNIT):
            mean /= length
        out[row] = mean
    return out


def split_text(text: str, count: Callable[[str], int], most: int) -> Chunks:
    """Return a text in parts of at most `most` tokens, each as long as can be.

    Parameters
    ----------
    text : str
        Parts end between words, where white space tells these apart.
    count : callable
        From a text to its tokens, with those that an embedder adds to every text.
    most : int
        How many it reads.

    Returns
    -------
    list of (str, int)
        The parts, each with its tokens but for those that are added.

    Examples
    --------
    >>> split_text("one two three four", lambda part: len(part.split()) + 2, 5)
    [('one two three', 3), ('four', 1)]
    """
    added = count("")
    ends = [word.end() for word in re.finditer(r"\S+", text)]
    parts, start, done = [], 0, 0
    while done < len(ends):
        # A word has a token at least.
        stops: Sequence[int] = ends[done : done + most]
        n = bisect_right(stops, most, key=lambda end, start=start: count(text[start:end]))
        if n:
            done += n
        else:
            # A word that is longer than what is read; a letter is taken in any case.
            stops = range(start + 1, stops[0])
            n = max(1, bisect_right(stops, most, key=lambda e, start=start: count(text[start:e])))
        part = text[start : stops[n - 1]].strip()
        start = stops[n - 1]
        if part:
            parts.append((part, max(1, count(part) - added)))
    return parts


def _splitter(embedder: Any) -> Callable[[str], Chunks] | None:
    """Return what splits a text into parts that an embedder reads whole, None if nothing does."""
    owner = owner_of(embedder)
    if callable(getattr(owner, "chunks", None)):
        return owner.chunks
    found = word_pieces(owner)
    if found is None:
        return None
    limit, count = found
    return lambda text: split_text(text, lambda part: count([part])[0], limit)
