"""What the examples in docstrings may use without making it."""

from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _fit_of_the_generics(request: pytest.FixtureRequest, doctest_namespace: dict[str, Any]) -> None:
    """Give the examples of R's generic functions the fit in the example of `nls`."""
    if getattr(request.node, "name", "").startswith("lwdstats.results.generics"):
        import lwdstats as lwd

        y = [5.02, 3.81, 3.12, 2.66, 2.41, 2.23, 2.17, 2.08]
        doctest_namespace["fit"] = lwd.nls("y ~ SSasymp(t, Asym, R0, lrc)", {"t": range(8), "y": y})
