"""Where a first sentence ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwdstats.simulate.models.sentences import first_sentence, has_first_sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Bitcoin is at $30.5 k now. It will rise.", "Bitcoin is at $30.5 k now."),
        ("The U.S. market grows (e.g. Ohio). Next", "The U.S. market grows (e.g. Ohio)."),
        ("\n\n- Hello there\nmore", "- Hello there"),
        ("1. Bitcoin is good. And", "1. Bitcoin is good."),
        ("- 1.\n- 2. It is.\nOn", "- 1.\n- 2. It is."),
        ("3. 5! 7\n 9", "3. 5! 7\n 9"),
        ("No end here", "No end here"),
        ('He said "yes!" Then', 'He said "yes!"'),
        (
            "Dr. Smith met J. P. Morgan vs. Co. people. Ok",
            "Dr. Smith met J. P. Morgan vs. Co. people.",
        ),
        ("It will be 5. Next", "It will be 5."),
        ("Really?! Yes.", "Really?!"),
        ("比特币会上涨。然后", "比特币会上涨。"),
        # Neither markup nor an announcement is a sentence.
        ("<b>\nIt rises. Ok", "<b>\nIt rises."),
        ("```text\nIt rises. Ok\n```", "```text\nIt rises."),
        ("Here is one sentence:\n\nIt rises. Ok", "Here is one sentence:\n\nIt rises."),
        ("**Answer:**\nIt rises. Ok", "**Answer:**\nIt rises."),
        ("回答：\n比特币会上涨。然后", "回答：\n比特币会上涨。"),
        ("**Final Answer**\n\nIt rises. Ok", "**Final Answer**\n\nIt rises."),
        ("## In short\nIt rises. Ok", "## In short\nIt rises."),
        ("**It rises.**\n\nThat is so.", "**It rises.**"),
        ("#Bitcoin rises\nOk", "#Bitcoin rises"),
        ("**It rises**", "**It rises**"),
        ("", ""),
        ("   ", ""),
    ],
)
def test_examples(text, sentence):
    assert first_sentence(text) == sentence


@pytest.mark.parametrize(
    ("text", "complete"), [("It is 3.", False), ("It is 3. ", True), ("a\n", True)]
)
def test_a_stop_at_the_end_may_go_on(text, complete):
    assert has_first_sentence(text) is complete


@given(st.text())
def test_is_a_start_of_the_text(text):
    sentence = first_sentence(text)
    assert text.lstrip().startswith(sentence)
    assert first_sentence(sentence) == sentence or "\n" in sentence


@given(st.text(), st.text())
def test_once_complete_it_does_not_change(text, more):
    if has_first_sentence(text):
        assert first_sentence(text + more) == first_sentence(text)
