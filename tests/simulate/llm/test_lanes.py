"""Models on servers are asked at the same time, and nothing depends on who comes first."""

import signal
import threading
import time
from concurrent.futures import CancelledError

import pytest
from fakes import Hasher, Writer

import lwdstats as lwd
from lwdstats.simulate.llm.lanes import Lanes
from lwdstats.simulate.llm.storing.journal import RunStoppedError

POSTS = ["Bitcoin is up.", "Gold is down.", "Taxes are certain."]
ARGUMENTS = {"n_steps": 4, "n_responses": 2, "replicates": 2, "seed": 5, "query": ["Up?", "Down?"]}


class Remote(Writer):
    """A writer on a server, which counts how many batches it holds at a time."""

    def __init__(self, name, lane="http://a/v1", concurrency=4, wait=0.0, **options):
        super().__init__(name, **options)
        self.lane, self.concurrency, self.wait = lane, concurrency, wait
        self.lock, self.now, self.most = threading.Lock(), 0, 0

    def generate(self, prompt, n, **options):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            time.sleep(self.wait)
            return super().generate(prompt, n, **options)
        finally:
            with self.lock:
                self.now -= 1


class Together(Writer):
    """A writer that answers several prompts at a time."""

    def __init__(self, name, **options):
        super().__init__(name, **options)
        self.batches = []

    def generate_many(self, prompts, n, *, seeds, **options):
        self.batches.append(tuple(prompts))
        pairs = zip(prompts, seeds, strict=True)
        return [self.generate(prompt, n, seed=seed, **options) for prompt, seed in pairs]


def run(models, **changes):
    return lwd.simulate_llm(models, POSTS, embedder=Hasher(), **(ARGUMENTS | changes))


def same(ds, expected):
    """All variables and coordinates."""
    return ds.drop_attrs().identical(expected.drop_attrs())


@pytest.fixture(scope="module")
def whole():
    return run([Writer("a"), Writer("b"), Writer("c")])


def test_who_is_asked_when_decides_nothing(whole):
    models = [Remote("a", wait=0.01), Writer("b"), Remote("c", "http://c/v1", wait=0.002)]
    assert same(run(models), whole)
    assert all(model.calls == 20 for model in models)


def test_servers_work_at_the_same_time():
    models = [Remote("a", wait=0.05), Remote("b", "http://b/v1", wait=0.05)]
    run(models)
    # Two replicates of two queries are there to ask at a step.
    assert [model.most for model in models] == [4, 4]


def test_a_server_that_wants_one_at_a_time_gets_one():
    both = threading.Lock()

    class OneAtATime(Remote):
        def generate(self, prompt, n, **options):
            assert both.acquire(blocking=False), "asked twice at a time"
            try:
                return super().generate(prompt, n, **options)
            finally:
                both.release()

    models = [OneAtATime("a", concurrency=1, wait=0.01), OneAtATime("b", wait=0.01)]
    run(models)
    assert [model.most for model in models] == [1, 1]


def test_what_was_under_way_is_kept_when_another_fails(whole, tmp_path):
    # b fails at once, while a is still writing what will be paid for.
    error = RuntimeError("no credit.")
    models = [
        Remote("a", wait=0.1),
        Remote("b", "http://b/v1", fail_at=0, error=error),
        Writer("c"),
    ]
    with pytest.raises(RunStoppedError, match=r"^no credit\. \d+ of 60 batches are kept") as caught:
        run(models, store=tmp_path / "run")
    done = sum(model.calls for model in models)
    assert models[0].calls >= 1
    assert f" {done} of 60 batches are kept" in str(caught.value)
    again = [Remote("a"), Remote("b", "http://b/v1"), Writer("c")]
    assert same(run(again, store=tmp_path / "run"), whole)
    assert done + sum(model.calls for model in again) == 60


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_cancels_what_servers_are_writing(tmp_path):
    from lwdstats.simulate.models.server import loop

    class Slow(Writer):
        lane, concurrency = "http://a/v1", 4

        def generate(self, prompt, n, **options):
            import asyncio

            loop.run(asyncio.sleep(60))
            return super().generate(prompt, n, **options)

    main = threading.get_ident()
    timer = threading.Timer(0.5, lambda: signal.pthread_kill(main, signal.SIGINT))
    timer.start()
    model = Slow("a")
    with pytest.raises(KeyboardInterrupt) as caught:
        run([model], store=tmp_path / "run")
    # Nobody waited for an answer.
    assert model.calls == 0
    assert "0 of 20 batches are kept" in caught.value.__notes__[0]


def test_results_that_came_before_an_error_are_kept():
    kept = []

    def ask(task):
        if task == "bad":
            raise ValueError("bad")
        if task == "cancelled":
            raise CancelledError
        return task.upper()

    class Model:
        lane, concurrency = "x", 3

    with Lanes([Model()], ask, lambda task, result: kept.append((task, result))) as lanes:
        lanes.run({"a": "x", "b": None})
        assert sorted(kept) == [("a", "A"), ("b", "B")]
        with pytest.raises((ValueError, CancelledError)):
            lanes.run({"bad": "x", "cancelled": "x", "c": "x"})


@pytest.mark.parametrize(("size", "n_together"), [(1, 0), (3, 4), (4, 4)])
def test_prompts_are_answered_together_where_asked(whole, size, n_together):
    models = [Together("a"), Writer("b"), Writer("c")]
    assert same(run(models, batch_size=size), whole)
    sizes = {len(batch) for batch in models[0].batches}
    # Four prompts a step: three and one, or four.
    assert sizes == ({size} if n_together else set())
    assert [model.calls for model in models] == [20, 20, 20]


def test_a_run_goes_on_with_the_batches_that_it_began_with(whole, tmp_path):
    first = [Together("a"), Writer("b", fail_at=6, error=RuntimeError("gone")), Writer("c")]
    with pytest.raises(RunStoppedError):
        run(first, batch_size=3, store=tmp_path / "run")
    again = [Together("a"), Writer("b"), Writer("c")]
    assert same(run(again, batch_size=3, store=tmp_path / "run"), whole)
    never = [Together("a"), Writer("b"), Writer("c")]
    run(never, batch_size=3)
    assert sorted(first[0].batches + again[0].batches, key=str) == sorted(never[0].batches, key=str)
    with pytest.raises(lwd.InputError, match="another batch_size"):
        run(again, batch_size=2, store=tmp_path / "run")
