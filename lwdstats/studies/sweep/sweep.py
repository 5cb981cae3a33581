"""Many runs of a network that differ in some arguments, and what comes of each."""

from __future__ import annotations

import json
import os
import re
import shutil
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import joblib
import pandas as pd
import xarray as xr

from lwdstats.errors import InputError, check_bool
from lwdstats.simulate.gmm.simulate_gmm import check_jobs
from lwdstats.simulate.progress import Progress
from lwdstats.simulate.specs import FILES, SCENARIO_FILES
from lwdstats.streams import check_replicates, resolve_seed
from lwdstats.studies.sweep.cells import Cell, cells_of, read_base
from lwdstats.studies.sweep.frames import alike, failures_of, frame_of
from lwdstats.studies.sweep.grid import Grid, read_grid
from lwdstats.studies.sweep.jobs import Job, run_jobs
from lwdstats.studies.sweep.measures import Measure, identity_of, read_measures
from lwdstats.studies.sweep.result import Sweep
from lwdstats.studies.sweep.store import Key, Record, SweepStore, today

# A number within a text.
_NUMBER = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?|-?\binf\b")


def sweep(
    base: Mapping[str, Any] | str | os.PathLike[str] | xr.Dataset,
    grid: Mapping[str, Any] | pd.DataFrame,
    *,
    replicates: int | Sequence[int] | None = None,
    measure: Any = "fnorm",
    store: str | os.PathLike[str] | None = None,
    n_jobs: int | None = None,
    seed: int | str | None = None,
    keep: str = "measures",
    common_streams: bool = True,
    retry: bool = False,
    progress: bool | None = None,
) -> Sweep:
    """Run a network for each combination of some arguments, and measure every run.

    Parameters
    ----------
    base : mapping, path or xarray.Dataset
        What all runs share: a `simulator` ("gmm" or "llm") and its arguments, a TOML file of
        them, or a dataset, which stands for its specification.
    grid : mapping or pandas.DataFrame
        Values of each argument that varies; a field of a scenario is ``"scenario.keep"``. Values
        may have labels, ``{"scenario.readers": {"all": None, "ring": "ring"}}``, and a factor of
        another name labels of several arguments each, ``{"regime": {"replace":
        {"scenario.keep": "last", "scenario.fresh": 0}}}``. All combinations run. Or a design, a
        row a cell and a column an argument, as `design` makes by Latin hypercubes.
    replicates : int or sequence of int, optional
        Runs of each cell, or their ids; by default those of `base`, or 1.
    measure : str, callable, sequence or mapping
        Names, see below; functions of the dataset of one replicate, which return a number, values
        over time or several by name; or a mapping from columns to these, or to tables of options:
        ``{"fnorm": {"time": [10, 100]}, "collapse_time": {"threshold": 0.1}}``.
    store : path, optional
        Folder that keeps what was measured: the same call goes on where one was killed, and a
        changed grid runs what is new.
    n_jobs : int, optional
        Jobs at a time, as joblib counts them; by default what ``joblib.parallel_config`` says.
    seed : int or str, optional
        By default that of `base`, or of the store; else drawn.
    keep : {"measures", "datasets"}
        Whether netCDF files of the runs stay in the store, too.
    common_streams : bool
        Whether replicate r has the same random streams in all cells, which sharpens contrasts;
        errors are then clustered by replicate. Otherwise each cell has streams of its own.
    retry : bool
        Whether runs of the store that failed run again.
    progress : bool, optional
        Whether to show a bar with the time left; by default where standard error is a terminal.

    Returns
    -------
    Sweep
        One row a run, a view by factors, pictures; `lm`, `coxph` and others take it.

    Raises
    ------
    InputError
        If an argument can't be used. No work has begun then.

    Warns
    -----
    UserWarning
        If runs failed: their reasons are in `failures` of the result.

    Notes
    -----
    Measures: `fnorm`, `fnorm_debiased`, `diversity`, `inner_diversity`, `drift`, `distinct_n` at a
    `time` (None, the last; a list; "all"), means over models; `collapse_time` below a `threshold`
    for good, or for the ``first=True`` time, of ``of="fnorm"`` or "diversity", with `collapsed`
    (False where it is censored), by another name x as `x_time` and `x`; `limit`, the c of
    `convergence_fit`; `rho` of `fit_proxy`; `collapse_r2`, the adjusted R2 of `collapse_test`.

    A run of mixtures depends on its specification, the seed and its replicate alone: neither on
    order, nor on `n_jobs`, nor on what ran before, to the bit. ``docs/sweeps.md`` has clusters.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> base = {"simulator": "gmm", "n_steps": 30}
    >>> found = lwd.sweep(base, {"beta": [0.2, 0.8]}, replicates=5, seed=1)
    >>> found.frame.columns.tolist(), len(found.frame)
    (['beta', 'cell', 'replicate', 'fnorm'], 10)
    """
    begin = prepare(
        base, grid, replicates=replicates, measure=measure, seed=seed, keep=keep,
        store=store, common_streams=common_streams, n_jobs=n_jobs,
    )  # fmt: skip
    check_bool("retry", retry)
    with SweepStore(store) as kept:
        work = begin(kept)
        todo = work.jobs(kept, retry=retry)
        total = len(work.ready) * len(work.replicates)
        left = sum(len(job.replicates) for job in todo)
        places = {(job.cell, job.replicates): job for job in todo}
        try:
            with Progress(total, progress, done=total - left) as bar:
                bar.say("runs")
                for cell, records in run_jobs(todo, n_jobs):
                    kept.add(cell, records)
                    _drop_answers(places[cell, tuple(records)], records)
                    bar.step(len(records))
        except BaseException as error:
            if kept.folder is not None:
                error.add_note(f"What was done is in {kept.folder}: the same call goes on.")
            raise
        result = work.result(kept)
    if len(result.failures):
        counts = Counter(result.failures["reason"])
        reason, n = counts.most_common(1)[0]
        told = f"{len(result.failures)} of {len(work.cells) * len(work.replicates)} runs failed, "
        told += f"{n} with {reason!r}; the others are in `failures`"
        warnings.warn(told, stacklevel=2)
    return result


def _drop_answers(job: Job, records: Mapping[int, Record]) -> None:
    """Remove language models' answers when their measures are kept, and no cap stopped them."""
    if job.answers is not None and not any(record.get("stopped") for record in records.values()):
        shutil.rmtree(job.answers, ignore_errors=True)


@dataclass(frozen=True)
class Work:
    """All that a sweep is to do."""

    base: dict[str, Any]
    grid: Grid
    cells: list[Cell]
    replicates: tuple[int, ...]
    measures: tuple[Measure, ...]
    seed: int
    files: bool
    common_streams: bool
    n_jobs: int | None
    spec: str | None

    @property
    def together(self) -> int:
        """How many replicates of mixtures a job has: where cells are few, a part of them."""
        n_jobs: Any = self.n_jobs  # None, as joblib takes it, is what its configuration says
        workers = joblib.effective_n_jobs(n_jobs)
        jobs = 1 if workers == 1 else -(-4 * workers // max(len(self.ready), 1))
        return -(-len(self.replicates) // jobs)

    @property
    def ready(self) -> list[Cell]:
        """The cells whose arguments can be used."""
        return [cell for cell in self.cells if not cell.refused]

    def jobs(self, store: SweepStore, *, retry: bool = False) -> list[Job]:
        """Return what is to be done, less what the store has."""
        done: set[Key] = store.done({c.key for c in self.ready}, retry=retry, files=self.files)
        folder = None if store.folder is None else str(store.folder)
        jobs, seen = [], set()
        for cell in self.ready:
            # Two rows of a design may be the same cell.
            if cell.key in seen:
                continue
            seen.add(cell.key)
            missing = [r for r in self.replicates if (cell.key, r) not in done]
            # A run of language models is work enough for a job.
            size = 1 if cell.simulator == "llm" else self.together
            parts = [missing[i : i + size] for i in range(0, len(missing), size)]
            jobs += [
                Job(
                    cell.key, cell.network, cell.simulator, cell.arguments, tuple(part),
                    self.measures, folder, self.files,
                )
                for part in parts
            ]  # fmt: skip
        return jobs

    def result(self, store: SweepStore) -> Sweep:
        """Return what the store has of this sweep."""
        records = alike(store.records({cell.key for cell in self.ready}))
        frame, columns = frame_of(self.grid, self.cells, self.replicates, records)
        said: dict[str, str] = {}
        cells: Counter[str] = Counter()
        for cell in self.ready:
            texts = [w for r in self.replicates for w in records[cell.key, r].get("warnings", ())]
            # What differs in its numbers alone is one note, by the first.
            one = {_NUMBER.sub("#", text): text for text in reversed(texts)}
            said = one | said
            cells.update(list(one))
        return Sweep(
            frame=frame,
            factors=tuple(self.grid.levels),
            measures=columns,
            levels=self.grid.levels,
            failures=failures_of(self.grid, self.cells, self.replicates, records),
            replicates=self.replicates,
            n_cells=len(self.cells),
            full=self.grid.full,
            seed=str(self.seed),
            common_streams=self.common_streams,
            notes=tuple(f"{n} cells: {said[like]}" for like, n in cells.items()),
            store=None if store.folder is None else str(store.folder),
            files=tuple(
                sorted({record["file"] for record in records.values() if "file" in record})
            ),
            spec=self.spec,
        )


def prepare(
    base: Any,
    grid: Any,
    *,
    replicates: Any,
    measure: Any,
    seed: Any,
    keep: str,
    store: Any,
    common_streams: bool,
    n_jobs: int | None,
) -> Callable[[SweepStore], Work]:
    """Check what `sweep` takes, and return what gives its cells once the store is open.

    Raises
    ------
    InputError
        As `sweep`.
    """
    held = read_base(base)
    points = read_grid(grid, held["simulator"])
    measures = read_measures(measure)
    check_bool("common_streams", common_streams)
    check_jobs(n_jobs)
    if keep not in ("measures", "datasets"):
        raise InputError("keep", keep, "'measures' or 'datasets'")
    if keep == "datasets" and store is None:
        raise InputError("keep", "'datasets' without a store", "a store, in which files are kept")
    given = held.pop("replicates", None) if replicates is None else replicates
    held.pop("replicates", None)
    ids = check_replicates(1 if given is None else given)
    own = held.pop("seed", None)
    seed = own if seed is None else seed
    known = None if seed is None else resolve_seed(seed)

    def work(kept: SweepStore) -> Work:
        chosen = known
        if chosen is None:
            chosen = int(kept.remembered("seed", lambda: str(resolve_seed(None))))
        run = dict(held)
        if run["simulator"] == "llm" and run.get("date") is None:
            # A sweep that goes on after midnight is the same sweep.
            run["date"] = kept.remembered("date", today)
        cells = cells_of(
            run, points, ids, chosen, identity_of(measures), common_streams=common_streams
        )
        return Work(
            run, points, cells, ids, measures, chosen, keep == "datasets",
            common_streams, n_jobs,
            _as_file({
                "replicates": list(ids), "seed": str(chosen), "common_streams": common_streams,
                "measure": measure, "base": held, "grid": grid,
            }),
        )  # fmt: skip

    return work


def _as_file(told: dict[str, Any]) -> str | None:
    """Return what a file of the sweep says, as JSON; None where it holds what no file can.

    Of files that it names, the folder of this machine is left out.
    """
    if isinstance(told["grid"], pd.DataFrame):
        return None
    base = dict(told["base"])
    tables: list[tuple[dict[str, Any], tuple[str, ...]]] = [(base, FILES)]
    if isinstance(scenario := base.get("scenario"), Mapping):
        base["scenario"] = dict(scenario)
        tables.append((base["scenario"], SCENARIO_FILES))
    for table, names in tables:
        for name in names:
            if isinstance(table.get(name), str):
                table[name] = os.path.basename(table[name])
    try:
        held = told | {"base": base}
        return json.dumps(held, default=lambda x: x.tolist(), ensure_ascii=False, indent=1)
    except (AttributeError, TypeError, ValueError):
        return None
