"""One update of one model by counts of points: Algorithm 2 where components do not overlap.

Letters in the shapes: n models, B components, d features, Q nodes.

A model's update is one normal vector for the components of which it reads many
points; those of which it reads few are read one by one, in their places among
the k draws, with the truncation where Algorithm 2 has it. So the cost of an
update is bounded, whatever k is.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from lwdstats.simulate.gmm.gaussian.owners import owned, ownership
from lwdstats.simulate.gmm.xoshiro import choose, normal_pair, uniform

# What becomes of a component in one update of one model.
LOST, SINGLE, JOINT = 0, 1, 2
# Where its share of the web is below so many c, a component is held near 0 by c if its weight comes
# within so many standard deviations. It is then read one by one. 1/(k B^2) is never that large.
HELD, MARGIN = 10.0, 4.0


@numba.njit(nogil=True, error_model="numpy")
def draws_before(n_web: float, single: float, limit: float, states: Any, model: int) -> float:
    """Return how many points are drawn before one of `single` among `n_web`, at most `limit`.

    Without replacement. At draw j the chance is ``single / (n_web - j)``;
    candidates come at a constant, larger chance and are thinned.
    """
    gap = 0.0
    while gap < limit and single > 0.0:
        here = n_web - gap
        if here <= 2.0 * single:
            if uniform(states, model) * here < single:
                return gap
            gap += 1.0
            continue
        span = min(math.floor(here / 2.0), limit - gap)
        chance = single / (here - span)
        ahead = math.floor(math.log(1.0 - uniform(states, model)) / math.log1p(-chance))
        if ahead >= span:
            gap += span
        elif uniform(states, model) * (here - ahead) < here - span:
            return gap + ahead
        else:
            gap += ahead + 1.0
    return limit


@numba.njit(nogil=True, error_model="numpy")
def rates(alpha: float, complexity: float, h: float, n_lost: int) -> Any:
    """Return what a draw keeps of a weight, what its component gains, and what each loses.

    A lost component falls to -alpha c / h with every draw and is truncated to 0
    again. Lines 9 to 11 then divide the others, the lost ones that follow too,
    so that the divisors of all multiply to ``1 + n_lost alpha c / h``.
    """
    divided = 1.0 / (1.0 + n_lost * alpha * complexity / h)
    return (1.0 - alpha) * divided, alpha * divided / h, alpha * complexity * divided / h


@numba.njit(nogil=True, error_model="numpy")
def truncated(weights: Any, kind: Any, which: int, threshold: float, sums: Any) -> int:
    """Run lines 7 to 14 of Algorithm 2 on the components of a kind, or of all that are not lost.

    `weights` and `kind` are (B,); `which` is a kind, or LOST for all. `sums`
    (2,) are those of the joint draws, which truncation scales like weights.
    """
    fired = 0
    for b in range(weights.size):
        if kind[b] != LOST and (which == LOST or kind[b] == which) and weights[b] <= 0.0:
            fired += 1
            divisor = 1.0 + threshold - weights[b]
            for other in range(weights.size):
                weights[other] /= divisor
            sums[0] /= divisor
            sums[1] /= divisor * divisor
            weights[b] = threshold
            if threshold == 0.0:
                kind[b] = LOST
    return fired


@numba.njit(nogil=True, error_model="numpy")
def held(
    weight: float, share: float, n_web: float, k: float, alpha: float, complexity: float, h: float
) -> bool:
    """Return whether a weight may fall to 0 in a step, though many of its points are read.

    It may where its mean, at the start or the end, is within MARGIN standard
    deviations of 0. `share` is that of its component on the web.
    """
    rho = (1.0 - alpha) ** k
    squares = alpha * (1.0 - rho * rho) / (2.0 - alpha)
    scale = (n_web * squares - (1.0 - rho) ** 2) / max(n_web - 1.0, 1.0)
    deviation = math.sqrt(max(scale * share * (1.0 - share), 0.0)) / h
    end = rho * weight + (1.0 - rho) * (share - complexity) / h
    return min(weight, end) < MARGIN * deviation


@numba.njit(nogil=True, error_model="numpy")
def update(
    weights: Any,
    counts: Any,
    n_web: float,
    k: float,
    alpha: float,
    complexity: float,
    threshold: float,
    min_count: float,
    centres: Any,
    nodes: Any,
    states: Any,
    model: int,
    kind: Any,
    left: Any,
    spare: Any,
) -> Any:
    """Let a model read k points of the web and run Algorithm 2.

    Parameters
    ----------
    weights : (B,) float64
        Updated in place. 0 marks a lost component where `threshold` is 0.
    counts : (B,) float64
        Points on the web by component, `n_web` in all.
    k, alpha, complexity, threshold : float
        k_t of at least 1, alpha_t, c_{t,B} and epsilon.
    min_count : float
        Components of which fewer points are expected are read one by one, and
        so are those that c holds near 0. At 0 none is.
    centres : (B, d) float64
        Means, in units in which the covariance is the identity.
    nodes : (Q, d) float64
        See `ownership`.
    states : (4, n) uint64
        Streams, of which column `model` is used.
    kind, left, spare : (B,) int64, float64, float64
        Room to work in.

    Returns
    -------
    fired : float
        How often the truncation fired.
    singly : bool
        Whether any component was read one by one.
    """
    n_b = weights.size
    h = 1.0 - n_b * complexity
    n_lost = 0
    for b in range(n_b):
        gone = threshold == 0.0 and weights[b] <= 0.0
        n_lost += gone
        kind[b] = LOST if gone else JOINT
        left[b] = counts[b]
    if n_lost > 0:
        owned(weights, counts, centres, nodes, uniform(states, model), left, spare)
    single, joint, singly = 0.0, 0.0, False
    for b in range(n_b):
        if kind[b] == JOINT:
            share = left[b] / n_web
            if k * share < min_count or (
                min_count > 0.0
                and share < HELD * complexity
                and held(weights[b], share, n_web, k, alpha, complexity, h)
            ):
                kind[b] = SINGLE
                single += left[b]
                singly = True
            else:
                joint += left[b]

    kept, gain, loss = rates(alpha, complexity, h, n_lost)
    fired = 0.0
    if not singly:
        power = kept**k
        rest = loss / (1.0 - kept)
        first = gain * (1.0 - power) / (1.0 - kept)
        second = gain * gain * (1.0 - power * power) / (1.0 - kept * kept)
        for b in range(n_b):
            if kind[b] == JOINT:
                weights[b] = power * (weights[b] + rest) - rest
        fired += k * n_lost
    else:
        first, second, fired = read_singly(
            weights, n_web, k, alpha, complexity, h, threshold, n_lost, single,
            centres, nodes, states, model, kind, left, spare,
        )  # fmt: skip

    # The joint draws: their labels come without replacement from the `joint` points.
    variance = (second * joint - first * first) / max(joint - 1.0, 1.0)
    deviation = math.sqrt(max(variance, 0.0))
    common = 0.0
    normal, ready = 0.0, False
    for b in range(n_b):
        if kind[b] == JOINT:
            if ready:
                spare[b], ready = normal, False
            else:
                spare[b], normal = normal_pair(states, model)
                ready = True
            left[b] /= joint
            spare[b] *= math.sqrt(left[b])
            common += spare[b]
    low = False
    for b in range(n_b):
        if kind[b] == JOINT:
            weights[b] += first * left[b] + deviation * (spare[b] - left[b] * common)
            low = low or weights[b] <= 0.0
    if low:
        fired += truncated(weights, kind, LOST, threshold, np.zeros(2))
    return fired, singly


@numba.njit(nogil=True, error_model="numpy")
def read_singly(
    weights: Any,
    n_web: float,
    k: float,
    alpha: float,
    complexity: float,
    h: float,
    threshold: float,
    n_lost: int,
    single: float,
    centres: Any,
    nodes: Any,
    states: Any,
    model: int,
    kind: Any,
    left: Any,
    spare: Any,
) -> Any:
    """Make the k draws, those of SINGLE components one by one, the others as sums.

    As in `update`; `single` is the number of points of SINGLE components on the
    web. Returns the sum and the sum of squares of what the joint draws give to
    weights, and how often the truncation fired.
    """
    n_b = weights.size
    sums = np.zeros(2)
    kept, gain, loss = rates(alpha, complexity, h, n_lost)
    fired, done = 0.0, 0.0
    while done < k:
        gap = draws_before(n_web, single, k - done, states, model)
        hit = done + gap < k
        n_web -= gap
        done += gap
        while gap > 0.0:
            # Up to where the first SINGLE component falls to 0, or to the end of the gap.
            rest = loss / (1.0 - kept)
            power = kept**gap
            ahead, crossing = gap, -1
            for b in range(n_b):
                if kind[b] == SINGLE and power * (weights[b] + rest) <= rest:
                    steps = 1.0
                    if weights[b] > 0.0 and rest > 0.0 and kept > 0.0:
                        steps = math.ceil(math.log(rest / (weights[b] + rest)) / math.log(kept))
                    steps = max(steps, 1.0)
                    if steps <= ahead:
                        ahead, crossing = steps, b
            if ahead < gap:
                power = kept**ahead
            for b in range(n_b):
                if kind[b] != LOST:
                    weights[b] = power * (weights[b] + rest) - rest
            sums[0] = power * sums[0] + gain * (1.0 - power) / (1.0 - kept)
            sums[1] *= power * power
            sums[1] += gain * gain * (1.0 - power * power) / (1.0 - kept * kept)
            fired += ahead * n_lost
            gap -= ahead
            if crossing >= 0:
                weights[crossing] = min(weights[crossing], 0.0)  # rounding may leave it above
                fired += truncated(weights, kind, SINGLE, threshold, sums)
                n_lost = (kind == LOST).sum()
                kept, gain, loss = rates(alpha, complexity, h, n_lost)
        if hit:
            target = uniform(states, model) * single
            label, below = -1, 0.0
            for b in range(n_b):
                if left[b] > 0.0 and kind[b] != JOINT:
                    label = b
                    below += left[b]
                    if target < below:
                        break
            left[label] -= 1.0
            single -= 1.0
            n_web -= 1.0
            done += 1.0
            owner = label
            if kind[label] == LOST:
                # Lost since the step began.
                ownership(label, weights, centres, nodes, spare)
                owner = choose(spare, uniform(states, model))
            low = False
            for b in range(n_b):
                if kind[b] != LOST:
                    weights[b] = kept * weights[b] - loss
                    if b == owner:
                        weights[b] += gain
                    low = low or (kind[b] == SINGLE and weights[b] <= 0.0)
            sums[0] *= kept
            sums[1] *= kept * kept
            fired += n_lost
            if low:
                fired += truncated(weights, kind, SINGLE, threshold, sums)
                n_lost = (kind == LOST).sum()
                kept, gain, loss = rates(alpha, complexity, h, n_lost)
    return sums[0], sums[1], fired
