"""A progress bar that says what is being done and how long it will take."""

from __future__ import annotations

import sys
from typing import Any

from lwdstats.errors import InputError


class Progress:
    """Steps of a run, shown on standard error.

    Parameters
    ----------
    total : int
        Number of steps.
    show : bool or None
        Whether to show it; None shows it where standard error is a terminal.
    done : int
        Steps that were done before; the time left is estimated from the others alone.
    """

    def __init__(self, total: int, show: bool | None, done: int = 0) -> None:
        if show is not None and not isinstance(show, bool):
            raise InputError("progress", show, "True, False or None")
        self._bar: Any = None
        if sys.stderr.isatty() if show is None else show:
            from rich import progress
            from rich.console import Console
            from rich.table import Column

            self._bar = progress.Progress(
                # What is done may be cut where the line is short; the times may not.
                progress.TextColumn(
                    "{task.description}",
                    markup=False,
                    table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"),
                ),
                progress.BarColumn(bar_width=8),
                progress.MofNCompleteColumn(table_column=Column(no_wrap=True)),
                progress.TimeRemainingColumn(table_column=Column(no_wrap=True, min_width=7)),
                progress.TextColumn("left", table_column=Column(no_wrap=True, min_width=4)),
                console=Console(stderr=True),
                expand=True,
            )
            self._task = self._bar.add_task("starting", total=total, completed=done)

    def __enter__(self) -> Progress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, what: str) -> None:
        """Show what is being done."""
        if self._bar is not None:
            self._bar.update(self._task, description=what)

    def step(self, count: int = 1) -> None:
        """Count steps that are done."""
        if self._bar is not None:
            self._bar.advance(self._task, count)
