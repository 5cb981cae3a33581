"""A run that is written as it goes: what is in memory does not grow with its kept times."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from lwdstats.dataset.growing_file import GrowingFile
from lwdstats.mixtures.spec import GmmSpec
from lwdstats.simulate.gmm.dataset import Run, build, final_attributes, gather, known_attributes
from lwdstats.simulate.gmm.exact.run import exact_runs
from lwdstats.simulate.gmm.exact.scenario.run import prepare, scenario_runs
from lwdstats.simulate.gmm.gaussian.run import gaussian_runs
from lwdstats.simulate.gmm.pieces import Piece, by_time


def write_run(
    spec: GmmSpec, path: Path, n_jobs: int | None, done: Callable[[], None], overlap: float | None
) -> None:
    """Run all replicates from one kept time to the next, and write each time as it is there.

    `done` is called after each of `by_time`; `overlap` is as `dataset` takes it. The file
    is the dataset that `simulate_gmm` returns without a path.

    Every replicate has its state in memory, and all of them together one kept time.
    """
    pieces = by_time(spec)
    runs = _runs(spec, pieces)
    # Threads, as states stay where they are; None is what a caller's parallel_config says.
    options: dict[str, Any] = {"require": "sharedmem"}
    if n_jobs is not None:
        options["n_jobs"] = n_jobs
    file = GrowingFile(path, spec.n_steps)
    singly, n_empty, n_unresolved = [], 0, 0
    # What only the end tells has its place in the file from the start.
    attrs = known_attributes(spec, overlap)
    attrs |= final_attributes(spec, np.zeros((1, 0), np.int64), 0, 0)
    try:
        with joblib.Parallel(**options) as parallel:
            for piece in pieces:
                made: Any = parallel(joblib.delayed(next)(run) for run in runs)
                found = gather(spec, made)
                singly.append(found.n_singly)
                n_empty += found.n_empty
                n_unresolved += found.n_unresolved
                times = piece.first + np.flatnonzero(piece.slot >= 0)
                if times.size:
                    file.append(build(spec, times, found.arrays, attrs))
                done()
        file.finish(final_attributes(spec, np.hstack(singly), n_empty, n_unresolved))
    except BaseException as error:
        if file.said:
            file.stop()
            error.add_note(f"{path} holds {file.said.partition(';')[0]}; read_results reads it.")
        raise
    finally:
        file.close()


def _runs(spec: GmmSpec, pieces: Sequence[Piece]) -> list[Iterator[Run]]:
    positions = range(spec.n_replicates)
    if spec.engine == "gaussian":
        return [gaussian_runs(spec, position, pieces) for position in positions]
    if spec.is_paper:
        return [exact_runs(spec, position, pieces) for position in positions]
    shared = prepare(spec)
    return [scenario_runs(spec, position, pieces, shared) for position in positions]
