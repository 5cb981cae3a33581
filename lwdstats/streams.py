"""Random streams keyed by what they are for, so that runs do not disturb each other.

A stream belongs to (seed, purpose, replicate, model, ...). Adding a replicate,
a job or a model never changes the numbers of another stream.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lwdstats.errors import InputError, check_integer

# A purpose keeps its number for ever: renumbering would change old results.
PURPOSES = {
    "initial_weights": 1,
    "emission": 2,
    "retrieval": 3,
    "generation": 4,
    "fresh": 5,
    "noise": 6,
    "anchors": 7,
    "keep": 8,
}


def resolve_seed(seed: int | str | None) -> int:
    """Return a non-negative seed: the one given, or 128 bits from the system.

    A decimal string is taken too, since that is how a dataset records it.
    """
    if seed is None:
        return secrets.randbits(128)
    takes = "a non-negative integer, its decimal string, or None"
    if isinstance(seed, str):
        if not (seed.isascii() and seed.isdigit()):
            raise InputError("seed", seed, takes)
        return int(seed)
    try:
        return check_integer("seed", seed, minimum=0)
    except InputError:
        raise InputError("seed", seed, takes) from None


def seed_sequence(seed: int, purpose: str, *key: int) -> np.random.SeedSequence:
    """Return the root of the stream that `purpose` and `key` name."""
    return np.random.SeedSequence(seed, spawn_key=(PURPOSES[purpose], *key))


def root_words(seed: int, purpose: str) -> NDArray[np.uint64]:
    """Return the (4,) words from which kernels derive their streams of `purpose`."""
    return seed_sequence(seed, purpose).generate_state(4, np.uint64).astype(np.uint64, copy=False)


def generator(seed: int, purpose: str, *key: int) -> np.random.Generator:
    """Return a NumPy generator on that stream."""
    return np.random.Generator(np.random.PCG64(seed_sequence(seed, purpose, *key)))


def check_replicates(replicates: int | Sequence[int]) -> tuple[int, ...]:
    """Return the ids of the replicates: 0..r-1 for a number, else the ids given."""
    takes = "a positive integer, or distinct non-negative ids"
    if isinstance(replicates, (int, np.integer)) and not isinstance(replicates, bool):
        return tuple(range(check_integer("replicates", replicates, minimum=1)))
    if isinstance(replicates, (bool, str, bytes)) or np.ndim(replicates) != 1:
        raise InputError("replicates", replicates, takes)
    ids = tuple(check_integer("replicates", r, minimum=0) for r in replicates)
    if not ids or len(set(ids)) != len(ids):
        raise InputError("replicates", ids, takes)
    return ids
