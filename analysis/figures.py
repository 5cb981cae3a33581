"""What the figure scripts share: read a file, draw, write a PNG, say where."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import lwdstats as lwd


def write_figure(name: str, about: str, default: str, draw: Callable[[Any], Any]) -> None:
    """Draw one figure from the netCDF file that the command line names."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("file", nargs="?", default=default, help=f"netCDF results ({default})")
    parser.add_argument("folder", nargs="?", default=".", help="where the picture goes")
    given = parser.parse_args()
    folder = Path(given.folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.png"
    draw(lwd.read_results(given.file)).figure.savefig(path, dpi=150)
    print(path)
