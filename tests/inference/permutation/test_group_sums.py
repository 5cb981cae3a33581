"""Sums over groups of permuted points, by either of the two ways."""

import numpy as np
import pytest

from lwdstats.inference.permutation import group_sums
from lwdstats.inference.permutation.scheme import scheme

LARGE = pytest.mark.parametrize("large", [0, 1 << 40], ids=["compiled", "sparse"])
X, CODES = np.random.default_rng(0).normal(size=(8, 3)), np.array([0, 1, 2, 2, 0, 1, 1, 2])


def sums_of(plan):
    found = np.empty((plan.count, 3, 3))
    for part, sums in group_sums.permuted_sums(X, CODES, 3, plan):
        found[part] = sums
    return found


@LARGE
@pytest.mark.parametrize("strata", [None, [0, 0, 0, 0, 1, 1, 1, 1]])
def test_sums_are_those_of_the_points_that_came_into_a_group(large, strata, monkeypatch):
    monkeypatch.setattr(group_sums, "_LARGE", large)
    plan = scheme(8, 50, strata, seed=1)
    # Observation j comes in the place of row[j].
    expected = [
        [X[CODES[row] == g].sum(axis=0) for g in range(3)]
        for index in plan.blocks()
        for row in index
    ]
    np.testing.assert_allclose(sums_of(plan), expected, atol=1e-12)


@LARGE
def test_given_permutations_say_which_observation_comes_in_each_place(large, monkeypatch):
    monkeypatch.setattr(group_sums, "_LARGE", large)
    rows = [[1, 2, 0, 3, 4, 5, 6, 7], [7, 0, 1, 2, 3, 4, 5, 6]]
    expected = [[X[row][g == CODES].sum(axis=0) for g in range(3)] for row in rows]
    np.testing.assert_allclose(sums_of(scheme(8, rows)), expected, atol=1e-12)
