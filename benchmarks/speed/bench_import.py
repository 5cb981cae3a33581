"""Importing the package, against importing xarray: whole processes, in turn."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time


def seconds(module: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
    return time.perf_counter() - start


def main() -> None:
    for module in ("lwdstats", "xarray"):
        seconds(module)
    ratios = [seconds("lwdstats") / seconds("xarray") for _ in range(7)]
    print("| case | ratio (median) | range |\n| --- | --- | --- |")
    print(
        f"| `import lwdstats` over `import xarray` | {statistics.median(ratios):.2f} "
        f"| {min(ratios):.2f} to {max(ratios):.2f} |"
    )


if __name__ == "__main__":
    main()
