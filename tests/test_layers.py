"""The folders are the pipeline, and imports go one way."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "lwdstats"
# A layer imports from itself and from those before it.
LAYERS = [
    {"errors"},
    {"expression"},
    {"growth", "gmm_arguments"},
    {"schema"},
    {"io", "dataset", "cells"},
    {"logged", "frames", "joined"},
    {"theory"},
    {"simulate"},
    {"geometry"},
    {"inference"},
    {"plots", "report"},
    {"plots_curves"},
    {"plots_results"},
    {"cli"},
]
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
HEAVY = [
    "torch",
    "transformers",
    "lancedb",
    "openai",
    "matplotlib",
    "numba",
    "statsmodels",
    "ruptures",
    "scipy",
    "pandas",
]


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("lwdstats."):
            yield node.module.split(".")[1]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("lwdstats."):
                    yield alias.name.split(".")[1]


@pytest.mark.parametrize(
    "path", sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py"), ids=str
)
def test_imports_go_one_way(path):
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert own in RANK, f"{own} is in no layer"
    for other in imports_of(path):
        assert RANK[other] < RANK[own] or other == own, f"{own} imports {other}"


def test_the_walk_sees_imports():
    assert set(imports_of(PACKAGE / "report.py")) == {"geometry", "inference", "schema"}


def test_import_loads_nothing_heavy():
    code = f"import lwdstats, sys; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there():
    import lwdstats

    for name in lwdstats.__all__:
        assert getattr(lwdstats, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = lwdstats.nothing


def test_setup_lists_every_package():
    import configparser

    config = configparser.ConfigParser()
    config.read(PACKAGE.parent / "setup.cfg")
    listed = set(config["options"]["packages"].split())
    found = {
        ".".join(p.parent.relative_to(PACKAGE.parent).parts) for p in PACKAGE.rglob("__init__.py")
    }
    assert listed == found | {"lwdstats.data"}
