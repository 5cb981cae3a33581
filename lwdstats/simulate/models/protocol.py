"""The contract of a back-end: what a language model and an embedder must have, and may have.

An object with the methods of `LanguageModel` or `Embedder` can be used as it is. What it
has besides is read through `optional_parts`, which holds the defaults. A `Backend` makes
such objects from names; `backends` has the table of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lwdstats.errors import InputError, check_integer, is_number


@dataclass(frozen=True)
class Prompt:
    """What a model is asked: an optional system prompt, the posts it read, the query.

    `date` (YYYY-MM-DD) is for chat templates that write today's; None is today.
    """

    posts: tuple[str, ...]
    query: str
    system: str | None = None
    # Few templates write it, so it is not shown.
    date: str | None = field(default=None, repr=False)

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
        said = f"{self.user}\nAnswer:"
        return f"{self.system}\n\n{said}" if self.system else said

    def messages(self, *, system_role: bool = True) -> list[dict[str, str]]:
        """Return the messages of a chat; without a system role the user's message says both."""
        if not self.system:
            return [{"role": "user", "content": self.user}]
        if not system_role:
            return [{"role": "user", "content": f"{self.system}\n\n{self.user}"}]
        return [{"role": "system", "content": self.system}, {"role": "user", "content": self.user}]


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
    """One answer of a model, as it came, with its length in tokens.

    Reasoning belongs to the text, between tags; where the prompt opened it, the text
    begins with that tag.
    """

    text: str
    n_tokens: int


@runtime_checkable
class LanguageModel(Protocol):
    """A language model behind any back-end.

    `context_length` is in tokens (None where unknown). `count_tokens` measures
    a whole prompt as the model will see it. `generate` returns `n` independent
    answers to one prompt; the same seed gives the same answers on the same
    machine and versions. A back-end may stop an answer early once
    `stop(text so far)` is true. `OptionalParts` says what a model may have besides.
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
    """A map from texts to vectors, float32 of shape (len(texts), n_features).

    `OptionalParts` says what an embedder may have besides.
    """

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return a vector for each text."""
        ...


# Takes the tokens that a request read and wrote, and who counted them: "server", "count" where
# they were counted or estimated here, "at most" where nobody knows and its most is taken.
Settle = Callable[[int, int, str], None]


class Meter(Protocol):
    """Hears of every request to a server, as it may have to be paid for."""

    def before(self, read: int, written: int) -> Settle:
        """Take what a request reads and writes at most; raises where it is not to be sent."""
        ...


@dataclass(frozen=True)
class OptionalParts:
    """What a model or an embedder may have besides what it must, and what is taken otherwise.

    Attributes
    ----------
    name : str
        What specifications and results call it; by default its class.
    lane : str or None
        Address of the server that it runs on. A model with a lane is asked from other
        threads, beside other models. None: it runs here, in the thread of the run.
    concurrency : int
        How many batches its server takes at a time.
    generate_many : callable or None
        Answers several prompts together, as `TransformersModel.generate_many` does. None:
        they are answered one after another.
    most_tokens : callable or None
        From a prompt, a number of answers and a `Sampling` to the most tokens that are read and
        written where nothing fails. `generate` of a model that has it takes ``meter=``, a `Meter`.
        None: tokens are counted by `count_tokens` and the answers' `n_tokens`.
    device, dtype : object
        Where it runs here and in which type of numbers, recorded as strings.
    threads : int or None
        How many threads its library uses here, where answers may depend on that.
    packages : tuple of str
        Packages, besides those of the transformers family, whose versions are recorded.
    seen : mapping from str to sets of str, or None
        What a server's replies have said of the model so far, by field.
    seeded : bool
        Whether the server takes seeds, as far as is known; recorded beside `seen`.
    n_cut : int
        How many prompts so far a server seems to have cut without an error.
    prefix : str
        What an embedder puts before every text.
    too_long : callable or None
        From texts to whether each is longer than the embedder reads, the prefix counted.
        None: it can't be told.
    reads : str
        How much an embedder reads of a text, such as "256 word pieces".
    chunks : callable or None
        From a text to its parts that the embedder reads whole, each with its number of tokens,
        as `split_text` gives them. None: it can't be split.
    """

    name: str
    lane: str | None = None
    concurrency: int = 1
    generate_many: Callable[..., list[list[Answer]]] | None = None
    most_tokens: Callable[[Prompt, int, Sampling], tuple[int, int]] | None = None
    device: object = ""
    dtype: object = ""
    threads: int | None = None
    packages: tuple[str, ...] = ()
    seen: Mapping[str, set[str]] | None = None
    seeded: bool = False
    n_cut: int = 0
    prefix: str = ""
    too_long: Callable[[Sequence[str]], Sequence[bool] | NDArray[np.bool_]] | None = None
    reads: str = ""
    chunks: Callable[[str], list[tuple[str, int]]] | None = None


def optional_parts(one: object) -> OptionalParts:
    """Return what a model or an embedder has besides what it must, as it stands now."""
    has: dict[str, Any] = {"name": f"<{type(one).__name__}>"}
    names = [field.name for field in fields(OptionalParts)]
    return OptionalParts(**has | {name: getattr(one, name) for name in names if hasattr(one, name)})


def estimate_tokens(text: str) -> int:
    """Return about how many tokens a text has: English has four characters a token."""
    return math.ceil(len(text) / 4)


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a model that is not loaded; by default nothing.

    Attributes
    ----------
    count : callable
        From a prompt to its tokens.
    counted_by : str
        "tokenizer", or "estimate" where the tokenizer is not here.
    context : int or None
        Largest number of tokens of a prompt and its answer, None where unknown.
    weights : float
        Bytes of its weights here; NaN where unknown, 0 for a model on a server.
    cache_per_token : float
        Bytes of keys and values of one token; NaN or 0 likewise.
    """

    count: Callable[[Prompt], int] = lambda prompt: estimate_tokens(prompt.plain)
    counted_by: str = "estimate"
    context: int | None = None
    weights: float = math.nan
    cache_per_token: float = math.nan


class Backend:
    """What a prefix of names stands for: models, embedders or both, made from their names.

    A back-end overrides what it has. Names come whole, with the prefix. Making one is
    cheap: what it needs is imported when a model is loaded.
    """

    def check(self, name: str, argument: str) -> None:
        """Raise `InputError` for a name that leads nowhere; nothing is loaded or asked."""

    def facts(self, name: str) -> ModelFacts:
        """Return what can be told of a model before it is loaded; nothing is loaded or asked."""
        del name
        return ModelFacts()

    def load_model(self, name: str) -> LanguageModel:
        """Return the language model of that name."""
        raise InputError("models", f"{name!r} (an embedder)", "the name of a language model")

    def load_embedder(self, name: str, *, normalize: bool) -> Embedder:
        """Return the embedder of that name, whose vectors have length 1 if `normalize`."""
        del normalize
        raise InputError("embedder", f"{name!r} (a language model)", "the name of an embedder")


# What embedding models want before a text whose vector is compared with others.
_TEXT_PREFIXES = {"nomic-ai/nomic-embed-text": "clustering: "}


def text_prefix(name: str) -> str:
    """Return what an embedding model wants put before every text; most want nothing."""
    return next((p for start, p in _TEXT_PREFIXES.items() if name.startswith(start)), "")
