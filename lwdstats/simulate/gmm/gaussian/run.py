"""The Gaussian engine: a network of mixtures far apart, whose steps all cost the same."""

from __future__ import annotations

import numpy as np

from lwdstats.mixtures.components import whitening
from lwdstats.mixtures.spec import GmmSpec
from lwdstats.simulate.gmm.dataset import Run
from lwdstats.streams import root_words

# Components of which a model reads fewer points in a step are read one by one, by measurement:
# docs/gaussian-engine.md.
MIN_COUNT = 20.0


def run_gaussian(spec: GmmSpec, position: int, min_count: float = MIN_COUNT) -> Run:
    """Simulate the replicate at a position of ``spec.replicates`` by counts.

    At a `min_count` of 0 every step is Gaussian; at infinity every point is
    read one by one, which is exact where components do not overlap.
    """
    # Here, so that importing the package and refusing an argument take no numba.
    from lwdstats.simulate.gmm.gaussian.kernel import run_replicate
    from lwdstats.simulate.gmm.gaussian.owners import normal_nodes

    nodes = normal_nodes(spec.n_features) if spec.threshold == 0 else np.empty((0, spec.n_features))
    weight, n_truncated, n_singly = run_replicate(
        np.array(spec.first_weights(position)),
        spec.first_counts(position).astype(np.float64),
        np.ascontiguousarray(spec.means @ whitening(spec.covariance)),
        nodes,
        spec.n_responses,
        spec.n_retrieved[:-1],
        spec.alpha,
        spec.c,
        spec.threshold,
        float(min_count),
        spec.slot,
        root_words(spec.seed, "emission"),
        root_words(spec.seed, "retrieval"),
        spec.replicates[position],
    )
    return Run(weight, n_truncated, n_singly=n_singly)
