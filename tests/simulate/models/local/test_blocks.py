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
        def forward(self, inputs):
            return 2 * super().forward(inputs)

    module = torch.nn.ModuleDict(
        {
            "words": torch.nn.Embedding(32, 8),
            "inner": torch.nn.Sequential(torch.nn.Linear(8, 8), Doubled(8, 8)),
            "head": torch.nn.Linear(8, 32, bias=False),
        }
    )
    module["head"].weight = module["words"].weight
    tokens = torch.tensor([[1, 31]])

    def logits():
        return module["head"](module["inner"](module["words"](tokens)))

    expected, at = logits(), module["words"].weight.data_ptr()
    hold_in_blocks(module)
    kinds = [type(part).__name__ for part in module.modules()]
    assert kinds.count("BlockedLinear") == 2
    assert kinds.count("Doubled") == kinds.count("Embedding") == 1
    # Nothing keeps the memory that the weights came in.
    assert module["words"].weight.data_ptr() != at
    torch.testing.assert_close(logits(), expected)
