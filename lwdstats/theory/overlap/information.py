"""What is lost when components overlap: the fraction of missing information."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from lwdstats.arrays import FloatArray
from lwdstats.errors import InputError, check_integer
from lwdstats.results.pictures import drawing
from lwdstats.results.result import Result
from lwdstats.theory.overlap.checks import check_components, check_step, check_weights
from lwdstats.theory.overlap.quadrature import (
    TooManyNodesError,
    line_integrals,
    mean_and_spread,
    sampled_integrals,
)


@dataclass(frozen=True, eq=False)
class MissingInformation(Result):
    """The fraction of missing information J, from `missing_information`.

    Attributes
    ----------
    weights : ndarray, shape (..., B)
        Where the networks have their consensus.
    matrix : ndarray, shape (..., B, B)
        J. Its columns sum to 0 and ``J pi`` is 0.
    eigenvalues : ndarray, shape (..., B - 1)
        Of J on vectors that sum to 0 and are 0 where the weight is, in [0, 1),
        largest first. With m components at weight 0 the last m are NaN.
    largest : ndarray, shape (...)
        The largest of them: the norm of J there, with vectors measured by
        ``sum_b x_b^2 / pi_b``. NaN where a single component has weight, since
        models that agree on that one cannot differ.
    error : ndarray, shape (...)
        Absolute error of `largest`. On a line, and for equal covariances, a
        bound; on a line otherwise the change at the last refinement; above one
        dimension the 99% half-width over independent randomizations.
    method : str
        "trapezoid" or "quasi-Monte-Carlo".
    """

    weights: FloatArray
    matrix: FloatArray
    eigenvalues: FloatArray
    largest: FloatArray
    error: FloatArray
    method: str

    def lines(self) -> list[str]:
        """Return the eigenvalues at a single consensus, or the range of the largest."""
        shape = self.largest.shape
        if not shape:
            values = ", ".join(f"{v:.4g}" for v in self.eigenvalues if not np.isnan(v)) or "none"
            lines = [f"eigenvalues: {values}", f"error: {float(self.error):.2g}"]
        elif np.isnan(self.largest).all():
            lines = ["no two components have weight"]
        else:
            low, middle, high = np.nanquantile(self.largest, [0, 0.5, 1])
            lines = [
                f"largest eigenvalue of {self.largest.size}: "
                f"{low:.4g} to {high:.4g}, median {middle:.4g}",
                f"error: at most {np.nanmax(self.error):.2g}",
            ]
        return [f"Fraction of missing information ({self.method})", *lines]

    def tidy(self) -> pd.DataFrame:
        """Return a row for each consensus: its weights, the largest eigenvalue, and its error."""
        weights = self.weights.reshape(-1, self.weights.shape[-1])
        columns = {f"weight_{b}": weights[:, b] for b in range(weights.shape[1])}
        ends = {"largest": np.ravel(self.largest), "error": np.ravel(self.error)}
        return pd.DataFrame(columns | ends)

    def _caption(self) -> str:
        return self.lines()[0]

    def _draw(self, ax: drawing.Axes | None) -> drawing.Axes:
        """Draw the largest eigenvalue over the first weight."""
        ax = drawing.new_axes(ax)
        frame = self.tidy().sort_values("weight_0")
        line = "o-" if len(frame) > 1 and self.weights.shape[-1] == 2 else "o"
        ax.errorbar(frame["weight_0"], frame["largest"], frame["error"], fmt=line, markersize=4)
        ax.set(xlabel="weight of component 0", ylabel="largest eigenvalue of J", ylim=(0.0, 1.0))
        return ax


def missing_information(
    weights: ArrayLike,
    means: ArrayLike,
    covariance: ArrayLike = 1.0,
    *,
    n_points: int = 4096,
    n_randomizations: int = 16,
    seed: int = 0,
) -> MissingInformation:
    """Compute how much of a point's component its position fails to tell.

    ``J = I - diag(pi) M`` with ``M_bc = integral N_b N_c / g_pi``: 0 where
    components are far apart, near 1 where they can hardly be told apart. A step
    of Algorithm 2 leaves of a small difference between models, on average,
    ``(I - alpha (I - J / (1 - B c)))^k`` and not the paper's ``(1 - alpha)^k``.

    Parameters
    ----------
    weights : array_like, shape (..., B)
        Consensus weights; leading dimensions are a stack, such as the runs of a
        simulation. Rows are divided by their sum. Weights may be 0.
    means : array_like, shape (B,) or (B, d)
        Means of the components.
    covariance : float or array_like, shape (d, d) or (B, d, d)
        Covariance of every component, or of each; a number stands for that
        multiple of the identity.
    n_points : int
        Sobol points a component and randomization, a power of 2. Only used
        above one dimension.
    n_randomizations : int
        Independent scramblings, at least 2; their spread is the error.
    seed : int
        Of the scramblings.

    Returns
    -------
    MissingInformation
        With ``matrix``, ``eigenvalues``, ``largest`` and ``error``.

    Raises
    ------
    InputError
        If an argument can't be used.

    Notes
    -----
    J = I - Q', where Q_bc is the mean share (ownership) that component c takes in a
    point of component b. Q is a Markov chain reversible under pi, so that
    ``diag(pi)^(-1/2) J diag(pi)^(1/2)`` is symmetric and eigenvalues are real. It is
    formed from the entries off the diagonal alone, which are all of one sign,
    so small eigenvalues do not suffer from cancellation. For B = 2 the one
    eigenvalue is ``integral N_1 N_2 / g_pi``.

    Components with one covariance need no more than B - 1 dimensions, and are
    taken there: two of them are always integrated on a line, whatever d is.

    A component of weight 0 owns nothing and stays at 0. Its row of J is that of
    the identity; no eigenvalue counts a direction that leads away from 0.

    References
    ----------
    Dempster, A. P., Laird, N. M. and Rubin, D. B. (1977), "Maximum likelihood from
    incomplete data via the EM algorithm", section 3.
    Trefethen, L. N. and Weideman, J. A. C. (2014), "The exponentially convergent
    trapezoidal rule", theorem 5.1.

    Examples
    --------
    >>> for s in (3, 2, 1, 0.5):
    ...     print(f"{missing_information([0.5, 0.5], [-s, s]).largest:.3f}")
    0.004
    0.069
    0.450
    0.796
    """
    pi = check_weights(weights)
    n_b = pi.shape[-1]
    components = check_components(means, covariance, n_b)
    points = check_integer("n_points", n_points, minimum=2)
    if points & (points - 1):
        raise InputError("n_points", n_points, "a power of 2, as Sobol's sequence needs")
    repeats = check_integer("n_randomizations", n_randomizations, minimum=2)
    key = check_integer("seed", seed, minimum=0)

    rows = pi.reshape(-1, n_b)
    if components.n_dimensions == 1:
        method = "trapezoid"
        try:
            integrals, relative = line_integrals(
                rows, components.means[:, 0], components.factors[:, 0, 0]
            )
        except TooManyNodesError:
            widths = np.ptp(components.means) / components.factors.min()
            got = f"components {widths:.3g} widths apart"
            takes = "components not that far apart, or far apart with no weight below 1e-12"
            raise InputError("means", got, takes) from None
        matrix, eigenvalues = _information(rows, integrals)
        error = relative * _first(eigenvalues) + np.finfo(float).eps
    else:
        method = "quasi-Monte-Carlo"
        estimates = sampled_integrals(
            rows, components.means, components.factors, points, repeats, key
        )
        integrals, error = mean_and_spread(
            estimates, lambda estimate: _first(_information(rows, estimate)[1])
        )
        matrix, eigenvalues = _information(rows, integrals)
    stack = pi.shape[:-1]
    return MissingInformation(
        weights=pi,
        matrix=matrix.reshape(*stack, n_b, n_b),
        eigenvalues=eigenvalues.reshape(*stack, n_b - 1),
        largest=_first(eigenvalues).reshape(stack),
        error=error.reshape(stack),
        method=method,
    )


def _first(eigenvalues: FloatArray) -> FloatArray:
    if eigenvalues.shape[-1] == 0:
        return np.full(eigenvalues.shape[:-1], np.nan)
    return eigenvalues[..., 0]


def _information(weights: FloatArray, integrals: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return J (W, B, B) and its eigenvalues (W, B - 1) from the integrals off the diagonal."""
    n_b = weights.shape[1]
    diagonal = np.arange(n_b)
    own = (weights[:, :, None] * integrals).sum(1)  # sum over c of pi_c M_cb, for each b
    matrix = -weights[:, :, None] * integrals
    matrix[:, diagonal, diagonal] = own
    # A component without weight meets none without weight: its row is the identity's.
    root = np.sqrt(weights)
    symmetric = -root[:, :, None] * root[:, None, :] * integrals
    empty = weights == 0
    # Directions that no model can take sort before the null vector, and all those are cut off.
    symmetric[:, diagonal, diagonal] = np.where(empty, -1.0, own)
    values = np.linalg.eigvalsh(symmetric)[:, :0:-1]
    inside = np.arange(n_b - 1) < (n_b - 1 - empty.sum(1))[:, None]
    return matrix, np.where(inside, np.clip(values, 0.0, None), np.nan)


def overlap_factor(
    information: MissingInformation,
    n_retrieved: int,
    step_size: float | None = None,
    complexity: float | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Return what one step leaves of a small difference, by J.

    Parameters
    ----------
    information : MissingInformation
        From `missing_information`.
    n_retrieved : int
        k, the points that a model reads in the step. At 0 nothing changes.
    step_size, complexity : float, optional
        alpha and c of the step; 1/k and 1/(k B^2) where not given.

    Returns
    -------
    matrix : ndarray, shape (..., B, B)
        ``(I - alpha (I - J / (1 - B c)))^k``.
    eigenvalues : ndarray, shape (..., B - 1)
        Its eigenvalues on vectors that sum to 0, largest first, NaN as in
        `information`.

    Raises
    ------
    InputError
        If an argument can't be used.

    Examples
    --------
    >>> J = missing_information([0.5, 0.5], [-1, 1])
    >>> matrix, eigenvalues = overlap_factor(J, n_retrieved=22)
    >>> print(f"{eigenvalues[0]:.3f}, by the paper {(1 - 1 / 22) ** 22:.3f}")
    0.579, by the paper 0.359
    """
    if not isinstance(information, MissingInformation):
        got = type(information).__name__
        raise InputError("information", got, "what missing_information returned")
    n_b = information.weights.shape[-1]
    k, alpha, c = check_step(n_retrieved, step_size, complexity, n_b)
    h = 1.0 - n_b * c
    once = np.eye(n_b) * (1.0 - alpha) + alpha / h * information.matrix
    values = (1.0 - alpha + alpha / h * information.eigenvalues) ** k
    return np.linalg.matrix_power(once, k), values
