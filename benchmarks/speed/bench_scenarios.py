"""Cost a draw of `simulate_gmm` in scenarios, as ratios against the paper's scenario.

Run: python benchmarks/speed/bench_scenarios.py [--pairs 7]
What is timed is processor time of the whole call, on one thread, less that of a run
which posts the same and reads nothing (n_read=1): where little is read a post, as in replace,
drawing posts and their likelihoods takes the time, and it takes the same in the paper's.
A run of the scenario and one of the paper's alternate; the medians of the ratios of neighbours
are printed as a markdown table, with their range. Compilation is not timed.
"""

from __future__ import annotations

import argparse
import time
import warnings
from typing import Any

import numpy as np

import lwdstats as lwd
from lwdstats.mixtures.spec import GmmSpec

N_MODELS = 6
# Name, fields, update, and what else the run differs by: long enough that draws matter.
CASES: list[tuple[str, dict[str, Any], Any, dict[str, Any]]] = [
    ("posts after update", {"posts": "after update"}, "sequential", {}),
    ("keep the last 200 steps", {"keep": ("last", 200)}, "sequential", {}),
    ("random, 3000 posts", {"keep": ("random", 3000)}, "sequential", {}),
    ("reservoir, 3000 posts", {"keep": ("reservoir", 3000)}, "sequential", {}),
    ("fresh posts", {"fresh": 2}, "sequential", {}),
    ("a tenth of noise", {"noise": 0.1}, "sequential", {}),
    ("read_real", {"fresh": 6, "read_real": 0.3}, "sequential", {}),
    ("read_real at random", {"fresh": 6, "read_real": ("random", 0.3)}, "sequential", {}),
    ("real_weight", {"fresh": 6, "real_weight": 0.3}, "sequential", {}),
    ("1000 reads", {"n_read": 1000}, "sequential", {}),
    ("recent", {"retrieval": "recent"}, "sequential", {}),
    ("recent as posted", {"retrieval": "recent as posted"}, "sequential", {}),
    ("ring", {"readers": "ring"}, "sequential", {}),
    ("star", {"readers": "star"}, "sequential", {}),
    ("blocks with weights", {"readers": ("blocks", 2, 0.1)}, "sequential", {}),
    ("frozen and silent", {"frozen": [0], "silent": [1]}, "sequential", {}),
    ("anchors, a tenth of reads", {"anchors": 0.1}, "sequential", {}),
    ("refit", {}, "refit", {}),
    ("prior", {}, ("prior", 50.0), {}),
]


def seconds(**given: Any) -> float:
    start = time.process_time()
    lwd.simulate_gmm(seed=1, record=[0], progress=False, **given)
    return time.process_time() - start


def draws(**given: Any) -> int:
    """Return how many points all models of a run read."""
    spec = GmmSpec(seed=1, **given)
    learning = spec.scenario.reading(spec.labels)
    k = spec.n_retrieved[:-1]
    return int((np.where(learning, k if k.ndim == 2 else k[:, None], 0)).sum())


def cost(**given: Any) -> float:
    """Return the seconds of a draw, less what posts take."""
    fields = {**given.get("scenario", {}), "n_read": 1}
    idle = given | {"scenario": fields}
    return (seconds(**given) - seconds(**idle)) / (draws(**given) - draws(**idle))


def main() -> None:
    parser = argparse.ArgumentParser(description="cost a draw by scenario")
    parser.add_argument("--pairs", type=int, default=7)
    options = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)  # of a step size of 1 in the first steps
    heading = "| scenario | B = 2: ratio | range | B = 11: ratio | range |"
    print(heading, "|---|---|---|---|---|", sep="\n", flush=True)
    for name, fields, update, other in CASES:
        cells = []
        for n_components in (2, 11):
            if "anchors" in fields:
                fields = {"anchors": (0.1, [1 / n_components] * n_components)}
            size = {"n_models": N_MODELS, "n_components": n_components}
            paper = size | {"n_steps": 1000}
            ours = paper | other | {"scenario": fields, "update": update}
            cost(**ours)
            ratios = [cost(**ours) / cost(**paper) for _ in range(options.pairs)]
            low, high = min(ratios), max(ratios)
            cells.append(f"{np.median(ratios):.2f} | {low:.2f} to {high:.2f}")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
