"""What a model takes of memory, told from its files and its configuration."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lwdstats.simulate.models.local.packaged import locate

if TYPE_CHECKING:
    import torch

# Tensors of these types are read as the type that was asked for; packed ones stay.
_FLOATS = {"F64", "F32", "F16", "BF16"}
_PACKED = {"I64": 8, "U64": 8, "I32": 4, "U32": 4, "I16": 2, "U16": 2}


def files_of(name: str) -> Path | None:
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


def default_place(device: str | None = None) -> tuple[torch.device, torch.dtype]:
    """Return where a model runs, by default the GPU if there is one, and its type of numbers."""
    import torch

    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    return where, torch.float32 if where.type == "cpu" else torch.bfloat16


def weight_bytes(folder: Path, size: int) -> float:
    """Return the bytes of a model's weights, from the headers of its safetensors files.

    Parameters
    ----------
    folder : pathlib.Path
    size : int
        Bytes of a weight as it will be loaded.

    Returns
    -------
    float
        NaN where the files are of another kind, or not all here.
    """
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        # A folder may hold the same weights a second time in another layout.
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        paths = [folder / name for name in sorted(names)]
    elif (folder / "model.safetensors").is_file():
        paths = [folder / "model.safetensors"]
    else:
        paths = sorted(folder.glob("*.safetensors"))
    if not paths or not all(path.is_file() for path in paths):
        return math.nan
    total = 0
    for path in paths:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        for tensor in header.values():
            width = size if tensor["dtype"] in _FLOATS else _PACKED.get(tensor["dtype"], 1)
            total += width * math.prod(tensor["shape"])
    return float(total)


def cached_numbers(config: Mapping[str, Any]) -> float:
    """Return how many keys and values one token has over all layers.

    With sliding windows a long text holds fewer than that for each token.
    """
    try:
        heads = config["num_attention_heads"]
        key_heads = config.get("num_key_value_heads") or heads
        width = config.get("head_dim") or config["hidden_size"] // heads
        return 2.0 * config["num_hidden_layers"] * key_heads * width
    except KeyError:
        return math.nan


def working_numbers(
    config: Mapping[str, Any], prompts: Sequence[int], rows: int, new_tokens: int
) -> float:
    """Return the numbers that are held at once while a forward pass runs, roughly.

    Parameters
    ----------
    config : mapping
    prompts : sequence of int
        Tokens of each prompt, read one after another.
    rows : int
        Answers to each, written together.
    new_tokens : int
        Longest answer.
    """
    hidden = config.get("hidden_size", 0)
    inner = config.get("intermediate_size") or 4 * hidden
    heads = config.get("num_attention_heads", 0)
    longest = max(prompts, default=0)
    # A layer's input, its residual and queries, keys and values; gate, up and product.
    token = 6 * hidden + 3 * inner
    # The mask; capped scores are not fused.
    pairs = 1 + (3 * heads if config.get("attn_logit_softcapping") else 0)
    reading = longest * token + longest**2 * pairs
    scores = 3 * heads * (longest + new_tokens)
    # Logits, scaled, and their probabilities with a clock each.
    draws = 4 * config.get("vocab_size", 0)
    writing = len(prompts) * rows * (token + scores + draws)
    # Doubled, as copies and the allocator's leftovers come on top.
    return 2.0 * max(reading, writing)
