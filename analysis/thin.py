"""Make the file of a run of language models small: fewer times, embeddings rounded.

python analysis/thin.py FILE OUTPUT [--every STEPS]

Kept are every so-many-th time, all texts and prompts; embeddings are rounded to multiples of
1/256, which adds .001 to a squared distance on average, and those of posts are left out.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

import lwdstats as lwd

_GRID = 256


def main() -> None:
    """Read, thin, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("output")
    parser.add_argument("--every", type=int, default=2)
    given = parser.parse_args()
    ds = lwd.read_results(given.file).sel(time=slice(None, None, given.every))
    rounded = np.round(ds["embedding"].values * _GRID) / _GRID
    ds["embedding"] = ds["embedding"].copy(data=rounded.astype(np.float32))
    ds = ds.drop_vars("post_embedding", errors="ignore")
    ds.attrs["thinned"] = f"every {given.every} steps, embeddings to multiples of 1/{_GRID}"
    path = lwd.write_results(ds, given.output)
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    try:
        main()
    except lwd.InputError as error:
        sys.exit(f"thin.py: {error}")
