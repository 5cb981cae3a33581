"""Speed of the permutation tests, as ratios within one run, on one thread.

Run: python benchmarks/speed/bench_permutation.py [--skbio-python PYTHON] [--repeats 3]
R with vegan and energy must be there; scikit-bio is timed by the Python given (by
default this one), which may be of another environment. The two of a pair are timed one after
the other, each without its start-up, and the median over repeats of the ratios is printed as
a markdown table. Times depend on the machine; ratios, much less.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr
from threadpoolctl import threadpool_limits

import lwdstats as lwd
from lwdstats.inference.dispersion.betadisper import betadisper
from lwdstats.inference.permutation.adonis2 import adonis2
from lwdstats.inference.permutation.collapse_test import collapse_test
from lwdstats.inference.permutation.eqdist_etest import eqdist_etest

R_HEAD = """
suppressPackageStartupMessages({library(vegan); library(energy)})
d <- as.dist(as.matrix(read.csv(file.path(FOLDER, "d.csv"), header = FALSE)))
x <- as.matrix(read.csv(file.path(FOLDER, "x.csv"), header = FALSE))
data <- data.frame(group = rep(c("a", "b", "c"), each = nrow(x) / 3))
"""
# What is timed, and the statistic that shows that both did the same.
R_CODE = {
    "adonis2": ("fit <- adonis2(d ~ group, data, permutations = B)", "fit$F[1]"),
    "energy": ("fit <- eqdist.etest(d, rep(nrow(x) / 3, 3), R = B)", "fit$statistic"),
    "permutest": ("fit <- permutest(b, permutations = B)", "fit$statistic[1]"),
    "pairwise": ("fit <- permutest(b, permutations = B, pairwise = TRUE)", "fit$statistic[1]"),
}
SKBIO = """
import json, sys, time, numpy as np
from pathlib import Path
from skbio.stats.distance import DistanceMatrix, permanova
d = np.loadtxt(Path(sys.argv[1]) / "d.csv", delimiter=",")
group = np.repeat(list("abc"), len(d) // 3)
matrix = DistanceMatrix(d, [str(i) for i in range(len(d))])
permanova(matrix, group, permutations=9)
start = time.perf_counter()
for _ in range(int(sys.argv[3])):
    fit = permanova(matrix, group, permutations=int(sys.argv[2]))
print(json.dumps([time.perf_counter() - start, float(fit["test statistic"])]))
"""


def in_r(what: str, folder: Path, n_permutations: int) -> tuple[float, float]:
    """Return how long R takes, and its statistic."""
    code, statistic = R_CODE[what]
    head = R_HEAD.replace("FOLDER", json.dumps(str(folder)))
    if "b," in code:
        head += 'b <- betadisper(d, data$group, type = "centroid")\n'
    script = (
        f"{head}B <- {n_permutations}\ns <- proc.time()[[3]]\n{code}\n"
        f"cat(proc.time()[[3]] - s, as.numeric({statistic}))"
    )
    done = subprocess.run(["Rscript", "-e", script], capture_output=True, text=True, check=True)
    taken, value = map(float, done.stdout.split())
    return taken, value


def in_skbio(python: str, folder: Path, n_permutations: int, calls: int = 1) -> tuple[float, float]:
    """Return how long scikit-bio takes, and its statistic."""
    command = [python, "-W", "ignore", "-c", SKBIO, str(folder), str(n_permutations)]
    command += [str(calls)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    taken, value = json.loads(done.stdout)
    return taken, value


def here(run: Callable[[], float]) -> tuple[float, float]:
    """Return how long `run` takes, and its statistic."""
    start = time.perf_counter()
    value = run()
    return time.perf_counter() - start, value


def compare(
    name: str, ours: Callable[[], float], other: Callable[[], tuple[float, float]], repeats: int
) -> str:
    """Time `ours` and `other` in pairs and return a row of the table."""
    mine, theirs = [], []
    ours()  # imports and caches are not what is timed
    for _ in range(repeats):
        a, value = here(ours)
        b, reference = other()
        if abs(value - reference) > 1e-4 * abs(reference):
            raise SystemExit(f"{name}: {value} is not {reference}")
        mine.append(a)
        theirs.append(b)
    ratios = np.array(theirs) / np.array(mine)
    return (
        f"| {name} | {np.median(mine):.4g} | {np.median(theirs):.4g} "
        f"| {np.median(ratios):.1f} | {ratios.min():.1f} to {ratios.max():.1f} | {repeats} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="speed of the permutation tests")
    parser.add_argument("--skbio-python", default=sys.executable)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--observations", type=int, default=360, help="a multiple of 3")
    parser.add_argument("--permutations", type=int, default=9999)
    parser.add_argument("--case", default="", help="rows that contain this")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    n, B = options.observations, options.permutations

    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 50)) + np.repeat([0.0, 0.05, 0.1], n // 3)[:, None]
    d = lwd.dist(x)
    group = np.repeat(list("abc"), n // 3)
    sizes = [n // 3] * 3
    fit = betadisper(d, group, type="centroid")

    def permanova() -> float:
        return adonis2("d ~ group", {"group": group}, d=d, permutations=B).table["f"].iloc[0]

    def dispersion(*, pairwise: bool = False, permute: str = "distances") -> float:
        test = fit.permutest(permutations=B, pairwise=pairwise, permute=permute)
        return test.table["f"].iloc[0]

    def energy() -> float:
        return eqdist_etest(d, sizes, B, distance=True).statistic

    print("| case | lwdstats, s | other, s | ratio (median) | ratio (range) | pairs |")
    print("| --- | --- | --- | --- | --- | --- |")
    what = f"n = {n}, 3 groups, {B:,} permutations"
    with threadpool_limits(1), tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savetxt(folder / "d.csv", d, delimiter=",")
        np.savetxt(folder / "x.csv", x, delimiter=",")
        skbio, repeats = options.skbio_python, options.repeats
        rows: list[tuple[str, Callable[[], float], Callable[[], tuple[float, float]]]] = [
            ("`adonis2`; scikit-bio `permanova`", permanova, lambda: in_skbio(skbio, folder, B)),
            ("`adonis2`; vegan `adonis2`", permanova, lambda: in_r("adonis2", folder, B)),
            ("`eqdist_etest`; energy", energy, lambda: in_r("energy", folder, B)),
            (
                '`permutest(permute="distances")`; vegan `permutest`',
                dispersion,
                lambda: in_r("permutest", folder, B),
            ),
            (
                "`permutest`; vegan `permutest`",
                lambda: dispersion(permute="points"),
                lambda: in_r("permutest", folder, B),
            ),
            (
                '`permutest(permute="distances")`, pairwise; vegan `permutest`',
                lambda: dispersion(pairwise=True),
                lambda: in_r("pairwise", folder, B),
            ),
        ]
        for case, ours, other in rows:
            if options.case not in case:
                continue
            print(compare(f"{case}; {what}", ours, other, repeats), flush=True)

        # A network of 3 models with 40 answers each, at 61 times; distances included in ours.
        answers = rng.normal(size=(61, 3, 1, 1, 40, 384)).astype(np.float32)
        dims = ("time", "model", "replicate", "query", "response", "feature")
        attributes = dict.fromkeys(("title", "Conventions", "lwdstats_version", "created"), "")
        ds = xr.Dataset(
            {"embedding": (dims, answers)},
            {"time": np.arange(61)},
            {**attributes, "seed": "1", "spec": "{}"},
        )
        first = lwd.dist(answers[0, :, 0, 0].reshape(120, 384).astype(np.float64))
        # permanova is of squared distances; of their roots it is the energy statistic.
        for statistic, power in (("energy", 0.5), ("f", 1.0)):
            np.savetxt(folder / "d.csv", first**power, delimiter=",")
            case = f'`collapse_test(statistic="{statistic}")`; 61 calls of scikit-bio `permanova`'
            if options.case not in case:
                continue
            print(
                compare(
                    f"{case}; n = 120, 999 permutations",
                    lambda s=statistic: collapse_test(ds, statistic=s).table["f"].to_numpy()[0],
                    lambda: in_skbio(skbio, folder, 999, 61),
                    repeats,
                ),
                flush=True,
            )


if __name__ == "__main__":
    main()
