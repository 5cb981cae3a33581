"""The Gaussian engine: a network of mixtures far apart, whose steps all cost the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from lwdstats.errors import InputError
from lwdstats.mixtures.components import whitening
from lwdstats.mixtures.sources import source_of
from lwdstats.mixtures.spec import GmmSpec
from lwdstats.scenario.reading import added_posts
from lwdstats.simulate.gmm.dataset import Run
from lwdstats.simulate.gmm.pieces import Piece, whole_run
from lwdstats.streams import root_words

# Components of which a model reads fewer points in a step are read one by one, by measurement:
# docs/gaussian-engine.md.
MIN_COUNT = 20.0


def check_law(spec: GmmSpec) -> None:
    """Raise `InputError` in scenarios in which a step of a model is not one draw from its law.

    It is where all models read one web, uniformly, whose posts come from components by
    known laws, and Algorithm 2 runs.
    """
    scenario = spec.scenario
    reasons = {
        f"keep = {scenario.keep!r}": scenario.keep_rule in ("random", "reservoir"),
        "points as fresh_from": np.ndim(scenario.fresh_from) == 2,
        "read_real": scenario.real_share is not None,
        "real_weight": scenario.real_weight is not None,
        f"retrieval = {scenario.retrieval!r}": scenario.retrieval != "uniform",
        "readers": any(net is not None for net in scenario.networks(spec.labels).values()),
        "anchors": scenario.anchors is not None,
        "noise": scenario.noise > 0,
        f"update = {spec.update!r}": spec.update != "sequential",
        f"moving = {spec.moving!r}": bool(spec.moving),
    }
    refused = [reason for reason, there in reasons.items() if there]
    if refused:
        takes = "'exact' there; 'gaussian' where all read one web uniformly, which keeps all or "
        takes += "what the last steps added"
        raise InputError("engine", f"'gaussian' with {', '.join(refused)}", takes)


def run_gaussian(spec: GmmSpec, position: int, min_count: float = MIN_COUNT) -> Run:
    """Simulate the replicate at a position of ``spec.replicates`` by counts.

    At a `min_count` of 0 every step is Gaussian; at infinity every point is
    read one by one, which is exact where components do not overlap.
    """
    return next(gaussian_runs(spec, position, whole_run(spec), min_count))


def gaussian_runs(
    spec: GmmSpec, position: int, pieces: Sequence[Piece], min_count: float = MIN_COUNT
) -> Iterator[Run]:
    """Yield the same piece by piece, each run when it is asked for."""
    # Here, so that importing the package and refusing an argument take no numba.
    from lwdstats.simulate.gmm.gaussian.kernel import run_replicate, start
    from lwdstats.simulate.gmm.gaussian.owners import normal_nodes

    scenario = spec.scenario
    fresh = source_of("fresh_from", scenario.fresh_from, spec.means, spec.covariance)
    n_posted = int(scenario.posting(spec.labels).sum()) * spec.n_responses
    nodes = normal_nodes(spec.n_features) if spec.threshold == 0 else np.empty((0, spec.n_features))
    counts = spec.first_counts(position).astype(np.float64)
    state = start(np.array(spec.first_weights(position)), counts, scenario.keep_size)
    for piece in pieces:
        weight, n_truncated, n_singly = run_replicate(
            state,
            piece.first,
            piece.stop,
            np.ascontiguousarray(spec.means @ whitening(spec.covariance)),
            nodes,
            spec.n_responses,
            spec.n_retrieved[:-1],
            spec.alpha,
            spec.c,
            spec.threshold,
            float(min_count),
            piece.slot,
            root_words(spec.seed, "emission"),
            root_words(spec.seed, "retrieval"),
            spec.replicates[position],
            scenario.keep_size,
            added_posts(scenario.fresh, 0.0, n_posted, spec.n_steps)[0],
            fresh.weights,
            root_words(spec.seed, "fresh"),
            scenario.posting(spec.labels),
            scenario.reading(spec.labels),
            scenario.posts == "after update",
        )
        yield Run(weight, n_truncated, n_singly=n_singly)
