"""A run that is stopped goes on to the dataset of one that was not."""

import json
import logging
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import numpy as np
import pytest
from fakes import Hasher, Writer
from paths import TESTS
from store_runs import run, start

import lwdstats as lwd
from lwdstats.simulate.llm.storing.journal import RunStoppedError

# Two models, four times, two replicates, two queries.
N_BATCHES = 2 * 4 * 2 * 2


@pytest.fixture(scope="module")
def whole():
    return run()


def same(ds, expected):
    """All texts, numbers and attributes, but for when it was made."""
    kept = {"created": expected.attrs["created"]}
    return ds.assign_attrs(kept).identical(expected)


def test_a_store_changes_nothing(whole, tmp_path):
    assert same(run(store=tmp_path / "run"), whole)
    assert same(run(), whole)


@pytest.mark.parametrize("web", ["memory", "lance"])
@pytest.mark.parametrize("kind", [KeyboardInterrupt, RuntimeError])
def test_stopped_at_any_call_it_goes_on_to_the_same(whole, tmp_path, kind, web):
    # Every third call, to be quick; both models stop now and then.
    for stop in range(0, N_BATCHES // 2, 3):
        store, error = tmp_path / f"{stop}", kind("the server is gone.")
        models = [Writer("a"), Writer("b", fail_at=stop, error=error)]
        if kind is KeyboardInterrupt:
            with pytest.raises(KeyboardInterrupt) as caught:
                run(models, store=store, web=web)
            said = caught.value.__notes__[0]
        else:
            with pytest.raises(RunStoppedError) as caught:
                run(models, store=store, web=web)
            assert caught.value.__cause__ is error
            said = str(caught.value)
            assert said.startswith("the server is gone. ")
        done = sum(model.calls for model in models)
        assert f"{done} of {N_BATCHES} batches are kept in {store}" in said
        again = [Writer("a"), Writer("b")]
        ds = run(again, store=store, web=web)
        assert same(ds, whole)
        assert [m.calls + n.calls for m, n in zip(models, again, strict=True)] == [16, 16]
        # Complete: no model is asked, no text embedded, and nothing differs at all.
        idle, hasher = Writer("a", fail_at=0, error=AssertionError("asked")), Hasher()
        assert run([idle, Writer("b")], hasher, store=store, web=web).identical(ds)
        assert hasher.texts == []


def test_stopped_before_anything_was_kept(whole, tmp_path, monkeypatch):
    def broken(self, texts):
        raise RuntimeError("no vectors")

    with monkeypatch.context() as patch:
        patch.setattr(Hasher, "embed", broken)
        with pytest.raises(RunStoppedError) as caught:
            run(store=tmp_path / "run")
    assert str(caught.value).startswith("no vectors. 0 of 32 batches are kept")
    assert same(run(store=tmp_path / "run"), whole)


def test_without_a_store_it_says_so():
    models = [Writer("a", fail_at=1, error=RuntimeError("gone"))]
    with pytest.raises(RunStoppedError, match=r"gone\. Nothing is kept of this run; with store="):
        run(models)


def test_a_store_keeps_its_seed(tmp_path):
    ds = run(seed=None, store=tmp_path / "run")
    assert run(seed=None, store=tmp_path / "run").identical(ds)
    with pytest.raises(lwd.InputError, match=r'made with another seed; .*now "5"'):
        run(store=tmp_path / "run")


@pytest.mark.parametrize("retrieval", ["uniform", "nearest"])
def test_a_store_from_before_scenarios_goes_on(tmp_path, retrieval):
    whole = run(retrieval=retrieval)
    broken = [Writer("a"), Writer("b", fail_at=5, error=RuntimeError("gone"))]
    with pytest.raises(RunStoppedError):
        run(broken, store=tmp_path / "run", retrieval=retrieval)
    db = sqlite3.connect(tmp_path / "run" / "journal.sqlite")
    with db:
        (held,) = db.execute("SELECT value FROM note WHERE name = 'spec'").fetchone()
        old = {name: value for name, value in json.loads(held).items() if name != "scenario"}
        text = json.dumps(old | {"retrieval": retrieval})
        db.execute("UPDATE note SET value = ? WHERE name = 'spec'", (text,))
    db.close()
    assert lwd.read_results(tmp_path / "run")["time"].values.tolist() == [0]
    assert same(run(store=tmp_path / "run", retrieval=retrieval), whole)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"n_steps": 4}, r"another n_steps; .*\(n_steps=3, now 4\)"),
        ({"beta": 0.4, "query": "Up?"}, r"another query, beta; .*beta=0.5, now 0.4\)"),
        ({"models": [Writer("b"), Writer("a")]}, "another models;"),
        ({"temperature": 0.5}, "another temperature;"),
        ({"retrieval": "nearest"}, "another scenario;"),
    ],
)
def test_another_spec_is_refused_with_what_differs(tmp_path, changes, said):
    run(store=tmp_path / "run")
    with pytest.raises(lwd.InputError, match=f"^store: got .*{said}"):
        run(store=tmp_path / "run", **changes)


def test_a_store_without_an_answer_takes_another_spec(whole, tmp_path):
    with pytest.raises(lwd.InputError, match="no such folder") as caught:
        run(["./none"], store=tmp_path / "run")
    assert "0 of 16 batches are kept" in caught.value.__notes__[0]
    assert same(run(store=tmp_path / "run"), whole)


def test_resume_false_refuses_what_is_there(whole, tmp_path):
    assert same(run(store=tmp_path / "run", resume=False), whole)
    with pytest.raises(lwd.InputError, match="holds a run, and resume=False"):
        run(store=tmp_path / "run", resume=False)
    with pytest.raises(lwd.InputError, match=r"^resume"):
        run(store=tmp_path / "run", resume="yes")


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(lwd.InputError, match="holds other files"):
        run(store=tmp_path)
    with pytest.raises(lwd.InputError, match=r"^web: got 'lance' without a store"):
        run(web="lance")


def test_a_damaged_store_is_refused(tmp_path):
    run(store=tmp_path / "run")
    path = tmp_path / "run" / "journal.sqlite"
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(lwd.InputError, match="takes an undamaged store"):
        run(store=tmp_path / "run")


@pytest.mark.parametrize("web", ["memory", "lance"])
def test_a_full_disk_stops_it_at_once_and_it_goes_on_later(tmp_path, web):
    own_mounts = ["unshare", "-Urm"]
    mount = [*own_mounts, "mount", "-t", "tmpfs", "none", tmp_path]
    if shutil.which("unshare") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs a disk of its own to fill")
    script = [*own_mounts, sys.executable, TESTS / "full_disk.py", web, tmp_path]
    done = subprocess.run(script, capture_output=True, text=True, cwd=TESTS)
    assert done.returncode == 0, done.stderr
    said, counted = done.stdout.splitlines()
    kept = int(said.split()[5])
    assert said.startswith(f"database or disk is full. {kept} of 26 batches are kept in {tmp_path}")
    assert 0 < kept < 26
    # Only the batch that found no room is asked for twice.
    assert counted == "27 calls"
    # Neither the log nor anything else adds to what is said.
    assert done.stderr == ""


def test_the_log_has_levels_and_says_what_was_done(tmp_path, caplog):
    models = [Writer("a"), Writer("b", fail_at=3, error=RuntimeError("gone"))]
    with caplog.at_level(logging.INFO, logger="lwdstats"), pytest.raises(RunStoppedError):
        run(models, store=tmp_path / "run")
    assert [record.levelname for record in caplog.records] == ["INFO"]
    run(store=tmp_path / "run")
    lines = (tmp_path / "run" / "log.txt").read_text().splitlines()
    levels = [line.split()[2] for line in lines]
    assert levels.count("DEBUG") == N_BATCHES
    assert levels.count("ERROR") == 1
    assert "complete: 32 batches" in lines[-1]
    assert not logging.getLogger("lwdstats").handlers


def test_other_versions_are_recorded(whole, tmp_path, monkeypatch):
    from lwdstats.simulate.llm import simulate_llm as llm

    store = tmp_path / "run"
    with pytest.raises(RunStoppedError):
        run([Writer("a"), Writer("b", fail_at=3, error=RuntimeError("gone"))], store=store)
    made = llm.backend
    monkeypatch.setattr(llm, "backend", lambda *used: {**made(*used), "torch": "0.0"})
    ds = run(store=store)
    assert ds.attrs["backend"] == whole.attrs["backend"]
    assert json.loads(ds.attrs["backend_resumed"])[0]["torch"] == "0.0"
    assert "going on under another torch" in (store / "log.txt").read_text()


def test_killed_processes_lose_nothing_that_was_kept(whole, tmp_path):
    store, rng = tmp_path / "run", np.random.default_rng(3)
    for _ in range(3):
        process = start(store, 0.02)
        process.stdout.readline()
        time.sleep(rng.uniform(0, 0.3))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    db = sqlite3.connect(store / "journal.sqlite")
    (kept,) = db.execute("SELECT count(*) FROM batch").fetchone()
    db.close()
    assert kept > 0
    models = [Writer("a"), Writer("b")]
    ds = run(models, store=store, web="lance")
    assert same(ds, whole)
    assert sum(model.calls for model in models) == N_BATCHES - kept


def test_a_second_process_is_refused(tmp_path):
    store = tmp_path / "run"
    process = start(store, 60)
    try:
        assert process.stdout.readline() == "asked\n"
        with pytest.raises(lwd.InputError, match=f"in use by process {process.pid}"):
            run(store=store)
    finally:
        process.kill()
        process.communicate()
    assert run(store=store).sizes["time"] == 4
