"""The point with the smallest sum of distances to given points."""

from __future__ import annotations

import numpy as np

from lwdstats.geometry.arrays import FloatArray

_MAX_STEPS = 500
_HALVINGS = 30
# A gradient is a sum of n unit vectors; this much of n is what rounding makes of 0.
_FLAT = 1e-13


def spatial_median(x: FloatArray) -> FloatArray:
    """Return the spatial median, (p,), of the rows of `x`, (n, p).

    The minimiser of ``sum_i ||x_i - m||``: Newton's method, with a step of
    Weiszfeld's where it does not lead down. Where points lie on one line and
    are even in number, every point between the middle two is a minimiser; the
    one half way is returned, as the coordinatewise median is tried first.

    Examples
    --------
    >>> spatial_median(np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0]]))
    array([1., 1.])
    """
    n, p = x.shape
    start = np.median(x, axis=0)
    if p == 0 or n == 1:
        return start
    scale = float(np.abs(x - start).max())
    if scale == 0.0:
        return start
    centre = x.mean(axis=0)
    y, basis = x - centre, None
    if p >= n:  # the median lies where the points do, in at most n - 1 dimensions
        u, s, basis = np.linalg.svd(y, full_matrices=False)
        y = u * s
    # The coordinatewise median may lie off the span; its nearest point there is as good.
    first = start - centre if basis is None else basis @ (start - centre)
    m = _minimise(y, first, scale)
    return centre + (m if basis is None else m @ basis)


def _minimise(y: FloatArray, m: FloatArray, scale: float) -> FloatArray:
    n, p = y.shape
    gradient, weight, pull = _slope(y, m, scale)
    if np.linalg.norm(gradient) <= _FLAT * n + pull:
        return m
    # The only places without a derivative are the points themselves: try them once.
    for point in np.unique(y, axis=0):
        gradient, _, pull = _slope(y, point, scale)
        if np.linalg.norm(gradient) <= pull:
            return point
    value = _objective(y, m)
    for _ in range(_MAX_STEPS):
        gradient, weight, pull = _slope(y, m, scale)
        size = float(np.linalg.norm(gradient))
        if size <= _FLAT * n:
            break
        if pull:  # on a point that is not the minimum: Vardi and Zhang's step off it
            step = -gradient * (1.0 - pull / size) / weight.sum()
        else:
            # sum_i (I - u_i u_i') / r_i, u_i the unit vector to point i.
            units = (y - m) * weight[:, None]
            hessian = weight.sum() * np.eye(p) - units.T @ (units * weight[:, None])
            try:
                step = -np.linalg.solve(hessian, gradient)
            except np.linalg.LinAlgError:
                step = -gradient / weight.sum()
            if not gradient @ step < 0:
                step = -gradient / weight.sum()
        for _ in range(_HALVINGS):
            trial = _objective(y, m + step)
            if trial < value:
                break
            step = step / 2.0
        else:  # no lower point within rounding
            break
        m, value = m + step, trial
    return m


def _objective(y: FloatArray, m: FloatArray) -> float:
    return float(np.sqrt(np.einsum("ij,ij->i", y - m, y - m)).sum())


def _slope(y: FloatArray, m: FloatArray, scale: float) -> tuple[FloatArray, FloatArray, float]:
    """Return gradient (p,), 1 / distance (n,) and how many points lie on `m`.

    Points on `m` have weight 0: they hold it with a force of up to 1 each.
    """
    away = m - y
    r = np.sqrt(np.einsum("ij,ij->i", away, away))
    on = r <= 1e-14 * scale
    weight = np.where(on, 0.0, 1.0 / np.where(on, 1.0, r))
    return weight @ away, weight, float(on.sum())
