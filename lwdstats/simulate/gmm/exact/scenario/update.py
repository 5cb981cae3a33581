"""What models make of posts that were drawn before: Algorithm 2, or one refit to all of them.

Letters in the shapes: n models, m models of a block, B components, d features, N
posts, S = `row_stride` numbers in a row of B padded ones.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from lwdstats.simulate.gmm.exact.simd import (
    any_nonpositive,
    load,
    minimum,
    multiply,
    multiply_add,
    splat,
    store,
    unlikely,
)
from lwdstats.simulate.gmm.exact.update import (
    FAINT,
    absorb_faint,
    log_likelihood,
    product,
    truncate,
)


@numba.njit(nogil=True, error_model="numpy")
def absorb_drawn(
    weights: Any,
    first: int,
    drawn: Any,
    k: Any,
    rows: Any,
    alpha: Any,
    complexity: Any,
    real: Any,
    threshold: float,
    web: Any,
    whiten: Any,
    centres: Any,
    lanes: Any,
    chunks: Any,
    fired: Any,
) -> None:
    """Let a block of models run Algorithm 2 on what they drew, one point of each in turn.

    As `absorb` of the paper's scenario, which draws and updates in one; here models may
    read different numbers of points, and real points may have a step size of their own.

    Parameters
    ----------
    weights : (n * S,) float64
        Updated in place for the block; rows padded with ones, which stay ones.
    first : int
        First model of the block.
    drawn, k : (m, > k), (m,) int
        Rows of the log that each reads, in order, and how many.
    rows : (N * S,) float64
        Likelihoods, from `post`.
    alpha, complexity : (m, 2), (m,) float64
        Step sizes of points that are not real and of those that are, and c.
    real : (N,) int8, or (0,)
        1 where a point is real; empty where both step sizes are the same.
    threshold, web, whiten, centres, lanes, chunks, fired
        As `absorb` takes them.
    """
    n_components = centres.shape[0]
    width = np.uint64(len(lanes))
    stride = np.uint64(rows.size // web.shape[0])
    if len(chunks) > 0:
        stride = np.uint64(len(lanes) * len(chunks))  # the same, known to the compiler
    n_chunks = stride // width
    size = k.size
    kept, share = np.empty((size, 2)), np.empty((size, 2))
    gains = np.empty(size * 2 * np.int64(stride))
    longest = 0
    for m in range(size):
        longest = max(longest, k[m])
        scale = 1.0 / (1.0 - n_components * complexity[m])
        for r in range(2):
            a = alpha[m, r]
            # In the order of operations of `absorb`, so that the bits are its, too.
            kept[m, r], share[m, r] = 1.0 - a, a * scale
            start = (m * 2 + r) * np.int64(stride)
            # A pad has likelihood 0 and gains what it loses: (1 - alpha) 1 + alpha.
            gains[start : start + np.int64(stride)] = a
            gains[start : start + n_components] = -(a * complexity[m] * scale)
    logs = np.empty(n_components)
    scratch = np.empty(whiten.shape[0])
    apart = real.size > 0
    for j in range(np.uint64(longest)):
        for m in range(np.uint64(size)):
            if j >= np.uint64(k[m]):
                continue
            model = np.uint64(first) + m
            point = drawn[m, j]
            which = np.uint64(real[point]) if apart else np.uint64(0)
            own = model * stride
            row = np.uint64(np.uint32(point)) * stride
            density = product(weights, own, rows, row, n_chunks, lanes)
            start = (m * np.uint64(2) + which) * stride
            if unlikely(density < FAINT):
                log_likelihood(web[point], whiten, centres, scratch, logs)
                a, s = alpha[m, which], share[m, which]
                absorb_faint(weights, own, logs, a, s, -gains[start])
                fired[model] += truncate(weights, own, n_components, threshold)
                continue
            inverse = splat(1.0 / density, lanes)
            keeps = splat(kept[m, which] * density, lanes)
            shares = splat(share[m, which], lanes)
            lowest = inverse
            for c in range(n_chunks):
                here = c * width
                grown = multiply_add(load(rows, row + here, lanes), shares, keeps)
                grown = multiply(load(weights, own + here, lanes), grown)
                grown = multiply_add(grown, inverse, load(gains, start + here, lanes))
                store(weights, own + here, grown)
                lowest = minimum(lowest, grown)
            if unlikely(any_nonpositive(lowest)):
                fired[model] += truncate(weights, own, n_components, threshold)


@numba.njit(nogil=True, error_model="numpy")
def refit(
    weights: Any,
    model: int,
    drawn: Any,
    k: int,
    rows: Any,
    prior: float,
    complexity: float,
    real: Any,
    counts: Any,
    threshold: float,
    web: Any,
    whiten: Any,
    centres: Any,
    lanes: Any,
    chunks: Any,
) -> int:
    """Replace weights by what all points say at once: a step of EM from the weights there are.

    ``(nu pi + sum_j q_j (o_j - c) / (1 - B c)) / (nu + k)``, with the ownerships o_j by the
    weights before, and what a point counts q_j, k in all; then lines 7 to 14 of Algorithm 2.

    Parameters
    ----------
    weights, rows, real, threshold, web, whiten, centres, lanes, chunks
        As `absorb_drawn` takes them; `real` may not be empty.
    model : int
        Which.
    drawn, k : (> k,), int
        Rows of the log that it reads, and how many.
    prior : float
        nu: how many points the weights before count as; 0 to forget them.
    complexity : float
        c.
    counts : (2,) float64
        q of points that are not real, and of those that are.

    Returns
    -------
    int
        How often the truncation fired.
    """
    n_components = centres.shape[0]
    width = np.uint64(len(lanes))
    stride = np.uint64(rows.size // web.shape[0])
    if len(chunks) > 0:
        stride = np.uint64(len(lanes) * len(chunks))
    n_chunks = stride // width
    own = np.uint64(model) * stride
    sums = np.zeros(np.int64(stride))
    faint = np.empty(n_components)
    logs = np.empty(n_components)
    scratch = np.empty(whiten.shape[0])
    none = np.uint64(0)
    for j in range(k):
        point = drawn[j]
        count = counts[real[point]]
        row = np.uint64(np.uint32(point)) * stride
        density = product(weights, own, rows, row, n_chunks, lanes)
        if unlikely(density < FAINT):
            log_likelihood(web[point], whiten, centres, scratch, logs)
            for b in range(n_components):
                faint[b] = weights[np.int64(own) + b]
            absorb_faint(faint, none, logs, 1.0, 1.0, 0.0)
            for b in range(n_components):
                sums[b] += count * faint[b]
            continue
        each = splat(count / density, lanes)
        for c in range(n_chunks):
            here = c * width
            owned = multiply(load(weights, own + here, lanes), load(rows, row + here, lanes))
            store(sums, here, multiply_add(owned, each, load(sums, here, lanes)))
    h = 1.0 - n_components * complexity
    for b in range(n_components):
        at = np.int64(own) + b
        weights[at] = (prior * weights[at] + (sums[b] - k * complexity) / h) / (prior + k)
    return truncate(weights, own, n_components, threshold)
