"""Data kernel perspective space: the models of a network as points."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from lwdstats.errors import InputError, check_choice, check_integer, is_number
from lwdstats.geometry import outofsample, perspectives, samples
from lwdstats.geometry.dimension import profile_likelihood
from lwdstats.geometry.perspectives import POINT

AGGREGATES = ("mean", "energy", "mmd")
# Numbers in a block of distances from new points to old: 16 MB of float64.
_BLOCK = 1 << 21


@dataclass(frozen=True, eq=False)
class DKPS:
    """A space made by `dkps`.

    Attributes
    ----------
    points : xarray.DataArray
        Coordinates, dimensions (time, replicate, model, coordinate), in the
        units of the distances.
    eig : xarray.DataArray
        Eigenvalues, the largest first, dimensions ([time,] eigenvalue); with a
        time dimension where each time has a space of its own.
    gof : xarray.DataArray
        Goodness of fit, dimensions ([time,] measure): the sum of the
        eigenvalues used, over the sum of all in absolute value ("absolute"),
        and over the sum of the positive ones ("positive").
    k : int
        Number of dimensions, given or chosen.
    aggregate : str
        How the answers of two models are compared.
    joint : bool
        Whether all times are in one space.
    bandwidth : float or None
        Of the kernel, for "mmd".
    mean_square : xarray.DataArray
        Mean squared distance of each point to all points embedded with it,
        dimensions (time, replicate, model).
    data : xarray.Dataset
        What was embedded.
    """

    points: xr.DataArray
    eig: xr.DataArray
    gof: xr.DataArray
    k: int
    aggregate: str
    joint: bool
    bandwidth: float | None
    mean_square: xr.DataArray
    data: xr.Dataset = field(repr=False)

    @cached_property
    def distances(self) -> xr.DataArray:
        """Distances between the models of a time and replicate (.., model, model_).

        Those that were embedded, not those between `points`. Computed when
        first asked for.
        """
        answers = perspectives.answers_of(self.data, self.aggregate)
        shape = self.points.shape[:3]
        n = shape[2]
        squares = np.empty((*shape, n))
        for index in np.ndindex(shape[:2]):
            start = int(np.ravel_multi_index((*index, 0), shape))
            squares[index] = perspectives.squared_distances(
                answers[:, start : start + n], None, self.aggregate, self.bandwidth
            )
        kept = {str(k): v for k, v in self.points.coords.items() if "coordinate" not in v.dims}
        if "model" in kept:
            kept["model_"] = xr.DataArray(kept["model"].values, dims="model_")
        out = xr.DataArray(np.sqrt(squares), kept, (*POINT, "model_"), name="dist")
        out.attrs = {"long_name": f"{self.aggregate} distance between models", "units": "1"}
        return out

    def place(self, ds: xr.Dataset, *, method: str = "gower") -> xr.DataArray:
        """Return coordinates of other models or times in this space, which stays as it is.

        Parameters
        ----------
        ds : xarray.Dataset
            Answers to the same queries, embedded alike.
        method : {"gower", "trosset-priebe"}
            See `out_of_sample`.

        Returns
        -------
        xarray.DataArray
            Dimensions (time, replicate, model, coordinate).
        """
        method = check_choice("method", method, outofsample.METHODS)
        if not self.joint:
            raise InputError("place", "one space a time", "a space with joint=True")
        template = perspectives.template_of(ds, self.aggregate)
        new = perspectives.answers_of(ds, self.aggregate)
        old = perspectives.answers_of(self.data, self.aggregate)
        if (len(new), new.shape[-1]) != (len(old), old.shape[-1]):
            raise InputError(
                "ds",
                f"{len(new)} queries and {new.shape[-1]} coordinates",
                f"{len(old)} queries and {old.shape[-1]} coordinates, as in this space",
            )
        names = [d["query"].values for d in (ds, self.data) if "query" in d.coords]
        if len(names) == 2 and not np.array_equal(names[0], names[1]):
            raise InputError("ds", "other queries", "the queries of this space, in order")
        y, squares = self.points.values.reshape(-1, self.k), self.mean_square.values.ravel()
        step = max(1, _BLOCK // old.shape[1]) if self.aggregate == "mean" else new.shape[1]
        found = np.empty((new.shape[1], self.k))
        for start in range(0, len(found), step):
            block = slice(start, start + step)
            squared = perspectives.squared_distances(
                new[:, block], old, self.aggregate, self.bandwidth
            )
            found[block] = outofsample.place(y, squares, squared, method)
        return perspectives.points_array(found, template, self.k)

    def __str__(self) -> str:
        n_times, n_replicates, n_models = self.points.shape[:3]
        how = "in one space" if self.joint else "in a space a time, each turned to the one before"
        lines = ["Data kernel perspective space", ""]
        lines += [f"Points: {n_times} times, {n_replicates} replicates, {n_models} models, {how}"]
        bandwidth = "" if self.bandwidth is None else f", bandwidth {self.bandwidth:.5g}"
        lines += [f"Distances: {self.aggregate}{bandwidth}"]
        lines += [f"Dimensions: {self.k}", ""]
        mean = self.eig if self.joint else self.eig.mean("time")
        shown = min(mean.size, 10)
        rest = f" ... and {mean.size - shown} more" if mean.size > shown else ""
        of = "" if self.joint else " (mean over times)"
        lines += [f"Eigenvalues{of}:", " ".join(f"{v:.5g}" for v in mean.values[:shown]) + rest]
        gof = self.gof if self.joint else self.gof.mean("time")
        lines += ["", f"GOF{of}: " + " ".join(f"{g:.5g}" for g in gof.values)]
        return "\n".join(lines)


def dkps(
    ds: xr.Dataset,
    k: int | None = None,
    *,
    aggregate: str = "mean",
    joint: bool = True,
    bandwidth: float | None = None,
) -> DKPS:
    """Embed the models of a network as points, by classical scaling of their distances.

    Parameters
    ----------
    ds : xarray.Dataset
        A dataset of either simulation, or one's own.
    k : int, optional
        Number of dimensions, 1 to N - 1, N being the number of points embedded
        at once; by default chosen by `profile_likelihood` from the N
        eigenvalues (negative ones as 0; their mean over times where each time
        has its own space).
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
        If fewer than the `k` asked for eigenvalues are positive; the
        coordinates past them are 0.

    Notes
    -----
    "mean": ``D_ij = ||X_i - X_j||_F / sqrt(m)``, X_i being model i's mean
    answers to the m queries, one a row (Helm et al. 2024). D is never formed:
    the cost is linear in the number of points.

    "energy": ``D_ij^2 = 2 E|x - y| - E|x - x'| - E|y - y'|``; "mmd": ``D_ij^2 =
    E h(x, x') + E h(y, y') - 2 E h(x, y)``, h Gaussian. Expectations are means
    over the answers at hand, pairs of an answer with itself included
    (V-statistics), averaged over queries before the root. So D_ij is exactly
    the distance of the two empirical distributions, a metric that embeds
    without negative eigenvalues, and never imaginary. It is not unbiased: two
    models that are the same are apart by ``(E|x - x'| + E|y - y'|)/L`` in the
    square for "energy" (independent answers, L each). The distance is the
    square root, as the energy distance itself breaks the triangle inequality.

    Replicates share one space, since their positions already share one (the
    same embedder or the same mixture components). For a space of one replicate
    take ``ds.isel(replicate=[r])``.

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
    >>> from lwdstats.geometry.dkps import dkps
    >>> fit = dkps(lwd.simulate_gmm(n_components=3, n_steps=20, seed=1), k=2)
    >>> dict(fit.points.sizes)
    {'time': 21, 'replicate': 1, 'model': 3, 'coordinate': 2}
    >>> fit.gof.values.round(6)
    array([1., 1.])
    """
    aggregate = check_choice("aggregate", aggregate, AGGREGATES)
    if not isinstance(joint, bool | np.bool_):
        raise InputError("joint", joint, "True or False")
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
    used = [float(v[: min(r, chosen)].sum()) for v, r in zip(eig, ranks, strict=True)]
    gof = np.array([perspectives.goodness(u, v) for u, v in zip(used, eig, strict=True)])
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
        joint=bool(joint),
        bandwidth=None if bandwidth is None else float(bandwidth),
        mean_square=template.copy(
            data=np.concatenate([squares for _, _, squares in raw]).reshape(template.shape)
        ).rename("mean_square"),
        data=ds,
    )


def _check_bandwidth(bandwidth: Any, aggregate: str) -> None:
    if bandwidth is None:
        return
    takes = "a finite number above 0, with aggregate='mmd'"
    if aggregate != "mmd" or not is_number(bandwidth) or not 0 < bandwidth < math.inf:
        raise InputError("bandwidth", bandwidth, takes)
