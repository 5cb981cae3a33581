"""How the web grows, what stays on it, and how much of it a model reads."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwdstats.errors import InputError, is_number
from lwdstats.expression import parse


def check_beta(beta: Any) -> float:
    """Return the share of the web that a model reads, a number in (0, 1]."""
    if not is_number(beta) or not 0 < beta <= 1:
        raise InputError("beta", beta, "a number in (0, 1]")
    return float(beta)


def web_sizes(n_initial: int, n_posted: int, n_steps: int) -> NDArray[np.int64]:
    """Return |A^(t)| for t = 0..T where every step adds `n_posted` posts."""
    return n_initial + n_posted * np.arange(n_steps + 1, dtype=np.int64)


def kept_sizes(
    keep: str | tuple[str, int], n_initial: int, added: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return |A^(t)| for t = 0..T where step t adds ``added[t]`` posts, T of them in all.

    Examples
    --------
    >>> kept_sizes(("last", 2), 5, np.array([3, 3, 3, 3]))
    array([5, 8, 6, 6, 6])
    >>> kept_sizes(("reservoir", 7), 5, np.array([3, 3, 3, 3]))
    array([5, 7, 7, 7, 7])
    """
    ever = n_initial + np.concatenate([[0], np.cumsum(added)]).astype(np.int64)
    if keep == "all":
        return ever
    rule, size = keep[0], int(keep[1])
    if rule == "last":
        # What came m steps ago or later; the initial web counts as what came at step -1.
        gone = np.concatenate([np.zeros(size, np.int64), ever])[: ever.size]
        return ever - gone
    return np.minimum(ever, size)


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


def read_sizes(n_read: str | int, beta: float, n_pool: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many posts a model reads that may read `n_pool`, by the rule `n_read`.

    Examples
    --------
    >>> read_sizes(4, 0.5, np.array([0, 3, 100]))
    array([0, 3, 4])
    >>> read_sizes("sqrt(N)", 0.5, np.array([0, 3, 100]))
    array([ 0,  1, 10])
    """
    if n_read == "beta":
        return retrieval_sizes(n_pool, beta)
    if not isinstance(n_read, str):
        return np.minimum(n_pool, n_read)
    sizes = np.asarray(n_pool, np.int64)
    # Where it is not finite the check below says so, with the number of posts.
    with np.errstate(all="ignore"):
        value = np.broadcast_to(parse(n_read, argument="n_read")({"N": sizes * 1.0}), sizes.shape)
    bad = (sizes > 0) & ~(np.isfinite(value) & (value >= 0))
    if bad.any():
        where = sizes[bad].flat[0]
        got = f"{n_read!r}, which is {value[bad].flat[0]:g} at N = {where}"
        raise InputError("n_read", got, "a formula in N of at least 0")
    # As above, a number a little below an integer counts as that.
    many = retrieval_sizes(np.where(sizes > 0, np.minimum(value, sizes), 0), 1.0)
    return np.minimum(many, sizes)
