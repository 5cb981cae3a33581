"""What a sweep measures is what the functions of the package give."""

import numpy as np
import pytest
import xarray as xr

import lwdstats as lwd

ARGUMENTS = {"simulator": "gmm", "n_steps": 40, "n_responses": 3}


@pytest.fixture(scope="module")
def ds():
    return lwd.run_spec(ARGUMENTS, replicates=3, seed=2)


def column(measure, name=None):
    found = lwd.sweep(ARGUMENTS, {}, replicates=3, seed=2, measure=measure)
    return found.frame[name or found.measures[0]].tolist()


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("fnorm", lwd.fnorm),
        ("fnorm_debiased", lambda ds: lwd.fnorm(ds, debias=True)),
        ("diversity", lwd.diversity),
        ("inner_diversity", lambda ds: lwd.inner_diversity(ds).mean("model")),
        ("drift", lambda ds: lwd.drift(ds).mean("model")),
    ],
)
def test_curves_are_those_of_the_functions(ds, name, function):
    curve = function(ds)
    expected = curve.transpose("time", "replicate")
    np.testing.assert_allclose(column(name), expected[-1], rtol=1e-12)
    at = lwd.sweep(ARGUMENTS, {}, replicates=3, seed=2, measure={name: {"time": [5, 20]}})
    assert at.frame["time"].tolist() == [5, 20] * 3
    np.testing.assert_allclose(
        at.frame[name], expected.sel(time=[5, 20]).T.values.ravel(), rtol=1e-12
    )
    assert at.runs(5)[name].tolist() == at.frame[name][::2].tolist()
    np.testing.assert_allclose(column({name: {"time": 7}}), expected.sel(time=7), rtol=1e-12)


@pytest.mark.parametrize("of", ["fnorm", "diversity"])
def test_times_to_collapse_are_censored_at_the_end(ds, of):
    threshold = 0.06 if of == "fnorm" else 0.49
    curve = ds if of == "fnorm" else lwd.diversity(ds)
    times = lwd.collapse_time(curve, threshold).times
    assert 0 < times["collapsed"].sum() < 3
    measure = {"collapse_time": {"threshold": threshold, "of": of}}
    assert column(measure, "collapse_time") == times["time"].tolist()
    assert column(measure, "collapsed") == times["collapsed"].tolist()
    named = {"gone": {"measure": "collapse_time", "threshold": threshold, "of": of}}
    assert column(named, "gone") == times["collapsed"].tolist()
    assert column(named, "gone_time") == times["time"].tolist()


def test_the_first_time_below_needs_no_future(ds):
    norm = lwd.fnorm(ds).transpose("time", "replicate").values
    measure = {"collapse_time": {"threshold": 0.1, "first": True}}
    times, collapsed = column(measure, "collapse_time"), column(measure, "collapsed")
    for curve, time, event in zip(norm.T, times, collapsed, strict=True):
        below = [t for t in range(41) if curve[t] < 0.1]
        assert (time, event) == (min(below, default=40), bool(below))
    later = column({"collapse_time": {"threshold": 0.1}}, "collapse_time")
    assert times != later
    assert column({"collapse_time": {"threshold": 0.0, "first": True}}, "collapsed") == [False] * 3


def test_limits_are_those_of_each_run_alone(ds):
    found = column({"limit": {"since": 5}})
    for i, value in enumerate(found):
        fit = lwd.convergence_fit(ds.isel(replicate=[i]), "power_floor", since=5)
        assert value == fit.coef()["c"]


@pytest.mark.filterwarnings("ignore")
def test_rho_is_that_of_the_proxy(ds):
    found = lwd.sweep(ARGUMENTS, {}, replicates=3, seed=2, measure={"rho": {"n_components": 2}})
    for i, value in enumerate(found.frame["rho"]):
        assert value == lwd.fit_proxy(ds.isel(replicate=[i]), 2, seed=0).rho
    # Intervals that say little, of whatever width, are one note.
    assert sum("rho is hardly known" in note for note in found.notes) == 1


def test_r2_is_that_of_the_test_of_collapse(ds):
    found = column({"collapse_r2": {"time": 3}})
    for i, value in enumerate(found):
        test = lwd.collapse_test(ds.isel(replicate=[i]), 3, permutations=9, seed=5)
        np.testing.assert_allclose(value, test.table["r2_adjusted"].iloc[0], rtol=1e-12)


def several(ds):
    weight = ds["weight"].isel(model=0, component=0)
    return {"first": float(weight[0, 0]), "path": weight, "bare": np.float32(2), "say": "yes"}


def test_a_function_of_ones_own_may_give_several_columns(ds):
    found = lwd.sweep(ARGUMENTS, {}, replicates=3, seed=2, measure=several)
    assert found.measures == ("first", "path", "bare", "say")
    assert len(found.frame) == 3 * 41
    path = found.frame["path"].to_numpy().reshape(3, 41).T
    assert (path == ds["weight"].isel(model=0, component=0).values).all()
    assert found.runs()["say"].tolist() == ["yes"] * 3
    assert found.runs()["path"].tolist() == path[-1].tolist()


def odd(ds):
    weight = ds["weight"].isel(model=0, component=0)
    return weight if ds["replicate"].item() == 1 else 2.0


def test_runs_in_which_a_measure_is_another_thing_have_failed():
    with pytest.warns(UserWarning, match="1 of 3 runs failed"):
        found = lwd.sweep(ARGUMENTS, {}, replicates=3, seed=2, measure=["fnorm", odd])
    reason = "the measure 'odd' is over time in this run and one value in most"
    assert found.failures[["replicate", "reason"]].to_numpy().tolist() == [[1, reason]]
    assert found.runs()["odd"].tolist() == [2.0, 2.0]
    assert "time" not in found.frame


def test_infinite_values_have_no_interval():
    far = {"far": lambda _: np.inf}
    found = lwd.sweep(ARGUMENTS, {"beta": [0.5]}, replicates=3, seed=2, measure=far)
    np.testing.assert_array_equal(found.means().iloc[0], [0.5, np.inf, np.nan, np.nan, 3])
    assert "0.5  Inf    NA    NA" in str(found)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "a value of type NoneType"),
        (np.zeros(3), "a value of type ndarray"),
        ({"cell": 1.0}, "a column 'cell'"),
        (xr.DataArray(np.zeros((2, 2)), dims=("time", "model")), "a value of type DataArray"),
    ],
)
def test_what_is_no_measure_fails_with_its_reason(value, said):
    with pytest.warns(UserWarning, match=said):
        found = lwd.sweep(ARGUMENTS, {}, measure={"own": lambda _: value})
    assert found.frame.empty
    assert said in found.failures["reason"][0]
