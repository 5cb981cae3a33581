"""One topic a package, and imports go one way."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

import lwdstats

PACKAGE = Path(__file__).parent.parent / "lwdstats"
# A layer imports from those before it, and a name in a line never from another in that line.
LAYERS = [
    {"errors", "version", "data"},
    {"arrays", "expression", "specification", "streams"},
    {"dataset"},
    {"scenario"},
    {"mixtures", "results"},
    {"theory", "geometry"},
    {"simulate"},
    {"inference"},
    {"studies"},
    {"plots", "summaries"},
    {"reports"},
    {"cli"},
]
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
# Files with several public names of one topic, none of which could name the file.
TOPICS = {
    "errors": "the exception of bad input, and the checks that raise it",
    "plots": "pictures of a dataset, and plot(x) itself",
    "summaries": "summary of a dataset, or of a result",
    "version": "the version of the package",
    "dataset.files": "write_results, and how a file is read",
    "dataset.schema": "what a dataset holds, and validate",
    "geometry.distance": "dist, fnorm and the noise floor of both",
    "geometry.diversity": "drift and inner_diversity",
    "geometry.lexical": "statistics of words",
    "inference.nls.solver": "least squares, and how a fit ended",
    "results.generics": "R's generic functions",
    "simulate.specs": "read_spec and run_spec",
    "simulate.models.local.embedder": "SentenceEmbedder, as models.server has its own embedder",
    "simulate.models.server.embedder": "EndpointEmbedder, as models.local has its own embedder",
    "simulate.models.server.openai": "OpenAIModel; the file is named after the protocol",
    "simulate.models.server.retry": "requests that failed, and the error that ends a run",
    "simulate.llm.replay": "prompt_of, which the command replay shows",
    "simulate.llm.storing.journal": "what a stopped run leaves, and the error that says so",
    "theory.bounds": "norm_bound, and what follows from it",
    "theory.decay": "the factor of a step and its products",
    "theory.collapse_rate": "the rate of collapse, and the size that it is worth",
    "theory.moments": "second moments, the expected norm and diversity",
    "theory.overlap.information": "missing information and the factor it gives",
    "theory.overlap.step": "the factor of one step, computed and measured",
}
MOST_MODULES = 15
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
FILES = sorted(PACKAGE.rglob("*.py"))


def name_of(path, root=PACKAGE):
    """The dotted name of a file, a package being its __init__."""
    parts = path.relative_to(root.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in FILES}


# Where each public name is defined, as the package's stub says.
HOMES = {
    alias.name: str(node.module).removeprefix("lwdstats.")
    for node in ast.parse((PACKAGE / "__init__.pyi").read_text()).body
    if isinstance(node, ast.ImportFrom)
    for alias in node.names
}


def imports_of(source, name, modules):
    """The modules of the package that a module imports, wherever in it and in whatever form."""
    package = name if name in packages_of(modules) else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                base = ".".join([*parents[: len(parents) - node.level + 1], *filter(None, [base])])
            if base.split(".")[0] == "lwdstats":
                for alias in node.names:
                    inner = f"{base}.{alias.name}"
                    yield inner if inner in modules else base
        elif isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.split(".")[0] == "lwdstats")
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            argument = node.args[0] if node.args else None
            if isinstance(argument, ast.Constant) and str(argument.value).startswith("lwdstats"):
                yield argument.value


def packages_of(modules):
    return {name for name, path in modules.items() if path.name == "__init__.py"}


def graph():
    return {
        name: set(imports_of(path.read_text(), name, MODULES))
        for name, path in MODULES.items()
        if name != "lwdstats"
    }


@pytest.mark.parametrize("name", sorted(set(MODULES) - {"lwdstats"}))
def test_imports_go_one_way(name):
    own = name.split(".")[1]
    assert own in RANK, f"{own} is in no layer"
    for other in imports_of(MODULES[name].read_text(), name, MODULES):
        assert other != "lwdstats", "a module imports the package's own face"
        assert other in MODULES, f"there is no module {other}"
        layer = other.split(".")[1]
        assert layer == own or RANK[layer] < RANK[own], f"{own} imports {other}"


def test_no_circle_of_files():
    try:
        tuple(graphlib.TopologicalSorter(graph()).static_order())
    except graphlib.CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import lwdstats", {"lwdstats"}),
        ("import lwdstats as lwd", {"lwdstats"}),
        ("from lwdstats import fnorm", {"lwdstats"}),
        ("from lwdstats import plots", {"lwdstats.plots"}),
        ("import lwdstats.plots", {"lwdstats.plots"}),
        ("from lwdstats.inference.nls import nls", {"lwdstats.inference.nls.nls"}),
        ("from lwdstats.inference.nls.nls import nls", {"lwdstats.inference.nls.nls"}),
        ("def f():\n    from lwdstats.plots import plot", {"lwdstats.plots"}),
        ("if TYPE_CHECKING:\n    import lwdstats.plots", {"lwdstats.plots"}),
        ("from . import spec", {"lwdstats.mixtures.spec"}),
        ("from ..errors import InputError", {"lwdstats.errors"}),
        ("import importlib\nimportlib.import_module('lwdstats.plots')", {"lwdstats.plots"}),
        ("import numpy\nfrom xarray import Dataset", set()),
    ],
)
def test_the_walk_sees_every_form_of_import(source, found):
    assert set(imports_of(source, "lwdstats.mixtures.components", MODULES)) == found


@pytest.mark.parametrize("package", sorted(packages_of(MODULES)))
def test_a_package_is_no_heap(package):
    folder = PACKAGE.parent / package.replace(".", "/")
    modules = [path.name for path in folder.glob("*.py") if path.name != "__init__.py"]
    assert len(modules) <= MOST_MODULES, modules


@pytest.mark.parametrize("package", sorted(packages_of(MODULES) - {"lwdstats"}))
def test_a_package_holds_a_line_of_doc_and_no_code(package):
    tree = ast.parse(MODULES[package].read_text())
    assert len(tree.body) == 1
    assert len(str(ast.get_docstring(tree)).splitlines()) == 1


@pytest.mark.parametrize("home", sorted(set(HOMES.values())))
def test_a_file_bears_the_name_of_its_public_function(home):
    names = {name for name, at in HOMES.items() if at == home}
    file = home.rpartition(".")[2].replace("_", "")
    named = file in {name.replace("_", "").lower() for name in names}
    assert named or home in TOPICS, f"{home} holds {sorted(names)}"


def test_topics_are_those_of_files_with_public_names():
    assert set(TOPICS) <= set(HOMES.values())


def test_no_module_hides_a_public_name():
    # To import lwdstats.x makes the module x an attribute, which would take the place of a name x.
    modules = {path.stem for path in PACKAGE.iterdir() if not path.name.startswith("_")}
    assert not modules & set(lwdstats.__all__)


def test_import_loads_nothing_heavy():
    code = f"import lwdstats, sys; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there():
    assert set(lwdstats.__all__) == set(HOMES)
    for name in lwdstats.__all__:
        assert getattr(lwdstats, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = lwdstats.nothing


def test_a_name_of_before_still_works():
    from lwdstats.inference.nls.solver import FitStatus

    with pytest.warns(DeprecationWarning, match="is called lwdstats.FitStatus"):
        assert lwdstats.Convergence is FitStatus
    assert "Convergence" not in lwdstats.__all__


def test_setup_finds_every_package():
    import configparser

    from setuptools import find_packages

    config = configparser.ConfigParser()
    config.read(PACKAGE.parent / "setup.cfg")
    assert config["options"]["packages"].strip() == "find:"
    assert config["options.packages.find"]["include"].split() == ["lwdstats*"]
    found = find_packages(str(PACKAGE.parent), include=["lwdstats*"])
    assert set(found) == packages_of(MODULES)
