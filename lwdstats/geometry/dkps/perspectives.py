"""The steps of `dkps`: answers out of a dataset, their distances, a space of points."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from lwdstats.arrays import FloatArray
from lwdstats.dataset.positions import answers as present_answers
from lwdstats.dataset.positions import n_answers, positions
from lwdstats.dataset.schema import named, validate
from lwdstats.errors import InputError
from lwdstats.geometry import kernels, samples
from lwdstats.geometry.cmdscale import fix_signs, scale_distances, scale_points, scale_products
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
    """Return answers (q, P, L, F), P running over time, replicate, model; L = 1 of means.

    Missing answers are NaN.
    """
    if aggregate != "mean":
        x = present_answers(ds)
    elif "weight" not in ds and ds.sizes["response"] == 1 and n_answers(ds) is None:
        x = ds["embedding"]  # a single answer is its own mean, and takes no second copy
    else:
        x = positions(ds)
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
        found.append(kernel_features(h(kernels.squared_distances(flat[None]))))
    # Columns of zeros make them alike.
    width = max(y.shape[1] for y in found)
    return np.stack([pad_columns(y, width) for y in found]).reshape(*x.shape[:3], width)


def _scale_means(x: np.ndarray, k: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return mean squared distances (P,), coordinates (P, at most k) and eigenvalues (P,).

    Of means (q, P, F), distances being averaged over queries; some queries at once.
    """
    q, P, F = x.shape
    if q * F < P:
        points = kernels.laid_out(x).astype(np.float64) / math.sqrt(q)
        return mean_squares(points), *scale_points(points, k)
    gram = np.zeros((P, P))
    for block in kernels.query_blocks(x):
        part = kernels.laid_out(kernels.centred(x[block].astype(np.float64), axis=1))
        gram += part @ part.T
    gram /= q
    own = np.diagonal(gram)
    return own + own.mean(), *scale_products(gram, k)


def squared_distances(
    x: np.ndarray, y: np.ndarray | None, aggregate: str, bandwidth: float | None
) -> FloatArray:
    """Return squared distances (P, Q) between answers; without `y`, of `x` with itself."""
    if aggregate == "mean":
        return kernels.squared_distances(x[:, :, 0], None if y is None else y[:, :, 0]) / len(x)
    return samples.between(x, y, samples.kernel(bandwidth))


def scale_answers(
    x: np.ndarray, k: int | None, aggregate: str, bandwidth: float | None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return coordinates (P, at most k), eigenvalues (P,) and mean squared distances (P,)."""
    limit = x.shape[1] - 1 if k is None else k
    if aggregate == "mean":
        squares, y, eig = _scale_means(x[:, :, 0], limit)
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
