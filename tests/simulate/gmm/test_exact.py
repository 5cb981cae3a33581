"""The kernels of the Gaussian mixture network, held to slow and literal ones."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from lwdstats.simulate.gmm import xoshiro
from lwdstats.simulate.gmm.exact import kernel as gmm_kernel
from lwdstats.simulate.gmm.exact import update as gmm_update
from lwdstats.streams import seed_sequence

MASK = 2**64 - 1


class Stream:
    """xoshiro256++ and what is drawn with it, in Python's integers."""

    def __init__(self, words):
        self.s = [int(word) for word in words]

    @classmethod
    def of(cls, root, replicate, model):
        words = []
        for j in range(4):
            word = int(root[j]) ^ mix(replicate * 0x9E3779B97F4A7C15 + j + 1)
            words.append(mix(mix(word) ^ mix(model * 0xD1B54A32D192ED03 + j + 1)))
        return cls(words)

    def word(self):
        s = self.s
        rotate = lambda x, k: ((x << k) | (x >> (64 - k))) & MASK  # noqa: E731
        result = (rotate((s[0] + s[3]) & MASK, 23) + s[0]) & MASK
        shifted = (s[1] << 17) & MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= shifted
        s[3] = rotate(s[3], 45)
        return result

    def uniform(self):
        return (self.word() >> 11) * 2.0**-53

    def normals(self):
        while True:
            a = 2 * self.uniform() - 1
            b = 2 * self.uniform() - 1
            if 0 < a * a + b * b < 1:
                scale = math.sqrt(-2 * math.log(a * a + b * b) / (a * a + b * b))
                return a * scale, b * scale

    def sample(self, n, k):
        items, taken = list(range(n)), []
        for j in range(k):
            if j % 2 == 0:
                word = self.word()
            half = word & 0xFFFFFFFF if j % 2 == 0 else word >> 32
            while (half * (n - j)) % 2**32 < 2**32 % (n - j):
                half = self.word() >> 32
            place = j + (half * (n - j) >> 32)
            items[j], items[place] = items[place], items[j]
            taken.append(items[j])
        return taken


def mix(word):
    word &= MASK
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & MASK
    return word ^ (word >> 31)


def algorithm_2(weights, points, densities, alpha, c, eps):
    """Algorithm 2, line by line; returns the weights and how often line 8 held."""
    pi, fired = list(weights), 0
    n_components = len(pi)
    for u in points:
        g = sum(pi[b] * densities[u][b] for b in range(n_components))
        o = [pi[b] * densities[u][b] / g for b in range(n_components)]
        for b in range(n_components):
            pi[b] = (1 - alpha) * pi[b] + alpha * (o[b] - c) / (1 - n_components * c)
        for b in range(n_components):
            if pi[b] <= 0:
                fired += 1
                for other in range(n_components):
                    if other != b:
                        pi[other] = pi[other] / (1 + eps - pi[b])
                pi[b] = eps
    return np.array(pi), fired


def log_densities(web, means, covariance):
    law = stats.multivariate_normal
    logs = [law(mean, covariance).logpdf(web.astype(float)) for mean in means]
    return np.stack([np.atleast_1d(log) for log in logs], axis=1)


def padded(weights):
    n, n_components = weights.shape
    rows = np.ones((n, gmm_update.row_stride(n_components)))
    rows[:, :n_components] = weights
    return rows.reshape(-1)


def read(weights, web, means, covariance, k, alpha, c, eps, seed=0):
    """Run `absorb` once; return the weights, what each model read, and the truncations."""
    n, n_components = weights.shape
    stride = gmm_update.row_stride(n_components)
    factor = np.linalg.cholesky(covariance)
    whiten = np.linalg.inv(factor)
    centres = means @ whiten.T
    rows = np.zeros(len(web) * stride)
    gmm_update.post(web, 0, len(web), whiten, centres, rows)
    states = np.empty((4, n), np.uint64)
    root = np.random.SeedSequence(seed).generate_state(4, np.uint64)
    for i in range(n):
        xoshiro.start_stream(root, 0, i, states)
    lists = np.tile(np.arange(len(web) + 1, dtype=np.int32), (n, 1))
    flat, fired = padded(weights), np.zeros(n)
    halves = np.zeros(n, np.uint64)
    gmm_update.absorb(
        flat, 0, lists, len(web), k, states, halves, rows, alpha, c, eps,
        web, whiten, centres, *gmm_update.row_shape(n_components), fired,
    )  # fmt: skip
    after = flat.reshape(n, stride)
    np.testing.assert_allclose(after[:, n_components:], 1, rtol=0, atol=1e-12)
    return after[:, :n_components], lists[:, :k], fired


def check_against_algorithm_2(weights, web, means, covariance, k, alpha, c, eps, seed=0):
    after, drawn, fired = read(weights, web, means, covariance, k, alpha, c, eps, seed)
    densities = np.exp(log_densities(web, means, covariance))
    for i in range(len(weights)):
        expected, count = algorithm_2(weights[i], drawn[i], densities, alpha, c, eps)
        np.testing.assert_allclose(after[i], expected, rtol=0, atol=1e-12)
        assert fired[i] == count
    return after, fired


@given(
    n=st.integers(1, 7),
    n_components=st.integers(1, 18),
    d=st.integers(1, 3),
    k=st.integers(1, 40),
    eps=st.sampled_from([0.0, 1e-3, 0.2, 1.0]),
    greed=st.floats(0, 1),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=25)
def test_update_is_algorithm_2(n, n_components, d, k, eps, greed, seed):
    # Numbers come from a generator: a round one may put a weight on the edge of truncation,
    # where the last bit decides.
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(n_components, d)) * rng.choice([0.5, 2, 5])
    root = rng.normal(size=(d, d))
    covariance = root @ root.T + np.eye(d)
    owners = rng.integers(n_components, size=k + 5)
    web = (means[owners] + rng.normal(size=(k + 5, d))).astype(np.float32)
    weights = rng.dirichlet(np.ones(n_components), n)
    alpha, c = rng.uniform(0.01, 0.5), greed * rng.uniform(0.1, 0.5) / n_components
    check_against_algorithm_2(weights, web, means, covariance, k, alpha, c, eps, seed)


@pytest.mark.parametrize("eps", [0.0, 1e-3])
@pytest.mark.parametrize("n_components", [2, 11])
def test_truncation_fires_as_in_algorithm_2(n_components, eps):
    # Points of the first component only: the others shrink and cross zero.
    rng = np.random.default_rng(3)
    means = 10.0 * np.arange(n_components)[:, None]
    web = rng.normal(size=(60, 1)).astype(np.float32)
    weights = rng.dirichlet(np.full(n_components, 0.5), 5)
    k = 40
    c = 1 / (2 * n_components)
    after, fired = check_against_algorithm_2(weights, web, means, np.eye(1), k, 1 / k, c, eps)
    assert fired.sum() > 0
    if eps == 0:
        assert (after[:, 1:] == 0).any()
        np.testing.assert_allclose(after.sum(axis=1), 1, rtol=0, atol=1e-12)


def test_a_model_does_not_depend_on_those_it_takes_turns_with():
    rng = np.random.default_rng(0)
    for n_components in (2, 7):
        means = 3.0 * np.arange(n_components)[:, None]
        web = rng.choice(means[:, 0], (50, 1)).astype(np.float32)
        weights = rng.dirichlet(np.ones(n_components), 5)
        together = read(weights, web, means, np.eye(1), 30, 1 / 30, 0.01, 1e-3)
        for n in (1, 2, 4):
            fewer = read(weights[:n], web, means, np.eye(1), 30, 1 / 30, 0.01, 1e-3)
            for some, all_of_it in zip(fewer, together, strict=True):
                np.testing.assert_array_equal(some, all_of_it[:n])


def test_alpha_of_one_forgets():
    means, web = np.array([[-5.0], [5.0]]), np.array([[4.0]], np.float32)
    after, _, _ = read(np.array([[0.9, 0.1]]), web, means, np.eye(1), 1, 1.0, 0.0, 1e-3)
    odds = 9 * np.exp(-0.5 * (9.0**2 - 1.0**2))
    np.testing.assert_allclose(after, [[odds / (1 + odds), 1 / (1 + odds)]], rtol=1e-12)


@pytest.mark.parametrize("n_components", [2, 3, 5])
def test_a_point_that_no_survivor_could_have_drawn(n_components):
    # The point belongs to component 0, which is absorbed; the density of the others there is 0 in
    # floating point. The posterior over the survivors still exists.
    means = np.concatenate([[0.0], 200.0 + 0.01 * np.arange(n_components - 1)])[:, None]
    web = np.array([[0.1]], np.float32)
    weights = np.concatenate([[0.0], np.full(n_components - 1, 1 / (n_components - 1))])
    alpha, c = 0.25, 0.1 / n_components
    after, _, fired = read(weights[None], web, means, np.eye(1), 1, alpha, c, 0.0)
    logs = log_densities(web, means, np.eye(1))[0]
    owned = special.softmax(logs[1:] + np.log(weights[1:]))
    expected = (1 - alpha) * weights + alpha * (np.append(0, owned) - c) / (1 - n_components * c)
    expected[1:] /= 1 - expected[0]
    expected[0] = 0
    np.testing.assert_allclose(after[0], expected, rtol=1e-10)
    assert fired[0] == 1


def test_a_faint_density_joins_the_ordinary_one():
    # Weights far below FAINT and just above it give what logarithms give.
    means, web = np.array([[-5.0], [5.0]]), np.array([[5.0]], np.float32)
    for weight in (1e-150, 1e-199, 1e-201, 1e-300):
        weights = np.array([[1.0, weight]])
        after, _, _ = read(weights, web, means, np.eye(1), 1, 0.5, 0.1, 1e-3)
        logs = np.log(weights[0]) + log_densities(web, means, np.eye(1))[0]
        expected = 0.5 * weights[0] + 0.5 * (special.softmax(logs) - 0.1) / 0.8
        assert expected[1] < 0
        np.testing.assert_allclose(after[0, 1], 1e-3)
        np.testing.assert_allclose(after[0, 0], expected[0] / (1 + 1e-3 - expected[1]), rtol=1e-12)


def test_posts_hold_relative_likelihoods():
    rng = np.random.default_rng(0)
    means, root = rng.normal(size=(5, 3)) * 3, rng.normal(size=(3, 3))
    covariance = root @ root.T + np.eye(3)
    web = rng.normal(size=(20, 3)).astype(np.float32)
    whiten = np.linalg.inv(np.linalg.cholesky(covariance))
    rows = np.zeros(20 * 8)
    gmm_update.post(web, 0, 20, whiten, means @ whiten.T, rows)
    logs = log_densities(web, means, covariance)
    expected = np.exp(logs - logs.max(axis=1, keepdims=True))
    rows = rows.reshape(20, 8)
    np.testing.assert_allclose(rows[:, :5], expected, rtol=1e-11)
    assert (rows[:, 5:] == 0).all()


def test_generator_is_xoshiro256plusplus():
    # The first numbers from the state 1, 2, 3, 4, as published with the Rust crate rand_xoshiro.
    states = np.array([[1], [2], [3], [4]], np.uint64)
    words = [int(xoshiro.next_word(states, 0)) for _ in range(5)]
    assert words == [
        41943041,
        58720359,
        3588806011781223,
        3591011842654386,
        9228616714210784205,
    ]
    reference = Stream([1, 2, 3, 4])
    assert words == [reference.word() for _ in range(5)]


def test_streams_are_told_apart():
    root = np.arange(1, 5, dtype=np.uint64)
    states = np.empty((4, 50), np.uint64)
    seen = set()
    for replicate in (*range(50), 2**63 - 1):
        for model in range(50):
            xoshiro.start_stream(root, replicate, model, states)
        seen.update(map(tuple, states.T.tolist()))
    assert len(seen) == 51 * 50
    assert Stream.of(root, 2**63 - 1, 49).s == states[:, 49].tolist()


@given(span=st.integers(1, 2**31 - 1), seed=st.integers(0, 2**32))
def test_settled_numbers_are_exactly_uniform(span, seed):
    # Of the 2^32 halves, each number below span is kept for as many as any other.
    excess = 2**32 % span
    rng = np.random.default_rng(seed)
    halves = [int(h) for h in rng.integers(0, 2**32, 5)]
    halves += [math.ceil(v * 2**32 / span) for v in (1 % span, span // 2, span - 1)]
    for half in halves:
        states = np.array([[1], [2], [3], [4]], np.uint64)
        product = half * span
        settled = int(xoshiro.settle(np.uint64(span), np.uint64(product), states, 0))
        if product % 2**32 >= excess:
            assert settled == product
        assert settled % 2**32 >= excess
        assert settled >> 32 < span


def test_reading_is_uniform_without_replacement_in_order():
    # Five points, three read: 60 equally likely orders, counted over models.
    n = 12_000
    web = np.zeros((5, 1), np.float32)
    weights = np.full((n, 2), 0.5)
    _, drawn, _ = read(weights, web, np.array([[-1.0], [1.0]]), np.eye(1), 3, 0.1, 0.0, 0.0)
    orders = {order: i for i, order in enumerate(itertools.permutations(range(5), 3))}
    counts = np.bincount([orders[tuple(row)] for row in drawn.tolist()], minlength=60)
    assert stats.chisquare(counts).pvalue > 1e-3


def test_reading_all_is_a_permutation():
    web = np.zeros((9, 1), np.float32)
    _, drawn, _ = read(np.full((4, 2), 0.5), web, np.zeros((2, 1)), np.eye(1), 9, 0.1, 0.0, 0.0)
    assert (np.sort(drawn, axis=1) == np.arange(9)).all()


@given(n=st.integers(1, 200), share=st.floats(0, 1), seed=st.integers(0, 2**32))
def test_restored_list_is_in_order(n, share, seed):
    k = round(share * n)
    rng = np.random.default_rng(seed)
    items = np.arange(n + 1, dtype=np.int32)
    for j in range(k):
        place = rng.integers(j, n)
        items[j], items[place] = items[place], items[j]
    xoshiro.restore_order(items, n, k)
    assert (items == np.arange(n + 1)).all()


def test_emitted_points_follow_the_mixture():
    means = np.array([[-40.0, 0.0], [0.0, 40.0], [40.0, 0.0]])
    covariance = np.array([[2.0, 0.6], [0.6, 0.5]])
    factor = np.linalg.cholesky(covariance)
    # Weights that sum to more than 1, one of them zero.
    weights = np.array([0.0, 0.3, 0.9])
    states = np.array([[1], [2], [3], [4]], np.uint64)
    points = np.empty((40_000, 2), np.float32)
    gmm_kernel.emit(weights, means, factor, states, 0, points)
    owner = ((points[:, None] - means) ** 2).sum(-1).argmin(1)
    counts = np.bincount(owner, minlength=3)
    assert counts[0] == 0
    assert stats.chisquare(counts[1:], 40_000 * weights[1:] / weights.sum()).pvalue > 1e-3
    white = np.linalg.solve(factor, (points - means[owner]).astype(float).T)
    for coordinate in white:
        assert stats.kstest(coordinate, "norm").pvalue > 1e-3
    # Two correlations and the dependence of the squares, all zero under independence.
    for a, b in ((white[0], white[1]), (white[0] ** 2, white[1] ** 2)):
        assert abs(np.corrcoef(a, b)[0, 1]) < 4 / np.sqrt(40_000)


def algorithm_3(weights, web, n_initial, means, covariance, n_responses, rules, eps, roots, r):
    """Algorithm 3, line by line, on the kernel's streams.

    The points that the models draw are returned for comparison, and those of
    `web` are read: a last bit of a logarithm may differ between libraries.
    """
    n, n_components = weights.shape
    d = means.shape[1]
    factor = np.linalg.cholesky(covariance)
    emission = [Stream.of(roots[0], r, i) for i in range(n)]
    retrieval = [Stream.of(roots[1], r, i) for i in range(n)]
    densities = np.exp(log_densities(web, means, covariance))
    drawn, history, fired, now = [], [weights], [], n_initial
    for k, alpha, c in (*rules, (None, None, None)):
        for i in range(n):
            for _ in range(n_responses):
                target = emission[i].uniform() * weights[i].sum()
                b = min(np.searchsorted(np.cumsum(weights[i]), target, "right"), n_components - 1)
                normals = np.ravel([emission[i].normals() for _ in range((d + 1) // 2)])
                drawn.append(means[b] + factor @ normals[:d])
        if k is None:
            break
        after, counts = weights.copy(), np.zeros(n)
        for i in range(n if k else 0):
            points = retrieval[i].sample(now, k)
            after[i], counts[i] = algorithm_2(weights[i], points, densities, alpha, c, eps)
        weights = after
        history.append(weights)
        fired.append(counts)
        now += n * n_responses
    return np.array(history), np.array(drawn), np.array(fired)


@pytest.mark.parametrize(
    ("n", "n_components", "d", "n_initial"),
    [(3, 2, 1, 0), (8, 5, 2, 7), (1, 11, 3, 4), (14, 17, 1, 0)],
)
def test_replicate_is_algorithm_3(n, n_components, d, n_initial):
    rng = np.random.default_rng(n)
    n_steps, n_responses, replicate = 12, 2, 5
    means = rng.normal(size=(n_components, d)) * 6
    covariance = np.eye(d) + 0.3
    weights = rng.dirichlet(np.ones(n_components), n)
    initial = rng.normal(size=(n_initial, d)).astype(np.float32) * 6
    k = (n_initial + n * n_responses * np.arange(n_steps)) * 2 // 3
    with np.errstate(divide="ignore"):
        alpha, c = 1 / (k + 1), 1 / (k * n_components**2)
    c[k == 1] = 0.0
    roots = [
        seed_sequence(7, purpose).generate_state(4, np.uint64)
        for purpose in ("emission", "retrieval")
    ]
    factor = np.linalg.cholesky(covariance)
    slot = np.arange(n_steps + 1)
    stride = gmm_update.row_stride(n_components)
    state = gmm_kernel.start(weights, initial, (n_steps + 1) * n * n_responses, stride)
    kept, fired, _ = gmm_kernel.run_replicate(
        state, 0, n_steps + 1, n_initial, means, factor, np.linalg.inv(factor), n_responses, k,
        alpha, c, 1e-3, slot, stride, *gmm_update.row_shape(n_components), *roots, replicate,
    )  # fmt: skip
    rules = list(zip(k, alpha, c, strict=True))
    weight, drawn, expected = algorithm_3(
        weights, state.web, n_initial, means, covariance, n_responses, rules, 1e-3,
        roots, replicate,
    )  # fmt: skip
    np.testing.assert_array_equal(state.web[:n_initial], initial)
    np.testing.assert_allclose(state.web[n_initial:], drawn, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(kept, weight, rtol=0, atol=1e-12)
    assert (fired[:-1] == expected).all()
    assert np.isnan(fired[-1]).all()
