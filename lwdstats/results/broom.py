"""The generic functions of R's package broom: results as frames."""

from __future__ import annotations

from typing import Any

from lwdstats.results.dispatch import call


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
    return call("tidy", x, **kwargs)


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
    return call("glance", x, **kwargs)


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
    return call("augment", x, **kwargs)
