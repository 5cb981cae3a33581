"""Datasets to netCDF files and back."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pandas as pd
import xarray as xr
from xarray.backends import NetCDF4DataStore

from lwdstats.dataset import attributes
from lwdstats.dataset.blocks import validate_in_blocks
from lwdstats.dataset.schema import check_form, validate
from lwdstats.dataset.text import storable
from lwdstats.dataset.whole_file import check_place, whole_file
from lwdstats.errors import InputError, check_bool

_TAKES = "a netCDF file of lwdstats"
# Files in the root of a Zarr store, of both formats.
_ZARR = ("zarr.json", ".zgroup", ".zmetadata")


def write_results(ds: xr.Dataset, path: str | Path, *, compress: bool = True) -> Path:
    """Write a dataset to a netCDF-4 file, whole or not at all.

    The file is written beside its place, flushed to the disk, and renamed, so
    that a file that exists is never half overwritten.

    What netCDF has no form for is written in another that `read_results` undoes:
    attributes such as None, True or a mapping as JSON. Dates in attributes become
    text, half-precision numbers single, and categories their labels.

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
        If `ds` does not follow the schema, the folder does not exist, or a file can't
        hold a variable or an attribute, which is named.

    Warns
    -----
    UserWarning
        If a text holds NUL or half of a surrogate pair, which are replaced.

    Examples
    --------
    >>> import lwdstats as lwd, tempfile, pathlib
    >>> ds = lwd.simulate_gmm(n_steps=5, seed=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = lwd.write_results(ds, pathlib.Path(folder) / "run.nc")
    ...     lwd.read_results(path).identical(ds)
    True
    """
    validate_in_blocks(ds)
    path = check_place(path)
    check_bool("compress", compress)
    ds = as_file_has_it(ds)
    encoding: dict[str, dict[str, Any]] = {}
    for name, variable in ds.variables.items():
        if variable.dtype.kind in "fiu":
            # No fill value for what has none missing: xarray would add one.
            encoding[str(name)] = {"_FillValue": None}
            if compress and variable.ndim:
                encoding[str(name)] |= {"zlib": True, "complevel": 4, "shuffle": True}
    with whole_file(path) as scratch:
        try:
            ds.to_netcdf(scratch, format="NETCDF4", engine="netcdf4", encoding=encoding)
        # What xarray and netCDF4 raise for names and values that a file can't hold; a disk that
        # is full is an OSError, and stays one.
        except (AttributeError, NotImplementedError, TypeError, ValueError) as error:
            raise InputError("ds", f"what can't be written ({error})", _HOLDS) from error
    return path


def read_file(path: Any, chunks: Any = None) -> xr.Dataset:
    """Return the dataset of a netCDF file or a Zarr folder, as `read_results` does."""
    source = getattr(path, "name", "an open file") if hasattr(path, "read") else path
    try:
        if chunks is None or hasattr(path, "read"):
            with _opened(path) as opened:
                ds = _restored(opened.load(), str(source))
        else:
            opened = _opened_folder(Path(path)) if os.path.isdir(path) else _opened_to_stay(path)
            ds = _restored(chunked(opened, chunks), str(source))
            ds.set_close(opened.close)
    except InputError:
        raise
    except (OSError, ValueError, RuntimeError, OverflowError) as error:
        raise InputError("path", f"{source} ({error})", _TAKES) from error
    if ds.sizes.get("time") == 0 and "unfinished" in ds.attrs:
        got = f"{source} (a run that has not written its first time)"
        raise InputError("path", got, "one that has written a time")
    if chunks is None:
        return validate(ds, source=str(source))
    return check_form(chunked(ds, chunks), source=str(source))


def chunked(ds: xr.Dataset, chunks: Any) -> xr.Dataset:
    """Return a dataset as arrays of Dask of these chunks, its coordinates in memory."""
    if isinstance(chunks, bool) or not isinstance(chunks, int | str | Mapping):
        raise InputError("chunks", chunks, _CHUNKS)
    try:
        out = ds.chunk(chunks)  # pyright: ignore[reportArgumentType]
    # Not implemented: blocks of texts by 'auto', as their size is not known.
    except (TypeError, ValueError, ZeroDivisionError, NotImplementedError) as error:
        raise InputError("chunks", f"{chunks!r} ({error})", _CHUNKS) from error
    return out.assign_coords({name: array.load() for name, array in ds.coords.items()})


def check_dask(argument: str, value: object) -> None:
    """Raise unless datasets can be read in blocks."""
    if importlib.util.find_spec("dask") is None:
        takes = "None, or the package dask: pip install 'lwdstats[dask]'"
        raise InputError(argument, value, takes)


_CHUNKS = "None, sizes of blocks by dimension such as {'time': 1}, or 'auto' where there is no text"


def _opened_to_stay(path: Any) -> xr.Dataset:
    """Open a file that is read when its numbers are asked for, also in other processes."""
    with _opened(path):
        pass  # What is no file of ours is told apart there.
    return xr.open_dataset(_Store.open(os.fspath(path)), cache=False)


@contextlib.contextmanager
def _opened(path: Any) -> Iterator[xr.Dataset]:
    """Open a file, a Zarr folder or what an open file holds, its texts as Python strings."""
    if hasattr(path, "read"):
        content = path.read()
        if not isinstance(content, bytes):
            raise InputError("path", "a file open for text", "a file open for bytes, mode 'rb'")
        if not content:
            raise InputError("path", "an open file with nothing left to read", "one at its start")
        file = netCDF4.Dataset("in memory", memory=content)
    elif not isinstance(path, str | os.PathLike):
        got = f"an object of type {type(path).__name__}"
        raise InputError("path", got, f"the path of {_TAKES}, or a file open for bytes")
    elif Path(path).is_dir():
        with _opened_folder(Path(path)) as opened:
            yield opened
        return
    elif not Path(path).is_file():
        raise InputError("path", f"{path} (no such file)", _TAKES)
    else:
        with open(path, "rb") as start:
            if start.read(2) == b"\x1f\x8b":
                takes = f"{_TAKES}: read_results(gzip.open(path)) reads one in gzip"
                raise InputError("path", f"{path} (compressed by gzip)", takes)
        file = netCDF4.Dataset(os.fspath(path))
    try:
        if file.groups and not file.variables:
            groups = ", ".join(file.groups)
            takes = "one dataset a file: xr.open_dataset(path, group=...) opens that of a group"
            raise InputError("path", f"{path} (a file of groups: {groups})", takes)
        with xr.open_dataset(_Store(file)) as opened:
            yield opened
    finally:
        if file.isopen():
            file.close()


def _opened_folder(path: Path) -> xr.Dataset:
    if (path / "journal.sqlite").is_file():
        takes = f"{_TAKES}; read_results(path) reads a store"
        raise InputError("path", f"{path} (the store of a run)", takes)
    if not any((path / name).exists() for name in _ZARR):
        raise InputError("path", f"{path} (a folder)", _TAKES)
    try:
        return xr.open_dataset(path, engine="zarr", consolidated=False)
    except ImportError as error:
        takes = f"{_TAKES}, or the package zarr to read it"
        raise InputError("path", f"{path} (a Zarr folder)", takes) from error


class _Store(NetCDF4DataStore):
    """A netCDF file whose texts are read as Python strings.

    To xarray they are arrays of one width, in which each text takes the room of the longest.
    """

    def open_store_variable(self, name: str, var: Any) -> xr.Variable:
        """Return a variable without the type of its texts in the file."""
        variable = super().open_store_variable(name, var)
        if variable.dtype.kind == "O":
            variable.encoding.pop("dtype", None)
        return variable


def _restored(ds: xr.Dataset, source: str) -> xr.Dataset:
    """Return what was read as what was written."""
    variables = {}
    for name, variable in ds.variables.items():
        owner = f"{source}: {name}"
        if variable.chunks is not None:
            # Read later, and so as the file has it.
            lazy = variable.astype(object) if variable.dtype.kind in "UT" else variable
            variables[name] = _with_attributes(lazy, attributes.from_file(variable.attrs, owner))
            continue
        values: Any = variable.values
        kept = np.dtype(variable.encoding.get("dtype", values.dtype))
        if values.dtype.kind in "UT":
            values = values.astype(object)
        elif values.dtype.kind == "f" and kept.kind in "iu" and _none_missing(variable):
            values = values.astype(kept)
        variables[name] = _changed(variable, values, attributes.from_file(variable.attrs, owner))
    data = {name: variables[name] for name in ds.data_vars}
    coords = {name: variables[name] for name in ds.coords}
    attrs = attributes.from_file(ds.attrs, source)
    if "unfinished" in attrs:
        # `GrowingFile` keeps its width.
        attrs["unfinished"] = str(attrs["unfinished"]).rstrip()
    return xr.Dataset(data, coords, attrs)


def _changed(variable: xr.Variable, values: Any, attrs: dict[str, Any]) -> xr.Variable:
    """Return a variable with other attributes and perhaps values, without an encoding."""
    if isinstance(variable.dtype, np.dtype) and values is variable.values:
        # A new one would copy every text.
        return _with_attributes(variable, attrs)
    return xr.Variable(variable.dims, values, attrs)


def _with_attributes(variable: xr.Variable, attrs: dict[str, Any]) -> xr.Variable:
    variable = variable.copy(deep=False)
    variable.attrs, variable.encoding = attrs, {}
    return variable


def _none_missing(variable: xr.Variable) -> bool:
    """Return whether integers became floating-point numbers for a fill value that isn't there."""
    scaled = {"scale_factor", "add_offset"} & set(variable.encoding)
    return not scaled and bool(np.isfinite(variable.values).all())


def as_file_has_it(ds: xr.Dataset) -> xr.Dataset:
    """Return a dataset that netCDF can hold, and warn if a text has to change for that."""
    ds = ds.copy()
    changed = []
    for name, variable in ds.variables.items():
        attrs = attributes.to_file(variable.attrs, f"ds: {name}")
        if variable.chunks is not None and variable.dtype.str[1:] in attributes.NUMBERS:
            ds[name] = _with_attributes(variable, attrs)
            continue
        values: Any = variable.values
        if values.dtype == np.float16:
            values = values.astype(np.float32)
        elif values.dtype.kind in "OTU":
            values = _texts(values, str(name), changed)
        elif values.dtype.kind == "c" or values.dtype.itemsize > 8:
            raise InputError(f"ds: {name}", f"dtype {values.dtype}", _HOLDS)
        ds[name] = _changed(variable, values, attrs)
    ds.attrs = attributes.to_file(ds.attrs, "ds")
    if changed:
        warnings.warn(
            f"{len(changed)} texts hold NUL or half of a surrogate pair, which no file can hold "
            f"(first in {changed[0]}); they are written as U+2400 and U+FFFD",
            stacklevel=3,
        )
    return ds


_HOLDS = "text, truth values, or numbers of at most 64 bits"


def _texts(values: Any, name: str, changed: list[str]) -> np.ndarray:
    """Return texts that netCDF can hold, and note the name for each that had to change."""
    flat = values.ravel().tolist()
    if all(isinstance(value, bool | np.bool_) for value in flat):
        return values.astype(bool)
    if not any(isinstance(value, str) for value in flat):
        numbers = pd.Series(flat, dtype=object).infer_objects().to_numpy()
        if numbers.dtype.kind in "iuf":
            return numbers.reshape(values.shape)
    out = np.empty(len(flat), dtype=object)
    for i, value in enumerate(flat):
        if not isinstance(value, str):
            raise InputError(f"ds: {name}", f"{value!r} at {i}", f"one of {_HOLDS} in all places")
        out[i] = storable(value)
        if out[i] != value:
            changed.append(name)
    return out.reshape(values.shape) if values.dtype.kind != "O" or name in changed else values
