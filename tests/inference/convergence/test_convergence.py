"""Laws of decay over replicates, against statsmodels, `nls` and laws of their own."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from scipy.linalg import toeplitz

import lwdstats as lwd
from lwdstats.inference.convergence.choice import criterion, dispersion
from lwdstats.inference.convergence.minimise import Family, hessian, minimise
from lwdstats.inference.convergence.scores import (
    Sample,
    ar1_product,
    covariance,
    interval,
    score_test,
)
from lwdstats.inference.laws import LAWS, values

T = np.arange(41.0)


def networks(R, seed, c=0.0):
    """Return curves of an exact power law with noise in proportion, autocorrelated, (41, R)."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((41, R))
    for t in range(1, 41):
        noise[t] = 0.5 * noise[t - 1] + math.sqrt(0.75) * noise[t]
    scale = rng.uniform(0.5, 1.5, R)
    return (c + 2.0 * (T + 1) ** -0.6)[:, None] * scale * np.exp(0.3 * noise - 0.045)


@pytest.fixture(scope="module")
def curves():
    return networks(12, 5)


def sample_of(law, Y, family):
    return Sample(LAWS[law], LAWS[law].clock(T), Y, Y.mean(axis=1), family)


def gee(Y):
    """Return statsmodels' fit of the power law: gamma errors, log link, clustered."""
    R = Y.shape[1]
    x = np.column_stack([np.ones(41 * R), np.repeat(np.log1p(T), R)])
    groups = np.tile(np.arange(R), 41)
    order = np.argsort(groups, kind="stable")
    family = sm.families.Gamma(sm.families.links.Log())
    model = sm.GEE(Y.ravel()[order], x[order], groups[order], family=family)
    return model.fit(maxiter=500, ctol=1e-12)


@settings(deadline=None, max_examples=50)
@given(
    st.sampled_from(sorted(LAWS)),
    st.sampled_from(list(Family)),
    st.floats(0.1, 2.0),
    st.floats(0.1, 3.0),
    st.floats(-4.0, 0.5),
)
def test_gradient_and_hessian_match_differences(law, family, c, a, log_q):
    s = LAWS[law].clock(T)
    y = 1.0 + np.cos(T) / 2.0
    theta = np.array([c, a, log_q])
    gradient, full, _ = hessian(s, y, theta, family)
    h = 1e-6
    for j in range(3):
        step = np.zeros(3)
        step[j] = h
        up, down = theta + step, theta - step
        slope = (family.loss(y, values(s, up)[0]) - family.loss(y, values(s, down)[0])) / (2 * h)
        bend = (hessian(s, y, up, family)[0] - hessian(s, y, down, family)[0]) / (2 * h)
        assert slope == pytest.approx(gradient[j], rel=1e-5, abs=1e-5)
        np.testing.assert_allclose(bend, full[j], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("law", "formula"),
    [
        ("exponential", "y ~ SSexpfloor(t, c, a, rate)"),
        ("power", "y ~ SSpower(t, 0, a, b)"),
        ("power_floor", "y ~ SSpower(t, c, a, b)"),
    ],
)
def test_least_squares_is_that_of_nls(law, formula, curves):
    fit = lwd.convergence_fit(curves, law, errors="constant")
    reference = lwd.nls(formula, {"t": T, "y": curves.mean(axis=1)})
    np.testing.assert_allclose(fit.coef(), reference.coef(), rtol=1e-6)
    assert list(fit.coef().index) == list(reference.coef().index)


def test_relative_errors_are_the_gamma_fit_of_statsmodels(curves):
    reference = gee(curves)
    fit = lwd.convergence_fit(curves, "power")
    a, b = fit.coef()
    np.testing.assert_allclose([math.log(a), -b], reference.params, rtol=1e-6)
    # Theirs divides by R, and takes the expected Hessian.
    s = fit.sample
    slope = values(s.s, fit.theta)[1][:, 1:] / values(s.s, fit.theta)[0][:, None]
    scores = slope.T @ (curves / fit.fitted()[:, None] - 1.0)
    bread = np.linalg.inv(12 * slope.T @ slope)
    expected = bread @ (scores @ scores.T) @ bread
    to_log = np.diag([1 / a, -b])  # d(log a, -b) / d(a, log b)
    np.testing.assert_allclose(to_log @ expected @ to_log, reference.cov_robust, rtol=1e-4)


def test_the_sandwich_is_that_of_clustered_least_squares(curves):
    # With the rate at its estimate, c and a are a linear regression.
    fit = lwd.convergence_fit(curves, "power_floor", errors="constant")
    held = fit.sample.fit({2: fit.theta[2]})
    np.testing.assert_allclose(held.theta, fit.theta, rtol=1e-7)
    _, slope, _ = values(fit.sample.s, fit.theta)
    x = np.repeat(slope[:, :2], 12, axis=0)
    ols = sm.OLS(curves.ravel(), x).fit()
    robust = ols.get_robustcov_results("cluster", groups=np.tile(np.arange(12), 41),
                                       use_correction=False)  # fmt: skip
    scores = slope[:, :2].T @ (curves - fit.fitted()[:, None])
    bread = np.linalg.inv(slope[:, :2].T @ slope[:, :2])
    ours = bread @ np.cov(scores) @ bread / 12
    np.testing.assert_allclose(ours * 11 / 12, robust.cov_params(), rtol=1e-6)


def test_the_criterion_is_pans(curves):
    reference = gee(curves)
    sample = sample_of("power", curves, Family.RELATIVE)
    theta = sample.fit().theta
    scale = dispersion(sample, theta)
    ours, df = criterion(sample, theta, scale)
    theirs = reference.qic(scale=scale)[0]
    f = values(sample.s, theta)[0]
    penalty = 2 * np.trace(np.linalg.solve(reference.cov_naive, reference.cov_robust))
    penalty *= reference.scale / scale
    # Quasi-likelihoods agree but for a constant of the data.
    other = np.full(3, 0.0)
    other[1:] = theta[1] * 1.1, theta[2]
    step = criterion(sample, other, scale)[0] - 2 * criterion(sample, other, scale)[1]
    g = values(sample.s, other)[0]
    change = 2 * (curves / g[:, None] + np.log(g)[:, None]).sum() / scale
    change -= 2 * (curves / f[:, None] + np.log(f)[:, None]).sum() / scale
    assert step - (ours - 2 * df) == pytest.approx(change, rel=1e-9)
    assert 2 * df == pytest.approx(penalty, rel=0.1)  # observed against expected Hessian
    assert math.isfinite(theirs)


def test_more_replicates_bring_score_and_wald_together():
    Y = networks(4000, 1)
    sample = sample_of("power", Y, Family.RELATIVE)
    theta = sample.fit().theta
    se = np.sqrt(np.diag(covariance(sample, theta)))
    for at, index in enumerate(sample.law.free):
        low, high = interval(sample, theta, index, 0.95)
        wald = stats.t.ppf([0.025, 0.975], 3999) * se[at] + theta[index]
        np.testing.assert_allclose([low, high], wald, atol=0.03 * se[at])


@pytest.mark.parametrize("law", sorted(LAWS))
@pytest.mark.parametrize("family", list(Family))
def test_ends_are_where_the_test_turns(law, family, curves):
    sample = sample_of(law, curves, family)
    theta = sample.fit().theta
    critical = stats.t.ppf(0.95, 11)
    for index in sample.law.free:
        low, high = interval(sample, theta, index, 0.9)
        assert low < theta[index] < high
        if math.isfinite(low):
            assert score_test(sample, index, low, theta).t == pytest.approx(critical, abs=1e-4)
        if math.isfinite(high):
            assert score_test(sample, index, high, theta).t == pytest.approx(-critical, abs=1e-4)
        assert score_test(sample, index, theta[index], theta).t == pytest.approx(0.0, abs=1e-4)


@settings(deadline=None, max_examples=10)
@given(st.floats(1e-3, 1e3), st.integers(0, 2**32 - 1))
def test_units_and_order_of_replicates_do_not_matter(unit, seed):
    Y = networks(8, 3, c=0.3)
    order = np.random.default_rng(seed).permutation(8)
    plain = lwd.convergence_fit(Y, "power_floor")
    other = lwd.convergence_fit(unit * Y[:, order], "power_floor")
    scale = np.array([unit, unit, 1.0])
    np.testing.assert_allclose(other.coef(), plain.coef() * scale, rtol=1e-5)
    ends = plain.confint(["c", "a", "b"]).table.to_numpy() * scale[:, None]
    np.testing.assert_allclose(other.confint(["c", "a", "b"]), ends, rtol=1e-4)
    test, same = lwd.convergence_test(Y), lwd.convergence_test(unit * Y[:, order])
    assert same.p_value == pytest.approx(test.p_value, rel=1e-5)
    assert other.laws["delta"].to_numpy() == pytest.approx(plain.laws["delta"].to_numpy(), abs=1e-4)


@settings(deadline=None, max_examples=30)
@given(arrays(float, (30, 2), elements=st.floats(-5, 5)), st.floats(0.0, 0.95))
def test_the_autocorrelated_product_is_that_of_the_matrix(z, phi):
    G = toeplitz(phi ** np.arange(30))
    np.testing.assert_allclose(ar1_product(z, phi), z.T @ G @ z, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("law", sorted(LAWS))
@pytest.mark.parametrize("since", [0, 7])
def test_half_of_the_way_is_gone_after_the_half_life(law, since):
    c = 0.0 if law == "power" else 0.4
    f = values(LAWS[law].clock(T), np.array([c, 2.0, math.log(0.3)]))[0]
    fit = lwd.convergence_fit(f, law, since=since)
    start, later = fit.predict([since, since + fit.half_life]) - fit.limit
    assert later / start == pytest.approx(0.5, abs=1e-6)


def test_a_law_without_noise_is_found_and_chosen():
    for law in LAWS:
        c = 0.0 if law == "power" else 0.4
        truth = np.array([c, 2.0, math.log(0.3)])
        f = values(LAWS[law].clock(T), truth)[0]
        spread = np.array([0.99, 0.995, 1.005, 1.01])
        fit = lwd.convergence_fit(f[:, None] * spread)
        assert fit.law.name == law
        np.testing.assert_allclose(fit.theta, truth, atol=1e-5)
        assert lwd.convergence_fit(f, law).predict([50.0])[0] == pytest.approx(
            values(LAWS[law].clock(np.array([50.0])), truth)[0][0], rel=1e-5
        )


def test_the_test_of_the_limit_sees_one_and_is_silent_without():
    assert lwd.convergence_test(networks(12, 1, c=0.5)).p_value < 0.01
    p = [lwd.convergence_test(networks(8, seed)).p_value for seed in range(200)]
    # The binomial 99.9% range of 10 expected; the size proper is measured in benchmarks/.
    assert 1 <= np.sum(np.array(p) < 0.05) <= 22
    assert stats.kstest(p, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("c", [0.0, 0.3])
def test_a_slow_power_law_and_a_limit_get_no_verdict(c):
    rng = np.random.default_rng(2)
    noise = np.exp(0.2 * rng.standard_normal((len(T), 8)))
    slow = lwd.convergence_test((c + (T[:, None] + 1) ** -0.1) * noise)
    assert slow.p_value > 0.05
    assert "No verdict on c" in str(slow)
    assert slow.conf_int is None
    # A decay that is fast enough has one: that c is 0, or that it is not.
    fast = lwd.convergence_test((c + (T[:, None] + 1) ** -1.0) * noise)
    assert fast.note is None
    assert (fast.p_value < 0.05) == (c > 0)


def test_one_path_is_told_apart_from_replicates():
    rng = np.random.default_rng(0)
    t = np.arange(101.0)
    y = 2 * (t + 1) ** -0.5 * np.exp(0.2 * rng.standard_normal(101))
    fit = lwd.convergence_fit(y)
    low, high = fit.confint("b")["b"]
    assert low < 0.5 < high
    assert "this path alone" in str(fit.summary())
    short = lwd.convergence_fit(y[:30])
    assert "fewer than 50" in str(short.summary())
    with pytest.raises(lwd.InputError, match="fewer than 50"):
        short.confint()
    with pytest.raises(lwd.InputError, match="fewer than 50"):
        lwd.convergence_test(y[:30])
    walk = np.exp(np.cumsum(0.5 * rng.standard_normal(101))) * y
    assert "autocorrelation" in (lwd.convergence_fit(walk, "power").no_interval or "")
    assert np.isnan(short.tidy()["conf_low"]).all()
    squares = lwd.convergence_fit(y - 0.3)
    assert "not in proportion" in (squares.no_interval or "")


def test_answers_are_debiased_and_squared():
    ds = lwd.simulate_gmm(n_steps=40, n_responses=10, replicates=6, seed=3).drop_vars("weight")
    fit = lwd.convergence_fit(ds, "power", since=1)
    norm = lwd.fnorm(ds, debias=True).isel(time=slice(1, None))
    np.testing.assert_allclose(fit.sample.curves, norm * abs(norm))
    assert fit.what == "squared debiased ||D||_F"
    plain = lwd.convergence_fit(ds, "power", since=1, square=False)
    np.testing.assert_allclose(plain.sample.curves, norm)


def test_generics_and_tables(curves):
    fit = lwd.convergence_fit(curves)
    assert fit.law.name == "power"
    frame = lwd.tidy(fit)
    assert list(frame.columns) == ["term", "estimate", "std_error", "conf_low", "conf_high"]
    assert list(frame["term"]) == ["a", "b", "half_life"]
    np.testing.assert_allclose(frame["std_error"][:2] ** 2, np.diag(lwd.vcov(fit)))
    # The half-life falls as the exponent rises.
    b, half = lwd.confint(fit, ["b", "half_life"]).table.to_numpy()
    np.testing.assert_allclose(half, [2 ** (1 / b[1]) - 1, 2 ** (1 / b[0]) - 1])
    assert len(lwd.augment(fit)) == curves.size
    np.testing.assert_allclose(lwd.residuals(fit) + lwd.fitted(fit)[:, None], curves)
    assert lwd.glance(fit)["n_replicates"].item() == lwd.nobs(fit) == 12
    assert fit.laws["weight"].sum() == pytest.approx(1.0)
    assert lwd.AIC(fit) == fit.laws["aic"].min()
    se = fit.predict([3.0, 100.0], se_fit=True)["se_fit"]
    assert (se > 0).all()
    text = str(lwd.summary(fit))
    assert "power, by QIC" in text
    assert "11 degrees of freedom" in text
    assert "<table" in fit._repr_html_()
    assert fit.to_markdown().count("\n") == 4


def test_a_curve_that_does_not_decay_says_so():
    rng = np.random.default_rng(1)
    Y = 1.0 + 0.01 * T[:, None] + 0.001 * rng.standard_normal((41, 4))
    fit = lwd.convergence_fit(Y, "power_floor")
    assert not fit.converged
    assert "rate" in str(fit)
    assert fit.laws.loc["power_floor", "problem"]
    with pytest.raises(lwd.InputError, match="not a minimum"):
        fit.confint()


@pytest.mark.parametrize(
    ("x", "kwargs", "match"),
    [
        ([1.0, 2.0], {}, "2 times"),
        (np.repeat(2.0 ** -np.arange(10.0)[:, None], 2, axis=1), {}, "same as another"),
        (2.0 ** -np.arange(10.0), {"since": 7}, "leaves 3 of 10"),
        (np.ones((10, 3)) * [1, 2, 3], {}, "at all times"),
        (np.full((10, 2), np.nan), {}, "not finite"),
        (np.ones((2, 3, 4)), {}, "shape"),
        ("norms", {}, "x"),
        (2.0 ** -np.arange(10.0), {"law": "weibull"}, "law"),
        (2.0 ** -np.arange(10.0), {"since": "soon"}, "since"),
        (2.0 ** -np.arange(10.0), {"level": 1.0}, "level"),
        (2.0 ** -np.arange(10.0), {"errors": "none"}, "errors"),
        (2.0 ** -np.arange(10.0), {"square": 2}, "square"),
        (2.0 ** -np.arange(10.0) - 0.1, {"errors": "relative"}, "above 0"),
    ],
)
def test_bad_input_is_named(x, kwargs, match):
    with pytest.raises(lwd.InputError, match=match):
        lwd.convergence_fit(x, **kwargs)


def test_the_search_finds_what_a_fine_grid_finds(curves):
    y = curves[:, 0]
    for law in LAWS.values():
        s = law.clock(T)
        fixed = {} if law.has_limit else {0: 0.0}
        for family in Family:
            found = minimise(s, y, family, fixed)
            if found.problem is not None:
                continue
            nearby = [minimise(s, y, family, {**fixed, 2: q}).loss for q in np.linspace(-6, 3, 200)]
            assert found.loss <= min(nearby) + 1e-10 * abs(found.loss)


def test_the_picture_holds_curves_and_law(curves):
    fit = lwd.convergence_fit(curves, "power_floor")
    ax = fit.plot(log=True)
    lines = ax.get_lines()
    assert len(lines) == 12 + 3  # curves; mean, law, limit
    x, y = lines[13].get_data()
    np.testing.assert_allclose(y, fit.predict(x))
    assert ax.get_yscale() == "log"


def test_a_frame_keeps_its_times_and_labels():
    ds = lwd.simulate_gmm(n_steps=60, replicates=[3, 5, 8], seed=1)
    norm = lwd.fnorm(ds).sel(time=slice(10, None)).transpose("time", "replicate")
    frame = norm.to_pandas()
    one, other = lwd.convergence_fit(norm, "power"), lwd.convergence_fit(frame, "power")
    np.testing.assert_allclose(one.coef(), other.coef())
    assert other.replicates == (3, 5, 8)
    assert lwd.convergence_fit(frame, since=20).time[0] == 20
    path = frame[5]
    np.testing.assert_array_equal(lwd.convergence_fit(path, "power").time, np.arange(10.0, 61))
    with pytest.raises(lwd.InputError, match="index are not numbers"):
        lwd.convergence_fit(frame.set_axis([f"t{i}" for i in range(len(frame))]), "power")


def test_a_rise_is_not_sold_as_a_decay():
    Y = (3.0 - 2.0 * 0.8**T)[:, None] * np.array([1.0, 1.1, 0.9])
    fit = lwd.convergence_fit(Y, "exponential")
    assert "The curve rises" in str(fit)


def test_prediction_takes_what_that_of_nls_takes(curves):
    fit = lwd.convergence_fit(curves, "power")
    np.testing.assert_allclose(fit.predict({"t": [300.0]}), fit.predict([300.0]), rtol=1e-12)
    with pytest.raises(lwd.InputError, match="'t' or 'time'"):
        fit.predict({"x": [1.0]})
