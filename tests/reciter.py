"""A real language model that recites: hand-set weights make each token follow another."""

import itertools
import json
from pathlib import Path

START, END, UNKNOWN = "<|assistant|>", "<|end|>", "?"
TEMPLATE = "{% for m in messages %}{{ m.content }} {% endfor %}" + START


def save_reciter(folder, tokens, *, template=TEMPLATE, special=()):
    """Save a model that writes `tokens`, all different, after START, and then ends."""
    # Here, as collecting the tests need not load them.
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    vocabulary = [UNKNOWN, END, START, *dict.fromkeys([*special, *tokens])]
    size = 64
    config = LlamaConfig(
        vocab_size=size, hidden_size=size, intermediate_size=8, num_hidden_layers=1,
        num_attention_heads=4, num_key_value_heads=4, max_position_embeddings=2048,
        bos_token_id=None, eos_token_id=1, pad_token_id=1, tie_word_embeddings=False,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        # A token is its own direction, and nothing between first and last layer changes it.
        model.model.embed_tokens.weight.copy_(torch.eye(size))
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        model.lm_head.weight.zero_()
        chain = [START, *tokens, END]
        for now, following in itertools.pairwise(chain):
            model.lm_head.weight[vocabulary.index(following), vocabulary.index(now)] = 5.0
    model.save_pretrained(folder)
    words = {word: i for i, word in enumerate(vocabulary)}
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
        "normalizer": None, "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": None,
        "decoder": {"type": "Fuse"},
        "model": {"type": "WordLevel", "vocab": words, "unk_token": UNKNOWN},
    }  # fmt: skip
    path = Path(folder) / "words.json"
    path.write_text(json.dumps(tokenizer), encoding="utf-8")
    fast = PreTrainedTokenizerFast(
        tokenizer_file=str(path), unk_token=UNKNOWN, eos_token=END, chat_template=template,
        additional_special_tokens=[START, *special],
    )  # fmt: skip
    fast.save_pretrained(folder)
    return str(folder)
