"""What a section of the page holds: facts, panels, findings, and the data behind them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from lwdstats.errors import InputError
from lwdstats.results.result import Result

T = TypeVar("T")


@dataclass
class Panel:
    """One picture or list of a section.

    Attributes
    ----------
    name : str
        What the page's script knows it by, without spaces.
    title, about : str
        What stands above it: a heading, and sentences that say how to read it.
    why : str or None
        Why there is nothing to show; None where there is.
    draws : dict
        How the script draws it: `kind`, `table` and what the kind takes.
    """

    name: str
    title: str
    about: str
    why: str | None = None
    draws: dict[str, Any] = field(default_factory=dict)


@dataclass
class Finding:
    """A test or a fit of a section: the question, and the block that R would print, or why not."""

    question: str
    block: str | None
    why: str | None = None
    notes: list[str] = field(default_factory=list)


@dataclass
class Section:
    """A run or a sweep on the page.

    Attributes
    ----------
    name : str
        What its file is called, for files that are made from the page.
    title : str
        Its heading.
    facts : list of (str, str)
        What ran, a line each.
    again : list of (str, str)
        How it is made again: a sentence and the command.
    spec : str or None
        The specification, which the command takes, as JSON.
    notes : list of str
        What a reader should know, of what is left out on the page too.
    summary : Result or None
        The numbers at the start, the middle and the end.
    panels, findings : list
    data : dict
        For the script: labels, tables, texts.
    """

    name: str
    title: str
    facts: list[tuple[str, str]]
    again: list[tuple[str, str]] = field(default_factory=list)
    spec: str | None = None
    notes: list[str] = field(default_factory=list)
    summary: Result | None = None
    panels: list[Panel] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)


def file_name(name: str) -> str:
    """Return a name that a file may have and a shell takes as it is."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", name)[:80].lstrip("-.") or "run"


def attempt(make: Callable[[], T]) -> tuple[T | None, str | None, list[str]]:
    """Return what a call gives, or why it can't, in words; and what it warned of.

    Whatever a run holds, one panel that fails leaves the others: a run that was logged may lack
    anything, and numbers at the edge of what a fit takes may end in linear algebra.
    """
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            value, why = make(), None
        except (InputError, np.linalg.LinAlgError, ArithmeticError) as error:
            value, why = None, str(error)
    said = [w for w in warned if not issubclass(w.category, DeprecationWarning | RuntimeWarning)]
    return value, why, list(dict.fromkeys(str(w.message) for w in said))


def found(question: str, make: Callable[[], Any]) -> tuple[Finding, Any]:
    """Return what a test says of a question, as it is printed, and its result (None if none)."""
    result, why, warned = attempt(make)
    block = None if result is None else str(result).strip("\n")
    return Finding(question, block, why, warned), result
