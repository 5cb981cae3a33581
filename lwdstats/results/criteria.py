"""R's generic functions that are a number of a fit: likelihood, criteria, deviance, sizes."""

from __future__ import annotations

import warnings
from typing import Any

import pandas as pd

from lwdstats.results.dispatch import call


def logLik(x: Any) -> Any:  # noqa: N802 - R's name
    """Return the log-likelihood of a fit.

    Returns
    -------
    float
        Natural logarithm.

    Notes
    -----
    Follows R's ``logLik``, as a plain number: the degrees of freedom are in `AIC`.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> fit = lwd.nls("y ~ a + b x", {"x": [1, 2, 3, 4], "y": [2, 4, 7, 8]}, {"a": 0, "b": 1})
    >>> round(lwd.logLik(fit), 3)
    -2.19
    """
    return call("logLik", x)


def AIC(x: Any, *others: Any, **kwargs: Any) -> Any:  # noqa: N802 - R's name
    """Return Akaike's information criterion of a fit, or of several.

    Parameters
    ----------
    x : object
        A result with a method of this name, such as a fit of `nls`.
    *others : object
        Fits to lay beside `x`.
    **kwargs
        Passed on to the method: `k`, the price of a parameter.

    Returns
    -------
    float or pandas.DataFrame
        ``-2 logLik + k (p + 1)``: sigma counts as a parameter. Of several fits, a
        row each, from 1, with columns `df`, which is p + 1, and `AIC`.

    Warns
    -----
    UserWarning
        If fits are not of as many observations, which makes them incomparable.

    Notes
    -----
    Follows R's ``AIC(fit, ..., k = 2)``, whose rows have the names of the arguments.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> fit = lwd.nls("y ~ a + b x", {"x": [1, 2, 3, 4], "y": [2, 4, 7, 8]}, {"a": 0, "b": 1})
    >>> round(lwd.AIC(fit) + 2 * lwd.logLik(fit), 6)
    6.0
    """
    return _criterion("AIC", x, others, **kwargs)


def BIC(x: Any, *others: Any) -> Any:  # noqa: N802 - R's name
    """Return the Bayesian information criterion of a fit, or of several.

    Parameters
    ----------
    x : object
        A result with a method of this name, such as a fit of `nls`.
    *others : object
        Fits to lay beside `x`.

    Returns
    -------
    float or pandas.DataFrame
        ``-2 logLik + log(n) (p + 1)``. Of several fits, a row each, from 1, with
        columns `df`, which is p + 1, and `BIC`.

    Warns
    -----
    UserWarning
        If fits are not of as many observations, which makes them incomparable.

    Notes
    -----
    Follows R's ``BIC(fit, ...)``, whose rows have the names of the arguments.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> fit = lwd.nls("y ~ a + b x", {"x": [1, 2, 3, 4], "y": [2, 4, 7, 8]}, {"a": 0, "b": 1})
    >>> round(lwd.BIC(fit) + 2 * lwd.logLik(fit), 3)  # 3 log(4)
    4.159
    """
    return _criterion("BIC", x, others)


def _criterion(name: str, x: Any, others: tuple[Any, ...], **kwargs: Any) -> Any:
    values = [call(name, fit, **kwargs) for fit in (x, *others)]
    if not others:
        return values[0]
    fits = (x, *others)
    if len({call("nobs", fit) for fit in fits}) > 1:
        warnings.warn("models are not all fitted to the same number of observations", stacklevel=3)
    # AIC is -2 logLik + 2 df.
    df = [round(call("AIC", fit) / 2 + call("logLik", fit)) for fit in fits]
    return pd.DataFrame({"df": df, name: values}, index=range(1, len(fits) + 1))


def deviance(x: Any) -> Any:
    """Return the deviance of a fit.

    Returns
    -------
    float
        Of `nls`, the weighted residual sum of squares.

    Notes
    -----
    Follows R's ``deviance``.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> fit = lwd.nls("y ~ a + b x", {"x": [1, 2, 3, 4], "y": [2, 4, 7, 8]}, {"a": 0, "b": 1})
    >>> round(lwd.deviance(fit), 3)
    0.7
    """
    return call("deviance", x)


def df_residual(x: Any) -> Any:
    """Return the residual degrees of freedom of a fit.

    Returns
    -------
    int
        Observations less parameters.

    Notes
    -----
    Follows R's ``df.residual``.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> fit = lwd.nls("y ~ a + b x", {"x": [1, 2, 3, 4], "y": [2, 4, 7, 8]}, {"a": 0, "b": 1})
    >>> lwd.df_residual(fit)
    2
    """
    return call("df_residual", x)


def nobs(x: Any) -> Any:
    """Return the number of observations of a fit.

    Returns
    -------
    int
        Those of weight 0 do not count.

    Notes
    -----
    Follows R's ``nobs``.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> fit = lwd.nls("y ~ a + b x", {"x": [1, 2, 3, 4], "y": [2, 4, 7, 8]}, {"a": 0, "b": 1})
    >>> lwd.nobs(fit)
    4
    """
    return call("nobs", x)
