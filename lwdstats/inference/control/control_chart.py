"""Is a network leaving the state that it was in?"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from lwdstats.arrays import FloatArray
from lwdstats.dataset.embeddings.choose_embedding import by_embedding
from lwdstats.dataset.positions import fewest_answers, n_answers
from lwdstats.dataset.schema import validate
from lwdstats.errors import InputError, check_choice, check_integer, is_number
from lwdstats.geometry.distance import fnorm
from lwdstats.geometry.diversity import diversity, drift
from lwdstats.inference.control.charts import CHARTS, LONGEST, Chart, largest, limit_of_run
from lwdstats.inference.control.noise import noise_notes
from lwdstats.inference.control.result import ControlChart
from lwdstats.inference.curves import Curves, curves
from lwdstats.inference.trend.mann_kendall import mann_kendall
from lwdstats.results.htest import HTest
from lwdstats.streams import resolve_seed

STATISTICS = ("D", "H", "drift")
DETREND = ("none", "linear", "power")
_LEAST = 10
# A baseline whose trend has p of at most this is refused.
_TREND = 0.05
_TREND_PATHS = 399
# Numbers of answers of which the largest is at most so many times the smallest are as many.
_AS_MANY = 1.1
# By what share the mean run of ranks, which jumps, may be another than that asked for.
_RUN = 0.1


def control_chart(
    x: xr.Dataset | xr.DataArray | npt.ArrayLike,
    baseline: int | slice,
    *,
    chart: str = "ewma",
    statistic: str | Sequence[str] = "D",
    detrend: str | None = None,
    false_alarm: float | None = None,
    arl: float | None = None,
    autocorrelation: str = "ar1",
    scores: str = "normal",
    weight: float = 0.2,
    reference: float = 0.5,
    n_simulations: int = 3999,
    embedding: str = "embedding",
    seed: int | str | None = None,
) -> ControlChart:
    """Chart what follows a baseline, and say when a network leaves the state that it was in.

    Parameters
    ----------
    x : xarray.Dataset, xarray.DataArray or array_like, shape (T,) or (T, R)
        A dataset, or curves over time. Each replicate has charts of its own.
    baseline : int or slice
        The state it was in: the first so many recorded times, or a slice of times, both ends
        included; 10 or more. Times before it are left out, those after it are charted.
    chart : {"ewma", "shewhart", "cusum"}
        A weighted mean of scores, the newest weighing `weight`; each score by itself; or sums of
        what scores are above `reference`, and below its negative.
    statistic : {"D", "H", "drift"} or several
        Of a dataset: ||D||_F, `diversity`, or the mean `drift` of its models. D and drift of
        answers are charted on the log scale, with the noise of L answers in them; debiased
        instead, where L differs by more than a tenth over time.
    detrend : {"none", "linear", "power"}, optional
        Chart what is off the baseline's level, its line, or its power law of time (logarithms on
        that of t + 1). None: its level, and a baseline that has a trend is an error.
    false_alarm : float, optional
        Probability of an alarm or more in all that is charted of a replicate, if nothing changes;
        .05 unless `arl` is given.
    arl : float, optional
        Instead: the mean number of steps to an alarm, if nothing changes (ARL0). Runs longer
        than 10 times that count as that.
    autocorrelation : {"ar1", "none"}
        Take the autocorrelation that the baseline shows out of values, or none.
    scores : {"normal", "rank"}
        By the law of t, or by rank among the baseline, which asks for no normal law but can't
        tell far from very far; so no "shewhart" of it where limits would be past all ranks.
    weight, reference : float
        See `chart`; in standard deviations.
    n_simulations : int
        Charts simulated for each limit.
    embedding : str
        Which embedding of a dataset's answers, as `choose_embedding` takes it.
    seed : int or str, optional
        Seed of the simulated charts; drawn and kept in the result when None.

    Returns
    -------
    ControlChart
        For each replicate and statistic the first alarm, the limit and p.

    Raises
    ------
    InputError
        If an argument is not as above, or the baseline has a trend (p <= .05) and `detrend` is
        None: where everything accumulates ||D||_F falls by design.

    Warns
    -----
    UserWarning
        If the baseline's noise is not normal, or correlated beyond an AR(1); also in `notes`.

    Notes
    -----
    Limits are quantiles of simulated charts, each with level or trend, autocorrelation and variance
    estimated from a simulated baseline, as of the data: what these miss by is counted in. Noise is
    Gaussian, AR(1) from one recorded time to the next, of one variance, its autocorrelation
    drawn given what the baseline shows of it. Several statistics share the probability in equal
    parts. Rates of false alarms and delays: ``benchmarks/validity/control_chart.md``.

    With everything known the charts are the textbook's: EWMA has fixed limits, CUSUM starts at 0.
    "shewhart" hangs on the far ends of the law of noise: of skewed values it alarms too often.

    References
    ----------
    Montgomery, D. C. (2019), Introduction to Statistical Quality Control, chapters 6 and 9.
    Jensen, W. A. et al. (2006), Journal of Quality Technology 38, 349-364 (estimated parameters).
    Lucas, J. M. and Saccucci, M. S. (1990), Technometrics 32, 1-12 (EWMA).

    Examples
    --------
    >>> import numpy as np
    >>> import lwdstats as lwd
    >>> y = 5 + np.random.default_rng(1).normal(size=60)
    >>> y[45:] += 3
    >>> lwd.control_chart(y, baseline=30, seed=1).table["alarm"].tolist()
    [48.0]
    """
    check_choice("chart", chart, CHARTS)
    check_choice("autocorrelation", autocorrelation, ("ar1", "none"))
    check_choice("scores", scores, ("normal", "rank"))
    if detrend is not None:
        check_choice("detrend", detrend, DETREND)
    rate, arl = _checked_rate(false_alarm, arl)
    if not is_number(weight) or not 0 < weight <= 1:
        raise InputError("weight", weight, "a number above 0, at most 1")
    if not is_number(reference) or not 0 <= reference < math.inf:
        raise InputError("reference", reference, "a number of at least 0")
    B = check_integer("n_simulations", n_simulations, minimum=99)
    root = resolve_seed(seed)
    named, norms, notes = _curves(x, statistic, embedding)
    share = len(named)
    if rate is not None and rate / share * (B + 1) < 1:
        got = f"{B}, for {share} statistics at {rate:g} in all"
        raise InputError("n_simulations", got, f"{math.ceil(share / rate) - 1} or more")
    rows, values = [], []
    logs: list[str] = []
    limits: dict[tuple[int, float], tuple[float, FloatArray]] = {}
    for number, (name, curve) in enumerate(named.items()):
        part, m = _since(curve, baseline, name == "drift" and "start" in curve.what)
        design = _design(part, detrend, m)
        left = []
        plan = Chart(
            chart,
            float(weight),
            float(reference),
            design,
            m,
            autocorrelation == "ar1",
            scores == "rank",
        )
        for j, (replicate, path) in enumerate(zip(curve.replicates, part.values.T, strict=True)):
            # A norm of exactly 0 has no logarithm.
            log = detrend == "power" or (name in norms and bool((path > 0).all()))
            if name in norms and not log:
                notes.append(
                    f"{name} of replicate {replicate} is 0 at a time, which has no logarithm: it "
                    "is charted as it is, where its noise is less near to normal"
                )
            logs += [name] * (log and name not in logs)
            path = np.log(path) if log else path
            _check_baseline(path[:m], detrend, plan.ar, root, f"{name} of replicate {replicate}")
            found = plan.scores(path[None])
            left.append(found.base[0])
            up, down = (side[0] for side in plan.sides(found.scores))
            rng = np.random.default_rng(np.random.SeedSequence(root, spawn_key=(number, j)))
            phi = float(found.phi[0])
            # Without autocorrelation all replicates have one limit.
            key = (number, phi)
            if key not in limits:
                limits[key] = _limit(plan, phi, rate, arl, share, B, rng)
            limit, null = limits[key]
            over = np.maximum(up, down)
            alarms = np.flatnonzero(over > limit)
            row = {"replicate": replicate, "statistic": name}
            row["alarm"] = float(part.time[m + alarms[0]]) if alarms.size else math.nan
            row |= {"n_alarms": len(alarms), "largest": float(over.max()), "limit": limit}
            p = (float(np.sum(null >= over.max())) + 1.0) / (B + 1.0) if len(null) else math.nan
            row |= {"p_value": min(1.0, share * p)}
            rows.append(row | {"ar1": phi, "sigma": float(found.scale[0])})
            fitted = np.exp(found.fitted[0]) if log else found.fitted[0]
            frame = pd.DataFrame({"time": part.time, "value": part.values[:, j], "fitted": fitted})
            blank = np.full(m, np.nan)
            frame["score"] = np.concatenate([blank, found.scores[0]])
            frame["up"], frame["down"] = np.append(blank, up), np.append(blank, down)
            frame["alarm"] = np.append(blank, over) > limit
            frame.insert(0, "statistic", name)
            frame.insert(0, "replicate", replicate)
            values.append(frame)
        notes += noise_notes(left, plan.ranks, plan.ar, name)
    for note in notes:
        warnings.warn(note, stacklevel=2)
    first = next(iter(named.values()))
    part, m = _since(first, baseline, drifting=False)
    return ControlChart(
        pd.DataFrame(rows),
        pd.concat(values, ignore_index=True),
        chart,
        detrend or "none",
        autocorrelation,
        scores,
        rate,
        arl,
        m,
        float(part.time[0]),
        float(part.time[m - 1]),
        float(weight),
        float(reference),
        B,
        root,
        tuple(logs),
        tuple(notes),
    )


def _checked_rate(false_alarm: Any, arl: Any) -> tuple[float | None, float | None]:
    """Return the probability of a false alarm, or the mean run to one."""
    if arl is not None:
        if false_alarm is not None:
            raise InputError("arl", f"{arl} beside false_alarm = {false_alarm}", "one of the two")
        if not is_number(arl) or not 2 <= arl <= 2000:
            raise InputError("arl", arl, "a number from 2 to 2000")
        return None, float(arl)
    rate = 0.05 if false_alarm is None else false_alarm
    if not is_number(rate) or not 0 < rate < 1:
        raise InputError("false_alarm", rate, "a number between 0 and 1")
    return float(rate), None


def _curves(
    x: Any, statistic: Any, embedding: str
) -> tuple[dict[str, Curves], list[str], list[str]]:
    """Return the curves to chart, by name, names of norms of as many answers, and notes."""
    if not isinstance(x, xr.Dataset):
        if not isinstance(statistic, str) or statistic != "D":
            got = repr(statistic)
            raise InputError("statistic", got, "'D', the default, unless x is a Dataset")
        return {"x": curves(x)}, [], []
    x = validate(by_embedding(x, embedding, "x"), source="x")
    takes = f"one or more of {', '.join(map(repr, STATISTICS))}, each once"
    if not isinstance(statistic, str | Sequence | np.ndarray):
        raise InputError("statistic", repr(statistic), takes)
    names = [statistic] if isinstance(statistic, str) else list(statistic)
    if not names or any(name not in STATISTICS for name in names) or len(set(names)) < len(names):
        raise InputError("statistic", repr(statistic), takes)
    answers = "weight" not in x
    few, many = _answers_by_time(x) if answers else (1.0, 1.0)
    as_many = many <= _AS_MANY * few
    debias, notes = answers and not as_many, []
    if debias and fewest_answers(x) < 2:
        got = "one answer of a model at some times, and more at others"
        raise InputError("x", got, "times with as many answers, or two or more of each model")
    if debias:
        notes.append(
            f"models have {few:.3g} to {many:.3g} answers by time, so that the noise of what is "
            "charted is not of one size, as limits take it to be"
        )
    made: dict[str, Callable[[], xr.DataArray]] = {
        "D": lambda: fnorm(x, debias=debias),
        "H": lambda: diversity(x),
        "drift": lambda: drift(x, debias=debias).mean("model", keep_attrs=True),
    }
    found = {name: made[name]() for name in names}
    named = {
        name: replace(curves(y), what=str(y.attrs.get("long_name", name)))
        for name, y in found.items()
    }
    return named, [name for name in names if answers and as_many and name != "H"], notes


def _answers_by_time(x: xr.Dataset) -> tuple[float, float]:
    """Return how many answers models have, by the noise of their mean, at the least and most."""
    there = n_answers(x)
    if there is None:
        return float(x.sizes["response"]), float(x.sizes["response"])
    across = [name for name in there.dims if name not in ("time", "replicate")]
    each = 1.0 / (1.0 / there.clip(min=1)).mean(across)
    return float(each.min()), float(each.max())


def _since(curve: Curves, baseline: Any, drifting: bool) -> tuple[Curves, int]:
    """Return a curve from the baseline on, and the number of times of that."""
    time, takes = (
        curve.time,
        f"a number of recorded times, or slice(first, last), of {_LEAST} or more",
    )
    if isinstance(baseline, slice):
        if baseline.step is not None:
            raise InputError("baseline", repr(baseline), takes)
        ends = [baseline.start, baseline.stop]
        if any(end is not None and not is_number(end) for end in ends):
            raise InputError("baseline", repr(baseline), takes)
        low = -math.inf if ends[0] is None else float(ends[0])
        high = math.inf if ends[1] is None else float(ends[1])
        within = np.flatnonzero((time >= low) & (time <= high))
        first, m = (int(within[0]), len(within)) if within.size else (0, 0)
    else:
        first, m = 0, check_integer("baseline", baseline, minimum=1)
    if m < _LEAST:
        raise InputError("baseline", f"{baseline!r}, which has {m} times", takes)
    if first + m >= len(time):
        got = f"{baseline!r}, which leaves none of {len(time)} times to chart"
        raise InputError("baseline", got, "times before those that are charted")
    if drifting and first == 0:
        got = f"{baseline!r}, from the first time, at which the drift from it is 0"
        raise InputError("baseline", got, "a slice that begins later, slice(first, last)")
    return replace(curve, time=time[first:], values=curve.values[first:]), m


def _design(curve: Curves, detrend: str | None, m: int) -> FloatArray:
    """Return the design (n, p) of the trend of values."""
    one = np.ones(len(curve.time))
    if detrend == "linear":
        middle = curve.time[:m].mean()
        return np.stack([one, (curve.time - middle) / np.ptp(curve.time)], axis=1)
    if detrend != "power":
        return one[:, None]
    if not (curve.values > 0).all():
        got = f"'power', of {int((curve.values <= 0).sum())} values that are not above 0"
        raise InputError("detrend", got, "'linear', or 'none', as these have no logarithm")
    if curve.time[0] < 0:
        raise InputError("x: time", f"a first time of {curve.time[0]:g}", "times from 0 on")
    u = np.log(curve.time + 1.0)
    return np.stack([one, u - u[:m].mean()], axis=1)


def _check_baseline(y: FloatArray, detrend: str | None, ar: bool, root: int, name: str) -> None:
    """Raise where a baseline (m,) does not vary, or has a trend that nobody asked to take out."""
    if np.ptp(y) <= 1e-12 * np.abs(y).max():
        raise InputError("baseline", f"{name} that does not vary", "times with some noise")
    if detrend is not None:
        return
    kind = "ar1" if ar else "none"
    test = mann_kendall(y, autocorrelation=kind, n_bootstrap=_TREND_PATHS, seed=root)
    # Of one path it is one test.
    p = cast(HTest, test).p_value
    if p <= _TREND:
        takes = (
            "times without a trend; or detrend='linear', 'power', or 'none' to chart it as it is"
        )
        raise InputError("baseline", f"{name} with a trend (p = {p:.3g})", takes)


def _limit(
    plan: Chart,
    phi: float,
    rate: float | None,
    arl: float | None,
    share: int,
    B: int,
    rng: np.random.Generator,
) -> tuple[float, FloatArray]:
    """Return the limit, and the sorted largest values (B,) behind it where it is of a rate."""
    null = np.array([])
    if rate is not None:
        null = largest(plan, phi, B, rng)
        limit = float(null[-math.floor(rate / share * (B + 1) + 1e-9)])
        asked = f"a rate of {rate / share:g}"
    else:
        mean = float(arl or 0.0) * share
        steps = plan.m + math.ceil(LONGEST * mean)
        plan = replace(plan, design=_longer(plan.design, steps))
        limit, found = limit_of_run(plan, phi, mean, B, rng)
        asked = f"a mean run of {mean:g}"
        if plan.ranks and abs(found / mean - 1.0) > _RUN:
            takes = "'normal', or a longer baseline"
            raise InputError("scores", f"'rank', which have {found:.3g} for {asked}", takes)
    if plan.ranks and not limit < (1.0 - 1e-9) * plan.highest_by_rank():
        got = f"'rank' with chart = {plan.kind!r}, a baseline of {plan.m} and {asked}"
        takes = (
            "'normal', a longer baseline, or a chart that adds up scores: no ranks pass the limit"
        )
        raise InputError("scores", got, takes)
    return limit, null


def _longer(design: FloatArray, n: int) -> FloatArray:
    """Return a design (n, p) whose columns go on as they end, a row a step."""
    if n <= len(design):
        return design[:n]
    more = np.arange(1, n - len(design) + 1)[:, None]
    return np.vstack([design, design[-1] + more * (design[-1] - design[-2])])
