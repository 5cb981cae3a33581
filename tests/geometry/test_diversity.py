"""Drift, inner diversity, and what answers say: laws, closed forms, other software."""

import itertools
import math

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import ROOT
from scipy.optimize import minimize
from scipy.stats import ortho_group

import lwdstats as lwd
from lwdstats.dataset.as_results import as_results
from lwdstats.geometry import spread
from lwdstats.geometry.diversity import diversity, drift, inner_diversity
from lwdstats.geometry.lexical import distinct_n, read_counts, sentiment_share, words

NETWORK = ROOT / "data" / "bitcoin_network.nc"
SHAPE = (3, 2, 2, 2, 5, 4)  # time, model, replicate, query, response, feature
POSTS = np.random.default_rng(8).normal(size=(6, 4))
seeds = st.integers(0, 10**6)


@pytest.fixture(scope="module")
def network():
    return lwd.read_results(NETWORK)


def answers(seed, scale=1.0):
    return np.random.default_rng(seed).normal(size=SHAPE) * scale


@settings(max_examples=25)
@given(seed=seeds)
def test_invariant_to_rotation_and_to_the_order_of_answers(seed):
    rng = np.random.default_rng(seed)
    turn, move = ortho_group.rvs(4, random_state=rng), rng.normal(size=4)
    x = answers(seed)
    ds = as_results(x, posts=POSTS)
    turned = as_results(x @ turn + move, posts=POSTS @ turn + move)
    shuffled = as_results(x[..., rng.permutation(5), :], posts=POSTS)
    for other in (turned, shuffled):
        for origin, debias in itertools.product(("web", "start"), (False, True)):
            was, now = (drift(d, origin, debias=debias) for d in (ds, other))
            np.testing.assert_allclose(now * abs(now), was * abs(was), rtol=1e-9, atol=1e-12)
        for measure in ("variance", "distance"):
            np.testing.assert_allclose(
                inner_diversity(other, measure), inner_diversity(ds, measure), rtol=1e-10
            )


@given(seed=seeds, factor=st.floats(0.01, 100))
def test_units(seed, factor):
    ds, scaled = (as_results(answers(seed, f), posts=POSTS * f) for f in (1.0, factor))
    np.testing.assert_allclose(drift(scaled), factor * drift(ds), rtol=1e-9)
    np.testing.assert_allclose(
        inner_diversity(scaled, "distance"), factor * inner_diversity(ds, "distance"), rtol=1e-9
    )
    np.testing.assert_allclose(inner_diversity(scaled), factor**2 * inner_diversity(ds), rtol=1e-9)


def test_literal_definitions():
    x = answers(3)
    ds = as_results(x, posts=POSTS)
    centre = POSTS.mean(axis=0)
    for t, i, r in np.ndindex(3, 2, 2):
        web, start, trace, mean = [], [], [], []
        for q in range(2):
            cell = x[t, i, r, q]
            web.append(np.linalg.norm(cell.mean(axis=0) - centre) ** 2)
            start.append(np.linalg.norm(cell.mean(axis=0) - x[0, i, r, q].mean(axis=0)) ** 2)
            trace.append(np.trace(np.cov(cell.T)))
            pairs = itertools.combinations(cell, 2)
            mean.append(np.mean([np.linalg.norm(a - b) for a, b in pairs]))
        at = {"time": t, "model": i, "replicate": r}
        for value, expected in (
            (drift(ds), math.sqrt(np.mean(web))),
            (drift(ds, "start"), math.sqrt(np.mean(start))),
            (inner_diversity(ds), np.mean(trace)),
            (inner_diversity(ds, "distance"), np.mean(mean)),
        ):
            assert float(value.isel(at)) == pytest.approx(expected, rel=1e-12, abs=1e-15)


@given(seed=seeds)
def test_the_noise_floor_is_made_of_inner_diversity(seed):
    ds = as_results(answers(seed))
    n, size = 2, 5
    expected = 2 * (n - 1) / size * inner_diversity(ds).sum("model")
    np.testing.assert_allclose(lwd.noise_floor(ds) ** 2, expected, rtol=1e-10)


def test_equal_answers_have_none():
    x = np.broadcast_to(np.random.default_rng(1).normal(size=(1, 1, 1, 1, 1, 4)), SHAPE)
    ds = as_results(x.astype(np.float32), posts=x[0, 0, 0, 0, :1].astype(np.float32))
    for value in (inner_diversity(ds), inner_diversity(ds, "distance"), drift(ds, "start")):
        assert float(abs(value).max()) == 0.0
    assert float(drift(ds).max()) == pytest.approx(0.0, abs=1e-7)


def test_debiased_squares_are_unbiased():
    # Independent standard normal answers, from points at a known distance.
    rng = np.random.default_rng(5)
    n, size, d = 4000, 3, 2
    x = rng.normal(size=(2, n, size, d))
    x[1, ..., 0] += 0.7
    ds = as_results(x, posts=np.zeros((1, d)))
    for origin, expected in (("web", [0.0, 0.49]), ("start", [0.0, 0.49])):
        value = drift(ds, origin, debias=True)
        square = (value * abs(value)).isel(replicate=0).transpose("time", "model").values
        error = square.std(axis=1, ddof=1) / math.sqrt(n)
        assert (abs(square.mean(axis=1) - expected) <= 4 * error).all()
        plain = (drift(ds, origin) ** 2).isel(replicate=0).mean("model").values
        added = d / size * (1 if origin == "web" else 2)
        assert plain[1] == pytest.approx(0.49 + added, rel=0.1)
    assert float(inner_diversity(ds).mean()) == pytest.approx(d, rel=0.03)
    # E||X - X'|| of two standard normal points in the plane is sqrt(pi).
    assert float(inner_diversity(ds, "distance").mean()) == pytest.approx(
        math.sqrt(math.pi), rel=0.03
    )


def test_origin_of_a_network_of_language_models(network):
    posts = network["post_embedding"].values[0, 0, :20].astype(float)
    x = network["embedding"].values[7, 1, 1, 0].astype(float)
    expected = np.linalg.norm(x.mean(axis=0) - posts.mean(axis=0))
    out = drift(network)
    assert out.dims == ("time", "model", "replicate")
    assert float(out[7, 1, 1]) == pytest.approx(expected, rel=1e-6)
    assert out.attrs == {"long_name": "distance of a model from the initial web", "units": "1"}
    assert inner_diversity(network).dims == out.dims
    # None is left exactly where a model gives one answer over and over.
    same = (network["text"] == network["text"].isel(response=0)).all("response").isel(query=0)
    assert 0 < int(same.sum()) < same.size
    np.testing.assert_array_equal(inner_diversity(network) == 0, same)
    bare = network.drop_vars(["post_embedding"])
    assert drift(bare).attrs["long_name"] == "distance of a model from its own start"
    with pytest.raises(lwd.InputError, match="no initial web"):
        drift(bare, "web")


def mixture(**changes):
    arguments = {"means": [[-2.0, 0.0], [2.0, 1.0]], "covariance": [[1.5, 0.3], [0.3, 0.5]]}
    arguments |= {"n_steps": 3, "n_responses": 400, "seed": 2, "step_size": 0.1}
    return lwd.simulate_gmm(**(arguments | changes))


def test_variance_of_a_mixture():
    ds = mixture()
    exact = inner_diversity(ds)
    # One Gaussian of two dimensions: a closed form of its own.
    w = ds["weight"].values / ds["weight"].values.sum(-1, keepdims=True)
    gap = np.array([4.0, 1.0])
    np.testing.assert_allclose(exact, 2.0 + w[..., 0] * w[..., 1] * (gap @ gap), rtol=1e-12)
    # And what its points show, within 5 standard errors of 400.
    sample = inner_diversity(ds, of="answers")
    assert float(abs(sample / exact - 1).max()) < 5 * math.sqrt(3 / 400)
    bare = ds.drop_vars("embedding")
    xr.testing.assert_equal(inner_diversity(bare), exact)
    with pytest.raises(lwd.InputError, match="no variable embedding"):
        inner_diversity(bare, "distance")
    with pytest.raises(lwd.InputError, match="'variance' of a mixture"):
        inner_diversity(ds, "distance", of="mixture")
    with pytest.raises(lwd.InputError, match="no weights and components"):
        inner_diversity(as_results(answers(1)), of="mixture")


def test_weights_that_move_with_their_components():
    ds = mixture(replicates=2)
    by_time = ds.assign(component_mean=ds["component_mean"].expand_dims(time=ds["time"]).copy())
    by_time["component_mean"][2] *= 3.0
    still = inner_diversity(ds)
    w = ds["weight"][2] / ds["weight"][2].sum("component")
    more = 8 * w.prod("component") * 17.0
    np.testing.assert_allclose(inner_diversity(by_time)[2], still[2] + more, rtol=1e-12)
    xr.testing.assert_allclose(inner_diversity(by_time)[:2], still[:2])
    with_web = by_time.assign(initial_point=(("replicate", "post", "feature"), np.ones((2, 3, 2))))
    with pytest.raises(lwd.InputError, match="components that differ by time"):
        drift(with_web)


def test_drift_of_weights():
    # Far apart, the likeliest weights are the shares of points.
    points = [-5.1, -4.9, -5.3, 5.2]
    ds = lwd.simulate_gmm(initial_points=points, n_steps=4, replicates=2, seed=3)
    away = ds["weight"] - np.array([0.75, 0.25])
    np.testing.assert_allclose(drift(ds), np.sqrt((away**2).sum("component")), rtol=1e-9)
    first = drift(ds, "start")
    assert float(first[0].max()) == 0.0
    expected = np.linalg.norm(ds["weight"].values - ds["weight"].values[0], axis=-1)
    np.testing.assert_allclose(first, expected, rtol=1e-12)
    # Weights are not estimates: there is nothing to take out.
    xr.testing.assert_equal(drift(ds, debias=True), drift(ds))
    assert "start" in drift(lwd.simulate_gmm(n_steps=2, seed=1)).attrs["long_name"]


@given(seed=seeds, n=st.integers(1, 40), b=st.integers(1, 5), apart=st.floats(0.3, 5))
def test_likeliest_weights_are_a_maximum(seed, n, b, apart):
    rng = np.random.default_rng(seed)
    mean = np.arange(b)[:, None] * apart
    x = rng.normal(size=(n, 1)) * 2 + rng.choice(mean[:, 0], size=(n, 1))
    covariance = np.broadcast_to(np.eye(1), (b, 1, 1))
    w = spread.likeliest_weights(x, mean, covariance)
    assert w.sum() == pytest.approx(1.0)
    assert (w >= 0).all()
    f = np.exp(-0.5 * (x - mean.T) ** 2 + 0.5 * ((x - mean.T) ** 2).min(axis=1, keepdims=True))
    # Lindsay's condition: no direction goes up.
    assert (f / (f @ w)[:, None]).mean(axis=0).max() <= 1 + 1e-6


def test_likeliest_weights_against_scipy():
    rng = np.random.default_rng(4)
    mean = np.array([[0.0, 0.0], [1.5, 0.0], [0.0, 2.0]])
    covariance = np.stack([np.eye(2), np.diag([0.5, 2.0]), [[1.0, 0.4], [0.4, 0.8]]])
    x = np.concatenate(
        [rng.multivariate_normal(m, c, 30) for m, c in zip(mean, covariance, strict=True)]
    )
    from scipy.stats import multivariate_normal

    f = np.stack(
        [multivariate_normal.pdf(x, m, c) for m, c in zip(mean, covariance, strict=True)], axis=1
    )
    found = minimize(
        lambda w: -np.log(f @ w).mean(),
        np.full(3, 1 / 3),
        jac=lambda w: -(f / (f @ w)[:, None]).mean(axis=0),
        bounds=[(0, 1)] * 3,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        method="SLSQP",
        options={"ftol": 1e-14},
    )
    np.testing.assert_allclose(spread.likeliest_weights(x, mean, covariance), found.x, atol=1e-5)


def test_bad_input_of_drift_and_diversity():
    ds = as_results(answers(1)[..., :1, :])
    for function in (
        inner_diversity,
        lambda d: inner_diversity(d, "distance"),
        lambda d: drift(d, debias=True),
    ):
        with pytest.raises(lwd.InputError, match="1 response a model"):
            function(ds)
    for call in (
        lambda: drift(ds, "end"),
        lambda: inner_diversity(ds, "sd"),
        lambda: inner_diversity(ds, of="x"),
    ):
        with pytest.raises(lwd.InputError, match="one of"):
            call()


word = st.text("abcde", min_size=1, max_size=3)
texts = st.lists(st.lists(word, max_size=8).map(" ".join), max_size=6)


@given(texts, st.integers(1, 3))
def test_distinct_n_by_its_definition(lines, n):
    grams = [tuple(t.split()[i : i + n]) for t in lines for i in range(len(t.split()) - n + 1)]
    value = distinct_n(lines, n)
    if not grams:
        assert math.isnan(value)
        return
    assert value == len(set(grams)) / len(grams)
    assert 0 < value <= 1
    assert (value == 1) == (len(set(grams)) == len(grams))
    assert distinct_n(lines[::-1], n) == value
    # Said twice, nothing new is said.
    assert distinct_n(lines * 2, n) == value / 2


@given(st.integers(1, 4), st.integers(4, 30))
def test_distinct_n_is_one_where_all_differ(n, size):
    assert distinct_n([" ".join(f"w{i}" for i in range(size))], n) == 1.0


def test_words():
    assert words("Don't PANIC: Straße, 比特币 3.5%!") == [
        "don't",
        "panic",
        "strasse",
        "比特币",
        "3",
        "5",
    ]
    assert words("…") == []


def test_distinct_n_of_a_network(network):
    out = distinct_n(network, 2)
    assert out.dims == ("time", "model", "replicate", "query")
    assert float(out[3, 1, 0, 0]) == distinct_n(network["text"].values[3, 1, 0, 0].tolist(), 2)
    assert out.attrs["units"] == "1"
    with pytest.raises(lwd.InputError, match="no variable text"):
        distinct_n(as_results(answers(1)))
    with pytest.raises(lwd.InputError, match="several texts"):
        distinct_n("one text")
    with pytest.raises(lwd.InputError, match="None at 1"):
        distinct_n(["a", None])
    with pytest.raises(lwd.InputError, match="n: got 0"):
        distinct_n(["a"], 0)


def test_sentiment_of_what_is_read(network):
    out = sentiment_share(network)
    assert out.dims == ("time", "model", "replicate", "query", "sentiment")
    assert out["sentiment"].values[-1] == "unlabelled"
    np.testing.assert_allclose(out.sum("sentiment"), 1.0)
    # Every initial post has a label and no answer has one.
    np.testing.assert_allclose(out.sel(sentiment="unlabelled"), network["synthetic_share"])
    for t, i, r in ((0, 0, 0), (9, 2, 1)):
        rows = network["retrieved"].values[t, i, r, 0]
        labels = network["post_sentiment"].values[r, 0, rows[rows >= 0]]
        for label in ("positive", "neutral", "negative"):
            share = float(out[t, i, r, 0].sel(sentiment=label))
            assert share == pytest.approx(np.mean(labels == label))
    some = sentiment_share(network, labelled_only=True)
    assert set(some["sentiment"].values) == {"positive", "neutral", "negative"}
    np.testing.assert_allclose(some.sum("sentiment"), 1.0)


def test_nothing_read_has_no_shares(network):
    empty = network.isel(time=slice(0, 2)).copy(deep=True)
    empty["retrieved"][0, 1] = -1
    out = sentiment_share(empty)
    assert out[0, 1].isnull().all()
    assert out[1].notnull().all()


@given(seed=seeds)
def test_counts_of_what_is_read(seed):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 3, size=(2, 7))
    rows = rng.integers(-1, 7, size=(3, 2, 5))
    counts = read_counts(rows, codes, 3)
    for t, r, code in np.ndindex(3, 2, 3):
        drawn = [codes[r, row] for row in rows[t, r] if row >= 0]
        assert counts[t, r, code] == drawn.count(code)


def test_sentiment_of_answers(network):
    part = network.isel(time=slice(0, 3))

    def classify(lines):
        assert len(set(lines)) == len(lines)
        return ["long" if len(line) > 60 else "short" for line in lines]

    out = sentiment_share(part, classify)
    assert out["sentiment"].values.tolist() == ["long", "short"]
    assert out.dims == ("time", "model", "replicate", "query", "sentiment")
    cell = part["text"].values[2, 1, 1, 0]
    share = np.mean([len(text) > 60 for text in cell])
    assert float(out[2, 1, 1, 0, 0]) == pytest.approx(share)
    np.testing.assert_allclose(out.sum("sentiment"), 1.0)
    for bad, message in (
        (3, "a callable"),
        (lambda t: ["a"], "1 results for"),
        (lambda t: [None] * len(t), "a label each"),
    ):
        with pytest.raises(lwd.InputError, match=message):
            sentiment_share(part, bad)


def test_sentiment_needs_labels(network):
    with pytest.raises(lwd.InputError, match="no post_sentiment, retrieved"):
        sentiment_share(as_results(answers(1)))
    plain = network.assign(post_sentiment=xr.full_like(network["post_sentiment"], ""))
    with pytest.raises(lwd.InputError, match="posts without labels"):
        sentiment_share(plain)


@given(seed=st.integers(0, 2**16), n=st.integers(1, 4), queries=st.integers(1, 2))
def test_diversity_is_half_the_mean_squared_distance_between_distinct_answers(seed, n, queries):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2, n, 2, queries, 3, 2)) * rng.uniform(0.1, 3, size=(n, 1, 1, 1, 1))
    found = diversity(as_results(x)).transpose("time", "replicate").values
    for t, r in np.ndindex(2, 2):
        total = 0.0
        for i, j, q in itertools.product(range(n), range(n), range(queries)):
            squares = [
                ((x[t, i, r, q, k] - x[t, j, r, q, m]) ** 2).sum()
                for k in range(3)
                for m in range(3)
                if i != j or k != m
            ]
            total += np.mean(squares) / (2 * n**2 * queries)
        assert found[t, r] == pytest.approx(total, rel=1e-9)


def test_diversity_of_indicators_is_that_of_the_weights():
    weights = np.array([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]])
    of_weights = lwd.simulate_gmm(n_models=2, n_components=3, initial_weights=weights, n_steps=0)
    expected = 1 - (weights.mean(axis=0) ** 2).sum()
    assert diversity(of_weights).item() == pytest.approx(expected)
    rng = np.random.default_rng(0)
    # (time, model, replicate, response, feature): each replicate an estimate of its own.
    answers = [np.eye(3)[rng.choice(3, size=(4000, 4), p=row)] for row in weights]
    each = diversity(as_results(np.stack(answers)[None])).values.ravel()
    assert abs(each.mean() - expected) < 4 * each.std() / math.sqrt(each.size)


def test_diversity_needs_two_answers():
    with pytest.raises(lwd.InputError, match="1 response"):
        diversity(as_results(np.zeros((1, 2, 1, 1, 2))))
