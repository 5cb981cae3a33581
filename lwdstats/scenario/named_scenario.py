"""Set-ups of the literature on interacting models, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError, check_choice, check_integer
from lwdstats.scenario.readers import Graph
from lwdstats.scenario.scenario import Scenario

NAMES = ("fully connected", "within class", "one adversarial", "vulnerable")

Models = int | Sequence[int | str] | Mapping[Any, Any]


def named_scenario(
    name: str,
    models: Models,
    *,
    adversary: int | str | None = None,
    targets: Sequence[int | str] = (),
    every: int = 2,
    n_steps: int | None = None,
    **fields: Any,
) -> Scenario:
    """Return the scenario of a communication structure of Helm et al. (2024).

    Their models ask one other model at a time and are fine-tuned on its answers. Here they
    read posts: whom a model may ask is whom it reads, never itself. Posts without author, such
    as the initial ones, are open to all.

    Parameters
    ----------
    name : {"fully connected", "within class", "one adversarial", "vulnerable"}
        Each reads all others; all others of its class, as given by `models`; all others, and the
        adversary nobody; or by turns: mostly all others but for the adversary, whom nobody reads
        then, and at every so many-th step targets read the adversary alone, and those that are
        neither each other and the targets.
    models : int, sequence of labels, or mapping from labels to classes
        Number of models, or their labels; "within class" needs classes.
    adversary : int or str
        Label of the model that posts and never reads.
    targets : sequence of int or str
        Labels of models.
    every, n_steps : int
        Steps between two attacks, the first at step ``every - 1``; and T of the run.
    **fields
        Other fields of a `Scenario`.

    Raises
    ------
    InputError
        If something is missing, is not needed, or a model would have nobody to read.

    References
    ----------
    Helm, Duderstadt, Park and Priebe, "Tracking the perspectives of interacting language models",
    EMNLP 2024, arXiv 2406.11938, figure 1 and case studies 2 and 3.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> two = lwd.named_scenario("within class", {0: "x", 1: "y", 2: "x", 3: "y"})
    >>> two.networks(range(4))[0].astype(int).tolist()
    [[0, 0, 1, 0], [0, 0, 0, 1], [1, 0, 0, 0], [0, 1, 0, 0]]
    >>> attack = lwd.named_scenario("vulnerable", 4, adversary=3, targets=[0], n_steps=2)
    >>> attack.networks(range(4))[1].astype(int).tolist()
    [[0, 0, 0, 1], [1, 0, 1, 0], [1, 1, 0, 0], [0, 0, 0, 0]]
    >>> ds = lwd.simulate_gmm(4, scenario=attack, n_steps=2, seed=1, step_size=0.1)
    """
    check_choice("name", name, NAMES)
    labels, classes = _labels(models)
    hostile = name in ("one adversarial", "vulnerable")
    bad = _places("adversary", [] if adversary is None else [adversary], labels)
    if hostile != bool(bad):
        takes = "a label of a model" if hostile else f"None for {name!r}"
        raise InputError("adversary", adversary, takes)
    aimed = _places("targets", targets, labels)
    if set(aimed) & set(bad) or (name == "vulnerable") != bool(aimed):
        takes = "labels of models that are attacked" if name == "vulnerable" else "()"
        raise InputError("targets", list(targets), takes)
    others = 1.0 - np.eye(len(labels))
    others[bad] = 0
    if name == "within class":
        if classes is None:
            raise InputError("models", models, "a mapping from labels to classes")
        kinds = np.unique(np.array([str(kind) for kind in classes]), return_inverse=True)[1]
        others *= kinds[:, None] == kinds
    readers: Any = others
    if name == "vulnerable":
        readers = _by_turns(others, bad, aimed, every, n_steps)
    if isinstance(readers, dict):
        readers = {time: Graph(tuple(labels), net) for time, net in readers.items()}
    else:
        readers = Graph(tuple(labels), readers)
    return Scenario(readers=readers, frozen=tuple(labels[i] for i in bad), **fields)


def _labels(models: Models) -> tuple[list[Any], list[Any] | None]:
    """Return labels, and the classes of models where they have some."""
    if isinstance(models, Mapping):
        return list(models), list(models.values())
    if isinstance(models, Sequence) and not isinstance(models, str):
        return list(models), None
    return list(range(check_integer("models", models, minimum=2))), None


def _places(name: str, members: Any, labels: list[Any]) -> list[int]:
    known = [str(label) for label in labels]
    if isinstance(members, str) or not np.iterable(members):
        raise InputError(name, members, "labels of models")
    for member in members:
        if str(member) not in known:
            raise InputError(name, member, f"labels of models: {', '.join(known)}")
    return [known.index(str(member)) for member in members]


def _by_turns(
    others: FloatArray, bad: list[int], aimed: list[int], every: int, n_steps: int | None
) -> dict[int, FloatArray]:
    """Return the networks at rest and under attack, by the time from which they hold."""
    check_integer("every", every, minimum=1)
    if n_steps is None:
        raise InputError("n_steps", None, "T of the run, as attacks come again and again")
    check_integer("n_steps", n_steps, minimum=0)
    rest, attack = others.copy(), others.copy()
    rest[:, bad] = 0
    attack[:, bad] = 0
    attack[aimed] = 0
    attack[np.ix_(aimed, bad)] = 1
    nets: dict[int, FloatArray] = {}
    for t in range(n_steps + 1):
        under = (t + 1) % every == 0
        # Only where the network changes.
        if t == 0 or under != (t % every == 0):
            nets[t] = attack if under else rest
    return nets
