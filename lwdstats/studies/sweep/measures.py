"""What a sweep measures of a run: named functions of a dataset, or a user's own."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from lwdstats.errors import InputError, check_bool, check_choice, is_number
from lwdstats.geometry.distance import fnorm
from lwdstats.geometry.diversity import diversity, drift, inner_diversity
from lwdstats.geometry.lexical import distinct_n
from lwdstats.inference.convergence.convergence_fit import convergence_fit
from lwdstats.inference.curves import curves
from lwdstats.inference.permutation.collapse_test import collapse_test
from lwdstats.inference.survival.collapse_time import first_for_good
from lwdstats.studies.proxy.estimate import FORMS
from lwdstats.studies.sweep.grid import OWN

_TAKES = (
    "a name, a function of a dataset, a list of these, or a mapping from names of columns to "
    "functions or to tables of options"
)
# By name of the column: a value, or values with their times.
Values = dict[str, Any]


def _over_time(x: xr.DataArray, time: Any) -> Any:
    """Return a curve at a time (the last one by default), at some, or at all times."""
    others = [dim for dim in x.dims if dim != "time"]
    # Of one replicate; models and queries, where there are any, count alike.
    x = x.mean(others) if any(x.sizes[dim] > 1 for dim in others) else x.squeeze(others)
    if isinstance(time, str):
        return x
    if time is None:
        return float(x.isel(time=-1))
    known = x["time"].values.tolist()
    asked = [time] if is_number(time) else list(time)
    if gone := [t for t in asked if t not in known]:
        raise InputError("measure: time", gone[0], f"recorded times, {known[0]} to {known[-1]}")
    return float(x.sel(time=asked[0])) if is_number(time) else x.sel(time=asked)


def _fnorm(ds: xr.Dataset, time: Any = None) -> Values:
    return {"fnorm": _over_time(fnorm(ds), time)}


def _debiased(ds: xr.Dataset, time: Any = None) -> Values:
    return {"fnorm_debiased": _over_time(fnorm(ds, debias=True), time)}


def _diversity(ds: xr.Dataset, time: Any = None) -> Values:
    return {"diversity": _over_time(diversity(ds), time)}


def _inner(ds: xr.Dataset, time: Any = None) -> Values:
    return {"inner_diversity": _over_time(inner_diversity(ds), time)}


def _drift(ds: xr.Dataset, time: Any = None) -> Values:
    return {"drift": _over_time(drift(ds), time)}


def _distinct(ds: xr.Dataset, time: Any = None, n: int = 2) -> Values:
    return {"distinct_n": _over_time(distinct_n(ds, n), time)}


def _collapse_time(
    ds: xr.Dataset, threshold: float, of: str = "fnorm", *, first: bool = False
) -> Values:
    curve = curves(diversity(ds)) if of == "diversity" else curves(ds)
    if first:
        below = curve.values[:, 0] < threshold
        at = int(np.argmax(below)) if below.any() else -1
        return {"collapse_time": float(curve.time[at]), "collapsed": bool(below.any())}
    time, collapsed = first_for_good(curve.time, curve.values, float(threshold))
    return {"collapse_time": float(time[0]), "collapsed": bool(collapsed[0])}


def _limit(ds: xr.Dataset, law: str = "power_floor", since: float = 0) -> Values:
    coefficients: Any = convergence_fit(ds, law, since=since).coef()
    return {"limit": float(coefficients["c"])}


def _rho(ds: xr.Dataset, n_components: Any = None, form: str | None = None) -> Values:
    # Brings scikit-learn, which would lengthen the start of every worker.
    from lwdstats.studies.proxy.fit_proxy import fit_proxy

    return {"rho": float(fit_proxy(ds, n_components, form=form, seed=0).rho)}


def _collapse_r2(ds: xr.Dataset, time: int | None = None, null: str = "given_prompts") -> Values:
    at = int(ds["time"].values[-1]) if time is None else time
    # R2 itself takes no permutations; the fewest are drawn.
    table: Any = collapse_test(ds, at, null=null, permutations=1, seed=0).table
    return {"collapse_r2": float(table["r2_adjusted"].iloc[0])}


NAMED: dict[str, Callable[..., Values]] = {
    "fnorm": _fnorm,
    "fnorm_debiased": _debiased,
    "diversity": _diversity,
    "inner_diversity": _inner,
    "drift": _drift,
    "distinct_n": _distinct,
    "collapse_time": _collapse_time,
    "limit": _limit,
    "rho": _rho,
    "collapse_r2": _collapse_r2,
}


@dataclass(frozen=True)
class Measure:
    """What is measured of a run.

    Attributes
    ----------
    column : str
        Name of its column.
    function : callable
        Takes a dataset of one replicate.
    options : dict
    name : str
        Of a named measure, else empty.
    """

    column: str
    function: Callable[..., Any]
    options: dict[str, Any] = field(default_factory=dict)
    name: str = ""

    @property
    def identity(self) -> list[Any]:
        """What it is, as JSON: of a user's function its source, so that a changed one is new."""
        if self.name:
            return [self.column, self.name, self.options]
        function = self.function
        try:
            code = inspect.getsource(function)
        except (OSError, TypeError):
            code = repr(getattr(getattr(function, "__code__", None), "co_code", type(function)))
        told = hashlib.sha256(code.encode()).hexdigest()
        return [self.column, getattr(function, "__qualname__", type(function).__name__), told]

    def of(self, ds: xr.Dataset) -> dict[str, Any]:
        """Return the columns of a dataset of one replicate, as JSON holds them.

        Of values over time a column is ``{"time": [...], "value": [...]}``.
        """
        found = self.function(ds, **self.options)
        if self.name and self.column != self.name:
            other = {"collapse_time": f"{self.column}_time"} if len(found) > 1 else {}
            found = {other.get(key, self.column): value for key, value in found.items()}
        if not isinstance(found, Mapping):
            found = {self.column: found}
        return {str(key): _kept(str(key), value) for key, value in found.items()}


def _kept(column: str, value: Any) -> Any:
    """Return a measured value as JSON holds it."""
    takes = "a number, a truth value, a text, or values over time"
    if column in OWN:
        raise InputError("measure", f"a column {column!r}", f"names other than {', '.join(OWN)}")
    if isinstance(value, xr.DataArray):
        value = value.squeeze([d for d in value.dims if d != "time" and value.sizes[d] == 1])
        if value.dims == ("time",):
            value = value.to_series()
        elif not value.dims:
            value = value.item()
    if isinstance(value, pd.Series):
        times = [_scalar(column, t, takes) for t in value.index.tolist()]
        return {"time": times, "value": [_scalar(column, v, takes) for v in value.tolist()]}
    return _scalar(column, value, takes)


def _scalar(column: str, value: Any, takes: str) -> Any:
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, str | int | float | bool):
        raise InputError(f"measure: {column}", f"a value of type {type(value).__name__}", takes)
    return value


def read_measures(measure: object) -> tuple[Measure, ...]:
    """Return what is measured, as `sweep` takes it.

    Raises
    ------
    InputError
        If a name or an option is unknown, or a column comes twice.
    """
    if isinstance(measure, str) or callable(measure):
        measure = [measure]
    if isinstance(measure, Mapping):
        found = [_one(str(column), what) for column, what in measure.items()]
    elif isinstance(measure, Sequence):
        found = [_one(_name_of(what), what) for what in measure]
    else:
        raise InputError("measure", f"an object of type {type(measure).__name__}", _TAKES)
    columns = [one.column for one in found]
    if not found or len(set(columns)) < len(columns):
        raise InputError("measure", columns, "one measure or more, each column once")
    return tuple(found)


def _name_of(what: Any) -> str:
    return what if isinstance(what, str) else str(getattr(what, "__name__", "measure"))


def _one(column: str, what: Any) -> Measure:
    if callable(what):
        return Measure("measure" if column == "<lambda>" else column, what)
    if isinstance(what, str):
        what = {"measure": what}
    if not isinstance(what, Mapping):
        raise InputError(f"measure: {column}", what, _TAKES)
    options = {str(key): value for key, value in what.items()}
    name = options.pop("measure", column)
    if not isinstance(name, str) or name not in NAMED:
        raise InputError("measure", name, f"a function, or one of {', '.join(NAMED)}")
    taken = list(inspect.signature(NAMED[name]).parameters.values())[1:]
    for key in options:
        if key not in [one.name for one in taken]:
            known = ", ".join(one.name for one in taken)
            raise InputError(f"measure: {column}", f"an unknown option, {key!r}", known)
    for one in taken:
        if one.default is inspect.Parameter.empty and one.name not in options:
            raise InputError(f"measure: {column}", "nothing", f"its option {one.name!r}")
    _check_options(column, options)
    return Measure(column, NAMED[name], options, name)


def _check_options(column: str, options: dict[str, Any]) -> None:
    """Check what is the same for all cells, before any of them runs."""
    if "time" in options:
        time = options["time"]
        if isinstance(time, np.ndarray | range | tuple):
            time = options["time"] = np.asarray(time).tolist()
        listed = isinstance(time, list) and bool(time) and all(map(is_number, time))
        if not (time is None or time == "all" or is_number(time) or listed):
            takes = "a recorded time, a list of them, 'all', or None for the last"
            raise InputError(f"measure: {column}: time", time, takes)
    if "of" in options and options["of"] not in ("fnorm", "diversity"):
        raise InputError(f"measure: {column}: of", options["of"], "'fnorm' or 'diversity'")
    if options.get("form") is not None:
        check_choice(f"measure: {column}: form", options["form"], FORMS)
    if "first" in options:
        check_bool(f"measure: {column}: first", options["first"])
    if "threshold" in options and not is_number(options["threshold"]):
        takes = "a number, in units of the measure"
        raise InputError(f"measure: {column}: threshold", options["threshold"], takes)


def identity_of(measures: Sequence[Measure]) -> str:
    """Return what all measures are, as text."""
    return json.dumps([one.identity for one in measures], default=str)
