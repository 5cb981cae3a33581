"""Weights in blocks give what linear layers give."""

import pytest
import torch

from lwdstats.simulate.models.local.blocks import BlockedLinear, hold_in_blocks


# One block, several, and outputs that no width divides.
@pytest.mark.parametrize("outputs", [48, 1536, 1021])
@pytest.mark.parametrize("shape", [(5,), (2, 3, 5), (0, 5)])
@pytest.mark.parametrize("bias", [True, False])
@torch.no_grad()
def test_blocks_give_what_the_layer_gives(outputs, shape, bias):
    layer = torch.nn.Linear(5, outputs, bias=bias)
    blocked = BlockedLinear(layer)
    inputs = torch.randn(shape)
    torch.testing.assert_close(blocked(inputs), layer(inputs))
    assert torch.equal(blocked.weight, layer.weight)


@torch.no_grad()
def test_embeddings_and_layers_of_another_kind_stay():
    class Doubled(torch.nn.Linear):
        def forward(self, input):  # noqa: A002 - as the library calls it
            return 2 * super().forward(input)

    words = torch.nn.Embedding(32, 8)
    module = torch.nn.Sequential(
        words, torch.nn.Linear(8, 8), Doubled(8, 8), torch.nn.Linear(8, 32, bias=False)
    )
    module[3].weight = words.weight
    tokens = torch.tensor([[1, 31]])
    expected, at = module(tokens), words.weight.data_ptr()
    hold_in_blocks(module)
    kinds = ["Embedding", "BlockedLinear", "Doubled", "BlockedLinear"]
    assert [type(part).__name__ for part in module] == kinds
    # Nothing keeps the memory that the weights came in.
    assert words.weight.data_ptr() != at
    torch.testing.assert_close(module(tokens), expected)
