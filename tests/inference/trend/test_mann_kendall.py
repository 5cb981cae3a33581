"""`mann_kendall` against R's cor.test, scipy, the definition of S, and its null hypotheses."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from paths import from_r
from scipy.stats import binomtest, kendalltau, theilslopes, ttest_1samp

import lwdstats as lwd
from lwdstats.errors import InputError
from lwdstats.inference.trend.kendall import flipped_p, independent_variance, kendall_many, scaled_s
from lwdstats.inference.trend.mann_kendall import TrendTests, mann_kendall
from lwdstats.results.htest import HTest

CASES = from_r("curves")["kendall"]
PATHS = arrays(float, st.integers(4, 30), elements=st.integers(-5, 5).map(float))


def ar1(rng, phi, n, count):
    e = rng.normal(size=(n, count))
    e[0] /= np.sqrt(1 - phi**2)
    for t in range(1, n):
        e[t] += phi * e[t - 1]
    return e.T


@pytest.mark.parametrize("case", CASES)
def test_agrees_with_cor_test(case):
    x = np.array(case["x"], float)
    test = mann_kendall(x, autocorrelation="none")
    assert test.p_value == pytest.approx(case["p_value"], rel=1e-9)
    assert test.estimate["tau"] == pytest.approx(case["tau"], rel=1e-12)
    pairs = len(x) * (len(x) - 1) / 2
    if case["exact"]:  # R's T counts concordant pairs
        assert test.statistic == 2 * case["statistic"] - pairs
    else:
        sd = np.sqrt(independent_variance(x))
        drawn_in = np.sign(test.statistic) * (abs(test.statistic) - 1)
        assert drawn_in / sd == pytest.approx(case["statistic"], rel=1e-9)


@given(PATHS)
def test_s_is_the_sum_of_signs(x):
    s = sum(np.sign(b - a) for a, b in itertools.combinations(x, 2))
    test = mann_kendall(x, autocorrelation="none")
    assert test.statistic == s
    assert kendall_many(np.stack([x, -x])).tolist() == [s, -s]
    if len(set(x)) > 1:
        assert test.estimate["tau"] == pytest.approx(kendalltau(range(len(x)), x).statistic)
    else:
        assert test.p_value == 1.0


@pytest.mark.parametrize("autocorrelation", ["ar1", "none"])
@pytest.mark.parametrize("alternative", ["two-sided", "less", "greater"])
def test_a_constant_has_no_trend(autocorrelation, alternative):
    for value in (0.0, 0.1, 1.0):
        options = {"autocorrelation": autocorrelation, "alternative": alternative, "seed": 1}
        test = mann_kendall(np.full(20, value), **options)
        assert (test.statistic, test.p_value) == (0.0, 1.0)
        assert test.estimate["Theil-Sen slope"] == 0.0
        assert np.isnan(test.estimate["tau"])
        assert "p-value = 1" in str(test)
    both = mann_kendall(np.ones((20, 2)), **options)
    assert (both.table["p_value"] == 1.0).all()


@given(st.permutations(range(8)))
def test_exact_p_is_that_of_scipy(order):
    x = np.array(order, float)
    test = mann_kendall(x, autocorrelation="none")
    expected = kendalltau(np.arange(8), x, method="exact").pvalue
    assert test.p_value == pytest.approx(expected, rel=1e-12)
    one_sided = [
        mann_kendall(x, autocorrelation="none", alternative=side).p_value
        for side in ("less", "greater")
    ]
    assert min(1.0, 2 * min(one_sided)) == pytest.approx(test.p_value)


def test_slope_is_sens_per_unit_of_time():
    rng = np.random.default_rng(1)
    y = lwd.fnorm(lwd.simulate_gmm(n_steps=60, seed=1)).isel(time=slice(0, None, 4))
    test = mann_kendall(y, autocorrelation="none", level=0.9)
    slope, _, low, high = theilslopes(y.values[:, 0], y["time"].values, 0.9)
    assert test.estimate["Theil-Sen slope"] == pytest.approx(slope)
    assert test.conf_int == pytest.approx((low, high))
    assert mann_kendall(rng.normal(size=20), seed=1).conf_int is None


@given(arrays(float, st.integers(4, 30), elements=st.integers(-9, 9).map(float)))
def test_interval_is_that_of_scipy_with_one_end_for_one_side(y):
    slope, _, low, high = theilslopes(y, np.arange(len(y)), 0.9)
    two = mann_kendall(y, autocorrelation="none", level=0.9)
    assert two.conf_int == pytest.approx((low, high))
    assert two.estimate["Theil-Sen slope"] == pytest.approx(slope)
    # 5% beyond either end: the ends are those of one-sided intervals at 95%.
    for side, ends in (("less", (-np.inf, high)), ("greater", (low, np.inf))):
        one = mann_kendall(y, autocorrelation="none", alternative=side, level=0.95)
        assert one.conf_int == pytest.approx(ends)


def test_interval_narrows_with_the_level_on_either_side():
    y = np.random.default_rng(3).normal(size=40)
    levels = (0.2, 0.4, 0.6, 0.8, 0.99)

    def ends(side):
        return np.array(
            [
                mann_kendall(y, autocorrelation="none", alternative=side, level=v).conf_int
                for v in levels
            ]
        )

    two = ends("two-sided")
    assert (np.diff(two[:, 0]) < 0).all()
    assert (np.diff(two[:, 1]) > 0).all()
    assert (np.diff(ends("less")[:, 1]) > 0).all()
    assert (np.diff(ends("greater")[:, 0]) < 0).all()
    text = str(mann_kendall(y, autocorrelation="none", alternative="less"))
    assert " -Inf " in text.split("confidence interval:")[1]


def test_tidy_has_slope_and_tau_as_estimates():
    y = np.random.default_rng(3).normal(size=20)
    plain = mann_kendall(y, autocorrelation="none")
    row = plain.tidy().iloc[0]
    assert "parameter" not in row
    assert row["estimate1"] == plain.estimate["Theil-Sen slope"]
    assert row["estimate2"] == pytest.approx(kendalltau(range(20), y).statistic)
    assert list(mann_kendall(y, seed=1).parameter) == ["AR(1)"]


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["ar1", "none"]))
def test_only_ranks_count(seed, autocorrelation):
    x = np.random.default_rng(seed).normal(size=25)

    def p(y):
        test = mann_kendall(y, autocorrelation=autocorrelation, n_bootstrap=99, seed=3)
        return test.statistic, test.p_value

    assert p(x) == p(np.exp(x)) == p(3.0 * x + 7.0)
    s, p_value = p(-x)
    assert s == -p(x)[0]
    if autocorrelation == "none":
        assert p_value == pytest.approx(p(x)[1])


def test_phi_is_found_on_average():
    for phi in (0.3, 0.6):
        found = scaled_s(np.exp(ar1(np.random.default_rng(2), phi, 200, 2000)))[1]
        assert found.mean() == pytest.approx(phi, abs=0.02)
    # Below 0 there is none.
    found = scaled_s(ar1(np.random.default_rng(2), -0.3, 200, 200))[1]
    assert np.mean(found == 0.0) > 0.95


@pytest.mark.parametrize("n", [8, 10, 13, 30])
@pytest.mark.parametrize(
    "shape", [lambda t: t, lambda t: -t, lambda t: np.exp(-t / 3), lambda t: -(t**3)]
)
def test_perfect_order_is_a_trend(n, shape):
    """It is rarer than in a random walk, the most autocorrelated AR(1): 2 in 2^(n - 1)."""
    test = mann_kendall(shape(np.arange(float(n))), seed=1, n_bootstrap=4999)
    assert abs(test.estimate["tau"]) == pytest.approx(1.0)
    assert test.p_value <= 2.0 ** (2 - n) + 1e-3
    assert test.parameter == {"AR(1)": 0.0}


@settings(max_examples=60, deadline=None)
@given(st.permutations(range(10)), st.sampled_from(["two-sided", "greater"]))
def test_no_order_has_a_smaller_p_than_perfect_order(order, alternative):
    def p(y):
        found = mann_kendall(y, alternative=alternative, seed=1, n_bootstrap=999)
        return found.p_value

    assert p(list(order)) >= p(list(range(10)))


def test_p_rises_as_neighbors_are_swapped():
    """S falls by 2 a swap, and what is left shows no positive autocorrelation."""
    y, p = list(range(12)), []
    for k in (None, 0, 3, 6, 9):
        if k is not None:
            y[k], y[k + 1] = y[k + 1], y[k]
        p.append(mann_kendall(y, seed=1, n_bootstrap=9999).p_value)
    assert p == sorted(p)
    assert p[-1] < 0.05


@pytest.mark.parametrize("phi", [0.0, 0.6])
def test_p_is_uniform_on_autocorrelated_paths(phi):
    paths = ar1(np.random.default_rng(4), phi, 60, 400)
    p = [mann_kendall(y, n_bootstrap=19, seed=i).p_value for i, y in enumerate(paths)]
    for level in (0.05, 0.2, 0.5):
        hits = int(np.sum(np.array(p) <= level + 1e-12))
        assert binomtest(hits, len(p), level).pvalue > 1e-3


def test_independence_assumed_rejects_too_often_and_ar1_sees_a_trend():
    paths = ar1(np.random.default_rng(5), 0.6, 60, 200)
    naive = [mann_kendall(y, autocorrelation="none").p_value <= 0.05 for y in paths]
    assert np.mean(naive) > 0.15
    trending = paths[:50] - 0.1 * np.arange(60)
    seen = [mann_kendall(y, alternative="less", n_bootstrap=99, seed=1).p_value for y in trending]
    assert np.mean(np.array(seen) <= 0.05) > 0.8


def test_a_network_settling_down_falls():
    ds = lwd.simulate_gmm(n_steps=60, replicates=3, seed=1)
    tests = mann_kendall(ds, seed=1)
    assert isinstance(tests, TrendTests)
    assert (tests.table["statistic"] < 0).all()
    assert (tests.table["p_value"] < 0.05).all()
    assert "AR(1) in time" in str(tests)
    assert tests.tidy().equals(tests.table)
    glance = tests.glance().iloc[0]
    assert (glance["n"], glance["times"]) == (3, 61)
    assert (glance["falling"], glance["rising"]) == (3, 0)
    # Each replicate is by itself: its stream does not depend on the others.
    one = mann_kendall(lwd.fnorm(ds).isel(replicate=[0]), seed=1)
    assert isinstance(one, HTest)
    assert one.p_value == tests.table["p_value"].iloc[0]
    assert "null hypothesis: no trend; AR(1)" in " ".join(str(one).split())


@settings(max_examples=30)
@given(st.lists(st.integers(-9, 9), min_size=2, max_size=9))
def test_replicates_together_are_all_their_signs(values):
    s = np.array(values, float)
    sums = np.array([np.dot(signs, s) for signs in itertools.product((-1, 1), repeat=len(s))])
    low, high = np.mean(sums <= s.sum()), np.mean(sums >= s.sum())
    assert flipped_p(s, "less") == pytest.approx(low)
    assert flipped_p(s, "greater") == pytest.approx(high)
    assert flipped_p(s, "two-sided") == pytest.approx(min(1.0, 2 * min(low, high)))


def test_one_trend_in_replicates_that_show_none_each():
    """10 paths of 13 times, AR(1) 0.7, each rising by a standard deviation or two."""
    paths = ar1(np.random.default_rng(7), 0.7, 13, 10).T + np.linspace(0, 2, 13)[:, None]
    tests = mann_kendall(paths, seed=1)
    assert isinstance(tests, TrendTests)
    together = tests.together
    assert together.statistic == tests.table["statistic"].sum()
    slopes = tests.table["slope"].to_numpy()
    assert together.estimate is not None
    assert together.estimate["mean Theil-Sen slope"] == pytest.approx(slopes.mean())
    expected = ttest_1samp(slopes, 0.0).confidence_interval(0.95)
    assert together.conf_int == pytest.approx(expected)
    assert tests.glance().loc[0, "p_value"] == together.p_value < 0.05
    assert f"sum of S = {together.statistic:g}" in str(tests)
    rise = mann_kendall(paths, seed=1, alternative="greater")
    assert isinstance(rise, TrendTests)
    assert rise.together.p_value == pytest.approx(together.p_value / 2)
    # All of 6 replicates in order: two of 2^6 choices of signs are as extreme.
    order = mann_kendall(np.tile(np.arange(10.0)[:, None], 6), seed=1)
    assert isinstance(order, TrendTests)
    assert order.together.p_value == pytest.approx(2 / 64)


def test_replicates_together_reject_as_often_as_they_say():
    rng, p = np.random.default_rng(8), []
    for _ in range(300):
        paths = ar1(rng, 0.8, 12, 8).T
        p.append(flipped_p(kendall_many(paths.T), "two-sided"))
    for level in (0.05, 0.2, 0.5):
        hits = int(np.sum(np.array(p) <= level))
        assert binomtest(hits, len(p), level, alternative="greater").pvalue > 1e-3


def test_picture_has_each_curve_and_its_line():
    t = np.arange(21.0)
    values = np.stack([3.0 - 0.1 * t, 1.0 + 0.2 * t], axis=1)
    ax = mann_kendall(values, autocorrelation="none").plot()
    for j in range(2):
        curve, line = ax.lines[2 * j : 2 * j + 2]
        np.testing.assert_allclose(curve.get_ydata(), values[:, j])
        np.testing.assert_allclose(line.get_ydata(), values[:, j])


@pytest.mark.parametrize(
    ("x", "options", "argument"),
    [
        ([1.0, 2.0, 3.0], {"autocorrelation": "none"}, "x"),
        (range(7), {}, "x"),
        (range(20), {"autocorrelation": "ar2"}, "autocorrelation"),
        (range(20), {"alternative": "up"}, "alternative"),
        (range(20), {"level": 2.0}, "level"),
        (range(20), {"n_bootstrap": 0}, "n_bootstrap"),
    ],
)
def test_refuses(x, options, argument):
    with pytest.raises(InputError) as error:
        mann_kendall(list(x), **options)
    assert error.value.argument == argument
