"""Where the Gaussian engine of `simulate_gmm` is right, what it costs and what it holds.

Run: python benchmarks/validity/gmm_gaussian.py [--runs 2000] [--part NAME ...]
Writes gmm_gaussian.md beside it and docs/gaussian-engine.png. Laws are compared by two-sample
Kolmogorov-Smirnov tests with runs of the exact engine; D is the largest distance between the two
distribution functions. beta = .5, alpha = 1/k, c = 1/(k B^2), components 10 apart, unit variance,
Dirichlet(1) starts and an empty web, unless said.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from lwdstats.mixtures.spec import GmmSpec
from lwdstats.simulate.gmm.exact.run import run_exact
from lwdstats.simulate.gmm.gaussian.overlap import check_overlap, misowned_share
from lwdstats.simulate.gmm.gaussian.run import MIN_COUNT, run_gaussian

PARTS = ("law", "count", "overlap", "truncation", "speed", "memory")
TIMES = (2, 5, 20, 100, 200)
SEED = 20240701
HERE = Path(__file__)
FIGURE = HERE.parents[2] / "docs" / "gaussian-engine.png"
TWO = [[0.2, 0.8], [0.5, 0.5], [0.75, 0.25]]
SQUARE = [[-5, -5], [-5, 5], [5, -5], [5, 5]]
LAWS: dict[str, dict[str, Any]] = {
    "n = 3, L = 3, B = 2, weights .2, .5, .75": {"initial_weights": TWO},
    "n = 3, L = 3, B = 2": {},
    "n = 3, L = 10, B = 5": {"n_components": 5, "n_responses": 10},
    "n = 3, L = 3, B = 11": {"n_components": 11},
    "n = 6, L = 3, B = 4, the corners of a square": {
        "n_models": 6,
        "n_components": 4,
        "means": SQUARE,
    },
    "n = 3, L = 3, B = 2, epsilon = 0": {"threshold": 0},
    "n = 3, L = 3, B = 11, epsilon = 0": {"n_components": 11, "threshold": 0},
    "n = 6, L = 3, B = 4, the corners of a square, epsilon = 0": {
        "n_models": 6,
        "n_components": 4,
        "means": SQUARE,
        "threshold": 0,
    },
    "n = 3, L = 10, B = 5, epsilon = 0": {
        "n_components": 5,
        "n_responses": 10,
        "threshold": 0,
    },
}


def norms(spec: GmmSpec, runner: Any, *args: float) -> NDArray[np.float64]:
    """Return ||D||_F of every replicate at the kept times, (R, r)."""
    columns = []
    for position in range(len(spec.replicates)):
        weight = runner(spec, position, *args).weight
        apart = weight - weight.mean(1, keepdims=True)
        columns.append(np.sqrt(2 * spec.n_models * (apart**2).sum((1, 2))))
    return np.array(columns).T


def cell(ours: NDArray[np.float64], exact: NDArray[np.float64]) -> str:
    test: Any = ks_2samp(ours, exact, method="asymp")
    p = test.pvalue
    return f"{test.statistic:.3f} ({'<.001' if p < 0.001 else f'{p:.3f}'.lstrip('0')})"


def row(*cells: object) -> str:
    line = "| " + " | ".join(map(str, cells)) + " |"
    print(line, flush=True)
    return line


def head(*cells: str) -> list[str]:
    return ["", row(*cells), row(*["---"] * len(cells))]


def law(runs: int) -> Iterator[str]:
    critical = 1.628 * np.sqrt(2 / runs)
    yield "## The law of the norm\n"
    yield (
        f"{runs} runs of each; D (p), beside k_t. D is above {critical:.3f} by chance in 1% of "
        f"cells. `rule`: points of components of which fewer than {MIN_COUNT:g} are expected are "
        "read one by one. `no rule`: every update is Gaussian from the first. `single`: share of "
        "updates in which a component was read one by one, in 50 runs."
    )
    yield from head("setting", "engine", *(f"t = {t}" for t in TIMES), "single")
    for seed, (name, options) in enumerate(LAWS.items()):
        arguments = {"n_steps": max(TIMES), "record": TIMES, "replicates": runs} | options
        spec = GmmSpec(**arguments, seed=SEED + seed)
        exact = norms(spec, run_exact)
        other = GmmSpec(**arguments, seed=SEED + 1000 + seed)
        k = other.n_retrieved[list(TIMES)]
        yield row(name, "k_t", *k, "")
        for label, count in (("rule", MIN_COUNT), ("no rule", 0.0)):
            ours = norms(other, run_gaussian, count)
            some = [np.asarray(run_gaussian(other, r, count).n_singly) for r in range(50)]
            single = np.mean(some) * spec.n_steps / ((spec.n_steps - 1) * spec.n_models)
            cells = [cell(a, b) for a, b in zip(ours, exact, strict=True)]
            yield row("", label, *cells, f"{single:.2f}")


def count(runs: int) -> Iterator[str]:
    models = 100 * runs
    yield "## How many points make a Gaussian\n"
    yield (
        f"One update of {models} models that read the same web of which the first component has "
        "the share P: D between the law of its new weight by one Gaussian draw and by the exact "
        f"engine. Above {1.628 * np.sqrt(2 / models):.4f} by chance in 1% of cells; the law has "
        f"atoms, so that D is not 0. k = 20 to 2,000 of N = 2k. Weights {0.3:g} before. The last "
        "rows are the error of the mean (in standard deviations of the weight) and the ratio of "
        "standard deviations at P = .1."
    )
    counts = (2, 5, 10, 20, 40, 80)
    yield from head("P", *(f"k P = {c}" for c in counts))
    moments: dict[float, list[str]] = {}
    for share in (0.5, 0.1, 0.02):
        cells = []
        for seed, expected in enumerate(counts):
            k = round(expected / share)
            ones = round(2 * k * share)
            points = np.repeat([-5.0, 5.0], [ones, 2 * k - ones])
            arguments = {
                "n_models": models,
                "initial_weights": [0.3, 0.7],
                "initial_points": points,
                "n_steps": 1,
                "n_responses": 1,
                "record": [1],
            }
            exact = run_exact(GmmSpec(**arguments, seed=SEED + seed), 0).weight[0, :, 0]
            ours = run_gaussian(GmmSpec(**arguments, seed=SEED + 99 + seed), 0, 0.0).weight[0, :, 0]
            statistic: Any = ks_2samp(ours, exact, method="asymp").statistic
            cells.append(f"{statistic:.4f}")
            deviation = exact.std()
            moments.setdefault(share, []).append(
                f"{(ours.mean() - exact.mean()) / deviation:+.3f}, {ours.std() / deviation:.3f}"
            )
        yield row(f"{share:g}", *cells)
    yield row("moments, P = .1", *moments[0.1])


def overlap(runs: int) -> Iterator[str]:
    critical = 1.628 * np.sqrt(2 / runs)
    yield "## Overlap\n"
    yield (
        f"Gaussian engine with the rule against the exact one, {runs} runs of each; components "
        f"so many standard deviations apart. J at equal weights; `not owned`: share of its points "
        f"that a component at weight epsilon does not own. D (p); above {critical:.3f} by chance "
        "in 1% of cells."
    )
    yield from head(
        "setting", "apart", "J", "epsilon", "not owned", *(f"t = {t}" for t in TIMES), "mean ratio"
    )
    settings: list[tuple[str, int, float, dict[str, Any]]] = [
        ("B = 2, weights .2, .5, .75", 2, 1e-3, {"initial_weights": TWO}),
        ("B = 2", 2, 1e-3, {}),
        ("B = 5, L = 10", 5, 1e-3, {"n_responses": 10}),
        ("B = 5, L = 10", 5, 0.0, {"n_responses": 10}),
    ]
    cases = [(*s, apart) for s in settings for apart in (3.0, 4.0, 5.0, 6.0)]
    cases += [("B = 11", 11, eps, {}, 10.0) for eps in (1e-10, 1e-14, 1e-18, 1e-40)]
    for seed, (name, n_b, eps, options, apart) in enumerate(cases):
        means = apart * (np.arange(n_b) - (n_b - 1) / 2)
        arguments = {
            "n_components": n_b,
            "means": means,
            "n_steps": max(TIMES),
            "record": TIMES,
            "threshold": eps,
            "replicates": runs,
        } | options
        spec = GmmSpec(**arguments, seed=SEED + seed)
        other = GmmSpec(**arguments, seed=SEED + 1000 + seed, engine="gaussian", max_overlap=1)
        exact, ours = norms(spec, run_exact), norms(other, run_gaussian)
        ratio = (ours[-1] ** 2).mean() / (exact[-1] ** 2).mean()
        not_owned = misowned_share(eps, spec.means, spec.covariance)
        cells = [cell(a, b) for a, b in zip(ours, exact, strict=True)]
        yield row(
            name, f"{apart:g}", f"{check_overlap(other):.2g}", f"{eps:g}", f"{not_owned:.2g}",
            *cells, f"{ratio:.3f}",
        )  # fmt: skip


def truncation(runs: int) -> Iterator[str]:
    yield "## Weights that a constant c holds near 0\n"
    yield (
        f"{runs} runs of each, D (p); a norm below 1e-9 counts as 0. `fired`: truncations a run, "
        "by the exact engine and by this one. `mean ratio`: of ||D||^2 at T."
    )
    yield from head("setting", "c", "epsilon", *(f"t = {t}" for t in TIMES), "fired", "mean ratio")
    for seed, (n_b, c, eps) in enumerate(
        [
            (2, 0.05, 1e-3),
            (2, 0.2, 1e-3),
            (5, 0.02, 1e-3),
            (5, 0.1, 1e-3),
            (5, 0.1, 0.05),
            (5, 0.02, 0.0),
            (5, 0.1, 0.0),
        ]
    ):
        arguments = {
            "n_components": n_b,
            "n_responses": 10,
            "complexity": c,
            "threshold": eps,
            "n_steps": max(TIMES),
            "replicates": runs,
        }
        spec = GmmSpec(**arguments, seed=SEED + seed)
        other = GmmSpec(**arguments, seed=SEED + 1000 + seed)
        exact, ours, fired = [], [], np.zeros(2)
        for place, (s, runner, out) in enumerate(
            ((spec, run_exact, exact), (other, run_gaussian, ours))
        ):
            for position in range(runs):
                run = runner(s, position)
                apart = run.weight - run.weight.mean(1, keepdims=True)
                out.append(np.sqrt(6 * (apart[list(TIMES)] ** 2).sum((1, 2))))
                fired[place] += np.nansum(run.n_truncated) / runs
        # Where all models keep the same one component the norm is 0 but for rounding.
        a, b = (np.where(x < 1e-9, 0.0, x) for x in (np.array(ours).T, np.array(exact).T))
        cells = [cell(x, y) for x, y in zip(a, b, strict=True)]
        ratio = (a[-1] ** 2).mean() / (b[-1] ** 2).mean()
        yield row(
            f"B = {n_b}, L = 10", c, f"{eps:g}", *cells, f"{fired[0]:.1f}, {fired[1]:.1f}",
            f"{ratio:.3f}",
        )  # fmt: skip


def cost(runner: Any, n_models: int, n_steps: int, repeats: int) -> float:
    spec = GmmSpec(n_models, 11, n_steps=n_steps, record=(0,), seed=SEED)
    best = np.inf
    for _ in range(repeats):
        start = time.thread_time()
        runner(spec, 0)
        best = min(best, time.thread_time() - start)
    return best


def speed(runs: int) -> Iterator[str]:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    n_models = 40
    edges = np.array([10, 20, 40, 80, 160, 320, 640])
    run_exact(GmmSpec(2, 11, n_steps=2), 0)
    run_gaussian(GmmSpec(2, 11, n_steps=2), 0)
    yield "## Cost of a model's step\n"
    yield (
        f"n = {n_models}, L = 3, B = 11: cost of the steps between two times, in units of the "
        "Gaussian engine's over all of them, which reads singly in the first steps."
    )
    spans = np.diff(edges)
    costs = {}
    for label, runner, repeats in (("exact", run_exact, 3), ("Gaussian", run_gaussian, 15)):
        totals = np.array([cost(runner, n_models, t, repeats) for t in edges])
        costs[label] = np.diff(totals) / spans
    unit = (costs["Gaussian"] * spans).sum() / spans.sum()
    steps = [f"{a} to {b}" for a, b in itertools.pairwise(edges)]
    yield from head("engine", *steps)
    for label, values in costs.items():
        yield row(label, *(f"{v / unit:.3g}" for v in values))
    figure, axes = plt.subplots(figsize=(5.5, 3.6), layout="constrained")
    middle = np.sqrt(edges[:-1] * edges[1:])
    for label, values in costs.items():
        axes.loglog(middle, values / unit, "o-", label=f"{label} engine")
    axes.loglog(middle, costs["exact"][-1] / unit * middle / middle[-1], "k:", lw=1, label="linear")
    axes.set_xticks(edges, [str(t) for t in edges])
    axes.minorticks_off()
    axes.set(xlabel="t", ylabel="cost of a model's step, relative")
    axes.legend(frameon=False)
    figure.savefig(FIGURE, dpi=150)


def memory(runs: int) -> Iterator[str]:
    yield "## Memory\n"
    yield "Peak resident memory of a process that simulates one replicate, imports included."
    yield from head("n", "T", "B", "record", "times kept", "peak, GiB", "largest result, GiB")
    for n, steps, n_b, record in (
        (10**5, 200, 11, "None"),
        (10**5, 200, 11, "20"),
        (10**6, 20, 11, "[0, 20]"),
        (3, 10**6, 11, "1000"),
    ):
        code = (
            "import resource, lwdstats as lwd; "
            f"ds = lwd.simulate_gmm({n}, {n_b}, n_steps={steps}, record={record}, seed=1, "
            "engine='gaussian'); norm = lwd.fnorm(ds.isel(time=[-1])); "
            "peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20; "
            "print(ds.sizes['time'], peak, ds['weight'].nbytes / 2**30)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        kept, peak, size = map(float, done.stdout.split())
        yield row(f"{n:,}", f"{steps:,}", n_b, record, f"{kept:g}", f"{peak:.2f}", f"{size:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="the Gaussian engine of simulate_gmm")
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--out", type=Path, default=HERE.with_suffix(".md"))
    options = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)  # that alpha is 1 at k = 1
    lines = ["# The Gaussian engine against the exact one", ""]
    lines += [f"`python benchmarks/validity/gmm_gaussian.py --runs {options.runs}`", ""]
    lines += (__doc__ or "").splitlines()[3:]
    for part in options.part:
        lines.append("")
        lines += globals()[part](options.runs)
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
