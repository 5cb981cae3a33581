"""How near a law of decay can come to a curve, without the limits of the fit to noisy ones.

Arrays only. n times.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import least_squares

from lwdstats.arrays import FloatArray
from lwdstats.inference.laws import decay, rate_range, regress

_RATES = 200


def least_misfit(y: FloatArray, u: FloatArray) -> float:
    """Return the root mean square of relative residuals, y > 0 (n,), from the nearest law.

    The law is ``c + a exp(-b u)`` with a, b and c of 0 or more, so a constant and a
    decay to exactly 0 are among them. `fit_law` keeps away from both, as noise
    would not tell them from their neighbors; on a curve without noise that shows.
    For a given b, c and a are a linear problem, and only b is searched for.
    """
    # A decay to 0 is a line on the log scale, whatever range it runs through.
    logs = np.log(y)
    slope, level = np.polynomial.polynomial.polyfit(u - u[0], logs, 1)[::-1]
    best = _size(logs - level - min(slope, 0.0) * (u - u[0]))
    best = min(best, _size(y / y.mean() - 1.0))

    def residual(log_rates: FloatArray) -> FloatArray:
        return _relative(y, decay(u - u[0], log_rates[:, None])[0])

    low, high = np.log(rate_range(u[-1] - u[0], u[1] - u[0]))
    grid = np.linspace(low, high, _RATES)
    start = grid[[np.argmin(np.mean(residual(grid) ** 2, axis=1))]]
    fit = least_squares(lambda at: residual(at)[0], start, xtol=1e-15, ftol=1e-15, gtol=1e-15)
    return min(best, _size(fit.fun))


def _relative(y: FloatArray, shape: FloatArray) -> FloatArray:
    """Return relative residuals, (g, n), of the best ``c + a shape`` with a and c of 0 or more."""
    # Of the slow decays, what is not constant: the two columns would be one.
    flat, falling = np.broadcast_to(1.0 / y, shape.shape), (shape - shape[:, -1:]) / y
    ones = np.ones_like(shape)
    both, _ = regress([flat, falling], ones)
    alone, _ = regress([shape / y], ones)
    level, a = both[:, :1], both[:, 1:]
    left = np.where(level < a * shape[:, -1:], alone * shape / y, level * flat + a * falling)
    return np.where(a < 0, y.mean() / y, left) - 1.0


def _size(x: FloatArray) -> float:
    return float(np.sqrt(np.mean(x**2)))
