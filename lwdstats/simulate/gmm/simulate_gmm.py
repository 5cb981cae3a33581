"""A network of Gaussian mixture models that learn from each other's points."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from lwdstats.dataset.files import check_dask, read_file
from lwdstats.dataset.growing_file import check_new
from lwdstats.errors import InputError
from lwdstats.mixtures.arguments import Rule
from lwdstats.mixtures.spec import MAX_OVERLAP, GmmSpec
from lwdstats.scenario.scenario import Scenario
from lwdstats.simulate.gmm.dataset import Run, dataset
from lwdstats.simulate.gmm.exact.run import run_exact
from lwdstats.simulate.gmm.exact.scenario.run import prepare, run_scenario
from lwdstats.simulate.gmm.gaussian.overlap import check_overlap
from lwdstats.simulate.gmm.gaussian.run import check_law, run_gaussian
from lwdstats.simulate.gmm.pieces import by_time
from lwdstats.simulate.gmm.write_run import write_run
from lwdstats.simulate.progress import Progress


def simulate_gmm(
    n_models: int = 3,
    n_components: int = 2,
    *,
    means: ArrayLike | None = None,
    covariance: ArrayLike = 1.0,
    n_steps: int = 200,
    n_responses: int = 3,
    beta: float = 0.5,
    concentration: float | Sequence[float] = 1.0,
    initial_weights: ArrayLike | None = None,
    initial_points: ArrayLike | None = None,
    step_size: Rule = "1/k",
    complexity: Rule | None = None,
    scenario: Scenario | Mapping[str, Any] | None = None,
    update: str | tuple[str, float] = "sequential",
    moving: str | Sequence[str] = (),
    variance_rule: str | None = None,
    initial_means: ArrayLike | None = None,
    covariance_type: str | None = None,
    variance_floor: float = 1e-9,
    threshold: float = 1e-3,
    replicates: int | Sequence[int] = 1,
    seed: int | str | None = None,
    engine: str = "exact",
    max_overlap: float = MAX_OVERLAP,
    record: int | Sequence[int] | None = None,
    covariates: Any = None,
    n_jobs: int | None = 1,
    progress: bool | None = None,
    path: str | Path | None = None,
) -> xr.Dataset:
    """Simulate a network of Gaussian mixture models (Algorithms 2 and 3).

    At each step t each model draws L points from its own mixture, reads k_t points of the web
    A^(t) and updates its weights from them; then all drawn points are posted.

    Parameters
    ----------
    n_models, n_components : int
        n and B.
    means, covariance : array_like, shape (B,) or (B, d), optional; float or shape (d, d)
        Of all components: 10 apart about 0; a number stands for that multiple of the identity.
    n_steps, n_responses : int
        T and L. The dataset holds the times 0..T.
    beta : float
        Share of the web that a model reads, ``k_t = floor(beta |A^(t)|)`` points, in random order.
    concentration, initial_weights : float or B floats; (B,), (n, B) or (replicates, n, B), optional
        Pi^(0), and where it is not given the parameter of the Dirichlet law that it is drawn from.
    initial_points : array_like, shape (N0,), (N0, d) or (replicates, N0, d), optional
        A^(0). Empty where not given, so that nothing is read at step 0.
    step_size, complexity : str, float, callable or sequence
        alpha_t in (0, 1], and c_{t,B} with ``c >= 0`` and ``B c < 1``, by default ``"1/(k B^2)"``
        and 0 in refits and where k does not grow. A formula may use k, B, n and t; a callable
        takes k; a sequence has T values, None where k is 0.
    scenario : Scenario or mapping, optional
        How the web grows and who reads what; by default as in the paper.
    update : {"sequential", "refit"} or ("prior", float)
        Algorithm 2; or, without a `step_size`, the mean ownership of the points that are read, or
        that with the weights before, which count as so many points.
    moving : {(), "mean", ("mean", "covariance")}
        What each model learns besides its weights: see ``docs/moving.md``.
    variance_rule : {"zivkovic", "welford"}, optional
        Whether a covariance learns from old residuals, or old times new ones (default in refits).
    initial_means : array_like, shape (B, d), (n, B, d) or (replicates, n, B, d), optional
        Where means that move start; by default at `means`.
    covariance_type, variance_floor : {"full", "diag", "spherical"}, optional; float
        Of moving covariances; and their least variance in any direction, over `covariance`'s.
    threshold : float
        epsilon in [0, 1], what a weight is set to that would fall to 0; at 0 it is lost for ever.
    replicates : int or sequence of int
        Number of runs, or their ids; a run depends on its id and the seed alone.
    seed : int or str, optional
        Non-negative integer, or its decimal string. Drawn where not given; always recorded.
    engine, max_overlap : {"exact", "gaussian"}; float
        Every draw; or an update as one draw from its limit law, at a cost that does not grow with
        t, up to an overlap J (see `missing_information`): scenarios without a law are refused.
    record : int or sequence of int, optional
        Times that the dataset keeps: all, every so many (with 0 and T), or the given ones.
    covariates : mapping, DataFrame or path, optional
        What is known of the mixtures, for formulas: ``{"family": {0: "x", 1: "y", 2: "x"}}``.
    n_jobs, progress, path : int or None; bool; str or pathlib.Path, optional
        Replicates at a time, as joblib counts them, of no effect on the result; whether to show a
        progress bar; a new file, to which times are written as they are there, and read in blocks.

    Returns
    -------
    xarray.Dataset
        At each time, before its update: ``weight``, points drawn (``embedding``), sizes of the web
        (``n_web``) and of what is read (``n_retrieved``), how often the update truncates
        (``n_truncated``), and which share of what is read models made (``synthetic_share``).

    Raises
    ------
    InputError
        If an argument can't be used: before any work, but for `n_steps` where components explode.

    Warns
    -----
    UserWarning
        If alpha_t is 1 (the last point read replaces all), or float32 blurs a moving component.

    References
    ----------
    Wang, Pang, Horiguchi and Priebe, "LLM Web Dynamics", Algorithms 2 and 3.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> ds = lwd.simulate_gmm(n_steps=20, replicates=2, seed=1)
    >>> lwd.run_spec(ds).equals(ds)
    True
    """
    spec = GmmSpec.of(locals())
    overlap = None
    if spec.engine == "gaussian":
        check_law(spec)
        overlap = check_overlap(spec)
    check_jobs(n_jobs)
    place = None
    if path is not None:
        check_dask("path", str(path))
        place = check_new(path)
    bar = Progress(len(spec.replicates) if place is None else len(by_time(spec)), progress)
    _warn_forgetting(spec)
    with bar:
        if place is not None:
            bar.say("times")
            write_run(spec, place, n_jobs, bar.step, overlap)
            ds = read_file(place, {"time": 1})
        else:
            bar.say("replicates")
            ds = dataset(spec, _runs(spec, n_jobs), bar.step, overlap)
    _warn_unresolved(ds)
    return ds


def _warn_forgetting(spec: GmmSpec) -> None:
    """Warn where a step size of 1 makes a model forget all but the last point."""
    if spec.n_pool is None or spec.update != "sequential":
        return
    whole = np.argwhere(spec.alpha == 1)
    if whole.size:
        t = whole[0, 0]
        warnings.warn(
            f"step_size is 1 at {np.unique(whole[:, 0]).size} step(s), first at step {t} where k = "
            f"{spec.n_retrieved[tuple(whole[0])]}: what is read last there replaces all that a "
            "model knew; give more initial_points, a larger beta, or a step_size below 1 such as "
            "'1/(k + 1)'",
            stacklevel=3,
        )


def _warn_unresolved(ds: xr.Dataset) -> None:
    """Warn where answers are too coarse for the components that they were drawn from."""
    count = ds.attrs.get("n_unresolved", 0)
    if count:
        warnings.warn(
            f"{count} of {ds['weight'].size} components, over times, models and replicates, are so "
            "narrow for where they are that answers, of 32 bits, don't tell how wide: go by "
            "component_mean and component_covariance, or by the distances 'mmd', 'mw2' and 'mean'",
            stacklevel=3,
        )


def check_jobs(n_jobs: object) -> None:
    """Raise unless joblib takes `n_jobs`."""
    integer = isinstance(n_jobs, (int, np.integer)) and not isinstance(n_jobs, bool)
    if n_jobs is not None and (not integer or n_jobs == 0):
        raise InputError("n_jobs", n_jobs, "a positive integer, -1 for every processor, or None")


def _runs(spec: GmmSpec, n_jobs: int | None) -> Iterator[Run]:
    run: Callable[..., Run] = run_exact if spec.engine == "exact" else run_gaussian
    if spec.engine == "exact" and not spec.is_paper:
        run = partial(run_scenario, shared=prepare(spec))
    tasks = [joblib.delayed(run)(spec, position) for position in range(spec.n_replicates)]
    options: dict[str, Any] = {"prefer": "threads"}
    if n_jobs is not None:
        options["n_jobs"] = n_jobs
    try:
        # One result at a time goes into the dataset, in order, as it comes.
        parallel: Any = joblib.Parallel(return_as="generator", **options)
    except ValueError:
        # A back-end that returns all results at once, such as multiprocessing.
        parallel = joblib.Parallel(**options)
    yield from parallel(tasks)
