"""Terms of `adonis2` as R reads them, nested and aliased ones too, by vegan's numbers."""

import numpy as np
import pandas as pd
import pytest
from paths import from_r

import lwdstats as lwd
from lwdstats.inference.permutation.adonis2 import adonis2

REFERENCE = from_r("adonis")
RTOL = 1e-8  # linear algebra against R


def data_of(case):
    data = pd.DataFrame(REFERENCE["sets"][case["set"]]["data"])
    if "half" in data:  # a level that does not occur
        data["half"] = pd.Categorical(data["half"], REFERENCE["levels"]["half"])
    if "wet" in data:
        data["wet"] = pd.Categorical(data["wet"], REFERENCE["levels"]["wet"], ordered=True)
    return data[case["columns"]] if "columns" in case else data


def numbers(values):
    return np.array([np.nan if v in (None, "Inf", "-Inf") else v for v in values], dtype=float)


@pytest.mark.parametrize("case", REFERENCE["cases"], ids=lambda c: f"{c['right']}, {c['by']}")
def test_agrees_with_vegan(case):
    d = np.array(REFERENCE["sets"][case["set"]]["d"])
    rows = np.array(REFERENCE["permutations"][case["set"]])
    call = {"d": d, "permutations": rows, "by": case["by"], "model": "direct"}
    table = adonis2(f"d ~ {case['right']}", data_of(case), **call).table
    assert table.index.tolist() == case["terms"]
    assert table["df"].tolist() == case["df"]
    squares = table["sum_of_squares"].to_numpy()
    # Two columns that differ by 1e-5 of their size lose as many digits, in R too.
    rtol = 1e-5 if "near" in case["right"] else RTOL
    assert squares == pytest.approx(case["sum_of_squares"], rel=rtol, abs=rtol * squares[-1])
    # What has no degrees of freedom has neither F nor p; R may show what rounding left of 0.
    tested = table["df"].to_numpy()[:-2] > 0
    for column, theirs in (("f", case["f"]), ("p_value", case["p_value"])):
        mine, theirs = table[column].to_numpy()[:-2], numbers(theirs)[:-2]
        assert mine[tested] == pytest.approx(theirs[tested], rel=rtol)
        assert np.isnan(mine[~tested]).all()
    if case["by"] == "margin":
        assert not squares[:-2][~tested].any()


def test_nested_terms_of_the_dune_meadow_in_both_orders():
    # Printed by vegan 2.6.4: 7 and 0 degrees of freedom, 1.1684.
    d, data = (
        np.array(REFERENCE["sets"]["dune"]["d"]),
        pd.DataFrame(REFERENCE["sets"]["dune"]["data"]),
    )
    for right in ("combo + Management", "Management + combo"):
        fit = adonis2(f"d ~ {right}", data, d=d, by="margin", permutations=19, seed=1)
        assert fit.table.loc[["combo", "Management"], "df"].tolist() == [7, 0]
        assert fit.table.loc["combo", "sum_of_squares"] == pytest.approx(1.1684, abs=5e-5)
        assert fit.table.loc["Management", "sum_of_squares"] == 0.0
        assert np.isnan(fit.f_permuted[:, list(fit.table.index).index("Management")]).all()
        assert "Management  0" in str(fit)


@pytest.mark.parametrize("model", ["reduced", "direct"])
def test_collinear_columns_have_nothing_of_their_own(model):
    rng = np.random.default_rng(8)
    z = rng.normal(size=15)
    data = {"z": z, "fahrenheit": 1.8 * z + 32.0, "kelvin": z + 273.15}
    d = lwd.dist(rng.normal(size=(15, 2)) + z[:, None])
    for right in ("z + fahrenheit", "fahrenheit + z", "kelvin + z + fahrenheit"):
        table = adonis2(f"d ~ {right}", data, d=d, by="margin", model=model, seed=1).table
        assert not table["df"].iloc[:-2].any()
        assert not table["sum_of_squares"].iloc[:-2].any()
        assert table["p_value"].isna().all()
    whole = adonis2("d ~ kelvin + z", data, d=d, by=None, seed=1).table
    alone = adonis2("d ~ z", data, d=d, seed=1).table
    np.testing.assert_allclose(whole.iloc[0], alone.iloc[0])


def test_reordering_terms_changes_no_marginal_test():
    rng = np.random.default_rng(9)
    n = 24
    levels = {"g": "abc", "h": "xy", "k": "uvw"}
    data = pd.DataFrame({k: rng.permutation(np.resize(list(v), n)) for k, v in levels.items()})
    data["nested"] = data["g"] + data["h"]
    d = lwd.dist(rng.normal(size=(n, 3)))

    def marginal(right):
        table = adonis2(f"d ~ {right}", data, d=d, by="margin", permutations=9, seed=1).table
        table.index = [":".join(sorted(name.split(":"))) for name in table.index]
        return table[["df", "sum_of_squares", "f"]].sort_index()

    for one, two in (
        ("g + h + k + g:h + h:k", "k + h + g + h:k + h:g"),
        ("g + nested + k", "nested + k + g"),
        ("g * h * k - g:h:k", "k * h + g * h + k * g"),
    ):
        pd.testing.assert_frame_equal(marginal(one), marginal(two))


SMALL = {"z": [1.0, 2.0, 4.0, 3.0, 7.0, 5.0], "g": list("aabbab"), "h": list("xyxyxy")}


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("d ~ z - 1", "without an intercept"),
        ("d ~ 0 + z + g", "without an intercept"),
        ("d ~ 2:z", "with the number 2"),
        ("d ~ z:1", "with the number 1"),
        ("d ~ 2*z", "the number 2.*arithmetic"),
        ("d ~ z - -g", "two signs"),
        ("d ~ g + -z", "two signs"),
        ("d ~ offset(z) + g", r"offset\(\)"),
        ("d ~ lag(z)", r"lag\(\)"),
        ("d ~ {z + 1}", r"'{z \+ 1}' in.*I\("),
        ("d ~ (z + g)^0", "formula: "),
        ("d ~ z^g", "positive integer"),
        ("d ~ g h", "'h' in .*one operator"),
        ("d ~ -g", "formula: "),
        ("d ~ z || g", "formula: "),
    ],
)
def test_what_r_reads_otherwise_is_refused_by_name(formula, words):
    with pytest.raises(lwd.InputError, match=words) as error:
        adonis2(formula, SMALL, d=lwd.dist(SMALL["z"]))
    assert error.value.argument == "formula"
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (pd.date_range("2024-01-01", periods=6), "dates.*elapsed time"),
        (pd.date_range("2024-01-01", periods=6).date, "dates.*elapsed time"),
        (pd.to_timedelta(range(6), unit="h"), "durations.*elapsed time"),
        (pd.period_range("2024-01", periods=6, freq="M"), "periods.*elapsed time"),
        (np.arange(6) + 1j, "complex"),
        ([1, 2, None, 4, 5, 6], "1 missing in column v"),
        ([{}, {}, {}, {}, {}, {}], "mixed"),
    ],
)
def test_columns_that_are_neither_numbers_nor_a_factor_are_refused(column, words):
    with pytest.raises(lwd.InputError, match=words) as error:
        adonis2("d ~ v", pd.DataFrame({"v": column}), d=lwd.dist(SMALL["z"]))
    assert error.value.argument.startswith("data")


def test_columns_of_every_type_of_numbers_and_text():
    d = lwd.dist(np.random.default_rng(2).normal(size=(6, 2)))
    w, yes = pd.Series([1, 2, 3, 1, 2, 3]), pd.Series([True, False, True, True, False, False])
    g = pd.Series(SMALL["g"])

    def squares(column, right="v"):
        frame = pd.DataFrame({"v": column, "z": SMALL["z"]})
        return adonis2(f"d ~ {right}", frame, d=d, permutations=9, seed=1).table["sum_of_squares"]

    for kind in ("int8", "uint16", "float32", "Int64", "Float32", object):
        np.testing.assert_allclose(squares(w.astype(kind)), squares(w.astype(float)))
    for kind in ("string", object, "category"):
        np.testing.assert_allclose(squares(g.astype(kind)), squares(g))
    # R: a truth value is a factor, with a slope for each in an interaction alone.
    for column in (yes, yes.astype("boolean"), yes.astype(object)):
        expected = squares(yes.map({True: "t", False: "f"}), "v:z")
        np.testing.assert_allclose(squares(column, "v:z"), expected)


def test_two_columns_of_one_name_are_refused():
    frame = pd.DataFrame(np.arange(12.0).reshape(6, 2), columns=["v", "v"])
    with pytest.raises(lwd.InputError, match="more than one column v"):
        adonis2("d ~ v", frame, d=lwd.dist(SMALL["z"]))


@pytest.mark.parametrize(
    ("formula", "plain"),
    [
        ("mean.length", "z"),
        ("g * mean.length", "g * z"),
        ("I(mean.length^2) + `mean.length`", "I(z^2) + z"),
        ("log(mean.length):g", "log(z):g"),
        ("scale(mean.length) + .g", "scale(z) + g"),
        ("`the group` / mean.length", "g / z"),
        ("mean %in% g", "w %in% g"),
        (". - .g - g - mean", "z + v"),
    ],
)
def test_names_that_r_takes_and_python_does_not(formula, plain):
    v = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0, 5.0]
    z, w = np.arange(1.0, 10.0), [2.0, 7.0, 1.0, 8.0, 2.0, 8.0, 1.0, 8.0, 2.0]
    g = list("abacbccab")
    d = lwd.dist(np.random.default_rng(3).normal(size=(9, 2)))
    names = pd.DataFrame({"g": g, "mean.length": z, ".g": g, "mean": w, "v": v})
    if "the" in formula:
        names["the group"] = g
    plain_names = pd.DataFrame({"g": g, "z": z, "w": w, "v": v})
    for by in ("terms", "margin", None):
        call = {"d": d, "by": by, "permutations": 9, "seed": 1}
        ours = adonis2(f"d ~ {formula}", names, **call).table
        right = adonis2(f"d ~ {plain}", plain_names, **call).table
        np.testing.assert_allclose(ours, right, rtol=1e-9, atol=1e-9)
        assert not any("`mean" in name for name in ours.index)


def test_a_name_with_a_dot_that_is_not_there_is_said():
    with pytest.raises(lwd.InputError, match=r"no column mean\.length, but z, g, h"):
        adonis2("d ~ mean.length + z", SMALL, d=lwd.dist(SMALL["z"]))


@pytest.mark.parametrize("name", ["sqrt", "sin", "cos", "tan", "log1p", "expm1", "floor"])
def test_functions_of_a_number_as_in_r(name):
    d = lwd.dist(np.random.default_rng(2).normal(size=(6, 2)))
    column = getattr(np, name)(np.array(SMALL["z"]))
    call = {"d": d, "permutations": 9, "seed": 1}
    ours = adonis2(f"d ~ {name}(z) + h", SMALL, **call).table
    right = adonis2("d ~ v + h", {**SMALL, "v": column}, **call).table
    np.testing.assert_allclose(ours, right)
    if name == "sqrt":
        with pytest.raises(lwd.InputError, match=r"sqrt\(z - 3\), missing or infinite in 2 of 6"):
            adonis2("d ~ sqrt(z - 3)", SMALL, d=d)
