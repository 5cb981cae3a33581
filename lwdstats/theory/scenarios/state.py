"""What a recursion of moments runs over: coordinates, their start, and the steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lwdstats.arrays import FloatArray

# How many numbers the steps of one chunk may hold.
_CHUNK = 1_500_000


@dataclass
class State:
    """The coordinates of a recursion: compositions, and differences of such.

    Of models that are alike two coordinates stand for all: their mean, and the difference of
    a typical one from it, whose products are means over the models. Letters in the shapes:
    S coordinates, B components.

    Attributes
    ----------
    names : list of str
    totals : list of float
        1 for a composition, 0 for a difference.
    start : list of (B,) float64
        Expectation of each at 0.
    extra : dict of (int, int) to (B, B) float64
        What ``E z_i z_j'`` has at 0 beyond the product of both expectations.
    """

    n_components: int
    names: list[str] = field(default_factory=list)
    totals: list[float] = field(default_factory=list)
    start: list[FloatArray] = field(default_factory=list)
    extra: dict[tuple[int, int], FloatArray] = field(default_factory=dict)

    def add(self, name: str, start: FloatArray | None = None, total: float = 1.0) -> int:
        """Add a coordinate, and return its position."""
        if start is None:  # of what does not matter before it is first written
            start = np.full(self.n_components, total / self.n_components)
        self.names.append(name)
        self.totals.append(total)
        self.start.append(np.asarray(start, dtype=np.float64))
        return len(self.names) - 1

    def gram(self, pairs: NDArray[np.int64]) -> FloatArray:
        """Return G at 0 for pairs of components, as the kernel takes it, (Q, S, S)."""
        mean, totals = np.array(self.start), np.array(self.totals)
        if pairs[0, 0] < 0:
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
    """One direction of noise in some steps: where it goes, and how large it is.

    Attributes
    ----------
    direction : (C, S) float64
    terms : sequence of ((C,), (C, S)) float64
        v and e of each term.
    """

    direction: FloatArray
    terms: Sequence[tuple[FloatArray, FloatArray]]


@dataclass(frozen=True)
class Half:
    """What a part of each of some steps does to the state: the matrix, and the noise.

    Attributes
    ----------
    matrix : (C, S, S) float64
    noise : list of Noise
    """

    matrix: FloatArray
    noise: list[Noise]


@dataclass(frozen=True, eq=False)
class Moments:
    """Means and second moments of the state at some times.

    Attributes
    ----------
    time : (m,) int64
    mean : (m, B, S) float64
    gram : (m, Q, S, S) float64
        As `propagate` has them, for the pairs of components.
    """

    time: NDArray[np.int64]
    mean: FloatArray
    gram: FloatArray


def stacked(half: Half, totals: FloatArray) -> tuple[FloatArray | NDArray[np.int64], ...]:
    """Return the matrix, directions, forms, sizes and goals of steps, as `propagate` takes them."""
    c, s = half.matrix.shape[:2]
    terms = [(v, e, r) for r, one in enumerate(half.noise) for v, e in one.terms]
    direction, form = np.zeros((c, len(half.noise), s)), np.zeros((c, len(terms), s))
    size, to = np.zeros((c, len(terms))), np.zeros(len(terms), np.int64)
    for r, one in enumerate(half.noise):
        direction[:, r] = one.direction
    for m, (v, e, r) in enumerate(terms):
        size[:, m], form[:, m], to[m] = v, e, r
    return half.matrix, direction, form, size, to


def chunks(n_steps: int, n_state: int) -> Iterator[tuple[int, int]]:
    """Yield the first and the last step of chunks whose arrays are of a fair size."""
    size = max(1, _CHUNK // (6 * n_state * n_state))
    for first in range(0, n_steps, size):
        yield first, min(first + size, n_steps)
