"""Pictures: ``plot(x)`` of any result, and the figures of the paper for any run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from scipy.stats import norm

from lwdstats.arrays import FloatArray, as_floats
from lwdstats.dataset.blocks import prepared
from lwdstats.dataset.embeddings.choose_embedding import by_embedding
from lwdstats.dataset.positions import components_move, fewest_answers
from lwdstats.dataset.schema import validate
from lwdstats.errors import InputError, check_bool, is_number
from lwdstats.geometry.cmdscale import cmdscale
from lwdstats.geometry.distance import dist, fnorm, noise_floor
from lwdstats.geometry.diversity import diversity
from lwdstats.results.pictures import drawing
from lwdstats.results.pictures.covariates import Covariate, along, covariate
from lwdstats.results.pictures.looks import Key, Looks, looks
from lwdstats.results.pictures.style import DASHES, MARKERS, styled
from lwdstats.results.result import Result

# Models that are named among their answers.
_NAMED = 10
# Width of a panel, in inches.
_PANEL = 4.6


def plot(x: Any, *, ax: drawing.Axes | None = None, **options: Any) -> drawing.Axes:
    """Draw a result.

    Parameters
    ----------
    x : object
        What a function of the package returned, or a dataset:

        - a dataset: ||D||_F over time, as `plot_norm`, which takes `log`, `color` and
          `embedding`;
        - `nls`: the data and the fitted curve, where there is one predictor;
          otherwise what was observed over what was fitted;
        - `collapse_time`: the share of replicates that have not collapsed;
        - `changepoints`: the curves, the fitted levels, and the changes;
        - `mann_kendall` of several replicates: the curves and their slopes;
        - `convergence_fit`: the curves, their mean, and the law, which takes `log`;
        - `cmdscale`: the points in the first two coordinates;
        - `dkps`: the way of each model through the first two coordinates, or
          of the one coordinate over time, open at its start and filled at its end; at
          one or some times by `time`; with confidence regions by ``regions=True`` (of the
          last time, points at their centres), or by what its method `regions` gave;
        - `procrustes`: the target, and an arrow to it from each rotated point;
        - `betadisper`: the points in the first two principal coordinates, each
          joined to the centre of its group;
        - `collapse_test`: the energy distance between models over time (the
          adjusted R2 without answers), filled where p_adjusted is at most .05;
        - `adonis2`, `permutest`, `mantel`, `protest`, `eqdist_etest`: the
          statistic under the permutations, and the observed one as a line; of
          `adonis2` the first term, or that which `term` names.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default on a new figure.
    **options
        As above, and for the models of `cmdscale` and `dkps` what colours and markers say:
        `color` and `marker`, a covariate by name (a coordinate on `model`) or a value
        a model; and `names`: how many (the outermost), which, or False.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        If there is no picture of such a result, or nothing to draw in it.

    Notes
    -----
    R: ``plot(x)``. vegan draws `betadisper` and `procrustes` alike, and
    permutations by ``densityplot(permustats(x))``; R has no plot of `nls`.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> data = {"t": [0, 1, 2, 3, 4, 5], "y": [5.0, 3.8, 3.1, 2.7, 2.4, 2.2]}
    >>> ax = lwd.plot(lwd.nls("y ~ SSasymp(t, Asym, R0, lrc)", data))
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('t', 'y')
    """
    if isinstance(x, xr.Dataset):
        return plot_norm(x, ax=ax, **options)
    if not isinstance(x, Result):
        takes = "a dataset (read_results reads one from a file), or a result"
        raise InputError("x", f"an object of type {type(x).__name__}", takes)
    return x.plot(ax=ax, **options)


def plot_norm(
    ds: xr.Dataset,
    *,
    ax: drawing.Axes | None = None,
    log: bool = False,
    color: Any = None,
    embedding: str = "embedding",
) -> drawing.Axes:
    """Draw ||D||_F over time, one line a replicate (Figures 2, 4 and 6), and the diversity.

    Where models are compared by the mean of L answers, the dashed line is the
    noise floor: what ||D||_F would be if all models were the same. A second panel
    has the diversity H of the network, of which ||D||_F says nothing; where components move
    that is the variance of its points.

    Parameters
    ----------
    ds : xarray.Dataset
        A dataset of either simulation.
    ax : matplotlib.axes.Axes, optional
        Where to draw ||D||_F alone; by default on a new figure, with the diversity below
        where the dataset has mixture weights or two answers a model.
    log : bool
        Logarithmic axes for both, on which a power law is a straight line.
    color : str, mapping or sequence, optional
        A covariate of the models, of texts: its name, or a value a model. Draws the
        distance of two models of a group, a line a group, and of two of different groups,
        as root mean squares over pairs and replicates.
    embedding : str
        Which embedding of a dataset's answers, as `choose_embedding` takes it.

    Returns
    -------
    matplotlib.axes.Axes
        Of ||D||_F; the other panel is ``ax.figure.axes[1]``.

    Raises
    ------
    InputError
        If there is no such covariate, or it holds numbers.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> ax = lwd.plot_norm(lwd.simulate_gmm(n_steps=20, replicates=5, seed=1))
    >>> len(ax.lines)
    5
    """
    ds = prepared(by_embedding(ds, embedding, "ds"))
    check_bool("log", log)
    by = None if color is None else covariate("color", color, along(ds), _labels(ds))
    if by is not None and not by.is_text:
        takes = "a covariate of texts, whose values are groups of models"
        raise InputError("color", f"{by.name}, of numbers", takes)
    with styled():
        below = None
        if ax is None and ("weight" in ds or fewest_answers(ds) > 1):
            ax, below = drawing.stacked_axes()
        ax = drawing.new_axes(ax)
        time = ds["time"].values + (1 if log else 0)
        if by is None:
            _draw_norms(ds, ax, time)
        else:
            _draw_groups(ds, ax, time, by)
        if log:
            ax.set(xscale="log", yscale="log")
        else:
            ax.locator_params(axis="x", integer=True)
            ax.set_ylim(bottom=0)
        drawing.title(ax, f"Distance between {ds.sizes['model']} models")
        if below is not None:
            moves = components_move(ds)
            _draw_curves(below, time, diversity(ds))
            below.set_ylabel("variance" if moves else "diversity H")
            if moves and log:
                # Where it collapses or explodes it does so by factors.
                below.set_yscale("log")
            else:
                below.set_ylim(bottom=0)
        (below or ax).set_xlabel("time t + 1" if log else "time t")
        return drawing.settle(ax)


def plot_answers(
    ds: xr.Dataset,
    *,
    times: Sequence[int] | None = None,
    replicate: int | None = None,
    query: str | None = None,
    color: Any = None,
    marker: Any = None,
    names: bool | int | Sequence[str] | None = None,
    embedding: str = "embedding",
) -> list[drawing.Axes]:
    """Draw every answer as a point in the plane of classical scaling (Figure 3).

    The answers of all times shown are scaled together, so that the panels have
    the same axes.

    Parameters
    ----------
    ds : xarray.Dataset
        A dataset with `embedding`.
    times : sequence of int, optional
        One panel each; by default t = 1 and the last time.
    replicate, query : optional
        Which; by default the first.
    color, marker : str, mapping or sequence, optional
        Covariates of the models, by their names or a value a model; by default each model
        has its own colour and marker, and more models than can be told apart are grey.
    names : bool, int or sequence of str, optional
        Models whose names stand at the mean of their answers: how many (the outermost), or
        which. By default 10 where the legend does not name them.
    embedding : str
        Which embedding of a dataset's answers, as `choose_embedding` takes it.

    Returns
    -------
    list of matplotlib.axes.Axes
    """
    ds = validate(by_embedding(ds, embedding, "ds"))
    if "embedding" not in ds:
        raise InputError("ds", "no embedding", "a dataset with answers or points")
    shown = _times(ds, times)
    part = ds["embedding"].sel(time=shown, replicate=_one(ds, "replicate", replicate))
    if "query" in part.dims:
        part = part.sel(query=_one(ds, "query", query))
    part = part.transpose("time", "model", "response", "feature")
    flat = part.values.reshape(-1, part.shape[-1]).astype(float)
    there: np.ndarray = np.asarray(np.isfinite(flat).all(axis=1))
    fit = cmdscale(points=flat[there], k=min(2, int(there.sum()) - 1, part.shape[-1]))
    # A missing answer is no point.
    plane = np.full((len(flat), 2), np.nan)
    plane[there] = drawing.plane(fit.points)
    # Both axes have one scale, so the panels take the shape of the cloud.
    spread = np.ptp(plane[there], axis=0)
    plane = plane.reshape(*part.shape[:3], 2)
    shape = spread[1] / spread[0] if spread[0] > 0 else 1.0
    height = 1.5 + 3.6 * min(max(shape, 0.3), 1.0)
    with styled():
        look = _looks(ds, color, marker)
        labels, means = _labels(ds), _mean_points(plane)
        if names is None:
            names = 0 if look.by_name else _NAMED
        named = drawing.which_names(names, labels, means[-1])
        figure, axes = _panels(shown, "first coordinate", "second coordinate", height)
        colors, markers = (
            np.repeat(x, plane.shape[2]).tolist() for x in (look.colors, look.markers)
        )
        for panel, ax in enumerate(axes):
            points = plane[panel].reshape(-1, 2)
            drawing.scatter(ax, points, Looks(colors, markers), s=22, alpha=0.65)
            drawing.name_points(ax, labels, named, means[panel])
            ax.set_aspect("equal", adjustable="box")
        drawing.keys(axes[-1], look)
        how = f"classical multidimensional scaling ({fit.gof[1]:.0%} of the variation)"
        drawing.heading(figure, f"Answers by {how}", _PANEL * len(axes))
        drawing.settle(axes[0])
    return axes


def plot_mixtures(
    ds: xr.Dataset,
    *,
    times: Sequence[int] | None = None,
    replicate: int | None = None,
    color: Any = None,
) -> list[drawing.Axes]:
    """Draw the density of every mixture at two times or more (Figure 5).

    Parameters
    ----------
    ds : xarray.Dataset
        A dataset of `simulate_gmm`. In more than one dimension, the density of
        the first coordinate is drawn.
    times : sequence of int, optional
        One panel each; by default t = 1 and the last time.
    replicate : int, optional
        Which; by default the first.
    color : str, mapping or sequence, optional
        A covariate of the models, by its name or a value a model.

    Returns
    -------
    list of matplotlib.axes.Axes
    """
    validate(ds)
    if "weight" not in ds:
        raise InputError("ds", "no weight", "a dataset of Gaussian mixtures")
    shown = _times(ds, times)
    replicate = _one(ds, "replicate", replicate)
    part = ds[["weight", "component_mean", "component_covariance"]]
    part = part.sel(time=shown, replicate=replicate).isel(feature=0, feature_=0, drop=True)
    weight = part["weight"].transpose("time", "model", "component")
    mean = part["component_mean"].broadcast_like(weight).values
    variance = part["component_covariance"].broadcast_like(weight).values
    scale = np.sqrt(variance)
    grid = np.linspace((mean - 4 * scale).min(), (mean + 4 * scale).max(), 1000)
    weight = weight.values
    with styled():
        look = _looks(ds, color, None, DASHES)
        _, axes = _panels(shown, "point", "density")
        for panel, ax in enumerate(axes):
            for i in range(ds.sizes["model"]):
                line: Any = {"color": look.colors[i], "linestyle": look.markers[i]}
                components = norm.pdf(grid[:, None], mean[panel, i], scale[panel, i])
                ax.plot(grid, components @ weight[panel, i], **line)
            ax.set_ylim(bottom=0)
        drawing.keys(axes[-1], look)
        drawing.settle(axes[0])
    return axes


def _draw_norms(ds: xr.Dataset, ax: drawing.Axes, time: np.ndarray) -> None:
    """Draw the norm of each replicate, and the noise floor."""
    _draw_curves(ax, time, fnorm(ds))
    if "weight" not in ds and fewest_answers(ds) > 1:
        floor = np.sqrt((noise_floor(ds) ** 2).mean("replicate").values)
        ax.plot(time, floor, "--", color="0.4", label="noise floor")
    ax.set_ylabel(r"$\|D^{(t)}\|_F$")
    drawing.legend(ax)


def _draw_curves(ax: drawing.Axes, time: np.ndarray, curves: xr.DataArray) -> None:
    """Draw one line a replicate, named where they can be told apart."""
    curves = curves.transpose("time", "replicate")
    replicates = curves["replicate"].values
    lines = drawing.series(len(replicates))
    for values, replicate, line in zip(curves.values.T, replicates, lines, strict=True):
        named = len(replicates) <= drawing.MOST_LOOKS
        ax.plot(time, values, label=f"replicate {replicate}" if named else None, **line)


def _draw_groups(ds: xr.Dataset, ax: drawing.Axes, time: np.ndarray, by: Covariate) -> None:
    """Draw the distance of models within each group of a covariate, and between groups."""
    squared = (dist(ds) ** 2).mean("replicate").transpose("time", "model", "model_").values
    i, j = np.triu_indices(ds.sizes["model"], 1)
    one, other = by.values[i], by.values[j]
    known = (one != "") & (other != "")
    within = {g: (one == g) & (other == g) for g in sorted(set(by.values) - {""})}
    within = {group: pairs for group, pairs in within.items() if pairs.any()}
    look = looks(list(within), title=f"within {by.name}", markers=DASHES)
    lines = list(zip(within.values(), look.colors, look.markers, strict=True))
    apart = known & (one != other)
    for pairs, color, dashes in [*lines, (apart, "0.3", "-")]:
        if pairs.any():
            rms = np.sqrt(squared[:, i[pairs], j[pairs]].mean(axis=1))
            ax.plot(time, rms, color=color, linestyle=dashes)
    between = Key("", (("between", "0.3", "-"),))
    ax.set_ylabel("root mean square distance of two models")
    drawing.keys(ax, Looks([], [], (*look.keys, between) if apart.any() else look.keys))


def _mean_points(plane: FloatArray) -> FloatArray:
    """Return the mean of the answers that are there, (T, n, 2), of points (T, n, L, 2)."""
    n = np.isfinite(plane[..., :1]).sum(axis=2)
    with np.errstate(invalid="ignore"):
        return np.nansum(plane, axis=2) / n


def _labels(ds: xr.Dataset) -> list[str]:
    return [str(model) for model in ds["model"].values]


def _looks(ds: xr.Dataset, color: Any, marker: Any, markers: Sequence[str] = MARKERS) -> Looks:
    """Return how the models of a dataset are drawn."""
    labels, known = _labels(ds), along(ds)
    by = (covariate("color", color, known, labels), covariate("marker", marker, known, labels))
    return looks(labels, *by, markers=markers)


def _panels(
    times: list[int], xlabel: str, ylabel: str, height: float = 4.2
) -> tuple[drawing.Figure, list[drawing.Axes]]:
    """Return a figure with a panel for each time beside each other, on the same axes."""
    figure, axes = drawing.new_figure(len(times), size=(_PANEL, height))
    for time, ax in zip(times, axes, strict=True):
        ax.set(title=f"t = {time}", xlabel=xlabel)
    axes[0].set_ylabel(ylabel)
    return figure, axes


def _times(ds: xr.Dataset, times: Sequence[int] | None) -> list[int]:
    kept = ds["time"].values
    if times is None:
        first = 1 if 1 in kept else int(kept[0])
        return sorted({first, int(kept[-1])})
    takes = f"a list of times of the dataset, {kept[0]}..{kept[-1]}"
    wanted = as_floats(times, "times", takes)
    if wanted.ndim != 1 or not wanted.size or not np.isin(wanted, kept).all():
        raise InputError("times", repr(times), takes)
    return [int(t) for t in wanted]


def _one(ds: xr.Dataset, dim: str, wanted: Any) -> Any:
    values = ds[dim].values
    if wanted is None:
        return values[0]
    if (not isinstance(wanted, str) and not is_number(wanted)) or wanted not in values:
        raise InputError(dim, wanted, f"one of {', '.join(map(str, values[:20]))}")
    return wanted
