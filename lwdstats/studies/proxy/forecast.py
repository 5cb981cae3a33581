"""Where the measured ||D|| and the diversity of a network will be, by its fitted proxy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError, check_choice
from lwdstats.geometry.distance import fnorm
from lwdstats.results.pictures import drawing
from lwdstats.results.pictures.style import colour
from lwdstats.results.printing import format_numbers
from lwdstats.results.result import Result, aligned, one_row
from lwdstats.studies.proxy.fitted import Fitted
from lwdstats.studies.proxy.future import Origin, steps
from lwdstats.studies.proxy.paths import Paths

QUANTITIES = ("norm", "weight_norm", "diversity")
_NAMES = {
    "norm": r"$\|D\|_F$ of mean answers",
    "weight_norm": r"$\|D\|_F$ of weights",
    "diversity": "diversity H",
}


@dataclass(frozen=True, eq=False)
class Forecast(Result):
    """Bands of what will be measured, by `Proxy.forecast`.

    Attributes
    ----------
    bands : pandas.DataFrame
        A row for each `quantity` (``norm``, ``weight_norm``, ``diversity``), replicate and
        time: the `median`; `low` and `high`, between which a single value lies with the
        probability `level`; and `all_low` and `all_high`, between which all values of a
        replicate and quantity do.
    past : pandas.DataFrame
        What was measured until then, as `Proxy.measure` gives it.
    level : float
    draws : int
    """

    bands: pd.DataFrame
    past: pd.DataFrame
    level: float
    draws: int

    def tidy(self) -> pd.DataFrame:
        """Return a row for each quantity, replicate and time."""
        return self.bands.copy()

    def glance(self) -> pd.DataFrame:
        """Return one row about the forecast."""
        number = self.bands["time"].nunique()
        return one_row({"level": self.level, "draws": self.draws, "n_steps": number})

    def lines(self) -> list[str]:
        """Return the last time of each quantity and replicate, with its bands."""
        last: Any = self.bands[self.bands["time"] == self.bands["time"].max()]
        lines = [f"Forecast to time {last['time'].iloc[0]:g}, {100 * self.level:g}% bands", ""]
        numbers = ["median", "low", "high", "all_low", "all_high"]
        cells = [[c.strip() for c in format_numbers(last[name], 3)] for name in numbers]
        rows = [
            [quantity, str(replicate), *cell]
            for quantity, replicate, *cell in zip(
                last["quantity"], last["replicate"], *cells, strict=True
            )
        ]
        head = ["", "replicate", "median", "low", "high", "low (all)", "high (all)"]
        return lines + aligned(head, rows, left=[0])

    def compare(self, observed: pd.DataFrame) -> pd.DataFrame:
        """Return how much of what came is inside.

        Parameters
        ----------
        observed : pandas.DataFrame
            What was measured, as `Proxy.measure` gives it of the whole run.

        Returns
        -------
        pandas.DataFrame
            A row for each quantity and replicate: the share of times inside the bands for
            single times, the shares above and below, and whether all are inside the bands
            for all times.
        """
        long = observed.melt(
            ["replicate", "time"], list(QUANTITIES), var_name="quantity", value_name="value"
        )
        both = self.bands.merge(long, on=["quantity", "replicate", "time"])
        if both.empty:
            raise InputError("observed", "no time of the forecast", "what was measured then")
        rows = []
        groups: Any = both.groupby(["quantity", "replicate"], sort=False)
        for (quantity, replicate), part in groups:
            value = part["value"]
            whole = value.between(part["all_low"], part["all_high"])
            rows.append(
                {
                    "quantity": quantity,
                    "replicate": replicate,
                    "n": len(part),
                    "inside": value.between(part["low"], part["high"]).mean(),
                    "above": (value > part["high"]).mean(),
                    "below": (value < part["low"]).mean(),
                    "all_inside": bool(whole.all()),
                }
            )
        return pd.DataFrame(rows)

    def _draw(
        self,
        ax: drawing.Axes | None,
        quantity: str = "norm",
        observed: pd.DataFrame | None = None,
        replicate: Any = None,
    ) -> drawing.Axes:
        check_choice("quantity", quantity, QUANTITIES)
        ax = drawing.new_axes(ax)
        bands: Any = self.bands[self.bands["quantity"] == quantity]
        known = bands["replicate"].unique().tolist()
        replicate = known[0] if replicate is None else replicate
        if replicate not in known:
            raise InputError("replicate", replicate, f"one of {', '.join(map(str, known))}")
        part = bands[bands["replicate"] == replicate]
        seen: Any = self.past if observed is None else observed
        own = seen[seen["replicate"] == replicate]
        for low, high, alpha in (("all_low", "all_high", 0.12), ("low", "high", 0.25)):
            ends = part[low], part[high]
            ax.fill_between(part["time"], *ends, color=colour(0), alpha=alpha, linewidth=0)
        ax.plot(part["time"], part["median"], color=colour(0), linestyle="--", label="forecast")
        ax.plot(own["time"], own[quantity], color=colour(1), label="measured")
        ax.set_ylabel(_NAMES[quantity])
        drawing.name_time(ax)
        drawing.legend(ax)
        return ax


def measured(ds: xr.Dataset, paths: Sequence[Paths]) -> pd.DataFrame:
    """Return the norms and the diversity of a run by replicate and time."""
    answers = ds.drop_vars("weight") if "weight" in ds else ds
    # Times at which a model has no answer at all have no norm.
    whole: Any = np.all([(path.n_answers > 0).all(axis=2) for path in paths], axis=0)
    norm = np.full(whole.shape, np.nan)
    for r in np.flatnonzero(whole.any(axis=1)):
        part = answers.isel(replicate=[int(r)], time=whole[r])
        norm[r, whole[r]] = fnorm(part).transpose("replicate", "time").values[0]
    weight_norm, diversity = _of_weights([path.weight for path in paths])
    R, T = len(norm), len(ds["time"])
    return pd.DataFrame(
        {
            "replicate": np.repeat(ds["replicate"].values, T),
            "time": np.tile(ds["time"].values, R),
            "norm": norm.ravel(),
            "weight_norm": weight_norm.ravel(),
            "diversity": diversity.ravel(),
        }
    )


def _of_weights(weights: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Return ||D|| (...) and H (...) of weights (..., n, B) of each query, over queries."""
    squares, h = [], []
    for weight in weights:
        n = weight.shape[-2]
        mean = weight.mean(axis=-2, keepdims=True)
        squares.append(2.0 * n * ((weight - mean) ** 2).sum(axis=(-2, -1)))
        h.append(1.0 - (mean[..., 0, :] ** 2).sum(axis=-1))
    return np.sqrt(np.mean(squares, axis=0)), np.mean(h, axis=0)


def forecast_of(proxy: Fitted, n_steps: int, level: float, draws: int, seed: int) -> Forecast:
    """Return bands for the steps after the last."""
    _refuse(proxy)
    rng = np.random.default_rng([seed % 2**63, 3])
    rho, theta = _parameters(proxy, draws, rng)
    step = proxy.times[-1] - proxy.times[-2]
    times = proxy.times[-1] + step * np.arange(1, n_steps + 1)
    rows = []
    for r, replicate in enumerate(proxy.replicates):
        weights, squares = [], []
        for q in range(len(proxy.queries)):
            found = steps(_origin(proxy, q, r, rho, theta, rng), n_steps, rng)
            weights.append(found[0])
            squares.append(found[1])
        weight_norm, diversity = _of_weights(weights)
        values = dict(
            zip(QUANTITIES, (np.sqrt(np.mean(squares, 0)), weight_norm, diversity), strict=True)
        )
        for name, value in values.items():
            rows.append(_bands(value, level).assign(quantity=name, replicate=replicate, time=times))
    frame: Any = pd.concat(rows, ignore_index=True)
    columns = ["quantity", "replicate", "time", "median", "low", "high", "all_low", "all_high"]
    return Forecast(frame[columns], proxy.past, float(level), draws)


def _refuse(proxy: Fitted) -> None:
    refuse_other_webs(proxy)
    for q, path in enumerate(proxy.paths):
        moving = np.setdiff1d(np.arange(len(proxy.models)), proxy.still(q))
        lost: Any = ~np.isfinite(proxy.predictions(q)[1][:, -1]).all(axis=(0, 2))
        if not np.isfinite(path.weight[:, -1]).all():
            got = "a run without answers of all models at its last time"
            raise InputError("proxy", got, "one that ends with answers of all")
        if names := [str(proxy.models[i]) for i in moving if lost[i]]:
            got = f"a run in which it is not known what gave the last answers of {', '.join(names)}"
            raise InputError("proxy", got, "one that ends with known reads of all that ever read")


def refuse_other_webs(proxy: Fitted) -> None:
    """Refuse a proxy of a run onto whose web more comes than its models post, or less."""
    for path in proxy.paths:
        grown = np.diff(path.n_web[1:])
        n = len(proxy.models) * path.n_posted
        if len(grown) and not np.allclose(grown[-1], n):
            got = f"a web that grows by {grown[-1]:g} where models post {n}"
            raise InputError(
                "proxy", got, "one of a run whose web keeps all and nothing else comes"
            )


def reads_alike(n_read: FloatArray) -> bool:
    """Return whether as much is read at each time, by numbers (T+1,): else a share of the web."""
    half = n_read[len(n_read) // 2 :]
    return bool(half.min() == half.max())


def _parameters(
    proxy: Fitted, draws: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Return rho and theta, (M,), drawn by their uncertainty."""
    fit = proxy.fit
    values, vectors = np.linalg.eigh(fit.vcov)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    z = rng.standard_normal((draws, 2)) @ root.T
    return np.clip(fit.rho + z[:, 0], -0.9, 0.999), fit.theta + z[:, 1]


def _origin(
    proxy: Fitted, q: int, r: int, rho: FloatArray, theta: FloatArray, rng: np.random.Generator
) -> Origin:
    path, fit, B = proxy.paths[q], proxy.fit, proxy.components[q].n
    _, now, _, now_var = proxy.predictions(q)
    n = len(proxy.models)
    state, state_var, still = now[r, -1].copy(), now_var[r, -1].copy(), proxy.still(q)
    for model in still:
        mean, variance = proxy.constant(q, model)
        state[model], state_var[model] = mean[r], variance[r]
    b = np.zeros((len(rho), n, B))
    if proxy.form != "network":
        own = proxy.anchors[q]
        for model, mean, variance in zip(own.models, own.b, own.variance, strict=True):
            # b goes with rho and theta, so that the mean of the run stays what it was.
            lag = np.nanmean(path.weight[:, :-1, model], axis=(0, 1))
            read = np.nanmean(path.read[:, 1:, model], axis=(0, 1))
            moved = np.outer(fit.rho - rho, lag) + np.outer(fit.theta - theta, read)
            z = rng.standard_normal(moved.shape)
            moved += np.sqrt(variance) * (z - z.mean(axis=1, keepdims=True))
            b[:, model] = mean + moved
    exact = proxy.source == "retrieved"
    k = path.n_read[r].max(axis=-1)
    means, variances = proxy.moments[q]
    return Origin(
        state=state,
        state_var=state_var,
        posted=[path.weight[r, -1 - j] for j in reversed(range(path.lag))],
        web=path.web[r],
        n_web=float(path.n_web[-1]),
        rho=rho,
        theta=theta,
        b=b,
        process=fit.process,
        n_posted=path.n_posted,
        n_answers=int(np.median(path.n_answers[r, len(k) // 2 :])),
        share_read=0.0 if reads_alike(k) else float(k[-1] / path.n_web[-1]),
        n_read=int(k[-1]),
        exact=exact,
        less=proxy.form == "network",
        labels_cov=proxy.components[q].labels_cov,
        means=means,
        variances=variances,
        still=tuple(still.tolist()),
    )


def _bands(values: FloatArray, level: float) -> pd.DataFrame:
    """Return bands of values (n_steps, M): for single times, and as wide for all at once."""
    median = np.median(values, axis=1)
    low, high = np.quantile(values, [0.5 - level / 2, 0.5 + level / 2], axis=1)
    # How far a run goes beyond the bands at its farthest, in units of their own reach.
    up = (values - median[:, None]) / np.maximum(high - median, 1e-12)[:, None]
    down = (median[:, None] - values) / np.maximum(median - low, 1e-12)[:, None]
    reach = float(np.quantile(np.maximum(up, down).max(axis=0), level))
    return pd.DataFrame(
        {
            "median": median,
            "low": low,
            "high": high,
            "all_low": np.maximum(median - reach * (median - low), 0.0),
            "all_high": median + reach * (high - median),
        }
    )
