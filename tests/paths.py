"""Where the files stand that tests read, wherever in `tests/` the test stands."""

import json
from pathlib import Path

TESTS = Path(__file__).parent
ROOT = TESTS.parent


def from_r(name):
    """What R gave, in ``tests/r``."""
    return json.loads((TESTS / "r" / f"{name}.json").read_text())
