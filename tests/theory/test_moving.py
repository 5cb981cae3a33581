"""Moments of normal laws that move, held to every order of reading and to simulated networks."""

from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest

import lwdstats as lwd
from lwdstats.errors import InputError

F = Fraction
WEB = [F(-3, 2), F(1, 4), F(2), F(5, 2), F(7)]


def one_step(web, k, alpha, mean, variance, rule, update):
    """E mu', Var mu' and E C' over all orders in which k of the web may be read."""
    found = []
    for points in permutations(web, k):
        m, c = mean, variance
        if update == "sequential":
            for u in points:
                off, m = u - m, m + alpha * (u - m)
                c = (1 - alpha) * c + alpha * off * (off if rule == "zivkovic" else u - m)
        else:
            nu = 0 if update == "refit" else F(update[1])
            gain, centre = k / (nu + k), sum(points) / k
            off, m = centre - m, m + gain * (centre - m)
            inside = sum((u - centre) ** 2 for u in points) / k
            keep = 1 if rule == "zivkovic" else 1 - gain
            c = (1 - gain) * c + gain * (inside + keep * off**2)
        found.append((m, c))
    n = len(found)
    centre = sum(m for m, _ in found) / n
    return centre, sum((m - centre) ** 2 for m, _ in found) / n, sum(c for _, c in found) / n


def by_formula(web, k, a, mean, variance):
    """E C' where old residuals are squared, in closed form."""
    n, p = len(web), sum(web) / len(web)
    s = sum((u - p) ** 2 for u in web) / n
    out = (1 - a) ** k * variance + (1 - a) ** (k - 1) * (1 - (1 - a) ** k) * (mean - p) ** 2
    for j in range(1, k + 1):
        s1, s2 = 1 - (1 - a) ** (j - 1), a * (1 - (1 - a) ** (2 * (j - 1))) / (2 - a)
        more = 1 + s2 + (2 * s1 - s1**2 + s2) / (n - 1)
        out += a * (1 - a) ** (k - j) * s * more
    return out


@pytest.mark.parametrize("update", ["sequential", "refit", ("prior", 3.0)])
@pytest.mark.parametrize("rule", ["zivkovic", "welford"])
def test_a_step_is_the_mean_over_all_orders(rule, update):
    alpha, mean, variance = F(1, 4), F(1), F(2)
    exact = one_step(WEB, 3, alpha, mean, variance, rule, update)
    found = lwd.moving_moments(
        n_models=1, n_steps=1, means=[1.0], covariance=2.0, step_size=0.25, beta=0.6,
        initial_points=[float(u) for u in WEB], variance_rule=rule, update=update,
    )  # fmt: skip
    assert found.model_variance[1] == pytest.approx(float(exact[2]), rel=1e-12)
    assert found.consensus_variance[1] == pytest.approx(float(exact[1]), rel=1e-12)
    if update == "sequential" and rule == "zivkovic":
        assert by_formula(WEB, 3, alpha, mean, variance) == exact[2]


CASES = [
    ({}, {}),
    ({"keep": "last"}, {"variance_rule": "welford"}),
    ({"keep": ("last", 2), "posts": "after update"}, {}),
    ({"keep": ("reservoir", 14), "noise": 0.25}, {"variance_rule": "welford"}),
    ({"fresh": 2, "read_real": ("random", 0.4), "anchors": (0.3, [1.0])}, {}),
    ({"fresh": 3, "real_weight": 0.7, "keep": "last"}, {"update": ("prior", 3.0)}),
    ({"readers": "ring", "frozen": [0]}, {"n_models": 4, "initial_means": [0.0, 1.0, 3.0, -2.0]}),
    ({"keep": "last"}, {"moving": "mean"}),
]


@pytest.mark.parametrize(("scenario", "more"), CASES)
def test_simulated_networks_have_these_moments(scenario, more):
    given = {
        "n_models": 3, "n_responses": 3, "n_steps": 8, "means": [0.5], "covariance": 1.3,
        "initial_points": [-1.0, 0.5, 2.0, 4.0], "step_size": "1/(k + 1)", "scenario": scenario,
        "moving": ("mean", "covariance"), "initial_means": [0.0, 1.0, 3.0],
    } | more  # fmt: skip
    given["initial_means"] = np.reshape(given["initial_means"], (-1, 1, 1))
    expected = lwd.moving_moments(**given)
    runs = 1500
    ds = lwd.simulate_gmm(n_components=1, replicates=runs, seed=3, **given)
    mean = ds["component_mean"].values[:, :, :, 0, 0]
    variance = ds["component_covariance"].values
    variance = variance[:, :, :, 0, 0, 0] if variance.ndim == 6 else np.full(mean.shape, 1.3)
    centre = mean.mean(1)
    n = mean.shape[1]
    found = {
        "model_variance": variance.mean(1),
        "network_variance": (variance + mean**2).mean(1) - centre**2,
        "expected_sq_norm": 2 * n * n * ((mean - centre[:, None]) ** 2).mean(1),
        "consensus_variance": (centre - centre.mean(1, keepdims=True)) ** 2 * runs / (runs - 1),
    }
    z = []
    for name, each in found.items():
        gap = each.mean(1) - getattr(expected, name)
        error = each.std(1) / runs**0.5
        sure = error < 1e-9
        np.testing.assert_allclose(gap[sure], 0, atol=1e-6)
        z += list(gap[~sure] / error[~sure])
    # Some 30 numbers that hang together; true ones fail in one suite of hundreds.
    assert np.abs(z).max() < 4.2
    np.testing.assert_allclose(lwd.diversity(ds).mean("replicate"),
                               found["network_variance"].mean(1), rtol=1e-6)  # fmt: skip


def test_features_add_up():
    line = {"n_models": 2, "n_steps": 6, "scenario": {"keep": "last", "fresh": 2}}
    one = lwd.moving_moments(initial_means=[[[0.0]], [[2.0]]], covariance=1.0, **line)
    other = lwd.moving_moments(initial_means=[[[1.0]], [[-4.0]]], covariance=3.0, **line)
    both = lwd.moving_moments(
        initial_means=[[[0.0, 1.0]], [[2.0, -4.0]]], covariance=np.diag([1.0, 3.0]), **line
    )
    for name in ("model_variance", "network_variance", "web_variance", "expected_sq_norm"):
        parts = getattr(one, name) + getattr(other, name)
        np.testing.assert_allclose(getattr(both, name), parts, rtol=1e-12)


def test_with_kept_second_moments_variance_falls_as_diversity_does():
    # What chance takes from the variance of a law it takes from that of a component's indicator.
    few = {"n_models": 4, "n_responses": 5, "scenario": {"keep": ("last", 2)}}
    lost = 1 - lwd.collapse_rate([[0.5, 0.5]] * 4, n_responses=5, scenario=few["scenario"])
    rate = lwd.variance_rate(**few, variance_rule="welford").exact_rate[0]
    assert rate == pytest.approx(-lost, rel=1e-6)


@pytest.mark.parametrize("rule", ["zivkovic", "welford"])
@pytest.mark.parametrize("posts", ["before update", "after update"])
@pytest.mark.parametrize("steps", [1, 4])
def test_the_first_order_is_that_of_the_exact_rate(rule, posts, steps):
    gaps = []
    for n_responses in (30, 300):
        rate = lwd.variance_rate(
            n_models=3, n_responses=n_responses, variance_rule=rule,
            scenario={"keep": ("last", steps), "posts": posts},
        )  # fmt: skip
        gaps.append(abs(rate.mean_rate[0] / rate.exact_rate[0] - 1))
    # Ten times the posts, a tenth of the error.
    assert gaps[1] < 0.15 * gaps[0] + 1e-6


@pytest.mark.parametrize(
    ("function", "given", "argument"),
    [
        (lwd.moving_moments, {"n_components": 2, "means": [0.0, 1.0]}, "n_components"),
        (lwd.moving_moments, {"moving": ()}, "moving"),
        (lwd.moving_moments, {"scenario": {"retrieval": "recent as posted"}}, "retrieval"),
        (lwd.variance_rate, {"n_steps": 5}, "n_steps"),
        (lwd.variance_rate, {"moving": "mean"}, "moving"),
        (lwd.variance_rate, {"scenario": {}}, "keep"),
        (lwd.variance_rate, {"scenario": {"keep": "last", "fresh": 1}}, "fresh"),
        (lwd.variance_rate, {"update": "refit", "variance_rule": "zivkovic"}, "update"),
        (lwd.variance_rate, {"initial_points": [1.0]}, "initial_points"),
    ],
)
def test_bad_input(function, given, argument):
    with pytest.raises(InputError, match=rf"^{argument}: got .*; takes "):
        function(**given)
