"""A sweep from the file that it wrote."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import netCDF4
import pandas as pd
import xarray as xr

from lwdstats.errors import InputError
from lwdstats.studies.sweep.frames import with_factors
from lwdstats.studies.sweep.result import ATTRIBUTE, Sweep


def read_sweep(path: str | os.PathLike[str]) -> Sweep:
    """Read a sweep from a file that its `write` made.

    Parameters
    ----------
    path : path
        A file named .parquet or .nc.

    Returns
    -------
    Sweep
        With the same rows.

    Raises
    ------
    InputError
        If it is no such file.

    Examples
    --------
    >>> import lwdstats as lwd, tempfile, pathlib
    >>> found = lwd.sweep({"simulator": "gmm", "n_steps": 5}, {"beta": [0.2, 0.8]}, seed=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = found.write(pathlib.Path(folder) / "beta.nc")
    ...     read_sweep(path).frame.equals(found.frame)
    True
    """
    takes = "a .parquet or .nc file that a sweep wrote"
    path = Path(path)
    if path.suffix not in (".parquet", ".nc"):
        raise InputError("path", str(path), takes)
    try:
        if path.suffix == ".parquet":
            data: Any = pd.read_parquet(path)
        else:
            with xr.open_dataset(path) as file:
                data = file.load()
        told = json.loads(data.attrs[ATTRIBUTE])
    except (OSError, ValueError, KeyError) as error:
        raise InputError("path", f"{path} ({error})", takes) from error
    frame = _rows(data, told) if isinstance(data, xr.Dataset) else data
    frame.attrs = {}
    failures = pd.DataFrame(told.pop("failures"))
    del told["dtypes"], told["runs"]
    tuples = ("factors", "measures", "replicates", "notes", "files")
    listed = {name: tuple(told.pop(name)) for name in tuples}
    levels = told.pop("levels")
    return Sweep(frame, failures=with_factors(failures, levels), levels=levels, **listed, **told)


def is_sweep(path: str | os.PathLike[str]) -> bool:
    """Return whether a file is one that a sweep wrote, and not a run's."""
    path = Path(path)
    if path.suffix != ".nc" or not path.is_file():
        return path.suffix == ".parquet"
    try:
        with netCDF4.Dataset(path) as file:
            return ATTRIBUTE in file.ncattrs()
    except OSError:
        return False


def _rows(view: xr.Dataset, told: dict[str, Any]) -> pd.DataFrame:
    """Return the rows of a view by factors."""
    if told["full"]:
        view = view.stack(cell=told["factors"], create_index=False)  # noqa: PD013 - of xarray
        view = view.assign_coords(cell=range(told["n_cells"]))
    timed = "time" in told["dtypes"]
    dims = ["cell", "replicate", *["time"] * timed]
    frame: Any = view.transpose(*dims).to_dataframe(dims).reset_index()
    runs = pd.DataFrame(told["runs"], columns=["cell", "replicate"])
    frame = runs.merge(frame, on=["cell", "replicate"], how="left")
    if timed:
        # A run has no row at times at which nothing was measured of it.
        frame = frame.dropna(subset=told["measures"], how="all")
    order = [*told["factors"], *told["dtypes"]]
    frame = frame[order].reset_index(drop=True).astype(told["dtypes"])
    for name, labels in told["levels"].items():
        kinds = {type(label) for label in labels}
        if kinds == {int}:
            frame[name] = frame[name].astype("int64")
    return with_factors(frame, told["levels"])
