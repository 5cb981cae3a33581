"""The curve of ||D^(t)||_F over time, one a replicate, from whatever a user has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError, is_number
from lwdstats.geometry.distance import fnorm

_TAKES = (
    "a Dataset, a DataArray over time and replicate (such as fnorm gives), a Series or DataFrame "
    "indexed by time, or finite numbers of shape (times,) or (times, replicates)"
)


@dataclass(frozen=True)
class Curves:
    """Curves over time.

    Attributes
    ----------
    time : numpy.ndarray, shape (T,)
        Times, increasing.
    values : numpy.ndarray, shape (T, R)
        One column a replicate.
    replicates : tuple
        Their labels.
    what : str
        What the values are, for print.
    """

    time: FloatArray
    values: FloatArray
    replicates: tuple[Any, ...]
    what: str


def curves(x: xr.Dataset | xr.DataArray | npt.ArrayLike, *, square: bool | None = False) -> Curves:
    """Return the curves of ||D||_F, or of its square, that `x` holds.

    Parameters
    ----------
    x : xarray.Dataset, xarray.DataArray or array_like, shape (T,) or (T, R)
        A dataset stands for `fnorm`: debiased where its positions are mean
        answers, as the plain norm of a finite number of answers never reaches
        0. A pandas Series or DataFrame has its times in the index and its
        replicates in the columns. Other numbers are at times 0, 1, ....
    square : bool, optional
        Whether to return squares, negative where the (debiased) norm is.
        None: where the norm of a dataset had to be debiased, as only its square
        is without bias.

    Returns
    -------
    Curves

    Raises
    ------
    InputError
        If `x` is none of the above, or holds NaN or an infinite value.

    Examples
    --------
    >>> curves([3.0, 2.0, 1.5]).values.shape
    (3, 1)
    """
    what = "the curve given"
    debias = False
    if isinstance(x, xr.Dataset):
        debias = "weight" not in x
        if debias and x.sizes.get("response") == 1:
            got = "a dataset of one response a model and time, whose norm can't be debiased"
            raise InputError("x", got, "fnorm(x), the norm as it is, or two responses or more")
        x = fnorm(x, debias=debias)
        what = "debiased ||D||_F" if debias else "||D||_F"
    if square is None:
        square = debias
    if isinstance(x, xr.DataArray):
        if "time" not in x.dims or not set(x.dims) <= {"time", "replicate"}:
            raise InputError("x", f"a DataArray over {x.dims}", _TAKES)
        if "replicate" not in x.dims:
            x = x.expand_dims("replicate")
        x = x.transpose("time", "replicate")
        values = x.values
        time = x["time"].values if "time" in x.coords else np.arange(len(values))
        labels = x["replicate"].values if "replicate" in x.coords else np.arange(values.shape[1])
    else:
        frame: Any = x if hasattr(x, "to_numpy") and hasattr(x, "index") else None
        try:
            values = np.asarray(x, dtype=float)
            time = None if frame is None else np.asarray(frame.index, dtype=float)
        except (TypeError, ValueError):
            kind = type(x).__name__
            got = kind if frame is None else f"a {kind} whose values or index are not numbers"
            raise InputError("x", got, _TAKES) from None
        if values.ndim == 1:
            values = values[:, None]
        if values.ndim != 2:
            raise InputError("x", f"shape {values.shape}", _TAKES)
        time = np.arange(len(values)) if time is None else time
        labels = getattr(frame, "columns", np.arange(values.shape[1]))
    values = np.asarray(values, dtype=float)
    if values.size == 0 or not np.isfinite(values).all():
        got = f"{int((~np.isfinite(values)).sum())} values of {values.size} that are not finite"
        raise InputError("x", got if values.size else "nothing", _TAKES)
    time = np.asarray(time, dtype=float)
    if (np.diff(time) <= 0).any():
        raise InputError("x: time", time.tolist(), "increasing times")
    if square:
        values = np.sign(values) * values**2
        what = "squared " + what
    return Curves(time, values, tuple(labels.tolist()), what)


def since_time(curve: Curves, since: Any, minimum: int) -> Curves:
    """Return the part of `curve` from time `since` on, of at least `minimum` times."""
    if not is_number(since) or not np.isfinite(since):
        raise InputError("since", since, "a time")
    kept = curve.time >= since
    if kept.all() and len(kept) < minimum:
        raise InputError("x", f"{len(kept)} times", f"{minimum} or more")
    if kept.sum() < minimum:
        got = f"{since}, which leaves {int(kept.sum())} of {len(kept)} times"
        raise InputError("since", got, f"a time that leaves {minimum} or more")
    return Curves(curve.time[kept], curve.values[kept], curve.replicates, curve.what)
