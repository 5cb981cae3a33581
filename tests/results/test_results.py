"""What every result promises: it prints, becomes a table, is summarised and is drawn.

The types are found by walking the package, and made by the examples in its docstrings, so that a
new result is held to all of this without being named here.
"""

import ast
import dataclasses
import doctest
import importlib
import inspect
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.axes import Axes

import lwdstats as lwd
from lwdstats.results.result import PermutationResult, Result

PACKAGE = Path(lwd.__file__).parent
# Bases, which no function returns.
ABSTRACT = {"Result", "PermutationResult", "Coefficients"}
# Each replicate is a result of its own: it names a row, and may have a row of `glance`.
BY_REPLICATE = {"ChangePoints", "TrendTests"}
# A prompt is what a model read, a scenario what a run is to do: neither is computed.
NO_RESULTS = {"Prompt", "Scenario"}


def _types() -> dict[str, str]:
    """The module of each result type, by the type's name."""
    classes = {}
    for path in PACKAGE.rglob("*.py"):
        module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                classes[node.name] = (module, {ast.unparse(base) for base in node.bases})
    found = set(ABSTRACT)
    while more := {n for n, (_, bases) in classes.items() if bases & found} - found:
        found |= more
    return {name: classes[name][0] for name in sorted(found - ABSTRACT)}


TYPES = _types()


def _examples():
    """Public functions, methods of results, and others that have examples and return results."""
    for name in lwd.__all__:
        value = getattr(lwd, name)
        if inspect.isfunction(value) and name not in ("simulate_llm", "read_spec"):
            yield value
    for name, module in TYPES.items():
        kind = getattr(importlib.import_module(module), name)
        yield kind
        yield from (f for f in vars(kind).values() if inspect.isfunction(f))


@pytest.fixture(scope="module")
def made():
    """The results that examples make, by the name of their type."""
    found: dict[str, list[Result]] = {}

    def keep(cls, *args, **kwargs):
        one = object.__new__(cls)
        found.setdefault(cls.__name__, []).append(one)
        return one

    def forget(cls, *args, **kwargs):
        return object.__new__(cls)

    data = {"t": range(8), "y": [5.02, 3.81, 3.12, 2.66, 2.41, 2.23, 2.17, 2.08]}
    # A class never gets back the __new__ of object that it once had, so it is replaced twice.
    Result.__new__ = keep
    try:
        fit = lwd.nls("y ~ SSasymp(t, Asym, R0, lrc)", data)
        fit.summary()
        runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
        finder = doctest.DocTestFinder(recurse=False)
        for value in _examples():
            module = importlib.import_module(value.__module__)
            scope = {**vars(module), "fit": fit}
            for test in finder.find(value, value.__qualname__, module=module, globs=scope):
                runner.run(test, out=lambda _: None)
    finally:
        Result.__new__ = forget
    return found


@pytest.fixture(params=TYPES, ids=str)
def result(request, made):
    assert request.param in made, f"no example makes a {request.param}"
    return made[request.param][0]


def test_there_are_results_to_hold_to_it():
    assert len(TYPES) >= 25


def test_a_result_is_a_frozen_dataclass_that_says_what_its_fields_are(result):
    assert dataclasses.is_dataclass(result)
    assert type(result).__dataclass_params__.frozen
    doc = inspect.getdoc(type(result)) or ""
    assert "Attributes\n----------" in doc
    described = re.split(r"[\s,]+", " ".join(line for line in doc.splitlines() if line[:1] != " "))
    for field in dataclasses.fields(result):
        if not field.name.startswith("_"):
            assert field.name in described, field.name


def test_a_result_prints_its_lines(result):
    text = str(result)
    assert text == "\n".join(result.lines())
    assert text.strip()
    assert not any("\n" in line or line != line.rstrip() for line in result.lines())


def test_a_result_tidies_and_glances(result):
    tidy, glance = lwd.tidy(result), lwd.glance(result)
    pd.testing.assert_frame_equal(tidy, result.tidy())
    pd.testing.assert_frame_equal(glance, result.glance())
    by_replicate = type(result).__name__ in BY_REPLICATE
    assert by_replicate or len(glance) == 1
    for frame in (tidy, glance):
        assert by_replicate or isinstance(frame.index, pd.RangeIndex)
        assert len(frame.columns)
        assert not frame.columns.duplicated().any()
        for name in frame.columns:
            assert re.fullmatch(r"[a-z][a-z0-9_]*(\[\d+(,\d+)?\])?", name), name


def test_a_result_is_drawn(result):
    ax = result.plot()
    assert isinstance(ax, Axes)
    assert ax.has_data()
    assert ax.get_xlabel() or ax.get_ylabel()
    own = plt.subplots()[1]
    assert lwd.plot(result, ax=own) is own
    own.figure.canvas.draw()


def test_a_result_is_a_table_in_notebooks_readmes_and_papers(result):
    frame = result.to_frame()
    html, markdown, latex = result._repr_html_(), result.to_markdown(), result.to_latex()
    assert "<table" in html
    assert not re.search(r"<(?!/?(table|thead|tbody|tr|th|td|p)\b)", html)
    assert len(markdown.splitlines()) == len(frame) + 2
    assert latex.startswith(r"\begin{tabular}")
    assert latex.endswith(r"\end{tabular}")


def test_a_result_has_a_summary_that_is_a_result(result):
    summary = lwd.summary(result)
    assert isinstance(summary, Result)
    assert str(summary)
    assert lwd.summary(summary) is summary


def test_a_histogram_belongs_to_what_was_permuted(made):
    kinds = {name for name in made if isinstance(made[name][0], PermutationResult)}
    assert kinds >= {"HTest", "Mantel", "Protest", "Adonis", "DispersionTable"}


def test_what_public_functions_return_is_a_result():
    """Of all dataclasses of the package that a public function says it returns."""
    classes = {}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and "dataclass" in map(_name, node.decorator_list):
                classes[node.name] = node
    public = [getattr(lwd, name) for name in lwd.__all__]
    told = [str(f.__annotations__.get("return")) for f in public if inspect.isfunction(f)]
    returned = {word for text in told for word in re.findall(r"\w+", text)} & set(classes)
    assert len(returned) >= 15
    assert returned <= set(TYPES) | NO_RESULTS


def _name(decorator):
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return ast.unparse(called).rpartition(".")[2]
