"""Laws of decay: what they are, and the search that starts their fits. Arrays in, arrays out.

Every law is ``f = c + a exp(-q s)`` in a clock s of its own: s = t for the
exponential, and s = log(t + 1) for the powers, as ``(t + 1)^-q = exp(-q s)``. It
is linear in c and a, so a search is over the one rate q: for each of a grid of
rates the others follow by linear least squares.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lwdstats.arrays import FloatArray

# Number of rates tried.
GRID = 80


@dataclass(frozen=True)
class Law:
    """A law of decay.

    Attributes
    ----------
    name : str
    text : str
        The law, as a formula of t in the grammar of `lwdstats.expression`.
    parameters : tuple of str
        Names of its parameters: c where it has a limit, a, and the rate.
    clock : callable
        s of t.
    """

    name: str
    text: str
    parameters: tuple[str, ...]
    clock: Callable[[npt.ArrayLike], Any]

    @property
    def has_limit(self) -> bool:
        """Whether its limit is a parameter; otherwise it is 0."""
        return self.parameters[0] == "c"

    @property
    def free(self) -> tuple[int, ...]:
        """Positions in (c, a, log q) of the parameters."""
        return (0, 1, 2) if self.has_limit else (1, 2)

    def half_life(self, rate: float, since: float) -> float:
        """Return how long after time `since` half of f - c is gone."""
        exponent = math.log(2.0) / rate
        if self.clock is _identity:
            return exponent
        return math.inf if exponent > 700 else (since + 1.0) * math.expm1(exponent)


def _identity(t: npt.ArrayLike) -> Any:
    return np.asarray(t, dtype=float)


EXPONENTIAL = Law("exponential", "c + a exp(-rate t)", ("c", "a", "rate"), _identity)
POWER = Law("power", "a (t + 1)^-b", ("a", "b"), np.log1p)
POWER_FLOOR = Law("power_floor", "c + a (t + 1)^-b", ("c", "a", "b"), np.log1p)
LAWS: dict[str, Law] = {law.name: law for law in (EXPONENTIAL, POWER, POWER_FLOOR)}


def decay(s: FloatArray, log_q: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return exp(-q s) and its derivative by log q."""
    qs = np.exp(log_q) * s
    shape = np.exp(-qs)
    return shape, -qs * shape


def values(s: FloatArray, theta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return f (m,) at (c, a, log q), and its derivatives.

    The gradient is (m, 3); of the second derivatives, those over da dlog q and
    dlog q^2 are not 0: (m, 2).
    """
    c, a, log_q = theta
    shape, once = decay(s, log_q)
    twice = once * (1.0 - math.exp(log_q) * s)
    gradient = np.stack([np.ones_like(s), shape, a * once], axis=1)
    return c + a * shape, gradient, np.stack([once, a * twice], axis=1)


def rate_range(span: float, gap: float) -> tuple[float, float]:
    """Return the rates between which a search goes.

    From a decay of a thousandth over the whole span, which a straight line in
    the clock fits as well, to one that is over before the second time.
    """
    return 1e-3 / span, 30.0 / gap


def regress(columns: Sequence[FloatArray], target: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return coefficients (g, q) and residual sums of squares (g,) of g least-squares problems.

    By Gram and Schmidt, for q `columns` (g, n) of which there are few; a column that
    depends on those before it gets the coefficient 0. `target` is (g, n).
    """
    q, left = len(columns), target
    basis: list[FloatArray] = []
    R = np.zeros((len(target), q, q))
    along = np.zeros((len(target), q))
    with np.errstate(all="ignore"):
        for j, column in enumerate(columns):
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
