"""Speed of `cmdscale` and `fnorm`, as ratios within one run, on one BLAS thread.

Run: python benchmarks/speed/bench_geometry.py [--repeats 3]
Each pair is timed one after the other, and the median over repeats of the
ratios is printed as a markdown table. Times depend on the machine; ratios, much
less.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr
from sklearn.manifold import ClassicalMDS
from threadpoolctl import threadpool_limits

import lwdstats as lwd

Timed = Callable[[], Any]


def seconds(run: Timed) -> tuple[float, Any]:
    """Return how long `run` takes, and what it returns."""
    start = time.perf_counter()
    result = run()
    return time.perf_counter() - start, result


def compare(name: str, ours: Timed, other: Timed, same: Callable[[Any, Any], bool], n: int) -> str:
    """Time `ours` and `other` in `n` pairs and return a row of the table."""
    mine, theirs = [], []
    ours()  # imports and caches are not what is timed
    for _ in range(n):
        a, result = seconds(ours)
        b, reference = seconds(other)
        if not same(result, reference):
            raise SystemExit(f"{name}: the results differ")
        mine.append(a)
        theirs.append(b)
    ratios = np.array(theirs) / np.array(mine)
    return (
        f"| {name} | {np.median(mine):.4g} | {np.median(theirs):.4g} "
        f"| {np.median(ratios):.1f} | {ratios.min():.1f} to {ratios.max():.1f} | {n} |"
    )


def same_up_to_sign(fit: Any, reference: np.ndarray) -> bool:
    signs = np.sign((fit.points * reference).sum(axis=0))
    return np.allclose(fit.points * signs, reference, rtol=0, atol=1e-6 * np.abs(reference).max())


def network(n: int, n_steps: int, n_components: int = 11) -> xr.Dataset:
    """Return a dataset of mixture weights that draw together."""
    rng = np.random.default_rng(1)
    weight = rng.dirichlet(np.ones(n_components), size=(n_steps, n, 1))
    closer = np.arange(1, n_steps + 1)[:, None, None, None] ** -0.5
    weight = weight.mean(axis=1, keepdims=True) * (1 - closer) + weight * closer
    attributes = {
        "title": "benchmark",
        "Conventions": "CF-1.10",
        "lwdstats_version": lwd.__version__,
        "created": "2024-01-01T00:00:00Z",
        "seed": "1",
        "spec": "{}",
    }
    dims = ("time", "model", "replicate", "component")
    return xr.Dataset({"weight": (dims, weight)}, {"time": np.arange(n_steps)}, attributes)


def main() -> None:
    parser = argparse.ArgumentParser(description="speed of cmdscale and fnorm")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--points", type=int, default=3600)
    options = parser.parse_args()

    rng = np.random.default_rng(0)
    # Axes of decreasing length: the two leading ones are well defined.
    x = rng.normal(size=(options.points, 768)) * np.linspace(1, 0.1, 768)
    x[:, :2] *= [6, 4]
    small = x[:300]
    print("| case | lwdstats, s | other, s | ratio (median) | ratio (range) | pairs |")
    print("| --- | --- | --- | --- | --- | --- |")
    with threadpool_limits(1):
        for points, repeats in ((small, 5), (x, options.repeats)):
            print(
                compare(
                    f"`cmdscale(points=)`, {len(points)} x 768; scikit-learn `ClassicalMDS`",
                    lambda points=points: lwd.cmdscale(points=points),
                    lambda points=points: ClassicalMDS(n_components=2).fit_transform(points),
                    same_up_to_sign,
                    repeats,
                ),
                flush=True,
            )
        for n, n_steps in ((3, 201), (100, 201), (1000, 20)):
            ds = network(n, n_steps)
            print(
                compare(
                    f"`fnorm(ds)`, {n} models, {n_steps} times; `fnorm(dist(ds))`",
                    lambda ds=ds: lwd.fnorm(ds),
                    lambda ds=ds: lwd.fnorm(lwd.dist(ds)),
                    lambda a, b: np.allclose(a, b, rtol=1e-9),
                    5,
                ),
                flush=True,
            )


if __name__ == "__main__":
    main()
