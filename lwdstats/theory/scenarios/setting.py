"""What a network and its scenario are to the recursions of moments, and what these refuse."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError
from lwdstats.mixtures.components import counts_of
from lwdstats.mixtures.sources import Source, anchors_of, source_of
from lwdstats.mixtures.spec import MixtureSpec
from lwdstats.scenario.growth import kept_sizes
from lwdstats.scenario.reading import added_posts
from lwdstats.scenario.scenario import Scenario
from lwdstats.theory.network import check_fixed

# The most batches that a window, or the newest posts, may be of.
_MOST_LAGS = 1000


@dataclass(frozen=True, eq=False)
class Setting:
    """A checked specification, as the recursions of its moments look at it.

    Letters in the shapes: n models, B components, T steps.
    """

    spec: MixtureSpec
    takes_moving: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not self.takes_moving:
            check_fixed(self.spec)
        _check_closes(self)

    @property
    def scenario(self) -> Scenario:
        """The scenario."""
        return self.spec.scenario

    @property
    def n_models(self) -> int:
        """The number n."""
        return self.spec.n_models

    @property
    def n_components(self) -> int:
        """The number B."""
        return self.spec.n_components

    @property
    def n_steps(self) -> int:
        """The number T."""
        return self.spec.n_steps

    @property
    def keep(self) -> str | tuple[str, int]:
        """What the web keeps: all, too, where a window is longer than the run."""
        rule, size = self.scenario.keep_rule, self.scenario.keep_size
        return "all" if rule == "last" and size > self.n_steps else self.scenario.keep

    @property
    def kept_lags(self) -> int:
        """How many batches of a window there are besides the oldest."""
        return 0 if isinstance(self.keep, str) or self.keep[0] != "last" else self.keep[1] - 1

    @cached_property
    def reads(self) -> NDArray[np.bool_]:
        """Which models read and learn, (n,)."""
        return self.scenario.reading(self.spec.labels)

    @cached_property
    def posts(self) -> NDArray[np.bool_]:
        """Which models post, (n,)."""
        return self.scenario.posting(self.spec.labels)

    @cached_property
    def weights(self) -> FloatArray:
        """Expectation of Pi^(0), (n, B)."""
        given = self.spec.initial_weights
        if given is None:
            a = np.broadcast_to(self.spec.concentration, self.n_components)
            given = a / a.sum()
        given = given[0] if given.ndim == 3 else given
        return np.broadcast_to(given, (self.n_models, self.n_components))

    @cached_property
    def start(self) -> FloatArray:
        """Covariance of the weights of one model at 0, (B, B): zero where they are given."""
        if self.spec.initial_weights is not None:
            return np.zeros((self.n_components, self.n_components))
        a, mean = np.broadcast_to(self.spec.concentration, self.n_components), self.weights[0]
        return (np.diag(mean) - np.outer(mean, mean)) / (a.sum() + 1)

    @cached_property
    def share(self) -> FloatArray:
        """Composition of A^(0), (B,); zeros where it is empty."""
        counts = self.spec.first_counts(0)
        return counts / max(int(counts.sum()), 1)

    @cached_property
    def added(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Fresh and noise posts of each step, (T,) each."""
        scenario, n_posted = self.scenario, int(self.posts.sum()) * self.spec.n_responses
        return added_posts(scenario.fresh, scenario.noise, n_posted, self.n_steps)

    @cached_property
    def fresh(self) -> FloatArray | None:
        """Law R of the component of a fresh post, (B,)."""
        return self._law("fresh_from", self.scenario.fresh_from) if self.scenario.fresh else None

    @cached_property
    def noise(self) -> FloatArray | None:
        """Law of the component that a noise post counts for, (B,)."""
        return self._law("noise_from", self.scenario.noise_from) if self.scenario.noise else None

    def _law(self, name: str, given: object) -> FloatArray:
        means, covariance = self.spec.means, self.spec.covariance
        return component_law(name, source_of(name, given, means, covariance), means, covariance)

    @cached_property
    def sources(self) -> FloatArray | None:
        """Laws of the models' own sources, (n, B)."""
        if self.scenario.anchors is None:
            return None
        return anchors_of(self.scenario, self.n_models, self.n_components)[1]

    @cached_property
    def networks(self) -> dict[int, FloatArray]:
        """Weights of readers, (n, n), by the time from which they hold; none where all read all."""
        found = self.scenario.networks(self.spec.labels)
        if all(net is None for net in found.values()):
            return {}
        every = np.ones((self.n_models, self.n_models))
        return {time: every if net is None else net for time, net in found.items()}

    @property
    def by_author(self) -> bool:
        """Whether a reader tells authors apart."""
        return bool(self.networks)

    @property
    def by_kind(self) -> bool:
        """Whether a reader tells real posts from others."""
        return self.scenario.read_real is not None or self.scenario.real_weight is not None

    def _period(self, t: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.searchsorted(list(self.networks), t, side="right") - 1

    def row(self, model: int, t: NDArray[np.int64]) -> FloatArray:
        """Return whom a model reads at times t, (C, n)."""
        return self._stacked[self._period(t), model]

    def weighted(self, t: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return at which times t readers go by weights, (C,)."""
        if not self.by_author:
            return np.zeros(t.size, bool)
        return self._by_weight[self._period(t)]

    @cached_property
    def _stacked(self) -> FloatArray:
        return np.array(list(self.networks.values()))

    @cached_property
    def _by_weight(self) -> NDArray[np.bool_]:
        return np.array([not np.isin(net, (0.0, 1.0)).all() for net in self.networks.values()])

    def parts(self, alike: bool) -> list[NDArray[np.int64]]:
        """Return the models by groups that do the same, or each by itself."""
        models = np.arange(self.n_models)
        if self.by_author or not alike:
            return [models[i : i + 1] for i in models]
        kinds = 2 * self.reads + self.posts
        return [models[kinds == kind] for kind in (3, 2, 1) if (kinds == kind).any()]

    def of_model(self, model: int) -> tuple[NDArray[np.int64], FloatArray, FloatArray]:
        """Return k (T+1,), alpha and c (T,) of a model; 0 where it reads nothing."""
        k, alpha, c = self.spec.n_retrieved, self.spec.alpha, self.spec.c
        if k.ndim == 2:
            k, alpha, c = k[:, model], alpha[:, model], c[:, model]
        if not self.reads[model]:
            return np.zeros_like(k), np.zeros(self.n_steps), np.zeros(self.n_steps)
        return k, np.nan_to_num(alpha), np.nan_to_num(c)

    def recent_lags(self) -> int:
        """Return how many of the newest batches are read; 0 where k is not about the newest."""
        if self.scenario.retrieval != "recent":
            return 0
        return int(self._whole_batches().max(initial=0))

    def _whole_batches(self) -> NDArray[np.int64]:
        """Return how many batches the newest k posts are, (T,); -1 where they cut one.

        0 where they are all posts.
        """
        n_posted = int(self.posts.sum()) * self.spec.n_responses
        added = n_posted + self.added[0] + self.added[1]
        size = kept_sizes(self.keep, self.spec.n_initial, added)[:-1]
        come = np.concatenate([[0, self.spec.n_initial], self.spec.n_initial + np.cumsum(added)])
        k = self.spec.n_retrieved
        k = (k if k.ndim == 1 else k.max(1))[:-1]
        now = come[1:-1]  # all posts before step t
        place = np.searchsorted(come, now - k)
        whole = come[np.minimum(place, come.size - 1)] == now - k
        lags = np.arange(1, k.size + 1) - place
        return np.where(k == size, 0, np.where(whole, lags, -1))


def component_law(
    name: str, source: Source, means: FloatArray, covariance: FloatArray
) -> FloatArray:
    """Return the chance (B,) with which a point of a source is of each component's region."""
    n_b, d = means.shape
    if not source.factor.any():
        return counts_of(source.means, means, covariance) / len(source.means)
    if source.means.shape == means.shape and (source.means == means).all():
        return source.weights
    if n_b == 1:
        return np.ones(1)
    if d > 1:
        takes = f"shares of the {n_b} components: for moments, in more than one dimension"
        raise InputError(name, "a normal law", takes)
    order = np.argsort(means[:, 0])
    ordered = means[order, 0]
    between = (ordered[1:] + ordered[:-1]) / 2
    law = norm(source.means[:, :1], source.factor[0, 0])
    below = source.weights @ np.atleast_2d(law.cdf(between))
    out = np.empty(n_b)
    out[order] = np.diff(np.concatenate([[0.0], below, [1.0]]))
    return out


def _check_closes(setting: Setting) -> None:
    """Raise where the second moments follow from no finite number of themselves."""
    scenario = setting.scenario
    closed = "for moments"
    if setting.scenario.retrieval == "recent as posted":
        takes = f"'uniform', or 'recent' in random order, {closed}"
        raise InputError("retrieval", scenario.retrieval, takes)
    if setting.kept_lags > _MOST_LAGS:
        got = f"{scenario.keep!r} over {setting.n_steps} steps"
        raise InputError("keep", got, f"a window of at most {_MOST_LAGS} steps, {closed}")
    capped = scenario.keep_rule in ("random", "reservoir")
    if capped and (setting.by_author or setting.by_kind):
        name = "readers" if setting.by_author else "real_weight"
        name = "read_real" if scenario.read_real is not None else name
        got = f"a value, on a web of capacity (keep = {scenario.keep!r})"
        takes = f"None there, {closed}: how many posts of each kind there are is up to chance"
        raise InputError(name, got, takes)
    if scenario.real_weight is not None:
        _check_real_weight(setting, closed)
    if scenario.retrieval == "recent":
        _check_recent(setting, capped, closed)


def _check_real_weight(setting: Setting, closed: str) -> None:
    scenario = setting.scenario
    got = f"{scenario.real_weight:g}"
    if setting.spec.update == "sequential":
        raise InputError("real_weight", f"{got} with update = 'sequential'",
                         f"update = 'refit' or ('prior', nu), {closed}")  # fmt: skip
    if scenario.anchors is not None or scenario.retrieval != "uniform":
        name = "anchors" if scenario.anchors is not None else "retrieval"
        got = f"{getattr(scenario, name)!r} beside a real_weight"
        raise InputError(name, got, f"the paper's, {closed}")
    if any(not np.isin(net, (0.0, 1.0)).all() for net in setting.networks.values()):
        got = "weights beside a real_weight"
        raise InputError("readers", got, f"zeros and ones, or None, {closed}")


def _check_recent(setting: Setting, capped: bool, closed: str) -> None:
    takes = f"'uniform', {closed}"
    if capped or setting.by_author or setting.by_kind:
        got = "'recent' where posts are told apart or leave by chance"
        raise InputError("retrieval", got, takes)
    if setting.scenario.anchors is not None:
        raise InputError("retrieval", "'recent' beside anchors", takes)
    lags = setting._whole_batches()
    if (lags < 0).any():
        t = int(np.argmin(lags >= 0))
        got = f"'recent', whose newest posts at step {t} are no whole number of steps' posts"
        raise InputError("retrieval", got, f"{takes}, or an n_read of whole steps' posts")
    if lags.max(initial=0) > _MOST_LAGS:
        got = f"'recent' that reaches back {lags.max()} steps"
        raise InputError("retrieval", got, f"at most {_MOST_LAGS} steps, {closed}")
