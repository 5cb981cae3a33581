"""How often `control_chart` gives a false alarm, how long it runs to one, and when to a true one.

Run: python benchmarks/validity/control_chart.py [--charts 1000] [--part NAME ...] [--out FILE]
Each row is a setting, its paths from one stream of the seed below, fixed before anything was run.
Intervals are Clopper and Pearson's at 99%, of means those of their standard errors. Charts of a
row are made as `control_chart` makes them, all at once: limits are simulated at values of phi .1
apart and are linear between; one row is of the function itself. The tables are written to
control_chart.md beside this script; a part run alone replaces its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from parts import write_parts
from scipy.stats import binomtest

import lwdstats as lwd
from lwdstats.inference.control.charts import Chart, largest, limit_of_run, run_lengths
from lwdstats.inference.control.noise import noise_notes

SEED = 20240612
HERE = Path(__file__).parent
RATE, SIMULATED = 0.05, 1999
# Of the baseline, of what is charted after it, and of steps before both.
M, N, EARLY = 40, 40, 30
PHI = np.linspace(-0.5, 0.9, 15)


def stream(*key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(SEED, spawn_key=key))


def ar1(rng: np.random.Generator, phi: float, n: int, count: int) -> np.ndarray:
    """Return stationary AR(1) paths (count, n)."""
    e = rng.normal(size=(n, count))
    e[0] /= np.sqrt(1.0 - phi**2)
    for t in range(1, n):
        e[t] += phi * e[t - 1]
    return e.T


def design(kind: str, m: int, n: int, first: float) -> np.ndarray:
    """Return level and trend of m + n times from `first` on."""
    t = first + np.arange(m + n)
    if kind == "none":
        return np.ones((m + n, 1))
    u = np.log(t + 1.0) if kind == "power" else t / len(t)
    return np.stack([np.ones(m + n), u - u[:m].mean()], axis=1)


def plan(chart: str, m: int, n: int, *, kind: str = "none", ar: bool = True, ranks: bool = False,
         first: float = 0.0) -> Chart:  # fmt: skip
    return Chart(chart, 0.2, 0.5, design(kind, m, n, first), m, ar, ranks)


def limits(chart: Chart, phi: np.ndarray, rate: float) -> np.ndarray:
    """Return the limit of each chart, by its phi."""
    rank = int(rate * (SIMULATED + 1) + 1e-9)
    at = PHI if chart.ar else PHI[5:6]
    found = [largest(chart, p, SIMULATED, stream(9, i))[-rank] for i, p in enumerate(at)]
    return np.interp(phi, at, found)


def alarms(chart: Chart, y: np.ndarray, rate: float = RATE) -> np.ndarray:
    """Return the step of the first alarm of paths y (P, n), counted from 1; 0 where none."""
    scores = chart.scores(y)
    over = np.maximum(*chart.sides(scores.scores)) > limits(chart, scores.phi, rate)[:, None]
    return np.where(over.any(axis=1), over.argmax(axis=1) + 1, 0)


@cache
def answers() -> list[np.ndarray]:
    """Return real answers of language models, (answers, features) each, about their cell's mean."""
    x = lwd.read_results("data/bitcoin_network.nc")["embedding"].isel(query=0)
    x = (x - x.mean("response")).transpose("model", "time", "replicate", "response", "feature")
    return [one.reshape(-1, one.shape[-1]).astype(float) for one in x.values]


def llm(rng: np.random.Generator, n: int, count: int, n_answers: int, statistic: str,
        shift: float = 0.0) -> np.ndarray:  # fmt: skip
    """Return log(D) or H (count, n) of networks whose models answer with drawn real answers.

    The means of models are apart as in the run; from the middle of what is charted on the first
    is `shift` of the way to the second.
    """
    mean = lwd.read_results("data/bitcoin_network.nc")["embedding"].isel(query=0)
    mean = mean.mean(["time", "replicate", "response"]).transpose("model", "feature").values
    pools, k = answers(), len(answers())
    out = np.empty((count, n))
    for i in range(count):
        centres, variance = np.empty((n, k, mean.shape[1])), np.empty((n, k))
        for j, pool in enumerate(pools):
            # Sums by products of counts, as n L answers of 384 numbers are many.
            which = rng.integers(len(pool), size=(n, n_answers))
            counts = np.zeros((n, len(pool)))
            np.add.at(counts, (np.arange(n)[:, None], which), 1.0)
            centre = counts @ pool / n_answers
            square = counts @ (pool**2).sum(axis=1) / n_answers
            variance[:, j] = (square - (centre**2).sum(axis=1)) * n_answers / (n_answers - 1)
            centres[:, j] = mean[j] + centre
        if shift:
            centres[M + N // 4 :, 0] += shift * (mean[1] - mean[0])
        away = centres - centres.mean(axis=1, keepdims=True)
        d2 = 2 * k * (away**2).sum(axis=(1, 2))
        out[i] = 0.5 * np.log(d2)
        if statistic == "H":
            free = d2 - 2 * (k - 1) * variance.sum(axis=1) / n_answers
            out[i] = variance.mean(axis=1) + free / (2 * k**2)
    return out


def stationary(count: int, key: int, **more: Any) -> xr.Dataset:
    """Return networks on a web that each step replaces, most of it real: a state to stay in."""
    settings: dict[str, Any] = {
        "n_models": 6,
        "n_components": 2,
        "n_steps": EARLY + M + N - 1,
        "n_responses": 5,
        "initial_points": [-5.0] * 100 + [5.0] * 50,
        "scenario": lwd.Scenario(keep="last", fresh=60, fresh_from=[0.6, 0.4]),
        "complexity": 0,
        "replicates": count,
        "seed": SEED + key,
    }
    return lwd.simulate_gmm(**(settings | more))


def late(ds: xr.Dataset, statistic: str) -> np.ndarray:
    """Return a statistic of networks from EARLY on, (replicates, times)."""
    part = ds.isel(time=slice(EARLY, None))
    if statistic == "drift":
        y = lwd.drift(ds, "start").mean("model").isel(time=slice(EARLY, None))
    else:
        y = lwd.fnorm(part) if statistic == "D" else lwd.diversity(part)
    return y.transpose("replicate", "time").values


def size(name: str, hits: int, count: int, told: float | None = None) -> str:
    low, high = binomtest(hits, count).proportion_ci(0.99)
    meets = "yes" if low <= RATE <= high else "below" if high < RATE else "no"
    row = f"| {name} | {count:,} | {hits / count:.4f} | {low:.4f} to {high:.4f} | {meets} |"
    return row if told is None else f"{row} {told:.3f} |"


def part_rate(count: int) -> Iterator[str]:
    yield "| setting | charts | alarmed | 99% interval | holds .05 | noise told |"
    yield "| --- | --- | --- | --- | --- | --- |"

    def rows(
        name: str, y: np.ndarray, charts: str = "shewhart ewma cusum", **how: Any
    ) -> Iterator[str]:
        for chart in charts.split():
            m = int(how.get("m", M))
            options = {k: v for k, v in how.items() if k != "m"}
            made = plan(chart, m, y.shape[1] - m, **options)
            told = [
                bool(noise_notes([base], made.ranks, made.ar, name)) for base in made.scores(y).base
            ]
            hits = int((alarms(made, y) > 0).sum())
            yield size(f"{chart}, {name}", hits, len(y), float(np.mean(told)))

    yield from rows(
        "independent, m = 20, not whitened", ar1(stream(1, 0), 0, 60, count), m=20, ar=False
    )
    for i, (phi, m) in enumerate([(0.0, 20), (0.4, 40), (0.7, 40), (0.7, 100)]):
        yield from rows(f"AR(1) {phi:g}, m = {m}", ar1(stream(1, 1 + i), phi, m + N, count), m=m)
    line = 0.1 * np.arange(M + N) + ar1(stream(1, 10), 0.4, M + N, count)
    yield from rows("AR(1) 0.4 on a line, detrend = linear", line, kind="linear")
    skew = np.exp(0.8 * ar1(stream(1, 11), 0.0, M + N, count))
    yield from rows("lognormal, skewness 3.7", skew)
    yield from rows("lognormal, skewness 3.7, by rank", skew, "ewma cusum", ranks=True)
    for i, (statistic, n_answers) in enumerate([("D", 4), ("D", 16), ("D", 40), ("H", 16)]):
        y = llm(stream(2, i), M + N, count, n_answers, statistic)
        skewness = float((((y - y.mean()) / y.std()) ** 3).mean())
        said = "log(D)" if statistic == "D" else statistic
        name = f"answers of language models, L = {n_answers}, {said} (skewness {skewness:.2f})"
        yield from rows(name, y)
    ds = stationary(count, 0)
    for statistic in ("D", "H", "drift"):
        yield from rows(f"networks, web replaced, {statistic}", late(ds, statistic))
    yield from rows("networks, web replaced, D, by rank", late(ds, "D"), "ewma cusum", ranks=True)
    hits = np.zeros(count, dtype=bool)
    for statistic in ("D", "H", "drift"):
        hits |= alarms(plan("ewma", M, N), late(ds, statistic), RATE / 3) > 0
    name = "ewma, networks, web replaced, D, H and drift at once"
    yield size(name, int(hits.sum()), count) + "  |"
    grown = lwd.simulate_gmm(n_steps=20 + M + N - 1, replicates=count, seed=SEED + 1)
    norm = lwd.fnorm(grown).transpose("replicate", "time").values[:, 20:]
    norm = norm[(norm > 0).all(axis=1)]
    yield from rows(
        "networks, web grows, D, detrend = power", np.log(norm), kind="power", first=20.0
    )


def part_function(count: int) -> Iterator[str]:
    yield "| `control_chart(y, 40)` itself | charts | alarmed | 99% interval | holds .05 |"
    yield "| --- | --- | --- | --- | --- |"
    count = max(1, count // 4)
    for phi in (0.0, 0.4):
        hits = refused = 0
        for i, y in enumerate(ar1(stream(3, int(10 * phi)), phi, M + N, count)):
            try:
                found = lwd.control_chart(y, M, n_simulations=999, seed=i)
            except lwd.InputError:
                refused += 1
                continue
            hits += int(np.isfinite(found.table["alarm"].iloc[0]))
        name = f"AR(1) {phi:g}; {refused} of {count} baselines refused for a trend"
        yield size(name, hits, count - refused)


def part_run(count: int) -> Iterator[str]:
    yield "| mean run to a false alarm, asked for 200 | charts | found | standard error | median |"
    yield "| --- | --- | --- | --- | --- |"
    for chart in ("shewhart", "ewma", "cusum"):
        for m, ar, phi in [(30, False, 0.0), (100, False, 0.0), (100, True, 0.4)]:
            made = plan(chart, m, 2000, ar=ar)
            y = ar1(stream(4, m, ar), phi, m + 2000, count)
            scores = made.scores(y)
            at = PHI[4:] if ar else PHI[5:6]
            found = [
                limit_of_run(made, p, 200.0, SIMULATED, stream(5, i))[0] for i, p in enumerate(at)
            ]
            limit = np.interp(scores.phi, at, found)[:, None]
            highest = np.maximum.accumulate(np.maximum(*made.sides(scores.scores)), axis=1)
            runs = run_lengths(highest / limit, 1.0)
            told = f"AR(1) {phi:g} taken out" if ar else "independent"
            error = runs.std() / np.sqrt(count)
            yield (
                f"| {chart}, m = {m}, {told} | {count:,} | {runs.mean():.1f} | {error:.1f} "
                f"| {np.median(runs):.0f} |"
            )


def part_delay(count: int) -> Iterator[str]:
    yield "| change after a quarter of the chart | charts | before it | after it | median delay |"
    yield "| --- | --- | --- | --- | --- |"
    at = N // 4

    def row(name: str, step: np.ndarray) -> str:
        early, found = (step > 0) & (step <= at), step > at
        delay = f"{np.median(step[found] - at):.0f}" if found.any() else "-"
        return f"| {name} | {len(step):,} | {early.mean():.3f} | {found.mean():.3f} | {delay} |"

    for shift in (1.0, 2.0):
        y = ar1(stream(6, int(shift)), 0.0, M + N, count)
        y[:, M + at :] += shift
        for chart in ("shewhart", "ewma", "cusum"):
            yield row(f"{chart}, independent, {shift:g} sd higher", alarms(plan(chart, M, N), y))
    y = llm(stream(7), M + N, count, 40, "D", shift=0.5)
    for chart in ("shewhart", "ewma", "cusum"):
        yield row(f"{chart}, answers, L = 40, D, one model goes half way to another",
                  alarms(plan(chart, M, N), y))  # fmt: skip
    when = EARLY + M + at
    nobody = np.ones((6, 6))
    nobody[:5, 5] = 0.0
    bot = stationary(
        count,
        2,
        n_responses=10,
        initial_points=[-5.0] * 90 + [5.0] * 10,
        initial_weights=[[0.9, 0.1]] * 5 + [[1e-9, 1 - 1e-9]],
        scenario=lwd.Scenario(
            keep="last",
            fresh=60,
            fresh_from=[0.9, 0.1],
            frozen=(5,),
            readers={0: nobody, when: np.ones((6, 6))},
        ),
    )
    first = stationary(count, 3)
    last = first.isel(time=when)
    share = last["weight"].mean("model").isel(component=0).values[:, None]
    points = np.where(stream(8).random((count, 90)) < share, -5.0, 5.0)[..., None]
    after = stationary(
        count, 4,
        n_steps=N - at - 1,
        initial_points=points,
        initial_weights=last["weight"].transpose("replicate", "model", "component").values,
        scenario=lwd.Scenario(keep="last"),
    )  # fmt: skip
    for statistic in ("D", "H", "drift"):
        for chart in ("shewhart", "ewma"):
            found = alarms(plan(chart, M, N), late(bot.isel(model=slice(5)), statistic))
            yield row(f"{chart}, networks, a bot is read, {statistic} of the others", found)
    for statistic, measure in {"D": lwd.fnorm, "H": lwd.diversity}.items():
        changed = measure(after).transpose("replicate", "time").values
        y = np.hstack([late(first, statistic)[:, : M + at], changed])
        for chart in ("shewhart", "ewma"):
            found = alarms(plan(chart, M, N), y)
            yield row(f"{chart}, networks, real posts stop, {statistic}", found)


PARTS = {"rate": part_rate, "function": part_function, "run": part_run, "delay": part_delay}
SAID = {
    "rate": f"How often a chart of {N} steps gives an alarm though nothing changes, asked for .05. "
    f"The baseline has m = {M} times but where another m is told. In the last column how often "
    "`control_chart` says of the baseline that its noise is not as limits take it to be.",
    "function": "The function as a user calls it, which refuses baselines with a trend.",
    "run": "The mean number of steps to a false alarm; runs of more than 2,000 count as that.",
    "delay": f"Charts of {N} steps at a false-alarm probability of .05 after a baseline of {M}.",
}


def main() -> None:
    head = "# Control charts: false alarms and delays\n\n"
    head += f"`python benchmarks/validity/control_chart.py`, seed {SEED}, limits of {SIMULATED} "
    head += "simulated charts.\n"
    parts = {name: (SAID[name], PARTS[name]) for name in PARTS}
    write_parts(head, parts, HERE / "control_chart.md", "charts", 1000)


if __name__ == "__main__":
    main()
