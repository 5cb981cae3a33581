"""Predictions of an `nls` fit, with intervals by the delta method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError, check_choice, check_level
from lwdstats.inference.nls.formula import value_and_gradient
from lwdstats.inference.nls.problem import as_variable

if TYPE_CHECKING:
    from lwdstats.inference.nls.result import NLSFit


def predict(
    fit: NLSFit, newdata: Any, se_fit: bool, interval: str, level: float
) -> FloatArray | pd.DataFrame:
    """Return predictions (m,), or a frame of them with errors and ends: see `NLSFit.predict`."""
    check_choice("interval", interval, ("none", "confidence", "prediction"))
    check_level(level)
    variables = fit.variables if newdata is None else _new_variables(fit, newdata)
    values = dict(zip(fit.parameters, fit.estimate.tolist(), strict=True))
    value, slopes = value_and_gradient(fit.formula.model, variables, values)
    lengths = [len(v) for v in variables.values() if v.ndim == 1]
    size = len(fit.response) if newdata is None else max(lengths, default=1)
    mean = np.array(np.broadcast_to(value, (size,)))
    if not se_fit and interval == "none":
        return mean
    if not fit.converged:
        raise InputError("fit", f"a fit that ended: {fit.convergence.value}", "a minimum")
    gradient = np.stack([np.broadcast_to(slopes[p], (size,)) for p in fit.parameters], axis=1)
    variance = np.einsum("np,pq,nq->n", gradient, fit.cov_unscaled, gradient)
    frame = pd.DataFrame({"fit": mean})
    if se_fit:
        frame["se_fit"] = fit.sigma * np.sqrt(variance)
    if interval != "none":
        from scipy.special import stdtrit

        if interval == "prediction":
            own = newdata is None and fit.weights is not None
            with np.errstate(divide="ignore"):
                variance = variance + (1.0 / fit.weights if own else 1.0)  # type: ignore[operator]
        quantile = float(stdtrit(fit.df_residual(), (1 + level) / 2))
        half = quantile * fit.sigma * np.sqrt(variance)
        frame["lwr"], frame["upr"] = mean - half, mean + half
    return frame


def _new_variables(fit: NLSFit, newdata: Any) -> dict[str, FloatArray]:
    if not isinstance(newdata, Mapping) and not hasattr(newdata, "columns"):
        takes = "a DataFrame or a mapping of names to arrays"
        raise InputError("newdata", type(newdata).__name__, takes)
    names = [name for name in fit.formula.model.names if name not in fit.parameters]
    for name in names:
        if name not in newdata:
            raise InputError("newdata", f"no {name!r}", f"values of {', '.join(names)}")
    variables = {name: as_variable(newdata, name, "newdata") for name in names}
    lengths = {name: len(v) for name, v in variables.items() if v.ndim == 1}
    if len(set(lengths.values())) > 1:
        raise InputError("newdata", f"lengths {lengths}", "vectors of one length")
    return variables
