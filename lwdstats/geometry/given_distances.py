"""Distances as they are given: checked, told from rounding errors, and made Euclidean."""

from __future__ import annotations

import math

import numpy as np
from scipy.linalg import eigvals
from scipy.spatial.distance import squareform

from lwdstats.arrays import FloatArray, as_floats
from lwdstats.errors import InputError, check_bool
from lwdstats.geometry.kernels import gower
from lwdstats.geometry.labels import as_square

_DISTANCES = (
    "a symmetric (n, n) matrix of finite distances with a zero diagonal, "
    "its upper triangle by rows as a vector, or a DataArray of one such matrix"
)
_EPS = float(np.finfo(np.float64).eps)


def as_distances(d: object, argument: str = "d") -> FloatArray:
    """Return distances as a checked (n, n) matrix.

    What rounding leaves where 1 less a cosine is 0, in single precision too, is 0: entries
    just below 0, on the diagonal, and between an entry and its mirror image.
    """
    d = as_square(d, argument)
    array = as_floats(d, argument, _DISTANCES)
    if array.ndim == 1:
        n = round((1.0 + math.sqrt(1.0 + 8.0 * array.size)) / 2.0)
        if array.size == 0 or n * (n - 1) // 2 != array.size:
            raise InputError(argument, f"a vector of {array.size}", _DISTANCES)
        array = squareform(array)
    if array.ndim != 2 or array.shape[0] != array.shape[1] or len(array) < 2:
        raise InputError(argument, f"shape {array.shape}", _DISTANCES)
    slack = rounding_of(array)
    if array.min() < -slack:
        raise InputError(argument, f"a smallest entry of {array.min():g}", _DISTANCES)
    if np.any(np.abs(np.diagonal(array)) > slack):
        raise InputError(argument, "a diagonal that is not 0", _DISTANCES)
    if np.any(np.abs(array - array.T) > slack):
        raise InputError(argument, "a matrix that is not symmetric", _DISTANCES)
    # The larger of the two, not their mean, which has more digits than half precision holds.
    array = np.maximum(np.maximum(array, array.T), 0.0)
    np.fill_diagonal(array, 0.0)
    return array


def made_euclidean(
    d: FloatArray, *, sqrt_dist: object, add: object
) -> tuple[FloatArray, float, dict[str, str]]:
    """Return distances (n, n) after vegan's ``sqrt.dist`` and ``add``, in this order.

    Parameters
    ----------
    d : numpy.ndarray, shape (n, n)
        Checked distances.
    sqrt_dist : bool
        Take their square roots first.
    add : bool or {"lingoes", "cailliez"}
        Add the smallest constant that makes them Euclidean: to half their squares
        (Lingoes; also True), or to themselves (Cailliez).

    Returns
    -------
    tuple of numpy.ndarray, float and dict of str
        Distances, the constant, and R's arguments where they are not the defaults.
    """
    check_bool("sqrt_dist", sqrt_dist)
    if isinstance(add, bool | np.bool_):
        kind = "lingoes" if add else ""
    elif isinstance(add, str) and add in ("lingoes", "cailliez"):
        kind = add
    else:
        raise InputError("add", add, "True, False, 'lingoes' or 'cailliez'")
    call = {"sqrt.dist": "TRUE"} if sqrt_dist else {}
    call |= {"add": f'"{kind}"'} if kind else {}
    eps = precision_of(d)
    if sqrt_dist:
        d = np.sqrt(d)
    if not kind:
        return d, 0.0, call
    ac = lingoes(d, eps) if kind == "lingoes" else cailliez(d, eps)
    d = np.sqrt(d * d + 2.0 * ac) if kind == "lingoes" else d + ac
    np.fill_diagonal(d, 0.0)
    return d, ac, call


def lingoes(d: FloatArray, eps: float) -> float:
    """Return the smallest c >= 0 for which sqrt(d^2 + 2 c), (n, n), is Euclidean.

    It is the size of the most negative eigenvalue of the centred matrix. `eps` is the
    relative rounding error of the distances.

    Examples
    --------
    >>> d = np.array([[0.0, 1.0, 3.0], [1.0, 0.0, 1.0], [3.0, 1.0, 0.0]])  # 3 > 1 + 1
    >>> round(lingoes(d, 1e-16), 6)
    0.833333
    """
    smallest = float(np.linalg.eigvalsh(gower(d))[0])
    return -smallest if smallest < -noise_of(len(d), d.max() ** 2, eps) else 0.0


def cailliez(d: FloatArray, eps: float) -> float:
    """Return the smallest c >= 0 for which d + c, (n, n), off the diagonal, is Euclidean.

    It is the largest real part among the eigenvalues of
    ``[[0, -C(d^2)], [-I, 2 C(d)]]``, C being double centring. The vector of ones
    gives that matrix a double eigenvalue 0 with one eigenvector, which rounding
    splits into about +-1e-8. Working in the n - 1 dimensions orthogonal to it
    leaves the pair out; but where points coincide there are more such pairs, so that
    distances which are Euclidean but for rounding, `eps`, are told by their own eigenvalues.
    """
    n = len(d)
    if np.linalg.eigvalsh(gower(d))[0] >= -noise_of(n, d.max() ** 2, eps):
        return 0.0
    square, plain = _drop_mean(d * d), _drop_mean(d)
    block = np.block([[np.zeros((n - 1, n - 1)), -square], [-np.eye(n - 1), 2.0 * plain]])
    return max(0.0, float(np.max(eigvals(block).real)))


def _drop_mean(a: FloatArray) -> FloatArray:
    """Return Q'AQ, (n - 1, n - 1), with Q an orthonormal basis of what sums to 0."""
    # A reflection H that sends the vector of ones to the first axis; Q is the rest of H.
    u = np.full(len(a), 1.0 / math.sqrt(len(a)))
    u[0] += 1.0
    u *= math.sqrt(2.0 / (u @ u))
    w = a @ u
    reflected = a - np.outer(u, w) - np.outer(w, u) + (u @ w) * np.outer(u, u)
    return reflected[1:, 1:]


def noise_of(n: int, largest_square: float, eps: float = _EPS) -> float:
    """Return what rounding can make of an eigenvalue 0.

    Each entry of the centred matrix is off by up to about 2 eps max(d^2), and
    its eigenvalues by n times that; the factor 4 leaves room for the solver.
    """
    return 4.0 * n * eps * float(largest_square)


def precision_of(d: FloatArray) -> float:
    """Return the relative rounding error of distances, which may come from fewer bits.

    Numbers that are no whole ones, and yet all are of half or single precision, have been
    computed in it.
    """
    if np.any(d != np.rint(d)):
        for dtype in (np.float16, np.float32):
            with np.errstate(over="ignore"):
                if np.array_equal(d.astype(dtype), d):
                    return float(np.finfo(dtype).eps)
    return _EPS


def rounding_of(d: FloatArray) -> float:
    """Return what rounding can leave of a 0 in distances.

    That is a share of the largest, and at least a few last digits of 1, from which cosines
    are taken; but never more than 1% of the largest.

    Examples
    --------
    >>> d = np.array([0.0, 0.3, 0.8])
    >>> rounding_of(d), round(rounding_of(d.astype(np.float32).astype(np.float64)), 8)
    (8e-09, 1.91e-06)
    """
    largest, eps = float(np.abs(d).max()), precision_of(d)
    share = max(16.0 * eps, 1e-8)
    return min(max(share * largest, 16.0 * eps), 0.01 * largest)
