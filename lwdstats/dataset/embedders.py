"""Embedders by name, which a higher layer knows how to load."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _nobody(name: str) -> Any:
    raise LookupError(name)


# From a name to an embedder. The face of the package, which sees all layers, puts it here.
by_name: Callable[[str], Any] = _nobody
