"""From logits to tokens, drawn as the library's `generate` draws them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import torch

from lwdstats.simulate.models.protocol import Sampling

# Tokens with this share of the largest bound are looked at more closely.
_FRONT = 0.1
Warper = Callable[[torch.Tensor], torch.Tensor]


def warpers(sampling: Sampling) -> list[Warper]:
    """Return what is done to logits in turn before a token is drawn."""
    chain: list[Warper] = []
    if sampling.temperature not in (0, 1):
        chain.append(lambda scores: scores / sampling.temperature)
    if sampling.top_p < 1:
        chain.append(lambda scores: keep_nucleus(scores, sampling.top_p))
    return chain


def keep_nucleus(scores: torch.Tensor, top_p: float) -> torch.Tensor:
    """Set the scores outside the smallest set of tokens with mass `top_p` to -inf.

    A token stays if the tokens above it hold less than `top_p`. The library sorts
    the whole vocabulary for that, which takes longer than a small model's step;
    the nucleus is nearly always among the first few hundred.
    """
    total = torch.logsumexp(scores, dim=-1, keepdim=True)
    size = 256
    while True:
        size = min(size, scores.shape[-1])
        best = torch.topk(scores, size, dim=-1).values
        mass = torch.exp(best - total)
        above = mass.cumsum(dim=-1) - mass
        if size == scores.shape[-1] or bool((above[:, -1] >= top_p).all()):
            break
        size *= 16
    last = (above < top_p).sum(dim=-1, keepdim=True) - 1
    return scores.masked_fill(scores < best.gather(-1, last), -torch.inf)


def sample_tokens(
    logits: torch.Tensor,
    generator: torch.Generator,
    warpers: Sequence[Warper],
    *,
    rows: Sequence[int],
    n: int,
    uniform: torch.Tensor | None = None,
) -> list[int]:
    """Draw one token for each of `rows` out of `n`, as the library's `generate` does.

    The library draws by the race of exponential clocks, n rows at a time, whether
    or not a row has ended. The same clocks run here, so that an answer is the same
    whichever other answers are still being written.

    Parameters
    ----------
    logits : torch.Tensor, shape (len(rows), n_tokens)
    generator : torch.Generator
        On the CPU.
    warpers : sequence of callables
        Applied to the logits in turn.
    rows : sequence of int
        The rows still being written, ascending.
    n : int
        Number of rows at the start.
    uniform : torch.Tensor, float64, shape (n, n_tokens), optional
        Overwritten; one for all steps saves the system giving out new memory at each.
    """
    scores = logits.to("cpu", torch.float32)
    for warp in warpers:
        scores = warp(scores)
    shares = torch.softmax(scores, dim=-1)
    if not _clocks_are_logarithms():
        clocks = torch.empty(n, shares.shape[-1]).exponential_(generator=generator)
        return (shares / clocks[list(rows)]).argmax(dim=-1).tolist()
    if uniform is None:
        uniform = torch.empty(n, shares.shape[-1], dtype=torch.float64)
    uniform.uniform_(generator=generator)
    return first_clocks(shares, uniform if len(rows) == n else uniform[list(rows)])


def first_clocks(shares: torch.Tensor, uniform: torch.Tensor) -> list[int]:
    """Return which clock rings first in each row, without the logarithms of all of them.

    A clock is -log(1 - u), never less than u. So share / u is at least share / clock,
    and only tokens near the front by that bound can win.

    Parameters
    ----------
    shares : torch.Tensor, float32, shape (rows, n_tokens)
    uniform : torch.Tensor, float64, shape (rows, n_tokens)
        In [0, 1).

    Returns
    -------
    list of int
        As ``(shares / clocks).argmax(dim=-1)``.
    """
    bounds = shares / uniform.to(torch.float32)
    least = bounds.amax(dim=-1, keepdim=True) * _FRONT
    rows, tokens = torch.nonzero(bounds >= least, as_tuple=True)
    ratios = shares[rows, tokens] / _clocks(uniform[rows, tokens])
    first, best = [-1] * len(shares), least[:, 0].tolist()
    for row, token, ratio in zip(rows.tolist(), tokens.tolist(), ratios.tolist(), strict=True):
        # Beyond the least bound by more than rounding, so that no other token reaches it.
        if ratio > best[row] * (1 + 1e-6 * (first[row] < 0)):
            first[row], best[row] = token, ratio
    return [
        token if token >= 0 else int((shares[row] / _clocks(uniform[row])).argmax())
        for row, token in enumerate(first)
    ]


def _clocks(uniform: torch.Tensor) -> torch.Tensor:
    return (-torch.log1p(-uniform)).to(torch.float32)


@functools.cache
def _clocks_are_logarithms() -> bool:
    """Whether the library makes its exponential numbers as we do, on this machine."""
    theirs, ours = torch.Generator().manual_seed(1), torch.Generator().manual_seed(1)
    clocks = torch.empty(7, 1001).exponential_(generator=theirs)
    uniform = torch.empty(7, 1001, dtype=torch.float64).uniform_(generator=ours)
    return torch.equal(clocks, _clocks(uniform)) and torch.equal(
        theirs.get_state(), ours.get_state()
    )
