"""The web as a list in memory: the append-only log of all posts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Post:
    """A post: its text, and the step, model and response that made it (-1: initial)."""

    text: str
    time: int = -1
    model: int = -1
    response: int = -1


@dataclass
class MemoryWeb:
    """A^(t), in the order of posting."""

    posts: list[Post] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.posts)

    def append(self, posts: Sequence[Post]) -> None:
        """Add posts at the end."""
        self.posts.extend(posts)

    def sample(self, k: int, rng: np.random.Generator) -> NDArray[np.int32]:
        """Return rows of `k` different posts, uniformly drawn, in random order."""
        return rng.choice(len(self.posts), size=k, replace=False, shuffle=True).astype(np.int32)
