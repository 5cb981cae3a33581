"""Scores of values against a baseline, charts of them, and limits by simulation of all of it.

Arrays only. P paths, m times of the baseline, n times in all, p columns of a design.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri, stdtr

from lwdstats.arrays import FloatArray
from lwdstats.inference.ar1 import ar1_paths, ar1_phi

CHARTS = ("shewhart", "ewma", "cusum")
# What is left of phi estimated from a baseline is near what can be charted within these.
_PHI = (-0.5, 0.9)
# phi itself, of simulated paths: flat within these.
_TRUE_PHI = (-0.95, 0.995)
# Numbers in a block of simulated paths.
_BLOCK = 1 << 20
# Runs that are longer than so many times the mean asked for count as that long.
LONGEST = 10


class Scores(NamedTuple):
    """What a baseline makes of paths: standard normal scores (P, n - m) of what follows it.

    `fitted` (P, n) is what the baseline's level or trend leads one to expect, `phi` (P,) the
    autocorrelation taken out, `base` (P, m') what is left of the baseline (without the first
    time where autocorrelation is taken out), `scale` (P,) the standard deviation of that.
    """

    scores: FloatArray
    fitted: FloatArray
    phi: FloatArray
    base: FloatArray
    scale: FloatArray


@dataclass(frozen=True)
class Chart:
    """How paths are charted.

    `kind` is one of `CHARTS`, `weight` that of the newest value in "ewma", `reference` what
    "cusum" takes off a score, `design` (n, p) level and trend over time, `m` the length of the
    baseline, `ar` whether autocorrelation is taken out, `ranks` whether scores are by rank.
    """

    kind: str
    weight: float
    reference: float
    design: FloatArray
    m: int
    ar: bool
    ranks: bool

    def scores(self, y: FloatArray) -> Scores:
        """Return scores of paths y (P, n)."""
        m, design = self.m, self.design
        p = design.shape[1]
        fitted = (np.linalg.pinv(design[:m]) @ y[:, :m].T).T @ design.T
        left = y - fitted
        phi = self._phi_of(left[:, :m]) if self.ar else np.zeros(len(y))
        if self.ar:
            # The first value of the baseline has none before it.
            left = left[:, 1:] - phi[:, None] * left[:, :-1]
            m = m - 1
        base = left[:, :m]
        df = m - p
        scale = np.sqrt(np.maximum((base**2).sum(axis=1) / df, 1e-300))
        # What is predicted from an estimated line errs by more than what is left of the line.
        spread = 1.0 + self._leverage()
        if self.ranks:
            # Of a level alone old and new err alike, and ranks are those of the values.
            ordered, z = np.sort(base, axis=1), left[:, m:] / np.sqrt(spread / (1.0 + 1.0 / self.m))
            below = np.stack([_rank(row, new) for row, new in zip(ordered, z, strict=True)])
            return Scores(ndtri((below + 0.5) / (m + 1.0)), fitted, phi, base, scale)
        z = left[:, m:] / (scale[:, None] * np.sqrt(spread))
        # By the law of t, so that one far value of a short baseline is not taken for more.
        return Scores(-np.sign(z) * ndtri(stdtr(df, -np.abs(z))), fitted, phi, base, scale)

    def phi(self, y: FloatArray) -> FloatArray:
        """Return the autocorrelation (P,) that baselines y (P, m) show."""
        design = self.design[: self.m]
        return self._phi_of(y - (np.linalg.pinv(design) @ y.T).T @ design.T)

    def _phi_of(self, left: FloatArray) -> FloatArray:
        return ar1_phi(left, 1.0 + self.design.shape[1], _PHI)

    def _leverage(self) -> FloatArray:
        """Return the leverage (n - m,) of what follows the baseline."""
        triangle = np.asarray(np.linalg.qr(self.design[: self.m], mode="r"))
        return (np.linalg.solve(triangle.T, self.design[self.m :].T) ** 2).sum(axis=0)

    def sides(self, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return what is charted (P, N), upwards and downwards; above a limit it is an alarm."""
        if self.kind == "shewhart":
            return scores, -scores
        # Time first, so that each step's numbers lie beside each other.
        z = np.ascontiguousarray(scores.T)
        up, down = np.empty_like(z), np.empty_like(z)
        if self.kind == "ewma":
            rest, now = 1.0 - self.weight, np.zeros(len(scores))
            for t, new in enumerate(z):
                now = rest * now + self.weight * new
                up[t] = now
            up /= np.sqrt(self.weight / (2.0 - self.weight))
            return up.T, -up.T
        above, below = np.zeros(len(scores)), np.zeros(len(scores))
        for t, new in enumerate(z):
            above = np.maximum(0.0, above + new - self.reference)
            below = np.maximum(0.0, below - new - self.reference)
            up[t], down[t] = above, below
        return up.T, down.T

    def highest_by_rank(self) -> float:
        """Return the largest that can be charted of ranks: all new values above the baseline."""
        m = self.m - 1 if self.ar else self.m
        best = float(ndtri((m + 0.5) / (m + 1.0)))
        return float(self.sides(np.full((1, len(self.design) - self.m), best))[0].max())

    def charted(self, y: FloatArray) -> FloatArray:
        """Return the larger of both sides (P, N), of paths y (P, n)."""
        return np.maximum(*self.sides(self.scores(y).scores))


def _rank(ordered: FloatArray, new: FloatArray) -> FloatArray:
    """Return how many of ordered values (m,) are below each of new ones, ties counting half."""
    both = np.searchsorted(ordered, new) + np.searchsorted(ordered, new, side="right")
    return both.astype(np.float64) / 2


def in_control(
    chart: Chart, phi: float, n: int, count: int, rng: np.random.Generator
) -> FloatArray:
    """Return paths (count, n) without a change, whose baselines show an autocorrelation of phi.

    What phi is is not known but estimated: a priori it is anything, and those paths are kept whose
    baselines have nearly this estimate. Values drawn about the estimate would not do, as it is
    biased and its error depends on what is estimated: false alarms were .08 in place of .05 at
    phi = .7 with 40 times.
    """
    if not chart.ar:
        return rng.standard_normal((count, n))
    m = chart.m
    near = 0.25 * max(np.sqrt((1.0 - phi**2) / m), 0.03)
    # The arcsine of an estimate has an error of about 1 / sqrt(m), whatever phi is.
    within = np.arcsin(phi) + np.array([-5.0, 5.0]) / np.sqrt(m)
    low, high = np.clip(np.sin(np.clip(within, -np.pi / 2, np.pi / 2)), *_TRUE_PHI)
    kept: list[FloatArray] = []
    own: list[FloatArray] = []
    lacking = count
    while lacking > 0:
        tried = rng.uniform(low, high, min(20 * lacking + 100, max(100, _BLOCK // m)))
        start = ar1_paths(rng, tried, 1.0, len(tried), m)
        found = np.flatnonzero(np.abs(chart.phi(start) - phi) <= near)[:lacking]
        kept.append(start[found])
        own.append(tried[found])
        lacking -= len(found)
    start = np.concatenate(kept)
    after = ar1_paths(rng, np.concatenate(own), 1.0, count, n - m, after=start[:, -1])
    return np.hstack([start, after])


def largest(chart: Chart, phi: float, count: int, rng: np.random.Generator) -> FloatArray:
    """Return the largest of what is charted after the baseline, sorted, (count,), in control."""
    n = len(chart.design)
    return np.sort(np.concatenate([y.max(axis=1) for y in _simulated(chart, phi, n, count, rng)]))


def limit_of_run(
    chart: Chart, phi: float, mean: float, count: int, rng: np.random.Generator
) -> tuple[float, float]:
    """Return the limit with which a run to the first alarm takes `mean` steps on average.

    And the mean that it has, as ranks jump. `chart.design` holds `LONGEST` times as many steps
    after the baseline.
    """
    n = len(chart.design)
    highest = np.concatenate(
        [
            np.maximum.accumulate(y, axis=1).astype(np.float32)
            for y in _simulated(chart, phi, n, count, rng)
        ]
    )
    low, high = 0.0, float(highest[:, -1].max())
    for _ in range(40):
        middle = 0.5 * (low + high)
        if run_lengths(highest, middle).mean() < mean:
            low = middle
        else:
            high = middle
    limit = 0.5 * (low + high)
    return limit, float(run_lengths(highest, limit).mean())


def run_lengths(highest: npt.NDArray[Any], limit: float) -> FloatArray:
    """Return steps to the first alarm, (P,), of running maxima (P, N); N where there is none."""
    return np.minimum((highest <= limit).sum(axis=1) + 1, highest.shape[1])


def _simulated(
    chart: Chart, phi: float, n: int, count: int, rng: np.random.Generator
) -> list[FloatArray]:
    size = max(1, _BLOCK // n)
    blocks = [min(size, count - start) for start in range(0, count, size)]
    return [chart.charted(in_control(chart, phi, n, b, rng)) for b in blocks]
