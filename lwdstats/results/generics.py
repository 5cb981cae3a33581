"""R's generic functions: each calls the method of that name of what it is given.

``coef(fit)`` and ``fit.coef()`` are the same; arguments after the first are the
method's. In the examples below `fit` is the fit in the example of `nls`, of the
law ``y ~ SSasymp(t, Asym, R0, lrc)`` to eight values.
"""

from __future__ import annotations

import warnings
from typing import Any

import pandas as pd

from lwdstats.errors import InputError
from lwdstats.results.result import Result


def _call(name: str, x: Any, *args: Any, **kwargs: Any) -> Any:
    method = getattr(x, name, None)
    if not callable(method):
        raise InputError("x", f"an object of type {type(x).__name__}", f"a result with {name}()")
    return method(*args, **kwargs)


def summary(x: Any, **kwargs: Any) -> Any:
    """Return the summary of a result, which prints as R's block.

    Parameters
    ----------
    x : Result
        A result, such as a fit of `nls`.
    **kwargs
        Passed on to the method of this name.

    Returns
    -------
    Result
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
    >>> summary(fit).df
    (3, 5)
    """
    if not isinstance(x, Result):
        takes = "a dataset (read_results reads one from a file), or a result"
        raise InputError("x", f"an object of type {type(x).__name__}", takes)
    if kwargs and type(x).summary is Result.summary:
        names = ", ".join(kwargs)
        raise InputError(names, f"it for a {type(x).__name__}", "nothing: its summary is itself")
    return x.summary(**kwargs)


def coef(x: Any) -> Any:
    """Return the coefficients of a fit, a pandas Series of estimates by name.

    Notes
    -----
    Follows R's ``coef``.

    Examples
    --------
    >>> round(float(coef(fit)["Asym"]), 3)
    2.002
    """
    return _call("coef", x)


def vcov(x: Any) -> Any:
    """Return the covariance matrix of a fit's coefficients, a frame with names on both sides.

    Notes
    -----
    Follows R's ``vcov``. That of a fit that did not converge is NaN.

    Examples
    --------
    >>> vcov(fit).shape
    (3, 3)
    """
    return _call("vcov", x)


def confint(x: Any, *args: Any, **kwargs: Any) -> Any:
    """Return confidence intervals of a fit's coefficients.

    Parameters
    ----------
    x : Result
        A fit of `nls` or `convergence_fit`, or a `collapse_time`.
    *args, **kwargs
        Passed on to the method: `parm`, `level`, `method`.

    Returns
    -------
    ConfInt
        Its `table` has a row for each parameter, with R's names of the columns.

    Notes
    -----
    Follows R's ``confint``. For `nls` the intervals are by profile likelihood, or
    by ``method="wald"``; see `NLSFit.confint` for where they differ from R's.

    Examples
    --------
    >>> print(confint(fit, "Asym"))
            2.5%    97.5%
    Asym 1.96223 2.040313
    """
    return _call("confint", x, *args, **kwargs)


def predict(x: Any, *args: Any, **kwargs: Any) -> Any:
    """Return predictions of a fit: an array, or a frame where errors or intervals are asked for.

    Parameters
    ----------
    x : Result
        A fit, or a rotation of `procrustes`.
    *args, **kwargs
        Passed on to the method: new data first.

    Notes
    -----
    Follows R's ``predict``. For `nls` it gives standard errors and intervals too,
    which R's ignores; see `NLSFit.predict`. That of a Procrustes rotation moves
    other points alike, as vegan's.

    Examples
    --------
    >>> predict(fit, {"t": [8, 9]}).round(2)
    array([2.06, 2.03])
    """
    return _call("predict", x, *args, **kwargs)


def fitted(x: Any) -> Any:
    """Return the fitted values, an array with one for each row of the data.

    Notes
    -----
    Follows R's ``fitted``, without its names and label. Rows left out for missing
    values have none.

    Examples
    --------
    >>> fitted(fit)[:3].round(2)
    array([5.02, 3.82, 3.1 ])
    """
    return _call("fitted", x)


def residuals(x: Any, **kwargs: Any) -> Any:
    """Return the residuals, an array with one for each row of the data.

    Parameters
    ----------
    x : Result
        A fit, or a rotation of `procrustes`.
    **kwargs
        Passed on to the method: `type`, "response" or "pearson", for `nls`.

    Notes
    -----
    Follows R's ``residuals``, without its names and label; of a Procrustes rotation
    they are the distances left, as in vegan.

    Examples
    --------
    >>> bool(abs(residuals(fit)).max() < 0.05)
    True
    """
    return _call("residuals", x, **kwargs)


def anova(x: Any, *others: Any, **kwargs: Any) -> Any:
    """Return an analysis of variance, or compare nested fits.

    Parameters
    ----------
    x : Result
        A fit of `nls` or `lm`, or a result of `betadisper`.
    *others : Result
        Fits to compare with `x`.
    **kwargs
        Passed on to the method.

    Returns
    -------
    Anova, AnovaTable or DispersionTable
        The table, with R's block as ``str()``.

    Notes
    -----
    Follows R's ``anova``: of fits of `nls` it takes two or more, each nested in the
    next; of one fit of `lm` it tests the terms in turn; of `betadisper` it compares the groups.
    Fits of other responses are an error, where R drops them with a warning.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> without = lwd.nls("y ~ R0 exp(-exp(lrc) t)", fit.variables, {"R0": 5, "lrc": -1})
    >>> anova(without, fit).table["Res.Df"].tolist()
    [6.0, 5.0]
    """
    return _call("anova", x, *others, **kwargs)


def TukeyHSD(x: Any, **kwargs: Any) -> Any:
    """Compare all pairs of groups, with one confidence level for all of them together.

    Parameters
    ----------
    x : BetaDisper
        A result of `betadisper`.
    **kwargs
        `ordered`, False by default: whether groups are compared in the order of their
        means, so that all differences are positive; and `level`, .95 by default.

    Returns
    -------
    Tukey
        Differences of the groups' mean distances from their centres, intervals and
        p-values, adjusted for their number. With R's block as ``str()``.

    Raises
    ------
    InputError
        If `x` has no groups to compare, or an argument is not as above.

    Notes
    -----
    Follows R's ``TukeyHSD(betadisper(...), ordered, conf.level)``: Tukey and Kramer's
    intervals, by the studentized range with the variance pooled over all groups. As
    `anova`, it takes distances as independent, which those from one estimated centre are
    not quite; sizes are in ``benchmarks/validity/size_permutation.md``. Where distances
    do not vary within groups, p is NaN, where R has 0.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> x = [0.0, 1.0, 5.0, 10.0, 12.0, 15.0, 20.0, 21.0, 40.0]
    >>> print(lwd.TukeyHSD(lwd.betadisper(lwd.dist(x), list("aaabbbccc"))))
      Tukey multiple comparisons of means
        95% family-wise confidence level
    <BLANKLINE>
    Fit: aov(formula = distances ~ group, data = df)
    <BLANKLINE>
    $group
        diff       lwr      upr     p adj
    b-a    0 -15.91038 15.91038 1.0000000
    c-a    5 -10.91038 20.91038 0.6235864
    c-b    5 -10.91038 20.91038 0.6235864
    """
    return _call("TukeyHSD", x, **kwargs)


def logLik(x: Any) -> Any:
    """Return the log-likelihood of a fit, a natural logarithm.

    Notes
    -----
    Follows R's ``logLik``, as a plain number: the degrees of freedom are in `AIC`.

    Examples
    --------
    >>> round(logLik(fit), 1)
    23.3
    """
    return _call("logLik", x)


def AIC(x: Any, *others: Any, **kwargs: Any) -> Any:
    """Return Akaike's information criterion of a fit, or of several.

    Parameters
    ----------
    x : Result
        A fit of `nls` or `convergence_fit`.
    *others : Result
        Fits of the same kind, to lay beside `x`.
    **kwargs
        Passed on to the method: `k`, the price of a parameter.

    Returns
    -------
    float or pandas.DataFrame
        ``-2 logLik + k df``, where `df` counts the parameters, the variance of the
        errors included; of `convergence_fit` over replicates, QIC. Of several fits
        a row each, from 1, with columns `df` and `AIC`.

    Raises
    ------
    InputError
        If fits are of several kinds, whose criteria are not of one scale.

    Warns
    -----
    UserWarning
        If fits are not of as many observations, which makes them incomparable.

    Notes
    -----
    Follows R's ``AIC(fit, ..., k = 2)``, whose rows have the names of the arguments.

    Examples
    --------
    >>> round(AIC(fit) + 2 * logLik(fit), 6)
    8.0
    """
    return _criterion("AIC", x, others, **kwargs)


def BIC(x: Any, *others: Any) -> Any:
    """Return the Bayesian information criterion of a fit, or of several.

    Parameters
    ----------
    x : Result
        A fit of `nls` or `convergence_fit`.
    *others : Result
        Fits of the same kind, to lay beside `x`.

    Returns
    -------
    float or pandas.DataFrame
        As `AIC` with ``k = log(n)``, n being the number of observations. Of
        several fits a row each, from 1, with columns `df` and `BIC`.

    Raises
    ------
    InputError
        If fits are of several kinds, whose criteria are not of one scale.

    Warns
    -----
    UserWarning
        If fits are not of as many observations, which makes them incomparable.

    Notes
    -----
    Follows R's ``BIC(fit, ...)``, whose rows have the names of the arguments.

    Examples
    --------
    >>> round(BIC(fit) + 2 * logLik(fit), 3)  # 4 log(8)
    8.318
    """
    return _criterion("BIC", x, others)


def _criterion(name: str, x: Any, others: tuple[Any, ...], **kwargs: Any) -> Any:
    fits = (x, *others)
    values = [_call(name, fit, **kwargs) for fit in fits]
    if not others:
        return values[0]
    kinds = dict.fromkeys(type(fit).__name__ for fit in fits)
    if len(kinds) > 1:
        raise InputError("others", f"fits of types {', '.join(kinds)}", "fits of one kind")
    if len({_call("nobs", fit) for fit in fits}) > 1:
        warnings.warn("models are not all fitted to the same number of observations", stacklevel=3)
    # A unit more a parameter makes the criterion larger by their number.
    df = [round(_call("AIC", fit, k=3.0) - _call("AIC", fit, k=2.0), 9) for fit in fits]
    counts = [int(value) if value == int(value) else value for value in df]
    return pd.DataFrame({"df": counts, name: values}, index=range(1, len(fits) + 1))


def deviance(x: Any) -> Any:
    """Return the deviance of a fit: of `nls`, the weighted residual sum of squares.

    Notes
    -----
    Follows R's ``deviance``.

    Examples
    --------
    >>> round(deviance(fit), 4)
    0.0014
    """
    return _call("deviance", x)


def df_residual(x: Any) -> Any:
    """Return the residual degrees of freedom of a fit: observations less parameters.

    Notes
    -----
    Follows R's ``df.residual``.

    Examples
    --------
    >>> df_residual(fit)
    5
    """
    return _call("df_residual", x)


def nobs(x: Any) -> Any:
    """Return the number of observations of a fit; those of weight 0 do not count.

    Notes
    -----
    Follows R's ``nobs``.

    Examples
    --------
    >>> nobs(fit)
    8
    """
    return _call("nobs", x)


def tidy(x: Any, **kwargs: Any) -> Any:
    """Return a row for each term of a result: a parameter, group, axis or time.

    Parameters
    ----------
    x : Result
        Any result.
    **kwargs
        Passed on to the method: `conf_int` and `conf_level` for `nls`.

    Returns
    -------
    pandas.DataFrame

    Notes
    -----
    Follows ``tidy`` of R's package broom, whose columns are in snake_case here.
    Results that broom does not know have columns in its manner.

    Examples
    --------
    >>> list(tidy(fit).columns)
    ['term', 'estimate', 'std_error', 'statistic', 'p_value']
    """
    return _call("tidy", x, **kwargs)


def glance(x: Any, **kwargs: Any) -> Any:
    """Return one row about a result as a whole.

    Parameters
    ----------
    x : Result
        Any result.
    **kwargs
        Passed on to the method.

    Returns
    -------
    pandas.DataFrame

    Notes
    -----
    Follows ``glance`` of R's package broom, whose columns are in snake_case here.

    Examples
    --------
    >>> glance(fit)[["is_conv", "nobs"]]
       is_conv  nobs
    0     True     8
    """
    return _call("glance", x, **kwargs)


def augment(x: Any, **kwargs: Any) -> Any:
    """Return the data with what a result adds to each row: a point, or an observation.

    Parameters
    ----------
    x : Result
        A result that has data, such as a fit, or points, such as a scaling.
    **kwargs
        Passed on to the method.

    Returns
    -------
    pandas.DataFrame

    Notes
    -----
    Follows ``augment`` of R's package broom: what is added to data starts with a
    point, as ``.fitted`` and ``.resid``.

    Examples
    --------
    >>> list(augment(fit))
    ['y', 't', '.fitted', '.resid']
    """
    return _call("augment", x, **kwargs)
