"""The proxy of a run: its likelihood, its estimates on networks that are known, its forecast."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from paths import ROOT
from rag_run import rag_run
from scipy import stats
from scipy.linalg import null_space
from scipy.stats import multivariate_normal

import lwdstats as lwd
from lwdstats.studies.proxy.components import fit_components
from lwdstats.studies.proxy.contraction import contraction, directions, kappa_of
from lwdstats.studies.proxy.estimate import no_priors, satterthwaite
from lwdstats.studies.proxy.forecast import Forecast
from lwdstats.studies.proxy.future import Origin, steps
from lwdstats.studies.proxy.likelihood import (
    Series,
    feedback,
    objective,
    root_of,
    scores,
    series_of,
    whiten,
)
from lwdstats.studies.proxy.paths import Paths, paths_of
from lwdstats.studies.proxy.states import filtered, on_simplex, shrunk, smoothed


def random_series(seed, m=9, B=3):
    rng = np.random.default_rng(seed)
    seen = np.ones(m, bool)
    seen[4] = False
    return Series(
        rng.dirichlet(np.ones(B), m), rng.dirichlet(np.ones(B), m), rng.uniform(0.01, 0.1, m),
        rng.uniform(0.5, 1.5, m), np.zeros((m, m)), np.zeros((m, 1)), np.eye(B), seen, 0, 0, 0, 0,
    )  # fmt: skip


@pytest.mark.parametrize("anchored", [True, False])
def test_the_likelihood_is_that_of_what_is_orthogonal_to_prior_and_first_weights(anchored):
    # Without priors theta is 1 - rho, as weights sum to 1.
    rho, theta, q = 0.4, 0.6, 0.03
    series = [random_series(seed) for seed in (1, 2)]
    expected = 0.0
    for one in series:
        m, B = one.p.shape
        last = np.array([[rho ** (t - s) if t >= s else 0.0 for s in range(m)] for t in range(m)])
        cov = last[:, 1:] * (q * one.scale[1:]) @ last[:, 1:].T + np.diag(one.s2)
        columns = [last[:, 0]] + [last[:, 1:].sum(1)] * anchored
        left = one.p - theta * last[:, 1:] @ one.x[1:]
        K = null_space(np.array(columns)[:, one.seen])
        basis = np.linalg.svd(np.ones((1, B)))[2][1:]
        for way in basis:
            y = K.T @ (left @ way)[one.seen]
            V = K.T @ cov[np.ix_(one.seen, one.seen)] @ K
            expected -= 2 * multivariate_normal(np.zeros(len(y)), V).logpdf(y)
            expected -= len(y) * np.log(2 * np.pi)
    assert objective(series, rho, theta, q, anchored)[0] == pytest.approx(expected, rel=1e-9)


def test_whitening_is_by_the_cholesky_factor():
    one = random_series(3)
    w = whiten(one, 0.3, 0.02, True)
    root = root_of(one, 0.3, 0.02)
    np.testing.assert_allclose(root @ w.p, one.p[one.seen], atol=1e-12)
    np.testing.assert_allclose(np.log(np.diag(root)), w.log_scale)


def test_scores_sum_to_the_slope_of_the_likelihood_in_theta():
    series = [random_series(seed) for seed in (4, 5)]
    ways = np.array([[0.0], [1.0], [0.0]])
    total = sum(s.sum() for s in scores(series, 0.3, 0.6, 0.02, True, ways))
    ends = [objective(series, 0.3, theta, 0.02, True)[0] for theta in (0.6 + 1e-4, 0.6 - 1e-4)]
    assert total == pytest.approx(-0.5 * (ends[0] - ends[1]) / 2e-4, rel=1e-5)


def test_own_posts_bend_the_score_by_what_is_subtracted():
    """Of many runs whose posts are what was measured, the score at the truth has this mean."""
    rng = np.random.default_rng(6)
    m, theta, q, s2 = 12, 0.7, 0.01, 0.05
    own = np.tril(np.full((m, m), 0.06), -1)
    found = []
    for _ in range(1500):
        p, x, pi = np.empty((m, 2)), np.zeros((m, 2)), np.zeros(2)
        for t in range(m):
            x[t] = own[t, :t] @ p[:t] + 0.2 * rng.standard_normal() * np.array([1, -1])
            pi = theta * x[t] + np.sqrt(q / 2) * rng.standard_normal() * np.array([1, -1])
            p[t] = pi + np.sqrt(s2 / 2) * rng.standard_normal() * np.array([1, -1])
        one = Series(
            p, x, np.full(m, s2), np.ones(m), own, np.zeros((m, 1)), np.eye(2), np.ones(m, bool),
            0, 0, 0, 0,
        )  # fmt: skip
        ends = [objective([one], 0.0, theta + d, q, True)[0] for d in (1e-4, -1e-4)]
        found.append(-0.5 * (ends[0] - ends[1]) / 2e-4)
    expected = feedback([one], 0.0, theta, q, True)[1]
    assert abs(np.mean(found) - expected) < 4 * np.std(found) / np.sqrt(len(found))
    assert expected < -3 * np.std(found) / np.sqrt(len(found))


def test_errors_of_posts_that_all_models_read_are_no_priors():
    """Of b's that are such an error and one of their own, the chi-square has its law."""
    rng = np.random.default_rng(10)
    shared, post, nu = np.array([[0.8, 0.3], [0.7, 0.4], [0.9, 0.2]]), np.diag([1.0, 0.2]), 40
    own = np.array([[0.5, 0.1], [0.1, 0.3]])
    found, alone = [], []
    for _ in range(800):
        error = rng.multivariate_normal(np.zeros(2), post, 2)
        b = shared @ error + rng.multivariate_normal(np.zeros(2), own, 3)
        covs = np.array([np.cov(rng.multivariate_normal(np.zeros(2), own, nu + 1).T) for _ in b])
        freedom = np.full(3, nu)
        found.append(no_priors(b, covs, freedom, shared, post))
        alone.append(no_priors(b, covs, freedom, shared, 0.0 * post))
    rejected = (np.array(found) > stats.chi2.isf(0.05, 6)).mean()
    assert abs(rejected - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 800)
    assert abs(np.mean(found) - 6) < 4 * np.sqrt(12 / 800)
    assert (np.array(alone) > stats.chi2.isf(0.05, 6)).mean() > 0.2


def test_the_cohorts_of_posts_are_what_was_read(run, proxy):
    path = proxy.paths[0]
    np.testing.assert_allclose(path.cohort[:, :, 1:].sum(-1), 1.0)
    assert path.n_cohort[0].tolist() == [20.0, *[3.0] * 60, 0.0]
    for i in range(3):
        assert (path.own[0, i] <= path.cohort[0, i, :, 1:] + 1e-12).all()
    # Among components this far apart an answer in a thousand is of another.
    assert 0 < np.trace(path.post_cov) < 0.02


def test_unmixed_weights_are_unbiased_where_components_overlap():
    rng = np.random.default_rng(7)
    share = np.array([0.2, 0.8])

    def draw(n, p):
        return np.where(rng.random(n) < p, 0.0, 2.5)[:, None] + rng.standard_normal((n, 1))

    parts = fit_components(draw(20_000, 0.5), [2], 1, 1, rng)
    y = parts.weights(draw(20_000, share[0]))
    order = np.argsort(parts.mixture.means[:, 0])
    np.testing.assert_allclose(y.mean(0)[order], share, atol=0.03)
    np.testing.assert_allclose(y.sum(1), 1.0)
    owned = parts.mixture.responsibilities(parts.coordinates(draw(20_000, 0.2)) / parts.scale)
    assert abs(owned.mean(0)[order][0] - 0.2) > 0.05


def test_overlap_slows_the_contraction_as_its_matrix_does():
    A = np.array([[0.8, 0.1, 0.1], [0.1, 0.7, 0.2], [0.1, 0.2, 0.7]])
    gap = np.array([0.4, -0.3, -0.1])
    k, kappa = 20, 0.8
    moved = np.linalg.matrix_power(np.eye(3) - kappa / k * A, k)
    # Of gaps along an eigenvector the contraction is one number.
    values, vectors = np.linalg.eig(A)
    way = np.real(vectors[:, np.argsort(values.real)[0]])
    parts = directions(A, np.outer(way, way))
    direct = (moved @ way) @ way / (way @ way)
    assert contraction(kappa, np.array([float(k)]), [parts]) == pytest.approx(direct)
    parts = directions(A, np.outer(gap, gap))
    rho = contraction(kappa, np.array([20.0, 40.0]), [parts])
    assert kappa_of(rho, np.array([20.0, 40.0]), [parts]) == pytest.approx(kappa)
    assert kappa_of(-0.1, np.array([20.0]), [parts]) == np.inf


def test_the_nearest_weights_are_weights():
    rng = np.random.default_rng(8)
    x = rng.normal(0.3, 1.0, (200, 4))
    y = on_simplex(x, 0.05)
    np.testing.assert_allclose(y.sum(1), 1.0)
    assert y.min() >= 0.05 - 1e-12
    others = 0.05 + 0.8 * rng.dirichlet(np.ones(4), 200)
    assert (((x - y) ** 2).sum(1) <= ((x - others) ** 2).sum(1) + 1e-12).all()
    np.testing.assert_allclose(on_simplex(others, 0.05), others)


def quiet_fit(ds, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return lwd.fit_proxy(ds, **({"n_components": 3, "n_starts": 2, "seed": 1} | options))


@pytest.fixture(scope="module")
def run():
    return rag_run(11, share=0.25, memory=False, n_responses=60)[0]


@pytest.fixture(scope="module")
def proxy(run):
    return lwd.fit_proxy(run, 3, seed=1, n_starts=2)


def test_a_run_without_memory_is_found_to_have_none_and_its_prior(proxy):
    assert proxy.form == "anchored"
    table = proxy.tidy().set_index("term")
    assert table.loc["rho", "p_value"] > 0.05
    assert table.loc["w", "conf_low"] < 0.25 < table.loc["w", "conf_high"]
    # Least squares take the measurement's error, and the prior, for memory.
    assert proxy.naive > table.loc["rho", "conf_high"]
    assert proxy.anchor_test[2] < 0.01
    # The priors are those of the generator, up to the order of components.
    true = np.random.default_rng(7).dirichlet(np.ones(3), 3)
    found = proxy.priors().pivot_table(index="model", columns="component", values="estimate")
    order = [int(np.argmin(((proxy.moments[0][0] - c) ** 2).sum(1))) for c in _centres(proxy)]
    assert np.abs(found.to_numpy()[:, order] - true).max() < 0.35


def _centres(proxy):
    return proxy.components[0].coordinates(6.0 / np.sqrt(2.0) * np.eye(3, 10))


def test_a_run_with_memory_and_no_prior_gives_kappa():
    ds, _ = rag_run(14, kappa=1.0, n_responses=60)
    proxy = quiet_fit(ds, form="network")
    low, high = proxy.confint()["kappa"]
    assert low < 1.0 < high
    assert list(proxy.coef().index) == ["rho", "kappa"]
    assert proxy.anchor_test[2] > 0.001
    table = lwd.fit_proxy(ds, 3, seed=1).tidy().set_index("term")
    assert table.loc["w", "conf_low"] < 0.0 < table.loc["w", "conf_high"]
    assert table.loc["rho", "p_value"] < 0.01


def test_what_mixtures_read_gives_the_next_weights():
    posts = [[-5.0]] * 30 + [[5.0]] * 10
    ds = lwd.simulate_gmm(
        5, n_responses=40, initial_points=posts, n_steps=30, seed=2, update="refit"
    )
    proxy = lwd.fit_proxy(ds, 2, seed=1)
    assert (proxy.form, proxy.source) == ("network", "mixtures")
    low, high = proxy.confint()["rho"]
    assert low < 0.0 < high < 0.5


def test_a_variance_that_few_steps_tell_has_few_degrees_of_freedom():
    # The logarithm of a variance on nu degrees of freedom has about the variance 2 / nu.
    way = np.array([1.0, 0.0])

    def of(power):
        return [np.eye(2) * np.exp(power * d) for d in (-0.2, 0.0, 0.2)]

    assert satterthwaite(of(1.0), way, 2 / 7) == pytest.approx(7.0, rel=0.02)
    # Half of it hangs on that variance, so that its logarithm varies half as much.
    assert satterthwaite(of(0.5), way, 2 / 7) == pytest.approx(28.0, rel=0.02)
    assert satterthwaite(of(0.0), way, 2 / 7) == np.inf


def test_intervals_are_longer_where_few_steps_tell_the_variance():
    posts = np.repeat([[-10.0], [0.0], [10.0]], [10, 6, 4], axis=0)
    ds = lwd.simulate_gmm(3, 3, n_steps=30, n_responses=40, initial_points=posts, seed=8002)
    fit = quiet_fit(ds).fit
    assert fit.df[0] < 40
    normal = replace(fit, df=(np.inf, np.inf))
    low, high = fit.rho_interval(0.95)
    shorter = normal.rho_interval(0.95)
    assert low < shorter[0] < shorter[1] < high
    # Interval and p are of one test.
    assert fit.rho_p_value(low) == pytest.approx(0.05, abs=0.005)


def test_missing_answers_and_relabelled_models_change_nothing_else(run, proxy):
    turned = lwd.fit_proxy(run.isel(model=[2, 0, 1]), 3, seed=1)
    assert turned.rho == pytest.approx(proxy.rho, abs=0.02)
    gaps = run.copy(deep=True)
    gaps["embedding"][5, 1, 0, 0] = np.nan
    gaps["embedding"][9, :, 0, 0, 20:] = np.nan
    found = lwd.fit_proxy(gaps, 3, seed=1)
    assert abs(found.w - proxy.w) < proxy.fit.share_error
    assert np.isnan(found.paths[0].weight[0, 5, 1]).all()


def test_replicates_and_queries_are_pooled(run):
    many = xr.concat([rag_run(20 + r, share=0.25, memory=False)[0] for r in range(5)], "replicate")
    many = many.assign_coords(replicate=np.arange(5)).transpose(*_order(many))
    proxy = lwd.fit_proxy(many, 3, seed=1)
    assert proxy.fit.df == (4.0, 4.0)
    assert proxy.confint().method == "replicates"
    other = rag_run(31, share=0.25, memory=False)[0].assign_coords(query=["another"])
    both = xr.concat([run.isel(response=slice(40)), other], "query")
    pooled = lwd.fit_proxy(both.transpose(*_order(both)), 3, seed=1)
    assert len(pooled.components) == 2
    assert pooled.fit.share_error < lwd.fit_proxy(other, 3, seed=1).fit.share_error
    assert set(pooled.priors()["query"]) == {"a question", "another"}
    assert pooled.forecast(2, draws=50).bands.shape == (6, 8)


def _order(ds):
    return [
        d
        for d in (
            "time", "model", "replicate", "query", "response", "post", "feature", "draw",
        )
        if d in ds.dims
    ]  # fmt: skip


def test_what_weakens_the_estimates_is_said():
    ds, _ = rag_run(13, n_responses=4, n_steps=15, with_log=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        proxy = lwd.fit_proxy(ds, 3, seed=1)
    said = " ".join(str(w.message) for w in caught)
    assert "not in the dataset" in said
    assert "answers a model" in said
    assert "16 times are few" in said
    assert proxy.notes == tuple(str(w.message) for w in caught)
    assert proxy.source == "answers"


def test_priors_are_seen_where_the_form_has_none(run):
    assert any("priors of their own" in note for note in quiet_fit(run, form="network").notes)


def test_models_that_only_repeat_their_priors_look_as_if_they_kept_their_weights():
    ds, _ = rag_run(1000, share=1.0, memory=False)
    with pytest.warns(UserWarning, match="the test of priors says nothing"):
        found = lwd.fit_proxy(ds, 3, form="memoryless", n_starts=1, seed=0)
    assert found.w == pytest.approx(1.0, abs=0.15)
    assert found.anchor_test_rho > 0.95
    assert found.anchor_test[2] > 0.05


def test_the_filter_foresees_a_path_that_follows_its_law():
    x = np.tile([0.2, 0.8], (30, 1))
    p = np.empty_like(x)
    p[0] = [0.9, 0.1]
    for t in range(1, 30):
        p[t] = 0.5 * p[t - 1] + 0.5 * x[t]
    one = Series(
        p, x, np.full(30, 1e-9), np.ones(30), np.zeros((30, 30)), np.zeros((30, 1)), np.eye(2),
        np.ones(30, bool), 0, 0, 0, 0,
    )  # fmt: skip
    ahead, variance, _, _ = filtered(one, 0.5, 0.5, np.zeros(2), 1e-4)
    np.testing.assert_allclose(ahead[1:], p[1:], atol=1e-6)
    assert variance[-1] == pytest.approx(1e-4, rel=1e-3)


def test_a_forecast_with_nothing_left_to_chance_is_the_recursion():
    M, L = 3, 10**7
    origin = Origin(
        state=np.array([[0.5, 0.5], [0.1, 0.9]]), state_var=np.zeros(2), posted=[np.eye(2)],
        web=np.array([3.0, 1.0]) * 10**6, n_web=4 * 10**6, rho=np.full(M, 0.5),
        theta=np.full(M, 0.5), b=np.zeros((M, 2, 2)), process=0.0, n_posted=0, n_answers=L,
        share_read=1.0, n_read=4 * 10**6, exact=True, less=False, labels_cov=np.zeros((2, 2, 2)),
        means=np.array([[0.0], [1.0]]), variances=np.zeros((2, 1)),
    )  # fmt: skip
    weights, squares = steps(origin, 2, np.random.default_rng(1))
    pi = origin.state
    for t in range(2):
        pi = 0.5 * pi + 0.5 * np.array([0.75, 0.25])
        np.testing.assert_allclose(weights[t], np.broadcast_to(pi, (M, 2, 2)), atol=1e-3)
        apart = 2 * (pi[0, 1] - pi[1, 1]) ** 2
        np.testing.assert_allclose(squares[t], apart, atol=2e-3)


def test_forecasts_hold_what_comes(run):
    first = quiet_fit(run.isel(time=slice(31)))
    forecast = first.forecast(30, draws=300)
    assert isinstance(forecast, Forecast)
    assert forecast.bands["time"].min() == 31
    found = forecast.compare(first.measure(run))
    assert (found["n"] == 30).all()
    assert (found["inside"] > 0.6).all()
    assert (forecast.bands["all_low"] <= forecast.bands["low"]).all()
    with pytest.raises(lwd.InputError, match="observed"):
        forecast.compare(first.measure(run.isel(time=slice(31))))


def test_what_if_one_model_were_a_bot_and_if_a_share_were_real(proxy):
    base = proxy.simulate(replicates=4, seed=1)
    assert base.sizes["time"] == 61
    assert base["n_web"].values.tolist()[:3] == [23, 26, 29]
    bot = proxy.simulate({"frozen": [0]}, replicates=4, seed=1)
    path = bot["weight"].sel(model="model 0").transpose("time", ...)
    np.testing.assert_allclose(path, np.broadcast_to(path[0], path.shape))
    real = proxy.simulate(lwd.Scenario(fresh=0.5), replicates=4, seed=1)
    assert real["n_web"][-1] > 1.5 * base["n_web"][-1]


def test_a_true_proxy_is_not_refused_and_a_network_that_jumps_is(run, proxy):
    assert proxy.check().describes
    jumped = run.copy(deep=True)
    late = jumped["embedding"].values[31:, 0]
    jumped["embedding"].values[31:, 0] = late[:, :, :, :1]
    check = quiet_fit(jumped).check()
    assert not check.describes
    assert "does not describe" in str(check)


@pytest.mark.parametrize("kind", ["weights", "components", "forecast"])
def test_pictures(proxy, kind):
    assert lwd.plot(proxy, kind=kind).has_data()


@pytest.mark.parametrize(
    ("change", "argument"),
    [
        (lambda ds: ds.isel(response=[0]), "ds"),
        (lambda ds: ds.isel(time=[0, 1, 2]), "ds"),
        (lambda ds: ds.isel(time=[0, 1, 2, 4, 5]), "ds"),
    ],
)
def test_runs_that_say_too_little_are_refused(run, change, argument):
    with pytest.raises(lwd.InputError) as caught:
        lwd.fit_proxy(change(run), 3)
    assert caught.value.argument == argument


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"n_components": 1}, "n_components"),
        ({"n_components": "3"}, "n_components"),
        ({"form": "paper"}, "form"),
        ({"level": 2}, "level"),
        ({"n_dims": 0}, "n_dims"),
    ],
)
def test_wrong_arguments_are_named(run, arguments, argument):
    with pytest.raises(lwd.InputError) as caught:
        lwd.fit_proxy(run, **arguments)
    assert caught.value.argument == argument


def test_mixtures_whose_web_is_not_known_are_refused():
    ds = lwd.simulate_gmm(n_steps=10, n_responses=5, scenario={"keep": "last"}, seed=1)
    with pytest.raises(lwd.InputError, match="a web that keeps all"):
        lwd.fit_proxy(ds, 2)
    ds = lwd.simulate_gmm(n_steps=10, n_responses=5, scenario={"fresh": 2}, seed=1)
    with pytest.raises(lwd.InputError, match="fresh"):
        lwd.fit_proxy(ds, 2)


@pytest.fixture(scope="module", params=["before update", "after update"])
def mixtures(request):
    return lwd.simulate_gmm(
        3, 2, means=[-5, 5], n_steps=20, n_responses=10, initial_points=[[-5.0]] * 6 + [[5.0]] * 3,
        scenario={"posts": request.param, "n_read": 6}, replicates=2, seed=3,
    )  # fmt: skip


@pytest.mark.parametrize(
    "part",
    [
        {"time": slice(8, None)}, {"time": slice(1, None)}, {"model": [0]}, {"model": [1, 2]},
        {"response": slice(5)}, {"post": slice(4)},
    ],
)  # fmt: skip
def test_mixtures_of_whose_web_a_part_is_left_out_are_refused(mixtures, part):
    with pytest.raises(lwd.InputError, match="with all models and answers"):
        lwd.fit_proxy(mixtures.isel(part), 2, seed=1)


def test_mixtures_keep_the_web_in_their_first_times_other_orders_and_single_replicates(mixtures):
    for part in ({"time": slice(12)}, {"model": [2, 0, 1]}, {"replicate": [1]}):
        found = quiet_fit(mixtures.isel(part), n_starts=1)
        size = mixtures["n_web"].values[: len(found.times) - 1]
        assert found.paths[0].n_web[1:].tolist() == size.tolist()
    renumbered = mixtures.isel(time=slice(None, None, 2)).assign_coords(time=np.arange(11))
    with pytest.raises(lwd.InputError, match="with all models and answers"):
        lwd.fit_proxy(renumbered, 2)
    with pytest.raises(lwd.InputError, match="mixtures without n_web"):
        lwd.fit_proxy(mixtures.drop_vars("n_web"), 2)


def test_mixtures_whose_components_move_are_refused():
    ds = lwd.simulate_gmm(3, 2, means=[-3, 3], n_steps=10, n_responses=5, moving="mean", seed=1)
    with pytest.raises(lwd.InputError, match="components move"):
        lwd.fit_proxy(ds, 2)


@pytest.mark.parametrize("lost", [[], ["retrieved"], ["retrieved", "post_time", "post_embedding"]])
def test_runs_without_some_of_their_steps_are_refused(run, lost):
    ds = run.drop_vars(lost).isel(time=slice(None, None, 4))
    with pytest.raises(lwd.InputError, match="got time 4 after 0"):
        lwd.fit_proxy(ds, 3)
    if not lost:
        renumbered = ds.assign_coords(time=np.arange(ds.sizes["time"]))
        with pytest.raises(lwd.InputError, match="read at time 1 and made at 3"):
            lwd.fit_proxy(renumbered, 3)


@pytest.fixture(scope="module")
def with_bot(run):
    retrieved = run["retrieved"].copy()
    retrieved[:, 1] = -1
    return quiet_fit(run.assign(retrieved=retrieved))


def test_a_model_that_never_reads_is_named_and_stays(with_bot):
    assert any("model 1: never read" in note for note in with_bot.notes)
    assert set(with_bot.priors()["model"]) == {"model 0", "model 2"}
    mean = np.nanmean(with_bot.paths[0].weight[0, :, 1], axis=0)
    found, variance = with_bot.constant(0, 1)
    np.testing.assert_allclose(found[0], mean)
    # Of 61 times 60 answers, and of each of two dimensions.
    assert variance[0] == pytest.approx((1 - (mean**2).sum()) / (61 * 60) / 2, rel=0.1)
    forecast = with_bot.forecast(20, draws=100)
    assert np.isfinite(forecast.bands[["low", "high"]].to_numpy()).all()
    assert with_bot.check().table["p_value"].notna().all()


def test_steps_leave_alone_what_never_reads():
    origin = Origin(
        state=np.array([[0.5, 0.5], [0.1, 0.9]]), state_var=np.zeros(2), posted=[np.eye(2)],
        web=np.array([3.0, 1.0]), n_web=4, rho=np.zeros(4), theta=np.ones(4),
        b=np.zeros((4, 2, 2)), process=0.1, n_posted=1, n_answers=10**7, share_read=0.5, n_read=2,
        exact=True, less=False, labels_cov=np.zeros((2, 2, 2)),
        means=np.array([[0.0], [1.0]]), variances=np.zeros((2, 1)), still=(1,),
    )  # fmt: skip
    weights, _ = steps(origin, 5, np.random.default_rng(1))
    np.testing.assert_allclose(weights[:, :, 1, 0], 0.1, atol=1e-3)
    assert np.ptp(weights[:, :, 0, 0]) > 0.1


def test_frozen_mixtures_are_named_and_stay():
    ds = lwd.simulate_gmm(
        3, 2, means=[-5, 5], n_steps=30, n_responses=20,
        initial_points=[[-5.0]] * 20 + [[5.0]] * 10, scenario={"frozen": [0]}, replicates=2, seed=3,
    )  # fmt: skip
    proxy = quiet_fit(ds)
    assert any(note.startswith("0: never read") for note in proxy.notes)
    assert np.isfinite(proxy.forecast(3, draws=50).bands["median"]).all()


def test_forecasts_say_whose_last_reads_are_not_known(run):
    retrieved = run["retrieved"].copy()
    retrieved[55:, 1] = -1
    proxy = quiet_fit(run.assign(retrieved=retrieved))
    with pytest.raises(lwd.InputError, match="the last answers of model 1"):
        proxy.forecast(3)


def test_where_nothing_is_left_to_share_w_is_not_defined(run, proxy):
    fit = replace(proxy.fit, rho=1.0, theta=0.02)
    edge = replace(proxy, fit=fit)
    assert np.isnan(edge.coef()["w"])
    assert np.isnan(edge.tidy().set_index("term").loc["w", ["std_error", "p_value"]]).all()
    assert np.isnan(edge.priors()["estimate"]).all()
    assert "w" in str(edge)
    assert len(edge.summary().lines()) > 0
    found = quiet_fit(rag_run(0, share=0.25, memory=False, n_steps=30, n_responses=20)[0])
    assert np.isfinite(found.w)


def test_a_fit_that_ends_where_nothing_moves_says_so():
    lost = ["retrieved", "post_time", "post_model", "post_embedding"]
    for seed in range(20):
        ds = rag_run(seed, share=0.25, memory=False, n_steps=30, n_responses=20)[0].drop_vars(lost)
        proxy = quiet_fit(ds, n_starts=1)
        assert len(str(proxy)) > 0
        if proxy.rho == 1.0:
            assert any("w is not defined" in note for note in proxy.notes)
            return
    raise AssertionError("no fit ended there")


def test_a_network_has_no_priors(run):
    with pytest.raises(lwd.InputError, match="form"):
        quiet_fit(run, form="network").priors()


def test_replicates_without_answers_are_no_degrees_of_freedom():
    many = [rag_run(40 + r, share=0.25, memory=False, n_steps=20)[0] for r in range(5)]
    many = xr.concat(many, "replicate").assign_coords(replicate=np.arange(5))
    many = many.transpose(*_order(many))
    many["embedding"][:, :, 2:] = np.nan
    proxy = quiet_fit(many)
    assert not proxy.fit.by_replicates
    assert "replicate 2, 3, 4: no answers at all" in proxy.notes
    assert proxy.past["norm"].notna().sum() == 2 * 21


def test_a_model_without_answers_is_named(run):
    ds = run.copy(deep=True)
    ds["embedding"][:, 2] = np.nan
    proxy = quiet_fit(ds)
    assert any(note.startswith("model 2: answers at fewer than three") for note in proxy.notes)
    assert proxy.past["norm"].isna().all()
    with pytest.raises(lwd.InputError, match="answers of all models at its last time"):
        proxy.forecast(2)


def test_that_only_one_start_found_the_components_is_said(run):
    said = "found by one of 2 starts"
    recorded = lwd.read_results(ROOT / "data" / "bitcoin_network.nc")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        vague = lwd.fit_proxy(recorded, 4, n_starts=2, seed=1)
    assert vague.components[0].reached == 1
    assert any(said in note for note in vague.notes)
    clear = quiet_fit(run)
    assert clear.components[0].reached == 2
    assert not any(said in note for note in clear.notes)


def test_seeds_agree_on_a_recorded_run():
    recorded = lwd.read_results(ROOT / "data" / "bitcoin_network.nc")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        found = [lwd.fit_proxy(recorded, 4, seed=seed).w for seed in (0, 2, 6)]
    # Not to the last digit, as overlap is unmixed by draws.
    np.testing.assert_allclose(found, found[0], atol=0.005)


def test_the_first_weights_are_known_by_what_came_later_too():
    rng = np.random.default_rng(12)
    rho, theta, q, s2, m = 0.9, 0.1, 1e-4, 0.02, 8
    b, raw, found = np.zeros(2), [], []
    for _ in range(400):
        pi = np.empty((m, 2))
        pi[0] = [0.6, 0.4]
        x = np.tile([0.3, 0.7], (m, 1))
        for t in range(1, m):
            pi[t] = rho * pi[t - 1] + theta * x[t]
            pi[t] += np.sqrt(q / 2) * rng.standard_normal() * np.array([1, -1])
        p = pi + np.sqrt(s2 / 2) * rng.standard_normal((m, 1)) * np.array([1, -1])
        one = Series(
            p, x, np.full(m, s2), np.ones(m), np.zeros((m, m)), np.zeros((m, 1)), np.eye(2),
            np.ones(m, bool), 0, 0, 0, 0,
        )  # fmt: skip
        weights, variance = smoothed(one, rho, theta, b, q)
        raw.append(p[0, 0] - pi[0, 0])
        found.append(weights[0] - pi[0, 0])
    assert np.mean(np.square(found)) < 0.5 * np.mean(np.square(raw))
    # Of the one dimension along (1, -1) / sqrt(2).
    assert 2 * np.mean(np.square(found)) == pytest.approx(variance, rel=0.3)


def test_replicates_are_drawn_to_their_mean_by_what_errors_explain():
    rng = np.random.default_rng(13)
    noise = 0.02 * rng.standard_normal((50, 1)) * np.array([1, -1])
    alike = shrunk(np.array([0.7, 0.3]) + noise, np.full(50, 2 * 0.02**2))
    assert np.ptp(alike[:, 0]) < 0.5 * np.ptp(noise[:, 0])
    apart = np.array([[0.9, 0.1], [0.1, 0.9], [np.nan, np.nan]])
    found = shrunk(apart, np.full(3, 1e-6))
    np.testing.assert_allclose(found[:2], apart[:2], atol=1e-4)
    np.testing.assert_allclose(found[2], 0.5)


def test_what_if_begins_with_the_web_of_the_run_and_weights_of_its_replicates():
    many = [rag_run(s, share=0.25, memory=False, n_steps=20, beta=0.2)[0] for s in (50, 51)]
    many = xr.concat(many, "replicate").assign_coords(replicate=[0, 1])
    many = many.transpose(*_order(many))
    proxy = quiet_fit(many, n_starts=2)
    path = proxy.paths[0]
    start = many["post_embedding"].values[:, 0, :20].reshape(40, -1).astype(float)
    np.testing.assert_allclose(path.first, proxy.components[0].weights(start).mean(axis=0))
    assert path.n_first == 20
    # What one model read first is another web.
    assert np.abs(path.read[0, 0, 0] - path.first).max() > 0.05
    first = proxy.first_weights()
    found = proxy.simulate({"frozen": [0, 1, 2]}, n_steps=3, replicates=3, seed=1)["weight"]
    found = found.transpose("time", "replicate", "model", "component").values
    np.testing.assert_allclose(found[0, [0, 2]], np.stack([first[0]] * 2), atol=5e-3)
    np.testing.assert_allclose(found[-1, 1], first[1], atol=5e-3)


def test_what_if_reads_a_constant_number_where_the_run_did(mixtures):
    proxy = quiet_fit(mixtures, n_starts=2)
    found = proxy.simulate(n_steps=19, replicates=2, seed=1)
    assert (found["n_retrieved"] == 6).all()
    assert proxy.simulate({"n_read": 3}, n_steps=2, seed=1)["n_retrieved"].max() == 3


@pytest.mark.parametrize("points", [None, [[-5.0]] * 6 + [[5.0]] * 3])
@pytest.mark.parametrize("posts", ["before update", "after update"])
def test_what_if_of_mixtures_has_their_web(posts, points):
    ds = lwd.simulate_gmm(
        3, 2, means=[-5, 5], n_steps=20, n_responses=10, initial_points=points,
        scenario={"posts": posts}, seed=3,
    )  # fmt: skip
    proxy = quiet_fit(ds, n_starts=2)
    found = proxy.simulate(n_steps=10, replicates=2, seed=1)
    ahead = int(posts == "after update")
    assert found["n_web"].values.tolist() == ds["n_web"].values[ahead : ahead + 11].tolist()
    assert np.isfinite(found["weight"]).all()


def test_what_if_keeps_models_that_never_read_where_they_are(with_bot):
    for scenario in (None, {"frozen": [0]}):
        found = with_bot.simulate(scenario, n_steps=5, replicates=2, seed=1)["weight"]
        one = found.sel(model="model 1").transpose("time", "replicate", "component").values
        mean = np.nanmean(with_bot.paths[0].weight[0, :, 1], axis=0)
        np.testing.assert_allclose(one, np.broadcast_to(mean, one.shape), atol=5e-3)


def test_what_if_refuses_what_it_can_not_begin_with(run, proxy):
    edge = replace(proxy, fit=replace(proxy.fit, rho=1.0, theta=0.02))
    with pytest.raises(lwd.InputError, match="rho = 1"):
        edge.simulate(n_steps=2)
    with pytest.raises(lwd.InputError, match="grows by 3 where models post 2"):
        quiet_fit(run.isel(model=[0, 1]), n_starts=1).simulate(n_steps=2)
    ds = run.copy(deep=True)
    ds["embedding"][:, 2] = np.nan
    with pytest.raises(lwd.InputError, match="answers of model 2 do not tell"):
        quiet_fit(ds, n_starts=1).simulate(n_steps=2)


def test_answers_that_can_not_be_sorted_are_refused():
    ds = rag_run(3, n_steps=6, n_responses=4)[0]
    whole = ds["embedding"].values.copy()
    ds["embedding"].values[:] = np.where(whole[..., :1] > 1.5, 1.0, 0.0)
    with pytest.raises(lwd.InputError, match=r"n_components: got 3; .*different answers, 2"):
        lwd.fit_proxy(ds, 3)
    assert quiet_fit(ds, n_components=None).components[0].n == 2
    ds["embedding"].values[:] = 1.0
    with pytest.raises(lwd.InputError, match="answers that are all the same"):
        lwd.fit_proxy(ds, 2)
    ds["embedding"].values[:] = np.nan
    with pytest.raises(lwd.InputError, match="no answers"):
        lwd.fit_proxy(ds, 2)


def test_numbers_of_components_may_be_an_array(run):
    found = quiet_fit(run.isel(time=slice(12)), n_components=np.array([2, 3]))
    assert list(found.components[0].bic) == [2, 3]
    assert quiet_fit(run.isel(time=slice(12)), n_components=np.array(2)).components[0].n == 2


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"query": 5}, "query"), ({"component": 7}, "component"), ({"replicate": 9}, "replicate"),
        ({"kind": "components", "query": 1}, "query"),
    ],
)  # fmt: skip
def test_pictures_of_what_is_not_there_are_refused(proxy, options, argument):
    with pytest.raises(lwd.InputError) as caught:
        proxy.plot(**options)
    assert caught.value.argument == argument


def test_the_log_knows_models_by_their_place_in_the_run():
    ds = lwd.read_results(ROOT / "data" / "bitcoin_network.nc")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        components = lwd.fit_proxy(ds, 2, n_starts=2, seed=1).components[0]
    own = paths_of(ds, components, 0).own
    for order in ([2, 0, 1], [1]):
        turned = paths_of(ds.isel(model=order), components, 0).own
        np.testing.assert_allclose(turned, own[:, order])


def test_series_begin_anew_where_it_is_not_known_what_was_read():
    rng = np.random.default_rng(9)
    weight = rng.dirichlet(np.ones(3), (1, 12, 1))
    read = weight.copy()
    read[0, 6, 0] = np.nan
    path = Paths(
        weight=weight, noise=np.full((1, 12, 1), 0.1), noise_cov=np.zeros((1, 3, 3)),
        n_answers=np.full((1, 12, 1), 20), read=read, n_read=np.full((1, 12, 1), 5.0),
        own=np.zeros((1, 1, 12, 12)), cohort=np.zeros((1, 1, 12, 13)), n_cohort=np.ones((1, 13)),
        post_cov=np.eye(3), web=np.zeros((1, 3)), n_web=np.ones(12), n_posted=1, lag=1,
        first=np.zeros(3), n_first=0,
    )  # fmt: skip
    found = series_of(path)
    assert [(one.start, len(one.p)) for one in found] == [(0, 6), (6, 6)]


def test_the_embedding_is_the_chosen_one():
    ds, _ = rag_run(3, n_steps=12, n_responses=6)
    with pytest.raises(lwd.InputError, match=r"^embedding: got 'embedding_2'"):
        lwd.fit_proxy(ds, 3, embedding="embedding_2")
