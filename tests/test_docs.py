"""The pages in docs/ say what the code does."""

import doctest
import subprocess
import sys

import pytest
from paths import ROOT


@pytest.fixture(autouse=True)
def _in_the_project(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_the_tutorial_runs_and_prints_what_it_says():
    flags = doctest.NORMALIZE_WHITESPACE
    tried = doctest.testfile(str(ROOT / "docs/tutorial.md"), module_relative=False,
                             optionflags=flags)  # fmt: skip
    assert tried.attempted > 10
    assert tried.failed == 0


def test_pages_hold_what_the_scripts_print():
    command = [sys.executable, "-W", "error", "analysis/pages.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
