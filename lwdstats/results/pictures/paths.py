"""Points that move: the way of each model over time, or where it stands at one time."""

from __future__ import annotations

from collections.abc import Sequence

from lwdstats.arrays import FloatArray
from lwdstats.results.pictures import drawing
from lwdstats.results.pictures.looks import Looks
from lwdstats.results.pictures.style import DASHES

# So many lines are told apart when they are dark; more are drawn fainter.
_FEW_LINES = 20


def draw_paths(
    ax: drawing.Axes,
    ways: FloatArray,
    labels: Sequence[str],
    look: Looks,
    named: Sequence[int],
) -> None:
    """Draw ways (T, R, n, 2): a line a model and replicate, open at its start, filled at its end.

    At a single time there are only points. The names of models `named` stand at the ends of their
    first replicate.
    """
    n_times, n_replicates, n, _ = ways.shape
    faint = min(1.0, max(0.25, (_FEW_LINES / (n * n_replicates)) ** 0.5))
    size = 5.5 if n_times == 1 else 3.5 + 2.0 * faint
    for r in range(n_replicates):
        for i in range(n):
            hue = {"color": look.colors[i], "alpha": faint}
            if n_times > 1:
                line = {"linestyle": DASHES[r % len(DASHES)], "linewidth": 0.5 + 0.7 * faint}
                ax.plot(*ways[:, r, i].T, zorder=1.5, **hue, **line)
                ax.plot(
                    *ways[:1, r, i].T,
                    look.markers[i],
                    markersize=0.8 * size,
                    markerfacecolor="none",
                    markeredgewidth=0.8,
                    **hue,
                )
            ax.plot(
                *ways[-1:, r, i].T,
                look.markers[i],
                color=look.colors[i],
                alpha=max(0.7, faint),
                markersize=size,
                markeredgewidth=0.0,
                zorder=2.5,
            )
    drawing.name_points(ax, labels, named, ways[-1, 0], ways[-1].reshape(-1, 2))
