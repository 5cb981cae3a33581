"""The result of `cmdscale`."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lwdstats.arrays import FloatArray
from lwdstats.results.result import Plots, axes_frame, coordinate_columns
from lwdstats.results.table import PrintsTable

_ROWS = 10


@dataclass(frozen=True, eq=False)
class CMDScale(Plots, PrintsTable):
    """Coordinates found by `cmdscale`.

    Attributes
    ----------
    points : numpy.ndarray, shape (n, k)
        Coordinates, centred, on principal axes, in the units of the distances;
        fewer columns where fewer of the first k eigenvalues are positive.
    eig : numpy.ndarray, shape (n,)
        All eigenvalues, the largest first, in squared units.
    gof : tuple of float
        Goodness of fit: the sum of the eigenvalues used, over the sum of all
        in absolute value, and over the sum of the positive ones.
    ac : float
        Constant that was added to the distances, in their units.
    labels : tuple of str
        Names of the points, for printing; empty where they have none.
    """

    points: FloatArray
    eig: FloatArray
    gof: tuple[float, float]
    ac: float = 0.0
    labels: tuple[str, ...] = ()

    def __str__(self) -> str:
        n, k = self.points.shape
        shown = min(n, _ROWS)
        names = self.labels or tuple(f"[{i},]" for i in range(n))
        columns = [_aligned("", names[:shown], left=True)]
        columns += [
            _aligned(f"[,{j}]", _decimals(self.points[:shown, j], self.points[:, j]))
            for j in range(k)
        ]
        lines = ["Classical multidimensional scaling", ""]
        lines += [f"Points ({n} in {k} dimension{'' if k == 1 else 's'}):"]
        lines += [" ".join(row).rstrip() for row in zip(*columns, strict=True)]
        lines += [f"... and {n - shown} more"] * (n > shown)
        rest = f" ... and {n - shown} more" if n > shown else ""
        lines += ["", "Eigenvalues:", " ".join(f"{v:.5g}" for v in self.eig[:shown]) + rest]
        lines += ["", "GOF: " + " ".join(f"{g:.5g}" for g in self.gof)]
        lines += [f"Additive constant: {self.ac:.5g}"] * (self.ac > 0)
        return "\n".join(lines)

    def tidy(self) -> pd.DataFrame:
        """Return a row for each axis: its eigenvalue and share of the positive ones."""
        return axes_frame(self.eig, self.points.shape[1])

    def glance(self) -> pd.DataFrame:
        """Return one row about the scaling."""
        return pd.DataFrame(
            {
                "k": [self.points.shape[1]],
                "nobs": [len(self.points)],
                "gof_absolute": [self.gof[0]],
                "gof_positive": [self.gof[1]],
                "ac": [self.ac],
            }
        )

    def augment(self) -> pd.DataFrame:
        """Return a row for each point: its name and its coordinates."""
        names = self.labels or range(len(self.points))
        return pd.DataFrame({"point": list(names), **coordinate_columns(self.points)})

    def _frame(self) -> pd.DataFrame:
        return self.augment().set_index("point").rename_axis(None)

    def _heading(self) -> str:
        return "Points of classical multidimensional scaling"


def _decimals(values: FloatArray, column: FloatArray) -> list[str]:
    # Seven significant digits of the column's largest entry, as R prints a matrix.
    largest = float(np.abs(column).max())
    digits = 6 - math.floor(math.log10(largest)) if largest > 0 else 0
    return [f"{v:.{min(max(digits, 0), 12)}f}" for v in values]


def _aligned(head: str, cells: tuple[str, ...] | list[str], *, left: bool = False) -> list[str]:
    width = max(len(cell) for cell in (head, *cells))
    return [cell.ljust(width) if left else cell.rjust(width) for cell in (head, *cells)]
