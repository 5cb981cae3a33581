"""Sweeps against plain loops: rows, streams, what a store keeps, what fails."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from fakes import Hasher, Writer

import lwdstats as lwd

BASE = {"simulator": "gmm", "n_steps": 12, "n_responses": 2, "step_size": "1/(k + 1)"}
GRID = {"beta": [0.3, 0.9], "scenario.keep": ["all", "last"]}
ranging = []


def counted(ds):
    """A measure that tells what it was asked for."""
    ranging.append(int(ds["replicate"].item()))
    return float(ds["weight"].sel(time=12).max())


@pytest.fixture(autouse=True)
def _none_counted():
    ranging.clear()


def test_rows_are_those_of_a_loop():
    found = lwd.sweep(BASE, GRID, replicates=3, seed=7)
    rows = []
    for cell, (beta, keep) in enumerate((b, k) for b in (0.3, 0.9) for k in ("all", "last")):
        arguments = BASE | {"beta": beta, "scenario": {"keep": keep}, "replicates": 3, "seed": 7}
        norm = lwd.fnorm(lwd.run_spec(arguments)).sel(time=12)
        rows += [(beta, keep, cell, r, float(norm.sel(replicate=r))) for r in range(3)]
    assert found.frame.astype(object).to_numpy().tolist() == [list(row) for row in rows]
    assert found.frame.columns.tolist() == ["beta", "keep", "cell", "replicate", "fnorm"]


@pytest.mark.parametrize(
    "options", [{"replicates": [2, 0]}, pytest.param({"n_jobs": 2}, marks=pytest.mark.long)]
)
def test_a_run_depends_on_neither_order_nor_jobs_nor_company(options):
    measure = {"fnorm": {"time": "all"}, "diversity": {}, "collapse_time": {"threshold": 0.3}}
    how = {"measure": measure, "seed": 3, "replicates": 4}
    whole = lwd.sweep(BASE, GRID, **how).frame
    turned = {name: values[::-1] for name, values in reversed(GRID.items())}
    other = lwd.sweep(BASE, turned, **how | options).frame
    keys = ["beta", "keep", "replicate", "time"]
    columns = [name for name in whole if name != "cell"]
    for frame in (whole, other):
        frame["keep"] = frame["keep"].astype(str)
    ours = whole[whole["replicate"].isin(other["replicate"])].sort_values(keys)[columns]
    theirs = other.sort_values(keys)[columns]
    pd.testing.assert_frame_equal(
        ours.reset_index(drop=True), theirs.reset_index(drop=True), check_exact=True
    )


def start(ds):
    return ds["weight"].isel(time=0, model=0, component=0)


@pytest.mark.parametrize("common", [True, False])
def test_cells_share_their_streams_if_asked(common):
    found = lwd.sweep(BASE, GRID, replicates=5, measure=start, seed=1, common_streams=common)
    values = found.frame.pivot_table("start", "replicate", "cell").to_numpy()
    assert len(np.unique(values)) == (5 if common else 20)
    assert (values == values[:, :1]).all() == common
    assert found.cluster == ("replicate" if common else None)


def test_a_changed_grid_runs_only_what_is_new(tmp_path):
    how = {"measure": counted, "store": tmp_path / "s", "seed": 1}
    first = lwd.sweep(BASE, {"beta": [0.3]}, replicates=2, **how)
    assert ranging == [0, 1]
    lwd.sweep(BASE, {"beta": [0.3, 0.6]}, replicates=2, **how)
    assert ranging == [0, 1] * 2
    more = lwd.sweep(BASE, {"beta": [0.6, 0.3]}, replicates=3, **how)
    assert ranging == [0, 1, 0, 1, 2, 2]
    again = more.frame[(more.frame["beta"] == 0.3) & (more.frame["replicate"] < 2)]
    assert again["counted"].tolist() == first.frame["counted"].tolist()


def test_a_store_remembers_the_seed_that_was_drawn(tmp_path):
    first = lwd.sweep(BASE, {"beta": [0.3]}, store=tmp_path / "s")
    again = lwd.sweep(BASE, {"beta": [0.3, 0.5]}, store=tmp_path / "s")
    assert again.seed == first.seed
    assert again.frame["fnorm"][0] == first.frame["fnorm"][0]


def test_another_measure_is_measured_anew_and_the_first_is_kept(tmp_path):
    for measure, n in ((counted, 1), ("diversity", 1), (counted, 1), ([counted, "fnorm"], 2)):
        lwd.sweep(BASE, {}, measure=measure, store=tmp_path / "s", seed=1)
        assert len(ranging) == n


def breaks(ds):
    if int(ds["replicate"].item()) == 1 and float(ds["n_retrieved"][-1]) < 20:
        raise ValueError("what is wrong")
    return 1.0


def test_a_run_that_fails_is_recorded_and_the_others_go_on(tmp_path):
    how = {"replicates": 3, "measure": breaks, "store": tmp_path / "s", "seed": 1}
    for _ in range(2):
        with pytest.warns(UserWarning, match="1 of 6 runs failed"):
            found = lwd.sweep(BASE, {"beta": [0.1, 0.9]}, **how)
        assert len(found.frame) == 5
        reason = {"beta": 0.1, "cell": 0, "replicate": 1, "reason": "ValueError: what is wrong"}
        assert found.failures.to_dict("records") == [reason]
    assert "1 runs failed" not in str(lwd.sweep(BASE, {"beta": [0.9]}, **how))


def sometimes(ds):
    if os.environ.get("SWEEP_BREAKS"):
        raise OSError("gone")
    return 1.0


def test_failures_run_again_when_asked(tmp_path, monkeypatch):
    how = {"measure": sometimes, "store": tmp_path / "s", "seed": 1}
    monkeypatch.setenv("SWEEP_BREAKS", "1")
    with pytest.warns(UserWarning, match="OSError: gone"):
        lwd.sweep(BASE, {}, **how)
    monkeypatch.delenv("SWEEP_BREAKS")
    with pytest.warns(UserWarning, match="OSError: gone"):
        lwd.sweep(BASE, {}, **how)
    assert lwd.sweep(BASE, {}, retry=True, **how).frame["sometimes"].tolist() == [1.0]


def test_levels_that_do_not_go_together_are_failures_unless_all_are():
    grid = {"scenario.keep": ["all", "last"], "scenario.real_weight": [0.5]}
    base = BASE | {"initial_points": [0.0, 1.0], "update": "refit"}
    with pytest.warns(UserWarning, match="real_weight: got 0.5 with keep"):
        found = lwd.sweep(base, grid, replicates=2, seed=1)
    assert found.failures["keep"].tolist() == ["last"] * 2
    assert found.frame["keep"].tolist() == ["all"] * 2
    with pytest.raises(lwd.InputError, match="real_weight"):
        lwd.sweep(base, grid | {"scenario.keep": ["last"]})


def test_an_interrupted_sweep_goes_on(tmp_path):
    told = []

    def interrupted(ds):
        if len(ranging) == 3 and not told:
            told.append(True)
            raise KeyboardInterrupt
        return counted(ds)

    how = {"replicates": 2, "measure": interrupted, "store": tmp_path / "s", "seed": 1}
    with pytest.raises(KeyboardInterrupt) as error:
        lwd.sweep(BASE, GRID, **how)
    assert "the same call goes on" in error.value.__notes__[0]
    found = lwd.sweep(BASE, GRID, **how)
    # A cell whose second run was cut off begins anew.
    assert ranging == [0, 1] + [0] + [0, 1] * 3
    whole = lwd.sweep(BASE, GRID, **how | {"store": None, "measure": {"interrupted": counted}})
    pd.testing.assert_frame_equal(found.frame, whole.frame, check_exact=True)


def test_a_store_is_used_by_one_process_and_holds_nothing_else(tmp_path):
    from lwdstats.studies.sweep.store import SweepStore

    with SweepStore(tmp_path / "s"), pytest.raises(lwd.InputError, match="in use by process"):
        lwd.sweep(BASE, {}, store=tmp_path / "s")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("dear")
    with pytest.raises(lwd.InputError, match="holds other files"):
        lwd.sweep(BASE, {}, store=tmp_path / "other")
    (tmp_path / "s" / "sweep.sqlite").write_bytes(b"no database" * 999)
    with pytest.raises(lwd.InputError, match="undamaged"):
        lwd.sweep(BASE, {}, store=tmp_path / "s")


CHILD = """
import sys, time, lwdstats as lwd
def slow(ds):
    time.sleep(0.05)
    return float(ds["weight"].max())
base = {"simulator": "gmm", "n_steps": 5}
grid = {"beta": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]}
found = lwd.sweep(base, grid, replicates=2, measure=slow, store=sys.argv[1], seed=4)
found.frame.to_pickle(sys.argv[2])
"""


@pytest.mark.long
def test_a_sweep_that_is_killed_goes_on_to_the_same_frame(tmp_path):
    script = tmp_path / "child.py"
    script.write_text(CHILD)

    def run(store):
        return subprocess.Popen([sys.executable, str(script), str(store), str(tmp_path / "frame")])

    assert run(tmp_path / "whole").wait() == 0
    whole = pd.read_pickle(tmp_path / "frame")  # noqa: S301
    (tmp_path / "frame").unlink()
    child = run(tmp_path / "s")
    file = tmp_path / "s" / "sweep.sqlite"
    while not file.exists() or file.stat().st_size == 0:
        time.sleep(0.01)
    time.sleep(0.3)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert not (tmp_path / "frame").exists()
    assert run(tmp_path / "s").wait() == 0
    found = pd.read_pickle(tmp_path / "frame")  # noqa: S301
    pd.testing.assert_frame_equal(found, whole, check_exact=True)


def test_datasets_are_kept_if_asked(tmp_path):
    how = {"replicates": 2, "store": tmp_path / "s", "seed": 1}
    lwd.sweep(BASE, {"beta": [0.3]}, **how)
    found = lwd.sweep(BASE, {"beta": [0.3]}, keep="datasets", **how)
    (file,) = found.files
    ds = lwd.read_results(tmp_path / "s" / file)
    assert lwd.fnorm(ds).sel(time=12).values.tolist() == found.frame["fnorm"].tolist()


def test_language_models_are_swept_too(tmp_path):
    base = {
        "simulator": "llm", "models": {"a": Writer("a"), "b": Writer("b")}, "embedder": Hasher(),
        "posts": ["one", "two", "three"], "n_steps": 3, "n_responses": 2,
    }  # fmt: skip
    grid = {"temperature": [0.5, 1.0], "beta": [0.4, 0.8]}
    measure = ["fnorm", "fnorm_debiased", "diversity", "distinct_n"]
    how = {"replicates": 2, "measure": measure, "store": tmp_path / "s", "seed": 1}
    found = lwd.sweep(base, grid, **how)
    assert found.frame.shape == (8, 4 + 4)
    assert not found.frame.isna().any(axis=None)
    # Answers are gone where the measures are kept, and nothing is asked again.
    assert list((tmp_path / "s" / "answers").iterdir()) == []
    calls = base["models"]["a"].calls
    again = lwd.sweep(base, grid, **how)
    assert base["models"]["a"].calls == calls
    pd.testing.assert_frame_equal(again.frame, found.frame, check_exact=True)


@pytest.mark.parametrize(
    ("base", "grid", "options", "argument"),
    [
        (3, {}, {}, "base"),
        ({"n_steps": 3}, {}, {}, "base: simulator"),
        (BASE | {"n_jobs": 2}, {}, {}, "base"),
        (BASE | {"nonsense": 2}, {}, {}, "nonsense"),
        (BASE, 3, {}, "grid"),
        (BASE, {"nonsense": [1]}, {}, "grid"),
        (BASE, {"scenario.nonsense": [1]}, {}, "grid"),
        (BASE, {"seed": [1]}, {}, "grid"),
        (BASE, {"beta": 0.5}, {}, "grid: beta"),
        (BASE, {"beta": []}, {}, "grid: beta"),
        (BASE, {"beta": [0.5, 0.5]}, {}, "grid: beta"),
        (BASE, {"regime": {"a": {"nonsense": 1}}}, {}, "grid"),
        (BASE, {}, {"replicates": 0}, "replicates"),
        (BASE, {}, {"measure": "nonsense"}, "measure"),
        (BASE, {}, {"measure": []}, "measure"),
        (BASE, {}, {"measure": ["fnorm", "fnorm"]}, "measure"),
        (BASE, {}, {"measure": {"fnorm": {"nonsense": 1}}}, "measure: fnorm"),
        (BASE, {}, {"measure": "collapse_time"}, "measure: collapse_time"),
        (BASE, {}, {"measure": {"fnorm": {"time": "later"}}}, "measure: fnorm: time"),
        (BASE, {}, {"keep": "datasets"}, "keep"),
        (BASE, {}, {"keep": "all"}, "keep"),
        (BASE, {}, {"n_jobs": 0}, "n_jobs"),
        (BASE, {}, {"seed": -1}, "seed"),
        (BASE, {}, {"common_streams": 1}, "common_streams"),
        (BASE, {}, {"retry": 1}, "retry"),
        (BASE, {}, {"store": 1}, "store"),
        (BASE | {"initial_weights": np.full((1, 3, 2), 0.5)}, {}, {}, "initial_weights"),
    ],
)
def test_what_can_not_be_used_is_named_before_work_starts(base, grid, options, argument):
    with pytest.raises(lwd.InputError) as error:
        lwd.sweep(base, grid, **options)
    assert error.value.argument == argument
