"""A network of Gaussian mixtures whose components do not overlap, as its recursions need it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError, check_integer
from lwdstats.mixtures.arguments import (
    check_concentration,
    check_covariance,
    check_initial_points,
    check_initial_weights,
    check_means,
    check_rule,
    evaluate_rule,
)
from lwdstats.mixtures.growth import check_beta, retrieval_sizes, web_sizes

Rule = str | float | Callable[[int], float] | Sequence[float | None]


@dataclass(frozen=True, eq=False)
class Network:
    """What the moments of a network follow from; made by `network`, which checks.

    Letters in the shapes: n models, B components, T steps.

    Attributes
    ----------
    n_web, n_retrieved : (T+1,) int64
        |A^(t)| and k_t.
    alpha, c : (T,) float64
        alpha_t and c_{t,B}; 0 where k_t is 0, so that such a step changes nothing.
    counts : (B,) int64
        How many of A^(0) are of each component.
    weights : (n, B) float64, or None
        Pi^(0), None where it is drawn.
    mean : (B,) float64
        Expectation of the models' mean weight at 0.
    spread : (B, B) float64
        ``mean_i d_i d_i'``, where d_i is what the given weights of model i
        differ by from their mean.
    start : (B, B) float64
        Covariance of the weights of one model at 0: zero where they are given.
    """

    n_models: int
    n_components: int
    n_responses: int
    n_web: NDArray[np.int64]
    n_retrieved: NDArray[np.int64]
    alpha: FloatArray
    c: FloatArray
    counts: NDArray[np.int64]
    weights: FloatArray | None
    mean: FloatArray
    spread: FloatArray
    start: FloatArray

    @property
    def n_steps(self) -> int:
        """T."""
        return self.alpha.size

    @property
    def share(self) -> FloatArray:
        """Composition of A^(0), (B,); zeros where it is empty."""
        return self.counts / max(int(self.counts.sum()), 1)

    @cached_property
    def h(self) -> FloatArray:
        """``1 - B c``, (T,)."""
        return 1 - self.n_components * self.c

    @cached_property
    def rho(self) -> FloatArray:
        """``(1 - alpha)^k``, (T,): what is left of a weight after a step."""
        with np.errstate(divide="ignore"):  # alpha = 1
            logs = np.log1p(-self.alpha)
        return np.exp(np.multiply(self.n_retrieved[:-1], logs, out=logs), out=logs)

    @cached_property
    def squares(self) -> FloatArray:
        """S2, (T,): the sum of the squared weights that the draws of a step have."""
        return self.alpha / (2 - self.alpha) * (1 - self.rho * self.rho)

    @cached_property
    def v(self) -> FloatArray:
        """V, (T,): the noise of a step has covariance ``V (diag P - P P')`` given the web."""
        n_web = self.n_web[:-1]
        left = 1 - self.rho
        # A web of one point has no variance, whatever V.
        scale = np.maximum(n_web - 1, 1) * (self.h * self.h)
        return (self.squares * n_web - left * left) / scale

    @cached_property
    def kept(self) -> FloatArray:
        """w, (T,): the share of the web at t+1 that was there at t."""
        return self.n_web[:-1] / self.n_web[1:]


def network(
    initial_weights: ArrayLike | None = None,
    *,
    n_models: int | None = None,
    n_components: int | None = None,
    concentration: float | Sequence[float] = 1.0,
    n_responses: int = 3,
    beta: float = 0.5,
    n_steps: int = 200,
    step_size: Rule = "1/k",
    complexity: Rule = "1/(k B^2)",
    initial_points: ArrayLike | None = None,
    initial_counts: ArrayLike | None = None,
    means: ArrayLike | None = None,
    covariance: ArrayLike = 1.0,
) -> Network:
    """Check the arguments of `expected_sq_norm` and return the network that they describe."""
    n, n_b = _sizes(initial_weights, n_models, n_components)
    n_t = check_integer("n_steps", n_steps, minimum=0)
    n_l = check_integer("n_responses", n_responses, minimum=1)
    share = check_beta(beta)
    given = check_initial_weights(initial_weights, 1, n, n_b)
    if given is not None and given.ndim == 3:
        given = given[0]
    counts = _counts(initial_points, initial_counts, means, covariance, n_b)

    n_web = web_sizes(int(counts.sum()), n * n_l, n_t)
    n_retrieved = retrieval_sizes(n_web, share)
    k = n_retrieved[:-1]
    known = {"k": k, "B": n_b, "n": n, "t": np.arange(n_t)}
    takes = "a formula, a number, a function of k or values, all in (0, 1]"
    alpha, _ = evaluate_rule("step_size", step_size, known, takes)
    check_rule("step_size", alpha, k, (alpha > 0) & (alpha <= 1), takes)
    takes = f"a formula, a number, a function of k or values, with c >= 0 and B c < 1 (B = {n_b})"
    c, _ = evaluate_rule("complexity", complexity, known, takes)
    check_rule("complexity", c, k, (c >= 0) & (n_b * c < 1), takes)
    idle = k == 0
    alpha[idle] = c[idle] = 0.0

    if given is None:
        a = np.broadcast_to(check_concentration(concentration, n_b), n_b)
        mean = a / a.sum()
        spread = np.zeros((n_b, n_b))
        start = (np.diag(mean) - np.outer(mean, mean)) / (a.sum() + 1)
        weights = None
    else:
        weights = np.broadcast_to(given, (n, n_b))
        mean = weights.mean(0)
        apart = weights - mean
        spread, start = apart.T @ apart / n, np.zeros((n_b, n_b))
    return Network(
        n, n_b, n_l, n_web, n_retrieved, alpha, c, counts, weights, mean, spread, start
    )  # fmt: skip


def _sizes(weights: ArrayLike | None, n: int | None, n_b: int | None) -> tuple[int, int]:
    """Return n and B: as given, else as the weights say, else 3 and 2."""
    try:
        shape = np.shape(weights) if weights is not None else ()
    except ValueError:  # rows of different lengths: `check_initial_weights` says so
        shape = ()
    if n is None:
        n = shape[-2] if len(shape) > 1 else 3
    if n_b is None:
        n_b = shape[-1] if shape else 2
    return (
        check_integer("n_models", n, minimum=1),
        check_integer("n_components", n_b, minimum=1),
    )


def _counts(
    points: ArrayLike | None,
    counts: ArrayLike | None,
    means: ArrayLike | None,
    covariance: ArrayLike,
    n_b: int,
) -> NDArray[np.int64]:
    """Return how many of A^(0) are of each component, (B,)."""
    mu = check_means(means, n_b)
    sigma = check_covariance(covariance, mu.shape[1])
    if points is not None and counts is not None:
        raise InputError("initial_counts", counts, "None where initial_points are given")
    if counts is not None:
        takes = f"non-negative integers of shape ({n_b},)"
        try:
            numbers = np.asarray(counts)
        except ValueError:
            raise InputError("initial_counts", counts, takes) from None
        if numbers.shape != (n_b,) or numbers.dtype.kind not in "iu" or numbers.min() < 0:
            raise InputError("initial_counts", counts, takes)
        return numbers.astype(np.int64)
    given = check_initial_points(points, 1, mu.shape[1])
    if given is None:
        return np.zeros(n_b, np.int64)
    # Far from each other, components own what is nearest, whatever their weights.
    whiten = np.linalg.inv(np.linalg.cholesky(sigma))
    apart = (given.reshape(-1, 1, mu.shape[1]) - mu) @ whiten.T
    nearest = (apart**2).sum(-1).argmin(-1)
    return np.bincount(nearest, minlength=n_b).astype(np.int64)
