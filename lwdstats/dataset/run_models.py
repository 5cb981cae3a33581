"""Which models of its run a dataset holds, after a selection, another order or new labels.

`post_model` counts the models of the run, and the specification has their labels; a dataset that
was made of the run by selecting, sorting or naming models anew keeps both as they were.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lwdstats.dataset.schema import TEXT_OF, spec_of
from lwdstats.errors import InputError

_POST = ("replicate", "query", "post")


@dataclass(frozen=True, eq=False)
class RunModels:
    """The models of a run, in the order that `post_model` counts.

    Attributes
    ----------
    labels : list of str
        Their labels in the run.
    place : (n,) of int
        Their places in the dataset, -1 where it does not hold them.
    """

    labels: list[str]
    place: NDArray[np.intp]


def run_models(ds: xr.Dataset) -> RunModels | None:
    """Return the models of the run that a dataset is of, or None where they are not known.

    Models are known by their labels in the specification. Where labels were changed, or there is
    no such list, the order of the run is taken if posts agree: each has to be an answer of the
    model that is said to have written it.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> run_models(lwd.simulate_gmm(n_steps=2, seed=1)) is None
    True
    """
    here = _labels(ds, "model")
    listed = spec_of(ds).get("models")
    labels = list(map(str, listed)) if isinstance(listed, dict | list) else None
    if labels is not None and set(here) <= set(labels):
        return RunModels(labels, np.array([here.index(x) if x in here else -1 for x in labels]))
    # Labels were changed, or the specification has none.
    n = len(here)
    if (labels is None or len(labels) == n) and _wrote_their_posts(ds):
        return RunModels(labels or list(map(str, here)), np.arange(n))
    return None


def system_prompts(ds: xr.Dataset) -> dict[int, str]:
    """Return the system prompts of a run by the places of their models in a dataset.

    Raises
    ------
    InputError
        If it is not known which models of the run these are.
    """
    prompts = spec_of(ds).get("system_prompts")
    if not isinstance(prompts, dict) or not prompts:
        return {}
    if (known := run_models(ds)) is None:
        got = "models of which it is not known which of the run they are"
        raise InputError("ds: model", got, "the labels that they have in the run")
    placed = zip(known.labels, known.place.tolist(), strict=True)
    return {at: prompts[label] for label, at in placed if at >= 0 and label in prompts}


def _wrote_their_posts(ds: xr.Dataset) -> bool:
    """Return whether each post is an answer of the model of its number, and there is one."""
    compared = False
    for author, answers, post in _posts(ds):
        if author >= ds.sizes["model"]:
            return False
        # Of several answers, where it is not known which became the post, one has to be it.
        if (answers[author] == post).all(axis=-1).any():
            compared = True
        elif not _is_missing(answers[author]).any():
            return False
    return compared


def _is_missing(answers: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which of some answers, (L, d), are missing: empty texts, or vectors of NaN."""
    first = answers[:, 0]
    return np.equal(first, "") if first.dtype.kind in "OUT" else np.isnan(first)


def _posts(ds: xr.Dataset) -> Iterator[tuple[int, NDArray[Any], NDArray[Any]]]:
    """Yield each post of a model of which the dataset may hold the answer.

    That is its `post_model`, the answers of all models that it may be, (n, L, d), and the post,
    (d,): vectors, or texts with d = 1.
    """
    pairs = [("text", "post_text"), ("embedding", "post_embedding")]
    pairs = [pair for pair in pairs if {*pair, "post_model", "post_time"} <= set(ds.data_vars)]
    if not pairs or "query" not in ds.dims:
        return
    name, of_posts = pairs[0]
    width = () if name in TEXT_OF.values() else ("feature",)
    order = ("time", "replicate", "query", "model", "response", *width)
    answers = ds[name].transpose(*order).values
    posts = ds[of_posts].transpose(*_POST, *width).values
    if not width:
        answers, posts = answers[..., None], posts[..., None]
    time, author = (ds[x].transpose(*_POST).values for x in ("post_time", "post_model"))
    row = {t: i for i, t in enumerate(ds["time"].values.tolist())}
    column = {x: i for i, x in enumerate(_labels(ds, "response"))}
    told = ds["post_response"].transpose(*_POST).values if "post_response" in ds else None
    for place in zip(*np.nonzero((time >= 0) & (author >= 0)), strict=True):
        t, response = row.get(int(time[place])), slice(None)
        if told is not None:
            at = column.get(int(told[place]))
            # Fresh posts and others that are no answer have no response.
            t = None if at is None else t
            response = slice(at, None if at is None else at + 1)
        if t is not None:
            yield int(author[place]), answers[t, *place[:2], :, response], posts[place]


def _labels(ds: xr.Dataset, dim: str) -> list[Any]:
    return ds[dim].values.tolist() if dim in ds.coords else list(range(ds.sizes[dim]))
