"""Legends, colour bars and titles: beside the axes, never over the points or out of the figure.

Imports matplotlib, so it is imported where a picture is drawn.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any
from weakref import WeakSet

from matplotlib import rcParams
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.legend import Legend
from matplotlib.lines import Line2D

from lwdstats.results.pictures.covariates import Covariate
from lwdstats.results.pictures.looks import Key, scale_of
from lwdstats.results.pictures.style import DASHES
from lwdstats.results.pictures.text import plain, shortened

# Figures that this package made, and so may widen.
OWN: WeakSet[Figure] = WeakSet()
# Letters of a name in a legend beside axes that are not ours.
_FEWER = 14
# Letters of a title in an inch of its width.
_LETTERS = 11


def add_keys(ax: Axes, keys: Sequence[Key], amount: Covariate | None = None) -> None:
    """Write what colours and markers mean beside the axes, a block below another."""
    if amount is not None:
        norm, cmap = scale_of(amount)
        # What stands beside the axes already leaves no place there.
        place: Any = {"location": "bottom", "aspect": 40} if keys else {"location": "right"}
        panels = list(ax.figure.axes) if ax.figure in OWN else [ax]
        bar = ax.figure.colorbar(ScalarMappable(norm, cmap), ax=panels, shrink=0.8, **place)
        bar.set_label(plain(amount.name), parse_math=False)
        if amount.values.dtype.kind == "M":
            bar.locator = AutoDateLocator()
            bar.formatter = ConciseDateFormatter(bar.locator)
    handles: list[Line2D] = []
    texts: list[str] = []
    for key in keys:
        if len(keys) > 1 and key.title:
            handles.append(Line2D([], [], linestyle="none"))
            texts.append(key.title)
        for text, color, look in key.entries:
            line: Any = {"linestyle": look} if look in DASHES else {"linestyle": "", "marker": look}
            handles.append(Line2D([], [], color=color, markersize=5, **line))
            texts.append(text)
    if handles:
        outside(ax, handles, texts, keys[0].title if len(keys) == 1 else None)


def outside(
    ax: Axes,
    handles: Sequence[Artist],
    texts: Sequence[str],
    title: str | None = None,
    *,
    math: bool = False,
) -> Legend:
    """Add a legend to the right of the axes, in columns; the figure makes room for it.

    What stands between dollars is a formula only if `math` is true; else texts may be any.
    """
    own = ax.figure in OWN
    size = FontProperties(size=rcParams["legend.fontsize"]).get_size_in_points()
    height = ax.get_window_extent().height * 72.0 / ax.figure.dpi
    rows = max(4, int(height / ((1.6 if own else 1.3) * size)) - (title is not None))
    place: Any = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0), "borderaxespad": 0.0}
    holder: Any = ax
    if own and len(ax.figure.axes) > 1:
        # Beside all panels.
        place, holder = {"loc": "outside right upper"}, ax.figure
    legend: Legend = holder.legend(
        handles,
        # The texts come after: a text that starts with "_" would leave its line out.
        ["x"] * len(texts),
        ncols=-(-len(texts) // rows),
        columnspacing=1.0,
        labelspacing=0.5 if own else 0.2,
        title=title,
        **place,
    )
    # Axes of someone's own keep their width rather than names their letters.
    shown = list(texts) if math else shortened(texts, *(() if own else (_FEWER,)))
    for entry, text in zip(legend.get_texts(), shown, strict=True):
        entry.set_parse_math(math)
        entry.set_text(text)
    if title is not None:
        legend.get_title().set_parse_math(False)
        legend.get_title().set_text(plain(title))
    _make_room(ax, legend)
    return legend


def write_title(ax: Axes, text: str) -> None:
    """Write a title in as many lines as it takes."""
    width = ax.get_window_extent().width / ax.figure.dpi
    ax.set_title(wrapped(text, width))


def wrapped(text: str, inches: float) -> str:
    """Return a title in lines that are not wider than some inches."""
    return "\n".join(textwrap.wrap(text, max(20, int(_LETTERS * inches)))) or text


def _make_room(ax: Axes, legend: Legend) -> None:
    """Widen the figure by its legend if it is ours, else narrow the axes, as a colour bar does."""
    figure = ax.figure.figure
    wide = legend.get_window_extent().width
    if figure in OWN:
        figure.set_figwidth(figure.get_figwidth() + wide / figure.dpi)
    elif figure.get_layout_engine() is None:
        x0, y0, width, height = ax.get_position().bounds
        most = 0.65 * width * figure.bbox.width
        if wide > most:
            for entry in [legend.get_title(), *legend.get_texts()]:
                entry.set_fontsize(float(entry.get_fontsize()) * most / wide)
            wide = legend.get_window_extent().width
        ax.set_position((x0, y0, width - wide / figure.bbox.width - 0.02, height))
