"""User input as checked arrays, and the types of arrays."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lwdstats.errors import InputError

FloatArray = npt.NDArray[np.float64]


def as_integers(x: object, argument: str, takes: str) -> npt.NDArray[np.int64]:
    """Return `x` as int64, or raise `InputError`, for floating-point numbers too."""
    array = _as_array(x, argument, takes)
    if array.dtype.kind not in "iu":
        raise InputError(argument, x, takes)
    return array.astype(np.int64, copy=False)


def as_floats(x: object, argument: str, takes: str) -> FloatArray:
    """Return `x` as finite float64, or raise `InputError`."""
    array = _as_array(x, argument, takes)
    if array.dtype.kind not in "fiub":
        raise InputError(argument, f"dtype {array.dtype} ({type(x).__name__})", takes)
    array = array.astype(np.float64, copy=False)
    bad = array.size - int(np.count_nonzero(np.isfinite(array)))
    if bad:
        raise InputError(argument, f"{bad} values that are NaN or infinite", takes)
    return array


def as_numpy(x: Any) -> Any:
    """Return `x` in a form that NumPy takes without losing anything.

    Tensors of PyTorch leave their gradient and their device behind, alone or in lists;
    those of 16 bits or fewer become float32, as NumPy has no bfloat16. What is masked
    becomes NaN.
    """
    if hasattr(x, "detach"):
        x = x.detach().cpu()
        return x.float().numpy() if x.is_floating_point() and x.element_size() < 4 else x.numpy()
    if np.ma.is_masked(x):
        return np.ma.filled(x.astype(np.result_type(x.dtype, np.float32)), np.nan)
    if isinstance(x, list | tuple):
        first = next((item for item in x if item is not None), None)
        if isinstance(first, list | tuple) or hasattr(first, "detach"):
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
