"""The specification of an LLM network: checked arguments that JSON can hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwdstats.errors import InputError, check_choice, check_integer, is_number
from lwdstats.mixtures.growth import check_beta, retrieval_sizes, web_sizes
from lwdstats.simulate.llm.labels import Models, by_label, label_models, name_of
from lwdstats.simulate.llm.load_posts import Posts, as_posts
from lwdstats.simulate.llm.text import storable
from lwdstats.simulate.models.protocol import LanguageModel, Prompt, Sampling
from lwdstats.streams import check_replicates, resolve_seed

DEFAULT_QUERY = "Please provide EXACTLY one concise sentence about the future prospects of Bitcoin."
DEFAULT_EMBEDDER = "nomic-ai/nomic-embed-text-v1.5"
RETRIEVALS = ("uniform", "nearest")
# Tokens of a line of the list beside its post, at most.
LINE = 3
CONTEXTS = ("error", "fewest")

SystemPrompts = Sequence[str | None] | Mapping[str, str] | str
Number = float | Sequence[float | None] | Mapping[str, float]


@dataclass(frozen=True)
class LlmSpec:
    """Everything that decides what an LLM network answers.

    `models` maps a label to a name, in the order of the network. A model that
    came as an object is recorded by its class, and its spec can't be rerun.
    """

    models: dict[str, str]
    system_prompts: dict[str, str]
    posts: tuple[dict[str, str], ...]
    query: tuple[str, ...]
    n_steps: int
    n_responses: int
    beta: float
    embedder: str
    normalize: bool
    replicates: tuple[int, ...]
    seed: int
    sampling: dict[str, Sampling]
    cut: str | None
    retrieval: str = "uniform"
    context: str = "error"
    retries_empty: int = 2
    batch_size: int = 1

    @property
    def n_web(self) -> Any:
        """|A^(t)|, int64 of shape (T+1,): one post a model and step."""
        return web_sizes(len(self.posts), len(self.models), self.n_steps)

    @property
    def n_retrieved(self) -> Any:
        """k_t, int64 of shape (T+1,), before a context caps it."""
        return retrieval_sizes(self.n_web, self.beta)

    def to_json(self) -> dict[str, Any]:
        """Return the keyword arguments of `simulate_llm` that give this run again."""
        return {
            "simulator": "llm",
            "models": self.models,
            "system_prompts": self.system_prompts,
            "posts": list(self.posts),
            "query": list(self.query),
            "n_steps": self.n_steps,
            "n_responses": self.n_responses,
            "beta": self.beta,
            "embedder": self.embedder,
            "normalize": self.normalize,
            "replicates": list(self.replicates),
            "seed": str(self.seed),
            **{
                name: _shared({label: getattr(s, name) for label, s in self.sampling.items()})
                for name in ("temperature", "top_p", "max_new_tokens")
            },
            "cut": self.cut,
            "retrieval": self.retrieval,
            "context": self.context,
            "retries_empty": self.retries_empty,
            "batch_size": self.batch_size,
        }


def resolve(
    *,
    models: Models,
    posts: Posts | None,
    query: str | Sequence[str],
    system_prompts: SystemPrompts | None,
    embedder: object,
    replicates: int | Sequence[int],
    seed: int | str | None,
    cut: str | None,
    retrieval: str = "uniform",
    context: str = "error",
    retries_empty: int = 2,
    batch_size: int = 1,
    **numbers: Any,
) -> tuple[LlmSpec, dict[str, str | LanguageModel]]:
    """Check the arguments of `simulate_llm`; return the spec and the models by label."""
    named = label_models(models)
    queries = (query,) if isinstance(query, str) else tuple(query)
    if not queries or not all(isinstance(q, str) and q.strip() for q in queries):
        raise InputError("query", query, "a question, or several, that are not empty")
    frame = as_posts(posts)
    columns = [c for c in ("id", "text", "sentiment") if c in frame.columns]
    texts = frame[columns].fillna("").astype(str)
    rows = [[storable(cell) for cell in row] for row in texts.to_numpy().tolist()]
    records = tuple(dict(zip(columns, row, strict=True)) for row in rows)
    if cut is not None:
        check_choice("cut", cut, ["sentence"])
    if not isinstance(numbers["normalize"], bool):
        raise InputError("normalize", numbers["normalize"], "True or False")
    spec = LlmSpec(
        models={label: name_of(model) for label, model in named.items()},
        system_prompts={
            label: prompt
            for label, prompt in by_label(
                "system_prompts", system_prompts, list(named), _is_text, "a prompt"
            ).items()
            if prompt
        },
        posts=records,
        query=tuple(storable(query) for query in queries),
        n_steps=check_integer("n_steps", numbers["n_steps"], minimum=0),
        n_responses=check_integer("n_responses", numbers["n_responses"], minimum=1),
        beta=check_beta(numbers["beta"]),
        embedder=name_of(embedder),
        normalize=numbers["normalize"],
        replicates=check_replicates(replicates),
        seed=resolve_seed(seed),
        sampling=_samplings(
            list(named),
            numbers["temperature"],
            numbers["top_p"],
            numbers["max_new_tokens"],
        ),
        cut=cut,
        retrieval=check_choice("retrieval", retrieval, RETRIEVALS),
        context=check_choice("context", context, CONTEXTS),
        retries_empty=check_integer("retries_empty", retries_empty, minimum=0),
        batch_size=check_integer("batch_size", batch_size, minimum=1),
    )
    return spec, named


def check_context(spec: LlmSpec, models: Mapping[str, LanguageModel]) -> None:
    """Raise before any work if the longest prompt of the run may exceed a context.

    At step T a model may draw the k_T longest posts of the web, whose answers
    have up to `max_new_tokens` tokens each. Where k_t is capped (`context="fewest"`)
    the query alone must fit.
    """
    k = int(spec.n_retrieved[-1]) if spec.context == "error" else 0
    for label, model in models.items():
        context = model.context_length
        if context is None:
            continue
        longest = longest_prompts(spec, label, model.count_tokens, k)
        room = context - spec.sampling[label].max_new_tokens
        if longest[-1] <= room:
            continue
        fit = int(np.searchsorted(longest, room, side="right")) - 1
        raise InputError(
            "models",
            f"{label!r} with a context of {context} tokens and k_T = {k} posts to read",
            f"a prompt that fits: {fit} posts do at their longest; lower n_steps, beta or "
            "max_new_tokens, or cap what is read with context='fewest'"
            if fit >= 0
            else "a query that fits with its answer; lower max_new_tokens",
        )


def longest_prompts(
    spec: LlmSpec, label: str, count: Callable[[Prompt], int], k: int
) -> NDArray[np.int64]:
    """Return the most tokens, shape (k + 1,), that prompts of 0..k posts have by step T."""
    base, costs = prompt_costs(spec, label, count)
    for sampling in spec.sampling.values():
        costs = [*costs, *[sampling.max_new_tokens + LINE] * spec.n_steps]
    return base + np.cumsum([0, *sorted(costs, reverse=True)[:k]])


def prompt_costs(
    spec: LlmSpec, label: str, count: Callable[[Prompt], int]
) -> tuple[int, list[int]]:
    """Return the tokens of a prompt without posts, and what each initial post adds to one."""
    system = spec.system_prompts.get(label)

    def tokens(*posts: str) -> int:
        return max(count(Prompt(posts, query, system)) for query in spec.query)

    texts = [post["text"] for post in spec.posts]
    first = texts[0] if texts else "."
    # The first post brings the heading of the list with it.
    head, base = tokens(first), tokens()
    costs = [tokens(first, text) - head for text in texts]
    heading = max(head - base - (costs[0] if costs else 1 + LINE), 0)
    return base + heading, costs


def _samplings(
    labels: list[str], temperature: Any, top_p: Any, max_new_tokens: Any
) -> dict[str, Sampling]:
    """Return how each model draws its tokens; what is not said of a model is the default."""
    given = {
        name: by_label(name, value, labels, is_number, takes)
        for name, value, takes in (
            ("temperature", temperature, "a number of at least 0"),
            ("top_p", top_p, "a number in (0, 1]"),
            ("max_new_tokens", max_new_tokens, "an integer of at least 1"),
        )
    }
    known = {label: {k: v[label] for k, v in given.items() if label in v} for label in labels}
    return {label: Sampling(**numbers) for label, numbers in known.items()}


def _shared(values: Mapping[str, Any]) -> Any:
    """Return the one value of all models, or the mapping where they differ."""
    first, *others = values.values()
    return first if all(value == first for value in others) else dict(values)


def _is_text(value: object) -> bool:
    return isinstance(value, str)
