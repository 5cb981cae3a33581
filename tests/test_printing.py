"""Numbers and tables as R lays them out."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lwdstats.inference import printing

LAYOUT = json.loads((Path(__file__).parent / "r" / "nls.json").read_text())["layout"]


@pytest.mark.parametrize("case", LAYOUT["numbers"], ids=lambda c: str(c["x"]))
def test_numbers_are_formatted_as_in_r(case):
    assert printing.format_numbers(case["x"], 4) == case["d4"]
    assert printing.format_numbers(case["x"], 7) == case["d7"]


@pytest.mark.parametrize("case", LAYOUT["p"], ids=lambda c: str(c["x"]))
def test_p_values_are_formatted_as_in_r(case):
    assert printing.format_p(case["x"], 3) == case["d3"]
    assert printing.format_p(case["x"], 4) == case["d4"]


def test_what_is_not_finite_has_a_name():
    assert printing.format_numbers([1.5, math.nan, -math.inf]) == [" 1.5", " NaN", "-Inf"]
    assert printing.format_numbers([math.nan]) == ["NaN"]
    assert printing.format_p([math.nan, 0.5]) == ["NA", "0.5"]
    assert printing.stars(math.nan) == ""


def test_no_legend_without_stars():
    frame = pd.DataFrame({"Estimate": [1.0], "p": [0.5]}, index=["a"])
    lines = printing.coefficient_lines(frame, estimates=["Estimate"], p_value="p")
    assert lines == ["  Estimate   p", "a        1 0.5"]


def test_long_named_vectors_break():
    lines = printing.named_lines([f"name{i}" for i in range(30)], np.arange(30.0))
    assert len(lines) == 6
    assert max(map(len, lines)) <= 80


class Result(printing.PrintsTable):
    def _frame(self):
        return pd.DataFrame({"a_b": [1.23456, math.nan]}, index=["x|y", "50%"])

    def _heading(self):
        return "y < x"


def test_a_table_for_notebooks_and_papers():
    html = Result()._repr_html_()
    assert html.startswith("<p>y &lt; x</p><table")
    assert "1.235" in html
    assert Result().to_markdown().splitlines() == [
        "|  | a_b |",
        "| --- | ---: |",
        r"| x\|y | 1.235 |",
        "| 50% |  |",
    ]
    assert Result().to_latex().splitlines() == [
        r"\begin{tabular}{lr}",
        r"\toprule",
        r" & a\_b \\",
        r"\midrule",
        r"x|y & 1.235 \\",
        r"50\% &  \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]
