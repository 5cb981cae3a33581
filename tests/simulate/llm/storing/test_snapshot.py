"""A run under way is looked at: whole steps, whoever writes meanwhile, and nothing is disturbed."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import warnings

import pytest
from fakes import Hasher, Writer
from paths import TESTS
from store_runs import run, start
from typer.testing import CliRunner

import lwdstats as lwd
from lwdstats.cli.main import app
from lwdstats.dataset.schema import spec_of, validate
from lwdstats.simulate.llm.storing import snapshot
from lwdstats.simulate.llm.storing.journal import RunStoppedError

PER_STEP = 2 * 2 * 2  # models, replicates, queries


class Short(Hasher):
    """Reads 30 characters, so that it cuts some answers and not others."""

    reads = "30 characters"

    def too_long(self, texts):
        return [len(text) > 30 for text in texts]


def stopped(store, n_batches, **changes):
    """A run that breaks down when that many batches are kept."""
    models = [Writer("a"), Writer("b")]
    left = [n_batches]
    for model in models:
        generate = model.generate

        def limited(*asked, generate=generate, **options):
            if not left[0]:
                raise RuntimeError("gone")
            left[0] -= 1
            return generate(*asked, **options)

        model.generate = limited
    with pytest.raises(RunStoppedError):
        run(models, store=store, **changes)
    return store


def same(shown, expected):
    """All variables, coordinates and attributes, but for when and what of it was asked for."""
    drop = ("created", "spec", "unfinished")
    shown, expected = (
        ds.assign_attrs({k: None for k in drop if k in ds.attrs}) for ds in (shown, expected)
    )
    for name in drop:
        shown.attrs.pop(name, None)
        expected.attrs.pop(name, None)
    return shown.identical(expected)


@pytest.mark.parametrize("embedder", [Hasher, Short])
@pytest.mark.parametrize("n_batches", [PER_STEP, PER_STEP + 1, 2 * PER_STEP - 1, 3 * PER_STEP + 5])
def test_a_stopped_run_shows_the_run_of_its_whole_steps(tmp_path, n_batches, embedder):
    store = stopped(tmp_path / "run", n_batches, embedder=embedder())
    shown = lwd.read_results(store)
    last = n_batches // PER_STEP - 1
    assert shown.attrs["unfinished"] == f"t = 0..{last} of 3; stopped"
    assert spec_of(shown)["n_steps"] == 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        shorter = run(embedder=embedder(), n_steps=last)
        assert same(shown, shorter)
        # A selection of the finished file has the same answers and reads the same.
        whole = run(embedder=embedder(), store=store)
    assert same(lwd.read_results(store), whole)
    for name in ("embedding", "text", "text_raw", "n_web", "synthetic_share"):
        assert shown[name].equals(whole[name].isel(time=slice(last + 1)))
    posts = whole["post_text"].isel(post=slice(shown.sizes["post"]))
    assert shown["post_text"].equals(posts)


def test_a_store_of_a_complete_run_is_its_dataset(tmp_path):
    ds = run(store=tmp_path / "run")
    assert lwd.read_results(tmp_path / "run").identical(ds)
    assert "Unfinished" not in str(lwd.summary(ds))


@pytest.mark.parametrize("n_batches", [0, 1, PER_STEP - 1])
def test_without_a_whole_step_there_is_nothing_to_show(tmp_path, n_batches):
    store = stopped(tmp_path / "run", n_batches)
    with pytest.raises(lwd.InputError, match=f"{n_batches} of {PER_STEP} batches of its first"):
        lwd.read_results(store)


def test_a_store_that_has_not_begun_or_is_damaged(tmp_path):
    with pytest.raises(lwd.InputError):
        run(["./none"], store=tmp_path / "run")
    with pytest.raises(lwd.InputError, match="has not begun"):
        lwd.read_results(tmp_path / "run")
    (tmp_path / "run" / "journal.sqlite").write_bytes(b"")
    with pytest.raises(lwd.InputError, match="has not begun"):
        lwd.read_results(tmp_path / "run")
    (tmp_path / "run" / "journal.sqlite").write_bytes(b"not a database" * 1000)
    with pytest.raises(lwd.InputError, match="takes an undamaged store"):
        lwd.read_results(tmp_path / "run")
    with pytest.raises(lwd.InputError, match="a folder"):
        lwd.read_results(tmp_path)


def test_a_run_is_watched_while_another_process_writes(tmp_path):
    whole = run()
    store, shown, errors = tmp_path / "run", [], []
    process = start(store, 0.02)
    process.stdout.readline()

    def watch():
        while process.poll() is None:
            try:
                shown.append(lwd.read_results(store))
            except lwd.InputError as error:
                errors.append(str(error))

    watchers = [threading.Thread(target=watch) for _ in range(2)]
    for watcher in watchers:
        watcher.start()
    out, _ = process.communicate()
    for watcher in watchers:
        watcher.join()
    assert process.returncode == 0
    assert out.count("asked") == 31
    assert all("first step" in error or "not begun" in error for error in errors)
    running = [ds for ds in shown if "still running" in ds.attrs.get("unfinished", "")]
    assert len(running) > 2
    for ds in shown:
        assert ds["text"].equals(whole["text"].isel(time=slice(ds.sizes["time"])))
    lengths = [ds.sizes["time"] for ds in shown]
    assert max(lengths) == 4 or max(lengths) == 3


def test_whoever_writes_without_a_pause_is_read_all_the_same(tmp_path, monkeypatch):
    store = stopped(tmp_path / "run", 2 * PER_STEP)
    monkeypatch.setattr(snapshot, "_PATIENCE", 0.2)
    db = sqlite3.connect(store / "journal.sqlite", isolation_level=None, check_same_thread=False)
    # Larger than what is read at a time.
    db.execute("INSERT INTO note VALUES ('large', zeroblob(2000000))")
    over = threading.Event()

    def write():
        for i in range(10**6):
            if over.is_set():
                break
            db.execute("INSERT OR REPLACE INTO note VALUES ('n', ?)", (i,))

    writer = threading.Thread(target=write)
    writer.start()
    begun = time.monotonic()
    try:
        assert lwd.read_results(store).sizes["time"] == 2
    finally:
        over.set()
        writer.join()
        db.close()
    assert time.monotonic() - begun < 10


# Killed in a transaction that has begun to change the file.
TORN = """
import os, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA cache_size = 1")
db.execute("BEGIN IMMEDIATE")
db.execute("DELETE FROM batch WHERE time = 1")
for i in range(200):
    db.execute("INSERT INTO note VALUES (?, zeroblob(5000))", (f"torn {i}",))
os._exit(9)
"""


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_torn_record_is_undone_in_a_copy(tmp_path):
    store = stopped(tmp_path / "run", 2 * PER_STEP + 3)
    before = lwd.read_results(store)
    path = store / "journal.sqlite"
    assert subprocess.run([sys.executable, "-c", TORN, str(path)]).returncode == 9
    torn = contents(store)
    assert "journal.sqlite-journal" in torn
    assert lwd.read_results(store).identical(before)
    assert contents(store) == torn
    assert same(run(store=store), run())


def test_looking_changes_nothing_and_keeps_nobody_out(tmp_path):
    store = stopped(tmp_path / "run", PER_STEP + 2)
    before = contents(store)
    lwd.read_results(store)
    assert contents(store) == before
    # A look at the lock at the moment at which a run begins is waited for.
    with (store / "lock").open() as file:
        assert snapshot.take_lock(file.fileno(), shared=True)
        timer = threading.Timer(0.05, lambda: file.close() if not file.closed else None)
        timer.start()
        assert same(run(store=store), run())
        timer.join()


def test_a_killed_run_is_said_to_have_stopped(tmp_path):
    store = tmp_path / "run"
    process = start(store, 0.05)
    while True:
        time.sleep(0.05)
        try:
            shown = lwd.read_results(store)
        except lwd.InputError:
            continue
        break
    assert shown.attrs["unfinished"].endswith("; still running")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert lwd.read_results(store).attrs["unfinished"].endswith("; stopped")


def test_a_store_of_before_is_read(tmp_path):
    store = shutil.copytree(TESTS / "v0.1" / "stopped", tmp_path / "stopped")
    before = contents(store)
    shown = lwd.read_results(store)
    assert contents(store) == before
    assert shown.attrs["unfinished"] == "t = 0..0 of 3; stopped"
    # It has no date, and is not given that of today.
    assert "date" not in spec_of(shown)


def test_no_model_is_loaded(tmp_path):
    store = stopped(tmp_path / "run", PER_STEP)
    code = (
        "import sys, lwdstats as lwd; str(lwd.summary(lwd.read_results(sys.argv[1])));"
        "heavy = ['torch', 'transformers', 'sentence_transformers', 'openai', 'lancedb'];"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(store)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_what_takes_a_dataset_takes_an_unfinished_one(tmp_path):
    shown = lwd.read_results(stopped(tmp_path / "run", 3 * PER_STEP))
    assert validate(shown) is shown
    assert lwd.fnorm(shown).sizes["time"] == 3
    path = lwd.write_results(shown, tmp_path / "run.nc")
    assert lwd.read_results(path).identical(shown)
    lines = str(lwd.summary(shown)).splitlines()
    assert "Unfinished  t = 0..2 of 3; stopped" in lines
    assert lwd.prompt_of(shown, 2, "b").posts
    # The specification is that of the whole run.
    assert spec_of(shown) == json.loads(run().attrs["spec"]) | {"date": spec_of(shown)["date"]}


def test_unfinished_runs_are_combined_where_they_end_together(tmp_path):
    shorter = stopped(tmp_path / "a", PER_STEP)
    longer = [stopped(tmp_path / str(seed), 2 * PER_STEP, seed=seed) for seed in (6, 7)]
    both = lwd.combine([lwd.read_results(store) for store in longer])
    assert both.sizes["replicate"] == 4
    assert both.attrs["unfinished"] == "t = 0..1 of 3; stopped"
    with pytest.raises(lwd.InputError, match="differ in time"):
        lwd.combine([lwd.read_results(store) for store in (shorter, longer[0])])
    with pytest.raises(lwd.InputError, match=r"\(the store of a run\).*read_results\(path\)"):
        lwd.combine(longer)


def test_commands_take_a_store(tmp_path, monkeypatch):
    store = stopped(tmp_path / "a.run", 2 * PER_STEP)
    runner = CliRunner()
    said = runner.invoke(app, ["summary", str(store)])
    assert said.exit_code == 0
    assert "Unfinished  t = 0..1 of 3; stopped" in said.output
    shown = runner.invoke(app, ["replay", str(store), "--time", "1", "--model", "b"])
    assert shown.exit_code == 0
    assert shown.stdout.strip() == lwd.prompt_of(lwd.read_results(store), 1, "b").user
    for given in (str(store), "."):
        monkeypatch.chdir(store)
        drawn = runner.invoke(app, ["plot", given, "--kind", "norm"])
        assert drawn.exit_code == 0, drawn.output
        picture = tmp_path / "a.run-norm.png"
        assert picture.is_file()
        picture.unlink()
    assert not list(store.glob("*.png"))
