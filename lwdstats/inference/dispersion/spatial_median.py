"""The point with the smallest sum of distances to given points."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lwdstats.arrays import FloatArray

_MAX_STEPS = 300
# A Newton step solves a system of p equations for each group; in more dimensions
# Weiszfeld's steps, which shrink the error by about 1 / p, are as good.
_NEWTON = 10
# But near points that coincide they hardly move: who is not there by now goes by Newton's.
_SLOW = 100
_HALVINGS = 8
# A group is done when its step is below this share of its mean distance.
_DONE = 1e-11
# A gradient is a sum of m unit vectors; this much of m is what rounding makes of 0.
_FLAT = 1e-13
# A data point this near, in mean distances, is looked at: it may be the median.
_NEAR = 1e-2


def spatial_median(x: FloatArray) -> FloatArray:
    """Return the spatial median, (p,), of the rows of `x`, (n, p).

    The minimiser of ``sum_i ||x_i - m||``. Where points lie on one line and are
    even in number, every point between the middle two is one; the one half way
    is returned, as the coordinatewise median is tried first.

    Examples
    --------
    >>> spatial_median(np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0]]))
    array([1., 1.])
    """
    return spatial_medians(x[None])[0]


def spatial_medians(x: FloatArray) -> FloatArray:
    """Return the spatial median of each group of points, (b, p) of (b, m, p).

    As `spatial_median`, to about 1e-10 of the mean distance. All groups step
    together, by Newton's method in few dimensions and by Weiszfeld's in many;
    those that are done step out.

    Examples
    --------
    >>> square = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0]])
    >>> spatial_medians(np.stack([square, 2.0 * square]))
    array([[1., 1.],
           [2., 2.]])
    """
    b, m, p = x.shape
    if p == 0 or m == 1:
        return x[:, 0].copy()
    if p >= m:
        # The median lies where the points do, in m - 1 dimensions about the first of them.
        first = x[:, :1]
        axes, along = np.linalg.qr(np.swapaxes(x[:, 1:] - first, 1, 2))
        own = np.concatenate([np.zeros((b, 1, m - 1)), np.swapaxes(along, 1, 2)], axis=1)
        return first[:, 0] + np.einsum("bpk,bk->bp", axes, spatial_medians(own))
    centre = np.median(x, axis=1)
    if p == 1:
        return centre
    out = centre.copy()
    left = np.arange(b)
    for turn in range(_MAX_STEPS):
        away = x - centre[:, None]
        r = np.sqrt(np.einsum("bip,bip->bi", away, away))
        scale = r.mean(axis=1)
        done = scale == 0.0
        step = _steps(away, r, scale, newton=p <= _NEWTON or turn >= _SLOW)
        near = np.flatnonzero((r.min(axis=1) <= _NEAR * scale) & ~done)
        if near.size:
            at = r[near].argmin(axis=1)
            minimum, leap = _at_points(x[near], x[near, at], scale[near])
            # Near a point that is the median, go there; on one that is not, leave it.
            there = x[near, at] - centre[near]
            step[near[minimum]] = there[minimum]
            done[near[minimum]] = True
            on = ~minimum & (r[near, at] <= 1e-9 * scale[near])
            step[near[on]] = there[on] + leap[on]
        centre = centre + step
        done |= np.sqrt(np.einsum("bp,bp->b", step, step)) <= _DONE * scale
        if done.any():
            out[left[done]] = centre[done]
            x, centre, left = x[~done], centre[~done], left[~done]
            if not left.size:
                return out
    out[left] = centre
    return out


def _steps(away: FloatArray, r: FloatArray, scale: FloatArray, *, newton: bool) -> FloatArray:
    """Return the step of each group, (b, p), by Newton's method or by Weiszfeld's."""
    p = away.shape[2]
    weight = 1.0 / np.maximum(r, 1e-300 + 1e-12 * scale[:, None])
    total = weight.sum(axis=1)
    down = np.einsum("bip,bi->bp", away, weight)  # minus the gradient, a sum of unit vectors
    down[np.linalg.norm(down, axis=1) <= _FLAT * away.shape[1]] = 0.0
    plain = down / total[:, None]
    if not newton:
        return plain
    # sum_i (I - u_i u_i') / r_i, u_i the unit vector to point i.
    units = away * weight[:, :, None]
    hessian = -np.swapaxes(units * weight[:, :, None], 1, 2) @ units
    # A little more than it is, so that points on a line do not make it singular.
    axes = np.arange(p)
    hessian[:, axes, axes] += total[:, None] * (1.0 + 1e-10)
    leap = np.linalg.solve(hessian, down[:, :, None])[:, :, 0]
    # Newton's step need not lead down; a shorter one may, and Weiszfeld's always does.
    now = r.sum(axis=1) * (1.0 + 1e-15)
    worse = np.arange(len(away))
    for _ in range(_HALVINGS):
        moved = away[worse] - leap[worse, None]
        ahead = np.sqrt(np.einsum("bip,bip->bi", moved, moved)).sum(axis=1)
        worse = worse[ahead > now[worse]]
        if not worse.size:
            return leap
        leap[worse] /= 4.0
    leap[worse] = plain[worse]
    return leap


def _at_points(
    x: FloatArray, point: FloatArray, scale: FloatArray
) -> tuple[npt.NDArray[np.bool_], FloatArray]:
    """Return whether the data points (b, p) are the medians, and a step down from them (b, p).

    A point is the median if the pull of the others, a sum of unit vectors, is
    at most the number of points that lie on it (Vardi and Zhang).
    """
    away = x - point[:, None]
    r = np.sqrt(np.einsum("bip,bip->bi", away, away))
    on = r <= 1e-12 * scale[:, None]
    weight = np.where(on, 0.0, 1.0 / np.where(on, 1.0, r))
    pull = np.einsum("bip,bi->bp", away, weight)
    size, held = np.linalg.norm(pull, axis=1), on.sum(axis=1)
    minimum = size <= held + 1e-12
    total = np.where(minimum, 1.0, weight.sum(axis=1))
    share = 1.0 - held / np.where(minimum, 1.0, size)
    return minimum, pull * (share / total)[:, None]
