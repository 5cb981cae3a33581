"""How much answers of a network and of a model differ, and how far a model has gone."""

from __future__ import annotations

import numpy as np
import xarray as xr

from lwdstats.dataset.blocks import over_times
from lwdstats.dataset.embeddings.choose_embedding import by_embedding
from lwdstats.dataset.positions import components_move, positions
from lwdstats.dataset.schema import check_form, initial_posts, named, validate
from lwdstats.errors import InputError, check_bool, check_choice
from lwdstats.geometry import spread
from lwdstats.geometry.distance import fnorm, mean_variance, over_queries, signed_root

_CELL = ("time", "model", "replicate")


def diversity(ds: xr.Dataset, *, embedding: str = "embedding") -> xr.DataArray:
    """Return how diverse the network is as a whole: what ||D||_F does not tell.

    Parameters
    ----------
    ds : xarray.Dataset
        A dataset of either simulation, or one's own.
    embedding : str
        Which embedding of a dataset's answers, as `choose_embedding` takes it.

    Returns
    -------
    xarray.DataArray
        H of dimensions (time, replicate). Of mixtures the chance, 0 to 1 - 1/B, that two points
        of two models drawn at random (perhaps the same) are of different components; where
        components move, and of answers, in squared units, averaged over queries.

    Raises
    ------
    InputError
        If there are no answers, or a single one a model.

    Notes
    -----
    Mixtures: ``H = 1 - |xbar|^2``, xbar being the mean weights of the n models. It is 0 where
    all have collapsed to the same component. Where components move it is the total variance of a
    point that some model draws, which is what the H of answers is.

    Answers: half the mean squared distance between two distinct answers, models weighted equally,

        H = 1/(2 n^2) sum_ij E ||X_i - X_j||^2
          = mean_i tr(S_i) + ||D||_F^2 / (2 n^2),

    estimated without bias: tr(S_i) as in `inner_diversity`, ||D||_F as ``fnorm(debias=True)``.
    That is Rao's quadratic entropy, and the mixtures' H for answers that are indicators of a
    component. The first part is what is left where all models are alike: so
    ``||D||_F -> 0`` says nothing about H, and a network may keep ||D||_F while H is lost.

    R has H of shares as ``vegan::diversity(colMeans(weights), "simpson")``.

    References
    ----------
    Rao, C. R. (1982), Theoretical Population Biology 21, 24-43.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> ds = lwd.simulate_gmm(2, initial_weights=[[0.9, 0.1], [0.1, 0.9]], n_steps=0, seed=1)
    >>> round(float(lwd.diversity(ds).squeeze()), 3)
    0.5
    """
    return over_times(_diversity, check_form(by_embedding(ds, embedding, "ds")))


def _diversity(ds: xr.Dataset) -> xr.DataArray:
    if components_move(ds):
        out = _network_variance(validate(ds)).transpose("time", "replicate")
        return named(out, "diversity", "diversity of the network, total variance of its points")
    position = positions(ds)
    if "component" in position.dims:
        mean = position.mean("model")
        mean = mean / mean.sum("component")
        out = 1.0 - (mean**2).sum("component")
        return named(out, "diversity", "diversity of the network, 1 - |mean weight|^2")
    within = inner_diversity(ds, of="answers").mean("model")
    between = fnorm(ds, debias=True)
    out = within + between * abs(between) / (2.0 * ds.sizes["model"] ** 2)
    what = "diversity of the network, half the mean squared distance between answers"
    return named(out.transpose("time", "replicate"), "diversity", what)


def drift(
    ds: xr.Dataset,
    origin: str | None = None,
    *,
    debias: bool = False,
    embedding: str = "embedding",
) -> xr.DataArray:
    """Return how far each model is from the initial web, or from its own start.

    Parameters
    ----------
    ds : xarray.Dataset
        A dataset of either simulation, or one's own.
    origin : {"web", "start"}, optional
        From where: the initial web A^(0), or the model's own position at the
        first time of the dataset. By default from the web where the dataset
        holds one, else from the start; the result's `long_name` says which.
    debias : bool
        Take out what a finite number of responses adds, as in `fnorm`.
    embedding : str
        Which embedding of a dataset's answers, as `choose_embedding` takes it.

    Returns
    -------
    xarray.DataArray
        Dimensions (time, model, replicate), in the units of `positions`.

    Raises
    ------
    InputError
        If there is no A^(0) to measure from, or `debias` is asked of a single
        response a model.

    Notes
    -----
    Positions are those of `positions`. For mean answers the distance is
    ``||X_i^(t) - a||``, a being the mean embedding of the initial posts (or
    X_i at the first time); over m queries the root mean square.

    For mixture weights a is what A^(0) says about them: the weights under which
    its points are likeliest, given the components. Where components do not
    overlap these are the shares of points by component. They need components
    that stay where they are.

    The mean of L responses has a variance, and ``E ||X_i - a||^2 =
    ||mu_i - a||^2 + tr(S_i)/L`` (from the start: plus that of the first time).
    `debias` subtracts its unbiased estimate, and the result is the signed root
    ``sign(v) sqrt(|v|)`` of what is left, which may fall below 0. The initial
    web is taken as it is, not as a sample. Weights have no such part.

    References
    ----------
    Wang, Pang, Horiguchi and Priebe, "LLM Web Dynamics", Equations 1 and 4.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> from lwdstats.geometry.diversity import drift
    >>> ds = lwd.simulate_gmm(n_steps=5, initial_points=[-5.1, -4.8, 5.2, 5.0], seed=1)
    >>> drift(ds).attrs["long_name"]
    'distance of a model from the initial web'
    >>> float(drift(ds, "start").sel(time=0).max())
    0.0
    """
    check_bool("debias", debias)
    ds = check_form(by_embedding(ds, embedding, "ds"))
    # Where a run starts is asked of it as a whole, and then each time for itself.
    start = ds.isel(time=[0]).compute()
    first = positions(start)
    if origin is None:
        origin = "web" if _has_web(start) else "start"
    elif check_choice("origin", origin, ("web", "start")) == "web" and not _has_web(start):
        raise InputError("origin", origin, "'start', as the dataset has no initial web A^(0)")
    noise = None
    if origin == "start":
        reference = first.isel(time=0, drop=True)
    elif "component" in first.dims:
        reference = _web_weights(start)
    else:
        reference = _web_mean(start)
    if debias and origin == "start" and "component" not in first.dims:
        noise = mean_variance(_answers(start)).isel(time=0, drop=True)
    return over_times(lambda part: _drift(part, origin, reference, debias, noise, start), ds)


def _drift(
    ds: xr.Dataset,
    origin: str,
    reference: xr.DataArray,
    debias: bool,
    first_noise: xr.DataArray | None,
    start: xr.Dataset,
) -> xr.DataArray:
    """Return the distance of models from a reference, in which answers have a variance."""
    position = positions(ds)
    inner = "component" if "component" in position.dims else "feature"
    square = xr.apply_ufunc(
        spread.squared_distance,
        position.transpose("time", ...),
        reference.drop_vars([name for name in reference.coords if name in ("time", inner)]),
        input_core_dims=[[inner], [inner]],
    )
    if debias and inner == "feature":
        noise = mean_variance(_answers(ds))
        square = over_queries(square) - noise
        if first_noise is not None:
            # At the first time a model is compared with itself, and nothing is added.
            later = square["time"] > start["time"].item()
            square = (square - first_noise).where(later, 0.0)
    place = "the initial web" if origin == "web" else "its own start"
    square = over_queries(square).transpose(*_CELL)
    return signed_root(square, "drift", f"distance of a model from {place}")


def inner_diversity(
    ds: xr.Dataset,
    measure: str = "variance",
    *,
    of: str | None = None,
    embedding: str = "embedding",
) -> xr.DataArray:
    """Return how much the answers of one model at one time differ from each other.

    Parameters
    ----------
    ds : xarray.Dataset
        A dataset of either simulation, or one's own.
    measure : {"variance", "distance"}
        The total variance, that is the trace of the covariance of the answers;
        or their mean distance.
    of : {"answers", "mixture"}, optional
        Estimate it from the answers, or compute it from the mixture they are
        drawn from. By default from the mixture where a dataset has its weights
        and components and the measure is "variance".
    embedding : str
        Which embedding of a dataset's answers, as `choose_embedding` takes it.

    Returns
    -------
    xarray.DataArray
        Dimensions (time, model, replicate), averaged over queries. "variance" in
        squared units of the embedding, "distance" in its units. Of the answers that
        are there; missing where there are fewer than two.

    Raises
    ------
    InputError
        If there are no answers, or a single one a model, or no mixture; or the mean
        distance is asked of a mixture.

    Notes
    -----
    "variance", of answers: ``tr(S_i) = sum_l ||x_l - xbar||^2 / (L - 1)``, unbiased, and
    half the mean squared distance between two answers. It is what `noise_floor`
    is made of: ``noise_floor^2 = 2 (n - 1)/L sum_i tr(S_i)`` where positions are
    mean answers.

    "distance": ``2 / (L (L - 1)) sum_{k<l} ||x_k - x_l||``, unbiased for
    ``E ||X - X'||``, and less moved by a few far answers.

    Of a mixture: ``sum_b w_b (tr(S_b) + ||mu_b - mu||^2)``, mu the mean of the
    mixture, without sampling noise. The weights are over their sum, as when
    points are drawn.

    In R, of the answers x of one cell: ``sum(diag(cov(x)))``, and
    ``mean(dist(x))``.

    The answers share one prompt, so this is the diversity within a prompt. For
    tests of it see `betadisper`, whose distances to the centroid are roots.

    References
    ----------
    Wang, Pang, Horiguchi and Priebe, "LLM Web Dynamics", Algorithms 1 and 3.
    Anderson, M. J. (2006), Biometrics 62, 245-253.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> from lwdstats.geometry.diversity import inner_diversity
    >>> ds = lwd.simulate_gmm(initial_weights=[0.5, 0.5], n_steps=0, seed=1)
    >>> inner_diversity(ds).values.ravel()
    array([26., 26., 26.])
    """
    ds = check_form(by_embedding(ds, embedding, "ds"))
    check_choice("measure", measure, ("variance", "distance"))
    mixture = {"weight", "component_mean", "component_covariance"} <= set(ds.data_vars)
    if of is None:
        of = "mixture" if mixture and measure == "variance" else "answers"
    check_choice("of", of, ("answers", "mixture"))
    if of == "mixture":
        if not mixture:
            raise InputError("of", of, "'answers', as the dataset has no weights and components")
        if measure != "variance":
            raise InputError("measure", measure, "'variance' of a mixture, or of='answers'")
    else:
        _answers(ds)
    return over_times(lambda part: _inner_diversity(part, measure, of), ds)


def _inner_diversity(ds: xr.Dataset, measure: str, of: str) -> xr.DataArray:
    validate(ds)
    if of == "mixture":
        out = _mixture_variance(ds)
    else:
        kernel = spread.total_variance if measure == "variance" else spread.mean_distance
        out = xr.apply_ufunc(kernel, _answers(ds), input_core_dims=[["response", "feature"]])
    out = over_queries(out).transpose(*_CELL)
    what = "total variance" if measure == "variance" else "mean distance"
    within = "the answers of a model" if of == "answers" else "the mixture of a model"
    return named(out, "inner_diversity", f"{what} within {within}")


def _has_web(ds: xr.Dataset) -> bool:
    if {"post_embedding", "post_time"} <= set(ds.data_vars):
        return bool(initial_posts(ds).any("post").all())
    return "initial_point" in ds


def _answers(ds: xr.Dataset) -> xr.DataArray:
    if "embedding" not in ds:
        raise InputError("ds", "no variable embedding", "a dataset with answers")
    if ds.sizes["response"] < 2:
        raise InputError("ds", "1 response a model and time", "2 or more, to see them differ")
    return ds["embedding"]


def _network_variance(ds: xr.Dataset) -> xr.DataArray:
    """Return the total variance of the mixture of all models, (time, replicate)."""
    weight, mean = ds["weight"].astype(np.float64), ds["component_mean"].astype(np.float64)
    own = (weight / weight.sum("component") * mean).sum("component")
    away = ((own - own.mean("model")) ** 2).sum("feature")
    return (_mixture_variance(ds) + away).mean("model")


def _mixture_variance(ds: xr.Dataset) -> xr.DataArray:
    weight, mean = ds["weight"].astype(np.float64), ds["component_mean"].astype(np.float64)
    weight = weight / weight.sum("component")
    own = xr.apply_ufunc(
        lambda matrix: matrix.trace(axis1=-2, axis2=-1),
        ds["component_covariance"],
        input_core_dims=[["feature", "feature_"]],
    )
    away = mean - (weight * mean).sum("component")
    return (weight * (own + (away**2).sum("feature"))).sum("component")


def _web_mean(ds: xr.Dataset) -> xr.DataArray:
    """Return the mean of A^(0), ([replicate, query,] feature)."""
    if "post_embedding" in ds and "post_time" in ds:
        return ds["post_embedding"].where(initial_posts(ds)).mean("post", dtype=np.float64)
    return ds["initial_point"].mean("post", dtype=np.float64)


def _web_weights(ds: xr.Dataset) -> xr.DataArray:
    """Return the likeliest weights of A^(0), (replicate, component)."""
    needed = ("initial_point", "component_mean", "component_covariance")
    missing = [name for name in needed if name not in ds]
    if missing:
        raise InputError(
            "ds", f"no {', '.join(missing)}", "components and A^(0), or origin='start'"
        )
    moving = [dim for name in needed[1:] for dim in ds[name].dims if dim in _CELL]
    if moving:
        raise InputError("ds", f"components that differ by {moving[0]}", "origin='start'")
    return xr.apply_ufunc(
        spread.likeliest_weights,
        ds["initial_point"],
        ds["component_mean"],
        ds["component_covariance"],
        input_core_dims=[
            ["post", "feature"],
            ["component", "feature"],
            ["component", "feature", "feature_"],
        ],
        output_core_dims=[["component"]],
    )
