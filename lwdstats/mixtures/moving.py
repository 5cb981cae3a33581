"""Checks of what says how components move, and what their covariances may be."""

from __future__ import annotations

from typing import Any

import numpy as np

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError, check_choice, is_number
from lwdstats.mixtures.arguments import check_numbers

MOVES = ("mean", "covariance")
# The residual that a covariance learns from: from the mean of before (Zivkovic and van der Heijden,
# 2004), or its product with that from the mean of after (Welford, 1962).
VARIANCE_RULES = ("zivkovic", "welford")
COVARIANCE_TYPES = ("full", "diag", "spherical")
VARIANCE_FLOOR = 1e-9


def check_moving(value: Any) -> tuple[str, ...]:
    """Return what moves, in order: nothing, the means, or these and the covariances."""
    takes = "(), 'mean', or ('mean', 'covariance')"
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise InputError("moving", value, takes)
    if names and (set(names) - set(MOVES) or "mean" not in names or len(set(names)) < len(names)):
        raise InputError("moving", value, takes)
    return tuple(name for name in MOVES if name in names)


def check_variance_rule(value: Any, moving: tuple[str, ...], update: Any) -> str | None:
    """Return the rule; by default "zivkovic", and in refits what maximum likelihood has."""
    if "covariance" not in moving:
        return _none("variance_rule", value)
    if value is None:
        return "zivkovic" if update == "sequential" else "welford"
    return check_choice("variance_rule", value, VARIANCE_RULES)


def check_covariance_type(
    value: Any, moving: tuple[str, ...], covariance: FloatArray
) -> str | None:
    """Return the type; by default the narrowest that the covariance at the start is of."""
    if "covariance" not in moving:
        return _none("covariance_type", value)
    diagonal = not (covariance - np.diag(np.diag(covariance))).any()
    spherical = diagonal and bool((np.diag(covariance) == covariance[0, 0]).all())
    holds = {"spherical": spherical, "diag": diagonal, "full": True}
    if value is None:
        return next(name for name, can in holds.items() if can)
    kind = check_choice("covariance_type", value, COVARIANCE_TYPES)
    if not holds[kind]:
        takes = "'full'" if not diagonal else "'full' or 'diag'"
        got = f"{kind!r}, which covariance = {covariance.tolist()} is not"
        raise InputError("covariance_type", got, takes)
    return kind


def _none(argument: str, value: Any, default: str = "None") -> None:
    if value is not None:
        got = f"{value!r} while no covariance moves"
        raise InputError(argument, got, f"{default} there, or moving = ('mean', 'covariance')")


def check_variance_floor(value: Any, moving: tuple[str, ...]) -> float:
    """Return the least variance in any direction, as a share of that at the start."""
    if not is_number(value) or not 1e-30 <= float(value) <= 1:
        raise InputError("variance_floor", value, "a number from 1e-30 to 1")
    # The default is in the specification of every run.
    if "covariance" not in moving and value != VARIANCE_FLOOR:
        _none("variance_floor", value, f"{VARIANCE_FLOOR:g}")
    return float(value)


def check_initial_means(
    value: Any, moving: tuple[str, ...], shape: tuple[int, int, int, int]
) -> FloatArray | None:
    """Return where the components of each model start, or None for `means`.

    `shape` has the numbers of replicates, models, components and features.
    """
    if value is None:
        return None
    if not moving:
        got = "numbers while no mean moves"
        raise InputError("initial_means", got, "None there, or moving = 'mean'")
    r, n, b, d = shape
    shapes = [(b, d), (n, b, d), (r, n, b, d)]
    if d == 1:
        shapes += [(b,), (n, b), (r, n, b)]
    takes = f"finite numbers of shape {' or '.join(map(str, shapes))}"
    array = check_numbers("initial_means", value, takes, shapes)
    # One feature need not be told; where a shape could mean both, the one with features.
    if array.shape not in shapes[:3]:
        array = array[..., None]
    if np.abs(array).max() > 1e30:
        raise InputError("initial_means", f"a number of {np.abs(array).max():.3g}", takes)
    return array
