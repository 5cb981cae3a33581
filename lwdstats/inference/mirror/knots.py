"""Where the slope of a path changes: a continuous curve with corners under two kinds of noise.

Arrays only. A path (T, c) is a line, or a polynomial, with knots; what is off it is a random walk
(what happens to the process stays with it) plus white noise (what L answers add). Of the N = T - 1
differences a knot is a step, and the noise has a covariance whose eigenvectors do not depend on
the share of the two.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh

from lwdstats.arrays import FloatArray

# Variance of the white noise over that of the random walk's step, per median step of time.
RATIOS = np.array([0.0, 0.2, 1.0, 5.0, 50.0, np.inf])
# At most so many times are tried by simulation for an interval; between them its limit is linear.
_TRIED = 12
# Squares below this share of the whole path's count as rounding.
_ROUNDING = 1e-20

Places = npt.NDArray[np.intp]


class Frame(NamedTuple):
    """Times (T,) in the coordinates in which differences are independent.

    `turn` (N, N) takes differences there, `length` (N,) is time between values, `values` (N,)
    are the eigenvalues of the white part, `trend` (N, degree) the differences of the powers of
    time that the curve is made of beside its knots.
    """

    turn: FloatArray
    length: FloatArray
    values: FloatArray
    trend: FloatArray


class Course(NamedTuple):
    """A fit: indices of knots, coefficients (degree + len(knots), c), the path (T, c), its noise.

    `ratio` is the place in `RATIOS`; `sigma` (c,) the scale of the noise in that frame.
    """

    knots: list[int]
    coefficients: FloatArray
    fitted: FloatArray
    ratio: int
    sigma: FloatArray


def frame_of(time: FloatArray, degree: int = 1) -> Frame:
    """Return the frame of times (T,), for curves that are polynomials between corners."""
    length = np.diff(time) / np.median(np.diff(time))
    n = len(length)
    white = 2.0 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)
    values, vectors = eigh(white, np.diag(length))
    u = np.concatenate([[0.0], np.cumsum(length)])
    powers = np.stack([u**p / u[-1] ** (p - 1) for p in range(1, degree + 1)], axis=1)
    return Frame(vectors.T, length, values, np.diff(powers, axis=0))


def weights(frame: Frame, ratio: int) -> FloatArray:
    """Return 1 over the variances (N,) in the frame, at one share of the noise."""
    q = RATIOS[ratio]
    return 1.0 / frame.values if np.isinf(q) else 1.0 / (1.0 + q * frame.values)


def steps(frame: Frame, places: Places) -> FloatArray:
    """Return what a knot at each of J places adds to differences, in the frame, (N, J)."""
    after = np.arange(len(frame.length))[:, None] >= places
    return frame.turn @ (after * frame.length[:, None])


def design_of(frame: Frame, knots: list[int]) -> FloatArray:
    """Return differences of the powers of time and of the knots, in the frame, (N, p)."""
    return np.hstack([frame.turn @ frame.trend, steps(frame, np.array(knots, dtype=np.intp))])


def candidates(n_times: int, min_size: int, others: list[int]) -> Places:
    """Return places (J,) at which a knot may stand, with `min_size` steps to ends and others."""
    at = np.arange(min_size, n_times - min_size)
    return at[np.all([np.abs(at - k) >= min_size for k in others] or [at > 0], axis=0)]


class _Search:
    """Log-likelihoods of paths at one share of the noise: of the base, and with each knot."""

    def __init__(self, frame: Frame, ratio: int, base: list[int], at: Places) -> None:
        w = weights(frame, ratio)
        self.root = np.sqrt(w)[:, None]
        self.constant = 0.5 * float(np.log(w).sum())
        self.basis = np.linalg.qr(design_of(frame, base) * self.root)[0]
        knots = steps(frame, at) * self.root
        knots -= self.basis @ (self.basis.T @ knots)
        self.knots = knots / np.linalg.norm(knots, axis=0)

    def fits(self, z: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return log-likelihoods (S,) of the base and (S, J) with a knot, of paths z (S, c, N)."""
        white = z * self.root[:, 0]
        whole = np.einsum("scn,scn->sc", white, white)
        taken = np.einsum("scp,scp->sc", *[white @ self.basis] * 2)
        rest = np.maximum(whole - taken, _ROUNDING * whole + 1e-300)
        gain = (white @ self.knots) ** 2
        left = np.maximum(rest[..., None] - gain, _ROUNDING * whole[..., None] + 1e-300)
        n, c = z.shape[2], z.shape[1]
        return (
            c * self.constant - 0.5 * n * np.log(rest).sum(axis=1),
            c * self.constant - 0.5 * n * np.log(left).sum(axis=1),
        )


class Searches:
    """All shares of the noise at once, for one more knot beside those of `base`."""

    def __init__(self, frame: Frame, base: list[int], at: Places) -> None:
        self.frame, self.base, self.at = frame, base, at
        self.parts = [_Search(frame, ratio, base, at) for ratio in range(len(RATIOS))]

    def profiles(self, z: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the largest log-likelihood over shares, (S,) and (S, J), of paths (S, c, N)."""
        found = [part.fits(z) for part in self.parts]
        null = np.max([one for one, _ in found], axis=0)
        return null, np.max([each for _, each in found], axis=0)


def differences(frame: Frame, path: FloatArray) -> FloatArray:
    """Return a path (T, c) as differences in the frame, (1, c, N)."""
    return (frame.turn @ np.diff(path, axis=0)).T[None]


def fit(frame: Frame, path: FloatArray, knots: list[int]) -> Course:
    """Fit a path (T, c) with knots at given places by generalised least squares."""
    z = differences(frame, path)[0]
    design = design_of(frame, knots)
    n, best = z.shape[1], (-np.inf, 0)
    for ratio in range(len(RATIOS)):
        w = weights(frame, ratio)
        basis = np.linalg.qr(design * np.sqrt(w)[:, None])[0]
        white = z * np.sqrt(w)
        rest = (white**2).sum(axis=1) - ((white @ basis) ** 2).sum(axis=1)
        rest = np.maximum(rest, _ROUNDING * (white**2).sum(axis=1) + 1e-300)
        value = 0.5 * len(z) * np.log(w).sum() - 0.5 * n * np.log(rest).sum()
        best = max(best, (float(value), ratio))
    ratio = best[1]
    root = np.sqrt(weights(frame, ratio))
    found = np.linalg.lstsq(design * root[:, None], (z * root).T, rcond=None)[0]
    left = (z - (design @ found).T) * root
    sigma = np.sqrt((left**2).sum(axis=1) / max(1, n - design.shape[1]))
    after = np.arange(n)[:, None] >= np.array(knots, dtype=np.intp)
    rise = np.hstack([frame.trend, after * frame.length[:, None]]) @ found
    fitted = np.vstack([np.zeros(path.shape[1]), np.cumsum(rise, axis=0)])
    # The level: with a random walk there is none, so that of the mean.
    fitted += (path - fitted).mean(axis=0)
    return Course(list(knots), found, fitted, ratio, sigma)


def slopes(frame: Frame, course: Course) -> tuple[FloatArray, FloatArray]:
    """Return the slopes just before and just after each knot, (len(knots), c), a median step."""
    degree = frame.trend.shape[1]
    u = np.concatenate([[0.0], np.cumsum(frame.length)])
    at, powers = u[course.knots][:, None] / u[-1], np.arange(1, degree + 1)
    smooth = powers * at ** (powers - 1) @ course.coefficients[:degree]
    jumps = course.coefficients[degree:]
    after = smooth + np.cumsum(jumps, axis=0)
    return after - jumps, after


def simulated(frame: Frame, course: Course, count: int, rng: np.random.Generator) -> FloatArray:
    """Return paths of a fit's line and noise, as differences in the frame, (count, c, N)."""
    mean = (design_of(frame, course.knots) @ course.coefficients).T
    noise = rng.standard_normal((count, *mean.shape)) * course.sigma[:, None]
    return mean + noise / np.sqrt(weights(frame, course.ratio))


def place(frame: Frame, path: FloatArray, count: int, min_size: int) -> list[int]:
    """Return the places of `count` knots: each added where it helps most, then all set anew."""
    z, n = differences(frame, path), len(path)
    knots: list[int] = []
    for _ in range(count):
        at = candidates(n, min_size, knots)
        if not at.size:
            break
        _, value = Searches(frame, knots, at).profiles(z)
        knots = sorted([*knots, int(at[np.argmax(value[0])])])
        for _ in range(10 * (len(knots) > 1)):
            before = list(knots)
            for k in before:
                others = [j for j in knots if j != k]
                at = candidates(n, min_size, others)
                _, value = Searches(frame, others, at).profiles(z)
                knots = sorted([*others, int(at[np.argmax(value[0])])])
            if knots == before:
                break
    return knots


def gain_of(searches: Searches, z: FloatArray) -> FloatArray:
    """Return twice the log of the likelihood ratio of a knot anywhere against none, (S,)."""
    null, value = searches.profiles(z)
    return 2.0 * (value.max(axis=1) - null)


def p_of_knot(
    frame: Frame,
    path: FloatArray,
    others: list[int],
    min_size: int,
    count: int,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """Return the statistic of one more knot beside others, and its p by simulation without it."""
    searches = Searches(frame, others, candidates(len(path), min_size, others))
    observed = float(gain_of(searches, differences(frame, path))[0])
    null = gain_of(searches, simulated(frame, fit(frame, path, others), count, rng))
    return observed, (float(np.sum(null >= observed)) + 1.0) / (count + 1.0)


def interval(
    frame: Frame,
    path: FloatArray,
    knots: list[int],
    which: int,
    level: float,
    min_size: int,
    count: int,
    rng: np.random.Generator,
) -> tuple[int, int]:
    """Return the first and the last place of a knot that the path does not speak against.

    A place is rejected where the likelihood with the knot anywhere is so much above that with it
    there as happens in 1 - `level` of paths simulated with the knot there.
    """
    others = [k for k in knots if k != knots[which]]
    at = candidates(len(path), min_size, others)
    searches = Searches(frame, others, at)
    _, value = searches.profiles(differences(frame, path))
    lack = 2.0 * (value[0].max() - value[0])
    estimate = int(np.argmax(value[0]))
    some = np.unique(np.linspace(0, len(at) - 1, min(_TRIED, len(at))).round().astype(int))
    some = np.unique([*some, estimate])
    limits = np.empty(len(some))
    for i, j in enumerate(some):
        course = fit(frame, path, sorted([*others, int(at[j])]))
        _, null = searches.profiles(simulated(frame, course, count, rng))
        short = 2.0 * (null.max(axis=1) - null[:, j])
        limits[i] = np.quantile(short, level, method="higher")
    kept = lack <= np.interp(np.arange(len(at)), some, limits)
    kept[estimate] = True
    places = at[kept]
    return int(places[0]), int(places[-1])
