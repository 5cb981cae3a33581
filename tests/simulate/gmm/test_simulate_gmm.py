"""`simulate_gmm`: the dataset, its law and its reproducibility."""

import json
import pickle
import warnings

import joblib
import numpy as np
import pytest
import xarray as xr

import lwdstats as lwd
from lwdstats.dataset.schema import VARIABLES, spec_of
from lwdstats.errors import InputError
from lwdstats.mixtures.spec import GmmSpec
from lwdstats.simulate.gmm.exact.run import run_exact


def rerun(ds):
    spec = spec_of(ds)
    assert spec.pop("simulator") == "gmm"
    return lwd.simulate_gmm(**spec)


def squared_norm(ds):
    """Return ||D||_F^2 by its definition, (time, replicate)."""
    weight = ds["weight"].transpose("time", "replicate", "model", "component").values
    return ((weight[:, :, :, None] - weight[:, :, None]) ** 2).sum((2, 3, 4))


def test_dataset_follows_the_schema():
    ds = lwd.simulate_gmm(
        4,
        3,
        means=[[0, 0], [9, 0], [0, 9]],
        covariance=[[1, 0.5], [0.5, 1]],
        n_steps=6,
        n_responses=2,
        initial_points=np.ones((5, 2)),
        replicates=[3, 8],
        seed=1,
    )
    assert lwd.validate(ds) is ds
    sizes = {
        "time": 7, "model": 4, "replicate": 2, "response": 2, "feature": 2, "feature_": 2,
        "component": 3, "post": 5,
    }  # fmt: skip
    assert dict(ds.sizes) == sizes
    for name, dims in {
        "weight": ("time", "model", "replicate", "component"),
        "embedding": ("time", "model", "replicate", "response", "feature"),
        "n_web": ("time",),
        "n_retrieved": ("time",),
        "n_truncated": ("time", "model", "replicate"),
        "synthetic_share": ("time", "model", "replicate"),
        "component_mean": ("component", "feature"),
        "component_covariance": ("component", "feature", "feature_"),
        "initial_point": ("replicate", "post", "feature"),
    }.items():
        assert ds[name].dims == dims
        assert ds[name].attrs["long_name"] == VARIABLES[name].long_name
        assert ds[name].attrs["units"] == "1"
    assert ds["weight"].dtype == np.float64
    assert ds["embedding"].dtype == np.float32
    assert ds["initial_point"].dtype == np.float32
    assert ds["replicate"].values.tolist() == [3, 8]
    assert (
        ds["component_covariance"]
        == xr.DataArray([[1, 0.5], [0.5, 1]], dims=("feature", "feature_"))
    ).all()
    assert ds.attrs["seed"] == "1"
    assert ds.attrs["engine"] == "exact"
    assert "initial_point" not in lwd.simulate_gmm(n_steps=1, seed=1)


def test_web_grows_by_all_that_is_drawn():
    ds = lwd.simulate_gmm(4, n_steps=30, n_responses=5, beta=0.29, initial_points=[0.0] * 7, seed=1)
    assert (ds["n_web"].diff("time") == 4 * 5).all()
    assert int(ds["n_web"][0]) == 7
    assert (ds["n_retrieved"] == np.floor(0.29 * ds["n_web"])).all()


def test_synthetic_share_counts_what_models_made():
    # All of the web is read, so its share is known.
    ds = lwd.simulate_gmm(n_steps=9, beta=1.0, initial_points=[-5.0, 5.0, 5.0, 4.0], seed=1)
    time = np.arange(9)
    expected = np.broadcast_to((9 * time / (4 + 9 * time))[:, None], (9, 3))
    np.testing.assert_allclose(ds["synthetic_share"][:-1, :, 0], expected)
    assert np.isnan(ds["synthetic_share"][-1]).all()
    ds = lwd.simulate_gmm(n_steps=3, seed=1)
    share = ds["synthetic_share"][:, 0, 0].values
    np.testing.assert_array_equal(share, [np.nan, 1, 1, np.nan])


def test_steps_without_points_to_read_change_nothing():
    ds = lwd.simulate_gmm(n_models=1, n_steps=9, n_responses=1, beta=0.2, step_size=0.5, seed=1)
    still = ds["n_retrieved"].values[:-1] == 0
    assert still.tolist() == [True] * 5 + [False] * 4
    change = np.abs(ds["weight"].diff("time")).sum("component").values[:, 0, 0]
    assert (change[still] == 0).all()
    assert (change[~still] > 0).all()
    assert (ds["n_truncated"][:-1][still] == 0).all()
    assert np.isnan(ds["n_truncated"][-1]).all()


def test_weights_stay_in_the_simplex_up_to_the_excess_of_a_truncation():
    for n_components, eps in ((2, 0.0), (11, 0.0), (11, 1e-3), (3, 0.5)):
        ds = lwd.simulate_gmm(
            n_components=n_components, n_steps=60, threshold=eps, replicates=10, seed=2
        )
        weight = ds["weight"]
        assert (weight >= 0).all()
        assert float(ds["n_truncated"].sum()) > 0
        excess = weight.sum("component") - 1
        assert (excess > -1e-12).all()
        # A truncation at -x adds at most eps (eps + x), x <= alpha c / (1 - B c), and k >= 4.
        x = 1 / (16 * n_components**2 - 4 * n_components)
        so_far = ds["n_truncated"].cumsum("time").shift(time=1, fill_value=0)
        assert (excess <= eps * (eps + x) * so_far + 1e-12).all()


def second_moment(initial, share, n_initial, n_responses, k, alpha, c, n_steps):
    """Return E ||D||_F^2 at t = 0..T for components that do not overlap.

    With P the share of component b on the web A of N points, x the mean of the
    n weights of b, and q the mean of their squares, a step is

        pi_i' = rho pi_i + (1 - rho) Y + xi_i,    Y = (P - c) / h,
        P' = w P + (1 - w) (x + eta),

    where rho = (1 - alpha)^k, h = 1 - B c and w = N / (N + n L). The point
    that is read s-th has weight alpha (1 - alpha)^(k - s) / h, so xi_i, with
    indicators drawn without replacement, has variance V P (1 - P). eta is the
    mean of n L indicators of law pi_i. The expectations of P, x, P^2, x P, x^2
    and q follow from themselves.
    """
    n, n_components = initial.shape
    p, x = share.copy(), initial.mean(0)
    pp, xp, xx, q = p * p, x * p, x * x, (initial**2).mean(0)
    moments = [2 * n**2 * (q - xx).sum()]
    n_web = n_initial
    for t in range(n_steps):
        h = 1 - n_components * c[t]
        drawn = alpha[t] * (1 - alpha[t]) ** np.arange(k[t])
        rho = (1 - alpha[t]) ** k[t]
        squares, square = (drawn**2).sum(), drawn.sum() ** 2
        v = (squares - (square - squares) / (n_web - 1)) / h**2
        y, yy = (p - c[t]) / h, (pp - 2 * c[t] * p + c[t] ** 2) / h**2
        xy, py = (xp - c[t] * x) / h, (pp - c[t] * p) / h
        noise = v * (p - pp)
        w = n_web / (n_web + n * n_responses)
        q_next = rho**2 * q + 2 * rho * (1 - rho) * xy + (1 - rho) ** 2 * yy + noise
        xx_next = rho**2 * xx + 2 * rho * (1 - rho) * xy + (1 - rho) ** 2 * yy + noise / n
        xp_next = w * (rho * xp + (1 - rho) * py) + (1 - w) * (rho * xx + (1 - rho) * xy)
        eta = (x - q) / (n * n_responses)
        pp_next = w**2 * pp + 2 * w * (1 - w) * xp + (1 - w) ** 2 * (xx + eta)
        p, x = w * p + (1 - w) * x, rho * x + (1 - rho) * y
        pp, xp, xx, q = pp_next, xp_next, xx_next, q_next
        n_web += n * n_responses
        moments.append(2 * n**2 * (q - xx).sum())
    return np.array(moments)


@pytest.mark.parametrize("setting", ["paper", "other"])
def test_law_has_the_exact_second_moment(setting):
    if setting == "paper":
        options = {}
        first = np.array([[0.2, 0.8], [0.5, 0.5], [0.75, 0.25]])
        composition, n_responses = np.array([20, 20]), 3
    else:
        options = {"step_size": "0.7/k", "complexity": "0.3/(k B)", "beta": 0.8}
        first = np.array([[0.2, 0.5, 0.3], [0.3, 0.3, 0.4], [0.5, 0.3, 0.2], [0.25, 0.5, 0.25]])
        composition, n_responses = np.array([10, 12, 14]), 2
    n, n_components = first.shape
    means = 40.0 * np.arange(n_components)
    arguments = {
        "n_models": n,
        "n_components": n_components,
        "means": means,
        "initial_weights": first,
        "initial_points": np.repeat(means, composition),
        "n_steps": 60,
        "n_responses": n_responses,
        "replicates": 3000,
        "seed": 11,
        "record": [0, 1, 2, 5, 15, 60],
        **options,
    }
    ds = lwd.simulate_gmm(**arguments)
    # The web starts with enough of each component that no weight comes near zero.
    assert float(ds["n_truncated"].sum()) == 0
    spec = GmmSpec(**arguments)
    expected = second_moment(
        first,
        composition / composition.sum(),
        composition.sum(),
        n_responses,
        spec.n_retrieved,
        spec.alpha,
        spec.c,
        60,
    )[spec.times]
    norms = squared_norm(ds)
    error = norms.std(axis=1, ddof=1) / np.sqrt(3000)
    np.testing.assert_allclose(norms[0], expected[0], rtol=1e-12)
    assert (np.abs(norms.mean(axis=1) - expected)[1:] < 4 * error[1:]).all()


@pytest.mark.long
def test_norm_stalls_without_a_threshold_and_falls_with_one():
    def norms(eps):
        ds = lwd.simulate_gmm(
            n_components=11, n_steps=400, threshold=eps, replicates=60, seed=5, record=100
        )
        return np.sqrt(squared_norm(ds))

    lost, kept = norms(0.0), norms(1e-3)
    # Without truncation E ||D||^2 is about C / t with C < (n - 1) / (beta L) (1 - tanh .5) = .72.
    floor = np.sqrt(0.72 / 400)
    assert (kept[-1] < 3 * floor).mean() > 0.95
    stuck = lost[-1] > 3 * floor
    assert 0.1 < stuck.mean() < 0.9
    # From t = 100 to 400 the law t^(-1/2) halves the norm.
    assert np.median(kept[-1] / kept[1]) < 0.65
    assert np.median(lost[-1, stuck] / lost[1, stuck]) > 0.7


def test_absorbed_weights_far_apart_stay_finite():
    ds = lwd.simulate_gmm(
        means=[-500, 500],
        initial_weights=[[0.999, 0.001], [0.001, 0.999], [0.5, 0.5]],
        n_steps=40,
        threshold=0,
        replicates=5,
        seed=1,
    )
    assert np.isfinite(ds["weight"]).all()
    absorbed = (ds["weight"] == 0).any("component")
    assert absorbed.any()
    # What is lost stays lost.
    assert (absorbed.astype(int).diff("time") >= 0).all()
    np.testing.assert_allclose(ds["weight"].sum("component"), 1, rtol=0, atol=1e-12)


SETTINGS = {
    "paper": {"n_steps": 30},
    "many models": {"n_models": 15, "n_components": 11, "n_steps": 12},
    "all arguments": {
        "n_models": 2,
        "n_components": 3,
        "means": [[0, 0], [3, 0], [0, 3]],
        "covariance": [[1, 0.5], [0.5, 2]],
        "n_steps": 12,
        "n_responses": 2,
        "beta": 1 / 3,
        "concentration": [1, 2, 0.5],
        "initial_points": np.random.default_rng(0).normal(size=(8, 10, 2)),
        "step_size": lambda k: 1 / (k + 0.1),
        "complexity": 0.05,
        "threshold": 0.01,
        "record": 5,
    },
    "given weights": {
        "n_steps": 9,
        "initial_weights": np.random.default_rng(0).dirichlet([1, 1], (8, 3)),
        "step_size": [None] + [0.1] * 8,
        "record": [2, 7],
    },
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_specification_in_a_dataset_gives_it_again(setting):
    ds = lwd.simulate_gmm(**SETTINGS[setting], replicates=8)
    json.dumps(spec_of(ds), allow_nan=False)
    xr.testing.assert_identical(rerun(ds).drop_attrs(), ds.drop_attrs())
    assert rerun(ds).attrs["spec"] == ds.attrs["spec"]


@pytest.mark.parametrize("setting", SETTINGS)
def test_jobs_do_not_change_a_bit(setting):
    one, two = (
        lwd.simulate_gmm(**SETTINGS[setting], replicates=8, seed=3, n_jobs=n) for n in (1, 2)
    )
    xr.testing.assert_identical(one.drop_attrs(), two.drop_attrs())


def test_replicates_do_not_depend_on_those_beside_them():
    eight = lwd.simulate_gmm(n_steps=30, replicates=8, seed=3)
    four = lwd.simulate_gmm(n_steps=30, replicates=4, seed=3, n_jobs=2)
    xr.testing.assert_identical(four.drop_attrs(), eight.isel(replicate=slice(4)).drop_attrs())
    some = lwd.simulate_gmm(n_steps=30, replicates=[6, 2], seed=3)
    xr.testing.assert_identical(some.drop_attrs(), eight.sel(replicate=[6, 2]).drop_attrs())
    other = lwd.simulate_gmm(n_steps=30, replicates=8, seed=4)
    assert (other["embedding"] != eight["embedding"]).all()
    first, second = eight["embedding"][:, :, 0], eight["embedding"][:, :, 1]
    assert (first != second).all()


def test_recorded_times_are_those_of_the_whole_run():
    whole = lwd.simulate_gmm(n_steps=25, replicates=2, seed=3)
    for record in (1, 7, [0, 3, 24], [25]):
        part = lwd.simulate_gmm(n_steps=25, replicates=2, seed=3, record=record)
        expected = whole.sel(time=part["time"])
        xr.testing.assert_identical(part.drop_attrs(), expected.drop_attrs())


def test_seed_is_drawn_and_recorded():
    one, two = lwd.simulate_gmm(n_steps=3), lwd.simulate_gmm(n_steps=3)
    assert one.attrs["seed"] != two.attrs["seed"]
    assert spec_of(one)["seed"] == one.attrs["seed"]


def test_step_size_of_one_is_warned_of_once():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ds = lwd.simulate_gmm(1, n_steps=6, n_responses=1, beta=0.5, replicates=3, seed=1)
    assert ds["n_retrieved"].values.tolist() == [0, 0, 1, 1, 2, 2, 3]
    (warning,) = caught
    assert warning.filename == __file__
    assert "step_size is 1 at 2 step(s), first at step 2 where k = 1" in str(warning.message)
    # The one point that is read decides: its component has all the weight but for epsilon.
    assert (ds["weight"][3:5].max("component") > 0.99).all()


def test_single_component_and_no_steps():
    ds = lwd.simulate_gmm(n_components=1, n_steps=9, complexity="1/(2 k)", seed=1)
    np.testing.assert_allclose(ds["weight"], 1)
    ds = lwd.simulate_gmm(n_steps=0, seed=1)
    assert dict(ds.sizes)["time"] == 1
    assert np.isnan(ds["n_truncated"]).all()


def test_back_end_of_joblib_is_the_callers():
    arguments = {"n_steps": 9, "replicates": 3, "seed": 1}
    expected = lwd.simulate_gmm(**arguments)
    with joblib.parallel_config("multiprocessing", n_jobs=2):  # it cannot yield results one by one
        ds = lwd.simulate_gmm(**arguments, n_jobs=None)
    xr.testing.assert_identical(ds.drop_attrs(), expected.drop_attrs())
    spec = pickle.loads(pickle.dumps(GmmSpec(**arguments)))  # noqa: S301
    np.testing.assert_array_equal(run_exact(spec, 2)[0], expected["weight"][:, :, 2])


def test_progress_is_shown_on_request(capsys):
    lwd.simulate_gmm(n_steps=2, replicates=3, seed=1, progress=True)
    assert "3/3" in capsys.readouterr().err
    lwd.simulate_gmm(n_steps=2, replicates=3, seed=1)
    assert capsys.readouterr() == ("", "")


def test_unknown_engine_is_refused():
    with pytest.raises(InputError, match=r"^engine: got 'fast'; takes one of 'exact', 'gaussian'$"):
        lwd.simulate_gmm(engine="fast")
