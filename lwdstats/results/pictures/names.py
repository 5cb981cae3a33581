"""Names beside points, none over another: laid out anew each time the figure is drawn.

Imports matplotlib, so it is imported where a picture is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.text import Annotation, Text

from lwdstats.arrays import FloatArray

# How far from its point a name may stand, in points (1/72 inch), and in which directions.
_AWAY = np.array([5.0, 9.0, 14.0, 20.0, 28.0, 38.0, 50.0, 65.0, 85.0])
_ANGLES = np.radians([0, 180, 45, 135, 315, 225, 90, 270, 22, 158, 338, 202, 67, 113, 293, 247])
# What a dot under a name costs, in points of distance, and how wide a dot is taken to be.
_COVERED, _DOT = 25.0, 5.0


def write_names(ax: Axes, names: Sequence[str], at: FloatArray, points: FloatArray) -> None:
    """Write names beside the points `at`, (m, 2), off all `points`, (n, 2), as far as they can.

    A name that finds no place inside the axes, off all others, is not shown.
    """
    line = {"arrowstyle": "-", "color": "0.6", "linewidth": 0.5, "shrinkA": 0.0, "shrinkB": 2.0}
    written = []
    for name, point in zip(names, at, strict=True):
        text = ax.annotate(
            name,
            (float(point[0]), float(point[1])),
            xytext=(0.0, 0.0),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize="small",
            arrowprops=line,
            # So that a name is read where it stands on points.
            bbox={"facecolor": ax.get_facecolor(), "alpha": 0.6, "linewidth": 0, "pad": 0.5},
        )
        text.set_parse_math(False)
        # It has its place inside the axes, so these need none for it.
        text.set_in_layout(False)
        written.append(text)
    ax.add_artist(_Layout(written, points))


class _Layout(Artist):
    """Finds a place for each name when the figure is drawn, whatever its size is then."""

    def __init__(self, names: list[Annotation], points: FloatArray) -> None:
        super().__init__()
        self.names = names
        self.points = points
        # Before the names, and after the axes have found their place.
        self.set_zorder(-1.0)
        self.set_in_layout(False)

    def draw(self, renderer: RendererBase) -> None:
        """Move each name to its place, and hide what has none."""
        axes = self.axes
        if axes is None or not self.names:
            return
        for name in self.names:
            # An invisible text has no size.
            name.set_visible(True)
        unit = float(np.asarray(renderer.points_to_pixels(1.0)))
        anchors = np.array([axes.transData.transform(name.xy) for name in self.names])
        sizes = np.array([Text.get_window_extent(name, renderer).size for name in self.names])
        dots = np.asarray(axes.transData.transform(self.points), np.float64)
        frame = np.array(axes.get_window_extent(renderer).extents, np.float64)
        places = place(anchors / unit, sizes / unit + 2.0, dots / unit, frame / unit)
        for name, offset in zip(self.names, places, strict=True):
            name.set_visible(bool(np.isfinite(offset).all()))
            if name.get_visible():
                name.set_position((float(offset[0]), float(offset[1])))


def place(at: FloatArray, sizes: FloatArray, dots: FloatArray, frame: FloatArray) -> FloatArray:
    """Return where the centres of boxes go, (m, 2), from the points `at` that they belong to.

    Each takes the nearest place that is free of the boxes before it, and covers few dots; the
    most crowded choose first. NaN where none is free.

    Parameters
    ----------
    at, sizes : numpy.ndarray, shape (m, 2)
        The points, and the width and height of the boxes.
    dots : numpy.ndarray, shape (n, 2)
        What boxes should not cover.
    frame : numpy.ndarray, shape (4,)
        The left, bottom, right and top within which boxes stay.

    Examples
    --------
    >>> at, frame = np.array([[10.0, 10.0], [10.0, 11.0]]), np.array([0.0, 0.0, 60.0, 40.0])
    >>> place(at, np.array([[20.0, 8.0]] * 2), at, frame).round()
    array([[15.,  0.],
           [ 0.,  9.]])
    """
    out = np.full(at.shape, np.nan)
    direction = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)
    dots = dots[np.isfinite(dots).all(axis=1)]
    near = np.linalg.norm(at[:, None] - dots, axis=-1)
    centres, taken = np.empty((0, 2)), np.empty((0, 2))
    for i in np.argsort(-(near < 60.0).sum(axis=1), kind="stable"):
        half = sizes[i] / 2.0
        offsets = (_AWAY[:, None, None] * direction + half * direction).reshape(-1, 2)
        cost = np.repeat(_AWAY, len(direction))
        found = at[i] + offsets
        inside = (found - half >= frame[:2]) & (found + half <= frame[2:])
        free = inside[:, 0] & inside[:, 1]
        over = (np.abs(found[:, None] - centres) < half + taken / 2.0).all(axis=-1)
        free &= ~over.any(axis=-1)
        if not free.any():
            continue
        under = (np.abs(found[:, None] - dots) < half + _DOT / 2.0).all(axis=-1).sum(axis=1)
        best = np.argmin(np.where(free, cost + _COVERED * under, np.inf))
        out[i] = offsets[best]
        centres, taken = np.vstack([centres, found[best]]), np.vstack([taken, sizes[i]])
    return out
