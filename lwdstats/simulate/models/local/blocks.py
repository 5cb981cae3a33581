"""Linear layers whose weights lie in blocks, for products with few rows.

A product of a few rows takes as long as its weights take to come from memory. Libraries
of matrix products copy them piece by piece before they multiply; pieces that lie together
come faster.
"""

from __future__ import annotations

from typing import Any

import torch

# Columns of a block: it stays in the cache near the core while it is multiplied.
_MOST, _STEP = 512, 16


class BlockedLinear(torch.nn.Module):
    """A linear layer, its weights in blocks of outputs.

    Parameters
    ----------
    linear : torch.nn.Linear

    Attributes
    ----------
    blocks : torch.Tensor, shape (n_blocks, in_features, outputs of a block)
    """

    blocks: torch.Tensor

    def __init__(self, linear: torch.nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        width = _width(linear.out_features)
        blocks = linear.weight.detach().view(-1, width, linear.in_features)
        self.register_buffer("blocks", blocks.transpose(1, 2).contiguous())
        self.bias = linear.bias

    @property
    def weight(self) -> torch.Tensor:
        """The weights as `torch.nn.Linear` has them: a copy."""
        return self.blocks.transpose(1, 2).reshape(self.out_features, self.in_features)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the outputs of some rows."""
        rows = inputs.reshape(-1, self.in_features)
        outputs = rows.new_empty(len(rows), self.out_features)
        width = self.blocks.shape[2]
        for block, part in zip(self.blocks, outputs.split(width, dim=1), strict=True):
            torch.mm(rows, block, out=part)
        if self.bias is not None:
            outputs += self.bias
        return outputs.view(*inputs.shape[:-1], self.out_features)


def _width(outputs: int) -> int:
    """Return the largest width of equal blocks, all of the outputs where none divides them."""
    widths = range(_MOST, 0, -_STEP)
    return next((width for width in widths if outputs % width == 0), outputs)


@torch.no_grad()
def hold_in_blocks(module: Any) -> None:
    """Let the weights of a module's linear layers lie in blocks.

    A weight that is also an embedding is held twice. All else is copied: one small tensor
    that still lay in the file's mapping would keep the whole file in memory, beside the copies.
    """
    for name, part in list(module.named_modules()):
        # A subclass may multiply in another way.
        if type(part) is torch.nn.Linear:
            module.set_submodule(name, BlockedLinear(part))
    for tensor in {*module.parameters(), *module.buffers()}:
        tensor.data = tensor.data.clone()
