"""Models and embedders on the server of OPENAI_BASE_URL, by names such as "openai:MODEL"."""

from __future__ import annotations

from lwdstats.simulate.models.protocol import Backend, ModelFacts
from lwdstats.simulate.models.server.address import check_named
from lwdstats.simulate.models.server.embedder import EndpointEmbedder
from lwdstats.simulate.models.server.openai import OpenAIModel


class ServerBackend(Backend):
    """Names that begin with ``"openai:"``."""

    def check(self, name: str, argument: str) -> None:
        """Raise for a prefix without a model; the server is not asked."""
        check_named(argument, name)

    def facts(self, name: str) -> ModelFacts:
        """Return that it takes no memory here."""
        del name
        return ModelFacts(weights=0.0, cache_per_token=0.0)

    def load_model(self, name: str) -> OpenAIModel:
        """Return the language model that the server knows by the rest of the name."""
        return OpenAIModel(check_named("models", name))

    def load_embedder(self, name: str, *, normalize: bool) -> EndpointEmbedder:
        """Return the embedder that the server knows by the rest of the name."""
        return EndpointEmbedder(check_named("embedder", name), normalize=normalize)
