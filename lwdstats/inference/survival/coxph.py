"""Cox models: what makes an event come sooner, and by how much."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import chi2, f, norm, t

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError, check_choice
from lwdstats.inference.formula.design import matrix_of
from lwdstats.inference.linear.squares import check_columns, clusters_of, warn_of_few
from lwdstats.inference.rows import Runs, rows_of
from lwdstats.inference.survival.data import Survival, levels_of, read_survival
from lwdstats.inference.survival.separation import Rows, at_the_limit, infinite_directions
from lwdstats.results.coefficients import Coefficients
from lwdstats.results.printing import coefficient_lines, format_p
from lwdstats.results.result import Summary, one_row


@dataclass(frozen=True, eq=False)
class CoxPH(Coefficients):
    """A Cox model, by `coxph`.

    Letters in the shapes: p coefficients.

    Attributes
    ----------
    formula : str
        The model.
    names : tuple of str
        R's names of the coefficients.
    estimate : numpy.ndarray, shape (p,)
        Coefficients: logarithms of ratios of rates. Infinite where the likelihood rises for ever.
    var, naive_var : numpy.ndarray, shape (p, p)
        Covariances: robust where rows come in clusters, and those of the information. NaN in rows
        of infinite estimates.
    loglik : tuple of float
        Logarithm of the partial likelihood without terms, and of the model.
    score : float
        Statistic of the score test that no term has an effect.
    n, n_event, n_clusters : int
        Rows, events, and clusters (0 without).
    ties : str
        How ties were taken.
    notes : tuple of str
        What to know of infinite estimates.
    """

    _law = "Wald"

    formula: str
    names: tuple[str, ...]
    estimate: FloatArray
    var: FloatArray
    naive_var: FloatArray
    loglik: tuple[float, float]
    score: float
    n: int
    n_event: int
    n_clusters: int
    ties: str
    notes: tuple[str, ...] = field(default=(), repr=False)

    def _quantile(self, tail: float) -> float:
        return float(self._law_of_z().isf(tail))

    def _law_of_z(self) -> Any:
        """Return the law of an estimate over its standard error without an effect."""
        return t(self.n_clusters - 1) if self.n_clusters else norm

    def nobs(self) -> int:
        """Return the number of events, as R does."""
        return self.n_event

    def logLik(self) -> float:
        """Return the logarithm of the partial likelihood."""
        return self.loglik[1]

    def AIC(self) -> float:
        """Return Akaike's criterion of the partial likelihood."""
        return 2 * len(self.names) - 2 * self.loglik[1]

    def tidy(self) -> pd.DataFrame:
        """Return broom's row for each coefficient: `estimate`, `std_error`, `statistic`, `p_value`.

        With clusters `std_error` is that of the information, and `robust_se` the one used.
        """
        error = np.sqrt(np.diag(self.var))
        with np.errstate(invalid="ignore"):
            z = self.estimate / error
        columns = {"term": list(self.names), "estimate": self.estimate}
        columns["std_error"] = np.sqrt(np.diag(self.naive_var))
        if self.n_clusters:
            columns["robust_se"] = error
        p = 2 * self._law_of_z().sf(np.abs(z))
        return pd.DataFrame(columns | {"statistic": z, "p_value": p})

    def glance(self) -> pd.DataFrame:
        """Return one row: rows, events, and the tests that no term has an effect."""
        row = {"n": self.n, "nevent": self.n_event, "df": self.df(), "log_lik": self.loglik[1]}
        row |= {"aic": self.AIC()}
        tests = self.tests()[["statistic", "p_value"]].to_numpy()
        for name, (statistic, p) in zip(("log", "wald", "sc"), tests, strict=True):
            row |= {f"statistic_{name}": statistic, f"p_value_{name}": p}
        return one_row(row)

    def df(self) -> int:
        """Return the degrees of freedom of the tests."""
        return len(self.names)

    def tests(self) -> pd.DataFrame:
        """Return the tests that no term has an effect: statistic, df and p of each."""
        likelihood = 2 * (self.loglik[1] - self.loglik[0])
        finite = np.isfinite(self.estimate)
        wald = np.nan
        if finite.all():
            wald = float(self.estimate @ np.linalg.solve(self.var, self.estimate))
        values = np.array([likelihood, wald, self.score])
        names = ["Likelihood ratio test", "Wald test", "Score (logrank) test"]
        q, n = self.df(), self.n_clusters
        p = chi2.sf(values, q)
        if n:
            # Hotelling's, as the covariance is of as many vectors as there are clusters.
            p[1] = f.sf(wald * (n - q) / (q * (n - 1)), q, n - q) if n > q else np.nan
        return pd.DataFrame({"statistic": values, "df": q, "p_value": p}, index=names)

    def lines(self) -> list[str]:
        """Return what R prints of a ``coxph``."""
        table = self._table("p")
        *estimates, test, p = table.columns
        block = coefficient_lines(table, estimates=estimates, tests=[test], p_value=p, marks=False)
        return [f"Cox model: {self.formula}", "", *block, "", *self._last()]

    def _last(self) -> list[str]:
        likelihood = self.tests().iloc[0]
        said = [
            f"Likelihood ratio test={_rounded(likelihood['statistic'])}  on {self.df()} df, "
            f"p={format_p([likelihood['p_value']], 4)[0]}",
            f"n= {self.n}, number of events= {self.n_event}"
            + f", clusters= {self.n_clusters}" * bool(self.n_clusters),
        ]
        return said + self._notes()

    def _notes(self) -> list[str]:
        n = self.n_clusters
        said = [f"Robust errors by {n} clusters, t with {n - 1} df."] if n else []
        return said + [f"Note: {note}" for note in self.notes]

    def _table(self, p: str) -> pd.DataFrame:
        frame = self.tidy().set_index("term")
        with np.errstate(over="ignore"):
            ratio = np.exp(frame["estimate"])
        columns = {"coef": frame["estimate"], "exp(coef)": ratio, "se(coef)": frame["std_error"]}
        if self.n_clusters:
            columns["robust se"] = frame["robust_se"]
        test = "t" if self.n_clusters else "z"
        return pd.DataFrame(columns | {test: frame["statistic"], p: frame["p_value"]})

    def summary(self) -> Summary:
        """Return R's summary: coefficients with stars, ratios with intervals, and three tests."""
        table = self._table("Pr(>|t|)" if self.n_clusters else "Pr(>|z|)")
        *estimates, test, p = table.columns
        block = coefficient_lines(table, estimates=estimates, tests=[test], p_value=p)
        with np.errstate(over="ignore"):
            ends = np.exp(self.confint().table.to_numpy())
            ratios = np.stack([np.exp(self.estimate), np.exp(-self.estimate), *ends.T], axis=1)
        heads = ["exp(coef)", "exp(-coef)", "lower .95", "upper .95"]
        ends_table = pd.DataFrame(ratios, index=list(self.names), columns=heads)
        second = coefficient_lines(ends_table)
        tests = [
            f"{name:<21}= {_rounded(row['statistic'])}  on {row['df']:.0f} df,   "
            f"p={format_p([row['p_value']], 1)[0]}"
            for name, row in self.tests().to_dict("index").items()
        ]
        count = f"  n= {self.n}, number of events= {self.n_event}"
        lines = [f"Cox model: {self.formula}", "", count, "", *block, "", *second, "", *tests]
        if self.n_clusters:
            lines += [
                "",
                "The likelihood ratio and score tests assume that rows within a cluster are",
            ]
            lines += ["independent, the Wald test does not."]
        lines += self._notes()
        return Summary(self, table, tuple(lines), self._caption())

    def _caption(self) -> str:
        return f"Cox model: {self.formula}"


def _rounded(value: float) -> str:
    return "NA" if np.isnan(value) else f"{round(float(value), 2):g}"


def coxph(
    formula: str, data: pd.DataFrame | Runs, *, ties: str = "efron", cluster: str | None = None
) -> CoxPH:
    """Fit a Cox model: how much sooner or later an event comes with each term.

    Parameters
    ----------
    formula : str
        ``Surv(time, event) ~ terms``, as of `survfit`; with ``+ strata(x)`` each value of x has
        a base rate of its own.
    data : pandas.DataFrame or Sweep
        A row for each time.
    ties : {"efron", "breslow"}
        How events at the same time are taken.
    cluster : str, optional
        Column whose values rows share that are not independent, such as the replicate of
        networks that share their random streams: standard errors are then robust. That is the
        default of a sweep whose cells share them.

    Returns
    -------
    CoxPH
        Coefficients, intervals and tests.

    Raises
    ------
    InputError
        If an argument is not as above, nothing happened, or terms are sums of each other.

    Warns
    -----
    UserWarning
        If the likelihood rises for ever with a coefficient, as where a group has no event. The
        coefficient is reported as infinite, and the others in the limit. If there are fewer
        than ten clusters.

    Notes
    -----
    As R's ``survival::coxph``, fitted by statsmodels' ``PHReg``. R stops such a coefficient where
    the likelihood hardly changes, with a large standard error; here it is infinite, its standard
    error NaN; the likelihood ratio test still holds. Robust covariances of G clusters are R's
    times G/(G - 1), and t with G - 1 degrees of freedom stands for the normal law: with R's, tests
    at 5% reject a true null in 12% of sweeps of 5 replicates (``benchmarks/validity/sweeps.md``).

    References
    ----------
    Cox, D. R. (1972), Journal of the Royal Statistical Society B 34, 187-220.
    Efron, B. (1977), Journal of the American Statistical Association 72, 557-565.
    Lin, D. Y. and Wei, L. J. (1989), Journal of the American Statistical Association 84.
    Therneau, T., R package survival, ``coxph``.

    Examples
    --------
    >>> data = pd.DataFrame({"time": [9, 13, 18, 23, 28, 31, 34, 45],
    ...                      "event": [1, 1, 0, 1, 1, 0, 1, 1], "fresh": [0, 0, 1, 2, 0, 2, 1, 2]})
    >>> fit = coxph("Surv(time, event) ~ fresh", data)
    >>> fit.coef().round(3).to_dict()
    {'fresh': -1.158}
    """
    check_choice("ties", ties, ("efron", "breslow"))
    data, cluster = rows_of(data, cluster)
    given = read_survival(formula, data, least=1)
    groups, n_clusters = clusters_of(cluster, data)
    x, names = matrix_of(given.terms)
    if not given.event.any():
        raise InputError("data", "no event", "an event at least: nothing happened to explain")
    _check_rank(x, names, given.time, given.event, given.strata)
    data_rows = Rows(x, given.time, given.event, given.strata)
    directions = infinite_directions(data_rows)
    null, score = _at_zero(data_rows, ties)
    limit = at_the_limit(data_rows, directions)
    estimate, naive, loglik = _fit(limit, directions, ties)
    infinite = ~np.isfinite(estimate)
    var = naive
    if groups is not None:
        u = np.zeros((n_clusters, len(names)))
        np.add.at(u, groups[limit.row], _score_residuals(limit, estimate, ties))
        kept = np.ix_(~infinite, ~infinite)
        var = np.full_like(naive, np.nan)
        bread = naive[kept]
        half = u[:, ~infinite] @ bread
        var[kept] = half.T @ half * n_clusters / (n_clusters - 1)
        warn_of_few(n_clusters, stacklevel=3)
    notes = tuple(_told(names, estimate, given)) if infinite.any() else ()
    for note in notes:
        warnings.warn(note, stacklevel=2)
    return CoxPH(
        formula, names, estimate, var, naive, (null, loglik), score, len(x),
        int(given.event.sum()), n_clusters, ties, notes,
    )  # fmt: skip


def _check_rank(
    x: FloatArray,
    names: tuple[str, ...],
    time: FloatArray,
    event: NDArray[np.bool_],
    strata: NDArray[np.int64],
) -> None:
    """Raise where a column says nothing beside the others of those that are compared.

    Sets at risk are part of the first one of their stratum: what is constant there never counts.
    """
    first = pd.Series(np.where(event, time, np.inf)).groupby(strata).transform("min").to_numpy()
    x, strata = x[time >= first], strata[time >= first]
    means = pd.DataFrame(x).groupby(strata).transform("mean").to_numpy()
    empty = "no row that has it is still there at the first event"
    check_columns(x - means, names, np.linalg.norm(x, axis=0), empty)


def _told(names: tuple[str, ...], estimate: FloatArray, given: Survival) -> list[str]:
    """Return what to say of infinite estimates, with groups in which nothing happened."""
    empty = []
    for value, codes in zip(*_groups(given), strict=True):
        counts = np.bincount(codes, weights=given.event, minlength=len(value))
        empty += [name for name, count in zip(value, counts, strict=True) if count == 0]
    listed = ", ".join(
        f"{name} = {'' if value > 0 else '-'}Inf"
        for name, value in zip(names, estimate, strict=True)
        if np.isinf(value)
    )
    why = f": no event where {' or '.join(empty)}" if empty else ""
    return [f"the likelihood rises for ever with {listed}{why}; other estimates are in the limit"]


def _groups(given: Survival) -> tuple[list[list[str]], list[NDArray[np.int64]]]:
    parts = [levels_of(name, value) for name, value in given.variables.items()]
    few = [part for part in parts if len(part[0]) <= len(given.time) / 2]
    return [names for names, _ in few], [codes for _, codes in few]


def _model(rows: Rows, ties: str, columns: NDArray[np.bool_] | None = None) -> Any:
    """Return statsmodels' model of some columns, or one without an effect."""
    from statsmodels.duration.hazard_regression import PHReg

    x = rows.x if columns is None else rows.x[:, columns]
    event = rows.event.astype(np.int64)
    return PHReg(rows.time, x, status=event, strata=rows.strata, ties=ties)


def _at_zero(rows: Rows, ties: str) -> tuple[float, float]:
    """Return the log likelihood without an effect, and the statistic of the score test."""
    model, zero = _model(rows, ties), np.zeros(rows.x.shape[1])
    u, h = model.score(zero), -model.hessian(zero)
    return float(model.loglike(zero)), float(u @ np.linalg.lstsq(h, u, rcond=None)[0])


def _fit(rows: Rows, directions: FloatArray, ties: str) -> tuple[FloatArray, FloatArray, float]:
    """Return estimates, covariances and the log likelihood; infinite along the directions."""
    p = rows.x.shape[1]
    estimate, var = np.zeros(p), np.full((p, p), np.nan)
    free = _free(np.vstack([directions, _flat(rows)]) if len(directions) else directions, p)
    model = _model(rows, ties, free if free.any() else None)
    at = np.zeros(model.exog.shape[1])
    if free.any():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its own words on convergence, which is checked here
            at = model.fit(disp=0).params
        u, h = model.score(at), -model.hessian(at)
        step = np.linalg.solve(h, u)
        if not np.isfinite(step).all() or abs(u @ step) > 1e-8:
            raise InputError("formula", "a likelihood without a clear maximum", "fewer terms")
        estimate[free], var[np.ix_(free, free)] = at, np.linalg.inv(h)
    moved = np.abs(directions).max(0, initial=0.0) > 0
    var[moved], var[:, moved] = np.nan, np.nan
    estimate[moved] = np.where(directions.sum(0)[moved] > 0, np.inf, -np.inf)
    # Up along one direction and down along another.
    estimate[(directions > 0).any(0) & (directions < 0).any(0)] = np.nan
    return estimate, var, float(model.loglike(at))


def _score_residuals(rows: Rows, estimate: FloatArray, ties: str) -> FloatArray:
    """Return what each row adds to the score, (n, p), with ties as in the fit."""
    eta = rows.x @ np.where(np.isfinite(estimate), estimate, 0.0)
    out = np.zeros_like(rows.x)
    for now, risk in rows.risk_sets():
        x, rate = rows.x[risk], np.exp(eta[risk] - eta[risk].max())
        events = np.isin(risk, now)
        d = now.size
        less = np.arange(d) / d if ties == "efron" else np.zeros(d)
        for share in less:
            weight = rate * (1 - share * events)
            mean = weight @ x / weight.sum()
            out[now] += (rows.x[now] - mean) / d
            out[risk] -= (weight / weight.sum())[:, None] * (x - mean)
    return out


def _flat(rows: Rows) -> FloatArray:
    """Return directions (m, p) along which the likelihood of rows does not change.

    In the limit no row of several groups without an event is left, and only their sum was found.
    """
    means = pd.DataFrame(rows.x).groupby(rows.strata).transform("mean").to_numpy()
    within = rows.x - means
    size = np.linalg.norm(within, axis=0)
    scale = np.where(size > 1e-9 * np.linalg.norm(rows.x), size, np.inf)
    _, values, basis = np.linalg.svd(within / scale, full_matrices=False)
    still = basis[values <= 1e-9] / np.where(np.isinf(scale), 1.0, scale)
    return still / np.abs(still).max(axis=1, keepdims=True, initial=1e-300)


def _free(directions: FloatArray, p: int) -> NDArray[np.bool_]:
    """Return which coefficients are estimated, one fewer for each direction beside the others."""
    free, left = np.ones(p, bool), directions.copy()
    while len(left) and (size := np.abs(left)).max() > 0:
        row, column = np.unravel_index(size.argmax(), left.shape)
        free[column] = False
        left = left - np.outer(left[:, column] / left[row, column], left[row])
        left = np.delete(left, row, axis=0)
        left[np.abs(left) < 1e-9] = 0.0
    return free
