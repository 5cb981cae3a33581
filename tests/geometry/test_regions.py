"""Confidence regions of a perspective space: what they are, against plain algebra and laws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import lwdstats as lwd
from lwdstats.geometry.dkps.bootstrap import bootstrap, scaled
from lwdstats.geometry.dkps.perspectives import kernel_points
from lwdstats.geometry.kernels import doubly_centred
from lwdstats.geometry.procrustes import rotation


def answers(n=9, n_queries=2, size=6, features=5, noise=0.5, seed=0):
    """Answers (q, n, L, F) of models that lie apart."""
    rng = np.random.default_rng(seed)
    at = 2.0 * rng.normal(size=(n_queries, n, 1, features))
    return at + noise * rng.normal(size=(n_queries, n, size, features))


def space(x, k=2, **options):
    return lwd.dkps(lwd.as_results(np.moveaxis(x, 0, 1)[None, :, None]), k=k, **options)


def turned(y, target):
    y = y - y.mean(axis=0)
    return y @ rotation(target - target.mean(axis=0), y, scale=False)[0] + target.mean(axis=0)


def test_noise_is_taken_off_as_plain_algebra_does():
    rng = np.random.default_rng(1)
    x, noise = rng.normal(size=(12, 7)) * [5, 4, 3, 1, 1, 1, 1], rng.random(12)
    values, vectors = np.linalg.eigh(doubly_centred(x @ x.T - np.diag(noise)))
    expected = vectors[:, :-4:-1] * np.sqrt(values[:-4:-1])
    start = np.linalg.qr(vectors[:, ::-1][:, :8] + 0.05 * rng.normal(size=(12, 8)))[0]
    eig, y = scaled(x, noise, 3, start)
    np.testing.assert_allclose(eig, values[:-4:-1], rtol=1e-6)
    np.testing.assert_allclose(abs(y), abs(expected), atol=1e-3)


@settings(max_examples=8)
@given(st.integers(0, 50), st.floats(0.2, 3.0), st.floats(-9.0, 9.0))
def test_regions_turn_move_and_grow_with_the_answers(seed, scale, shift):
    x = answers(seed=seed)
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(5, 5)))[0]
    one, other = space(x), space(scale * x @ turn + shift)
    first, second = (s.regions(n_bootstrap=99, seed=3) for s in (one, other))
    signs = np.sign(np.einsum("ij,ij->j", one.points.values[0, 0], other.points.values[0, 0]))
    np.testing.assert_allclose(second.centre, scale * signs * first.centre, atol=1e-4 * scale)
    both = scale**2 * np.outer(signs, signs) * first.covariance
    np.testing.assert_allclose(second.covariance, both, atol=1e-3 * scale**2)


def test_the_covariance_of_the_mean_where_nothing_turns():
    """Of points on a line, far apart, an error is that of the mean of its answers."""
    rng = np.random.default_rng(2)
    x = (1e4 * np.arange(30.0))[:, None, None] + rng.normal(size=(30, 12, 1))
    found = space(x[None], k=1).regions(n_bootstrap=999, seed=1)
    expected = x[..., 0].var(axis=1, ddof=1) / 12
    # Draws 999 tell a variance to 4.5%, and moving to the points takes off 1/30.
    ratio = found.covariance.values.ravel() / expected
    assert abs(ratio.mean() - 29 / 30) < 0.03
    assert abs(ratio - 1).max() < 0.25
    np.testing.assert_allclose(found.df, 11)
    np.testing.assert_allclose(found.radius(1), stats.t.ppf(0.975, 1 / (1 / 11 + 1 / 998)))


def test_few_answers_push_points_out_and_the_centre_is_drawn_back():
    ratios = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        x = 0.6 * rng.normal(size=(1, 40, 5, 200))
        x[..., :2] += rng.normal(size=(1, 40, 1, 2))
        one = space(x)
        found = one.regions(n_bootstrap=99, seed=1)
        # What the means are within the true plane; noise turns the plane found towards the points.
        y = x.mean(axis=2)[0, :, :2]
        size = np.square(y - y.mean(axis=0)).sum()
        ratios.append([np.square(z).sum() / size for z in (one.points.values, found.centre.values)])
        # The noise of a mean is 200 * .36/5 = 14.4 in a square; in the plane it is 40 * .36/5 more.
        raw = np.square(one.points.values[0, 0]).sum(axis=0)
        np.testing.assert_allclose(found.noise_share, (14.4 + 2.88) / raw, rtol=0.15)
    raw, drawn_back = np.mean(ratios, axis=0)
    assert raw > 1.25
    assert abs(drawn_back - 1) < 0.1


def test_true_points_are_covered():
    covered = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        means = np.zeros((1, 20, 1, 10))
        means[..., :2] = rng.normal(size=(1, 20, 1, 2))
        x = means + 0.5 * rng.normal(size=(1, 20, 8, 10))
        truth = space(means).points.values[0, 0]
        found = space(x).regions(n_bootstrap=99, seed=seed)
        centre = found.centre.values[0, 0]
        away = turned(truth, centre) - centre
        inverse = np.linalg.inv(found.covariance.values[0, 0])
        covered += (np.einsum("pi,pij,pj->p", away, inverse, away) <= found.radius() ** 2).tolist()
    # 240 points, and 95% of them or more; 3 standard errors are 4%.
    assert np.mean(covered) > 0.91


@pytest.mark.parametrize("options", [{"aggregate": "energy"}, {"aggregate": "mmd"}])
def test_kernels_are_means_of_other_points(options):
    x = answers(n=6, size=4)
    one = space(x, **options)
    points = kernel_points(x, one.bandwidth)
    means = np.moveaxis(points.mean(axis=2), 0, 1).reshape(6, -1) / np.sqrt(len(x))
    np.testing.assert_allclose(lwd.dist(means), one.distances[0, 0], atol=1e-6)
    found = one.regions(n_bootstrap=99, seed=1)
    assert np.isfinite(found.covariance).all()
    assert (found.df > 3).all()


def test_missing_answers_are_those_that_were_not_drawn():
    x = answers(size=6)
    x[:, :, 4:] = np.nan
    points = space(answers(size=6)[:, :, :4]).points.values[0, 0]
    cut = bootstrap(x[:, :, :4], points, 400, np.random.default_rng(1))
    gaps = bootstrap(x, points, 400, np.random.default_rng(2))
    np.testing.assert_allclose(gaps.centre, cut.centre)
    np.testing.assert_allclose(gaps.df, cut.df)
    trace = [np.trace(s.covariance, axis1=1, axis2=2).mean() for s in (cut, gaps)]
    assert trace[0] == pytest.approx(trace[1], rel=0.1)


def test_a_space_of_its_own_for_each_time_has_regions_of_its_own():
    x = np.stack([answers(n=5, seed=seed) for seed in (1, 1, 2)])
    x = np.stack([x, x + 0.3 * answers(n=5, seed=3)], axis=2)
    ds = lwd.as_results(np.transpose(x, (0, 3, 2, 1, 4, 5)))
    both = [lwd.dkps(ds, k=2, joint=joint) for joint in (True, False)]
    for one in both:
        found = one.regions(n_bootstrap=99, seed=2)
        assert found.centre.dims == one.points.dims
        assert found.covariance.shape == (*one.points.shape, 2)
        again = one.regions(n_bootstrap=99, seed=2)
        np.testing.assert_array_equal(found.covariance, again.covariance)
        wider = one.regions(n_bootstrap=99, seed=2, level=0.99)
        assert (wider.radius() > found.radius()).all()
        assert len(found.tidy()) == 3 * 2 * 5


def test_mostly_noise_is_warned_of():
    x = np.random.default_rng(1).normal(size=(1, 8, 3, 50))
    with pytest.warns(UserWarning, match="noise is .*% of what one of the first two"):
        space(x).regions(n_bootstrap=99, seed=1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: space(answers(size=1)).regions(), "regions: got one answer to a query"),
        (lambda: space(answers()).regions(n_bootstrap=5), "n_bootstrap: got 5"),
        (lambda: space(answers()).regions(level=95), "level: got 95"),
        (lambda: space(answers()).plot(regions=3), "regions: got 'int'"),
        (lambda: lwd.dkps(lwd.simulate_gmm(n_steps=2, seed=1)).regions(), "mixture weights"),
    ],
)
def test_what_has_no_regions_is_an_input_error(call, message):
    with pytest.raises(lwd.InputError, match=message):
        call()
