"""Where models come from: the table of back-ends, by the prefix of their names.

A new back-end is a file with its model and its `Backend`, and a line here.
"""

from __future__ import annotations

from lwdstats.simulate.models.gguf.backend import GgufBackend
from lwdstats.simulate.models.gguf.files import OLLAMA
from lwdstats.simulate.models.gguf.files import PACKAGE as GGUF_PACKAGE
from lwdstats.simulate.models.gguf.files import PREFIX as GGUF
from lwdstats.simulate.models.local.backend import LocalBackend
from lwdstats.simulate.models.local.packaged import PREFIX as PACKAGE
from lwdstats.simulate.models.protocol import Backend, LanguageModel, ModelFacts, optional_parts
from lwdstats.simulate.models.server.address import PREFIX as SERVER
from lwdstats.simulate.models.server.backend import ServerBackend
from lwdstats.simulate.models.text import PREFIX as TEXT
from lwdstats.simulate.models.text import TextBackend

BACKENDS: dict[str, Backend] = {
    # A folder or a hub name.
    "": LocalBackend(),
    PACKAGE: LocalBackend(),
    GGUF: GgufBackend(),
    GGUF_PACKAGE: GgufBackend(),
    OLLAMA: GgufBackend(),
    SERVER: ServerBackend(),
    TEXT: TextBackend(),
}


def prefix_of(name: str) -> str:
    """Return the prefix of a name, the longest that is known."""
    return max((prefix for prefix in BACKENDS if name.startswith(prefix)), key=len)


def backend_of(name: str) -> Backend:
    """Return the back-end that a name belongs to."""
    return BACKENDS[prefix_of(name)]


def facts_of(model: str | LanguageModel) -> ModelFacts:
    """Return what is known of a model without loading it or asking its server."""
    if isinstance(model, str):
        return backend_of(model).facts(model)
    if optional_parts(model).lane is not None:
        # Its context would be asked of the server.
        return ModelFacts(model.count_tokens, weights=0.0, cache_per_token=0.0)
    return ModelFacts(model.count_tokens, "tokenizer", model.context_length)
