"""Formulas with odd names, functions and ordered factors, by the numbers of vegan and R."""

import numpy as np
import pandas as pd
import pytest
from paths import from_r

from lwdstats.inference.formula.evaluate import evaluate
from lwdstats.inference.formula.syntax import parse, written
from lwdstats.inference.formula.values import Factor
from lwdstats.inference.permutation.adonis2 import adonis2

REFERENCE = from_r("formulas")


def column(shown):
    if "codes" in shown:
        return pd.Categorical.from_codes(shown["codes"], shown["levels"], shown["ordered"])
    (values,) = shown.values()
    return values


def value(shown):
    if "codes" in shown:
        codes = [-1 if code is None else code for code in shown["codes"]]
        return Factor(np.array(codes), tuple(shown["levels"]), shown["ordered"])
    ((kind, values),) = shown.items()
    return np.array(values, dtype={"numbers": float, "truth": bool, "text": object}[kind])


SETS = {
    name: (np.array(one["d"]), pd.DataFrame({k: column(v) for k, v in one["data"].items()}))
    for name, one in REFERENCE["sets"].items()
}


@pytest.mark.parametrize("case", REFERENCE["cases"], ids=lambda c: f"{c['right']}, {c['by']}")
def test_terms_are_those_of_vegan(case):
    d, data = SETS[case["set"]]
    table = adonis2(f"d ~ {case['right']}", data, d=d, permutations=1, by=case["by"], seed=1).table
    assert table.index.tolist() == case["terms"]
    assert table["df"].tolist() == case["df"]
    squares = np.array(case["sum_of_squares"])
    np.testing.assert_allclose(table["sum_of_squares"], squares, 1e-8, 1e-10 * squares[-1])
    tested = table["df"].to_numpy()[:-2] > 0
    theirs = np.array(case["f"][:-2], dtype=float)
    np.testing.assert_allclose(table["f"].to_numpy()[:-2][tested], theirs[tested], rtol=1e-8)


@pytest.mark.parametrize("i", range(len(REFERENCE["functions"])), ids=REFERENCE["functions"])
def test_functions_are_those_of_r(i):
    for one in REFERENCE["values"]:
        columns = {name: value(shown) for name, shown in one["data"].items()}
        mine, theirs = evaluate(parse(REFERENCE["functions"][i]), columns), value(one["values"][i])
        if isinstance(theirs, Factor):
            assert isinstance(mine, Factor)
            assert mine.levels == theirs.levels
            assert mine.ordered == theirs.ordered
            assert mine.codes.tolist() == theirs.codes.tolist()
        elif theirs.dtype == float:
            if theirs.ndim > 1 and theirs.shape[1] == 1:  # scale() gives a matrix
                theirs = theirs[:, 0]
            mine = mine[:, 0] if mine.ndim > theirs.ndim else mine
            np.testing.assert_allclose(mine, theirs, rtol=1e-10, atol=1e-12)
        else:
            assert mine.dtype == theirs.dtype
            assert mine.tolist() == theirs.tolist()


@pytest.mark.parametrize(
    ("text", "label"), list(zip(REFERENCE["texts"], REFERENCE["labels"], strict=True))
)
def test_variables_are_written_as_r_writes_them(text, label):
    assert written(parse(text)) == label
    assert parse(label) == parse(written(parse(text)))
