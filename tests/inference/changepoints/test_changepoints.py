"""`changepoints` against brute force, closed forms, and its null hypothesis."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import ROOT
from scipy.optimize import least_squares
from scipy.stats import binomtest

import lwdstats as lwd
from lwdstats.errors import InputError
from lwdstats.inference.changepoints import search as kernel
from lwdstats.inference.changepoints.changepoints import changepoints
from lwdstats.inference.changepoints.misfit import least_misfit
from lwdstats.inference.changepoints.result import AR1, LAWS

SEEDS = st.integers(0, 2**32 - 1)
N = 80
TIME = np.arange(float(N))


def smooth(law="power", c=0.3, a=1.0, b=0.7):
    return c + a * np.exp(-b * LAWS[law].clock(TIME))


def noise(seed, phi, sigma, count=1):
    rng = np.random.default_rng(seed)
    return kernel.ar1_paths(rng, phi, sigma * np.sqrt(1 - phi**2), count, N)


@pytest.mark.parametrize("law", LAWS)
@settings(max_examples=20)
@given(st.floats(0.05, 3), st.floats(0.3, 1.5), st.floats(0.01, 100))
def test_law_without_noise_is_found(law, c, b, a):
    b = b if law == "power" else b / 5
    logs = np.log(a * smooth(law, c, 1.0, b))[None]
    fit = kernel.fit_law(logs, LAWS[law].clock(TIME), kernel.stretches(N, ()))
    assert np.abs(fit.residual).max() < 1e-4
    jump = np.where(TIME >= 33, np.log(0.4), 0.0)
    fit = kernel.fit_law(logs + jump, LAWS[law].clock(TIME), kernel.stretches(N, [33]))
    assert np.abs(fit.residual).max() < 1e-4


@settings(max_examples=15)
@given(SEEDS)
def test_fit_is_least_squares(seed):
    u = LAWS["power"].clock(TIME)
    logs = np.log(smooth()) + noise(seed, 0.3, 0.1)
    fit = kernel.fit_law(logs, u, kernel.stretches(N, ()))

    def residual(theta):
        curve = np.log(np.exp(theta[0]) + np.exp(-np.exp(theta[1]) * u))
        return (logs[0] - logs.mean()) - (curve - curve.mean())

    starts = [(np.log(c), np.log(b)) for c in (0.01, 0.3, 1.0) for b in (0.3, 0.7, 1.5)]
    bounds = ([np.log(1e-6), np.log(0.05 / u[-1])], [np.log(1e2), np.log(3.0 / u[1])])
    best = min(2 * least_squares(residual, s, bounds=bounds).cost for s in starts)
    assert (fit.residual**2).sum() == pytest.approx(best, rel=1e-3)


@settings(max_examples=15)
@given(SEEDS, st.floats(-0.5, 0.8))
def test_gain_is_what_a_step_takes_off_the_squares(seed, phi):
    rng = np.random.default_rng(seed)
    z, columns = rng.normal(size=(1, N)), [rng.normal(size=(1, N)) for _ in range(3)]
    rho = np.array([phi])
    basis = kernel._orthonormal(columns)
    at = np.arange(5, N - 4)
    gains = kernel._gains(z, basis, rho, at)
    for k in (5, 20, N // 2, N - 5):
        step = kernel.whiten((k <= TIME)[None] * 1.0, rho)[0]
        design = np.stack([*(c[0] for c in columns), step], axis=1)
        without = np.linalg.lstsq(design[:, :3], z[0], rcond=None)[1][0]
        with_step = np.linalg.lstsq(design, z[0], rcond=None)[1]
        assert gains[0, k - 5] == pytest.approx(without - with_step[0], rel=1e-8, abs=1e-10)


def test_whitening_takes_the_autocorrelation_out():
    e = noise(1, 0.6, 1.0, count=2000)
    white = kernel.whiten(e, np.full(2000, 0.6))
    covariance = np.cov(white.T)
    np.testing.assert_allclose(np.diag(covariance), 0.64, rtol=0.15)
    assert np.abs(covariance - np.diag(np.diag(covariance))).max() < 0.08


@pytest.mark.parametrize("phi", [0.0, 0.4])
def test_phi_is_right_on_average_with_a_change_or_without(phi):
    u = LAWS["power"].clock(TIME)
    logs = np.log(smooth()) + noise(2, phi, 0.2, count=1000)
    for jump in (0.0, np.log(0.3)):
        found = kernel.search(logs + jump * (TIME >= 40), u, 5)
        assert found.phi.mean() == pytest.approx(phi, abs=0.06)


@pytest.mark.parametrize("phi", [0.0, 0.4, 0.7])
@pytest.mark.parametrize("law", LAWS)
def test_null_hypothesis_is_right_on_average(law, phi):
    u = LAWS[law].clock(TIME)
    b = 0.7 if law == "power" else 0.1
    null = kernel.fit_null(np.log(smooth(law, b=b)) + noise(12, phi, 0.2, count=1000), u)
    assert null.phi.mean() == pytest.approx(phi, abs=0.05)
    assert null.sigma.mean() == pytest.approx(0.2 * np.sqrt(1 - phi**2), rel=0.05)
    misfit = null.mean - np.log(smooth(law, b=b))
    assert np.abs(misfit.mean(axis=0)).max() < 0.05


def test_null_hypothesis_has_no_change_in_it():
    """A change is taken for slow noise there, and beside two changes is not."""
    u = LAWS["power"].clock(TIME)
    logs = np.log(smooth()) + noise(13, 0.2, 0.1, count=200) + np.log(0.3) * (TIME >= 40)
    assert kernel.fit_null(logs, u).phi.mean() > 0.7
    assert kernel.search(logs, u, 5).phi.mean() == pytest.approx(0.2, abs=0.06)


def test_since_leaves_earlier_times_out():
    y = smooth() * np.exp(noise(14, 0.3, 0.1)[0])
    y[50:] /= 2
    late = pd.Series(y[20:], index=TIME[20:])
    part, cut = (changepoints(v, since=20, n_bootstrap=99, seed=1) for v in (y, late))
    pd.testing.assert_frame_equal(part.paths, cut.paths, rtol=1e-9)
    pd.testing.assert_frame_equal(part.table, cut.table, rtol=1e-9)
    assert part.table["time"].tolist() == [50]
    assert part.since == 20
    assert "from time 20 on a smooth decay" in str(part)
    assert np.isnan(part.fitted[:20]).all()
    np.testing.assert_allclose(part.fitted[20:], cut.fitted, rtol=1e-9)
    # What came before makes no difference.
    y[:20] = 7.0
    again = changepoints(y, since=20, n_bootstrap=99, seed=1)
    pd.testing.assert_frame_equal(again.paths, part.paths, rtol=1e-9)


@pytest.mark.parametrize(("n", "since"), [(80, 8), (59, 5), (21, 1), (20, 0)])
def test_the_first_tenth_is_left_out(n, since):
    y = smooth()[:n] * np.exp(noise(15, 0.0, 0.1)[0, :n])
    assert changepoints(y, n_bootstrap=19, seed=1).since == since


def test_units_do_not_matter():
    y = smooth() * np.exp(noise(3, 0.3, 0.1)[0])
    y[50:] /= 2
    a = changepoints(y, n_bootstrap=99, seed=1)
    b = changepoints(1000.0 * y, n_bootstrap=99, seed=1)
    assert a.table["time"].tolist() == b.table["time"].tolist()
    np.testing.assert_allclose(b.table["ratio"], a.table["ratio"], rtol=1e-6)
    np.testing.assert_allclose(b.table["before"], 1000 * a.table["before"], rtol=1e-6)
    np.testing.assert_allclose(b.paths["statistic"], a.paths["statistic"], rtol=1e-4)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_finds_a_sudden_change_and_its_ratio(law, factor):
    b = 0.7 if law == "power" else 0.1
    y = smooth(law, b=b)[:, None] * np.exp(noise(4, 0.3, 0.1, count=20).T)
    y[45:] *= factor
    found = changepoints(y, law=law, n_bootstrap=199, seed=1)
    assert (found.paths["p_value"] <= 0.05).mean() >= 0.95
    assert np.median(found.table["time"]) == 45
    near = found.table[np.abs(found.table["time"] - 45) <= 1]
    assert len(near) >= 18
    assert np.median(near["ratio"]) == pytest.approx(factor, rel=0.1)
    np.testing.assert_allclose(found.table["after"] / found.table["before"], found.table["ratio"])


def test_finds_a_fall_and_a_recovery():
    y = smooth() * np.exp(noise(5, 0.2, 0.05)[0])
    y[30:55] /= 3
    found = changepoints(y, seed=1, n_bootstrap=199)
    assert found.table["time"].tolist() == [30, 55]
    np.testing.assert_allclose(found.table["ratio"], [1 / 3, 3], rtol=0.15)


def test_changes_without_noise_are_exact():
    y = smooth()
    assert "without noise" in changepoints(y, n_bootstrap=99, seed=1).paths["note"].iloc[0]
    y = y.copy()
    y[45:] /= 2
    found = changepoints(y, n_bootstrap=99, seed=1)
    assert found.table["time"].tolist() == [45]
    assert found.table["ratio"].iloc[0] == pytest.approx(0.5, rel=1e-3)


def not_tested(x, **options):
    """Check that no replicate is tested for want of noise."""
    found = changepoints(x, n_bootstrap=19, seed=1, **options)
    assert found.table.empty
    assert "No change found" not in str(found)
    assert found.paths["p_value"].isna().all()
    assert "not tested, as x follows the law without noise" in str(found)


@pytest.mark.parametrize("n", [60, 100])
@pytest.mark.parametrize("law", LAWS)
def test_a_constant_is_not_tested(law, n):
    not_tested(np.tile([1, 0.1, 0.3, 2, 1 / 3, 0.7], (n, 1)), law=law)


@pytest.mark.parametrize("b", [0.01, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("c", [0.0, 1e-9, 1e-3, 1.0, 1e5])
def test_a_law_at_or_near_its_limits_is_not_tested(b, c):
    t = np.arange(100.0)
    not_tested(c + (t + 1) ** -b)
    not_tested(c + np.exp(-b * t / 5), law="exponential")


def test_a_network_with_frozen_weights_is_not_tested():
    # So small a share of the web that nothing is ever read.
    ds = lwd.simulate_gmm(n_steps=40, replicates=2, beta=1e-6, seed=1)
    assert float(ds["n_retrieved"].max()) == 0
    not_tested(ds)


@settings(max_examples=20)
@given(SEEDS, st.sampled_from([1e-5, 1e-3]), st.sampled_from(list(LAWS)))
def test_noise_is_not_taken_for_rounding(seed, sigma, law):
    u = LAWS[law].clock(TIME)
    for y in (np.ones(N), smooth(law), smooth(law, c=0.0, b=0.5)):
        noisy = y * np.exp(noise(seed, 0.0, sigma)[0])
        assert 0.7 * sigma < least_misfit(noisy, u) < 1.3 * sigma


def test_misfit_is_that_of_the_best_law():
    """A rise is not of the law, whose nearest member is then constant."""
    y = 1.0 + TIME
    constant = np.sum(1 / y) / np.sum(1 / y**2)
    spread = np.sqrt(np.mean((constant / y - 1) ** 2))
    assert least_misfit(y, TIME) <= np.std(y) / y.mean()
    assert least_misfit(y, TIME) == pytest.approx(min(spread, np.std(y) / y.mean()), rel=0.5)


@pytest.mark.long
@pytest.mark.parametrize("sigma", [1e-5, 1e-3])
@pytest.mark.parametrize("base", [np.ones(N), (TIME + 1) ** -1.0])
def test_false_alarms_are_as_stated_at_the_limits_of_the_law(base, sigma):
    y = base[:, None] * np.exp(noise(11, 0.0, sigma, count=60).T)
    hits = int((changepoints(y, n_bootstrap=19, seed=1).paths["p_value"] <= 0.05 + 1e-12).sum())
    assert binomtest(hits, 60, 0.05, alternative="greater").pvalue > 1e-3


def test_print_warns_of_curves_of_another_shape():
    line = changepoints(1 - np.arange(100.0) / 101, n_bootstrap=199, seed=1)
    assert len(line.table) > 0
    assert "A curve of another shape than the law can look like a change." in str(line)


def test_rows_are_named_by_replicate():
    y = smooth()[:, None] * np.exp(noise(6, 0.3, 0.1, count=2).T)
    y[45:, 1] /= 3
    some, none = (changepoints(v, n_bootstrap=199, seed=1) for v in (y, smooth()))
    assert 1 in some.table["replicate"].to_numpy()
    for found, replicates in ((some, some.table["replicate"]), (none, [0])):
        rows = found.to_latex().splitlines()[4:-2]
        assert [row.split(" & ")[0] for row in rows] == [f"replicate {r}" for r in replicates]


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_notes_on_a_flat_curve_name_x(value):
    found = changepoints(np.full(40, value), n_bootstrap=19, seed=1)
    assert " x " in f" {found.paths['note'].iloc[0]} "


def test_decision_is_that_of_p_and_of_the_penalty():
    y = smooth()[:, None] * np.exp(noise(6, 0.3, 0.3, count=30).T)
    y[45:, ::2] *= 0.7
    found = changepoints(y, n_bootstrap=59, false_alarm=0.2, seed=1)
    paths = found.paths
    assert ((paths["p_value"] <= 0.2 + 1e-12) == (paths["n_changes"] > 0)).all()
    assert ((paths["statistic"] > paths["penalty"]) == (paths["n_changes"] > 0)).all()
    counted = found.table.groupby("replicate").size().reindex(paths.index, fill_value=0)
    assert (counted == paths["n_changes"]).all()
    ends = found.table["time"]
    assert ((ends >= 5) & (ends <= N - 5)).all()


@pytest.mark.long
@pytest.mark.parametrize("phi", [0.0, 0.4, 0.7])
def test_p_is_uniform_without_a_change(phi):
    y = smooth()[:, None] * np.exp(noise(7, phi, 0.3, count=250).T)
    p = changepoints(y, n_bootstrap=19, seed=1).paths["p_value"].to_numpy(float)
    for level in (0.05, 0.25, 0.5):
        hits = int(np.sum(p <= level + 1e-12))
        assert binomtest(hits, len(p), level).pvalue > 1e-3


@pytest.mark.long
def test_false_alarms_are_as_stated_on_networks_of_mixtures():
    y = lwd.fnorm(lwd.simulate_gmm(n_steps=100, replicates=200, seed=1))
    p = changepoints(y, n_bootstrap=19, seed=1).paths["p_value"]
    hits = int((p <= 0.05 + 1e-12).sum())
    assert binomtest(hits, int(p.notna().sum()), 0.05, alternative="greater").pvalue > 1e-3


def test_the_null_hypothesis_printed_is_the_one_measured():
    page = ROOT / "benchmarks" / "validity" / "size_curves.md"
    rows = [r for r in page.read_text().splitlines() if r.startswith("| `changepoints`")]
    assert len(rows) >= 8
    assert all(row.split("|")[-2].strip() in ("yes", "below") for row in rows)
    assert all(int(row.split("|")[2].replace(",", "")) >= 9_900 for row in rows)
    phi = [float(v) for row in rows for v in re.findall(r"AR\(1\) (\S+),", row)]
    assert (min(phi), max(phi)) == AR1
    text = str(changepoints(smooth(), n_bootstrap=19, seed=1))
    assert f"phi of {AR1[0]:g} to {AR1[1]:g}" in text


def test_a_replicate_does_not_depend_on_the_others():
    y = smooth()[:, None] * np.exp(noise(8, 0.0, 0.2, count=3).T)
    both, one = (changepoints(v, n_bootstrap=99, seed=2).paths for v in (y, y[:, :1]))
    # Three curves or one: a BLAS may round a product of another shape otherwise.
    pd.testing.assert_frame_equal(both.iloc[:1], one, rtol=1e-9)


def test_values_not_above_zero():
    y = smooth() * np.exp(noise(9, 0.0, 0.1)[0])
    y[[20, 60]] = 0.0, -0.1
    found = changepoints(y, n_bootstrap=99, seed=1)
    assert found.paths["n_replaced"].iloc[0] == 2
    assert found.paths["p_value"].iloc[0] > 0.05
    y[50:] = 0.0
    found = changepoints(np.stack([y, smooth() * np.exp(noise(9, 0.0, 0.1)[0])], axis=1), seed=1)
    assert np.isnan(found.paths["p_value"].iloc[0])
    assert not np.isnan(found.paths["p_value"].iloc[1])
    assert "replicate 0: not tested, as 31 of 72 values of x from time 8 on are not above 0" in str(
        found
    )
    assert np.isnan(found.fitted[:, 0]).all()


def test_block_tables_and_picture():
    ds = lwd.simulate_gmm(n_steps=60, replicates=2, seed=1)
    found = changepoints(ds, n_bootstrap=19, seed=1)
    text = str(found)
    assert "from time 6 on a smooth decay\nc + a (t + 1)^-b, with noise" in text
    assert "AR(1) from\none recorded time" in text
    assert "Probability of a false alarm: 0.05 a replicate" in text
    assert found.glance().equals(found.paths)
    assert found.tidy().equals(found.table)
    assert len(found.plot().lines) >= 4
    again = changepoints(ds, n_bootstrap=19, seed=found.seed)
    pd.testing.assert_frame_equal(again.paths, found.paths)


@pytest.mark.parametrize(
    ("x", "options", "argument"),
    [
        (np.ones(19), {}, "x"),
        (np.ones(40), {"min_size": 14}, "x"),
        (np.ones(40), {"law": "linear"}, "law"),
        (np.ones(40), {"false_alarm": 0}, "false_alarm"),
        (np.ones(40), {"n_bootstrap": 18}, "n_bootstrap"),
        (np.ones(40), {"min_size": 1}, "min_size"),
        (np.ones(40), {"since": 21}, "since"),
        (np.ones(40), {"since": "10"}, "since"),
        (np.full(40, np.nan), {}, "x"),
    ],
)
def test_refuses(x, options, argument):
    with pytest.raises(InputError) as error:
        changepoints(x, **options)
    assert error.value.argument == argument
