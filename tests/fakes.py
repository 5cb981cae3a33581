"""Tiny models whose answers depend on all that they are given, and that count their calls."""

import hashlib

import numpy as np

from lwdstats.simulate.models.protocol import Answer

WORDS = ["coins", "rise", "fall", "soon", "never", "banks", "gold", "trust", "law", "tax", "hope"]


class Writer:
    """Writes a sentence out of the digest of prompt, seed and row."""

    context_length = None

    def __init__(self, name="writer", *, fail_at=None, error=None, say=None):
        self.name, self.calls, self.answers = name, 0, 0
        self.fail_at, self.error, self.say = fail_at, error, say
        self.prompts = []

    def count_tokens(self, prompt):
        return len(prompt.plain.split())

    def generate(self, prompt, n, *, seed, sampling, stop=None):
        if self.calls == self.fail_at:
            assert self.error is not None
            raise self.error
        self.calls += 1
        self.answers += n
        self.prompts.append(prompt)
        if self.say is not None:
            return [Answer(self.say(prompt, seed, row), 1) for row in range(n)]
        return [Answer(self._sentence(prompt, seed, row), 6) for row in range(n)]

    def _sentence(self, prompt, seed, row):
        digest = hashlib.sha256(f"{self.name}|{prompt}|{seed}|{row}".encode()).digest()
        return " ".join(WORDS[byte % len(WORDS)] for byte in digest[:6]) + ". And more"


class Hasher:
    """Maps a text to four numbers out of its digest."""

    def __init__(self):
        self.texts = []

    def embed(self, texts):
        self.texts += texts
        rows = [np.frombuffer(hashlib.sha256(t.encode()).digest()[:8], "<u2") for t in texts]
        return np.stack(rows).astype(np.float32) / 2**16
