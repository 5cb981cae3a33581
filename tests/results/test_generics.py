"""R's generic functions of several fits, against R."""

import numpy as np
import pytest
from paths import from_r

import lwdstats as lwd

R = from_r("generics")


def fits(n=10):
    data = {"x": R["x"][:n], "y": R["y"][:n]}
    line = lwd.nls("y ~ a + b*x", data, {"a": 3, "b": -0.1})
    return line, lwd.nls("y ~ c + a*exp(-k*x)", data, {"c": 1, "a": 3, "k": 0.5})


@pytest.mark.parametrize(
    ("case", "function", "options"),
    [("AIC", lwd.AIC, {}), ("AIC3", lwd.AIC, {"k": 3}), ("BIC", lwd.BIC, {})],
)
def test_criteria_of_several_fits_are_rs_table(case, function, options):
    table = function(*fits(), **options)
    assert list(table.columns) == R[case]["names"]
    assert table["df"].tolist() == R[case]["df"]
    np.testing.assert_allclose(table.iloc[:, 1], R[case]["value"], rtol=1e-7)
    each = [function(fit, **options) for fit in fits()]
    assert table.iloc[:, 1].tolist() == each


def test_fits_of_other_numbers_of_observations_are_not_comparable():
    with pytest.warns(UserWarning, match="same number of observations"):
        lwd.AIC(fits()[0], fits(9)[1])


def test_only_fits_have_criteria():
    with pytest.raises(lwd.InputError) as error:
        lwd.BIC(fits()[0], 3)
    assert error.value.argument == "x"


@pytest.mark.parametrize("replicates", [1, 8])
def test_criteria_of_several_laws_are_those_of_their_table(replicates):
    ds = lwd.simulate_gmm(n_steps=60, replicates=replicates, seed=3)
    laws = ("power", "power_floor", "exponential")
    fits = [lwd.convergence_fit(ds, law, since=5) for law in laws]
    table = lwd.convergence_fit(ds, since=5).laws.loc[list(laws)]
    found = lwd.AIC(*fits)
    np.testing.assert_allclose(found["AIC"], table["aic"], rtol=1e-9)
    np.testing.assert_allclose(found["df"], table["df"], rtol=1e-6)
    # The price of a parameter is log(n): n replicates, or the times of one path.
    n = replicates if replicates > 1 else len(fits[0].time)
    price = found["AIC"] + (np.log(n) - 2.0) * found["df"]
    np.testing.assert_allclose(lwd.BIC(*fits)["BIC"], price, rtol=1e-6)


def test_criteria_of_fits_of_two_kinds_are_not_compared():
    law = lwd.convergence_fit(np.exp(-0.1 * np.arange(30.0)) + 0.01 * np.cos(np.arange(30.0)))
    for criterion in (lwd.AIC, lwd.BIC):
        with pytest.raises(lwd.InputError, match="one kind"):
            criterion(fits()[0], law)
