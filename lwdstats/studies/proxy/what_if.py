"""The fitted network under another scenario."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from lwdstats.errors import InputError
from lwdstats.scenario.scenario import Scenario, check_scenario
from lwdstats.simulate.gmm.simulate_gmm import simulate_gmm
from lwdstats.studies.proxy.fitted import Fitted
from lwdstats.studies.proxy.states import on_simplex

# Components so far apart that ownership is certain: overlap is in the fitted contraction already.
_APART = 20.0


def simulated(
    proxy: Fitted, scenario: Any, n_steps: int | None, replicates: int, seed: int | None
) -> xr.Dataset:
    """Return weights of the fitted network from its start under a scenario."""
    n_queries = len(proxy.queries)
    if n_queries > 1:
        got = f"a proxy of {n_queries} queries"
        raise InputError("proxy", got, "that of one query: fit_proxy(ds.isel(query=[0]))")
    path, B = proxy.paths[0], proxy.components[0].n
    given = check_scenario(scenario).to_json()
    base: dict[str, Any] = {"posts": "after update"} if path.lag == 1 else {}
    w = float(np.clip(proxy.w, 0.0, 1.0))
    if w > 0:
        base["anchors"] = (w, proxy.prior_weights(0).tolist())
    # Steps that keep rho of the weights whatever is read; where nothing is kept, a mean of it.
    if proxy.rho > 0:
        how: dict[str, Any] = {"step_size": f"1 - {min(proxy.rho, 0.999):.12g}^(1/k)"}
    else:
        how = {"update": "refit"}
    first = np.flatnonzero(np.isfinite(path.read).all(axis=(0, 2, 3)))
    start = int(first[0]) if first.size else 1
    n0 = int(path.n_web[start] - len(proxy.models) * path.n_posted * max(start - path.lag + 1, 0))
    labels = _labels(path.read[0, start, 0], n0)
    weights = on_simplex(proxy.predictions(0)[1][0, 0], 1e-3)
    k, N = float(proxy.n_read[-1]), float(path.n_web[-1])
    T = len(proxy.times) - 1 if n_steps is None else n_steps
    ahead = int(path.lag == 1)
    ds = simulate_gmm(
        len(proxy.models),
        B,
        means=_APART * np.arange(B),
        n_steps=T + ahead,
        n_responses=max(path.n_posted, 1),
        beta=min(1.0, (k + 0.5) / N),
        initial_weights=weights,
        initial_points=None if not labels.size else _APART * labels[:, None],
        complexity=0.0,
        scenario=Scenario.from_json(base | given),
        replicates=replicates,
        seed=seed,
        **how,
    )
    # What is read at a step gives the answers of that step: a language model's time 0 is the
    # mixtures' time 1.
    kept = [name for name in ds.data_vars if name in ("weight", "n_web", "n_retrieved")]
    ds = ds[kept].isel(time=slice(ahead, None))
    return ds.assign_coords(time=ds["time"] - ahead, model=list(proxy.models))


def _labels(share: np.ndarray, number: int) -> np.ndarray:
    """Return whole numbers of components in given shares, as labels."""
    counts = np.floor(on_simplex(share) * number + 0.5).astype(int)
    return np.repeat(np.arange(len(counts)), counts)
