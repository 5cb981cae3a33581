"""Results from where a run left them: a file, or the store of one that may still go on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import xarray as xr

from lwdstats.dataset.files import check_dask, chunked, read_file


def read_results(
    path: str | Path | IO[bytes], *, chunks: Mapping[str, int] | int | str | None = None
) -> xr.Dataset:
    """Read results and check them, into memory or, with `chunks`, when they are needed.

    Parameters
    ----------
    path : str, pathlib.Path, or file object open for bytes
        A netCDF file that `write_results` wrote; a Zarr folder with the same content, if
        the package zarr is installed; a file that `simulate_gmm` writes to, or the store of
        `simulate_llm`, also while the run goes on.
    chunks : mapping, int or "auto", optional
        For what is larger than memory: sizes of blocks by dimension, such as ``{"time": 1}``,
        as `xarray.Dataset.chunk` takes them ("auto" where there is no text). Needs the package
        dask.

    Returns
    -------
    xarray.Dataset
        The dataset, loaded; the file is closed. Texts are Python strings, so
        that it takes the memory of its content. With `chunks`, arrays of Dask, which read
        the file while they are used, and coordinates in memory.

    Raises
    ------
    InputError
        If there is no such file, it is not netCDF, or not a dataset of ours; or if the run
        of a store has no step that all models have answered; or if `chunks` can't be used.

    Notes
    -----
    `fnorm`, `noise_floor`, `dist`, `diversity`, `inner_diversity`, `drift`, `summary` and
    `plot_norm` work on arrays of Dask some times after the other, and leave them as they are; what
    else checks its dataset loads it.

    A store gives the steps that all models have answered in all replicates and queries. What
    is kept of the step after them is left out, so `time` is 0..t for every model, and the
    posts are A^(t), as in a run with ``n_steps=t``. The attribute `unfinished` says so, such
    as "t = 0..17 of 60; still running"; `spec` is that of the whole run, which `run_spec`
    runs. No model is loaded, and whoever writes to the store is not kept waiting.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> lwd.read_results("nowhere.nc")
    Traceback (most recent call last):
        ...
    lwdstats.errors.InputError: path: got nowhere.nc (no such file); takes ...
    """
    if chunks is not None:
        check_dask("chunks", chunks)
    if isinstance(path, str | os.PathLike):
        # Here, so that a file is read without what runs a network.
        from lwdstats.simulate.llm.storing.journal import has_journal
        from lwdstats.simulate.llm.storing.snapshot import read_store

        if has_journal(path):
            ds = read_store(path)
            return ds if chunks is None else chunked(ds, chunks)
    return read_file(path, chunks)
