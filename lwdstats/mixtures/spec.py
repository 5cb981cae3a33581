"""The specification of a Gaussian mixture network: checked arguments that JSON can hold."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lwdstats.arrays import FloatArray
from lwdstats.dataset.covariates import Values, check_covariates, covariates_to_json
from lwdstats.errors import InputError
from lwdstats.mixtures.arguments import (
    check_complexity,
    check_concentration,
    check_covariance,
    check_ids,
    check_initial_points,
    check_initial_weights,
    check_max_overlap,
    check_means,
    check_record,
    check_resolution,
    check_step_size,
    check_threshold,
    check_update,
)
from lwdstats.mixtures.components import counts_of
from lwdstats.mixtures.moving import (
    COVARIANCE_TYPES,
    VARIANCE_FLOOR,
    VARIANCE_RULES,
    check_covariance_type,
    check_initial_means,
    check_moving,
    check_variance_floor,
    check_variance_rule,
)
from lwdstats.mixtures.sources import check_for_mixtures
from lwdstats.scenario.growth import check_beta, read_sizes
from lwdstats.scenario.scenario import Scenario, check_scenario
from lwdstats.specification import Specification, argument
from lwdstats.streams import generator, resolve_seed

# The exact engine numbers points with 31 bits; the Gaussian one counts them in float64.
MAX_POINTS = {"exact": 2**31 - 2, "gaussian": 2**53}
# Largest J at which the Gaussian engine is right, by measurement: docs/gaussian-engine.md.
MAX_OVERLAP = 0.02
# What an option takes: numbers or words, several with commas between.
Words = int | float | str


def _check_points(value: Any, spec: MixtureSpec) -> NDArray[np.float32] | None:
    """Return A^(0); raise if the points of all steps could not be counted."""
    points = check_initial_points(value, spec.n_replicates, spec.n_features)
    n_initial = 0 if points is None else points.shape[-2]
    # One step beyond T is drawn, though not posted.
    n_drawn = spec.scenario.most_added(spec.n_models * spec.n_responses) * (spec.n_steps + 1)
    if n_initial + n_drawn > spec.most_points:
        most = f"steps that post no more than {spec.most_points} points in all"
        raise InputError("n_steps", spec.n_steps, most)
    return points


def _check_complexity(value: Any, spec: MixtureSpec) -> Any:
    """Return c's rule; by default 0 where what is read does not grow, as c would rule there."""
    if value is None:
        grows = spec.scenario.reads_grow and spec.update == "sequential"
        # Of one component that moves nothing hangs on c, which at k = 1 would have to be below 1.
        grows = grows and not (spec.moves and spec.n_components == 1)
        value = "1/(k B^2)" if grows else 0.0
    return _keep(spec, "c", check_complexity(value, spec.known))


def _keep(spec: MixtureSpec, name: str, found: tuple[FloatArray, Any]) -> Any:
    """Return how a rule is kept; its values, which took the work, are cached under their name."""
    vars(spec)[name], rule = found
    return rule


@dataclass(frozen=True, eq=False)
class MixtureSpec(Specification):
    """What a network of Gaussian mixtures is, as theory takes it.

    Letters in the shapes: n models, B components, d features, r replicates,
    N0 initial points, T steps.

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
    """

    n_models: int = argument(3, "n: number of mixtures.", int, minimum=1)
    n_components: int = argument(2, "B: components of each.", int, minimum=1)
    means: FloatArray = argument(
        None,
        "Means of the components on a line, with commas between.",
        float | str,
        check_in=lambda value, spec: check_means(value, spec.n_components),
    )
    covariance: FloatArray = argument(
        1.0,
        "Variance of each component.",
        float | str,
        check_in=lambda value, spec: check_covariance(value, spec.n_features),
    )
    n_steps: int = argument(200, "T: times 0..T are kept.", int, minimum=0)
    n_responses: int = argument(3, "L: responses a model and step.", int, minimum=1)
    beta: float = argument(
        0.5, "Share of the web that a model reads, in (0, 1].", float, check=check_beta
    )
    concentration: float | tuple[float, ...] = argument(
        1.0,
        "Of the Dirichlet law of the initial weights: a number, or B with commas between.",
        float | str,
        check_in=lambda value, spec: check_concentration(value, spec.n_components),
    )
    initial_weights: FloatArray | None = argument(
        None,
        "B weights that all models start from, with commas between.",
        float | str,
        check_in=lambda value, spec: check_initial_weights(
            value, spec.n_replicates, spec.n_models, spec.n_components
        ),
    )
    initial_points: NDArray[np.float32] | None = argument(
        None,
        "Points of the initial web on a line, with commas between.",
        float | str,
        check_in=_check_points,
    )
    step_size: str | float | tuple[float | None, ...] = argument(
        "1/k",
        'alpha_t: a number, or a formula in k such as "1/k".',
        float | str,
        check_in=lambda value, spec: _keep(spec, "alpha", check_step_size(value, spec.known)),
    )
    complexity: str | float | tuple[float | None, ...] = argument(
        None,
        'c_t: a number, or a formula; by default "1/(k B^2)", and 0 where k does not grow.',
        float | str,
        check_in=_check_complexity,
    )
    scenario: Scenario = argument(
        None,
        "How the web grows and who reads what.",
        Scenario,
        check=check_scenario,
        to_json=Scenario.to_json,
    )
    update: str | tuple[str, float] = argument(
        "sequential",
        "How a model learns: sequential (the paper), refit, or prior,POINTS.",
        Words,
        check=check_update,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_for_mixtures(self.scenario, self.n_models, self.means, self.covariance)

    @property
    def n_replicates(self) -> int:
        """The number r: theory looks at one run."""
        return 1

    @property
    def most_points(self) -> int:
        """How many points there may be in all."""
        return MAX_POINTS["gaussian"]

    @property
    def n_features(self) -> int:
        """The dimension d."""
        return self.means.shape[1]

    @property
    def n_initial(self) -> int:
        """|A^(0)|."""
        return 0 if self.initial_points is None else self.initial_points.shape[-2]

    @property
    def is_paper(self) -> bool:
        """Whether web, reading and update are those of the paper."""
        return self.scenario.is_paper and self.update == "sequential" and not self.moves

    @property
    def moves(self) -> bool:
        """Whether components move."""
        return False

    @property
    def labels(self) -> range:
        """Labels of the models."""
        return range(self.n_models)

    @cached_property
    def n_web(self) -> NDArray[np.int64]:
        """|A^(t)|, int64 of shape (T+1,)."""
        return self.scenario.n_web(self.labels, self.n_responses, self.n_initial, self.n_steps)

    @cached_property
    def n_pool(self) -> NDArray[np.int64] | None:
        """Posts that a model may read, int64 of shape (T+1,), or (T+1, n) where models differ.

        None where chance says how many, as the web has a capacity and not all read all.
        """
        sizes = self.scenario.n_pool(self.labels, self.n_responses, self.n_initial, self.n_steps)
        if sizes is None or sizes.ndim == 1:
            return sizes
        learning = sizes[:, self.scenario.reading(self.labels)]
        return learning[:, 0] if (learning == learning[:, :1]).all() and learning.size else sizes

    @cached_property
    def n_retrieved(self) -> NDArray[np.int64]:
        """k_t, int64 of shape (T+1,), or (T+1, n) where models differ.

        Where `n_pool` is None, k by the number of posts that a model may read: (1 + most,).
        """
        pool = np.arange(self.n_web.max() + 1) if self.n_pool is None else self.n_pool
        return read_sizes(self.scenario.n_read, self.beta, pool)

    @cached_property
    def known(self) -> dict[str, Any]:
        """What a rule may use, by name, at t = 0..T-1; k as `alpha` has its shape."""
        t = np.arange(self.n_steps)
        if self.n_pool is None:
            k = np.arange(self.n_retrieved.max(initial=0) + 1)
            k = np.broadcast_to(k, (self.n_steps, k.size))
        else:
            k = self.n_retrieved[:-1]
        t = t if k.ndim == 1 else t[:, None]
        return {"k": k, "B": self.n_components, "n": self.n_models, "t": t}

    @cached_property
    def alpha(self) -> FloatArray:
        """alpha_t, float64 of shape (T,); NaN where k_t is 0.

        (T, n) where models read different numbers; where chance says how many, (T, 1 + most),
        by the number.
        """
        return check_step_size(self.step_size, self.known)[0]

    @cached_property
    def c(self) -> FloatArray:
        """c_{t,B}, as `alpha`."""
        return check_complexity(self.complexity, self.known)[0]

    def first_points(self, position: int) -> NDArray[np.float32]:
        """Return A^(0), shape (N0, d), of the replicate at a position of `replicates`."""
        given = self.initial_points
        if given is None:
            return np.empty((0, self.n_features), np.float32)
        return given[position] if given.ndim == 3 else given

    def first_counts(self, position: int) -> NDArray[np.int64]:
        """Return how many of those points are of each component, (B,)."""
        points = self.first_points(position).astype(np.float64)
        return counts_of(points, self.means, self.covariance)


@dataclass(frozen=True, eq=False)
class MovingMixtureSpec(MixtureSpec):
    """What a network is whose components may move.

    Attributes
    ----------
    variance_rule : str or None
        The rule of covariances; None where they stay.
    initial_means : (B, d), (n, B, d) or (r, n, B, d) float64, or None
        Where means start; None where that is at `means`.
    """

    moving: tuple[str, ...] = argument(
        (), "Components that move: mean, or mean,covariance.", Words, check=check_moving
    )
    variance_rule: str | None = argument(
        None,
        f"How a moving covariance learns: {' or '.join(VARIANCE_RULES)}.",
        check_in=lambda value, spec: check_variance_rule(value, spec.moving, spec.update),
    )
    initial_means: FloatArray | None = argument(
        None,
        "Means on a line that moving components start from, with commas between.",
        float | str,
        check_in=lambda value, spec: check_initial_means(
            value,
            spec.moving,
            (spec.n_replicates, spec.n_models, spec.n_components, spec.n_features),
        ),
    )

    @property
    def moves(self) -> bool:
        """Whether components move."""
        return bool(self.moving)


@dataclass(frozen=True, eq=False)
class GmmSpec(MovingMixtureSpec):
    """Everything that decides what a simulated network of Gaussian mixtures does.

    Attributes
    ----------
    replicates : tuple of int
        Ids of the replicates.
    record : int, tuple of int or None
        The rule for the times that are kept.
    covariates : dict of str to list
        What is known of the mixtures, in their order.
    """

    simulator: ClassVar[str] = "gmm"

    threshold: float = argument(
        1e-3, "epsilon of the truncation, in [0, 1].", float, check=check_threshold
    )
    replicates: tuple[int, ...] = argument(1, "Number of independent runs.", int, check=check_ids)
    seed: int = argument(
        None, "Seed; drawn and recorded if not given.", check=resolve_seed, to_json=str
    )
    engine: str = argument(
        "exact", "exact, or gaussian for components far apart.", choices=tuple(MAX_POINTS)
    )
    max_overlap: float = argument(
        MAX_OVERLAP,
        "Largest overlap J that the Gaussian engine takes, in [0, 1].",
        float,
        check=check_max_overlap,
    )
    covariance_type: str | None = argument(
        None,
        f"What moving covariances are: {', '.join(COVARIANCE_TYPES)}.",
        check_in=lambda value, spec: check_covariance_type(value, spec.moving, spec.covariance),
    )
    variance_floor: float = argument(
        VARIANCE_FLOOR,
        "Least variance of a moving covariance in any direction, over that at the start.",
        float,
        check_in=lambda value, spec: check_variance_floor(value, spec.moving),
    )
    record: int | tuple[int, ...] | None = argument(
        None,
        "Keep every so many steps.",
        int,
        check_in=lambda value, spec: check_record(value, spec.n_steps),
    )
    covariates: dict[str, Values] = argument(
        None,
        "csv file of what is known of the mixtures, by a column model.",
        check_in=lambda value, spec: check_covariates(value, range(spec.n_models)),
        to_json=covariates_to_json,
    )

    def __post_init__(self) -> None:
        blamed = "covariance" if self.means is None else "means"
        super().__post_init__()
        check_resolution(self.means, self.covariance, blamed)
        if self.initial_means is not None:
            check_resolution(self.initial_means, self.covariance, "initial_means")

    @property
    def n_replicates(self) -> int:
        """The number r."""
        return len(self.replicates)

    @property
    def most_points(self) -> int:
        """How many points the engine can number."""
        return MAX_POINTS[self.engine]

    @property
    def times(self) -> NDArray[np.int64]:
        """The times that are kept, int64, increasing."""
        if isinstance(self.record, tuple):
            return np.array(self.record)
        return np.union1d(np.arange(0, self.n_steps, self.record or 1), self.n_steps)

    @property
    def slot(self) -> NDArray[np.int64]:
        """Place of each time among those that are kept, int64 of shape (T+1,); -1 of the others."""
        slot = np.full(self.n_steps + 1, -1)
        slot[self.times] = np.arange(self.times.size)
        return slot

    def first_means(self, position: int) -> FloatArray:
        """Return where the components of models start, (n, B, d), as `first_weights`."""
        given = self.means if self.initial_means is None else self.initial_means
        shape = (self.n_models, *self.means.shape)
        return np.broadcast_to(given[position] if given.ndim == 4 else given, shape)

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
