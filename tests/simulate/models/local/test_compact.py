"""Weights held compactly are the same weights, and give what linear layers give."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lwdstats.simulate.models.local import compact as compact_module
from lwdstats.simulate.models.local.compact import (
    CompactEmbedding,
    CompactLinear,
    compact,
    hold_compactly,
)

gguf = pytest.importorskip("gguf")
TYPES = gguf.GGMLQuantizationType


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def of_type(name, outputs, inputs):
    """Random weights as a file of that type has them: by the owner's own code where it writes."""
    if name in ("bfloat16", "float16"):
        return random(outputs, inputs).to(getattr(torch, name)).float()
    kind = getattr(TYPES, name)
    try:
        raw = gguf.quantize(random(outputs, inputs).numpy(), kind)
    except NotImplementedError:
        # Any bytes are weights, but for scales in float16, which must be finite and of some size.
        size, width = gguf.GGML_QUANT_SIZES[kind]
        raw = np.random.default_rng(0).integers(0, 256, (outputs, inputs // size, width), np.uint8)
        scales = np.random.default_rng(1).uniform(0.5, 1, (*raw.shape[:2], 2)).astype(np.float16)
        if name == "Q6_K":
            raw[:, :, -2:] = scales[:, :, :1].view(np.uint8)
        else:
            raw[:, :, :4] = scales.view(np.uint8)
        raw = raw.reshape(outputs, -1)
    return torch.from_numpy(gguf.dequantize(raw, kind).astype(np.float32))


def layer_of(weight, *, bias=False):
    layer = torch.nn.Linear(*weight.shape[::-1], bias=bias)
    layer.weight.data = weight
    return layer


def held_of(weight):
    held = compact(layer_of(weight))
    assert held is not None
    return held


HELD = {
    "Q4_0": "code4",
    "Q4_1": "code4",
    "Q5_0": "code8",
    "Q5_1": "code8",
    "Q8_0": "code8",
    "Q4_K": "code4",
    "Q5_K": "code8",
    "Q6_K": "code8",
    "bfloat16": "bfloat16",
    "float16": "float16",
}


@pytest.mark.parametrize("name", HELD)
@torch.no_grad()
def test_weights_are_the_same(name):
    weight = of_type(name, 48, 512)
    held = held_of(weight)
    assert held.kind == HELD[name]
    assert torch.equal(held.weight, weight)
    assert held.panels.nbytes < 0.51 * weight.nbytes


# A row, some, several groups of rows, and more than are multiplied by our kernel.
@pytest.mark.parametrize("shape", [(64,), (0, 64), (2, 3, 64), (41, 64), (200, 64)])
@pytest.mark.parametrize("bias", [True, False])
# Outputs that fill panels, and that don't.
@pytest.mark.parametrize("outputs", [64, 37])
@pytest.mark.parametrize("name", ["Q4_1", "Q8_0", "bfloat16", "float16"])
@torch.no_grad()
def test_a_layer_gives_what_it_gave(name, outputs, bias, shape):
    layer = layer_of(of_type(name, outputs, 64), bias=bias)
    held = compact(layer)
    assert held is not None
    inputs = random(*shape)
    torch.testing.assert_close(held(inputs), layer(inputs), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_a_row_does_not_depend_on_those_beside_it(monkeypatch):
    held = held_of(of_type("Q4_1", 64, 64))
    inputs = random(61, 64)
    whole = held(inputs)
    for rows in (1, 2, 7, 16, 23, 40, 60):
        assert torch.equal(held(inputs[:rows]), whole[:rows])
    # Nor on how many threads share the work.
    monkeypatch.setattr(compact_module, "_WORTH", 1)
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        assert torch.equal(held(inputs), whole)
    finally:
        torch.set_num_threads(threads)


@given(
    st.integers(1, 255),
    st.integers(-2047, 2047).filter(bool),
    st.integers(-2047, 2047),
    st.integers(-40, 40),
    st.integers(-20, 20),
    st.integers(0, 999),
)
@torch.no_grad()
def test_codes_are_found_where_weights_are_exact(largest, scale, offset, power, apart, seed):
    codes = np.random.default_rng(seed).integers(0, largest + 1, (16, 32))
    # As in the formats, which have both in float16; without rounding in float64.
    weight = 2.0**power * (codes * scale + 2.0**apart * offset)
    rounded = weight.astype(np.float32)
    held = compact(layer_of(torch.from_numpy(rounded)))
    assert held is not None or (rounded != weight).any()
    assert held is None or (held.weight.numpy() == rounded).all()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e-3])
def test_weights_of_no_such_kind_stay(bad):
    weight = of_type("Q4_1", 32, 64)
    weight[31, 63] = bad
    assert compact(layer_of(weight)) is None
    assert compact(layer_of(random(32, 64))) is None


@pytest.mark.parametrize("value", [0.0, -0.3])
@torch.no_grad()
def test_weights_that_are_all_the_same(value):
    held = held_of(torch.full((16, 32), value))
    assert torch.equal(held.weight, torch.full((16, 32), value))


class Scaled(torch.nn.Embedding):
    def forward(self, input):  # noqa: A002 - as the library calls it
        return super().forward(input) * 3


class Doubled(torch.nn.Linear):
    def forward(self, input):  # noqa: A002 - as the library calls it
        return 2 * super().forward(input)


@pytest.mark.parametrize("kind", [torch.nn.Embedding, Scaled])
@torch.inference_mode()
def test_an_embedding_shares_what_is_held(kind):
    words = kind(320, 32, padding_idx=319)
    first, doubled = torch.nn.Linear(32, 32), Doubled(32, 32)
    last = torch.nn.Linear(32, 320, bias=False)
    words.weight.data = last.weight.data = of_type("Q8_0", 320, 32)
    last.weight = words.weight
    module = torch.nn.Sequential(words, first, doubled, last)
    # More tokens than are expanded at once.
    tokens = torch.cat([torch.arange(320), torch.tensor([5, 5, 319, 0])]).view(4, 81)
    vectors, expected, plain = words(tokens), module(tokens), words.weight.nbytes
    hold_compactly(module)
    # What can't be held compactly, and what multiplies in another way, stays.
    kinds = [CompactEmbedding, torch.nn.Linear, Doubled, CompactLinear]
    assert [type(part) for part in module] == kinds
    assert torch.equal(module[0](tokens), vectors)
    torch.testing.assert_close(module(tokens), expected, rtol=1e-4, atol=1e-4)
    held = {*module[0].parameters(), *module[0].buffers(), *module[3].buffers()}
    assert sum(tensor.nbytes for tensor in held) < plain / 3
