"""Fits of a law of decay to a mean curve: arrays in, arrays out.

The rate is taken by its logarithm: theta = (c, a, log q) of ``c + a exp(-q s)``.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

import numpy as np

from lwdstats.arrays import FloatArray
from lwdstats.inference.laws import GRID, decay, rate_range, values

_HALVINGS = 40
_MAX_STEPS = 100
# A law must stay above this share of the largest value, for relative errors to be finite.
_SMALLEST = 1e-12


class Family(enum.Enum):
    """What is minimised over the law f, given the mean curve y.

    ``SQUARES`` is the sum of ``(y - f)^2 / 2``. ``RELATIVE`` is half the gamma
    deviance, the sum of ``y / f + log f``: its estimating equation weights ``y -
    f`` by 1/f^2, as suits noise in proportion to the curve.
    """

    SQUARES = "squares"
    RELATIVE = "relative"

    def loss(self, y: FloatArray, f: FloatArray) -> float:
        """Return what is minimised; inf outside its domain."""
        if self is Family.SQUARES:
            r = y - f
            return float(r @ r) / 2.0
        inside = f.min() > _SMALLEST * np.abs(y).max()
        return float((y / f + np.log(f)).sum()) if inside else math.inf

    def slopes(self, y: FloatArray, f: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return weights w with dloss/df = -w (y - f), d2loss/df2, and its expectation."""
        if self is Family.SQUARES:
            one = np.ones_like(f)
            return one, one, one
        w = 1.0 / f**2
        return w, (2.0 * y - f) / f**3, w


@dataclass(frozen=True, eq=False)
class Minimum:
    """Where a search ended.

    Attributes
    ----------
    theta : numpy.ndarray, shape (3,)
        (c, a, log q).
    loss : float
    problem : str or None
        Why it is not a minimum, if it is not.
    """

    theta: FloatArray
    loss: float
    problem: str | None


def hessian(
    s: FloatArray, y: FloatArray, theta: FloatArray, family: Family
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the gradient (3,), the Hessian (3, 3) and its expectation (3, 3) of the loss."""
    f, slope, bend = values(s, theta)
    w, second, expected = family.slopes(y, f)
    pull = w * (y - f)
    full = (slope * second[:, None]).T @ slope
    cross, own = pull @ bend
    full[1, 2] -= cross
    full[2, 1] -= cross
    full[2, 2] -= own
    return -(pull @ slope), full, (slope * expected[:, None]).T @ slope


def bounds(s: FloatArray) -> tuple[float, float]:
    """Return the log q between which a search goes."""
    slowest, fastest = rate_range(s[-1] - s[0], s[1] - s[0])
    return math.log(slowest), math.log(fastest)


def starting_theta(
    s: FloatArray, y: FloatArray, family: Family, fixed: dict[int, float]
) -> FloatArray:
    """Return the best theta of a grid over q, c and a by weighted least squares."""
    log_q = np.array([fixed[2]]) if 2 in fixed else np.linspace(*bounds(s), GRID)
    shape, _ = decay(s, log_q[:, None])
    # In relative errors the weights are those of the curve itself, kept off 0.
    w = np.ones_like(y) if family is Family.SQUARES else np.maximum(y, y.max() * 1e-3) ** -2
    total = w.sum()
    c = np.full(len(log_q), fixed.get(0, 0.0))
    a = np.full(len(log_q), fixed.get(1, 0.0))
    # Written out, as a fit starts here for each law: several times as fast as `regress`.
    mean_shape, mean_y = shape @ w / total, (w @ y) / total
    if 0 not in fixed and 1 not in fixed:
        centred = shape - mean_shape[:, None]
        a = (centred @ (w * y)) / np.maximum((centred**2) @ w, 1e-300)
    elif 1 not in fixed:
        a = (shape @ w * -c + shape @ (w * y)) / np.maximum((shape**2) @ w, 1e-300)
    if 0 not in fixed:
        c = mean_y - a * mean_shape
    f = c[:, None] + a[:, None] * shape
    loss = ((y - f) ** 2) @ w
    if family is Family.RELATIVE:
        inside = (f > 0).all(axis=1)
        loss = np.where(inside, loss, np.inf)
        if not inside.any():
            return np.array([fixed.get(0, 0.0), fixed.get(1, float(y.mean())), log_q[0]])
    best = int(np.argmin(loss))
    return np.array([c[best], a[best], log_q[best]])


def minimise(
    s: FloatArray,
    y: FloatArray,
    family: Family,
    fixed: dict[int, float] | None = None,
    start: FloatArray | None = None,
) -> Minimum:
    """Fit a law to a mean curve.

    Parameters
    ----------
    s : numpy.ndarray, shape (m,)
        Times on the law's clock, increasing.
    y : numpy.ndarray, shape (m,)
        The mean curve.
    family : Family
        What is minimised.
    fixed : dict of int to float
        Positions in theta that are given, and their values.
    start : numpy.ndarray, shape (3,), optional
        Where to start; by default the best of a grid.

    Returns
    -------
    Minimum
    """
    held = fixed or {}
    low, high = bounds(s)
    theta = starting_theta(s, y, family, held) if start is None else start.copy()
    for at, value in held.items():
        theta[at] = value
    free = [j for j in range(3) if j not in held]
    loss = family.loss(y, values(s, theta)[0])
    if not math.isfinite(loss):
        return Minimum(theta, loss, "the law is not above 0 at all times")
    scale = float(np.abs(y).max()) or 1.0
    for _ in range(_MAX_STEPS):
        gradient, full, expected = (v[free] for v in hessian(s, y, theta, family))
        full, expected = full[:, free], expected[:, free]
        step = _newton(gradient, full, expected)
        if 2 not in held:
            # At an end of the rates' range there may be no minimum but a limit.
            at_end = (theta[2] <= low and step[-1] < 0) or (theta[2] >= high and step[-1] > 0)
            if at_end:
                return Minimum(theta, loss, "the rate runs to the end of its range")
            # Far from the minimum the curvature says little about long steps.
            step *= min(1.0, 1.0 / abs(step[-1])) if step[-1] else 1.0
        decrement = -float(gradient @ step)
        if decrement <= 1e-14 * _size(loss, family, scale, len(y)):
            return Minimum(theta, loss, None)
        for _ in range(_HALVINGS):
            trial = theta.copy()
            trial[free] += step
            trial[2] = min(max(trial[2], low), high) if 2 not in held else trial[2]
            trial_loss = family.loss(y, values(s, trial)[0])
            if trial_loss <= loss - 1e-4 * float(-gradient @ (trial - theta)[free]):
                break
            step = step / 2.0
        else:
            # Rounding hides what is left to gain.
            small = decrement <= 1e-8 * _size(loss, family, scale, len(y))
            return Minimum(theta, loss, None if small else "no step lowers the loss")
        theta, loss = trial, trial_loss
    return Minimum(theta, loss, "too many steps")


def _size(loss: float, family: Family, scale: float, m: int) -> float:
    """Return how large a loss is, to compare decrements with: never 0."""
    return max(loss, 1e-20 * m * scale**2) if family is Family.SQUARES else float(m)


def _newton(gradient: FloatArray, full: FloatArray, expected: FloatArray) -> FloatArray:
    """Return a descent step: by the Hessian if positive definite, or by its expectation."""
    for matrix in (full, expected):
        d = np.sqrt(np.maximum(np.diag(matrix), 1e-300))
        with np.errstate(over="ignore"):
            scaled = matrix / d[:, None] / d
        if np.isfinite(scaled).all() and (np.linalg.eigvalsh(scaled) > 1e-10).all():
            return -np.linalg.solve(scaled, gradient / d) / d
    return -gradient / np.maximum(np.diag(expected), 1e-300)
