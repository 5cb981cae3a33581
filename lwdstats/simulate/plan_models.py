"""What a model costs, told from its files: tokens, context, memory."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lwdstats.simulate.llm_spec import REMOTE
from lwdstats.simulate.models.packaged import locate
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
    folder = _folder(model)
    if folder is None:
        return ModelFacts(_estimate, "estimate", None)
    from transformers import AutoTokenizer

    from lwdstats.simulate.models.rendering import encode

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config = config.get("text_config", config)
    context = config.get("max_position_embeddings")
    size = _bytes_of_a_number()
    return ModelFacts(
        lambda prompt: len(encode(tokenizer, prompt)),
        "tokenizer",
        None if context is None else int(context),
        _n_weights(folder) * size,
        _cached_numbers(config) * size,
    )


def _estimate(prompt: Prompt) -> int:
    return math.ceil(len(prompt.plain) / _CHARACTERS)


def _folder(name: str) -> Path | None:
    """Return the folder of a model's files, None for a hub name that is not cached here."""
    found = locate(name, argument="models")
    if isinstance(found, Path):
        return found
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(found, local_files_only=True))
    except LocalEntryNotFoundError:
        return None
    return folder if (folder / "config.json").is_file() else None


def _bytes_of_a_number() -> int:
    """Return the size of a weight as `TransformersModel` loads it: float32 without a GPU."""
    import torch

    return 2 if torch.cuda.is_available() else 4


def _n_weights(folder: Path) -> float:
    """Return the number of weights that the headers of the safetensors files tell of."""
    total = 0
    for path in folder.glob("*.safetensors"):
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        total += sum(math.prod(tensor["shape"]) for tensor in header.values())
    return total or math.nan


def _cached_numbers(config: dict[str, Any]) -> float:
    """Return the keys and values of one token over all layers; sliding windows hold fewer."""
    try:
        heads = config["num_attention_heads"]
        key_heads = config.get("num_key_value_heads") or heads
        width = config.get("head_dim") or config["hidden_size"] // heads
        return 2.0 * config["num_hidden_layers"] * key_heads * width
    except KeyError:
        return math.nan
