"""How often the permutation tests reject a true null hypothesis at 5%.

Run: python benchmarks/validity/size_permutation.py [--sets N] [--permutations N] [--case NAME ...]
Each row is a null model; its data sets come from one stream of the seed below, fixed before
anything was run. The interval is Clopper and Pearson's at 99.9%; a row is right if it meets
[0.045, 0.055], or lies below it where the test is said to be conservative. Of `TukeyHSD` it is the
share of data sets in which one of its intervals at least misses the true difference.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
import xarray as xr
from scipy.spatial.distance import pdist, squareform
from scipy.stats import beta
from threadpoolctl import threadpool_limits

from lwdstats.inference.dispersion.betadisper import betadisper
from lwdstats.inference.dispersion.spatial_median import spatial_medians
from lwdstats.inference.permutation.adonis2 import adonis2
from lwdstats.inference.permutation.collapse_test import collapse_test
from lwdstats.inference.permutation.eqdist_etest import eqdist_etest
from lwdstats.inference.permutation.mantel import mantel, mantel_partial

SEED = 20240501
LEVEL = 0.05
B = 999  # permutations; --permutations sets another number
Case = Callable[[np.random.Generator, int], float]


def distances(x: np.ndarray, metric: str = "euclidean") -> np.ndarray:
    return squareform(pdist(x, metric))  # type: ignore[call-overload]


def labels(sizes: tuple[int, ...]) -> np.ndarray:
    return np.repeat(np.array(list("abcdef"))[: len(sizes)], sizes)


def one_factor(
    rng: np.random.Generator, seed: int, *, sizes: tuple[int, ...], metric: str = "euclidean"
) -> float:
    group = labels(sizes)
    x = rng.lognormal(size=(len(group), 3))
    fit = adonis2("d ~ g", {"g": group}, d=distances(x, metric), permutations=B, seed=seed)
    return float(fit.table["p_value"].iloc[0])


def in_strata(rng: np.random.Generator, seed: int) -> float:
    """Test a factor that does nothing, within strata that differ much."""
    stratum, group = np.repeat([0, 1, 2, 3], 5), np.tile(list("aabbb"), 4)
    x = rng.normal(size=(20, 3)) + 3.0 * rng.normal(size=(4, 3))[stratum]
    data = {"g": group}
    fit = adonis2("d ~ g", data, d=distances(x), permutations=B, strata=stratum, seed=seed)
    return float(fit.table["p_value"].iloc[0])


def second_term(
    rng: np.random.Generator,
    seed: int,
    *,
    by: str = "terms",
    effect: tuple[float, ...] = (0.0, 0.0, 0.0),
    noise: tuple[float, ...] = (1.0, 1.0, 1.0),
    model: str = "reduced",
) -> float:
    """Test the second of two terms, unbalanced, beside a first one that matters by `effect`."""
    g = np.repeat(list("ab"), (8, 12))
    h = np.array(list("xyxyxyxx" + "xyyxyyxyyxyy"))
    x = rng.normal(size=(20, 3)) * noise + np.outer(g == "b", effect)
    data, d = {"g": g, "h": h}, distances(x)
    fit = adonis2("d ~ g + h", data, d=d, permutations=B, by=by, model=model, seed=seed)
    return float(fit.table["p_value"].iloc[1])


def dispersion(
    rng: np.random.Generator,
    seed: int,
    *,
    sizes: tuple[int, ...],
    kind: str = "median",
    permute: str = "points",
    adjust: bool = False,
    n_features: int = 4,
    skewed: bool = False,
) -> float:
    """Test groups whose centres differ and whose dispersions do not."""
    group = np.repeat(range(len(sizes)), sizes)
    shape = (len(group), n_features)
    x = rng.lognormal(size=shape) if skewed else rng.normal(size=shape)
    x += 3.0 * rng.normal(size=(len(sizes), n_features))[group]
    fit = betadisper(distances(x), group, type=kind, bias_adjust=adjust)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that centroids of few reject too often
        test = fit.permutest(permute=permute, permutations=B, seed=seed)
    return test.table["p_value"].to_numpy()[0]


def repeated(
    rng: np.random.Generator,
    seed: int,
    *,
    sizes: tuple[int, ...],
    weights: tuple[float, ...],
    kind: str,
    apart: bool = False,
) -> float:
    """Test groups that answer with few distinct texts, of one distribution but for its place.

    The texts lie in 20 dimensions and are drawn with `weights`; `apart`, each group has
    texts of its own, the same ones turned and moved.
    """
    texts = rng.normal(size=(len(weights), 20))
    share = np.array(weights) / sum(weights)
    group = np.repeat(range(len(sizes)), sizes)
    code = np.zeros(len(group), int)
    while len(np.unique(code)) < 2:
        code = rng.choice(len(weights), size=len(group), p=share)
    x = texts[code]
    if apart:
        for j in range(len(sizes)):
            turn = np.linalg.qr(rng.normal(size=(20, 20)))[0]
            x[group == j] = x[group == j] @ turn + 3.0 * rng.normal(size=20)
    test = betadisper(distances(x), group, type=kind).permutest(permutations=B, seed=seed)
    return test.table["p_value"].to_numpy()[0]


def associated(
    rng: np.random.Generator, seed: int, *, method: str, given: str = "", n: int = 12
) -> float:
    """Test distances of points that know nothing of each other, beyond a third set's.

    With `given` "cause", both depend on the third; with "line", objects stand on a line
    and all three are sums of steps along it, each for itself.
    """
    x, y, z = rng.normal(size=(3, n, 2))
    if given == "cause":
        x, y = x + z, y + z
    if given == "line":
        x, y, z = (np.cumsum(w, axis=0) for w in (x, y, z))
    matrices = [pdist(w) for w in ((x, y, z) if given else (x, y))]
    test = mantel_partial if given else mantel
    return test(*matrices, method=method, permutations=B, seed=seed).p_value


def made_euclidean(rng: np.random.Generator, seed: int, *, test: str, add: str) -> float:
    """Test a factor that does nothing, by Bray-Curtis distances that are made Euclidean."""
    group = labels((4, 6, 10))
    d = distances(rng.lognormal(size=(20, 6)), "braycurtis")
    if test == "adonis2":
        fit = adonis2("d ~ g", {"g": group}, d=d, add=add, permutations=B, seed=seed)
        return float(fit.table["p_value"].iloc[0])
    test_of_spread = betadisper(d, group, add=add).permutest(permutations=B, seed=seed)
    return test_of_spread.table["p_value"].to_numpy(np.float64)[0]


@cache
def mean_distance(size: int) -> float:
    """Return the expected mean distance of normal points in 4 dimensions to their median."""
    x = np.random.default_rng(SEED).normal(size=(20_000, size, 4))
    return float(np.linalg.norm(x - spatial_medians(x)[:, None], axis=2).mean())


def honest(
    rng: np.random.Generator,
    seed: int,
    *,
    sizes: tuple[int, ...],
    scales: tuple[float, ...],
    skewed: bool = False,
) -> float:
    """Return 0 where an interval of TukeyHSD misses the true difference, otherwise 1."""
    group = np.repeat(range(len(sizes)), sizes)
    shape = (len(group), 4)
    x = rng.lognormal(size=shape) if skewed else rng.normal(size=shape)
    x *= np.array(scales)[group, None]
    means = np.array(
        [s * (0.0 if skewed else mean_distance(m)) for s, m in zip(scales, sizes, strict=True)]
    )
    table = betadisper(distances(x), group).TukeyHSD().table
    true = [means[int(b)] - means[int(a)] for b, a in (name.split("-") for name in table.index)]
    low, high = table[["lwr", "upr"]].to_numpy(np.float64).T
    return float(np.all((low <= true) & (true <= high)))


def energy(rng: np.random.Generator, seed: int, *, sizes: tuple[int, ...]) -> float:
    x = rng.standard_t(3, size=(sum(sizes), 3))
    return eqdist_etest(x, sizes, B, seed=seed).p_value


def collapse(
    rng: np.random.Generator, seed: int, *, null: str, statistic: str, times: int, replicates: int
) -> float:
    """Test models that answer alike; with "model", each drawn to what it happened to read."""
    n, L, p = 3, 8, 4
    x = rng.normal(size=(times, n, replicates, L, p)) * np.geomspace(1, 0.1, p)
    if null == "model":  # a walk of each model, around one of its network
        steps = rng.normal(size=(times, n, replicates, 1, p))
        x += np.cumsum(steps + 2.0 * steps.mean(axis=1, keepdims=True), axis=0)
    dims = ("time", "model", "replicate", "response", "feature")
    attributes = dict.fromkeys(("title", "Conventions", "lwdstats_version", "created"), "null")
    ds = xr.Dataset(
        {"embedding": (dims, x.astype(np.float32))},
        {"time": np.arange(times)},
        {**attributes, "seed": "1", "spec": "{}"},
    )
    test = collapse_test(ds, null=null, statistic=statistic, permutations=B, seed=seed)
    return test.table["p_adjusted"].to_numpy(np.float64).min()


def unbalanced(
    rng: np.random.Generator,
    seed: int,
    *,
    responses: int,
    missing: float,
    statistic: str | None = None,
    scale: float = 1.0,
) -> float:
    """Test 4 models that answer alike 12 questions of their own difficulty, answers missing.

    The shares of the models that are missing go from 0 to twice `missing`. `scale`, the last
    question spreads its answers so many times as much as the first.
    """
    n, q = 4, 12
    x = rng.normal(size=(1, n, 1, q, responses, 3)) * np.geomspace(1.0, scale, q)[:, None, None]
    x += 2.0 * rng.normal(size=(q, 1, 3))
    share = np.linspace(0.0, 2.0 * missing, n)[:, None, None, None]
    x[rng.random(x.shape[:-1]) < share] = np.nan
    dims = ("time", "model", "replicate", "query", "response", "feature")
    attributes = dict.fromkeys(("title", "Conventions", "lwdstats_version", "created"), "null")
    ds = xr.Dataset(
        {"embedding": (dims, x.astype(np.float32))},
        {"time": [0], "query": np.arange(q)},
        {**attributes, "seed": "1", "spec": "{}"},
    )
    test = collapse_test(ds, statistic=statistic, permutations=B, seed=seed)
    return float(test.table["p_value"].iloc[0])


DISPERSION: dict[str, dict[str, Any]] = {
    "5 a group": {"sizes": (5, 5, 5)},
    "10 a group": {"sizes": (10, 10, 10)},
    "20 a group": {"sizes": (20, 20, 20)},
    "20 a group, 40 features": {"sizes": (20, 20, 20), "n_features": 40},
    "groups of 10, 20, 30": {"sizes": (10, 20, 30)},
    "groups of 10, 20, 30, adjusted": {"sizes": (10, 20, 30), "adjust": True},
    "10 a group, skewed": {"sizes": (10, 10, 10), "skewed": True},
    "20 a group, skewed": {"sizes": (20, 20, 20), "skewed": True},
}
MORE: dict[str, dict[str, Any]] = {
    "5 a group, skewed": {"sizes": (5, 5, 5), "skewed": True},
    "groups of 10, 20, 30, skewed": {"sizes": (10, 20, 30), "skewed": True},
    "10 a group, 40 features, skewed": {"sizes": (10, 10, 10), "n_features": 40, "skewed": True},
}
REPEATED: dict[str, dict[str, Any]] = {
    "5 a group, 4 texts": {"sizes": (5, 5), "weights": (12, 6, 4, 3)},
    "5 a group, 3 texts, one of them mostly": {"sizes": (5, 5), "weights": (0.72, 0.22, 0.06)},
    "8 a group, 8 texts": {"sizes": (8, 8), "weights": tuple(1 / k for k in range(1, 9))},
    "10 in 3 groups, 5 texts": {"sizes": (10, 10, 10), "weights": (60, 30, 20, 15, 12)},
    "5 a group, 4 texts of its own": {
        "sizes": (5, 5),
        "weights": (12, 6, 4, 3),
        "apart": True,
    },
    "8 a group, 8 texts of its own": {
        "sizes": (8, 8),
        "weights": tuple(1 / k for k in range(1, 9)),
        "apart": True,
    },
}
# A row's stream is its place here: add rows at the end.
CASES: dict[str, Case] = {
    "`adonis2`, groups of 5, 5, 5": partial(one_factor, sizes=(5, 5, 5)),
    "`adonis2`, groups of 3, 5, 9, Bray-Curtis": partial(
        one_factor, sizes=(3, 5, 9), metric="braycurtis"
    ),
    "`adonis2`, within strata": in_strata,
    "`adonis2`, second term, no effects": second_term,
    "`adonis2`, second term, the first matters": partial(second_term, effect=(8.0, 0.0, 0.0)),
    "`adonis2`, marginal, the first matters": partial(
        second_term, by="margin", effect=(8.0, 0.0, 0.0)
    ),
    "`adonis2`, second term, the first matters across the noise": partial(
        second_term, effect=(0.0, 2.0, 0.0), noise=(1.0, 0.1, 0.1)
    ),
    "vegan's way (`direct`), the first matters": partial(
        second_term, effect=(8.0, 0.0, 0.0), model="direct"
    ),
    "vegan's way (`direct`), the first matters across the noise": partial(
        second_term, effect=(0.0, 2.0, 0.0), noise=(1.0, 0.1, 0.1), model="direct"
    ),
    "`eqdist_etest`, samples of 6, 9": partial(energy, sizes=(6, 9)),
    "`eqdist_etest`, samples of 4, 5, 6": partial(energy, sizes=(4, 5, 6)),
    **{
        f"`permutest`, centroid, {what}": partial(dispersion, kind="centroid", **options)
        for what, options in DISPERSION.items()
    },
    **{
        f"`collapse_test`, {null}, {statistic}, {times} times, max-T": partial(
            collapse, null=null, statistic=statistic, times=times, replicates=replicates
        )
        for null, replicates in (("given_prompts", 2), ("model", 5))
        for statistic, times in (("energy", 1), ("f", 1), ("energy", 5))
    },
    **{
        f"`permutest`, median, {what}": partial(dispersion, **options)
        for what, options in DISPERSION.items()
    },
    **{
        f"vegan's way (`distances`), {kind}, {what}": partial(
            dispersion, kind=kind, permute="distances", **DISPERSION[what]
        )
        for kind in ("centroid", "median")
        for what in ("10 a group", "20 a group", "groups of 10, 20, 30", "10 a group, skewed")
    },
    **{
        f"`permutest`, {kind}, {what}": partial(dispersion, kind=kind, **options)
        for kind in ("centroid", "median")
        for what, options in MORE.items()
    },
    **{
        f"`permutest`, {kind}, 5 a group, 40 features, skewed": partial(
            dispersion, kind=kind, sizes=(5, 5, 5), n_features=40, skewed=True
        )
        for kind in ("centroid", "median")
    },
    **{
        f"`permutest`, {kind}, repeated answers, {what}": partial(repeated, kind=kind, **options)
        for kind in ("centroid", "median")
        for what, options in REPEATED.items()
    },
    **{
        f"`mantel`, {method}, 12 objects": partial(associated, method=method)
        for method in ("pearson", "spearman", "kendall")
    },
    **{
        f"`mantel_partial`, {method}, 12 objects, {what}": partial(
            associated, method=method, given=given
        )
        for given, what in (
            ("none", "nothing depends on the third"),
            ("cause", "both depend on the third"),
            ("line", "all three along a line"),
        )
        for method in ("pearson", "kendall")
    },
    **{
        f"`{test}`, Bray-Curtis, {add}": partial(made_euclidean, test=test, add=add)
        for test in ("adonis2", "permutest")
        for add in ("lingoes", "cailliez")
    },
    **{
        f"`TukeyHSD`, {what}": partial(honest, sizes=sizes, scales=scales, skewed=skewed)
        for what, sizes, scales, skewed in (
            ("5 a group", (5, 5, 5), (1.0, 1.0, 1.0), False),
            ("10 a group", (10, 10, 10), (1.0, 1.0, 1.0), False),
            ("20 a group", (20, 20, 20), (1.0, 1.0, 1.0), False),
            ("5 groups of 20", (20,) * 5, (1.0,) * 5, False),
            ("20 a group, skewed", (20, 20, 20), (1.0, 1.0, 1.0), True),
            ("20 a group, scales 1, 1.5, 2", (20, 20, 20), (1.0, 1.5, 2.0), False),
            ("groups of 10, 20, 30, scales 2, 1.5, 1", (10, 20, 30), (2.0, 1.5, 1.0), False),
        )
    },
    "`collapse_test`, one answer to each of 12 questions": partial(
        unbalanced, responses=1, missing=0.0
    ),
    "`collapse_test`, one answer, questions that spread unequally": partial(
        unbalanced, responses=1, missing=0.0, scale=10.0
    ),
    "`collapse_test`, one answer, 0 to 60% of a model missing": partial(
        unbalanced, responses=1, missing=0.3, scale=3.0
    ),
    **{
        f"`collapse_test`, {statistic}, up to 4 answers, 0 to 60% of a model missing": partial(
            unbalanced, responses=4, missing=0.3, scale=3.0, statistic=statistic
        )
        for statistic in ("energy", "f")
    },
}


def interval(hits: int, n: int, level: float = 0.999) -> tuple[float, float]:
    tail = (1.0 - level) / 2.0
    low = float(beta.ppf(tail, hits, n - hits + 1)) if hits else 0.0
    high = float(beta.isf(tail, hits + 1, n - hits)) if hits < n else 1.0
    return low, high


def main() -> None:
    global B
    parser = argparse.ArgumentParser(description="size of the permutation tests")
    parser.add_argument("--sets", type=int, default=10_000)
    parser.add_argument("--case", nargs="*", default=[], help="rows that contain one of these")
    parser.add_argument("--permutations", type=int, default=B)
    options = parser.parse_args()
    B = options.permutations
    print("| test, null model | data sets | rejected at 5% | 99.9% interval | meets | s |")
    print("| --- | --- | --- | --- | --- | --- |")
    with threadpool_limits(1):
        for number, (name, case) in enumerate(CASES.items()):
            if options.case and not any(part in name for part in options.case):
                continue
            start = time.perf_counter()
            rng = np.random.default_rng(np.random.SeedSequence(SEED, spawn_key=(number,)))
            seeds = rng.integers(0, 2**63, size=options.sets)
            hits = sum(case(rng, int(seed)) <= LEVEL + 1e-12 for seed in seeds)
            low, high = interval(hits, options.sets)
            meets = "yes" if high >= 0.045 and low <= 0.055 else "no"
            taken = time.perf_counter() - start
            print(
                f"| {name} | {options.sets:,} | {hits / options.sets:.4f} "
                f"| {low:.4f} to {high:.4f} | {meets} | {taken:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
