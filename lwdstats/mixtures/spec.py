"""The specification of a Gaussian mixture network: checked arguments that JSON can hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError, check_choice, check_integer
from lwdstats.mixtures.arguments import (
    check_concentration,
    check_covariance,
    check_initial_points,
    check_initial_weights,
    check_means,
    check_record,
    check_resolution,
    check_rule,
    check_threshold,
    evaluate_rule,
)
from lwdstats.mixtures.growth import check_beta, retrieval_sizes, web_sizes
from lwdstats.simulate.gmm.gaussian.overlap import MAX_OVERLAP, check_max_overlap, check_overlap
from lwdstats.streams import check_replicates, generator, resolve_seed

ENGINES = ("exact", "gaussian")
# The exact engine numbers points with 31 bits; the Gaussian one counts them in float64. Replicates
# have 63 bits.
MAX_POINTS = {"exact": 2**31 - 2, "gaussian": 2**53}
MAX_REPLICATE = 2**63 - 1

Rule = str | float | Callable[[int], float] | Sequence[float | None]


@dataclass(frozen=True, eq=False)
class GmmSpec:
    """Everything that decides what a Gaussian mixture network does.

    Letters in the shapes: n models, B components, d features, r replicates,
    N0 initial points, T steps. Made by `resolve`, which checks.

    Attributes
    ----------
    means, covariance : (B, d), (d, d) float64
        The components.
    initial_weights : (B,), (n, B) or (r, n, B) float64, or None
        Pi^(0); None where it is drawn.
    initial_points : (N0, d) or (r, N0, d) float32, or None
        A^(0); None where it is empty.
    step_size, complexity : str, float or tuple
        The rules as they were given, a callable as its values.
    alpha, c : (T,) float64
        Their values alpha_t and c_{t,B}; NaN where k_t is 0.
    replicates : tuple of int
        Ids of the replicates.
    overlap : float or None
        J, which the Gaussian engine is refused by; None for the exact one.
    record : int, tuple of int or None
        The rule for the times that are kept.
    """

    n_models: int
    n_components: int
    means: FloatArray
    covariance: FloatArray
    n_steps: int
    n_responses: int
    beta: float
    concentration: float | tuple[float, ...]
    initial_weights: FloatArray | None
    initial_points: NDArray[np.float32] | None
    step_size: str | float | tuple[float | None, ...]
    complexity: str | float | tuple[float | None, ...]
    alpha: FloatArray
    c: FloatArray
    threshold: float
    replicates: tuple[int, ...]
    seed: int
    engine: str
    max_overlap: float
    overlap: float | None
    record: int | tuple[int, ...] | None

    @property
    def n_features(self) -> int:
        """The dimension d."""
        return self.means.shape[1]

    @property
    def n_initial(self) -> int:
        """|A^(0)|."""
        return 0 if self.initial_points is None else self.initial_points.shape[-2]

    @property
    def n_web(self) -> NDArray[np.int64]:
        """|A^(t)|, int64 of shape (T+1,)."""
        return web_sizes(self.n_initial, self.n_models * self.n_responses, self.n_steps)

    @property
    def n_retrieved(self) -> NDArray[np.int64]:
        """k_t, int64 of shape (T+1,)."""
        return retrieval_sizes(self.n_web, self.beta)

    @property
    def times(self) -> NDArray[np.int64]:
        """The times that are kept, int64, increasing."""
        if self.record is None:
            return np.arange(self.n_steps + 1)
        if isinstance(self.record, tuple):
            return np.array(self.record)
        return np.union1d(np.arange(0, self.n_steps, self.record), self.n_steps)

    def first_weights(self, position: int) -> FloatArray:
        """Return Pi^(0), shape (n, B), of the replicate at a position of `replicates`."""
        shape = (self.n_models, self.n_components)
        if self.initial_weights is not None:
            given = self.initial_weights
            return np.broadcast_to(given[position] if given.ndim == 3 else given, shape)
        stream = generator(self.seed, "initial_weights", self.replicates[position])
        concentration = np.broadcast_to(self.concentration, self.n_components)
        # Under a small concentration the law reaches below the smallest float, but never 0.
        return np.maximum(stream.dirichlet(concentration, self.n_models), np.finfo(float).tiny)

    def first_points(self, position: int) -> NDArray[np.float32]:
        """Return A^(0), shape (N0, d), of the replicate at a position of `replicates`."""
        given = self.initial_points
        if given is None:
            return np.empty((0, self.n_features), np.float32)
        return given[position] if given.ndim == 3 else given

    def to_json(self) -> dict[str, Any]:
        """Return the keyword arguments of `simulate_gmm` that give this run again."""
        return {
            "simulator": "gmm",
            "n_models": self.n_models,
            "n_components": self.n_components,
            "means": self.means.tolist(),
            "covariance": self.covariance.tolist(),
            "n_steps": self.n_steps,
            "n_responses": self.n_responses,
            "beta": self.beta,
            "concentration": _plain(self.concentration),
            "initial_weights": _plain(self.initial_weights),
            "initial_points": _plain(self.initial_points),
            "step_size": _plain(self.step_size),
            "complexity": _plain(self.complexity),
            "threshold": self.threshold,
            "replicates": list(self.replicates),
            "seed": str(self.seed),
            "engine": self.engine,
            "max_overlap": self.max_overlap,
            "record": _plain(self.record),
        }

    @classmethod
    def from_json(cls, spec: Mapping[str, Any]) -> GmmSpec:
        """Return the specification that `to_json` wrote."""
        arguments = {name: value for name, value in spec.items() if name != "simulator"}
        check_choice("simulator", spec.get("simulator", "gmm"), ("gmm",))
        try:
            return resolve(**arguments)
        except TypeError as error:
            raise InputError("spec", str(error), "the arguments of simulate_gmm") from error


def resolve(
    n_models: int = 3,
    n_components: int = 2,
    *,
    means: ArrayLike | None = None,
    covariance: ArrayLike = 1.0,
    n_steps: int = 200,
    n_responses: int = 3,
    beta: float = 0.5,
    concentration: float | Sequence[float] = 1.0,
    initial_weights: ArrayLike | None = None,
    initial_points: ArrayLike | None = None,
    step_size: Rule = "1/k",
    complexity: Rule = "1/(k B^2)",
    threshold: float = 1e-3,
    replicates: int | Sequence[int] = 1,
    seed: int | str | None = None,
    engine: str = "exact",
    max_overlap: float = MAX_OVERLAP,
    record: int | Sequence[int] | None = None,
) -> GmmSpec:
    """Check the arguments of `simulate_gmm`, fill in its defaults and return the specification."""
    n = check_integer("n_models", n_models, minimum=1)
    n_b = check_integer("n_components", n_components, minimum=1)
    n_t = check_integer("n_steps", n_steps, minimum=0)
    n_l = check_integer("n_responses", n_responses, minimum=1)
    share = check_beta(beta)
    ids = check_replicates(replicates)
    if max(ids) > MAX_REPLICATE:
        raise InputError("replicates", max(ids), f"ids of at most {MAX_REPLICATE}")
    mu = check_means(means, n_b)
    d = mu.shape[1]
    sigma = check_covariance(covariance, d)
    check_resolution(mu, sigma, "covariance" if means is None else "means")
    points = check_initial_points(initial_points, len(ids), d)
    n_initial = 0 if points is None else points.shape[-2]
    by = check_choice("engine", engine, ENGINES)
    # One step beyond T is drawn, though not posted.
    if n_initial + n * n_l * (n_t + 1) > MAX_POINTS[by]:
        most = f"steps that post no more than {MAX_POINTS[by]} points in all"
        raise InputError("n_steps", n_t, most)
    n_web = web_sizes(n_initial, n * n_l, n_t)[:-1]
    k = retrieval_sizes(n_web, share)
    known = {"k": k, "B": n_b, "n": n, "t": np.arange(n_t)}
    takes = "a formula, a number, a function of k or values, all in (0, 1]"
    alpha, alpha_rule = evaluate_rule("step_size", step_size, known, takes)
    check_rule("step_size", alpha, k, (alpha > 0) & (alpha <= 1), takes)
    takes = f"a formula, a number, a function of k or values, with c >= 0 and B c < 1 (B = {n_b})"
    c, c_rule = evaluate_rule("complexity", complexity, known, takes)
    check_rule("complexity", c, k, (c >= 0) & (n_b * c < 1), takes)
    dirichlet = check_concentration(concentration, n_b)
    weights = check_initial_weights(initial_weights, len(ids), n, n_b)
    epsilon, kept = check_threshold(threshold), check_record(record, n_t)
    root, limit = resolve_seed(seed), check_max_overlap(max_overlap)
    overlap = None
    if by == "gaussian":
        start = np.asarray(dirichlet) if weights is None else weights
        overlap = check_overlap(start, mu, sigma, points, epsilon, limit)
    return GmmSpec(
        n_models=n,
        n_components=n_b,
        means=mu,
        covariance=sigma,
        n_steps=n_t,
        n_responses=n_l,
        beta=share,
        concentration=dirichlet,
        initial_weights=weights,
        initial_points=points,
        step_size=alpha_rule,
        complexity=c_rule,
        alpha=alpha,
        c=c,
        threshold=epsilon,
        replicates=ids,
        seed=root,
        engine=by,
        max_overlap=limit,
        overlap=overlap,
        record=kept,
    )


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value
