"""R's generic functions: each calls the method of that name of what it is given.

``coef(fit)`` and ``fit.coef()`` are the same; arguments after the first are the
method's.
"""

from __future__ import annotations

import warnings
from dataclasses import is_dataclass
from typing import Any

import pandas as pd

from lwdstats.errors import InputError


def _call(name: str, x: Any, *args: Any, **kwargs: Any) -> Any:
    method = getattr(x, name, None)
    if not callable(method):
        raise InputError("x", f"an object of type {type(x).__name__}", f"a result with {name}()")
    return method(*args, **kwargs)


def summary(x: Any, **kwargs: Any) -> Any:
    """Return the summary of a result, which prints as R's block.

    Parameters
    ----------
    x : object
        A result, such as a fit of `nls`.
    **kwargs
        Passed on to the method of this name.

    Returns
    -------
    object
        Of `nls`, an `NLSSummary`; of a result without a summary of its own, such
        as a test, `x` itself.

    Raises
    ------
    InputError
        If `x` is no result. The other functions here also raise it if the result has
        no such method.

    Notes
    -----
    Follows R's ``summary``. That of a fit holds its table of coefficients as a
    frame, `coefficients`; ``str()`` gives the block.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> fit = lwd.nls("y ~ a + b x", {"x": [1, 2, 3, 4], "y": [2, 4, 7, 8]}, {"a": 0, "b": 1})
    >>> lwd.summary(fit).df
    (2, 2)
    """
    if callable(getattr(x, "summary", None)):
        return _call("summary", x, **kwargs)
    ours = is_dataclass(x) and type(x).__module__.partition(".")[0] == "lwdstats"
    if not ours or isinstance(x, type):
        raise InputError("x", f"an object of type {type(x).__name__}", "a dataset, or a result")
    if kwargs:
        names = ", ".join(kwargs)
        raise InputError(names, f"it for a {type(x).__name__}", "nothing: its summary is itself")
    return x


def coef(x: Any) -> Any:
    """Return the coefficients of a fit.

    Returns
    -------
    pandas.Series
        Estimates by name.

    Notes
    -----
    Follows R's ``coef``.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> fit = lwd.nls("y ~ a + b x", {"x": [1, 2, 3, 4], "y": [2, 4, 7, 8]}, {"a": 0, "b": 1})
    >>> round(float(lwd.coef(fit)["b"]), 6)
    2.1
    """
    return _call("coef", x)


def vcov(x: Any) -> Any:
    """Return the covariance matrix of a fit's coefficients.

    Returns
    -------
    pandas.DataFrame
        Rows and columns by name.

    Notes
    -----
    Follows R's ``vcov``. That of a fit that did not converge is NaN.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> fit = lwd.nls("y ~ a + b x", {"x": [1, 2, 3, 4], "y": [2, 4, 7, 8]}, {"a": 0, "b": 1})
    >>> lwd.vcov(fit).round(4)
           a      b
    a  0.525 -0.175
    b -0.175  0.070
    """
    return _call("vcov", x)


def confint(x: Any, *args: Any, **kwargs: Any) -> Any:
    """Return confidence intervals of a fit's coefficients.

    Parameters
    ----------
    x : object
        A result with a method of this name, such as a fit of `nls`.
    *args, **kwargs
        Passed on to the method: `parm`, `level`, `method`.

    Returns
    -------
    ConfInt
        Its `table` has a row for each parameter.

    Notes
    -----
    Follows R's ``confint``. For `nls` the intervals are by profile likelihood, or
    by ``method="wald"``; see `NLSFit.confint` for where they differ from R's.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> fit = lwd.nls("y ~ a + b x", {"x": [1, 2, 3, 4], "y": [2, 4, 7, 8]}, {"a": 0, "b": 1})
    >>> print(lwd.confint(fit, "b"))
           2.5%    97.5%
    b 0.9616251 3.238375
    """
    return _call("confint", x, *args, **kwargs)


def predict(x: Any, *args: Any, **kwargs: Any) -> Any:
    """Return predictions of a fit.

    Parameters
    ----------
    x : object
        A result with a method of this name, such as a fit of `nls`.
    *args, **kwargs
        Passed on to the method: new data first.

    Returns
    -------
    numpy.ndarray or pandas.DataFrame
        Predictions; a frame where errors or intervals are asked for.

    Notes
    -----
    Follows R's ``predict``. For `nls` it gives standard errors and intervals too,
    which R's ignores; see `NLSFit.predict`. That of a Procrustes rotation moves
    other points alike, as vegan's.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> fit = lwd.nls("y ~ a + b x", {"x": [1, 2, 3, 4], "y": [2, 4, 7, 8]}, {"a": 0, "b": 1})
    >>> lwd.predict(fit, {"x": [5, 6]}).round(2)
    array([10.5, 12.6])
    """
    return _call("predict", x, *args, **kwargs)


def fitted(x: Any) -> Any:
    """Return the fitted values.

    Returns
    -------
    numpy.ndarray
        One a row of the data.

    Notes
    -----
    Follows R's ``fitted``, without its names and label. Rows left out for missing
    values have none.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> fit = lwd.nls("y ~ a + b x", {"x": [1, 2, 3, 4], "y": [2, 4, 7, 8]}, {"a": 0, "b": 1})
    >>> lwd.fitted(fit).round(2)
    array([2.1, 4.2, 6.3, 8.4])
    """
    return _call("fitted", x)


def residuals(x: Any, **kwargs: Any) -> Any:
    """Return the residuals.

    Parameters
    ----------
    x : object
        A result with a method of this name, such as a fit of `nls`.
    **kwargs
        Passed on to the method: `type`, "response" or "pearson", for `nls`.

    Returns
    -------
    numpy.ndarray
        One a row of the data.

    Notes
    -----
    Follows R's ``residuals``, without its names and label; of a Procrustes rotation
    they are the distances left, as in vegan.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> fit = lwd.nls("y ~ a + b x", {"x": [1, 2, 3, 4], "y": [2, 4, 7, 8]}, {"a": 0, "b": 1})
    >>> lwd.residuals(fit).round(2)
    array([-0.1, -0.2,  0.7, -0.4])
    """
    return _call("residuals", x, **kwargs)


def anova(x: Any, *others: Any, **kwargs: Any) -> Any:
    """Return an analysis of variance, or compare nested fits.

    Parameters
    ----------
    x : object
        A result with a method of this name, such as a fit of `nls`.
    *others : object
        Fits to compare with `x`.
    **kwargs
        Passed on to the method.

    Returns
    -------
    Anova or DispersionTable
        The table, with R's block as ``str()``.

    Notes
    -----
    Follows R's ``anova``: of fits of `nls` it takes two or more, each nested in the
    next; of `betadisper` it compares the groups. Fits of other responses are an
    error, where R drops them with a warning.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> fit = lwd.nls("y ~ a + b x", {"x": [1, 2, 3, 4], "y": [2, 4, 7, 8]}, {"a": 0, "b": 1})
    >>> line = lwd.nls("y ~ b x", {"x": [1, 2, 3, 4], "y": [2, 4, 7, 8]}, {"b": 1})
    >>> lwd.anova(line, fit).table["Res.Df"].tolist()
    [3.0, 2.0]
    """
    return _call("anova", x, *others, **kwargs)


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
    return _call("logLik", x)


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
    values = [_call(name, fit, **kwargs) for fit in (x, *others)]
    if not others:
        return values[0]
    fits = (x, *others)
    if len({_call("nobs", fit) for fit in fits}) > 1:
        warnings.warn("models are not all fitted to the same number of observations", stacklevel=3)
    # AIC is -2 logLik + 2 df.
    df = [round(_call("AIC", fit) / 2 + _call("logLik", fit)) for fit in fits]
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
    return _call("deviance", x)


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
    return _call("df_residual", x)


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
    return _call("nobs", x)


def tidy(x: Any, **kwargs: Any) -> Any:
    """Return a row for each term of a result.

    Parameters
    ----------
    x : object
        A result.
    **kwargs
        Passed on to the method: `conf_int` and `conf_level` for `nls`.

    Returns
    -------
    pandas.DataFrame
        A row for each parameter, term, group, axis or time.

    Notes
    -----
    Follows ``tidy`` of R's package broom, whose columns are in snake_case here.
    Results that broom does not know have columns in its manner.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> fit = lwd.nls("y ~ a + b x", {"x": [1, 2, 3, 4], "y": [2, 4, 7, 8]}, {"a": 0, "b": 1})
    >>> list(lwd.tidy(fit).columns)
    ['term', 'estimate', 'std_error', 'statistic', 'p_value']
    """
    return _call("tidy", x, **kwargs)


def glance(x: Any, **kwargs: Any) -> Any:
    """Return one row about a result.

    Parameters
    ----------
    x : object
        A result.
    **kwargs
        Passed on to the method.

    Returns
    -------
    pandas.DataFrame
        One row.

    Notes
    -----
    Follows ``glance`` of R's package broom, whose columns are in snake_case here.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> fit = lwd.nls("y ~ a + b x", {"x": [1, 2, 3, 4], "y": [2, 4, 7, 8]}, {"a": 0, "b": 1})
    >>> lwd.glance(fit)[["is_conv", "nobs"]]
       is_conv  nobs
    0     True     4
    """
    return _call("glance", x, **kwargs)


def augment(x: Any, **kwargs: Any) -> Any:
    """Return the data with what a result adds to each row.

    Parameters
    ----------
    x : object
        A result.
    **kwargs
        Passed on to the method.

    Returns
    -------
    pandas.DataFrame
        A row for each observation or point.

    Notes
    -----
    Follows ``augment`` of R's package broom: what is added to data starts with a
    point, as ``.fitted`` and ``.resid``.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> fit = lwd.nls("y ~ a + b x", {"x": [1, 2, 3, 4], "y": [2, 4, 7, 8]}, {"a": 0, "b": 1})
    >>> list(lwd.augment(fit))
    ['y', 'x', '.fitted', '.resid']
    """
    return _call("augment", x, **kwargs)
