"""Steps of a fitted network that are yet to come, many at once: arrays only.

Letters in the shapes: M draws, n models, B components, F coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwdstats.arrays import FloatArray
from lwdstats.studies.proxy.states import on_simplex


@dataclass(frozen=True, eq=False)
class Origin:
    """Where a network stands, and by which law it goes on.

    Attributes
    ----------
    state : (n, B)
        Weights at the last time, and `state_var` (n,), the variance of each dimension.
    posted : list of (n, B)
        Measured weights of the last times whose posts are not on the web yet, oldest first.
    web : (B,)
        Sums of weights of the posts on the web that gave the last answers, `n_web` in all.
    rho, theta : (M,)
    b : (M, n, B)
    process : float
        Variance of a step, of each of B - 1 dimensions.
    n_posted, n_answers : int
    share_read : float
        Of the web, or 0 where `n_read` are read at each step.
    n_read : int
    exact : bool
        Whether what is read is drawn; else all of the web is, and steps vary by `process` alone.
    less : bool
        Whether steps vary less the more is read.
    labels_cov : (B, B, B)
    means, variances : (B, F)
        Of answers, by component.
    still : tuple of int
        Models that never read, whose weights stay.
    """

    state: FloatArray
    state_var: FloatArray
    posted: list[FloatArray]
    web: FloatArray
    n_web: float
    rho: FloatArray
    theta: FloatArray
    b: FloatArray
    process: float
    n_posted: int
    n_answers: int
    share_read: float
    n_read: int
    exact: bool
    less: bool
    labels_cov: FloatArray
    means: FloatArray
    variances: FloatArray
    still: tuple[int, ...] = ()


def steps(origin: Origin, n_steps: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Return measured weights (n_steps, M, n, B) and squared distances, (n_steps, M).

    The latter is the sum over ordered pairs of models of |X_i - X_j|^2, X being their mean
    answers of finitely many.
    """
    M, n = len(origin.rho), len(origin.state)
    B = origin.state.shape[1]
    noise = np.sqrt(origin.state_var)[:, None] * _flat(rng.standard_normal((M, n, B)))
    pi = on_simplex(origin.state + noise)
    still = list(origin.still)
    web = np.broadcast_to(whole(origin.web, round(origin.n_web)), (M, B)).copy()
    waiting = [np.broadcast_to(on_simplex(p), (M, n, B)) for p in origin.posted]
    roots = np.array([_root(cov) for cov in origin.labels_cov])
    weights, squares = np.empty((n_steps, M, n, B)), np.empty((n_steps, M))
    rho, theta = origin.rho[:, None, None], origin.theta[:, None, None]
    k_last = max(origin.n_read, 1)
    L, m = origin.n_answers, origin.n_posted
    for t in range(n_steps):
        web += rng.multinomial(m, waiting.pop(0)).sum(axis=1) if m else 0
        N = int(web[0].sum())
        k = max(1, min(int(origin.share_read * N) or origin.n_read, N))
        read = _drawn(web, k, n, rng) / k if origin.exact else (web / N)[:, None]
        q = origin.process * (k_last / k if origin.less else 1.0)
        mean = on_simplex(rho * pi + theta * read + origin.b)
        stay = pi[:, still]
        pi = on_simplex(mean + _spread(mean, q * (B - 1), rng))
        pi[:, still] = stay
        counts = rng.multinomial(L, pi)
        weights[t] = counts / L + _label_noise(counts, roots, rng) / L
        squares[t] = _squares(counts, origin, rng)
        waiting.append(counts / L)
    return weights, squares


def _flat(z: FloatArray) -> FloatArray:
    return z - z.mean(axis=-1, keepdims=True)


def whole(sums: FloatArray, number: int) -> NDArray[np.int64]:
    """Return whole numbers of a given sum that are near to sums of weights, (B,)."""
    share = on_simplex(sums / max(sums.sum(), 1e-300)) * number
    out = np.floor(share).astype(np.int64)
    rest = np.argsort(-(share - out), kind="stable")[: number - int(out.sum())]
    out[rest] += 1
    return out


def _root(cov: FloatArray) -> FloatArray:
    values, vectors = np.linalg.eigh(cov)
    return vectors * np.sqrt(np.maximum(values, 0.0))


def _drawn(web: NDArray[np.int64], k: int, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return counts (M, n, B) of k posts without replacement of webs (M, B), for each model."""
    M, B = web.shape
    out = np.zeros((M, n, B), np.int64)
    left: Any = np.full((M, n), k)
    rest: Any = np.repeat(web.sum(axis=1)[:, None], n, axis=1)
    for b in range(B - 1):
        own: Any = np.repeat(web[:, b][:, None], n, axis=1)
        rest = rest - own
        out[..., b] = rng.hypergeometric(own, rest, left)
        left = left - out[..., b]
    out[..., -1] = left
    return out


def _spread(pi: FloatArray, variance: float, rng: np.random.Generator) -> FloatArray:
    """Return errors (M, n, B) of the covariance's shape diag(pi) - pi pi', of a given trace."""
    z = np.sqrt(pi) * rng.standard_normal(pi.shape)
    z = z - pi * z.sum(axis=-1, keepdims=True)
    trace = 1.0 - (pi**2).sum(axis=-1, keepdims=True)
    return z * np.sqrt(variance / np.maximum(trace, 1e-12)) * (trace > 1e-9)


def _label_noise(
    counts: NDArray[np.int64], roots: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """Return what unmixed weights of answers (M, n, B) add to the counts of their components."""
    z = rng.standard_normal((*counts.shape, counts.shape[-1]))
    return np.einsum("mnc,mncf,cbf->mnb", np.sqrt(counts), z, roots)


def _squares(counts: NDArray[np.int64], origin: Origin, rng: np.random.Generator) -> FloatArray:
    L, n = origin.n_answers, counts.shape[1]
    spread = counts @ origin.variances
    x = (counts @ origin.means + np.sqrt(spread) * rng.standard_normal(spread.shape)) / L
    return 2.0 * n * ((x - x.mean(axis=1, keepdims=True)) ** 2).sum(axis=(1, 2))
