"""Whether two matrices of distances go together: vegan's ``mantel``."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from scipy.spatial.distance import is_valid_y, squareform
from scipy.stats import rankdata

from lwdstats.arrays import FloatArray, as_floats
from lwdstats.errors import InputError, check_choice
from lwdstats.geometry.cmdscale import rounding_of
from lwdstats.geometry.kernels import centred
from lwdstats.geometry.labels import arranged, as_square, labels_of_square, order_of
from lwdstats.inference.permutation.scheme import Scheme, p_values, scheme
from lwdstats.results.printing import format_numbers, format_p
from lwdstats.results.result import PermutationResult, one_row

_CORRELATIONS = {
    "pearson": "Pearson's product-moment correlation",
    "spearman": "Spearman's rank correlation rho",
}
_DISTANCES = (
    "a symmetric (n, n) matrix of finite distances, n at least 3, its upper triangle by rows as "
    "a vector, or a DataArray of one such matrix"
)


@dataclass(frozen=True, eq=False)
class Mantel(PermutationResult):
    """The result of `mantel`.

    Attributes
    ----------
    statistic : float
        Correlation of the distances.
    p_value : float
        One-sided: is the correlation larger than by chance.
    permuted : numpy.ndarray, shape (B,)
        The statistic of each permutation.
    permutations : Scheme
        What was permuted, and the seed.
    method : str
        "pearson" or "spearman".
    """

    statistic: float
    p_value: float
    permuted: FloatArray = field(repr=False)
    permutations: Scheme
    method: str

    def lines(self) -> list[str]:
        """Return vegan's block, but for the call."""
        levels = ("90%", "95%", "97.5%", "99%")
        values = format_numbers(np.quantile(self.permuted, (0.9, 0.95, 0.975, 0.99)), 3)
        width = max(map(len, (*levels, *values)))
        return [
            f"Mantel statistic based on {_CORRELATIONS[self.method]}",
            "",
            f"Mantel statistic r: {self.statistic:.4g}",
            f"      Significance: {format_p([self.p_value], 5)[0]}",
            "",
            "Upper quantiles of permutations (null model):",
            " ".join(level.rjust(width) for level in levels),
            " ".join(value.rjust(width) for value in values),
            *self.permutations.lines(),
        ]

    def tidy(self) -> pd.DataFrame:
        """Return one row about the test, with broom's columns."""
        row = {"estimate": self.statistic, "p_value": self.p_value}
        row |= {"n_permutations": self.permutations.count}
        method = f"Mantel, {_CORRELATIONS[self.method]}"
        return one_row(row | {"method": method, "alternative": "greater"})

    def _permuted(self) -> tuple[FloatArray | None, float, str]:
        return self.permuted, self.statistic, "Mantel statistic r"


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
    method : {"pearson", "spearman"}
        Correlation of the distances, or of their ranks (ties share their mean).
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

    Follows ``vegan::mantel``, without Kendall's tau and missing values. vegan
    enumerates all permutations where there are fewer than 5,040, even if fewer
    were asked for; here the number asked for decides. Where vegan reads the
    lower triangle of a matrix that is not symmetric, it is an error here.

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
    method = check_choice("method", method, tuple(_CORRELATIONS))
    a, b = _pairs(d1, "d1"), _pairs(d2, "d2")
    own, others = labels_of_square(d1, "d1"), labels_of_square(d2, "d2")
    order = order_of(own, others, "d2", "d1")
    if order is not None:
        b = squareform(squareform(b)[np.ix_(order, order)], checks=False)
    if strata is not None:
        strata = arranged(strata, own or others, "strata", "d1")
    if len(a) != len(b):
        takes = f"as many as d1 has, which is {len(a)}"
        raise InputError("d2", f"{len(b)} pairs of objects", takes)
    a, b = _standardised(a, method, "d1"), _standardised(b, method, "d2")
    square = squareform(a)
    n, matrix = len(square), square.ravel()
    plan = scheme(n, permutations, strata, seed)

    first, second = np.triu_indices(n, 1)
    # One permutation at a time: its pairs stay in the cache, which more of them would not.
    permuted = np.array(
        [
            matrix.take(order.take(first) * n + order.take(second)) @ b
            for index in plan.blocks()
            for order in index
        ]
    )
    statistic = float(a @ b)
    return Mantel(statistic, float(p_values(statistic, permuted)), permuted, plan, method)


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


def _standardised(pairs: FloatArray, method: str, argument: str) -> FloatArray:
    """Return the pairs (or their ranks), centred and with a sum of squares of 1."""
    values = centred(rankdata(pairs) if method == "spearman" else pairs)
    size = float(np.linalg.norm(values))
    if size == 0.0:
        raise InputError(argument, "distances that are all equal", "distances that vary")
    return values / size
