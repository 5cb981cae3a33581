"""What replies of OpenAI's chat protocol hold, in the variants that servers have."""

from __future__ import annotations

import functools
import importlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lwdstats.simulate.models.protocol import Answer, estimate_tokens
from lwdstats.simulate.models.server.retry import MalformedError

# What servers call the length of a model's context in their list of models.
_CONTEXT = ("max_model_len", "context_length", "context_window", "max_context_length", "n_ctx")
# How an answer ended, in parts of the words that servers have for it: by a content filter,
_FILTERED = ("content_filter", "safety", "sensitive", "prohibited", "blocklist", "recitation")
# by a fault of the server,
_BROKEN = ("error", "abort", "aborted", "network_error", "insufficient_system_resource")
# or at its largest length.
_LENGTH = ("length", "max_tokens", "max_output_tokens", "model_length")
# Why an answer has no text.
FILTERED, REASONING = "filtered", "reasoning"
_FEEDBACK = ("promptFeedback", "prompt_feedback")


@dataclass(frozen=True)
class Reply:
    """What a request gave.

    Attributes
    ----------
    answers : mapping from int to Answer
        The answers by their place; those that are not whole are left out.
    lacking : mapping from int to str
        Why an answer has no text, where the same request would give none again: `REASONING`,
        `FILTERED`, or the words of a server that refused the request for its content.
    prompt_tokens : int
        Of the prompt, as the server counted them; 0 where it does not say.
    """

    answers: dict[int, Answer]
    lacking: dict[int, str]
    prompt_tokens: int = 0


def filtered(asked: int, said: str) -> Reply:
    """Return the reply of empty answers that a content filter leaves."""
    return Reply(
        {place: Answer("", 0) for place in range(asked)}, dict.fromkeys(range(asked), said)
    )


def read_reply(payload: Any, asked: int) -> Reply:
    """Return the answers of a reply.

    The reply counts the tokens of all its answers together. They are shared out
    by the lengths of the texts.
    """
    choices = payload.get("choices") if isinstance(payload, dict) else None
    if not choices and _is_blocked(payload):
        return filtered(asked, FILTERED)
    if not isinstance(choices, list):
        raise MalformedError("no choices")
    said = [choice.get("index") if isinstance(choice, dict) else None for choice in choices]
    places = [place for place in said if isinstance(place, int)]
    # Some servers give every choice the index 0, or none.
    if sorted(places) != list(range(len(choices))):
        places = list(range(len(choices)))
    read = {
        place: text_or_lack
        for place, text_or_lack in zip(places, map(_read_choice, choices), strict=True)
        if text_or_lack is not None and place < asked
    }
    if not read:
        raise MalformedError("no choice with a message")
    texts = {place: text for place, (text, _) in read.items()}
    usage = payload.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    total = usage.get("completion_tokens")
    if isinstance(total, int) and total >= 0 and len(texts) == len(choices):
        counts = _share(total, [len(text) for text in texts.values()])
    else:
        counts = [estimate_tokens(text) for text in texts.values()]
    counted = zip(texts.items(), counts, strict=True)
    return Reply(
        {place: Answer(text, count) for (place, text), count in counted},
        {place: lack for place, (_, lack) in read.items() if lack},
        prompt_tokens(usage),
    )


def _read_choice(choice: Any) -> tuple[str, str] | None:
    """Return a choice's text, and why it has none; None if the choice is not whole."""
    message = choice.get("message") if isinstance(choice, dict) else None
    ended = str(choice.get("finish_reason") or "").lower() if isinstance(choice, dict) else ""
    if any(word in ended for word in _FILTERED):
        # What there is of it was cut by the filter, and is no answer of the model.
        return "", FILTERED
    if not isinstance(message, dict) or ended in _BROKEN or choice.get("error"):
        return None
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(map(_text_of_part, content))
    if not isinstance(content, str):
        if content is not None or not ended:
            return None
        content = ""
    # Half a surrogate pair is no character, and no file takes it.
    text = content.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    # The fields for reasoning (`reasoning_content`, `reasoning`) are no part of the answer.
    return text, REASONING if ended in _LENGTH and not text.strip() else ""


def _text_of_part(part: Any) -> str:
    """Return the text of a part of an answer, "" for one of another kind, such as thinking."""
    if isinstance(part, str):
        return part
    if not isinstance(part, dict) or part.get("type", "text") not in ("text", "output_text"):
        return ""
    text = part.get("text")
    return text if isinstance(text, str) else ""


def _is_blocked(payload: Any) -> bool:
    """Whether a reply without choices says that a filter refused the prompt."""
    feedback = [payload.get(name) for name in _FEEDBACK] if isinstance(payload, dict) else []
    return any(
        isinstance(said, dict) and (said.get("blockReason") or said.get("block_reason"))
        for said in feedback
    )


def usage_of(payload: Any) -> tuple[int | None, int | None]:
    """Return the tokens read and written that a reply counts, an error's too; None if unknown."""
    usage = payload.get("usage") if isinstance(payload, dict) else None
    if not isinstance(usage, dict):
        return None, None
    read = prompt_tokens(usage)
    written, total = (_count_of(usage.get(name)) for name in ("completion_tokens", "total_tokens"))
    if written is not None and total is not None and read:
        # Some leave reasoning out of what was written, and bill it.
        written = max(written, total - read)
    return read or None, written


def _count_of(value: Any) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None


def prompt_tokens(usage: dict[str, Any]) -> int:
    """Return the tokens of a prompt, those that the server had kept from before included."""
    counted = usage.get("prompt_tokens")
    details = usage.get("prompt_tokens_details")
    kept = details.get("cached_tokens") if isinstance(details, dict) else None
    counted, kept = (n if isinstance(n, int) else 0 for n in (counted, kept))
    # Most servers count them in; where there are more, they were left out.
    return counted + kept if kept > counted else counted


def _share(total: int, weights: Sequence[int]) -> list[int]:
    """Return integers that add up to `total`, nearly proportional to `weights`."""
    whole = sum(weights)
    if whole == 0:
        weights, whole = [1] * len(weights), len(weights)
    ends = [total * end // whole for end in itertools.accumulate(weights)]
    return [end - start for start, end in itertools.pairwise([0, *ends])]


def same_model(asked: str, listed: str) -> bool:
    """Whether a list of models means the model asked for, in another spelling.

    Gemini lists NAME as models/NAME, and Ollama as NAME:latest.
    """
    return _plain(asked) == _plain(listed)


def _plain(name: str) -> str:
    return name.removeprefix("models/").removesuffix(":latest").casefold()


def context_of(model: str, listing: list[dict[str, Any]]) -> int | None:
    """Return the length of a model's context from a server's list of models, if it says."""
    for entry in listing:
        if same_model(model, str(entry["id"])):
            meta = entry.get("meta")
            places = [entry, meta] if isinstance(meta, dict) else [entry]
            for said in (place.get(field) for field in _CONTEXT for place in places):
                if isinstance(said, int) and said > 0:
                    return said
    return None


@functools.cache
def encoding(model: str) -> Any:
    """Return tiktoken's encoding of a model, or None without it."""
    try:
        return importlib.import_module("tiktoken").encoding_for_model(model)
    except (ImportError, KeyError, OSError):
        # Without tiktoken, not one of OpenAI's models, or its table cannot be fetched.
        return None
