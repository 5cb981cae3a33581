"""The site has every public name, every result and every page in one place, without building it."""

import ast
import re
from collections import Counter
from pathlib import PurePosixPath

import pytest
from paths import ROOT

import lwdstats as lwd

DOCS = ROOT / "docs"
GALLERY = sorted((DOCS / "gallery").rglob("*.py"))


def entries(page, directive):
    """What a page lists below its directives of a name, without their options."""
    blocks = re.findall(
        rf"^\.\. {directive}::\n((?: +.*\n|\n)+)", page.read_text(), flags=re.MULTILINE
    )
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith(":")]


def tree_of_the_index():
    """What the toctree lists that docs/site_parts.py adds to the index."""
    text = (DOCS / "site_parts.py").read_text().partition("```{toctree}")[2].partition("```")[0]
    return re.findall(r"^[\w/-]+$", text, flags=re.MULTILINE)


def listed():
    """What the pages of the reference list."""
    return [name for page in (DOCS / "api").glob("*.rst") for name in entries(page, "autosummary")]


def test_the_reference_has_every_public_name_once():
    names = Counter(name for name in listed() if not name.startswith("~"))
    assert set(names) == set(lwd.__all__) - {"__version__"}
    assert set(names.values()) == {1}


def test_the_reference_has_every_result_once():
    """HTest is a public name, and stands there as one."""
    defined = [
        f"{'.'.join(path.relative_to(ROOT / 'lwdstats').with_suffix('').parts)}.{node.name}"
        for path in (ROOT / "lwdstats").rglob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
        for base in node.bases
        if ast.unparse(base) in ("Result", "PermutationResult", "Summary", "Coefficients")
    ]
    names = Counter(name[1:] for name in listed() if name.startswith("~"))
    assert set(defined) - {"results.htest.HTest"} <= set(names)
    assert set(names.values()) == {1}


def in_toctrees():
    """The pages that toctrees list, by their paths without ending."""
    yield from (f"docs/{entry}" for entry in tree_of_the_index())
    for page in (*DOCS.glob("site/*.rst"), *DOCS.glob("api/*.rst")):
        for entry in entries(page, "toctree"):
            start = PurePosixPath(page.relative_to(ROOT).parent)
            path = PurePosixPath(entry[1:]) if entry.startswith("/") else start / entry
            found = ROOT.glob(f"{path}.md") if "*" in entry else [ROOT / path]
            yield from (str(one.relative_to(ROOT).with_suffix("")) for one in found)


def test_every_page_is_in_one_toctree():
    places = Counter(in_toctrees())
    folders = ("", "docs", "docs/api", "docs/site", "data", "benchmarks")
    pages = [p for f in folders for s in ("md", "rst") for p in (ROOT / f).glob(f"*.{s}")]
    pages += (ROOT / "benchmarks").glob("*/*.md")
    names = {str(page.relative_to(ROOT).with_suffix("")) for page in pages} - {"docs/index"}
    assert set(places) == names | {"docs/generated/gallery/index"}
    assert set(places.values()) == {1}


def test_the_gallery_has_enough():
    assert len(GALLERY) >= 15


@pytest.mark.parametrize("example", GALLERY, ids=lambda path: path.stem)
def test_examples_of_the_gallery_have_a_title_a_picture_and_data_that_are_there(example):
    text = example.read_text()
    title, line = ast.get_docstring(ast.parse(text)).splitlines()[:2]
    assert line == "=" * len(title)
    assert "plt.show()" in text
    for path in re.findall(r'"((?:\.\./)+[^"]+)"', text):
        assert (example.parent / path).exists(), path
