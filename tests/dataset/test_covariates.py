"""Covariates of models: where they come from, what they survive, and what formulas make of them."""

import json
from datetime import date

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from fakes import Hasher, Writer
from paths import from_r

import lwdstats as lwd
from lwdstats.dataset.covariates import check_covariates
from lwdstats.simulate.specs import read_spec

FAMILY = {"family": {"a": "x", "b": "y", "c": "x"}}


def log(**columns):
    """Answers of three models, two each."""
    frame = pd.DataFrame({"time": 0, "model": list("abc") * 2, "embedding_0": range(6)})
    return frame.assign(**columns)


@pytest.mark.parametrize(
    ("given", "family"),
    [
        (FAMILY, ["x", "y", "x"]),
        ({"family": ["x", "y", "x"]}, ["x", "y", "x"]),
        (pd.DataFrame({"model": list("dcba"), "family": list("wxyx")}), ["x", "y", "x"]),
        (pd.DataFrame({"family": list("wxyx")}, index=list("dcba")), ["x", "y", "x"]),
        (["family"], ["f", "g", "f"]),
    ],
)
def test_forms_in_which_they_come(given, family):
    ds = lwd.as_results(log(family=list("fgf") * 2), covariates=given)
    assert ds["family"].dims == ("model",)
    assert ds["family"].values.tolist() == family
    assert lwd.to_frame(ds)["family"].tolist() == np.repeat(family, 2).tolist()


def test_a_csv_file_of_models(tmp_path):
    path = tmp_path / "models.csv"
    path.write_text("model,family,size\na,x,7\nb,y,\nc,x,70\n")
    ds = lwd.as_results(log(), covariates=path)
    assert ds["family"].values.tolist() == ["x", "y", "x"]
    np.testing.assert_array_equal(ds["size"].values, [7, np.nan, 70])


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ([7, 8, 70], [7, 8, 70]),
        ([7, 0.5, None], [7.0, 0.5, np.nan]),
        ([True, False, np.True_], [True, False, True]),
        ([np.float32(0.5), np.int64(1), 2], [0.5, 1.0, 2.0]),
        (["x", "", "a\0"], ["x", "", "a␀"]),
        (["2024-02-29", "2025", "x"], ["2024-02-29", "2025", "x"]),
    ],
)
def test_values_are_kept_in_files_and_selections(values, kept, tmp_path):
    ds = lwd.as_results(log(), covariates={"known": values})
    np.testing.assert_array_equal(ds["known"].values, np.array(kept, dtype=ds["known"].dtype))
    back = lwd.read_results(lwd.write_results(ds, tmp_path / "a.nc"))
    assert back.identical(ds)
    some = back.isel(model=[2, 0])
    assert some["known"].values.tolist()[1] == kept[0]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"family": {"a": "x", "b": "y"}}, "covariates: family: got no value of 'c'"),
        ({"family": {**FAMILY["family"], "d": "x"}}, "a value of 'd'"),
        ({"family": ["x", "y"]}, "2 values for 3 models"),
        ({"family": "x"}, "covariates: family: got 'x'"),
        ({"family": ["x", None, "y"]}, "none of 'b'"),
        ({"family": ["x", 1, "y"]}, "values of type int, str"),
        ({"size": [1, np.inf, 2]}, "not finite"),
        ({"date": [date(2024, 2, 29)] * 3}, "covariates: date: got dates or durations; takes num"),
        ({"date": np.array(["2024"] * 3, dtype="datetime64[Y]")}, "dates or durations"),
        ({"date": pd.to_datetime(["2024-02-29"] * 3).tolist()}, "dates or durations"),
        ({"model": ["x", "y", "z"]}, "the name 'model', which a dataset has"),
        ({"embedding_0": [1, 2, 3]}, "the name 'embedding_0'"),
        ({"a/b": [1, 2, 3]}, "the name 'a/b'"),
        ({3: [1, 2, 3]}, "the name 3"),
        (["size"], "no column 'size', but time, model"),
        (["family"], "covariates: family: got 'f' and 'h' for model 'a'"),
        (pd.DataFrame({"model": list("aabc"), "z": 1}), "'a' more than once"),
        (7, "covariates: got 7"),
        ("nowhere.csv", "covariates: got nowhere.csv"),
    ],
)
def test_bad_covariates(given, message):
    with pytest.raises(lwd.InputError, match=message):
        lwd.as_results(log(family=list("fgfhgf")), covariates=given)


def test_columns_need_a_table():
    with pytest.raises(lwd.InputError, match=r"covariates: got .*for arrays"):
        lwd.as_results(np.zeros((1, 2, 2, 1)), covariates=["family"])


def test_nothing_is_known_of_nobody():
    assert check_covariates(None, ["a"]) == {}
    assert "covariates" not in str(lwd.as_results(log()).coords)


@pytest.mark.parametrize(
    "given",
    [
        {"family": ["x", "y", "x"], "size": [1, None, 7.5]},
        {"family": {0: "x", 1: "y", 2: "x"}, "size": {"0": 1, "1": None, "2": 7.5}},
    ],
)
def test_mixtures_have_them_in_their_specification(given, tmp_path):
    ds = lwd.simulate_gmm(n_steps=2, seed=1, covariates=given)
    assert ds["family"].values.tolist() == ["x", "y", "x"]
    again = lwd.run_spec(lwd.read_results(lwd.write_results(ds, tmp_path / "a.nc")))
    xr.testing.assert_equal(again, ds)
    xr.testing.assert_equal(ds.drop_vars(["family", "size"]), lwd.simulate_gmm(n_steps=2, seed=1))
    assert json.loads(ds.attrs["spec"])["covariates"]["size"] == [1, None, 7.5]


def test_toml_has_them_by_label_or_in_a_file(tmp_path):
    spec = tmp_path / "run.toml"
    spec.write_text(
        'simulator = "gmm"\nn_steps = 2\nseed = 1\n[covariates.family]\n0 = "x"\n1 = "y"\n2 = "x"\n'
    )
    ds = lwd.run_spec(read_spec(spec))
    assert ds["family"].values.tolist() == ["x", "y", "x"]
    (tmp_path / "models.csv").write_text("model,family\n2,x\n1,y\n0,x\n")
    spec.write_text('simulator = "gmm"\nn_steps = 2\nseed = 1\ncovariates = "models.csv"\n')
    assert lwd.run_spec(read_spec(spec))["family"].identical(ds["family"])


def test_networks_of_language_models_have_them():
    models = {"one": Writer("one"), "two": Writer("two")}
    ds = lwd.simulate_llm(
        models,
        posts=["A first post.", "A second one."],
        embedder=Hasher(),
        n_steps=1,
        n_responses=2,
        seed=1,
        covariates={"family": {"two": "y", "one": "x"}},
    )
    assert ds["family"].values.tolist() == ["x", "y"]
    assert json.loads(ds.attrs["spec"])["covariates"] == {"family": ["x", "y"]}


def test_runs_of_one_network_combine():
    runs = [lwd.simulate_gmm(n_steps=2, seed=s, covariates={"size": [1, 2, 3]}) for s in (1, 2)]
    assert lwd.combine(runs)["size"].values.tolist() == [1, 2, 3]
    other = lwd.simulate_gmm(n_steps=2, seed=3, covariates={"size": [1, 2, 4]})
    with pytest.raises(lwd.InputError, match="differ in covariates"):
        lwd.combine([runs[0], other])


def test_a_summary_shows_them():
    given = {"family": ["x", "y", "x"], "size": [7, None, 70], "open": [True, False, True]}
    lines = lwd.summary(lwd.simulate_gmm(n_steps=2, seed=1, covariates=given)).lines()
    shown = {line.split("  ")[0]: line.split("  ")[-1].strip() for line in lines if "  " in line}
    assert shown["family"] == "x (2), y (1)"
    assert shown["size"] == "7 to 70, 1 unknown"
    assert shown["open"] == "True (2), False (1)"


class TestAgainstR:
    """`adonis2` and `betadisper` of a dataset whose formulas name covariates."""

    R = from_r("covariates")

    @pytest.fixture
    def ds(self):
        models = self.R["models"]
        points = np.array(self.R["points"]).reshape(1, 8, 5, 3)
        known = {name: models[name] for name in ("family", "size", "open")}
        return lwd.as_results(points, model=models["model"], covariates=known)

    def check(self, fit, expected):
        assert fit.table.index.tolist() == expected["terms"]
        for name in ("df", "sum_of_squares", "r2", "f", "p_value"):
            numbers = np.array(expected[name], dtype=float)
            np.testing.assert_allclose(fit.table[name], numbers, rtol=1e-9, err_msg=name)

    @pytest.mark.parametrize("by", ["terms", "margin"])
    def test_between_models(self, ds, by):
        r = self.R["between_models"]
        orders = np.array(r["permutations"])
        fit = lwd.adonis2(
            f"d ~ {r['right']}", ds, d=lwd.dist(ds), permutations=orders, by=by, model="direct"
        )
        self.check(fit, r[by])
        # The order of models in the dataset makes no difference, as both have their labels.
        mixed = ds.isel(model=[3, 1, 0, 7, 6, 2, 5, 4])
        again = lwd.adonis2(
            f"d ~ {r['right']}", mixed, d=lwd.dist(ds), permutations=orders, by=by, model="direct"
        )
        pd.testing.assert_frame_equal(again.table, fit.table)

    @pytest.mark.parametrize("by", ["terms", "margin"])
    def test_between_answers(self, ds, by):
        r = self.R["between_answers"]
        orders = np.array(r["permutations"])
        with pytest.warns(UserWarning, match="(family|size) is of models"):
            fit = lwd.adonis2(
                f"d ~ {r['right']}", ds.sel(time=0), permutations=orders, by=by, model="direct"
            )
        self.check(fit, r[by])

    @pytest.mark.parametrize("name", ["family", "open"])
    def test_dispersion(self, ds, name):
        with pytest.warns(UserWarning, match="is of models"):
            fit = lwd.betadisper(ds.sel(time=0), name, type="centroid")
        r = self.R["dispersion"][name]
        np.testing.assert_allclose(fit.distances, r["distances"], rtol=1e-9)
        np.testing.assert_allclose(fit.group_distances, r["means"], rtol=1e-9)
        assert fit.anova().table["f"].iloc[0] == pytest.approx(r["f"], rel=1e-9)

    def test_what_is_not_known_is_no_number(self, ds):
        ds = ds.assign_coords(size=("model", [np.nan, *self.R["models"]["size"][1:]]))
        with pytest.raises(lwd.InputError, match="1 missing in column size"):
            lwd.adonis2("d ~ size", ds, d=lwd.dist(ds))
