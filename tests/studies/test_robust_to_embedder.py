"""A finding by each embedder, and how far embedders agree."""

import numpy as np
import pytest
from fakes import Hasher
from paths import ROOT

import lwdstats as lwd


@pytest.fixture(scope="module")
def ds():
    """Four models in two replicates; the second embedder sees what the first does, turned."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(2, 4, 2, 1, 6, 3)) + 4 * rng.normal(size=(4, 1, 1, 1, 3))
    texts = [str(i) for i in range(2 * 4 * 2 * 6)]
    vector = dict(zip(texts, x.reshape(-1, 3), strict=True))
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    shape = x.shape[:-1]
    ds = lwd.as_results(
        np.reshape(texts, shape).tolist(), embedder=lambda some: [vector[t] for t in some]
    )
    ds = lwd.add_embedding(ds, lambda some: [2 * vector[t] @ turn for t in some])
    return lwd.add_embedding(ds, Hasher())


def adonis(one):
    return lwd.adonis2("d ~ model", one.isel(time=[1], replicate=[0]), permutations=99, seed=1)


def found(one):
    row = adonis(one).table.loc["model"]
    return {"r2": row["r2"], "p_value": row["p_value"]}


def test_rows_are_what_the_function_gives(ds):
    result = lwd.robust_to_embedder(ds, found, seed=1)
    assert list(result.table.index) == ["embedding", "embedding_2", "embedding_3"]
    for name, row in result.table.iterrows():
        expected = found(lwd.choose_embedding(ds, name))
        assert row[["r2", "p_value"]].to_dict() == expected
    # Distances are twice as large, and R2 is the same.
    assert result.table["r2"]["embedding_2"] == pytest.approx(result.table["r2"]["embedding"])
    text = " ".join(str(result).split())
    assert "p is at most 0.05 by embedding and embedding_2, but not by embedding_3" in text
    assert "whether it counts as found depends on the embedder" in text


def test_agreement_is_that_of_mantel_and_protest(ds):
    result = lwd.robust_to_embedder(ds, found, seed=1)
    pairs = result.agreement.set_index(["first", "second"])
    assert len(pairs) == 3
    same = pairs.loc[("embedding", "embedding_2")]
    np.testing.assert_allclose(same[["mantel_r", "procrustes"]].astype(float), 1.0)
    # Replicates are pooled by mean squares.
    d = {e: lwd.dist(ds.isel(time=[1]), embedding=e) for e in ("embedding", "embedding_3")}
    one, other = (np.sqrt((x**2).mean("replicate")).squeeze("time") for x in d.values())
    expected = lwd.mantel(one, other, seed=1)
    row = pairs.loc[("embedding", "embedding_3")]
    assert row["mantel_r"] == pytest.approx(expected.statistic)
    assert row["mantel_p"] == expected.p_value
    turned = lwd.protest(lwd.cmdscale(one), lwd.cmdscale(other), seed=1)
    assert row["procrustes"] == pytest.approx(turned.statistic)
    assert row["protest_p"] == turned.p_value
    # Or one time and replicate.
    result = lwd.robust_to_embedder(
        ds, found, ["embedding", "embedding_3"], time=0, replicate=1, seed=1
    )
    one, other = (lwd.dist(ds, embedding=e)[0, 1] for e in ("embedding", "embedding_3"))
    assert result.agreement["mantel_r"][0] == pytest.approx(lwd.mantel(one, other).statistic)
    assert (result.time, result.replicates, len(result.table)) == (0, 1, 2)


@pytest.mark.parametrize(
    ("f", "column"),
    [
        (lambda one: lwd.fnorm(one).isel(time=0, replicate=0), "value"),
        (lambda one: np.float64(3.0), "value"),
        (lambda one: lwd.eqdist_etest(one["embedding"].values.reshape(-1, one.sizes["feature"]),
                                      [48, 48], R=9, seed=1), "p_value"),
    ],
)  # fmt: skip
def test_numbers_and_tests_are_taken(ds, f, column):
    result = lwd.robust_to_embedder(ds, f, seed=1)
    assert column in result.table
    assert f"{'p' if column == 'p_value' else column} " in str(result)


def test_sentences_say_when_all_agree(ds):
    two = ["embedding", "embedding_2"]
    for p, said in ((0.01, "p is at most 0.05 by all of them"), (0.5, "p is above 0.05 by all")):
        result = lwd.robust_to_embedder(ds, lambda one, p=p: {"p_value": p}, two, seed=1)
        assert said in str(result)
    assert "value is 1 by all of them" in str(lwd.robust_to_embedder(ds, lambda one: 1, two))


def test_few_models_and_equal_ones_have_no_agreement(ds):
    result = lwd.robust_to_embedder(ds.isel(model=[0, 1]), lambda one: 1.0)
    assert result.agreement.empty
    assert "With 2 models there is no pattern" in str(result)
    same = ds.copy(deep=True)
    same["embedding_3"][:] = same["embedding_3"][0, 0, 0, 0, 0]
    result = lwd.robust_to_embedder(same, lambda one: 1.0)
    assert result.agreement["mantel_r"].isna().tolist() == [False, True, True]
    assert "can't be compared" in str(result)


@pytest.mark.parametrize(
    ("more", "argument"),
    [
        ({"f": 3}, "f"),
        ({"f": lambda one: "x"}, "f"),
        ({"f": lambda one: {"a": "x"}}, "f"),
        ({"f": lambda one: {str(one.sizes["feature"]): 1.0}}, "f"),
        ({"embeddings": ["embedding"]}, "embeddings"),
        ({"embeddings": ["embedding", "embedding"]}, "embeddings"),
        ({"embeddings": ["embedding", "embedding_9"]}, "embeddings"),
        ({"embeddings": "embedding"}, "embeddings"),
        ({"time": 9}, "time"),
        ({"time": [0]}, "time"),
        ({"replicate": 5}, "replicate"),
        ({"level": 2}, "level"),
        ({"permutations": 0}, "permutations"),
    ],
)
def test_bad_input_is_refused(ds, more, argument):
    arguments = {"f": lambda one: 1.0} | more
    with pytest.raises(lwd.InputError, match=rf"^{argument}: "):
        lwd.robust_to_embedder(ds, **arguments)


def test_a_single_embedding_is_refused(ds):
    with pytest.raises(lwd.InputError, match=r"^ds: got a dataset with embedding alone"):
        lwd.robust_to_embedder(ds.drop_dims(["feature_2", "feature_3"]), lambda one: 1.0)


def test_two_forms_of_one_embedder_agree_on_a_real_run(minilm_gguf):
    run = lwd.read_results(ROOT / "data/bitcoin_network.nc").isel(time=[0, -1])
    run = lwd.add_embedding(run, minilm_gguf)

    def told_apart(one):
        test = lwd.collapse_test(one, permutations=99, seed=1)
        return {f"r2 at {t}": v for t, v in test.table["r2_adjusted"].items()}

    result = lwd.robust_to_embedder(run, told_apart, seed=1)
    by_torch, by_gguf = result.table[["r2 at 0", "r2 at 24"]].to_numpy()
    np.testing.assert_allclose(by_torch, by_gguf, atol=1e-3)
    assert result.agreement["mantel_r"][0] > 0.9999
    assert result.agreement["procrustes"][0] > 0.9999
