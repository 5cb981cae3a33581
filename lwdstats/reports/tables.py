"""Tables in the form in which the page holds them: columns, and texts once.

A table is a mapping that JSON can hold. Of a grid, `dims` lists its dimensions with their labels,
and a column has a value for each combination, the last dimension fastest; of a frame `dims` is
empty. A column is a list, None where nothing is known; or `codes` into `levels`, the latter
a list or "texts", the texts of the section.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

# Significant digits of numbers: of results, and of places in a picture.
_DIGITS, _PLACE = 8, 4


class Texts:
    """The texts of a section, each once, by their numbers."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}

    def codes(self, texts: npt.NDArray[Any]) -> dict[str, Any]:
        """Return a column of texts of any shape, those that are new being added."""
        codes, unique = pd.factorize(texts.ravel(), use_na_sentinel=False)
        known = self._codes
        own = np.array([known.setdefault(str(text), len(known)) for text in unique], dtype=int)
        return {"levels": "texts", "codes": own[codes].tolist()}

    def all(self) -> list[str]:
        """Return the texts in the order of their numbers."""
        return list(self._codes)


def numbers(values: Any, digits: int = _DIGITS) -> list[float | int | None]:
    """Return numbers as JSON has them, so many digits of each, None for what is not finite."""
    array = np.asarray(values)
    flat = array.ravel().tolist()
    if array.dtype.kind in "iub":
        return flat
    return [float(f"{x:.{digits}g}") if abs(x) < np.inf else None for x in flat]


def grid(dims: Sequence[str], columns: Mapping[str, xr.DataArray]) -> dict[str, Any]:
    """Return a table of arrays over some dimensions of all of them."""
    arrays = xr.broadcast(*columns.values())
    over = [dim for dim in dims if dim in arrays[0].dims]
    labels = [[dim, labels_of(arrays[0], dim)] for dim in over]
    values = {
        name: numbers(array.transpose(*over).values)
        for name, array in zip(columns, arrays, strict=True)
    }
    return {"dims": labels, "columns": values}


def places(points: npt.NDArray[Any], names: Sequence[str] = ("x", "y")) -> dict[str, Any]:
    """Return the columns of points in the plane, (N, 2)."""
    return {name: numbers(points[:, i], _PLACE) for i, name in enumerate(names)}


def frame(table: pd.DataFrame) -> dict[str, Any]:
    """Return a table of a frame."""
    return {"dims": [], "columns": {str(n): _column(table[n]) for n in table.columns}}


def labels_of(array: xr.DataArray | xr.Dataset, dim: str) -> list[Any]:
    """Return the labels of a dimension, numbers or texts; places where it has none."""
    if dim not in array.coords:
        return list(range(array.sizes[dim]))
    values = array[dim].values
    return numbers(values) if values.dtype.kind in "iuf" else [str(v) for v in values]


def named_models(ds: xr.Dataset) -> list[str]:
    """Return what models are called: their labels, or "model 0" where these are numbers."""
    labels = labels_of(ds, "model")
    return [label if isinstance(label, str) else f"model {label}" for label in labels]


def _column(series: Any) -> Any:
    if pd.api.types.is_bool_dtype(series):
        return [bool(value) for value in series]
    if pd.api.types.is_numeric_dtype(series):
        return numbers(series.to_numpy())
    codes, levels = pd.factorize(series.astype(object).to_numpy())
    return {"levels": [str(level) for level in levels], "codes": codes.tolist()}
