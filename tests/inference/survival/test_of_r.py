"""Curves, log-rank tests and Cox models against R's survival."""

import numpy as np
import pandas as pd
import pytest
from paths import from_r
from scipy import stats

from lwdstats import InputError
from lwdstats.inference.survival.coxph import coxph
from lwdstats.inference.survival.survdiff import survdiff
from lwdstats.inference.survival.survfit import survfit

R = from_r("survival")
DATA = {name: pd.DataFrame(columns) for name, columns in R["data"].items()}


def numbers(values):
    return np.array([np.nan if v is None else v for v in np.atleast_1d(values)], float)


def stripped(lines):
    return [line.rstrip() for line in lines]


@pytest.mark.parametrize("case", R["survfit"], ids=lambda c: f"{c['formula']}, {c['conf_type']}")
def test_curves(case):
    fit = survfit(case["formula"], DATA[case["data"]], conf_type=case["conf_type"])
    for name in ("time", "n_risk", "n_event", "estimate", "std_error", "conf_low", "conf_high"):
        ours = fit.curves[name].to_numpy(float)
        np.testing.assert_allclose(ours, numbers(case[name]), rtol=1e-9, atol=1e-12, err_msg=name)
    for ours, theirs in (("median", "median"), ("conf_low", "lower"), ("conf_high", "upper")):
        np.testing.assert_allclose(fit.table[ours], numbers(case[theirs]))
    printed = stripped(line.replace("[1,]", "").strip() for line in case["print"])
    assert [line.strip() for line in fit.lines()[2:]] == printed


@pytest.mark.parametrize("case", R["survdiff"], ids=lambda c: f"{c['formula']}, {c['rho']}")
def test_ranks(case):
    test = survdiff(case["formula"], DATA[case["data"]], rho=case["rho"])
    for name in ("n", "observed", "expected"):
        np.testing.assert_allclose(test.table[name], case[name])
    np.testing.assert_allclose(test.var, case["var"], atol=1e-12)
    np.testing.assert_allclose([test.statistic, test.p_value], [case["chisq"], case["pvalue"]])
    assert test.lines()[2:] == stripped(case["print"])


@pytest.mark.parametrize("case", R["robust_ranks"], ids=lambda c: c["formula"])
def test_ranks_by_clusters(case):
    test = survdiff(case["formula"], DATA["kidney"], cluster="id")
    n, q = test.n_clusters, test.df
    # R's sums of squares are about 0, where ours are about their mean.
    left = (test.table["observed"] - test.table["expected"]).to_numpy()[1:]
    about_zero = test.var[1:, 1:] * (n - 1) / n + np.outer(left, left) / n
    np.testing.assert_allclose(left @ np.linalg.solve(about_zero, left), case["chisq"])
    assert (n, q) == (DATA["kidney"]["id"].nunique(), case["df"])
    hotelling = test.statistic * (n - q) / (q * (n - 1))
    np.testing.assert_allclose(test.p_value, stats.f.sf(hotelling, q, n - q))
    assert f"by {n} clusters" in str(test)


def test_ranks_by_too_few_clusters_have_no_test():
    few = DATA["kidney"].assign(id=lambda d: d["id"] % 3)
    with pytest.warns(UserWarning, match="3 clusters"):
        test = survdiff("Surv(time, status) ~ disease", few, cluster="id")
    assert np.isnan([test.statistic, test.p_value]).all()
    assert "p= NA" in str(test)


@pytest.mark.parametrize("case", R["coxph"], ids=lambda c: f"{c['formula']}, {c['ties']}")
def test_models(case):
    cluster = case["cluster"] or None
    fit = coxph(case["formula"], DATA[case["data"]], ties=case["ties"], cluster=cluster)
    assert list(fit.names) == list(np.atleast_1d(case["names"]))
    np.testing.assert_allclose(fit.estimate, case["coef"], rtol=1e-6)
    # Of clusters R takes the sum of squares over their number, and the normal law.
    n = fit.n_clusters
    own = n / (n - 1) if n else 1.0
    np.testing.assert_allclose(fit.var / own, case["var"], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(fit.tidy()["std_error"], case["se"], rtol=1e-6)
    np.testing.assert_allclose(fit.loglik, case["loglik"])
    tests = fit.tests()
    for row, name in enumerate(("likelihood", "wald", "score")):
        statistic, df, p = case[name]
        # R rounds that of Wald.
        ours = tests["statistic"].iloc[row] * (own if name == "wald" else 1.0)
        np.testing.assert_allclose(ours, statistic, atol=5.1e-3)
        if not (n and name == "wald"):
            np.testing.assert_allclose(tests["p_value"].iloc[row], p, rtol=5e-2)
        assert tests["df"].iloc[row] == df
    if n:
        return
    ours = [line for line in fit.lines()[2:] if not line.startswith("n=")]
    assert ours == [line for line in stripped(case["print"]) if not line.startswith("n=")]
    # But for concordance, which is not there.
    table = case["summary"][: case["summary"].index("")]
    said = [line for line in stripped(case["summary"]) if line and "oncordance" not in line]
    for line in said[len(table) : -3]:
        assert line.replace("\u2018", "'").replace("\u2019", "'") in fit.summary().lines()


def test_with_clusters_the_law_is_that_of_their_number():
    fit = coxph("Surv(time, status) ~ age + sex", DATA["kidney"], cluster="id")
    table, n = fit.tidy(), fit.n_clusters
    assert n == DATA["kidney"]["id"].nunique()
    t = np.abs(fit.estimate) / np.sqrt(np.diag(fit.var))
    np.testing.assert_allclose(table["p_value"], 2 * stats.t.sf(t, n - 1))
    ends = fit.estimate[1] + stats.t.ppf([0.025, 0.975], n - 1) * table["robust_se"][1]
    np.testing.assert_allclose(fit.confint()["sex"], ends)
    # Of one coefficient all tests of it are the same.
    one = coxph("Surv(time, status) ~ sex", DATA["kidney"], cluster="id")
    np.testing.assert_allclose(one.tests()["p_value"].iloc[1], one.tidy()["p_value"][0])
    assert f"Robust errors by {n} clusters, t with {n - 1} df." in str(one)
    few = DATA["kidney"].assign(id=lambda d: d["id"] % 5)
    with pytest.warns(UserWarning, match="5 clusters"):
        coxph("Surv(time, status) ~ sex", few, cluster="id")


def regimes(seed, n=60):
    """Networks of which those with fresh posts never collapse."""
    rng = np.random.default_rng(seed)
    keep, x = np.repeat(["all", "fresh", "last"], n), rng.normal(size=3 * n)
    time = rng.exponential(20 * np.exp(-0.5 * x) * np.where(keep == "last", 0.3, 1.0))
    event = (time < 30) & (keep != "fresh")
    time = np.where(event, np.ceil(time), 30.0)
    return pd.DataFrame({"time": time, "event": event, "keep": keep, "x": x})


def test_a_regime_without_events_is_infinite_and_named():
    data = regimes(1)
    with pytest.warns(UserWarning, match="keepfresh = -Inf: no event where keep=fresh"):
        fit = coxph("Surv(time, event) ~ keep + x", data)
    # In the limit those rows are out of every comparison.
    rest = coxph("Surv(time, event) ~ keep + x", data[data["keep"] != "fresh"])
    assert fit.coef()["keepfresh"] == -np.inf
    np.testing.assert_allclose(fit.estimate[1:], rest.estimate, rtol=1e-9)
    np.testing.assert_allclose(fit.var[1:, 1:], rest.var, rtol=1e-9)
    np.testing.assert_allclose(fit.loglik[1], rest.loglik[1])
    assert np.isnan(fit.confint()["keepfresh"]).all()
    assert "-Inf" in str(fit)


def test_beside_a_base_without_events_all_others_are_infinite():
    data = regimes(2).assign(keep=lambda d: d["keep"].replace("fresh", "a"))
    with pytest.warns(UserWarning, match=r"keepall = Inf, keeplast = Inf.* where keep=a;"):
        fit = coxph("Surv(time, event) ~ keep + x", data)
    rest = coxph("Surv(time, event) ~ keep + x", data[data["keep"] != "a"])
    np.testing.assert_allclose(fit.estimate, [np.inf, np.inf, rest.estimate[1]])
    np.testing.assert_allclose(fit.loglik[1], rest.loglik[1])


def test_a_covariate_that_orders_all_events_is_infinite():
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"time": np.arange(1.0, 31), "event": True, "z": rng.normal(size=30)})
    data["x"] = -(data["time"] ** 2)
    with pytest.warns(UserWarning, match=r"x = Inf; other"):
        fit = coxph("Surv(time, event) ~ x", data)
    np.testing.assert_allclose(fit.loglik[1], 0, atol=1e-12)


def test_clusters_with_an_infinite_estimate():
    data = regimes(4).assign(id=np.arange(180) % 60)
    with pytest.warns(UserWarning, match="keepfresh"):
        fit = coxph("Surv(time, event) ~ keep + x", data, cluster="id")
    rest = coxph("Surv(time, event) ~ keep + x", data[data["keep"] != "fresh"], cluster="id")
    np.testing.assert_allclose(fit.var[1:, 1:], rest.var, rtol=1e-9)


def test_rows_may_come_in_any_order_and_times_in_any_unit():
    data = DATA["veteran"]
    other = data.sample(frac=1, random_state=1).assign(time=lambda d: d["time"] * 7.5)
    formula = "Surv(time, status) ~ karno + celltype + strata(trt)"
    one, two = coxph(formula, data), coxph(formula, other)
    np.testing.assert_allclose(one.estimate, two.estimate, rtol=1e-7)
    ranks = "Surv(time, status) ~ celltype"
    np.testing.assert_allclose(survdiff(ranks, data).statistic, survdiff(ranks, other).statistic)
    first, second = survfit(ranks, data), survfit(ranks, other)
    np.testing.assert_allclose(
        second.quantile(0.3)["estimate"], 7.5 * first.quantile(0.3)["estimate"]
    )


def test_events_in_the_forms_that_data_have():
    data = DATA["aml"]
    fits = [
        survdiff("Surv(time, status) ~ x", data.assign(status=status)).statistic
        for status in (data["status"], data["status"] == 1, data["status"] + 1.0)
    ]
    np.testing.assert_allclose(fits, fits[0])


@pytest.mark.parametrize(
    ("call", "formula", "changes", "match"),
    [
        (survfit, "time ~ x", {}, "formula: got 'time ~ x'; takes 'Surv"),
        (survfit, "Surv(time) ~ x", {}, r"formula: got Surv\(\) of 1"),
        (survfit, "Surv(time, status) ~ y", {}, "no column y"),
        (survfit, "Surv(time, status) ~ x", {"status": 3.0}, "data: got status with 3"),
        (survfit, "Surv(time, status) ~ x", {"status": "dead"}, "data: got status of dead"),
        (survfit, "Surv(time, status) ~ x", {"time": -1.0}, "data: got time with -1"),
        (survfit, "Surv(time, status) ~ x", {"time": np.nan}, "missing in column time"),
        (survdiff, "Surv(time, status) ~ 1", {}, "without a term to compare"),
        (survdiff, "Surv(time, status) ~ x", {"x": "a"}, "one group"),
        (survdiff, "Surv(time, status) ~ x", {"status": 0}, "data: got no event"),
        (coxph, "Surv(time, status) ~ x", {"status": 0}, "data: got no event"),
        (coxph, "Surv(time, status) ~ x + strata(x)", {}, "says nothing beside"),
        (coxph, "Surv(time, status) ~ x:strata(x)", {}, "in an interaction"),
        (coxph, "Surv(time, status) ~ time + I(2 * time)", {}, "says nothing beside"),
    ],
)  # fmt: skip
def test_rejects(call, formula, changes, match):
    with pytest.raises(InputError, match=match):
        call(formula, DATA["aml"].assign(**changes))


def test_a_group_that_leaves_before_anything_happens_is_named():
    """It is in no comparison, so its coefficient could be any number."""
    data = pd.DataFrame({"time": [1.0, 1, 3, 4, 5, 6], "event": [0, 0, 1, 1, 1, 0],
                         "keep": list("bbaacc")})  # fmt: skip
    with pytest.raises(InputError, match="formula: got keepb, which says nothing"):
        coxph("Surv(time, event) ~ keep", data)


def test_rejects_arguments():
    data, formula = DATA["aml"], "Surv(time, status) ~ x"
    for call in (survfit, survdiff, coxph):
        with pytest.raises(InputError, match="data: got an object of type list"):
            call(formula, [1, 2])
        with pytest.raises(InputError, match="data: got no rows"):
            call(formula, data[:0])
    with pytest.raises(InputError, match="conf_type: got 'none'"):
        survfit(formula, data, conf_type="none")
    with pytest.raises(InputError, match="rho: got nan"):
        survdiff(formula, data, rho=float("nan"))
    with pytest.raises(InputError, match="ties: got 'exact'"):
        coxph(formula, data, ties="exact")
    with pytest.raises(InputError, match="cluster: got 'id'"):
        coxph(formula, data, cluster="id")
    with pytest.raises(InputError, match="cluster: got one value of one"):
        coxph(formula, data.assign(one=1), cluster="one")


def test_several_groups_without_an_event_are_each_infinite():
    rng = np.random.default_rng(4)
    n = 40
    data = pd.DataFrame(
        {
            "time": np.concatenate([rng.integers(1, 30, 2 * n), np.full(2 * n, 30)]),
            "event": np.repeat([True, False], 2 * n),
            "regime": pd.Categorical(np.repeat(["a", "b", "c", "d"], n)),
            "x": np.tile([0.0, 1.0, 2.0, 3.0], n),
        }
    )
    with pytest.warns(UserWarning, match="no event where regime=c or regime=d"):
        fit = coxph("Surv(time, event) ~ regime + x", data)
    # What is left in the limit are the groups in which something happened.
    some = data[data["regime"].isin(["a", "b"])]
    other = coxph("Surv(time, event) ~ regime + x", some.assign(regime=some["regime"].astype(str)))
    assert fit.coef()[["regimec", "regimed"]].tolist() == [-np.inf, -np.inf]
    kept = ["regimeb", "x"]
    np.testing.assert_allclose(fit.coef()[kept], other.coef(), rtol=1e-9)
    np.testing.assert_allclose(fit.vcov().loc[kept, kept], other.vcov(), rtol=1e-7)
