"""The specification of an LLM network: checked arguments that JSON can hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lwdstats.dataset.covariates import Values, check_covariates, covariates_to_json
from lwdstats.dataset.text import storable
from lwdstats.errors import InputError, check_choice, is_number
from lwdstats.scenario.growth import check_beta, read_sizes
from lwdstats.scenario.readers import has_weights
from lwdstats.scenario.scenario import Scenario, check_scenario
from lwdstats.simulate.llm.labels import by_label, label_models, name_of
from lwdstats.simulate.llm.sources import for_texts
from lwdstats.simulate.models.protocol import Embedder, LanguageModel, Prompt, Sampling
from lwdstats.simulate.models.sentences import NEWEST, RULES
from lwdstats.simulate.models.text import fixed_text
from lwdstats.specification import REQUIRED, Specification, argument
from lwdstats.streams import check_replicates, resolve_seed

DEFAULT_QUERY = "Please provide EXACTLY one concise sentence about the future prospects of Bitcoin."
DEFAULT_EMBEDDER = "nomic-ai/nomic-embed-text-v1.5"
# Tokens of a line of the list beside its post, at most.
LINE = 3

SystemPrompts = Sequence[str | None] | Mapping[str, str] | str
Number = float | Sequence[float | None] | Mapping[str, float]


def _check_query(value: Any) -> tuple[str, ...]:
    try:
        queries = (value,) if isinstance(value, str) else tuple(value)
    except TypeError:
        queries = ()
    if not queries or not all(isinstance(q, str) and q.strip() for q in queries):
        raise InputError("query", value, "a question, or several, that are not empty")
    return tuple(storable(query) for query in queries)


def _check_posts(value: Any) -> tuple[dict[str, str], ...]:
    # Here, so that the command's help takes no pandas.
    from lwdstats.simulate.llm.load_posts import as_posts

    frame = as_posts(value)
    columns = [c for c in ("id", "text", "sentiment") if c in frame.columns]
    texts = frame[columns].fillna("").astype(str)
    rows = [[storable(cell) for cell in row] for row in texts.to_numpy().tolist()]
    return tuple(dict(zip(columns, row, strict=True)) for row in rows)


def _check_date(value: Any) -> str:
    if value is None:
        return datetime.now(UTC).date().isoformat()
    try:
        # TOML has dates of its own.
        return date.fromisoformat(str(value)).isoformat()
    except ValueError:
        raise InputError("date", value, "a day as YYYY-MM-DD, or None for today") from None


def _check_cut(value: Any) -> str | None:
    return None if value is None else check_choice("cut", value, ["sentence"])


def _check_sentence_rule(value: Any) -> int:
    if value is None:
        return NEWEST
    if isinstance(value, bool) or value not in RULES:
        takes = f"one of {', '.join(map(str, RULES))}, or None for the newest"
        raise InputError("sentence_rule", value, takes)
    return int(value)


def _check_scenario(value: Scenario, spec: LlmSpec) -> Scenario:
    return for_texts(value, list(spec.models), len(spec.posts), spec.n_steps, spec.beta)


def _check_system_prompts(value: Any, spec: LlmSpec) -> dict[str, str]:
    labels = list(spec.models)
    said = by_label("system_prompts", value, labels, lambda v: isinstance(v, str), "a prompt")
    return {label: prompt for label, prompt in said.items() if prompt}


def _sampling(name: str, takes: str) -> Callable[[Any, LlmSpec], dict[str, Any]]:
    """Return a check of how tokens are drawn; what is not said of a model is the default."""

    def check(value: Any, spec: LlmSpec) -> dict[str, Any]:
        said = by_label(name, value, list(spec.models), is_number, takes)
        each = {label: {name: said[label]} if label in said else {} for label in spec.models}
        return {label: getattr(Sampling(**given), name) for label, given in each.items()}

    return check


def _shared(values: Mapping[str, Any]) -> Any:
    """Return the one value of all models, or the mapping where they differ."""
    first, *others = values.values()
    return first if all(value == first for value in others) else dict(values)


@dataclass(frozen=True, eq=False)
class LlmSpec(Specification):
    """Everything that decides what an LLM network answers.

    `models` maps a label to a name or an object, in the order of the network. What
    came as an object is recorded by its class, and such a spec can't be rerun.
    """

    simulator: ClassVar[str] = "llm"

    models: dict[str, str | LanguageModel] = argument(
        REQUIRED,
        "Folder, hub name, package:NAME, or gguf:PATH; once for each model of the network.",
        list[str],
        check=label_models,
        to_json=lambda models: {label: name_of(model) for label, model in models.items()},
        option="model",
    )
    system_prompts: dict[str, str] = argument(
        None, "System prompt of all models.", check_in=_check_system_prompts
    )
    posts: tuple[dict[str, str], ...] = argument(
        None, "csv, jsonl or parquet file with a column text.", check=_check_posts
    )
    query: tuple[str, ...] = argument(
        DEFAULT_QUERY, "What every model is asked.", check=_check_query
    )
    n_steps: int = argument(60, "T: times 0..T are kept.", int, minimum=0)
    n_responses: int = argument(40, "L: responses a model and step.", int, minimum=1)
    beta: float = argument(
        0.5, "Share of the web that a model reads, in (0, 1].", float, check=check_beta
    )
    embedder: str | Embedder = argument(
        DEFAULT_EMBEDDER, "Folder, hub name, package:NAME, or gguf:PATH.", to_json=name_of
    )
    normalize: bool = argument(False, "Scale embeddings to length 1.", bool)
    replicates: tuple[int, ...] = argument(
        1, "Number of independent runs.", int, check=check_replicates
    )
    seed: int = argument(
        None, "Seed; drawn and recorded if not given.", check=resolve_seed, to_json=str
    )
    temperature: dict[str, float] = argument(
        1.0,
        "0 takes the likeliest token; MODEL=NUMBER for one model of several.",
        dict[str, float],
        check_in=_sampling("temperature", "a number of at least 0"),
        to_json=_shared,
    )
    top_p: dict[str, float] = argument(
        1.0,
        "Nucleus sampling, in (0, 1], or MODEL=NUMBER.",
        dict[str, float],
        check_in=_sampling("top_p", "a number in (0, 1]"),
        to_json=_shared,
    )
    max_new_tokens: dict[str, int] = argument(
        80,
        "Longest answer, in tokens, or MODEL=NUMBER.",
        dict[str, int],
        check_in=_sampling("max_new_tokens", "an integer of at least 1"),
        to_json=_shared,
    )
    date: str = argument(
        None,
        "Day that chat templates write, YYYY-MM-DD; today, recorded, if not given.",
        check=_check_date,
    )
    cut: str | None = argument(
        "sentence",
        "sentence keeps the first one of each answer; none keeps all.",
        str | None,
        check=_check_cut,
    )
    sentence_rule: int = argument(
        None,
        "Version of the rule for where a first sentence ends; the newest, recorded, if not given.",
        int,
        check=_check_sentence_rule,
    )
    scenario: Scenario = argument(
        None,
        "How the web grows and who reads what.",
        Scenario,
        check=check_scenario,
        check_in=_check_scenario,
        to_json=Scenario.to_json,
    )
    context: str = argument(
        "error",
        "Where a prompt may exceed a context: error, or fewest to read fewer posts.",
        choices=("error", "fewest"),
    )
    retries_empty: int = argument(
        2, "How often an empty answer is asked for again.", int, minimum=0
    )
    batch_size: int = argument(
        1, "Prompts, of several replicates and queries, answered together here.", int, minimum=1
    )
    covariates: dict[str, Values] = argument(
        None,
        "csv file of what is known of the models, by a column model.",
        check_in=lambda value, spec: check_covariates(value, list(spec.models)),
        to_json=covariates_to_json,
    )

    @cached_property
    def sampling(self) -> dict[str, Sampling]:
        """How each model draws its tokens."""
        return {
            label: Sampling(self.temperature[label], self.top_p[label], self.max_new_tokens[label])
            for label in self.models
        }

    @property
    def places(self) -> list[tuple[int, int]]:
        """Replicate and index of the query of every web."""
        return [(r, q) for r in self.replicates for q in range(len(self.query))]

    @property
    def has_paper_web(self) -> bool:
        """Whether the paper's web is read, whichever posts of it are, so that nothing is added."""
        return not self.scenario.to_json().keys() - {"retrieval"}

    @cached_property
    def anchored(self) -> list[tuple[int, str]]:
        """Texts that only one model reads, in the order of models: which model, and the text."""
        own = {} if self.scenario.anchors is None else self.scenario.anchors[1]
        return [(i, text) for i, label in enumerate(self.models) for text in own.get(label, ())]

    @cached_property
    def given(self) -> list[str]:
        """All texts that no model writes: initial posts, anchors, and the pools of a scenario."""
        return [text for texts in self.given_by.values() for text in texts]

    @cached_property
    def given_by(self) -> dict[str, list[str]]:
        """The same by the argument that gives them."""
        return {
            "posts": [post["text"] for post in self.posts],
            "anchors": [text for _, text in self.anchored],
            "fresh_from": list(self.scenario.fresh_from or ()),
            "noise_from": list(self.scenario.noise_from or ()),
        }

    @cached_property
    def n_web(self) -> NDArray[np.int64]:
        """|A^(t)|, int64 of shape (T+1,): in the paper one post more a model and step."""
        return self.scenario.n_web(list(self.models), 1, len(self.posts), self.n_steps)

    @cached_property
    def n_pool(self) -> NDArray[np.int64] | None:
        """Posts that a model may read, int64 of shape (T+1,), or (T+1, n) where not all read all.

        None where chance says how many, as the web has a capacity.
        """
        return self.scenario.n_pool(list(self.models), 1, len(self.posts), self.n_steps)

    @cached_property
    def reading(self) -> NDArray[np.bool_]:
        """Which models read, (n,): those that are not frozen."""
        return self.scenario.reading(list(self.models))

    @cached_property
    def networks(self) -> dict[int, Any]:
        """Who reads whom, (n, n), None where all read all, by the time from which it holds."""
        return self.scenario.networks(list(self.models))

    @cached_property
    def n_retrieved(self) -> NDArray[np.int64]:
        """k_t before a context caps it, int64 of shape (T+1,), or (T+1, n) where models differ.

        Where `n_pool` is None it is the most that may come.
        """
        n_read, beta, pool = self.scenario.n_read, self.beta, self.n_pool
        if pool is None:
            most = read_sizes(n_read, beta, np.arange(self.n_web.max() + 1))
            pool_most = np.maximum.accumulate(most)[self.n_web]
            return np.where(self.reading, pool_most[:, None], 0)
        k = read_sizes(n_read, beta, pool)
        if k.ndim == 1 and self.reading.all():
            return k
        return np.where(self.reading, k if k.ndim == 2 else k[:, None], 0)


def check_context(spec: LlmSpec, models: Mapping[str, LanguageModel]) -> None:
    """Raise before any work if the longest prompt of the run may exceed a context.

    A model may draw the longest of all posts that may come to it, whose answers have up
    to `max_new_tokens` tokens each. Where k_t is capped (`context="fewest"`) the query alone
    must fit.
    """
    for label, model in models.items():
        context = model.context_length
        if context is None:
            continue
        k = most_read(spec, label) if spec.context == "error" else 0
        longest = longest_prompts(spec, label, model.count_tokens, k)
        room = context - spec.sampling[label].max_new_tokens
        if longest[-1] <= room:
            continue
        symbol = "k_T" if spec.scenario.is_paper else "k"
        fit = int(np.searchsorted(longest, room, side="right")) - 1
        raise InputError(
            "models",
            f"{label!r} with a context of {context} tokens and {symbol} = {k} posts to read",
            f"a prompt that fits: {fit} posts do at their longest; lower n_steps, beta or "
            "max_new_tokens, or cap what is read with context='fewest'"
            if fit >= 0
            else "a query that fits with its answer; lower max_new_tokens",
        )


def most_read(spec: LlmSpec, label: str) -> int:
    """Return the most posts that a model reads at a step: k_T in the paper."""
    k = spec.n_retrieved
    return int(k.max() if k.ndim == 1 else k[:, list(spec.models).index(label)].max())


def longest_prompts(
    spec: LlmSpec, label: str, count: Callable[[Prompt], int], k: int
) -> NDArray[np.int64]:
    """Return the most tokens, shape (k + 1,), that prompts of 0..k posts have by step T."""
    base, costs, written = prompt_costs(spec, label, count)
    labels, networks = list(spec.models), spec.networks.values()
    at = labels.index(label)
    owner = dict(enumerate((i for i, _ in spec.anchored), start=len(spec.posts)))
    longest = [cost for row, cost in enumerate(costs) if owner.get(row, at) == at]
    posting = spec.scenario.posting(labels)
    for author, cost in enumerate(written):
        if posting[author] and any(net is None or net[at, author] for net in networks):
            longest += [cost] * spec.n_steps
    if any(net is not None and has_weights(net) for net in networks):
        # A post may come more than once.
        longest = [max(longest, default=0)] * k
    return base + np.cumsum([0, *sorted(longest, reverse=True)[:k]])


def prompt_costs(
    spec: LlmSpec, label: str, count: Callable[[Prompt], int]
) -> tuple[int, list[int], list[int]]:
    """Return the tokens of a prompt without posts, and what posts add to one.

    The posts are each given text, and the longest that each model may write.
    """
    system = spec.system_prompts.get(label)

    def tokens(*posts: str) -> int:
        return max(count(Prompt(posts, query, system, spec.date)) for query in spec.query)

    texts = spec.given
    first = texts[0] if texts else "."
    # The first post brings the heading of the list with it.
    head, base = tokens(first), tokens()
    costs = [tokens(first, text) - head for text in texts]
    heading = max(head - base - (costs[0] if costs else 1 + LINE), 0)
    written = []
    for author, model in spec.models.items():
        text = fixed_text(model)
        most = spec.sampling[author].max_new_tokens + LINE
        written.append(most if text is None else tokens(first, text) - head)
    return base + heading, costs, written
