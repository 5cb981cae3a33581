"""Linear layers whose weights are held compactly, without loss, for products with few rows.

Weights that come from a GGUF file are, in each group of inputs, codes of a few bits with a
scale and an offset; those of most checkpoints are numbers of 16 bits. Held so they take a half
to a fifth of the memory, and of the time that they take to come from it.
"""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch

from lwdstats.simulate.models.local.compact_kernel import (
    COMPILED,
    HAS_FMA,
    HEAD,
    LANES,
    ROWS,
    find_codes,
)

# Inputs of a group, in formats of GGUF.
_SIZES = (32, 16)
# With more rows the library's product is faster, though weights are expanded for it.
_MOST_ROWS = 192
# Outputs whose weights are expanded together.
_AT_ONCE = 256
# Sums of products that are worth another thread.
_WORTH = 2**24


class CompactLinear(torch.nn.Module):
    """A linear layer that holds its weights compactly.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    panels : torch.Tensor, uint8, shape (panels, groups, bytes of a group)
        Outputs beyond the last are zero.
    in_features, out_features : int
    bias : torch.nn.Parameter, optional
    """

    panels: torch.Tensor

    def __init__(
        self,
        kind: str,
        panels: torch.Tensor,
        in_features: int,
        out_features: int,
        bias: torch.nn.Parameter | None = None,
    ) -> None:
        super().__init__()
        self.kind, self.in_features, self.out_features = kind, in_features, out_features
        self.register_buffer("panels", panels)
        self.bias = bias

    @property
    def weight(self) -> torch.Tensor:
        """The weights as `torch.nn.Linear` has them: a copy."""
        return self._expand(self.panels)[:, : self.out_features].t()

    def weights_of(self, outputs: torch.Tensor) -> torch.Tensor:
        """Return the weights of some outputs, shape (len(outputs), in_features)."""
        parts = []
        for some in outputs.split(_AT_ONCE):
            whole = self._expand(self.panels[some // LANES])
            lanes = whole.view(self.in_features, len(some), LANES)
            parts.append(lanes[:, torch.arange(len(some)), some % LANES].t())
        return torch.cat(parts)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the outputs of some rows."""
        rows = inputs.reshape(-1, self.in_features)
        if len(rows) <= _MOST_ROWS:
            outputs = self._multiply(rows)
        else:
            outputs = torch.mm(rows, self._expand(self.panels))
        if outputs.shape[1] > self.out_features:
            outputs = outputs[:, : self.out_features]
        if self.bias is not None:
            outputs = outputs + self.bias
        return outputs.view(*inputs.shape[:-1], self.out_features)

    def _multiply(self, rows: torch.Tensor) -> torch.Tensor:
        filled = -(-len(rows) // ROWS[-1]) * ROWS[-1]
        out = rows.detach().new_empty(filled, LANES * len(self.panels))
        # Numbers only: no gradient goes through codes.
        held = rows.detach().contiguous().numpy(), self.panels.numpy(), out.numpy()
        multiply, _ = COMPILED[self.kind]
        cost = LANES * self.in_features * filled
        _over_threads(lambda first, last: multiply(*held, first, last), len(self.panels), cost)
        return out[: len(rows)]

    def _expand(self, panels: torch.Tensor) -> torch.Tensor:
        out = torch.empty(self.in_features, LANES * len(panels))
        held, to = panels.numpy(), out.numpy()
        _, expand = COMPILED[self.kind]
        _over_threads(lambda first, last: expand(held, to, first, last), len(held), LANES * len(to))
        return out


class CompactEmbedding(torch.nn.Module):
    """An embedding whose vectors are the weights of a compact layer.

    Parameters
    ----------
    embedding : torch.nn.Embedding
        What it does to the vectors besides is done.
    layer : CompactLinear
    """

    def __init__(self, embedding: torch.nn.Embedding, layer: CompactLinear) -> None:
        super().__init__()
        self.embedding, self.layer = embedding, layer
        embedding.padding_idx = None
        self._hold(torch.empty(0, dtype=torch.int64))

    @property
    def weight(self) -> torch.Tensor:
        """The vectors as `torch.nn.Embedding` has them: a copy."""
        return self.layer.weight

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the vectors of some tokens."""
        different, places = tokens.unique(return_inverse=True)
        self._hold(different)
        vectors = self.embedding(places)
        self._hold(different[:0])
        return vectors

    def _hold(self, tokens: torch.Tensor) -> None:
        vectors = self.layer.weights_of(tokens)
        self.embedding.weight = torch.nn.Parameter(vectors, requires_grad=False)


def compact(linear: torch.nn.Linear) -> CompactLinear | None:
    """Return a layer with exactly the same weights, None where they can't be held compactly."""
    weight = linear.weight.detach()
    found = _coded(weight) or _halved(weight)
    if found is None:
        return None
    return CompactLinear(*found, linear.in_features, linear.out_features, linear.bias)


def _coded(weight: torch.Tensor) -> tuple[str, torch.Tensor] | None:
    outputs, inputs = weight.shape
    for size in _SIZES:
        if inputs % size:
            continue
        codes = torch.empty(outputs, inputs, dtype=torch.uint8)
        scales, offsets = torch.empty(2, outputs, inputs // size)
        largest = find_codes(
            weight.contiguous().numpy(), codes.numpy(), scales.numpy(), offsets.numpy()
        )
        if largest < 0:
            continue
        codes = _by_panel(codes, size)
        if largest < 16:
            codes = codes[:, :, 0::2] | (codes[:, :, 1::2] << 4)
        panels = torch.empty(*codes.shape[:2], HEAD + codes[0, 0].numel(), dtype=torch.uint8)
        head = panels[:, :, :HEAD].view(torch.float32)
        head[:, :, :LANES] = _by_panel(scales, 1)[:, :, 0]
        head[:, :, LANES:] = _by_panel(offsets, 1)[:, :, 0]
        panels[:, :, HEAD:].view(codes.shape).copy_(codes)
        return "code4" if largest < 16 else "code8", panels
    return None


def _halved(weight: torch.Tensor) -> tuple[str, torch.Tensor] | None:
    for kind in (torch.bfloat16, torch.float16):
        halves = weight.to(kind)
        if torch.equal(halves.to(weight.dtype), weight):
            panels = _by_panel(halves, weight.shape[1]).contiguous()
            return str(kind).removeprefix("torch."), panels.view(torch.uint8).flatten(2)
    return None


def _by_panel(values: torch.Tensor, size: int) -> torch.Tensor:
    """Turn (outputs, inputs) into (panels, groups, inputs of a group, outputs of a panel)."""
    outputs, inputs = values.shape
    filled = torch.nn.functional.pad(values, (0, 0, 0, -outputs % LANES))
    parts = filled.view(-1, LANES, inputs // size, size)
    return parts.permute(0, 2, 3, 1)


@torch.no_grad()
def hold_compactly(module: Any) -> None:
    """Let a module's linear layers hold their weights compactly, where nothing is lost by it.

    So does an embedding with the same weights.
    """
    if not HAS_FMA:
        return
    parts = list(module.named_modules())
    for name, part in parts:
        # A subclass may multiply in another way.
        if type(part) is not torch.nn.Linear or part.weight.dtype != torch.float32:
            continue
        layer = compact(part)
        if layer is None:
            continue
        module.set_submodule(name, layer)
        for place, other in parts:
            if isinstance(other, torch.nn.Embedding) and other.weight is part.weight:
                module.set_submodule(place, CompactEmbedding(other, layer))


def _over_threads(work: Callable[[int, int], None], n: int, cost: int) -> None:
    """Do ``work(first, last)`` on parts of n panels, in as many threads as torch uses.

    `cost` is of one panel, in sums of products.
    """
    threads = max(1, min(torch.get_num_threads(), n, n * cost // _WORTH))
    ends = [n * i // threads for i in range(threads + 1)]
    others = [_pool().submit(work, *part) for part in itertools.pairwise(ends[1:])]
    work(0, ends[1])
    for other in others:
        other.result()


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), "lwdstats-product")


# The threads of a process are not those of its fork.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)
