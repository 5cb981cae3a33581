"""The same answers by several embedders, in one dataset, through files and analyses."""

import inspect

import hypothesis.strategies as st
import numpy as np
import pytest
import xarray as xr
from fakes import Hasher, Writer
from hypothesis import given
from small_runs import small_llm

import lwdstats as lwd
from lwdstats.dataset.embeddings.choose_embedding import by_embedding
from lwdstats.dataset.schema import embeddings_of


def lengths(texts):
    return [[len(text), text.count("o") + 1.0] for text in texts]


@pytest.fixture(scope="module")
def run():
    models = [Writer("a"), Writer("b"), Writer("c")]
    arguments = {"n_steps": 4, "n_responses": 4, "replicates": 2, "seed": 1}
    return lwd.simulate_llm(models, ["x", "a post"], embedder=Hasher(), **arguments)


@pytest.fixture(scope="module")
def both(run):
    return lwd.add_embedding(run, lengths)


def test_texts_are_embedded_again_with_their_posts(run, both):
    assert embeddings_of(both) == ["embedding", "embedding_2"]
    assert both["embedding_2"].dims == (*run["embedding"].dims[:-1], "feature_2")
    assert both["post_embedding_2"].dims == (*run["post_embedding"].dims[:-1], "feature_2")
    for texts, vectors in (("text", "embedding_2"), ("post_text", "post_embedding_2")):
        found = both[vectors].values.reshape(-1, 2)
        assert found.tolist() == lengths(both[texts].values.ravel().tolist())
    said = {"embedder": "lengths", "normalized": "False", "long_texts": "cut"}
    assert said.items() <= both["embedding_2"].attrs.items()
    assert both["embedding_2"].attrs["long_name"] == "point or embedded answer, by embedder 2"
    # The dataset given is as it was, and the rest is the same.
    assert "embedding_2" not in run
    assert both.drop_dims("feature_2").identical(run)


def test_names_count_on_and_are_refused_where_they_are_there(both):
    third = lwd.add_embedding(both, Hasher())
    assert embeddings_of(third) == ["embedding", "embedding_2", "embedding_3"]
    tenth = lwd.add_embedding(both, Hasher(), name="embedding_10")
    assert embeddings_of(tenth) == ["embedding", "embedding_2", "embedding_10"]
    for name in ("embedding_2", "embedding", "embedding_1", "embedding_02", "mine", 2):
        with pytest.raises(lwd.InputError, match=r"^name: "):
            lwd.add_embedding(both, lengths, name=name)


def test_bad_input_is_refused(run):
    with pytest.raises(lwd.InputError, match=r"^ds: .*no variable text"):
        lwd.add_embedding(lwd.simulate_gmm(n_steps=2, seed=1), lengths)
    with pytest.raises(lwd.InputError, match=r"^embedder: "):
        lwd.add_embedding(run, 3)
    with pytest.raises(lwd.InputError, match=r"^embedder: .*2 vectors for"):
        lwd.add_embedding(run, lambda texts: [[1.0], [2.0]])
    with pytest.raises(lwd.InputError, match=r"^long: "):
        lwd.add_embedding(run, lengths, long="all")
    with pytest.raises(lwd.InputError, match=r"^normalize: "):
        lwd.add_embedding(run, lengths, normalize="yes")


def test_missing_answers_stay_missing_and_empty_ones_are_embedded():
    log = {"time": [0] * 4, "model": ["a", "a", "b", "b"], "text": ["up", None, "", "down"]}
    with pytest.warns(UserWarning, match="1 of 4 answers are missing"):
        ds = lwd.as_results(log, embedder=lengths)
    ds = lwd.add_embedding(ds, lambda texts: [[len(text) + 1.0] for text in texts])
    found = ds["embedding_2"].values.ravel()
    np.testing.assert_array_equal(found, [3.0, np.nan, 1.0, 5.0])
    assert lwd.validate(ds) is ds


def test_a_missing_vector_of_an_answer_that_is_there_is_refused(both):
    bad = both.copy(deep=True)
    bad["embedding_2"][0, 0, 0, 0, 0] = np.nan
    with pytest.raises(lwd.InputError, match=r"^ds: embedding_2: .*not finite"):
        lwd.validate(bad)
    odd = both.assign(embedding_3=both["embedding"])
    with pytest.raises(lwd.InputError, match=r"^ds: embedding_3: .*feature_3"):
        lwd.validate(odd)


def test_as_results_takes_several_embedders():
    log = {"time": [0, 0], "model": ["a", "b"], "text": ["up", "down"]}
    ds = lwd.as_results(log, embedder=[lengths, Hasher()], posts=["x"])
    again = lwd.add_embedding(lwd.as_results(log, embedder=lengths, posts=["x"]), Hasher())
    assert again.assign_attrs(created=ds.attrs["created"]).identical(ds)
    with pytest.raises(lwd.InputError, match=r"^embedder: "):
        lwd.as_results(log, embedder=[lengths, 3])
    with pytest.raises(lwd.InputError, match=r"^embedder: got None"):
        lwd.as_results(log, embedder=[])


def test_files_keep_them(both, tmp_path):
    both = lwd.add_embedding(both, lengths, normalize=True)
    path = lwd.write_results(both, tmp_path / "run.nc")
    assert lwd.read_results(path).identical(both)


def test_combine_keeps_them_and_refuses_other_embedders():
    runs = [
        lwd.simulate_llm(
            [Writer("a"), Writer("b")], ["x"], embedder=Hasher(), n_steps=1, n_responses=2, seed=s
        )
        for s in (1, 2)
    ]
    two = [lwd.add_embedding(ds, lengths) for ds in runs]
    whole = lwd.combine(two)
    np.testing.assert_array_equal(
        whole["embedding_2"].values, xr.concat([ds["embedding_2"] for ds in two], "replicate")
        .transpose(*whole["embedding_2"].dims).values,
    )  # fmt: skip
    with pytest.raises(lwd.InputError, match="differ in having embedding_2"):
        lwd.combine([two[0], runs[1]])
    with pytest.raises(lwd.InputError, match="differ in the attribute embedder of embedding_2"):
        lwd.combine([two[0], lwd.add_embedding(runs[1], lambda texts: lengths(texts))])
    with pytest.raises(lwd.InputError, match="differ in the attribute normalized of embedding_2"):
        lwd.combine([two[0], lwd.add_embedding(runs[1], lengths, normalize=True)])


def test_tables_take_the_one_that_is_asked_for(both):
    frame = lwd.to_frame(both, embedding="embedding_2")
    assert [c for c in frame if c.startswith("embedding")] == ["embedding_0", "embedding_1"]
    assert frame[["embedding_0", "embedding_1"]].to_numpy().tolist() == lengths(frame["text"])
    assert "embedding_0" not in lwd.to_frame(both, embedding=False)
    assert lwd.to_frame(both).equals(lwd.to_frame(both.drop_dims("feature_2")))
    posts = lwd.to_frame(both, "posts", embedding="embedding_2")
    assert posts[["embedding_0", "embedding_1"]].to_numpy().tolist() == lengths(posts["post_text"])


def test_the_summary_names_them(both):
    ds = lwd.add_embedding(both, lengths, normalize=True)
    facts = dict(lwd.summary(ds).facts)
    assert facts["Embedding"] == facts["embedding"] == "<Hasher>, 4 numbers"
    assert facts["embedding_2"] == "lengths, 2 numbers"
    assert facts["embedding_3"] == "lengths, 2 numbers, scaled to length 1"
    second = lwd.summary(ds, embedding="embedding_2")
    assert dict(second.facts)["Embedding"] == "lengths, 2 numbers"
    expected = lwd.fnorm(ds, embedding="embedding_2").isel(time=0).mean()
    assert second.norm["mean"][0] == pytest.approx(float(expected))
    with pytest.raises(lwd.InputError, match=r"^level: "):
        lwd.summary(ds, level=0.9)


# Every analysis of a dataset, with what else it needs.
TAKES = {
    "positions": {},
    "dist": {},
    "fnorm": {"debias": True},
    "noise_floor": {},
    "drift": {"origin": "web"},
    "inner_diversity": {},
    "diversity": {},
    "polarization": {"groups": list("abc")},
    "dkps": {"k": 1, "aggregate": "energy"},
    "collapse_test": {"permutations": 9, "seed": 1},
    "adonis2": {"permutations": 9, "seed": 1},
    "betadisper": {"group": "model"},
    "convergence_fit": {"law": "exponential"},
    "convergence_test": {},
    "collapse_time": {"threshold": 1e9},
    "changepoints": {},
    "mann_kendall": {"n_bootstrap": 9, "autocorrelation": "none", "seed": 1},
    "plot_norm": {},
    "plot_answers": {},
    "summary": {},
    "to_frame": {},
    "choose_embedding": {},
    "normalized": {},
    "mirror": {"seed": 1},
    "control_chart": {"baseline": 3, "seed": 1},
}
# They take a path longer than that of a test, of the vectors that the others take.
LONG_PATHS = {"convergence_fit", "convergence_test", "changepoints", "mirror", "control_chart"}


def shown(result):
    """What can be compared of a result."""
    if isinstance(result, xr.DataArray):
        # Attributes name the embedder.
        return result.drop_attrs().to_dataset(name="x").reset_coords(drop=True).to_dict()
    if isinstance(result, xr.Dataset):
        return result.to_dict()
    return str(result)


def test_every_analysis_of_a_dataset_takes_one():
    for name in lwd.__all__:
        thing = getattr(lwd, name)
        if inspect.isfunction(thing) and "embedding" in inspect.signature(thing).parameters:
            # The last has a test of its own.
            assert name in {*TAKES, "as_results", "fit_proxy"}, name


@pytest.mark.parametrize("name", TAKES)
def test_an_analysis_takes_the_chosen_one(both, name):
    function, more = getattr(lwd, name), TAKES[name]
    ds = both.isel(time=[0], replicate=[0]) if name in ("adonis2", "betadisper") else both
    given = ("d ~ model", ds) if name == "adonis2" else (ds,)
    missing = r"^embedding: got 'embedding_3'; takes one of 'embedding', 'embedding_2'"
    with pytest.raises(lwd.InputError, match=missing):
        function(*given, **more, embedding="embedding_3")
    if name in LONG_PATHS | {"plot_norm", "plot_answers", "normalized", "choose_embedding"}:
        return
    alone = by_embedding(ds, "embedding_2", "ds")
    expected = shown(function(*given[:-1], alone, **more))
    result = shown(function(*given, **more, embedding="embedding_2"))
    if name == "summary":
        # That of all says which there are, too.
        kept = [" ".join(line.split()) for line in result.splitlines()]
        kept = [line for line in kept if not line.startswith(("embedding", "Note:"))]
        expected = [" ".join(line.split()) for line in expected.splitlines()]
        assert set(kept) <= set(expected)
        return
    assert result == expected
    unchosen = function(*given, **more)
    assert shown(function(*given, **more, embedding="embedding")) == shown(unchosen)


def test_pictures_are_of_the_chosen_one(both):
    ax = lwd.plot_norm(both, embedding="embedding_2")
    norm = lwd.fnorm(both, embedding="embedding_2").transpose("replicate", "time").values
    np.testing.assert_allclose(ax.lines[0].get_ydata(), norm[0])
    (first, _), (other, _) = (lwd.plot_answers(both, embedding=e) for e in embeddings_of(both))
    points = [ax.collections[0].get_offsets() for ax in (first, other)]
    assert not np.allclose(*points)


def test_a_space_places_answers_of_its_own_embedder(both):
    fit = lwd.dkps(both, k=1, embedding="embedding_2")
    placed = fit.place(both)
    np.testing.assert_allclose(placed.values, fit.points.values, atol=1e-8)
    with pytest.raises(lwd.InputError, match=r"^embedding: "):
        fit.place(both.drop_dims("feature_2"))


def test_numbers_have_no_embeddings():
    for call in (lwd.dist, lwd.fnorm, lwd.betadisper, lwd.mann_kendall):
        more = {"group": [1, 2]} if call is lwd.betadisper else {}
        with pytest.raises(lwd.InputError, match=r"^embedding: .*unless \w+ is a Dataset"):
            call([[0.0, 1.0], [1.0, 0.0]], **more, embedding="embedding_2")


def test_what_lies_in_another_space_is_left_out():
    ds = lwd.simulate_gmm(n_steps=3, seed=1, initial_points=[-5.0, 5.0, -4.0, 4.0])
    ds = ds.assign(embedding_2=ds["embedding"].rename(feature="feature_2") * 2)
    chosen = lwd.choose_embedding(ds, "embedding_2")
    assert not {"weight", "component_mean", "initial_point"} & set(chosen.variables)
    np.testing.assert_array_equal(chosen["embedding"].values, 2 * ds["embedding"].values)
    assert lwd.positions(ds).dims[-1] == "component"
    assert lwd.positions(ds, embedding="embedding_2").dims[-1] == "feature"
    with pytest.raises(lwd.InputError, match="takes 'embedding', as in ds"):
        lwd.choose_embedding(ds.drop_vars("embedding_2"), "embedding_2")


def test_the_embedder_of_the_chosen_one_is_named(both):
    chosen = lwd.choose_embedding(both, "embedding_2")
    assert chosen.attrs["embedder"] == "lengths"
    assert not {"embedder_prefix", "embedder_normalize"} & set(chosen.attrs)
    assert lwd.choose_embedding(both, "embedding") is both


unit = st.floats(-1e3, 1e3, width=32).filter(lambda x: abs(x) > 1e-3)


@given(st.lists(st.lists(unit, min_size=3, max_size=3), min_size=2, max_size=6))
def test_normalising_is_idempotent_and_keeps_directions(vectors):
    for dtype in (np.float32, np.float64):
        x = np.array(vectors, dtype=dtype)
        ds = lwd.as_results(x[None, :, None])
        once = lwd.normalized(ds)
        y = once["embedding"].values.reshape(x.shape)
        assert y.dtype == dtype
        np.testing.assert_allclose(np.linalg.norm(y, axis=1), 1.0, rtol=1e-6)
        np.testing.assert_allclose(y * np.linalg.norm(x, axis=1)[:, None], x, rtol=1e-5)
        assert lwd.normalized(once).identical(once)
        # The distance of unit vectors is that of their cosine.
        cos = (x @ x.T) / np.outer(*2 * [np.linalg.norm(x, axis=1)])
        d = lwd.dist(once).values.squeeze()
        np.testing.assert_allclose(d**2, 2 - 2 * cos, atol=1e-5)


def test_normalising_says_so_and_takes_posts_along(both, tmp_path):
    ds = lwd.normalized(both, "embedding_2")
    assert ds["embedding_2"].attrs["normalized"] == "True"
    for name in ("embedding_2", "post_embedding_2"):
        np.testing.assert_allclose(np.linalg.norm(ds[name].values, axis=-1), 1.0)
    assert ds["embedding"].identical(both["embedding"])
    direct = lwd.add_embedding(both.drop_dims("feature_2"), lengths, normalize=True)
    assert ds.identical(direct)
    assert lwd.read_results(lwd.write_results(ds, tmp_path / "x.nc")).identical(ds)


def test_a_vector_without_direction_is_refused():
    ds = small_llm()
    ds["embedding"][1, 0, 0, 0, 2] = 0.0
    with pytest.raises(lwd.InputError, match=r"1 of 48 vectors of length 0 \(first at 1, 0, 0, 0"):
        lwd.normalized(ds)
    with pytest.raises(lwd.InputError, match=r"^embedder: .*of length 0 \(first of ''"):
        lwd.add_embedding(ds, lambda texts: [[0.0, len(t)] for t in texts], normalize=True)
    with pytest.raises(lwd.InputError, match=r"^ds: got a dataset of mixtures"):
        lwd.normalized(lwd.simulate_gmm(n_steps=2, seed=1))
