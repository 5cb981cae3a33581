"""Bands, tests and slopes of `check_decay`, on arrays.

Letters in the shapes: T steps, R replicates, n models, m pairs, B components, C cells
(times, pairs and components in one row).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from lwdstats.arrays import FloatArray

Ints = NDArray[np.int64]

# Numbers of a block of sign vectors times cells.
_BLOCK = 4_000_000
# A cell whose spread is below this share of the largest initial difference does not vary.
STILL = 1e-9
# How far overlap of 1e-6 and rounding may move what does not vary.
EXACT = 1e-5


def pair_differences(weight: FloatArray, pairs: Ints) -> FloatArray:
    """Return the difference of each pair (m, 2), (T+1, R, m, B), of weights (T+1, R, n, B)."""
    return weight[:, :, pairs[:, 0]] - weight[:, :, pairs[:, 1]]


def largest_t(values: FloatArray, n_draws: int, rng: np.random.Generator) -> FloatArray:
    r"""Return draws of the largest \|t\| over cells, (n_draws,), if all means are 0.

    Each replicate of `values` (R, C) has its sign flipped at random, all its cells
    at once, and t is computed anew, its standard error too. Where a replicate's
    values are symmetric about 0 that is exact.
    Normal multipliers, which leave the standard error as it is, take no account
    of its own error: at 10 replicates their 95% band covers half of the time.
    """
    n_runs = len(values)
    squares = (values**2).sum(0)
    signs = rng.integers(0, 2, (n_draws, n_runs)) * 2.0 - 1.0
    largest = np.zeros(n_draws)
    width = max(1, _BLOCK // n_draws)
    for start in range(0, values.shape[1], width):
        part = slice(start, start + width)
        sums = signs @ values[:, part]
        np.square(sums, out=sums)
        # t^2 = S^2 / (R (Q - S^2 / R) / (R - 1)).
        left = np.maximum(squares[part] - sums / n_runs, 1e-12 * squares[part])
        left[:, squares[part] == 0] = 1.0
        largest = np.maximum(largest, (sums / left).max(1))
    return np.sqrt(largest * (n_runs - 1) / n_runs)


@dataclass(frozen=True)
class Means:
    """Means over replicates with a simultaneous band.

    Attributes
    ----------
    estimate, std_error : (C,) float64
        By cell; the error is 0 where nothing varies.
    draws : (n_draws,) float64
        See `largest_t`.
    critical : float
        Their quantile at `level`.
    n_runs : int
    level : float
    """

    estimate: FloatArray
    std_error: FloatArray
    draws: FloatArray
    critical: float
    n_runs: int
    level: float


def means(
    values: FloatArray,
    scale: float,
    exact: FloatArray,
    level: float,
    n_draws: int,
    seed: int,
    key: int,
) -> Means:
    """Return the means of values (R, C) and their band.

    `exact` (C,) is the standard error that theory gives. It stands in where the
    replicates show no spread though there is some, as where all drew points of
    one component.
    """
    n_runs = len(values)
    error = values.std(0, ddof=1) / math.sqrt(n_runs)
    varies = error > STILL * scale
    draws = np.zeros(n_draws)
    if varies.any():
        centred = values[:, varies] - values[:, varies].mean(0)
        draws = largest_t(centred, n_draws, stream(seed, key))
    error = np.where(varies, error, np.where(exact > STILL * scale, exact, 0.0))
    return Means(values.mean(0), error, draws, quantile(draws, level), n_runs, level)


def stream(seed: int, key: int) -> np.random.Generator:
    """Return the random numbers of one of the bootstraps."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(key,)))


def quantile(draws: FloatArray, level: float) -> float:
    """Return the smallest draw that at most a share 1 - level of all and one more exceed."""
    rank = min(math.ceil(level * (len(draws) + 1)), len(draws))
    return float(np.sort(draws)[rank - 1])


def p_value(draws: FloatArray, t: float) -> float:
    """Return the p-value of the largest t."""
    return (1 + np.count_nonzero(draws >= t * (1 - 1e-12))) / (len(draws) + 1)


@dataclass(frozen=True)
class Comparison:
    """What `means` say of a theory.

    Attributes
    ----------
    deviation : float
        The deviation that is largest in standard errors, over the scale.
    cell : int
        Where that is.
    p_difference : float
        Of the hypothesis that theory is right in all cells.
    p_equivalence : float
        Of the hypothesis that some cell is off by the margin or more.
    beyond : bool
        Whether the band of some cell lies outside the margin.
    n_design : int
        About how many replicates show equivalence where theory is right.
    n_more : int
        As many where the deviation that was seen is real.
    """

    deviation: float
    cell: int
    p_difference: float
    p_equivalence: float
    beyond: bool
    n_design: int
    n_more: int


def compare(found: Means, theory: FloatArray, scale: float, margin: float) -> Comparison:
    """Test means against `theory` (C,): for any difference, and for one within margin * scale."""
    off, reach = found.estimate - theory, margin * scale
    error = found.std_error
    varies = error > 0
    size = np.abs(off)
    # What does not vary is off or not, without doubt.
    t = np.where(size > EXACT * scale, math.inf, 0.0)
    np.divide(size, error, out=t, where=varies)
    cell = int(t.argmax())
    # Each cell has to be shown within the margin at the level by itself, so none is paid for.
    room = np.where(size < reach, math.inf, -math.inf)
    np.divide(reach - size, error, out=room, where=varies)
    worst = int(room.argmin())
    p_equivalence = float(stats.t.sf(room[worst], found.n_runs - 1))
    beyond = bool((size - found.critical * error > reach).any())
    # Where theory is right, all cells are within the critical number of errors, which has to
    # leave room for the one-sided test.
    spread = float(error.max()) * math.sqrt(found.n_runs)
    errors = float(stats.norm.ppf(found.level)) + found.critical
    return Comparison(
        deviation=float(off[cell]) / scale,
        cell=cell,
        p_difference=p_value(found.draws, float(t[cell])),
        p_equivalence=p_equivalence,
        beyond=beyond,
        n_design=needed(errors * spread, reach),
        n_more=needed(errors * spread, abs(reach - float(size[worst]))),
    )


def needed(errors: float, room: float) -> int:
    """Return how many replicates bring `errors` of one replicate within `room`."""
    return max(math.ceil(min((errors / max(room, 1e-300)) ** 2, 1e12)), 2)


def verdict(p_difference: float, p_equivalence: float, level: float) -> str:
    """Return "agrees within the margin", "differs" or "not decided"."""
    if p_equivalence <= 1 - level:
        return "agrees within the margin"
    return "differs" if p_difference <= 1 - level else "not decided"
