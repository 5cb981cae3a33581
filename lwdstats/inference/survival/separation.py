"""Coefficients of a Cox model that have no finite estimate, found by linear programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import csr_array, hstack

from lwdstats.arrays import FloatArray

_SMALL = 1e-7


@dataclass(frozen=True, eq=False)
class Rows:
    """Columns (n, p), times, events and strata (n,), and the row of the data that each is, (n,)."""

    x: FloatArray
    time: FloatArray
    event: NDArray[np.bool_]
    strata: NDArray[np.int64]
    given_row: NDArray[np.int64] | None = None

    @property
    def row(self) -> NDArray[np.int64]:
        """Which row of the data each row is."""
        return np.arange(len(self.x)) if self.given_row is None else self.given_row

    def risk_sets(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Yield, for each time of an event in each stratum, who has one and who is at risk."""
        for stratum in np.unique(self.strata):
            inside = np.flatnonzero(self.strata == stratum)
            time = self.time[inside]
            for at in np.unique(time[self.event[inside]]):
                yield inside[(time == at) & self.event[inside]], inside[time >= at]


def infinite_directions(rows: Rows) -> FloatArray:
    """Return directions (m, p) along which the partial likelihood never falls, but rises somewhere.

    Along such a direction whoever has the event comes first, or level with the first, among
    those at risk each time. Each found is the one that moves a coefficient furthest up, or down,
    within a box; none where all estimates are finite.
    """
    scale = np.abs(rows.x - rows.x.mean(0)).max(0)
    scaled = replace(rows, x=(rows.x - rows.x.mean(0)) / scale)
    at_most: Any = _order(scaled)  # sparse, which the types of linprog do not know
    p = scale.size
    bounds = [(-1.0, 1.0)] * p + [(None, None)] * (at_most.shape[1] - p)
    none = np.zeros(at_most.shape[0])
    found = []
    for k in range(p):
        for sign in (-1.0, 1.0):
            goal = np.zeros(at_most.shape[1])
            goal[k] = sign
            # In a box it is never unbounded, and 0 is always there.
            solved: Any = linprog(goal, A_ub=at_most, b_ub=none, bounds=bounds, method="highs")
            direction = solved.x[:p]
            direction[np.abs(direction) < _SMALL] = 0.0
            # It has to raise the likelihood: along others nothing changes.
            if direction[k] != 0 and _rises(scaled, direction):
                found.append(direction / scale)
    return np.array(found).reshape(-1, p)


def at_the_limit(rows: Rows, directions: FloatArray) -> Rows:
    """Return rows whose partial likelihood is the limit along directions.

    What is left at each time is a comparison of those who come first along the directions; each
    is a stratum of its own, so that a row occurs once for each time that it takes part in.
    """
    if not len(directions):
        return rows
    towards = directions / np.abs(directions).max(1, keepdims=True)
    # A sum of all with weights that no chance tie undoes.
    value = rows.x @ (towards.T @ np.sqrt(np.arange(2.0, len(towards) + 2)))
    slack = _SMALL * max(float(np.ptp(value)), 1e-300)
    parts, events = [], []
    for now, risk in rows.risk_sets():
        first = risk[value[risk] >= value[now].min() - slack]
        parts.append(first)
        events.append(np.isin(first, now))
    row = np.concatenate(parts)
    strata = np.repeat(np.arange(len(parts)), [part.size for part in parts])
    return Rows(rows.x[row], np.ones(row.size), np.concatenate(events), strata, row)


def _order(rows: Rows) -> csr_array:
    """Return rows of "at most 0" over the coefficients and, for each time, a top.

    A top stands for the largest predictor of those at risk: it is at least that of each who
    leaves before the next time and at least the next top, and each event is at least its top. So
    rows are about as many as there are data.
    """
    x, plain, tops = rows.x, [], []
    sets = list(rows.risk_sets())
    for top, (now, risk) in enumerate(sets):
        after = sets[top + 1][1] if top + 1 < len(sets) else risk[:0]
        # The next set is of the same stratum where it is part of this one.
        inside = after.size > 0 and rows.strata[after[0]] == rows.strata[risk[0]]
        leaves = np.setdiff1d(risk, after) if inside else risk
        plain += [x[leaves], -x[now]]
        tops += [[(top, -1.0)]] * leaves.size + [[(top, 1.0)]] * now.size
        if inside:
            plain.append(np.zeros((1, x.shape[1])))
            tops.append([(top + 1, 1.0), (top, -1.0)])
    entries = [(row, column, value) for row, some in enumerate(tops) for column, value in some]
    row, column, value = zip(*entries, strict=True)
    of_tops = csr_array((value, (row, column)), shape=(len(tops), len(sets)))
    return csr_array(hstack([csr_array(np.vstack(plain)), of_tops]))


def _rises(rows: Rows, direction: FloatArray) -> bool:
    value = rows.x @ direction
    return any(value[now].min() > value[risk].min() + _SMALL for now, risk in rows.risk_sets())
