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
# No waiting mends these.
_NO_CREDIT = re.compile(
    r"insufficient[_ ](quota|balance|credit|funds)|exceeded_current_quota|credit balance is too low"
    r"|billing[_ ](hard[_ ]limit|not[_ ]active)|余额不足|欠费|arrearage|past invoices",
    re.I,
)
# These do, where a server says so, as services speak of billing in a limit a minute as well.
_PERHAPS_NO_CREDIT = re.compile(r"billing|exceeded your current quota", re.I)
_RATE = re.compile(r"resource_?exhausted|rate[_ ]?limit|too many requests|throttl", re.I)
_CONTEXT = re.compile(
    r"context[ _](length|window|size)|maximum context|(prompt|input) is too long|too many tokens"
    r"|exceeds? the (available|maximum|model)|reduce (the length|your message)"
    r"|must have less than \d+ tokens|too large to process|exceeding max \d+ tokens"
    r"|maximum prompt length|input length should|model token limit|max_new_tokens. must be <=",
    re.I,
)
# Then it is not the length of the prompt that exceeds a maximum.
_FIELDS = ("n", "temperature", "top_p", "seed")
_FIELD_EXCEEDS = re.compile(rf"\b({'|'.join(_FIELDS)})[\"'`]? (\S+ )?exceeds", re.I)
# Some services refuse a key with status 400.
_KEY = re.compile(
    r"(incorrect|invalid|unknown|missing|no) (x-)?api[ _-]?key"
    r"|api[ _-]?key[ _](is )?(not valid|invalid|expired)",
    re.I,
)
# A request that is more than a minute's share: less may be asked for at once.
_TOO_MUCH = re.compile(r"request too large|tokens must be reduced", re.I)
_BATCH = re.compile(
    r"batch size|batches|in (one )?batch|too many (inputs|texts)|number of (inputs|texts)"
    r"|per request|too many tokens overall",
    re.I,
)
_ROLE = re.compile(
    r"system (role|message|prompt|instruction)|developer (role|message|instruction)"
    r"|roles? must alternate|does not support ['\"`](system|developer)|messages\[\d+\]\.role"
    r"|only user(,| and)|(supported|unsupported|unknown|invalid|unexpected) (message )?role"
    r"|role ['\"`]?(system|developer)|jinja|template ?error|raise_exception",
    re.I,
)
_FILTERED = re.compile(
    r"content[_ ]?filter|ResponsibleAIPolicy|content management policy|content exists risk"
    r"|data_?inspection_?failed|inappropriate content|prohibited[_ ]content|invalid_prompt"
    r"|requires? moderation|flagged as|content violates|safety[_ ](system|filter|check|reasons)"
    r"|considered high risk|不安全|敏感",
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
        if self.is_context or self.is_role or self.is_no_credit or self.is_key:
            return False
        return self.status in _AGAIN or (self.status >= 500 and self.status not in _NEVER)

    @property
    def is_no_credit(self) -> bool:
        """Whether the account has nothing left to spend."""
        if self.status == 402 or (400 <= self.status < 500 and _NO_CREDIT.search(self.text)):
            return True
        says_when = self.retry_after is not None or _RATE.search(self.text)
        return self.status == 429 and not says_when and bool(_PERHAPS_NO_CREDIT.search(self.text))

    @property
    def is_key(self) -> bool:
        """Whether the key is refused."""
        return self.status == 401 or (self.status == 400 and bool(_KEY.search(self.text)))

    @property
    def is_page(self) -> bool:
        """Whether what came is a page for a browser."""
        return self.kind == "malformed" and "<html" in self.text.lower()

    @property
    def is_context(self) -> bool:
        """Whether the request is too long for the model."""
        if self.is_too_much:
            return True
        if self.param in _FIELDS or _FIELD_EXCEEDS.search(self.text):
            return False
        return self.status in (400, 413, 422, 500) and bool(_CONTEXT.search(self.text))

    @property
    def is_too_much(self) -> bool:
        """Whether the request is more than the service allows in a minute."""
        return self.status in (413, 429) and bool(_TOO_MUCH.search(self.text))

    @property
    def is_batch(self) -> bool:
        """Whether there are too many texts in one request, though each may be short enough."""
        if "too large to process" in self.text:
            # By its batch llama.cpp means the tokens of one text.
            return False
        return self.status in (400, 413, 422) and bool(_BATCH.search(self.text))

    @property
    def is_role(self) -> bool:
        """Whether the model takes no system message."""
        return self.status in (400, 422, 424, 500) and bool(_ROLE.search(self.text))

    @property
    def is_filtered(self) -> bool:
        """Whether a content filter refuses the prompt, or what was written to it."""
        return self.status in (400, 403, 422, 451) and bool(_FILTERED.search(self.text))

    def names(self, field: str) -> bool:
        """Whether the server complains about one field of the request."""
        if self.status not in (400, 422) or self.is_context:
            return False
        named = rf"[\"'`]{field}[\"'`]|\b{field} (must|value|parameter|exceeds)\b|\b{field} ?= ?\d"
        return self.param == field or bool(re.search(named, self.text))

    @property
    def said(self) -> str:
        """What is shown of the server's words."""
        return self.text if len(self.text) <= 400 else self.text[:400] + "..."

    def __str__(self) -> str:
        said = f": {self.said}" if self.text else ""
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
