"""What a network comes to after many steps, in any scenario in which moments close."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from lwdstats.errors import InputError
from lwdstats.results.pictures import drawing
from lwdstats.results.result import Result
from lwdstats.theory.network import described
from lwdstats.theory.scenarios.flow import FAR, check_moves, flow
from lwdstats.theory.scenarios.moments import course
from lwdstats.theory.scenarios.program import Program
from lwdstats.theory.scenarios.reading import draw_weights
from lwdstats.theory.scenarios.setting import Setting
from lwdstats.theory.scenarios.stationary import MomentMap, outside, settled

# A limit this small beside what it is of is 0 but for rounding.
_NOTHING = 1e-9


@dataclass(frozen=True, eq=False)
class LongRun(Result):
    """What differences and diversity come to, from `long_run`.

    Attributes
    ----------
    norm_law, diversity_law : str
        Of ``E ||D||_F^2``, and of ``E [1 - |x|^2]`` for the mean weight x of all models:
        "constant", "power" or "geometric".
    norm_limit, diversity_limit : float
        What they tend to.
    norm_exponent, diversity_exponent : float
        q where they fall like ``t^-q``, 0 where they tend to a constant, NaN where they fall
        geometrically.
    rate : float
        What a step leaves of both where they fall geometrically, else 1.
    effective_size : float
        ``1 / (1 - rate)``.
    because : str
        Why.
    """

    norm_law: str
    norm_limit: float
    norm_exponent: float
    diversity_law: str
    diversity_limit: float
    diversity_exponent: float
    rate: float
    effective_size: float
    because: str

    def tidy(self) -> pd.DataFrame:
        """Return a row for the norm and one for diversity."""
        rows = {
            "term": ["sq_norm", "diversity"],
            "law": [self.norm_law, self.diversity_law],
            "limit": [self.norm_limit, self.diversity_limit],
            "exponent": [self.norm_exponent, self.diversity_exponent],
            "rate": [self.rate if law == "geometric" else 1.0
                     for law in (self.norm_law, self.diversity_law)],
        }  # fmt: skip
        return pd.DataFrame(rows)

    def lines(self) -> list[str]:
        """Return both laws, and why they hold."""
        return [
            "In the long run (no overlap, no truncation)",
            "",
            f"E ||D||_F^2:       {_said(self.norm_law, self.norm_limit, self.norm_exponent)}",
            f"E [1 - |x|^2]:     "
            f"{_said(self.diversity_law, self.diversity_limit, self.diversity_exponent)}",
            *([f"rate a step:       {self.rate:.6g} (N_e = {self.effective_size:.4g})"]
              if self.rate < 1 else []),
            self.because,
        ]  # fmt: skip

    def _caption(self) -> str:
        return self.because

    def _draw(self, ax: drawing.Axes | None) -> drawing.Axes:
        """Draw how both go to their limits, as shares of what they are at first."""
        ax = drawing.new_axes(ax)
        time = np.geomspace(1, 1e4, 200)
        for name, law, q in (
            (r"$E\,\|D\|_F^2$", self.norm_law, self.norm_exponent),
            ("diversity", self.diversity_law, self.diversity_exponent),
        ):
            left = self.rate**time if law == "geometric" else time**-q
            ax.plot(time, left, label=f"{name}: {law}")
        ax.set(xscale="log", xlabel="time", ylabel="share of the first", ylim=(0, 1.05))
        ax.legend(frameon=False, fontsize="small")
        return ax


def _said(law: str, limit: float, exponent: float) -> str:
    if law == "geometric":
        return "falls geometrically to 0"
    return f"tends to {limit:.4g}" if law == "constant" else f"falls like t^-{exponent:.4g} to 0"


def long_run(initial_weights: ArrayLike | None = None, **options: Any) -> LongRun:
    """Return what differences between models and their diversity come to, and by which law.

    Parameters
    ----------
    initial_weights : array_like, shape (n, B) or (B,), optional
        Pi^(0), as of `expected_sq_norm`.
    **options
        `scenario`, `n_responses` and the others that `expected_sq_norm` takes, with the same
        defaults, less `n_steps`.

    Returns
    -------
    LongRun
        The laws of ``E ||D||_F^2`` and of the diversity of the models' mean weight. Rates,
        exponents, and limits that depend on no chance are exact; others (on a web that keeps all)
        are extrapolated from 8192 steps.

    Raises
    ------
    InputError
        If an argument can't be used, moments do not close, or step sizes fall so fast that
        models stop learning.

    Notes
    -----
    - A web that keeps all, of which more and more is read: differences fall like ``t^-q`` with
      ``q = min(1, 2 (1 - Re mu))``. mu is the second eigenvalue of the map from pools of posts
      to what models that read them post; so q = 1 where all read all. Diversity stays. Sources of
      the models' own, frozen models, or parts that do not read each other, leave
      differences that stay.
    - With a fixed number of reads, what chance gives them never averages out: both stay.
    - A web whose posts are replaced: both fall like ``lambda^t``, see `collapse_rate`; with a
      source from outside, both stay.
    - A reservoir of M posts: both fall like ``t^(-2/M)``.

    Examples
    --------
    >>> print(long_run(n_models=3))
    In the long run (no overlap, no truncation)
    <BLANKLINE>
    E ||D||_F^2:       falls like t^-1 to 0
    E [1 - |x|^2]:     tends to 0.4029
    The web keeps all, and models average over ever more of it.
    >>> long_run(n_models=10, scenario={"readers": "ring"}).norm_exponent.__round__(3)
    0.255
    """
    if "n_steps" in options:
        raise InputError("n_steps", options["n_steps"], "nothing here: it is infinite")
    options = {"initial_weights": initial_weights, **options}
    spec = described(n_steps=2, **options)
    if spec.scenario.keep_rule in ("last", "random"):
        return _replaced(settled(options))
    program = Program(Setting(described(n_steps=2 * FAR, **options)))
    check_moves(program)
    source = outside(spec.scenario, spec.n_initial)
    if spec.scenario.keep_rule == "reservoir" and source is None:
        q = 2 / spec.scenario.keep_size
        because = f"A sample of {spec.scenario.keep_size} posts forgets, the more slowly the later."
        return LongRun("power", 0.0, q, "power", 0.0, q, 1.0, math.inf, because)
    return _kept(program, source)


def _replaced(program: Program) -> LongRun:
    """Return the long run where all posts are replaced in time."""
    step = MomentMap(program)
    source = outside(program.setting.scenario, 0)
    if source is None and program.even is None:
        rate = min(step.root(lambda values: step.norm_and_diversity(values)[1]), 1.0)
        if rate < 1 - 1e-12:
            because = "Posts are replaced, and nothing comes from outside: one component is left."
            geometric = ("geometric", 0.0, math.nan)
            return LongRun(*geometric, *geometric, rate, 1 / (1 - rate), because)
        because = "Posts are replaced, in parts that do not read each other."
    else:
        because = f"Posts are replaced, and {source or 'complexity'} brings in what was lost."
    norm, diversity = step.norm_and_diversity(step.limit())
    constant = ("constant", max(norm, 0.0), 0.0, "constant", diversity, 0.0)
    return LongRun(*constant, 1.0, math.inf, because)


def _kept(program: Program, source: str | None) -> LongRun:
    """Return the long run where the web keeps all, or a sample of all with a source."""
    drift = flow(program)
    n = program.setting.n_models
    falls = _noise_falls(program) and program.setting.scenario.keep == "all"
    if falls and drift.n_free == 0:
        norm, diversity = drift.limit()
    else:
        speed = min(1.0, drift.consensus_exponent())
        found = course(program.setting)
        norm, diversity = (
            _extrapolated(values[[FAR, 2 * FAR]], speed)
            for values in (2 * n * n * found.deviation, found.diversity)
        )
    kept = ("constant", diversity, 0.0, 1.0, math.inf)
    if falls and (drift.n_free == 1 or (not drift.n_free and norm < _NOTHING * n * n)):
        q = min(1.0, 2 * drift.exponent())
        because = "The web keeps all, and models average over ever more of it."
        if source is not None:
            because = f"{because[:-1]}; {source} says where to."
        return LongRun("power", 0.0, q, *kept, because)
    if not falls:
        because = "What chance gives a model to read never averages out."
    elif drift.n_free:
        because = "The web keeps all, in parts that do not read each other."
    else:
        because = f"The web keeps all, and {source} holds models apart."
    return LongRun("constant", norm, 0.0, *kept, because)


def _noise_falls(program: Program) -> bool:
    """Return whether reading averages over ever more posts, for all that read."""
    for group in program.groups:
        if group.reads:
            t = np.array([FAR - 1, 2 * FAR - 1])
            update = program.setting.spec.update
            half, whole = draw_weights(update, group.alpha[t], group.k[t])[2]
            if whole > 0.75 * half:
                return False
    return True


def _extrapolated(values: np.ndarray, speed: float) -> float:
    """Return the limit of what goes to it like ``t^-speed``, from its values at t and 2 t."""
    ratio = 2.0**speed
    return float((ratio * values[1] - values[0]) / (ratio - 1))
