"""Datasets to netCDF files and back."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import xarray as xr

from lwdstats.dataset.schema import validate
from lwdstats.errors import InputError


def write_results(ds: xr.Dataset, path: str | Path, *, compress: bool = True) -> Path:
    """Write a dataset to a netCDF-4 file, whole or not at all.

    The file is written beside its place, flushed to the disk, and renamed, so
    that a file that exists is never half overwritten.

    Parameters
    ----------
    ds : xarray.Dataset
        A dataset of `simulate_gmm`, `simulate_llm`, or in their shape.
    path : str or pathlib.Path
        Where to. Its folder must exist.
    compress : bool
        Whether numbers are compressed (zlib, without loss).

    Returns
    -------
    pathlib.Path
        The path.

    Raises
    ------
    InputError
        If `ds` does not follow the schema, or the folder does not exist.

    Examples
    --------
    >>> import lwdstats as lwd, tempfile, pathlib
    >>> ds = lwd.simulate_gmm(n_steps=5, seed=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = lwd.write_results(ds, pathlib.Path(folder) / "run.nc")
    ...     lwd.read_results(path).identical(ds)
    True
    """
    validate(ds)
    path = Path(path)
    if not path.parent.is_dir():
        raise InputError("path", f"{path} (no such folder)", "a file in a folder that exists")
    encoding: dict[str, dict[str, Any]] = {}
    for name, variable in ds.variables.items():
        if variable.dtype.kind in "fiu":
            # No fill value for what has none missing: xarray would add one.
            encoding[str(name)] = {"_FillValue": None}
            if compress and variable.ndim:
                encoding[str(name)] |= {"zlib": True, "complevel": 4, "shuffle": True}
    handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    os.close(handle)
    try:
        ds.to_netcdf(scratch, format="NETCDF4", engine="netcdf4", encoding=encoding)
        with open(scratch, "rb+") as file:
            os.fsync(file.fileno())
        # mkstemp makes files that only their owner reads.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(scratch, 0o666 & ~umask)
        os.replace(scratch, path)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)
    return path


def read_results(path: str | Path) -> xr.Dataset:
    """Read a netCDF file of results into memory and check it.

    Parameters
    ----------
    path : str or pathlib.Path
        A file that `write_results` wrote.

    Returns
    -------
    xarray.Dataset
        The dataset, loaded; the file is closed.

    Raises
    ------
    InputError
        If there is no such file, it is not netCDF, or not a dataset of ours.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> lwd.read_results("nowhere.nc")
    Traceback (most recent call last):
        ...
    lwdstats.errors.InputError: path: got nowhere.nc (no such file); takes ...
    """
    path = Path(path)
    if not path.is_file():
        raise InputError("path", f"{path} (no such file)", "a netCDF file of lwdstats")
    try:
        with xr.open_dataset(path, engine="netcdf4") as opened:
            ds = opened.load()
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError("path", f"{path} ({error})", "a netCDF file of lwdstats") from error
    for name in list(ds.variables):
        ds[name].encoding = {}
        # Text comes back as the type it had: Python strings.
        if ds[name].dtype.kind in "UT":
            ds[name] = ds[name].astype(object)
    ds.encoding = {}
    return validate(ds, source=str(path))


def _sync_folder(folder: Path) -> None:
    """Make the rename durable, where the system can."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
