"""A cap on what a run spends is never exceeded, and a run that it stopped goes on."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from fakes import Hasher, Writer
from faulty_proxy import ModelServer
from paths import TESTS
from store_runs import POSTS
from typer.testing import CliRunner

import lwdstats as lwd
from lwdstats.cli.main import app
from lwdstats.simulate.llm.storing.journal import RunStoppedError
from lwdstats.simulate.models.server import retry
from lwdstats.simulate.models.server.chat import usage_of

ARGUMENTS = {"n_steps": 2, "n_responses": 3, "seed": 5, "query": "Up?", "max_new_tokens": 30}
PRICES = {"price_in": {"a": 100, "b": 7}, "price_out": {"a": 300, "b": 50}}


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-5b2f7e9c1d")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.001)
    monkeypatch.setattr(retry, "LONGEST_WAIT", 0.002)


class Billing(ModelServer):
    """A server that bills what it writes, also where the reply does not come through.

    `fault`: from the number of a request to what happens to it: "refused" (429), "unread" (a
    reply that is no JSON), "lost" (the connection is cut after it), "empty" (answers without
    text), or None. `hidden` tokens of its template are billed with every prompt.
    """

    def __init__(self, fault=lambda number: None, hidden=20, **options):
        super().__init__(**options)
        self.fault, self.hidden, self.tells = fault, hidden, self.usage
        self.usage, self.number = True, 0
        self.read = self.written = 0

    def answer_to(self, handler, method, body):
        if method == "GET" or not handler.path.endswith("/chat/completions"):
            return super().answer_to(handler, method, body)
        with self.lock:
            self.number += 1
            fault = self.fault(self.number)
        if fault == "refused":
            return 429, {"error": {"message": "busy"}}
        status, reply = super().answer_to(handler, method, body)
        if status != 200:
            return status, reply
        reply["usage"]["prompt_tokens"] += self.hidden
        with self.lock:
            self.read += reply["usage"]["prompt_tokens"]
            self.written += reply["usage"]["completion_tokens"]
        if fault == "empty":
            for choice in reply["choices"]:
                choice["message"]["content"] = ""
        if not self.tells:
            del reply["usage"]
        if fault == "lost":
            handler.close_connection = True
            handler.connection.close()
            raise ConnectionError
        return status, b"<oops>" if fault == "unread" else reply

    def cost(self, label, prices):
        told = self.read * prices["price_in"].get(label, 0)
        return (told + self.written * prices["price_out"].get(label, 0)) / 1e6


def run(models, **changes):
    return lwd.simulate_llm(models, POSTS, embedder=Hasher(), **(ARGUMENTS | changes))


def on(server, **options):
    return lwd.OpenAIModel("small", server.url, **options)


def spent(ds):
    return json.loads(ds.attrs["spent"])


def without_spent(ds):
    return ds.assign_attrs(created="").drop_attrs(deep=False)


# What is counted.


def test_what_servers_report_is_what_is_counted():
    with Billing() as a, Billing(several="ignored") as b:
        ds = run({"a": on(a), "b": on(b), "c": Writer("c")}, **PRICES)
    told = spent(ds)
    for label, server in (("a", a), ("b", b)):
        tokens = told["tokens"][label]
        assert (tokens["read"], tokens["written"]) == (server.read, server.written)
        assert list(tokens["counted_by"]) == ["server"]
    assert told["cost"] == pytest.approx(a.cost("a", PRICES) + b.cost("b", PRICES), rel=1e-12)
    # The model that runs here reads a prompt once and is free.
    assert told["tokens"]["c"]["written"] == 6 * 3 * 3
    assert list(told["tokens"]["c"]["counted_by"]) == ["count"]
    assert any(line.startswith("Spent") for line in str(lwd.summary(ds)).splitlines())


def test_what_servers_do_not_report_is_estimated():
    with Billing(usage=False) as a:
        ds = run({"a": on(a)}, n_steps=0, price_out=1)
    by = spent(ds)["tokens"]["a"]["counted_by"]
    assert list(by) == ["count"]
    texts = [text for text in ds["text_raw"].values.ravel() if text] or ds["text"].values.ravel()
    assert by["count"][1] >= sum(len(text) // 4 for text in texts)
    assert by["count"][0] > 0


def test_a_run_on_servers_is_counted_without_a_cap_and_one_here_is_not():
    with Billing() as a:
        told = spent(run({"a": on(a)}))
    assert told["cost"] is None
    assert told["tokens"]["a"]["read"] == a.read
    assert "spent" not in run([Writer("a")]).attrs


@pytest.mark.parametrize(
    ("fault", "source"), [("refused", "server"), ("lost", "at most"), ("unread", "at most")]
)
def test_failed_requests_count_what_they_cost_where_known(fault, source):
    with Billing(lambda number: fault if number == 1 else None) as a:
        told = spent(run({"a": on(a)}, n_steps=0))["tokens"]["a"]
    by = told["counted_by"]
    assert by["server"][1] <= a.written
    if source == "server":
        assert list(by) == ["server"]
        assert told["read"] == a.read
    else:
        # Its most: all tokens of three answers, and a prompt that is not shorter.
        assert by["at most"][1] == 3 * 30
        assert by["at most"][0] >= a.read / 2


def test_usage_in_the_forms_that_servers_have():
    def usage(**fields):
        return usage_of({"usage": fields})

    assert usage(prompt_tokens=5, completion_tokens=7, total_tokens=12) == (5, 7)
    # Reasoning that is in the total only.
    assert usage(prompt_tokens=5, completion_tokens=7, total_tokens=100) == (5, 95)
    assert usage(prompt_tokens=5) == (5, None)
    assert usage(prompt_tokens=0, completion_tokens=7) == (None, 7)
    assert usage(prompt_tokens="5", completion_tokens=-1) == (None, None)
    for payload in (None, [], "x", {}, {"usage": None}, {"usage": [1]}):
        assert usage_of(payload) == (None, None)


# The cap.


def test_a_stopped_run_goes_on_to_the_same_with_a_higher_cap(tmp_path):
    with Billing() as a, Billing() as b:
        models = {"a": on(a), "b": on(b), "c": Writer("c")}
        whole = run(models, **PRICES)
        full = a.cost("a", PRICES) + b.cost("b", PRICES)
    store, stops = tmp_path / "run", 0
    with Billing() as a, Billing() as b:
        for cap in np.linspace(0, 8 * full, 40):
            models = {"a": on(a), "b": on(b), "c": Writer("c")}
            try:
                ds = run(models, store=store, max_cost=cap, **PRICES)
            except RunStoppedError as error:
                said, stops = str(error), stops + 1
                assert f"max_cost = {cap:g} may be exceeded by the next batch of '" in said
                assert "Spent so far: " in said
                assert "the same call with that store and a higher cap goes on" in said
                assert a.cost("a", PRICES) + b.cost("b", PRICES) <= cap
            else:
                break
        # All starts together have asked for nothing twice, and know it.
        assert a.cost("a", PRICES) + b.cost("b", PRICES) == pytest.approx(full)
        assert spent(ds)["cost"] == pytest.approx(full)
    assert stops > 2
    assert without_spent(ds).identical(without_spent(whole))
    assert json.loads(ds.attrs["spent"]) == json.loads(whole.attrs["spent"])
    assert lwd.read_results(store).identical(ds)
    # Complete: nothing is asked, whatever the cap is now, or without one.
    for cap in ({"max_cost": 0, **PRICES}, {"max_tokens_total": 1}, {}):
        again = run({"a": on(a), "b": on(b), "c": Writer("c")}, store=store, **cap)
        assert spent(again)["tokens"] == spent(ds)["tokens"]
        # Prices that were not said again are those of before.
        assert spent(again)["cost"] == spent(ds)["cost"]


def test_free_models_run_where_nothing_may_be_spent(tmp_path):
    with Billing() as a:
        models = {"free": Writer("free"), "a": on(a)}
        with pytest.raises(RunStoppedError, match="max_cost = 0 may be exceeded"):
            run(models, max_cost=0, price_out={"a": 1}, store=tmp_path / "run")
        assert a.chats == []
        free = {"free": Writer("free"), "a": on(a)}
        ds = run(free, max_cost=0, price_out={"free": 0})
    assert spent(ds)["cost"] == 0
    assert a.number > 0


def test_tokens_are_capped_without_prices(tmp_path):
    models = [Writer("a"), Writer("b")]
    with pytest.raises(RunStoppedError, match="max_tokens_total = 200 may be exceeded") as caught:
        run(models, max_tokens_total=200, store=tmp_path / "run")
    assert "counted here" in str(caught.value)
    told = spent(lwd.read_results(tmp_path / "run"))
    total = sum(one["read"] + one["written"] for one in told["tokens"].values())
    assert 0 < total <= 200
    ds = run(models, max_tokens_total=10**6, store=tmp_path / "run")
    assert "unfinished" not in ds.attrs


def test_others_under_way_are_waited_for():
    # Each batch may take a hundred times what it takes, and eight are asked at a time.
    class Remote(Writer):
        lane, concurrency = "http://a/v1", 8

        def generate(self, prompt, n, **options):
            time.sleep(0.01)
            return super().generate(prompt, n, **options)

    arguments = {"replicates": 8, "n_steps": 0, "n_responses": 1, "max_new_tokens": 600}
    model = Remote("a")
    ds = run([model], max_tokens_total=8 * 6 + 8 * 20 + 600, **arguments)
    assert model.calls == 8
    assert sum(spent(ds)["tokens"]["a"]["counted_by"]["count"]) <= 8 * 26


def test_a_batch_that_waits_does_not_begin_after_the_run_stopped():
    began = threading.Event()

    class Failing(Writer):
        lane, concurrency = "http://a/v1", 4

        def generate(self, prompt, n, **options):
            began.set()
            time.sleep(0.1)
            raise RuntimeError("gone")

    model = Failing("a")
    with pytest.raises(RunStoppedError, match="gone"):
        run([model], replicates=6, n_responses=1, max_tokens_total=60)
    assert began.is_set()


def test_what_ran_before_caps_were_kept_is_estimated(tmp_path):
    def say(prompt, seed, row):
        return f"{len(prompt.posts)} posts on {prompt.query[:-1]}, {seed} and {row}. More."

    store = shutil.copytree(TESTS / "v0.1" / "stopped", tmp_path / "stopped")
    arguments = {"n_steps": 3, "n_responses": 2, "replicates": 2, "query": ["Up?", "Down?"]}
    models = [Writer("a", say=say), Writer("b", say=say)]
    changes = arguments | {"max_new_tokens": 80, "store": store, "max_tokens_total": 1000}
    with pytest.raises(RunStoppedError) as caught:
        run(models, **changes)
    assert "counted here" in str(caught.value)
    told = spent(lwd.read_results(store))["tokens"]
    assert sum(one["written"] for one in told.values()) >= 9 * 2
    assert min(one["read"] for one in told.values()) > 4 * 10


# Any setting.


def setting(seed):
    """Servers, prices and a cap, by chance."""
    rng = np.random.default_rng(seed)
    faults = ["refused", "unread", "lost", "empty", None, None, None, None]

    def server():
        chance, rate = np.random.default_rng(rng.integers(2**32)), rng.choice([0, 0.5])
        kinds = [faults[i] if chance.random() < rate else None for i in chance.integers(8, size=99)]
        several, tells = ["honoured", "ignored", 1, 2][rng.integers(4)], bool(rng.integers(2))
        # Of a server that does not tell, nobody knows what its template adds.
        hidden = int(rng.integers(200)) if tells else 0
        return Billing(
            lambda number: kinds[number % 99], hidden=hidden, several=several, usage=tells
        )

    prices = {
        name: {"a": float(rng.choice([0, 1, 30])), "b": float(rng.choice([2, 90]))}
        for name in ("price_in", "price_out")
    }
    how = {
        "n_steps": int(rng.integers(2)),
        "n_responses": int(rng.integers(1, 4)),
        "replicates": int(rng.integers(1, 3)),
        "max_new_tokens": int(rng.choice([30, 60])),
        "seed": seed,
    }
    caps = {"max_cost": float(10 ** rng.uniform(-4, -1))} if rng.random() < 0.7 else {}
    if not caps or rng.random() < 0.3:
        caps["max_tokens_total"] = int(10 ** rng.uniform(1.5, 4.5))
    return server(), server(), prices, how, caps, int(rng.integers(1, 5)), rng.random() < 0.5


def check_setting(seed, folder):
    """Run a setting until it is done or stopped three times; return how it ended."""
    a, b, prices, how, caps, concurrency, local = setting(seed)
    store, ended, reasons = folder / f"{seed}", "stopped", []
    with a, b:
        for _ in range(2):
            models = {"a": on(a, concurrency=concurrency), "b": on(b, concurrency=concurrency)}
            models |= {"c": Writer("c")} if local else {}
            try:
                ds = run(models, store=store, **how, **prices, **caps)
            except RunStoppedError as error:
                reasons.append(str(error))
            else:
                ended = "done"
                told = spent(ds)
                break
        assert all("may be exceeded" in reason for reason in reasons), reasons
        cost = a.cost("a", prices) + b.cost("b", prices)
        total = a.read + a.written + b.read + b.written
    assert cost <= caps.get("max_cost", math.inf) * (1 + 1e-12)
    assert total <= caps.get("max_tokens_total", math.inf)
    if ended == "done":
        assert told["cost"] <= caps.get("max_cost", math.inf) * (1 + 1e-12)
        if a.tells and b.tells:
            assert told["cost"] >= cost * (1 - 1e-12)
    return ended


@pytest.mark.filterwarnings("ignore:openai:UserWarning")
@pytest.mark.parametrize("first", [0, 10])
def test_no_setting_exceeds_its_cap(first, tmp_path):
    ends = [check_setting(seed, tmp_path) for seed in range(first, first + 10)]
    assert set(ends) == {"stopped", "done"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:openai:UserWarning")
def test_no_setting_of_two_hundred_exceeds_its_cap(tmp_path):
    ends = [check_setting(seed, tmp_path) for seed in range(1000, 1200)]
    assert min(ends.count("stopped"), ends.count("done")) > 30


# Killed.

SCRIPT = f"""
import json, sys
sys.path[:0] = {[str(TESTS)]}
import lwdstats as lwd
from fakes import Hasher
from lwdstats.simulate.models.server import retry
from store_runs import POSTS

url, store, cap, arguments = sys.argv[1], sys.argv[2], float(sys.argv[3]), json.loads(sys.argv[4])
model = lwd.OpenAIModel("small", url, concurrency=3)
lwd.simulate_llm({{"a": model}}, POSTS, embedder=Hasher(), store=store, max_cost=cap, **arguments)
"""


def test_a_cap_holds_for_all_starts_of_a_run_that_is_killed(tmp_path):
    arguments = ARGUMENTS | {"replicates": 4, "price_in": 100, "price_out": 300}
    prices = {"price_in": {"a": 100}, "price_out": {"a": 300}}
    rng, store, cap = np.random.default_rng(2), tmp_path / "run", 0.9
    with Billing(delay=0.05) as a:
        for _ in range(3):
            command = [sys.executable, "-c", SCRIPT, a.url, store, str(cap), json.dumps(arguments)]
            seen = a.number
            process = subprocess.Popen([str(part) for part in command])
            while a.number < seen + 2 and process.poll() is None:
                time.sleep(0.01)
            time.sleep(rng.uniform(0, 0.1))
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        time.sleep(0.3)
        assert a.cost("a", prices) <= cap
        ends = None
        try:
            ds = run({"a": on(a)}, store=store, max_cost=cap, **arguments)
        except RunStoppedError as error:
            ends = str(error)
            ds = run({"a": on(a)}, store=store, max_cost=50, **arguments)
        else:
            assert a.cost("a", prices) <= cap
        told = spent(ds)
        # What was under way when it was killed counts with its most.
        assert told["tokens"]["a"]["counted_by"]["at most"][1] > 0
        assert told["cost"] >= a.cost("a", prices)
        assert ends is None or "may be exceeded" in ends


# What is no cap, and the command.


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"max_cost": -1, "price_in": 1}, r"^max_cost: got -1; takes a number of at least 0"),
        ({"max_cost": math.nan, "price_in": 1}, "^max_cost: got nan"),
        ({"max_cost": math.inf, "price_in": 1}, "^max_cost: got inf"),
        ({"max_cost": "5", "price_in": 1}, "^max_cost: got '5'"),
        ({"max_cost": True, "price_in": 1}, "^max_cost: got True"),
        ({"max_cost": 5}, "^max_cost: got 5 without a price; takes price_in or price_out"),
        ({"max_tokens_total": 0}, "^max_tokens_total: got 0"),
        ({"max_tokens_total": 1.5}, "^max_tokens_total: got 1.5"),
        ({"price_in": -1}, "^price_in: got -1"),
        ({"price_in": math.nan}, "^price_in: got nan"),
        ({"price_out": math.inf}, "^price_out: got inf"),
        ({"price_out": {"z": 1}}, r"^price_out: got labels \['z'\]"),
        ({"price_in": [1, 2]}, "^price_in: got 2 for 1 models"),
    ],
)
def test_what_is_no_cap_is_refused_before_anything(changes, said, tmp_path):
    model = Writer("a", fail_at=0, error=AssertionError("asked"))
    with pytest.raises(lwd.InputError, match=said):
        run([model], store=tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()
    with pytest.raises(lwd.InputError, match=said):
        lwd.plan(models=["openai:a"], **changes)


def test_a_plan_says_whether_it_stays_within():
    models = {"models": ["openai:a"], "n_steps": 2, "price_in": 1, "price_out": 4}
    cost = lwd.plan(**models).cost
    for cap, said in ((cost * 1.01, "yes"), (cost * 0.99, "no")):
        shown = lwd.plan(**models, max_cost=cap)
        assert f"within max_cost = {cap:,g}: {said}" in str(shown).splitlines()
        assert shown.within == {"max_cost": said == "yes"}
    tokens = int(shown.steps[["prompt_tokens", "answer_tokens"]].to_numpy().sum())
    assert lwd.plan(**models, max_tokens_total=tokens).within == {"max_tokens_total": True}
    assert not lwd.plan(**models, max_tokens_total=tokens - 1).within["max_tokens_total"]
    assert lwd.plan(**models).within == {}


def test_the_command_and_its_file_have_caps(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "posts.csv").write_text("text\nUp.\nDown.\n")
    (tmp_path / "run.toml").write_text(
        'simulator = "llm"\nposts = "posts.csv"\nn_steps = 1\nn_responses = 2\nseed = 1\n'
        'embedder = "openai:small"\nmax_cost = 0.001\nmax_new_tokens = 30\n'
        '[models]\na = "openai:small"\n[price_in]\na = 10\n[price_out]\na = 20\n'
    )
    runner = CliRunner()
    planned = runner.invoke(app, ["plan", "run.toml"])
    assert "within max_cost = 0.001: no" in planned.output
    planned = runner.invoke(app, ["plan", "run.toml", "--max-cost", "1", "--price-in", "a=3"])
    assert "within max_cost = 1: yes" in planned.output
    with Billing() as a:
        monkeypatch.setenv("OPENAI_BASE_URL", a.url)
        command = ["simulate", "llm", "run.toml", "-o", "run.nc", "--store", "run"]
        stopped = runner.invoke(app, command)
        assert isinstance(stopped.exception, RunStoppedError)
        assert "max_cost = 0.001 may be exceeded" in str(stopped.exception)
        assert a.chats == []
        done = runner.invoke(app, [*command, "--max-cost", "5", "--price-in", "a=1"])
    assert done.exit_code == 0, done.output
    assert "\nSpent " in done.output
    told = spent(lwd.read_results("run.nc"))
    assert (told["price_in"], told["price_out"]) == ({"a": 1.0}, {"a": 20})
    assert told["tokens"]["a"]["written"] == a.written
