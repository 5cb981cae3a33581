"""What replies of OpenAI's chat protocol hold, in the variants that servers have."""

from __future__ import annotations

import functools
import importlib
import itertools
from collections.abc import Sequence
from typing import Any

from lwdstats.simulate.models.protocol import Answer, estimate_tokens
from lwdstats.simulate.models.server.retry import MalformedError

# What servers call the length of a model's context in their list of models.
_CONTEXT = ("max_model_len", "context_length", "context_window", "max_context_length", "n_ctx")


def read_choices(payload: Any, asked: int) -> dict[int, Answer]:
    """Return the answers of a reply by their place; those that are not whole are left out.

    The reply counts the tokens of all its answers together. They are shared out
    by the lengths of the texts.
    """
    choices = payload.get("choices") if isinstance(payload, dict) else None
    if not isinstance(choices, list):
        raise MalformedError("no choices")
    said = [choice.get("index") if isinstance(choice, dict) else None for choice in choices]
    places = [place for place in said if isinstance(place, int)]
    # Some servers give every choice the index 0, or none.
    if sorted(places) != list(range(len(choices))):
        places = list(range(len(choices)))
    pairs = zip(places, map(_text, choices), strict=True)
    texts = {place: text for place, text in pairs if text is not None and place < asked}
    if not texts:
        raise MalformedError("no choice with a message")
    usage = payload.get("usage")
    total = usage.get("completion_tokens") if isinstance(usage, dict) else None
    if isinstance(total, int) and total >= 0 and len(texts) == len(choices):
        counts = _share(total, [len(text) for text in texts.values()])
    else:
        counts = [estimate_tokens(text) for text in texts.values()]
    counted = zip(texts.items(), counts, strict=True)
    return {place: Answer(text, count) for (place, text), count in counted}


def _text(choice: Any) -> str | None:
    """Return a choice's text, "" where the model ended without one, None if it is not whole."""
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        return None
    content = message.get("content")
    if isinstance(content, str):
        # Half a surrogate pair is no character, and no file takes it.
        return content.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return "" if content is None and isinstance(choice.get("finish_reason"), str) else None


def _share(total: int, weights: Sequence[int]) -> list[int]:
    """Return integers that add up to `total`, nearly proportional to `weights`."""
    whole = sum(weights)
    if whole == 0:
        weights, whole = [1] * len(weights), len(weights)
    ends = [total * end // whole for end in itertools.accumulate(weights)]
    return [end - start for start, end in itertools.pairwise([0, *ends])]


def context_of(model: str, listing: list[dict[str, Any]]) -> int | None:
    """Return the length of a model's context from a server's list of models, if it says."""
    for entry in listing:
        if entry["id"] == model:
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
