"""`plot` of every result shows the numbers that the result holds."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

import lwdstats as lwd
from lwdstats.plots import plot


def points(n=9, p=3, seed=0):
    return np.random.default_rng(seed).normal(size=(n, p))


GROUP = np.repeat(list("abc"), 3)
DS = lwd.simulate_gmm(n_components=3, n_steps=4, n_responses=6, replicates=2, seed=2)
LINE = {"t": np.arange(6.0), "y": [5.0, 3.8, 3.1, 2.7, 2.4, 2.2], "s": np.arange(6.0) % 2}


def fit(formula="y ~ SSasymp(t, Asym, R0, lrc)", start=None, data=LINE):
    return lwd.nls(formula, data, start)


def permuted(ax, values, observed):
    """Check a histogram of `values` with a line at `observed`."""
    assert sum(bar.get_height() for bar in ax.patches) == np.isfinite(values).sum()
    low = min(bar.get_x() for bar in ax.patches)
    assert low == pytest.approx(np.min(values[np.isfinite(values)]))
    assert ax.lines[0].get_xdata()[0] == pytest.approx(observed)


def test_a_curve_goes_through_the_data():
    one = fit()
    ax = plot(one)
    dots, curve = ax.lines
    np.testing.assert_allclose(dots.get_xydata(), np.stack([LINE["t"], LINE["y"]], axis=1))
    x, y = curve.get_data()
    np.testing.assert_allclose(y, one.predict({"t": x}))
    assert (x[0], x[-1]) == (0, 5)
    assert ax.get_title() == "y ~ SSasymp(t, Asym, R0, lrc)"


def test_a_fit_with_a_constant_beside_its_predictor_is_a_curve():
    one = fit("log(y) ~ a + b t / k", {"a": 1, "b": 1}, {**LINE, "k": 2.0})
    ax = plot(one)
    x, y = ax.lines[1].get_data()
    np.testing.assert_allclose(y, one.coef()["a"] + one.coef()["b"] * x / 2)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), np.log(LINE["y"]))
    assert ax.get_ylabel() == "log(y)"


def test_a_fit_of_several_predictors_is_observed_over_fitted():
    one = fit("y ~ a + b t + c s", {"a": 1, "b": 1, "c": 1})
    ax = plot(one)
    np.testing.assert_allclose(
        ax.lines[0].get_xydata(), np.stack([one.fitted(), one.response], axis=1)
    )


@pytest.mark.parametrize("k", [1, 2])
def test_points_of_a_scaling(k):
    scaled = lwd.cmdscale(points=points(), k=k)
    ax = plot(scaled)
    shown = np.asarray(ax.collections[0].get_offsets())
    np.testing.assert_allclose(shown[:, :k], scaled.points)
    assert [text.get_text() for text in ax.texts] == [str(i) for i in range(9)]


@pytest.mark.parametrize("k", [1, 2])
def test_ways_of_models(k):
    space = lwd.dkps(DS, k=k)
    ax = plot(space)
    ways = [line for line in ax.lines if len(line.get_xdata()) == 5]
    assert len(ways) == 6  # 3 models in 2 replicates
    expected = space.points.sel(replicate=1, model=2).values
    if k == 1:
        expected = np.stack([np.arange(5), expected[:, 0]], axis=1)
    assert any(np.allclose(way.get_xydata(), expected) for way in ways)
    assert len(ax.get_legend().get_texts()) == 3


def test_arrows_of_procrustes_lead_to_the_target():
    x, y = points(p=2), points(p=2, seed=1)
    turned = lwd.procrustes(x, y)
    ax = plot(turned)
    np.testing.assert_allclose(ax.lines[0].get_xydata(), turned.fitted())
    np.testing.assert_allclose(ax.lines[1].get_xydata(), x, atol=1e-12)
    np.testing.assert_allclose([text.xy for text in ax.texts], x, atol=1e-12)


def test_points_are_joined_to_their_centres():
    fit = lwd.betadisper(lwd.dist(points(p=2)), GROUP)
    ax = plot(fit)
    spokes = [line for line in ax.lines if len(line.get_xdata()) == 2]
    # In two dimensions the picture is exact: a spoke is as long as the distance.
    lengths = [np.linalg.norm(np.diff(line.get_xydata(), axis=0)) for line in spokes]
    np.testing.assert_allclose(lengths, fit.distances, atol=1e-12)


def test_times_at_which_models_are_told_apart_are_filled():
    test = lwd.collapse_test(DS, permutations=99, seed=1)
    ax = plot(test)
    apart = test.table["p_adjusted"] <= 0.05
    assert apart.any()
    np.testing.assert_array_equal(ax.lines[1].get_xdata(), test.table.index[apart])
    np.testing.assert_allclose(ax.lines[1].get_ydata(), test.table["energy_distance"][apart])
    weights = DS.drop_vars("embedding")
    by_weight = lwd.collapse_test(weights, null="model", permutations=9, seed=1)
    assert "R2" in plot(by_weight).get_ylabel()


def test_permutations_and_what_was_observed():
    d, other = lwd.dist(points()), lwd.dist(points(seed=1))
    mantel = lwd.mantel(d, other, permutations=99, seed=1)
    permuted(plot(mantel), mantel.permuted, mantel.statistic)
    protest = lwd.protest(points(), points(seed=1), permutations=99, seed=1)
    permuted(plot(protest), protest.permuted, protest.statistic)
    energy = lwd.eqdist_etest(points(), [4, 5], 99, seed=1)
    assert energy.permuted is not None
    permuted(plot(energy), energy.permuted, energy.statistic)
    dispersion = lwd.permutest(lwd.betadisper(d, GROUP), permutations=99, seed=1)
    permuted(plot(dispersion), dispersion.f_permuted, dispersion.table["f"].iloc[0])
    data = {"g": GROUP, "z": np.arange(9.0) ** 2}
    adonis = lwd.adonis2("d ~ g + z", data, d=d, permutations=99, seed=1)
    permuted(plot(adonis), adonis.f_permuted[:, 0], adonis.table.loc["g", "f"])
    permuted(plot(adonis, term="z"), adonis.f_permuted[:, 1], adonis.table.loc["z", "f"])


def test_a_dataset_is_its_norm_over_time():
    assert len(plot(DS).lines) == 2
    assert plot(DS, log=True).get_xscale() == "log"


def test_the_method_is_the_function_and_axes_are_kept():
    ax = plt.subplots()[1]
    one = fit()
    assert one.plot(ax=ax) is ax
    assert lwd.cmdscale(points=points()).plot(ax=ax) is ax
    assert lwd.plot is plot


@pytest.mark.parametrize(
    ("x", "options", "argument"),
    [
        (3.0, {}, "x"),
        (lwd.betadisper(lwd.dist(points()), GROUP).anova(), {}, "x"),
        (lwd.HTest(1.0, None, 0.5, None, None, None, None, "a test", "x"), {}, "x"),
        (lwd.adonis2("d ~ g", {"g": GROUP}, d=lwd.dist(points())), {"term": "Total"}, "term"),
    ],
)
def test_what_has_no_picture_is_an_input_error(x, options, argument):
    with pytest.raises(lwd.InputError) as error:
        plot(x, **options)
    assert error.value.argument == argument
    assert not plt.get_fignums()
