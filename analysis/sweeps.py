"""The figures of docs/sweeps.md, from the sweep in data/sweeps/collapse.nc.

python analysis/sweeps.py [FILE]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib

import lwdstats as lwd

DOCS = Path(__file__).parent.parent / "docs"


def main(arguments: list[str] | None = None) -> None:
    """Draw the share of networks that have not collapsed, and the effects on diversity."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", default="data/sweeps/collapse.nc")
    sweep = lwd.read_sweep(parser.parse_args(arguments).file)
    matplotlib.use("Agg")
    from matplotlib import pyplot

    ax = lwd.survfit("Surv(collapse_time, collapsed) ~ regime", sweep).plot()
    ax.set_ylabel("share with H not yet below 0.1")
    pyplot.savefig(DOCS / "sweeps-survival.png")
    sweep.plot("diversity", "fresh", "regime")
    pyplot.savefig(DOCS / "sweeps-effects.png")
    sweep.plot("fnorm", "readers", "regime", kind="heat")
    pyplot.savefig(DOCS / "sweeps-map.png")


if __name__ == "__main__":
    main()
