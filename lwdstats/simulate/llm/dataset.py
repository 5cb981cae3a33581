"""From the batches of a run to its dataset."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lwdstats.dataset.covariates import with_covariates
from lwdstats.dataset.schema import attributes, describe, validate
from lwdstats.simulate.llm.labels import name_of
from lwdstats.simulate.llm.run import posted
from lwdstats.simulate.llm.spec import LlmSpec
from lwdstats.simulate.llm.storing.journal import Batch, Key, Record

_ANSWER = ("time", "model", "replicate", "query", "response")
_POST = ("replicate", "query", "post")


@dataclass(frozen=True)
class Origin:
    """What a dataset says about its making besides the spec.

    Attributes
    ----------
    initial : numpy.ndarray, float32, shape (n_initial, n_features)
        Embedded posts of A^(0).
    prefix : str
        What the embedder put before every text.
    backends : list of mappings
        Devices and versions of the process that began the run, then of those
        that went on with it under others.
    created : str or None
        When the run began; None for now.
    """

    initial: NDArray[np.float32]
    prefix: str
    backends: list[dict[str, Any]]
    created: str | None = None


def origin_of(record: Record) -> Origin:
    """Return what a store whose run has begun says of its making."""
    initial = np.frombuffer(record.read("initial"), "<f4").astype(np.float32)
    backends = [
        {k: v for k, v in one.items() if k != "lwdstats"}
        for one in json.loads(record.read("backends"))
    ]
    return Origin(
        initial.reshape(-1, int(record.read("n_features"))),
        record.read("prefix"),
        backends,
        record.read("created"),
    )


def last_time(spec: LlmSpec, batches: Mapping[Key, Batch]) -> int:
    """Return the last time at which every model has answered in every run, -1 for none."""
    models = range(len(spec.models))
    for t in range(spec.n_steps + 1):
        if not all((*place, t, i) in batches for place in spec.places for i in models):
            return t - 1
    return spec.n_steps


def note_unanswered(ds: xr.Dataset, batches: Mapping[Key, Batch]) -> int:
    """Record how many missing answers are reasoning that no answer followed, and return it."""
    n = sum(batch.n_unanswered for batch in batches.values())
    if n:
        ds["text"].attrs.update(n_unanswered=n)
    return n


def build_dataset(
    spec: LlmSpec,
    batches: Mapping[Key, Batch],
    origin: Origin,
    served: Mapping[str, Mapping[str, Any]],
) -> xr.Dataset:
    """Return the dataset of a run; `served` is what servers said of their models."""
    width = origin.initial.shape[1]
    cells = (spec.n_steps + 1, len(spec.models), len(spec.replicates), len(spec.query))
    # Without a cap of the context this is k_T.
    n_draws = max(len(batch.retrieved) for batch in batches.values())
    text, text_raw = (np.full((*cells, spec.n_responses), "", dtype=object) for _ in range(2))
    embedding = np.empty((*cells, spec.n_responses, width), dtype=np.float32)
    retrieved = np.full((*cells, n_draws), -1, dtype=np.int32)
    for (replicate, q, t, i), batch in batches.items():
        place = (t, i, spec.replicates.index(replicate), q)
        text[place] = texts = batch.answers
        text_raw[place] = [
            "" if long == short else long for long, short in zip(batch.raw, texts, strict=True)
        ]
        embedding[place] = batch.vectors
        retrieved[(*place, slice(len(batch.retrieved)))] = batch.retrieved
    drawn = retrieved >= 0
    with np.errstate(invalid="ignore"):
        share = (retrieved >= len(spec.posts)).sum(axis=-1) / drawn.sum(axis=-1)
    n_retrieved: Any = ("time", spec.n_retrieved)
    if spec.context == "fewest":
        # All models read alike; how many may differ by replicate and query.
        n_retrieved = (("time", "replicate", "query"), drawn.sum(axis=-1)[:, 0].astype(np.int64))
    ds = xr.Dataset(
        {
            "embedding": ((*_ANSWER, "feature"), embedding),
            "text": (_ANSWER, text),
            "text_raw": (_ANSWER, text_raw),
            "n_web": ("time", spec.n_web),
            "n_retrieved": n_retrieved,
            "synthetic_share": (_ANSWER[:-1], share),
            "retrieved": ((*_ANSWER[:-1], "draw"), retrieved),
            **_log(spec, batches, origin.initial),
        },
        coords={
            "time": np.arange(spec.n_steps + 1),
            "model": _labels("model", spec.models),
            "replicate": list(spec.replicates),
            "query": _labels("query", spec.query),
            "response": np.arange(spec.n_responses),
            "feature": np.arange(width),
            "post": np.arange(spec.n_web[-1]),
        },
        attrs=_attributes(spec, origin, served),
    )
    ds = validate(describe(with_covariates(ds, spec.covariates)))
    cut = {label: said["prompts_cut"] for label, said in served.items() if "prompts_cut" in said}
    if cut:
        counts = ", ".join(f"{n} of {label!r}" for label, n in cut.items())
        for name in ("n_retrieved", "retrieved", "synthetic_share"):
            ds[name].attrs["comment"] = (
                f"Servers cut prompts without an error ({counts}): "
                "fewer posts than n_retrieved can have been read."
            )
    return ds


def _labels(dim: str, texts: Iterable[str]) -> tuple[str, NDArray[Any]]:
    """Return a coordinate of Python strings: in one of a fixed width each has the longest's."""
    return dim, np.array(list(texts), dtype=object)


def _log(
    spec: LlmSpec, batches: Mapping[Key, Batch], initial: NDArray[np.float32]
) -> dict[str, tuple[tuple[str, ...], NDArray[Any]]]:
    """Return the web as a log: A^(T), as the posts of step T were never read."""
    n_models, n_initial = len(spec.models), len(spec.posts)
    webs = (len(spec.replicates), len(spec.query), int(spec.n_web[-1]))
    text, sentiment = (np.full(webs, "", dtype=object) for _ in range(2))
    time, model, response = (np.full(webs, -1, dtype=np.int32) for _ in range(3))
    embedding = np.empty((*webs, initial.shape[1]), dtype=np.float32)
    text[..., :n_initial] = [post["text"] for post in spec.posts]
    sentiment[..., :n_initial] = [post.get("sentiment", "") for post in spec.posts]
    embedding[:, :, :n_initial] = initial
    for (replicate, q, t, i), batch in batches.items():
        if t < spec.n_steps:
            place = (spec.replicates.index(replicate), q, n_initial + t * n_models + i)
            row = posted(batch)
            text[place], embedding[place] = batch.answers[row], batch.vectors[row]
            time[place], model[place], response[place] = t, i, row
    return {
        "post_text": (_POST, text),
        "post_time": (_POST, time),
        "post_model": (_POST, model),
        "post_response": (_POST, response),
        "post_sentiment": (_POST, sentiment),
        "post_embedding": ((*_POST, "feature"), embedding),
    }


def _attributes(
    spec: LlmSpec, origin: Origin, served: Mapping[str, Mapping[str, Any]]
) -> dict[str, str]:
    n = len(spec.models)
    title = f"Network of {n} language model{'s' * (n > 1)} (Algorithm 1)"
    attrs = {
        **attributes(title, spec.seed, spec.to_json()),
        "embedder": name_of(spec.embedder),
        "embedder_prefix": origin.prefix,
        "embedder_normalize": str(spec.normalize),
        "backend": json.dumps(origin.backends[0]),
    }
    if origin.created is not None:
        attrs["created"] = origin.created
    if len(origin.backends) > 1:
        attrs["backend_resumed"] = json.dumps(origin.backends[1:])
    if served:
        attrs["served"] = json.dumps(served)
    return attrs
