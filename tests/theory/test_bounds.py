"""Bounds that hold, and the limit law."""

import linear_network
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import lwdstats as lwd
from lwdstats.errors import InputError
from lwdstats.theory.asymptotics import asymptotics, stationary_sq_norm
from lwdstats.theory.bounds import METHODS, norm_bound, steps_to
from lwdstats.theory.bounds_kernel import fourth_coefficients, proxies
from lwdstats.theory.moments import expected_sq_norm
from lwdstats.theory.network import network
from lwdstats.theory.quadratic import weighted_chi_square

FIRST = np.array([[0.2, 0.8], [0.5, 0.5], [0.75, 0.25]])


def dirichlet(n, n_b, seed):
    return np.random.default_rng(seed).dirichlet(np.ones(n_b), n)


HOLDS = {
    "paper": (FIRST, {"initial_counts": [20, 20]}),
    "skewed web": (FIRST, {"initial_counts": [90, 4], "complexity": 0.0}),
    "many components": (
        dirichlet(3, 8, 1),
        {"complexity": 0.0, "n_responses": 1, "step_size": "1/(k + 1)"},
    ),
    "all is read": (dirichlet(4, 3, 2), {"complexity": 0.0, "beta": 1.0}),
    "constant step": (dirichlet(5, 2, 3), {"complexity": 0.0, "step_size": 0.2}),
}


@pytest.mark.parametrize("setting", HOLDS)
@pytest.mark.parametrize("composition", ["expected", "any"])
def test_bounds_hold(setting, composition):
    first, options = HOLDS[setting]
    options = {**options, "n_steps": 20}
    runs = 3000
    norms, _, _, outside = linear_network.run(network(first, **options), runs, 5)
    assert (outside < 0).all()
    norms = np.sqrt(norms)
    for level in (0.8, 0.95, 0.99):
        result = norm_bound(first, level=level, composition=composition, **options)
        assert set(result.candidates) == set(METHODS)
        for bound in result.candidates.values():
            p = stats.binom.sf((norms >= bound).sum(0) - 1, runs, 1 - level)
            assert p.min() > 0.001 / p.size
        every = np.array(list(result.candidates.values()))
        np.testing.assert_array_equal(result.bound, every.min(0))
        chosen = [result.candidates[m][t] for t, m in enumerate(result.method)]
        np.testing.assert_array_equal(chosen, result.bound)
        # A bound that no run comes near would hold too.
        assert (result.bound[1:] < 3 * np.quantile(norms, level, axis=0)[1:]).all()


def test_fourth_moment_of_a_reading_is_exact():
    """E|xi|^4 given the web, by its polynomial in the composition, against all orders of draws."""
    from itertools import permutations

    for counts, beta, rule in (
        ((2, 1, 1), 0.5, "0.7/k"),
        ((3, 1, 2), 0.67, "0.9/k"),
        ((2, 3), 1.0, "0.8/k"),
        ((4, 2), 0.17, "0.5"),
    ):
        n_b = len(counts)
        options = {"beta": beta, "step_size": float(rule.split("/")[0])}
        net = network(np.full((2, n_b), 1 / n_b), n_steps=1, initial_counts=counts, **options)
        k, a, h = int(net.n_retrieved[0]), net.alpha[0], net.h[0]
        types = np.repeat(np.eye(n_b), counts, axis=0)
        p = types.mean(0)
        weights = a * (1 - a) ** np.arange(k) / h
        draws = np.array(
            [weights @ (types[list(o)] - p) for o in permutations(range(len(types)), k)]
        )
        squares = (draws**2).sum(1)
        cov = np.diag(p) - np.outer(p, p)
        y4 = (((types - p) ** 2).sum(1) ** 2).mean()
        first, second = (x[0] for x in fourth_coefficients(net))
        expected = first * y4 + second * (np.trace(cov) ** 2 + 2 * np.trace(cov @ cov))
        np.testing.assert_allclose((squares**2).mean(), expected, rtol=1e-11)
        np.testing.assert_allclose(squares.mean(), net.v[0] * np.trace(cov), rtol=1e-12)
        # The proxy is above the sum of the squared factors of the martingale's increments.
        n_web = len(types)
        w = np.sort(weights)[::-1]
        after = w.sum() - np.cumsum(w)
        rest = np.maximum(n_web - 1 - np.arange(k), 1)
        factors = np.where(n_web - 1 - np.arange(k) > 0, w - after / rest, 0)
        assert (factors**2).sum() <= proxies(net)[0] * (1 + 1e-12)


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(1, 5),
    n_b=st.integers(1, 4),
    beta=st.floats(0.05, 1),
    complexity=st.sampled_from([0.0, "1/(2 k B^2)"]),
    n_initial=st.integers(0, 40),
    seed=st.integers(0, 2**32),
)
def test_bounds_are_ordered(n, n_b, beta, complexity, n_initial, seed):
    rng = np.random.default_rng(seed)
    first = rng.dirichlet(np.ones(n_b), n)
    options = {
        "beta": beta,
        "complexity": complexity,
        "step_size": "1/(k + 1)",
        "n_steps": 20,
        "initial_counts": rng.multinomial(n_initial, np.ones(n_b) / n_b),
    }
    low, high = (norm_bound(first, level=level, **options) for level in (0.9, 0.99))
    largest = norm_bound(first, level=0.9, composition="any", **options)
    for result in (low, high, largest):
        assert np.isfinite(result.bound).all()
        assert (np.diff(result.truncation_risk) >= 0).all()
    assert (low.bound <= high.bound).all()
    for method in ("markov", "chernoff", "pinelis"):
        assert (low.candidates[method] <= largest.candidates[method] * (1 + 1e-12)).all()
    if complexity == 0:
        assert (low.truncation_risk == 0).all()
        assert "no truncation can happen" in low.domain
    direct = np.sqrt(((first[:, None] - first) ** 2).sum())
    np.testing.assert_allclose(low.bound[0], direct, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("counts", [[6, 6], [4, 9], [10, 10]])
def test_truncation_is_not_more_frequent_than_its_bound(counts):
    options = {"n_steps": 12, "initial_counts": counts}
    risk = norm_bound(FIRST, **options).truncation_risk
    ds = lwd.simulate_gmm(
        initial_weights=FIRST,
        means=[-20, 20],
        initial_points=np.repeat([-20.0, 20.0], counts),
        n_steps=12,
        replicates=2000,
        seed=1,
    )
    fired = ds["n_truncated"].sum("model").cumsum("time").values[:-1] > 0
    p = stats.binom.sf(fired.sum(1) - 1, 2000, risk[1:])
    assert p.min() > 1e-4
    assert risk[-1] > 0


def test_domain_is_said():
    assert "can't be ruled out" in norm_bound(FIRST, n_steps=50).domain
    some = norm_bound(FIRST, n_steps=50, initial_counts=[20, 20])
    assert 0 < some.truncation_risk[-1] < 0.05
    text = str(some)
    assert some.domain in text
    assert METHODS[some.method[-1]] in text
    frame = some.tidy()
    assert list(frame.columns) == [
        "time", "bound", "method", *METHODS, "truncation_risk",
    ]  # fmt: skip
    np.testing.assert_array_equal(frame["bound"], some.bound)


def test_steps_to_is_where_the_bound_stays_under():
    options = {"initial_counts": [20, 20]}
    for bound in (2.0, 0.5, 0.2, 0.05):
        t = steps_to(bound, FIRST, **options)
        values = norm_bound(FIRST, n_steps=2 * t + 200, **options).bound
        assert (values[t:] <= bound).all()
        assert t == 0 or values[t - 1] > bound
    # The law is t^(-1/2).
    assert 3.5 < steps_to(0.025, FIRST, **options) / t < 4.5
    with pytest.raises(InputError, match=r"^bound: .*larger max_steps$"):
        steps_to(0.01, FIRST, max_steps=500, **options)
    with pytest.raises(InputError, match=r"^bound: "):
        steps_to(0.1, FIRST, step_size=0.3, complexity=0.0, max_steps=5000)


def test_weighted_chi_square_is_the_chi_square_for_one_weight():
    q = np.array([1e-10, 1e-4, 0.05, 0.3, 0.5, 0.7, 0.95, 1 - 1e-4])
    for df, n_b in ((1, 1), (1, 3), (2, 10), (9, 4), (199, 5)):
        x = stats.chi2.ppf(q, df * n_b)
        for scale in (1e-6, 1.0, 1e5):
            lower, upper = weighted_chi_square(scale * x, np.full((q.size, n_b), scale), df)
            np.testing.assert_allclose(lower, stats.chi2.cdf(x, df * n_b), rtol=1e-10)
            np.testing.assert_allclose(upper, stats.chi2.sf(x, df * n_b), rtol=1e-10)


def test_weighted_chi_square_of_two_degrees_is_hypoexponential():
    lam = np.array([1, 0.5, 0.2, 0.01, 1e-4])
    means = 2 * lam
    x = np.array([0.05, 0.2, 1, 3, 10, 30, 80.0])
    shares = [np.prod([m / (m - o) for o in means if o != m]) for m in means]
    expected = sum(s * np.exp(-x / m) for s, m in zip(shares, means, strict=True))
    _, upper = weighted_chi_square(x, np.tile(lam, (x.size, 1)), 2)
    np.testing.assert_allclose(upper, expected, rtol=1e-10)


def test_weighted_chi_square_against_draws():
    lam = np.array([0.4, 0.3, 0.05, 0.0])
    draws = np.random.default_rng(1).chisquare(3, (200_000, 4)) @ lam
    x = np.quantile(draws, [0.001, 0.1, 0.5, 0.9, 0.999])
    lower, upper = weighted_chi_square(x, np.tile(lam, (5, 1)), 3)
    np.testing.assert_allclose(lower + upper, 1, rtol=1e-12)
    share = (draws[:, None] <= x).mean(0)
    assert (np.abs(lower - share) < 4 * np.sqrt(lower * upper / 200_000)).all()


def test_limit_law_of_two_components_is_a_chi_square():
    p = 0.3
    law = asymptotics(FIRST, composition=[p, 1 - p])
    scale = (1 - np.tanh(0.5)) / (0.5 * 3) * 2 * p * (1 - p)
    q = np.array([0.01, 0.2, 0.5, 0.9, 0.999])
    np.testing.assert_allclose(law.ppf(q), scale * stats.chi2.ppf(q, 2), rtol=1e-8)
    np.testing.assert_allclose(law.cdf(law.ppf(q)), q, rtol=1e-8)
    np.testing.assert_allclose(law.sf(law.ppf(q)), 1 - q, rtol=1e-7)
    assert law.cdf(-1.0) == 0
    assert law.cdf(0.0) == 0


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"initial_counts": [3, 40]},
        {"step_size": "0.5/(k + 2)", "beta": 0.3},
        {"step_size": "2/(k + 1)", "beta": 1.0, "complexity": 0.0},
    ],
)
def test_constant_is_the_limit_of_the_recursion(options):
    law = asymptotics(FIRST, **options)
    t = 200_000
    exact = expected_sq_norm(FIRST, n_steps=t, **options)[-1]
    np.testing.assert_allclose(law.constant, t * exact, rtol=1e-4)
    np.testing.assert_allclose(law.expected_sq_norm(t), exact, rtol=1e-4)
    # The mixture has the same mean.
    mean = law.scale * law.df * law.eigenvalues.sum(1).mean()
    np.testing.assert_allclose(mean, law.constant, rtol=0.01)


def test_limit_law_is_that_of_simulated_runs():
    first = dirichlet(3, 4, 1)
    options = {"complexity": 0.0, "n_responses": 2}
    net = network(first, n_steps=60, **options)
    norms, _, webs, _ = linear_network.run(net, 3000, 3)
    scaled = 60 * norms[:, -1]
    share = webs / webs.sum(1, keepdims=True)
    law = asymptotics(first, composition=share[:100], **options)
    x = np.quantile(scaled, [0.1, 0.3, 0.5, 0.7, 0.9])
    np.testing.assert_allclose(law.cdf(x), [0.1, 0.3, 0.5, 0.7, 0.9], atol=0.04)
    mixed = asymptotics(first, **options)
    np.testing.assert_allclose(mixed.cdf(x), [0.1, 0.3, 0.5, 0.7, 0.9], atol=0.04)
    assert "Dirichlet" in str(mixed)


def test_constant_step_leaves_a_floor():
    options = {"step_size": 0.05, "complexity": 0.0, "initial_counts": [20, 20]}
    exact = expected_sq_norm(FIRST, n_steps=20_000, **options)[-1]
    h = 1 - 0.5  # near the diversity of the web, which drifts little
    assert stationary_sq_norm(0.05, n_models=3, diversity=h) == pytest.approx(exact, rel=0.05)
    with pytest.raises(InputError, match=r"^step_size: "):
        asymptotics(FIRST, **options)


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda: norm_bound(None), "initial_weights"),
        (lambda: norm_bound(FIRST, level=1), "level"),
        (lambda: norm_bound(FIRST, composition="all"), "composition"),
        (lambda: steps_to(0, FIRST), "bound"),
        (lambda: steps_to(0.1, FIRST, n_steps=5), "n_steps"),
        (lambda: steps_to(0.1, FIRST, max_steps=0), "max_steps"),
        (lambda: asymptotics(FIRST, n_steps=5), "n_steps"),
        (lambda: asymptotics(FIRST, step_size="1/k^2"), "step_size"),
        (lambda: asymptotics(FIRST, composition=[0.5, 0.6]), "composition"),
        (lambda: asymptotics(FIRST, composition=[1.0]), "composition"),
        (lambda: asymptotics(FIRST, composition=[0.5, 0.5]).ppf(1), "q"),
        (lambda: stationary_sq_norm(0, n_models=3, diversity=0.5), "alpha"),
        (lambda: stationary_sq_norm(0.1, n_models=0, diversity=0.5), "n_models"),
        (lambda: stationary_sq_norm(0.1, n_models=3, diversity=1), "diversity"),
    ],
)
def test_bad_input_is_named(call, argument):
    with pytest.raises(InputError, match=f"^{argument}: "):
        call()
