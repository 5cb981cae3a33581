"""The part of the norm that lies between groups of models."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lwdstats as lwd

GROUPS = ["a", "a", "b", "b", "b"]


@settings(max_examples=20)
@given(seed=st.integers(0, 2**16))
def test_between_and_within_make_the_whole(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2, 5, 2, 4, 3))
    ds = lwd.as_results(x)
    between = lwd.polarization(ds, GROUPS).transpose("time", "replicate").values
    mean = x.mean(axis=3)
    codes = np.array([0, 0, 1, 1, 1])
    within = np.zeros((2, 2))
    for g in (0, 1):
        own = mean[:, codes == g]
        away = own - own.mean(axis=1, keepdims=True)
        within += 10 * (away**2).sum(axis=(1, 3))
    whole = lwd.fnorm(ds).transpose("time", "replicate").values ** 2
    np.testing.assert_allclose(between**2 + within, whole, rtol=1e-9)
    share = lwd.polarization(ds, dict(enumerate(GROUPS)), share=True)
    np.testing.assert_allclose(share.transpose("time", "replicate"), between**2 / whole)
    # Each model a group of its own: all lies between.
    np.testing.assert_allclose(lwd.polarization(ds, range(5)), lwd.fnorm(ds), rtol=1e-9, atol=1e-12)


def test_debiased_squares_are_unbiased_with_spreads_of_their_own():
    rng = np.random.default_rng(1)
    spread = np.array([0.5, 2.0, 1.0, 3.0, 1.0])[:, None, None, None]
    centre = np.array([0.0, 0.0, 1.0, 1.0, 1.0])[:, None, None, None]
    x = centre + spread * rng.normal(size=(5, 8000, 3, 2))
    ds = lwd.as_results(x[None])
    value = lwd.polarization(ds, GROUPS, debias=True).values
    square = (value * abs(value)).ravel()
    # 2 n sum n_g |mean_g - mean|^2, in each of two coordinates.
    expected = 2 * 5 * 2 * (2 * 0.6**2 + 3 * 0.4**2)
    assert abs(square.mean() - expected) < 4 * square.std() / np.sqrt(square.size)
    plain = (lwd.polarization(ds, GROUPS) ** 2).mean()
    assert plain > expected + 1


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ("kind", "groups: got .*kind"),
        (["a", "b"], r"values of shape \(2,\)"),
        (["a"] * 5, "1 group"),
        ({0: "a"}, "no value for 1"),
        (["a", "a", None, "b", "b"], "without a group"),
        (3, r"values of shape \(\)"),
        (None, "got None"),
    ],
)
def test_groups_that_are_none(groups, said):
    ds = lwd.as_results(np.random.default_rng(0).normal(size=(1, 5, 1, 2, 2)))
    with pytest.raises(lwd.InputError, match=said):
        lwd.polarization(ds, groups)


def test_a_covariate_names_the_groups():
    ds = lwd.as_results(np.random.default_rng(0).normal(size=(1, 5, 1, 2, 2)))
    ds = ds.assign_coords(family=("model", GROUPS))
    np.testing.assert_array_equal(lwd.polarization(ds, "family"), lwd.polarization(ds, GROUPS))
