"""How near a law of decay can come to a curve, without the limits of the fit to noisy ones.

Arrays only. n times.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lwdstats.arrays import FloatArray

_RATES = 200


def least_misfit(y: FloatArray, u: FloatArray) -> float:
    """Return the root mean square of relative residuals, y > 0 (n,), from the nearest law.

    The law is ``c + a exp(-b u)`` with a, b and c of 0 or more, so a constant and a
    decay to exactly 0 are among them. `kernel.fit_law` keeps away from both, as noise
    would not tell them from their neighbors; on a curve without noise that shows.
    For a given b, c and a are a linear problem, and only b is searched for.
    """
    from scipy.optimize import least_squares

    # A decay to 0 is a line on the log scale, whatever range it runs through.
    logs = np.log(y)
    slope, level = np.polynomial.polynomial.polyfit(u - u[0], logs, 1)[::-1]
    best = _size(logs - level - min(slope, 0.0) * (u - u[0]))
    best = min(best, _size(y / y.mean() - 1.0))

    def residual(theta: Any) -> FloatArray:
        return _relative(y, np.exp(-np.exp(theta[0]) * (u - u[0])))

    low, high = np.log(1e-3 / (u[-1] - u[0])), np.log(30.0 / np.diff(u)[0])
    grid = np.linspace(low, high, _RATES)
    start = grid[np.argmin([_size(residual([rate])) for rate in grid])]
    fit = least_squares(residual, [start], xtol=1e-15, ftol=1e-15, gtol=1e-15)
    return min(best, _size(fit.fun))


def _relative(y: FloatArray, decay: FloatArray) -> FloatArray:
    """Return relative residuals, (n,), of the best ``c + a decay`` with a and c of 0 or more."""
    # Of the slow decays, what is not constant: the two columns would be one.
    columns = np.stack([1.0 / y, (decay - decay[-1]) / y], axis=1)
    size = columns.max(axis=0)
    size = np.where(size > 0, size, 1.0)
    c, a = np.linalg.lstsq(columns / size, np.ones(len(y)), rcond=None)[0] / size
    if a < 0:
        return y.mean() / y - 1.0
    if c - a * decay[-1] < 0:
        column = decay / y
        column /= column.max()
        return column * (column.sum() / (column @ column)) - 1.0
    return c * columns[:, 0] + a * columns[:, 1] - 1.0


def _size(x: FloatArray) -> float:
    return float(np.sqrt(np.mean(x**2)))
