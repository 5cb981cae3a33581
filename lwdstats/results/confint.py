"""Confidence intervals, the same for every result that has them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lwdstats.errors import InputError
from lwdstats.results.pictures import drawing
from lwdstats.results.printing import matrix_lines
from lwdstats.results.result import Result

# Which parameters: a name, an index from 0, several of these, or None for all.
Parm = str | int | Sequence[str | int] | npt.NDArray[Any] | None


@dataclass(frozen=True, eq=False)
class ConfInt(Result):
    """Confidence intervals of parameters.

    Attributes
    ----------
    table : pandas.DataFrame
        A row for each parameter; the lower and the upper end, in columns that R
        names by the two probabilities, such as ``2.5%`` and ``97.5%``. An end that
        does not close is -inf or inf; one that could not be found is NaN.
    level : float
        Confidence level.
    method : str
        How they were found, such as ``"profile"`` or ``"wald"``.
    notes : tuple of str
        What to know about ends that are not finite.

    Notes
    -----
    ``intervals["name"]`` is the pair of a parameter, and NumPy takes the whole for
    an array of shape (parameters, 2).
    """

    table: pd.DataFrame
    level: float
    method: str
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Return the intervals as R prints them, and the notes."""
        return [*matrix_lines(self.table), *(f"Note: {note}" for note in self.notes)]

    def __getitem__(self, name: str) -> tuple[float, float]:
        low, high = self.table.loc[name].tolist()
        return low, high

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.array(self.table, dtype=dtype)

    def tidy(self) -> pd.DataFrame:
        """Return a row for each parameter, with broom's columns."""
        ends = self.table.set_axis(["conf_low", "conf_high"], axis="columns")
        return ends.rename_axis("term").reset_index()

    def _caption(self) -> str:
        return f"Confidence intervals ({self.method})"

    def _draw(self, ax: drawing.Axes | None) -> drawing.Axes:
        frame = self.tidy()
        ends = frame[["conf_low", "conf_high"]].replace([-np.inf, np.inf], np.nan)
        ax = drawing.estimates(frame.assign(estimate=ends.mean(axis="columns")), "term", ax)
        # Only the ends are known here, not the estimate between them.
        ax.lines[-1].remove()
        ax.set_xlabel(f"{self.level:.4g} confidence interval")
        return ax


def confidence_intervals(
    names: Sequence[str],
    ends: npt.ArrayLike,
    level: float,
    method: str,
    notes: tuple[str, ...] = (),
) -> ConfInt:
    """Return intervals from their ends, (parameters, 2), with R's names of the columns."""
    values = np.asarray(ends, dtype=float).reshape(len(names), 2)
    table = pd.DataFrame(values, index=list(names), columns=interval_names(level))
    return ConfInt(table, level, method, notes)


def chosen(parm: Parm, known: Sequence[str]) -> tuple[str, ...]:
    """Return the parameters asked for, by name or by index from 0; all by default.

    Raises
    ------
    InputError
        If one of them is not there.
    """
    if parm is None:
        return tuple(known)
    names = []
    for item in [parm] if isinstance(parm, str) or not isinstance(parm, Iterable) else parm:
        takes = f"names among {', '.join(known)}, or indices from 0 to {len(known) - 1}"
        if isinstance(item, bool | np.bool_) or not isinstance(item, str | int | np.integer):
            raise InputError("parm", item, takes)
        if item not in (known if isinstance(item, str) else range(len(known))):
            raise InputError("parm", item, takes)
        names.append(item if isinstance(item, str) else known[int(item)])
    return tuple(names)


def interval_names(level: float) -> list[str]:
    """Return R's names of the two ends of an interval, such as 2.5% and 97.5%."""
    tail = 50.0 * (1.0 - level)
    names = [f"{round(percent, 1):g}%" for percent in (tail, 100.0 - tail)]
    if names[0] == names[1] or round(tail, 1) == 0:  # levels such as 0.9999
        names = [f"{percent:.6g}%" for percent in (tail, 100.0 - tail)]
    return names
