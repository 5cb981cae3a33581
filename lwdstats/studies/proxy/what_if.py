"""The fitted network under another scenario."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from lwdstats.errors import InputError, check_integer
from lwdstats.scenario.scenario import Scenario, check_scenario
from lwdstats.simulate.gmm.simulate_gmm import simulate_gmm
from lwdstats.studies.proxy.fitted import Fitted
from lwdstats.studies.proxy.forecast import reads_alike, refuse_other_webs
from lwdstats.studies.proxy.future import whole
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
    if not given:
        refuse_other_webs(proxy)
    base: dict[str, Any] = {"posts": "after update"} if path.lag == 1 else {}
    if np.isnan(proxy.w):
        takes = "a proxy whose models do not keep all of their weights"
        raise InputError("proxy", "rho = 1, where w is not defined", takes)
    w = float(np.clip(proxy.w, 0.0, 1.0))
    if w > 0:
        base["anchors"] = (w, proxy.prior_weights(0).tolist())
    still = proxy.still(0).tolist()
    if still or "frozen" in given:
        # Models that never read are bots in every scenario.
        base["frozen"] = still
        given["frozen"] = sorted({*still, *given.get("frozen", [])}, key=str)
    k, N = path.n_read.max(axis=(0, 2)), float(path.n_web[-1])
    if reads_alike(k):
        base["n_read"] = int(k[-1])
    # Steps that keep rho of the weights whatever is read; where nothing is kept, a mean of it.
    if proxy.rho > 0:
        how: dict[str, Any] = {"step_size": f"1 - {min(proxy.rho, 0.999):.12g}^(1/k)"}
    else:
        how = {"update": "refit"}
    weights = proxy.first_weights(0)
    unknown: Any = ~np.isfinite(weights).all(axis=(0, 2))
    if names := [str(name) for name, lost in zip(proxy.models, unknown, strict=True) if lost]:
        got = f"a run in which answers of {', '.join(names)} do not tell the first weights"
        raise InputError("proxy", got, "one with answers, and known reads, of all models")
    labels = _labels(path.first, path.n_first)
    T = len(proxy.times) - 1 if n_steps is None else n_steps
    ahead = int(path.lag == 1)
    replicates = check_integer("replicates", replicates, minimum=1)
    ds = simulate_gmm(
        len(proxy.models),
        B,
        means=_APART * np.arange(B),
        n_steps=T + ahead,
        n_responses=max(path.n_posted, 1),
        beta=min(1.0, (float(k[-1]) + 0.5) / N),
        # Each replicate of the run in turn.
        initial_weights=on_simplex(weights, 1e-3)[np.arange(replicates) % len(weights)],
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
    """Return labels (number,) of components in given shares, as nearly as whole numbers can."""
    counts = whole(share, number)
    return np.repeat(np.arange(len(counts)), counts)
