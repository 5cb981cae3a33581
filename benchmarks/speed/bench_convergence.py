"""Speed of `convergence_fit` and `nls`: ratios against lmfit in the same process, and R's nls.

    python benchmarks/speed/bench_convergence.py [--pairs 7]

`convergence_fit` of 100 replicates at T = 200 (three laws fitted and compared, with
intervals) against lmfit fitting one law, without intervals, to each of the 100
curves; `nls` with a self-start against lmfit from the same starting values; and `nls`
with a self-start on 100,000 points against R's (Rscript has to be there): processor time
of the fit, and the largest memory of either process, each in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import lmfit
import numpy as np

import lwdstats as lwd


def power(t, c, a, b):
    return c + a * (t + 1) ** -b


def ratios(ours, theirs, pairs):
    ours()
    theirs()
    out = []
    for _ in range(pairs):
        began = time.perf_counter()
        ours()
        middle = time.perf_counter()
        theirs()
        out.append((time.perf_counter() - middle) / (middle - began))
    return np.array(out)


IN_R = """
d <- read.csv(commandArgs(TRUE)[1])
took <- system.time(fit <- nls(y ~ SSasymp(t, Asym, R0, lrc), d))
peak <- grep("VmHWM", readLines("/proc/self/status"), value = TRUE)
cat(sprintf("[%f, %s, %.8f]", sum(took[1:2]), gsub("[^0-9]", "", peak), coef(fit)[["Asym"]]))
"""
IN_PYTHON = """
import sys, time
import pandas as pd
import lwdstats as lwd
from lwdstats.inference.nls.nls import nls
d = pd.read_csv(sys.argv[1])
began = time.process_time()
fit = nls("y ~ SSasymp(t, Asym, R0, lrc)", d)
took = time.process_time() - began
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]
print([took, int(peak), float(fit.coef()["Asym"])])
"""


def against_r(pairs):
    """Return ratios of R's processor time and memory to ours, (pairs, 2)."""
    rng, t = np.random.default_rng(1), np.linspace(0, 10, 100_000)
    y = 2 + 3 * np.exp(-0.5 * t) + 0.1 * rng.normal(size=len(t))
    out = []
    with tempfile.TemporaryDirectory() as folder:
        data = str(Path(folder, "data.csv"))
        np.savetxt(data, np.stack([t, y], axis=1), delimiter=",", header="t,y", comments="")
        commands = [sys.executable, "-c", IN_PYTHON, data], ["Rscript", "-e", IN_R, data]
        for _ in range(pairs):
            ours, theirs = (
                json.loads(subprocess.run(c, check=True, capture_output=True, text=True).stdout)
                for c in commands
            )
            if abs(ours[2] - theirs[2]) > 1e-6:
                raise SystemExit(f"two fits: {ours}, {theirs}")
            out.append((theirs[0] / ours[0], theirs[1] / ours[1]))
    return np.array(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=7)
    pairs = parser.parse_args().pairs
    ds = lwd.simulate_gmm(n_steps=200, replicates=100, seed=1, progress=False)
    norm = lwd.fnorm(ds)
    t = norm["time"].values.astype(float)
    model = lmfit.Model(power)

    def lmfit_each():
        for r in range(100):
            model.fit(norm.values[:, r], t=t, c=0.0, a=1.0, b=0.5)

    def lmfit_one():
        model.fit(norm.values[:, 0], t=t, c=0.0, a=1.0, b=0.5)

    cases = [
        ("`convergence_fit` with its summary, 100 replicates, T = 200; lmfit on the 100 curves",
         lambda: str(lwd.convergence_fit(ds).summary()), lmfit_each),
        ("`nls` with a self-start, n = 201; lmfit",
         lambda: lwd.nls("y ~ SSpower(t, c, a, b)", {"t": t, "y": norm.values[:, 0]}), lmfit_one),
    ]  # fmt: skip
    print("| case | ratio (median) | range |\n| --- | --- | --- |")
    for name, ours, theirs in cases:
        r = ratios(ours, theirs, pairs)
        print(f"| {name} | {np.median(r):.1f} | {r.min():.1f} to {r.max():.1f} |")
    if shutil.which("Rscript"):
        for what, r in zip(("processor time", "peak memory"), against_r(pairs).T, strict=True):
            name = f"`nls` with a self-start, n = 100,000; R's `nls`, {what}"
            print(f"| {name} | {np.median(r):.1f} | {r.min():.1f} to {r.max():.1f} |")


if __name__ == "__main__":
    main()
