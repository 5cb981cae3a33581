"""The prompts of a run, rebuilt from its dataset."""

from __future__ import annotations

from typing import Any

import xarray as xr

from lwdstats.dataset.run_models import system_prompts
from lwdstats.dataset.schema import spec_of, validate
from lwdstats.errors import InputError
from lwdstats.simulate.models.protocol import Prompt


def prompt_of(
    ds: xr.Dataset,
    time: int,
    model: str,
    *,
    replicate: int | None = None,
    query: str | int | None = None,
) -> Prompt:
    """Return what a model was asked at a step: the posts in their order, and the query.

    Parameters
    ----------
    ds : xarray.Dataset
        A dataset of `simulate_llm`.
    time : int
        The step.
    model : str
        Label of the model.
    replicate : int, optional
        Id of the replicate; by default the first.
    query : str or int, optional
        The query, or its place; by default the first.

    Returns
    -------
    Prompt
        With fields `posts`, `query`, `system` and `date`; `user` is the message as it was sent,
        and `plain` the text that a model without a chat template continues.

    Raises
    ------
    InputError
        If the dataset does not hold what was read, or lacks the time, model, replicate or
        query; or if labels of models were changed so that it is not known whose system prompt
        is whose.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> from lwdstats.simulate.llm.replay import prompt_of
    >>> prompt_of(lwd.simulate_gmm(n_steps=2, seed=1), 0, "model 0")
    Traceback (most recent call last):
        ...
    lwdstats.errors.InputError: ds: got no variable retrieved, post_text; takes a dataset ...
    """
    validate(ds)
    lacking = [name for name in ("retrieved", "post_text") if name not in ds]
    if lacking:
        raise InputError(
            "ds",
            f"no variable {', '.join(lacking)}",
            "a dataset of simulate_llm, with what was read",
        )
    if isinstance(query, int) and not isinstance(query, bool):
        if not 0 <= query < ds.sizes["query"]:
            raise InputError("query", query, f"a place from 0 to {ds.sizes['query'] - 1}")
        query = str(ds["query"].values[query])
    place = {
        "time": _known(ds, "time", time),
        "model": _known(ds, "model", model),
        "replicate": _known(ds, "replicate", replicate),
        "query": _known(ds, "query", query),
    }
    rows = ds["retrieved"].sel(place).values.astype(int)
    posts = ds["post_text"].sel(replicate=place["replicate"], query=place["query"]).values
    spec = spec_of(ds)
    system = system_prompts(ds).get(ds["model"].values.tolist().index(place["model"]))
    read = tuple(str(posts[row]) for row in rows[rows >= 0])
    return Prompt(read, place["query"], system, spec.get("date"))


def _known(ds: xr.Dataset, dim: str, value: Any) -> Any:
    labels = ds[dim].values.tolist()
    if value is None:
        return labels[0]
    if isinstance(value, bool) or value not in labels:
        listing = ", ".join(map(repr, labels[:6])) + (", ..." if len(labels) > 6 else "")
        raise InputError(dim, repr(value), f"one of {listing}")
    return value
