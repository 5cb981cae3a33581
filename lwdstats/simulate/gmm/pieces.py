"""Which steps of a run an engine does at once: all, or up to one kept time after the other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lwdstats.mixtures.spec import GmmSpec


class Piece(NamedTuple):
    """Steps that follow each other.

    Attributes
    ----------
    first, stop : int
        ``first <= t < stop``, of 0..T.
    slot : (stop - first,) int64
        Place of each among the times that this piece keeps, -1 for those that are not kept.
    """

    first: int
    stop: int
    slot: NDArray[np.int64]


def whole_run(spec: GmmSpec) -> list[Piece]:
    """Return all steps as one piece."""
    return [Piece(0, spec.n_steps + 1, spec.slot)]


def by_time(spec: GmmSpec) -> list[Piece]:
    """Return a piece for each kept time, which it ends with, and the steps after the last."""
    stops = [*(spec.times + 1).tolist(), spec.n_steps + 1]
    firsts = [0, *stops[:-1]]
    slot = np.where(spec.slot >= 0, 0, -1)
    return [Piece(a, b, slot[a:b]) for a, b in zip(firsts, stops, strict=True) if a < b]
