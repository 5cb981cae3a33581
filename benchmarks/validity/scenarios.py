"""Networks in other scenarios than the paper's: rates and limits, and simulation beside theory.

Run: python benchmarks/validity/scenarios.py [--runs 20000]
Writes scenarios.md beside it. With --runs 0 nothing is simulated and the last part is left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from math import log, pi, sin, sqrt, tanh
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import polygamma

import lwdstats as lwd

HERE = Path(__file__).parent
FIRST = [[0.2, 0.8], [0.5, 0.5], [0.75, 0.25]]
Options = dict[str, Any]


def draws(n_web: float, beta: float = 0.5, kappa: float = 1.0) -> tuple[float, float]:
    """Return rho and V of models that read a share of a web, with alpha = kappa / k."""
    k = int(beta * n_web)
    a = kappa / k
    rho = (1 - a) ** k
    s2 = a * (1 - rho**2) / (2 - a)
    return rho, s2 - ((1 - rho) ** 2 - s2) / (n_web - 1)


def loss(n: int, n_posted: int, n_web: float, **reads: float) -> tuple[float, float]:
    """Return rho, and V/n + (1 - rho)^2/(nL)."""
    rho, v = draws(n_web, **reads)
    return rho, v / n + (1 - rho) ** 2 / n_posted


def sizes() -> Iterator[tuple[str, float, float]]:
    """Yield settings with N_e, exact and to first order."""

    def exact(n: int, n_l: int, scenario: Options, **rest: Any) -> float:
        return lwd.effective_size(n_models=n, n_responses=n_l, scenario=scenario, **rest)

    for n, n_l in ((3, 3), (10, 10), (100, 3)):
        rho, lost = loss(n, n * n_l, n * n_l)
        yield f"replace, n = {n}, L = {n_l}", exact(n, n_l, {"keep": "last"}), (2 - rho) ** 2 / lost
    rho, lost = loss(10, 100, 100, kappa=3.0)
    found = exact(10, 10, {"keep": "last"}, step_size="3/k")
    yield "replace, n = L = 10, kappa = 3", found, (2 - rho) ** 2 / lost
    rho, lost = loss(3, 9, 9)
    after = {"keep": "last", "posts": "after update"}
    yield "replace, posts after update, n = L = 3", exact(3, 3, after), 1 / lost
    for n, m in ((3, 5), (3, 20), (10, 20)):
        rho, lost = loss(n, n * n, n * n * m)
        formula = (1 + (1 - rho) * (m + 1) / 2) ** 2 / lost
        yield f"window of {m}, n = L = {n}", exact(n, n, {"keep": ("last", m)}), formula
    for n, m in ((3, 45), (10, 2000)):
        f = n * n / m
        rho, v = draws(m)
        lost = f**2 * v / n + (1 - rho) ** 2 * f / m * (2 - f)
        formula = (f + 1 - rho) ** 2 / lost
        yield f"capacity {m}, n = L = {n}", exact(n, n, {"keep": ("random", m)}), formula
    for name, n in (("star", 6), ("ring", 20)):
        n_l = 9
        matrix = named(name, n)
        reads = [draws(n_l * row.astype(bool).sum()) for row in matrix]
        values, vectors = map(np.asarray, np.linalg.eig(matrix.T))
        still = np.real(vectors[:, np.real(values).argmax()])
        still = still / still.sum()
        rho = reads[0][0]
        lost = sum(p**2 * (v + (1 - r) ** 2 / n_l) for p, (r, v) in zip(still, reads, strict=True))
        found = exact(n, n_l, {"keep": "last", "readers": name})
        yield f"replace, {name} of {n}, L = {n_l}", found, (2 - rho) ** 2 / lost


def named(name: str, n: int) -> np.ndarray:
    """Return who reads whom in a ring or a star, rows that sum to 1."""
    eye = np.eye(n)
    if name == "ring":
        return (eye + np.roll(eye, 1, 0) + np.roll(eye, -1, 0)) / 3
    star = np.minimum(eye + (np.arange(n) == 0) + (np.arange(n) == 0)[:, None], 1)
    return star / star.sum(1, keepdims=True)


def slopes(long: int) -> Iterator[tuple[str, float, float, float]]:
    """Yield settings with the slope of log E||D||^2 (or of H), the exponent, and `long_run`'s."""

    def slope(course: Callable[..., Any], options: Options) -> float:
        values = course(n_steps=long, **options)[[long // 10, long]]
        return float(np.diff(np.log(values))[0] / log(10))

    def gap(matrix: np.ndarray) -> float:
        second = np.sort(np.linalg.eigvals(matrix).real)[-2]
        return min(1.0, 2 * (1 - second))

    norm, diversity = lwd.expected_sq_norm, lwd.expected_diversity
    settings = [("complete, n = 6", {"n_models": 6}, 1.0)]
    settings += [
        (f"ring of {n}", {"n_models": n, "scenario": {"readers": "ring"}}, gap(named("ring", n)))
        for n in (6, 10, 20)
    ]
    for share in (0.1, 0.01):
        options = {"n_models": 6, "scenario": {"readers": ["blocks", 2, share]}}
        settings.append((f"two blocks, {share:.0%} across", options, min(1.0, 4 * share)))
    ahead = np.eye(8) + np.roll(np.eye(8), 1, 1)
    options = {"n_models": 8, "scenario": {"readers": ahead}}
    settings.append(("directed ring of 8, self and next", options, gap(ahead / 2)))
    for n in (10, 5, 3):
        options = {"n_models": n, "scenario": {"frozen": [0]}}
        settings.append((f"one frozen of {n}", options, min(1.0, 2 / n)))
    for name, options, q in settings:
        yield name, -slope(norm, options), q, lwd.long_run(**options).norm_exponent
    for m in (9, 20, 60):
        options = {"n_models": 3, "scenario": {"keep": ("reservoir", m)}}
        found = lwd.long_run(**options)
        yield f"reservoir of {m}, H", -slope(diversity, options), 2 / m, found.diversity_exponent


def limits() -> Iterator[tuple[str, float, float]]:
    """Yield what a limit is by `long_run`, and by its formula."""
    n, a = 3, 0.05
    found = lwd.long_run(FIRST, step_size=a, complexity=0.0)
    web = found.diversity_limit / (1 - a / (2 - a) / n)
    yield "all kept, alpha = .05: E||D||^2", found.norm_limit, 2 * n * (n - 1) * a / (2 - a) * web
    for n_l in (10, 32, 100):
        half = n_l // 2
        found = lwd.long_run(
            [[0.5, 0.5]], n_responses=n_l, beta=1.0, update="refit",
            scenario={"posts": "after update"}, initial_counts=[half, n_l - half],
        )  # fmt: skip
        first = 1 - (half**2 + (n_l - half) ** 2) / n_l**2
        left = found.diversity_limit / first * (1 - 1 / n_l)
        # One step of copying from real data, and then the web keeps all.
        yield (
            f"one model, refit, N = {n_l}: H_inf / H_0",
            left,
            sin(pi / sqrt(n_l)) / (pi / sqrt(n_l)),
        )
    for n, n_l in ((3, 3), (10, 10)):
        yield accumulated(n, n_l)
    own = np.array([[0.1, 0.9], [0.3, 0.7], [0.6, 0.4]])
    apart = float(((own[:, None] - own) ** 2).sum())
    found = lwd.long_run(FIRST, scenario={"anchors": (0.1, own)})
    yield "own sources, w = .1: E||D||^2", found.norm_limit, 0.01 * apart
    weights = [[0.5, 0.3, 0.2], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]]
    found = lwd.long_run(FIRST, scenario={"anchors": (0.1, own), "readers": weights})
    rest = 0.1 * np.linalg.solve(np.eye(3) - 0.9 * np.array(weights), own)
    yield (
        "own sources and weights of readers",
        found.norm_limit,
        float(((rest[:, None] - rest) ** 2).sum()),
    )
    first = np.array([*FIRST, [0.4, 0.6], [0.9, 0.1]])
    found = lwd.long_run(first, scenario={"frozen": [0, 4]})
    held = first[[0, 4]]
    formula = 2 * 5 * 2 * ((held - held.mean(0)) ** 2).sum(1).mean()
    yield "two frozen of five: E||D||^2", found.norm_limit, float(formula)
    first = np.array([[0.2, 0.8], [0.4, 0.6], [0.6, 0.4], [0.9, 0.1]])
    found = lwd.long_run(first, scenario={"keep": "last", "readers": ["blocks", 2]})
    mean = first[:2].mean(0), first[2:].mean(0)
    yield "replace, two blocks: E||D||^2", found.norm_limit, 16 * (1 - float(mean[0] @ mean[1]))
    for w in (0.3, 0.618, 0.9):
        law, m = np.array([0.3, 0.7]), 100
        found = lwd.long_run(
            [law], n_responses=m, beta=1.0, update="refit",
            scenario={"keep": "last", "posts": "after update", "fresh": m, "fresh_from": law,
                      "real_weight": w},
        )  # fmt: skip
        h, rest = 0.42, (1 - w) ** 2
        formula = (w**2 + rest) / (1 - rest * (1 - 1 / m))
        yield f"golden ratio, w = {w}: m Var / H", (h - found.diversity_limit) * m / h, formula
    yield real_share()
    kept = lwd.asymptotics(FIRST, scenario={"fresh": 0.2})
    beta, kappa, n = 0.5, 1.0, 3
    posts = 9 / 0.8
    formula = n * (n - 1) * (kappa - 2 * beta * tanh(kappa / 2)) / (beta * posts) * 0.5
    yield "all kept, a fifth fresh: t E||D||^2", kept.constant, formula


def accumulated(n: int, n_l: int) -> tuple[str, float, float]:
    """Return what a web that keeps all keeps of its diversity, and that to first order."""
    n_posted = n * n_l
    half = n_posted // 2
    counts = [half, n_posted - half]
    share = np.array(counts) / n_posted
    found = lwd.long_run(
        np.tile(share, (n, 1)), n_responses=n_l, initial_counts=counts, complexity=0.0
    )
    first = 1 - share @ share
    rho = np.exp(-1)
    t = np.arange(100_000)
    n_web = n_posted * (t + 1.0)
    f = n_posted / (n_web + n_posted)
    v = np.array([draws(m)[1] for m in n_web[:2000]])
    v = np.concatenate([v, v[-1] * n_web[1999] / n_web[2000:]])
    weight = f / (f + 1 - rho)
    formula = 1 - polygamma(1, 2 + 1 / (1 - rho)) / n_posted - (weight**2 * v).sum() / n
    return (
        f"all kept, n = L = {n}: H_inf / H_0",
        float(found.diversity_limit / first),
        float(formula),
    )


def real_share() -> tuple[str, float, float]:
    """Return E|x - R|^2 under replace with fresh posts, and its closed form."""
    n, n_l, m, law = 3, 3, 3, np.array([0.3, 0.7])
    found = lwd.long_run(
        FIRST, n_responses=n_l, scenario={"keep": "last", "fresh": m, "fresh_from": law}
    )
    n_web, h = n * n_l + m, 0.42
    rho, v = draws(n_web)
    s = n * n_l / n_web
    b = 1 - rho

    def system(e: np.ndarray) -> np.ndarray:
        """Return what is left of E|x - R|^2 and d, both linear, where they are a fixed point."""
        square, d = e
        e1 = s**2 * (h - square - d) / (n * n_l) + (1 - s) ** 2 * h / m
        # E|P - R|^2 = s^2 E|x - R|^2 + e1, as posts are of the step before.
        noise = v * (h - s**2 * square - e1)
        kept = b * s
        right = (1 - kept) * (b**2 * e1 + noise / n) / ((1 + kept) * ((1 - kept) ** 2 - rho**2))
        return np.array([right - square, (1 - 1 / n) * noise / (1 - rho**2) - d])

    zero = system(np.zeros(2))
    matrix = np.stack([system(row) - zero for row in np.eye(2)], axis=1)
    square, _ = np.linalg.solve(matrix, -zero)
    return "replace, 3 fresh: E|x - R|^2", h - found.diversity_limit, float(square)


SIMULATED: dict[str, Options] = {
    "the paper's": {},
    "posts after update": {"scenario": {"posts": "after update"}},
    "replace": {"scenario": {"keep": "last"}},
    "replace, posts after update": {"scenario": {"keep": "last", "posts": "after update"}},
    "window of 3": {"scenario": {"keep": ("last", 3)}},
    "random capacity 20": {"scenario": {"keep": ("random", 20)}},
    "reservoir of 20": {"scenario": {"keep": ("reservoir", 20)}},
    "k = 4": {"scenario": {"n_read": 4}},
    "a fifth fresh": {"scenario": {"fresh": 0.2, "fresh_from": [0.3, 0.7]}},
    "replace, 3 fresh, half of reads real": {
        "scenario": {"keep": "last", "fresh": 3, "fresh_from": [0.3, 0.7], "read_real": 0.5}
    },
    "a third of reads real, at random": {"scenario": {"read_real": ("random", 1 / 3)}},
    "noise": {"scenario": {"noise": 0.2, "keep": ("last", 2)}},
    "one frozen": {"scenario": {"frozen": [0]}},
    "one silent, replace": {"scenario": {"silent": [0], "keep": "last"}},
    "own sources": {"scenario": {"anchors": (0.2, [[0.1, 0.9], [0.3, 0.7], [0.6, 0.4]])}},
    "each reads itself and the next": {
        "scenario": {"readers": [[1, 1, 0], [0, 1, 1], [1, 0, 1]]}
    },
    "authors by weight, replace": {
        "scenario": {
            "readers": [[0.5, 0.3, 0.2], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]], "keep": "last",
        }
    },
    "readers that change": {
        "scenario": {"readers": {0: [[1, 1, 0], [0, 1, 1], [1, 0, 1]], 10: "complete"}}
    },
    "newest 9": {"scenario": {"retrieval": "recent", "n_read": 9}},
    "prior of 5, replace": {"scenario": {"keep": "last"}, "update": ("prior", 5.0)},
    "prior of 5, weight of real .7": {
        "scenario": {"keep": "last", "fresh": 3, "real_weight": 0.7}, "update": ("prior", 5.0),
    },
}  # fmt: skip
TIMES = (1, 2, 5, 10, 20, 40)


def simulated(runs: int) -> Iterator[tuple[str, list[float], list[float]]]:
    """Yield settings with z of ||D||^2 and of 1 - |x|^2 at some times."""
    points = [-50.0] * 4 + [50.0] * 5
    shared = {
        "initial_weights": FIRST, "n_responses": 3, "n_steps": TIMES[-1], "complexity": 0.0,
        "means": [-50.0, 50.0], "initial_points": points,
    }  # fmt: skip
    times = np.array(TIMES)
    for name, options in SIMULATED.items():
        ds = lwd.simulate_gmm(
            **shared, **options, threshold=0.0, replicates=runs, seed=1, record=TIMES, n_jobs=-1
        )
        weight = ds["weight"].transpose("time", "replicate", "model", "component").values
        mean = weight.mean(2)
        pairs = [
            (6 * ((weight - mean[:, :, None]) ** 2).sum((2, 3)),
             lwd.expected_sq_norm(**shared, **options)[times]),
            (1 - (mean**2).sum(2), lwd.expected_diversity(**shared, **options)[times]),
        ]  # fmt: skip
        scores = [
            ((found.mean(1) - exact) / (found.std(1, ddof=1) / sqrt(runs))).tolist()
            for found, exact in pairs
        ]
        print(f"{name}: {max(map(abs, scores[0] + scores[1])):.2f}", flush=True)
        yield name, scores[0], scores[1]


def table(head: str, rows: list[str]) -> str:
    """Return a table in Markdown."""
    rule = "| " + " | ".join("---" for _ in head.split("|")) + " |"
    return "\n".join([f"| {head} |", rule, *rows])


def main() -> None:
    """Write the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--long", type=int, default=100_000)
    args = parser.parse_args()
    text = [
        "# Scenarios", "`python benchmarks/validity/scenarios.py`",
        "No overlap, no truncation. beta = .5 and alpha = 1/k unless said.",
        "## How fast the consensus collapses",
        "N_e = 1/(1 - lambda): the exact root of the recursion of second moments "
        "(`effective_size`), and the first order in 1/(nL), "
        "(2 - rho)^2/[V/n + (1 - rho)^2/(nL)] for replace.",
        table("setting | exact | first order | ratio", [
            f"| {name} | {a:.2f} | {b:.2f} | {a / b:.4f} |" for name, a, b in sizes()]),
        "## Exponents",
        f"Minus the slope of log E||D||^2 over log t between t = {args.long // 10:,} and "
        f"{args.long:,} by the exact recursion (of E[1 - |x|^2] for reservoirs), what theory says, "
        "and `long_run`. The slope comes to the exponent slowly where two powers are near.",
        table("setting | slope | theory | long_run", [
            f"| {name} | {a:.4f} | {b:.4f} | {c:.4f} |" for name, a, b, c in slopes(args.long)]),
        "## Limits",
        "`long_run` (or `asymptotics`) beside closed forms. Those of \"all kept, n = L\" are of "
        "first order in 1/(nL).",
        table("quantity | found | formula | ratio", [
            f"| {name} | {a:.6g} | {b:.6g} | {a / b:.5f} |" for name, a, b in limits()]),
    ]  # fmt: skip
    if args.runs:
        rows, every = [], []
        for name, norm, diversity in simulated(args.runs):
            every += norm + diversity
            cells = " | ".join(f"{z:+.1f}" for z in norm + diversity)
            rows.append(f"| {name} | {cells} |")
        scores = np.array(every)
        heads = [f"{of}, t = {t}" for of in ("D", "H") for t in TIMES]
        text += [
            "## Simulation",
            f"`simulate_gmm`, {args.runs:,} runs a row, n = 3, L = 3, B = 2, means 100 standard "
            "deviations apart, A(0) of 4 + 5 points: (simulated mean - exact) / standard error, of "
            "||D||^2 and of 1 - |x|^2.",
            table(f"setting | {' | '.join(heads)}", rows),
            f"{scores.size} moments: root mean square of z {np.sqrt((scores**2).mean()):.2f}, "
            f"{(abs(scores) > 2).mean():.1%} beyond 2, the largest {abs(scores).max():.2f}.",
        ]
    (HERE / "scenarios.md").write_text("\n\n".join(text) + "\n")


if __name__ == "__main__":
    main()
