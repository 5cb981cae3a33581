"""Pictures: ``plot(x)`` of any result, and the figures of the paper for any run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from scipy.stats import norm

from lwdstats.arrays import as_floats
from lwdstats.dataset.positions import fewest_answers
from lwdstats.dataset.schema import validate
from lwdstats.errors import InputError, check_bool, is_number
from lwdstats.geometry.cmdscale import cmdscale
from lwdstats.geometry.distance import fnorm, noise_floor
from lwdstats.results import drawing
from lwdstats.results.result import Result


def plot(x: Any, *, ax: drawing.Axes | None = None, **options: Any) -> drawing.Axes:
    """Draw a result.

    Parameters
    ----------
    x : object
        What a function of the package returned, or a dataset:

        - a dataset: ||D||_F over time, as `plot_norm`, which takes `log`;
        - `nls`: the data and the fitted curve, where there is one predictor;
          otherwise what was observed over what was fitted;
        - `collapse_time`: the share of replicates that have not collapsed;
        - `changepoints`: the curves, the fitted levels, and the changes;
        - `mann_kendall` of several replicates: the curves and their slopes;
        - `convergence_fit`: the curves, their mean, and the law, which takes `log`;
        - `cmdscale`: the points in the first two coordinates;
        - `dkps`: the way of each model through the first two coordinates, or
          of the one coordinate over time, an open marker at its start;
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
        As above.

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


def plot_norm(ds: xr.Dataset, *, ax: drawing.Axes | None = None, log: bool = False) -> drawing.Axes:
    """Draw ||D||_F over time, one line a replicate (Figures 2, 4 and 6).

    Where models are compared by the mean of L answers, the dashed line is the
    noise floor: what ||D||_F would be if all models were the same.

    Parameters
    ----------
    ds : xarray.Dataset
        A dataset of either simulation.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default on a new figure.
    log : bool
        Logarithmic axes for both, on which a power law is a straight line.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import lwdstats as lwd
    >>> ax = lwd.plot_norm(lwd.simulate_gmm(n_steps=20, replicates=5, seed=1))
    >>> len(ax.lines)
    5
    """
    validate(ds)
    check_bool("log", log)
    ax = drawing.new_axes(ax)
    norms = fnorm(ds)
    shift = 1 if log else 0
    time = norms["time"].values + shift
    for replicate in norms["replicate"].values:
        values = norms.sel(replicate=replicate).values
        ax.plot(time, values, linewidth=1.2, label=f"replicate {replicate}")
    if "weight" not in ds and fewest_answers(ds) > 1:
        floor = np.sqrt((noise_floor(ds) ** 2).mean("replicate").values)
        ax.plot(time, floor, "--", color="0.4", linewidth=1.2, label="noise floor")
    if log:
        ax.set(xscale="log", yscale="log")
    else:
        ax.locator_params(axis="x", integer=True)
        ax.set_ylim(bottom=0)
    ax.set_xlabel("time t + 1" if log else "time t")
    ax.set_ylabel(r"$\|D^{(t)}\|_F$")
    ax.set_title(f"Distance between {ds.sizes['model']} models")
    if len(ax.lines) <= 8:
        ax.legend(frameon=False, fontsize="small")
    return ax


def plot_answers(
    ds: xr.Dataset,
    *,
    times: Sequence[int] | None = None,
    replicate: int | None = None,
    query: str | None = None,
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

    Returns
    -------
    list of matplotlib.axes.Axes
    """
    validate(ds)
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
    figure, axes = _panels(shown, "first coordinate", "second coordinate", height)
    for panel, ax in enumerate(axes):
        for i, model in enumerate(ds["model"].values):
            marker = drawing.MARKERS[i % len(drawing.MARKERS)]
            x, y = plane[panel, i].T
            ax.scatter(x, y, s=22, marker=marker, alpha=0.65, linewidths=0, label=str(model))
        ax.set_aspect("equal", adjustable="box")
    axes[0].legend(frameon=False, fontsize="small", title="model", title_fontsize="small")
    title = f"Answers by classical multidimensional scaling ({fit.gof[1]:.0%} of the variation)"
    figure.suptitle(title, fontsize="medium")
    return axes


def plot_mixtures(
    ds: xr.Dataset, *, times: Sequence[int] | None = None, replicate: int | None = None
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

    Returns
    -------
    list of matplotlib.axes.Axes
    """
    validate(ds)
    if "weight" not in ds:
        raise InputError("ds", "no weight", "a dataset of Gaussian mixtures")
    shown = _times(ds, times)
    mean = ds["component_mean"].isel(feature=0).values
    scale = float(np.sqrt(ds["component_covariance"].values.flat[0]))
    grid = np.linspace(mean.min() - 4 * scale, mean.max() + 4 * scale, 1000)
    components = norm.pdf(grid[:, None], mean, scale)
    weight = ds["weight"].sel(time=shown, replicate=_one(ds, "replicate", replicate))
    weight = weight.transpose("time", "model", "component").values
    _, axes = _panels(shown, "point", "density")
    for panel, ax in enumerate(axes):
        for i, model in enumerate(ds["model"].values):
            style = ["-", "--", ":", "-."][i % 4]
            density = components @ weight[panel, i]
            ax.plot(grid, density, style, linewidth=1.5, label=f"model {model}")
        ax.set_ylim(bottom=0)
    if ds.sizes["model"] <= 8:
        axes[0].legend(frameon=False, fontsize="small")
    return axes


def _panels(
    times: list[int], xlabel: str, ylabel: str, height: float = 4.2
) -> tuple[Any, list[drawing.Axes]]:
    """Return a figure with a panel for each time beside each other, on the same axes."""
    from matplotlib import pyplot

    figure = pyplot.figure(figsize=(4.6 * len(times), height), layout="constrained")
    axes = list(figure.subplots(1, len(times), squeeze=False, sharex=True, sharey=True)[0])
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
