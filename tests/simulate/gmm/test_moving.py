"""`simulate_gmm` with components that move, held to a slow and literal loop."""

import literal_scenario
import numpy as np
import pytest
from scipy import stats
from typer.testing import CliRunner

import lwdstats as lwd
from lwdstats.cli.main import app
from lwdstats.dataset.schema import spec_of
from lwdstats.errors import InputError
from lwdstats.mixtures.arguments import resolved

N_STEPS, N_RESPONSES, BETA, EPS = 4, 2, 0.6, 1e-2
FIRST = [[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]]
LAWS = [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]
CHAIN = [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
WEIGHTS = [[0.1, 0.7, 0.2], [0.5, 0, 0.5], [0.25, 0.25, 0.5]]
LITERAL_RUNS, RUNS, TIMES = 70, 400, (1, 2, 4)
LINE = {"means": [[-1.5], [1.5]], "covariance": [[1.0]]}
PLANE = {"means": [[-1.5, 0.0], [1.0, 1.0]], "covariance": [[1.0, 0.5], [0.5, 2.0]]}
UPRIGHT = PLANE | {"covariance": [[1.0, 0.0], [0.0, 2.0]]}
ROUND = PLANE | {"covariance": [[1.5, 0.0], [0.0, 1.5]]}
BOTH = ("mean", "covariance")
FRESH = {"fresh": 2, "fresh_from": ("law", [0.5, 0.5])}

# Scenario, the same in plain words, components, what moves, rule, type, and update.
CASES = {
    "paper, means": ({}, {}, LINE, ("mean",), None, None, "sequential"),
    "paper": ({}, {}, LINE, BOTH, "zivkovic", "full", "sequential"),
    "paper, welford": ({}, {}, LINE, BOTH, "welford", "full", "sequential"),
    "full": ({}, {}, PLANE, BOTH, "zivkovic", "full", "sequential"),
    "full, welford": ({}, {}, PLANE, BOTH, "welford", "full", "sequential"),
    "diag": ({}, {}, UPRIGHT, BOTH, "zivkovic", "diag", "sequential"),
    "spherical": ({}, {}, ROUND, BOTH, "welford", "spherical", "sequential"),
    "means in the plane": ({}, {}, PLANE, ("mean",), None, None, "sequential"),
    "replace": (
        {"keep": "last"}, {"keep": ("last", 1)}, LINE, BOTH, "zivkovic", "full", "sequential",
    ),
    "fresh, weight of real points": (
        {"fresh": 2, "real_weight": 0.7}, FRESH | {"real_weight": 0.7}, LINE, BOTH, "zivkovic",
        "full", "sequential",
    ),
    "share of real points, after": (
        {"fresh": 2, "read_real": 0.5, "posts": "after update"},
        FRESH | {"read_real": ("share", 0.5), "after": True}, PLANE, BOTH, "welford", "full",
        "sequential",
    ),
    "capacity, noise": (
        {"keep": ("reservoir", 9), "noise": 0.2, "noise_from": [[3.0], [0.0]]},
        {"keep": ("reservoir", 9), "noise": 0.2,
         "noise_from": ("points", [np.array([3.0]), np.array([0.0])])},
        LINE, BOTH, "welford", "full", "sequential",
    ),
    "chain, frozen, silent, anchors": (
        {"readers": CHAIN, "frozen": [1], "silent": [2], "anchors": (0.4, LAWS)},
        {"readers": lambda t: CHAIN, "frozen": [1], "silent": [2], "anchors": (0.4, LAWS)},
        UPRIGHT, BOTH, "zivkovic", "diag", "sequential",
    ),
    "weights of readers": (
        {"readers": WEIGHTS, "n_read": 4},
        {"readers": lambda t: WEIGHTS, "n_read": lambda size: min(size, 4)},
        LINE, BOTH, "zivkovic", "full", "sequential",
    ),
    "refit": (
        {"keep": "last", "fresh": 3}, FRESH | {"keep": ("last", 1), "fresh": 3}, PLANE, BOTH,
        "welford", "full", "refit",
    ),
    "refit, old residuals": (
        {"keep": "last", "fresh": 3, "real_weight": 0.6, "posts": "after update"},
        FRESH | {"keep": ("last", 1), "fresh": 3, "real_weight": 0.6, "after": True}, UPRIGHT,
        BOTH, "zivkovic", "diag", "refit",
    ),
    "prior": ({}, {}, PLANE, BOTH, "welford", "full", ("prior", 4.0)),
    "prior, spherical": ({}, {}, ROUND, BOTH, "zivkovic", "spherical", ("prior", 4.0)),
    "prior, means": ({}, {}, PLANE, ("mean",), None, None, ("prior", 4.0)),
}  # fmt: skip


def points_of(components):
    means = np.array(components["means"])
    return means[[0, 0, 1, 1, 0]] + 0.3 * np.arange(5)[:, None]


def starts_of(components):
    """Means that each model starts from."""
    return np.array(components["means"]) + 0.25 * np.arange(3)[:, None, None]


def simulated(case, runs=RUNS, **given):
    scenario, _, components, moving, rule, kind, update = case
    return lwd.simulate_gmm(
        3, 2, **components, n_steps=N_STEPS, n_responses=N_RESPONSES, beta=BETA,
        initial_weights=FIRST, initial_points=points_of(components), step_size="1/(k + 1)",
        complexity=0.01, threshold=EPS, scenario=scenario, update=update, moving=moving,
        variance_rule=rule, covariance_type=kind, initial_means=starts_of(components),
        variance_floor=1e-4 if "covariance" in moving else 1e-9, replicates=runs,
        **({"seed": 1} | given),
    )  # fmt: skip


def literal(case):
    """Weights (runs, T+1, n, B), means and covariances."""
    _, plain, components, _, rule, kind, update = case
    covariance = np.array(components["covariance"])
    move = {
        "start": [[(m, covariance) for m in means] for means in starts_of(components)],
        "rule": rule, "type": kind, "floor": 1e-4, "covariance": covariance,
    }  # fmt: skip
    plain = plain | {"moving": move}
    if update != "sequential":
        plain["prior"] = 0.0 if update == "refit" else update[1]
    start = [(np.array(m), covariance) for m in components["means"]]
    points = list(points_of(components))
    weights, means, covariances = [], [], []
    for seed in range(LITERAL_RUNS):
        pi, own = literal_scenario.run(
            seed, FIRST, start, N_STEPS, N_RESPONSES, points, BETA, EPS, 0.01, plain
        )
        weights.append(pi)
        means.append([[[c[0] for c in parts] for parts in now] for now in own])
        covariances.append([[[c[1] for c in parts] for parts in now] for now in own])
    return np.array(weights), np.array(means), np.array(covariances)


def arrays_of(ds):
    weight = ds["weight"].transpose("replicate", "time", "model", "component").values
    mean = ds["component_mean"].transpose("replicate", "time", "model", "component", "feature")
    covariance = ds["component_covariance"]
    if "time" in covariance.dims:
        covariance = covariance.transpose("replicate", "time", "model", ...).values
    else:
        covariance = np.broadcast_to(covariance.values, (*mean.shape, mean.shape[-1]))
    return weight, mean.values, covariance


def measures(weight, mean, covariance):
    """Numbers by which runs are told apart: (m, runs, times)."""
    apart = ((mean[:, :, 2] - mean[:, :, 0]) ** 2).sum((-1, -2))
    found = [
        weight[:, :, 0, 0], weight[:, :, 2, 0], mean[:, :, 0, 0, 0], mean[:, :, 2, 1, -1], apart,
        covariance[:, :, 0, 0, 0, 0], covariance[:, :, 1, 1, -1, -1], covariance[:, :, 2, 1, 0, -1],
    ]  # fmt: skip
    return np.stack(found).round(9)


@pytest.mark.parametrize("name", CASES)
def test_components_move_as_in_a_literal_loop(name):
    ours, theirs = measures(*arrays_of(simulated(CASES[name]))), measures(*literal(CASES[name]))
    assert np.isfinite(ours).all()
    p = [
        stats.ks_2samp(a[:, t], b[:, t]).pvalue
        for a, b in zip(ours, theirs, strict=True) for t in TIMES
    ]  # fmt: skip
    # Over all cases a true one fails in one suite of a thousand, were the seeds drawn.
    assert len(p) * min(p) > 1e-3 / len(CASES)


def run(moving=BOTH, **given):
    few = {"n_models": 3, "n_steps": 8, "initial_points": [-5.0, -4.0, 5.5, 6.0, 0.3], "seed": 5}
    few |= {"n_responses": 2, "step_size": "1/(k + 1)", "replicates": 3, "progress": False}
    return lwd.simulate_gmm(moving=moving, **(few | given))


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"moving": "mean"},
        {"variance_rule": "welford", "scenario": {"keep": "last", "anchors": (0.2, [0.5, 0.5])}},
        {"update": "refit", "scenario": {"keep": ("random", 20), "readers": "ring"}, "n_models": 9},
        {**PLANE, "initial_points": points_of(PLANE), "initial_means": starts_of(PLANE)},
        {"n_components": 11, "n_models": 5},
    ],
)
def test_a_dataset_is_made_again_from_its_specification(given, tmp_path):
    ds = run(**given)
    assert lwd.run_spec(ds).equals(ds)
    assert run(**given, n_jobs=2).equals(ds)
    # A replicate does not depend on others, nor a time on which are kept.
    assert run(**given | {"replicates": [2]}).equals(ds.sel(replicate=[2]))
    assert run(**given, record=[0, 4, 8]).equals(ds.sel(time=[0, 4, 8]))
    lwd.write_results(ds, tmp_path / "x.nc")
    assert lwd.read_results(tmp_path / "x.nc").equals(ds)
    assert ds["component_mean"].dims == ("time", "model", "replicate", "component", "feature")
    assert ("time" in ds["component_covariance"].dims) == (given.get("moving") != "mean")
    assert np.isnan(ds["n_clipped"][-1]).all()
    assert (ds["n_floored"][:-1] >= 0).all()


def test_a_covariance_moves_with_the_coordinates():
    # Points are drawn in whitened coordinates, so that those of one run are those of the other.
    factor = np.array([[2.0, 0.0], [0.7, 0.4]])
    means, points = np.array([[-2.0, 0.0], [2.0, 1.0]]), np.array([[0.5, 0.25], [-2.0, 0.5]])
    few = {"covariance_type": "full", "variance_floor": 0.3, "n_steps": 12}
    plain = run(means=means, initial_points=points, **few)
    other = run(means=means @ factor.T, initial_points=points @ factor.T,
                covariance=factor @ factor.T, **few)  # fmt: skip
    np.testing.assert_allclose(other["weight"], plain["weight"], atol=1e-5)
    there = plain["component_mean"].values @ factor.T
    np.testing.assert_allclose(other["component_mean"], there, atol=1e-4)
    there = factor @ plain["component_covariance"].values @ factor.T
    np.testing.assert_allclose(other["component_covariance"], there, atol=1e-4, rtol=1e-4)
    # Something was raised to the floor, which is one of eigenvalues where the start is round.
    assert plain["n_floored"].sum() > 0
    values = np.linalg.eigvalsh(plain["component_covariance"])
    assert 0.3 - 1e-9 < values.min() < 0.31


def test_on_a_line_all_types_are_one():
    full, diag, spherical = (
        run(covariance_type=kind).drop_attrs() for kind in ("full", "diag", "spherical")
    )
    assert full.equals(diag)
    assert full.equals(spherical)


@pytest.mark.filterwarnings("ignore:.*so narrow for where they are")  # by this floor
@pytest.mark.parametrize("kind", ["full", "diag", "spherical"])
def test_many_features_far_from_their_start_stay_finite(kind):
    # Determinants of 60 variances, which fall to the floor where a gain is 1.
    means = np.zeros((2, 60))
    means[0, 0] = 3.0
    ds = run(means=means, initial_points=None, covariance_type=kind, variance_rule="welford",
             step_size=1 - 1e-15, n_steps=5, variance_floor=1e-12)  # fmt: skip
    assert np.isfinite(ds["component_covariance"]).all()
    assert ds["n_floored"].sum() > 0
    assert (np.linalg.eigvalsh(ds["component_covariance"]) > 0.9e-12).all()


def test_gains_are_clipped_and_counted():
    # Component 0 has less weight than the step size: what it owns moves it all the way.
    ds = lwd.simulate_gmm(
        1, 2, n_steps=1, initial_points=[-7.0], initial_weights=[0.03, 0.97], step_size=0.2,
        beta=1.0, complexity=0.0, moving=BOTH, seed=1,
    )  # fmt: skip
    assert ds["n_clipped"].values.ravel().tolist()[0] == 1
    mean, variance = ds["component_mean"][1].values.ravel(), ds["component_covariance"][1]
    np.testing.assert_allclose(mean, [-7.0, 5.0])
    np.testing.assert_allclose(variance.values.ravel(), [4.0, 1.0])  # (-7 - -5)^2
    other = lwd.run_spec(ds, variance_rule="welford", variance_floor=0.25)
    np.testing.assert_allclose(other["component_covariance"][1].values.ravel(), [0.25, 1.0])
    assert other["n_floored"].values.ravel().tolist()[0] == 1


def test_frozen_models_and_those_that_read_nothing_stay():
    # The initial web goes after a step, and only the frozen model posts.
    scenario = {"frozen": [1], "keep": "last", "silent": [0, 2], "readers": CHAIN}
    ds = run(scenario=scenario)
    parts = ds[["weight", "component_mean", "component_covariance"]]
    for still in (parts.sel(model=1), parts.sel(model=0).isel(time=slice(1, None))):
        assert all((still[name] == still[name].isel(time=0)).all() for name in still)
    assert (parts["component_mean"].sel(model=2).diff("time") != 0).all()


def test_a_first_step_draws_the_points_of_components_that_stay():
    still, moved = run(()), run()
    np.testing.assert_array_equal(still["embedding"][0], moved["embedding"][0])


@pytest.mark.parametrize(
    ("given", "argument"),
    [
        ({"moving": "covariance"}, "moving"),
        ({"moving": ("mean", "mean")}, "moving"),
        ({"moving": ("mean", "weight")}, "moving"),
        ({"moving": 1}, "moving"),
        ({"moving": None}, "moving"),
        ({"variance_rule": "mle"}, "variance_rule"),
        ({"variance_rule": "welford", "moving": "mean"}, "variance_rule"),
        ({"covariance_type": "tied"}, "covariance_type"),
        ({"covariance_type": "full", "moving": ()}, "covariance_type"),
        ({**PLANE, "initial_points": None, "covariance_type": "diag"}, "covariance_type"),
        ({**UPRIGHT, "initial_points": None, "covariance_type": "spherical"}, "covariance_type"),
        ({"variance_floor": 0.0}, "variance_floor"),
        ({"variance_floor": 2.0}, "variance_floor"),
        ({"variance_floor": "x"}, "variance_floor"),
        ({"variance_floor": 1e-4, "moving": "mean"}, "variance_floor"),
        ({"variance_floor": 1e-4, "moving": ()}, "variance_floor"),
        # Answers of 32 bits would be the same, whatever the model.
        ({"initial_means": [1e9, 1e9 + 3]}, "initial_means"),
        ({"initial_means": [0.0, 1.0, 2.0]}, "initial_means"),
        ({"initial_means": [[0.0, float("nan")]] * 3}, "initial_means"),
        ({"initial_means": [0.0, 1.0], "moving": ()}, "initial_means"),
        ({"engine": "gaussian"}, "engine"),
    ],
)
def test_bad_input_is_one_error_that_names_the_argument(given, argument):
    with pytest.raises(InputError, match=rf"^{argument}: got .*; takes "):
        run(**given)


def test_what_points_can_no_longer_hold_ends_with_an_error():
    with pytest.raises(InputError, match=r"^n_steps: got 8; takes at most 0 steps"):
        run(n_components=1, initial_points=[3e37], beta=1.0)


EXPLODES = {
    "n_models": 2, "n_components": 1, "initial_points": None, "moving": BOTH, "step_size": 0.9,
    "scenario": {"keep": "last"}, "replicates": 6, "seed": 1,
}  # fmt: skip


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_error_of_an_explosion_names_what_all_replicates_can_run(jobs, tmp_path):
    def most(**given):
        with pytest.raises(InputError, match="at most") as caught:
            run(**EXPLODES | {"n_steps": 3000, "n_jobs": jobs} | given)
        return int(str(caught.value).partition("at most ")[2].partition(" ")[0])

    each = [most(replicates=[i]) for i in range(6)]
    assert min(each) < each[0]
    assert most() == min(each)
    path = tmp_path / "x.nc"
    assert most(path=path, record=50) == min(each)
    # What is there stays, and says that nothing will come.
    ds = lwd.read_results(path)
    assert ds.attrs["unfinished"].strip().endswith("of 3000; stopped")
    assert ds["time"].values[-1] == min(each) // 50 * 50
    done = run(**EXPLODES | {"n_steps": min(each), "record": [min(each)], "n_jobs": jobs})
    assert np.isfinite(done["component_covariance"]).all()


def test_a_direction_that_rounding_covers_is_stored_as_wide_as_the_rounding():
    with pytest.warns(UserWarning, match="so narrow"):
        ds = lwd.simulate_gmm(
            5, 2, means=np.outer([0.0, 5.0], np.ones(3)), covariance=np.eye(3) + 0.3, n_steps=60,
            n_responses=3, seed=2, moving=BOTH, step_size=1 - 1e-15, scenario={"keep": "last"},
        )  # fmt: skip
    covariance = ds["component_covariance"].values
    np.linalg.cholesky(covariance)
    assert ds.attrs["n_unresolved"] > 0
    for method in ("mmd", "mw2", "mean"):
        assert np.isfinite(lwd.dist(ds, method)).all()
    with pytest.raises(InputError, match=r"component_covariance.*rounding"):
        lwd.dist(ds, "l2")


def test_answers_too_coarse_for_a_component_are_counted_and_warned_of(tmp_path):
    few = {
        "n_models": 4, "n_components": 1, "means": [0.0], "n_responses": 2, "n_steps": 600,
        "seed": 1, "moving": BOTH, "variance_rule": "welford", "variance_floor": 1e-20,
        "scenario": {"keep": "last"}, "record": 100,
    }  # fmt: skip
    with pytest.warns(UserWarning, match="so narrow for where they are") as caught:
        ds = lwd.simulate_gmm(**few)
    assert caught[0].filename == __file__
    mean, sd = ds["component_mean"].values[..., 0], ds["component_covariance"].values[..., 0, 0]
    coarse = sd**0.5 < 2 * np.finfo(np.float32).eps * (np.abs(mean) + 10 * sd**0.5)
    assert 0 < coarse.sum() < coarse.size
    assert ds.attrs["n_unresolved"] == coarse.sum()
    with pytest.warns(UserWarning, match="so narrow"):
        written = lwd.simulate_gmm(**few, path=tmp_path / "x.nc")
    assert written.attrs["n_unresolved"] == coarse.sum()
    # A feature that is narrow where it lies near 0 is resolved, however far the others are.
    means, covariances = np.array([0.0, 1e9]), np.diag([1e-6, 1e8])
    assert resolved(means, covariances)
    assert not resolved(means[::-1], covariances)


@pytest.mark.parametrize("moving", [(), "mean", BOTH])
def test_a_step_size_that_the_weight_of_real_points_raises_above_1_is_counted(moving):
    # One real point of k counts as k / 2, and the step size 0.3 times that is above 1.
    scenario = {"keep": "last", "fresh": 1, "fresh_from": [1.0], "real_weight": 0.5}
    ds = lwd.simulate_gmm(
        2, 1, means=[0.0], n_steps=4, n_responses=5, seed=1, moving=moving, step_size=0.3,
        beta=1.0, scenario=scenario, complexity=0.0,
    )  # fmt: skip
    assert ds["n_clipped"][:-1, :, 0].values.tolist() == [[0, 0], [1, 1], [1, 1], [1, 1]]
    refit = lwd.simulate_gmm(2, 1, means=[0.0], n_steps=4, seed=1, beta=1.0, moving=moving,
                             update="refit", scenario=scenario)  # fmt: skip
    assert not refit["n_clipped"][:-1].any() if moving else "n_clipped" not in refit


def test_theory_of_components_that_stay_refuses_those_that_move():
    with pytest.raises(InputError, match=r"^moving: got .*; takes .*moving_moments"):
        lwd.check_decay(n_steps=5, moving="mean", seed=1)
    with pytest.raises(TypeError, match="moving"):
        lwd.second_moments(FIRST, moving="mean", n_steps=5)
    with pytest.raises(InputError, match=r"^component_mean|^ds: component_mean: got components"):
        lwd.positions(run())


def test_options_and_a_file_say_what_moves(tmp_path):
    file, out = tmp_path / "x.toml", tmp_path / "x.nc"
    file.write_text('simulator = "gmm"\nn_steps = 4\nseed = 1\nmoving = ["mean", "covariance"]\n')
    line = ["simulate", "gmm", str(file), "--variance-rule", "welford", "--no-progress"]
    done = CliRunner().invoke(app, [*line, "-o", str(out)])
    assert done.exit_code == 0, done.output
    expected = lwd.simulate_gmm(n_steps=4, seed=1, moving=BOTH, variance_rule="welford")
    assert lwd.read_results(out).equals(expected)
    assert spec_of(expected)["moving"] == ["mean", "covariance"]
    line = ["simulate", "gmm", "--moving", "mean", "--n-steps", "4", "--seed", "1", "--no-progress"]
    done = CliRunner().invoke(app, [*line, "-o", str(out)])
    assert done.exit_code == 0, done.output
    assert lwd.read_results(out).equals(lwd.simulate_gmm(n_steps=4, seed=1, moving="mean"))
    assert "Moving" in done.output
