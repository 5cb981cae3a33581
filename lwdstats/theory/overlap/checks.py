"""Checks of the arguments of the overlap functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError, check_integer, is_number
from lwdstats.theory.overlap.quadrature import reduce_shared


def _numbers(argument: str, value: ArrayLike, takes: str) -> FloatArray:
    try:
        array = np.asarray(value)
        usable = array.dtype.kind in "iuf" and array.size > 0 and np.isfinite(array).all()
    except (TypeError, ValueError):
        array, usable = np.empty(0), False
    if not usable:
        raise InputError(argument, value, takes)
    return array.astype(np.float64)


def check_weights(
    value: ArrayLike, *, argument: str = "weights", ndim: int | None = None
) -> FloatArray:
    """Return mixture weights (..., B), each row divided by its sum.

    A sum may be a little off 1, as after the truncation of Algorithm 2.
    """
    takes = "numbers of shape (..., B), none negative, whose rows sum to 1 within 0.01"
    array = _numbers(argument, value, takes)
    if array.ndim == 0 or (ndim is not None and array.ndim != ndim):
        raise InputError(argument, f"numbers of shape {array.shape}", takes)
    if array.min() < 0:
        raise InputError(argument, f"a weight of {array.min():g}", takes)
    sums = array.sum(-1, keepdims=True)
    worst = sums.flat[np.abs(sums - 1).argmax()]
    if abs(worst - 1) > 0.01:
        raise InputError(argument, f"a row that sums to {worst:.6g}", takes)
    return array / sums


@dataclass(frozen=True)
class Components:
    """Gaussian components in as few dimensions as their overlap needs.

    Attributes
    ----------
    means : (B, r)
        Of the components.
    factors : (B, r, r)
        Lower Cholesky factors of their covariances.
    centre, turn : (d,), (d, r)
        A point x of the d dimensions is ``(x - centre) @ turn`` here.
    """

    means: FloatArray
    factors: FloatArray
    centre: FloatArray
    turn: FloatArray

    @property
    def n_dimensions(self) -> int:
        """Return r."""
        return self.means.shape[1]


def check_components(means: ArrayLike, covariance: ArrayLike, n_components: int) -> Components:
    """Return the components that `means` and `covariance` give."""
    takes = f"finite numbers of shape ({n_components},) or ({n_components}, d), as weights say"
    mu = _numbers("means", means, takes)
    if mu.ndim == 1:
        mu = mu[:, None]
    if mu.ndim != 2 or len(mu) != n_components:
        raise InputError("means", f"numbers of shape {np.shape(means)}", takes)
    d = mu.shape[1]
    takes = (
        f"a positive number, or symmetric positive definite numbers of shape ({d}, {d}) "
        f"or ({n_components}, {d}, {d})"
    )
    sigma = _numbers("covariance", covariance, takes)
    if sigma.ndim == 0:
        sigma = sigma * np.eye(d)
    if sigma.shape not in ((d, d), (n_components, d, d)):
        raise InputError("covariance", f"numbers of shape {sigma.shape}", takes)
    if np.abs(sigma - sigma.swapaxes(-1, -2)).max() > 1e-10 * np.abs(sigma).max():
        raise InputError("covariance", "a matrix that is not symmetric", takes)
    if np.linalg.eigvalsh(sigma).min() <= 0:
        raise InputError("covariance", "a matrix that is not positive definite", takes)
    # A dataset repeats the shared covariance for each component.
    if sigma.ndim == 3 and (sigma == sigma[0]).all():
        sigma = sigma[0]
    if sigma.ndim == 2:
        centre, turn = mu.mean(0), reduce_shared(mu, sigma)
        factors = np.tile(np.eye(turn.shape[1]), (n_components, 1, 1))
        return Components((mu - centre) @ turn, factors, centre, turn)
    factors = np.asarray(np.linalg.cholesky(sigma), dtype=np.float64)
    return Components(mu, factors, np.zeros(d), np.eye(d))


def check_step(
    n_retrieved: Any, step_size: Any, complexity: Any, n_components: int
) -> tuple[int, float, float]:
    """Return k, alpha and c of one step, the last two as the paper has them where None."""
    k = check_integer("n_retrieved", n_retrieved, minimum=0)
    if k == 0:
        return 0, 0.0, 0.0
    alpha = 1.0 / k if step_size is None else step_size
    if not is_number(alpha) or not 0 < float(alpha) <= 1:
        raise InputError("step_size", alpha, "a number in (0, 1], or None for 1/k")
    c = 1.0 / (k * n_components**2) if complexity is None else complexity
    takes = f"a number with c >= 0 and B c < 1 (B = {n_components}), or None for 1/(k B^2)"
    if not is_number(c) or not float(c) >= 0 or not n_components * float(c) < 1:
        raise InputError("complexity", c, takes)
    return k, float(alpha), float(c)


def check_points(value: ArrayLike, n_runs: int, components: Components, k: int) -> FloatArray:
    """Return points (R, N, r) of the webs of R networks, N >= k, where the components are."""
    d = len(components.centre)
    takes = f"finite numbers of shape ({n_runs}, N, {d}) with N of at least n_retrieved, {k}"
    points = _numbers("points", value, takes)
    if points.ndim != 3 or points.shape[::2] != (n_runs, d) or points.shape[1] < k:
        raise InputError("points", f"numbers of shape {points.shape}", takes)
    return (points - components.centre) @ components.turn


def check_threshold(value: Any) -> float:
    """Return epsilon."""
    if not is_number(value) or not 0 <= float(value) <= 1:
        raise InputError("threshold", value, "a number in [0, 1]")
    return float(value)
