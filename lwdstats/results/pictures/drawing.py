"""What the pictures of several results share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError, check_integer
from lwdstats.results.pictures.covariates import covariate
from lwdstats.results.pictures.looks import Looks, looks
from lwdstats.results.pictures.style import DASHES, GREY, MOST_LOOKS, colour, pairs
from lwdstats.results.pictures.text import shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# So many names find a place beside their points; of more points the outermost are named.
MOST_NAMES, OUTERMOST = 60, 20
# Letters of names that a figure of the usual size has room for.
_ROOM = 300


def new_axes(ax: Axes | None, names: Sequence[str] = ()) -> Axes:
    """Return `ax`, or the axes of a new figure, with room for some names, where it is None."""
    if ax is not None:
        return ax
    letters = sum(len(name) + 4 for name in shortened(names))
    return new_figure(1, larger=min(1.8, max(1.0, (letters / _ROOM) ** 0.5)))[1][0]


def new_figure(
    n_panels: int, *, larger: float = 1.0, size: tuple[float, float] | None = None
) -> tuple[Figure, list[Axes]]:
    """Return a figure with panels beside each other, on the same axes, each of a size in inches."""
    from matplotlib import pyplot, rcParams

    from lwdstats.results.pictures.legend import OWN

    width, height = size or rcParams["figure.figsize"]
    figure = pyplot.figure(
        figsize=(larger * width * n_panels, larger * height), layout="constrained"
    )
    OWN.add(figure)
    axes = figure.subplots(1, n_panels, squeeze=False, sharex=True, sharey=True)[0]
    return figure, list(axes)


def stacked_axes() -> tuple[Axes, Axes]:
    """Return the axes of a new figure, and lower ones below with the same horizontal axis."""
    from matplotlib import pyplot, rcParams

    from lwdstats.results.pictures.legend import OWN

    width, height = rcParams["figure.figsize"]
    figure = pyplot.figure(figsize=(width, 1.5 * height), layout="constrained")
    OWN.add(figure)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    return above, below


def legend(ax: Axes, title: str | None = None) -> None:
    """Write what the lines of a picture are, by their labels, of our own making, beside it."""
    from lwdstats.results.pictures.legend import outside

    handles, texts = ax.get_legend_handles_labels()
    if handles:
        outside(ax, handles, texts, title, math=True)


def cloud(
    ax: Axes | None,
    points: FloatArray,
    labels: Sequence[str],
    *,
    color: Any = None,
    marker: Any = None,
    names: bool | int | Sequence[str] | None = None,
    known: Mapping[str, np.ndarray] | None = None,
) -> Axes:
    """Draw points (n, 2) with their names, by covariates; points without `labels` are all alike."""
    known = known or {}
    own = list(labels) or [str(i) for i in range(len(points))]
    tint = covariate("color", color, known, own)
    look = looks(own, tint, covariate("marker", marker, known, own))
    if not labels and look.by_name:
        look = Looks([colour(0)] * len(own), ["o"] * len(own))
    named = which_names(names, own, points)
    ax = new_axes(ax, [own[i] for i in named])
    scatter(ax, points, look)
    name_points(ax, own, named, points)
    keys(ax, look, by_name=len(named) < len(own))
    return ax


def title(ax: Axes, text: str) -> None:
    """Write a title in as many lines as it takes."""
    from lwdstats.results.pictures.legend import write_title

    write_title(ax, text)


def heading(figure: Figure, text: str, inches: float) -> None:
    """Write a title above panels, which are some inches wide, in as many lines as it takes."""
    from lwdstats.results.pictures.legend import wrapped

    figure.suptitle(wrapped(text, inches), x=0.5 * inches / figure.get_figwidth())


def settle(ax: Axes) -> Axes:
    """Lay out a figure of our own: its first layout is before ticks are known, and so is off."""
    from lwdstats.results.pictures.legend import OWN

    if ax.figure in OWN:
        ax.figure.figure.draw_without_rendering()
    return ax


def series(n: int) -> list[dict[str, Any]]:
    """Return what tells n lines apart, a colour and dashes each; where they are many, all alike."""
    if n > MOST_LOOKS:
        return [{"color": GREY, "linewidth": 0.6}] * n
    return [{"color": color, "linestyle": dashes} for color, dashes in pairs(n, DASHES)]


def scatter(ax: Axes, points: FloatArray, look: Looks, **options: Any) -> None:
    """Draw points (n, 2), each with its colour and marker."""
    colors = np.array(look.colors, dtype=object)
    for marker in dict.fromkeys(look.markers):
        own = np.array([m == marker for m in look.markers])
        options = {"s": 28, "linewidths": 0, "alpha": 0.9} | options
        ax.scatter(*points[own].T, marker=marker, c=list(colors[own]), **options)


def keys(ax: Axes, look: Looks, *, by_name: bool = True) -> None:
    """Write what colours and markers mean; those of single points unless `by_name` is False."""
    from lwdstats.results.pictures.legend import add_keys

    if look.keys or look.amount is not None:
        add_keys(ax, () if look.by_name and not by_name else look.keys, look.amount)


def which_names(
    names: bool | int | Sequence[str] | None, labels: Sequence[str], points: FloatArray
) -> list[int]:
    """Return which points are named: all, the outermost of many, or those asked for."""
    n = len(labels)
    if names is None:
        names = n if n <= MOST_NAMES else OUTERMOST
    if isinstance(names, bool | np.bool_):
        names = n if names else 0
    if isinstance(names, int | np.integer):
        away = points - np.nanmedian(points, axis=0)
        far = np.argsort(-np.nan_to_num((away**2).sum(axis=1)), kind="stable")
        return sorted(far[: check_integer("names", names, minimum=0)].tolist())
    takes = f"how many, or names of points: {', '.join(labels[:20])}"
    try:
        wanted = {names} if isinstance(names, str) else {str(name) for name in names}
    except TypeError:
        raise InputError("names", type(names).__name__, takes) from None
    if gone := wanted - set(labels):
        raise InputError("names", f"no point {', '.join(sorted(gone))}", takes)
    return [i for i, label in enumerate(labels) if label in wanted]


def name_points(
    ax: Axes,
    labels: Sequence[str],
    which: Sequence[int],
    points: FloatArray,
    others: FloatArray | None = None,
) -> None:
    """Write the names of some points (n, 2) beside them, off all points and off `others`."""
    from lwdstats.results.pictures.names import write_names

    short = shortened(labels)
    around = points if others is None else np.vstack([points, others])
    if which:
        write_names(ax, [short[i] for i in which], points[list(which)], around)


def histogram(permuted: FloatArray | None, observed: float, name: str, ax: Axes | None) -> Axes:
    """Draw a statistic under permutations, (B,), and the observed one as a line."""
    finite = None if permuted is None else permuted[np.isfinite(permuted)]
    if finite is None or not finite.size:
        raise InputError("x", "a test without permutations", "one that kept its permutations")
    ax = new_axes(ax)
    ax.hist(finite, bins=min(40, max(5, finite.size // 20)), color="0.8", edgecolor="0.6")
    if np.isfinite(observed):
        ax.axvline(observed, color=colour(1), label="observed")
        legend(ax)
    ax.set_xlabel(name)
    ax.set_ylabel(f"permutations, of {len(finite)}")
    return ax


def estimates(frame: pd.DataFrame, names: str, ax: Axes | None) -> Axes:
    """Draw the column `estimate` of a frame, a line a row by name, with its interval if it has one.

    The interval is `conf_low` to `conf_high`, or else one standard error to each side.
    """
    ax = new_axes(ax)
    values = frame["estimate"].to_numpy(dtype=float)
    rows = np.arange(len(frame))[::-1]
    if "conf_low" in frame:
        low, high = frame[["conf_low", "conf_high"]].to_numpy(dtype=float).T
    else:
        error = frame["std_error"].to_numpy(dtype=float) if "std_error" in frame else 0.0 * values
        low, high = values - error, values + error
    known = np.concatenate([v[np.isfinite(v)] for v in (values, low, high)])
    room = 0.1 * max(float(np.ptp(known)), 1e-12) if known.size else 1.0
    for ends, side, arrow in ((low, -1.0, "<"), (high, 1.0, ">")):
        # An end that does not close is an arrow; one that could not be found is left out.
        reached = np.where(np.isinf(ends), values + side * room, ends)
        ax.hlines(rows, values, np.where(np.isnan(reached), values, reached), color=colour(0))
        ax.plot(reached[np.isinf(ends)], rows[np.isinf(ends)], arrow, color=colour(0))
    ax.plot(values, rows, "o", color=colour(0))
    ax.set_yticks(rows, frame[names].astype(str).tolist())
    ax.set_xlabel("estimate")
    ax.margins(y=0.15)
    return ax


def over_time(frame: pd.DataFrame, ax: Axes | None, columns: Sequence[str] = ()) -> Axes:
    """Draw columns of a frame over its column `time`: those named, or the first of numbers."""
    ax = new_axes(ax)
    numbers = frame.drop(columns="time").select_dtypes("number").columns
    shown = list(columns) or [str(numbers[0])]
    for name in shown:
        ax.plot(frame["time"], frame[name], label=name.replace("_", " "))
    name_time(ax)
    if len(shown) > 1:
        legend(ax)
    else:
        ax.set_ylabel(shown[0].replace("_", " "))
    return ax


def plane(points: FloatArray) -> FloatArray:
    """Return the first two coordinates, (n, 2), 0 where there are fewer."""
    out = np.zeros((len(points), 2))
    out[:, : points.shape[1]] = points[:, :2]
    return out


def name_axes(ax: Axes, names: Sequence[str]) -> None:
    """Name both axes of a plane, and give them one scale, as distances are what is shown."""
    for name, label in zip(names, (ax.set_xlabel, ax.set_ylabel), strict=False):
        label(name)
    ax.set_aspect("equal", adjustable="datalim")


def name_time(ax: Axes) -> None:
    """Name the axis of time, and mark whole steps only."""
    ax.set_xlabel("time t")
    ax.locator_params(axis="x", integer=True)
