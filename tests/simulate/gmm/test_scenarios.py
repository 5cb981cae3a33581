"""`simulate_gmm` in scenarios, held to a slow and literal loop."""

import functools

import literal_scenario
import numpy as np
import pytest
from scipy import stats

import lwdstats as lwd

MEANS = [-1.5, 1.5]
FIRST = [[0.9, 0.1], [0.5, 0.5], [0.2, 0.8], [0.7, 0.3]]
INITIAL = [-2.0, -1.0, -1.5, 0.25, 1.0]
N_STEPS, N_RESPONSES, BETA, EPS, C = 6, 2, 0.6, 1e-2, 0.01
LAW, OTHER = [0.15, 0.85], [0.6, 0.4]
LAWS = [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0], [0.3, 0.7]]
RING = [[1, 1, 0, 1], [1, 1, 1, 0], [0, 1, 1, 1], [1, 0, 1, 1]]
WEIGHTS = [[0.1, 0.7, 0.2, 0], [0.5, 0, 0, 0.5], [0.25] * 4, [0, 0, 1.0, 0.3]]
ALL = [[1] * 4] * 4
CHAIN = [[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1]]
FRESH = {"fresh": 1, "fresh_from": ("law", [0.5, 0.5])}

# A scenario as the package takes it, and in the plain words of the literal loop.
CASES = {
    "paper": ({}, {}),
    "replace": ({"keep": "last"}, {"keep": ("last", 1)}),
    "window": ({"keep": ("last", 2)}, {"keep": ("last", 2)}),
    "random": ({"keep": ("random", 11)}, {"keep": ("random", 11)}),
    "reservoir": ({"keep": ("reservoir", 6)}, {"keep": ("reservoir", 6)}),
    "fresh": (
        {"keep": "last", "fresh": 3, "fresh_from": LAW},
        {"keep": ("last", 1), "fresh": 3, "fresh_from": ("law", LAW)},
    ),
    "fresh share of points": (
        {"fresh": 0.3, "fresh_from": [[2.0], [3.0], [-1.0]]},
        {"fresh": 0.3, "fresh_from": ("points", [2.0, 3.0, -1.0])},
    ),
    "fresh default": ({"fresh": 4}, {"fresh": 4, "fresh_from": ("law", [0.5, 0.5])}),
    "read real": ({"fresh": 1, "read_real": 0.8}, {**FRESH, "read_real": ("share", 0.8)}),
    "read real at random": (
        {"keep": ("last", 2), "fresh": 4, "fresh_from": LAW, "read_real": ("random", 0.4)},
        {"keep": ("last", 2), "fresh": 4, "fresh_from": ("law", LAW), "read_real": ("random", 0.4)},
    ),
    "real weight": (
        {"fresh": 2, "fresh_from": LAW, "real_weight": 0.7},
        {"fresh": 2, "fresh_from": ("law", LAW), "real_weight": 0.7},
    ),
    "n_read": ({"n_read": 4}, {"n_read": lambda size: min(size, 4)}),
    "rule of N": ({"n_read": "2 sqrt(N)"}, {"n_read": lambda size: int(2 * size**0.5 + 1e-9)}),
    "recent": ({"retrieval": "recent"}, {"retrieval": "recent"}),
    "as posted": ({"retrieval": "recent as posted"}, {"retrieval": "recent as posted"}),
    "ring": ({"readers": "ring"}, {"readers": lambda t: RING}),
    "chain of matrix": ({"readers": CHAIN}, {"readers": lambda t: CHAIN}),
    "weights": ({"readers": WEIGHTS}, {"readers": lambda t: WEIGHTS}),
    "changing": (
        {"readers": {0: CHAIN, 2: None, 3: WEIGHTS, 5: CHAIN}},
        {"readers": lambda t: [CHAIN, CHAIN, ALL, WEIGHTS, WEIGHTS, CHAIN][t]},
    ),
    "capacity in a ring": (
        {"keep": ("random", 9), "readers": CHAIN},
        {"keep": ("random", 9), "readers": lambda t: CHAIN},
    ),
    "capacity with weights": (
        {"keep": ("reservoir", 7), "readers": WEIGHTS},
        {"keep": ("reservoir", 7), "readers": lambda t: WEIGHTS},
    ),
    "frozen": ({"frozen": [2]}, {"frozen": [2]}),
    "silent": ({"silent": [0, 3]}, {"silent": [0, 3]}),
    "anchors": ({"anchors": (0.4, LAWS)}, {"anchors": (0.4, LAWS)}),
    "noise": (
        {"noise": 0.3, "noise_from": [[9.0], [0.0]]},
        {"noise": 0.3, "noise_from": ("points", [9.0, 0.0])},
    ),
    "noise default": (
        {"noise": 0.3},
        # Variance 1 and that of the means, twice as wide.
        {"noise": 0.3, "noise_from": ("normal", (0.0, 2 * (1 + 1.5**2) ** 0.5))},
    ),
    "after update": (
        {"keep": "last", "posts": "after update"},
        {"keep": ("last", 1), "after": True},
    ),
    "much at once": (
        {
            "keep": ("last", 3), "fresh": 2, "fresh_from": LAW, "read_real": 0.5, "noise": 0.2,
            "noise_from": OTHER, "readers": CHAIN, "frozen": [1], "anchors": (0.3, LAWS),
            "retrieval": "recent as posted", "real_weight": 0.6, "posts": "after update",
            "silent": [3],
        },
        {
            "keep": ("last", 3), "fresh": 2, "fresh_from": ("law", LAW),
            "read_real": ("share", 0.5), "noise": 0.2, "noise_from": ("law", OTHER),
            "readers": lambda t: CHAIN, "frozen": [1], "anchors": (0.3, LAWS),
            "retrieval": "recent as posted", "real_weight": 0.6, "after": True, "silent": [3],
        },
    ),
}  # fmt: skip
UPDATES = {
    "refit": ("refit", {"keep": "last", "fresh": 3, "fresh_from": LAW, "real_weight": 0.4}),
    "prior": (("prior", 4.0), {}),
}
LITERAL_RUNS, RUNS, TIMES = 250, 1000, (1, 3, 6)


def literal(plain):
    runs = [
        literal_scenario.run(seed, FIRST, MEANS, N_STEPS, N_RESPONSES, INITIAL, BETA, EPS, C, plain)
        for seed in range(LITERAL_RUNS)
    ]
    return np.array(runs)


def simulated(scenario, update="sequential", runs=RUNS):
    ds = lwd.simulate_gmm(
        4, 2, means=MEANS, n_steps=N_STEPS, n_responses=N_RESPONSES, beta=BETA,
        initial_weights=FIRST, initial_points=INITIAL, step_size="1/(k + 1)", complexity=C,
        threshold=EPS, scenario=scenario, update=update, replicates=runs, seed=1,
    )  # fmt: skip
    return ds["weight"].transpose("replicate", "time", "model", "component").values


def measures(weight):
    """D and H, and two weights, by which orders and readers are told apart: (4, runs, times)."""
    mean = weight.mean(2)
    norm = 2 * weight.shape[2] * ((weight - mean[:, :, None]) ** 2).sum((2, 3))
    found = np.stack([norm, 1 - (mean**2).sum(-1), weight[:, :, 0, 0], weight[:, :, 3, 0]])
    # Few orders of few points give few values, which the last bit may not tell apart.
    return found.round(9)


def smallest_p(ours, theirs):
    """Least p-value of Kolmogorov and Smirnov's test, corrected for how many there are."""
    pairs = [
        (a[:, t], b[:, t]) for a, b in zip(measures(ours), measures(theirs), strict=True)
        for t in TIMES
    ]  # fmt: skip
    return len(pairs) * min(stats.ks_2samp(a, b).pvalue for a, b in pairs)


@functools.cache
def runs_of(name):
    return simulated(CASES[name][0]), literal(CASES[name][1])


@pytest.mark.parametrize("name", CASES)
def test_a_scenario_is_what_a_literal_loop_makes_of_it(name):
    # Over all scenarios a true one fails in one suite of a thousand, were the seeds drawn.
    assert smallest_p(*runs_of(name)) > 1e-3 / len(CASES)


@pytest.mark.parametrize("name", UPDATES)
def test_an_update_is_what_a_literal_loop_makes_of_it(name):
    update, scenario = UPDATES[name]
    plain = {"prior": 0.0 if update == "refit" else update[1]}
    if scenario:
        plain |= scenario | {"keep": ("last", 1), "fresh_from": ("law", LAW)}
    assert smallest_p(simulated(scenario, update), literal(plain)) > 1e-3 / len(UPDATES)
