"""Analyses at the size of public leaderboards, against an earlier version: seconds and memory.

Run: python benchmarks/speed/bench_scale.py [--against FOLDER] [--limit SECONDS] [--case NAME ...]
FOLDER holds another version of the package, as from
``git archive d04ac4f lwdstats | tar -x -C FOLDER``, the one before blocks of permutations.
Each case and version runs in a process of its own (Linux), which makes its data first. Told are the
processor time of the call, and the peak of resident memory during it beyond what was held before; a
version that takes longer than the limit is stopped.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from threadpoolctl import threadpool_limits

import lwdstats as lwd

Call = Callable[[], Any]


def dataset(
    seed: int = 1,
    *,
    model: int,
    replicate: int = 1,
    query: int = 1,
    response: int = 1,
    feature: int = 384,
    texts: int = 0,
) -> xr.Dataset:
    """Return answers of models of which half are alike; with `texts`, so many differ in a cell."""
    rng = np.random.default_rng(seed)
    shape = (1, model, replicate, query, response, feature)
    x = rng.normal(size=shape, scale=0.05).astype(np.float32)
    if texts:
        # Few different answers, and little between them, as of a model that is sure.
        kept = rng.integers(texts, size=shape[:-1])[..., None]
        x = np.take_along_axis(x, kept, axis=4) * np.float32(1e-3)
    x += rng.normal(size=(1, model, 1, 1, 1, feature)).astype(np.float32) * np.float32(0.01)
    x += rng.normal(size=(1, 1, 1, query, 1, feature)).astype(np.float32) * np.float32(0.05)
    dims = ("time", "model", "replicate", "query", "response", "feature")
    attributes = dict.fromkeys(("title", "Conventions", "lwdstats_version", "created"), "")
    coords: dict[str, Any] = {
        "time": [0],
        "model": [f"m{i:03d}" for i in range(model)],
        "query": [f"q{i:03d}" for i in range(query)],
        "family": ("model", [f"f{i % 9}" for i in range(model)]),
        "size": ("model", rng.lognormal(size=model)),
    }
    return xr.Dataset({"embedding": (dims, x)}, coords, {**attributes, "seed": "1", "spec": "{}"})


def large() -> xr.Dataset:
    return dataset(model=500, query=805)


def as_results() -> Call:
    array = large()["embedding"].transpose("time", "model", "replicate", "query", ...).values
    return lambda: lwd.as_results(array)


def written(*, read: bool) -> Call:
    path = Path(tempfile.mkdtemp()) / "large.nc"
    ds = large()
    if not read:
        return partial(lwd.write_results, ds, path)
    lwd.write_results(ds, path)
    del ds
    return lambda: lwd.read_results(path).load()


def dkps(aggregate: str = "mean") -> Call:
    ds = large()
    return lambda: lwd.dkps(ds, aggregate=aggregate)


def placed() -> Call:
    ds = large()
    fit, new = lwd.dkps(ds, k=4), ds.isel(model=slice(100))
    return lambda: fit.place(new)


def covariates() -> Call:
    ds = large()
    formula = "d ~ family + size"
    return lambda: lwd.adonis2(formula, ds, d=lwd.dist(ds)[0, 0], seed=1)


def questions(*, model: int, query: int, permutations: int) -> Call:
    ds = dataset(model=model, query=query)
    options = {"strata": "query", "permutations": permutations, "seed": 1}
    return lambda: lwd.adonis2("d ~ model", ds, **options)


def one_answer() -> Call:
    ds = large()
    return lambda: lwd.collapse_test(ds, seed=1)


def collapse(*, null: str = "given_prompts", **sizes: int) -> Call:
    ds = dataset(**sizes)
    return lambda: lwd.collapse_test(ds, null=null, seed=1)


def dispersion(*, texts: int = 0) -> Call:
    fit = lwd.betadisper(dataset(model=99, response=5, texts=texts), "model")
    return lambda: lwd.permutest(fit, seed=1)


def centres() -> Call:
    ds = dataset(model=99, response=5, texts=4)
    return lambda: lwd.betadisper(ds, "model")


def energy() -> Call:
    x = dataset(model=99, response=5)["embedding"].values.reshape(495, 384)
    return lambda: lwd.eqdist_etest(x, [5] * 99, seed=1)


CASES: dict[str, Callable[[], Call]] = {
    "`as_results`, 500 models x 805 queries x 384": as_results,
    "`write_results`, the same": lambda: written(read=False),
    "`read_results`, the same": lambda: written(read=True),
    "`dkps`, the same": dkps,
    '`dkps(aggregate="energy")`, the same': lambda: dkps("energy"),
    "`DKPS.place` of 100 models, the same": placed,
    "`adonis2` with covariates of models, the same": covariates,
    "`collapse_test`, one answer a question, the same": one_answer,
    "`adonis2` with strata, 15,000 answers, 99 permutations": lambda: questions(
        model=100, query=150, permutations=99
    ),
    "`adonis2` with strata, 45,000 answers, 99 permutations": lambda: questions(
        model=100, query=450, permutations=99
    ),
    "`permutest`, 99 groups of 5 answers": dispersion,
    "`permutest`, 99 groups of 5 answers, few of them distinct": lambda: dispersion(texts=4),
    "`betadisper`, the same": centres,
    "`eqdist_etest`, 99 samples of 5": energy,
    "`collapse_test`, 30 models x 100 queries x 5": lambda: collapse(
        model=30, query=100, response=5
    ),
    "`collapse_test`, 60 models x 150 queries x 5": lambda: collapse(
        model=60, query=150, response=5
    ),
    "`collapse_test`, 100 models x 300 queries x 5": lambda: collapse(
        model=100, query=300, response=5
    ),
    '`collapse_test(null="model")`, 64 models x 100 replicates': lambda: collapse(
        null="model", model=64, replicate=100, response=5
    ),
}


def megabytes(name: str) -> float:
    """Return a figure of this process's memory, as the kernel has it."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise SystemExit(f"no {name} in /proc/self/status")


def child(case: str) -> None:
    with threadpool_limits(1):
        call = CASES[case]()
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        before, start = megabytes("VmRSS"), time.process_time()
        call()
        took = time.process_time() - start
    print(f"{took} {megabytes('VmHWM') - before} {megabytes('VmHWM')}")


def measured(case: str, folder: str | None, limit: float) -> tuple[float, float, float] | str:
    """Return seconds, megabytes that came on top and in all, or why there are none."""
    where = {} if folder is None else {"PYTHONPATH": folder}
    command = [sys.executable, __file__, "--child", case]
    environment = {**os.environ, **where, "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=limit
        )
    except subprocess.TimeoutExpired:
        return f"over {limit:.0f}"
    if done.returncode:
        return "killed" if done.returncode < 0 else "refused"
    took, more, peak = (float(word) for word in done.stdout.split())
    return took, more, peak


def shown(row: tuple[float, float, float] | str) -> tuple[str, str]:
    if isinstance(row, str):
        return row, ""
    return f"{row[0]:.2f}", f"+{row[1]:,.0f} ({row[2]:,.0f})"


def main() -> None:
    parser = argparse.ArgumentParser(description="analyses of many models and questions")
    parser.add_argument("--against", help="a folder with another version of the package")
    parser.add_argument("--limit", type=float, default=400.0, help="seconds, data included")
    parser.add_argument("--case", nargs="*", default=[], help="rows that contain one of these")
    parser.add_argument("--child")
    options = parser.parse_args()
    if options.child:
        child(options.child)
        return
    print("| case | before, s | MB | now, s | MB more (peak) | ratio |")
    print("| --- | --- | --- | --- | --- | --- |")
    for case in CASES:
        if options.case and not any(part in case for part in options.case):
            continue
        now = measured(case, None, options.limit)
        before = measured(case, options.against, options.limit) if options.against else ""
        ratio = ""
        if not isinstance(now, str) and not isinstance(before, str):
            ratio = f"{before[0] / now[0]:.1f}"
        cells = [case, *shown(before), *shown(now), ratio]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
