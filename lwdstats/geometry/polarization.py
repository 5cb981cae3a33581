"""Which part of the distance between models lies between groups of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from lwdstats.dataset.embeddings.choose_embedding import by_embedding
from lwdstats.dataset.positions import positions
from lwdstats.errors import InputError, check_bool
from lwdstats.geometry.distance import fnorm, mean_variance, over_queries, signed_root
from lwdstats.results.pictures.covariates import along, covariate


def polarization(
    ds: xr.Dataset,
    groups: str | Mapping[Any, Any] | Sequence[Any],
    *,
    share: bool = False,
    debias: bool = False,
    embedding: str = "embedding",
) -> xr.DataArray:
    """Return the part of ||D||_F that lies between groups of models.

    Parameters
    ----------
    ds : xarray.Dataset
        A dataset of either simulation, or one's own.
    groups : str, mapping or sequence
        The group of each model: the name of a coordinate along `model`, a mapping from
        labels of models, or one value a model.
    share : bool
        Return the share of ||D||_F^2 instead, between 0 (the groups have one mean) and 1 (the
        models of a group are all alike).
    debias : bool
        Take out what a finite number of responses adds, as in `fnorm`.
    embedding : str
        Which embedding of a dataset's answers, as `choose_embedding` takes it.

    Returns
    -------
    xarray.DataArray
        Dimensions (time, replicate), in the units of ||D||_F, or a share.

    Raises
    ------
    InputError
        If `groups` is not as above or has fewer than two groups; or `debias` is asked of a
        single response a model.

    Notes
    -----
    With positions x_i of n models, n_g of them in group g,

        ||D||_F^2 = 2 n sum_g n_g ||xbar_g - xbar||^2 + 2 n sum_g sum_{i in g} ||x_i - xbar_g||^2,

    as in an analysis of variance. The first part is the square of what is returned. From answers
    it holds ``2 n (sum_g mean_{i in g} v_i - mean_i v_i)`` of noise, v_i = tr(S_i)/L being the
    variance of a mean; `debias` subtracts it, and the result is a signed root as that of `fnorm`.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> two = [[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.1, 0.9]]
    >>> ds = lwd.simulate_gmm(n_models=4, initial_weights=two, n_steps=0, seed=1)
    >>> float(lwd.polarization(ds, ["left", "left", "right", "right"], share=True).squeeze())
    1.0
    """
    check_bool("share", share)
    check_bool("debias", debias)
    ds = by_embedding(ds, embedding, "ds")
    position = positions(ds)
    codes = _codes(ds, groups)
    n = codes.size
    inner = [dim for dim in ("component", "feature") if dim in position.dims]
    mean = position.mean("model")
    square, noise = xr.zeros_like(over_queries(mean.sum(inner))), 0.0
    variance = mean_variance(_answers(ds)) if debias and inner == ["feature"] else None
    for code in range(codes.max() + 1):
        members = np.flatnonzero(codes == code)
        away = position.isel(model=members).mean("model") - mean
        square = square + members.size * over_queries((away**2).sum(inner))
        if variance is not None:
            noise = noise + variance.isel(model=members).mean("model")
    if variance is not None:
        noise = noise - variance.mean("model")
    between = (2.0 * n * (square - noise)).transpose("time", "replicate")
    if share:
        whole = fnorm(ds, debias=debias)
        out = between / (whole * abs(whole))
        out.attrs = {"long_name": "share of the squared norm that lies between groups"}
        return out.rename("polarization")
    what = "Frobenius norm of the distances between the means of groups"
    return signed_root(between, "polarization", what)


def _answers(ds: xr.Dataset) -> xr.DataArray:
    if ds.sizes["response"] < 2:
        raise InputError("debias", True, "False, as each model gives a single response")
    return ds["embedding"]


def _codes(ds: xr.Dataset, groups: Any) -> np.ndarray:
    """Return the group of each model, (n,), as integers from 0."""
    by = covariate("groups", groups, along(ds), [str(label) for label in ds["model"].values])
    if by is None:
        raise InputError("groups", None, "a group for each model")
    if (pd.isna(by.values) | (by.values == "")).any():
        raise InputError("groups", "a model without a group", "a group for each model")
    codes, found = pd.factorize(by.values)
    if len(found) < 2:
        raise InputError("groups", f"{len(found)} group", "two or more")
    return codes
