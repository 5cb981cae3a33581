"""Speed of `simulate_gmm`, as ratios within one run, on one thread unless said.

Run: python benchmarks/speed/bench_gmm.py [--repeats 9]
The other side of a ratio is Algorithm 3 as one would write it down: a plain
numba loop (one model after another, a Fisher-Yates shuffle, np.random in
numba, densities kept from when a point was posted), and the same in Python
with NumPy. What is timed of ours is the whole call, dataset included. Calls of
the two sides alternate, and the medians of the times and of the ratios of
neighbours are printed as a markdown table. Compilation is not timed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numba
import numpy as np

import lwdstats as lwd

N_MODELS, N_RESPONSES, BETA, THRESHOLD = 3, 3, 0.5, 1e-3
SHORT = 40  # steps of the NumPy loop


@numba.njit(nogil=True)
def plain_loop(means: Any, initial: Any, n_steps: int, seed: int) -> Any:
    """Run Algorithm 3 plainly: `means` (B,), `initial` (n, B); return the weights over time."""
    np.random.seed(seed)
    n, n_b = initial.shape
    size = n_steps * n * N_RESPONSES
    points, densities = np.empty(size), np.empty((size, n_b))
    order = np.empty(size, np.int64)
    weights = np.empty((n_steps + 1, n, n_b))
    weights[0] = initial
    n_web = 0
    for t in range(n_steps):
        k = int(BETA * n_web)
        for i in range(n):
            for r in range(N_RESPONSES):
                target, b = np.random.random(), 0
                below = weights[t, i, 0]
                while target > below and b < n_b - 1:
                    b += 1
                    below += weights[t, i, b]
                new = n_web + i * N_RESPONSES + r
                points[new] = np.random.normal(means[b], 1.0)
                for b in range(n_b):
                    square = (points[new] - means[b]) ** 2
                    densities[new, b] = np.exp(-0.5 * square) / np.sqrt(2 * np.pi)
        for i in range(n):
            pi = weights[t + 1, i]
            pi[:] = weights[t, i]
            if k == 0:
                continue
            alpha, c = 1 / k, 1 / (k * n_b * n_b)
            for j in range(n_web):
                order[j] = j
            for j in range(k):
                other = np.random.randint(j, n_web)
                u = order[other]
                order[other] = order[j]
                order[j] = u
                g = 0.0
                for b in range(n_b):
                    g += pi[b] * densities[u, b]
                for b in range(n_b):
                    owned = pi[b] * densities[u, b] / g
                    pi[b] = (1 - alpha) * pi[b] + alpha * (owned - c) / (1 - n_b * c)
                for b in range(n_b):
                    if pi[b] <= 0:
                        for rest in range(n_b):
                            if rest != b:
                                pi[rest] = pi[rest] / (1 + THRESHOLD - pi[b])
                        pi[b] = THRESHOLD
        n_web += n * N_RESPONSES
    return weights


def literal_numpy(means: Any, initial: Any, n_steps: int, seed: int) -> Any:
    """Run Algorithm 3 line by line with NumPy; return the weights over time."""
    rng = np.random.default_rng(seed)
    n, n_b = initial.shape
    weights, web = [initial], np.empty(0)
    for _ in range(n_steps):
        now, after, new = weights[-1], weights[-1].copy(), []
        k = int(BETA * web.size)
        for i in range(n):
            owner = rng.choice(n_b, size=N_RESPONSES, p=now[i] / now[i].sum())
            new.append(rng.normal(means[owner], 1.0))
            pi = after[i]
            alpha, c = (1 / k, 1 / (k * n_b**2)) if k else (0.0, 0.0)
            for u in rng.choice(web, size=k, replace=False):
                density = np.exp(-0.5 * (u - means) ** 2) / np.sqrt(2 * np.pi)
                owned = pi * density / (pi @ density)
                pi[:] = (1 - alpha) * pi + alpha * (owned - c) / (1 - n_b * c)
                for b in np.flatnonzero(pi <= 0):
                    rest = np.arange(n_b) != b
                    pi[rest] /= 1 + THRESHOLD - pi[b]
                    pi[b] = THRESHOLD
        weights.append(after)
        web = np.append(web, new)
    return np.array(weights)


def simulate(n_components: int, n_steps: int, replicates: int, n_jobs: int = 1) -> Any:
    """Call ours."""
    return lwd.simulate_gmm(
        N_MODELS,
        n_components,
        n_steps=n_steps,
        n_responses=N_RESPONSES,
        beta=BETA,
        threshold=THRESHOLD,
        replicates=replicates,
        seed=1,
        n_jobs=n_jobs,
    )


def repeated(loop: Any, means: Any, initial: Any, n_steps: int, replicates: int) -> None:
    for seed in range(replicates):
        loop(means, initial, n_steps, seed)


def draws(n_steps: int) -> int:
    """Return how many points all models of a run read."""
    n_web = N_MODELS * N_RESPONSES * np.arange(n_steps)
    return int(N_MODELS * (n_web // 2).sum())


def seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def row(name: str, other: Callable[[], Any], ours: Callable[[], Any], repeats: int, goal: float,
        scale: float = 1.0) -> str:  # fmt: skip
    """Time pairs and return a row; `other` is taken `scale` times."""
    other()
    ours()
    pairs = np.array([(seconds(other) * scale, seconds(ours)) for _ in range(repeats)])
    ratios = pairs[:, 0] / pairs[:, 1]
    slow, fast = np.median(pairs, axis=0)
    return (
        f"| {name} | {fast:.4g} | {slow:.4g} | {np.median(ratios):.3g} "
        f"| {ratios.min():.3g} to {ratios.max():.3g} | {goal:g} | {repeats} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="speed of simulate_gmm")
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    repeats = options.repeats
    heading = "| ours against | ours, s | other, s | ratio, median | range | at least | pairs |"
    print(heading, "|---|---|---|---|---|---|---|", sep="\n", flush=True)

    for n_components, n_steps in ((2, 1000), (11, 500)):
        means = 10.0 * (np.arange(n_components) - (n_components - 1) / 2)
        initial = np.random.default_rng(1).dirichlet(np.ones(n_components), N_MODELS)
        size = f"B = {n_components}, T = {n_steps}"
        for replicates in (1, 4):
            plain = partial(repeated, plain_loop, means, initial, n_steps, replicates)
            ours = partial(simulate, n_components, n_steps, replicates)
            name = f"plain numba loop, {size}, {replicates} replicate(s)"
            print(row(name, plain, ours, repeats, goal=3), flush=True)

        # The cost of NumPy's loop is in its draws, so a short run tells that of a long one.
        literal = partial(literal_numpy, means, initial, SHORT, 1)
        ours = partial(simulate, n_components, n_steps, 4)
        name = f"NumPy loop, {size}, 4 replicates (from T = {SHORT}, by draws)"
        scale = 4 * draws(n_steps) / draws(SHORT)
        print(row(name, literal, ours, repeats, goal=1000, scale=scale), flush=True)

    # Long enough that the hundredth of a second which joblib may sleep does not matter.
    for n_components, n_steps in ((2, 2000), (11, 1000)):
        name = f"two jobs against one, B = {n_components}, T = {n_steps}, 8 replicates"
        one = partial(simulate, n_components, n_steps, 8)
        two = partial(simulate, n_components, n_steps, 8, n_jobs=2)
        print(row(name, one, two, repeats, goal=1.8), flush=True)


if __name__ == "__main__":
    main()
