"""What is no value of an argument is refused by the name of the argument, whatever its type."""

import warnings

import numpy as np
import pandas as pd
import pytest

import lwdstats as lwd

RNG = np.random.default_rng(4)
DS = lwd.simulate_gmm(n_steps=8, replicates=2, seed=3)
LOGGED = lwd.as_results(
    {"time": [0, 0, 0], "model": list("abc"), "text": ["up", "down", "flat"]},
    embedder=lambda texts: [[len(text), text.count("o") + 1] for text in texts],
)
D = lwd.dist(RNG.normal(size=(6, 2)))
X, GROUP, WEIGHTS = RNG.normal(size=(6, 2)), list("aabbcc"), [[0.2, 0.8], [0.5, 0.5]]
FEW = {"permutations": 9, "strata": None}
MIXTURE = {"weights": [0.5, 0.5], "means": [-1, 1]}
CURVE = {"x": 0.1 + np.exp(-np.arange(30.0) / 5), "debias": None, "embedding": "embedding"}
CALLS = {
    "expected_sq_norm": {"initial_weights": WEIGHTS, "n_steps": 3},
    "second_moments": {"initial_weights": WEIGHTS, "times": [1], "n_steps": 3},
    "expected_diversity": {"initial_weights": WEIGHTS, "n_steps": 3},
    "collapse_rate": {"initial_weights": WEIGHTS, "scenario": {"keep": "last"}},
    "effective_size": {"initial_weights": WEIGHTS, "scenario": {"keep": "last"}},
    "long_run": {"initial_weights": WEIGHTS, "scenario": {"keep": "last"}},
    "moving_moments": {"initial_means": [[0.0], [1.0], [2.0]], "n_steps": 3, "variance_rule": None},
    "variance_rate": {"initial_weights": [0.5, 0.5], "n_responses": 20},
    "norm_bound": {"initial_weights": WEIGHTS, "n_steps": 3},
    "steps_to": {"bound": 0.5, "initial_weights": WEIGHTS},
    "decay_factor": {"k": 3, "alpha": 0.5},
    "decay_product": {"k": [3], "alpha": [0.5]},
    "expected_difference": {"initial_weights": WEIGHTS, "pairs": [[0, 1]], "n_steps": 3},
    "asymptotics": {"initial_weights": WEIGHTS},
    "stationary_sq_norm": {"alpha": 0.1, "n_models": 3, "diversity": 0.5},
    "missing_information": MIXTURE | {"n_points": 64, "n_randomizations": 2},
    "measured_decay": {"before": [WEIGHTS], "after": [WEIGHTS]},
    "cmdscale": {"d": D, "k": 2, "add": False},
    "dist": {"x": X},
    "fnorm": {"x": D, "debias": False},
    "drift": {"ds": DS, "debias": False, "embedding": "embedding"},
    "distinct_n": {"x": ["a b c"], "n": 2},
    "out_of_sample": {"fit": lwd.cmdscale(D), "new": D[0], "d": D, "residuals": False},
    "procrustes": {"x": X, "y": X, "scale": True, "symmetric": False},
    "profile_likelihood": {"values": [3.0, 2.0, 1.0]},
    "changepoints": CURVE | {"since": 0, "n_bootstrap": 19},
    "control_chart": {"x": CURVE["x"], "baseline": 12, "detrend": "none", "n_simulations": 99},
    "collapse_time": CURVE | {"threshold": 0.5},
    "convergence_fit": CURVE | {"since": 0},
    "mann_kendall": CURVE | {"n_bootstrap": 19},
    "betadisper": {"d": D, "group": GROUP, "bias_adjust": False, "sqrt_dist": False, "add": False},
    "permutest": {"x": lwd.betadisper(D, GROUP), "pairwise": False, "permutations": 9},
    "nls": {"formula": "y ~ a * x", "data": {"x": X[:, 0], "y": X[:, 1]}, "start": {"a": 1}}
    | {"weights": np.ones(6)},
    "adonis2": {"formula": "d ~ g", "data": {"g": GROUP}, "d": D, "sqrt_dist": False, "add": False}
    | FEW,
    "collapse_test": {"ds": DS, "time": [8], "permutations": 9, "embedding": "embedding"},
    "eqdist_etest": {"x": X, "sizes": [3, 3], "R": 9, "distance": False},
    "mantel": {"d1": D, "d2": D, **FEW},
    "mantel_partial": {"d1": D, "d2": D**2, "d3": np.sqrt(D), **FEW},
    "protest": {"x": X, "y": X, **FEW},
    "plot_mixtures": {"ds": DS, "times": [0, 8], "replicate": 0},
    "plot_norm": {"ds": DS, "log": False, "color": list("aab"), "embedding": "embedding"},
    "plot_answers": {"ds": DS, "times": [8], "color": list("aab"), "marker": [1, 2, 1], "names": 2},
    "summary": {"x": DS, "embedding": "embedding"},
    "to_frame": {"ds": DS, "embedding": True},
    "positions": {"ds": DS, "embedding": "embedding"},
    "noise_floor": {"ds": DS, "embedding": "embedding"},
    "choose_embedding": {"ds": DS, "embedding": "embedding"},
    "normalized": {"ds": LOGGED, "embedding": "embedding"},
    "add_embedding": {"ds": LOGGED, "embedder": lambda t: [[1.0, 2.0]] * len(t)}
    | {"normalize": False, "long": "cut", "name": None},
    "combine": {"files": [DS]},
}
WRONG = [
    DS,
    object(),
    {1, 2},
    lambda x: x,
    1j,
    np.datetime64("2024"),
    [[1], [1, 2]],
    pd.DataFrame({"a": [1, 2]}),
    pd.Series([1, 2]),
    np.ones((2, 2, 2)),
    np.nan,
    b"x",
    int,
]


@pytest.mark.parametrize("name", CALLS)
def test_a_value_of_the_wrong_type_is_an_input_error(name):
    function, good = getattr(lwd, name), CALLS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        function(**good)
        for argument in good:
            refused = 0
            for value in WRONG:
                try:
                    function(**good | {argument: value})
                except lwd.InputError:
                    refused += 1
            # Some of these are values of some arguments, such as a dataset, or no strata.
            assert refused >= len(WRONG) - 5, argument


@pytest.mark.parametrize("flag", ["no", 1, None, [True], np.ones(2)])
def test_a_switch_is_true_or_false(flag):
    for name, argument in (
        ("cmdscale", "add"),
        ("procrustes", "scale"),
        ("procrustes", "symmetric"),
        ("betadisper", "bias_adjust"),
        ("permutest", "pairwise"),
        ("eqdist_etest", "distance"),
        ("fnorm", "debias"),
    ):
        with pytest.raises(lwd.InputError, match="takes True or False") as error:
            getattr(lwd, name)(**CALLS[name] | {argument: flag})
        assert error.value.argument == argument
    # NumPy's are as good.
    assert lwd.procrustes(**CALLS["procrustes"] | {"scale": np.False_}).scale == 1.0
