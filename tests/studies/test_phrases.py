"""Which phrases spread: shares counted by hand, who began, and what must hold of any texts."""

import itertools
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import ROOT

import lwdstats as lwd

WORDS = st.lists(st.sampled_from(["up", "down", "gold", "it", "is", "not"]), max_size=7)


def dataset(texts):
    """A dataset of texts, an array (time, model, response), "" where one is missing."""
    texts = np.array(texts, dtype=object)
    t, m, r = (index.ravel() for index in np.indices(texts.shape))
    logged = pd.DataFrame({"time": t, "model": [f"m{i}" for i in m], "response": r})
    logged["text"] = texts.ravel()
    logged["embedding"] = [[np.nan] if not text else [1.0] for text in logged["text"]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that answers are missing
        return lwd.as_results(logged)


@settings(max_examples=60, deadline=None)
@given(st.lists(WORDS, min_size=12, max_size=12), st.integers(1, 3), st.integers(1, 4))
def test_shares_are_those_counted_by_hand(tokens, n, top):
    said = np.array([" ".join(own) or "x" for own in tokens], dtype=object).reshape(2, 2, 3)
    found = lwd.phrases(dataset(said), n, top=top)
    assert found.share.sizes["phrase"] <= top
    peaks, rows = [], found.first.to_dict("records")
    for phrase in found.share["phrase"].values:
        assert len(phrase.split()) >= n
        holds = np.array([f" {phrase} " in f" {text} " for text in said.ravel()]).reshape(2, 2, 3)
        assert holds.sum() >= 2  # what is said once does not spread
        share = found.share.sel(phrase=phrase).isel(replicate=0, query=0).values
        np.testing.assert_allclose(share, holds.mean(axis=2))
        peaks.append(holds.mean(axis=2).mean(axis=1).max())
        row = next(r for r in rows if r["phrase"] == phrase)
        first = int(np.argmax(holds.any(axis=(1, 2))))
        assert row["time"] == first
        assert row["model"] == "; ".join(np.array(["m0", "m1"])[holds[first].any(axis=1)])
    # Growing a phrase may lower its share by a tenth.
    assert all(b <= a / 0.9 + 1e-9 for a, b in itertools.pairwise(peaks))


def test_no_phrase_is_more_common_than_the_first():
    rng = np.random.default_rng(1)
    said = rng.choice(["a b c d", "a b c e", "f g h", "b c d e", "g h a b"], size=(3, 2, 5))
    best = lwd.phrases(dataset(said), 2, top=1).share.values.mean(axis=2).max()
    grams = {tuple(t.split()[i : i + 2]) for t in said.ravel() for i in range(len(t.split()) - 1)}
    each = [
        np.array([f" {' '.join(g)} " in f" {t} " for t in said.ravel()]).reshape(said.shape)
        .mean(axis=2).mean(axis=1).max()
        for g in grams
    ]  # fmt: skip
    assert best >= 0.9 * max(each)


def test_a_phrase_is_as_long_as_most_say_it():
    said = [
        [["Well, the price of gold will rise soon."] * 9 + ["The price of gold will rise now."]]
    ]
    found = lwd.phrases(dataset(said), 3)
    assert found.share["phrase"].values.tolist() == ["well the price of gold will rise soon"]
    looser = [
        [["The price of gold will rise soon."] * 8 + ["The price of gold will fall now."] * 2]
    ]
    assert lwd.phrases(dataset(looser), 3).share["phrase"].values.tolist() == [
        "the price of gold will"
    ]


def test_case_and_punctuation_do_not_count_and_missing_answers_are_left_out():
    said = [[["It IS up, now!", "it is up now", ""]], [["", "", ""]], [["no more of it", "", ""]]]
    found = lwd.phrases(dataset(said), 4)
    share = found.share.isel(model=0, replicate=0, query=0, phrase=0).values
    np.testing.assert_allclose(share, [1.0, np.nan, 0.0])
    assert "100%" in str(found)


def test_the_first_may_have_read_it():
    ds = lwd.read_results(ROOT / "data" / "bitcoin_network.nc")
    found = lwd.phrases(ds, top=20)
    read = [r for r in found.first.to_dict("records") if not np.isnan(r["initial_post"])]
    assert read
    for row in read:
        post = (
            ds["post_text"]
            .isel(query=0)
            .sel(replicate=row["replicate"])
            .values[int(row["initial_post"])]
        )
        assert row["phrase"].split()[0] in post.lower()
        assert row["initial_post"] < 20
    # Of two replicates the largest share of one is printed, not of their mean.
    most = found.share.mean("model").max(["time", "replicate", "query"]).values
    assert f"{100 * most[0]:.0f}%" in str(found).splitlines()[3]


def test_as_a_table_and_a_picture():
    said = [[["up we go now", "down it went"], ["up we go now", "it went down"]]] * 2
    found = lwd.phrases(dataset(said), 3)
    tidy = lwd.tidy(found)
    assert set(tidy) == {"phrase", "time", "model", "replicate", "query", "share"}
    assert len(tidy) == found.share.size
    assert lwd.glance(found)["n_phrases"].item() == found.share.sizes["phrase"]
    ax = lwd.plot(found)
    labels = [line.get_label() for line in ax.lines]
    assert labels[0] == "1. up we go now"
    nothing = lwd.phrases(dataset([[["up", "down"], ["a", "b"]]]), 3)
    assert "none is said twice" in str(nothing)
    assert len(lwd.tidy(nothing)) == 0
    lwd.plot(nothing)


@pytest.mark.parametrize(
    ("make", "options", "argument"),
    [
        (lambda: lwd.simulate_gmm(n_steps=2, seed=1), {}, "ds"),
        (lambda: dataset([[["a b", "c"]]]), {"n": 0}, "n"),
        (lambda: dataset([[["a b", "c"]]]), {"top": 0}, "top"),
        (lambda: dataset([[["a b", "c"]]]), {"n": 2.5}, "n"),
    ],
)
def test_bad_input_names_the_argument(make, options, argument):
    with pytest.raises(lwd.InputError) as error:
        lwd.phrases(make(), **options)
    assert error.value.argument == argument
