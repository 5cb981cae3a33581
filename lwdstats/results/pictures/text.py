"""Names from anywhere as a picture can show them."""

from __future__ import annotations

from collections.abc import Sequence

from lwdstats.dataset.text import printable

# Letters of a name before its middle is left out.
_MOST = 28


def plain(text: object) -> str:
    r"""Return a name in one line, with what would act on a screen spelled out.

    Examples
    --------
    >>> plain("two\nlines")
    'two lines'
    """
    return printable(" ".join(str(text).split()))


def shortened(names: Sequence[object], most: int = _MOST) -> list[str]:
    """Return names in one line each, cut where they are long, those that differ still distinct.

    The middle is left out, or more of the beginning where names differ by their ends.

    Examples
    --------
    >>> shortened(["short", "a name that is longer than all others are"])
    ['short', 'a name that is…all others are']
    >>> shortened(["some/model-a-instruct", "some/model-b-instruct"], 12)
    ['…l-a-instruct', '…l-b-instruct']
    """
    whole = [plain(name) for name in names]
    for head in (most // 2, most // 4, 0):
        tail = most - head
        cut = [n if len(n) <= most + 1 else f"{n[:head]}…{n[-tail:]}" for n in whole]
        if len(set(cut)) == len(set(whole)):
            return cut
    return shortened(whole, 2 * most)
