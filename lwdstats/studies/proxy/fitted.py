"""A fitted network: its estimates, its weights, and where it stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lwdstats.arrays import FloatArray
from lwdstats.studies.proxy.components import Components
from lwdstats.studies.proxy.contraction import kappa_of
from lwdstats.studies.proxy.estimate import Anchors, Estimate
from lwdstats.studies.proxy.paths import Paths
from lwdstats.studies.proxy.states import filtered, on_simplex, shrunk, smoothed


@dataclass(frozen=True, eq=False)
class Fitted:
    """A network of mixtures fitted to a run; its fields are told in `Proxy`."""

    form: str
    source: str
    components: tuple[Components, ...] = field(repr=False)
    paths: tuple[Paths, ...] = field(repr=False)
    fit: Estimate = field(repr=False)
    anchors: tuple[Anchors, ...] = field(repr=False)
    anchor_test: tuple[float, float, float]
    anchor_test_rho: float
    naive: float
    n_read: FloatArray = field(repr=False)
    spread: tuple[tuple[FloatArray, FloatArray], ...] = field(repr=False)
    moments: tuple[tuple[FloatArray, FloatArray], ...] = field(repr=False)
    nearest: tuple[tuple[str, ...], ...] = field(repr=False)
    past: pd.DataFrame = field(repr=False)
    models: tuple[Any, ...]
    replicates: tuple[Any, ...]
    queries: tuple[Any, ...]
    times: FloatArray = field(repr=False)
    level: float
    notes: tuple[str, ...]
    seed: int

    @property
    def rho(self) -> float:
        """What a model keeps of its weights in a step."""
        return self.fit.rho

    @property
    def w(self) -> float:
        """The share of a model's own prior: 0 in the form "network", NaN at rho = 1."""
        return 0.0 if self.form == "network" else self.fit.share

    @property
    def kappa(self) -> float:
        """Step size times k; infinite where rho is 0 or less: no finite estimate."""
        return self.kappa_at(self.rho)

    def kappa_at(self, rho: float) -> float:
        """Return the kappa that contracts by rho."""
        return kappa_of(rho, self.n_read, self.spread)

    def predictions(self, query: int = 0) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Return predictions (R, T+1, n, B), weights given all until then, and variances of both.

        Variances are (R, T+1, n), of each of B - 1 dimensions.
        """
        path = self.paths[query]
        shape = path.weight.shape
        out = np.full(shape, np.nan), np.full(shape, np.nan)
        var = np.full(shape[:3], np.nan), np.full(shape[:3], np.nan)
        own = self.anchors[query]
        place = {int(model): j for j, model in enumerate(own.models)}
        for one in self._series(query):
            b = own.b[place[one.model]] if self.form != "network" else np.zeros(shape[3])
            found = filtered(one, self.fit.rho, self.fit.theta, b, self.fit.process)
            part = (one.replicate, slice(one.start, one.start + len(one.p)), one.model)
            out[0][part], var[0][part], out[1][part], var[1][part] = found
        return out[0], out[1], var[0], var[1]

    def still(self, query: int = 0) -> NDArray[np.int64]:
        """Return which models never read, as far as is known, so that nothing moves them."""
        known: Any = np.isfinite(self.paths[query].read[:, 1:]).all(axis=3)
        read = known.any(axis=(0, 1))
        return np.flatnonzero(~read)

    def constant(self, query: int, model: int) -> tuple[FloatArray, FloatArray]:
        """Return mean weights (R, B) over the run, of a model that does not move, and variances.

        Variances are (R,), of each of B - 1 dimensions; NaN where a replicate has no answers.
        """
        path = self.paths[query]
        number = path.n_answers[:, :, model]
        whole = np.maximum(number.sum(axis=1), 1)
        weight = np.nan_to_num(path.weight[:, :, model])
        mean = (number[..., None] * weight).sum(axis=1) / whole[:, None]
        mean[number.sum(axis=1) == 0] = np.nan
        # The covariance of a mean is that of an answer over their number; noise is of each mean.
        per_answer = np.nanmean(path.noise[:, :, model] * number)
        return mean, per_answer / whole / (mean.shape[1] - 1)

    def first_weights(self, query: int = 0) -> FloatArray:
        """Return weights (R, n, B) at the first times; NaN of a model that nothing is known of.

        By all that was measured later, too, and drawn to the mean of the model's replicates by
        as much as finitely many answers explain how they differ.
        """
        own, shape = self.anchors[query], self.paths[query].weight.shape
        R, n, B = shape[0], shape[2], shape[3]
        weights, variance = np.full((R, n, B), np.nan), np.full((R, n), np.nan)
        place = {int(model): j for j, model in enumerate(own.models)}
        # Of several series of a model the first.
        for one in reversed(self._series(query)):
            b = own.b[place[one.model]] if self.form != "network" else np.zeros(B)
            at = one.replicate, one.model
            weights[at], variance[at] = smoothed(
                one, self.fit.rho, self.fit.theta, b, self.fit.process
            )
        for model in self.still(query):
            if self.paths[query].n_answers[:, :, model].any():
                weights[:, model], variance[:, model] = self.constant(query, model)
        for model in np.flatnonzero(np.isfinite(weights[..., 0]).any(axis=0)):
            weights[:, model] = shrunk(weights[:, model], variance[:, model])
        return weights

    def _series(self, query: int) -> list[Any]:
        return [one for one in self.fit.series if one.query == query]

    def prior_weights(self, query: int = 0) -> FloatArray:
        """Return u as weights, (n, B): the nearest point of the simplex, equal where not known."""
        own, B = self.anchors[query], self.components[query].n
        out = np.full((len(self.models), B), 1.0 / B)
        scale = 1.0 - self.fit.rho - self.fit.theta
        if abs(scale) > 1e-6:
            out[own.models] = on_simplex(own.b / scale)
        return out
