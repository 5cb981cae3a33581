"""Designs against scipy's samplers, and plans against what runs."""

import numpy as np
import pytest
from scipy.stats import qmc

import lwdstats as lwd

RANGES = {"beta": (0.1, 0.9), "n_steps": (3, 6), "step_size": ("log", 0.01, 1.0)}


def test_a_latin_hypercube_has_a_cell_in_each_part_of_each_range():
    cells = lwd.design(RANGES | {"scenario.keep": ["all", "last"]}, 8, seed=3)
    part = np.floor((cells["beta"] - 0.1) / 0.8 * 8)
    assert sorted(part) == list(range(8))
    assert sorted(cells["n_steps"]) == [3, 3, 4, 4, 5, 5, 6, 6]
    assert sorted(np.floor((np.log10(cells["step_size"]) + 2) / 2 * 8)) == list(range(8))
    assert sorted(cells["scenario.keep"]) == ["all"] * 4 + ["last"] * 4
    assert cells.equals(lwd.design(RANGES | {"scenario.keep": ["all", "last"]}, 8, seed=3))


@pytest.mark.parametrize(("method", "engine"), [("sobol", qmc.Sobol), ("halton", qmc.Halton)])
def test_points_are_those_of_scipy(method, engine):
    points = engine(2, seed=np.random.default_rng(5)).random(8)
    cells = lwd.design({"beta": (0.0, 1.0), "threshold": (0.0, 2.0)}, 8, method, seed=5)
    np.testing.assert_allclose(cells.to_numpy(), points * [1, 2], rtol=1e-12)
    own = lwd.design({"beta": (0.0, 1.0), "threshold": (0.0, 2.0)}, 8,
                     engine(2, seed=np.random.default_rng(5)))  # fmt: skip
    assert own.equals(cells)


def test_a_part_of_a_net_comes_without_a_warning():
    assert lwd.design({"beta": (0.1, 0.9)}, 5, "sobol", seed=1).shape == (5, 1)


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        (({}, 3), "ranges"),
        (({"beta": 0.5}, 3), "ranges: beta"),
        (({"beta": (0.9, 0.1)}, 3), "ranges: beta"),
        (({"beta": ("log", 0.0, 0.1)}, 3), "ranges: beta"),
        (({"beta": (0.1, 0.9)}, 0), "n"),
        (({"beta": (0.1, 0.9)}, 3, "grid"), "method"),
        (({"beta": (0.1, 0.9)}, 3, qmc.Halton(2)), "method"),
    ],
)
def test_designs_that_can_not_be_are_refused(arguments, argument):
    with pytest.raises(lwd.InputError) as error:
        lwd.design(*arguments)
    assert error.value.argument == argument


def test_a_plan_counts_what_is_left_and_tries_some(tmp_path):
    base = {"simulator": "gmm", "n_steps": 5}
    how = {"replicates": 3, "seed": 1, "store": tmp_path / "s"}
    lwd.sweep(base, {"beta": [0.5]}, **how)
    plan = lwd.plan_sweep(base, {"beta": [0.5, 0.9, 2.0]}, pilot=2, **how)
    assert plan.cells["runs"].tolist() == [0, 3, 0]
    assert (plan.runs, plan.left, plan.workers) == (9, 3, 1)
    tried = plan.cells["seconds"]
    assert tried.notna().tolist() == [False, True, False]
    assert plan.seconds == tried[1] * 3
    assert "beta: got 2.0" in plan.cells["refused"][2]
    assert str(plan).startswith("Plan of 3 cells, 9 runs: 3 to do\n1 cells can't run, first:")
    # A plan leaves no run behind.
    assert lwd.plan_sweep(base, {"beta": [0.9]}, pilot=0, **how).left == 3


def test_a_plan_of_language_models_counts_tokens_and_asks_none():
    base = {
        "simulator": "llm", "models": ["openai:gpt-4o-mini"], "embedder": "openai:e",
        "posts": ["one", "two"], "n_steps": 2, "n_responses": 4,
    }  # fmt: skip
    plan = lwd.plan_sweep(base, {"n_steps": [1, 2]}, replicates=5, price_in=1, price_out=4)
    for steps, row in zip((1, 2), plan.cells.itertuples(), strict=True):
        one = lwd.plan(base, n_steps=steps, price_in=1, price_out=4)
        assert row.cost == 5 * one.cost
        assert row.calls == 5 * one.glance()["calls"][0]
    assert plan.cost == plan.cells["cost"].sum() > 0


@pytest.mark.parametrize(("options", "argument"), [({"pilot": -1}, "pilot"), ({"x": 1}, "x")])
def test_plans_refuse_what_sweeps_do(options, argument):
    with pytest.raises(lwd.InputError) as error:
        lwd.plan_sweep({"simulator": "gmm"}, {}, **options)
    assert error.value.argument == argument
