"""Where the first sentence of an answer begins and ends: the second rule.

The query asks for exactly one sentence; models put something before it and go on after
it. What is dropped before: what agrees to answer ("Sure!"), announces ("Here is one sentence:"),
labels ("Answer:"), headings, and lines of bare markup. Marks of lists, quotation marks and emphasis
around the sentence are kept. Where nothing follows them, such words are the answer.

The sentence ends at a stop of any script, with the quotes, brackets, footnotes and
markup that close there; or at the end of its line. A stop is no end after an abbreviation
that belongs to what follows, inside brackets or a quotation that began within the sentence,
nor where a quotation is followed by who said it.
"""

from __future__ import annotations

import re
import unicodedata

from lwdstats.dataset.answer_text import without_markup
from lwdstats.simulate.models.sentence_rules import words as known

# Stops that end a sentence whatever follows, and those that need white space behind them.
_FULL = "。！？｡।॥۔։።፧፨။។៕"
_STOP = re.compile(
    rf"[{_FULL}]+|፡፡|．+(?!\d|[０-９])|[.!?…‽؟](?:[.!?…‽؟]| (?=\.(?:\s|$)))*"
    r"|[;:](?=[^\w\s]*(?:\s|\Z))"
    r"|(?<=[\u0f40-\u0fbc])། |[\n\r\u2028\u2029]"
)
_LINE_ENDS = "\n\r\u2028\u2029"
_CLOSERS = re.compile(
    r"(?:[\"'”’)\]»›«“」』）】》*_~`¹²³⁰-⁹\ufe0f\u200d\u2600-\u27bf\U0001f000-\U0001faff]"
    r"|\[\^?\d+\]|</\w+>|<sup>\d+</sup>|<br ?/?>|(?:[ \u00a0\u202f](?=»)))+"
)
_BRACKETS = {"(": ")", "[": "]", "（": "）", "【": "】", "《": "》"}
_QUOTES = {"“": "”", "«": "»", "„": "“”", "»": "«", "”": "”", '"': '"'}
_QUOTES |= {"「": "」", "『": "』", "‹": "›"}
_OPENERS = {**_BRACKETS, **_QUOTES}
_NESTS = re.compile("[" + re.escape("".join({*_OPENERS, *"".join(_OPENERS.values())})) + "]")
_WORD_BEFORE = re.compile(r"(?:(?<![^\W\d_])[^\W\d_]\. ?)*[^\s.,;:()\[\]\"'“”„«»]+\Z")
_ORDINAL = re.compile(r"(?:(?P<before>[^\W\d_]+)\s+)?(?:\d{1,4}\.\s?)*\d{1,4}\Z")
_NEXT = re.compile(r"[ \t\u00a0]*(\S?)([^\W\d_]*)")
_LEADING = re.compile(r"[\s>*_#-]*")
_SCRIPTS = {";": re.compile(r"[\u0370-\u03ff\u1f00-\u1fff]"), ":": re.compile(r"[\u0531-\u0587]")}
_ROMAN = re.compile(r"[IVXL]{2,}")
_LIST_MARK = re.compile(r"\s*(?:[-*•+–]|\d)")
# Not the asterisk of a list, which has a space behind it.
_EMPHASIS = re.compile(r"\A(\*{1,3}|_{1,3}|~~|`)(?=\S)|(?<=\S)(\*{1,3}|_{1,3}|~~|`)\Z")
# A letter that numbers what follows it.
_LETTER_MARK = re.compile(r"\W{0,8}[^\W\d_]")
# Characters before a stop that are looked at, and after.
_NEAR = 60
# Open brackets and quotation marks that are followed.
_DEEPEST = 12
# Characters that a footnote or a tag may have.
_PENDING = 12


def _either(words: tuple[str, ...]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


_MARKS = r"[ \t>*_#\"“]{0,12}"
_PREAMBLE = re.compile(rf"\W*(?:{_either(known.PREAMBLES)})\W*\Z", re.IGNORECASE)
_ANNOUNCEMENT = re.compile(
    rf"{_MARKS}(?:(?:{_either(known.PREAMBLES)})[,，、!！.]?[ \t]{{0,4}})?"
    r"(?:(?:based|given) (?:on|that)[^:：.!?\n]{1,80}, {0,4})?"
    rf"(?:{_either(known.ANNOUNCERS)})[^:：.!?。！？\n]{{0,120}}[:：]",
    re.IGNORECASE,
)
_ANNOUNCED_LINE = re.compile(
    rf"\W{{0,12}}(?:{_either(known.ANNOUNCERS)}) [^\n]{{0,80}}"
    rf"\b(?:{_either(known.ANNOUNCED)})\b[^\n]{{0,60}}\Z",
    re.IGNORECASE,
)
_LABEL = re.compile(
    rf"{_MARKS}(?:{_either(known.LABELS)})[ *_]{{0,6}}[:：](?!\S{{0,40}}//)[*_]{{0,6}}",
    re.IGNORECASE,
)
# A heading in Markdown, or a line in bold without a stop.
_HEADING = re.compile(
    r"[>\s]{0,12}(?:#{1,6}\s.*|(\*\*|__)(?:(?!\1).)*[^*_.!?。！？]\1[*_\s]{0,12})", re.S
)


def _find(text: str, *, final: bool) -> tuple[int, int] | None:
    """Return where the first sentence begins and ends, None while that is open."""
    start = _skip_space(text, 0)
    while start < len(text):
        start = _after_announcement(text, start)
        found = _segment(text, start, final=final)
        if found is None:
            return None
        end, line = found
        segment, following = text[start:end], _skip_space(text, end)
        if _has_letters(segment) and not _says_nothing(segment, line=line):
            colon = line and segment.rstrip().endswith((":", "："))
            # A line that a colon ends announces what follows, unless that is a list.
            if colon and following == len(text) and not final:
                return None
            if not colon or _LIST_MARK.match(text, following):
                return start, end
        start = following
    return None


def _segment(text: str, start: int, *, final: bool) -> tuple[int, bool] | None:
    """Return where the sentence or line that begins at `start` ends, and whether as a line."""
    depth: list[int] = []  # places of what has been opened and not closed
    at, letters = start, False
    for stop in _STOP.finditer(text, start):
        script = _SCRIPTS.get(stop[0])
        if stop.start() < at or (
            script and not script.search(text, max(start, stop.start() - _NEAR), stop.start())
        ):
            continue
        _nest(text, at, stop.start(), depth)
        if stop[0] in _LINE_ENDS:
            return stop.start(), True
        closers = _CLOSERS.match(text, stop.end())
        end = closers.end() if closers else stop.end()
        letters = letters or _has_letters(text[at:end])
        opened = list(depth)
        _nest(text, stop.end(), end, depth)
        at = end
        numbers = stop[0] == "." and _LETTER_MARK.fullmatch(text, start, stop.start())
        if letters and not numbers:
            ends = _ends_sentence(text, start, stop, end, opened, depth, final=final)
            if ends is None:
                return None
            if ends:
                return end, False
    return (len(text), True) if final else None


def _ends_sentence(
    text: str,
    start: int,
    stop: re.Match[str],
    end: int,
    opened: list[int],
    depth: list[int],
    *,
    final: bool,
) -> bool | None:
    """Return whether a stop ends the sentence, None while what follows is not there yet.

    `opened` are places of what is open at the stop, `depth` behind what closes there.
    """
    first = _first_mark(text, start)
    if any(place > first for place in depth):
        return False
    full = stop[0][0] in _FULL + "፡．།"
    if end < len(text) and not (full or text[end].isspace()):
        return False
    if not final and text[end : end + 1] in ("[", "<") and len(text) - end < _PENDING:
        return None  # a footnote or a tag may be on its way
    follows = _NEXT.match(text, end)
    sign, word = (follows[1], follows[1] + follows[2]) if follows else ("", "")
    if not sign:
        # At the end of a line or of the answer there is nothing that could go on.
        return True if final or text[end:].lstrip(" \t\u00a0") else None
    closed = [place for place in opened if place not in depth]
    if any(text[p] in _BRACKETS and p > start for p in closed):
        return sign.isupper()
    if any(text[p] not in _BRACKETS for p in closed):
        return _after_quotation(first, stop[0], closed, sign)
    if full:
        return True
    before = text[max(start, stop.start() - _NEAR) : stop.start()]
    why = _abbreviation(before) if stop[0] == "." else ""
    if not final and (why or sign.islower()) and follows is not None and follows.end() == len(text):
        return None  # the next word, which decides, may not be whole
    if why:
        return not _goes_with(why, sign, word)
    return not _continues(text, first, stop[0], sign, word)


def _continues(text: str, first: int, stop: str, sign: str, word: str) -> bool:
    """Return whether a sentence goes on behind a stop, as it is followed by no capital."""
    if stop == "……" or (sign in "—–" and stop[-1] in "?!"):
        return True
    # Who begins in lower case goes on so; and names such as eToro begin in it.
    lower = sign.islower() and word.islower()
    return lower and (not text[first : first + 1].islower() or stop[0] in "…" or len(stop) > 1)


def _goes_with(why: str, sign: str, word: str) -> bool:
    """Return whether an abbreviation belongs to the word that follows."""
    if sign.islower() and word.islower():
        return True
    if why in ("number", "ordinal"):
        return sign.isdigit() or word in known.MONTHS
    if why == "letter":
        return word not in known.STARTERS
    if why == "capital":
        return not sign.isupper() or (len(word) > 1 and word.isupper())
    return True


def _after_quotation(first: int, stop: str, closed: list[int], sign: str) -> bool:
    """Return whether a quotation that ends with a stop ends the sentence, before `sign`."""
    if sign.islower() or sign in "—–-,，、":
        return False
    if stop[0] in "。．｡":
        return sign != "と"
    # Without capitals nothing tells a new sentence from who asked or exclaimed.
    caseless = unicodedata.category(sign) == "Lo"
    return not (caseless and stop[-1] in "?!؟？！" and closed[0] == first)


def _abbreviation(before: str) -> str:
    """Return why the dot behind `before` may be no end: open, number, ordinal, letter, capital."""
    ordinal = _ORDINAL.search(before)
    if ordinal:
        return "open" if ordinal["before"] in known.BEFORE_ORDINAL else "ordinal"
    match = _WORD_BEFORE.search(before)
    if not match:
        return ""
    word = match[0]
    tail = re.split(r"[. -]", word)[-1]
    plain = word.replace(".", "").replace(" ", "")
    lower = plain.lower()
    shape = plain.islower() or plain.istitle() or plain.upper() == plain
    if plain in known.CLOSING or tail in known.CLOSING:
        return "capital"
    if word == "M" or plain in known.OPEN or (lower in known.OPEN and shape and len(plain) > 1):
        return "open"
    if lower in known.NUMBERED or (len(word) > 3 and word.endswith(("str", "straße"))):
        return "number"
    if _ROMAN.fullmatch(word) or plain == "PhD":
        return "letter"
    if len(tail) == 1 and tail.isalpha():
        if unicodedata.category(tail) == "Lo":
            return "open"
        if tail.islower():
            # In "и т. д." the last may end a sentence; in "z. B." it does not.
            return "capital" if plain in ("тд", "тп") else "open"
        # Degrees and units end as words do.
        return "letter" if before[-2:-1] in ("", " ", ".", "(", "-", '"') else ""
    return ""


def _nest(text: str, start: int, end: int, depth: list[int]) -> None:
    """Follow brackets and quotation marks of text[start:end] in `depth`, places of what is open."""
    for match in _NESTS.finditer(text, start, end):
        sign, place = match[0], match.start()
        # The innermost that it can close, if any.
        own = next((p for p in reversed(depth) if sign in _OPENERS.get(text[p], "")), None)
        if own is not None:
            del depth[depth.index(own) :]
        elif (
            len(depth) < _DEEPEST
            and sign in _OPENERS
            and not (sign == '"' and text[place - 1 : place].isalnum())
        ):
            depth.append(place)


def _first_mark(text: str, start: int) -> int:
    """Return where the sentence begins behind marks of emphasis and lists."""
    match = _LEADING.match(text, start)
    return match.end() if match else start


def _after_announcement(text: str, start: int) -> int:
    """Return where what is announced or labelled begins, `start` where nothing is."""
    for pattern in (_ANNOUNCEMENT, _LABEL):
        match = pattern.match(text, start)
        start = _skip_space(text, match.end()) if match else start
    return start


def _says_nothing(segment: str, *, line: bool) -> bool:
    """Return whether a sentence or line only comes before the answer."""
    if _PREAMBLE.match(segment.replace(",", "").replace("、", "").replace("，", "")):
        return True
    return bool(_ANNOUNCED_LINE.match(segment) or (line and _HEADING.fullmatch(segment)))


def _skip_space(text: str, start: int) -> int:
    while start < len(text) and text[start].isspace():
        start += 1
    return start


def _has_letters(text: str) -> bool:
    return any(character.isalpha() for character in without_markup(text))


def _trimmed(sentence: str) -> str:
    """Return a sentence without a mark at one of its ends whose other half was cut off."""
    sentence = sentence.strip()
    for _ in range(3):
        for match in _EMPHASIS.finditer(sentence):
            mark = match[0]
            if sentence.count(mark[0]) % (2 * len(mark)):
                sentence = sentence.removeprefix(mark) if match[1] else sentence.removesuffix(mark)
                break
        else:
            break
    opening = sentence[:1]
    if opening in _QUOTES and not any(c in sentence[1:] for c in _QUOTES[opening]):
        sentence = sentence[1:]
    return sentence.strip()


def has_first_sentence(text: str) -> bool:
    """Return whether the first sentence of an unfinished text is complete."""
    return _find(text, final=False) is not None


def first_sentence(text: str) -> str:
    """Return the first sentence of `text`, or all of it where there is none.

    Examples
    --------
    >>> first_sentence("Sure! Here is one sentence: Dr. Sato expects 3.5% by Jan. 5.[1] So do I.")
    'Dr. Sato expects 3.5% by Jan. 5.[1]'
    >>> first_sentence('"Will it rise?" he asked. Nobody knew.')
    '"Will it rise?" he asked.'
    """
    found = _find(text, final=True)
    return _trimmed(text[slice(*found)]) if found else text.strip()
