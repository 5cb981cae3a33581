"""Pictures of a fitted proxy."""

from __future__ import annotations

import textwrap

import numpy as np

from lwdstats.errors import InputError, check_integer
from lwdstats.geometry.cmdscale import scale_distances
from lwdstats.results.pictures import drawing
from lwdstats.results.pictures.style import colour
from lwdstats.studies.proxy.fitted import Fitted

_LETTERS = 34


def weights(
    proxy: Fitted,
    ax: drawing.Axes | None,
    component: int | None = None,
    query: int = 0,
    replicate: int = 0,
) -> drawing.Axes:
    """Draw the weight of a component by model: measured as points, predicted as lines.

    By default the component whose weights differ most.
    """
    query = _position("query", query, len(proxy.queries))
    replicate = _position("replicate", replicate, len(proxy.replicates))
    path, ahead = proxy.paths[query], proxy.predictions(query)[0][replicate]
    weight = path.weight[replicate]
    if component is None:
        component = int(np.nanargmax(np.nanvar(weight, axis=(0, 1))))
    component = _position("component", component, weight.shape[-1])
    ax = drawing.new_axes(ax)
    for i, model in enumerate(proxy.models):
        color = colour(i)
        ax.plot(proxy.times, weight[:, i, component], ".", color=color, markersize=4, alpha=0.6)
        ax.plot(proxy.times, ahead[:, i, component], color=color, label=str(model))
    ax.set_ylabel(f"weight of component {component}")
    drawing.name_time(ax)
    drawing.legend(ax)
    return ax


def _position(name: str, value: int, number: int) -> int:
    """Return a position among so many, or raise `InputError`."""
    value = check_integer(name, value, minimum=0)
    if value >= number:
        raise InputError(name, value, f"an integer from 0 to {number - 1}")
    return value


def components(proxy: Fitted, ax: drawing.Axes | None, query: int = 0) -> drawing.Axes:
    """Draw the components in the plane of classical scaling, with the answers nearest to them."""
    query = _position("query", query, len(proxy.queries))
    means = proxy.moments[query][0]
    apart = np.sqrt(((means[:, None] - means) ** 2).sum(axis=-1))
    places = drawing.plane(scale_distances(apart, min(2, len(means) - 1))[0])
    share = np.nanmean(proxy.paths[query].weight, axis=(0, 1, 2))
    ax = drawing.new_axes(ax)
    ax.scatter(
        *places.T, s=60 + 900 * np.clip(share, 0, 1), color=colour(0), alpha=0.35, linewidths=0
    )
    reach = max(float(np.ptp(places, axis=0).max()), 1e-12)
    for c, (x, y) in enumerate(places):
        text = proxy.nearest[query][c] if proxy.nearest[query] else ""
        said = "\n".join(textwrap.wrap(textwrap.shorten(text, 3 * _LETTERS), _LETTERS))
        # Words, in which no sign starts mathematics.
        said = f"{c} ({100 * share[c]:.0f}%)" + (f"\n{said}" if said else "")
        right = x > places[:, 0].mean()
        ax.annotate(
            said.replace("$", r"\$"),
            (x, y),
            (x + (-0.05 if right else 0.05) * reach, y),
            ha="right" if right else "left",
            va="center",
            fontsize="x-small",
        )
    ax.margins(0.35)
    drawing.name_axes(ax, ["CMDS 1", "CMDS 2"])
    return ax
