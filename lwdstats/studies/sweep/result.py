"""What a sweep has measured: rows, a view by factors, pictures, files."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from lwdstats.arrays import FloatArray
from lwdstats.dataset.whole_file import check_place, whole_file
from lwdstats.errors import InputError, check_choice, check_level, is_number
from lwdstats.results.pictures import drawing
from lwdstats.results.printing import format_numbers
from lwdstats.results.result import Result, aligned, one_row
from lwdstats.studies.sweep.frames import with_factors
from lwdstats.studies.sweep.grid import Label

# The attribute of a file that holds all but the rows.
ATTRIBUTE = "lwdstats_sweep"
# So many groups are printed.
_SHOWN = 12


@dataclass(frozen=True, eq=False)
class Sweep(Result):
    """The result of `sweep`.

    Attributes
    ----------
    frame : pandas.DataFrame
        One row a cell and replicate, and time where a measure has it: a column for each factor,
        `cell`, `replicate`, `time`, and what was measured.
    factors, measures : tuple of str
        Names of columns.
    levels : dict of str to list
        Of each factor, in order.
    failures : pandas.DataFrame
        A row for each run that failed, with its `reason`.
    replicates : tuple of int
        Their ids.
    n_cells : int
    full : bool
        Whether all combinations of levels ran.
    seed : str
    common_streams : bool
        Whether replicate r has the same random streams in all cells.
    notes : tuple of str
        What simulators warned of.
    store : str or None
        The folder.
    files : tuple of str
        Datasets in the store, where they were kept.
    spec : str or None
        What `lwdstats sweep` takes to run it again, as JSON; None of a design, of measures that are
        functions, and of files of before.
    """

    frame: pd.DataFrame
    factors: tuple[str, ...]
    measures: tuple[str, ...]
    levels: dict[str, list[Label]] = field(repr=False)
    failures: pd.DataFrame = field(repr=False)
    replicates: tuple[int, ...] = field(repr=False)
    n_cells: int
    full: bool
    seed: str
    common_streams: bool
    notes: tuple[str, ...] = field(default=(), repr=False)
    store: str | None = None
    files: tuple[str, ...] = field(default=(), repr=False)
    spec: str | None = field(default=None, repr=False)

    @property
    def cluster(self) -> str | None:
        """The column whose rows are not independent in `runs`; None where all are."""
        return "replicate" if self.common_streams else None

    def tidy(self) -> pd.DataFrame:
        """Return the rows: see `frame`."""
        return self.frame.copy()

    def runs(self, time: float | None = None) -> pd.DataFrame:
        """Return one row a run, with what was measured at one time.

        Parameters
        ----------
        time : float, optional
            By default the last.

        Returns
        -------
        pandas.DataFrame
            As `frame`, without its column `time`.

        Raises
        ------
        InputError
            If nothing was measured at that time.
        """
        if "time" not in self.frame:
            if time is not None:
                raise InputError("time", time, "None, as nothing was measured over time")
            return self.frame.copy()
        frame: Any = self.frame
        if time is None:
            # Cells may end at times of their own.
            at = frame.groupby(["cell", "replicate"], sort=False)["time"].idxmax()
        else:
            at = frame.index[frame["time"] == time]
            if not len(at):
                known = ", ".join(f"{t:g}" for t in sorted(frame["time"].unique())[:8])
                raise InputError("time", time, f"a time that was measured, such as {known}")
        return frame.loc[at].drop(columns="time").reset_index(drop=True)

    def glance(self) -> pd.DataFrame:
        """Return one row: cells, runs, failures, the seed."""
        row = {"n_cells": self.n_cells, "n_replicates": len(self.replicates)}
        row |= {"n_runs": len(self.frame[["cell", "replicate"]].drop_duplicates())}
        row |= {"n_failed": len(self.failures), "common_streams": self.common_streams}
        return one_row(row | {"seed": self.seed})

    def means(
        self, measure: str | None = None, by: str | Sequence[str] | None = None, *,
        time: float | None = None, level: float = 0.95,
    ) -> pd.DataFrame:  # fmt: skip
        """Return means of a measure by levels of factors, with intervals over replicates.

        Parameters
        ----------
        measure : str, optional
            By default the first.
        by : str or sequence of str, optional
            Factors; by default all. Over the others the mean is taken, within each replicate.
        time : float, optional
            As of `runs`.
        level : float
            Level of the intervals: Student's t over replicates, which are independent.

        Returns
        -------
        pandas.DataFrame
            A row a combination: factors, `estimate`, `conf_low`, `conf_high` (NaN of one
            replicate), `n` replicates.

        Raises
        ------
        InputError
            If a name is not there, or the measure is no number.
        """
        check_level(level)
        measure = self._measure(measure)
        names = list(self.factors) if by is None else [by] if isinstance(by, str) else list(by)
        for name in names:
            check_choice("by", name, self.factors)
        frame: Any = self.runs(time)
        values = frame[measure].astype(float)
        frame = frame[[*names, "replicate"]].assign(value=values).dropna(subset="value")
        one = frame.groupby([*names, "replicate"], observed=True, sort=False)["value"].mean()
        groups: Any = one.groupby(level=names, sort=False, observed=True) if names else [((), one)]
        rows = []
        for key, own in groups:
            x = own.to_numpy()
            low, high = _interval(x, level)
            labels = key if isinstance(key, tuple) else (key,)
            rows.append((*labels, float(x.mean()), low, high, len(x)))
        columns = [*names, "estimate", "conf_low", "conf_high", "n"]
        return with_factors(
            pd.DataFrame(rows, columns=columns), {name: self.levels[name] for name in names}
        )

    def lines(self) -> list[str]:
        """Return what ran, and the means of the first measure by each factor."""
        runs = len(self.frame[["cell", "replicate"]].drop_duplicates())
        of = " x ".join(f"{name} ({len(self.levels[name])})" for name in self.factors)
        streams = "the same in all cells" if self.common_streams else "of each cell's own"
        lines = [
            f"Sweep of {self.n_cells} cells by {len(self.replicates)} replicates: {runs} runs",
            f"Factors   {of or 'none'}{'' if self.full else ', a design'}",
            f"Measures  {', '.join(self.measures) or 'none'}",
            f"Streams   {streams}, seed {self.seed}",
        ]
        numeric = self._numeric()
        if runs and numeric:
            for name in self.factors if self.full else ():
                lines += ["", f"Mean {numeric[0]} by {name}, 95% over replicates:"]
                frame = self.means(numeric[0], name).head(_SHOWN)
                columns = [frame[name].astype(str).tolist()]
                for column in ("estimate", "conf_low", "conf_high"):
                    values = frame[column].tolist()
                    columns.append(
                        ["NA" if math.isnan(v) else format_numbers([v])[0].strip() for v in values]
                    )
                heads = ["", "mean", "lower", "upper"]
                lines += aligned(heads, list(zip(*columns, strict=True)), left=[0])
        if len(self.failures):
            reason = self.failures["reason"].value_counts()
            lines += ["", f"{len(self.failures)} runs failed, {reason.iloc[0]}: {reason.index[0]}"]
        lines += [f"Note: {note}" for note in self.notes[:3]]
        return lines

    def _caption(self) -> str:
        return self.lines()[0]

    def to_frame(self) -> pd.DataFrame:
        """Return the first rows, as a notebook shows them."""
        return self.frame.head(20)

    def to_xarray(self) -> xr.Dataset:
        """Return what was measured over the factors, `replicate`, and `time` where there is one.

        Of a design the dimension is `cell`, with the factors along it. Runs that failed are NaN.
        """
        places = list(self.factors) if self.full else ["cell"]
        timed = "time" in self.frame
        frame: Any = self.frame.copy()
        for name in self.factors:
            frame[name] = frame[name].astype(self._kind(name))
        frame = frame.set_index([*places, "replicate", *["time"] * timed])
        # Refused cells and failed runs have their place, too.
        coordinates: dict[str, Any] = {name: self.levels[name] for name in places if self.full}
        if not self.full:
            coordinates = {"cell": np.arange(self.n_cells)}
        coordinates["replicate"] = np.array(self.replicates)
        if timed:
            coordinates["time"] = np.unique(self.frame["time"])
        out = xr.Dataset.from_dataframe(frame[list(self.measures)])
        out = out.reindex({name: np.asarray(values) for name, values in coordinates.items()})
        if not self.full:
            of = self.frame.drop_duplicates("cell").set_index("cell")
            for name in self.factors:
                values = of[name].astype(self._kind(name)).reindex(range(self.n_cells))
                out = out.assign_coords({name: ("cell", values.to_numpy())})
        out.attrs["title"] = self.lines()[0]
        return out

    def _kind(self, factor: str) -> Any:
        return object if any(isinstance(v, str) for v in self.levels[factor]) else float

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write a file: .parquet or .csv of the rows, or .nc (netCDF) of the view by factors.

        Parameters
        ----------
        path : path
            `read_sweep` reads .parquet and .nc again.

        Returns
        -------
        pathlib.Path
            The path.

        Raises
        ------
        InputError
            If its ending is another, or its folder does not exist.
        """
        path = check_place(path)
        if path.suffix not in (".parquet", ".nc", ".csv"):
            raise InputError("path", str(path), "a file named .parquet, .nc or .csv")
        with whole_file(path) as part:
            if path.suffix == ".parquet":
                frame = self.tidy()
                frame.attrs[ATTRIBUTE] = self._told()
                frame.to_parquet(part)
            elif path.suffix == ".nc":
                self._storable().to_netcdf(part)
            else:
                self.frame.to_csv(part, index=False)
        return path

    def _storable(self) -> xr.Dataset:
        """Return the view by factors, with types that netCDF has, and all else as an attribute."""
        view = self.to_xarray()
        for name, value in view.data_vars.items():
            if value.dtype == object:
                texts = any(isinstance(v, str) for v in self.frame[str(name)])
                view[name] = value.fillna("").astype(str) if texts else value.astype(float)
            elif value.dtype == bool:
                view[name] = value.astype(float)
        for name in self.factors:
            if view[name].dtype == object:
                view[name] = view[name].astype(str)
        view.attrs[ATTRIBUTE] = self._told()
        return view

    def _told(self) -> str:
        """Return all but the rows, as JSON."""
        dtypes = {n: str(self.frame[n].dtype) for n in self.frame if n not in self.factors}
        return json.dumps(
            {
                "factors": self.factors, "measures": self.measures, "levels": self.levels,
                "failures": self.failures.astype(object).to_dict("list"), "dtypes": dtypes,
                "replicates": self.replicates, "n_cells": self.n_cells, "full": self.full,
                "seed": self.seed, "common_streams": self.common_streams, "notes": self.notes,
                "files": self.files, "runs": _runs_text(self.frame), "spec": self.spec,
            }
        )  # fmt: skip

    def _numeric(self) -> list[str]:
        """Return the measures that are numbers or truth values."""
        return [
            name for name in self.measures
            if pd.api.types.is_numeric_dtype(self.frame[name].infer_objects())
        ]  # fmt: skip

    def _measure(self, measure: str | None) -> str:
        numeric = self._numeric()
        if not numeric:
            raise InputError("measure", "none that is a number", "a sweep that measured one")
        return numeric[0] if measure is None else check_choice("measure", measure, numeric)

    def _draw(
        self,
        ax: drawing.Axes | None,
        measure: str | None = None,
        x: str | None = None,
        by: str | None = None,
        *,
        kind: str = "curves",
        time: float | None = None,
        level: float = 0.95,
    ) -> drawing.Axes:
        """Draw means of a measure over the levels of `x`, a line for each level of `by`.

        `kind` is "curves", or "heat" for a map of both factors.
        """
        check_choice("kind", kind, ("curves", "heat"))
        measure = self._measure(measure)
        if not self.factors:
            raise InputError("x", "a sweep without factors", "one that varies something")
        if x is None:
            x = next(name for name in self.factors if name != by)
        names = [check_choice("x", x, self.factors)]
        if by is None and len(self.factors) > 1 and (kind == "heat" or self.full):
            by = next(name for name in self.factors if name != x)
        if by is not None:
            names.append(check_choice("by", by, [name for name in self.factors if name != x]))
        frame = self.means(measure, names, time=time, level=level)
        if kind == "heat":
            if by is None:
                raise InputError("by", None, "a second factor, for a map of two")
            return _heat(ax, frame, x, by, measure, self.levels)
        return _curves(ax, frame, x, by, measure, self.levels)


def _interval(x: FloatArray, level: float) -> tuple[float, float]:
    """Return Student's interval of a mean of (R,), NaN of one number or of infinite ones."""
    if len(x) < 2 or not np.isfinite(x).all():
        return math.nan, math.nan
    reach = stats.t.isf((1 - level) / 2, len(x) - 1) * x.std(ddof=1) / math.sqrt(len(x))
    return float(x.mean() - reach), float(x.mean() + reach)


def _curves(
    ax: drawing.Axes | None, frame: pd.DataFrame, x: str, by: str | None, measure: str,
    levels: dict[str, list[Label]],
) -> drawing.Axes:  # fmt: skip
    ax = drawing.new_axes(ax)
    labels = levels[x]
    numeric = all(is_number(label) for label in labels)
    groups = [None] if by is None else levels[by]
    looks = drawing.series(len(groups))
    # Beside each other, so that intervals of several lines can be told apart.
    width = float(np.ptp(np.asarray(labels, dtype=float))) if numeric else len(labels) - 1.0
    gap = 0.012 * (width or 1.0)
    for i, (group, look) in enumerate(zip(groups, looks, strict=True)):
        own: Any = frame if group is None else frame[frame[by] == group]
        if not len(own):
            continue
        at = own[x].to_numpy(dtype=float) if numeric else _places(own[x], labels)
        order = np.argsort(at, kind="stable")
        y, low, high = own[["estimate", "conf_low", "conf_high"]].to_numpy(dtype=float)[order].T
        place = at[order] + gap * (i - (len(groups) - 1) / 2)
        ax.plot(place, y, marker="o", markersize=4, label=str(group), **look)
        ax.vlines(place, low, high, color=look["color"], linewidth=1)
    if not numeric:
        ax.set_xticks(range(len(labels)), [str(label) for label in labels])
    ax.set_xlabel(x.replace("_", " "))
    ax.set_ylabel(f"mean {measure.replace('_', ' ')}")
    if by is not None:
        drawing.legend(ax, by.replace("_", " "))
    return ax


def _places(column: pd.Series, labels: Sequence[Label]) -> FloatArray:
    return np.array([list(labels).index(label) for label in column], dtype=float)


def _heat(
    ax: drawing.Axes | None, frame: pd.DataFrame, x: str, by: str, measure: str,
    levels: dict[str, list[Label]],
) -> drawing.Axes:  # fmt: skip
    ax = drawing.new_axes(ax)
    table = frame.pivot_table("estimate", by, x, observed=True).reindex(
        index=levels[by], columns=levels[x]
    )
    values = table.to_numpy(dtype=float)
    mesh = ax.imshow(values, aspect="auto", origin="lower", cmap="viridis")
    ax.set_xticks(range(len(levels[x])), [_short(v) for v in levels[x]])
    ax.set_yticks(range(len(levels[by])), [_short(v) for v in levels[by]])
    middle = (np.nanmin(values) + np.nanmax(values)) / 2
    for (i, j), value in np.ndenumerate(values):
        if not math.isnan(value):
            color = "black" if value > middle else "white"
            ax.text(j, i, f"{value:.3g}", ha="center", va="center", color=color)
    ax.set(xlabel=x.replace("_", " "), ylabel=by.replace("_", " "))
    ax.figure.colorbar(mesh, ax=ax, label=f"mean {measure.replace('_', ' ')}")
    ax.grid(visible=False)
    return ax


def _short(label: Label) -> str:
    return f"{label:.4g}" if is_number(label) else str(label)


def _runs_text(frame: pd.DataFrame) -> list[list[Any]]:
    """Return the cell and replicate of each run that has rows."""
    return frame[["cell", "replicate"]].drop_duplicates().to_numpy().tolist()
