"""What a sweep adds to its runs, and what a second worker brings.

Overhead: wall time of a sweep of cells that sleep, over the time slept, less the time of a
simulation alone in the same loop. Workers: the same cells by one and by two, in turn.
Memory: peak of a process that sweeps more and more cells.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import lwdstats as lwd

BASE: dict[str, Any] = {
    "simulator": "gmm",
    "n_steps": 2,
    "step_size": "1/(k + 1)",
    "progress": False,
}


def asleep(ds: xr.Dataset) -> float:
    time.sleep(1.0)
    return 0.0


def nothing(ds: xr.Dataset) -> float:
    return 0.0


def busy(ds: xr.Dataset) -> float:
    """Work for about half a second on one core."""
    x = 0.0
    for i in range(6_000_000):
        x += i
    return x


def seconds(work: Any, clock: Any = time.perf_counter) -> float:
    begin = clock()
    work()
    return clock() - begin


def base() -> dict[str, Any]:
    return {name: value for name, value in BASE.items() if name != "progress"}


def overhead(
    n: int, measure: Any, slept: float, *, durable: bool, clock: Any = time.perf_counter
) -> float:
    """Return seconds a cell that the sweep takes beside simulation and measure."""
    betas = np.linspace(0.1, 0.9, n).tolist()

    def loop() -> None:
        for beta in betas:
            lwd.simulate_gmm(**{k: v for k, v in BASE.items() if k != "simulator"}, beta=beta)

    with tempfile.TemporaryDirectory() as scratch:
        store = Path(scratch) / "store" if durable else None
        whole = seconds(
            lambda: lwd.sweep(base(), {"beta": betas}, measure=measure, store=store, seed=1), clock
        )
    return (whole - seconds(loop, clock)) / n - slept


def workers(pairs: int) -> list[float]:
    """Return ratios of the time of one worker over that of two."""
    grid = {"beta": np.linspace(0.1, 0.9, 16).tolist()}

    def by(n: int) -> float:
        return seconds(lambda: lwd.sweep(base(), grid, measure=busy, n_jobs=n, seed=1))

    by(2)  # starts the workers
    return [by(1) / by(2) for _ in range(pairs)]


def memory(n: int) -> float:
    """Return the peak in MB of a process that sweeps n cells."""
    code = f"import benchmarks.speed.bench_sweep as b; b.peak({n})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


def peak(n: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        grid = {"beta": np.linspace(0.1, 0.9, n).tolist()}
        lwd.sweep(base(), grid, measure=nothing, store=Path(scratch) / "store", seed=1)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--cells", type=int, nargs="*", default=[1000, 10000])
    given = parser.parse_args()
    lwd.simulate_gmm(**{k: v for k, v in BASE.items() if k != "simulator"})
    print("| what | figure | range |")
    print("| --- | --- | --- |")

    def row(what: str, values: list[float], form: str) -> None:
        middle, low, high = statistics.median(values), min(values), max(values)
        print(f"| {what} | {middle:{form}} | {low:{form}} to {high:{form}} |")

    repeats = range(given.pairs)
    slow = [overhead(5, asleep, 1.0, durable=True) for _ in repeats]
    row("overhead at cells of 1 s, with a store", slow, ".2%")
    for durable, said in ((False, "without"), (True, "with")):
        quick = [overhead(100, nothing, 0.0, durable=durable) * 1e3 for _ in repeats]
        row(f"milliseconds a cell, {said} a store", quick, ".1f")
    cpu = [
        overhead(100, nothing, 0.0, durable=True, clock=time.process_time) * 1e3 for _ in repeats
    ]
    row("the same, processor time", cpu, ".1f")
    row("two workers against one, wall time", workers(given.pairs), ".2f")
    peaks = [memory(n) for n in given.cells]
    for n, mb in zip(given.cells, peaks, strict=True):
        print(f"| peak memory, {n} cells | {mb / peaks[0]:.2f} of the first | {mb:.0f} MB |")


if __name__ == "__main__":
    main()
