"""The Gaussian engine: one step against enumeration, whole runs against the exact engine."""

import itertools
import json
from collections import defaultdict

import numba
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import lwdstats as lwd
from lwdstats.dataset.schema import spec_of
from lwdstats.errors import InputError
from lwdstats.mixtures.components import counts_of
from lwdstats.mixtures.spec import GmmSpec
from lwdstats.simulate.gmm.exact.run import run_exact
from lwdstats.simulate.gmm.gaussian.binomial import add_multinomial, binomial
from lwdstats.simulate.gmm.gaussian.overlap import ambiguity, misowned_share, overlap_of
from lwdstats.simulate.gmm.gaussian.owners import normal_nodes, owned, ownership
from lwdstats.simulate.gmm.gaussian.run import run_gaussian
from lwdstats.simulate.gmm.gaussian.step import draws_before
from lwdstats.simulate.gmm.xoshiro import start_stream

INF = float("inf")


def streams(seed):
    states = np.empty((4, 1), np.uint64)
    root = np.random.SeedSequence(seed).generate_state(4, np.uint64)
    start_stream(root, 0, 0, states)
    return states


@numba.njit
def many(draw, size, a, b, states):
    out = np.empty(size)
    for i in range(size):
        out[i] = draw(a, b, states, 0)
    return out


@numba.njit
def many_gaps(size, n_web, single, limit, states):
    out = np.empty(size)
    for i in range(size):
        out[i] = draws_before(n_web, single, limit, states, 0)
    return out


def fits(numbers, law, size):
    """Test counts against probabilities by chi-square, cells of fewer than 5 joined."""
    values = np.arange(size + 1)
    expected = law(values) * numbers.size
    seen = np.bincount(numbers.astype(int), minlength=size + 1)
    small = expected < 5
    expected = np.append(expected[~small], expected[small].sum())
    seen = np.append(seen[~small], seen[small].sum())
    keep = expected > 1e-6 * numbers.size
    assert seen[~keep].sum() <= 1
    if keep.sum() == 1:
        return 1.0
    expected = expected[keep] * seen[keep].sum() / expected[keep].sum()
    return stats.chisquare(seen[keep], expected).pvalue


@pytest.mark.parametrize(
    ("n", "p"), [(1, 0.3), (7, 0.9), (30, 0.5), (40, 0.02), (25, 0.41), (400, 0.95), (3000, 0.004)]
)
def test_binomial_numbers_follow_their_law(n, p):
    numbers = many(binomial, 40_000, float(n), p, streams(n))
    assert fits(numbers, stats.binom(n, p).pmf, n) > 1e-3
    assert many(binomial, 5, float(n), 1.0, streams(1)).tolist() == [n] * 5
    assert many(binomial, 5, float(n), 0.0, streams(1)).tolist() == [0] * 5


@pytest.mark.parametrize("n", [2, 3, 40])
def test_multinomial_counts(n):
    weights = np.array([0.2, 0.0, 0.5, 0.31, 0.0])  # of any sum, as truncation leaves it
    total, states = np.zeros(5), streams(n)
    for _ in range(4000):
        before = total.copy()
        add_multinomial(n, weights, states, 0, total)
        assert (total - before).sum() == n
    assert total[1] == total[4] == 0
    kept = weights > 0
    test = stats.chisquare(total[kept], weights[kept] / weights.sum() * total.sum())
    assert test.pvalue > 1e-3


@pytest.mark.parametrize(
    ("n_web", "single", "limit"), [(60, 4, 60), (60, 4, 25), (9, 7, 9), (500, 1, 100), (8, 8, 8)]
)
def test_gap_before_a_rare_point_is_that_of_a_shuffled_web(n_web, single, limit):
    gaps = many_gaps(40_000, n_web, single, limit, streams(n_web))

    # P(gap > j) = C(N - j - 1, M) / C(N, M): the first j + 1 are of the others.
    def survival(j):
        return stats.hypergeom(n_web, single, j).pmf(0)

    def law(values):
        mass = [survival(j) - survival(j + 1) for j in values]
        mass[limit] = survival(limit)
        return np.array(mass)

    assert fits(gaps, law, limit) > 1e-3
    assert many_gaps(3, n_web, 0, limit, streams(1)).tolist() == [limit] * 3


def algorithm_2(weights, labels, alpha, c, eps, nearest):
    """Read points whose component shows, by lines 3 to 14; `nearest` owns for the lost."""
    weights, fired = np.array(weights, float), 0
    h = 1 - weights.size * c
    for label in labels:
        owner = label if weights[label] > 0 else next(b for b in nearest[label] if weights[b] > 0)
        indicator = np.arange(weights.size) == owner
        weights = weights + alpha * ((indicator - c) / h - weights)
        for b in range(weights.size):
            if weights[b] <= 0:
                fired += 1
                divisor = 1 + eps - weights[b]
                weights = weights / divisor
                weights[b] = eps
    return weights, fired


def outcomes(weights, counts, k, alpha, c, eps, nearest):
    """Return the law of a step as {(weights, fired): probability}, over all orders."""
    law = defaultdict(float)
    n = sum(counts)
    for labels in itertools.product(range(len(counts)), repeat=k):
        left, chance = list(counts), 1.0
        for j, label in enumerate(labels):
            chance *= left[label] / (n - j)
            left[label] -= 1
        if chance > 0:
            after, fired = algorithm_2(weights, labels, alpha, c, eps, nearest)
            law[(*after.round(10) + 0.0, fired)] += chance
    return law


STEPS = {
    "no truncation": ([0.3, 0.3, 0.4], (2, 3, 3), 4, 0.2, 0.02, 1e-3),
    "truncation": ([0.004, 0.3, 0.696], (2, 2, 4), 4, 0.25, 0.05, 1e-3),
    "large epsilon": ([0.02, 0.02, 0.96], (1, 2, 5), 5, 0.3, 0.1, 0.05),
    "lost in the step": ([0.004, 0.3, 0.696], (3, 2, 3), 5, 0.25, 0.05, 0.0),
    "two lost": ([0.004, 0.006, 0.99], (3, 2, 3), 4, 0.1, 0.1, 0.0),
    "alpha of one": ([0.2, 0.3, 0.5], (1, 2, 1), 2, 1.0, 0.01, 1e-3),
    "no complexity": ([0.2, 0.3, 0.5], (0, 2, 3), 3, 0.4, 0.0, 0.0),
    "all that there is": ([0.2, 0.3, 0.5], (2, 2, 2), 6, 0.3, 0.03, 0.01),
}
# Far apart on a line at unequal distances, so that one survivor owns all of a lost component.
PLACES = np.array([0.0, 40.0, 100.0])
NEAREST = [np.abs(PLACES - place).argsort() for place in PLACES]


def one_step(weights, counts, k, alpha, c, eps, n_models, seed, min_count):
    n = sum(counts)
    spec = GmmSpec(
        n_models,
        len(counts),
        means=PLACES[: len(counts)],
        initial_weights=np.array(weights) / np.sum(weights),
        initial_points=np.repeat(PLACES[: len(counts)], counts),
        n_steps=1,
        n_responses=1,
        beta=k / n,
        step_size=alpha,
        complexity=c,
        threshold=eps,
        seed=seed,
    )
    assert spec.n_retrieved[0] == k
    return run_gaussian(spec, 0, min_count)


@pytest.mark.parametrize("name", STEPS)
def test_a_step_read_singly_has_the_law_of_all_orders(name):
    weights, counts, k, alpha, c, eps = STEPS[name]
    law = outcomes(weights, counts, k, alpha, c, eps, NEAREST)
    assert abs(sum(law.values()) - 1) < 1e-12
    n_models = 40_000
    run = one_step(weights, counts, k, alpha, c, eps, n_models, 3, INF)
    assert run.n_singly.tolist() == [n_models]
    seen = defaultdict(int)
    for row, fired in zip(run.weight[1].round(10) + 0.0, run.n_truncated[0], strict=True):
        seen[(*row, int(fired))] += 1
    known = np.array(list(law))
    # To rounding, every outcome is one of those listed.
    counted = np.zeros(len(law))
    for outcome, number in seen.items():
        apart = np.abs(known - outcome).max(1)
        assert apart.min() < 1e-8
        counted[apart.argmin()] += number
    expected = np.array(list(law.values())) * n_models
    large = expected >= 5
    counted = np.append(counted[large], counted[~large].sum())
    expected = np.append(expected[large], expected[~large].sum())
    positive = expected > 0
    if positive.sum() > 1:
        test = stats.chisquare(counted[positive], expected[positive] * n_models / expected.sum())
        assert test.pvalue > 1e-3


def step_moments(weights, counts, k, alpha, c):
    """Return the mean and the covariance of a step: rho pi + (1 - rho) Y, V (diag P - P P')."""
    n = sum(counts)
    p = np.array(counts) / n
    h = 1 - len(counts) * c
    drawn = alpha * (1 - alpha) ** np.arange(k)
    rho, square = (1 - alpha) ** k, (drawn**2).sum()
    v = (square * n / (n - 1) - (1 - rho) ** 2 / (n - 1)) / h**2
    return rho * np.array(weights) + (1 - rho) * (p - c) / h, v * (np.diag(p) - np.outer(p, p))


@given(
    weights=st.tuples(*[st.floats(0.1, 1)] * 3),
    counts=st.tuples(*[st.integers(1, 2)] * 3),
    k=st.integers(1, 4),
    alpha=st.floats(0.01, 0.9),
    c=st.floats(0, 0.3),
)
def test_moments_of_a_step_are_those_of_all_orders(weights, counts, k, alpha, c):
    weights = np.array(weights) / np.sum(weights)
    n, h = sum(counts), 1 - 3 * c
    k = min(k, n)
    first, second = np.zeros(3), np.zeros((3, 3))
    pool = np.repeat(np.arange(3), counts)
    orders = list(itertools.permutations(pool, k))
    for labels in orders:
        x = weights.copy()
        for label in labels:
            x = x + alpha * (((np.arange(3) == label) - c) / h - x)
        first += x / len(orders)
        second += np.outer(x, x) / len(orders)
    mean, covariance = step_moments(weights, counts, k, alpha, c)
    np.testing.assert_allclose(first, mean, rtol=0, atol=1e-12 / h)
    scale = 1e-12 / h**2
    np.testing.assert_allclose(second - np.outer(first, first), covariance, rtol=0, atol=scale)


# The last counts are those of a component that is read singly beside two that are not.
@pytest.mark.parametrize("counts", [(400, 300, 500), (100, 60, 40), (500, 600, 7), (1, 30, 900)])
@pytest.mark.parametrize("min_count", [0.0, 20.0])
def test_moments_of_a_gaussian_step(counts, min_count):
    weights, k, alpha, c = (0.3, 0.3, 0.4), sum(counts) // 2, 2 / sum(counts), 1e-4
    n_models = 20_000
    run = one_step(weights, counts, k, alpha, c, 1e-3, n_models, 5, min_count)
    assert (run.n_singly[0] > 0) == (min_count > 0 and min(counts) < 40)
    assert (run.n_truncated[0] == 0).all()
    mean, covariance = step_moments(weights, counts, k, alpha, c)
    after = run.weight[1]
    np.testing.assert_allclose(after.sum(1), 1, rtol=0, atol=1e-12)
    error = np.sqrt(np.diag(covariance) / n_models)
    assert (np.abs(after.mean(0) - mean) < 4 * error).all()
    apart = after - mean
    products = apart[:, :, None] * apart[:, None]
    error = products.std(0, ddof=1) / np.sqrt(n_models)
    assert (np.abs(products.mean(0) - covariance) < 4 * error).all()
    # Models are independent given the web.
    flat = apart.reshape(-1, 2, 3)
    cross = flat[:, 0, 0] * flat[:, 1, 0]
    assert abs(cross.mean()) < 4 * cross.std(ddof=1) / np.sqrt(cross.size)


def norms(spec, runner):
    weight = np.array([runner(spec, r).weight for r in range(len(spec.replicates))])
    apart = weight - weight.mean(2, keepdims=True)
    return np.sqrt(2 * spec.n_models * (apart**2).sum((2, 3))).T


LAWS = {
    "paper": {"replicates": 600},
    "more posts": {"n_components": 5, "n_responses": 10, "replicates": 400},
    "lost components": {"n_components": 11, "threshold": 0, "replicates": 400},
    "rare components": {"n_components": 11, "replicates": 400},
    "held near zero": {"n_responses": 10, "complexity": 0.2, "replicates": 400},
    "step size": {
        "n_models": 5,
        "n_components": 3,
        "step_size": "0.6/k",
        "beta": 0.8,
        "initial_points": [-10.0] * 7 + [0.0] * 40 + [10.0] * 50,
        "replicates": 400,
    },
}


@pytest.mark.long
@pytest.mark.parametrize("name", LAWS)
def test_law_of_the_norm_is_that_of_the_exact_engine(name):
    arguments = {"n_steps": 60, "record": [2, 5, 20, 60]} | LAWS[name]
    exact = norms(GmmSpec(**arguments, seed=21), run_exact)
    ours = norms(GmmSpec(**arguments, seed=22), run_gaussian)
    for a, b in zip(ours, exact, strict=True):
        test = stats.ks_2samp(a, b, method="asymp")
        assert test.pvalue > 1e-3


def test_lost_components_stay_lost_and_truncation_is_counted():
    arguments = {"n_components": 11, "n_steps": 100, "threshold": 0.0, "replicates": 30}
    ds = lwd.simulate_gmm(**arguments, seed=4, engine="gaussian")
    lost = (ds["weight"] == 0).astype(int)
    assert 0 < float(lost.isel(time=-1).mean()) < 0.6
    assert (lost.diff("time") >= 0).all()
    assert (ds["weight"] >= 0).all()
    np.testing.assert_allclose(ds["weight"].sum("component"), 1, rtol=0, atol=1e-12)
    # Algorithm 2 truncates a lost component at every draw.
    every = lost.sum("component")[:-1] * ds["n_retrieved"][:-1]
    assert (ds["n_truncated"][:-1] >= every).all()
    # Were zeros revived, D^2 would be a ninth of this.
    exact = lwd.simulate_gmm(**arguments, seed=5)
    squares = [(lwd.fnorm(d)[-1] ** 2).values for d in (ds, exact)]
    assert 0.3 < squares[0].mean() / squares[1].mean() < 3


def test_threshold_holds_weights_up():
    for eps in (1e-3, 0.1):
        ds = lwd.simulate_gmm(
            n_components=5, n_steps=80, n_responses=10, complexity=0.1, threshold=eps,
            replicates=5, seed=1, engine="gaussian",
        )  # fmt: skip
        weight = ds["weight"]
        assert (weight > 0).all()
        fired = ds["n_truncated"]
        assert float(fired.sum()) > 0
        assert np.isnan(fired[-1]).all()
        excess = weight.sum("component") - 1
        # A truncation at -x adds at most eps (eps + x), and x is small here.
        so_far = fired.cumsum("time").shift(time=1, fill_value=0)
        assert (excess > -1e-12).all()
        assert (excess <= eps * (eps + 0.1) * so_far + 1e-12).all()


@pytest.mark.parametrize(
    ("weights", "places"),
    [
        ([0.4, 0.0, 0.6], [[-7.0], [0.0], [7.0]]),
        ([0.001, 0.0, 0.999], [[-7.0], [0.0], [7.0]]),
        ([0.3, 0.0, 0.0, 0.7], [[-10.0], [0.0], [5.0], [20.0]]),
        ([0.0, 0.3, 0.2, 0.5], [[0.0, 0.0], [8.0, 0.0], [-4.0, 7.0], [-4.0, -7.0]]),
        ([0.0, 0.2, 0.3, 0.5], [[0.0, 0, 0, 0], [6, 0, 0, 0], [0, 6, 0, 0], [0, 0, 6, 0]]),
    ],
)
def test_points_of_a_lost_component_go_to_their_owners(weights, places):
    weights, places = np.array(weights), np.array(places)
    lost, d = int((weights == 0).argmax()), places.shape[1]
    shares = np.empty(weights.size)
    ownership(lost, weights, places, normal_nodes(d), shares)
    assert abs(shares.sum() - 1) < 1e-12
    points = places[lost] + np.random.default_rng(0).normal(size=(200_000, d))
    logs = -0.5 * ((points[:, None] - places) ** 2).sum(-1)
    with np.errstate(divide="ignore"):
        logs += np.log(weights)
    owners = np.exp(logs - logs.max(1, keepdims=True))
    owners /= owners.sum(1, keepdims=True)
    np.testing.assert_allclose(shares, owners.mean(0), rtol=0, atol=0.01)
    assert (shares[weights == 0] == 0).all()
    # Whole points, all of them, and as many on average.
    counts = np.arange(3.0, 3.0 + weights.size) * 7
    out, spare, sums = np.empty(weights.size), np.empty(weights.size), np.zeros(weights.size)
    for offset in (np.arange(200) + 0.5) / 200:
        owned(weights, counts, places, normal_nodes(d), offset, out, spare)
        assert out.sum() == counts.sum()
        assert (out == np.round(out)).all()
        sums += out / 200
    expected = np.where(weights > 0, counts, 0.0)
    for b in np.flatnonzero(weights == 0):
        ownership(b, weights, places, normal_nodes(d), shares)
        expected += counts[b] * shares
    np.testing.assert_allclose(sums, expected, rtol=0, atol=0.02)


SETTINGS = {
    "paper": {"n_steps": 40},
    "many models": {"n_models": 500, "n_components": 11, "n_steps": 12, "threshold": 0},
    "all arguments": {
        "n_models": 4,
        "n_components": 3,
        "means": [[0, 0], [9, 0], [0, 9]],
        "covariance": [[1, 0.5], [0.5, 1]],
        "n_steps": 30,
        "n_responses": 12,
        "beta": 1 / 3,
        "concentration": [1, 2, 0.5],
        "initial_points": np.random.default_rng(0).normal(size=(6, 10, 2)),
        "step_size": lambda k: 1 / (k + 0.1),
        "complexity": 0.001,
        "threshold": 0.01,
        "record": 5,
        "max_overlap": 0.05,
    },
}


@pytest.mark.parametrize("name", SETTINGS)
def test_specification_and_jobs_give_the_same_bits(name, tmp_path):
    arguments = SETTINGS[name] | {"engine": "gaussian", "seed": 3}
    ds = lwd.simulate_gmm(**arguments, replicates=6)
    assert lwd.validate(ds) is ds
    json.dumps(spec_of(ds), allow_nan=False)
    again = lwd.run_spec(ds)
    xr.testing.assert_equal(again, ds)
    assert {k: v for k, v in again.attrs.items() if k != "created"} == {
        k: v for k, v in ds.attrs.items() if k != "created"
    }
    two = lwd.simulate_gmm(**arguments, replicates=6, n_jobs=2)
    xr.testing.assert_identical(two.drop_attrs(), ds.drop_attrs())
    if "initial_points" not in arguments:
        some = lwd.simulate_gmm(**arguments, replicates=[4, 1])
        part = ds.sel(replicate=[4, 1])
        xr.testing.assert_identical(some.drop_attrs(), part.drop_attrs())
    lwd.write_results(ds, tmp_path / "network.nc")
    read = lwd.read_results(tmp_path / "network.nc")
    xr.testing.assert_identical(read, ds)


def test_recorded_times_are_those_of_the_whole_run():
    arguments = {"n_steps": 40, "seed": 3, "engine": "gaussian"}
    for replicates in (1, 3):
        whole = lwd.simulate_gmm(**arguments, replicates=replicates)
        for record in (1, 7, [0, 3, 39], [40]):
            part = lwd.simulate_gmm(**arguments, replicates=replicates, record=record)
            expected = whole.sel(time=part["time"])
            xr.testing.assert_identical(part.drop_attrs(), expected.drop_attrs())


def test_dataset_says_which_engine_made_it():
    ds = lwd.simulate_gmm(engine="gaussian", seed=1, replicates=2)
    assert ds.attrs["engine"] == "gaussian"
    assert not {"embedding", "synthetic_share", "response"} & set(ds.variables)
    assert ds.attrs["missing_information"] == overlap_of(
        np.array(1.0), np.array([[-5.0], [5.0]]), np.eye(1)
    )
    # Where it is said to be Gaussian no component is rare: k_t at least is large.
    start = ds.attrs["gaussian_from"]
    assert 5 <= start <= 200
    assert (ds["n_retrieved"][start:] >= 40).all()
    assert 0 < ds.attrs["exact_share"] <= start / 199
    # The web has thousands of points of each component after one step.
    large = lwd.simulate_gmm(20_000, n_steps=3, engine="gaussian", seed=1)
    assert (large.attrs["gaussian_from"], large.attrs["exact_share"]) == (0, 0.0)
    alone = lwd.simulate_gmm(n_components=1, n_steps=9, engine="gaussian", seed=1)
    np.testing.assert_allclose(alone["weight"], 1, rtol=0, atol=1e-12)
    assert lwd.simulate_gmm(n_steps=0, engine="gaussian", seed=1).sizes["time"] == 1
    lwd.fnorm(ds)


def test_more_points_than_an_index_can_hold():
    with pytest.raises(InputError, match=r"^n_steps: "):
        GmmSpec(10**6, n_steps=10**4)
    spec = GmmSpec(10**6, n_steps=10**4, engine="gaussian")
    assert spec.n_web[-1] == 3 * 10**10


def test_overlap_is_refused_with_the_number_that_was_seen():
    text = r"^engine: got 'gaussian' with components that overlap: J is 0\.45; takes .* 'exact'$"
    with pytest.raises(InputError, match=text):
        lwd.simulate_gmm(means=[-1, 1], engine="gaussian")
    ds = lwd.simulate_gmm(means=[-1, 1], n_steps=3, engine="gaussian", max_overlap=0.5, seed=1)
    assert ds.attrs["missing_information"] == pytest.approx(0.45, abs=5e-4)
    assert spec_of(ds)["max_overlap"] == 0.5
    lwd.simulate_gmm(means=[-1, 1], n_steps=3)  # the exact engine takes any
    # Near equal weights these are apart; at the mean initial weights they are not.
    means = [-2.6, 2.6]
    lwd.simulate_gmm(means=means, n_steps=3, engine="gaussian", max_overlap=0.05, threshold=0.01)
    with pytest.raises(InputError, match=r"^engine: "):
        lwd.simulate_gmm(means=means, n_steps=3, engine="gaussian", max_overlap=0.05,
                         threshold=0.01, initial_weights=[1e-4, 1 - 1e-4])  # fmt: skip
    with pytest.raises(InputError, match=r"^engine: .*initial_points between"):
        lwd.simulate_gmm(engine="gaussian", initial_points=[-5.0, 5.0, 0.0, 0.1])
    with pytest.raises(InputError, match=r"^engine: .*threshold of 1e-40"):
        lwd.simulate_gmm(engine="gaussian", threshold=1e-40)
    lwd.simulate_gmm(engine="gaussian", threshold=1e-40, n_steps=3, max_overlap=1)
    for value in (-0.1, 1.1, None, "x", float("nan"), True):
        with pytest.raises(InputError, match=r"^max_overlap: "):
            lwd.simulate_gmm(max_overlap=value)


def test_what_a_component_of_little_weight_does_not_own():
    # Two components 4 apart, one at weight .01: of its points, those past the equal densities.
    means, eps = np.array([[0.0], [4.0]]), 0.01
    points = np.random.default_rng(0).normal(size=400_000)
    logs = np.log(eps) - 0.5 * points**2, np.log(1 - eps) - 0.5 * (points - 4) ** 2
    expected = (logs[1] > logs[0]).mean()
    assert misowned_share(eps, means, np.eye(1)) == pytest.approx(expected, abs=0.003)
    # And of a covariance of 4 the same components are 2 apart.
    assert misowned_share(eps, 2 * means, 4 * np.eye(1)) == misowned_share(eps, means, np.eye(1))
    assert misowned_share(eps, 0 * means, np.eye(1)) == 1
    assert misowned_share(0.0, means, np.eye(1)) == 0


def test_points_are_counted_by_their_component():
    means = np.array([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
    points = np.array([[1.0, 1.0], [8.0, 0.0], [0.0, 10.0], [9.0, 1.0]])
    assert counts_of(points, means, np.eye(2)).tolist() == [1, 2, 1]
    assert counts_of(points[:0], means, np.eye(2)).tolist() == [0, 0, 0]
    assert ambiguity(points, means, np.eye(2)) < 1e-6
    assert ambiguity(np.array([[4.5, 0.0]]), means, np.eye(2)) == pytest.approx(0.75, abs=1e-6)
