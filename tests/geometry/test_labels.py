"""Observations go together by their labels where both have them, or the labels are at fault."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import lwdstats as lwd
from lwdstats.geometry.labels import labels_of, order_of
from lwdstats.geometry.out_of_sample import out_of_sample
from lwdstats.geometry.procrustes import procrustes

NAMES = [f"m{i}" for i in range(9)]
ORDER = np.array([4, 0, 7, 2, 8, 1, 6, 3, 5])
RNG = np.random.default_rng(12)
X = RNG.normal(size=(9, 3)) * [4.0, 2.0, 1.0]
Y = X + 0.2 * RNG.normal(size=(9, 3))
GROUP = list("aaabbbccc")
D, E = lwd.dist(X), lwd.dist(Y)


def as_array(d, names, order=None):
    order = np.arange(len(d)) if order is None else order
    named = [names[i] for i in order]
    coords = {"model": named, "model_": named}
    return xr.DataArray(d[np.ix_(order, order)], coords, ("model", "model_"))


def as_table(d, names, order=None):
    return as_array(d, names, order).to_pandas()


SHUFFLED = [as_array(E, NAMES, ORDER), as_table(E, NAMES, ORDER)]
# A matrix whose columns are in another order than its rows.
SHUFFLED += [SHUFFLED[1].sort_index(axis=1), SHUFFLED[0].isel(model_=np.argsort(ORDER))]
STRATA = pd.Series(GROUP, NAMES)


@pytest.mark.parametrize("second", SHUFFLED)
@pytest.mark.parametrize("make", [as_array, as_table])
def test_mantel_goes_by_labels(make, second):
    right = lwd.mantel(D, E, seed=1)
    assert right.statistic > 0.9
    test = lwd.mantel(make(D, NAMES), second, seed=1)
    assert test.statistic == pytest.approx(right.statistic)
    assert test.p_value == right.p_value
    # One that has no labels goes by its order, as ever.
    assert lwd.mantel(make(D, NAMES), E, seed=1).statistic == pytest.approx(right.statistic)
    inside = lwd.mantel(make(D, NAMES), second, strata=STRATA.iloc[ORDER], seed=1)
    expected = lwd.mantel(D, E, strata=GROUP, seed=1)
    np.testing.assert_allclose(inside.permuted, expected.permuted)


def test_protest_and_procrustes_go_by_labels():
    right, fit = lwd.protest(X, Y, seed=1), procrustes(X, Y)
    frame = pd.DataFrame(X, NAMES)
    other = pd.DataFrame(Y, NAMES).iloc[ORDER]
    arrays = [xr.DataArray(f, dims=("model", "axis")) for f in (frame, other)]
    scaled = [lwd.cmdscale(as_array(D, NAMES), 3), lwd.cmdscale(SHUFFLED[0], 3)]
    for x, y in ((frame, other), arrays, scaled, (scaled[0], other), (frame, scaled[1])):
        test = lwd.protest(x, y, seed=1)
        assert test.statistic == pytest.approx(right.statistic)
        assert test.p_value == right.p_value
        assert procrustes(x, y).ss == pytest.approx(fit.ss)
    inside = lwd.protest(frame, other, strata=STRATA.iloc[ORDER], seed=1)
    np.testing.assert_allclose(inside.permuted, lwd.protest(X, Y, strata=GROUP, seed=1).permuted)


def test_adonis2_goes_by_labels():
    table = pd.DataFrame({"g": GROUP, "z": np.arange(9.0), "s": list("xyx" * 3)}, NAMES)
    right = lwd.adonis2("d ~ g + z", table, d=D, seed=1).table
    for d in (as_array(D, NAMES), as_table(D, NAMES)):
        fit = lwd.adonis2("d ~ g + z", table.iloc[ORDER], d=d, seed=1)
        pd.testing.assert_frame_equal(fit.table, right)
        columns = {"g": table["g"].iloc[ORDER], "z": table["z"]}  # each in an order of its own
        pd.testing.assert_frame_equal(lwd.adonis2("d ~ g + z", columns, d=d, seed=1).table, right)
    inside = lwd.adonis2("d ~ z", table, d=D, strata="g", seed=1).table
    d, moved = as_array(D, NAMES), table.iloc[ORDER]
    for strata in (
        "g",
        ["g"],
        STRATA,
        STRATA.iloc[ORDER[::-1]],
        xr.DataArray(STRATA, dims="model"),
    ):
        fit = lwd.adonis2("d ~ z", moved, d=d, strata=strata, seed=1)
        pd.testing.assert_frame_equal(fit.table, inside)


def test_betadisper_goes_by_labels():
    right = lwd.betadisper(D, GROUP)
    moved = STRATA.iloc[ORDER]
    for group in (moved, moved.astype("category"), xr.DataArray(moved, dims="model")):
        fit = lwd.betadisper(as_array(D, NAMES), group)
        np.testing.assert_allclose(fit.distances, right.distances)
        assert fit.levels == ("a", "b", "c")
    # The order of a factor's levels is kept.
    levels = moved.astype(pd.CategoricalDtype(["c", "a", "b"]))
    assert lwd.betadisper(as_array(D, NAMES), levels).levels == ("c", "a", "b")


def test_out_of_sample_goes_by_labels_of_points_and_of_features():
    fit = lwd.cmdscale(as_array(D, NAMES), 3)
    right = out_of_sample(fit, D[:2], D)
    d = as_array(D, NAMES, ORDER)
    for new in (as_table(D, NAMES).iloc[:2, ORDER[::-1]], as_array(D, NAMES)[:2, ORDER]):
        np.testing.assert_allclose(out_of_sample(fit, new, d), right)
    one = pd.Series(D[0], NAMES).iloc[ORDER]
    np.testing.assert_allclose(out_of_sample(fit, one, d), right[:1])
    points = pd.DataFrame(X, NAMES, ["u", "v", "w"])
    fit = lwd.cmdscale(points=points, k=3)
    assert fit.labels == tuple(NAMES)
    new = points[["w", "u", "v"]].iloc[:2]
    np.testing.assert_allclose(
        out_of_sample(fit, new, points=points.iloc[ORDER]), fit.points[:2], atol=1e-12
    )


def test_distances_between_labelled_rows_keep_the_labels():
    table = pd.DataFrame(X, NAMES)
    other = pd.DataFrame(Y, NAMES).iloc[ORDER]
    right = lwd.mantel(D, E, seed=1).statistic
    for one, two in ((table, other), (xr.DataArray(table), xr.DataArray(other))):
        d = lwd.dist(one)
        np.testing.assert_allclose(d, D)
        assert d.dims[1] == f"{d.dims[0]}_"
        assert lwd.mantel(d, lwd.dist(two), seed=1).statistic == pytest.approx(right)
    assert lwd.cmdscale(lwd.dist(table.rename_axis("model"))).labels == tuple(NAMES)
    levels = pd.MultiIndex.from_product([["r", "s", "t"], [1, 2, 3]])
    assert labels_of(lwd.dist(pd.DataFrame(X, levels))) == tuple(levels)
    # A table that was shuffled goes with its own distances, and with no others.
    shuffled = pd.DataFrame(X).assign(g=GROUP).sample(frac=1, random_state=1)
    d = lwd.dist(shuffled[[0, 1, 2]])
    f = lwd.adonis2("d ~ g", {"g": GROUP}, d=D, seed=1).table["f"]
    np.testing.assert_allclose(lwd.adonis2("d ~ g", shuffled, d=d, seed=1).table["f"], f)
    assert isinstance(lwd.dist(pd.DataFrame(X)), np.ndarray)


SHORT = as_array(D[:8, :8], NAMES[:8])
OTHER = as_array(D, ["new", *NAMES[1:]])
TWICE = as_array(D, ["m1", *NAMES[1:]])
TABLE = pd.DataFrame({"g": GROUP}, ["new", *NAMES[1:]])


@pytest.mark.parametrize(
    ("call", "argument", "words"),
    [
        (lambda: lwd.mantel(as_array(D, NAMES), OTHER), "d2", "new in d2 only; m0 in d1 only"),
        (lambda: lwd.mantel(as_array(D, NAMES), SHORT), "d2", "m8 in d1 only"),
        (lambda: lwd.mantel(TWICE, TWICE.isel(model=ORDER, model_=ORDER)), "d2", "repeat"),
        (lambda: lwd.protest(pd.DataFrame(X, NAMES), pd.DataFrame(X, TABLE.index)), "y", "new"),
        (lambda: procrustes(lwd.cmdscale(OTHER), pd.DataFrame(X, NAMES)), "y", "m0 in y only"),
        (lambda: lwd.adonis2("d ~ g", TABLE, d=as_array(D, NAMES)), "data", "new in data only"),
        (lambda: lwd.betadisper(OTHER, STRATA), "group", "m0 in group only; new in d only"),
        (lambda: lwd.mantel(OTHER, E, strata=STRATA), "strata", "m0 in strata only"),
        (lambda: lwd.protest(X, TABLE.assign(g=1.0, z=Y[:, 0]), strata=STRATA), "strata", "m0"),
        (lambda: lwd.adonis2("d ~ g", TABLE, d=D, strata=STRATA), "strata", "m0 in strata only"),
        (lambda: lwd.adonis2("d ~ g", {"g": TABLE["g"], "h": STRATA}, d=D), "data['h']", "m0"),
        (
            lambda: lwd.cmdscale(as_table(D, NAMES).rename(columns={"m0": "new"})),
            "columns of d",
            "m0 in rows only",
        ),
        (
            lambda: out_of_sample(lwd.cmdscale(as_array(D, NAMES), 3), D, OTHER),
            "d",
            "new in d only",
        ),
        (
            lambda: out_of_sample(lwd.cmdscale(D, 3), OTHER[:1], as_array(D, NAMES)),
            "new",
            "new in new only",
        ),
    ],
)
def test_labels_that_differ_are_named(call, argument, words):
    with pytest.raises(lwd.InputError, match=words) as error:
        call()
    assert error.value.argument == argument


def test_a_table_that_was_shuffled_does_not_go_by_its_order():
    table = pd.DataFrame({"g": GROUP, "z": np.arange(9.0)}).sample(frac=1, random_state=3)
    for call in (
        lambda: lwd.adonis2("d ~ g", table, d=D),
        lambda: lwd.adonis2("d ~ g", dict(table), d=D),
        lambda: lwd.betadisper(D, table["g"]),
        lambda: lwd.mantel(D, E, strata=table["g"]),
        lambda: lwd.protest(X, pd.DataFrame(Y).loc[table.index]),
        lambda: lwd.mantel(D, pd.DataFrame(E).loc[table.index, table.index]),
        lambda: lwd.adonis2("d ~ z", pd.DataFrame({"z": X[:, 0]}), d=D, strata=table["g"]),
    ):
        with pytest.raises(lwd.InputError, match="numbers from 0 on in another order"):
            call()
    # Distances with the same numbers as labels tell what belongs to what.
    numbered = as_array(D, list(range(9)))
    right = lwd.adonis2("d ~ g", table.sort_index(), d=D, seed=1).table
    pd.testing.assert_frame_equal(lwd.adonis2("d ~ g", table, d=numbered, seed=1).table, right)
    numbered = as_array(D, list(range(9)), ORDER)
    inside = lwd.adonis2("d ~ z", table.sort_index(), d=D, strata="g", seed=1).table
    for strata in ("g", ["g"], table["g"]):
        found = lwd.adonis2("d ~ z", table, d=numbered, strata=strata, seed=1).table
        np.testing.assert_allclose(found["f"], inside["f"])
    # And the order may be said to be right.
    moved = lwd.dist(X[table.index])
    fit = lwd.adonis2("d ~ g", table.reset_index(drop=True), d=moved, seed=1)
    np.testing.assert_allclose(fit.table["f"], right["f"])


def test_rows_of_a_larger_table_go_by_their_order():
    large = pd.DataFrame({"g": ["z", *GROUP, "z"], "keep": [False] + [True] * 9 + [False]})
    right = lwd.adonis2("d ~ g", {"g": GROUP}, d=D, seed=1).table
    for part in (large[large["keep"]], large.iloc[1:10]):
        pd.testing.assert_frame_equal(lwd.adonis2("d ~ g", part, d=D, seed=1).table, right)


@given(st.permutations(list("abcdef")), st.permutations(list("abcdef")))
def test_the_order_found_is_that_of_the_labels(one, two):
    order = order_of(tuple(one), tuple(two), "y", "x")
    if order is None:
        assert one == two
    else:
        assert [two[i] for i in order] == one


def test_what_has_labels():
    index = pd.MultiIndex.from_product([["r", "s"], [1, 2]])
    assert labels_of(pd.Series(range(4), index)) == (("r", 1), ("r", 2), ("s", 1), ("s", 2))
    for x in ([1, 2], X, pd.DataFrame(X), xr.DataArray(X), lwd.cmdscale(D), pd.Categorical(GROUP)):
        assert labels_of(x) is None
    # One of 1, 1.0 and "1" is the other.
    assert order_of((2.0, 1.0), (1, 2), "y", "x").tolist() == [1, 0]
    assert order_of(("2", "1"), (1, 2), "y", "x").tolist() == [1, 0]


def test_one_replicate_and_time_of_the_distances_of_a_dataset():
    ds = lwd.simulate_gmm(n_components=3, n_steps=4, replicates=2, seed=2)
    one = lwd.dist(ds.isel(time=[4], replicate=[1]))
    assert one.shape == (1, 1, 3, 3)
    np.testing.assert_allclose(lwd.cmdscale(one).points, lwd.cmdscale(one[0, 0]).points)
    assert lwd.mantel(one, one[0, 0], permutations=5).statistic == pytest.approx(1.0)
    with pytest.raises(lwd.InputError, match=r"select one of each time, replicate"):
        lwd.cmdscale(lwd.dist(ds))


def test_the_keys_of_a_dict_are_labels():
    of = dict(zip([NAMES[i] for i in ORDER], [GROUP[i] for i in ORDER], strict=True))
    d = as_array(D, NAMES)
    ours, right = lwd.betadisper(d, of), lwd.betadisper(D, GROUP)
    np.testing.assert_allclose(ours.group_distances, right.group_distances)
    other = {**dict.fromkeys(NAMES[1:], "a"), "m9": "b"}
    with pytest.raises(lwd.InputError, match="m9 in group only; m0 in d only"):
        lwd.betadisper(d, other)
    data = {"z": np.arange(9.0)}
    one, two = (
        lwd.adonis2("d ~ z", data, d=d, strata=strata, permutations=99, seed=1)
        for strata in (of, GROUP)
    )
    np.testing.assert_array_equal(one.f_permuted, two.f_permuted)
    fit = lwd.cmdscale(d)
    shuffled = {NAMES[i]: float(E[0, i]) for i in ORDER}
    np.testing.assert_allclose(out_of_sample(fit, shuffled, d), out_of_sample(fit, E[0], D))


@pytest.mark.parametrize("group", [pd.DataFrame({"g": GROUP}), np.array([GROUP]), set(GROUP), 3])
def test_groups_are_one_label_an_observation(group):
    for call in (
        lambda: lwd.betadisper(D, group),
        lambda: lwd.mantel(D, E, strata=group),
        lambda: lwd.adonis2("d ~ z", {"z": np.arange(9.0)}, d=D, strata=group),
    ):
        with pytest.raises(lwd.InputError, match="9 labels, one an observation"):
            call()


def test_labels_of_several_levels_stay_those_of_a_scaling():
    index = pd.MultiIndex.from_product([["gemma", "llama", "qwen"], [1, 7, 70]])
    d = pd.DataFrame(D, index, index)
    fit = lwd.cmdscale(d, k=3)
    assert fit.labels[:2] == ("gemma, 1", "gemma, 7")
    moved = pd.DataFrame(X[ORDER], index[ORDER])
    assert procrustes(fit, moved).ss == pytest.approx(0.0, abs=1e-9)
    assert lwd.protest(moved, fit, permutations=19, seed=1).statistic == pytest.approx(1.0)


def test_names_in_a_column_do_not_go_by_the_order_of_its_rows():
    table = pd.DataFrame({"model": NAMES, "g": GROUP})
    right = lwd.adonis2("d ~ g", table, d=as_array(D, NAMES), seed=1).table
    shuffled = table.iloc[ORDER].reset_index(drop=True)
    with pytest.raises(lwd.InputError, match=r"labels of d in another order.*set_index\('model'"):
        lwd.adonis2("d ~ g", shuffled, d=as_array(D, NAMES))
    labelled = shuffled.set_index("model", drop=False)
    ours = lwd.adonis2("d ~ g", labelled, d=as_array(D, NAMES), seed=1).table
    pd.testing.assert_frame_equal(ours, right)
    # Another column may hold other names.
    lwd.adonis2("d ~ g", table.assign(next=[*NAMES[1:], "m9"]), d=as_array(D, NAMES))


def test_a_scaling_does_not_take_its_distances_in_another_order():
    fit = lwd.cmdscale(D, k=2)
    for other in (D[np.ix_(ORDER, ORDER)], as_array(D, NAMES, ORDER)):
        with pytest.raises(lwd.InputError, match="in another order") as error:
            out_of_sample(fit, E[0], other)
        assert error.value.argument == "d"
    fit = lwd.cmdscale(points=X, k=2)
    with pytest.raises(lwd.InputError, match="in another order"):
        out_of_sample(fit, Y[:1], points=X[ORDER])
