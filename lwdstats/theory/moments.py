"""Exact moments of a network whose components do not overlap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError, check_integer
from lwdstats.mixtures.arguments import Rule
from lwdstats.results.pictures import drawing
from lwdstats.results.result import Result
from lwdstats.scenario.scenario import Scenario
from lwdstats.theory.network import Network, described
from lwdstats.theory.scenarios.moments import ScenarioMoments, course, scenario_moments
from lwdstats.theory.scenarios.setting import Setting


def expected_sq_norm(
    initial_weights: ArrayLike | None = None,
    *,
    n_models: int | None = None,
    n_components: int | None = None,
    concentration: float | Sequence[float] = 1.0,
    n_responses: int = 3,
    beta: float = 0.5,
    n_steps: int = 200,
    step_size: Rule = "1/k",
    complexity: Rule | None = None,
    scenario: Scenario | Mapping[str, Any] | None = None,
    update: str | tuple[str, float] = "sequential",
    initial_points: ArrayLike | None = None,
    initial_counts: ArrayLike | None = None,
    means: ArrayLike | None = None,
    covariance: ArrayLike = 1.0,
) -> FloatArray:
    """Return the expectation of ||D||_F^2 over time, exact where components do not overlap.

    Parameters
    ----------
    initial_weights : array_like, shape (n, B) or (B,), optional
        Pi^(0). Where not given, the rows are drawn from a Dirichlet law and
        the expectation is over them too.
    n_models, n_components : int, optional
        n and B. By default what `initial_weights` says, else 3 and 2.
    concentration : float or sequence of B floats
        Parameter of the Dirichlet law of the initial weights.
    n_responses : int
        L.
    beta : float
        Share of the web that a model reads, in (0, 1].
    n_steps : int
        T.
    step_size, complexity : str, float, callable or sequence
        alpha_t and c_{t,B}, as `simulate_gmm` takes them.
    scenario, update : Scenario or mapping, and str or tuple, optional
        How the web grows and who reads what, and how a model learns, as `simulate_gmm`
        takes them. Refused where the second moments do not close: see Notes.
    initial_points : array_like, shape (N0,) or (N0, d), optional
        A^(0), empty by default. A point counts as one of the component whose
        mean is nearest (in the metric of the covariance).
    initial_counts : array_like of int, shape (B,), optional
        A^(0) by how many points of each component it has, instead.
    means, covariance : array_like
        The components, as `simulate_gmm` takes them; they matter for
        `initial_points` alone.

    Returns
    -------
    ndarray, shape (T+1,)
        ``E ||D^(t)||_F^2`` at t = 0..T.

    Raises
    ------
    InputError
        If an argument can't be used.

    Notes
    -----
    Four numbers a step are carried, whatever n and B: the second moments of the
    web's composition, of the models' mean weight, between both, and the mean
    squared difference of a model from the mean, each summed over components.

    Exact for the recursion without the truncation of Algorithm 2, and with
    ownership that is 0 or 1. Truncation raises the mean, the more the smaller
    the weights and the fewer the points that are read; so does overlap.
    `norm_bound` says how likely a truncation is at most.

    In another scenario as many numbers are carried as its state has: models that do the
    same count as one, pools of posts and batches of a window as one each. Moments do not
    close for posts chosen by what they say, for the newest posts where they are no whole steps,
    for real or chosen posts on a web of random capacity, and for a `real_weight` with
    sequential updates; these are refused by name.

    A run can be taken up at any time s: weights and web at s are `initial_weights`
    and `initial_points` of the rest (rules in t then count from s).

    References
    ----------
    Wang, Pang, Horiguchi and Priebe, "LLM Web Dynamics", Equation 4,
    Algorithms 2 and 3, Appendix A.

    Examples
    --------
    >>> first = [[0.2, 0.8], [0.5, 0.5], [0.75, 0.25]]
    >>> norm = expected_sq_norm(first, n_steps=1000)
    >>> norm[[0, 1, 10, 100]].round(4)
    array([1.82  , 1.82  , 0.0407, 0.0034])
    >>> (1000 * norm[1000]).round(4)
    np.float64(0.3309)
    """
    spec = described(**locals())
    if spec.is_paper:
        return 2 * spec.n_models**2 * consensus_moments(Network.from_spec(spec))[0]
    return 2 * spec.n_models**2 * course(Setting(spec)).deviation


def expected_diversity(initial_weights: ArrayLike | None = None, **options: Any) -> FloatArray:
    """Return the expected diversity of the models' mean weight over time, exact without overlap.

    Parameters
    ----------
    initial_weights : array_like, shape (n, B) or (B,), optional
        Pi^(0), as of `expected_sq_norm`.
    **options
        `n_responses`, `beta`, `n_steps`, `scenario` and the others that `expected_sq_norm`
        takes, with the same defaults.

    Returns
    -------
    ndarray, shape (T+1,)
        ``E [1 - |x|^2]`` at t = 0..T, x being the mean weight of all models: 0 where all weight
        is on one component, ``1 - 1/B`` where it is even.

    Raises
    ------
    InputError
        If an argument can't be used.

    Notes
    -----
    It says whether the consensus collapses, and `expected_sq_norm` whether there is
    one: neither says anything about the other. On a web that keeps everything
    differences vanish while diversity stays; where each step's posts replace those
    of before, differences stay as long as diversity does, and both vanish.

    Examples
    --------
    >>> first = [[0.2, 0.8], [0.5, 0.5], [0.75, 0.25]]
    >>> expected_diversity(first, n_steps=100)[[0, 10, 100]].round(3)
    array([0.499, 0.465, 0.461])
    >>> expected_diversity(first, n_steps=100, scenario={"keep": "last"})[[0, 10, 100]].round(3)
    array([0.499, 0.378, 0.036])
    """
    return course(Setting(described(initial_weights, **options))).diversity


def consensus_moments(net: Network) -> tuple[FloatArray, FloatArray]:
    """Return E mean_i |pi_i - x|^2 and E|P|^2, both (T+1,), in O(1) a step."""
    # Here, so that importing the package takes no numba.
    from lwdstats.theory.moments_kernel import consensus

    if net.n_components == 1:
        return np.zeros(net.n_steps + 1), np.ones(net.n_steps + 1)
    n, x, p = net.n_models, net.mean, net.share
    own = float(np.trace(net.start))
    deviation, concentration = np.empty(net.n_steps + 1), np.empty(net.n_steps + 1)
    consensus(
        _steps(net),
        float(n),
        float(n * net.n_responses),
        float(net.n_components),
        float(p @ p),
        float(x @ p),
        float(x @ x) + own / n,
        float(np.trace(net.spread)) + own * (1 - 1 / n),
        deviation,
        concentration,
    )
    return deviation, concentration


@dataclass(frozen=True, eq=False)
class SecondMoments(Result):
    """Means and covariances of the weights of a network, from `second_moments`.

    Letters in the shapes: m times, n models, B components.

    Attributes
    ----------
    time : (m,) int64
        The times.
    mean, web_mean : (m, B) float64
        Expectations of the mean weight of the models, and of the share of each
        component on the web (zeros while it is empty).
    decay : (m,) float64
        What is left of the expected difference between two models.
    cov_mean, cov_web, cov_mean_web : (m, B, B) float64
        Covariance of the mean weight, of the web's composition, and between
        the two.
    cov_deviation : (m, B, B) float64
        Covariance of ``pi_i - mean_j pi_j``, the same for every model.
    n_models : int
        n.
    initial_deviation : (n, B) float64
        What the given initial weights differ by from their mean; zeros where
        they are drawn.
    """

    time: NDArray[np.int64]
    mean: FloatArray
    web_mean: FloatArray
    decay: FloatArray
    cov_mean: FloatArray
    cov_web: FloatArray
    cov_mean_web: FloatArray
    cov_deviation: FloatArray
    n_models: int
    initial_deviation: FloatArray = field(repr=False)

    def lines(self) -> list[str]:
        """Return what the moments are of."""
        m, b = self.mean.shape
        return [
            "Exact second moments (no overlap, no truncation)",
            f"{self.n_models} models, {b} components, {m} times "
            f"from {self.time[0]} to {self.time[-1]}",
        ]

    def tidy(self) -> pd.DataFrame:
        """Return a row for each time: the norm, and what is left of a first difference."""
        columns = {"time": self.time, "expected_sq_norm": self.expected_sq_norm}
        return pd.DataFrame(columns | {"var_sq_norm": self.var_sq_norm, "decay": self.decay})

    def augment(self) -> pd.DataFrame:
        """Return a row for each time and component: means, and a model's standard deviation."""
        m, b = self.mean.shape
        variance = np.einsum("mbb->mb", self.cov_within)
        columns = {"time": np.repeat(self.time, b), "component": np.tile(np.arange(b), m)}
        columns |= {"mean": self.mean.ravel(), "web_mean": self.web_mean.ravel()}
        return pd.DataFrame(columns | {"std_dev": np.sqrt(np.maximum(variance, 0.0)).ravel()})

    def _caption(self) -> str:
        return self.lines()[0]

    def _draw(self, ax: drawing.Axes | None) -> drawing.Axes:
        """Draw E ||D||_F^2 over time."""
        ax = drawing.over_time(self.tidy(), ax, ["expected_sq_norm"])
        ax.set_ylabel(r"$E\,\|D^{(t)}\|_F^2$")
        ax.set_ylim(bottom=0)
        return ax

    def model_mean(self, models: ArrayLike | None = None) -> FloatArray:
        """Return the expected weights of models, all by default, (m, n, B)."""
        apart = self.initial_deviation
        if models is not None:
            apart = apart[np.atleast_1d(np.asarray(models))]
        return self.mean[:, None] + self.decay[:, None, None] * apart

    @property
    def cov_within(self) -> FloatArray:
        """Covariance of the weights of one model, (m, B, B): the same for every model."""
        return self.cov_mean + self.cov_deviation

    @property
    def cov_between(self) -> FloatArray:
        """Covariance between the weights of two models, (m, B, B): the same for every pair."""
        if self.n_models == 1:
            raise InputError("n_models", 1, "at least two models, for a covariance between them")
        return self.cov_mean - self.cov_deviation / (self.n_models - 1)

    @property
    def expected_sq_norm(self) -> FloatArray:
        """``E ||D||_F^2``, (m,)."""
        fixed = (self.initial_deviation**2).sum() / self.n_models
        own = np.trace(self.cov_deviation, axis1=1, axis2=2)
        return 2 * self.n_models**2 * (own + self.decay**2 * fixed)

    @property
    def var_sq_norm(self) -> FloatArray:
        """Variance of ``||D||_F^2`` if deviations were Gaussian, (m,): an approximation.

        It has no part for what differs between runs in the consensus (and so in
        the size of the noise). Not a bound: `norm_bound` has one of the fourth
        moment.
        """
        n = self.n_models
        if n == 1:
            return np.zeros(self.time.size)
        # n - 1 independent directions among the models, each with this covariance.
        each = self.cov_deviation * (n / (n - 1))
        apart = self.initial_deviation
        fixed = np.einsum("mbc,bc->m", each, apart.T @ apart)
        squared = np.einsum("mbc,mbc->m", each, each)
        return 4 * n**2 * (2 * (n - 1) * squared + 4 * self.decay**2 * fixed)


@overload
def second_moments(
    initial_weights: ArrayLike | None = ...,
    *,
    times: ArrayLike | None = ...,
    scenario: None = ...,
    **options: Any,
) -> SecondMoments: ...
@overload
def second_moments(
    initial_weights: ArrayLike | None = ...,
    *,
    times: ArrayLike | None = ...,
    scenario: Any,
    **options: Any,
) -> SecondMoments | ScenarioMoments: ...
def second_moments(
    initial_weights: ArrayLike | None = None, *, times: ArrayLike | None = None, **options: Any
) -> SecondMoments | ScenarioMoments:
    """Return the means and covariances of all weights over time, exact without overlap.

    Parameters
    ----------
    initial_weights : array_like, shape (n, B) or (B,), optional
        Pi^(0). Where not given, the rows are drawn from a Dirichlet law.
    times : array_like of int, optional
        Distinct times from 0 to T; all by default.
    **options
        `n_responses`, `beta`, `n_steps` and the others that `expected_sq_norm`
        takes, with the same defaults.

    Returns
    -------
    SecondMoments or ScenarioMoments
        The second in another scenario than the paper's, where models need not be alike: it has
        the covariances of all pairs of models. Both are exact for the recursion without
        truncation, as is `expected_sq_norm`. The cost is O(B^2) a step, O(n^3 B^2) the second.

    Raises
    ------
    InputError
        If an argument can't be used.

    Notes
    -----
    What one model differs by from the mean is uncorrelated with the mean, and
    its covariance is the same for every model, whatever the models start from:
    the noise of a step depends on the web alone, and models share it.

    Examples
    --------
    >>> first = [[0.2, 0.8], [0.5, 0.5], [0.75, 0.25]]
    >>> moments = second_moments(first, n_steps=100, times=[0, 10, 100])
    >>> moments.model_mean(0)[:, 0, 0].round(4)
    array([0.2   , 0.4821, 0.4821])
    >>> moments.cov_within[:, 0, 0].round(4)
    array([0.    , 0.0185, 0.0193])
    >>> print(second_moments(first, n_steps=100, scenario={"keep": "last"}))
    Exact second moments in a scenario (no overlap, no truncation)
    3 models, 2 components, 101 times from 0 to 100
    """
    spec = described(initial_weights, **options)
    kept = _times(times, spec.n_steps)
    if spec.is_paper:
        return covariance_moments(Network.from_spec(spec), kept)
    return scenario_moments(Setting(spec), kept)


def covariance_moments(net: Network, kept: NDArray[np.int64]) -> SecondMoments:
    """Return the moments of `second_moments` at the times `kept`, increasing."""
    from lwdstats.theory.moments_kernel import covariances

    n, n_b = net.n_models, net.n_components
    slot = np.full(net.n_steps + 1, -1)
    slot[kept] = np.arange(kept.size)
    decay = np.empty(kept.size)
    x, p = means = np.empty((2, kept.size, n_b))
    k_x, k_p, k_xp, k_d = matrices = np.empty((4, kept.size, n_b, n_b))
    covariances(
        _steps(net),
        float(n),
        float(n * net.n_responses),
        net.spread,
        net.mean.copy(),
        net.share.copy(),
        net.start / n,
        net.start * (1 - 1 / n),
        slot,
        decay,
        means,
        matrices,
    )
    apart = np.zeros((n, n_b)) if net.weights is None else net.weights - net.mean
    return SecondMoments(kept, x, p, decay, k_x, k_p, k_xp, k_d, n, apart)


def _steps(net: Network) -> tuple[FloatArray, ...]:
    """Return what the recursions take of each step, (T,) each."""
    return net.rho, net.v, net.h, net.c, net.kept


def _times(times: ArrayLike | None, n_steps: int) -> NDArray[np.int64]:
    if times is None:
        return np.arange(n_steps + 1)
    takes = f"distinct times from 0 to {n_steps}"
    try:
        found = [check_integer("times", t, minimum=0) for t in np.asarray(times).ravel().tolist()]
    except (TypeError, ValueError):
        raise InputError("times", times, takes) from None
    if not found or len(set(found)) != len(found) or max(found) > n_steps:
        raise InputError("times", times, takes)
    return np.array(sorted(found), dtype=np.int64)
