"""Distances between mixtures whose components move, held to integrals and to scipy."""

import numpy as np
import pytest
from scipy import stats
from scipy.linalg import sqrtm

import lwdstats as lwd
from lwdstats.errors import InputError
from lwdstats.geometry import mixture_distances as md

RNG = np.random.default_rng(2)
W = RNG.dirichlet(np.ones(2), 3)
LINE = RNG.normal(size=(3, 2, 1)), RNG.uniform(0.3, 2, (3, 2, 1, 1))
ROOTS = RNG.normal(size=(3, 2, 2, 2))
PLANE = RNG.normal(size=(3, 2, 2)), ROOTS @ ROOTS.swapaxes(-1, -2) + 0.2 * np.eye(2)
BOTH = ("mean", "covariance")


def density(i, x, means, covariances):
    """Density of mixture i at points (N, d)."""
    parts = zip(W[i], means[i], covariances[i], strict=True)
    return sum(w * stats.multivariate_normal(m, c).pdf(x) for w, m, c in parts)


@pytest.mark.parametrize("width", [0.5, 2.0])
def test_mmd_is_the_double_integral_of_its_kernel(width):
    x = np.linspace(-12, 12, 1201)
    kernel = np.exp(-((x[:, None] - x) ** 2) / (2 * width**2))
    f = np.array([density(i, x[:, None], *LINE) for i in range(3)]) * (x[1] - x[0])
    found = md.mmd(W, *LINE, width)
    for i in range(3):
        for j in range(3):
            expected = (f[i] - f[j]) @ kernel @ (f[i] - f[j])
            assert found[i, j] ** 2 == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("components", [LINE, PLANE])
def test_l2_is_the_integral_of_the_squared_difference(components):
    d = components[0].shape[-1]
    side = np.linspace(-11, 11, 1401 if d == 1 else 441)
    x = np.stack(np.meshgrid(*[side] * d, indexing="ij"), -1).reshape(-1, d)
    f = [density(i, x, *components) for i in range(3)]
    found = md.l2(W, *components, 1.0)
    for i in range(3):
        for j in range(i):
            expected = ((f[i] - f[j]) ** 2).sum() * (side[1] - side[0]) ** d
            assert found[i, j] ** 2 == pytest.approx(expected, rel=1e-6)


def test_mmd_of_a_narrow_kernel_is_l2():
    width = 1e-3
    scale = np.sqrt(2 * np.pi * width**2)
    found = md.mmd(W, *PLANE, width) / scale  # two features
    np.testing.assert_allclose(found, md.l2(W, *PLANE, 1.0), rtol=1e-5)


def normal_mmd(d, variance, width, square):
    """MMD of two normal laws, each of one variance, whose means are `square` apart, squared."""
    total = width**2 + 2 * variance
    log = d / 2 * np.log(width**2 / total) + np.log(2 - 2 * np.exp(-square / 2 / total))
    return np.exp(log / 2)


@pytest.mark.parametrize("d", [60, 100, 300])
@pytest.mark.parametrize("variance", [1e-6, 1.0, 1e4])
@pytest.mark.parametrize("width", [1.0, 5.0])
def test_mmd_of_many_features(d, variance, width):
    sd = np.sqrt(variance)
    means = np.zeros((2, 1, d))
    means[1] = 9 * sd / np.sqrt(d)
    covariances = np.broadcast_to(variance * np.eye(d), (2, 1, d, d))
    found = md.mmd(np.ones((2, 1)), means, covariances, width * sd)
    assert found[0, 1] == pytest.approx(normal_mmd(d, variance, width * sd, 81 * variance))
    assert not np.diag(found).any()
    # A component without weight has no say, however narrow.
    both = np.concatenate([covariances, covariances / 1e4], 1)
    twice = md.mmd(np.array([[1.0, 0.0]] * 2), means.repeat(2, 1), both, width * sd)
    np.testing.assert_allclose(twice, found, rtol=1e-12)


@pytest.mark.parametrize("variance", [1e-4, 1e4])
def test_l2_of_many_features(variance):
    # The densities themselves are beyond the floats, their distance is not.
    d = 220
    means = np.zeros((2, 1, d))
    means[1, 0, 0] = 9 * np.sqrt(variance)
    covariances = np.broadcast_to(variance * np.eye(d), (2, 1, d, d))
    found = md.l2(np.ones((2, 1)), means, covariances, 1.0)
    expected = np.exp(-d / 4 * np.log(4 * np.pi * variance)) * np.sqrt(2 - 2 * np.exp(-81 / 4))
    assert found[0, 1] == pytest.approx(expected)


def test_a_distance_beyond_the_floats_is_warned_of():
    d = 3000
    means = np.zeros((2, 1, d))
    means[1, 0, 0] = 9.0
    covariances = np.broadcast_to(np.eye(d), (2, 1, d, d))
    with pytest.warns(UserWarning, match="beyond the range of floats.*width"):
        assert not md.mmd(np.ones((2, 1)), means, covariances, 1.0).any()
    # No kernel as wide as that makes all distances vanish.
    assert md.mmd(np.ones((2, 1)), means, covariances, 50.0)[0, 1] > 0.05


def test_a_covariance_whose_narrow_direction_rounding_has_lost_is_refused():
    narrow = np.array([[1e8, 1e8], [1e8, 1e8 * (1 - 1e-16)]])
    covariances = np.stack([np.eye(2), narrow])[:, None]
    means = np.zeros((2, 1, 2))
    with pytest.raises(InputError, match=r"eigenvalues from .* to 4e\+08.*mw2"):
        md.l2(np.ones((2, 1)), means, covariances, 1.0)
    with pytest.raises(InputError, match="a larger width"):
        md.mmd(np.ones((2, 1)), means, covariances, 1e-6)
    with pytest.warns(UserWarning, match="the first is rounding"):
        md.mmd(np.ones((2, 1)), means, covariances, 1e-3)
    assert md.mmd(np.ones((2, 1)), means, covariances, 1.0)[0, 1] > 0.5
    assert np.isfinite(md.mw2(np.ones((2, 1)), means, covariances, 1.0)).all()


def test_mw2_of_one_component_is_the_distance_of_normal_laws():
    means, covariances = PLANE[0][:, :1], PLANE[1][:, :1]
    found = md.mw2(np.ones((3, 1)), means, covariances, 1.0)
    for i in range(3):
        for j in range(3):
            a, b = covariances[i, 0], covariances[j, 0]
            root = sqrtm(a)
            square = ((means[i, 0] - means[j, 0]) ** 2).sum()
            square += np.trace(a + b - 2 * sqrtm(root @ b @ root).real)
            assert found[i, j] == pytest.approx(np.sqrt(max(square, 0)), abs=1e-7)


def test_mw2_of_two_components_is_the_best_of_all_plans():
    means, covariances = LINE
    found = md.mw2(W, means, covariances, 1.0)
    deviation = np.sqrt(covariances[..., 0, 0])
    for i in range(3):
        for j in range(i):
            cost = (means[i, :, None, 0] - means[j, :, 0]) ** 2
            cost = cost + (deviation[i][:, None] - deviation[j]) ** 2
            # One number is free, and the cost is linear in it.
            low, high = max(0.0, W[i, 0] - W[j, 1]), min(W[i, 0], W[j, 0])
            plans = [np.array([[m, W[i, 0] - m], [W[j, 0] - m, W[j, 1] - W[i, 0] + m]])
                     for m in (low, high)]  # fmt: skip
            best = min((plan * cost).sum() for plan in plans)
            assert found[i, j] ** 2 == pytest.approx(best, rel=1e-9)


def test_components_far_apart_that_stay_give_the_distance_of_weights():
    # Each component overlaps itself alone: MMD^2 is that overlap times |difference|^2.
    ds = lwd.simulate_gmm(means=[-40.0, 40.0], n_steps=6, seed=1)
    overlap = 1 / np.sqrt(3.0)  # h = 1: a density of variance 3 at 0, over one of variance 1
    weight = ds["weight"] / ds["weight"].sum("component")  # a truncation adds a little
    expected = lwd.dist(ds.assign(weight=weight)).values * np.sqrt(overlap)
    np.testing.assert_allclose(lwd.dist(ds, "mmd"), expected, atol=1e-7)
    np.testing.assert_allclose(lwd.dist(ds, "mmd", width=1.0), lwd.dist(ds, "mmd"))


def test_a_dataset_s_distance_is_mmd_where_components_move():
    ds = lwd.simulate_gmm(n_steps=5, replicates=2, seed=1, moving=BOTH, step_size="1/(k + 1)")
    d = lwd.dist(ds)
    assert d.dims == ("time", "replicate", "model", "model_")
    assert d.equals(lwd.dist(ds, "mmd"))
    assert "mmd" in d.attrs["long_name"]
    np.testing.assert_allclose(lwd.fnorm(ds), np.sqrt((d**2).sum(["model", "model_"])))
    # At the start only weights differ.
    assert not lwd.dist(ds, "mw2").isel(time=0).identical(d.isel(time=0))
    parts = [ds[name].isel(time=3, replicate=1) for name in ("weight", "component_mean")]
    centre = (parts[0] / parts[0].sum("component") * parts[1]).sum("component").values
    expected = np.abs(centre - centre.T)
    np.testing.assert_allclose(lwd.dist(ds, "mean").isel(time=3, replicate=1), expected)
    # The width is of the start, whichever times are kept.
    later = ds.isel(time=slice(2, None))
    assert lwd.dist(later).equals(d.isel(time=slice(2, None)))
    only = lwd.simulate_gmm(n_steps=5, seed=1, moving="mean")
    assert np.isfinite(lwd.dist(only)).all()


def test_summary_and_plot_show_the_variance():
    ds = lwd.simulate_gmm(n_steps=6, replicates=2, seed=1, moving=BOTH, scenario={"keep": "last"},
                          step_size="1/(k + 1)")  # fmt: skip
    table = lwd.summary(ds).tidy()
    assert {"variance", "within"} <= set(table)
    weight, mean = ds["weight"], ds["component_mean"].isel(feature=0)
    own = ds["component_covariance"].isel(feature=0, feature_=0)
    weight = weight / weight.sum("component")
    centre = (weight * mean).sum("component").mean("model")
    expected = (weight * (own + (mean - centre) ** 2)).sum("component").mean("model")
    shown = expected.mean("replicate").isel(time=[0, 3, 6])
    np.testing.assert_allclose(table["variance"], shown)
    assert "Clipped gains" in str(lwd.summary(ds))
    ax = lwd.plot(ds)
    assert ax.figure.axes[1].get_ylabel() == "variance"
    np.testing.assert_allclose(ax.figure.axes[1].lines[1].get_ydata(), expected.isel(replicate=1))
    line = lwd.plot_mixtures(ds, times=[6])[0].lines[0]
    x, y = line.get_xdata(), line.get_ydata()
    area = np.trapezoid(y, x)
    assert area == pytest.approx(
        float(ds["weight"].isel(time=6, model=0, replicate=0).sum()), rel=1e-3
    )
