"""Sums within groups of permuted observations: no matrix of observations times permutations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
from scipy import sparse

from lwdstats.arrays import FloatArray
from lwdstats.inference.permutation.scheme import IndexArray, Scheme, groups_by_size
from lwdstats.inference.permutation.waiting import shown

# Numbers of a block of sums: 2 MB of float64, so that it stays near the processor.
_BLOCK = 1 << 18
# Additions that are worth a second of compiling.
_LARGE = 1 << 25


def observations_of(index: IndexArray, plan: Scheme) -> IndexArray:
    """Return which observation takes each place, (b, n), as `quadratic_forms` permutes them.

    There a row of a random scheme says in whose place each observation comes, and a given
    one which observation comes in each place.
    """
    if plan.seed is None:
        return index
    out = np.empty_like(index)
    np.put_along_axis(out, index, np.arange(index.shape[1])[None], axis=1)
    return out


def within_groups(d: FloatArray, codes: IndexArray, plan: Scheme) -> tuple[FloatArray, FloatArray]:
    """Return sums of squares within groups, (T,), and those of permuted observations, (T, B).

    `d`, (T, n, n), are squared distances (or distances, for the energy statistic), and the
    sum over pairs in a group is divided by its size. Only pairs in a group are looked at: a
    permutation costs as many numbers as there are, however many groups.
    """
    matrices = d.reshape(len(d), -1)
    n = len(codes)
    stacked = [members for members in groups_by_size(codes) if members.shape[1] > 1]

    def sums(index: IndexArray) -> FloatArray:
        out = np.zeros((len(d), len(index)))
        for members in stacked:
            taken = index[:, members]
            for i in range(members.shape[1] - 1):
                pairs = taken[:, :, i, None] * n + taken[:, :, i + 1 :]
                for t, matrix in enumerate(matrices):
                    out[t] += matrix.take(pairs).sum(axis=(1, 2)) / members.shape[1]
        return out

    permuted = np.empty((len(d), plan.count))
    start = 0
    for index in plan.blocks(4):
        permuted[:, start : start + len(index)] = sums(observations_of(index, plan))
        start += len(index)
    return sums(np.arange(n)[None])[:, 0], permuted


def permuted_sums(
    x: FloatArray, codes: IndexArray, n_groups: int, plan: Scheme
) -> Iterator[tuple[slice, FloatArray]]:
    """Yield sums over groups, (b, groups, p), of permuted points `x`, (n, p), and which these are.

    A point is read once for a block of permutations, and adds to one group of each.
    """
    width = max(4, _BLOCK // max(1, n_groups * x.shape[1]))
    start = 0
    for index in shown(plan.blocks(together=4), plan.count):
        # A random permutation says in whose place an observation comes: see above.
        back = np.argsort(index, axis=1) if plan.seed is None else index
        for first in range(0, len(back), width):
            groups = codes[back[first : first + width]]
            b = len(groups)
            yield slice(start, start + b), group_sums(x, groups, n_groups)
            start += b


def group_sums(x: FloatArray, groups: IndexArray, n_groups: int) -> FloatArray:
    """Return sums, (b, groups, p), of points `x`, (n, p), that are in `groups`, (b, n)."""
    b, n = groups.shape
    if x.size * b > _LARGE:
        out = np.zeros((b, n_groups, x.shape[1]))
        _compiled()(x, groups, out)
        return out
    rows = np.ascontiguousarray((groups + n_groups * np.arange(b)[:, None]).T)
    indicator = sparse.csc_array(
        (np.ones(b * n), rows.ravel(), np.arange(0, b * n + 1, b)), shape=(b * n_groups, n)
    )
    return (indicator @ x).reshape(b, n_groups, -1)


@cache
def _compiled() -> Callable[[FloatArray, IndexArray, FloatArray], None]:
    """Return `_add_up`, compiled: a third of the time of a sparse product."""
    import numba

    return numba.njit(nogil=True)(_add_up)


def _add_up(x: FloatArray, groups: IndexArray, out: FloatArray) -> None:
    """Add points `x`, (n, p), to the sums `out`, (b, groups, p), of their `groups`, (b, n)."""
    for j in range(x.shape[0]):
        for i in range(groups.shape[0]):
            group = groups[i, j]
            for k in range(x.shape[1]):
                out[i, group, k] += x[j, k]
