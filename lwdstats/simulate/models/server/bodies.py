"""What servers say of a request that failed, in the shapes that they give it."""

from __future__ import annotations

import json
import re
from typing import Any

# Words in place of a status, where a reply with status 200 holds an error.
_STATUS_OF = {
    401: r"invalid_api_key|authentication|unauthori[sz]ed|unauthenticated",
    402: r"insufficient_quota|payment_required|insufficient_balance",
    403: r"permission_denied|forbidden|moderation",
    404: r"model_not_found|not_found",
    408: r"timeout",
    429: r"rate_?limit|resource_?exhausted|too_many_requests|throttl",
    400: r"bad_?request|invalid_?(request|argument)|context_length|content_filter|unsupported_",
    503: r"overloaded|unavailable|server_error|internal|api_error|upstream|provider",
}
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(
    r"(\d+(?:\.\d+)?)\s*(ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hours?|d|days?)"
    r"(?![a-z])\s*(?:,|and)?\s*",
    re.I,
)
_COME_BACK = re.compile(
    r"\b(?:(?:try again|retry)(?: your request)?\s+(?:in|after)|wait(?: for)?|resets? (?:in|after))"
    r"\s+(?:about\s+)?",
    re.I,
)


def unwrapped(body: Any) -> Any:
    """Return the error itself from what surrounds it: a list of one, a field "error"."""
    while True:
        if isinstance(body, list) and len(body) == 1:
            body = body[0]
        elif isinstance(body, dict) and isinstance(body.get("error"), dict):
            body = body["error"]
        else:
            return body


def message(body: Any) -> str:
    """Return what an error's body says, with its codes."""
    body = unwrapped(body)
    if not isinstance(body, dict):
        return "" if body is None else body if isinstance(body, str) else json.dumps(body)
    said = body.get("message") or body.get("detail") or body.get("error")
    if said is None:
        return json.dumps(body)
    inner, meta = body.get("innererror"), body.get("metadata")
    parts = [said, *(body.get(field) for field in ("code", "type", "status", "param"))]
    if isinstance(inner, dict):
        parts.append(inner.get("code"))
    if isinstance(meta, dict):
        # A service that passes requests on shows what the other server said.
        parts += [meta.get("provider_name"), meta.get("raw"), meta.get("reasons")]
    texts = [part if isinstance(part, str) else json.dumps(part) for part in parts if part]
    return " ".join(dict.fromkeys(texts))


def param(body: Any) -> str:
    """Return the field of the request that an error blames, if it names one."""
    body = unwrapped(body)
    return str(body.get("param") or "") if isinstance(body, dict) else ""


def error_inside(payload: Any) -> tuple[Any, int] | None:
    """Return the error, and its status, that a reply with status 200 holds in an answer's place.

    The status is 0 where the error has no code that could be read as one.
    """
    if not isinstance(payload, dict):
        return None
    choices = payload.get("choices")
    if payload.get("error"):
        # Where it is no more than words, what stands beside them may hold the code.
        error = payload["error"] if isinstance(payload["error"], dict) else payload
    elif payload.get("object") == "error":
        error = payload
    elif isinstance(choices, list) and choices and all(map(_error_of, choices)):
        error = _error_of(choices[0])
    else:
        return None
    return error, _status(error)


def _error_of(choice: Any) -> Any:
    error = choice.get("error") if isinstance(choice, dict) else None
    return {"message": error} if isinstance(error, str) else error


def _status(error: dict[str, Any]) -> int:
    said = [error.get(field) for field in ("code", "status", "status_code", "type", "error")]
    numbers = [int(str(one)) for one in said if re.fullmatch(r"[45]\d\d", str(one))]
    if numbers:
        return numbers[0]
    words = " ".join(str(one) for one in said if one).replace(" ", "_")
    found = (status for status, named in _STATUS_OF.items() if re.search(named, words, re.I))
    return next(found, 0)


def seconds_to_wait(body: Any) -> float | None:
    """Return how long an error's body asks to wait: in Google's details, or in its text."""
    body = unwrapped(body)
    details = body.get("details") if isinstance(body, dict) else None
    for detail in details if isinstance(details, list) else []:
        delay = detail.get("retryDelay") if isinstance(detail, dict) else None
        if isinstance(delay, dict):
            delay = f"{delay.get('seconds', '')}s"
        if isinstance(delay, str) and (seconds := _duration(delay)) is not None:
            return seconds
    text = message(body)
    said = (_duration(text[found.end() :]) for found in _COME_BACK.finditer(text))
    return next((seconds for seconds in said if seconds is not None), None)


def _duration(text: str) -> float | None:
    """Return the seconds of a text that begins with a duration, such as 7m12.5s or 20 seconds."""
    total, end = 0.0, 0
    while part := _DURATION.match(text, end):
        unit = part[2].lower()
        # "ms", "milliseconds"; otherwise the first letter says it.
        total += float(part[1]) * _UNITS["ms" if unit.startswith(("ms", "mil")) else unit[0]]
        end = part.end()
    return total if end else None
