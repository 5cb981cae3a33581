"""What of a text that a language model wrote is its answer: not its reasoning, not bare markup."""

from __future__ import annotations

import html
import re
import unicodedata
from bisect import bisect

_NAME = (
    r"(?:seed:|ant|(?:inner|internal|my|chain_of)[_-]?)?"
    r"(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|scratchpad|monologue|analysis)"
    r"(?:[_-](?:process|steps?))?"
)
_THOUGHT = r"_?(?:of_?)?(?:think(?:ing)?|thought|reasoning)"
# Each in the spelling of the models that write it: most of them; Magistral; Kimi; Command, and
# those trained on OpenThoughts; Apertus; gpt-oss; Gemma 4.
_OPENED = "|".join(
    [
        rf"(?:<|&lt;)\s?{_NAME}(?:\s[^<>]*)?(?<!/)(?:>|&gt;)",
        r"\[THINK(?:ING)?\]",
        r"◁think(?:ing)?▷",
        rf"<[|｜](?:start|begin)?{_THOUGHT}[|｜]>",
        r"<\|inner_prefix\|>",
        r"<\|channel\|>\s*(?:analysis|commentary)",
        r"<\|channel>\s*thought",
    ]
)
_CLOSED = "|".join(
    [
        # Some write the slash behind the name, or escape it.
        rf"(?:<|&lt;)(?:\s?\\?/\s?{_NAME}\s*|{_NAME}\s*/)(?:>|&gt;)",
        r"\[/THINK(?:ING)?\]",
        r"◁/think(?:ing)?▷",
        rf"<[|｜](?:end|/){_THOUGHT}[|｜]>",
        r"<\|inner_suffix\|>",
        r"<channel\|>",
    ]
)
# The channel of gpt-oss's answer; no reasoning need have come before it.
_FINAL = r"<\|channel\|>\s*final[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>"
_TAG = re.compile(
    rf"(?P<opened>{_OPENED})|(?P<closed>{_CLOSED})|(?P<final>{_FINAL})", re.IGNORECASE
)
# Each tag begins with one of these.
_BEGINS = ("<", "&", "[", "◁")
# What stands before and after a tag that a sentence speaks of: a quote on either side; or, within
# one line, words on either side that no sentence ends between.
_QUOTES = {"`": "`", '"': '"', "'": "'", "“": "”", "‘": "’", "«": "»", "「": "」", "(": ")"}
_WORDS_BEFORE = re.compile(r"[^\W_][ \t]+\Z")
_WORDS_AFTER = re.compile(r"[ \t]+[^\W\d_A-Z]|[ \t]*[,;)]")
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)", re.M)
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
    tags = _real_tags(text, began)
    if not tags:
        return None if began else text
    thinking, said, start = began or tags[0]["opened"] is None, [], 0
    for tag in tags:
        if tag["opened"]:
            thinking = True
        else:
            # Some models close their reasoning once more, after the answer too.
            said = [] if thinking or tag["final"] else [*said, text[start : tag.start()]]
            thinking, start = False, tag.end()
    if thinking:
        return None
    said = [part for part in (*said, text[start:]) if not is_blank(part)]
    if not said:
        return ""
    answer = said[-1].strip()
    start = _WRAP_START.match(answer)
    answer = answer[start.end() if start else 0 :]
    # The end of it alone, as a model may write thousands of tags.
    return (answer[:-_END_LENGTH] + _WRAP_END.sub("", answer[-_END_LENGTH:])).strip()


def _real_tags(text: str, began: bool) -> list[re.Match[str]]:
    """Return the tags that begin or end reasoning, without those that a text speaks of or shows."""
    # Most texts have none, and to look for each kind takes a hundred times as long.
    tags = list(_TAG.finditer(text)) if any(map(text.__contains__, _BEGINS)) else []
    spoken = [_is_spoken_of(text, tag) for tag in tags]
    ends = (i for i, tag in enumerate(tags) if not tag["opened"] and not spoken[i])
    last_end = max(ends, default=-1)
    fences = [match.start() for match in _FENCE.finditer(text)] if tags else []
    real, thinking, start, shown = [], began, 0, 0
    for i, tag in enumerate(tags):
        if thinking:
            # One of several ends may be spoken of, the only one is the end.
            if spoken[i] and (tag["opened"] or i < last_end):
                continue
        elif spoken[i] or tag.start() < shown:
            continue
        elif tag["opened"]:
            first, here = bisect(fences, start - 1), bisect(fences, tag.start() - 1)
            # What a fence shows, but for one that is around all of it.
            if (here - first) % 2 and here < len(fences) and text[start : fences[first]].strip():
                shown = fences[here]
                continue
        real.append(tag)
        thinking = tag["opened"] is not None
        start = start if thinking else tag.end()
    return real


def _is_spoken_of(text: str, tag: re.Match[str]) -> bool:
    """Return whether a tag stands in quotes, in code, or amid the words of a sentence."""
    if tag[0].startswith(("<|", "<｜", "◁")):
        return False
    before = text[max(0, tag.start() - _END_LENGTH) : tag.start()].rpartition("\n")[2]
    after = text[tag.end() : tag.end() + _END_LENGTH].partition("\n")[0]
    if before and after and _QUOTES.get(before[-1]) == after[0]:
        return True
    in_code = before.count("`") % 2 == 1 and "`" in after
    return in_code or bool(_WORDS_BEFORE.search(before) and _WORDS_AFTER.match(after))


def began_before(text: str) -> bool:
    """Return whether a text ends reasoning that it did not begin, and answers then."""
    first = next(iter(_real_tags(text, began=False)), None)
    return first is not None and first["closed"] is not None and bool(after_reasoning(text))


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
