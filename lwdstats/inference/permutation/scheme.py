"""Permutations of observations, and the p-values that they give.

A scheme says which permutations a test uses; a test asks it for blocks of them
and works on a block at once, so that the permutations are rows of matrices and
not turns of a loop.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from lwdstats.arrays import FloatArray, as_integers
from lwdstats.errors import InputError, check_integer
from lwdstats.streams import resolve_seed

IndexArray = npt.NDArray[np.intp]

# Statistics closer than this (relatively, above 1) are ties: as in vegan, the square root of
# the machine precision. Rounding leaves errors of about 1e-12, far below it.
TIE_TOLERANCE = math.sqrt(np.finfo(np.float64).eps)
# Numbers in a block: 4 MB of float64, so that a block stays near the processor.
_BLOCK = 1 << 19


@dataclass(frozen=True, eq=False)
class Scheme:
    """The permutations that a test uses.

    Attributes
    ----------
    n : int
        Number of observations.
    count : int
        Number of permutations, B; the identity is not one of them.
    kind : str
        "free", "strata" (within strata only) or "supplied matrix".
    complete : bool
        Whether these are all permutations but the identity, so that p is exact.
    seed : int or None
        What repeats them; None where nothing is random.
    """

    n: int
    count: int
    kind: str
    complete: bool
    seed: int | None
    # All rows, where they are known beforehand; otherwise the strata, by size.
    _rows: IndexArray | None = field(repr=False)
    _strata: tuple[IndexArray, ...] = field(repr=False)

    def lines(self) -> list[str]:
        """Return what R prints of the permutations."""
        return [f"Permutation: {self.kind}", f"Number of permutations: {self.count}"]

    def blocks(self, width: int = 1, together: int = 1) -> Iterator[IndexArray]:
        """Yield all permutations, as (b, n) indices from 0, each block small in memory.

        `width` is how many numbers a test holds for each observation of a
        permutation. The permutations do not depend on it: a generator gives
        the same rows one at a time or together, of which there are so many at least.
        """
        size = max(together, _BLOCK // (self.n * max(1, width)))
        # A stream for each size of stratum, so that blocks of any length give the same rows.
        seeds = np.random.SeedSequence(self.seed).spawn(len(self._strata))
        streams = [np.random.Generator(np.random.SFC64(seed)) for seed in seeds]
        for start in range(0, self.count, size):
            b = min(size, self.count - start)
            if self._rows is not None:
                yield self._rows[start : start + b]
                continue
            out = np.empty((b, self.n), np.intp)
            for rng, members in zip(streams, self._strata, strict=True):
                # members is (strata of this size, size).
                shape = (b, *members.shape)
                out[:, members] = rng.permuted(np.broadcast_to(members, shape), axis=2)
            yield out


def scheme(
    n: int,
    permutations: int | npt.ArrayLike,
    strata: npt.ArrayLike | None = None,
    seed: int | str | None = None,
    *,
    argument: str = "permutations",
    enumerate_few: bool = True,
) -> Scheme:
    """Return the permutations of `n` observations that a test is to use.

    Parameters
    ----------
    n : int
        Number of observations.
    permutations : int or array_like, shape (B, n)
        How many to draw, or the permutations themselves, as indices from 0.
        Where there are no more than so many apart from the identity, each is
        taken once, as vegan does.
    strata : array_like, shape (n,), optional
        Labels; observations change places only within the same label.
    seed : int or str, optional
        Seed; one is drawn when None.
    argument : str
        How an error names `permutations`.
    enumerate_few : bool
        Whether to take each permutation once where there are few, or to draw as many as asked.

    Returns
    -------
    Scheme
        The permutations, made when they are asked for.

    Examples
    --------
    >>> [block.tolist() for block in scheme(3, [[1, 0, 2]]).blocks()]
    [[[1, 0, 2]]]
    >>> scheme(4, 999).count, scheme(4, 999, ["a", "a", "b", "b"]).count
    (23, 3)
    """
    if isinstance(permutations, (list, tuple)) or getattr(permutations, "ndim", 0) > 0:
        if strata is not None:
            raise InputError("strata", "strata and a matrix of permutations", "one of the two")
        rows = _as_permutations(permutations, n, argument)
        return Scheme(n, len(rows), "supplied matrix", False, None, rows, ())
    count = check_integer(argument, permutations, minimum=1)
    codes = np.zeros(n, np.intp) if strata is None else as_codes(strata, n, "strata")[0]
    kind = "free" if strata is None else "strata"
    total = math.prod(math.factorial(size) for size in np.bincount(codes).tolist())
    if total == 1:
        raise InputError("strata", "one observation in each", "a stratum of at least two")
    if enumerate_few and total - 1 <= count:
        return Scheme(n, total - 1, kind, True, None, _all_permutations(codes), ())
    return Scheme(n, count, kind, False, resolve_seed(seed), None, groups_by_size(codes))


def p_values(observed: npt.ArrayLike, permuted: FloatArray) -> FloatArray:
    """Return p of statistics, a number or (k,), from those of B permutations, (B,) or (B, k).

    ``p = (number of permuted >= observed, + 1) / (B + 1)``: the observed
    arrangement counts as one of the B + 1, without which p could be 0 and the
    test would reject too often. Ties count, and rounding must not undo one.
    """
    size = np.abs(np.nan_to_num(observed, posinf=0.0, neginf=0.0))
    counts = np.sum(permuted >= observed - TIE_TOLERANCE * np.maximum(1.0, size), axis=0)
    return np.where(np.isnan(observed), np.nan, (counts + 1.0) / (len(permuted) + 1.0))


def quadratic_forms(G: FloatArray, Q: FloatArray, permutations: Scheme) -> FloatArray:
    """Return q' G_p q of each column q of `Q`, (n, k), for each permutation p: (..., B, k).

    G_p is `G`, (..., n, n) and symmetric, with rows and columns in the order p.
    To permute G is to permute q back, so a block of permutations is one product
    of (k b, n) with (n, n).
    """
    n, k = Q.shape
    matrices = G.reshape(-1, n, n)
    columns = np.ascontiguousarray(Q.T)
    out = np.empty((len(matrices), permutations.count, k))
    start = 0
    for index in permutations.blocks(2 * k):
        b = len(index)
        # A random permutation and its inverse are alike; a given one must be turned back.
        back = np.argsort(index, axis=1) if permutations.seed is None else index
        Z = np.take(columns, back, axis=1).reshape(k * b, n)
        for i, matrix in enumerate(matrices):
            forms = np.einsum("ij,ij->i", Z @ matrix, Z)
            out[i, start : start + b] = forms.reshape(k, b).T
        start += b
    return out.reshape(*G.shape[:-2], permutations.count, k)


def _as_permutations(rows: npt.ArrayLike, n: int, argument: str) -> IndexArray:
    takes = f"a number of permutations, or rows that each hold 0..{n - 1} once"
    array = as_integers(rows, argument, takes)
    if array.ndim != 2 or array.shape[1] != n or len(array) == 0:
        raise InputError(argument, f"shape {array.shape}", takes)
    if np.any(np.sort(array, axis=1) != np.arange(n)):
        raise InputError(argument, "a row that is not a permutation", takes)
    return array.astype(np.intp)


def as_codes(
    labels: npt.ArrayLike, n: int, argument: str
) -> tuple[npt.NDArray[np.intp], tuple[str, ...]]:
    """Return integer codes (n,) of labels and the names of the levels.

    Levels are in the order of a pandas Categorical, as in R those of a factor,
    without the ones that do not occur; of other labels they are sorted.
    """
    takes = f"{n} labels, one an observation, none missing"
    if isinstance(labels, pd.Series | pd.Categorical | pd.CategoricalIndex):
        series = pd.Series(labels)
    else:
        try:
            array = np.asarray(labels)
        except (TypeError, ValueError):
            raise InputError(argument, f"a {type(labels).__name__}", takes) from None
        if array.ndim != 1:
            got = f"a {type(labels).__name__} of shape {array.shape}"
            raise InputError(argument, got, takes)
        series = pd.Series(array.tolist())
    if len(series) != n:
        raise InputError(argument, f"{len(series)} labels", takes)
    if bool(series.isna().any()):
        raise InputError(argument, "missing labels", takes)
    try:
        categories = series.astype("category").cat.remove_unused_categories().cat
    except (TypeError, ValueError):
        raise InputError(argument, "labels that cannot be compared", takes) from None
    return categories.codes.to_numpy(np.intp), tuple(str(c) for c in categories.categories)


def groups_by_size(codes: IndexArray) -> tuple[IndexArray, ...]:
    """Return the members of groups, by their codes (n,): (groups, size) for each size, rising."""
    members = [np.flatnonzero(codes == code) for code in np.unique(codes)]
    sizes = sorted({len(m) for m in members})
    return tuple(np.array([m for m in members if len(m) == size]) for size in sizes)


def _all_permutations(codes: IndexArray) -> IndexArray:
    """Return every permutation within the strata `codes`, (n,), but the identity, (B, n)."""
    out = np.arange(len(codes))[None, :]
    for code in np.unique(codes):
        m = np.flatnonzero(codes == code)
        within = np.array(list(itertools.permutations(m.tolist())))
        out = np.repeat(out, len(within), axis=0)
        out[:, m] = np.tile(within, (len(out) // len(within), 1))
    return out[1:]  # the first of each stratum is the order it came in
