"""Statistics of separation on arrays: NumPy in, NumPy out."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist, pdist, squareform

from lwdstats.arrays import FloatArray
from lwdstats.geometry.kernels import centred, doubly_centred, euclidean
from lwdstats.inference.permutation.group_sums import (
    group_sums,
    observations_of,
    permuted_sums,
    within_groups,
)
from lwdstats.inference.permutation.scheme import IndexArray, Scheme, quadratic_forms, scheme
from lwdstats.inference.permutation.waiting import shown

# F, (T,); permuted F, (T, B); R2 and adjusted R2, (T,); the smallest possible p.
Result = tuple[FloatArray, FloatArray, FloatArray, FloatArray, float]
# Numbers in a stack of centred matrices: 64 MB of float64; and of points: 256 MB.
_BLOCK = 1 << 23
_POINTS = 1 << 25
# A sum of squares below this share of the total is what rounding makes of 0. (One of
# differences from a first point, which equal points make exactly 0, has far smaller errors.)
_ROUNDING = 1e-12
_SQUARE = 1e-28
# Up to so many groups, a product with all distances is faster than to look up those in groups.
_FEW_GROUPS = 4


def there(x: np.ndarray) -> npt.NDArray[np.bool_]:
    """Return which answers, (...), of (..., F) are not missing."""
    return ~np.isnan(x[..., 0])


def told_apart(present: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return in which cells, (T, R, q), models of answers (T, R, q, n, L) can be told apart.

    Two models have to answer, and one of them more than once.
    """
    sizes = present.sum(axis=4)
    models = (sizes > 0).sum(axis=3)
    return (models > 1) & (sizes.sum(axis=3) > models)


def given_prompts(
    x: np.ndarray, alpha: int, n_permutations: int, seed: int
) -> tuple[Result, FloatArray]:
    """Test answers `x`, (T, R, q, n, L, F), that are permuted within replicate and query.

    Missing answers are no observations. Also returned is the mean over cells of the energy
    distance, (T,), of `energy_distance`.
    """
    T, R, q, n, L, _ = x.shape
    present = there(x)
    used = told_apart(present)
    numbers = present.sum(axis=(3, 4))
    # Where cells have few permutations, and not the same, there is no common list of them.
    alike = bool((numbers == numbers.flat[0]).all())
    between, total, permuted = np.zeros(T), np.zeros(T), np.zeros((T, n_permutations))
    squares, df, rdf = np.zeros((2, T)), np.zeros(T), np.zeros(T)
    apart: list[list[float]] = [[] for _ in range(T)]
    count = n_permutations
    for cell in shown([[k] for k in range(R * q)], R * q, "replicates and queries"):
        where = divmod(cell[0], q)
        # A stream a cell: another replicate leaves the permutations of the others as they were.
        sequence = np.random.SeedSequence(seed, spawn_key=(cell[0],))
        words = sequence.generate_state(4, np.uint32)
        own_seed = int.from_bytes(words.tobytes(), "little")
        for times, kept in _alike(present[:, *where].reshape(T, -1), used[:, *where]):
            codes = np.repeat(np.arange(n), L)[kept]
            sizes = np.unique(codes, return_counts=True)[1]
            plan = scheme(len(codes), n_permutations, None, own_seed, enumerate_few=alike)
            count = plan.count
            df[times] += len(sizes) - 1
            rdf[times] += len(codes) - len(sizes)
            step = max(1, _BLOCK // len(codes) ** 2)
            for start in range(0, len(times), step):
                some = times[start : start + step]
                points = x[some, *where].reshape(len(some), n * L, -1)[:, kept]
                d = np.stack([euclidean(p) for p in points])
                for t, matrix in zip(some, d, strict=True):
                    apart[t] += _energy(matrix, sizes)
                own, every, moved = _between(d if alpha == 1 else d * d, sizes, plan)
                between[some] += own
                total[some] += every
                permuted[some, :count] += moved
                squares[:, some] += _squares(points, sizes)
    f = _f(between, total, df, rdf)
    f_permuted = _f(permuted[:, :count], total[:, None], df[:, None], rdf[:, None])
    r2, adjusted = _shares(squares[0], squares[1], df + rdf, rdf)
    distance = np.array([np.mean(values) if values else np.nan for values in apart])
    return (f, f_permuted, r2, adjusted, 1.0 / (count + 1.0)), distance


def _alike(
    present: npt.NDArray[np.bool_], used: npt.NDArray[np.bool_]
) -> Iterator[tuple[IndexArray, IndexArray]]:
    """Yield times at which the same answers, of (T, n L), are there, and these; `used` ones."""
    patterns, which = np.unique(present, axis=0, return_inverse=True)
    for k, pattern in enumerate(patterns):
        times = np.flatnonzero((which.ravel() == k) & used)
        if times.size:
            yield times, np.flatnonzero(pattern)


def _between(
    d: FloatArray, sizes: IndexArray, plan: Scheme
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return squares between groups in a row, (T,), in all, (T,), and permuted ones, (T, B).

    `d`, (T, n, n), are distances to the power that the statistic takes.
    """
    if len(sizes) <= _FEW_GROUPS:
        G = np.stack([doubly_centred(-0.5 * matrix) for matrix in d])
        Q = _contrasts(sizes)
        moved = quadratic_forms(G, Q, plan).sum(axis=-1)
        return _explained(G, Q), np.trace(G, axis1=1, axis2=2), moved
    total = d.sum(axis=(1, 2)) / (2.0 * d.shape[1])
    within, moved = within_groups(d, np.repeat(np.arange(len(sizes)), sizes), plan)
    return total - within, total, total[:, None] - moved


def exchanged_models(
    x: np.ndarray, alpha: int, n_permutations: int, seed: int, *, enumerate_few: bool = True
) -> Result:
    """Test units `x`, (T, R, n, m), models being permuted within replicates (or questions).

    A unit that is NaN is missing, and then `alpha` is 2.
    """
    T, R, n, _ = x.shape
    # What is there must be so at all times, as these share their permutations.
    present = there(x[0])
    block, model = np.nonzero(present)
    plan = scheme(len(block), n_permutations, block, seed, enumerate_few=enumerate_few)
    axes = _directions(present)
    df, rdf = axes.shape[1], len(block) - R - axes.shape[1]
    own, rest, permuted = np.zeros(T), np.zeros(T), np.zeros((T, plan.count))
    squares, size = np.zeros((2, T)), np.zeros(T)
    for times, part in _units(x, block, model):
        away = _less_blocks(part, block, R)
        columns = part.shape[1] // len(times)
        starts = np.arange(0, part.shape[1], columns)
        size[times] += np.add.reduceat(np.einsum("ij,ij->j", part, part), starts)
        squares[1, times] += np.add.reduceat(np.einsum("ij,ij->j", away, away), starts)
        sums = group_sums(away, model[None], n)
        squares[0, times] += np.add.reduceat(_length(sums, axes)[0], starts)
        if alpha == 2:
            for rows, moved in permuted_sums(away, model, n, plan):
                found = np.add.reduceat(_length(moved, axes), starts, axis=1)
                permuted[times, rows] += found.T
    # Equal units leave what rounding makes of 0.
    some = squares[1] > _SQUARE * size
    squares *= some
    if alpha == 2:
        own, rest = squares
    else:
        for t in range(T):
            own[t], rest[t], total, permuted[t] = _exchanged_distances(x[t], plan)
            some[t] &= rest[t] > _ROUNDING * total
    own, rest = np.where(some, own, 0.0), np.where(some, rest, 0.0)
    permuted = np.where(some[:, None], permuted, 0.0)
    f, f_permuted = _f(own, rest, df, rdf), _f(permuted, rest[:, None], df, rdf)
    r2, adjusted = _shares(squares[0], squares[1], df + rdf, rdf)
    # Exchanging the names in all replicates alike changes nothing: n! permutations tie.
    ties = math.factorial(n) / math.factorial(n) ** R if n * R < 170 else 0.0
    return f, f_permuted, r2, adjusted, max(1.0 / (plan.count + 1.0), ties)


def _directions(present: npt.NDArray[np.bool_]) -> FloatArray:
    """Return W, (n, k), for which the squares of models beside blocks, (R, n), are |W'S|^2.

    S are the sums, (n, m), of what is left of the units without their blocks; WW' is the
    generalised inverse of the information matrix, which is R times centring where all are there.
    """
    kept = present.astype(np.float64)
    share = kept / kept.sum(axis=1, keepdims=True)
    values, vectors = np.linalg.eigh(np.diag(kept.sum(axis=0)) - kept.T @ share)
    held = values > 1e-9 * values[-1]
    return vectors[:, held] / np.sqrt(values[held])


def _length(sums: FloatArray, axes: FloatArray) -> FloatArray:
    """Return |W'S|^2, (b, m), by columns of the sums, (b, n, m), `axes` being W, (n, k)."""
    n, k = axes.shape
    if k == n - 1 and np.ptp(scale := np.einsum("ik,ik->i", axes, axes)) <= 1e-12 * scale[0]:
        # W is orthogonal but for its scale, and the sums add up to 0 as W's columns do.
        return scale[0] * n / (n - 1) * np.einsum("bim,bim->bm", sums, sums)
    along = axes.T @ sums
    return np.einsum("bkm,bkm->bm", along, along)


def _units(
    x: np.ndarray, block: IndexArray, model: IndexArray
) -> Iterator[tuple[IndexArray, FloatArray]]:
    """Yield times, and units of these (N, times * columns), of (T, R, n, m): some at once."""
    T, m = len(x), x.shape[-1]
    width = max(1, _POINTS // max(1, len(block)))
    for start in range(0, T, max(1, width // m)):
        times = np.arange(start, min(T, start + max(1, width // m)))
        for first in range(0, m, width):
            part = x[times, ..., first : first + width][:, block, model]
            yield times, np.moveaxis(part, 0, 1).reshape(len(block), -1).astype(np.float64)


def _less_blocks(x: FloatArray, block: IndexArray, n_blocks: int) -> FloatArray:
    """Return units (N, p) less the mean of their block; equal ones are exactly 0."""
    starts = np.searchsorted(block, np.arange(n_blocks))
    # From the first of each block, so that equal units are at exactly 0.
    x = x - x[starts][block]
    counts = np.bincount(block, minlength=n_blocks)
    x -= (np.add.reduceat(x, starts, axis=0) / counts[:, None])[block]
    return x


def _exchanged_distances(x: np.ndarray, plan: Scheme) -> tuple[float, float, float, FloatArray]:
    """Return squares of models, within replicates, in all, and of permuted models, (B,).

    Of distances between units `x`, (R, n, m). Only those between units of one model count, a
    replicate with those after it at once, so that they never stand in one matrix.
    """
    R, n, m = x.shape
    points = x.reshape(R * n, m).astype(np.float64)
    if n <= _FEW_GROUPS:
        G = doubly_centred(-0.5 * squareform(pdist(points)))[None]
        total = float(np.trace(G[0]))
        model = np.tile(_contrasts(np.ones(n, np.intp)), (R, 1)) / math.sqrt(R)
        rest = total - float(_explained(G, _contrasts(np.full(R, n)))[0])
        moved = quadratic_forms(G, model, plan).sum(axis=-1)[0]
        return float(_explained(G, model)[0]), rest, total, moved
    places = np.concatenate([observations_of(index, plan) for index in plan.blocks()])
    # The order that there is comes last.
    places = np.concatenate([places, np.arange(R * n)[None]]).reshape(-1, R, n)
    places = (places - n * np.arange(R)[:, None]).astype(np.int32)
    found = np.zeros(len(places))
    within = across = 0.0
    for one in shown([[r] for r in range(R)], R, "replicates"):
        r = one[0]
        d = cdist(points[r * n : (r + 1) * n], points[r * n :])
        within += float(d[:, :n].sum())
        d = d[:, n:]
        across += float(d.sum())
        if not d.size:
            break
        # What two models are expected to be apart, less what is between units of one.
        columns = n * np.arange(R - r - 1, dtype=np.int32)[:, None]
        step = max(1, _BLOCK // 8 // d[0].size)
        for start in range(0, len(places), step):
            some = slice(start, start + step)
            rows = places[some, r, None] * np.int32(d.shape[1])
            at = rows + columns + places[some, r + 1 :]
            found[some] += d.sum() / n - d.take(at).sum(axis=(1, 2))
    squares = (found + within / (2.0 * n)) / R
    total = (across + 0.5 * within) / (R * n)
    return float(squares[-1]), within / (2.0 * n), total, squares[:-1]


def energy_distance(x: np.ndarray) -> FloatArray:
    """Return the mean over cells of the mean over pairs of models of their energy distance, (T,).

    `x` is (T, R, q, n, L, F). Distances within a model leave out those of an answer to
    itself, so that the estimate is unbiased; a model with one answer has none, and is left out.
    """
    T, R, q, n, L, F = x.shape
    present = there(x).reshape(T, R, q, n * L)
    apart: list[list[float]] = [[] for _ in range(T)]
    for t, r, c in np.ndindex(T, R, q):
        kept = present[t, r, c]
        sizes = np.unique(np.repeat(np.arange(n), L)[kept], return_counts=True)[1]
        apart[t] += _energy(euclidean(x[t, r, c].reshape(n * L, F)[kept]), sizes)
    return np.array([np.mean(values) if values else np.nan for values in apart])


def _energy(d: FloatArray, sizes: IndexArray) -> list[float]:
    """Return the mean over pairs of groups in a row of their energy distance, if there is one."""
    starts = np.cumsum([0, *sizes[:-1]])
    several = sizes > 1
    n, k = sizes[several].astype(np.float64), int(several.sum())
    if k < 2:
        return []
    sums = np.add.reduceat(np.add.reduceat(d, starts, axis=0), starts, axis=1)
    sums = sums[np.ix_(several, several)]
    within = float((np.diagonal(sums) / (n * (n - 1.0))).sum())
    means = sums / np.outer(n, n)
    between = float(means.sum() - np.trace(means))
    # Over the k (k - 1) ordered pairs, each group is within twice (k - 1) times.
    return [(2.0 * between - 2.0 * (k - 1) * within) / (k * (k - 1))]


def _explained(G: FloatArray, Q: FloatArray) -> FloatArray:
    """Return the trace of Q'GQ, (T,), of matrices (T, m, m) and an orthonormal basis (m, k)."""
    return np.einsum("ik,tij,jk->t", Q, G, Q, optimize=True)


def _contrasts(sizes: IndexArray) -> FloatArray:
    """Return an orthonormal basis, (N, k - 1), of what differs between k groups in a row."""
    root = np.sqrt(sizes)
    u, _, _ = np.linalg.svd(np.eye(len(sizes)) - np.outer(root, root) / sizes.sum())
    return np.repeat(u[:, :-1] / root[:, None], sizes, axis=0)


def _squares(points: np.ndarray, sizes: IndexArray) -> FloatArray:
    """Return sums of squares between and in all, (2, T), of points (T, N, F), groups in a row."""
    x = centred(points.astype(np.float64), axis=1)
    sums = np.add.reduceat(x, np.cumsum([0, *sizes[:-1]]), axis=1)
    between = np.einsum("tgf,tgf,g->t", sums, sums, 1.0 / sizes)
    return np.stack([between, np.einsum("tif,tif->t", x, x)])


def _f(
    between: FloatArray, total: FloatArray, df: FloatArray | int, rdf: FloatArray | int
) -> FloatArray:
    floor = _ROUNDING * total
    between = np.where(np.abs(between) <= floor, 0.0, between)
    within = total - between
    with np.errstate(divide="ignore", invalid="ignore"):
        f = (between / df) / (within / rdf)
    # Answers that are all the same tell no models apart.
    return np.where(within <= floor, np.where(between > floor, np.inf, 0.0), f)


def _shares(
    between: FloatArray, total: FloatArray, df: FloatArray | int, rdf: FloatArray | int
) -> tuple[FloatArray, FloatArray]:
    between = np.where(between <= _SQUARE * 1e4 * total, 0.0, between)
    r2 = np.divide(between, total, out=np.zeros_like(total), where=total > 0)
    return r2, np.where(total > 0, 1.0 - (1.0 - r2) * df / rdf, 0.0)
