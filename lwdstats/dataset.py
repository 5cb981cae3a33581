"""What an analysis reads out of a dataset, whichever simulation wrote it."""

from __future__ import annotations

import xarray as xr

from lwdstats.schema import validate


def positions(ds: xr.Dataset, *, source: str = "ds") -> xr.DataArray:
    """Return what the distance matrix compares: one position a model and time.

    Parameters
    ----------
    ds : xarray.Dataset
        A dataset of either simulation.
    source : str
        How an error names it.

    Returns
    -------
    xarray.DataArray
        The mixture weights (Equation 4), dimensions (time, replicate, model,
        component), where the dataset has them; otherwise the mean embedding
        over responses (Equations 1 and 2), dimensions (time, replicate, model,
        [query,] feature). float64.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> ds = lwd.simulate_gmm(n_steps=5, seed=1)
    >>> lwd.positions(ds).dims
    ('time', 'replicate', 'model', 'component')

    References
    ----------
    Wang, Pang, Horiguchi and Priebe, "LLM Web Dynamics", Equations 1, 2 and 4.
    """
    validate(ds, source=source)
    if "weight" in ds:
        weight = ds["weight"].astype("float64", copy=False)
        return weight.transpose("time", "replicate", "model", "component").rename("position")
    mean = ds["embedding"].mean("response", dtype="float64")
    return mean.transpose("time", "replicate", "model", ...).rename("position")
