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
from lwdstats.scenario.reading import ANCHOR, NOISE, REAL, SYNTHETIC
from lwdstats.simulate.llm.labels import name_of
from lwdstats.simulate.llm.retrieve import pool_of
from lwdstats.simulate.llm.spec import LlmSpec
from lwdstats.simulate.llm.storing.journal import Batch, Key, Record
from lwdstats.simulate.llm.weblog import Place, WebLog, posts_of, vectors_of, web_log

_ANSWER = ("time", "model", "replicate", "query", "response")
_POST = ("replicate", "query", "post")
_KINDS = {SYNTHETIC: "model", REAL: "real", NOISE: "noise", ANCHOR: "anchor"}


@dataclass(frozen=True)
class Origin:
    """What a dataset says about its making besides the spec.

    Attributes
    ----------
    given : numpy.ndarray, float32, shape (n_given, n_features)
        Embedded texts that no model writes, in the order of the spec.
    prefix : str
        What the embedder put before every text.
    backends : list of mappings
        Devices and versions of the process that began the run, then of those
        that went on with it under others.
    created : str or None
        When the run began; None for now.
    """

    given: NDArray[np.float32]
    prefix: str
    backends: list[dict[str, Any]]
    created: str | None = None


def origin_of(record: Record) -> Origin:
    """Return what a store whose run has begun says of its making."""
    given = np.frombuffer(record.read("initial"), "<f4").astype(np.float32)
    backends = [
        {k: v for k, v in one.items() if k != "lwdstats"}
        for one in json.loads(record.read("backends"))
    ]
    return Origin(
        given.reshape(-1, int(record.read("n_features"))),
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
    width = origin.given.shape[1]
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
    logs = {place: web_log(spec, place) for place in spec.places}
    drawn = retrieved >= 0
    synthetic = _per_web(spec, {place: log.kind == SYNTHETIC for place, log in logs.items()})
    read = drawn & (_read(synthetic, retrieved) == 1)
    with np.errstate(invalid="ignore"):
        share = read.sum(axis=-1) / drawn.sum(axis=-1)
    ds = xr.Dataset(
        {
            "embedding": ((*_ANSWER, "feature"), embedding),
            "text": (_ANSWER, text),
            "text_raw": (_ANSWER, text_raw),
            "n_web": ("time", spec.n_web),
            "n_retrieved": _n_retrieved(spec, drawn.sum(axis=-1).astype(np.int64)),
            "synthetic_share": (_ANSWER[:-1], share),
            "retrieved": ((*_ANSWER[:-1], "draw"), retrieved),
            **_log(spec, logs, batches, origin.given),
        },
        coords={
            "time": np.arange(spec.n_steps + 1),
            "model": _labels("model", spec.models),
            "replicate": list(spec.replicates),
            "query": _labels("query", spec.query),
            "response": np.arange(spec.n_responses),
            "feature": np.arange(width),
            "post": np.arange(synthetic.shape[-1]),
        },
        attrs=_attributes(spec, origin, served),
    )
    if not spec.has_paper_web:
        ds.attrs["n_empty_pools"] = sum(
            bool(spec.reading[i]) and not pool_of(spec, logs[replicate, q], t, i).size
            for (replicate, q, t, i), batch in batches.items()
            if not batch.retrieved.size
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


def _per_web(spec: LlmSpec, parts: Mapping[Place, NDArray[Any]]) -> NDArray[Any]:
    """Return what there is of each web as one array, (replicate, query, ...)."""
    webs = [[parts[replicate, q] for q in range(len(spec.query))] for replicate in spec.replicates]
    return np.array(webs)


def _read(posts: NDArray[Any], retrieved: NDArray[np.int32]) -> NDArray[Any]:
    """Return what is known of the posts that were read, of that by (replicate, query, post)."""
    if not posts.shape[-1]:
        return np.zeros(retrieved.shape, posts.dtype)
    replicate, query = np.ogrid[: posts.shape[0], : posts.shape[1]]
    return posts[replicate[..., None], query[..., None], retrieved]


def _n_retrieved(spec: LlmSpec, read: NDArray[np.int64]) -> tuple[Any, NDArray[np.int64]]:
    """Return how many posts are read, over the dimensions along which that may differ."""
    by_chance = spec.n_pool is None
    if not by_chance and spec.context == "error":
        k = spec.n_retrieved
        return ("time", "model")[: k.ndim], k
    if not by_chance and spec.n_retrieved.ndim == 1:
        return ("time", "replicate", "query"), read[:, 0]
    return _ANSWER[:-1], read


def _log(
    spec: LlmSpec,
    logs: Mapping[Place, WebLog],
    batches: Mapping[Key, Batch],
    given: NDArray[np.float32],
) -> dict[str, Any]:
    """Return the web as a log: all posts before step T, as those of step T were never read."""
    text, response, vectors = {}, {}, {}
    for place, log in logs.items():
        rows = np.arange(log.time.size)
        posts = posts_of(spec, log, place, batches, rows)
        text[place] = np.array([post.text for post in posts], dtype=object)
        response[place] = np.array([post.response for post in posts], dtype=np.int32)
        vectors[place] = vectors_of(log, place, batches, rows, given)

    def known(name: str, dtype: Any = np.int32) -> NDArray[Any]:
        parts = {place: getattr(log, name) for place, log in logs.items()}
        return _per_web(spec, parts).astype(dtype)

    texts = _per_web(spec, text)
    sentiment = np.full(texts.shape, "", dtype=object)
    sentiment[..., : len(spec.posts)] = [post.get("sentiment", "") for post in spec.posts]
    variables: dict[str, Any] = {
        "post_text": (_POST, texts),
        "post_time": (_POST, known("time")),
        "post_model": (_POST, known("author")),
        "post_response": (_POST, _per_web(spec, response)),
        "post_sentiment": (_POST, sentiment),
        "post_embedding": ((*_POST, "feature"), _per_web(spec, vectors)),
    }
    if spec.has_paper_web:
        return variables
    kind, flags = known("kind", np.int8), np.array(list(_KINDS), np.int8)
    told = {"flag_values": flags, "flag_meanings": " ".join(_KINDS.values())}
    return variables | {
        "post_left": (_POST, known("left")),
        "post_kind": (_POST, kind, told),
        "post_real": (_POST, (kind == REAL).astype(np.int8)),
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
