"""Homogeneity of multivariate dispersions, as vegan's ``betadisper``."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt
import xarray as xr

from lwdstats.arrays import FloatArray
from lwdstats.dataset.embeddings.choose_embedding import by_embedding
from lwdstats.errors import InputError, check_bool, check_choice
from lwdstats.geometry.given_distances import as_distances, made_euclidean
from lwdstats.geometry.kernels import gower
from lwdstats.geometry.labels import arranged, labels_of_square
from lwdstats.inference.dispersion.permuted import POINT
from lwdstats.inference.dispersion.result import BetaDisper
from lwdstats.inference.dispersion.spatial_median import spatial_median
from lwdstats.inference.dispersion.table import DispersionTable
from lwdstats.inference.permutation.answers import (
    check_blocks,
    distances_of,
    warn_of_models,
)
from lwdstats.inference.permutation.scheme import as_codes

# Axes whose eigenvalue is below this share of the largest hold rounding errors only.
_AXIS = float(np.sqrt(np.finfo(np.float64).eps))


def betadisper(
    d: npt.ArrayLike | xr.DataArray | xr.Dataset,
    group: npt.ArrayLike | str,
    *,
    type: str = "median",  # noqa: A002 (R's name)
    bias_adjust: bool = False,
    sqrt_dist: bool = False,
    add: bool | str = False,
    embedding: str = "embedding",
) -> BetaDisper:
    """Measure how far observations lie from the centre of their group.

    Parameters
    ----------
    d : array_like, shape (n, n) or (n (n - 1) / 2,), xarray.DataArray or Dataset
        Distances, Euclidean or not. Of a dataset of either simulation at one
        time, replicate and query, ``ds.sel(time=t, replicate=r)``, the
        Euclidean ones between the answers.
    group : array_like, shape (n,), or str
        Labels of the groups, which have the order of a pandas Categorical, or
        are sorted. Where `group` and `d` have labels of the observations, they go
        together by these, otherwise by their order. For a dataset, "model", a
        coordinate of its models, or groups of the answers, model after model.
    type : {"median", "centroid"}
        The centre: the spatial median, or the mean.
    bias_adjust : bool
        Multiply distances by ``sqrt(m / (m - 1))``, m being the size of the
        group: a centre that is estimated from few observations lies too near
        to them, which matters where groups differ in size.
    sqrt_dist : bool
        Take square roots of the distances, before anything else.
    add : bool or {"lingoes", "cailliez"}
        Make the distances Euclidean by the smallest constant, `ac`, added to half their
        squares (Lingoes; also True) or to themselves (Cailliez). Observations at a
        distance of 0, as repeated answers are, then lie apart.
    embedding : str
        Which embedding of a dataset's answers, as `choose_embedding` takes it.

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

    Follows R's ``vegan::betadisper(d, group, type, bias.adjust, sqrt.dist, add)``. It
    differs in that medians are computed to working precision, where vegan stops at
    the tolerance of ``optim`` (distances then differ by up to about 1e-4);
    axes are dropped below 1.5e-8 of the largest eigenvalue, where vegan also
    has an absolute bound of 1.5e-8; distances below 1e-11 of the length of the
    longest vector are rounding errors, and set to 0, where vegan keeps them; and
    missing values are an error.

    References
    ----------
    Anderson, M. J. (2006), Biometrics 62, 245-253.
    Stier, A. C. et al. (2013), Ecology 94, 1057-1068 (the adjustment).
    Oksanen, J. et al., R package vegan, ``betadisper``.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> fit = lwd.betadisper(lwd.dist([0.0, 1.0, 5.0, 10.0, 12.0, 15.0]), list("aaabbb"))
    >>> fit.distances.round(6)
    array([1., 0., 4., 2., 0., 3.])
    >>> fit.group_distances.round(6)
    array([1.666667, 1.666667])
    >>> ds = lwd.simulate_gmm(n_steps=5, n_responses=10, seed=1)
    >>> lwd.betadisper(ds.sel(time=5), "model").levels
    ('0', '1', '2')
    """
    kind = check_choice("type", type, ("median", "centroid"))
    check_bool("bias_adjust", bias_adjust)
    d = by_embedding(d, embedding, "d")
    if isinstance(d, xr.Dataset):
        matrix, frame = distances_of(d, "d")
        check_blocks(frame, None, "d", ", and repeat for the others")
        if isinstance(group, str):
            if group not in frame:
                takes = "'model', a coordinate of the models, or labels of the answers"
                raise InputError("group", group, takes)
            warn_of_models(frame, [group], stacklevel=3)
            group = frame[group]
        own = None
    else:
        matrix, own = as_distances(d), labels_of_square(d)
    group = arranged(group, own, "group", "d")
    n = len(matrix)
    codes, levels = as_codes(group, n, "group")
    if len(levels) < 2:
        raise InputError("group", f"one group, {', '.join(levels)}", "two groups or more")
    if len(codes) == len(levels):
        raise InputError("group", "one observation in each", "a group of at least two")
    if not matrix.any():
        raise InputError("d", "distances that are all 0", "distances that differ")
    matrix, ac, made = made_euclidean(matrix, sqrt_dist=sqrt_dist, add=add)
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
    # A point on its centre is at 0 but for rounding, which is of the size of all points.
    z[z <= POINT * np.linalg.norm(vectors, axis=1).max()] = 0.0
    counts = np.bincount(codes)
    if bias_adjust:
        if counts.min() < 2:
            raise InputError("bias_adjust", True, "groups of two observations or more")
        z = z * np.sqrt(counts / (counts - 1.0))[codes]
    means = np.bincount(codes, z) / counts
    call = "betadisper(d = d, group = group"
    call += f', type = "{kind}"' * (kind != "median") + ", bias.adjust = TRUE" * bias_adjust
    call += "".join(f", {name} = {value}" for name, value in made.items()) + ")"
    adjusted = bool(bias_adjust)
    return BetaDisper(eig, vectors, z, codes, levels, centres, means, kind, adjusted, call, ac)


def permutest(
    x: BetaDisper,
    *,
    pairwise: bool = False,
    permute: str = "points",
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
    permute : {"points", "distances"}
        What changes groups: the points, less the place of their group, or the
        residuals of their distances, as in vegan.
    permutations : int or array_like, shape (B, n)
        Number of permutations, or the permutations, as indices from 0. Where
        no more than so many exist, each is taken once.
    seed : int or str, optional
        Seed of the permutations; drawn and kept in the result when None.

    Returns
    -------
    DispersionTable
        The table, with R's block as ``str()``.

    Raises
    ------
    InputError
        If an argument is not as above.

    Warns
    -----
    UserWarning
        If `permute` is "distances" and centres are centroids of fewer than 40
        observations.

    Notes
    -----
    "points": each point less the place of its group, times ``sqrt(m / (m - 1))``,
    m being the size of the group, takes a place in any group; centres are found
    anew, and from the distances to them F and, for a pair, t with the pooled
    variance of the two groups, among whose points alone the places change. So
    Anderson (2006), but for the place: a few far points pull a mean away from the
    rest of their group, and groups aligned by it are not exchangeable. Here it is
    the M-estimate of location with Cauchy's loss, ``sum log(1 + r^2 / s^2)``, s
    being the median distance of all points from the spatial median of their
    group, times ``sqrt(4 / p)`` on more than four axes, p being their number.
    "distances": the residuals of the distances from their group's mean are
    permuted and F is computed anew; for pairs, all distances are permuted and t
    is computed in the two places. In both, ``p = (number permuted at least as
    large, + 1) / (B + 1)``, ties within 1.5e-8 counting as equal.

    Where observations coincide, as answers that are given more than once, groups are
    aligned by their spatial medians, the points are permuted as they are too, which is
    exact if groups have one distribution, and the larger p of the two counts.

    "points" would be exact if the places were known; they are estimated. To
    permute distances overlooks that those from a mean of few points rise and fall
    together, and that where points are skewed their size depends on where the
    mean falls. Of normal points in four dimensions, 10 a group, a test at 5% by
    "points" rejects 4.5% with centroids and 5.1% with medians, one by "distances"
    6.4% and 3.4%; of lognormal points, 5.2% and 5.6%, against 25% and 5.1%. With
    five points a group, and many axes of which few matter, "points" is conservative.

    Follows R's ``vegan::permutest(x, pairwise, permutations)``, whose p-values
    are those of ``permute="distances"``; ties have a tolerance for F only
    there, and a group of one has no t. Where distances do not vary but for
    rounding, F is NaN and p is 1, as all arrangements tie; where they do not
    within groups only, F is infinite.

    References
    ----------
    Anderson, M. J. (2006), Biometrics 62, 245-253.
    Maronna, R. A. (1976), Annals of Statistics 4, 51-67 (M-estimates of location).
    Oksanen, J. et al., R package vegan, ``permutest.betadisper``.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> x = [0.0, 1.0, 5.0, 10.0, 12.0, 15.0]
    >>> fit = lwd.betadisper(lwd.dist(x), list("aaabbb"))
    >>> float(lwd.permutest(fit).table["p_value"].iloc[0])
    1.0
    """
    if not isinstance(x, BetaDisper):
        raise InputError("x", x.__class__.__name__, "what betadisper returned")
    return x.permutest(pairwise=pairwise, permute=permute, permutations=permutations, seed=seed)


def _coordinates(d: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return eigenvalues (k,), decreasing, and principal coordinates (n, k)."""
    eig, vectors = np.linalg.eigh(gower(d))
    eig, vectors = eig[::-1], vectors[:, ::-1]
    keep = np.abs(eig) > _AXIS * np.abs(eig).max()
    return eig[keep], vectors[:, keep] * np.sqrt(np.abs(eig[keep]))
