"""R's generic functions: each calls the method of that name of what it is given.

``coef(fit)`` and ``fit.coef()`` are the same; arguments after the first are the
method's.
"""

from __future__ import annotations

from typing import Any

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
        A result.
    **kwargs
        Passed on to its method.

    Returns
    -------
    object
        What its method ``summary`` returns. So for every function here.

    Raises
    ------
    InputError
        If `x` has no such method. So for every function here.

    Examples
    --------
    >>> from lwdstats.inference.nls import nls
    >>> fit = nls("y ~ a + b x", {"x": [1, 2, 3], "y": [1.1, 1.9, 3.1]}, {"a": 0, "b": 1})
    >>> summary(fit).df
    (2, 1)
    """
    return _call("summary", x, **kwargs)


def coef(x: Any) -> Any:
    """Return the coefficients of a fit, as R's ``coef``."""
    return _call("coef", x)


def vcov(x: Any) -> Any:
    """Return the covariance matrix of a fit's coefficients, as R's ``vcov``."""
    return _call("vcov", x)


def confint(x: Any, *args: Any, **kwargs: Any) -> Any:
    """Return confidence intervals of a fit's coefficients, as R's ``confint``."""
    return _call("confint", x, *args, **kwargs)


def predict(x: Any, *args: Any, **kwargs: Any) -> Any:
    """Return predictions of a fit, as R's ``predict``."""
    return _call("predict", x, *args, **kwargs)


def fitted(x: Any) -> Any:
    """Return the fitted values, as R's ``fitted``."""
    return _call("fitted", x)


def residuals(x: Any, **kwargs: Any) -> Any:
    """Return the residuals, as R's ``residuals``."""
    return _call("residuals", x, **kwargs)


def anova(x: Any, *others: Any, **kwargs: Any) -> Any:
    """Compare nested fits, as R's ``anova``."""
    return _call("anova", x, *others, **kwargs)


def logLik(x: Any) -> Any:  # noqa: N802 - R's name
    """Return the log-likelihood of a fit, as R's ``logLik``."""
    return _call("logLik", x)


def AIC(x: Any, **kwargs: Any) -> Any:  # noqa: N802 - R's name
    """Return Akaike's information criterion of a fit, as R's ``AIC``."""
    return _call("AIC", x, **kwargs)


def BIC(x: Any) -> Any:  # noqa: N802 - R's name
    """Return the Bayesian information criterion of a fit, as R's ``BIC``."""
    return _call("BIC", x)


def deviance(x: Any) -> Any:
    """Return the deviance of a fit, as R's ``deviance``."""
    return _call("deviance", x)


def df_residual(x: Any) -> Any:
    """Return the residual degrees of freedom of a fit, as R's ``df.residual``."""
    return _call("df_residual", x)


def nobs(x: Any) -> Any:
    """Return the number of observations of a fit, as R's ``nobs``."""
    return _call("nobs", x)


def tidy(x: Any, **kwargs: Any) -> Any:
    """Return a row for each term of a result, as broom's ``tidy``."""
    return _call("tidy", x, **kwargs)


def glance(x: Any, **kwargs: Any) -> Any:
    """Return one row about a result, as broom's ``glance``."""
    return _call("glance", x, **kwargs)


def augment(x: Any, **kwargs: Any) -> Any:
    """Return the data with a column for each of what a result adds, as broom's ``augment``."""
    return _call("augment", x, **kwargs)
