"""What a fitted proxy is, and what it can be asked."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from lwdstats.dataset.schema import validate
from lwdstats.errors import InputError, check_choice, check_integer, check_level
from lwdstats.results.confint import ConfInt, Parm, chosen, confidence_intervals
from lwdstats.results.pictures import drawing
from lwdstats.results.printing import format_numbers, format_p
from lwdstats.results.result import Result, Summary, aligned, one_row
from lwdstats.studies.proxy import pictures
from lwdstats.studies.proxy.check import ProxyCheck, check_proxy
from lwdstats.studies.proxy.fitted import Fitted
from lwdstats.studies.proxy.forecast import Forecast, forecast_of, measured
from lwdstats.studies.proxy.paths import paths_of
from lwdstats.studies.proxy.what_if import simulated

_WIDTH = 88
_SAID = {
    "network": "all that a model does not keep comes from the web, as in the paper",
    "anchored": "a model may keep its weights, and has a prior of its own",
    "memoryless": "a model has a prior of its own, and no memory but its prompt",
}
_SOURCES = {
    "mixtures": "the whole web at each step",
    "retrieved": "the posts in each prompt",
    "web": "the whole web at each step, as what was retrieved is not in the dataset",
    "answers": "all answers of before, as nothing is known of a web",
}


@dataclass(frozen=True, eq=False)
class Proxy(Fitted, Result):
    """A network of mixtures fitted to a run, by `fit_proxy`.

    Attributes
    ----------
    form : {"anchored", "network", "memoryless"}
        What is free; see `fit_proxy`.
    source : str
        What is taken for read: "retrieved", "mixtures", "web" or "answers".
    components : tuple of Components
        By query.
    paths : tuple of Paths
        Weights of the answers, and of what was read, by query.
    fit : Estimate
        Of all queries together.
    anchors : tuple of Anchors
        What each model adds of its own, by query, at the estimate.
    anchor_test : tuple of float
        Chi-square, degrees of freedom and p of no model having a prior of its own.
    anchor_test_rho : float
        What models would keep of their weights if none had; near 1 such a network does not move,
        and looks as models do that answer by their priors alone.
    naive : float
        What least squares would give for rho.
    n_read : numpy.ndarray
        How many posts each known step read.
    spread : tuple
        Eigenvalues of overlap, and shares of the gaps along them, by query.
    moments : tuple
        Means and variances (B, F) of the answers by component and coordinate, by query.
    nearest : tuple
        Texts nearest to the components, by query; empty where there are none.
    past : pandas.DataFrame
        What was measured: ||D|| and diversity by replicate and time.
    models, replicates, queries, times : tuple
        Labels of the run.
    level : float
        Of the intervals that are printed.
    notes : tuple of str
        The warnings that were given.
    seed : int
    """

    def _names(self) -> tuple[str, ...]:
        return {
            "network": ("rho", "kappa"),
            "anchored": ("rho", "w", "kappa"),
            "memoryless": ("w",),
        }[self.form]

    def coef(self) -> pd.Series:
        """Return the estimates by name."""
        return pd.Series({name: getattr(self, name) for name in self._names()})

    def confint(self, parm: Parm = None, level: float | None = None) -> ConfInt:
        """Return intervals: of rho by profile likelihood or over replicates, of kappa by rho's."""
        level = self.level if level is None else level
        check_level(level)
        names = chosen(parm, self._names())
        ends = []
        for name in names:
            if name == "w":
                ends.append(self.fit.share_interval(level))
                continue
            low, high = self.fit.rho_interval(level)
            ends.append((low, high) if name == "rho" else (self.kappa_at(high), self.kappa_at(low)))
        how = "replicates" if self.fit.by_replicates else "profile likelihood"
        return confidence_intervals(names, ends, level, how)

    def priors(self) -> pd.DataFrame:
        """Return u, each model's own prior: the weights that it would have without the web.

        A row for each query, model and component: `estimate`, and `std_error` at the
        estimated rho and w. Where w is small they are hardly known; NaN where rho is 1.

        Raises
        ------
        InputError
            If the form is "network", in which models have none.
        """
        if self.form == "network":
            takes = 'a form with priors: fit_proxy(ds, form="anchored")'
            raise InputError("form", "'network', in which no model has a prior of its own", takes)
        rows = []
        scale = np.nan if np.isnan(self.w) else 1.0 - self.fit.rho - self.fit.theta
        for query, own in zip(self.queries, self.anchors, strict=True):
            for model, b, variance in zip(own.models, own.b, own.variance, strict=True):
                # b sums to 1 less what is kept and read.
                u = b / scale
                for c, value in enumerate(u):
                    error = np.sqrt(variance * (1 - 1 / len(u))) / abs(scale)
                    rows.append((query, self.models[model], c, value, error))
        return pd.DataFrame(rows, columns=["query", "model", "component", "estimate", "std_error"])

    # As tables.

    def tidy(self) -> pd.DataFrame:
        """Return a row for each of rho, w and kappa, with p of rho = 0 and of w = 0."""
        names = self._names()
        ends = np.array(self.confint())
        error = {"rho": self.fit.rho_error, "w": self.fit.share_error, "kappa": np.nan}
        p = {"kappa": np.nan}
        if "rho" in names:
            p["rho"] = self.fit.rho_p_value()
        if "w" in names:
            p["w"] = self.fit.share_p_value()
        return pd.DataFrame(
            {
                "term": names,
                "estimate": self.coef().to_numpy(),
                "std_error": [error[name] for name in names],
                "p_value": [p[name] for name in names],
                "conf_low": ends[:, 0],
                "conf_high": ends[:, 1],
            }
        )

    def glance(self) -> pd.DataFrame:
        """Return one row about the fit."""
        return one_row(
            {
                "form": self.form,
                "source": self.source,
                "n_components": max(c.n for c in self.components),
                "n_models": len(self.models),
                "n_steps": len(self.times) - 1,
                "n_replicates": len(self.replicates),
                "naive_rho": self.naive,
                "overlap": 1.0 - min(float(values.min()) for values, _ in self.spread),
                "anchors_p": self.anchor_test[2],
                "n_warnings": len(self.notes),
            }
        )

    def augment(self) -> pd.DataFrame:
        """Return a row for each query, replicate, model, time and component.

        `weight` is that of the answers, `read` that of what gave them, `.fitted` the
        prediction from what was known before them, `.resid` the rest.
        """
        frames = []
        for q, path in enumerate(self.paths):
            ahead = self.predictions(q)[0]
            R, T, n, B = path.weight.shape
            where = np.indices((R, T, n, B)).reshape(4, -1)
            frames.append(
                pd.DataFrame(
                    {
                        "query": self.queries[q],
                        "replicate": np.array(self.replicates, dtype=object)[where[0]],
                        "model": np.array(self.models, dtype=object)[where[2]],
                        "time": self.times[where[1]],
                        "component": where[3],
                        "weight": path.weight.ravel(),
                        "read": path.read.ravel(),
                        ".fitted": ahead.ravel(),
                        ".resid": (path.weight - ahead).ravel(),
                    }
                )
            )
        return pd.concat(frames, ignore_index=True)

    # As text.

    def lines(self) -> list[str]:
        """Return the estimates with their intervals, and what was seen on the way."""
        B = ", ".join(str(c.n) for c in self.components)
        R, n = len(self.replicates), len(self.models)
        lines = [
            f"A network of mixtures with {B} components fitted to a run",
            "",
            *textwrap.wrap(f"Form: {self.form} ({_SAID[self.form]})", _WIDTH),
            *textwrap.wrap(f"Read: {_SOURCES[self.source]}", _WIDTH),
            f"{n} models, {len(self.times)} times, {R} replicate{'s' * (R > 1)}",
            "",
        ]
        frame = self.tidy()
        ends = f"{100 * self.level:g}% interval"
        rows = []
        for row in frame.to_dict("records"):
            number = [
                format_numbers([row[c]], 3)[0].strip()
                for c in ("estimate", "conf_low", "conf_high")
            ]
            p = "" if np.isnan(row["p_value"]) else format_p([row["p_value"]], 3)[0]
            rows.append([row["term"], number[0], f"{number[1]} to {number[2]}", p])
        lines += aligned(["", "estimate", ends, "p (0)"], rows, left=[0])
        statistic, df, p = self.anchor_test
        lines += [
            "",
            f"Least squares, which measurement error biases: rho = {self.naive:.3f}",
            *textwrap.wrap(
                "No model has a prior of its own: "
                f"chi-squared = {statistic:.4g}, df = {df:.0f}, p-value = {format_p([p], 4)[0]}",
                _WIDTH,
            ),
        ]
        if "kappa" in self._names() and not np.isfinite(self.kappa):
            lines += textwrap.wrap("kappa has no finite estimate, as rho is too near to 0.", _WIDTH)
        for note in self.notes:
            lines += textwrap.wrap(f"Warning: {note}", _WIDTH)
        return lines

    def summary(self) -> Summary:
        """Return the estimates, the components with their shares, and the priors."""
        lines = [*self.lines(), "", "Components, as shares of all answers, and the nearest answer:"]
        for q, (query, path) in enumerate(zip(self.queries, self.paths, strict=True)):
            if len(self.queries) > 1:
                lines.append(f"{query}")
            share = np.nanmean(path.weight, axis=(0, 1, 2))
            text = self.nearest[q] or ("",) * len(share)
            for c, value in enumerate(share):
                lines.append(f"{c}  {value:.3f}  {textwrap.shorten(text[c], 70)}".rstrip())
        if self.form != "network":
            lines += ["", "Prior of each model, by component:"]
            wide = self.priors().pivot_table(
                index=["query", "model"], columns="component", values="estimate", sort=False
            )
            rows = [
                [str(name[1]), *(f"{v:.3f}" for v in row)]
                for name, row in zip(wide.index, wide.to_numpy(), strict=True)
            ]
            lines += aligned(["", *(str(c) for c in wide.columns)], rows, left=[0])
        return Summary(self, self.tidy(), tuple(lines), "A network of mixtures fitted to a run")

    def _caption(self) -> str:
        return "A network of mixtures fitted to a run"

    # What follows from it.

    def measure(self, ds: xr.Dataset) -> pd.DataFrame:
        """Return ||D|| and diversity of a run as the forecast says them.

        Parameters
        ----------
        ds : xarray.Dataset
            The run, or one of the same models and queries: all of it, say, where the
            proxy was fitted to its first half.

        Returns
        -------
        pandas.DataFrame
            A row for each replicate and time: `norm` of mean answers, `weight_norm` of
            their weights, and `diversity`, ``H = 1 - |x|^2`` with x the mean weights of all
            models, averages over queries.
        """
        paths = [paths_of(validate(ds), c, q) for q, c in enumerate(self.components)]
        return measured(ds, paths)

    def forecast(
        self, n_steps: int, *, level: float = 0.9, draws: int = 1000, seed: int | None = None
    ) -> Forecast:
        """Return where ||D|| and diversity will be, with bands for single times and for all.

        Parameters
        ----------
        n_steps : int
            How many steps after the last time.
        level : float
            Of the bands.
        draws : int
            Runs of the fitted network, each with rho and w drawn by their uncertainty, and
            finitely many answers of which norms are measured.
        seed : int, optional
            By default that of the fit.

        Returns
        -------
        Forecast

        Examples
        --------
        >>> import lwdstats as lwd
        >>> posts = [[-5.0]] * 30 + [[5.0]] * 10
        >>> ds = lwd.simulate_gmm(5, n_responses=40, initial_points=posts, n_steps=30, seed=2)
        >>> proxy = lwd.fit_proxy(ds, 2, seed=1)
        >>> forecast = proxy.forecast(5, draws=100)
        >>> sorted(set(forecast.bands["quantity"]))
        ['diversity', 'norm', 'weight_norm']
        """
        check_integer("n_steps", n_steps, minimum=1)
        check_level(level)
        check_integer("draws", draws, minimum=20)
        return forecast_of(self, n_steps, level, draws, self.seed if seed is None else seed)

    def check(self, *, level: float = 0.05) -> ProxyCheck:
        """Return whether the proxy describes the run: tests of what it leaves, and a verdict.

        Parameters
        ----------
        level : float
            Size of the verdict: how often a true proxy would be refused, all tests together.

        Returns
        -------
        ProxyCheck

        Examples
        --------
        >>> import lwdstats as lwd
        >>> posts = [[-5.0]] * 30 + [[5.0]] * 10
        >>> ds = lwd.simulate_gmm(5, n_responses=40, initial_points=posts, n_steps=30, seed=2)
        >>> proxy = lwd.fit_proxy(ds, 2, seed=1)
        >>> proxy.check().describes
        True
        """
        check_level(level)
        return check_proxy(self, level)

    def simulate(
        self,
        scenario: Any = None,
        *,
        n_steps: int | None = None,
        replicates: int = 10,
        seed: int | None = None,
    ) -> xr.Dataset:
        """Simulate the fitted network from the start, under this or another scenario.

        Parameters
        ----------
        scenario : Scenario or mapping, optional
            What if the web were replaced at each step (``keep="last"``), a share were real
            (``fresh=0.3``), or one model a bot (``frozen=[0]``)? By default as the run was.
            Models go by their numbers. The estimated priors are `anchors`, unless these
            are given.
        n_steps, replicates, seed : int, optional
            As those of `simulate_gmm`; by default as many steps as the run has.

        Returns
        -------
        xarray.Dataset
            `weight` (time, model, replicate, component): exact ones, without the error of
            finitely many answers.

        Raises
        ------
        InputError
            If `simulate_gmm` refuses the scenario.
        """
        return simulated(self, scenario, n_steps, replicates, seed)

    def _draw(self, ax: drawing.Axes | None, kind: str = "weights", **options: Any) -> drawing.Axes:
        check_choice("kind", kind, ["weights", "components", "forecast"])
        if kind == "weights":
            return pictures.weights(self, ax, **options)
        if kind == "components":
            return pictures.components(self, ax, **options)
        steps = options.pop("n_steps", len(self.times) // 2)
        return self.forecast(steps)._draw(ax, **options)
