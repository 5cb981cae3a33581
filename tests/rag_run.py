"""Runs in the shape of those of language models, of a network of mixtures that is known."""

from __future__ import annotations

import numpy as np
import xarray as xr

from lwdstats.dataset.schema import attributes, describe


def rag_run(
    seed,
    *,
    n_models=3,
    n_steps=60,
    n_responses=40,
    n_components=3,
    kappa=1.0,
    share=0.0,
    own=None,
    memory=True,
    replicates=1,
    n_initial=20,
    beta=0.5,
    apart=6.0,
    n_features=10,
    with_log=True,
):
    """Return a dataset whose answers at t come from weights that `retrieved[t]` gave.

    Weights are those of Algorithm 3 with step size kappa / k and true ownerships; where
    `memory` is False the mean ownership of what is read; with a `share` of each read from
    laws `own` (n, B) of the models. One answer of each model is posted a step.
    """
    rng = np.random.default_rng(seed)
    n, T, L, B = n_models, n_steps, n_responses, n_components
    means = apart / np.sqrt(2.0) * np.eye(B, n_features)
    if own is None:
        own = np.random.default_rng(7).dirichlet(np.ones(B), n)
    N = n_initial + n * T
    k_last = int(beta * (n_initial + n * T))
    x = np.empty((T + 1, n, replicates, L, n_features), np.float32)
    weight = np.empty((T + 1, n, replicates, B))
    post = np.empty((replicates, N, n_features), np.float32)
    read = np.full((T + 1, n, replicates, k_last), -1, np.int32)
    time = np.r_[np.full(n_initial, -1), np.repeat(np.arange(T), n)]
    author = np.r_[np.full(n_initial, -1), np.tile(np.arange(n), T)]
    for r in range(replicates):
        label = np.empty(N, int)
        label[:n_initial] = rng.integers(B, size=n_initial)
        post[r, :n_initial] = means[label[:n_initial]] + rng.standard_normal(
            (n_initial, n_features)
        )
        pi = rng.dirichlet(np.ones(B), n)
        for t in range(T + 1):
            on_web = n_initial + n * t
            k = int(beta * on_web)
            for i in range(n):
                rows = rng.permutation(on_web)[:k]
                read[t, i, r, :k] = rows
                if t or not memory:
                    seen = np.eye(B)[label[rows]]
                    a = kappa / k
                    if memory:
                        told = np.where(
                            (rng.random(k) < share)[:, None],
                            np.eye(B)[rng.choice(B, k, p=own[i])],
                            seen,
                        )
                        steps = a * (1 - a) ** np.arange(k - 1, -1, -1)
                        pi[i] = (1 - a) ** k * pi[i] + steps @ told
                    else:
                        pi[i] = share * own[i] + (1 - share) * seen.mean(axis=0)
                of = rng.choice(B, L, p=pi[i] / pi[i].sum())
                x[t, i, r] = means[of] + rng.standard_normal((L, n_features))
                if t < T:
                    label[on_web + i] = of[0]
                    post[r, on_web + i] = x[t, i, r, 0]
            weight[t, :, r] = pi
    answer = ("time", "model", "replicate", "query", "response", "feature")
    row = ("replicate", "query", "post")
    variables = {"embedding": (answer, x[:, :, :, None])}
    if with_log:
        variables |= {
            "post_time": (row, np.tile(time, (replicates, 1, 1)).transpose(1, 0, 2).copy()),
            "post_model": (row, np.tile(author, (replicates, 1, 1)).transpose(1, 0, 2).copy()),
            "post_embedding": ((*row, "feature"), post[:, None]),
            "retrieved": ((*answer[:4], "draw"), read[:, :, :, None]),
        }
        for name in ("post_time", "post_model"):
            variables[name] = (row, variables[name][1].reshape(replicates, 1, N).astype(np.int32))
    coords = {
        "time": np.arange(T + 1),
        "model": [f"model {i}" for i in range(n)],
        "replicate": np.arange(replicates),
        "query": ["a question"],
        "response": np.arange(L),
        "feature": np.arange(n_features),
    }
    spec = {"simulator": None, "models": coords["model"]}
    ds = xr.Dataset(variables, coords, attributes("A known network", 1, spec))
    ds = describe(ds)
    ds.attrs["truth"] = ""
    return ds, weight
