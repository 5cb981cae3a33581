"""The result of `dkps`."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
import xarray as xr

from lwdstats.dataset.schema import named
from lwdstats.errors import InputError, check_choice
from lwdstats.geometry import perspectives
from lwdstats.geometry.out_of_sample import METHODS, far_off, off_space, place, warn_far_off
from lwdstats.geometry.perspectives import POINT
from lwdstats.results import drawing
from lwdstats.results.axes import axes_frame, coordinate_columns, first_values
from lwdstats.results.result import Result, one_row

# Numbers in a block of distances from new points to old: 16 MB of float64.
_BLOCK = 1 << 21


@dataclass(frozen=True, eq=False)
class DKPS(Result):
    """A space made by `dkps`.

    Attributes
    ----------
    points : xarray.DataArray
        Coordinates, dimensions (time, replicate, model, coordinate), in the
        units of the distances.
    eig : xarray.DataArray
        Eigenvalues, the largest first, dimensions ([time,] eigenvalue); with a
        time dimension where each time has a space of its own.
    gof : xarray.DataArray
        Goodness of fit, dimensions ([time,] measure): the sum of the
        eigenvalues used, over the sum of all in absolute value ("absolute"),
        and over the sum of the positive ones ("positive").
    k : int
        Number of dimensions, given or chosen.
    aggregate : str
        How the answers of two models are compared.
    joint : bool
        Whether all times are in one space.
    bandwidth : float or None
        Of the kernel, for "mmd".
    mean_square : xarray.DataArray
        Mean squared distance of each point to all points embedded with it,
        dimensions (time, replicate, model).
    data : xarray.Dataset
        What was embedded.
    """

    points: xr.DataArray
    eig: xr.DataArray
    gof: xr.DataArray
    k: int
    aggregate: str
    joint: bool
    bandwidth: float | None
    mean_square: xr.DataArray
    data: xr.Dataset = field(repr=False)

    @cached_property
    def distances(self) -> xr.DataArray:
        """Distances between the models of a time and replicate (.., model, model_).

        Those that were embedded, not those between `points`. Computed when
        first asked for.
        """
        answers = perspectives.answers_of(self.data, self.aggregate)
        n_times, n_replicates, n, _ = self.points.shape
        squares = [
            perspectives.squared_distances(group, None, self.aggregate, self.bandwidth)
            for group in np.split(answers, n_times * n_replicates, axis=1)
        ]
        values = np.sqrt(squares).reshape(n_times, n_replicates, n, n)
        kept = {str(k): v for k, v in self.points.coords.items() if "coordinate" not in v.dims}
        if "model" in kept:
            kept["model_"] = xr.DataArray(kept["model"].values, dims="model_")
        out = xr.DataArray(values, kept, (*POINT, "model_"))
        return named(out, "dist", f"{self.aggregate} distance between models")

    def place(self, ds: xr.Dataset, *, method: str = "gower") -> xr.DataArray:
        """Return coordinates of other models or times in this space, which stays as it is.

        Parameters
        ----------
        ds : xarray.Dataset
            Answers to the same queries, embedded alike.
        method : {"gower", "trosset-priebe"}
            See `out_of_sample`.

        Returns
        -------
        xarray.DataArray
            Dimensions (time, replicate, model, coordinate), with how far each point lies
            off the space as its coordinate `residual`.

        Warns
        -----
        UserWarning
            If a point lies far off the space, as in `out_of_sample`.
        """
        method = check_choice("method", method, METHODS)
        if not self.joint:
            raise InputError("place", "one space a time", "a space with joint=True")
        template = perspectives.template_of(ds, self.aggregate)
        new = perspectives.answers_of(ds, self.aggregate)
        old = perspectives.answers_of(self.data, self.aggregate)
        if (len(new), new.shape[-1]) != (len(old), old.shape[-1]):
            raise InputError(
                "ds",
                f"{len(new)} queries and {new.shape[-1]} coordinates",
                f"{len(old)} queries and {old.shape[-1]} coordinates, as in this space",
            )
        names = [d["query"].values for d in (ds, self.data) if "query" in d.coords]
        if len(names) == 2 and not np.array_equal(names[0], names[1]):
            raise InputError("ds", "other queries", "the queries of this space, in order")
        y, squares = self.points.values.reshape(-1, self.k), self.mean_square.values.ravel()
        step = max(1, _BLOCK // old.shape[1]) if self.aggregate == "mean" else new.shape[1]
        found, off = np.empty((new.shape[1], self.k)), np.empty(new.shape[1])
        for start in range(0, len(found), step):
            block = slice(start, start + step)
            squared = perspectives.squared_distances(
                new[:, block], old, self.aggregate, self.bandwidth
            )
            found[block] = place(y, squares, squared, method)
            off[block] = off_space(y, squares, squared)
        warn_far_off(off, far_off(y, squares), stacklevel=2)
        placed = perspectives.points_array(found, template, self.k)
        return placed.assign_coords(residual=(perspectives.POINT, off.reshape(template.shape)))

    def lines(self) -> list[str]:
        """Return what was embedded and how, eigenvalues and goodness of fit."""
        n_times, n_replicates, n_models = self.points.shape[:3]
        how = "in one space" if self.joint else "in a space a time, each turned to the one before"
        lines = ["Data kernel perspective space", ""]
        sizes = {"time": n_times, "replicate": n_replicates, "model": n_models}
        parts = [f"{n} {noun}" + "s" * (n != 1) for noun, n in sizes.items()]
        lines += [f"Points: {', '.join(parts)}, {how}"]
        bandwidth = "" if self.bandwidth is None else f", bandwidth {self.bandwidth:.5g}"
        lines += [f"Distances: {self.aggregate}{bandwidth}"]
        lines += [f"Dimensions: {self.k}", ""]
        mean = self.eig if self.joint else self.eig.mean("time")
        of = "" if self.joint else " (mean over times)"
        lines += [f"Eigenvalues{of}:", first_values(mean.values)]
        gof = self.gof if self.joint else self.gof.mean("time")
        return [*lines, "", f"GOF{of}: " + " ".join(f"{g:.5g}" for g in gof.values)]

    def tidy(self) -> pd.DataFrame:
        """Return a row for each axis (of each time): its eigenvalue and share of the positive."""
        if self.joint:
            return axes_frame(self.eig.values, self.k)
        frames = [axes_frame(values, self.k) for values in self.eig.values]
        times = self.points.get_index("time")
        for time, frame in zip(times, frames, strict=True):
            frame.insert(0, "time", time)
        return pd.concat(frames, ignore_index=True)

    def glance(self) -> pd.DataFrame:
        """Return one row about the space; goodness of fit is the mean over times."""
        absolute, positive = self.gof.values.reshape(-1, 2).mean(axis=0)
        row = {"k": self.k, "nobs": self.points[..., 0].size}
        row |= {"aggregate": self.aggregate, "joint": self.joint}
        return one_row(row | {"gof_absolute": absolute, "gof_positive": positive})

    def augment(self) -> pd.DataFrame:
        """Return a row for each time, replicate and model: its coordinates."""
        index = pd.MultiIndex.from_product([self.points.get_index(d) for d in POINT], names=POINT)
        points = self.points.values.reshape(-1, self.k)
        return index.to_frame(index=False).assign(**coordinate_columns(points))

    def to_frame(self) -> pd.DataFrame:
        """Return the points by the name of the model."""
        return self.augment().set_index("model").rename_axis(None)

    def _draw(self, ax: drawing.Axes | None) -> drawing.Axes:
        ax = drawing.new_axes(ax)
        points = self.points
        # A replicate's lines have a style, a model's a colour.
        styles = ["-", "--", ":", "-."]
        for i, model in enumerate(points.get_index("model")):
            for r in range(points.sizes["replicate"]):
                way = points.values[:, r, i]
                # One coordinate is drawn over time.
                first = way[:, 0]
                u, v = (first, way[:, 1]) if self.k > 1 else (points.get_index("time"), first)
                look = {"color": f"C{i}", "linewidth": 1.0, "linestyle": styles[r % 4]}
                ax.plot(u, v, label=str(model) if r == 0 else None, **look)
                ax.plot(u[:1], v[:1], "o", color=f"C{i}", markerfacecolor="none")
                ax.plot(u[-1:], v[-1:], "o", color=f"C{i}")
        if self.k > 1:
            drawing.name_axes(ax, ["coordinate 0", "coordinate 1"])
        else:
            drawing.name_time(ax)
            ax.set_ylabel("coordinate 0")
        if points.sizes["model"] <= 12:
            ax.legend(frameon=False, fontsize="small", title="model", title_fontsize="small")
        ax.set_title("Data kernel perspective space", fontsize="medium")
        return ax

    def _caption(self) -> str:
        return f"Points in {self.k} dimension{'s' * (self.k != 1)}, by {self.aggregate} distances"
