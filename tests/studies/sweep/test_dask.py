"""A sweep on a scheduler with two worker processes, one of which is killed on the way."""

import contextlib
import os
import signal
import sqlite3
import threading
import time

import joblib
import pandas as pd
import pytest

import lwdstats as lwd

BASE = {"simulator": "gmm", "n_steps": 5}
GRID = {"beta": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]}


def slow(ds):
    time.sleep(0.05)
    return ds["weight"].max()


def pid():
    return os.getpid()


def kept(file):
    with (
        contextlib.suppress(sqlite3.OperationalError),
        contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db,
    ):
        return db.execute("SELECT count(*) FROM run").fetchone()[0]
    return 0


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_sweep_outlives_a_worker_and_gives_the_same_frame(tmp_path):
    import dask
    from distributed import Client, LocalCluster

    how = {"replicates": 2, "measure": ["fnorm", slow], "seed": 3}
    alone = lwd.sweep(BASE, GRID, **how)
    options = {"distributed.worker.daemon": False, "distributed.admin.low-level-log-length": 0}
    with (
        dask.config.set(options),
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None,
            local_directory=str(tmp_path / "workers"), silence_logs=50,
        ) as cluster,
        Client(cluster) as client,
    ):  # fmt: skip
        workers = client.run(pid)
        assert len(workers) == 2

        def kill():
            # When some runs are kept, and others are not.
            while kept(file) < 4:
                time.sleep(0.02)
            os.kill(min(workers.values()), signal.SIGKILL)

        file = tmp_path / "store" / "sweep.sqlite"
        killer = threading.Thread(target=kill)
        killer.start()
        with joblib.parallel_config("dask"):
            found = lwd.sweep(BASE, GRID, store=tmp_path / "store", **how)
        killer.join()
        after = client.run(pid)
        assert min(workers.values()) not in after.values()
    pd.testing.assert_frame_equal(found.frame, alone.frame, check_exact=True)
    assert found.failures.empty
