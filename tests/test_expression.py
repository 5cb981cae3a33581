"""The formula grammar, against Python's own arithmetic."""

import ast
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwdstats.errors import InputError
from lwdstats.expression import parse

NUMBERS = st.integers(1, 9).map(str)
NAMES = st.sampled_from(["k", "B", "t"])
VALUES = {"k": 1.7, "B": 2.0, "t": 3.3}


def python_value(text):
    """The value by Python's grammar, of a tree that holds arithmetic only."""
    tree = ast.parse(text.replace("^", "**"), mode="eval")
    allowed = (ast.Expression, ast.BinOp, ast.UnaryOp, ast.Constant, ast.Name, ast.Load)
    assert all(isinstance(n, (*allowed, ast.operator, ast.unaryop)) for n in ast.walk(tree))
    return eval(compile(tree, "", "eval"), {"__builtins__": {}}, VALUES)  # noqa: S307


def sums(inner):
    operator = st.sampled_from([" + ", "-", "*", " / "])
    return st.one_of(
        st.tuples(inner, operator, inner).map("".join),
        inner.map("({})".format),
        inner.map("-({})".format),
        st.tuples(inner.map("({})".format), st.sampled_from(["^2", "^-1", "**3"])).map("".join),
    )


@given(st.recursive(st.one_of(NUMBERS, NAMES), sums, max_leaves=12))
def test_agrees_with_python(text):
    try:
        expected = python_value(text)
    except ZeroDivisionError:
        return
    if abs(expected) < 1e12:
        with np.errstate(all="ignore"):
            assert float(parse(text)(VALUES)) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1/(k B^2)", 1 / (1.7 * 4)),
        ("-k^2", -(1.7**2)),
        ("2^-1", 0.5),
        ("2^3^2", 512.0),
        ("-2^2", -4.0),
        ("exp(log(k)) sqrt(4)", 3.4),
        ("sin(pi) + cos(0) + atan(1)*4", 1 + math.pi),
        ("1e-3 * 2.5E2", 0.25),
        ("--k", 1.7),
        ("`k` + `B`2", 5.7),
        ("log(8, 2) + log2(8) + log10(100)", 8.0),
        ("expm1(log1p(3)) + abs(-k)", 4.7),
        ("tanh(k) cosh(k) - sinh(k)", 0.0),
    ],
)
def test_values(text, value):
    assert float(parse(text)(VALUES)) == pytest.approx(value, abs=1e-15)


def test_broadcasts_and_names():
    assert parse("`+` + `(b)`.x + größe").names == ("+", "(b)", ".x", "größe")
    formula = parse("a / (k + 1)")
    assert formula.names == ("a", "k")
    np.testing.assert_array_equal(formula({"a": 1.0, "k": np.arange(3)}), [1, 1 / 2, 1 / 3])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1 +",
        "(1",
        "1)",
        "k(2)",
        "__import__('os')",
        "open(1)",
        "a.b(1)",
        "k;1",
        "[1]",
        "k=1",
        "'x'",
        "exp",
        "exp 2",
        "``",
        "`k",
        "`k`(2)(3)x(",
        "log(1, 2, 3)",
        "exp(1, 2)",
        "(" * 400 + "1" + ")" * 400,
        "2^" * 400 + "2",
    ],
)
def test_rejects(text):
    with pytest.raises(InputError, match=r"^rule: got .*takes a formula"):
        parse(text, argument="rule")
