"""Rates and limits against closed forms of the literature and against long recursions."""

import numpy as np
import pytest

from lwdstats.errors import InputError
from lwdstats.theory.asymptotics import asymptotics, stationary_sq_norm
from lwdstats.theory.bounds import norm_bound
from lwdstats.theory.collapse_rate import collapse_rate, effective_size
from lwdstats.theory.decay import expected_difference
from lwdstats.theory.long_run import long_run
from lwdstats.theory.moments import expected_diversity, expected_sq_norm, second_moments

FIRST = np.array([[0.2, 0.8], [0.5, 0.5], [0.75, 0.25]])
OWN = np.array([[0.1, 0.9], [0.3, 0.7], [0.6, 0.4]])
WEIGHTS = np.array([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]])


def spread(points):
    return ((points[:, None] - points) ** 2).sum()


@pytest.mark.parametrize("n_posts", [4, 30])
def test_reading_all_and_copying_is_the_wright_fisher_model(n_posts):
    """A step of which each post copies one of the posts before keeps 1 - 1/N of diversity."""
    copying = {
        "scenario": {"keep": "last", "posts": "after update"},
        "update": "refit",
        "beta": 1.0,
    }
    assert effective_size(n_models=1, n_responses=n_posts, **copying) == pytest.approx(n_posts)
    moments = expected_diversity(
        [[0.3, 0.7]], n_responses=n_posts, n_steps=20, initial_counts=[3, 7], **copying
    )
    left = (1 - 1 / n_posts) ** np.arange(20)
    np.testing.assert_allclose(moments[1:], 0.42 * left, rtol=1e-12)


@pytest.mark.parametrize("n_posts", [3, 10, 100])
def test_accumulating_copies_keep_what_a_product_of_euler_says(n_posts):
    """The product of 1 - 1/(N s^2) over s > 1 is the sine product at 1/sqrt N, less a factor."""
    half = n_posts // 2
    counts = [half, n_posts - half]
    first = 1 - sum((m / n_posts) ** 2 for m in counts)
    kept = long_run(
        [[0.5, 0.5]], n_responses=n_posts, beta=1.0, update="refit",
        scenario={"posts": "after update"}, initial_counts=counts,
    )  # fmt: skip
    # |A^(t)| = (t + 1) N: new posts are 1 / (t + 2) of it, and lose 1/N of that, squared.
    product = np.sinc(1 / np.sqrt(n_posts)) / (1 - 1 / n_posts)
    assert kept.diversity_limit / first == pytest.approx(product, rel=1e-6)


@pytest.mark.parametrize("weight", [0.2, 0.618, 0.9])
def test_weights_of_real_data_give_the_variance_of_the_golden_ratio(weight):
    """Refit to n_r fresh points of weight w and m of its own, as in the closed form of the fixed
    point: Var = w^2 H / n_r + (1 - w)^2 (Var + (H - Var) / m)."""
    law, n_real, n_own = np.array([0.3, 0.7]), 8, 12
    found = long_run(
        [law], n_responses=n_own, beta=1.0, update="refit",
        scenario={"keep": "last", "posts": "after update", "fresh": n_real, "fresh_from": law,
                  "real_weight": weight},
    )  # fmt: skip
    diverse, rest = 1 - law @ law, (1 - weight) ** 2
    variance = diverse * (weight**2 / n_real + rest / n_own) / (1 - rest * (1 - 1 / n_own))
    assert diverse - found.diversity_limit == pytest.approx(variance, rel=1e-10)


REPLACED = {
    "replace": {"scenario": {"keep": "last"}},
    "after update": {"scenario": {"keep": "last", "posts": "after update"}},
    "window": {"scenario": {"keep": ("last", 4)}},
    "capacity": {"scenario": {"keep": ("random", 30)}},
    "prior": {"scenario": {"keep": "last"}, "update": ("prior", 3.0)},
    "star": {"scenario": {"keep": "last", "readers": "star"}},
    "newest": {"scenario": {"retrieval": "recent", "n_read": 18, "keep": ("last", 4)}},
}


@pytest.mark.parametrize("name", REPLACED)
def test_the_rate_is_that_of_the_recursion(name):
    options = REPLACED[name]
    course = expected_diversity(FIRST, n_steps=400, **options)
    np.testing.assert_allclose(
        course[-1] / course[-2], collapse_rate(n_models=3, **options), rtol=1e-7
    )
    found = long_run(FIRST, **options)
    assert found.diversity_law == found.norm_law == "geometric"
    norm = expected_sq_norm(FIRST, n_steps=400, **options)
    np.testing.assert_allclose(norm[-1] / norm[-2], found.rate, rtol=1e-6)


def test_the_size_is_that_of_the_first_order_in_large_networks():
    n, n_posted, beta = 30, 300, 0.5
    k = beta * n_posted
    a, rho = 1 / k, (1 - 1 / k) ** k
    s2 = a * (1 - rho**2) / (2 - a)
    noise = s2 - ((1 - rho) ** 2 - s2) / (n_posted - 1)
    loss = noise / n + (1 - rho) ** 2 / n_posted
    options = {"n_models": n, "n_responses": 10}
    for posts, factor in (("before update", (2 - rho) ** 2), ("after update", 1.0)):
        found = effective_size(scenario={"keep": "last", "posts": posts}, **options)
        assert found == pytest.approx(factor / loss, rel=0.01)


def second_value(matrix):
    return np.sort(np.linalg.eigvals(matrix).real)[-2]


@pytest.mark.parametrize(
    ("readers", "matrix"),
    [
        ("ring", (np.eye(10) + np.roll(np.eye(10), 1, 0) + np.roll(np.eye(10), -1, 0)) / 3),
        ("star", None),
        (WEIGHTS, WEIGHTS),
        (np.roll(np.eye(4), 1, 1) + np.eye(4), (np.roll(np.eye(4), 1, 1) + np.eye(4)) / 2),
    ],
)
def test_differences_fall_with_the_spectral_gap_of_who_reads_whom(readers, matrix):
    if matrix is None:
        matrix = np.eye(5) + (np.arange(5) == 0) + (np.arange(5) == 0)[:, None]
        matrix = np.minimum(matrix, 1) / np.minimum(matrix, 1).sum(1, keepdims=True)
    found = long_run(n_models=len(matrix), scenario={"readers": readers})
    assert found.norm_law == "power"
    assert found.norm_exponent == pytest.approx(min(1, 2 * (1 - second_value(matrix))), abs=1e-4)
    if found.norm_exponent < 0.6:
        norm = expected_sq_norm(
            n_models=len(matrix), n_steps=12_000, scenario={"readers": readers}
        )[[6000, 12_000]]
        slope = np.log2(norm[0] / norm[1])
        assert slope == pytest.approx(found.norm_exponent, abs=0.01)


def test_a_reservoir_forgets_like_a_power():
    scenario = {"keep": ("reservoir", 9)}
    found = long_run(FIRST, scenario=scenario)
    for course in (expected_sq_norm, expected_diversity):
        values = course(FIRST, n_steps=16_000, scenario=scenario)[[8000, 16_000]]
        slope = np.log2(values[0] / values[1])
        assert slope == pytest.approx(found.norm_exponent, rel=0.002)
    assert found.norm_exponent == found.diversity_exponent == 2 / 9


def test_sources_of_their_own_hold_models_apart():
    """The limit of Friedkin and Johnsen, without and with weights of readers."""
    share = 0.3
    found = long_run(FIRST, scenario={"anchors": (share, OWN)})
    assert found.norm_limit == pytest.approx(share**2 * spread(OWN), rel=1e-6)
    found = long_run(FIRST, scenario={"anchors": (share, OWN), "readers": WEIGHTS})
    rest = share * np.linalg.solve(np.eye(3) - (1 - share) * WEIGHTS, OWN)
    assert found.norm_limit == pytest.approx(spread(rest), rel=1e-4)
    far = expected_sq_norm(FIRST, n_steps=20_000, scenario={"anchors": (share, OWN)})[-1]
    assert far == pytest.approx(share**2 * spread(OWN), rel=0.01)


def test_the_frozen_capture_the_rest():
    first = np.vstack([FIRST, FIRST[:2]])
    found = long_run(first, scenario={"frozen": [0, 1]})
    held = first[:2]
    apart = 2 * 5 * 2 * ((held - held.mean(0)) ** 2).sum(1).mean()
    assert found.norm_limit == pytest.approx(apart, rel=1e-6)
    # One of five, and nothing holds models apart: by 2/5 in the exponent.
    found = long_run(first, scenario={"frozen": [0]})
    assert (found.norm_law, round(found.norm_exponent, 4)) == ("power", 0.4)
    assert found.diversity_limit == pytest.approx(1 - first[0] @ first[0], rel=1e-4)
    norm = expected_sq_norm(first, n_steps=20_000, scenario={"frozen": [0]})
    assert np.log2(norm[10_000] / norm[20_000]) == pytest.approx(0.4, abs=0.01)


def test_parts_that_do_not_read_each_other_stay_apart():
    scenario = {"keep": "last", "readers": ("blocks", 2)}
    first = np.array([[0.2, 0.8], [0.4, 0.6], [0.6, 0.4], [0.9, 0.1]])
    found = long_run(first, scenario=scenario)
    # Each ends at one component, drawn by its mean.
    mean = first[:2].mean(0), first[2:].mean(0)
    assert found.norm_limit == pytest.approx(2 * 2 * 2 * 2 * (1 - mean[0] @ mean[1]), rel=1e-6)


def test_real_posts_hold_the_consensus():
    law = [0.3, 0.7]
    found = long_run(FIRST, scenario={"keep": "last", "fresh": 3, "fresh_from": law})
    far = expected_sq_norm(
        FIRST, n_steps=500, scenario={"keep": "last", "fresh": 3, "fresh_from": law}
    )[-1]
    assert found.norm_limit == pytest.approx(far, rel=1e-9)
    kept = long_run(FIRST, scenario={"fresh": 0.1, "fresh_from": law})
    assert (kept.norm_law, kept.norm_exponent) == ("power", 1.0)
    assert kept.diversity_limit == pytest.approx(0.42, rel=1e-6)


@pytest.mark.parametrize(("fresh", "share"), [(0.3, 0.6), (0.5, 0.2)])
def test_differences_with_real_reads_of_the_web(fresh, share):
    """Each kind is read without replacement from its own part of the web."""
    law, t = np.array([0.3, 0.7]), 2000
    scenario = {"fresh": fresh, "fresh_from": law, "read_real": share}
    first = np.tile(law, (3, 1))
    norm = expected_sq_norm(
        first, n_steps=t, scenario=scenario, complexity=0.0, initial_counts=[3, 7]
    )[t]
    rho = np.exp(-1)
    parts = (1 - share) ** 2 / (1 - fresh) + share**2 / fresh
    bracket = (1 - rho**2) / (2 * 0.5) - (1 - rho) ** 2 * parts
    limit = 2 * 3 * 2 * 0.42 / (1 - rho**2) * bracket
    assert 9 / (1 - fresh) * t * norm == pytest.approx(limit, rel=0.006)


def test_a_constant_step_size_never_averages_out():
    found = long_run(FIRST, step_size=0.05, complexity=0.0)
    assert found.norm_law == "constant"
    # The web's composition is more even than the models' mean, by the noise of what they read.
    web = found.diversity_limit / (1 - 0.05 / (2 - 0.05) / 3)
    expected = stationary_sq_norm(0.05, n_models=3, diversity=web)
    assert found.norm_limit == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    "scenario", [{"posts": "after update"}, {"silent": [0]}, {"noise": 0.4}, {"fresh": 0.6}]
)
def test_the_limit_law_has_the_constant_of_the_recursion(scenario):
    t = np.array([10_000, 20_000])
    scaled = t * expected_sq_norm(FIRST, n_steps=20_000, scenario=scenario)[t]
    limit = asymptotics(FIRST, scenario=scenario).constant
    # With a source the way to the limit is a slow power.
    assert 2 * scaled[1] - scaled[0] == pytest.approx(limit, rel=2e-3)


def test_expected_differences_are_those_of_the_means():
    one_law = {"keep": ("last", 2), "fresh": 1}
    options = {"n_steps": 8, "scenario": one_law, "complexity": 0.0}
    found = expected_difference(FIRST, **options)
    k = np.array([0, 5, 10, 10, 10, 10, 10, 10])
    left = np.concatenate([[1], np.cumprod([(1 - 1 / m) ** m if m else 1 for m in k])])
    first = FIRST[[0, 0, 1]] - FIRST[[1, 2, 2]]
    np.testing.assert_allclose(found, left[:, None, None] * first, atol=1e-14)
    apart = {"n_steps": 8, "scenario": {"anchors": (0.2, OWN), "keep": "last"}}
    means = second_moments(FIRST, **apart).model_mean
    np.testing.assert_allclose(
        expected_difference(FIRST, pairs=[[0, 2]], **apart)[:, 0], means[:, 0] - means[:, 2],
        atol=1e-14,
    )  # fmt: skip


ALIKE = [
    {"keep": ("last", 3), "silent": [1]},
    {"keep": ("random", 15), "fresh": 2},
    {"frozen": [0, 2], "silent": [1], "noise": 0.1},
    {"anchors": (0.2, np.vstack([OWN, OWN[:1] / 2 + 0.25])), "keep": "last"},
    {"fresh": 1, "read_real": ("random", 0.3), "posts": "after update"},
]


@pytest.mark.parametrize("scenario", ALIKE)
@pytest.mark.parametrize("drawn", [False, True])
def test_models_that_are_alike_may_be_one_group(scenario, drawn):
    first = None if drawn else np.vstack([FIRST, FIRST[:1]])
    options = {"n_models": 4, "n_steps": 12, "scenario": scenario, "initial_counts": [2, 3]}
    each = second_moments(first, **options)
    np.testing.assert_allclose(expected_sq_norm(first, **options), each.expected_sq_norm, rtol=1e-9)
    np.testing.assert_allclose(expected_diversity(first, **options), each.diversity, rtol=1e-12)


def test_a_large_network_costs_no_more():
    first = np.random.default_rng(0).dirichlet(np.ones(3), 100_000)
    norm = expected_sq_norm(first, n_steps=50, scenario={"keep": ("last", 3), "silent": [0]})
    assert np.isfinite(norm).all()
    with pytest.raises(InputError, match=r"^times: .*expected_sq_norm has no such limit"):
        second_moments(first, n_steps=5, scenario={"keep": "last"})


REFUSED = [
    ({"scenario": {"retrieval": "recent as posted"}}, "retrieval"),
    ({"scenario": {"retrieval": "recent"}}, "retrieval"),
    ({"scenario": {"retrieval": "recent", "n_read": 5}}, "retrieval"),
    ({"scenario": {"keep": ("random", 15), "readers": "star"}, "n_models": 4}, "readers"),
    ({"scenario": {"keep": ("random", 15), "fresh": 1, "read_real": 0.5}}, "read_real"),
    ({"scenario": {"fresh": 1, "real_weight": 0.5}}, "real_weight"),
    ({"scenario": {"fresh": 1, "real_weight": 0.5, "anchors": (0.1, [0.5, 0.5])},
      "update": "refit"}, "anchors"),
    ({"scenario": {"noise": 0.1}, "means": [[0, 0], [9, 9]]}, "noise_from"),
    ({"scenario": {"keep": "none"}}, "keep"),
    ({"update": "often"}, "update"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "name"), REFUSED)
def test_what_does_not_close_is_refused_by_name(options, name):
    for function in (expected_sq_norm, second_moments, expected_diversity):
        with pytest.raises(InputError, match=f"^{name}: "):
            function(n_steps=8, **options)


def test_rates_and_laws_are_refused_where_there_are_none():
    for scenario, name in (
        ({}, "keep"),
        ({"keep": ("reservoir", 9)}, "keep"),
        ({"keep": "last", "fresh": 1}, "fresh"),
        ({"keep": "last", "frozen": [0]}, "frozen"),
    ):
        with pytest.raises(InputError, match=f"^{name}: "):
            collapse_rate(n_models=3, scenario=scenario)
    with pytest.raises(InputError, match=r"^complexity: "):
        collapse_rate(n_models=3, scenario={"keep": "last"}, complexity=0.01)
    with pytest.raises(InputError, match=r"^scenario: "):
        collapse_rate(n_models=3, scenario={"keep": "last"}, step_size="1/(k + t)")
    with pytest.raises(InputError, match=r"^step_size: "):
        long_run(FIRST, step_size="1/(k (t + 1))")
    for name, scenario in (("keep", {"keep": "last"}), ("readers", {"readers": WEIGHTS}),
                           ("n_read", {"n_read": 3})):  # fmt: skip
        with pytest.raises(InputError, match=f"^{name}: "):
            asymptotics(FIRST, scenario=scenario)
    with pytest.raises(InputError, match=r"^scenario: "):
        norm_bound(FIRST, scenario={"keep": "last"})
    with pytest.raises(InputError, match=r"^update: "):
        norm_bound(FIRST, update="refit")
    for function in (collapse_rate, effective_size, long_run, asymptotics):
        with pytest.raises(InputError, match=r"^n_steps: "):
            function(FIRST, n_steps=3, scenario={"keep": "last"})
