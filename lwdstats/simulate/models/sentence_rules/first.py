"""Where the first sentence of an answer ends: the first rule, which runs made with it keep.

The query asks for exactly one sentence, and small models go on. The rule is
plain and language-neutral: a sentence ends at . ! ? or their full-width
forms, with closing quotes or brackets, when white space follows; or at the end
of a line. A dot after a known abbreviation or a lone initial does not end
one, nor does a line that a colon ends or that is a heading, which announces what follows;
and there is no sentence without a letter besides tags and fences.
"""

from __future__ import annotations

import re

from lwdstats.dataset.answer_text import without_markup

_END = re.compile(r"[.!?][.!?]*[\"'”’)\]»]*(?=\s)|[。！？][”’）」』]*|\n")
# Of a line: a colon at its end, or a heading in Markdown, which some write in bold.
_ANNOUNCED = re.compile(
    r".*[:：][*_\s]*\Z|\s*#{1,6}\s|\s*(\*\*|__)[^*_]*[^*_.!?。！？]\1\s*\Z", re.S
)
_NOT_AN_END = re.compile(
    r"(?:^|[\s(\"'“‘])(?:[A-Za-z]|(?:[A-Za-z]\.)+[A-Za-z]"
    r"|Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|etc|cf|approx|Inc|Ltd|Corp|Co|No|Fig)\.$"
)


def first_sentence_end(text: str) -> int | None:
    """Return where the first sentence of `text` ends, or None while it is open.

    A full stop at the very end of an unfinished text leaves it open, as the
    next token may be a digit.
    """
    start = len(text) - len(text.lstrip())
    for match in _END.finditer(text, start):
        end = match.end() - (match.group() == "\n")
        # A list number, a bullet or a tag is not yet a sentence.
        if not any(character.isalpha() for character in without_markup(text[start:end])):
            continue
        if match.group() == "\n" and _ANNOUNCED.match(text[:end].rstrip().rpartition("\n")[2]):
            continue
        if text[match.start()] == "." and _NOT_AN_END.search(text[:end]):
            continue
        return end
    return None


def has_first_sentence(text: str) -> bool:
    """Return whether the first sentence of an unfinished text is complete."""
    return first_sentence_end(text) is not None


def first_sentence(text: str) -> str:
    """Return the first sentence of `text`, or all of it where no end is found."""
    end = first_sentence_end(text)
    return text[:end].strip()
