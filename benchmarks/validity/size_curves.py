"""How often the statistics of one curve err: size of tests, coverage of an interval, power.

Run: python benchmarks/validity/size_curves.py [--paths 10000] [--part NAME ...] [--out FILE]
Each row is a null model; its paths come from one stream of the seed below, fixed before anything
was run. The interval is Clopper and Pearson's at 99.9%; a row is right if it meets [0.045, 0.055].
The tables are written to size_curves.md beside this script; a part run alone replaces its own.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import numpy as np
from scipy.stats import norm, rankdata, theilslopes
from size_permutation import interval
from threadpoolctl import threadpool_limits

import lwdstats as lwd
from lwdstats.inference.changepoints import search as kernel
from lwdstats.inference.changepoints.changepoints import changepoints, law_clock
from lwdstats.inference.survival.collapse_time import collapse_time
from lwdstats.inference.trend import kendall as trend
from lwdstats.inference.trend.mann_kendall import TrendTests

SEED = 20240607
BOOTSTRAP = 199
HERE = Path(__file__).parent


def stream(*key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(SEED, spawn_key=key))


def ar1(rng: np.random.Generator, phi: float, n: int, count: int) -> np.ndarray:
    """Return stationary AR(1) noise of variance 1, (n, count)."""
    e = rng.normal(size=(n, count))
    e[1:] *= np.sqrt(1.0 - phi**2)
    for t in range(1, n):
        e[t] += phi * e[t - 1]
    return e


def gmm_norms(count: int, n_steps: int = 100) -> np.ndarray:
    """Return ||D||_F of networks at the defaults (3 models, B = 2, L = 3), (n_steps + 1, count)."""
    blocks = range(0, count, 1000)
    norms = [
        lwd.fnorm(
            lwd.simulate_gmm(n_steps=n_steps, replicates=min(1000, count - b), seed=SEED + b)
        ).values
        for b in blocks
    ]
    return np.concatenate(norms, axis=1)


def size_row(name: str, hits: int, count: int) -> str:
    low, high = interval(hits, count)
    meets = "yes" if high >= 0.045 and low <= 0.055 else "below" if high < 0.045 else "no"
    return f"| {name} | {count:,} | {hits / count:.4f} | {low:.4f} to {high:.4f} | {meets} |"


SIZE_HEAD = ["| null model | paths | rejected at 5% | 99.9% interval | meets |"]
SIZE_HEAD += ["| --- | --- | --- | --- | --- |"]


def changed(
    y: np.ndarray, t: np.ndarray, law: str, key: int, since: int | None = None
) -> np.ndarray:
    """Return whether each path (n, P) gets a change at 5% with 199 simulated paths, (P,).

    The steps of `changepoints`, for all paths at once: 20 simulated paths a turn, and none
    any more for a path that has the ten gains as large as its own with which p is above 5%.
    """
    first = len(t) // 10 if since is None else since
    t, y = t[first:], y[first:]
    u, rng, logs = law_clock(law, t, 1.0), stream(5, key), np.log(y.T)
    most = (BOOTSTRAP + 1) // 20
    out = np.empty(len(logs), dtype=bool)
    for start in range(0, len(logs), 250):
        some = logs[start : start + 250]
        found, null = kernel.search(some, u, 5), kernel.fit_null(some, u)
        above = np.zeros(len(some), dtype=int)
        for drawn in range(0, BOOTSTRAP, 20):
            left = np.flatnonzero(above < most)
            rows = np.repeat(left, min(20, BOOTSTRAP - drawn))
            noise = kernel.ar1_paths(rng, null.phi[rows], null.sigma[rows], len(rows), len(t))
            parts = np.array_split(null.mean[rows] + noise, max(1, noise.size >> 15))
            gain = np.concatenate([kernel.search(part, u, 5).gain for part in parts])
            above += np.bincount(rows[gain >= found.gain[rows]], minlength=len(some))
        out[start : start + 250] = above < most
    return out


def part_changepoints(count: int) -> Iterator[str]:
    yield from SIZE_HEAD
    cases = [(n, phi, 0.3, "power") for n in (60, 200) for phi in (0.0, 0.4)]
    cases += [(60, 0.7, 0.3, "power"), (60, 0.4, 0.01, "power")]
    cases += [(60, 0.4, 0.3, "exponential")]
    cases += [(60, 0.9, 0.3, "power"), (60, 0.7, 0.3, "exponential"), (60, -0.5, 0.3, "power")]
    cases += [(200, 0.7, 0.3, "power"), (200, 0.9, 0.3, "power")]
    for number, (n, phi, noise, law) in enumerate(cases):
        t = np.arange(n + 1.0)
        m = 0.3 + ((t + 1.0) ** -0.7 if law == "power" else np.exp(-0.1 * t))
        y = m[:, None] * np.exp(noise * ar1(stream(1, number), phi, n + 1, count))
        name = f"`changepoints`, {law} law, T = {n}, AR(1) {phi:g}, relative noise {noise:g}"
        yield size_row(name, int(changed(y, t, law, number).sum()), count)


def part_gmm(count: int) -> Iterator[str]:
    yield from SIZE_HEAD
    cases = [(100, 100, None), (101, 60, None), (102, 200, None), (103, 100, 0)]
    for key, n, since in cases:
        y = gmm_norms(count, n)
        tested = (y > 0).all(axis=0)
        hits = int(changed(y[:, tested], np.arange(n + 1.0), "power", key, since).sum())
        call = "`changepoints`" if since is None else f"`changepoints(since={since})`"
        name = f"{call}, GMM networks, T = {n} ({int((~tested).sum())} reach 0, left out)"
        yield size_row(name, hits, int(tested.sum()))


def part_power(count: int) -> Iterator[str]:
    yield "| fall by 2 at T/2, T = 100 | paths | found | within 2 steps, of those | one, of those |"
    yield "| --- | --- | --- | --- | --- |"
    n, count = 101, max(1, count // 20)
    t = np.arange(float(n))
    fall = np.where(t >= n // 2, 0.5, 1.0)[:, None]
    curves = {
        f"AR(1) {phi:g}, relative noise {noise:g}": (0.3 + (t + 1.0) ** -0.7)[:, None]
        * np.exp(noise * ar1(stream(2, case), phi, n, count))
        for case, (phi, noise) in enumerate([(0.0, 0.2), (0.4, 0.2), (0.0, 0.4), (0.4, 0.4)])
    }
    curves["GMM networks"] = gmm_norms(count)
    for name, y in curves.items():
        found = changepoints(y * fall, n_bootstrap=BOOTSTRAP, seed=1)
        number = found.paths["n_changes"]
        at = found.table.groupby("replicate")["time"]
        near = np.mean([np.any(np.abs(times.to_numpy() - n // 2) <= 2) for _, times in at])
        alone = (number[number > 0] == 1).mean()
        yield f"| {name} | {count:,} | {(number > 0).mean():.3f} | {near:.3f} | {alone:.3f} |"


def trended(y: np.ndarray, key: int) -> np.ndarray:
    """Return whether each path (P, n) has a trend at 5% with 199 simulated paths, (P,).

    The steps of `mann_kendall` with "ar1", for all paths at once, as in `changed`.
    """
    rng, n, most = stream(6, key), y.shape[1], (BOOTSTRAP + 1) // 20
    observed, phi = trend.scaled_s(y)
    above = np.zeros(len(y), dtype=int)
    for drawn in range(0, BOOTSTRAP, 20):
        left = np.flatnonzero(above < most)
        for rows in np.array_split(np.repeat(left, min(20, BOOTSTRAP - drawn)), 50):
            extreme = np.abs(trend.null_s(rng, phi[rows], n)) >= np.abs(observed[rows]) - 1e-9
            above += np.bincount(rows[extreme], minlength=len(y))
    return above < most


def normal_p(s: float, variance: float) -> float:
    return float(2.0 * norm.sf(max(abs(s) - 1.0, 0.0) / np.sqrt(variance)))


def hamed_rao(y: np.ndarray) -> float:
    """Return p by Hamed and Rao (1998): S's variance from the ranks' significant autocorrelations.

    A variance that comes out below a hundredth of the independent one is taken as that.
    """
    n, t = len(y), np.arange(len(y))
    rank = rankdata(y - theilslopes(y, t)[0] * t) - (n + 1) / 2.0
    lags = np.arange(1, n - 2)
    rho = np.array([rank[k:] @ rank[:-k] for k in lags]) / (rank @ rank)
    rho[np.abs(rho) <= norm.isf(0.025) / np.sqrt(n)] = 0.0
    factor = 2.0 * ((n - lags) * (n - lags - 1) * (n - lags - 2) * rho).sum()
    factor = max(1.0 + factor / (n * (n - 1) * (n - 2)), 0.01)
    return normal_p(float(trend.kendall_many(y[None])[0]), trend.independent_variance(y) * factor)


def prewhitened(y: np.ndarray) -> float:
    """Return p of trend-free prewhitening (Yue and others 2002): the slope is put back."""
    t = np.arange(len(y))
    slope = theilslopes(y, t)[0]
    left = y - slope * t
    centred = left - left.mean()
    rho = centred[1:] @ centred[:-1] / (centred @ centred)
    white = left[1:] - rho * left[:-1] + slope * t[1:]
    return normal_p(float(trend.kendall_many(white[None])[0]), trend.independent_variance(white))


def part_trend(count: int) -> Iterator[str]:
    head = "| Mann-Kendall | paths | rejected at 5% without a trend | 99.9% interval | meets "
    yield head + "| power: rise of 2 sd | rise of 4 | exponential fall of 4 |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    cases = [(n, phi) for n in (8, 10, 13, 20, 40, 60) for phi in (0.0, 0.3, 0.5, 0.7)]
    for number, (n, phi) in enumerate([*cases, (200, 0.0), (200, 0.6)]):
        paths = ar1(stream(3, number), phi, n, count).T
        time = np.linspace(0.0, 1.0, n)
        rises = [2.0 * time, 4.0 * time, 4.0 * np.exp(-5.0 * time)]
        tests: dict[str, Callable[[np.ndarray], np.ndarray]] = {
            "ar1": lambda y, key=number: trended(y, key),
            "none": lambda y: rejected(independent, y),
        }
        if n >= 20 and phi in (0.0, 0.3, 0.6):
            tests["Hamed and Rao (not offered)"] = lambda y: rejected(hamed_rao, y)
            tests["trend-free prewhitening (not offered)"] = lambda y: rejected(prewhitened, y)
        for name, test in tests.items():
            row = size_row(f"{name}, n = {n}, AR(1) {phi:g}", int(test(paths).sum()), count)
            some = paths[: max(1, count // 5)]
            power = [f"{test(some + rise).mean():.3f}" for rise in rises]
            yield f"{row} {' | '.join(power)} |"


def part_replicates(count: int) -> Iterator[str]:
    """One trend in several paths: p of `TrendTests.together`, its interval of the mean slope."""
    head = "| replicates together | sets | rejected at 5% without a trend | 99.9% interval | meets "
    head += "| slope covered at 95% | 99.9% interval "
    yield head + "| power: rise of 1 sd | rise of 2 |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    n = 13
    rise = np.linspace(0.0, 1.0, n)[:, None]
    cases = [(r, phi) for r in (6, 10, 20) for phi in (0.0, 0.7)]
    for number, (replicates, phi) in enumerate(cases):
        drawn = ar1(stream(7, number), phi, n, count * replicates)
        sets = drawn.reshape(n, count, replicates).transpose(1, 0, 2)
        tests = [together(one) for one in sets]
        name = f"{replicates}, n = {n}, AR(1) {phi:g}"
        row = size_row(name, sum(test.p_value <= 0.05 for test in tests), count)
        hits = sum(
            low <= 0.0 <= high for low, high in (t.conf_int or (np.nan, np.nan) for t in tests)
        )
        low, high = interval(hits, count)
        some = sets[: max(1, count // 5)]
        power = [np.mean([together(y + by * rise).p_value <= 0.05 for y in some]) for by in (1, 2)]
        covered = f"{hits / count:.4f} | {low:.4f} to {high:.4f}"
        yield f"{row} {covered} | {power[0]:.3f} | {power[1]:.3f} |"


def together(y: np.ndarray) -> lwd.HTest:
    return cast(TrendTests, lwd.mann_kendall(y, autocorrelation="none")).together


def independent(y: np.ndarray) -> float:
    return trend.independent_p(y, float(trend.kendall_many(y[None])[0]), "two-sided")


def rejected(p_of: Callable[[np.ndarray], float], y: np.ndarray) -> np.ndarray:
    return np.array([p_of(path) for path in y]) <= 0.05


def part_collapse(count: int) -> Iterator[str]:
    yield "| `collapse_time`, GMM networks, T = 100 | sets | covered at 95% | 99.9% interval |"
    yield "| --- | --- | --- | --- |"
    norms = gmm_norms(4 * count)
    rng = stream(4)
    for threshold in (0.15, 0.1, 0.07):
        event = collapse_time(norms, threshold)
        truth = event.median
        share = event.events / event.n
        for replicates in (10, 20, 50):
            hits = 0
            for _ in range(count):
                some = rng.choice(norms.shape[1], replicates, replace=False)
                low, high = collapse_time(norms[:, some], threshold).conf_int
                hits += (np.isnan(low) or low <= truth) and (np.isnan(high) or truth <= high)
            low, high = interval(hits, count)
            name = f"median below {threshold:g} ({share:.2f} collapse), {replicates} replicates"
            yield f"| {name} | {count:,} | {hits / count:.4f} | {low:.4f} to {high:.4f} |"


PARTS = {
    "changepoints": part_changepoints,
    "gmm": part_gmm,
    "power": part_power,
    "trend": part_trend,
    "replicates": part_replicates,
    "collapse": part_collapse,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="size and coverage of the statistics of a curve")
    parser.add_argument("--paths", type=int, default=10_000)
    parser.add_argument("--part", nargs="*", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--out", type=Path, default=HERE / "size_curves.md")
    options = parser.parse_args()
    known = options.out.read_text() if options.out.exists() else ""
    tables = dict(re.findall(r"^## (\w+)\n\n(.*?)(?=^## |\Z)", known, re.MULTILINE | re.DOTALL))
    with threadpool_limits(1):
        for part in options.part:
            lines = []
            for line in PARTS[part](options.paths):
                print(line, flush=True)
                lines.append(line)
            tables[part] = "\n".join(lines) + "\n\n"
            body = "".join(f"## {name}\n\n{tables[name]}" for name in PARTS if name in tables)
            head = "# Statistics of one curve\n\n`python benchmarks/validity/size_curves.py`, seed "
            head += f"{SEED}, {BOOTSTRAP} bootstrap paths a test.\n\n"
            # What a page says of its parts, such as how many paths each had, stays.
            head = known.partition("## ")[0] or head
            options.out.write_text((head + body).rstrip() + "\n")


if __name__ == "__main__":
    main()
