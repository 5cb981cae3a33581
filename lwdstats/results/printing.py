"""Numbers and tables laid out as R prints them, shared by all results.

`format_numbers` follows R's ``format``, `format_p` its ``format.pval`` and
`coefficient_lines` its ``printCoefmat``, so that a printed result can be laid
beside R's. Lines carry no trailing blanks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from lwdstats.results.result import aligned

_LEGEND = "Signif. codes:  0 '***' 0.001 '**' 0.01 '*' 0.05 '.' 0.1 ' ' 1"
_EPS = float(np.finfo(np.float64).eps)
_WIDTH = 80


def format_numbers(values: npt.ArrayLike, digits: int = 7) -> list[str]:
    """Format numbers alike: as few decimals as show each to `digits` significant digits.

    Examples
    --------
    >>> format_numbers([1.23456789, 123.456], 4)
    ['  1.235', '123.456']
    >>> format_numbers([1e-10, 5.0], 4)
    ['1e-10', '5e+00']
    """
    numbers = np.ravel(np.asarray(values, dtype=float)).tolist()
    finite = [v for v in numbers if math.isfinite(v)]
    shapes = [_shape(v, digits) for v in finite]
    if shapes:
        right = max(0, *(significant - power - 1 for power, significant in shapes))
        left = max(max(p, 0) + 1 + (v < 0) for v, (p, _) in zip(finite, shapes, strict=True))
        fixed_width = left + right + (right > 0)
        decimals = max(significant for _, significant in shapes) - 1
        exponent = 3 if max(abs(power) for power, _ in shapes) >= 100 else 2
        negative = any(v < 0 for v in finite)
        scientific_width = negative + 1 + (decimals > 0) + decimals + 2 + exponent
        kind = f".{right}f" if fixed_width <= scientific_width else f".{decimals}e"
    else:
        kind = ".0f"
    cells = [_one(v, kind) for v in numbers]
    width = max((len(cell) for cell in cells), default=0)
    return [cell.rjust(width) for cell in cells]


def _one(value: float, kind: str) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Inf" if value > 0 else "-Inf"
    return format(value + 0.0, kind)  # 0 has no sign


def _shape(value: float, digits: int) -> tuple[int, int]:
    """Return the power of ten, and how many significant digits are needed (at most `digits`)."""
    if value == 0:
        return 0, 1
    mantissa, power = f"{value:.{digits - 1}e}".split("e")
    significant = len(mantissa.lstrip("-").replace(".", "").rstrip("0"))
    return int(power), max(significant, 1)


def format_p(values: npt.ArrayLike, digits: int = 3, eps: float = _EPS) -> list[str]:
    """Format p-values; those below `eps` are shown as ``<eps``.

    Examples
    --------
    >>> format_p([0.00012345, 0.5, 1e-20])
    ['0.000123', '0.500000', '< 2e-16']
    """
    numbers = np.ravel(np.asarray(values, dtype=float)).tolist()
    shown = [v for v in numbers if v >= eps]
    powers = [math.floor(math.log10(v)) for v in shown]
    fixed = np.array([p >= -3 or (p == -4 and digits > 1) for p in powers], dtype=bool)
    cells = np.empty(len(shown), dtype=object)
    for at in (fixed, ~fixed):
        cells[at] = format_numbers(np.array(shown)[at], digits)
    texts = cells.tolist()
    small_digits, gap = max(1, digits - 2), " "
    if texts:
        width = max(len(text) for text in texts)
        if small_digits > 1 and small_digits + 6 > width:
            small_digits = max(1, width - 7)
        gap = "" if small_digits == 1 and width <= 6 else " "
    elif small_digits == 1:
        gap = ""
    small = f"<{gap}{format_numbers(eps, small_digits)[0]}"
    rest = iter(texts)
    return ["NA" if math.isnan(v) else next(rest) if v >= eps else small for v in numbers]


def stars(p: float) -> str:
    """Return R's mark of significance for a p-value.

    Examples
    --------
    >>> [stars(p) for p in (0.0001, 0.005, 0.03, 0.07, 0.5)]
    ['***', '**', '*', '.', '']
    """
    for limit, mark in ((0.001, "***"), (0.01, "**"), (0.05, "*"), (0.1, ".")):
        if p <= limit:
            return mark
    return ""


def coefficient_lines(
    table: pd.DataFrame,
    digits: int = 4,
    *,
    estimates: Sequence[str] = (),
    tests: Sequence[str] = (),
    zap: Sequence[str] = (),
    p_value: str | None = None,
    marks: bool = True,
    missing: str = "NA",
) -> list[str]:
    r"""Lay out a table of coefficients, or of an analysis of variance.

    Parameters
    ----------
    table : pandas.DataFrame
        Numbers; the index names the rows.
    digits : int
        Significant digits.
    estimates : sequence of str
        Columns that share their decimals: estimates and standard errors.
    tests : sequence of str
        Columns of test statistics, which show fewer decimals.
    zap : sequence of str
        Columns in which what is tiny beside the largest shows as 0.
    p_value : str, optional
        The column of p-values.
    marks : bool
        Whether it gets stars and a legend.
    missing : str
        How a missing number shows.

    Returns
    -------
    list of str

    Examples
    --------
    >>> frame = pd.DataFrame({"Estimate": [1.5, 20.25], "p": [0.0123, 0.5]}, index=["a", "b"])
    >>> print("\n".join(coefficient_lines(frame, estimates=["Estimate"], p_value="p")))
      Estimate      p
    a     1.50 0.0123 *
    b    20.25 0.5000
    ---
    Signif. codes:  0 '***' 0.001 '**' 0.01 '*' 0.05 '.' 0.1 ' ' 1
    """
    test_digits = max(1, min(5, digits - 1))
    numbers = {str(c): table[c].to_numpy(dtype=float) for c in table.columns}
    for name in zap:
        numbers[name] = _zapsmall(numbers[name], digits)
    cells: dict[str, list[str]] = {}
    if estimates:
        block = np.stack([numbers[name] for name in estimates], axis=1)
        texts = format_numbers(_round_estimates(block, digits), digits)
        for j, name in enumerate(estimates):
            cells[name] = texts[j :: len(estimates)]
    for name, column in numbers.items():
        if name == p_value:
            cells[name] = format_p(column, test_digits)
        elif name not in estimates:
            rounded = _rounded(column, test_digits) if name in tests else column
            # What is missing takes no room.
            cells[name] = [cell.strip() for cell in format_numbers(rounded, digits)]
    _rescue(cells, numbers, [n for n in numbers if n not in tests and n != p_value], digits)
    head, columns = ["", *numbers], [[str(name) for name in table.index]]
    for name, column in numbers.items():
        pairs = zip(column, cells[name], strict=True)
        columns.append([missing if math.isnan(v) else cell for v, cell in pairs])
    p_values = numbers[p_value].tolist() if p_value is not None else []
    # As in R, a p of exactly 0.1 has its point only beside one that is below 0.1.
    starred = marks and any(p < 0.1 for p in p_values)
    if starred:
        head.append("")
        columns.append([stars(p) for p in p_values])
    lines = aligned(head, list(zip(*columns, strict=True)), left=[0, len(numbers) + 1])
    return [*lines, "---", _LEGEND] if starred else lines


def _rounded(values: npt.NDArray[np.float64], places: int) -> npt.NDArray[np.float64]:
    # Python's round, like R's, is exact in decimal where NumPy's is not.
    return np.reshape([round(v, places) for v in values.ravel().tolist()], values.shape)


def _zapsmall(values: npt.NDArray[np.float64], digits: int) -> npt.NDArray[np.float64]:
    largest = np.nanmax(np.abs(values)) if np.isfinite(values).any() else 0.0
    # As R to 4.3 rounds digits - log10(largest); later it takes the ceiling of the logarithm.
    places = max(0, math.floor(digits - math.log10(largest) + 0.5)) if largest > 0 else digits
    return _rounded(values, places)


def _round_estimates(block: npt.NDArray[np.float64], digits: int) -> npt.NDArray[np.float64]:
    size = np.abs(block[np.isfinite(block) & (block != 0)])
    if not size.size:
        return block
    places = max(1, digits - 1 - math.floor(math.log10(size.min())))
    return _rounded(block, places)


def _rescue(
    cells: dict[str, list[str]],
    numbers: dict[str, npt.NDArray[np.float64]],
    names: list[str],
    digits: int,
) -> None:
    """Show again, in scientific notation if need be, what rounding has made 0."""
    lost = [
        (name, i)
        for name in names
        for i, (text, v) in enumerate(zip(cells[name], numbers[name].tolist(), strict=True))
        if math.isfinite(v) and v != 0 and float(text) == 0
    ]
    again = format_numbers([numbers[n][i] for n, i in lost], max(1, digits - 1)) if lost else []
    for (name, i), text in zip(lost, again, strict=True):
        cells[name][i] = text


def named_lines(names: Sequence[str], values: npt.ArrayLike, digits: int = 4) -> list[str]:
    r"""Lay out named numbers, names above, in lines of at most 80 characters.

    Examples
    --------
    >>> print("\n".join(named_lines(["Asym", "lrc"], [2.0, -1.6094])))
      Asym    lrc
     2.000 -1.609
    """
    cells = format_numbers(values, digits)
    width = max(len(text) for text in (*names, *cells))
    a_line = max(1, _WIDTH // (width + 1))
    lines = []
    for first in range(0, len(cells), a_line):
        for texts in (names, cells):
            shown = [text.rjust(width) for text in texts[first : first + a_line]]
            lines.append(" ".join(shown).rstrip())
    return lines


def matrix_lines(table: pd.DataFrame, digits: int = 7) -> list[str]:
    """Lay out a table of numbers as R prints a matrix, each column by itself."""
    columns = [map(str, table.index), *(format_numbers(table[c], digits) for c in table.columns)]
    return aligned(["", *map(str, table.columns)], list(zip(*columns, strict=True)), left=[0])
