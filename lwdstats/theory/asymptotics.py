"""The law of ||D||_F after many steps, where components do not overlap."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import betaincinv
from scipy.stats import qmc

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError, check_integer, is_number
from lwdstats.results.pictures import drawing
from lwdstats.results.result import Result
from lwdstats.theory.moments import consensus_moments, covariance_moments
from lwdstats.theory.network import CountedSpec, Network, described
from lwdstats.theory.quadratic import weighted_chi_square
from lwdstats.theory.scenarios.moments import course, web_means
from lwdstats.theory.scenarios.setting import Setting

# The composition of the web is taken at this many steps and at twice that; what is left of
# its way to the limit falls like 1/t and is taken off by Richardson's extrapolation.
_LONG = 4096
# Nodes in the space of compositions, a power of 2.
_NODES = 256
# Probabilities of the quantiles in the table.
_LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


@dataclass(frozen=True, eq=False)
class Asymptotics(Result):
    """The limit law of ``t ||D^(t)||_F^2``, from `asymptotics`.

    Attributes
    ----------
    kappa : float
        alpha_t is about ``kappa / k_t``.
    constant : float
        C in ``E ||D^(t)||_F^2 ~ C / t``.
    diversity : float
        H, the expectation of ``1 - sum_b P_b^2`` for the limit P of the web's composition.
    scale : float
        ``(kappa - 2 beta tanh(kappa / 2)) / (beta L)``; L is, in a scenario, what a step adds
        divided by n.
    df : int
        ``n - 1``.
    composition : (R, B) float64
        Values of P over which the law is mixed, alike in weight.
    mixed : str
        "given", or "Dirichlet" where P was not given, whose law is then taken
        as that of the Dirichlet law with its mean and its diversity; "that of what is added" where
        a scenario adds posts from outside.
    """

    kappa: float
    constant: float
    diversity: float
    scale: float
    df: int
    composition: FloatArray = field(repr=False)
    mixed: str

    @cached_property
    def eigenvalues(self) -> FloatArray:
        """Eigenvalues of ``diag P - P P'``, (R, B), none negative, the largest first."""
        p = self.composition
        matrices = np.eye(p.shape[1]) * p[:, None, :] - p[:, :, None] * p[:, None, :]
        return np.maximum(np.linalg.eigvalsh(matrices)[:, ::-1], 0.0)

    def expected_sq_norm(self, t: ArrayLike) -> FloatArray:
        """Return ``C / t``."""
        return self.constant / np.asarray(t, dtype=np.float64)

    def cdf(self, x: ArrayLike) -> FloatArray:
        """Return the probability that ``t ||D^(t)||_F^2`` is at most `x`, in the limit."""
        return self._tails(x)[0]

    def sf(self, x: ArrayLike) -> FloatArray:
        """Return the probability that ``t ||D^(t)||_F^2`` is above `x`, in the limit."""
        return self._tails(x)[1]

    def ppf(self, q: ArrayLike) -> FloatArray:
        """Return quantiles of ``t ||D^(t)||_F^2`` in the limit.

        So ``sqrt(ppf(0.95) / t)`` is about the 95% point of ||D^(t)||_F.
        """
        wanted = np.asarray(q, dtype=np.float64)
        if wanted.size and not ((wanted > 0) & (wanted < 1)).all():
            raise InputError("q", q, "numbers in (0, 1)")
        if self.constant <= 0:
            return np.zeros(wanted.shape)
        out = np.empty(wanted.size)
        for i, level in enumerate(wanted.ravel().tolist()):

            def excess(log_x: float, level: float = level) -> float:
                lower, upper = self._tails(math.exp(log_x))
                if level < 0.5:
                    return math.log(max(float(lower), 1e-300) / level)
                return math.log((1 - level) / max(float(upper), 1e-300))

            low, high = math.log(self.constant) - 1, math.log(self.constant) + 1
            while excess(low) > 0:
                low -= 2
            while excess(high) < 0:
                high += 1
            out[i] = math.exp(float(brentq(excess, low, high, xtol=1e-10)))  # type: ignore[arg-type]
        return out.reshape(wanted.shape)

    def _tails(self, x: ArrayLike) -> tuple[FloatArray, FloatArray]:
        at = np.asarray(x, dtype=np.float64)
        weights = self.scale * self.eigenvalues
        rows = weights.shape[0]
        df = float(self.df)
        tails = [weighted_chi_square(np.full(rows, v), weights, df) for v in at.ravel().tolist()]
        both = np.reshape(tails, (*at.shape, 2, rows)).mean(-1)
        return both[..., 0], both[..., 1]

    def tidy(self) -> pd.DataFrame:
        """Return quantiles of ``t ||D^(t)||_F^2`` in the limit, a row each."""
        levels = np.array(_LEVELS)
        return pd.DataFrame({"probability": levels, "quantile": self.ppf(levels)})

    def _caption(self) -> str:
        return "Quantiles of t ||D||_F^2 in the limit (no overlap, no truncation)"

    def _draw(self, ax: drawing.Axes | None) -> drawing.Axes:
        """Draw the distribution function of ``t ||D^(t)||_F^2``."""
        ax = drawing.new_axes(ax)
        grid = np.linspace(0.0, float(self.ppf(0.99)), 61)[1:]
        ax.plot(grid, self.cdf(grid))
        ax.axvline(self.constant, color=drawing.colour(1), linestyle=":", label="mean")
        ax.set(xlabel=r"$t\,\|D^{(t)}\|_F^2$", ylabel="probability", ylim=(0.0, 1.0))
        drawing.legend(ax)
        return ax

    def lines(self) -> list[str]:
        """Return the law and its constants."""
        return [
            "Limit law of t ||D||_F^2 (no overlap, no truncation)",
            "",
            f"step size {self.kappa:g}/k; E ||D||_F^2 ~ C/t with C = {self.constant:.4g}",
            f"diversity of the web H = {self.diversity:.4g}",
            f"{self.scale:.4g} * sum_b lambda_b chi2_{self.df}, lambda_b the eigenvalues of "
            "diag(P) - P P'",
            f"P: {self.mixed}, {self.composition.shape[0]} value(s)",
        ]


def asymptotics(
    initial_weights: ArrayLike | None = None,
    *,
    composition: ArrayLike | None = None,
    **options: Any,
) -> Asymptotics:
    """Return the limit law of ``t ||D^(t)||_F^2`` where the step size falls like 1/k.

    Parameters
    ----------
    initial_weights : array_like, shape (n, B) or (B,), optional
        Pi^(0), as of `expected_sq_norm`.
    composition : array_like, shape (B,) or (R, B), optional
        The limit P of the web's composition, or values of it alike in weight,
        say from the ends of simulated runs. Where not given, its mean and
        covariance come from the exact recursion, and its law is taken as the
        Dirichlet law with that mean and the same diversity.
    **options
        `n_responses`, `beta` and the others that `expected_sq_norm` takes, with
        the same defaults, less `n_steps`. `step_size` has to be such that
        ``alpha_t k_t`` tends to a number kappa > 0, as "1/k" and "0.7/(k + 3)" do. Of a
        `scenario`, `fresh`, `noise`, `silent` and `posts` may be other than the paper's; with
        fresh posts or noise P is their composition. `long_run` looks at all.

    Returns
    -------
    Asymptotics
        C, and the law: `cdf`, `sf` and `ppf`.

    Raises
    ------
    InputError
        If an argument can't be used.

    Notes
    -----
    Given P, the models' differences are Gaussian in the limit, alike in n - 1
    directions, with a covariance proportional to ``diag P - P P'``. So

        t ||D||_F^2 -> (kappa - 2 beta tanh(kappa/2)) / (beta L) sum_b lambda_b chi2_{n-1},

    with lambda_b the B - 1 eigenvalues that are not 0; for B = 2 the one is
    ``2 P (1 - P)``. C is exact for a given start, whatever the law of P, as it
    takes H alone. The law has no part for the first steps: where the start
    matters, use `norm_bound`. Beside a large A^(0), ``|A^(t)| / (n L)`` does better for t.

    With a constant alpha there is no such law: see `stationary_sq_norm`.

    Examples
    --------
    >>> first = [[0.2, 0.8], [0.5, 0.5], [0.75, 0.25]]
    >>> limit = asymptotics(first)
    >>> round(limit.constant, 3)
    0.33
    >>> limit.ppf([0.1, 0.5, 0.9]).round(2)
    array([0.03, 0.23, 0.76])
    """
    if "n_steps" in options:
        raise InputError("n_steps", options["n_steps"], "nothing here: it is infinite")
    spec = described(initial_weights, n_steps=2 * _LONG, **options)
    _check_law(spec)
    kappa, n = _kappa(spec), spec.n_models
    if composition is None:
        values, diversity, mixed = _limit(spec)
    else:
        values, mixed = _check_composition(composition, spec.n_components), "given"
        diversity = float((1 - (values**2).sum(1)).mean())
    # What a step adds, for each model: L, and its part of what comes from elsewhere.
    added = float(spec.n_web[-1] - spec.n_web[0]) / (spec.n_steps * n)
    scale = (kappa - 2 * spec.beta * math.tanh(kappa / 2)) / (spec.beta * added)
    return Asymptotics(kappa, (n - 1) * scale * diversity, diversity, scale, n - 1, values, mixed)


def stationary_sq_norm(alpha: float, *, n_models: int, diversity: float) -> float:
    """Return what ``E ||D||_F^2`` tends to under a constant step size.

    Parameters
    ----------
    alpha : float
        The step size, in (0, 1].
    n_models : int
        n.
    diversity : float
        H, the expectation of ``1 - sum_b P_b^2`` for the limit P of the web's
        composition; see `asymptotics`.

    Returns
    -------
    float
        ``2 n (n - 1) H alpha / (2 - alpha)``, for c that tends to 0.

    Raises
    ------
    InputError
        If an argument is not as above.

    Notes
    -----
    The expected difference tends to 0 all the same: that it does says nothing
    about its size.

    Examples
    --------
    >>> round(stationary_sq_norm(0.05, n_models=3, diversity=0.475), 4)
    0.1462
    """
    if not is_number(alpha) or not 0 < alpha <= 1:
        raise InputError("alpha", alpha, "a number in (0, 1]")
    n = check_integer("n_models", n_models, minimum=1)
    if not is_number(diversity) or not 0 <= diversity < 1:
        raise InputError("diversity", diversity, "a number in [0, 1)")
    return 2 * n * (n - 1) * float(diversity) * float(alpha) / (2 - float(alpha))


def _check_law(spec: CountedSpec) -> None:
    """Raise where the law is another: by the name of what makes it so."""
    allowed = {"fresh", "fresh_from", "noise", "noise_from", "silent", "posts"}
    for name, value in spec.scenario.to_json().items():
        if name not in allowed:
            takes = "the paper's: the law of t ||D||_F^2 holds for no other"
            raise InputError(name, repr(value), takes)
    if spec.update != "sequential":
        raise InputError("update", spec.update, "'sequential': the law holds for no other")


def _kappa(spec: CountedSpec) -> float:
    """Return the limit of alpha k."""
    half, whole = spec.alpha[[_LONG - 1, -1]] * spec.n_retrieved[[_LONG - 1, -2]]
    kappa = 2 * whole - half
    if not (whole > 0 and abs(whole - half) < 0.01 * whole):
        got = f"a rule whose alpha k is {half:.4g} at step {_LONG - 1} and {whole:.4g} at step "
        got += f"{2 * _LONG - 1}"
        raise InputError("step_size", got, "a rule whose alpha k tends to a number above 0")
    return round(float(kappa), 6)


def _limit(spec: CountedSpec) -> tuple[FloatArray, float, str]:
    """Return values of the web's composition at t = infinity, its diversity, and their law."""
    setting = Setting(spec)
    real, noise = (float(count.sum()) for count in setting.added)
    if real or noise:
        # What comes from outside says where the web goes.
        law = sum((m * p for m, p in ((real, setting.fresh), (noise, setting.noise))
                   if p is not None), np.zeros(spec.n_components))  # fmt: skip
        law = law / law.sum()
        return law[None], float(1 - law @ law), "that of what is added"
    times = np.array([_LONG, 2 * _LONG])
    if spec.is_paper:
        net = Network.from_spec(spec)
        web, mean = 1 - consensus_moments(net)[1][times], covariance_moments(net, times).web_mean
    else:
        web, mean = course(setting).web_diversity[times], web_means(setting)[times]
    limit = np.maximum(2 * mean[1] - mean[0], 0)
    limit, diversity = limit / limit.sum(), float(2 * web[1] - web[0])
    return _dirichlet_nodes(limit, diversity), diversity, "Dirichlet"


def _dirichlet_nodes(mean: FloatArray, diversity: float) -> FloatArray:
    """Return nodes of alike weight, (R, B), of the Dirichlet law with that mean and diversity."""
    most = 1 - float(mean @ mean)
    spread = 1 - diversity / most if most > 0 else 0.0  # 1 / (1 + the sum of the parameters)
    if mean.size == 1 or spread < 1e-9:
        return mean[None]
    a = np.maximum(mean * (1 / spread - 1), 1e-8)
    points = qmc.Sobol(mean.size - 1, scramble=False).random(_NODES) + 0.5 / _NODES
    left, nodes = np.ones(_NODES), np.empty((_NODES, mean.size))
    rest = a.sum()
    for b in range(mean.size - 1):
        rest -= a[b]
        stick = betaincinv(a[b], max(rest, 1e-8), points[:, b])
        nodes[:, b] = left * stick
        left = left * (1 - stick)
    nodes[:, -1] = left
    return nodes


def _check_composition(value: ArrayLike, n_b: int) -> FloatArray:
    takes = f"numbers of shape ({n_b},) or (R, {n_b}), not negative, whose rows sum to 1"
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("composition", value, takes) from None
    if array.ndim not in (1, 2) or array.shape[-1] != n_b or array.size == 0:
        raise InputError("composition", f"numbers of shape {array.shape}", takes)
    if not (array >= 0).all() or np.abs(array.sum(-1) - 1).max() > 1e-6:
        raise InputError("composition", value, takes)
    return np.atleast_2d(array)
