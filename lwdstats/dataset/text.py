"""Text from strangers: what a file can hold, and what a screen can show."""

from __future__ import annotations

import re
import unicodedata

# A netCDF string ends at its first NUL, and half of a surrogate pair has no UTF-8.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable(text: str) -> str:
    r"""Return `text` with the characters replaced that a netCDF file can't hold.

    NUL becomes U+2400, the symbol for it, and a lone surrogate U+FFFD, the replacement
    character. Everything else stays as it is.

    Examples
    --------
    >>> storable("a\x00b\x1b[2J")
    'a␀b\x1b[2J'
    """
    return _UNSTORABLE.sub(lambda match: "␀" if match[0] == "\x00" else "\ufffd", text)


def printable(text: str) -> str:
    r"""Return `text` with the characters spelled out that would act on a terminal.

    Control characters but for the line feed, marks that turn the direction of
    writing, and other invisible ones are shown as Python escapes them.

    Examples
    --------
    >>> printable("red: \x1b[31m\n\u202eabc")
    'red: \\x1b[31m\n\\u202eabc'
    """
    return "".join(
        character
        if character == "\n" or unicodedata.category(character) not in _ACTING
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


# Cc control, Cf format, Cs surrogate, Co private use, Cn unassigned, Zl and Zp separators.
_ACTING = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
