"""The choice of a dimension against the likelihood itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

import lwdstats as lwd
from lwdstats.geometry.dkps.profile_likelihood import profile_likelihood

SEEDS = st.integers(0, 2**32 - 1)


def likelihoods(values):
    """The profile log-likelihood as Zhu and Ghodsi define it."""
    d = np.sort(values)[::-1]
    p = len(d)
    out = []
    for q in range(1, p):
        first, second = d[:q], d[q:]
        s1 = np.var(first, ddof=1) if q > 1 else 0.0
        s2 = np.var(second, ddof=1) if p - q > 1 else 0.0
        sd = np.sqrt(((q - 1) * s1 + (p - q - 1) * s2) / (p - 2))
        first_part = norm.logpdf(first, first.mean(), sd).sum()
        out.append(first_part + norm.logpdf(second, second.mean(), sd).sum())
    return np.array(out)


@settings(max_examples=100)
@given(SEEDS, st.integers(3, 30), st.sampled_from([1.0, 1e-6, 1e8]))
def test_is_the_likelihood_and_its_maximum(seed, p, scale):
    values = np.random.default_rng(seed).gamma(0.5, size=p) * scale
    choice = profile_likelihood(values)
    expected = likelihoods(values)
    np.testing.assert_allclose(choice.profile, expected, rtol=1e-8, atol=1e-8)
    assert choice.dimension == np.argmax(expected) + 1


@pytest.mark.parametrize("q", [1, 2, 5, 9])
def test_an_obvious_gap_is_found(q):
    rng = np.random.default_rng(q)
    values = np.concatenate([rng.normal(50, 1, q), rng.normal(0, 1, 10 - q)])
    assert profile_likelihood(values).dimension == q


@pytest.mark.parametrize("q", [1, 2, 3, 4])
def test_two_constants_have_an_infinite_likelihood_at_their_split(q):
    # 0.1 has no exact sum, so that rounding would leave a spread.
    choice = profile_likelihood([0.7] * q + [0.1] * (5 - q))
    assert choice.dimension == q
    assert np.flatnonzero(np.isinf(choice.profile)).tolist() == [q - 1]


@given(SEEDS, st.integers(1, 6))
def test_eigenvalues_of_zero_are_never_taken(seed, rank):
    values = np.zeros(40)
    values[:rank] = np.random.default_rng(seed).uniform(0.1, 10, rank)
    assert profile_likelihood(values).dimension <= rank


@given(SEEDS, st.floats(1e-3, 1e3), st.floats(-10, 10))
def test_order_unit_and_origin_do_not_matter(seed, unit, origin):
    rng = np.random.default_rng(seed)
    values = rng.gamma(0.5, size=12)
    changed = rng.permutation(values) * unit + origin
    assert profile_likelihood(changed).dimension == profile_likelihood(values).dimension


def test_few_values():
    assert profile_likelihood([3.0, 1.0]).dimension == 1
    assert profile_likelihood([2.0, 2.0, 2.0]).dimension == 1  # no gap: the least
    assert profile_likelihood([5.0, 4.9, 0.0]).dimension == 2


def test_a_long_result_prints_short():
    text = str(profile_likelihood(np.arange(1000.0)))
    assert "Dimension: " in text
    assert "... and 989 more" in text
    assert len(text) < 250


@pytest.mark.parametrize("values", [[1.0], [], [[1, 2], [3, 4]], [1, np.nan], ["a", "b"], 3.0])
def test_bad_input_names_the_argument(values):
    with pytest.raises(lwd.InputError) as error:
        profile_likelihood(values)
    assert error.value.argument == "values"
