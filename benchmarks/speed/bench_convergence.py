"""Speed of `convergence_fit` and `nls`: ratios against lmfit in the same process.

    python benchmarks/speed/bench_convergence.py [--pairs 7]

`convergence_fit` of 100 replicates at T = 200 (three laws fitted and compared, with
intervals) against lmfit fitting one law, without intervals, to each of the 100
curves; and `nls` with a self-start against lmfit from the same starting values.
"""

from __future__ import annotations

import argparse
import time

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


if __name__ == "__main__":
    main()
