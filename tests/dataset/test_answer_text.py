"""Which part of a text is the answer."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lwdstats.dataset.answer_text import (
    after_reasoning,
    began_before,
    is_blank,
    marks_reasoning,
    opening_at_end,
)

# As the documentation or the chat template of each family writes them.
PAIRS = {
    "DeepSeek, Qwen": ("<think>\n", "\n</think>\n\n"),
    "capitals": ("<Think>", "</Think>"),
    "thinking": ("<thinking>", "</thinking>"),
    "reasoning": ('<reasoning effort="low">', "</reasoning>"),
    "EXAONE": ("<thought>\n", "\n</thought>\n\n"),
    "Seed": ("<seed:think>", "</seed:think>"),
    "escaped": ("&lt;think&gt;", "&lt;/think&gt;"),
    "Magistral": ("[THINK]", "[/THINK]"),
    "Kimi": ("◁think▷", "◁/think▷"),
    "Command": ("<|START_THINKING|>", "<|END_THINKING|><|START_RESPONSE|>"),
    "OpenThoughts": ("<|begin_of_thought|>\n\n", "<|end_of_thought|>\n\n<|begin_of_solution|>"),
    "Apertus": ("<|inner_prefix|>", "<|inner_suffix|>"),
    "gpt-oss": (
        "<|channel|>analysis<|message|>",
        "<|end|><|start|>assistant<|channel|>final<|message|>",
    ),
    "gpt-oss, constrained": (
        "<|channel|>analysis<|message|>",
        "<|end|><|start|>assistant<|channel|>final <|constrain|>json<|message|>",
    ),
    "gpt-oss without its tokens": ("analysis", "assistantfinal"),
}
THOUGHT = "Okay, the user wants one sentence. So be it."


@pytest.mark.parametrize(("opened", "closed"), PAIRS.values(), ids=PAIRS)
def test_the_answer_follows_the_reasoning(opened, closed):
    assert after_reasoning(f"{opened}{THOUGHT}{closed}Up. Then down.") == "Up. Then down."
    assert after_reasoning(f"{opened}{THOUGHT}") is None
    assert after_reasoning(opened) is None or opened == "analysis"
    assert after_reasoning(f"{opened}{THOUGHT}{closed}\n") == ""
    assert after_reasoning(f"\n {opened}{THOUGHT}\n\n{THOUGHT}{closed}\n\nUp.\n") == "Up."


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        # The template opened it.
        (f"{THOUGHT}\n</think>\n\nUp.", "Up."),
        (f"{THOUGHT}[/THINK]Up.", "Up."),
        ("</think>\n\nUp.", "Up."),
        # No reasoning was wanted.
        ("<think>\n\n</think>\n\nUp.", "Up."),
        ("<|channel|>final<|message|>Up.<|return|>", "Up."),
        # More than once, in itself, and closed again after the answer.
        ("<think>a</think>So,<think>b</think>Up.", "Up."),
        ("<think>I could write <think> here</think>Up.", "Up."),
        ("<think>a</think>\n\nUp.\n</think>\n", "Up."),
        ("Sure.\n<think>a</think>\nUp.", "Up."),
        ("Sure.\n<think>a", None),
        ("<think>a</think>Up.\n<think>b", None),
        # In wrapping of its own.
        ("<think>a</think>\n<answer>Up.</answer>", "Up."),
        ("<Thought>a</Thought>\n<Output>\nUp.\n</Output>", "Up."),
        ("<think>a</think>Up.<|im_end|>", "Up."),
        ("<|START_THINKING|>a<|END_THINKING|><|START_RESPONSE|>Up.<|END_RESPONSE|>", "Up."),
        # In other spellings.
        ("< think >a</ think >Up.", "Up."),
        ("<think/>Up.", "Up."),
        ("<think>a<\\/think>Up.", "Up."),
        ("<think>a<think/>Up.", "Up."),
        ("<|think|>a<|/think|>Up.", "Up."),
        ("<thought_process>a</thought_process>Up.", "Up."),
        ("<chain_of_thought>\na\n</chain_of_thought>\n\nUp.", "Up."),
        ("<inner_monologue>a</inner_monologue>Up.", "Up."),
        ("<antThinking>a</antThinking>Up.", "Up."),
        ("<analysis>a</analysis>Up.", "Up."),
        # Tags that the reasoning or the answer speaks of, or shows.
        ("<think>Not `</think>`, it asks.</think>Up.", "Up."),
        ("<think> a </think> up", "up"),
        ("<think>a</think>Up. The tag </think> ends it.", "Up. The tag </think> ends it."),
        ("<think>a</think>I write <think> first.", "I write <think> first."),
        *(
            (same, same)
            for same in [
                "It stands between <think> and </think> tags.",
                "I use the `<think>` tag.",
                "The “</think>” ends it.",
                "Most (as in `<think>Hm.</think>`) reason first.",
                "As in:\n\n```xml\n<think>\nHm.\n</think>\n```\n\nThat is how.",
            ]
        ),
        # A fence around all of it, or one that never ends, shows nothing.
        ("```\n<think>\na\n</think>\nUp.\n```", "Up.\n```"),
        ("Sure:\n```\n<think>\na", None),
        # None of it is reasoning.
        ("Up.", "Up."),
        (" I think <b>it</b> is up. ", " I think <b>it</b> is up. "),
        ("analysis shows that it is up", "analysis shows that it is up"),
        ("<thinker>Up.</thinker>", "<thinker>Up.</thinker>"),
        ("", ""),
    ],
)
def test_examples(text, answer):
    assert after_reasoning(text) == answer


def test_a_reasoning_that_began_in_the_prompt():
    assert after_reasoning(THOUGHT, began=True) is None
    assert after_reasoning(f"{THOUGHT}</think>Up.", began=True) == "Up."
    assert began_before(f"{THOUGHT}</think>Up.")
    # A stray end says nothing of where it began, nor does a channel.
    assert not began_before("Up.</think>")
    assert not began_before("The tag </think> ends it.")
    assert not began_before(f"<think>{THOUGHT}</think>Up.")
    assert not began_before("<|channel|>final<|message|>Up.")
    assert opening_at_end("<|im_start|>assistant\n<think>\n") == "<think>\n"
    assert opening_at_end("<|im_start|>assistant\n<think>\n\n</think>\n\n") == ""
    assert opening_at_end("[INST] <think> [/INST]") == ""


@given(st.text(), st.sampled_from(sorted(PAIRS)))
def test_reasoning_of_any_text_is_no_answer(thought, which):
    opened, closed = PAIRS[which]
    answer = after_reasoning(f"{opened}A{thought}{closed}Up.")
    assert answer == "Up."


@given(st.text())
def test_a_text_without_tags_stays_as_it_is(text):
    if not any(mark in text for mark in "<[◁&") and not text.lstrip().startswith("a"):
        assert after_reasoning(text) == text


def test_tokens_that_mark_reasoning():
    assert all(map(marks_reasoning, ["[THINK]", "[/THINK]", "<|channel|>", "<|END_THINKING|>"]))
    assert not any(map(marks_reasoning, ["<|im_start|>", "<s>", "[INST]", "<|eot_id|>"]))


@pytest.mark.parametrize(
    "text",
    ["", " \n\t", "\u200b\u200d\ufeff", "\u3164", "\u2800", "**", "***\n", "---", "===", "# ", "> ",
     "- ", "<br>", "<b></b>", "<p class='x'> </p>", "<!-- hm -->", "```\n```", "```text\n\n```",
     "&nbsp;&#8203;", "<|im_end|>", "<think></think>", "\x00", "\u202e"],
)  # fmt: skip
def test_what_shows_nothing_is_blank(text):
    assert is_blank(text)


@pytest.mark.parametrize(
    "text", ["a", "5", "比", "🚀", "...", "?", "+", "<", "$", "&amp;", "**No**"]
)
def test_what_shows_something_is_not(text):
    assert not is_blank(text)


@given(st.text(), st.text())
@example("<think>", "</think>")
def test_nothing_breaks_it(text, more):
    answer = after_reasoning(text + more)
    assert answer is None or len(answer) <= len(text + more)
    assert is_blank(text) or not is_blank(text + "a")


@pytest.mark.parametrize(
    "text",
    ["<think " * 20_000, "<|" * 50_000, "<think>a</think>" + "</answer>" * 10_000 + "x",
     " " * 100_000 + "x", "<!--" * 25_000, "<|channel|>final" * 8_000, "```\n" * 20_000,
     "analysis" + "assistantfina" * 9_000, "<think>" * 10_000 + "</think>" * 10_000,
     " " * 50_000 + "x" + "\n```\n<think>\n```" * 5_000, "a `<think>` b" * 10_000],
)  # fmt: skip
def test_hostile_texts_take_no_time(text):
    start = time.process_time()
    after_reasoning(text)
    is_blank(text)
    opening_at_end(text)
    assert time.process_time() - start < 2
