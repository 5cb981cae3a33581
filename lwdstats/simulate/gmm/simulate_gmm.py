"""A network of Gaussian mixture models that learn from each other's points."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import joblib
import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from lwdstats.errors import InputError
from lwdstats.mixtures.arguments import Rule
from lwdstats.mixtures.spec import MAX_OVERLAP, GmmSpec
from lwdstats.simulate.gmm.dataset import Run, dataset
from lwdstats.simulate.gmm.gaussian.overlap import check_overlap
from lwdstats.simulate.gmm.gaussian.run import run_gaussian
from lwdstats.simulate.progress import Progress
from lwdstats.streams import seed_sequence


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
    complexity: Rule = "1/(k B^2)",
    threshold: float = 1e-3,
    replicates: int | Sequence[int] = 1,
    seed: int | str | None = None,
    engine: str = "exact",
    max_overlap: float = MAX_OVERLAP,
    record: int | Sequence[int] | None = None,
    n_jobs: int | None = 1,
    progress: bool | None = None,
) -> xr.Dataset:
    """Simulate a network of Gaussian mixture models (Algorithms 2 and 3).

    At each step t each of the n models draws L points from its own mixture,
    reads k_t points of the web A^(t) and updates its weights from them; then
    all the drawn points are posted.

    Parameters
    ----------
    n_models : int
        n.
    n_components : int
        B.
    means : array_like, shape (B,) or (B, d), optional
        Means of the components. The default is one-dimensional: evenly spaced,
        10 apart, centred on 0; so -5 and 5 for B = 2.
    covariance : float or array_like of shape (d, d)
        Covariance of every component; a number stands for that multiple of
        the identity.
    n_steps : int
        T. The dataset holds the times 0..T.
    n_responses : int
        L.
    beta : float
        Share of the web that a model reads, in (0, 1]: ``k_t = floor(beta
        |A^(t)|)`` points, taken without replacement, in random order, each
        model for itself. A product that rounding alone keeps from an integer,
        such as ``0.29 * 100``, counts as that integer.
    concentration : float or sequence of B floats
        Parameter of the Dirichlet law of the initial weights.
    initial_weights : array_like, shape (B,), (n, B) or (replicates, n, B), optional
        Pi^(0): positive, each row summing to 1. Drawn where not given.
    initial_points : array_like, shape (N0,), (N0, d) or (replicates, N0, d), optional
        A^(0). Empty where not given, so that nothing is read at step 0.
    step_size, complexity : str, float, callable or sequence
        alpha_t in (0, 1], and c_{t,B} with ``c >= 0`` and ``B c < 1``. A
        formula may use k (that is k_t), B, n and t. A callable takes k_t. A
        sequence has one value for each of the T steps, None where k_t = 0;
        that is also how the dataset records a callable.
    threshold : float
        epsilon in [0, 1], the weight that truncation gives to a component
        which would fall to 0 or below. At 0 such a component is lost for ever,
        and models that lose different ones stay apart.
    replicates : int or sequence of int
        Number of independent runs, or their ids. A replicate's numbers depend
        on its id and the seed, not on which others run.
    seed : int or str, optional
        Non-negative integer, or its decimal string. Drawn where not given, and
        recorded either way.
    engine : {"exact", "gaussian"}
        How to simulate: every draw, as the paper has it; or, for components far
        apart, a model's whole update as one draw from its limit law, weights
        alone, at a cost that does not grow with t. See Notes.
    max_overlap : float
        Largest J, the fraction of missing information of `missing_information`,
        for which the Gaussian engine is not refused. At 1 it never is. The
        exact engine takes any overlap.
    record : int or sequence of int, optional
        Times that the dataset keeps: all, every so many (with 0 and T), or the
        given ones. Other times are computed but not stored.
    n_jobs : int or None
        Replicates at a time, as joblib counts them (-1: one a processor). None
        leaves it to ``joblib.parallel_config``. The result is the same to the
        bit.
    progress : bool, optional
        Whether to show a progress bar; by default where standard error is a
        terminal.

    Returns
    -------
    xarray.Dataset
        The entry of time t is the state before the update at t: ``weight``,
        the points drawn (``embedding``), the size of the web (``n_web``), the
        number of points that a model reads (``n_retrieved``), how often the
        truncation fires in the update that leaves t (``n_truncated``) and the
        share of read points that models made (``synthetic_share``). The last
        two are NaN at T, which no update leaves; the share also where nothing
        was read.

    Raises
    ------
    InputError
        If an argument can't be used. No work has begun then.

    Warns
    -----
    UserWarning
        If alpha_t is 1 at some step, as ``1/k`` is at k_t = 1: the one point
        that is read then replaces all that the model knew.

    Notes
    -----
    With k_t = 0 a step has no update. Points are rounded to float32 when they
    are drawn and every later number follows from the rounded point, so the
    dataset is consistent in itself. After a truncation weights sum to a little
    more than 1, as Algorithm 2 has it; points are drawn from the weights over
    their sum.

    A running replicate holds, for each point of A^(T), ``4 d`` bytes of
    coordinates, ``4 min(n, 6)`` bytes of lists from which models draw, and
    ``8 B`` bytes of likelihoods, with B rounded up to a multiple of four (2
    for B up to two). Nothing of it is copied for a model. The results of all
    replicates come on top: ``4 d L + 8 B`` bytes a recorded time and model.

    The Gaussian engine keeps of the web how many points each component has. Of
    components of which a model is to read at least 20 points in a step, it
    draws the sum of all that they give, from the normal law with the exact mean
    and covariance, and truncates at the end of the step; of the others it draws
    every point, in its place among the k, and truncates there; so it does for
    those that a constant `complexity` holds near 0. So early steps are exact but
    for overlap, and so are rare components later. At a threshold
    of 0, points of a component that a model has lost go to the survivors that
    own them. There is no ``embedding`` and no ``synthetic_share``. A model takes
    ``24 B + 64`` bytes besides the results. The attribute ``gaussian_from``
    is the first step from which on no model drew points, ``exact_share`` the
    share of updates in which one did, and ``missing_information`` the J that
    was compared with `max_overlap`: the larger one of that at equal weights and
    that at the mean initial weights.

    The first call compiles the kernel, some ten seconds, and keeps it on disk;
    so does the first one with up to 2, 4, 8, 12, 16 or more components.

    References
    ----------
    Wang, Pang, Horiguchi and Priebe, "LLM Web Dynamics", Algorithms 2 and 3.
    Zivkovic and van der Heijden (2004), "Recursive unsupervised learning of
    finite mixture models".

    Examples
    --------
    >>> import lwdstats as lwd
    >>> ds = lwd.simulate_gmm(n_steps=20, replicates=2, seed=1)
    >>> ds["weight"].sizes["time"], ds["weight"].sizes["replicate"]
    (21, 2)
    >>> int(ds["n_web"][20]), int(ds["n_retrieved"][20])
    (180, 90)

    The specification in a dataset gives the dataset again.

    >>> lwd.run_spec(ds).equals(ds)
    True

    A large network, of which two times are kept.

    >>> ds = lwd.simulate_gmm(20_000, engine="gaussian", record=[0, 200], seed=1)
    >>> ds.attrs["gaussian_from"], "embedding" in ds
    (0, False)
    """
    spec = GmmSpec.of(locals())
    overlap = check_overlap(spec) if spec.engine == "gaussian" else None
    check_jobs(n_jobs)
    bar = Progress(len(spec.replicates), progress)
    whole = np.flatnonzero(spec.alpha == 1)
    if whole.size:
        t = whole[0]
        warnings.warn(
            f"step_size is 1 at {whole.size} step(s), first at step {t} where k = "
            f"{spec.n_retrieved[t]}: what is read last there replaces all that a model knew; "
            "give more initial_points, a larger beta, or a step_size below 1 such as '1/(k + 1)'",
            stacklevel=2,
        )
    with bar:
        bar.say("replicates")
        return dataset(spec, _runs(spec, n_jobs), bar.step, overlap)


def check_jobs(n_jobs: object) -> None:
    """Raise unless joblib takes `n_jobs`."""
    integer = isinstance(n_jobs, (int, np.integer)) and not isinstance(n_jobs, bool)
    if n_jobs is not None and (not integer or n_jobs == 0):
        raise InputError("n_jobs", n_jobs, "a positive integer, -1 for every processor, or None")


def run_exact(spec: GmmSpec, position: int) -> Run:
    """Simulate the replicate at a position of ``spec.replicates``, draw by draw."""
    # Here, so that importing the package and refusing an argument take no numba.
    from lwdstats.simulate.gmm.exact.kernel import run_replicate
    from lwdstats.simulate.gmm.exact.update import row_shape, row_stride

    slot = np.full(spec.n_steps + 1, -1)
    slot[spec.times] = np.arange(spec.times.size)
    factor = np.linalg.cholesky(spec.covariance)
    weight, web, n_truncated, synthetic_share = run_replicate(
        np.array(spec.first_weights(position)),
        np.array(spec.first_points(position)),
        np.array(spec.means),
        factor,
        np.linalg.inv(factor),
        spec.n_responses,
        spec.n_retrieved[:-1],
        spec.alpha,
        spec.c,
        spec.threshold,
        slot,
        row_stride(spec.n_components),
        *row_shape(spec.n_components),
        seed_sequence(spec.seed, "emission").generate_state(4, np.uint64),
        seed_sequence(spec.seed, "retrieval").generate_state(4, np.uint64),
        spec.replicates[position],
    )
    shape = (spec.n_steps + 1, spec.n_models, spec.n_responses, spec.n_features)
    points = web[spec.n_initial :].reshape(shape)
    if spec.record is not None:
        points = points[spec.times]
    return Run(weight, n_truncated, points, synthetic_share)


RUNNERS: dict[str, Callable[[GmmSpec, int], Run]] = {
    "exact": run_exact,
    "gaussian": run_gaussian,
}


def _runs(spec: GmmSpec, n_jobs: int | None) -> Iterator[Run]:
    tasks = [joblib.delayed(RUNNERS[spec.engine])(spec, r) for r in range(len(spec.replicates))]
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
