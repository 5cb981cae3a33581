"""The first sentence of an answer, by the rule of a version.

A rule never changes once it is out: a run keeps the one it was made with, by its number. A
better one is a file of its own beside the others, and a line here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lwdstats.simulate.models.sentence_rules import first, second


@dataclass(frozen=True)
class SentenceRule:
    """One version of the rule: the first sentence of a text, and whether it is complete."""

    first_sentence: Callable[[str], str]
    has_first_sentence: Callable[[str], bool]


RULES = {
    1: SentenceRule(first.first_sentence, first.has_first_sentence),
    2: SentenceRule(second.first_sentence, second.has_first_sentence),
}
NEWEST = max(RULES)
first_sentence = RULES[NEWEST].first_sentence
has_first_sentence = RULES[NEWEST].has_first_sentence
