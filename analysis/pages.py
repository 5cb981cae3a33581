"""Put what the scripts print into their pages in docs/, between the marks there.

    python analysis/pages.py [--check]

A line ``<!-- output: NAME -->`` before a block of text in docs/*.md says which script fills
it. With --check nothing is written, and pages that differ are named.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"(<!-- output: (\w+) -->\n```text\n)(.*?)(\n```)", re.DOTALL)


def output(name: str) -> str:
    """Return what a script of this folder prints, without trailing blanks."""
    sys.path.insert(0, str(ROOT / "analysis"))
    try:
        script = importlib.import_module(name)
    finally:
        sys.path.pop(0)
    printed = io.StringIO()
    with contextlib.chdir(ROOT), contextlib.redirect_stdout(printed):
        script.main([])
    return "\n".join(line.rstrip().expandtabs(4) for line in printed.getvalue().strip().split("\n"))


def filled(page: Path) -> str:
    """Return a page's text with its blocks as the scripts print them now."""
    return BLOCK.sub(lambda m: m[1] + output(m[2]) + m[4], page.read_text())


def main() -> int:
    """Write the pages, or check them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = []
    for page in sorted((ROOT / "docs").glob("*.md")):
        old, new = page.read_text(), filled(page)
        if old == new:
            continue
        stale.append(page.name)
        if not check:
            page.write_text(new)
    print("changed:" if stale else "all pages are as the scripts print", *stale)
    return bool(check and stale)


if __name__ == "__main__":
    sys.exit(main())
