"""Models and embedders of GGUF files, by names such as "gguf:PATH"."""

from __future__ import annotations

from lwdstats.errors import InputError
from lwdstats.simulate.models.gguf.embedder import GgufEmbedder
from lwdstats.simulate.models.gguf.engine import Engine
from lwdstats.simulate.models.gguf.files import locate
from lwdstats.simulate.models.gguf.header import Header, read_header
from lwdstats.simulate.models.gguf.model import GgufModel
from lwdstats.simulate.models.gguf.tokenizer import GgufTokenizer
from lwdstats.simulate.models.local.rendering import encode
from lwdstats.simulate.models.protocol import Backend, ModelFacts


class GgufBackend(Backend):
    """Names that begin with ``"gguf:"``."""

    def check(self, name: str, argument: str) -> None:
        """Raise for a file that is not there, or of another kind."""
        _header(name, argument)

    def facts(self, name: str) -> ModelFacts:
        """Return what the file's header says; its weights are not read."""
        header = _header(name, "models")
        tokenizer = GgufTokenizer(Engine(header, name=name, argument="models"))
        return ModelFacts(
            lambda prompt: len(encode(tokenizer, prompt)),
            "tokenizer",
            header.context,
            float(header.weights),
            header.cache_per_token,
        )

    def load_model(self, name: str) -> GgufModel:
        """Return the language model of that name."""
        return GgufModel(name, _header(name, "models"))

    def load_embedder(self, name: str, *, normalize: bool) -> GgufEmbedder:
        """Return the embedder of that name."""
        return GgufEmbedder(name, _header(name, "embedder"), normalize=normalize)


def _header(name: str, argument: str) -> Header:
    header = read_header(locate(name, argument=argument), name=name, argument=argument)
    if header.pools != (argument == "embedder"):
        kind, takes = (
            ("an embedding", "a language") if header.pools else ("a language", "an embedding")
        )
        raise InputError(argument, f"{name!r} ({kind} model)", f"the file of {takes} model")
    return header
