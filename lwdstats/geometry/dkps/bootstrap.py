"""How far points of classical scaling are off, by a bootstrap of answers. NumPy in, NumPy out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lwdstats.arrays import FloatArray
from lwdstats.geometry.kernels import centred, doubly_centred
from lwdstats.geometry.procrustes import rotation

# Columns beside those wanted, and rounds, of an iteration that starts near its end.
_MORE, _ROUNDS = 8, 4


@dataclass(frozen=True)
class Spread:
    """Where points are, and how far off they may be.

    Attributes
    ----------
    centre : numpy.ndarray, shape (P, k)
        The points without what the noise of means adds to their distances.
    covariance : numpy.ndarray, shape (P, k, k)
        Of the error of each.
    df : numpy.ndarray, shape (P,)
        Degrees of freedom of that covariance.
    noise_share : numpy.ndarray, shape (k,)
        The share of each coordinate's sum of squares that is noise: what is taken off, and what
        the answers vary by along the axis.
    """

    centre: FloatArray
    covariance: FloatArray
    df: FloatArray
    noise_share: FloatArray


def bootstrap(
    answers: np.ndarray, points: FloatArray, n_bootstrap: int, rng: np.random.Generator
) -> Spread:
    """Return how far `points` (P, k) are off, which scaling made of the means of answers.

    The answers (q, P, L, F), some of them NaN but two or more of each mean there, are drawn anew
    within each query and point. What is drawn is scaled less its own noise and turned to
    `points`, which is what scaling makes of the means that were drawn from: so the distance
    between the two is an error.
    """
    there = ~np.isnan(answers[..., 0])
    n = there.sum(axis=-1)
    filled = np.where(there[..., None], answers, 0.0).astype(np.float64)
    means = filled.sum(axis=2) / n[..., None]
    away = np.where(there[..., None], filled - means[:, :, None], 0.0)
    squares = np.einsum("qplf,qplf->qpl", away, away)
    variance = squares.sum(axis=-1) / (n * (n - 1.0))

    k = points.shape[1]
    x, noise = _flat(means), variance.mean(axis=0)
    _, basis = np.linalg.eigh(doubly_centred(x @ x.T - np.diag(noise)))
    basis = basis[:, ::-1][:, : k + _MORE]
    eig, centre = scaled(x, noise, k, basis)
    axes = centred(x).T @ points
    axes /= np.maximum(np.linalg.norm(axes, axis=0), np.finfo(float).tiny)
    seen = np.einsum("qplf,qfk->qplk", away, axes.reshape(len(means), -1, k)) ** 2
    along = (seen.sum(axis=2) / (n * (n - 1.0))[..., None]).mean(axis=0)
    # Draws vary by (n - 1)/n of what the means of answers do.
    wider = n / (n - 1.0)
    share = there / n[..., None]
    errors = np.empty((n_bootstrap, *points.shape))
    for b in range(n_bootstrap):
        weight = rng.multinomial(n, share) / n[..., None]
        moved = np.einsum("qpl,qplf->qpf", weight, away)
        left = np.einsum("qpl,qpl->qp", weight, squares) - np.einsum("qpf,qpf->qp", moved, moved)
        x = _flat(means + np.sqrt(wider)[..., None] * moved)
        noise = (wider * left / (n - 1.0)).mean(axis=0)
        errors[b] = _turned(scaled(x, noise, k, basis)[1], points) - points
    errors -= errors.mean(axis=0)
    raw = np.einsum("ij,ij->j", points, points)
    lost = raw - eig + along.sum(axis=0)
    total = variance.sum(axis=0)
    # Welch and Satterthwaite, over the queries whose means are put together.
    parts = (variance**2 / (n - 1.0)).sum(axis=0)
    return Spread(
        _turned(centre, points),
        np.einsum("bpi,bpj->pij", errors, errors) / (n_bootstrap - 1),
        np.divide(total**2, parts, out=(n - 1.0).sum(axis=0), where=parts > 0.0),
        np.divide(lost, raw, out=np.zeros(k), where=raw > 0.0).clip(0.0, 1.0),
    )


def scaled(
    x: FloatArray, noise: FloatArray, k: int, basis: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return eigenvalues (k,) and coordinates (P, k) of points x (P, m), less their noise.

    `noise` (P,) is the part of each squared length that is not the point's own. `basis`, (P, r),
    spans about what the first k eigenvectors do.
    """
    x = centred(x)
    # Eigenvalues below 0 are moved above it, so that the iteration goes to the largest ones.
    shift = float(noise.max())

    def times(u: FloatArray) -> FloatArray:
        return centred(x @ (x.T @ u) - noise[:, None] * u) + shift * u

    basis = centred(basis)
    for _ in range(_ROUNDS):
        basis = np.linalg.qr(times(basis))[0]
    values, turn = np.linalg.eigh(basis.T @ times(basis))
    values = values[::-1][:k] - shift
    return values, basis @ turn[:, ::-1][:, :k] * np.sqrt(np.maximum(values, 0.0))


def _flat(means: FloatArray) -> FloatArray:
    """Return means (q, P, F) as points (P, q F) whose distances average over queries."""
    return np.moveaxis(means, 0, 1).reshape(means.shape[1], -1) / math.sqrt(len(means))


def _turned(y: FloatArray, target: FloatArray) -> FloatArray:
    """Return `y` turned and moved to a target, (P, k) both."""
    y = centred(y)
    return y @ rotation(centred(target), y, scale=False)[0] + target.mean(axis=0)


def kernel_features(gram: FloatArray) -> FloatArray:
    """Return points (m, r) whose inner products, about their centre, are those of a kernel (m, m).

    The distance between means of such points is that between samples by the kernel.
    """
    values, vectors = np.linalg.eigh(doubly_centred(gram))
    kept = values > 1e-10 * max(float(values[-1]), 0.0)
    return vectors[:, kept] * np.sqrt(values[kept])
