"""What the functions of a curve take: datasets, dates as times, and times of any unit."""

import datetime
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import lwdstats as lwd
from lwdstats.inference.trend.mann_kendall import TrendTests

DAYS = pd.date_range("2024-01-30", periods=60)
DATES = {
    "datetime64": DAYS,
    "datetime64[s]": DAYS.values.astype("M8[s]"),
    "time zone": DAYS.tz_localize("Europe/Berlin"),
    "Python dates": list(DAYS.date),
    "Python datetimes": np.array(list(DAYS.to_pydatetime()), dtype=object),
    "text": list(DAYS.strftime("%Y-%m-%d")),
    "text yyyymmdd": list(DAYS.strftime("%Y%m%d")),
    "numbers yyyymmdd": [int(day) for day in DAYS.strftime("%Y%m%d")],
    "durations": DAYS - DAYS[0],
    "Python durations": [datetime.timedelta(days=i) for i in range(60)],
    "periods": DAYS.to_period("D"),
    "cftime": list(xr.date_range("2001-01-01", periods=60, calendar="noleap", use_cftime=True)),
    "Unix s": DAYS.values.astype("M8[s]").astype(np.int64),
    "Unix ms": DAYS.values.astype("M8[ms]").astype(float),
    "Unix us": DAYS.values.astype("M8[us]").astype(np.int64),
    "Unix ns": DAYS.values.astype("M8[ns]").astype(np.int64),
}
# What the refusals say, as code.
ADVICE = {
    "pd.to_datetime(time)": lambda time: pd.to_datetime(time),
    "pd.to_timedelta(time) / pd.Timedelta('1D')": lambda time: (
        pd.to_timedelta(time) / pd.Timedelta("1D")
    ),
    "pd.PeriodIndex(time).to_timestamp()": lambda time: pd.PeriodIndex(time).to_timestamp(),
    "np.asarray(time)": lambda time: np.asarray(time),
    "pd.to_datetime(np.asarray(time, int).astype(str))": lambda time: pd.to_datetime(
        np.asarray(time, int).astype(str)
    ),
    "pd.to_datetime(time, unit='s')": lambda time: pd.to_datetime(time, unit="s"),
    "pd.to_datetime(time, unit='ms')": lambda time: pd.to_datetime(time, unit="ms"),
    "pd.to_datetime(time, unit='us')": lambda time: pd.to_datetime(time, unit="us"),
    "pd.to_datetime(time, unit='ns')": lambda time: pd.to_datetime(time, unit="ns"),
}
CURVE = 0.3 + (np.arange(60) + 1.0) ** -0.7
TAKERS = {
    "convergence_fit": lwd.convergence_fit,
    "convergence_test": lwd.convergence_test,
    "changepoints": lwd.changepoints,
    "mann_kendall": lwd.mann_kendall,
    "collapse_time": lambda x: lwd.collapse_time(x, 0.5),
}


def refused(call, *args, **kwargs):
    with pytest.raises(lwd.InputError, match=r"takes .*(pd\.Timedelta|elapsed)") as caught:
        call(*args, **kwargs)
    return str(caught.value)


@pytest.mark.parametrize("kind", DATES)
@pytest.mark.parametrize("taker", TAKERS)
def test_dates_are_no_times_of_a_curve(kind, taker):
    at = list(DATES[kind]) if kind == "periods" else DATES[kind]
    refused(TAKERS[taker], pd.Series(CURVE, index=at))
    refused(TAKERS[taker], pd.DataFrame({"a": CURVE, "b": CURVE}, index=at))
    refused(TAKERS[taker], xr.DataArray(CURVE, dims="time", coords={"time": ("time", at)}))


@pytest.mark.parametrize("kind", DATES)
def test_what_the_refusal_says_makes_elapsed_days(kind):
    told = refused(lwd.mann_kendall, pd.Series(CURVE, index=DATES[kind]))
    found = re.search(r"such as days: (.*?)(?: with d = (.*))?$", told)
    assert found is not None
    if found[2]:
        assert found[1] == "(d - d.min()) / pd.Timedelta('1D')"
        d = ADVICE[found[2]](DATES[kind])
        elapsed = (d - d.min()) / pd.Timedelta("1D")
    else:
        elapsed = ADVICE[found[1]](DATES[kind])
    # An hour of summer time, at most.
    np.testing.assert_allclose(np.asarray(elapsed, dtype=float), np.arange(60.0), atol=1 / 23)


@pytest.mark.parametrize("kind", DATES)
def test_dates_are_no_times_of_a_dataset(kind, tmp_path):
    at = DATES[kind]
    x = np.random.default_rng(1).normal(size=(60, 2, 2, 3))
    refused(lwd.as_results, x, time=at)
    cells = np.repeat(np.array(list(at), dtype=object), 2)
    frame = pd.DataFrame({"time": cells, "model": ["a", "b"] * 60})
    refused(lwd.as_results, frame.assign(embedding_0=1.0, embedding_1=2.0))
    labelled = np.array(list(at), dtype=object) if kind == "periods" else at
    ds = lwd.simulate_gmm(n_steps=59, seed=1).assign_coords(time=("time", labelled))
    for use in (lwd.validate, lwd.fnorm, lwd.dist, lwd.summary, lwd.plot, lwd.check_decay):
        refused(use, ds)
    refused(lwd.write_results, ds, tmp_path / "dates.nc")
    fit = lwd.convergence_fit(CURVE)
    refused(fit.predict, at)
    with pytest.raises(lwd.InputError, match="record"):
        lwd.simulate_gmm(n_steps=5, record=at, seed=1)
    since: Any = np.timedelta64(3, "D") if kind == "durations" else DAYS[3]
    with pytest.raises(lwd.InputError, match="since"):
        lwd.convergence_fit(CURVE, since=since)


def test_a_file_with_dates_is_refused_and_days_come_back(tmp_path):
    ds = lwd.simulate_gmm(n_steps=5, seed=1)
    ds.assign_coords(time=DAYS[:6]).to_netcdf(tmp_path / "dates.nc")
    refused(lwd.read_results, tmp_path / "dates.nc")
    ds["time"].attrs["units"] = "days"
    lwd.write_results(ds, tmp_path / "days.nc")
    assert lwd.read_results(tmp_path / "days.nc").identical(ds)
    # xarray would read these numbers back as dates.
    ds["time"].attrs["units"] = "days since 2024-01-01"
    refused(lwd.write_results, ds, tmp_path / "since.nc")
    assert not (tmp_path / "since.nc").exists()


@pytest.mark.parametrize("kind", ["datetime64", "time zone", "Python dates", "durations"])
def test_dates_are_no_numbers_in_a_formula(kind):
    data = {"y": CURVE, "t": DATES[kind]}
    refused(lwd.nls, "y ~ a + b*t", data, {"a": 1, "b": 1})
    fit = lwd.nls("y ~ a + b*t", {"y": CURVE, "t": np.arange(60)}, {"a": 1, "b": 1})
    refused(fit.predict, {"t": DATES[kind]})
    d = np.abs(np.subtract.outer(CURVE, CURVE))
    refused(lwd.adonis2, "d ~ t", pd.DataFrame(data), d=d)


@pytest.mark.parametrize("labels", ["model", "replicate", "query", "response"])
def test_dates_are_no_labels(labels):
    x = np.random.default_rng(1).normal(size=(3, 2, 2, 2, 2, 3))
    given: dict[str, Any] = {labels: DAYS[:2]}
    with pytest.raises(lwd.InputError, match=f"{labels}: got dates"):
        lwd.as_results(x, **given)


def test_times_that_only_look_large_are_times():
    """Elapsed numbers start near 0, or run over much of what they reach."""
    for time in (np.arange(60) * 5e7, np.arange(10, 70) * 1e8, np.arange(20240132, 20240192)):
        assert lwd.collapse_time(pd.Series(CURVE, index=time), 0.5).n == 1
    assert lwd.collapse_time(pd.Series(CURVE[:1], index=[1_700_000_000]), 2.0).events == 1


def test_a_column_of_times_is_no_replicate():
    frame = pd.DataFrame({"time": np.arange(60), "norm": CURVE})
    with pytest.raises(lwd.InputError, match=r"set_index\('time'\)"):
        lwd.convergence_fit(frame)
    assert lwd.convergence_fit(frame.set_index("time")).nobs() == 1


def decays(seed=3, replicates=5, change=1.0):
    """Exponential decays of 40 times with AR(1) relative noise."""
    rng, t = np.random.default_rng(seed), np.arange(40.0)
    e = 0.1 * rng.normal(size=(40, replicates))
    for i in range(1, 40):
        e[i] += 0.3 * e[i - 1]
    y = (0.3 + 2.0 * np.exp(-0.08 * t))[:, None] * np.exp(e)
    y[25:] /= change
    return pd.DataFrame(y, index=t)


def in_unit(curve, factor, origin=0.0):
    return curve.set_axis(curve.index * factor + origin, axis=0)


def trends(x, **options):
    found = lwd.mann_kendall(x, **options)
    assert isinstance(found, TrendTests)
    return found.table


UNITS = st.floats(-12.0, 12.0).map(lambda power: 10.0**power)


class TestUnitOfTime:
    """Changing the unit of time changes no finding.

    The power laws of `convergence_fit` are the exception: they are of t + 1 steps.
    """

    @settings(max_examples=15, deadline=None)
    @given(UNITS, st.floats(-20.0, 20.0))
    def test_mann_kendall(self, unit, origin):
        curve = decays()
        first = trends(curve, seed=1, n_bootstrap=99)
        found = trends(in_unit(curve, unit, origin * unit), seed=1, n_bootstrap=99)
        np.testing.assert_array_equal(found["p_value"], first["p_value"])
        np.testing.assert_allclose(found["slope"] * unit, first["slope"], rtol=1e-8)

    @settings(max_examples=15, deadline=None)
    @given(UNITS)
    def test_collapse_time(self, unit):
        first, found = (lwd.collapse_time(in_unit(decays(), u), 1.0) for u in (1.0, unit))
        for name in ("time", "estimate", "conf_low", "conf_high"):
            scale = unit if name == "time" else 1.0
            np.testing.assert_allclose(found.survival[name], first.survival[name] * scale)
        np.testing.assert_allclose(
            [found.median, *found.conf_int], np.multiply([first.median, *first.conf_int], unit)
        )

    @pytest.mark.parametrize("unit", [1e-9, 1 / 365, 86_400.0, 1e9])
    @pytest.mark.parametrize("law", ["power", "exponential"])
    @pytest.mark.parametrize("change", [1.0, 3.0])
    def test_changepoints(self, unit, law, change):
        curve = decays(replicates=2, change=change)
        first, found = (
            lwd.changepoints(in_unit(curve, u), law=law, n_bootstrap=39, seed=1)
            for u in (1.0, unit)
        )
        np.testing.assert_allclose(found.paths["p_value"], first.paths["p_value"])
        ours, theirs = (r.table[["time", "ratio"]].to_numpy(dtype=float) for r in (found, first))
        np.testing.assert_allclose(ours, theirs * [unit, 1.0], rtol=1e-3)
        assert len(first.table) >= 2 * (change > 1)

    def test_changepoints_of_an_exponential_know_no_time_0(self):
        curve = decays(replicates=2, change=3.0)
        first, found = (
            lwd.changepoints(in_unit(curve, 1.0, o), law="exponential", n_bootstrap=39, seed=1)
            for o in (0.0, 2e6)
        )
        np.testing.assert_allclose(found.paths["p_value"], first.paths["p_value"])
        np.testing.assert_allclose(found.table["time"], first.table["time"] + 2e6)

    @pytest.mark.parametrize("unit", [1e-9, 1 / 365, 86_400.0, 1e9])
    @pytest.mark.parametrize("replicates", [1, 5])
    def test_the_exponential_law(self, unit, replicates):
        curve = decays()
        if replicates == 1:  # long enough for an interval
            t = np.arange(80.0)
            noise = np.exp(0.05 * np.random.default_rng(1).normal(size=80))
            curve = pd.DataFrame((0.3 + 2.0 * np.exp(-0.08 * t)) * noise, index=t)
        first, found = (
            lwd.convergence_fit(in_unit(curve, u), "exponential", since=3 * u) for u in (1.0, unit)
        )
        np.testing.assert_allclose(found.coef()[["c", "a"]], first.coef()[["c", "a"]], rtol=1e-6)
        assert found.coef()["rate"] * unit == pytest.approx(first.coef()["rate"], rel=1e-6)
        scale = np.array([1.0, 1.0, 1.0 / unit, unit])[:, None]
        ends = np.asarray(first.confint()) * scale
        np.testing.assert_allclose(np.asarray(found.confint()), ends, rtol=1e-5)
        if replicates == 1:
            return
        tests = [
            lwd.convergence_test(in_unit(curve, u), "exponential", since=3 * u).p_value
            for u in (1.0, unit)
        ]
        assert tests[1] == pytest.approx(tests[0], rel=1e-6)

    @settings(max_examples=15, deadline=None)
    @given(UNITS, st.sampled_from(["SSasymp(t, Asym, R0, lrc)", "SSexpfloor(t, c, a, rate)"]))
    def test_self_starts(self, unit, law):
        curve = decays().iloc[:, 0]
        first, found = (
            lwd.nls(f"y ~ {law}", {"y": curve.to_numpy(), "t": curve.index.to_numpy() * u})
            for u in (1.0, unit)
        )
        assert found.rss == pytest.approx(first.rss, rel=1e-9)
        np.testing.assert_allclose(found.estimate[:2], first.estimate[:2], rtol=1e-5)

    def test_a_power_law_says_that_it_is_of_steps(self):
        curve = decays()
        for unit in (1e-3, 86_400.0):
            with pytest.warns(UserWarning, match="depends on the unit"):
                lwd.convergence_fit(in_unit(curve, unit), "power_floor", since=unit)
        # Not that of a run of which some steps are recorded, or the exponential law.
        lwd.convergence_fit(in_unit(curve, 50.0), "power_floor")

    @pytest.mark.parametrize("call", [lwd.convergence_fit, lwd.changepoints])
    def test_times_far_from_0_are_pointed_out(self, call):
        with pytest.warns(UserWarning, match=r"far from 0.*time - time\[0\]"):
            call(in_unit(decays(replicates=2), 1.0, 1_000.0))


def test_one_answer_a_model_gives_the_plain_norm_and_says_so():
    x = np.random.default_rng(0).normal(size=(30, 3, 2, 1, 2))
    ds = lwd.as_results(x * np.geomspace(1, 0.3, 30)[:, None, None, None, None])
    plain = lwd.fnorm(ds)
    asks = {
        "fit": (lwd.convergence_fit, lambda r: r.coef()),
        "test": (lwd.convergence_test, lambda r: r.p_value),
        "trend": (lambda x, **o: lwd.mann_kendall(x, seed=1, **o), lambda r: r.table["p_value"]),
        "time": (lambda x, **o: lwd.collapse_time(x, 2.0, **o), lambda r: r.times["time"]),
        "changes": (
            lambda x, **o: lwd.changepoints(x, seed=1, n_bootstrap=39, **o),
            lambda r: r.paths["p_value"],
        ),
    }
    for ask, of in asks.values():
        with pytest.warns(UserWarning, match="one answer a model and time.*not debiased"):
            told = ask(ds)
        np.testing.assert_allclose(of(told), of(ask(plain)))
        assert "plain ||D||_F" in str(told)
        # Who asks for the plain norm is not warned.
        np.testing.assert_allclose(of(ask(ds, debias=False)), of(told))
        with pytest.raises(lwd.InputError, match="2 or more"):
            ask(ds, debias=True)
        with pytest.raises(lwd.InputError, match="debias"):
            ask(plain, debias=False)


def test_debias_is_that_of_fnorm():
    x = np.random.default_rng(0).normal(size=(20, 3, 2, 4, 2))
    ds = lwd.as_results(x + np.array([0.0, 3.0, 6.0])[:, None, None, None])
    for debias in (True, False):
        norm = lwd.fnorm(ds, debias=debias)
        fit = lwd.convergence_fit(ds, debias=debias, square=False, errors="constant")
        np.testing.assert_allclose(fit.sample.curves, norm.values)
        found = trends(ds, debias=debias, autocorrelation="none")["statistic"]
        np.testing.assert_allclose(found, trends(norm, autocorrelation="none")["statistic"])
    np.testing.assert_allclose(
        lwd.convergence_fit(ds).sample.curves, lwd.fnorm(ds, debias=True) ** 2
    )
    assert lwd.convergence_fit(ds, debias=False).what == "||D||_F"


@pytest.mark.parametrize("taker", TAKERS)
def test_one_model_has_no_distance_that_could_fall(taker):
    ds = lwd.simulate_gmm(n_steps=30, replicates=2, seed=1).isel(model=[1])
    with pytest.raises(lwd.InputError, match="one model") as error:
        TAKERS[taker](ds)
    assert error.value.argument == "x"


@pytest.mark.parametrize("taker", TAKERS)
def test_months_as_numbers_are_no_times(taker):
    months = [202211 + 100 * ((i + 10) // 12) + (i + 10) % 12 - 10 for i in range(60)]
    assert months[:3] == [202211, 202212, 202301]
    told = refused(TAKERS[taker], pd.Series(CURVE, index=months))
    assert "months written yyyymm" in told
    assert "pd.to_datetime(np.asarray(time, int).astype(str), format='%Y%m')" in told
    # Steps as large that do not stop at 12 are steps.
    assert (
        lwd.mann_kendall(pd.Series(CURVE, index=np.arange(202211, 202271)), seed=1).p_value < 0.05
    )
