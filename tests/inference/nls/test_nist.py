"""The nonlinear problems of NIST's Statistical Reference Datasets, from both starts.

A number of certified digits is the log relative error, -log10(|found - certified| / |certified|);
NIST certifies 11.
"""

import re

import numpy as np
import pytest
from paths import TESTS

from lwdstats.inference.nls.nls import nls

DIGITS = 6
FOLDER = TESTS / "nist"
RATIO3 = "y ~ (b1 + b2*x + b3*x^2 + b4*x^3) / (1 + b5*x + b6*x^2 + b7*x^3)"
GAUSS = "y ~ b1*exp(-b2*x) + b3*exp(-(x - b4)^2 / b5^2) + b6*exp(-(x - b7)^2 / b8^2)"
LANCZOS = "y ~ b1*exp(-b2*x) + b3*exp(-b4*x) + b5*exp(-b6*x)"
CHWIRUT = "y ~ exp(-b1*x) / (b2 + b3*x)"
ENSO = (
    "y ~ b1 + b2*cos(2*pi*x/12) + b3*sin(2*pi*x/12) + b5*cos(2*pi*x/b4) + b6*sin(2*pi*x/b4)"
    " + b8*cos(2*pi*x/b7) + b9*sin(2*pi*x/b7)"
)
MODELS = {
    "Bennett5": "y ~ b1 * (b2 + x)^(-1/b3)",
    "BoxBOD": "y ~ b1*(1 - exp(-b2*x))",
    "Chwirut1": CHWIRUT,
    "Chwirut2": CHWIRUT,
    "DanWood": "y ~ b1*x^b2",
    "ENSO": ENSO,
    "Eckerle4": "y ~ (b1/b2) * exp(-0.5*((x - b3)/b2)^2)",
    "Gauss1": GAUSS,
    "Gauss2": GAUSS,
    "Gauss3": GAUSS,
    "Hahn1": RATIO3,
    "Kirby2": "y ~ (b1 + b2*x + b3*x^2) / (1 + b4*x + b5*x^2)",
    "Lanczos1": LANCZOS,
    "Lanczos2": LANCZOS,
    "Lanczos3": LANCZOS,
    "MGH09": "y ~ b1*(x^2 + x*b2) / (x^2 + x*b3 + b4)",
    "MGH10": "y ~ b1 * exp(b2/(x + b3))",
    "MGH17": "y ~ b1 + b2*exp(-x*b4) + b3*exp(-x*b5)",
    "Misra1a": "y ~ b1*(1 - exp(-b2*x))",
    "Misra1b": "y ~ b1 * (1 - (1 + b2*x/2)^(-2))",
    "Misra1c": "y ~ b1 * (1 - (1 + 2*b2*x)^(-.5))",
    "Misra1d": "y ~ b1*b2*x*((1 + b2*x)^(-1))",
    "Nelson": "log(y) ~ b1 - b2*x1 * exp(-b3*x2)",
    "Rat42": "y ~ b1 / (1 + exp(b2 - b3*x))",
    "Rat43": "y ~ b1 / ((1 + exp(b2 - b3*x))^(1/b4))",
    "Roszman1": "y ~ b1 - b2*x - atan(b3/(x - b4))/pi",
    "Thurber": RATIO3,
}
# Its residuals are rounding errors of the response itself (1e-13 of it), so that
# what is computed from their squares has few digits in double precision.
EXACT = "Lanczos1"


def read(name):
    lines = (FOLDER / f"{name}.dat").read_text().splitlines()
    rows = [re.match(r"\s+b\d+\s*=\s*(.*)", line) for line in lines[40:60]]
    table = np.array([[float(v) for v in row[1].split()] for row in rows if row])
    rss = next(float(s.split(":")[1]) for s in lines if s.startswith("Residual Sum of Squares"))
    numbers = np.array([[float(v) for v in line.split()] for line in lines[60:] if line.strip()])
    names = ("y", "x1", "x2") if name == "Nelson" else ("y", "x")
    return dict(zip(names, numbers.T, strict=True)), table, rss


def digits(found, certified):
    error = np.abs(np.asarray(found) - certified) / np.abs(certified)
    return float(-np.log10(np.maximum(error, 1e-16)).min())


def test_every_problem_is_there():
    assert sorted(path.stem for path in FOLDER.glob("*.dat")) == sorted(MODELS)


@pytest.mark.parametrize("start", [1, 2])
@pytest.mark.parametrize("name", MODELS)
def test_certified_values(name, start):
    data, table, rss = read(name)
    names = [f"b{i + 1}" for i in range(len(table))]
    fit = nls(MODELS[name], data, dict(zip(names, table[:, start - 1], strict=True)))
    assert fit.converged
    assert digits(fit.coef(), table[:, 2]) >= DIGITS
    assert digits(fit.standard_errors, table[:, 3]) >= (2 if name == EXACT else DIGITS)
    assert digits(fit.deviance(), rss) >= (2 if name == EXACT else DIGITS)
