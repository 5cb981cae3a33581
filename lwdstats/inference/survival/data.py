"""Right-censored times from a formula ``Surv(time, event) ~ terms`` and data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError
from lwdstats.inference.formula.design import Term, design_of, values_of
from lwdstats.inference.formula.syntax import Call, Tree, written
from lwdstats.inference.formula.terms import parse_formula
from lwdstats.inference.formula.values import Factor

TAKES = "'Surv(time, event) ~ terms', the terms being columns of data"


@dataclass(frozen=True, eq=False)
class Survival:
    """Times, whether something happened then, and what a formula says of each.

    Attributes
    ----------
    formula : str
        As it was given.
    time : (n,) float64
    event : (n,) bool
        False where the time is censored.
    terms : list of Term
        What stands on the right side, but for strata.
    variables : dict of str to (n, .) float64 or Factor
        Values of the variables of the terms, in their order.
    strata : (n,) int64
        Codes of the strata, all 0 without any.
    """

    formula: str
    time: FloatArray
    event: NDArray[np.bool_]
    terms: list[Term]
    variables: dict[str, FloatArray | Factor]
    strata: NDArray[np.int64]

    def groups(self) -> tuple[list[str], NDArray[np.int64]]:
        """Return R's names of the groups that the variables make, and the codes (n,) of rows."""
        if not self.variables:
            return [""], np.zeros(len(self.time), np.int64)
        parts = [levels_of(name, value) for name, value in self.variables.items()]
        codes = np.stack([code for _, code in parts], axis=1)
        found, code = np.unique(codes, axis=0, return_inverse=True)
        names = [
            ", ".join(labels[j] for (labels, _), j in zip(parts, row, strict=True))
            for row in found.tolist()
        ]
        return names, code.ravel().astype(np.int64)


def read_survival(formula: str, data: object, *, least: int) -> Survival:
    """Return what a formula says of data, a frame.

    Raises
    ------
    InputError
        If it is no such formula, or data do not hold what it names.
    """
    if not isinstance(data, pd.DataFrame):
        raise InputError("data", f"an object of type {type(data).__name__}", "a pandas DataFrame")
    if not len(data):
        raise InputError("data", "no rows", "a row for each time")
    data = data.reset_index(drop=True)
    parsed = parse_formula(formula, [str(name) for name in data.columns], takes=TAKES, least=0)
    if not (isinstance(parsed.left, Call) and parsed.left.function == "Surv"):
        raise InputError("formula", repr(formula), TAKES)
    if not parsed.terms and least == 0 and not parsed.intercept:
        raise InputError("formula", f"{formula!r} without an intercept", TAKES)
    plain, strata = parsed.without("strata")
    if len(plain.terms) < least:
        raise InputError("formula", f"{formula!r} without a term to compare", TAKES)
    time, event = _times(parsed.left.arguments, data)
    variables = list(dict.fromkeys(v for term in plain.terms for v in term))
    values = {written(v): value for v, value in values_of(variables, data).items()}
    inside = [v for call in strata if isinstance(call, Call) for v in call.arguments]
    codes = np.zeros((len(data), 1), np.int64)
    for value in values_of(inside, data).values():
        codes = np.column_stack([codes, levels_of("", value)[1]])
    _, stratum = np.unique(codes, axis=0, return_inverse=True)
    terms = design_of(plain, data)
    return Survival(formula, time, event, terms, values, stratum.ravel().astype(np.int64))


def _times(arguments: Sequence[Tree], data: pd.DataFrame) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return the times (n,) and whether something happened then."""
    if len(arguments) != 2:
        got = f"Surv() of {len(arguments)}"
        raise InputError("formula", got, "Surv(time, event), right-censored times")
    values = values_of(list(arguments), data)
    time, event = (values[argument] for argument in arguments)
    if isinstance(time, Factor):
        raise InputError("data", f"{written(arguments[0])} that is text", "times in numbers")
    if isinstance(event, Factor):
        # Truth values come as a factor of them.
        truths = {"FALSE": 0.0, "TRUE": 1.0}
        if not set(event.levels) <= set(truths):
            got = f"{written(arguments[1])} of {', '.join(event.levels[:4])}"
            raise InputError("data", got, "truth values, 0 and 1, or 1 and 2")
        event = np.array([truths[level] for level in event.levels])[event.codes][:, None]
    time, status = time[:, 0], event[:, 0]
    if (time < 0).any():
        got = f"{written(arguments[0])} with {time.min():g}"
        raise InputError("data", got, "times that are not negative")
    # As R reads them: 1 and 2 are censored and not.
    if np.isin(status, (1, 2)).all() and (status == 2).any():
        status = status - 1
    if not np.isin(status, (0, 1)).all():
        got = f"{written(arguments[1])} with {status[~np.isin(status, (0, 1))][0]:g}"
        raise InputError("data", got, "truth values, 0 and 1, or 1 and 2")
    return time, status == 1


def levels_of(name: str, value: FloatArray | Factor) -> tuple[list[str], NDArray[np.int64]]:
    """Return R's labels of the values of a variable, and codes (n,)."""
    if isinstance(value, Factor):
        return [f"{name}={level}" for level in value.levels], value.codes
    found, codes = np.unique(value, axis=0, return_inverse=True)
    texts = [", ".join(f"{x:.7g}" for x in row) for row in found.tolist()]
    return [f"{name}={text}" for text in texts], codes.ravel().astype(np.int64)
