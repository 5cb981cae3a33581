"""Exact moments against enumeration of all outcomes and against simulation."""

from collections import defaultdict
from fractions import Fraction
from itertools import product

import linear_network
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwdstats.errors import InputError
from lwdstats.theory.decay import decay_factor, decay_product, expected_difference
from lwdstats.theory.moments import expected_sq_norm, second_moments
from lwdstats.theory.network import network

FIRST = np.array([[0.2, 0.8], [0.5, 0.5], [0.75, 0.25]])


def readings(pi, counts, k, alpha, c):
    """Return the law of a model's weights after it has read k points, as a dict."""
    n_b = len(pi)
    law = {(pi, counts): Fraction(1)}
    for _ in range(k):
        after = defaultdict(Fraction)
        for (now, left), chance in law.items():
            for b in range(n_b):
                if left[b]:
                    weights = tuple(
                        (1 - alpha) * w + alpha * ((other == b) - c) / (1 - n_b * c)
                        for other, w in enumerate(now)
                    )
                    rest = tuple(m - (other == b) for other, m in enumerate(left))
                    after[weights, rest] += chance * Fraction(left[b], sum(left))
        law = after
    out = defaultdict(Fraction)
    for (weights, _), chance in law.items():
        out[weights] += chance
    return out


def enumerate_network(first, counts, n_responses, beta, alpha, c, n_steps):
    """Yield the law of (weights, web) at t = 0..T as lists of (chance, weights, web)."""
    n, n_b = len(first), len(first[0])
    law = {(first, counts): Fraction(1)}
    for t in range(n_steps + 1):
        yield [(chance, pi, web) for (pi, web), chance in law.items()]
        if t == n_steps:
            return
        after = defaultdict(Fraction)
        for (pi, web), chance in law.items():
            k = int(beta * sum(web))
            reads = [readings(pi[i], web, k, alpha(k), c(k)).items() for i in range(n)]
            webs = defaultdict(Fraction)
            for posts in product(range(n_b), repeat=n * n_responses):
                p = Fraction(1)
                for m, b in enumerate(posts):
                    p *= pi[m // n_responses][b]
                webs[tuple(web[b] + posts.count(b) for b in range(n_b))] += p
            for outcome in product(*reads):
                p = chance
                for _, q in outcome:
                    p *= q
                weights = tuple(w for w, _ in outcome)
                for new, q in webs.items():
                    after[weights, new] += p * q
        law = after


F = Fraction
TINY = {
    "two components": (((F(1, 5), F(4, 5)), (F(2, 3), F(1, 3))), (1, 1), 1, F(1, 2), "1/(k B^2)"),
    "empty start": (
        ((F(1, 5), F(3, 10), F(1, 2)), (F(1, 2), F(1, 3), F(1, 6))),
        (0, 0, 0),
        1,
        F(1, 2),
        "1/(7 k)",
    ),
    "one point, and all is read": (
        ((F(1, 5), F(4, 5)), (F(2, 3), F(1, 3))),
        (0, 1),
        1,
        F(1),
        "0.1",
    ),
}
COMPLEXITY = {
    "1/(k B^2)": lambda k: F(1, 4 * k) if k else F(0),
    "1/(7 k)": lambda k: F(1, 7 * k) if k else F(0),
    "0.1": lambda k: F(1, 10),
}


@pytest.mark.parametrize("case", TINY)
def test_moments_are_those_of_all_outcomes(case):
    first, counts, n_responses, beta, rule = TINY[case]
    options = {
        "n_responses": n_responses,
        "beta": float(beta),
        "n_steps": 3,
        "step_size": "1/(k + 1)",
        "complexity": rule,
        "initial_counts": counts,
    }
    start = np.array(first, dtype=float)
    norm = expected_sq_norm(start, **options)
    moments = second_moments(start, **options)
    laws = enumerate_network(
        first, counts, n_responses, beta, lambda k: F(1, k + 1), COMPLEXITY[rule], 3
    )
    exact = {"rtol": 0, "atol": 1e-12}
    for t, law in enumerate(laws):
        # Weights may leave [0, 1]; then some chances are below 0, and still sum to 1.
        assert sum(chance for chance, _, _ in law) == 1
        chance = np.array([float(p) for p, _, _ in law])
        pi = np.array([w for _, w, _ in law], dtype=float)
        web = np.array([[m / max(sum(a), 1) for m in a] for _, _, a in law])
        square = chance @ ((pi[:, :, None] - pi[:, None]) ** 2).sum((1, 2, 3))
        np.testing.assert_allclose(norm[t], square, **exact)
        np.testing.assert_allclose(moments.expected_sq_norm[t], square, **exact)

        def cov(x, y, p=chance):
            return (x.T * p) @ y - np.outer(p @ x, p @ y)

        mean = np.tensordot(chance, pi, 1)
        np.testing.assert_allclose(moments.model_mean()[t], mean, **exact)
        np.testing.assert_allclose(moments.model_mean(1)[t, 0], mean[1], **exact)
        np.testing.assert_allclose(moments.web_mean[t], chance @ web, **exact)
        for i in range(2):
            np.testing.assert_allclose(moments.cov_within[t], cov(pi[:, i], pi[:, i]), **exact)
        np.testing.assert_allclose(moments.cov_between[t], cov(pi[:, 0], pi[:, 1]), **exact)
        np.testing.assert_allclose(moments.cov_web[t], cov(web, web), **exact)
        centre = (pi[:, 0] + pi[:, 1]) / 2
        np.testing.assert_allclose(moments.cov_mean[t], cov(centre, centre), **exact)
        np.testing.assert_allclose(moments.cov_mean_web[t], cov(centre, web), **exact)
        difference = expected_difference(start, **options)[t, 0]
        np.testing.assert_allclose(difference, mean[0] - mean[1], **exact)


def dirichlet(n, n_b, seed):
    return np.random.default_rng(seed).dirichlet(np.ones(n_b), n)


# None of these runs comes near 0, or c is 0, so that every weight can be posted from.
SIMULATED = {
    "paper": (FIRST, {"initial_counts": [20, 20]}),
    "no complexity": (
        dirichlet(6, 4, 1),
        {"n_responses": 1, "beta": 0.3, "complexity": 0.0, "step_size": "1/(k + 1)"},
    ),
    "constant step": (FIRST, {"complexity": 0.0, "step_size": 0.05}),
    "other": (
        dirichlet(4, 3, 2) / 2 + 1 / 6,
        {
            "n_responses": 2,
            "beta": 0.8,
            "step_size": "0.7/k",
            "complexity": "0.3/(k B)",
            "initial_counts": [10, 12, 14],
        },
    ),
    "all is read": (
        dirichlet(2, 3, 3) / 2 + 1 / 6,
        {"beta": 1.0, "n_responses": 2, "complexity": "0.2/(k B)", "initial_counts": [9, 9, 9]},
    ),
}


@pytest.mark.parametrize("setting", SIMULATED)
def test_moments_are_those_of_simulated_runs(setting):
    first, options = SIMULATED[setting]
    options = {**options, "n_steps": 25}
    net = network(first, **options)
    runs = 4000
    norms, weights, webs, outside = linear_network.run(net, runs, 1)
    assert (outside < 0).all()
    exact = expected_sq_norm(first, **options)
    error = norms.std(0, ddof=1) / np.sqrt(runs)
    moves = error > 1e-12 * exact
    np.testing.assert_allclose(norms.mean(0)[~moves], exact[~moves], rtol=1e-9)
    z = ((norms.mean(0) - exact) / np.where(moves, error, 1))[moves]
    assert moves.any()
    assert np.abs(z).max() < 4

    moments = second_moments(first, times=[25], **options)
    share = webs / webs.sum(1, keepdims=True)
    pairs = [
        (weights[:, 0], weights[:, 0], moments.cov_within),
        (weights[:, 0], weights[:, 1], moments.cov_between),
        (weights.mean(1), share, moments.cov_mean_web),
        (share, share, moments.cov_web),
    ]
    for x, y, expected in pairs:
        x, y = x - x.mean(0), y - y.mean(0)
        products = x[:, :, None] * y[:, None, :]
        error = products.std(0) / np.sqrt(runs)
        assert (np.abs(products.mean(0) - expected[0]) < 5 * error).all()
    mean, error = weights.mean(0), weights.std(0) / np.sqrt(runs)
    assert (np.abs(mean - moments.model_mean()[0]) < 5 * error).all()


def test_gaussian_variance_is_near_the_simulated_one():
    options = {"n_steps": 12, "initial_counts": [60, 60]}
    norms, *_ = linear_network.run(network(FIRST, **options), 8000, 2)
    expected = second_moments(FIRST, **options).var_sq_norm
    # The consensus varies little here, and the number of points that are read is large.
    np.testing.assert_allclose(norms.var(0)[1:], expected[1:], rtol=0.15)


def test_drawn_starts_are_averaged_over():
    options = {"n_steps": 20, "n_responses": 2, "initial_counts": [3, 4, 5]}
    concentration = [1.0, 2.0, 0.5]
    drawn = dict(n_models=4, n_components=3, concentration=concentration, **options)
    starts = np.random.default_rng(0).dirichlet(concentration, (4000, 4))
    each = np.array([expected_sq_norm(start, **options) for start in starts])
    error = each.std(0, ddof=1) / np.sqrt(len(starts))
    assert (np.abs(each.mean(0) - expected_sq_norm(**drawn)) < 4 * error).all()
    np.testing.assert_allclose(
        second_moments(**drawn).expected_sq_norm, expected_sq_norm(**drawn), rtol=1e-10
    )


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 6),
    n_b=st.integers(1, 5),
    n_responses=st.integers(1, 4),
    beta=st.floats(0.05, 1),
    n_initial=st.integers(0, 9),
    seed=st.integers(0, 2**32),
)
def test_recursions_agree_and_cost_nothing_in_size(n, n_b, n_responses, beta, n_initial, seed):
    rng = np.random.default_rng(seed)
    first = rng.dirichlet(np.ones(n_b), n)
    options = {
        "n_responses": n_responses,
        "beta": beta,
        "n_steps": 30,
        "step_size": "1/(k + 1)",
        "complexity": "1/(2 k B^2)",
        "initial_counts": rng.multinomial(n_initial, np.ones(n_b) / n_b),
    }
    norm = expected_sq_norm(first, **options)
    moments = second_moments(first, **options)
    direct = ((first[:, None] - first) ** 2).sum()
    np.testing.assert_allclose(norm[0], direct, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(moments.expected_sq_norm, norm, rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(moments.model_mean().sum(-1), 1, rtol=1e-12)
    for cov in (moments.cov_mean, moments.cov_deviation, moments.cov_web):
        np.testing.assert_allclose(cov.sum(-1), 0, atol=1e-12)
        np.testing.assert_allclose(cov, cov.transpose(0, 2, 1), atol=1e-15)
    # Names of components and models do not matter.
    order = rng.permutation(n_b)
    options["initial_counts"] = options["initial_counts"][order]
    np.testing.assert_allclose(expected_sq_norm(first[::-1][:, order], **options), norm, rtol=1e-9)


def test_points_count_for_the_nearest_component():
    points = [-5.4, -4.0, 5.0, 7.0, 0.5]
    by_points = expected_sq_norm(FIRST, initial_points=points)
    np.testing.assert_array_equal(by_points, expected_sq_norm(FIRST, initial_counts=[2, 3]))
    # In the metric of the covariance, (0, 2) is nearer to (4, 4) than to (0, 0).
    options = {
        "means": [[0, 0], [4, 4]],
        "covariance": [[1.0, 0.9], [0.9, 1.0]],
        "initial_points": [[1.5, 1.5], [0, 2], [4, 4], [4.4, 4.0]],
    }
    tilted = network(FIRST, **options).counts
    inverse = np.linalg.inv(options["covariance"])
    apart = np.array(options["initial_points"])[:, None] - np.array(options["means"])
    nearest = np.einsum("pbi,ij,pbj->pb", apart, inverse, apart).argmin(1)
    np.testing.assert_array_equal(tilted, np.bincount(nearest, minlength=2))


def test_a_run_can_be_taken_up_anywhere():
    """The expectation over the states at s of what follows from them is that from the start."""
    options = {"n_responses": 3, "complexity": 0.0}
    start = network(FIRST, n_steps=6, initial_counts=[5, 9], **options)
    _, weights, webs, _ = linear_network.run(start, 3000, 4)
    after = np.array(
        [
            expected_sq_norm(w, n_steps=10, initial_counts=web, **options)
            for w, web in zip(weights, webs, strict=True)
        ]
    )
    whole = expected_sq_norm(FIRST, n_steps=16, initial_counts=[5, 9], **options)[6:]
    error = after.std(0, ddof=1) / np.sqrt(3000)
    assert (np.abs(after.mean(0) - whole) < 4 * error).all()


def test_a_million_models_and_many_steps():
    first = np.random.default_rng(0).dirichlet(np.ones(3), 1_000_000)
    norm = expected_sq_norm(first, n_steps=50)
    assert np.isfinite(norm).all()
    # The differences of 10^6 models at 0 are those of a Dirichlet law.
    np.testing.assert_allclose(norm[0], 2 * 1e12 * (1 - 1 / 3) / 4, rtol=0.01)
    long = expected_sq_norm(FIRST, n_steps=100_000)
    t = np.array([25_000, 50_000, 100_000])
    # t E||D||^2 goes to a constant, its distance from it like 1/t.
    scaled = t * long[t]
    np.testing.assert_allclose(scaled[0] - scaled[1], 2 * (scaled[1] - scaled[2]), rtol=0.05)


def test_decay_is_the_product_over_draws():
    k, alpha = np.array([0, 1, 4, 9]), np.array([np.nan, 1.0, 0.25, 0.3])
    expected = [np.prod([1 - a] * int(m)) for m, a in zip(k, alpha, strict=True)]
    np.testing.assert_allclose(decay_factor(k, alpha), expected, rtol=1e-14)
    product = decay_product(k[[0, 2, 3]], alpha[[0, 2, 3]])
    np.testing.assert_allclose(product, [1, 1, expected[2], expected[2] * expected[3]], rtol=1e-14)
    np.testing.assert_allclose(decay_factor(10**6, 1e-6), np.exp(-1), rtol=1e-6)
    both = expected_difference(FIRST, n_steps=4)
    assert both.shape == (5, 3, 2)
    np.testing.assert_array_equal(
        both[:, 1:2], expected_difference(FIRST, n_steps=4, pairs=[[0, 2]])
    )


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"initial_weights": [[0.5, 0.6]]}, "initial_weights"),
        ({"initial_weights": [[0.5, 0.5], [1.0]]}, "initial_weights"),
        ({"initial_weights": FIRST, "n_models": 4}, "initial_weights"),
        ({"beta": 0}, "beta"),
        ({"n_responses": 0}, "n_responses"),
        ({"n_steps": -1}, "n_steps"),
        ({"step_size": "5/k"}, "step_size"),
        ({"step_size": "1/m"}, "step_size"),
        ({"complexity": 0.5}, "complexity"),
        ({"initial_counts": [1]}, "initial_counts"),
        ({"initial_counts": [1, -1]}, "initial_counts"),
        ({"initial_counts": [1, 1], "initial_points": [0.0]}, "initial_counts"),
        ({"initial_points": [np.nan]}, "initial_points"),
        ({"concentration": -1}, "concentration"),
    ],
)
def test_bad_input_is_named(arguments, argument):
    with pytest.raises(InputError, match=f"^{argument}: "):
        expected_sq_norm(**arguments)
    with pytest.raises(InputError, match=f"^{argument}: "):
        second_moments(**arguments)


def test_bad_input_of_the_small_functions_is_named():
    with pytest.raises(InputError, match=r"^k: "):
        decay_factor(-1, 0.5)
    with pytest.raises(InputError, match=r"^alpha: "):
        decay_factor([1, 2], [0.5, 1.5])
    with pytest.raises(InputError, match=r"^alpha: "):
        decay_factor([1, 2], [0.5, 0.5, 0.5])
    with pytest.raises(InputError, match=r"^k: "):
        decay_product([[1]], 0.5)
    with pytest.raises(InputError, match=r"^pairs: "):
        expected_difference(FIRST, pairs=[[0, 3]])
    with pytest.raises(InputError, match=r"^initial_weights: "):
        expected_difference(None)
    with pytest.raises(InputError, match=r"^times: "):
        second_moments(FIRST, times=[201])
    with pytest.raises(InputError, match=r"^n_models: "):
        _ = second_moments([[0.5, 0.5]], n_steps=3).cov_between
