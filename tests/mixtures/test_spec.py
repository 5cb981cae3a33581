"""Arguments of `simulate_gmm`: what they mean, and what is refused."""

import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lwdstats as lwd
from lwdstats.errors import InputError
from lwdstats.mixtures.spec import GmmSpec

NAN, INF = float("nan"), float("inf")
NOT_NUMBERS = [None, "x", NAN, INF, -INF, [], {}, True, 1j, [[1], [1, 2]], object()]

# For each argument, values that are wrong whatever the others are.
BAD = {
    "n_models": [0, -1, 1.5, "3", None, True, [3], NAN],
    "n_components": [0, -2, 2.5, "2", None, False],
    "means": ["x", NAN, [1.0], [1.0, NAN], [[1.0], [2.0], [3.0]], [[], []], 5.0, [1e39, -1e39],
              [[1, 2], [3]], [True, False], [0, 1j], np.zeros((2, 1, 1)), [1e9, -1e9]],
    "covariance": [0.0, -1.0, *NOT_NUMBERS, np.eye(2), [[1.0, 2.0]], 1e-14],
    "n_steps": [-1, 2.5, "9", None, 10**10, True],
    "n_responses": [0, -1, 1.5, None, "x"],
    "beta": [0, 0.0, -0.1, 1.0000001, *NOT_NUMBERS, "0.5"],
    "concentration": [0.0, -1.0, [1.0], [1.0, 0.0], [1.0, -1.0], [1.0, NAN], *NOT_NUMBERS, 1e300],
    "initial_weights": [[0.5, 0.6], [1.0, 0.0], [1.5, -0.5], [1.0], [0.5, NAN], 0.5, "x",
                        [0.3, 0.3, 0.4], [[0.5, 0.5]] * 2, [[0.5, 0.5]] * 2 + [[0.5, 0.4]],
                        np.full((2, 3, 2), 0.5), [True, False]],
    "initial_points": [NAN, 3.0, "x", [NAN], [INF], [1e39], [[1.0, 2.0]], np.zeros((2, 4, 1)),
                       np.zeros((1, 1, 1, 1)), [[1], [1, 2]]],
    "step_size": [0, -0.1, 1.5, NAN, INF, True, None, "", "1/", "1/q", "k", "0/k", "-1/k",
                  "1/(k-k)", "__import__('os')", "log(k - 10^6)", [0.5], [0.5] * 19 + [2.0],
                  [0.5] * 19 + ["x"], [0.5] * 19 + [None], [0.5] * 19 + [[0.5]], 1j,
                  lambda k: 2.0, lambda k: NAN, lambda k: "x", lambda k: [0.5]],
    "complexity": [-0.01, 0.5, 1, NAN, INF, True, "1/B", "k", "-1/k", "x", "1/k)", [0.1],
                   [0.1] * 19 + [0.5], lambda k: 0.5, lambda k: -1.0],
    "scenario": [1, "last", [], object(), {"keeps": "all"}],
    "update": ["prior", "Refit", 1, None, ("prior",), ("prior", 0), ("prior", NAN), ("refit", 2)],
    "threshold": [-1e-9, 1.01, *NOT_NUMBERS, "0.1"],
    "replicates": [0, -1, 1.5, None, "3", [], [0, 0], [-1], [0.5], [2**63], True, {}],
    "seed": [-1, 1.5, "x", "-1", "1.5", [1], True, NAN],
    "engine": ["Gaussian", "", None, 1, "EXACT"],
    "max_overlap": [-0.1, 1.01, *NOT_NUMBERS, "0.1"],
    "record": [0, -1, 1.5, "x", [], [-1], [21], [1, 1], [0.5], True, [[0, 1]], object()],
    "n_jobs": [0, 1.5, "2", True, [1]],
    "progress": [1, "yes", [True]],
}  # fmt: skip


@given(data=st.data())
def test_bad_input_is_one_error_that_names_the_argument(data):
    argument = data.draw(st.sampled_from(sorted(BAD)))
    value = data.draw(st.sampled_from(BAD[argument]))
    with pytest.raises(InputError, match=rf"^{argument}: got .*; takes ") as error:
        lwd.simulate_gmm(**({"n_steps": 20} | {argument: value}))
    assert error.value.argument == argument
    assert len(str(error.value)) < 500


@pytest.mark.parametrize("argument", BAD)
def test_each_bad_value_is_refused(argument):
    for value in BAD[argument]:
        with pytest.raises(InputError, match=rf"^{argument}: "):
            lwd.simulate_gmm(**({"n_steps": 20} | {argument: value}))


@pytest.mark.parametrize(
    "covariance",
    [
        [[1.0, 1.0], [1.0, 1.0]],  # singular
        [[1.0, 0.1], [0.2, 1.0]],  # not symmetric
        [[1.0, 2.0], [2.0, 1.0]],  # indefinite
        [[0.0, 0.0], [0.0, 0.0]],
        [[1.0, NAN], [NAN, 1.0]],
        np.eye(3),
    ],
)
def test_covariance_must_be_a_covariance(covariance):
    with pytest.raises(InputError, match=r"^covariance: "):
        GmmSpec(means=[[0, 0], [5, 5]], covariance=covariance)


@given(
    beta=st.floats(1e-3, 1, exclude_min=True),
    n_components=st.integers(1, 20),
    n_models=st.integers(1, 20),
    n_initial=st.integers(0, 50),
    n_steps=st.integers(0, 30),
)
def test_a_specification_holds_what_the_paper_says(
    beta, n_components, n_models, n_initial, n_steps
):
    spec = GmmSpec(
        n_models,
        n_components,
        beta=beta,
        n_steps=n_steps,
        n_responses=2,
        initial_points=np.zeros(n_initial),
        complexity="1/((k + 1) B^2)",
        seed=1,
    )
    assert (spec.n_web == n_initial + 2 * n_models * np.arange(n_steps + 1)).all()
    meant = Fraction(beta).limit_denominator(10**6)
    exact = [int(n) * meant.numerator // meant.denominator for n in spec.n_web]
    if abs(meant - Fraction(beta)) < Fraction(1, 10**17):
        assert spec.n_retrieved.tolist() == exact
    assert (spec.n_retrieved <= spec.n_web).all()
    k = spec.n_retrieved[:-1]
    reads = k > 0
    np.testing.assert_allclose(spec.alpha[reads], 1 / k[reads], rtol=1e-15)
    np.testing.assert_allclose(spec.c[reads], 1 / ((k[reads] + 1) * n_components**2), rtol=1e-15)
    assert np.isnan(spec.alpha[~reads]).all()
    np.testing.assert_allclose(spec.means.mean(), 0, atol=1e-12)
    np.testing.assert_allclose(np.diff(spec.means[:, 0]), 10)


@pytest.mark.parametrize(
    ("beta", "n", "k"),
    [(0.29, 100, 29), (1 / 3, 9, 3), (0.1, 30, 3), (0.7, 10, 7), (0.299999, 100, 29), (1, 7, 7)],
)
def test_number_of_points_read_is_the_one_meant(beta, n, k):
    spec = GmmSpec(beta=beta, initial_points=np.zeros(n), complexity=0, n_steps=0)
    assert spec.n_retrieved.tolist() == [k]


def test_default_means():
    assert GmmSpec().means.tolist() == [[-5], [5]]
    assert GmmSpec(n_components=3, complexity=0.1).means.tolist() == [[-10], [0], [10]]


def test_rules_take_every_form():
    # k is 0, 4, 9, 13, ...: the first value is not used.
    k = GmmSpec(n_steps=4).n_retrieved[:-1]
    assert k.tolist() == [0, 4, 9, 13]
    expected = [NAN, 1 / 4, 1 / 9, 1 / 13]
    for rule in ("1/k", lambda size: 1 / size, [None, *expected[1:]], np.array(expected)):
        spec = GmmSpec(n_steps=4, step_size=rule)
        np.testing.assert_array_equal(spec.alpha, expected)
        again = GmmSpec(n_steps=4, step_size=json.loads(json.dumps(spec.to_json()))["step_size"])
        np.testing.assert_array_equal(again.alpha, expected)
    np.testing.assert_array_equal(GmmSpec(n_steps=2, step_size=0.25).alpha, [NAN, 0.25])
    spec = GmmSpec(n_steps=4, complexity="t / (100 n B)")
    np.testing.assert_allclose(spec.c, [NAN, 1 / 600, 2 / 600, 3 / 600])
    assert GmmSpec(n_steps=4, step_size=lambda k: 0.5).to_json()["step_size"] == [
        None,
        0.5,
        0.5,
        0.5,
    ]


def test_recorded_times():
    assert GmmSpec(n_steps=5).times.tolist() == [0, 1, 2, 3, 4, 5]
    assert GmmSpec(n_steps=5, record=2).times.tolist() == [0, 2, 4, 5]
    assert GmmSpec(n_steps=5, record=9).times.tolist() == [0, 5]
    assert GmmSpec(n_steps=5, record=(4, 1)).times.tolist() == [1, 4]
    assert GmmSpec(n_steps=0, record=3).times.tolist() == [0]


def test_json_round_trip():
    rng = np.random.default_rng(0)
    spec = GmmSpec(
        2,
        3,
        means=rng.normal(size=(3, 2)),
        covariance=[[2.0, 0.3], [0.3, 1.0]],
        n_steps=6,
        beta=0.3,
        concentration=[1, 2, 3],
        initial_weights=rng.dirichlet(np.ones(3), (2, 2)),
        initial_points=rng.normal(size=(2, 5, 2)),
        step_size=lambda k: 1 / (k + 1),
        replicates=[4, 2],
        seed=2**100,
        record=[0, 3],
    )
    text = json.dumps(spec.to_json(), allow_nan=False)
    again = GmmSpec.from_json(json.loads(text))
    assert json.dumps(again.to_json()) == text
    for name in ("means", "covariance", "initial_weights", "initial_points", "alpha", "c"):
        np.testing.assert_array_equal(getattr(again, name), getattr(spec, name))
    assert again.replicates == (4, 2)
    assert again.seed == 2**100
    with pytest.raises(InputError, match=r"^spec: .*unknown_argument"):
        GmmSpec.from_json(spec.to_json() | {"unknown_argument": 1})
    with pytest.raises(InputError, match=r"^simulator: "):
        GmmSpec.from_json(spec.to_json() | {"simulator": "llm"})


def test_initial_weights_of_every_shape():
    one = np.array([0.2, 0.8])
    spec = GmmSpec(initial_weights=one)
    np.testing.assert_array_equal(spec.first_weights(0), [one] * 3)
    many = np.random.default_rng(0).dirichlet([1, 1], (4, 3))
    spec = GmmSpec(initial_weights=many, replicates=4)
    np.testing.assert_array_equal(spec.first_weights(2), many[2])
    np.testing.assert_array_equal(GmmSpec(initial_weights=many[1]).first_weights(0), many[1])


def test_drawn_weights_follow_the_dirichlet_law_and_their_replicate():
    spec = GmmSpec(2000, 3, concentration=[0.5, 1, 2.5], seed=3, replicates=[7, 1])
    drawn = spec.first_weights(0)
    np.testing.assert_allclose(drawn.sum(1), 1)
    # Mean a_b / a and variance m (1 - m) / (a + 1), with a = 4.
    mean = np.array([0.5, 1, 2.5]) / 4
    deviation = np.sqrt(mean * (1 - mean) / 5)
    assert (np.abs(drawn.mean(0) - mean) < 4 * deviation / np.sqrt(2000)).all()
    np.testing.assert_allclose(drawn.std(0), deviation, rtol=0.1)
    alone = GmmSpec(2000, 3, concentration=[0.5, 1, 2.5], seed=3, replicates=[1])
    np.testing.assert_array_equal(alone.first_weights(0), spec.first_weights(1))
    assert not np.array_equal(drawn, spec.first_weights(1))


@pytest.mark.parametrize("concentration", [1e-8, 1e-3, 1e8])
def test_drawn_weights_are_positive_under_any_concentration(concentration):
    drawn = GmmSpec(500, 11, concentration=concentration, seed=1).first_weights(0)
    assert (drawn > 0).all()
    np.testing.assert_allclose(drawn.sum(1), 1)


def test_initial_points_are_rounded_to_what_is_stored():
    spec = GmmSpec(initial_points=[0.1, 0.2])
    points = spec.first_points(0)
    assert points.dtype == np.float32
    assert points.shape == (2, 1)
    assert GmmSpec(initial_points=[]).initial_points is None
    each = np.arange(6.0).reshape(2, 3, 1)
    spec = GmmSpec(initial_points=each, replicates=2)
    assert spec.n_initial == 3
    np.testing.assert_array_equal(spec.first_points(1), each[1])
