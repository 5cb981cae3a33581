"""Where a server is."""

from __future__ import annotations

import ipaddress
import os
from urllib.parse import urlsplit

from lwdstats.errors import InputError

PUBLIC = "https://api.openai.com/v1"
# What a name of a model on a server begins with.
PREFIX = "openai:"


def check_named(argument: str, name: str) -> str:
    """Return the model of a name such as ``"openai:gpt-4o-mini"``."""
    model = name.removeprefix(PREFIX)
    if model == name or not model.strip():
        raise InputError(argument, name, "'openai:MODEL'")
    return model


def address(base_url: str | None) -> str:
    """Return the address given, or that of OPENAI_BASE_URL, or OpenAI's own."""
    given = base_url or os.environ.get("OPENAI_BASE_URL") or PUBLIC
    takes = "the address of a server, such as 'http://localhost:8000/v1'"
    if not isinstance(given, str):
        raise InputError("base_url", given, takes)
    if any(mark in given for mark in "@?#"):
        # Such parts may be secret, and an address is shown and kept.
        raise InputError("base_url", "an address with a password or a query (not shown)", takes)
    try:
        parts = urlsplit(given)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise InputError("base_url", given, takes)
    return given.rstrip("/")


def is_loopback(base_url: str) -> bool:
    """Whether a server runs on this machine."""
    host = urlsplit(base_url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
