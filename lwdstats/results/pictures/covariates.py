"""What is known of points beside where they lie: family, size, date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from lwdstats.errors import InputError


@dataclass(frozen=True, eq=False)
class Covariate:
    """A value a point, (n,): floats, dates, or texts, a missing one being NaN, NaT or ''."""

    name: str
    values: np.ndarray

    @property
    def is_text(self) -> bool:
        """Whether the values are names of groups, not amounts."""
        return self.values.dtype.kind == "O"


def along(x: object, dim: str = "model") -> dict[str, np.ndarray]:
    """Return the coordinates of a Dataset or a DataArray along a dimension, by name.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> ds = lwd.simulate_gmm(n_steps=2, seed=1)
    >>> along(ds.assign_coords(family=("model", list("aab"))))["family"]
    array(['a', 'a', 'b'], dtype='<U1')
    """
    if not isinstance(x, xr.Dataset | xr.DataArray):
        return {}
    return {str(name): coord.values for name, coord in x.coords.items() if coord.dims == (dim,)}


def covariate(
    argument: str, wanted: Any, known: Mapping[str, np.ndarray], labels: Sequence[str]
) -> Covariate | None:
    """Return the covariate that an argument names, or whose values it is.

    Parameters
    ----------
    argument : str
        How an error names it.
    wanted : str, mapping, Series, DataArray, sequence or None
        A name of `known`; or values, which go by label where they have any.
    known : mapping
        Values of the points, each (n,), by name.
    labels : sequence of str
        Names of the points.
    """
    if wanted is None:
        return None
    takes = f"a value for each of {len(labels)} models"
    takes = (
        f"one of {', '.join(known)}; or " if known else "(as there are no covariates) "
    ) + takes
    if isinstance(wanted, str):
        if wanted not in known:
            raise InputError(argument, wanted, takes)
        return Covariate(wanted, _read(known[wanted]))
    name = str(getattr(wanted, "name", None) or argument)
    try:
        values = np.asarray(_in_order(argument, wanted, labels))
    except (TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(argument, type(wanted).__name__, takes) from None
    if values.shape != (len(labels),):
        raise InputError(argument, f"values of shape {values.shape}", takes)
    return Covariate(name, _read(values))


def _in_order(argument: str, wanted: Any, labels: Sequence[str]) -> Any:
    """Return values in the order of the points, by their labels if they have any."""
    if isinstance(wanted, xr.DataArray) and wanted.ndim == 1 and wanted.indexes:
        wanted = pd.Series(wanted.values, wanted.get_index(wanted.dims[0]))
    if isinstance(wanted, Mapping):
        wanted = pd.Series(dict(wanted), dtype=object)
    if not isinstance(wanted, pd.Series):
        return wanted
    if isinstance(wanted.index, pd.RangeIndex):
        return wanted.to_numpy()
    wanted = wanted.set_axis(wanted.index.map(str))
    gone = [label for label in labels if label not in wanted.index]
    if gone or not wanted.index.is_unique:
        got = f"no value for {', '.join(gone[:5])}" if gone else "labels that repeat"
        raise InputError(argument, got, f"one value for each of {len(labels)} models, by its name")
    return wanted.loc[list(labels)].to_numpy()


def _read(values: np.ndarray) -> np.ndarray:
    """Return values as floats, dates (datetime64), or texts (object)."""
    if values.dtype.kind == "O":
        values = pd.Series(values).infer_objects().to_numpy()
    if values.dtype.kind in "iuf":
        return values.astype(float)
    if values.dtype.kind == "M":
        return values
    texts = ["" if pd.isna(v) else str(v) for v in values]
    return np.array(texts, dtype=object)
