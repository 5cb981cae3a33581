"""A smooth law of decay on the log scale, and the sudden change that a path speaks for most.

Arrays only. P paths, n times, G curves of a grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lwdstats.arrays import FloatArray
from lwdstats.inference.ar1 import ar1_paths, ar1_phi, whiten
from lwdstats.inference.laws import decay

# Floor over amplitude, c / a, of the starts: from nearly none to nearly flat.
_FLOOR = (np.log(1e-4), np.log(3e1))
# What steps may reach: what is left of a floor of none, or of a curve that is flat, is
# small beside the least noise.
_REACH = (np.log(1e-12), np.log(1e8))
_STEPS = 30
# Scores are drawn in to so many standard deviations, so that one dip decides nothing.
CLIP = 3.0
# Relative noise below this counts as this, so that rounding is never taken for a change.
LEAST_NOISE = 1e-6
# What the law and two changes at unknown times count for: with it phi is right on average.
LOST = 16.0
# What the law alone counts for, in the same sense.
LOST_NULL = 6.0
# Numbers in an array of simulated paths, so that it stays near the processor.
_BLOCK = 1 << 15


class Fits(NamedTuple):
    """Least-squares fits on the log scale.

    `smooth` (P, n) is the law's logarithm less a level; `residual` (P, n) has mean 0 in
    each stretch; `slopes` (2, P, n) are the gradients in log(c / a) and log b.
    """

    smooth: FloatArray
    residual: FloatArray
    slopes: FloatArray


class Search(NamedTuple):
    """The best single change of paths: `gain` (P,), `where` (P,), `phi` (P,).

    `gain` is what the change takes off the sum of squares of the whitened residuals, in
    units of their variance.
    """

    gain: FloatArray
    where: npt.NDArray[np.intp]
    phi: FloatArray


class Null(NamedTuple):
    """Fits of the null hypothesis to paths.

    `mean` (P, n) is the law with its level, on the log scale; the noise around it is AR(1)
    with `phi` (P,) and innovations of standard deviation `sigma` (P,).
    """

    mean: FloatArray
    phi: FloatArray
    sigma: FloatArray


def _shape(u: FloatArray, theta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return log(r + exp(-b u)), (P, n), and its gradients; `theta` (P, 2) is log r, log b."""
    r, (g, slope) = np.exp(theta[:, :1]), decay(u, theta[:, 1:])
    total = r + g
    return np.log(total), r / total, slope / total


def _range(u: FloatArray) -> tuple[float, float]:
    """Return the logarithms of the slowest and the fastest decay worth telling from none."""
    steps = np.diff(u)
    return float(np.log(0.05 / (u[-1] - u[0]))), float(np.log(3.0 / steps[0]))


def _centre(x: FloatArray, stretch: npt.NDArray[np.intp]) -> FloatArray:
    """Subtract from x (P, n) its mean over each stretch; `stretch` (n,) numbers them."""
    if not stretch[-1]:
        return x - x.mean(axis=1, keepdims=True)
    first = np.flatnonzero(np.diff(stretch, prepend=-1))
    means = np.add.reduceat(x, first, axis=1) / np.diff(np.append(first, len(stretch)))
    return x - means[:, stretch]


def fit_law(logs: FloatArray, u: FloatArray, stretch: npt.NDArray[np.intp]) -> Fits:
    """Fit ``log(c + a exp(-b u))`` to paths (P, n), with a level of its own in each stretch.

    Of logarithms the law is not linear in c and a, and each stretch takes its level out, so
    this is no search over the rate alone: a grid over log(c / a) and log b gives the start;
    steps of Levenberg and Marquardt that lower the sum of squares follow, within the grid's
    rates.
    """
    low, high = _range(u)
    axes = np.meshgrid(np.linspace(*_FLOOR, 12), np.linspace(low, high, 20), indexing="ij")
    grid = np.stack([axis.ravel() for axis in axes], axis=1)
    y = _centre(logs, stretch)
    curves = _centre(_shape(u, grid)[0], stretch)
    misfit = np.einsum("gn,gn->g", curves, curves) - 2.0 * y @ curves.T
    theta = grid[np.argmin(misfit, axis=1)]

    def evaluate(at: FloatArray, y: FloatArray) -> Fits:
        smooth, d_floor, d_rate = _shape(u, at)
        slopes = np.stack([_centre(d_floor, stretch), _centre(d_rate, stretch)])
        return Fits(smooth, y - _centre(smooth, stretch), slopes)

    fit = evaluate(theta, y)
    rss = np.einsum("pn,pn->p", fit.residual, fit.residual)
    damping = np.full(len(y), 1e-2)
    rows = np.arange(len(y))
    for _ in range(_STEPS):
        residual, slopes = fit.residual[rows], fit.slopes[:, rows]
        h11, h12, _, h22 = np.einsum("ipn,jpn->ijp", slopes, slopes).reshape(4, -1)
        g1, g2 = np.einsum("ipn,pn->ip", slopes, residual)
        # Each direction on its own scale; one that the path says nothing of must not move.
        h11 = h11 * (1.0 + damping[rows]) + 1e-12
        h22 = h22 * (1.0 + damping[rows]) + 1e-12
        step = np.stack([h22 * g1 - h12 * g2, h11 * g2 - h12 * g1], axis=1)
        step /= (h11 * h22 - h12**2)[:, None]
        trial = theta[rows] + np.clip(step, -2.0, 2.0)
        trial = np.clip(trial, (_REACH[0], low), (_REACH[1], high))
        new = evaluate(trial, y[rows])
        new_rss = np.einsum("pn,pn->p", new.residual, new.residual)
        drop = rss[rows] - new_rss
        better = drop > 0
        damping[rows] *= np.where(better, 0.2, 8.0)
        kept = rows[better]
        theta[kept], rss[kept] = trial[better], new_rss[better]
        fit.smooth[kept], fit.residual[kept] = new.smooth[better], new.residual[better]
        fit.slopes[:, kept] = new.slopes[:, better]
        # A path is done when a step that helps hardly does, or when none helps any more.
        going = np.where(better, drop > 1e-7 * rss[rows], damping[rows] < 1e3)
        rows = rows[going & (rss[rows] > len(u) * LEAST_NOISE**2 / 100.0)]
        if not rows.size:
            break
    return fit


def _orthonormal(columns: list[FloatArray], known: Sequence[FloatArray] = ()) -> FloatArray:
    """Return `known` with columns (P, n) added, all orthonormal, (k, P, n).

    A column that depends on those before it becomes 0.
    """
    basis = list(known)
    for column in columns:
        size = np.sqrt(np.einsum("pn,pn->p", column, column))[:, None]
        left = column
        for other in [*basis, *basis]:
            left = left - np.einsum("pn,pn->p", other, left)[:, None] * other
        norm = np.sqrt(np.einsum("pn,pn->p", left, left))[:, None]
        free = norm > 1e-6 * size
        basis.append(np.where(free, left / np.where(free, norm, 1.0), 0.0))
    return np.stack(basis)


def _gains(
    z: FloatArray, basis: FloatArray, phi: FloatArray, at: npt.NDArray[np.intp]
) -> FloatArray:
    """Return what a step at each of m times takes off the squares of z, (P, m).

    z (P, n) and the basis (k, P, n) are whitened by `phi` (P,). So is the step: from
    (0, ..., 0, 1, 1, ...) it becomes (0, ..., 0, 1, 1 - phi, 1 - phi, ...). What the law
    could take up of it does not count.
    """
    n = z.shape[-1]
    rest = 1.0 - phi[:, None]

    def product(x: FloatArray) -> FloatArray:
        tail = np.cumsum(x[..., ::-1], axis=-1)[..., ::-1]
        return rest * tail[..., at] + (1.0 - rest) * x[..., at]

    within = product(basis)
    length = 1.0 + rest**2 * (n - 1 - at) - np.einsum("kpm,kpm->pm", within, within)
    along = product(z) - np.einsum("kpm,kp->pm", within, np.einsum("kpn,pn->kp", basis, z))
    # A step that the law follows all the way cannot be told from it.
    told = length > 1e-2
    return np.where(told, along**2 / np.where(told, length, 1.0), 0.0)


def spread(noise: FloatArray) -> FloatArray:
    """Return the standard deviation, (P,), of noise (P, n) drawn in to 3 (by the median) of it."""
    limit = 3.0 * np.median(np.abs(noise), axis=1, keepdims=True) / 0.6745
    return np.sqrt(np.mean(np.clip(noise, -limit, limit) ** 2, axis=1))


def search(logs: FloatArray, u: FloatArray, min_size: int, changes: Sequence[int] = ()) -> Search:
    """Find the change that each path (P, n) speaks for most, beside `changes` (indices).

    The law is fitted anew with it (linear around its fit). The best two changes are
    found first, as if the noise were white; the residuals of the law with them give
    phi and the variance, so that neither takes a fall and a recovery for noise.
    """
    n_paths, n = logs.shape
    stretch = stretches(n, changes)
    fit = fit_law(logs, u, stretch)
    levels = (stretch == np.arange(len(changes) + 1)[:, None]) * 1.0
    columns = [*(np.broadcast_to(level, logs.shape) for level in levels), *fit.slopes]
    at = np.arange(min_size, n - min_size + 1)
    free = np.all([np.abs(at - k) >= min_size for k in changes] or [at > 0], axis=0)
    rows = np.arange(n_paths)

    def best(x: FloatArray, basis: FloatArray, phi: FloatArray, free: Any) -> Any:
        gain = _gains(x, basis, phi, at)
        top = np.argmax(np.where(free, gain, -1.0), axis=1)
        return gain[rows, top], at[top]

    def noise_beside(x: FloatArray, basis: FloatArray, phi: FloatArray) -> FloatArray:
        """Return what is left of x beside the law, the levels and the best two changes."""
        open_ = free
        for _ in range(2):
            _, where = best(x, basis, phi, open_)
            step = whiten((np.arange(n) >= where[:, None]) * 1.0, phi)
            basis = _orthonormal([step], list(basis))
            open_ = open_ & (np.abs(at - where[:, None]) >= min_size)
        return x - np.einsum("kpn,kp->pn", basis, np.einsum("kpn,pn->kp", basis, x))

    white = np.zeros(n_paths)
    noise = noise_beside(fit.residual, _orthonormal(columns), white)
    phi = ar1_phi(noise, LOST + 2.0 * len(changes))
    w = whiten(fit.residual, phi)
    basis = _orthonormal([whiten(column, phi) for column in columns])
    scale = np.maximum(spread(noise_beside(w, basis, phi)), LEAST_NOISE)[:, None]
    gain, where = best(np.clip(w / scale, -CLIP, CLIP), basis, phi, free)
    return Search(np.where(free.any(), gain, 0.0), where, phi)


def stretches(n: int, changes: Sequence[int]) -> npt.NDArray[np.intp]:
    """Return the number of the stretch that each time is in, (n,)."""
    starts = np.zeros(n, dtype=np.intp)
    starts[list(changes)] = 1
    return np.cumsum(starts)


def fit_null(logs: FloatArray, u: FloatArray) -> Null:
    """Fit the law and the noise around it to paths (P, n), as if none had a change.

    With the phi of `search`, which is what two changes leave, a path whose phi is taken for
    too small would have both a larger gain and a smaller penalty, and be found too often.
    """
    residual = fit_law(logs, u, stretches(logs.shape[1], ())).residual
    phi = ar1_phi(residual, LOST_NULL)
    sigma = np.maximum(spread(whiten(residual, phi)), LEAST_NOISE)
    return Null(logs - residual, phi, sigma)


def null_gains(
    null: Null, u: FloatArray, min_size: int, count: int, rng: np.random.Generator
) -> FloatArray:
    """Return the gains, (count,), of paths simulated from the null hypothesis of one path.

    Law, phi and variance are estimated anew on each.
    """
    n = len(u)
    phi, sigma = float(null.phi[0]), float(null.sigma[0])
    size = max(1, _BLOCK // n)
    blocks = [min(size, count - start) for start in range(0, count, size)]
    paths = (null.mean + ar1_paths(rng, phi, sigma, b, n) for b in blocks)
    return np.concatenate([search(x, u, min_size).gain for x in paths])
