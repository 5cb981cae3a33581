"""Procrustes rotation: one configuration of points laid on another."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from lwdstats.arrays import FloatArray, as_points
from lwdstats.errors import InputError, check_bool
from lwdstats.geometry.cmdscale import CMDScale
from lwdstats.geometry.kernels import centred
from lwdstats.geometry.labels import labels_of, order_of
from lwdstats.results.axes import coordinate_columns
from lwdstats.results.pictures import drawing
from lwdstats.results.result import Result, aligned, one_row

_POINTS = "finite numbers of shape (n, k), or a result of cmdscale"
_SPREAD = "points that do not all coincide"


@dataclass(frozen=True, eq=False)
class Procrustes(Result):
    """A rotation found by `procrustes`.

    Attributes
    ----------
    ss : float
        Sum of squared distances left between target and rotated points.
    rotation : numpy.ndarray, shape (k_y, k)
        Orthogonal matrix A (reflections included) that turns y.
    translation : numpy.ndarray, shape (k,)
        What is added after turning and scaling; 0 in a symmetric rotation.
    scale : float
        Factor c of y; 1 if no scaling was asked for.
    x : numpy.ndarray, shape (n, k)
        The target, centred (and of sum of squares 1 in a symmetric rotation).
    yrot : numpy.ndarray, shape (n, k)
        The rotated points, centred: ``c (y - ybar) A``.
    xmean : numpy.ndarray, shape (k,)
        Centre of the target; 0 in a symmetric rotation.
    symmetric : bool
        Whether both were scaled to a sum of squares of 1 beforehand.
    """

    ss: float
    rotation: FloatArray
    translation: FloatArray
    scale: float
    x: FloatArray
    yrot: FloatArray
    xmean: FloatArray
    symmetric: bool

    @property
    def rmse(self) -> float:
        """Root mean squared distance between target and rotated points."""
        return math.sqrt(self.ss / len(self.x))

    def residuals(self) -> FloatArray:
        """Return the distance left at each point, (n,)."""
        return np.linalg.norm(self.x - self.yrot, axis=1)

    def fitted(self) -> FloatArray:
        """Return the rotated points in the place of the target, (n, k)."""
        return self.yrot + self.xmean

    def predict(self, newdata: npt.ArrayLike) -> FloatArray:
        """Return other points, (m, k_y), turned, scaled and moved alike, (m, k)."""
        takes = f"finite numbers of shape (m, {len(self.rotation)})"
        if self.symmetric:
            raise InputError("newdata", "points", "a rotation that is not symmetric")
        y = as_points(newdata, "newdata", takes)
        if y.shape[1] != len(self.rotation):
            raise InputError("newdata", f"shape {y.shape}", takes)
        return self.scale * y @ self.rotation + self.translation

    def lines(self) -> list[str]:
        """Return the rows of R's ``summary(procrustes(x, y))``, but for the call."""
        n, k = self.yrot.shape
        names = ("Min", "1Q", "Median", "3Q", "Max")
        errors = [f"{v:.7g}" for v in np.quantile(self.residuals(), (0, 0.25, 0.5, 0.75, 1))]
        return [
            f"Number of objects: {n}    Number of dimensions: {k}",
            "",
            "Procrustes sum of squares:",
            f"{self.ss:.4g}",
            "Procrustes root mean squared error:",
            f"{self.rmse:.4g}",
            "Quantiles of Procrustes errors:",
            *aligned(names, [errors]),
            "",
            "Rotation matrix:",
            *(" ".join(f"{v:10.7f}" for v in row) for row in self.rotation),
            "",
            "Translation of averages:",
            " ".join(f"{v:.7g}" for v in self.translation),
            "",
            "Scaling of target:",
            f"{self.scale:.7g}",
        ]

    def tidy(self) -> pd.DataFrame:
        """Return a row for each number of the transformation, named as in the printed matrix."""
        k_y, k = self.rotation.shape
        names = [f"rotation[{i},{j}]" for i in range(k_y) for j in range(k)]
        names += [f"translation[{j}]" for j in range(k)]
        values = [*self.rotation.ravel(), *self.translation, self.scale]
        return pd.DataFrame({"term": [*names, "scale"], "estimate": values})

    def glance(self) -> pd.DataFrame:
        """Return one row about the rotation."""
        row = {"sum_of_squares": self.ss, "rmse": self.rmse, "scale": self.scale}
        return one_row(row | {"symmetric": self.symmetric, "nobs": len(self.x)})

    def augment(self) -> pd.DataFrame:
        """Return a row for each point: its rotated coordinates and the distance left."""
        columns = {"point": np.arange(len(self.x)), **coordinate_columns(self.fitted())}
        return pd.DataFrame(columns | {".resid": self.residuals()})

    def _caption(self) -> str:
        return f"Procrustes rotation, sum of squares {self.ss:.4g}"

    def _draw(self, ax: drawing.Axes | None) -> drawing.Axes:
        ax = drawing.new_axes(ax)
        target, points = drawing.plane(self.x + self.xmean), drawing.plane(self.fitted())
        ax.plot(*points.T, "o", markerfacecolor="none", color=drawing.colour(0), label="rotated")
        ax.plot(*target.T, ".", color=drawing.colour(1), label="target")
        for start, end in zip(points, target, strict=True):
            ax.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": "0.5"})
        drawing.name_axes(ax, ["coordinate 0", "coordinate 1"])
        drawing.legend(ax)
        drawing.title(ax, "Procrustes errors")
        return ax


def procrustes(
    x: npt.ArrayLike | CMDScale,
    y: npt.ArrayLike | CMDScale,
    *,
    scale: bool = True,
    symmetric: bool = False,
) -> Procrustes:
    """Rotate, move and scale points to be as near to a target as they can.

    Parameters
    ----------
    x : array_like, shape (n, k_x), or CMDScale
        The target.
    y : array_like, shape (n, k_y), or CMDScale
        The points to rotate, in the same order; or, where both have labels (an index, a
        coordinate, those of cmdscale), in any order, as they then go together by these.
    scale : bool
        Scale `y` too.
    symmetric : bool
        Scale both to a sum of squares of 1 first, so that `ss` is the same
        for x on y as for y on x (where `scale` is true).

    Returns
    -------
    Procrustes
        `rotation`, `translation`, `scale`, `ss`, `yrot` and more; the methods
        `fitted`, `predict` and `residuals` as in R.

    Raises
    ------
    InputError
        If the numbers of points or their labels differ, or if points that must be
        scaled all coincide.

    Notes
    -----
    Minimises ``ss = ||X - (c Y A + 1 b')||^2`` over orthogonal A, b and c.
    With both centred and ``X'Y = U S V'``: ``A = V U'``, ``c = tr(S)/||Y||^2``
    and ``ss = ||X||^2 + c^2 ||Y||^2 - 2 c tr(S)``.

    Follows ``vegan::procrustes(X, Y, scale, symmetric)``. It differs in that a
    target with fewer columns than `y` is filled up with zeros without a
    warning; that `ss` is never below 0 by a rounding error; and in that a
    symmetric rotation's translation and centre are exactly 0. The part of A
    that turns within directions that X'Y does not see (collinear points,
    filled-up columns) is not determined, in R neither; `ss` and `scale` do not
    depend on it.

    References
    ----------
    Gower, J. C. (1975), Generalized Procrustes analysis, Psychometrika 40, 33-51.
    Peres-Neto, P. R. and Jackson, D. A. (2001), Oecologia 129, 169-178.
    Oksanen, J. et al., ``vegan::procrustes``.

    Examples
    --------
    >>> import lwdstats as lwd
    >>> x = [[0, 0], [2, 0], [0, 1]]
    >>> y = [[5, 5], [5, 9], [3, 5]]  # turned by 90 degrees, twice as large, moved
    >>> fit = lwd.procrustes(x, y)
    >>> round(fit.scale, 6), abs(round(fit.ss, 6))
    (0.5, 0.0)
    >>> abs(fit.predict(y).round(6))
    array([[0., 0.],
           [2., 0.],
           [0., 1.]])
    """
    check_bool("scale", scale)
    check_bool("symmetric", symmetric)
    target, points = _as_configuration(x, "x"), _as_configuration(y, "y")
    order = order_of(labels_of(x), labels_of(y), "y", "x")
    points = points if order is None else points[order]
    if len(target) != len(points):
        raise InputError(
            "y", f"{len(points)} points", f"as many points as x has, which is {len(target)}"
        )
    missing = points.shape[1] - target.shape[1]
    if missing > 0:
        target = np.pad(target, ((0, 0), (0, missing)))
    xmean, ymean = target.mean(axis=0), points.mean(axis=0)
    target, points = centred(target), centred(points)
    for argument, turned, scaled in (("x", target, symmetric), ("y", points, symmetric or scale)):
        if scaled and not np.any(turned):
            raise InputError(argument, "points that all coincide", _SPREAD)
    if symmetric:
        target, points = target / np.linalg.norm(target), points / np.linalg.norm(points)
        xmean, ymean = np.zeros_like(xmean), np.zeros_like(ymean)

    a, c, ss = rotation(target, points, scale=scale)
    return Procrustes(
        ss=ss,
        rotation=a,
        translation=xmean - c * ymean @ a,
        scale=c,
        x=target,
        yrot=c * points @ a,
        xmean=xmean,
        symmetric=bool(symmetric),
    )


def rotation(x: FloatArray, y: FloatArray, *, scale: bool) -> tuple[FloatArray, float, float]:
    """Return A (k_y, k), c and ss for centred x (n, k) and y (n, k_y), k at least k_y."""
    u, s, vt = np.linalg.svd(x.T @ y, full_matrices=False)
    square = float(np.vdot(y, y))
    c = float(s.sum()) / square if scale else 1.0
    ss = float(np.vdot(x, x)) + c * c * square - 2.0 * c * float(s.sum())
    return vt.T @ u.T, c, max(0.0, ss)


def _as_configuration(x: object, argument: str) -> FloatArray:
    points = as_points(x.points if isinstance(x, CMDScale) else x, argument, _POINTS)
    if len(points) < 2:
        raise InputError(argument, f"shape {points.shape}", f"{_POINTS}, n at least 2")
    return points
