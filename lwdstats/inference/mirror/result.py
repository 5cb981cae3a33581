"""What `mirror` returns: the curve, its changes, and their print."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from lwdstats.arrays import FloatArray
from lwdstats.results.axes import coordinate_columns
from lwdstats.results.pictures import drawing
from lwdstats.results.printing import format_numbers, format_p
from lwdstats.results.result import Result, aligned, one_row

CURVES = {"iso": "iso-mirror", "mirror": "mirror"}


@dataclass(frozen=True, eq=False)
class Mirror(Result):
    """The path of a network as one curve, by `mirror`.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a change: `time`, after which the slope is another; `conf_low` and `conf_high`;
        `before` and `after`, the slopes on both sides of it (of several coordinates their
        lengths), a unit of time;
        `statistic` and `p_value` of the change against none, beside the other changes; `p_bent`,
        the same beside a curve of degree 3. Both are NaN where changes were looked for in several
        coordinates.
    time : numpy.ndarray, shape (T,)
        Times.
    points : numpy.ndarray, shape (T, k)
        The mirror: coordinates of classical scaling.
    iso : numpy.ndarray, shape (T,)
        The iso-mirror: ISOMAP of the mirror in one dimension, on the whole rising.
    fitted : numpy.ndarray, shape (T, c)
        The piecewise linear curve through what changes were looked for in.
    squared : numpy.ndarray, shape (T, T)
        Squared distances between the states at two times; below 0 where noise taken out is
        larger than what is left.
    eig : numpy.ndarray, shape (T,)
        Eigenvalues of classical scaling.
    distance : str
        "frobenius", "spectral" or "procrustes".
    debiased : bool
        Whether the noise of a finite number of answers was taken out.
    on : str
        Where changes were looked for: "iso" or "mirror".
    degree : int
        Of the polynomial that the curve is beside its corners.
    neighbors : int
        Nearest neighbours of the graph of ISOMAP.
    white_share : float
        Share of white noise in the variance of a step of the curve, of which the rest is what
        the process itself does by chance; NaN where there is no curve.
    level : float
        Level of the intervals.
    min_size : int
        The fewest steps between changes, and to the ends.
    n_bootstrap : int
        Paths simulated for a place of an interval, and for a p-value.
    seed : int
        What repeats them.
    what : str
        What the states are.
    """

    table: pd.DataFrame
    time: FloatArray = field(repr=False)
    points: FloatArray = field(repr=False)
    iso: FloatArray = field(repr=False)
    fitted: FloatArray = field(repr=False)
    squared: FloatArray = field(repr=False)
    eig: FloatArray = field(repr=False)
    distance: str
    debiased: bool
    on: str
    degree: int
    neighbors: int
    white_share: float
    level: float
    min_size: int
    n_bootstrap: int
    seed: int
    what: str

    @property
    def shares(self) -> FloatArray:
        """The share of each coordinate in the sum of all positive eigenvalues, (k,)."""
        positive = np.maximum(self.eig, 0.0)
        return positive[: self.points.shape[1]] / max(float(positive.sum()), 1e-300)

    def lines(self) -> list[str]:
        """Return what was embedded, how well, and the changes."""
        k = self.points.shape[1]
        noise = ", the noise of a finite number of answers taken out" if self.debiased else ""
        lines = ["", "\tEuclidean mirror", "", f"data:  {self.what}"]
        lines += [f"Distance between times: {self.distance}{noise}"]
        share = " + ".join(f"{part:.1%}" for part in self.shares)
        lines += [f"Dimension{'s' * (k > 1)}: {k}, {share} of the positive eigenvalues"]
        if np.isnan(self.white_share):
            return [*lines, "", "The network stays where it is: there is no curve", ""]
        if self.on == "iso" and k > 1:
            lines += [f"Iso-mirror: one dimension, by {self.neighbors} nearest neighbours"]
        lines += [f"Noise: {self.white_share:.0%} white, the rest a random walk", ""]
        if self.table.empty:
            return [*lines, "No change of the slope", ""]
        bent = f"Curve: a polynomial of degree {self.degree} with corners"
        lines += [bent] * (self.degree > 1)
        lines += [f"Change of the slope of the {CURVES[self.on]}, with a {self.level:.0%} interval"]
        lines += [f"for its time ({self.n_bootstrap} simulated paths):"]
        shown = {"time": [f"{v:g}" for v in self.table["time"]]}
        ends = self.table[["conf_low", "conf_high"]].to_numpy()
        shown["interval"] = [f"[{low:g}, {high:g}]" for low, high in ends]
        shown |= {name: format_numbers(self.table[name], 4) for name in ("before", "after")}
        shown["statistic"] = format_numbers(self.table["statistic"], 4)
        told = bool(self.table["p_value"].notna().all())
        if told:
            shown["p-value"] = format_p(self.table["p_value"], 3)
        if told and self.degree < 3:
            shown["p (bent)"] = format_p(self.table["p_bent"], 3)
        lines += aligned(list(shown), list(zip(*shown.values(), strict=True)))
        p, bent = (self.table[name].to_numpy() for name in ("p_value", "p_bent"))
        if np.any((p <= 1.0 - self.level) & (bent > 1.0 - self.level)):
            lines += ["A path that bends without a corner can look like one that has it: p (bent)."]
        return [*lines, ""]

    def tidy(self) -> pd.DataFrame:
        """Return the changes, one row each: see `table`."""
        return self.table.copy()

    def glance(self) -> pd.DataFrame:
        """Return one row about the curve as a whole."""
        row = {"n_changes": len(self.table), "k": self.points.shape[1]}
        row |= {"share": float(self.shares.sum()), "distance": self.distance}
        row |= {"debiased": self.debiased, "white_share": self.white_share}
        return one_row(row | {"nobs": len(self.time), "level": self.level})

    def augment(self) -> pd.DataFrame:
        """Return a row for each time: its place on the mirror and the iso-mirror."""
        return pd.DataFrame({"time": self.time, **coordinate_columns(self.points), "iso": self.iso})

    def to_frame(self) -> pd.DataFrame:
        """Return the changes by number, or where there are none the curve by time."""
        if self.table.empty:
            return self.augment().set_index("time").rename_axis(None)
        return self.table.set_axis([f"change {i + 1}" for i in range(len(self.table))])

    def _caption(self) -> str:
        return f"Changes of the slope of the {CURVES[self.on]}"

    def _draw(self, ax: drawing.Axes | None) -> drawing.Axes:
        """Draw the curve over time, the fitted lines, and each change with its interval."""
        ax = drawing.new_axes(ax)
        path = self.iso[:, None] if self.on == "iso" else self.points
        for j, look in enumerate(drawing.series(path.shape[1])):
            name = CURVES[self.on] if path.shape[1] == 1 else f"coordinate {j}"
            color = look["color"]
            ax.plot(self.time, path[:, j], "o", color=color, markersize=3, label=name)
            ax.plot(self.time, self.fitted[:, j], color=color)
        changes = self.table[["time", "conf_low", "conf_high"]].to_numpy(dtype=float)
        for i, (at, low, high) in enumerate(changes):
            told = f"change, {self.level:.0%} interval" if i == 0 else None
            ax.axvline(at, color=drawing.colour(1), linestyle=":", label=told)
            ax.axvspan(low, high, color=drawing.colour(1), alpha=0.15, linewidth=0)
        drawing.name_time(ax)
        ax.set_ylabel(CURVES[self.on])
        drawing.legend(ax)
        return ax
