"""Linear models as R fits them, with errors that may come in clusters."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import stats

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError
from lwdstats.inference.formula.design import Term, design_of, matrix_of, values_of
from lwdstats.inference.formula.syntax import written
from lwdstats.inference.formula.terms import Terms, parse_formula
from lwdstats.inference.formula.values import Factor
from lwdstats.inference.linear.anova import AnovaTable, sequential, wald
from lwdstats.inference.linear.squares import (
    Clusters,
    check_columns,
    clustered,
    clusters_of,
    hotelling,
    least_squares,
    warn_of_few,
)
from lwdstats.inference.rows import Runs, rows_of
from lwdstats.results.coefficients import Coefficients
from lwdstats.results.printing import coefficient_lines, format_numbers, format_p, named_lines
from lwdstats.results.result import Summary, one_row

TAKES = "'y ~ terms', both of columns of data, such as 'log(fnorm) ~ keep * fresh'"
# Beside the largest value, what rounding leaves of numbers that are equal.
_EXACT = 1e-14


@dataclass(frozen=True, eq=False)
class LinearModel(Coefficients):
    """A linear model, by `lm`; ``str()`` gives R's print.

    Letters in the shapes: n rows, p coefficients.

    Attributes
    ----------
    formula : str
        The model.
    response : str
        Its left side.
    names : tuple of str
        R's names of the coefficients.
    estimate : numpy.ndarray, shape (p,)
    var : numpy.ndarray, shape (p, p)
        Covariances of the estimates; robust where rows come in clusters.
    fitted_values, residual : numpy.ndarray, shape (n,)
    df : numpy.ndarray, shape (p,)
        Degrees of freedom of t of each coefficient: n - p, or Satterthwaite's with clusters.
    sigma : float
        Residual standard error.
    n_clusters : int
        0 without.
    terms : Terms
        The formula as it was read.
    data : pandas.DataFrame, n rows
    """

    _law = "t"

    formula: str
    response: str
    names: tuple[str, ...]
    estimate: FloatArray
    var: FloatArray
    fitted_values: FloatArray = field(repr=False)
    residual: FloatArray = field(repr=False)
    df: FloatArray
    sigma: float
    n_clusters: int
    terms: Terms = field(repr=False)
    _blocks: tuple[Term, ...] = field(repr=False)
    data: pd.DataFrame = field(repr=False)
    _clusters: Clusters | None = field(repr=False)

    def _quantile(self, tail: float) -> FloatArray:
        return np.asarray(stats.t.isf(tail, self.df))

    def df_of(self, form: FloatArray) -> FloatArray:
        """Return the degrees of freedom of t, (m,), of linear forms (m, p) of the coefficients."""
        if self._clusters is None:
            return np.full(len(form), float(self.df_residual()))
        return self._clusters.df(form)

    def skewness_of(self, form: FloatArray) -> FloatArray:
        """Return how skewed estimates of linear forms (m, p) are, (m,); 0 without clusters."""
        if self._clusters is None:
            return np.zeros(len(form))
        return self._clusters.skewness(form, self.residual)

    def fitted(self) -> FloatArray:
        """Return the fitted values, (n,)."""
        return self.fitted_values

    def residuals(self) -> FloatArray:
        """Return the residuals, (n,)."""
        return self.residual

    def nobs(self) -> int:
        """Return the number of rows."""
        return len(self.residual)

    def df_residual(self) -> int:
        """Return n - p."""
        return self.nobs() - len(self.names)

    def deviance(self) -> float:
        """Return the residual sum of squares."""
        return float(self.residual @ self.residual)

    def logLik(self) -> float:
        """Return the logarithm of the likelihood with normal errors."""
        n = self.nobs()
        return -0.5 * n * (np.log(2 * np.pi) + np.log(self.deviance() / n) + 1)

    def AIC(self) -> float:
        """Return Akaike's criterion."""
        return 2 * (len(self.names) + 1) - 2 * self.logLik()

    def BIC(self) -> float:
        """Return Schwarz's criterion."""
        return float(np.log(self.nobs()) * (len(self.names) + 1) - 2 * self.logLik())

    def anova(self) -> AnovaTable:
        """Return the analysis of variance, each term beside those before it.

        Of rows in clusters a term is tested by Wald's statistic in the model of the terms up to
        it, as Hotelling's, with degrees of freedom as in `lm`.
        """
        whole = np.hstack([block.columns for block in self._blocks])
        y = self.fitted_values + self.residual
        tested = [block for block in self._blocks if block.name != "(Intercept)"]
        names, ends = [block.name for block in tested], self._ends()
        if self._clusters is None:
            return sequential(self.response, names, ends, whole, y)
        return wald(self.response, names, ends, whole, y, self._clusters.code, self._by())

    def _ends(self) -> list[int]:
        """Return after how many columns each tested term begins, and where the last one ends."""
        sizes = [block.columns.shape[1] for block in self._blocks]
        first = 1 if self._blocks and self._blocks[0].name == "(Intercept)" else 0
        return np.cumsum([sizes[0] if first else 0, *sizes[first:]]).tolist()

    def r_squared(self) -> tuple[float, float]:
        """Return R^2 and its adjusted value."""
        y = self.fitted_values + self.residual
        centre = y.mean() if self.terms.intercept else 0.0
        total = float(((y - centre) ** 2).sum())
        share = 1 - self.deviance() / total
        n, lost = self.nobs(), int(self.terms.intercept)
        return share, 1 - (1 - share) * (n - lost) / self.df_residual()

    def f_test(self) -> tuple[float, int, float]:
        """Return F that no term but the intercept has an effect, and its degrees of freedom."""
        kept = np.array([name != "(Intercept)" for name in self.names])
        b, q = self.estimate[kept], int(kept.sum())
        if not q:
            return np.nan, 0, self.df_residual()
        if self._clusters is None:
            value = b @ np.linalg.solve(self.var[np.ix_(kept, kept)], b) / q
            return float(value), q, self.df_residual()
        return hotelling(self.estimate, self.var, self._clusters, kept)

    def tidy(self) -> pd.DataFrame:
        """Return broom's row for each coefficient; with clusters `df` of t, too."""
        error = np.sqrt(np.diag(self.var))
        t = self.estimate / error
        columns = {"term": list(self.names), "estimate": self.estimate, "std_error": error}
        columns |= {"statistic": t, "p_value": 2 * stats.t.sf(abs(t), self.df)}
        return pd.DataFrame(columns | ({"df": self.df} if self.n_clusters else {}))

    def glance(self) -> pd.DataFrame:
        """Return broom's row about the model."""
        share, adjusted = self.r_squared()
        f, q, df = self.f_test()
        row = {"r_squared": share, "adj_r_squared": adjusted, "sigma": self.sigma, "statistic": f}
        row |= {"p_value": float(stats.f.sf(f, q, df)) if q and df > 0 else np.nan, "df": q}
        row |= {"log_lik": self.logLik(), "aic": self.AIC(), "bic": self.BIC()}
        row |= {"deviance": self.deviance(), "df_residual": self.df_residual()}
        return one_row(row | {"nobs": self.nobs()})

    def augment(self) -> pd.DataFrame:
        """Return the data with fitted values and residuals."""
        return self.data.assign(fitted=self.fitted_values, resid=self.residual)

    def lines(self) -> list[str]:
        """Return what R prints of an ``lm``."""
        table = named_lines(list(self.names), self.estimate)
        return [f"Linear model: {self.formula}", "", "Coefficients:", *table]

    def summary(self) -> Summary:
        """Return R's summary: coefficients with t tests, R^2 and F."""
        frame = self.tidy().set_index("term")
        heads = ["Estimate", "Std. Error", "t value", "Pr(>|t|)"]
        table = frame.drop(columns="df", errors="ignore").set_axis(heads, axis="columns")
        table = table.rename_axis(None)
        block = coefficient_lines(
            table, estimates=heads[:2], tests=[heads[2]], p_value=heads[3], missing="NaN"
        )
        sigma = format_numbers([float(f"{self.sigma:.3e}")])[0]
        free = f"on {self.df_residual()} degrees of freedom"
        said = [f"Residual standard error: {sigma} {free}"]
        f, q, df = self.f_test()
        if q:
            share, adjusted = (f"{value:.4g}" for value in self.r_squared())
            p = format_p([stats.f.sf(f, q, max(df, 1.0))], 4)[0]
            said += [f"Multiple R-squared:  {share},\tAdjusted R-squared:  {adjusted}"]
            p = p if p.startswith("<") else f" {p}"
            if df > 0:
                said += [f"F-statistic: {f:>5.4g} on {q} and {df:.4g} DF,  p-value:{p}"]
        if self.n_clusters:
            least, most = (f"{value:.3g}" for value in (self.df.min(), self.df.max()))
            free = least if least == most else f"{least} to {most}"
            said += [f"Standard errors by {self._by()}, t with {free} df."]
            if q and df <= 0:
                said += [f"No F: {q} coefficients can't be tested with so few clusters."]
        lines = [f"Linear model: {self.formula}", "", "Coefficients:", *block, "", *said]
        return Summary(self, table, tuple(lines), self._caption())

    def _by(self) -> str:
        """Return what errors are robust to."""
        if self.n_clusters == self.nobs():
            return f"each of {self.nobs()} rows"
        return f"{self.n_clusters} clusters"

    def _caption(self) -> str:
        return f"Linear model: {self.formula}"


def lm(formula: str, data: pd.DataFrame | Runs, *, cluster: str | None = None) -> LinearModel:
    """Fit a linear model by least squares.

    Parameters
    ----------
    formula : str
        ``y ~ terms`` in R's grammar; never evaluated as code. The left side may be an expression
        of columns, such as ``log(fnorm)``.
    data : pandas.DataFrame or Sweep
        A row for each observation, none missing; of a sweep the runs at their last time.
    cluster : str, optional
        Column whose values rows share that are not independent, such as the replicate of
        networks that share their random streams. Standard errors are then robust. Of a sweep
        the default is the replicate where its cells share them, and else each run by itself.

    Returns
    -------
    LinearModel
        Coefficients, intervals, an analysis of variance, marginal means (`emmeans`).

    Raises
    ------
    InputError
        If an argument is not as above, the response does not vary, or a column says nothing
        beside those before it.

    Warns
    -----
    UserWarning
        If there are fewer than ten clusters, or the terms explain everything.

    Notes
    -----
    As R's ``lm``. Without clusters the rows have to be independent, with one variance. With them
    neither is needed: covariances are CR2, t has Satterthwaite's degrees of freedom, and F is
    Hotelling's with those of Pustejovsky and Tipton (R's clubSandwich). Where all clusters have
    the same rows of the design, as in a sweep of which each replicate ran every cell, that is t
    with G - 1 for G clusters, exact for normal errors. Sizes: ``benchmarks/validity/sweeps.md``.

    References
    ----------
    Liang, K.-Y. and Zeger, S. L. (1986), Biometrika 73, 13-22.
    Bell, R. M. and McCaffrey, D. F. (2002), Survey Methodology 28, 169-181.
    Pustejovsky, J. E. and Tipton, E. (2018), J. of Business & Economic Statistics 36, 672-683.

    Examples
    --------
    >>> data = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0], "y": [1.0, 3.0, 4.0, 8.0]})
    >>> fit = lm("y ~ x", data)
    >>> fit.coef().round(9).to_dict()
    {'(Intercept)': 0.7, 'x': 2.2}
    >>> table = fit.anova()
    >>> table.table["Df"].tolist()
    [1, 2]
    """
    runs = not isinstance(data, pd.DataFrame)
    data, cluster = rows_of(data, cluster)
    data = data.reset_index(drop=True)
    parsed = parse_formula(formula, [str(name) for name in data.columns], takes=TAKES, least=0)
    y = values_of([parsed.left], data)[parsed.left]
    if isinstance(y, Factor) or y.shape[1] != 1:
        raise InputError("formula", f"{written(parsed.left)} as the response", "one number a row")
    blocks = design_of(parsed, data)
    if parsed.intercept:
        one = Term("(Intercept)", frozenset(), np.ones((len(data), 1)), ["(Intercept)"])
        blocks = [one, *blocks]
    if not blocks:
        raise InputError("formula", f"{formula!r} without a term", TAKES)
    (x, names), y = matrix_of(blocks), y[:, 0]
    if np.ptp(y) <= _EXACT * np.abs(y).max(initial=0.0):
        got = f"{written(parsed.left)}, the same in all rows"
        raise InputError("formula", got, "a response that varies")
    check_columns(x, names)
    if len(y) <= x.shape[1]:
        raise InputError("data", f"{len(y)} rows for {x.shape[1]} coefficients", "more rows")
    codes, n_clusters = clusters_of(cluster, data)
    if codes is None and runs:
        # Runs of different cells hardly have one variance.
        codes, n_clusters = np.arange(len(y)), len(y)
    estimate, var, residual = least_squares(x, y)
    rest = len(y) - x.shape[1]
    df, clusters = np.full(len(names), float(rest)), None
    if codes is not None:
        var, clusters = clustered(x, residual, codes)
        df = clusters.df(np.eye(len(names)))
    sigma = float(np.sqrt(residual @ residual / rest))
    if sigma <= _EXACT * np.abs(y).max():
        told = "the terms explain the response to rounding: errors and tests mean nothing"
        warnings.warn(told, stacklevel=2)
    if n_clusters:
        warn_of_few(n_clusters, stacklevel=3)
    return LinearModel(
        formula, written(parsed.left), names, estimate, var, y - residual, residual, df, sigma,
        n_clusters, parsed, tuple(blocks), data, clusters,
    )  # fmt: skip
