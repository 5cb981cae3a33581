"""The specification of an LLM network: checked arguments that JSON can hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwdstats.errors import InputError, check_choice, check_integer
from lwdstats.growth import check_beta, retrieval_sizes, web_sizes
from lwdstats.simulate.models.packaged import PREFIX
from lwdstats.simulate.models.protocol import LanguageModel, Prompt, Sampling
from lwdstats.simulate.posts import Posts, as_posts
from lwdstats.simulate.replicates import check_replicates
from lwdstats.simulate.storable import storable
from lwdstats.simulate.streams import resolve_seed

DEFAULT_QUERY = "Please provide EXACTLY one concise sentence about the future prospects of Bitcoin."
DEFAULT_EMBEDDER = "nomic-ai/nomic-embed-text-v1.5"
# What a name of a model on a server begins with.
REMOTE = "openai:"
RETRIEVALS = ("uniform", "nearest")
# Tokens of a line of the list beside its post, at most.
LINE = 3
CONTEXTS = ("error", "fewest")

Models = Sequence[str | LanguageModel] | Mapping[str, str | LanguageModel]
SystemPrompts = Sequence[str | None] | Mapping[str, str] | str


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
    temperature: float
    top_p: float
    max_new_tokens: int
    cut: str | None
    retrieval: str = "uniform"
    context: str = "error"
    retries_empty: int = 2

    @property
    def sampling(self) -> Sampling:
        """How answers are drawn."""
        return Sampling(self.temperature, self.top_p, self.max_new_tokens)

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
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_new_tokens": self.max_new_tokens,
            "cut": self.cut,
            "retrieval": self.retrieval,
            "context": self.context,
            "retries_empty": self.retries_empty,
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
    **numbers: Any,
) -> tuple[LlmSpec, dict[str, str | LanguageModel]]:
    """Check the arguments of `simulate_llm`; return the spec and the models by label."""
    named = _label(models)
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
        models={label: _name(model) for label, model in named.items()},
        system_prompts=_system_prompts(system_prompts, list(named)),
        posts=records,
        query=tuple(storable(query) for query in queries),
        n_steps=check_integer("n_steps", numbers["n_steps"], minimum=0),
        n_responses=check_integer("n_responses", numbers["n_responses"], minimum=1),
        beta=check_beta(numbers["beta"]),
        embedder=_name(embedder),
        normalize=numbers["normalize"],
        replicates=check_replicates(replicates),
        seed=resolve_seed(seed),
        temperature=numbers["temperature"],
        top_p=numbers["top_p"],
        max_new_tokens=numbers["max_new_tokens"],
        cut=cut,
        retrieval=check_choice("retrieval", retrieval, RETRIEVALS),
        context=check_choice("context", context, CONTEXTS),
        retries_empty=check_integer("retries_empty", retries_empty, minimum=0),
    )
    _ = spec.sampling  # checks temperature, top_p and max_new_tokens
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
        room = context - spec.max_new_tokens
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
    n_answers = int(spec.n_web[-1]) - len(costs)
    costs = [*costs, *[spec.max_new_tokens + LINE] * n_answers]
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


def _label(models: Models) -> dict[str, str | LanguageModel]:
    takes = "names or models, at least one, or a mapping from labels to them"
    if isinstance(models, Mapping):
        named = dict(models)
    elif isinstance(models, Sequence) and not isinstance(models, str):
        labels = [_short(_name(model)) for model in models]
        repeated = Counter(labels)
        seen: Counter[str] = Counter()
        named = {}
        for label, model in zip(labels, models, strict=True):
            seen[label] += 1
            named[f"{label} #{seen[label]}" if repeated[label] > 1 else label] = model
    else:
        raise InputError("models", models, takes)
    for label, model in named.items():
        usable = isinstance(model, LanguageModel) or (isinstance(model, str) and model.strip())
        if not usable or not isinstance(label, str) or not label.strip():
            raise InputError("models", {label: model}, takes)
    if not named:
        raise InputError("models", models, takes)
    return named


def _name(model: object) -> str:
    if isinstance(model, str):
        return model
    return str(getattr(model, "name", f"<{type(model).__name__}>"))


def _short(name: str) -> str:
    return name.removeprefix(PREFIX).removeprefix(REMOTE).rstrip("/").rsplit("/", 1)[-1]


def _system_prompts(prompts: SystemPrompts | None, labels: list[str]) -> dict[str, str]:
    takes = "one for each model (None for none), a mapping from labels to prompts, or one for all"
    if prompts is None:
        return {}
    if isinstance(prompts, str):
        return dict.fromkeys(labels, prompts)
    if isinstance(prompts, Mapping):
        unknown = [label for label in prompts if label not in labels]
        if unknown:
            raise InputError("system_prompts", f"labels {unknown}", f"labels of models, {labels}")
        pairs = list(prompts.items())
    else:
        if len(prompts) != len(labels):
            raise InputError("system_prompts", f"{len(prompts)} for {len(labels)} models", takes)
        pairs = list(zip(labels, prompts, strict=True))
    if not all(prompt is None or isinstance(prompt, str) for _, prompt in pairs):
        raise InputError("system_prompts", prompts, takes)
    return {label: prompt for label, prompt in pairs if prompt}
