"""Options that commands share, and what their texts mean."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lwdstats.errors import InputError

Spec = Annotated[
    Path | None,
    typer.Argument(
        help="TOML or JSON file of the simulator's arguments. Options below replace its values."
    ),
]
Output = Annotated[Path, typer.Option("--output", "-o", help="netCDF file to write.")]
Integer = int | None
Number = float | None
Text = str | None
ByModel = list[str] | None
Seed = Annotated[Text, typer.Option(help="Seed; drawn and recorded if not given.")]
Steps = Annotated[Integer, typer.Option(help="T: times 0..T are kept.")]
Responses = Annotated[Integer, typer.Option(help="L: responses a model and step.")]
Beta = Annotated[Number, typer.Option(help="Share of the web that a model reads, in (0, 1].")]
Replicates = Annotated[Integer, typer.Option(help="Number of independent runs.")]
Progress = Annotated[
    bool | None,
    typer.Option("--progress/--no-progress", help="Progress bar; by default on a terminal."),
]


def number_or_text(text: str | None) -> float | str | None:
    """Return a number where the text is one."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return text


def by_label(argument: str, given: ByModel, number: type) -> Any:
    """Return what options say, a number or MODEL=NUMBER, as a number or a mapping."""
    if not given:
        return None
    pairs = [text.rpartition("=") for text in given]
    try:
        values = {label: number(value) for label, _, value in pairs}
    except ValueError:
        raise InputError(argument, given, "a number, or MODEL=NUMBER") from None
    if "" in values and len(given) > 1:
        raise InputError(argument, given, "one number, or MODEL=NUMBER for each model")
    return values.get("", values)


def notes(error: BaseException) -> list[str]:
    """Return what was added to an error."""
    return list(getattr(error, "_notes__", []))
