"""A sentence-transformers model of the BERT family as a GGUF file, made without torch."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np

from lwdstats.simulate.models.gguf.header import Value, write_gguf

# Names of tensors there and here, around the number of a layer.
_WHOLE = {
    "embeddings.word_embeddings.weight": "token_embd.weight",
    "embeddings.position_embeddings.weight": "position_embd.weight",
    "embeddings.token_type_embeddings.weight": "token_types.weight",
    "embeddings.LayerNorm.weight": "token_embd_norm.weight",
    "embeddings.LayerNorm.bias": "token_embd_norm.bias",
}
_OF_LAYER = {
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}
# A word of its own, a control word; and pooling by means, in the format's numbers.
_NORMAL, _CONTROL, _MEAN = 1, 3, 1


def convert(source: Path, target: Path) -> None:
    """Write the GGUF file of a folder, whose model pools by means and scales to length 1."""
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    reads = json.loads((source / "sentence_bert_config.json").read_text(encoding="utf-8"))
    length = int(reads["max_seq_length"])
    words = (source / "vocab.txt").read_text(encoding="utf-8").split("\n")[: config["vocab_size"]]
    number = {word: i for i, word in enumerate(words)}
    special = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}
    settings: dict[str, Value] = {
        "general.architecture": "bert",
        "general.name": source.parent.name,
        "general.file_type": 0,
        "bert.context_length": length,
        "bert.embedding_length": config["hidden_size"],
        "bert.feed_forward_length": config["intermediate_size"],
        "bert.block_count": config["num_hidden_layers"],
        "bert.attention.head_count": config["num_attention_heads"],
        "bert.attention.layer_norm_epsilon": float(config["layer_norm_eps"]),
        "bert.attention.causal": False,
        "bert.pooling_type": _MEAN,
        "lwdstats.normalize": True,
        "tokenizer.ggml.model": "bert",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.token_type_count": config["type_vocab_size"],
        # llama.cpp marks where words begin, not where they go on.
        "tokenizer.ggml.tokens": [_word(word, word in special) for word in words],
        "tokenizer.ggml.token_type": [_CONTROL if w in special else _NORMAL for w in words],
        "tokenizer.ggml.padding_token_id": number["[PAD]"],
        "tokenizer.ggml.unknown_token_id": number["[UNK]"],
        "tokenizer.ggml.cls_token_id": number["[CLS]"],
        "tokenizer.ggml.bos_token_id": number["[CLS]"],
        "tokenizer.ggml.seperator_token_id": number["[SEP]"],
        "tokenizer.ggml.mask_token_id": number["[MASK]"],
    }
    found = _safetensors(source / "model.safetensors")
    tensors = {here: found[there] for there, here in _WHOLE.items()}
    tensors["position_embd.weight"] = tensors["position_embd.weight"][:length]
    for layer in range(config["num_hidden_layers"]):
        for there, here in _OF_LAYER.items():
            for kind in ("weight", "bias"):
                name = f"encoder.layer.{layer}.{there}.{kind}"
                tensors[f"blk.{layer}.{here}.{kind}"] = found[name]
    write_gguf(target, settings, tensors)


def _word(word: str, special: bool) -> str:
    if special:
        return word
    return word.removeprefix("##") if word.startswith("##") else f"▁{word}"


def _safetensors(path: Path) -> dict[str, np.ndarray]:
    """Return the float32 tensors of a file."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        infos = json.loads(file.read(length))
    body = np.memmap(path, "u1", "r", offset=8 + length)
    return {
        name: body[slice(*info["data_offsets"])].view("<f4").reshape(info["shape"])
        for name, info in infos.items()
        if name != "__metadata__" and info["dtype"] == "F32"
    }
