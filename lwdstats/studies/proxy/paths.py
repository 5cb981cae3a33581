"""A run as paths of weights, with what was read before each answer.

Letters in the shapes: R replicates, T + 1 times, n models, L answers, B components, d features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lwdstats.arrays import FloatArray
from lwdstats.dataset.positions import components_move
from lwdstats.dataset.run_models import run_models
from lwdstats.dataset.schema import spec_of
from lwdstats.errors import InputError
from lwdstats.scenario.scenario import check_scenario
from lwdstats.studies.proxy.components import Components

# Fields of a scenario with which what a mixture read is known, but for chance.
_KNOWN = {"keep", "n_read", "anchors", "frozen", "posts"}


@dataclass(frozen=True, eq=False)
class Paths:
    """The runs of one query.

    Attributes
    ----------
    weight : (R, T+1, n, B)
        Mean of the unmixed weights of a model's answers; NaN where there is none.
    noise : (R, T+1, n)
        s^2: the trace of the covariance of that mean, estimated by the answers' own.
    noise_cov : (n, B, B)
        That covariance, its mean over times and replicates.
    n_answers : (R, T+1, n)
        L, without missing answers.
    read : (R, T+1, n, B)
        Mean weights of the posts that gave the answers at t; NaN where there are none.
    n_read : (R, T+1, n)
        How many posts these are.
    own : (R, n, T+1, T+1)
        Entry (t, s): which share of what gave t are the model's own posts of time s.
    cohort : (R, n, T+1, T+2)
        Entry (t, s): which share of what gave t was posted at time s - 1; column 0 is the web
        before the run.
    n_cohort : (R, T+2)
        How many posts these are in all.
    post_cov : (B, B)
        Covariance of the unmixed weights of a post, given the component that it is of.
    web : (R, B)
        Sums of weights of the posts on the web that gave the last answers.
    n_web : (T+1,)
        Posts on the web from which the answers at t were made.
    n_posted : int
        How many answers a model posts a step.
    lag : int
        How many steps pass until what is posted is on the web that gives answers.
    first : (B,)
        Mean weights of the posts of before the first time, over replicates; 0 where none are known.
    n_first : int
        How many these are in a replicate.
    """

    weight: FloatArray
    noise: FloatArray
    noise_cov: FloatArray
    n_answers: NDArray[np.int64]
    read: FloatArray
    n_read: FloatArray
    own: FloatArray
    cohort: FloatArray
    n_cohort: FloatArray
    post_cov: FloatArray
    web: FloatArray
    n_web: FloatArray
    n_posted: int
    lag: int
    first: FloatArray
    n_first: int


def source_of(ds: xr.Dataset) -> str:
    """Return what is known of what was read: "mixtures", "retrieved", "web" or "answers"."""
    if "weight" in ds:
        return "mixtures"
    if "post_embedding" in ds and "post_time" in ds:
        return "retrieved" if "retrieved" in ds else "web"
    return "answers"


def check_mixtures(ds: xr.Dataset) -> tuple[bool, bool]:
    """Return whether mixtures post after their update, and whether they have anchors.

    Raises
    ------
    InputError
        If the dataset does not say what was on the web, or who read what.
    """
    if components_move(ds):
        raise InputError("ds", "mixtures whose components move", "components that stay, all shared")
    if lacking := [name for name in ("n_web", "n_retrieved") if name not in ds]:
        got = f"mixtures without {' and '.join(lacking)}"
        raise InputError("ds", got, "a run of simulate_gmm, with all that it holds")
    scenario = check_scenario(spec_of(ds).get("scenario"))
    given = set(scenario.to_json())
    if unknown := sorted(given - _KNOWN):
        got = f"mixtures whose scenario has {', '.join(unknown)}"
        raise InputError(
            "ds", got, "mixtures of which it is known what was on the web that all read"
        )
    if scenario.keep_rule != "all":
        raise InputError("ds", f"mixtures with keep = {scenario.keep!r}", "a web that keeps all")
    return scenario.posts == "after update", scenario.anchors is not None


def check_web(ds: xr.Dataset, after: bool) -> None:
    """Refuse mixtures whose answers and initial points are not all of the web that they read.

    Parameters
    ----------
    ds : xarray.Dataset
        Mixtures that `check_mixtures` takes, at consecutive times.
    after : bool
        Whether they post after their update.

    Raises
    ------
    InputError
        If the web was larger at some time, as times, models or answers were left out.
    """
    dims = ("replicate", "time", "model", "response", "feature")
    posted = np.isfinite(ds["embedding"].transpose(*dims).values[..., 0]).sum(axis=(2, 3))
    first = ds.sizes["post"] if "initial_point" in ds else 0
    # Times from the first that is posted to the last that has given weights.
    posted = posted[:, 1:-1] if after else posted[:, :-2]
    grown = first + np.cumsum(posted, axis=1)
    rebuilt = np.column_stack([np.full(len(grown), first), grown])
    # What is read at a time gives the weights of the next, so that of the last nothing follows.
    size = ds["n_web"].values[:-1]
    if wrong := np.argwhere(rebuilt != size).tolist():
        r, t = min(wrong, key=lambda at: at[1])
        got = (
            f"{rebuilt[r, t]} posts of before time {ds['time'].values[t]}, when {size[t]} were read"
        )
        takes = "mixtures from their first time on, with all models and answers, which are the web"
        raise InputError("ds", got, takes)


def paths_of(ds: xr.Dataset, components: Components, query: int) -> Paths:
    """Return the paths of the query at a position of the dataset."""
    part = ds.isel(query=query) if "query" in ds.dims else ds
    x = part["embedding"].transpose("replicate", "time", "model", "response", "feature").values
    x = x.astype(np.float64)
    R, T, n, L, _ = x.shape
    there = np.isfinite(x[..., 0])
    y = np.full((R, T, n, L, components.n), np.nan)
    y[there] = components.weights(x[there])
    count = there.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        weight = np.where(there[..., None], y, 0.0).sum(axis=3) / count[..., None]
        apart = np.where(there[..., None], y - weight[..., None, :], 0.0)
        scale = 1.0 / (count * (count - 1.0))
        noise = (apart**2).sum(axis=(3, 4)) * scale
    noise[count < 2] = np.nan
    cells = np.where(count > 1, scale, 0.0)
    number = np.maximum((count > 1).sum(axis=(0, 1)), 1)
    cov = np.einsum("rtilb,rtilc,rti->ibc", apart, apart, cells) / number[:, None, None]
    source = source_of(ds)
    if source in ("retrieved", "web"):
        place = _places(ds)
        read, n_read, own, cohort, n_cohort, *rest = _from_log(part, components, place, R, T, n)
    else:
        read, n_read, own, cohort, n_cohort, *rest = _from_answers(
            part, components, y, there, source
        )
    told = read[np.isfinite(read[..., 0])]
    share = np.clip(told, 0.0, 1.0).sum(axis=0) if len(told) else np.ones(components.n)
    post_cov = np.tensordot(share / share.sum(), components.labels_cov, 1)
    return Paths(
        weight, noise, cov, count, read, n_read, own, cohort, n_cohort, post_cov, *rest
    )  # fmt: skip


def _places(ds: xr.Dataset) -> NDArray[np.intp]:
    """Return the places of a run's models in the dataset, -1 where it does not hold them.

    Raises
    ------
    InputError
        If the dataset does not say who wrote its posts.
    """
    known = run_models(ds) if "post_model" in ds else None
    if known is None:
        got = "posts of which it is not known which model wrote them"
        raise InputError("ds", got, "post_model, and models under the labels of their run")
    return known.place


def _from_log(
    part: xr.Dataset, components: Components, place: NDArray[np.intp], R: int, T: int, n: int
) -> tuple[Any, ...]:
    """Return what was read, by the log of posts; `place` is where the authors are, (models,)."""
    B = components.n
    post = part["post_embedding"].transpose("replicate", "post", "feature").values
    time = part["post_time"].transpose("replicate", "post").values
    author = part["post_model"].transpose("replicate", "post").values
    writer = np.where(author >= 0, np.r_[place, -1][np.minimum(author, len(place))], -1)
    read, n_read = np.full((R, T, n, B), np.nan), np.zeros((R, T, n))
    own, webs = np.zeros((R, n, T, T)), np.zeros((R, B))
    cohort, n_cohort = np.zeros((R, n, T, T + 1)), np.zeros((R, T + 1))
    row = {t: j for j, t in enumerate(part["time"].values.tolist())}
    at = np.array([[row.get(int(t), -1) for t in one] for one in time])
    n_web = np.array([(time[0] < t).sum() for t in part["time"].values], float)
    log = None
    if "retrieved" in part:
        log = part["retrieved"].transpose("replicate", "time", "model", "draw").values
    for r in range(R):
        y = np.full((post.shape[1], B), np.nan)
        known = np.isfinite(post[r, :, 0])
        y[known] = components.weights(post[r][known].astype(np.float64))
        webs[r] = y[known & (time[r] < part["time"].values[-1])].sum(axis=0)
        until = known & (time[r] <= part["time"].values[-1])
        np.add.at(n_cohort[r], at[r, until] + 1, 1.0)
        for j, t in enumerate(part["time"].values):
            for i in range(n):
                if log is None:
                    rows = np.flatnonzero(time[r] < t)
                else:
                    rows = log[r, j, i][log[r, j, i] >= 0]
                if (time[r, rows] >= t).any():
                    got = f"posts that were read at time {t} and made at {time[r, rows].max()}"
                    raise InputError("ds", got, "times as the run had them, none left out")
                rows = rows[known[rows]]
                if not rows.size:
                    continue
                read[r, j, i], n_read[r, j, i] = y[rows].mean(axis=0), rows.size
                mine = rows[(writer[r, rows] == i) & (at[r, rows] >= 0)]
                np.add.at(own[r, i, j], at[r, mine], 1.0 / rows.size)
                np.add.at(cohort[r, i, j], at[r, rows] + 1, 1.0 / rows.size)
    last = author[0][(time[0] == time[0].max()) & (author[0] >= 0)]
    posted = int(np.bincount(last, minlength=1).max()) if last.size else 0
    before = time < part["time"].values[0]
    start = post[before & np.isfinite(post[..., 0])].astype(np.float64)
    first = components.weights(start).mean(axis=0) if len(start) else np.zeros(B)
    n_first = int(before.sum(axis=1).max())
    return read, n_read, own, cohort, n_cohort, webs, n_web, posted, 1, first, n_first


def _from_answers(
    part: xr.Dataset,
    components: Components,
    y: FloatArray,
    there: NDArray[np.bool_],
    source: str,
) -> tuple[Any, ...]:
    """Return what was read where all answers are posts, or where it is not known which are."""
    R, T, n, L, B = y.shape
    read, n_read = np.full((R, T, n, B), np.nan), np.zeros((R, T, n))
    own, webs, n_web = np.zeros((R, n, T, T)), np.zeros((R, B)), np.zeros(T)
    cohort, n_cohort = np.zeros((R, n, T, T + 1)), np.zeros((R, T + 1))
    mixtures = source == "mixtures"
    after = check_mixtures(part)[0] if mixtures else False
    # In mixtures what is read at t gives the weights of t + 1, and what stands on the web then
    # is of the times before t; posts after an update are of the time that it leaves.
    lag = 1 if not mixtures or after else 2
    k = part["n_retrieved"].values if mixtures else None
    filled = np.where(there[..., None], y, 0.0)
    points = np.empty((R, 0, B))
    if "initial_point" in part:
        x = part["initial_point"].transpose("replicate", "post", "feature").values
        points = np.array([components.weights(one.astype(np.float64)) for one in x])
    for r, first in enumerate(points):
        sums, count = filled[r].sum(axis=2), there[r].sum(axis=2)
        n_cohort[r] = np.r_[len(first), count.sum(axis=1)]
        for j in range(1, T):
            # The first weights of mixtures that post after their update were never posted.
            begin = 1 if mixtures and after else 0
            used = slice(begin, max(begin, j - lag + 1))
            number = len(first) + count[used].sum()
            if not number:
                continue
            webs[r] = first.sum(axis=0) + sums[used].sum(axis=(0, 1))
            read[r, j] = webs[r] / number
            n_web[j] = number
            n_read[r, j] = number if k is None else _reads(k, j - 1)
            own[r, :, j, used] = count[used].T / number
            cohort[r, :, j, 0] = len(first) / number
            cohort[r, :, j, 1:][:, used] = count[used].sum(axis=1) / number
        read[r, n_read[r] <= 0] = np.nan
    n_first = points.shape[1]
    start = points.mean(axis=(0, 1)) if n_first else np.zeros(B)
    return read, n_read, own, cohort, n_cohort, webs, n_web, L, lag, start, n_first


def _reads(k: NDArray[np.int64], j: int) -> FloatArray:
    return np.asarray(k[j], dtype=float)
