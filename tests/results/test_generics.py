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
