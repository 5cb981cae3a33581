"""Least squares, and covariances of the estimates that hold where rows come in clusters.

Letters in the shapes: n rows, p coefficients, G clusters, q linear forms of the coefficients.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError

# A column counts if this share of it is left outside of those before it, as in R.
_RANK = 1e-7
# A direction of the design that one cluster alone has, which its residuals say nothing of.
_ALONE = 1e-10
# Fewer clusters than this, and their robust errors are themselves uncertain.
FEW = 10


@dataclass(frozen=True, eq=False)
class Clusters:
    """The design of clusters, from which degrees of freedom follow.

    Attributes
    ----------
    code : (n,) int64
        Of each row.
    n : int
        G.
    q, adjusted : (n, p)
        An orthonormal basis of the design, and what it is times ``(I - H_g)^(-1/2)`` within each
        cluster, H_g being the cluster's block of the projection on the design.
    r : (p, p)
        The design is q r.
    """

    code: NDArray[np.int64]
    n: int
    q: FloatArray
    adjusted: FloatArray
    r: FloatArray

    def sums(self, x: FloatArray) -> FloatArray:
        """Return sums (G, ...) of rows (n, ...) over each cluster."""
        out = np.zeros((self.n, *x.shape[1:]))
        np.add.at(out, self.code, x)
        return out

    def _reach(self, form: FloatArray) -> FloatArray:
        """Return forms (q, p) of the coefficients as forms (p, q) of the basis."""
        return np.asarray(solve_triangular(self.r, form.T, trans="T"))

    def df(self, form: FloatArray) -> FloatArray:
        """Return Satterthwaite's degrees of freedom (q,) of linear forms (q, p)."""
        out = []
        for z in self._reach(form).T:
            own, across = self._parts(z, z)
            # Trace and squared sum of the covariances of what clusters add to the variance.
            trace = own.sum() - np.einsum("gp,gp->", across, across)
            squares = own @ own - 2 * own @ (across**2).sum(1) + ((across.T @ across) ** 2).sum()
            out.append(trace**2 / squares if squares > 0 else np.nan)
        return np.array(out)

    def _parts(self, z: FloatArray, other: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return products (G,) of the weights of two forms (p,), and the first in the basis."""
        w = self.adjusted @ z
        return self.sums(w * (self.adjusted @ other)), self.sums(self.q * w[:, None])

    def skewness(self, form: FloatArray, residual: FloatArray) -> FloatArray:
        """Return the skewness (q,) of estimates of linear forms (q, p), from residuals (n,)."""
        parts = self.sums(self.adjusted * residual[:, None]) @ self._reach(form)
        return (parts**3).sum(0) / ((parts**2).sum(0)) ** 1.5

    def hotelling_df(self, form: FloatArray) -> float:
        """Return the degrees of freedom of the Wishart law that covariances of forms (q, p) have.

        By its mean and total variance where errors are independent with one variance.
        """
        # Forms with unit covariances then: any basis of them gives the same.
        z, _ = np.linalg.qr(self._reach(form))
        m = z.shape[1]
        across = [self._parts(z[:, s], z[:, s])[1] for s in range(m)]
        own = [[self._parts(z[:, s], z[:, t])[0] for t in range(m)] for s in range(m)]
        total = 0.0
        for s, t in product(range(m), repeat=2):
            norms = [(across[i] ** 2).sum(1) for i in (s, t)]
            both = across[s].T @ across[t]
            total += own[s][s] @ own[t][t] - own[s][s] @ norms[1] - own[t][t] @ norms[0]
            total += own[s][t] @ own[s][t] - 2 * own[s][t] @ (across[s] * across[t]).sum(1)
            total += (both**2).sum() + np.trace(both @ both)
        return m * (m + 1) / total if total > 0 else np.nan


def least_squares(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return estimates (p,), their covariances (p, p) where rows are alike, residuals (n,)."""
    from statsmodels.regression.linear_model import OLS

    fit = OLS(y, x).fit(method="qr")
    return np.asarray(fit.params), np.asarray(fit.cov_params()), np.asarray(fit.resid)


def clustered(
    x: FloatArray, residual: FloatArray, code: NDArray[np.int64]
) -> tuple[FloatArray, Clusters]:
    """Return covariances (p, p) that hold where rows come in clusters, codes (n,), and those.

    Of type CR2: residuals (n,) are scaled so that covariances have no bias where errors are
    independent with one variance.
    """
    q, r = np.linalg.qr(x)
    clusters = Clusters(code, int(code.max()) + 1, q, _adjusted(q, code), r)
    scores = clusters.sums(clusters.adjusted * residual[:, None])
    half = np.asarray(solve_triangular(r, scores.T))
    return half @ half.T, clusters


def _adjusted(q: FloatArray, code: NDArray[np.int64]) -> FloatArray:
    """Return ``(I - q_g q_g')^(-1/2) q_g`` of the rows q_g of each cluster, (n, p)."""
    out = np.empty_like(q)
    order = np.argsort(code, kind="stable")
    for rows in np.split(order, np.cumsum(np.bincount(code))[:-1]):
        u, s, v = np.linalg.svd(q[rows], full_matrices=False)
        left = 1 - s**2
        scale = np.where(left > _ALONE, s / np.sqrt(np.where(left > _ALONE, left, 1.0)), 0.0)
        out[rows] = (u * scale) @ v
    return out


def hotelling(
    b: FloatArray, var: FloatArray, clusters: Clusters, kept: NDArray[np.bool_]
) -> tuple[float, int, float]:
    """Return F that some of the coefficients (p,) are 0, and its degrees of freedom.

    Where all clusters have the same design, coefficients are means of G vectors, and this is
    Hotelling's test, exact for normal errors. NaN where clusters are too few.
    """
    q = int(kept.sum())
    some = b[kept]
    df = clusters.hotelling_df(np.eye(b.size)[kept])
    rest = round(df - q + 1, 6)  # whole where all clusters have the same design
    if not rest > 0:
        return np.nan, q, rest
    value = some @ np.linalg.solve(var[np.ix_(kept, kept)], some)
    return float(value) * rest / (q * df), q, rest


def clusters_of(cluster: str | None, data: pd.DataFrame) -> tuple[NDArray[np.int64] | None, int]:
    """Return the cluster of each row, None without, and how many there are.

    Raises
    ------
    InputError
        If `cluster` is no column, has missing values, or one value only.
    """
    if cluster is None:
        return None, 0
    if not isinstance(cluster, str) or cluster not in data.columns:
        raise InputError("cluster", repr(cluster), f"a column of data: {', '.join(map(str, data))}")
    codes, found = pd.factorize(data[cluster])
    if (codes < 0).any():
        raise InputError("cluster", f"missing values in {cluster}", "a value in every row")
    if len(found) < 2:
        raise InputError("cluster", f"one value of {cluster}", "two clusters or more")
    return codes.astype(np.int64), len(found)


def warn_of_few(n_clusters: int, stacklevel: int) -> None:
    """Warn where there are so few clusters that their errors are known badly."""
    if n_clusters < FEW:
        told = f"{n_clusters} clusters: their robust errors are themselves uncertain"
        warnings.warn(f"{told}; run more replicates", stacklevel=stacklevel)


def check_columns(
    x: FloatArray,
    names: tuple[str, ...],
    size: FloatArray | None = None,
    empty: str = "no row has it: there are no data of this combination",
) -> None:
    """Raise where a column says nothing beside those before it.

    `size` are the lengths of the columns that "nothing" is measured by, their own by default, and
    `empty` says what it means that a column is 0.
    """
    size = np.asarray(np.linalg.norm(x, axis=0)) if size is None else size
    basis = np.empty((len(x), 0))
    for column, whole, name in zip(x.T, size.tolist(), names, strict=True):
        rest = column - basis @ (basis.T @ column)
        rest -= basis @ (basis.T @ rest)
        if np.linalg.norm(rest) <= _RANK * max(whole, np.finfo(float).tiny):
            got = f"{name}, which says nothing beside the terms before it"
            if whole == 0:
                got = f"{name}, which says nothing: {empty}"
            raise InputError("formula", got, "terms of which none is a sum of others")
        basis = np.column_stack([basis, rest / np.linalg.norm(rest)])
