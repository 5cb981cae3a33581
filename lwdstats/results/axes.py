"""What results in coordinates share: a row an axis, a column a coordinate."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lwdstats.arrays import FloatArray


def axes_frame(eig: FloatArray, k: int) -> pd.DataFrame:
    """Return a row for each of the first `k` axes, from all eigenvalues (n,), largest first.

    The columns are those of broom's ``tidy(prcomp, "eigenvalues")``, the share
    being of the sum of the positive eigenvalues.

    Examples
    --------
    >>> axes_frame(np.array([3.0, 1.0, 0.0]), 2)
       coordinate  eigenvalue  percent  cumulative
    0           0         3.0     0.75        0.75
    1           1         1.0     0.25        1.00
    """
    total = float(np.maximum(eig, 0.0).sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        share = eig[:k] / np.float64(total)
    return pd.DataFrame(
        {
            "coordinate": np.arange(k),
            "eigenvalue": eig[:k],
            "percent": share,
            "cumulative": np.cumsum(share),
        }
    )


def first_values(values: FloatArray, most: int = 10) -> str:
    """Return the first of some numbers as a line, and how many more there are."""
    rest = f" ... and {len(values) - most} more" if len(values) > most else ""
    return " ".join(f"{v:.5g}" for v in values[:most]) + rest


def coordinate_columns(points: FloatArray) -> dict[str, FloatArray]:
    """Return the columns of points (n, k) by name: coordinate_0 and so on."""
    return {f"coordinate_{j}": points[:, j] for j in range(points.shape[1])}
