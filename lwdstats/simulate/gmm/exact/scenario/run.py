"""A replicate in any scenario: what the kernel takes, from the specification."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from lwdstats.arrays import FloatArray
from lwdstats.mixtures.arguments import resolved
from lwdstats.mixtures.sources import Source, anchors_of, source_of
from lwdstats.mixtures.spec import GmmSpec
from lwdstats.scenario.growth import read_sizes
from lwdstats.scenario.readers import has_weights
from lwdstats.scenario.reading import Log
from lwdstats.simulate.gmm.dataset import Run
from lwdstats.simulate.gmm.pieces import Piece, whole_run
from lwdstats.streams import root_words

PURPOSES = ("emission", "retrieval", "fresh", "noise", "anchors", "keep")


def run_scenario(spec: GmmSpec, position: int, shared: tuple[Any, ...] | None = None) -> Run:
    """Simulate the replicate at a position of ``spec.replicates``, draw by draw.

    `shared` is what `prepare` makes of the specification.
    """
    return next(scenario_runs(spec, position, whole_run(spec), shared))


def scenario_runs(
    spec: GmmSpec,
    position: int,
    pieces: Sequence[Piece],
    shared: tuple[Any, ...] | None = None,
) -> Iterator[Run]:
    """Yield the same piece by piece, each run when it is asked for."""
    # Here, so that importing the package and refusing an argument take no numba.
    from lwdstats.simulate.gmm.exact.scenario.kernel import run_replicate, start
    from lwdstats.simulate.gmm.exact.update import row_stride

    scenario = spec.scenario
    factor = np.linalg.cholesky(spec.covariance)
    whiten = np.linalg.inv(factor)
    points, means = spec.first_points(position), np.array(spec.means)
    sources = (
        source_of("fresh_from", scenario.fresh_from, spec.means, spec.covariance),
        source_of("noise_from", scenario.noise_from, spec.means, spec.covariance),
    )
    moving = None
    if spec.moving:
        moving = first_components(spec, position)
        points, means = points @ whiten.T, means @ whiten.T
        sources = tuple(Source(s.weights, s.means @ whiten.T, whiten @ s.factor) for s in sources)
    rules, posts, readers, gains = prepare(spec) if shared is None else shared
    stride = row_stride(spec.n_components)
    weights = spec.first_weights(position)
    state = start(rules, posts, readers, gains, weights, points, stride, bool(spec.moving))
    for piece in pieces:
        weight, drawn, n_truncated, share, n_read, n_empty, *moved = run_replicate(
            state,
            piece.first,
            piece.stop,
            rules,
            posts,
            readers,
            gains,
            spec.n_initial,
            means,
            np.eye(spec.n_features) if spec.moving else factor,
            whiten,
            *sources,
            anchors_of(scenario, spec.n_models, spec.n_components)[1],
            moving,
            piece.slot,
            stride,
            *_row_shape(spec.n_components),
            np.stack([root_words(spec.seed, purpose) for purpose in PURPOSES]),
            spec.replicates[position],
        )
        run = Run(weight, n_truncated, drawn, share, n_retrieved=n_read, n_empty=int(n_empty))
        if spec.moving:
            run = _moved(spec, run, factor, *moved)
        elif scenario.real_weight is not None and spec.update == "sequential":
            run = run._replace(n_clipped=moved[2])
        yield run


def first_components(spec: GmmSpec, position: int) -> Any:
    """Return how components move and where they start, in whitened coordinates."""
    from lwdstats.simulate.gmm.exact.moving import state

    factor = np.linalg.cholesky(spec.covariance)
    means = spec.first_means(position) @ np.linalg.inv(factor).T
    unit = np.broadcast_to(np.eye(spec.n_features), (*means.shape, spec.n_features))
    kinds = {"spherical": state.SPHERICAL, "diag": state.DIAG, "full": state.FULL}
    kind = state.FIXED if spec.covariance_type is None else kinds[spec.covariance_type]
    if spec.n_features == 1:
        kind = min(kind, state.SPHERICAL)  # one and the same there, and the fastest
    # Beyond the ceiling, with room for draws far from the mean, float32 points end.
    return state.Moving(
        kind=kind,
        damped=spec.variance_rule == "welford",
        floor=spec.variance_floor,
        ceiling=min((1e36 / np.abs(factor).max()) ** 2, 1e120),
        means=np.array(means),
        pivots=np.ones(means.shape),
        units=unit.copy(),
        factors=unit.copy(),
    )


def _moved(
    spec: GmmSpec, run: Run, factor: Any, means: Any, factors: Any, clipped: Any, floored: Any,
    ended: int,
) -> Run:  # fmt: skip
    """Return a run in the coordinates of the network, with where its components are."""
    if ended >= 0:
        return run._replace(ended=ended)
    means, covariances = means @ factor.T, spec.covariance
    found = {"component_mean": means}
    if "covariance" in spec.moving:
        roots = factor @ factors
        covariances = _definite(roots @ roots.swapaxes(-1, -2))
        found["component_covariance"] = covariances
    points = None if run.embedding is None else (run.embedding @ factor.T).astype(np.float32)
    return run._replace(
        embedding=points, n_clipped=clipped, n_floored=floored,
        n_unresolved=int((~resolved(means, covariances)).sum()), **found,
    )  # fmt: skip


def _definite(covariances: FloatArray) -> FloatArray:
    """Return covariances (..., d, d) so that they are positive definite in float64.

    The kernel has their factors, and so knows of directions that rounding covers in the product:
    those become as wide as the rounding.
    """
    d = covariances.shape[-1]
    if d == 1:
        return covariances
    # In units in which all features vary alike, as those differ without any rounding.
    units = np.sqrt(np.diagonal(covariances, axis1=-2, axis2=-1))
    units = units[..., None] * units[..., None, :]
    values, vectors = np.linalg.eigh(covariances / units)
    least = 4 * d * np.finfo(np.float64).eps
    lost = values[..., 0] < least
    if lost.any():
        roots = vectors[lost] * np.sqrt(np.maximum(values[lost], least))[..., None, :]
        covariances[lost] = roots @ roots.swapaxes(-1, -2) * units[lost]
    return covariances


def prepare(spec: GmmSpec) -> tuple[Any, ...]:
    """Return what the kernel takes of a scenario, for all replicates."""
    from lwdstats.simulate.gmm.exact.scenario import kernel

    scenario = spec.scenario
    log = scenario.log(spec.labels, spec.n_responses, spec.n_initial, spec.n_steps)
    at_random = isinstance(scenario.read_real, tuple)
    read_real = kernel.AT_RANDOM if at_random else kernel.STRATIFIED
    sequential = spec.update == "sequential"
    rules = kernel.Rules(
        n_responses=spec.n_responses,
        keep=("all", "last", "random", "reservoir").index(scenario.keep_rule),
        keep_size=scenario.keep_size,
        retrieval=("uniform", "recent", "recent as posted").index(scenario.retrieval),
        read_real=kernel.AS_THEY_COME if scenario.real_share is None else read_real,
        real_share=scenario.real_share or 0.0,
        real_weight=float("nan" if scenario.real_weight is None else scenario.real_weight),
        anchor_share=anchors_of(scenario, spec.n_models, spec.n_components)[0],
        after=scenario.posts == "after update",
        update=kernel.SEQUENTIAL if sequential else kernel.REFIT,
        prior=float(spec.update[1]) if isinstance(spec.update, tuple) else 0.0,
        threshold=spec.threshold,
    )
    return rules, _posts(spec, log), _readers(spec, log), _gains(spec)


def _row_shape(n_components: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return how a row is cut; each way takes a compilation, and here two must do."""
    from lwdstats.simulate.gmm.exact.update import row_shape

    lanes, chunks = row_shape(n_components)
    return lanes, chunks if n_components <= 2 else ()


def _posts(spec: GmmSpec, log: Log) -> Any:
    """Return the log, and who posts and learns."""
    from lwdstats.simulate.gmm.exact.scenario import kernel

    steps = np.arange(spec.n_steps)
    of = {kind: log.time[log.kind == kind] for kind in (1, 2)}
    return kernel.Posts(
        first=np.searchsorted(log.time, np.arange(spec.n_steps + 1)),
        time=log.time.astype(np.int32),
        author=np.where(log.author < 0, spec.n_models, log.author).astype(np.int32),
        kind=log.kind,
        n_fresh=np.bincount(of[1][of[1] >= 0], minlength=steps.size),
        n_noise=np.bincount(of[2], minlength=steps.size),
        posting=spec.scenario.posting(spec.labels),
        learning=spec.scenario.reading(spec.labels),
    )


def _gains(spec: GmmSpec) -> Any:
    """Return how much is read, and step sizes."""
    from lwdstats.simulate.gmm.exact.scenario import kernel

    by_size = spec.n_pool is None
    # A column for all, for each model, or for each number that may be read.
    width = 1 if spec.alpha.ndim == 1 else spec.alpha.shape[1]
    shape = (spec.n_steps, width)
    return kernel.Gains(
        sizes=read_sizes(spec.scenario.n_read, spec.beta, np.arange(spec.n_web.max() + 1)),
        alpha=np.array(spec.alpha.reshape(shape)),
        complexity=np.array(spec.c.reshape(shape)),
        by_model=int(not by_size and width > 1),
        by_size=int(by_size),
    )


def _readers(spec: GmmSpec, log: Log) -> Any:
    """Return the readers of each period as classes that may read the same posts."""
    from lwdstats.simulate.gmm.exact.scenario import kernel

    n = spec.n_models
    networks = spec.scenario.networks(spec.labels)
    strata = 1 if spec.scenario.read_real is None else 2
    # Rows of the log that there are of each author, none being the last.
    written = np.bincount(np.where(log.author < 0, n, log.author), minlength=n + 1)
    if spec.scenario.keep_rule in ("random", "reservoir"):
        written = np.minimum(written, spec.scenario.keep_size)
    members, own = [], []
    for net in networks.values():
        if net is None:
            members.append(np.ones((1, n + 1), bool))
            own.append(np.zeros(n, np.int64))
        elif has_weights(net):
            # A list for each author, and one of posts without author.
            members.append(np.eye(n + 1, dtype=bool))
            own.append(np.arange(n))
        else:
            rows, which = np.unique(net > 0, axis=0, return_inverse=True)
            members.append(np.hstack([rows, np.ones((len(rows), 1), bool)]))
            own.append(which.reshape(-1))
    n_classes = np.array([len(member) for member in members])
    weighted = np.array([has_weights(net) for net in networks.values()])
    edges = max(int(member.sum()) for member in members)
    starts = np.zeros((len(members), n + 2), np.int64)
    classes = np.zeros((len(members), edges), np.int64)
    offset = np.zeros((len(members), n_classes.max() * strata), np.int64)
    room = 0
    for p, member in enumerate(members):
        starts[p, 1:] = np.cumsum(member.sum(0))
        classes[p, : starts[p, -1]] = np.nonzero(member.T)[1]
        sizes = np.repeat(member @ written, strata)
        offset[p, 1 : sizes.size] = np.cumsum(sizes)[:-1]
        room = max(room, int(sizes.sum()))
    shape = (len(members), n, n) if weighted.any() else (len(members), 0, 0)
    weights = np.zeros(shape)
    for p, net in enumerate(networks.values()):
        if weighted[p]:
            weights[p] = net
    return kernel.Readers(
        since=np.array(list(networks)),
        weighted=weighted,
        weights=weights,
        own_class=np.array(own),
        n_classes=n_classes,
        starts=starts,
        classes=classes,
        offset=offset,
        room=room,
    )
