"""The result of `DKPS.regions`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from lwdstats.arrays import FloatArray
from lwdstats.results.axes import coordinate_columns
from lwdstats.results.pictures import drawing
from lwdstats.results.result import Result, one_row

_POINT = ("time", "replicate", "model")


@dataclass(frozen=True, eq=False)
class Regions(Result):
    """Confidence regions of the points of a perspective space, by `DKPS.regions`.

    Attributes
    ----------
    centre : xarray.DataArray
        The points without what the noise of few answers adds to distances,
        dimensions (time, replicate, model, coordinate).
    covariance : xarray.DataArray
        Of the error of each, dimensions ``(time, replicate, model, coordinate, coordinate_)``.
    df : xarray.DataArray
        Its degrees of freedom, dimensions (time, replicate, model).
    noise_share : tuple of float
        The share of each coordinate's sum of squares that is noise.
    level : float
        Of confidence, for each point by itself.
    n_bootstrap : int
        Number of draws.
    seed : int
        What repeats them.
    """

    centre: xr.DataArray
    covariance: xr.DataArray
    df: xr.DataArray
    noise_share: tuple[float, ...]
    level: float
    n_bootstrap: int
    seed: int

    def radius(self, d: int = 2) -> FloatArray:
        """Return how many standard errors the region of d coordinates reaches, (T, R, n).

        Hotelling's: ``sqrt(d v/(v - d + 1) F(level; d, v - d + 1))``, v being the degrees of
        freedom, a little fewer than `df` as draws are not without end.
        """
        v = np.maximum(1.0 / (1.0 / self.df.values + 1.0 / (self.n_bootstrap - 1.0)), float(d))
        return np.sqrt(d * v / (v - d + 1.0) * stats.f.ppf(self.level, d, v - d + 1.0))

    def tidy(self) -> pd.DataFrame:
        """Return a row for each point: its centre, and its ellipse in the first two coordinates.

        The half axes `major` and `minor`, and the angle of the first in degrees.
        """
        size, angle = self._ellipses()
        index = pd.MultiIndex.from_product([self.centre.get_index(d) for d in _POINT], names=_POINT)
        columns = coordinate_columns(self.centre.values.reshape(len(index), -1))
        columns |= {"major": size[:, 0], "minor": size[:, 1], "angle": angle}
        return index.to_frame(index=False).assign(**columns)

    def glance(self) -> pd.DataFrame:
        """Return one row about the regions."""
        row = {"level": self.level, "n_bootstrap": self.n_bootstrap, "seed": self.seed}
        return one_row(row | {"nobs": self.df.size, "df": float(self.df.min())})

    def lines(self) -> list[str]:
        """Return what was drawn, the noise of each axis, and how large the ellipses are."""
        size = self._ellipses()[0]
        share = " ".join(f"{s:.1%}" for s in self.noise_share[:10])
        return [
            f"{self.level:.0%} confidence regions of {self.df.size} points",
            "",
            f"{self.n_bootstrap} draws of the answers, seed {self.seed}",
            f"Noise in the sum of squares of each coordinate: {share}",
            f"Half axes, median: {np.median(size[:, 0]):.4g} and {np.median(size[:, 1]):.4g}",
        ]

    def _ellipses(self) -> tuple[FloatArray, FloatArray]:
        """Return half axes (P, 2), the longer first, and the angle of that in degrees, (P,)."""
        k = min(2, self.covariance.shape[-1])
        cov = np.zeros((self.df.size, 2, 2))
        cov[:, :k, :k] = self.covariance.values[..., :k, :k].reshape(-1, k, k)
        values, vectors = np.linalg.eigh(cov)
        size = np.sqrt(np.maximum(values[:, ::-1], 0.0)) * self.radius(k).reshape(-1, 1)
        return size, np.degrees(np.arctan2(vectors[:, 1, 1], vectors[:, 0, 1]))

    def _draw(self, ax: drawing.Axes | None) -> drawing.Axes:
        ax = drawing.new_axes(ax)
        points = drawing.plane(self.centre.values.reshape(self.df.size, -1))
        self.draw_ellipses(ax, np.arange(len(points)), [drawing.colour(0)] * len(points))
        ax.plot(*points.T, ".", color=drawing.colour(0))
        drawing.name_axes(ax, ["coordinate 0", "coordinate 1"])
        return ax

    def draw_ellipses(self, ax: drawing.Axes, which: np.ndarray, colors: list[str]) -> None:
        """Draw the ellipses of some points, each with its colour."""
        from matplotlib.patches import Ellipse

        points = drawing.plane(self.centre.values.reshape(self.df.size, -1))
        size, angle = self._ellipses()
        # Of many that lie over one another, the edges are seen.
        fill = min(0.15, max(0.02, 3.0 / len(which)))
        for i, color in zip(which, colors, strict=True):
            where = (float(points[i, 0]), float(points[i, 1]))
            width, height = 2.0 * size[i]
            one = Ellipse(where, width, height, angle=float(angle[i]), linewidth=0.5)
            one.set_facecolor((color, fill))
            one.set_edgecolor((color, 0.4))
            ax.add_patch(one)
