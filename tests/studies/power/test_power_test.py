"""Power by simulation: of tests whose power is known, and what reaches one."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from rag_run import rag_run
from scipy import stats

import lwdstats as lwd
from lwdstats.studies.power import power_test as module
from lwdstats.studies.power.collapse_power import positive
from lwdstats.studies.power.search import Sought, by_bisection

SPEC = {
    "initial_weights": [[0.3, 0.7], [0.7, 0.3]],
    "means": [-5.0, 5.0],
    "n_models": 2,
}


def probit(value):
    return float(stats.norm.cdf(np.log(value / 20.0)))


def test_what_is_sought_is_where_the_power_is(monkeypatch):
    rng = np.random.default_rng(1)

    def share(draw, judge, now, n_sim, stream):
        return rng.binomial(4000, probit(now["n_replicates"])) / 4000, 0, None

    monkeypatch.setattr(module, "_share", share)
    found = lwd.power_test("collapse_test", SPEC, n_responses=3, n_steps=1, power=0.8)
    truth = 20.0 * np.exp(stats.norm.ppf(0.8))
    assert found.n_replicates == pytest.approx(truth, rel=0.1)
    assert found.found == "n_replicates"
    assert "<- found" in str(found)
    assert list(found.tried) == ["value", "power", "n_sim", "n_refused"]
    assert found.plot().has_data()
    with pytest.raises(lwd.InputError, match="reach"):
        lwd.power_test("collapse_test", SPEC, n_responses=3, n_steps=1, power=0.9999)


def test_without_an_effect_power_is_the_size_and_grows_with_answers():
    same = SPEC | {"initial_weights": [[0.5, 0.5], [0.5, 0.5]]}
    options = {"permutations": 19}
    few = {"n_replicates": 2, "n_steps": 1, "n_sim": 60, "seed": 1, "options": options}
    size = lwd.power_test("collapse_test", same, n_responses=10, **few)
    assert size.power < 0.2
    some = lwd.power_test("collapse_test", SPEC, n_responses=4, **few)
    more = lwd.power_test("collapse_test", SPEC, n_responses=40, **few)
    assert some.power < more.power
    assert more.power > 0.9
    assert some.std_error == pytest.approx(np.sqrt(some.power * (1 - some.power) / 60))


def test_effects_move_the_start():
    options = {"permutations": 19}
    few = {"n_replicates": 2, "n_responses": 20, "n_steps": 1, "n_sim": 40, "seed": 1}
    none = lwd.power_test("collapse_test", SPEC, effect=0.0, options=options, **few)
    full = lwd.power_test(lwd.collapse_test, SPEC, effect=2.0, options=options, **few)
    assert none.power < 0.3 < full.power
    with pytest.raises(lwd.InputError, match="initial weights"):
        lwd.power_test("collapse_test", SPEC, effect=3.0, **few)


def test_the_tail_of_quadratic_forms_is_that_of_f():
    df, shift, f = np.array([4.0, 57.0]), np.array([5.0, 0.0]), 2.2
    found = positive(np.array([1 / 4, -f / 57]), df, shift)
    assert found == pytest.approx(stats.ncf.sf(f, 4, 57, 5.0), abs=1e-6)
    # Of two equal scales, as of one with the degrees of both.
    two = positive(np.array([0.5, 0.5, -1.0]), np.array([2.0, 3.0, 8.0]), np.zeros(3))
    assert two == pytest.approx(stats.f.sf(1.0 * 2 * 8 / 5, 5, 8), abs=1e-6)


@pytest.mark.parametrize(
    ("statistic", "means", "n_steps"), [("energy", [-1.0, 1.0], 1), ("f", [-5.0, 5.0], 2)]
)
def test_theory_is_what_simulation_counts(statistic, means, n_steps):
    """Of weights that are the first ones, and of such as have moved."""
    spec = {"initial_weights": [[0.3, 0.7], [0.5, 0.5], [0.7, 0.3]], "means": means}
    given = {"n_replicates": 2, "n_responses": 20, "n_steps": n_steps}
    given |= {"options": {"statistic": statistic, "permutations": 39}}
    exact = lwd.power_test("collapse_test", spec, **given)
    counted = lwd.power_test("collapse_test", spec, **given, method="simulation", n_sim=150, seed=3)
    assert (exact.method, exact.std_error, counted.method) == ("theory", 0.0, "simulation")
    assert abs(exact.power - counted.power) < 4 * counted.std_error
    assert 0.1 < exact.power < 0.9
    assert "by theory" in str(exact)


def test_what_is_sought_by_theory_is_the_least_that_has_the_power():
    given = {"n_responses": 20, "n_steps": 1, "options": {"statistic": "f"}}
    found = lwd.power_test("collapse_test", SPEC, effect=0.5, power=0.8, **given)
    assert found.method == "theory"
    assert found.power >= 0.8
    fewer = {**given, "n_replicates": found.n_replicates - 1}
    assert lwd.power_test("collapse_test", SPEC, effect=0.5, **fewer).power < 0.8
    given = {**given, "n_replicates": found.n_replicates}
    effect = lwd.power_test("collapse_test", SPEC, effect=None, power=found.power, **given)
    assert effect.effect == pytest.approx(0.5, abs=1e-3)
    assert effect.plot().has_data()


MOVED = {"initial_weights": [[0.3, 0.7], [0.5, 0.5], [0.7, 0.3]], "means": [-6, 6]}


@pytest.mark.parametrize("method", ["theory", "simulation"])
def test_where_power_falls_with_steps_the_largest_that_has_it_is_found(method):
    given = {"n_replicates": 5, "n_responses": 40, "options": {"permutations": 39}, "seed": 1}
    found = lwd.power_test("collapse_test", MOVED, power=0.8, method=method, n_sim=20, **given)
    assert found.n_steps == 1
    assert "the largest that still has the power" in " ".join(str(found).split())


def falling(value):
    """Return a power that is .8 at 20 and falls."""
    return float(stats.norm.cdf(stats.norm.ppf(0.8) - 1.5 * np.log(value / 20.0)))


def test_the_largest_steps_that_have_a_power_are_where_it_is_lost(monkeypatch):
    rng = np.random.default_rng(1)

    def share(draw, judge, now, n_sim, stream):
        return rng.binomial(4000, falling(now["n_steps"])) / 4000, 0, None

    monkeypatch.setattr(module, "_share", share)
    given = {"n_replicates": 2, "n_responses": 3, "power": 0.8, "method": "simulation"}
    found = lwd.power_test("collapse_test", SPEC, n_sim=4000, **given)
    assert found.n_steps == pytest.approx(20, abs=2)
    exact = by_bisection(falling, Sought("n_steps", 0.8 - 1e-9, 1, 500))
    assert exact[0] == 20


@pytest.mark.parametrize("name", ["n_replicates", "n_responses", "n_steps"])
def test_the_smallest_study_is_an_answer(monkeypatch, name):
    monkeypatch.setattr(module, "_share", lambda *_: (0.9, 0, None))
    given = {"n_replicates": 2, "n_responses": 3, "n_steps": 1} | {name: None}
    found = lwd.power_test("collapse_test", SPEC, power=0.8, method="simulation", **given)
    assert getattr(found, name) == 1
    if name == "n_steps":
        assert "all that were tried" in str(found)
    else:
        assert found.notes == ()


def test_the_search_begins_at_what_the_test_takes():
    given = {"n_responses": 40, "n_steps": 5, "n_sim": 20, "seed": 1, "power": 0.5}
    found = lwd.power_test("check_decay", MOVED, options={"n_draws": 99, "margin": 0.2}, **given)
    assert found.n_replicates == 10
    assert found.tried["value"].min() == 10


def test_an_effect_is_sought_up_to_where_a_weight_is_0():
    near = MOVED | {"means": [-1, 1]}
    given = {"n_replicates": 2, "n_responses": 40, "n_steps": 1, "effect": None}
    found = lwd.power_test("collapse_test", near, power=0.97, **given)
    assert found.method == "theory"
    assert 0.97 <= found.power < 0.971
    given |= {"n_responses": 4, "n_sim": 20, "seed": 1, "options": {"permutations": 39}}
    with pytest.raises(lwd.InputError, match=r"no effect from 0[.]05 to 2[.]5 reaches") as caught:
        lwd.power_test("collapse_test", near, power=0.9999, **given)
    assert caught.value.argument == "power"
    same = near | {"initial_weights": [[0.5, 0.5]] * 3}
    with pytest.raises(lwd.InputError, match="start alike"):
        lwd.power_test("collapse_test", same, power=0.8, **given)


def test_a_power_that_nothing_reaches_is_said_with_the_highest(monkeypatch):
    def share(draw, judge, now, n_sim, stream):
        return 0.3 if now["n_steps"] == 8 else 0.1, 0, None

    monkeypatch.setattr(module, "_share", share)
    given = {"n_replicates": 200, "n_responses": 1000, "method": "simulation"}
    with pytest.raises(lwd.InputError, match=r"n_steps from 1 to 50 .* 0\.30, at 8;") as caught:
        lwd.power_test("collapse_test", SPEC, power=0.8, **given)
    assert caught.value.argument == "power"


def test_theory_lets_answers_of_one_model_vary_more_than_those_of_another():
    """Held to 4000 studies in which only the counts of two far components are drawn."""
    weights = np.array([[0.1, 0.9]] * 5 + [[0.3, 0.7]])
    L, B, rng = 30, 99, np.random.default_rng(1)
    hits = 0
    for count in rng.binomial(L, weights[:, 0], (4000, 6)):
        permuted = rng.multivariate_hypergeometric([L] * 6, count.sum(), size=B)
        # Of two values and a fixed total, F grows with the variance of the counts.
        p = (1 + (permuted.var(axis=1) >= count.var() - 1e-9).sum()) / (B + 1)
        hits += p <= 0.05
    options = {"permutations": B, "statistic": "f"}
    spec = {"n_models": 6, "initial_weights": weights, "means": [-50.0, 50.0]}
    exact = lwd.power_test(
        "collapse_test", spec, n_replicates=1, n_responses=L, n_steps=1, options=options
    )
    assert exact.method == "theory"
    assert exact.power == pytest.approx(hits / 4000, abs=0.025)


def test_rare_components_are_simulated():
    rare = MOVED | {"initial_weights": [[0.01, 0.99], [0.01, 0.99], [0.3, 0.7]]}
    given = {"n_replicates": 1, "n_responses": 10, "n_steps": 1, "options": {"permutations": 39}}
    found = lwd.power_test("collapse_test", rare, n_sim=20, seed=1, **given)
    assert found.method == "simulation"
    with pytest.raises(lwd.InputError, match=r"0\.1 of a component") as caught:
        lwd.power_test("collapse_test", rare, method="theory", **given)
    assert caught.value.argument == "n_responses"
    # What is sought is sought where theory holds: effects that leave no component rare.
    given |= {"n_responses": 40, "effect": None, "power": 0.3}
    assert lwd.power_test("collapse_test", MOVED, **given).method == "theory"


@pytest.mark.parametrize(
    ("changes", "argument"),
    [
        ({"test": "check_decay", "n_replicates": 10}, "method"),
        ({"n_responses": 5}, "n_responses"),
        ({"source": {"n_models": 2}}, "source"),
        ({"source": SPEC | {"means": [-1.0, 1.0]}, "n_steps": 3}, "source"),
        ({"source": SPEC | {"scenario": {"keep": "last"}}}, "scenario"),
        ({"source": SPEC | {"means": [[-5.0, 0.0], [5.0, 0.0]]}}, "statistic"),
        ({"method": "guess"}, "method"),
    ],
)
def test_where_there_is_no_theory_it_is_refused(changes, argument):
    given = {"test": "collapse_test", "source": SPEC, "n_replicates": 2, "n_responses": 20}
    with pytest.raises(lwd.InputError) as caught:
        lwd.power_test(**(given | {"n_steps": 1, "method": "theory"} | changes))
    assert caught.value.argument == argument


@pytest.mark.parametrize("name", ["convergence_test", "check_decay"])
def test_the_other_tests_are_counted(name):
    found = lwd.power_test(name, SPEC, n_replicates=10, n_responses=5, n_steps=8, n_sim=20, seed=1)
    assert 0 <= found.power <= 1


def refusing(every):
    """Return a convergence_test that refuses one study in so many, and rejects in all others."""
    calls = iter(range(10**6))

    def test(ds, **options):
        if next(calls) % every == 0:
            raise lwd.InputError("x", "curves that do not fall", "curves that fall")
        return SimpleNamespace(p_value=0.0)

    return test


def test_studies_that_the_test_refuses_count_as_not_rejecting(monkeypatch):
    monkeypatch.setattr(module, "convergence_test", refusing(4))
    given = {"n_responses": 3, "n_steps": 6, "n_sim": 20, "seed": 1}
    found = lwd.power_test("convergence_test", SPEC, n_replicates=2, **given)
    assert (found.power, found.n_refused) == (0.75, 5)
    assert "5 of 20 studies are refused" in " ".join(str(found).split())
    assert found.tidy()["n_refused"].item() == 5
    searched = lwd.power_test("convergence_test", SPEC, power=0.5, **given)
    assert (searched.tried["n_refused"] == 5).all()
    assert searched.n_refused == 5


@pytest.mark.parametrize("given", [{"n_replicates": 2}, {"power": 0.8}])
def test_what_the_test_refuses_of_every_study_is_raised(monkeypatch, given):
    monkeypatch.setattr(module, "convergence_test", refusing(1))
    with pytest.raises(lwd.InputError, match="curves that do not fall"):
        lwd.power_test(
            "convergence_test", SPEC, n_responses=3, n_steps=6, n_sim=20, seed=1, **given
        )


@pytest.fixture(scope="module")
def proxy():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that the run is short
        return lwd.fit_proxy(rag_run(3, share=0.25, n_steps=16, n_responses=10)[0], 3, seed=1)


def test_a_proxy_of_which_some_studies_do_not_fall_has_a_power(proxy):
    found = lwd.power_test(
        "convergence_test", proxy, n_replicates=2, n_responses=10, n_steps=12, n_sim=20, seed=1
    )
    assert 0 < found.n_refused < 20
    assert found.power <= 1 - found.n_refused / 20


def test_what_check_decay_cannot_do_is_said_before_it_is_tried(proxy):
    with pytest.raises(lwd.InputError, match="'collapse_test' or 'convergence_test'") as caught:
        lwd.power_test("check_decay", proxy, n_replicates=10, n_responses=10, n_steps=12)
    assert caught.value.argument == "test"


@pytest.mark.parametrize(
    ("test", "options", "argument", "said"),
    [
        ("collapse_test", {"permuations": 999, "statistic": "F"}, "options", "permutations"),
        ("collapse_test", {"statistic": "F"}, "statistic", "'energy', 'f'"),
        ("collapse_test", {"level": 0.5}, "options", "level is power_test's own"),
        ("collapse_test", {"seed": 1}, "options", "seed is power_test's own"),
        ("collapse_test", {"times": [0]}, "options", "null, statistic, permutations"),
        ("collapse_test", {"time": 0}, "options", "null, statistic, permutations"),
        ("collapse_test", ["x"], "options", "a mapping"),
        ("collapse_test", {1: 2}, "options", "null"),
        ("collapse_test", {"permutations": "x"}, "permutations", "an integer"),
        ("collapse_test", {"null": "models"}, "null", "given_prompts"),
        ("collapse_test", {"correction": "none"}, "correction", "holm"),
        ("collapse_test", {"embedding": "other"}, "embedding", "embedding"),
        ("convergence_test", {"law": "power"}, "law", "power_floor"),
        ("convergence_test", {"since": "x"}, "since", "a time"),
        ("convergence_test", {"permutations": 99}, "options", "law, since, square"),
        ("check_decay", {"level": 0.9}, "options", "margin"),
        ("check_decay", {"verdict": "maybe"}, "verdict", "differs"),
        ("check_decay", {"n_draws": 9}, "n_draws", "at least 99"),
        ("check_decay", {"margin": 2}, "margin", "a share"),
        ("check_decay", {"pairs": "x"}, "pairs", "pairs"),
    ],
)
@pytest.mark.parametrize("method", [None, "simulation"])
def test_options_are_those_that_the_test_takes(test, options, argument, said, method):
    given = {"n_replicates": 10, "n_responses": 20, "n_steps": 8, "n_sim": 20, "method": method}
    with pytest.raises(lwd.InputError, match=said) as caught:
        lwd.power_test(test, SPEC, options=options, **given)
    assert caught.value.argument == argument


@pytest.mark.parametrize("method", ["theory", "simulation"])
def test_a_level_below_every_p_is_refused_with_the_permutations_that_reach_it(method):
    given = {"n_replicates": 2, "n_responses": 20, "n_steps": 1, "level": 0.001, "seed": 1}
    with pytest.raises(lwd.InputError, match="999 or more at level") as caught:
        lwd.power_test("collapse_test", SPEC, method=method, **given)
    assert caught.value.argument == "permutations"
    enough = {"options": {"permutations": 999}, "n_sim": 20}
    assert lwd.power_test("collapse_test", SPEC, method=method, **given, **enough).power > 0


@pytest.mark.parametrize(
    ("source", "argument"),
    [
        (SPEC | {"foo": 1}, "source"),
        (SPEC | {"path": "x.nc"}, "source"),
        ({"initial_weights": [[0.3, 0.7]] * 4, "means": [-6, 6]}, "initial_weights"),
        (SPEC | {"replicates": 2, "initial_weights": [SPEC["initial_weights"]] * 2}, "source"),
    ],
)
@pytest.mark.parametrize("method", ["theory", "simulation"])
def test_a_source_is_what_simulate_gmm_takes(source, argument, method):
    given = {"n_replicates": 2, "n_responses": 20, "n_steps": 1, "n_sim": 20}
    with pytest.raises(lwd.InputError) as caught:
        lwd.power_test("collapse_test", source, method=method, **given)
    assert caught.value.argument == argument


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"test": "check_decay"}, "n_replicates"),
        ({"test": "check_decay", "n_replicates": 10, "source": {}}, "source"),
        ({"test": "check_decay", "n_replicates": 10, "level": 0.6}, "level"),
        ({"test": "convergence_test"}, "n_steps"),
        ({"test": "convergence_test", "options": {"since": 4}, "n_steps": 8}, "n_steps"),
        ({"options": {"null": "model"}, "n_replicates": 1}, "n_replicates"),
        ({"test": "t_test"}, "test"),
        ({"n_steps": None}, "power"),
        ({"power": 0.8}, "power"),
        ({"n_steps": 0}, "n_steps"),
        ({"effect": -1}, "effect"),
        ({"source": {"simulator": "llm"}}, "source"),
        ({"source": 3}, "source"),
        ({"source": {}, "effect": 2.0}, "effect"),
        ({"n_sim": 1}, "n_sim"),
    ],
)
def test_wrong_arguments_are_named(arguments, argument):
    given = {"test": "collapse_test", "source": SPEC, "n_replicates": 2, "n_responses": 3}
    with pytest.raises(lwd.InputError) as caught:
        lwd.power_test(**(given | {"n_steps": 2} | arguments))
    assert caught.value.argument == argument
