"""How well laws fit the same curves: an information criterion, and prediction of later times."""

from __future__ import annotations

import math

import numpy as np

from lwdstats.arrays import FloatArray
from lwdstats.inference.ar1 import whiten
from lwdstats.inference.convergence.minimise import Family, hessian
from lwdstats.inference.convergence.scores import Sample, noise
from lwdstats.inference.laws import values

# Share of the times, the first ones, to which laws are fitted that predict the others.
EARLY = 2.0 / 3.0


def dispersion(sample: Sample, theta: FloatArray) -> float:
    """Return the mean square of all errors at a fit, relative to the law in that family."""
    return float(np.mean(sample.errors(theta) ** 2))


def criterion(sample: Sample, theta: FloatArray, scale: float) -> tuple[float, float]:
    """Return an information criterion of a fit, and the number of parameters that it counts.

    Over replicates it is Pan's QIC: the quasi-likelihood that takes values as
    independent, at a dispersion `scale` that is the same for all laws, and the
    trace of J^-1 K as the number of parameters, K being the covariance of the
    replicates' scores. So dependence over time inside a replicate counts. Of
    one path it is the AIC of Gaussian noise, autoregressive of order 1.
    """
    f, slope, _ = values(sample.s, theta)
    Y = sample.curves
    R = Y.shape[1]
    if R == 1:
        df = len(sample.law.free) + 2.0
        return 2.0 * df - 2.0 * _path_likelihood(sample, theta, f), df
    free = list(sample.law.free)
    w = sample.family.slopes(sample.mean, f)[0]
    H = R * hessian(sample.s, sample.mean, theta, sample.family)[1][np.ix_(free, free)]
    scores = (w[:, None] * slope[:, free]).T @ (Y - f[:, None])
    df = float(np.trace(np.linalg.lstsq(H, scores @ scores.T, rcond=None)[0])) / scale
    if sample.family is Family.SQUARES:
        loss = float(((Y - f[:, None]) ** 2).sum())
    else:
        loss = 2.0 * float((Y / f[:, None] + np.log(f)[:, None]).sum())
    return loss / scale + 2.0 * df, df


def _path_likelihood(sample: Sample, theta: FloatArray, f: FloatArray) -> float:
    phi = noise(sample, theta)[0]
    steps = whiten(sample.errors(theta).T, np.array([phi]))[0]
    n = len(steps)
    fit = -0.5 * n * (math.log(2.0 * math.pi * float(steps @ steps) / n) + 1.0)
    fit += 0.5 * math.log(1.0 - phi**2)
    return fit - float(np.log(f).sum()) if sample.family is Family.RELATIVE else fit


def later_error(sample: Sample) -> float:
    """Return the root mean square error of the mean curve at later times, fitted to earlier ones.

    Of the values themselves; NaN where the earlier times have no fit.
    """
    m = math.ceil(EARLY * len(sample.s))
    early = Sample(sample.law, sample.s[:m], sample.curves[:m], sample.mean[:m], sample.family)
    found = early.fit()
    if not math.isfinite(found.loss):
        return math.nan
    left = sample.mean[m:] - values(sample.s[m:], found.theta)[0]
    return float(np.sqrt(np.mean(left**2)))


def weights(criteria: FloatArray) -> FloatArray:
    """Return Akaike weights of criteria (q,), NaN where one is."""
    known = np.isfinite(criteria)
    out = np.full(len(criteria), np.nan)
    if known.any():
        relative = np.exp(-0.5 * (criteria[known] - criteria[known].min()))
        out[known] = relative / relative.sum()
    return out
