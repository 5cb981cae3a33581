"""Data inside a page: JSON that no text in it can end or change."""

from __future__ import annotations

import json
import re
from typing import Any

# In a script element < may begin its end tag or a comment; the others keep old readers right.
# Half of a surrogate pair has no UTF-8, and is JSON as an escape.
_ESCAPED = re.compile("[<>&\u2028\u2029\ud800-\udfff]")


def as_json(data: Any) -> str:
    r"""Return data as JSON that may stand in a script element, in UTF-8.

    Examples
    --------
    >>> as_json({"text": "</script>"})
    '{"text":"\\u003c/script\\u003e"}'
    """
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
