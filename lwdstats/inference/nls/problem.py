"""What `nls` is given, checked and turned into arrays, and what the solver makes of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from lwdstats.arrays import FloatArray, refuse_dates
from lwdstats.errors import InputError, is_number
from lwdstats.expression import Tree, value_and_gradient
from lwdstats.geometry.labels import arranged, labels_of
from lwdstats.inference.nls.formula import Formula
from lwdstats.inference.nls.selfstart import initial_values
from lwdstats.inference.nls.solver import Model, Solution


@dataclass(frozen=True, eq=False)
class Problem:
    """A least-squares problem: a model and the data that it is fitted to.

    Attributes
    ----------
    formula : Formula
        The model.
    parameters : tuple of str
        Names of the p parameters.
    variables : dict of str to numpy.ndarray
        The data, rows with missing values left out.
    response : numpy.ndarray, shape (n,)
        The left side of the formula.
    weights : numpy.ndarray, shape (n,), or None
        Weights of the squares, if there are any.
    n_omitted : int
        Rows left out for missing values.
    """

    formula: Formula
    parameters: tuple[str, ...]
    variables: Mapping[str, FloatArray] = field(repr=False)
    response: FloatArray = field(repr=False)
    weights: FloatArray | None = field(repr=False)
    n_omitted: int

    @property
    def all_weights(self) -> FloatArray:
        """Weights of the squares, (n,), 1 where there are none."""
        return np.ones(len(self.response)) if self.weights is None else self.weights

    def nobs(self) -> int:
        """Return the number of observations of positive weight."""
        return int((self.all_weights > 0).sum())

    def df_residual(self) -> int:
        """Return the number of observations less that of parameters."""
        return self.nobs() - len(self.parameters)

    def norm(self) -> float:
        """Return the length of the weighted response, which sets the level of rounding."""
        y = np.sqrt(self.all_weights) * self.response
        if not np.isfinite(y).all() or np.abs(y).max() > 1e140:
            takes = "one whose squares are finite"
            raise InputError("formula", "a response above 1e140", takes)
        return float(np.linalg.norm(y))

    @property
    def predictors(self) -> list[str]:
        """Names in the model that are not parameters."""
        return [name for name in self.formula.model.names if name not in self.parameters]

    def named(self, at: FloatArray) -> dict[str, float]:
        """Return parameters (p,) by name."""
        return dict(zip(self.parameters, at.tolist(), strict=True))

    def model(self) -> Model:
        """Return the function of the parameters that `solve` takes: residuals and gradient."""
        root = None if self.weights is None else np.sqrt(self.weights)

        def model(at: FloatArray) -> tuple[FloatArray, FloatArray]:
            value, slopes = value_and_gradient(self.formula.model, self.variables, self.named(at))
            gradient = np.empty((len(self.response), len(self.parameters)))
            for j, name in enumerate(self.parameters):
                gradient[:, j] = slopes[name]
            residuals = self.response - value
            if root is None:
                return residuals, gradient
            # What has no weight plays no part, even where the model is not finite.
            with np.errstate(invalid="ignore"):
                used = root > 0
                residuals = np.where(used, root * residuals, 0.0)
                return residuals, np.where(used[:, None], root[:, None] * gradient, 0.0)

        return model

    def self_started(self, held: Mapping[str, float]) -> FloatArray:
        """Return the starting values that the self-start finds, those `held` left out."""
        call, y, w = self.formula.call, self.response, self.all_weights
        assert call is not None  # noqa: S101 - parameter_names has seen to it
        fixed = {}
        for parameter, argument in zip(call.model.parameters, call.arguments, strict=True):
            number = value_of(argument)
            if number is None and argument[1] in held:
                number = held[argument[1]]
            if number is not None:
                fixed[parameter] = number
        x = np.broadcast_to(np.asarray(call.input(self.variables), dtype=float), y.shape)
        found = initial_values(call.model, x[w > 0], y[w > 0], w[w > 0], fixed)
        return np.array(list(found.values()))


@dataclass(frozen=True, eq=False)
class Fit(Problem, Solution):
    """A least-squares problem with its solution, of which intervals and tables are made."""

    def deviance(self) -> float:
        """Return the (weighted) residual sum of squares."""
        return self.rss

    @property
    def sigma(self) -> float:
        """Residual standard error (of an observation of weight 1)."""
        return math.sqrt(self.rss / self.df_residual())

    @cached_property
    def standard_errors(self) -> FloatArray:
        """Standard errors of the estimates, (p,); NaN unless converged."""
        return self.sigma * np.sqrt(np.diag(self.cov_unscaled))

    def t_quantile(self, level: float) -> float:
        """Return how many standard errors an interval reaches to each side."""
        return float(stdtrit(self.df_residual(), (1.0 + level) / 2.0))


def as_problem(
    formula: Formula, data: Any, start: Mapping[str, float] | None, weights: Any
) -> Problem:
    """Return the problem that `nls` is given, or raise `InputError`."""
    names = parameter_names(formula, column_names(data), start)
    used = dict.fromkeys([*formula.response.names, *formula.model.names])
    needed = [name for name in used if name not in names]
    data, weights = _together(data, needed, weights)
    variables = {name: as_variable(data, name) for name in needed}
    n, variables, w = complete_rows(formula, variables, as_weights(data, weights))
    with np.errstate(all="ignore"):
        y = np.array(formula.response(variables), dtype=float)
    if not np.isfinite(y).all():
        got = f"{formula.response.text!r}, which is not finite on these data"
        raise InputError("formula", got, "a finite response")
    problem = Problem(formula, names, variables, y, w, n - len(y))
    if problem.df_residual() <= 0:
        got = f"{problem.nobs()} observations for {len(names)} parameters"
        raise InputError("data", got, "more observations than parameters")
    return problem


def _together(data: Any, names: list[str], weights: Any) -> tuple[Any, Any]:
    """Return data and weights with what has labels in one order, that of the first that has any."""
    columns = {} if hasattr(data, "columns") else {n: data[n] for n in names if n in data}
    labels = labels_of(data) if hasattr(data, "columns") else None
    first = "data"
    for name, column in columns.items():
        own = labels_of(column)
        if own is None or np.ndim(column) != 1:
            continue
        if labels is None:
            labels, first = own, f"data: {name}"
        columns[name] = arranged(column, labels, f"data: {name}", first)
    if labels_of(weights) is not None:
        weights = arranged(weights, labels, "weights", first)
    return ({**data, **columns} if columns else data), weights


def as_start(start: Any) -> dict[str, float] | None:
    """Return starting values by name, or raise `InputError`."""
    takes = "a mapping of parameter names to finite numbers, or a Series such as coef(fit)"
    if start is None:
        return None
    if isinstance(start, pd.DataFrame):
        if len(start) != 1:
            raise InputError("start", f"a table of {len(start)} rows", takes)
        start = start.iloc[0]
    if not isinstance(start, Mapping | pd.Series):
        raise InputError("start", start, takes)
    given: dict[str, float] = {}
    for name, value in start.items():
        number = value.item() if isinstance(value, np.ndarray) and value.size == 1 else value
        if not is_number(number) or not math.isfinite(number):
            raise InputError("start", f"{name} = {value!r}", takes)
        if not isinstance(name, str) or name in given:
            raise InputError("start", f"the name {name!r}", "names of parameters, each once")
        given[name] = float(number)
    return given


def column_names(data: Any) -> list[str]:
    """Return the names in `data`."""
    return [str(name) for name in (data if isinstance(data, Mapping) else data.columns)]


def check_named(argument: str, data: object) -> None:
    """Raise `InputError` unless `data` gives arrays by their names."""
    if not isinstance(data, Mapping) and not hasattr(data, "columns"):
        takes = "a DataFrame or a mapping of names to arrays"
        raise InputError(argument, type(data).__name__, takes)


def parameter_names(
    formula: Formula, columns: Sequence[str], start: Mapping[str, float] | None
) -> tuple[str, ...]:
    """Return the names in the model that are not data, in R's order, or raise `InputError`."""
    free = [name for name in formula.model.names if name not in columns]
    if start is None:
        if formula.call is None:
            takes = "a starting value for each of " + ", ".join(free) if free else "parameters"
            raise InputError("start", None, takes)
        given = formula.call.arguments
        names = [tree[1] for tree in given if tree[0] == "name"]
        if (
            any(tree[0] != "name" and value_of(tree) is None for tree in given)
            or len(set(names)) < len(names)
            or set(names) != set(free)
            or not set(formula.call.input.names).isdisjoint(free)
        ):
            takes = (
                "starting values, unless each argument of the self-start but the first is a "
                "number or a name of its own that is not in data"
            )
            raise InputError("start", None, takes)
        return tuple(names)
    for name in start:
        if name in columns:
            raise InputError("start", repr(name), "names that are not in data")
        if name not in free:
            raise InputError("start", repr(name), f"parameters of the model: {', '.join(free)}")
    missing = [name for name in free if name not in start]
    if missing:
        takes = "a starting value for each name in the model that is not in data"
        raise InputError("start", f"no value for {', '.join(missing)}", takes)
    if not start:
        raise InputError("formula", repr(formula.text), "at least one parameter")
    return tuple(start)


def value_of(tree: Tree) -> float | None:
    """Return the number a tree is, or None."""
    if tree[0] == "number":
        return float(tree[1])
    if tree[0] == "negative" and tree[1][0] == "number":
        return -float(tree[1][1])
    return None


def as_variable(data: Any, name: str, argument: str = "data") -> FloatArray:
    """Return a variable of `data` as a vector or scalar of floats."""
    takes = "real numbers: a vector, or a scalar"
    try:
        raw = data[name]
    except (KeyError, IndexError, TypeError):
        raise InputError(argument, repr(name), "names in data") from None
    try:
        array = np.asarray(raw)
    except (TypeError, ValueError):
        raise InputError(argument, f"{name}, a {type(raw).__name__}", takes) from None
    refuse_dates(array, f"{argument}: {name}")
    # NumPy would read numbers out of text.
    if array.dtype == object and any(isinstance(value, str) for value in array.flat):
        raise InputError(argument, f"{name} with text", takes)
    if array.dtype.kind not in "biufO" or array.ndim > 1:
        raise InputError(argument, f"{name} of type {array.dtype}, shape {array.shape}", takes)
    try:
        array = np.array(array, dtype=float)
    except (TypeError, ValueError):
        raise InputError(argument, f"{name} of type {array.dtype}", takes) from None
    if np.isinf(array).any():
        raise InputError(argument, f"{name} with infinite values", "finite numbers, or NaN")
    return array


def as_weights(data: Any, weights: Any) -> FloatArray | None:
    """Return weights as given: an array, or the name of a variable in `data`."""
    if weights is None:
        return None
    takes = "a vector of numbers that are not negative, or a name in data"
    if not isinstance(weights, str):
        data, weights = {"weights": weights}, "weights"
    w = as_variable(data, weights, "weights")
    if w.ndim != 1 or np.isnan(w).any() or (w < 0).any():
        raise InputError("weights", f"shape {w.shape}, least {np.min(w, initial=math.inf)}", takes)
    return w


def complete_rows(
    formula: Formula, variables: dict[str, FloatArray], w: FloatArray | None
) -> tuple[int, dict[str, FloatArray], FloatArray | None]:
    """Return the number of rows, and the variables and weights without rows that miss a value."""
    lengths = {name: len(v) for name, v in variables.items() if v.ndim == 1}
    if not any(name in lengths for name in formula.response.names):
        raise InputError("formula", repr(formula.text), "a response that is a vector in data")
    n = next(lengths[name] for name in formula.response.names if name in lengths)
    if w is not None:
        lengths["weights"] = len(w)
    for name, length in lengths.items():
        if length != n:
            argument = "weights" if name == "weights" else "data"
            raise InputError(argument, f"{name} of length {length}", f"vectors of one length, {n}")
    kept = np.ones(n, dtype=bool)
    for values in variables.values():
        kept &= ~np.isnan(values)
    rows = {name: v[kept] if v.ndim == 1 else v for name, v in variables.items()}
    return n, rows, None if w is None else w[kept]
