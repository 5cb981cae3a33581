"""`kill -9` at random moments of a sweep from its file: nothing is lost, nothing changes.

The command is killed, with the workers that it has started, and given again until it has been
killed as often as asked; then it is let end. With --dask the sweep runs on a scheduler and two
worker processes, which are killed with it. The frame must be that of a sweep that nobody stopped
and one process ran, to the bit.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import lwdstats as lwd
from lwdstats.cli.sweep import read_sweep_file

FILE = Path(__file__).parents[2] / "data" / "sweeps" / "collapse.toml"


def on_dask(file: Path, store: Path, output: Path) -> None:
    """Run a sweep on two worker processes of a scheduler."""
    import joblib
    from distributed import Client, LocalCluster

    base, grid, how = read_sweep_file(file)
    options: dict[str, Any] = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with (
        LocalCluster(**options) as cluster,
        Client(cluster),
        joblib.parallel_config("dask"),
    ):
        lwd.sweep(base, grid, **how, store=store).write(output)


def kept(store: Path) -> int:
    with (
        contextlib.suppress(sqlite3.OperationalError),
        contextlib.closing(sqlite3.connect(f"file:{store}/sweep.sqlite?mode=ro", uri=True)) as db,
    ):
        return db.execute("SELECT count(*) FROM run").fetchone()[0]
    return 0


def start(given: argparse.Namespace, store: Path, output: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, __file__, "--child", str(store), str(output)]
    command += ["--file", str(given.file)]
    if not given.dask:
        command = [sys.executable, "-m", "lwdstats.cli.main", "sweep", str(given.file)]
        command += ["--store", str(store), "-o", str(output), "--n-jobs", "2"]
    # A group of its own, so that its workers are killed with it.
    return subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--file", type=Path, default=FILE)
    parser.add_argument("--dask", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--child", nargs=2, type=Path)
    given = parser.parse_args()
    if given.child:
        on_dask(given.file, *given.child)
        return
    rng = np.random.default_rng(given.seed)
    base, grid, how = read_sweep_file(given.file)
    expected = lwd.sweep(base, grid, **how)
    runs = len(expected.frame)
    kills, before, sizes = 0, 0, []
    with tempfile.TemporaryDirectory() as scratch:
        store, output = Path(scratch) / "store", Path(scratch) / "frame.parquet"
        while kills < given.kills:
            known = kept(store)
            process = start(given, store, output)
            # At a random moment of the way from here to the end, as there are kills left.
            most = known + (runs - known) / (given.kills - kills)
            until = rng.uniform(known - 0.2 * (most - known), most)
            if until < known:
                time.sleep(rng.uniform(0, 2))  # while it starts
            while process.poll() is None and kept(store) < until:
                time.sleep(0.01)
            if process.poll() is not None:
                break
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
            before += kept(store) == known
            sizes.append(kept(store))
        while not output.exists():
            start(given, store, output).wait()
        found = lwd.read_sweep(output)
    pd.testing.assert_frame_equal(found.frame, expected.frame, check_exact=True)
    where = "two Dask workers" if given.dask else "two processes (loky)"
    print("| where | runs | kills | before a run was kept | runs kept at the kills |")
    print("| --- | --- | --- | --- | --- |")
    print(f"| {where} | {runs} | {kills} | {before} | {', '.join(map(str, sizes))} |")
    print("The frame was that of a sweep that nobody stopped, to the bit.")


if __name__ == "__main__":
    main()
