"""`Scenario`: its checks, its way through files, and the pure functions of who reads what."""

import json
import tomllib

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lwdstats as lwd
from lwdstats.errors import InputError
from lwdstats.scenario.growth import kept_sizes, read_sizes
from lwdstats.scenario.reading import (
    added_posts,
    on_web,
    readable,
    reading_weights,
    real_reads,
    survivors,
)
from lwdstats.scenario.scenario import Scenario

NAN, INF = float("nan"), float("inf")
NOT_SHARES = [-0.1, 1.1, NAN, INF, True, "x", [0.5], object()]
BAD = {
    "keep": ["some", "random", ("last", 0), ("last", 1.5), ("random", -1), ("last",), 3, None, {}],
    "fresh": [-1, 1.0, 2.5, NAN, INF, True, None, "2", [1]],
    "read_real": [*NOT_SHARES, ("random",), ("random", 2), ("exact", 0.1)],
    "real_weight": NOT_SHARES,
    "n_read": [0, -1, 1.5, True, None, "k", "N +", "2", "sqrt(N) t", [3]],
    "retrieval": ["newest", None, 1],
    "readers": [
        "clique", 3, [[1, 2]], [[1, -1], [1, 1]], [[NAN, 1], [1, 1]], [["a"]], [], ("blocks",),
        ("blocks", 0), ("blocks", 2, 1.0), ("rings", 2), {1: "ring"}, {}, {0: "ring", -1: "star"},
        {0: "clique"}, {"x": "ring"}, [[0, 0], [1, 1]], {"models": [1], "weights": [[1, 1]] * 2},
        nx.empty_graph(3), object(),
    ],
    "frozen": [1.5, True, [0, 0], [0, "0"], [None], [[0]], {"a": 1}, None],
    "silent": [1.5, True, [0, 0], [None], None],
    "anchors": [0.3, (0.3,), (2, [0.5, 0.5]), (0.3, [0.5, 0.6]), (0.3, "a"), (0.3, {"a": ""}),
                (0.3, [[[1.0]]]), "x", (0.3, [[0.5, 0.5], [1.0]])],
    "noise": [-0.1, 1.0, 1, NAN, "x", None, True],
    "posts": ["after", None, 0],
}  # fmt: skip
SOURCES = [3, [], [0.5, 0.6], [-0.5, 1.5], [NAN, 1], [[]], "", [""" """, 1], [[[1.0]]], object()]


BESIDE = {"fresh_from": {"fresh": 1}, "noise_from": {"noise": 0.1}}


def check_refused(field, value):
    with pytest.raises(InputError, match=rf"^{field}: got .*; takes ") as error:
        Scenario(**BESIDE.get(field, {}), **{field: value})
    assert error.value.argument == field
    assert len(str(error.value)) < 500


@pytest.mark.parametrize("field", [*BAD, "fresh_from", "noise_from"])
def test_bad_input_is_one_error_that_names_the_field(field):
    for value in BAD.get(field, SOURCES):
        check_refused(field, value)


@given(
    field=st.sampled_from(["read_real", "real_weight", "noise", "fresh"]),
    value=st.one_of(
        st.floats(max_value=0, exclude_max=True), st.floats(1, exclude_min=True), st.text(),
        st.lists(st.floats(0, 1)),
    ),
)  # fmt: skip
def test_no_share_but_one_in_its_range(field, value):
    check_refused(field, value)


def law_or_not(numbers):
    return len(numbers) and min(numbers) >= 0 and abs(sum(numbers) - 1) <= 1e-8


@given(
    field=st.sampled_from(["fresh_from", "noise_from"]),
    numbers=st.lists(st.floats(-1, 1), max_size=4).filter(lambda some: not law_or_not(some)),
)
def test_no_law_but_shares_that_sum_to_one(field, numbers):
    check_refused(field, numbers)


CONTRADICTIONS = [
    ("read_real", {"keep": "last", "read_real": 0.3}),
    ("read_real", {"keep": ("last", 5), "read_real": ("random", 0.3)}),
    ("real_weight", {"keep": "last", "real_weight": 0.3}),
    ("fresh_from", {"fresh_from": [0.5, 0.5]}),
    ("noise_from", {"noise_from": [0.5, 0.5]}),
    ("noise", {"fresh": 0.5, "noise": 0.5}),
    ("silent", {"frozen": [0, 1], "silent": ["1"]}),
    ("retrieval", {"retrieval": "recent", "readers": [[0.5, 0.5], [1, 1]]}),
    ("read_real", {"read_real": 0.5, "readers": ("blocks", 2, 0.1)}),
    ("scenario", {"keeps": "all"}),
]


@pytest.mark.parametrize(("field", "given"), CONTRADICTIONS)
def test_fields_that_contradict_each_other_are_refused(field, given):
    with pytest.raises(InputError, match=rf"^{field}: got .*; takes "):
        Scenario.from_json(given)


NETWORK = nx.DiGraph([(0, 1), (1, 2), (2, 0), (2, 2)])
WHERE_MODELS_ARE_KNOWN = [
    ("readers", {"readers": [[1, 1], [1, 1]]}),
    ("readers", {"readers": nx.path_graph(4)}),
    ("readers", {"readers": nx.relabel_nodes(NETWORK, {0: "a", 1: "b", 2: "c"})}),
    ("readers", {"readers": [[1, 1, 1], [0, 0, 0], [1, 1, 1]], "frozen": [0]}),
    ("readers", {"readers": ("blocks", 4)}),
    ("readers", {"readers": {0: None, 3: [[1, 1], [1, 1]]}}),
    ("frozen", {"frozen": [3]}),
    ("silent", {"silent": ["a"]}),
    ("read_real", {"read_real": 0.5}),
    ("real_weight", {"real_weight": 0.5}),
    ("keep", {"keep": ("random", 8)}),
    ("fresh", {"fresh": 0.5, "silent": [0, 1, 2]}),
    ("fresh_from", {"fresh": 1, "fresh_from": [0.2, 0.3, 0.5]}),
    ("fresh_from", {"fresh": 1, "fresh_from": [[1.0, 2.0]]}),
    ("fresh_from", {"fresh": 1, "fresh_from": "posts.csv"}),
    ("noise_from", {"noise": 0.1, "noise_from": ["a", "b"]}),
    ("anchors", {"anchors": (0.1, [[0.5, 0.5]] * 2)}),
    ("anchors", {"anchors": (0.1, {"0": "a"})}),
    ("retrieval", {"retrieval": "nearest"}),
    ("n_read", {"n_read": "log(N) - 3"}),
]


@pytest.mark.parametrize(("field", "given"), WHERE_MODELS_ARE_KNOWN)
def test_what_the_models_can_not_do_is_refused_before_any_work(field, given):
    with pytest.raises(InputError, match=rf"^{field}: got .*; takes "):
        lwd.simulate_gmm(n_steps=5, scenario=Scenario(**given), progress=False)


def test_a_web_of_capacity_holds_its_first_posts():
    given = {"scenario": {"keep": ("reservoir", 4)}, "initial_points": [0.0] * 5}
    with pytest.raises(InputError, match=r"^keep: got .* 5 initial posts; takes "):
        lwd.simulate_gmm(n_steps=5, **given)


SCENARIOS = [
    {},
    {"keep": "last", "fresh": 2},
    {"keep": ["random", 50], "fresh": 0.25, "fresh_from": [0.25, 0.75]},
    {"fresh": 1, "fresh_from": [[0.5], [1.5]], "read_real": ["random", 0.5], "n_read": "sqrt(N)"},
    {"fresh": 1, "fresh_from": "posts.csv", "noise": 0.1, "noise_from": ["a", "b"]},
    {"readers": [[0.0, 1.0], [1.0, 0.5]], "frozen": [0], "silent": ["1"]},
    {"readers": {"0": "ring", "7": ["blocks", 2, 0.1], "9": "complete"}},
    {"readers": {"models": ["a", "b"], "weights": [[0.0, 1.0], [1.0, 0.0]]}},
    {"anchors": [0.25, [[0.5, 0.5], [1.0, 0.0]]], "retrieval": "recent", "n_read": 9},
    {"anchors": [0.5, {"a": ["x", "y"], "b": ["z"]}], "posts": "after update"},
    {"real_weight": 0.25, "fresh": 3, "retrieval": "recent as posted"},
]


def as_toml(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{k}" = {as_toml(v)}' for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_toml, value)) + "]"
    return json.dumps(value)


@pytest.mark.parametrize("fields", SCENARIOS)
def test_a_scenario_goes_through_json_and_toml(fields):
    scenario = Scenario(**fields)
    assert Scenario.from_json(json.loads(json.dumps(scenario.to_json()))) == scenario
    text = "\n".join(["[scenario]", *(f"{k} = {as_toml(v)}" for k, v in fields.items())])
    assert Scenario.from_json(tomllib.loads(text)["scenario"]) == scenario
    # Only what is not the paper's is written, and Python's repr makes it again.
    assert scenario.to_json().keys() == fields.keys()
    assert eval(repr(scenario), {"Scenario": Scenario}) == scenario  # noqa: S307
    assert hash(Scenario(**fields)) == hash(scenario)
    assert scenario.is_paper == (not fields)


def test_a_graph_is_its_matrix_in_the_order_of_the_models():
    graph = nx.DiGraph()
    graph.add_weighted_edges_from([("b", "a", 0.5), ("a", "c", 2.0), ("c", "b", 1.0)])
    matrix = Scenario(readers=graph).networks(["a", "b", "c"])[0]
    # A row reads, a column is read.
    np.testing.assert_array_equal(matrix, [[0, 0, 2], [0.5, 0, 0], [0, 1, 0]])
    several = nx.MultiGraph([(0, 1), (0, 1)])
    np.testing.assert_array_equal(Scenario(readers=several).networks([0, 1])[0], [[0, 2], [2, 0]])


def test_named_networks():
    ring = Scenario(readers="ring").networks(range(5))[0]
    np.testing.assert_array_equal(ring, nx.to_numpy_array(nx.cycle_graph(5)) + np.eye(5))
    star = Scenario(readers="star").networks(range(5))[0]
    np.testing.assert_array_equal(star, nx.to_numpy_array(nx.star_graph(4)) + np.eye(5))
    blocks = Scenario(readers=("blocks", 2, 0.2)).networks(range(5))[0]
    np.testing.assert_allclose(blocks.sum(1), 1)
    np.testing.assert_allclose(blocks[:3, :3].sum(1), 0.8)
    apart = Scenario(readers=("blocks", 2)).networks(range(5))[0]
    assert (apart > 0).sum() == 9 + 4
    assert Scenario(readers="complete") == Scenario(readers=None) == Scenario()
    assert Scenario(readers=np.ones((3, 3))).networks(range(3)) == {0: None}


@given(
    fresh=st.one_of(st.integers(0, 5), st.floats(0, 0.45)),
    noise=st.floats(0, 0.45),
    posted=st.integers(1, 30),
    n_steps=st.integers(1, 60),
)
def test_shares_are_those_of_all_that_is_added(fresh, noise, posted, n_steps):
    real, off_topic = added_posts(Scenario(fresh=fresh).fresh, noise, posted, n_steps)
    steps = np.arange(1, n_steps + 1)
    total = posted * steps + np.cumsum(real) + np.cumsum(off_topic)
    # Less than a post of each kind is owed at any time.
    slack = 2 + 1e-6 * total
    if isinstance(fresh, int):
        np.testing.assert_array_equal(real, fresh)
    else:
        assert (np.abs(np.cumsum(real) - fresh * total) < slack).all()
    assert (np.abs(np.cumsum(off_topic) - noise * total) < slack).all()


@given(data=st.data())
def test_sizes_of_the_web_and_of_what_models_may_read_are_those_of_the_log(data):
    keep = data.draw(st.sampled_from(["all", ("last", 1), ("last", 3)]))
    matrix = np.array(data.draw(st.lists(st.lists(st.integers(0, 1), min_size=3, max_size=3),
                                         min_size=3, max_size=3)))  # fmt: skip
    np.fill_diagonal(matrix, 1)
    fields = {"keep": keep, "readers": {0: matrix, 4: "ring"}, "silent": [1], "fresh": 2}
    scenario = Scenario(**fields, noise=data.draw(st.floats(0, 0.4)))
    n_initial = data.draw(st.integers(0, 5))
    args = range(3), 2, n_initial, 6
    log, n_web, n_pool = scenario.log(*args), scenario.n_web(*args), scenario.n_pool(*args)
    for t in range(7):
        there = on_web(scenario.keep, log.time, t)
        assert there.sum() == n_web[t]
        net = matrix if t < 4 else np.ones((3, 3))
        pools = [readable(net[i] * 1.0, log.author[there]).sum() for i in range(3)]
        # A ring of three is complete.
        assert pools == (np.full(3, n_pool[t]) if n_pool.ndim == 1 else n_pool[t]).tolist()


@given(
    weights=st.lists(st.sampled_from([0.0, 0.1, 0.5, 1.0]), min_size=4, max_size=4),
    author=st.lists(st.integers(-1, 3), min_size=1, max_size=20),
)
def test_chances_of_reading_are_a_law_on_what_may_be_read(weights, author):
    row, author = np.array(weights), np.array(author)
    chance = reading_weights(row, author)
    may = readable(row, author)
    assert (chance[~may] == 0).all()
    if may.any():
        assert chance[may].min() > 0
        np.testing.assert_allclose(chance.sum(), 1)
        # Posts without author have their share by number, whatever the weights.
        common = author < 0
        np.testing.assert_allclose(chance[common].sum(), common.sum() / may.sum())


@given(
    k=st.integers(0, 40),
    real=st.integers(0, 40),
    other=st.integers(0, 40),
    share=st.floats(0, 1),
    random=st.booleans(),
)
def test_as_many_real_posts_are_read_as_the_share_says_and_there_are(k, real, other, share, random):
    k = min(k, real + other)
    stream = np.random.default_rng(1)
    many = real_reads(("random", share) if random else share, k, real, other, stream)
    assert 0 <= many <= real
    assert 0 <= k - many <= other
    if not random and k <= min(real, other):
        assert abs(many - share * k) <= 0.5


def test_survivors_of_a_capacity():
    stream = np.random.default_rng(2)
    old, new = survivors(("random", 10), 10, 4, 30, stream)
    assert (len(old), len(new)) == (6, 4)
    assert (np.diff(old) > 0).all()
    assert [len(part) for part in survivors(("reservoir", 10), 5, 4, 5, stream)] == [5, 4]
    # In a reservoir each post ever made is as likely: 4 of 34 are new.
    come = [len(survivors(("reservoir", 10), 10, 4, 30, stream)[1]) for _ in range(4000)]
    assert abs(np.mean(come) - 10 * 4 / 34) < 4 * np.std(come) / np.sqrt(4000)


def test_sizes_that_a_capacity_bounds():
    added = np.full(4, 3)
    assert kept_sizes(("random", 8), 2, added).tolist() == [2, 5, 8, 8, 8]
    assert read_sizes("N/3", 0.5, np.array([0, 9, 10])).tolist() == [0, 3, 3]
    assert read_sizes("2 N", 0.5, np.array([0, 9])).tolist() == [0, 9]
