"""What comes of a sweep: means, views, files, pictures, claims."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import lwdstats as lwd

BASE = {"simulator": "gmm", "n_steps": 10, "step_size": "1/(k + 1)"}
GRID = {"scenario.keep": ["last", "all"], "beta": [0.2, 0.5, 0.9]}


def odd(ds):
    """Fails in one run, and has a text and a truth value in the others."""
    if int(ds["replicate"].item()) == 1 and int(ds["n_retrieved"][-1]) > 75:
        raise ValueError("one run")
    return {"word": "a" if ds["weight"].max() > 0.9 else "b", "large": ds["weight"].max() > 0.9}


@pytest.fixture(scope="module")
def found():
    measure = {"fnorm": {"time": [5, 10]}, "diversity": {}, "odd": odd}
    with pytest.warns(UserWarning, match="1 of 24 runs failed"):
        return lwd.sweep(BASE, GRID, replicates=4, measure=measure, seed=1)


@pytest.fixture(scope="module")
def designed():
    cells = lwd.design({"beta": (0.2, 0.9), "scenario.keep": ["all", "last"]}, 5, seed=1)
    return lwd.sweep(BASE, cells, replicates=2, seed=1)


def test_means_are_over_replicates(found):
    runs = found.runs()
    means = found.means("fnorm", "keep")
    assert means["keep"].tolist() == ["last", "all"]
    for keep, estimate, low, high, n in means.itertuples(index=False):
        x = runs[runs["keep"] == keep].groupby("replicate")["fnorm"].mean()
        assert n == 4
        expected = stats.t.interval(0.95, 3, x.mean(), stats.sem(x))
        np.testing.assert_allclose([estimate, low, high], [x.mean(), *expected], rtol=1e-12)
    early = found.means("fnorm", (), time=5)["estimate"]
    each = found.frame[found.frame["time"] == 5].groupby("replicate")["fnorm"].mean()
    np.testing.assert_allclose(early, [each.mean()], rtol=1e-12)


def test_the_view_holds_every_row_and_nothing_else(found):
    view = found.to_xarray()
    assert dict(view.sizes) == {"keep": 2, "beta": 3, "replicate": 4, "time": 2}
    rows = found.frame
    for row in rows.itertuples():
        own = view.sel(keep=row.keep, beta=row.beta, replicate=row.replicate, time=row.time)
        assert (float(own["fnorm"]), own["word"].item()) == (row.fnorm, row.word)
    assert int(view["fnorm"].count()) == len(rows) == 46


def test_the_view_of_a_design_is_by_cell(designed):
    view = designed.to_xarray()
    assert dict(view.sizes) == {"cell": 5, "replicate": 2}
    assert view["fnorm"].values.ravel().tolist() == designed.frame["fnorm"].tolist()
    assert view["beta"].values.tolist() == designed.frame["beta"][::2].tolist()


@pytest.mark.parametrize("ending", ["parquet", "nc"])
@pytest.mark.parametrize("which", ["found", "designed"])
def test_files_read_as_they_were_written(which, ending, tmp_path, request):
    sweep = request.getfixturevalue(which)
    again = lwd.read_sweep(sweep.write(tmp_path / f"sweep.{ending}"))
    pd.testing.assert_frame_equal(again.frame, sweep.frame, check_exact=True)
    pd.testing.assert_frame_equal(again.failures, sweep.failures, check_dtype=False)
    assert str(again) == str(sweep)
    assert again.levels == sweep.levels
    assert [p.name for p in tmp_path.iterdir()] == [f"sweep.{ending}"]


def test_other_files_are_refused(found, tmp_path):
    assert pd.read_csv(found.write(tmp_path / "rows.csv")).shape == found.frame.shape
    for name in ("rows.csv", "none.nc"):
        with pytest.raises(lwd.InputError, match=r"parquet or \.nc"):
            lwd.read_sweep(tmp_path / name)
    with pytest.raises(lwd.InputError, match="takes a file named"):
        found.write(tmp_path / "rows.txt")


def test_claims_are_by_replicate_where_streams_are_shared(found):
    with pytest.warns(UserWarning, match="4 clusters"):
        model = lwd.lm("log(fnorm) ~ keep * beta", found.runs(), cluster="replicate")
    with pytest.warns(UserWarning, match="4 clusters"):
        ours = lwd.lm("log(fnorm) ~ keep * beta", found)
    np.testing.assert_array_equal(ours.vcov(), model.vcov())
    assert ours.n_clusters == 4
    assert ours.names[1] == "keepall"


def test_claims_take_runs_as_independent_where_streams_are_not_shared():
    how = {"replicates": 5, "seed": 1, "measure": {"when": {
        "measure": "collapse_time", "threshold": 0.4}}}  # fmt: skip
    own = lwd.sweep(BASE, GRID, common_streams=False, **how)
    shared = lwd.sweep(BASE, GRID, **how)
    formula = "Surv(when_time, when) ~ keep"
    assert lwd.coxph(formula, own).n_clusters == 0
    # Of a linear model each run by itself, as variances may differ.
    model = lwd.lm("when_time ~ keep", own)
    by_run = lwd.lm("when_time ~ keep", own.runs().assign(run=range(30)), cluster="run")
    np.testing.assert_array_equal(model.vcov(), by_run.vcov())
    with pytest.warns(UserWarning, match="5 clusters"):
        assert lwd.coxph(formula, shared).n_clusters == 5
    assert lwd.survfit(formula, own).table["n"].tolist() == [15, 15]
    test = lwd.survdiff(formula, own)
    assert test.statistic == lwd.survdiff(formula, own.runs()).statistic
    with pytest.warns(UserWarning, match="5 clusters"):
        assert lwd.survdiff(formula, shared).n_clusters == 5


def test_curves_are_drawn_at_the_means(found):
    ax = found.plot("fnorm", "beta", "keep", time=5)
    lines = {line.get_label(): line for line in ax.lines}
    assert list(lines) == ["last", "all"]
    means = found.means("fnorm", ["beta", "keep"], time=5)
    for keep, line in lines.items():
        own = means[means["keep"] == keep].sort_values("beta")
        assert line.get_ydata().tolist() == own["estimate"].tolist()
    assert ax.get_xlabel() == "beta"
    assert ax.get_ylabel() == "mean fnorm"


def test_a_map_shows_the_means_of_two_factors(found):
    ax = found.plot("fnorm", "beta", "keep", kind="heat")
    table = found.means("fnorm", ["beta", "keep"]).pivot_table(
        "estimate", "keep", "beta", observed=True
    )
    assert ax.images[0].get_array().tolist() == table.loc[["last", "all"]].to_numpy().tolist()


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"measure": "word"}, "measure"),
        ({"x": "nothing"}, "x"),
        ({"x": "beta", "by": "beta"}, "by"),
        ({"kind": "pie"}, "kind"),
        ({"time": 6}, "time"),
        ({"level": 2}, "level"),
    ],
)
def test_what_can_not_be_drawn_is_named(found, options, argument):
    with pytest.raises(lwd.InputError) as error:
        found.plot(**options)
    assert error.value.argument == argument


def test_it_prints_what_ran_and_what_failed(found):
    text = str(found)
    assert text.startswith("Sweep of 6 cells by 4 replicates: 23 runs\n")
    assert "Factors   keep (2) x beta (3)\n" in text
    assert "1 runs failed, 1: ValueError: one run" in text
    assert max(map(len, text.splitlines())) <= 100
