"""The texts that a scenario brings to a network of language models, and what it can't do there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lwdstats.dataset.text import storable
from lwdstats.errors import InputError, check_choice
from lwdstats.scenario.growth import read_sizes
from lwdstats.scenario.reading import NOISE, REAL
from lwdstats.scenario.scenario import RETRIEVAL, Scenario, check_scenario
from lwdstats.simulate.llm.load_posts import as_posts

_KINDS = {"fresh": REAL, "noise": NOISE}


def with_retrieval(scenario: Any, retrieval: str | None) -> Scenario:
    """Return a scenario with what the argument `retrieval` says, which it may not contradict."""
    scenario = check_scenario(scenario)
    if retrieval is None:
        return scenario
    check_choice("retrieval", retrieval, RETRIEVAL)
    if "retrieval" in scenario.to_json() and retrieval != scenario.retrieval:
        got = f"{retrieval!r} beside a scenario that says {scenario.retrieval!r}"
        raise InputError("retrieval", got, "nothing, as the scenario says it")
    return replace(scenario, retrieval=retrieval)


def for_texts(
    scenario: Scenario, labels: Sequence[str], n_initial: int, n_steps: int, beta: float
) -> Scenario:
    """Return a scenario with its texts read from files; raise where a network can't run in it."""
    if scenario.real_weight is not None:
        takes = (
            "None: a language model reads a prompt, in which no post has a weight; see read_real"
        )
        raise InputError("real_weight", scenario.real_weight, takes)
    sources = {f"{name}_from": _texts(scenario, name) for name in _KINDS if getattr(scenario, name)}
    scenario = replace(scenario, anchors=_anchors(scenario, labels), **sources)
    scenario.reading(labels)
    log = scenario.log(labels, 1, n_initial, n_steps)
    for name, kind in _KINDS.items():
        needed, pool = (
            int(((log.kind == kind) & (log.time >= 0)).sum()),
            sources.get(f"{name}_from"),
        )
        if pool is not None and needed > len(pool):
            takes = f"at least {needed}, as each is used once in {n_steps} steps"
            raise InputError(f"{name}_from", f"{len(pool)} posts", takes)
    # What may be read, and how much of it, are known to be sound before anything is asked.
    n_pool = scenario.n_pool(labels, 1, n_initial, n_steps)
    if n_pool is None:
        n_pool = np.arange(scenario.n_web(labels, 1, n_initial, n_steps).max() + 1)
    read_sizes(scenario.n_read, beta, n_pool)
    return scenario


def _texts(scenario: Scenario, name: str) -> tuple[str, ...]:
    """Return the pool from which posts of a kind are taken."""
    argument, takes = f"{name}_from", "texts, or a file of posts with a column text"
    source = getattr(scenario, argument)
    if source is None:
        got = f"nothing, while {name} is {getattr(scenario, name)}"
        raise InputError(argument, got, takes)
    if not isinstance(source, str) and not isinstance(source[0], str):
        raise InputError(argument, "numbers", takes)
    return tuple(storable(text) for text in as_posts(source, argument)["text"])


def _anchors(scenario: Scenario, labels: Sequence[str]) -> Any:
    if scenario.anchors is None:
        return None
    share, texts = scenario.anchors
    if not isinstance(texts, dict):
        raise InputError("anchors", "numbers", "(share, texts by label of model)")
    unknown = [label for label in texts if label not in labels]
    if unknown:
        raise InputError("anchors", f"labels {unknown}", f"labels of models, {list(labels)}")
    own = {label: as_posts(some, "anchors")["text"] for label, some in texts.items()}
    return share, {label: tuple(map(storable, some)) for label, some in own.items()}
