"""The cheapest transport, held to assignments of many equal parts and to the best of all orders."""

import itertools
import math

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

import lwdstats as lwd
from lwdstats.geometry import mixture_distances as md
from lwdstats.geometry.transport import cheapest_plan

RNG = np.random.default_rng(4)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("spread", [0.0, 2.0, 6.0])
def test_a_plan_is_the_assignment_of_equal_parts(size, spread):
    # Of 64 parts each, so that weights are sums without rounding; some places have none.
    for _ in range(20):
        given, taken = RNG.multinomial(64, RNG.dirichlet(np.full(size, 0.7)), 2)
        cost = RNG.integers(0, 1000, (size, size)) * 10.0 ** RNG.uniform(0, spread, (size, size))
        cost = np.floor(cost)
        plan = cheapest_plan(cost, given / 64, taken / 64)
        np.testing.assert_array_equal(plan.sum(1), given / 64)
        np.testing.assert_array_equal(plan.sum(0), taken / 64)
        assert plan.min() >= 0
        parts = np.repeat(np.repeat(cost, given, 0), taken, 1)
        best = parts[linear_sum_assignment(parts)].sum() / 64
        assert (plan * cost).sum() == best


def test_no_cost_is_small_beside_the_dearest_one():
    for _ in range(20):
        cost = RNG.uniform(0, 1, (5, 5)) * 10.0 ** RNG.integers(-20, 20, (5, 5))
        plan = cheapest_plan(cost, np.full(5, 0.25), np.full(5, 0.25))
        best = min(
            math.fsum(cost[i, p] for i, p in enumerate(order)) / 4
            for order in itertools.permutations(range(5))
        )
        assert math.fsum((plan * cost).ravel()) == pytest.approx(best, rel=1e-15)


@pytest.mark.parametrize("least", [1e-50, 1e-300])
def test_no_weight_is_small_beside_the_largest_one(least):
    given, taken = np.array([least, 3e-20, 1.0]), np.array([3e-20, least, 1.0])
    plan = cheapest_plan(1.0 - np.eye(3), given, taken)
    np.testing.assert_allclose(plan[0], [least, 0, 0])
    np.testing.assert_allclose(plan[1], [3e-20, least, 0])
    assert plan[2, 2] == 1


def test_mixtures_that_are_the_same_in_another_order_have_distance_0():
    means = [0.0, 1.0, 2.0, 1e4]
    ds = lwd.simulate_gmm(
        2, 4, means=means, initial_means=[means, [1.0, 2.0, 0.0, 1e4]], initial_weights=[0.25] * 4,
        n_steps=0, seed=1, moving="mean",
    )  # fmt: skip
    assert not lwd.dist(ds, "mw2").any()
    shifted = np.stack([np.sort(means), np.sort(means)[[1, 2, 0, 3]] + 0.1])[..., None]
    found = md.mw2(np.full((2, 4), 0.25), shifted, np.ones((2, 4, 1, 1)), 1.0)
    assert found[0, 1] == pytest.approx(0.1, rel=1e-9)


@pytest.mark.parametrize("change", [1e-3, 9e-8, 1e-9, 1e-12])
def test_a_small_difference_in_weights_is_seen(change):
    weights = np.array([[0.5, 0.5], [0.5 + change, 0.5 - change]])
    means = np.array([[[0.0], [1000.0]]] * 2)
    found = md.mw2(weights, means, np.ones((2, 2, 1, 1)), 1.0)
    moved = weights[1, 0] - 0.5
    assert found[0, 1] == pytest.approx(1000 * math.sqrt(moved), rel=1e-12)
