"""Fit a network of Gaussian mixtures to a run, of language models or of mixtures."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr
from scipy import stats

from lwdstats.arrays import FloatArray
from lwdstats.dataset.embeddings.choose_embedding import by_embedding
from lwdstats.dataset.schema import validate
from lwdstats.errors import InputError, check_choice, check_integer, check_level
from lwdstats.streams import resolve_seed
from lwdstats.studies.proxy.components import Components, fit_components, moments_of
from lwdstats.studies.proxy.contraction import directions
from lwdstats.studies.proxy.estimate import FORMS, anchors, estimate, naive_rho
from lwdstats.studies.proxy.forecast import measured
from lwdstats.studies.proxy.likelihood import Series, series_of
from lwdstats.studies.proxy.paths import Paths, check_mixtures, check_web, paths_of, source_of
from lwdstats.studies.proxy.result import Proxy

_MOST_COMPONENTS = 6
# What is warned of, by sizes and coverages in benchmarks/validity/proxy.md.
_OVERLAP, _WIDE, _SHORT, _FEW = 0.2, 0.5, 20, 5


def fit_proxy(
    ds: xr.Dataset,
    n_components: int | Sequence[int] | None = None,
    *,
    form: str | None = None,
    n_dims: int = 10,
    n_starts: int = 20,
    level: float = 0.95,
    embedding: str = "embedding",
    seed: int | str | None = None,
) -> Proxy:
    """Fit a network of Gaussian mixtures to a run, and estimate how its models learn.

    Answers are sorted into components; the shares of these, a model's weights, follow
    ``pi_t = rho pi_(t-1) + (1 - rho) (w u + (1 - w) y_t)`` with y_t the mean of what was read,
    rho what is kept, w the share of a prior u of the model's own.

    Parameters
    ----------
    ds : xarray.Dataset
        A run, with several answers of each model at each time; some may be missing.
    n_components : int or sequence of int, optional
        B, or those among which BIC chooses; by default 2 to 6.
    form : {"anchored", "memoryless", "network"}, optional
        rho and w free; rho = 0; or w = 0, as in the paper. By default "network" for mixtures
        without anchors and "anchored" else: given what it reads, a language model with
        retrieval has no memory, so that there rho = 0 is what `tidy` tests.
    n_dims : int
        Principal components in which mixtures are sought.
    n_starts : int
        Starts of the mixture's fit, of which the likeliest is taken.
    level : float
        Of the intervals.
    embedding : str
        Which embedding of the answers, as `choose_embedding` takes it.
    seed : int or str, optional
        Drawn and kept in the result where not given.

    Returns
    -------
    Proxy
        With `confint`, `forecast`, `simulate`, `check`, `priors`, `augment` and pictures.

    Warns
    -----
    UserWarning
        Of what makes estimates unreliable: overlap, components that one start alone found,
        models left out, intervals that say little, priors where the form has none, few steps or
        answers, what was read not being known.

    Raises
    ------
    InputError
        If the dataset has no answers, one answer a model, or does not say what was on the web.

    Notes
    -----
    Responsibilities are unmixed, so that weights are linear in the answers and unbiased if the
    components are right. Weights are measured with error, by finitely many answers: a state
    space likelihood (REML) takes account of it. In mixtures what is read at t gives the weights
    of t + 1, in a run of language models ``retrieved[t]`` gave the answers of t. Components are
    those of each query; rho and w are the same for all. From five replicates on, intervals rest
    on their spread; else they are of the profile likelihood, widened where scores vary more, and
    of Student's t with Satterthwaite's degrees of freedom where few steps tell their variance.
    Where components overlap, kappa (step size times k) allows for their slower contraction.

    References
    ----------
    Wang, Pang, Horiguchi and Priebe, "LLM Web Dynamics", Algorithms 1 to 3.
    Satterthwaite, F. E. (1946), Biometrics Bulletin 2, 110-114.
    Harvey (1989), Forecasting, Structural Time Series Models and the Kalman Filter, 3.4.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> posts = [[-5.0]] * 30 + [[5.0]] * 10
    >>> ds = lwd.simulate_gmm(5, n_responses=40, initial_points=posts, n_steps=30, seed=2)
    >>> proxy = lwd.fit_proxy(ds, 2, seed=1)
    >>> bool(proxy.confint()["rho"][0] < 0.37 < proxy.confint()["rho"][1])
    True
    """
    ds = validate(by_embedding(ds, embedding, "ds"))
    if "embedding" not in ds:
        raise InputError("ds", "weights alone", "a run with the answers' embeddings")
    if form is not None:
        check_choice("form", form, FORMS)
    counts = _counts(n_components)
    n_dims = check_integer("n_dims", n_dims, minimum=1)
    n_starts = check_integer("n_starts", n_starts, minimum=1)
    check_level(level)
    root = resolve_seed(seed)
    _check_run(ds)
    source = source_of(ds)
    has_anchors = True
    if source == "mixtures":
        after, has_anchors = check_mixtures(ds)
        check_web(ds, after)
    form = form or ("anchored" if has_anchors else "network")
    rng = np.random.default_rng([root % 2**64, root >> 64, 1])
    n_queries = ds.sizes.get("query", 1)
    parts, paths, moments, nearest = [], [], [], []
    for q in range(n_queries):
        x, texts = _answers(ds, q)
        tried = _tried(x, counts, n_components is None)
        parts.append(fit_components(x, tried, n_dims, n_starts, rng))
        paths.append(paths_of(ds, parts[q], q))
        y = parts[q].weights(x)
        moments.append(moments_of(parts[q], x, y))
        nearest.append(_nearest(parts[q], x, moments[q][0], texts))
    fit = estimate(_series(paths, form == "network"), form)
    own = tuple(anchors(fit, q) for q in range(n_queries))
    # Of what a network without priors leaves, at a rho that priors do not bias.
    free = estimate(_series(paths, False), "centred")
    tests = [anchors(free, q) for q in range(n_queries)]
    chi, df = sum(one.chi_squared for one in tests), sum(one.df for one in tests)
    spread = tuple(
        directions(part.mixing, _gaps(path)) for part, path in zip(parts, paths, strict=True)
    )
    k = np.concatenate([path.n_read[path.n_read > 0].ravel() for path in paths])
    proxy = Proxy(
        form, source, tuple(parts), tuple(paths), fit, own,
        (float(chi), float(df), _chi2_sf(chi, df)), free.rho, naive_rho(fit.series), k, spread,
        tuple(moments), tuple(nearest), measured(ds, paths), tuple(ds["model"].values.tolist()),
        tuple(ds["replicate"].values.tolist()), _queries(ds), ds["time"].values.astype(float),
        float(level), (), root,
    )  # fmt: skip
    return _warned(proxy, counts, n_starts)


def _counts(n_components: Any) -> list[int]:
    """Return the numbers of components to try."""
    if n_components is None:
        return list(range(2, _MOST_COMPONENTS + 1))
    several = n_components
    if not isinstance(several, Sequence | np.ndarray) or np.ndim(several) == 0:
        several = [n_components]
    if isinstance(n_components, str) or not len(several) or np.ndim(several) > 1:
        raise InputError("n_components", repr(n_components), "an integer of 2 or more, or several")
    found = [check_integer("n_components", one, minimum=1) for one in several]
    if max(found) < 2:
        raise InputError("n_components", n_components, "2 or more: the weight of one is always 1")
    return sorted(set(found))


def _tried(x: FloatArray, counts: list[int], may_leave_out: bool) -> list[int]:
    """Return the numbers of components that answers (N, d) can have: no more than differ."""
    distinct = len({row.tobytes() for row in x})
    if distinct < 2:
        got = "answers that are all the same" if len(x) else "no answers"
        raise InputError("ds", got, "answers to each query that differ")
    if may_leave_out:
        return [B for B in counts if distinct >= B]
    if counts[-1] > distinct:
        takes = f"no more than there are different answers, {distinct}"
        raise InputError("n_components", counts[-1], takes)
    return counts


def _check_run(ds: xr.Dataset) -> None:
    times = ds["time"].values
    if len(times) < 4:
        raise InputError("ds", f"{len(times)} times", "a run of 4 times or more")
    # A step is what rho is of: of a run that was thinned it would be of several steps.
    if (wide := np.diff(times) != 1).any():
        t = int(np.argmax(wide))
        got = f"time {times[t + 1]} after {times[t]}"
        raise InputError(
            "ds", got, "all times of a run; where none is left out, number them 0, 1, ..."
        )
    if ds.sizes["response"] < 2:
        raise InputError("ds", "one answer a model", "two or more, by which the error is known")


def _answers(ds: xr.Dataset, q: int) -> tuple[FloatArray, list[str]]:
    """Return the answers that are there, (N, d), and their texts, if there are any."""
    part = ds.isel(query=q) if "query" in ds.dims else ds
    dims = ("replicate", "time", "model", "response")
    x = part["embedding"].transpose(*dims, "feature").values
    x = x.reshape(-1, x.shape[-1]).astype(np.float64)
    known = np.isfinite(x[:, 0])
    texts: list[str] = []
    if "text" in part:
        texts = [str(t) for t in part["text"].transpose(*dims).values.ravel()[known]]
    return x[known], texts


def _nearest(
    components: Components, x: FloatArray, means: FloatArray, texts: list[str]
) -> tuple[str, ...]:
    if not texts:
        return ()
    z = components.coordinates(x)
    return tuple(texts[int(((z - mean) ** 2).sum(axis=1).argmin())] for mean in means)


def _series(paths: Sequence[Paths], less: bool) -> list[Series]:
    """Return the series of all queries; steps vary less the more is read, or all alike."""
    out = []
    for q, path in enumerate(paths):
        out += series_of(path, less, q)
    if not out:
        raise InputError(
            "ds", "no model that reads at three times", "a run of which reads are known"
        )
    return out


def _gaps(path: Paths) -> FloatArray:
    """Return the second moment (B, B) of weights less what is read next, without their error."""
    gap = path.weight[:, :-1] - path.read[:, 1:]
    gap = gap[np.isfinite(gap).all(axis=-1)]
    noise = path.noise_cov.mean(axis=0)
    second = gap.T @ gap / max(len(gap), 1) - noise
    values, vectors = np.linalg.eigh(second)
    if values.max() <= 0:
        return gap.T @ gap
    return (vectors * np.maximum(values, 0.0)) @ vectors.T


def _queries(ds: xr.Dataset) -> tuple[Any, ...]:
    return tuple(ds["query"].values.tolist()) if "query" in ds.coords else (0,)


def _chi2_sf(chi: float, df: float) -> float:
    return float(stats.chi2.sf(chi, df)) if df else float("nan")


def _warned(proxy: Proxy, counts: list[int], n_starts: int) -> Proxy:
    """Return the proxy with its warnings, after giving them."""
    notes = _notes(proxy, counts, n_starts)
    for note in notes:
        warnings.warn(note, UserWarning, stacklevel=3)
    return replace(proxy, notes=tuple(notes))


def _notes(proxy: Proxy, counts: list[int], n_starts: int) -> list[str]:
    notes = []
    chosen = [c.n for c in proxy.components]
    if len(counts) > 1 and counts[-1] in chosen:
        notes.append(f"BIC chose the largest number of components that was tried, {counts[-1]}")
    if 1 in chosen:
        notes.append("BIC prefers one component, whose weight is always 1")
    if n_starts > 1 and any(c.reached == 1 for c in proxy.components):
        notes.append(
            f"the likeliest components were found by one of {n_starts} starts: another seed may "
            "find others, and other estimates; more n_starts tell"
        )
    if proxy.source in ("web", "answers"):
        what = (
            "what each model read is" if proxy.source == "web" else "the web and what was read are"
        )
        notes.append(
            f"{what} not in the dataset, so that averages stand for it: estimates are weaker"
        )
    for q, path in enumerate(proxy.paths):
        if still := [str(proxy.models[i]) for i in proxy.still(q)]:
            whose = f" to query {proxy.queries[q]!r}" if len(proxy.paths) > 1 else ""
            notes.append(
                f"{', '.join(still)}{whose}: never read as far as is known, so left out of the "
                "estimates; forecasts and simulations keep such a model at the mean of its answers"
            )
        alone = set(range(len(proxy.models))) - {*proxy.still(q), *proxy.anchors[q].models}
        if few := [str(proxy.models[i]) for i in sorted(alone)]:
            notes.append(
                f"{', '.join(few)}: answers at fewer than three times without a gap in what is "
                "known to be read, so left out of the estimates"
            )
        if lost := [proxy.replicates[r] for r in np.flatnonzero(~path.n_answers.any(axis=(1, 2)))]:
            notes.append(f"replicate {', '.join(map(str, lost))}: no answers at all")
    overlap = 1.0 - min(float(values.min()) for values, _ in proxy.spread)
    if overlap > _OVERLAP:
        notes.append(
            f"components overlap by {overlap:.2f}: rho is the contraction of overlapping "
            "weights, and kappa allows for it as if true components were those fitted"
        )
    if len(proxy.times) < _SHORT:
        notes.append(f"{len(proxy.times)} times are few for intervals that rest on long runs")
    fewest = min(int(path.n_answers[path.n_answers > 0].min()) for path in proxy.paths)
    if fewest < _FEW:
        notes.append(f"{fewest} answers a model at the least: their error is most of what is seen")
    if proxy.form != "memoryless":
        low, high = proxy.fit.rho_interval(proxy.level)
        if not high - low <= _WIDE:
            notes.append(
                f"rho is hardly known: its interval goes from {low:.2f} to {high:.2f}; more "
                "answers, steps or replicates narrow it"
            )
        if proxy.form == "anchored" and np.isnan(proxy.w):
            notes.append("rho is 1, where what is read moves nothing and w is not defined")
        elif proxy.rho > 0.9:
            notes.append("rho is near to 1, where what is read moves nothing and w means little")
    if proxy.form == "memoryless" and proxy.anchor_test_rho > 0.9 and proxy.anchor_test[2] > 0.05:
        notes.append(
            "models hardly move: without priors, but keeping their weights (rho = "
            f"{proxy.anchor_test_rho:.2f}), they would look the same, so that the test of priors "
            "says nothing, and w rests on the form that was asked for"
        )
    if proxy.form == "network" and proxy.anchor_test[2] < 0.05:
        notes.append(
            "models seem to have priors of their own "
            f'(p = {proxy.anchor_test[2]:.2g}), which bias rho upwards: form="anchored" has them'
        )
    return notes
