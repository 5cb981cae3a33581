"""Models and embedders that run here, by a folder, a hub name, or "package:NAME"."""

from __future__ import annotations

import json

from lwdstats.simulate.models.local.costs import (
    cached_numbers,
    default_place,
    files_of,
    weight_bytes,
)
from lwdstats.simulate.models.local.embedder import SentenceEmbedder
from lwdstats.simulate.models.local.packaged import locate
from lwdstats.simulate.models.local.rendering import encode
from lwdstats.simulate.models.protocol import Backend, LanguageModel, ModelFacts


class LocalBackend(Backend):
    """Names of files that the transformers family reads."""

    def check(self, name: str, argument: str) -> None:
        """Raise for a folder or package that is not there; a packaged model is made ready."""
        locate(name, argument=argument)

    def facts(self, name: str) -> ModelFacts:
        """Return what the model's files say, if they are on this machine."""
        folder = files_of(name)
        if folder is None:
            return ModelFacts()
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config = config.get("text_config", config)
        _, dtype = default_place()
        return ModelFacts(
            lambda prompt: len(encode(tokenizer, prompt)),
            "tokenizer",
            config.get("max_position_embeddings"),
            weight_bytes(folder, dtype.itemsize),
            cached_numbers(config) * dtype.itemsize,
        )

    def load_model(self, name: str) -> LanguageModel:
        """Return the language model of that name."""
        # Here, so that a network on servers does not need torch.
        from lwdstats.simulate.models.local.transformers import TransformersModel

        return TransformersModel(name)

    def load_embedder(self, name: str, *, normalize: bool) -> SentenceEmbedder:
        """Return the embedder of that name."""
        return SentenceEmbedder(name, normalize=normalize)
