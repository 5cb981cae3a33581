"""Square roots and added constants of `adonis2` and `betadisper`, against vegan and by law."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import from_r
from scipy.spatial.distance import squareform

import lwdstats as lwd
from lwdstats.geometry.given_distances import made_euclidean
from lwdstats.geometry.kernels import gower

RTOL = 1e-8  # linear algebra against R
UNSYMMETRIC = 1e-6  # the constant of Cailliez, which R finds among eigenvalues that are double
OPTIM = 1e-4  # vegan's medians stop at the tolerance of optim
REFERENCE = from_r("distances")
SETS = REFERENCE["sets"]
SEEDS = st.integers(0, 2**32 - 1)
ADDS = [False, True, "lingoes", "cailliez"]


def name_of(case):
    parts = [case["set"], "root" * case["sqrt_dist"], str(case["add"]), case.get("type", "")]
    return " ".join(part for part in parts if part)


def tolerance_of(case):
    return UNSYMMETRIC if case["add"] == "cailliez" else RTOL


def how(case):
    return {"sqrt_dist": case["sqrt_dist"], "add": case["add"]}


@pytest.mark.parametrize("case", REFERENCE["adonis"], ids=name_of)
def test_adonis2_agrees_with_vegan(case):
    given_set = SETS[case["set"]]
    d, data = np.array(given_set["d"]), given_set["data"]
    rows = np.array(REFERENCE["permutations"][case["set"]])
    fit = lwd.adonis2("d ~ Management + A1", data, d=d, permutations=rows, **how(case))
    assert fit.table.index.tolist() == case["terms"]
    assert fit.table["df"].tolist() == case["df"]
    tolerance = tolerance_of(case)
    scale = max(case["sum_of_squares"])
    np.testing.assert_allclose(
        fit.table["sum_of_squares"], case["sum_of_squares"], rtol=tolerance, atol=tolerance * scale
    )
    np.testing.assert_allclose(fit.table["r2"], case["r2"], rtol=tolerance, atol=tolerance)
    tested = [f for f in case["f"] if f is not None]
    np.testing.assert_allclose(fit.table["f"][: len(tested)], tested, rtol=10 * tolerance)
    whole = lwd.adonis2("d ~ Management", data, d=d, permutations=rows, **how(case)).table.iloc[0]
    assert whole["f"] == pytest.approx(case["whole_f"], rel=10 * tolerance)
    assert whole["p_value"] == pytest.approx(case["whole_p"], rel=1e-12)


@pytest.mark.parametrize("case", REFERENCE["dispersion"], ids=name_of)
def test_betadisper_and_tukey_agree_with_vegan(case):
    given_set = SETS[case["set"]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that squared distances are negative
        fit = lwd.betadisper(
            given_set["d"], given_set["data"]["Management"], type=case["type"], **how(case)
        )
    tolerance = max(tolerance_of(case), RTOL if case["type"] == "centroid" else OPTIM)
    scale = max(case["eig"])
    # vegan also drops axes by an absolute bound, and keeps those of rounding errors above it.
    theirs = np.array([e for e in case["eig"] if abs(e) > 1.1e-8 * scale])
    assert len(fit.eig) == pytest.approx(len(theirs), abs=1 if case["add"] else 0)
    k = min(len(fit.eig), len(theirs))
    np.testing.assert_allclose(fit.eig[:k], theirs[:k], rtol=0, atol=tolerance_of(case) * scale)
    length = max(case["distances"])
    np.testing.assert_allclose(
        fit.distances**2, np.square(case["distances"]), rtol=0, atol=tolerance * length**2
    )
    assert fit.anova().table["f"].iloc[0] == pytest.approx(case["f"], rel=10 * tolerance, abs=1e-6)
    for ours, theirs in (
        (fit.TukeyHSD(), "tukey"),
        (fit.TukeyHSD(ordered=True, level=0.9), "ordered"),
    ):
        names, table = case[theirs]["names"], np.array(case[theirs]["table"])
        assert sorted(ours.table.index) == sorted(names)
        ours = ours.table.loc[names].to_numpy()
        np.testing.assert_allclose(ours[:, :3], table[:, :3], rtol=0, atol=10 * tolerance * length)
        np.testing.assert_allclose(ours[:, 3], table[:, 3], rtol=0, atol=20 * tolerance)


def test_tukey_prints_as_r():
    dune = SETS["dune"]
    fit = lwd.betadisper(dune["d"], dune["data"]["Management"], type="centroid")
    shown = [str(lwd.TukeyHSD(fit)), str(lwd.TukeyHSD(fit, ordered=True, level=0.99))]
    for ours, theirs in zip(
        shown, (REFERENCE["printed"][k] for k in ("tukey", "ordered")), strict=True
    ):
        # R finds quantiles of the studentized range to about eight digits.
        assert len(ours.splitlines()) == len(theirs[:-1])
        for line, expected in zip(ours.splitlines(), theirs, strict=False):
            numbers = line.startswith(tuple(fit.levels))
            if numbers:
                assert len(line) == len(expected)
                assert [float(x) for x in line.split()[1:]] == pytest.approx(
                    [float(x) for x in expected.split()[1:]], abs=2e-8
                )
            assert (line.split()[0] == expected.split()[0]) if numbers else line == expected


@settings(max_examples=40)
@given(SEEDS, st.integers(3, 12), st.sampled_from(["lingoes", "cailliez"]), st.booleans())
def test_the_constant_is_the_smallest_that_makes_distances_euclidean(seed, n, add, root):
    rng = np.random.default_rng(seed)
    d = squareform(rng.uniform(1, 10, size=n * (n - 1) // 2))
    made, c, _ = made_euclidean(d, sqrt_dist=root, add=add)
    start = np.sqrt(d) if root else d
    assert np.linalg.eigvalsh(gower(made))[0] > -1e-9 * made.max() ** 2
    np.testing.assert_array_equal(np.diagonal(made), 0.0)
    off = ~np.eye(n, dtype=bool)
    power = 2 if add == "lingoes" else 1
    added = (made**power - start**power)[off]
    np.testing.assert_allclose(added, power * c, atol=1e-9 * d.max() ** power)
    if c > 1e-3:
        less = (start**power + 0.99 * power * c * off) ** (1 / power)
        assert np.linalg.eigvalsh(gower(less))[0] < 0


@settings(max_examples=20)
@given(SEEDS, st.sampled_from(ADDS), st.sampled_from([np.float64, np.float32]))
def test_euclidean_distances_stay_as_they_are(seed, add, dtype):
    x = np.random.default_rng(seed).normal(size=(6, 3))[[0, 0, 1, 2, 3, 4, 5]]
    d = lwd.dist(x).astype(dtype).astype(float)
    # The square roots of distances are those of points too.
    for root in (False, True):
        made, c, _ = made_euclidean(d, sqrt_dist=root, add=add)
        assert c == 0.0
        np.testing.assert_array_equal(made, np.sqrt(d) if root else d)


def test_the_constant_is_kept_and_told():
    d, data = SETS["rough"]["d"], SETS["rough"]["data"]
    fit = lwd.adonis2("d ~ Management", data, d=d, sqrt_dist=True, add=True, permutations=9, seed=1)
    assert 'sqrt.dist = TRUE, add = "lingoes"' in str(fit)
    assert lwd.glance(fit)["ac"].item() == fit.ac > 0
    spread = lwd.betadisper(d, data["Management"], add="cailliez")
    assert 'betadisper(d = d, group = group, add = "cailliez")' in str(spread)
    assert lwd.glance(spread)["ac"].item() == spread.ac == lwd.cmdscale(d, k=2, add=True).ac


@pytest.mark.parametrize(
    ("options", "argument"),
    [({"add": a}, "add") for a in ("euclid", "Lingoes", "", 1, None, ["lingoes"])]
    + [({"sqrt_dist": s}, "sqrt_dist") for s in ("yes", 1, None)],
)
def test_bad_input_names_the_argument(options, argument):
    d, data = SETS["rough"]["d"], SETS["rough"]["data"]
    for test in (
        lambda: lwd.adonis2("d ~ Management", data, d=d, **options),
        lambda: lwd.betadisper(d, data["Management"], **options),
    ):
        with pytest.raises(lwd.InputError) as error:
            test()
        assert error.value.argument == argument


def test_differences_without_variance_have_no_p_value():
    # Each group is one point, given twice, so that nothing lies off a centre.
    fit = lwd.betadisper(lwd.dist([0.0, 0.0, 1.0, 1.0, 5.0, 5.0]), list("aabbcc"))
    table = lwd.TukeyHSD(fit).table
    assert table["p adj"].isna().all()
    np.testing.assert_array_equal(table[["diff", "lwr", "upr"]], 0.0)


@pytest.mark.long
@settings(max_examples=5)
@given(SEEDS)
def test_tukey_is_that_of_distances_to_centres(seed):
    from scipy.stats import tukey_hsd

    rng = np.random.default_rng(seed)
    group = np.repeat(list("abc"), (4, 6, 9))
    fit = lwd.betadisper(lwd.dist(rng.normal(size=(19, 3))), group)
    ours = lwd.TukeyHSD(fit, level=0.9)
    theirs = tukey_hsd(*(fit.distances[group == g] for g in "abc"))
    ends = theirs.confidence_interval(0.9)
    for pair in ours.table.index:
        i, j = ("abc".index(g) for g in pair.split("-"))
        row = ours.table.loc[pair]
        assert row["diff"] == pytest.approx(theirs.statistic[i, j])
        assert row["p adj"] == pytest.approx(theirs.pvalue[i, j], abs=1e-9)
        assert (row["lwr"], row["upr"]) == pytest.approx((ends.low[i, j], ends.high[i, j]))
    ordered = lwd.TukeyHSD(fit, ordered=True)
    assert (ordered.table["diff"] >= 0).all()


@pytest.mark.parametrize(
    ("options", "argument"), [({"level": 95}, "level"), ({"ordered": "yes"}, "ordered")]
)
def test_bad_input_of_tukey_names_the_argument(options, argument):
    fit = lwd.betadisper(lwd.dist([0.0, 1.0, 5.0, 6.0, 9.0]), list("aabbb"))
    with pytest.raises(lwd.InputError) as error:
        lwd.TukeyHSD(fit, **options)
    assert error.value.argument == argument
    with pytest.raises(lwd.InputError, match="a result with TukeyHSD"):
        lwd.TukeyHSD(lwd.mantel([1, 2, 3], [3, 1, 2]))
