"""The command that runs a sweep."""

import pytest
from paths import ROOT
from typer.testing import CliRunner

import lwdstats as lwd
from lwdstats.cli.main import app

FILE = """
replicates = 2
seed = 3
[base]
simulator = "gmm"
n_steps = 5
[grid]
beta = [0.3, 0.9]
[measure.fnorm]
time = [2, 5]
"""


def run(*arguments):
    return CliRunner().invoke(app, ["sweep", *map(str, arguments), "--n-jobs", "1"])


def test_a_file_is_run_and_goes_on(tmp_path):
    (tmp_path / "sweep.toml").write_text(FILE)
    store, output = tmp_path / "store", tmp_path / "rows.parquet"
    done = run(tmp_path / "sweep.toml", "--store", store, "-o", output)
    assert done.exit_code == 0, done.output
    assert done.output.startswith("Sweep of 2 cells by 2 replicates: 4 runs")
    expected = lwd.sweep(
        {"simulator": "gmm", "n_steps": 5}, {"beta": [0.3, 0.9]}, replicates=2, seed=3,
        measure={"fnorm": {"time": [2, 5]}},
    )  # fmt: skip
    assert lwd.read_sweep(output).frame.equals(expected.frame)
    planned = run(tmp_path / "sweep.toml", "--store", store, "--replicates", 3, "--plan")
    assert planned.output.startswith("Plan of 2 cells, 6 runs: 2 to do\nAbout ")


def test_a_base_in_another_file_and_a_design(tmp_path):
    (tmp_path / "base.toml").write_text('simulator = "gmm"\nn_steps = 4\n')
    text = 'base = "base.toml"\nseed = 1\n[design]\nn = 3\nseed = 2\n[design.ranges]\n'
    (tmp_path / "sweep.toml").write_text(text + "beta = [0.2, 0.9]\n")
    done = run(tmp_path / "sweep.toml")
    assert "Factors   beta (3), a design" in done.output
    cells = lwd.design({"beta": [0.2, 0.9]}, 3, seed=2)
    expected = lwd.sweep({"simulator": "gmm", "n_steps": 4}, cells, seed=1)
    assert done.output == f"{expected}\n"


@pytest.mark.parametrize(
    ("text", "argument"),
    [
        ("nonsense", "file"),
        ("other = 1", "file"),
        ("seed = 1", "file"),
        ("[grid]\nbeta=[1.0]", "base"),
        ("[design]\nn=3", "design"),
        (FILE.replace("fnorm", "other"), "measure"),
    ],
)
def test_what_a_file_can_not_be_is_named(tmp_path, text, argument):
    (tmp_path / "sweep.toml").write_text(text)
    done = run(tmp_path / "sweep.toml")
    assert done.exception.argument == argument


def test_the_output_is_checked_before_the_work(tmp_path):
    (tmp_path / "sweep.toml").write_text(FILE)
    for output in ("rows.xlsx", "nowhere/rows.nc"):
        assert run(tmp_path / "sweep.toml", "-o", tmp_path / output).exception.argument == "output"


@pytest.mark.parametrize(("name", "cells"), [("collapse", 36), ("llm", 4)])
def test_committed_sweeps_are_as_they_say(name, cells):
    from lwdstats.cli.sweep import read_sweep_file
    from lwdstats.studies.sweep.grid import read_grid

    base, grid, how = read_sweep_file(ROOT / "data" / "sweeps" / f"{name}.toml")
    assert len(read_grid(grid, base["simulator"]).points) == cells
    assert how["replicates"] == (20 if name == "collapse" else 2)
