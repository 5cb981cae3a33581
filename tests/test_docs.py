"""The pages say what the code does, are listed, and lead somewhere."""

import doctest
import inspect
import re
import subprocess
import sys
from importlib.util import find_spec

import pytest
from paths import ROOT

import lwdstats as lwd
from lwdstats.inference.dispersion.result import BetaDisper
from lwdstats.inference.nls.selfstart import SELF_STARTS

PAGES = [
    *ROOT.glob("*.md"),
    *(p for f in ("docs", "data", "benchmarks") for p in (ROOT / f).rglob("*.md")),
]

# Where a path that a page names may begin.
FOLDERS = ("", "lwdstats", "lwdstats/simulate", "lwdstats/inference", "benchmarks")


@pytest.fixture(autouse=True)
def _in_the_project(monkeypatch):
    monkeypatch.chdir(ROOT)


# What of a page only runs where the package that owns a format is installed.
OWNED = {"logs/inspect": "inspect_ai", "logs/edsl": "edsl", "logs/datasets": "datasets"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of those packages
@pytest.mark.parametrize(
    "page",
    [
        "tutorial.md",
        "logs.md",
        "scenarios.md",
        "embedders.md",
        "mirror.md",
        "first-network.md",
        "moving.md",
        pytest.param("proxy.md", marks=pytest.mark.long),
        "sweeps.md",
        "large.md",
    ],
)
def test_pages_run_and_print_what_they_say(page):
    text = (ROOT / "docs" / page).read_text()
    test = doctest.DocTestParser().get_doctest(text, {}, page, page, 0)
    for example in test.examples:
        lacking = [m for path, m in OWNED.items() if path in example.source and not find_spec(m)]
        example.options |= dict.fromkeys([doctest.SKIP] if lacking else [], True)
    tried = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test)
    assert tried.attempted > 5
    assert tried.failed == 0


@pytest.mark.long
def test_pages_hold_what_the_scripts_print():
    command = [sys.executable, "-W", "error", "analysis/pages.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def links_of(page):
    """The targets of a page's links: its prose, not its code."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL)
    return re.findall(r"\]\(([^)\s]+)\)", text)


def anchors_of(page):
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for link in links_of(page):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors_of(target), link


def test_the_index_lists_every_page():
    listed = {link for link in links_of(ROOT / "docs" / "index.md") if "/" not in link}
    assert listed == {page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md"}
    tables = links_of(ROOT / "benchmarks" / "README.md")
    found = {
        str(page.relative_to(ROOT / "benchmarks")) for page in PAGES if "benchmarks" in page.parts
    }
    assert set(tables) == found - {"README.md"}


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "README.md", "docs/index.md"])
def test_paths_that_are_named_exist(page):
    named = re.findall(r"`([\w.]+/[\w./*-]*|[A-Z]\w+\.md)`", (ROOT / page).read_text())
    assert len(named) > 40 or page != "CONTRIBUTING.md"
    for path in named:
        places = [ROOT / folder for folder in FOLDERS]
        assert any(list(place.glob(path)) for place in places), path


def test_files_that_docstrings_and_commands_name_exist():
    named = re.compile(
        r"\b(?:analysis|benchmarks|data|docs|tests)/[\w./-]+\.(?:md|nc|png|py|toml)\b"
    )
    folders = ("lwdstats", "analysis", "benchmarks", "tests")
    sources = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    for page in [*PAGES, *sources]:
        for path in named.findall(page.read_text()):
            assert (ROOT / path).exists(), f"{page}: {path}"


def test_the_table_of_what_r_has_names_what_is_there():
    text = (ROOT / "docs" / "from-r.md").read_text().partition("## What R has, and we have")[2]
    rows = re.findall(r"^\| `.*\|$", text.partition("\n## ")[0], flags=re.MULTILINE)
    assert len(rows) > 25
    for row in rows:
        ours = row.split(" | ")[1]
        for name, arguments in re.findall(r"`(\w+)(?:\(([^)`]*)\))?`", ours):
            if name.startswith("SS"):
                assert name in SELF_STARTS
                continue
            taken = inspect.signature(getattr(lwd, name)).parameters
            if inspect.isclass(getattr(lwd, name)):
                continue
            if name == "TukeyHSD":  # passes on to the method
                taken = {"x": None} | dict(inspect.signature(BetaDisper.TukeyHSD).parameters)
            for argument in arguments.split(", ") if arguments else []:
                assert argument in taken, (name, argument)
