"""Datasets that are larger than memory: some times after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import xarray as xr

from lwdstats.dataset.schema import check_form, validate

# Numbers that are worked on at a time, unless one time has more: 64 MB of float64.
_BLOCK = 1 << 23


def is_lazy(ds: xr.Dataset) -> bool:
    """Return whether some of a dataset is arrays of Dask, which are not in memory."""
    return any(array.chunks is not None for array in ds.variables.values())


def prepared(ds: xr.Dataset, *, source: str = "ds") -> xr.Dataset:
    """Check a dataset, of a lazy one the form alone: its numbers are checked block by block."""
    lazy = isinstance(ds, xr.Dataset) and is_lazy(ds)
    return check_form(ds, source=source) if lazy else validate(ds, source=source)


def over_times(function: Callable[[xr.Dataset], xr.DataArray], ds: xr.Dataset) -> xr.DataArray:
    """Return what a function gives of a dataset, one block of times in memory after the other.

    Parameters
    ----------
    function : callable
        Takes a dataset in memory, whose numbers it checks (`validate`). What it gives of a time
        hangs on that time alone.
    ds : xarray.Dataset
        Of any size, and in form (`check_form`). It stays lazy if it is.
    """
    parts = [function(part) for part in _blocks(ds)]
    if len(parts) == 1:
        return parts[0]
    return xr.concat(
        parts, "time", coords="minimal", compat="override", join="exact", combine_attrs="override"
    )


def validate_in_blocks(ds: xr.Dataset) -> xr.Dataset:
    """Check a dataset as `validate` does, and leave it as it is."""
    if not isinstance(ds, xr.Dataset) or not is_lazy(ds):
        return validate(ds)
    for part in _blocks(check_form(ds)):
        validate(part)
    return ds


def _blocks(ds: xr.Dataset) -> Iterator[xr.Dataset]:
    """Yield some times after the other, in memory."""
    n_times = ds.sizes["time"]
    sizes = [array.size for array in ds.variables.values() if "time" in array.dims]
    step = max(1, _BLOCK * n_times // max(1, sum(sizes)))
    for start in range(0, n_times, step):
        # A dataset in memory is not copied.
        yield (ds if step >= n_times else ds.isel(time=slice(start, start + step))).compute()
