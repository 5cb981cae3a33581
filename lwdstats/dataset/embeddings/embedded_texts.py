"""What of its texts an embedder reads: a long one is cut, and a reasoning counts like an answer."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lwdstats.dataset.answer_text import after_reasoning
from lwdstats.dataset.schema import TEXT_OF

_WHAT = {"text": "answers", "post_text": "posts"}
_VECTORS = {text: vectors for vectors, text in TEXT_OF.items()}


@dataclass(frozen=True)
class Cut:
    """How many texts are longer than an embedder reads.

    Attributes
    ----------
    n, total : int
        Texts that are, and all; each as often as it occurs.
    reads : str
        How much it reads, such as "256 word pieces".
    """

    n: int
    total: int
    reads: str

    def note(
        self,
        ds: xr.Dataset,
        texts: str = "text",
        *,
        vectors: str | None = None,
        long: str = "cut",
        warn: bool = True,
        stacklevel: int = 3,
    ) -> None:
        """Record it at the vectors of a variable of texts, and warn where a text is cut."""
        attrs = ds[vectors or _VECTORS[texts]].attrs
        attrs["embedder_reads"] = self.reads
        if long == "mean":
            attrs["n_averaged"] = self.n
            return
        attrs["n_cut"] = self.n
        if self.n and warn:
            warnings.warn(
                f"{self.n} of {self.total} {_WHAT[texts]} are longer than the {self.reads} that "
                "the embedder reads: texts that differ only after that have one vector, and "
                "distance 0; take the mean of their parts (add_embedding(ds, embedder, "
                "long='mean')), an embedder that reads more, or shorter texts",
                stacklevel=stacklevel + 1,
            )


def beyond(embedder: Any, texts: Sequence[str]) -> tuple[NDArray[np.bool_], str] | None:
    """Return which texts are longer than an embedder reads, and how much that is.

    None where it can't be told.

    Parameters
    ----------
    embedder : object
        With `too_long` and `reads`, as in the contract of back-ends; or a model of
        sentence-transformers, or its method.
    texts : sequence of str
    """
    owner = owner_of(embedder)
    if callable(getattr(owner, "too_long", None)):
        found = owner.too_long(list(texts))
        return np.asarray(found, dtype=bool), str(getattr(owner, "reads", "")) or "part"
    limit, found = word_pieces_beyond(owner, texts)
    return None if found is None else (found, f"{limit} word pieces")


def owner_of(embedder: Any) -> Any:
    """Return the object of a method, which stands for it; anything else as it is."""
    return getattr(embedder, "__self__", embedder)


def cut_texts(embedder: Any, texts: Sequence[str]) -> Cut | None:
    """Return how many texts are longer than an embedder reads, None where it can't be told.

    Parameters
    ----------
    embedder : object
        With `too_long` and `reads`, as in the contract of back-ends; or a model of
        sentence-transformers, or its method.
    texts : sequence of str
    """
    rows = {text: i for i, text in enumerate(dict.fromkeys(texts))}
    told = beyond(embedder, list(rows))
    if told is None:
        return None
    long, reads = told
    return Cut(int(sum(long[rows[text]] for text in texts)), len(texts), reads)


def word_pieces(model: Any) -> tuple[int, Callable[[Sequence[str]], list[int]]] | None:
    """Return how many word pieces a sentence-transformers model reads, and what counts them.

    Those that mark begin and end count. None for what is not such a model, or has no limit.
    """
    limit, tokenizer = getattr(model, "max_seq_length", None), getattr(model, "tokenizer", None)
    if not isinstance(limit, int) or not callable(tokenizer):
        return None

    def count(texts: Sequence[str]) -> list[int]:
        if not texts:
            return []
        pieces: Any = tokenizer(list(texts), truncation=False, padding=False, verbose=False)
        return [len(ids) for ids in pieces["input_ids"]]

    return limit, count


def word_pieces_beyond(
    model: Any, texts: Sequence[str]
) -> tuple[int | None, NDArray[np.bool_] | None]:
    """Return how many word pieces a sentence-transformers model reads, and which texts have more.

    Both are None for what is not such a model, or has no limit.
    """
    found = word_pieces(model)
    if found is None:
        return None, None
    limit, count = found
    return limit, np.array([n > limit for n in count(texts)], dtype=bool)


def note_embedded(
    ds: xr.Dataset,
    embedder: Any,
    variables: Mapping[str, str],
    *,
    long: str = "cut",
    stacklevel: int = 3,
) -> None:
    """Warn of texts that an embedder has not read whole or that hold a model's reasoning.

    Parameters
    ----------
    ds : xarray.Dataset
        What is counted is recorded here.
    embedder : object
        As `beyond` takes it.
    variables : mapping of str to str
        The variables of texts that were embedded, to those of their vectors.
    long : {"cut", "mean", "error"}
        How long texts were read.
    stacklevel : int
        Of warnings.
    """
    for name, vectors in variables.items():
        array = ds[name]
        if name == "post_text":
            # Initial posts are the same in every replicate and query; others are answers.
            first = ds[["post_text", "post_time"]].isel(replicate=0, query=0)
            array = first["post_text"][first["post_time"].values == -1]
        texts = [text for text in array.values.ravel().tolist() if text]
        cut = cut_texts(embedder, texts)
        if cut is not None:
            cut.note(ds, name, vectors=vectors, long=long, stacklevel=stacklevel)
        n = sum(after_reasoning(text) != text for text in texts)
        if n:
            ds[vectors].attrs.update(n_reasoning=n)
            warnings.warn(
                f"{n} of {len(texts)} {_WHAT[name]} hold a model's reasoning (<think> and the "
                "like), which is embedded with them; cut it off before where the answer alone is "
                "meant",
                stacklevel=stacklevel,
            )
