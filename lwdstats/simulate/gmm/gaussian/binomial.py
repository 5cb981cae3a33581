"""Binomial and multinomial numbers on the streams of `xoshiro`, at a cost that does not grow.

References
----------
Hormann, W. (1993), "The generation of binomial random variates", algorithm BTRS.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from lwdstats.simulate.gmm.xoshiro import choose, uniform


@numba.njit(nogil=True, error_model="numpy")
def _inverted(n: float, p: float, states: Any, model: int) -> float:
    # Sequential search from 0, for n p below 10.
    odds = p / (1.0 - p)
    mass = math.exp(n * math.log1p(-p))
    target = uniform(states, model)
    number = 0.0
    while target > mass and number < n:
        target -= mass
        number += 1.0
        mass *= (n + 1.0) * odds / number - odds
    return number


@numba.njit(nogil=True, error_model="numpy")
def _rejected(n: float, p: float, states: Any, model: int) -> float:
    # BTRS, for p of at most .5 and n p of at least 10; the names are Hormann's.
    spq = math.sqrt(n * p * (1.0 - p))
    b = 1.15 + 2.53 * spq
    a = -0.0873 + 0.0248 * b + 0.01 * p
    centre = n * p + 0.5
    v_r = 0.92 - 4.2 / b
    alpha = (2.83 + 5.1 / b) * spq
    lpq = math.log(p / (1.0 - p))
    mode = math.floor((n + 1.0) * p)
    top = math.lgamma(mode + 1.0) + math.lgamma(n - mode + 1.0)
    while True:
        u, v = uniform(states, model) - 0.5, 1.0 - uniform(states, model)
        us = 0.5 - abs(u)
        if us == 0.0:
            continue
        number = math.floor((2.0 * a / us + b) * u + centre)
        if us >= 0.07 and v <= v_r:
            return float(number)
        if number < 0.0 or number > n:
            continue
        height = math.log(v * alpha / (a / (us * us) + b))
        below = math.lgamma(number + 1.0) + math.lgamma(n - number + 1.0)
        if height <= top - below + (number - mode) * lpq:
            return float(number)


@numba.njit(nogil=True, error_model="numpy")
def binomial(n: float, p: float, states: Any, model: int) -> float:
    """Return the number of successes in `n` trials of probability `p`, as a float."""
    if n <= 0.0 or p <= 0.0:
        return 0.0
    if p >= 1.0:
        return n
    rare = min(p, 1.0 - p)
    if n * rare < 10.0:
        number = _inverted(n, rare, states, model)
    else:
        number = _rejected(n, rare, states, model)
    return number if p <= 0.5 else n - number


@numba.njit(nogil=True, error_model="numpy")
def add_multinomial(n: int, weights: Any, states: Any, model: int, out: Any) -> None:
    """Add to `out` (B,) the counts of `n` draws from `weights` (B,) over their sum.

    Few draws are made one by one, many as a chain of binomial numbers: O(B)
    for any `n`. A component at weight 0 gets none.
    """
    mass = weights.sum()
    if n <= weights.size:
        for _ in range(n):
            out[choose(weights, uniform(states, model) * mass)] += 1.0
        return
    last = choose(weights, np.inf)
    left = float(n)
    for b in range(last):
        number = binomial(left, weights[b] / mass, states, model)
        out[b] += number
        left -= number
        mass -= weights[b]
    out[last] += left
