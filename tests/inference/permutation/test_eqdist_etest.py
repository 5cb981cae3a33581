"""`eqdist_etest` against energy's, the definition of E, and R's print of a test."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import from_r

import lwdstats as lwd
from lwdstats.inference.permutation.eqdist_etest import eqdist_etest
from lwdstats.results.htest import HTest

RTOL = 1e-8  # linear algebra against R
REFERENCE = from_r("permutation")
BLOCKS = REFERENCE["blocks"]
SEEDS = st.integers(0, 2**32 - 1)


def by_definition(d, labels):
    """Return E from mean distances, pair by pair."""
    total = 0.0
    for i, j in itertools.combinations(np.unique(labels), 2):
        a, b = labels == i, labels == j
        between, first, second = (d[np.ix_(r, c)].mean() for r, c in ((a, b), (a, a), (b, b)))
        total += a.sum() * b.sum() / (a.sum() + b.sum()) * (2 * between - first - second)
    return total


@pytest.mark.parametrize("case", REFERENCE["etest"], ids=lambda c: c["name"])
def test_agrees_with_energy(case):
    test = eqdist_etest(np.array(case["x"]), case["sizes"], distance=case["distance"], seed=1)
    # An E of 0 is a difference of sums as large as the statistic usually is.
    assert test.statistic == pytest.approx(case["statistic"], rel=RTOL, abs=1e-10)
    assert test.method == case["method"]
    if case["name"] in ("zero distances", "n = 3"):
        # Every permutation ties with the observed one, or many do: energy's p leaves ties out.
        assert test.p_value >= case["p_value"]
    else:
        p = case["p_value"]
        assert abs(test.p_value - p) <= 4 * np.sqrt(2 * p * (1 - p) / 999) + 2e-3


def test_prints_as_energy():
    test = eqdist_etest(np.array(BLOCKS["energy_x"]), [8, 12], seed=1)
    mine, theirs = str(test).splitlines(), BLOCKS["energy"]
    assert len(mine) + 1 == len(theirs)  # R ends its block with an empty line
    for own, line in zip(mine, theirs, strict=False):
        if line.startswith("E-statistic"):  # p-values of random permutations
            own, line = own.split(", p-value")[0], line.split(", p-value")[0]
        assert own == line


@settings(max_examples=40)
@given(SEEDS, st.lists(st.integers(1, 6), min_size=2, max_size=4), st.integers(1, 3))
def test_statistic_is_its_definition(seed, sizes, p):
    x = np.random.default_rng(seed).normal(size=(sum(sizes), p))
    test = eqdist_etest(x, sizes, R=9, seed=1)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    assert test.statistic == pytest.approx(by_definition(lwd.dist(x), labels), rel=1e-9, abs=1e-9)
    assert test.statistic >= -1e-9


@pytest.mark.parametrize("sizes", [(2, 3), (1, 2, 2), (3, 3), (1, 1, 4)])
def test_exact_p_counts_every_relabelling(sizes):
    x = np.random.default_rng(sum(sizes)).integers(0, 3, size=sum(sizes)).astype(float)
    d, labels = lwd.dist(x), np.repeat(np.arange(len(sizes)), sizes)
    orders = itertools.permutations(range(len(x)))
    every = np.array([by_definition(d, labels[list(order)]) for order in orders])
    expected = np.mean(every >= every[0] - 1e-9)
    assert eqdist_etest(x, sizes).p_value == pytest.approx(expected, abs=1e-12)


@settings(max_examples=20)
@given(SEEDS, st.integers(1, 40))
def test_p_is_one_of_the_possible_values_and_a_seed_repeats_it(seed, R):
    x = np.random.default_rng(seed).normal(size=(12, 2))
    one, two = (eqdist_etest(x, [5, 7], R, seed=seed) for _ in range(2))
    assert one == two
    assert one.p_value * (R + 1) == pytest.approx(round(one.p_value * (R + 1)), abs=1e-9)
    assert 1 / (R + 1) - 1e-12 <= one.p_value <= 1


@settings(max_examples=20)
@given(SEEDS)
def test_order_in_a_sample_rotation_and_scale_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(10, 2))
    order = np.concatenate([rng.permutation(4), 4 + rng.permutation(6)])
    turn = np.linalg.qr(rng.normal(size=(2, 2)))[0]
    moved = 1e-6 * (x[order] @ turn + 5.0)
    expected = eqdist_etest(x, [4, 6], 9).statistic
    assert eqdist_etest(moved, [4, 6], 9).statistic == pytest.approx(1e-6 * expected, rel=1e-7)


def test_distances_and_points_give_the_same():
    x = np.random.default_rng(4).normal(size=(9, 2))
    d = lwd.dist(x)
    expected = eqdist_etest(x, [4, 5], seed=2)
    for given_d in (d, d[np.triu_indices(9, 1)]):
        test = eqdist_etest(given_d, [4, 5], distance=True, seed=2)
        assert test.statistic == pytest.approx(expected.statistic, rel=1e-12)
        assert test.p_value == expected.p_value
    assert test.method == "2-sample E-test of equal distributions"


def test_equal_points_never_reject():
    assert eqdist_etest(np.ones((12, 2)), [6, 6]).p_value == 1.0


def test_what_looks_like_distances_warns():
    d = lwd.dist([0.0, 1.0, 3.0, 7.0])
    with pytest.warns(UserWarning, match="distance=False"):
        eqdist_etest(d, [2, 2])


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"x": [0.0, np.nan, 1.0, 2.0]}, "x"),
        ({"x": list("abcd")}, "x"),
        ({"x": [[0, 1], [2, 0]], "distance": True}, "d"),
        ({"sizes": [4]}, "sizes"),
        ({"sizes": [2, 3]}, "sizes"),
        ({"sizes": [4, 0]}, "sizes"),
        ({"sizes": [2.0, 2.0]}, "sizes"),
        ({"sizes": 4}, "sizes"),
        ({"sizes": [[2], [2, 3]]}, "sizes"),
        ({"R": 0}, "R"),
        ({"R": [[0, 1, 2, 3]]}, "R"),
        ({"x": np.arange(9.0), "sizes": [4, 5], "seed": 1.5}, "seed"),
    ],
)
def test_bad_input_names_the_argument(arguments, argument):
    with pytest.raises(lwd.InputError) as error:
        eqdist_etest(**{"x": [0.0, 1.0, 2.0, 5.0], "sizes": [2, 2], **arguments})
    assert error.value.argument == argument


@pytest.mark.parametrize("case", REFERENCE["htest"], ids=lambda c: c["method"])
def test_htest_prints_as_r(case):
    test = HTest(
        statistic=case["statistic"],
        parameter=case["parameter"] or None,
        p_value=case["p_value"],
        conf_int=tuple(case["conf_int"]) if case["conf_int"] else None,
        estimate=case["estimate"] or None,
        null_value=case["null_value"] or None,
        alternative={"two.sided": "two-sided"}.get(case["alternative"], case["alternative"]),
        method=case["method"],
        data_name=case["data_name"],
        statistic_name=case["statistic_name"],
        conf_level=case["conf_level"] or 0.95,
    )
    # R ends its block with an empty line.
    assert [*str(test).splitlines(), ""] == [line.rstrip() for line in case["text"]]
