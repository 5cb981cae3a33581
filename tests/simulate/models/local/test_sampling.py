"""Tokens are drawn as the library draws them, with less work."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lwdstats.simulate.models.local import sampling
from lwdstats.simulate.models.local.sampling import first_clocks, sample_tokens


def plain(shares, uniform):
    clocks = (-torch.log1p(-uniform)).to(torch.float32)
    return (shares / clocks).argmax(dim=-1).tolist()


@given(
    st.integers(0, 2**31),
    st.sampled_from([1, 3, 50, 5000]),
    st.sampled_from([0.01, 1.0, 5.0, 40.0]),
)
def test_the_first_clock_is_found_without_the_others(seed, n_tokens, spread):
    random = torch.Generator().manual_seed(seed)
    shares = torch.softmax(spread * torch.randn(4, n_tokens, generator=random), dim=-1)
    uniform = torch.rand(4, n_tokens, dtype=torch.float64, generator=random)
    assert first_clocks(shares, uniform) == plain(shares, uniform)


def test_a_late_clock_of_a_likely_token_is_found_too():
    # All clocks ring so late that the bound, which is at most share / u, is far off.
    shares = torch.tensor([[0.6, 0.4], [0.5, 0.5]])
    uniform = torch.tensor([[1 - 1e-15, 1 - 1e-9], [1 - 1e-12, 1 - 1e-14]], dtype=torch.float64)
    assert first_clocks(shares, uniform) == plain(shares, uniform) == [1, 0]


def test_a_token_without_a_share_is_never_drawn():
    shares = torch.tensor([[0.0, 1.0, 0.0]])
    for seed in range(50):
        random = torch.Generator().manual_seed(seed)
        uniform = torch.rand(1, 3, dtype=torch.float64, generator=random)
        assert first_clocks(shares, uniform) == [1]


@pytest.mark.parametrize("rows", [[0, 1, 2, 3], [1, 3], [2]])
def test_both_ways_draw_the_same_from_the_same_seed(monkeypatch, rows):
    logits = 3 * torch.randn(len(rows), 2000, generator=torch.Generator().manual_seed(8))

    def draws():
        random = torch.Generator().manual_seed(11)
        return [sample_tokens(logits, random, [], rows=rows, n=4) for _ in range(40)]

    ours = draws()
    monkeypatch.setattr(sampling, "_clocks_are_logarithms", lambda: False)
    assert draws() == ours
    assert len({tuple(drawn) for drawn in ours}) > 10
