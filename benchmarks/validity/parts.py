"""A table in parts, each of which can be made anew without the others."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from threadpoolctl import threadpool_limits

Part = Callable[[int], Iterator[str]]


def write_parts(
    head: str, parts: Mapping[str, tuple[str, Part]], out: Path, of: str, count: int
) -> None:
    """Make the parts that the command line asks for, and write them among the others.

    Parameters
    ----------
    head : str
        Title and command.
    parts : mapping
        By name what is said of a part, and its lines from how many data sets to a row.
    out : Path
        The file, if the command line has no other.
    of, count : str, int
        The option that says how many data sets, and how many by default.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument(f"--{of}", dest="count", type=int, default=count)
    parser.add_argument("--part", nargs="*", choices=parts, default=list(parts))
    parser.add_argument("--out", type=Path, default=out)
    given = parser.parse_args()
    text = given.out.read_text() if given.out.exists() else ""
    done = dict(re.findall(r"^## (\w+)\n\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE))
    for name in given.part:
        said, part = parts[name]
        lines = []
        with threadpool_limits(1):
            for line in part(given.count):
                print(line, flush=True)
                lines.append(line)
        done[name] = said + "\n\n" + "\n".join(lines) + "\n\n"
        body = "\n".join(f"## {name}\n\n{done[name].strip()}\n" for name in parts if name in done)
        given.out.write_text(f"{head}\n{body}")
