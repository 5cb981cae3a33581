"""Summaries, figures, and the command, as a user sees them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from paths import ROOT
from small_runs import small_llm
from typer.testing import CliRunner

import lwdstats as lwd
from lwdstats.cli.main import app


@pytest.fixture(scope="module")
def gmm():
    return lwd.simulate_gmm(n_steps=30, replicates=4, seed=5)


def test_summary_holds_the_numbers(gmm):
    result = lwd.summary(gmm)
    norm = lwd.fnorm(gmm)
    assert result.norm["time"].tolist() == [0, 15, 30]
    np.testing.assert_allclose(result.norm["mean"], norm.sel(time=[0, 15, 30]).mean("replicate"))
    np.testing.assert_allclose(
        result.norm["sd"], np.std(norm.sel(time=[0, 15, 30]).values, axis=1, ddof=1)
    )
    text = str(result)
    assert text.startswith(gmm.attrs["title"])
    assert "t = 0..30, 4 replicates, seed 5" in text
    assert "0 to 270 posts; a model reads 0 to 135 of them (beta = 0.5)" in text
    fired = int(gmm["n_truncated"].sum())
    assert f"Truncations  {fired} in" in text
    assert max(map(len, text.splitlines())) <= 100


def test_summary_of_answers_shows_the_floor():
    ds = small_llm(response=8)
    result = lwd.summary(ds)
    square = (lwd.noise_floor(ds) ** 2).mean("replicate").isel(time=[0, 1, 2])
    np.testing.assert_allclose(result.norm["noise_floor"] ** 2, square)
    # All answers come from one law here, so the norm is noise.
    assert any("sampling noise" in note for note in result.notes)


def test_summary_names_queries_that_have_names():
    texts = [[[["a", "b"]] * 2] * 2] * 2  # two times, models and replicates, of two answers
    bare = lwd.as_results(texts, embedder=lambda t: [[len(s), 1.0] for s in t])
    assert "Quer" not in str(lwd.summary(bare))
    assert "Query      why?" in str(lwd.summary(bare.assign_coords(query=["why?"]))).splitlines()
    two = bare.isel(query=[0, 0])
    assert "Queries    2, without names" in str(lwd.summary(two)).splitlines()
    named = two.assign_coords(query=["why?", "how?"])
    assert "Query      why? (and 1 more)" in str(lwd.summary(named)).splitlines()


def test_summary_warns_of_absorption_and_of_one_replicate():
    ds = lwd.simulate_gmm(n_components=11, threshold=0, n_steps=30, seed=1)
    notes = " ".join(lwd.summary(ds).notes)
    assert "threshold 0 absorbs" in notes
    assert "one replicate" in notes
    assert not any("absorbs" in n for n in lwd.summary(ds.isel(time=slice(0, 1))).notes)


def test_summary_says_that_times_are_missing():
    ds = lwd.simulate_gmm(n_steps=30, seed=1, record=10)
    assert "t = 0..30 (4 times kept)" in str(lwd.summary(ds))


def test_plot_norm_shows_the_norm(gmm):
    ax = lwd.plot_norm(gmm)
    norm = lwd.fnorm(gmm)
    assert len(ax.lines) == 4
    for r, line in enumerate(ax.lines):
        np.testing.assert_array_equal(line.get_xdata(), gmm["time"])
        np.testing.assert_array_equal(line.get_ydata(), norm.isel(replicate=r))


def test_plot_norm_shows_the_noise_floor():
    ds = small_llm()
    ax = lwd.plot_norm(ds, log=True)
    assert ax.lines[-1].get_label() == "noise floor"
    assert ax.get_xscale() == "log"


def test_plot_answers_keeps_distances():
    ds = small_llm(feature=2, replicate=1)
    axes = lwd.plot_answers(ds, times=[0, 2])
    assert axes[0].get_xlim() == axes[1].get_xlim()
    assert axes[0].get_ylim() == axes[1].get_ylim()
    drawn = np.concatenate([c.get_offsets() for ax in axes for c in ax.collections])
    points = ds["embedding"].isel(query=0, replicate=0, time=[0, 2]).values.reshape(-1, 2)
    np.testing.assert_allclose(lwd.dist(drawn), lwd.dist(points), atol=1e-5)


def test_plot_mixtures_draws_densities(gmm):
    axes = lwd.plot_mixtures(gmm, times=[0, 30], replicate=2)
    for ax, t in zip(axes, (0, 30), strict=True):
        for i, line in enumerate(ax.lines):
            x, y = line.get_data()
            assert np.trapezoid(y, x) == pytest.approx(1, abs=1e-3)
            left = np.trapezoid(y[x < 0], x[x < 0])
            weight = gmm["weight"].sel(time=t, model=i, replicate=2, component=0)
            assert left == pytest.approx(float(weight), abs=5e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda ds: lwd.plot_norm({}), "an xarray.Dataset"),
        (lambda ds: lwd.plot_answers(ds, times=[99]), "times: got .*times of the dataset, 0..30"),
        (
            lambda ds: lwd.plot_mixtures(ds, replicate=9),
            "replicate: got 9; takes one of 0, 1, 2, 3",
        ),
        (lambda ds: lwd.plot_mixtures(small_llm()), "a dataset of Gaussian mixtures"),
    ],
)
def test_plots_reject(gmm, call, message):
    with pytest.raises(lwd.InputError, match=message):
        call(gmm)


def command(*arguments, check=True):
    done = subprocess.run(
        [sys.executable, "-m", "lwdstats.cli.main", *map(str, arguments)],
        capture_output=True,
        text=True,
    )
    assert not check or done.returncode == 0, done.stderr
    return done


def test_simulate_summary_plot(tmp_path):
    path = tmp_path / "run.nc"
    options = ["--n-steps", 20, "--replicates", 2, "--seed", 4, "--step-size", "0.5/k"]
    ran = command("simulate", "gmm", *options, "-o", path)
    ds = lwd.read_results(path)
    expected = lwd.simulate_gmm(n_steps=20, replicates=2, seed=4, step_size="0.5/k")
    assert ds.equals(expected)
    printed = command("summary", path).stdout
    assert printed.strip() == str(lwd.summary(ds))
    assert printed in ran.stdout
    assert f"Written to {path}" in ran.stdout
    pictures = command("plot", path, "-o", tmp_path / "p").stdout.split()
    assert [Path(p).name for p in pictures] == ["run-norm.png", "run-mixtures.png"]
    assert all(Path(p).read_bytes().startswith(b"\x89PNG") for p in pictures)


@pytest.mark.long
@pytest.mark.parametrize("file_format", ["svg", "pdf", "png"])
def test_pictures_by_covariates_are_the_same_file_each_time(tmp_path, file_format):
    ds = small_llm(model=4, response=6).assign_coords(family=("model", ["a", "b", "a", "<$b$>"]))
    path = lwd.write_results(ds, tmp_path / "run.nc")
    options = ["--kind", "dkps", "--color", "family", "--names", 2, "--format", file_format]
    drawn = [
        Path(command("plot", path, *options, "-o", tmp_path / name).stdout.strip()).read_bytes()
        for name in "ab"
    ]
    assert drawn[0] == drawn[1]
    if file_format == "svg":
        for text in ("family", "a", "b", "&lt;$b$&gt;", "coordinate 0"):
            assert f">{text}</text>" in drawn[0].decode()
    failed = command("plot", path, "--kind", "answers", "--color", "size", check=False)
    assert failed.returncode == 2
    assert "color: got 'size'; takes one of model, family" in failed.stderr


def test_spec_file_and_options(tmp_path):
    spec = tmp_path / "spec.toml"
    spec.write_text('simulator = "gmm"\nn_steps = 9\nthreshold = 0.01\nmeans = [-4.0, 4.0]\n')
    command("simulate", "gmm", spec, "--seed", 2, "--n-steps", 5, "-o", tmp_path / "a.nc")
    ds = lwd.read_results(tmp_path / "a.nc")
    assert ds.equals(lwd.simulate_gmm(n_steps=5, threshold=0.01, means=[-4.0, 4.0], seed=2))
    assert lwd.run_spec(lwd.read_spec(spec), seed=2, n_steps=5).equals(ds)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["simulate", "gmm", "--beta", "2"], "Error: beta: got 2.0; takes"),
        (["simulate", "gmm", "none.toml"], "Error: spec: got none.toml"),
        (["simulate", "gmm", "-o", "none/x.nc"], "Error: output: got none/x.nc (no such folder)"),
        (["simulate", "llm"], "Error: models: got 'nothing'"),
        (["simulate", "llm", "--model", "./none"], "Error: models: got './none' (no such folder)"),
        (["summary", "none.nc"], "Error: path: got none.nc (no such file)"),
    ],
)
def test_errors_are_one_line(arguments, message, tmp_path):
    done = command(*arguments, check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_help_teaches():
    for arguments in ([], ["simulate"], ["simulate", "gmm"], ["simulate", "llm"], ["plot"]):
        shown = CliRunner().invoke(app, [*arguments, "--help"]).output
        assert "Usage:" in shown
    assert "Example:" in shown


@pytest.mark.long
@pytest.mark.parametrize("figure", [2, 3, 4, 5, 6])
def test_figure_scripts(figure, tmp_path, gmm):
    ds = small_llm() if figure in (2, 3) else gmm
    path = lwd.write_results(ds, tmp_path / "in.nc")
    script = ROOT / "analysis" / f"figure{figure}.py"
    done = subprocess.run(
        [sys.executable, script, path, tmp_path], capture_output=True, text=True, check=True
    )
    assert Path(done.stdout.strip()).name == f"figure{figure}.png"
    assert Path(done.stdout.strip()).stat().st_size > 10_000


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({}, "simulator: got None"),
        ({"simulator": "x"}, "simulator: got 'x'"),
        ({"simulator": "gmm", "n_step": 3}, "n_step: got an unknown argument"),
        ({"simulator": "llm"}, "models: got 'nothing'"),
    ],
)
def test_specs_reject(spec, message):
    with pytest.raises(lwd.InputError, match=message):
        lwd.run_spec(spec)


def test_summary_takes_results_too():
    x = np.arange(6.0)
    fit = lwd.nls("y ~ a + b x", {"x": x, "y": 1 + 2 * x + np.sin(x)}, {"a": 0, "b": 1})
    assert str(lwd.summary(fit)) == str(fit.summary())


@pytest.mark.parametrize("replicates", [1, 3])
@pytest.mark.parametrize("queries", [1, 2])
def test_distinct_answers_are_those_of_a_model_in_one_run(replicates, queries):
    ds = small_llm(replicate=replicates, query=queries)
    ds["text"][-1] = ""
    # Half of four answers are distinct, the same in every run; one answer is missing.
    ds["text"][-1] = np.array(["a", "a", "b", "b"], dtype=object)
    assert "50% of a model's answers" in str(lwd.summary(ds))
    ds["text"][-1, :, :, :, 3] = ""
    assert "67% of a model's answers" in str(lwd.summary(ds))


def test_summary_of_a_result_without_one_is_itself():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(8, 3))
    d, groups = lwd.dist(x), list("aaaabbbb")
    ds = small_llm()
    results = [
        lwd.eqdist_etest(x, [4, 4], R=9, seed=1),
        lwd.betadisper(d, groups),
        lwd.betadisper(d, groups).anova(),
        lwd.adonis2("d ~ g", {"g": groups}, d=d, permutations=9, seed=1),
        lwd.collapse_test(ds, permutations=9, seed=1),
        lwd.cmdscale(d),
        lwd.dkps(ds, k=1),
        lwd.procrustes(x, x[::-1]),
        lwd.protest(x, x[::-1], permutations=9, seed=1),
        lwd.mantel(d, d, permutations=9, seed=1),
        lwd.summary(ds),
    ]
    for result in results:
        assert lwd.summary(result) is result


@pytest.mark.parametrize("x", [3, "run.nc", None, np.ones(3), lwd.InputError, small_llm().text])
def test_summary_of_anything_else_names_x(x):
    with pytest.raises(lwd.InputError) as error:
        lwd.summary(x)
    assert error.value.argument == "x"


def test_zeros_have_no_sign_in_a_summary():
    ds = small_llm(response=2)
    ds["embedding"][:] = np.float32(1.0)
    ds["embedding"][..., 0, 0] += np.float32(1e-6)
    assert "-0.0000" not in str(lwd.summary(ds))


@pytest.mark.long
@pytest.mark.parametrize("script", ["collapse", "diversity"])
def test_scripts_take_the_times_that_a_file_has(tmp_path, script):
    rng = np.random.default_rng(2)
    posts = [f"post {i}" for i in range(6)]
    frame = [
        {"time": t, "model": m, "replicate": r, "response": k, "text": str(rng.choice(posts))}
        for t in (0, 5, 10) for m in ("a", "b") for r in (0, 1) for k in range(5)
    ]  # fmt: skip
    vectors = rng.normal(size=(len(frame), 3))
    ds = lwd.as_results(
        pd.DataFrame(frame).assign(e0=vectors[:, 0], e1=vectors[:, 1], e2=vectors[:, 2]),
        embedding=["e0", "e1", "e2"],
    )
    path = lwd.write_results(ds, tmp_path / "x.nc")
    command = [sys.executable, ROOT / "analysis" / f"{script}.py"]
    done = subprocess.run([*command, path], capture_output=True, text=True, check=True)
    assert {"collapse": "Pairs of models at t = 5", "diversity": "\n    5"}[script] in done.stdout
    failed = subprocess.run([*command, tmp_path / "none.nc"], capture_output=True, text=True)
    assert failed.returncode == 1
    assert failed.stderr.startswith(f"{script}.py: path: got")
    assert failed.stderr.count("\n") == 1


def test_power_prints_what_was_left_out(tmp_path):
    first = [[0.1, 0.9], [0.9, 0.1]]
    ds = lwd.simulate_gmm(2, initial_weights=first, n_steps=2, n_responses=4, seed=1)
    path = tmp_path / "pilot.nc"
    lwd.write_results(ds, path)
    size = "--n-replicates 1 --n-responses 20 --n-steps 1 --n-sim 20 --seed 1"
    done = CliRunner().invoke(app, ["power", "collapse_test", str(path), *size.split()])
    assert done.exit_code == 0, done.output
    assert "<- found" in done.output
    assert "power = " in done.output


@pytest.mark.parametrize("test", ["check_decay", "t_test"])
def test_power_of_a_test_that_there_is_none_of_is_refused_before_a_proxy_is_fitted(test):
    file = str(ROOT / "data" / "bitcoin_network.nc")
    given = ["--n-replicates", "10", "--n-responses", "4", "--n-steps", "6"]
    done = CliRunner().invoke(app, ["power", test, file, *given])
    assert isinstance(done.exception, lwd.InputError)
    assert done.exception.argument == "test"


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.slow
def test_power_of_a_pilot_of_language_models_comes_with_its_plan():
    size = "--n-replicates 1 --n-responses 4 --n-steps 6 --n-components 3 --n-sim 20 --seed 1"
    file = str(ROOT / "data" / "bitcoin_network.nc")
    done = CliRunner().invoke(app, ["power", "collapse_test", file, *size.split()])
    assert done.exit_code == 0, done.output
    assert "Power of collapse_test" in done.output
    assert (
        str(lwd.plan(lwd.read_results(file), replicates=1, n_responses=4, n_steps=6)) in done.output
    )


def test_a_run_is_written_as_it_goes(tmp_path):
    pytest.importorskip("dask.array")
    path = tmp_path / "run.nc"
    command = ["simulate", "gmm", "--n-steps", "6", "--seed", "3", "--as-it-goes", "-o", str(path)]
    said = CliRunner().invoke(app, command)
    assert said.exit_code == 0
    assert f"Written to {path}" in said.output
    ds = lwd.read_results(path)
    assert ds.equals(lwd.simulate_gmm(n_steps=6, seed=3))
    again = CliRunner().invoke(app, command)
    assert isinstance(again.exception, lwd.InputError)
    assert "takes a new file with --as-it-goes" in str(again.exception)
    assert lwd.read_results(path).identical(ds)
