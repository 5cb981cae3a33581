"""The bounds on ||D||_F and the limit law: how often they are broken, and how tight they are.

Run: python benchmarks/validity/theory_bounds.py [--runs 2000]
Writes theory_bounds.md beside it. Simulated by tests/linear_network.py (no truncation, no overlap)
over 50 settings in which truncation is impossible (c = 0) or rare (A(0) has 20 to 40 points of each
component).
"""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binom

import lwdstats as lwd
from lwdstats.theory.asymptotics import asymptotics
from lwdstats.theory.bounds import norm_bound
from lwdstats.theory.network import network

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "tests"))

import linear_network  # noqa: E402 - after its folder

STEPS = 30
METHODS = ("markov", "cantelli", "chernoff", "pinelis")


def grid() -> list[tuple[str, Any, dict[str, Any], float]]:
    """Return 50 settings: name, initial weights, options and level."""
    rng = np.random.default_rng(20240501)
    choices = itertools.product((2, 3, 5, 10), (2, 3, 5, 11), (1, 3, 5), (0.3, 0.5, 1.0))
    every = list(choices)
    found = []
    for number, pick in enumerate(rng.choice(len(every), 50, replace=False)):
        n, n_b, n_responses, beta = every[pick]
        rule = ("1/k", "0.7/k", "1/(k + 1)")[number % 3]
        options: dict[str, Any] = {"n_responses": n_responses, "beta": beta, "step_size": rule}
        if number % 2:
            options |= {"initial_counts": [40 if beta < 0.5 else 20] * n_b}
            c = "default c"
        else:
            options |= {"complexity": 0.0, "initial_counts": [4] * n_b}
            c = "c = 0"
        first = rng.dirichlet(np.ones(n_b), n)
        if number % 2:
            first = first / 2 + 0.5 / n_b
        level = (0.9, 0.95, 0.99)[number // 17]
        name = f"n = {n}, B = {n_b}, L = {n_responses}, beta = {beta}, {rule}, {c}"
        found.append((name, first, options, level))
    return found


def broken(runs: int) -> list[str]:
    times = [5, 15, 30]
    head = ["setting", "level", "broken, largest share over t", "smallest p"]
    head += [f"tightness, t = {t}" for t in times] + ["method", "outside", "risk"]
    lines = [
        "| " + " | ".join(head) + " |",
        "| " + " | ".join("---" for _ in head) + " |",
    ]
    tests, ratios, worst = 0, {m: [] for m in METHODS}, 1.0
    by_method = dict.fromkeys(METHODS, 1.0)
    for number, (name, first, options, level) in enumerate(grid()):
        net = network(first, n_steps=STEPS, **options)
        norms, _, _, outside = linear_network.run(net, runs, 1000 + number)
        norms = np.sqrt(norms)
        bound = norm_bound(first, level=level, n_steps=STEPS, **options)
        breaks = (norms >= bound.bound).sum(0)
        p = binom.sf(breaks - 1, runs, 1 - level)
        tests += p.size
        worst = min(worst, float(p.min()))
        for method in METHODS:
            count = (norms >= bound.candidates[method]).sum(0)
            smallest = float(binom.sf(count - 1, runs, 1 - level).min())
            by_method[method] = min(by_method[method], smallest)
        quantile = np.quantile(norms, level, axis=0)
        tight = bound.bound[times] / quantile[times]
        for method in METHODS:
            ratios[method].append((level, bound.candidates[method][times] / quantile[times]))
        cells = [name, f"{level:g}", f"{breaks.max() / runs:.4f}", f"{p.min():.2g}"]
        cells += [f"{x:.2f}" for x in tight] + [str(bound.method[-1])]
        cells += [f"{(outside >= 0).mean():.2%}", f"{bound.truncation_risk[-1]:.2g}"]
        lines.append("| " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    summary = [
        "## The bounds",
        "",
        f"{runs:,} runs a setting, t = 0..{STEPS}. p: the binomial probability of as many breaks "
        f"or more if the bound were broken with probability 1 - level; over {tests:,} tests (50 "
        f"settings at every t) a bound that holds keeps its smallest p above {0.05 / tests:.1g} "
        f"(Bonferroni, 5%). The smallest is {worst:.2g}; for each bound by itself "
        + ", ".join(f"{by_method[m]:.2g} ({m})" for m in METHODS)
        + ". Tightness: bound over the simulated quantile of ||D||_F.",
        "",
        "Tightness of each bound, median (and largest) over settings and t = 5, 15, 30:",
        "",
        "| level | " + " | ".join(METHODS) + " | smallest |",
        "| --- |" + " --- |" * (len(METHODS) + 1),
    ]
    for level in (0.9, 0.95, 0.99):
        each = [np.array([r for at, r in ratios[m] if at == level]) for m in METHODS]
        each.append(np.min(each, axis=0))
        shown = [f"{np.median(x):.2f} ({x.max():.2f})" for x in each]
        summary.append(f"| {level:g} | " + " | ".join(shown) + " |")
    return [*summary, "", *lines]


def limit_law(runs: int) -> list[str]:
    levels = [0.1, 0.5, 0.9, 0.99]
    cases: dict[str, tuple[Any, dict[str, Any], int]] = {
        "n = 3, B = 2": ([[0.2, 0.8], [0.5, 0.5], [0.75, 0.25]], {"initial_counts": [20, 20]}, 100),
        "n = 3, B = 2, c = 0, A(0) empty": (
            [[0.2, 0.8], [0.5, 0.5], [0.75, 0.25]],
            {"complexity": 0.0},
            100,
        ),
        "n = 5, B = 4, L = 2, .7/k, c = 0, A(0) empty": (
            np.random.default_rng(4).dirichlet(np.ones(4), 5),
            {"n_responses": 2, "step_size": "0.7/k", "complexity": 0.0},
            100,
        ),
        "n = 2, B = 11, A(0) of 20 each": (
            np.random.default_rng(5).dirichlet(np.ones(11), 2) / 2 + 0.5 / 11,
            {"initial_counts": [20] * 11},
            100,
        ),
    }
    lines = [
        "## The limit law",
        "",
        f"{runs:,} runs: quantiles of s ||D||_F^2 at t = 100, with s = N_t / (n L), "
        "which is t but for A(0), simulated over those of the law; KS: "
        "distance between simulated and limit distribution (what 5% of true laws exceed: "
        f"{1.36 / np.sqrt(runs):.3f}). By composition: mixed over the compositions of the web at "
        "the ends of 200 of the runs; Dirichlet: over the Dirichlet law of the exact mean and "
        "diversity.",
        "",
        "| setting | P | " + " | ".join(f"{q:g}" for q in levels) + " | mean | KS |",
        "| --- | --- |" + " --- |" * (len(levels) + 2),
    ]
    for number, (name, (first, options, t)) in enumerate(cases.items()):
        net = network(first, n_steps=t, **options)
        norms, _, webs, _ = linear_network.run(net, runs, 50 + number)
        # The web's size in steps: t, and what A(0) adds.
        scaled = net.n_web[t] / (net.n_models * net.n_responses) * norms[:, t]
        share = webs[:200] / webs[:200].sum(1, keepdims=True)
        for label, composition in (("by composition", share), ("Dirichlet", None)):
            law = asymptotics(first, composition=composition, **options)
            ratio = np.quantile(scaled, levels) / law.ppf(levels)
            low, high = np.quantile(scaled, [0.0005, 0.9995]).tolist()
            at = np.geomspace(low, high, 60)
            distance = np.abs((scaled[:, None] <= at).mean(0) - law.cdf(at)).max()
            cells = [name, label, *[f"{x:.3f}" for x in ratio]]
            cells += [f"{scaled.mean() / law.constant:.3f}", f"{distance:.3f}"]
            lines.append("| " + " | ".join(cells) + " |")
            print(lines[-1], flush=True)
    return lines


def with_truncation(replicates: int) -> list[str]:
    """Let `simulate_gmm`, its truncation included, run against the bounds of its own starts."""
    times = [5, 10, 20, 50, 100, 200]
    lines = [
        "## Algorithm 2 as it is",
        "",
        f"`simulate_gmm` with its defaults and A(0) empty, {replicates:,} runs: share of runs "
        "above the bound of level 0.95 of their own start, in brackets above that taken up from "
        "their own weights and web at t = 20. Nothing is proved where the risk of truncation is 1; "
        "the last column is the share of runs whose risk from t = 20 to 200 is below 0.05.",
        "",
        "| setting | " + " | ".join(f"t = {t}" for t in times) + " | risk < 0.05 |",
        "| --- |" + " --- |" * (len(times) + 1),
    ]
    for n_b, eps in itertools.product((2, 5, 11), (1e-3, 0.0)):
        means = 20.0 * (np.arange(n_b) - (n_b - 1) / 2)
        ds = lwd.simulate_gmm(3, n_b, means=means, threshold=eps, replicates=replicates, seed=8)
        norms = lwd.fnorm(ds).transpose("time", "replicate").values
        ds = ds.transpose("time", "replicate", "model", ...)
        points = ds["embedding"].values[:20, ..., 0]
        nearest = np.abs(points[..., None] - means).argmin(-1)
        weights = np.maximum(ds["weight"].values, 1e-12)
        above, above_later, risks = np.zeros(201), np.zeros(201), []
        for r in range(replicates):
            bound = norm_bound(weights[0, r], n_steps=200)
            above += norms[:, r] >= bound.bound
            counts = np.bincount(nearest[:, r].ravel(), minlength=n_b)
            later = weights[20, r] / weights[20, r].sum(-1, keepdims=True)
            bound = norm_bound(later, n_steps=180, initial_counts=counts)
            above_later[20:] += norms[20:, r] >= bound.bound
            risks.append(float(bound.truncation_risk[-1]))
        cells = [f"B = {n_b}, eps = {eps:g}"]
        for t in times:
            later_share = f" ({above_later[t] / replicates:.3f})" if t > 20 else ""
            cells.append(f"{above[t] / replicates:.3f}{later_share}")
        lines.append("| " + " | ".join([*cells, f"{np.mean(np.array(risks) < 0.05):.2f}"]) + " |")
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description="bounds on the norm, and its limit law")
    parser.add_argument("--runs", type=int, default=2000)
    options = parser.parse_args()
    command = "`python benchmarks/validity/theory_bounds.py`"
    parts = [
        ["# Bounds on ||D||_F, and its limit law", "", command],
        broken(options.runs),
        with_truncation(400),
        limit_law(4000),
    ]
    text = "\n\n".join("\n".join(part) for part in parts) + "\n"
    (HERE / "theory_bounds.md").write_text(text)


if __name__ == "__main__":
    main()
