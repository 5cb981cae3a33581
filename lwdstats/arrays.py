"""User input as checked arrays, and the types of arrays."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lwdstats.errors import InputError

FloatArray = npt.NDArray[np.float64]
# Text that is a date: four digits of a year, or two numbers with a mark between them.
_DATE = re.compile(r"\d{4}|\d[-/.:]\d")


def as_integers(x: object, argument: str, takes: str) -> npt.NDArray[np.int64]:
    """Return `x` as int64, or raise `InputError`, for floating-point numbers too."""
    array = _as_array(x, argument, takes)
    if array.dtype.kind not in "iu":
        raise InputError(argument, x, takes)
    return array.astype(np.int64, copy=False)


def as_floats(x: object, argument: str, takes: str) -> FloatArray:
    """Return `x` as finite float64, or raise `InputError`."""
    array = _as_array(x, argument, takes)
    refuse_dates(array, argument)
    if array.dtype.kind not in "fiub":
        raise InputError(argument, f"dtype {array.dtype} ({type(x).__name__})", takes)
    array = array.astype(np.float64, copy=False)
    bad = array.size - int(np.count_nonzero(np.isfinite(array)))
    if bad:
        raise InputError(argument, f"{bad} values that are NaN or infinite", takes)
    return array


def as_numpy(x: Any) -> Any:
    """Return `x` in a form that NumPy takes without losing anything.

    Alone or in lists: tensors of PyTorch leave their gradient and their device behind, and
    those of 16 bits or fewer become float32, as NumPy has no bfloat16; what is masked
    becomes NaN; sparse matrices become dense.
    """
    if hasattr(x, "detach"):
        x = x.detach().cpu().to_dense().resolve_conj()
        return x.float().numpy() if x.is_floating_point() and x.element_size() < 4 else x.numpy()
    if hasattr(x, "toarray"):
        return x.toarray()
    if np.ma.is_masked(x):
        return np.ma.filled(x.astype(np.result_type(x.dtype, np.float32)), np.nan)
    if isinstance(x, list | tuple):
        first = next((item for item in x if item is not None), None)
        if hasattr(first, "__len__") and not isinstance(first, str):
            return [as_numpy(item) for item in x]
    return x


def _as_array(x: object, argument: str, takes: str) -> npt.NDArray[Any]:
    if isinstance(x, str | os.PathLike):
        got = f"the path or text {os.fspath(x)!r}"
        raise InputError(argument, got, f"{takes} (read_results reads a file)")
    try:
        return np.asarray(as_numpy(x))
    except ValueError:
        raise InputError(argument, "rows of different lengths", takes) from None
    except TypeError:
        raise InputError(argument, f"an object of type {type(x).__name__}", takes) from None


def as_points(x: object, argument: str, takes: str) -> FloatArray:
    """Return `x` as an (n, p) float64 array; a vector is one column, as in R."""
    array = as_floats(x, argument, takes)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or array.size == 0:
        raise InputError(argument, f"shape {array.shape}", takes)
    return array


def as_times(x: object, argument: str) -> FloatArray:
    """Return times, (T,), as increasing float64, or raise `InputError`: dates are none."""
    takes = "increasing steps: finite numbers, a vector"
    array = _as_array(x, argument, takes)
    refuse_dates(array, argument, as_time=True)
    if array.dtype.kind == "b":
        raise InputError(argument, "truth values", takes)
    try:
        time = array.astype(np.float64)
    except (TypeError, ValueError):
        raise InputError(argument, f"values of type {array.dtype}", takes) from None
    if time.ndim != 1 or not time.size:
        raise InputError(argument, f"shape {time.shape}", takes)
    if not np.isfinite(time).all() or not (np.diff(time) > 0).all():
        raise InputError(argument, time.tolist(), takes)
    return time


def refuse_dates(x: object, argument: str, *, as_time: bool = False, takes: str = "") -> None:
    """Raise `InputError` where `x` holds dates or durations, saying how to make numbers of them.

    As a number a date depends on the unit in which it happens to be stored, and so
    would rates, slopes, and whether a law fits.

    Parameters
    ----------
    x : array_like
        Any values.
    argument : str
        How an error names them.
    as_time : bool
        Whether they are times: then text, too, and numbers that are dates (Unix seconds and
        the like, 20240131), are refused as well.
    takes : str
        What the argument takes, where it is not elapsed time.
    """
    array = _as_array(x, argument, takes or "numbers")
    if array.dtype.kind in "MmOSUT":
        found = _dates_in(array, text=as_time)
    else:
        found = _dates_as_numbers(array) if as_time else None
    if found is None:
        return
    got, dates = found
    if dates.startswith("pd.to_timedelta"):
        elapsed = f"{dates} / pd.Timedelta('1D')"
    else:
        elapsed = f"(d - d.min()) / pd.Timedelta('1D') with d = {dates}"
    raise InputError(argument, got, takes or f"elapsed time in numbers, such as days: {elapsed}")


def _dates_in(array: npt.NDArray[Any], *, text: bool) -> tuple[str, str] | None:
    """Return what dates there are, and what makes pandas' dates (or durations) of them."""
    if array.dtype.kind == "m":
        return f"durations ({array.dtype})", "pd.to_timedelta(time)"
    if array.dtype.kind == "M":
        return f"dates ({array.dtype})", "pd.to_datetime(time)"
    for value in array.flat:
        shown = f"such as {value!s:.40}"
        if text and isinstance(value, str) and _DATE.search(value):
            return f"text, {shown}", "pd.to_datetime(time)"
        if hasattr(value, "total_seconds") or isinstance(value, np.timedelta64):
            return f"durations, {shown}", "pd.to_timedelta(time)"
        if hasattr(value, "to_timestamp"):
            return f"periods, {shown}", "pd.PeriodIndex(time).to_timestamp()"
        if isinstance(value, np.datetime64):
            return f"dates, {shown}", "pd.to_datetime(time)"
        if hasattr(value, "isoformat"):
            # pandas does not read cftime's dates, whose calendar may be another.
            known = hasattr(value, "ctime") or not hasattr(value, "calendar")
            return f"dates, {shown}", "pd.to_datetime(time)" if known else "np.asarray(time)"
    return None


def _dates_as_numbers(array: npt.NDArray[Any]) -> tuple[str, str] | None:
    """Return what dates numbers are, if all look like such, and what makes dates of them."""
    if array.dtype.kind not in "fiu" or array.size < 2 or not np.isfinite(array).all():
        return None
    first, last = float(array.min()), float(array.max())
    if first == last:
        return None
    for clock, beside in (("", 1), ("hhmm", 10**4), ("hhmmss", 10**6)):
        dates = array // beside
        if dates.min() < 19000101 or dates.max() > 21001231 or (array != np.floor(array)).any():
            continue
        month, day = dates // 100 % 100, dates % 100
        if ((month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)).all():
            got = f"numbers from {first:.0f}, as dates written yyyymmdd{clock} are"
            return got, "pd.to_datetime(np.asarray(time, int).astype(str))"
    for unit, second in (("s", 1.0), ("ms", 1e3), ("us", 1e6), ("ns", 1e9)):
        # From 1990 to 2100. Elapsed numbers as large start at 0 or span as much as they reach.
        if first / second >= 6.3e8 and last / second <= 4.1e9 and last < 1.5 * first:
            got = f"numbers from {first:.10g}, as Unix time in {unit} has"
            return got, f"pd.to_datetime(time, unit={unit!r})"
    # Months written yyyymm, in which a year ends at 12.
    if first >= 190001 and last <= 210012 and (array == np.floor(array)).all():
        month = array % 100
        if ((month >= 1) & (month <= 12)).all():
            got = f"numbers from {first:.0f}, as months written yyyymm are"
            return got, "pd.to_datetime(np.asarray(time, int).astype(str), format='%Y%m')"
    return None


def embed_each_once(
    embed: Callable[[list[str]], npt.NDArray[Any]], texts: Sequence[str]
) -> npt.NDArray[Any]:
    """Return the vectors of texts, each different text being embedded once.

    So equal texts have one vector, and their distance is exactly 0.

    Parameters
    ----------
    embed : callable
        From m different texts to their vectors, shape (m, n_features).
    texts : sequence of str

    Returns
    -------
    numpy.ndarray, shape (len(texts), n_features)
    """
    row = {text: i for i, text in enumerate(dict.fromkeys(texts))}
    return embed(list(row))[[row[text] for text in texts]]
