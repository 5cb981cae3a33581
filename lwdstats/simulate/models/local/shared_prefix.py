"""Many continuations of each prompt that hold the prompt's keys and values once.

The usual way repeats the prompt's cache for every answer, so each new token
reads it L times. Here the L rows keep their own continuation only; the queries
of all rows meet the prompt's keys in one matrix product. Attention to the prompt and
to the continuation are put together by the mass that each has under the common softmax,
so the result is the ordinary attention up to rounding. Continuations of several prompts
run through the rest of the model together, so its weights are read once a token for all.
"""

from __future__ import annotations

import bisect
import inspect
import itertools
from collections.abc import Sequence
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface, Cache, DynamicCache
from transformers.cache_utils import DynamicLayer
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "lwdstats_shared_prefix"
# Attention on the CPU that tells the mass too; the public function keeps it to itself.
_FUSED: Any = getattr(torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu", None)
# Attention that adds terms this module does not know is left to the library.
_UNKNOWN_TERMS = ("s_aux", "position_bias")


class ContinuationLayer(DynamicLayer):
    """The keys and values of continuations, beside those of their prompts.

    Parameters
    ----------
    prefixes : sequence of pairs of torch.Tensor, shape (1, n_key_heads, kept, head_dim)
        Keys and values of each prompt, of which a layer with a sliding window keeps
        the last part.
    length : int
        Number of tokens of the longest prompt.
    capacity : int
        Largest number of tokens of a continuation.
    """

    is_croppable = False

    def __init__(
        self,
        prefixes: Sequence[tuple[torch.Tensor, torch.Tensor]],
        *,
        length: int,
        capacity: int,
    ) -> None:
        super().__init__()
        self.prefixes, self.length = prefixes, length
        self.capacity, self.filled = capacity, 0

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append one token a row; return the continuations' keys and values."""
        if self.keys is None or self.values is None:
            rows, heads, _, dim = key_states.shape
            self.keys = key_states.new_empty(rows, heads, self.capacity, dim)
            self.values = value_states.new_empty(rows, heads, self.capacity, value_states.shape[-1])
            self.is_initialized = True
        end = self.filled + key_states.shape[-2]
        self.keys[:, :, self.filled : end] = key_states
        self.values[:, :, self.filled : end] = value_states
        self.filled = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def get_seq_length(self) -> int:
        """Return the length of the longest prompt and a continuation."""
        return self.length + self.filled

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keep the continuations in `indices`; prompts are held once and stay."""
        if self.keys is not None and self.values is not None:
            self.keys, self.values = self.keys[indices], self.values[indices]


class Continuations(Cache):
    """Continuations of several prompts, those of one prompt beside each other.

    Parameters
    ----------
    prefixes : sequence of transformers.DynamicCache
        Each holds one prompt.
    lengths : sequence of int
        Tokens of each prompt.
    rows : sequence of int
        Continuations of each prompt.
    capacity : int
        Largest number of tokens of a continuation.

    Raises
    ------
    NotImplementedError
        If a layer's cache is of a kind that this module does not know.
    """

    def __init__(
        self,
        prefixes: Sequence[DynamicCache],
        *,
        lengths: Sequence[int],
        rows: Sequence[int],
        capacity: int,
    ) -> None:
        layers: list[Any] = []
        for held in zip(*(prefix.layers for prefix in prefixes), strict=True):
            for layer in held:
                if type(layer).__name__ not in ("DynamicLayer", "DynamicSlidingWindowLayer"):
                    raise NotImplementedError(f"no shared prefix for {type(layer).__name__}")
            pairs: list[Any] = [(layer.keys, layer.values) for layer in held]
            layers.append(ContinuationLayer(pairs, length=max(lengths), capacity=capacity))
        super().__init__(layers=layers)
        self.lengths, self.rows = list(lengths), list(rows)

    def keep(self, places: Sequence[int], device: torch.device) -> None:
        """Keep the continuations at `places` (ascending), counted over all prompts."""
        ends = list(itertools.accumulate(self.rows))
        self.batch_select_indices(torch.tensor(places, device=device))
        owners = [bisect.bisect_right(ends, place) for place in places]
        self.rows = [owners.count(prompt) for prompt in range(len(self.rows))]

    def arguments(self, device: torch.device) -> dict[str, Any]:
        """Return what the model's forward needs to know of the next token of each row."""
        reached = torch.tensor(self.lengths) + self.get_seq_length() - max(self.lengths)
        positions = reached.repeat_interleave(torch.tensor(self.rows))
        return {"continuation": self, "position_ids": positions[:, None].to(device)}


def cache_argument(model: Any, cache: Cache) -> dict[str, Cache]:
    """Return `cache` under the name that the model's forward has for it.

    transformers called it ``past_key_values`` up to 5.23.
    """
    known = inspect.signature(model.forward).parameters
    return {"cache" if "cache" in known else "past_key_values": cache}


def shared_prefix_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    continuation: Continuations | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Attend from the next token of each row to its prompt and its continuation.

    Parameters
    ----------
    query : torch.Tensor, shape (rows, n_heads, 1, head_dim)
    key, value : torch.Tensor, shape (rows, n_key_heads, s, head_dim)
        Of the continuations only.
    continuation : Continuations, optional
        Without it the call is the library's.

    Returns
    -------
    torch.Tensor, shape (rows, 1, n_heads, head_dim)
    """
    if continuation is None:
        if softcap is not None:
            return _capped_attention(query, key, value, attention_mask, scaling, softcap), None
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **kwargs
        )
    unknown = [name for name in _UNKNOWN_TERMS if kwargs.get(name) is not None]
    if unknown or query.shape[2] != 1:
        raise NotImplementedError(f"no shared prefix for {unknown or 'several tokens a row'}")
    layer: Any = continuation.layers[int(module.layer_idx)]  # pyright: ignore[reportArgumentType]
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    parts, start = [], 0
    for rows, prefix in zip(continuation.rows, layer.prefixes, strict=True):
        if rows:
            own = slice(start, start + rows)
            held = (query[own] * scale, key[own], value[own])
            parts.append(_attend(*held, *prefix, sliding_window=sliding_window, softcap=softcap))
            start += rows
    return parts[0] if len(parts) == 1 else torch.cat(parts), None


def _attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    prefix_key: torch.Tensor,
    prefix_value: torch.Tensor,
    *,
    sliding_window: int | None,
    softcap: float | None,
) -> torch.Tensor:
    """Attend from the next token of L rows, scaled, to their one prompt and to themselves."""
    rows, n_heads, _, dim = query.shape
    n_key_heads, own = key.shape[1], key.shape[2]
    if sliding_window is not None:
        # A token sees itself and the sliding_window - 1 tokens before it. A layer
        # may hold only the last part of the prompt, hence the count from its end.
        seen = max(sliding_window - own, 0)
        prefix_key = prefix_key[:, :, max(prefix_key.shape[2] - seen, 0) :]
        prefix_value = prefix_value[:, :, max(prefix_value.shape[2] - seen, 0) :]
        key, value = key[:, :, -sliding_window:], value[:, :, -sliding_window:]
    group = n_heads // n_key_heads
    grouped = query.reshape(rows, n_key_heads, group, dim)
    # (1, n_key_heads, L group, dim): every row's queries beside each other.
    folded = grouped.transpose(0, 1).reshape(1, n_key_heads, rows * group, dim)
    from_prefix, prefix_mass = _attend_to(folded, prefix_key, prefix_value, softcap)
    from_own, own_mass = _attend_to(grouped, key, value, softcap)
    from_prefix, prefix_mass = (
        x.reshape(n_key_heads, rows, group, -1).transpose(0, 1) for x in (from_prefix, prefix_mass)
    )
    # The softmax over both together gives each part its share of the mass.
    share = torch.sigmoid(prefix_mass - own_mass).to(query.dtype)
    output = torch.lerp(from_own, from_prefix, share)
    return output.reshape(rows, 1, n_heads, -1)


def _attend_to(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, softcap: float | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attend without a mask; return the values' means and the logarithm of the mass.

    Parameters
    ----------
    query : torch.Tensor, shape (batch, n_key_heads, queries, head_dim)
        Scaled.
    key, value : torch.Tensor, shape (batch, n_key_heads, tokens, head_dim)

    Returns
    -------
    tuple of torch.Tensor, shape (batch, n_key_heads, queries, head_dim) and (..., 1)
    """
    plain = softcap is not None or query.device.type != "cpu" or key.shape[3] != value.shape[3]
    if _FUSED is not None and not plain and key.shape[2]:
        output, mass = _FUSED(query, key, value, scale=1.0)
        return output, mass[..., None]
    scores = query @ key.transpose(2, 3)
    if softcap is not None:
        scores = torch.tanh(scores / softcap) * softcap
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
    mass = torch.logsumexp(scores, dim=-1, keepdim=True)
    return torch.exp(scores - mass).to(value.dtype) @ value, mass


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
