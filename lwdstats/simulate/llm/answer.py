"""One model's answers to what it read: asked for, cut, and embedded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwdstats.dataset.answer_text import after_reasoning, began_before, is_blank
from lwdstats.dataset.text import storable
from lwdstats.errors import InputError
from lwdstats.simulate.llm.spec import LlmSpec
from lwdstats.simulate.llm.storing.journal import Batch, Key
from lwdstats.simulate.models.protocol import (
    Answer,
    Embedder,
    LanguageModel,
    Prompt,
    optional_parts,
)
from lwdstats.simulate.models.sentences import NEWEST, RULES, SentenceRule
from lwdstats.streams import seed_sequence


@dataclass(frozen=True, eq=False)
class Question:
    """A batch to be asked for: which, and the prompt with the rows of the web it shows."""

    key: Key
    prompt: Prompt
    rows: NDArray[np.int32]


@dataclass(eq=False)
class Answers:
    """What a model gave to one prompt.

    Attributes
    ----------
    raw, texts : list of str
        As it came, reasoning included; and as it counts, "" where it is missing.
    n_tokens : list of int
        Tokens written, those of answers that were asked for again included.
    cut_off : list of bool
        Whether an answer is about as long as it may be.
    """

    raw: list[str]
    texts: list[str]
    n_tokens: list[int]
    cut_off: list[bool]

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
    rule = RULES[spec.sentence_rule]
    stop = partial(answer_is_complete, rule=rule) if spec.cut == "sentence" else None
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
        found = Answers([""] * n, [""] * n, [0] * n, [False] * n)
        _fill(found, answers, spec, label)
        for attempt in range(1, 1 + spec.retries_empty):
            if not found.missing:
                break
            seed = _seed(spec, question.key, attempt)
            again = model.generate(question.prompt, len(found.missing), seed=seed, **options)
            _fill(found, again, spec, label)
        results.append(found)
    return results


def _seed(spec: LlmSpec, key: Key, *again: int) -> int:
    replicate, q, t, i = key
    root = seed_sequence(spec.seed, "generation", replicate, i, t, q, *again)
    return int(root.generate_state(1, np.uint64)[0])


def answer_is_complete(text: str, *, rule: SentenceRule = RULES[NEWEST]) -> bool:
    """Return whether an unfinished text has ended its reasoning, if any, and its first sentence."""
    answer = after_reasoning(text)
    return answer is not None and rule.has_first_sentence(answer)


def _fill(found: Answers, answers: Sequence[Answer], spec: LlmSpec, label: str) -> None:
    """Put answers in the places of those that are missing."""
    rows = found.missing
    if len(answers) != len(rows):
        raise RuntimeError(f"{label!r} gave {len(answers)} answers, asked for {len(rows)}")
    for row, answer in zip(rows, answers, strict=True):
        found.raw[row] = storable(answer.text)
        found.n_tokens[row] += answer.n_tokens
        # Lengths that a server does not tell are estimates.
        found.cut_off[row] = answer.n_tokens > spec.sampling[label].max_new_tokens / 2
    # Where the prompt opens the reasoning, an answer that was cut off in it bears no tag at
    # all: that others close what they did not open gives it away.
    began = any(map(began_before, found.raw))
    for row, raw in enumerate(found.raw):
        text = after_reasoning(raw, began=began and found.cut_off[row]) or ""
        text = RULES[spec.sentence_rule].first_sentence(text) if spec.cut == "sentence" else text
        found.texts[row] = "" if is_blank(text) else text


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
    """Return vectors, float32 of shape (len(texts), n_features), also of no texts.

    A text that the embedder refuses has a vector of NaN.

    Raises
    ------
    RuntimeError
        If what the embedder gives is no array of such vectors.
    """
    if not texts and width:
        return np.empty((0, width), dtype=np.float32)
    # The width of a vector is known by asking for one.
    asked = texts or ["."]
    vectors = np.atleast_1d(np.asarray(embedder.embed(asked), dtype=np.float32))
    shape = (len(asked), width or vectors.shape[-1])
    said = f"the embedder {optional_parts(embedder).name} gave"
    if vectors.shape != shape or not vectors.size:
        raise RuntimeError(f"{said} an array of shape {vectors.shape}, not {shape}")
    bad = ~np.isfinite(vectors).all(axis=1) & ~np.isnan(vectors).all(axis=1)
    if bad.any():
        text = asked[int(np.argmax(bad))]
        raise RuntimeError(f"{said} numbers that are not finite for {text[:80]!r}")
    return vectors[: len(texts)]


def embed_all(embedder: Embedder, texts: list[str], argument: str) -> NDArray[np.float32]:
    """Return vectors of what a run can't do without.

    Raises
    ------
    InputError
        If the embedder refuses one of the texts of this argument.
    """
    vectors = embed(embedder, texts)
    refused = np.isnan(vectors[:, 0])
    if refused.any():
        text = texts[int(np.argmax(refused))]
        raise InputError(argument, f"{text[:80]!r}", "texts that the embedder does not refuse")
    return vectors
