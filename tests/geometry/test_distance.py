"""Distances against R, norms against explicit matrices, and what finite L adds."""

import tracemalloc

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from paths import from_r

import lwdstats as lwd
from lwdstats.geometry.kernels import squared_distances, squared_norm

RTOL = 1e-8  # against R
REFERENCE = from_r("cmdscale")["dist"]
METHODS = ["euclidean", "maximum", "manhattan", "canberra", "binary", "minkowski"]
ATTRIBUTES = {
    "title": "a small network",
    "Conventions": "CF-1.10",
    "lwdstats_version": "0.1.0",
    "created": "2024-01-01T00:00:00Z",
    "seed": "1",
    "spec": "{}",
}


def dataset(*, embedding=None, weight=None):
    """Build a dataset from embeddings (t, n, r, [q,] L, p), weights (t, n, r, B), or both."""
    variables, n = {}, 0
    if embedding is not None:
        query = ("query",) if embedding.ndim == 6 else ()
        dims = ("time", "model", "replicate", *query, "response", "feature")
        variables["embedding"] = (dims, embedding)
        steps, n = embedding.shape[:2]
    if weight is not None:
        variables["weight"] = (("time", "model", "replicate", "component"), weight)
        steps, n = weight.shape[:2]
    coords = {"time": np.arange(steps), "model": [f"m{i}" for i in range(n)]}
    return xr.Dataset(variables, coords, ATTRIBUTES)


def weights(rng, steps=4, n=5, replicates=2, components=3):
    return rng.dirichlet(np.ones(components), size=(steps, n, replicates))


def signed_square(f):
    return f * abs(f)


@pytest.mark.parametrize("case", REFERENCE, ids=[c["name"] for c in REFERENCE])
def test_agrees_with_r(case):
    d = lwd.dist(case["x"], case["method"], p=case["p"])
    # R's vector is the upper triangle by rows; its NA is our NaN.
    theirs = np.array(case["vector"], dtype=float)
    np.testing.assert_allclose(d[np.triu_indices(len(d), 1)], theirs, rtol=RTOL)


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=40, deadline=None)
@given(
    x=arrays(
        float,
        st.tuples(st.integers(1, 7), st.integers(1, 5)),
        elements=st.one_of(st.just(0.0), st.floats(-1e3, 1e3, width=32)),
    )
)
def test_symmetric_with_a_zero_diagonal(method, x):
    d = lwd.dist(x, method)
    assert d.shape == (len(x), len(x))
    assert d.dtype == np.float64
    np.testing.assert_array_equal(d, d.T)
    assert np.all(np.diagonal(d) == 0)
    assert not np.any(d < 0)


def test_a_vector_is_points_on_a_line():
    np.testing.assert_array_equal(lwd.dist([1, 4, 2]), [[0, 3, 1], [3, 0, 2], [1, 2, 0]])


def test_dataset_of_weights():
    w = weights(np.random.default_rng(1))
    ds = dataset(weight=w)
    d = lwd.dist(ds)
    assert d.dims == ("time", "replicate", "model", "model_")
    assert list(d["model_"].values) == list(ds["model"].values) == list(d["model"].values)
    explicit = np.sqrt(((w[:, :, None] - w[:, None]) ** 2).sum(-1))  # t, i, j, r
    np.testing.assert_allclose(d.values, np.moveaxis(explicit, 3, 1), atol=1e-14)
    for method in METHODS:
        one = lwd.dist(ds, method, p=3)[2, 1].values
        np.testing.assert_array_equal(one, lwd.dist(w[2, :, 1], method, p=3))


def test_dataset_of_answers_averages_over_queries():
    rng = np.random.default_rng(2)
    s = rng.normal(size=(2, 4, 3, 5, 6, 7)).astype(np.float32)  # t, n, r, query, L, p
    d = lwd.dist(dataset(embedding=s))
    x = s.mean(axis=4, dtype=float)
    for i, j in [(0, 1), (3, 2)]:
        frobenius = np.sqrt(((x[:, i] - x[:, j]) ** 2).sum((-2, -1)) / 5)
        np.testing.assert_allclose(d[:, :, i, j], frobenius, rtol=1e-12)
    # One query is Equation 2, as is no query dimension at all.
    one = lwd.dist(dataset(embedding=s[:, :, :, :1]))
    none = lwd.dist(dataset(embedding=s[:, :, :, 0]))
    np.testing.assert_allclose(one.values, none.values, rtol=1e-12)
    expected = np.linalg.norm(x[1, 0, 2, 0] - x[1, 3, 2, 0])
    assert float(one[1, 2, 0, 3]) == pytest.approx(expected)


@pytest.mark.parametrize("method", METHODS)
def test_asking_the_same_query_twice_changes_no_distance(method):
    s = np.random.default_rng(3).normal(size=(2, 4, 2, 1, 3, 5))
    once = lwd.dist(dataset(embedding=s), method, p=3)
    twice = lwd.dist(dataset(embedding=np.concatenate([s, s], axis=3)), method, p=3)
    np.testing.assert_allclose(once.values, twice.values, rtol=1e-12)


def test_norm_of_arrays_and_data_arrays():
    d = lwd.dist(dataset(weight=weights(np.random.default_rng(4))))
    expected = np.sqrt((d.values**2).sum((-2, -1)))
    np.testing.assert_allclose(lwd.fnorm(d.values), expected, rtol=1e-12)
    out = lwd.fnorm(d.transpose("model_", "time", "model", "replicate"))
    assert out.dims == ("time", "replicate")
    assert set(out.coords) == {"time"}
    np.testing.assert_allclose(out.values, expected, rtol=1e-12)
    one = lwd.fnorm(d[0, 0])
    assert one.dims == ()
    assert float(one) == pytest.approx(expected[0, 0])
    assert float(lwd.fnorm([[0, 2], [2, 0]])) == pytest.approx(8**0.5)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 6),
    st.sampled_from([0, 1, 3]),
    st.sampled_from([1e-6, 1.0]),
)
def test_norm_of_a_dataset_is_that_of_its_distances(seed, n, queries, spread):
    rng = np.random.default_rng(seed)
    shape = (3, n, 2, *([queries] if queries else []), 4, 5)
    ds = dataset(embedding=100.0 + spread * rng.normal(size=shape))  # models close, far from 0
    expected = lwd.fnorm(lwd.dist(ds).values)
    out = lwd.fnorm(ds)
    assert out.dims == ("time", "replicate")
    np.testing.assert_allclose(out.values, expected, rtol=1e-7)
    ds = dataset(weight=weights(rng, n=n))
    np.testing.assert_allclose(lwd.fnorm(ds), lwd.fnorm(lwd.dist(ds)), rtol=1e-11)


def test_identical_models_have_norm_exactly_zero():
    w = np.broadcast_to([0.1, 0.2, 0.7], (4, 3, 2, 3))
    assert np.all(lwd.fnorm(dataset(weight=w)).values == 0)


def test_a_large_network_takes_little_memory_and_its_norm_is_right():
    n = 100_000
    rng = np.random.default_rng(5)
    ds = dataset(weight=weights(rng, steps=3, n=n, replicates=1))
    ds = ds.drop_vars("model")
    tracemalloc.start()
    norm = lwd.fnorm(ds)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * ds.nbytes  # 72 MB; the three D would take 240 GB
    # Flat Dirichlet over B = 3: E||w_i - w_j||^2 = 2 (B - 1) / (B (B + 1)) = 1/3.
    expected = np.sqrt(n * (n - 1) / 3)
    np.testing.assert_allclose(norm.values, expected, rtol=0.01)


def test_memory_does_not_grow_with_the_number_of_times():
    x = np.broadcast_to(np.arange(10.0), (2000, 1, 1000, 10))  # 160 MB, were it written out
    tracemalloc.start()
    square = squared_norm(x, n_queries=1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40e6
    assert np.all(square == 0)


# Covariance factors of three models that differ in shape and size; tr(S) = 5.25, 30, 2.
FACTORS = np.array([np.diag([1.0, 2.0, 0.5]), np.diag([1.0, 5.0, 2.0]), np.diag([1.0, 0.0, 1.0])])


def simulated(rng, means, *, responses, replicates, queries=0):
    """Draw answers (1, n, r, [q,] L, p) around the given means (n, [q,] p)."""
    shape = (1, 3, replicates, *([queries] if queries else []), responses, 3)
    noise = np.einsum("tn...p,npk->tn...k", rng.normal(size=shape), FACTORS)
    means = np.asarray(means, dtype=float)[None, :, None]
    return dataset(embedding=means[..., None, :] + noise)


@pytest.mark.parametrize("responses", [2, 3, 10])
@pytest.mark.parametrize("queries", [0, 1, 4])
@pytest.mark.parametrize("apart", [0.0, 2.0])
def test_debiased_square_is_unbiased(responses, queries, apart):
    rng = np.random.default_rng([6, responses, queries])
    directions = rng.normal(size=(3, queries, 3) if queries else (3, 3))
    means = apart * directions + 5.0 * directions[:1]
    ds = simulated(rng, means, responses=responses, replicates=4000, queries=queries)
    per_query = means.reshape(3, -1, 3)
    gaps = ((per_query[:, None] - per_query[None]) ** 2).sum(-1).mean(-1)  # the true D^2
    truth = gaps.sum()

    squares = signed_square(lwd.fnorm(ds, debias=True)).values
    error = squares.std(ddof=1) / np.sqrt(squares.size)
    assert abs(squares.mean() - truth) < 4 * error
    # What is taken out is real: 2 (n - 1) sum_i tr(S_i) / L, with n = 3 here.
    plain = (lwd.fnorm(ds) ** 2).values
    inflation = 2 * 2 * (5.25 + 30 + 2) / responses
    error = plain.std(ddof=1) / np.sqrt(plain.size)
    assert abs(plain.mean() - truth - inflation) < 4 * error
    assert inflation > 20 * error


def test_debiased_norm_of_identical_models_is_negative_about_half_the_time():
    ds = simulated(np.random.default_rng(7), np.zeros((3, 3)), responses=4, replicates=2000)
    debiased = lwd.fnorm(ds, debias=True).values
    assert 0.3 < (debiased < 0).mean() < 0.8
    assert np.all(np.isfinite(debiased))


def test_noise_floor_is_what_debiasing_takes_out():
    rng = np.random.default_rng(8)
    s = rng.normal(size=(3, 4, 2, 2, 5, 6)).astype(np.float32)
    ds = dataset(embedding=s)
    floor = lwd.noise_floor(ds)
    assert floor.dims == ("time", "replicate")
    # Written out: unbiased sample covariances, query by query.
    covariance = [np.cov(s[1, i, 0, q].astype(float).T) for i in range(4) for q in range(2)]
    expected = 2 * 3 * sum(np.trace(c) for c in covariance) / 2 / 5
    assert float(floor[1, 0]) ** 2 == pytest.approx(expected, rel=1e-12)
    taken = lwd.fnorm(ds) ** 2 - signed_square(lwd.fnorm(ds, debias=True))
    np.testing.assert_allclose(taken.values, floor.values**2, rtol=1e-10)


def test_weights_are_parameters_and_keep_their_norm():
    rng = np.random.default_rng(9)
    # With L = 1 beside the weights too: nothing is estimated from the points.
    ds = dataset(weight=weights(rng), embedding=rng.normal(size=(4, 5, 2, 1, 2)))
    xr.testing.assert_identical(lwd.fnorm(ds, debias=True), lwd.fnorm(ds))
    assert lwd.noise_floor(ds).dims == ("time", "replicate")
    assert np.all(lwd.noise_floor(ds).values == 0)


@pytest.mark.parametrize(
    "x",
    [
        [[1.0, np.nan]],
        [[1.0, np.inf]],
        [["a", "b"]],
        [[1, 2], [3]],
        [[1j, 2]],
        np.zeros((2, 2, 2)),
        np.zeros((0, 2)),
        3.0,
        None,
    ],
)
def test_bad_points(x):
    with pytest.raises(lwd.InputError, match=r"^x: got"):
        lwd.dist(x)


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"method": "cosine"}, "method"),
        ({"method": "mmd"}, "method"),  # of mixtures alone
        ({"width": 0.0}, "width"),
        ({"method": "minkowski", "p": 0}, "p"),
        ({"p": -1.0}, "p"),
        ({"p": np.inf}, "p"),
        ({"p": np.nan}, "p"),
        ({"p": "2"}, "p"),
        ({"p": True}, "p"),
    ],
)
def test_bad_options(arguments, argument):
    with pytest.raises(lwd.InputError) as error:
        lwd.dist([[0.0], [1.0]], **arguments)
    assert error.value.argument == argument


@pytest.mark.parametrize(
    "x", [[1.0, 2.0], np.zeros((2, 3)), [[0, np.nan], [np.nan, 0]], xr.DataArray([[0.0]])]
)
def test_bad_distances(x):
    with pytest.raises(lwd.InputError, match=r"^x: got"):
        lwd.fnorm(x)


def test_debiasing_needs_responses():
    with pytest.raises(lwd.InputError, match=r"^debias: got True"):
        lwd.fnorm([[0.0, 1.0], [1.0, 0.0]], debias=True)
    ds = dataset(embedding=np.zeros((2, 3, 1, 1, 4)))
    assert np.all(lwd.fnorm(ds).values == 0)
    for call in (lambda: lwd.fnorm(ds, debias=True), lambda: lwd.noise_floor(ds)):
        with pytest.raises(lwd.InputError, match="embedding: got 1 response"):
            call()


def test_nan_in_a_dataset():
    w = weights(np.random.default_rng(10))
    w[1, 2, 0, 1] = np.nan
    for function in (lwd.dist, lwd.fnorm, lwd.noise_floor):
        with pytest.raises(lwd.InputError, match="not finite"):
            function(dataset(weight=w))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_padding_with_missing_answers_changes_no_distance(seed):
    rng = np.random.default_rng(seed)
    dims = ("time", "model", "replicate", "query", "response", "feature")
    x = rng.normal(size=(2, 3, 2, 2, 4, 3))
    x[rng.random(x.shape[:-1]) < 0.3] = np.nan
    x[..., :2, :] = rng.normal(size=(2, 3, 2, 2, 2, 3))  # two answers are always there
    padded = np.full((2, 3, 2, 2, 7, 3), np.nan)
    padded[..., [6, 0, 4, 2], :] = x
    one, two = (
        xr.Dataset({"embedding": (dims, values)}, {"time": [0, 1]}, ATTRIBUTES)
        for values in (x, padded)
    )
    for f in (lwd.dist, lwd.fnorm, lwd.noise_floor, lambda ds: lwd.fnorm(ds, debias=True)):
        np.testing.assert_allclose(f(one), f(two), rtol=1e-9, atol=1e-9)


def test_distances_by_products_are_those_of_differences():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(3, 20, 50)).astype(np.float32)
    x[:, 7] = x[:, 3]  # equal
    x[:, 9] = x[:, 3] + np.float32(1e-4)  # nearly so
    y = np.concatenate([x[:, :4], rng.normal(size=(3, 5, 50))], axis=1)
    for other in (None, y):
        square = squared_distances(x, other)
        z = x if other is None else other
        away = x[:, :, None].astype(float) - z[:, None].astype(float)
        np.testing.assert_allclose(square, (away**2).sum(axis=(0, 3)), rtol=1e-9, atol=1e-300)
        assert square[7, 3] == 0.0
    long = rng.normal(size=(1, 4, 1, 9, 1, 600))  # more numbers than are compared one by one
    dims = ("time", "model", "replicate", "query", "response", "feature")
    ds = xr.Dataset({"embedding": (dims, long)}, {"time": [0]}, ATTRIBUTES)
    expected = lwd.dist(long.reshape(4, -1)) / 3.0
    np.testing.assert_allclose(lwd.dist(ds)[0, 0], expected, rtol=1e-9)
