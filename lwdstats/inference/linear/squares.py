"""Least squares with covariances that may be robust to clusters."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError

# A column counts if this share of it is left outside of those before it, as in R.
_RANK = 1e-7


def least_squares(
    x: FloatArray, y: FloatArray, clusters: NDArray[np.int64] | None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return estimates (p,), their covariances (p, p) and residuals (n,).

    With clusters, codes (n,), the covariance is the sum of squares of what each adds to the
    score, with the factor G / (G - 1).
    """
    from statsmodels.regression.linear_model import OLS

    fit = OLS(y, x).fit(method="qr")
    estimate, residual = np.asarray(fit.params), np.asarray(fit.resid)
    if clusters is None:
        return estimate, np.asarray(fit.cov_params()), residual
    n = int(clusters.max()) + 1
    scores = np.zeros((n, x.shape[1]))
    np.add.at(scores, clusters, x * residual[:, None])
    half = scores @ np.asarray(fit.normalized_cov_params)
    return estimate, half.T @ half * n / (n - 1), residual


def hotelling(b: FloatArray, var: FloatArray, n_clusters: int) -> tuple[float, int, int]:
    """Return F that coefficients are 0, and its degrees of freedom, from G clusters.

    Where all clusters have the same design, coefficients are means of G vectors, and this is
    Hotelling's test, exact for normal errors. NaN for as many coefficients as clusters.
    """
    q = b.size
    df = n_clusters - q
    if df <= 0:
        return np.nan, q, df
    return float(b @ np.linalg.solve(var, b)) * df / (q * (n_clusters - 1)), q, df


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


def check_columns(x: FloatArray, names: tuple[str, ...], size: FloatArray | None = None) -> None:
    """Raise where a column says nothing beside those before it.

    `size` are the lengths of the columns that "nothing" is measured by, their own by default.
    """
    size = np.asarray(np.linalg.norm(x, axis=0)) if size is None else size
    basis = np.empty((len(x), 0))
    for column, whole, name in zip(x.T, size.tolist(), names, strict=True):
        rest = column - basis @ (basis.T @ column)
        rest -= basis @ (basis.T @ rest)
        if np.linalg.norm(rest) <= _RANK * max(whole, np.finfo(float).tiny):
            got = f"{name}, which says nothing beside the terms before it"
            raise InputError("formula", got, "terms of which none is a sum of others")
        basis = np.column_stack([basis, rest / np.linalg.norm(rest)])
