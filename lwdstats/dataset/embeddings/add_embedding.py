"""The same answers by a further embedder."""

from __future__ import annotations

from itertools import count
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lwdstats.dataset.embeddings import embedders
from lwdstats.dataset.embeddings.embedded_texts import note_embedded, owner_of
from lwdstats.dataset.embeddings.long_texts import LONG, embed_texts
from lwdstats.dataset.embeddings.normalized import unit_vectors
from lwdstats.dataset.schema import VARIABLES, describe, further, validate
from lwdstats.errors import InputError, check_bool, check_choice


def add_embedding(
    ds: xr.Dataset,
    embedder: Any,
    *,
    normalize: bool = False,
    long: str = "cut",
    name: str | None = None,
) -> xr.Dataset:
    """Return a dataset with its texts embedded once more, by another embedder or otherwise.

    Parameters
    ----------
    ds : xarray.Dataset
        A dataset with `text`.
    embedder : str, callable, or object with a method ``embed`` or ``encode``
        As `as_results` takes it. Each different text is embedded once.
    normalize : bool
        Whether vectors are scaled to length 1, as by `normalized`.
    long : {"cut", "mean", "error"}
        What becomes of texts that are longer than the embedder reads: cut, with a
        warning; the mean of their parts; or refused.
    name : str, optional
        Name of the variable: embedding_2, embedding_3, ...; by default the first
        that is not there.

    Returns
    -------
    xarray.Dataset
        With `embedding_2`, dimensions as `embedding` but for feature_2; and
        `post_embedding_2` where there is `post_text`, so that `drift` is measured in the
        same space. Attributes say by which embedder, and how. Answers that are missing
        stay so.

    Raises
    ------
    InputError
        If there are no texts, an argument is not as above, texts are too long for
        ``long="error"``, or a vector is 0 and is to have length 1.

    Warns
    -----
    UserWarning
        If texts are cut, or hold a model's reasoning, with how many.

    Notes
    -----
    "mean": a text is split between words into parts of as many tokens as the embedder
    reads, and has their vectors' mean, weighted by tokens. Where all parts have length 1, as
    some embedders give it to every text, so has the mean. Texts that are read whole have
    the vector that they have otherwise.

    `spec` is that of the run, which `run_spec` gives without further embeddings.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> log = {"time": [0, 0], "model": ["a", "b"], "text": ["up", "down"]}
    >>> ds = lwd.as_results(log, embedder=lambda texts: [[len(t)] for t in texts])
    >>> ds = lwd.add_embedding(ds, lambda texts: [[t.count("o"), 1] for t in texts])
    >>> ds["embedding_2"].dims[-1], ds["embedding_2"].attrs["embedder"]
    ('feature_2', '<lambda>')
    >>> float(lwd.fnorm(ds)[0, 0]), float(lwd.fnorm(ds, embedding="embedding_2")[0, 0])
    (2.8284271247461903, 1.4142135623730951)
    """
    return embedded_again(ds, embedder, normalize=normalize, long=long, name=name)


def embedded_again(
    ds: xr.Dataset, embedder: Any, *, normalize: bool, long: str, name: str | None
) -> xr.Dataset:
    """Return what `add_embedding` does, for functions whose caller its warnings are to name."""
    validate(ds)
    check_bool("normalize", normalize)
    check_choice("long", long, LONG)
    if "text" not in ds:
        raise InputError("ds", "no variable text", "a dataset with the texts of its answers")
    name = _checked_name(ds, name)
    _, feature = further(name) or ("", "")
    embedder = embedders.loaded(embedder)
    new = {"text": name} | ({"post_text": f"post_{name}"} if "post_text" in ds else {})
    known = {"text": "embedding", "post_text": "post_embedding"}
    texts = {of: ds[of].transpose(*VARIABLES[of].dims).values for of in new}
    there = {of: _there(ds, of, known[of]) for of in new}
    asked = [text for of in new for text in texts[of][there[of]].tolist()]
    if not asked:
        raise InputError("ds", "no text at all", "a dataset with the texts of its answers")
    vectors = embed_texts(embedder, asked, long)
    if normalize:
        vectors = unit_vectors(vectors, "embedder", asked)
    said = {"embedder": embedders.name_of(embedder)}
    if prefix := str(getattr(owner_of(embedder), "prefix", "")):
        said["embedder_prefix"] = prefix
    said |= {"normalized": str(bool(normalize)), "long_texts": long}
    out, start = ds.copy(), 0
    for of, variable in new.items():
        n = int(there[of].sum())
        values = np.full((*there[of].shape, vectors.shape[1]), np.nan, vectors.dtype)
        values[there[of]] = vectors[start : start + n]
        out[variable] = ((*VARIABLES[of].dims, feature), values, dict(said))
        start += n
    out = describe(out.assign_coords({feature: np.arange(vectors.shape[1])}))
    note_embedded(out, embedder, new, long=long, stacklevel=4)
    return validate(out)


def _checked_name(ds: xr.Dataset, name: str | None) -> str:
    """Return the name of a new embedding."""
    if name is None:
        return next(f"embedding_{n}" for n in count(2) if f"embedding_{n}" not in ds)
    found = further(name) if isinstance(name, str) else None
    takes = "embedding_2, embedding_3, ..., one that is not there yet"
    if found is None or found[0] != "embedding":
        raise InputError("name", name, takes)
    if name in ds or f"post_{name}" in ds:
        raise InputError("name", f"{name!r}, which is there", takes)
    return name


def _there(ds: xr.Dataset, texts: str, vectors: str) -> NDArray[np.bool_]:
    """Return which texts are embedded: an empty one may be an answer, or say that there is none."""
    dims = VARIABLES[texts].dims
    if vectors not in ds:
        return ds[texts].transpose(*dims).values != ""
    first = ds[vectors].isel(feature=0, drop=True).notnull()
    return first.broadcast_like(ds[texts]).transpose(*dims).values
