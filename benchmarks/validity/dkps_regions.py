"""Coverage of the confidence regions of `DKPS.regions`.

    python benchmarks/validity/dkps_regions.py [--datasets N] [--draws N]

writes the table of dkps_regions.md. Models have known perspectives: a point z in d dimensions,
which each query turns into another mean answer, by a map of its own that keeps distances. Their
answers scatter about it in 48 dimensions, with a variance that falls from one to the next; `noise`
is the total variance of an answer over that of the models' means. "heavy": an answer's scale is
random, and models differ in theirs. The truth is the space that `dkps` makes of the means
themselves, turned to the centres. What is counted is how many of its points lie in their regions.

Beside it the naive bootstrap: the same draws, scaled without taking off their noise, about the
points as they are, and an ellipse by chi-squared.
"""

from __future__ import annotations

import argparse
import math
import warnings
from pathlib import Path

import numpy as np
from scipy import stats

import lwdstats as lwd
from lwdstats.geometry.cmdscale import scale_points
from lwdstats.geometry.kernels import centred
from lwdstats.geometry.procrustes import rotation

SEED = 20261130
MODELS, FEATURES = 24, 48
SCALES = {2: (1.0, 0.6), 4: (1.0, 0.6, 0.4, 0.3)}
HEAD = """# Coverage of regions of DKPS

`python benchmarks/validity/dkps_regions.py --datasets {datasets} --draws {draws}`.
What the data are: see the script. {models} models, k = 2, 95% regions; the interval is that of the
mean over data sets, at 99%. "Warned": in how many data sets noise was most of a coordinate.

| true dimensions | noise | answers are | queries | L | covered | 99% interval | naive | warned |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |"""
FOOT = """
## What the table says

- Regions cover .94 to 1.00 of the true points, down to 5 answers and one query, and where the space
  leaves dimensions out. They are too large, never too small, where noise is large or answers are
  few: draws then carry the noise of the means beside their own.
- The naive bootstrap covers too little with few answers: its covariance lacks the factor
  L/(L - 1), takes no account of how few answers it is from, and its points stand too far out.
  Where noise is large it covers enough by accident: its draws are noisier than the answers."""


def answers_of(rng, d, noise, heavy, n_queries, size):
    """Return the means (q, n, F) of models, and their answers (q, n, L, F)."""
    z = rng.normal(size=(MODELS, d)) * SCALES[d]
    maps = [np.linalg.qr(rng.normal(size=(FEATURES, d)))[0] for _ in range(n_queries)]
    means = np.stack([z @ one.T for one in maps])
    sd = np.arange(1.0, FEATURES + 1) ** -0.5
    sd *= math.sqrt(noise * np.square(SCALES[d]).sum() / np.square(sd).sum())
    turn = np.linalg.qr(rng.normal(size=(FEATURES, FEATURES)))[0]
    away = rng.normal(size=(n_queries, MODELS, size, FEATURES))
    if heavy:
        away *= np.sqrt(rng.gamma(2.0, 0.5, size=(n_queries, MODELS, size, 1)))
        own = rng.lognormal(0.0, 0.5, size=(MODELS, 1, 1))
        away *= own / math.sqrt(np.square(own).mean())
    return means, means[:, :, None] + (away * sd) @ turn.T


def space_of(answers):
    """Return the space of answers (q, n, L, F), as a user makes it."""
    return lwd.dkps(lwd.as_results(np.moveaxis(answers, 0, 1)[None, :, None]), k=2)


def turned(y, target):
    y = centred(y)
    return y @ rotation(centred(target), y, scale=False)[0] + target.mean(axis=0)


def inside(errors, covariance, critical):
    """Return how many errors (n, 2) lie in the ellipses of covariances (n, 2, 2)."""
    square = np.einsum("pi,pij,pj->p", errors, np.linalg.inv(covariance), errors)
    return np.mean(square <= critical**2)


def naive(answers, space, truth, draws, rng):
    """Return the coverage of the naive bootstrap."""
    points = space.points.values[0, 0]
    size = answers.shape[2]
    errors = np.empty((draws, *points.shape))
    for b in range(draws):
        weight = rng.multinomial(size, np.full(size, 1 / size), size=answers.shape[:2]) / size
        x = np.einsum("qpl,qplf->pqf", weight, answers).reshape(MODELS, -1)
        anew = scale_points(x / math.sqrt(len(answers)), 2)[0]
        errors[b] = turned(anew, points) - points
    errors -= errors.mean(axis=0)
    covariance = np.einsum("bpi,bpj->pij", errors, errors) / (draws - 1)
    return inside(turned(truth, points) - points, covariance, math.sqrt(stats.chi2.ppf(0.95, 2)))


def row(args, d, noise, heavy, n_queries, size):
    """Return a line of the table."""
    key = (d, int(10 * noise), int(heavy), n_queries, size)
    rng = np.random.default_rng(np.random.SeedSequence(SEED, spawn_key=key))
    hits, plain, warned = [], [], 0
    for i in range(args.datasets):
        means, answers = answers_of(rng, d, noise, heavy, n_queries, size)
        truth = space_of(means[:, :, None]).points.values[0, 0]
        space = space_of(answers)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            found = space.regions(n_bootstrap=args.draws, seed=i)
        warned += bool(said)
        centre, radius = found.centre.values[0, 0], found.radius()[0, 0]
        hits.append(inside(turned(truth, centre) - centre, found.covariance.values[0, 0], radius))
        plain.append(naive(answers, space, truth, args.draws, np.random.default_rng(i)))
    half = stats.norm.ppf(0.995) * np.std(hits, ddof=1) / math.sqrt(len(hits))
    rate = np.mean(hits)
    kind = "heavy" if heavy else "normal"
    return (
        f"| {d} | {noise:g} | {kind} | {n_queries} | {size} | {rate:.3f} "
        f"| {rate - half:.3f} to {min(rate + half, 1.0):.3f} | {np.mean(plain):.3f} "
        f"| {warned} of {args.datasets} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", type=int, default=20)
    parser.add_argument("--draws", type=int, default=149)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".md"))
    args = parser.parse_args()
    cases = [(2, noise, False) for noise in (0.1, 1.0, 4.0, 16.0, 64.0)] + [
        (4, 1.0, False),
        (2, 1.0, True),
    ]
    with args.out.open("w") as page:
        head = HEAD.format(datasets=args.datasets, draws=args.draws, models=MODELS)
        print(head, file=page, flush=True)
        for case in cases:
            for n_queries in (1, 5):
                for size in (5, 10, 40):
                    print(row(args, *case, n_queries, size), file=page, flush=True)
        print(FOOT, file=page)


if __name__ == "__main__":
    main()
