"""The curve of ||D^(t)||_F over time, one a replicate, from whatever a user has."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from lwdstats.arrays import FloatArray, as_times, refuse_dates
from lwdstats.dataset.embeddings.choose_embedding import by_embedding
from lwdstats.dataset.positions import fewest_answers
from lwdstats.dataset.schema import validate
from lwdstats.errors import InputError, check_bool, is_number
from lwdstats.geometry.distance import fnorm

_TAKES = (
    "a Dataset, a DataArray over time and replicate (such as fnorm gives), a Series or DataFrame "
    "indexed by time, or finite numbers of shape (times,) or (times, replicates)"
)

# How many times their span from 0 times are far from it.
_FAR = 10.0
# Steps of the process between two recorded times, or the other way round, that are not rare.
_FEW = 100.5


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
    debiased : bool
        Whether they are debiased.
    """

    time: FloatArray
    values: FloatArray
    replicates: tuple[Any, ...]
    what: str
    debiased: bool


def curves(
    x: xr.Dataset | xr.DataArray | npt.ArrayLike,
    *,
    square: bool | None = False,
    debias: bool | None = None,
    embedding: str = "embedding",
) -> Curves:
    """Return the curves of ||D||_F, or of its square, that `x` holds.

    Parameters
    ----------
    x : xarray.Dataset, xarray.DataArray or array_like, shape (T,) or (T, R)
        A dataset stands for its `fnorm`. A pandas Series or DataFrame has its times in
        the index and its replicates in the columns. Other numbers are at times 0, 1, ....
    square : bool, optional
        Whether to return squares, negative where the (debiased) norm is.
        None: where the norm of a dataset is debiased, as only its square
        is without bias.
    debias : bool, optional
        As of `fnorm`, for a dataset. By default where its positions are mean answers,
        as the plain norm of a finite number of answers never reaches 0; one answer
        a model and time, which tells nothing of that, leaves the plain norm.
    embedding : str
        Which embedding of a dataset's answers, as `choose_embedding` takes it.

    Returns
    -------
    Curves

    Raises
    ------
    InputError
        If `x` is none of the above, or holds NaN or an infinite value, or its times
        are dates.

    Warns
    -----
    UserWarning
        If a norm is not debiased because there is one answer a model and time.

    Examples
    --------
    >>> curves([3.0, 2.0, 1.5]).values.shape
    (3, 1)
    """
    x = by_embedding(x, embedding, "x")
    if debias is not None:
        check_bool("debias", debias)
        if not isinstance(x, xr.Dataset):
            raise InputError("debias", debias, "None, unless x is a Dataset with its responses")
    what = "the curve given"
    if isinstance(x, xr.Dataset):
        debias, what = _norm_of(validate(x, source="x"), debias)
        if x.sizes["model"] < 2:
            raise InputError("x", "one model, whose ||D||_F is 0", "two models or more")
        x = fnorm(x, debias=debias)
    if square is None:
        square = bool(debias)
    values: Any = x
    time: Any = None
    labels: Any = None
    if isinstance(x, xr.DataArray):
        if "time" not in x.dims or not set(x.dims) <= {"time", "replicate"}:
            raise InputError("x", f"a DataArray over {x.dims}", _TAKES)
        if "replicate" not in x.dims:
            x = x.expand_dims("replicate")
        x = x.transpose("time", "replicate")
        values = x.values
        time = x["time"].to_index() if "time" in x.coords else None
        labels = x["replicate"].values if "replicate" in x.coords else None
    elif hasattr(x, "to_numpy") and hasattr(x, "index"):
        frame: Any = x
        values, labels = frame.to_numpy(), getattr(frame, "columns", None)
        refuse_dates(frame.index, "x: time", as_time=True)
        try:
            time = np.asarray(frame.index, dtype=float)
        except (TypeError, ValueError):
            got = f"a {type(x).__name__} whose values or index are not numbers"
            raise InputError("x", got, _TAKES) from None
        if labels is not None and "time" in labels:
            raise InputError("x", "a column 'time'", "times in the index: x.set_index('time')")
    refuse_dates(values, "x", takes=_TAKES)
    try:
        values = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        got = f"a {type(x).__name__} whose values or index are not numbers"
        raise InputError("x", got, _TAKES) from None
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2:
        raise InputError("x", f"shape {values.shape}", _TAKES)
    if values.size == 0 or not np.isfinite(values).all():
        got = f"{int((~np.isfinite(values)).sum())} values of {values.size} that are not finite"
        raise InputError("x", got if values.size else "nothing", _TAKES)
    time = np.arange(len(values), dtype=float) if time is None else as_times(time, "x: time")
    labels = np.arange(values.shape[1]) if labels is None else labels
    if square:
        values = np.sign(values) * values**2
        what = "squared " + what
    return Curves(time, values, tuple(labels.tolist()), what, bool(debias))


def _norm_of(ds: xr.Dataset, debias: bool | None) -> tuple[bool, str]:
    """Return whether the norm of `ds` is debiased, and what to call it."""
    if "weight" in ds or debias is False:
        return False, "||D||_F"
    if debias is None and fewest_answers(ds) == 1:
        warnings.warn(
            "one answer a model and time: ||D||_F is not debiased, as its sampling noise cannot "
            "be told from difference, so it does not fall to 0 (debias=False says that you know)",
            stacklevel=4,
        )
        return False, "plain ||D||_F (one answer a model and time)"
    return True, "debiased ||D||_F"


def since_time(curve: Curves, since: Any, minimum: int) -> Curves:
    """Return the part of `curve` from time `since` on, of at least `minimum` times."""
    if not is_number(since) or not np.isfinite(float(since)):
        raise InputError("since", since, "a time")
    kept = curve.time >= since
    if kept.all() and len(kept) < minimum:
        raise InputError("x", f"{len(kept)} times", f"{minimum} or more")
    if kept.sum() < minimum:
        got = f"{since}, which leaves {int(kept.sum())} of {len(kept)} times"
        raise InputError("since", got, f"a time that leaves {minimum} or more")
    return replace(curve, time=curve.time[kept], values=curve.values[kept])


def warn_far(time: FloatArray) -> None:
    """Warn where times are far from 0, from which a law of decay counts them."""
    if time[0] > _FAR * (time[-1] - time[0]):
        warnings.warn(
            f"times from {time[0]:g} to {time[-1]:g} are far from 0, from which the law counts "
            "them; if the process did not begin at 0, take time - time[0]",
            stacklevel=4,
        )


def warn_unit(time: FloatArray) -> None:
    """Warn where times are not in steps, in which a power law of t + 1 counts them."""
    step = float(np.median(np.diff(time)))
    if not 1.0 / _FEW < step < _FEW:
        warnings.warn(
            f"the time between two values is {step:g}: a power law of t + 1 depends on the unit of "
            "time; take time in steps of the process",
            stacklevel=3,
        )
