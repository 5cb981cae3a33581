"""A network of single normal laws that move, as the recursion of its moments looks at it.

What is a composition in a mixture whose weights move is here a vector: of means, or of mean
squares, with features in the place of components. Both go through the same steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError
from lwdstats.mixtures.sources import Source, source_of
from lwdstats.mixtures.spec import MixtureSpec, MovingMixtureSpec
from lwdstats.specification import argument
from lwdstats.theory.scenarios.setting import Setting


def _one(value: int, spec: MixtureSpec) -> int:
    if value != 1:
        takes = "1: with more, moments close to first order only, see variance_rate"
        raise InputError("n_components", value, takes)
    return value


@dataclass(frozen=True, eq=False)
class MovingSpec(MovingMixtureSpec):
    """A network of single normal laws that move."""

    n_components: int = argument(1, "B: 1.", int, minimum=1, check_in=_one)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.moving:
            raise InputError("moving", "()", "'mean' or ('mean', 'covariance')")


@dataclass(frozen=True, eq=False)
class MovingSetting(Setting):
    """Means at 0 of models, sources and the web; mean squares where `squared`.

    Letters in the shapes: n models, d features.
    """

    spec: MovingSpec
    squared: bool = False
    takes_moving: ClassVar[bool] = True

    @property
    def n_components(self) -> int:
        """The number d."""
        return self.spec.n_features

    def _vector(self, mean: FloatArray, variance: FloatArray | float) -> FloatArray:
        return mean**2 + variance if self.squared else mean

    @cached_property
    def weights(self) -> FloatArray:
        """Of each model, (n, d)."""
        given = self.spec.initial_means
        given = self.spec.means if given is None else given
        given = given[0] if given.ndim == 4 else given
        start = np.broadcast_to(given, (self.n_models, 1, self.n_components))[:, 0]
        return self._vector(start, np.diag(self.spec.covariance))

    @cached_property
    def start(self) -> FloatArray:
        """Covariance of them at 0: none."""
        return np.zeros((self.n_components, self.n_components))

    @cached_property
    def share(self) -> FloatArray:
        """Of A^(0), (d,); zeros where it is empty."""
        points = self.spec.first_points(0).astype(np.float64)
        if not len(points):
            return np.zeros(self.n_components)
        return self._vector(points, 0.0).mean(0)

    @cached_property
    def sources(self) -> FloatArray | None:
        """Of the models' own sources, which have one component to draw from, (n, d)."""
        if self.scenario.anchors is None:
            return None
        mean = np.broadcast_to(self.spec.means, (self.n_models, self.n_components))
        return self._vector(mean, np.diag(self.spec.covariance))

    def _law(self, name: str, given: object) -> FloatArray:
        source: Source = source_of(name, given, self.spec.means, self.spec.covariance)
        variance = (source.factor**2).sum(1)
        return source.weights @ self._vector(source.means, variance)

    def of_model(self, model: int) -> tuple[NDArray[np.int64], FloatArray, FloatArray]:
        """Return k (T+1,), alpha and c (T,) of a model; a mean knows no c."""
        k, alpha, _ = super().of_model(model)
        return k, alpha, np.zeros(self.n_steps)
