"""One replicate of one query: Algorithm 1, step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lwdstats.simulate.journal import Batch, Key, RunStoppedError
from lwdstats.simulate.llm_spec import LlmSpec
from lwdstats.simulate.models.protocol import Answer, Embedder, LanguageModel, Prompt
from lwdstats.simulate.models.sentences import first_sentence, has_first_sentence
from lwdstats.simulate.storable import storable
from lwdstats.simulate.streams import generator, seed_sequence
from lwdstats.simulate.web.protocol import Post, Web


@dataclass(frozen=True)
class Network:
    """What a run works with.

    Attributes
    ----------
    models : mapping from labels to LanguageModel
        In the order of the network.
    embed : Embedder
    initial : numpy.ndarray, float32, shape (n_initial, n_features)
        Embedded posts of A^(0).
    queries : numpy.ndarray, float32, shape (n_queries, n_features)
        Embedded queries; no rows where posts are drawn uniformly.
    """

    models: Mapping[str, LanguageModel]
    embed: Embedder
    initial: NDArray[np.float32]
    queries: NDArray[np.float32]


def run_query(
    spec: LlmSpec,
    network: Network,
    web: Web,
    place: tuple[int, int],
    kept: dict[Key, Batch],
    keep: Callable[[Key, Batch], None],
    say: Callable[[str], None],
) -> None:
    """Run what is not in `kept` of one replicate and query, handing each batch to `keep`.

    `web` is empty, or holds the posts of a first part of the same run.
    """
    replicate, q = place
    labels = list(network.models)
    for t in range(spec.n_steps + 1):
        keys: list[Key] = [(replicate, q, t, i) for i in range(len(labels))]
        _grow(spec, network, web, place, t, kept)
        if all(key in kept for key in keys):
            continue
        rows = _retrieve(spec, network, web, keys)
        for key, label, drawn in zip(keys, labels, rows, strict=True):
            if key in kept:
                continue
            say(f"replicate {replicate}, t = {t}/{spec.n_steps}: {label} reads {len(drawn)} posts")
            prompt = _prompt(spec, web, key, label, drawn)
            keep(key, _answer(spec, network, key, label, prompt, drawn))


def posted(batch: Batch) -> int:
    """Return which answer is posted: the first that is not missing (the first if all are)."""
    return next((row for row, text in enumerate(batch.texts) if text), 0)


def _grow(
    spec: LlmSpec,
    network: Network,
    web: Web,
    place: tuple[int, int],
    t: int,
    kept: Mapping[Key, Batch],
) -> None:
    """Make the web that step `t` reads, A^(t), where it does not hold it yet."""
    if len(web) >= spec.n_web[t]:
        return
    if t == 0:
        web.append([Post(post["text"]) for post in spec.posts], network.initial)
        return
    posts, vectors = [], []
    for i in range(len(network.models)):
        batch = kept[*place, t - 1, i]
        row = posted(batch)
        posts.append(Post(batch.texts[row], t - 1, i, row))
        vectors.append(batch.vectors[row])
    web.append(posts, np.stack(vectors))


def _retrieve(
    spec: LlmSpec, network: Network, web: Web, keys: list[Key]
) -> list[NDArray[np.int32]]:
    """Return the rows that each model reads, cut to what all contexts hold if the spec says so."""
    q, t = keys[0][1:3]
    k = int(spec.n_retrieved[t])
    if spec.retrieval == "nearest":
        rows = [web.nearest(network.queries[q], k)] * len(keys)
    else:
        # The stream is named (replicate, model, time, query).
        rows = [
            web.sample(k, generator(spec.seed, "retrieval", r, i, time, query))
            for r, query, time, i in keys
        ]
    for key, (label, model), drawn in zip(keys, network.models.items(), rows, strict=True):
        if model.context_length is None:
            continue
        room = model.context_length - spec.max_new_tokens

        def tokens(
            size: int,
            key: Key = key,
            label: str = label,
            model: LanguageModel = model,
            drawn: NDArray[np.int32] = drawn,
        ) -> int:
            return model.count_tokens(_prompt(spec, web, key, label, drawn[:size]))

        if tokens(k) <= room:
            continue
        if spec.context == "error":
            raise RunStoppedError(
                f"at t = {t} {label!r} would read {tokens(k)} tokens, and its context of "
                f"{model.context_length} holds {room} beside an answer; run it anew with a lower "
                "beta or n_steps, or with context='fewest'"
            )
        # A prompt with fewer posts is shorter, so halve the range.
        low, high = 0, k - 1
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if tokens(middle) <= room else (low, middle - 1)
        k = low
    # Rows are in random order, or the nearest first: the first k are a draw of k.
    return [drawn[:k] for drawn in rows]


def _prompt(spec: LlmSpec, web: Web, key: Key, label: str, rows: NDArray[np.int32]) -> Prompt:
    return Prompt(tuple(web.texts(rows)), spec.query[key[1]], spec.system_prompts.get(label))


def _answer(
    spec: LlmSpec,
    network: Network,
    key: Key,
    label: str,
    prompt: Prompt,
    rows: NDArray[np.int32],
) -> Batch:
    """Ask for L answers, and again for those that are empty."""
    replicate, q, t, i = key
    stop = has_first_sentence if spec.cut == "sentence" else None
    raw, texts = [""] * spec.n_responses, [""] * spec.n_responses
    n_tokens = [0] * spec.n_responses
    empty = list(range(spec.n_responses))
    for attempt in range(1 + spec.retries_empty):
        again = (attempt,) if attempt else ()
        root = seed_sequence(spec.seed, "generation", replicate, i, t, q, *again)
        answers: list[Answer] = network.models[label].generate(
            prompt,
            len(empty),
            seed=int(root.generate_state(1, np.uint64)[0]),
            sampling=spec.sampling,
            stop=stop,
        )
        if len(answers) != len(empty):
            raise RuntimeError(f"{label!r} gave {len(answers)} answers, asked for {len(empty)}")
        for row, answer in zip(empty, answers, strict=True):
            raw[row] = storable(answer.text)
            cut = first_sentence(raw[row]) if stop else raw[row]
            texts[row] = cut if cut.strip() else ""
            n_tokens[row] += answer.n_tokens
        empty = [row for row in empty if not texts[row]]
        if not empty:
            break
    there = [row for row, text in enumerate(texts) if text]
    vectors = embed(network.embed, [texts[row] for row in there], network.initial.shape[1])
    width = vectors.shape[1]
    whole = np.full((spec.n_responses, width), np.nan, dtype=np.float32)
    whole[there] = vectors
    return Batch(tuple(texts), tuple(raw), tuple(n_tokens), rows, whole)


def embed(embedder: Embedder, texts: list[str], width: int | None = None) -> NDArray[np.float32]:
    """Return vectors, float32 of shape (len(texts), n_features), also of no texts."""
    if not texts and width:
        return np.empty((0, width), dtype=np.float32)
    # The width of a vector is known by asking for one.
    vectors = embedder.embed(texts or ["."])
    return np.asarray(vectors, dtype=np.float32)[: len(texts)]
