"""From names to models that answer, and what their answers depend on besides the spec."""

from __future__ import annotations

import contextlib
import importlib.metadata
from collections.abc import Mapping
from typing import Any

from lwdstats.simulate.models.backends import backend_of
from lwdstats.simulate.models.protocol import (
    Embedder,
    LanguageModel,
    OptionalParts,
    optional_parts,
)


def locate_all(models: Mapping[str, str | LanguageModel], embedder: str | Embedder) -> None:
    """Raise for a name that leads nowhere before anything, which may take minutes, is loaded."""
    names = [(embedder, "embedder"), *((model, "models") for model in models.values())]
    for name, argument in names:
        if isinstance(name, str):
            backend_of(name).check(name, argument)


def load_models(named: Mapping[str, str | LanguageModel]) -> dict[str, LanguageModel]:
    """Return models by label; a name that occurs twice is loaded once."""
    names = dict.fromkeys(model for model in named.values() if isinstance(model, str))
    loaded = {name: backend_of(name).load_model(name) for name in names}
    return {
        label: loaded[model] if isinstance(model, str) else model for label, model in named.items()
    }


def load_embedder(embedder: str | Embedder, normalize: bool) -> Embedder:
    """Return the embedder that a name stands for."""
    if not isinstance(embedder, str):
        return embedder
    return backend_of(embedder).load_embedder(embedder, normalize=normalize)


def backend(network: Mapping[str, LanguageModel], embedder: Embedder) -> dict[str, Any]:
    """Return what the same answers depend on besides the spec."""
    models = {label: optional_parts(model) for label, model in network.items()}
    vectors = optional_parts(embedder)
    kept: dict[str, Any] = {"batch": "all responses of a model and step"}
    packages = ["torch", "transformers", "sentence-transformers"]
    packages += dict.fromkeys(package for has in models.values() for package in has.packages)
    for package in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            kept[package] = importlib.metadata.version(package)
    # Only of those that answer, not what another part of the process may have loaded.
    threads = [has.threads for has in (*models.values(), vectors) if has.threads is not None]
    if threads:
        kept["threads"] = threads[0]
    kept |= {label: _place(has) for label, has in models.items()}
    if vectors.lane is not None:
        kept["embedder"] = _place(vectors)
    return kept


def _place(has: OptionalParts) -> dict[str, str]:
    if has.lane is not None:
        return {"server": has.lane}
    return {"device": str(has.device), "dtype": str(has.dtype)}
