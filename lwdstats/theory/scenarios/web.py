"""The web of a scenario as pools of posts: what each step adds to them, and what stays.

Letters in the shapes: C steps of a chunk, S coordinates, T steps in all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwdstats.arrays import FloatArray
from lwdstats.theory.scenarios.state import Half, Noise, State

Keep = str | tuple[str, int]


@dataclass(frozen=True)
class Origin:
    """Who adds to a pool: how many posts a step, (T,), and drawn from what.

    `mean` is the coordinate of the composition that they are drawn from; where they come
    from models that are alike, `apart` is that of a typical one's difference from it.
    """

    count: NDArray[np.int64]
    mean: int
    apart: int | None = None

    def typical(self, state: State) -> FloatArray:
        """Return the form of what one post is drawn from, (S,)."""
        form = state.unit(self.mean)
        if self.apart is not None:
            form[self.apart] = 1.0
        return form


@dataclass(frozen=True)
class Pool:
    """Posts that a reader does not tell apart.

    Attributes
    ----------
    share : int
        Coordinate of the composition of what is on the web.
    lags : list of int
        Coordinates of what the newest steps added, the newest first; as many as are needed.
    origins : list of Origin
    initial : int
        Posts at 0.
    size : (T+1,) int64
        Posts on the web.
    """

    share: int
    origins: list[Origin]
    initial: int
    size: NDArray[np.int64]
    lags: list[int] = field(default_factory=list)

    @property
    def added(self) -> NDArray[np.int64]:
        """Posts that each step adds, (T,)."""
        return sum((o.count for o in self.origins), np.zeros(self.size.size - 1, np.int64))

    def batch(self, t: NDArray[np.int64], lag: int) -> NDArray[np.int64]:
        """Return how many posts the step ``t - lag`` added, step -1 being the initial web."""
        all_batches = np.concatenate([[self.initial], self.added])
        place = t - lag + 1
        return np.where(place >= 0, all_batches[np.maximum(place, 0)], 0)


def ratio(numerator: NDArray[Any], denominator: NDArray[Any]) -> FloatArray:
    """Return quotients, 0 where nothing is divided by."""
    some = denominator != 0
    return np.where(some, numerator / np.where(some, denominator, 1), 0.0)


def posting(state: State, pools: list[Pool], keep: Keep, t: NDArray[np.int64]) -> Half:
    """Return what the posts of steps `t`, (C,), do to the web."""
    half = Half({}, [])
    for pool in pools:
        rule = keep if isinstance(keep, str) else keep[0]
        if rule in ("random", "reservoir"):
            _capacity(state, pool, str(rule), int(keep[1]), t, half)
        else:
            _batches(state, pool, keep, t, half)
    return half


def _new(state: State, pool: Pool, t: NDArray[np.int64]) -> tuple[FloatArray, list]:
    """Return the mean of the composition of what is added, (C, S), and its noise."""
    added = pool.added[t]
    mean, terms = np.zeros((t.size, state.size)), []
    for origin in pool.origins:
        share = ratio(origin.count[t], added)
        mean += share[:, None] * state.unit(origin.mean)
        terms.append((ratio(share, added), origin.typical(state)))
    return mean, terms


def _batches(state: State, pool: Pool, keep: Keep, t: NDArray[np.int64], half: Half) -> None:
    """Add what all that is kept, or the last m steps, do to a pool."""
    new, terms = _new(state, pool, t)
    now, after, added = pool.size[t], pool.size[t + 1], pool.added[t]
    weight = ratio(added, after)
    share = state.unit(pool.share)
    if keep == "all":
        rows = ratio(now, after)[:, None] * share + weight[:, None] * new
    else:
        rows = weight[:, None] * new
        for lag in range(2, int(keep[1]) + 1):
            rows += ratio(pool.batch(t + 1, lag), after)[:, None] * state.unit(pool.lags[lag - 2])
    # Of a pool without posts the composition does not matter.
    rows[after == 0] = share
    half.rows[pool.share] = rows
    direction = weight[:, None] * share
    if pool.lags:
        newest = state.unit(pool.lags[0])
        direction = direction + (added > 0)[:, None] * newest
        half.rows[pool.lags[0]] = np.where((added > 0)[:, None], new, newest)
        for place, source in zip(pool.lags[1:], pool.lags[:-1], strict=True):
            half.rows[place] = np.tile(state.unit(source), (t.size, 1))
    half.noise.append(Noise(direction, terms))


def _capacity(
    state: State, pool: Pool, rule: str, capacity: int, t: NDArray[np.int64], half: Half
) -> None:
    """Add what a web of fixed capacity does.

    K of the new posts come, and what they displace goes at random: for random replacement K
    is all of them, for a reservoir it is hypergeometric, while all fit it is all of them too.
    """
    mean_new, parts = _new(state, pool, t)
    now, after, added = pool.size[t], pool.size[t + 1], pool.added[t]
    come, variance = added * 1.0, np.zeros(t.size)
    if rule == "reservoir":
        ever = (pool.initial + np.concatenate([[0], np.cumsum(pool.added)]))[t]
        full = ever + added > capacity
        # Hypergeometric: of all that ever came, a sample of the capacity.
        total = (ever + added)[full]
        part = added[full] / total
        come[full] = capacity * part
        left = (total - capacity) / np.maximum(total - 1, 1)
        variance[full] = capacity * part * (1 - part) * left
    stay = after - come
    square = come**2 + variance  # E K^2
    size = after.astype(np.float64)
    share = state.unit(pool.share)
    rows = ratio(stay, size)[:, None] * share + ratio(come, size)[:, None] * mean_new
    rows[after == 0] = share
    half.rows[pool.share] = rows
    # Of the old ones J = M - K stay, drawn without replacement: E J (N - J).
    gone = stay * now - (stay**2 + variance)
    old = (ratio(gone, size**2 * np.maximum(now - 1, 1)), np.tile(share, (t.size, 1)))
    # Of the T new ones K come, drawn without replacement from what was drawn.
    each = size**2 * np.maximum(added - 1, 1)
    terms = [old, (ratio(come * added - square, each), mean_new)]
    inside = np.where(added > 1, ratio(square - come, each), ratio(square, size**2))
    for (v, form), origin in zip(parts, pool.origins, strict=True):
        del v
        terms.append((inside * ratio(origin.count[t], added), form))
    if rule == "reservoir":
        # How many come is random, too: v |P - q|^2.
        terms.append((-ratio(variance, size**2), mean_new - share))
    half.noise.append(Noise(share, terms))
