"""What a sweep adds to its runs, and what a second worker brings.

Overhead: time of a sweep less that of a plain loop with the same simulations and measures right
after it; by the wall clock, and of the processor, which other work on the machine hardly touches.
Workers: wall time of the same cells by one and by two, in turn.
Memory: peak of a process that sweeps more and more cells.

    python benchmarks/speed/bench_sweep.py                  # all, where nothing else runs
    python benchmarks/speed/bench_sweep.py --only workers   # or overhead, memory
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


def overhead(n: int, measure: Any, *, durable: bool, clock: Any) -> float:
    """Return seconds a cell that the sweep takes beside simulation and measure."""
    betas = np.linspace(0.1, 0.9, n).tolist()

    def loop() -> None:
        for beta in betas:
            own = {k: v for k, v in BASE.items() if k != "simulator"}
            measure(lwd.simulate_gmm(**own, beta=beta))

    with tempfile.TemporaryDirectory() as scratch:
        store = Path(scratch) / "store" if durable else None
        whole = seconds(
            lambda: lwd.sweep(base(), {"beta": betas}, measure=measure, store=store, seed=1), clock
        )
    return (whole - seconds(loop, clock)) / n


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


def row(what: str, values: list[float], form: str) -> None:
    middle, low, high = statistics.median(values), min(values), max(values)
    print(f"| {what} | {middle:{form}} | {low:{form}} to {high:{form}} |", flush=True)


def overheads(pairs: int) -> None:
    clocks = {"wall": time.perf_counter, "processor": time.process_time}
    for said, clock in clocks.items():
        slow = [overhead(10, asleep, durable=True, clock=clock) for _ in range(pairs)]
        row(f"overhead at cells of 1 s, with a store, {said} time", slow, ".2%")
    for durable, kind in ((False, "without"), (True, "with")):
        for said, clock in clocks.items():
            quick = [overhead(100, nothing, durable=durable, clock=clock) for _ in range(pairs)]
            quick = [1e3 * value for value in quick]
            row(f"milliseconds a cell, {kind} a store, {said} time", quick, ".1f")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--cells", type=int, nargs="*", default=[1000, 10000])
    parser.add_argument("--only", choices=["overhead", "workers", "memory"])
    given = parser.parse_args()
    lwd.simulate_gmm(**{k: v for k, v in BASE.items() if k != "simulator"})
    print("| what | figure | range |")
    print("| --- | --- | --- |")
    if given.only in (None, "overhead"):
        overheads(given.pairs)
    if given.only in (None, "workers"):
        row("two workers against one, wall time", workers(given.pairs), ".2f")
    if given.only in (None, "memory"):
        peaks = [memory(n) for n in given.cells]
        for n, mb in zip(given.cells, peaks, strict=True):
            print(f"| peak memory, {n} cells | {mb / peaks[0]:.2f} of the first | {mb:.0f} MB |")


if __name__ == "__main__":
    main()
