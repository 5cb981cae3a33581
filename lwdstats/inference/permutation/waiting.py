"""Whoever waits at a terminal sees how much is done."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from lwdstats.simulate.progress import Progress

T = TypeVar("T", bound=Sized)
# Seconds without a bar: what is done by then needs none.
PATIENCE = 5.0


def shown(blocks: Iterable[T], total: int, what: str = "permutations") -> Iterator[T]:
    """Yield blocks that hold `total` rows; what takes long has a bar, on a terminal only."""
    start, done = time.monotonic(), 0
    bar: Progress | None = None
    try:
        for block in blocks:
            yield block
            done += len(block)
            if bar is not None:
                bar.step(len(block))
            elif time.monotonic() - start > PATIENCE:
                bar = Progress(total, None, done).__enter__()
                bar.say(what)
    finally:
        if bar is not None:
            bar.__exit__()
