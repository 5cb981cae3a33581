"""Answers of a causal language model to prompts, a token at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache

from lwdstats.simulate.models.local.rendering import decode
from lwdstats.simulate.models.local.sampling import sample_tokens, warpers
from lwdstats.simulate.models.local.shared_prefix import Continuations, cache_argument
from lwdstats.simulate.models.protocol import Answer, Sampling

# How texts of the same prompt may end early.
Stop = Callable[[str], bool] | None


@dataclass
class State:
    """Where the decoding of some rows stands.

    Attributes
    ----------
    logits : list of torch.Tensor, shape (rows of the prompt, n_tokens)
        Of the next token, for each prompt.
    cache : transformers.Cache
        Of the prompts and what was written so far.
    """

    logits: list[torch.Tensor]
    cache: Any


def read(
    module: Any, prompts: Sequence[torch.Tensor], rows: int, capacity: int, *, share: bool
) -> State:
    """Read each prompt once.

    Parameters
    ----------
    module : transformers.PreTrainedModel
    prompts : sequence of torch.Tensor, shape (1, tokens)
        One only, unless prompts are shared.
    rows : int
        Continuations of each.
    capacity : int
        Largest number of tokens of a continuation.
    share : bool
        Whether all rows of a prompt share its keys and values.
    """
    prefixes: list[Any] = []
    logits = []
    for prompt in prompts:
        prefix: Any = DynamicCache(config=module.config)
        output = module(prompt, **cache_argument(module, prefix), use_cache=True, logits_to_keep=1)
        prefixes.append(prefix)
        logits.append(output.logits[:, -1].expand(rows, -1))
    if not share:
        (cache,) = prefixes
        cache.batch_repeat_interleave(rows)
        return State(logits, cache)
    lengths = [prompt.shape[1] for prompt in prompts]
    cache = Continuations(prefixes, lengths=lengths, rows=[rows] * len(prompts), capacity=capacity)
    return State(logits, cache)


def advance(
    module: Any, state: State, tokens: torch.Tensor, keep: Sequence[int] | None = None
) -> State:
    """Continue every row, or those in `keep`, by one token, shape (rows that go on,)."""
    cache, device = state.cache, module.device
    shared = isinstance(cache, Continuations)
    if keep is not None:
        if shared:
            cache.keep(keep, device)
        else:
            cache.batch_select_indices(torch.tensor(keep, device=device))
    arguments = cache_argument(module, cache)
    if shared:
        arguments |= cache.arguments(device)
    logits = module(tokens[:, None].to(device), **arguments, use_cache=True).logits[:, -1]
    return State(list(logits.split(cache.rows)) if shared else [logits], cache)


class _Answers:
    """The answers to one prompt while they are written."""

    def __init__(
        self,
        rows: int,
        seed: int,
        sampling: Sampling,
        stop: Stop,
        tokenizer: Any,
        end_tokens: set[int],
        opening: str,
    ) -> None:
        self.stop, self.tokenizer, self.end_tokens = stop, tokenizer, end_tokens
        self.opening = opening
        self.greedy, self.warpers = sampling.temperature == 0, warpers(sampling)
        # On the CPU everywhere, so that a seed does not depend on the device.
        self.random = torch.Generator().manual_seed(seed)
        self.uniform: torch.Tensor | None = None
        self.tokens: list[list[int]] = [[] for _ in range(rows)]
        self.texts = [""] * rows
        self.active = list(range(rows))

    def take(self, logits: torch.Tensor) -> tuple[list[int], list[int]]:
        """Draw a token for each active row; return the places that go on, and their tokens."""
        if not self.active:
            return [], []
        if self.greedy:
            drawn = logits.argmax(dim=-1).tolist()
        else:
            n = len(self.tokens)
            if self.uniform is None:
                self.uniform = torch.empty(n, logits.shape[-1], dtype=torch.float64)
            drawn = sample_tokens(
                logits, self.random, self.warpers, rows=self.active, n=n, uniform=self.uniform
            )
        places = []
        for place, (row, token) in enumerate(zip(self.active, drawn, strict=True)):
            if token in self.end_tokens:
                continue
            self.tokens[row].append(token)
            self.texts[row] = self.opening + decode(self.tokenizer, self.tokens[row])
            if self.stop is None or not self.stop(self.texts[row]):
                places.append(place)
        self.active = [self.active[place] for place in places]
        return places, [drawn[place] for place in places]

    def done(self) -> list[Answer]:
        texts = zip(self.texts, self.tokens, strict=True)
        return [Answer(text, len(tokens)) for text, tokens in texts]


@torch.inference_mode()
def write(
    module: Any,
    tokenizer: Any,
    prompts: Sequence[torch.Tensor],
    n: int,
    *,
    seeds: Sequence[int],
    sampling: Sampling,
    stop: Stop,
    end_tokens: set[int],
    share: bool,
    openings: Sequence[str],
) -> list[list[Answer]]:
    """Return `n` answers to each prompt, the rows of all written together.

    Parameters
    ----------
    module, tokenizer
        Of the transformers library.
    prompts : sequence of torch.Tensor, shape (1, tokens)
        One only, unless prompts are shared.
    n : int
    seeds : sequence of int
        One for each prompt.
    sampling : Sampling
    stop : callable, optional
        Ends an answer early where it is true of what was written.
    end_tokens : set of int
    share : bool
        As `read` takes it.
    openings : sequence of str
        What the texts of each prompt begin with: the tag of a reasoning that it opened.
    """
    # Without chance all answers are one.
    rows = 1 if sampling.temperature == 0 else n
    answers = [
        _Answers(rows, seed, sampling, stop, tokenizer, end_tokens, opening)
        for seed, opening in zip(seeds, openings, strict=True)
    ]
    state = read(module, prompts, rows, sampling.max_new_tokens, share=share)
    for step in range(sampling.max_new_tokens):
        keep: list[int] = []
        last: list[int] = []
        start = 0
        for one, logits in zip(answers, state.logits, strict=True):
            places, tokens = one.take(logits)
            keep += [start + place for place in places]
            last += tokens
            start += len(logits)
        if not last or step + 1 == sampling.max_new_tokens:
            break
        going = keep if len(keep) < start else None
        state = advance(module, state, torch.tensor(last), going)
    return [one.done() * (n if sampling.temperature == 0 else 1) for one in answers]


@torch.inference_mode()
def sharing_agrees(module: Any, tokenizer: Any) -> bool:
    """Whether sharing prompts of two lengths gives the logits of the ordinary attention.

    Raises
    ------
    NotImplementedError, TypeError, AttributeError, LookupError, ValueError
        If the architecture does not work this way at all.
    """
    text = "A network of models reads what its members wrote and writes again."
    ids = tokenizer(text, return_tensors="pt")["input_ids"].to(module.device)
    prompts, continuations = [ids, ids[:, :-3]], ids[0, -6:].reshape(2, 3)
    state = read(module, prompts, 2, 3, share=True)
    for column in continuations.T:
        state = advance(module, state, column.repeat(2))
    tolerance = 1e-3 if module.dtype == torch.float32 else 5e-2
    for prompt, logits in zip(prompts, state.logits, strict=True):
        # Without a cache the attention is the library's (capped scores apart).
        whole = torch.cat([prompt.expand(2, -1), continuations], dim=1)
        expected = module(whole, logits_to_keep=1, use_cache=False).logits[:, -1]
        if (logits - expected).abs().max() > tolerance * expected.abs().max():
            return False
    return True
