"""The power of `collapse_test` by theory: from exact moments of weights to a tail of its F.

Letters in the shapes: n models, B components, K features of an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from scipy import integrate, optimize, stats

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError, check_choice, check_integer
from lwdstats.mixtures.spec import GmmSpec, MixtureSpec
from lwdstats.studies.power.options import check_reachable
from lwdstats.theory.moments import covariance_moments
from lwdstats.theory.network import CountedSpec, Network, described

# Arguments of `simulate_gmm` that say nothing about what is simulated, or are set anew.
_ASIDE = {f.name for f in fields(GmmSpec)} - {f.name for f in fields(CountedSpec)} | {
    "n_jobs", "progress", "simulator", "n_steps", "n_responses", "initial_weights",
}  # fmt: skip
# Answers of a model from which means of answers are taken to be Gaussian.
ENOUGH = 10
# Expected answers of each component by each model, below which means are too skewed for that:
# power is then off by up to .09 in studies of binomial answers, and by .02 from here on.
OF_EACH = 3.0
# Standard deviations between components from which an answer is of one of them: moments of
# weights that have moved are exact without overlap.
_APART = 5.0
# Nodes of a component for integrals over its answers, and shares of the critical value's law.
_NODES, _SHARES = 40, 9
_SMALL = 1e-9


@dataclass(frozen=True, eq=False)
class _Answers:
    """What a statistic sees of answers: features whose sums of squares it compares.

    Attributes
    ----------
    mean : (B, K)
        Expected features of an answer, by its component.
    second : (B, K, K)
        Expected products of features.
    """

    mean: FloatArray
    second: FloatArray


def collapse_power(
    source: Mapping[str, Any],
    initial_weights: Any,
    n_replicates: int,
    n_responses: int,
    n_steps: int,
    *,
    level: float = 0.05,
    statistic: str = "energy",
    permutations: int = 199,
) -> float:
    """Return the power of `collapse_test` at the last time, by theory.

    Parameters
    ----------
    source : mapping
        A specification of `simulate_gmm`, in the paper's scenario.
    initial_weights : array_like, shape (n, B)
    n_replicates, n_responses, n_steps : int
    level : float
    statistic : {"energy", "f"}
    permutations : int

    Returns
    -------
    float

    Raises
    ------
    InputError
        Where theory is not held to simulation: in other scenarios, with fewer than 10 answers or
        3 expected of a component by a model, "energy" in several dimensions, initial weights that
        are drawn, or components nearer than 5 standard deviations whose weights have moved.

    Notes
    -----
    A statistic F compares sums of squares of features of answers: coordinates for "f", and for
    "energy" those in which the doubly centred distance is a scalar product. A model's mean
    feature is linear in its weights, whose first and second moments are exact; as a mean of
    many answers it is Gaussian, with the covariance of that model's answers. So both sums are
    quadratic forms of Gaussians, and the tail of F is by Imhof's integral. Permuted answers are as
    such of models that do not differ, with the covariance of all answers; of B permutations the
    critical value is an order statistic, whose own tail has a beta law.

    References
    ----------
    Imhof, J. P. (1961), Computing the distribution of quadratic forms in normal variables,
    Biometrika 48, 419-426.
    Sejdinovic, D. et al. (2013), Annals of Statistics 41, 2263-2291 (distances as products).

    Examples
    --------
    >>> first = [[0.3, 0.7], [0.5, 0.5], [0.7, 0.3]]
    >>> round(collapse_power({"means": [-1, 1]}, first, 2, 20, 1, permutations=99), 2)
    0.52
    """
    check_choice("statistic", statistic, ["energy", "f"])
    check_reachable(check_integer("permutations", permutations, minimum=1), level)
    spec = _checked(source, initial_weights, n_responses, n_steps)
    moments = covariance_moments(Network.from_spec(spec), np.array([n_steps]))
    n, L, R = spec.n_models, n_responses, n_replicates
    weights = moments.model_mean()[0]
    fewest = L * float(weights.min())
    if fewest < OF_EACH - 1e-9:
        got = f"{L}, of which a model is expected to give {fewest:.2g} of a component"
        raise InputError("n_responses", got, f"{OF_EACH:g} or more of each, for theory")
    moved = bool(moments.cov_within.any()) or not np.allclose(weights, initial_weights)
    if moved and _nearest(spec) < _APART:
        got = f"components {_nearest(spec):.2g} standard deviations apart, of weights that moved"
        raise InputError("source", got, f"{_APART:g} or more: moments are exact without overlap")
    seen = _features(spec, weights.mean(axis=0), statistic)

    # Within each model: the covariance of an answer, (n, K, K), and their mean.
    share = weights.mean(axis=0)
    products = weights[:, :, None] * weights[:, None, :] + moments.cov_within[0]
    each = np.tensordot(weights, seen.second, 1) - seen.mean.T @ products @ seen.mean
    within = each.mean(axis=0)
    # Between them: L times the contrasts of means, of which there are n - 1. Answers of one model
    # may vary more than those of another, so that contrasts do not vary alike.
    spread = L * seen.mean.T @ (moments.cov_deviation[0] * n / (n - 1)) @ seen.mean
    contrasts = _contrasts(n)
    between = np.einsum("ia,ib,ijk->ajbk", contrasts, contrasts, each)
    between += np.einsum("ab,jk->ajbk", np.eye(n - 1), spread)
    apart = np.sqrt(L) * (weights - share) @ seen.mean
    df, rdf = n - 1, n * (L - 1)
    total = (rdf * within + df * (within + spread) + apart.T @ apart) / (n * L - 1)

    size = df * within.shape[0]
    variance, axes = (
        np.asarray(one, dtype=np.float64) for one in np.linalg.eigh(between.reshape(size, size))
    )
    kept = variance > _SMALL * variance.max()
    shift = ((contrasts.T @ apart).ravel() @ axes[:, kept]) ** 2 / variance[kept]
    inner: Any = np.linalg.eigvalsh(each).ravel()
    none: Any = np.linalg.eigvalsh(total)
    inner, none = inner[inner > 0], none[none > _SMALL * none.max()]
    same = np.repeat(none, df)

    def tail(
        f: float, above: FloatArray, shift: FloatArray, below: FloatArray, times: int
    ) -> float:
        """Return P(F > f), of variances between, each once, and within, each so many times."""
        return positive(
            np.r_[above / df, -f * below / rdf],
            R * np.r_[np.ones(len(above)), np.full(len(below), times)],
            R * np.r_[shift, np.zeros(len(below))],
        )

    # p <= level if fewer than so many permuted F are as large.
    rank = int(level * (permutations + 1) + 1e-9)
    shares = (np.arange(_SHARES) + 0.5) / _SHARES
    power = 0.0
    for share_above in stats.beta(rank, permutations + 1 - rank).ppf(shares):
        critical = _critical(lambda f: tail(f, same, np.zeros(len(same)), none, rdf), share_above)
        power += tail(critical, variance[kept], shift, inner, L - 1) / _SHARES
    return float(np.clip(power, 0.0, 1.0))


def _contrasts(n: int) -> FloatArray:
    """Return n - 1 orthonormal contrasts of n models, (n, n - 1)."""
    found = np.linalg.svd(np.eye(n) - 1.0 / n)[0]
    return np.asarray(found[:, : n - 1], dtype=np.float64)


def _critical(tail: Any, share: float) -> float:
    """Return where a tail is a share."""
    high = 2.0
    while tail(high) > share:
        high *= 1.5
    return float(optimize.brentq(lambda f: tail(f) - share, 1e-3, high, xtol=1e-4))


def _checked(
    source: Mapping[str, Any], initial_weights: Any, n_responses: int, n_steps: int
) -> MixtureSpec:
    """Return the specification, refusing those that theory is not for."""
    if initial_weights is None:
        raise InputError("source", "initial weights that are drawn", "given ones, for theory")
    if n_responses < ENOUGH:
        raise InputError("n_responses", n_responses, f"{ENOUGH} or more, for theory")
    if source.get("moving"):
        raise InputError("source", "components that move", "components that stay, for theory")
    given = {name: value for name, value in source.items() if name not in _ASIDE}
    return described(initial_weights, n_steps=n_steps, n_responses=n_responses, **given)


def _nearest(spec: MixtureSpec) -> float:
    """Return the least distance of two components, in standard deviations."""
    root = np.linalg.cholesky(spec.covariance)
    means = np.linalg.solve(root, spec.means.T).T
    apart = np.sqrt(((means[:, None] - means) ** 2).sum(axis=-1))
    return float(apart[np.triu_indices(len(means), 1)].min(initial=np.inf))


def _features(spec: MixtureSpec, share: FloatArray, statistic: str) -> _Answers:
    """Return the features of answers, the components having these shares in all."""
    means, cov = spec.means, spec.covariance
    if statistic == "f":
        centred = means - share @ means
        return _Answers(centred, centred[:, :, None] * centred[:, None, :] + cov)
    if means.shape[1] > 1:
        got = f"'energy' of answers in {means.shape[1]} dimensions"
        raise InputError("statistic", got, "'f', or answers on a line, for theory")
    nodes, mass = hermegauss(_NODES)
    mass = mass / mass.sum()
    points = (means[:, :1] + np.sqrt(cov[0, 0]) * nodes).ravel()
    every = (share[:, None] * mass).ravel()
    distance = np.abs(points[:, None] - points)
    row = distance @ every
    inner = -0.5 * (distance - row[:, None] - row + every @ row)
    root = np.sqrt(every)
    values, vectors = np.linalg.eigh(root[:, None] * inner * root)
    kept = (values > 1e-3 * values.max()) & (values > 0)
    phi = vectors[:, kept] / root[:, None] * np.sqrt(values[kept])
    phi = phi.reshape(len(means), _NODES, -1)
    return _Answers(np.einsum("bjk,j->bk", phi, mass), np.einsum("bjk,bjl,j->bkl", phi, phi, mass))


def positive(scale: FloatArray, df: FloatArray, shift: FloatArray) -> float:
    """Return the probability that ``sum scale chi^2(df, shift)`` is above 0, by Imhof's integral.

    All three are (m,), `shift` the noncentralities.
    """
    scale = scale / np.sqrt((df * scale**2).sum())

    def integrand(u: float) -> float:
        x = scale * u
        angle = 0.5 * (df * np.arctan(x) + shift * x / (1.0 + x * x)).sum()
        size = (0.25 * df * np.log1p(x * x) + 0.5 * shift * x * x / (1.0 + x * x)).sum()
        return float(np.sin(angle) / u * np.exp(-size))

    value = integrate.quad(integrand, 0.0, np.inf, limit=200, epsabs=1e-7)[0]
    return float(np.clip(0.5 + value / np.pi, 0.0, 1.0))
