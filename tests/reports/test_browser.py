"""The page in Chromium: what a reader does with it, and what texts of strangers do not.

Playwright drives the Chromium of the system. Where one of them, or axe-core (`make axe`), is
lacking, the tests are skipped and say which.
"""

import csv
import io
import json
import re
import shutil

import numpy as np
import pytest
from hostile_texts import HOSTILE, hostile_run
from paths import ROOT
from store_runs import run as run_llm

import lwdstats as lwd

pytestmark = pytest.mark.long
playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
# The shell without windows first: a window that lies under others may stop drawing.
CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")
DESKTOP, PHONE = (1280, 900), (390, 844)


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (apt-get install chromium-headless-shell)")
    with playwright.sync_playwright() as p:
        # Root, as CI often is, has no sandbox of its own; containers have little shared memory.
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        yield p.chromium.launch(executable_path=CHROMIUM, args=arguments)


class Watched:
    """A page and all that it must not do."""

    def __init__(self, browser, path, size=DESKTOP, scheme="light"):
        touch = size == PHONE
        self.context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme,
            has_touch=touch, is_mobile=touch, accept_downloads=True,
        )  # fmt: skip
        self.said = []
        self.page = self.context.new_page()
        self.page.set_default_timeout(30_000)
        self.page.on("console", lambda m: self.said.append(f"{m.type}: {m.text}"))
        self.page.on("pageerror", lambda e: self.said.append(f"error: {e}"))
        self.page.on("dialog", lambda d: (self.said.append(f"dialog: {d.message}"), d.dismiss()))
        self.page.on("popup", lambda p: self.said.append(f"window: {p.url}"))
        own = path.as_uri()
        # What is handed to the downloads has its address inside the page.
        self.page.on(
            "request",
            lambda r: (
                r.url == own or r.url.startswith("blob:") or self.said.append(f"request: {r.url}")
            ),
        )
        self.page.on("framenavigated", lambda f: f.url == own or self.said.append(f"went: {f.url}"))
        self.page.goto(own)
        self.page.wait_for_selector("html[data-ready]")

    def __enter__(self):
        return self.page

    def __exit__(self, kind, *_):
        if kind is None:
            assert self.page.evaluate("window.pwned") is None
            assert self.said == []
        self.context.close()


@pytest.fixture(scope="module")
def run():
    return run_llm(n_steps=4, n_responses=6)


@pytest.fixture(scope="module")
def path(run, tmp_path_factory):
    return lwd.report({"small": run}, tmp_path_factory.mktemp("page") / "small.html")


def settled(page):
    """Wait until what was asked for is drawn."""
    page.evaluate("() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")


def points_of(page):
    """Where the points of the answers are, and which rows they are, as plotly has them."""
    return page.evaluate(
        "() => document.querySelector('#answers-0 .js-plotly-plot').data"
        ".map(t => [t.name, t.x, t.y, t.customdata])"
    )


def to_answers(page):
    page.locator("#answers-0").scroll_into_view_if_needed()
    page.wait_for_selector("#answers-0 .js-plotly-plot .points path")
    settled(page)


def as_list(words):
    return sorted(text.strip() for text in words)


def test_a_reader_goes_through_time_and_from_an_answer_to_its_prompt(browser, run, path):
    with Watched(browser, path) as page:
        to_answers(page)
        slider = page.locator("#run-0 input[type=range]")
        assert slider.get_attribute("max") == "4"
        slider.focus()
        page.keyboard.press("Home")
        settled(page)
        assert page.locator("#run-0 output").inner_text() == "t = 0"
        first = points_of(page)
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        settled(page)
        assert page.locator("#run-0 output").inner_text() == "t = 2"
        assert points_of(page) != first
        cell = {"time": 2, "replicate": 0, "query": "Up?"}
        said = {m: run["text"].sel(model=m, **cell).values.tolist() for m in ("a", "b")}
        listed = page.locator("#answers-0 .list .said").all_inner_texts()
        assert as_list(listed) == as_list({t for m in said for t in said[m]})

        # Pointing at a point shows its answer.
        page.locator("#answers-0 .js-plotly-plot").evaluate(
            "n => n.scrollIntoView({block: 'center'})"
        )
        settled(page)
        box = page.locator("#answers-0 .trace .points path").first.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x - 40, y - 40)
        page.mouse.move(x, y, steps=5)
        page.wait_for_selector("#answers-0 .hoverlayer .hovertext")
        shown = " ".join(
            page.locator("#answers-0 .hoverlayer .hovertext tspan").all_text_contents()
        )
        assert any(text in shown for text in said["a"]), shown

        # A click shows it with its prompt and the posts.
        page.mouse.down()
        page.mouse.up()
        page.wait_for_selector("#answers-0 .detail .answer")
        answer = page.locator("#answers-0 .detail .answer").inner_text()
        assert answer in said["a"]
        prompt = lwd.prompt_of(run, 2, "a", replicate=0, query="Up?")
        assert page.locator("#answers-0 .asked").evaluate("n => n.textContent") == prompt.user
        posts = page.locator("#answers-0 .posts .said").all_inner_texts()
        assert posts == list(prompt.posts)

        # Other runs, other questions.
        page.locator("label", has_text="Replicate").locator("select").select_option(index=1)
        page.locator("label", has_text="Query").locator("select").select_option(index=1)
        settled(page)
        cell = {"time": 2, "replicate": 1, "query": "Down?"}
        own = {t for m in ("a", "b") for t in run["text"].sel(model=m, **cell).values.tolist()}
        assert as_list(page.locator("#answers-0 .list .said").all_inner_texts()) == as_list(own)
        page.locator("#answers-0 .list button").last.focus()
        page.keyboard.press("Enter")
        settled(page)
        prompt = lwd.prompt_of(run, 2, "b", replicate=1, query="Down?")
        assert page.locator("#answers-0 .asked").evaluate("n => n.textContent") == prompt.user

        # From a post back to the answer that it was.
        back = page.locator("#answers-0 .posts button").first
        text = page.locator("#answers-0 .posts li:has(button) .said").first.inner_text()
        back.click()
        settled(page)
        assert page.locator("#answers-0 .detail .answer").inner_text() == text


def test_posts_lead_to_their_answers_in_another_order_of_models(browser, run, tmp_path):
    part = run.isel(model=[1, 0]).assign_coords(model=["initial web", "constructor"])
    spec = json.loads(run.attrs["spec"])
    spec["models"] = {"constructor": spec["models"]["a"], "initial web": spec["models"]["b"]}
    path = lwd.report(part.assign_attrs(spec=json.dumps(spec)), tmp_path / "page.html")
    with Watched(browser, path) as page:
        page.locator("#answers-0").scroll_into_view_if_needed()
        page.locator("#run-0 input[type=range]").focus()
        page.keyboard.press("End")
        settled(page)
        page.locator("#answers-0 .list button").first.click()
        settled(page)
        # No model has a system prompt, whatever objects of the script have the same name.
        assert not page.locator("#answers-0 .system").count()
        back = page.locator("#answers-0 .posts li:has(button)").first
        text, source = back.locator(".said").inner_text(), back.locator(".from").inner_text()
        back.locator("button").click()
        settled(page)
        assert page.locator("#answers-0 .detail .answer").inner_text() == text
        head = page.locator("#answers-0 .detail").inner_text()
        assert f"of {source.split(', t = ')[0]} at" in head


def test_every_picture_is_drawn_and_themes_change(browser, path):
    with Watched(browser, path) as page:
        names = page.evaluate("() => [...document.querySelectorAll('[data-panel]')].map(n => n.id)")
        assert {"norm-0", "answers-0", "reading-0", "web-0", "plane-0", "apart-0"} <= set(names)
        for name in names:
            page.locator(f"#{name}").scroll_into_view_if_needed()
            page.wait_for_selector(f"#{name} [data-view] > *")
        for _ in range(2):
            before = page.locator("html").get_attribute("data-theme")
            page.locator("#theme").click()
            assert page.locator("html").get_attribute("data-theme") != before
        page.locator("#run-0").get_by_role("button", name="Play").click()
        page.wait_for_selector("#run-0 output:text-is('t = 0')")
        page.wait_for_selector("#run-0 output:text-is('t = 2')")
        page.get_by_role("button", name="Pause").click()


def test_no_button_sends_data_away(browser, path):
    with Watched(browser, path) as page:
        page.locator("#norm-0").scroll_into_view_if_needed()
        page.locator("#norm-0 .js-plotly-plot").hover()
        names = page.evaluate(
            "() => [...document.querySelectorAll('#norm-0 .modebar-btn')]"
            ".map(n => n.getAttribute('data-title'))"
        )
        assert set(names) == {"Zoom in", "Zoom out", "Reset axes", "Zoom", "Pan"}
        # The buttons hide neither the legend nor the data.
        bar, legend, data = (
            page.locator(f"#norm-0 {part}").first.bounding_box()
            for part in (".modebar", ".legend", ".nsewdrag")
        )
        for other in (legend, data):
            assert bar["x"] >= other["x"] + other["width"]


def test_print_holds_every_picture(browser, path):
    with Watched(browser, path) as page:
        assert page.pdf()[:4] == b"%PDF"
        names = page.evaluate("() => [...document.querySelectorAll('[data-panel]')].map(n => n.id)")
        for name in names:
            assert page.locator(f"#{name} [data-view] > *").count() > 0


def test_downloads_hold_the_data(browser, run, path):
    with Watched(browser, path) as page:
        for button, read in (
            ("CSV", lambda t: list(csv.DictReader(io.StringIO(t)))),
            ("JSON", json.loads),
        ):
            with page.expect_download() as given:
                page.get_by_role("button", name=f"Download answers ({button})").click()
            rows = read(given.value.path().read_text(encoding="utf-8"))
            assert len(rows) == run["text"].size
            order = ("time", "model", "replicate", "query", "response")
            said = run["text"].transpose(*order).values.ravel().tolist()
            assert [row["text"] for row in rows] == said
            assert [str(rows[0][dim]) for dim in order] == ["0", "a", "0", "Up?", "0"]
        with page.expect_download() as given:
            page.get_by_role("button", name="Download the specification").click()
        assert json.loads(given.value.path().read_text(encoding="utf-8"))["simulator"] == "llm"


def test_a_phrase_marks_the_answers_that_hold_it(browser, tmp_path):
    ds = lwd.read_results(ROOT / "data" / "bitcoin_network.nc").isel(time=slice(20, 25))
    with Watched(browser, lwd.report(ds, tmp_path / "page.html")) as page:
        to_answers(page)
        everything = page.locator("#answers-0 .list li").count()
        page.locator("#phrases-0").scroll_into_view_if_needed()
        page.get_by_label("Mark answers that hold").select_option(index=1)
        phrase = lwd.phrases(ds, top=8).share["phrase"].values[0]
        to_answers(page)
        texts = page.locator("#answers-0 .list .said").all_inner_texts()
        assert 0 < len(texts) < everything
        for text in texts:
            assert phrase in re.sub(r"\W+", " ", text.casefold())


# As the page shows what acts: a mark with its number.
ACTING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)


def marked(text):
    return ACTING.sub(lambda match: f"U+{ord(match[0]):04X}", text)


def test_hostile_texts_are_shown_and_none_runs(browser, tmp_path):
    ds = hostile_run()
    path = lwd.report({HOSTILE[0]: ds}, tmp_path / "page.html")
    with Watched(browser, path) as page:
        to_answers(page)
        shape = page.evaluate("() => document.querySelectorAll('script, style').length")
        assert page.locator("#answers-0 .list button").count() == 60
        seen = set()
        for i in range(60):
            page.locator("#answers-0 .list button").nth(i).click()
            settled(page)
            answer = page.locator("#answers-0 .detail .answer").evaluate("n => n.textContent")
            seen.add(answer)
        wanted = {marked(text) for text in HOSTILE}
        long = {text for text in wanted if len(text) > 20_000}
        assert wanted - long <= seen
        assert {text[:20_000] + " …" for text in long} <= seen
        # Hovering over each, as the labels of plots read a little markup.
        hovered = page.evaluate(
            """async () => {
              const plot = document.querySelector('#answers-0 .js-plotly-plot');
              const out = [];
              for (const [curveNumber, trace] of plot.data.entries()) {
                for (const pointNumber of trace.x.keys()) {
                  Plotly.Fx.hover(plot, [{ curveNumber, pointNumber }]);
                  out.push(plot.querySelector('.hoverlayer').textContent);
                  // plotly shows no more than one label in 50 ms.
                  await new Promise(r => setTimeout(r, 60));
                }
              }
              return out;
            }"""
        )
        assert len(hovered) == 60
        assert any("<script>window.pwned=1</script>" in text for text in hovered)
        assert any("[U+202E]" in text for text in hovered)
        assert page.locator(".js-plotly-plot a:not(.modebar-btn)").count() == 0
        # The rows of every table, and every panel.
        for node in page.locator("[data-panel]").all():
            node.scroll_into_view_if_needed()
            settled(page)
            for button in node.get_by_role("button", name="Show rows").all():
                button.click()
        for tag in ("iframe", "object", "embed", "form", "base", "main img", "video", "math"):
            assert page.locator(tag).count() == 0, tag
        # plotly has added styles, and nothing scripts.
        assert page.locator("script").count() == 3
        assert shape >= 4
        assert page.locator("a[href]").evaluate_all(
            "n => n.every(a => a.getAttribute('href')[0] === '#')"
        )
        # No spreadsheet computes what a model wrote.
        with page.expect_download() as given:
            page.get_by_role("button", name="Download answers (CSV)").click()
        text = given.value.path().read_text(encoding="utf-8")
        csv.field_size_limit(10**7)
        cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row if cell]
        assert not [
            c[:20] for c in cells if c[0] in "=+@\t\r" or (c[0] == "-" and not is_number(c))
        ]
        with page.expect_download() as given:
            page.get_by_role("button", name="Download answers (JSON)").click()
        rows = json.loads(given.value.path().read_text(encoding="utf-8"))
        assert {row["text"] for row in rows} == set(HOSTILE)


def is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def test_hostile_levels_of_a_sweep_do_not_run(browser, tmp_path):
    levels = {text: 0.1 + i / 100 for i, text in enumerate(HOSTILE[:57]) if "\x00" not in text}
    levels = {k: v for k, v in levels.items() if not re.search("[\ud800-\udfff]", k)}
    base = {"simulator": "gmm", "n_steps": 2}
    grid = {HOSTILE[0]: {k: {"beta": v} for k, v in levels.items()}, "n_responses": [2, 3]}
    found = lwd.sweep(base, grid, replicates=2, seed=1, n_jobs=1)
    with Watched(browser, lwd.report({HOSTILE[0]: found}, tmp_path / "page.html")) as page:
        for node in page.locator("[data-panel]").all():
            node.scroll_into_view_if_needed()
            settled(page)
        assert page.locator("#map-0 thead th").count() == len(levels) + 1


def kinds(folder):
    """A page of one of each kind, and of a run without texts, posts or more than one time."""
    small = run_llm(n_steps=3, n_responses=4)
    swept = lwd.sweep(
        {"simulator": "gmm", "n_steps": 5}, {"beta": [0.2, 0.8], "n_responses": [2, 3]},
        measure={"fnorm": {"time": "all"}}, replicates=3, seed=1, n_jobs=1,
    )  # fmt: skip
    given = {
        "answers": small,
        "mixtures": lwd.simulate_gmm(n_steps=8, replicates=2, seed=1),
        "sweep": swept,
        "bare": small.isel(time=[0]).drop_vars(["text", "post_text", "retrieved"]),
    }
    return lwd.report(given, folder / "kinds.html")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_no_serious_violation(browser, tmp_path, size, scheme):
    found = sorted((ROOT / "build").glob("axe-core-*/package/axe.min.js"))
    if not found:
        pytest.skip("axe-core is not there (make axe)")
    with Watched(browser, kinds(tmp_path), size, scheme) as page:
        for node in page.locator("[data-panel]").all():
            node.scroll_into_view_if_needed()
            settled(page)
        page.locator("#answers-0 .list button").first.click()
        page.locator("#norm-0").get_by_role("button", name="Show rows").click()
        page.evaluate("() => document.querySelectorAll('details').forEach(n => { n.open = true; })")
        settled(page)
        width = page.evaluate("() => document.documentElement.scrollWidth")
        assert width <= size[0], "the page is wider than the screen"
        # By the protocol of the debugger, as the page itself runs no other script.
        page.evaluate(found[-1].read_text(encoding="utf-8") + "; undefined")
        result = page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
        bad = [
            (
                v["id"],
                v["impact"],
                [n["target"] for n in v["nodes"]][:5],
                v["nodes"][0]["failureSummary"],
            )
            for v in result["violations"]
            if v["impact"] in ("serious", "critical")
        ]
        assert bad == []


def test_keyboard_reaches_everything_that_acts(browser, path):
    with Watched(browser, path) as page:
        to_answers(page)
        reached = set()
        page.evaluate("() => { window.scrollTo(0, 0); document.body.focus(); }")
        for _ in range(160):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("() => document.activeElement.textContent.slice(0, 30)"))
        wanted = {"Skip to the results", "Play", "Download the specification", "Show rows"}
        assert wanted <= reached
        assert page.evaluate(
            "() => [...document.querySelectorAll('button')].every(b => b.tabIndex === 0)"
        )


def test_the_runs_of_the_paper_open(browser, tmp_path):
    ds = lwd.read_results(ROOT / "data" / "paper_sizes.nc")
    path = lwd.report({"paper_sizes": ds}, tmp_path / "page.html")
    assert path.stat().st_size < 8_000_000
    with Watched(browser, path) as page:
        to_answers(page)
        (names, counts) = zip(*[(n, len(x)) for n, x, _, _ in points_of(page)], strict=True)
        assert len(names) == 3
        last = ds["text"].isel(time=-1, replicate=0, query=0)
        assert list(counts) == [
            len(np.unique(last.isel(model=i).values.astype(str))) for i in range(3)
        ]
