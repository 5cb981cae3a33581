"""Exact moments of a network in any scenario in which they close."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError
from lwdstats.results.pictures import drawing
from lwdstats.results.result import Result
from lwdstats.theory.scenarios.program import Program
from lwdstats.theory.scenarios.setting import Setting

# The most numbers that covariances may be.
_MOST = 50_000_000


@dataclass(frozen=True, eq=False)
class ScenarioMoments(Result):
    """Means and covariances of all weights in a scenario, from `second_moments`.

    Letters in the shapes: m times, n models, B components.

    Attributes
    ----------
    time : (m,) int64
        The times.
    model_mean : (m, n, B) float64
        Expected weights of each model.
    web_mean : (m, B) float64
        Expected share of each component on the web; zeros while it is empty.
    cov : (m, n + 1, n + 1, B, B) float64
        Covariances between the weights of any two models, and, in the last place, the web's
        composition.
    n_models : int
        n.
    """

    time: NDArray[np.int64]
    model_mean: FloatArray
    web_mean: FloatArray
    cov: FloatArray
    n_models: int

    @property
    def expected_sq_norm(self) -> FloatArray:
        """``E ||D||_F^2``, (m,)."""
        n = self.model_mean.shape[1]
        own, whole = self._squares()
        return 2 * n * n * np.maximum(own - whole, 0.0)

    @property
    def diversity(self) -> FloatArray:
        """``1 - E |x|^2``, x being the mean weight of all models, (m,)."""
        return 1 - self._squares()[1]

    @property
    def web_diversity(self) -> FloatArray:
        """``1 - E |P|^2``, P being the web's composition, (m,); 1 while it is empty."""
        return 1 - np.einsum("mbb->m", self.cov[:, -1, -1]) - (self.web_mean**2).sum(-1)

    def _squares(self) -> tuple[FloatArray, FloatArray]:
        """Return E mean_i |pi_i|^2 and E |x|^2."""
        models = self.cov[:, :-1, :-1]
        n = models.shape[1]
        own = np.einsum("miibb->m", models) / n + (self.model_mean**2).sum((1, 2)) / n
        whole = np.einsum("mijbb->m", models) / n**2 + (self.model_mean.mean(1) ** 2).sum(1)
        return own, whole

    def lines(self) -> list[str]:
        """Return what the moments are of."""
        m, n, b = self.model_mean.shape
        return [
            "Exact second moments in a scenario (no overlap, no truncation)",
            f"{n} models, {b} components, {m} times from {self.time[0]} to {self.time[-1]}",
        ]

    def tidy(self) -> pd.DataFrame:
        """Return a row for each time: the norm, and how diverse models and web are."""
        columns = {"time": self.time, "expected_sq_norm": self.expected_sq_norm}
        return pd.DataFrame(
            columns | {"diversity": self.diversity, "web_diversity": self.web_diversity}
        )

    def augment(self) -> pd.DataFrame:
        """Return a row for each time, model and component: mean and standard deviation."""
        m, n, b = self.model_mean.shape
        variance = np.einsum("miibb->mib", self.cov[:, :-1, :-1])
        columns = {
            "time": np.repeat(self.time, n * b),
            "model": np.tile(np.repeat(np.arange(n), b), m),
            "component": np.tile(np.arange(b), m * n),
            "mean": self.model_mean.ravel(),
            "std_dev": np.sqrt(np.maximum(variance, 0.0)).ravel(),
        }
        return pd.DataFrame(columns)

    def _caption(self) -> str:
        return self.lines()[0]

    def _draw(self, ax: drawing.Axes | None) -> drawing.Axes:
        """Draw E ||D||_F^2 over time."""
        ax = drawing.over_time(self.tidy(), ax, ["expected_sq_norm"])
        ax.set_ylabel(r"$E\,\|D^{(t)}\|_F^2$")
        ax.set_ylim(bottom=0)
        return ax


@dataclass(frozen=True)
class Course:
    """What a network's moments come to at t = 0..T, (T+1,) each.

    Attributes
    ----------
    deviation : float64
        E mean_i |pi_i - x|^2, where x is the mean weight of all models.
    diversity : float64
        1 - E |x|^2.
    web_diversity : float64
        1 - E |P|^2 for the web's composition P; 1 while it is empty.
    """

    deviation: FloatArray
    diversity: FloatArray
    web_diversity: FloatArray


def course(setting: Setting, *, alike: bool = True) -> Course:
    """Return what the sums over components come to; models that do the same as one group."""
    program = Program(setting, alike)
    mean, own = program.weights_of_models()
    parts = []
    for run in program.run():
        deficit = run.gram[:, 0]
        diversity = np.einsum("i,cij,j->c", mean, deficit, mean)
        deviation = diversity - np.einsum("cij,ij->c", deficit, own)
        web = program.web(np.arange(run.first, run.first + len(deficit)))
        web_diversity = np.einsum("ci,cij,cj->c", web, deficit, web)
        empty = ~web.any(1)
        parts.append((deviation, diversity, np.where(empty, 1.0, web_diversity)))
    return Course(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def scenario_moments(setting: Setting, times: NDArray[np.int64]) -> ScenarioMoments:
    """Return the moments of all models at some times, increasing."""
    n, n_b = setting.n_models, setting.n_components
    if (n + 1) ** 2 * n_b**2 * times.size > _MOST:
        got = f"{times.size} times for {n} models and {n_b} components"
        takes = f"times so few that covariances are {_MOST:,} numbers at most"
        raise InputError("times", got, f"{takes}; expected_sq_norm has no such limit")
    program = Program(setting, alike=False)
    a, b = np.triu_indices(n_b)
    places = np.empty(n, np.int64)
    for group in program.groups:
        places[group.models] = group.mean
    means = np.empty((times.size, n + 1, n_b))
    second = np.empty((times.size, n + 1, n + 1, n_b, n_b))
    for run in program.run(np.stack([a, b], 1)):
        kept = np.flatnonzero((times >= run.first) & (times < run.first + len(run.mean)))
        t = times[kept]
        form = np.zeros((kept.size, n + 1, program.state.size))
        form[:, np.arange(n), places] = 1.0
        form[:, n] = program.web(t)
        means[kept] = np.einsum("cis,cbs->cib", form, run.mean[t - run.first])
        gram = np.einsum("cis,cqsr,cjr->cqij", form, run.gram[t - run.first], form, optimize=True)
        second[kept[:, None], :, :, a, b] = gram
        second[kept[:, None], :, :, b, a] = gram.swapaxes(-1, -2)
    cov = second - np.einsum("cia,cjb->cijab", means, means)
    return ScenarioMoments(times, means[:, :n], means[:, n], cov, n)


def model_means(setting: Setting) -> FloatArray:
    """Return the expected weights of each model at all times, (T+1, n, B)."""
    program = Program(setting, alike=False)
    places = np.empty(setting.n_models, np.int64)
    for group in program.groups:
        places[group.models] = group.mean
    none = np.empty((0, 2), np.int64)
    return np.concatenate([run.mean[:, :, places].swapaxes(1, 2) for run in program.run(none)])


def web_means(setting: Setting) -> FloatArray:
    """Return the expected composition of the web at all times, (T+1, B)."""
    program, none = Program(setting), np.empty((0, 2), np.int64)
    parts = []
    for run in program.run(none):
        web = program.web(np.arange(run.first, run.first + len(run.mean)))
        parts.append(np.einsum("cs,cbs->cb", web, run.mean))
    return np.concatenate(parts)
