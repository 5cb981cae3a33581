"""A simulator's arguments as fields: what checks them, records them and reads them from a command.

A new argument is a field here, made by `argument`, and a line in the signature and the
docstring of the simulator. Files, `to_json`, checks and the command line follow from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar, Self

import numpy as np

from lwdstats.errors import InputError, check_bool, check_choice, check_integer


def plain(value: Any) -> Any:
    """Return what JSON holds of a value: arrays and tuples are lists."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value


@dataclass(frozen=True)
class Argument:
    """What is known of an argument besides its name and default.

    Attributes
    ----------
    help : str
        Of its option on the command line.
    kind : type
        What the option takes: int, float, str or bool; ``list[str]`` where it may be
        given several times; ``float | str`` for a number, numbers with commas between
        or a text; ``int | float | str`` for an integer, a number or a text, or several with
        commas between; ``dict[str, float]`` for a number or MODEL=NUMBER; ``str | None``
        for a text or "none". A bool is True or False in a call, too. A `Specification`
        has an option for each of its own arguments.
    minimum : int or None
        Least of an integer.
    choices : tuple of str or None
        All that a text may be.
    check : callable or None
        Takes the value, and returns it as the specification keeps it or raises.
    check_in : callable or None
        The same, of the value and the specification, in which all that has none is
        checked by then, and so are the fields above that have a `check_in`.
    to_json : callable
        Takes what the specification keeps.
    option : str or None
        Name of the option, where it is not that of the argument.
    """

    help: str
    kind: Any = str
    minimum: int | None = None
    choices: tuple[str, ...] | None = None
    check: Callable[[Any], Any] | None = None
    check_in: Callable[[Any, Any], Any] | None = None
    to_json: Callable[[Any], Any] = plain
    option: str | None = None

    def checked(self, name: str, value: Any) -> Any:
        """Return a value as the specification keeps it, or raise."""
        if self.minimum is not None:
            value = check_integer(name, value, minimum=self.minimum)
        if self.choices is not None:
            value = check_choice(name, value, self.choices)
        if self.kind is bool:
            value = check_bool(name, value)
        return value if self.check is None else self.check(value)


# The default of what must be given.
REQUIRED = MISSING


def argument(default: Any, help: str, kind: Any = str, **rest: Any) -> Any:  # noqa: A002
    """Return the field of an argument, with its default and what `Argument` takes."""
    return field(default=default, metadata={"argument": Argument(help, kind, **rest)})


@dataclass(frozen=True, eq=False)
class Specification:
    """Arguments of a simulator, checked when it is made."""

    simulator: ClassVar[str] = ""

    def __post_init__(self) -> None:
        known = self.arguments()
        for name, told in known.items():
            object.__setattr__(self, name, told.checked(name, getattr(self, name)))
        for name, told in known.items():
            if told.check_in is not None:
                object.__setattr__(self, name, told.check_in(getattr(self, name), self))

    @classmethod
    def arguments(cls) -> dict[str, Argument]:
        """Return what is known of each argument, in order."""
        return {one.name: one.metadata["argument"] for one in fields(cls)}

    @classmethod
    def parts(cls) -> dict[str, type[Specification]]:
        """Return the arguments that are specifications themselves, with what each is."""
        kinds = {name: told.kind for name, told in cls.arguments().items()}
        return {
            name: kind
            for name, kind in kinds.items()
            if isinstance(kind, type) and issubclass(kind, Specification)
        }

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Return the specification that a simulator's arguments give, its other ones left out."""
        return cls(**{name: values[name] for name in cls.arguments()})

    def to_json(self) -> dict[str, Any]:
        """Return the keyword arguments of the simulator that give this run again."""
        values = {n: told.to_json(getattr(self, n)) for n, told in self.arguments().items()}
        return {"simulator": self.simulator, **values}

    @classmethod
    def from_json(cls, spec: Mapping[str, Any]) -> Self:
        """Return the specification that `to_json` wrote, or one of some of its arguments."""
        check_choice("simulator", spec.get("simulator", cls.simulator), [cls.simulator])
        given = {name: value for name, value in spec.items() if name != "simulator"}
        for name in given:
            if name not in cls.arguments():
                takes = f"the arguments of simulate_{cls.simulator}"
                raise InputError("spec", f"an unknown argument, {name!r}", takes)
        return cls(**given)
