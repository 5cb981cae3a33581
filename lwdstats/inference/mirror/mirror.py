"""The Euclidean mirror of a network, and when its course changed."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from scipy.stats import shapiro, spearmanr

from lwdstats.arrays import FloatArray, as_times
from lwdstats.dataset.embeddings.choose_embedding import by_embedding
from lwdstats.dataset.positions import components_move
from lwdstats.dataset.schema import validate
from lwdstats.errors import InputError, check_bool, check_choice, check_integer, check_level
from lwdstats.geometry.dkps.profile_likelihood import profile_likelihood
from lwdstats.inference.mirror import curve, knots, states
from lwdstats.inference.mirror.result import CURVES, Mirror
from lwdstats.streams import resolve_seed

_STATES = "a Dataset, or finite numbers of shape (times, members, coordinates), or (times, members)"
_LEAST_TIMES = 10
# With `n_changes` None no more changes are looked for than these.
_MOST = 5
# The degree of a curve that bends as freely as one may.
_BENT = 3
# Steps whose size hangs on time are told of, where p is at most this.
_UNEVEN = 0.01


def mirror(
    x: xr.Dataset | npt.ArrayLike,
    k: int | None = None,
    *,
    distance: str = "frobenius",
    debias: bool | None = None,
    neighbors: int | None = None,
    on: str = "iso",
    n_changes: int | None = 1,
    degree: int = 1,
    min_size: int = 3,
    level: float = 0.95,
    n_bootstrap: int = 399,
    embedding: str = "embedding",
    seed: int | str | None = None,
) -> Mirror:
    """Embed the states of a network over time as one curve, and find when its slope changes.

    Parameters
    ----------
    x : xarray.Dataset, xarray.DataArray or array_like, shape (T, n, d) or (T, n)
        A dataset, or positions of n members at T times, which a DataArray and a DataFrame name.
        Replicates are taken together: distances are root mean squares over them.
    k : int, optional
        Dimensions of the mirror; by default the first elbow of the eigenvalues.
    distance : {"frobenius", "spectral", "procrustes"}
        Between states X_t and X_s, one row a model: the root mean square move of a model; the
        largest such move along one direction; or the first between configurations,
        each shifted and turned onto the other, which sees only how models stand to each other.
    debias : bool, optional
        Take out what a finite number of answers adds. By default where it can be done.
    neighbors : int, optional
        Nearest neighbours of the graph of ISOMAP; by default as few as connect all times.
    on : {"iso", "mirror"}
        Look for changes of speed along the curve, in its ISOMAP; or of speed or direction, in
        the k coordinates of the mirror. Several of these have no p: coordinates of a walk bend.
    n_changes : int, optional
        How many changes to place. None: as long as one more has p of at most ``1 - level``.
    degree : int
        Of the polynomial that the curve is beside its corners: 1, a line, as in the papers; 2
        or 3 for a curve that bends, as a decay to consensus does.
    min_size : int
        The fewest steps between changes, and to the ends.
    level : float
        Level of the intervals.
    n_bootstrap : int
        Paths simulated for each place of an interval, and for a p-value.
    embedding : str
        Which embedding of a dataset's answers, as `choose_embedding` takes it.
    seed : int or str, optional
        Seed of the simulated paths; drawn and kept in the result when None.

    Returns
    -------
    Mirror
        The mirror, the iso-mirror, and the changes with intervals and p.

    Raises
    ------
    InputError
        If an argument is not as above, or there are fewer than 10 times.

    Notes
    -----
    The distance of the papers is ``min_W ||X_t - X_s W||_2 / sqrt(n)``, W orthogonal, as vertices
    of a graph have places up to a turn. Models are embedded in the same coordinates at all times,
    so that "spectral" is that with W = I. Squares are freed of noise without bias before
    anything else: of "frobenius", ``E ||X_t - X_s||^2`` holds ``tr(S_t) / L + tr(S_s) / L``; of
    "spectral" the same is taken off the diagonal of the matrix whose eigenvalue it is. Where
    components of mixtures move, a model's move is the MMD of its mixtures.

    A change is a corner: the curve is a line, or a polynomial, with corners, plus a random walk (a
    process that moves by chance does not come back) and white noise (of answers), in a
    proportion that is estimated. An interval holds the times at which a corner is not
    rejected by likelihood ratio, its law simulated with the corner there; p is of no corner
    against one. A curve that bends without a corner, as a decay to consensus does, can look like
    one that has it: `p_bent` is p beside a curve of degree 3. A warning says where that alone is
    above ``1 - level``, and where noise is not of one size over time, as in networks whose steps
    become smaller. ``benchmarks/validity/mirror.md`` has errors and coverage.

    References
    ----------
    Athreya, A., Lubberts, Z., Park, Y. and Priebe, C. E., arXiv 2205.06877.
    Chen, T., Lubberts, Z., Athreya, A., Park, Y. and Priebe, C. E., arXiv 2405.11111.
    Helm, H., Duderstadt, B., Park, Y. and Priebe, C. E., arXiv 2406.11938.
    Tenenbaum, J. B., de Silva, V. and Langford, J. C. (2000), Science 290, 2319-2323.

    Examples
    --------
    >>> import numpy as np
    >>> import lwdstats as lwd
    >>> rng = np.random.default_rng(1)
    >>> moves = rng.random((40, 500)) < np.where(np.arange(40) < 20, 0.2, 0.6)[:, None]
    >>> found = lwd.mirror(np.cumsum(moves, axis=0) / 40, k=1, seed=1)
    >>> found.table[["time", "conf_low", "conf_high"]].values.tolist()
    [[19.0, 19.0, 19.0]]
    """
    check_choice("distance", distance, states.DISTANCES)
    check_choice("on", on, tuple(CURVES))
    check_level(level)
    if debias is not None:
        debias = check_bool("debias", debias)
    if (degree := check_integer("degree", degree, minimum=1)) > _BENT:
        raise InputError("degree", degree, "1, 2 or 3")
    min_size = check_integer("min_size", min_size, minimum=1)
    B = check_integer("n_bootstrap", n_bootstrap, minimum=19)
    if n_changes is not None:
        n_changes = check_integer("n_changes", n_changes, minimum=0)
    root = resolve_seed(seed)
    x = by_embedding(x, embedding, "x")
    if isinstance(x, xr.Dataset):
        validate(x, source="x")
        time = as_times(x["time"].to_index(), "x: time")
        what = _told(x)
        _check_times(time, min_size, n_changes)
        squared, debiased = states.of_dataset(x, distance, debias)
    else:
        if debias:
            raise InputError("debias", debias, "None, unless x is a Dataset with its answers")
        time, stacked = states.of_array(x, _STATES)
        debiased = False
        what = f"positions of {stacked.shape[2]} members, {len(time)} times"
        _check_times(time, min_size, n_changes)
        squared = states.squared_distances(stacked, distance)
    T = len(time)
    points, eig = curve.scale(squared)
    if k is None:
        k = profile_likelihood(np.maximum(eig, 0.0)).dimension if np.any(points) else 1
    elif (k := check_integer("k", k, minimum=1)) > T - 1:
        raise InputError("k", k, f"an integer in 1..{T - 1} (for {T} times)")
    points = points[:, :k]
    if neighbors is not None:
        neighbors = check_integer("neighbors", neighbors, minimum=1)
    iso, used = curve.isomap(points, neighbors)
    iso = iso - iso.mean()
    iso = iso if iso @ (time - time.mean()) >= 0 else -iso
    path = iso[:, None] if on == "iso" else points
    moves = np.ptp(path, axis=0) > 0
    if n_changes is None and moves.sum() > 1:
        got = f"None with on = 'mirror' and {int(moves.sum())} coordinates, which have no p"
        raise InputError("n_changes", got, "a number; or on = 'iso'")
    rows, some, share = _changes(time, path[:, moves], n_changes, degree, min_size, level, B, root)
    fitted = np.array(path)
    fitted[:, moves] = some
    names = ["time", "conf_low", "conf_high", "before", "after", "statistic", "p_value", "p_bent"]
    if len(rows) < (n_changes or 0) and moves.any():
        told = f"{len(rows)} of {n_changes} changes have room {min_size} steps from each other"
        warnings.warn(f"{told} and from the ends", stacklevel=2)
    uneven = _uneven(path - fitted, time) if rows else 1.0
    if uneven <= _UNEVEN and any(row["p_value"] <= 1.0 - level for row in rows):
        told = (
            f"the noise of the path is not of one size over time, or not normal (p = {uneven:.2g}),"
        )
        told += " as p and intervals take it to be: look at later times alone, or draw it"
        warnings.warn(told, stacklevel=2)
    for row in rows:
        if row["p_value"] <= 1.0 - level < row["p_bent"]:
            told = f"the change after time {row['time']:g} is not told from a smooth bend: p is "
            told += f"{row['p_value']:.2g} beside a curve of degree {degree}, {row['p_bent']:.2g} "
            warnings.warn(f"{told}beside one of degree {_BENT}", stacklevel=2)
    return Mirror(
        pd.DataFrame(rows, columns=names),
        time,
        points,
        iso,
        fitted,
        squared,
        eig,
        distance,
        debiased,
        on,
        degree,
        used,
        share,
        float(level),
        min_size,
        B,
        root,
        what,
    )


def _uneven(left: FloatArray, time: FloatArray) -> float:
    """Return p of steps of what is left of a path (T, c) being of one size, and normal."""
    each = np.diff(left, axis=0) / np.sqrt(np.diff(time))[:, None]
    sizes = np.sqrt((each**2).sum(axis=1))
    if np.ptp(sizes) == 0:
        return 1.0
    # Two tests, so that each has half of the level.
    p = min(
        spearmanr(sizes, time[1:]).pvalue,
        *(shapiro(one).pvalue for one in each.T if np.ptp(one) > 0),
    )
    return min(1.0, 2.0 * float(p))


def _told(ds: xr.Dataset) -> str:
    """Return what the states of a dataset are."""
    kind = "mixture weights" if "weight" in ds else "mean answers"
    kind = "mixtures, by their MMD," if components_move(ds) else kind
    sizes = ds.sizes
    parts = [f"{kind} of {sizes['model']} model{'s' * (sizes['model'] > 1)}"]
    parts += [f"{sizes['time']} times"]
    parts += [f"{sizes['replicate']} replicate{'s' * (sizes['replicate'] > 1)}"]
    if sizes.get("query", 1) > 1 and "weight" not in ds:
        parts += [f"{sizes['query']} queries"]
    return ", ".join(parts)


def _check_times(time: FloatArray, min_size: int, n_changes: int | None) -> None:
    """Raise where times are too few."""
    if len(time) < _LEAST_TIMES:
        raise InputError("x", f"{len(time)} times", f"{_LEAST_TIMES} or more")
    wanted = max(1, n_changes or 0)
    if (wanted + 1) * min_size >= len(time) and n_changes != 0:
        got = f"{min_size} with {len(time)} times and {wanted} change{'s' * (wanted > 1)}"
        raise InputError("min_size", got, "stretches that fit beside each other")


def _changes(
    time: FloatArray,
    path: FloatArray,
    n_changes: int | None,
    degree: int,
    min_size: int,
    level: float,
    B: int,
    root: int,
) -> tuple[list[dict[str, Any]], FloatArray, float]:
    """Return rows of the table, the curve through a path (T, c), and the share of white noise."""
    if not path.shape[1]:
        return [], path, np.nan
    frame = knots.frame_of(time, degree)
    unit = float(np.median(np.diff(time)))

    def rng(*key: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(root, spawn_key=key))

    at = knots.place(frame, path, n_changes or 0, min_size)
    if n_changes is None:
        while len(at) < _MOST:
            more = knots.place(frame, path, len(at) + 1, min_size)
            free = knots.candidates(len(time), min_size, at)
            if len(more) == len(at) or not free.size:
                break
            if knots.p_of_knot(frame, path, at, min_size, B, rng(2, len(at)))[1] > 1.0 - level:
                break
            at = more
    course = knots.fit(frame, path, at)
    before, after = (
        (each[:, 0] if path.shape[1] == 1 else np.linalg.norm(each, axis=1)) / unit
        for each in knots.slopes(frame, course)
    )
    rows = []
    for i, place in enumerate(at):
        others = [j for j in at if j != place]
        low, high = knots.interval(frame, path, at, i, level, min_size, B, rng(0, i))
        statistic, p = knots.p_of_knot(frame, path, others, min_size, B, rng(1, i))
        # Coordinates of a random walk in many dimensions are cosines, which are no lines.
        p = p if path.shape[1] == 1 else np.nan
        row = {"time": time[place], "conf_low": time[low], "conf_high": time[high]}
        row |= {"before": before[i], "after": after[i]}
        bent = p
        if degree < _BENT and path.shape[1] == 1:
            free = knots.frame_of(time, _BENT)
            bent = knots.p_of_knot(free, path, others, min_size, B, rng(3, i))[1]
        rows.append(row | {"statistic": statistic, "p_value": p, "p_bent": bent})
    ratio = knots.RATIOS[course.ratio]
    # Of a difference the white part has twice the variance of a value.
    share = 1.0 if np.isinf(ratio) else float(2.0 * ratio / (1.0 + 2.0 * ratio))
    return rows, course.fitted, share
