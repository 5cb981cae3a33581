"""The steps of `dkps`: answers out of a dataset, their distances, a space of points."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr
from scipy.spatial.distance import cdist

from lwdstats.arrays import FloatArray
from lwdstats.dataset.positions import complete_answers, positions
from lwdstats.dataset.schema import named, validate
from lwdstats.errors import InputError
from lwdstats.geometry import samples
from lwdstats.geometry.cmdscale import fix_signs, scale_distances, scale_points
from lwdstats.geometry.dkps.bootstrap import kernel_features
from lwdstats.geometry.out_of_sample import mean_squares
from lwdstats.geometry.procrustes import rotation

POINT = ("time", "replicate", "model")


def template_of(ds: xr.Dataset, aggregate: str) -> xr.DataArray:
    """Return an array over (time, replicate, model) with the dataset's coordinates."""
    validate(ds)
    if aggregate != "mean" and "embedding" not in ds:
        raise InputError("ds", "no variable embedding", f"answers, for aggregate={aggregate!r}")
    source = ds["weight" if aggregate == "mean" and "weight" in ds else "embedding"]
    first = {dim: 0 for dim in source.dims if dim not in POINT}
    return source.isel(first, drop=True).transpose(*POINT).astype(np.float64)


def answers_of(ds: xr.Dataset, aggregate: str) -> np.ndarray:
    """Return answers (q, P, L, F), P running over time, replicate, model; L = 1 of means."""
    x = positions(ds) if aggregate == "mean" else complete_answers(ds)
    for dim in ("query", "response"):
        if dim not in x.dims:
            x = x.expand_dims(dim)
    inner = "component" if "component" in x.dims else "feature"
    values = x.transpose("query", *POINT, "response", inner).values
    return values.reshape(len(values), -1, *values.shape[-2:])


def all_answers(ds: xr.Dataset) -> np.ndarray:
    """Return the answers behind the means, (q, P, L, F), missing ones being NaN."""
    x = ds["embedding"] if "query" in ds["embedding"].dims else ds["embedding"].expand_dims("query")
    values = x.transpose("query", *POINT, "response", "feature").values
    return values.reshape(len(values), -1, *values.shape[-2:])


def kernel_points(x: np.ndarray, bandwidth: float | None) -> FloatArray:
    """Return points (q, P, L, m) whose means are as far apart as answers (q, P, L, F) by kernel."""
    h = samples.kernel(bandwidth)
    found = []
    for answers in x:
        flat = answers.reshape(-1, answers.shape[-1]).astype(np.float64)
        found.append(kernel_features(h(cdist(flat, flat, "sqeuclidean"))))
    # Columns of zeros make them alike.
    width = max(y.shape[1] for y in found)
    return np.stack([pad_columns(y, width) for y in found]).reshape(*x.shape[:3], width)


def _flat(x: np.ndarray) -> FloatArray:
    """Return means (q, P, 1, F) as (P, q F), so scaled that distances average over queries."""
    return np.moveaxis(x[:, :, 0], 0, 1).reshape(x.shape[1], -1) / math.sqrt(len(x))


def squared_distances(
    x: np.ndarray, y: np.ndarray | None, aggregate: str, bandwidth: float | None
) -> FloatArray:
    """Return squared distances (P, Q) between answers; without `y`, of `x` with itself."""
    if aggregate == "mean":
        return cdist(_flat(x), _flat(x if y is None else y), "sqeuclidean")
    return samples.between(x, y, samples.kernel(bandwidth))


def scale_answers(
    x: np.ndarray, k: int | None, aggregate: str, bandwidth: float | None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return coordinates (P, at most k), eigenvalues (P,) and mean squared distances (P,)."""
    limit = x.shape[1] - 1 if k is None else k
    if aggregate == "mean":
        points = _flat(x)
        squares = mean_squares(points)
        y, eig = scale_points(points, limit)
    else:
        squared = squared_distances(x, None, aggregate, bandwidth)
        squares = squared.mean(axis=1)
        y, eig = scale_distances(np.sqrt(squared), limit)
    return fix_signs(y), eig, squares


def pad_columns(y: FloatArray, k: int) -> FloatArray:
    """Return `y` with k columns: the first ones, or all and zeros after them."""
    return np.pad(y[:, :k], ((0, 0), (0, max(0, k - y.shape[1]))))


def align_spaces(spaces: list[FloatArray]) -> list[FloatArray]:
    """Turn each configuration (P, k) to the one before it, as it was turned itself."""
    out, target = spaces[:1], spaces[0]
    for y in spaces[1:]:
        turned = y @ rotation(target, y, scale=False)[0]
        out.append(turned)
        # Points that all coincide have no orientation to hand on.
        target = turned if np.any(turned) else target
    return out


def points_array(y: FloatArray, template: xr.DataArray, k: int) -> xr.DataArray:
    """Return coordinates (P, k) with the dimensions and names of `template`."""
    coords = {str(name): c for name, c in template.coords.items()}
    out = xr.DataArray(y.reshape(*template.shape, k), coords, (*POINT, "coordinate"))
    return named(out, "points", "coordinate in the data kernel perspective space")
