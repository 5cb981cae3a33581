"""What pages have in the site alone: the index its tree, and links to the gallery its pictures.

The repository's web view would show a toctree as a block of code, and has no pictures of scripts.
"""

import re
from typing import Any

# What stands at the top of every page.
TOP = """
```{toctree}
:hidden:

site/results
site/networks
site/theory
generated/gallery/index
api/index
from-r
site/development
```
"""
FOLDER = re.compile(r"\]\((?:docs/)?gallery/\)")
PICTURES = "](/docs/generated/gallery/index.rst)"


def add_site_parts(app: Any, name: str, source: list[str]) -> None:
    """Change a page as it is read."""
    source[0] = FOLDER.sub(PICTURES, source[0])
    if name == app.config.root_doc:
        source[0] += TOP


def setup(app: Any) -> dict[str, Any]:
    """Connect to Sphinx."""
    app.connect("source-read", add_site_parts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
