"""Numbers and tables as R lays them out."""

import math

import numpy as np
import pandas as pd
import pytest
from paths import from_r

from lwdstats.results import printing
from lwdstats.results.result import Result

LAYOUT = from_r("nls")["layout"]
TABLES = from_r("printing")["tables"]


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


@pytest.mark.parametrize("case", TABLES, ids=lambda c: str(c["p"]))
def test_stars_and_their_legend_show_as_in_r(case):
    p = [math.nan if v is None else v for v in case["p"]]
    n = len(p)
    frame = pd.DataFrame(
        {
            "Estimate": np.arange(1.0, n + 1.0) + 0.25,
            "Std. Error": 0.5,
            "t value": 2.125,
            "Pr(>|t|)": p,
        },
        index=list("abcdefg"[:n]),
    )
    lines = printing.coefficient_lines(
        frame,
        estimates=["Estimate", "Std. Error"],
        tests=["t value"],
        p_value="Pr(>|t|)",
    )
    assert lines == case["lines"]


def test_long_named_vectors_break():
    lines = printing.named_lines([f"name{i}" for i in range(30)], np.arange(30.0))
    assert len(lines) == 6
    assert max(map(len, lines)) <= 80


class Made(Result):
    def to_frame(self):
        table = {"a_b": [1.23456, math.nan], "Pr(>|t|)": [0.5, 0.25], "n": [1234567, 2]}
        table["who"] = ["<i>", "~^\\"]
        return pd.DataFrame(table, index=["x|y", "50%"])

    def _caption(self):
        return "y < x"


def test_a_table_for_notebooks():
    html = Made()._repr_html_()
    assert html.startswith("<p>y &lt; x</p><table")
    for text in ("1.235", "Pr(&gt;|t|)", "&lt;i&gt;", "1234567"):
        assert text in html
    assert "<i>" not in html


def test_a_table_for_readmes():
    assert Made().to_markdown().splitlines() == [
        r"|  | a_b | Pr(>\|t\|) | n | who |",
        "| --- | ---: | ---: | ---: | --- |",
        r"| x\|y | 1.235 | 0.5 | 1234567 | \<i> |",
        r"| 50% |  | 0.25 | 2 | ~^\\ |",
    ]


def test_a_table_for_papers():
    assert Made().to_latex().splitlines() == [
        r"\begin{tabular}{lrrrl}",
        r"\toprule",
        r" & a\_b & Pr(\textgreater{}\textbar{}t\textbar{}) & n & who \\",
        r"\midrule",
        r"x\textbar{}y & 1.235 & 0.5 & 1234567 & \textless{}i\textgreater{} \\",
        r"50\% &  & 0.25 & 2 & \textasciitilde{}\textasciicircum{}\textbackslash{} \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_rows_of_one_name_are_kept_apart():
    class Twins(Result):
        def to_frame(self):
            return pd.DataFrame({"x": [1.0, 2.0]}, index=["a", "a"])

    assert Twins().to_markdown().splitlines()[2:] == ["| a | 1 |", "| a | 2 |"]


def test_zero_has_no_sign():
    assert printing.format_numbers([-0.0, 1.5], 4) == ["0.0", "1.5"]
