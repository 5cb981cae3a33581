"""What the functions of a curve take: datasets, dates as times, and times of any unit."""

import datetime
import re
from typing import Any

import cftime
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import lwdstats as lwd

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
    "cftime": [cftime.DatetimeNoLeap(2001, 1 + i // 28, 1 + i % 28) for i in range(60)],
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
    expected = np.arange(60.0)
    if kind == "cftime":  # 28 days of each month of 2001
        expected = np.array([(d - DATES[kind][0]).days for d in DATES[kind]])
    np.testing.assert_allclose(np.asarray(elapsed, dtype=float), expected, atol=1 / 23)


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
