"""Which replicates a run makes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lwdstats.errors import InputError, check_integer


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
