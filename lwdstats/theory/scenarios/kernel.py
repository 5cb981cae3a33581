"""The recursion of means and second moments that every scenario is an instance of, compiled."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def propagate(
    matrix: Any,
    direction: Any,
    form: Any,
    size: Any,
    to: Any,
    totals: Any,
    pairs: Any,
    mean: Any,
    gram: Any,
    means: Any,
    grams: Any,
) -> None:
    """Run ``m' = A m`` and ``G' = A G A' + sum_r a_r f_r f_r'``.

    The noise of direction r has amplitude ``a_r = sum_m v_m (s_m^2 - e_m' G e_m)`` over the
    terms m that go to it: a multinomial covariance where the form e adds up to 1 (s = 1), and
    a squared difference, with v below 0, where it adds up to 0.

    Letters in the shapes: C steps, S coordinates of the state, R directions, M terms,
    B components, Q pairs of components.

    Parameters
    ----------
    matrix : (C, S, S) float64
        A.
    direction : (C, R, S) float64
        f.
    form, size, to : (C, M, S), (C, M) float64, (M,) int64
        e, v, and the direction of each term.
    totals : (S,) float64
        1 for a coordinate that is a composition, 0 for a difference of such.
    pairs : (Q, 2) int64
        Which components G is of: ``G = E z_a z_b'``. A pair (-1, -1) has the deficit
        ``s s' - E sum_b z_b z_b'`` instead, which keeps its relative precision as it falls to 0.
    mean, gram : (B, S), (Q, S, S) float64
        At the start; overwritten.
    means, grams : (C, B, S), (C, Q, S, S) float64
        Receive both after each step.
    """
    n_steps, n_terms = size.shape
    n_state, n_b = totals.size, mean.shape[0]
    amplitude = np.empty(direction.shape[1])
    for t in range(n_steps):
        a = matrix[t]
        back = np.ascontiguousarray(a.T)
        for q in range(pairs.shape[0]):
            g = gram[q]
            amplitude[:] = 0.0
            for m in range(n_terms):
                if size[t, m] == 0.0:
                    continue
                left, total, expected = 0.0, 0.0, 0.0
                for i in range(n_state):
                    e = form[t, m, i]
                    if e != 0.0:
                        total += e * totals[i]
                        row = 0.0
                        for j in range(n_state):
                            row += g[i, j] * form[t, m, j]
                        left += e * row
                        if pairs[q, 0] >= 0 and pairs[q, 0] == pairs[q, 1]:
                            expected += e * mean[pairs[q, 0], i]
                amplitude[to[m]] += size[t, m] * (total * expected - left)
            after = np.dot(np.dot(a, g), back)
            for r in range(amplitude.size):
                if amplitude[r] != 0.0:
                    for i in range(n_state):
                        f = amplitude[r] * direction[t, r, i]
                        if f != 0.0:
                            for j in range(n_state):
                                after[i, j] += f * direction[t, r, j]
            gram[q] = after
        for b in range(n_b):
            mean[b] = np.dot(a, mean[b])
        means[t] = mean
        grams[t] = gram
