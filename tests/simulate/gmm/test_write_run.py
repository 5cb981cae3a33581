"""A run that is written as it goes is the run in memory, and what a killed one leaves is read."""

import json
import signal
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

import lwdstats as lwd
from lwdstats.dataset.growing_file import GrowingFile

pytest.importorskip("dask.array")
RECORDED = {"n_steps": 10, "record": 3, "seed": 5}
RUNS = {
    "paper": {"n_models": 7, "n_components": 3, "n_steps": 8, "replicates": [4, 1], "n_jobs": 2},
    "initial points": {
        "n_models": 3,
        "means": [[0, 0], [6, 1]],
        "initial_points": [[0.1, 0], [5, 1], [0, 0.2], [6, 1]],
        "record": [2, 5],
    },
    "gaussian": {"n_models": 30, "n_components": 11, "engine": "gaussian", "replicates": 2},
    "lost components": {"n_models": 30, "engine": "gaussian", "threshold": 0},
    "window": {
        "n_models": 20,
        "engine": "gaussian",
        "scenario": {"keep": ("last", 3), "fresh": 4, "posts": "after update"},
    },
    "noise and fresh posts": {
        "initial_points": [-5.0, 5, -4.5, 5.5],
        "scenario": {"fresh": 3, "noise": 0.1, "read_real": 0.3},
    },
    "reservoir": {"scenario": {"keep": ("reservoir", 30), "silent": (1,)}, "replicates": 2},
    "a ring later": {
        "n_models": 4,
        "scenario": {"readers": {0: np.ones((4, 4)).tolist(), 4: "ring"}, "keep": ("last", 2)},
    },
    "anchors": {"scenario": {"anchors": (0.2, [0.5, 0.5])}},
    "refit": {"update": "refit"},
    "means": {"n_models": 5, "moving": "mean", "replicates": 2},
    "covariances": {
        "means": [[0, 0], [6, 1]],
        "moving": ("mean", "covariance"),
        "scenario": {"keep": "last"},
    },
}


def same(found, expected):
    """Whether two datasets are identical, but for when they were made."""
    return found.assign_attrs(created="").identical(expected.assign_attrs(created=""))


@pytest.mark.parametrize("name", RUNS)
def test_the_file_is_the_dataset_in_memory(tmp_path, name):
    arguments = RECORDED | RUNS[name]
    whole = lwd.simulate_gmm(**arguments)
    written = lwd.simulate_gmm(**arguments, path=tmp_path / "run.nc")
    assert written["weight"].chunks
    assert same(lwd.read_results(tmp_path / "run.nc"), whole)
    assert same(written.compute(), whole)
    assert same(lwd.run_spec(written, path=tmp_path / "again.nc").compute(), whole)


def test_covariates_and_plain_xarray(tmp_path):
    known = {"family": ["ä", "b", ""], "open": [True, False, True], "size": [1.5, None, 3]}
    written = lwd.simulate_gmm(**RECORDED, covariates=known, path=tmp_path / "run.nc")
    whole = lwd.simulate_gmm(**RECORDED, covariates=known)
    assert same(written.compute(), whole)
    with xr.open_dataset(tmp_path / "run.nc") as plain:
        assert plain["family"].values.tolist() == ["ä", "b", ""]
        assert plain["open"].dtype == bool
        assert "unfinished" not in plain.attrs
        np.testing.assert_array_equal(plain["weight"], whole["weight"])


KILLED = """
import json, os, signal, sys
import lwdstats as lwd
from lwdstats.dataset.growing_file import GrowingFile

append = GrowingFile.append

def stopped(self, ds):
    if ds["time"].item() == 6:
        for name in ("time", "weight"):
            self._file[name][2:3] = ds[name].values
        os.kill(os.getpid(), signal.SIGKILL)
    append(self, ds)

GrowingFile.append = stopped
lwd.simulate_gmm(**json.loads(sys.argv[1]), path=sys.argv[2])
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows kills otherwise")
def test_a_killed_run_leaves_its_times(tmp_path):
    path = tmp_path / "run.nc"
    arguments = RECORDED | {"n_models": 2000, "engine": "gaussian"}
    command = [sys.executable, "-c", KILLED, json.dumps(arguments), str(path)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    left = lwd.read_results(path)
    assert left.attrs["unfinished"] == "t = 0..3 of 10; stopped or still running"
    assert "Unfinished" in str(lwd.summary(lwd.read_results(path, chunks={"time": 1})))
    whole = lwd.simulate_gmm(**arguments).isel(time=slice(2))
    xr.testing.assert_equal(left, whole)
    # What only the end tells is not known, and the file is not gone on with.
    with pytest.raises(lwd.InputError, match=r"path: got .*exists.*; takes a new file"):
        lwd.simulate_gmm(**arguments, path=path)


def test_an_error_says_what_was_written(tmp_path, monkeypatch):
    path, append = tmp_path / "run.nc", GrowingFile.append

    def full(self, ds):
        if ds["time"].item() == last:
            raise OSError("no space left")
        append(self, ds)

    monkeypatch.setattr(GrowingFile, "append", full)
    last = 6
    with pytest.raises(OSError, match="no space") as raised:
        lwd.simulate_gmm(**RECORDED, path=path)
    assert raised.value.__notes__ == [f"{path} holds t = 0..3 of 10; read_results reads it."]
    assert lwd.read_results(path)["time"].values.tolist() == [0, 3]
    path.unlink()
    last = 0
    with pytest.raises(OSError, match="no space"):
        lwd.simulate_gmm(**RECORDED, path=path)
    assert not path.exists()


def test_a_file_that_is_being_written_is_read(tmp_path, monkeypatch):
    path, append, seen = tmp_path / "run.nc", GrowingFile.append, []

    def watched(self, ds):
        append(self, ds)
        seen.append(lwd.read_results(path))

    monkeypatch.setattr(GrowingFile, "append", watched)
    lwd.simulate_gmm(**RECORDED | {"n_steps": 12}, path=path)
    assert [ds["time"].values[-1] for ds in seen] == [0, 3, 6, 9, 12]
    assert seen[-1].attrs["unfinished"] == "t = 0..12 of 12; stopped or still running"
    assert "unfinished" not in lwd.read_results(path).attrs


def test_places_are_refused_before_the_run(tmp_path):
    (tmp_path / "there.nc").write_text("mine")
    for path in (tmp_path, tmp_path / "there.nc", tmp_path / "no" / "run.nc", 3, "a\0.nc"):
        with pytest.raises(lwd.InputError, match="path: got"):
            lwd.simulate_gmm(10**6, 11, n_steps=10**6, engine="gaussian", path=path)
    assert (tmp_path / "there.nc").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1


def test_without_dask_a_path_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(lwd.InputError, match=r"path: .*lwdstats\[dask\]"):
        lwd.simulate_gmm(path=tmp_path / "run.nc")
    with pytest.raises(lwd.InputError, match=r"chunks: .*lwdstats\[dask\]"):
        lwd.read_results(tmp_path / "run.nc", chunks="auto")
    assert not list(tmp_path.iterdir())
