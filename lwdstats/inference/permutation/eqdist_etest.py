"""The energy test of equal distributions, as energy's ``eqdist.etest``."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lwdstats.arrays import FloatArray, as_integers, as_points
from lwdstats.errors import InputError, check_bool, check_integer
from lwdstats.geometry.given_distances import as_distances, rounding_of
from lwdstats.geometry.kernels import distances, doubly_centred
from lwdstats.inference.permutation.scheme import p_values, quadratic_forms, scheme
from lwdstats.results.htest import HTest

_SIZES = "sizes of two samples or more, each at least 1, that add up to the rows of x"


def eqdist_etest(
    x: npt.ArrayLike,
    sizes: Sequence[int] | npt.ArrayLike,
    R: int = 999,
    *,
    distance: bool = False,
    seed: int | str | None = None,
) -> HTest:
    """Test whether samples come from one distribution, by their energy distances.

    Parameters
    ----------
    x : array_like, shape (n, p), (n,), or distances as in `cmdscale`
        The samples, one after the other: rows of points, numbers, or (with
        `distance`) the distances between all of them.
    sizes : sequence of int
        How many observations each sample has.
    R : int
        Number of permutations. Where no more than so many exist, each is
        taken once, and p is exact.
    distance : bool
        Whether `x` holds distances, (n, n) or its upper triangle by rows.
    seed : int or str, optional
        Seed of the permutations; drawn when None.

    Returns
    -------
    HTest
        Statistic and p-value, with R's block as ``str()``.

    Raises
    ------
    InputError
        If an argument is not as above, or `x` is not finite.

    Warns
    -----
    UserWarning
        If `x` looks like distances and `distance` is False.

    Notes
    -----
    With m_ij the mean distance between samples i and j (within a sample the
    n_i zero distances of observations from themselves are in the mean),

        E = sum over i < j of  n_i n_j / (n_i + n_j) * (2 m_ij - m_ii - m_jj),

    and ``p = (number of permuted E >= E, + 1) / (R + 1)``, ties within 1.5e-8
    counting as equal. The test is exact when observations are exchangeable
    under the null hypothesis, and consistent against every alternative with
    finite means if the distances are Euclidean.

    Follows R's ``energy::eqdist.etest(x, sizes, distance, R = R)`` (method
    "original"). It differs in that an equal E counts against the null
    hypothesis, where energy counts larger ones only (with ties its p is too
    small); in the complete enumeration of small cases; and in that R is at
    least 1.

    References
    ----------
    Székely, G. J. and Rizzo, M. L. (2004), Testing for equal distributions in
    high dimension, InterStat 5.
    Székely, G. J. and Rizzo, M. L. (2013), Journal of Statistical Planning and
    Inference 143, 1249-1272.
    Rizzo, M. L. and Székely, G. J., R package energy, ``eqdist.etest``.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> test = lwd.eqdist_etest([0.0, 1.0, 4.0, 5.0], [2, 2])
    >>> round(test.statistic, 6)  # 2 * 2 / 4 * (2 * 4 - 1 / 2 - 1 / 2)
    7.0
    >>> print(test)
    <BLANKLINE>
        Univariate 2-sample E-test of equal distributions
    <BLANKLINE>
    data:  sample sizes 2 2, replicates 23
    E-statistic = 7, p-value = 0.3333
    <BLANKLINE>
    """
    R = check_integer("R", R, minimum=1)
    if check_bool("distance", distance):
        matrix, kind = as_distances(x), ""
    else:
        takes = "finite numbers of shape (n, p) or (n,), or distances with distance=True"
        points = as_points(x, "x", takes)
        if points.shape[0] == points.shape[1] and _like_distances(points):
            warnings.warn("x looks like distances, but distance=False", stacklevel=2)
        kind = "Univariate " if points.shape[1] == 1 else "Multivariate "
        matrix = distances(points, "euclidean", 2.0)
    counts = _as_sizes(sizes, len(matrix))
    plan = scheme(len(matrix), R, None, seed, argument="R")

    G, basis, weight = energy_forms(matrix, counts)
    observed = np.einsum("ij,ij->j", basis, G @ basis) @ weight
    permuted = quadratic_forms(G, basis, plan) @ weight
    # E has the unit of the distances; a tie is judged relative to their size.
    unit = float(matrix.mean()) or 1.0
    listed = " ".join(map(str, counts))
    return HTest(
        statistic=float(observed),
        parameter=None,
        p_value=float(p_values(observed / unit, permuted / unit)),
        conf_int=None,
        estimate=None,
        null_value=None,
        alternative=None,
        method=f"{kind}{len(counts)}-sample E-test of equal distributions",
        data_name=f"sample sizes {listed}, replicates {plan.count}",
        statistic_name="E-statistic",
        permuted=permuted,
    )


def energy_forms(
    d: FloatArray, sizes: npt.NDArray[np.int64]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return G (n, n), Q (n, k - 1) and weights (k - 1,) with E = sum_l w_l q_l' G q_l.

    With c = 1_i / n_i - 1_j / n_j, ``2 m_ij - m_ii - m_jj = -c' D c``. As c adds
    up to 0, D may be centred; and the sum over pairs of ``n_i n_j / (n_i + n_j)
    c c'`` is a matrix of rank k - 1, whose axes are the columns of Q.
    """
    codes = np.repeat(np.arange(len(sizes)), sizes)
    n = sizes.astype(np.float64)
    product = np.outer(n, n) / np.add.outer(n, n)
    np.fill_diagonal(product, 0.0)
    # sum over pairs, on the coordinates 1_i / sqrt(n_i), which are orthonormal.
    root = np.sqrt(n)
    A = (np.diag(product.sum(axis=1)) - product) / np.outer(root, root)
    weight, axes = np.linalg.eigh(A)
    # The vector of ones has weight 0 and comes first.
    return doubly_centred(-d), (axes[:, 1:] / root[:, None])[codes], weight[1:]


def _as_sizes(sizes: object, n: int) -> npt.NDArray[np.int64]:
    array = as_integers(sizes, "sizes", _SIZES)
    if array.ndim != 1 or len(array) < 2 or array.min() < 1:
        raise InputError("sizes", repr(sizes), _SIZES)
    if array.sum() != n:
        raise InputError("sizes", f"{sizes!r}, {array.sum()} in all, for {n} rows", _SIZES)
    return array


def _like_distances(x: FloatArray) -> bool:
    slack = rounding_of(x)
    symmetric = np.abs(x - x.T).max() <= slack and np.abs(np.diagonal(x)).max() <= slack
    return len(x) > 1 and bool(symmetric and x.min() >= -slack)
