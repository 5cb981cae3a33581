"""From a network and its scenario to the coordinates and steps that its moments follow from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwdstats.arrays import FloatArray
from lwdstats.scenario.growth import kept_sizes
from lwdstats.theory.scenarios.reading import (
    Group,
    Reads,
    Terms,
    draw_weights,
    one_source,
    real_and_other,
    reweighted,
    updated,
    with_anchor,
)
from lwdstats.theory.scenarios.setting import Setting
from lwdstats.theory.scenarios.state import Half, State, stacked, together
from lwdstats.theory.scenarios.web import Origin, Pool, posting, ratio

# How many numbers the steps of one chunk may hold.
_CHUNK = 4_000_000
# The sum over components, as the kernel takes it.
_ALL = np.array([[-1, -1]])


@dataclass(frozen=True)
class Run:
    """Moments of the state at times that follow each other.

    Attributes
    ----------
    first : int
        The first of the times.
    mean, gram : (C, B, S), (C, Q, S, S) float64
        As `propagate` has them.
    """

    first: int
    mean: FloatArray
    gram: FloatArray


@dataclass(eq=False)
class Program:
    """Coordinates, groups of models, pools of posts, and the steps that they go through.

    Models that do the same are a group where `alike` is true; otherwise each is its own.
    """

    setting: Setting
    alike: bool = True
    state: State = field(init=False)
    groups: list[Group] = field(init=False)
    pools: dict[str | int, Pool] = field(init=False)
    even: int | None = field(init=False)

    def __post_init__(self) -> None:
        s = self.setting
        self.state = State(s.n_components)
        self.even = None
        parts = [self._group(models) for models in s.parts(self.alike)]
        self._make_pools(parts)
        self.groups = [self._group_of(part) for part in parts]
        if any((g.c != 0).any() for g in self.groups):
            self.even = self.state.add(np.full(s.n_components, 1 / s.n_components))

    def _group(self, models: NDArray[np.int64]) -> dict[str, Any]:
        """Return what a group of models is, with its coordinates, less what it reads."""
        s, m = self.setting, models.size
        weights = s.weights[models]
        mean = weights.mean(0)
        place = self.state.add(mean)
        self.state.extra[place, place] = s.start / m
        one: dict[str, Any] = {"models": models, "mean": place, "apart": None}
        differ = weights - mean
        if m > 1:
            one["apart"] = apart = self.state.add(np.zeros_like(mean), 0.0)
            self.state.extra[apart, apart] = differ.T @ differ / m + s.start * (1 - 1 / m)
        one |= {"reads": bool(s.reads[models[0]]), "posts": bool(s.posts[models[0]])}
        one |= {"anchor": None, "anchor_apart": None}
        if s.sources is not None and one["reads"]:
            own = s.sources[models]
            one["anchor"] = self.state.add(own.mean(0))
            away = own - own.mean(0)
            if away.any():
                one["anchor_apart"] = other = self.state.add(np.zeros_like(mean), 0.0)
                self.state.extra[other, other] = away.T @ away / m
                self.state.extra[one["apart"], other] = differ.T @ away / m
                self.state.extra[other, one["apart"]] = away.T @ differ / m
        return one

    def _make_pools(self, parts: list[dict[str, Any]]) -> None:
        s = self.setting
        fresh, noise = s.added
        origins: dict[str | int, list[Origin]] = {}
        for part in parts:
            if part["posts"]:
                count = np.full(s.n_steps, part["models"].size * s.spec.n_responses)
                name = int(part["models"][0]) if s.by_author else "synthetic"
                origins.setdefault(name, []).append(Origin(count, part["mean"], part["apart"]))
        origins["real"], origins["noise"] = [], []
        for name, law, count in (("real", s.fresh, fresh), ("noise", s.noise, noise)):
            if law is not None:
                origins[name].append(Origin(count, self.state.add(law)))
        if not s.by_kind:
            origins = self._merged(origins)
        self.pools = {}
        for name, some in origins.items():
            initial = s.spec.n_initial if name in ("real", "web") else 0
            if not some and not initial:
                continue
            added = sum((o.count for o in some), np.zeros(s.n_steps, np.int64))
            share = self.state.add(s.share if initial else None)
            size = kept_sizes(s.keep, initial, added)
            pool = Pool(share, some, initial, size)
            for lag in range(self._n_lags()):
                first = s.share if lag == 0 and initial else None
                pool.lags.append(self.state.add(first))
            self.pools[name] = pool

    def _merged(self, origins: dict[str | int, list[Origin]]) -> dict[str | int, list[Origin]]:
        """Return pools of which no reader tells the kinds apart."""
        if not self.setting.by_author:
            return {"web": [one for some in origins.values() for one in some]}
        authors: dict[str | int, list[Origin]] = {
            name: some for name, some in origins.items() if isinstance(name, int)
        }
        return authors | {"web": origins["real"] + origins["noise"]}

    def _n_lags(self) -> int:
        return max(self.setting.kept_lags, self.setting.recent_lags())

    def _group_of(self, part: dict[str, Any]) -> Group:
        k, alpha, c = self.setting.of_model(int(part["models"][0]))
        return Group(**part, k=k, alpha=alpha, c=c)

    @cached_property
    def names(self) -> list[str | int]:
        """Names of the pools, in order."""
        return list(self.pools)

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """Posts of each pool, (G, T+1)."""
        return np.array([pool.size for pool in self.pools.values()]).reshape(
            len(self.pools), self.setting.n_steps + 1
        )

    @cached_property
    def _authors(self) -> tuple[NDArray[np.bool_], list[int]]:
        """Which pools are of an author, (G,), and the authors of those."""
        return (
            np.array([isinstance(name, int) for name in self.names], bool),
            [name for name in self.names if isinstance(name, int)],
        )

    def _readable(self, model: int, t: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many posts of each pool a model may read in steps t, (G, C)."""
        sizes = self.sizes[:, t]
        if not self.setting.by_author:
            return sizes
        by_author, authors = self._authors
        may = sizes.copy()
        may[by_author] *= (self.setting.row(model, t)[:, authors] > 0).T
        return may

    def _mixture(self, amounts: FloatArray | NDArray[np.int64]) -> FloatArray:
        """Return the form of a mixture of pools by amounts (G, C), which need not sum to 1."""
        form = np.zeros((amounts.shape[1], self.state.size))
        places = [pool.share for pool in self.pools.values()]
        form[:, places] = ratio(amounts, np.broadcast_to(amounts.sum(0), amounts.shape)).T
        return form

    def weights_of_models(self) -> tuple[FloatArray, FloatArray]:
        """Return the form of the mean weight x, (S,), and that of E mean_i |pi_i|^2, (S, S)."""
        mean, own = np.zeros(self.state.size), np.zeros((self.state.size, self.state.size))
        for group in self.groups:
            mean[group.mean] = share = group.models.size / self.setting.n_models
            for place in (group.mean, group.apart):
                if place is not None:
                    own[place, place] = share
        return mean, own

    def web(self, t: NDArray[np.int64]) -> FloatArray:
        """Return the form of the web's composition at times t, (C, S)."""
        return self._mixture(self.sizes[:, t])

    def _reads(self, group: Group, t: NDArray[np.int64]) -> Reads:
        """Return what points of the web a group reads in steps t."""
        s, model = self.setting, int(group.models[0])
        may = self._readable(model, t)
        if s.scenario.retrieval == "recent":
            return one_source(self._recent(group.k[t], t), group.k[t].astype(np.float64))
        if s.scenario.read_real is not None:
            share, form = self._anchor(group)
            return real_and_other(
                s.scenario.read_real, group.k[t], *self._by_kind(may), share, form
            )
        form, size = self._mixture(may), may.sum(0) * 1.0
        some = s.weighted(t)
        if some.any():
            # By weights of authors, each read is a new one.
            form = np.where(some[:, None], self._by_weight(model, may, t), form)
            size = np.where(some, np.inf, size)
        reads = one_source(form, size)
        return reads if group.anchor is None else with_anchor(reads, *self._anchor(group))

    def _anchor(self, group: Group) -> tuple[float, FloatArray]:
        """Return the share of reads from a source of a model's own, and its form (S,)."""
        form = np.zeros(self.state.size)
        if group.anchor is None or self.setting.scenario.anchors is None:
            return 0.0, form
        form[group.anchor] = 1.0
        if group.anchor_apart is not None:
            form[group.anchor_apart] = 1.0
        return float(self.setting.scenario.anchors[0]), form

    def _by_kind(
        self, may: NDArray[np.int64]
    ) -> tuple[tuple[FloatArray, FloatArray], tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Return forms and sizes of what is real, and of the others."""
        real = np.array([name == "real" for name in self.names])[:, None]
        kinds = may * real, may * ~real
        forms = self._mixture(kinds[0]), self._mixture(kinds[1])
        return forms, (kinds[0].sum(0), kinds[1].sum(0))

    def _by_weight(self, model: int, may: NDArray[np.int64], t: NDArray[np.int64]) -> FloatArray:
        """Return the form of a read by weights of authors, and what has no author by its number."""
        by_author, authors = self._authors
        common = ratio((may * ~by_author[:, None]).sum(0), may.sum(0))
        shares = np.zeros(may.shape)
        shares[by_author] = self.setting.row(model, t)[:, authors].T * (may[by_author] > 0)
        shares = ratio(shares, np.broadcast_to(shares.sum(0), shares.shape)) * (1 - common)
        others = self._mixture(may * ~by_author[:, None])
        return common[:, None] * others + self._mixture(shares) * shares.sum(0)[:, None]

    def _recent(self, k: NDArray[np.int64], t: NDArray[np.int64]) -> FloatArray:
        """Return the form of the newest k posts, which are whole batches."""
        (pool,) = self.pools.values()
        form, left = np.zeros((t.size, self.state.size)), k.copy()
        whole = k == pool.size[t]
        form[:, pool.share] = whole
        for lag, place in enumerate(pool.lags, 1):
            batch = pool.batch(t, lag)
            some = ~whole & (left > 0)
            form[some, place] = ratio(batch, k)[some]
            left = left - np.where(some, batch, 0)
        return form

    def _reading(self, t: NDArray[np.int64]) -> Half:
        s, half = self.setting, Half({}, [])
        for group in self.groups:
            if not group.reads:
                continue
            k, c = group.k[t], group.c[t]
            rho, s1, s2 = draw_weights(s.spec.update, group.alpha[t], k)
            mean, terms = self.read(group, t, s2, s1**2 - s2)
            left = 1 - s.n_components * c, c, self.even, s.n_components
            updated(self.state, group, mean, terms, rho, left, half)
        return half

    def read(
        self, group: Group, t: NDArray[np.int64], squares: FloatArray, products: FloatArray
    ) -> tuple[FloatArray, Terms]:
        """Return the form (C, S) of a point that a group reads, and the noise of a weighted sum.

        `squares` are the sums of squared weights of points, and `products` those of products.
        """
        weight = self.setting.scenario.real_weight
        if weight is None:
            reads = self._reads(group, t)
            return reads.mean, reads.noise(squares, products)
        kinds = self._by_kind(self._readable(int(group.models[0]), t))
        mean, terms = reweighted(weight, self.setting.scenario.read_real, group.k[t], *kinds)
        # In refits all that is read counts by its kind: what matters is the sum of weights.
        return mean, [((squares + products) * v, e) for v, e in terms]

    def kept(self, group: Group, t: NDArray[np.int64]) -> FloatArray:
        """Return what steps t leave of the weights of a group's models, (C,)."""
        return draw_weights(self.setting.spec.update, group.alpha[t], group.k[t])[0]

    def equilibrium(self, t: NDArray[np.int64]) -> FloatArray:
        """Return where repeated steps like the one step t take the mean of each group, (m, S)."""
        rows = self._reading(t).rows
        out = np.zeros((len(self.groups), self.state.size))
        for place, group in enumerate(self.groups):
            out[place, group.mean] = 1.0
            if group.mean in rows:
                row = rows[group.mean][0].copy()
                left = 1 - row[group.mean]
                row[group.mean] = 0.0
                out[place] = row / left if left > 0 else out[place]
        return out

    def halves(self, t: NDArray[np.int64]) -> list[Half]:
        """Return what steps t do: both halves at once, or the posts after the update."""
        s = self.setting
        read = self._reading(t)
        posted = posting(self.state, list(self.pools.values()), s.keep, t)
        if s.scenario.posts == "before update":
            return [together(read, posted)]
        return [read, posted]

    def arrays(self, t: NDArray[np.int64]) -> tuple[Any, ...]:
        """Return the arrays of `propagate` for steps t, those of two halves in turn."""
        parts = [stacked(half, t.size, self.state.size) for half in self.halves(t)]
        if len(parts) == 1:
            return parts[0]
        read, posted = parts
        n, size = t.size, self.state.size
        matrix = np.stack([read[0], posted[0]], 1).reshape(2 * n, size, size)
        wide = read[1].shape[1], posted[1].shape[1]
        many = read[3].shape[1], posted[3].shape[1]
        direction = np.zeros((n, 2, sum(wide), size))
        form, v = np.zeros((n, 2, sum(many), size)), np.zeros((n, 2, sum(many)))
        direction[:, 0, : wide[0]], direction[:, 1, wide[0] :] = read[1], posted[1]
        form[:, 0, : many[0]], form[:, 1, many[0] :] = read[2], posted[2]
        v[:, 0, : many[0]], v[:, 1, many[0] :] = read[3], posted[3]
        to = np.concatenate([read[4], posted[4] + wide[0]])
        joined = (direction, form, v)
        return matrix, *(a.reshape(2 * n, *a.shape[2:]) for a in joined), to

    def run(self, pairs: NDArray[np.int64] = _ALL) -> Iterator[Run]:
        """Yield the moments at all times, a chunk at a time.

        See `propagate` for the pairs; without any, means alone.
        """
        # Here, so that importing the package takes no numba.
        from lwdstats.theory.scenarios.kernel import propagate

        run_steps: Any = propagate
        state, n_steps = self.state, self.setting.n_steps
        mean, gram = state.mean(), state.gram(pairs)
        if pairs.size and pairs[0, 0] < 0:
            mean = mean[:0]  # sums over components need none
        yield Run(0, mean[None].copy(), gram[None].copy())
        totals = np.array(state.totals)
        each = state.size**2 * (6 + 2 * len(pairs)) + state.size * mean.shape[0]
        size = int(np.clip(_CHUNK // each, 1, 4096))
        for first in range(0, n_steps, size):
            t = np.arange(first, min(first + size, n_steps))
            arrays = self.arrays(t)
            steps = len(arrays[0])
            means = np.empty((steps, *mean.shape))
            grams = np.empty((steps, *gram.shape))
            run_steps(*arrays, totals, pairs, mean, gram, means, grams)
            every = steps // t.size
            yield Run(first + 1, means[every - 1 :: every], grams[every - 1 :: every])
