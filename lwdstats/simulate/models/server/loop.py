"""One event loop in a thread of its own, for code that is not async.

`asyncio.run` cannot be called where a loop runs already, as in a notebook, and
ends its connections with it. A loop that stays keeps them open between batches.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
import weakref
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")

# What has connections on a loop, to be closed before it.
clients: weakref.WeakSet[Any] = weakref.WeakSet()

_lock = threading.Lock()
# A child process inherits the variable but not the thread, so the loop is kept by process.
_loops: dict[int, tuple[asyncio.AbstractEventLoop, threading.Thread]] = {}
_under_way: set[Future[Any]] = set()


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine returns; an interrupt cancels it.

    May be called from any thread, whether or not a loop runs there.
    """
    future = asyncio.run_coroutine_threadsafe(coroutine, _running())
    _under_way.add(future)
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise
    finally:
        _under_way.discard(future)


def cancel_all() -> None:
    """Cancel what any thread waits for: an interrupt reaches the main thread only."""
    for future in list(_under_way):
        future.cancel()


def _running() -> asyncio.AbstractEventLoop:
    with _lock:
        if os.getpid() not in _loops:
            loop = asyncio.new_event_loop()
            thread = threading.Thread(target=loop.run_forever, name="lwdstats-loop", daemon=True)
            thread.start()
            _loops[os.getpid()] = loop, thread
            atexit.register(_stop, os.getpid())
        return _loops[os.getpid()][0]


def _stop(process: int) -> None:
    """Cancel what is under way and close the loop, so that no connection is left open."""
    if process != os.getpid() or process not in _loops:
        return
    loop, thread = _loops.pop(process)

    async def cancel() -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(c.close() for c in list(clients)), return_exceptions=True)
        await loop.shutdown_asyncgens()

    with contextlib.suppress(TimeoutError):
        asyncio.run_coroutine_threadsafe(cancel(), loop).result(timeout=5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(timeout=5)
    if not thread.is_alive():
        loop.close()


async def all_or_first_error(coroutines: list[Coroutine[Any, Any, T]]) -> list[T]:
    """Return the results in order; the first error cancels the rest and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coroutine) for coroutine in coroutines]
    except ExceptionGroup as several:
        raise several.exceptions[0] from None
    return [task.result() for task in tasks]
