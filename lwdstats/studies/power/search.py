"""The search of `power_test`: which replicates, answers, steps or effect have a power."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize, stats

from lwdstats.errors import InputError

# Below this an effect is none.
_NO_EFFECT = 1e-3
# How near to the least effect that has the power, as a share of it.
_NEAR = 1e-4
# How many times beyond the bracket the probit line is fitted: it is no line further off.
_AROUND = 4.0

Power = Callable[[float], float]


@dataclass(frozen=True)
class Sought:
    """What is sought, and where.

    Attributes
    ----------
    name : str
        "n_replicates", "n_responses", "n_steps" or "effect".
    power : float
        What it is to reach.
    least, most : float
        The smallest value, where the search starts, and the largest that is tried.
    n_sim : int
        Studies behind each power; 0 by theory.
    """

    name: str
    power: float
    least: float
    most: float
    n_sim: int = 0

    @property
    def whole(self) -> bool:
        """Whether it is a whole number."""
        return self.name != "effect"

    def lost(self, share: float) -> bool:
        """Whether a power is below that sought by more than chance."""
        noise = math.sqrt(share * (1 - share) / self.n_sim) if self.n_sim else 0.0
        return share < self.power - 2 * noise


def bracket(at: Power, sought: Sought) -> tuple[float, float | None]:
    """Return a value that has the power and one that lacks it, by doubling from the least.

    The second is None where the least value has the power and no larger one loses it. It is
    the larger one where power falls, which of steps it may: models forget how they started.
    """
    value = sought.least
    powers = {value: at(value)}
    if powers[value] >= sought.power:
        if sought.name == "n_steps":
            return _until_lost(at, sought)
        return (value, None) if sought.whole else _halved(at, sought)
    before = value
    while powers[value] < sought.power and value < sought.most:
        before, value = value, min(2 * value, sought.most)
        powers[value] = at(value)
    if powers[value] >= sought.power:
        return value, before
    best = max(powers, key=lambda one: powers[one])
    got = (
        f"{sought.power:g}, which no {sought.name} from {sought.least:g} to {sought.most:.4g} "
        f"reaches: the highest is {powers[best]:.2f}, at {best:.4g}"
    )
    raise InputError("power", got, "one that the source can reach")


def _until_lost(at: Power, sought: Sought) -> tuple[float, float | None]:
    """Return the largest value that has the power, and the one after at which it is lost."""
    has = value = sought.least
    while value < sought.most:
        value = min(2 * value, sought.most)
        share = at(value)
        if share >= sought.power:
            has = value
        elif sought.lost(share):
            return has, value
    return sought.least, None


def _halved(at: Power, sought: Sought) -> tuple[float, float]:
    """Return an effect that has the power and the half of it, which has not."""
    value = sought.least
    while value > _NO_EFFECT:
        value /= 2
        if at(value) < sought.power:
            return 2 * value, value
    got = f"{sought.power:g}, which effect = {value:.2g} reaches already"
    raise InputError("power", got, "one that hangs on the effect")


def by_bisection(at: Power, sought: Sought) -> tuple[float, str | None]:
    """Return the value where an exact power is reached, and what to say of it."""
    has, lacks = bracket(at, sought)
    said = _said(sought, has, lacks)
    if lacks is None:
        return has, said
    while abs(has - lacks) > (1 if sought.whole else _NEAR * has):
        middle = (has + lacks) / 2
        if sought.whole:
            middle = float(math.floor(middle))
        has, lacks = (middle, lacks) if at(middle) >= sought.power else (has, middle)
    return has, said


def by_probit(
    at: Power, tried: Sequence[tuple[float, float, int]], sought: Sought
) -> tuple[float, str | None]:
    """Return the value that a probit line, fitted near it, gives the power; and what to say of it.

    Rows of `tried`, to which `at` adds, begin with a value and its power.
    """
    has, lacks = bracket(at, sought)
    said = _said(sought, has, lacks)
    if lacks is None or (sought.whole and abs(has - lacks) <= 1):
        return has, said
    low, high = min(has, lacks), max(has, lacks)
    middle = math.sqrt(low * high)
    if sought.whole:
        middle = float(round(middle))
    if middle not in (low, high):
        at(middle)
    near = [row for row in tried if low / _AROUND <= row[0] <= high * _AROUND]
    x = np.log([row[0] for row in near])
    p = np.array([row[1] for row in near])

    def misfit(line: Any) -> float:
        fit = np.clip(stats.norm.cdf(line[0] + line[1] * x), 1e-6, 1 - 1e-6)
        return -float((p * np.log(fit) + (1 - p) * np.log(1 - fit)).sum())

    rising = has > lacks
    line = optimize.minimize(misfit, [0.0, 1.0 if rising else -1.0], method="Nelder-Mead").x
    if line[1] == 0 or (line[1] > 0) != rising:
        return has, said
    found = (stats.norm.ppf(sought.power) - line[0]) / line[1]
    # Bounded before exp, which a line that is nearly flat would overflow.
    found = math.exp(float(np.clip(found, math.log(low), math.log(high))))
    if sought.whole:
        found = float(math.ceil(found - 1e-9) if rising else math.floor(found + 1e-9))
    return found, said


def _said(sought: Sought, has: float, lacks: float | None) -> str | None:
    """Return what the answer is, where it is not the least value that has the power."""
    if sought.name != "n_steps":
        return None
    if lacks is None:
        return (
            f"n_steps is the least that the test takes: all that were tried, up to "
            f"{sought.most:g}, have the power."
        )
    if lacks > has:
        return "n_steps is the largest that still has the power, which falls with it."
    return None
