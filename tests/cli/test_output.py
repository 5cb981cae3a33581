"""Where a command can't write it says so before the work; what ran is not lost."""

import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest
from paths import ROOT
from typer.testing import CliRunner

import lwdstats as lwd
from lwdstats.cli.main import app
from lwdstats.cli.output import check_writable, write_somewhere

RUN = ["simulate", "gmm", "--n-steps", "3", "--seed", "1", "--no-progress"]


@pytest.fixture
def run_file(tmp_path):
    return lwd.write_results(lwd.simulate_gmm(n_steps=3, seed=1), tmp_path / "run.nc")


@pytest.fixture
def places(tmp_path):
    """Where no file can be written, also by an administrator."""
    file = tmp_path / "file"
    file.write_text("kept")
    (tmp_path / "folder.nc").mkdir()
    return {
        "no such folder": tmp_path / "none" / "x.nc",
        "below a file": file / "x.nc",
        "a folder": tmp_path / "folder.nc",
        "a folder of the system": Path("/proc/x.nc"),
        "not a regular file": Path("/dev/full"),
        "File name too long": tmp_path / ("x" * 250 + ".nc"),
    }


@pytest.mark.parametrize("kind", ["no such folder", "below a file", "a folder",
                                  "a folder of the system", "not a regular file",
                                  "File name too long"])  # fmt: skip
@pytest.mark.parametrize("simulator", ["gmm", "llm"])
def test_a_run_that_could_not_be_written_does_not_begin(kind, simulator, places, monkeypatch):
    def begin(*args, **kwargs):
        raise AssertionError("work began")

    monkeypatch.setattr("lwdstats.simulate.specs.run_spec", begin)
    words = ["simulate", simulator, "-o", str(places[kind])]
    done = CliRunner().invoke(app, words)
    assert isinstance(done.exception, lwd.InputError)
    assert str(done.exception).startswith(f"output: got {places[kind]}"[:150])
    assert not list(places["a folder"].iterdir())
    assert places["below a file"].parent.read_text() == "kept"


def test_trying_leaves_nothing_and_changes_no_file(tmp_path):
    path = tmp_path / "x.nc"
    check_writable(path)
    assert list(tmp_path.iterdir()) == []
    path.write_text("before")
    check_writable(path)
    assert path.read_text() == "before"
    check_writable(tmp_path / "a" / "b", folder=True)
    assert (tmp_path / "a" / "b").is_dir()


@pytest.mark.parametrize("kind", ["below a file", "a folder of the system"])
def test_pictures_are_not_drawn_where_they_could_not_be_written(
    kind, places, run_file, monkeypatch
):
    def draw(*args, **kwargs):
        raise AssertionError("work began")

    monkeypatch.setattr("lwdstats.plots.plot_norm", draw)
    done = CliRunner().invoke(app, ["plot", str(run_file), "-o", str(places[kind])])
    assert isinstance(done.exception, lwd.InputError)
    assert done.exception.argument == "output"


@pytest.mark.long
def test_a_figure_script_says_it_in_one_line(places, run_file):
    command = [sys.executable, ROOT / "analysis" / "figure4.py"]
    for words in ([run_file, places["below a file"]], [run_file.parent / "none.nc", "."]):
        done = subprocess.run([*command, *words], capture_output=True, text=True)
        assert done.returncode == 1
        assert done.stderr.startswith("figure4.py: ")
        assert done.stderr.count("\n") == 1


def test_a_result_that_cannot_be_written_in_the_end_is_elsewhere(tmp_path, monkeypatch):
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(tmp_path)
    from lwdstats.simulate.gmm.simulate_gmm import simulate_gmm
    from lwdstats.simulate.specs import SIMULATORS

    def run(**arguments):
        ds = simulate_gmm(**arguments)
        place.rmdir()
        return ds

    monkeypatch.setitem(SIMULATORS, "gmm", run)
    run.__signature__ = inspect.signature(simulate_gmm)  # type: ignore[attr-defined]
    done = CliRunner().invoke(app, [*RUN, "-o", str(place / "x.nc")])
    assert done.exit_code == 1
    (kept,) = tmp_path.glob("lwdstats-*/x.nc")
    assert f"Error: {place / 'x.nc'} could not be written (path: got" in done.stderr
    assert f"It is in {kept}" in done.stderr
    assert f"Written to {kept}" in done.stdout
    assert lwd.read_results(kept).equals(simulate_gmm(n_steps=3, seed=1))


def test_a_place_that_fails_too_is_passed_over(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    full = tmp_path / "full"
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    tried = []

    def write(path):
        tried.append(path)
        if len(tried) < 3:
            path.write_text("half") if len(tried) == 2 else None
            raise OSError(28, "No space left on device")
        path.write_text("whole")

    written = write_somewhere(write, full / "x.nc")
    assert [path.parent.parent for path in tried[1:]] == [tmp_path, tmp_path / "tmp"]
    assert written.read_text() == "whole"
    assert "No space left on device" in capsys.readouterr().err
    # The half that came first is gone.
    assert [path.name for path in tmp_path.iterdir()] == ["tmp"]

    def never(path):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_somewhere(never, full / "x.nc")
    assert [path.name for path in tmp_path.iterdir()] == ["tmp"]


def test_the_file_is_there_though_nobody_reads_what_is_printed(tmp_path):
    path = tmp_path / "x.nc"
    command = [sys.executable, "-m", "lwdstats.cli.main", *RUN, "-o", path]
    read, write = os.pipe()
    os.close(read)
    subprocess.run(command, stdout=write, stderr=subprocess.DEVNULL)
    os.close(write)
    assert lwd.read_results(path).sizes["time"] == 4


@pytest.mark.skipif(sys.platform != "linux", reason="makes a disk of its own")
def test_a_full_disk_is_found_before_the_run(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    # A disk of one page, which a file fills.
    script = (
        f"mount -t tmpfs -o size=4k none {disk} && head -c 4096 /dev/zero > {disk}/x && "
        f"exec {sys.executable} -m lwdstats.cli.main {' '.join(RUN)} -o {disk}/run.nc"
    )
    done = subprocess.run(["unshare", "-Urm", "sh", "-c", script], capture_output=True, text=True)
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip("no disk can be mounted here")
    assert done.returncode == 2
    assert done.stderr.startswith(f"Error: output: got {disk}/run.nc (No space left on device)")


@pytest.mark.parametrize("kind", ["below a file", "a folder of the system"])
def test_a_store_that_cannot_be_made_is_named(kind, places):
    with pytest.raises(lwd.InputError, match=r"^store: got .*; takes a folder that can be written"):
        lwd.simulate_llm(["openai:a"], store=places[kind])
