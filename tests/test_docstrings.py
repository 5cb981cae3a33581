"""Docstrings are short enough to be read."""

import inspect

import pytest

import lwdstats as lwd

MOST_LINES = 80


def public_members(name):
    """What a user may ask help on: a public name, and what a public class has of its own."""
    thing = getattr(lwd, name)
    yield name, thing
    if inspect.isclass(thing):
        for attribute in dir(thing):
            if not attribute.startswith("_"):
                yield f"{name}.{attribute}", getattr(thing, attribute)


@pytest.mark.parametrize("name", sorted(set(lwd.__all__) - {"__version__"}))
def test_docstrings_fit_a_screen_or_two(name):
    for member, thing in public_members(name):
        lines = (inspect.getdoc(thing) or "").splitlines()
        assert lines or member != name, f"{member} has no docstring"
        assert len(lines) <= MOST_LINES, f"{member}: {len(lines)} lines"
