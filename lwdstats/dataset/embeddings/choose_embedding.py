"""Which embedding of its answers an analysis of a dataset takes."""

from __future__ import annotations

from typing import TypeVar

import xarray as xr

from lwdstats.dataset.schema import embeddings_of, further, validate
from lwdstats.errors import InputError

_Any = TypeVar("_Any")
# Dimensions of the space of `embedding`, in which other vectors do not lie.
_SPACE = {"feature", "feature_", "component"}
# What a dataset says of the embedder of `embedding`.
_SAID = ("embedder", "embedder_prefix", "embedder_normalize")


def choose_embedding(ds: xr.Dataset, embedding: str) -> xr.Dataset:
    """Return a dataset with one of its embeddings in the place of `embedding`.

    Every analysis that has an argument `embedding` goes through this.

    Parameters
    ----------
    ds : xarray.Dataset
        A dataset with several embeddings, as `add_embedding` makes it.
    embedding : str
        "embedding", which changes nothing; or "embedding_2", ....

    Returns
    -------
    xarray.Dataset
        The chosen vectors are `embedding`, with the dimension feature, and those of the
        posts, where there are any, `post_embedding`; the attribute `embedder` is theirs.
        What lies in the space of the first, such as mixture weights, is left out.

    Raises
    ------
    InputError
        If there is no such embedding; the error names those that there are.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> log = {"time": [0, 0], "model": ["a", "b"], "text": ["up", "down"]}
    >>> ds = lwd.as_results(log, embedder=lambda texts: [[len(t)] for t in texts])
    >>> ds = lwd.add_embedding(ds, lambda texts: [[t.count("o"), 1] for t in texts])
    >>> lwd.choose_embedding(ds, "embedding_2").sizes["feature"]
    2
    """
    return by_embedding(validate(ds), embedding, "ds")


def by_embedding(x: _Any, embedding: str, argument: str) -> _Any:
    """Return a dataset as `choose_embedding` does; anything else as it is, if none is chosen.

    `argument` is how an error names `x`, which need not be checked yet.
    """
    if isinstance(embedding, str) and embedding == "embedding":
        return x
    if not isinstance(x, xr.Dataset):
        takes = f"'embedding', unless {argument} is a Dataset with several embeddings"
        raise InputError("embedding", embedding, takes)
    known = embeddings_of(x)
    if not isinstance(embedding, str) or embedding not in known:
        takes = "one of " + ", ".join(map(repr, known)) if known[1:] else "'embedding'"
        raise InputError("embedding", embedding, f"{takes}, as in {argument}")
    _, feature = further(embedding) or ("", "")
    posts = f"post_{embedding}"
    gone = [str(name) for name, array in x.variables.items() if _SPACE & set(array.dims)]
    names = {embedding: "embedding", posts: "post_embedding", feature: "feature"}
    names = {old: new for old, new in names.items() if old in x.variables or old in x.dims}
    out = x.drop_vars(gone).rename(names)
    said = {name: v for name, v in out["embedding"].attrs.items() if name in _SAID}
    out.attrs = {name: value for name, value in x.attrs.items() if name not in _SAID} | said
    return out


def embedder_of(ds: xr.Dataset, embedding: str) -> str:
    """Return the name of the embedder of an embedding, empty where it is not known."""
    said = ds.attrs if embedding == "embedding" else {}
    return str(ds[embedding].attrs.get("embedder", said.get("embedder", "")))
