"""How R's generic functions find their method."""

from __future__ import annotations

from typing import Any

from lwdstats.errors import InputError


def call(name: str, x: Any, *args: Any, **kwargs: Any) -> Any:
    """Return what the method `name` of a result `x` returns, or raise InputError."""
    method = getattr(x, name, None)
    if not callable(method):
        raise InputError("x", f"an object of type {type(x).__name__}", f"a result with {name}()")
    return method(*args, **kwargs)
