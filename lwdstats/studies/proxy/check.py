"""Does the proxy describe the run? Tests of what it leaves."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError
from lwdstats.results.pictures import drawing
from lwdstats.results.printing import format_p
from lwdstats.results.result import Result, aligned, one_row
from lwdstats.studies.proxy.estimate import Anchors, Estimate, anchors, estimate
from lwdstats.studies.proxy.fitted import Fitted
from lwdstats.studies.proxy.likelihood import Series, cut, lasting, root_of, whiten
from lwdstats.studies.proxy.states import filtered

_LAGS = (1, 2, 3)
_WIDTH = 88


@dataclass(frozen=True, eq=False)
class ProxyCheck(Result):
    """Whether a proxy describes its run, by `Proxy.check`.

    Attributes
    ----------
    table : pandas.DataFrame
        A row for each `test`: `statistic`, `df`, `p_value`, and `adjusted`, by Holm's rule
        over the tests.
    explained : float
        Of the second half's squares about its means, beyond the error of finitely many
        answers, the share that predictions of one step take, with estimates of the first half;
        NaN where there is next to nothing.
    level : float
        Size of the verdict.
    """

    table: pd.DataFrame
    explained: float
    level: float

    @property
    def describes(self) -> bool:
        """Whether no test refuses the proxy."""
        return bool((self.table["adjusted"] > self.level).all())

    def tidy(self) -> pd.DataFrame:
        """Return a row for each test."""
        return self.table.copy()

    def glance(self) -> pd.DataFrame:
        """Return one row: the verdict and the smallest adjusted p."""
        return one_row(
            {
                "describes": self.describes,
                "p_value": float(self.table["adjusted"].to_numpy().min()),
                "explained": self.explained,
                "level": self.level,
            }
        )

    def lines(self) -> list[str]:
        """Return the tests, and the verdict with its size."""
        rows = [
            [row["test"], f"{row['statistic']:.4g}", f"{row['df']:.0f}"]
            + [format_p([row[name]], 3)[0].strip() for name in ("p_value", "adjusted")]
            for row in self.table.to_dict("records")
        ]
        lines = ["Does the proxy describe the run?", ""]
        lines += aligned(["", "statistic", "df", "p", "p (Holm)"], rows, left=[0])
        if self.describes:
            said = "Nothing refuses the proxy"
        else:
            worst = self.table.loc[self.table["adjusted"].idxmin(), "test"]
            said = f"The proxy does not describe the run ({worst})"
        said += f", at size {self.level:g} for all tests together."
        if np.isnan(self.explained):
            said += " In the second half weights move no more than by the error of finitely many"
            said += " answers."
        else:
            said += " With estimates of the first half, predictions of one step take "
            said += f"{100 * self.explained:.0f}% of how weights move in the second."
        return [*lines, "", *textwrap.wrap(said, _WIDTH)]

    def _caption(self) -> str:
        return "Does the proxy describe the run?"

    def _draw(self, ax: drawing.Axes | None) -> drawing.Axes:
        frame = pd.DataFrame({"test": self.table["test"], "estimate": self.table["adjusted"]})
        ax = drawing.estimates(frame, "test", ax)
        ax.axvline(self.level, color="0.6", linewidth=0.8)
        ax.set_xlabel("p, adjusted")
        return ax


def check_proxy(proxy: Fitted, level: float) -> ProxyCheck:
    """Return tests of the proxy's innovations, of its priors over time, and of later steps."""
    fit = proxy.fit
    half = (len(proxy.times) + 1) // 2
    first = [part for one in fit.series if (part := cut(one, half)) is not None]
    read = {(one.query, one.model) for one in fit.series}
    if {(one.query, one.model) for one in first} != read or half < 8:
        raise InputError("proxy", f"a run of {len(proxy.times)} times", "one of 16 or more")
    tests = {
        "innovations hang on those before": _correlated(_innovations(fit, list(proxy.anchors))),
        "priors move between the halves": _moves(fit, half),
    }
    early = estimate(first, fit.form)
    own = [anchors(early, q) for q in range(len(proxy.queries))]
    later, explained = _later(early, fit.series, own, half)
    tests["later steps are not as those before"] = later
    p = np.array([value[2] for value in tests.values()])
    table = pd.DataFrame(
        {
            "test": list(tests),
            "statistic": [value[0] for value in tests.values()],
            "df": [value[1] for value in tests.values()],
            "p_value": p,
            "adjusted": _holm(p),
        }
    )
    return ProxyCheck(table, explained, float(level))


def _holm(p: FloatArray) -> FloatArray:
    order = np.argsort(p)
    scaled = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    out = np.empty_like(p)
    out[order] = np.minimum(scaled, 1.0)
    return out


def _prior_of(fit: Estimate, one: Series, own: list[Anchors]) -> FloatArray:
    """Return b of the model of a series, (B,): 0 in a network without priors."""
    B = one.p.shape[1]
    if fit.form == "network":
        return np.zeros(B)
    rows = np.flatnonzero(own[one.query].models == one.model)
    return own[one.query].b[rows[0]] if rows.size else np.zeros(B)


def _innovations(fit: Estimate, own: list[Anchors]) -> list[FloatArray]:
    """Return the innovations of each series, (m', B), over their standard deviations."""
    out = []
    for one in fit.series:
        b = _prior_of(fit, one, own)
        ahead, variance, _, _ = filtered(one, fit.rho, fit.theta, b, fit.process)
        known = one.seen.copy()
        known[0] = False
        root = np.sqrt(variance + one.s2)[known, None]
        out.append((one.p - ahead)[known] / root)
    return out


def _correlated(innovations: list[FloatArray]) -> tuple[float, float, float]:
    """Return a portmanteau test: products of a lag over their own root mean square."""
    total = 0.0
    for lag in _LAGS:
        products = np.concatenate(
            [(z[lag:] * z[:-lag]).sum(axis=1) for z in innovations if len(z) > lag]
        )
        # A fit leaves means of 0, which makes products of lags a little negative.
        products = products + sum((z**2).sum() for z in innovations if len(z) > lag) / np.sum(
            [len(z) for z in innovations]
        ) / np.mean([len(z) for z in innovations])
        total += products.sum() ** 2 / max((products**2).sum(), 1e-300)
    return float(total), float(len(_LAGS)), float(stats.chi2.sf(total, len(_LAGS)))


def _moves(fit: Estimate, half: int) -> tuple[float, float, float]:
    """Return the test that no model's b is another in the second half."""
    total = number = 0.0
    for one in fit.series:
        m, B = one.p.shape
        w = whiten(one, fit.rho, fit.process, True)
        after = (np.arange(m) + one.start >= half).astype(float)
        if not 2 < after[one.seen].sum() < one.seen.sum() - 2:
            continue
        # From the first time on: the first weights have a column of their own.
        after[0] = 0.0
        worth = (lasting(m, fit.rho) @ after)[one.seen]
        column = np.linalg.solve(root_of(one, fit.rho, fit.process), worth)
        z = np.column_stack([w.z, column])
        left = w.p - fit.theta * w.x
        coef = np.linalg.lstsq(z, left, rcond=None)[0]
        eta = left - z @ coef
        variance = np.linalg.inv(z.T @ z)[-1, -1]
        p, freedom = B - 1, len(eta) - 3
        if freedom <= p + 1:
            continue
        basis = np.linalg.svd(np.ones((1, B)))[2][1:]
        cov = basis @ (eta.T @ eta) @ basis.T / freedom
        move = basis @ coef[-1]
        T2 = float(move @ np.linalg.pinv(cov) @ move) / variance
        F = (freedom - p + 1.0) / (freedom * p) * T2
        tail = max(float(stats.f.sf(F, p, freedom - p + 1.0)), 1e-300)
        total, number = total + float(stats.chi2.isf(tail, p)), number + p
    return total, number, float(stats.chi2.sf(total, number)) if number else 1.0


def _later(
    early: Estimate, series: tuple[Series, ...], own: list[Anchors], half: int
) -> tuple[tuple[float, float, float], float]:
    """Return the test that later innovations are as large as early ones, and what they explain."""
    before, after = [], []
    left = whole = error = 0.0
    for one in series:
        b = _prior_of(early, one, own)
        ahead, variance, _, _ = filtered(one, early.rho, early.theta, b, early.process)
        known = one.seen.copy()
        known[0] = False
        nu = ((one.p - ahead) ** 2).sum(axis=1)
        ratio = nu / (variance + one.s2)
        late = np.arange(len(one.p)) + one.start >= half
        before.append(ratio[known & ~late])
        after.append(ratio[known & late])
        part = known & late
        if part.sum() > 1:
            n, B = int(part.sum()), one.p.shape[1]
            # Of B - 1 dimensions, without the error that nothing could predict.
            noise = (B - 1) * one.s2[part].sum()
            left += nu[part].sum() - noise
            whole += ((one.p[part] - one.p[part].mean(axis=0)) ** 2).sum() * n / (n - 1) - noise
            error += noise
    x, y = np.concatenate(before), np.concatenate(after)
    z = (np.log(y.mean()) - np.log(x.mean())) / np.sqrt(
        y.var() / len(y) / y.mean() ** 2 + x.var() / len(x) / x.mean() ** 2
    )
    explained = 1.0 - left / whole if whole > 0.05 * error else np.nan
    return (float(z), 1.0, float(2 * stats.norm.sf(abs(z)))), float(explained)
