"""How far `mirror` errs about the time of a change, and how often its interval holds that time.

Run: python benchmarks/validity/mirror.py [--sets 200] [--part NAME ...] [--out FILE]
Each row is one setting, its data sets from one stream of the seed below, fixed before anything was
run. Intervals of coverage and of error rates are Clopper and Pearson's at 99%. The tables are
written to mirror.md beside this script; a part run alone replaces its own.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from parts import write_parts
from scipy.sparse.linalg import eigsh
from scipy.stats import binomtest

import lwdstats as lwd

SEED = 20240611
HERE = Path(__file__).parent
BOOTSTRAP = 99
# Networks: real points a step for each that models post, times, and when contraction changes.
FRESH, T, CHANGE = 4, 80, 40


def stream(*key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(SEED, spawn_key=key))


def drift(rng: np.random.Generator, n: int, m: int, p: float, q: float) -> np.ndarray:
    """Return positions (m, n) of vertices that step by .9/m with chance p, from m/2 on q."""
    chance = np.where(np.arange(m) < m // 2, p, q)[:, None]
    return 0.1 + 0.9 / m * np.cumsum(rng.random((m, n)) < chance, axis=0)


def seen(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    """Return positions (m, n) as a graph at each time shows them: the adjacency's first vector."""
    out = np.empty_like(x)
    for t, now in enumerate(x):
        upper = np.triu(rng.random((len(now), len(now))) < np.outer(now, now), 1)
        graph = (upper | upper.T).astype(float)
        # As in the papers' code: the diagonal is what a vertex's degree says of it.
        np.fill_diagonal(graph, graph.sum(axis=1) / (len(now) - 1))
        value, vector = eigsh(graph, k=1, which="LA")
        out[t] = np.abs(vector[:, 0]) * np.sqrt(value[0])
    return out


def networks(
    n: int, n_responses: int, before: float, after: float, sets: int, key: int
) -> xr.Dataset:
    """Return networks on a web that each step replaces, whose pull changes at CHANGE."""
    fresh = FRESH * n * n_responses
    size = fresh + n * n_responses
    # A step from 0 to 1 between CHANGE - 1 and CHANGE, as arithmetic.
    turned = f"(1 + (t - {CHANGE - 0.5})/abs(t - {CHANGE - 0.5}))/2"
    return lwd.simulate_gmm(
        n,
        n_components=2,
        n_steps=T,
        n_responses=n_responses,
        initial_points=[-5.0] * (size // 5) + [5.0] * (size - size // 5),
        initial_weights=[0.9, 0.1],
        scenario=lwd.Scenario(keep="last", fresh=fresh, fresh_from=[0.2, 0.8]),
        step_size=f"({before} + {after - before}*{turned})/k",
        complexity=0,
        replicates=sets,
        seed=SEED + key,
    )


def row(name: str, found: Iterable[Any], at: float) -> str:
    """Return a row of the table of errors."""
    table = np.array(
        [
            one.table[["time", "conf_low", "conf_high", "p_value", "p_bent"]].to_numpy()[0]
            for one in found
        ]
    )
    error = table[:, 0] - at
    held = int(((table[:, 1] <= at) & (at <= table[:, 2])).sum())
    low, high = binomtest(held, len(table)).proportion_ci(0.99)
    width, told = np.mean(table[:, 2] - table[:, 1]), np.mean(table[:, 3] <= 0.05)
    return (
        f"| {name} | {len(table)} | {error.mean():.2f} | {np.sqrt((error**2).mean()):.2f} "
        f"| {np.abs(error).mean():.2f} | {held / len(table):.3f} | {low:.3f} to {high:.3f} "
        f"| {width:.1f} | {told:.3f} | {np.mean((table[:, 3:] <= 0.05).all(axis=1)):.3f} |"
    )


HEAD = [
    "| setting | sets | bias | RMSE | mean error | 95% interval holds it | 99% interval | width"
]
HEAD[0] += " | p <= .05 | and bent |"
HEAD += ["| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"]


def of_arrays(positions: Iterable[np.ndarray], **options: Any) -> Iterator[Any]:
    for i, x in enumerate(positions):
        yield lwd.mirror(x, n_bootstrap=BOOTSTRAP, seed=i, **options)


def of_networks(ds: xr.Dataset, together: int = 1, **options: Any) -> Iterator[Any]:
    for r in range(0, ds.sizes["replicate"], together):
        part = ds.isel(replicate=slice(r, r + together))
        yield lwd.mirror(part, n_bootstrap=BOOTSTRAP, seed=r, **options)


def part_process(sets: int) -> Iterator[str]:
    yield from HEAD
    for number, (n, m, p, q) in enumerate(
        [(25, 40, 0.4, 0.2), (50, 40, 0.4, 0.2), (100, 40, 0.4, 0.2), (400, 40, 0.4, 0.2)]
    ):
        rng = stream(1, number)
        paths = (drift(rng, n, m, p, q) for _ in range(sets))
        yield row(
            f"positions, n = {n}, m = {m}, p = {p}, q = {q}", of_arrays(paths, k=1), m // 2 - 1
        )
    for number, (n, m, p, q) in enumerate(
        [(200, 12, 0.4, 0.3), (400, 12, 0.4, 0.3), (800, 12, 0.4, 0.3)]
    ):
        rng = stream(2, number)
        paths = (seen(rng, drift(rng, n, m, p, q)) for _ in range(sets))
        options = {"k": 1, "min_size": 2 if m < 20 else 3}
        name = f"graphs, n = {n}, m = {m}, p = {p}, q = {q}"
        yield row(name, of_arrays(paths, **options), m // 2 - 1)


def part_networks(sets: int) -> Iterator[str]:
    yield from HEAD
    rates = (0.004, 0.016)
    for number, (n, answers) in enumerate([(3, 2), (10, 10)]):
        ds = networks(n, answers, *rates, sets, 100 + number)
        yield row(f"weights, n = {n}, L = {answers}", of_networks(ds), CHANGE)
    for number, (n, answers) in enumerate([(10, 10), (10, 40), (10, 160), (40, 40)]):
        ds = networks(n, answers, *rates, sets, 200 + number).drop_vars("weight")
        yield row(f"answers, n = {n}, L = {answers}", of_networks(ds), CHANGE)
        if (n, answers) == (10, 40):
            name = f"answers, n = {n}, L = {answers}, noise left in"
            yield row(name, of_networks(ds, debias=False), CHANGE)
        if (n, answers) == (10, 160):
            name = f"answers, n = {n}, L = {answers}, degree 2"
            yield row(name, of_networks(ds, degree=2), CHANGE)
    ds = networks(10, 10, *rates, 4 * sets, 300).drop_vars("weight")
    name = "answers, n = 10, L = 10, 4 replicates together"
    yield row(name, of_networks(ds, together=4), CHANGE)


def part_none(sets: int) -> Iterator[str]:
    yield "| no change | sets | p <= .05 | 99% interval | and bent | 99% interval | not told |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"

    def size(name: str, found: Iterable[Any]) -> str:
        rows, told = [], []
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for one in found:
                rows.append(one.table[["p_value", "p_bent"]].to_numpy()[0])
                told.append(bool(caught))
                caught.clear()
        p = np.array(rows)
        silent = (p <= 0.05).all(axis=1) & ~np.array(told)
        line = f"| {name} | {len(p)} |"
        for hits in (p[:, 0] <= 0.05, (p <= 0.05).all(axis=1)):
            low, high = binomtest(int(hits.sum()), len(p)).proportion_ci(0.99)
            line += f" {hits.mean():.3f} | {low:.3f} to {high:.3f} |"
        return f"{line} {silent.mean():.3f} |"

    rng = stream(3)
    paths = (drift(rng, 200, 40, 0.4, 0.4) for _ in range(sets))
    yield size("positions, n = 200, m = 40, p = q = 0.4", of_arrays(paths, k=1))
    rng = stream(4)
    paths = (seen(rng, drift(rng, 800, 12, 0.4, 0.4)) for _ in range(sets))
    yield size("graphs, n = 800, m = 12, p = q = 0.4", of_arrays(paths, k=1, min_size=2))
    ds = networks(3, 10, 0.008, 0.008, sets, 400)
    for degree in (1, 2, 3):
        name = f"weights, n = 3, L = 10, degree {degree}"
        yield size(name, of_networks(ds, degree=degree))
    ds = networks(10, 40, 0.008, 0.008, sets, 401)
    for degree in (1, 2):
        name = f"answers, n = 10, L = 40, degree {degree}"
        yield size(name, of_networks(ds.drop_vars("weight"), degree=degree))
    for n_steps in (30, 60, 200):
        ds = lwd.simulate_gmm(n_steps=n_steps, replicates=sets, seed=SEED + 500 + n_steps)
        yield size(f"the paper's network, T = {n_steps}, degree 1", of_networks(ds))


PARTS = {"process": part_process, "networks": part_networks, "none": part_none}
SAID = {
    "process": "The papers' process: n vertices at m times, a step of .9/m with chance p in the "
    "first half and q in the second; seen as they are, or by a random graph at each time.",
    "networks": f"Networks of {T} steps on a web that each step replaces, most of it real, towards "
    f"whose make-up models go by .4% of the gap a step, and from step {CHANGE} on by 1.6%.",
    "none": "The same without a change: how often p is at most .05, and how often that beside a "
    "curve of degree 3 is so too, without which `mirror` warns; and how often both are though no "
    "warning says that noise is not of one size.",
}


def main() -> None:
    # Counted, not told.
    warnings.filterwarnings("ignore", message="the (change|noise) ", category=UserWarning)
    head = "# When the course of a network changed\n\n"
    head += f"`python benchmarks/validity/mirror.py`, seed {SEED}, {BOOTSTRAP} simulated paths a "
    head += "place and a p-value.\n"
    parts = {name: (SAID[name], PARTS[name]) for name in PARTS}
    write_parts(head, parts, HERE / "mirror.md", "sets", 200)


if __name__ == "__main__":
    main()
