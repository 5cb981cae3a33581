"""Statistics of separation on arrays: NumPy in, NumPy out."""

from __future__ import annotations

import math

import numpy as np
from scipy.spatial.distance import pdist, squareform

from lwdstats.arrays import FloatArray
from lwdstats.geometry.kernels import centred, doubly_centred
from lwdstats.inference.permutation.scheme import quadratic_forms, scheme

# F, (T,); permuted F, (T, B); R2 and adjusted R2, (T,); the smallest possible p.
Result = tuple[FloatArray, FloatArray, FloatArray, FloatArray, float]
# Numbers in a stack of centred matrices: 64 MB of float64.
_BLOCK = 1 << 23
# A sum of squares below this share of the total is what rounding makes of 0. (One of
# differences from a first point, which equal points make exactly 0, has far smaller errors.)
_ROUNDING = 1e-12
_SQUARE = 1e-28


def given_prompts(x: np.ndarray, alpha: int, n_permutations: int, seed: int) -> Result:
    """Test answers `x`, (T, R, q, n, L, F), that are permuted within replicate and query."""
    T, R, q, n, L, _ = x.shape
    Q = _contrasts(n, L)
    between, total, permuted = np.zeros(T), np.zeros(T), np.zeros((T, n_permutations))
    squares = np.zeros((2, T))
    step = max(1, _BLOCK // (n * L) ** 2)
    count = 0
    for cell in range(R * q):
        # A stream a cell: another replicate leaves the permutations of the others as they were.
        sequence = np.random.SeedSequence(seed, spawn_key=(cell,))
        words = sequence.generate_state(4, np.uint32)
        plan = scheme(n * L, n_permutations, None, int.from_bytes(words.tobytes(), "little"))
        count = plan.count
        for start in range(0, T, step):
            times = slice(start, min(T, start + step))
            points = x[times, cell // q, cell % q].reshape(-1, n * L, x.shape[-1])
            G = np.stack([_centred_powers(p, alpha) for p in points])
            moved = quadratic_forms(G, Q, plan).sum(axis=-1)
            between[times] += _explained(G, Q)
            total[times] += np.trace(G, axis1=1, axis2=2)
            permuted[times, :count] += moved
            squares[:, times] += _squares(points, n, L)
    df, rdf = R * q * (n - 1), R * q * n * (L - 1)
    f = _f(between, total, df, rdf)
    f_permuted = _f(permuted[:, :count], total[:, None], df, rdf)
    r2, adjusted = _shares(squares[0], squares[1], df + rdf, rdf)
    return f, f_permuted, r2, adjusted, 1.0 / (count + 1.0)


def exchanged_models(x: np.ndarray, alpha: int, n_permutations: int, seed: int) -> Result:
    """Test units `x`, (T, R, n, m), models being permuted within replicates."""
    T, R, n, m = x.shape
    plan = scheme(R * n, n_permutations, np.repeat(np.arange(R), n), seed)
    model = np.tile(_contrasts(n, 1), (R, 1)) / math.sqrt(R)
    block = _contrasts(R, n)
    f, f_permuted = np.empty(T), np.empty((T, plan.count))
    squares = np.zeros((2, T))
    step = max(1, _BLOCK // (n * R) ** 2)
    df, rdf = n - 1, (n - 1) * (R - 1)
    for start in range(0, T, step):
        times = slice(start, min(T, start + step))
        # From the first of each replicate, so that equal units are at exactly 0.
        units = centred(x[times], axis=2)
        size = np.einsum("trim,trim->t", units, units)
        units[size <= _SQUARE * (x[times] ** 2).sum((1, 2, 3))] = 0.0
        # Squares do not see what lies between replicates, which would only add rounding errors.
        points = (units if alpha == 2 else x[times]).reshape(-1, R * n, m)
        G = np.stack([_centred_powers(p, alpha) for p in points])
        # What lies between replicates stays where it is: the blocks are complete.
        total = np.trace(G, axis1=1, axis2=2)
        rest, own = total - _explained(G, block), _explained(G, model)
        some = (units != 0).any(axis=(1, 2, 3)) & (rest > _ROUNDING * total)
        rest, own = np.where(some, rest, 0.0), np.where(some, own, 0.0)
        f[times] = _f(own, rest, df, rdf)
        moved = quadratic_forms(G, model, plan).sum(axis=-1)
        f_permuted[times] = _f(np.where(some[:, None], moved, 0.0), rest[:, None], df, rdf)
        squares[0, times] = R * (units.mean(axis=1) ** 2).sum(axis=(1, 2))
        squares[1, times] = (units**2).sum(axis=(1, 2, 3))
    r2, adjusted = _shares(squares[0], squares[1], df + rdf, rdf)
    # Exchanging the names in all replicates alike changes nothing: n! permutations tie.
    ties = math.factorial(n) / math.factorial(n) ** R if n * R < 170 else 0.0
    return f, f_permuted, r2, adjusted, max(1.0 / (plan.count + 1.0), ties)


def energy_distance(x: np.ndarray) -> FloatArray:
    """Return the mean over pairs of models and cells of the energy distance, (T,).

    `x` is (T, R, q, n, L, F), L at least 2. Distances within a model leave out
    those of an answer to itself, so that the estimate is unbiased.
    """
    T, R, q, n, L, F = x.shape
    out = np.zeros(T)
    for t, r, c in np.ndindex(T, R, q):
        d = squareform(pdist(x[t, r, c].reshape(n * L, F).astype(np.float64)))
        sums = d.reshape(n, L, n, L).sum(axis=(1, 3))
        within = np.trace(sums) / (L * (L - 1))
        between = (sums.sum() - np.trace(sums)) / (L * L)
        # Over the n (n - 1) ordered pairs, each model is within twice (n - 1) times.
        out[t] += (2.0 * between - 2.0 * (n - 1) * within) / (n * (n - 1))
    return out / (R * q)


def _explained(G: FloatArray, Q: FloatArray) -> FloatArray:
    """Return the trace of Q'GQ, (T,), of matrices (T, m, m) and an orthonormal basis (m, k)."""
    return np.einsum("ik,tij,jk->t", Q, G, Q, optimize=True)


def _centred_powers(x: np.ndarray, alpha: int) -> FloatArray:
    """Return the doubly centred matrix of -d^alpha / 2 of the rows of `x`, (n, m)."""
    x = x.astype(np.float64)
    if alpha == 2:
        x = centred(x)
        return x @ x.T
    return doubly_centred(-0.5 * squareform(pdist(x)))


def _contrasts(n: int, size: int) -> FloatArray:
    """Return an orthonormal basis, (n size, n - 1), of what differs between n groups in a row."""
    u, _, _ = np.linalg.svd(np.eye(n) - 1.0 / n)
    return np.repeat(u[:, : n - 1], size, axis=0) / math.sqrt(size)


def _squares(points: np.ndarray, n: int, L: int) -> FloatArray:
    """Return sums of squares between and in all, (2, T), of points (T, n L, F)."""
    x = centred(points.astype(np.float64), axis=1).reshape(len(points), n, L, -1)
    between = L * (x.mean(axis=2) ** 2).sum(axis=(1, 2))
    return np.stack([between, (x * x).sum(axis=(1, 2, 3))])


def _f(between: FloatArray, total: FloatArray, df: int, rdf: int) -> FloatArray:
    floor = _ROUNDING * total
    between = np.where(np.abs(between) <= floor, 0.0, between)
    within = total - between
    with np.errstate(divide="ignore", invalid="ignore"):
        f = (between / df) / (within / rdf)
    # Answers that are all the same tell no models apart.
    return np.where(within <= floor, np.where(between > floor, np.inf, 0.0), f)


def _shares(
    between: FloatArray, total: FloatArray, df: int, rdf: int
) -> tuple[FloatArray, FloatArray]:
    between = np.where(between <= _SQUARE * 1e4 * total, 0.0, between)
    r2 = np.divide(between, total, out=np.zeros_like(total), where=total > 0)
    return r2, np.where(total > 0, 1.0 - (1.0 - r2) * df / rdf, 0.0)
