"""Whether two configurations of points go together: vegan's ``protest``."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from lwdstats.arrays import FloatArray, as_points
from lwdstats.geometry.cmdscale import CMDScale
from lwdstats.geometry.kernels import centred
from lwdstats.geometry.labels import arranged, labels_of, order_of
from lwdstats.geometry.procrustes import Procrustes, procrustes
from lwdstats.inference.permutation.scheme import Scheme, p_values, scheme
from lwdstats.results.printing import format_p
from lwdstats.results.result import PermutationResult, one_row


@dataclass(frozen=True, eq=False)
class Protest(PermutationResult):
    """The result of `protest`.

    Attributes
    ----------
    statistic : float
        Procrustes correlation t0, the root of ``1 - ss``.
    ss : float
        Procrustes sum of squares of the symmetric rotation, m12 squared.
    p_value : float
        One-sided: is the correlation larger than by chance.
    permuted : numpy.ndarray, shape (B,)
        The statistic of each permutation.
    permutations : Scheme
        What was permuted, and the seed.
    fit : Procrustes
        The symmetric rotation.
    """

    statistic: float
    ss: float
    p_value: float
    permuted: FloatArray = field(repr=False)
    permutations: Scheme
    fit: Procrustes

    def lines(self) -> list[str]:
        """Return vegan's block, but for the call."""
        return [
            f"Procrustes Sum of Squares (m12 squared):        {self.ss:.4g}",
            f"Correlation in a symmetric Procrustes rotation: {self.statistic:.4g}",
            f"Significance:  {format_p([self.p_value], 5)[0]}",
            "",
            *self.permutations.lines(),
        ]

    def tidy(self) -> pd.DataFrame:
        """Return one row about the test, with broom's columns."""
        row = {"estimate": self.statistic, "p_value": self.p_value, "sum_of_squares": self.ss}
        row |= {"n_permutations": self.permutations.count}
        return one_row(row | {"method": "Procrustes correlation", "alternative": "greater"})

    def _permuted(self) -> tuple[FloatArray | None, float, str]:
        return self.permuted, self.statistic, "Procrustes correlation"


def protest(
    x: npt.ArrayLike | CMDScale,
    y: npt.ArrayLike | CMDScale,
    *,
    permutations: int | npt.ArrayLike = 999,
    strata: npt.ArrayLike | None = None,
    seed: int | str | None = None,
) -> Protest:
    """Test whether two configurations of the same points agree more than by chance.

    Parameters
    ----------
    x, y : array_like, shape (n, k_x) and (n, k_y), or CMDScale
        The configurations. Where both have labels they go together by these, otherwise
        by their order.
    permutations : int or array_like, shape (B, n)
        How many permutations of the rows of `y` to draw, or the permutations
        themselves, as indices from 0. Where there are no more than so many
        apart from the identity, each is taken once and p is exact.
    strata : array_like, shape (n,), optional
        Labels; rows change places only within the same label.
    seed : int or str, optional
        Seed of the permutations; drawn when None, and kept in the result.

    Returns
    -------
    Protest
        `statistic`, `ss`, `p_value`, `permuted`, `fit`.

    Raises
    ------
    InputError
        If the configurations do not have as many points as each other, or not the same
        labels, or all points of one coincide.

    Notes
    -----
    With X and Y centred and of sum of squares 1, the statistic is the sum of
    the singular values of X'Y, which is the root of ``1 - ss``; and ``p = (1 +
    number of permuted >= observed) / (1 + B)``, where a value within 1.5e-8 of
    the observed is a tie. The null says that the rows of `y` are exchangeable:
    points that follow each other in time are not.

    Follows ``vegan::protest``, which enumerates all permutations where there
    are fewer than 5,040, even if fewer were asked for. Here the number asked
    for decides.

    References
    ----------
    Jackson, D. A. (1995), PROTEST, Ecoscience 2, 297-303.
    Peres-Neto, P. R. and Jackson, D. A. (2001), Oecologia 129, 169-178.
    Oksanen, J. et al., ``vegan::protest``.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> x = [[0, 0], [3, 0], [0, 1], [7, 7]]
    >>> y = [[1, 1], [1, 7], [-1, 1], [-13, 15]]  # x, turned and twice as large
    >>> test = lwd.protest(x, y)
    >>> round(test.statistic, 6), round(test.p_value, 6)  # 1/24: one of all 4! orders
    (1.0, 0.041667)
    """
    fit = procrustes(x, y, symmetric=True)
    own, others = labels_of(x), labels_of(y)
    points, order = _normed(y), order_of(own, others, "y", "x")
    points = points if order is None else points[order]
    if strata is not None:
        strata = arranged(strata, own or others, "strata", "x")
    plan = scheme(len(points), permutations, strata, seed)
    blocks = plan.blocks(points.shape[1])
    permuted = np.concatenate([_trace_norm(fit.x.T @ points[index]) for index in blocks])
    statistic = float(_trace_norm(fit.x.T @ points))
    p = float(p_values(statistic, permuted))
    return Protest(statistic, fit.ss, p, permuted, plan, fit)


def _normed(y: npt.ArrayLike | CMDScale) -> FloatArray:
    """Return `y`, (n, k), centred and with a sum of squares of 1."""
    points = centred(as_points(y.points if isinstance(y, CMDScale) else y, "y", "points"))
    return points / np.linalg.norm(points)


def _trace_norm(matrices: FloatArray) -> FloatArray:
    """Return the sum of the singular values of each matrix in (..., p, q)."""
    return np.linalg.svd(matrices, compute_uv=False).sum(axis=-1)
