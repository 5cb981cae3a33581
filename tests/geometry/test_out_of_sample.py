"""New points in an old space: laws, and the minimum of the strain by brute force."""

import warnings

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.spatial.distance import cdist, pdist, squareform

import lwdstats as lwd
from lwdstats.geometry.out_of_sample import METHODS, out_of_sample

SEEDS = st.integers(0, 2**32 - 1)


def normal_points(seed, n, p):
    return np.random.default_rng(seed).normal(size=(n, p)) * np.arange(p, 0, -1) + 3.0


def quietly(*args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return lwd.cmdscale(*args, **kwargs)


def place(*args, **kwargs):
    """Place points wherever they are, without the warning that they are far off."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*far off the space")
        return out_of_sample(*args, **kwargs)


def strain(y, fit, d, new):
    """Trosset and Priebe's objective from the centred matrix of all n + 1 points."""
    n = len(d)
    square = np.zeros((n + 1, n + 1))
    square[:n, :n], square[n, :n], square[:n, n] = d**2, new**2, new**2
    weights = np.append(np.full(n, 1 / n), 0.0)  # the origin stays the centre of the old
    centre = np.eye(n + 1) - np.outer(np.ones(n + 1), weights)
    b = -0.5 * centre @ square @ centre.T
    return 2 * np.sum((b[n, :n] - fit.points @ y) ** 2) + (b[n, n] - y @ y) ** 2


@settings(max_examples=40)
@given(SEEDS, st.integers(5, 20), st.integers(1, 4))
def test_an_old_point_comes_back_to_its_place(seed, n, k):
    x = normal_points(seed, n, 4)
    for d in (squareform(pdist(x)), squareform(pdist(x, "cityblock"))):
        fit = quietly(d, k)
        np.testing.assert_allclose(out_of_sample(fit, d, d), fit.points, atol=1e-8)
    fit = lwd.cmdscale(points=x, k=k)
    np.testing.assert_allclose(out_of_sample(fit, x, points=x), fit.points, atol=1e-8)


@given(SEEDS)
def test_an_old_point_comes_back_where_a_constant_was_added(seed):
    d = squareform(np.random.default_rng(seed).uniform(1, 10, 28))
    fit = quietly(d, 3, add=True)
    assert fit.ac > 0
    np.testing.assert_allclose(out_of_sample(fit, d, d), fit.points, atol=1e-7)


@settings(max_examples=40)
@given(SEEDS, st.integers(6, 20), st.sampled_from(METHODS))
def test_distances_to_a_point_of_the_same_space_are_kept(seed, n, method):
    old, new = normal_points(seed, n, 3), normal_points(seed + 1, 4, 3) * 3
    fit = lwd.cmdscale(lwd.dist(old), 3)
    placed = out_of_sample(fit, cdist(new, old), lwd.dist(old), method=method)
    np.testing.assert_allclose(cdist(placed, fit.points), cdist(new, old), rtol=1e-7)
    again = out_of_sample(fit, new, points=old, method=method)
    np.testing.assert_allclose(again, placed, atol=1e-7)


@settings(max_examples=40)
@given(SEEDS, st.integers(5, 12), st.integers(1, 3), st.sampled_from([0.3, 1.0, 4.0]))
def test_trosset_and_priebe_is_the_least_strain(seed, n, k, far):
    rng = np.random.default_rng(seed)
    d = squareform(pdist(rng.normal(size=(n, 5)), "cityblock"))
    fit = quietly(d, k)
    k = fit.points.shape[1]
    new = rng.uniform(0.2, 1.0, n) * d.max() * far
    y = place(fit, new, d, method="trosset-priebe")[0]
    found = strain(y, fit, d, new)
    starts = [place(fit, new, d)[0], -y, *rng.normal(size=(6, k)) * far * d.max()]
    best = min(minimize(strain, s, (fit, d, new), method="BFGS").fun for s in starts)
    assert found <= best * (1 + 1e-6) + 1e-9


def test_a_point_off_the_space_is_not_drawn_to_the_centre():
    # Old points on an axis, with no spread at right angles to which the new one could be laid.
    old = np.array([[-1.0, 0], [1, 0]])
    d, new = squareform(pdist(old)), cdist([[0.0, 10.0]], old)
    fit = lwd.cmdscale(d, 1)
    assert place(fit, new, d)[0, 0] == pytest.approx(0.0)
    # b = 0, beta = 100, L = 2: least at y^2 = beta - L; of the two, the positive one.
    y = place(fit, new, d, method="trosset-priebe")[0, 0]
    assert y == pytest.approx(np.sqrt(98))
    # Close by, beta < L, there is one minimum, at the centre.
    near = cdist([[0.0, 1.0]], old)
    assert place(fit, near, d, method="trosset-priebe")[0, 0] == pytest.approx(0.0)


@pytest.mark.parametrize("method", METHODS)
def test_points_that_all_coincide_have_no_axes(method):
    fit = quietly(np.zeros((3, 3)), 2)
    with pytest.warns(UserWarning, match="1 of 1 new points lie far off the space, by up to 1 "):
        placed = out_of_sample(fit, [1.0, 1.0, 1.0], np.zeros((3, 3)), method=method)
    assert placed.shape == (1, 0)
    assert out_of_sample(fit, [0.0, 0.0, 0.0], np.zeros((3, 3)), method=method).shape == (1, 0)


@pytest.mark.parametrize("method", METHODS)
def test_the_distance_off_the_space_is_returned_and_warned_of(method):
    # A square in a plane, whose corners are sqrt(2) from its centre.
    old = np.array([[1.0, 1, 0], [1, -1, 0], [-1, 1, 0], [-1, -1, 0]])
    new = np.array([[0.5, 0.25, 7.0], [0.5, 0.25, 0.0], [3.0, 0.0, -1.0]])
    fit = lwd.cmdscale(points=old, k=2)
    with pytest.warns(UserWarning, match=r"1 of 3 new points .* by up to 7 "):
        placed, off = out_of_sample(fit, new, points=old, method=method, residuals=True)
    np.testing.assert_allclose(off, [7.0, 0.0, 1.0], atol=1e-7)
    assert placed.shape == (3, 2)
    d, distances = squareform(pdist(old)), cdist(new, old)
    with pytest.warns(UserWarning, match="1 of 1 new points lie far off"):
        _, again = out_of_sample(fit, distances[:1], d, method=method, residuals=True)
    np.testing.assert_allclose(again, [7.0], atol=1e-7)
    # What lies in the plane, or off it by less than the corners do from the centre, is shown.
    out_of_sample(fit, distances[1:], d, method=method)


def test_an_outlier_among_answers_is_seen_and_one_of_their_kind_is_not():
    # As of embeddings: 60 features of decreasing weight, two of them shown.
    rng = np.random.default_rng(3)
    x = rng.normal(size=(41, 60)) / np.sqrt(np.arange(1, 61))
    old, same = x[:40], x[40:]
    fit = lwd.cmdscale(points=old, k=2)
    away = np.zeros(60)
    away[30:] = 1.5  # across what is shown
    with pytest.warns(UserWarning, match="1 of 2 new points lie far off"):
        placed = out_of_sample(fit, np.vstack([same, same + away]), points=old)
    assert np.linalg.norm(placed[1]) < np.linalg.norm(fit.points, axis=1).max()
    for method in METHODS:
        out_of_sample(fit, same, points=old, method=method)


@settings(max_examples=30)
@given(SEEDS, st.integers(5, 20), st.integers(1, 3))
def test_residuals_of_old_points_are_what_the_space_leaves_out(seed, n, k):
    x = normal_points(seed, n, 4)
    fit = lwd.cmdscale(points=x, k=k)
    _, off = out_of_sample(fit, x, points=x, residuals=True)
    left = np.sum((x - x.mean(axis=0)) ** 2, axis=1) - np.sum(fit.points**2, axis=1)
    np.testing.assert_allclose(off**2, left, atol=1e-9 * np.sum(x**2))


def test_kinds_of_input():
    x = normal_points(1, 6, 2)
    d = squareform(pdist(x))
    fit = lwd.cmdscale(d, 2)
    expected = out_of_sample(fit, d[:2], d)
    # One row or two: a BLAS may round a product of another shape otherwise.
    np.testing.assert_allclose(out_of_sample(fit, d[0], pdist(x)), expected[:1], rtol=1e-12)
    array = xr.DataArray(d, dims=("model", "model_"))
    np.testing.assert_allclose(out_of_sample(fit, array[:2], array), expected, rtol=1e-12)


X = normal_points(2, 5, 2)
D = squareform(pdist(X))
FIT = lwd.cmdscale(D, 2)


@pytest.mark.parametrize(
    ("arguments", "options", "argument"),
    [
        ((FIT.points, D, D), {}, "fit"),
        ((FIT, D), {}, "d"),
        ((FIT, D, D), {"points": X}, "d"),
        ((FIT, D, D), {"method": "nystrom"}, "method"),
        ((FIT, D[:, :4], D), {}, "new"),
        ((FIT, -D, D), {}, "new"),
        ((FIT, D * np.nan, D), {}, "new"),
        ((FIT, np.zeros((0, 5)), D), {}, "new"),
        ((FIT, D, D[:4, :4]), {}, "d"),
        ((FIT, D, 2 * D), {}, "d"),
        ((FIT, X), {"points": X + X}, "points"),
        ((FIT, X[:4]), {"points": X[:4]}, "points"),
        ((FIT, X[:, :1]), {"points": X}, "new"),
    ],
)
def test_bad_input_names_the_argument(arguments, options, argument):
    with pytest.raises(lwd.InputError) as error:
        out_of_sample(*arguments, **options)
    assert error.value.argument == argument
