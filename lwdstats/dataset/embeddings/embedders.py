"""Embedders by name, which a higher layer knows how to load."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _nobody(name: str) -> Any:
    raise LookupError(name)


# From a name to an embedder. The face of the package, which sees all layers, puts it here.
by_name: Callable[[str], Any] = _nobody


def loaded(embedder: Any) -> Any:
    """Return the embedder that a name stands for; anything else as it is."""
    return by_name(embedder) if isinstance(embedder, str) and embedder.strip() else embedder


def name_of(embedder: Any) -> str:
    """Return what results call an embedder."""
    name = getattr(embedder, "name", None)
    if isinstance(name, str):
        return name
    qualified = str(getattr(embedder, "__qualname__", type(embedder).__qualname__))
    return qualified.split(".<locals>.")[-1]
