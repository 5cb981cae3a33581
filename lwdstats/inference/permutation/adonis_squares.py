"""Sums of squares of terms, observed and permuted: of distances, or of the points themselves."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lwdstats.arrays import FloatArray
from lwdstats.geometry.kernels import centred
from lwdstats.inference.permutation.design import directions_beside
from lwdstats.inference.permutation.group_sums import group_sums, permuted_sums
from lwdstats.inference.permutation.scheme import IndexArray, Scheme, quadratic_forms

# Numbers in a block of points: 256 MB of float64.
_BLOCK = 1 << 25


@dataclass(frozen=True, eq=False)
class Squares:
    """Sums of squares of tests, (tests,), of residuals and in all, and those permuted.

    `size` is what rounding errors are measured by. Permuted residual ones are (B, tests) or
    (B, 1), the others (B, tests).
    """

    tests: FloatArray
    residual: float
    total: float
    size: float
    permuted: FloatArray
    permuted_residual: FloatArray


def squares_of_distances(
    G: FloatArray, Q: FloatArray, bases: list[FloatArray], plan: Scheme, *, reduced: bool
) -> Squares:
    """Return the squares by the centred matrix `G`, (n, n), of a model `Q`, (n, k), and tests."""
    total = float(np.trace(G))
    tests = np.array([float(np.vdot(M, G @ M)) for M in bases])
    residual = total - float(np.vdot(Q, G @ Q))
    size = float(np.abs(np.diagonal(G)).sum())
    moved = (_permuted_reduced if reduced else _permuted_direct)(G, Q, bases, plan)
    return Squares(tests, residual, total, size, *moved)


def _permuted_direct(
    G: FloatArray, Q: FloatArray, bases: list[FloatArray], plan: Scheme
) -> tuple[FloatArray, FloatArray]:
    """Return sums of squares (B, tests) and residual ones (B, 1), observations permuted."""
    # The tests' columns are the model's, in order, unless they are marginal.
    own = sum(M.shape[1] for M in bases) == Q.shape[1] and np.array_equal(np.hstack(bases), Q)
    forms = quadratic_forms(G, Q if own else np.hstack([Q, *bases]), plan)
    ends = np.cumsum([0, *(M.shape[1] for M in bases)]) + (0 if own else Q.shape[1])
    parts = pairwise(ends.tolist())
    ss = np.stack([forms[:, i:j].sum(axis=1) for i, j in parts], axis=1)
    return ss, np.trace(G) - forms[:, : Q.shape[1]].sum(axis=1, keepdims=True)


def _permuted_reduced(
    G: FloatArray, Q: FloatArray, bases: list[FloatArray], plan: Scheme
) -> tuple[FloatArray, FloatArray]:
    """Return sums of squares and residual ones, both (B, tests), residuals permuted.

    A test's residuals are those of the model without what the test is about.
    Each test meets the same permutations.
    """
    ss, rss = [], []
    for M in bases:
        N = directions_beside(Q, M)
        R = G - N @ (N.T @ G)
        R = R - (R @ N) @ N.T
        forms = quadratic_forms((R + R.T) / 2.0, np.hstack([M, N]), plan)
        ss.append(forms[:, : M.shape[1]].sum(axis=1))
        rss.append(np.trace(R) - forms.sum(axis=1))
    return np.stack(ss, axis=1), np.stack(rss, axis=1)


def equal_rows(designs: list[FloatArray]) -> tuple[IndexArray, IndexArray]:
    """Return the first of each kind of row of a design, (u,), and the kind of each row, (n,)."""
    rows = np.ascontiguousarray(np.hstack(designs))
    as_bytes = rows.view(np.dtype((np.void, rows.shape[1] * rows.itemsize))).ravel()
    _, first, codes = np.unique(as_bytes, return_index=True, return_inverse=True)
    return first, codes.ravel()


def squares_of_points(
    x: np.ndarray,
    kinds: tuple[IndexArray, IndexArray],
    Q: FloatArray,
    bases: list[FloatArray],
    plan: Scheme,
    *,
    reduced: bool,
) -> Squares:
    """Return the squares by Euclidean distances of the points `x`, (n, p), none being computed.

    Rows of the design of one kind, by `kinds` of `equal_rows`, have the same directions, so
    that sums of the points over kinds say all: the squares in a direction q are |X'q|^2.
    """
    first, codes = kinds
    u, tests = len(first), range(len(bases))
    model, own = Q[first].T, [M[first].T for M in bases]
    rest = [directions_beside(Q, M)[first].T for M in bases] if reduced else []
    total = explained = 0.0
    ss, permuted = np.zeros(len(bases)), np.zeros((plan.count, len(bases)))
    residual = np.zeros((plan.count, len(bases) if reduced else 1))
    step = max(1, _BLOCK // len(x))
    for start in range(0, x.shape[1], step):
        part = centred(x[:, start : start + step].astype(np.float64))
        square = float(np.vdot(part, part))
        total += square
        sums = group_sums(part, codes[None], u)
        explained += float(_length(model, sums)[0])
        ss += [float(_length(M, sums)[0]) for M in own]
        if not reduced:
            residual += square
            for rows, moved in permuted_sums(part, codes, u, plan):
                for i in tests:
                    permuted[rows, i] += _length(own[i], moved)
                residual[rows, 0] -= _length(model, moved)
            continue
        for i in tests:
            left = part - (rest[i].T @ (rest[i] @ sums[0]))[codes]
            residual[:, i] += float(np.vdot(left, left))
            for rows, moved in permuted_sums(left, codes, u, plan):
                found = _length(own[i], moved)
                permuted[rows, i] += found
                residual[rows, i] -= found + _length(rest[i], moved)
    return Squares(ss, total - explained, total, total, permuted, residual)


def _length(directions: FloatArray, sums: FloatArray) -> FloatArray:
    """Return |q'S|^2, (b,), over `directions` (k, u), of sums (b, u, p)."""
    along = directions @ sums
    return np.einsum("bkp,bkp->b", along, along)
