"""The colour and the marker of each point, and what they mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lwdstats.errors import InputError
from lwdstats.results.pictures.covariates import Covariate
from lwdstats.results.pictures.style import GREY, MARKERS, MOST_LOOKS, colours, pairs

# A marker of what has none of its own; smaller than the others.
_DOT = "."


@dataclass(frozen=True)
class Key:
    """A block of a legend: its title, and a text, a colour and a marker a line."""

    title: str
    entries: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Looks:
    """How n points are drawn.

    Attributes
    ----------
    colors, markers : list of str
        Of each point.
    keys : tuple of Key
        What a legend says.
    amount : Covariate or None
        What a colour bar says.
    by_name : bool
        Whether each point has a look of its own, by its name.
    """

    colors: list[str]
    markers: list[str]
    keys: tuple[Key, ...] = ()
    amount: Covariate | None = None
    by_name: bool = False


def looks(
    labels: Sequence[str],
    color: Covariate | None = None,
    marker: Covariate | None = None,
    *,
    title: str = "model",
    markers: Sequence[str] = MARKERS,
) -> Looks:
    """Return how points are drawn: by covariates, or each in its own way if they are not many.

    Points that are too many to be told apart are grey, which says so; colours do not recur.
    """
    n = len(labels)
    if color is None and marker is None:
        if n > MOST_LOOKS:
            return Looks([GREY] * n, [markers[0]] * n)
        own = pairs(n, markers)
        entries = tuple((label, *pair) for label, pair in zip(labels, own, strict=True))
        return Looks([c for c, _ in own], [m for _, m in own], (Key(title, entries),), by_name=True)
    shown, keys = [markers[0]] * n, []
    hues = [colours()[0]] * n
    rest = _DOT if markers is MARKERS else markers[0]
    if color is not None and not color.is_text:
        hues = _shades(color)
    elif color is not None:
        # Colours alone are few; with markers of their own as well, groups may be more.
        most = len(colours()) if marker is not None else MOST_LOOKS
        own = pairs(most, markers) if marker is None else [(c, "s") for c in colours()]
        found = _groups(color, own, (GREY, rest if marker is None else "s"))
        hues = [found[v][0] for v in color.values]
        shown = shown if marker is not None else [found[v][1] for v in color.values]
        keys.append(_key(color, found))
    if marker is not None:
        if not marker.is_text:
            marker = _as_text(marker, len(markers))
        tint = colours()[0] if color is None else GREY
        found = _groups(marker, [(tint, m) for m in markers], (tint, rest))
        shown = [found[v][1] for v in marker.values]
        keys.append(_key(marker, found))
    amount = color if color is not None and not color.is_text else None
    return Looks(hues, shown, tuple(keys), amount)


def scale_of(amount: Covariate):
    """Return the norm and the map of colours of amounts or dates, as matplotlib has them."""
    from matplotlib import colormaps, rcParams
    from matplotlib.colors import Normalize

    values = numbers_of(amount)
    known = values[np.isfinite(values)]
    low, high = (known.min(), known.max()) if known.size else (0.0, 1.0)
    return Normalize(low, high if high > low else low + 1.0), colormaps[rcParams["image.cmap"]]


def numbers_of(amount: Covariate) -> np.ndarray:
    """Return amounts, or dates as matplotlib numbers them; NaN where there is none."""
    if amount.values.dtype.kind != "M":
        return amount.values
    from matplotlib.dates import date2num

    return np.where(np.isnat(amount.values), np.nan, date2num(amount.values))


def _shades(amount: Covariate) -> list[str]:
    from matplotlib.colors import to_hex

    norm, cmap = scale_of(amount)
    values = numbers_of(amount)
    return [to_hex(cmap(norm(v))) if np.isfinite(v) else GREY for v in values]


def _groups(
    by: Covariate, own: list[tuple[str, str]], rest: tuple[str, str]
) -> dict[str, tuple[str, str]]:
    """Return the look of each value, in order of the alphabet; the rarest share `rest`."""
    size = Counter(v for v in by.values if v)
    named = sorted(size, key=lambda v: (-size[v], v))
    if len(named) > len(own):
        named = named[: len(own) - 1]
    found = dict(zip(sorted(named), own, strict=False))
    return found | dict.fromkeys([*(v for v in sorted(size) if v not in found), ""], rest)


def _key(by: Covariate, found: dict[str, tuple[str, str]]) -> Key:
    present = set(by.values)
    rest = found[""]
    entries = [(v, *look) for v, look in found.items() if v and look != rest]
    more = [v for v, look in found.items() if v and look == rest]
    entries += [(f"{len(more)} others", *rest)] * bool(more)
    entries += [("not known", *rest)] * ("" in present and not more)
    return Key(by.name, tuple(entries))


def _as_text(by: Covariate, most: int) -> Covariate:
    """Return amounts of which there are few as the names of groups, in their own order."""
    values = numbers_of(by)
    known = np.unique(values[np.isfinite(values)])
    if len(known) > most:
        takes = f"a covariate of at most {most} different values; color takes more"
        raise InputError("marker", f"{by.name}, of {len(known)} different numbers", takes)
    texts = ["" if np.isnan(v) else f"{v:g}" for v in values]
    return Covariate(by.name, np.array(texts, dtype=object))
