"""The work of a sweep: some replicates of a cell, simulated and measured, here or elsewhere."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import xarray as xr

from lwdstats.dataset.files import write_results
from lwdstats.simulate.llm.storing.journal import RunStoppedError
from lwdstats.simulate.specs import SIMULATORS
from lwdstats.studies.sweep.measures import Measure
from lwdstats.studies.sweep.store import Record

# How often all workers may die without a job done, before the sweep stops.
_DEATHS = 3


@dataclass(frozen=True)
class Job:
    """Replicates of a cell that are to run.

    Attributes
    ----------
    cell : str
        Key of the cell.
    network : str
        Digest of the specification, by which files are named.
    simulator : str
    arguments : dict
        Of the simulator.
    replicates : tuple of int
    measures : tuple of Measure
    folder : str or None
        The store, where files and answers of language models are kept.
    files : bool
        Whether datasets are kept.
    """

    cell: str
    network: str
    simulator: str
    arguments: dict[str, Any]
    replicates: tuple[int, ...]
    measures: tuple[Measure, ...]
    folder: str | None
    files: bool

    @property
    def name(self) -> str:
        """What its files are called."""
        runs = hashlib.sha256(repr(self.replicates).encode()).hexdigest()
        return f"{self.network[:16]}-{runs[:8]}"

    @property
    def answers(self) -> Path | None:
        """Where language models' answers are kept while it runs."""
        if self.folder is None or self.simulator != "llm":
            return None
        return Path(self.folder) / "answers" / self.name


def run_job(job: Job) -> tuple[str, dict[int, Record]]:
    """Return the key of the cell, and the record of each replicate.

    A record has `values` by column, or the `error` that ended the run, whatever it was.
    """
    with joblib.parallel_config("sequential"), _noting() as said:
        try:
            ds, file = _simulated(job)
        except Exception as error:
            return job.cell, dict.fromkeys(job.replicates, _failed(error))
        records = {}
        for i, replicate in enumerate(job.replicates):
            try:
                one = ds if len(job.replicates) == 1 else ds.isel(replicate=[i])
                records[replicate] = _measured(job.measures, one) | file
            except Exception as error:
                records[replicate] = _failed(error) | file
    notes = {"warnings": said} if said else {}
    return job.cell, {replicate: record | notes for replicate, record in records.items()}


def _simulated(job: Job) -> tuple[xr.Dataset, dict[str, str]]:
    """Return the dataset of a job, and the name of its file where it is kept."""
    how: dict[str, Any] = {"progress": False}
    if job.simulator == "gmm":
        how["n_jobs"] = 1
    elif job.answers is not None:
        # A network of language models is long: it goes on where it was stopped.
        how["store"] = job.answers
    ds = SIMULATORS[job.simulator](**job.arguments, replicates=list(job.replicates), **how)
    if not job.files or job.folder is None:
        return ds, {}
    folder = Path(job.folder) / "datasets"
    folder.mkdir(exist_ok=True)
    path = write_results(ds, folder / f"{job.name}.nc")
    return ds, {"file": f"{path.parent.name}/{path.name}"}


def _measured(measures: Sequence[Measure], ds: xr.Dataset) -> Record:
    values: dict[str, Any] = {}
    for measure in measures:
        values |= measure.of(ds)
    # What JSON can't hold is found here, where a failure is a failure of this run.
    json.dumps(values)
    return {"values": values}


def _failed(error: Exception) -> Record:
    said = str(error) or "no message"
    return {
        "error": f"{type(error).__name__}: {said}",
        "stopped": isinstance(error, RunStoppedError),
    }


@contextlib.contextmanager
def _noting() -> Iterator[list[str]]:
    """Collect the warnings of a job, where no other thread has filters of its own to lose."""
    said: list[str] = []
    if threading.current_thread() is not threading.main_thread():
        yield said
        return
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        yield said
    said += dict.fromkeys(
        str(one.message) for one in caught if issubclass(one.category, UserWarning)
    )


def run_jobs(jobs: Sequence[Job], n_jobs: int | None) -> Iterator[tuple[str, dict[int, Record]]]:
    """Run jobs by joblib's back-end in force, and give each when it is done, in any order.

    Where a worker is killed with what it had, all that is not done runs again.
    """
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    left = {(job.cell, job.replicates): job for job in jobs}
    deaths = 0
    # One at a time: results of a batch would wait for each other.
    options: dict[str, Any] = {"batch_size": 1, "pre_dispatch": "2*n_jobs"}
    if n_jobs is not None:
        options["n_jobs"] = n_jobs
    while left:
        parallel: Any = joblib.Parallel(return_as="generator_unordered", **options)
        try:
            for cell, records in parallel(
                joblib.delayed(run_job)(job) for job in list(left.values())
            ):
                yield cell, records
                del left[cell, tuple(records)]
                deaths = 0
        except TerminatedWorkerError as error:
            deaths += 1
            if deaths == _DEATHS:
                message = f"workers were killed {deaths} times with nothing done between: {error}"
                raise RunStoppedError(message) from error
