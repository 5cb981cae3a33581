"""Kendall's S against time, and its p-values: arrays only. P paths, n times."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtri
from scipy.stats import kendalltau, norm, rankdata

from lwdstats.arrays import FloatArray
from lwdstats.inference.ar1 import ar1_paths, ar1_phi

# As R's cor.test: exact below so many values without ties.
_EXACT_BELOW = 50
# Autocorrelations that are told apart.
_PHI = (0.0, 0.95)
# Parameters lost to level and slope, and how much wider than its standard error phi is drawn:
# with both the size is nearest its level, as measured by benchmarks/validity/size_curves.py.
_LOST = 4.0
_WIDER = 1.25
# Numbers in an array of signs.
_BLOCK = 1 << 20


def kendall_many(y: FloatArray) -> FloatArray:
    """Return Kendall's S of paths (P, n) against time, (P,)."""
    total = np.zeros(len(y))
    for lag in range(1, y.shape[1]):
        later, earlier = y[:, lag:], y[:, :-lag]
        total += (later > earlier).sum(axis=1)
        total -= (later < earlier).sum(axis=1)
    return total


def tau_b(y: FloatArray) -> float:
    """Return Kendall's tau-b of a path (n,) against time; NaN where all values are one."""
    return float(kendalltau(np.arange(len(y)), y, method="asymptotic").statistic)


def independent_variance(y: FloatArray) -> float:
    """Return the variance of S of a path (n,) if its values are independent."""
    n, t = float(len(y)), np.unique(y, return_counts=True)[1].astype(float)
    return float(n * (n - 1) * (2 * n + 5) - (t * (t - 1) * (2 * t + 5)).sum()) / 18.0


def independent_p(y: FloatArray, s: float, alternative: str) -> float:
    """Return p of S of a path (n,) whose values are independent without a trend."""
    n = len(y)
    if n < _EXACT_BELOW and len(np.unique(y)) == n:
        exact = kendalltau(np.arange(n), y, method="exact", alternative=alternative)  # type: ignore[arg-type]
        return float(exact.pvalue)
    sd = math.sqrt(independent_variance(y))
    if sd == 0.0:
        return 1.0
    # As R: the correction draws S in, on either side.
    z = math.copysign(max(abs(s) - 1.0, 0.0), s) / sd
    tails = {"two-sided": 2.0 * norm.sf(abs(z)), "less": norm.cdf(z), "greater": norm.sf(z)}
    return float(min(1.0, tails[alternative]))


def sen_slope(
    time: FloatArray, y: FloatArray, level: float, alternative: str
) -> tuple[float, tuple[float, float]]:
    """Return the median of slopes between pairs, and its interval under independence.

    The interval has one end where the alternative has one side.
    """
    first, later = np.triu_indices(len(y), 1)
    slopes = np.sort((y[later] - y[first]) / (time[later] - time[first]))
    count = len(slopes)
    tail = (1.0 - level) / 2.0 if alternative == "two-sided" else 1.0 - level
    reach = float(norm.isf(tail)) * math.sqrt(independent_variance(y))
    # The ranks are those of scipy.stats.theilslopes, which has no one-sided interval.
    low = slopes[min(max(round((count - reach) / 2.0) - 1, 0), count - 1)]
    high = slopes[max(min(round((count + reach) / 2.0), count - 1), 0)]
    ends = {
        "two-sided": (float(low), float(high)),
        "less": (-math.inf, float(high)),
        "greater": (float(low), math.inf),
    }
    return float(np.median(slopes)), ends[alternative]


def normal_scores(y: FloatArray) -> FloatArray:
    """Return normal scores of the ranks of paths (P, n), ties sharing theirs."""
    return ndtri(rankdata(y, axis=1) / (y.shape[1] + 1.0))


def scaled_s(y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return S in units of what autocorrelation makes of its spread, and phi: (P,) each.

    phi is that of the normal scores about the scores of a perfect order, so that a trend is
    not taken for autocorrelation: what is in order leaves nothing. Below 0 it counts as 0,
    so that no path has a larger statistic than one in perfect order.
    """
    n = y.shape[1]
    order = ndtri(np.arange(1, n + 1) / (n + 1.0))
    z = normal_scores(y)
    z -= z.mean(axis=1, keepdims=True)
    z -= np.outer(z @ order / (order @ order), order)
    # Rounding is no noise.
    z[np.abs(z).max(axis=1) < 1e-9] = 0.0
    # Residuals of a fit to level and slope have lost 4 parameters, in the sense of `ar1_phi`.
    phi = np.where(z.any(axis=1), ar1_phi(z, _LOST, _PHI), 0.0)
    return kendall_many(y) / np.sqrt((1.0 + phi) / (1.0 - phi)), phi


def null_s(rng: np.random.Generator, phi: FloatArray, n: int) -> FloatArray:
    """Return scaled S of a simulated AR(1) path without a trend for each phi estimated, (P,).

    As phi is not known, each path has one of its own, drawn around the estimate.
    """
    error = _WIDER * np.sqrt((1.0 - phi**2) / n) * n / (n - _LOST)
    drawn = np.clip(phi + error * rng.standard_normal(len(phi)), *_PHI)
    return scaled_s(ar1_paths(rng, drawn, 1.0, len(phi), n))[0]


def ar1_p(
    y: FloatArray, alternative: str, n_bootstrap: int, rng: np.random.Generator
) -> tuple[float, float]:
    """Return p of a path (n,) against AR(1) paths, and phi; 1 and NaN for a constant."""
    n = len(y)
    if (y == y[0]).all():
        return 1.0, math.nan
    observed, phi = scaled_s(y[None])
    size = max(1, _BLOCK // n)
    counts = [min(size, n_bootstrap - start) for start in range(0, n_bootstrap, size)]
    null = np.concatenate([null_s(rng, np.repeat(phi, count), n) for count in counts])
    own = float(observed[0])
    near = 1e-9 * (1.0 + abs(own))
    extreme = {
        "two-sided": np.abs(null) >= abs(own) - near,
        "less": null <= own + near,
        "greater": null >= own - near,
    }[alternative]
    return (float(extreme.sum()) + 1.0) / (n_bootstrap + 1.0), float(phi[0])


def flipped_p(s: FloatArray, alternative: str) -> float:
    """Return p of the sum of S of paths (P,), each of which could as well have the other sign.

    Exact: S are whole numbers, so the law of their sum is a convolution.
    """
    size = np.abs(s).astype(np.int64)
    reach = int(size.sum())
    law = np.zeros(2 * reach + 1)
    law[reach] = 1.0
    for step in size[size > 0].tolist():
        law = 0.5 * (np.roll(law, step) + np.roll(law, -step))
    at = reach + int(s.sum())
    less, greater = float(law[: at + 1].sum()), float(law[at:].sum())
    both = min(1.0, 2.0 * min(less, greater))
    return {"two-sided": both, "less": less, "greater": greater}[alternative]
