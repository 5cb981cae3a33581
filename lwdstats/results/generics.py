"""R's generic functions: each calls the method of that name of what it is given.

``coef(fit)`` and ``fit.coef()`` are the same; arguments after the first are the
method's. Those of one number, and those of broom, are in modules of their own.
"""

from __future__ import annotations

from dataclasses import is_dataclass
from typing import Any

from lwdstats.errors import InputError
from lwdstats.results.broom import augment as augment
from lwdstats.results.broom import glance as glance
from lwdstats.results.broom import tidy as tidy
from lwdstats.results.criteria import AIC as AIC
from lwdstats.results.criteria import BIC as BIC
from lwdstats.results.criteria import deviance as deviance
from lwdstats.results.criteria import df_residual as df_residual
from lwdstats.results.criteria import logLik as logLik
from lwdstats.results.criteria import nobs as nobs
from lwdstats.results.dispatch import call


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
        return call("summary", x, **kwargs)
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
    return call("coef", x)


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
    return call("vcov", x)


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
    return call("confint", x, *args, **kwargs)


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
    return call("predict", x, *args, **kwargs)


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
    return call("fitted", x)


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
    return call("residuals", x, **kwargs)


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
    return call("anova", x, *others, **kwargs)
