"""Embedders of GGUF files, through llama.cpp."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lwdstats.arrays import embed_each_once
from lwdstats.dataset.embeddings.long_texts import split_text
from lwdstats.simulate.models.gguf.engine import Engine
from lwdstats.simulate.models.gguf.header import CONTROL, Header
from lwdstats.simulate.models.protocol import text_prefix

# Longer texts take memory that grows with their square.
_MOST = 2048


class GgufEmbedder:
    """An embedding model of a GGUF file.

    Texts are read one at a time, so that a vector does not depend on other texts.

    Parameters
    ----------
    name : str
        What specifications call it.
    header : Header
        Of its file.
    normalize : bool
        Whether vectors are scaled to length 1.

    Raises
    ------
    InputError
        If llama.cpp is not installed or can't load it.
    """

    packages = ("xllamacpp",)

    def __init__(self, name: str, header: Header, *, normalize: bool) -> None:
        self.name = name
        # Whoever made the model may have it so in any case.
        self.normalize = normalize or bool(header.settings.get("lwdstats.normalize"))
        title = str(header.settings.get("general.name", "")).lower().replace(" ", "-")
        self.prefix = text_prefix(f"nomic-ai/{title}")
        self._most = min(header.context or _MOST, _MOST)
        self._control = set(header.words(CONTROL))
        self.engine = Engine(header, name=name, argument="embedder", embeds=True)
        self.engine.hold(self._most, 1)
        self.threads = self.engine.threads

    @property
    def reads(self) -> str:
        """How much of a text is read."""
        return f"{self._most} tokens"

    def too_long(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Return for each text whether it is longer than what is read, the prefix counted."""
        return np.array([len(self._tokens(text)) > self._most for text in texts], dtype=bool)

    def chunks(self, text: str) -> list[tuple[str, int]]:
        """Return a text in parts that are read whole, each with its number of tokens."""
        return split_text(text, lambda part: len(self._tokens(part)), self._most)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of `texts`, float32 of shape (len(texts), n_features).

        Raises
        ------
        RuntimeError
            If the model gives a number that is not finite.
        """
        return embed_each_once(self._embed, texts)

    def _tokens(self, text: str) -> list[int]:
        sent = {"content": self.prefix + text, "add_special": True, "parse_special": False}
        return list(self.engine.ask("/tokenize", sent)["tokens"])

    def _embed(self, texts: list[str]) -> NDArray[np.float32]:
        width = int(str(self.engine.header.own("embedding_length")))
        vectors = np.empty((len(texts), width), dtype=np.float32)
        for row, text in enumerate(texts):
            tokens = self._tokens(text)
            if len(tokens) > self._most:
                # What closes a text stays.
                closing = tokens[-1:] if tokens[-1] in self._control else []
                tokens = tokens[: self._most - len(closing)] + closing
            sent = {"content": tokens, "embd_normalize": -1}
            (answer,) = self.engine.ask("/embedding", sent)
            vectors[row] = np.asarray(answer["embedding"], dtype=np.float64).reshape(width)
            if not np.isfinite(vectors[row]).all():
                said = f"{self.name} gave numbers that are not finite for {text[:80]!r}"
                raise RuntimeError(said)
        if self.normalize:
            length = np.linalg.norm(vectors, axis=1, keepdims=True)
            vectors /= np.where(length == 0, 1, length)
        return vectors
