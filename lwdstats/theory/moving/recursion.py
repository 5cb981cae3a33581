"""The recursion of means, mean squares and covariances that move, in every scenario that closes.

Of vectors z (means of models, pools and sources) the second moments ``G = E z z'`` and the mean
squares ``q = E u^2`` of points drawn from them go through the same steps A as means do:

    G' = A G A' + sum_r sum_m v_m (e_m'q - e_m'G e_m) f_r f_r',    q' = A q + lifts,

since a point drawn from the mixture e has variance ``e'q - e'G e``. Where a covariance learns from
products of old and new residuals second moments are kept, and there are no lifts. Where it learns
from old residuals each read adds ``a^2 d^2``. Where covariances stay, q is what the means say.

Letters in the shapes: C half steps, S coordinates, d features, R directions, M terms.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwdstats.arrays import FloatArray
from lwdstats.theory.moving.setting import MovingSetting, MovingSpec
from lwdstats.theory.scenarios.program import Program
from lwdstats.theory.scenarios.reading import Group, draw_weights

_CHUNK = 1_000_000


@dataclass(frozen=True)
class Moments:
    """Of the coordinates at a time: means (d, S), mean squares (d, S), E z z' (d, S, S)."""

    mean: FloatArray
    square: FloatArray
    gram: FloatArray


@dataclass(frozen=True)
class Lift:
    """What a step of reading adds to the mean square of a group: terms v (C,) on e (C, S)."""

    place: int
    terms: list[tuple[FloatArray, FloatArray]]


class MovingProgram:
    """The steps of a network of single normal laws."""

    def __init__(self, spec: MovingSpec) -> None:
        self.spec = spec
        self.program = Program(MovingSetting(spec))
        self.squares = Program(MovingSetting(spec, squared=True))
        self.totals = np.array(self.program.state.totals)

    def start(self) -> Moments:
        """Return the moments at 0."""
        d = self.spec.n_features
        pairs = np.stack([np.arange(d)] * 2, 1)
        state = self.program.state
        return Moments(state.mean(), self.squares.state.mean(), state.gram(pairs))

    @cached_property
    def _old_residuals(self) -> bool:
        return self.spec.variance_rule == "zivkovic"

    def _lifts(self, t: NDArray[np.int64]) -> list[Lift]:
        if not self._old_residuals:
            return []
        return [self._lift(group, t) for group in self.program.groups if group.reads]

    def _lift(self, group: Group, t: NDArray[np.int64]) -> Lift:
        """Return what squared residuals from old means add to E (mu^2 + C), over models."""
        k, alpha, update = group.k[t], group.alpha[t], self.spec.update
        if update != "sequential":
            # g^2 E (m - mu)^2, of the mean m of what is read.
            _, s1, s2 = draw_weights(update, alpha, k)
            mean, terms = self.program.read(group, t, s2, s1**2 - s2)
            parts = [(s1**2, self._apart(group, mean)), *terms]
            return Lift(group.mean, _negated(parts[:1]) + parts[1:])
        # sum_j (1 - a)^(k-j) a^2 E (u_j - mu_(j-1))^2: of mu there is (1 - a)^(j-1) left, and the
        # noise is that of u_j less the weighted sum of the points before it.
        old, squares, products = (np.zeros(t.size) for _ in range(3))
        for step, (many, a) in enumerate(zip(k.tolist(), alpha.tolist(), strict=True)):
            if not many:
                continue
            j = np.arange(many)
            left = (1 - a) ** j
            s1, s2 = 1 - left, a * (1 - left**2) / (2 - a)
            each = a**2 * (1 - a) ** (many - 1 - j)
            old[step] = each @ left**2
            squares[step] = each @ (1 + s2)
            products[step] = each @ (s1**2 - 2 * s1 - s2)
        mean, terms = self.program.read(group, t, squares, products)
        return Lift(group.mean, _negated([(old, self._apart(group, mean))]) + terms)

    def _apart(self, group: Group, mean: FloatArray) -> FloatArray:
        """Return the form of a typical model's mean less that of what it reads, (C, S)."""
        form = -mean
        for place in (group.mean, group.apart):
            if place is not None:
                form = form + self.program.state.unit(place)
        return form

    def run(self) -> Iterator[Moments]:
        """Yield the moments at t = 0..T."""
        now = self.start()
        yield now
        n_steps, size = self.spec.n_steps, self.program.state.size
        chunk = max(1, _CHUNK // (size * size * 8))
        for first in range(0, n_steps, chunk):
            t = np.arange(first, min(first + chunk, n_steps))
            arrays, lifts = self.program.arrays(t), self._lifts(t)
            halves = len(arrays[0]) // t.size
            for place in range(t.size):
                for half in range(halves):
                    step = place * halves + half
                    some = lifts if half == 0 else []
                    now = self._step(now, [a[step] for a in arrays[:4]], arrays[4], some, place)
                yield now

    def _step(
        self, now: Moments, arrays: list[FloatArray], to: Any, lifts: list[Lift], place: int
    ) -> Moments:
        matrix, direction, form, size = arrays
        noise = size[:, None] * self._variance(now, form)
        gram = matrix @ now.gram @ matrix.T
        for r, f in enumerate(direction):
            amplitude = noise[to == r].sum(0)
            gram = gram + amplitude[:, None, None] * np.outer(f, f)
        square = now.square @ matrix.T
        for lift in lifts:
            for v, e in lift.terms:
                square[:, lift.place] += v[place] * self._variance(now, e[place][None])[0]
        if "covariance" not in self.spec.moving:
            fixed = np.diag(self.spec.covariance)
            for group in self.program.groups:
                own = [p for p in (group.mean, group.apart) if p is not None]
                square[:, group.mean] = gram[:, own, own].sum(1) + fixed
        return Moments(now.mean @ matrix.T, square, gram)

    def _variance(self, now: Moments, form: FloatArray) -> FloatArray:
        """Return the variance of a point of each form, (M, d): minus a square for differences."""
        left = np.einsum("ms,dsr,mr->md", form, now.gram, form, optimize=True)
        return (form @ self.totals)[:, None] * (form @ now.square.T) - left


def _negated(terms: list[tuple[FloatArray, FloatArray]]) -> list[tuple[FloatArray, FloatArray]]:
    """Return terms of differences, whose `_variance` is minus their square."""
    return [(-v, e) for v, e in terms]
