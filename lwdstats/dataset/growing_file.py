"""A netCDF file that grows along time and can be read at any moment."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import xarray as xr

from lwdstats.dataset.files import as_file_has_it
from lwdstats.dataset.whole_file import check_place
from lwdstats.errors import InputError

# Netcdf's classic format of 64 bits (CDF-5). There a new time comes behind the others and then
# counts by one number in the header, so that a process that is killed while it writes leaves the
# times before; and others may read meanwhile. In HDF5, which netCDF-4 is, a kill may leave an
# index half written.
_FORMAT = "NETCDF3_64BIT_DATA"
_TAKES = "a new file in a folder that can be written"


def check_new(path: Any) -> Path:
    """Return the path of a file that is to be made, or raise `InputError`."""
    path = check_place(path)
    try:
        with open(path, "xb"):
            pass
        os.unlink(path)
    except FileExistsError as error:
        takes = "a new file: one that exists is not replaced"
        raise InputError("path", f"{path} (exists)", takes) from error
    except (OSError, ValueError) as error:
        raise InputError("path", f"{path} ({error})", _TAKES) from error
    return path


class GrowingFile:
    """A file that has the attribute `unfinished` until `finish` is called.

    Parameters
    ----------
    path : pathlib.Path
        Of a file that does not exist.
    last : int
        The last time of the run, for the attribute.

    Attributes
    ----------
    said : str
        What the attribute says, empty before there is a file.
    """

    def __init__(self, path: Path, last: int) -> None:
        self.path = path
        self.said = ""
        self._last = last
        self._file: netCDF4.Dataset | None = None

    def append(self, ds: xr.Dataset) -> None:
        """Write the times of a dataset behind those that are there.

        The first one also says what else the file holds, and all its attributes, of which
        `finish` can change numbers.
        """
        ds = as_file_has_it(ds)
        time = ds["time"].values
        if self._file is None:
            self._start = int(time[0])
            self._make(ds)
        file: Any = self._file
        n = len(file.dimensions["time"])
        for name, variable in ds.variables.items():
            if "time" in variable.dims:
                file[str(name)][n : n + time.size] = variable.values
        said = f"t = {self._start}..{time[-1]} of {self._last}; stopped or still running"
        # Of one width, so that nothing else in the header moves.
        width = len(said) + len(str(self._last)) - len(str(time[-1]))
        file.setncattr("unfinished", said.ljust(width))
        # Numbers go to the system before the header, by which they count.
        file.sync()
        self.said = said

    def stop(self) -> None:
        """Say that no more will come, as what writes the file knows that it has failed."""
        said = self.said.partition(";")[0] + "; stopped"
        # What failed may be this file; then it says what it did.
        with contextlib.suppress(OSError, RuntimeError):
            if self._file is not None and self._file.isopen():
                self._file.setncattr("unfinished", said.ljust(len(self._file.unfinished)))
                self._file.sync()
                self.said = said

    def finish(self, attrs: dict[str, Any]) -> None:
        """Say that all is there, with attributes that are known only now."""
        if self._file is None:
            return
        _flush(self.path)
        for name, value in attrs.items():
            self._file.setncattr(name, value)
        self._file.delncattr("unfinished")
        self.close()
        _flush(self.path)

    def close(self) -> None:
        """Close the file as it is; without a time there is none."""
        if self._file is not None and self._file.isopen():
            self._file.close()
        if not self.said and self._file is not None:
            self.path.unlink()

    def _make(self, ds: xr.Dataset) -> None:
        try:
            file: Any = netCDF4.Dataset(self.path, "x", format=_FORMAT)
        except OSError as error:
            raise InputError("path", f"{self.path} ({error})", _TAKES) from error
        self._file = file
        file.set_fill_off()
        for dim, size in ds.sizes.items():
            file.createDimension(str(dim), None if dim == "time" else size)
        fixed = []
        for name, variable in ds.variables.items():
            values, attrs, dims = variable.values, dict(variable.attrs), list(variable.dims)
            if values.dtype.kind == "b":
                # As xarray writes truth values.
                values, attrs["dtype"] = values.astype(np.int8), "bool"
            elif values.dtype.kind in "OU":
                values, attrs["_Encoding"] = _characters(values), "utf-8"
                dims.append(f"string{values.shape[-1]}")
                if dims[-1] not in file.dimensions:
                    file.createDimension(dims[-1], values.shape[-1])
            made = file.createVariable(str(name), values.dtype, dims)
            made.set_auto_maskandscale(False)
            made.setncatts(attrs)
            if "time" not in dims:
                fixed.append((made, values))
        # Names with a space would be taken for several.
        coordinates = [str(c) for c in ds.coords if c not in ds.dims and " " not in str(c)]
        file.setncatts(ds.attrs | ({"coordinates": " ".join(coordinates)} if coordinates else {}))
        for made, values in fixed:
            made[...] = values


def _characters(texts: np.ndarray) -> np.ndarray:
    """Return texts (...) as the bytes of their characters (..., width)."""
    encoded = [str(text).encode() for text in texts.ravel()]
    width = max(1, *map(len, encoded))
    return np.array(encoded, f"S{width}").view("S1").reshape(*texts.shape, width)


def _flush(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())
