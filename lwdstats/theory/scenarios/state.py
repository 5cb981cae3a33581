"""What a recursion of moments runs over: coordinates, their start, and the steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lwdstats.arrays import FloatArray


@dataclass
class State:
    """The coordinates of a recursion: compositions, and differences of such.

    Of models that are alike two coordinates stand for all: their mean, and the difference of
    a typical one from it, whose products are means over the models. Letters in the shapes:
    S coordinates, B components, Q pairs of components.

    Attributes
    ----------
    totals : list of float
        1 for a composition, 0 for a difference.
    start : list of (B,) float64
        Expectation of each at 0.
    extra : dict of (int, int) to (B, B) float64
        What ``E z_i z_j'`` has at 0 beyond the product of both expectations.
    """

    n_components: int
    totals: list[float] = field(default_factory=list)
    start: list[FloatArray] = field(default_factory=list)
    extra: dict[tuple[int, int], FloatArray] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """S."""
        return len(self.totals)

    def add(self, start: FloatArray | None = None, total: float = 1.0) -> int:
        """Add a coordinate, and return its place.

        Without a start it gets one that no step looks at before it is first written.
        """
        if start is None:
            start = np.full(self.n_components, total / self.n_components)
        self.totals.append(total)
        self.start.append(np.asarray(start, dtype=np.float64))
        return self.size - 1

    def unit(self, place: int) -> FloatArray:
        """Return the form (S,) that is one coordinate."""
        form = np.zeros(self.size)
        form[place] = 1.0
        return form

    def mean(self) -> FloatArray:
        """Return the expectations at 0, (B, S)."""
        return np.ascontiguousarray(np.array(self.start).T)

    def gram(self, pairs: NDArray[np.int64]) -> FloatArray:
        """Return the second moments at 0 for pairs of components, as `propagate` has them."""
        mean, totals = np.array(self.start), np.array(self.totals)
        if pairs.size and pairs[0, 0] < 0:
            out = (np.outer(totals, totals) - mean @ mean.T)[None]
            for (i, j), more in self.extra.items():
                out[0, i, j] -= np.trace(more)
            return out
        out = np.einsum("iq,jq->qij", mean[:, pairs[:, 0]], mean[:, pairs[:, 1]])
        for (i, j), more in self.extra.items():
            out[:, i, j] += more[pairs[:, 0], pairs[:, 1]]
        return out


@dataclass(frozen=True)
class Noise:
    """One direction of noise in C steps: where it goes, and how large it is.

    Attributes
    ----------
    direction : (S,) or (C, S) float64
    terms : sequence of ((C,), (C, S)) float64
        v and e of each term, as of `propagate`.
    """

    direction: FloatArray
    terms: Sequence[tuple[FloatArray, FloatArray]]


@dataclass(frozen=True)
class Half:
    """What one half of C steps, its reading or its posting, does to some coordinates.

    Attributes
    ----------
    rows : dict of int to (C, S) float64
        Rows of the matrix, of the coordinates that change.
    noise : list of Noise
    """

    rows: dict[int, FloatArray]
    noise: list[Noise]


def together(first: Half, second: Half) -> Half:
    """Return two halves that both look at the state before the step."""
    return Half(first.rows | second.rows, first.noise + second.noise)


def stacked(half: Half, n_steps: int, n_state: int) -> tuple[FloatArray | NDArray[np.int64], ...]:
    """Return the matrix, directions, forms, sizes and goals of steps, as `propagate` takes them."""
    matrix = np.empty((n_steps, n_state, n_state))
    matrix[:] = np.eye(n_state)
    for place, row in half.rows.items():
        matrix[:, place] = row
    terms = [(v, e, r) for r, one in enumerate(half.noise) for v, e in one.terms]
    direction = np.zeros((n_steps, len(half.noise), n_state))
    form, size = np.zeros((n_steps, len(terms), n_state)), np.zeros((n_steps, len(terms)))
    to = np.zeros(len(terms), np.int64)
    for r, one in enumerate(half.noise):
        direction[:, r] = one.direction
    for m, (v, e, r) in enumerate(terms):
        size[:, m], form[:, m], to[m] = v, e, r
    return matrix, direction, form, size, to
