"""Cost a draw of `simulate_gmm` with components that move, against a plain numba loop.

Run: python benchmarks/speed/bench_moving.py [--pairs 7]
The loop runs the same network, written down as the update reads: a draw without replacement, the
density of each component, and the new weight, mean and covariance of each, one model after the
other; where covariances are full it keeps their inverses and determinants up to date by the formula
of Sherman and Morrison. What is timed is processor time of the whole call, on one thread, less that
of a run which posts the same and reads one point. Runs of both alternate; the medians of the ratios
of neighbours, loop over package, are printed as a markdown table, with their range. Compilation is
not timed.
"""

from __future__ import annotations

import argparse
import math
import time
import warnings
from typing import Any

import numba
import numpy as np

import lwdstats as lwd

# Models, components, features, type of covariance and steps.
CASES = [
    (3, 2, 1, "full", 1200),
    (6, 2, 1, "full", 800),
    (6, 11, 1, "full", 400),
    (6, 2, 2, "full", 600),
    (6, 2, 5, "diag", 500),
    (6, 3, 5, "full", 300),
    (30, 5, 3, "spherical", 120),
]
N_RESPONSES, BETA = 3, 0.5


@numba.njit(error_model="numpy")
def spread(pi, mu, cov, n_responses, n_steps, beta, kind, reading, seed):
    """Run a network; `kind` is 0 spherical, 1 diag, 2 full. Returns the last weights."""
    np.random.seed(seed)
    n, n_b = pi.shape
    d = mu.shape[2]
    factor = np.empty_like(cov)
    inverse, root = np.empty_like(cov), np.empty((n, n_b))
    for i in range(n):
        for b in range(n_b):
            inverse[i, b] = np.linalg.inv(cov[i, b])
            root[i, b] = math.sqrt(np.linalg.det(inverse[i, b]))
    web = np.empty((n * n_responses * (n_steps + 1), d))
    order = np.arange(web.shape[0])
    parts, delta, image = np.empty(n_b), np.empty(d), np.empty(d)
    now = 0
    for _ in range(n_steps):
        stop = now
        for i in range(n):
            for b in range(n_b):
                factor[i, b] = np.linalg.cholesky(cov[i, b])
            for _ in range(n_responses):
                u, b = np.random.random() * pi[i].sum(), 0
                while b < n_b - 1 and u >= pi[i, b]:
                    u -= pi[i, b]
                    b += 1
                for f in range(d):
                    delta[f] = np.random.normal()
                for f in range(d):
                    web[stop, f] = mu[i, b, f]
                    for g in range(f + 1):
                        web[stop, f] += factor[i, b, f, g] * delta[g]
                stop += 1
        k = int(beta * now) if reading else min(now, 1)
        for i in range(n):
            alpha = 1.0 / (k + 100)
            for j in range(k):
                place = j + np.random.randint(0, now - j)
                point = order[place]
                order[place] = order[j]
                order[j] = point
                x = web[point]
                total = 0.0
                for b in range(n_b):
                    square = 0.0
                    if kind == 2:
                        for f in range(d):
                            row = 0.0
                            for g in range(d):
                                row += inverse[i, b, f, g] * (x[g] - mu[i, b, g])
                            square += row * (x[f] - mu[i, b, f])
                    else:
                        for f in range(d):
                            square += (x[f] - mu[i, b, f]) ** 2 * inverse[i, b, f, f]
                    parts[b] = pi[i, b] * root[i, b] * math.exp(-0.5 * square)
                    total += parts[b]
                for b in range(n_b):
                    owned = parts[b] / total
                    gain = min(alpha * owned / pi[i, b], 1.0)
                    pi[i, b] += alpha * (owned - pi[i, b])
                    square = 0.0
                    for f in range(d):
                        delta[f] = x[f] - mu[i, b, f]
                        mu[i, b, f] += gain * delta[f]
                        square += delta[f] ** 2
                    if kind == 2:
                        form = 0.0
                        for f in range(d):
                            image[f] = 0.0
                            for g in range(d):
                                image[f] += inverse[i, b, f, g] * delta[g]
                            form += image[f] * delta[f]
                        left = 1.0 - gain
                        for f in range(d):
                            for g in range(d):
                                moved = gain * (delta[f] * delta[g] - cov[i, b, f, g])
                                cov[i, b, f, g] += moved
                                less = gain * image[f] * image[g] / (left + gain * form)
                                inverse[i, b, f, g] = (inverse[i, b, f, g] - less) / left
                        root[i, b] /= math.sqrt(left ** (d - 1) * (left + gain * form))
                    else:
                        root[i, b] = 1.0
                        for f in range(d):
                            off = square / d if kind == 0 else delta[f] ** 2
                            cov[i, b, f, f] += gain * (off - cov[i, b, f, f])
                            inverse[i, b, f, f] = 1.0 / cov[i, b, f, f]
                            root[i, b] *= inverse[i, b, f, f]
                        root[i, b] = math.sqrt(root[i, b])
        now = stop
    return pi


def start(n: int, n_b: int, d: int) -> dict[str, Any]:
    """Return the components, which are 3 apart on a line, and even weights."""
    means = np.zeros((n_b, d))
    means[:, 0] = 3.0 * (np.arange(n_b) - (n_b - 1) / 2)
    return {"means": means, "initial_weights": np.full((n, n_b), 1 / n_b)}


def package(n: int, n_b: int, d: int, kind: str, n_steps: int, reading: bool) -> float:
    """Return the processor seconds of a run of the package."""
    began = time.process_time()
    lwd.simulate_gmm(
        n, n_b, n_steps=n_steps, n_responses=N_RESPONSES, beta=BETA, moving=("mean", "covariance"),
        covariance_type=kind, step_size="1/(k + 100)", complexity=0.0, seed=1, record=[0],
        scenario={} if reading else {"n_read": 1}, progress=False, **start(n, n_b, d),
    )  # fmt: skip
    return time.process_time() - began


def plain(n: int, n_b: int, d: int, kind: str, n_steps: int, reading: bool) -> float:
    """Return those of the loop."""
    given = start(n, n_b, d)
    pi, mu = given["initial_weights"].copy(), np.tile(given["means"], (n, 1, 1))
    cov = np.tile(np.eye(d), (n, n_b, 1, 1))
    which = {"spherical": 0, "diag": 1, "full": 2}[kind]
    if d == 1:
        which = 0
    began = time.process_time()
    spread(pi, mu, cov, N_RESPONSES, n_steps, BETA, which, reading, 1)
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description="cost a draw where components move")
    parser.add_argument("--pairs", type=int, default=7)
    options = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)
    print("| n | B | d | covariances | package, ns a draw | loop / package | range |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for n, n_b, d, kind, n_steps in CASES:
        case = (n, n_b, d, kind, n_steps)
        draws = n * sum(int(BETA * n * N_RESPONSES * t) for t in range(n_steps))
        package(*case, True)
        plain(*case, True)
        ratios, costs = [], []
        for _ in range(options.pairs):
            ours = package(*case, True) - package(*case, False)
            ratios.append((plain(*case, True) - plain(*case, False)) / ours)
            costs.append(ours / draws * 1e9)
        cells = f"{np.median(costs):.1f} | {np.median(ratios):.2f}"
        span = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"| {n} | {n_b} | {d} | {kind} | {cells} | {span} |", flush=True)


if __name__ == "__main__":
    main()
