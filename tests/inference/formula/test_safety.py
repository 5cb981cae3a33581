"""No text of a formula reaches Python, and what is not offered is refused by name."""

import builtins
import os
import subprocess

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lwdstats as lwd
from lwdstats.inference.permutation.adonis2 import adonis2

DATA = {
    "z": [1.0, 2.0, 4.0, 3.0, 7.0, 5.0],
    "k": [1, 2, 3, 1, 2, 3],
    "g": list("aabbab"),
    "h": list("xyxyxy"),
}
D = lwd.dist(DATA["z"])
ATTACKS = [
    "__import__('os')",
    "__import__('os').system('true')",
    "I(__import__('os').getpid() + z)",
    "I(print('x') or z)",
    "I((lambda: z)())",
    "I([x for x in z])",
    "z.__class__",
    "I(z.__class__)",
    "I(z.__class__.__mro__)",
    "().__class__",
    "I(().__class__.__bases__[0].__subclasses__())",
    "`z`.__class__",
    "z[0]",
    "z[[0]]",
    "I(z$k)",
    "eval('z')",
    "exec('z')",
    "open('x')",
    "getattr(z, 'sum')",
    "globals()",
    "I(globals()['z'])",
    "vars(z)",
    "np.log(z)",
    "numpy::log(z)",
    "base::log(z)",
    "log.__call__(z)",
    "system('true')",
    "get('log')(z)",
    "do.call(log, z)",
    "(log)(z)",
    "`log`(z)",
    "function(x) x",
    "{z}",
    "{print('x')}",
    "I({z})",
    "z; print('x')",
    "z = 1",
    "I(z = 1)",
    "z := 1",
    "z <- 1",
    "f'{z}'",
    "I(f'{z}')",
    "I('{z}'.format(z))",
    'I("{z.__class__}")',
    "@z",
    "z @ z",
    "I(z @ z)",
    "I(z // 2)",
    "I(~z)",
    "z\n~ g",
    "z # g",
    "\\x7a",
    "I(1j * z)",
    "I(0x10 * z)",
    "I(z if z else z)",
    "I(not z)",
    "I(*z)",
    "I(**z)",
    "cut(z, *k)",
    "cut(z, **k)",
    "cut(x=z, breaks=3, x=z)",
    "cut(z, include_lowest=TRUE, breaks=3)",
    "seq(from_=1, to=6)",
    "C(z, contr=print)",
    "bs(z, 3)",
    "offset(z)",
    "lag(z)",
    "contr.sum(g)",
    "TRUE(z)",
    "'z'(z)",
    "3(z)",
    "z(z)",
    "d.z",
    "NA",
    "I(NA * z)",
    "NULL",
    "'z'",
    "3",
    "z + 'k'",
    "z ~ g",
    "~ z",
    "z < k < 3",
    "z && k",
    "I(z %nothing% k)",
    "z %nothing% k",
]


@pytest.fixture
def _nothing_runs(monkeypatch):
    adonis2("d ~ z + g", DATA, d=D, permutations=1)  # has loaded what it needs

    def ran(*args, **kwargs):
        raise AssertionError(f"ran with {args}")

    for where, names in (
        (builtins, ("eval", "exec", "open", "print")),
        (os, ("system", "popen", "getpid")),
        (subprocess, ("Popen",)),
    ):
        for name in names:
            monkeypatch.setattr(where, name, ran)


@pytest.mark.usefixtures("_nothing_runs")
@pytest.mark.parametrize("right", ATTACKS)
def test_nothing_but_columns_and_functions_offered(right):
    with pytest.raises(lwd.InputError) as error:
        adonis2(f"d ~ {right}", DATA, d=D, permutations=1)
    assert error.value.argument in ("formula", "data")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("inner", ["(" * 3000 + "z" + ")" * 3000, "-" * 3000 + "z"])
@pytest.mark.parametrize("right", ["{}", "I({})", "I(z + {})", "z + ({})"])
def test_deep_formulas_are_refused(right, inner):
    with pytest.raises(lwd.InputError, match="levels"):
        adonis2(f"d ~ {right.format(inner)}", DATA, d=D)


@pytest.mark.parametrize("operator", ["+", "*", "^", ":", "%%", "<", "&", "-"])
def test_long_formulas_are_read_or_refused(operator):
    with pytest.raises(lwd.InputError):
        adonis2(f"d ~ I({operator.join(['z'] * 3000)})", DATA, d=D)
    if operator != "+":
        return
    data = pd.DataFrame(np.eye(40)[:, np.arange(3000) % 30], columns=[f"x{i}" for i in range(3000)])
    d = lwd.dist(np.random.default_rng(1).normal(size=(40, 2)))
    table = adonis2(f"d ~ {' + '.join(data)}", data, d=d, permutations=1, seed=1).table
    assert table.index[:-2].tolist() == [f"x{i}" for i in range(30)]


TOKENS = [
    *"zkgh()+-*/^:,=<>!&|~.'\"`%\\ ",
    "1",
    "2",
    "log",
    "I",
    "cut",
    "factor",
    "c",
    "TRUE",
    "%in%",
]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(TOKENS), max_size=14).map("".join))
def test_any_text_is_a_formula_or_bad_input(right):
    argument = "formula"
    try:
        table = adonis2(f"d ~ {right}", DATA, d=D, permutations=1, seed=1).table
        assert np.isfinite(table["sum_of_squares"]).all()
    except lwd.InputError as error:
        argument = error.argument
    assert argument in ("formula", "data")


@pytest.mark.parametrize(
    ("right", "got", "takes"),
    [
        ("nothing(z)", "nothing(z) with nothing()", "functions I, C, factor,.*new column of data"),
        ("if", "'if' in", "`if`"),
        ("_x + lambda", "no column _x", "columns of data"),
        ("cut(z, c(0, 3))", "cut(z, c(0, 3)), missing or infinite in 3 of 6", "finite"),
        ("cut(z, c(1, 1, 9))", "cut(z, c(1, 1, 9))", "breaks that differ"),
        ("cut(z, 1)", "cut(z, 1)", "2 to 100000 intervals"),
        ("cut(z, 3, labels = c('a', 'b'))", "labels", "3 labels"),
        ("cut(g, 3)", "cut(g, 3)", r"numbers; as.numeric\(\)"),
        ("cut(z)", "cut(z)", "x, breaks, labels, include.lowest, right, dig.lab, ordered_result"),
        ("cut(z, 3, riht = FALSE)", "riht", "the arguments x, breaks"),
        ("cut(z, 3, right = 0)", "right = 0", "TRUE or FALSE"),
        ("factor(g, levels = 'a')", "missing or infinite in 3 of 6", "finite"),
        ("factor(g, labels = c('u', 'v', 'w'))", "labels", "one for each of 2 levels"),
        ("relevel(g, 'a')", "relevel", r"factor\(\) makes one"),
        ("relevel(factor(g), 'c')", "relevel", "one of the levels a, b"),
        ("droplevels(g)", "droplevels", r"factor\(\) makes one"),
        ("as.numeric(g)", "as.numeric(g), missing or infinite in 6 of 6", "finite"),
        ("as.numeric(factor(g)) + log(z - 3)", "log(z - 3), missing or infinite in 3 of", "finite"),
        ("I(g + 1)", "g + 1", "numbers"),
        ("log(poly(z, 2))", "log(poly(z, 2))", "one column"),
        ("poly(z, 6)", "poly(z, 6)", "degree below"),
        ("poly(z, 1.5)", "poly(z, 1.5)", "whole degree"),
        ("I(g < 'b')", "g < ", "numbers"),
        ("I(sqrt(z - 3) > 1)", "sqrt(z - 3) > 1", "not missing"),
        ("ifelse(g == 'a', 1, 'b')", "ifelse", "text for both"),
        ("I(1:3 + z)", "1:3 + z", "one length"),
        ("I(mean(z))", "I(mean(z)), 1 values", "each of 6 rows"),
        ("c(z, k)", "c(z, k), 12 values", "each of 6 rows"),
        ("seq(1, 2, -1):g", "seq(1, 2, -1)", "steps from the first"),
        ("pi", "no column pi", "columns of data"),
        ("log(.)", "no column .", "columns of data"),
        ("interaction()", "interaction()", "one factor"),
        ("quantile(z, 2)", "quantile(z, 2)", "probabilities"),
    ],
)
def test_what_cannot_be_used_is_said_with_what_can(right, got, takes):
    with pytest.raises(lwd.InputError, match=takes) as error:
        adonis2(f"d ~ {right}", DATA, d=D)
    assert got in str(error.value)
