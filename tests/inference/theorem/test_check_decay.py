"""The Monte Carlo check of the paper's theorem: its verdicts, tests, bands and refusals."""

import itertools
import math
import warnings

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW

import lwdstats as lwd
from lwdstats.errors import InputError
from lwdstats.inference.theorem import bands as kernel
from lwdstats.inference.theorem.check_decay import check_decay
from lwdstats.inference.theorem.slopes import Slopes, band, compare_slopes, step_slopes
from lwdstats.mixtures.spec import GmmSpec
from lwdstats.theory.asymptotics import stationary_sq_norm
from lwdstats.theory.decay import expected_difference

mpl.use("Agg")

FIRST = [[0.2, 0.8], [0.5, 0.5], [0.75, 0.25]]
AGREES = "agrees within the margin"


@pytest.fixture(scope="module")
def separated():
    return check_decay(initial_weights=FIRST, n_steps=12, n_responses=10, seed=3)


@pytest.fixture(scope="module")
def overlapping():
    return check_decay(initial_weights=FIRST, means=[-1, 1], n_steps=12, n_responses=10, seed=3)


def dataset(replicates=30, n_steps=6, **options):
    options = {"initial_weights": FIRST, "seed": 5, "progress": False} | options
    return lwd.simulate_gmm(n_steps=n_steps, replicates=replicates, **options)


def weights_of(ds):
    return ds["weight"].transpose("time", "replicate", "model", "component").values


def test_far_apart_the_papers_factor_agrees(separated):
    assert separated.verdict == separated.overlap_verdict == AGREES
    assert separated.assumptions.loc["components do not overlap", "holds"]
    wanted = expected_difference(FIRST, n_steps=12, n_responses=10)
    np.testing.assert_allclose(separated.table["paper"], wanted.ravel(), atol=1e-12)
    # Nothing to correct: both theories are one.
    np.testing.assert_allclose(separated.table["overlap"], separated.table["paper"], atol=1e-12)


def test_overlap_makes_the_papers_factor_wrong_and_the_corrected_one_right(overlapping):
    assert overlapping.verdict == "differs"
    assert overlapping.overlap_verdict == AGREES
    assert overlapping.tests["beyond"].tolist() == [True, False, True, False]
    assert not overlapping.assumptions.loc["components do not overlap", "holds"]
    text = str(overlapping.summary())
    assert "paper ((1 - alpha)^k): differs, by more than the margin" in text
    # A step leaves more than the paper says, nearly twice as much.
    late = overlapping.steps.iloc[3:]
    assert (late["conf_low"] > late["paper"]).all()


def test_a_constant_step_size_keeps_the_norm_though_the_mean_falls():
    check = check_decay(
        initial_weights=FIRST, step_size=0.05, complexity=0.0, n_steps=60, replicates=1000, seed=1
    )
    assert check.verdict == AGREES
    last = check.norms.iloc[-1]
    assert abs(last["sq_norm"] - last["exact"]) < 4 * last["std_error"]
    end = check.table[check.table["time"] == 60]
    assert (end["paper"].abs() < 1e-12).all()
    # H, about .47 from this start, can't be above a half for two components.
    assert last["exact"] > 0.9 * stationary_sq_norm(0.05, n_models=3, diversity=0.45)
    assert last["exact"] < stationary_sq_norm(0.05, n_models=3, diversity=0.5)
    assert not check.assumptions.loc["alpha falls to 0", "holds"]
    assert "does not make ||D||_F do so" in str(check.summary())


def test_few_replicates_decide_nothing_and_it_says_how_many_would():
    options = {"initial_weights": FIRST, "n_steps": 8, "n_responses": 10}
    few = check_decay(replicates=20, seed=2, **options)
    assert few.verdict == "not decided"
    assert f"about {few.n_needed:,} replicates would do" in str(few)
    assert few.n_needed > 20
    assert check_decay(replicates=few.n_needed, seed=3, **options).verdict == AGREES


def test_the_step_factor_is_that_of_measured_decay():
    ds = dataset(means=[-1, 1])
    check = check_decay(ds, seed=1)
    w = weights_of(ds)
    for t in range(1, 6):
        fit = lwd.measured_decay(w[t], w[t + 1])
        # That one divides weights by their sum, 1 up to rounding where nothing is truncated.
        assert check.steps["estimate"][t] == pytest.approx(fit.factor, abs=1e-4)
        # Its error comes from leaving out groups of runs, ours from the influence of each.
        assert check.steps["std_error"][t] == pytest.approx(fit.std_error, rel=0.4)
    assert check.steps["estimate"][0] == check.steps["paper"][0] == 1  # nothing is read


def test_a_dataset_and_its_specification_are_one():
    options = {"n_steps": 6, "n_responses": 4, "initial_weights": FIRST}
    spec = {"simulator": "gmm", "seed": 7, "replicates": 15, **options}
    simulated = check_decay(spec)
    given = check_decay(lwd.run_spec(spec, progress=False), seed=7)
    pd.testing.assert_frame_equal(simulated.table, given.table)
    pd.testing.assert_frame_equal(simulated.tests, given.tests)
    assert simulated.n_replicates == 15
    assert check_decay(spec, replicates=12).n_replicates == 12


def test_a_random_start_is_drawn_once_and_held():
    check = check_decay({"n_steps": 5}, replicates=20, seed=9)
    assert check.drawn
    np.testing.assert_array_equal(check.start, GmmSpec(seed=9).first_weights(0))
    assert "drawn once" in str(check.summary())


def test_truncations_and_lost_components_are_counted():
    start = [[0.02, 0.98], [0.5, 0.5], [0.9, 0.1]]
    ds = dataset(initial_weights=start, threshold=0.0, n_steps=30)
    check = check_decay(ds, seed=1)
    counts = ds["n_truncated"].sum(("model", "replicate")).values[:-1]
    np.testing.assert_array_equal(check.truncations["n_truncated"], counts)
    hit = (ds["n_truncated"] > 0).any(("time", "model")).values
    assert check.truncations["replicates_so_far"].iloc[-1] == hit.sum() > 0
    assert not check.assumptions.loc["no weight is truncated", "holds"]
    gone = (weights_of(ds)[-1] == 0).any((1, 2)).sum()
    assert f"{gone} of 30 runs" in check.assumptions.loc["no weight lost at the end", "seen"]


def test_the_condition_on_c_is_looked_at_where_a_model_reads():
    start = [[0.01, 0.99], [0.02, 0.98]]
    broken = check_decay(
        n_models=2, initial_weights=start, complexity=0.1, n_steps=8, replicates=20, seed=1
    )
    row = broken.assumptions.loc["0 < c < min(1/B, pibar_b)"]
    assert not row["holds"]
    assert "first at t = 1" in row["seen"]
    none = check_decay(initial_weights=FIRST, complexity=0.0, n_steps=4, replicates=20, seed=1)
    assert "c = 0" in none.assumptions.loc["0 < c < min(1/B, pibar_b)", "seen"]


def test_one_point_read_is_reported_and_not_warned_of():
    start = [[0.3, 0.7], [0.6, 0.4]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check = check_decay(
            n_models=2, initial_weights=start, n_responses=1, n_steps=4, replicates=20, seed=1
        )
    seen = check.assumptions.loc["alpha in (0, 1), k > 0", "seen"]
    assert "k = 0 at t = 0" in seen
    assert "alpha = 1 at t = 1" in seen
    assert check.steps["paper"][1] == 0


def test_what_does_not_vary_is_compared_as_it_is():
    # All of A(0) is one component, so that the first update is the same in all runs.
    check = check_decay(
        initial_weights=FIRST,
        initial_points=[5.0] * 8,
        complexity=0.0,
        n_steps=1,
        replicates=10,
        seed=1,
    )
    assert (check.table["std_error"] == 0).all()
    assert check.tests["p_difference"][0] == 1
    assert check.tests["p_equivalence"][0] == 0
    assert check.tests["verdict"][0] == AGREES


def test_the_exact_error_is_the_simulated_one(separated):
    # 1000 runs: a standard deviation is known to some 2.5%, more for skew laws.
    late = separated.table[separated.table["time"] >= 2]
    ratio = late["std_error"] / late["exact_error"]
    assert ratio.between(0.85, 1.15).all()


def test_the_band_is_between_pointwise_and_bonferroni(separated):
    cells = 11 * 3  # 12 times less the one without variance, 3 pairs; components mirror
    assert stats.t.isf(0.025, 999) < separated.critical < stats.t.isf(0.025 / cells, 999) * 1.05


def test_sign_flips_are_those_of_the_enumeration():
    values = np.random.default_rng(1).normal(size=(10, 3)) ** 3
    flips = np.array(list(itertools.product([-1.0, 1.0], repeat=10)))
    t = []
    for signs in flips:
        flipped = values * signs[:, None]
        error = flipped.std(0, ddof=1) / math.sqrt(10)
        t += [np.abs(flipped.mean(0) / error).max()]
    draws = kernel.largest_t(values, 40_000, np.random.default_rng(2))
    for q in (0.5, 0.9, 0.95):
        assert (draws <= np.quantile(t, q)).mean() == pytest.approx(q, abs=0.01)


def test_equivalence_is_two_one_sided_tests_as_statsmodels_has_them():
    x = np.random.default_rng(4).normal(0.02, 0.2, size=60)
    found = kernel.means(x[:, None], 1.0, np.zeros(1), 0.95, 999, 1, 0)
    seen = kernel.compare(found, np.zeros(1), 1.0, 0.1)
    assert seen.p_equivalence == pytest.approx(DescrStatsW(x).ttost_mean(-0.1, 0.1)[0])
    # One cell, normal values: the sign flips are near the t test.
    assert seen.p_difference == pytest.approx(stats.ttest_1samp(x, 0).pvalue, abs=0.05)


def test_equivalence_needs_every_cell():
    values = np.random.default_rng(1).normal([0, 0, 0, 0.2], 0.01, size=(50, 4))
    found = kernel.means(values, 1.0, np.zeros(4), 0.95, 999, 1, 0)
    seen = kernel.compare(found, np.zeros(4), 1.0, 0.1)
    assert seen.p_equivalence > 0.99
    assert seen.beyond
    assert seen.cell == 3
    assert kernel.compare(found, np.array([0, 0, 0, 0.2]), 1.0, 0.1).p_equivalence < 1e-6


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 100), st.floats(-5, 5))
@settings(max_examples=25, deadline=None)
def test_tests_do_not_depend_on_units(seed, unit, shift):
    rng = np.random.default_rng(seed)
    values, theory = rng.normal(0.1, 1, size=(15, 5)), rng.normal(0, 0.3, size=5)

    def compared(x, y, scale):
        found = kernel.means(x, scale, np.zeros(5), 0.9, 199, 1, 0)
        return kernel.compare(found, y, scale, 0.4)

    one = compared(values, theory, 1.0)
    two = compared(unit * values + shift, unit * theory + shift, unit)
    assert one.cell == two.cell
    assert two.p_difference == pytest.approx(one.p_difference, abs=0.011)
    assert two.p_equivalence == pytest.approx(one.p_equivalence, rel=1e-6, abs=1e-12)
    assert two.deviation == pytest.approx(one.deviation, rel=1e-6, abs=1e-9)


def noisy_slopes(seed, runs=40, rho=0.4):
    """Return slopes of weights whose differences keep a share rho, plus noise."""
    rng = np.random.default_rng(seed)
    weight = np.empty((4, runs, 3, 2))
    x = rng.normal(size=(runs, 3))
    for t in range(4):
        weight[t] = np.stack([0.5 + 0.01 * x, 0.5 - 0.01 * x], axis=-1)
        x = rho * x + rng.normal(size=x.shape)
    return step_slopes(weight, np.ones(3, bool))


def test_the_ends_of_a_slopes_band_have_the_critical_score():
    slopes = noisy_slopes(1)
    _, low, high = band(slopes, 0.95, 999, 1)
    sizes = []
    for end in (low, high):
        scores = slopes.scores(end)[:, :-1]
        sizes += [np.abs(scores.mean(0)) / (scores.std(0, ddof=1) / math.sqrt(40))]
    np.testing.assert_allclose(sizes, np.full((2, 3), np.mean(sizes)), rtol=1e-8)
    assert ((low < slopes.slope) & (slopes.slope < high)).all()


def test_a_band_that_few_replicates_leave_open_is_infinite():
    cross = np.array([[1.0], [0.0], [0.1]])
    slopes = Slopes(cross, np.array([[2.9], [0.05], [0.05]]), np.eye(2)[None])
    _, low, high = band(slopes, 0.95, 99, 1)
    assert low[0] == -np.inf
    assert high[0] == np.inf


def test_steps_factors_are_told_apart_and_shown_equal():
    slopes = noisy_slopes(3, runs=4000)
    right, wrong = (compare_slopes(slopes, np.full(3, v), 0.95, 0.1, 999, 1) for v in (0.4, 0.7))
    assert right.p_difference > 0.05
    assert right.p_equivalence < 0.01
    assert wrong.p_difference == 1 / 1000
    assert wrong.p_equivalence > 0.99
    assert wrong.beyond
    assert wrong.deviation == pytest.approx(-0.3, abs=0.1)


def test_three_verdicts():
    assert kernel.verdict(0.01, 0.01, 0.95) == AGREES
    assert kernel.verdict(0.01, 0.5, 0.95) == "differs"
    assert kernel.verdict(0.5, 0.5, 0.95) == "not decided"


def test_a_verdict_on_both_quantities_pays_for_two(separated):
    assert separated.tests["quantity"].tolist() == ["mean difference"] * 2 + ["step factor"] * 2
    glance = separated.glance()
    p = separated.tests.loc[separated.tests["theory"] == "paper", "p_difference"].min()
    assert glance["p_difference"][0] == min(1, 2 * p)
    with pytest.raises(InputError, match="theory"):
        separated.verdict_on("other")


def test_frames_and_print(separated):
    tidy = separated.tidy()
    assert len(tidy) == 13 * 3 * 2
    assert (tidy["conf_low"] <= tidy["conf_high"]).all()
    assert separated.to_markdown().count("\n") == 5
    assert "Verdict" in str(separated.summary())
    assert "condition" in separated.summary().to_markdown() or separated.summary().to_latex()
    assert str(separated).startswith("Check of the decay")


def test_plot_draws_three_curves_and_a_band(separated):

    ax = separated.plot()
    labels = ax.get_legend_handles_labels()[1]
    assert len(labels) == 5
    # By default those that start farthest apart.
    assert "0,0" in ax.get_ylabel()
    assert "2,0" in ax.get_ylabel()
    ax = separated.plot((0, 1), 1)
    assert ax.lines[0].get_ydata()[0] == pytest.approx(0.3)
    with pytest.raises(InputError, match="pair"):
        separated.plot((1, 0))
    with pytest.raises(InputError, match="component"):
        separated.plot(component=5)


def test_some_pairs_alone():
    check = check_decay(dataset(), pairs=[[0, 2]], seed=1)
    assert len(check.table) == 7 * 2
    assert set(check.table["model_j"]) == {2}


def test_components_in_a_plane():
    check = check_decay(
        n_components=3,
        initial_weights=[[0.2, 0.3, 0.5], [0.4, 0.4, 0.2], [0.3, 0.1, 0.6]],
        means=[[-1, 0], [1, 0], [0, 1.5]],
        n_steps=4,
        replicates=40,
        seed=1,
    )
    assert not check.assumptions.loc["components do not overlap", "holds"]
    later = check.steps.iloc[1:]
    assert (later["overlap"] > later["paper"]).all()


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"level": 0.4}, "level"),
        ({"margin": 0.0}, "margin"),
        ({"margin": 1.5}, "margin"),
        ({"n_draws": 5}, "n_draws"),
        ({"replicates": 9}, "replicates"),
        ({"pairs": [[1, 0]]}, "pairs"),
        ({"pairs": [[0, 3]]}, "pairs"),
        ({"record": 5}, "record"),
        ({"n_steps": 1}, "n_steps"),
        ({"n_models": 1}, "n_models"),
        ({"initial_weights": [0.5, 0.5]}, "initial_weights"),
        ({"initial_weights": np.full((10, 3, 2), 0.5)}, "initial_weights"),
        ({"spec": {"simulator": "llm"}}, "spec"),
        ({"spec": {"nonsense": 1}}, "spec"),
        ({"spec": 3}, "spec"),
        ({"spec": {"replicates": 3}, "replicates": None}, "replicates"),
        ({"n_models": 1000, "n_steps": 1000}, "pairs"),
    ],
)
def test_refusals(options, argument):
    with pytest.raises(InputError) as caught:
        check_decay(**({"replicates": 10, "n_steps": 3, "seed": 1} | options))
    assert caught.value.argument == argument


@pytest.mark.parametrize(
    ("ds", "match"),
    [
        (lambda: dataset(initial_weights=None), "start from different weights"),
        (lambda: dataset(replicates=5), "10 replicates"),
        (lambda: dataset(record=2), "every time"),
        (
            lambda: dataset(
                replicates=10,
                initial_points=np.random.default_rng(1).normal(size=(10, 6, 1)),
            ),
            "different initial points",
        ),
    ],
)
def test_datasets_refused(ds, match):
    with pytest.raises(InputError, match=match):
        check_decay(ds())


def test_a_dataset_takes_no_other_runs():
    with pytest.raises(InputError, match="replicates"):
        check_decay(dataset(), replicates=20)
    with pytest.raises(InputError, match="n_steps"):
        check_decay(dataset(), n_steps=3)
