"""The command that runs a sweep from a file."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from lwdstats.cli.options import Progress, notes
from lwdstats.cli.output import check_writable, write_somewhere
from lwdstats.errors import InputError

# What a file may hold besides the base and the grid.
_OPTIONS = ("replicates", "measure", "seed", "keep", "common_streams", "store")


def sweep(
    file: Annotated[Path, typer.Argument(help="TOML or JSON file of the sweep.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Rows as .parquet or .csv, or the view by factors as .nc."
        ),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(help="Folder that keeps every run, so that a stopped sweep goes on."),
    ] = None,
    replicates: Annotated[int | None, typer.Option(help="Runs of each cell.")] = None,
    seed: Annotated[str | None, typer.Option(help="Non-negative integer.")] = None,
    n_jobs: Annotated[int, typer.Option(help="Jobs at a time; -1 for all cores.")] = -1,
    keep: Annotated[str | None, typer.Option(help="measures, or datasets too.")] = None,
    *,
    retry: Annotated[bool, typer.Option(help="Run again what failed.")] = False,
    plan: Annotated[
        bool, typer.Option(help="Tell what is to be done; try a few runs only.")
    ] = False,
    progress: Progress = None,
) -> None:
    """Run a network for each combination of some arguments, and measure every run.

    The file has a table `base` (a simulator and its arguments) or the path of a file of
    them, a table `grid` (values of arguments) or `design` (ranges, n, method, seed),
    and `replicates`, `measure`, `seed`. Stopped or killed, a sweep with a store goes on
    when the same command is given again.

    Example: lwdstats sweep data/sweeps/collapse.toml --store collapse -o collapse.parquet
    """
    from lwdstats.studies.sweep.plan_sweep import plan_sweep
    from lwdstats.studies.sweep.sweep import sweep as run

    base, grid, how = read_sweep_file(file)
    told = {"store": store, "replicates": replicates, "seed": seed, "keep": keep}
    how |= {name: value for name, value in told.items() if value is not None}
    if plan:
        typer.echo(plan_sweep(base, grid, n_jobs=n_jobs, retry=retry, **how))
        return
    if output is not None:
        if output.suffix not in (".parquet", ".nc", ".csv"):
            raise InputError("output", str(output), "a file named .parquet, .nc or .csv")
        check_writable(output)
    try:
        found = run(base, grid, n_jobs=n_jobs, retry=retry, progress=progress, **how)
    except KeyboardInterrupt as error:
        typer.echo("\n".join(["Stopped.", *notes(error)]), err=True)
        raise typer.Exit(130) from None
    if output is None:
        typer.echo(found)
        return
    written = write_somewhere(found.write, output)
    typer.echo(f"{found}\n\nWritten to {written}")
    if written != output:
        raise typer.Exit(1)


def read_sweep_file(file: Path) -> tuple[Any, Any, dict[str, Any]]:
    """Return base, grid and options of a file; relative paths start at its folder."""
    from lwdstats.simulate.specs import from_folder, read_spec
    from lwdstats.studies.sweep.design import design

    takes = "a readable TOML or JSON file of a sweep"
    try:
        text = file.read_text(encoding="utf-8-sig")
        held = json.loads(text) if file.suffix.lower() == ".json" else tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError("file", f"{file} ({error})", takes) from error
    if not isinstance(held, dict):
        raise InputError("file", f"{file} (a {type(held).__name__} in JSON)", takes)
    known = ("base", "grid", "design", *_OPTIONS)
    for name in held:
        if name not in known:
            raise InputError("file", f"{file}: an unknown entry, {name!r}", ", ".join(known))
    base = held.pop("base", None)
    if isinstance(base, str):
        base = read_spec(file.parent / base)
    if isinstance(base, dict):
        base = from_folder(base, file.parent)
    grid, told = held.pop("grid", None), held.pop("design", None)
    if (grid is None) == (told is None):
        raise InputError("file", f"{file} with both or neither", "a table 'grid', or one 'design'")
    if told is not None:
        if not isinstance(told, dict) or not {"ranges", "n"} <= set(told) <= {
            "ranges", "n", "method", "seed",
        }:  # fmt: skip
            raise InputError("design", repr(told), "a table of ranges, n, method and seed")
        grid = design(**told)
    return base, grid, held
