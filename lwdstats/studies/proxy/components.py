"""Components of pooled answers, and weights of them that are linear in the answers and unbiased.

Letters in the shapes: N answers, d features, B components.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from lwdstats.arrays import FloatArray

# Draws of each component by which responsibilities are unmixed.
_DRAWS = 20_000
# Variance that every component has at least, as a share of that of all answers.
_LEAST = 1e-3
# Log likelihood of an answer within which two starts ended at one mixture: twice the gain at
# which EM stops.
_SAME = 2e-3
# Answers from which components are learned: of more, so many by chance.
_MOST = 50_000


@dataclass(frozen=True, eq=False)
class Mixture:
    """A Gaussian mixture in q coordinates.

    Attributes
    ----------
    weights, means, factors : (B,), (B, q), (B, q, q)
        `factors` are U with U U' the inverse covariance.
    """

    weights: FloatArray
    means: FloatArray
    factors: FloatArray

    def responsibilities(self, z: FloatArray) -> FloatArray:
        """Return what each component owns of points (N, q), (N, B)."""
        log = np.empty((len(z), len(self.weights)))
        for b, (mean, factor) in enumerate(zip(self.means, self.factors, strict=True)):
            log[:, b] = np.log(np.diag(factor)).sum() - 0.5 * (((z - mean) @ factor) ** 2).sum(1)
        log += np.log(self.weights)
        owned = np.exp(log - log.max(axis=1, keepdims=True))
        owned /= owned.sum(axis=1, keepdims=True)
        return owned


@dataclass(frozen=True, eq=False)
class Components:
    """Gaussian components of the answers to a query.

    Attributes
    ----------
    rotation : PCA
        The coordinates of the answers, all of them.
    mixture : Mixture
        In the first coordinates, divided by `scale`.
    scale : float
        Standard deviation of the answers in these coordinates.
    mixing : (B, B)
        A: entry (b, c) is the mean responsibility of b for a point of component c.
    labels_cov : (B, B, B)
        Covariance of the unmixed weights of one point, by the component that it is of.
    bic : dict of int to float
        BIC by the number of components that were tried.
    reached : int
        How many of the starts ended at the mixture that was taken.
    """

    rotation: PCA
    mixture: Mixture
    scale: float
    mixing: FloatArray
    labels_cov: FloatArray
    bic: dict[int, float]
    reached: int

    @property
    def n(self) -> int:
        """B."""
        return len(self.mixing)

    def coordinates(self, x: FloatArray) -> FloatArray:
        """Return coordinates (N, F) of embeddings (N, d)."""
        return np.asarray(self.rotation.transform(x), dtype=np.float64)

    def weights(self, x: FloatArray) -> FloatArray:
        """Return the unmixed weights (N, B) of embeddings (N, d): of mean pi, and sum 1."""
        q = self.mixture.means.shape[1]
        owned = self.mixture.responsibilities(self.coordinates(x)[:, :q] / self.scale)
        return owned @ np.linalg.inv(self.mixing).T


def fit_components(
    x: FloatArray, counts: list[int], n_dims: int, n_starts: int, rng: np.random.Generator
) -> Components:
    """Return components of embeddings (N, d), of as many as BIC prefers among `counts`."""
    if len(x) > _MOST:
        x = x[rng.choice(len(x), _MOST, replace=False)]
    rotation = PCA(svd_solver="full").fit(x)
    q = min(n_dims, int((rotation.explained_variance_ > 0).sum()))
    z = rotation.transform(x)[:, :q]
    scale = float(np.sqrt((z**2).mean()))
    fits: dict[int, Any] = {}
    bic: dict[int, float] = {}
    reached: dict[int, int] = {}
    state = int(rng.integers(2**31))
    for B in counts:
        fits[B], reached[B] = _mixture(z / scale, B, n_starts, state)
        bic[B] = float(fits[B].bic(z / scale))
    chosen = min(bic, key=bic.__getitem__)
    best = fits[chosen]
    mixture = Mixture(best.weights_, best.means_, best.precisions_cholesky_)
    mixing, spread = _unmixing(mixture, rng)
    return Components(rotation, mixture, scale, mixing, spread, bic, reached[chosen])


def _mixture(z: FloatArray, B: int, n_starts: int, state: int) -> tuple[GaussianMixture, int]:
    """Return the likeliest mixture over the starts, and how many of them ended there."""
    stream = np.random.RandomState(state)
    # A fit that stops at max_iter is as good for what follows: any components will do.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fits = [
            GaussianMixture(B, reg_covar=_LEAST, random_state=stream, max_iter=300).fit(z)
            for _ in range(n_starts)
        ]
    bound = np.array([fit.lower_bound_ for fit in fits])
    best = int(bound.argmax())
    return fits[best], int((bound > bound[best] - _SAME).sum())


def _unmixing(mixture: Mixture, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Return A and the covariance of unmixed weights within each component, by simulation."""
    B, q = mixture.means.shape
    owned = np.empty((B, _DRAWS, B))
    for c in range(B):
        # U U' is the inverse covariance, so that noise over U has the covariance.
        noise = np.linalg.solve(mixture.factors[c].T, rng.standard_normal((q, _DRAWS)))
        owned[c] = mixture.responsibilities(mixture.means[c] + noise.T)
    mixing = owned.mean(axis=1).T
    inverse = np.linalg.inv(mixing)
    spread = np.array([inverse @ np.cov(one.T) @ inverse.T for one in owned])
    return mixing, spread


def moments_of(
    components: Components, x: FloatArray, y: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return means (B, q) and variances (B, q) of components in all coordinates.

    By least squares of coordinates, and of their squares, on the weights `y` (N, B) of
    embeddings `x` (N, d): as weights are unmixed, those of a component are not those of its
    neighbours, and coordinates in which components were not sought count too.
    """
    z = components.coordinates(x)
    means: Any = np.linalg.lstsq(y, z, rcond=None)[0]
    owned = np.clip(y, 0.0, None)
    owned /= owned.sum(axis=1, keepdims=True)
    total: Any = owned.sum(axis=0)[:, None]
    variances = (owned.T @ z**2) / total - ((owned.T @ z) / total) ** 2
    return means, np.maximum(variances, 0.0)
