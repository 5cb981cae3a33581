"""Does a simulated network keep to what the paper's Appendix A says of it?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError, check_integer, is_number
from lwdstats.geometry.kernels import squared_norm
from lwdstats.inference.theorem.compare import compare_means, compare_steps
from lwdstats.inference.theorem.conditions import assumptions, truncations
from lwdstats.inference.theorem.factors import overlap_factors, paper_factors, product
from lwdstats.inference.theorem.result import DecayCheck
from lwdstats.inference.theorem.runs import FEWEST, Made, check_pairs, given, simulated
from lwdstats.mixtures.spec import GmmSpec
from lwdstats.streams import resolve_seed
from lwdstats.theory.moments import covariance_moments
from lwdstats.theory.network import Network
from lwdstats.theory.scenarios.moments import scenario_moments
from lwdstats.theory.scenarios.setting import Setting


def check_decay(
    spec: Mapping[str, Any] | xr.Dataset | None = None,
    *,
    replicates: int | None = None,
    level: float = 0.95,
    margin: float = 0.05,
    pairs: ArrayLike | None = None,
    n_draws: int = 1999,
    seed: int | str | None = None,
    n_jobs: int | None = 1,
    progress: bool | None = None,
    **arguments: Any,
) -> DecayCheck:
    r"""Check by simulation how the expected difference between two models decays.

    The paper says that a step leaves the share ``(1 - alpha_t)^k_t`` of it. A simulation
    agrees with that, differs from it, or does not decide.

    Parameters
    ----------
    spec : mapping or xarray.Dataset, optional
        A specification, as `read_spec` gives, which is simulated; or a dataset of
        `simulate_gmm` with all times and at least 10 replicates of one start: the
        same initial weights and points in all.
    replicates : int, optional
        How many runs to simulate, by default 1000.
    level : float
        Of the simultaneous band; verdicts err with probability ``1 - level`` at most.
    margin : float
        What counts as agreement, in (0, 1): a share of the largest initial difference,
        and so a share for a step's factor, which is one itself.
    pairs : array_like of int, shape (m, 2), optional
        Which models, i < j; all pairs by default.
    n_draws : int
        Draws of the bootstrap behind the band.
    seed : int or str, optional
        Of the bootstrap, and of the simulation where `spec` has none.
    n_jobs, progress
        As of `simulate_gmm`.
    **arguments
        Of `simulate_gmm`, in place of a `spec` or to change it.

    Returns
    -------
    DecayCheck
        ``summary()`` says it in words; ``plot()`` shows the curves.

    Raises
    ------
    InputError
        If an argument is not as above, the replicates of a dataset start from different
        weights or points, or all models start alike, so that nothing can decay.

    Notes
    -----
    *One start.* Over random starts E[pi_i - pi_j] is 0 whatever happens, so a dataset of
    such is refused; of a specification one start is drawn and held (`drawn` says so).

    *Mean difference.* The mean over runs at each time, for each pair and component, with a band
    that holds all at once (a wild bootstrap of the largest \|t\|, studentized). It is lost in
    noise after a few steps.

    *Step factor.* So each step is looked at by itself: the difference after over that
    before, as a slope through 0 across runs and pairs, in a band over all steps and their mean.

    *Two tests.* "Differs": the largest \|t\| against theory. "Agrees": two one-sided tests, of
    being above and below by the margin, as that the first finds nothing shows nothing.

    *Scenarios.* The factor is right where what two models read has one law, whatever the web keeps
    and is added. With readers, frozen models, own sources or another update it is not: refused.

    *Overlap counted.* The same with the factors of `overlap_decay` at the states that
    the runs went through. More on each: ``docs/methods.md``. Size and coverage:
    ``benchmarks/validity/check_decay.md``. R has no such function.

    References
    ----------
    Wang, Pang, Horiguchi and Priebe, "LLM Web Dynamics", Appendix A.
    Schuirmann, D. J. (1987), J. Pharmacokinetics and Biopharmaceutics 15, 657-680.
    Berger, R. L. (1982), Technometrics 24, 295-300 (intersection-union tests).
    Mammen, E. (1993), Annals of Statistics 21, 255-285 (wild bootstrap).

    Examples
    --------
    >>> first = [[0.2, 0.8], [0.5, 0.5], [0.75, 0.25]]
    >>> check = check_decay(initial_weights=first, n_steps=15, n_responses=10, seed=1)
    >>> print(check.summary().caption)
    Conditions of the proof; verdict: agrees within the margin
    >>> apart = check_decay(
    ...     initial_weights=first, means=[-1, 1], n_steps=15, n_responses=10, seed=1
    ... )
    >>> apart.verdict, apart.overlap_verdict
    ('differs', 'agrees within the margin')
    """
    if not is_number(level) or not 0.5 < level < 1:
        raise InputError("level", level, "a number in (0.5, 1)")
    if not is_number(margin) or not 0 < margin < 1:
        raise InputError("margin", margin, "a number in (0, 1), a share of the initial difference")
    n_draws = check_integer("n_draws", n_draws, minimum=99)
    if replicates is not None:
        replicates = check_integer("replicates", replicates, minimum=FEWEST)
    if isinstance(spec, xr.Dataset):
        if replicates is not None or arguments:
            name = "replicates" if replicates is not None else next(iter(arguments))
            raise InputError(name, "a value", "nothing where a dataset is given")
        made = given(spec)
        root = resolve_seed(seed)
    else:
        if spec is not None and not isinstance(spec, Mapping):
            raise InputError("spec", type(spec).__name__, "a mapping or a dataset")
        root = resolve_seed((spec or {}).get("seed") if seed is None else seed)
        asked = {**(spec or {}), **arguments, "seed": str(root)}
        if replicates is not None or "replicates" not in asked or spec is None:
            asked["replicates"] = replicates or 1000
        made = simulated(asked, n_jobs, progress, pairs)
    return _check(made, check_pairs(pairs, made.spec.n_models), level, margin, n_draws, root)


def _check(
    made: Made, pairs: NDArray[np.int64], level: float, margin: float, n_draws: int, seed: int
) -> DecayCheck:
    """Compare runs with both theories."""
    weight, spec = made.weight, made.spec
    start = weight[0, 0]
    scale = float(np.ptp(start, axis=0).max())
    first = start[pairs[:, 0]] - start[pairs[:, 1]]
    factors = overlap_factors(weight, spec, seed % 2**32)
    paper = np.concatenate([[1.0], np.cumprod(paper_factors(spec))])
    curves = {
        "paper": paper[:, None, None] * first,
        "overlap": product(factors.matrices, first),
    }
    exact_error, exact_norm = _exact(start, spec, len(weight[0]))
    table, tests, critical = compare_means(
        weight, pairs, curves, exact_error, scale, level, margin, n_draws, seed
    )
    steps, more = compare_steps(weight, spec, factors, level, margin, n_draws, seed)
    squared = squared_norm(weight, n_queries=1)
    norms = pd.DataFrame(
        {
            "time": np.arange(len(weight)),
            "sq_norm": squared.mean(1),
            "std_error": squared.std(1, ddof=1) / np.sqrt(squared.shape[1]),
            "exact": exact_norm,
        }
    )
    return DecayCheck(
        table=table,
        steps=steps,
        norms=norms,
        tests=pd.DataFrame([*tests, *more]),
        assumptions=assumptions(weight, made.n_truncated, spec, factors),
        truncations=truncations(made.n_truncated),
        start=start.copy(),
        drawn=made.drawn,
        n_replicates=weight.shape[1],
        margin=float(margin),
        scale=scale,
        level=float(level),
        critical=critical,
        engine=spec.engine,
        seed=seed,
    )


def _exact(start: FloatArray, spec: GmmSpec, n_runs: int) -> tuple[FloatArray, FloatArray]:
    """Return the exact standard errors (T+1, B) of a difference, and E||D||_F^2 (T+1,)."""
    begun = replace(spec, initial_weights=start / start.sum(1, keepdims=True))
    times = np.arange(spec.n_steps + 1)
    if spec.is_paper:
        moments = covariance_moments(Network.from_spec(begun), times)
        variance = 2 * (moments.cov_within - moments.cov_between)
    else:
        moments = scenario_moments(Setting(begun), times)
        # Models read of one law, so that any two of them will do.
        pair = moments.cov[:, :2, :2]
        variance = pair[:, 0, 0] + pair[:, 1, 1] - pair[:, 0, 1] - pair[:, 1, 0]
    diagonal = np.maximum(np.diagonal(variance, axis1=1, axis2=2), 0.0)
    return np.sqrt(diagonal / n_runs), moments.expected_sq_norm
