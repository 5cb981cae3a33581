"""Procrustes rotation against vegan, and what must hold for any points."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import from_r

import lwdstats as lwd
from lwdstats.geometry.procrustes import procrustes

RTOL = 1e-8  # linear algebra against R
REFERENCE = from_r("procrustes")["procrustes"]
SEEDS = st.integers(0, 2**32 - 1)


def matrix(rows):
    return np.array(rows, dtype=float).reshape(len(rows), -1)


def normal_points(seed, n, p):
    return np.random.default_rng(seed).normal(size=(n, p)) * np.arange(1, p + 1) + 2.0


def orthogonal(seed, p):
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(p, p)))
    return q


@pytest.mark.parametrize("case", REFERENCE, ids=[c["name"] for c in REFERENCE])
def test_agrees_with_r(case):
    x, y = matrix(case["x"]), matrix(case["y"])
    fit = procrustes(x, y, scale=case["scaled"], symmetric=case["symmetric"])
    target = matrix(case["target"])
    size = np.linalg.norm(target)
    # A difference of numbers of the size of the target's sum of squares.
    assert fit.ss == pytest.approx(max(0.0, case["ss"]), rel=RTOL, abs=1e-12 * size**2)
    assert fit.scale == pytest.approx(case["scale"], rel=RTOL)
    # R loses digits in the mean of points that are far from the origin.
    loose = {"rtol": RTOL, "atol": RTOL * size}
    np.testing.assert_allclose(fit.x, target, **loose)
    if case["determined"]:
        np.testing.assert_allclose(fit.rotation, matrix(case["rotation"]), atol=RTOL)
        far = max(1.0, np.abs(y).max() * fit.scale, np.abs(x).max())
        np.testing.assert_allclose(fit.translation, case["translation"], atol=RTOL * far)
        np.testing.assert_allclose(fit.yrot, matrix(case["yrot"]), **loose)
        np.testing.assert_allclose(fit.fitted(), matrix(case["fitted"]), **loose)
    np.testing.assert_allclose(fit.residuals(), case["residuals"], atol=1e-7 * size)
    if case["rmse"] is not None:
        assert fit.rmse == pytest.approx(case["rmse"], rel=RTOL, abs=1e-6 * size)
    lines = str(fit).splitlines()
    if case["ss"] > 1e-6 * size**2:
        assert float(lines[lines.index("Procrustes sum of squares:") + 1]) == pytest.approx(
            case["ss"], rel=1e-3
        )
        quantiles = lines[lines.index("Quantiles of Procrustes errors:") + 2].split()
        assert [float(v) for v in quantiles] == pytest.approx(
            case["quantiles"], rel=1e-6, abs=1e-6 * size
        )


@settings(max_examples=60)
@given(SEEDS, st.integers(3, 15), st.integers(1, 4), st.floats(0.1, 10))
def test_a_turned_scaled_and_moved_copy_is_recovered(seed, n, p, c):
    x = normal_points(seed, n, p)
    y = (x - 3.0) @ orthogonal(seed, p) / c
    fit = procrustes(x, y)
    assert fit.ss == pytest.approx(0.0, abs=1e-10 * np.sum(x**2))
    assert fit.scale == pytest.approx(c)
    np.testing.assert_allclose(fit.predict(y), x, atol=1e-8 * np.abs(x).max())
    np.testing.assert_allclose(fit.fitted(), fit.predict(y), atol=1e-8 * np.abs(x).max())


@settings(max_examples=60)
@given(SEEDS, st.integers(3, 15), st.integers(1, 4), st.booleans())
def test_no_other_rotation_scale_or_translation_is_better(seed, n, p, scale):
    x, y = normal_points(seed, n, p), normal_points(seed + 1, n, p)
    fit = procrustes(x, y, scale=scale)
    assert np.sum((x - fit.predict(y)) ** 2) == pytest.approx(fit.ss)
    assert np.sum(fit.residuals() ** 2) == pytest.approx(fit.ss)
    np.testing.assert_allclose(fit.rotation.T @ fit.rotation, np.eye(p), atol=1e-12)
    rng = np.random.default_rng(seed)
    for _ in range(20):
        a = orthogonal(int(rng.integers(1 << 30)), p)
        c = rng.uniform(0, 2) if scale else 1.0
        b = rng.normal(size=p)
        assert np.sum((x - (c * y @ a + b)) ** 2) >= fit.ss * (1 - 1e-12)


@settings(max_examples=40)
@given(SEEDS, st.integers(3, 15), st.integers(1, 3), st.integers(1, 3))
def test_a_symmetric_rotation_is_the_same_both_ways(seed, n, p, q):
    x, y = normal_points(seed, n, p), normal_points(seed + 1, n, q)
    there, back = procrustes(x, y, symmetric=True), procrustes(y, x, symmetric=True)
    assert there.ss == pytest.approx(back.ss)
    assert there.scale == pytest.approx(back.scale)
    assert there.scale == pytest.approx(np.sqrt(1 - there.ss))
    assert not there.translation.any()
    assert not there.xmean.any()


@given(SEEDS)
def test_missing_columns_of_the_target_are_zeros(seed):
    x, y = normal_points(seed, 8, 2), normal_points(seed + 1, 8, 3)
    a, b = procrustes(x, y), procrustes(np.column_stack([x, np.zeros(8)]), y)
    assert a.ss == pytest.approx(b.ss, rel=1e-12)
    assert a.rotation.shape == (3, 3)
    assert procrustes(y, x).rotation.shape == (2, 3)


def test_takes_results_of_cmdscale():
    x = normal_points(1, 9, 3)
    fit = lwd.cmdscale(points=x, k=3)
    assert procrustes(x, fit).ss == pytest.approx(0.0, abs=1e-10)
    assert procrustes(fit, x).scale == pytest.approx(1.0)
    # A vector is one column.
    assert procrustes([1, 2, 4], [-1, -2, -4]).ss == pytest.approx(0.0, abs=1e-12)


def test_points_that_coincide_need_no_scale():
    x = normal_points(2, 5, 2)
    fit = procrustes(x, np.full((5, 2), 0.1), scale=False)
    assert fit.ss == pytest.approx(np.sum((x - x.mean(axis=0)) ** 2))
    assert not fit.yrot.any()
    assert procrustes(np.full((5, 2), 0.1), x).scale == 0.0


X = normal_points(3, 5, 2)


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ((X, X[:4]), "y"),
        ((X[:1], X[:1]), "x"),
        (("a", X), "x"),
        ((X, X * np.nan), "y"),
        ((X, np.zeros((5, 0))), "y"),
        ((X[None], X), "x"),
        ((X, np.full((5, 2), 0.1)), "y"),
    ],
)
def test_bad_input_names_the_argument(arguments, argument):
    with pytest.raises(lwd.InputError) as error:
        procrustes(*arguments)
    assert error.value.argument == argument


def test_bad_input_of_symmetric_and_predict():
    with pytest.raises(lwd.InputError, match="x: got points that all coincide"):
        procrustes(np.full((5, 2), 0.1), X, symmetric=True)
    with pytest.raises(lwd.InputError, match="y: got points that all coincide"):
        procrustes(X, np.full((5, 2), 0.1), symmetric=True, scale=False)
    with pytest.raises(lwd.InputError, match="newdata: "):
        procrustes(X, X, symmetric=True).predict(X)
    with pytest.raises(lwd.InputError, match="newdata: got shape"):
        procrustes(X, X).predict(X[:, :1])
