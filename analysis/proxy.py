"""Fit a network of mixtures to a run of language models, and draw what docs/proxy.md shows.

python analysis/proxy.py [FILE] [--output docs]
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import lwdstats as lwd


def main(arguments: list[str] | None = None) -> None:
    """Draw weights with their predictions, components, and a forecast with what came."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", default="data/bitcoin_network.nc")
    parser.add_argument("--components", type=int, default=4)
    parser.add_argument("--output", type=Path, default=Path("docs"))
    given = parser.parse_args(arguments)
    warnings.simplefilter("ignore", UserWarning)
    ds = lwd.read_results(given.file)
    proxy = lwd.fit_proxy(ds, given.components, seed=1)
    half = (ds.sizes["time"] + 1) // 2
    first = lwd.fit_proxy(ds.isel(time=slice(half)), given.components, seed=1)
    forecast = first.forecast(ds.sizes["time"] - half, seed=1)
    drawn: dict[str, Any] = {
        "weights": proxy.plot(),
        "components": proxy.plot("components"),
        "forecast": forecast.plot(observed=first.measure(ds)),
    }
    for name, ax in drawn.items():
        ax.figure.savefig(given.output / f"proxy-{name}.png", dpi=110, bbox_inches="tight")


if __name__ == "__main__":
    main()
