"""`collapse_test` against the tests that it is made of, brute force, and its two nulls."""

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

import lwdstats as lwd
from lwdstats.geometry.kernels import doubly_centred
from lwdstats.inference.permutation.adonis2 import adonis2
from lwdstats.inference.permutation.collapse_test import collapse_test, holm, max_t
from lwdstats.inference.permutation.eqdist_etest import eqdist_etest
from lwdstats.inference.permutation.scheme import quadratic_forms, scheme

QUESTIONS = from_r("questions")

SEEDS = st.integers(0, 2**32 - 1)


def a_dataset(x, query=False):
    """Return a dataset of answers (time, model, replicate, [query,] response, feature)."""
    dims = ["time", "model", "replicate", *(["query"] if query else []), "response", "feature"]
    attributes = dict.fromkeys(("title", "Conventions", "lwdstats_version", "created"), "test")
    attributes |= {"seed": "1", "spec": "{}"}
    x = np.asarray(x, dtype=np.float32)
    return xr.Dataset({"embedding": (dims, x)}, {"time": np.arange(len(x))}, attributes)


def answers(seed, shape=(2, 3, 2, 6, 4), shift=0.0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape)
    x[..., 0] += shift * np.arange(shape[1])[:, None, None]
    return x


def test_f_and_r2_are_those_of_adonis2_in_one_cell():
    x = answers(1, (1, 3, 1, 7, 4))
    model = np.repeat(list("abc"), 7)
    d = lwd.dist(x[0, :, 0].reshape(21, 4).astype(np.float32))
    square = adonis2("d ~ model", {"model": model}, d=d, permutations=9).table.loc["model"]
    root = adonis2("d ~ model", {"model": model}, d=np.sqrt(d), permutations=9).table.loc["model"]
    by_f = collapse_test(a_dataset(x), statistic="f").table.iloc[0]
    by_energy = collapse_test(a_dataset(x)).table.iloc[0]
    assert by_f["f"] == pytest.approx(square["f"], rel=1e-9)
    assert by_energy["f"] == pytest.approx(root["f"], rel=1e-9)
    assert by_f["r2"] == by_energy["r2"] == pytest.approx(square["r2"], rel=1e-9)
    assert by_f["r2_adjusted"] == pytest.approx(1 - (1 - square["r2"]) * 20 / 18, rel=1e-9)


def test_p_meets_that_of_the_energy_test():
    # With samples of one size both order the permutations alike.
    x = answers(2, (1, 3, 1, 7, 4), shift=0.35)
    mine = collapse_test(a_dataset(x), permutations=9999, seed=1).table["p_value"].iloc[0]
    theirs = eqdist_etest(x[0, :, 0].reshape(21, 4), [7, 7, 7], 9999, seed=2).p_value
    assert 0.001 < theirs < 0.5
    assert mine == pytest.approx(theirs, abs=4 * np.sqrt(2 * theirs * (1 - theirs) / 9999))


def test_cells_are_added_up_and_never_pooled():
    # Replicates that lie far apart, with models that are the same: nothing to see.
    x = answers(3, (1, 3, 4, 6, 2)) + 100.0 * np.arange(4)[:, None, None]
    apart = collapse_test(a_dataset(x), statistic="f", seed=1)
    together = collapse_test(
        a_dataset(x - 100.0 * np.arange(4)[:, None, None]), statistic="f", seed=1
    )
    np.testing.assert_allclose(apart.table["f"], together.table["f"], rtol=1e-4)
    between = within = 0.0
    for r in range(4):
        cell = x[0, :, r].astype(np.float32).astype(float)
        means = cell.mean(axis=1)
        between += 6 * ((means - means.mean(axis=0)) ** 2).sum()
        within += ((cell - means[:, None]) ** 2).sum()
    assert apart.table["f"].iloc[0] == pytest.approx((between / 8) / (within / 60), rel=1e-9)


def test_models_are_tested_with_replicates_as_blocks():
    x = answers(4, (1, 2, 4, 3, 2), shift=0.5)
    test = collapse_test(a_dataset(x), null="model", statistic="f", permutations=999)
    units = x.astype(np.float32).astype(float).mean(axis=3)[0]  # (model, replicate, feature)
    d = lwd.dist(units.reshape(8, 2))
    data = {"model": np.repeat(list("ab"), 4), "replicate": np.tile(list("wxyz"), 2)}
    table = adonis2("d ~ replicate + model", data, d=d, permutations=9).table
    assert test.table["f"].iloc[0] == pytest.approx(table.loc["model", "f"], rel=1e-6)

    def between(moved):
        means = moved.mean(axis=1)
        return ((means - means.mean(axis=0)) ** 2).sum()

    every = []
    for swaps in itertools.product([False, True], repeat=4):
        moved = np.stack(
            [units[::-1, r] if s else units[:, r] for r, s in enumerate(swaps)], axis=1
        )
        every.append(between(moved))
    expected = np.mean(np.array(every) >= every[0] - 1e-12)
    assert test.n_permutations == 15
    assert test.table["p_value"].iloc[0] == pytest.approx(expected, abs=1e-12)
    assert test.smallest_p == 2 / 16


def test_few_replicates_bound_p():
    x = answers(5, (1, 3, 2, 6, 2), shift=50.0)
    test = collapse_test(a_dataset(x), null="model")
    assert test.smallest_p == pytest.approx(1 / 6)
    assert test.table["p_value"].iloc[0] == pytest.approx(1 / 6)
    assert "Smallest possible p: 0.167" in str(test)


@pytest.mark.parametrize("statistic", ["energy", "f"])
def test_finds_models_that_differ_and_the_times_when(statistic):
    x = answers(6, (4, 3, 2, 10, 5))
    x[:2, 1, ..., 0] += 3.0
    table = collapse_test(a_dataset(x), statistic=statistic, seed=1).table
    assert np.all(table["p_adjusted"].iloc[:2] == 0.001)
    assert np.all(table["p_adjusted"].iloc[2:] > 0.05)
    assert np.all(table["p_adjusted"] >= table["p_value"])
    assert np.all(table["energy_distance"].iloc[:2] > 1.0)


def test_energy_sees_spread_where_f_sees_means():
    x = answers(7, (1, 2, 1, 40, 3))
    x[:, 1] *= 3.0
    x -= x.mean(axis=3, keepdims=True)
    by_energy, by_f = (
        collapse_test(a_dataset(x), statistic=s, seed=1).table["p_value"].iloc[0]
        for s in ("energy", "f")
    )
    assert by_energy == 0.001
    assert by_f > 0.5


def test_energy_distance_and_adjusted_r2_are_unbiased():
    x = answers(8, (400, 2, 1, 5, 3))
    table = collapse_test(a_dataset(x), permutations=1, seed=1).table
    for column in ("energy_distance", "r2_adjusted"):
        values = table[column].to_numpy()
        assert abs(values.mean()) < 4 * values.std() / 20
    shifted = answers(8, (400, 2, 1, 5, 3), shift=1.0)
    values = collapse_test(a_dataset(shifted), permutations=1, seed=1).table["energy_distance"]
    rng = np.random.default_rng(0)
    one, two, three, four = rng.normal(size=(4, 200_000, 3))
    two[:, 0] += 1.0
    far = np.linalg.norm(one - two, axis=1).mean()
    near = np.linalg.norm(three - four, axis=1).mean()
    assert values.mean() == pytest.approx(2 * far - 2 * near, abs=4 * values.std() / 20 + 0.01)


def test_queries_are_cells():
    x = answers(9, (1, 3, 2, 6, 4))
    as_query = a_dataset(x.transpose(0, 1, 2, 3, 4)[:, :, None], query=True)
    np.testing.assert_allclose(
        collapse_test(as_query, seed=3).table, collapse_test(a_dataset(x), seed=3).table, rtol=1e-9
    )


def test_another_replicate_leaves_the_permutations_of_the_others():
    x = answers(10, (1, 3, 3, 6, 4))
    x[:, :, 2] = 0.0  # adds nothing but its degrees of freedom
    two, three = (collapse_test(a_dataset(x[:, :, :r]), seed=3).f_permuted for r in (2, 3))
    np.testing.assert_allclose(three, two * (4 / 6) * (45 / 30), rtol=1e-9)


def test_answers_that_are_all_the_same_tell_nothing():
    x = np.ones((2, 3, 2, 4, 2))
    x[1] = answers(1)[0][:, :, :4, :2]
    table = collapse_test(a_dataset(x), seed=1).table
    assert table.loc[0, ["f", "r2", "r2_adjusted", "energy_distance"]].tolist() == [0, 0, 0, 0]
    assert table.loc[0, ["p_value", "p_adjusted"]].tolist() == [1, 1]
    assert table.loc[1, "p_adjusted"] == table.loc[1, "p_value"]


def test_models_that_each_repeat_themselves_are_told_apart():
    x = np.broadcast_to(np.arange(3.0)[:, None, None, None], (1, 3, 2, 5, 2))
    table = collapse_test(a_dataset(x), seed=1).table
    assert table["f"].iloc[0] == np.inf
    assert table["p_adjusted"].iloc[0] == 0.001


@settings(max_examples=20)
@given(SEEDS, st.sampled_from(["given_prompts", "model"]))
def test_seed_and_order_of_models(seed, null):
    x = answers(seed, (2, 3, 4, 4, 2))
    one, two = (collapse_test(a_dataset(x), null=null, seed=seed) for _ in range(2))
    pd.testing.assert_frame_equal(one.table, two.table)
    other = collapse_test(a_dataset(x[:, [2, 0, 1]]), null=null, seed=seed).table
    columns = ["f", "r2", "energy_distance"]
    np.testing.assert_allclose(one.table[columns], other[columns], rtol=1e-6, atol=1e-9)
    assert np.all(one.table["p_adjusted"] >= one.table["p_value"] - 1e-12)


def test_max_t_and_holm_by_hand():
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03])), [0.03, 0.06, 0.06])
    f = np.array([9.0, 1.0])
    permuted = np.array([[1.0, 2.0, 1.5], [0.5, 5.0, 1.2]])
    # f / (1 + f), each row less its mean over its standard deviation:
    # 1.59 | -1.13 0 -0.45 and -0.29 | -1.22 1.56 -0.04; the largest are -1.13, 1.56, -0.04.
    assert max_t(f, permuted).tolist() == [0.25, 0.75]
    # One time needs no adjustment.
    assert max_t(f[:1], permuted[:1]).tolist() == [0.25]


def test_weights_alone_can_be_tested_for_models():
    start = [[0.9, 0.1], [0.5, 0.5], [0.1, 0.9]]
    ds = lwd.simulate_gmm(n_steps=3, initial_weights=start, replicates=5, seed=1)
    test = collapse_test(ds.drop_vars("embedding"), [0, 3], null="model", seed=1)
    assert test.table.loc[0, "f"] == np.inf
    assert test.table["energy_distance"].isna().all()
    assert test.table.loc[0, "p_value"] < 0.01


def test_prints_its_null():
    text = str(collapse_test(a_dataset(answers(1)), seed=1))
    assert "Null hypothesis (given_prompts): at these prompts" in text
    assert "adjusted for 2 times by max-T" in text
    assert text.count("t = ") == 2


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"time": 7}, "time"),
        ({"time": []}, "time"),
        ({"time": [[0]]}, "time"),
        ({"null": "both"}, "null"),
        ({"statistic": "t"}, "statistic"),
        ({"correction": "none"}, "correction"),
        ({"permutations": 0}, "permutations"),
        ({"seed": -1}, "seed"),
        ({"ds": a_dataset(answers(1, (1, 3, 1, 6, 2))), "null": "model"}, "null"),
        ({"ds": a_dataset(answers(1, (1, 3, 1, 1, 2)))}, "ds"),
        ({"ds": a_dataset(answers(1, (1, 1, 2, 6, 2)))}, "ds"),
        ({"ds": lwd.simulate_gmm(n_steps=1, seed=1).drop_vars("embedding")}, "null"),
        ({"ds": 3}, "ds"),
    ],
)
def test_bad_input_names_the_argument(arguments, argument):
    with pytest.raises(lwd.InputError) as error:
        collapse_test(**{"ds": a_dataset(answers(1)), **arguments})
    assert error.value.argument == argument


@settings(max_examples=20)
@given(SEEDS, st.sampled_from(["given_prompts", "model"]), st.sampled_from(["energy", "f"]))
def test_identical_models_show_nothing(seed, null, statistic):
    one = np.random.default_rng(seed).normal(size=(4, 1, 2, 5, 3))
    ds = a_dataset(np.repeat(one, 3, axis=1) + 10.0)
    table = collapse_test(ds, null=null, statistic=statistic, permutations=49, seed=1).table
    for name in ("f", "r2"):
        assert table[name].tolist() == [0.0] * 4
        assert not np.signbit(table[name]).any()
    assert table["p_value"].tolist() == [1.0] * 4
    assert table["p_adjusted"].tolist() == [1.0] * 4
    if null == "model":
        assert table["r2_adjusted"].tolist() == [0.0] * 4


def test_models_that_differ_little_beside_replicates_are_told_apart():
    rng = np.random.default_rng(2)
    x = 1e-4 * rng.normal(size=(1, 3, 6, 4, 2)) + 1e-2 * np.arange(3)[:, None, None, None]
    near = a_dataset(x)
    far = a_dataset(x + 10.0 * np.arange(6)[:, None, None])
    tests = [collapse_test(d, null="model", statistic="f", seed=1).table for d in (near, far)]
    assert tests[1]["p_value"].iloc[0] < 0.01
    np.testing.assert_allclose(tests[0][["f", "r2"]], tests[1][["f", "r2"]], rtol=1e-2)


def with_gaps(x, share, seed):
    """Return answers (time, model, replicate, response, feature), some missing, no model mute."""
    rng = np.random.default_rng(seed)
    gaps = rng.random(x.shape[:-1]) < share
    gaps[..., 0] = False
    return np.where(gaps[..., None], np.nan, x)


@pytest.mark.parametrize("case", ["all", "some"])
def test_one_answer_a_question_is_vegans_test_with_questions_as_blocks(case):
    r = QUESTIONS["cases"][case]
    x = np.array(r["x"])
    x[r["missing"]] = np.nan
    ds = a_dataset(x.reshape(9, 4, 3).transpose(1, 0, 2)[None, :, None, :, None], query=True)
    test = collapse_test(ds, permutations=4999, seed=1)
    assert (test.statistic, test.one_answer) == ("f", True)
    assert "questions are the replication" in str(test)
    assert test.table["f"].iloc[0] == pytest.approx(r["f"], rel=1e-6)  # single precision
    p = r["p_value"]
    error = np.sqrt(p * (1 - p) * (1 / 999 + 1 / 4999))
    assert test.table["p_value"].iloc[0] == pytest.approx(p, abs=4 * error)


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS, replicates=st.integers(1, 3))
def test_one_answer_a_question_has_the_p_of_adonis2_in_strata(seed, replicates):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(1, 3, replicates, 4, 1, 2)) + rng.normal(size=(4, 1, 2))
    ds = a_dataset(x, query=True).assign_coords(query=range(4), replicate=range(replicates))
    test = collapse_test(ds, permutations=99, seed=seed % 1000)
    strata = ["replicate", "query"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = adonis2("d ~ model", ds, strata=strata, permutations=99, seed=test.seed)
    assert test.table["p_value"].iloc[0] == fit.table["p_value"].iloc[0]


@pytest.mark.parametrize("statistic", ["energy", "f"])
def test_answers_of_unequal_number_in_a_cell_are_those_of_adonis2(statistic):
    x = with_gaps(answers(3, (1, 6, 1, 7, 4)), 0.4, 1)
    test = collapse_test(a_dataset(x), statistic=statistic, seed=1)
    flat = x.reshape(42, 4).astype(np.float32)
    there = ~np.isnan(flat[:, 0])
    model = np.repeat(list("abcdef"), 7)[there]
    d = lwd.dist(flat[there])
    d = np.sqrt(d) if statistic == "energy" else d
    row = adonis2("d ~ model", {"model": model}, d=d, permutations=9).table.loc["model"]
    assert test.table["f"].iloc[0] == pytest.approx(row["f"], rel=1e-9)
    if statistic == "f":
        assert test.table["r2"].iloc[0] == pytest.approx(row["r2"], rel=1e-9)


@pytest.mark.parametrize("n", [3, 6])  # few groups and many are computed in different ways
@pytest.mark.parametrize("null", ["given_prompts", "model"])
def test_padding_with_missing_answers_changes_nothing(n, null):
    x = answers(4, (2, n, 3, 4, 2), shift=0.2)
    padded = np.concatenate([x, np.full_like(x, np.nan)], axis=3)[:, :, :, [4, 0, 5, 1, 2, 6, 3, 7]]
    one, two = (collapse_test(a_dataset(y), null=null, seed=1) for y in (x, padded))
    pd.testing.assert_frame_equal(one.table, two.table, rtol=1e-12)
    np.testing.assert_allclose(one.f_permuted, two.f_permuted, rtol=1e-9)


def test_padding_of_one_answer_a_question_changes_nothing():
    x = answers(5, (2, 4, 6, 1, 2), shift=0.5)
    padded = np.full((2, 4, 6, 3, 2), np.nan)
    padded[:, :, ::2, 1:2], padded[:, :, 1::2, 2:] = x[:, :, ::2], x[:, :, 1::2]
    one, two = (collapse_test(a_dataset(y), seed=1) for y in (x, padded))
    pd.testing.assert_frame_equal(one.table, two.table)


@pytest.mark.parametrize("responses", [1, 4])
def test_a_question_that_one_model_answers_changes_nothing(responses):
    x = answers(6, (1, 4, 5, responses, 3), shift=0.5)
    alone = np.full((1, 4, 1, responses, 3), np.nan)
    alone[:, 2] = 1.5
    more = np.concatenate([x, alone], axis=2)
    one, two = (collapse_test(a_dataset(y), seed=1).table for y in (x, more))
    pd.testing.assert_frame_equal(one, two)


def test_a_model_without_an_answer_somewhere_is_left_out_there():
    x = answers(7, (1, 4, 3, 5, 3), shift=1.0)
    x[:, 1, 0] = np.nan
    test = collapse_test(a_dataset(x), seed=1)
    # By cells: F is the ratio of sums over replicates, of three models in the first.
    tables = []
    for r in range(3):
        there = [m for m in range(4) if r or m != 1]
        points = x[0, there, r].reshape(-1, 3).astype(np.float32)
        d = np.sqrt(lwd.dist(points))
        data = {"model": np.repeat([str(m) for m in there], 5)}
        tables.append(adonis2("d ~ model", data, d=d, permutations=9).table)
    table = sum(t[["df", "sum_of_squares"]].set_axis(["m", "rest", "all"]) for t in tables)
    square = table["sum_of_squares"] / table["df"]
    assert test.table["f"].iloc[0] == pytest.approx(square["m"] / square["rest"], rel=1e-9)
    with pytest.raises(lwd.InputError, match="no answer at all"):
        collapse_test(a_dataset(x), null="model")


def test_what_is_asked_of_too_few_answers_is_refused():
    x = answers(8, (1, 3, 4, 1, 2))
    x[0, 0, 0] = np.nan
    with pytest.raises(lwd.InputError, match="statistic"):
        collapse_test(a_dataset(x), statistic="energy")
    assert collapse_test(a_dataset(x[:, :, 1:]), statistic="energy", seed=1).one_answer
    several = answers(9, (2, 3, 2, 3, 2))
    several[1, :, :, 1:] = np.nan
    with pytest.raises(lwd.InputError, match="time 1 without"):
        collapse_test(a_dataset(several))


@pytest.mark.parametrize("statistic", ["energy", "f"])
def test_many_models_are_permuted_as_few_are(statistic):
    """Sums of pairs in groups are the quadratic forms of all distances."""
    x = answers(10, (2, 7, 3, 2, 3), shift=0.2)
    alpha = 1 if statistic == "energy" else 2
    test = collapse_test(a_dataset(x), null="model", statistic=statistic, permutations=50, seed=1)
    plan = scheme(21, 50, np.repeat(range(3), 7), 1)
    for t in range(2):
        units = x.astype(np.float32).astype(float)[t].mean(axis=2).transpose(1, 0, 2)
        G = doubly_centred(-0.5 * squareform(pdist(units.reshape(21, 3))) ** alpha)
        axes = np.linalg.svd(np.eye(7) - 1 / 7)[0][:, :6]
        own = quadratic_forms(G, np.tile(axes, (3, 1)) / np.sqrt(3), plan).sum(axis=1)
        blocks = np.repeat(np.eye(3), 7, axis=0) / np.sqrt(7)
        rest = np.trace(G) - np.trace(blocks.T @ G @ blocks)
        expected = own / 6 / ((rest - own) / 12)
        np.testing.assert_allclose(test.f_permuted[t], expected, rtol=1e-9)
