"""When a network changed, by its mirror and by a control chart: the figure of docs/mirror.md.

python analysis/mirror.py [--output docs]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import numpy as np
import xarray as xr
from matplotlib import pyplot as plt

import lwdstats as lwd
from lwdstats.results.pictures.style import styled

# Steps at which the pull of the web grows, and at which the bot is read.
CHANGE, BOT = 40, 80


def pulled() -> xr.Dataset:
    """Return answers of networks that go to the make-up of a real web, faster from CHANGE on."""
    later = f"(1 + (t - {CHANGE - 0.5})/abs(t - {CHANGE - 0.5}))/2"
    ds = lwd.simulate_gmm(
        10,
        2,
        n_steps=80,
        n_responses=160,
        initial_weights=[0.9, 0.1],
        complexity=0,
        seed=1,
        initial_points=[-5.0] * 1600 + [5.0] * 6400,
        step_size=f"(0.004 + 0.012*{later})/k",
        scenario=lwd.Scenario(keep="last", fresh=6400, fresh_from=[0.2, 0.8]),
    )
    return ds.drop_vars("weight")


def captured() -> xr.Dataset:
    """Return five models beside a bot that they read from step BOT on."""
    nobody = np.ones((6, 6))
    nobody[:5, 5] = 0
    ds = lwd.simulate_gmm(
        6,
        2,
        n_steps=109,
        n_responses=10,
        complexity=0,
        seed=1,
        initial_weights=[[0.9, 0.1]] * 5 + [[1e-9, 1 - 1e-9]],
        initial_points=[-5.0] * 90 + [5.0] * 10,
        scenario=lwd.Scenario(
            keep="last",
            fresh=60,
            fresh_from=[0.9, 0.1],
            frozen=(5,),
            readers={0: nobody, BOT: np.ones((6, 6))},
        ),
    )
    return ds.isel(model=slice(5))


def main(arguments: list[str] | None = None) -> None:
    """Draw the mirror of one network, and control charts of the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("docs"))
    given = parser.parse_args(arguments)
    with styled():
        figure, (left, right) = plt.subplots(1, 2, figsize=(13, 4.5), layout="constrained")
        lwd.mirror(pulled(), seed=1).plot(ax=left)
        left.set_title(f"pull of the web grows at step {CHANGE}")
        chart = lwd.control_chart(captured(), slice(30, 69), statistic=["D", "H"], seed=1)
        chart.plot(ax=right)
        right.set_title(f"a bot is read from step {BOT} on")
        figure.savefig(given.output / "mirror.png", dpi=110)


if __name__ == "__main__":
    main()
