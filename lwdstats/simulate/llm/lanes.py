"""Who is asked when: models here one after another, servers at the same time.

A lane is a place that works independently of other places. Models that run here share
one lane, the thread of the run. A model on a server names its lane, which is the server's
address, and how many batches the server takes at a time.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

from lwdstats.simulate.models.protocol import LanguageModel, optional_parts
from lwdstats.simulate.models.server import loop

logger = logging.getLogger(__name__)
Task = TypeVar("Task")
Result = TypeVar("Result")


class Lanes(Generic[Task, Result]):
    """Asks models for batches, and hands over what they gave as it comes.

    Parameters
    ----------
    models : iterable of LanguageModel
        All of the network.
    ask : callable
        From a task to its result; called here, or in the thread of a lane.
    keep : callable
        Takes a task and its result; called here only, one at a time.
    stop : callable
        Called when the first error ends a run, before what is under way is waited for.
    """

    def __init__(
        self,
        models: Iterable[LanguageModel],
        ask: Callable[[Task], Result],
        keep: Callable[[Task, Result], None],
        stop: Callable[[], None] = lambda: None,
    ) -> None:
        widths: dict[str, int] = {}
        for model in models:
            has = optional_parts(model)
            if has.lane is not None:
                # Where one of its models wants one request at a time, the server gets one.
                widths[has.lane] = min(widths.get(has.lane, has.concurrency), has.concurrency)
        self._pools = {lane: ThreadPoolExecutor(n, "lwdstats-lane") for lane, n in widths.items()}
        self._ask, self._keep, self._stop = ask, keep, stop
        self._stopped = threading.Event()

    def __enter__(self) -> Lanes[Task, Result]:
        return self

    def __exit__(self, *_: object) -> None:
        for pool in self._pools.values():
            pool.shutdown(cancel_futures=True)

    def run(self, tasks: Mapping[Task, str | None]) -> None:
        """Ask for every task; `tasks` maps each to its lane.

        The first error ends the run. What servers are writing at that moment may have to
        be paid for, so it is waited for and kept; an interrupt cancels that too.
        """
        under_way = {
            self._pools[lane].submit(self._ask_if_going, task): task
            for task, lane in tasks.items()
            if lane is not None
        }
        try:
            for task, lane in tasks.items():
                if lane is None:
                    self._keep(task, self._ask(task))
                    self._collect(under_way, timeout=0.0)
            while under_way:
                self._collect(under_way)
        except BaseException as error:
            self._stopped.set()
            self._stop()
            for future in under_way:
                future.cancel()
            if not isinstance(error, Exception):
                loop.cancel_all()
            try:
                self._keep_the_rest(under_way)
            except BaseException:
                # Interrupted once more, while waiting.
                loop.cancel_all()
                raise
            raise

    def _ask_if_going(self, task: Task) -> Result:
        if self._stopped.is_set():
            raise RuntimeError("the run has stopped")
        return self._ask(task)

    def _collect(self, under_way: dict[Future[Result], Task], timeout: float | None = None) -> None:
        done, _ = wait(under_way, timeout, FIRST_COMPLETED)
        # All that came is kept before an error among them ends the run.
        for future in sorted(done, key=lambda future: future.exception() is not None):
            task = under_way.pop(future)
            self._keep(task, future.result())

    def _keep_the_rest(self, under_way: Mapping[Future[Result], Task]) -> None:
        going = sum(future.running() for future in under_way)
        if going:
            logger.info("stopping; waiting for %d batches that servers are writing", going)
        for future, task in under_way.items():
            if future.cancelled():
                continue
            if future.exception() is not None:
                logger.debug("also failed: %s", future.exception())
                continue
            try:
                self._keep(task, future.result())
            except Exception as error:
                logger.warning("a batch that came while the run stopped is lost: %s", error)
                return
