"""The updates of one step, followed draw by draw."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lwdstats.arrays import FloatArray
from lwdstats.mixtures.components import log_densities
from lwdstats.theory.overlap.checks import Components


@dataclass(frozen=True)
class Walk:
    """The k updates of one step, on points that the models of a network share.

    They come from the mixture with weights `web`, (R, B), each network's its own,
    or, without replacement, from `points` (R, N, r) where those are given.
    """

    components: Components
    web: FloatArray
    k: int
    alpha: float
    c: float
    threshold: float
    rng: np.random.Generator
    points: FloatArray | None = None

    def _log_likelihoods(self) -> Iterator[FloatArray]:
        """Draw k points for each run; yield their log densities (R, B) up to a constant."""
        means, factors = self.components.means, self.components.factors
        if self.points is not None:
            runs = np.arange(len(self.points))
            posts = np.tile(np.arange(self.points.shape[1]), (len(runs), 1))
            order = self.rng.permuted(posts, axis=1)
            for draw in range(self.k):
                yield log_densities(self.points[runs, order[:, draw]], means, factors)
            return
        cumulative = self.web.cumsum(1)
        for _ in range(self.k):
            u = self.rng.random((len(self.web), 1)) * cumulative[:, -1:]
            owner = (u >= cumulative[:, :-1]).sum(1)
            normal = self.rng.standard_normal((len(self.web), means.shape[1]))
            points = means[owner] + np.einsum("rij,rj->ri", factors[owner], normal)
            yield log_densities(points, means, factors)

    def models(self, pi: FloatArray) -> FloatArray:
        """Return the weights (R, n, B) after the step."""
        pi = pi.copy()
        for logs in self._log_likelihoods():
            shares = _ownership(pi, logs[:, None, :])
            self._update(pi, shares)
            self._truncate(pi.reshape(-1, pi.shape[-1]), None)
        return pi

    def tangent(self, pi: FloatArray) -> FloatArray:
        """Return the derivative (R, B, B) of the weights after the step from (R, B) before.

        A component at weight 0 is taken to stay there.
        """
        pi = pi.copy()
        n_b = pi.shape[-1]
        moved = np.where(pi[:, None, :] > 0, np.eye(n_b), 0.0)
        gain = self.alpha / (1.0 - n_b * self.c)
        for logs in self._log_likelihoods():
            shares = _ownership(pi, logs)
            ratio = np.divide(shares, pi, out=np.zeros_like(pi), where=pi > 0)
            inner = np.einsum("rb,rbv->rv", ratio, moved)
            change = ratio[:, :, None] * moved - shares[:, :, None] * inner[:, None, :]
            moved = (1.0 - self.alpha) * moved + gain * change
            self._update(pi, shares)
            self._truncate(pi, moved)
        return moved

    def _update(self, pi: FloatArray, shares: FloatArray) -> None:
        """Run lines 3 to 6 of Algorithm 2 in place."""
        pi *= 1.0 - self.alpha
        pi += self.alpha / (1.0 - pi.shape[-1] * self.c) * (shares - self.c)

    def _truncate(self, pi: FloatArray, moved: FloatArray | None) -> None:
        """Run lines 7 to 14 of Algorithm 2 on rows (N, B), and on their derivative, in place."""
        if pi.min() > 0:
            return
        for b in range(pi.shape[1]):
            low = np.flatnonzero(pi[:, b] <= 0)
            if not low.size:
                continue
            divisor = 1.0 + self.threshold - pi[low, b]
            if moved is not None:
                own = moved[low, b].copy()
                slope = pi[low, :, None] * own[:, None, :] / divisor[:, None, None]
                moved[low] = (moved[low] + slope) / divisor[:, None, None]
                moved[low, b] = 0.0
            pi[low] /= divisor[:, None]
            pi[low, b] = self.threshold


def _ownership(pi: FloatArray, logs: FloatArray) -> FloatArray:
    """Return the ownerships of points of log densities `logs`, (..., B), by weights `pi`."""
    with np.errstate(divide="ignore"):
        logs = np.log(pi) + logs
    shares = np.exp(logs - logs.max(-1, keepdims=True))
    return shares / shares.sum(-1, keepdims=True)
