"""What the bounds on ||D||_F are made of: one pass over the steps, in NumPy and numba.

S is ``sum_i |pi_i - x|^2``, with x the mean weight of the models, so ||D||_F^2 = 2 n S. The
derivations are in docs/theory-moments.md; each function names its section there.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from scipy.special import gammaln

from lwdstats.arrays import FloatArray
from lwdstats.theory.moments import consensus_moments
from lwdstats.theory.network import Network


def proxies(net: Network) -> FloatArray:
    """Return the variance proxy of the read points in a step, (T,) (section 5).

    It bounds ``sum_j c_j^2 / h^2``, c_j being the factor of the j-th increment
    of the sum of k draws without replacement.
    """
    n_web, k = net.n_web[:-1].astype(np.float64), net.n_retrieved[:-1]
    read = np.maximum(n_web, 1.0)
    after = read - k  # what is left unread
    exact = net.v * (read - 1) / read  # what it would be were the web not used up
    with np.errstate(divide="ignore"):
        used_up = exact * (after + 1) / after
    used_up[after == 0] = np.inf
    harmonic = 1 / (after + 1) + np.log(read / (after + 1))
    squared = net.h * net.h
    by_log = exact + net.alpha**2 * harmonic / squared
    return np.minimum(np.minimum(net.squares / squared, used_up), by_log)


def fourth_coefficients(net: Network) -> tuple[FloatArray, FloatArray]:
    """Return the two factors of E|xi|^4, both (T,) (section 4).

    Given the web, ``E|xi|^4 = first E|y|^4 + second (H^2 + 2 tr C^2)``, where y
    is a point's indicator less P, ``C = diag P - P P'`` and ``H = tr C``.
    """
    n_web, k = net.n_web[:-1].astype(np.float64), net.n_retrieved[:-1].astype(np.float64)
    a, kept = net.alpha, 1 - net.alpha
    # Power sums of the weights a (1 - a)^j, j < k, of the draws.
    p1 = 1 - net.rho
    p2 = net.squares
    p3 = a**2 * (1 - net.rho**3) / (1 + kept + kept**2)
    p4 = a**3 * (1 - net.rho**4) / ((1 + kept) * (1 + kept**2))
    # Sums over distinct draws; those of more draws than there are vanish, but for rounding.
    m31 = np.where(k >= 2, p3 * p1 - p4, 0.0)
    m22 = np.where(k >= 2, p2**2 - p4, 0.0)
    m211 = np.where(k >= 3, p2 * p1**2 - p2**2 - 2 * p3 * p1 + 2 * p4, 0.0)
    m1111 = np.where(k >= 4, p1**4 - 6 * p2 * p1**2 + 3 * p2**2 + 8 * p3 * p1 - 6 * p4, 0.0)
    d1, d2, d3 = (np.maximum(n_web - j, 1.0) for j in (1, 2, 3))
    second = n_web * (m22 / d1 - 2 * m211 / (d1 * d2) + m1111 / (d1 * d2 * d3))
    first = p4 - (4 * m31 + 3 * m22) / d1 + 12 * m211 / (d1 * d2) - 6 * m1111 / (d1 * d2 * d3)
    fourth = net.h**4
    return first / fourth, second / fourth


@numba.njit(cache=True, nogil=True)
def chain(rho: Any, start: float, added: Any, out: Any) -> None:
    """Fill ``out[t+1] = rho^2 out[t] + added[t]`` from ``out[0] = start``."""
    out[0] = start
    for t in range(rho.size):
        out[t + 1] = rho[t] * rho[t] * out[t] + added[t]


@numba.njit(cache=True, nogil=True)
def fourth(
    rho: Any, v: Any, top: float, n: float, s0: float, mean: Any, own: Any, out: Any
) -> None:
    """Fill an upper bound of E S^2 (section 4).

    `top` bounds H, `mean` (T+1,) is E S or a bound of it, and `own` (T,) bounds
    what the noise of a step alone adds.
    """
    out[0] = s0 * s0
    for t in range(rho.size):
        r2 = rho[t] * rho[t]
        mixed = 2.0 * r2 * v[t] * mean[t] * ((n - 1.0) * top + 1.0)
        out[t + 1] = r2 * r2 * out[t] + mixed + own[t]


@numba.njit(cache=True, nogil=True)
def largest(rho: Any, jump: Any, out: Any) -> None:
    """Fill ``out[t+1] = max(rho out[t], jump[t])`` from 0: the largest increment that is left."""
    out[0] = 0.0
    for t in range(rho.size):
        out[t + 1] = max(rho[t] * out[t], jump[t])


def bound_candidates(
    net: Network, tail: float, any_web: bool
) -> tuple[dict[str, FloatArray], FloatArray]:
    """Return bounds of S that hold with probability ``1 - tail``, and E S (or its bound).

    `any_web` takes the largest diversity that a web can have in the place of
    the expected one. `net` has given weights.
    """
    n, n_b = net.n_models, net.n_components
    top = 1 - 1 / n_b
    s0 = n * float(np.trace(net.spread))
    mean, fourth_moment, proxy, jump, decay = np.empty((5, net.n_steps + 1))
    deviation, web = consensus_moments(net)
    diversity = np.full(net.n_steps, top) if any_web else 1 - web[:-1]
    if any_web:
        chain(net.rho, s0, (n - 1) * net.v * top, mean)
    else:
        mean[:] = n * deviation

    first, second = fourth_coefficients(net)
    one = np.maximum(first, 0) * 2 * diversity + np.maximum(second, 0) * (top + 1) * diversity
    pairs = net.v**2 * diversity
    own = (1 - 1 / n) ** 2 * n * (one + (n - 1) * top * pairs) + (n - 1) / n * pairs
    fourth(net.rho, net.v, top, float(n), s0, mean, own, fourth_moment)
    if any_web:
        cantelli = np.sqrt(fourth_moment / tail)
    else:
        variance = np.maximum(fourth_moment - mean**2, 0)
        cantelli = mean + np.sqrt(variance * (1 - tail) / tail)

    step = proxies(net) if n_b > 1 and n > 1 else np.zeros(net.n_steps)
    chain(net.rho, 0.0, step, proxy)
    largest(net.rho, net.alpha / net.h * np.sqrt(2 * (1 - 1 / n)), jump)
    decay[0] = 1
    np.cumprod(net.rho, out=decay[1:])
    found = {
        "markov": mean / tail,
        "cantelli": cantelli,
        "chernoff": _chernoff(proxy / 2, decay**2 * s0, (n - 1) * (n_b - 1), tail),
        "pinelis": _pinelis((n - 1) * top * proxy, jump, decay * np.sqrt(s0), tail),
    }
    return found, mean


def _chernoff(proxy: FloatArray, fixed: FloatArray, df: int, tail: float) -> FloatArray:
    """Return x with ``P(S >= x) <= tail``: a non-central chi-square of scale `proxy` (section 5).

    Every theta in (0, 1) gives a bound, so a grid needs no error estimate.
    """
    best = np.full(proxy.size, np.inf)
    for theta in 1 / (1 + np.geomspace(1e-3, 1e7, 150)):
        ends = -df * np.log1p(-theta) - 2 * np.log(tail)
        np.minimum(best, proxy * (ends / theta) + fixed / (1 - theta), out=best)
    return best


def _pinelis(squares: FloatArray, jump: FloatArray, fixed: FloatArray, tail: float) -> FloatArray:
    """Return x with ``P(S >= x) <= tail``: a martingale in a Hilbert space (section 6).

    `squares` bounds the sum of the conditional second moments of the
    increments, `jump` their size and `fixed` is the norm of what is not random.
    """
    best = np.where(squares > 0, np.inf, fixed)
    moves = squares > 0
    b, a, f = np.sqrt(squares[moves]), jump[moves], fixed[moves]
    found = best[moves]
    for z in np.geomspace(0.05, 200, 120):
        rate = z / b
        x = np.minimum(rate * a, 500.0)  # beyond that the bound is of no use
        ratio = np.where(x > 1e-4, (np.expm1(x) - x) / np.maximum(x, 1e-4) ** 2, 0.5 + x / 5)
        exponent = z * z * ratio - np.log(tail) + _log_cosh(rate * f)
        usable = rate * a < 500.0
        radius = (exponent + np.log1p(np.sqrt(-np.expm1(-2 * exponent)))) / rate
        found = np.minimum(found, np.where(usable, radius, np.inf))
    best[moves] = found
    return best**2


def _log_cosh(x: FloatArray) -> FloatArray:
    return x + np.log1p(np.exp(-2 * x)) - np.log(2)


def truncation_risk(net: Network) -> FloatArray:
    """Return a bound of the probability of a truncation before each t, (T+1,) (section 7)."""
    risk = np.zeros(net.n_steps)
    k, rho, h, c, a = net.n_retrieved[:-1], net.rho, net.h, net.c, net.alpha
    reads = np.flatnonzero(k > 0)
    if not reads.size or net.n_components == 1:
        return np.zeros(net.n_steps + 1)
    first = reads[0]
    loss = (1 - rho) * c / h  # what a component that is never read loses in a step
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = np.where(rho > 0, loss / rho, np.inf)
        hit = a / h * (1 - a) ** np.maximum(k - 1, 0)  # the least that one read point adds
    smallest = 0.0 if net.weights is None else float(net.weights.min())
    if not smallest * rho[first] > loss[first]:
        risk[first] = 1.0

    after = reads[1:]
    before = after - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        spare = np.floor((needed[after] + loss[before]) / hit[before])
    # A weight above 0 that nothing is taken from stays above 0, unless alpha is 1.
    safe = (c[after] == 0) & (rho[after] > 0)
    spare = np.where(np.isfinite(spare), spare, np.inf)
    n_web, read = net.n_web[before].astype(float), k[before].astype(float)
    for count in net.counts:
        chance = np.zeros(after.size)
        for hits in range(int(min(count, spare[~safe].max(initial=-1))) + 1):
            rest = n_web - count
            misses = read - hits
            possible = (hits <= spare) & (misses >= 0) & (misses <= rest)
            m, r = np.where(possible, misses, 0), np.where(possible, rest, 0)
            logs = gammaln(count + 1) - gammaln(hits + 1) - gammaln(count - hits + 1)
            logs = logs + gammaln(r + 1) - gammaln(m + 1) - gammaln(r - m + 1)
            logs -= gammaln(n_web + 1) - gammaln(read + 1) - gammaln(n_web - read + 1)
            chance += np.where(possible, np.exp(logs), 0.0)
        chance[spare >= count] = 1.0
        chance[safe] = 0.0
        risk[after] += net.n_models * chance
    return np.minimum(np.concatenate([[0.0], np.cumsum(risk)]), 1.0)
