"""Components that sit at the threshold of Algorithm 2 and come back."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib import pyplot as plt
from numpy.typing import NDArray

import lwdstats as lwd
from lwdstats.arrays import FloatArray

# What "others use it" means: their mean weight of the component.
_USED = 0.05
# Steps after a revival over which a fall is measured.
_AFTER = 3


class Event(NamedTuple):
    """A revival: model and component are back at the time after `time`."""

    run: int
    time: int
    model: int
    component: int
    before: float
    after: float
    share: float


class Search(NamedTuple):
    """Runs with B = 11, and what was found in them: weights (R, T+1, n, B), norms (R, T+1)."""

    apart: float
    threshold: float
    weight: FloatArray
    norm: FloatArray
    spell: NDArray[np.int64]
    events: list[Event]


def search(apart: float, threshold: float, least: int, runs: int = 60) -> Search:
    """Simulate, and find revivals after a spell of `least` steps or more at the threshold.

    A spell counts the steps that a component is there in one model while the
    others use it. `share` is that of the component in the fall of ||D||_F^2.
    """
    ds = lwd.simulate_gmm(
        3,
        11,
        means=apart * np.arange(-5, 6),
        replicates=runs,
        threshold=threshold,
        seed=11,
        progress=False,
    )
    weight = ds["weight"].transpose("replicate", "time", "model", "component").values
    norm = lwd.fnorm(ds).transpose("replicate", "time").values
    low = weight <= max(2 * threshold, 1e-9)
    others = (weight.sum(2, keepdims=True) - weight) / 2
    spell = np.zeros(low.shape, int)
    for t in range(1, low.shape[1]):
        spell[:, t] = np.where(low[:, t], spell[:, t - 1] + 1, 0)
    spell *= others >= _USED
    own = 6 * ((weight - weight.mean(2, keepdims=True)) ** 2).sum(2)
    back = (spell[:, :-_AFTER] >= least) & ~low[:, 1 : 1 - _AFTER]
    events = []
    for r, t, i, b in np.argwhere(back).tolist():
        fall = norm[r, t] ** 2 - norm[r, t + _AFTER] ** 2
        part = float((own[r, t, b] - own[r, t + _AFTER, b]) / fall)
        events += [Event(r, t, i, b, float(norm[r, t]), float(norm[r, t + _AFTER]), part)]
    return Search(apart, threshold, weight, norm, spell, events)


def row(found: Search, least: int) -> list[Any]:
    """Return the row of a table about a search."""
    falls = [e.after / e.before for e in found.events]
    return [
        f"{found.apart:g}",
        f"{found.threshold:.2g}",
        int(found.spell.max()),
        int((found.spell >= least).any((1, 2, 3)).sum()),
        len(found.events),
        max((e.time for e in found.events), default=""),
        f"{np.median(falls):.2f}" if falls else "",
    ]


def largest(found: Search, since: int) -> Event:
    """Return the revival from time `since` on after which the norm falls most."""
    return max((e for e in found.events if e.time >= since), key=lambda e: e.before - e.after)


def draw(shown: list[tuple[Search, Event, str, int]], path: Path) -> None:
    """Draw norm and weights of runs over time, each with its event marked, up to a time."""
    figure, axes = plt.subplots(
        2, len(shown), figsize=(6.4 * len(shown), 5.4), layout="constrained", sharex="col"
    )
    for (found, event, title, last), (top, below) in zip(shown, axes.T, strict=True):
        run, _, model, component = event[:4]
        top.plot(found.norm[run, : last + 1], "C0")
        top.set_ylabel(r"$\|D^{(t)}\|_F$")
        top.set_title(title, fontsize="medium")
        for i in range(3):
            width = 2.0 if i == model else 1.0
            series = found.weight[run, : last + 1, i, component]
            below.plot(series, label=f"model {i}", linewidth=width)
        below.set(xlabel="time t", ylabel=f"weight of component {component}")
        below.legend(frameon=False, fontsize="small")
        for ax in (top, below):
            ax.axvline(event.time + 0.5, color="C3", linestyle="--", linewidth=1)
        top.annotate(
            f"component {component} revives in model {model}",
            (event.time + 0.5, event.before),
            xytext=(8, 8),
            textcoords="offset points",
            color="C3",
            fontsize="small",
        )
    figure.savefig(path, dpi=130)
