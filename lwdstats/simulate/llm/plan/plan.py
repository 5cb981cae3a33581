"""What a network of language models will cost, before it runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError, check_integer
from lwdstats.simulate.llm.labels import by_label, name_of
from lwdstats.simulate.llm.plan.reads import ANCHOR_POST, FRESH, INITIAL, NOISE_POST, expected_reads
from lwdstats.simulate.llm.plan.result import LlmPlan
from lwdstats.simulate.llm.sources import with_retrieval
from lwdstats.simulate.llm.spec import LINE, LlmSpec, longest_prompts, most_read, prompt_costs
from lwdstats.simulate.llm.storing.spending import CAPS, Caps, Prices
from lwdstats.simulate.models.backends import facts_of
from lwdstats.simulate.models.protocol import ModelFacts
from lwdstats.simulate.models.text import fixed_text
from lwdstats.simulate.specs import asked


def plan(
    spec: Mapping[str, Any] | xr.Dataset | None = None,
    *,
    answer_tokens: int | None = None,
    price_in: Prices | None = None,
    price_out: Prices | None = None,
    max_cost: float | None = None,
    max_tokens_total: int | None = None,
    context_length: int | Mapping[str, int] | None = None,
    **arguments: Any,
) -> LlmPlan:
    """Say what a network of language models will cost, without asking one.

    Parameters
    ----------
    spec : mapping or xarray.Dataset, optional
        As `run_spec` takes it.
    answer_tokens : int, optional
        Tokens of an answer; by default all that `max_new_tokens` allows.
    price_in, price_out : float or mapping from labels of models, optional
        Price of a million tokens read and written; models that a mapping leaves
        out are free.
    max_cost, max_tokens_total : float and int, optional
        Caps, as `simulate_llm` takes them; the plan says whether the run stays within.
    context_length : int or mapping from labels of models, optional
        For models on a server, which is not asked.
    **arguments
        Arguments of `simulate_llm` that replace those of `spec`.

    Returns
    -------
    LlmPlan
        Print it to read it.

    Raises
    ------
    InputError
        If an argument can't be used, or the specification is not of language models.

    Notes
    -----
    A model reads k_t posts in each call; in the paper k_t grows with the web, so tokens read
    grow quadratically in T. Other scenarios have a k_t of their own, in `reads` by model. Tokens
    are counted by the model's own tokenizer where its files are on this machine, else taken to be
    a quarter of the characters, which `counted_by` says. Given posts of each kind count with
    their mean length and answers with `answer_tokens`, in the shares that they have of what is
    read.

    A call is one prompt with all its answers. Keys and values of the prompt are held
    once, those of answers for each, `batch_size` prompts at a time; memory for activations
    comes on top. A device that does not hold the weights of all models has them take turns.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> from lwdstats.simulate.llm.plan.plan import plan
    >>> p = plan(models=["openai:gpt-4o-mini"], n_steps=2, n_responses=4, price_in=1, price_out=4)
    >>> p.steps[["time", "n_web", "n_retrieved", "calls", "answer_tokens"]]
       time  n_web  n_retrieved  calls  answer_tokens
    0     0     20           10      1            320
    1     1     21           10      1            320
    2     2     22           11      1            320
    """
    told = {
        "price_in": price_in,
        "price_out": price_out,
        "max_cost": max_cost,
        "max_tokens_total": max_tokens_total,
    }
    arguments |= {name: value for name, value in told.items() if value is not None}
    simulator, held = asked({} if spec is None else spec, arguments, "llm")
    if simulator != "llm":
        raise InputError("spec", f"a specification for {simulator!r}", "one for 'llm'")
    held["scenario"] = with_retrieval(held.get("scenario"), held.get("retrieval"))
    run = LlmSpec(**{name: held[name] for name in LlmSpec.arguments() if name in held})
    labels = list(run.models)
    lengths = {label: sampling.max_new_tokens for label, sampling in run.sampling.items()}
    if answer_tokens is not None:
        most = check_integer("answer_tokens", answer_tokens, minimum=1)
        lengths = {label: min(most, length) for label, length in lengths.items()}
    caps = Caps.of(labels, *(held.get(name) for name in CAPS))
    prices = [caps.price_in, caps.price_out]
    contexts = by_label("context_length", context_length, labels, _is_length, "a number of tokens")
    reads = expected_reads(run)
    models = [
        _Model.of(run, label, contexts.get(label), lengths, reads.shares[:, i])
        for i, label in enumerate(labels)
    ]
    k = reads.k
    if run.context == "fewest":
        for i in np.flatnonzero(run.reading):
            k = np.minimum(k, models[i].room(k[:, i])[:, None])
    return LlmPlan(
        _steps(run, models, k),
        _models(run, models, k, prices),
        pd.DataFrame(k, columns=labels, index=pd.RangeIndex(len(k), name="time")),
        max(lengths.values()),
        tuple(_notes(run, models, k < reads.k, answer_tokens is None)),
        caps.max_cost,
        caps.max_tokens_total,
    )


@dataclass(frozen=True)
class _Model:
    """What decides the cost of one model.

    Attributes
    ----------
    label, name : str
        The name may be that of several labels.
    facts : ModelFacts
    context : int or None
    base : int
        Tokens of a prompt without posts.
    post : (T+1,) float64
        Expected tokens of a post at each time.
    most : int
        Most tokens that a prompt may have with its answer.
    n_answers : int
        Answers written to one prompt.
    answer, longest_answer : int
        Tokens of an answer, as it is taken to be and at most.
    """

    label: str
    name: str
    facts: ModelFacts
    context: int | None
    base: int
    post: FloatArray
    most: int
    n_answers: int
    answer: int
    longest_answer: int

    @classmethod
    def of(
        cls,
        spec: LlmSpec,
        label: str,
        context: int | None,
        lengths: Mapping[str, int],
        shares: FloatArray,
    ) -> _Model:
        facts, sampling = facts_of(spec.models[label]), spec.sampling[label]
        context = context or facts.context
        base, costs, longest = prompt_costs(spec, label, facts.count)
        bots = [fixed_text(model) is not None for model in spec.models.values()]
        written = np.array(longest, dtype=np.float64)
        answers = np.array([lengths[author] for author in spec.models])
        written[~np.array(bots)] = answers[~np.array(bots)] + LINE
        given = _means(spec, label, costs)
        post = shares @ np.concatenate([written, given])
        prompts = longest_prompts(spec, label, facts.count, most_read(spec, label))
        most = int(prompts[-1]) + sampling.max_new_tokens
        name = name_of(spec.models[label])
        if fixed_text(spec.models[label]) is not None:
            # A bot reads nothing, and what it says is there.
            return cls(label, name, facts, context, 0, 0 * post, 0, 0, 0, 0)
        if spec.context == "fewest" and context is not None:
            most = min(most, context)
        return cls(
            label=label,
            name=name,
            facts=facts,
            context=context,
            base=base,
            post=post,
            most=most,
            # One that is repeated, without chance.
            n_answers=1 if sampling.temperature == 0 else spec.n_responses,
            answer=lengths[label],
            longest_answer=sampling.max_new_tokens,
        )

    @property
    def fits(self) -> bool | None:
        """Whether the context holds the longest prompt, None where it is not known."""
        return None if self.context is None else self.most <= self.context

    def reads(self, k: Any) -> Any:
        """Return the expected tokens of the prompts of one replicate and query, (T+1,)."""
        return self.base + k * self.post

    def room(self, k: Any) -> Any:
        """Return how many of its k posts the context holds at each time, inf for all, (T+1,)."""
        if self.context is None:
            return np.full(len(k), np.inf)
        room = (self.context - self.longest_answer - self.base) / np.maximum(self.post, 1)
        room = np.maximum(np.floor(room), 0)
        return np.where(room < k, room, np.inf)


def _means(spec: LlmSpec, label: str, costs: list[int]) -> FloatArray:
    """Return the mean tokens of initial, fresh and noise posts and of own anchors, (4,)."""
    means, start = np.zeros(4), 0
    at = list(spec.models).index(label)
    kinds = (INITIAL, ANCHOR_POST, FRESH, NOISE_POST)
    for kind, (name, texts) in zip(kinds, spec.given_by.items(), strict=True):
        some = costs[start : start + len(texts)]
        if name == "anchors":
            owners = [owner for owner, _ in spec.anchored]
            some = [cost for cost, owner in zip(some, owners, strict=True) if owner == at]
        means[kind] = np.mean(some) if some else 0.0
        start += len(texts)
    return means


def _steps(spec: LlmSpec, models: list[_Model], k: Any) -> pd.DataFrame:
    n_runs = len(spec.places)
    read = n_runs * sum(model.reads(k[:, i]) for i, model in enumerate(models))
    each = k[:, spec.reading].mean(1) if spec.reading.any() else k[:, 0]
    return pd.DataFrame(
        {
            "time": np.arange(spec.n_steps + 1),
            "n_web": spec.n_web,
            "n_retrieved": each.astype(np.int64) if (each % 1 == 0).all() else each,
            "calls": n_runs * len(models),
            "prompt_tokens": np.rint(read).astype(np.int64),
            "answer_tokens": n_runs * sum(model.n_answers * model.answer for model in models),
        }
    )


def _models(
    spec: LlmSpec, models: list[_Model], k: Any, prices: list[dict[str, float]]
) -> pd.DataFrame:
    n_runs = len(spec.places)
    table, seen = [], set()
    for i, model in enumerate(models):
        read = float(n_runs * model.reads(k[:, i]).sum())
        written = n_runs * len(k) * model.n_answers * model.answer
        price_in, price_out = (price.get(model.label, 0) for price in prices)
        # Of one batch: its prompts once, their answers each.
        held = model.most + (model.n_answers - 1) * model.longest_answer
        held *= min(spec.batch_size, n_runs)
        table.append(
            {
                "model": model.label,
                "counted_by": model.facts.counted_by,
                "context": model.context,
                "longest": model.most,
                "fits": model.fits,
                "prompt_tokens": round(read),
                "answer_tokens": written,
                # A name that occurs twice is loaded once.
                "weights_gb": 0.0 if model.name in seen else model.facts.weights / 1e9,
                "cache_gb": held * model.facts.cache_per_token / 1e9,
                "cost": (read * price_in + written * price_out) / 1e6 if any(prices) else math.nan,
            }
        )
        seen.add(model.name)
    return pd.DataFrame(table).astype({"context": "Int64", "fits": "boolean"})


def _notes(spec: LlmSpec, models: list[_Model], capped: Any, at_most: bool) -> list[str]:
    notes = []
    if at_most and any(model.n_answers for model in models):
        lengths = sorted(model.longest_answer for model in models if model.n_answers)
        longest = " to ".join(map(str, dict.fromkeys((lengths[0], lengths[-1]))))
        notes.append(
            f"answers are taken to be as long as they may, {longest} tokens; "
            "answer_tokens= takes a likelier length."
        )
    guessed = [model.label for model in models if model.facts.counted_by == "estimate"]
    if guessed:
        notes.append(
            f"tokens of {', '.join(guessed)} are an estimate, a quarter of the characters, as "
            "their tokenizers are not on this machine."
        )
    if capped.any():
        first = int(np.argmax(capped.any(1)))
        notes.append(f"from about t = {first} on a context caps what all models read.")
    notes += [
        f"{model.label}: a prompt of {model.most:,} tokens with its answer may come, and its "
        f"context holds {model.context:,}, so the run is refused; context='fewest' caps it."
        for model in models
        if model.fits is False
    ]
    if len({model.name for model in models if model.facts.weights > 0}) > 1:
        notes.append(
            "models share a device; one that holds the largest of them and its cache will do, as "
            "weights leave it where others need the room, which takes time at every step."
        )
    if spec.n_responses > 1 and any(
        model.facts.weights == 0 and model.n_answers for model in models
    ):
        notes.append(
            "a server that gives one answer a request reads each prompt "
            f"{spec.n_responses} times, and bills it so."
        )
    return notes


def _is_length(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
