"""Data kernel perspective space: the models of a network as points."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import xarray as xr

from lwdstats.dataset.embeddings.choose_embedding import by_embedding
from lwdstats.errors import InputError, check_bool, check_choice, check_integer, is_number
from lwdstats.geometry import samples
from lwdstats.geometry.cmdscale import goodness
from lwdstats.geometry.dkps import perspectives
from lwdstats.geometry.dkps.profile_likelihood import profile_likelihood
from lwdstats.geometry.dkps.result import DKPS

AGGREGATES = ("mean", "energy", "mmd")


def dkps(
    ds: xr.Dataset,
    k: int | None = None,
    *,
    aggregate: str = "mean",
    joint: bool = True,
    bandwidth: float | None = None,
    embedding: str = "embedding",
) -> DKPS:
    """Embed the models of a network as points, by classical scaling of their distances.

    Parameters
    ----------
    ds : xarray.Dataset
        A dataset of either simulation, or one's own.
    k : int, optional
        Number of dimensions, 1 to N - 1, N being the number of points embedded
        at once; by default the first elbow of the N eigenvalues, by
        `profile_likelihood` (negative ones as 0; their mean over times where each
        time has its own space); for the second see ``docs/methods.md``.
    aggregate : {"mean", "energy", "mmd"}
        Compare `positions` (mixture weights where the dataset has them,
        otherwise mean answers), or the distributions of the answers.
    joint : bool
        Embed all times at once, so that trajectories share axes. Otherwise
        each time on its own, then turned (rotated or reflected, not scaled) to
        the time before. All replicates are embedded together in either case.
    bandwidth : float, optional
        Scale h of the kernel ``exp(-|x - y|^2 / (2 h^2))`` of "mmd". By default
        the root mean square distance of an answer from the mean of all answers
        to its query.
    embedding : str
        Which embedding of a dataset's answers, as `choose_embedding` takes it.

    Returns
    -------
    DKPS
        `points`, `eig`, `gof`, `k`; `distances`; and `place` for new models.

    Raises
    ------
    InputError
        If the dataset has a single point, or no `embedding` where
        distributions are compared, or an argument is not one of the above.

    Warns
    -----
    UserWarning
        If fewer than `k` eigenvalues are positive; coordinates past them are 0.

    Notes
    -----
    "mean": ``D_ij = ||X_i - X_j||_F / sqrt(m)``, X_i being model i's mean
    answers to the m queries, one a row (Helm et al. 2024). D is never formed:
    the cost is linear in the number of points.

    "energy": ``D_ij^2 = 2 E|x - y| - E|x - x'| - E|y - y'|``; "mmd": ``D_ij^2 =
    E h(x, x') + E h(y, y') - 2 E h(x, y)``, h Gaussian. Expectations are means
    over the answers that are there, pairs of an answer with itself included
    (V-statistics), averaged over queries before the root. So D_ij is exactly
    the distance of the two empirical distributions, a metric that embeds
    without negative eigenvalues. It is not unbiased: two models that are the same
    are apart by ``(E|x - x'| + E|y - y'|)/L`` in the square for "energy"
    (independent answers, L each).

    Replicates share one space; for that of one take ``ds.isel(replicate=[r])``.

    R: ``cmdscale(dist(X), k, eig = TRUE)``, X having one row a (time,
    replicate, model); signs as in `cmdscale`. ``energy::eqdist.e`` of two
    samples is ``L/2`` times the square of "energy".

    References
    ----------
    Helm, H., Duderstadt, B., Park, Y. and Priebe, C. E. (2024), Tracking the
    perspectives of interacting language models, EMNLP.
    Székely, G. J. and Rizzo, M. L. (2013), Energy statistics, Journal of
    Statistical Planning and Inference 143, 1249-1272.
    Gretton, A. et al. (2012), A kernel two-sample test, Journal of Machine
    Learning Research 13, 723-773, Equation 5.
    Zhu, M. and Ghodsi, A. (2006); Torgerson, W. S. (1952).

    Examples
    --------
    >>> import lwdstats as lwd
    >>> fit = lwd.dkps(lwd.simulate_gmm(n_components=3, n_steps=20, seed=1), k=2)
    >>> dict(fit.points.sizes)
    {'time': 21, 'replicate': 1, 'model': 3, 'coordinate': 2}
    >>> fit.gof.values.round(6)
    array([1., 1.])
    """
    aggregate = check_choice("aggregate", aggregate, AGGREGATES)
    joint = check_bool("joint", joint)
    ds = by_embedding(ds, embedding, "ds")
    template = perspectives.template_of(ds, aggregate)
    n_times = template.sizes["time"]
    n_points = template.size // (1 if joint else n_times)
    if n_points < 2:
        raise InputError("ds", f"{n_points} point to embed at once", "2 or more")
    if k is not None:
        k = check_integer("k", k, minimum=1)
        if k > n_points - 1:
            raise InputError("k", k, f"an integer in 1..{n_points - 1} (for {n_points} points)")
    _check_bandwidth(bandwidth, aggregate)

    answers = perspectives.answers_of(ds, aggregate)
    if aggregate == "mmd" and bandwidth is None:
        bandwidth = samples.pooled_spread(answers) or 1.0  # all answers alike: any will do
    groups = [answers] if joint else np.split(answers, n_times, axis=1)
    raw = [perspectives.scale_answers(group, k, aggregate, bandwidth) for group in groups]
    eig = np.array([values for _, values, _ in raw])
    chosen = k or profile_likelihood(np.maximum(eig, 0.0).mean(axis=0)).dimension
    ranks = [y.shape[1] for y, _, _ in raw]
    if k is not None and max(ranks) < k:
        warnings.warn(f"only {max(ranks)} of the first {k} eigenvalues are > 0", stacklevel=2)
    spaces = perspectives.align_spaces([perspectives.pad_columns(y, chosen) for y, _, _ in raw])

    lead = () if joint else ("time",)
    where = {} if joint or "time" not in template.coords else {"time": template["time"].values}
    pairs = zip(eig, ranks, strict=True)
    gof = np.array([goodness(float(v[: min(r, chosen)].sum()), v) for v, r in pairs])
    return DKPS(
        points=perspectives.points_array(np.concatenate(spaces), template, chosen),
        eig=xr.DataArray(eig[0] if joint else eig, where, (*lead, "eigenvalue"), name="eig"),
        gof=xr.DataArray(
            gof[0] if joint else gof,
            {**where, "measure": ["absolute", "positive"]},
            (*lead, "measure"),
            name="gof",
        ),
        k=chosen,
        aggregate=aggregate,
        joint=joint,
        bandwidth=None if bandwidth is None else float(bandwidth),
        mean_square=template.copy(
            data=np.concatenate([squares for _, _, squares in raw]).reshape(template.shape)
        ).rename("mean_square"),
        data=ds,
        embedding=embedding,
    )


def _check_bandwidth(bandwidth: Any, aggregate: str) -> None:
    takes = "a finite number above 0, with aggregate='mmd'"
    usable = aggregate == "mmd" and is_number(bandwidth) and 0 < bandwidth < math.inf
    if bandwidth is not None and not usable:
        raise InputError("bandwidth", bandwidth, takes)
