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
    gradient, weight, held = _slope(y, m, scale)
    if np.linalg.norm(gradient) <= _FLAT * n + held:
        return m
    # The only places without a derivative are the points themselves: try them once.
    points = np.unique(y, axis=0)
    at_points = np.array([_objective(y, point) for point in points])
    for point in points:
        gradient, _, held = _slope(y, point, scale)
        if np.linalg.norm(gradient) <= held:
            return point
    # From now on the objective stays below that at every point, so none can be run into.
    # (By more than rounding: the start may be a point itself.)
    if _objective(y, m) >= at_points.min() * (1.0 - 1e-12):
        m = _step_off(y, points[at_points.argmin()], scale)
    value = _objective(y, m)
    gradient, weight, _ = _slope(y, m, scale)
    for _ in range(_MAX_STEPS):
        if np.linalg.norm(gradient) <= _FLAT * n:
            break
        # sum_i (I - u_i u_i') / r_i, u_i the unit vector to point i.
        units = (y - m) * weight[:, None]
        hessian = weight.sum() * np.eye(p) - units.T @ (units * weight[:, None])
        try:
            step = -np.linalg.solve(hessian, gradient)
        except np.linalg.LinAlgError:
            step = -gradient / weight.sum()
        if not gradient @ step < 0:
            step = -gradient / weight.sum()  # Weiszfeld's, which always leads down
        for _ in range(_HALVINGS):
            trial = _objective(y, m + step)
            new = _slope(y, m + step, scale)
            # Where the objective is flat to rounding, the gradient still tells.
            flatter = np.linalg.norm(new[0]) < np.linalg.norm(gradient)
            if trial < value or (flatter and trial <= value * (1.0 + 1e-15)):
                break
            step = step / 2.0
        else:  # no lower point within rounding
            break
        m, value, (gradient, weight, _) = m + step, trial, new
    return m


def _step_off(y: FloatArray, m: FloatArray, scale: float) -> FloatArray:
    """Return a point with a smaller sum of distances than at the point `m`, not the minimum."""
    gradient, weight, held = _slope(y, m, scale)
    # Vardi and Zhang's step, which leads down from a point.
    step = -gradient * (1.0 - held / float(np.linalg.norm(gradient))) / weight.sum()
    value = _objective(y, m)
    for _ in range(_HALVINGS):
        if _objective(y, m + step) < value:
            break
        step = step / 2.0
    return m + step


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
