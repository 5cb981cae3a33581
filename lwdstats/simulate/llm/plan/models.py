"""What a model costs, told from its files: tokens, context, memory."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass

from lwdstats.simulate.llm.labels import REMOTE
from lwdstats.simulate.models.local.costs import cached_numbers, files_of, weight_bytes
from lwdstats.simulate.models.protocol import LanguageModel, Prompt

# English text has about four characters a token.
_CHARACTERS = 4


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a model that is not loaded.

    Attributes
    ----------
    count : callable
        From a prompt to its tokens.
    counted_by : str
        "tokenizer", or "estimate" where the tokenizer is not here.
    context : int or None
        Largest number of tokens of a prompt and its answer, None where unknown.
    weights : float
        Bytes of its weights here; NaN where unknown, 0 for a model on a server.
    cache_per_token : float
        Bytes of keys and values of one token; NaN or 0 likewise.
    """

    count: Callable[[Prompt], int]
    counted_by: str
    context: int | None
    weights: float = math.nan
    cache_per_token: float = math.nan


def facts_of(model: str | LanguageModel) -> ModelFacts:
    """Return what the files of a model say, or an estimate; nothing is loaded or asked."""
    if not isinstance(model, str):
        if str(getattr(model, "name", "")).startswith(REMOTE):
            # Its context would be asked of the server.
            return ModelFacts(model.count_tokens, "estimate", None, 0.0, 0.0)
        return ModelFacts(model.count_tokens, "tokenizer", model.context_length)
    if model.startswith(REMOTE):
        return ModelFacts(_estimate, "estimate", None, 0.0, 0.0)
    folder = files_of(model)
    if folder is None:
        return ModelFacts(_estimate, "estimate", None)
    from transformers import AutoTokenizer

    from lwdstats.simulate.models.local.rendering import encode

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config = config.get("text_config", config)
    context = config.get("max_position_embeddings")
    size = _bytes_of_a_number()
    return ModelFacts(
        lambda prompt: len(encode(tokenizer, prompt)),
        "tokenizer",
        None if context is None else int(context),
        weight_bytes(folder, size),
        cached_numbers(config) * size,
    )


def _estimate(prompt: Prompt) -> int:
    return math.ceil(len(prompt.plain) / _CHARACTERS)


def _bytes_of_a_number() -> int:
    """Return the size of a weight as `TransformersModel` loads it: float32 without a GPU."""
    import torch

    return 2 if torch.cuda.is_available() else 4
