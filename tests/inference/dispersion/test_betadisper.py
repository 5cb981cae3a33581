"""`betadisper` against vegan's, medians that beat its, and what must hold for any data."""

import itertools
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from paths import from_r
from scipy.optimize import minimize
from scipy.spatial.distance import pdist, squareform
from scipy.stats import binom, f_oneway, ttest_ind

import lwdstats as lwd
from lwdstats.inference.dispersion import permuted as dispersion_permuted
from lwdstats.inference.dispersion.betadisper import BetaDisper, betadisper, permutest
from lwdstats.inference.dispersion.permuted import locations
from lwdstats.inference.dispersion.spatial_median import spatial_median, spatial_medians

RTOL = 1e-8  # linear algebra against R
OPTIM = 1e-4  # vegan's medians stop at the tolerance of optim
REFERENCE = from_r("permutation")
CASES = REFERENCE["dispersion"]
BLOCKS = REFERENCE["blocks"]
SEEDS = st.integers(0, 2**32 - 1)


def by_name(case):
    return case["name"]


def quietly(case):
    """Run betadisper where squared distances may be negative."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return betadisper(
            np.array(case["d"]), case["group"], type=case["type"], bias_adjust=case["adjust"]
        )


def spread(x, m):
    return np.sqrt(((x - m) ** 2).sum(axis=1)).sum()


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_agrees_with_vegan(case):
    fit = quietly(case)
    tolerance = RTOL if case["type"] == "centroid" else OPTIM
    scale = np.abs(case["eig"]).max()
    assert fit.eig == pytest.approx(case["eig"], rel=RTOL, abs=RTOL * scale)
    length = np.max(case["distances"])
    # A distance near 0 is the root of a difference of squares, so compare the squares.
    assert fit.distances**2 == pytest.approx(
        np.square(case["distances"]), rel=tolerance, abs=tolerance * length**2
    )
    assert fit.group_distances == pytest.approx(case["group_distances"], rel=tolerance)
    # What is made of squares carries twice the error of a distance, and more near 0.
    loose = 10 * tolerance if case["type"] == "median" else RTOL
    table = fit.anova().table
    assert table["df"].tolist() == case["anova"]["df"]
    assert table["sum_of_squares"].to_numpy() == pytest.approx(case["anova"]["ss"], rel=loose)
    assert table["mean_square"].to_numpy() == pytest.approx(case["anova"]["ms"], rel=loose)
    assert table["f"].iloc[0] == pytest.approx(case["anova"]["f"], rel=loose)
    assert table["p_value"].iloc[0] == pytest.approx(case["anova"]["p"], rel=loose)


@pytest.mark.parametrize("case", [c for c in CASES if c["type"] == "median"], ids=by_name)
def test_medians_have_no_larger_sum_of_distances_than_vegans(case):
    fit = quietly(case)
    for j in range(len(fit.levels)):
        members = fit.vectors[fit.group == j]
        for axes, theirs in zip((fit.eig > 0, fit.eig <= 0), case["objective"][j], strict=True):
            mine = spread(members[:, axes], fit.centroids[j, axes])
            assert mine <= theirs * (1 + 1e-12)
            assert mine == pytest.approx(theirs, rel=OPTIM)


@pytest.mark.parametrize("case", CASES, ids=by_name)
def test_permutation_test_agrees_with_vegan(case):
    rows = np.array(REFERENCE["permutations"][case["permutations"]])
    fit, median = quietly(case), case["type"] == "median"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of centroids of few
        test = fit.permutest(pairwise=True, permute="distances", permutations=rows)
    tolerance = OPTIM if median else RTOL
    pairs = test.pairwise
    assert pairs["statistic"].to_numpy() == pytest.approx(case["t"], rel=10 * tolerance)
    assert pairs["p_value"].to_numpy() == pytest.approx(case["pair_observed"], rel=10 * tolerance)
    # The same permutations, so the same p; one may fall on either side by optim's tolerance.
    slack = 1.01 / 200 if median else 1e-12
    assert test.table["p_value"].iloc[0] == pytest.approx(case["p_value"], abs=slack)
    np.testing.assert_allclose(pairs["p_permuted"], case["pair_permuted"], rtol=0, atol=slack)


def test_prints_as_vegan():
    fit = betadisper(np.array(BLOCKS["d"]), BLOCKS["data"]["group"], type="centroid")
    assert str(fit).splitlines() == BLOCKS["betadisper"]
    assert str(fit.anova()).splitlines() == BLOCKS["anova"]
    rows = np.array(REFERENCE["permutations"]["n20"])
    with pytest.warns(UserWarning, match="a group of 4 .* rejects too often; use permute="):
        test = permutest(fit, pairwise=True, permute="distances", permutations=rows)
    assert str(test).splitlines() == BLOCKS["permutest"]
    assert "<table" in test._repr_html_()
    lines = str(permutest(fit, permutations=rows)).splitlines()
    assert "Permutation: supplied matrix, of points about their centres" in lines


@settings(max_examples=40)
@given(SEEDS, st.integers(3, 12), st.integers(1, 15))
def test_spatial_median_is_the_minimum(seed, n, p):
    x = np.random.default_rng(seed).normal(size=(n, p))
    m = spatial_median(x)
    away = m - x
    r = np.linalg.norm(away, axis=1)
    off = r > 1e-9
    # The condition for a minimum of a convex function: 0 is a subgradient.
    slope = np.linalg.norm((away[off] / r[off, None]).sum(axis=0))
    assert slope <= np.sum(~off) + 1e-6
    found = minimize(lambda a: spread(x, a), x.mean(axis=0), method="Nelder-Mead")
    assert spread(x, m) <= found.fun + 1e-9


@pytest.mark.parametrize("seed", range(0, 900, 3))
def test_spatial_median_is_not_caught_by_a_point(seed):
    # Few points, on a grid or stretched: the path to the minimum passes close by some.
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rng.integers(3, 8), rng.integers(2, 6)))
    x = np.round(x) if seed % 2 else x * [1e3, *[1.0] * (x.shape[1] - 1)]
    m = spatial_median(x)
    away = m - x
    r = np.linalg.norm(away, axis=1)
    off = r > 1e-9
    slope = np.linalg.norm((away[off] / r[off, None]).sum(axis=0))
    assert slope <= np.sum(~off) + 1e-6


@pytest.mark.parametrize(
    ("points", "median"),
    [
        ([[0, 0], [4, 0]], [2, 0]),  # any point between them; the one half way
        ([[0, 0], [1, 1], [5, 5], [9, 9]], [3, 3]),  # on a line, even in number
        ([[0, 0], [1, 1], [9, 9]], [1, 1]),  # on a line, odd in number
        ([[0, 0], [0, 0], [0, 0], [7, 1]], [0, 0]),  # most of the points in one place
        ([[0, 0], [10, 0], [5, 1]], [5, 1]),  # an angle above 120 degrees
        ([[2, 3]], [2, 3]),
        # 1.05 pulls at the first point, where the coordinatewise median is: more than 1.
        ([[-1, 0], [1, -1], [-1, 1]], [-0.959609, 0.025606]),
        ([[1, 1], [1, 1]], [1, 1]),
        ([[0, 0], [1, 0], [0.5, 3**0.5 / 2]], [0.5, 3**0.5 / 6]),  # Fermat's point
        ([[-1e6, 0], [1e6, 0], [0, 1e6], [0, -1e6]], [0, 0]),
    ],
)
def test_spatial_median_of_known_figures(points, median):
    np.testing.assert_allclose(spatial_median(np.array(points, dtype=float)), median, atol=1e-6)


def test_distances_of_points_are_those_to_their_own_median():
    rng = np.random.default_rng(3)
    x, group = rng.normal(size=(14, 3)), np.repeat(["a", "b"], 7)
    for kind, centre in (("median", spatial_median), ("centroid", lambda y: y.mean(axis=0))):
        fit = betadisper(lwd.dist(x), group, type=kind)
        expected = np.concatenate(
            [np.linalg.norm(x[group == g] - centre(x[group == g]), axis=1) for g in ("a", "b")]
        )
        np.testing.assert_allclose(fit.distances, expected, atol=1e-7)
        by_group = [fit.distances[fit.group == j] for j in (0, 1)]
        assert fit.anova().table["f"].iloc[0] == pytest.approx(f_oneway(*by_group).statistic)
        t = permutest(fit, pairwise=True, permutations=9).pairwise["statistic"].iloc[0]
        assert t == pytest.approx(ttest_ind(*by_group).statistic)


@settings(max_examples=20)
@given(SEEDS)
def test_order_and_names_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    d = squareform(pdist(rng.normal(size=(12, 2)), "cityblock"))
    group = np.repeat(list("abc"), 4)
    order = rng.permutation(12)
    renamed = np.array([{"a": "z", "b": "y", "c": "x"}[g] for g in group])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        one = betadisper(d, group)
        two = betadisper(d[np.ix_(order, order)], renamed[order])
    np.testing.assert_allclose(one.distances[order] ** 2, two.distances**2, atol=1e-7)
    np.testing.assert_allclose(one.group_distances, two.group_distances[::-1], atol=1e-4)


@settings(max_examples=20)
@given(SEEDS, st.integers(1, 40))
def test_p_is_one_of_the_possible_values_and_a_seed_repeats_it(seed, B):
    x = np.random.default_rng(seed).normal(size=(12, 2))
    fit = betadisper(lwd.dist(x), np.repeat(list("abc"), 4))
    one, two = (permutest(fit, pairwise=True, permutations=B, seed=seed) for _ in range(2))
    p = np.array([one.table["p_value"].iloc[0], *one.pairwise["p_permuted"]])
    np.testing.assert_allclose(p * (B + 1), np.round(p * (B + 1)), atol=1e-9)
    assert np.all((p >= 1 / (B + 1) - 1e-12) & (p <= 1))
    pd.testing.assert_frame_equal(one.pairwise, two.pairwise)


def test_permuted_statistics_are_those_of_permuted_residuals():
    rng = np.random.default_rng(8)
    fit = betadisper(lwd.dist(rng.normal(size=(11, 3))), list("aaabbbbcccc"))
    rows = np.array([rng.permutation(11) for _ in range(5)])
    test = permutest(fit, permute="distances", permutations=rows)
    residuals = fit.distances - fit.group_distances[fit.group]
    for row, f in zip(rows, test.f_permuted, strict=True):
        moved = residuals[row]
        expected = f_oneway(*(moved[fit.group == j] for j in range(3))).statistic
        assert f == pytest.approx(expected, rel=1e-9)


def by_hand(x, negative, group, kind, adjust):
    """Return distances (n,) of points to their group's centre; some axes are imaginary."""
    z = np.empty(len(x))
    for j in np.unique(group):
        square = 0.0
        for axes, sign in ((~negative, 1.0), (negative, -1.0)):
            own = x[group == j][:, axes]
            if kind == "centroid" or own.shape[1] == 0:
                centre = own.mean(axis=0)
            else:
                found = minimize(lambda a: spread(own, a), own.mean(axis=0), method="BFGS")  # noqa: B023
                centre = found.x
            square = square + sign * ((own - centre) ** 2).sum(axis=1)
        m = np.sum(group == j)
        z[group == j] = np.sqrt(np.maximum(square, 0.0)) * np.sqrt(m / (m - 1)) ** adjust
    return z


def aligned(x, negative, group):
    """Return points (n, k) less the place where Cauchy's loss of their group is smallest."""
    out = np.zeros_like(x)
    for axes in (~negative, negative):
        own = x[:, axes]
        if not own.shape[1]:
            continue
        medians = np.array([spatial_median(own[group == j]) for j in np.unique(group)])
        scale = np.median(np.linalg.norm(own - medians[group], axis=1))
        scale *= min(1.0, 4.0 / own.shape[1]) ** 0.5
        for j, median in enumerate(medians):
            y = own[group == j]
            found = minimize(cauchy, median, (y, scale), jac=True, options={"gtol": 1e-9})
            out[np.ix_(group == j, axes)] = y - found.x
    return out


def cauchy(place, y, scale):
    """Return Cauchy's loss of points (m, p) about a place, and its gradient."""
    away = place - y
    square = scale**2 + (away**2).sum(axis=1)
    return np.log(square).sum(), (2.0 * away / square[:, None]).sum(axis=0)


@settings(max_examples=40)
@given(SEEDS, st.integers(1, 12), st.floats(1e-3, 1e3))
@example(seed=1000000, p=1, size=1.0)  # takes more than 100 steps
def test_places_move_and_turn_with_the_points_and_lie_where_the_loss_is_flat(seed, p, size):
    rng = np.random.default_rng(seed)
    group = np.repeat([0, 1, 2], [1, 4, 9])
    x = rng.lognormal(size=(14, p))
    places = locations(x, group)
    np.testing.assert_allclose(places[0], x[0], rtol=1e-12)
    medians = np.array([spatial_median(x[group == j]) for j in range(3)])
    away = np.linalg.norm(x - medians[group], axis=1)
    scale = np.median(away[away > 1e-10])  # without those on their median
    scale *= min(1.0, 4.0 / p) ** 0.5
    for j, place in enumerate(places):
        slope = cauchy(place, x[group == j], scale)[1]
        assert np.linalg.norm(slope) <= 1e-6 / scale
    turn = np.linalg.qr(rng.normal(size=(p, p)))[0]
    shift = rng.normal(size=(3, p))
    # Points on a line, even in number, have many medians; the one that is taken turns with them.
    moved = locations(size * (x @ turn + shift[group]), group)
    np.testing.assert_allclose(moved, size * (places @ turn + shift), rtol=1e-6, atol=1e-6 * size)


def test_places_of_groups_that_are_points_are_these():
    x, group = np.repeat([[1.0, 2.0], [3.0, 4.0], [0.0, 0.1]], 4, axis=0), np.repeat([0, 1, 2], 4)
    np.testing.assert_allclose(locations(x, group), x[::4])
    x[-1] = 5.0  # most points on their medians say nothing of the scale
    np.testing.assert_allclose(locations(x, group)[:2], x[:8:4])
    assert np.linalg.norm(locations(x, group)[2] - x[8]) > 0.0


@pytest.mark.parametrize("kind", ["centroid", "median"])
@pytest.mark.parametrize("axes", [3, 14])
@pytest.mark.parametrize("euclidean", [True, False])
@pytest.mark.parametrize("adjust", [False, True])
def test_permuted_statistics_are_those_of_permuted_points(kind, axes, euclidean, adjust):
    rng = np.random.default_rng(axes)
    n, group = 18, np.repeat([0, 1, 2], [5, 6, 7])
    d = squareform(pdist(rng.normal(size=(n, axes)), "euclidean" if euclidean else "cityblock"))
    if not euclidean:
        d **= 1.5
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of negative squares
        fit = betadisper(d, group, type=kind, bias_adjust=adjust)
    assert (fit.eig < 0).any() == (not euclidean)
    rows = np.array([rng.permutation(n) for _ in range(6)])
    test = permutest(fit, pairwise=True, permutations=rows)
    counts = np.bincount(group)
    negative = fit.eig < 0
    residuals = (
        aligned(fit.vectors, negative, group) * np.sqrt(counts / (counts - 1.0))[group, None]
    )
    close = {"rel": 1e-6, "abs": 1e-7} if kind == "centroid" else {"rel": 2e-4, "abs": 1e-5}
    counted = dict.fromkeys([(0, 1), (0, 2), (1, 2)], 1)
    for row, f in zip(rows, test.f_permuted, strict=True):
        z = by_hand(residuals[row], negative, group, kind, adjust)
        assert f == pytest.approx(f_oneway(*(z[group == j] for j in range(3))).statistic, **close)
        for pair in counted:
            mine = np.isin(group, pair)
            # The members of the pair, in the order in which the row names them.
            order = [i for i in row if mine[i]]
            z = by_hand(residuals[order], negative, group[mine], kind, adjust)
            t = ttest_ind(*(z[group[mine] == j] for j in pair)).statistic
            first, second = (fit.distances[group == j] for j in pair)
            counted[pair] += abs(t) >= abs(ttest_ind(first, second).statistic)
    np.testing.assert_allclose(test.pairwise["p_permuted"] * 7, list(counted.values()))


@settings(max_examples=20)
@given(SEEDS, st.sampled_from(["centroid", "median"]))
def test_points_and_their_products_give_the_same(seed, kind):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(15, 12)) * np.geomspace(1, 0.1, 12)
    x[3] = x[4] = x[5]  # where points coincide, they may be the median
    fit = betadisper(lwd.dist(x), np.repeat(list("abc"), 5), type=kind)
    by_products = permutest(fit, permutations=30, seed=1).f_permuted
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dispersion_permuted, "_FEW_AXES", 100)
        by_points = permutest(fit, permutations=30, seed=1).f_permuted
    np.testing.assert_allclose(by_products, by_points, rtol=1e-7)


@settings(max_examples=20)
@given(SEEDS, st.sampled_from(["centroid", "median"]), st.integers(1, 3))
def test_to_permute_within_groups_changes_nothing(seed, kind, p):
    rng = np.random.default_rng(seed)
    fit = betadisper(lwd.dist(rng.normal(size=(12, p))), np.repeat(list("abc"), 4), type=kind)
    within = np.concatenate([rng.permutation(4) + 4 * j for j in range(3)])
    exchanged = np.roll(np.arange(12), 4)
    test = permutest(fit, permutations=[within, exchanged])
    # Ties, which must count.
    np.testing.assert_allclose(test.f_permuted, test.table["f"].iloc[0], rtol=1e-9)
    assert test.table["p_value"].iloc[0] == 1.0


@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "draw", "m", "sets"),
    [
        ("centroid", "normal", 10, 1000),
        ("centroid", "lognormal", 5, 600),
        ("median", "normal", 8, 400),
    ],
)
def test_rejects_as_often_as_it_says(kind, draw, m, sets):
    rng, B = np.random.default_rng(7), 39
    group, hits = np.repeat([0, 1, 2], m), 0
    for seed in range(sets):
        x = getattr(rng, draw)(size=(3 * m, 3)) + 5.0 * rng.normal(size=(3, 3))[group]
        fit = betadisper(squareform(pdist(x)), group, type=kind)
        hits += permutest(fit, permutations=B, seed=seed).table["p_value"].iloc[0] <= 0.05 + 1e-12
    # To permute distances rejects .065 with centroids (benchmarks/validity/size_permutation.md);
    # aligned by their means, five lognormal points a group are rejected three times as often as
    # they should.
    low, high = binom.interval(0.999, sets, 0.05)
    assert low <= hits <= high


@pytest.mark.parametrize("p", [2, 5, 30])
def test_medians_of_many_groups_are_those_of_each(p):
    rng = np.random.default_rng(p)
    x = rng.normal(size=(40, 6, p)) * np.geomspace(1, 0.05, p)
    x[::2] = np.round(2 * x[::2])  # with points that coincide
    for own, m in zip(x, spatial_medians(x), strict=True):
        np.testing.assert_allclose(spread(own, m), spread(own, spatial_median(own)), rtol=1e-12)
        away = m - own
        r = np.linalg.norm(away, axis=1)
        off = r > 1e-9
        slope = np.linalg.norm((away[off] / r[off, None]).sum(axis=0))
        assert slope <= np.sum(~off) + 1e-6


def test_a_dataset_gives_its_answers():
    ds = lwd.simulate_gmm(n_steps=3, n_responses=6, replicates=2, seed=4)
    part = ds.sel(time=2, replicate=1)
    x = part["embedding"].values.reshape(18, -1).astype(float)
    by_hand = betadisper(lwd.dist(x), np.repeat(["0", "1", "2"], 6))
    for selected in (part, ds.isel(time=[2], replicate=[1])):
        fit = betadisper(selected, "model")
        np.testing.assert_allclose(fit.distances, by_hand.distances)
        assert fit.levels == by_hand.levels
    np.testing.assert_allclose(betadisper(part, by_hand.group).distances, by_hand.distances)


@pytest.mark.parametrize(
    ("make", "argument", "words"),
    [
        (lambda ds: (ds.sel(time=2), "model"), "d", "answers of 2 replicates, pooled"),
        (lambda ds: (ds.sel(replicate=0), "model"), "d", "times 0 to 3"),
        (lambda ds: (ds.sel(time=2, replicate=0), "dose"), "group", "dose"),
        (
            lambda ds: (ds.sel(time=2, replicate=0).drop_vars("embedding"), "model"),
            "d",
            "without answers",
        ),
    ],
)
def test_answers_that_are_not_exchangeable_are_refused(make, argument, words):
    ds = lwd.simulate_gmm(n_steps=3, n_responses=6, replicates=2, seed=4)
    with pytest.raises(lwd.InputError, match=words) as error:
        betadisper(*make(ds))
    assert error.value.argument == argument


def test_tells_dispersions_apart():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(40, 3)) * np.repeat([1.0, 3.0], 20)[:, None]
    test = permutest(betadisper(lwd.dist(x), np.repeat(["a", "b"], 20)), seed=1)
    assert test.table["p_value"].iloc[0] == pytest.approx(0.001)


@pytest.mark.parametrize("make", [pd.Categorical, pd.CategoricalIndex, pd.Series])
def test_levels_have_the_order_of_the_categories(make):
    group = pd.Categorical(list("aabbcc"), categories=list("cxab"))
    fit = betadisper(lwd.dist(np.arange(6.0) ** 2), make(group))
    assert fit.levels == ("c", "a", "b")  # R's factor(..., levels = c("c", "x", "a", "b"))
    np.testing.assert_array_equal(fit.group, [1, 1, 2, 2, 0, 0])
    plain = betadisper(lwd.dist(np.arange(6.0) ** 2), list("aabbcc"))
    np.testing.assert_allclose(fit.group_distances, plain.group_distances[[2, 0, 1]])


def test_negative_squares_warn():
    rng = np.random.default_rng(0)
    d = squareform(rng.uniform(1, 10, size=45))
    with pytest.warns(UserWarning, match="squared distances are negative"):
        fit = betadisper(d, np.repeat(["a", "b"], 5))
    assert isinstance(fit, BetaDisper)
    assert np.isfinite(fit.distances).all()


D4 = lwd.dist([0.0, 1.0, 3.0, 7.0])


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"d": [[0, 1], [2, 0]]}, "d"),
        ({"d": np.zeros((4, 4))}, "d"),
        ({"group": list("aab")}, "group"),
        ({"group": list("aaaa")}, "group"),
        ({"group": list("abcd")}, "group"),
        ({"group": ["a", None, "b", "b"]}, "group"),
        ({"type": "mean"}, "type"),
        ({"group": list("aaab"), "bias_adjust": True}, "bias_adjust"),
    ],
)
def test_bad_input_names_the_argument(arguments, argument):
    with pytest.raises(lwd.InputError) as error:
        betadisper(**{"d": D4, "group": list("aabb"), **arguments})
    assert error.value.argument == argument


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"x": D4}, "x"),
        ({"permute": "residuals"}, "permute"),
        ({"permutations": 0}, "permutations"),
        ({"permutations": [[1]]}, "permutations"),
    ],
)
def test_bad_input_of_the_test_names_the_argument(arguments, argument):
    with pytest.raises(lwd.InputError) as error:
        permutest(**{"x": betadisper(D4, list("aabb")), **arguments})
    assert error.value.argument == argument


@settings(max_examples=30)
@given(SEEDS, st.sampled_from(["median", "centroid"]), st.floats(1e-6, 1e6))
def test_groups_that_are_points_have_no_dispersion(seed, kind, size):
    points = np.random.default_rng(seed).normal(size=(3, 20))
    points *= size / np.linalg.norm(points, axis=1, keepdims=True)
    d = lwd.dist(np.repeat(points, 6, axis=0))
    fit = betadisper(d, np.repeat(list("abc"), 6), type=kind)
    assert not fit.distances.any()
    table = fit.anova().table
    assert table["sum_of_squares"].tolist() == [0.0, 0.0]
    assert np.isnan(table.loc["Groups", ["f", "p_value"]].to_numpy(dtype=float)).all()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of few observations about a centroid
        for permute in ("points", "distances"):
            test = permutest(fit, pairwise=True, permute=permute, permutations=99, seed=1)
            assert np.isnan(test.table.loc["Groups", "f"])
            assert test.table.loc["Groups", "p_value"] == 1.0
            assert test.pairwise["p_permuted"].tolist() == [1.0, 1.0, 1.0]
            assert test.pairwise["statistic"].isna().all()


def test_a_small_dispersion_is_no_rounding_error():
    x = np.concatenate([np.arange(4) * 1e-9, 1.0 + np.arange(4) * 3e-9])
    fit = betadisper(lwd.dist(x), list("aaaabbbb"))
    np.testing.assert_allclose(fit.group_distances, [1e-9, 3e-9], rtol=1e-5)
    wide = betadisper(lwd.dist(np.tile(np.arange(4.0), 2) * np.repeat([1, 3], 4)), list("aaaabbbb"))
    f = [one.anova().table.loc["Groups", "f"] for one in (fit, wide)]
    np.testing.assert_allclose(*f, rtol=1e-4)


@pytest.mark.parametrize("d", [[1, 2, 3], [1.0, 0.7, 0.9], [1 / 3, 0.2, 0.3]])
def test_two_points_and_one_leave_nothing_within_groups(d):
    fit = betadisper(d, ["a", "a", "b"])  # two points are always as far from their centre
    table = fit.anova().table
    assert table.loc["Residuals", "sum_of_squares"] == 0.0
    assert table.loc["Groups", "f"] == np.inf
    assert np.isnan(table.loc["Groups", "p_value"])
    assert permutest(fit).table.loc["Groups", "p_value"] == 1.0


@pytest.mark.long
@pytest.mark.parametrize("kind", ["centroid", "median"])
@pytest.mark.parametrize("texts", ["aaabcd", "aabbcc", "aaaabc", "aaaaab", "aabcde", "aaabbb"])
def test_repeated_answers_reject_no_true_null_too_often(texts, kind):
    # Every way to split six answers in two is as likely where the groups answer alike, and every
    # permutation is taken: then a share of at most alpha of the splits may have p <= alpha.
    places = np.random.default_rng(5).normal(size=(5, 4))
    d = lwd.dist(places[["abcde".index(text) for text in texts]])
    p, by_pair = [], []
    for chosen in itertools.combinations(range(6), 3):
        group = np.isin(range(6), chosen)
        test = permutest(betadisper(d, group, type=kind), permutations=719, pairwise=True)
        assert test.permutations.complete
        p.append(test.table["p_value"].iloc[0])
        by_pair.append(test.pairwise["p_permuted"].iloc[0])
    for found in (np.array(p), np.array(by_pair)):
        for alpha in np.unique(found):
            assert np.mean(found <= alpha + 1e-12) <= alpha + 1e-12


@pytest.mark.parametrize("kind", ["centroid", "median"])
@pytest.mark.parametrize("shift", [0.0, 2.0])
def test_one_answer_that_differs_shows_nothing(kind, shift):
    # Whoever gave it: all arrangements tie, with F as observed, so that p is 1; also where the
    # groups lie apart.
    x = shift * np.outer(np.repeat([0.0, 1.0], 5), np.arange(8.0))
    x[7] += np.random.default_rng(6).normal(size=8)
    fit = betadisper(lwd.dist(x), np.repeat(["a", "b"], 5), type=kind)
    test = permutest(fit, permutations=199, pairwise=True, seed=1)
    assert test.table["p_value"].iloc[0] == 1.0
    assert test.pairwise["p_permuted"].iloc[0] == 1.0
