"""Classical multidimensional scaling: coordinates from distances."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from lwdstats.arrays import FloatArray, as_points
from lwdstats.errors import InputError, check_bool, check_integer
from lwdstats.geometry.given_distances import as_distances, cailliez, noise_of, precision_of
from lwdstats.geometry.kernels import centred, gower
from lwdstats.geometry.labels import label_text, labels_of, labels_of_square
from lwdstats.results.axes import axes_frame, coordinate_columns, first_values
from lwdstats.results.pictures import covariates, drawing
from lwdstats.results.result import Result, aligned, one_row

_POINTS = "finite numbers of shape (n, p), n at least 2"
# Points and eigenvalues that are printed.
_ROWS = 10


@dataclass(frozen=True, eq=False)
class CMDScale(Result):
    """Coordinates found by `cmdscale`.

    Attributes
    ----------
    points : numpy.ndarray, shape (n, k)
        Coordinates, centred, on principal axes, in the units of the distances;
        fewer columns where fewer of the first k eigenvalues are positive.
    eig : numpy.ndarray, shape (n,)
        All eigenvalues, the largest first, in squared units.
    gof : tuple of float
        Goodness of fit: the sum of the eigenvalues used, over the sum of all
        in absolute value, and over the sum of the positive ones.
    ac : float
        Constant that was added to the distances, in their units.
    labels : tuple of str
        Names of the points, for printing; empty where they have none.
    covariates : dict of str to numpy.ndarray, each of shape (n,)
        What else is known of the points: the coordinates that a DataArray has along them.
    """

    points: FloatArray
    eig: FloatArray
    gof: tuple[float, float]
    ac: float = 0.0
    labels: tuple[str, ...] = ()
    covariates: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    def lines(self) -> list[str]:
        """Return points, eigenvalues and goodness of fit."""
        n, k = self.points.shape
        shown = min(n, _ROWS)
        names = self.labels or tuple(f"[{i},]" for i in range(n))
        columns = [names[:shown]]
        columns += [_decimals(self.points[:shown, j], self.points[:, j]) for j in range(k)]
        head = ["", *(f"[,{j}]" for j in range(k))]
        lines = ["Classical multidimensional scaling", ""]
        lines += [f"Points ({n} in {k} dimension{'' if k == 1 else 's'}):"]
        lines += aligned(head, list(zip(*columns, strict=True)), left=[0])
        lines += [f"... and {n - shown} more"] * (n > shown)
        lines += ["", "Eigenvalues:", first_values(self.eig, _ROWS)]
        lines += ["", "GOF: " + " ".join(f"{g:.5g}" for g in self.gof)]
        lines += [f"Additive constant: {self.ac:.5g}"] * (self.ac > 0)
        return lines

    def tidy(self) -> pd.DataFrame:
        """Return a row for each axis: its eigenvalue and share of the positive ones."""
        return axes_frame(self.eig, self.points.shape[1])

    def glance(self) -> pd.DataFrame:
        """Return one row about the scaling."""
        absolute, positive = self.gof
        sizes = {"k": self.points.shape[1], "nobs": len(self.points)}
        return one_row(sizes | {"gof_absolute": absolute, "gof_positive": positive, "ac": self.ac})

    def augment(self) -> pd.DataFrame:
        """Return a row for each point: its name and its coordinates."""
        names = self.labels or range(len(self.points))
        return pd.DataFrame({"point": list(names), **coordinate_columns(self.points)})

    def to_frame(self) -> pd.DataFrame:
        """Return the points by name."""
        return self.augment().set_index("point").rename_axis(None)

    def _caption(self) -> str:
        return "Points of classical multidimensional scaling"

    def _draw(self, ax: drawing.Axes | None, **options: Any) -> drawing.Axes:
        options = {"known": self.covariates} | options
        ax = drawing.cloud(ax, drawing.plane(self.points), self.labels, **options)
        share = self.tidy()["percent"].to_numpy()
        names = [f"coordinate {j} ({part:.0%})" for j, part in enumerate(share[:2])]
        drawing.name_axes(ax, names)
        return ax


def cmdscale(
    d: npt.ArrayLike | xr.DataArray | None = None,
    k: int = 2,
    *,
    points: npt.ArrayLike | None = None,
    add: bool = False,
) -> CMDScale:
    """Find coordinates whose distances are the given ones, as nearly as k dimensions allow.

    Parameters
    ----------
    d : array_like, shape (n, n) or (n (n - 1) / 2,), or xarray.DataArray
        Distances: a matrix, or its upper triangle by rows (the order of
        SciPy's ``pdist``, and of R's ``dist``).
    k : int
        Number of dimensions, 1 to n - 1.
    points : array_like, shape (n, p)
        Points, instead of `d`, where the distances are the Euclidean ones
        between them. The result is the same, at the cost of an
        eigenproblem of size min(n, p), and no distance is computed.
    add : bool
        Add to the distances the smallest constant that makes them Euclidean
        (Cailliez), so that no eigenvalue is negative. Takes an unsymmetric
        eigenproblem of size 2 (n - 1). Points need none: their constant is 0.

    Returns
    -------
    CMDScale
        `points` (n, k), `eig` (n,), `gof` (a pair) and `ac`.

    Raises
    ------
    InputError
        If the distances are not finite, symmetric, non-negative and zero on
        the diagonal, if `k` is not in 1..n - 1, or unless exactly one of `d`
        and `points` is given.

    Warns
    -----
    UserWarning
        If fewer than `k` of the first `k` eigenvalues are positive; `points`
        then has fewer columns.

    Notes
    -----
    Follows R's ``cmdscale(d, k, eig = TRUE, add)``. It differs in that

    - an eigenvalue counts as positive above ``4 n eps max(d)^2``, what rounding
      alone can make of a 0, where R compares with 0 itself and may keep columns
      that hold nothing but rounding error;
    - the sign of each column is fixed: its largest entry in absolute value
      (the first of equals) is positive;
    - a matrix that is not symmetric with a zero diagonal is an error, where R
      reads its lower triangle;
    - of Euclidean distances `ac` is 0, where R has a rounding error of about
      1e-8 of their size; those in single or half precision count as rounded to that;
    - from `points`, eigenvalues at the level of rounding error are 0.

    References
    ----------
    Torgerson, W. S. (1952), Psychometrika 17, 401-419.
    Gower, J. C. (1966), Biometrika 53, 325-338.
    Cailliez, F. (1983), Psychometrika 48, 305-308.
    R Core Team, ``stats::cmdscale``.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> fit = lwd.cmdscale([[0, 3, 5], [3, 0, 4], [5, 4, 0]], k=2)
    >>> lwd.dist(fit.points).round(6)
    array([[0., 3., 5.],
           [3., 0., 4.],
           [5., 4., 0.]])
    >>> print(lwd.cmdscale(points=[0, 1, 5], k=1))
    Classical multidimensional scaling
    <BLANKLINE>
    Points (3 in 1 dimension):
              [,0]
    [0,] -2.000000
    [1,] -1.000000
    [2,]  3.000000
    <BLANKLINE>
    Eigenvalues:
    14 0 0
    <BLANKLINE>
    GOF: 1 1
    """
    if (d is None) == (points is None):
        got = "neither d nor points" if d is None else "both d and points"
        raise InputError("d", got, "exactly one of d and points")
    check_bool("add", add)
    matrix = as_points(points, "points", _POINTS) if d is None else as_distances(d)
    n = len(matrix)
    if n < 2:
        raise InputError("points", f"shape {matrix.shape}", _POINTS)
    k = check_integer("k", k, minimum=1)
    if k > n - 1:
        raise InputError("k", k, f"an integer in 1..{n - 1} (n - 1, for n = {n} points)")

    ac = 0.0
    if d is None:
        coordinates, eig = scale_points(matrix, k)
    else:
        if add:
            ac = cailliez(matrix, precision_of(matrix))
            matrix = matrix + ac
            np.fill_diagonal(matrix, 0.0)
        coordinates, eig = scale_distances(matrix, k)
    kept = coordinates.shape[1]
    if kept < k:
        warnings.warn(f"only {kept} of the first {k} eigenvalues are > 0", stacklevel=2)

    gof = goodness(float(eig[:kept].sum()), eig)
    names = labels_of(points) if d is None else labels_of_square(d)
    return CMDScale(
        fix_signs(coordinates),
        eig,
        gof,
        ac,
        tuple(label_text(x) if isinstance(x, tuple) else str(x) for x in names or ()),
        _known(points, 0) if d is None else _known(d, -2),
    )


def _known(x: object, axis: int) -> dict[str, np.ndarray]:
    """Return the coordinates that a DataArray has along an axis."""
    if not isinstance(x, xr.DataArray) or x.ndim < 2:
        return {}
    return covariates.along(x, str(x.dims[axis]))


def goodness(used: float, eig: FloatArray) -> tuple[float, float]:
    """Return the sum `used` over that of all eigenvalues, absolute or positive, as R has it."""
    positive = float(np.maximum(eig, 0.0).sum())
    if positive == 0:
        return math.nan, math.nan
    return used / float(np.abs(eig).sum()), used / positive


def scale_distances(d: FloatArray, k: int) -> tuple[FloatArray, FloatArray]:
    """Return coordinates (n, at most k) and eigenvalues (n,) of distances (n, n)."""
    eig, vectors = np.linalg.eigh(gower(d))
    eig, vectors = eig[::-1], vectors[:, : -k - 1 : -1]
    keep = eig[:k] > noise_of(len(d), d.max() ** 2, precision_of(d))
    return vectors[:, keep] * np.sqrt(eig[:k][keep]), eig.copy()


def scale_points(x: FloatArray, k: int) -> tuple[FloatArray, FloatArray]:
    """Return coordinates (n, at most k) and eigenvalues (n,) of points (n, p).

    Double centring of the squared distances gives XX', X being the centred
    points; its positive eigenvalues are those of X'X.
    """
    n, p = x.shape
    x = centred(x)
    if p >= n:
        return scale_products(x @ x.T, k)
    values, vectors = np.linalg.eigh(x.T @ x)
    eig = _above_noise(values[::-1], np.einsum("ij,ij->i", x, x), n)
    return x @ vectors[:, ::-1][:, :k][:, eig[: min(k, p)] > 0], eig


def scale_products(gram: FloatArray, k: int) -> tuple[FloatArray, FloatArray]:
    """Return coordinates (n, at most k) and eigenvalues (n,), by the products of centred points."""
    values, vectors = np.linalg.eigh(gram)
    eig = _above_noise(values[::-1], np.diagonal(gram), len(gram))
    keep = eig[:k] > 0
    return vectors[:, ::-1][:, :k][:, keep] * np.sqrt(eig[:k][keep]), eig


def _above_noise(values: FloatArray, squares: FloatArray, n: int) -> FloatArray:
    """Return n eigenvalues of points of which these, falling, are some; noise is 0."""
    eig = np.zeros(n)
    # No distance exceeds twice the largest distance from the centre.
    noise = noise_of(n, 4.0 * squares.max())
    eig[: len(values)] = np.where(values > noise, values, 0.0)
    return eig


def fix_signs(points: FloatArray) -> FloatArray:
    """Return `points` with the largest absolute entry of each column positive."""
    size = np.abs(points)
    # Entries equal but for rounding count as equal, and the first of them decides.
    first = np.argmax(size >= (1.0 - 1e-9) * size.max(axis=0), axis=0)
    return points * np.where(points[first, np.arange(points.shape[1])] < 0, -1.0, 1.0)


def _decimals(values: FloatArray, column: FloatArray) -> list[str]:
    # Seven significant digits of the column's largest entry, as R prints a matrix.
    largest = float(np.abs(column).max())
    digits = 6 - math.floor(math.log10(largest)) if largest > 0 else 0
    return [f"{v:.{min(max(digits, 0), 12)}f}" for v in values]
