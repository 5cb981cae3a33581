"""Whether matrices of distances go together: vegan's ``mantel`` and ``mantel.partial``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from scipy.spatial.distance import is_valid_y, squareform
from scipy.stats import kendalltau, rankdata

from lwdstats.arrays import FloatArray, as_floats
from lwdstats.errors import InputError, check_choice
from lwdstats.geometry.given_distances import rounding_of
from lwdstats.geometry.kernels import centred
from lwdstats.geometry.labels import arranged, as_square, labels_of_square, order_of
from lwdstats.inference.permutation.scheme import Scheme, p_values, scheme
from lwdstats.results.printing import format_numbers, format_p
from lwdstats.results.result import PermutationResult, one_row

Correlation = Callable[[FloatArray, FloatArray], float]

_CORRELATIONS = {
    "pearson": "Pearson's product-moment correlation",
    "spearman": "Spearman's rank correlation rho",
    "kendall": "Kendall's rank correlation tau",
}
# A share of variation below this is what rounding leaves of none.
_NOTHING = 1e-12
_DISTANCES = (
    "a symmetric (n, n) matrix of finite distances, n at least 3, its upper triangle by rows as "
    "a vector, or a DataArray of one such matrix"
)


@dataclass(frozen=True, eq=False)
class Mantel(PermutationResult):
    """The result of `mantel` or `mantel_partial`.

    Attributes
    ----------
    statistic : float
        Correlation of the distances, or their partial correlation.
    p_value : float
        One-sided: is the correlation larger than by chance.
    permuted : numpy.ndarray, shape (B,)
        The statistic of each permutation; NaN where a partial one is not defined.
    permutations : Scheme
        What was permuted, and the seed.
    method : str
        "pearson", "spearman" or "kendall".
    partial : bool
        Whether the statistic is a partial correlation.
    """

    statistic: float
    p_value: float
    permuted: FloatArray = field(repr=False)
    permutations: Scheme
    method: str
    partial: bool = False

    def lines(self) -> list[str]:
        """Return vegan's block, but for the call."""
        levels = ("90%", "95%", "97.5%", "99%")
        values = format_numbers(np.nanquantile(self.permuted, (0.9, 0.95, 0.975, 0.99)), 3)
        width = max(map(len, (*levels, *values)))
        return [
            f"{self._name} statistic based on {_CORRELATIONS[self.method]}",
            "",
            f"Mantel statistic r: {self.statistic:.4g}",
            f"      Significance: {format_p([self.p_value], 5)[0]}",
            "",
            "Upper quantiles of permutations (null model):",
            " ".join(level.rjust(width) for level in levels),
            " ".join(value.rjust(width) for value in values),
            *self.permutations.lines(),
        ]

    @property
    def _name(self) -> str:
        return "Partial Mantel" if self.partial else "Mantel"

    def tidy(self) -> pd.DataFrame:
        """Return one row about the test, with broom's columns."""
        row = {"estimate": self.statistic, "p_value": self.p_value}
        row |= {"n_permutations": self.permutations.count}
        method = f"{self._name}, {_CORRELATIONS[self.method]}"
        return one_row(row | {"method": method, "alternative": "greater"})

    def _permuted(self) -> tuple[FloatArray | None, float, str]:
        return self.permuted, self.statistic, f"{self._name} statistic r"


def mantel(
    d1: npt.ArrayLike | xr.DataArray,
    d2: npt.ArrayLike | xr.DataArray,
    *,
    method: str = "pearson",
    permutations: int | npt.ArrayLike = 999,
    strata: npt.ArrayLike | None = None,
    seed: int | str | None = None,
) -> Mantel:
    """Test whether two matrices of distances between the same objects are correlated.

    Parameters
    ----------
    d1, d2 : array_like, shape (n, n) or (n (n - 1) / 2,), or xarray.DataArray
        Distances (or similarities): a matrix, whose diagonal is not read, or
        its upper triangle by rows. Where both have labels they go together by these,
        otherwise by their order.
    method : {"pearson", "spearman", "kendall"}
        Correlation of the distances, of their ranks (ties share their mean), or of their
        order, tau-b.
    permutations : int or array_like, shape (B, n)
        How many permutations of the objects of `d1` to draw, or the
        permutations themselves, as indices from 0. Where there are no more
        than so many apart from the identity, each is taken once and p is exact.
    strata : array_like, shape (n,), optional
        Labels; objects change places only within the same label.
    seed : int or str, optional
        Seed of the permutations; drawn when None, and kept in the result.

    Returns
    -------
    Mantel
        `statistic`, `p_value`, `permuted`.

    Raises
    ------
    InputError
        If the matrices differ in size or labels, are not symmetric and finite, or the
        distances of one are all equal.

    Notes
    -----
    ``r = cor(d1, d2)`` over the n (n - 1)/2 pairs; rows and columns of `d1` are
    permuted together; ``p = (1 + number of permuted >= observed) / (1 + B)``,
    where a value within 1.5e-8 of the observed is a tie.

    Follows ``vegan::mantel``, without missing values. vegan
    enumerates all permutations where there are fewer than 5,040, even if fewer
    were asked for; here the number asked for decides. Where vegan reads the
    lower triangle of a matrix that is not symmetric, it is an error here. As in R,
    distances that differ by rounding errors alone are not tied in ranks: round them first.

    References
    ----------
    Mantel, N. (1967), Cancer Research 27, 209-220.
    Legendre, P. and Legendre, L. (2012), Numerical Ecology, 3rd ed., 10.5.1.
    Oksanen, J. et al., ``vegan::mantel``.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> print(lwd.mantel([1, 2, 6, 3, 5, 4], [1, 3, 5, 2, 6, 4]))  # 4 objects, 6 pairs
    Mantel statistic based on Pearson's product-moment correlation
    <BLANKLINE>
    Mantel statistic r: 0.8857
          Significance: 0.125
    <BLANKLINE>
    Upper quantiles of permutations (null model):
      90%   95% 97.5%   99%
    0.657 0.863 0.937 0.975
    Permutation: free
    Number of permutations: 23
    """
    return _test({"d1": d1, "d2": d2}, method, permutations, strata, seed)


def mantel_partial(
    d1: npt.ArrayLike | xr.DataArray,
    d2: npt.ArrayLike | xr.DataArray,
    d3: npt.ArrayLike | xr.DataArray,
    *,
    method: str = "pearson",
    permutations: int | npt.ArrayLike = 999,
    strata: npt.ArrayLike | None = None,
    seed: int | str | None = None,
) -> Mantel:
    """Test whether two matrices of distances are correlated beyond what a third one explains.

    Parameters
    ----------
    d1, d2, d3 : array_like, shape (n, n) or (n (n - 1) / 2,), or xarray.DataArray
        Distances (or similarities) between the same objects, as `mantel` takes them.
    method : {"pearson", "spearman", "kendall"}
        As in `mantel`.
    permutations : int or array_like, shape (B, n)
        Permutations of the objects of `d1`, as in `mantel`.
    strata : array_like, shape (n,), optional
        Labels; objects change places only within the same label.
    seed : int or str, optional
        Seed of the permutations; drawn when None, and kept in the result.

    Returns
    -------
    Mantel
        `statistic`, `p_value`, `permuted`.

    Raises
    ------
    InputError
        As `mantel`; and if `d3` goes with one of the others exactly, so that nothing of
        it is left.

    Notes
    -----
    With the correlations r of two matrices each,

        r = (r12 - r13 r23) / sqrt((1 - r13^2) (1 - r23^2)).

    Rows and columns of `d1` are permuted together. A permutation in which `d1` goes with
    `d3` exactly has no r and counts as at least the observed one. The test takes what
    `d2` and `d3` do not share as exchangeable; where both follow, say, one gradient it
    rejects too often (``benchmarks/validity/size_permutation.md``).

    Follows ``vegan::mantel.partial``, without missing values, and as `mantel` does.

    References
    ----------
    Smouse, P. E., Long, J. C. and Sokal, R. R. (1986), Systematic Zoology 35, 627-632.
    Legendre, P. (2000), J. Statistical Computation and Simulation 67, 37-73.
    Oksanen, J. et al., ``vegan::mantel.partial``.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> x, y = [1, 2, 6, 3, 5, 4], [1, 3, 5, 2, 6, 4]
    >>> test = lwd.mantel_partial(x, y, [2, 1, 1, 3, 2, 3])
    >>> round(test.statistic, 4), test.p_value
    (0.8891, 0.125)
    """
    return _test({"d1": d1, "d2": d2, "d3": d3}, method, permutations, strata, seed)


def _test(
    matrices: dict[str, npt.ArrayLike | xr.DataArray],
    method: str,
    permutations: int | npt.ArrayLike,
    strata: npt.ArrayLike | None,
    seed: int | str | None,
) -> Mantel:
    """Return the test of two matrices, or of two given a third, by argument."""
    method = check_choice("method", method, tuple(_CORRELATIONS))
    pairs = {argument: _pairs(d, argument) for argument, d in matrices.items()}
    own = labels = labels_of_square(matrices["d1"], "d1")
    for argument, d in matrices.items():
        others = labels_of_square(d, argument)
        order = order_of(own, others, argument, "d1")
        labels = labels or others
        if order is not None:
            square = squareform(pairs[argument])
            pairs[argument] = squareform(square[np.ix_(order, order)], checks=False)
        if len(pairs[argument]) != len(pairs["d1"]):
            takes = f"as many as d1 has, which is {len(pairs['d1'])}"
            raise InputError(argument, f"{len(pairs[argument])} pairs of objects", takes)
        if np.ptp(pairs[argument]) == 0.0:
            raise InputError(argument, "distances that are all equal", "distances that vary")
    if strata is not None:
        strata = arranged(strata, labels, "strata", "d1")
    a, *rest = (_as_correlated(values, method) for values in pairs.values())
    correlate = _kendall if method == "kendall" else np.dot
    square = squareform(a)
    n, matrix = len(square), square.ravel()
    plan = scheme(n, permutations, strata, seed)
    statistic = _partial(correlate, rest)
    observed = statistic(a)
    if np.isnan(observed):
        raise InputError("d3", "distances that go with d1 or d2 exactly", "distances of their own")

    first, second = np.triu_indices(n, 1)
    # One permutation at a time: its pairs stay in the cache, which more of them would not.
    permuted = np.array(
        [
            statistic(matrix.take(order.take(first) * n + order.take(second)))
            for index in plan.blocks()
            for order in index
        ]
    )
    # One that is not defined must not make p smaller.
    p = float(p_values(observed, np.nan_to_num(permuted, nan=np.inf)))
    return Mantel(observed, p, permuted, plan, method, len(rest) > 1)


def _partial(correlate: Correlation, rest: list[FloatArray]) -> Callable[[FloatArray], float]:
    """Return the correlation with the first of `rest`, given the second if there is one."""
    if len(rest) == 1:
        return lambda a: float(correlate(a, rest[0]))
    b, c = rest
    bc = correlate(b, c)

    def partial(a: FloatArray) -> float:
        ab, ac = correlate(a, b), correlate(a, c)
        left = (1.0 - ac * ac, 1.0 - bc * bc)
        return float((ab - ac * bc) / np.sqrt(np.prod(left))) if min(left) > _NOTHING else np.nan

    return partial


def _kendall(a: FloatArray, b: FloatArray) -> float:
    return float(kendalltau(a, b, method="asymptotic").statistic)


def _pairs(d: object, argument: str) -> FloatArray:
    """Return the distances above the diagonal by rows, (n (n - 1)/2,)."""
    array = as_floats(as_square(d, argument), argument, _DISTANCES)
    if array.ndim == 1:
        if array.size < 3 or not is_valid_y(array):
            raise InputError(argument, f"a vector of {array.size}", _DISTANCES)
        return array
    if array.ndim != 2 or array.shape[0] != array.shape[1] or len(array) < 3:
        raise InputError(argument, f"shape {array.shape}", _DISTANCES)
    if np.any(np.abs(array - array.T) > rounding_of(array)):
        raise InputError(argument, "a matrix that is not symmetric", _DISTANCES)
    return (0.5 * (array + array.T))[np.triu_indices(len(array), 1)]


def _as_correlated(pairs: FloatArray, method: str) -> FloatArray:
    """Return what is correlated: distances or ranks with mean 0 and a sum of squares of 1."""
    if method == "kendall":
        return pairs
    values = centred(rankdata(pairs) if method == "spearman" else pairs)
    return values / np.linalg.norm(values)
