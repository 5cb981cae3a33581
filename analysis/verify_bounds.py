"""What the paper's theorem says, beside what simulated networks do.

    python analysis/verify_bounds.py [FILE] [FOLDER]

FILE holds replicates of one network with random starts (data/gmm_networks.nc). The tables go to
FOLDER/theorem-tables.md (docs), the figures to FOLDER/theorem-*.png. It takes a minute or two.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import numpy as np
import revival
from absorption import owners, prediction
from matplotlib import pyplot as plt

import lwdstats as lwd
from lwdstats.inference.theorem.check_decay import check_decay
from lwdstats.theory.asymptotics import asymptotics, stationary_sq_norm
from lwdstats.theory.moments import expected_sq_norm, second_moments

FIRST = [[0.2, 0.8], [0.5, 0.5], [0.75, 0.25]]
SEED = 2026
Lines = list[str]


def table(head: list[str], rows: list[list[Any]]) -> Lines:
    """Lay out a table in Markdown."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return [*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows), ""]


def weights_of(ds: Any) -> np.ndarray:
    """Return weights (replicate, time, model, component)."""
    return ds["weight"].transpose("replicate", "time", "model", "component").values


def decay(folder: Path) -> Lines:
    """Check the decay of the mean difference: far apart, with overlap, with a constant step."""
    cases = {
        "far apart (10 standard deviations)": {},
        "overlap (2 standard deviations)": {"means": [-1, 1]},
        "constant alpha = .05, c = 0": {"step_size": 0.05, "complexity": 0.0},
    }
    lines = ["## The expected difference", ""]
    figure, axes = plt.subplots(1, 3, figsize=(13.5, 4.0), layout="constrained", sharey=True)
    for (name, options), ax in zip(cases.items(), axes, strict=True):
        check = check_decay(initial_weights=FIRST, n_steps=25, seed=SEED, **options)
        check.plot((0, 2), 0, ax=ax).set_title(f"{name}: {check.verdict}", fontsize="small")
        lines += [f"### {name}", "", "```text", str(check.summary()), "```", ""]
    for ax in axes[1:]:
        ax.legend().remove()
    figure.savefig(folder / "theorem-decay.png", dpi=130)
    return lines


def overlap() -> Lines:
    """Tabulate a step's factor over separation, by all three."""
    rows = []
    for s in (0.5, 1.0, 1.5, 2.0, 3.0, 5.0):
        check = check_decay(
            initial_weights=FIRST, means=[-s, s], n_steps=12, replicates=2000, seed=SEED
        )
        step = check.steps.iloc[5]
        seen = f"{step['estimate']:.3f} ({step['std_error']:.3f})"
        row = [f"{2 * s:g}", f"{step['paper']:.3f}", f"{step['overlap']:.3f}", seen]
        rows += [[*row, check.verdict, check.overlap_verdict]]
    head = ["distance", "paper", "overlap counted", "simulated (se)"]
    lines = ["## A step's factor over separation (t = 5)", ""]
    return lines + table([*head, "paper", "overlap counted"], rows)


def norm(ds: Any, folder: Path) -> Lines:
    """Compare ||D||_F^2 of stored runs with its exact mean, and show the laws side by side."""
    squared = lwd.fnorm(ds).transpose("time", "replicate").values ** 2
    n_steps, runs = len(squared) - 1, squared.shape[1]
    exact = expected_sq_norm(n_models=3, n_components=2, n_steps=n_steps)
    limit = asymptotics(n_models=3, n_components=2)
    shown = [1, 2, 5, 20, 50, 100, n_steps]
    rows = []
    for t in shown:
        mean, error = squared[t].mean(), squared[t].std(ddof=1) / np.sqrt(runs)
        share = np.exp(-2.0 * (t - 1)) * exact[1]
        row = [t, f"{mean:.4f} ({error:.4f})", f"{exact[t]:.4f}", f"{limit.constant / t:.4f}"]
        rows += [[*row, f"{share:.1g}"]]
    figure, (left, right) = plt.subplots(1, 2, figsize=(11.5, 4.2), layout="constrained")
    time = np.arange(1, n_steps + 1)
    left.loglog(time, squared[1:], color="0.8", linewidth=0.7)
    left.loglog(time, squared[1:].mean(1), "C0", label=f"mean of {runs} stored runs")
    left.loglog(time, exact[1:], "C2--", label=r"exact $E\|D\|_F^2$")
    left.loglog(time, limit.constant / time, "k:", label="C/t")
    fast = exact[1] * np.exp(-2.0 * (time - 1))
    left.loglog(time, fast, "C3-.", label=r"if only the mean difference counted: $e^{-2t}$")
    left.set(xlabel="time t", ylabel=r"$\|D^{(t)}\|_F^2$", ylim=(1e-5, 10))
    left.legend(frameon=False, fontsize="small")
    long = 20_000
    grid = np.unique(np.geomspace(1, long, 200).astype(int))
    falls = expected_sq_norm(FIRST, n_steps=long)
    stays = expected_sq_norm(FIRST, n_steps=long, step_size=0.05, complexity=1e-4)
    right.loglog(grid, falls[grid], label=r"$\alpha_t = 1/k_t$")
    right.loglog(grid, stays[grid], label=r"$\alpha = .05$")
    right.set(xlabel="time t", ylabel=r"exact $E\|D^{(t)}\|_F^2$")
    right.legend(frameon=False)
    figure.savefig(folder / "theorem-norm.png", dpi=130)
    fixed = expected_sq_norm(FIRST, n_steps=long)
    constant = asymptotics(FIRST).constant
    spread = ", ".join(f"{t * fixed[t]:.4f} at {t}" for t in (20, 100, 200, 1000, long))
    moments = second_moments(FIRST, n_steps=long, times=[long], step_size=0.05, complexity=1e-4)
    diversity = 1 - float((moments.web_mean[0] ** 2).sum() + np.trace(moments.cov_web[0]))
    end = stationary_sq_norm(0.05, n_models=3, diversity=diversity)
    return [
        "## The squared norm",
        "",
        f"{runs} stored runs with random starts (epsilon = 1e-3); exact over Dir(1) starts.",
        "",
        *table(["t", "runs (se)", "exact", "C/t", "exp(-2(t-1)) of that at 1"], rows),
        f"From weights .2, .5, .75: t E||D||^2 is {spread}; C = {constant:.4f}.",
        f"With alpha = .05: E||D||^2 = {stays[-1]:.4f} at t = {long}, closed form {end:.4f} "
        f"(H = {diversity:.4f}).",
        "",
    ]


def absorption(folder: Path) -> Lines:
    """Test on simulated runs when D stalls and how it falls once components are lost."""
    found: dict[str, list[tuple[float, ...]]] = {}
    rng = np.random.default_rng(SEED)
    n_steps, curves = 640, {}
    for n_b, runs in ((2, 60), (3, 60), (4, 60)):
        # Which model starts (nearly) without which component: one is left to each.
        lost = rng.random((runs, 3, n_b)) < 0.45
        lost[..., 0] &= ~lost.all(-1)
        start = np.where(lost, 1e-12, rng.dirichlet(np.ones(n_b), (runs, 3)))
        start /= start.sum(-1, keepdims=True)
        ds = lwd.simulate_gmm(
            3,
            n_b,
            initial_weights=start,
            n_steps=n_steps,
            replicates=runs,
            threshold=0.0,
            seed=SEED,
            progress=False,
        )
        weight, d = weights_of(ds), lwd.fnorm(ds).transpose("replicate", "time").values
        means = ds["component_mean"].values[:, 0]
        points = ds["embedding"].transpose("replicate", "time", ...).values[:, :n_steps]
        nearest = np.abs(points.reshape(runs, -1, 1) - means).argmin(-1)
        for r in range(runs):
            # What was posted by t = 80, so that the limit is a forecast.
            posted = nearest[r, : 80 * nearest.shape[1] // n_steps]
            web = np.bincount(posted, minlength=n_b) / posted.size
            said = prediction(owners(weight[r, -1], means), web)
            if min(d[r, 80], d[r, n_steps]) == 0:  # all models have one component, the same
                continue
            slope = np.log(d[r, n_steps] / d[r, 80]) / np.log(n_steps / 80)
            key = "stalls" if said.stalls else f"t^-{said.exponent:.2f}"
            ratio = d[r, n_steps] / said.limit if said.stalls else np.nan
            found.setdefault(key, []).append((d[r, 80], d[r, n_steps], slope, ratio))
            curves.setdefault(key, []).append(d[r])
    rows = []
    figure, ax = plt.subplots(figsize=(6.8, 4.4), layout="constrained")
    time = np.arange(1, n_steps + 1)
    for key, values in sorted(found.items()):
        v = np.array(values)
        error = f" ({v[:, 2].std(ddof=1) / np.sqrt(len(v)):.3f})" if len(v) > 1 else ""
        low, high = (f"{q:.3f}" for q in np.quantile(v[:, 3], [0.05, 0.95]))
        limit = f"{low} to {high}" if key == "stalls" else ""
        early, late = np.median(v[:, :2], axis=0)
        row = [key, len(v), f"{early:.3f}", f"{late:.3f}", f"{v[:, 2].mean():.3f}{error}"]
        rows += [[*row, limit]]
        if len(v) >= 5:
            ax.loglog(time, np.median(curves[key], axis=0)[1:], label=f"{key} ({len(v)} runs)")
    ax.set(
        xlabel="time t", ylabel=r"median $\|D^{(t)}\|_F$", title=r"$\epsilon = 0$, by prediction"
    )
    ax.legend(frameon=False, fontsize="small")
    figure.savefig(folder / "theorem-absorption.png", dpi=130)
    head = ["predicted", "runs", "median D at 80", f"at {n_steps}", "slope of log D (se)"]
    lines = [
        "## Absorption at epsilon = 0",
        "",
        "How often, from Dir(1) starts (300 runs, t = 50):",
        "",
    ]
    lines += table(["B", "runs that lost a component", "runs without truncation"], _how_often())
    lines += ["Starts that lack components, 60 runs each of B = 2, 3 and 4:", ""]
    return lines + table([*head, "D over predicted limit, 5% to 95%"], rows)


def _how_often() -> list[list[Any]]:
    """Return shares of runs that lost a component at epsilon = 0, and had no truncation."""
    rows = []
    for n_b in (2, 5, 11):
        ds = lwd.simulate_gmm(
            3, n_b, n_steps=50, replicates=300, threshold=0.0, seed=SEED, progress=False
        )
        gone = (weights_of(ds)[:, -1] == 0).any((1, 2)).mean()
        free = (ds["n_truncated"].sum(("time", "model")) == 0).values.mean()
        rows += [[n_b, f"{gone:.0%}", f"{free:.0%}"]]
    return rows


def revive(folder: Path) -> Lines:
    """Tabulate and draw components that sit at the threshold, and come back."""
    eps = float(np.finfo(float).eps)
    searches = [
        revival.search(apart, threshold, 10)
        for apart, threshold in ((10.0, 1e-3), (7.0, 1e-3), (7.0, eps), (7.0, 0.0))
    ]
    early = revival.search(10.0, 1e-3, 3)
    first, late = revival.largest(early, 4), revival.largest(searches[2], 30)
    title = "B = 11, {:g} apart, " + r"$\epsilon = {}$"
    revival.draw(
        [
            (early, first, title.format(10, "10^{-3}"), 40),
            (searches[2], late, title.format(7, "2^{-52}"), 200),
        ],
        folder / "theorem-revival.png",
    )
    head = ["distance", "epsilon", "longest spell", "runs with a spell of 10", "late revivals"]
    drawn = [
        [f"{e.time}", f"{e.before:.3f}", f"{e.after:.3f}", f"{e.share:.0%}"] for e in (first, late)
    ]
    return [
        "## Revival",
        "",
        "60 runs of 3 models, B = 11, T = 200. A spell: steps that a component is at the threshold",
        "in one model while the others' mean weight of it is .05 or more.",
        "",
        *table(
            [*head, "last at t", "D, 3 steps after over before (median)"],
            [revival.row(found, 10) for found in searches],
        ),
        f"With epsilon = 1e-3: {len(early.events)} revivals after 3 steps or more, the last at "
        f"t = {max(e.time for e in early.events)}. The two that are drawn:",
        "",
        *table(["t", "D before", "D 3 steps later", "the component's share of the fall"], drawn),
    ]


def main() -> None:
    """Write tables and figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", default="data/gmm_networks.nc")
    parser.add_argument("folder", nargs="?", default="docs", type=Path)
    given = parser.parse_args()
    warnings.filterwarnings("ignore", "step_size is 1", UserWarning)
    ds = lwd.read_results(given.file)
    lines = ["# Tables of the theorem's page", "", "`python analysis/verify_bounds.py`", ""]
    lines += decay(given.folder)
    lines += overlap()
    lines += norm(ds, given.folder)
    lines += absorption(given.folder)
    lines += revive(given.folder)
    path = given.folder / "theorem-tables.md"
    path.write_text("\n".join(lines), encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
