"""Formulas of `nls`, their gradients, and what it does not take."""

import tracemalloc
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from paths import from_r

import lwdstats as lwd
from lwdstats.expression import value_and_gradient
from lwdstats.inference.nls.anova import anova
from lwdstats.inference.nls.formula import parse_formula
from lwdstats.inference.nls.nls import nls
from lwdstats.inference.nls.selfstart import SELF_STARTS, initial_values

VALUES = st.floats(-2, 2).filter(lambda v: abs(v) > 1e-3)


def assert_gradient_is_that_of_differences(expression, variables, values):
    value, gradient = value_and_gradient(expression, variables, values)
    np.testing.assert_allclose(value, expression({**variables, **values}), rtol=1e-13)
    for name, at in values.items():
        h = 1e-5 * max(1.0, abs(at))
        ends = [expression({**variables, **values, name: at + s * h}) for s in (-1, 1)]
        slope = (ends[1] - ends[0]) / (2 * h)
        size = 1.0 + np.abs(value) + np.abs(slope)
        assert np.all(np.abs(gradient[name] - slope) <= 1e-6 * size)


def operations(inner):
    pair = st.tuples(inner, inner)
    return st.one_of(
        pair.map(lambda p: f"({p[0]} + {p[1]})"),
        pair.map(lambda p: f"({p[0]} - {p[1]})"),
        pair.map(lambda p: f"({p[0]} * {p[1]})"),
        pair.map(lambda p: f"({p[0]} / (1 + ({p[1]})^2))"),
        pair.map(lambda p: f"(1 + ({p[0]})^2)^sin({p[1]})"),
        inner.map(lambda u: f"-({u})"),
        inner.map(lambda u: f"({u})^3"),
        inner.map(lambda u: f"sin({u})"),
        inner.map(lambda u: f"cos({u})"),
        inner.map(lambda u: f"atan({u})"),
        inner.map(lambda u: f"exp(sin({u}))"),
        inner.map(lambda u: f"sqrt(1 + ({u})^2)"),
        inner.map(lambda u: f"log(1 + ({u})^2)"),
        inner.map(lambda u: f"log(1 + ({u})^2, 3) - log2(2 + cos({u}))"),
        inner.map(lambda u: f"log10(1 + ({u})^2) * log1p(({u})^2)"),
        inner.map(lambda u: f"tanh({u}) + expm1(cos({u}))"),
        inner.map(lambda u: f"sinh(sin({u})) / cosh(sin({u})) + tan(sin({u}))"),
        inner.map(lambda u: f"abs(2 + sin({u}))"),
    )


formulas = st.recursive(st.sampled_from(["a", "b", "x", "2", "pi"]), operations, max_leaves=8)


@settings(max_examples=300)
@given(formulas, VALUES, VALUES)
def test_gradients_of_formulas_match_differences(text, a, b):
    expression = parse_formula(f"y ~ {text}").model
    x = np.linspace(-1, 1, 5)
    values = {name: v for name, v in {"a": a, "b": b}.items() if name in expression.names}
    # Where a formula is very steep or curved, differences are not exact enough to judge.
    size = np.max(np.abs(expression({"x": x, "a": a, "b": b})))
    bumps = [expression({"x": x, "a": a + d, "b": b + d}) for d in (-1e-2, 1e-2)]
    assume(size < 1e3 and np.max(np.abs(bumps[0] - bumps[1])) < 1)
    assert_gradient_is_that_of_differences(expression, {"x": x}, values)


@pytest.mark.parametrize("name", SELF_STARTS)
@settings(max_examples=50)
@given(st.data())
def test_gradients_of_self_starts_match_differences(name, data):
    law = SELF_STARTS[name]
    values = {p: data.draw(VALUES, label=p) for p in law.parameters}
    call = f"y ~ {name}(t, {', '.join(law.parameters)})"
    t = np.array([0.0, 0.5, 1, 2, 3])
    assert_gradient_is_that_of_differences(parse_formula(call).model, {"t": t}, values)


def test_self_starts_are_what_they_say():
    t = np.array([0.0, 1, 5])
    law = {name: SELF_STARTS[name] for name in SELF_STARTS}
    rate = np.exp(-1.2)
    np.testing.assert_allclose(law["SSasymp"](t, Asym=2, R0=5, lrc=-1.2), 2 + 3 * np.exp(-rate * t))
    np.testing.assert_allclose(law["SSasympOrig"](t, Asym=2, lrc=-1.2), 2 * (1 - np.exp(-rate * t)))
    np.testing.assert_allclose(law["SSpower"](t, c=2, a=3, b=0.5), 2 + 3 / np.sqrt(t + 1))
    np.testing.assert_allclose(law["SSexpfloor"](t, c=2, a=3, rate=0.3), 2 + 3 * np.exp(-0.3 * t))


TRUE = {
    "SSasymp": {"Asym": 2.0, "R0": 5.0, "lrc": -1.2},
    "SSasympOrig": {"Asym": 2.0, "lrc": -1.2},
    "SSpower": {"c": 2.0, "a": 3.0, "b": 0.7},
    "SSexpfloor": {"c": 2.0, "a": 3.0, "rate": 0.3},
}


@pytest.mark.parametrize("name", SELF_STARTS)
@pytest.mark.parametrize("held", [None, 0, -1])
def test_self_starts_begin_at_the_fit(name, held):
    law, values = SELF_STARTS[name], TRUE[name]
    t = np.arange(15.0)
    fixed = {} if held is None else {law.parameters[held]: values[law.parameters[held]]}
    start = initial_values(law, t, law(t, **values), np.linspace(1, 2, 15), fixed)
    assert start == pytest.approx({p: v for p, v in values.items() if p not in fixed}, rel=1e-3)


def test_self_starts_take_numbers_and_expressions():
    t = np.arange(15.0)
    y = 3 / (2 * t + 1) ** 0.7
    fit = nls("y ~ SSpower(2 * t, 0, a, b)", {"t": t, "y": y})
    assert fit.coef().to_dict() == pytest.approx({"a": 3, "b": 0.7})
    fit = nls("y ~ SSasymp(t, -0.5, R0, lrc)", {"t": t, "y": -0.5 + 2 * np.exp(-0.2 * t)})
    assert fit.coef().to_dict() == pytest.approx({"R0": 1.5, "lrc": np.log(0.2)})


T = np.arange(8.0)
DATA = {"t": T, "y": 2 + np.exp(-T), "s": ["a"] * 8, "w": np.ones(8)}
LINE = ("y ~ a + b*t", DATA, {"a": 0, "b": 0})


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ((3, DATA), "formula"),
        (("y", DATA), "formula"),
        (("y ~ ", DATA), "formula"),
        (("y ~ t ~ a", DATA), "formula"),
        (("y ~ a +* t", DATA, {"a": 1}), "formula"),
        (("y ~ __import__('os')", DATA, {"a": 1}), "formula"),
        (("y ~ SSlogis(t, Asym, xmid, scal)", DATA), "formula"),
        (("y ~ SSasymp(t, Asym, R0)", DATA), "formula"),
        (("y ~ SSasymp(t, Asym, R0, lrc", DATA), "formula"),
        (("3 ~ a * t", DATA, {"a": 1}), "formula"),
        (("y ~ 2 * t", DATA, {}), "formula"),
        (("log(y - 5) ~ a * t", DATA, {"a": 1}), "formula"),
        (("y ~ a * t", [1, 2], {"a": 1}), "data"),
        (("z ~ a * t", DATA, {"a": 1}), "data"),
        (("y ~ a * s", DATA, {"a": 1}), "data"),
        (("y ~ a * t", DATA | {"t": T[:5]}, {"a": 1}), "data"),
        (("y ~ a * t", DATA | {"t": np.full(8, np.inf)}, {"a": 1}), "data"),
        (("y ~ a * t", DATA | {"t": np.ones((8, 2))}, {"a": 1}), "data"),
        (("y ~ a + b*t", {"t": [1.0, 2], "y": [1.0, 3]}, {"a": 0, "b": 0}), "data"),
        (("y ~ a * t", DATA), "start"),
        (("y ~ SSasymp(t, Asym, R0 + 1, lrc)", DATA), "start"),
        (("y ~ SSasymp(t, Asym, Asym, lrc)", DATA), "start"),
        (("y ~ SSasymp(t, w, R0, lrc)", DATA), "start"),
        (("y ~ SSasymp(t * R0, Asym, R0, lrc)", DATA), "start"),
        (("y ~ a * t", DATA, 3), "start"),
        (("y ~ a * t", DATA, {"b": 1}), "start"),
        (("y ~ a + b*t", DATA, {"a": 1}), "start"),
        (("y ~ a * t", DATA, {"a": "1"}), "start"),
        (("y ~ a * t", DATA, {"a": np.nan}), "start"),
        (("y ~ a * t", DATA, {"a": 1, "t": 1}), "start"),
    ],
)
def test_bad_input_names_the_argument(arguments, argument):
    with pytest.raises(lwd.InputError) as error:
        nls(*arguments)
    assert error.value.argument == argument


@pytest.mark.parametrize(
    "keywords",
    [
        {"weights": "v"},
        {"weights": -np.ones(8)},
        {"weights": np.ones(7)},
        {"weights": np.full(8, np.nan)},
        {"weights": 1.0},
        {"maxiter": 0},
        {"maxiter": 2.5},
        {"tol": 0},
        {"tol": "small"},
        {"on_fail": "ignore"},
    ],
    ids=str,
)
def test_bad_keywords_are_named(keywords):
    with pytest.raises(lwd.InputError) as error:
        nls(*LINE, **keywords)
    assert error.value.argument == next(iter(keywords))


def test_bad_arguments_of_methods():
    fit = nls(*LINE)
    for call, argument in [
        (lambda: fit.confint("c"), "parm"),
        (lambda: fit.confint(level=95), "level"),
        (lambda: fit.confint(method="bootstrap"), "method"),
        (lambda: fit.residuals("deviance"), "type"),
        (lambda: fit.predict({"x": [1]}), "newdata"),
        (lambda: fit.predict([1]), "newdata"),
        (lambda: fit.predict(interval="both"), "interval"),
        (lambda: fit.anova(), "fits"),
        (lambda: fit.anova(nls("y + 1 ~ a", DATA, {"a": 0})), "fits"),
        (lambda: fit.anova(nls(*LINE, weights=np.arange(1, 9))), "fits"),
        # More parameters and a worse fit: not nested.
        (lambda: anova(nls("y ~ a*exp(-b*t)", DATA, {"a": 3, "b": 0}), bad_three()), "fits"),
    ]:
        with pytest.raises(lwd.InputError) as error:
            call()
        assert error.value.argument == argument


def bad_three():
    return nls("y ~ a + b*sin(t) + c*cos(t)", DATA, {"a": 0, "b": 0, "c": 0})


def test_what_did_not_converge_gives_no_interval():
    fit = nls("y ~ a + b*t + 0*c", DATA, {"a": 0, "b": 0, "c": 0}, on_fail="return")
    for call in (fit.confint, lambda: fit.predict(se_fit=True), lambda: fit.anova(nls(*LINE))):
        with pytest.raises(lwd.InputError, match="singular gradient"):
            call()
    assert np.isnan(fit.vcov().to_numpy()).all()
    assert len(fit.predict()) == 8


@pytest.mark.parametrize("case", from_r("nls")["names"], ids=lambda case: case["formula"])
def test_a_name_of_data_or_start_is_no_constant(case):
    """As R: a column or a parameter wins over pi, exp, e, t, T and so on."""
    fit = nls(case["formula"], case["data"], case["start"] or None)
    assert fit.coef().to_dict() == pytest.approx(case["coef"], rel=1e-5)
    assert fit.deviance() == pytest.approx(case["deviance"], rel=1e-8)
    if case["new"]:
        np.testing.assert_allclose(fit.predict(case["new"]), case["predicted"], rtol=1e-5)
        with pytest.raises(lwd.InputError, match=next(iter(case["new"]))):
            fit.predict({"other": [1.0]})
    assert np.isfinite(np.asarray(fit.confint(method="wald"))).all()
    assert len(fit.augment()) == len(case["data"]["y" if "y" in case["data"] else "pi"])


def test_a_constant_stays_one_where_nothing_bears_its_name():
    data = {"x": [1.0, 2.0, 3.0, 4.0], "y": [3.2, 6.3, 9.4, 12.6]}
    assert nls("y ~ a*pi*x", data, {"a": 2}).coef()["a"] == pytest.approx(1.0, abs=0.01)
    # Beside other columns, and in the response.
    fit = nls("y/pi ~ a*x", {**data, "e": [1.0, 2.0, 3.0, 4.0]}, {"a": 2})
    assert fit.coef()["a"] == pytest.approx(1.0, abs=0.01)
    with pytest.raises(lwd.InputError, match=r"exp"):
        nls("y ~ a*exp", data, {"a": 1})


def test_starting_values_come_in_many_shapes():
    t = np.arange(20.0)
    data = {"t": t, "y": 2 + 3 * np.exp(-0.3 * t) + 0.01 * np.cos(7 * t)}
    text = "y ~ c + a*exp(-b*t)"
    first = nls(text, data, {"c": 1, "a": 1, "b": 0.5})
    again: list[Any] = [
        first.coef(),
        first.coef().to_dict(),
        pd.DataFrame([first.coef()]),
        pd.DataFrame([first.coef()] * 2).iloc[1],
        {"c": np.float32(2), "a": np.int64(3), "b": np.array([0.3])},
        {"c": np.array(2.0), "a": 3, "b": np.float64(0.3)},
    ]
    for start in again:
        np.testing.assert_allclose(nls(text, data, start).estimate, first.estimate, rtol=1e-7)
    bad: list[Any] = [
        pd.DataFrame([first.coef()] * 2),
        [1.0, 1.0, 0.5],
        first.coef().to_numpy(),
        pd.Series([1.0, 1.0, 0.5]),
        {"c": 1, "a": 1, "b": np.timedelta64(1, "s")},
        {"c": 1, "a": 1, "b": [1.0, 2.0]},
        {"c": 1, "a": 1, "b": True},
    ]
    for start in bad:
        with pytest.raises(lwd.InputError, match="start"):
            nls(text, data, start)


def test_intervals_by_index_are_those_by_name():
    """R numbers parameters from 1, here they count from 0."""
    t = np.arange(20.0)
    data = {"t": t, "y": 2 + 3 * np.exp(-0.3 * t) + 0.01 * np.cos(7 * t)}
    fit = nls("y ~ SSexpfloor(t, c, a, rate)", data)
    whole = np.asarray(fit.confint())
    one: list[Any] = [1, np.int64(1), [1], "a", ["a"], np.array(["a"]), pd.Index(["a"])]
    for parm in one:
        found = lwd.confint(fit, parm)
        assert list(found.table.index) == ["a"]
        np.testing.assert_allclose(np.asarray(found), whole[[1]])
    assert list(fit.confint(["rate", 0]).table.index) == ["rate", "c"]
    assert list(fit.confint(np.array([0, 2])).table.index) == ["c", "rate"]
    curve = lwd.convergence_fit(np.stack([data["y"], data["y"] + 0.02 * np.sin(t)], axis=1))
    names = [*curve.law.parameters, "half_life"]
    assert list(lwd.confint(curve, [0, -1 + len(names)]).table.index) == [names[0], "half_life"]
    bad: list[Any] = [3, -1, True, 1.0, "b", [0, "b"], float, np.datetime64("2024-01-01")]
    for parm in bad:
        with pytest.raises(lwd.InputError, match="parm"):
            fit.confint(parm)


def test_text_is_no_number():
    data = {"y": [1.0, 2.0, 3.0, 4.5], "t": np.array(["1", "2", "3", "4"], dtype=object)}
    with pytest.raises(lwd.InputError, match="t with text"):
        nls("y ~ a*t", data, {"a": 1})


def test_a_self_start_takes_no_more_memory_than_a_few_copies_of_the_data():
    n = 100_000
    t = np.linspace(0, 10, n)
    data = {"t": t, "y": 2 + 3 * np.exp(-0.5 * t) + 0.1 * np.cos(1e3 * t)}
    tracemalloc.start()
    try:
        fit = nls("y ~ SSasymp(t, Asym, R0, lrc)", data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert fit.coef()["R0"] == pytest.approx(5.0, abs=0.01)
    assert peak < 60 * t.nbytes


def test_columns_and_weights_go_together_by_their_labels():
    t = np.arange(1.0, 9.0)
    y, w = 3.0 * np.exp(-0.4 * t) + 0.05 * np.cos(t), 1.0 / t
    right = nls("y ~ a * exp(-b * t)", {"t": t, "y": y}, {"a": 1, "b": 1}, weights=w).coef()
    names = list("abcdefgh")
    order = [3, 1, 7, 0, 2, 6, 5, 4]
    data = {
        "t": pd.Series(t, names),
        "y": xr.DataArray(y[order], {"row": [names[i] for i in order]}, "row"),
    }
    for weights in (pd.Series(w, names), pd.Series(w, names)[::-1]):
        ours = nls("y ~ a * exp(-b * t)", data, {"a": 1, "b": 1}, weights=weights).coef()
        np.testing.assert_allclose(ours, right)
    table = pd.DataFrame({"t": t, "y": y}, names)
    ours = nls("y ~ a * exp(-b * t)", table, {"a": 1, "b": 1}, weights=pd.Series(w, names)[::-1])
    np.testing.assert_allclose(ours.coef(), right)
    # What has no labels goes by its order, as rows of a larger table do.
    part = table.iloc[order]
    ours = nls("y ~ a * exp(-b * t)", part, {"a": 1, "b": 1}, weights=w[order]).coef()
    np.testing.assert_allclose(ours, right)
    other = pd.Series(y, [*names[:-1], "z"])
    with pytest.raises(lwd.InputError, match="z in data: y only"):
        nls("y ~ a * exp(-b * t)", {"t": data["t"], "y": other}, {"a": 1, "b": 1})
