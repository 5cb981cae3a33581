"""Pictures hold for many models: names apart, legends beside, nothing cut off, colours say it."""

import subprocess
import sys

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Ellipse

import lwdstats as lwd
from lwdstats.results.pictures.covariates import covariate
from lwdstats.results.pictures.looks import looks
from lwdstats.results.pictures.style import GREY, colours, styled
from lwdstats.results.pictures.text import shortened

FAMILIES = ["claude", "gemma", "gpt", "llama"]
HOSTILE = ["a very long name of a model " * 3 + "1", "$x_1$", "_hidden", "two\nlines", "Ärger-Ω",
           "x" * 60 + "A", "x" * 60 + "B", "100% $5"]  # fmt: skip


def network(n, n_times=1, names=None, n_responses=4, seed=0):
    """Answers of n models of four families that lie apart, with covariates of every kind."""
    rng = np.random.default_rng(seed)
    family = np.arange(n) % 4
    at = rng.normal(size=(4, 6))[family] * 3 + rng.normal(size=(n, 6))
    at = at + np.cumsum(0.3 * rng.normal(size=(n_times, n, 6)), axis=0)
    x = at[:, :, None, None] + 0.3 * rng.normal(size=(n_times, n, 1, n_responses, 6))
    return lwd.as_results(x, model=names or [f"m{i}" for i in range(n)]).assign_coords(
        family=("model", np.array(FAMILIES)[family]),
        size=("model", np.arange(n) + 0.5),
        date=("model", pd.date_range("2024-01-01", periods=n).to_numpy()),
        tuned=("model", family > 1),
    )


def space(n, **options):
    return lwd.dkps(network(n, **options), k=2)


def drawn(figure, dpi=None):
    """The renderer of a figure after it is drawn as a file would be."""
    if dpi:
        figure.set_dpi(dpi)
    figure.canvas.draw()
    return figure.canvas.get_renderer()


def boxes(artists, renderer):
    """Left, bottom, right and top of texts that are shown, without the lines that lead to them."""
    shown = [a for a in artists if a.get_visible() and a.get_text()]
    found = [mpl.text.Text.get_window_extent(a, renderer).extents for a in shown]
    return np.array(found).reshape(-1, 4)


def overlap(boxes):
    """The largest share of a box that another covers."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    both = np.prod(np.maximum(high - low, 0.0), axis=-1)
    np.fill_diagonal(both, 0.0)
    return float((both / np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)).max(initial=0.0))


def check_nothing_is_cut(figure):
    renderer = drawn(figure)
    texts = [t for t in figure.findobj(mpl.text.Text) if t.get_visible() and t.get_text().strip()]
    shown = boxes([t for t in texts if not _is_tick(t, figure)], renderer)
    assert (shown[:, :2] >= -1).all()
    assert (shown[:, 2] <= figure.bbox.width + 1).all()
    assert (shown[:, 3] <= figure.bbox.height + 1).all()


def _is_tick(text, figure):
    # Ticks out of the view are kept by matplotlib, and not drawn.
    labels = (t for ax in figure.axes for t in [*ax.get_xticklabels(), *ax.get_yticklabels()])
    return any(text is t for t in labels)


def check_legend_is_beside(figure):
    renderer = drawn(figure)
    legends = [ax.get_legend() for ax in figure.axes if ax.get_legend()] + list(figure.legends)
    for legend in legends:
        box = legend.get_window_extent(renderer)
        for ax in figure.axes:
            assert not box.overlaps(ax.get_window_extent(renderer))
        assert box.x1 <= figure.bbox.width + 1
        assert box.y0 >= -1
    return legends


@pytest.mark.parametrize("n", [3, 22, 60])
def test_up_to_sixty_names_stand_apart(n):
    ax = space(n).plot()
    shown = boxes(ax.texts, drawn(ax.figure))
    assert len(shown) == n
    assert overlap(shown) == 0
    assert {t.get_text() for t in ax.texts} == {f"m{i}" for i in range(n)}
    check_nothing_is_cut(ax.figure)


@pytest.mark.parametrize("dpi", [50, 300])
def test_names_stand_apart_at_any_size(dpi):
    ax = space(60).plot()
    ax.figure.set_size_inches(5, 4)
    shown = boxes(ax.texts, drawn(ax.figure, dpi))
    assert overlap(shown) == 0
    frame = ax.get_window_extent().extents
    assert (shown[:, :2] >= frame[:2] - 1).all()
    assert (shown[:, 2:] <= frame[2:] + 1).all()


def test_of_more_models_the_outermost_are_named():
    one = space(120)
    ax = one.plot()
    at = one.points.values[0, 0]
    far = np.argsort(-np.linalg.norm(at - np.median(at, axis=0), axis=1))[:20]
    assert {t.get_text() for t in ax.texts} == {f"m{i}" for i in far}
    assert overlap(boxes(ax.texts, drawn(ax.figure))) == 0
    check_nothing_is_cut(ax.figure)


@pytest.mark.parametrize(("names", "count"), [(5, 5), (False, 0), (["m3", "m7"], 2), ("m3", 1)])
def test_names_are_as_many_as_asked_for(names, count):
    assert len(space(120).plot(names=names).texts) == count
    with pytest.raises(lwd.InputError, match="names: got no point x"):
        space(5).plot(names=["x"])


@pytest.mark.parametrize("n_times", [1, 4])
def test_hostile_names_are_shown_as_they_are(n_times):
    names = HOSTILE + [f"some-organisation/Some-Model-{i}-instruct-v0.1" for i in range(14)]
    ax = space(22, n_times=n_times, names=names).plot()
    check_nothing_is_cut(ax.figure)
    texts = ax.texts if n_times == 1 else ax.get_legend().get_texts()
    shown = [t.get_text() for t in texts]
    assert len(set(shown)) == 22
    assert {"$x_1$", "_hidden", "two lines", "100% $5"} <= set(shown)
    assert not any(t.get_parse_math() for t in texts)
    check_legend_is_beside(ax.figure)


def test_short_names_keep_both_ends_and_their_difference():
    names = [f"{'a' * 40}{i}{'b' * 40}" for i in range(3)]
    assert shortened(["short"], 10) == ["short"]
    assert len(set(shortened(names))) == 3
    assert shortened(["begin" + "x" * 50 + "end"], 8) == ["begi…xend"]


@pytest.mark.parametrize("n_times", [1, 4])
@pytest.mark.parametrize("n", [22, 120])
def test_equal_covariates_have_equal_colours(n, n_times):
    ax = space(n, n_times=n_times).plot(color="family", names=0)
    ends = [line for line in ax.lines if len(line.get_xdata()) == 1 and line.get_zorder() == 2.5]
    found = pd.Series([to_hex(line.get_color()) for line in ends]).groupby(np.arange(n) % 4)
    assert all(len(set(group)) == 1 for _, group in found)
    assert found.first().nunique() == 4
    (legend,) = check_legend_is_beside(ax.figure)
    assert [t.get_text() for t in legend.get_texts()] == FAMILIES
    handles = [to_hex(h.get_color()) for h in legend.legend_handles]
    assert handles == found.first().tolist()
    check_nothing_is_cut(ax.figure)


@pytest.mark.parametrize("name", ["size", "date"])
def test_an_amount_has_a_colour_bar(name):
    ax = space(60).plot(color=name, marker="tuned")
    bar = next(a for a in ax.figure.axes if a is not ax)
    assert name in (bar.get_ylabel(), bar.get_xlabel())
    (legend,) = check_legend_is_beside(ax.figure)
    assert [t.get_text() for t in legend.get_texts()] == ["False", "True"]
    colors = {to_hex(line.get_color()) for line in ax.lines}
    assert len(colors) == 60
    check_nothing_is_cut(ax.figure)


def test_colour_and_marker_are_told_apart_in_the_legend():
    ax = space(40).plot(color="family", marker="tuned")
    (legend,) = check_legend_is_beside(ax.figure)
    texts = [t.get_text() for t in legend.get_texts()]
    assert texts == ["family", *FAMILIES, "tuned", "False", "True"]
    assert len({line.get_marker() for line in ax.lines}) == 2


def test_a_wrong_covariate_is_told_what_there_is():
    ds = network(5)
    for call in (
        lambda: lwd.plot(lwd.dkps(ds), color="famly"),
        lambda: lwd.plot_answers(ds, color="famly"),
        lambda: lwd.plot(ds, color="famly"),
        lambda: lwd.plot(lwd.cmdscale(lwd.dist(ds)), color="famly"),
    ):
        with pytest.raises(lwd.InputError, match=r"color: got 'famly'; takes one of .*family"):
            call()
    with pytest.raises(lwd.InputError, match="a covariate of texts"):
        lwd.plot(ds, color="size")
    with pytest.raises(lwd.InputError, match="marker: got size, of 40 different numbers"):
        space(40).plot(marker="size")
    assert not plt.get_fignums()


def test_values_go_by_their_labels():
    labels = ["a", "b", "c"]
    shuffled = pd.Series([3.0, 1.0, 2.0], index=["c", "a", "b"], name="size")
    for wanted in (shuffled, shuffled.to_dict(), shuffled.to_xarray(), [1.0, 2.0, 3.0]):
        found = covariate("color", wanted, {}, labels)
        assert found is not None
        assert found.values.tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(lwd.InputError, match="no value for c"):
        covariate("color", {"a": 1, "b": 2}, {}, labels)
    with pytest.raises(lwd.InputError, match=r"values of shape \(2,\)"):
        covariate("color", [1, 2], {}, labels)


@pytest.mark.parametrize("n", [1, 8, 24, 25, 120])
def test_a_look_is_one_model_s_or_none_s(n):
    look = looks([str(i) for i in range(n)])
    pairs = set(zip(look.colors, look.markers, strict=True))
    assert len(pairs) == (n if n <= 24 else 1)
    assert (set(look.colors) == {GREY}) == (n > 24)


def test_groups_past_those_told_apart_are_others():
    values = np.array([f"g{i // 2}" for i in range(60)] + ["g0"], dtype=object)
    by = covariate("color", values, {}, [str(i) for i in range(61)])
    look = looks([str(i) for i in range(61)], by)
    texts = [text for text, _, _ in look.keys[0].entries]
    assert texts[-1] == "7 others"
    assert "g0" in texts
    own = [pair for pair in zip(look.colors, look.markers, strict=True) if pair[0] != GREY]
    assert len(set(own)) == 23


def test_colours_are_told_apart_by_the_colour_blind():
    """Machado, Oliveira and Fernandes 2009, severity 1: the matrices they print."""
    simulated = {
        "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                   [-0.011820, 0.042940, 0.968881]],
        "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    }  # fmt: skip
    with styled():
        rgb = np.array([mpl.colors.to_rgb(c) for c in colours()])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    for matrix in simulated.values():
        seen = np.clip(linear @ np.array(matrix).T, 0, 1) ** (1 / 2.2)
        assert lwd.dist(seen)[np.triu_indices(len(seen), 1)].min() > 0.1


@pytest.mark.parametrize("draw", [
    lambda ds, ax: lwd.plot(lwd.dkps(ds, k=2), ax=ax),
    lambda ds, ax: lwd.plot(lwd.dkps(ds, k=2), ax=ax, color="size", regions=True),
    lambda ds, ax: lwd.plot(lwd.cmdscale(lwd.dist(ds.isel(time=[0]))), ax=ax, color="family"),
    lambda ds, ax: lwd.plot(ds, ax=ax, color="family"),
])  # fmt: skip
def test_axes_of_one_s_own_hold_it_too(draw):
    _, axes = plt.subplots(1, 2, figsize=(12, 5))
    for ax in axes:
        assert draw(network(22, n_times=2), ax) is ax
    check_legend_is_beside(axes[0].figure)


@pytest.mark.parametrize("n", [3, 22, 120])
@pytest.mark.parametrize(
    "options", [{}, {"color": "family"}, {"color": "size", "marker": "family"}]
)
def test_answers_have_their_legend_beside_all_panels(n, options):
    names = [f"organisation/Model-number-{i}-instruct" for i in range(n)]
    axes = lwd.plot_answers(network(n, n_times=3, names=names), **options)
    figure = axes[0].figure
    check_nothing_is_cut(figure)
    assert len(check_legend_is_beside(figure)) == (n <= 24 or bool(options))
    for ax in axes:
        assert overlap(boxes(ax.texts, drawn(figure))) == 0


def test_paths_have_a_start_and_an_end_and_times_are_chosen():
    one = space(120, n_times=5)
    ax = one.plot(color="family", time=[1, 3])
    ways = [line.get_xydata() for line in ax.lines if len(line.get_xdata()) == 2]
    np.testing.assert_allclose(ways, one.points.sel(time=[1, 3])[:, 0].transpose("model", ...))
    hollow = [line for line in ax.lines if line.get_markerfacecolor() == "none"]
    np.testing.assert_allclose(
        np.concatenate([line.get_xydata() for line in hollow]), one.points.sel(time=1)[0]
    )
    assert "from t = 1 (open) to t = 3 (filled)" in ax.get_title().replace("\n", " ")
    assert not [line for line in one.plot(time=4).lines if len(line.get_xdata()) > 1]
    for wrong in (9, [], "x", [0.5]):
        with pytest.raises(lwd.InputError, match="time: got"):
            one.plot(time=wrong)


def test_the_distance_within_and_between_groups():
    ds = network(8, n_times=3)
    ax = lwd.plot_norm(ds, color="family")
    d = lwd.dist(ds).isel(replicate=0).values
    pairs = [(i, j) for i in range(8) for j in range(i) if i % 4 != j % 4]
    between = np.sqrt(np.mean([d[:, i, j] ** 2 for i, j in pairs], axis=0))
    np.testing.assert_allclose(ax.lines[-1].get_ydata(), between)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), d[:, 0, 4])
    (legend,) = check_legend_is_beside(ax.figure)
    assert [t.get_text() for t in legend.get_texts()] == ["within family", *FAMILIES, "between"]


def test_ellipses_are_where_the_regions_are():
    one = space(12, n_responses=8)
    regions = one.regions(seed=1)
    ax = one.plot(regions=regions, color="family")
    ellipses = [p for p in ax.patches if isinstance(p, Ellipse)]
    np.testing.assert_allclose([e.center for e in ellipses], regions.centre[0, 0])
    for e, centre, cov, radius in zip(
        ellipses, regions.centre.values[0, 0], regions.covariance.values[0, 0],
        regions.radius()[0, 0], strict=True,
    ):  # fmt: skip
        edge = e.get_patch_transform().transform([(np.cos(a), np.sin(a)) for a in range(7)])
        away = edge - centre
        np.testing.assert_allclose(
            np.einsum("ij,jk,ik->i", away, np.linalg.inv(cov), away), radius**2
        )


def test_the_style_is_ours_but_what_the_user_sets_wins():
    before = dict(mpl.rcParams)
    ax = lwd.plot(network(3))
    assert not ax.spines["top"].get_visible()
    assert ax.lines[0].get_color() == "#0072b2"
    assert dict(mpl.rcParams) == before
    with plt.style.context("ggplot"):
        ax = lwd.plot(network(3))
        assert to_hex(ax.lines[0].get_color()) == to_hex("C0")
        assert to_hex(ax.get_facecolor()) == to_hex(mpl.rcParams["axes.facecolor"])
    with plt.style.context("lwdstats.results.pictures.lwdstats"):
        assert mpl.rcParams["svg.fonttype"] == "none"


def test_importing_what_draws_loads_no_matplotlib():
    code = "import lwdstats.plots, lwdstats.geometry.dkps, sys; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
