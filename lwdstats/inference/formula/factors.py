"""R's functions that make factors, or change them."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import reduce
from itertools import pairwise

import numpy as np

from lwdstats.arrays import FloatArray
from lwdstats.inference.formula.values import (
    Argument,
    Factor,
    Switch,
    UnusableError,
    Value,
    as_finite,
    as_numbers,
    as_switch,
    as_texts,
    is_text,
    merged,
    one_number,
    one_text,
)

LONGEST = 100_000
_BEFORE_LETTERS = " _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789"


def as_factor(x: Argument) -> Factor:
    """Return R's ``as.factor``: of what is no factor, its values in their order."""
    return x if isinstance(x, Factor) else factor(x)


def factor(
    x: Argument,
    levels: Argument = None,
    labels: Argument = None,
    *,
    ordered: Switch = None,
) -> Factor:
    """Return R's ``factor``: levels are what occurs in its order, unless they are given."""
    texts = as_texts(x)
    known = as_texts(levels) if levels is not None else _values(x, texts)
    if len(set(known)) < len(known):
        raise UnusableError("levels that differ")
    names = known if labels is None else as_texts(labels)
    if len(names) == 1 < len(known):
        names = [f"{names[0]}{i + 1}" for i in range(len(known))]
    if len(names) != len(known):
        raise UnusableError(f"one label, or one for each of {len(known)} levels")
    place = {level: code for code, level in enumerate(known)}
    as_before = isinstance(x, Factor) and x.ordered
    codes = np.array([place.get(text, -1) for text in texts], dtype=np.int64)
    return merged(codes, names, ordered=as_before if ordered is None else as_switch(ordered))


def _values(x: Argument, texts: Sequence[str | None]) -> Sequence[str | None]:
    """Return what occurs, in the order of levels, numbers or letters."""
    occurs = {text for text in texts if text is not None}
    if isinstance(x, Factor):
        return [level for level in x.levels if level in occurs]
    if is_text(x):
        return sorted(occurs, key=_in_a_lexicon)
    by_number = sorted(zip(as_numbers(x).tolist(), texts, strict=True))
    return list(dict.fromkeys(text for _, text in by_number if text is not None))


def _in_a_lexicon(text: str) -> tuple[list[int], str, str]:
    """Return what sorts text as R does but in the C locale: letters first, then accents, then case.

    Examples
    --------
    >>> sorted(["b", "B", "_", "a-1", "ab", "A", "é", "f", "10", "9"], key=_in_a_lexicon)
    ['_', '10', '9', 'A', 'a-1', 'ab', 'b', 'B', 'é', 'f']
    """
    parts = unicodedata.normalize("NFD", text).casefold()
    letters = [char for char in parts if not unicodedata.combining(char)]
    places = [ord(c) if (i := _BEFORE_LETTERS.find(c)) < 0 else i - 99 for c in letters]
    return places, parts, text.swapcase()


def as_ordered(x: Argument) -> Factor:
    """Return R's ``as.ordered``, without the levels that do not occur unless `x` is ordered."""
    return x if isinstance(x, Factor) and x.ordered else factor(x, ordered=True)


def droplevels(x: Argument) -> Factor:
    """Return a factor without the levels that do not occur."""
    if not isinstance(x, Factor):
        raise UnusableError("a factor; factor() makes one")
    return factor(x)


def relevel(x: Argument, ref: Argument) -> Factor:
    """Return a factor whose level `ref`, a name or place from 1, comes first."""
    if not isinstance(x, Factor) or x.ordered:
        raise UnusableError("an unordered factor; factor() makes one of text")
    places: dict[float, str] = dict(enumerate(x.levels, 1))
    name = one_text(ref) if is_text(ref) else places.get(one_number(ref))
    if name not in x.levels:
        raise UnusableError(f"one of the levels {', '.join(x.levels)}")
    first = x.levels.index(name)
    order = [first, *(i for i in range(len(x.levels)) if i != first)]
    moved = np.array([*np.argsort(order), -1], dtype=np.int64)[x.codes]
    return Factor(moved, tuple(x.levels[i] for i in order))


def interaction(
    *x: Argument,
    drop: Switch = False,
    sep: Argument = None,
    lex_order: Switch = False,
) -> Factor:
    """Return R's ``interaction``: a level for each combination of levels."""
    between = "." if sep is None else one_text(sep)
    if not x:
        raise UnusableError("one factor or more")

    def joined(one: Factor, other: Factor) -> Factor:
        # The first of them changes fastest, or, in the order of a lexicon, the last.
        a, b = len(one.levels), len(other.levels)
        codes = one.codes * b + other.codes if lex else one.codes + a * other.codes
        pairs = [(i, j) for i in range(a) for j in range(b)]
        pairs = pairs if lex else sorted(pairs, key=lambda pair: pair[::-1])
        labels = [f"{one.levels[i]}{between}{other.levels[j]}" for i, j in pairs]
        missing = (one.codes < 0) | (other.codes < 0)
        return merged(np.where(missing, -1, codes), labels)

    lex = as_switch(lex_order)
    every = reduce(joined, map(as_factor, x))
    return factor(every) if as_switch(drop) else every


def cut(
    x: Argument,
    breaks: Argument,
    labels: Argument = None,
    include_lowest: Switch = False,
    right: Switch = True,
    dig_lab: Argument = None,
    ordered_result: Switch = False,
) -> Value:
    """Return R's ``cut``: intervals of numbers, or their places where `labels` is FALSE."""
    values, at, closed_right = as_finite(x), as_numbers(breaks), as_switch(right)
    at = _equal_breaks(values, at[0]) if len(at) == 1 else np.sort(at)
    if not (np.diff(at) > 0).all():
        raise UnusableError("breaks that differ")
    codes = np.searchsorted(at, values, side="left" if closed_right else "right") - 1
    n = len(at) - 1
    if as_switch(include_lowest):
        codes[values == (at[0] if closed_right else at[-1])] = 0 if closed_right else n - 1
    codes[codes >= n] = -1
    if isinstance(labels, np.ndarray) and labels.dtype == bool and not as_switch(labels):
        return np.where(codes < 0, np.nan, codes + 1.0)
    if labels is None:
        digits = 3.0 if dig_lab is None else one_number(dig_lab)
        if not 0 <= digits <= 50:
            raise UnusableError("dig.lab from 0 to 50")
        names = _interval_names(at, int(digits), closed_right, as_switch(include_lowest))
    else:
        names = as_texts(labels)
    if len(names) != n:
        raise UnusableError(f"{n} labels, one for each interval")
    return merged(codes, names, ordered=as_switch(ordered_result))


def _equal_breaks(values: FloatArray, count: float) -> FloatArray:
    """Return breaks of intervals of one width, the outer ones moved out by a 1000th."""
    if not 2 <= count <= LONGEST:
        raise UnusableError(f"2 to {LONGEST} intervals")
    low, high = float(values.min()), float(values.max())
    width = high - low
    if width == 0:
        width = abs(low) or 1.0
        return steps(low - width / 1000, high + width / 1000, int(count) + 1)
    at = steps(low, high, int(count) + 1)
    at[[0, -1]] = low - width / 1000, high + width / 1000
    return at


def steps(first: float, last: float, n: int) -> FloatArray:
    """Return n numbers from the first to the last in equal steps, as R's ``seq``."""
    at = first + np.arange(n, dtype=np.float64) * ((last - first) / max(1, n - 1))
    at[-1] = last if n > 1 else first
    return at


def _interval_names(at: FloatArray, digits: int, right: bool, lowest: bool) -> list[str]:
    """Return names of intervals, with as many digits as tell the breaks apart."""
    for d in range(digits, max(12, digits) + 1):
        # The blank before Inf is R's.
        shown = [f"{v:.{d}g}".replace("-inf", "-Inf").replace("inf", " Inf") for v in at]
        if all(a != b for a, b in pairwise(shown)):
            break
    else:
        return [f"Range_{i + 1}" for i in range(len(at) - 1)]
    left, end = ("(", "]") if right else ("[", ")")
    names = [f"{left}{a},{b}{end}" for a, b in pairwise(shown)]
    if lowest and right:
        names[0] = "[" + names[0][1:]
    elif lowest:
        names[-1] = names[-1][:-1] + "]"
    return names
