"""`adonis2` against vegan's, every permutation of small cases, and what must hold for any data."""

import itertools
import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import from_r
from scipy.spatial.distance import pdist, squareform
from small_runs import small_llm

import lwdstats as lwd
from lwdstats.inference.permutation.adonis2 import adonis2, gower
from lwdstats.inference.permutation.answers import answers_of
from lwdstats.inference.permutation.scheme import p_values, quadratic_forms, scheme

RTOL = 1e-8  # linear algebra against R
REFERENCE = from_r("permutation")
BLOCKS = REFERENCE["blocks"]
SEEDS = st.integers(0, 2**32 - 1)


def by_name(case):
    return case["name"]


def call(case, **more):
    keep = {"d": np.array(case["d"]), "by": case["by"], "strata": case["strata"]}
    return adonis2(f"d ~ {case['right']}", pd.DataFrame(case["data"]), **{**keep, **more})


def numbers(values):
    return np.array([np.nan if v is None else v for v in values], dtype=float)


def a_data_set(seed, n=12):
    rng = np.random.default_rng(seed)
    data = pd.DataFrame(
        {
            "g": rng.permutation(np.resize(list("abc"), n)),
            "h": rng.permutation(np.resize(list("xy"), n)),
            "z": rng.normal(size=n),
        }
    )
    return lwd.dist(rng.normal(size=(n, 3))), data


@pytest.mark.parametrize("case", REFERENCE["adonis"], ids=by_name)
def test_agrees_with_vegan(case):
    rows = np.array(REFERENCE["permutations"][case["permutations"]])
    # The rows keep to the strata, where there are any; vegan takes the same ones.
    fit = call(case, permutations=rows, strata=None, model="direct")
    table = fit.table
    assert list(table.index) == case["terms"]
    assert table["df"].tolist() == case["df"]
    scale = case["sum_of_squares"][-1]
    assert table["sum_of_squares"].to_numpy() == pytest.approx(
        case["sum_of_squares"], rel=RTOL, abs=RTOL * scale
    )
    assert table["r2"].to_numpy() == pytest.approx(case["r2"], rel=RTOL, abs=RTOL)
    f = numbers(case["f"])
    assert table["f"].to_numpy() == pytest.approx(f, rel=RTOL, abs=RTOL, nan_ok=True)
    # The same permutations, so the same p, not one that is only alike.
    p = numbers(case["p_value"])
    assert table["p_value"].to_numpy() == pytest.approx(p, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("case", REFERENCE["exact"], ids=by_name)
def test_takes_every_permutation_of_a_small_case_as_vegan(case):
    fit = call(case, model="direct")
    assert fit.permutations.complete
    assert fit.permutations.count == case["count"]
    p = numbers(case["p_value"])
    assert fit.table["p_value"].to_numpy() == pytest.approx(p, abs=1e-12, nan_ok=True)


def test_p_meets_vegan_within_monte_carlo_error():
    case = REFERENCE["monte_carlo"]
    d, data = np.array(case["d"]), pd.DataFrame(case["data"])
    for strata, theirs in ((None, case["p_value"]), (case["strata"], case["p_value_strata"])):
        fit = adonis2(
            "d ~ group + other", data, d=d, permutations=9999, strata=strata, model="direct", seed=1
        )
        mine = fit.table["p_value"].to_numpy()[:2]
        theirs = np.array(theirs)
        # Four standard errors of the difference of two such shares.
        error = 4.0 * np.sqrt(2.0 * theirs * (1.0 - theirs) / 9999)
        assert np.all(np.abs(mine - theirs) <= error + 2e-4)


def test_f_is_that_of_an_analysis_of_variance_on_a_line():
    rng = np.random.default_rng(5)
    x, group = rng.normal(size=15), np.repeat(list("abc"), 5)
    from scipy.stats import f_oneway

    fit = adonis2("d ~ g", {"g": group}, d=lwd.dist(x), permutations=9, seed=1)
    expected = f_oneway(*(x[group == g] for g in "abc"))
    assert fit.table.loc["g", "f"] == pytest.approx(expected.statistic, rel=1e-10)


def test_exact_p_counts_every_relabelling():
    x = np.array([0.0, 0.5, 0.7, 4.0, 1.0, 6.0])
    codes = np.array([0, 0, 1, 1, 1, 1])

    def between(labels):
        means = [x[labels == g].mean() for g in (0, 1)]
        return sum((labels == g).sum() * (m - x.mean()) ** 2 for g, m in enumerate(means))

    every = [between(codes[list(p)]) for p in itertools.permutations(range(6))]
    expected = np.mean(np.array(every) >= between(codes) - 1e-12)
    fit = adonis2("d ~ g", {"g": list("aabbbb")}, d=lwd.dist(x))
    assert fit.table.loc["g", "p_value"] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("by", ["terms", "margin", "overall"])
def test_prints_as_vegan(by):
    rows = np.array(REFERENCE["permutations"]["n20"])
    formula = "d ~ group" if by == "overall" else "d ~ group + z"
    fit = adonis2(
        formula,
        pd.DataFrame(BLOCKS["data"]),
        d=np.array(BLOCKS["d"]),
        permutations=rows,
        by=None if by == "overall" else by,
        model="direct",
    )
    # vegan calls it the reduced model, and permutes observations.
    mine = str(fit).replace("under direct model", "under reduced model")
    assert mine.splitlines() == BLOCKS[by]


def test_prints_a_complete_enumeration_as_vegan():
    fit = adonis2("d ~ group", {"group": list("aabbb")}, d=np.array(BLOCKS["small"]))
    assert str(fit).splitlines() == BLOCKS["exact"]


def test_shows_as_a_table():
    fit = adonis2("d ~ group", {"group": list("aabbb")}, d=np.array(BLOCKS["small"]))
    assert "<table" in fit._repr_html_()
    assert fit.to_markdown().count("\n") == 4


@settings(max_examples=25)
@given(SEEDS, st.sampled_from(["g", "g + h", "g * h", "z + g", "h * z"]))
def test_sums_of_squares_add_up(seed, right):
    d, data = a_data_set(seed)
    fit = adonis2(f"d ~ {right}", data, d=d, permutations=9, seed=1)
    squares = fit.table["sum_of_squares"]
    assert squares.iloc[:-1].sum() == pytest.approx(squares["Total"], rel=1e-10)
    assert squares["Total"] == pytest.approx((d**2).sum() / (2 * len(d)), rel=1e-10)
    assert np.all(squares > -1e-10)


@settings(max_examples=25)
@given(SEEDS)
def test_order_of_the_observations_and_names_do_not_matter(seed):
    d, data = a_data_set(seed)
    order = np.random.default_rng(seed).permutation(len(d))
    renamed = data.assign(g=data["g"].map({"a": "z", "b": "y", "c": "x"}))
    first = adonis2("d ~ g * h + z", data, d=d, permutations=9).table
    moved = renamed.iloc[order].reset_index(drop=True)
    second = adonis2("d ~ g * h + z", moved, d=d[np.ix_(order, order)]).table
    for column in ("df", "sum_of_squares", "r2", "f"):
        np.testing.assert_allclose(first[column], second[column], rtol=1e-8, atol=1e-10)


@settings(max_examples=25)
@given(SEEDS, st.integers(1, 30))
def test_p_is_one_of_the_possible_values_and_a_seed_repeats_it(seed, B):
    d, data = a_data_set(seed)
    fits = [adonis2("d ~ g + h", data, d=d, permutations=B, seed=seed) for _ in range(2)]
    p = fits[0].table["p_value"].to_numpy()[:2]
    np.testing.assert_allclose(p * (B + 1), np.round(p * (B + 1)), atol=1e-9)
    assert np.all((p >= 1 / (B + 1) - 1e-12) & (p <= 1.0))
    pd.testing.assert_frame_equal(fits[0].table, fits[1].table)


def test_the_drawn_seed_is_kept_and_repeats_the_test():
    d, data = a_data_set(3)
    first = adonis2("d ~ g", data, d=d)
    again = adonis2("d ~ g", data, d=d, seed=first.permutations.seed)
    np.testing.assert_allclose(first.f_permuted, again.f_permuted, rtol=1e-12)


@settings(max_examples=30)
@given(SEEDS, st.integers(2, 4))
def test_permutations_stay_in_their_strata_and_do_not_depend_on_the_block(seed, n_strata):
    labels = np.random.default_rng(seed).integers(0, n_strata, size=15)
    if len(np.unique(labels)) == 15:
        return
    plan = scheme(15, 40, labels, seed)
    rows = np.concatenate(list(plan.blocks()))
    assert rows.shape == (plan.count, 15)
    assert np.all(np.sort(rows, axis=1) == np.arange(15))
    assert np.all(labels[rows] == labels)
    np.testing.assert_array_equal(rows, np.concatenate(list(plan.blocks(1 << 14))))


def test_every_permutation_is_as_likely():
    rows = np.concatenate(list(scheme(5, 110, None, 7).blocks()))
    assert len(np.unique(rows, axis=0)) > 60  # drawn: there are 120
    complete = np.concatenate(list(scheme(5, 119, None, 7).blocks()))
    assert len(np.unique(complete, axis=0)) == 119
    assert not np.any(np.all(complete == np.arange(5), axis=1))
    drawn = np.concatenate(list(scheme(8, 20_000, None, 11).blocks()))
    share = (drawn[:, :, None] == np.arange(8)).mean(axis=0)
    assert np.abs(share - 1 / 8).max() < 5 * np.sqrt(1 / 8 * 7 / 8 / 20_000)


def test_forms_are_those_of_the_permuted_matrix():
    rng = np.random.default_rng(2)
    G = gower(lwd.dist(rng.normal(size=(9, 3))))
    Q = rng.normal(size=(9, 2))
    rows = np.array([rng.permutation(9) for _ in range(6)])
    expected = [np.diag(Q.T @ G[np.ix_(p, p)] @ Q) for p in rows]
    np.testing.assert_allclose(quadratic_forms(G, Q, scheme(9, rows)), expected, atol=1e-12)


@pytest.mark.parametrize("by", ["terms", "margin"])
def test_residuals_are_those_of_a_permuted_regression(by):
    # Points, so that the test can be done by least squares: Freedman and Lane's recipe.
    rng = np.random.default_rng(6)
    n = 14
    y, g, z = rng.normal(size=(n, 2)), rng.permutation(np.resize([0.0, 1.0], n)), rng.normal(size=n)
    rows = np.array([rng.permutation(n) for _ in range(8)])
    data = {"g": g, "z": z}
    fit = adonis2("d ~ g + z", data, d=lwd.dist(y), permutations=rows, by=by)

    def residuals(target, *columns):
        X = np.column_stack([np.ones(n), *columns])
        return target - X @ np.linalg.lstsq(X, target, rcond=None)[0]

    def statistic(target, tested, others):
        full = np.sum(residuals(target, tested, *others) ** 2)
        return (np.sum(residuals(target, *others) ** 2) - full) / (full / (n - 3))

    # What g is beside nothing, or beside z; sequentially, z is then what it is beside g.
    z_beside_g = residuals(z, g)
    tests = [(g, [z_beside_g if by == "terms" else z]), (z, [g])]
    for k, (tested, others) in enumerate(tests):
        assert fit.table["f"].iloc[k] == pytest.approx(statistic(y, tested, others))
        left = residuals(y, *others)
        expected = [statistic(left[row], tested, others) for row in rows]
        np.testing.assert_allclose(fit.f_permuted[:, k], expected, rtol=1e-8)


def test_one_term_is_permuted_alike_by_both_models():
    d, data = a_data_set(2)
    one, two = (adonis2("d ~ g", data, d=d, model=m, seed=1) for m in ("reduced", "direct"))
    pd.testing.assert_frame_equal(one.table, two.table)


def test_ties_count_and_rounding_does_not_undo_them():
    observed = np.array([1.0, 1e6, np.inf])
    permuted = np.array([[1.0 - 1e-12, 1e6 - 1e-5, np.inf], [0.9, 9e5, 1e300]])
    np.testing.assert_allclose(p_values(observed, permuted), 2 / 3)


def test_separate_groups_of_equal_points_have_an_infinite_f():
    fit = adonis2("d ~ g", {"g": list("aaabbb")}, d=lwd.dist([0, 0, 0, 0.3, 0.3, 0.3]))
    assert fit.table.loc["g", "f"] == np.inf
    # 2 of the 20 ways to choose three separate them.
    assert fit.table.loc["g", "p_value"] == pytest.approx(0.1, abs=1e-12)


def network(**options):
    return lwd.simulate_gmm(**{"n_steps": 3, "n_responses": 6, "seed": 4, **options})


def with_queries(ds):
    """Return the answers of a dataset to two queries, with another spread each."""
    two = xr.concat([ds["embedding"], 2.0 * ds["embedding"]], "query")
    order = ["time", "model", "replicate", "query", "response", "feature"]
    return xr.Dataset({"embedding": two.transpose(*order)}, attrs=ds.attrs)


def test_a_dataset_gives_its_answers_as_observations():
    ds = network()
    part = ds.sel(time=2, replicate=0)
    x = part["embedding"].values.reshape(18, -1).astype(float)
    by_hand = adonis2("d ~ m", {"m": np.repeat(list("abc"), 6)}, d=lwd.dist(x), seed=1)
    for selected in (part, ds.sel(time=2), ds.isel(time=[2])):
        fit = adonis2("d ~ model", selected, seed=1)
        np.testing.assert_allclose(fit.table.to_numpy(), by_hand.table.to_numpy())
    other = squareform(pdist(x, "cityblock"))
    fit = adonis2("d ~ model", part, d=other, seed=1)
    by_hand = adonis2("d ~ m", {"m": np.repeat(list("abc"), 6)}, d=other, seed=1)
    np.testing.assert_allclose(fit.table.to_numpy(), by_hand.table.to_numpy())


def test_answers_stay_in_their_replicate_and_query():
    ds = with_queries(network(replicates=2)).sel(time=2)
    x = ds["embedding"].transpose("replicate", "query", "model", "response", "feature").values
    cell = np.repeat(np.arange(4), 18)
    data = {"m": np.tile(np.repeat(list("abc"), 6), 4), "r": np.repeat(["r", "s"], 36)}
    d = lwd.dist(x.reshape(72, -1).astype(float))
    by_hand = adonis2("d ~ r + m", data, d=d, strata=cell, seed=1)
    fit = adonis2("d ~ replicate + model", ds, strata=["replicate", "query"], seed=1)
    np.testing.assert_allclose(fit.table.to_numpy(), by_hand.table.to_numpy())
    np.testing.assert_allclose(
        adonis2("d ~ replicate + model", ds, strata=cell, seed=1).table, by_hand.table
    )
    one = ds.isel(query=0)
    by_column = adonis2("d ~ model", one, strata="replicate", seed=1)
    by_labels = adonis2("d ~ model", one, strata=np.repeat(["r", "s"], 18), seed=1)
    np.testing.assert_allclose(by_column.table, by_labels.table)


def test_what_is_known_of_models_are_columns():
    ds = network(n_models=4).assign_coords(
        family=("model", ["x", "x", "y", "y"]), size=("model", [1.0, 7.0, 3.0, 2.0])
    )
    part = ds.sel(time=2, replicate=0)
    x = part["embedding"].values.reshape(24, -1).astype(float)
    data = {"family": np.repeat(list("xxyy"), 6), "size": np.repeat([1.0, 7.0, 3.0, 2.0], 6)}
    by_hand = adonis2("d ~ family + size", data, d=lwd.dist(x), seed=1)
    # Six answers of a model are not six members of its family.
    with pytest.warns(UserWarning, match="is of models, and of each") as said:
        fit = adonis2("d ~ family + size", part, seed=1)
    assert sorted(str(w.message).split()[0] for w in said) == ["family", "size"]
    assert {w.filename for w in said} == {__file__}
    adonis2("d ~ model", part, permutations=9)
    once = part.isel(response=[0])
    table = adonis2("d ~ family", once, permutations=9).table
    assert table["df"].tolist() == [1, 2, 3]
    with pytest.warns(UserWarning, match="family is of models"):
        assert lwd.betadisper(part, "family").levels == ("x", "y")
    np.testing.assert_allclose(fit.table.to_numpy(), by_hand.table.to_numpy())
    # Between models: one replicate and time of `dist`, in whatever order of the models.
    one = lwd.dist(ds.sel(time=[2]))
    data = {"family": list("xxyy"), "size": [1.0, 7.0, 3.0, 2.0]}
    by_hand = adonis2("d ~ family + size", data, d=one.values[0, 0])
    for source in (ds, part, ds.isel(model=[3, 1, 0, 2])):
        fit = adonis2("d ~ family + size", source, d=one)
        np.testing.assert_allclose(fit.table.to_numpy(), by_hand.table.to_numpy())
    frame = pd.DataFrame(data, ds["model"].values).iloc[[2, 0, 3, 1]]
    for d in (one, one.isel(time=0), one.squeeze(drop=True)):
        fit = adonis2("d ~ family + size", frame, d=d)
        np.testing.assert_allclose(fit.table.to_numpy(), by_hand.table.to_numpy())


@pytest.mark.parametrize(
    ("make", "options", "words"),
    [
        (lambda ds: ds.sel(time=2), {}, "answers of 2 replicates, pooled.*strata="),
        (lambda ds: ds.sel(time=2, replicate=0), {}, "answers of 2 queries, pooled"),
        (lambda ds: ds.sel(time=2), {"strata": "replicate"}, "answers of 2 queries, pooled"),
        (lambda ds: ds.sel(time=2), {"strata": "query"}, "answers of 2 replicates, pooled"),
        (lambda ds: ds.sel(time=2), {"strata": "model"}, "answers of 2 replicates, pooled"),
        (lambda ds: ds, {"strata": ["replicate", "query"]}, "times 0 to 3"),
        (lambda ds: ds.sel(time=2).rename(embedding="points"), {}, "without answers"),
    ],
)
def test_answers_that_are_not_exchangeable_are_refused(make, options, words):
    with pytest.raises(lwd.InputError, match=words) as error:
        adonis2("d ~ model", make(with_queries(network(replicates=2))), **options)
    assert error.value.argument == "data"


def test_strata_may_be_columns():
    rng = np.random.default_rng(3)
    data = {"z": rng.normal(size=12), "h": list("xy") * 6, "g": list("aaabbb") * 2}
    d = lwd.dist(rng.normal(size=(12, 2)))
    both = [h + g for h, g in zip(data["h"], data["g"], strict=True)]
    by_columns = adonis2("d ~ z", data, d=d, strata=["h", "g"], seed=1)
    by_labels = adonis2("d ~ z", data, d=d, strata=both, seed=1)
    np.testing.assert_allclose(by_columns.table, by_labels.table)
    data["h"][0] = None
    with pytest.raises(lwd.InputError, match="missing labels"):
        adonis2("d ~ z", data, d=d, strata=["h", "g"])


def test_strata_may_be_a_column():
    d, data = a_data_set(4)
    by_column = adonis2("d ~ z", data, d=d, strata="h", seed=1)
    by_labels = adonis2("d ~ z", data, d=d, strata=data["h"].tolist(), seed=1)
    pd.testing.assert_frame_equal(by_column.table, by_labels.table)
    assert "Blocks:  strata" in str(by_column)


def test_one_less_a_cosine_may_be_just_below_0():
    rng = np.random.default_rng(7)
    x = rng.normal(size=(16, 40)) + 2.0
    x[5], x[9] = x[2], 3.0 * x[2]
    g = {"g": list("aabb") * 4}
    right = None
    for dtype in (np.float64, np.float32):
        unit = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(dtype)
        d = 1 - unit @ unit.T
        d[2, 5], d[0, 0], d[1, 4] = -np.finfo(dtype).eps, -d[2, 5], d[1, 4] + np.finfo(dtype).eps
        assert d.min() < 0
        table = adonis2("d ~ g", g, d=d, seed=1).table
        right = table if right is None else right
        np.testing.assert_allclose(table["f"].iloc[0], right["f"].iloc[0], rtol=1e-5)
        # What was computed in single precision is told even if it is double by now.
        wide = adonis2("d ~ g", g, d=d.astype(float), seed=1).table
        np.testing.assert_allclose(wide["f"].iloc[0], table["f"].iloc[0])


D4 = lwd.dist([0.0, 1.0, 3.0, 7.0])
G4 = {"g": list("aabb")}


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"formula": "y ~ g"}, "formula"),
        ({"formula": "g"}, "formula"),
        ({"formula": "d ~ "}, "formula"),
        ({"formula": "d ~ 1"}, "formula"),
        ({"formula": "d ~ g +"}, "formula"),
        ({"formula": "d ~ nothing"}, "data"),
        ({"formula": "d ~ g | g"}, "formula"),
        ({"formula": 3}, "formula"),
        ({"formula": "d ~ g", "data": {"g": list("aaaa")}}, "formula"),
        ({"formula": "d ~ g", "data": {"g": list("abcd")}}, "formula"),
        ({"data": {"g": list("aab")}}, "data"),
        ({"data": {"g": ["a", None, "b", "b"]}}, "data"),
        ({"data": {"g": [1.0, np.inf, 2.0, 3.0]}}, "data"),
        ({"data": {"g": [1, 2], "h": [1]}}, "data"),
        ({"data": [1, 2, 3, 4]}, "data"),
        ({"d": None}, "d"),
        ({"d": np.zeros((4, 4))}, "d"),
        ({"d": np.ones((4, 4))}, "d"),
        ({"d": [[0, 1], [2, 0]]}, "d"),
        ({"d": np.where(D4 == 1.0, -1e-3, D4)}, "d"),
        ({"d": np.where(D4 == 1.0, -1e-3, D4).astype(np.float32)}, "d"),
        ({"d": D4 - 1.0 * (D4 == 1.0) - 1e-6 * (D4 == 1.0)}, "d"),
        ({"permutations": 0}, "permutations"),
        ({"permutations": 9.5}, "permutations"),
        ({"permutations": [[0, 1, 2]]}, "permutations"),
        ({"permutations": [[0, 1, 2, 2]]}, "permutations"),
        ({"permutations": [[0.0, 1.0, 2.0, 3.0]]}, "permutations"),
        ({"permutations": [[0, 1], [0]]}, "permutations"),
        ({"permutations": [[0, 1, 3, 2]], "strata": list("aabb")}, "strata"),
        ({"strata": list("aab")}, "strata"),
        ({"strata": list("abcd")}, "strata"),
        ({"strata": ["a", None, "b", "b"]}, "strata"),
        ({"strata": "nothing"}, "strata"),
        ({"by": "onedf"}, "by"),
        ({"model": "full"}, "model"),
        ({"seed": -1, "data": {"g": list("aabbaabb")}, "d": lwd.dist(np.arange(8.0))}, "seed"),
    ],
)
def test_bad_input_names_the_argument(arguments, argument):
    with pytest.raises(lwd.InputError) as error:
        adonis2(**{"formula": "d ~ g", "data": G4, "d": D4, **arguments})
    assert error.value.argument == argument


def test_sums_of_squares_of_rounding_errors_are_0():
    points = np.random.default_rng(3).normal(size=(3, 8))
    d = lwd.dist(np.repeat(points, 4, axis=0))
    table = adonis2("d ~ g", {"g": np.repeat(list("abc"), 4)}, d=d, permutations=99, seed=1).table
    assert table.loc["Residual", ["sum_of_squares", "r2"]].tolist() == [0.0, 0.0]
    assert not np.signbit(table["sum_of_squares"]).any()


@pytest.mark.parametrize(
    ("ours", "rs"),
    [
        ("C(w)", "factor(w)"),
        ("C(w)", "as.factor(w)"),
        ("I(z**2)", "I(z^2)"),
        ("z + I((z + 1)**2)", "z + I((z + 1)^2)"),
        ("(z + g)**2", "(z + g)^2"),
        ("z * C(w)", "z * factor( w )"),
    ],
)
def test_formulas_may_be_written_as_in_r(ours, rs):
    rng = np.random.default_rng(4)
    data = {"z": rng.normal(size=12), "w": np.tile([1, 2, 3], 4), "g": np.repeat(list("ab"), 6)}
    d = lwd.dist(rng.normal(size=(12, 2)))
    one, two = (adonis2(f"d ~ {f}", data, d=d, permutations=19, seed=1).table for f in (ours, rs))
    one.index = two.index  # as each is written
    pd.testing.assert_frame_equal(one, two)


def test_a_power_is_that_of_the_column():
    z = np.random.default_rng(5).normal(size=12)
    d = lwd.dist(np.arange(12.0) ** 1.5)
    one = adonis2("d ~ I(z^2)", {"z": z}, d=d, permutations=19, seed=1).table
    two = adonis2("d ~ x", {"x": z * z}, d=d, permutations=19, seed=1).table
    np.testing.assert_allclose(one.to_numpy(), two.to_numpy(), rtol=1e-9)


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("d ~ q", "no column q"),
        ("d ~ g + log(q)", "no column q"),
        ("d ~ holed", "2 missing in column holed"),
        ("d ~ I(holed^2)", "2 missing in column holed"),
        ("d ~ g + poly(holed, 2)", "2 missing in column holed"),
        ("d ~ labels", "1 missing in column labels"),
    ],
)
def test_columns_that_lack_values_are_those_of_data(formula, words):
    data = {"g": list("aabb"), "holed": [1.0, np.nan, 2.0, np.nan], "labels": ["a", None, "b", "a"]}
    with pytest.raises(lwd.InputError, match=words) as error:
        adonis2(formula, data, d=lwd.dist(np.arange(4.0) ** 2))
    assert error.value.argument == "data"


@pytest.mark.parametrize(
    ("right", "got", "takes"),
    [
        ("nothing(g)", "nothing(g) with nothing()", "or a new column of data"),
        ("z.nothing(2)", "z.nothing(2) with z.nothing()", "or a new column of data"),
        ("g +", "the end of 'd ~ g +'", "a name, number, function or bracket"),
        ("I(z % 'a')", "\"% 'a')\" in", "text in quotes"),
        ("I(z ***2)", "'*2)' in", "a name, number, function or bracket"),
    ],
)
def test_formulas_that_cannot_be_read_say_how_to_write_them(right, got, takes):
    data = {"g": list("aabb"), "z": [1.0, 2.0, 3.0, 5.0]}
    with pytest.raises(lwd.InputError) as error:
        adonis2(f"d ~ {right}", data, d=lwd.dist(np.arange(4.0) ** 2))
    assert error.value.argument == "formula"
    assert got in str(error.value)
    assert takes in error.value.takes


def test_a_pair_apart_from_four_is_one_of_the_15_ways_to_choose_two():
    d = lwd.dist([0.0, 1.0, 5.0, 6.0, 7.0, 8.0])
    fit = adonis2("d ~ group", {"group": list("aabbbb")}, d=d)
    assert fit.table.loc["group", "p_value"] * 15 == pytest.approx(1.0, abs=1e-6)


def test_answers_of_a_dataset_are_its_observations():
    ds = lwd.simulate_gmm(n_steps=5, n_responses=10, replicates=2, seed=1)
    fit = adonis2("d ~ model", ds.sel(time=0), strata="replicate", seed=1)
    # 2 replicates, 3 models, 10 answers each.
    assert fit.table["df"].to_dict() == {"model": 2, "Residual": 57, "Total": 59}


@pytest.mark.parametrize("formula", ["d ~ model", "d ~ family * model", "d ~ size + query"])
@pytest.mark.parametrize("by", ["terms", "margin", None])
@pytest.mark.parametrize("model", ["reduced", "direct"])
def test_points_give_what_their_distances_give(formula, by, model):
    """Many answers go without their distances: n k > 8 p."""
    rng = np.random.default_rng(5)
    ds = small_llm(time=1, model=6, replicate=1, query=4, response=3, feature=2).drop_vars("text")
    ds["embedding"] += rng.normal(size=(6, 1, 1, 1, 1))
    ds["embedding"][0, 2, 0, 1, 2] = np.nan  # a missing answer is no observation
    ds = ds.assign_coords(query=list("wxyz"), replicate=[0], size=("model", rng.normal(size=6)))
    ds = ds.assign_coords(family=("model", list("aabbcc")))
    points, frame = answers_of(ds, "ds")
    options = {"by": by, "model": model, "permutations": 60, "seed": 3, "strata": "query"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # covariates of models
        short = adonis2(formula, ds, **options)
    long = adonis2(formula, frame, d=lwd.dist(points), **options)
    assert len(points) == 71
    pd.testing.assert_frame_equal(short.table, long.table, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(short.f_permuted, long.f_permuted, rtol=1e-9, atol=1e-12)
