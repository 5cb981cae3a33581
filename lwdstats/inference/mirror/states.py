"""Squared distances between a network's states at two times, freed of the noise of L answers.

Arrays first: T times, R replicates, n models, q queries, F coordinates.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import xarray as xr

from lwdstats.arrays import FloatArray, as_floats, as_times
from lwdstats.dataset.positions import components_move, fewest_answers, positions
from lwdstats.errors import InputError
from lwdstats.geometry import kernels, mixture_distances
from lwdstats.geometry.distance import mean_variance

DISTANCES = ("frobenius", "spectral", "procrustes")


def of_dataset(ds: xr.Dataset, distance: str, debias: bool | None) -> tuple[FloatArray, bool]:
    """Return squared distances (T, T) between states, and whether noise was taken out."""
    if components_move(ds):
        if distance != "frobenius":
            takes = "'frobenius', as components move: then it is the MMD of a model's mixtures"
            raise InputError("distance", distance, takes)
        return _of_mixtures(ds), False
    x = positions(ds).transpose("time", "replicate", "model", ...).values
    noise = None if "weight" in ds else _noise(ds, distance, debias)
    return squared_distances(x, distance, noise), noise is not None


def of_array(x: npt.ArrayLike | xr.DataArray, takes: str) -> tuple[FloatArray, FloatArray]:
    """Return the times (T,) and states (T, R, n, F) of an array, which may have labels."""
    time = None
    if isinstance(x, xr.DataArray):
        if "time" not in x.dims:
            raise InputError(
                "x", f"a DataArray over {x.dims}", f"one with a dimension 'time', or {takes}"
            )
        front = [name for name in ("replicate", "model") if name in x.dims]
        x = x.transpose("time", *front, ...)
        if "replicate" not in x.dims:
            x = x.expand_dims("replicate", 1)
        time = as_times(x["time"].to_index(), "x: time") if "time" in x.coords else None
        positions = as_floats(x.values, "x", takes)[:, :]
    else:
        index = getattr(x, "index", None)
        positions = as_floats(x, "x", takes)
        if hasattr(index, "to_numpy"):
            time = as_times(index, "x: time")
        positions = positions[:, None] if positions.ndim > 1 else positions
    if positions.ndim not in (3, 4, 5) or 0 in positions.shape:
        shape = tuple(n for j, n in enumerate(positions.shape) if j != 1 or n > 1)
        raise InputError("x", f"shape {shape}", takes)
    steps = np.arange(len(positions), dtype=float) if time is None else time
    return steps, positions.reshape(*positions.shape[:3], -1)


def squared_distances(x: FloatArray, distance: str, noise: FloatArray | None = None) -> FloatArray:
    """Return squared distances (T, T) between states (T, R, n, [q,] F), a model's on average.

    `noise` (T, R, n) is the variance of each model's position, averaged over queries.
    """
    n_queries = x.shape[3] if x.ndim > 4 else 1
    T, R, n = x.shape[:3]
    flat = x.reshape(T, R, n, -1) / math.sqrt(n_queries)
    if distance == "procrustes":
        if n < 2:
            takes = "'frobenius' or 'spectral', as one member has no configuration"
            raise InputError("distance", distance, takes)
        return _turned(flat)
    if distance == "spectral":
        return _spectral(
            flat.reshape(T, R * n, -1), None if noise is None else noise.reshape(T, -1)
        )
    out = kernels.squared_distances(np.moveaxis(flat.reshape(T, R * n, -1), 0, 1)) / (R * n)
    if noise is not None:
        each = noise.reshape(T, -1).mean(axis=1)
        out -= each[:, None] + each
        np.fill_diagonal(out, 0.0)
    return out


def _noise(ds: xr.Dataset, distance: str, debias: bool | None) -> FloatArray | None:
    """Return the variance (T, R, n) of mean answers, or None where it stays in."""
    if distance == "procrustes":
        if debias:
            takes = "False: what noise adds to a distance after turning has no unbiased estimate"
            raise InputError("debias", debias, takes)
        return None
    if debias is False:
        return None
    if fewest_answers(ds) < 2:
        if debias:
            got = "True with one answer a model and time"
            raise InputError("debias", got, "two answers or more, to estimate their variance")
        return None
    return mean_variance(ds["embedding"]).transpose("time", "replicate", "model").values


def _spectral(x: FloatArray, noise: FloatArray | None) -> FloatArray:
    """Return the largest eigenvalue of the mean of (x_t - x_s)(x_t - x_s)', (T, T), over models.

    Of states (T, m, F). The products of models with each other, (m, m), have the same eigenvalues
    as those of coordinates, and noise adds to their diagonal alone.
    """
    T, m, F = x.shape
    by_model = noise is not None or m <= F
    out = np.zeros((T, T))
    for t in range(T - 1):
        away = x[t + 1 :] - x[t]
        if by_model:
            square = away @ np.swapaxes(away, 1, 2)
            if noise is not None:
                square[:, np.arange(m), np.arange(m)] -= noise[t + 1 :] + noise[t]
        else:
            square = np.swapaxes(away, 1, 2) @ away
        out[t, t + 1 :] = np.linalg.eigvalsh(square)[:, -1] / m
    return out + out.T


def _turned(x: FloatArray) -> FloatArray:
    """Return squared distances (T, T) between configurations (T, R, n, F), shifted and turned.

    ||x - y W||^2 is least where it is ||x||^2 + ||y||^2 less twice the sum of the singular
    values of x'y. These are those of a product of triangles (n, n), which F does not enter.
    """
    T, R, n, _ = x.shape
    out = np.zeros((T, T))
    for r in range(R):
        centred = kernels.centred(x[:, r].astype(np.float64), axis=1)
        triangle = np.linalg.qr(np.swapaxes(centred, 1, 2), mode="r")
        size = np.einsum("tij,tij->t", centred, centred)
        for t in range(T - 1):
            product = triangle[t] @ np.swapaxes(triangle[t + 1 :], 1, 2)
            shared = np.linalg.svd(product, compute_uv=False).sum(axis=1)
            out[t, t + 1 :] += np.maximum(size[t] + size[t + 1 :] - 2.0 * shared, 0.0)
    out /= R * n
    return out + out.T


def _of_mixtures(ds: xr.Dataset) -> FloatArray:
    """Return the squared MMD (T, T) between a model's mixtures at two times, averaged."""
    order = ("replicate", "model", "time", "component")
    weight = ds["weight"].astype(np.float64)
    mean = ds["component_mean"].astype(np.float64).broadcast_like(weight, exclude=["feature"])
    covariance = ds["component_covariance"].astype(np.float64)
    covariance = covariance.broadcast_like(weight, exclude=["feature", "feature_"])
    w = (weight / weight.sum("component")).transpose(*order).values
    m = mean.transpose(*order, "feature").values
    c = covariance.transpose(*order, "feature", "feature_").values
    first = covariance.isel(dict.fromkeys(("time", "replicate", "model"), 0)).values
    width = ds.attrs.get("kernel_width")
    if width is None:
        width = math.sqrt(np.trace(first, axis1=-2, axis2=-1).mean() / first.shape[-1])
    cells = [(r, i) for r in range(w.shape[0]) for i in range(w.shape[1])]
    squares = (mixture_distances.mmd(w[at], m[at], c[at], float(width)) ** 2 for at in cells)
    return sum(squares, np.zeros((w.shape[2],) * 2)) / len(cells)
