"""The dataset of a Gaussian mixture network, from what an engine makes of each replicate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lwdstats.dataset.covariates import with_covariates
from lwdstats.dataset.schema import attributes, describe, validate
from lwdstats.errors import InputError
from lwdstats.mixtures.spec import GmmSpec


class Run(NamedTuple):
    """What an engine makes of one replicate, or of some steps of it.

    R kept times and T steps are those of these steps; None for what it does not make.

    Attributes
    ----------
    weight : (R, n, B) float64
        Before the update.
    n_truncated : (R, n) float64
        NaN at T.
    embedding : (R, n, L, d) float32
        The points drawn.
    synthetic_share : (R, n) float64
        NaN at T and where nothing was read.
    n_singly : (T,) int64
        Models that read some component one by one, by step.
    n_retrieved : (R, n) int64
        How many points each reads, where not all read the same number.
    n_empty : int
        How often a model that learns had nothing that it may read.
    component_mean, component_covariance : (R, n, B, d), (R, n, B, d, d) float64
        Of components that move, before the update.
    n_clipped, n_floored : (R, n) float64
        How often a gain was clipped and a covariance raised, NaN at T.
    n_unresolved : int
        Components at kept times whose width float32 points don't say.
    ended : int
        Step after which a component was too wide to go on, so that there is no more; or -1.
    """

    weight: NDArray[Any]
    n_truncated: NDArray[Any]
    embedding: NDArray[Any] | None = None
    synthetic_share: NDArray[Any] | None = None
    n_singly: NDArray[Any] | None = None
    n_retrieved: NDArray[Any] | None = None
    n_empty: int = 0
    component_mean: NDArray[Any] | None = None
    component_covariance: NDArray[Any] | None = None
    n_clipped: NDArray[Any] | None = None
    n_floored: NDArray[Any] | None = None
    n_unresolved: int = 0
    ended: int = -1


DIMS = {
    "weight": ("time", "model", "replicate", "component"),
    "embedding": ("time", "model", "replicate", "response", "feature"),
    "n_truncated": ("time", "model", "replicate"),
    "synthetic_share": ("time", "model", "replicate"),
    "n_retrieved": ("time", "model", "replicate"),
    "component_mean": ("time", "model", "replicate", "component", "feature"),
    "component_covariance": (
        "time", "model", "replicate", "component", "feature", "feature_"
    ),
    "n_clipped": ("time", "model", "replicate"),
    "n_floored": ("time", "model", "replicate"),
}  # fmt: skip


class Gathered(NamedTuple):
    """What runs made, in the order of ``spec.replicates``.

    Attributes
    ----------
    arrays : dict of numpy.ndarray
        By names of `DIMS`, with its dimensions.
    n_singly : (r, T) int64
        As of `Run`, 0 where an engine does not say it.
    n_empty, n_unresolved : int
        Of all replicates.
    """

    arrays: dict[str, Any]
    n_singly: NDArray[np.int64]
    n_empty: int
    n_unresolved: int


def dataset(
    spec: GmmSpec, runs: Iterator[Run], done: Callable[[], None], overlap: float | None
) -> xr.Dataset:
    """Collect runs, in the order of ``spec.replicates``, calling `done` after each.

    `overlap` is the J that the Gaussian engine was let run with; None for the exact one.
    """
    found = gather(spec, runs, done)
    attrs = known_attributes(spec, overlap)
    attrs |= final_attributes(spec, found.n_singly, found.n_empty, found.n_unresolved)
    return build(spec, spec.times, found.arrays, attrs)


def gather(spec: GmmSpec, runs: Iterable[Run], done: Callable[[], None] | None = None) -> Gathered:
    """Lay what runs made side by side, calling `done` after each.

    Raise once all are there if one had to end early: the least of their steps is what all can do.
    """
    r = len(spec.replicates)
    arrays: dict[str, Any] = {}
    singly = []
    n_empty = n_unresolved = 0
    ended: list[int] = []
    for position, run in enumerate(runs):
        if run.ended >= 0:
            ended.append(run.ended)
        for name in DIMS:
            part = getattr(run, name)
            if part is None or ended:
                continue
            if r == 1:
                arrays[name] = part[:, :, None]  # a large network is not copied
                continue
            if position == 0:
                arrays[name] = np.empty((*part.shape[:2], r, *part.shape[2:]), part.dtype)
            arrays[name][:, :, position] = part
        singly.append(np.zeros(0, np.int64) if run.n_singly is None else run.n_singly)
        n_empty += run.n_empty
        n_unresolved += run.n_unresolved
        if done is not None:
            done()
    if ended:
        takes = f"at most {min(ended)} steps: after those a component is so wide that points, of "
        raise InputError("n_steps", spec.n_steps, takes + "32 bits, can't say where they are")
    return Gathered(arrays, np.array(singly), n_empty, n_unresolved)


def known_attributes(spec: GmmSpec, overlap: float | None) -> dict[str, Any]:
    """Return the attributes that are known before a run."""
    b, n = spec.n_components, spec.n_models
    title = f"Network of {n} Gaussian mixture model{'s' * (n > 1)}"
    title += f" with {b} component{'s' * (b > 1)}"
    attrs: dict[str, Any] = attributes(title, spec.seed, spec.to_json()) | {"engine": spec.engine}
    if overlap is not None:
        attrs["missing_information"] = overlap
    if spec.moving:
        # Between components that move, distances are by a kernel of this width (see `dist`).
        attrs["kernel_width"] = float(np.sqrt(np.trace(spec.covariance) / spec.n_features))
    return attrs


def final_attributes(
    spec: GmmSpec, n_singly: NDArray[np.int64], n_empty: int, n_unresolved: int
) -> dict[str, Any]:
    """Return the attributes that only the end of a run tells; see `Gathered`."""
    attrs = _account(spec, n_singly) if spec.engine == "gaussian" else {}
    if spec.moving:
        attrs["n_unresolved"] = n_unresolved
    return attrs if spec.scenario.is_paper else attrs | {"n_empty_pools": n_empty}


def build(
    spec: GmmSpec, times: NDArray[np.int64], arrays: dict[str, Any], attrs: dict[str, Any]
) -> xr.Dataset:
    """Return the dataset of some kept times, from the arrays of these."""
    r, n = len(spec.replicates), spec.n_models
    b, d = spec.means.shape
    variables: dict[str, Any] = {
        "component_mean": (("component", "feature"), spec.means),
        "component_covariance": (
            ("component", "feature", "feature_"),
            np.broadcast_to(spec.covariance, (b, d, d)),
        ),
    }
    variables |= {name: (DIMS[name], arrays[name]) for name in DIMS if name in arrays}
    variables |= {
        "n_web": ("time", spec.n_web[times]),
        "n_retrieved": _retrieved(spec, times, arrays.get("n_retrieved")),
    }
    coordinates = {
        "time": times,
        "model": np.arange(n),
        "replicate": np.array(spec.replicates),
        "feature": np.arange(d),
        "feature_": np.arange(d),
        "component": np.arange(b),
    }
    if "embedding" in arrays:
        coordinates["response"] = np.arange(spec.n_responses)
    if spec.initial_points is not None:
        n_initial = spec.n_initial
        points = np.broadcast_to(spec.initial_points, (r, n_initial, d))
        variables["initial_point"] = (("replicate", "post", "feature"), points)
        coordinates["post"] = np.arange(n_initial)
    ds = with_covariates(xr.Dataset(variables, coordinates, attrs), spec.covariates)
    return validate(describe(ds))


def _retrieved(
    spec: GmmSpec, times: NDArray[np.int64], read: NDArray[Any] | None
) -> tuple[Any, NDArray[Any]]:
    """Return k over time, and over models and replicates where it differs between those."""
    if spec.n_pool is None and read is not None:
        return DIMS["n_retrieved"], read
    k = spec.n_retrieved[times]
    learning = spec.scenario.reading(spec.labels)
    if k.ndim == 1 and learning.all():
        return "time", k
    return ("time", "model"), np.where(learning, k if k.ndim == 2 else k[:, None], 0)


def _account(spec: GmmSpec, n_singly: NDArray[np.int64]) -> dict[str, Any]:
    """Return the attributes that say where a run was Gaussian."""
    steps = np.flatnonzero(n_singly.any(0))
    updates = int((spec.n_retrieved[:-1] > 0).sum()) * n_singly.shape[0] * spec.n_models
    return {
        "gaussian_from": int(steps[-1]) + 1 if steps.size else 0,
        "exact_share": float(n_singly.sum() / max(updates, 1)),
    }
