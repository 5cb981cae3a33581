"""What the figure scripts share: read a file, draw, write a PNG, say where."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import lwdstats as lwd
from lwdstats.cli.output import check_writable, write_somewhere


def write_figure(name: str, about: str, default: str, draw: Callable[[Any], Any]) -> None:
    """Draw one figure from the netCDF file that the command line names."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("file", nargs="?", default=default, help=f"netCDF results ({default})")
    parser.add_argument("folder", nargs="?", default=".", help="where the picture goes")
    given = parser.parse_args()
    folder = Path(given.folder)
    try:
        check_writable(folder, folder=True)
        figure = draw(lwd.read_results(given.file)).figure
    except lwd.InputError as error:
        sys.exit(f"{name}.py: {error}")
    path = folder / f"{name}.png"
    written = write_somewhere(partial(figure.savefig, dpi=150), path)
    print(written)
    sys.exit(int(written != path))
