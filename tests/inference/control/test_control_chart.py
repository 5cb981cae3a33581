"""Control charts: published run lengths, statsmodels' predictions, literal loops, laws."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import norm
from scipy.stats import t as student
from small_runs import small_llm

import lwdstats as lwd
from lwdstats.inference.ar1 import ar1_paths
from lwdstats.inference.control.charts import Chart, in_control, largest, limit_of_run, run_lengths


def chart_of(kind="ewma", n=60, m=30, *, ar=False, ranks=False, weight=0.2, line=False):
    t = np.arange(n) / n
    design = np.stack([np.ones(n), t - t[:m].mean()], axis=1)[:, : 1 + line]
    return Chart(kind, weight, 0.5, design, m, ar, ranks)


@pytest.fixture(scope="module")
def normal():
    return np.random.default_rng(5).normal(size=(3000, 4000))


@pytest.mark.parametrize(
    ("kind", "limit", "weight", "published"),
    [
        ("shewhart", 3.0, 0.2, 370.4),
        ("cusum", 4.0, 0.2, 168.0),
        ("cusum", 5.0, 0.2, 465.0),
        ("ewma", 2.814, 0.1, 500.0),
        ("ewma", 2.998, 0.25, 500.0),
    ],
)
def test_run_lengths_with_known_parameters_are_the_published_ones(
    normal, kind, limit, weight, published
):
    """Montgomery's tables of CUSUM and EWMA; the Shewhart run is geometric."""
    sides = chart_of(kind, weight=weight).sides(normal)
    runs = run_lengths(np.maximum.accumulate(np.maximum(*sides), axis=1), limit)
    assert runs.mean() == pytest.approx(published, abs=4 * runs.std() / np.sqrt(len(runs)))


@pytest.mark.parametrize("line", [False, True])
def test_scores_are_by_the_law_of_predictions(line):
    y = np.random.default_rng(1).normal(size=60) + 3
    chart = chart_of(n=60, m=30, line=line)
    scores = chart.scores(y[None])
    fit = sm.OLS(y[:30], chart.design[:30]).fit()
    told = fit.get_prediction(chart.design[30:])
    z = (y[30:] - told.predicted_mean) / told.se_obs
    np.testing.assert_allclose(scores.scores[0], norm.ppf(student.cdf(z, fit.df_resid)), rtol=1e-6)
    np.testing.assert_allclose(scores.fitted[0], chart.design @ fit.params)


def test_charts_are_those_of_a_literal_loop():
    z = np.random.default_rng(2).normal(size=25)
    up, down = chart_of("cusum").sides(z[None])
    above = below = mean = 0.0
    ewma = chart_of("ewma").sides(z[None])
    for t, value in enumerate(z):
        above, below = max(0.0, above + value - 0.5), max(0.0, below - value - 0.5)
        mean = 0.8 * mean + 0.2 * value
        assert up[0, t] == pytest.approx(above)
        assert down[0, t] == pytest.approx(below)
        assert ewma[0][0, t] == pytest.approx(mean / np.sqrt(0.2 / 1.8))
        assert ewma[1][0, t] == pytest.approx(-mean / np.sqrt(0.2 / 1.8))


def test_autocorrelation_is_taken_out():
    y = in_control(chart_of(n=4000, m=3000, ar=True), 0.6, 4000, 20, np.random.default_rng(1))
    scores = chart_of(n=4000, m=3000, ar=True).scores(y)
    assert scores.phi.mean() == pytest.approx(0.6, abs=0.03)
    lag = np.mean([np.corrcoef(z[1:], z[:-1])[0, 1] for z in scores.scores])
    assert abs(lag) < 0.03
    assert scores.scores.std() == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("kind", ["shewhart", "ewma", "cusum"])
@pytest.mark.parametrize("ranks", [False, True])
def test_the_rate_of_false_alarms_is_that_asked_for(kind, ranks):
    chart = chart_of(kind, n=50, m=20, ranks=ranks)
    rng = np.random.default_rng(7)
    limit = largest(chart, 0.0, 4000, rng)[-200]
    y = rng.normal(size=(4000, 50))
    # Ranks ask for no normal law.
    over = chart.charted(np.exp(y) if ranks else y).max(axis=1) > limit
    assert over.mean() <= 0.05 + 4 * np.sqrt(2 * 0.05 * 0.95 / 4000)
    if not (ranks and kind == "shewhart"):  # where limits are at the last rank
        assert over.mean() >= 0.05 - 4 * np.sqrt(2 * 0.05 * 0.95 / 4000)


def test_the_mean_run_is_that_asked_for():
    chart = chart_of("cusum", n=30 + 500, m=30)
    limit, found = limit_of_run(chart, 0.0, 50.0, 2000, np.random.default_rng(1))
    assert found == pytest.approx(50.0, rel=0.01)
    y = np.random.default_rng(2).normal(size=(2000, 530))
    runs = run_lengths(np.maximum.accumulate(chart.charted(y), axis=1), limit)
    assert runs.mean() == pytest.approx(50.0, abs=4 * np.sqrt(2) * runs.std() / np.sqrt(2000))


def made(y, *args, **options):
    return lwd.control_chart(y, *args, **({"n_simulations": 199, "seed": 1} | options))


def test_level_and_scale_change_no_finding():
    y = np.random.default_rng(3).normal(size=50)
    none = {"detrend": "none"}
    found, again = made(y, 25, **none), made(1e3 + 7 * y, 25, **none)
    for name in ("largest", "limit", "p_value", "ar1"):
        np.testing.assert_allclose(again.table[name], found.table[name], rtol=1e-6)
    turned = made(-y, 25, **none)
    np.testing.assert_allclose(turned.table["largest"], found.table["largest"])
    by_rank = {"scores": "rank", "autocorrelation": "none", "detrend": "none"}
    one, other = made(y, 25, **by_rank), made(np.exp(y), 25, **by_rank)
    np.testing.assert_allclose(one.values["score"], other.values["score"])


def test_an_alarm_is_a_p_below_the_rate():
    for seed in range(12):
        y = np.random.default_rng(seed).normal(size=50)
        y[30:] += 0.15 * seed
        row = made(y, 25, detrend="none").table.iloc[0]
        assert np.isfinite(row["alarm"]) == (row["p_value"] <= 0.05)
        assert (row["n_alarms"] > 0) == np.isfinite(row["alarm"])


def test_a_network_that_leaves_its_state_is_told():
    y = np.random.default_rng(1).normal(size=(60, 2))
    y[40:, 1] += 3
    found = made(y, 30)
    assert np.isnan(found.table["alarm"].iloc[0])
    assert 40 <= found.table["alarm"].iloc[1] <= 45
    assert found.glance()["n_alarmed"].item() == 1
    assert len(found.augment()) == 120


def test_a_baseline_with_a_trend_is_refused_unless_it_is_taken_out():
    rng = np.random.default_rng(1)
    y = 0.3 * np.arange(60) + rng.normal(size=60)
    with pytest.raises(lwd.InputError, match=r"trend.*detrend"):
        made(y, 30)
    assert np.isnan(made(y, 30, detrend="linear").table["alarm"]).all()
    with pytest.warns(UserWarning, match="correlated over time"):
        found = made(y, 30, detrend="none", autocorrelation="none")
    assert np.isfinite(found.table["alarm"]).all()
    ds = lwd.simulate_gmm(n_steps=80, seed=1)
    with pytest.raises(lwd.InputError, match="trend"):
        made(ds, slice(2, 40))
    found = made(ds, slice(20, 50), detrend="power")
    assert (found.since, found.until, found.n_baseline) == (20.0, 50.0, 31)
    assert found.values["fitted"].to_numpy().min() > 0


@pytest.mark.filterwarnings("ignore:the noise of H:UserWarning")
def test_several_statistics_share_the_probability():
    scenario = lwd.Scenario(keep="last", fresh=40)
    ds = lwd.simulate_gmm(4, n_steps=60, initial_points=[-5.0, 5.0] * 26, scenario=scenario, seed=1)
    how = {"detrend": "none", "n_simulations": 999}
    all_, one = (made(ds, slice(10, 40), statistic=s, **how) for s in (["D", "H", "drift"], "D"))
    assert all_.table["statistic"].tolist() == ["D", "H", "drift"]
    assert all_.table["limit"].iloc[0] > one.table["limit"].iloc[0]
    assert all_.table["p_value"].iloc[0] == pytest.approx(min(1, 3 * one.table["p_value"].iloc[0]))
    with pytest.raises(lwd.InputError, match="drift from it is 0"):
        made(ds.drop_vars("initial_point"), 20, statistic="drift", detrend="none")


def test_norms_of_answers_are_charted_on_the_log_scale():
    ds = small_llm(time=40, model=3, replicate=1, response=6)
    found = made(ds, 20, detrend="none", statistic=["D", "H"])
    assert found.logs == ("D",)
    assert "On the log scale: D" in str(found)
    own = found.values[found.values["statistic"] == "D"]
    norm = lwd.fnorm(ds).values[:, 0]
    np.testing.assert_allclose(own["value"], norm)
    of_logs = made(np.log(norm), 20, detrend="none")
    np.testing.assert_allclose(own["score"], of_logs.values["score"])
    np.testing.assert_allclose(own["fitted"], np.exp(of_logs.values["fitted"]))
    # With fewer answers the noise in a norm is more, and it is taken out.
    fewer = ds.copy(deep=True)
    gone = {"time": 30, "response": slice(3, None)}
    fewer["embedding"][gone], fewer["text"][gone] = np.nan, ""
    with pytest.warns(UserWarning, match="not of one size"):
        found = made(fewer, 20, detrend="none")
    assert found.logs == ()
    np.testing.assert_allclose(found.values["value"], lwd.fnorm(fewer, debias=True).values[:, 0])
    # All answers of a time alike: no logarithm.
    alike = ds.copy(deep=True)
    alike["embedding"][{"time": 30}] = 0.0
    with pytest.warns(UserWarning, match="no logarithm"):
        assert made(alike, 20, detrend="none").logs == ()
    # One answer of many that is missing leaves the noise as it is.
    lacking = ds.copy(deep=True)
    gone = {"time": 30, "model": 1, "response": 5}
    lacking["embedding"][gone], lacking["text"][gone] = np.nan, ""
    assert made(lacking, 20, detrend="none").logs == ("D",)
    gone = {"time": slice(30, None), "response": slice(1, None)}
    lacking["embedding"][gone], lacking["text"][gone] = np.nan, ""
    with pytest.raises(lwd.InputError, match="one answer of a model at some times"):
        made(lacking, 20, detrend="none")


def test_noise_that_limits_do_not_hold_for_is_told():
    rng = np.random.default_rng(4)
    with pytest.warns(UserWarning, match="not normal.*rank"):
        found = made(np.exp(rng.normal(size=60)), 40, detrend="none")
    assert len(found.notes) == 1
    assert "Note: the noise of x in the baseline is not normal" in str(found)
    wave = rng.normal(size=61)
    with pytest.warns(UserWarning, match=r"beyond an AR\(1\)"):
        made(wave[1:] * 0.3 + np.tile([2.0, 0.0, 0.0], 20), 40, detrend="none")


@pytest.mark.parametrize("phi", [0.0, 0.4, 0.7])
def test_the_rate_holds_whatever_the_autocorrelation(phi):
    chart, n = chart_of("ewma", n=80, m=40, ar=True), 3000
    at = np.linspace(-0.5, 0.9, 15)
    limits = [
        largest(chart, each, 2000, np.random.default_rng(i))[-100] for i, each in enumerate(at)
    ]
    y = ar1_paths(np.random.default_rng(9), phi, 1.0, n, 80)
    found = chart.scores(y)
    over = np.maximum(*chart.sides(found.scores)).max(axis=1) > np.interp(found.phi, at, limits)
    assert 0.03 < over.mean() < 0.065


def test_simulated_baselines_show_the_autocorrelation_of_the_data():
    chart = chart_of(n=60, m=40, ar=True)
    y = in_control(chart, 0.5, 60, 3000, np.random.default_rng(1))
    assert np.abs(chart.phi(y[:, :40]) - 0.5).max() < 0.04
    # What follows goes on with phi that the estimate, too low on average, leaves open.
    lag = np.sum(y[:, 40:] * y[:, 39:-1]) / np.sum(y[:, 39:-1] ** 2)
    assert 0.5 < lag < 0.7


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"baseline": 5}, "baseline"),
        ({"baseline": 60}, "baseline"),
        ({"baseline": slice(0, 40, 2)}, "baseline"),
        ({"baseline": slice("a", None)}, "baseline"),
        ({"chart": "xbar"}, "chart"),
        ({"statistic": "H"}, "statistic"),
        ({"detrend": "cubic"}, "detrend"),
        ({"detrend": "power"}, "detrend"),
        ({"false_alarm": 0}, "false_alarm"),
        ({"false_alarm": 0.05, "arl": 100}, "arl"),
        ({"arl": 1}, "arl"),
        ({"weight": 0}, "weight"),
        ({"reference": -1}, "reference"),
        ({"autocorrelation": "ar2"}, "autocorrelation"),
        ({"scores": "signs"}, "scores"),
        ({"scores": "rank", "chart": "shewhart"}, "scores"),
        ({"scores": "rank", "chart": "shewhart", "arl": 200, "baseline": 20}, "scores"),
        ({"scores": "rank", "weight": 1.0, "baseline": 20, "detrend": "none"}, "scores"),
        ({"scores": "rank", "chart": "cusum", "reference": 2.5, "detrend": "none"}, "scores"),
        ({"statistic": None}, "statistic"),
        ({"statistic": np.array(["D", "H"])}, "statistic"),
        ({"n_simulations": 10}, "n_simulations"),
    ],
)
def test_what_cannot_be_used_is_named(options, named):
    y = np.random.default_rng(1).normal(size=60)
    with pytest.raises(lwd.InputError) as told:
        lwd.control_chart(y, **({"baseline": 30} | options))
    assert told.value.argument == named
    with pytest.raises(lwd.InputError, match="does not vary"):
        made(np.ones(60), 30)
