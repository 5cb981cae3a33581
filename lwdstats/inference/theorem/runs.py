"""The runs that `check_decay` checks: those of a dataset, or simulated."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from lwdstats.arrays import FloatArray, as_integers
from lwdstats.dataset.schema import spec_of, validate
from lwdstats.errors import InputError
from lwdstats.inference.theorem.factors import NO_OVERLAP
from lwdstats.mixtures.spec import GmmSpec
from lwdstats.simulate.specs import run_spec
from lwdstats.theory.decay import check_one_law
from lwdstats.theory.overlap.information import missing_information
from lwdstats.theory.scenarios.setting import Setting

# With fewer, a spread can't be told from that of a few rare runs.
FEWEST = 10
_MOST_NUMBERS = 100_000_000


class Made(NamedTuple):
    """Runs of one start: weights (T+1, R, n, B), truncations (T, R, n) and their specification."""

    weight: FloatArray
    n_truncated: FloatArray
    spec: GmmSpec
    drawn: bool


def given(ds: xr.Dataset) -> Made:
    """Return what a dataset holds, or say why it can't be checked."""
    validate(ds)
    takes = "a dataset of simulate_gmm"
    found = spec_of(ds)
    if found.get("simulator") != "gmm" or "weight" not in ds:
        raise InputError("ds", f"one of simulator {found.get('simulator')!r}", takes)
    spec = GmmSpec.from_json(found)
    if not np.array_equal(ds["time"].values, np.arange(spec.n_steps + 1)):
        raise InputError("ds", f"{ds.sizes['time']} times", f"every time from 0 to {spec.n_steps}")
    if ds.sizes["replicate"] < FEWEST:
        got = f"{ds.sizes['replicate']} replicates"
        raise InputError("ds", got, f"{FEWEST} replicates or more of one start")
    made = _made(ds, drawn=False)
    one = (
        "replicates of one start, the same initial {} in all: over random ones E[pi_i - pi_j] is 0"
    )
    if (made.weight[0] != made.weight[0, :1]).any():
        got = "replicates that start from different weights"
        raise InputError("ds", got, one.format("weights"))
    if "initial_point" in ds:
        points = ds["initial_point"].transpose("replicate", ...).values
        if (points != points[:1]).any():
            got = "replicates that start from different initial points"
            raise InputError("ds", got, one.format("points"))
    _check_size(spec, made.weight[0, 0], 1)
    return made


def simulated(
    asked: dict[str, Any], n_jobs: int | None, progress: bool | None, pairs: ArrayLike | None
) -> Made:
    """Simulate a specification from one start."""
    if asked.pop("simulator", "gmm") != "gmm":
        raise InputError("spec", "a network of language models", "a specification of simulate_gmm")
    if asked.pop("record", None) is not None:
        raise InputError("record", "a value", "nothing: every time is needed")
    spec = GmmSpec.from_json(asked)
    for name in ("initial_weights", "initial_points"):
        value = getattr(spec, name)
        if value is not None and value.ndim == 3:
            raise InputError(name, f"shape {value.shape}", "one start, not one a replicate")
    if len(spec.replicates) < FEWEST:
        got = f"{len(spec.replicates)} replicates"
        raise InputError("replicates", got, f"{FEWEST} or more")
    drawn = spec.initial_weights is None
    asked["initial_weights"] = spec.first_weights(0)
    _check_size(spec, spec.first_weights(0), len(check_pairs(pairs, spec.n_models)))
    with warnings.catch_warnings():
        # The table of conditions says it.
        warnings.filterwarnings("ignore", "step_size is 1", UserWarning)
        ds = run_spec({"simulator": "gmm", **asked}, n_jobs=n_jobs, progress=progress)
    return _made(ds, drawn=drawn)


def _made(ds: xr.Dataset, *, drawn: bool) -> Made:
    weight = ds["weight"].transpose("time", "replicate", "model", "component").values
    hits = ds["n_truncated"].transpose("time", "replicate", "model").values[:-1]
    return Made(weight, hits, GmmSpec.from_json(spec_of(ds)), drawn)


def _check_size(spec: GmmSpec, start: FloatArray, n_pairs: int) -> None:
    """Raise where there is nothing to check from weights `start`, (n, B), or too much of it."""
    if spec.n_models < 2 or spec.n_components < 2:
        raise InputError("n_models", spec.n_models, "two models and two components or more")
    if not spec.is_paper:
        _check_scenario(spec, start)
    if not (spec.n_retrieved[:-1] > 0).any():
        raise InputError("n_steps", spec.n_steps, "a step at which something is read")
    if np.ptp(start, axis=0).max() == 0:
        raise InputError("initial_weights", "the same for all models", "weights that differ")
    count = n_pairs * spec.n_components * spec.n_steps * len(spec.replicates)
    if count > _MOST_NUMBERS:
        got = f"{n_pairs} pairs, {spec.n_steps} steps and {len(spec.replicates)} replicates"
        raise InputError("pairs", got, "fewer pairs of models (or fewer steps or replicates)")


def _check_scenario(spec: GmmSpec, start: FloatArray) -> None:
    """Raise where the paper's factor is not that of a scenario, or nothing to compare it with."""
    check_one_law(spec)
    Setting(spec)  # the exact standard errors need moments that close
    found = missing_information(start.mean(0), spec.means, spec.covariance, n_points=512)
    if (largest := float(np.max(found.largest))) > NO_OVERLAP:
        got = f"components that overlap (J = {largest:.2g})"
        raise InputError("means", got, "components far apart, in another scenario than the paper's")


def check_pairs(pairs: ArrayLike | None, n: int) -> NDArray[np.int64]:
    """Return the pairs of models, (m, 2): as given, or all."""
    if pairs is None:
        return np.stack(np.triu_indices(n, 1), axis=1)
    takes = f"pairs i < j of models from 0 to {n - 1}, of shape (m, 2)"
    array = as_integers(pairs, "pairs", takes)
    if array.ndim != 2 or array.shape[1] != 2 or not len(array):
        raise InputError("pairs", pairs, takes)
    if array.min() < 0 or array.max() >= n or (array[:, 0] >= array[:, 1]).any():
        raise InputError("pairs", pairs, takes)
    return array
