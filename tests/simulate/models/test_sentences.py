"""Where a first sentence begins and ends: a golden set in 44 languages, and laws."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import TESTS

from lwdstats.simulate.models.sentence_rules import first
from lwdstats.simulate.models.sentences import NEWEST, RULES, first_sentence, has_first_sentence

LINES = (TESTS / "simulate/models/sentences.jsonl").read_text(encoding="utf-8").splitlines()
GOLDEN = [json.loads(line) for line in LINES]
# What the rule is known to get wrong: a heading that is underlined, a sentence over two lines,
# tables, and a smiley or a rocket behind a space.
MISSED = {
    "en-heading-5", "en-emoji-3", "en-emoji-8", "en-list-11", "en-table-1", "en-table-2",
    "en-line-3",
}  # fmt: skip
PIECES = [*'aB .!?"“”()[]1*_<>:;。\n，»«-—', "Sure!", "Here is one: ", "e.g. ", "Answer: ", "U.S. "]


def test_the_golden_set_is_large_and_of_many_languages():
    assert len(GOLDEN) == len({case["text"] for case in GOLDEN}) > 500
    assert len({case["language"] for case in GOLDEN}) > 40
    for case in GOLDEN:
        assert case["sentence"] in case["text"]


LANGUAGES = sorted({case["language"] for case in GOLDEN})


@pytest.mark.parametrize("language", LANGUAGES)
def test_golden(language):
    wrong = {
        case["id"]: (first_sentence(case["text"]), case["sentence"])
        for case in GOLDEN
        if case["language"] == language and first_sentence(case["text"]) != case["sentence"]
    }
    assert wrong.keys() == {name for name in MISSED if name.startswith(f"{language}-")}, wrong


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_answer_that_is_stopped_has_the_sentence_of_the_whole(language):
    for text in [case["text"] for case in GOLDEN if case["language"] == language]:
        starts = (text[:end] for end in range(len(text) + 1))
        complete = next((start for start in starts if has_first_sentence(start)), text)
        assert first_sentence(complete) == first_sentence(text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", ""),
        ("   ", ""),
        ("3. 5! 7\n 9", "3. 5! 7\n 9"),
        ("No end here", "No end here"),
        ("Sure! Here is one sentence:", "Sure! Here is one sentence:"),
        ("- 1.\n- 2. It is.\nOn", "- 2. It is."),
        ("```text\nIt rises. Ok\n```", "It rises."),
    ],
)
def test_where_there_is_little(text, sentence):
    assert first_sentence(text) == sentence


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("It is 3.", False),
        ("It is 3. ", False),
        ("It is 3. T", False),
        ("It is 3. To ", True),
        ("Sure! ", False),
        ("Here is one: ", False),
        ("涨。", False),
        ("涨。a", True),
        ("a\n", True),
    ],
)
def test_a_stop_at_the_end_may_go_on(text, complete):
    assert has_first_sentence(text) is complete


@settings(max_examples=300)
@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=30).map("".join)))
def test_is_a_part_of_the_text(text):
    assert first_sentence(text) in text
    assert bool(first_sentence(text)) is bool(text.strip())


@settings(max_examples=300)
@given(st.lists(st.sampled_from(PIECES), max_size=30), st.lists(st.sampled_from(PIECES)))
def test_once_complete_it_does_not_change(start, more):
    text = "".join(start)
    if has_first_sentence(text):
        assert first_sentence(text + "".join(more)) == first_sentence(text)


@pytest.mark.parametrize(
    "unit",
    [
        *(
            ".",
            '"',
            "*",
            "e.g. ",
            "1. ",
            "(",
            "? ",
            "\n",
            ": ",
            "Here is ",
            "“",
            "«.",
            "。[",
            "#\n",
        ),
        *("<b>", "a:\n", "**a", "Sure! ", "Sure, ", "based on ", "[1]", "> ", "| a |", "T. "),
    ],
)
def test_hostile_texts_take_linear_time(unit):
    def taken(n):
        text = unit * (n // len(unit))
        start = time.process_time()
        first_sentence(text)
        has_first_sentence(text)
        return time.process_time() - start

    # Sixteen times the text takes about sixteen times as long, where squares take 256 times.
    assert taken(48_000) < 100 * max(min(taken(3_000) for _ in range(3)), 2e-3)


# The first rule: what it gave when it was the only one.
FIRST = [
    ("The U.S. market grows (e.g. Ohio). Next", "The U.S. market grows (e.g. Ohio)."),
    ("\n\n- Hello there\nmore", "- Hello there"),
    ("Sure! It rises.", "Sure!"),
    ("**It rises.** More.", "**It rises.** More."),
    ("Sen. Warren said so. Ok", "Sen."),
    ("<b>\nIt rises. Ok", "<b>\nIt rises."),
    ("Here is one sentence:\n\nIt rises. Ok", "Here is one sentence:\n\nIt rises."),
    ("**Final Answer**\n\nIt rises. Ok", "**Final Answer**\n\nIt rises."),
    ("比特币会上涨。然后", "比特币会上涨。"),
    ("बिटकॉइन बढ़ेगा। सोना नहीं।", "बिटकॉइन बढ़ेगा। सोना नहीं।"),
]


@pytest.mark.parametrize(("text", "sentence"), FIRST)
def test_the_first_rule_stays_as_it_was(text, sentence):
    assert RULES[1].first_sentence(text) == sentence
    assert first.has_first_sentence("It is 3. ")


def test_the_newest_rule_is_the_one_that_is_imported():
    assert NEWEST == max(RULES) == 2
    assert RULES[NEWEST].first_sentence is first_sentence
    assert RULES[NEWEST].has_first_sentence is has_first_sentence
