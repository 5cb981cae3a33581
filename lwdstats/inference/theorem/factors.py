"""What theory says that each step leaves of a difference, for `check_decay`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lwdstats.arrays import FloatArray
from lwdstats.mixtures.spec import GmmSpec
from lwdstats.theory.decay import decay_factor
from lwdstats.theory.overlap.information import missing_information, overlap_factor
from lwdstats.theory.overlap.step import overlap_decay

# Up to so many points a step is followed draw by draw; from there J alone is right to 1% or so.
_FEW_POINTS = 100
# J is computed at so many times, evenly over their logarithm, for so many replicates.
_CHEAP: tuple[int, int, dict[str, int]] = (25, 100, {})
# Above one dimension it takes quasi-Monte-Carlo.
_COSTLY = (8, 8, {"n_points": 512, "n_randomizations": 2})
# A J below this moves no factor by more than that much.
NO_OVERLAP = 1e-4


@dataclass(frozen=True)
class Factors:
    """What each step leaves, with overlap counted.

    Attributes
    ----------
    matrices : (T, B, B) float64
        Of differences before the step to expected differences after it.
    overlap : (S,) float64
        J at the consensus of some replicates.
    overlap_time : (S,) int64
        At which times.
    """

    matrices: FloatArray
    overlap: FloatArray
    overlap_time: NDArray[np.int64]


def paper_factors(spec: GmmSpec) -> FloatArray:
    """Return ``(1 - alpha_t)^k_t``, (T,); 1 where nothing is read."""
    return decay_factor(spec.n_retrieved[:-1], spec.alpha)


def overlap_factors(weight: FloatArray, spec: GmmSpec, seed: int) -> Factors:
    """Return the factors at the states that weights (T+1, R, n, B) went through."""
    n_steps, n_b = spec.n_steps, spec.n_components
    paper = paper_factors(spec)
    matrices = paper[:, None, None] * np.eye(n_b)
    consensus = weight.mean(2)
    n_times, n_runs, effort = _COSTLY if min(n_b - 1, spec.n_features) > 1 else _CHEAP
    times = np.unique(np.rint(np.geomspace(1, n_steps + 1, n_times)).astype(int) - 1)
    runs = consensus.shape[1]
    some = np.unique(np.linspace(0, runs - 1, min(runs, n_runs)).astype(int))
    found = {
        t: missing_information(consensus[t, some], spec.means, spec.covariance, **effort)
        for t in times.tolist()
    }
    overlap = np.concatenate([f.largest for f in found.values()])
    known = ~np.isnan(overlap)  # a single component has weight there
    result = Factors(matrices, overlap[known], np.repeat(times, some.size)[known])
    # In other scenarios than the paper's there is none, or `check_decay` refuses.
    if overlap[known].max() < NO_OVERLAP or not spec.is_paper:
        return result
    first_posts, posted = spec.first_counts(0), np.zeros_like(consensus[0])
    for t in range(n_steps):
        k = int(spec.n_retrieved[t])
        if k:
            step = {"step_size": float(spec.alpha[t]), "complexity": float(spec.c[t])}
            if k <= _FEW_POINTS and spec.n_models > 1:
                web = first_posts + spec.n_models * spec.n_responses * posted
                matrices[t] = overlap_decay(
                    weight[t],
                    spec.means,
                    spec.covariance,
                    n_retrieved=k,
                    method="step",
                    web=web / web.sum(1, keepdims=True),
                    threshold=spec.threshold,
                    seed=seed + t,
                    **step,
                ).matrix
            else:
                last = int(times[times <= t][-1])
                matrices[t] = overlap_factor(found[last], k, **step)[0].mean(0)
        posted += consensus[t]
    return result


def product(matrices: FloatArray, start: FloatArray) -> FloatArray:
    """Return differences over time, (T+1, m, B), from those at the start (m, B)."""
    out = np.empty((len(matrices) + 1, *start.shape))
    out[0] = start
    for t, matrix in enumerate(matrices):
        out[t + 1] = out[t] @ matrix.T
    return out
