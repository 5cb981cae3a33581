"""`simulate_gmm` in scenarios, held to a slow and literal loop."""

import functools

import literal_scenario
import numpy as np
import pytest
from scipy import stats
from typer.testing import CliRunner

import lwdstats as lwd
from lwdstats.cli.main import app
from lwdstats.dataset.schema import spec_of
from lwdstats.errors import InputError
from lwdstats.mixtures.spec import GmmSpec
from lwdstats.simulate.gmm.exact.run import run_exact
from lwdstats.simulate.gmm.exact.scenario.run import run_scenario

MEANS = [-1.5, 1.5]
FIRST = [[0.9, 0.1], [0.5, 0.5], [0.2, 0.8], [0.7, 0.3]]
INITIAL = [-2.0, -1.0, -1.5, 0.25, 1.0]
N_STEPS, N_RESPONSES, BETA, EPS, C = 6, 2, 0.6, 1e-2, 0.01
LAW, OTHER = [0.15, 0.85], [0.6, 0.4]
LAWS = [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0], [0.3, 0.7]]
RING = [[1, 1, 0, 1], [1, 1, 1, 0], [0, 1, 1, 1], [1, 0, 1, 1]]
WEIGHTS = [[0.1, 0.7, 0.2, 0], [0.5, 0, 0, 0.5], [0.25] * 4, [0, 0, 1.0, 0.3]]
ALL = [[1] * 4] * 4
CHAIN = [[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1]]
FRESH = {"fresh": 1, "fresh_from": ("law", [0.5, 0.5])}

# A scenario as the package takes it, and in the plain words of the literal loop.
CASES = {
    "paper": ({}, {}),
    "replace": ({"keep": "last"}, {"keep": ("last", 1)}),
    "window": ({"keep": ("last", 2)}, {"keep": ("last", 2)}),
    "random": ({"keep": ("random", 11)}, {"keep": ("random", 11)}),
    "reservoir": ({"keep": ("reservoir", 6)}, {"keep": ("reservoir", 6)}),
    "fresh": (
        {"keep": "last", "fresh": 3, "fresh_from": LAW},
        {"keep": ("last", 1), "fresh": 3, "fresh_from": ("law", LAW)},
    ),
    "fresh share of points": (
        {"fresh": 0.3, "fresh_from": [[2.0], [3.0], [-1.0]]},
        {"fresh": 0.3, "fresh_from": ("points", [2.0, 3.0, -1.0])},
    ),
    "fresh default": ({"fresh": 4}, {"fresh": 4, "fresh_from": ("law", [0.5, 0.5])}),
    "read real": ({"fresh": 1, "read_real": 0.8}, {**FRESH, "read_real": ("share", 0.8)}),
    "read real at random": (
        {"keep": ("last", 2), "fresh": 4, "fresh_from": LAW, "read_real": ("random", 0.4)},
        {"keep": ("last", 2), "fresh": 4, "fresh_from": ("law", LAW), "read_real": ("random", 0.4)},
    ),
    "real weight": (
        {"fresh": 2, "fresh_from": LAW, "real_weight": 0.7},
        {"fresh": 2, "fresh_from": ("law", LAW), "real_weight": 0.7},
    ),
    "n_read": ({"n_read": 4}, {"n_read": lambda size: min(size, 4)}),
    "rule of N": ({"n_read": "2 sqrt(N)"}, {"n_read": lambda size: int(2 * size**0.5 + 1e-9)}),
    "recent": ({"retrieval": "recent"}, {"retrieval": "recent"}),
    "as posted": ({"retrieval": "recent as posted"}, {"retrieval": "recent as posted"}),
    "ring": ({"readers": "ring"}, {"readers": lambda t: RING}),
    "chain of matrix": ({"readers": CHAIN}, {"readers": lambda t: CHAIN}),
    "weights": ({"readers": WEIGHTS}, {"readers": lambda t: WEIGHTS}),
    "changing": (
        {"readers": {0: CHAIN, 2: None, 3: WEIGHTS, 5: CHAIN}},
        {"readers": lambda t: [CHAIN, CHAIN, ALL, WEIGHTS, WEIGHTS, CHAIN][t]},
    ),
    "capacity in a ring": (
        {"keep": ("random", 9), "readers": CHAIN},
        {"keep": ("random", 9), "readers": lambda t: CHAIN},
    ),
    "capacity with weights": (
        {"keep": ("reservoir", 7), "readers": WEIGHTS},
        {"keep": ("reservoir", 7), "readers": lambda t: WEIGHTS},
    ),
    "frozen": ({"frozen": [2]}, {"frozen": [2]}),
    "silent": ({"silent": [0, 3]}, {"silent": [0, 3]}),
    "anchors": ({"anchors": (0.4, LAWS)}, {"anchors": (0.4, LAWS)}),
    "noise": (
        {"noise": 0.3, "noise_from": [[9.0], [0.0]]},
        {"noise": 0.3, "noise_from": ("points", [9.0, 0.0])},
    ),
    "noise default": (
        {"noise": 0.3},
        # Variance 1 and that of the means, twice as wide.
        {"noise": 0.3, "noise_from": ("normal", (0.0, 2 * (1 + 1.5**2) ** 0.5))},
    ),
    "after update": (
        {"keep": "last", "posts": "after update"},
        {"keep": ("last", 1), "after": True},
    ),
    "much at once": (
        {
            "keep": ("last", 3), "fresh": 2, "fresh_from": LAW, "read_real": 0.5, "noise": 0.2,
            "noise_from": OTHER, "readers": CHAIN, "frozen": [1], "anchors": (0.3, LAWS),
            "retrieval": "recent as posted", "real_weight": 0.6, "posts": "after update",
            "silent": [3],
        },
        {
            "keep": ("last", 3), "fresh": 2, "fresh_from": ("law", LAW),
            "read_real": ("share", 0.5), "noise": 0.2, "noise_from": ("law", OTHER),
            "readers": lambda t: CHAIN, "frozen": [1], "anchors": (0.3, LAWS),
            "retrieval": "recent as posted", "real_weight": 0.6, "after": True, "silent": [3],
        },
    ),
}  # fmt: skip
UPDATES = {
    "refit": ("refit", {"keep": "last", "fresh": 3, "fresh_from": LAW, "real_weight": 0.4}),
    "prior": (("prior", 4.0), {}),
}
LITERAL_RUNS, RUNS, TIMES = 200, 600, (1, 3, 6)


def literal(plain):
    runs = [
        literal_scenario.run(seed, FIRST, MEANS, N_STEPS, N_RESPONSES, INITIAL, BETA, EPS, C, plain)
        for seed in range(LITERAL_RUNS)
    ]
    return np.array(runs)


def simulated(scenario, update="sequential", runs=RUNS):
    ds = lwd.simulate_gmm(
        4, 2, means=MEANS, n_steps=N_STEPS, n_responses=N_RESPONSES, beta=BETA,
        initial_weights=FIRST, initial_points=INITIAL, step_size="1/(k + 1)", complexity=C,
        threshold=EPS, scenario=scenario, update=update, replicates=runs, seed=1,
    )  # fmt: skip
    return ds["weight"].transpose("replicate", "time", "model", "component").values


def measures(weight):
    """D and H, and two weights, by which orders and readers are told apart: (4, runs, times)."""
    mean = weight.mean(2)
    norm = 2 * weight.shape[2] * ((weight - mean[:, :, None]) ** 2).sum((2, 3))
    found = np.stack([norm, 1 - (mean**2).sum(-1), weight[:, :, 0, 0], weight[:, :, 3, 0]])
    # Few orders of few points give few values, which the last bit may not tell apart.
    return found.round(9)


def smallest_p(ours, theirs):
    """Least p-value of Kolmogorov and Smirnov's test, corrected for how many there are."""
    pairs = [
        (a[:, t], b[:, t]) for a, b in zip(measures(ours), measures(theirs), strict=True)
        for t in TIMES
    ]  # fmt: skip
    return len(pairs) * min(stats.ks_2samp(a, b).pvalue for a, b in pairs)


@functools.cache
def runs_of(name):
    return simulated(CASES[name][0]), literal(CASES[name][1])


@pytest.mark.parametrize("name", CASES)
def test_a_scenario_is_what_a_literal_loop_makes_of_it(name):
    # Over all scenarios a true one fails in one suite of a thousand, were the seeds drawn.
    assert smallest_p(*runs_of(name)) > 1e-3 / len(CASES)


@pytest.mark.parametrize("name", UPDATES)
def test_an_update_is_what_a_literal_loop_makes_of_it(name):
    update, scenario = UPDATES[name]
    plain = {"prior": 0.0 if update == "refit" else update[1]}
    if scenario:
        plain |= scenario | {"keep": ("last", 1), "fresh_from": ("law", LAW)}
    assert smallest_p(simulated(scenario, update), literal(plain)) > 1e-3 / len(UPDATES)


@pytest.mark.parametrize(
    "given",
    [
        {"n_steps": 40},
        {"n_models": 8, "n_components": 11, "initial_points": np.linspace(-40, 40, 17)},
        {"n_components": 3, "means": [[0, 0], [3, 1], [1, 4]], "covariance": [[1, 0.5], [0.5, 1]]},
        {"n_models": 7, "beta": 1.0, "threshold": 0.0, "initial_points": [0.5]},
    ],
)
def test_in_the_paper_s_scenario_the_bits_are_those_of_its_own_kernel(given):
    spec = GmmSpec(**({"n_steps": 25, "seed": 3} | given))
    ours, paper = run_scenario(spec, 0), run_exact(spec, 0)
    for name in ("weight", "n_truncated", "embedding", "synthetic_share"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(paper, name))


def run(scenario, **given):
    few = {"n_models": 4, "n_steps": 8, "initial_points": INITIAL, "replicates": 3, "seed": 5}
    few |= {"n_responses": 2, "step_size": "1/(k + 1)"}
    return lwd.simulate_gmm(scenario=scenario, progress=False, **(few | given))


@pytest.mark.parametrize("name", CASES)
def test_a_dataset_is_made_again_from_its_specification(name, tmp_path):
    scenario = CASES[name][0]
    ds = run(scenario)
    assert lwd.run_spec(ds).equals(ds)
    assert run(lwd.Scenario(**scenario), n_jobs=2).equals(ds)
    assert spec_of(ds)["scenario"] == lwd.Scenario(**scenario).to_json()
    # A replicate does not depend on others, nor a time on which are kept.
    assert run(scenario, replicates=[2]).equals(ds.sel(replicate=[2]))
    assert run(scenario, record=[0, 4, 8]).equals(ds.sel(time=[0, 4, 8]))
    path = tmp_path / "x.nc"
    lwd.write_results(ds, path)
    assert lwd.read_results(path).equals(ds)
    assert str(lwd.summary(ds))


def test_sizes_have_the_dimensions_along_which_they_differ():
    assert run({"keep": "last", "fresh": 2})["n_retrieved"].dims == ("time",)
    assert run({"readers": RING})["n_retrieved"].dims == ("time",)
    chain = run({"readers": CHAIN}, beta=1.0)
    # The initial web, and two posts a step of each whom the row names.
    expected = 5 + np.outer(np.arange(9), 2 * np.sum(CHAIN, axis=1))
    np.testing.assert_array_equal(chain["n_retrieved"], expected)
    frozen = run({"frozen": [1]}, beta=1.0)["n_retrieved"]
    np.testing.assert_array_equal(frozen.sel(model=1), 0)
    np.testing.assert_array_equal(frozen.sel(model=2), 5 + 8 * np.arange(9))
    chance = run({"keep": ("random", 9), "readers": CHAIN}, beta=1.0)
    assert chance["n_retrieved"].dims == ("time", "model", "replicate")
    # The first model reads its own posts and none of others; all nine of the web are of models.
    assert (chance["n_web"][1:] == 9).all()
    assert (chance["n_retrieved"].sel(model=0)[2:] <= 8).all()


def test_an_empty_pool_changes_nothing_and_is_counted():
    # Nobody posts, and what there was goes: from step 1 there is nothing to read.
    ds = run({"keep": "last", "silent": [0, 1, 2, 3]})
    assert ds["n_web"].values.tolist() == [5, 0, 0, 0, 0, 0, 0, 0, 0]
    assert (ds["n_retrieved"][1:] == 0).all()
    assert (ds["weight"].diff("time")[1:] == 0).all()
    assert np.isnan(ds["synthetic_share"][1:]).all()
    assert ds.attrs["n_empty_pools"] == 3 * 4 * 7
    again = run({"keep": "last", "silent": [0, 1, 2, 3]}, seed=2)
    assert lwd.combine([ds, again]).attrs["n_empty_pools"] == 2 * 3 * 4 * 7
    parts = [ds.isel(replicate=[0]), ds.isel(replicate=[1, 2])]
    # Parts of one run have the count of the whole.
    assert lwd.combine(parts).attrs["n_empty_pools"] == 3 * 4 * 7
    # A model that reads only one that never posts reads nothing at all.
    alone = run({"readers": [[0, 1, 0, 0], *ALL[1:]], "silent": [1]}, initial_points=None)
    assert alone.attrs["n_empty_pools"] == 3 * (8 + 3)
    assert (alone["weight"].sel(model=0).diff("time") == 0).all()
    assert "n_empty_pools" not in run(None).attrs


def test_frozen_models_stay_and_silent_ones_are_not_read():
    ds = run({"frozen": [2], "silent": [0, 1, 3]}, initial_points=None, beta=1.0)
    assert (ds["weight"].sel(model=2).diff("time") == 0).all()
    assert ds["n_web"].values.tolist() == [2 * t for t in range(9)]


def test_what_is_real_is_counted():
    scenario = {"keep": "last", "fresh": 8, "read_real": 0.25}
    ds = run(scenario, beta=1.0)
    # 8 of 16 posts are real, and where all is read no share can change that.
    np.testing.assert_array_equal(ds["synthetic_share"][1:-1], 0.5)
    ds = run(scenario, beta=0.5)
    np.testing.assert_array_equal(ds["synthetic_share"][1:-1], 0.75)
    anchored = run({"anchors": (1.0, LAWS)})
    assert (anchored["synthetic_share"][1:-1] == 0).all()
    noisy = run({"keep": "last", "noise": 0.5}, beta=1.0)
    np.testing.assert_array_equal(noisy["synthetic_share"][1:-1], 0.5)


def test_models_that_read_the_same_in_the_order_of_the_log_differ_by_a_known_factor():
    # Where ownership is 0 or 1, D is then rho D exactly.
    ds = run({"retrieval": "recent as posted", "n_read": 6}, means=[-50.0, 50.0],
             step_size=0.2, complexity=0.0, threshold=0.0)  # fmt: skip
    apart = (ds["weight"].sel(model=3) - ds["weight"].sel(model=0)).isel(component=0)
    k = ds["n_retrieved"].values[:-1]
    np.testing.assert_allclose(apart[1:], apart[:-1].values * 0.8 ** k[:, None], atol=1e-15)


def test_complexity_is_0_by_default_where_reading_does_not_grow():
    for scenario, update, c in [
        (None, "sequential", "1/(k B^2)"),
        ({"readers": "ring", "fresh": 1}, "sequential", "1/(k B^2)"),
        ({"keep": "last"}, "sequential", 0.0),
        ({"n_read": 9}, "sequential", 0.0),
        (None, "refit", 0.0),
    ]:
        ds = run(scenario, update=update)
        assert spec_of(ds)["complexity"] == c
        assert spec_of(run(scenario, update=update, complexity=0.01))["complexity"] == 0.01


def test_a_function_of_k_needs_one_k():
    with pytest.raises(InputError, match=r"^step_size: got a function of k, where k differs"):
        run({"readers": CHAIN}, step_size=lambda k: 1 / (k + 1))
    values = run({"readers": CHAIN}, step_size=[0.1] * 8)
    assert lwd.run_spec(values).equals(values)
    assert run({"keep": "last"}, step_size=lambda k: 1 / (k + 1)).equals(run({"keep": "last"}))


@pytest.mark.parametrize(
    ("scenario", "update", "named"),
    [
        ({"readers": "ring"}, "sequential", "readers"),
        ({"keep": ("random", 50)}, "sequential", "keep"),
        ({"read_real": 0.1}, "sequential", "read_real"),
        ({"real_weight": 0.1}, "sequential", "real_weight"),
        ({"retrieval": "recent"}, "sequential", "retrieval"),
        ({"anchors": (0.1, LAW)}, "sequential", "anchors"),
        ({"noise": 0.1}, "sequential", "noise"),
        ({"fresh": 1, "fresh_from": [[1.0]]}, "sequential", "fresh_from"),
        ({}, "refit", "update"),
    ],
)
def test_the_gaussian_engine_refuses_other_laws_by_name(scenario, update, named):
    with pytest.raises(InputError, match=rf"^engine: got 'gaussian' with .*{named}.*; takes "):
        run(scenario, update=update, engine="gaussian")


@pytest.mark.parametrize(
    "scenario",
    [
        {"keep": "last"},
        {"keep": ("last", 2), "posts": "after update"},
        {"keep": "last", "fresh": 0.1, "fresh_from": [0.7, 0.2, 0.1], "silent": [1]},
        {"frozen": [0], "n_read": 90},
    ],
)
def test_the_gaussian_engine_is_the_exact_one_where_it_is_let(scenario):
    given = {
        "n_components": 3, "n_responses": 20, "beta": 1.0, "initial_weights": [[0.2, 0.3, 0.5]] * 4,
        "initial_points": np.repeat([-10.0, 0.0, 10.0], 20), "record": [4, 12, 40], "n_steps": 40,
        "replicates": 300,
    }  # fmt: skip
    exact = run(scenario, **given)
    other = run(scenario, **given, engine="gaussian", seed=6)
    assert 0 <= other.attrs["exact_share"] < 1
    weight = [
        ds["weight"].transpose("replicate", "time", "model", "component").values.round(6)
        for ds in (exact, other)
    ]
    pairs = [(a[:, t], b[:, t]) for a, b in zip(*map(measures, weight), strict=True)
             for t in range(3)]  # fmt: skip
    assert len(pairs) * min(stats.ks_2samp(a, b).pvalue for a, b in pairs) > 1e-4
    assert lwd.run_spec(other).equals(other)


def test_the_gaussian_engine_collapses_when_the_exact_one_does():
    found = []
    for engine, seed in (("exact", 1), ("gaussian", 2)):
        ds = lwd.simulate_gmm(
            3, 2, means=[-5.0, 5.0], initial_weights=np.full((3, 2), 0.5), n_steps=200,
            initial_points=np.repeat([-5.0, 5.0], 30), n_responses=20, beta=1.0, complexity=0.0,
            step_size="2/(k+1)", scenario={"keep": "last"}, replicates=400, engine=engine,
            seed=seed, progress=False,
        )  # fmt: skip
        largest = ds["weight"].mean("model").max("component").transpose("replicate", "time")
        gone = (largest >= 0.99).values
        assert 0.2 < gone.any(axis=1).mean() < 0.7
        found.append(np.where(gone.any(axis=1), gone.argmax(axis=1), 201))
    assert stats.ks_2samp(*found).pvalue > 1e-3


def test_options_and_a_table_of_a_file_say_a_scenario(tmp_path):
    file, out = tmp_path / "x.toml", tmp_path / "x.nc"
    file.write_text(
        'simulator = "gmm"\nn_steps = 4\nseed = 1\n[scenario]\nkeep = "last"\nfresh = 5\n'
    )
    line = ["simulate", "gmm", str(file), "--fresh", "2", "--posting", "after update"]
    done = CliRunner().invoke(app, [*line, "-o", str(out), "--no-progress"])
    assert done.exit_code == 0, done.output
    scenario = {"keep": ["last", 1], "fresh": 2, "posts": "after update"}
    expected = lwd.simulate_gmm(n_steps=4, seed=1, scenario=scenario)
    assert lwd.read_results(out).equals(expected)
    assert spec_of(lwd.read_results(out))["scenario"] == scenario
    assert lwd.run_spec(lwd.read_spec(file)).equals(
        lwd.simulate_gmm(n_steps=4, seed=1, scenario={"keep": "last", "fresh": 5})
    )
