"""Pure array kernels under drift and inner diversity: NumPy in, NumPy out."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import pdist

from lwdstats.arrays import FloatArray
from lwdstats.geometry.kernels import centred

# EM with steps of SQUAREM: most rounds, and how far the likelihood may fall short of
# its maximum, in nats a point.
_ROUNDS = 2000
_GAP = 1e-12


def squared_distance(x: np.ndarray, origin: np.ndarray) -> FloatArray:
    """Return ||x - origin||^2, (T, ...), of positions (T, ..., d) from an origin (..., d).

    A time at once, so that no second array of the size of `x` is made.
    """
    shape = np.broadcast_shapes(x.shape[1:-1], origin.shape[:-1])
    out = np.empty((len(x), *shape))
    for t, now in enumerate(x):
        away = now.astype(np.float64) - origin
        out[t] = np.einsum("...i,...i->...", away, away)
    return out


def total_variance(x: np.ndarray) -> FloatArray:
    """Return the trace of the sample covariance, (T, ...), of answers (T, ..., L, d), L >= 2.

    Answers that are NaN are missing; fewer than two give NaN.
    """
    out = np.empty(x.shape[:-2])
    for t, now in enumerate(x):
        if np.isnan(now).any():
            for index in np.ndindex(out.shape[1:]):
                there = _there(now[index])
                out[t][index] = total_variance(there[None])[0] if len(there) > 1 else np.nan
            continue
        away = centred(now.astype(np.float64), axis=-2)
        out[t] = np.einsum("...ij,...ij->...", away, away) / (x.shape[-2] - 1)
    return out


def mean_distance(x: np.ndarray) -> FloatArray:
    """Return the mean distance between two of L answers, (...), of (..., L, d), L >= 2.

    Answers that are NaN are missing; fewer than two give NaN.
    """
    out = np.empty(x.shape[:-2])
    for index in np.ndindex(out.shape):
        there = _there(x[index])
        out[index] = pdist(there.astype(np.float64)).mean() if len(there) > 1 else np.nan
    return out


def _there(answers: np.ndarray) -> np.ndarray:
    """Return the answers, (at most L, d), that are not missing, of (L, d)."""
    return answers[~np.isnan(answers).any(axis=-1)]


def likeliest_weights(points: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> FloatArray:
    """Return the mixture weights, (..., B), under which points (..., N, d) are likeliest.

    `mean` is (B, d), `covariance` (B, d, d). The log-likelihood is concave in
    the weights. Its maximum is where no component's mean density ratio
    ``mean_i f_b(x_i) / f(x_i)`` is above 1, and the largest of them less 1 is a bound on
    what is missing from the maximum, in nats a point (Lindsay 1983).
    """
    out = np.empty((*points.shape[:-2], len(mean)))
    for index in np.ndindex(out.shape[:-1]):
        out[index] = _maximise(_densities(points[index].astype(np.float64), mean, covariance))
    return out


def _densities(x: FloatArray, mean: np.ndarray, covariance: np.ndarray) -> FloatArray:
    """Return f_b(x_i), (N, B), each row over its largest."""
    factors = np.linalg.cholesky(covariance)
    z = np.linalg.solve(factors, (x - mean[:, None]).swapaxes(1, 2))
    log = -0.5 * np.einsum("bij,bij->jb", z, z) - np.log(np.einsum("bii->bi", factors)).sum(1)
    return np.exp(log - log.max(axis=1, keepdims=True))


def _maximise(f: FloatArray) -> FloatArray:
    """Return the weights (B,) that maximise mean log(f w), `f` being (N, B)."""

    def ratios(w: FloatArray) -> FloatArray:
        return (f / (f @ w)[:, None]).mean(axis=0)

    def value(w: FloatArray) -> float:
        return float(np.log(f @ w).mean())

    w = np.full(f.shape[1], 1.0 / f.shape[1])
    for _ in range(_ROUNDS):
        ratio = ratios(w)
        if ratio.max() - 1.0 <= _GAP:
            break
        once = w * ratio
        twice = once * ratios(once)
        step, bend = once - w, twice - 2.0 * once + w
        size = float(np.linalg.norm(bend))
        # SQUAREM (Varadhan and Roland 2008): a longer step, where it is a better one.
        longest = float(np.linalg.norm(step)) / max(size, 1e-300)
        a = min(max(1.0, longest), 1e6)
        far = np.maximum(w + 2.0 * a * step + a * a * bend, 1e-300)
        far /= far.sum()
        w = far if value(far) > value(twice) else twice
    return w / w.sum()
