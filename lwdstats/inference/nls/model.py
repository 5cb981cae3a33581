"""The model of `nls` as the solver takes it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lwdstats.arrays import FloatArray
from lwdstats.expression import Expression
from lwdstats.inference.nls.formula import value_and_gradient
from lwdstats.inference.nls.solver import Model


def weighted_model(
    expression: Expression,
    parameters: tuple[str, ...],
    variables: Mapping[str, FloatArray],
    y: FloatArray,
    weights: FloatArray | None,
) -> Model:
    """Return the function of the parameters that `solve` takes: residuals and gradient."""
    root = None if weights is None else np.sqrt(weights)

    def model(at: FloatArray) -> tuple[FloatArray, FloatArray]:
        values = dict(zip(parameters, at.tolist(), strict=True))
        value, slopes = value_and_gradient(expression, variables, values)
        gradient = np.empty((len(y), len(parameters)))
        for j, name in enumerate(parameters):
            gradient[:, j] = slopes[name]
        residuals = y - value
        if root is None:
            return residuals, gradient
        # What has no weight plays no part, even where the model is not finite.
        with np.errstate(invalid="ignore"):
            used = root > 0
            residuals = np.where(used, root * residuals, 0.0)
            return residuals, np.where(used[:, None], root[:, None] * gradient, 0.0)

    return model
