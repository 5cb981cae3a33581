"""Posts appended and read at random: peak memory of the web on disk and in memory, by their number.

Each case runs in a process of its own. Posts of 100 characters and vectors of 64
numbers come a thousand at a time; then 50 draws of 100 posts are read. What is
told is the peak resident memory over that of a process that has only imported
the libraries and written one block.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile

import numpy as np

from lwdstats.simulate.web.lance import LanceWeb
from lwdstats.simulate.web.memory import MemoryWeb
from lwdstats.simulate.web.protocol import Post, Web

BLOCK = 1000


def fill_and_read(kind: str, n: int) -> int:
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        web: Web = MemoryWeb() if kind == "memory" else LanceWeb(folder)
        for start in range(0, n, BLOCK):
            posts = [
                Post(f"post {row:012d} ".ljust(100, "x")) for row in range(start, start + BLOCK)
            ]
            web.append(posts, rng.random((BLOCK, 64), dtype=np.float32))
        for _ in range(50):
            rows = rng.choice(len(web), 100, replace=False).astype(np.int32)
            for row, text in zip(rows, web.texts(rows), strict=True):
                if not text.startswith(f"post {row:012d} "):
                    sys.exit(f"row {row} holds {text[:20]!r}")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--posts", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--webs", nargs="+", default=["lance", "memory"])
    parser.add_argument("--child", nargs=2)
    given = parser.parse_args()
    if given.child:
        print(fill_and_read(given.child[0], int(given.child[1])))
        return
    print("| web | posts | peak memory, MB over that of 1,000 posts |")
    print("| --- | --- | --- |")
    for kind in given.webs:
        peaks = []
        for n in (BLOCK, *given.posts):
            command = [sys.executable, __file__, "--child", kind, str(n)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            peaks.append(int(done.stdout) / 1024)
        for n, peak in zip(given.posts, peaks[1:], strict=True):
            print(f"| {kind} | {n:,} | {peak - peaks[0]:.0f} |", flush=True)


if __name__ == "__main__":
    main()
