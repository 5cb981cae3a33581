"""`power_test` beside brute force: studies simulated one by one and tested, with other seeds.

    .venv/bin/python benchmarks/validity/power.py 300   # studies a setting, each way
    .venv/bin/python benchmarks/validity/power.py 300 0 4   # of these settings, from 0

Prints the rows of power.md.
"""

from __future__ import annotations

import sys

import numpy as np

import lwdstats as lwd

NEAR = {"n_models": 3, "means": [-1.0, 1.0]}
APART = NEAR | {"initial_weights": [[0.3, 0.7], [0.5, 0.5], [0.7, 0.3]]}
FAR = APART | {"means": [-5.0, 5.0]}
LIMIT = {"n_models": 3, "scenario": {"anchors": [0.3, [[0.8, 0.2], [0.5, 0.5], [0.2, 0.8]]]}}
FAST = {"initial_weights": [[0.2, 0.8], [0.5, 0.5], [0.75, 0.25]]}
# Test, source, and what is given: one of the four is None where it is found for a power. The
# last four are of weights that have moved.
SETTINGS = [
    ("collapse_test", APART, {"n_replicates": 2, "n_responses": 20, "n_steps": 1}),
    ("collapse_test", APART, {"n_replicates": 5, "n_responses": 20, "n_steps": 1}),
    ("collapse_test", APART, {"n_replicates": 2, "n_responses": 20, "n_steps": 5}),
    ("collapse_test", APART, {"n_replicates": 2, "n_responses": 20, "n_steps": 1, "effect": 1.5}),
    ("collapse_test", APART, {"n_responses": 20, "n_steps": 1, "power": 0.8}),
    ("collapse_test", APART, {"n_replicates": 2, "n_steps": 1, "power": 0.7}),
    ("convergence_test", LIMIT, {"n_replicates": 5, "n_responses": 3, "n_steps": 30}),
    ("convergence_test", LIMIT, {"n_replicates": 10, "n_responses": 3, "n_steps": 60}),
    ("convergence_test", NEAR, {"n_replicates": 10, "n_responses": 3, "n_steps": 60}),
    ("convergence_test", LIMIT, {"n_responses": 3, "n_steps": 30, "power": 0.8}),
    ("check_decay", FAST, {"n_replicates": 20, "n_responses": 10, "n_steps": 8}),
    ("check_decay", FAST, {"n_replicates": 60, "n_responses": 10, "n_steps": 8}),
    ("collapse_test", FAR, {"n_replicates": 2, "n_responses": 20, "n_steps": 2}),
    ("collapse_test", FAR, {"n_replicates": 1, "n_responses": 40, "n_steps": 2}),
    ("collapse_test, f", FAR, {"n_replicates": 2, "n_responses": 20, "n_steps": 2}),
    ("collapse_test, f", FAR, {"n_replicates": 5, "n_responses": 20, "n_steps": 3}),
]
OPTIONS = {
    "collapse_test": {"permutations": 99},
    "collapse_test, f": {"permutations": 99, "statistic": "f"},
    "convergence_test": {},
    "check_decay": {"n_draws": 199},
}


def brute(name, source, found, n_sim, seeds):
    """Return how often studies of these numbers, from a seed on, end as power counts."""
    spec = dict(source)
    if "initial_weights" in spec:
        start = np.array(spec["initial_weights"])
        spec["initial_weights"] = start.mean(0) + found.effect * (start - start.mean(0))
    hits = 0
    for seed in range(n_sim):
        ds = lwd.simulate_gmm(
            **spec,
            n_steps=found.n_steps,
            n_responses=found.n_responses,
            replicates=found.n_replicates,
            seed=seeds + seed,
        )
        if found.test == "collapse_test":
            test = lwd.collapse_test(ds, found.n_steps, **OPTIONS[name], seed=seed)
            hits += float(test.table["p_value"].iloc[0]) <= 0.05
        elif name == "convergence_test":
            hits += lwd.convergence_test(ds).p_value <= 0.05
        else:
            check = lwd.check_decay(ds, n_draws=199, seed=seed)
            hits += check.verdict.startswith("agrees")
    return hits / n_sim


def main(n_sim, only=()):
    """Print a row for each setting."""
    print("| test | R | L | T | effect | found | by | power_test | brute force | z |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for j, (name, source, given) in enumerate(SETTINGS):
        if only and j not in only:
            continue
        options = OPTIONS[name]
        found = lwd.power_test(
            name.split(",")[0], source, **given, n_sim=n_sim, options=options, seed=j
        )
        other = brute(name, source, found, n_sim, 90_000 + 1000 * j)
        # By theory the error is that of brute force alone, else that of both.
        exact = found.method == "theory"
        both = found.power if exact else (found.power + other) / 2
        error = max(np.sqrt((2 - exact) * both * (1 - both) / n_sim), 0.5 / n_sim)
        print(
            f"| {name} | {found.n_replicates} | {found.n_responses} | {found.n_steps} | "
            f"{found.effect:g} | {found.found} | {found.method} | {found.power:.2f} | "
            f"{other:.2f} | "
            f"{(found.power - other) / error:+.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]), [int(one) for one in sys.argv[2:]])
