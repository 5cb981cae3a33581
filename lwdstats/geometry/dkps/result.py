"""The result of `dkps`."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from lwdstats.arrays import as_floats
from lwdstats.dataset.embeddings.choose_embedding import by_embedding
from lwdstats.dataset.positions import fewest_answers
from lwdstats.dataset.schema import named
from lwdstats.errors import InputError, check_choice, check_integer, check_level
from lwdstats.geometry.dkps import perspectives
from lwdstats.geometry.dkps.bootstrap import bootstrap
from lwdstats.geometry.dkps.perspectives import POINT
from lwdstats.geometry.dkps.regions import Regions
from lwdstats.geometry.out_of_sample import METHODS, far_off, off_space, place, warn_far_off
from lwdstats.results.axes import axes_frame, coordinate_columns, first_values
from lwdstats.results.pictures import covariates, drawing
from lwdstats.results.pictures.covariates import covariate
from lwdstats.results.pictures.looks import looks
from lwdstats.results.pictures.paths import draw_paths
from lwdstats.results.result import Result, one_row
from lwdstats.streams import resolve_seed

# Numbers in a block of distances from new points to old: 16 MB of float64.
_BLOCK = 1 << 21
# Answers to a query whose kernel matrix is taken apart: 128 MB, and a minute.
_MOST_ANSWERS = 4000
# From this share of noise in a coordinate on, a region is warned of.
_MOSTLY_NOISE = 0.5


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
    embedding : str
        Which embedding of its answers.
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
    embedding: str = "embedding"

    @cached_property
    def distances(self) -> xr.DataArray:
        """Distances between the models of a time and replicate ``(.., model, model_)``.

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
            Answers to the same queries, with the same embedding.
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
        ds = by_embedding(ds, self.embedding, "ds")
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

    def regions(
        self, *, level: float = 0.95, n_bootstrap: int = 499, seed: int | str | None = None
    ) -> Regions:
        """Return a confidence region of each point, by a bootstrap of the answers.

        Parameters
        ----------
        level : float
            Of confidence, for each point by itself.
        n_bootstrap : int
            Number of draws, 99 or more.
        seed : int or str, optional
            Of the draws.

        Returns
        -------
        Regions
            Where each point is, its covariance, and its ellipse by ``tidy()``;
            ``plot(space, regions=...)`` draws them among the points.

        Raises
        ------
        InputError
            If there are no answers, or one alone for a model and query: nothing then tells
            how they vary.

        Warns
        -----
        UserWarning
            If noise is most of what the first two coordinates show.

        Notes
        -----
        What is covered is where a model would be if it gave answers without end to these
        queries, having read what it had read. Few answers push points apart: the square of each
        distance grows by the variances of both means. That is taken off, so a region's
        centre lies nearer to the middle than the point. Answers are drawn anew within each
        query and model, their variance is scaled by L/(L - 1), each draw is scaled
        as `dkps` does, less its noise, and turned to `points`; the region is Hotelling's ellipse
        by the covariance of the errors, with L - 1 degrees of freedom a query. How
        often that covers is measured in ``benchmarks/validity/dkps_regions.md``: about as
        often as it says, and more often where noise is large and answers are few.

        Examples
        --------
        >>> import lwdstats as lwd
        >>> ds = lwd.simulate_gmm(n_steps=1, n_responses=20, seed=1).drop_vars("weight")
        >>> regions = lwd.dkps(ds.isel(time=[0]), k=1).regions(seed=1)
        >>> dict(regions.centre.sizes)
        {'time': 1, 'replicate': 1, 'model': 3, 'coordinate': 1}
        """
        check_level(level)
        n_bootstrap = check_integer("n_bootstrap", n_bootstrap, minimum=99)
        seed = resolve_seed(seed)
        answers = self._varying()
        rng = np.random.default_rng(seed)
        points = self.points.values.reshape(-1, self.k)
        n_groups = 1 if self.joint else self.points.sizes["time"]
        pairs = zip(np.split(answers, n_groups, axis=1), np.split(points, n_groups), strict=True)
        found = [bootstrap(x, y, n_bootstrap, rng) for x, y in pairs]
        noise = np.mean([spread.noise_share for spread in found], axis=0)
        if noise[:2].max() > _MOSTLY_NOISE:
            warnings.warn(
                f"noise is {noise[:2].max():.0%} of what one of the first two coordinates shows: "
                "where the models are is not known from so few answers",
                stacklevel=2,
            )
        template = self.points.isel(coordinate=0, drop=True)
        covariance = np.concatenate([spread.covariance for spread in found])
        df = np.concatenate([spread.df for spread in found]).reshape(template.shape)
        centre = np.concatenate([spread.centre for spread in found]).reshape(self.points.shape)
        covariances = xr.DataArray(
            covariance.reshape(*self.points.shape, self.k),
            template.coords,
            (*POINT, "coordinate", "coordinate_"),
        )
        return Regions(
            named(self.points.copy(data=centre), "centre", "centre of the region of a point"),
            named(covariances, "covariance", "covariance of the error of a point"),
            named(template.copy(data=df), "df", "degrees of freedom of the covariance"),
            tuple(noise.tolist()),
            level,
            n_bootstrap,
            seed,
        )

    def _varying(self) -> np.ndarray:
        """Return answers, or points whose distances are theirs by the kernel, (q, P, L, F)."""
        if self.aggregate == "mean" and "weight" in self.data:
            takes = "answers: aggregate='energy', or a dataset without weight (drop_vars)"
            raise InputError("regions", "mixture weights, which have no noise", takes)
        if fewest_answers(self.data) < 2:
            takes = "2 or more, to tell how they vary"
            raise InputError("regions", "one answer to a query, or none", takes)
        if self.aggregate == "mean":
            return perspectives.all_answers(self.data)
        answers = perspectives.answers_of(self.data, self.aggregate)
        n_answers = answers.shape[1] * answers.shape[2]
        if n_answers > _MOST_ANSWERS:
            takes = f"at most {_MOST_ANSWERS} of all models, for {self.aggregate!r}; select times"
            raise InputError("regions", f"{n_answers} answers to a query", takes)
        return perspectives.kernel_points(answers, self.bandwidth)

    def _draw(
        self,
        ax: drawing.Axes | None,
        *,
        time: int | Sequence[int] | None = None,
        color: Any = None,
        marker: Any = None,
        names: bool | int | Sequence[str] | None = None,
        regions: bool | Regions = False,
    ) -> drawing.Axes:
        found = self._regions(regions)
        points = self.points if found is None else found.centre
        kept = self._places(time)
        values, times = points.values[kept], points.get_index("time")[kept]
        labels = [str(model) for model in points.get_index("model")]
        known = covariates.along(points)
        look = looks(
            labels,
            covariate("color", color, known, labels),
            covariate("marker", marker, known, labels),
        )
        ways = drawing.plane(values.reshape(-1, self.k)).reshape(*values.shape[:3], 2)
        over_time = self.k == 1 and len(times) > 1
        if over_time:
            # One coordinate is drawn over time.
            ways = np.stack(
                [np.broadcast_to(times.to_numpy()[:, None, None], ways.shape[:3]), values[..., 0]],
                axis=-1,
            )
        if names is None and len(times) > 1:
            # Names among lines are hard to read, so they are few where a legend does not serve.
            names = 0 if look.by_name else min(drawing.OUTERMOST, len(labels))
        named = drawing.which_names(names, labels, ways[-1, 0])
        ax = drawing.new_axes(ax, labels)
        draw_paths(ax, ways, labels, look, named)
        if found is not None and not over_time:
            last = np.arange(self.points[..., 0].size).reshape(self.points.shape[:3])[kept[-1]]
            found.draw_ellipses(ax, last.ravel(), look.colors * ways.shape[1])
        if over_time:
            drawing.name_time(ax)
            ax.set_ylabel("coordinate 0")
        else:
            drawing.name_axes(ax, ["coordinate 0", "coordinate 1"])
        when = f"t = {times[0]}"
        when = f"from {when} (open) to t = {times[-1]} (filled)" if len(times) > 1 else f"at {when}"
        drawing.title(ax, f"Data kernel perspective space, {when}")
        drawing.keys(ax, look, by_name=len(named) < len(labels))
        return ax

    def _regions(self, wanted: bool | Regions) -> Regions | None:
        """Return the regions that are drawn."""
        if isinstance(wanted, Regions) and wanted.centre.shape == self.points.shape:
            return wanted
        if not isinstance(wanted, bool | np.bool_):
            takes = "True or False, or what regions() of this space gave"
            raise InputError("regions", type(wanted).__name__, takes)
        return self.regions() if wanted else None

    def _places(self, time: int | Sequence[int] | None) -> list[int]:
        """Return where in the points the times stand that are drawn."""
        kept = self.points.get_index("time")
        if time is None:
            return list(range(len(kept)))
        takes = f"a time of the space or several, {kept[0]}..{kept[-1]}"
        wanted = np.atleast_1d(as_floats(time, "time", takes))
        places = kept.get_indexer(pd.Index(wanted.ravel()))
        if wanted.ndim != 1 or not wanted.size or (places < 0).any():
            raise InputError("time", repr(time), takes)
        return sorted(set(places.tolist()))

    def _caption(self) -> str:
        return f"Points in {self.k} dimension{'s' * (self.k != 1)}, by {self.aggregate} distances"
