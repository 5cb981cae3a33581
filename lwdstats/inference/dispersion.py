"""Homogeneity of multivariate dispersions, as vegan's ``betadisper``."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import xarray as xr

from lwdstats.errors import InputError, check_choice
from lwdstats.geometry.arrays import FloatArray
from lwdstats.geometry.scaling import as_distances
from lwdstats.inference.adonis import gower
from lwdstats.inference.dispersion_table import DispersionTable, anova_table, permutation_table
from lwdstats.inference.permutation import as_codes
from lwdstats.inference.printing import named_lines
from lwdstats.inference.spatial_median import spatial_median

# Below this size of a group the test of distances to centroids rejects too often.
_FEW = 40
# Axes whose eigenvalue is below this share of the largest hold rounding errors only.
_AXIS = float(np.sqrt(np.finfo(np.float64).eps))


@dataclass(frozen=True, eq=False)
class BetaDisper:
    """Distances of observations from the centres of their groups, by `betadisper`.

    Attributes
    ----------
    eig : numpy.ndarray, shape (k,)
        Eigenvalues of the principal coordinates, negative ones last.
    vectors : numpy.ndarray, shape (n, k)
        Principal coordinates; those of negative eigenvalues are imaginary, and
        stand here without the i.
    distances : numpy.ndarray, shape (n,)
        Distance of each observation from the centre of its group.
    group : numpy.ndarray, shape (n,)
        Index of the group of each observation.
    levels : tuple of str
        Names of the groups.
    centroids : numpy.ndarray, shape (groups, k)
        The centres.
    group_distances : numpy.ndarray, shape (groups,)
        Mean distance in each group.
    type : str
        "median" or "centroid".
    """

    eig: FloatArray
    vectors: FloatArray
    distances: FloatArray
    group: npt.NDArray[np.intp]
    levels: tuple[str, ...]
    centroids: FloatArray
    group_distances: FloatArray
    type: str
    call: str = field(default="", repr=False)

    def anova(self) -> DispersionTable:
        """Return the analysis of variance of the distances, with the F distribution's p."""
        return anova_table(self.distances, self.group, len(self.levels))

    def permutest(
        self,
        *,
        pairwise: bool = False,
        permutations: int | npt.ArrayLike = 999,
        seed: int | str | None = None,
    ) -> DispersionTable:
        """Test by permutation; see `permutest`."""
        return permutest(self, pairwise=pairwise, permutations=permutations, seed=seed)

    def __str__(self) -> str:
        positive = int(np.sum(self.eig > 0))
        shown = min(len(self.eig), 8)
        lines = ["", "\tHomogeneity of multivariate dispersions", "", f"Call: {self.call}", ""]
        lines += [f"No. of Positive Eigenvalues: {positive}"]
        lines += [f"No. of Negative Eigenvalues: {len(self.eig) - positive}", ""]
        lines += [f"Average distance to {self.type}:"]
        lines += named_lines(self.levels, self.group_distances, 4)
        lines += ["", "Eigenvalues for PCoA axes:"]
        lines += [f"(Showing {shown} of {len(self.eig)} eigenvalues)"] * (shown < len(self.eig))
        names = [f"PCoA{i + 1}" for i in range(shown)]
        return "\n".join([*lines, *named_lines(names, self.eig[:shown], 4)])


def betadisper(
    d: npt.ArrayLike | xr.DataArray,
    group: npt.ArrayLike,
    *,
    type: str = "median",  # noqa: A002 (R's name)
    bias_adjust: bool = False,
) -> BetaDisper:
    """Measure how far observations lie from the centre of their group.

    Parameters
    ----------
    d : array_like, shape (n, n) or (n (n - 1) / 2,), or xarray.DataArray
        Distances, Euclidean or not.
    group : array_like, shape (n,)
        Labels of the groups.
    type : {"median", "centroid"}
        The centre: the spatial median, or the mean.
    bias_adjust : bool
        Multiply distances by ``sqrt(m / (m - 1))``, m being the size of the
        group: a centre that is estimated from few observations lies too near
        to them, which matters where groups differ in size.

    Returns
    -------
    BetaDisper
        Distances and centres, with methods `anova` and `permutest`.

    Raises
    ------
    InputError
        If an argument is not as above, there are fewer than two groups, no
        group has two observations, or all distances are 0.

    Warns
    -----
    UserWarning
        If a squared distance is negative (the imaginary part is larger than
        the real one); it is set to 0.

    Notes
    -----
    Principal coordinates turn the distances into points; where `d` is not
    Euclidean some axes are imaginary. With r and i for the real and the
    imaginary part of a point, and centres taken in each of them,

        z = sqrt(||r - centre_r||^2 - ||i - centre_i||^2).

    Follows R's ``vegan::betadisper(d, group, type, bias.adjust)``. It differs
    in that medians are computed to working precision, where vegan stops at
    the tolerance of ``optim`` (distances then differ by up to about 1e-4);
    axes are dropped below 1.5e-8 of the largest eigenvalue, where vegan also
    has an absolute bound of 1.5e-8; and missing values are an error.

    References
    ----------
    Anderson, M. J. (2006), Biometrics 62, 245-253.
    Stier, A. C. et al. (2013), Ecology 94, 1057-1068 (the adjustment).
    Oksanen, J. et al., R package vegan, ``betadisper``.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> fit = betadisper(lwd.dist([0.0, 1.0, 5.0, 10.0, 12.0, 15.0]), list("aaabbb"))
    >>> fit.distances.round(6)
    array([1., 0., 4., 2., 0., 3.])
    >>> fit.group_distances.round(6)
    array([1.666667, 1.666667])
    """
    kind = check_choice("type", type, ("median", "centroid"))
    matrix = as_distances(d)
    n = len(matrix)
    codes, levels = as_codes(group, n, "group")
    _check_groups(codes, levels)
    if not matrix.any():
        raise InputError("d", "distances that are all 0", "distances that differ")
    eig, vectors = _coordinates(matrix)
    positive = eig > 0

    centres = np.empty((len(levels), len(eig)))
    for j in range(len(levels)):
        members = vectors[codes == j]
        if kind == "centroid":
            centres[j] = members.mean(axis=0)
        else:
            for axes in (positive, ~positive):
                centres[j, axes] = spatial_median(members[:, axes])
    away = (vectors - centres[codes]) ** 2
    square = away[:, positive].sum(axis=1) - away[:, ~positive].sum(axis=1)
    # A difference of two sums is 0 only but for rounding.
    if np.any(square < -1e-12 * away.sum(axis=1).max()):
        warnings.warn("some squared distances are negative and changed to zero", stacklevel=2)
    z = np.sqrt(np.maximum(square, 0.0))
    counts = np.bincount(codes)
    if bias_adjust:
        if counts.min() < 2:
            raise InputError("bias_adjust", True, "groups of two observations or more")
        z = z * np.sqrt(counts / (counts - 1.0))[codes]
    means = np.bincount(codes, z) / counts
    call = "betadisper(d = d, group = group"
    call += f', type = "{kind}"' * (kind != "median") + ", bias.adjust = TRUE" * bias_adjust
    return BetaDisper(eig, vectors, z, codes, levels, centres, means, kind, call + ")")


def permutest(
    x: BetaDisper,
    *,
    pairwise: bool = False,
    permutations: int | npt.ArrayLike = 999,
    seed: int | str | None = None,
) -> DispersionTable:
    """Test by permutation whether groups have the same dispersion.

    Parameters
    ----------
    x : BetaDisper
        Distances to centres.
    pairwise : bool
        Compare each pair of groups as well.
    permutations : int or array_like, shape (B, n)
        Number of permutations, or the permutations, as indices from 0. Where
        no more than so many exist, each is taken once.
    seed : int or str, optional
        Seed of the permutations; drawn and kept in the result when None.

    Returns
    -------
    DispersionTable
        The table, with R's block as ``str()``.

    Warns
    -----
    UserWarning
        If centres are centroids of fewer than 40 observations.

    Notes
    -----
    The residuals of the distances from their group's mean are permuted and F
    is computed anew. For pairs, all distances are permuted and t, with the
    pooled variance of the two groups, is computed in the two places. In both,
    ``p = (number permuted at least as large, + 1) / (B + 1)``, ties within
    1.5e-8 counting as equal.

    Distances to an estimated centre are not quite exchangeable, so the test is
    approximate. Of normal data in four dimensions a test at 5% rejects, with
    medians, about 3.7% in groups of 10 and 4.1% in groups of 20 (it is
    conservative); with centroids about 6.5% in either, as the distances from a
    mean of m points rise and fall together: their mean varies like one of m - 1.
    With groups of different size use ``bias_adjust=True`` in `betadisper`.

    Follows R's ``vegan::permutest(x, pairwise, permutations)``, where ties
    have a tolerance for F only, and a group of one has no t.

    References
    ----------
    Anderson, M. J. (2006), Biometrics 62, 245-253.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> x = [0.0, 1.0, 5.0, 10.0, 12.0, 15.0]
    >>> fit = betadisper(lwd.dist(x), list("aaabbb"))
    >>> float(permutest(fit).table["p_value"].iloc[0])
    1.0
    """
    if not isinstance(x, BetaDisper):
        raise InputError("x", x.__class__.__name__, "what betadisper returned")
    smallest = int(np.bincount(x.group).min())
    if x.type == "centroid" and smallest < _FEW:
        warnings.warn(
            f'with type="centroid" and a group of {smallest} the test rejects too often; '
            'use type="median"',
            stacklevel=2,
        )
    return permutation_table(x.distances, x.group, x.levels, permutations, seed, pairwise=pairwise)


def _check_groups(codes: npt.NDArray[np.intp], levels: tuple[str, ...]) -> None:
    if len(levels) < 2:
        raise InputError("group", f"one group, {', '.join(levels)}", "two groups or more")
    if len(codes) == len(levels):
        raise InputError("group", "one observation in each", "a group of at least two")


def _coordinates(d: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return eigenvalues (k,), decreasing, and principal coordinates (n, k)."""
    eig, vectors = np.linalg.eigh(gower(d))
    eig, vectors = eig[::-1], vectors[:, ::-1]
    keep = np.abs(eig) > _AXIS * np.abs(eig).max()
    return eig[keep], vectors[:, keep] * np.sqrt(np.abs(eig[keep]))
