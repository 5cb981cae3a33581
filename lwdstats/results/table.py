"""Frames as a notebook, Markdown and LaTeX show them."""

from __future__ import annotations

import math
from html import escape
from typing import Any

import numpy as np
import pandas as pd

# A notebook shows the first and the last rows of a table that is longer, as pandas does.
_ROWS = 60
_MARKDOWN = {c: f"\\{c}" for c in "\\|*<`"} | {"\n": " "}
# In LaTeX's old text fonts <, > and | are other signs.
_LATEX = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "\n": " ",
}


def html(frame: pd.DataFrame, caption: str) -> str:
    """Return a table as a notebook shows it, with what stands above it."""
    above = f"<p>{escape(caption)}</p>" if caption else ""
    return above + frame.to_html(float_format=_short, na_rep="", max_rows=_ROWS)


def markdown(frame: pd.DataFrame) -> str:
    """Return a table in Markdown, as GitHub reads it."""
    head, rows = _texts(frame)
    lines = [[_escape(cell, _MARKDOWN) for cell in line] for line in (head, *rows)]
    lines.insert(1, ["---" if left else "---:" for left in _on_the_left(frame)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def latex(frame: pd.DataFrame) -> str:
    """Return a table as a LaTeX ``tabular``, with rules of the booktabs package."""
    head, rows = _texts(frame)
    body = [" & ".join(_escape(cell, _LATEX) for cell in line) + r" \\" for line in (head, *rows)]
    columns = "".join("l" if left else "r" for left in _on_the_left(frame))
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", body[0], r"\midrule", *body[1:]]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def _texts(frame: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Return the head of a table and its rows, the index first."""
    head = ["", *map(str, frame.columns)]
    # Tuples keep each column's type, where a row of the frame has one for all.
    rows = [[str(name), *map(_short, values)] for name, *values in frame.itertuples()]
    return head, rows


def _on_the_left(frame: pd.DataFrame) -> list[bool]:
    """Return which columns are on the left: the index and those of text."""
    return [True, *(not pd.api.types.is_numeric_dtype(kind) for kind in frame.dtypes)]


def _short(value: Any) -> str:
    if not isinstance(value, float | np.floating):
        return str(value)
    return "" if math.isnan(value) else f"{value + 0.0:.4g}"


def _escape(text: str, special: dict[str, str]) -> str:
    return "".join(special.get(c, c) for c in text)
