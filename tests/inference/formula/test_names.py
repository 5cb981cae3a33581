"""A name means its column, whatever it is: formulas agree with those of plain names."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

import lwdstats as lwd
from lwdstats.inference.formula.syntax import Call, Name, parse, quoted_name, written
from lwdstats.inference.permutation.adonis2 import adonis2

ODD = [
    *("mean.length", ".x", "dose (mg)", "a b", "a+b", "a:b", "1st", "3", "if", "TRUE", "NULL"),
    *("class", "lambda", "import", "None", "I", "C", "log", "T", "F", "pi", "c", "factor"),
    *("größe", "δ", "数", "it's", '"q"', "back\\slash", "tick`", "x~y", "a,b", "(", "%in%", "_u"),
    *("__class__", "d.x", "d", "z0", "x = 1", "# no", "new\nline"),
]
NUMBERS = ["Z0", "Z1", "Z2"]
FACTORS = ["G0", "G1", "O0"]


def calls(name):
    """Variables of a number, of a factor, or of both."""
    return st.sampled_from(
        [f"{f}({name})" for f in ("I", "scale", "exp", "factor", "as.numeric", "atan")]
        + [f"poly({name}, 2)", f"cut({name}, 3)", f"I({name}^2 - {name} / 2)", f"I({name} > 0)"]
        if name in NUMBERS
        else [f"{f}({name})" for f in ("I", "factor", "as.ordered", "C", "interaction")]
        + [f"relevel(factor({name}, ordered = FALSE), 2)", f"ifelse({name} == 'b', Z0, Z1)"]
    )


VARIABLES = st.sampled_from(NUMBERS + FACTORS).flatmap(lambda n: st.one_of(st.just(n), calls(n)))
FORMULAS = st.recursive(
    VARIABLES,
    lambda inner: st.tuples(
        inner, st.sampled_from([" + ", "*", ":", " - ", "/", " %in% "]), inner
    ).map(lambda parts: f"({''.join(parts)})"),
    max_leaves=4,
)


def with_names(tree, names):
    if isinstance(tree, Name):
        return Name(names.get(tree.name, tree.name))
    if isinstance(tree, Call):
        arguments = tuple(with_names(part, names) for part in tree.arguments)
        return Call(tree.function, arguments, tree.names)
    return tree


@st.composite
def frames(draw):
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    n = 30
    columns = {name: rng.normal(size=n) for name in NUMBERS}
    for name in FACTORS:
        columns[name] = pd.Categorical(rng.permutation(np.resize(list("abc"), n)))
    columns["O0"] = columns["O0"].as_ordered()
    names = draw(st.lists(st.sampled_from(ODD), min_size=6, max_size=6, unique=True))
    return pd.DataFrame(columns), dict(zip(columns, names, strict=True))


def table(formula, data, by):
    d = lwd.dist(np.random.default_rng(5).normal(size=(30, 2)))
    try:
        return adonis2(f"d ~ {formula}", data, d=d, permutations=1, by=by, seed=1).table
    except lwd.InputError as error:
        return error.argument


@settings(max_examples=60, deadline=None)
@given(FORMULAS, frames(), st.sampled_from(["terms", "margin", None]))
def test_a_name_means_its_column_whatever_it_is(formula, frame, by):
    data, odd = frame
    renamed = written(with_names(parse(formula), odd))
    # Columns that a formula does not name change nothing, whatever they hold.
    mine = table(renamed, data.rename(columns=odd).assign(unused=None), by)
    right = table(formula, data, by)
    if isinstance(right, str):
        assert mine == right
        return
    np.testing.assert_array_equal(mine, right)
    back = {name: plain for plain, name in odd.items()}
    plain = [written(with_names(parse(term), back)) for term in mine.index]
    assert plain == right.index.tolist()


@given(st.sampled_from(ODD) | st.text(min_size=1).filter(str.strip))
def test_names_are_read_as_they_are_written(name):
    assert parse(quoted_name(name)) == Name(name)
