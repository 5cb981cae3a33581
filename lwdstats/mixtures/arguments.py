"""Checks of the arguments of a Gaussian mixture network, each with its own error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError, check_integer, is_number
from lwdstats.expression import parse
from lwdstats.streams import check_replicates

Rule = str | float | Callable[[int], float] | Sequence[float | None]


def check_numbers(
    argument: str, value: object, takes: str, shapes: Sequence[tuple[int, ...]] | None = None
) -> FloatArray:
    """Return finite numbers, of one of the shapes where some are given."""
    try:
        array = np.asarray(value)
        usable = array.dtype.kind in "iuf"
    except (TypeError, ValueError):
        array, usable = np.empty(0), False
    if not usable or not np.isfinite(array).all():
        raise InputError(argument, value, takes)
    if shapes is not None and array.shape not in shapes:
        raise _shape_error(argument, array, takes)
    return array.astype(np.float64)


def check_threshold(value: Any) -> float:
    """Return epsilon."""
    if not is_number(value) or not 0 <= float(value) <= 1:
        raise InputError("threshold", value, "a number in [0, 1]")
    return float(value)


def check_max_overlap(value: Any) -> float:
    """Return the largest J that the Gaussian engine accepts."""
    if not is_number(value) or not 0 <= float(value) <= 1:
        raise InputError("max_overlap", value, "a number in [0, 1]; at 1 nothing is refused")
    return float(value)


def check_ids(value: Any) -> tuple[int, ...]:
    """Return the ids of the replicates, which the kernels' streams hold in 63 bits."""
    ids = check_replicates(value)
    if max(ids) >= 2**63:
        raise InputError("replicates", max(ids), f"ids of at most {2**63 - 1}")
    return ids


def _shape_error(argument: str, array: NDArray[Any], takes: str) -> InputError:
    return InputError(argument, f"numbers of shape {array.shape}", takes)


def check_means(means: ArrayLike | None, n_components: int) -> FloatArray:
    """Return the means, (B, d), or the default."""
    if means is None:
        centred = np.arange(n_components, dtype=np.float64) - (n_components - 1) / 2
        return 10 * centred[:, None]
    takes = (
        f"finite numbers of shape ({n_components},) or ({n_components}, d), as n_components says"
    )
    array = check_numbers("means", means, takes)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[0] != n_components or array.shape[1] == 0:
        raise _shape_error("means", np.asarray(means), takes)
    return array


def check_covariance(covariance: ArrayLike, d: int) -> FloatArray:
    """Return the covariance, (d, d)."""
    matrix = f"a symmetric positive definite matrix of shape ({d}, {d})"
    takes = f"a positive number or {matrix}, where d = {d} is that of means"
    array = check_numbers("covariance", covariance, takes, [(), (d, d)])
    if array.ndim == 0:
        array = array * np.eye(d)
    largest = np.abs(array).max()
    if np.abs(array - array.T).max() > 1e-10 * largest:
        raise InputError("covariance", f"a matrix that is not symmetric, {array.tolist()}", takes)
    # The mean of each pair of equal numbers is that number, so that a spec stays what it was.
    array = (array + array.T) / 2
    values = np.linalg.eigvalsh(array)
    if not values[0] > 1e-12 * values[-1] > 0:
        smallest = f"a matrix with eigenvalues {values[0]:.3g} to {values[-1]:.3g}"
        raise InputError("covariance", smallest, takes)
    return array


def check_resolution(means: FloatArray, covariance: FloatArray, argument: str) -> None:
    """Raise if float32, in which points are kept, would coarsen the components."""
    values = np.linalg.eigvalsh(covariance)
    reach = np.abs(means).max() + 10 * np.sqrt(values[-1])
    step = reach * np.finfo(np.float32).eps
    if not reach < np.finfo(np.float32).max or np.sqrt(values[0]) < 10 * step:
        deviation = f"standard deviations down to {np.sqrt(values[0]):.3g}"
        raise InputError(
            argument,
            f"points out to {reach:.3g} with {deviation}",
            "components that float32 points resolve: centre the means on 0",
        )


def resolved(means: FloatArray, covariances: FloatArray) -> NDArray[np.bool_]:
    """Return whether float32 points say how wide components are in every direction, (...).

    `means` are (..., d), `covariances` (..., d, d). A deviation of two steps of rounding is enough,
    which adds 2% to a variance; each feature is rounded by where it lies.
    """
    deviations = np.sqrt(np.diagonal(covariances, axis1=-2, axis2=-1))
    steps = (np.abs(means) + 10 * deviations) * np.finfo(np.float32).eps
    if means.shape[-1] == 1:
        return deviations[..., 0] >= 2 * steps[..., 0]
    inverse = 1 / steps
    scaled = covariances * inverse[..., None] * inverse[..., None, :]
    return np.linalg.eigvalsh(scaled)[..., 0] >= 4


def check_concentration(value: Any, n_components: int) -> float | tuple[float, ...]:
    """Return the parameter of the Dirichlet law, one number or B."""
    takes = f"a positive number, or {n_components} of them"
    array = check_numbers("concentration", value, takes, [(), (n_components,)])
    # Beyond these bounds the gamma numbers under a Dirichlet draw leave float64.
    if array.min() < 1e-8 or array.max() > 1e8:
        raise InputError("concentration", value, f"{takes}, between 1e-8 and 1e8")
    return float(array) if array.ndim == 0 else tuple(array.tolist())


def check_initial_weights(
    value: ArrayLike | None, r: int, n: int, n_components: int
) -> FloatArray | None:
    """Return Pi^(0) as it was given, or None."""
    if value is None:
        return None
    shapes = ((n_components,), (n, n_components), (r, n, n_components))
    takes = f"positive numbers of shape {' or '.join(map(str, shapes))} whose rows sum to 1"
    array = check_numbers("initial_weights", value, takes, shapes)
    if array.min() <= 0:
        raise InputError("initial_weights", f"a weight of {array.min():g}", takes)
    sums = array.sum(-1)
    worst = sums.flat[np.abs(sums - 1).argmax()]
    if abs(worst - 1) > 1e-8:
        raise InputError("initial_weights", f"a row that sums to {worst:.12g}", takes)
    return array


def check_initial_points(value: ArrayLike | None, r: int, d: int) -> NDArray[np.float32] | None:
    """Return A^(0), (N0, d) or (r, N0, d), or None if it is empty."""
    if value is None:
        return None
    flat = "(N0,) or " if d == 1 else ""
    takes = f"finite float32 numbers of shape {flat}(N0, {d}) or ({r}, N0, {d})"
    array = check_numbers("initial_points", value, takes)
    if array.ndim == 1 and d == 1:
        array = array[:, None]
    if array.ndim not in (2, 3) or array.shape[-1] != d or array.shape[:-2] not in ((), (r,)):
        raise _shape_error("initial_points", np.asarray(value), takes)
    if np.abs(array).max(initial=0) > np.finfo(np.float32).max:
        raise InputError("initial_points", f"a number of {np.abs(array).max():.3g}", takes)
    return array.astype(np.float32) if array.shape[-2] else None


def check_step_size(rule: Any, known: dict[str, Any]) -> tuple[FloatArray, Any]:
    """Return alpha_t at t = 0..T-1, NaN where k_t is 0, and how the spec keeps the rule.

    `known` has what a rule may use: k, shape (T,) or (T, W), B, n and t, which fits k.
    """
    takes = "a formula, a number, a function of k or values, all in (0, 1]"
    return _evaluate("step_size", rule, known, takes, lambda alpha: (alpha > 0) & (alpha <= 1))


def check_complexity(rule: Any, known: dict[str, Any]) -> tuple[FloatArray, Any]:
    """Return c_{t,B} as `check_step_size` returns alpha_t."""
    n_b = known["B"]
    takes = f"a formula, a number, a function of k or values, with c >= 0 and B c < 1 (B = {n_b})"
    return _evaluate("complexity", rule, known, takes, lambda c: (c >= 0) & (n_b * c < 1))


def check_update(value: Any) -> str | tuple[str, float]:
    """Return how a model learns from what it reads: a name, or ("prior", nu)."""
    takes = "'sequential', 'refit', or ('prior', nu) with nu > 0 points"
    if isinstance(value, str) and value in ("sequential", "refit"):
        return value
    if isinstance(value, list | tuple) and len(value) == 2 and value[0] == "prior":
        points: Any = value[1]
        if is_number(points) and 0 < points < np.inf:
            return ("prior", float(points))
    raise InputError("update", value, takes)


def _evaluate(
    argument: str,
    rule: Any,
    known: dict[str, Any],
    takes: str,
    usable: Callable[[FloatArray], NDArray[np.bool_]],
) -> tuple[FloatArray, Any]:
    """Return a rule's values at t = 0..T-1, NaN where k is 0, and how the spec keeps it.

    In the shape of k: (T,), or (T, W) where what is read differs.
    """
    k = known["k"]
    reads = k > 0
    values = np.full(k.shape, np.nan)
    if isinstance(rule, str):
        formula = parse(rule, argument=argument)
        if set(formula.names) - set(known):
            raise InputError(argument, repr(rule), f"a formula in {', '.join(known)}")
        # Where it is not finite the check below says so, with the step.
        with np.errstate(all="ignore"):
            values[reads] = np.broadcast_to(formula(known), k.shape)[reads]
        kept = rule
    elif is_number(rule):
        kept = float(rule)
        values[reads] = kept
    else:
        if callable(rule) and k.ndim == 2:
            got = "a function of k, where k differs between models"
            raise InputError(argument, got, "a formula, a number, or one value a step")
        given = _values(argument, rule, k, takes)
        some = reads.reshape(len(k), -1).any(1)
        for t in np.flatnonzero(some):
            if np.ndim(given[t]) or not is_number(np.asarray(given[t])[()]):
                where = f"{given[t]!r} at step {t} (k = {k[t].max()})"
                raise InputError(argument, where, takes)
            values[t] = np.where(reads[t], float(given[t]), np.nan)
        kept = tuple(float(v) if read else None for v, read in zip(given, some, strict=True))
    bad = np.argwhere(reads & ~usable(values))
    if bad.size:
        place = tuple(bad[0])
        got = f"{values[place]:g} at step {place[0]} (k = {k[place]})"
        raise InputError(argument, got, takes)
    return values, kept


def _values(argument: str, rule: Any, k: NDArray[np.int64], takes: str) -> list[Any]:
    """Return what a function of k, or a sequence, gives for each step."""
    if callable(rule):
        return [rule(int(size)) if size else None for size in k]
    try:
        given = list(rule)
    except TypeError:
        raise InputError(argument, rule, takes) from None
    if len(given) != len(k):
        each = f"one value for each of the {len(k)} steps"
        raise InputError(argument, f"{len(given)} values", each)
    return given


def check_record(record: Any, n_steps: int) -> int | tuple[int, ...] | None:
    """Return the rule for the times that are kept."""
    takes = f"None (every step), a stride of at least 1, or distinct times from 0 to {n_steps}"
    if record is None:
        return None
    try:
        if np.ndim(record) == 0:
            return check_integer("record", record, minimum=1)
        times = [check_integer("record", time, minimum=0) for time in record]
    except (InputError, TypeError, ValueError):
        raise InputError("record", record, takes) from None
    if not times or len(set(times)) != len(times) or max(times) > n_steps:
        raise InputError("record", record, takes)
    return tuple(sorted(times))
