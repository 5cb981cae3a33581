"""Overlap: J against other integrators, EM and derivatives; a step against quadrature and runs."""

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.integrate import dblquad, quad
from scipy.interpolate import CubicSpline
from scipy.stats import multivariate_normal, norm

import lwdstats as lwd
from lwdstats.errors import InputError
from lwdstats.theory.overlap.checks import check_components
from lwdstats.theory.overlap.information import missing_information, overlap_factor
from lwdstats.theory.overlap.step import measured_decay, overlap_decay
from lwdstats.theory.overlap.walk import Walk


def weights(n_b):
    return arrays(float, n_b, elements=st.floats(0.02, 1.0)).map(lambda w: w / w.sum())


@st.composite
def mixtures(draw, most=5):
    n_b = draw(st.integers(2, most))
    means = draw(arrays(float, n_b, elements=st.floats(-6, 6)))
    return draw(weights(n_b)), means, draw(st.floats(0.2, 4.0))


def by_quad(pi, means, deviations, b, c):
    """Integrate N_b N_c / g by QUADPACK between points where the integrand bends."""

    def integrand(x):
        logs = norm.logpdf(x, means, deviations)
        top = logs.max()
        return np.exp(logs[b] + logs[c] - top) / (pi @ np.exp(logs - top))

    reach = 12 * np.max(deviations)
    edges = np.unique([np.min(means) - reach, *means, np.max(means) + reach])
    edges = np.unique([*edges, *(edges[1:] + edges[:-1]) / 2])
    return sum(
        quad(integrand, low, high, epsabs=1e-14, epsrel=1e-12, limit=200)[0]
        for low, high in itertools.pairwise(edges)
    )


@given(mixtures())
@settings(max_examples=25, deadline=None)
def test_a_line_agrees_with_quadpack(mixture):
    pi, means, variance = mixture
    found = missing_information(pi, means, variance)
    deviations = np.full(len(pi), np.sqrt(variance))
    for b, c in zip(*np.triu_indices(len(pi), 1), strict=True):
        expected = -pi[b] * by_quad(pi, means, deviations, b, c)
        assert found.matrix[b, c] == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("s", [0.1, 0.5, 1.0, 2.0, 4.0, 8.0])
@pytest.mark.parametrize("p", [0.5, 0.03])
def test_two_components_agree_with_thirty_digits(s, p):
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(30):
        m, q = mpmath.mpf(s), mpmath.mpf(p)

        def integrand(x):
            return mpmath.npdf(x, 0, 1) / (q * mpmath.exp(-m * x) + (1 - q) * mpmath.exp(m * x))

        scale = mpmath.exp(-m * m / 2)
        exact = scale * mpmath.quad(integrand, mpmath.linspace(-16, 16, 129))
    found = missing_information([p, 1 - p], [-s, s])
    assert abs(float(found.largest) - float(exact)) <= float(found.error)
    # Small values keep their digits: nothing is lost by cancellation.
    assert float(found.largest) == pytest.approx(float(exact), rel=1e-11, abs=1e-28)


@given(mixtures(), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_laws_of_the_matrix(mixture, seed):
    pi, means, variance = mixture
    found = missing_information(pi, means, variance)
    J = found.matrix
    np.testing.assert_allclose(J.sum(0), 0, atol=1e-13)
    np.testing.assert_allclose(J @ pi, 0, atol=1e-12)
    # Detailed balance: J diag(pi) is symmetric.
    np.testing.assert_allclose(J * pi, (J * pi).T, atol=1e-13)
    assert (found.eigenvalues >= 0).all()
    assert found.largest <= 1 + 1e-12
    spectrum = np.sort(np.linalg.eigvals(J).real)[::-1]
    np.testing.assert_allclose(spectrum[:-1], found.eigenvalues, atol=1e-7)
    order = np.random.default_rng(seed).permutation(len(pi))
    moved = missing_information(pi[order], 3.0 - 2.0 * means[order], 4.0 * variance)
    np.testing.assert_allclose(moved.matrix, J[np.ix_(order, order)], atol=1e-12)


@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99), st.floats(0.05, 4.0))
@settings(deadline=None)
def test_two_components_convex_in_the_weight_and_below_the_overlap_coefficient(p, q, s):
    pi = np.array([[p, 1 - p], [q, 1 - q], [(p + q) / 2, 1 - (p + q) / 2]])
    at_p, at_q, between = missing_information(pi, [-s, s]).largest
    assert between <= (at_p + at_q) / 2 + 1e-12
    # g >= 2 sqrt(pi_1 pi_2 N_1 N_2), and integral sqrt(N_1 N_2) = exp(-s^2 / 2).
    assert at_p <= np.exp(-(s**2) / 2) / (2 * np.sqrt(p * (1 - p))) + 1e-12


def test_it_is_the_derivative_of_the_expected_ownership():
    pi, means = np.array([0.2, 0.5, 0.3]), np.array([-1.0, 0.3, 2.0])
    x = np.linspace(-12, 14, 20_001)
    density = norm.pdf(x[:, None], means)
    web = density @ pi

    def expected(w):
        return (web[:, None] * w * density / (density @ w)[:, None]).sum(0) * (x[1] - x[0])

    J, step = missing_information(pi, means).matrix, 1e-5
    for direction in ([1, -1, 0], [0, 1, -1]):
        moved = step * np.array(direction)
        slope = (expected(pi + moved) - expected(pi - moved)) / (2 * step)
        np.testing.assert_allclose(slope, J @ direction, atol=1e-9)


def test_em_converges_at_the_largest_eigenvalue():
    pi, means = np.array([0.25, 0.45, 0.3]), np.array([-1.5, 0.0, 2.0])
    x = np.linspace(-12, 13, 4001)
    density = norm.pdf(x[:, None], means)
    web = (density @ pi)[:, None] * (x[1] - x[0])
    now, last = np.array([0.3, 0.3, 0.4]), np.inf
    for _ in range(60):
        now = (web * now * density / (density @ now)[:, None]).sum(0)
        size, last = np.linalg.norm(now - pi) / last, np.linalg.norm(now - pi)
    assert size == pytest.approx(float(missing_information(pi, means).largest), rel=1e-6)


def test_two_components_in_space_are_on_a_line():
    rng = np.random.default_rng(3)
    means, root = rng.normal(size=(2, 4)), rng.normal(size=(4, 4))
    covariance = root @ root.T + np.eye(4)
    gap = means[1] - means[0]
    apart = np.sqrt(gap @ np.linalg.solve(covariance, gap))
    found = missing_information([0.3, 0.7], means, covariance)
    flat = missing_information([0.3, 0.7], [0, apart])
    assert found.method == "trapezoid"
    np.testing.assert_allclose(found.matrix, flat.matrix, rtol=1e-10)
    # A dataset repeats the covariance for each component.
    again = missing_information([0.3, 0.7], means, np.tile(covariance, (2, 1, 1)))
    np.testing.assert_array_equal(again.matrix, found.matrix)


def test_a_plane_agrees_with_nested_quadrature():
    pi, means = np.array([0.2, 0.3, 0.5]), np.array([[0.0, 0.0], [2.0, 0.0], [0.5, 1.5]])
    covariance = np.array([[1.0, 0.4], [0.4, 0.8]])
    parts = [multivariate_normal(m, covariance) for m in means]

    def integrand(y, x, b, c):
        density = np.array([part.pdf((x, y)) for part in parts])
        return density[b] * density[c] / (pi @ density)

    found = missing_information(pi, means, covariance)
    assert found.method == "quasi-Monte-Carlo"
    exact = dblquad(integrand, -6, 8, -6, 8, args=(0, 1), epsabs=1e-7, epsrel=1e-7)[0]
    assert found.matrix[0, 1] == pytest.approx(-pi[0] * exact, abs=1e-4)
    np.testing.assert_allclose(found.matrix.sum(0), 0, atol=1e-12)
    np.testing.assert_allclose(found.matrix @ pi, 0, atol=1e-12)


def test_the_error_above_one_dimension_holds():
    # The second coordinate tells nothing, so the line has the value to many digits.
    pi, means, variances = [0.3, 0.3, 0.4], np.array([-1.0, 0.0, 1.5]), [1.0, 0.3, 2.0]
    flat = missing_information(pi, means, np.reshape(variances, (3, 1, 1)))
    deep = np.array([np.diag([v, 1.0]) for v in variances])
    places = np.stack([means, np.zeros(3)], axis=1)
    missed = 0
    for seed in range(60):
        found = missing_information(pi, places, deep, n_points=256, seed=seed)
        missed += abs(found.largest - flat.largest) > found.error
        assert found.error < 2e-3
    assert missed <= 4  # of 60 at 99%: more has a chance of 4e-4


def test_unequal_variances_on_a_line():
    pi, means, deviations = np.array([0.2, 0.3, 0.5]), np.array([0.0, 0.5, 4.0]), [1.0, 0.05, 3.0]
    found = missing_information(pi, means, np.reshape(np.square(deviations), (3, 1, 1)))
    for b, c in ((0, 1), (0, 2), (1, 2)):
        exact = -pi[b] * by_quad(pi, means, deviations, b, c)
        assert found.matrix[b, c] == pytest.approx(exact, rel=1e-8)


def test_a_stack_is_its_members():
    rng = np.random.default_rng(4)
    pi = rng.dirichlet(np.ones(3), size=(2, 5))
    for means in ([-1, 0, 2], rng.normal(size=(3, 3))):
        stack = missing_information(pi, means)
        assert stack.matrix.shape == (2, 5, 3, 3)
        assert stack.largest.shape == stack.error.shape == (2, 5)
        one = missing_information(pi[1, 3], means)
        np.testing.assert_allclose(stack.matrix[1, 3], one.matrix, atol=1e-13)
        np.testing.assert_allclose(stack.eigenvalues[1, 3], one.eigenvalues, atol=1e-13)


@pytest.mark.parametrize("places", [[[-1.0], [0.5], [2.0], [0.0]], np.eye(4)])
def test_an_absorbed_component_leaves_the_others_as_if_alone(places):
    places = np.asarray(places)
    pi = np.array([0.3, 0.0, 0.5, 0.2])
    alive = pi > 0
    whole = missing_information(pi, places)
    alone = missing_information(pi[alive], places[alive])
    tolerance = 1e-12 if whole.method == "trapezoid" else 1e-4
    np.testing.assert_allclose(
        whole.matrix[np.ix_(alive, alive)], alone.matrix, atol=tolerance, rtol=0
    )
    np.testing.assert_allclose(whole.eigenvalues[:2], alone.eigenvalues, atol=tolerance)
    assert np.isnan(whole.eigenvalues[2])
    assert not np.isnan(whole.largest)
    # It owns nothing; were it to own a little, all of its own points would keep that.
    np.testing.assert_allclose(whole.matrix[1], [0, 1, 0, 0], atol=tolerance)
    # That is the limit as its weight falls.
    small = missing_information([0.3, 1e-9, 0.5, 0.2], places).matrix
    np.testing.assert_allclose(small, whole.matrix, atol=max(tolerance, 1e-7))


def test_one_component_left_has_nothing_to_differ_by():
    found = missing_information([[0.0, 1.0], [0.5, 0.5]], [-1, 1])
    assert np.isnan(found.largest[0])
    np.testing.assert_allclose(found.matrix[0], [[1, 0], [-1, 0]], atol=1e-12)
    assert "0.4496" in str(found)
    assert "no two components" in str(missing_information([[0.0, 1.0]], [-1, 1]))


def test_far_and_coincident_components():
    assert missing_information([0.5, 0.5], [-1e4, 1e4]).largest < 1e-15
    np.testing.assert_allclose(missing_information([0.4, 0.6], [1, 1]).largest, 1, atol=1e-13)
    with pytest.raises(InputError, match="widths apart"):
        missing_information([0.5, 0.5, 0.0], [-1e6, 1e6, 0])


def test_not_normal_but_contracting_in_its_own_norm():
    rng = np.random.default_rng(5)
    found = missing_information(rng.dirichlet(np.ones(3), 200), [-1, 0, 1])
    euclid = np.linalg.norm(found.matrix, 2, axis=(1, 2))
    assert euclid.max() > 1.1
    root = np.sqrt(found.weights)
    inner = found.matrix * root[:, None, :] / root[:, :, None]
    own = np.linalg.norm(inner, 2, axis=(1, 2))
    np.testing.assert_allclose(own, found.largest, atol=1e-10)


def test_the_factor_of_a_step():
    found = missing_information([[0.2, 0.3, 0.5], [0.4, 0.4, 0.2]], [-1, 0, 2])
    k, alpha, c = 7, 0.1, 0.02
    matrix, values = overlap_factor(found, k, alpha, c)
    once = np.eye(3) - alpha * (np.eye(3) - found.matrix / (1 - 3 * c))
    for run in range(2):
        expected = np.eye(3)
        for _ in range(k):
            expected = expected @ once[run]
        np.testing.assert_allclose(matrix[run], expected, atol=1e-14)
    x = np.array([1.0, -2.0, 1.0])
    basis = np.linalg.svd(np.ones((1, 3)))[2][1:].T
    found_values = np.sort(np.linalg.eigvals(basis.T @ matrix[0] @ basis).real)[::-1]
    np.testing.assert_allclose(found_values, values[0], atol=1e-10)
    np.testing.assert_allclose(overlap_factor(found, 0)[0][0] @ x, x)
    apart = missing_information([0.5, 0.5], [-50, 50])
    assert overlap_factor(apart, 9)[1][0] == pytest.approx((1 - 1 / 9) ** 9)


def walk_of(means, web, k, *, threshold=1e-3, alpha=None, seed=1):
    web = np.atleast_2d(web)
    n_b = web.shape[1]
    alpha = 1 / k if alpha is None else alpha
    components = check_components(means, 1.0, n_b)
    rng = np.random.default_rng(seed)
    return Walk(components, web, k, alpha, 1 / (k * n_b**2), threshold, rng)


@pytest.mark.parametrize("start", [[0.2, 0.3, 0.5], [0.02, 0.9, 0.08]])
def test_the_tangent_is_the_derivative_of_a_step(start):
    start = np.array(start)
    web, means, step = np.tile([0.3, 0.3, 0.4], (40, 1)), [-2, 0, 2], 1e-7
    tangent = walk_of(means, web, 12).tangent(np.tile(start, (40, 1)))
    for direction in np.array([[1, -1, 0], [0, 1, -1]]):
        pair = np.stack([start + step * direction, start - step * direction])
        after = walk_of(means, web, 12).models(np.tile(pair, (40, 1, 1)))
        slope = (after[:, 0] - after[:, 1]) / (2 * step)
        # Some runs are truncated at the second start, and the derivative follows that.
        np.testing.assert_allclose(slope, tangent @ direction, rtol=1e-4, atol=1e-4)


def test_a_step_is_algorithm_2():
    rng, k, n_b = np.random.default_rng(7), 9, 3
    means, eps = np.array([-2.0, 0.0, 2.0]), 1e-2
    start = rng.dirichlet(np.full(n_b, 0.3), size=(30, 2))
    web = np.full((30, n_b), 1 / 3)
    found = walk_of(means, web, k, threshold=eps).models(start)
    # A walk from the same seed sees the same points.
    walk = walk_of(means, web, k, threshold=eps)
    logs = np.array(list(walk._log_likelihoods()))
    fired = 0
    for run in range(30):
        for model in range(2):
            pi = start[run, model].copy()
            for j in range(k):
                owned = pi * np.exp(logs[j, run])
                owned = owned / owned.sum()
                pi = (1 - 1 / k) * pi + 1 / k * (owned - 1 / (k * 9)) / (1 - 3 / (k * 9))
                for b in range(n_b):
                    if pi[b] <= 0:
                        fired += 1
                        for other in range(n_b):
                            if other != b:
                                pi[other] = pi[other] / (1 + eps - pi[b])
                        pi[b] = eps
            np.testing.assert_allclose(found[run, model], pi, atol=1e-12)
    assert fired > 0


def test_given_points_are_read_once_each():
    rng, k = np.random.default_rng(12), 6
    root = rng.normal(size=(3, 3))
    means, covariance = rng.normal(size=(3, 3)), root @ root.T + np.eye(3)
    posts, start = rng.normal(size=(5, k, 3)), rng.dirichlet(np.ones(3) * 9, size=(5, 2))
    components = check_components(means, covariance, 3)
    posts_there = (posts - components.centre) @ components.turn
    walk = Walk(components, start[:, 0], k, 0.01, 0.0, 0.0, np.random.default_rng(1), posts_there)
    logs = np.array(list(walk._log_likelihoods()))
    exact = np.stack([multivariate_normal(m, covariance).logpdf(posts) for m in means], axis=-1)
    # Log densities up to a constant of the point, in some order of all the points.
    ours = np.sort((logs - logs[..., :1]).swapaxes(0, 1), axis=1)
    theirs = np.sort(exact - exact[..., :1], axis=1)
    np.testing.assert_allclose(ours, theirs, atol=1e-9)
    fit = overlap_decay(start, means, covariance, n_retrieved=k, method="step", points=posts)
    assert 0 < fit.factor < 1
    with pytest.raises(InputError, match="points"):
        overlap_decay(start, means, covariance, n_retrieved=k + 1, method="step", points=posts)


def test_a_step_agrees_with_backward_quadrature():
    """Work back E[p after the step | p] for two components, one draw at a time."""
    s, k, web, eps = 1.0, 10, 0.4, 1e-3
    grid = np.linspace(1e-4, 1 - 1e-4, 1501)
    x = np.linspace(-s - 9, s + 9, 801)
    mass = (web * norm.pdf(x, -s) + (1 - web) * norm.pdf(x, s)) * (x[1] - x[0])
    first, second = norm.pdf(x, -s), norm.pdf(x, s)
    c, h = 1 / (4 * k), 1 - 2 / (4 * k)
    owned = grid[:, None] * first / (grid[:, None] * first + (1 - grid[:, None]) * second)
    then = (1 - 1 / k) * grid[:, None] + (owned - c) / (k * h)
    then = np.where(then <= 0, eps, np.where(then >= 1, 1 / (1 + eps), then))
    value = grid.copy()
    for _ in range(k):
        value = CubicSpline(grid, value)(then) @ mass
    expected = CubicSpline(grid, value)

    near = np.tile([0.45, 0.55], (20_000, 1))
    tangent = overlap_decay(near, [-s, s], n_retrieved=k, method="tangent", web=[web, 1 - web])
    assert abs(tangent.factor - expected(0.45, 1)) < 4 * tangent.std_error
    assert tangent.std_error < 0.01
    models = np.tile([[0.2, 0.8], [0.7, 0.3]], (20_000, 1, 1))
    step = overlap_decay(models, [-s, s], n_retrieved=k, method="step", web=[web, 1 - web])
    slope = (expected(0.7) - expected(0.2)) / 0.5
    assert abs(step.factor - slope) < 4 * step.std_error
    assert step.std_error < 0.01


def test_without_overlap_every_method_is_the_paper():
    rng = np.random.default_rng(8)
    pi = rng.dirichlet(np.full(3, 30.0), size=(50, 4))
    for method in ("linear", "tangent", "step"):
        fit = overlap_decay(pi, [-30, 0, 30], n_retrieved=40, step_size=0.02, method=method)
        np.testing.assert_allclose(fit.eigenvalues, 0.98**40, rtol=1e-9)
        assert fit.norm == pytest.approx(0.98**40)


def test_linear_is_the_mean_of_the_factors():
    pi = np.random.default_rng(9).dirichlet(np.ones(3) * 5, size=(60, 2))
    fit = overlap_decay(pi, [-1, 0, 2], n_retrieved=20)
    each = overlap_factor(missing_information(pi.mean(1), [-1, 0, 2]), 20)[0]
    np.testing.assert_allclose(fit.matrix, each.mean(0), atol=1e-14)
    one = overlap_decay([0.3, 0.7], [-1, 1], n_retrieved=20)
    assert one.std_error == 0
    assert one.norm == pytest.approx(one.factor)


def test_measured_decay_is_least_squares_and_its_error_is_right():
    true = np.array([[0.7, 0.1, 0.2], [0.2, 0.6, 0.1], [0.1, 0.3, 0.7]])
    basis = np.linalg.svd(np.ones((1, 3)))[2][1:].T
    largest = np.abs(np.linalg.eigvals(basis.T @ true @ basis)).max()
    rng, off = np.random.default_rng(10), []
    for repeat in range(200):
        x = rng.dirichlet(np.full(3, 20.0), size=(300, 3))
        noise = rng.normal(scale=0.02, size=x.shape)
        y = x @ true.T + noise - noise.mean(-1, keepdims=True)
        fit = measured_decay(x, y)
        off.append((fit.factor - largest) / fit.std_error)
        if repeat == 0:
            pairs = [(0, 1), (0, 2), (1, 2)]
            before = np.concatenate([x[:, i] - x[:, j] for i, j in pairs]) @ basis
            after = np.concatenate([y[:, i] - y[:, j] for i, j in pairs]) @ basis
            slope = np.linalg.lstsq(before, after, rcond=None)[0].T
            np.testing.assert_allclose(basis.T @ fit.matrix @ basis, slope, atol=1e-10)
    # Standardized errors have variance 1: within what 200 of them allow, and a jackknife's excess.
    assert 0.75 < np.var(off) < 1.35
    assert abs(np.mean(off)) < 0.35


@pytest.mark.parametrize("s", [1.0, 1.5])
def test_a_simulated_network(s):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        ds = lwd.simulate_gmm(
            means=[-s, s],
            initial_weights=[[0.2, 0.8], [0.5, 0.5], [0.75, 0.25]],
            n_steps=6,
            replicates=8000,
            seed=11,
            progress=False,
        )
    w = ds["weight"].transpose("time", "replicate", "model", "component").values
    k = int(ds["n_retrieved"][5])
    measured = measured_decay(w[5], w[6])
    step = overlap_decay(
        w[5], [-s, s], n_retrieved=k, method="step", web=w[:5].mean((0, 2)), seed=2
    )
    error = np.hypot(measured.std_error, step.std_error)
    assert abs(step.factor / measured.factor - 1) < 0.05
    assert abs(step.factor - measured.factor) < 4 * error
    assert measured.factor - (1 - 1 / k) ** k > 8 * error


@pytest.mark.parametrize(
    ("change", "argument"),
    [
        ({"weights": [0.5, 0.6]}, "weights"),
        ({"weights": [1.5, -0.5]}, "weights"),
        ({"weights": 1.0}, "weights"),
        ({"weights": ["a", "b"]}, "weights"),
        ({"means": [1, 2, 3]}, "means"),
        ({"means": [0, np.inf]}, "means"),
        ({"covariance": -1.0}, "covariance"),
        ({"covariance": [[1, 2]]}, "covariance"),
        ({"means": [[0, 0], [1, 1]], "covariance": [[1, 2], [2, 1]]}, "covariance"),
        ({"means": [[0, 0], [1, 1]], "covariance": [[1, 0.5], [0, 1]]}, "covariance"),
        ({"n_points": 1000}, "n_points"),
        ({"n_randomizations": 1}, "n_randomizations"),
        ({"seed": -1}, "seed"),
    ],
)
def test_bad_input_of_missing_information(change, argument):
    with pytest.raises(InputError) as caught:
        missing_information(**({"weights": [0.5, 0.5], "means": [-1, 1]} | change))
    assert caught.value.argument == argument


@pytest.mark.parametrize(
    ("change", "argument"),
    [
        ({"n_retrieved": -1}, "n_retrieved"),
        ({"step_size": 1.5}, "step_size"),
        ({"complexity": 0.5}, "complexity"),
        ({"method": "chord"}, "method"),
        ({"method": "step"}, "weights"),
        ({"weights": np.full((1, 2, 2, 2), 0.5)}, "weights"),
        ({"method": "tangent", "web": [0.2, 0.3, 0.5]}, "web"),
        ({"threshold": 2.0}, "threshold"),
    ],
)
def test_bad_input_of_overlap_decay(change, argument):
    usual = {"weights": [0.5, 0.5], "means": [-1, 1], "n_retrieved": 5}
    with pytest.raises(InputError) as caught:
        overlap_decay(**(usual | change))
    assert caught.value.argument == argument


def test_bad_input_of_the_others():
    with pytest.raises(InputError, match="missing_information"):
        overlap_factor(np.eye(2), 3)
    with pytest.raises(InputError, match="after"):
        measured_decay(np.full((4, 2, 2), 0.5), np.full((5, 2, 2), 0.5))
    with pytest.raises(InputError, match="two models"):
        measured_decay(np.full((4, 1, 2), 0.5), np.full((4, 1, 2), 0.5))
    with pytest.raises(InputError, match="one component"):
        overlap_decay([1.0], [0.0], n_retrieved=3)
    assert "measured" in str(
        measured_decay(*np.random.default_rng(0).dirichlet([1, 1], size=(2, 5, 2)))
    )
