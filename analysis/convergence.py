"""Does ||D||_F settle: to what, at what rate, by which law, and when?

    python analysis/convergence.py [FILE] [--since T] [--threshold H]

FILE holds replicates of one network. Steps before --since, when little has been
read, are left out of the laws.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

import lwdstats as lwd


def main(arguments: list[str] | None = None) -> None:
    """Print what a results section needs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", default="data/gmm_networks.nc")
    parser.add_argument("--since", type=float, default=10)
    parser.add_argument("--threshold", type=float, default=0.1, help="what counts as collapsed")
    given = parser.parse_args(arguments)
    ds = lwd.read_results(given.file)

    fit = lwd.convergence_fit(ds, since=given.since)
    print(fit.summary())

    for law in ("power_floor", "exponential"):
        try:
            print(lwd.convergence_test(ds, law, since=given.since))
        except lwd.InputError as error:
            print(f"\nNo test of the limit of the law '{law}': {error}\n")

    print(lwd.collapse_time(ds, given.threshold))

    norm = lwd.fnorm(ds).sel(time=slice(given.since, None))
    print(lwd.changepoints(norm, seed=1))
    print(lwd.mann_kendall(norm.isel(replicate=0), autocorrelation="ar1", seed=1))

    if fit.no_interval is not None:
        print(f"In words: no law with an interval; {fit.no_interval}.")
        return
    rate = fit.law.parameters[-1]
    low, high = fit.confint(rate)[rate]
    print(f"In words: over {fit.nobs()} replicates the law of the {fit.what} is {fit.law.text}")
    print(f"with {rate} = {fit.coef()[rate]:.2f} (95% {low:.2f} to {high:.2f}).")
    wide = lwd.convergence_fit(ds, "power_floor", since=given.since)
    if wide.no_interval is None:
        c = wide.confint("c")["c"][1]
        end = f"above {c:.3f} is excluded" if np.isfinite(c) else "is not excluded, however large"
        print(f"By a power law with a floor, a limit of the {fit.what} {end} (95%).")


if __name__ == "__main__":
    try:
        main()
    except lwd.InputError as error:
        sys.exit(str(error))
