"""What went wrong with a request, whether to send it again, and when."""

from __future__ import annotations

import email.utils
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass

FIRST_WAIT = 0.5
LONGEST_WAIT = 60.0
# A server may ask for longer waits than ours, up to this; beyond it a person should know.
LONGEST_ASKED = 3600.0

_AGAIN = {408, 409, 425, 429}
_NEVER = {501, 505}
_NO_CREDIT = re.compile(r"insufficient_quota|billing|exceeded your current quota", re.I)
_CONTEXT = re.compile(
    r"context[ _](length|window|size)|maximum context|prompt is too long|too many tokens"
    r"|exceeds? the (available|maximum|model)|input is too long|reduce the length",
    re.I,
)


class BackendError(RuntimeError):
    """A server that keeps failing, or refuses for a reason that no argument mends."""


class MalformedError(ValueError):
    """A reply that is not what the protocol says."""


@dataclass(frozen=True)
class Failure:
    """Why a request gave no answer. `text` is the server's, without the key.

    `kind` is "status", "timeout", "refused" (nobody listens, or no such host),
    "connection" (cut), or "malformed".
    """

    kind: str
    text: str = ""
    status: int = 0
    param: str = ""
    retry_after: float | None = None

    @property
    def passes(self) -> bool:
        """Whether the same request may succeed later."""
        if self.kind != "status":
            return True
        if self.status == 429:
            return not _NO_CREDIT.search(self.text)
        return self.status in _AGAIN or (self.status >= 500 and self.status not in _NEVER)

    @property
    def is_context(self) -> bool:
        """Whether the prompt and its answer are too long for the model."""
        return self.status in (400, 413, 422) and bool(_CONTEXT.search(self.text))

    def names(self, field: str) -> bool:
        """Whether the server complains about one field of the request."""
        if self.status not in (400, 422) or self.is_context:
            return False
        quoted = rf"[\"'`]{field}[\"'`]|\b{field} must\b"
        return self.param == field or bool(re.search(quoted, self.text))

    def __str__(self) -> str:
        said = f": {self.text}" if self.text else ""
        kinds = {
            "timeout": "no answer in time",
            "refused": "no connection",
            "connection": "the connection was cut",
            "malformed": "a reply that could not be read",
        }
        return kinds.get(self.kind, f"status {self.status}") + said


def wait_before(n_failures: int, failure: Failure, random_source: random.Random) -> float:
    """Return how many seconds to wait after the `n_failures`-th failure in a row.

    It doubles from half a second to a minute, less up to half of it by chance so
    that requests that failed together do not come back together; where the
    server says how long to wait, at least that.
    """
    longest = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(n_failures - 1, 30))
    wait = longest * random_source.uniform(0.5, 1)
    if failure.retry_after is None:
        return wait
    spread = random_source.uniform(0, min(1.0, failure.retry_after / 4))
    return max(wait, failure.retry_after + spread)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that a reply asks to wait, or None where it says nothing usable.

    Parameters
    ----------
    headers : mapping
        Of the reply, with names in lower case or any case-insensitive mapping.
    now : float
        Seconds since the epoch, used for a date where the reply has none of its own.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    said = headers.get("retry-after")
    seconds = _number(said)
    if seconds is not None or said is None:
        return seconds
    until = _timestamp(said)
    # By the server's clock if it shows it; ours may be wrong.
    start = _timestamp(headers.get("date")) or now
    return None if until is None else max(0.0, until - start)


def _number(said: str | None) -> float | None:
    try:
        number = float(said or "")
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None


def _timestamp(said: str | None) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(said or "").timestamp()
    except ValueError:
        return None
