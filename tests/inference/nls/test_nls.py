"""`nls` against R, and what must hold of any least-squares fit."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import from_r
from scipy.optimize import least_squares
from scipy.stats import binom
from scipy.stats import t as student

from lwdstats.inference.nls.nls import NLSError, nls
from lwdstats.inference.nls.solver import FitStatus
from lwdstats.results import generics as r

COEF, SE, LIKELIHOOD = 1e-5, 1e-4, 1e-6  # against R, as is the next, in standard errors
SPLINE, ROOT = 2e-3, 1e-6  # R's interpolated profile, and the root of refits in R

REFERENCE = from_r("nls")
FITTED = [case for case in REFERENCE["fits"] if "error" not in case]
FAILED = {case["name"]: case for case in REFERENCE["fits"] if "error" in case}
ASYMP = "y ~ SSasymp(t, Asym, R0, lrc)"
SEEDS = st.integers(0, 2**32 - 1)


def fit_case(case, **arguments):
    return nls(
        case["formula"], case["data"], case.get("start"), weights=case["weights"], **arguments
    )


def decay(seed=0, n=30, noise=0.1, limit=2.0):
    t = np.arange(float(n))
    error = noise * np.random.default_rng(seed).normal(size=n)
    return {"t": t, "y": limit + 4 * np.exp(-0.2 * t) + error}


each_fit = pytest.mark.parametrize("case", FITTED, ids=[c["name"] for c in FITTED])


@each_fit
def test_agrees_with_r(case):
    fit = fit_case(case)
    assert fit.convergence is FitStatus.CONVERGED
    assert list(fit.coef().index) == list(case["coef"])
    coef, se = np.array(list(case["coef"].values())), np.array(case["se"])
    # A coefficient that is 0 but for noise has its digits in standard errors.
    np.testing.assert_allclose(fit.coef(), coef, rtol=COEF, atol=COEF * se.min())
    np.testing.assert_allclose(fit.standard_errors, se, rtol=SE)
    np.testing.assert_allclose(fit.vcov(), case["vcov"], rtol=SE, atol=SE * se.min() ** 2)
    assert fit.sigma == pytest.approx(case["sigma"], rel=LIKELIHOOD)
    assert r.deviance(fit) == pytest.approx(case["deviance"], rel=LIKELIHOOD)
    for name in ("logLik", "AIC", "BIC"):
        assert getattr(r, name)(fit) == pytest.approx(case[name], rel=LIKELIHOOD)
    assert (r.df_residual(fit), r.nobs(fit)) == (case["df"], case["nobs"])
    np.testing.assert_allclose(r.fitted(fit), case["fitted"], rtol=COEF)
    scale = COEF * fit.sigma
    np.testing.assert_allclose(r.residuals(fit), case["residuals"], atol=scale)
    # R divides by the number of observations of any weight, here of those that count.
    if case["weights"] is None or min(case["weights"]) > 0:
        np.testing.assert_allclose(r.residuals(fit, type="pearson"), case["pearson"], atol=COEF)


@each_fit
def test_profile_intervals_agree_with_r(case):
    table = fit_case(case).confint().table.to_numpy()
    se = np.atleast_1d(case["se"])[:, None]
    # MASS takes the t quantile on the number of all observations, those of weight 0 too.
    if case["confint"] is not None and case["name"] != "SSasymp, weights of 0":
        assert np.max(np.abs(table - case["confint"]) / se) < SPLINE
    if case["exact"] is not None:
        exact = np.array(case["exact"], dtype=float)
        found = np.isfinite(exact)  # with n = p + 1 R's refits fail on the way to three ends
        assert found.sum() >= (3 if "p + 1" in case["name"] else exact.size)
        assert np.max(np.abs(table - exact)[found] / np.broadcast_to(se, found.shape)[found]) < ROOT


def printed(lines):
    """Return lines without trailing blanks, typographic quotes and how the fit was reached."""
    straight = [line.rstrip().replace("‘", "'").replace("’", "'") for line in lines]
    kept = [s for s in straight if not s.startswith(("Number of iterations", "Achieved conv"))]
    return "\n".join(kept).strip("\n").splitlines()


@each_fit
def test_prints_as_r_line_by_line(case):
    fit = fit_case(case)
    theirs, ours = printed(case["print"]), printed(str(fit).splitlines())
    if "SSexpfloor" in case["formula"] or "SSpower" in case["formula"]:
        theirs[1] = f"  model: {case['formula']}"  # R does not have these self-starts
        case["summary"][1] = f"Formula: {case['formula']}"
    assert ours == theirs
    assert printed(str(r.summary(fit)).splitlines()) == printed(case["summary"])


@pytest.mark.parametrize("case", REFERENCE["anova"], ids=lambda c: c["name"])
def test_anova_agrees_with_r(case):
    fits = [nls(f, case["data"], s) for f, s in zip(case["formulas"], case["starts"], strict=True)]
    comparison = r.anova(*fits)
    theirs = np.array(case["table"], dtype=float)
    np.testing.assert_allclose(comparison.table, theirs, rtol=1e-5)
    assert str(comparison).splitlines() == printed(case["print"])


def test_predictions_agree_with_r():
    case = REFERENCE["predict"]
    fit = nls(ASYMP, case["data"])
    frame = r.predict(fit, {"t": case["t"]}, se_fit=True, interval="confidence")
    mean, se, quantile = np.array(case["fit"]), np.array(case["se"]), case["quantile"]
    np.testing.assert_allclose(frame["fit"], mean, rtol=COEF)
    np.testing.assert_allclose(frame["se_fit"], se, rtol=SE)
    np.testing.assert_allclose(frame["upr"], mean + quantile * se, rtol=COEF)
    wide = fit.predict({"t": case["t"]}, interval="prediction")
    half = quantile * np.sqrt(case["sigma"] ** 2 + se**2)
    np.testing.assert_allclose(wide["lwr"], mean - half, rtol=COEF)


def test_intervals_of_a_weighted_line_are_those_of_lm():
    case = REFERENCE["weighted_line"]
    fit = nls("y ~ m + s*t", case["data"], {"m": 0, "s": 0}, weights=case["weights"])
    for interval in ("confidence", "prediction"):
        frame = fit.predict({"t": case["t"]}, interval=interval)
        np.testing.assert_allclose(frame, case[interval], rtol=1e-8)


# Where R fails.


def test_a_straight_line_has_no_asymptote():
    fit = fit_case(FAILED["SSasymp, a straight line"], on_fail="return")
    assert not fit.converged
    assert np.isnan(fit.standard_errors).all()
    assert "Reason stopped" in str(fit)


def test_a_power_law_that_has_not_settled_is_reported():
    # The best power is 0, where the law becomes a logarithm and c and a run off.
    with pytest.raises(NLSError, match="singular gradient") as error:
        fit_case(FAILED["SSpower, slow decay"])
    assert abs(error.value.fit.coef()["b"]) < 1e-4


@pytest.mark.parametrize("name", ["two exponentials that are one", "a parameter that does nothing"])
def test_parameters_that_cannot_be_told_apart(name):
    with pytest.raises(NLSError, match="singular gradient") as error:
        fit_case(FAILED[name])
    assert error.value.fit.convergence is FitStatus.SINGULAR_GRADIENT
    copy = pickle.loads(pickle.dumps(error.value))  # noqa: S301 - our own
    assert str(copy) == str(error.value)


def test_the_origin_is_no_obstacle():
    # R's start takes log(1 - y / Asym) / t, at t = 0 too.
    case = FAILED["SSasympOrig from t = 0"]
    fit = fit_case(case)
    other = nls("y ~ A * (1 - exp(-k * t))", case["data"], {"A": 4, "k": 0.2})
    assert fit.coef()["Asym"] == pytest.approx(other.coef()["A"], rel=1e-7)
    assert np.exp(fit.coef()["lrc"]) == pytest.approx(other.coef()["k"], rel=1e-7)


def test_a_model_that_is_not_finite_at_the_start():
    with pytest.raises(NLSError, match="not finite"):
        nls("y ~ a * log(t - b)", decay(), {"a": 1, "b": 5})


def test_too_few_iterations():
    data, start = decay(), {"c": 50, "a": -20, "k": 2}
    fit = nls("y ~ c + a*exp(-k*t)", data, start, maxiter=3, on_fail="return")
    assert fit.convergence is FitStatus.MAX_ITERATIONS
    assert "Number of iterations till stop: 3" in str(fit)
    assert nls("y ~ c + a*exp(-k*t)", data, start).converged


# Laws.


@settings(max_examples=30)
@given(SEEDS, st.floats(1e-6, 1e6), st.floats(-50, 50), st.booleans())
def test_units_of_the_response(seed, scale, shift, weighted):
    data = decay(seed)
    w = np.random.default_rng(seed).uniform(0.5, 2, 30) if weighted else None
    fit = nls(ASYMP, data, weights=w)
    moved = nls(ASYMP, {"t": data["t"], "y": scale * (data["y"] + shift)}, weights=w)
    expected = fit.estimate + np.array([shift, shift, 0])
    factor = np.array([scale, scale, 1])
    np.testing.assert_allclose(moved.estimate, factor * expected, rtol=1e-6, atol=1e-6 * scale)
    np.testing.assert_allclose(moved.standard_errors, factor * fit.standard_errors, rtol=1e-5)


@settings(max_examples=20)
@given(SEEDS, st.floats(1e-3, 1e3))
def test_units_of_time(seed, scale):
    data = decay(seed)
    fit = nls(ASYMP, data)
    moved = nls(ASYMP, {"t": scale * data["t"], "y": data["y"]})
    np.testing.assert_allclose(
        moved.estimate, fit.estimate - [0, 0, np.log(scale)], rtol=1e-6, atol=1e-7
    )


@settings(max_examples=20)
@given(SEEDS)
def test_weights_repeat_observations(seed):
    rng = np.random.default_rng(seed)
    data, times = decay(seed), rng.integers(0, 4, 30)
    times[:6] = 1
    weighted = nls(ASYMP, data, weights=times)
    repeated = nls(ASYMP, {k: np.repeat(v, times) for k, v in data.items()})
    np.testing.assert_allclose(weighted.estimate, repeated.estimate, rtol=1e-7)
    np.testing.assert_allclose(weighted.cov_unscaled, repeated.cov_unscaled, rtol=1e-6)
    assert weighted.deviance() == pytest.approx(repeated.deviance())
    assert weighted.nobs() == (times > 0).sum()
    # Only their ratios matter.
    doubled = nls(ASYMP, data, weights=2 * times)
    np.testing.assert_allclose(doubled.vcov(), weighted.vcov(), rtol=1e-6)


@settings(max_examples=20)
@given(SEEDS)
def test_the_fit_is_a_minimum_whatever_the_parametrisation(seed):
    data = decay(seed, noise=0.3)
    fit = nls(ASYMP, data)
    other = nls("y ~ SSexpfloor(t, c, a, rate)", data)
    assert other.deviance() == pytest.approx(fit.deviance(), rel=1e-9)
    asym, r0, lrc = fit.estimate
    np.testing.assert_allclose(other.estimate, [asym, r0 - asym, np.exp(lrc)], rtol=1e-5)
    assert other.AIC() == pytest.approx(fit.AIC())


def test_exact_data_are_fitted_exactly():
    fit = nls(ASYMP, decay(noise=0.0))
    np.testing.assert_allclose(fit.estimate, [2, 6, np.log(0.2)], rtol=1e-10)
    assert "up to rounding" in str(fit.confint())


@settings(max_examples=15)
@given(SEEDS, st.sampled_from([0.8, 0.95, 0.99]))
def test_the_profile_crosses_the_quantile_at_each_end(seed, level):
    data = decay(seed, noise=0.4)
    fit = nls(ASYMP, data)
    interval = fit.confint(level=level)
    for i, name in enumerate(fit.parameters):
        for end in np.array(interval[name])[np.isfinite(interval[name])]:

            def residuals(others, i=i, end=end):
                asym, r0, lrc = np.insert(others, i, end)
                return data["y"] - asym - (r0 - asym) * np.exp(-np.exp(lrc) * data["t"])

            start = np.delete(fit.estimate, i)
            refit = least_squares(residuals, start, xtol=1e-12, ftol=1e-12, gtol=1e-12)
            tau = np.sqrt(2 * refit.cost - fit.deviance()) / fit.sigma
            assert tau == pytest.approx(student.ppf((1 + level) / 2, 27), rel=1e-5)


def test_a_line_has_wald_intervals():
    fit = nls("y ~ m + s*t", decay(noise=1.0), {"m": 0, "s": 0})
    np.testing.assert_allclose(fit.confint().table, fit.confint(method="wald").table, rtol=1e-8)


def test_an_end_that_does_not_close_is_open():
    # A decay seen over a fifth of its half-life: where it ends, the data do not say.
    t = np.arange(12.0)
    y = 6 * np.exp(-0.03 * t) + 0.1 * np.random.default_rng(0).normal(size=12)
    fit = nls(ASYMP, {"t": t, "y": y})
    interval = fit.confint()
    assert interval["Asym"][0] == -np.inf
    assert interval["lrc"][0] == -np.inf
    assert "the lower end of Asym is open" in str(interval)
    # A straight line is the limit of the law, and it is within the cutoff of the best fit.
    line = nls("y ~ m + s*t", {"t": t, "y": y}, {"m": 0, "s": 0})
    cutoff = student.ppf(0.975, 9)
    assert np.sqrt(line.deviance() - fit.deviance()) / fit.sigma < cutoff
    # The value at 0 is bounded below by lines, where lrc and Asym have run off.
    low = interval["R0"][0]
    assert "the lower end of R0 is approximate" in str(interval)
    line = nls("y ~ m + s*t", {"t": t, "y": y, "m": low}, {"s": 0})
    tau = np.sqrt(line.deviance() - fit.deviance()) / fit.sigma
    assert tau == pytest.approx(cutoff, rel=1e-3)


def test_an_end_is_that_of_the_best_fit_of_the_others():
    # Where a is large, b does better at infinity (all decay in the first step) than where
    # small steps from the fit lead.
    rng = np.random.default_rng(13)
    t = np.arange(30.0)
    y = 1 + 4 * (t + 1) ** -rng.uniform(0.1, 2) + rng.normal(size=30) * rng.uniform(0.05, 1)
    fit = nls("y ~ SSpower(t, c, a, b)", {"t": t, "y": y})
    end = fit.confint("a")["a"][1]
    powers = np.concatenate([np.linspace(-5, 30, 20_000), np.geomspace(30, 1e4)])[:, None]
    falling = (t + 1) ** -powers
    rest = y - end * falling
    rest = rest - rest.mean(axis=1, keepdims=True)
    tau = np.sqrt((rest**2).sum(axis=1).min() - fit.deviance()) / fit.sigma
    assert tau == pytest.approx(student.ppf(0.975, 27), rel=1e-3)


def test_a_limit_below_zero_is_given_as_it_is():
    # No bound is imposed: the least-squares limit of a decay to 0 is negative half the time.
    limits = [nls(ASYMP, decay(s, limit=0.0)).coef()["Asym"] for s in range(40)]
    assert binom.ppf(0.0005, 40, 0.5) <= np.sum(np.array(limits) < 0) <= binom.ppf(0.9995, 40, 0.5)


@pytest.mark.long
def test_coverage_with_independent_errors():
    # The assumption of the intervals. At this size the profile's error is far below that
    # of 300 draws.
    covered, draws = 0, 300
    for seed in range(draws):
        low, high = nls(ASYMP, decay(1000 + seed)).confint("lrc")["lrc"]
        covered += low < np.log(0.2) < high
    assert binom.ppf(0.0005, draws, 0.95) <= covered <= binom.ppf(0.9995, draws, 0.95)


# Around the fit.


def test_names_of_any_kind():
    data = {"lambda": np.arange(10.0), "y.1": 3 * np.exp(-0.3 * np.arange(10)) + [0, 0.1] * 5}
    fit = nls("y.1 ~ in.it * exp(-None * lambda)", data, {"None": 0.2, "in.it": 2})
    assert list(fit.coef().index) == ["None", "in.it"]


def test_a_power_of_zero_has_a_gradient():
    t = np.arange(20.0)
    y = 2 * t**0.6 + 0.1 * np.random.default_rng(0).normal(size=20)
    fit = nls("y ~ a * t^b", {"t": t, "y": y}, {"a": 1, "b": 1})
    np.testing.assert_allclose(fit.estimate, [2, 0.6], atol=0.05)


def test_rows_with_missing_values_are_left_out_and_counted():
    data = decay()
    holes = {"t": data["t"].copy(), "y": data["y"].copy()}
    holes["t"][3] = holes["y"][8] = np.nan
    keep = ~(np.isnan(holes["t"]) | np.isnan(holes["y"]))
    fit, plain = nls(ASYMP, holes), nls(ASYMP, {k: v[keep] for k, v in data.items()})
    np.testing.assert_allclose(fit.estimate, plain.estimate, rtol=1e-9)
    assert (fit.n_omitted, fit.nobs()) == (2, 28)
    assert "(2 observations deleted due to missingness)" in str(fit)
    assert "(2 observations deleted due to missingness)" in str(fit.summary())


def test_scalars_in_the_data_and_names_of_weights():
    data = decay() | {"k": 0.2, "w": np.linspace(1, 2, 30)}
    fit = nls("y ~ c + a * exp(-k * t)", data, {"c": 0, "a": 1}, weights="w")
    assert fit.parameters == ("c", "a")
    by_hand = nls("y ~ c + a * exp(-0.2 * t)", data, {"c": 0, "a": 1}, weights=data["w"])
    np.testing.assert_allclose(fit.estimate, by_hand.estimate)


def test_a_self_start_inside_a_sum():
    data = decay()
    start = {"Asym": 2, "R0": 6, "lrc": -1.6, "d": 0}
    fit = nls(f"{ASYMP} + d * t", data, start)
    text = "y ~ A + (R - A) * exp(-exp(l) * t) + d * t"
    other = nls(text, data, {"A": 2, "R": 6, "l": -1.6, "d": 0})
    np.testing.assert_allclose(fit.estimate, other.estimate)


def test_frames_have_brooms_columns():
    fit = nls(ASYMP, decay())
    tidy = r.tidy(fit, conf_int=True)
    names = ["term", "estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high"]
    assert list(tidy.columns) == names
    np.testing.assert_allclose(tidy["statistic"], tidy["estimate"] / tidy["std_error"])
    glance = r.glance(fit)
    assert glance.shape == (1, 9)
    assert glance.loc[0, "aic"] == fit.AIC()
    augmented = r.augment(fit)
    assert list(augmented.columns) == ["y", "t", ".fitted", ".resid"]
    np.testing.assert_allclose(augmented[".fitted"] + augmented[".resid"], augmented["y"])


def test_generics_are_the_methods():
    fit = nls(ASYMP, decay())
    assert r.coef(fit).equals(fit.coef())
    assert r.vcov(fit).equals(fit.vcov())
    assert r.confint(fit, "R0").table.equals(fit.confint("R0").table)
    with pytest.raises(ValueError, match=r"x: got 'int'|an object of type int"):
        r.coef(3)
    assert pickle.loads(pickle.dumps(fit)).coef().equals(fit.coef())  # noqa: S301 - our own
    assert "<table" in fit._repr_html_()
    assert fit.to_markdown().count("\n") == 4
    assert fit.confint().to_latex().startswith(r"\begin{tabular}{lrr}")
