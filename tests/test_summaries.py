"""Summaries of datasets that lack answers, models or replicates."""

import numpy as np
import pytest
from small_runs import small_llm

import lwdstats as lwd


def lacking(*cells, **sizes):
    """Answers of which those at (time, model, replicate) in `cells`, but the first, are missing."""
    ds = small_llm(**({"time": 5, "model": 3} | sizes))
    embedding, text = ds["embedding"].values.copy(), ds["text"].values.copy()
    for cell in cells:
        embedding[cell][..., 1:, :] = np.nan
        text[cell][..., 1:] = ""
    return ds.assign(
        embedding=ds["embedding"].copy(data=embedding), text=ds["text"].copy(data=text)
    )


@pytest.mark.parametrize("chunks", [None, {"time": 1}])
def test_a_model_with_one_answer_among_others(chunks):
    everywhere = [(t, 1, 0) for t in range(5)]
    ds = lacking(*everywhere)
    summary = lwd.summary(ds if chunks is None else ds.chunk(chunks))
    norm = lwd.fnorm(ds).isel(time=[0, 2, 4])
    np.testing.assert_allclose(summary.tidy()["mean"], norm.mean("replicate"))
    assert not {"noise_floor", "debiased"} & set(summary.norm)
    text = " ".join(str(summary).split())
    assert "15 of 120 are missing" in text
    assert "with one response a model, others being missing, sampling noise" in text


def test_times_that_are_not_shown_do_not_decide_what_is():
    ds = lacking((1, 2, 1))
    norm = lwd.summary(ds).norm
    square = lwd.noise_floor(ds.isel(time=[0, 2, 4])) ** 2
    np.testing.assert_allclose(norm["noise_floor"] ** 2, square.mean("replicate"))
    with pytest.raises(lwd.InputError, match="1 response a model and time, others being missing"):
        lwd.noise_floor(ds)


def test_the_norm_is_drawn_without_a_floor_that_nothing_tells():
    for ds, lines in ((lacking(), 3), (lacking((1, 2, 1)), 2)):
        assert len(lwd.plot_norm(ds).lines) == lines


def test_one_model_differs_from_none():
    assert "nothing that it could differ from" in str(lwd.summary(lacking(model=1)))
