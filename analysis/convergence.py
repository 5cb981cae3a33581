"""Does ||D||_F settle: to what, at what rate, by which law, and when?

    python analysis/convergence.py [FILE] [--since T] [--threshold H]

FILE holds replicates of one network. Steps before --since, when little has been
read, are left out of the laws.
"""

from __future__ import annotations

import argparse

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
        print(lwd.convergence_test(ds, law, since=given.since))

    print(lwd.collapse_time(ds, given.threshold))

    changes = lwd.changepoints(lwd.fnorm(ds).sel(time=slice(given.since, None)), seed=1)
    print(changes)

    first = ds["replicate"].values[0]
    path = lwd.fnorm(ds).sel(replicate=first, time=slice(given.since, None))
    print(lwd.mann_kendall(path, autocorrelation="ar1", seed=1))

    b = fit.confint().iloc[-2]
    print(f"In words: over {fit.nobs()} replicates the law is {fit.law.text}")
    print(f"with {b.name} = {fit.coef().iloc[-1]:.2f} (95% {b.iloc[0]:.2f} to {b.iloc[1]:.2f});")
    wide = lwd.convergence_fit(ds, "power_floor", since=given.since).confint("c").to_numpy()[0]
    end = f"{wide[1]:.3f}" if np.isfinite(wide[1]) else "any value"
    print(f"a limit of the norm above {end} is excluded (95%).")


if __name__ == "__main__":
    main()
