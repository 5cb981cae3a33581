"""The data kernel perspective space: laws, and distances of samples by brute force."""

import json
import pickle
import tracemalloc

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist, pdist, squareform

import lwdstats as lwd
from lwdstats.geometry import samples
from lwdstats.geometry.dkps.dkps import AGGREGATES, dkps
from lwdstats.geometry.dkps.profile_likelihood import profile_likelihood
from lwdstats.geometry.out_of_sample import METHODS
from lwdstats.geometry.procrustes import procrustes

SEEDS = st.integers(0, 2**32 - 1)
EVERY = pytest.mark.parametrize("aggregate", AGGREGATES)
JOINT = pytest.mark.parametrize("joint", [True, False])


def small_llm(seed=0, **sizes):
    """Answers whose models differ; axes of unequal length, so that signs are well defined."""
    size = {"time": 4, "model": 3, "replicate": 2, "query": 2, "response": 5, "feature": 3} | sizes
    rng = np.random.default_rng(seed)
    shape = tuple(size.values())
    spread = np.arange(size["feature"], 0, -1.0) ** 1.5
    centres = rng.normal(size=(*shape[:4], 1, shape[-1])) * spread
    return xr.Dataset(
        {"embedding": (tuple(size), centres + 0.4 * rng.normal(size=shape))},
        coords={
            "time": np.arange(size["time"]),
            "model": [f"m{i}" for i in range(size["model"])],
            "query": [f"q{i}" for i in range(size["query"])],
        },
        attrs={
            "title": "A test",
            "Conventions": "CF-1.10",
            "lwdstats_version": "0",
            "created": "now",
            "seed": "1",
            "spec": json.dumps({"simulator": "llm"}),
        },
    )


def flat(points):
    return points.values.reshape(-1, points.sizes["coordinate"])


def brute_force(ds, aggregate, bandwidth=None):
    """Distances between all (time, replicate, model), from the definitions, one pair at a time."""
    x = ds["embedding"].transpose("time", "replicate", "model", "query", "response", "feature")
    x = x.values.reshape(-1, *x.shape[3:]).astype(float)
    n_points, n_queries = x.shape[:2]
    out = np.zeros((n_points, n_points))
    for i in range(n_points):
        for j in range(n_points):
            for q in range(n_queries):
                a, b = x[i, q], x[j, q]
                if aggregate == "mean":
                    out[i, j] += np.sum((a.mean(axis=0) - b.mean(axis=0)) ** 2)
                elif aggregate == "energy":
                    out[i, j] += 2 * cdist(a, b).mean() - cdist(a, a).mean() - cdist(b, b).mean()
                else:
                    k = [
                        np.exp(-(cdist(u, v) ** 2) / (2 * bandwidth**2)).mean()
                        for u, v in ((a, a), (b, b), (a, b))
                    ]
                    out[i, j] += k[0] + k[1] - 2 * k[2]
    return np.sqrt(np.maximum(out / n_queries, 0))


@EVERY
@settings(max_examples=6)
@given(seed=SEEDS)
def test_all_distances_are_reproduced_when_k_is_full(aggregate, seed):
    ds = small_llm(seed, time=3)
    n_points = 3 * 2 * 3
    k = 6 if aggregate == "mean" else n_points - 1  # 2 queries of 3 features
    fit = dkps(ds, k=k, aggregate=aggregate)
    d = brute_force(ds, aggregate, fit.bandwidth)
    np.testing.assert_allclose(squareform(pdist(flat(fit.points))), d, atol=1e-7)
    np.testing.assert_allclose(fit.mean_square.values.ravel(), np.mean(d**2, axis=1))
    np.testing.assert_allclose(fit.gof, 1.0)
    # The eigenvalues are those of cmdscale, none below 0: the distances are Euclidean.
    expected = lwd.cmdscale(d, k)
    np.testing.assert_allclose(fit.eig, expected.eig, atol=1e-8 * expected.eig[0])
    assert fit.eig.min() > -1e-10 * fit.eig[0]


@EVERY
@JOINT
def test_distances_between_models(aggregate, joint):
    ds = small_llm(3)
    fit = dkps(ds, k=2, aggregate=aggregate, joint=joint)
    d = brute_force(ds, aggregate, fit.bandwidth).reshape(4, 2, 3, 4, 2, 3)
    assert fit.distances.dims == ("time", "replicate", "model", "model_")
    assert fit.distances["model_"].values.tolist() == ["m0", "m1", "m2"]
    for t in range(4):
        for r in range(2):
            np.testing.assert_allclose(fit.distances[t, r], d[t, r, :, t, r], atol=1e-7)
    if aggregate == "mean":
        np.testing.assert_allclose(fit.distances, lwd.dist(ds), atol=1e-12)


def test_default_bandwidth_is_the_root_mean_square_distance_from_the_centre():
    ds = small_llm(4)
    x = ds["embedding"]
    away = x - x.mean(["time", "model", "replicate", "response"])
    expected = np.sqrt((away**2).sum("feature").mean())
    assert dkps(ds, aggregate="mmd").bandwidth == pytest.approx(float(expected))
    assert dkps(ds, aggregate="mmd", bandwidth=2).bandwidth == 2.0


@EVERY
@JOINT
def test_permuting_the_models_permutes_the_points(aggregate, joint):
    for seed in range(5):
        ds = small_llm(seed)
        order = np.random.default_rng(seed).permutation(3)
        a = dkps(ds, k=2, aggregate=aggregate, joint=joint)
        b = dkps(ds.isel(model=order), k=2, aggregate=aggregate, joint=joint)
        np.testing.assert_allclose(b.points, a.points.isel(model=order), atol=1e-8)
        assert b.points["model"].values.tolist() == [f"m{i}" for i in order]


@EVERY
@JOINT
def test_turning_and_moving_the_embedding_changes_nothing(aggregate, joint):
    for seed in range(5):
        ds = small_llm(seed)
        q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
        turned = ds.assign(embedding=ds["embedding"].copy(data=ds["embedding"].values @ q + 2.0))
        a = dkps(ds, k=2, aggregate=aggregate, joint=joint)
        b = dkps(turned, k=2, aggregate=aggregate, joint=joint)
        np.testing.assert_allclose(b.points, a.points, atol=1e-7)


@EVERY
@JOINT
def test_asking_each_query_twice_changes_nothing(aggregate, joint):
    ds = small_llm(6)
    a = dkps(ds, aggregate=aggregate, joint=joint)
    b = dkps(ds.isel(query=[0, 1, 0, 1]), aggregate=aggregate, joint=joint)
    assert a.k == b.k
    np.testing.assert_allclose(b.points, a.points, atol=1e-8)


@EVERY
def test_asking_each_model_twice_the_same_answers_changes_nothing(aggregate):
    # A V-statistic sees the empirical distribution, not how often it is written down.
    ds = small_llm(7)
    twice = ds.isel(response=[0, 1, 2, 3, 4] * 2)
    a, b = dkps(ds, k=3, aggregate=aggregate), dkps(twice, k=3, aggregate=aggregate)
    np.testing.assert_allclose(b.points, a.points, atol=1e-8)


@EVERY
@JOINT
def test_k_is_chosen_by_profile_likelihood(aggregate, joint):
    ds = small_llm(8)
    fit = dkps(ds, aggregate=aggregate, joint=joint)
    eig = fit.eig if joint else fit.eig.mean("time")
    assert fit.k == profile_likelihood(eig.values).dimension
    assert fit.points.sizes["coordinate"] == fit.k
    given_k = dkps(ds, fit.k, aggregate=aggregate, joint=joint)
    np.testing.assert_allclose(given_k.points, fit.points, atol=1e-12)
    np.testing.assert_allclose(given_k.gof, fit.gof)


def test_one_k_serves_all_times():
    # At first the models are nearly on a line; later, and in the mean, in a plane.
    ds = small_llm(8, time=8, model=20, query=1, feature=2)
    x = ds["embedding"].values * [1.0, 2.8]
    x[0, ..., 1] *= 0.01
    ds = ds.assign(embedding=(ds["embedding"].dims, x))
    fit = dkps(ds, joint=False)
    assert profile_likelihood(fit.eig[0].values).dimension == 1
    assert fit.k == profile_likelihood(fit.eig.mean("time").values).dimension == 2


def test_a_network_in_a_plane_has_two_dimensions():
    ds = small_llm(9, time=20, feature=2, query=1)
    rng = np.random.default_rng(9)
    plane = np.linalg.qr(rng.normal(size=(20, 2)))[0].T
    high = (ds["embedding"] / [2.8, 1.0]).values @ plane
    high = high + 1e-3 * rng.normal(size=high.shape)
    ds = ds.assign(embedding=(ds["embedding"].dims, high))
    assert [dkps(ds, aggregate=a).k for a in ("mean", "energy")] == [2, 2]


@EVERY
def test_each_time_on_its_own(aggregate):
    ds = small_llm(10)
    fit = dkps(ds, k=2, aggregate=aggregate, joint=False)
    assert fit.eig.dims == ("time", "eigenvalue")
    assert fit.gof.dims == ("time", "measure")
    for t in range(4):
        own = dkps(ds.isel(time=[t]), k=2, aggregate=aggregate, bandwidth=fit.bandwidth)
        now = fit.points.isel(time=t).values.reshape(-1, 2)
        np.testing.assert_allclose(pdist(now), pdist(flat(own.points)), atol=1e-8)
        np.testing.assert_allclose(fit.eig[t], own.eig)
        np.testing.assert_allclose(fit.gof[t], own.gof)
        if t:  # it could not be turned any nearer to the time before
            before = fit.points.isel(time=t - 1).values.reshape(-1, 2)
            turn = procrustes(before, now, scale=False).rotation
            np.testing.assert_allclose(turn, np.eye(2), atol=1e-8)
        else:
            np.testing.assert_allclose(now, flat(own.points), atol=1e-12)


def test_a_time_of_collapse_does_not_lose_the_axes():
    ds = small_llm(11)
    x = ds["embedding"].values.copy()
    x[2] = 0.1  # all models alike
    x[3] = x[1]
    fit = dkps(ds.assign(embedding=(ds["embedding"].dims, x)), k=2, joint=False)
    assert not fit.points.isel(time=2).values.any()
    np.testing.assert_allclose(fit.points.isel(time=3), fit.points.isel(time=1), atol=1e-10)
    assert np.isnan(fit.gof[2]).all()
    assert "Dimensions: 2" in str(fit)


@EVERY
@JOINT
def test_models_that_are_all_the_same(aggregate, joint):
    ds = small_llm(12)
    ds = ds.assign(embedding=ds["embedding"].copy(data=np.full(ds["embedding"].shape, 0.1)))
    fit = dkps(ds, aggregate=aggregate, joint=joint)
    assert fit.k == 1
    assert not fit.points.values.any()
    assert not fit.distances.values.any()
    assert np.isnan(fit.gof).all()
    assert str(fit)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_identical_models_are_at_a_distance_of_0(dtype):
    ds = small_llm(13, feature=50, response=40).astype(dtype)
    x = ds["embedding"].values.copy()
    x[:, 1] = x[:, 0, :, :, ::-1]  # the same answers in another order
    ds = ds.assign(embedding=(ds["embedding"].dims, x + np.asarray(100, dtype)))
    for aggregate in AGGREGATES:
        fit = dkps(ds, k=2, aggregate=aggregate)
        d = fit.distances
        assert float(d[:, :, 0, 1].max()) < 1e-6 * float(d.max())


def test_a_distance_of_0_is_exact_whichever_way_it_is_computed():
    x = np.random.default_rng(13).normal(size=(1, 60, 1, 384)) * 100
    h = samples.kernel(None)
    assert not np.diagonal(samples.between(x, x.copy(), h)).any()
    expected = 2 * cdist(x[0, :, 0], x[0, :, 0])
    np.testing.assert_allclose(samples.between(x, None, h), expected, rtol=1e-9)


def test_k_above_the_rank_warns_and_leaves_zeros():
    ds = small_llm(14, query=1, feature=1)
    with pytest.warns(UserWarning, match="only 1 of the first 3 eigenvalues are > 0"):
        fit = dkps(ds, k=3)
    assert fit.points.sizes["coordinate"] == 3
    assert not fit.points.values[..., 1:].any()
    np.testing.assert_allclose(fit.gof, 1.0)


def test_a_gaussian_mixture_is_compared_by_its_weights_or_its_points():
    ds = lwd.simulate_gmm(n_components=3, n_steps=8, n_responses=6, replicates=2, seed=3)
    fit = dkps(ds, k=2)
    weights = lwd.positions(ds).values.reshape(-1, 3)
    np.testing.assert_allclose(pdist(flat(fit.points)), pdist(weights), atol=1e-8)
    energy = dkps(ds, k=2, aggregate="energy")
    d = brute_force(ds.expand_dims("query"), "energy").reshape(9, 2, 3, 9, 2, 3)
    np.testing.assert_allclose(energy.distances[8, 1], d[8, 1, :, 8, 1], atol=1e-7)


@EVERY
@pytest.mark.parametrize("k", [1, 2, None])
def test_old_models_are_placed_where_they_are(aggregate, k):
    ds = small_llm(15)
    fit = dkps(ds, k=k, aggregate=aggregate)
    placed = fit.place(ds.isel(time=[1, 3], model=[2, 0]))
    expected = fit.points.isel(time=[1, 3], model=[2, 0])
    np.testing.assert_allclose(placed, expected, atol=1e-7)
    assert placed.dims == expected.dims
    assert placed["model"].values.tolist() == ["m2", "m0"]


@pytest.mark.parametrize("method", METHODS)
def test_new_times_keep_their_distances_to_the_old(method):
    ds = small_llm(16, time=8)
    old, new = ds.isel(time=slice(0, 6)), ds.isel(time=slice(6, 8))
    fit = dkps(old, k=6)  # 2 queries of 3 features: all there is
    placed = fit.place(new, method=method)
    both = np.vstack([flat(fit.points), flat(placed)])
    np.testing.assert_allclose(squareform(pdist(both)), brute_force(ds, "mean"), atol=1e-7)


def test_a_space_can_be_pickled():
    fit = dkps(small_llm(17), k=2)
    again = pickle.loads(pickle.dumps(fit))  # noqa: S301
    assert again.points.identical(fit.points)


def test_print():
    fit = dkps(small_llm(18), k=2, aggregate="mmd", bandwidth=3)
    lines = str(fit).splitlines()
    assert lines[0] == "Data kernel perspective space"
    assert "4 times, 2 replicates, 3 models, in one space" in lines[2]
    assert lines[3] == "Distances: mmd, bandwidth 3"
    assert lines[4] == "Dimensions: 2"
    assert lines[-1].startswith("GOF: ")
    assert len(lines) < 15


def test_many_models_take_little_memory():
    ds = small_llm(19, time=5, model=2000, replicate=1, query=1, response=1)
    tracemalloc.start()
    fit = dkps(ds, k=2)
    fit.place(ds.isel(time=[0]))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100e6  # all distances would take 800 MB


def test_blocks_do_not_change_the_result(monkeypatch):
    ds = small_llm(20)
    one = dkps(ds, k=2, aggregate="energy").points
    monkeypatch.setattr(samples, "_BLOCK", 300)
    np.testing.assert_allclose(dkps(ds, k=2, aggregate="energy").points, one, atol=1e-10)


WEIGHTS = lwd.simulate_gmm(n_steps=3, seed=1).drop_vars("embedding", errors="ignore")


@pytest.mark.parametrize(
    ("ds", "options", "argument"),
    [
        (small_llm(), {"k": 0}, "k"),
        (small_llm(), {"k": 24}, "k"),
        (small_llm(), {"k": 6, "joint": False}, "k"),
        (small_llm(), {"k": 1.0}, "k"),
        (small_llm(), {"aggregate": "median"}, "aggregate"),
        (small_llm(), {"joint": "time"}, "joint"),
        (small_llm(), {"bandwidth": 1.0}, "bandwidth"),
        (small_llm(), {"aggregate": "mmd", "bandwidth": 0}, "bandwidth"),
        (small_llm(), {"aggregate": "mmd", "bandwidth": "scott"}, "bandwidth"),
        (small_llm(time=1, model=1, replicate=1), {}, "ds"),
        (small_llm(model=1, replicate=1), {"joint": False}, "ds"),
        (WEIGHTS, {"aggregate": "energy"}, "ds"),
        (np.zeros((3, 3)), {}, "ds"),
    ],
)
def test_bad_input_names_the_argument(ds, options, argument):
    with pytest.raises(lwd.InputError) as error:
        dkps(ds, **options)
    assert error.value.argument == argument


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ds: ds.isel(query=[0]), "1 queries and 3 coordinates"),
        (lambda ds: ds.isel(feature=[0, 1]), "2 queries and 2 coordinates"),
        (lambda ds: ds.isel(query=[1, 0]), "other queries"),
    ],
)
def test_only_answers_to_the_same_queries_can_be_placed(change, message):
    ds = small_llm(21)
    with pytest.raises(lwd.InputError, match=message):
        dkps(ds, k=2).place(change(ds))


def test_bad_input_of_place():
    ds = small_llm(22)
    with pytest.raises(lwd.InputError, match="method: "):
        dkps(ds, k=2).place(ds, method="near")
    with pytest.raises(lwd.InputError, match="joint=True"):
        dkps(ds, k=2, joint=False).place(ds)


def test_print_of_one():
    text = str(dkps(small_llm(18, time=2).isel(replicate=[0]), k=1))
    assert "2 times, 1 replicate, 3 models," in text


@pytest.mark.parametrize("aggregate", ["mean", "energy", "mmd"])
def test_padding_with_missing_answers_changes_nothing(aggregate):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(2, 4, 2, 3, 5, 3))
    padded = np.full((2, 4, 2, 3, 8, 3), np.nan)
    for model in range(4):  # at other places of each model
        places = rng.permutation(8)[:5]
        padded[:, model][..., places, :] = x[:, model]
    dims = ("time", "model", "replicate", "query", "response", "feature")
    fits = []
    for values in (x, padded):
        ds = xr.Dataset({"embedding": (dims, values)}, {"time": [0, 1]}, small_llm().attrs)
        fits.append(lwd.dkps(ds, 2, aggregate=aggregate))
    one, two = fits
    xr.testing.assert_allclose(one.points, two.points, rtol=1e-9)
    xr.testing.assert_allclose(one.distances, two.distances, rtol=1e-9)
    placed = one.place(two.data)  # answers of one are those of the other
    np.testing.assert_allclose(placed.values, one.points.values, atol=1e-9)


def test_samples_of_unequal_number_have_the_distance_of_energy():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(1, 2, 1, 7, 3)).astype(np.float32)
    x[0, 1, 0, 4:] = np.nan
    dims = ("time", "model", "replicate", "response", "feature")
    ds = xr.Dataset({"embedding": (dims, x)}, {"time": [0]}, small_llm().attrs)
    square = float(lwd.dkps(ds, 1, aggregate="energy").distances[0, 0, 0, 1]) ** 2
    rows = np.concatenate([x[0, 0, 0], x[0, 1, 0, :4]])
    # The E-statistic is n m / (n + m) times the square.
    assert lwd.eqdist_etest(rows, [7, 4], 9).statistic == pytest.approx(square * 28 / 11)
