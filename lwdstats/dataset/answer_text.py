"""What of a text that a language model wrote is its answer: not its reasoning, not bare markup."""

from __future__ import annotations

import html
import re
import unicodedata

_NAME = r"(?:seed:)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|scratchpad)"
_THOUGHT = r"_?(?:of_?)?(?:think(?:ing)?|thought|reasoning)"
# Each in the spelling of the models that write it: most of them; Magistral; Kimi; Command, and
# those trained on OpenThoughts; Apertus; gpt-oss; Gemma 4.
_OPENED = "|".join(
    [
        rf"(?:<|&lt;){_NAME}(?:\s[^<>]*)?(?<!/)(?:>|&gt;)",
        r"\[THINK(?:ING)?\]",
        r"◁think(?:ing)?▷",
        rf"<[|｜](?:start|begin){_THOUGHT}[|｜]>",
        r"<\|inner_prefix\|>",
        r"<\|channel\|>\s*(?:analysis|commentary)",
        r"<\|channel>\s*thought",
    ]
)
_CLOSED = "|".join(
    [
        rf"(?:<|&lt;)/{_NAME}\s*(?:>|&gt;)",
        r"\[/THINK(?:ING)?\]",
        r"◁/think(?:ing)?▷",
        rf"<[|｜]end{_THOUGHT}[|｜]>",
        r"<\|inner_suffix\|>",
        r"<channel\|>",
    ]
)
# The channel of gpt-oss's answer; no reasoning need have come before it.
_FINAL = r"<\|channel\|>\s*final[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>"
_TAG = re.compile(
    rf"(?P<opened>{_OPENED})|(?P<closed>{_CLOSED})|(?P<final>{_FINAL})", re.IGNORECASE
)
_END = re.compile(rf"{_CLOSED}|{_FINAL}", re.IGNORECASE)
_OPENING_AT_END = re.compile(rf"(?:{_OPENED})\s*\Z", re.IGNORECASE)
# Without its control tokens, which some servers leave out.
_BARE_CHANNELS = re.compile(
    r"\s*(?:assistant)?analysis(?:(?=[A-Z\"'“])|(?=.*assistantfinal))", re.S
)
# Characters at the end of a text that are looked at for tags there.
_END_LENGTH = 200
# What some models put around the answer that follows their reasoning.
_WRAP = r"(?:answer|response|output|solution)"
_WRAP_START = re.compile(rf"<{_WRAP}>|<\|(?:start_response|begin_of_solution)\|>", re.IGNORECASE)
_WRAP_END = re.compile(rf"(?:(?:</{_WRAP}>|<\|\w+\|>)\s*)+\Z", re.IGNORECASE)
# Control tokens that stand between reasoning and answer.
_CHANNEL_TOKENS = {"<|channel|>", "<|message|>", "<|start|>", "<|end|>", "<|constrain|>"}

_MARKUP = re.compile(
    r"<[/!|｜]?[A-Za-z][^<>\n]*>|<!--[^<]*?-->|^[ \t]*(?:```|~~~)[^\n`]*$|={3,}", re.M | re.S
)
# Markdown's own characters, and letters that show nothing.
_BLANK = frozenset("*_#`~|>-\\:•●◦▪–—\u115f\u1160\u2800\u3164\uffa0")


def after_reasoning(text: str, *, began: bool = False) -> str | None:
    r"""Return what follows the reasoning in a text, or all of one that has none.

    Parameters
    ----------
    text : str
        As a model wrote it.
    began : bool
        Whether the reasoning began before the text, in the prompt. So it did, too, where
        its end comes first.

    Returns
    -------
    str or None
        None while the reasoning goes on; "" where nothing follows it.

    Examples
    --------
    >>> after_reasoning("<think>\nHm.\n</think>\n\nUp."), after_reasoning("Hm.</think> Up.")
    ('Up.', 'Up.')
    >>> after_reasoning("<think>\nHm. Let me") is None
    True
    """
    bare = _BARE_CHANNELS.match(text)
    if bare:
        _, final, answer = text[bare.end() :].partition("assistantfinal")
        return answer.strip() if final else None
    tags = list(_TAG.finditer(text))
    if not tags:
        return None if began else text
    thinking, end = began or tags[0]["opened"] is None, 0
    for tag in tags:
        if tag["opened"]:
            thinking = True
        elif thinking or tag["final"]:
            thinking, end = False, tag.end()
    if thinking:
        return None
    # Some models close their reasoning once more, after the answer too.
    said = [part for part in _END.split(text[end:]) if not is_blank(part)]
    if not said:
        return ""
    answer = said[-1].strip()
    start = _WRAP_START.match(answer)
    answer = answer[start.end() if start else 0 :]
    # The end of it alone, as a model may write thousands of tags.
    return (answer[:-_END_LENGTH] + _WRAP_END.sub("", answer[-_END_LENGTH:])).strip()


def began_before(text: str) -> bool:
    """Return whether a text ends reasoning that it did not begin, and answers then."""
    tag = _TAG.search(text)
    return tag is not None and tag["closed"] is not None and bool(after_reasoning(text))


def opening_at_end(prompt: str) -> str:
    """Return the tag that a prompt ends with if it opens the reasoning, else ""."""
    match = _OPENING_AT_END.search(prompt[-_END_LENGTH:])
    return match[0] if match else ""


def marks_reasoning(token: str) -> bool:
    """Return whether a control token begins or ends reasoning, or a channel."""
    return token in _CHANNEL_TOKENS or _TAG.fullmatch(token) is not None


def without_markup(text: str) -> str:
    """Return a text without its tags and fences, and with characters for their names."""
    return html.unescape(_MARKUP.sub("", text))


def is_blank(text: str) -> bool:
    r"""Return whether a text shows nothing: white space, what has no width, and bare markup.

    Examples
    --------
    >>> [is_blank(text) for text in ["", "\u200b", "**", "<br>", "```\n```", "🚀", "No."]]
    [True, True, True, True, True, False, False]
    """
    return all(
        character in _BLANK or unicodedata.category(character)[0] in "CZM"
        for character in without_markup(text)
    )
