"""Distances between models, and the size of their matrix."""

from __future__ import annotations

import math
import os
from typing import overload

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from lwdstats.arrays import FloatArray, as_floats, as_points
from lwdstats.dataset.blocks import over_times
from lwdstats.dataset.embeddings.choose_embedding import by_embedding
from lwdstats.dataset.positions import components_move, fewest_answers, positions
from lwdstats.dataset.schema import check_form, named, validate
from lwdstats.errors import InputError, check_bool, check_choice, is_number
from lwdstats.geometry import kernels, mixture_distances, spread
from lwdstats.geometry.labels import labels_of

# Positions with more numbers than this are compared by their products.
_LONG = 1 << 12
_POINTS = "finite numbers of shape (n, p), a vector of n numbers, or a Dataset"
_MATRICES = "finite distances of shape (..., n, n), a DataArray over model and model_, or a Dataset"


@overload
def dist(
    x: xr.Dataset,
    method: str | None = ...,
    *,
    p: float = ...,
    width: float | None = ...,
    embedding: str = ...,
) -> xr.DataArray: ...
# A frame is array_like as well; the first match counts.
@overload
def dist(  # pyright: ignore[reportOverlappingOverload]
    x: pd.DataFrame | pd.Series | xr.DataArray, method: str | None = ..., *, p: float = ...
) -> FloatArray | xr.DataArray: ...
@overload
def dist(x: npt.ArrayLike, method: str | None = ..., *, p: float = ...) -> FloatArray: ...
def dist(
    x: npt.ArrayLike | pd.DataFrame | pd.Series | xr.DataArray | xr.Dataset,
    method: str | None = None,
    *,
    p: float = 2.0,
    width: float | None = None,
    embedding: str = "embedding",
) -> FloatArray | xr.DataArray:
    """Return the distances between the rows of a matrix, or between the models of a dataset.

    Parameters
    ----------
    x : array_like, shape (n, p), or xarray.Dataset
        n points with p coordinates each (a vector is n points on a line), or a
        dataset, whose models are compared by `positions`.
    method : {"euclidean", "maximum", "manhattan", "canberra", "binary", "minkowski"}, optional
        The distance, as R's ``dist`` defines it. Of a dataset of mixtures also "mmd", "l2", "mw2"
        and "mean", which look at weights, means and covariances. By default "euclidean", but
        "mmd" where components move, so that weights alone say little.
    p : float
        Power of the Minkowski distance, above 0.
    width : float, optional
        h of the kernel of "mmd", in units of the data; by default the root of the mean variance of
        a component at the start, at which distances fall like ``3^(-d/4)`` in the number of
        features: where these are many, give one of the order of the distances between points.
    embedding : str
        Which embedding of a dataset's answers, as `choose_embedding` takes it.

    Returns
    -------
    numpy.ndarray or xarray.DataArray
        Symmetric, zero on the diagonal, in the units of `x` ("mmd": none). From an array:
        float64, shape (n, n); a DataArray where rows have labels (an index other than
        the default one, a coordinate), which tests go by. From a dataset: dimensions
        ``(time, replicate, model, model_)``.

    Raises
    ------
    InputError
        If `x` holds NaN or an infinite value, or an argument is not one of the above; if
        distances would not fit into memory; or if rounding decides how narrow a component is.

    Notes
    -----
    A dataset with m queries has ``D_ij = ||X_i - X_j||_F / sqrt(m)``, the
    root mean square over queries of Equation 2, which it is at m = 1. For the
    other methods the queries are likewise laid end to end, and sums are
    divided by m before any root: "manhattan" and "canberra" by m, "minkowski"
    by m^(1/p); "maximum" and "binary" need no division.

    As in R, "canberra" leaves out terms that are 0/0 and scales the sum up in
    proportion (NaN if none is left), and "binary" is the share of coordinates
    not 0 in one point among those not 0 in at least one (0 if there are none).
    Unlike R, missing and infinite values are errors; and the result is the
    whole matrix, whose upper triangle by rows is R's vector.

    Between mixtures, "mmd" is the maximum mean discrepancy under the kernel ``exp(-|x - y|^2 / (2
    h^2))``, "l2" the distance of the densities, "mw2" the cheapest transport of component to
    component at their squared 2-Wasserstein distances, "mean" the distance of the means. Near
    consensus the square of "mw2" is of the order of the others, not of their squares.

    References
    ----------
    Wang, Pang, Horiguchi and Priebe, "LLM Web Dynamics", Equations 2 and 4.
    Delon and Desolneux (2020), SIAM Journal on Imaging Sciences 13, 936-970 (MW2).
    R Core Team, ``stats::dist``.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> lwd.dist([[0, 0], [3, 4]])
    array([[0., 5.],
           [5., 0.]])
    >>> lwd.dist([[0, 0], [3, 4]], "manhattan")
    array([[0., 7.],
           [7., 0.]])
    """
    x = by_embedding(x, embedding, "x")
    if method is None:
        moves = isinstance(x, xr.Dataset) and components_move(x)
        method = "mmd" if moves else "euclidean"
    mixtures = tuple(mixture_distances.METHODS) if isinstance(x, xr.Dataset) else ()
    method = check_choice("method", method, (*kernels.METHODS, *mixtures))
    if width is not None and (not is_number(width) or not math.isfinite(width) or width <= 0):
        raise InputError("width", width, "a finite number above 0, or None")
    if not is_number(p) or not math.isfinite(p) or p <= 0:
        raise InputError("p", p, "a finite number above 0")
    if not isinstance(x, xr.Dataset):
        return _labelled(kernels.distances(as_points(x, "x", _POINTS), method, p), x, method)
    ds = check_form(x, source="x")
    _check_pairs(ds, "x")
    if method in mixture_distances.METHODS:
        if width is None:
            width = _width_of(ds)
        return over_times(lambda part: _of_mixtures(part, method, width), ds)
    return over_times(lambda part: _of_positions(part, method, p), ds)


def _of_positions(x: xr.Dataset, method: str, p: float) -> xr.DataArray:
    """Return distances between positions."""
    position = positions(x)
    n_queries = position.sizes.get("query", 1)
    powers = {"euclidean": 2.0, "manhattan": 1.0, "canberra": 1.0, "minkowski": p}
    divisor = n_queries ** (1.0 / powers[method]) if method in powers else 1.0

    def kernel(values: np.ndarray) -> np.ndarray:
        if method == "euclidean" and values[0].size > _LONG:
            by_query = np.moveaxis(values, 1, 0) if values.ndim > 2 else values[None]
            return np.sqrt(kernels.squared_distances(by_query)) / divisor
        return kernels.distances(values.reshape(len(values), -1), method, p) / divisor

    out = xr.apply_ufunc(
        kernel,
        position,
        input_core_dims=[position.dims[2:]],
        output_core_dims=[["model", "model_"]],
        vectorize=True,
    )
    return _between_models(out, method)


def _between_models(out: xr.DataArray, method: str) -> xr.DataArray:
    if "model" in out.coords:
        out = out.assign_coords(model_=("model_", out["model"].values))
    return named(out, "dist", f"{method} distance between models")


def _check_pairs(x: xr.Dataset, argument: str) -> None:
    """Raise if the distances between all models would not fit into memory."""
    n, n_times = x.sizes["model"], x.sizes["time"]
    size = 8.0 * n**2 * n_times * x.sizes.get("replicate", 1)
    room = _memory()
    if size > room:
        got = f"{n} models, with distances of {_gigabytes(size)} at {n_times} times"
        takes = f"as many as fit into this machine's memory, {_gigabytes(room)}: select some, as "
        takes += f"in {argument}.sel(model={argument}['model'][:500]), or fewer times; fnorm needs "
        raise InputError(argument, got, f"{takes}no distances, but where components move")


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:,.0f} GB" if size >= 1e10 else f"{size / 1e9:.2g} GB"


def _memory() -> float:
    """Return the bytes of memory that the machine has, infinity where it does not say."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE")) * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return math.inf


def _width_of(x: xr.Dataset) -> float | None:
    """Return the width of the kernel that a dataset says, or that its first model has."""
    if "kernel_width" in x.attrs or "component_covariance" not in x:
        return x.attrs.get("kernel_width")
    covariance = x["component_covariance"].astype(np.float64)
    first = {dim: 0 for dim in covariance.dims if dim in ("time", "model", "replicate")}
    matrix = covariance.isel(first).values
    return math.sqrt(np.trace(matrix, axis1=-2, axis2=-1).mean() / matrix.shape[-1])


def _of_mixtures(x: xr.Dataset, method: str, width: float | None) -> xr.DataArray:
    """Return distances between mixtures by weights, means and covariances."""
    validate(x, source="x")
    parts = ["weight", "component_mean", "component_covariance"]
    lacking = [name for name in parts if name not in x]
    if lacking:
        got = f"{method!r} of a dataset without {', '.join(lacking)}"
        raise InputError("method", got, "a distance of answers: " + ", ".join(kernels.METHODS))
    weight, mean, covariance = (x[name].astype(np.float64) for name in parts)
    mean = mean.broadcast_like(weight, exclude=["feature"])
    covariance = covariance.broadcast_like(weight, exclude=["feature", "feature_"])
    kernel, h = mixture_distances.METHODS[method], math.nan if width is None else float(width)
    out = xr.apply_ufunc(
        lambda w, m, c: kernel(w, m, c, h),
        weight / weight.sum("component"),
        mean,
        covariance,
        input_core_dims=[
            ["model", "component"],
            ["model", "component", "feature"],
            ["model", "component", "feature", "feature_"],
        ],
        output_core_dims=[["model", "model_"]],
        vectorize=True,
    )
    return _between_models(out.transpose("time", "replicate", "model", "model_"), method)


def _labelled(d: FloatArray, x: object, method: str) -> FloatArray | xr.DataArray:
    """Return distances between the rows of `x` with the labels of these, where they have any."""
    labels = labels_of(x)
    if labels is None:
        return d
    row = x.index.name if isinstance(x, pd.DataFrame | pd.Series) else None
    row = str((x.dims[0] if isinstance(x, xr.DataArray) else row) or "row")
    dims = (row, f"{row}_")
    index = pd.Index(list(labels), tupleize_cols=False)
    out = xr.DataArray(d, {dim: (dim, index) for dim in dims}, dims)
    return named(out, "dist", f"{method} distance between rows")


# A DataArray is array_like as well; the first match counts.
@overload
def fnorm(  # pyright: ignore[reportOverlappingOverload]
    x: xr.Dataset | xr.DataArray, *, debias: bool = ..., embedding: str = ...
) -> xr.DataArray: ...
@overload
def fnorm(x: npt.ArrayLike, *, debias: bool = ...) -> FloatArray: ...
def fnorm(
    x: npt.ArrayLike | xr.DataArray | xr.Dataset,
    *,
    debias: bool = False,
    embedding: str = "embedding",
) -> FloatArray | xr.DataArray:
    """Return the Frobenius norm of a distance matrix, ||D||_F.

    Parameters
    ----------
    x : array_like, shape (..., n, n), xarray.DataArray or xarray.Dataset
        Distances, with dimensions ``model`` and ``model_`` in a DataArray; or a
        dataset, whose distances are not formed (the cost is O(n) a step), but where
        components of mixtures move: then they are those of `dist`.
    debias : bool
        Take out of a dataset's norm what a finite number of responses adds.
    embedding : str
        Which embedding of a dataset's answers, as `choose_embedding` takes it.

    Returns
    -------
    numpy.ndarray or xarray.DataArray
        In the units of the distances. From an array: shape (...). From a
        DataArray: the other dimensions. From a dataset: dimensions (time,
        replicate).

    Raises
    ------
    InputError
        If `x` is none of the above or holds NaN, or if `debias` is asked of
        distances (which do not tell the responses' variance) or of a single
        response a model (which has none).

    Notes
    -----
    ``||D||_F^2 = 2 n sum_i ||x_i - xbar||^2`` for Euclidean distances (over m
    queries: the average over queries).

    The mean of L responses differs from the model's own mean, so that
    ``E ||X_i - X_j||^2 = ||mu_i - mu_j||^2 + tr(S_i)/L + tr(S_j)/L`` and the
    norm of models that are the same is not 0. `debias` subtracts the unbiased
    estimate ``2 (n - 1) sum_i tr(S_i)/L`` from the square, S_i being the
    sample covariance of model i's responses (over m queries: averaged over
    queries). What is left estimates ``sum_ij ||mu_i - mu_j||^2`` without bias,
    and an unbiased estimate of 0 must fall below 0 as often as above. The
    result is therefore the signed root ``sign(v) sqrt(|v|)`` of that square v:
    cut at 0 it would be biased upwards just where a limit of 0 is tested. To
    average, square first, ``(f * abs(f)).mean()``: the root of an unbiased
    square is not itself unbiased. The expectation is over responses given what
    each model retrieved.

    Mixture weights (Equation 4) are parameters, not estimates from responses:
    there is nothing to take out, and `debias` changes nothing.

    R has the plain norm as ``norm(D, "F")``.

    References
    ----------
    Wang, Pang, Horiguchi and Priebe, "LLM Web Dynamics", Equations 1 to 4.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> float(lwd.fnorm([[0, 3], [3, 0]]))
    4.242640687119285
    >>> lwd.fnorm(lwd.simulate_gmm(n_steps=5, seed=1)).dims
    ('time', 'replicate')
    """
    check_bool("debias", debias)
    x = by_embedding(x, embedding, "x")
    if isinstance(x, xr.Dataset):
        ds = check_form(x, source="x")
        if components_move(ds):
            _check_pairs(ds.isel(time=[0], replicate=[0]), "x")
            width = _width_of(ds)
            return over_times(lambda part: _norm_of_moving(part, width), ds)
        return over_times(lambda part: _norm_of_positions(part, debias), ds)

    if debias:
        raise InputError("debias", debias, "False, unless x is a Dataset with its responses")
    if isinstance(x, xr.DataArray):
        if not {"model", "model_"} <= set(x.dims):
            raise InputError("x", f"dimensions {x.dims}", _MATRICES)
        out = xr.apply_ufunc(_norm, x.compute(), input_core_dims=[["model", "model_"]])
        return named(out, "fnorm", "Frobenius norm of the distance matrix")
    return _norm(x)


def _norm_of_moving(x: xr.Dataset, width: float | None) -> xr.DataArray:
    out = xr.apply_ufunc(_norm, dist(x, width=width), input_core_dims=[["model", "model_"]])
    return named(out, "fnorm", "Frobenius norm of the distance matrix (MMD)")


def _norm_of_positions(x: xr.Dataset, debias: bool) -> xr.DataArray:
    position = positions(x)
    square = xr.apply_ufunc(
        kernels.squared_norm,
        position,
        input_core_dims=[position.dims[2:]],
        kwargs={"n_queries": position.sizes.get("query", 1)},
    )
    if debias:
        square = square - _inflation(x, "x")
    return signed_root(square, "fnorm", "Frobenius norm of the distance matrix")


def noise_floor(ds: xr.Dataset, *, embedding: str = "embedding") -> xr.DataArray:
    """Return the ||D||_F that the models would show if they were all the same.

    Parameters
    ----------
    ds : xarray.Dataset
        A dataset of either simulation.
    embedding : str
        Which embedding of a dataset's answers, as `choose_embedding` takes it.

    Returns
    -------
    xarray.DataArray
        Root of what a finite number L of responses adds to E ||D||_F^2, that
        is ``2 (n - 1) sum_i tr(S_i)/L`` (see `fnorm`); dimensions (time,
        replicate). Zero where the positions are mixture weights.

    Raises
    ------
    InputError
        If there is one response a model, whose variance cannot be estimated.

    References
    ----------
    Wang, Pang, Horiguchi and Priebe, "LLM Web Dynamics", Equations 1 to 3.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> ds = lwd.simulate_gmm(n_steps=5, seed=1)
    >>> float(lwd.noise_floor(ds).max())
    0.0
    """
    ds = by_embedding(ds, embedding, "ds")
    return over_times(_noise_floor, check_form(ds))


def _noise_floor(ds: xr.Dataset) -> xr.DataArray:
    square = _inflation(validate(ds), "ds")
    return signed_root(square, "noise_floor", "noise floor of the Frobenius norm")


def _inflation(ds: xr.Dataset, argument: str) -> xr.DataArray:
    """Return the finite-L part of E ||D||_F^2, dimensions (time, replicate).

    Each of the n - 1 ordered pairs in which a model comes first, and each in which
    it comes second, holds tr(S_i)/L once: 2 (n - 1) sum_i tr(S_i)/L.
    """
    if "weight" in ds:
        one = ds["weight"].isel(model=0, component=0, drop=True)
        zero = xr.zeros_like(one, dtype=np.float64)
        return zero.transpose("time", "replicate")
    fewest = fewest_answers(ds)
    if fewest < 2:
        lacking = "" if fewest == ds.sizes["response"] else ", others being missing"
        raise InputError(
            f"{argument}: embedding",
            f"{fewest} response a model and time{lacking}",
            "2 or more, to estimate their variance",
        )
    each = mean_variance(ds["embedding"]).sum("model").transpose("time", "replicate")
    return 2.0 * (ds.sizes["model"] - 1) * each


def mean_variance(embedding: xr.DataArray) -> xr.DataArray:
    """Return the variance of the mean of a model's answers, tr(S_i)/L, averaged over queries."""
    trace = xr.apply_ufunc(
        spread.total_variance, embedding, input_core_dims=[["response", "feature"]]
    )
    there = embedding.isel(feature=0, drop=True).count("response")
    return over_queries(trace / there)


def over_queries(x: xr.DataArray) -> xr.DataArray:
    """Return the mean over queries, where they are told apart."""
    return x.mean("query") if "query" in x.dims else x


def signed_root(square: xr.DataArray, name: str, long_name: str) -> xr.DataArray:
    """Return the root of what estimates a square, and so may be below 0; it keeps the sign."""
    root = np.sign(square.values) * np.sqrt(np.abs(square.values))
    return named(square.copy(data=root), name, long_name)


def _norm(x: npt.ArrayLike) -> FloatArray:
    d = as_floats(x, "x", _MATRICES)
    if d.ndim < 2 or d.shape[-1] != d.shape[-2]:
        raise InputError("x", f"shape {d.shape}", _MATRICES)
    return np.linalg.norm(d, axis=(-2, -1))
