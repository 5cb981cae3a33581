"""A replicate as in the paper: what the kernel takes, from the specification."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from lwdstats.mixtures.spec import GmmSpec
from lwdstats.simulate.gmm.dataset import Run
from lwdstats.simulate.gmm.pieces import Piece, whole_run
from lwdstats.streams import root_words


def run_exact(spec: GmmSpec, position: int) -> Run:
    """Simulate the replicate at a position of ``spec.replicates``, draw by draw."""
    return next(exact_runs(spec, position, whole_run(spec)))


def exact_runs(spec: GmmSpec, position: int, pieces: Sequence[Piece]) -> Iterator[Run]:
    """Yield the same piece by piece, each run when it is asked for."""
    # Here, so that importing the package and refusing an argument take no numba.
    from lwdstats.simulate.gmm.exact.kernel import run_replicate, start
    from lwdstats.simulate.gmm.exact.update import row_shape, row_stride

    factor = np.linalg.cholesky(spec.covariance)
    stride = row_stride(spec.n_components)
    shape = (spec.n_steps + 1, spec.n_models, spec.n_responses, spec.n_features)
    state = start(
        spec.first_weights(position), spec.first_points(position), int(np.prod(shape[:3])), stride
    )
    points = state.web[spec.n_initial :].reshape(shape)
    for piece in pieces:
        weight, n_truncated, synthetic_share = run_replicate(
            state,
            piece.first,
            piece.stop,
            spec.n_initial,
            np.array(spec.means),
            factor,
            np.linalg.inv(factor),
            spec.n_responses,
            spec.n_retrieved[:-1],
            spec.alpha,
            spec.c,
            spec.threshold,
            piece.slot,
            stride,
            *row_shape(spec.n_components),
            root_words(spec.seed, "emission"),
            root_words(spec.seed, "retrieval"),
            spec.replicates[position],
        )
        kept = piece.slot >= 0
        drawn = points[piece.first : piece.stop]
        yield Run(weight, n_truncated, drawn if kept.all() else drawn[kept], synthetic_share)
