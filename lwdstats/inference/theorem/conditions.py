"""Which of the proof's conditions a simulation kept to, for `check_decay`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lwdstats.arrays import FloatArray
from lwdstats.inference.theorem.factors import Factors
from lwdstats.mixtures.spec import GmmSpec

# Overlap that moves no factor by more than a thousandth or so.
_SEPARATE = 1e-3


def assumptions(
    weight: FloatArray, n_truncated: FloatArray, spec: GmmSpec, factors: Factors
) -> pd.DataFrame:
    """Return a row for each condition: whether it held, and what was seen.

    Parameters
    ----------
    weight : (T+1, R, n, B) float64
    n_truncated : (T, R, n) float64
        By the step that leaves each time.
    spec : GmmSpec
    factors : Factors
        What `overlap_factors` found.
    """
    rows = [
        ("components do not overlap", *_separate(factors)),
        ("no weight is truncated", *_truncated(n_truncated)),
        ("0 < c < min(1/B, pibar_b)", *_complexity(weight, n_truncated, spec)),
        ("alpha in (0, 1), k > 0", *_step_sizes(spec)),
        ("no weight lost at the end", *_lost(weight, spec)),
        ("alpha falls to 0", *_falls(spec)),
    ]
    if not spec.is_paper:
        # Others are refused.
        rows.append(("models read of one law", True, repr(spec.scenario)))
    return pd.DataFrame(rows, columns=["condition", "holds", "seen"]).set_index("condition")


def truncations(n_truncated: FloatArray) -> pd.DataFrame:
    """Return, by time, truncations, and replicates with one in this step and so far."""
    hit = n_truncated.sum(2) > 0
    return pd.DataFrame(
        {
            "n_truncated": n_truncated.sum((1, 2)).astype(np.int64),
            "replicates": hit.sum(1),
            "replicates_so_far": np.logical_or.accumulate(hit, 0).sum(1),
        },
        index=pd.RangeIndex(len(n_truncated), name="time"),
    )


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def _separate(factors: Factors) -> tuple[bool, str]:
    worst = int(factors.overlap.argmax())
    largest = float(factors.overlap[worst])
    seen = f"J up to {largest:.2g} (t = {factors.overlap_time[worst]})"
    last = factors.overlap[factors.overlap_time == factors.overlap_time.max()]
    return largest <= _SEPARATE, f"{seen}, median {np.median(last):.2g} at the end"


def _truncated(n_truncated: FloatArray) -> tuple[bool, str]:
    hit = n_truncated.sum(2) > 0
    total = int(n_truncated.sum())
    if not total:
        return True, "none"
    runs, steps = hit.any(0), np.flatnonzero(hit.any(1))
    when = f"t = {steps[0]}" if len(steps) == 1 else f"t = {steps[0]} to {steps[-1]}"
    seen = f"{_plural(total, 'truncation')} in {runs.sum():,} of {runs.size:,} runs"
    return False, f"{seen}, {when}"


def _complexity(weight: FloatArray, n_truncated: FloatArray, spec: GmmSpec) -> tuple[bool, str]:
    reads = np.flatnonzero(spec.n_retrieved[:-1] > 0)
    # pibar at t is over all models and the times before t: there is none at 0.
    reads = reads[reads > 0]
    if not reads.size:
        return True, "nothing is read after t = 0"
    c = spec.c[reads]
    if (c == 0).all():
        return False, "c = 0: outside the condition, and no weight can reach 0"
    counts = np.arange(1, len(weight))[:, None, None]
    pibar = weight[:-1].mean(2).cumsum(0) / counts  # (T, R, B), at t = 1..T
    broken = c[:, None] >= pibar[reads - 1].min(2)
    broken |= (c == 0)[:, None]
    hit = n_truncated[reads].sum(2) * ~broken
    kept = f"{_plural(int(hit.sum()), 'truncation')} where it held"
    if not broken.any():
        return True, f"everywhere; {kept}"
    first = reads[np.flatnonzero(broken.any(1))[0]]
    seen = f"broken in {broken.mean():.1%} of runs and steps, first at t = {first}"
    return False, f"{seen}; {kept}"


def _step_sizes(spec: GmmSpec) -> tuple[bool, str]:
    k = spec.n_retrieved[:-1]
    idle, whole = np.flatnonzero(k == 0), np.flatnonzero(spec.alpha == 1)
    parts = []
    if idle.size:
        parts += [f"k = 0 at {_times(idle)}: no update"]
    if whole.size:
        parts += [f"alpha = 1 at {_times(whole)}: the last point replaces all"]
    return not parts, "; ".join(parts) or "at every step"


def _times(steps: NDArray[Any]) -> str:
    if len(steps) == 1:
        return f"t = {steps[0]}"
    return f"{len(steps)} steps from t = {steps[0]} to {steps[-1]}"


def _lost(weight: FloatArray, spec: GmmSpec) -> tuple[bool, str]:
    last = weight[-1]
    if spec.threshold == 0:
        gone = (last == 0).any((1, 2))
        if not gone.any():
            return True, "none"
        share = f"{gone.sum():,} of {len(gone):,} runs"
        return False, f"a component at 0 for ever in {share} (epsilon = 0)"
    low = (last <= spec.threshold * (1 + 1e-9)).any((1, 2))
    if not low.any():
        return True, f"none at the threshold {spec.threshold:g}"
    return False, f"one at the threshold {spec.threshold:g} in {low.sum():,} of {len(low):,} runs"


def _falls(spec: GmmSpec) -> tuple[bool, str]:
    alpha = spec.alpha[~np.isnan(spec.alpha)]
    if not alpha.size:
        return True, "nothing is read"
    if alpha[-1] < alpha[0] or alpha.size == 1:
        return True, f"from {alpha[0]:.3g} to {alpha[-1]:.3g}"
    return False, f"{alpha[-1]:.3g} at the end: E|difference| need not go to 0"
