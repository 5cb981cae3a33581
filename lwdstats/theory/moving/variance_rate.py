"""How fast variances grow or fall where each step's posts replace those of before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError
from lwdstats.mixtures.spec import MovingMixtureSpec
from lwdstats.results.pictures import drawing
from lwdstats.results.result import Result
from lwdstats.theory.moving.recursion import MovingProgram
from lwdstats.theory.moving.setting import MovingSpec
from lwdstats.theory.scenarios.reading import draw_weights

# Steps after which the growth of expected variances is that of all later ones.
_STEPS = 400


@dataclass(frozen=True, eq=False)
class VarianceRate(Result):
    """Growth of variances a step, from `variance_rate`; (B,) each.

    Attributes
    ----------
    component : int64
        0..B-1.
    mean_rate : float64
        Relative growth of the expected variance E C, to first order in 1/(nL).
    log_rate : float64
        Growth of log C, to first order: that of a typical run.
    exact_rate : float64
        Relative growth of E C, exact; NaN where there are more components than one.
    variance_rule : str
        How covariances learn.
    """

    component: Any
    mean_rate: FloatArray
    log_rate: FloatArray
    exact_rate: FloatArray
    variance_rule: str

    def tidy(self) -> pd.DataFrame:
        """Return a row a component."""
        names = ("component", "mean_rate", "log_rate", "exact_rate")
        return pd.DataFrame({name: getattr(self, name) for name in names})

    def lines(self) -> list[str]:
        """Return the rates."""
        head = "Growth of variances a step, where posts are replaced"
        return [head, "", *self.tidy().to_string(index=False, float_format="%.4f").splitlines()]

    def _caption(self) -> str:
        return self.lines()[0]

    def _draw(self, ax: drawing.Axes | None) -> drawing.Axes:
        """Draw what 100 steps make of each variance, in expectation and in a typical run."""
        ax, time = drawing.new_axes(ax), np.arange(101)
        for b, (mean, log) in enumerate(zip(self.mean_rate, self.log_rate, strict=True)):
            (line,) = ax.plot(time, (1 + mean) ** time, label=f"E C, component {b}")
            ax.plot(time, np.exp(log * time), "--", color=line.get_color(), label="typical C")
        ax.set(yscale="log", xlabel="steps", ylabel="variance over the first")
        drawing.legend(ax)
        return ax


def variance_rate(initial_weights: ArrayLike | None = None, **options: Any) -> VarianceRate:
    """Return how fast variances grow or fall in a web whose posts are replaced.

    Parameters
    ----------
    initial_weights : array_like, shape (B,), optional
        The weights at consensus, which are taken to stay; by default even ones.
    **options
        What `simulate_gmm` takes of `n_models`, `n_responses`, `beta`, `step_size`, `scenario`
        (``{"keep": "last"}`` by default, with steps and `posts` as wanted), `update` and
        `variance_rule`, with the same defaults, but for one component.

    Returns
    -------
    VarianceRate
        By component. One component: also exact, the largest root of the recursion.

    Raises
    ------
    InputError
        If an argument can't be used, or models read anything but the last steps' posts of all.

    Notes
    -----
    With the share rho that a step leaves of a mean, ``w = (1 - rho) (m + 1) / 2`` on a web of the
    last m steps' posts, and N_e as in `effective_size`, but of this component's posts,

        E C grows by  a (1 - rho) / (1 + w) - 1 / N_e,    log C by  a (1 - rho) / (1 + w) - 2 / N_e,

    where old residuals are squared ("zivkovic"), w being 0 where posts come after the update and
    m = 1. With "welford" the first term is not there: that is the collapse of the literature.
    Component b of several, far apart, is a law of its own with ``a = alpha / pi_b``, which reads
    k pi_b points and posts L pi_b: so small components grow faster.

    References
    ----------
    Zivkovic and van der Heijden (2004), "Recursive unsupervised learning of finite mixture models".

    Examples
    --------
    >>> print(variance_rate(n_models=3, n_responses=10))
    Growth of variances a step, where posts are replaced
    <BLANKLINE>
     component  mean_rate  log_rate  exact_rate
             0     0.0189    0.0117      0.0197
    >>> variance_rate([0.25, 0.75], n_models=3, n_responses=40).mean_rate.round(4)
    array([0.0189, 0.0063])
    """
    if "n_steps" in options:
        raise InputError("n_steps", options["n_steps"], "nothing here: it is infinite")
    # Of what is no array of numbers the check of the weights says what is wrong.
    weighted = isinstance(initial_weights, list | tuple | np.ndarray)
    given: dict[str, Any] = {
        "n_components": len(initial_weights) if weighted else 1,
        "scenario": {"keep": "last"},
        "moving": ("mean", "covariance"),
    } | options
    first: dict[str, Any] = {"initial_weights": initial_weights}
    spec = MovingMixtureSpec(n_steps=1, **first, **given)
    if "covariance" not in spec.moving:
        raise InputError("moving", repr(spec.moving), "('mean', 'covariance')")
    if spec.variance_rule == "zivkovic" and spec.update != "sequential":
        got = f"{spec.update!r} with squared old residuals"
        raise InputError("update", got, "'sequential', or variance_rule = 'welford'")
    steps = _window(spec)
    spec = MovingMixtureSpec(n_steps=steps + 1, **first, **given)
    weights = spec.initial_weights
    weights = np.full(spec.n_components, 1 / spec.n_components) if weights is None else weights
    if weights.ndim != 1:
        raise InputError("initial_weights", f"shape {weights.shape}", "one law for all, (B,)")
    growth, lost = _first_order(spec, weights, steps)
    exact = np.full(weights.size, np.nan)
    if weights.size == 1:
        exact[0] = _exact(given)
    rule = str(spec.variance_rule)
    return VarianceRate(np.arange(weights.size), growth - lost, growth - 2 * lost, exact, rule)


def _window(spec: MovingMixtureSpec) -> int:
    """Return how many steps' posts the web keeps; raise where models read anything else."""
    scenario = spec.scenario
    plain = {"keep", "posts", "n_read"}
    others = [name for name in scenario.to_json() if name not in plain]
    if others or scenario.keep_rule != "last":
        name = others[0] if others else "keep"
        got = f"{getattr(scenario, name)!r}"
        raise InputError(name, got, "a web of the last steps' posts, keep = ('last', steps)")
    if spec.n_initial:
        raise InputError("initial_points", f"{spec.n_initial} points", "None: they do not last")
    return scenario.keep_size


def _first_order(
    spec: MovingMixtureSpec, weights: FloatArray, steps: int
) -> tuple[FloatArray, FloatArray]:
    """Return growth by squared old residuals, and 1 / N_e, of each component."""
    k, n_posted = spec.n_retrieved[-1:], spec.n_models * spec.n_responses
    if k[0] == 0:
        raise InputError("beta", spec.beta, "a share of which models read some points")
    reads, n_web = k[0] * weights, spec.n_web[-1] * weights
    alpha = np.minimum(np.nan_to_num(spec.alpha[-1:]) / weights, 1.0)
    if spec.update == "sequential":
        rho = (1 - alpha) ** reads
        s1, s2 = 1 - rho, alpha / (2 - alpha) * (1 - rho**2)
        push = alpha * s1
    else:
        _, s1, s2 = draw_weights(spec.update, alpha[:1], k)
        # Of the same share of each component's points, which are fewer.
        s1, s2, push = s1 * np.ones(weights.size), s2 / weights, np.zeros(weights.size)
    noise = np.maximum(s2 * n_web - s1**2, 0.0) / np.maximum(n_web - 1, 1e-12)
    own = noise / spec.n_models + s1**2 / (n_posted * weights)
    after = spec.scenario.posts == "after update"
    memory = 1 + s1 * ((steps - 1) / 2 if after else (steps + 1) / 2)
    old = push / memory if spec.variance_rule == "zivkovic" else np.zeros(weights.size)
    return old, own / memory**2


def _exact(options: dict[str, Any]) -> float:
    """Return the growth of E C in the long run, of one component."""
    known: dict[str, Any] = {"means": [0.0]} | options
    spec = MovingSpec(**known, n_steps=_STEPS)
    program = MovingProgram(spec)
    form, own = program.program.weights_of_models()
    found = [(now.square @ form).sum() - (own * now.gram.sum(0)).sum() for now in program.run()]
    return float(found[-1] / found[-2] - 1)
