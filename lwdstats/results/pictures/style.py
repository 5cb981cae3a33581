"""The style sheet of all figures, and what tells one series from another in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

SHEET = Path(__file__).with_name("lwdstats.mplstyle")
# Filled ones, which hold a colour; each is told from the one before it at the size of a dot.
MARKERS = "os^DvPX*"
DASHES = ("-", "--", ":", "-.")
# So many pairs of colour and marker, or of colour and dashes, are told apart in one picture.
MOST_LOOKS = 24
# What has no look of its own.
GREY = "0.6"


@contextmanager
def styled() -> Iterator[None]:
    """Draw by the package's style sheet, but for what the user has set; then all is as before.

    Examples
    --------
    >>> import matplotlib as mpl
    >>> with mpl.rc_context({"lines.linewidth": 9}), styled():
    ...     mpl.rcParams["lines.linewidth"], mpl.rcParams["axes.spines.top"]
    (9.0, False)
    >>> mpl.rcParams["axes.spines.top"]
    True
    """
    from matplotlib import rc_context, rc_params_from_file, rcParams, rcParamsDefault

    sheet = rc_params_from_file(SHEET, use_default_template=False)
    with rc_context({k: v for k, v in sheet.items() if rcParams[k] == rcParamsDefault[k]}):
        yield


def colours() -> list[str]:
    """Return the colours that the style in force goes through."""
    from matplotlib import rcParams
    from matplotlib.colors import to_hex

    return [to_hex(c) for c in rcParams["axes.prop_cycle"].by_key().get("color", ["black"])]


def colour(i: int) -> str:
    """Return the i-th colour of the style in force, as it stays when that style is left."""
    cycle = colours()
    return cycle[i % len(cycle)]


def pairs(n: int, others: Sequence[str] = MARKERS) -> list[tuple[str, str]]:
    """Return n pairs of a colour and a marker (or dashes), all distinct, for n that are not many.

    Both change from one to the next, so that a print without colours is read as well.
    """
    cycle = colours()
    return [
        (cycle[i % len(cycle)], others[(i % len(cycle) + i // len(cycle)) % len(others)])
        for i in range(n)
    ]
