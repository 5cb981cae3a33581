"""`changepoints` against brute force, closed forms, and its null hypothesis."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import least_squares
from scipy.stats import binomtest

import lwdstats as lwd
from lwdstats.errors import InputError
from lwdstats.inference import changepoint_kernel as kernel
from lwdstats.inference.changepoints import changepoints

SEEDS = st.integers(0, 2**32 - 1)
N = 80
TIME = np.arange(float(N))


def smooth(law="power", c=0.3, a=1.0, b=0.7):
    return c + a * np.exp(-b * kernel.clock(law, TIME))


def noise(seed, phi, sigma, count=1):
    rng = np.random.default_rng(seed)
    return kernel.ar1_paths(rng, phi, sigma * np.sqrt(1 - phi**2), count, N)


@pytest.mark.parametrize("law", kernel.LAWS)
@settings(max_examples=20)
@given(st.floats(0.05, 3), st.floats(0.3, 1.5), st.floats(0.01, 100))
def test_law_without_noise_is_found(law, c, b, a):
    b = b if law == "power" else b / 5
    logs = np.log(a * smooth(law, c, 1.0, b))[None]
    fit = kernel.fit_law(logs, kernel.clock(law, TIME), kernel.stretches(N, ()))
    assert np.abs(fit.residual).max() < 1e-4
    jump = np.where(TIME >= 33, np.log(0.4), 0.0)
    fit = kernel.fit_law(logs + jump, kernel.clock(law, TIME), kernel.stretches(N, [33]))
    assert np.abs(fit.residual).max() < 1e-4


@settings(max_examples=15)
@given(SEEDS)
def test_fit_is_least_squares(seed):
    u = kernel.clock("power", TIME)
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
    u = kernel.clock("power", TIME)
    logs = np.log(smooth()) + noise(2, phi, 0.2, count=1000)
    for jump in (0.0, np.log(0.3)):
        found = kernel.search(logs + jump * (TIME >= 40), u, 5)
        assert found.phi.mean() == pytest.approx(phi, abs=0.06)


def test_units_do_not_matter():
    y = smooth() * np.exp(noise(3, 0.3, 0.1)[0])
    y[50:] /= 2
    a = changepoints(y, n_bootstrap=99, seed=1)
    b = changepoints(1000.0 * y, n_bootstrap=99, seed=1)
    assert a.table["time"].tolist() == b.table["time"].tolist()
    np.testing.assert_allclose(b.table["ratio"], a.table["ratio"], rtol=1e-6)
    np.testing.assert_allclose(b.table["before"], 1000 * a.table["before"], rtol=1e-6)
    np.testing.assert_allclose(b.paths["statistic"], a.paths["statistic"], rtol=1e-4)


@pytest.mark.parametrize("law", kernel.LAWS)
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


@pytest.mark.parametrize("phi", [0.0, 0.4])
def test_p_is_uniform_without_a_change(phi):
    y = smooth()[:, None] * np.exp(noise(7, phi, 0.3, count=250).T)
    p = changepoints(y, n_bootstrap=19, seed=1).paths["p_value"].to_numpy(float)
    for level in (0.05, 0.25, 0.5):
        hits = int(np.sum(p <= level + 1e-12))
        assert binomtest(hits, len(p), level).pvalue > 1e-3


def test_a_replicate_does_not_depend_on_the_others():
    y = smooth()[:, None] * np.exp(noise(8, 0.0, 0.2, count=3).T)
    both, one = (changepoints(v, n_bootstrap=99, seed=2).paths for v in (y, y[:, :1]))
    assert both.iloc[0].equals(one.iloc[0])


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
    assert "replicate 0: not tested, as 31 of 80 values are not above 0" in str(found)
    assert np.isnan(found.fitted[:, 0]).all()


def test_block_tables_and_picture():
    ds = lwd.simulate_gmm(n_steps=60, replicates=2, seed=1)
    found = changepoints(ds, n_bootstrap=19, seed=1)
    text = str(found)
    assert "smooth decay c + a (t + 1)^-b" in text
    assert "AR(1) from one recorded time" in text
    assert "Probability of a false alarm: 0.05 a replicate" in text
    assert found.glance().equals(found.paths)
    assert found.tidy().equals(found.table)
    assert len(found.plot().lines) >= 4
    again = changepoints(ds, n_bootstrap=19, seed=found.seed)
    assert again.paths.equals(found.paths)


@pytest.mark.parametrize(
    ("x", "options", "argument"),
    [
        (np.ones(19), {}, "x"),
        (np.ones(40), {"min_size": 14}, "x"),
        (np.ones(40), {"law": "linear"}, "law"),
        (np.ones(40), {"false_alarm": 0}, "false_alarm"),
        (np.ones(40), {"n_bootstrap": 18}, "n_bootstrap"),
        (np.ones(40), {"min_size": 1}, "min_size"),
        (np.full(40, np.nan), {}, "x"),
    ],
)
def test_refuses(x, options, argument):
    with pytest.raises(InputError) as error:
        changepoints(x, **options)
    assert error.value.argument == argument
