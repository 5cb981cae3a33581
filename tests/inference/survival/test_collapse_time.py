"""`collapse_time` against R's survfit, and against what it is by definition."""

import math

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from paths import from_r

import lwdstats as lwd
from lwdstats.errors import InputError
from lwdstats.inference.survival.collapse_time import collapse_time
from lwdstats.inference.survival.kaplan_meier import kaplan_meier

CASES = from_r("curves")["survfit"]
CURVES = arrays(float, st.tuples(st.integers(1, 12), st.integers(1, 8)), elements=st.floats(-2, 2))


def curves_of(time, status):
    """Return curves (T, R) that stay below 1 from `time` on, or to its end are not below it."""
    last = int(max(time)) if not all(status) else int(max(time)) + 3
    t = np.arange(last + 1)[:, None]
    return np.where((t >= np.array(time)) & (np.array(status) == 1), 0.5, 2.0)


def as_floats(values):
    return np.array([np.nan if v is None else v for v in values], dtype=float)


@pytest.mark.parametrize("case", CASES)
def test_agrees_with_survfit(case):
    time, status = np.array(case["time"], float), np.array(case["status"])
    curve = kaplan_meier(time, status == 1, case["level"])
    for name, expected in case["curve"].items():
        expected = as_floats(np.atleast_1d(expected))
        np.testing.assert_allclose(curve[name], expected, rtol=1e-12, atol=1e-14, err_msg=name)
    found = collapse_time(curves_of(time, status), 1.0, level=case["level"])
    assert found.survival["time"].tolist() == np.atleast_1d(case["curve"]["time"]).tolist()
    quantile = found.quantile()
    for name, expected in case["quantile"].items():
        if name != "estimate" and (np.diff(curve[name].dropna()) > 0).any():
            continue  # a limit that rises again, of which R's quantile takes the later crossing
        np.testing.assert_allclose(quantile[name], as_floats(expected), rtol=1e-12, err_msg=name)
    # The two lines of R's block, apart from its row label.
    head, row = (line.replace("[1,]", "").split() for line in case["printed"][-2:])
    mine = str(found).splitlines()[2:4]
    assert mine[0].split() == head
    assert mine[1].split() == row


@given(CURVES, st.floats(-2, 2))
def test_time_is_the_first_from_which_all_are_below(values, threshold):
    found = collapse_time(values, threshold)
    for column, (time, collapsed) in zip(values.T, found.times.to_numpy(), strict=True):
        below = [t for t in range(len(column)) if (column[t:] < threshold).all()]
        assert collapsed == bool(below)
        assert time == (below[0] if below else len(column) - 1)


@given(CURVES, st.floats(-2, 2))
def test_curve_is_the_empirical_distribution_up_to_the_end(values, threshold):
    found = collapse_time(values, threshold)
    for row in found.survival.itertuples():
        later = [t > row.time or not c for t, c in found.times.to_numpy()]
        assert row.estimate == pytest.approx(np.mean(later), abs=1e-12)
    assert found.survival["n_event"].sum() == found.events
    low, high = found.conf_int
    assert math.isnan(low) or math.isnan(high) or low <= high
    if not math.isnan(found.median):
        assert math.isnan(low) or low <= found.median
        assert math.isnan(high) or high >= found.median


@given(CURVES, st.floats(-2, 2), st.floats(0.1, 10))
def test_units_do_not_matter(values, threshold, unit):
    values, threshold = np.round(values, 3), round(threshold, 3) + 0.0005
    a, b = collapse_time(values, threshold), collapse_time(unit * values, unit * threshold)
    assert a.times.equals(b.times)


def test_wider_at_a_higher_level():
    values = curves_of([3, 5, 5, 8, 11, 13, 17, 20, 24, 30], [1] * 10)
    narrow = collapse_time(values, 1.0, level=0.5).conf_int
    wide = collapse_time(values, 1.0, level=0.95).conf_int
    assert wide[0] <= narrow[0] <= narrow[1] <= wide[1]


def test_confint_is_that_of_the_median_at_any_level():
    values = curves_of([3, 5, 5, 8, 11, 13, 17, 20, 24, 30], [1] * 10)
    found = collapse_time(values, 1.0, level=0.9)
    table = found.confint().table
    assert list(table.index) == ["median"]
    assert list(table.columns) == ["5%", "95%"]
    assert tuple(table.loc["median"]) == found.conf_int
    half = lwd.confint(found, level=0.5).table.loc["median"]
    assert tuple(half) == collapse_time(values, 1.0, level=0.5).conf_int
    assert collapse_time(np.ones((5, 4)), 0.5).confint().table.isna().all(axis=None)
    with pytest.raises(InputError, match="level"):
        found.confint(1.0)


def test_rows_are_named_by_their_time():
    found = collapse_time(curves_of([3, 5, 8, 9], [1, 1, 1, 0]), 1.0)
    rows = found.to_latex().splitlines()[4:-2]
    assert [row.split(" & ")[0] for row in rows] == ["time 3", "time 5", "time 8", "time 9"]
    assert "n\\_risk" in found.to_latex()


def test_says_when_there_is_no_estimate_or_no_interval():
    none = collapse_time(np.ones((5, 4)), 0.5)
    assert math.isnan(none.median)
    assert none.events == 0
    assert "there is no estimate" in str(none)
    one = collapse_time([2.0, 1.0, 0.1, 0.1], 0.5)
    assert one.median == 2.0
    assert all(math.isnan(v) for v in one.conf_int)
    assert "no interval" in str(one)
    few = collapse_time(curves_of([2, 9, 9, 9], [1, 0, 0, 0]), 1.0)
    assert "not reached" in str(few)
    assert "3 not below it then: censored at 9" in str(few)


def test_takes_datasets_and_data_arrays():
    ds = lwd.simulate_gmm(n_steps=40, replicates=5, seed=3)
    norm = lwd.fnorm(ds)
    a, b = collapse_time(ds, 0.2), collapse_time(norm, 0.2)
    assert a.times.equals(b.times)
    assert a.times.equals(collapse_time(norm.values, 0.2).times)
    every_third = norm.isel(time=slice(None, None, 3))
    assert set(collapse_time(every_third, 0.2).times["time"]) <= set(every_third["time"].values)
    assert collapse_time(xr.DataArray([2.0, 0.1], dims="time"), 1.0).median == 1.0


def test_tables_and_picture():
    found = collapse_time(curves_of([3, 5, 8, 9], [1, 1, 1, 0]), 1.0)
    assert found.tidy().equals(found.survival)
    glance = found.glance().iloc[0]
    assert (glance["n"], glance["events"], glance["last"]) == (4, 3, 9)
    assert found.plot().get_ylabel() == "share not collapsed"


@pytest.mark.parametrize(
    ("x", "threshold", "level"),
    [([1.0, np.nan], 1, 0.95), ([1.0], "a", 0.95), ([1.0], np.nan, 0.95), ([1.0], 1, 1.0)],
)
def test_refuses(x, threshold, level):
    with pytest.raises(InputError):
        collapse_time(x, threshold, level=level)


def test_refuses_probabilities_outside():
    with pytest.raises(InputError, match="probs"):
        collapse_time([1.0, 0.1], 0.5).quantile([0.5, 1.0])
