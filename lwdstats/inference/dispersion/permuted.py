"""F and t of distances to centres under permutations, of points or of the distances."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy.spatial import KDTree

from lwdstats.arrays import FloatArray
from lwdstats.inference.dispersion.spatial_median import spatial_medians
from lwdstats.inference.permutation.scheme import IndexArray, Scheme, groups_by_size
from lwdstats.inference.permutation.waiting import shown

Pairs = list[tuple[int, int]]
Statistics = tuple[FloatArray, FloatArray]

# Points are permuted themselves where they have no more axes than this, otherwise by way of
# their inner products.
_FEW_AXES = 10
# Numbers of a block of groups: 2 MB of float64.
_BLOCK = 1 << 18
_DEGREES = 4
_MAX_STEPS = 100
# Of the place of a group, found once: where two are nearly as good, steps are small.
_MOST_STEPS = 2000
# A median is found when no distance to it changes by more than this share of their mean.
_DONE = 1e-11
_NEAR = 1e-2
_ROUNDING = 1e-14
# A distance from a centre below this share of the points' size is what rounding makes of 0: it
# is about 1e-16 along the largest axis, and 1e-12 along the smallest that is kept.
POINT = 1e-11
# Points nearer to each other than this share of their size are one answer that was given twice.
SAME = 1e-6
# Distances that differ by less than this share of themselves are equal: a median is found to
# `_DONE` only.
EQUAL = 1e-10


def permute_distances(z: FloatArray, codes: IndexArray, plan: Scheme, pairs: Pairs) -> Statistics:
    """Return F, (B,), and absolute t, (B, pairs), as vegan permutes the distances `z`, (n,).

    F is of the permuted residuals from the means of the groups, t of all
    permuted distances in the places of the two groups.
    """
    members = np.eye(codes.max() + 1)[codes]
    residuals = without_rounding(z - (np.bincount(codes, z) / members.sum(axis=0))[codes], z)
    # t does not change, and squares lose no digits.
    centred = without_rounding(z - z.mean(), z)
    f, t = np.empty(plan.count), np.empty((plan.count, len(pairs)))
    start = 0
    for index in plan.blocks(3):
        rows = slice(start, start + len(index))
        f[rows] = f_statistic(residuals[index], members)
        if pairs:
            t[rows] = np.abs(t_statistics(centred[index], members, pairs))
        start += len(index)
    return _ties_at_0(f), _ties_at_0(t)


def permute_points(
    residuals: FloatArray,
    positive: npt.NDArray[np.bool_],
    codes: IndexArray,
    kind: str,
    plan: Scheme,
    pairs: Pairs,
    *,
    bias_adjust: bool,
) -> Statistics:
    """Return F, (B,), and absolute t, (B, pairs), of points whose residuals are permuted.

    `residuals`, (n, k), are those of `aligned_residuals`; `positive`, (k,), says
    which axes are real. For a pair, only the residuals of its two groups change
    places.
    """

    def statistics(rows: IndexArray) -> Iterator[tuple[FloatArray, FloatArray]]:
        own = np.unique(codes[rows], return_inverse=True)[1]
        members = np.eye(own.max() + 1)[own]
        counts = members.sum(axis=0)
        grow = np.sqrt(counts / (counts - 1.0))[own] if bias_adjust else 1.0
        for z in _permuted(residuals, positive, own, kind, plan, rows):
            yield grow * z, members

    every = np.arange(len(codes))
    f = np.concatenate([f_statistic(z, members) for z, members in statistics(every)])
    t = np.empty((plan.count, len(pairs)))
    for j, (one, two) in enumerate(pairs):
        rows = np.flatnonzero((codes == one) | (codes == two))
        found = [t_statistics(z, members, [(0, 1)])[:, 0] for z, members in statistics(rows)]
        t[:, j] = np.abs(np.concatenate(found))
    return _ties_at_0(f), _ties_at_0(t)


def points_coincide(vectors: FloatArray) -> bool:
    """Return whether two of the points (n, k) are one but for rounding, in single precision too."""
    nearest = np.asarray(KDTree(vectors).query(vectors, 2)[0])[:, 1]
    return bool(nearest.min() <= SAME * np.linalg.norm(vectors, axis=1).max())


def aligned_residuals(
    vectors: FloatArray, positive: npt.NDArray[np.bool_], codes: IndexArray, *, repeat: bool
) -> FloatArray:
    """Return points (n, k) less where their group lies, on the scale of a known place.

    Points are near a place that is estimated from m of them; sqrt(m / (m - 1))
    undoes that, so that groups of any size have residuals of one scale. Real
    and imaginary axes, by `positive`, (k,), are aligned each by themselves.

    Where points `repeat`, the place is the spatial median, which most often is the point
    that most of a group share: these then have residuals of exactly 0, as those of the
    other groups have, and arrangements tie that do not differ.
    """
    counts = np.bincount(codes).astype(np.float64)
    # A group of one has a residual of 0 at any scale.
    grow = np.sqrt(counts / np.maximum(counts - 1.0, 1.0))
    places = np.empty((len(counts), vectors.shape[1]))
    for axes in (positive, ~positive):
        place = medians if repeat else locations
        places[:, axes] = place(vectors[:, axes], codes)
    residuals = (vectors - places[codes]) * grow[codes, None]
    # Where all points lie on their centres, rounding errors must not be what is permuted.
    none = np.linalg.norm(residuals, axis=1) <= POINT * np.linalg.norm(vectors, axis=1).max()
    residuals[none] = 0.0
    return residuals


def medians(x: FloatArray, codes: IndexArray) -> FloatArray:
    """Return the spatial median of each group of the points `x`, (n, p): (g, p)."""
    out = np.empty((codes.max() + 1, x.shape[1]))
    for members in groups_by_size(codes):
        out[codes[members[:, 0]]] = spatial_medians(x[members])
    return out


def locations(x: FloatArray, codes: IndexArray) -> FloatArray:
    """Return where each group of the points `x`, (n, p), lies, (g, p), whatever its tails.

    The M-estimate of location with Cauchy's loss, log(1 + r^2 / s^2), found from
    the spatial median on; s^2 is the median, over all points that are not on
    their median, of the squared distance to it, times 4 / p where there are more
    than four axes, as those of the t distribution with 4 degrees of freedom in p
    dimensions: distances differ the less the more axes add up in them.

    Examples
    --------
    >>> x = np.array([[0.0], [1.0], [2.0], [50.0], [7.0], [8.0], [9.0]])
    >>> locations(x, np.array([0, 0, 0, 0, 1, 1, 1])).round(2)
    array([[1.02],
           [8.  ]])
    """
    places = medians(x, codes)
    away = np.linalg.norm(x - places[codes], axis=1)
    away = away[away > POINT * np.linalg.norm(x, axis=1).max(initial=0.0)]
    if not away.size:
        return places
    scale = float(np.median(away)) * min(1.0, _DEGREES / x.shape[1]) ** 0.5
    members = np.eye(len(places))[codes]
    for _ in range(_MOST_STEPS):
        away = x - places[codes]
        weight = members / (scale**2 + np.einsum("ip,ip->i", away, away))[:, None]
        moved = weight.T @ x / weight.sum(axis=0)[:, None]
        step = np.linalg.norm(moved - places, axis=1).max()
        places = moved
        if step <= EQUAL * scale:
            break
    return places


def without_rounding(differences: FloatArray, z: FloatArray) -> FloatArray:
    """Return differences (n,) of the distances `z`, (n,), those of equal ones being exactly 0."""
    return np.where(np.abs(differences) <= EQUAL * np.abs(z).max(), 0.0, differences)


def _ties_at_0(statistics: FloatArray) -> FloatArray:
    """Return statistics with 0 for 0 / 0: an arrangement of equal distances shows nothing."""
    return np.where(np.isnan(statistics), 0.0, statistics)


def _permuted(
    residuals: FloatArray,
    positive: npt.NDArray[np.bool_],
    codes: IndexArray,
    kind: str,
    plan: Scheme,
    rows: IndexArray,
) -> Iterator[FloatArray]:
    """Yield distances to the new centre of the group, (b, m), for blocks of permutations.

    Only `rows`, (m,), whose groups are `codes`, (m,), change places, and in the order
    in which a permutation of all holds them, which is a random permutation of them.
    """
    # Groups of one size, (g, m), are worked on together.
    stacked = groups_by_size(codes)
    chosen = np.isin(np.arange(len(residuals)), rows)
    parts = [(residuals[:, axes], sign) for axes, sign in ((positive, 1.0), (~positive, -1.0))]
    parts = [(x, sign) for x, sign in parts if x.shape[1]]
    products = [x @ x.T if x.shape[1] > _FEW_AXES else None for x, _ in parts]
    for index in shown(plan.blocks(3 + 4 * min(residuals.shape[1], _FEW_AXES)), plan.count):
        order = index[chosen[index]].reshape(len(index), len(rows))
        z = np.empty(order.shape)
        for members in stacked:
            taken = order[:, members].reshape(-1, members.shape[1])
            square = np.zeros(taken.shape)
            for (x, sign), K in zip(parts, products, strict=True):
                step = max(1, _BLOCK // (taken.shape[1] * min(taken.shape[1], x.shape[1])))
                for start in range(0, len(taken), step):
                    some = slice(start, start + step)
                    square[some] += sign * _squares(x, K, taken[some], kind)
            z[:, members] = np.sqrt(np.maximum(square, 0.0)).reshape(-1, *members.shape)
        yield z


def _squares(x: FloatArray, K: FloatArray | None, order: IndexArray, kind: str) -> FloatArray:
    """Return squared distances to their centre of points `x`, (n, p), taken by `order`, (b, m).

    With `K`, (n, n), the products of the points, no block of points is formed: a
    centre is a mean with weights, and its distances follow from those among the m points.
    """
    if K is None:
        taken = x[order]
        centre = taken.mean(axis=1) if kind == "centroid" else spatial_medians(taken)
        away = taken - centre[:, None]
        return np.einsum("bip,bip->bi", away, away)
    own = K[order[:, :, None], order[:, None, :]]
    out = _from_products(own, np.full(order.shape, 1.0 / order.shape[1]))
    if kind == "centroid":
        return out
    left, last = np.arange(len(order)), np.sqrt(out)
    for _ in range(_MAX_STEPS):
        r = last[left]
        scale = r.mean(axis=1, keepdims=True)
        # Where a point may be the median, weights run off: see to these by themselves.
        near = (r <= _NEAR * scale).any(axis=1)
        if near.any():
            out[left[near]] = _squares(x, None, order[left[near]], kind)
        left, own, r = left[~near], own[~near], r[~near]
        weight = 1.0 / r  # Weiszfeld's step
        weight /= weight.sum(axis=1, keepdims=True)
        out[left] = _from_products(own, weight)
        last[left] = np.sqrt(out[left])
        moving = (np.abs(last[left] - r) > _DONE * scale[~near]).any(axis=1)
        left, own = left[moving], own[moving]
        if not left.size:
            return out
    # Points that coincide near the median slow these steps down.
    out[left] = _squares(x, None, order[left], kind)
    return out


def _from_products(own: FloatArray, weight: FloatArray) -> FloatArray:
    """Return squared distances, (b, m), to the mean with `weight`, (b, m), from products."""
    along = (own @ weight[:, :, None])[:, :, 0]
    size = np.diagonal(own, axis1=1, axis2=2)
    square = size - 2.0 * along + (weight * along).sum(axis=1, keepdims=True)
    # A point on the centre is at 0 but for rounding.
    return np.where(square > _ROUNDING * size.max(axis=1, keepdims=True), square, 0.0)


def f_statistic(z: FloatArray, members: FloatArray) -> FloatArray:
    """Return F, (b,), of numbers (b, n) in groups, (n, g) indicators; NaN where all are equal."""
    n, g = members.shape
    floor = EQUAL**2 * np.einsum("bi,bi->b", z, z)
    z = z - z.mean(axis=1, keepdims=True)
    sums = z @ members
    between = (sums * sums / members.sum(axis=0)).sum(axis=1)
    within = np.einsum("bi,bi->b", z, z) - between
    # The difference of two sums has rounding errors of the size of the sums.
    within = np.where(within <= np.maximum(floor, 1e-14 * between), 0.0, within)
    between = np.where(between <= floor, 0.0, between)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (between / (g - 1)) / (within / (n - g))


def t_statistics(z: FloatArray, members: FloatArray, pairs: Pairs) -> FloatArray:
    """Return t, (b, pairs), with the variance pooled over the pair, of numbers (b, n)."""
    counts = members.sum(axis=0)
    sums, squares = z @ members, (z * z) @ members
    first, second = np.array(pairs).T
    means = sums / counts
    # Sums of squares about the group's mean.
    away = squares - sums * means
    away = np.where(away <= 1e-14 * squares, 0.0, away)
    m, n = counts[first], counts[second]
    with np.errstate(divide="ignore", invalid="ignore"):
        pooled = np.sqrt((away[:, first] + away[:, second]) / (m + n - 2.0))
        return (means[:, first] - means[:, second]) / (pooled * np.sqrt(1.0 / m + 1.0 / n))
