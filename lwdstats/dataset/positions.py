"""What an analysis reads out of a dataset, whichever simulation wrote it."""

from __future__ import annotations

import numpy as np
import xarray as xr

from lwdstats.arrays import FloatArray
from lwdstats.dataset.embeddings.choose_embedding import by_embedding
from lwdstats.dataset.schema import validate
from lwdstats.errors import InputError


def positions(ds: xr.Dataset, *, embedding: str = "embedding", source: str = "ds") -> xr.DataArray:
    """Return what the distance matrix compares: one position a model and time.

    Parameters
    ----------
    ds : xarray.Dataset
        A dataset of either simulation.
    embedding : str
        Which embedding of a dataset's answers, as `choose_embedding` takes it.
    source : str
        How an error names it.

    Returns
    -------
    xarray.DataArray
        The mixture weights (Equation 4), dimensions (time, replicate, model,
        component), where the dataset has them; otherwise the mean embedding
        over the responses that are there (Equations 1 and 2), dimensions (time,
        replicate, model, [query,] feature). float64.

    Raises
    ------
    InputError
        If `ds` does not follow the schema, all answers of a model at a time are missing, or
        components of mixtures move, so that weights alone do not say where a model is.

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
    ds = validate(by_embedding(ds, embedding, source), source=source)
    if "weight" in ds:
        if components_move(ds):
            takes = "components that stay: dist(ds) compares mixtures whose components move"
            raise InputError(f"{source}: component_mean", "components that differ by model", takes)
        weight = ds["weight"].astype("float64", copy=False)
        return weight.transpose("time", "replicate", "model", "component").rename("position")
    mean = xr.apply_ufunc(
        _mean_answers,
        answers(ds, source=source).transpose("time", ..., "response", "feature"),
        input_core_dims=[["response", "feature"]],
        output_core_dims=[["feature"]],
    )
    return mean.transpose("time", "replicate", "model", ...).rename("position")


def components_move(ds: xr.Dataset) -> bool:
    """Return whether a dataset has mixtures with components of their own."""
    parts = [ds[name] for name in ("component_mean", "component_covariance") if name in ds]
    return "weight" in ds and any("model" in part.dims for part in parts)


def _mean_answers(x: np.ndarray) -> FloatArray:
    """Return the mean (T, ..., d) of the answers (T, ..., L, d) that are not NaN.

    A time at once, so that no second array of the size of `x` is made.
    """
    out = np.empty((*x.shape[:-2], x.shape[-1]))
    for t, now in enumerate(x):
        lacking = np.isnan(now[..., :1])
        if lacking.any():
            n = (~lacking).sum(axis=-2)
            out[t] = np.where(lacking, 0.0, now).sum(axis=-2, dtype=np.float64) / n
        else:
            now.mean(axis=-2, dtype=np.float64, out=out[t])
    return out


def answers(ds: xr.Dataset, *, source: str = "ds") -> xr.DataArray:
    """Return `embedding`, for what takes missing answers, but one of each model at least.

    Raises
    ------
    InputError
        If all answers of a model at a time (and to a query) are missing.
    """
    there = n_answers(ds)
    if there is not None and not there.values.all():
        none = there == 0
        others = int(none.sum()) - 1
        raise InputError(
            f"{source}: embedding",
            f"no answer at all at {_first(none)}" + f" and {others} more" * (others > 0),
            "an answer of each model at each time; select those that have one",
        )
    return ds["embedding"]


def n_answers(ds: xr.Dataset) -> xr.DataArray | None:
    """Return how many answers each model has, (time, model, replicate, ...), or None if all.

    An answer is missing where its embedding is NaN.
    """
    there = ds["embedding"].isel(feature=0, drop=True).notnull()
    return None if bool(there.all()) else there.sum("response")


def fewest_answers(ds: xr.Dataset) -> int:
    """Return how many answers a model has at the least, of a dataset of answers."""
    there = n_answers(ds)
    return ds.sizes["response"] if there is None else int(there.min())


def complete_answers(ds: xr.Dataset, *, source: str = "ds") -> xr.DataArray:
    """Return `embedding`, for a statistic that needs as many answers of every model.

    Raises
    ------
    InputError
        If an answer is missing.
    """
    there = n_answers(ds)
    if there is not None:
        lacking = there < ds.sizes["response"]
        raise InputError(
            f"{source}: embedding",
            f"missing answers in {int(lacking.sum())} cells (first at {_first(lacking)})",
            "answers without gaps: select times, models or responses that have them all",
        )
    return ds["embedding"]


def _first(flags: xr.DataArray) -> str:
    where = np.argwhere(flags.values)[0]
    labels = ((dim, flags[dim].values[i]) for dim, i in zip(flags.dims, where, strict=True))
    return ", ".join(f"{dim}={label}" for dim, label in labels)
