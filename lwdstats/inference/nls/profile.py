"""Confidence intervals of an `nls` fit, by profile likelihood or Wald."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from lwdstats.arrays import FloatArray
from lwdstats.inference.nls.problem import Fit
from lwdstats.inference.nls.solver import Model, polish, solve, start_point
from lwdstats.results.confint import ConfInt, confidence_intervals

# Steps to the cutoff, if the profile were straight; how much a step may grow;
# how far to follow a profile that does not reach it, in standard errors.
_STEPS = 3
_GROWTH = 3.0
_FARTHEST = 1e6
# Shorter steps tried where no fit is found.
_FAILURES = 4
# A profile has levelled off where, at the slope of its last step, it would not reach the
# cutoff within this many times the way behind it.
_LEVEL = 10.0
# Where a search may go astray: the most that the root may gain in one step, in steps.
_LEAP = 2.0
_RAN_OFF = "is approximate: other parameters run off to a limit of the law there"
_MAX_ITERATIONS = 200
_MAX_FITS = 60
_JUMPS = 3
# Residuals below this share of the response are rounding errors: no profile is seen.
_EXACT = 1e-9
# What a further search may still take off a sum of squares that has no minimum, in
# units of sigma^2: about 1e-4 of the signed root near the cutoff.
_SETTLED = 4e-4


def wald_interval(fit: Fit, names: tuple[str, ...], level: float) -> ConfInt:
    """Return estimate plus and minus the t quantile times the standard error."""
    half = fit.t_quantile(level) * fit.standard_errors
    rows = [fit.parameters.index(name) for name in names]
    ends = np.stack([fit.estimate - half, fit.estimate + half], axis=1)[rows]
    return confidence_intervals(names, ends, level, "wald")


def profile_interval(fit: Fit, names: tuple[str, ...], level: float) -> ConfInt:
    """Return where the signed root of the profiled sum of squares crosses the t quantiles."""
    cutoff = fit.t_quantile(level)
    if math.sqrt(fit.rss) <= _EXACT * fit.norm():
        wald = wald_interval(fit, names, level)
        note = "the data lie on the curve up to rounding; intervals are Wald's"
        return ConfInt(wald.table, level, "wald", (note,))
    ends, notes = [], []
    for name in names:
        profile = _Profile(fit, name)
        pair = [profile.end(sign, cutoff) for sign in (-1.0, 1.0)]
        ends.append([value for value, _ in pair])
        for side, (_, note) in zip(("lower", "upper"), pair, strict=True):
            if note:
                notes.append(f"the {side} end of {name} {note}")
    return confidence_intervals(names, ends, level, "profile", tuple(notes))


class _LostError(Exception):
    """The other parameters could not be fitted at a value of this one."""


@dataclass(frozen=True, eq=False)
class _At:
    value: float
    tau: float  # without its sign
    others: FloatArray


class _Profile:
    """The profile of one parameter of a fit: the others fitted anew at each value of it."""

    def __init__(self, fit: Fit, name: str) -> None:
        self.fit, self.name = fit, name
        self.model, self.norm, self.sigma = fit.model(), fit.norm(), fit.sigma
        self.index = fit.parameters.index(name)
        self.rest = np.arange(len(fit.parameters)) != self.index
        self.se = float(fit.standard_errors[self.index])
        # How the others follow this one, to first order.
        covariance = fit.cov_unscaled[:, self.index]
        self.slope = (covariance / covariance[self.index])[self.rest]
        self.strict = True
        self.centre = _At(float(fit.estimate[self.index]), 0.0, fit.estimate[self.rest])

    def at(self, value: float, others: FloatArray) -> _At:
        """Fit the others at a value, from a guess."""
        full = np.empty(len(self.rest))
        full[self.index] = value

        def model(current: FloatArray) -> tuple[FloatArray, FloatArray]:
            full[self.rest] = current
            residuals, gradient = self.model(full)
            return residuals, gradient[:, self.rest]

        if len(others):
            rss, others = self._least(model, others)
        else:
            residuals, _ = self.model(full)
            rss = float(residuals @ residuals)
        if not math.isfinite(rss) or rss < self.fit.rss * (1.0 - 1e-7):
            raise _LostError
        return _At(value, math.sqrt(max(rss - self.fit.rss, 0.0)) / self.sigma, others)

    def _least(self, model: Model, guess: FloatArray) -> tuple[float, FloatArray]:
        point = start_point(model, guess, self.norm)
        if point is not None:
            point, _ = polish(model, point, self.norm, 20)
            if not point.singular and point.offset < 1e-6:
                return point.rss, point.estimate
        found = solve(model, guess, self.norm, _MAX_ITERATIONS, 1e-6)
        if found.converged:
            return found.rss, found.estimate
        # The others may run off to a limit of the law, such as a straight line, and the
        # sum of squares still have an infimum; it will do where it has settled.
        if self.strict or not math.isfinite(found.rss):
            raise _LostError
        again = solve(model, found.estimate, self.norm, _MAX_ITERATIONS, 1e-6)
        if found.rss - again.rss > _SETTLED * self.sigma**2:
            raise _LostError
        return min(found.rss, again.rss), again.estimate

    def end(self, sign: float, cutoff: float) -> tuple[float, str]:
        """Return one end of the interval, and what to say of it if it is not finite."""
        first = sign * self.se * cutoff / _STEPS
        trace, step, slope, failures = [self.centre], first, self.slope, 0
        self.strict, here, jumps = True, self.centre, 0
        for _ in range(_MAX_FITS):
            here = trace[-1]
            travelled = abs(here.value - self.centre.value)
            if here.tau >= cutoff:
                try:
                    end = self._cross(trace[-2], here, cutoff)
                except _LostError:
                    between = f"{trace[-2].value:.4g} and {here.value:.4g}"
                    return math.nan, f"could not be found: no fit between {between}"
                elsewhere = self._other_branch(end) if jumps < _JUMPS else None
                if elsewhere is None or elsewhere.tau >= cutoff * (1.0 - 1e-6):
                    return end, "" if self.strict else _RAN_OFF
                # The others fit better far from where they were followed: go on from there.
                trace, step, slope = [*trace[:-1], elsewhere], first, np.zeros_like(slope)
                jumps += 1
                continue
            if travelled > _FARTHEST * self.se:
                return self._open(sign, here)
            value = here.value + step
            try:
                there = self.at(value, here.others + slope * (value - here.value))
                gained = (there.tau - here.tau) / (cutoff / _STEPS)
                if not self.strict and gained > _LEAP:
                    raise _LostError
            except _LostError:
                # A shorter step may still be followed.
                step, failures = step / 2.0, failures + 1
                if failures <= _FAILURES:
                    continue
                # Far out, on a profile that has levelled off, rounding ends the trace.
                if len(trace) > _STEPS and _is_level(trace[-2], here, travelled, cutoff):
                    return self._open(sign, here)
                if not self.strict:
                    return math.nan, f"could not be found: no fit beyond {here.value:.4g}"
                self.strict, step, failures = False, first, 0
                continue
            slope = (there.others - here.others) / (there.value - here.value)
            step *= min(_GROWTH, 1.0 / gained) if gained > 0 else _GROWTH
            trace.append(there)
        return math.nan, f"could not be found: the profile is too rough beyond {here.value:.4g}"

    def _other_branch(self, value: float) -> _At | None:
        """Fit the others at a value from the start that a self-start finds there."""
        if self.fit.formula.call is None:
            return None
        start = self.fit.self_started({self.name: value})
        try:
            return self.at(value, start)
        except _LostError:
            return None

    def _cross(self, below: _At, above: _At, cutoff: float) -> float:
        """Return where the profile is at the cutoff, between two values."""

        def excess(value: float) -> float:
            share = (value - below.value) / (above.value - below.value)
            guess = below.others + share * (above.others - below.others)
            return self.at(value, guess).tau - cutoff

        size = max(abs(below.value), abs(above.value), abs(above.value - below.value))
        root, _ = brentq(
            excess,
            below.value,
            above.value,
            xtol=1e-10 * size,
            rtol=1e-10,
            maxiter=40,
            full_output=True,
            disp=False,
        )
        # On a profile that is rough with rounding there may be a leap, and no crossing.
        if abs(excess(float(root))) > 1e-3 * cutoff:
            raise _LostError
        return float(root)

    def _open(self, sign: float, here: _At) -> tuple[float, str]:
        told = f"is open: the profile does not reach the cutoff by {here.value:.4g}"
        return sign * math.inf, told


def _is_level(before: _At, here: _At, travelled: float, cutoff: float) -> bool:
    rate = (here.tau - before.tau) / abs(here.value - before.value)
    return cutoff - here.tau > _LEVEL * rate * travelled
