"""The Kaplan-Meier curve with pointwise intervals, and its quantiles."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import norm

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError

# R's tolerance for "the curve is flat at this probability".
_TOLERANCE = math.sqrt(np.finfo(np.float64).eps)
ESTIMATE = ["estimate", "conf_low", "conf_high"]
SCALES = ("log", "log-log", "plain")


def kaplan_meier(
    time: FloatArray, event: npt.NDArray[np.bool_], level: float, scale: str = "log-log"
) -> pd.DataFrame:
    """Return the curve of times (R,), censored where `event` is False.

    Intervals are symmetric on `scale`, with Greenwood's variance. Columns as broom's for R's
    ``survfit``; the standard error is that of the logarithm.
    """
    from statsmodels.duration.survfunc import SurvfuncRight

    at, inverse, n_left = np.unique(time, return_inverse=True, return_counts=True)
    n_event = np.bincount(inverse, weights=event).astype(np.int64)
    estimate, error = np.ones(at.size), np.zeros(at.size)
    if n_event.any():
        # It has a row for each time of an event; here, as in R, censored times have one, too.
        curve = SurvfuncRight(time, event)
        row = np.cumsum(n_event > 0)
        estimate = np.append(1.0, curve.surv_prob)[row]
        with np.errstate(invalid="ignore"):  # 0/0 where nobody is left
            error = np.append(0.0, curve.surv_prob_se)[row] / estimate
    low, high = _limits(estimate, error, norm.isf((1.0 - level) / 2.0), scale)
    return pd.DataFrame(
        {
            "time": at,
            "n_risk": np.cumsum(n_left[::-1])[::-1],
            "n_event": n_event,
            "n_censor": n_left - n_event,
            "estimate": estimate,
            "std_error": error,
            "conf_high": high,
            "conf_low": low,
        }
    )


def _limits(
    estimate: FloatArray, error: FloatArray, z: float, scale: str
) -> tuple[FloatArray, FloatArray]:
    """Return the ends of pointwise intervals, NaN where R has none."""
    if scale == "plain":
        low, high = estimate * (1 - z * error), estimate * (1 + z * error)
    elif scale == "log":
        low, high = estimate * np.exp(-z * error), estimate * np.exp(z * error)
    else:
        inside = (estimate > 0) & (estimate < 1)
        log_s = np.log(np.where(inside, estimate, 0.5))
        # The complementary log-log scale turns the sides round.
        reach = z * error / np.abs(log_s)
        low = np.where(inside, np.exp(log_s * np.exp(reach)), np.nan)
        high = np.where(inside, np.exp(log_s * np.exp(-reach)), np.nan)
        return low, high
    return np.maximum(low, 0.0), np.minimum(high, 1.0)


def read_probabilities(probs: float | npt.ArrayLike) -> list[float]:
    """Return probabilities that a user asks for.

    Raises
    ------
    InputError
        If one is not between 0 and 1.
    """
    asked = np.atleast_1d(np.asarray(probs, dtype=float))
    if asked.ndim != 1 or not ((asked > 0) & (asked < 1)).all():
        raise InputError("probs", repr(probs), "probabilities between 0 and 1")
    return asked.tolist()


def quantile_of(survival: pd.DataFrame, share: float) -> tuple[float, float, float]:
    """Return the time by which `share` has had the event, and its interval."""
    time, *curves = survival[["time", *ESTIMATE]].to_numpy(dtype=float).T
    estimate, low, high = (_crossing(time, curve, 1.0 - share) for curve in curves)
    return estimate, low, high


def _crossing(time: FloatArray, curve: FloatArray, share: float) -> float:
    """Return the time at which a curve (m,) falls to `share`, NaN if it does not."""
    reached = np.flatnonzero(curve <= share + _TOLERANCE)
    if not reached.size:
        return math.nan
    first = reached[0]
    after = np.flatnonzero(curve < share - _TOLERANCE)
    if abs(curve[first] - share) <= _TOLERANCE and after.size:
        return float(time[first] + time[after[0]]) / 2.0
    return float(time[first])
