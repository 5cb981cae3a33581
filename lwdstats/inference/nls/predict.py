"""Predictions of an `nls` fit, with intervals by the delta method."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError, check_choice, check_level
from lwdstats.expression import value_and_gradient
from lwdstats.inference.nls.problem import Fit, as_variable, check_named


def predict(
    fit: Fit, newdata: Any, se_fit: bool, interval: str, level: float
) -> FloatArray | pd.DataFrame:
    """Return predictions (m,), or a frame of them with errors and ends: see `NLSFit.predict`."""
    check_choice("interval", interval, ("none", "confidence", "prediction"))
    check_level(level)
    variables = fit.variables if newdata is None else _new_variables(fit, newdata)
    values = fit.named(fit.estimate)
    value, slopes = value_and_gradient(fit.formula.model, variables, values)
    lengths = [len(v) for v in variables.values() if v.ndim == 1]
    size = len(fit.response) if newdata is None else max(lengths, default=1)
    mean = np.array(np.broadcast_to(value, (size,)))
    if not se_fit and interval == "none":
        return mean
    fit.check_converged()
    gradient = np.stack([np.broadcast_to(slopes[p], (size,)) for p in values], axis=1)
    variance = np.einsum("np,pq,nq->n", gradient, fit.cov_unscaled, gradient)
    frame = pd.DataFrame({"fit": mean})
    if se_fit:
        frame["se_fit"] = fit.sigma * np.sqrt(variance)
    if interval != "none":
        if interval == "prediction":
            weights = fit.weights if newdata is None else None
            with np.errstate(divide="ignore"):
                variance = variance + (1.0 if weights is None else 1.0 / weights)
        half = float(stdtrit(fit.df_residual(), (1 + level) / 2)) * fit.sigma * np.sqrt(variance)
        frame["lwr"], frame["upr"] = mean - half, mean + half
    return frame


def _new_variables(fit: Fit, newdata: Any) -> dict[str, FloatArray]:
    check_named("newdata", newdata)
    names = [name for name in fit.formula.model.names if name not in fit.parameters]
    for name in names:
        if name not in newdata:
            raise InputError("newdata", f"no {name!r}", f"values of {', '.join(names)}")
    variables = {name: as_variable(newdata, name, "newdata") for name in names}
    lengths = {name: len(v) for name, v in variables.items() if v.ndim == 1}
    if len(set(lengths.values())) > 1:
        raise InputError("newdata", f"lengths {lengths}", "vectors of one length")
    return variables
