"""Algorithm 1, step by step."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lwdstats.simulate.llm.answer import Answers, Question, as_batch, ask
from lwdstats.simulate.llm.lanes import Lanes
from lwdstats.simulate.llm.retrieve import Rows, rows_read
from lwdstats.simulate.llm.spec import LlmSpec
from lwdstats.simulate.llm.storing.journal import Batch, Key, RunStoppedError
from lwdstats.simulate.llm.storing.spending import Ledger
from lwdstats.simulate.llm.weblog import Place, WebLog, posts_of, vectors_of, web_log
from lwdstats.simulate.models.protocol import Embedder, LanguageModel, Prompt, optional_parts
from lwdstats.simulate.web.protocol import Web


@dataclass(frozen=True)
class Network:
    """What a run works with.

    Attributes
    ----------
    models : mapping from labels to LanguageModel
        In the order of the network.
    embed : Embedder
    given : numpy.ndarray, float32, shape (n_given, n_features)
        Embedded texts that no model writes, in the order of the spec.
    queries : numpy.ndarray, float32, shape (n_queries, n_features)
        Embedded queries; no rows where none is compared with posts.
    """

    models: Mapping[str, LanguageModel]
    embed: Embedder
    given: NDArray[np.float32]
    queries: NDArray[np.float32]


def run_network(
    spec: LlmSpec,
    network: Network,
    webs: Mapping[Place, Web],
    kept: Mapping[Key, Batch],
    keep: Callable[[dict[Key, Batch]], None],
    say: Callable[[str], None],
    ledger: Ledger,
) -> None:
    """Run what is not in `kept`, all replicates and queries a step, handing over batches.

    Within a step nothing depends on anything else, so models on servers are asked at
    the same time, and a model that runs here answers all there is before the next.

    Parameters
    ----------
    spec : LlmSpec
    network : Network
    webs : mapping from (replicate, query) to Web
        Of those that are not complete: empty, or with the posts of a first part of the run.
    kept : mapping
        All batches there are; `keep` adds to it.
    keep : callable
        Takes batches that belong together: all of them are kept, or none.
    say : callable
        Takes what is being done.
    ledger : Ledger
        Lets a batch begin, or ends the run.
    """
    labels = list(network.models)
    width = network.given.shape[1]
    logs = {place: web_log(spec, place) for place in webs}

    def answer(questions: tuple[Question, ...]) -> list[Answers]:
        _, _, t, i = questions[0].key
        if optional_parts(network.models[labels[i]]).lane is None:
            n_read = ", ".join(str(len(question.rows)) for question in questions)
            say(f"t = {t}/{spec.n_steps}: {labels[i]} reads {n_read} posts")
        prompts = [question.prompt for question in questions]
        label, n = labels[i], spec.n_responses
        asked = ledger.batch(label, network.models[label], prompts, n, spec.sampling[label])
        with asked as model:
            return ask(spec, label, model, questions)

    def keep_answers(questions: tuple[Question, ...], given: list[Answers]) -> None:
        pairs = zip(questions, given, strict=True)
        keep({q.key: as_batch(q, answers, network.embed, width) for q, answers in pairs})

    with Lanes(network.models.values(), answer, keep_answers, ledger.stop) as lanes:
        for t in range(spec.n_steps + 1):
            asked: dict[Key, Question] = {}
            for place, web in webs.items():
                log = logs[place]
                _grow(spec, network, web, log, place, t, kept)
                keys: list[Key] = [(*place, t, i) for i in range(len(labels))]
                if not all(key in kept for key in keys):
                    rows = _retrieve(spec, network, web, log, keys)
                    for key, label, drawn in zip(keys, labels, rows, strict=True):
                        asked[key] = Question(key, _prompt(spec, web, key, label, drawn), drawn)
            tasks: dict[tuple[Question, ...], str | None] = {}
            # There and back, so that a step begins with the model that ended the last one.
            for i in range(len(labels))[:: -1 if t % 2 else 1]:
                has = optional_parts(network.models[labels[i]])
                size = 1 if has.generate_many is None else spec.batch_size
                for start in range(0, len(spec.places), size):
                    # A batch is kept whole, so that going on asks for the same ones.
                    keys = [(*place, t, i) for place in spec.places[start : start + size]]
                    missing = tuple(asked[key] for key in keys if key not in kept)
                    if missing:
                        tasks[missing] = has.lane
            n_remote = sum(lane is not None for lane in tasks.values())
            if n_remote:
                say(f"t = {t}/{spec.n_steps}: {n_remote} batches asked of servers")
            lanes.run(tasks)


def _grow(
    spec: LlmSpec,
    network: Network,
    web: Web,
    log: WebLog,
    place: Place,
    t: int,
    kept: Mapping[Key, Batch],
) -> None:
    """Add the posts that step `t` reads and the web does not hold yet."""
    rows = np.arange(len(web), log.size(t))
    if rows.size:
        posts = posts_of(spec, log, place, kept, rows)
        web.append(posts, vectors_of(log, place, kept, rows, network.given))


def _retrieve(
    spec: LlmSpec, network: Network, web: Web, log: WebLog, keys: list[Key]
) -> list[NDArray[np.int32]]:
    """Return the rows that each model reads at a step of one replicate and query.

    They are cut to what all contexts hold if the spec says so.
    """
    q = keys[0][1]
    found: dict[tuple[int, bytes], NDArray[np.int32]] = {}

    def nearest(among: Rows, n: int) -> NDArray[np.int32]:
        # Models that may read the same have the same answer.
        asked = n, among.tobytes()
        if asked not in found:
            found[asked] = web.nearest(network.queries[q], n, among)
        return found[asked]

    rows = [rows_read(spec, log, key, nearest) for key in keys]
    k = max(map(len, rows))
    for key, (label, model), drawn in zip(keys, network.models.items(), rows, strict=True):
        some = _first(spec, drawn, k)
        fit = _n_fitting(spec, web, key, label, model, some)
        k = fit if fit < len(some) else k
    return [_first(spec, drawn, k) for drawn in rows]


def _first(spec: LlmSpec, rows: NDArray[np.int32], k: int) -> NDArray[np.int32]:
    """Return a draw of k: the first, as rows are in random order, the nearest, or the newest."""
    as_posted = spec.scenario.retrieval == "recent as posted"
    return rows[max(len(rows) - k, 0) :] if as_posted else rows[:k]


def _n_fitting(
    spec: LlmSpec, web: Web, key: Key, label: str, model: LanguageModel, rows: NDArray[np.int32]
) -> int:
    """Return how many rows, from the first, a model's context holds beside an answer."""

    def tokens(size: int) -> int:
        return model.count_tokens(_prompt(spec, web, key, label, _first(spec, rows, size)))

    k, context = len(rows), model.context_length
    if context is None:
        return k
    room = context - spec.sampling[label].max_new_tokens
    if tokens(k) <= room:
        return k
    if spec.context == "error":
        raise RunStoppedError(
            f"at t = {key[2]} {label!r} would read {tokens(k)} tokens, and its context of "
            f"{context} holds {room} beside an answer; run it anew with a lower "
            "beta or n_steps, or with context='fewest'"
        )
    # A prompt with fewer posts is shorter.
    return bisect_right(range(1, k), room, key=tokens)


def _prompt(spec: LlmSpec, web: Web, key: Key, label: str, rows: NDArray[np.int32]) -> Prompt:
    system = spec.system_prompts.get(label)
    return Prompt(tuple(web.texts(rows)), spec.query[key[1]], system, spec.date)
