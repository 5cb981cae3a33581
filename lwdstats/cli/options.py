"""Options that commands share, and what their texts mean."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, get_args, get_origin

import typer

from lwdstats.errors import InputError
from lwdstats.specification import Argument, Specification

Command = TypeVar("Command", bound=Callable[..., Any])
Spec = Annotated[
    Path | None,
    typer.Argument(
        help="TOML or JSON file of the simulator's arguments. Options below replace its values."
    ),
]
Output = Annotated[Path, typer.Option("--output", "-o", help="netCDF file to write.")]
ByModel = list[str] | None
Progress = Annotated[
    bool | None,
    typer.Option("--progress/--no-progress", help="Progress bar; by default on a terminal."),
]


def with_arguments(spec: type[Specification]) -> Callable[[Command], Command]:
    """Give a command an option for each argument of a specification.

    The command takes them as ``**given``, which `read_options` reads. They stand before
    its keyword-only parameters.
    """

    def decorate(command: Command) -> Command:
        signature = inspect.signature(command, eval_str=True)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        options = [
            inspect.Parameter(
                option,
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=Annotated[_taken(told.kind) | None, typer.Option(help=told.help)],
            )
            for option, told in _options(spec)
        ]
        first = [p for p in own if p.kind is not p.KEYWORD_ONLY]
        parameters = [*first, *options, *own[len(first) :]]
        command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        return command

    return decorate


def _options(spec: type[Specification]) -> list[tuple[str, Argument]]:
    """Return what is known of each option, by its name, those of parts in their place."""
    found: list[tuple[str, Argument]] = []
    for name, told in spec.arguments().items():
        part = spec.parts().get(name)
        found += _options(part) if part else [(told.option or name, told)]
    return found


def read_options(spec: type[Specification], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that options say; what is not given is left out."""
    values: dict[str, Any] = {}
    for name, told in spec.arguments().items():
        part = spec.parts().get(name)
        if part:
            fields = read_options(part, given)
            values |= {name: fields} if fields else {}
            continue
        value = given[told.option or name]
        if value is not None and value != []:
            values[name] = _read(name, value, told.kind)
    return values


def _taken(kind: Any) -> Any:
    """Return what the command line reads an option as; see `Argument` for the kinds."""
    if get_origin(kind) is dict:
        return list[str]
    return str if isinstance(kind, UnionType) else kind


def _read(argument: str, value: Any, kind: Any) -> Any:
    if get_origin(kind) is dict:
        return by_label(argument, value, get_args(kind)[1])
    if kind == float | str:
        return _numbers_or_text(value)
    if kind == int | float | str:
        words = [_word(part.strip()) for part in value.split(",")]
        return words if len(words) > 1 else words[0]
    return None if kind == str | None and value == "none" else value


def _numbers_or_text(text: str) -> float | list[float] | str:
    """Return a number, or numbers with commas between, where the text is that."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        return text
    return numbers if len(numbers) > 1 else numbers[0]


def _word(text: str) -> int | float | str:
    for number in (int, float):
        with contextlib.suppress(ValueError):
            return number(text)
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
    return list(getattr(error, "__notes__", []))
