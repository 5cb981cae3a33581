"""What every result can do: print as R does, become a table, be drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import pandas as pd

from lwdstats.arrays import FloatArray
from lwdstats.results import table
from lwdstats.results.pictures import drawing
from lwdstats.results.pictures.style import styled

_SCALARS = (bool, int, float, str)


@dataclass(frozen=True, eq=False)
class Result:
    """What a function of the package returns.

    A subclass is a dataclass, frozen as this one, that gives `tidy` and `lines`. All else
    follows from these two, and is overridden where a result has more to say.
    """

    # The column of `tidy` that names the rows of the table, where there is one.
    _rows: ClassVar[str] = "term"

    def tidy(self) -> pd.DataFrame:
        """Return a row for each term of the result."""
        raise NotImplementedError

    def lines(self) -> list[str]:
        """Return the lines that are printed: R's block, where R has one."""
        raise NotImplementedError

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def glance(self) -> pd.DataFrame:
        """Return one row about the result as a whole."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return one_row({k: v for k, v in values.items() if isinstance(v, _SCALARS)})

    def summary(self) -> Any:
        """Return the summary of the result: itself, unless it has one of its own."""
        return self

    def plot(self, *args: Any, ax: drawing.Axes | None = None, **options: Any) -> drawing.Axes:
        """Draw the result on `ax`, or on a new figure; see `lwdstats.plot` for the options."""
        with styled():
            return drawing.settle(self._draw(ax, *args, **options))

    def _draw(self, ax: drawing.Axes | None) -> drawing.Axes:
        """Draw the estimates with their intervals, or the first number over time."""
        frame = self.tidy()
        if "estimate" in frame:
            return drawing.estimates(frame, self._rows, ax)
        if "time" in frame:
            return drawing.over_time(frame, ax)
        raise NotImplementedError

    def to_frame(self) -> pd.DataFrame:
        """Return the table that a notebook, Markdown and LaTeX show, its rows by name.

        That is the result's `table`, where it has one.
        """
        if isinstance(own := getattr(self, "table", None), pd.DataFrame):
            return own
        frame = self.tidy()
        return frame.set_index(self._rows).rename_axis(None) if self._rows in frame else frame

    def _caption(self) -> str:
        """Return what stands above the table in a notebook."""
        return ""

    def _repr_html_(self) -> str:
        return table.html(self.to_frame(), self._caption())

    def to_markdown(self) -> str:
        """Return the table in Markdown, as GitHub reads it."""
        return table.markdown(self.to_frame())

    def to_latex(self) -> str:
        """Return the table as a LaTeX ``tabular``, with rules of the booktabs package."""
        return table.latex(self.to_frame())


class PermutationResult(Result):
    """The result of a test by permutation: one row, and the statistic under the permutations."""

    _rows = "method"

    def glance(self) -> pd.DataFrame:
        """Return one row about the test, as `tidy`."""
        return self.tidy()

    def _permuted(self) -> tuple[FloatArray | None, float, str]:
        """Return the statistic under the permutations, (B,), that observed, and its name."""
        raise NotImplementedError

    def _draw(self, ax: drawing.Axes | None, **options: Any) -> drawing.Axes:
        return drawing.histogram(*self._permuted(**options), ax)


@dataclass(frozen=True, eq=False)
class Summary(Result):
    """The summary of a result: its block at length, and its table of coefficients.

    Attributes
    ----------
    of : Result
        What is summarised.
    coefficients : pandas.DataFrame
        The table, as `tidy` gives it.
    block : tuple of str
        The lines that are printed.
    caption : str
        What stands above the table.
    """

    of: Result = field(repr=False)
    coefficients: pd.DataFrame
    block: tuple[str, ...] = field(repr=False)
    caption: str

    def tidy(self) -> pd.DataFrame:
        """Return the table of coefficients."""
        return self.coefficients.copy()

    def lines(self) -> list[str]:
        """Return the lines that are printed."""
        return list(self.block)

    def glance(self) -> pd.DataFrame:
        """Return one row about what is summarised."""
        return self.of.glance()

    def _draw(self, ax: drawing.Axes | None, **options: Any) -> drawing.Axes:
        return self.of._draw(ax, **options)

    def _caption(self) -> str:
        return self.caption


def one_row(values: dict[str, Any]) -> pd.DataFrame:
    """Return a frame of one row, a column for each value by its name."""
    return pd.DataFrame({name: [value] for name, value in values.items()})


def aligned(
    head: Sequence[str], rows: Sequence[Sequence[str]], *, left: Sequence[int] = ()
) -> list[str]:
    """Return lines of a table of texts, its columns aligned on the right but for those `left`."""
    cells = [head, *rows]
    widths = [max(len(line[j]) for line in cells) for j in range(len(head))]
    return [
        " ".join(
            cell.ljust(width) if j in left else cell.rjust(width)
            for j, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]
