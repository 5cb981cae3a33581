"""The result of `nls`, with R's generics as methods."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtr

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError, check_choice, check_level
from lwdstats.expression import value_and_gradient
from lwdstats.inference.nls import anova as nls_anova
from lwdstats.inference.nls import tables as nls_tables
from lwdstats.inference.nls.problem import Fit, as_variable, check_named
from lwdstats.inference.nls.profile import profile_interval, wald_interval
from lwdstats.inference.nls.tables import NLSSummary
from lwdstats.results.confint import ConfInt, Parm, chosen
from lwdstats.results.pictures import drawing
from lwdstats.results.result import Result, one_row


@dataclass(frozen=True, eq=False)
class NLSFit(Fit, Result):
    """A model fitted by `nls`.

    ``str()`` gives R's print; `summary` its table of coefficients.

    Attributes
    ----------
    formula : Formula
        The model.
    parameters : tuple of str
        Names of the p parameters.
    variables : dict of str to numpy.ndarray
        The data, rows with missing values left out.
    response : numpy.ndarray, shape (n,)
        The left side of the formula.
    weights : numpy.ndarray, shape (n,), or None
        Weights of the squares, if there are any.
    estimate : numpy.ndarray, shape (p,)
        Estimates of the parameters.
    rss : float
        (Weighted) residual sum of squares.
    cov_unscaled : numpy.ndarray, shape (p, p)
        (J'WJ)^-1, J being the gradient; NaN unless converged.
    convergence : FitStatus
        Whether it converged, or why not.
    n_iter : int
        Number of gradients computed.
    offset : float
        Relative offset reached.
    start : numpy.ndarray, shape (p,)
        Starting values.
    n_omitted : int
        Rows left out for missing values.
    """

    start: FloatArray = field(repr=False)

    def lines(self) -> list[str]:
        """Return R's print of a fit."""
        return nls_tables.print_fit(self)

    def to_frame(self) -> pd.DataFrame:
        """Return the table of coefficients, with R's heads."""
        return self.summary().coefficients

    def _caption(self) -> str:
        return str(self.formula)

    def coef(self) -> pd.Series:
        """Return the estimates by name."""
        return pd.Series(self.estimate, index=list(self.parameters))

    def vcov(self) -> pd.DataFrame:
        """Return the covariance matrix of the estimates, sigma^2 (J'WJ)^-1."""
        names = list(self.parameters)
        return pd.DataFrame(self.cov_unscaled * self.sigma**2, index=names, columns=names)

    def confint(
        self,
        parm: Parm = None,
        level: float = 0.95,
        method: str = "profile",
    ) -> ConfInt:
        """Return confidence intervals of the parameters.

        Parameters
        ----------
        parm : str, int or sequence of these, optional
            Which parameters, by name or by index from 0; all by default.
        level : float
            Confidence level.
        method : {"profile", "wald"}
            By profile likelihood, or estimate plus and minus t times the
            standard error.

        Returns
        -------
        ConfInt
            Its `table` has a row for each parameter.

        Raises
        ------
        InputError
            If the fit did not converge, or an argument cannot be used.

        Notes
        -----
        The profile is that of R's ``confint(nls)``: the values at which the signed
        root of (S(value) - S) / sigma^2, S being the sum of squares with the other
        parameters fitted anew, is within the t quantile on the residual degrees of
        freedom. R interpolates it by a spline over about ten values; here its
        crossing is found by iteration. Where it does not cross, R gives NA; here that
        end is -inf or inf, and `notes` says so. It says so too where the other
        parameters have no minimum at that end but a limit, such as a straight line.
        For a self-start the others are also searched for anew at each end, so
        that the profile is that of their best fit, and not only of the fit to which
        small steps lead. Observations of weight 0 are not counted in the degrees of
        freedom, where R counts them. ``"wald"`` uses the t distribution, where R's
        ``confint.default`` uses the normal.

        References
        ----------
        Bates, D. M. and Watts, D. G. (1988), Nonlinear Regression Analysis and
        Its Applications, section 6.1.

        Examples
        --------
        >>> from lwdstats.inference.nls.nls import nls
        >>> data = {"x": [1, 2, 3, 4, 5], "y": [2.1, 3.8, 6.3, 7.7, 10.2]}
        >>> print(nls("y ~ a + b x", data, {"a": 0, "b": 1}).confint("b"))
              2.5%    97.5%
        b 1.709769 2.310231
        """
        names = chosen(parm, self.parameters)
        check_level(level)
        check_choice("method", method, ("profile", "wald"))
        self.check_converged()
        interval = profile_interval if method == "profile" else wald_interval
        return interval(self, names, float(level))

    def fitted(self) -> FloatArray:
        """Return the fitted values, (n,)."""
        return np.asarray(self.predict())

    def residuals(self, type: str = "response") -> FloatArray:  # noqa: A002 - R's name
        """Return the residuals, (n,).

        Parameters
        ----------
        type : {"response", "pearson"}
            As they are, or times the root of the weight and over `sigma` (in R
            observations of weight 0 count in that sigma, here they do not).
        """
        check_choice("type", type, ("response", "pearson"))
        plain = self.response - self.fitted()
        if type == "response":
            return plain
        return np.sqrt(self.all_weights) * plain / self.sigma

    def logLik(self) -> float:
        """Return the Gaussian log-likelihood at its maximum over sigma too."""
        n = self.nobs()
        w = self.all_weights
        with np.errstate(divide="ignore"):
            each = math.log(2 * math.pi) + 1 - math.log(n) + np.log(self.rss)
        return float(np.log(w[w > 0]).sum() - n * each) / 2

    def AIC(self, k: float = 2.0) -> float:
        """Return -2 logLik + k (p + 1): sigma counts as a parameter."""
        return -2.0 * self.logLik() + k * (len(self.parameters) + 1)

    def BIC(self) -> float:
        """Return -2 logLik + log(n) (p + 1)."""
        return self.AIC(math.log(self.nobs()))

    def predict(
        self,
        newdata: pd.DataFrame | Mapping[str, Any] | None = None,
        *,
        se_fit: bool = False,
        interval: str = "none",
        level: float = 0.95,
    ) -> FloatArray | pd.DataFrame:
        """Predict the response.

        Parameters
        ----------
        newdata : pandas.DataFrame or mapping, optional
            Values of the model's variables; those of the fit by default.
        se_fit : bool
            Whether to give the standard error of the fitted value.
        interval : {"none", "confidence", "prediction"}
            For the mean response, or for a new observation. A new observation
            has weight 1, unless `newdata` is left out: then those of the fit.
        level : float
            Level of the interval.

        Returns
        -------
        numpy.ndarray, shape (m,), or pandas.DataFrame
            Predictions; a frame of `fit`, and of `se_fit`, `lwr` and `upr` where
            asked for.

        Raises
        ------
        InputError
            If a variable is missing, or the fit has no standard errors to give.

        Notes
        -----
        R's ``predict.nls`` ignores `se_fit` and `interval`. Here they follow from
        the delta method: the variance of the fitted value is g' vcov g, with g the
        gradient there, and the quantile that of t on the residual degrees of
        freedom, as in R's ``predict.lm``. Time points far from the data, and laws
        strongly curved in their parameters, are where that is least exact.

        Examples
        --------
        >>> from lwdstats.inference.nls.nls import nls
        >>> data = {"x": [1, 2, 3, 4, 5], "y": [2.1, 3.8, 6.3, 7.7, 10.2]}
        >>> fit = nls("y ~ a + b x", data, {"a": 0, "b": 1})
        >>> fit.predict({"x": [6]}, interval="prediction").round(3)
             fit     lwr     upr
        0  12.05  10.674  13.426
        """
        check_choice("interval", interval, ("none", "confidence", "prediction"))
        check_level(level)
        variables = self.variables if newdata is None else self._new_variables(newdata)
        values = self.named(self.estimate)
        value, slopes = value_and_gradient(self.formula.model, variables, values)
        lengths = [len(v) for v in variables.values() if v.ndim == 1]
        size = len(self.response) if newdata is None else max(lengths, default=1)
        mean = np.array(np.broadcast_to(value, (size,)))
        if not se_fit and interval == "none":
            return mean
        self.check_converged()
        gradient = np.stack([np.broadcast_to(slopes[p], (size,)) for p in values], axis=1)
        variance = np.einsum("np,pq,nq->n", gradient, self.cov_unscaled, gradient)
        frame = pd.DataFrame({"fit": mean})
        if se_fit:
            frame["se_fit"] = self.sigma * np.sqrt(variance)
        if interval != "none":
            if interval == "prediction":
                with np.errstate(divide="ignore"):
                    variance = variance + (1.0 if newdata is not None else 1.0 / self.all_weights)
            half = self.t_quantile(level) * self.sigma * np.sqrt(variance)
            frame["lwr"], frame["upr"] = mean - half, mean + half
        return frame

    def _new_variables(self, newdata: Any) -> dict[str, FloatArray]:
        check_named("newdata", newdata)
        for name in self.predictors:
            if name not in newdata:
                takes = f"values of {', '.join(self.predictors)}"
                raise InputError("newdata", f"no {name!r}", takes)
        variables = {name: as_variable(newdata, name, "newdata") for name in self.predictors}
        lengths = {name: len(v) for name, v in variables.items() if v.ndim == 1}
        if len(set(lengths.values())) > 1:
            raise InputError("newdata", f"lengths {lengths}", "vectors of one length")
        return variables

    def anova(self, *others: NLSFit) -> nls_anova.Anova:
        """Compare this fit with others in which it is nested, by F tests: see `anova`."""
        return nls_anova.anova(self, *others)

    def summary(self) -> NLSSummary:
        """Return the table of coefficients with t tests; ``str()`` of it is R's block."""
        se, df = self.standard_errors, self.df_residual()
        with np.errstate(divide="ignore", invalid="ignore"):
            t = self.estimate / se
        columns = {"Estimate": self.estimate, "Std. Error": se, "t value": t}
        columns["Pr(>|t|)"] = 2.0 * stdtr(df, -np.abs(t))
        frame = pd.DataFrame(columns, index=list(self.parameters))
        return NLSSummary(
            str(self.formula),
            frame,
            self.sigma,
            (len(self.parameters), df),
            self.convergence,
            self.n_iter,
            self.offset,
            self.n_omitted,
        )

    def tidy(self, conf_int: bool = False, conf_level: float = 0.95) -> pd.DataFrame:
        """Return a row for each parameter, with broom's columns."""
        frame = self.summary().tidy()
        if conf_int:
            frame[["conf_low", "conf_high"]] = np.asarray(self.confint(level=conf_level))
        return frame

    def glance(self) -> pd.DataFrame:
        """Return one row about the fit, with broom's columns."""
        row = {"sigma": self.sigma, "is_conv": self.converged, "fin_tol": self.offset}
        row |= {"log_lik": self.logLik(), "aic": self.AIC(), "bic": self.BIC()}
        row |= {"deviance": self.deviance(), "df_residual": self.df_residual()}
        return one_row(row | {"nobs": self.nobs()})

    def augment(self) -> pd.DataFrame:
        """Return the data with columns ``.fitted`` and ``.resid``."""
        n = len(self.response)
        columns = {name: np.broadcast_to(v, (n,)) for name, v in self.variables.items()}
        return pd.DataFrame(columns | {".fitted": self.fitted(), ".resid": self.residuals()})

    def _draw(self, ax: drawing.Axes | None) -> drawing.Axes:
        """Draw data and curve, or observed over fitted where there is not one predictor."""
        ax = drawing.new_axes(ax)
        n = len(self.response)
        given = {name: self.variables[name] for name in self.predictors}
        moving = [name for name, v in given.items() if np.ndim(v) and np.ptp(v)]
        if len(moving) == 1:
            t = np.broadcast_to(given[moving[0]], n)
            ax.plot(t, self.response, "o", color="0.35", markersize=4, label="data")
            grid = np.linspace(t.min(), t.max(), 400)
            fixed = {name: v.flat[0] for name, v in given.items()}
            ax.plot(grid, self.predict(fixed | {moving[0]: grid}), label="fit")
            ax.set(xlabel=moving[0], ylabel=self.formula.response.text)
            drawing.legend(ax)
        else:
            fitted = self.fitted()
            ax.plot(fitted, self.response, "o", color="0.35", markersize=4)
            ends = [min(fitted.min(), self.response.min()), max(fitted.max(), self.response.max())]
            ax.plot(ends, ends, "--", color="0.6", linewidth=1)
            ax.set(xlabel="fitted", ylabel=f"{self.formula.response.text}, observed")
        drawing.title(ax, str(self.formula))
        return ax
