"""The result of `convergence_fit`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lwdstats.arrays import FloatArray, refuse_dates
from lwdstats.errors import InputError, check_level
from lwdstats.inference.convergence.minimise import Family
from lwdstats.inference.convergence.scores import Sample, covariance, interval, noise, path_problem
from lwdstats.inference.laws import Law, values
from lwdstats.results.confint import ConfInt, Parm, chosen, confidence_intervals, interval_names
from lwdstats.results.pictures import drawing
from lwdstats.results.printing import coefficient_lines, named_lines
from lwdstats.results.result import Result, Summary, one_row


@dataclass(frozen=True, eq=False)
class ConvergenceFit(Result):
    """A law of decay fitted by `convergence_fit`.

    ``str()`` gives the estimates; `summary` adds standard errors, intervals and
    the comparison of laws.

    Attributes
    ----------
    sample : Sample
        The law, and what it was fitted to.
    time : numpy.ndarray, shape (m,)
        The times fitted.
    theta : numpy.ndarray, shape (3,)
        c (0 where the law has no limit), a and the logarithm of the rate.
    problem : str or None
        Why the fit is not a minimum, if it is not.
    chosen : bool
        Whether the law was chosen by AIC.
    laws : pandas.DataFrame
        A row for each law: the number of parameters that AIC counts (`df`),
        `aic`, its difference from the smallest (`delta`), Akaike `weight`,
        `limit`, `rate` (or exponent), root mean square error at later times of
        the law fitted to the earlier ones (`later_error`), and the `problem` of
        the fit, if any.
    level : float
        Level of the intervals in print.
    what : str
        What the curve is of.
    replicates : tuple
        Labels of the replicates.
    """

    sample: Sample = field(repr=False)
    time: FloatArray = field(repr=False)
    theta: FloatArray
    problem: str | None
    chosen: bool
    laws: pd.DataFrame = field(repr=False)
    level: float
    what: str
    replicates: tuple[Any, ...]

    @property
    def law(self) -> Law:
        """The law fitted."""
        return self.sample.law

    @property
    def converged(self) -> bool:
        """Whether the fit is a minimum."""
        return self.problem is None

    @property
    def limit(self) -> float:
        """What the law says the curve settles to."""
        return float(self.theta[0])

    @property
    def half_life(self) -> float:
        """How many steps after the first time fitted half of the way to the limit is gone."""
        return self.law.half_life(math.exp(self.theta[2]), float(self.time[0]))

    @property
    def no_interval(self) -> str | None:
        """Why there is no interval, where there is none."""
        if self.problem is not None:
            return f"the fit is not a minimum: {self.problem}"
        return path_problem(self.sample, self.theta, self.time)

    def coef(self) -> pd.Series:
        """Return the estimates by name."""
        natural = np.array([*self.theta[:2], math.exp(self.theta[2])])
        return pd.Series(natural[list(self.law.free)], index=list(self.law.parameters))

    @cached_property
    def _vcov(self) -> FloatArray:
        p = len(self.law.parameters)
        if self.no_interval is not None:
            return np.full((p, p), np.nan)
        out = covariance(self.sample, self.theta)
        out[-1] *= math.exp(self.theta[2])
        out[:, -1] *= math.exp(self.theta[2])
        return out

    def vcov(self) -> pd.DataFrame:
        """Return the covariance matrix of the estimates: a sandwich, clustered by replicate."""
        names = list(self.law.parameters)
        return pd.DataFrame(self._vcov, index=names, columns=names)

    def confint(self, parm: Parm = None, level: float | None = None) -> ConfInt:
        """Return confidence intervals of the parameters and of the half-life.

        Parameters
        ----------
        parm : str, int or sequence of these, optional
            Which: parameters, or "half_life", by name or by index from 0; all by default.
        level : float, optional
            Confidence level; that of the fit by default.

        Returns
        -------
        ConfInt
            Its `table` has a row for each. An end that does not close is -inf or inf.

        Raises
        ------
        InputError
            If there is no interval: the message says why.
        """
        names = chosen(parm, (*self.law.parameters, "half_life"))
        level = self.level if level is None else level
        check_level(level)
        if self.no_interval is not None:
            raise InputError("fit", self.no_interval, "a fit with intervals")
        rows = [self._interval(name, float(level)) for name in names]
        return confidence_intervals(names, rows, float(level), "score")

    def _interval(self, name: str, level: float) -> tuple[float, float]:
        if name == "half_life":
            low, high = self._interval(self.law.parameters[-1], level)
            since = float(self.time[0])
            slow = math.inf if low <= 0.0 else self.law.half_life(low, since)
            return (0.0 if math.isinf(high) else self.law.half_life(high, since)), slow
        index = self.law.free[self.law.parameters.index(name)]
        low, high = interval(self.sample, self.theta, index, level)
        return (math.exp(low), math.exp(high)) if index == 2 else (low, high)

    def predict(
        self, time: npt.ArrayLike | Mapping[str, Any] | None = None, *, se_fit: bool = False
    ) -> Any:
        """Return the law's values.

        Parameters
        ----------
        time : array_like, shape (m,), or mapping, optional
            Times, or a mapping that holds them as "t" or "time"; those fitted by
            default.
        se_fit : bool
            Whether to give a frame, with the standard error of the mean curve by
            the delta method.

        Returns
        -------
        numpy.ndarray, shape (m,), or pandas.DataFrame
        """
        if isinstance(time, Mapping):
            name = next((name for name in ("t", "time") if name in time), None)
            if name is None:
                raise InputError("time", f"a mapping with {list(time)}", "one with 't' or 'time'")
            time = time[name]
        takes = "finite times from 0 on, a vector"
        given = self.time if time is None else time
        refuse_dates(given, "time", as_time=True)
        try:
            at = np.atleast_1d(np.asarray(given, dtype=float))
        except (TypeError, ValueError):
            raise InputError("time", repr(time), takes) from None
        if at.ndim != 1 or not np.isfinite(at).all() or (at < 0).any():
            raise InputError("time", repr(time), takes)
        f, slope, _ = values(np.asarray(self.law.clock(at), dtype=float), self.theta)
        if not se_fit:
            return f
        slope[:, 2] /= math.exp(self.theta[2])
        g = slope[:, list(self.law.free)]
        return pd.DataFrame(
            {"fit": f, "se_fit": np.sqrt(np.einsum("mp,pq,mq->m", g, self._vcov, g))}
        )

    def fitted(self) -> FloatArray:
        """Return the law at the times fitted, (m,)."""
        return self.predict()

    def residuals(self) -> FloatArray:
        """Return the curves less the law, (m, R)."""
        return self.sample.curves - self.fitted()[:, None]

    def nobs(self) -> int:
        """Return the number of replicates: the independent observations."""
        return self.sample.curves.shape[1]

    def AIC(self, k: float = 2.0) -> float:
        """Return the information criterion: Pan's QIC over replicates, AIC of one path.

        A parameter costs `k`; how many count is `df` in `laws`.
        """
        row = self.laws.loc[self.law.name]
        return float(row["aic"] + (k - 2.0) * row["df"])

    def BIC(self) -> float:
        """Return `AIC` at ``k = log(n)``, n the replicates, or the times of one path."""
        return self.AIC(math.log(self.nobs() if self.nobs() > 1 else len(self.time)))

    def tidy(self, conf_int: bool = True, conf_level: float | None = None) -> pd.DataFrame:
        """Return a row for each parameter and the half-life, with broom's columns."""
        names = [*self.law.parameters, "half_life"]
        frame = pd.DataFrame({"term": names, "estimate": [*self.coef(), self.half_life]})
        frame["std_error"] = [*np.sqrt(np.diag(self._vcov)), np.nan]
        if conf_int:
            ends = np.full((len(names), 2), np.nan)
            if self.no_interval is None:
                ends = np.asarray(self.confint(level=conf_level))
            frame["conf_low"], frame["conf_high"] = ends.T
        return frame

    def glance(self) -> pd.DataFrame:
        """Return one row about the fit."""
        row = {
            "law": self.law.name,
            "limit": self.limit,
            "half_life": self.half_life,
            **self.laws.loc[self.law.name, ["aic", "df", "later_error"]],
            "converged": self.converged,
            "n_replicates": self.nobs(),
            "n_times": len(self.time),
        }
        return one_row(row)

    def augment(self) -> pd.DataFrame:
        """Return the curves, a row for each time and replicate, with ``.fitted`` and ``.resid``."""
        f = np.repeat(self.fitted(), self.nobs())
        y = self.sample.curves.ravel()
        frame = {
            "time": np.repeat(self.time, self.nobs()),
            "replicate": list(self.replicates) * len(self.time),
            "value": y,
        }
        return pd.DataFrame(frame | {".fitted": f, ".resid": y - f})

    def summary(self) -> Summary:
        """Return estimates, intervals and the comparison of laws; ``str()`` lays them out."""
        table = self.tidy()
        return Summary(self, table, tuple(_summary_lines(self, table)), self._caption())

    def _caption(self) -> str:
        return f"{self.what}, {self.extent()}; law {self.law.text}"

    def extent(self) -> str:
        """Return how many replicates there are, and the times fitted, in words."""
        R = self.nobs()
        paths = f"{R} replicates" if R > 1 else "one path"
        return f"{paths}, times {self.time[0]:g} to {self.time[-1]:g}"

    def head(self) -> list[str]:
        """Return the first lines in print: data, law, and how it was fitted."""
        criterion = "QIC" if self.nobs() > 1 else "AIC"
        chosen = f", by {criterion}" if self.chosen else ""
        how = "relative errors" if self.sample.family is Family.RELATIVE else "least squares"
        lines = [f"Convergence of {self.what}: {self.extent()}"]
        lines += [f"Law: {self.law.text} ({self.law.name}{chosen})"]
        lines += [f"Fitted to the mean curve by {how}"]
        if self.problem is not None:
            lines += [f"Not a minimum: {self.problem}"]
        elif self.theta[1] < 0:
            lines += ["The curve rises (a < 0): this is no decay"]
        return lines

    def lines(self) -> list[str]:
        """Return the law and the estimates."""
        names = [*self.law.parameters, "half-life"]
        return [*self.head(), "", *named_lines(names, [*self.coef(), self.half_life])]

    def _draw(self, ax: drawing.Axes | None, *, log: bool = False) -> drawing.Axes:
        """Draw the curves, their mean, the law, and its limit."""
        ax = drawing.new_axes(ax)
        ax.plot(self.time, self.sample.curves, color="0.8", linewidth=0.6)
        if self.nobs() > 1:
            ax.plot(self.time, self.sample.mean, color="0.35", linewidth=1, label="mean")
        grid = np.linspace(self.time[0], self.time[-1], 400)
        ax.plot(grid, self.predict(grid), color=drawing.colour(1), label=self.law.text)
        if self.law.has_limit:
            ax.axhline(
                self.limit, color=drawing.colour(1), linestyle=":", linewidth=1, label="limit"
            )
        if log:
            ax.set(xscale="symlog" if self.time[0] == 0 else "log", yscale="log")
        ax.set(xlabel="time", ylabel=self.what)
        drawing.legend(ax)
        return ax


def _summary_lines(fit: ConvergenceFit, coefficients: pd.DataFrame) -> list[str]:
    table = pd.DataFrame(
        coefficients.iloc[:, 1:].to_numpy(),
        index=[*fit.law.parameters, "half-life"],
        columns=["Estimate", "Std. Error", *interval_names(fit.level)],
    )
    lines = [*fit.head(), "", "Parameters:", *coefficient_lines(table, 4, missing="")]
    lines += ["", *_basis(fit)]
    heads = {"aic": "QIC" if fit.nobs() > 1 else "AIC", "later_error": "later error"}
    columns = ["df", "aic", "delta", "weight", "limit", "later_error"]
    compared = pd.DataFrame({heads.get(c, c): fit.laws[c] for c in columns})
    lines += ["", "Laws compared:", *coefficient_lines(compared, 4, missing="")]
    problems = zip(fit.laws.index, fit.laws["problem"].tolist(), strict=True)
    lines += [f"{law}: {why}" for law, why in problems if why]
    errors = fit.laws["later_error"].to_numpy()
    if np.isfinite(errors).any():
        best = str(fit.laws.index[np.nanargmin(errors)])
        if best != fit.law.name:
            lines += [f"Later times are best predicted by the law '{best}'."]
    return lines


def _basis(fit: ConvergenceFit) -> list[str]:
    if fit.no_interval is not None:
        return [f"No intervals: {fit.no_interval}."]
    if fit.nobs() > 1:
        degrees = "degree" if fit.sample.df == 1 else "degrees"
        return [
            f"Intervals: t of the replicates' scores on {fit.sample.df} {degrees} of freedom;",
            "replicates independent, any autocorrelation over time within one.",
        ]
    phi = noise(fit.sample, fit.theta)[0]
    return [
        "Intervals are for the law of this path alone, not of such networks; they take",
        f"noise in proportion to the law, autoregressive of order 1 (estimate {phi:.2f}).",
    ]
