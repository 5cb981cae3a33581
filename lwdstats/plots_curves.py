"""Pictures of results about ||D||_F over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lwdstats.inference.changepoints.result import ChangePoints
from lwdstats.inference.collapse_time import CollapseTime
from lwdstats.inference.convergence.result import ConvergenceFit
from lwdstats.inference.trend.mann_kendall import TrendTests
from lwdstats.plots import new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def law(x: ConvergenceFit, ax: Axes | None, *, log: bool = False) -> Axes:
    """Draw the curves, their mean, the law, and its limit."""
    ax = new_axes(ax)
    ax.plot(x.time, x.sample.curves, color="0.8", linewidth=0.6)
    if x.nobs() > 1:
        ax.plot(x.time, x.sample.mean, color="0.35", linewidth=1, label="mean")
    grid = np.linspace(x.time[0], x.time[-1], 400)
    ax.plot(grid, x.predict(grid), color="C3", label=x.law.text)
    if x.law.has_limit:
        ax.axhline(x.limit, color="C3", linestyle=":", linewidth=1, label="limit")
    if log:
        ax.set(xscale="symlog" if x.time[0] == 0 else "log", yscale="log")
    ax.set(xlabel="time", ylabel=x.what)
    ax.legend(frameon=False, fontsize="small")
    return ax


def changes(x: ChangePoints, ax: Axes | None) -> Axes:
    """Draw the curves, the fitted levels, and a line at each change."""
    ax = new_axes(ax)
    for j, replicate in enumerate(x.paths.index):
        (line,) = ax.plot(x.time, x.values[:, j], linewidth=0.8, alpha=0.6)
        ax.plot(x.time, x.fitted[:, j], color=line.get_color(), label=f"{replicate}")
        for at in x.table.loc[x.table["replicate"] == replicate, "time"]:
            ax.axvline(at, color=line.get_color(), linestyle=":")
    ax.set(xlabel="time", ylabel=x.what)
    return ax


def survival(x: CollapseTime, ax: Axes | None) -> Axes:
    """Draw the share of replicates that have not collapsed, with its pointwise interval."""
    ax = new_axes(ax)
    curve = x.survival
    time = np.concatenate([[0.0], curve["time"].to_numpy(dtype=float)])
    share = np.concatenate([[1.0], curve["estimate"].to_numpy(dtype=float)])
    (line,) = ax.step(time, share, where="post")
    low, high = (
        np.concatenate([[1.0], curve[c].to_numpy(dtype=float)]) for c in ("conf_low", "conf_high")
    )
    ax.fill_between(time, low, high, step="post", alpha=0.2, color=line.get_color())
    if x.events < x.n:
        ax.plot(x.last, share[-1], "+", color=line.get_color(), label="not collapsed")
    ax.set(xlabel="time", ylabel="share not collapsed", ylim=(0.0, 1.02))
    return ax


def trends(x: TrendTests, ax: Axes | None) -> Axes:
    """Draw the curves, each with its Theil-Sen line through the medians."""
    ax = new_axes(ax)
    middle = np.median(x.time)
    for j, (replicate, slope) in enumerate(x.table["slope"].items()):
        (line,) = ax.plot(x.time, x.values[:, j], linewidth=0.8, alpha=0.6)
        fitted = np.median(x.values[:, j]) + slope * (x.time - middle)
        ax.plot(x.time, fitted, color=line.get_color(), label=f"{replicate}")
    ax.set(xlabel="time", ylabel=x.what)
    return ax
