"""What of its texts an embedder reads: a long one is cut, and a reasoning counts like an answer."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lwdstats.dataset.answer_text import after_reasoning

# The variable of vectors that belongs to a variable of texts, and what its texts are.
_VECTORS = {"text": ("embedding", "answers"), "post_text": ("post_embedding", "posts")}


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

    def note(self, ds: xr.Dataset, texts: str = "text", *, warn: bool = True) -> None:
        """Record it at the vectors of a variable of texts, and warn where a text is cut."""
        name, what = _VECTORS[texts]
        ds[name].attrs.update(n_cut=self.n, embedder_reads=self.reads)
        if self.n and warn:
            warnings.warn(
                f"{self.n} of {self.total} {what} are longer than the {self.reads} that the "
                "embedder reads: texts that differ only after that have one vector, and distance "
                "0; take an embedder that reads more, or shorter texts",
                stacklevel=4,
            )


def cut_texts(embedder: Any, texts: Sequence[str]) -> Cut | None:
    """Return how many texts are longer than an embedder reads, None where it can't be told.

    Parameters
    ----------
    embedder : object
        With `too_long` and `reads`, as in the contract of back-ends; or a model of
        sentence-transformers, or its method.
    texts : sequence of str
    """
    # A method stands for its object.
    owner = getattr(embedder, "__self__", embedder)
    rows = {text: i for i, text in enumerate(dict.fromkeys(texts))}
    if callable(getattr(owner, "too_long", None)):
        found, reads = owner.too_long(list(rows)), str(getattr(owner, "reads", "")) or "part"
    else:
        limit, found = word_pieces_beyond(owner, list(rows))
        reads = f"{limit} word pieces"
    if found is None:
        return None
    long = np.asarray(found, dtype=bool)
    return Cut(int(sum(long[rows[text]] for text in texts)), len(texts), reads)


def word_pieces_beyond(
    model: Any, texts: Sequence[str]
) -> tuple[int | None, NDArray[np.bool_] | None]:
    """Return how many word pieces a sentence-transformers model reads, and which texts have more.

    Both are None for what is not such a model, or has no limit.
    """
    limit, tokenizer = getattr(model, "max_seq_length", None), getattr(model, "tokenizer", None)
    if not isinstance(limit, int) or not callable(tokenizer):
        return None, None
    if not texts:
        return limit, np.zeros(0, dtype=bool)
    # Those that mark begin and end count.
    pieces: Any = tokenizer(list(texts), truncation=False, padding=False, verbose=False)
    return limit, np.array([len(ids) > limit for ids in pieces["input_ids"]])


def note_embedded(ds: xr.Dataset, embedder: Any, variables: Sequence[str]) -> None:
    """Warn of texts that an embedder has not read whole or that hold a model's reasoning.

    Parameters
    ----------
    ds : xarray.Dataset
        What is counted is recorded here.
    embedder : object
        As `cut_texts` takes it.
    variables : sequence of str
        The variables of texts that were embedded.
    """
    for name in variables:
        # Posts are the same in every replicate and query.
        array = ds[name].isel(replicate=0, query=0) if name == "post_text" else ds[name]
        texts = [text for text in array.values.ravel().tolist() if text]
        cut = cut_texts(embedder, texts)
        if cut is not None:
            cut.note(ds, name)
        vectors, what = _VECTORS[name]
        n = sum(after_reasoning(text) != text for text in texts)
        if n:
            ds[vectors].attrs.update(n_reasoning=n)
            warnings.warn(
                f"{n} of {len(texts)} {what} hold a model's reasoning (<think> and the like), "
                "which is embedded with them; cut it off before where the answer alone is meant",
                stacklevel=3,
            )
