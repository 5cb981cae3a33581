"""The command that writes the page of runs and sweeps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lwdstats.cli.output import check_writable, write_somewhere
from lwdstats.errors import InputError


def report(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="netCDF files of runs, their stores, or .nc and .parquet files of sweeps.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="HTML file to write.")] = Path(
        "report.html"
    ),
) -> None:
    """Write one HTML page that shows what happened: pictures, answers, prompts, tests.

    It opens in any browser without a network; several files have a section each.

    Example: lwdstats report network.nc -o network.html
    """
    from lwdstats.reports.report import report as write_report

    check_writable(output)
    given: dict[str, Any] = {}
    for file in files:
        file = file.resolve() if file.is_dir() else file
        name = file.name if file.is_dir() else file.stem
        # Files of one name lie in folders of theirs.
        given[name if name not in given else str(file)] = _read(file)
    written = write_somewhere(lambda path: write_report(given, path), output)
    typer.echo(f"Written to {written}")
    if written != output:
        raise typer.Exit(1)


def _read(file: Path) -> Any:
    """Return the sweep or the run of a file."""
    from lwdstats.simulate.read_results import read_results
    from lwdstats.studies.sweep.read_sweep import is_sweep, read_sweep

    if is_sweep(file):
        return read_sweep(file)
    try:
        return read_results(file)
    except InputError as error:
        raise InputError("file", f"{file} ({error})", "a run or a sweep") from error
