"""Linear models, analyses of variance and marginal means against R."""

import numpy as np
import pandas as pd
import pytest
from paths import from_r
from scipy import stats

from lwdstats import InputError
from lwdstats.inference.linear.emmeans import emmeans
from lwdstats.inference.linear.lm import lm

R = from_r("lm")
DATA = {name: pd.DataFrame(columns) for name, columns in R["data"].items()}
CLUSTERED = [case for case in R["lm"] if case["cluster"]]


def printed(lines):
    quotes = str.maketrans("\u2018\u2019", "''")
    return [line.rstrip().translate(quotes) for line in lines]


@pytest.mark.parametrize("case", R["lm"], ids=lambda c: f"{c['formula']}, {c['data']}")
def test_models(case):
    fit = lm(case["formula"], DATA[case["data"]])
    assert list(fit.names) == list(np.atleast_1d(case["names"]))
    np.testing.assert_allclose(fit.estimate, case["coef"], rtol=1e-9)
    np.testing.assert_allclose(fit.var, case["var"], rtol=1e-8, atol=1e-14)
    np.testing.assert_allclose(fit.confint(), case["ends"], rtol=1e-8)
    numbers = [fit.sigma, fit.df_residual(), *fit.r_squared(), fit.logLik(), fit.AIC(), fit.BIC()]
    names = ["sigma", "df", "r2", "adj_r2", "loglik", "aic", "bic"]
    np.testing.assert_allclose(numbers, [case[name] for name in names], rtol=1e-9, atol=1e-12)
    summary = printed(case["summary"])
    ours = [line for line in fit.summary().lines()[2:] if line]
    assert ours == [line for line in summary[summary.index("Coefficients:") :] if line]
    table = fit.anova()
    assert list(table.table.index) == list(np.atleast_1d(case["rows"]))
    for name, values in case["anova"].items():
        theirs = [np.nan if v is None else v for v in np.atleast_1d(values)]
        np.testing.assert_allclose(table.table[name].astype(float), theirs, rtol=1e-8, err_msg=name)
    assert [line for line in table.lines()[2:] if line] == printed(case["anova_print"])


@pytest.mark.filterwarnings("ignore:6 clusters", "ignore:fnorm lies far off")
@pytest.mark.parametrize("which", [0, 1], ids=["replicates", "rows"])
@pytest.mark.parametrize("case", CLUSTERED, ids=lambda c: f"{c['formula']}, {c['data']}")
def test_clusters(case, which):
    theirs, data = case["clusters"][which], DATA[case["data"]]
    fit = lm(case["formula"], data.assign(row=range(len(data))), cluster=theirs["by"])
    np.testing.assert_allclose(fit.var, theirs["var"], rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(fit.df, theirs["df"], rtol=1e-7)
    np.testing.assert_allclose(fit.tidy()["p_value"], theirs["p"], rtol=1e-6)
    f, q, df = theirs["f"]
    # With too few clusters there is no test; R gives 0.
    np.testing.assert_allclose(fit.f_test(), [f if df > 0 else np.nan, q, df], rtol=1e-5, atol=1e-9)
    table = fit.anova().table
    assert list(table.index) == theirs["rows"]
    columns = ["Df", "Den Df", "F value", "Pr(>F)"]
    np.testing.assert_allclose(table[columns].astype(float), theirs["anova"], rtol=1e-6)
    means = emmeans(fit, "keep").table
    assert means["keep"].tolist() == theirs["levels"]
    columns = ["estimate", "std_error", "df", "conf_low"]
    expected = [theirs[name] for name in ("mean", "se", "mean_df", "low")]
    np.testing.assert_allclose(means[columns].T, expected, rtol=1e-6)


def test_rows_by_themselves_give_welchs_standard_error():
    """Of two groups; Satterthwaite's degrees of freedom are Welch's at equal variances."""
    x = DATA["cars"].assign(group=lambda d: d["cyl"] == 4, row=range(32))
    fit = lm("mpg ~ group", x, cluster="row")
    one, two = (x.loc[x["group"] == g, "mpg"] for g in (True, False))
    m, n = len(one), len(two)
    expected = np.sqrt(one.var() / m + two.var() / n)
    np.testing.assert_allclose(fit.tidy()["std_error"][1], expected)
    equal = (1 / m + 1 / n) ** 2 / (1 / (m**2 * (m - 1)) + 1 / (n**2 * (n - 1)))
    np.testing.assert_allclose(fit.df, [n - 1, equal])


@pytest.mark.filterwarnings("ignore:6 clusters")
def test_with_one_design_in_every_cluster_tests_are_those_of_means():
    """A contrast is then a mean of one number a cluster: t, and Hotelling's T2 of several."""
    data = DATA["grid"]
    fit = lm("log(fnorm) ~ keep", data, cluster="replicate")
    wide = np.log(
        data.pivot_table("fnorm", "replicate", "keep", lambda x: np.exp(np.log(x).mean()))
    )
    one = stats.ttest_1samp(wide["last"] - wide["all"], 0)
    row = fit.tidy().set_index("term").loc["keeplast"]
    np.testing.assert_allclose([row["statistic"], row["p_value"]], [one.statistic, one.pvalue])
    both = np.stack([wide["last"] - wide["all"], wide["random"] - wide["all"]], axis=1)
    mean, n, q = both.mean(0), len(both), 2
    t2 = n * mean @ np.linalg.solve(np.cov(both.T), mean)
    f = (n - q) / (q * (n - 1)) * t2
    table = fit.anova().table
    np.testing.assert_allclose(
        table.loc["keep", ["Df", "Den Df", "F value"]].astype(float), [q, n - q, f]
    )
    np.testing.assert_allclose(table.loc["keep", "Pr(>F)"], stats.f.sf(f, q, n - q))


@pytest.mark.parametrize("case", R["emmeans"], ids=lambda c: f"{c['formula']}, {c['contrast']}")
def test_marginal_means(case):
    fit = lm(case["formula"], DATA[case["data"]])
    found = emmeans(fit, case["specs"], adjust="holm")
    order = list(case["levels"])
    theirs = pd.DataFrame({name: np.atleast_1d(case["levels"][name]) for name in order})
    for name, r in (("estimate", "mean"), ("std_error", "se"), ("df", "df"), ("conf_low", "low")):
        theirs[name] = case[r]
    both = found.table.merge(theirs, on=order, suffixes=("", "_r"))
    assert len(both) == len(theirs) == len(found.table)
    for name in ("estimate", "std_error", "df", "conf_low"):
        np.testing.assert_allclose(both[name], both[f"{name}_r"], rtol=1e-9)
    pairs = found.contrasts.set_index("contrast")
    tukey = emmeans(fit, case["specs"]).contrasts.set_index("contrast")
    columns = ("pair", "difference", "difference_se", "p", "tukey")
    for pair, difference, se, p, by_tukey in zip(
        *(np.atleast_1d(case[name]).tolist() for name in columns), strict=True
    ):
        sign, name = 1, pair
        if name not in pairs.index:
            sign, name = -1, " - ".join(reversed(pair.split(" - ")))
        np.testing.assert_allclose(sign * pairs.loc[name, "estimate"], difference, rtol=1e-9)
        np.testing.assert_allclose(pairs.loc[name, "std_error"], se, rtol=1e-9)
        np.testing.assert_allclose(pairs.loc[name, "p_value"], p, rtol=1e-6, atol=1e-14)
        np.testing.assert_allclose(tukey.loc[name, "p_value"], by_tukey, rtol=1e-4, atol=1e-6)


def test_marginal_means_say_what_they_are():
    fit = lm("log(fnorm) ~ keep * beta + fresh", DATA["grid"])
    text = str(emmeans(fit, "keep"))
    assert "averaged over the levels of: beta" in text
    assert "interact with what is averaged over" in text
    assert "adjustment: tukey, 3 pairs" in text
    assert "interact" not in str(emmeans(lm("fnorm ~ keep + beta", DATA["grid"]), "keep"))


@pytest.mark.parametrize(
    ("formula", "changes", "match"),
    [
        ("fnorm", {}, "formula: got 'fnorm'; takes 'y ~ terms'"),
        ("fnorm ~ none", {}, "no column none"),
        ("keep ~ fresh", {}, "keep as the response"),
        ("fnorm ~ fresh + I(2 * fresh)", {}, "says nothing beside"),
        ("fnorm ~ keep", {"keep": "all"}, "keep, of one level"),
        ("fnorm ~ 0", {}, "without a term"),
        ("fnorm ~ fresh", {"fnorm": 0.1}, "fnorm, the same in all rows"),
        ("fnorm ~ fresh", {"fnorm": np.nan}, "missing in column fnorm"),
        ("log(fnorm - fnorm) ~ fresh", {}, "infinite"),
    ],
)
def test_rejects(formula, changes, match):
    with pytest.raises(InputError, match=match):
        lm(formula, DATA["grid"].assign(**changes))


def test_a_cell_without_data_is_named():
    data = DATA["grid"]
    data = data[(data["keep"] != "last") | (data["beta"] != "low")]
    with pytest.raises(InputError, match="keeplast:betalow, which says nothing: no row has it"):
        lm("fnorm ~ keep * beta", data)


def test_means_of_what_lies_far_off_on_one_side_are_told():
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"row": range(60), "keep": ["all", "last"] * 30})
    data["y"] = rng.normal(size=60) - 30 * data["row"].isin([1, 3])
    fit = lm("y ~ keep", data, cluster="row")
    # Of a mean of n rows it is that of the rows over the root of n.
    last = data.loc[data["keep"] == "last", "y"]
    form = np.array([[1.0, 1.0]])
    np.testing.assert_allclose(fit.skewness_of(form), stats.skew(last) / np.sqrt(30))
    with pytest.warns(UserWarning, match="far off on one side in some rows of last: intervals"):
        emmeans(fit, "keep")
    emmeans(lm("y ~ keep", data), "keep")


def test_terms_that_explain_everything_are_told():
    data = DATA["grid"].assign(y=lambda d: 3.0 + 0.1 * d["fresh"])
    with pytest.warns(UserWarning, match="to rounding"):
        fit = lm("y ~ fresh", data)
    np.testing.assert_allclose(fit.estimate, [3.0, 0.1])
    assert (fit.anova().table["Sum Sq"] >= 0).all()


def test_rejects_arguments():
    data = DATA["grid"]
    with pytest.raises(InputError, match="data: got an object of type dict"):
        lm("fnorm ~ keep", {"fnorm": [1]})
    with pytest.raises(InputError, match="data: got 3 rows for 3 coefficients"):
        lm("fnorm ~ keep", data[:3])
    with pytest.raises(InputError, match="cluster: got 'none'"):
        lm("fnorm ~ keep", data, cluster="none")
    fit = lm("fnorm ~ keep + poly(fresh, 2)", data)
    with pytest.raises(InputError, match=r"poly\(\)"):
        emmeans(fit, "keep")
    fit = lm("fnorm ~ keep + fresh", data)
    for specs in ("fresh", [], ["keep", "keep"]):
        with pytest.raises(InputError, match=r"specs: got .*; takes factors of the model: keep"):
            emmeans(fit, specs)
    with pytest.raises(InputError, match="fit: got an object of type str"):
        emmeans("keep", "keep")
    with pytest.raises(InputError, match="adjust: got 'scheffe'"):
        emmeans(fit, "keep", adjust="scheffe")
