"""A plain simulation of networks without overlap and truncation, for tests and benchmarks.

It shares nothing with the package: a point is the number of its component, its ownership is 0 or
1, and weights may leave [0, 1].
"""

import numba
import numpy as np


@numba.njit(cache=True)
def _run(first, counts, n_responses, k, alpha, c, norms, weights, webs, outside, seed):
    np.random.seed(seed)
    n, n_b = first.shape
    for run in range(norms.shape[0]):
        pi, web = first.copy(), counts.copy()
        for t in range(k.size + 1):
            total = 0.0
            for b in range(n_b):
                mean = 0.0
                for i in range(n):
                    mean += pi[i, b]
                mean /= n
                for i in range(n):
                    total += (pi[i, b] - mean) ** 2
            norms[run, t] = 2 * n * total
            if t == k.size:
                break
            n_web = web.sum()
            new = np.zeros(n_b, np.int64)
            for i in range(n):
                # What is below 0 can't be drawn from.
                scale = 0.0
                for b in range(n_b):
                    scale += max(pi[i, b], 0.0)
                for _ in range(n_responses):
                    u, b = np.random.random() * scale, 0
                    below = max(pi[i, 0], 0.0)
                    while u >= below and b < n_b - 1:
                        b += 1
                        below += max(pi[i, b], 0.0)
                    new[b] += 1
            for i in range(n):
                left = web.copy()
                for j in range(k[t]):
                    u, b = np.random.randint(0, n_web - j), 0
                    while u >= left[b]:
                        u -= left[b]
                        b += 1
                    left[b] -= 1
                    for other in range(n_b):
                        own = 1.0 if other == b else 0.0
                        gain = alpha[t] * (own - c[t]) / (1 - n_b * c[t])
                        pi[i, other] = (1 - alpha[t]) * pi[i, other] + gain
                        if pi[i, other] <= 0 and outside[run] < 0:
                            outside[run] = t
            web += new
        weights[run], webs[run] = pi, web


def run(net, runs, seed):
    """Simulate `runs` runs of a `Network`.

    Returns ||D||_F^2 (runs, T+1), the weights at T (runs, n, B), the web at T by component (runs,
    B), and the first step in which a weight fell to 0 or below, -1 for none (runs,).
    """
    shape = (runs, *net.weights.shape)
    norms, outside = np.empty((runs, net.n_steps + 1)), np.full(runs, -1)
    weights, webs = np.empty(shape), np.empty((runs, net.n_components), np.int64)
    k = net.n_retrieved[:-1]
    first = np.array(net.weights)
    args = (first, net.counts, net.n_responses, k, net.alpha, net.c)
    _run(*args, norms, weights, webs, outside, seed)
    return norms, weights, webs, outside
