"""What a language model and an embedder are to the simulation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lwdstats.errors import InputError, check_integer, is_number


@dataclass(frozen=True)
class Prompt:
    """What a model is asked: an optional system prompt, the posts it read, the query."""

    posts: tuple[str, ...]
    query: str
    system: str | None = None

    @property
    def user(self) -> str:
        """The user's message: the posts, one a line, then the query."""
        if not self.posts:
            return self.query
        listing = "\n".join(f"- {' '.join(post.split())}" for post in self.posts)
        return f"Here are some posts from the Internet:\n{listing}\n\n{self.query}"

    @property
    def plain(self) -> str:
        """One text for a model without a chat template, to be continued."""
        parts = [self.system] if self.system else []
        parts.append(f"{self.user}\nAnswer:")
        return "\n\n".join(parts)


@dataclass(frozen=True)
class Sampling:
    """How answers are drawn.

    `temperature` 0 takes the likeliest token; `top_p` keeps the smallest set of
    tokens with that probability; an answer has at most `max_new_tokens`.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    max_new_tokens: int = 80

    def __post_init__(self) -> None:
        if not is_number(self.temperature) or not 0 <= self.temperature < float("inf"):
            raise InputError("temperature", self.temperature, "a number of at least 0")
        if not is_number(self.top_p) or not 0 < self.top_p <= 1:
            raise InputError("top_p", self.top_p, "a number in (0, 1]")
        check_integer("max_new_tokens", self.max_new_tokens, minimum=1)


@dataclass(frozen=True)
class Answer:
    """One answer of a model, as it came, with its length in tokens."""

    text: str
    n_tokens: int


@runtime_checkable
class LanguageModel(Protocol):
    """A language model behind any back-end.

    `context_length` is in tokens (None where unknown). `count_tokens` measures
    a whole prompt as the model will see it. `generate` returns `n` independent
    answers to one prompt; the same seed gives the same answers on the same
    machine and versions. A back-end may stop an answer early once
    `stop(answer so far)` is true.

    A model may also have `lane`, the address of the server that it runs on, with
    `concurrency`, how many batches that takes at a time: it is then asked from other
    threads, beside other models. And it may have `generate_many`, which answers several
    prompts together, as that of `TransformersModel`.
    """

    @property
    def context_length(self) -> int | None:
        """Largest number of tokens of a prompt and its answer."""

    def count_tokens(self, prompt: Prompt) -> int:
        """Return the length of a prompt in tokens."""
        ...

    def generate(
        self,
        prompt: Prompt,
        n: int,
        *,
        seed: int,
        sampling: Sampling,
        stop: Callable[[str], bool] | None = None,
    ) -> list[Answer]:
        """Return `n` independent answers."""
        ...


@runtime_checkable
class Embedder(Protocol):
    """A map from texts to vectors, float32 of shape (len(texts), n_features)."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return a vector for each text."""
        ...
