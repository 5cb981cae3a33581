"""Exact moments of single normal laws whose means and covariances move."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from lwdstats.arrays import FloatArray
from lwdstats.results.pictures import drawing
from lwdstats.results.result import Result
from lwdstats.theory.moving.recursion import Moments, MovingProgram
from lwdstats.theory.moving.setting import MovingSpec


@dataclass(frozen=True, eq=False)
class MovingMoments(Result):
    """Expected variances and distances over time, from `moving_moments`; (T+1,) each.

    In more than one dimension all are summed over features.

    Attributes
    ----------
    time : int64
        0..T.
    model_variance : float64
        ``E mean_i tr C_i``, of a point that a model draws, about its mean.
    network_variance : float64
        Of a point that some model draws, about the mean x of all means.
    web_variance : float64
        Of a point on the web, about the web's mean; NaN while it is empty.
    consensus_variance : float64
        ``E |x - E x|^2``: how far chance takes x.
    expected_sq_norm : float64
        ``E sum_ij |mu_i - mu_j|^2``, of ``dist(ds, "mean")``.
    n_models : int
        n.
    variance_rule : str or None
        How covariances learn; None where they stay.
    """

    time: NDArray[np.int64]
    model_variance: FloatArray
    network_variance: FloatArray
    web_variance: FloatArray
    consensus_variance: FloatArray
    expected_sq_norm: FloatArray
    n_models: int
    variance_rule: str | None

    def tidy(self) -> pd.DataFrame:
        """Return a row a time."""
        columns = {name: value for name, value in vars(self).items() if np.ndim(value)}
        return pd.DataFrame(columns)

    def lines(self) -> list[str]:
        """Return the moments at the start, the middle and the end."""
        frame = self.tidy()
        shown = frame.iloc[sorted({0, len(frame) // 2, len(frame) - 1})]
        head = "Exact moments of normal laws that move (one component each)"
        return [head, "", *shown.to_string(index=False, float_format="%.4g").splitlines()]

    def _caption(self) -> str:
        return self.lines()[0]

    def _draw(self, ax: drawing.Axes | None) -> drawing.Axes:
        """Draw the variances over time."""
        names = ["model_variance", "network_variance", "web_variance"]
        ax = drawing.over_time(self.tidy(), ax, names)
        ax.set_ylabel("expected variance")
        ax.set_ylim(bottom=0)
        return ax


def moving_moments(initial_means: ArrayLike | None = None, **options: Any) -> MovingMoments:
    """Return expected variances and distances of single normal laws that move, exactly.

    Parameters
    ----------
    initial_means : array_like, shape (n, 1, d), optional
        Where the models start; by default all at `means`.
    **options
        What `simulate_gmm` takes of `n_models`, `means`, `covariance`, `n_steps`, `n_responses`,
        `beta`, `initial_points`, `step_size`, `scenario`, `update`, `moving` (means and covariances
        by default) and `variance_rule`, with the same defaults, but for one component.

    Returns
    -------
    MovingMoments
        Exact but for the floor of covariances, for every `covariance_type`.

    Raises
    ------
    InputError
        If an argument can't be used, or moments do not close (see `expected_sq_norm`).

    Notes
    -----
    Means go through steps that are linear, and the noise of a point is its variance; so do mean
    squares, but that each read adds ``a^2 (u - mu)^2`` to mu^2 + C where a covariance learns from
    old residuals ("zivkovic"). There expected variances grow where posts are replaced, to first
    order whatever the scenario; with "welford" they fall by 1 / N_e a step (`effective_size`).

    References
    ----------
    Zivkovic and van der Heijden (2004), "Recursive unsupervised learning of finite mixture models".
    Welford (1962), "Note on a method for calculating corrected sums of squares and products".

    Examples
    --------
    >>> few = {"n_models": 3, "n_responses": 10, "n_steps": 50, "scenario": {"keep": "last"}}
    >>> moving_moments(**few).model_variance[[0, 50]].round(3)
    array([1.   , 2.568])
    >>> moving_moments(**few, variance_rule="welford").model_variance[[0, 50]].round(3)
    array([1.   , 0.691])
    """
    given: dict[str, Any] = {"moving": ("mean", "covariance"), "means": [0.0]} | options
    first: Any = initial_means
    given["initial_means"] = first
    if "means" not in options:
        # Of what is no array of numbers the check of the means says what is wrong.
        with contextlib.suppress(ValueError, TypeError):
            shape = np.shape(first)  # () of None
            given["means"] = np.zeros((1, shape[-1] if len(shape) == 3 else 1))
    spec = MovingSpec(**given)
    program = MovingProgram(spec)
    found = np.array([_summed(program, t, now) for t, now in enumerate(program.run())])
    columns: Any = found.T
    return MovingMoments(
        np.arange(spec.n_steps + 1),
        *columns,
        n_models=spec.n_models,
        variance_rule=spec.variance_rule,
    )


def _summed(program: MovingProgram, t: int, now: Moments) -> tuple[float, ...]:
    """Return what a `MovingMoments` has of a time."""
    form, own = program.program.weights_of_models()
    gram = now.gram.sum(0)
    centre, apart = form @ gram @ form, float((own * gram).sum())
    square = float((now.square @ form).sum())
    web = program.program.web(np.array([t]))[0]
    inside = float((now.square @ web).sum()) - web @ gram @ web
    n = program.spec.n_models
    return (
        square - apart,
        square - centre,
        inside if web.any() else np.nan,
        centre - float(((now.mean @ form) ** 2).sum()),
        2.0 * n * n * max(apart - centre, 0.0),
    )
