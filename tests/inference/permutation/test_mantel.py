"""Mantel test and protest against vegan and against enumeration by hand."""

import itertools

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import from_r
from scipy.spatial.distance import pdist, squareform
from scipy.stats import kendalltau, pearsonr, spearmanr

import lwdstats as lwd
from lwdstats.geometry.procrustes import procrustes
from lwdstats.inference.permutation.mantel import mantel, mantel_partial
from lwdstats.inference.permutation.protest import protest

RTOL = 1e-8  # linear algebra against R
REFERENCE = from_r("procrustes")
PARTIAL = from_r("distances")["mantel"]
CORRELATIONS = (("pearson", pearsonr), ("spearman", spearmanr), ("kendall", kendalltau))
SEEDS = st.integers(0, 2**32 - 1)


def by_name(cases):
    return {"argvalues": cases, "ids": [c["name"] for c in cases]}


def same_block(ours, theirs):
    """Whether the lines are R's, but for blanks, which R's formatC puts before some numbers."""
    a, b = ([line.split() for line in lines if line] for lines in (ours.splitlines(), theirs))
    return a == b


@pytest.mark.parametrize("case", **by_name(REFERENCE["mantel"]))
def test_mantel_agrees_with_r(case):
    test = mantel(case["d1"], case["d2"], method=case["method"], permutations=case["permutations"])
    assert test.statistic == pytest.approx(case["statistic"], rel=RTOL)
    np.testing.assert_allclose(test.permuted, case["perm"], rtol=RTOL, atol=RTOL)
    assert test.p_value == pytest.approx(case["p"], rel=1e-12)
    assert same_block(str(test), case["printed"])


@pytest.mark.parametrize("case", **by_name(PARTIAL))
def test_partial_mantel_and_kendall_agree_with_r(case):
    how = {"method": case["method"], "permutations": case["permutations"]}
    whole = mantel(case["x"], case["y"], **how)
    partial = mantel_partial(case["x"], case["y"], case["z"], **how)
    for test, theirs in ((whole, case), (partial, case["partial"])):
        assert test.statistic == pytest.approx(theirs["statistic"], rel=RTOL)
        np.testing.assert_allclose(test.permuted, theirs["perm"], rtol=RTOL, atol=RTOL)
        assert test.p_value == pytest.approx(theirs["p"], rel=1e-12)
        assert same_block(str(test), theirs["printed"])


@pytest.mark.long
@settings(max_examples=6)
@given(SEEDS, st.booleans())
def test_partial_p_values_by_enumeration(seed, ties):
    rng = np.random.default_rng(seed)
    x, y, z = (rng.integers(0, 4, (3, 5, 2)) if ties else rng.normal(size=(3, 5, 2))).astype(float)
    x[0], y[0], z[0] = 9.0, -4.0, 7.0  # never all alike
    orders = [list(p) for p in itertools.permutations(range(5))]
    d = squareform(pdist(x))
    for method, cor in CORRELATIONS:
        yz = cor(pdist(y), pdist(z))[0]

        def partial(order, cor=cor, yz=yz):
            own = squareform(d[np.ix_(order, order)])
            xy, xz = cor(own, pdist(y))[0], cor(own, pdist(z))[0]
            left = (1 - xz**2) * (1 - yz**2)
            return (xy - xz * yz) / np.sqrt(left) if left > 1e-12 else np.inf

        if np.isinf(partial(orders[0])):
            continue
        every = np.array([partial(order) for order in orders])
        test = mantel_partial(d, pdist(y), pdist(z), method=method)
        assert test.statistic == pytest.approx(every[0])
        assert test.p_value == pytest.approx(np.mean(every >= every[0] - 1e-9))


def test_given_distances_that_have_nothing_to_do_with_it_little_changes():
    rng = np.random.default_rng(11)
    x = rng.normal(size=(30, 2))
    y, z = x + rng.normal(size=(30, 2)), rng.normal(size=(30, 2))
    whole = mantel(pdist(x), pdist(y), permutations=99, seed=1)
    partial = mantel_partial(pdist(x), pdist(y), pdist(z), permutations=99, seed=1)
    assert partial.statistic == pytest.approx(whole.statistic, abs=0.05)
    # Given what y is made of, nothing of the association is left.
    noisy = mantel_partial(pdist(y), pdist(rng.normal(size=(30, 2))), pdist(x), seed=1)
    assert noisy.p_value > 0.05


def test_a_permutation_without_a_partial_correlation_makes_p_no_smaller():
    # Objects on a line, in one order the same distances as the third matrix has.
    x, z = np.array([0.0, 1.0, 3.0, 7.0]), np.array([1.0, 0.0, 3.0, 7.0])
    d, given = pdist(x[:, None]), pdist(z[:, None])
    test = mantel_partial(d, [1.0, 5.0, 2.0, 4.0, 3.0, 6.0], given)
    assert np.isnan(test.permuted).sum() == 1
    above = np.sum(test.permuted >= test.statistic - 1e-9)
    assert test.p_value == pytest.approx((1 + 1 + above) / 24)
    assert "NaN" not in str(test)


def test_labels_align_all_three_matrices():
    rng = np.random.default_rng(12)
    names = list("abcdef")
    frames = [
        xr.DataArray(
            squareform(pdist(rng.normal(size=(6, 2)))),
            dims=("model", "model_"),
            coords={"model": names, "model_": names},
        )
        for _ in range(3)
    ]
    order = [3, 0, 5, 1, 4, 2]
    moved = [frames[0], *(f[order, :][:, order] for f in frames[1:])]
    how = {"permutations": 99, "seed": 1}
    straight, mixed = mantel_partial(*frames, **how), mantel_partial(*moved, **how)
    np.testing.assert_allclose(mixed.permuted, straight.permuted, rtol=1e-12)
    other = frames[2].assign_coords(model=list("abcdeg"), model_=list("abcdeg"))
    with pytest.raises(lwd.InputError) as error:
        mantel_partial(*frames[:2], other)
    assert error.value.argument == "d3"


@pytest.mark.parametrize("case", **by_name(REFERENCE["protest"]))
def test_protest_agrees_with_r(case):
    test = protest(case["x"], case["y"], permutations=case["permutations"])
    assert test.statistic == pytest.approx(case["t0"], rel=RTOL)
    # 1 minus a number of size 1
    assert test.ss == pytest.approx(case["ss"], rel=RTOL, abs=1e-12)
    np.testing.assert_allclose(test.permuted, case["t"], rtol=RTOL, atol=RTOL)
    assert test.p_value == pytest.approx(case["p"], rel=1e-12)
    if case["ss"] > 1e-12:  # R prints its rounding error
        assert same_block(str(test), case["printed"])


def test_few_permutations_are_all_taken_as_in_r():
    case = REFERENCE["enumerated"]
    x, y = np.array(case["x"]), np.array(case["y"])
    test = protest(x, y)
    assert test.permutations.complete
    assert len(test.permuted) == 119
    assert test.p_value == pytest.approx(case["protest"])
    assert mantel(pdist(x), pdist(y)).p_value == pytest.approx(case["mantel"])


@settings(max_examples=15)
@given(SEEDS, st.booleans())
def test_p_values_by_enumeration(seed, ties):
    rng = np.random.default_rng(seed)
    x, y = (rng.integers(0, 3, (2, 5, 2)) if ties else rng.normal(size=(2, 5, 2))).astype(float)
    x[0], y[0] = 9.0, -4.0  # never all alike
    orders = [list(p) for p in itertools.permutations(range(5))]
    d = squareform(pdist(x))
    for method, cor in CORRELATIONS:
        all_r = [cor(squareform(d[np.ix_(o, o)]), pdist(y))[0] for o in orders]
        expected = np.mean(np.array(all_r) >= all_r[0] - 1e-9)
        test = mantel(d, pdist(y), method=method)
        assert test.statistic == pytest.approx(all_r[0])
        assert test.p_value == pytest.approx(expected)
    all_t = [np.sqrt(1 - procrustes(x, y[o], symmetric=True).ss) for o in orders]
    expected = np.mean(np.array(all_t) >= all_t[0] - 1e-7)
    assert protest(x, y).p_value == pytest.approx(expected)


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_drawn_permutations_come_near_the_exact_p(method):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(6, 2))
    y = x + rng.normal(size=(6, 2))
    for test, a, b in ((mantel, pdist(x), pdist(y)), (protest, x, y)):
        options = {"method": method} if test is mantel else {}
        exact = test(a, b, permutations=719, **options).p_value
        drawn = test(a, b, permutations=700, seed=1, **options)
        assert not drawn.permutations.complete
        error = np.sqrt(exact * (1 - exact) / 700)
        assert abs(drawn.p_value - exact) < 4 * error + 1 / 701


def test_a_seed_repeats_the_test():
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(2, 12, 2))
    for test, a, b in ((mantel, pdist(x), pdist(y)), (protest, x, y)):
        first = test(a, b)
        assert first.permutations.seed is not None
        again = test(a, b, seed=first.permutations.seed)
        np.testing.assert_allclose(again.permuted, first.permuted, rtol=1e-12)
        assert first.p_value == (1 + np.sum(first.permuted >= first.statistic)) / 1000


@settings(max_examples=20)
@given(SEEDS)
def test_unit_origin_and_direction_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, 8, 2))
    q, _ = np.linalg.qr(rng.normal(size=(2, 2)))
    a = protest(x, y, permutations=50, seed=1)
    b = protest(3 * x @ q + 5, y / 7 - 2, permutations=50, seed=1)
    np.testing.assert_allclose(a.permuted, b.permuted, atol=1e-9)
    assert a.p_value == b.p_value
    d = pdist(x)
    for method in ("pearson", "spearman", "kendall"):
        a = mantel(d, pdist(y), method=method, permutations=50, seed=1)
        b = mantel(3 * d + 1, pdist(y), method=method, permutations=50, seed=1)
        np.testing.assert_allclose(a.permuted, b.permuted, atol=1e-9)
        assert a.p_value == b.p_value


@pytest.mark.long
def test_p_values_are_uniform_when_nothing_is_associated():
    rng = np.random.default_rng(20240501)
    p = np.empty((600, 2))
    for i in range(len(p)):
        x, y = rng.normal(size=(2, 6, 2))
        p[i] = protest(x, y, permutations=719).p_value, mantel(pdist(x), pdist(y)).p_value
    for column in p.T:
        # An exact test rejects at rate floor(720 level)/720.
        for level in (0.05, 0.2, 0.5):
            error = np.sqrt(level * (1 - level) / len(p))
            assert abs(np.mean(column <= level) - level) < 3.5 * error


def test_strata_keep_their_members():
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(2, 6, 2))
    test = mantel(pdist(x), pdist(y), strata=list("aabbcc"))
    assert test.permutations.count == 7
    assert "Permutation: strata" in str(test)
    assert protest(x, y, strata=list("aaabbb")).permutations.count == 35


def test_points_and_distances_of_other_kinds():
    rng = np.random.default_rng(8)
    x = rng.normal(size=(7, 3))
    fit = lwd.cmdscale(points=x, k=3)
    assert protest(x, fit, permutations=99, seed=1).p_value == 0.01
    # Similarities have a diagonal of 1, which is not read.
    similar = np.exp(-squareform(pdist(x)))
    assert mantel(similar, pdist(x), permutations=9, seed=1).statistic < -0.9
    assert protest(x, y=x[:, :1], permutations=9, seed=1).statistic < 1


D = squareform(np.arange(1.0, 7))
X = np.random.default_rng(9).normal(size=(4, 2))


@pytest.mark.parametrize(
    ("arguments", "options", "argument"),
    [
        ((D, D[:3, :3]), {}, "d2"),
        ((D[:2, :2], D[:2, :2]), {}, "d1"),
        ((D + np.triu(D), D), {}, "d1"),
        ((D, [1.0, 2.0]), {}, "d2"),
        ((D, [1.0]), {}, "d2"),
        ((D, np.full(6, 0.1)), {}, "d2"),
        ((D * np.nan, D), {}, "d1"),
        ((D, "d"), {}, "d2"),
        ((D, D[None]), {}, "d2"),
        ((D, D), {"method": "cosine"}, "method"),
        ((D, D), {"permutations": 0}, "permutations"),
        ((D, D), {"permutations": [[0, 1, 2, 2]]}, "permutations"),
        ((D, D), {"strata": ["a"]}, "strata"),
        ((np.arange(28.0), np.arange(28.0)), {"seed": -1}, "seed"),
    ],
)
def test_bad_input_of_mantel_names_the_argument(arguments, options, argument):
    with pytest.raises(lwd.InputError) as error:
        mantel(*arguments, **options)
    assert error.value.argument == argument
    with pytest.raises(lwd.InputError) as error:
        mantel_partial(
            *arguments, D if len(arguments[0]) < 28 else np.sqrt(arguments[0]), **options
        )
    assert error.value.argument == argument


@pytest.mark.parametrize("d3", [D, 2 * D + 1, [1.0, 2.0], np.ones(6), "d"])
def test_what_a_third_matrix_may_not_be(d3):
    with pytest.raises(lwd.InputError) as error:
        mantel_partial(D, [3.0, 1.0, 2.0, 5.0, 4.0, 9.0], d3)
    assert error.value.argument == "d3"


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ((X, X[:3]), "y"),
        ((X, np.full((4, 2), 0.1)), "y"),
        ((np.full((4, 2), 0.1), X), "x"),
        ((X, "y"), "y"),
    ],
)
def test_bad_input_of_protest_names_the_argument(arguments, argument):
    with pytest.raises(lwd.InputError) as error:
        protest(*arguments)
    assert error.value.argument == argument
