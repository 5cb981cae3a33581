"""Attributes in the form that a netCDF file can hold, and back."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from lwdstats.dataset.text import storable
from lwdstats.errors import InputError

# Names of the attributes that a file holds as JSON.
_JSON = "json_attributes"
# Names that netCDF, or xarray as it reads, gives a meaning of their own; some would change numbers.
_RESERVED = {
    *("_FillValue", "missing_value", "scale_factor", "add_offset", "_Unsigned", "coordinates"),
    *("_NCProperties", "CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", _JSON),
}
_TAKES = "None, True or False, text, numbers, dates, or lists and mappings of these"


def to_file(attrs: Mapping[Any, Any], owner: str) -> dict[str, Any]:
    """Return attributes of which netCDF keeps everything: as they are, or as JSON.

    Parameters
    ----------
    attrs : mapping
        Attributes of a dataset or of a variable. Dates become ISO 8601 text, and
        tuples and arrays become lists; the rest is what `from_file` gives again.
    owner : str
        Whose they are, for errors.

    Raises
    ------
    InputError
        If not even JSON can hold one, which is named.
    """
    out, as_json = {}, []
    for name, value in attrs.items():
        label = f"{owner}: attribute {name!r}"
        if not isinstance(name, str) or not name or storable(name) != name or "/" in name:
            raise InputError(label, name, "a name that is text, without a slash")
        if name in _RESERVED:
            raise InputError(label, f"{value!r}", "another name: in a file this one has a meaning")
        if not _is_native(value):
            value = json.dumps(plain(value, label))
            as_json.append(name)
        out[name] = value
    if as_json:
        out[_JSON] = json.dumps(as_json)
    return out


def from_file(attrs: Mapping[str, Any], owner: str) -> dict[str, Any]:
    """Return the attributes that `to_file` was given."""
    out = dict(attrs)
    try:
        for name in json.loads(out.pop(_JSON, "[]")):
            out[name] = json.loads(out[name])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{owner}: {_JSON}", attrs[_JSON], "names of attributes in JSON"
        ) from error
    return out


def _is_native(value: Any) -> bool:
    """Return whether netCDF gives a value again, its type included."""
    if isinstance(value, str):
        return storable(value) == value
    if isinstance(value, int):
        return not isinstance(value, bool) and -(2**63) <= value < 2**63
    if isinstance(value, float):
        return True
    if isinstance(value, np.generic | np.ndarray):
        # An array of one comes back as a number, and one of no numbers without a type.
        if np.ma.is_masked(value):
            return False
        several = value.ndim == 1 and value.size > 1
        return value.dtype.str[1:] in NUMBERS and (several or isinstance(value, np.generic))
    if isinstance(value, list | tuple) and len(value) > 1:
        one_kind = len({type(item) for item in value}) == 1
        return one_kind and isinstance(value[0], int | float | str) and all(map(_is_native, value))
    return False


NUMBERS = {"f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"}


def plain(value: Any, label: str) -> Any:
    """Return a value as JSON has it, or raise `InputError` under a label."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, np.generic | np.ndarray):
        if value.dtype.kind == "M":
            return value.astype(str).tolist()
        if value.dtype.kind in "biufU" and (value.dtype.kind == "U" or value.dtype.itemsize <= 8):
            return value.tolist()
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [plain(item, label) for item in value]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: plain(item, label) for key, item in value.items()}
    raise InputError(label, f"{value!r} (of type {type(value).__name__})", _TAKES)
