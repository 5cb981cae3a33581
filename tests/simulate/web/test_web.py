"""The web in memory and on disk: the same posts, the same rows, the same run."""

import subprocess
import sys

import numpy as np
import pytest
from fakes import Hasher, Writer
from hypothesis import given, settings
from hypothesis import strategies as st

import lwdstats as lwd
from lwdstats.dataset.schema import spec_of
from lwdstats.simulate.llm.retrieve import rows_read
from lwdstats.simulate.llm.spec import LlmSpec
from lwdstats.simulate.llm.weblog import web_log
from lwdstats.simulate.web.lance import LanceWeb
from lwdstats.simulate.web.memory import MemoryWeb
from lwdstats.simulate.web.protocol import Post

POSTS = ["Bitcoin is up.", "Gold is down.", "Taxes are certain."]


def fill(web, texts, vectors, sizes):
    start = 0
    for size in sizes:
        posts = [Post(text, start, 1, 2) for text in texts[start : start + size]]
        web.append(posts, vectors[start : start + size])
        start += size


texts_of = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@settings(max_examples=12)
@given(st.data())
def test_both_webs_are_one_log(tmp_path_factory, data):
    sizes = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    n = sum(sizes)
    texts = data.draw(st.lists(texts_of, min_size=n, max_size=n))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    # Few values, so that distances tie; some posts have no vector.
    vectors = rng.integers(0, 2, size=(n, 3)).astype(np.float32)
    vectors[rng.random(n) < 0.2] = np.nan
    folder = tmp_path_factory.mktemp("web")
    memory, lance = MemoryWeb(), LanceWeb(folder)
    assert len(memory) == len(lance) == 0
    for web in (memory, lance):
        fill(web, texts, vectors, sizes)
    # Opened anew it is the same, one version an append.
    for web in (memory, lance, LanceWeb(folder)):
        assert len(web) == n
        assert web.texts(range(n)) == texts
        assert web.texts([n - 1, 0, n - 1]) == [texts[-1], texts[0], texts[-1]]
        assert web.texts([]) == []
    assert len(lance._table.list_versions()) == len(sizes)
    k = data.draw(st.integers(0, n))
    query = rng.normal(size=3).astype(np.float32)
    square = ((vectors.astype(float) - query) ** 2).sum(axis=1)
    expected = np.lexsort((np.arange(n), np.where(np.isnan(square), np.inf, square)))[:k]
    for web in (memory, lance):
        np.testing.assert_array_equal(web.nearest(query, k), expected)
    some = np.flatnonzero(rng.random(n) < 0.5)
    expected = [row for row in web.nearest(query, n) if row in some]
    for web in (memory, lance):
        np.testing.assert_array_equal(web.nearest(query, len(expected), some), expected)


def test_draws_are_uniform_in_place_and_order():
    spec = LlmSpec(models=["text:a"], posts=list("abcde"), n_steps=0, beta=0.4, seed=2)
    log = web_log(spec, (0, 0))
    counts = np.zeros((5, 5))
    for replicate in range(4000):
        rows = rows_read(spec, log, (replicate, 0, 0, 0), lambda among, n: among[:n])
        assert rows.dtype == np.int32
        counts[rows, [0, 1]] += 1
    # Each of the five rows in each of the two places: binomial(4000, 1/5).
    assert np.abs(counts[:, :2] - 800).max() < 5 * np.sqrt(4000 * 0.2 * 0.8)


def test_a_cleared_table_begins_again(tmp_path):
    web = LanceWeb(tmp_path)
    web.append([Post("one")], np.zeros((1, 2), dtype=np.float32))
    web.clear()
    assert len(web) == 0
    web.append([Post("two")], np.zeros((1, 3), dtype=np.float32))
    assert LanceWeb(tmp_path).texts([0]) == ["two"]


@pytest.mark.parametrize("retrieval", ["uniform", "nearest"])
def test_a_run_is_the_same_on_either_web(tmp_path, retrieval):
    arguments = {"posts": POSTS, "n_steps": 4, "n_responses": 2, "seed": 3, "replicates": 2}
    runs = [
        lwd.simulate_llm(
            [Writer("a"), Writer("b")], embedder=Hasher(), retrieval=retrieval, web=web,
            store=store, **arguments,
        )
        for web, store in (("memory", None), ("lance", tmp_path / "run"))
    ]  # fmt: skip
    assert runs[0].assign_attrs(created="").identical(runs[1].assign_attrs(created=""))
    kept = spec_of(runs[0])["scenario"]
    assert kept == ({} if retrieval == "uniform" else {"retrieval": "nearest"})


def test_nearest_reads_what_is_next_to_the_query():
    ds = lwd.simulate_llm(
        [Writer("a"), Writer("b")], POSTS, "Up?", embedder=Hasher(), n_steps=4, n_responses=2,
        seed=3, retrieval="nearest",
    )  # fmt: skip
    (query,) = Hasher().embed(["Up?"])
    for t, n in enumerate(ds["n_web"].values):
        k = int(ds["n_retrieved"][t])
        away = np.linalg.norm(ds["post_embedding"].values[0, 0, :n] - query, axis=1)
        for rows in ds["retrieved"].values[t, :, 0, 0, :k]:
            np.testing.assert_array_equal(rows, np.argsort(away)[:k])
    with pytest.raises(lwd.InputError, match=r"^retrieval"):
        lwd.simulate_llm([Writer()], POSTS, embedder=Hasher(), retrieval="best")


def test_a_table_that_is_not_of_the_journal_is_made_anew(tmp_path):
    arguments = {"posts": POSTS, "n_steps": 3, "n_responses": 2, "seed": 3, "web": "lance"}
    store = tmp_path / "run"
    with pytest.raises(RuntimeError, match="gone"):
        lwd.simulate_llm(
            [Writer("a", fail_at=2, error=RuntimeError("gone"))], embedder=Hasher(), store=store,
            **arguments,
        )  # fmt: skip
    web = LanceWeb(store / "web" / "replicate-0-query-0")
    assert len(web) == 5
    # A step ahead of what the journal holds, as after a disk that has lost its end.
    web.append([Post("stray")], np.zeros((1, 4), dtype=np.float32))
    ds = lwd.simulate_llm([Writer("a")], embedder=Hasher(), store=store, **arguments)
    expected = lwd.simulate_llm([Writer("a")], embedder=Hasher(), **(arguments | {"web": "memory"}))
    assert ds.assign_attrs(created="").identical(expected.assign_attrs(created=""))
    assert LanceWeb(store / "web" / "replicate-0-query-0").texts([5]) != ["stray"]


def test_lancedb_is_loaded_by_its_web_only():
    code = (
        "import sys, lwdstats.simulate.llm.simulate_llm, lwdstats.simulate.web.lance;"
        "print([m for m in ('lancedb', 'pyarrow.dataset', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
