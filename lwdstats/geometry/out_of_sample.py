"""New points in an existing space, from their distances to the old ones."""

from __future__ import annotations

import math
import warnings
from typing import Literal, overload

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy.optimize import brentq
from scipy.spatial.distance import cdist

from lwdstats.arrays import FloatArray, as_floats, as_points
from lwdstats.errors import InputError, check_bool, check_choice
from lwdstats.geometry.cmdscale import CMDScale
from lwdstats.geometry.given_distances import as_distances, rounding_of
from lwdstats.geometry.kernels import centred, gower
from lwdstats.geometry.labels import arranged, labels_of, labels_of_square, order_of

METHODS = ("gower", "trosset-priebe")


@overload
def out_of_sample(
    fit: CMDScale,
    new: npt.ArrayLike,
    d: npt.ArrayLike | xr.DataArray | None = ...,
    *,
    points: npt.ArrayLike | None = ...,
    method: str = ...,
    residuals: Literal[False] = ...,
) -> FloatArray: ...
@overload
def out_of_sample(
    fit: CMDScale,
    new: npt.ArrayLike,
    d: npt.ArrayLike | xr.DataArray | None = ...,
    *,
    points: npt.ArrayLike | None = ...,
    method: str = ...,
    residuals: Literal[True],
) -> tuple[FloatArray, FloatArray]: ...
def out_of_sample(
    fit: CMDScale,
    new: npt.ArrayLike,
    d: npt.ArrayLike | xr.DataArray | None = None,
    *,
    points: npt.ArrayLike | None = None,
    method: str = "gower",
    residuals: bool = False,
) -> FloatArray | tuple[FloatArray, FloatArray]:
    """Place new points into a space that `cmdscale` made, which stays as it is.

    Parameters
    ----------
    fit : CMDScale
        Result of ``cmdscale(d, k)`` or ``cmdscale(points=points, k=k)``.
    new : array_like, shape (m, n) or (n,); with `points` (m, p)
        Distances from each new point to the n old ones; with `points`, the new
        points themselves. Columns that have labels go by these, not by their order.
    d : array_like, shape (n, n) or (n (n - 1) / 2,), or xarray.DataArray
        The distances that `fit` was made from.
    points : array_like, shape (n, p)
        The points that `fit` was made from, instead of `d`.
    method : {"gower", "trosset-priebe"}
        See Notes.
    residuals : bool
        Return also how far each new point lies off the space, (m,).

    Returns
    -------
    numpy.ndarray, shape (m, k), or two of them
        Coordinates of the new points on the axes of ``fit.points``; and residuals.

    Raises
    ------
    InputError
        If the sizes do not fit, distances are negative or not finite, or `d`
        or `points` is not what `fit` was made from.

    Warns
    -----
    UserWarning
        If a point lies farther off the space than the old ones lie from their centre (root
        mean square), and than theirs would if each were new: coordinates hide where it is.

    Notes
    -----
    With the old coordinates Y (n, k), ``Y'Y = L`` diagonal, and squared
    distances a from the new point, the inner products with the old points
    about their centre are ``b_i = (r_i + mean(a) - mean(r) - a_i)/2``, where
    r_i is the mean of row i of the squared `d`; the new point's own is
    ``beta = mean(a) - mean(r)/2``.

    "gower" is the projection ``L^-1 Y'b``. An old point comes out at its own
    coordinates, at any k. A residual is the root of ``beta`` less the square of the
    projection, whatever the method (0 where distances that are not Euclidean make it
    negative).

    "trosset-priebe" is the minimum over y of ``2 ||b - Y y||^2 +
    (beta - y'y)^2``: the distance from the centre counts too, so that a point far off is
    not drawn to it. There ``(L - mu I) y = Y'b`` with ``mu = beta - y'y`` at most the
    least entry of L. Of two equally good ones (mirror images) the positive is returned.
    The two methods agree on points of the space itself.

    The additive constant of `fit` is added to the new distances as it was to the old; a
    distance of 0 stays 0. R's ``cmdscale`` has no counterpart.

    References
    ----------
    Gower, J. C. (1968), Adding a point to vector diagrams in multivariate
    analysis, Biometrika 55, 582-585.
    Trosset, M. W. and Priebe, C. E. (2008), The out-of-sample problem for
    classical multidimensional scaling, Computational Statistics and Data
    Analysis 52, 4635-4642.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> d = [[0, 4, 2], [4, 0, 2], [2, 2, 0]]  # three points on a line
    >>> fit = lwd.cmdscale(d, k=1)
    >>> fit.points[:2].ravel()
    array([ 2., -2.])
    >>> lwd.out_of_sample(fit, [1, 5, 3], d).round(6)  # one further out
    array([[3.]])
    """
    if not isinstance(fit, CMDScale):
        raise InputError("fit", type(fit).__name__, "a result of cmdscale")
    method = check_choice("method", method, METHODS)
    check_bool("residuals", residuals)
    if (d is None) == (points is None):
        got = "neither d nor points" if d is None else "both d and points"
        raise InputError("d", got, "exactly one of d and points: what fit was made from")
    n = len(fit.points)
    if d is not None:
        squares, own = _old_squares(d, fit), labels_of(fit) or labels_of_square(d)
        takes = f"finite distances, none below 0, of shape (m, {n})"
        new = arranged(new, own, "new", "fit", axis=max(0, getattr(new, "ndim", 1) - 1))
        delta = as_floats(new, "new", takes)
        delta = delta[None, :] if delta.ndim == 1 else delta
        if delta.ndim != 2 or delta.shape[1] != n or delta.size == 0:
            raise InputError("new", f"shape {delta.shape}", takes)
        if delta.min() < -rounding_of(delta):
            raise InputError("new", f"a smallest entry of {delta.min():g}", takes)
        squared = np.where(delta > 0, delta + fit.ac, 0.0) ** 2
    else:
        points = arranged(points, labels_of(fit), "points", "fit")
        old = as_points(points, "points", "finite numbers of shape (n, p)")
        _check_size("points", len(old), fit)
        takes = f"finite numbers of shape (m, {old.shape[1]})"
        new = arranged(new, labels_of(points, 1), "new", "points", axis=1)
        fresh = as_points(new, "new", takes)
        if fresh.shape[1] != old.shape[1]:
            raise InputError("new", f"shape {fresh.shape}", takes)
        squares = mean_squares(old)
        squared = cdist(fresh, old, "sqeuclidean")
        x = centred(old)
        _check_origin("points", squares, x @ (x.T @ fit.points), fit)
    placed = place(fit.points, squares, squared, method)
    off, far = off_space(fit.points, squares, squared), far_off(fit.points, squares)
    warn_far_off(off, far, stacklevel=3)
    return (placed, off) if residuals else placed


def mean_squares(x: FloatArray) -> FloatArray:
    """Return the mean squared distance of each row of `x`, (n, p), to all rows, (n,)."""
    x = centred(x)
    own = np.einsum("ij,ij->i", x, x)
    return own + own.mean()


def place(y: FloatArray, squares: FloatArray, squared: FloatArray, method: str) -> FloatArray:
    """Return coordinates (m, k) of new points.

    `y` is the old coordinates (n, k), on principal axes; `squares` (n,) the
    mean of each row of the old squared distances; `squared` (m, n) the squared
    distances from new to old. Columns of `y` that are 0 give coordinates 0.
    """
    spread = np.einsum("ij,ij->j", y, y)
    kept = np.flatnonzero(spread > 0)
    out = np.zeros((len(squared), y.shape[1]))
    y, spread = y[:, kept], spread[kept]
    # Y'b: what is the same for all old points drops out, as the columns of Y sum to 0.
    # Less its mean first, which loses fewer digits for a point far away.
    b = 0.5 * (squares - squared)
    b -= b.mean(axis=1, keepdims=True)
    c = b @ y
    if method == "gower":
        out[:, kept] = c / spread
    else:
        beta = squared.mean(axis=1) - 0.5 * squares.mean()
        for i in range(len(c)):
            out[i, kept] = _least_strain(spread, c[i], float(beta[i]))
    return out


def off_space(y: FloatArray, squares: FloatArray, squared: FloatArray) -> FloatArray:
    """Return how far new points lie off the space, (m,); arguments as of `place`."""
    along = place(y, squares, squared, "gower")
    beta = squared.mean(axis=1) - 0.5 * squares.mean()
    return np.sqrt(np.maximum(beta - np.einsum("ij,ij->i", along, along), 0.0))


def far_off(y: FloatArray, squares: FloatArray) -> float:
    """Return the distance off a space of points `y`, (n, k), from which on one is an outlier.

    An old point has had a part in the space. Were it new, it would be off by
    ``e / (1 - h)``, e being what it is off and h its leverage, as in a regression, but no
    farther than from the centre of the others. Squares are far beyond the largest of
    these, if by more than that is beyond the median; and what matters is only a
    distance that is not small beside the extent of the points.
    """
    n = len(y)
    own = np.maximum(squares - 0.5 * squares.mean(), 0.0)
    spread = np.einsum("ij,ij->j", y, y)
    y, spread = y[:, spread > 0], spread[spread > 0]
    left = np.maximum(own - np.einsum("ij,ij->i", y, y), 0.0)
    free = 1.0 - 1.0 / n - np.einsum("ij,ij->i", y, y / spread)
    most = own * (n / (n - 1.0)) ** 2
    as_new = np.divide(left, free**2, out=most.copy(), where=free > 1e-8)
    as_new = np.minimum(as_new, most)
    beyond = 2.0 * as_new.max() - np.median(as_new)
    return math.sqrt(max(float(beyond), float(own.mean())))


def warn_far_off(off: FloatArray, far: float, *, stacklevel: int) -> None:
    """Warn of new points, by their distances `off` the space, (m,), that are outliers."""
    count = int(np.count_nonzero(off > far * (1.0 + 1e-9)))
    if count:
        warnings.warn(
            f"{count} of {off.size} new points lie far off the space, by up to {off.max():.3g} "
            f"where {far:.3g} is much for its own points: their coordinates do not show that "
            "(see the residuals)",
            stacklevel=stacklevel,
        )


def _least_strain(spread: FloatArray, c: FloatArray, beta: float) -> FloatArray:
    """Return the y (k,) that minimises ``2 y'Ly - 4 c'y + (beta - y'y)^2``, L = diag(spread)."""
    if spread.size == 0:
        return np.zeros(0)
    least = float(spread.min())

    def excess(mu: float) -> float:
        # y'y - (beta - mu) at the y that belongs to mu; rises with mu.
        y = c / (spread - mu)
        return float(y @ y) - beta + mu

    at_least = spread <= least
    # The root lies below `least`. There y'y has a pole, unless c is 0 on its axes.
    tiny = 1e-12 * max(least, abs(beta))
    if excess(least - tiny) < 0:
        y = np.zeros_like(c)
        y[~at_least] = c[~at_least] / (spread[~at_least] - least)
        # What of y'y = beta - mu is left goes on an axis of the least spread.
        rest = math.sqrt(max(0.0, beta - least - float(y @ y)))
        axis = int(np.flatnonzero(at_least)[0])
        y[axis] = math.copysign(rest, c[axis]) if c[axis] != 0 else rest
        return y
    low = min(0.0, least) - abs(beta) - 1.0
    while excess(low) > 0:
        low *= 2.0
    mu = brentq(excess, low, least - tiny, xtol=1e-300, rtol=8.9e-16, maxiter=500)
    return c / (spread - float(mu))


def _old_squares(d: object, fit: CMDScale) -> FloatArray:
    """Return row means of the squared distances that were scaled, (n,)."""
    matrix = as_distances(d)
    order = order_of(labels_of(fit), labels_of_square(d), "d", "fit")
    matrix = matrix if order is None else matrix[np.ix_(order, order)]
    _check_size("d", len(matrix), fit)
    matrix = matrix + fit.ac
    np.fill_diagonal(matrix, 0.0)
    squares = (matrix * matrix).mean(axis=1)
    _check_origin("d", squares, gower(matrix) @ fit.points, fit)
    return squares


def _check_size(argument: str, n: int, fit: CMDScale) -> None:
    if n != len(fit.points):
        takes = f"those that fit was made from, {len(fit.points)} points"
        raise InputError(argument, f"{n} points", takes)


def _check_origin(argument: str, squares: FloatArray, image: FloatArray, fit: CMDScale) -> None:
    """Raise unless the points of `fit` are the axes of what is given, in its order.

    `image`, (n, k), is the centred matrix times the points, of which each is multiplied by
    its eigenvalue; in another order it is not.
    """
    # The trace of the centred matrix, from the distances and from the eigenvalues.
    trace = 0.5 * float(squares.sum())
    expected = fit.points * fit.eig[: fit.points.shape[1]]
    off, size = (np.abs(x).max(initial=0.0) for x in (image - expected, expected))
    if abs(trace - float(fit.eig.sum())) > 1e-6 * trace or off > 1e-5 * size:
        raise InputError(
            argument,
            "values that fit was not made from, or those in another order",
            "what cmdscale was given for fit",
        )
