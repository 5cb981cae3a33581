"""Networks of language models in every scenario, held to a rule of the web written here."""

import itertools
import json
import re
from collections import Counter

import numpy as np
import pytest
from fakes import Hasher, Writer
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import lwdstats as lwd
from lwdstats.cli.main import app
from lwdstats.simulate.llm.plan.plan import plan
from lwdstats.simulate.llm.replay import prompt_of
from lwdstats.simulate.llm.storing.journal import RunStoppedError
from lwdstats.simulate.models.backends import BACKENDS
from lwdstats.simulate.models.protocol import Backend, Prompt
from lwdstats.streams import generator

POSTS = ["Bitcoin is up.", "Gold is down.", "Taxes are certain.", "Banks are closed.", "Hope."]
LABELS = ["a", "b", "c", "d"]
POOL = [f"Fresh post {i}." for i in range(40)]
OFF = [f"Off topic {i}." for i in range(30)]
ARGUMENTS = {"n_steps": 6, "n_responses": 2, "replicates": 2, "seed": 5, "query": ["Up?", "Down?"]}
FRESH = {"fresh": 2, "fresh_from": POOL}
WEIGHTS = [[0.5, 0.5, 0, 0], [0, 0.2, 0.8, 0], [1, 1, 1, 1], [0, 0, 0, 1]]
ANCHORS = {"a": ["A1.", "A2.", "A3."], "c": ["C1."]}
RING = [[1, 1, 0, 1], [1, 1, 1, 0], [0, 1, 1, 1], [1, 0, 1, 1]]

# A scenario, and who reads whom from when on, None for all.
CASES = {
    "last": ({"keep": "last", **FRESH}, None),
    "two steps": ({"keep": ("last", 2)}, None),
    "random": ({"keep": ("random", 9), "fresh": 0.3, "fresh_from": POOL}, None),
    "reservoir": ({"keep": ("reservoir", 7), "noise": 0.2, "noise_from": OFF}, None),
    "reservoir on a ring": ({"keep": ("reservoir", 6), "readers": "ring"}, {0: RING}),
    "stratified": ({**FRESH, "read_real": 0.7, "n_read": 5}, None),
    "real at random": ({**FRESH, "read_real": ("random", 0.5), "n_read": 5}, None),
    "real and recent": ({**FRESH, "read_real": 0.5, "retrieval": "recent as posted"}, None),
    "real and nearest": ({**FRESH, "read_real": 0.5, "retrieval": "nearest"}, None),
    "recent": ({"retrieval": "recent", "n_read": 4}, None),
    "as posted": ({"retrieval": "recent as posted", "n_read": "sqrt(N) + 1"}, None),
    "nearest on a star": ({"retrieval": "nearest", "readers": "star"}, "star"),
    "ring": ({"readers": "ring", **FRESH}, {0: RING}),
    "weights": ({"readers": WEIGHTS, "n_read": 6}, {0: WEIGHTS}),
    "a change": ({"readers": {0: "ring", 3: None}, "keep": ("last", 3)}, {0: RING, 3: None}),
    "frozen and silent": ({"frozen": ["b"], "silent": ["d"]}, None),
    "anchors": ({"anchors": (0.4, ANCHORS), "posts": "after update"}, None),
    "all": (
        {
            "keep": ("random", 12), "fresh": 1, "fresh_from": POOL, "noise": 0.15,
            "noise_from": OFF, "readers": "ring", "frozen": ["b"], "silent": ["c"], "n_read": 5,
            "anchors": (0.3, ANCHORS), "read_real": ("random", 0.4), "posts": "after update",
        },
        {0: RING},
    ),
}  # fmt: skip


def run(scenario, models=None, posts=POSTS, embedder=None, **changes):
    models = models or {label: Writer(label) for label in LABELS}
    arguments = ARGUMENTS | {"scenario": scenario} | changes
    return lwd.simulate_llm(models, posts, embedder=embedder or Hasher(), **arguments)


@pytest.fixture(scope="module", params=CASES)
def case(request):
    scenario, readers = CASES[request.param]
    models = {label: Writer(label) for label in LABELS}
    return scenario, readers, models, run(scenario, models)


def column(ds, name, place):
    if name in ds:
        return ds[name].values[place]
    # Where the web is the paper's, all stays, and a post without author is real.
    model = ds["post_model"].values[place]
    return np.full(model.size, -1) if name == "post_left" else (model < 0).astype(int)


def kept(keep, time, kind, left, t):
    """A^(t) by its rule, where no chance is in it; with chance, by the marks and their count."""
    posts = [j for j in range(len(time)) if kind[j] != 3 and time[j] < t]
    marked = [j for j in posts if left[j] == -1 or t < left[j]]
    if keep == "all":
        assert marked == posts
    elif keep[0] == "last" or keep == "last":
        m = 1 if keep == "last" else keep[1]
        assert marked == [j for j in posts if t - m <= time[j]]
    else:
        assert len(marked) == min(len(posts), keep[1])
        if keep[0] == "random":
            assert {j for j in posts if time[j] == t - 1} <= set(marked)
    return marked


def how_many(scenario, n):
    rule = scenario.get("n_read", "beta")
    if rule == "beta":
        return n // 2
    return min(rule, n) if isinstance(rule, int) else min(int(n**0.5 + 1), n) if n else 0


def open_to(readers, t, i, author, web):
    if readers is None:
        return web
    if readers == "star":
        return [j for j in web if author[j] < 0 or 0 in (i, author[j]) or author[j] == i]
    rows = readers[max(s for s in readers if s <= t)]
    return web if rows is None else [j for j in web if author[j] < 0 or rows[i][author[j]] > 0]


def test_every_row_read_was_open_to_its_reader(case):
    scenario, readers, _, ds = case
    frozen, anchors = scenario.get("frozen", []), scenario.get("anchors", (0, {}))
    n_steps, n = ARGUMENTS["n_steps"], len(LABELS)
    read = (ds["retrieved"] >= 0).sum("draw")
    assert (read == ds["n_retrieved"]).all()
    for r, q in itertools.product(range(2), range(2)):
        time, author, kind, left = (
            column(ds, f"post_{name}", (r, q)) for name in ("time", "model", "kind", "left")
        )
        assert (np.diff(time) >= 0).all()
        for t in range(n_steps + 1):
            web = kept(scenario.get("keep", "all"), time, kind, left, t)
            assert len(web) == ds["n_web"].values[t]
            for i in range(n):
                rows = ds["retrieved"].values[t, i, r, q]
                rows = rows[rows >= 0].tolist()
                may = open_to(readers, t, i, author, web)
                k = 0 if LABELS[i] in frozen else how_many(scenario, len(may))
                assert len(rows) == k
                own = [j for j in rows if kind[j] == 3]
                assert set(rows) - set(own) <= set(may)
                assert all(author[j] == i for j in own)
                if scenario.get("readers") is not WEIGHTS:
                    assert len(set(rows)) == k
                assert len(own) <= len(anchors[1].get(LABELS[i], []))
                share = ds["synthetic_share"].values[t, i, r, q]
                assert k == 0 or share == np.mean([kind[j] == 0 for j in rows])
                rest = [j for j in rows if kind[j] != 3]
                real, there = (sum(kind[j] == 1 for j in some) for some in (rest, may))
                if isinstance(scenario.get("read_real"), float):
                    wanted = int(scenario["read_real"] * len(rest) + 0.5)
                    assert real == min(max(wanted, len(rest) - (len(may) - there)), there)
                if scenario.get("retrieval", "uniform").startswith("recent") and real == 0:
                    assert sorted(rest) == may[len(may) - k :]
                if scenario.get("retrieval") == "recent as posted":
                    assert rest == sorted(rest)
                if scenario.get("retrieval") == "nearest":
                    (query,) = Hasher().embed([ARGUMENTS["query"][q]])
                    vectors = ds["post_embedding"].values[r, q].astype(float)
                    away = ((vectors - query) ** 2).sum(1)
                    assert rest == sorted(rest, key=lambda j: (away[j], j))
                    if "read_real" not in scenario:
                        assert rest == sorted(may, key=lambda j: (away[j], j))[:k]


def test_prompts_rebuilt_are_those_that_were_seen(case):
    scenario, _, models, ds = case
    for label, model in models.items():
        rebuilt = [
            prompt_of(ds, t, label, replicate=r, query=q)
            for t in range(ARGUMENTS["n_steps"] + 1)
            for r, q in itertools.product(range(2), range(2))
        ]
        assert Counter(rebuilt) == Counter(model.prompts)
        if label in scenario.get("frozen", []):
            assert not any(prompt.posts for prompt in model.prompts)


def test_a_step_adds_what_the_scenario_says(case):
    scenario, _, _, ds = case
    silent = scenario.get("silent", [])
    posting = [i for i, label in enumerate(LABELS) if label not in silent]
    for r, q in itertools.product(range(2), range(2)):
        time, author, kind = (
            column(ds, f"post_{name}", (r, q)) for name in ("time", "model", "kind")
        )
        text, said = ds["post_text"].values[r, q], ds["post_response"].values[r, q]
        first = [text[j] for j in range(len(time)) if time[j] == -1 and kind[j] == 1]
        assert first == POSTS
        owned = [(LABELS[author[j]], text[j]) for j in range(len(time)) if kind[j] == 3]
        own = scenario.get("anchors", (0, {}))[1]
        assert owned == [(label, some) for label in own for some in own[label]]
        for t in range(ARGUMENTS["n_steps"]):
            rows = np.flatnonzero(time == t)
            assert author[rows][kind[rows] == 0].tolist() == posting
            for j in rows[kind[rows] == 0]:
                assert text[j] == ds["text"].values[t, author[j], r, q, said[j]]
            if isinstance(scenario.get("fresh", 0), int):
                assert (kind[rows] == 1).sum() == scenario.get("fresh", 0)
            assert (author[rows][kind[rows] > 0] == -1).all()
        for number, pool in ((1, POOL), (2, OFF)):
            taken = [text[j] for j in range(len(time)) if kind[j] == number and time[j] >= 0]
            assert len(set(taken)) == len(taken)
            assert set(taken) <= set(pool)


def test_webs_differ_and_a_file_holds_them(case, tmp_path):
    scenario, _, _, ds = case
    if scenario.get("fresh"):
        orders = {tuple(ds["post_text"].values[r, q]) for r in range(2) for q in range(2)}
        assert len(orders) == 4
    if "post_kind" in ds:
        assert ds["post_kind"].attrs["flag_meanings"] == "model real noise anchor"
        assert ((ds["post_kind"] == 1) == ds["post_real"]).all()
    path = lwd.write_results(ds, tmp_path / "llm.nc")
    assert lwd.read_results(path).identical(ds)
    assert "Web" in str(lwd.summary(ds))


@pytest.mark.parametrize(
    ("name", "web"),
    [
        ("random", "lance"),
        ("reservoir on a ring", "memory"),
        ("weights", "memory"),
        ("all", "lance"),
    ],
)
def test_a_run_that_was_killed_goes_on_to_the_same(name, web, tmp_path):
    scenario, _ = CASES[name]
    shorter = {"n_steps": 4, "query": "Up?"}
    whole = run(scenario, **shorter)
    store = tmp_path / "run"
    for stop in (1, 7):
        # Of ten calls; the second start has made one already.
        broken = {label: Writer(label) for label in LABELS}
        broken["d"] = Writer("d", fail_at=stop, error=RuntimeError("gone"))
        with pytest.raises(RunStoppedError, match="gone"):
            run(scenario, broken, store=store, web=web, **shorter)
    part = lwd.read_results(store)
    assert part.attrs["unfinished"].startswith("t = 0..3 of 4")
    for name in ("text", "n_web", "synthetic_share"):
        np.testing.assert_array_equal(part[name], whole[name].sel(time=slice(0, 3)))
    n, k = part.sizes["post"], part.sizes["draw"]
    np.testing.assert_array_equal(part["post_text"], whole["post_text"][..., :n])
    np.testing.assert_array_equal(part["retrieved"], whole["retrieved"][:4, ..., :k])
    ds = run(scenario, store=store, web=web, **shorter)
    assert ds.assign_attrs(created=whole.attrs["created"]).identical(whole)
    spec = json.loads(whole.attrs["spec"])
    again = lwd.run_spec(spec, models={x: Writer(x) for x in LABELS}, embedder=Hasher())
    assert again.assign_attrs(created=whole.attrs["created"]).identical(whole)


def test_a_replicate_is_the_same_alone():
    scenario, _ = CASES["all"]
    both, alone = run(scenario), run(scenario, replicates=[1])
    for name in ("text", "retrieved", "post_text", "post_left"):
        np.testing.assert_array_equal(alone[name].values, both[name].sel(replicate=[1]).values)


def test_the_paper_draws_as_it_did_before_scenarios():
    ds = run(None)
    assert ds.equals(run(lwd.Scenario()))
    assert not {"post_left", "post_kind", "post_real"} & set(ds.data_vars)
    assert "n_empty_pools" not in ds.attrs
    for t, i, r, q in itertools.product(range(7), range(4), range(2), range(2)):
        n = len(POSTS) + len(LABELS) * t
        rows = generator(ARGUMENTS["seed"], "retrieval", r, i, t, q).choice(
            n, n // 2, replace=False
        )
        np.testing.assert_array_equal(ds["retrieved"].values[t, i, r, q, : n // 2], rows)


def test_after_update_is_the_same_run():
    one, other = (run({**FRESH, "posts": when}) for when in ("before update", "after update"))
    assert one.drop_attrs().identical(other.drop_attrs())


def test_the_old_argument_moves_into_the_scenario():
    new, old = run({"retrieval": "nearest"}), run(None, retrieval="nearest")
    assert old.assign_attrs(created=new.attrs["created"]).identical(new)
    assert json.loads(new.attrs["spec"])["scenario"] == {"retrieval": "nearest"}
    assert run({"retrieval": "nearest"}, retrieval="nearest").equals(new)
    with pytest.raises(lwd.InputError, match=r"^retrieval: got 'uniform' beside a scenario"):
        run({"retrieval": "nearest"}, retrieval="uniform")
    # What a run of before has recorded.
    spec = json.loads(new.attrs["spec"])
    del spec["scenario"]
    models = {label: Writer(label) for label in LABELS}
    again = lwd.run_spec(spec | {"retrieval": "nearest"}, models=models, embedder=Hasher())
    assert again.equals(new)


def test_an_empty_pool_is_counted():
    ds = run({"readers": [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]}, posts=[])
    # Nobody has posted before the first step: 4 models, 2 replicates, 2 queries.
    assert ds.attrs["n_empty_pools"] == 16
    assert (ds["text"] != "").all()


def test_a_bot_says_its_text():
    models = {"a": Writer("a"), "bot": "text:Buy Bitcoin now. Really."}
    ds = lwd.simulate_llm(models, POSTS, embedder=Hasher(), scenario={"frozen": "bot"}, **ARGUMENTS)
    assert (ds["text"].sel(model="bot") == "Buy Bitcoin now.").all()
    assert ds["n_retrieved"].sel(model="bot").values.tolist() == [0] * 7
    told = plan(ds, models=models, price_in=1, price_out=1)
    assert told.models.set_index("model").loc["bot", ["prompt_tokens", "answer_tokens"]].sum() == 0
    assert "server" not in str(told)
    with pytest.raises(lwd.InputError, match=r"^models: got 'text: '; takes a text"):
        lwd.simulate_llm({"bot": "text: "}, POSTS, embedder=Hasher())
    with pytest.raises(lwd.InputError, match=r"^embedder: got 'text:x'"):
        lwd.simulate_llm([Writer("a")], POSTS, embedder="text:x")


class Words(Writer):
    """Counts a token a word, and says eight of them and a bullet's two."""

    def __init__(self, name, context_length=None):
        super().__init__(
            name, say=lambda prompt, seed, row: f"one two three four five w{row} {seed}."
        )
        self.context_length = context_length


@pytest.mark.parametrize("name", [name for name in CASES if name != "nearest on a star"])
def test_a_plan_expects_what_is_read(name):
    scenario, _ = CASES[name]
    models = {label: Words(label) for label in LABELS}
    arguments = ARGUMENTS | {"posts": POSTS, "scenario": scenario, "max_new_tokens": 7}
    told = plan(models=models, **arguments)
    ds = lwd.simulate_llm(models, embedder=Hasher(), cut=None, **arguments)
    read = (ds["retrieved"] >= 0).sum("draw").mean(["replicate", "query"])
    np.testing.assert_allclose(told.reads, read.values)
    # LINE allows 3 tokens a line of an answer, where this counter has one for the bullet.
    synthetic = (ds["synthetic_share"].fillna(0) * (ds["retrieved"] >= 0).sum("draw")).sum()
    empty = sum(not prompt.posts for model in models.values() for prompt in model.prompts)
    seen = sum(model.count_tokens(prompt) for model in models.values() for prompt in model.prompts)
    heading = (
        models["a"].count_tokens(Prompt(("x",), "Up?"))
        - models["a"].count_tokens(Prompt((), "Up?"))
        - 2
    )
    expected = seen + 2 * float(synthetic) + heading * empty
    assert told.steps["prompt_tokens"].sum() == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("name", ["stratified", "weights", "as posted", "anchors", "all", "last"])
def test_contexts_hold_what_is_read(name):
    scenario, _ = CASES[name]
    models = {label: Words(label) for label in LABELS}
    arguments = ARGUMENTS | {"posts": POSTS, "scenario": scenario, "max_new_tokens": 7}
    longest = plan(models=models, **arguments).models["longest"]
    for label, context in zip(LABELS, longest, strict=True):
        short = models | {label: Words(label, int(context) - 1)}
        with pytest.raises(lwd.InputError, match=rf"^models: got '{label}' with a context of"):
            lwd.simulate_llm(short, embedder=Hasher(), **arguments)
    held = {x: Words(x, int(n)) for x, n in zip(LABELS, longest, strict=True)}
    whole = lwd.simulate_llm(held, embedder=Hasher(), **arguments)
    for label, model in held.items():
        # What came is no longer than what may come.
        assert max(map(model.count_tokens, model.prompts)) + 7 <= model.context_length, label
    # The context of one holds fewer, and then all read as few.
    few = models | {"a": Words("a", 30)}
    ds = lwd.simulate_llm(few, embedder=Hasher(), context="fewest", **arguments)
    assert ((ds["retrieved"] >= 0).sum() < (whole["retrieved"] >= 0).sum()).item()
    assert (ds["n_retrieved"] == (ds["retrieved"] >= 0).sum("draw")).all()
    assert max(few["a"].count_tokens(prompt) for prompt in few["a"].prompts) + 7 <= 30
    for label in LABELS:
        rebuilt = Counter(
            prompt_of(ds, t, label, replicate=r, query=q)
            for t in range(7)
            for r, q in itertools.product(range(2), range(2))
        )
        assert rebuilt == Counter(few[label].prompts)


def test_a_context_that_is_not_reached_caps_nobody():
    # Model 0 reads more than the others, whose contexts hold what they read themselves.
    contexts = {"a": None, "b": 500, "c": 500, "d": 90}
    models = {label: Words(label, context) for label, context in contexts.items()}
    told = {"posts": POSTS, "scenario": {"readers": "star"}, "max_new_tokens": 7, **ARGUMENTS}
    free, capped = (plan(models=models, context=how, **told).reads for how in ("error", "fewest"))
    assert (free["a"][1:] > free["d"][1:]).all()
    assert capped.equals(free)
    ds = lwd.simulate_llm(models, embedder=Hasher(), context="fewest", **told)
    assert (ds["n_retrieved"].transpose("time", "model", ...)[..., 0, 0] == capped.values).all()


BAD = [
    ("real_weight", {"real_weight": 0.5}),
    ("fresh_from", {"fresh": 1}),
    ("fresh_from", {"fresh": 1, "fresh_from": [0.5, 0.5]}),
    ("fresh_from", {"fresh": 1, "fresh_from": [[0.5], [1.0]]}),
    ("fresh_from", {"fresh": 1, "fresh_from": "no such file.csv"}),
    ("fresh_from", {"fresh": 1, "fresh_from": ["", "x"]}),
    ("fresh_from", {"fresh": 1, "fresh_from": POOL[:5]}),
    ("noise_from", {"noise": 0.5}),
    ("noise_from", {"noise": 0.5, "noise_from": OFF[:23]}),
    ("anchors", {"anchors": (0.5, [0.5, 0.5])}),
    ("anchors", {"anchors": (0.5, {"nobody": "x"})}),
    ("anchors", {"anchors": (0.5, {"a": [" "]})}),
    ("frozen", {"frozen": ["nobody"]}),
    ("silent", {"silent": [0]}),
    ("readers", {"readers": [[1, 1], [1, 1]]}),
    ("readers", {"readers": [[1, 0, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1], [1, 1, 1, 1]]}),
    ("keep", {"keep": ("random", 3)}),
    ("keep", {"keep": ("reservoir", 4)}),
    ("n_read", {"n_read": "3 - N"}),
    ("fresh", {"fresh": 0.5, "fresh_from": POOL, "silent": LABELS}),
    ("scenario", {"nonsense": 1}),
    ("scenario", 3),
]  # fmt: skip


@pytest.mark.parametrize(("name", "scenario"), BAD)
def test_what_cannot_be_done_is_refused_by_name(name, scenario):
    idle = {label: Writer(label, fail_at=0, error=AssertionError("asked")) for label in LABELS}
    for ask in (lambda **told: lwd.simulate_llm(embedder=Hasher(), **told), plan):
        with pytest.raises(lwd.InputError, match=rf"^{name}( \(.*\))?: got .*; takes ") as error:
            ask(models=idle, scenario=scenario, **(ARGUMENTS | {"posts": POSTS}))
        assert len(str(error.value)) < 500


def test_a_pool_that_runs_dry_says_what_is_needed():
    with pytest.raises(lwd.InputError, match=r"fresh_from: got 11 posts; takes at least 12"):
        run({"fresh": 2, "fresh_from": POOL[:11]})
    assert (run({"fresh": 2, "fresh_from": POOL[:12]})["post_kind"] == 1).sum() == 4 * (5 + 12)


class Made(Backend):
    """Fakes by name, so that a file can ask for them."""

    def load_model(self, name):
        return Writer(name, fail_at=self.fail_at, error=RuntimeError("gone"))

    def load_embedder(self, name, *, normalize):
        return Hasher()


TOML = """
simulator = "llm"
posts = "posts.csv"
embedder = "made:e"
n_steps = 4
n_responses = 2
retrieval = "uniform"
seed = 3
[models]
a = "made:a"
b = "made:b"
bot = "text:Buy."
[scenario]
keep = ["random", 6]
fresh = 1
fresh_from = "posts.csv"
frozen = ["bot"]
[scenario.readers]
0 = [[1, 1, 0], [1, 1, 1], [0, 0, 0]]
2 = "complete"
"""


def test_a_file_runs_from_the_command_line_and_goes_on_after_a_stop(tmp_path, monkeypatch):
    made = Made()
    monkeypatch.setitem(BACKENDS, "made:", made)
    (tmp_path / "posts.csv").write_text("text\none\ntwo\nthree\nfour\n")
    (tmp_path / "run.toml").write_text(TOML)
    written = {}
    for name, fail_at in (("whole", None), ("stopped", 2), ("stopped", None)):
        made.fail_at = fail_at
        line = ["simulate", "llm", str(tmp_path / "run.toml"), "-o", str(tmp_path / f"{name}.nc")]
        line += ["--store", str(tmp_path / name), "--fresh", "1", "--n-read", "3"]
        line += ["--retrieval", "recent"]
        done = CliRunner().invoke(app, line)
        assert (done.exit_code == 0) is (fail_at is None), done.output
        if fail_at is None:
            written[name] = lwd.read_results(tmp_path / f"{name}.nc")
    whole, stopped = written["whole"], written["stopped"]
    assert stopped.assign_attrs(created=whole.attrs["created"]).identical(whole)
    scenario = json.loads(whole.attrs["spec"])["scenario"]
    assert scenario["n_read"] == 3
    assert scenario["fresh_from"] == ["one", "two", "three", "four"]
    assert scenario["retrieval"] == "recent"
    assert str(tmp_path) not in str(whole.attrs)
    # A plan takes the same options.
    line = ["plan", str(tmp_path / "run.toml"), "--n-read", "2", "--retrieval", "recent"]
    done = CliRunner().invoke(app, line)
    assert done.exit_code == 0, done.output
    # Of the table fresh posts and a capacity are left: 5, 6, 6, ... posts.
    assert re.search(r"^ +1 +6 +2 ", done.output, re.M)


FIELDS = {
    "keep": st.sampled_from(["all", "last", ("last", 2), ("random", 8), ("reservoir", 6), "none"]),
    "fresh": st.sampled_from([0, 1, 0.3, 0.9, 1.0, -1]),
    "read_real": st.sampled_from([None, 0.0, 0.5, 1.0, ("random", 0.5), 2]),
    "n_read": st.sampled_from(["beta", 1, 3, "sqrt(N)", "1/N", "N - 9", 0]),
    "retrieval": st.sampled_from(["uniform", "recent", "recent as posted", "nearest", "best"]),
    "readers": st.sampled_from([None, "ring", "star", ("blocks", 2), ("blocks", 2, 0.2), WEIGHTS]),
    "frozen": st.sampled_from([(), ("a",), tuple(LABELS), ("e",)]),
    "silent": st.sampled_from([(), ("b",), ("a",)]),
    "anchors": st.sampled_from([None, (0.5, ANCHORS), (1, {"b": "x"}), (2, ANCHORS)]),
    "noise": st.sampled_from([0, 0.2, 0.6]),
}


@settings(max_examples=40)
@given(st.fixed_dictionaries({}, optional=FIELDS))
def test_any_scenario_runs_or_is_refused_before_it_begins(scenario):
    scenario |= {"fresh_from": POOL} if scenario.get("fresh") else {}
    scenario |= {"noise_from": OFF} if scenario.get("noise") else {}
    models = {label: Writer(label) for label in LABELS}
    changes = {"n_steps": 3, "replicates": 1, "query": "Up?", "n_responses": 1}
    try:
        ds = run(scenario, models, **changes)
    except lwd.InputError:
        assert not any(model.calls for model in models.values())
        return
    assert (ds["n_retrieved"] == (ds["retrieved"] >= 0).sum("draw")).all()
    for label, model in models.items():
        assert [prompt_of(ds, t, label) for t in range(4)] == model.prompts
