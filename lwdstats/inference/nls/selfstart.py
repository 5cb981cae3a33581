"""Self-starts: laws of decay that find their own starting values.

Each law is linear in all its parameters but one. So its starting values come
from a search over that one alone: for each trial value the others follow by
linear least squares. The best of a grid is refined between its neighbours, which
ends next to the least-squares fit itself. (R starts from a regression of
logarithms and then takes steps in the one parameter.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lwdstats.arrays import FloatArray
from lwdstats.expression import Expression, parse

_GRID = 80


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
        The law, in terms of ``input`` and `parameters`.
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
        return np.asarray(self.expression({"input": input, **parameters}), dtype=float)


def _rates(x: FloatArray) -> FloatArray:
    # From a decay that is hardly seen over the whole span to one that is over
    # before the second point.
    distinct = np.unique(x)
    span = distinct[-1] - distinct[0] if len(distinct) > 1 else 1.0
    gap = np.diff(distinct).min() if len(distinct) > 1 else 1.0
    return np.geomspace(1e-3 / span, 30.0 / gap, _GRID)


def _logs(x: FloatArray) -> FloatArray:
    return np.log(_rates(x))


def _powers(x: FloatArray) -> FloatArray:
    return np.geomspace(1e-3, 50.0, _GRID)


def _law(
    name: str,
    parameters: str,
    text: str,
    nonlinear: str,
    grid: Callable[[FloatArray], FloatArray],
) -> SelfStart:
    return SelfStart(name, tuple(parameters.split()), parse(text), nonlinear, grid)


SELF_STARTS: dict[str, SelfStart] = {
    law.name: law
    for law in (
        _law("SSasymp", "Asym R0 lrc", "Asym + (R0 - Asym) exp(-exp(lrc) input)", "lrc", _logs),
        _law("SSasympOrig", "Asym lrc", "Asym (1 - exp(-exp(lrc) input))", "lrc", _logs),
        _law("SSexpfloor", "c a rate", "c + a exp(-rate input)", "rate", _rates),
        _law("SSpower", "c a b", "c + a (input + 1)^-b", "b", _powers),
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
    from scipy.optimize import minimize_scalar

    given = dict(fixed or {})
    linear = [p for p in law.parameters if p != law.nonlinear and p not in given]
    root = np.ones_like(y) if weights is None else np.sqrt(weights)

    def project(trial: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return residual sums of squares (g,) and linear coefficients (g, q) at trials (g,)."""
        values = dict.fromkeys(linear, 0.0) | given
        values[law.nonlinear] = np.reshape(np.asarray(trial, dtype=float), (-1, 1))  # type: ignore[assignment]
        with np.errstate(all="ignore"):
            rest = law(x, **values)
            # The law is linear in these, so a unit step is a derivative.
            basis = [root * (law(x, **(values | {p: 1.0})) - rest) for p in linear]
        target = root * (y - rest)
        if not basis:
            return np.einsum("gn,gn->g", target, target), np.empty((len(target), 0))
        columns = np.stack(np.broadcast_arrays(*basis), axis=-1)
        finite = np.isfinite(columns).all(axis=(1, 2)) & np.isfinite(target).all(axis=1)
        usable: npt.NDArray[np.bool_] = np.asarray(finite)
        solution, rss = _regress(np.where(usable[:, None, None], columns, 0.0), target)
        return np.where(usable, rss, np.inf), solution

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


def _regress(columns: FloatArray, target: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return coefficients (g, q) and residual sums of squares (g,) of g least-squares problems.

    By Gram and Schmidt, for `columns` (g, n, q) of which there are one or two;
    a column that depends on those before it gets the coefficient 0.
    """
    q = columns.shape[2]
    left = target
    basis: list[FloatArray] = []
    R = np.zeros((len(columns), q, q))
    along = np.zeros((len(columns), q))
    with np.errstate(all="ignore"):
        for j in range(q):
            column = columns[:, :, j]
            size = np.sqrt(np.einsum("gn,gn->g", column, column))
            for i, unit in enumerate(basis):
                R[:, i, j] = np.einsum("gn,gn->g", unit, column)
                column = column - R[:, i, j, None] * unit
            length = np.sqrt(np.einsum("gn,gn->g", column, column))
            own = length > 1e-10 * size
            R[:, j, j] = np.where(own, length, 1.0)
            unit = np.where(own[:, None], column / R[:, j, j, None], 0.0)
            along[:, j] = np.einsum("gn,gn->g", unit, left)
            left = left - along[:, j, None] * unit
            basis.append(unit)
        solution = np.zeros_like(along)
        for j in reversed(range(q)):
            rest = np.einsum("gk,gk->g", R[:, j, j + 1 :], solution[:, j + 1 :])
            solution[:, j] = (along[:, j] - rest) / R[:, j, j]
        return solution, np.einsum("gn,gn->g", left, left)
