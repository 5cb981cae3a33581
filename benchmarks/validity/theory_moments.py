"""The exact second moment: its speed, against simulation, and what truncation adds.

Run: python benchmarks/validity/theory_moments.py [--runs 20000] [--pairs 9]
Writes theory_moments.md beside it. "Simulated" in the first tables is tests/linear_network.py,
which has no truncation and no overlap and shares nothing with the package; in those on truncation
it is `simulate_gmm`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import lwdstats as lwd
from lwdstats.theory.moments import expected_sq_norm, second_moments
from lwdstats.theory.network import network

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "tests"))

import linear_network  # noqa: E402 - after its folder

FIRST = [[0.2, 0.8], [0.5, 0.5], [0.75, 0.25]]


def dirichlet(n: int, n_b: int, seed: int, mixed: float = 0.0) -> Any:
    """Return weights of n models, mixed with uniform ones."""
    return (1 - mixed) * np.random.default_rng(seed).dirichlet(np.ones(n_b), n) + mixed / n_b


SETTINGS: dict[str, tuple[Any, dict[str, Any]]] = {
    "the paper's, A(0) of 20 + 20": (FIRST, {"initial_counts": [20, 20]}),
    "n = 3, B = 2, c = 0, A(0) empty": (FIRST, {"complexity": 0.0}),
    "n = 3, B = 2, c = 0, alpha = .05": (FIRST, {"complexity": 0.0, "step_size": 0.05}),
    "n = 4, B = 3, L = 2, beta = .8, .7/k, A(0) of 10 + 12 + 14": (
        dirichlet(4, 3, 2, 0.5),
        {
            "n_responses": 2,
            "beta": 0.8,
            "step_size": "0.7/k",
            "complexity": "0.3/(k B)",
            "initial_counts": [10, 12, 14],
        },
    ),
    "n = 10, B = 5, L = 1, beta = .3, 1/(k + 1), c = 0, A(0) empty": (
        dirichlet(10, 5, 1),
        {"n_responses": 1, "beta": 0.3, "complexity": 0.0, "step_size": "1/(k + 1)"},
    ),
    "n = 2, B = 11, L = 5, A(0) of 20 each": (
        dirichlet(2, 11, 5, 0.5),
        {"n_responses": 5, "initial_counts": [20] * 11},
    ),
    "n = 2, B = 3, L = 2, beta = 1, A(0) of 9 each": (
        dirichlet(2, 3, 3, 0.5),
        {
            "beta": 1.0,
            "n_responses": 2,
            "complexity": "0.2/(k B)",
            "initial_counts": [9, 9, 9],
        },
    ),
    "the paper's, A(0) empty (weights leave [0, 1])": (FIRST, {}),
}


def seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def speed(pairs: int) -> list[str]:
    first = dirichlet(3, 11, 1)

    def ours() -> Any:
        return expected_sq_norm(first, n_steps=100_000)

    def simulation() -> Any:
        return lwd.simulate_gmm(3, 11, initial_weights=first, n_steps=200, seed=1)

    ours()
    simulation()
    ratios = np.array([seconds(ours) / seconds(simulation) for _ in range(pairs)])
    return [
        "## Speed",
        "",
        "Time of `expected_sq_norm` over T = 100,000 steps, in simulations (`simulate_gmm`) of "
        "T = 200; n = 3, B = 11, both whole calls, in turn.",
        "",
        "| median | range | at most | pairs |",
        "| --- | --- | --- | --- |",
        f"| {np.median(ratios):.2f} | {ratios.min():.2f} to {ratios.max():.2f} | 2 | {pairs} |",
    ]


def against_simulation(runs: int) -> list[str]:
    lines = [
        "## Against simulation",
        "",
        f"{runs:,} runs a setting, T = 40. z is (simulated mean - exact) / standard error; the "
        "largest over all t for E||D||^2, and over all entries at T for the means and the "
        "covariances (of one model, of two, of the web). var: `var_sq_norm`, the Gaussian "
        "approximation, over the simulated variance at t = 5 and 40. Outside: "
        "runs in which a weight fell to 0 or below within a step.",
        "",
        "| setting | z, norm | at t | z, means | z, covariances | var, t = 5 | t = 40 | outside |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for number, (name, (first, options)) in enumerate(SETTINGS.items()):
        net = network(first, n_steps=40, **options)
        norms, weights, webs, outside = linear_network.run(net, runs, number)
        exact = expected_sq_norm(first, n_steps=40, **options)
        moments = second_moments(first, n_steps=40, scenario=None, **options)
        error = norms.std(0, ddof=1) / np.sqrt(runs)
        moves = error > 1e-9 * exact
        z = np.zeros(41)
        z[moves] = np.abs(norms.mean(0) - exact)[moves] / error[moves]
        error = weights.std(0) / np.sqrt(runs)
        z_mean = (np.abs(weights.mean(0) - moments.model_mean()[-1]) / error).max()
        share = webs / webs.sum(1, keepdims=True)
        z_cov = 0.0
        for x, y, expected in (
            (weights[:, 0], weights[:, 0], moments.cov_within[-1]),
            (weights[:, 0], weights[:, 1], moments.cov_between[-1]),
            (share, share, moments.cov_web[-1]),
        ):
            x, y = x - x.mean(0), y - y.mean(0)
            cross = x[:, :, None] * y[:, None, :]
            error = cross.std(0) / np.sqrt(runs)
            z_cov = max(z_cov, float((np.abs(cross.mean(0) - expected) / error).max()))
        ratio = moments.var_sq_norm[[5, 40]] / norms.var(0)[[5, 40]]
        lines.append(
            f"| {name} | {z.max():.2f} | {z.argmax()} | {z_mean:.2f} | {z_cov:.2f} "
            f"| {ratio[0]:.2f} | {ratio[1]:.2f} | {(outside >= 0).mean():.2%} |"
        )
        print(lines[-1], flush=True)
    return lines


def squared_norm(ds: Any) -> Any:
    """Return ||D||_F^2, (time, replicate)."""
    return lwd.fnorm(ds).transpose("time", "replicate").values ** 2


def resumed(ds: Any, start: int, times: list[int]) -> list[float]:
    """Return the mean over runs of what follows, in closed form, from the states at `start`."""
    n_b = ds.sizes["component"]
    means = ds["component_mean"].values[:, 0]
    points = ds["embedding"].sel(time=slice(0, start - 1)).values[..., 0]
    nearest = np.abs(points[..., None] - means).argmin(-1)  # (time, model, replicate, response)
    total = np.zeros(times[-1] - start + 1)
    for r in range(ds.sizes["replicate"]):
        weights = np.maximum(ds["weight"].sel(time=start).values[:, r], 1e-12)
        counts = np.bincount(nearest[:, :, r].ravel(), minlength=n_b)
        total += expected_sq_norm(
            weights / weights.sum(1, keepdims=True),
            n_steps=times[-1] - start,
            initial_counts=counts,
        )
    return [
        float(total[t - start] / ds.sizes["replicate"]) if t >= start else np.nan for t in times
    ]


def remapped(ds: Any, start: int, times: list[int]) -> list[float]:
    """Do as `resumed` under threshold 0, with what a model has lost owned by its next survivor.

    A model that has kept m components goes on as one of B = m: of the points of a lost component,
    each half belongs to the nearest survivor from its side (types: component and half). The
    means and covariances of all weights and of the web are then exact until the next loss.
    """
    n, n_b = ds.sizes["model"], ds.sizes["component"]
    means = ds["component_mean"].values[:, 0]
    sides = np.repeat(means, 2) + np.tile([-0.8, 0.8], n_b)  # the mean of half a normal law
    emit = np.repeat(np.eye(n_b), 2, axis=0) / 2
    points = ds["embedding"].sel(time=slice(0, start - 1)).values[..., 0]
    home = np.abs(points[..., None] - means).argmin(-1)
    kinds = 2 * home + (points > means[home])
    net = network(n_models=n, n_components=n_b, n_steps=times[-1])
    web = slice(n * n_b, None)
    total = np.zeros(times[-1] + 1)
    for r in range(ds.sizes["replicate"]):
        weights = ds["weight"].sel(time=start).values[:, r]
        kept = weights > 0
        counts = np.bincount(kinds[:, :, r].ravel(), minlength=2 * n_b)
        mean = np.concatenate(
            [(weights / weights.sum(1, keepdims=True)).ravel(), counts / counts.sum()]
        )
        second = np.outer(mean, mean)
        maps = []
        for i in range(n):
            alive = np.flatnonzero(kept[i])
            owner = alive[np.abs(sides[:, None] - means[alive]).argmin(1)]
            maps.append(np.eye(n_b)[owner].T)
        for t in range(start, times[-1] + 1):
            blocks = second[: n * n_b, : n * n_b].reshape(n, n_b, n, n_b)
            gram = np.einsum("ibjb->ij", blocks)
            total[t] += 2 * n * np.trace(gram) - 2 * gram.sum()
            if t == times[-1]:
                break
            a, c, k, w = net.alpha[t], net.c[t], net.n_retrieved[t], net.kept[t]
            n_web, left = net.n_web[t], 1 - w
            move, shift = np.zeros(second.shape), np.zeros(mean.size)
            noise = np.zeros(second.shape)
            spread = np.diag(mean[web]) - second[web, web]
            posts = np.zeros((2 * n_b, 2 * n_b))
            for i in range(n):
                m, own = kept[i].sum(), slice(i * n_b, (i + 1) * n_b)
                # Dividing what is left by what the truncations of lost components take is as good
                # as having m components and a smaller step.
                step = 1 - (1 - a) / (1 + (n_b - m) * a * c / (1 - n_b * c))
                rho, h = (1 - step) ** k, 1 - m * c
                move[own, own] = rho * np.eye(n_b)
                move[own, web] = (1 - rho) / h * maps[i]
                shift[own] = -(1 - rho) / h * c * kept[i]
                squares = step * (1 - rho**2) / (2 - step)
                v = (squares * n_web - (1 - rho) ** 2) / (n_web - 1) / h**2
                noise[own, own] = v * maps[i] @ spread @ maps[i].T
                move[web, own] = left / n * emit
                posts += emit @ second[own, own] @ emit.T / n
            move[web, web] = w * np.eye(2 * n_b)
            drawn = emit @ mean[: n * n_b].reshape(n, n_b).mean(0)
            noise[web, web] = left**2 * (np.diag(drawn) - posts) / (n * net.n_responses)
            cross = np.outer(move @ mean, shift)
            second = move @ second @ move.T + cross + cross.T + np.outer(shift, shift) + noise
            mean = move @ mean + shift
    total /= ds.sizes["replicate"]
    return [float(total[t]) if t >= start else np.nan for t in times]


def truncation(replicates: int) -> list[str]:
    times = [5, 10, 20, 50, 100, 200]
    lines = [
        "## What truncation adds",
        "",
        f"`simulate_gmm` with its defaults (A(0) empty), {replicates:,} runs, components 10 or 20 "
        "standard deviations apart: closed form over simulated mean of ||D||^2 at time t. 1 is "
        "right, and what is below 1 is what truncation added. Survivors: the simulated mean over "
        "the runs that had none until then. Resumed at s: the closed form goes on from each run's "
        "weights and web at s. Remapped at s: the same, with what each model has lost by s owned "
        "by its next survivor for ever (`remapped` in the script). In brackets, the relative "
        "standard error of the simulated mean.",
        "",
        "| start, eps | row | " + " | ".join(f"t = {t}" for t in times) + " |",
        "| --- | --- |" + " --- |" * len(times),
    ]
    cases: dict[str, dict[str, Any]] = {
        "B = 2, .2/.5/.75": {"initial_weights": FIRST, "means": [-10, 10]},
        "B = 2, Dir(1)": {"means": [-10, 10]},
        "B = 5, Dir(1)": {"n_components": 5},
        "B = 11, Dir(1)": {"n_components": 11},
        "B = 11, Dir(20)": {"n_components": 11, "concentration": 20.0},
    }
    for name, options in cases.items():
        for eps in (1e-3, 0.0):
            ds = lwd.simulate_gmm(**options, threshold=eps, replicates=replicates, seed=3)
            norms = squared_norm(ds)
            fired = ds["n_truncated"].sum("model").cumsum("time").shift(time=1, fill_value=0).values
            clean = fired == 0
            mean = norms.mean(1)[times]
            error = norms.std(1)[times] / np.sqrt(replicates) / mean
            start = {k: v for k, v in options.items() if k != "means"}
            rows: dict[str, list[str]] = {
                "runs without": [f"{clean[t].mean():.1%}" for t in times],
                "closed form": [
                    f"{e / m:.3f} ({s:.3f})"
                    for e, m, s in zip(expected_sq_norm(**start)[times], mean, error, strict=True)
                ],
            }
            plain = expected_sq_norm(**start, complexity=0.0)[times]
            rows["with c = 0"] = [f"{x:.3f}" for x in plain / mean]
            survivors = [
                norms[t, clean[t]].mean() if clean[t].sum() > 50 else np.nan for t in times
            ]
            rows["over survivors"] = [
                f"{x:.3f}" if np.isfinite(x) else ""
                for x in expected_sq_norm(**start)[times] / survivors
            ]
            for s in (5, 20, 50, 100):
                found = np.array(resumed(ds, s, times)) / mean
                rows[f"resumed at {s}"] = [f"{x:.3f}" if np.isfinite(x) else "" for x in found]
                if eps == 0 and s != 50:
                    found = np.array(remapped(ds, s, times)) / mean
                    rows[f"remapped at {s}"] = [f"{x:.3f}" if np.isfinite(x) else "" for x in found]
            for row, cells in rows.items():
                lines.append(f"| {name}, {eps:g} | {row} | " + " | ".join(cells) + " |")
                print(lines[-1], flush=True)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description="the exact second moment")
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--replicates", type=int, default=400)
    parser.add_argument("--pairs", type=int, default=9)
    options = parser.parse_args()
    command = "`python benchmarks/validity/theory_moments.py`"
    parts = [
        ["# The exact second moment of ||D||_F", "", command],
        speed(options.pairs),
        against_simulation(options.runs),
        truncation(options.replicates),
    ]
    text = "\n\n".join("\n".join(part) for part in parts) + "\n"
    (HERE / "theory_moments.md").write_text(text)


if __name__ == "__main__":
    main()
