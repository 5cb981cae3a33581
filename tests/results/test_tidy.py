"""`tidy`, `glance` and `augment` of every result: broom's columns and numbers."""

import numpy as np
import pandas as pd
import pytest

import lwdstats as lwd
from lwdstats.results.htest import HTest
from lwdstats.results.result import Result


def points(n=9, p=3, seed=0):
    return np.random.default_rng(seed).normal(size=(n, p))


GROUP = np.repeat(list("abc"), 3)
DS = lwd.simulate_gmm(n_components=3, n_steps=4, n_responses=6, replicates=2, seed=2)
RESULTS = {
    "cmdscale": lwd.cmdscale(points=points(), k=2),
    "dkps": lwd.dkps(DS, k=2),
    "dkps by time": lwd.dkps(DS, k=2, joint=False),
    "procrustes": lwd.procrustes(points(), points(seed=1)),
    "betadisper": lwd.betadisper(lwd.dist(points()), GROUP),
    "anova of betadisper": lwd.betadisper(lwd.dist(points()), GROUP).anova(),
    "permutest": lwd.permutest(lwd.betadisper(lwd.dist(points()), GROUP), permutations=9, seed=1),
    "adonis2": lwd.adonis2(
        "d ~ g + z", {"g": GROUP, "z": np.arange(9.0) ** 2}, d=lwd.dist(points()), seed=1
    ),
    "eqdist_etest": lwd.eqdist_etest(points(), [4, 5], 9, seed=1),
    "collapse_test": lwd.collapse_test(DS, permutations=9, seed=1),
    "mantel": lwd.mantel(lwd.dist(points()), lwd.dist(points(seed=1)), permutations=19, seed=1),
    "protest": lwd.protest(points(), points(seed=1), permutations=19, seed=1),
}
AUGMENTED = ["cmdscale", "dkps", "dkps by time", "procrustes", "betadisper"]


@pytest.mark.parametrize("x", RESULTS.values(), ids=RESULTS.keys())
def test_frames_have_snake_case_columns_and_one_row_a_result(x):
    tidy, glance = lwd.tidy(x), lwd.glance(x)
    pd.testing.assert_frame_equal(tidy, x.tidy())
    assert len(glance) == 1
    for frame in (tidy, glance):
        assert isinstance(frame.index, pd.RangeIndex)
        for name in frame.columns:
            assert name == name.lower().replace(" ", "_").replace(".", "_")
    # broom calls a p-value so, and the statistic it belongs to.
    assert not {"p", "pr", "pvalue", "p_val", "f"} & {*tidy.columns, *glance.columns}


@pytest.mark.parametrize("name", AUGMENTED)
def test_augment_has_a_row_a_point(name):
    x = RESULTS[name]
    assert len(lwd.augment(x)) == int(x.glance()["nobs"].iloc[0])


@pytest.mark.parametrize("x", RESULTS.values(), ids=RESULTS.keys())
def test_what_is_a_table_shows_as_one(x):
    assert isinstance(x, Result)
    assert "<table" in x._repr_html_()
    assert x.to_latex().endswith(r"\end{tabular}")
    assert x.to_markdown().startswith("| ")


def test_points_are_a_row_each_and_a_notebook_shows_the_ends():
    x = np.random.default_rng(0).normal(size=(100, 3))
    fit = lwd.cmdscale(points=x, k=2)
    rows = fit.to_markdown().splitlines()[2:]
    assert rows[7].split("|")[1:-1] == [" 7 ", *(f" {v:.4g} " for v in fit.points[7])]
    assert len(rows) == len(fit.to_latex().splitlines()) - 6 == 100
    assert fit._repr_html_().count("<tr") == 62  # 60 points, the head and the gap
    named = lwd.dkps(DS, k=1).to_markdown().splitlines()
    assert [line.split(" | ")[0] for line in named[2:5]] == ["| 0", "| 1", "| 2"]
    assert len(named) == 2 + 5 * 2 * 3
    assert lwd.profile_likelihood([9.1, 8.7, 0.3]).to_markdown().count("\n") == 3


def test_shares_of_axes_are_those_of_the_singular_values():
    x = points()
    s = np.linalg.svd(x - x.mean(axis=0), compute_uv=False) ** 2
    for fit in (RESULTS["cmdscale"], lwd.cmdscale(lwd.dist(x), k=2)):
        tidy = fit.tidy()
        np.testing.assert_allclose(tidy["eigenvalue"], s[:2])
        np.testing.assert_allclose(tidy["percent"], s[:2] / s.sum())
        np.testing.assert_allclose(tidy["cumulative"], np.cumsum(s[:2]) / s.sum())
        assert tidy["cumulative"].iloc[-1] == pytest.approx(fit.glance()["gof_positive"].iloc[0])
    augmented = fit.augment()
    np.testing.assert_allclose(augmented[["coordinate_0", "coordinate_1"]], fit.points)


def test_points_of_dkps_stand_at_their_time_replicate_and_model():
    for name in ("dkps", "dkps by time"):
        fit = RESULTS[name]
        frame = fit.augment().set_index(["time", "replicate", "model"])
        one = fit.points.sel(time=3, replicate=1, model=2)
        np.testing.assert_allclose(frame.loc[(3, 1, 2)], one)
    tidy = RESULTS["dkps by time"].tidy()
    assert tidy["time"].tolist() == np.repeat(np.arange(5), 2).tolist()
    np.testing.assert_allclose(
        tidy["eigenvalue"], RESULTS["dkps by time"].eig.values[:, :2].ravel()
    )


def test_procrustes_terms_make_the_transformation():
    x, y = points(), points(seed=1)
    fit = lwd.procrustes(x, y)
    terms = fit.tidy().set_index("term")["estimate"]
    rotation = np.array([[terms[f"rotation[{i},{j}]"] for j in range(3)] for i in range(3)])
    moved = terms["scale"] * y @ rotation + [terms[f"translation[{j}]"] for j in range(3)]
    augmented = fit.augment()
    np.testing.assert_allclose(augmented[[f"coordinate_{j}" for j in range(3)]], moved)
    np.testing.assert_allclose(augmented[".resid"], np.linalg.norm(x - moved, axis=1))
    assert fit.glance()["rmse"].iloc[0] == pytest.approx(np.sqrt((augmented[".resid"] ** 2).mean()))


def test_groups_of_betadisper_are_those_of_its_observations():
    fit = RESULTS["betadisper"]
    by_group = fit.augment().groupby("group")[".distance"]
    tidy = fit.tidy().set_index("term")
    np.testing.assert_allclose(tidy["estimate"], by_group.mean())
    np.testing.assert_allclose(tidy["std_dev"], by_group.std())
    np.testing.assert_array_equal(tidy["n"], by_group.size())


def test_tables_of_variance_add_up():
    tidy = RESULTS["adonis2"].tidy().set_index("term")
    assert tidy.loc["Total", "sumsq"] == pytest.approx(tidy["sumsq"].iloc[:-1].sum())
    glance = RESULTS["adonis2"].glance().iloc[0]
    assert glance["r_squared"] == pytest.approx(tidy.loc[["g", "z"], "r2"].sum())
    assert (glance["df"], glance["df_residual"], glance["nobs"]) == (3, 5, 9)
    table, glance = RESULTS["permutest"].tidy(), RESULTS["permutest"].glance().iloc[0]
    ratio = table["meansq"].iloc[0] / table["meansq"].iloc[1]
    assert glance["statistic"] == pytest.approx(ratio)
    assert (glance["nobs"], glance["n_permutations"]) == (9, 9)
    assert RESULTS["anova of betadisper"].glance()["n_permutations"].iloc[0] == 0


def test_a_test_is_one_row_as_in_broom():
    one = HTest(
        1.5, {"df": 8.0}, 0.2, (0.1, 2.0), {"mean of x": 1.0}, {"mean": 0.0}, "less", "t", "x"
    )
    assert list(one.tidy()) == [
        *("estimate", "statistic", "p_value", "parameter", "conf_low", "conf_high"),
        *("method", "alternative"),
    ]
    estimates = {"mean of x": 1.0, "mean of y": 2.0}
    two = HTest(
        1.5, {"num df": 2.0, "denom.df": 8.0}, 0.2, None, estimates, None, None, "Welch", "x, y"
    )
    row = two.tidy()
    assert list(row) == [
        *("estimate1", "estimate2", "statistic", "p_value", "num_df", "denom_df", "method")
    ]
    assert row["denom_df"].iloc[0] == 8.0
    assert two == HTest(**{**vars(two), "permuted": np.zeros(3)})  # the same test
