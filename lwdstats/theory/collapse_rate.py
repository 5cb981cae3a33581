"""How fast diversity falls where what a web keeps is replaced, and the size that this is worth."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

from lwdstats.errors import InputError
from lwdstats.theory.scenarios.stationary import MomentMap, outside, settled


def collapse_rate(initial_weights: ArrayLike | None = None, **options: Any) -> float:
    """Return the share of expected diversity that a step leaves, in the long run.

    Parameters
    ----------
    initial_weights : array_like, shape (n, B) or (B,), optional
        Pi^(0), which says n and B; the rate does not depend on it.
    **options
        `scenario`, `n_models`, `n_responses` and the others that `expected_sq_norm`
        takes, less `n_steps`. The scenario has to be one in which all that a web keeps is
        replaced in time, with ``keep = "last"``, ``("last", m)`` or ``("random", M)``, and no
        source from outside: no fresh posts, noise, frozen models or anchors.

    Returns
    -------
    float
        lambda in ``E [1 - |x|^2] ~ lambda^t``: the largest eigenvalue of the linear recursion of
        second moments, exact for components that do not overlap. 1 where the network is of
        parts that do not read each other.

    Raises
    ------
    InputError
        If an argument can't be used, or diversity does not fall like that: on a web that keeps
        all it stays, and in a reservoir of M it falls like a power; see `long_run`.

    Examples
    --------
    >>> round(collapse_rate(n_models=3, scenario={"keep": "last"}), 4)
    0.9742
    """
    if "n_steps" in options:
        raise InputError("n_steps", options["n_steps"], "nothing here: it is infinite")
    program = settled({"initial_weights": initial_weights, **options})
    setting = program.setting
    source = outside(setting.scenario, 0)
    if source is not None:
        got = f"{getattr(setting.scenario, source)!r}, a source from outside"
        raise InputError(source, got, "none, for a collapse")
    if program.even is not None:
        raise InputError("complexity", setting.spec.complexity, "0, for a collapse")
    step = MomentMap(program)
    return min(step.root(lambda values: step.norm_and_diversity(values)[1]), 1.0)


def effective_size(initial_weights: ArrayLike | None = None, **options: Any) -> float:
    """Return how many posts, drawn anew each step, would lose diversity as fast as a network.

    Parameters
    ----------
    initial_weights, **options
        As of `collapse_rate`.

    Returns
    -------
    float
        ``N_e = 1 / (1 - lambda)``, infinite where lambda is 1.

    Raises
    ------
    InputError
        As `collapse_rate` does.

    Notes
    -----
    The name is that of population genetics: N posts, each copying one of the N before it, lose
    1/N of their diversity a step (the Wright-Fisher model). The mean time to one component
    is about ``2 N_e log 2`` from two even ones.

    Where each step's posts replace those before, to first order in 1/(nL),
    ``N_e = (2 - rho)^2 / [V / n + (1 - rho)^2 / (n L)]``; with models that post after
    they have read, 1 takes the place of ``(2 - rho)^2``.

    References
    ----------
    Ewens (2004), "Mathematical Population Genetics", chapter 3.

    Examples
    --------
    >>> round(effective_size(n_models=3, scenario={"keep": "last"}), 2)
    38.8
    >>> later = {"keep": "last", "posts": "after update"}
    >>> round(effective_size(n_models=3, scenario=later), 2)
    13.44
    """
    lost = 1 - collapse_rate(initial_weights, **options)
    # An eigenvalue of 1 is 1 but for rounding.
    return 1 / lost if lost > 1e-12 else float("inf")
