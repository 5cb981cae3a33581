"""Classical scaling against R, and what must hold for any points."""

import tracemalloc
import warnings

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from paths import from_r
from scipy.spatial.distance import pdist, squareform

import lwdstats as lwd

RTOL = 1e-8  # linear algebra against R
REFERENCE = from_r("cmdscale")["cmdscale"]
SEEDS = st.integers(0, 2**32 - 1)


def quietly(*args, **kwargs):
    """Run cmdscale where it may find fewer dimensions than asked."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return lwd.cmdscale(*args, **kwargs)


def normal_points(seed, n, p):
    # Axes of different length, so that the principal axes are well defined.
    return np.random.default_rng(seed).normal(size=(n, p)) * np.arange(p, 0, -1) ** 2 + 3.0


@pytest.mark.parametrize("case", REFERENCE, ids=[c["name"] for c in REFERENCE])
def test_agrees_with_r(case):
    d, k, eig = np.array(case["d"]), case["k"], np.array(case["eig"])
    fit = quietly(d, k, add=case["add"])
    scale = np.abs(eig).max()
    assert fit.eig == pytest.approx(eig, rel=RTOL, abs=RTOL * scale)
    assert fit.gof == pytest.approx(case["gof"], rel=RTOL)
    assert fit.ac == pytest.approx(case["ac"], rel=RTOL)

    theirs = np.array(case["points"]).reshape(len(d), -1)
    mine = fit.points
    # R keeps columns of rounding error, of size sqrt(1e-15), or not, as it falls.
    rounding = theirs[:, mine.shape[1] :]
    assert np.all(np.abs(rounding) < 1e-7 * np.sqrt(scale))
    theirs = theirs[:, : mine.shape[1]]
    gaps = -np.diff(eig[: mine.shape[1] + 1])
    if np.any(gaps < 1e-6 * scale):  # tied eigenvalues: any basis of their space will do
        np.testing.assert_allclose(mine @ mine.T, theirs @ theirs.T, atol=RTOL * scale)
    else:
        signs = np.sign((mine * theirs).sum(axis=0))
        np.testing.assert_allclose(mine * signs, theirs, rtol=RTOL, atol=RTOL * np.sqrt(scale))


@pytest.mark.parametrize("case", [c for c in REFERENCE if c["warning"]], ids=lambda c: c["name"])
def test_warns_as_r_of_negative_eigenvalues(case):
    # The number R gives may count a rounding error as positive.
    with pytest.warns(UserWarning, match=r"only \d of the first \d eigenvalues are > 0"):
        lwd.cmdscale(case["d"], case["k"])


def test_condensed_order_is_that_of_r():
    # as.dist(m)[1:3] are d(2,1), d(3,1), d(4,1): pdist's order too.
    x = normal_points(1, 6, 3)
    np.testing.assert_allclose(
        lwd.cmdscale(pdist(x), 3).points, lwd.cmdscale(squareform(pdist(x)), 3).points, rtol=1e-12
    )


@settings(max_examples=60, deadline=None)
@given(
    arrays(
        float,
        st.tuples(st.integers(2, 9), st.integers(1, 5)),
        elements=st.floats(-100, 100, width=32),
    )
)
def test_euclidean_distances_are_reproduced(x):
    d = lwd.dist(x)
    for fit in (quietly(d, len(x) - 1), quietly(points=x, k=len(x) - 1)):
        # A direction below sqrt(eps) of the largest distance is lost in d^2.
        found = lwd.dist(fit.points) if fit.points.size else np.zeros_like(d)
        np.testing.assert_allclose(found, d, atol=1e-6 * d.max())


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(6, 25))
def test_well_conditioned_distances_are_reproduced_to_rounding(seed, n):
    x = normal_points(seed, n, 4)
    for fit in (lwd.cmdscale(lwd.dist(x), 4), lwd.cmdscale(points=x, k=4)):
        np.testing.assert_allclose(lwd.dist(fit.points), lwd.dist(x), rtol=0, atol=1e-9)
        np.testing.assert_allclose(fit.points.mean(axis=0), 0, atol=1e-10)
        gram = fit.points.T @ fit.points
        np.testing.assert_allclose(gram, np.diag(fit.eig[:4]), atol=1e-8)
        assert fit.gof == pytest.approx((1.0, 1.0))


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(6, 25))
def test_rotation_and_shift_change_nothing(seed, n):
    x = normal_points(seed, n, 4)
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(4, 4)))
    turned = x @ rotation + 50.0
    np.testing.assert_allclose(
        lwd.cmdscale(points=turned, k=4).points, lwd.cmdscale(points=x, k=4).points, atol=1e-7
    )


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(6, 25), st.booleans())
def test_permuting_the_points_permutes_the_result(seed, n, add):
    x = normal_points(seed, n, 4)
    order = np.random.default_rng(seed).permutation(n)
    d = lwd.dist(x, "manhattan")
    fit, permuted = quietly(d, 2, add=add), quietly(d[np.ix_(order, order)], 2, add=add)
    np.testing.assert_allclose(permuted.points, fit.points[order], atol=1e-6)
    np.testing.assert_allclose(
        lwd.cmdscale(points=x[order]).points, lwd.cmdscale(points=x).points[order], atol=1e-7
    )


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(6, 20), st.sampled_from([4, 40]))
def test_points_and_their_distances_agree(seed, n, p):
    # p below n, and above it: the two Gram matrices.
    x = normal_points(seed, n, p)
    a, b = lwd.cmdscale(points=x, k=4), lwd.cmdscale(lwd.dist(x), 4)
    np.testing.assert_allclose(a.eig, b.eig, atol=1e-10 * a.eig[0])
    np.testing.assert_allclose(a.points, b.points, atol=1e-8 * np.sqrt(a.eig[0]))
    assert a.gof == pytest.approx(b.gof)
    assert a.ac == b.ac == 0.0


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(4, 12))
def test_the_additive_constant_is_the_smallest_that_works(seed, n):
    rng = np.random.default_rng(seed)
    d = squareform(rng.uniform(1, 10, size=n * (n - 1) // 2))
    c = quietly(d, 1, add=True).ac
    off = ~np.eye(n, dtype=bool)
    least = quietly(d + c * off, 1).eig.min()
    assert least > -1e-9 * d.max() ** 2
    if c > 1e-3:
        assert quietly(d + 0.99 * c * off, 1).eig.min() < 0


def test_euclidean_distances_need_no_constant():
    assert lwd.cmdscale([3.0], 1, add=True).ac == 0.0
    x = normal_points(4, 12, 5)
    assert lwd.cmdscale(lwd.dist(x), 5, add=True).ac == pytest.approx(0.0, abs=1e-12)
    assert lwd.cmdscale(points=x, k=5, add=True).ac == 0.0


@pytest.mark.parametrize("repeats", [2, 3, 7])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_euclidean_distances_of_points_that_coincide_need_no_constant(repeats, scale):
    x = scale * np.repeat(normal_points(6, 5, 4), repeats, axis=0)
    with pytest.warns(UserWarning, match="only 4 of the first 9 eigenvalues are > 0"):
        fit = lwd.cmdscale(lwd.dist(x), 9, add=True)
    assert fit.ac == 0.0
    assert fit.points.shape == (len(x), 4)
    np.testing.assert_allclose(fit.points, lwd.cmdscale(points=x, k=4).points, atol=1e-6 * scale)
    # Other distances need one, and points that coincide do not change that.
    d = scale * squareform(np.random.default_rng(6).uniform(1, 10, 10))
    d = np.repeat(np.repeat(d, repeats, axis=0), repeats, axis=1)
    c = quietly(d, 2, add=True).ac
    off = ~np.eye(len(x), dtype=bool)
    assert c > 1e-3 * d.max()
    assert quietly(d + c * off, 1).eig.min() > -1e-9 * d.max() ** 2
    assert quietly(d + 0.99 * c * off, 1).eig.min() < -1e-9 * d.max() ** 2


@pytest.mark.parametrize("scale", [1e-2, 1.0, 300.0])
@pytest.mark.parametrize(("dtype", "noise"), [(np.float32, 1e-5), (np.float16, 0.1)])
def test_euclidean_distances_in_fewer_bits_need_no_constant(dtype, noise, scale):
    x = scale * np.random.default_rng(3).normal(size=(8, 2)) * [3.0, 1.0]
    for points in (x, np.repeat(x, 3, axis=0), x @ [[1.0, 2.0], [0.0, 0.0]]):
        rank = int(np.linalg.matrix_rank(points))
        d = lwd.dist(points).astype(dtype).astype(float)
        fit = lwd.cmdscale(d, rank, add=True)
        assert (fit.ac, fit.points.shape[1]) == (0.0, rank)
        np.testing.assert_allclose(lwd.dist(fit.points), d, atol=noise * d.max())
    # Distances that are far from Euclidean need the constant that they need in more bits.
    d = squareform(np.random.default_rng(6).uniform(1, 10, 10)).astype(dtype).astype(float)
    more = d * (1 + 1e-13)
    assert quietly(d, 2, add=True).ac == pytest.approx(quietly(more, 2, add=True).ac)


@pytest.mark.parametrize("n", [8, 40])
def test_cosines_in_half_precision_are_distances(n):
    z = np.random.default_rng(2).normal(size=(n, 6))
    z = (z / np.linalg.norm(z, axis=1, keepdims=True))[np.arange(n) // 2]
    low = z.astype(np.float16)
    d = 1 - low @ low.T
    assert d.min() < 0
    exact = quietly(np.maximum(1 - z @ z.T, 0.0), 2)
    np.testing.assert_allclose(quietly(d, 2).eig[:2], exact.eig[:2], rtol=0.02)
    for real in (d - 0.1 * np.eye(n), d + 0.1 * np.eye(n)):
        with pytest.raises(lwd.InputError):
            lwd.cmdscale(real)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_what_rounding_leaves_of_a_distance_of_0_is_0(dtype):
    x = np.random.default_rng(8).normal(size=(12, 30)) + 1.0
    x[4] = x[1]
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    d = (1.0 - x @ x.T).astype(dtype)
    clean = np.maximum(d, 0.0) * ~np.eye(12, dtype=bool)
    clean = np.maximum(clean, clean.T)
    eps = np.finfo(dtype).eps
    d[1, 4], d[4, 1], d[0, 0], d[3, 3], d[2, 7] = -eps, -2 * eps, -eps, eps, d[7, 2] + eps
    for each in (d, d.astype(float), squareform(d, checks=False)):
        fit = lwd.cmdscale(each, 2)
        np.testing.assert_allclose(fit.points, lwd.cmdscale(clean, 2).points, atol=100 * eps)
    with pytest.raises(lwd.InputError, match=r"a smallest entry of -0\.001"):
        lwd.cmdscale(np.where(np.abs(d) == np.abs(d).max(), dtype(-0.001), d))
    # Whole numbers have not been computed in single precision.
    whole = squareform(np.arange(1.0, 11.0)) * 1e6
    with pytest.raises(lwd.InputError, match="a smallest entry of -1"):
        lwd.cmdscale(np.where(whole == 1e6, -1.0, whole))


@pytest.mark.parametrize(
    "given",
    [
        {"d": lwd.dist([[0, 0], [1, 1], [2, 2], [5, 5]])},
        {"points": [[0, 0], [1, 1], [2, 2], [5, 5]]},
    ],
    ids=["distances", "points"],
)
def test_k_above_the_rank_warns_and_gives_fewer_columns(given):
    with pytest.warns(UserWarning, match="only 1 of the first 3 eigenvalues are > 0"):
        fit = lwd.cmdscale(**given, k=3)
    assert fit.points.shape == (4, 1)
    assert fit.eig.shape == (4,)


@pytest.mark.parametrize("given", [{"d": np.zeros((3, 3))}, {"points": np.full((3, 2), 0.1)}])
def test_points_that_all_coincide(given):
    with pytest.warns(UserWarning, match="only 0 of the first 2"):
        fit = lwd.cmdscale(**given)
    assert fit.points.shape == (3, 0)
    assert np.all(fit.eig == 0)
    assert np.all(np.isnan(fit.gof))  # 0/0, as in R
    assert "3 in 0 dimensions" in str(fit)


def test_the_largest_entry_of_each_column_is_positive():
    fit = lwd.cmdscale(points=normal_points(2, 30, 6), k=6)
    largest = np.abs(fit.points).argmax(axis=0)
    assert np.all(fit.points[largest, np.arange(6)] > 0)
    # Of entries that are equal in size, the first decides.
    assert lwd.cmdscale([[0, 2], [2, 0]], 1).points.ravel().tolist() == pytest.approx([1, -1])
    nearly = lwd.cmdscale(points=[1, 0, -1 - 1e-12], k=1)
    assert nearly.points.ravel() == pytest.approx([1, 0, -1], abs=1e-9)


def test_many_points_take_little_memory():
    x = np.random.default_rng(3).normal(size=(20_000, 4))
    tracemalloc.start()
    lwd.cmdscale(points=x)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * x.nbytes  # their distances would take 5,000 times as much


def test_names_of_a_data_array_are_printed():
    d = xr.DataArray(
        [[0.0, 3, 5], [3, 0, 4], [5, 4, 0]],
        {"model": ["llama", "gemma", "smol"]},
        ("model", "model_"),
    )
    fit = lwd.cmdscale(d)
    assert fit.labels == ("llama", "gemma", "smol")
    lines = str(fit).splitlines()
    assert lines[2] == "Points (3 in 2 dimensions):"
    assert [line.split()[0] for line in lines[4:7]] == ["llama", "gemma", "smol"]
    assert lines[-1] == "GOF: 1 1"


def test_a_long_result_prints_short():
    text = str(quietly(points=normal_points(5, 40, 3), k=2))
    assert "... and 30 more" in text
    assert len(text.splitlines()) < 30


D3 = np.array([[0.0, 1, 2], [1, 0, 1], [2, 1, 0]])


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({}, "d"),
        ({"d": D3, "points": D3}, "d"),
        ({"d": np.full((3, 3), np.nan)}, "d"),
        ({"d": np.where(D3 == 2, np.inf, D3)}, "d"),
        ({"d": -D3}, "d"),
        ({"d": D3 + np.eye(3)}, "d"),
        ({"d": D3 + np.triu(D3)}, "d"),
        ({"d": D3[:2]}, "d"),
        ({"d": np.zeros((1, 1))}, "d"),
        ({"d": [1.0, 2.0]}, "d"),
        ({"d": []}, "d"),
        ({"d": "eurodist"}, "d"),
        ({"d": [[0, 1], [1]]}, "d"),
        ({"d": np.zeros((2, 3, 3))}, "d"),
        ({"points": [[1.0, 2.0]]}, "points"),
        ({"points": [[1.0, np.nan], [0.0, 1.0]]}, "points"),
        ({"points": np.zeros((3, 0))}, "points"),
        ({"points": D3 + 1j}, "points"),
        ({"d": D3, "k": 0}, "k"),
        ({"d": D3, "k": 3}, "k"),
        ({"d": D3, "k": 1.5}, "k"),
        ({"points": D3, "k": 3}, "k"),
    ],
)
def test_bad_input_names_the_argument(arguments, argument):
    with pytest.raises(lwd.InputError) as error:
        lwd.cmdscale(**arguments)
    assert error.value.argument == argument
