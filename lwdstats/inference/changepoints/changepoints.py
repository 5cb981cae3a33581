"""Sudden falls and jumps of ||D||_F beside a smooth decay."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError, check_choice, check_integer, is_number
from lwdstats.inference.ar1 import ar1_phi, whiten
from lwdstats.inference.changepoints import search as kernel
from lwdstats.inference.changepoints.misfit import least_misfit
from lwdstats.inference.changepoints.result import LAWS, ChangePoints
from lwdstats.inference.curves import Curves, curves, since_time, warn_far
from lwdstats.streams import resolve_seed

_LEAST_TIMES = 20
# Largest share of values not above 0, which have no logarithm.
_SHARE = 0.1
_ROUNDS = 10


def changepoints(
    x: xr.Dataset | xr.DataArray | npt.ArrayLike,
    *,
    law: str = "power",
    since: float | None = None,
    false_alarm: float = 0.05,
    min_size: int = 5,
    n_bootstrap: int = 999,
    debias: bool | None = None,
    embedding: str = "embedding",
    seed: int | str | None = None,
) -> ChangePoints:
    """Find sudden falls and jumps of ||D||_F that a smooth decay does not account for.

    Parameters
    ----------
    x : xarray.Dataset, xarray.DataArray or array_like, shape (T,) or (T, R)
        Curves over time, at least 20 times; a dataset stands for its ||D||_F.
        Replicates are taken one by one, never together.
    law : {"power", "exponential"}
        The smooth decay of the null hypothesis: ``c + a (t + 1)^-b``, t counting
        recorded steps (their median) from time 0, or ``c + a exp(-rate t)``, which
        knows no time 0; a > 0 and c >= 0.
    since : float, optional
        First time used. The null hypothesis need not hold before it, and no change is
        looked for there. None leaves out the first tenth of the times, or what
        leaves 20.
    false_alarm : float
        The probability that a path under the null hypothesis gets one or more
        changes; for each replicate.
    min_size : int
        The shortest stretch before, between and after changes, in recorded
        times. A change closer to an end is not looked for.
    n_bootstrap : int
        Number of paths simulated for each replicate's penalty; at least
        ``1 / false_alarm - 1``.
    debias, embedding : bool, optional, and str
        As of a dataset's `fnorm`; `debias` by default where it is made of two answers or more.
    seed : int or str, optional
        Seed of the simulated paths; drawn and kept in the result when None.

    Returns
    -------
    ChangePoints
        Changes with their times and ratios, and p of each replicate.

    Raises
    ------
    InputError
        If an argument is not as above.

    Notes
    -----
    The null hypothesis for a path is ``y_t = m(t) exp(e_t)`` from time `since` on: a
    smooth law m, and relative noise e that is a stationary Gaussian AR(1) from one
    recorded time to the next, with phi of -0.5 to 0.9. A change multiplies the curve by
    a ratio from its time on.

    For each time a step is set beside the law; the statistic is the largest gain of the
    sum of squares, and the penalty the quantile of that on `n_bootstrap` paths simulated
    without a change, ``p = (number of simulated >= observed, + 1) / (n_bootstrap + 1)``.
    Further changes are added while one is worth the penalty. Only "none against some"
    has the stated error rate; the times and the number are estimates. All steps of it,
    and where it stops: ``docs/methods.md``.

    Paths of which more than a tenth of the values are not above 0, such as a debiased
    norm that has reached 0, are not tested and say so: use the plain ``fnorm(ds)``.

    A curve of another shape than the law can look like a change: the straight line
    ``1 - t / 101`` gives two. Draw the result before reading a change into a path,
    and try the other `law`. Rates of false alarms and power are measured:
    ``benchmarks/validity/size_curves.md``.

    References
    ----------
    Davidson, R. and MacKinnon, J. G. (1999), Econometric Theory 15, 361-376.
    Killick, R., Fearnhead, P. and Eckley, I. A. (2012), Journal of the American
    Statistical Association 107, 1590-1598.
    Truong, C., Oudre, L. and Vayatis, N. (2020), Signal Processing 167, 107299
    (ruptures).
    Andrews, D. W. K. (1993), Econometrica 61, 821-856 (statistics over unknown times).

    Examples
    --------
    >>> import numpy as np
    >>> t = np.arange(80)
    >>> noise = np.random.default_rng(1).normal(size=80)
    >>> y = (0.2 + 1 / (t + 1)) * np.exp(0.1 * noise)
    >>> y[50:] /= 2
    >>> found = changepoints(y, n_bootstrap=199, seed=1)
    >>> found.table["time"].tolist()
    [50.0]
    """
    check_choice("law", law, tuple(LAWS))
    if not is_number(false_alarm) or not 0 < false_alarm < 1:
        raise InputError("false_alarm", false_alarm, "a number between 0 and 1")
    B = check_integer("n_bootstrap", n_bootstrap, minimum=1)
    rank = math.floor(false_alarm * (B + 1) + 1e-9)
    if rank < 1:
        takes = f"at least {math.ceil(1 / false_alarm) - 1}, for a false_alarm of {false_alarm}"
        raise InputError("n_bootstrap", B, takes)
    min_size = check_integer("min_size", min_size, minimum=2)
    whole = curves(x, debias=debias, embedding=embedding)
    curve = _part(whole, since, max(_LEAST_TIMES, 3 * min_size))
    n = len(curve.time)
    if curve.time[0] < 0:
        raise InputError("x: time", f"a first time of {curve.time[0]:g}", "times from 0 on")
    if law == "power":
        warn_far(whole.time)
    root = resolve_seed(seed)

    u = law_clock(law, curve.time, float(np.median(np.diff(whole.time))))
    rows: list[dict[str, Any]] = []
    changes: list[dict[str, Any]] = []
    fitted = np.full(whole.values.shape, np.nan)
    for j, (replicate, y) in enumerate(zip(curve.replicates, curve.values.T, strict=True)):
        low = y <= 0
        unknown = dict.fromkeys(("statistic", "penalty", "p_value", "ar1", "ar1_null"), math.nan)
        row = {"n_changes": 0, **unknown, "n_replaced": int(low.sum()), "note": ""}
        rows.append(row)
        if low.sum() > _SHARE * n:
            late = f" from time {curve.time[0]:g} on" if n < len(whole.time) else ""
            row["note"] = f"as {low.sum()} of {n} values of x{late} are not above 0"
            continue
        positive = np.where(low, y[~low].min() / 2.0, y)
        logs = np.log(positive)[None]
        if least_misfit(positive, u) < kernel.LEAST_NOISE:
            row["note"] = "as x follows the law without noise"
            continue
        found = kernel.search(logs, u, min_size)
        # A stream for each replicate, so that one more leaves the others' p as they were.
        stream = np.random.SeedSequence(root, spawn_key=(j,))
        rng = np.random.Generator(np.random.SFC64(stream))
        null_fit = kernel.fit_null(logs, u)
        null = np.sort(kernel.null_gains(null_fit, u, min_size, B, rng))
        statistic, penalty = float(found.gain[0]), float(null[-rank])
        row |= {"statistic": statistic, "penalty": penalty}
        row |= {"ar1": float(found.phi[0]), "ar1_null": float(null_fit.phi[0])}
        row["p_value"] = (float(np.sum(null >= statistic)) + 1.0) / (B + 1.0)
        at: list[int] = []
        if statistic > penalty:
            at = _segment(logs, u, int(found.where[0]), penalty, min_size)
        row["n_changes"] = len(at)
        levels, smooth, _ = _with_changes(logs, u, at)
        path = np.exp(levels + smooth)
        fitted[-n:, j] = path
        for k in at:
            ratio = float(np.exp(levels[k] - levels[k - 1]))
            after = float(path[k])
            change = {"replicate": replicate, "time": float(curve.time[k])}
            changes.append(change | {"before": after / ratio, "after": after, "ratio": ratio})

    table = pd.DataFrame(changes, columns=["replicate", "time", "before", "after", "ratio"])
    paths = pd.DataFrame(rows, index=pd.Index(curve.replicates, name="replicate"))
    return ChangePoints(
        table,
        paths,
        law,
        float(curve.time[0]),
        float(false_alarm),
        min_size,
        B,
        root,
        whole.what,
        whole.time,
        whole.values,
        fitted,
    )


def law_clock(law: str, time: FloatArray, step: float) -> FloatArray:
    """Return the clock of a law at times (n,), from 0; `step` is the unit of its time."""
    u = LAWS[law].clock(time / step)
    # A shift of the clock is a factor of a, which may then leave the numbers there are.
    return u - u[0]


def _part(curve: Curves, since: float | None, least: int) -> Curves:
    """Return what is used of `curve`, at least `least` times."""
    n = len(curve.time)
    if n < least:
        takes = f"{_LEAST_TIMES} times or more, and three times min_size"
        raise InputError("x", f"{n} times", takes)
    if since is None:
        since = float(curve.time[min(n // 10, n - least)])
    return since_time(curve, since, least)


def _with_changes(
    logs: FloatArray, u: FloatArray, at: list[int]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Fit the law with changes at indices `at`; return levels, the law and residuals, (n,) each."""
    fit = kernel.fit_law(logs, u, kernel.stretches(logs.shape[1], at))
    smooth, residual = fit.smooth[0], fit.residual[0]
    return logs[0] - smooth - residual, smooth, residual


def _segment(
    logs: FloatArray, u: FloatArray, first: int, penalty: float, min_size: int
) -> list[int]:
    """Return the indices of all changes, given the first that was found.

    Changes are added one by one, the law being fitted beside them, while one is
    worth the penalty. PELT then sets all of them anew on the levels plus the
    whitened noise, the law being fitted with them, until they stay.
    """
    import ruptures

    at = [first]
    while (len(at) + 2) * min_size <= logs.shape[1]:
        found = kernel.search(logs, u, min_size, at)
        if found.gain[0] <= penalty:
            break
        at = sorted([*at, int(found.where[0])])
    for _ in range(_ROUNDS):
        levels, _, residual = _with_changes(logs, u, at)
        phi = ar1_phi(residual[None], 8.0 + 4.0 * len(at))
        noise = whiten(residual[None], phi)
        scale = np.maximum(kernel.spread(noise), kernel.LEAST_NOISE)
        scores = np.clip(noise / scale[:, None], -kernel.CLIP, kernel.CLIP)
        signal = (1.0 - phi[0]) * levels / scale[0] + scores[0]
        pelt = ruptures.KernelCPD(kernel="linear", min_size=min_size).fit(signal[:, None])
        again = [int(end) for end in (pelt.predict(pen=penalty) or [])[:-1]]
        # That there is a change is already decided.
        if not again or again == at:
            break
        at = again
    return at
