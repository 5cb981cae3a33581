"""From texts to vectors, through a server that speaks OpenAI's protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwdstats.arrays import embed_each_once
from lwdstats.errors import check_bool, check_integer
from lwdstats.simulate.models.protocol import text_prefix
from lwdstats.simulate.models.server import loop
from lwdstats.simulate.models.server.endpoint import OnServer
from lwdstats.simulate.models.server.retry import BackendError, MalformedError


class EndpointEmbedder(OnServer):
    """An embedding model behind a server that speaks OpenAI's protocol.

    Requests are sent again as those of `OpenAIModel` are.

    Parameters
    ----------
    model : str
        The name by which the server knows the model.
    base_url, api_key_env, concurrency, timeout, max_retries
        As for `OpenAIModel`.
    batch_size : int
        Texts in one request.
    prefix : str, optional
        Put before every text. By default what the model asks for: nomic's
        models get ``"clustering: "``, others nothing.
    normalize : bool
        Whether vectors are scaled to length 1. It rescales every distance, so
        it is stored with the results.
    max_characters : int, optional
        Longer texts are cut before they are sent, where the server refuses them.

    Raises
    ------
    InputError
        If an argument can't be used.

    Examples
    --------
    >>> EndpointEmbedder("nomic-ai/nomic-embed-text-v1.5", "http://localhost:8000/v1").prefix
    'clustering: '
    """

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        *,
        api_key_env: str = "OPENAI_API_KEY",
        concurrency: int = 4,
        timeout: float = 300.0,
        max_retries: int = 20,
        batch_size: int = 64,
        prefix: str | None = None,
        normalize: bool = False,
        max_characters: int | None = None,
    ) -> None:
        self.batch_size = check_integer("batch_size", batch_size, minimum=1)
        if max_characters is not None:
            check_integer("max_characters", max_characters, minimum=1)
        check_bool("normalize", normalize)
        super().__init__(
            model,
            base_url,
            api_key_env=api_key_env,
            concurrency=concurrency,
            timeout=timeout,
            max_retries=max_retries,
        )
        self.normalize, self.max_characters = normalize, max_characters
        self.prefix = text_prefix(model) if prefix is None else prefix

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of `texts`, float32 of shape (len(texts), n_features).

        Raises
        ------
        InputError
            If the server refuses the key, the model, or the length of a text.
        BackendError
            If the server keeps failing, numbers that are not finite included.
        """
        return embed_each_once(self._embed, texts)

    def _embed(self, texts: list[str]) -> NDArray[np.float32]:
        starts = range(0, len(texts), self.batch_size)
        batches = [texts[start : start + self.batch_size] for start in starts]
        parts = loop.run(loop.all_or_first_error([self._ask(batch) for batch in batches]))
        if not parts:
            return np.empty((0, 0), dtype=np.float32)
        if len({part.shape[1] for part in parts}) > 1:
            raise BackendError(f"{self.name} gave vectors of several lengths; use one model")
        vectors = np.concatenate(parts)
        if self.normalize:
            length = np.linalg.norm(vectors, axis=1, keepdims=True)
            vectors /= np.where(length == 0, 1, length)
        return vectors

    async def _ask(self, texts: Sequence[str]) -> NDArray[np.float32]:
        # Servers refuse an empty text.
        sent = [(self.prefix + text)[: self.max_characters] or " " for text in texts]
        return await self.endpoint.ask(
            lambda client: client.embeddings.with_raw_response.create(
                model=self.model, input=sent, encoding_format="float"
            ),
            lambda payload: _read_vectors(payload, len(sent)),
        )


def _read_vectors(payload: Any, asked: int) -> NDArray[np.float32]:
    """Return the vectors of a reply in the order of its texts, shape (asked, n_features)."""
    data = payload.get("data") if isinstance(payload, dict) else None
    if not isinstance(data, list) or len(data) != asked:
        raise MalformedError(f"not {asked} vectors")
    try:
        if sorted(entry["index"] for entry in data) == list(range(asked)):
            data = sorted(data, key=lambda entry: entry["index"])
        vectors = np.array([entry["embedding"] for entry in data], dtype=np.float32)
    except (KeyError, TypeError, ValueError):
        raise MalformedError("vectors that are not lists of numbers of one length") from None
    if vectors.ndim != 2 or not vectors.size or not np.isfinite(vectors).all():
        raise MalformedError("numbers that are not finite, or no numbers")
    return vectors
