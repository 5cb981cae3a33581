"""Nonlinear least squares with R's face."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lwdstats.errors import InputError, check_choice, check_integer, is_number
from lwdstats.inference.nls.formula import parse_formula
from lwdstats.inference.nls.problem import as_problem, as_start, check_named, column_names
from lwdstats.inference.nls.result import NLSFit
from lwdstats.inference.nls.solver import solve

if TYPE_CHECKING:
    import pandas as pd


class NLSError(RuntimeError):
    """A fit that did not converge, said why.

    Attributes
    ----------
    fit : NLSFit
        How far it came: not a least-squares fit, and without standard errors.
    """

    def __init__(self, fit: NLSFit) -> None:
        pairs = zip(fit.parameters, fit.estimate.tolist(), strict=True)
        at = ", ".join(f"{name} = {value:.4g}" for name, value in pairs)
        super().__init__(
            f"nls did not converge: {fit.convergence.value} "
            f"(after {fit.n_iter} iterations, at {at}); "
            "try other starting values or a law with fewer parameters"
        )
        self.fit = fit

    def __reduce__(self) -> tuple[type[NLSError], tuple[NLSFit]]:
        return type(self), (self.fit,)


def nls(
    formula: str,
    data: pd.DataFrame | Mapping[str, Any],
    start: Mapping[str, float] | pd.Series | pd.DataFrame | None = None,
    *,
    weights: npt.ArrayLike | str | None = None,
    maxiter: int = 1000,
    tol: float = 1e-5,
    on_fail: str = "raise",
) -> NLSFit:
    """Fit a nonlinear model by least squares.

    The model is ``response = f(data, parameters) + error`` with independent
    errors of mean 0 and variance ``sigma^2 / weight``. Standard errors, tests and
    intervals hold under that assumption, to the order to which `f` is linear
    around the fit. **On one autocorrelated path, such as ||D||_F of one replicate
    over time, they are wrong** (usually far too small), however good the fit.

    Parameters
    ----------
    formula : str
        ``"response ~ model"``: arithmetic of ``+ - * / ^``, ``exp``, ``log``,
        ``sqrt``, ``sin``, ``tanh``, others that R derives and ``pi`` on either side, parsed
        and never run as code; a column named ``pi`` is that; any other name in backticks.
        Self-starts: ``SSasymp(t, Asym, R0, lrc)`` = Asym + (R0 - Asym) exp(-exp(lrc) t),
        ``SSasympOrig(t, Asym, lrc)`` = Asym (1 - exp(-exp(lrc) t)),
        ``SSpower(t, c, a, b)`` = c + a (t + 1)^-b and
        ``SSexpfloor(t, c, a, rate)`` = c + a exp(-rate t), with a number where a
        parameter is known: ``SSpower(t, 0, a, b)``.
    data : pandas.DataFrame or mapping of str to array_like
        The variables: vectors of one length, or scalars. Rows in which a
        variable of the formula is missing (NaN) are left out and counted.
    start : mapping of str to float, pandas.Series, or DataFrame of one row, optional
        A starting value for each name in the model that is not in `data`, such as the
        `coef` of another fit. May be left out where the model is one self-start.
    weights : array_like, shape (n,), or str, optional
        Weights of the squares, or their name in `data`; not negative. Observations
        of weight 0 are predicted but not counted.
    maxiter : int
        Most gradients computed.
    tol : float
        Largest relative offset that counts as converged: the residual vector's part
        along the tangent plane, over its part across it.
    on_fail : {"raise", "return"}
        Whether a fit that does not converge raises `NLSError`, or is returned
        with its `convergence` saying why and its standard errors NaN.

    Returns
    -------
    NLSFit
        Print it, or its `summary`, for R's block.

    Raises
    ------
    InputError
        If the formula is not in the grammar, a name in it is neither data nor
        has a starting value, or there are not more observations than parameters.
    NLSError
        If the fit does not converge; its `fit` holds how far it came.

    Notes
    -----
    Follows R's ``nls``. Where both converge they agree, as the minimum does not
    depend on the way there. It differs in that

    - steps are those of Levenberg and Marquardt (MINPACK, through SciPy) with exact
      gradients, then of Gauss and Newton, so it converges from starts from which
      R's default does not, and the number of iterations is another (gradients
      computed);
    - a missing start is an error, where R takes 1. More: ``docs/methods.md``.

    References
    ----------
    Bates, D. M. and Watts, D. G. (1988), Nonlinear Regression Analysis and Its
    Applications, Wiley.
    Moré, J. J., Garbow, B. S. and Hillstrom, K. E. (1980), User Guide for
    MINPACK-1, Argonne National Laboratory.
    R Core Team, ``stats::nls``, ``stats::SSasymp``, ``stats::SSasympOrig``.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.arange(8)
    >>> y = [5.02, 3.81, 3.12, 2.66, 2.41, 2.23, 2.17, 2.08]
    >>> fit = nls("y ~ SSasymp(t, Asym, R0, lrc)", {"t": t, "y": y})
    >>> fit.coef().round(3)
    Asym    2.002
    R0      5.016
    lrc    -0.686
    dtype: float64
    """
    check_named("data", data)
    given = as_start(start)
    own = [*column_names(data), *(given or ())]
    parsed = parse_formula(formula, own, starts=given is not None)
    maxiter = check_integer("maxiter", maxiter, minimum=1)
    if not is_number(tol) or not 0 < tol < 1:
        raise InputError("tol", tol, "a number in (0, 1)")
    check_choice("on_fail", on_fail, ("raise", "return"))
    problem = as_problem(parsed, data, given, weights)
    norm = problem.norm()
    if given is None:
        begin = problem.self_started({})
    else:
        begin = np.array([given[name] for name in problem.parameters])
    found = solve(problem.model(), begin, norm, maxiter, float(tol))
    fit = NLSFit(**vars(problem), **vars(found), start=begin)
    if not fit.converged and on_fail == "raise":
        raise NLSError(fit)
    return fit
