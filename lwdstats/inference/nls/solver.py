"""Least squares for `nls`: MINPACK's Levenberg-Marquardt, then Gauss-Newton to the last digits.

Arrays in, arrays out. What counts as converged is decided here, by the relative
offset of Bates and Watts, and not by how an optimiser came to stop.
"""

from __future__ import annotations

import contextlib
import enum
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import leastsq

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError

Model = Callable[[FloatArray], tuple[FloatArray, FloatArray]]

# Singular values of the gradient, its columns scaled to length 1, below this
# share of the largest are taken for 0. Differences of that size are lost when
# the normal equations are inverted (their square is at the rounding error).
SINGULAR = 1e-8
# Residuals below this share of the response are rounding error (about 1e5 eps,
# so that the offset can fall below the usual tolerance of 1e-5).
_ROUNDING = 3e-11
_HALVINGS = 30
_POLISH = 30
# How far, in scaled units, the first step of Levenberg-Marquardt may go: the
# usual 100 first, then more careful ones, for starts from which that is a leap.
_FIRST_STEPS = (100.0, 1.0, 0.1)


class FitStatus(enum.Enum):
    """How a fit ended; the value says it in words."""

    CONVERGED = "converged"
    SINGULAR_GRADIENT = "singular gradient"
    MAX_ITERATIONS = "number of iterations exceeded the maximum"
    NON_FINITE_MODEL = "the model or its gradient is not finite at the starting values"
    STALLED = "no step lowers the sum of squares, yet the gradient is not zero"


@dataclass(frozen=True, eq=False)
class Solution:
    """Where the solver ended.

    Attributes
    ----------
    estimate : numpy.ndarray, shape (p,)
        Estimates of the parameters.
    rss : float
        (Weighted) residual sum of squares.
    cov_unscaled : numpy.ndarray, shape (p, p)
        (J'WJ)^-1, J being the gradient; NaN unless converged.
    convergence : FitStatus
        Whether it converged, or why not.
    n_iter : int
        Number of gradients that were computed.
    offset : float
        Relative offset: how long the residuals' part in the tangent plane is,
        over the part orthogonal to it. 0 at a minimum.
    """

    estimate: FloatArray
    rss: float
    cov_unscaled: FloatArray
    convergence: FitStatus
    n_iter: int
    offset: float

    @property
    def converged(self) -> bool:
        """Whether the estimate is a minimum."""
        return self.convergence is FitStatus.CONVERGED

    def check_converged(self) -> None:
        """Raise `InputError` unless the estimate is a minimum."""
        if not self.converged:
            raise InputError("fit", f"a fit that ended: {self.convergence.value}", "a minimum")


@dataclass(frozen=True, eq=False)
class Point:
    """A point of the search, with the Gauss-Newton step from it."""

    estimate: FloatArray
    rss: float
    offset: float
    step: FloatArray
    cov: FloatArray
    singular: bool


def solve(model: Model, start: FloatArray, norm: float, maxiter: int, tol: float) -> Solution:
    """Minimise a sum of squares.

    Parameters
    ----------
    model : callable
        Residuals (n,), y minus f, and the gradient of f (n, p), at parameters (p,).
    start : numpy.ndarray, shape (p,)
        Starting values.
    norm : float
        Euclidean length of the response, which sets the level of rounding.
    maxiter : int
        Most gradients computed.
    tol : float
        Largest relative offset that counts as converged.

    Returns
    -------
    Solution
    """
    first = start_point(model, start, norm)
    nothing = np.full((len(start), len(start)), math.nan)
    if first is None:
        reason = FitStatus.NON_FINITE_MODEL
        return Solution(start, math.nan, nothing, reason, 0, math.nan)
    best, used = first, 1
    # From near the minimum, Gauss-Newton alone gets there.
    if not first.singular and first.offset < 0.1:
        best, used = polish(model, first, norm, min(maxiter - used, _POLISH), used)
    for size in _FIRST_STEPS:
        if (not best.singular and best.offset <= tol) or used >= maxiter:
            break
        end, spent = _levenberg_marquardt(model, start, size, maxiter - used)
        used += spent
        reached = start_point(model, end, norm)
        if reached is None:
            continue
        reached, used = polish(model, reached, norm, min(maxiter - used, _POLISH), used)
        done = not reached.singular and reached.offset <= tol
        if done or reached.rss < best.rss:
            best = reached
    if best.singular:
        reason = FitStatus.SINGULAR_GRADIENT
    elif best.offset <= tol:
        reason = FitStatus.CONVERGED
    elif used >= maxiter:
        reason = FitStatus.MAX_ITERATIONS
    else:
        reason = FitStatus.STALLED
    cov = best.cov if reason is FitStatus.CONVERGED else nothing
    return Solution(best.estimate, best.rss, cov, reason, used, best.offset)


def polish(model: Model, point: Point, norm: float, most: int, used: int = 0) -> tuple[Point, int]:
    """Take Gauss-Newton steps, halved where they overshoot, while they help."""
    for _ in range(most):
        if point.singular or point.offset < 1e-9:
            break
        factor, better = 1.0, None
        for _ in range(_HALVINGS):
            trial = point.estimate + factor * point.step
            residuals, _gradient = model(trial)
            with np.errstate(all="ignore"):
                rss = float(residuals @ residuals)
            # At the minimum rounding decides which sum is smaller; the offset then tells.
            if rss < point.rss * (1.0 + 1e-13):
                better = start_point(model, trial, norm)
                used += 1
                break
            factor /= 2.0
        if better is None:
            break
        if better.rss >= point.rss and better.offset >= point.offset:
            break
        point = better
    return point, used


def start_point(model: Model, at: FloatArray, norm: float) -> Point | None:
    """Return what `polish` needs at a point, or None where the model is not finite."""
    residuals, gradient = model(at)
    if not (np.isfinite(residuals).all() and np.isfinite(gradient).all()):
        return None
    with np.errstate(all="ignore"):
        rss = float(residuals @ residuals)
        scale = np.sqrt(np.einsum("np,np->p", gradient, gradient))
    if not (math.isfinite(rss) and np.isfinite(scale).all()):
        return None
    empty = np.full((len(at), len(at)), math.nan)
    singular = Point(at, rss, math.nan, np.zeros_like(at), empty, True)
    if not np.all(scale > 0):
        return singular
    u, s, vt = np.linalg.svd(gradient / scale, full_matrices=False)
    if s[-1] <= SINGULAR * s[0]:
        return singular
    along = u.T @ residuals
    rest = residuals - u @ along
    step = (vt.T @ (along / s)) / scale
    with np.errstate(all="ignore"):
        inverse = (vt.T / s) / scale[:, None]
        cov = inverse @ inverse.T
    if not np.isfinite(cov).all():  # units so extreme that squares leave floating point
        return singular
    floor = _ROUNDING * norm
    offset = math.sqrt(along @ along) / max(math.hypot(math.sqrt(rest @ rest), floor), 1e-300)
    return Point(at, rss, offset, step, cov, False)


class _StopError(Exception):
    """As many gradients have been computed as may be."""


def _levenberg_marquardt(
    model: Model, start: FloatArray, first_step: float, most: int
) -> tuple[FloatArray, int]:
    """Return the best point that MINPACK visits, and its number of gradients."""
    best, least, count = start, math.inf, 0
    last: tuple[bytes, FloatArray, FloatArray] | None = None
    # What stands for residuals that are not finite: more than any that is accepted, so
    # that the step is taken back.
    beyond = 1e10 * (1.0 + float(np.abs(model(start)[0]).max()))

    def evaluate(at: FloatArray) -> tuple[FloatArray, FloatArray]:
        nonlocal last
        key = at.tobytes()
        if last is None or last[0] != key:
            last = (key, *model(at))
        return last[1], last[2]

    def residual(at: FloatArray) -> FloatArray:
        nonlocal best, least
        residuals, gradient = evaluate(at)
        rss = float(residuals @ residuals)
        if not (math.isfinite(rss) and np.isfinite(gradient).all()):
            residuals = np.full(len(residuals), beyond)
        elif rss < least:
            # MINPACK writes its next point where this one is.
            best, least = at.copy(), rss
        if count >= most:
            raise _StopError
        return residuals

    def jacobian(at: FloatArray) -> FloatArray:
        nonlocal count
        count += 1
        return -evaluate(at)[1]

    with np.errstate(all="ignore"), contextlib.suppress(_StopError):
        leastsq(
            residual,
            start,
            Dfun=jacobian,
            full_output=True,  # without it, a stop at maxfev warns
            ftol=1e-14,
            xtol=1e-14,
            gtol=0.0,
            maxfev=20 * most - 1,  # SciPy's own trial of the start comes before
            factor=first_step,
        )
    return best, count
