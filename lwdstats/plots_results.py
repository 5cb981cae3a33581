"""Pictures of results: ``plot(x)``, for whatever a function of the package returned."""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from lwdstats import plots_curves
from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError
from lwdstats.geometry.dkps_result import DKPS
from lwdstats.geometry.procrustes import Procrustes
from lwdstats.geometry.scaling_result import CMDScale
from lwdstats.inference.changepoints.result import ChangePoints
from lwdstats.inference.collapse_time import CollapseTime
from lwdstats.inference.convergence.result import ConvergenceFit
from lwdstats.inference.dispersion.result import BetaDisper
from lwdstats.inference.dispersion.table import DispersionTable
from lwdstats.inference.nls.result import NLSFit
from lwdstats.inference.permutation.adonis_table import Adonis
from lwdstats.inference.permutation.collapse_test import CollapseTest
from lwdstats.inference.permutation.mantel import Mantel
from lwdstats.inference.permutation.protest import Protest
from lwdstats.inference.trend.mann_kendall import TrendTests
from lwdstats.plots import new_axes, plot_norm
from lwdstats.results.htest import HTest

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKERS = "os^DvP*Xd<>h"
# From so many points on, names beside them hide each other.
_NAMED = 30
_LEVEL = 0.05


def plot(x: Any, *, ax: Axes | None = None, **options: Any) -> Axes:
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
    return _draw(x, ax, **options)


@singledispatch
def _draw(x: Any, ax: Axes | None, **options: Any) -> Axes:
    raise InputError("x", f"an object of type {type(x).__name__}", "a result that has a picture")


@_draw.register(xr.Dataset)
def _dataset(x: xr.Dataset, ax: Axes | None, *, log: bool = False) -> Axes:
    return plot_norm(x, ax=ax, log=log)


@_draw.register(NLSFit)
def _curve(x: NLSFit, ax: Axes | None) -> Axes:
    ax = new_axes(ax)
    n = len(x.response)
    names = [name for name in x.formula.model.names if name not in x.parameters]
    moving = [name for name in names if np.ndim(x.variables[name]) and np.ptp(x.variables[name])]
    if len(moving) == 1:
        t = np.broadcast_to(x.variables[moving[0]], n)
        ax.plot(t, x.response, "o", color="0.35", markersize=4, label="data")
        grid = np.linspace(t.min(), t.max(), 400)
        fixed = {name: x.variables[name].flat[0] for name in names if name != moving[0]}
        ax.plot(grid, x.predict({moving[0]: grid, **fixed}), label="fit")
        ax.set_xlabel(moving[0])
        ax.set_ylabel(x.formula.response.text)
        ax.legend(frameon=False, fontsize="small")
    else:
        fitted = x.fitted()
        ax.plot(fitted, x.response, "o", color="0.35", markersize=4)
        ends = [min(fitted.min(), x.response.min()), max(fitted.max(), x.response.max())]
        ax.plot(ends, ends, "--", color="0.6", linewidth=1)
        ax.set_xlabel("fitted")
        ax.set_ylabel(f"{x.formula.response.text}, observed")
    ax.set_title(str(x.formula), fontsize="medium")
    return ax


_draw.register(ConvergenceFit, plots_curves.law)
_draw.register(ChangePoints, plots_curves.changes)
_draw.register(CollapseTime, plots_curves.survival)
_draw.register(TrendTests, plots_curves.trends)


@_draw.register(CMDScale)
def _points(x: CMDScale, ax: Axes | None) -> Axes:
    ax = new_axes(ax)
    plane = _plane(x.points)
    ax.scatter(*plane.T, s=24)
    if len(plane) <= _NAMED:
        names = x.labels or [str(i) for i in range(len(plane))]
        for name, point in zip(names, plane, strict=True):
            ax.annotate(name, point, xytext=(4, 4), textcoords="offset points", fontsize="small")
    share = x.tidy()["percent"].to_numpy()
    _name_axes(ax, [f"coordinate {j} ({part:.0%})" for j, part in enumerate(share[:2])])
    return ax


@_draw.register(DKPS)
def _ways(x: DKPS, ax: Axes | None) -> Axes:
    ax = new_axes(ax)
    points = x.points
    # A replicate's lines have a style, a model's a colour.
    styles = ["-", "--", ":", "-."]
    for i, model in enumerate(points.get_index("model")):
        for r in range(points.sizes["replicate"]):
            way = points.values[:, r, i]
            # One coordinate is drawn over time.
            u, v = (way[:, 0], way[:, 1]) if x.k > 1 else (points.get_index("time"), way[:, 0])
            look = {"color": f"C{i}", "linewidth": 1.0, "linestyle": styles[r % 4]}
            ax.plot(u, v, label=str(model) if r == 0 else None, **look)
            ax.plot(u[:1], v[:1], "o", color=f"C{i}", markerfacecolor="none")
            ax.plot(u[-1:], v[-1:], "o", color=f"C{i}")
    if x.k > 1:
        _name_axes(ax, ["coordinate 0", "coordinate 1"])
    else:
        _name_time(ax)
        ax.set_ylabel("coordinate 0")
    if points.sizes["model"] <= 12:
        ax.legend(frameon=False, fontsize="small", title="model", title_fontsize="small")
    ax.set_title("Data kernel perspective space", fontsize="medium")
    return ax


@_draw.register(Procrustes)
def _arrows(x: Procrustes, ax: Axes | None) -> Axes:
    ax = new_axes(ax)
    target, points = _plane(x.x + x.xmean), _plane(x.fitted())
    ax.plot(*points.T, "o", markerfacecolor="none", color="C0", label="rotated")
    ax.plot(*target.T, ".", color="C1", label="target")
    for start, end in zip(points, target, strict=True):
        ax.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": "0.5"})
    _name_axes(ax, ["coordinate 0", "coordinate 1"])
    ax.legend(frameon=False, fontsize="small")
    ax.set_title("Procrustes errors", fontsize="medium")
    return ax


@_draw.register(BetaDisper)
def _spokes(x: BetaDisper, ax: Axes | None) -> Axes:
    ax = new_axes(ax)
    real = np.flatnonzero(x.eig > 0)
    plane, centres = _plane(x.vectors[:, real]), _plane(x.centroids[:, real])
    for j, level in enumerate(x.levels):
        own = plane[x.group == j]
        ends = np.stack([own, np.broadcast_to(centres[j], own.shape)], axis=1)
        for line in ends:
            ax.plot(*line.T, color=f"C{j}", linewidth=0.6, alpha=0.6)
        marker = _MARKERS[j % len(_MARKERS)]
        ax.plot(*own.T, marker, color=f"C{j}", markersize=4, label=level)
        ax.plot(*centres[j], "P", color=f"C{j}", markersize=9, markeredgecolor="black")
    _name_axes(ax, ["PCoA1", "PCoA2"])
    ax.legend(frameon=False, fontsize="small")
    ax.set_title(f"Distances to the group's {x.type}", fontsize="medium")
    return ax


@_draw.register(CollapseTest)
def _over_time(x: CollapseTest, ax: Axes | None) -> Axes:
    ax = new_axes(ax)
    table = x.table
    known = bool(table["energy_distance"].notna().all())
    values = table["energy_distance" if known else "r2_adjusted"].to_numpy()
    times, apart = table.index.to_numpy(), table["p_adjusted"].to_numpy() <= _LEVEL
    ax.plot(times, values, color="0.7", linewidth=1)
    ax.plot(times[apart], values[apart], "o", color="C0", label="told apart")
    ax.plot(times[~apart], values[~apart], "o", color="C0", markerfacecolor="none", label="not")
    ax.axhline(0.0, color="0.5", linewidth=0.8)
    _name_time(ax)
    ax.set_ylabel("energy distance between models" if known else "adjusted R2")
    ax.legend(frameon=False, fontsize="small", title=f"at {_LEVEL:.0%}", title_fontsize="small")
    return ax


@_draw.register(Adonis)
def _term(x: Adonis, ax: Axes | None, *, term: str | None = None) -> Axes:
    # The last two rows are the residuals and the total.
    tested = [str(name) for name in x.table.index[:-2]]
    term = tested[0] if term is None else term
    if term not in tested:
        raise InputError("term", term, f"one of {', '.join(tested)}")
    j = tested.index(term)
    return _histogram(x.f_permuted[:, j], float(x.table["f"].iloc[j]), f"F of {term}", ax)


@_draw.register(DispersionTable)
def _dispersion(x: DispersionTable, ax: Axes | None) -> Axes:
    return _histogram(x.f_permuted, float(x.table["f"].iloc[0]), "F of dispersions", ax)


@_draw.register(Mantel)
def _mantel(x: Mantel, ax: Axes | None) -> Axes:
    return _histogram(x.permuted, x.statistic, "Mantel statistic r", ax)


@_draw.register(Protest)
def _protest(x: Protest, ax: Axes | None) -> Axes:
    return _histogram(x.permuted, x.statistic, "Procrustes correlation", ax)


@_draw.register(HTest)
def _htest(x: HTest, ax: Axes | None) -> Axes:
    return _histogram(x.permuted, x.statistic, x.statistic_name, ax)


def _histogram(permuted: FloatArray | None, observed: float, name: str, ax: Axes | None) -> Axes:
    finite = None if permuted is None else permuted[np.isfinite(permuted)]
    if finite is None or not finite.size:
        raise InputError("x", "a test without permutations", "one that kept its permutations")
    ax = new_axes(ax)
    ax.hist(finite, bins=min(40, max(5, finite.size // 20)), color="0.8", edgecolor="0.6")
    if np.isfinite(observed):
        ax.axvline(observed, color="C3", label="observed")
        ax.legend(frameon=False, fontsize="small")
    ax.set_xlabel(name)
    ax.set_ylabel(f"permutations, of {len(finite)}")
    return ax


def _plane(points: FloatArray) -> FloatArray:
    """Return the first two coordinates, (n, 2), 0 where there are fewer."""
    plane = np.zeros((len(points), 2))
    plane[:, : points.shape[1]] = points[:, :2]
    return plane


def _name_axes(ax: Axes, names: list[str]) -> None:
    for name, label in zip(names, (ax.set_xlabel, ax.set_ylabel), strict=False):
        label(name)
    # Distances are what the picture shows, so both axes have one scale.
    ax.set_aspect("equal", adjustable="datalim")


def _name_time(ax: Axes) -> None:
    ax.set_xlabel("time t")
    ax.locator_params(axis="x", integer=True)
