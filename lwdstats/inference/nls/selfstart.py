"""Self-starts: laws of decay that find their own starting values.

Each law is linear in all its parameters but one. So its starting values come
from a search over that one alone (see `lwdstats.inference.laws`). The best of a
grid is refined between its neighbours, which ends next to the least-squares fit
itself. (R starts from a regression of logarithms and then takes steps in the one
parameter.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from lwdstats.arrays import FloatArray
from lwdstats.expression import Expression, parse
from lwdstats.inference.laws import EXPONENTIAL, GRID, POWER_FLOOR, rate_range, regress

# Numbers in an array of trial curves, so that it stays near the processor.
_BLOCK = 1 << 18


@dataclass(frozen=True)
class SelfStart:
    """A law that finds its own starting values.

    Attributes
    ----------
    name : str
        How a formula calls it.
    parameters : tuple of str
        Its arguments after the first, which is the input.
    expression : Expression
        The law, in terms of t (its input) and `parameters`.
    nonlinear : str
        The one parameter in which it is not linear.
    grid : callable
        Trial values of it, increasing, from the inputs.
    """

    name: str
    parameters: tuple[str, ...]
    expression: Expression
    nonlinear: str
    grid: Callable[[FloatArray], FloatArray]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(('input', *self.parameters))})"

    def __call__(self, input: npt.ArrayLike, **parameters: npt.ArrayLike) -> FloatArray:  # noqa: A002
        """Return the law's values at `input`."""
        return np.asarray(self.expression({"t": input, **parameters}), dtype=float)


def _rates(x: FloatArray) -> FloatArray:
    # The input may be any variable, so it is the smallest gap that counts.
    distinct = np.unique(x)
    if len(distinct) == 1:
        return np.geomspace(*rate_range(1.0, 1.0), GRID)
    return np.geomspace(*rate_range(distinct[-1] - distinct[0], np.diff(distinct).min()), GRID)


def _logs(x: FloatArray) -> FloatArray:
    return np.log(_rates(x))


def _powers(x: FloatArray) -> FloatArray:
    # Whatever the input: log(x + 1) may not be there, as it is for times from 0 on.
    return np.geomspace(1e-3, 50.0, GRID)


def _start(
    name: str, text: str, parameters: tuple[str, ...], grid: Callable[[FloatArray], FloatArray]
) -> SelfStart:
    return SelfStart(name, parameters, parse(text), parameters[-1], grid)


SELF_STARTS: dict[str, SelfStart] = {
    law.name: law
    for law in (
        _start("SSasymp", "Asym + (R0 - Asym) exp(-exp(lrc) t)", ("Asym", "R0", "lrc"), _logs),
        _start("SSasympOrig", "Asym (1 - exp(-exp(lrc) t))", ("Asym", "lrc"), _logs),
        _start("SSexpfloor", EXPONENTIAL.text, EXPONENTIAL.parameters, _rates),
        _start("SSpower", POWER_FLOOR.text, POWER_FLOOR.parameters, _powers),
    )
}


def initial_values(
    law: SelfStart,
    x: FloatArray,
    y: FloatArray,
    weights: FloatArray | None = None,
    fixed: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Return starting values of the parameters that are not `fixed`.

    Parameters
    ----------
    law : SelfStart
        One of `SELF_STARTS`.
    x, y : numpy.ndarray, shape (n,)
        Input and response.
    weights : numpy.ndarray, shape (n,), optional
        Of the squares.
    fixed : mapping of str to float, optional
        Parameters that are given.

    Returns
    -------
    dict of str to float

    Examples
    --------
    >>> t = np.arange(20.0)
    >>> start = initial_values(SELF_STARTS["SSpower"], t, 2 + 3 / np.sqrt(t + 1))
    >>> {name: round(value, 2) for name, value in start.items()}
    {'c': 2.0, 'a': 3.0, 'b': 0.5}
    """
    given = dict(fixed or {})
    linear = [p for p in law.parameters if p != law.nonlinear and p not in given]
    root = np.ones_like(y) if weights is None else np.sqrt(weights)

    def project(trial: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return residual sums of squares (g,) and linear coefficients (g, q) at trials (g,)."""
        trials = np.atleast_1d(np.asarray(trial, dtype=float))
        parts = np.array_split(trials, min(len(trials), 1 + trials.size * len(x) // _BLOCK))
        rss, solution = zip(*map(some, parts), strict=True)
        return np.concatenate(rss), np.concatenate(solution)

    def some(trials: FloatArray) -> tuple[FloatArray, FloatArray]:
        values: dict[str, Any] = dict.fromkeys(linear, 0.0) | given
        values[law.nonlinear] = trials[:, None]
        with np.errstate(all="ignore"):
            rest = law(x, **values)
            # The law is linear in these, so a unit step is a derivative.
            basis = [root * (law(x, **(values | {p: 1.0})) - rest) for p in linear]
        target = root * (y - rest)
        finite = np.all([np.isfinite(v).all(axis=1) for v in (target, *basis)], axis=0)
        basis = [np.where(finite[:, None], column, 0.0) for column in basis]
        solution, rss = regress(basis, target)
        return np.where(finite, rss, np.inf), solution

    if law.nonlinear in given:
        best = given[law.nonlinear]
    else:
        grid = law.grid(x)
        at = int(np.argmin(project(grid)[0]))
        low, high = grid[max(at - 1, 0)], grid[min(at + 1, len(grid) - 1)]
        found = minimize_scalar(
            lambda v: project(v)[0].item(), bounds=(low, high), method="bounded"
        )
        best = float(found.x)  # type: ignore[union-attr]
    solution = dict(zip(linear, project(best)[1][0].tolist(), strict=True))
    values = solution | {law.nonlinear: float(best)}
    return {p: values[p] for p in law.parameters if p not in given}
