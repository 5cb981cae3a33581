"""Can `convergence_test` tell a limit from a slow power law?

    nice python benchmarks/validity/slow_laws.py [--datasets N]

writes slow_laws.md. Curves are ``c + (t + 1)^-q`` times what the norm of a simulated network of
Gaussian mixtures (n = 3, L = 3, B = 2) is to the mean of all of them; so noise is autocorrelated,
and the law is true. c = 0 gives the size, others the power. "No verdict" is what the test says
where q may be so small that a limit and a slow decay can't be told apart.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
from coverage_convergence import SEED, networks
from scipy.stats import binomtest

import lwdstats as lwd
from lwdstats.inference.laws import POWER_FLOOR, values

R = 10
HEAD = """# A limit, or a slow power law

`python benchmarks/validity/slow_laws.py --datasets {n}`: `convergence_test` at 5% of
``c + (t + 1)^-q``, {R} replicates, {n} data sets a row. What the data are: see the script.
"Refused": curves so flat that the law with c = 0 has no fit.

| q | c | last t | rejected | 99.9% binomial interval | no verdict | refused |
| --- | --- | --- | --- | --- | --- | --- |
"""


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", type=int, default=500)
    given = parser.parse_args()
    rng = np.random.default_rng(SEED)
    lines = []
    for last in (60, 400):
        bank, _ = networks(last, replicates=4000)
        mean, t = bank.mean(axis=1), np.arange(last + 1.0)
        for q in (0.03, 0.25, 0.5):
            for c in (0.0, 0.1, 0.3):
                f = values(POWER_FLOOR.clock(t), np.array([c, 1.0, math.log(q)]))[0]
                scaled = bank / mean[:, None] * f[:, None]
                rejected, silent, refused = [], 0, 0
                for _ in range(given.datasets):
                    Y = scaled[:, rng.integers(0, bank.shape[1], R)]
                    try:
                        test = lwd.convergence_test(Y, square=False)
                    except lwd.InputError:
                        refused += 1
                        rejected.append(False)
                        continue
                    rejected.append(test.p_value <= 0.05)
                    silent += test.note is not None
                shares = f"{silent / given.datasets:.3f} | {refused / given.datasets:.3f}"
                hits = binomtest(sum(rejected), given.datasets)
                low, high = hits.proportion_ci(0.999)
                size = f"{hits.statistic:.3f} | {low:.3f} to {high:.3f}"
                lines.append(f"| {q} | {c} | {last} | {size} | {shares} |")
                print(lines[-1], flush=True)
    head = HEAD.format(n=given.datasets, R=R)
    Path(__file__).with_suffix(".md").write_text(head + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
