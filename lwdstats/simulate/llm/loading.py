"""From names to models that answer, and what their answers depend on besides the spec."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Mapping
from typing import Any

from lwdstats.simulate.llm.labels import REMOTE
from lwdstats.simulate.llm.lanes import lane_of
from lwdstats.simulate.models.local.packaged import locate
from lwdstats.simulate.models.protocol import Embedder, LanguageModel


def locate_all(models: Mapping[str, str | LanguageModel], embedder: str | Embedder) -> None:
    """Raise for a name that leads nowhere before anything, which may take minutes, is loaded."""
    for name, argument in (
        (embedder, "embedder"),
        *((model, "models") for model in models.values()),
    ):
        if isinstance(name, str) and not name.startswith(REMOTE):
            locate(name, argument=argument)


def load_models(named: Mapping[str, str | LanguageModel]) -> dict[str, LanguageModel]:
    """Return models by label; a name that occurs twice is loaded once."""
    loaded: dict[str, LanguageModel] = {}
    network: dict[str, LanguageModel] = {}
    for label, model in named.items():
        if isinstance(model, str):
            if model not in loaded:
                loaded[model] = _load(model)
            network[label] = loaded[model]
        else:
            network[label] = model
    return network


def load_embedder(embedder: str | Embedder, normalize: bool) -> Embedder:
    """Return the embedder that a name stands for."""
    if not isinstance(embedder, str):
        return embedder
    if embedder.startswith(REMOTE):
        from lwdstats.simulate.models.embedder import from_name

        return from_name(embedder, normalize=normalize)
    from lwdstats.simulate.models.embedder import SentenceEmbedder

    return SentenceEmbedder(embedder, normalize=normalize)


def backend(network: Mapping[str, LanguageModel], embedder: Embedder) -> dict[str, Any]:
    """Return what the same answers depend on besides the spec."""
    kept: dict[str, Any] = {"batch": "all responses of a model and step"}
    packages = ["torch", "transformers", "sentence-transformers"]
    packages += ["openai"] * any(map(lane_of, network.values()))
    for package in packages:
        try:
            kept[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    # Not what another part of the process may have loaded.
    here = {type(one).__name__ for one in (*network.values(), embedder)}
    if here & {"TransformersModel", "SentenceEmbedder"}:
        kept["threads"] = sys.modules["torch"].get_num_threads()
    for label, model in network.items():
        server = lane_of(model)
        kept[label] = (
            {"server": server}
            if server is not None
            else {
                "device": str(getattr(model, "device", "")),
                "dtype": str(getattr(model, "dtype", "")),
            }
        )
    remote = getattr(embedder, "endpoint", None)
    if remote is not None:
        kept["embedder"] = {"server": remote.base_url}
    return kept


def _load(name: str) -> LanguageModel:
    if name.startswith(REMOTE):
        from lwdstats.simulate.models.server.openai import from_name

        return from_name(name)
    from lwdstats.simulate.models.local.transformers import TransformersModel

    return TransformersModel(name)
