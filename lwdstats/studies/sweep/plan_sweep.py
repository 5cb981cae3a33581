"""What a sweep will take, before it runs."""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import joblib
import numpy as np
import pandas as pd

from lwdstats.errors import InputError, check_integer
from lwdstats.results.pictures import drawing
from lwdstats.results.result import Result, one_row
from lwdstats.simulate.llm.plan.plan import plan as plan_llm
from lwdstats.studies.sweep.jobs import Job, run_job
from lwdstats.studies.sweep.store import SweepStore
from lwdstats.studies.sweep.sweep import prepare, sweep


@dataclass(frozen=True, eq=False)
class SweepPlan(Result):
    """What a sweep will take, by `plan_sweep`.

    Attributes
    ----------
    cells : pandas.DataFrame
        A row a cell: its factors, `runs` to do, `seconds` of a run where it was tried, and of
        language models `calls`, `prompt_tokens`, `answer_tokens` and `cost` of its runs to do;
        `refused` says why its arguments can't be used.
    runs, left : int
        Runs of the sweep, and how many of them are to be done.
    workers : int
        Jobs at a time.
    seconds : float
        Expected time; NaN without a pilot.
    """

    cells: pd.DataFrame
    runs: int
    left: int
    workers: int
    seconds: float

    @property
    def cost(self) -> float:
        """Cost of language models in the prices' unit, NaN without prices."""
        cells: Any = self.cells
        return float(cells["cost"].sum(skipna=False)) if "cost" in cells else math.nan

    def tidy(self) -> pd.DataFrame:
        """Return the cells."""
        return self.cells.copy()

    def glance(self) -> pd.DataFrame:
        """Return one row about the whole sweep."""
        row = {"n_cells": len(self.cells), "n_runs": self.runs, "n_left": self.left}
        row |= {
            "n_refused": int(np.count_nonzero(self.cells["refused"] != "")),
            "workers": self.workers,
        }
        return one_row(row | {"seconds": self.seconds, "cost": self.cost})

    def lines(self) -> list[str]:
        """Return cells, runs, what is refused, tokens, and the time."""
        cells: Any = self.cells
        lines = [f"Plan of {len(cells)} cells, {self.runs} runs: {self.left} to do"]
        refused = cells[cells["refused"] != ""]
        if len(refused):
            lines += [f"{len(refused)} cells can't run, first: {refused['refused'].iloc[0]}"]
        if "calls" in cells:
            calls, read, written = cells[["calls", "prompt_tokens", "answer_tokens"]].sum()
            lines += [f"{calls:,.0f} calls: {read:,.0f} tokens read, {written:,.0f} written"]
        if not math.isnan(self.cost):
            lines += [f"Cost {self.cost:,.2f}"]
        if not math.isnan(self.seconds):
            tried = cells["seconds"].dropna()
            each = f"{len(tried)} runs tried: {tried.min():.3g} to {tried.max():.3g} s each"
            lines += [f"About {_spoken(self.seconds)} with {self.workers} at a time ({each})"]
        return lines

    def _caption(self) -> str:
        return self.lines()[0]

    def _draw(self, ax: drawing.Axes | None) -> drawing.Axes:
        """Draw how many runs each cell has to do."""
        ax = drawing.new_axes(ax)
        ax.bar(range(len(self.cells)), self.cells["runs"])
        ax.set(xlabel="cell", ylabel="runs to do")
        return ax


def plan_sweep(
    base: Any,
    grid: Any,
    *,
    pilot: int = 3,
    price_in: float | Mapping[str, float] | None = None,
    price_out: float | Mapping[str, float] | None = None,
    **options: Any,
) -> SweepPlan:
    """Say what a sweep will take: cells, runs, tokens, and the time from a pilot.

    Parameters
    ----------
    base, grid
        As `sweep` takes them.
    pilot : int
        How many cells are tried, one replicate each, spread over those to be done: their time
        is taken to be that of the others. 0 tries none, and language models are never asked.
    price_in, price_out : float or mapping from labels of models, optional
        Price of a million tokens read and written.
    **options
        As `sweep` takes them.

    Returns
    -------
    SweepPlan
        Print it to read it.

    Raises
    ------
    InputError
        As `sweep`.

    Notes
    -----
    A first run of the pilot that compiles is tried again, so that its time is that of the
    others. The time of n jobs is that of one over n: a busy machine takes longer.

    Examples
    --------
    >>> base = {"simulator": "gmm", "n_steps": 10}
    >>> print(plan_sweep(base, {"beta": [0.2, 0.8]}, replicates=5, pilot=0))
    Plan of 2 cells, 10 runs: 10 to do
    """
    pilot = check_integer("pilot", pilot, minimum=0)
    defaults = {
        name: one.default
        for name, one in inspect.signature(sweep).parameters.items()
        if one.kind is inspect.Parameter.KEYWORD_ONLY
    }
    for name in options:
        if name not in defaults:
            raise InputError(name, "an unknown argument", f"one of {', '.join(defaults)}")
    how = defaults | options
    retry, _ = how.pop("retry"), how.pop("progress")
    begin = prepare(base, grid, **how)
    with SweepStore(how["store"]) as kept:
        work = begin(kept)
        jobs = work.jobs(kept, retry=retry)
    todo: dict[str, int] = {}
    for job in jobs:
        todo[job.cell] = todo.get(job.cell, 0) + len(job.replicates)
    rows = []
    for cell in work.cells:
        runs = todo.get(cell.key, 0)
        row: dict[str, Any] = cell.levels | {"runs": runs, "seconds": math.nan}
        if cell.simulator == "llm":
            row |= _tokens(cell.arguments, runs, price_in, price_out)
        rows.append(row | {"refused": cell.refused})
    frame = pd.DataFrame(rows)
    first = {job.cell: job for job in reversed(jobs) if job.simulator == "gmm"}
    tried = [cell.index for cell in work.ready if cell.key in first]
    for place in np.unique(np.linspace(0, len(tried) - 1, min(pilot, len(tried))).astype(int)):
        index = tried[place]
        frame.loc[index, "seconds"] = _seconds(first[work.cells[index].key])
    workers = joblib.effective_n_jobs(how["n_jobs"])
    known = frame["seconds"].dropna().to_numpy(dtype=float)
    each = float(known.mean()) if len(known) else math.nan
    total = len(work.cells) * len(work.replicates)
    left = sum(todo.values())
    return SweepPlan(frame, total, left, workers, each * left / workers)


def _seconds(job: Job) -> float:
    """Return the time of one run, the second one."""
    one = replace(job, replicates=job.replicates[:1], folder=None, files=False)
    run_job(one)
    begin = time.perf_counter()
    run_job(one)
    return time.perf_counter() - begin


def _tokens(arguments: dict[str, Any], runs: int, price_in: Any, price_out: Any) -> dict[str, Any]:
    """Return calls, tokens and cost of some runs of language models."""
    told = plan_llm(
        {"simulator": "llm", **arguments}, replicates=1, price_in=price_in, price_out=price_out
    ).glance()
    names = ["calls", "prompt_tokens", "answer_tokens", "cost"]
    return {name: float(told[name].iloc[0]) * runs for name in names}


def _spoken(seconds: float) -> str:
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} seconds"
