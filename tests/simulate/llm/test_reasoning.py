"""Reasoning is no answer, whichever back-end wrote it."""

import numpy as np
import pytest
from fakes import Hasher, Writer
from reciter import START, TEMPLATE, save_reciter

import lwdstats as lwd
from lwdstats.simulate.models.protocol import Prompt, Sampling

QUERY = "Up or down?"
THOUGHT = ["Hm. ", "Let me see.\n", "It may fall. "]
ANSWER = ["Bitcoin ", "rises. ", "Then ", "it falls. "]
ARGUMENTS = {"posts": ["x"], "query": QUERY, "n_steps": 1, "n_responses": 4, "seed": 1}


def run(model, **changes):
    return lwd.simulate_llm({"a": model}, embedder=Hasher(), **(ARGUMENTS | changes))


def says(*texts):
    return Writer(say=lambda prompt, seed, row: texts[row % len(texts)])


@pytest.mark.parametrize("cut", ["sentence", None])
@pytest.mark.parametrize("start", ["<think>\nHm. So.\n</think>\n\n", "Hm. So.\n</think>\n\n"])
def test_the_text_after_it_is_the_answer(start, cut):
    texts = [f"{start}{word}." for word in ("Up", "Down", "Flat", "Gone")]
    ds = run(says(*texts), cut=cut)
    assert ds["text"].values[0, 0, 0, 0].tolist() == ["Up.", "Down.", "Flat.", "Gone."]
    assert ds["text_raw"].values[0, 0, 0, 0].tolist() == texts
    np.testing.assert_array_equal(
        ds["embedding"].values[0, 0, 0, 0], Hasher().embed(["Up.", "Down.", "Flat.", "Gone."])
    )
    # What is posted, and read, is the answer.
    assert ds["post_text"].values.ravel().tolist() == ["x", "Up."]


def test_reasoning_without_an_answer_is_missing_and_says_what_to_do(caplog, tmp_path):
    texts = ["<think>\nHm. So", "<think>Hm.</think>\n", "<think>a</think>Up.", "Down."]
    with pytest.warns(UserWarning, match=r"4 of 8 answers are missing.*raise max_new_tokens"):
        ds = run(says(*texts), store=tmp_path / "run", retries_empty=0, max_new_tokens=9)
    assert ds["text"].values[0, 0, 0, 0].tolist() == ["", "", "Up.", "Down."]
    assert ds["text_raw"].values[0, 0, 0, 0].tolist() == [*texts[:3], ""]
    assert np.isnan(ds["embedding"].values[0, 0, 0, 0]).all(axis=1).tolist() == [1, 1, 0, 0]
    assert ds["text"].attrs["n_unanswered"] == 4
    said = "2 are reasoning that no answer followed: raise max_new_tokens, now 9"
    assert said in caplog.text
    assert said in (tmp_path / "run" / "log.txt").read_text()
    # The same from the store of a run that is complete, and in a file.
    with pytest.warns(UserWarning, match="4 of 8 answers are missing"):
        again = run(Writer(fail_at=0), store=tmp_path / "run", retries_empty=0, max_new_tokens=9)
    assert again.identical(ds)
    assert lwd.read_results(lwd.write_results(ds, tmp_path / "x.nc")).identical(ds)


def test_reasoning_that_began_in_the_prompt_and_was_cut_off_bears_no_tag():
    long, short = "Okay, the user wants", "Down."

    class Model(Writer):
        def generate(self, prompt, n, *, seed, sampling, stop=None):
            answers = super().generate(prompt, n, seed=seed, sampling=sampling, stop=stop)
            lengths = [sampling.max_new_tokens if a.text == long else 3 for a in answers]
            return [type(a)(a.text, m) for a, m in zip(answers, lengths, strict=True)]

    def model(*texts):
        return Model(say=lambda prompt, seed, row: texts[row % len(texts)])

    options = {"retries_empty": 0, "n_steps": 0}
    with pytest.warns(UserWarning, match="2 of 4 answers are missing"):
        ds = run(model(long, "Hm.</think>Up.", short, long), **options)
    assert ds["text"].values.ravel().tolist() == ["", "Up.", "Down.", ""]
    # Nothing tells it from an answer where no other one ends a reasoning.
    assert run(model(long, short), **options)["text"].values.ravel()[0] == long


@pytest.mark.parametrize("blank", ["**", "\u200b", "<br>", "```\n```", "&nbsp;", "\u3164", "---"])
def test_an_answer_that_shows_nothing_is_missing(blank):
    ds = run(says(blank, "Up.", "Down.", "Flat."), retries_empty=0)
    assert ds["text"].values[0, 0, 0, 0].tolist() == ["", "Up.", "Down.", "Flat."]
    assert "n_unanswered" not in ds["text"].attrs


def test_a_line_of_markup_or_of_courtesy_is_no_sentence():
    texts = ["<answer>\nUp. Yes.\n</answer>", "```text\nDown. No.\n```", "Sure:\n\nFlat. No."]
    ds = run(says(*texts), n_responses=3, n_steps=0)
    expected = ["Up.", "Down.", "Flat."]
    assert ds["text"].values.ravel().tolist() == expected


# Models that run here.

FORMS = {
    "plain": ("<think>", "</think>", (), TEMPLATE),
    "control tokens": ("[THINK]", "[/THINK]", ("[THINK]", "[/THINK]"), TEMPLATE),
    "opened in the prompt": ("<think>", "</think>", ("<think>",), TEMPLATE + "<think>"),
}


@pytest.fixture(params=FORMS)
def form(request):
    return FORMS[request.param]


def saved(tmp_path, form, answer=ANSWER):
    opened, closed, special, template = form
    tokens = [opened, *THOUGHT, closed, "\n\n", *answer]
    return save_reciter(tmp_path / "model", tokens, special=special, template=template)


@pytest.mark.llm
def test_a_local_model_goes_on_until_its_answer_is_there(tmp_path, form):
    ds = run(saved(tmp_path, form), temperature=0)
    assert set(ds["text"].values.ravel()) == {"Bitcoin rises."}
    raw = f"{form[0]}{''.join(THOUGHT)}{form[1]}\n\nBitcoin rises. "
    # It stops when the sentence is complete: a token after it at most.
    assert {text.removesuffix("Then ") for text in ds["text_raw"].values.ravel()} == {raw}
    whole = run(saved(tmp_path, form), temperature=0, cut=None)
    assert set(whole["text"].values.ravel()) == {"Bitcoin rises. Then it falls."}


@pytest.mark.llm
def test_a_local_model_that_is_cut_off_has_not_answered(tmp_path, form):
    with pytest.warns(UserWarning, match="8 of 8 answers are missing"):
        ds = run(saved(tmp_path, form), temperature=0, max_new_tokens=3, retries_empty=0)
    assert (ds["text"] == "").all()
    assert all(text.startswith(form[0]) for text in ds["text_raw"].values.ravel())


@pytest.mark.llm
def test_the_channels_of_gpt_oss_stay_apart(tmp_path):
    special = ["<|channel|>", "<|message|>", "<|stop|>", "<|start|>"]
    # Each token once, so the channels have other names beside them.
    tokens = ["<|channel|>", "analysis", "<|message|>", *THOUGHT, "<|stop|>", *ANSWER]
    from lwdstats.simulate.models.local.transformers import TransformersModel

    model = TransformersModel(save_reciter(tmp_path / "m", tokens, special=special))
    (answer,) = model.generate(
        Prompt((), QUERY), 1, seed=1, sampling=Sampling(temperature=0, max_new_tokens=20)
    )
    # What separates channels is kept, other control tokens are not.
    assert answer.text == "<|channel|>analysis<|message|>" + "".join([*THOUGHT, *ANSWER])
    assert START not in answer.text
