"""A network larger than memory: peak of resident memory and processor time, in memory and not.

Run: python benchmarks/reliability/large.py [--models N ...] [--folder FOLDER]
Each column is a process of its own (Linux). Told are the processor time of a row, and the peak of
resident memory while it ran, in which the interpreter, its libraries and what is held from before
are counted. FOLDER takes the files, 2 GB for a million models. "In memory" is the same without a
path, and analyses of the dataset that it returns; "as it goes" runs with a path, and then analyses
what ``read_results(path, chunks={"time": 1})`` gives.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl

import lwdstats as lwd

mpl.use("Agg")
ARGUMENTS: dict[str, Any] = {
    "n_components": 11,
    "engine": "gaussian",
    "seed": 1,
    "progress": False,
}
ANALYSES: dict[str, Callable[[Any], Any]] = {
    "fnorm": lwd.fnorm,
    "diversity": lwd.diversity,
    "drift": lwd.drift,
    "inner_diversity": lwd.inner_diversity,
    "dist, of 200 models": lambda ds: lwd.dist(ds.isel(model=slice(200))),
    "summary": lwd.summary,
    "plot_norm": lwd.plot_norm,
}
SIMULATE = "simulate_gmm"


def measured(call: Callable[[], Any]) -> tuple[str, Any]:
    """Return the peak and the processor time of a call, and what it gives."""
    # The peak starts anew.
    Path("/proc/self/clear_refs").write_text("5")
    begin = time.process_time()
    found = call()
    seconds = time.process_time() - begin
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6
    return f"{peak:,.0f} MB, {seconds:.1f} s", found


def column(n: int, n_steps: int, path: Path | None) -> None:
    """Print what each row takes, a line each."""
    # What is compiled or imported at its first use is so before.
    small = lwd.simulate_gmm(5, n_steps=2, **ARGUMENTS)
    for analysis in ANALYSES.values():
        analysis(small)
    sizes = {"n_steps": n_steps, "record": n_steps // 20}
    said, ds = measured(lambda: lwd.simulate_gmm(n, **sizes, **ARGUMENTS, path=path))
    print(said, flush=True)
    for analysis in ANALYSES.values():
        print(measured(lambda analysis=analysis: analysis(ds))[0], flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--in-memory", type=int, default=100_000, help="most models in memory")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--one", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        n, *path = given.one
        column(int(n), given.steps, Path(path[0]) if path else None)
        return
    ways = [(n, way) for n in given.models for way in ("in memory", "as it goes")]
    ways = [(n, way) for n, way in ways if way == "as it goes" or n <= given.in_memory]
    columns, files = [], []
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        for n, way in ways:
            path = Path(folder) / f"{n}.nc"
            command = [sys.executable, __file__, "--steps", str(given.steps), "--one", str(n)]
            command += [str(path)] * (way == "as it goes")
            out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            columns.append(out.splitlines())
            if path.exists():
                files.append(f"{n:,} models {path.stat().st_size / 1e9:.2f} GB")
    print("| | " + " | ".join(f"{n:,} models, {way}" for n, way in ways) + " |")
    print("| --- |" + " ---: |" * len(ways))
    for row, name in enumerate((SIMULATE, *ANALYSES)):
        print(f"| `{name}` | " + " | ".join(cells[row] for cells in columns) + " |")
    print(f"\nT = {given.steps}, 21 kept times, B = 11, L = 3. Files: {', '.join(files)}.")


if __name__ == "__main__":
    main()
