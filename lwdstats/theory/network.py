"""A network of Gaussian mixtures whose components do not overlap, as its recursions need it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwdstats.arrays import FloatArray, as_integers
from lwdstats.errors import InputError
from lwdstats.mixtures.spec import MixtureSpec
from lwdstats.specification import argument


@dataclass(frozen=True, eq=False)
class Network:
    """What the moments of a network follow from; made by `from_spec` or `network`.

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

    @classmethod
    def from_spec(cls, spec: MixtureSpec) -> Network:
        """Return the network of a checked specification, from the start of its first replicate."""
        check_paper(spec)
        n, n_b = spec.n_models, spec.n_components
        given = spec.initial_weights
        if given is None:
            a = np.broadcast_to(spec.concentration, n_b)
            weights, mean, spread = None, a / a.sum(), np.zeros((n_b, n_b))
            start = (np.diag(mean) - np.outer(mean, mean)) / (a.sum() + 1)
        else:
            weights = np.broadcast_to(given[0] if given.ndim == 3 else given, (n, n_b))
            mean = weights.mean(0)
            apart = weights - mean
            spread, start = apart.T @ apart / n, np.zeros((n_b, n_b))
        return cls(
            n_models=n,
            n_components=n_b,
            n_responses=spec.n_responses,
            n_web=spec.n_web,
            n_retrieved=spec.n_retrieved,
            alpha=np.nan_to_num(spec.alpha),
            c=np.nan_to_num(spec.c),
            counts=spec.first_counts(0),
            weights=weights,
            mean=mean,
            spread=spread,
            start=start,
        )

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


def check_paper(spec: MixtureSpec) -> None:
    """Raise where web, reading or update are not the paper's, by the name of what is not."""
    if not spec.scenario.is_paper:
        raise InputError("scenario", repr(spec.scenario), "the paper's: this holds in no other")
    if spec.update != "sequential":
        raise InputError("update", spec.update, "'sequential': this holds for no other")
    check_fixed(spec)


def check_fixed(spec: MixtureSpec) -> None:
    """Raise where components move."""
    if spec.moves:
        takes = "(): this holds for components that stay; moving_moments is for those that move"
        raise InputError("moving", "components that move", takes)


def _check_counts(value: Any) -> NDArray[np.int64] | None:
    if value is None:
        return None
    takes = "non-negative integers, one for each component"
    counts = as_integers(value, "initial_counts", takes)
    if counts.ndim != 1 or counts.min(initial=0) < 0:
        raise InputError("initial_counts", value, takes)
    return counts


def _check_fit(counts: NDArray[np.int64] | None, spec: MixtureSpec) -> NDArray[np.int64] | None:
    """Raise where counts are not those of the components, or points are given too."""
    if counts is not None and spec.initial_points is not None:
        raise InputError("initial_counts", counts, "None where initial_points are given")
    if counts is not None and counts.size != spec.n_components:
        takes = f"non-negative integers of shape ({spec.n_components},)"
        raise InputError("initial_counts", counts, takes)
    return counts


@dataclass(frozen=True, eq=False)
class CountedSpec(MixtureSpec):
    """A network whose A^(0) may also be given as how many points each component has."""

    initial_counts: NDArray[np.int64] | None = argument(
        None,
        "How many of A^(0) are of each component.",
        check=_check_counts,
        check_in=_check_fit,
    )

    @property
    def n_initial(self) -> int:
        """|A^(0)|."""
        return super().n_initial if self.initial_counts is None else int(self.initial_counts.sum())

    def first_counts(self, position: int) -> NDArray[np.int64]:
        """Return how many of A^(0) are of each component, (B,)."""
        given = self.initial_counts
        return super().first_counts(position) if given is None else given


def network(
    initial_weights: Any = None,
    *,
    n_models: int | None = None,
    n_components: int | None = None,
    **options: Any,
) -> Network:
    """Check the arguments of `expected_sq_norm` and return the network that they describe."""
    sizes = {"n_models": n_models, "n_components": n_components}
    return Network.from_spec(described(initial_weights, **sizes, **options))


def described(
    initial_weights: Any = None,
    *,
    n_models: int | None = None,
    n_components: int | None = None,
    **options: Any,
) -> CountedSpec:
    """Check the arguments of `expected_sq_norm` and return the specification that they are.

    n and B are as given, else as the weights say, else by default.
    """
    sizes: dict[str, int] = {}
    # Of what is no array of numbers the check of the weights says what is wrong.
    with contextlib.suppress(ValueError, TypeError):
        shape = np.shape(initial_weights)  # () of None
        sizes = dict(zip(("n_components", "n_models"), reversed(shape), strict=False))
    given = {"n_models": n_models, "n_components": n_components}
    sizes |= {name: size for name, size in given.items() if size is not None}
    return CountedSpec(initial_weights=initial_weights, **sizes, **options)
