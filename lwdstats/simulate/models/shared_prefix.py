"""Many continuations of one prompt that hold the prompt's keys and values once.

The usual way repeats the prompt's cache for every answer, so each new token
reads it L times. Here the L rows keep their own continuation only; the queries
of all rows meet the prompt's keys in one matrix product. The softmax runs over
prompt and continuation together, so the result is the ordinary attention up to
rounding.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface, Cache, DynamicCache
from transformers.cache_utils import DynamicLayer
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "lwdstats_shared_prefix"
# Attention that adds terms this module does not know is left to the library.
_UNKNOWN_TERMS = ("s_aux", "position_bias")


class ContinuationLayer(DynamicLayer):
    """The keys and values of L continuations, beside those of their one prompt.

    Parameters
    ----------
    keys, values : torch.Tensor, shape (1, n_key_heads, kept, head_dim)
        The prompt's, of which a layer with a sliding window keeps the last part.
    length : int
        Number of tokens of the prompt.
    capacity : int
        Largest number of tokens of a continuation.
    """

    is_croppable = False

    def __init__(
        self, keys: torch.Tensor, values: torch.Tensor, *, length: int, capacity: int
    ) -> None:
        super().__init__()
        self.prefix_keys, self.prefix_values, self.length = keys, values, length
        self.capacity, self.filled = capacity, 0

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append one token a row; return the continuations' keys and values."""
        if not self.is_initialized:
            rows, heads, _, dim = key_states.shape
            self.keys = key_states.new_empty(rows, heads, self.capacity, dim)
            self.values = value_states.new_empty(rows, heads, self.capacity, value_states.shape[-1])
            self.is_initialized = True
        assert self.keys is not None  # noqa: S101 - set above; for the type checker
        assert self.values is not None  # noqa: S101
        end = self.filled + key_states.shape[-2]
        self.keys[:, :, self.filled : end] = key_states
        self.values[:, :, self.filled : end] = value_states
        self.filled = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def get_seq_length(self) -> int:
        """Return the length of the prompt and a continuation."""
        return self.length + self.filled

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keep the continuations in `indices`; the prompt is everybody's."""
        if self.is_initialized and self.keys is not None and self.values is not None:
            self.keys, self.values = self.keys[indices], self.values[indices]


def cache_argument(model: Any, cache: Cache) -> dict[str, Cache]:
    """Return `cache` under the name that the model's forward has for it.

    transformers called it ``past_key_values`` up to 5.23.
    """
    known = inspect.signature(model.forward).parameters
    return {"cache" if "cache" in known else "past_key_values": cache}


def continuation_cache(prefix: DynamicCache, *, length: int, capacity: int) -> Cache:
    """Return a cache for continuations of the prompt that `prefix` holds."""
    layers: list[Any] = []
    held: list[Any] = prefix.layers
    for layer in held:
        if type(layer).__name__ not in ("DynamicLayer", "DynamicSlidingWindowLayer"):
            raise NotImplementedError(f"no shared prefix for cache layer {type(layer).__name__}")
        layers.append(ContinuationLayer(layer.keys, layer.values, length=length, capacity=capacity))
    return Cache(layers=layers)


def shared_prefix_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    continuation: Cache | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Attend from the next token of L rows to one prompt and L continuations.

    Parameters
    ----------
    query : torch.Tensor, shape (L, n_heads, 1, head_dim)
    key, value : torch.Tensor, shape (L, n_key_heads, s, head_dim)
        Of the continuations only.
    continuation : transformers.Cache, optional
        Made by `continuation_cache`. Without it the call is the library's.

    Returns
    -------
    torch.Tensor, shape (L, 1, n_heads, head_dim)
    """
    if continuation is None:
        if softcap is not None:
            return _capped_attention(query, key, value, attention_mask, scaling, softcap), None
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **kwargs
        )
    unknown = [name for name in _UNKNOWN_TERMS if kwargs.get(name) is not None]
    rows, n_heads, n_tokens, dim = query.shape
    if unknown or n_tokens != 1:
        raise NotImplementedError(f"no shared prefix for {unknown or 'several tokens a row'}")
    layer: Any = continuation.layers[int(module.layer_idx)]  # pyright: ignore[reportArgumentType]
    prefix_key, prefix_value = layer.prefix_keys[0], layer.prefix_values[0]
    n_key_heads, own = key.shape[1], key.shape[2]
    if sliding_window is not None:
        # A token sees itself and the sliding_window - 1 tokens before it. A layer
        # may hold only the last part of the prompt, hence the count from its end.
        seen = max(sliding_window - own, 0)
        prefix_key = prefix_key[:, max(prefix_key.shape[1] - seen, 0) :]
        prefix_value = prefix_value[:, max(prefix_value.shape[1] - seen, 0) :]
        key, value = key[:, :, -sliding_window:], value[:, :, -sliding_window:]
        own = key.shape[2]
    group = n_heads // n_key_heads
    scale = dim**-0.5 if scaling is None else scaling
    grouped = query.reshape(rows, n_key_heads, group, dim) * scale
    # (n_key_heads, L group, dim): every row's queries beside each other.
    folded = grouped.transpose(0, 1).reshape(n_key_heads, rows * group, dim)
    to_prefix = folded @ prefix_key.transpose(1, 2)
    n_prefix = to_prefix.shape[-1]
    to_prefix = to_prefix.view(n_key_heads, rows, group, n_prefix).transpose(0, 1)
    scores = torch.cat([to_prefix, grouped @ key.transpose(2, 3)], dim=-1)
    if softcap is not None:
        scores = torch.tanh(scores / softcap) * softcap
    weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype)
    on_prefix = weights[..., :n_prefix].transpose(0, 1).reshape(n_key_heads, rows * group, n_prefix)
    from_prefix = (on_prefix @ prefix_value).view(n_key_heads, rows, group, -1).transpose(0, 1)
    output = from_prefix + weights[..., n_prefix:] @ value
    return output.reshape(rows, 1, n_heads, -1), None


def _capped_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None,
    softcap: float,
) -> torch.Tensor:
    """Attend with capped scores, which the library's fused attention lacks."""
    group = query.shape[1] // key.shape[1]
    key, value = (x.repeat_interleave(group, dim=1) for x in (key, value))
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    scores = torch.tanh(query @ key.transpose(2, 3) * scale / softcap) * softcap
    if attention_mask is None:
        # No mask means a plain causal one, as in the fused attention.
        shape = scores.shape[-2:]
        attention_mask = torch.ones(shape, dtype=torch.bool, device=query.device)
        attention_mask = attention_mask.tril(shape[1] - shape[0])
    scores = scores.masked_fill(~attention_mask, -torch.inf)
    weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype)
    return (weights @ value).transpose(1, 2).contiguous()


AttentionInterface.register(NAME, shared_prefix_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)


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
    warpers: Sequence[Callable[[torch.Tensor], torch.Tensor]],
    *,
    rows: Sequence[int],
    n: int,
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
    """
    scores = logits.to("cpu", torch.float32)
    for warp in warpers:
        scores = warp(scores)
    clocks = torch.empty(n, scores.shape[-1]).exponential_(generator=generator)
    return (torch.softmax(scores, dim=-1) / clocks[list(rows)]).argmax(dim=-1).tolist()
