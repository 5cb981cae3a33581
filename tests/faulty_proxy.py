"""Servers on loopback for tests: a small model behind OpenAI's protocol, and a proxy that fails."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import random
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

WORDS = [
    "coins", "rise", "fall", "and", "then", "some", "people", "say", "that", "markets", "never",
    "sleep", "but", "traders", "do", "not", "always", "know", "why", "prices", "move", "when",
]  # fmt: skip


def answer_of(messages, temperature, seed):
    """The small model: words drawn by a hash of what it is asked, and of the seed."""
    asked = json.dumps([messages, None if temperature == 0 else seed])
    digest = hashlib.sha256(asked.encode()).digest()
    words = [WORDS[byte % len(WORDS)] for byte in digest[: 5 + digest[-1] % 20]]
    return " ".join(words).capitalize() + "."


def vector_of(text):
    digest = hashlib.sha256(text.encode()).digest()
    return [byte / 255 - 0.5 for byte in digest[:12]]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, format, *args):  # noqa: A002
        pass

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def reply(self, status, content, headers=(), declared=None):
        content = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(declared or len(content)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()


class Server:
    """A server on a free port of loopback, as a context."""

    def __init__(self):
        outer = self

        class Bound(Handler):
            def do_POST(self):
                self.handle_one("POST")

            def do_GET(self):
                self.handle_one("GET")

            def handle_one(self, method):
                # The other side may have gone; that is part of what is tested.
                with contextlib.suppress(ConnectionError, TimeoutError):
                    outer.handle(self, method)

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 128

            def handle_error(self, request, client_address):
                pass

        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.httpd = Quiet(("127.0.0.1", 0), Bound)
        self.thread = threading.Thread(
            target=self.httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    @property
    def url(self):
        return f"http://127.0.0.1:{self.httpd.server_address[1]}/v1"

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.closing.set()
        self.httpd.shutdown()
        self.httpd.server_close()

    def handle(self, handler, method):
        raise NotImplementedError


class ModelServer(Server):
    """A server of one model that honours what it is told to.

    `several`: "honoured", "ignored", or the largest `n` it takes. `refuses`: fields
    that it answers with 400. `key`: what it wants as a key. `delay`: seconds an
    answer takes. `edit`: a function that changes a reply.
    """

    def __init__(self, *, model="small", several="honoured", refuses=(), key=None, delay=0.0,
                 edit=None, listing=None, usage=True, answer=answer_of):  # fmt: skip
        super().__init__()
        self.model, self.several, self.refuses, self.key = model, several, refuses, key
        self.delay, self.edit, self.usage, self.answer = delay, edit, usage, answer
        self.listing = {"data": [{"id": model}]} if listing is None else listing
        self.requests = []
        self.under_way = self.most_under_way = 0

    @property
    def chats(self):
        return [body for path, body in self.requests if path.endswith("/chat/completions")]

    def handle(self, handler, method):
        body = json.loads(handler.body() or b"{}")
        with self.lock:
            self.requests.append((handler.path, body))
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            handler.reply(*self.answer_to(handler, method, body))
        finally:
            with self.lock:
                self.under_way -= 1

    def answer_to(self, handler, method, body):
        given = handler.headers.get("Authorization", "")
        if self.key and given != f"Bearer {self.key}":
            # Some servers show the whole key that they refuse.
            message = f"Incorrect API key provided: {given.removeprefix('Bearer ')}."
            return 401, {"error": {"message": message, "code": "invalid_api_key"}}
        if method == "GET":
            return 200, self.listing
        if body.get("model") != self.model:
            message = f"The model `{body.get('model')}` does not exist."
            return 404, {"error": {"message": message, "code": "model_not_found"}}
        if handler.path.endswith("/embeddings"):
            data = [{"index": i, "embedding": vector_of(t)} for i, t in enumerate(body["input"])]
            # In another order than asked: it is the index that counts.
            return 200, {"object": "list", "model": self.model, "data": data[::-1]}
        for field in self.refuses:
            if field in body:
                message = f"Unsupported parameter: '{field}' is not supported with this model."
                return 400, {"error": {"message": message, "param": field}}
        n = body.get("n", 1)
        if self.several == "ignored":
            n = 1
        elif self.several != "honoured" and n > self.several:
            message = f"'n' : number must be at most {self.several}"
            return 400, {"error": {"message": message, "type": "invalid_request_error"}}
        time.sleep(self.delay)
        seed = body.get("seed")
        # As vLLM does: every choice has a seed of its own.
        texts = [
            self.answer(body["messages"], body["temperature"], None if seed is None else seed + i)
            for i in range(n)
        ]
        choices = [
            {"index": i, "message": {"role": "assistant", "content": t}, "finish_reason": "stop"}
            for i, t in enumerate(texts)
        ]
        reply = {"object": "chat.completion", "model": self.model, "choices": choices}
        if self.usage:
            total = sum(len(text.split()) for text in texts)
            read = sum(len(message["content"].split()) for message in body["messages"])
            reply["usage"] = {"prompt_tokens": read, "completion_tokens": total}
        if self.edit is not None:
            with self.lock:
                reply = self.edit(reply)
        return 200, reply


FAULTS = ("429", "500", "hang", "cut", "cut in the reply", "malformed", "empty", "fewer")


class FaultyProxy(Server):
    """A proxy in front of a server that spoils a share of the requests.

    `rate` is the share; `faults` the kinds, each in its turn. With `script`, the kinds in turn
    (None for none) instead of chance. `counts` says what was done.
    """

    def __init__(self, upstream, *, rate=0.3, seed=0, faults=FAULTS, script=None, hang=60.0):
        super().__init__()
        self.upstream, self.rate, self.faults, self.hang = urlsplit(upstream), rate, faults, hang
        self.random = random.Random(seed)
        self.deck: list[str] = []
        self.script = None if script is None else list(script)
        self.counts = Counter()
        self.n_requests = 0

    def draw(self, several):
        with self.lock:
            self.n_requests += 1
            if self.script is not None:
                return self.script.pop(0) if self.script else None
            if self.random.random() >= self.rate:
                return None
            # From a shuffled deck, so that every kind has its turn.
            if not self.deck:
                self.deck = self.random.sample(list(self.faults), len(self.faults))
            fault = next((f for f in self.deck if f != "fewer" or several), None)
            if fault is not None:
                self.deck.remove(fault)
            elif self.deck:
                # Only the one that does not fit is left, and waits for its turn.
                rest = [f for f in self.faults if f != "fewer"]
                self.deck += self.random.sample(rest, len(rest))
                fault = self.deck.pop()
            return fault

    def handle(self, handler, method):
        body = handler.body()
        asked = json.loads(body or b"{}")
        fault = self.draw(asked.get("n", 1) > 1)
        if fault:
            with self.lock:
                self.counts[fault] += 1
        if fault == "429":
            handler.reply(429, {"error": {"message": "slow down"}}, [("Retry-After", "0.05")])
            return
        if fault == "500":
            handler.reply(500, b"Internal Server Error")
            return
        if fault == "hang":
            self.closing.wait(self.hang)
            handler.close_connection = True
            return
        if fault == "cut":
            handler.close_connection = True
            return
        status, content = self.forward(handler, method, body)
        if fault == "cut in the reply":
            handler.reply(status, content[: len(content) // 2], declared=len(content))
            handler.close_connection = True
            return
        if fault == "malformed":
            content = content[: len(content) // 2]
        elif fault in ("empty", "fewer") and status == 200:
            content = json.dumps(self.spoil(fault, json.loads(content))).encode()
        handler.reply(status, content)

    def forward(self, handler, method, body):
        connection = http.client.HTTPConnection(self.upstream.hostname, self.upstream.port)
        try:
            kept = ("Authorization", "Content-Type")
            headers = {name: handler.headers[name] for name in kept if name in handler.headers}
            connection.request(method, handler.path, body, headers)
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()

    def spoil(self, fault, reply):
        name = "choices" if "choices" in reply else "data"
        if fault == "fewer":
            reply[name] = reply[name][: self.random.randint(1, len(reply[name]) - 1)]
        elif name == "choices":
            # One of the several shapes of nothing.
            hollow = {"index": 0, "message": {"role": "assistant", "content": None}}
            reply[name] = self.random.choice([[], [{}], [hollow]])
        else:
            reply[name] = []
        return reply
