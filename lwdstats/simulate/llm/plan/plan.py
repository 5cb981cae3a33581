"""What a network of language models will cost, before it runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from lwdstats.errors import InputError, check_integer, is_number
from lwdstats.simulate.llm.labels import by_label, name_of
from lwdstats.simulate.llm.plan.result import LlmPlan
from lwdstats.simulate.llm.spec import LINE, LlmSpec, longest_prompts, prompt_costs
from lwdstats.simulate.models.backends import facts_of
from lwdstats.simulate.models.protocol import ModelFacts
from lwdstats.simulate.specs import asked

if TYPE_CHECKING:
    import pandas as pd

Prices = float | Mapping[str, float]


def plan(
    spec: Mapping[str, Any] | xr.Dataset | None = None,
    *,
    answer_tokens: int | None = None,
    price_in: Prices | None = None,
    price_out: Prices | None = None,
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
    A model reads k_t posts in each call, and k_t grows with the web, so tokens read
    grow quadratically in T. Tokens are counted by the model's own tokenizer
    where its files are on this machine, else taken to be a quarter of the
    characters, which `counted_by` says. Initial posts count with their mean
    length and answers with `answer_tokens`, in the shares that they have of the web.

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
    simulator, held = asked({} if spec is None else spec, arguments, "llm")
    if simulator != "llm":
        raise InputError("spec", f"a specification for {simulator!r}", "one for 'llm'")
    run = LlmSpec(**{name: held[name] for name in LlmSpec.arguments() if name in held})
    lengths = {label: sampling.max_new_tokens for label, sampling in run.sampling.items()}
    if answer_tokens is not None:
        most = check_integer("answer_tokens", answer_tokens, minimum=1)
        lengths = {label: min(most, length) for label, length in lengths.items()}
    labels = list(run.models)
    prices = [
        by_label("price_in", price_in, labels, _is_price, "a price of at least 0"),
        by_label("price_out", price_out, labels, _is_price, "a price of at least 0"),
    ]
    takes = "a number of tokens"
    contexts = by_label("context_length", context_length, labels, _is_length, takes)
    facts = {label: facts_of(model) for label, model in run.models.items()}
    reading = {label: _Reading.of(run, label, facts[label], lengths) for label in facts}
    bounds = {label: contexts.get(label) or facts[label].context for label in facts}
    k = _sizes(run, reading, bounds)
    return LlmPlan(
        _steps(run, reading, k, lengths),
        _models(run, facts, reading, bounds, k, lengths, prices),
        max(lengths.values()),
        tuple(_notes(run, facts, reading, bounds, k, answer_tokens is None)),
    )


@dataclass(frozen=True)
class _Reading:
    """Tokens of a model's prompt without posts, and of a mean post at each time, (T+1,)."""

    base: int
    post: Any
    longest: Any

    @classmethod
    def of(
        cls, spec: LlmSpec, label: str, facts: ModelFacts, lengths: Mapping[str, int]
    ) -> _Reading:
        base, costs = prompt_costs(spec, label, facts.count)
        initial = float(np.mean(costs)) if costs else 0.0
        # Every model has written as many posts as any other.
        written = float(np.mean(list(lengths.values())))
        # The share of the web that is not answers; an empty web is read by nobody.
        share = len(costs) / np.maximum(spec.n_web, 1)
        post = share * initial + (1 - share) * (written + LINE)
        longest = longest_prompts(spec, label, facts.count, int(spec.n_retrieved[-1]))
        return cls(base, post, longest)

    def tokens(self, k: Any) -> Any:
        """Return the expected tokens of the prompts of one model, replicate and query, (T+1,)."""
        return self.base + k * self.post


def _sizes(spec: LlmSpec, reading: Mapping[str, _Reading], bounds: Mapping[str, int | None]) -> Any:
    """Return k_t, (T+1,), capped to what all contexts hold if the spec says so."""
    k = spec.n_retrieved
    if spec.context == "fewest":
        for label, read in reading.items():
            bound = bounds[label]
            if bound is not None:
                room = (bound - spec.sampling[label].max_new_tokens - read.base) / read.post
                k = np.minimum(k, np.maximum(np.floor(room), 0).astype(np.int64))
    return k


def _steps(
    spec: LlmSpec, reading: Mapping[str, _Reading], k: Any, lengths: Mapping[str, int]
) -> pd.DataFrame:
    import pandas as pd

    n_runs = len(spec.replicates) * len(spec.query)
    calls = n_runs * len(reading)
    read = n_runs * sum(reader.tokens(k) for reader in reading.values())
    return pd.DataFrame(
        {
            "time": np.arange(spec.n_steps + 1),
            "n_web": spec.n_web,
            "n_retrieved": k,
            "calls": calls,
            "prompt_tokens": np.rint(read).astype(np.int64),
            "answer_tokens": n_runs * sum(_n_written(spec, at) * n for at, n in lengths.items()),
        }
    )


def _models(
    spec: LlmSpec,
    facts: Mapping[str, ModelFacts],
    reading: Mapping[str, _Reading],
    bounds: Mapping[str, int | None],
    k: Any,
    lengths: Mapping[str, int],
    prices: list[dict[str, float]],
) -> pd.DataFrame:
    import pandas as pd

    n_runs = len(spec.replicates) * len(spec.query)
    table, seen = [], set()
    for label, known in facts.items():
        read = float(n_runs * reading[label].tokens(k).sum())
        rows, longest = _n_written(spec, label), spec.sampling[label].max_new_tokens
        written = n_runs * len(k) * rows * lengths[label]
        most = int(reading[label].longest[-1]) + longest
        bound = bounds[label]
        if spec.context == "fewest" and bound is not None:
            most = min(most, bound)
        # Of one batch: its prompts once, their answers each.
        held = min(spec.batch_size, n_runs) * (most - longest + rows * longest)
        # A name that occurs twice is loaded once.
        name = name_of(spec.models[label])
        again = name in seen
        seen.add(name)
        table.append(
            {
                "model": label,
                "counted_by": known.counted_by,
                "context": bound,
                "longest": most,
                "fits": None if bound is None else most <= bound,
                "prompt_tokens": round(read),
                "answer_tokens": written,
                "weights_gb": 0.0 if again else known.weights / 1e9,
                "cache_gb": held * known.cache_per_token / 1e9,
                "cost": math.nan
                if not any(prices)
                else (read * prices[0].get(label, 0) + written * prices[1].get(label, 0)) / 1e6,
            }
        )
    frame = pd.DataFrame(table)
    frame["context"] = frame["context"].astype("Int64")
    frame["fits"] = frame["fits"].astype("boolean")
    return frame


def _notes(
    spec: LlmSpec,
    facts: Mapping[str, ModelFacts],
    reading: Mapping[str, _Reading],
    bounds: Mapping[str, int | None],
    k: Any,
    at_most: bool,
) -> list[str]:
    notes = []
    if at_most:
        notes.append(
            f"answers are taken to be as long as they may, {_longest(spec)} tokens; "
            "answer_tokens= takes a likelier length."
        )
    guessed = [label for label in facts if facts[label].counted_by == "estimate"]
    if guessed:
        notes.append(
            f"tokens of {', '.join(guessed)} are an estimate, a quarter of the characters, as "
            "their tokenizers are not on this machine."
        )
    if spec.context == "fewest" and (k < spec.n_retrieved).any():
        t = int(np.argmax(k < spec.n_retrieved))
        notes.append(f"from about t = {t} on a context caps what all models read.")
    for label, bound in bounds.items():
        if spec.context == "error" and bound is not None:
            most = reading[label].longest[-1] + spec.sampling[label].max_new_tokens
            if most > bound:
                notes.append(
                    f"{label}: a prompt of {most:,} tokens with its answer may come, and its "
                    f"context holds {bound:,}, so the run is refused; context='fewest' caps it."
                )
    here = [label for label in facts if facts[label].weights > 0]
    if len({name_of(spec.models[label]) for label in here}) > 1:
        notes.append(
            "models share a device; one that holds the largest of them and its cache will do, as "
            "weights leave it where others need the room, which takes time at every step."
        )
    served = [label for label in facts if facts[label].weights == 0]
    if served and spec.n_responses > 1:
        notes.append(
            "a server that gives one answer a request reads each prompt "
            f"{spec.n_responses} times, and bills it so."
        )
    return notes


def _n_written(spec: LlmSpec, label: str) -> int:
    """Return the answers that are written to one prompt: one that is repeated, without chance."""
    return 1 if spec.sampling[label].temperature == 0 else spec.n_responses


def _longest(spec: LlmSpec) -> str:
    lengths = sorted({sampling.max_new_tokens for sampling in spec.sampling.values()})
    return " to ".join(map(str, dict.fromkeys((lengths[0], lengths[-1]))))


def _is_price(value: object) -> bool:
    return is_number(value) and float(value) >= 0  # type: ignore[arg-type]


def _is_length(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
