"""Models and embedders behind a server, and what goes wrong on the way."""

import asyncio
import json
import logging
import os
import pickle
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from types import SimpleNamespace

import numpy as np
import pytest
from faulty_proxy import FAULTS, FaultyProxy, ModelServer, answer_of, vector_of
from hypothesis import given
from hypothesis import strategies as st
from paths import TESTS

import lwdstats as lwd
from lwdstats.simulate.models.backends import backend_of
from lwdstats.simulate.models.protocol import Answer, Embedder, LanguageModel, Prompt, Sampling
from lwdstats.simulate.models.server import chat, endpoint, openai, retry
from lwdstats.simulate.models.server.embedder import EndpointEmbedder
from lwdstats.simulate.models.server.openai import OpenAIModel
from lwdstats.simulate.models.server.retry import BackendError, Failure

KEY = "sk-test-4f9a7c1e2b8d6035"
PROMPT = Prompt(("Coins rise.", "Coins fall."), "What next?", "You doubt everything.")
MESSAGES = [
    {"role": "system", "content": PROMPT.system},
    {"role": "user", "content": PROMPT.user},
]
SAMPLING = Sampling(temperature=0.8, max_new_tokens=20)


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    # The waits of these tests are short, but as long as a server asks for.
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.002)
    monkeypatch.setattr(retry, "LONGEST_WAIT", 0.01)


def generate(model, n=5, seed=11, sampling=SAMPLING, prompt=PROMPT):
    return model.generate(prompt, n, seed=seed, sampling=sampling)


def expected(n=5, seed=11):
    return [answer_of(MESSAGES, 0.8, seed + i) for i in range(n)]


# Waiting.


@given(st.integers(1, 40), st.integers(0, 2**32))
def test_waits_double_up_to_a_minute(n_failures, seed):
    # By the definitions of the module, not by the short ones of these tests.
    longest = min(60.0, 0.5 * 2 ** (n_failures - 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retry, "FIRST_WAIT", 0.5)
        patch.setattr(retry, "LONGEST_WAIT", 60.0)
        wait = retry.wait_before(n_failures, Failure("timeout"), random.Random(seed))
    assert longest / 2 <= wait <= longest


@given(st.floats(0, 3600), st.integers(1, 40), st.integers(0, 99))
def test_a_server_that_asks_to_wait_is_heard(asked, n_failures, seed):
    chance = random.Random(seed)
    wait = retry.wait_before(n_failures, Failure("status", status=429, retry_after=asked), chance)
    assert wait >= asked
    assert wait <= max(asked + 1, 60)


NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": formatdate(NOW + 90, usegmt=True)}, 90),
        ({"retry-after": formatdate(NOW - 90, usegmt=True)}, 0),
        # Its clock is an hour ahead of ours.
        (
            {
                "retry-after": formatdate(NOW + 3690, usegmt=True),
                "date": formatdate(NOW + 3600, usegmt=True),
            },
            90,
        ),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
    ],
)
def test_retry_after(headers, seconds):
    assert retry.retry_after(headers, NOW) == seconds


# One request.


def test_protocols():
    with ModelServer() as server:
        assert isinstance(OpenAIModel("small", server.url), LanguageModel)
        assert isinstance(EndpointEmbedder("small", server.url), Embedder)


def test_what_is_sent():
    with ModelServer() as server:
        model = OpenAIModel("small", server.url)
        answers = generate(model)
    assert server.chats == [
        {
            "model": "small",
            "messages": MESSAGES,
            "temperature": 0.8,
            "top_p": 1.0,
            "max_tokens": 20,
            "n": 5,
            "seed": 11,
        }
    ]
    assert [answer.text for answer in answers] == expected()
    assert model.seen["model"] == {"small"}


@pytest.mark.parametrize("several", ["honoured", "ignored", 1, 2, 3])
@pytest.mark.parametrize("n_per_request", ["auto", 1, 2, 4])
def test_a_split_changes_no_answer(several, n_per_request):
    with ModelServer(several=several) as server:
        model = OpenAIModel("small", server.url, n_per_request=n_per_request)
        for seed in (11, 12, 2**63 + 5):
            first = seed % (2**31 - 2**20)
            assert [a.text for a in generate(model, seed=seed)] == expected(seed=first)


def test_a_server_that_ignores_n_is_found_out():
    with ModelServer(several="ignored") as server:
        model = OpenAIModel("small", server.url)
        generate(model, n=6)
        generate(model, n=6)
    asked = [body.get("n", 1) for body in server.chats]
    # Twice one of several; then the rest one by one, and so ever after.
    assert asked == [6, 5, *[1] * 10]


def test_one_short_reply_is_not_taken_for_a_habit():
    with ModelServer() as server, FaultyProxy(server.url, script=["fewer"]) as proxy:
        model = OpenAIModel("small", proxy.url)
        for _ in range(3):
            assert [a.text for a in generate(model)] == expected()
    asked = [body.get("n", 1) for body in server.chats]
    assert asked[0] == asked[-1] == asked[-2] == 5
    assert len(asked) == 4


def test_the_largest_n_is_halved_until_taken():
    with ModelServer(several=3) as server:
        model = OpenAIModel("small", server.url)
        generate(model, n=16)
        generate(model, n=16)
    asked = [body.get("n", 1) for body in server.chats]
    assert asked[:4] == [16, 8, 4, 2]
    assert max(asked[4:]) == 2
    # The refused ones gave nothing; every answer was asked for once.
    assert sum(a for a in asked if a <= 3) == 32


def test_greedy_answers_are_one():
    with ModelServer() as server:
        answers = generate(OpenAIModel("small", server.url), sampling=Sampling(temperature=0))
    assert len(server.chats) == 1
    assert "n" not in server.chats[0]
    assert answers == [answers[0]] * 5


@pytest.mark.parametrize("field", ["seed", "max_tokens"])
def test_a_refused_field_is_left_out(field, caplog):
    with ModelServer(refuses=[field]) as server:
        model = OpenAIModel("small", server.url)
        generate(model)
        generate(model)
    assert [field in body for body in server.chats] == [True, False, False]
    assert model.seeded == (field != "seed")
    if field == "max_tokens":
        assert server.chats[-1]["max_completion_tokens"] == 20
    else:
        assert "a rerun gives other answers" in caplog.text


def test_a_template_without_a_system_role():
    def no_system(messages, temperature, seed):
        return "Merged." if len(messages) == 1 else "Kept."

    class Strict(ModelServer):
        def answer_to(self, handler, method, body):
            if method == "POST" and body["messages"][0]["role"] == "system":
                return 400, {"error": {"message": "System role not supported"}}
            return super().answer_to(handler, method, body)

    with Strict(answer=no_system) as server:
        model = OpenAIModel("small", server.url)
        assert {a.text for a in generate(model)} == {"Merged."}
    assert server.chats[-1]["messages"][0]["content"] == f"{PROMPT.system}\n\n{PROMPT.user}"


@given(st.integers(0, 10**6), st.lists(st.integers(0, 1000), min_size=1, max_size=50))
def test_shares_add_up(total, weights):
    parts = chat._share(total, weights)
    assert sum(parts) == total
    assert min(parts) >= 0
    if sum(weights):
        exact = [total * w / sum(weights) for w in weights]
        assert all(abs(p - e) < 1 + 1e-6 for p, e in zip(parts, exact, strict=True))


def test_token_counts():
    with ModelServer() as server:
        one = generate(OpenAIModel("small", server.url), n=1)[0]
        assert one.n_tokens == len(one.text.split())
        many = generate(OpenAIModel("small", server.url), n=7)
        assert sum(a.n_tokens for a in many) == sum(len(a.text.split()) for a in many)
    with ModelServer(usage=False) as server:
        one = generate(OpenAIModel("small", server.url), n=1)[0]
        assert one.n_tokens == -(-len(one.text) // 4)


def test_prompt_tokens_are_estimated(monkeypatch):
    model = OpenAIModel("gpt-4o-mini", "http://127.0.0.1:9/v1")
    monkeypatch.setattr(openai, "encoding", lambda name: None)
    n_characters = len(PROMPT.system) + 1 + len(PROMPT.user)
    assert model.count_tokens(PROMPT) == -(-n_characters // 4)
    words = SimpleNamespace(encode=lambda text, disallowed_special: text.split())
    monkeypatch.setattr(openai, "encoding", lambda name: words)
    assert model.count_tokens(PROMPT) == len(f"{PROMPT.system} {PROMPT.user}".split())


@pytest.mark.parametrize("text", ["a\0b\x1b[31mred\r\n", "x" * 100_000, "暗号通貨。", " <b>&amp; "])
def test_texts_come_as_they_are(text):
    with ModelServer(answer=lambda *asked: text) as server:
        assert {a.text for a in generate(OpenAIModel("small", server.url))} == {text}


def test_half_a_surrogate_pair_is_replaced():
    with ModelServer(answer=lambda *asked: "up \ud83d and 🚀") as server:
        assert generate(OpenAIModel("small", server.url), n=1)[0].text == "up \ufffd and 🚀"


def test_an_empty_answer_is_asked_for_twice():
    for content in ("", None):

        def edit(reply, content=content):
            reply["choices"][-1]["message"]["content"] = content
            return reply

        with ModelServer(edit=edit) as server:
            answers = generate(OpenAIModel("small", server.url), n=3)
        assert [a.text for a in answers] == [*expected(3)[:2], ""]
        assert [body.get("n", 1) for body in server.chats] == [3, 1]


# What goes wrong and passes.


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_changes_no_answer(fault):
    script = [fault, None, fault, fault]
    with ModelServer() as server, FaultyProxy(server.url, script=script) as proxy:
        model = OpenAIModel("small", proxy.url, timeout=0.2 if fault == "hang" else 10)
        assert [a.text for a in generate(model)] == expected()
        assert [a.text for a in generate(model)] == expected()
    assert proxy.counts[fault] >= 2


def test_a_trickle_is_cut_off():
    class Trickle(ModelServer):
        def handle(self, handler, method):
            handler.body()
            handler.send_response(200)
            handler.send_header("Content-Length", "1000")
            handler.end_headers()
            while not self.closing.wait(0.02):
                handler.wfile.write(b" ")
                handler.wfile.flush()

    with Trickle() as server:
        model = OpenAIModel("small", server.url, timeout=0.2, max_retries=1)
        start = time.monotonic()
        with pytest.raises(BackendError, match=r"2 times in a row.*no answer in time"):
            generate(model)
    assert time.monotonic() - start < 5


def test_retry_after_is_waited(monkeypatch):
    waits = []

    async def sleep(seconds):
        waits.append(seconds)

    monkeypatch.setattr(endpoint.asyncio, "sleep", sleep)

    class Busy(ModelServer):
        def answer_to(self, handler, method, body):
            if len(self.chats) == 1:
                return 429, {"error": {"message": "busy"}}, [("Retry-After", "7")]
            if len(self.chats) == 2:
                date = [("Retry-After", formatdate(time.time() + 30, usegmt=True))]
                return 503, {"error": {"message": "busy"}}, date
            return super().answer_to(handler, method, body)

    with Busy() as server:
        assert [a.text for a in generate(OpenAIModel("small", server.url))] == expected()
    assert 7 <= waits[0] <= 8
    assert 29 <= waits[1] <= 31
    assert len(waits) == 2


def test_it_gives_up_after_so_many_retries():
    with ModelServer() as server, FaultyProxy(server.url, rate=1, faults=["500"]) as proxy:
        model = OpenAIModel("small", proxy.url, max_retries=4)
        with pytest.raises(BackendError, match=r"failed 5 times in a row.*500.*max_retries"):
            generate(model)
    # The list of models is looked at too, for a model that it lacks.
    assert proxy.counts["500"] == 5 + 8
    assert not server.chats


def test_a_wait_of_hours_is_for_a_person():
    class Closed(ModelServer):
        def answer_to(self, handler, method, body):
            return 429, {"error": {"message": "daily limit"}}, [("Retry-After", "40000")]

    with Closed() as server, pytest.raises(BackendError, match=r"asks to wait 40000 s"):
        generate(OpenAIModel("small", server.url))


def test_nobody_listens():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    model = OpenAIModel("small", url)
    with pytest.raises(BackendError, match=r"nothing answers at .* \(tried 4 times.*start the"):
        generate(model)
    assert model.context_length is None


# What goes wrong and does not pass.


def shown(error):
    """Everything that could be printed of an error, with every frame's variables."""
    lines = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join(lines.format()) + repr(error) + repr(vars(error)) + repr(error.__context__)


def refusal(model):
    with pytest.raises((lwd.InputError, BackendError)) as caught:
        generate(model)
    assert KEY not in shown(caught.value)
    return caught.value


def test_a_wrong_key_ends_it():
    with ModelServer(key="another") as server:
        error = refusal(OpenAIModel("small", server.url))
    assert isinstance(error, lwd.InputError)
    assert error.argument == "api_key_env"
    assert "refuses (401: Incorrect API key provided: ***." in str(error)
    assert len(server.requests) == 1


def test_no_key_is_said(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    with ModelServer(key=KEY) as server:
        error = refusal(OpenAIModel("small", server.url))
    assert "OPENAI_API_KEY is not set" in str(error)
    with pytest.raises(lwd.InputError, match=r"api_key_env.*OPENAI_API_KEY is not set"):
        OpenAIModel("gpt-4o-mini")


def test_no_key_is_needed_where_none_is_wanted(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    with ModelServer() as server:
        assert [a.text for a in generate(OpenAIModel("small", server.url))] == expected()


def test_a_key_is_freed_of_white_space(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", f" {KEY}\n")
    with ModelServer(key=KEY) as server:
        assert [a.text for a in generate(OpenAIModel("small", server.url))] == expected()


@pytest.mark.parametrize("between", ["\n", " ", "é"])
def test_a_key_that_cannot_be_sent(between, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}{between}{KEY}")
    with ModelServer() as server:
        error = refusal(OpenAIModel("small", server.url))
    assert "cannot be sent" in str(error)
    assert not server.requests


def test_an_unknown_model_ends_it():
    with ModelServer() as server:
        error = refusal(OpenAIModel("smal", server.url))
    assert isinstance(error, lwd.InputError)
    assert error.argument == "model"
    assert "'smal'" in str(error)
    assert "takes a model that the server has: small" in str(error)
    assert len(server.chats) == 1


def test_an_unknown_model_that_the_server_trips_over():
    with ModelServer() as server, FaultyProxy(server.url, rate=1, faults=["500"]) as proxy:
        proxy.draw = lambda several: "500" if len(server.requests) == 0 and several else None
        error = refusal(OpenAIModel("smal", proxy.url))
    assert "takes a model that the server has: small" in str(error)


REFUSALS = [
    (400, "This model's maximum context length is 2048 tokens. However, you requested 3000", "fit"),
    (400, "the request exceeds the available context size (512 tokens)", "fit"),
    (400, "Server is pinned to 'other'; requested 'small'.", "model"),
    (402, "Payment required", "add credit"),
    (403, "Not allowed", "may use the model 'small'"),
    (404, "Not Found", "base_url"),
    (405, "Method Not Allowed", "base_url"),
    (422, "temperature must be 1", "sampling settings"),
    (429, "You exceeded your current quota, please check your plan", "add credit"),
]


@pytest.mark.parametrize(("status", "message", "says"), REFUSALS)
def test_refusals_say_what_to_change(status, message, says):
    class Refusing(ModelServer):
        def answer_to(self, handler, method, body):
            if method == "GET":
                return super().answer_to(handler, method, body)
            return status, {"error": {"message": f"{message} (key {KEY})"}}

    with Refusing() as server:
        error = refusal(OpenAIModel("small", server.url))
    assert says in str(error)
    assert str(status) in str(error) or "too long" in str(error)
    assert len(server.chats) == 1


def test_an_error_stops_the_other_requests():
    class OneBad(ModelServer):
        def answer_to(self, handler, method, body):
            if body.get("seed") == 11:
                return 403, {"error": {"message": "no"}}
            time.sleep(0.05)
            return super().answer_to(handler, method, body)

    with OneBad() as server:
        model = OpenAIModel("small", server.url, n_per_request=1, concurrency=2)
        with pytest.raises(lwd.InputError):
            generate(model, n=40)
        assert len(server.chats) < 10


# How it is used.


def test_no_more_requests_at_a_time_than_allowed():
    with ModelServer(several="ignored", delay=0.02) as server:
        model = OpenAIModel("small", server.url, concurrency=3, n_per_request=1)
        assert [a.text for a in generate(model, n=20)] == expected(20)
        assert server.most_under_way == 3
        # Nor when several threads ask at once.
        with ThreadPoolExecutor(4) as pool:
            done = list(pool.map(lambda seed: generate(model, seed=seed), [11, 12, 13, 14]))
    assert [[a.text for a in answers] for answers in done] == [
        expected(seed=seed) for seed in (11, 12, 13, 14)
    ]
    assert server.most_under_way == 3


def test_inside_a_running_loop():
    async def notebook():
        return generate(model)

    with ModelServer() as server:
        model = OpenAIModel("small", server.url)
        assert [a.text for a in asyncio.run(notebook())] == expected()


def test_a_copy_works_and_holds_no_key():
    with ModelServer() as server:
        model = OpenAIModel("small", server.url)
        generate(model)
        kept = pickle.dumps(model)
        assert KEY.encode() not in kept
        assert [a.text for a in generate(pickle.loads(kept))] == expected()  # noqa: S301


@pytest.mark.parametrize(
    ("entry", "length"),
    [
        ({"max_model_len": 4096}, 4096),
        ({"context_length": 8192}, 8192),
        ({"meta": {"n_ctx": 2048, "n_ctx_train": 9999}}, 2048),
        ({"meta": None, "context_window": "big"}, None),
        ({}, None),
    ],
)
def test_context_from_the_list_of_models(entry, length):
    listing = {"data": [{"id": "other", "max_model_len": 1}, {"id": "small", **entry}, "junk"]}
    with ModelServer(listing=listing) as server:
        assert OpenAIModel("small", server.url).context_length == length
        assert OpenAIModel("small", server.url, context_length=77).context_length == 77
    assert len(server.requests) == 1


def test_names(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:1234/v1/")
    server = backend_of("openai:org/small")
    model = server.load_model("openai:org/small")
    assert isinstance(model, OpenAIModel)
    assert (model.name, model.model) == ("openai:org/small", "org/small")
    assert model.endpoint.base_url == "http://localhost:1234/v1"
    nomic = server.load_embedder("openai:nomic-ai/nomic-embed-text-v1.5", normalize=True)
    assert isinstance(nomic, EndpointEmbedder)
    assert (nomic.prefix, nomic.normalize) == ("clustering: ", True)
    for bad in ("org/small", "openai:", "openai: "):
        with pytest.raises(lwd.InputError, match=r"^models: got"):
            server.load_model(bad)
        with pytest.raises(lwd.InputError, match=r"^embedder: got"):
            server.load_embedder(bad, normalize=False)
        with pytest.raises(lwd.InputError, match=r"^embedder: got"):
            server.check(bad, "embedder")


BAD = [
    ("model", {"model": ""}),
    ("model", {"model": 3}),
    ("base_url", {"base_url": "localhost:8000"}),
    ("base_url", {"base_url": f"http://user:{KEY}@localhost/v1"}),
    ("base_url", {"base_url": f"user:{KEY}@localhost/v1"}),
    ("base_url", {"base_url": f"http://localhost/v1?key={KEY}"}),
    ("base_url", {"base_url": "http://[::1/v1"}),
    ("base_url", {"base_url": "http://localhost:99999/v1"}),
    ("base_url", {"base_url": 8000}),
    ("api_key_env", {"api_key_env": KEY}),
    ("concurrency", {"concurrency": 0}),
    ("timeout", {"timeout": 0}),
    ("timeout", {"timeout": float("inf")}),
    ("max_retries", {"max_retries": -1}),
]
BAD_MODEL = [("n_per_request", {"n_per_request": 0}), ("context_length", {"context_length": 1.5})]
BAD_EMBEDDER = [
    ("batch_size", {"batch_size": 0}),
    ("normalize", {"normalize": 1}),
    ("max_characters", {"max_characters": 0}),
]


@pytest.mark.parametrize(
    ("kind", "argument", "changes"),
    [
        *[(OpenAIModel, *bad) for bad in BAD + BAD_MODEL],
        *[(EndpointEmbedder, *bad) for bad in BAD + BAD_EMBEDDER],
    ],
)
def test_bad_input_is_named(kind, argument, changes):
    arguments = {"model": "small", "base_url": "http://localhost:8000/v1"} | changes
    with pytest.raises(lwd.InputError, match=f"^{argument}: got .*; takes ") as caught:
        kind(arguments.pop("model"), arguments.pop("base_url"), **arguments)
    assert KEY not in str(caught.value)


def test_the_client_is_missed_before_any_work(monkeypatch):
    monkeypatch.setattr(endpoint.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(lwd.InputError, match=r"without the openai package.*pip install"):
        OpenAIModel("small", "http://localhost:8000/v1")


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_it_at_once():
    with ModelServer(several="ignored", delay=1) as server:
        model = OpenAIModel("small", server.url, concurrency=2, n_per_request=1)
        threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGINT]).start()
        with pytest.raises(KeyboardInterrupt):
            generate(model, n=30)
        n_sent = len(server.chats)
        time.sleep(1.5)
        assert len(server.chats) == n_sent <= 2


def test_nothing_is_left_open_at_the_end():
    code = (
        "from faulty_proxy import ModelServer\n"
        "from lwdstats.simulate.models.server.openai import OpenAIModel\n"
        "from lwdstats.simulate.models.protocol import Prompt, Sampling\n"
        "with ModelServer() as server:\n"
        "    model = OpenAIModel('small', server.url)\n"
        "    model.generate(Prompt((), 'Why?'), 2, seed=1, sampling=Sampling())\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=TESTS, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


# Embeddings.


def test_vectors_belong_to_their_texts():
    texts = [f"text {i % 7}" for i in range(20)] + [""]
    with ModelServer() as server:
        model = EndpointEmbedder("small", server.url, batch_size=3, prefix="p: ")
        vectors = model.embed(texts)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(vectors, [vector_of("p: " + t) for t in texts], atol=1e-6)
        sent = [text for _, body in server.requests for text in body["input"]]
        assert len(sent) == 8
        unit = EndpointEmbedder("small", server.url, normalize=True).embed(texts)
        np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, atol=1e-6)
        assert model.embed([]).shape[0] == 0
        cut = EndpointEmbedder("small", server.url, max_characters=4).embed(["abcdefg", ""])
        np.testing.assert_allclose(cut, [vector_of("abcd"), vector_of(" ")], atol=1e-6)


def test_texts_that_are_cut_before_they_are_sent_are_counted():
    # One time, two models, two answers each.
    log = [[["abc", "abcd"], ["abcdX", "abcdY"]]]
    with ModelServer() as server:
        short = EndpointEmbedder("small", server.url, max_characters=4)
        with pytest.warns(UserWarning, match=r"2 of 4 answers are longer than the 4 characters"):
            ds = lwd.as_results(log, embedder=short)
        assert ds["embedding"].attrs["n_cut"] == 2
        assert ds["embedding"].attrs["embedder_reads"] == "4 characters"
        whole = EndpointEmbedder("small", server.url)
        assert not whole.too_long(["a" * 10**5]).any()
        assert whole.reads == "any length"


@pytest.mark.parametrize("fault", [f for f in FAULTS if f != "fewer"])
def test_a_fault_changes_no_vector(fault):
    with ModelServer() as server, FaultyProxy(server.url, script=[fault, fault]) as proxy:
        model = EndpointEmbedder("small", proxy.url, timeout=0.2 if fault == "hang" else 10)
        np.testing.assert_allclose(model.embed(["a"]), [vector_of("a")], atol=1e-6)


@pytest.mark.parametrize(
    "data",
    [
        [{"index": 0, "embedding": [float("nan")]}],
        [{"index": 0, "embedding": []}],
        [{"index": 0, "embedding": ["x"]}],
        [{"index": 0}],
        [3],
        [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [1.0]}],
    ],
)
def test_vectors_that_are_none(data):
    class Odd(ModelServer):
        def answer_to(self, handler, method, body):
            return 200, {"data": data}

    with Odd() as server:
        model = EndpointEmbedder("small", server.url, max_retries=1)
        with pytest.raises(BackendError, match=r"could not be read"):
            model.embed(["a"])


def test_a_wrong_key_ends_an_embedding():
    with ModelServer(key="another") as server:
        with pytest.raises(lwd.InputError, match=r"api_key_env") as caught:
            EndpointEmbedder("small", server.url).embed(["a"])
        assert KEY not in shown(caught.value)
    assert len(server.requests) == 1


# Whole runs.


def simulate(url, temperature, **options):
    models = {
        label: OpenAIModel("small", url, timeout=0.5, **options)
        for label in ("trusting", "sceptic")
    }
    ds = lwd.simulate_llm(
        models,
        ["Coins rise.", "Coins fall.", "Nobody knows."],
        "What next?",
        embedder=EndpointEmbedder("small", url, timeout=0.5),
        system_prompts={"sceptic": "You doubt everything."},
        n_steps=9,
        n_responses=6,
        temperature=temperature,
        seed=5,
    )
    return ds, models


@pytest.mark.parametrize("temperature", [0.0, 0.9])
@pytest.mark.parametrize("several", ["honoured", "ignored"])
def test_a_run_through_faults_is_that_without(temperature, several, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    with ModelServer(key=KEY, several=several) as server:
        calm, _ = simulate(server.url, temperature)
        n_calm = len(server.requests)
        with FaultyProxy(server.url, rate=0.3, seed=3) as proxy:
            rough, models = simulate(proxy.url, temperature)
    possible = set(FAULTS) if temperature else set(FAULTS) - {"fewer"}
    assert set(proxy.counts) == possible
    assert sum(proxy.counts.values()) > 0.15 * proxy.n_requests
    assert n_calm > 20
    # Equal in everything but the time at which it was made, the server's address, and what it
    # took: requests that got no reply may have to be paid for.
    took = [json.loads(ds.attrs.pop("spent"))["tokens"] for ds in (calm, rough)]
    assert all(took[0][label]["written"] <= took[1][label]["written"] for label in took[0])
    assert all("at most" not in tokens["counted_by"] for tokens in took[0].values())
    calm.attrs["created"] = rough.attrs["created"]
    assert proxy.url in rough.attrs["backend"]
    rough.attrs["backend"] = rough.attrs["backend"].replace(proxy.url, server.url)
    assert json.loads(calm.attrs["served"])["sceptic"]["seeded"]
    assert rough.identical(calm)
    if temperature:
        assert len(np.unique(calm["text"])) == calm["text"].size
    path = lwd.write_results(rough, tmp_path / "run.nc")
    assert KEY.encode() not in path.read_bytes()
    assert KEY not in caplog.text
    assert KEY not in repr(models) + repr([vars(m) for m in models.values()])
    assert KEY not in repr([vars(m.endpoint) for m in models.values()])
    assert KEY not in json.dumps(rough.attrs)


def test_a_wrong_key_ends_a_run():
    with ModelServer(key="another") as server, pytest.raises(lwd.InputError, match="api_key_env"):
        simulate(server.url, 1.0)
    # Asked for the models' contexts, and then once for something.
    assert [body for _, body in server.requests if body] == [server.requests[-1][1]]


def test_answers_are_plain_values():
    with ModelServer() as server:
        assert all(isinstance(a, Answer) for a in generate(OpenAIModel("small", server.url)))
