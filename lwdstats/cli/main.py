"""The command `lwdstats`: simulate, sweep, plan, power, replay, summarise, plot, report."""

from __future__ import annotations

import logging
import sys
import warnings
from typing import Any

import typer

from lwdstats.cli import files
from lwdstats.cli.options import notes
from lwdstats.cli.report import report
from lwdstats.cli.simulate import plan, simulate
from lwdstats.cli.sweep import sweep
from lwdstats.errors import InputError
from lwdstats.simulate.llm.storing.journal import RunStoppedError

app = typer.Typer(
    help="What happens to a network of language models that feed on each other's output?",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(simulate, name="simulate")
for command in (plan, sweep, files.power, files.replay, files.summary, files.plot, report):
    app.command()(command)


def _show_warning(message: Any, *_: Any) -> None:
    typer.echo(f"Warning: {message}", err=True)


def main() -> None:
    """Run the command; bad input is one line on standard error and exit code 2."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    logging.getLogger("lwdstats").setLevel(logging.INFO)
    warnings.showwarning = _show_warning
    try:
        app()
    except InputError as error:
        typer.echo("\n".join([f"Error: {error}", *notes(error)]), err=True)
        sys.exit(2)
    except RunStoppedError as error:
        typer.echo(f"Error: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
