"""From texts to vectors, through a server that speaks OpenAI's protocol."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwdstats.arrays import embed_each_once
from lwdstats.dataset.embeddings.long_texts import split_text
from lwdstats.errors import InputError, check_bool, check_integer
from lwdstats.simulate.models.protocol import text_prefix
from lwdstats.simulate.models.server import loop
from lwdstats.simulate.models.server.chat import prompt_tokens
from lwdstats.simulate.models.server.endpoint import OnServer
from lwdstats.simulate.models.server.reading import FEWEST, least_tokens
from lwdstats.simulate.models.server.retry import BackendError, Failure, MalformedError

logger = logging.getLogger(__name__)
# How servers refuse a request with too many texts, in whatever words.
_TOO_MANY = (400, 413, 422, 429)


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
        Texts in one request; fewer where the server refuses so many.
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
        # The most texts that the server has been found to take at once.
        self._most = self.batch_size
        # What speaks for texts that were cut, and the words of a filter that refused one.
        self._cut = self._filtered = ""
        self._warned: set[str] = set()

    @property
    def reads(self) -> str:
        """How much of a text is sent; of what is sent, a server may still read a part."""
        return "any length" if self.max_characters is None else f"{self.max_characters} characters"

    def too_long(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Return for each text whether it is longer than `max_characters`, the prefix counted."""
        most = np.inf if self.max_characters is None else self.max_characters
        return np.array([len(self.prefix + text) > most for text in texts], dtype=bool)

    def chunks(self, text: str) -> list[tuple[str, int]]:
        """Return a text in parts that are read whole, each with its number of characters."""
        if self.max_characters is None:
            return [(text, 1)]
        return split_text(text, lambda part: len(self.prefix + part), self.max_characters)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of `texts`, float32 of shape (len(texts), n_features).

        A text that a content filter of the server refuses has NaN, and there is a warning.

        Raises
        ------
        InputError
            If the server refuses the key, the model, or the length of a text (then the error
            is about `max_characters`).
        BackendError
            If the server keeps failing, numbers that are not finite included.
        """
        return embed_each_once(self._embed, texts)

    def _embed(self, texts: list[str]) -> NDArray[np.float32]:
        if not texts:
            return np.empty((0, 0), dtype=np.float32)
        vectors = loop.run(self._ask_all(texts))
        if not vectors.shape[1]:
            # How many numbers a vector has, another text tells.
            vectors = loop.run(self._ask_all([*texts, "."]))[:-1]
        if not vectors.shape[1]:
            raise BackendError(f"{self.name} refuses all texts: {self._filtered}")
        if self._cut:
            self._warn(
                f"{self.name} seems to cut long texts without an error: {self._cut}. What is "
                "beyond counts for nothing in a vector; give max_characters, or another embedder",
                "cut",
            )
        if self._filtered:
            self._warn(
                f"a content filter of {self.name} refuses texts, which have no vectors, so that "
                f"such answers are missing: {self._filtered}",
                "filtered",
            )
        if self.normalize:
            length = np.linalg.norm(vectors, axis=1, keepdims=True)
            vectors /= np.where(length == 0, 1, length)
        return vectors

    def _warn(self, said: str, of: str) -> None:
        """Warn once of something."""
        if of not in self._warned:
            self._warned.add(of)
            logger.warning("%s", said)
            warnings.warn(said, stacklevel=3)

    async def _ask_all(self, texts: Sequence[str]) -> NDArray[np.float32]:
        starts = range(0, len(texts), self._most)
        batches = [texts[start : start + self._most] for start in starts]
        parts = await loop.all_or_first_error([self._ask(batch) for batch in batches])
        return self._join(parts)

    def _join(self, parts: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return all vectors; those of refused texts come without numbers, and are NaN."""
        lengths = {part.shape[1] for part in parts} - {0}
        if len(lengths) > 1:
            raise BackendError(f"{self.name} gave vectors of several lengths; use one model")
        nothing = np.full((1, max(lengths, default=0)), np.nan, dtype=np.float32)
        return np.concatenate([p if p.shape[1] else nothing.repeat(len(p), 0) for p in parts])

    async def _ask(self, texts: Sequence[str]) -> NDArray[np.float32]:
        # Servers refuse an empty text.
        sent = [(self.prefix + text)[: self.max_characters] or " " for text in texts]

        def read(payload: Any) -> NDArray[np.float32]:
            vectors = _read_vectors(payload, len(sent))
            usage = payload.get("usage")
            counted = prompt_tokens(usage) if isinstance(usage, dict) else 0
            least = sum(map(least_tokens, sent))
            if FEWEST <= counted < least:
                self._cut = f"it counts {counted} tokens of texts that have at least {least}"
            return vectors

        def adapt(failure: Failure) -> Failure:
            if failure.is_filtered:
                raise _FilteredError(failure.said)
            if failure.status == 500 and failure.passes and len(sent) > 1:
                raise _TooManyError
            lasting = failure.status not in _TOO_MANY or failure.is_no_credit
            if len(sent) > 1 and not lasting and (failure.is_batch or not failure.is_context):
                raise _TooManyError
            # Where others were taken it is this text, whatever the words.
            if failure.is_context or (len(sent) == 1 and not lasting and self.endpoint.answered):
                self._say_too_long(failure, sent)
            return failure

        try:
            return await self.endpoint.ask(
                lambda client: client.embeddings.with_raw_response.create(
                    model=self.model, input=sent, encoding_format="float"
                ),
                read,
                adapt,
            )
        except _FilteredError as error:
            if len(sent) == 1:
                self._filtered = str(error)
                return np.empty((1, 0), dtype=np.float32)
            by_number = False
        except _TooManyError:
            by_number = True
        half = (len(texts) + 1) // 2
        # The first half alone tells whether it was the number.
        first = await self._ask(texts[:half])
        if by_number and half < self._most:
            logger.info("%s: no %d texts in one request", self.name, len(texts))
            self._most = half
        rest = texts[half:]
        return self._join([first, await (self._ask_all(rest) if by_number else self._ask(rest))])

    def _say_too_long(self, failure: Failure, sent: Sequence[str]) -> None:
        """Raise for a text that is too long by itself: fewer at a time would not help."""
        longest = max(map(len, sent))
        now = "nothing" if self.max_characters is None else self.max_characters
        raise InputError(
            "max_characters",
            f"{now}, and a text too long for {self.name}, among texts of up to {longest} "
            f"characters ({failure.status}: {failure.said})",
            "a number of characters that the model reads",
        )


class _TooManyError(Exception):
    """A request refused that may be taken with fewer texts."""


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


class _FilteredError(Exception):
    """A request with a text that a content filter refuses."""
