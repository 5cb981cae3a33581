"""How the web grows, and how much of it a model reads."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwdstats.errors import InputError, is_number


def check_beta(beta: Any) -> float:
    """Return the share of the web that a model reads, a number in (0, 1]."""
    if not is_number(beta) or not 0 < beta <= 1:
        raise InputError("beta", beta, "a number in (0, 1]")
    return float(beta)


def web_sizes(n_initial: int, n_posted: int, n_steps: int) -> NDArray[np.int64]:
    """Return |A^(t)| for t = 0..T where every step adds `n_posted` posts."""
    return n_initial + n_posted * np.arange(n_steps + 1, dtype=np.int64)


def retrieval_sizes(n_web: NDArray[np.int64], beta: float) -> NDArray[np.int64]:
    """Return k_t = floor(beta |A^(t)|), of the number that was meant by beta.

    In binary, .29 * 100 is a little less than 29 and 1/3 is a little less than
    a third. Who writes them means 29 of 100 and 3 of 9, so a product within a
    relative 1e-12 of an integer counts as that integer.

    Examples
    --------
    >>> retrieval_sizes(np.array([0, 3, 100]), 0.29)
    array([ 0,  0, 29])
    >>> retrieval_sizes(np.array([8, 9]), 1 / 3)
    array([2, 3])
    """
    product = beta * n_web
    nearest = np.rint(product)
    whole = np.abs(product - nearest) <= 1e-12 * product
    return np.where(whole, nearest, np.floor(product)).astype(np.int64)
