"""Slopes of the difference after a step on that before it, for `check_decay`.

Letters in the shapes: T steps, R replicates, n models, B components.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from lwdstats.arrays import FloatArray
from lwdstats.inference.theorem import bands as kernel


@dataclass(frozen=True)
class Slopes:
    """What the slopes through 0 follow from, of all pairs and components together.

    Both are over their mean of `square`, so that all steps count alike.

    Attributes
    ----------
    cross, square : (R, T) float64
        By replicate, sums of the difference after the step times that before, and
        of the latter's square.
    second : (T, B, B) float64
        Second moments of the difference before the step.
    """

    cross: FloatArray
    square: FloatArray
    second: FloatArray

    @property
    def slope(self) -> FloatArray:
        """The slopes, (T,)."""
        return self.cross.mean(0)

    def scores(self, theory: FloatArray) -> FloatArray:
        """Return what is to have mean 0 if `theory` (T,) is right, (R, T + 1).

        E[after | before] = theory * before makes ``cross - theory * square`` have
        mean 0, whatever the law of the difference before: no ratio has to be
        linearized. The last column is the mean over steps.
        """
        scores = self.cross - theory * self.square
        # What is the same in all replicates but for rounding is the same.
        mean = np.where(np.abs(scores.mean(0)) < kernel.EXACT, 0.0, scores.mean(0))
        scores = np.where(np.ptp(scores, axis=0) < kernel.STILL, mean, scores)
        return np.column_stack([scores, scores.mean(1)])


def step_slopes(weight: FloatArray, reads: NDArray[np.bool_]) -> Slopes:
    """Return the slopes of weights (T+1, R, n, B) at the steps (T,) that `reads`."""
    n_b = weight.shape[-1]
    steps = np.flatnonzero(reads)
    cross, square = np.empty((2, weight.shape[1], steps.size))
    second = np.empty((steps.size, n_b, n_b))
    for column, t in enumerate(steps.tolist()):
        before = weight[t] - weight[t].mean(1, keepdims=True)
        after = weight[t + 1] - weight[t + 1].mean(1, keepdims=True)
        cross[:, column] = (after * before).sum((1, 2))
        square[:, column] = (before * before).sum((1, 2))
        flat = before.reshape(-1, n_b)
        second[column] = flat.T @ flat
    size = square.mean(0)
    return Slopes(cross / size, square / size, second)


def slope_of(matrices: FloatArray, second: FloatArray) -> FloatArray:
    """Return the slopes (T,) that matrices (T, B, B) give, weighed as those of `step_slopes`."""
    return np.einsum("tbc,tcb->t", matrices, second) / np.trace(second, axis1=1, axis2=2)


def band(
    slopes: Slopes, level: float, n_draws: int, seed: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return standard errors and a simultaneous band of the slopes, each (T,).

    The band holds the slopes whose score is within the critical number of its
    own standard errors (Fieller); an end that this leaves open is infinite.
    """
    n_runs = len(slopes.cross)
    centred = slopes.scores(slopes.slope)
    critical = kernel.quantile(kernel.largest_t(centred, n_draws, kernel.stream(seed, 1)), level)
    error = centred[:, :-1].std(0, ddof=1) / math.sqrt(n_runs)
    # Roots of (cross - s square)^2 = q (variances of both less twice s their covariance).
    q = critical**2 / n_runs
    x, y = slopes.square - 1, slopes.cross - slopes.slope
    v_x, v_y, v_xy = ((a * b).sum(0) / (n_runs - 1) for a, b in ((x, x), (y, y), (x, y)))
    a, b, c = 1 - q * v_x, slopes.slope - q * v_xy, slopes.slope**2 - q * v_y
    closed = a > 0
    a = np.where(closed, a, 1.0)
    reach = np.sqrt(np.maximum(b * b - a * c, 0))
    low, high = (b - reach) / a, (b + reach) / a
    return error, np.where(closed, low, -np.inf), np.where(closed, high, np.inf)


def compare_slopes(
    slopes: Slopes, theory: FloatArray, level: float, margin: float, n_draws: int, seed: int
) -> kernel.Comparison:
    """Test slopes against `theory` (T,).

    Any difference is looked for at every step and in the mean over steps, one
    within the margin in the mean.
    """
    n_runs = len(slopes.cross)

    def studentized(claim: FloatArray) -> FloatArray:
        scores = slopes.scores(claim)
        error = scores.std(0, ddof=1) / math.sqrt(n_runs)
        mean = scores.mean(0)
        out = np.where(mean == 0, 0.0, np.copysign(np.inf, mean))
        return np.divide(mean, error, out=out, where=error > 0)

    scores = slopes.scores(theory)
    t = studentized(theory)
    cell = int(np.abs(t).argmax())
    draws = kernel.largest_t(scores, n_draws, kernel.stream(seed, 2))
    above, below = studentized(theory - margin), studentized(theory + margin)
    room = min(float(above[-1]), float(-below[-1]))
    critical = kernel.quantile(draws, level)
    spread = float(scores[:, -1].std(ddof=1))
    errors = 2 * float(stats.norm.ppf(level)) * spread
    off = slopes.slope - theory
    return kernel.Comparison(
        deviation=float(np.append(off, off.mean())[cell]),
        cell=cell,
        p_difference=kernel.p_value(draws, float(np.abs(t[cell]))),
        p_equivalence=float(stats.t.sf(room, n_runs - 1)),
        beyond=bool((above < -critical).any() or (below > critical).any()),
        n_design=kernel.needed(errors, margin),
        n_more=kernel.needed(errors, abs(margin - abs(float(off.mean())))),
    )
