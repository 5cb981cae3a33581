"""Statistics for networks of language models that feed on each other's output.

The names that users call stand in ``__init__.pyi``, where type checkers look for them, and
are loaded when first used, so that ``import lwdstats`` stays light.
"""

import ast
import importlib
import sys
import warnings
from pathlib import Path
from typing import Any

from lwdstats.dataset.embeddings import embedders as _embedders
from lwdstats.version import __version__ as __version__

_HOMES = {
    alias.name: str(node.module)
    for node in ast.parse(Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8")).body
    if isinstance(node, ast.ImportFrom)
    for alias in node.names
}

__all__ = list(_HOMES)  # pyright: ignore[reportUnsupportedDunderAll]


# Names of before, and what they are called now.
_RENAMED = {"Convergence": "FitStatus"}


def __getattr__(name: str) -> Any:
    if name in _RENAMED:
        told = f"lwdstats.{name} is called lwdstats.{_RENAMED[name]}"
        warnings.warn(told, DeprecationWarning, stacklevel=2)
        return getattr(sys.modules[__name__], _RENAMED[name])
    if name not in _HOMES:
        raise AttributeError(f"module 'lwdstats' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def _load_embedder(name: str) -> Any:
    """Return the embedder of a name, for `as_results`, whose layer is below that of back-ends."""
    from lwdstats.simulate.models.backends import backend_of

    backend = backend_of(name)
    backend.check(name, "embedder")
    return backend.load_embedder(name, normalize=False)


_embedders.by_name = _load_embedder


def __dir__() -> list[str]:
    return sorted(__all__)
