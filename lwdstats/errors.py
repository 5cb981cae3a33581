"""The one exception that bad input raises."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from numbers import Real
from typing import TypeGuard

import numpy as np


class InputError(ValueError):
    """An argument that cannot be used, said in one line.

    Parameters
    ----------
    argument : str
        Name of the argument (or file, or variable) at fault.
    got : object
        What it was. Long values are cut.
    takes : str
        What the argument takes.

    Examples
    --------
    >>> raise InputError("beta", 1.5, "a number in (0, 1]")
    Traceback (most recent call last):
        ...
    lwdstats.errors.InputError: beta: got 1.5; takes a number in (0, 1]
    """

    def __init__(self, argument: str, got: object, takes: str) -> None:
        # A sentence or a repr comes as it is; a plain value is shown as Python writes it.
        shown = got if isinstance(got, str) and (" " in got or got[:1] in "'\"") else repr(got)
        if len(shown) > 200:
            shown = f"{shown[:197]}..."
        super().__init__(f"{argument}: got {shown}; takes {takes}")
        self.argument = argument
        self.got = got
        self.takes = takes

    def __reduce__(self) -> tuple[type[InputError], tuple[str, object, str]]:
        # So that the error survives a trip back from a worker process.
        return type(self), (self.argument, self.got, self.takes)


def is_number(value: object) -> TypeGuard[float]:
    """Return whether `value` is one real number, Python's or NumPy's, and not a truth value."""
    # A duration is an integer to NumPy, in whatever unit it is stored.
    return isinstance(value, Real) and not isinstance(value, bool | np.timedelta64)


def check_bool(argument: str, value: object) -> bool:
    """Return `value` if it is True or False, NumPy's too, or raise `InputError`."""
    if not isinstance(value, bool | np.bool_):
        raise InputError(argument, value, "True or False")
    return bool(value)


def check_integer(argument: str, value: object, *, minimum: int) -> int:
    """Return `value` as an int of at least `minimum`, or raise `InputError`."""
    takes = f"an integer of at least {minimum}"
    if isinstance(value, bool):
        raise InputError(argument, value, takes)
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise InputError(argument, value, takes) from None
    if number < minimum:
        raise InputError(argument, number, takes)
    return number


def check_choice(argument: str, value: object, choices: Sequence[str]) -> str:
    """Return `value` if it is one of `choices`, or raise `InputError`."""
    if not isinstance(value, str) or value not in choices:
        raise InputError(argument, value, "one of " + ", ".join(repr(c) for c in choices))
    return value


def check_level(level: object) -> None:
    """Raise `InputError` unless `level`, of confidence or probability, is in (0, 1)."""
    if not is_number(level) or not 0 < level < 1:
        raise InputError("level", level, "a number in (0, 1)")
