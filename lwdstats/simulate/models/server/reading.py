"""Whether a server reads prompts whole: what it counts, against what a prompt must have."""

from __future__ import annotations

import re

# Every tokenizer parts them, or gives a few together; of other scripts without spaces some
# take a whole line for one unknown word.
_IDEOGRAPHS = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_REPEATED = re.compile(r"(.)\1+", re.DOTALL)
# No server cuts to less; a smaller count leaves out what was kept from before, or is none.
FEWEST = 64


def least_tokens(text: str) -> int:
    """Return a number of tokens that `text` has at least, whatever the tokenizer.

    A token ends where a word does, but for a few tokenizers whose tokens hold 1.2 words on
    average: three tokens for four words are fewer than any has. Of Chinese ideographs one
    token for six is, where a repeated one counts once.
    """
    n_ideographs = len(_IDEOGRAPHS.findall(_REPEATED.sub(r"\1", text)))
    n_words = len(_IDEOGRAPHS.sub("", text).split())
    return int(0.75 * n_words + n_ideographs / 6)


class Reading:
    """Compares the tokens that a server counts of prompts with what the prompts have.

    A prompt was cut where fewer tokens were counted than it has at least, or where prompts of
    very different lengths have the same count, and none has more.

    Attributes
    ----------
    cut : set of int
        Hashes of the prompts that were cut.
    """

    def __init__(self) -> None:
        self.cut: set[int] = set()
        self._most = 0
        # By count: the hash of each prompt, its characters and its least tokens.
        self._seen: dict[int, dict[int, tuple[int, int]]] = {}

    def note(self, text: str, counted: int) -> str:
        """Return what speaks for a cut of a prompt of which `counted` tokens were read, or ""."""
        if counted < FEWEST:
            return ""
        least = least_tokens(text)
        alike = self._seen.setdefault(counted, {})
        alike[hash(text)] = (len(text), least)
        self._most = max(self._most, counted)
        if counted < least:
            self.cut.add(hash(text))
            return f"it counts {counted} tokens of a prompt that has at least {least}"
        shortest = min(alike.values())
        longer = {
            key: size
            for key, size in tuple(alike.items())
            if all(one > 1.25 * short for one, short in zip(size, shortest, strict=True))
        }
        if counted < self._most or not longer:
            return ""
        longest = max(longer.values())
        doubled = all(one >= 2 * short for one, short in zip(longest, shortest, strict=True))
        if not doubled and len(alike) < 3:
            return ""
        self.cut |= set(longer)
        return (
            f"it counts {counted} tokens of a prompt with {shortest[0]} characters and of one "
            f"with {longest[0]}"
        )
