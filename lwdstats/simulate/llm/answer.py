"""One model's answers to what it read: asked for, cut, and embedded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwdstats.dataset.text import storable
from lwdstats.simulate.llm.journal import Batch, Key
from lwdstats.simulate.llm.spec import LlmSpec
from lwdstats.simulate.models.protocol import (
    Answer,
    Embedder,
    LanguageModel,
    Prompt,
    optional_parts,
)
from lwdstats.simulate.models.sentences import first_sentence, has_first_sentence
from lwdstats.streams import seed_sequence


@dataclass(frozen=True, eq=False)
class Question:
    """A batch to be asked for: which, and the prompt with the rows of the web it shows."""

    key: Key
    prompt: Prompt
    rows: NDArray[np.int32]


@dataclass(eq=False)
class Answers:
    """What a model gave to one prompt: as it came, as it counts, and tokens written."""

    raw: list[str]
    texts: list[str]
    n_tokens: list[int]

    @property
    def missing(self) -> list[int]:
        """Which answers are empty."""
        return [row for row, text in enumerate(self.texts) if not text]


def ask(
    spec: LlmSpec, label: str, model: LanguageModel, questions: Sequence[Question]
) -> list[Answers]:
    """Ask a model for L answers to each prompt, and again for those that are empty.

    Several prompts go to the model's `generate_many` together; each has a seed of
    its own.
    """
    n = spec.n_responses
    stop = has_first_sentence if spec.cut == "sentence" else None
    options: dict[str, Any] = {"sampling": spec.sampling[label], "stop": stop}
    prompts = [question.prompt for question in questions]
    seeds = [_seed(spec, question.key) for question in questions]
    together = optional_parts(model).generate_many
    if together is None or len(questions) == 1:
        pairs = zip(prompts, seeds, strict=True)
        given = [model.generate(prompt, n, seed=seed, **options) for prompt, seed in pairs]
    else:
        given = together(prompts, n, seeds=seeds, **options)
    results = []
    for question, answers in zip(questions, given, strict=True):
        found = Answers([""] * n, [""] * n, [0] * n)
        _fill(found, answers, label, stop is not None)
        for attempt in range(1, 1 + spec.retries_empty):
            if not found.missing:
                break
            seed = _seed(spec, question.key, attempt)
            again = model.generate(question.prompt, len(found.missing), seed=seed, **options)
            _fill(found, again, label, stop is not None)
        results.append(found)
    return results


def _seed(spec: LlmSpec, key: Key, *again: int) -> int:
    replicate, q, t, i = key
    root = seed_sequence(spec.seed, "generation", replicate, i, t, q, *again)
    return int(root.generate_state(1, np.uint64)[0])


def _fill(found: Answers, answers: Sequence[Answer], label: str, cut: bool) -> None:
    """Put answers in the places of those that are missing."""
    rows = found.missing
    if len(answers) != len(rows):
        raise RuntimeError(f"{label!r} gave {len(answers)} answers, asked for {len(rows)}")
    for row, answer in zip(rows, answers, strict=True):
        found.raw[row] = storable(answer.text)
        text = first_sentence(found.raw[row]) if cut else found.raw[row]
        found.texts[row] = text if text.strip() else ""
        found.n_tokens[row] += answer.n_tokens


def as_batch(question: Question, answers: Answers, embedder: Embedder, width: int) -> Batch:
    """Return answers with their embeddings, NaN for those that are missing."""
    there = [row for row, text in enumerate(answers.texts) if text]
    vectors = embed(embedder, [answers.texts[row] for row in there], width)
    whole = np.full((len(answers.texts), vectors.shape[1]), np.nan, dtype=np.float32)
    whole[there] = vectors
    return Batch(
        tuple(answers.texts), tuple(answers.raw), tuple(answers.n_tokens), question.rows, whole
    )


def embed(embedder: Embedder, texts: list[str], width: int | None = None) -> NDArray[np.float32]:
    """Return vectors, float32 of shape (len(texts), n_features), also of no texts."""
    if not texts and width:
        return np.empty((0, width), dtype=np.float32)
    # The width of a vector is known by asking for one.
    vectors = embedder.embed(texts or ["."])
    return np.asarray(vectors, dtype=np.float32)[: len(texts)]
