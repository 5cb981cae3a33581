"""What one step leaves of the difference between models, overlap and noise counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError, check_choice, check_integer
from lwdstats.mixtures.arguments import check_threshold
from lwdstats.results.result import Result
from lwdstats.theory.overlap.checks import (
    check_components,
    check_points,
    check_step,
    check_weights,
)
from lwdstats.theory.overlap.information import missing_information, overlap_factor
from lwdstats.theory.overlap.walk import Walk

METHODS = ("linear", "tangent", "step")
# Groups of runs that are left out in turn for a standard error.
_GROUPS = 50


@dataclass(frozen=True, eq=False)
class StepFactor(Result):
    """What one step leaves of a difference, from `overlap_decay` or `measured_decay`.

    Attributes
    ----------
    matrix : ndarray, shape (B, B)
        Takes the difference of two models before a step to that after it, on
        vectors that sum to 0.
    eigenvalues : ndarray, shape (B - 1,)
        Moduli of its eigenvalues there, largest first.
    factor : float
        The largest; for B = 2 the factor itself.
    std_error : float
        Of `factor`, from leaving out groups of runs in turn. 0 where a single
        consensus was given; NaN where there are fewer than two runs otherwise.
    norm : float
        Largest ratio by which a difference can grow, with vectors measured by
        ``sum_b x_b^2 / pi_b`` at the mean weights pi. (In the Euclidean norm it
        can exceed 1 where all eigenvalues are below 1.)
    method : str
        "linear", "tangent", "step" or "measured".
    n_runs : int
        Weight vectors, or networks, that were averaged over.
    """

    matrix: FloatArray
    eigenvalues: FloatArray
    factor: float
    std_error: float
    norm: float
    method: str
    n_runs: int

    def lines(self) -> list[str]:
        """Return the eigenvalues, and the standard error of the first."""
        values = ", ".join(f"{v:.4g}" for v in self.eigenvalues)
        return [
            f"Difference after a step over that before ({self.method}, {self.n_runs} runs)",
            f"eigenvalues: {values}",
            f"standard error of the first: {self.std_error:.2g}",
        ]

    def tidy(self) -> pd.DataFrame:
        """Return a row for each eigenvalue, with the standard error of the first."""
        names = [f"eigenvalue_{b}" for b in range(len(self.eigenvalues))]
        frame = pd.DataFrame({"term": names, "estimate": self.eigenvalues})
        frame["std_error"] = [self.std_error, *[np.nan] * (len(names) - 1)]
        return frame

    def _caption(self) -> str:
        return self.lines()[0]


def overlap_decay(
    weights: ArrayLike,
    means: ArrayLike,
    covariance: ArrayLike = 1.0,
    *,
    n_retrieved: int,
    step_size: float | None = None,
    complexity: float | None = None,
    method: str = "linear",
    web: ArrayLike | None = None,
    points: ArrayLike | None = None,
    threshold: float = 1e-3,
    seed: int = 0,
) -> StepFactor:
    """Predict what one step leaves of the difference between models that overlap.

    Beside the paper's ``(1 - alpha)^k`` it counts that components overlap, that
    the consensus is random, and, by choice, the noise within the step.

    Parameters
    ----------
    weights : array_like, shape (B,), (R, B) or (R, n, B)
        The consensus of R networks, or the weights of their n models, whose mean
        is then the consensus: a sample of the law to average over.
    means : array_like, shape (B,) or (B, d)
        Means of the components.
    covariance : float or array_like, shape (d, d) or (B, d, d)
        Covariance of every component, or of each.
    n_retrieved : int
        k, the points that a model reads.
    step_size, complexity : float, optional
        alpha and c; 1/k and 1/(k B^2) where not given.
    method : {"linear", "tangent", "step"}
        How the step is followed:

        - "linear": the mean over runs of ``(I - alpha (I - J(pi) / (1 - B c)))^k``
          at the consensus pi. No random numbers unless J needs them.
        - "tangent": the mean derivative of the k updates, as the weights move
          within the step from the consensus, with points from the web's mixture.
        - "step": the slope of E[difference after | before] on the difference
          before, over all pairs of models: finite differences, spread as they are
          in `weights`. Needs shape (R, n, B) with n of at least 2.
    web : array_like, shape (B,) or (R, B), optional
        Mean weights of the web's points, for "tangent" and "step": the mean of
        all models' weights over all earlier times. The consensus if not given.
    points : array_like, shape (R, N, d), optional
        The webs themselves, in place of `web`: models read k of them without
        replacement. That takes in too that weights and web grew up together.
    threshold : float
        epsilon of Algorithm 2, for "tangent" and "step".
    seed : int
        Of the points drawn, and of J's randomizations.

    Returns
    -------
    StepFactor
        With ``matrix``, ``eigenvalues``, ``factor`` and ``std_error``.

    Raises
    ------
    InputError
        If an argument can't be used.

    Notes
    -----
    "step" draws, in each network, k points from the web's mixture and lets every
    model of it run Algorithm 2 on the same ones. As expectations add, the points
    may be shared though models read for themselves; it only takes noise away.
    Without `points` it leaves out that a model learned from the very points that
    it will read again.

    The derivative of an ownership at weight p reaches ``1 / (4 p (1 - p))``. So
    "tangent" averages over a heavy tail where the consensus comes near 0; "step"
    does not, since weights stay in [0, 1].

    Examples
    --------
    >>> around = np.random.default_rng(1).beta(8, 8, size=500)
    >>> pi = np.stack([around, 1 - around], axis=1)
    >>> linear = overlap_decay(pi, [-1, 1], n_retrieved=22)
    >>> print(f"{linear.factor:.3f}")
    0.584
    """
    check_choice("method", method, METHODS)
    pi = check_weights(weights)
    if pi.ndim > 3:
        raise InputError("weights", f"shape {pi.shape}", "shape (B,), (R, B) or (R, n, B)")
    if pi.ndim == 1:
        pi = pi[None]
    consensus = pi.mean(1) if pi.ndim == 3 else pi
    n_runs, n_b = consensus.shape
    if n_b < 2:
        raise InputError("weights", "one component", "at least two, else nothing can differ")
    if method == "step" and (pi.ndim < 3 or pi.shape[1] < 2):
        raise InputError("weights", f"shape {pi.shape}", "shape (R, n, B), n >= 2, for 'step'")
    components = check_components(means, covariance, n_b)
    k, alpha, c = check_step(n_retrieved, step_size, complexity, n_b)
    eps = check_threshold(threshold)
    key = check_integer("seed", seed, minimum=0)

    if method == "linear":
        information = missing_information(consensus, means, covariance, seed=key)
        matrices = overlap_factor(information, k, alpha if k else None, c if k else None)[0]
        return _of_matrices(matrices, consensus, method)
    source = consensus if web is None else check_weights(web, argument="web")
    if source.shape not in ((n_b,), (n_runs, n_b)):
        raise InputError("web", f"shape {source.shape}", f"shape ({n_b},) or ({n_runs}, {n_b})")
    source = np.broadcast_to(source, (n_runs, n_b))
    posts = None if points is None else check_points(points, n_runs, components, k)
    walk = Walk(components, source, k, alpha, c, eps, np.random.default_rng(key), posts)
    if method == "tangent":
        return _of_matrices(walk.tangent(consensus), consensus, method)
    return _of_slope(pi, walk.models(pi), method)


def measured_decay(before: ArrayLike, after: ArrayLike) -> StepFactor:
    """Measure what one step left of the difference between models, over many runs.

    The slope, through 0 and over all pairs, of the difference after a step on that
    before it. The mean difference, by contrast, is lost in noise after a few steps.

    Parameters
    ----------
    before, after : array_like, shape (R, n, B)
        Weights of the n models of R independent networks at t and t + 1.

    Returns
    -------
    StepFactor
        With ``matrix``, ``eigenvalues``, ``factor`` and its ``std_error`` from
        leaving out groups of runs.

    Raises
    ------
    InputError
        If the arrays don't match, or hold fewer than two models.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> ds = lwd.simulate_gmm(means=[-1, 1], n_steps=6, replicates=200, n_responses=5, seed=1)
    >>> w = ds["weight"].transpose("time", "replicate", "model", "component").values
    >>> fit = measured_decay(w[5], w[6])
    >>> 0.4 < fit.factor < 0.8
    True
    """
    first = check_weights(before, argument="before", ndim=3)
    second = check_weights(after, argument="after", ndim=3)
    if first.shape != second.shape:
        raise InputError("after", f"shape {second.shape}", f"the shape of before, {first.shape}")
    if first.shape[1] < 2 or first.shape[2] < 2:
        raise InputError("before", f"shape {first.shape}", "two models and two components or more")
    return _of_slope(first, second, "measured")


def _basis(n_b: int) -> FloatArray:
    """Return orthonormal vectors (B, B - 1) that sum to 0."""
    return np.linalg.svd(np.ones((1, n_b)))[2][1:].T


def _moduli(matrices: FloatArray) -> FloatArray:
    """Return the moduli (..., B - 1) of the eigenvalues on vectors that sum to 0."""
    basis = _basis(matrices.shape[-1])
    values = np.abs(np.linalg.eigvals(basis.T @ matrices @ basis))
    return np.sort(values, axis=-1)[..., ::-1]


def _norm(matrix: FloatArray, pi: FloatArray) -> float:
    """Return the norm on sum-zero vectors where a vector's square is sum x^2 / pi."""
    alive = pi > 0
    root = np.sqrt(pi[alive])
    inner = matrix[np.ix_(alive, alive)] * root / root[:, None]
    # Sum-zero vectors x become x / root, which are orthogonal to root.
    free = np.eye(len(root)) - np.outer(root, root) / (root @ root)
    return float(np.linalg.norm(inner @ free, 2))


def _jackknife(
    estimate: Callable[..., FloatArray], parts: list[FloatArray], pi: FloatArray, method: str
) -> StepFactor:
    """Return the step of the matrix that `estimate` makes of sums over runs of each part (R, ...).

    Its error is that of leaving out interleaved groups of runs, one after the other.
    """
    n_runs = len(parts[0])
    groups = min(n_runs, _GROUPS)
    sums = [np.array([part[g::groups].sum(0) for g in range(groups)]) for part in parts]
    matrix = estimate(*(each.sum(0) for each in sums))
    moduli = _moduli(matrix)
    error = np.nan
    if groups > 1:
        factors = _moduli(estimate(*(each.sum(0) - each for each in sums)))[:, 0]
        error = float(np.sqrt((groups - 1) * np.var(factors)))
    elif method == "linear":
        error = 0.0
    norm = _norm(matrix, pi)
    return StepFactor(matrix, moduli, float(moduli[0]), error, norm, method, n_runs)


def _of_matrices(matrices: FloatArray, consensus: FloatArray, method: str) -> StepFactor:
    ones = np.ones((len(matrices), 1, 1))
    return _jackknife(np.divide, [matrices, ones], consensus.mean(0), method)


def _of_slope(before: FloatArray, after: FloatArray, method: str) -> StepFactor:
    basis = _basis(before.shape[-1])
    # Over all pairs, sum of (y_i - y_j)(x_i - x_j)' is n times that about the mean.
    x = (before - before.mean(1, keepdims=True)) @ basis
    y = (after - after.mean(1, keepdims=True)) @ basis

    def slope(cross: FloatArray, square: FloatArray) -> FloatArray:
        inverse = np.linalg.pinv(square, rcond=1e-12, hermitian=True)
        return basis @ (cross @ inverse) @ basis.T

    parts = [y.swapaxes(1, 2) @ x, x.swapaxes(1, 2) @ x]
    return _jackknife(slope, parts, before.mean((0, 1)), method)
