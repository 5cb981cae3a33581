"""The page without a browser: what it holds, that nothing in it can run, and what it lacks."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hostile_texts import HOSTILE, TURNED, hostile_run
from paths import ROOT
from small_runs import small_llm
from store_runs import run as run_llm
from typer.testing import CliRunner

import lwdstats as lwd
from lwdstats.cli.main import app
from lwdstats.dataset.text import printable
from lwdstats.reports import answers, findings
from lwdstats.reports import report as reporting
from lwdstats.reports import thinned as thinning
from lwdstats.reports.embedded import as_json
from lwdstats.reports.network import network_section
from lwdstats.reports.page import page
from lwdstats.reports.sweeps import sweep_section
from lwdstats.reports.thinned import thinned
from lwdstats.studies.sweep import sweep as sweeping

ASSETS = ROOT / "lwdstats" / "reports" / "assets"


class Reader(HTMLParser):
    """Elements of a page: (tag, attributes), and what scripts and styles hold."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.raw, self.texts, self._inside = [], [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._inside = (tag, dict(attrs), [])

    def handle_data(self, data):
        if self._inside is None:
            self.texts.append(data)
        else:
            self._inside[2].append(data)

    def handle_endtag(self, tag):
        if self._inside is not None and tag == self._inside[0]:
            self.raw.append((tag, self._inside[1], "".join(self._inside[2])))
            self._inside = None

    @property
    def data(self):
        return [json.loads(x) for _, a, x in self.raw if a.get("type") == "application/json"]

    @property
    def policy(self):
        held = {a.get("http-equiv"): a.get("content") for t, a in self.elements if t == "meta"}
        return dict(
            part.strip().split(" ", 1) for part in held["Content-Security-Policy"].split(";")
        )


def report(x, folder):
    path = lwd.report(x, folder / "page.html")
    assert path.stat().st_size < 8_000_000
    return Reader(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def answered():
    return run_llm(n_steps=3, n_responses=4)


def hashes(texts):
    digests = (hashlib.sha256(text.encode()).digest() for text in texts)
    return {f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests}


@pytest.fixture(scope="module")
def pages(tmp_path_factory, answered):
    """Pages of one of each kind."""
    folder = tmp_path_factory.mktemp("pages")
    swept = lwd.sweep(
        {"simulator": "gmm", "n_steps": 5}, {"beta": [0.2, 0.8]}, replicates=3, seed=1
    )
    given = {
        "answers": answered,
        "mixtures": lwd.simulate_gmm(n_steps=8, replicates=2, seed=1),
        "sweep": swept,
        "hostile": hostile_run(),
    }
    return {name: report({name: x}, folder) for name, x in given.items()}


@pytest.mark.parametrize("kind", ["answers", "mixtures", "sweep", "hostile"])
def test_nothing_but_our_scripts_and_styles_may_run(pages, kind):
    page_ = pages[kind]
    policy = page_.policy
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert set(policy) == {"default-src", "base-uri", "form-action", "script-src", "style-src"}
    scripts = [text for tag, a, text in page_.raw if tag == "script" and "type" not in a]
    styles = [text for tag, _, text in page_.raw if tag == "style"]
    # plotly.js adds empty style elements, and rules to them by script.
    assert set(policy["script-src"].split()) == hashes(scripts)
    assert set(policy["style-src"].split()) == hashes([*styles, ""])
    assert scripts == [(ASSETS / n).read_text() for n in ("plotly-basic.min.js", "page.js")]
    assert len(page_.data) == 1
    for tag, attributes in page_.elements:
        assert tag in KNOWN, tag
        assert not {n for n in attributes if n.startswith("on")} | (set(attributes) & LOADING)
        assert attributes.get("href", "#").startswith("#")


KNOWN = {
    "html", "head", "meta", "title", "style", "body", "a", "header", "p", "nav", "ul", "li",
    "bdi", "button", "main", "noscript", "section", "h1", "h2", "h3", "div", "dl", "dt", "dd",
    "pre", "table", "thead", "tr", "th", "tbody", "td", "article", "details", "summary",
    "span", "script", "footer",
}  # fmt: skip
LOADING = {"src", "srcset", "style", "action", "data", "srcdoc", "formaction", "ping", "poster"}


def test_hostile_texts_are_in_the_data_as_they_are(pages):
    (data,) = pages["hostile"].data
    assert len(HOSTILE) == len(set(HOSTILE)) == 60
    assert set(HOSTILE) <= set(data["texts"])
    text = " ".join(pages["hostile"].texts)
    for label in (HOSTILE[0], HOSTILE[9], TURNED, HOSTILE[2]):
        assert printable(label) in text
    assert "\u202e" not in text


@pytest.mark.parametrize("text", HOSTILE, ids=range(60))
def test_json_ends_no_script_and_reads_back(text):
    written = as_json({text: [text]})
    assert not set(written) & set("<>&\u2028\u2029")
    written.encode("utf-8")
    assert json.loads(written) == {text: [text]}


def test_texts_are_there_once(pages, answered):
    (data,) = pages["answers"].data
    texts = data["texts"]
    assert len(texts) == len(set(texts))
    codes = np.array(data["tables"]["answers"]["columns"]["text"]["codes"])
    order = ("time", "model", "replicate", "query", "response")
    said = answered["text"].transpose(*order).values.ravel()
    assert [texts[code] for code in codes] == said.tolist()
    posts = data["tables"]["posts"]["columns"]
    assert [texts[c] for c in posts["text"]["codes"]] == answered[
        "post_text"
    ].values.ravel().tolist()


def test_numbers_are_those_of_the_package(pages, answered):
    (data,) = pages["answers"].data
    table = data["tables"]["norm"]
    dims = dict(table["dims"])
    assert dims["query"] == ["all queries", "Up?", "Down?"]
    shape = [len(labels) for _, labels in table["dims"]]
    norm = np.array(table["columns"]["norm"], dtype=float).reshape(shape)
    debiased = np.array(table["columns"]["debiased"], dtype=float).reshape(shape)
    floor = np.array(table["columns"]["noise_floor"], dtype=float).reshape(shape)
    h = np.array(table["columns"]["diversity"], dtype=float).reshape(shape)
    for i, part in enumerate([answered, answered.isel(query=[0]), answered.isel(query=[1])]):
        close = {"rtol": 1e-6, "atol": 1e-9}
        np.testing.assert_allclose(norm[i], lwd.fnorm(part).transpose("replicate", "time"), **close)
        made = lwd.fnorm(part, debias=True).transpose("replicate", "time")
        np.testing.assert_allclose(debiased[i], made, **close)
        np.testing.assert_allclose(
            floor[i], lwd.noise_floor(part).transpose("replicate", "time"), **close
        )
        np.testing.assert_allclose(
            h[i], lwd.diversity(part).transpose("replicate", "time"), **close
        )


def test_the_plane_keeps_distances_as_cmdscale_does(pages, answered):
    (data,) = pages["answers"].data
    columns = data["tables"]["answers"]["columns"]
    plane = np.array([columns["x"], columns["y"]], dtype=float).T
    order = ("time", "model", "replicate", "query", "response", "feature")
    flat = answered["embedding"].transpose(*order).values.reshape(-1, answered.sizes["feature"])
    expected = lwd.cmdscale(points=flat.astype(float)).points
    np.testing.assert_allclose(plane, expected, rtol=1e-3, atol=1e-3)


def test_any_prompt_can_be_made_from_the_page(pages, answered):
    (data,) = pages["answers"].data
    posts, around = data["tables"]["posts"]["columns"], data["prompt"]
    n = answered.sizes
    cells = [
        ("time", n["time"]),
        ("model", n["model"]),
        ("replicate", n["replicate"]),
        ("query", 2),
    ]
    for place in (
        {"time": 0, "model": 1, "replicate": 0, "query": 1},
        {"time": 3, "model": 0, "replicate": 1, "query": 0},
    ):
        row = 0
        for dim, size in cells:
            row = row * size + place[dim]
        start = (place["replicate"] * 2 + place["query"]) * n["post"]
        rows = [start + post for post in data["retrieved"][row]]
        assert {posts["replicate"][r] for r in rows} <= {place["replicate"]}
        assert {posts["query"][r] for r in rows} <= {place["query"]}
        read = around["between"].join(data["texts"][posts["text"]["codes"][r]] for r in rows)
        query = data["queries"][place["query"]]
        model = data["models"][place["model"]]
        prompt = lwd.prompt_of(
            answered, place["time"], model, replicate=place["replicate"], query=query
        )
        assert (around["before"] + read + around["after"] if rows else "") + query == prompt.user


def test_who_read_whom_and_the_web_add_up(pages, answered):
    (data,) = pages["answers"].data
    reading = data["tables"]["reading"]
    shape = [len(labels) for _, labels in reading["dims"]]
    counts = np.array(reading["columns"]["posts"]).reshape(shape)
    assert [dim for dim, _ in reading["dims"]] == ["time", "reader", "source", "replicate", "query"]
    read = (answered["retrieved"] >= 0).sum("draw").transpose("time", "model", "replicate", "query")
    np.testing.assert_array_equal(counts.sum(axis=2), read)
    share = counts[:, :, :2].sum(axis=2) / counts.sum(axis=2)
    wanted = answered["synthetic_share"].transpose("time", "model", "replicate", "query")
    np.testing.assert_allclose(share, wanted)
    web = data["tables"]["web"]
    posts = np.array(web["columns"]["posts"]).reshape([len(labels) for _, labels in web["dims"]])
    np.testing.assert_array_equal(posts.sum(axis=0)[0, 0], answered["n_web"])


def test_the_web_that_forgets_is_counted():
    ds = lwd.read_results(ROOT / "data" / "worked" / "star.nc").isel(time=slice(0, 4))
    section = network_section(ds, "star", 10**7)
    web = section.data["tables"]["web"]
    posts = np.array(web["columns"]["posts"]).reshape([len(labels) for _, labels in web["dims"]])
    np.testing.assert_array_equal(posts.sum(axis=0)[0, 0], ds["n_web"])


def panels(ds, budget=10**7):
    section = network_section(ds, "x", budget)
    page([section])
    return section, {panel.name: panel.why for panel in section.panels}


def test_phrases_mark_the_answers_that_hold_them():
    ds = lwd.read_results(ROOT / "data" / "bitcoin_network.nc").isel(time=slice(0, 5))
    section, why = panels(ds)
    assert why["phrases"] is None
    table, spread = section.data["tables"]["phrases"], lwd.phrases(ds, top=8)
    assert dict(table["dims"])["phrase"] == spread.share["phrase"].values.tolist()
    shape = [len(labels) for _, labels in table["dims"]]
    share = np.array(table["columns"]["share"]).reshape(shape)
    over = spread.share.mean("model").transpose("phrase", "time", "replicate", "query")
    np.testing.assert_allclose(share, over, atol=1e-7)
    codes = np.array(section.data["tables"]["answers"]["columns"]["text"]["codes"])
    held = np.isin(codes, section.data["holders"][0]).reshape(5, 3, 2, -1)
    # Each model counts equally, and no answer is missing in these.
    np.testing.assert_allclose(held.mean(axis=3).mean(axis=1), share[0, :, :, 0], atol=0.02)


@pytest.mark.parametrize(
    ("change", "empty"),
    [
        (lambda ds: ds.drop_vars("text"), {"phrases"}),
        (lambda ds: ds.drop_vars(["text", "retrieved"]), {"phrases", "reading"}),
        (lambda ds: ds.drop_vars(["post_text", "post_time"]), {"reading", "web"}),
        (lambda ds: ds.drop_vars("post_model"), set()),
        (lambda ds: ds.isel(time=[0]), set()),
        (lambda ds: ds.isel(time=[-1], replicate=[0], query=[0]), set()),
        (lambda ds: ds.isel(model=[0]), {"apart"}),
        (lambda ds: ds.isel(response=[0]), {"diversity", "inner_diversity"}),
        (
            lambda ds: ds.isel(model=[0], response=[0], time=[0], replicate=[0]),
            {"apart", "diversity"},
        ),
    ],
)
def test_what_a_run_lacks_is_said_and_the_rest_is_shown(answered, change, empty):
    section, why = panels(change(answered))
    assert empty <= {name for name, reason in why.items() if reason}
    assert {"norm", "answers"} & {name for name, reason in why.items() if not reason}
    for finding in section.findings:
        assert (finding.block is None) != (finding.why is None)


def test_missing_answers_are_no_points(answered):
    ds = answered.copy(deep=True)
    ds["text"][1, 0, :, :, :3], ds["embedding"][1, 0, :, :, :3] = "", np.nan
    section, why = panels(ds)
    assert why["answers"] is None
    columns = section.data["tables"]["answers"]["columns"]
    lacking = [x is None for x in columns["x"]]
    assert sum(lacking) == 3 * ds.sizes["replicate"] * ds.sizes["query"]
    assert lacking == [section.data["texts"][c] == "" for c in columns["text"]["codes"]]
    # All answers of a model at a time are gone: no position, and so no distance.
    ds["text"][2, 1], ds["embedding"][2, 1] = "", np.nan
    _, why = panels(ds)
    assert "no answer at all" in str(why["norm"])
    assert why["answers"] is None


def test_answers_without_queries_or_a_simulator_have_a_page():
    table = pd.DataFrame({"model": list("abab"), "time": [0, 0, 1, 1], "text": list("wxyz")})
    ds = lwd.as_results(table, embedder=lambda texts: [[ord(t), 1.0] for t in texts])
    section, why = panels(ds)
    assert why["answers"] is None
    assert "logged" in section.again[0][0]
    assert section.spec is None
    points = ds.drop_vars("text").isel(query=0, drop=True)
    assert panels(points)[1]["answers"] is None


def test_awkward_texts_have_a_page():
    _, why = panels(small_llm())
    assert why["answers"] is None


def test_mixtures_that_move_have_a_page():
    ds = lwd.simulate_gmm(n_steps=6, moving=("mean", "covariance"), seed=1)
    section, why = panels(ds)
    assert why["norm"] is why["diversity"] is why["weights"] is why["means"] is None
    assert section.data["panels" if "panels" in section.data else "tables"]
    # Models that agree may number their components in another order.
    [about] = [panel.about for panel in section.panels if panel.name == "weights"]
    assert "agree have the same" not in about
    variance = np.array(section.data["tables"]["norm"]["columns"]["diversity"])
    np.testing.assert_allclose(variance, lwd.diversity(ds).values.ravel(), rtol=1e-6)
    weights = np.array(section.data["tables"]["weights"]["columns"]["weight"])
    order = ("time", "model", "replicate", "component")
    np.testing.assert_allclose(weights, ds["weight"].transpose(*order).values.ravel(), rtol=1e-6)


def test_a_large_run_is_thinned_and_says_so():
    texts = np.array([f"answer {i} " + "word " * 60 for i in range(9 * 3 * 100)], dtype=object)
    ds = small_llm(time=9, model=3, replicate=1, response=100)
    ds["text"] = ds["text"].copy(data=texts.reshape(ds["text"].shape))
    part, notes = thinned(ds, 150_000)
    assert 1 < part.sizes["response"] < 100
    assert notes == [f"the first {part.sizes['response']} of 100 answers of each model"]
    assert len(as_json(pd.unique(part["text"].values.ravel()).tolist())) < 150_000
    section = network_section(ds, "x", 150_000)
    assert len(as_json(section.data)) < 300_000
    assert any("of 100 answers" in note for note in section.notes)
    tiny, notes = thinned(ds, 10_000)
    assert tiny.sizes["response"] == 1
    assert tiny.sizes["time"] < 9
    assert any("of 9 times" in note for note in notes)
    few, notes = thinned(ds.isel(time=[0, 1]), 100)
    assert max(map(len, few["text"].values.ravel())) <= 2000


def test_spec_makes_the_run_again(tmp_path):
    ds = lwd.simulate_gmm(n_steps=5, seed=3)
    (data,) = report({"a run; rm -rf": ds}, tmp_path).data
    (tmp_path / "spec.json").write_text(data["spec"])
    assert lwd.run_spec(lwd.read_spec(tmp_path / "spec.json")).equals(ds)
    section = network_section(ds, "a run; rm -rf $HOME", 10**7)
    assert (
        section.again[0][1]
        == "lwdstats simulate gmm a_run_rm_-rf_HOME.json -o a_run_rm_-rf_HOME.nc"
    )


def test_a_sweep_runs_again_from_its_page(tmp_path):
    grid = {
        "regime": {"last": {"scenario.keep": "last"}, "all": {"scenario.keep": "all"}},
        "beta": [0.2, 0.5],
    }
    found = lwd.sweep({"simulator": "gmm", "n_steps": 5}, grid, replicates=2, seed=1)
    found = lwd.read_sweep(found.write(tmp_path / "found.nc"))
    (data,) = report({"found": found}, tmp_path).data
    (tmp_path / "spec.json").write_text(data["spec"])
    done = CliRunner().invoke(
        app, ["sweep", str(tmp_path / "spec.json"), "-o", str(tmp_path / "b.nc"), "--n-jobs", "1"]
    )
    assert done.exit_code == 0, done.output
    pd.testing.assert_frame_equal(lwd.read_sweep(tmp_path / "b.nc").frame, found.frame)


def test_means_of_a_sweep_are_those_of_the_sweep():
    found = lwd.read_sweep(ROOT / "data" / "sweeps" / "collapse.nc")
    section = sweep_section(found, "collapse")
    columns = section.data["tables"]["means"]["columns"]
    frame = pd.DataFrame(
        {
            n: [c["levels"][i] for i in c["codes"]] if isinstance(c, dict) else c
            for n, c in columns.items()
        }
    )
    rows = frame.query("measure == 'diversity' and x == 'fresh' and by == 'regime'")
    means = found.means("diversity", ["fresh", "regime"])
    np.testing.assert_allclose(rows["estimate"], means["estimate"], rtol=1e-7)
    np.testing.assert_allclose(rows["conf_low"], means["conf_low"], rtol=1e-7)
    assert rows["by_level"].tolist() == means["regime"].tolist()
    assert [f.question for f in section.findings][:2] == [
        "What moves fnorm?",
        "What moves diversity?",
    ]
    assert all(f.block for f in section.findings)


def test_sweeps_of_all_kinds_have_a_page(tmp_path):
    base = {"simulator": "gmm", "n_steps": 4}
    one = lwd.sweep(base, {"beta": [0.2, 0.8]}, seed=1)
    none = lwd.sweep(base, {}, replicates=2, seed=1)
    design = lwd.sweep(base, lwd.design({"beta": (0.1, 0.9)}, 6, seed=1), replicates=2, seed=1)
    timed = lwd.sweep(
        base, {"beta": [0.2, 0.8]}, measure={"fnorm": {"time": "all"}}, replicates=2, seed=1
    )
    words = lwd.sweep(base, {"beta": [0.2]}, measure=lambda ds: "a word", seed=1)
    with pytest.warns(UserWarning, match="failed"):
        failed = lwd.sweep(base, {"beta": [0.2, 0.8]}, measure=[_fails, "fnorm"], seed=1)
    given = {
        "one": one,
        "none": none,
        "design": design,
        "timed": timed,
        "words": words,
        "failed": failed,
    }
    page_ = report(given, tmp_path)
    shown = [set(data["panels"]) for data in page_.data]
    assert shown == [{"means"}, set(), {"means"}, {"means", "course"}, set(), {"failures"}]
    assert sum(tag == "section" for tag, _ in page_.elements) == 6


def _fails(*_):
    raise ValueError("<b>no</b>")


def test_every_panel_that_is_shown_has_its_data(pages):
    for kind, page_ in pages.items():
        for data in page_.data:
            for name, draws in data["panels"].items():
                assert draws["table"] in data["tables"], (kind, name)


def test_bad_input_is_named(tmp_path, answered):
    for x in (None, 3, "file.nc", [], {}, [3], {"a": answered, "b": 3}):
        with pytest.raises(lwd.InputError, match=r"^x: got"):
            lwd.report(x, tmp_path / "x.html")
    for path in (tmp_path, tmp_path / "no" / "x.html", None):
        with pytest.raises(lwd.InputError, match=r"^path: got"):
            lwd.report(answered, path)
    with pytest.raises(lwd.InputError):
        lwd.report(xr.Dataset(), tmp_path / "x.html")
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there_stays_when_the_page_fails(tmp_path, answered, monkeypatch):
    path = tmp_path / "page.html"
    path.write_text("before")
    monkeypatch.setattr(reporting.os, "replace", _fails)
    with pytest.raises(ValueError, match="no"):
        lwd.report(answered, path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_the_command_writes_a_page_of_several_files(tmp_path):
    ds = lwd.simulate_gmm(n_steps=4, seed=1)
    first = lwd.write_results(ds, tmp_path / "first.nc")
    second = lwd.sweep({"simulator": "gmm", "n_steps": 4}, {"beta": [0.2, 0.8]}, seed=1)
    second = second.write(tmp_path / "second.nc")
    out = tmp_path / "page.html"
    done = CliRunner().invoke(app, ["report", str(first), str(second), "-o", str(out)])
    assert done.exit_code == 0, done.output
    assert done.output.split() == ["Written", "to", str(out)]
    page_ = Reader(out.read_text(encoding="utf-8"))
    assert [data["name"] for data in page_.data] == ["first", "second"]
    bad = CliRunner().invoke(app, ["report", str(tmp_path / "none.nc"), "-o", str(out)])
    assert isinstance(bad.exception, lwd.InputError)
    assert "none.nc" in str(bad.exception)


def test_plotly_is_the_file_that_its_makers_published():
    wanted = re.search(
        r"^PLOTLY_SHA256 := (\w{64})$", (ROOT / "Makefile").read_text(), re.MULTILINE
    )
    assert wanted is not None
    shipped = (ASSETS / "plotly-basic.min.js").read_bytes()
    assert hashlib.sha256(shipped).hexdigest() == wanted[1]
    assert "MIT" in (ASSETS / "plotly-LICENSE.txt").read_text()


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return np.dot([0.2126, 0.7152, 0.0722], linear)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_colours_have_the_contrast_that_they_say(theme):
    blocks = re.findall(r":root[^{]*\{(.*?)\}", (ASSETS / "page.css").read_text(), re.DOTALL)
    known = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", blocks[theme]))

    def contrast(one, other):
        low, high = sorted([luminance(known[one]), luminance(known[other])])
        return (high + 0.05) / (low + 0.05)

    for ground in ("ground", "card"):
        assert all(contrast(c, ground) >= 4.5 for c in ("ink", "soft", "accent", "mark", "warn"))
        assert all(contrast(c, ground) >= 3 for c in ("rim", *(f"c{i}" for i in range(8))))
    assert contrast("ink", "warn-ground") >= 4.5
    assert contrast("on-accent", "accent") >= 4.5


def test_script_writes_texts_as_text():
    script = (ASSETS / "page.js").read_text()
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "Function(",
    ):
        assert word not in script
    # Attributes that hold what a stranger wrote are none that a browser acts on.
    assert not re.search(r"setAttribute\(\"(?:style|on\w+|href|src)\"", script)


def test_a_sweep_names_files_without_the_folders_of_this_machine():
    base = {"posts": "/home/me/posts.csv", "scenario": {"fresh_from": "/home/me/fresh.csv"}}
    told = sweeping._as_file({"base": base, "grid": {"beta": np.array([0.2, 0.5])}})
    assert json.loads(told) == {
        "base": {"posts": "posts.csv", "scenario": {"fresh_from": "fresh.csv"}},
        "grid": {"beta": [0.2, 0.5]},
    }
    assert sweeping._as_file({"base": {}, "grid": {}, "measure": [len]}) is None
    assert base["posts"] == "/home/me/posts.csv"


@pytest.fixture(scope="module")
def network():
    return lwd.read_results(ROOT / "data" / "bitcoin_network.nc")


def column(section, table, name):
    """A column of labels of a section's table."""
    held = section.data["tables"][table]["columns"][name]
    return np.array(held["levels"], dtype=object)[held["codes"]]


def read_of(section):
    """Posts read, (time, reader, source, ...), and the names of sources."""
    table = section.data["tables"]["reading"]
    shape = [len(labels) for _, labels in table["dims"]]
    counts = np.array(table["columns"]["posts"]).reshape(shape)
    return counts, dict(table["dims"])["source"]


@pytest.mark.parametrize("chosen", [[0, 1, 2], [2, 0, 1], [1], [2, 1]])
def test_posts_are_credited_to_who_wrote_them_whatever_models_are_here(network, chosen):
    part = network.isel(model=chosen)
    section = network_section(part, "x", 10**7)
    labels = network["model"].values.tolist()
    author = network["post_model"].values.ravel()
    away = [f"{label} (not shown)" if i not in chosen else label for i, label in enumerate(labels)]
    wanted = np.where(author < 0, "initial web", np.array(away, dtype=object)[author])
    assert column(section, "posts", "source").tolist() == wanted.tolist()
    # The way back to an answer leads to the one that the post was.
    posts = section.data["tables"]["posts"]["columns"]
    here = [chosen.index(i) if i in chosen else -1 for i in author.tolist()]
    assert posts["author"] == here
    text = part["text"].transpose("replicate", "query", "time", "model", "response").values
    said = [section.data["texts"][code] for code in posts["text"]["codes"]]
    rows = np.flatnonzero(np.array(here) >= 0)
    assert rows.size
    for row in rows.tolist():
        place = (posts["replicate"][row], posts["query"][row], posts["time"][row], here[row])
        assert text[place][posts["response"][row]] == said[row]
    # What models read is of them.
    all_counts, all_sources = read_of(network_section(network, "x", 10**7))
    counts, sources = read_of(section)
    for i, source in enumerate(away):
        column_of = all_counts[:, chosen, all_sources.index(labels[i])]
        np.testing.assert_array_equal(counts[:, :, sources.index(source)], column_of)
    prompts = json.loads(network.attrs["spec"])["system_prompts"]
    assert section.data["systems"] == [prompts.get(labels[i]) for i in chosen]


def test_new_labels_keep_authors_and_system_prompts(network):
    before = network_section(network, "x", 10**7)
    after = network_section(network.assign_coords(model=list("ABC")), "x", 10**7)
    (prompt,) = json.loads(network.attrs["spec"])["system_prompts"].values()
    assert after.data["systems"] == before.data["systems"] == [None, None, prompt]
    new = dict(zip(network["model"].values.tolist(), "ABC", strict=True))
    was = column(before, "posts", "source").tolist()
    assert column(after, "posts", "source").tolist() == [new.get(x, x) for x in was]


@pytest.mark.parametrize(
    "change",
    [
        lambda ds: ds.isel(model=[2, 0, 1]).assign_coords(model=list("ABC")),
        lambda ds: ds.drop_vars("post_model"),
    ],
)
def test_authors_that_are_not_known_are_said_to_be_so(network, change):
    section, _ = panels(change(network))
    made = network["post_time"].values.ravel()
    wanted = np.where(made < 0, "initial web", "models, not known which")
    assert column(section, "posts", "source").tolist() == wanted.tolist()
    assert set(section.data["tables"]["posts"]["columns"]["author"]) == {-1}
    said = {panel.name: panel.about for panel in section.panels}
    assert all("wrote a post is not known" in said[name] for name in ("reading", "web"))


def test_many_models_that_are_not_shown_have_one_name(network, monkeypatch):
    monkeypatch.setattr(answers, "_ABSENT", 1)
    section = network_section(network.isel(model=[1]), "x", 10**7)
    assert set(column(section, "posts", "source")) == {
        "Gemma 3", "initial web", "models not shown",
    }  # fmt: skip


def test_the_way_back_from_a_post_knows_selected_answers(network):
    part = network.isel(response=[5, 0, 3])
    posts = network_section(part, "x", 10**7).data["tables"]["posts"]["columns"]
    made = network["post_response"].values.ravel()
    assert set(made) >= {-1, 0}
    place = {5: 0, 0: 1, 3: 2}
    assert posts["response"] == [place.get(response, -1) for response in made.tolist()]


@pytest.fixture(scope="module", params=[40_000, 30_000])
def thin(network, request):
    """A section that keeps one answer of each model and some times; the smaller no prompts."""
    section = network_section(network, "x", request.param)
    assert ("retrieved" in section.data) == (request.param == 40_000)
    assert len(section.data["times"]) < network.sizes["time"]
    assert len(dict(section.data["tables"]["answers"]["dims"])["response"]) == 1
    return section


def test_phrases_of_a_thinned_page_are_of_the_whole_run(network, thin):
    spread, tables = lwd.phrases(network, top=8), thin.data["tables"]
    first = tables["first"]["columns"]
    assert column(thin, "first", "phrase").tolist() == spread.first["phrase"].tolist()
    assert column(thin, "first", "model").tolist() == spread.first["model"].tolist()
    assert first["time"] == spread.first["time"].tolist()
    share = spread.share.mean("model").transpose("phrase", "time", "replicate", "query")
    np.testing.assert_allclose(tables["phrases"]["columns"]["share"], share.values.ravel(), 1e-7)
    assert len(thin.data["holders"]) == share.sizes["phrase"]


def test_who_read_whom_on_a_thinned_page_is_of_all_times(network, thin):
    counts, sources = read_of(thin)
    whole, same = read_of(network_section(network, "x", 10**7))
    assert sources == same
    kept = np.isin(network["time"].values, thin.data["times"])
    np.testing.assert_array_equal(counts.cumsum(axis=0), whole.cumsum(axis=0)[kept])
    about = next(panel.about for panel in thin.panels if panel.name == "reading")
    assert "does not hold all times" not in about


@pytest.mark.parametrize("times", [slice(None, None, 5), slice(10, None), slice(None, 10)])
def test_a_dataset_of_some_times_says_that_only_these_are_summed(network, times):
    section, _ = panels(network.isel(time=times))
    said = {panel.name: panel.about for panel in section.panels}
    lacks = times.stop is None
    assert ("only what was read at those that it holds is summed" in said["reading"]) == lacks
    assert ("may have been said before" in said["phrases"]) == lacks


def test_a_page_of_the_first_networks_has_their_phrases(network, monkeypatch):
    monkeypatch.setitem(thinning._MOST, "replicate", 1)
    section, why = panels(network)
    assert why["phrases"] is why["reading"] is None
    spread = lwd.phrases(network.isel(replicate=[0]), top=8)
    assert column(section, "first", "model").tolist() == spread.first["model"].tolist()


def test_times_between_whole_numbers_are_tested_as_they_are(answered, monkeypatch):
    ds = xr.concat([answered.isel(time=[0])] * 12, "time", data_vars="minimal")
    ds = ds.assign_coords(time=0.5 * np.arange(12))
    networks = ds.sizes["replicate"] * ds.sizes["query"]
    answers_of_one = ds.sizes["model"] * ds.sizes["response"]
    monkeypatch.setattr(findings, "_PERMUTED", 2 * networks * answers_of_one**2)
    assert findings._times(ds) == [0.0, 5.5]
    section, why = panels(ds)
    assert why["apart"] is None
    assert section.data["tables"]["apart"]["columns"]["time"] == [0.0, 5.5]


def test_the_floor_is_said_to_be_of_as_many_answers_as_there_are(answered):
    def about(ds):
        section, _ = panels(ds)
        return next(panel.about for panel in section.panels if panel.name == "norm")

    assert "With 4 answers each" in about(answered)
    ds = answered.copy(deep=True)
    ds["text"][1:, ..., 2:], ds["embedding"][1:, ..., 2:, :] = "", np.nan
    assert "With 2 to 4 answers each" in about(ds)
    ds["text"][..., 2:], ds["embedding"][..., 2:, :] = "", np.nan
    assert "With 2 answers each" in about(ds)


def test_names_that_read_the_same_are_refused(tmp_path, answered):
    with pytest.raises(lwd.InputError, match=r"^x: got names 1, '1', of which some read the same"):
        lwd.report({1: answered, "1": answered}, tmp_path / "x.html")
    assert not list(tmp_path.iterdir())
