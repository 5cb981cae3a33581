"""Give the index its place in the site: what stands at the top of every page.

The repository's web view would show a toctree as a block of code, so that it is not in the page.
"""

from typing import Any

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


def add_tree(app: Any, name: str, source: list[str]) -> None:
    """Add the tree to the index as it is read."""
    if name == app.config.root_doc:
        source[0] += TOP


def setup(app: Any) -> dict[str, Any]:
    """Connect to Sphinx."""
    app.connect("source-read", add_tree)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
