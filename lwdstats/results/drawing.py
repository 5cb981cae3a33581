"""What the pictures of several results share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKERS = "os^DvP*Xd<>h"


def new_axes(ax: Axes | None) -> Axes:
    """Return `ax`, or the axes of a new figure where it is None."""
    if ax is not None:
        return ax
    from matplotlib import pyplot

    return pyplot.subplots(figsize=(6.4, 4.0), layout="constrained")[1]


def histogram(permuted: FloatArray | None, observed: float, name: str, ax: Axes | None) -> Axes:
    """Draw a statistic under permutations, (B,), and the observed one as a line."""
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


def estimates(frame: pd.DataFrame, names: str, ax: Axes | None) -> Axes:
    """Draw the column `estimate` of a frame, a line a row, with its interval where it has one.

    The interval is `conf_low` to `conf_high`, or else one standard error to each side.
    """
    ax = new_axes(ax)
    values = frame["estimate"].to_numpy(dtype=float)
    rows = np.arange(len(frame))[::-1]
    if "conf_low" in frame:
        ends = frame[["conf_low", "conf_high"]].to_numpy(dtype=float).T
    else:
        error = frame["std_error"].to_numpy(dtype=float) if "std_error" in frame else 0.0 * values
        ends = np.stack([values - error, values + error])
    ends = np.where(np.isfinite(ends), ends, values)
    ax.hlines(rows, *ends, color="C0", linewidth=1.5)
    ax.plot(values, rows, "o", color="C0")
    labels = frame.get(names)
    ax.set_yticks(rows, list(map(str, frame.index if labels is None else labels)))
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
        ax.legend(frameon=False, fontsize="small")
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
