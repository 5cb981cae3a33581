"""Labels of observations: what both have labels goes together by them, not by its order."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from lwdstats.errors import InputError

Labels = tuple[Any, ...]
# Labels that an error lists.
_SHOWN = 5


def labels_of(x: object, axis: int = 0) -> Labels | None:
    """Return the labels of what `x` holds along an axis, or None where it has none.

    The index or the columns of pandas objects, the coordinate of a DataArray, the keys of a
    dict, and what an object has as its own `labels`. A default index, 0 to n - 1, is none.

    Examples
    --------
    >>> labels_of(pd.Series([1, 2], index=["a", "b"]))
    ('a', 'b')
    >>> labels_of(pd.Series([1, 2])), labels_of([1, 2])
    (None, None)
    """
    if isinstance(x, xr.DataArray):
        index = x.indexes.get(x.dims[axis]) if axis < x.ndim else None
    elif isinstance(x, pd.DataFrame):
        index = x.columns if axis else x.index
    elif isinstance(x, pd.Series):
        index = None if axis else x.index
    elif isinstance(x, dict):
        return tuple(x)
    else:
        own = () if isinstance(x, np.ndarray) else getattr(x, "labels", ())
        return tuple(own) if isinstance(own, tuple) and own and not axis else None
    if index is None or (
        isinstance(index, pd.RangeIndex) and index.equals(pd.RangeIndex(len(index)))
    ):
        return None
    return tuple(index.tolist())


def labels_of_square(d: Any, argument: str = "d") -> Labels | None:
    """Return the labels of distances: of the rows of a matrix, or of its columns."""
    if np.ndim(d) < 2:
        return None
    d = as_square(d, argument)
    return labels_of(d) or labels_of(d, 1)


def order_of(
    labels: Labels | None, others: Labels | None, argument: str, other: str
) -> npt.NDArray[np.intp] | None:
    """Return where in `others` each of `labels` stands, or None if they are to stay as they are.

    Where one of the two has no labels, or only counts from 0, they go together by their
    order. `argument` and `other` name in errors what has `others` and `labels`.

    Raises
    ------
    InputError
        If labels occur in one of them only, or repeat in another order; or one has no
        labels and the other has the numbers from 0 on in another order, as a table that
        was sorted or shuffled has.

    Examples
    --------
    >>> order_of(("a", "b", "c"), ("c", "a", "b"), "y", "x").tolist()
    [1, 2, 0]
    """
    for own, name, none in ((labels, other, others), (others, argument, labels)):
        if none is None and own is not None and _is_shuffled(own):
            missing = argument if name == other else other
            raise InputError(
                name,
                f"the numbers from 0 on in another order as labels, where {missing} has none",
                "labels on both; or on none, as after reset_index(drop=True), where the order "
                "is the same",
            )
    if labels is None or others is None or labels == others:
        return None
    first, second = [label_text(label) for label in labels], [label_text(label) for label in others]
    if first == second:
        return None
    if sorted(first) != sorted(second):
        if _counts(labels) or _counts(others):
            return None
        only = [_only(second, first), _only(first, second)]
        parts = [
            f"{part} in {where} only"
            for part, where in zip(only, (argument, other), strict=True)
            if part
        ]
        got = "; ".join(parts) or "labels that do not occur as often"
        raise InputError(
            argument,
            f"labels that differ from those of {other}: {got}",
            f"the labels of {other}, in any order",
        )
    place = {key: i for i, key in enumerate(second)}
    if len(place) < len(second):
        raise InputError(
            argument,
            f"labels that repeat, in another order than those of {other}",
            "labels of which each occurs once, or the same order",
        )
    return np.array([place[key] for key in first], np.intp)


def arranged(x: Any, labels: Labels | None, argument: str, other: str, axis: int = 0) -> Any:
    """Return `x` with what it holds along an axis in the order of `labels`, those of `other`."""
    order = order_of(labels, labels_of(x, axis), argument, other)
    if isinstance(x, dict):
        x = pd.Series(list(x.values()), dtype=object).infer_objects()
    if order is None:
        return x
    if isinstance(x, xr.DataArray):
        return np.take(np.asarray(x.data), order, axis)
    if isinstance(x, pd.DataFrame) and axis:
        return x.iloc[:, order]
    return x.iloc[order]


def as_square(d: Any, argument: str) -> Any:
    """Return a matrix with its columns in the order of its rows, without dimensions of one."""
    if isinstance(d, xr.DataArray) and d.ndim > 2:
        single = [dim for dim in d.dims if d.sizes[dim] == 1]
        d = d.isel(dict.fromkeys(single, 0), drop=True)
        if d.ndim > 2:
            more = [str(dim) for dim in d.dims[:-2]]
            takes = f"one matrix: select one of each {', '.join(more)}, as .isel({more[0]}=0)"
            raise InputError(argument, f"dimensions {d.dims} of shape {d.shape}", takes)
    rows = columns = None
    if isinstance(d, pd.DataFrame):
        rows, columns = d.index, d.columns
    elif isinstance(d, xr.DataArray) and d.ndim == 2:
        rows, columns = (d.indexes.get(dim) for dim in d.dims)
    if rows is None or columns is None or d.shape[0] != d.shape[1]:
        return d
    order = order_of(
        tuple(rows.tolist()), tuple(columns.tolist()), f"columns of {argument}", "rows"
    )
    if order is None:
        return d
    return d.iloc[:, order] if isinstance(d, pd.DataFrame) else d.isel({d.dims[1]: order})


def label_text(label: Any) -> str:
    """Return what two equal labels have in common, such as 1, 1.0 and "1"; parts in one row.

    Examples
    --------
    >>> label_text(1.0), label_text(("gemma", 3))
    ('1', 'gemma, 3')
    """
    if isinstance(label, tuple):
        return ", ".join(label_text(part) for part in label)
    if isinstance(label, float | np.floating) and float(label).is_integer():
        label = int(label)
    return str(label)


def _counts(labels: Any) -> bool:
    """Return whether labels are 0 to n - 1."""
    return [label_text(label) for label in labels] == [str(i) for i in range(len(labels))]


def _is_shuffled(labels: Labels) -> bool:
    """Return whether labels are the numbers from 0 to n - 1, but not in their order."""
    keys = [label_text(label) for label in labels]
    numbers = [str(i) for i in range(len(labels))]
    return keys != numbers and len(keys) == len(set(keys)) and set(keys) == set(numbers)


def _only(these: list[str], those: list[str]) -> str:
    """Return what is in `these` and not in `those`, as text; the first of them if many."""
    known = set(those)
    found = list(dict.fromkeys(key for key in these if key not in known))
    rest = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(found[:_SHOWN]) + rest
