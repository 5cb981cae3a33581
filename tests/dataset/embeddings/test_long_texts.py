"""Long texts: cut, the mean of their parts, or refused."""

import hypothesis.strategies as st
import numpy as np
import pytest
from fakes import Hasher
from hypothesis import given

import lwdstats as lwd
from lwdstats.dataset.embeddings.long_texts import embed_texts, split_text

WORDS = "coins rise and fall, soon or never: banks trust gold, the law taxes hope."


def count(text):
    return len(text.split()) + 2


class Counter:
    """Counts words, and reads six of them."""

    reads = "6 words"

    def too_long(self, texts):
        return [count(text) > 8 for text in texts]

    def chunks(self, text):
        return split_text(text, count, 8)

    def embed(self, texts):
        read = [text.split()[:6] for text in texts]
        return [[len(words), sum("o" in word for word in words)] for words in read]


def test_pieces_of_words_do_not_end_a_part():
    # As word pieces are: what is no word of its own has a token a letter.
    def pieces(text):
        return sum(1 if word in ("coin", "up") else len(word) for word in text.split())

    text = "coin " * 50 + "up"
    for most in range(1, 12):
        assert all(n == most for _, n in split_text(text, pieces, most)[:-1])


@given(st.text(alphabet="ab \n", max_size=60), st.integers(1, 9))
def test_parts_are_read_whole_and_nothing_is_lost(text, most):
    parts = split_text(text, count, most + 2)
    assert " ".join(part for part, _ in parts).split() == text.split()
    assert all(n == len(part.split()) <= most for part, n in parts)
    # Each is as long as can be.
    assert all(n == most for _, n in parts[:-1])


@given(st.text(alphabet="ab ", min_size=1, max_size=60), st.integers(1, 9))
def test_words_longer_than_what_is_read_are_split(text, most):
    parts = split_text(text, lambda part: len(part) + 2, most + 2)
    assert "".join("".join(part.split()) for part, _ in parts) == "".join(text.split())
    assert all(n == len(part) <= most for part, n in parts)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=6))
def test_the_mean_of_a_short_text_is_its_vector_and_of_a_long_one_weighted(sizes):
    words = WORDS.split()
    texts = [" ".join((words * 2)[:size]) for size in sizes]
    embedder = Counter()
    found = embed_texts(embedder, texts, "mean")
    for text, vector in zip(texts, found, strict=True):
        own = text.split()
        parts = [own[i : i + 6] for i in range(0, len(own), 6)] or [[]]
        if len(parts) == 1:
            assert vector.tolist() == embed_texts(embedder, [text])[0].tolist()
        expected = np.average(
            [[len(part), sum("o" in word for word in part)] for part in parts],
            axis=0,
            weights=[len(part) or 1 for part in parts],
        )
        np.testing.assert_allclose(vector, expected)


def test_the_mean_of_unit_vectors_has_length_1():
    class Directions(Counter):
        def embed(self, texts):
            x = np.array(super().embed(texts), dtype=float)
            return x / np.linalg.norm(x, axis=1, keepdims=True)

    long = f"{WORDS} {WORDS}"
    for vector in embed_texts(Directions(), [long, "a"], "mean"):
        assert np.linalg.norm(vector) == pytest.approx(1.0)
    # Those of other lengths have their plain mean, whatever its length.
    parts = [part for part, _ in Counter().chunks(long)]
    weights = [len(part.split()) for part in parts]
    expected = np.average(Counter().embed(parts), axis=0, weights=weights)
    np.testing.assert_allclose(embed_texts(Counter(), [long], "mean")[0], expected)


LOG = {"time": [0, 0], "model": ["a", "b"], "text": ["up we go", WORDS]}


def test_it_is_recorded_and_told(tmp_path):
    ds = lwd.as_results(LOG, embedder=Counter(), long="mean")
    said = {"long_texts": "mean", "n_averaged": 1, "embedder_reads": "6 words"}
    assert said.items() <= ds["embedding"].attrs.items()
    assert "n_cut" not in ds["embedding"].attrs
    fact = dict(lwd.summary(ds).facts)["Long answers"]
    assert fact == "1 are the mean of parts of at most 6 words"
    with pytest.warns(UserWarning, match="1 of 2 answers are longer than the 6 words") as caught:
        ds = lwd.add_embedding(ds, Counter())
    assert [warning.filename for warning in caught] == [__file__]
    assert ds["embedding_2"].attrs["n_cut"] == 1
    assert lwd.read_results(lwd.write_results(ds, tmp_path / "x.nc")).identical(ds)
    assert not np.array_equal(ds["embedding"].values, ds["embedding_2"].values)


def test_they_are_refused_where_asked():
    refused = r"^long: .*1 of 2 different texts longer than the 6 words of Counter"
    with pytest.raises(lwd.InputError, match=refused):
        lwd.as_results(LOG, embedder=Counter(), long="error")
    short = LOG | {"text": ["up", "down"]}
    ds = lwd.as_results(short, embedder=Counter(), long="error")
    assert ds["embedding"].attrs["long_texts"] == "error"
    # Nothing is promised for what can't be told.
    for long in ("error", "mean"):
        with pytest.raises(lwd.InputError, match=r"^long: .*tells neither"):
            lwd.as_results(short, embedder=Hasher(), long=long)

    class Whole(Counter):
        chunks = None

    with pytest.raises(lwd.InputError, match=r"^long: .*does not split texts"):
        lwd.as_results(LOG, embedder=Whole(), long="mean")


def test_an_endpoint_splits_at_its_characters():
    embedder = lwd.EndpointEmbedder("m", "http://localhost:1/v1", max_characters=12, prefix="p: ")
    parts = embedder.chunks("up we go and down again")
    assert parts == [("up we go", 8), ("and down", 8), ("again", 5)]
    assert not any(embedder.too_long([part for part, _ in parts]))
    free = lwd.EndpointEmbedder("m", "http://localhost:1/v1")
    assert free.chunks("up we go") == [("up we go", 1)]


@pytest.mark.parametrize("which", ["minilm", "minilm_gguf"])
def test_real_embedders_read_long_answers_to_their_end(which, request):
    embedder = request.getfixturevalue(which)
    # 254 words of a piece each are read, and the end is not.
    long = " ".join(["coin"] * 254)
    texts = [f"{long} {end} it will all go well" for end in ("up", "down")]
    assert embedder.too_long(texts).all()
    parts = embedder.chunks(texts[0])
    assert [n for _, n in parts] == [254, 6]
    assert not embedder.too_long([part for part, _ in parts]).any()
    cut, mean = (embed_texts(embedder, texts, long) for long in ("cut", "mean"))
    assert np.allclose(*cut, atol=1e-6)
    assert not np.allclose(*mean, atol=1e-3)
    vectors = [embedder.embed([part for part, _ in embedder.chunks(text)]) for text in texts]
    expected = np.array([np.average(v, axis=0, weights=[254, 6]) for v in vectors])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(mean, expected, atol=1e-6)
    short = ["up", "down it goes"]
    assert np.array_equal(embed_texts(embedder, short, "mean"), embedder.embed(short))


def test_a_model_of_sentence_transformers_is_split_too(minilm):
    text = " ".join(f"coin number {i}, which is gold;" for i in range(80))
    expected = embed_texts(minilm, [text], "mean")
    np.testing.assert_allclose(embed_texts(minilm.model.encode, [text], "mean"), expected)
    parts = minilm.chunks(text)
    assert " ".join(part for part, _ in parts) == text
    assert len(parts) > 2
    # Chinese has no spaces between words.
    parts = minilm.chunks("比特币上涨" * 100)
    assert "".join(part for part, _ in parts) == "比特币上涨" * 100
    assert [n for _, n in parts] == [254, 246]
