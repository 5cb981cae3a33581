"""Where points come from that no mixture of the network drew, as a scenario says."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError
from lwdstats.scenario.scenario import Scenario

# A normal law of noise is so many times as wide as the mixture of equal weights.
NOISE_WIDTH = 2.0


class Source(NamedTuple):
    """A mixture of K normal laws in d dimensions.

    Attributes
    ----------
    weights : (K,) float64
        Of the laws.
    means : (K, d) float64
        Their means.
    factor : (d, d) float64
        Lower Cholesky factor of their covariance; zeros where the means are all there is.
    """

    weights: FloatArray
    means: FloatArray
    factor: FloatArray


def source_of(name: str, given: Any, means: FloatArray, covariance: FloatArray) -> Source:
    """Return the source that `fresh_from` or `noise_from` gives, (B, d) being the components."""
    n_b, d = means.shape
    if given is None and name == "noise_from":
        centre = means.mean(0)
        spread = covariance + (means - centre).T @ (means - centre) / n_b
        return Source(np.ones(1), centre[None], _factor(NOISE_WIDTH**2 * spread))
    takes = f"shares of the {n_b} components, or points of shape (M, {d})"
    given = np.full(n_b, 1 / n_b) if given is None else given
    if isinstance(given, str) or isinstance(given[0], str):
        raise InputError(name, "texts", takes)
    array = np.array(given, dtype=np.float64)
    if array.shape == (n_b,):
        return Source(array, means, _factor(covariance))
    if array.ndim == 1 or array.shape[1] != d:
        raise InputError(name, f"numbers of shape {array.shape}", takes)
    return Source(np.full(len(array), 1 / len(array)), array, np.zeros((d, d)))


def _factor(covariance: FloatArray) -> FloatArray:
    return np.linalg.cholesky(covariance).astype(np.float64)


def anchors_of(scenario: Scenario, n: int, n_b: int) -> tuple[float, FloatArray]:
    """Return the share of reads from sources of models' own, and their laws (n, B)."""
    if scenario.anchors is None:
        return 0.0, np.full((n, n_b), 1 / n_b)
    share, laws = scenario.anchors
    takes = f"(share, laws of the {n_b} components, of shape ({n_b},) or ({n}, {n_b}))"
    if isinstance(laws, dict):
        raise InputError("anchors", "texts", takes)
    array = np.array(laws, dtype=np.float64)
    if array.shape not in ((n_b,), (n, n_b)):
        raise InputError("anchors", f"laws of shape {array.shape}", takes)
    return share, np.broadcast_to(array, (n, n_b)).copy()


def check_for_mixtures(
    scenario: Scenario, n: int, means: FloatArray, covariance: FloatArray
) -> None:
    """Raise where mixtures can't do what a scenario says."""
    if scenario.retrieval == "nearest":
        takes = "'uniform' or 'recent': mixtures are asked nothing that a post could be near to"
        raise InputError("retrieval", "nearest", takes)
    source_of("fresh_from", scenario.fresh_from, means, covariance)
    source_of("noise_from", scenario.noise_from, means, covariance)
    anchors_of(scenario, n, len(means))
