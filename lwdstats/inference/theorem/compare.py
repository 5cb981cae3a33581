"""Mean differences and step factors beside theory, for `check_decay`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lwdstats.arrays import FloatArray
from lwdstats.inference.theorem import bands as kernel
from lwdstats.inference.theorem.factors import Factors, paper_factors
from lwdstats.inference.theorem.slopes import band, compare_slopes, slope_of, step_slopes
from lwdstats.mixtures.spec import GmmSpec


def compare_means(
    weight: FloatArray,
    pairs: NDArray[np.int64],
    curves: Mapping[str, FloatArray],
    exact: FloatArray,
    scale: float,
    level: float,
    margin: float,
    n_draws: int,
    seed: int,
) -> tuple[pd.DataFrame, list[dict[str, Any]], float]:
    """Return the table of mean differences, their tests, and the band's critical value."""
    # (T+1, R, m, B) to (R, cells); what is there at 0 is given, and tested nowhere.
    apart = np.moveaxis(kernel.pair_differences(weight, pairs), 1, 0)
    shape = apart.shape[1:]
    errors = np.broadcast_to(exact[:, None, :], shape)
    values = apart[:, 1:].reshape(len(apart), -1)
    found = kernel.means(values, scale, errors[1:].ravel(), level, n_draws, seed, 0)
    time, pair, component = (axis.ravel() for axis in np.indices(shape))
    later = time > 0
    estimate, error = apart[0].ravel(), np.zeros(time.size)
    estimate[later], error[later] = found.estimate, found.std_error
    table = pd.DataFrame(
        {
            "time": time,
            "model_i": pairs[pair, 0],
            "model_j": pairs[pair, 1],
            "component": component,
            "estimate": estimate,
            "std_error": error,
            "conf_low": estimate - found.critical * error,
            "conf_high": estimate + found.critical * error,
            "paper": curves["paper"].ravel(),
            "overlap": curves["overlap"].ravel(),
            "exact_error": errors.ravel(),
        }
    )
    seen = {k: kernel.compare(found, v[1:].ravel(), scale, margin) for k, v in curves.items()}
    return table, _rows("mean difference", seen, time[later], level, len(apart)), found.critical


def compare_steps(
    weight: FloatArray,
    spec: GmmSpec,
    factors: Factors,
    level: float,
    margin: float,
    n_draws: int,
    seed: int,
) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Return the table of steps' factors, and the tests."""
    reads = spec.n_retrieved[:-1] > 0
    found = step_slopes(weight, reads)
    predicted = {
        "paper": paper_factors(spec)[reads],
        "overlap": slope_of(factors.matrices[reads], found.second),
    }
    seen = {
        name: compare_slopes(found, theory, level, margin, n_draws, seed)
        for name, theory in predicted.items()
    }
    times = np.append(np.flatnonzero(reads), np.nan)
    error, low, high = band(found, level, n_draws, seed)
    known = {"estimate": found.slope, "std_error": error, "conf_low": low, "conf_high": high}
    columns = {}
    for name, values in {**known, **predicted}.items():
        # A step at which nothing is read changes nothing.
        columns[name] = np.full(spec.n_steps, 0.0 if name == "std_error" else 1.0)
        columns[name][reads] = values
    steps = {
        "time": np.arange(spec.n_steps),
        "n_retrieved": spec.n_retrieved[:-1],
        "step_size": spec.alpha,
    }
    tests = _rows("step factor", seen, times, level, weight.shape[1])
    return pd.DataFrame({**steps, **columns}), tests


def _rows(
    quantity: str,
    compared: Mapping[str, kernel.Comparison],
    times: NDArray[Any],
    level: float,
    n_runs: int,
) -> list[dict[str, Any]]:
    """Return a row of tests for each theory; `times` are those of the cells compared."""
    rows = []
    for theory, seen in compared.items():
        found = kernel.verdict(seen.p_difference, seen.p_equivalence, level)
        count = seen.n_design
        if found == "not decided" and count <= n_runs:
            count = max(seen.n_more, n_runs + 1)
        row = {"quantity": quantity, "theory": theory, "deviation": seen.deviation}
        row |= {"time": float(times[seen.cell]), "p_difference": seen.p_difference}
        row |= {"p_equivalence": seen.p_equivalence, "beyond": seen.beyond}
        rows.append(row | {"verdict": found, "n_needed": count})
    return rows
