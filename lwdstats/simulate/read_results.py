"""Results from where a run left them: a file, or the store of one that may still go on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

import xarray as xr

from lwdstats.dataset.files import read_file


def read_results(path: str | Path | IO[bytes]) -> xr.Dataset:
    """Read results into memory and check them.

    Parameters
    ----------
    path : str, pathlib.Path, or file object open for bytes
        A netCDF file that `write_results` wrote; a Zarr folder with the same content, if
        the package zarr is installed; or the store of `simulate_llm`, also while the run
        writes to it.

    Returns
    -------
    xarray.Dataset
        The dataset, loaded; the file is closed. Texts are Python strings, so
        that it takes the memory of its content.

    Raises
    ------
    InputError
        If there is no such file, it is not netCDF, or not a dataset of ours; or if the run
        of a store has no step that all models have answered.

    Notes
    -----
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
    if isinstance(path, str | os.PathLike):
        # Here, so that a file is read without what runs a network.
        from lwdstats.simulate.llm.storing.journal import has_journal
        from lwdstats.simulate.llm.storing.snapshot import read_store

        if has_journal(path):
            return read_store(path)
    return read_file(path)
